package suite

import (
	"context"
	"fmt"
	"strings"

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
	t, err := r.Open(r.ctx, owner)
	if err != nil {
		r.fail("the console cannot be opened as owner %q: %w", owner, err)
	}
	k := &keeper{r: r, owner: owner, Ledgered: console.LedgeredOf(t), target: t}
	if k.Ledgered == nil {
		k.close()
		r.fail("fact ledger is true, and the console remembers none when it is opened as owner %q", owner)
	}
	return k
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

// forget takes out what a check has left.
func (r *run) forget(owner string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), patience)
	defer cancel()
	t, err := r.Open(ctx, owner)
	if err != nil {
		return // as the check has reported
	}
	defer t.Close()
	if l := console.LedgeredOf(t); l != nil {
		if now, err := l.Ledger(ctx); err == nil && now != "" {
			_ = l.Claim(ctx, "", now)
		}
	}
}

func (r *run) ledgers() {
	owner, second := prefix+r.id, prefix+r.id+"-other"
	a, b, c := strings.Repeat("0a", 16), strings.Repeat("1b", 16), strings.Repeat("2c", 16)
	defer r.forget(owner)
	defer r.forget(second)
	k := r.keeper(owner)
	defer func() { k.close() }()
	k.has("", "since nobody has claimed one")
	k.claims(a, "")
	k.has(a, "which was claimed")
	k.close()
	k = r.keeper(owner)
	k.has(a, "which was claimed before the console was opened again")
	k.refused(b, "", a)
	k.refused(b, c, a)
	k.claims(a, "")
	k.claims(b, a)
	k.has(b, "which has taken its place")
	theirs := r.keeper(second)
	defer theirs.close()
	theirs.has("", "since another owner alone has claimed one")
	theirs.claims(c, "")
	theirs.has(c, "which was claimed")
	k.has(b, "since another owner has claimed another")
	k.claims("", b)
	k.has("", "since it was taken out")
	theirs.has(c, "since that of another owner was taken out")
}
