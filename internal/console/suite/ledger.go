package suite

import (
	"context"
	"fmt"
	"strings"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
)

func ledgers(r *run) string {
	if !r.facts.Ledger {
		return "the console does not remember ledgers (fact ledger is false)"
	}
	return ""
}

// keeper is the console as opened by an owner of whom it remembers a ledger.
type keeper struct {
	r     *run
	owner string
	console.Ledgered
	target console.Target
}

func (r *run) keeper(owner string) *keeper {
	k := &keeper{r: r, owner: owner}
	k.open()
	return k
}

func (k *keeper) open() {
	t, err := k.r.Open(k.r.ctx, k.owner)
	if err != nil {
		k.r.fail("the console cannot be opened as owner %q: %w", k.owner, err)
	}
	k.target, k.Ledgered = t, console.LedgeredOf(t)
	if k.Ledgered == nil {
		k.close()
		k.r.fail("fact ledger is true, and the console remembers none when it is opened as owner %q", k.owner)
	}
}

func (k *keeper) close() {
	_ = k.target.Close() // what was said by then is what counts
}

// has reads what is remembered.
func (k *keeper) has(want, why string) {
	k.r.eventually(func() error {
		switch got, err := k.Ledger(k.r.ctx); {
		case err != nil:
			k.r.fail("asked for the ledger of owner %q, the console answered: %w", k.owner, err)
		case got != want:
			return fmt.Errorf("the ledger of owner %q is %q, and not %q, %s", k.owner, got, want, why)
		}
		return nil
	})
}

// claims makes a claim that the console has to take.
func (k *keeper) claims(lineage, was string) {
	if err := k.Claim(k.r.ctx, lineage, was); err != nil {
		k.r.fail("asked to remember the ledger %q in place of %q, the console answered: %w", lineage, was, err)
	}
}

// refused makes a claim that the console must not take, since now is there.
func (k *keeper) refused(lineage, was, now string) {
	err := k.Claim(k.r.ctx, lineage, was)
	if claimed := console.AsClaimed(err); claimed == nil || claimed.Lineage != now {
		k.r.fail("asked to remember the ledger %q in place of %q where %q is there, the console answered: %v; it has to refuse that as changed", lineage, was, now, err)
	}
	k.has(now, "since a claim in place of another one was refused")
}

// holds gives the owner an account: some consoles remember a ledger by the accounts that
// belong to it, or once they have any. It returns what removes the account.
func (k *keeper) holds(name string) (remove func()) {
	r := k.r
	if !r.facts.Marks && !r.facts.Exclusive {
		return func() {}
	}
	step := r.put(nil, r.account(name))
	step.By = k.owner
	if made := r.apply(k.target, []apply.Step{step})[0]; made.Err != nil {
		r.fail("owner %q cannot create an account: %w", k.owner, made.Err)
	}
	return func() {
		// What is left is reported by the last check.
		_ = r.try(func(r *run) {
			if l := r.read().byPrimary(step.After.Primary); l != nil {
				gone := r.remove(l)
				gone.By = k.owner
				r.apply(k.target, []apply.Step{gone})
			}
		})
	}
}

// restore has the console remember again what it did before the check.
func (k *keeper) restore(lineage string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.r.ctx), patience)
	defer cancel()
	if now, err := k.Ledger(ctx); err == nil && now != lineage {
		_ = k.Claim(ctx, lineage, now) // else the check has failed
	}
}

func (r *run) ledgers() {
	owner, second := prefix+r.id, prefix+r.id+"-other"
	if r.facts.Exclusive {
		owner = r.Owner
	}
	a, b, c := strings.Repeat("0a", 16), strings.Repeat("1b", 16), strings.Repeat("2c", 16)
	k := r.keeper(owner)
	defer k.close()
	kept := ""
	if !r.facts.Exclusive {
		k.has("", "since nobody has claimed one")
	} else if was, err := k.Ledger(r.ctx); err != nil {
		r.fail("asked for the ledger of owner %q, the console answered: %w", owner, err)
	} else {
		kept = was
	}
	defer k.restore(kept)
	defer k.holds("ledger")()
	k.claims(a, kept)
	k.has(a, "which was claimed")
	k.close()
	k.open()
	k.has(a, "which was claimed before the console was opened again")
	k.refused(b, kept, a)
	k.refused(b, c, a)
	k.claims(a, "")
	k.claims(b, a)
	k.has(b, "which has taken its place")
	defer k.holds("ledger.later")()
	k.has(b, "since it has one account more")
	if !r.facts.Exclusive {
		r.apartFrom(k, second, b, c)
	}
	k.claims("", b)
	k.has("", "since it was taken out")
}

// apartFrom looks that a second owner has a ledger of its own.
func (r *run) apartFrom(k *keeper, second, lineage, other string) {
	theirs := r.keeper(second)
	defer theirs.close()
	defer theirs.restore("")
	theirs.has("", "since another owner alone has claimed one")
	defer theirs.holds("ledger.other")()
	theirs.claims(other, "")
	theirs.has(other, "which was claimed")
	k.has(lineage, "since another owner has claimed another")
	k.claims("", lineage)
	theirs.has(other, "since that of another owner was taken out")
	k.claims(lineage, "")
}
