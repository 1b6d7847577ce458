package local

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

func numbered(n int) identity.Address { return identity.MustAddress(fmt.Sprintf("a%d@example.com", n)) }

func account(primary int, aliases ...int) *identity.Account {
	a := &identity.Account{Primary: numbered(primary)}
	for _, n := range aliases {
		a.Aliases = append(a.Aliases, numbered(n))
	}
	return a
}

// run applies changes to the console of accounts.
func run(ctx context.Context, accounts []identity.Account, changes ...plan.AccountChange) (apply.Result, []identity.Account, *Console, error) {
	console, ledger := New(accounts), apply.NewLedger(accounts, nil)
	result, err := apply.Run(ctx, apply.Job{
		Changes: changes, Console: console, Ledger: ledger,
		Known: func(before *identity.Account) apply.Known {
			return apply.Known{Live: &identity.Live{Account: *before}, Recorded: before.Primary}
		},
	})
	after, _ := ledger.Accounts()
	return result, after, console, err
}

// TestWithheld: a withheld deactivation leaves the account as it stays.
func TestWithheld(t *testing.T) {
	before, kept := account(1, 2, 3), account(1, 2)
	after := &identity.Account{Primary: numbered(1), Status: identity.Inactive}
	idle, gone := account(4), &identity.Account{Primary: numbered(4), Status: identity.Inactive}
	result, got, console, err := run(context.Background(), []identity.Account{*before, *idle},
		plan.AccountChange{Before: before, After: after, Kept: kept, Withheld: true},
		plan.AccountChange{Before: idle, After: gone, Kept: account(4), Withheld: true})
	if err != nil || result.Withheld != 2 || result.Applied != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	if !reflect.DeepEqual(got, []identity.Account{*kept, *idle}) {
		t.Errorf("%v", got)
	}
	if !reflect.DeepEqual(console.now, []*identity.Account{kept, nil}) {
		t.Errorf("not one account was touched: %v", console.now)
	}
}

// TestSwap: accounts swap their addresses in one group, and who would get one that
// another has leaves all as they were.
func TestSwap(t *testing.T) {
	one, two, three := account(1, 10), account(2, 20), account(3)
	start := []identity.Account{*one, *two, *three}
	_, got, _, err := run(context.Background(), start,
		plan.AccountChange{Before: one, After: account(1, 20)}, plan.AccountChange{Before: two, After: account(2, 10)})
	if err != nil || !reflect.DeepEqual(got, []identity.Account{*account(1, 20), *account(2, 10), *three}) {
		t.Errorf("%v, %v", got, err)
	}
	console := New(start)
	step := func(group int, before, after *identity.Account) apply.Step {
		return apply.Step{Group: group, Live: &identity.Live{Account: *before}, After: after, Fields: []string{plan.FieldAliases}}
	}
	var codes []apply.Code
	err = console.Apply(context.Background(), []apply.Step{
		step(1, three, account(3, 30)), step(2, one, account(1, 20)), step(2, two, account(2, 10, 30)), step(3, one, account(1, 40)), step(4, two, account(2, 20, 50)),
	}, func(_ int, a apply.Answer) {
		if a.Err == nil {
			codes = append(codes, "")
		} else {
			codes = append(codes, a.Err.Code)
		}
	})
	if want := []apply.Code{"", apply.Cancelled, apply.Taken, "", ""}; err != nil || !reflect.DeepEqual(codes, want) {
		t.Errorf("%q, %v", codes, err)
	}
}

// TestHolders: a group is made if nobody then holds an address that somebody else
// has, and otherwise leaves all as they were.
func TestHolders(t *testing.T) {
	made, refused := 0, 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var start []identity.Account
		for n := range 8 {
			start = append(start, *account(n, 10+n))
		}
		console := New(start)
		held := map[identity.Address]*identity.Account{}
		hold := func(a *identity.Account) { a.EachAddress(func(x identity.Address) { held[x] = a }) }
		for i := range start {
			hold(&start[i])
		}
		for range 10 {
			after := maps.Clone(held)
			var group []apply.Step
			for _, n := range r.Perm(len(start))[:r.IntN(4)] {
				before := held[numbered(n)]
				if before == nil {
					continue
				}
				s := apply.Step{Live: &identity.Live{Account: *before}, Fields: []string{plan.FieldAliases}}
				if r.IntN(8) > 0 {
					s.After = account(n, slices.Compact([]int{10 + r.IntN(5), 15 + r.IntN(5)})...)
				}
				group = append(group, s)
				before.EachAddress(func(x identity.Address) { delete(after, x) })
			}
			if r.IntN(2) == 0 {
				group = append(group, apply.Step{After: account(20+r.IntN(20), 10+r.IntN(10))})
			}
			want := true
			for i := range group {
				group[i].After.EachAddress(func(x identity.Address) {
					want = want && after[x] == nil
					after[x] = group[i].After
				})
			}
			got := true
			if err := console.Apply(context.Background(), group, func(_ int, a apply.Answer) { got = got && a.Err == nil }); err != nil || got != want {
				t.Fatalf("seed %d: a group was made: %v, should be: %v, %v", seed, got, want, err)
			}
			if refused++; want {
				held, made, refused = after, made+1, refused-1
			}
			for n := range 40 {
				found, err := console.Get(context.Background(), nil, []identity.Address{numbered(n)})
				if a := held[numbered(n)]; err != nil || len(found) > 1 || (a != nil) != (len(found) == 1) || a != nil && !found[0].Equal(a) {
					t.Fatalf("seed %d: %s is held by %v, not by %v, %v", seed, numbered(n), found, a, err)
				}
			}
		}
	}
	if made < 200 || refused < 200 {
		t.Errorf("%d groups were made, %d refused", made, refused)
	}
}

// TestRefusals: what would hold an address twice is refused by name, the rest
// goes on, and an end that is not whole is no end.
func TestRefusals(t *testing.T) {
	start := []identity.Account{*account(1), *account(2)}
	result, _, _, err := run(context.Background(), start,
		plan.AccountChange{After: account(3)}, plan.AccountChange{After: account(3)}, plan.AccountChange{After: account(4)}, plan.AccountChange{Before: account(9)})
	if err != nil || result.Applied != 2 || len(result.Failures) != 2 {
		t.Fatalf("%+v, %v", result, err)
	}
	for i, want := range []string{"a3@example.com: the address is taken (a3@example.com, which a3@example.com has)", "a9@example.com: the console has no account a9@example.com"} {
		if f := result.Failures[i]; f.Account+": "+f.Error != want {
			t.Errorf("%s: %s, want %s", f.Account, f.Error, want)
		}
	}
	result, _, _, err = run(context.Background(), start, plan.AccountChange{After: account(3, 1)})
	if err != nil || len(result.Failures) != 1 || !strings.Contains(result.Failures[0].Error, "a1@example.com, which a1@example.com has") {
		t.Errorf("an address of an account that the plan leaves alone: %+v, %v", result, err)
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if result, _, _, err := run(ctx, nil, plan.AccountChange{After: account(1)}); err != context.Canceled || result.Applied != 0 {
		t.Errorf("%+v, %v", result, err)
	}
}
