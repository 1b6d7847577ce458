package apply

import (
	"errors"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestFits: a saved plan is applied on nothing but what it was made on.
func TestFits(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	p := plan.Plan{Header: plan.Header{Lineage: "l", Serial: 4, StateSum: "s", ConfigDigest: "d", Expires: now}}
	basis := Basis{Lineage: "l", Serial: 4, Sum: "s", Digest: "d", Now: now}
	if err := Fits(&p, basis); err != nil {
		t.Fatal(err)
	}
	for why, change := range map[string]func(*Basis){
		"the plan was made on another state": func(b *Basis) { b.Lineage = "m" },
		"the plan was made on version 4 of the state, which is at 5 now: it was applied already, or something else has changed the state": func(b *Basis) { b.Serial = 5 },
		"the plan was made on version 4 of the state, and the state is back at 3":                                                         func(b *Basis) { b.Serial = 3 },
		"the plan was made on another version 4 of the state, as after a backup was put back":                                             func(b *Basis) { b.Sum = "t" },
		"the configuration has changed since the plan was made":                                                                           func(b *Basis) { b.Digest = "e" },
		"the plan expired at 2027-01-15T08:00:00Z":                                                                                        func(b *Basis) { b.Now = now.Add(time.Second) },
	} {
		b := basis
		change(&b)
		if err := Fits(&p, b); err == nil || err.Error() != why {
			t.Errorf("%v, want %s", err, why)
		}
	}
	p.Redacted = true
	if err := Fits(&p, basis); !errors.Is(err, ErrRedacted) {
		t.Error(err)
	}
}

// TestMoved: a plan fits if what it touches is as it was; others may have changed.
func TestMoved(t *testing.T) {
	account := func(primary int, aliases ...int) identity.Account {
		a := identity.Account{Primary: numbered(primary)}
		for _, n := range aliases {
			a.Aliases = append(a.Aliases, numbered(n))
		}
		return a
	}
	one, two, first, second := account(1, 10), account(2), account(1), account(2, 10, 11)
	p := plan.Plan{Accounts: []plan.AccountChange{{Before: &one, After: &first}, {Before: &two, After: &second}}}
	for why, now := range map[string][]identity.Account{
		"":                   {one, two, account(3)},
		" with more changes": {one, two, account(3, 30), account(4)},
		"account a1@example.com is not what it was when the plan was made":                               {account(1), two},
		"account a2@example.com is not what it was when the plan was made":                               {one},
		"a11@example.com, which the plan gives to a2@example.com, is held by account a3@example.com now": {one, two, account(3, 11)},
	} {
		err := Moved(&p, now, func(int) bool { return false })
		if fine := why == "" || why[0] == ' '; fine && err != nil || !fine && (err == nil || err.Error() != why) {
			t.Errorf("%v, want %s", err, why)
		}
	}
}

// TestMovedBarred: an account that belongs to somebody else by now is not what it was,
// though every field of it is.
func TestMovedBarred(t *testing.T) {
	before, after := identity.Account{Primary: numbered(1)}, identity.Account{Primary: numbered(1), Username: "ann"}
	p := plan.Plan{Accounts: []plan.AccountChange{{Before: &before, After: &after}}}
	if err := Moved(&p, []identity.Account{before}, func(int) bool { return true }); err == nil {
		t.Error("the plan fits an account that is left as it is")
	}
}
