package local

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// watched is a console that checks after every step that no address is held
// twice.
type watched struct {
	*Console
	t *testing.T
}

func (w watched) check(err error) error {
	held := map[identity.Address]bool{}
	for i := range w.accounts {
		a := &w.accounts[i]
		if r := w.touched[i]; r != nil {
			if r.gone {
				continue
			}
			a = &r.account
		}
		w.hold(held, a)
	}
	for _, r := range w.created {
		w.hold(held, &r.account)
	}
	return err
}

func (w watched) hold(held map[identity.Address]bool, a *identity.Account) {
	for _, x := range addresses(a) {
		if held[x] {
			w.t.Errorf("%s is held twice", x)
		}
		held[x] = true
	}
}

func (w watched) Release(ctx context.Context, account identity.Address, released []identity.Address) error {
	return w.check(w.Console.Release(ctx, account, released))
}

func (w watched) Put(ctx context.Context, account identity.Address, after *identity.Account) error {
	return w.check(w.Console.Put(ctx, account, after))
}

func (w watched) Remove(ctx context.Context, account identity.Address) error {
	return w.check(w.Console.Remove(ctx, account))
}

func byAddress(a, b identity.Account) int { return a.Primary.Compare(b.Primary) }

// deal deals addresses out to accounts, which are sorted.
func deal(r *rand.Rand, accounts int) []identity.Account {
	deck := r.Perm(3 * accounts)
	var all []identity.Account
	for i := range accounts {
		hand := deck[3*i : 3*i+1+r.IntN(3)]
		a := identity.Account{Primary: numbered(hand[0]), Username: fmt.Sprint(i)}
		for _, n := range hand[1:] {
			a.Aliases = append(a.Aliases, numbered(n))
		}
		slices.SortFunc(a.Aliases, identity.Address.Compare)
		if r.IntN(5) == 0 {
			a.Status, a.Aliases = identity.Inactive, nil
		}
		all = append(all, a)
	}
	return all
}

func numbered(n int) identity.Address { return identity.MustAddress(fmt.Sprintf("a%d@example.com", n)) }

// TestDealing moves addresses at random, in swaps, chains and rings, and
// through accounts that come and go. Nothing is ever held twice, and the end
// is what the plan says.
func TestDealing(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(8)
		before, after := deal(r, n), deal(r, n)
		p := &plan.Plan{}
		var start, want []identity.Account
		for i := range n {
			change := plan.AccountChange{Before: &before[i], After: &after[i]}
			switch r.IntN(6) {
			case 0:
				change.Before = nil
			case 1:
				change.After = nil
			}
			if change.Before != nil {
				start = append(start, before[i])
			}
			if change.After != nil {
				want = append(want, after[i])
			}
			if change.Before != nil || change.After != nil {
				p.Accounts = append(p.Accounts, change)
			}
		}
		slices.SortFunc(start, byAddress)
		slices.SortFunc(want, byAddress)
		console := New(start, 1)
		result, err := apply.Run(context.Background(), p, watched{console, t}, nil)
		if err != nil || len(result.Failures) > 0 || result.Applied != len(p.Accounts) {
			t.Fatalf("seed %d: %+v, %v", seed, result, err)
		}
		got, err := console.Accounts()
		if err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d:\ngot  %v\nwant %v\n%v", seed, got, want, err)
		}
	}
}

// TestWithheld: a withheld deactivation leaves the account as it stays.
func TestWithheld(t *testing.T) {
	before := identity.Account{Primary: numbered(1), Aliases: []identity.Address{numbered(2), numbered(3)}}
	kept := identity.Account{Primary: numbered(1), Aliases: []identity.Address{numbered(2)}}
	after := identity.Account{Primary: numbered(1), Status: identity.Inactive}
	p := &plan.Plan{Accounts: []plan.AccountChange{{Before: &before, After: &after, Kept: &kept, Withheld: true}}}
	console := New([]identity.Account{before}, 1)
	result, err := apply.Run(context.Background(), p, console, nil)
	if err != nil || result.Withheld != 1 || result.Applied != 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	if got, err := console.Accounts(); err != nil || !reflect.DeepEqual(got, []identity.Account{kept}) {
		t.Errorf("%v, %v", got, err)
	}
}

// TestRefusals: what would hold an address twice is refused by name, the rest
// goes on, and an end that is not whole is no end.
func TestRefusals(t *testing.T) {
	one, two := identity.Account{Primary: numbered(1)}, identity.Account{Primary: numbered(2)}
	taken := identity.Account{Primary: numbered(3), Aliases: []identity.Address{numbered(1)}}
	again := identity.Account{Primary: numbered(3)}
	fine := identity.Account{Primary: numbered(4)}

	p := &plan.Plan{Accounts: []plan.AccountChange{{After: &again}, {After: &again}, {After: &fine}, {Before: &identity.Account{Primary: numbered(9)}}}}
	console := New([]identity.Account{one, two}, 2)
	result, err := apply.Run(context.Background(), p, console, nil)
	if err == nil || !strings.Contains(err.Error(), "no account a9@example.com") {
		t.Errorf("an account that is not there: %v", err)
	}
	p.Accounts = p.Accounts[:3]
	if result, err = apply.Run(context.Background(), p, console, nil); err != nil || result.Applied != 2 || len(result.Failures) != 1 || result.Failures[0].Account != numbered(3) {
		t.Errorf("%+v, %v", result, err)
	}

	console = New([]identity.Account{one, two}, 2)
	p = &plan.Plan{Accounts: []plan.AccountChange{{After: &taken}}}
	if _, err := apply.Run(context.Background(), p, console, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := console.Accounts(); err == nil || !strings.Contains(err.Error(), "a1@example.com is held by a1@example.com and would go to a3@example.com too") {
		t.Errorf("an address of an account that the plan leaves alone: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	one := identity.Account{Primary: numbered(1)}
	p := &plan.Plan{Accounts: []plan.AccountChange{{After: &one}}}
	if _, err := apply.Run(ctx, p, New(nil, 0), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
