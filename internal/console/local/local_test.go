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

// dealt is a plan that moves addresses at random, in swaps, chains and rings,
// and through accounts that come and go, with what is before and after.
func dealt(seed uint64) (p *plan.Plan, start, want []identity.Account) {
	r := rand.New(rand.NewPCG(seed, 1))
	n := 1 + r.IntN(8)
	before, after := deal(r, n), deal(r, n)
	p = &plan.Plan{}
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
	return p, start, want
}

// TestDealing: nothing is ever held twice, and the end is what the plan says.
func TestDealing(t *testing.T) {
	for seed := range uint64(2000) {
		p, start, want := dealt(seed)
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

// refusing is a console that refuses to make some accounts what they should
// become, and lets them become what they were.
type refusing struct {
	watched
	refused map[identity.Address]bool // by a primary of a plan
}

var errRefused = errors.New("refused")

func (c refusing) Put(ctx context.Context, account identity.Address, after *identity.Account) error {
	if c.refused[after.Primary] && after.Username != "before" {
		return errRefused
	}
	return c.watched.Put(ctx, account, after)
}

// TestDealingRefused: whatever a console refuses, each account is what it was or
// what the plan says, and those that are not what the plan says are named.
func TestDealingRefused(t *testing.T) {
	tried := 0
	for seed := range uint64(4000) {
		p, start, _ := dealt(seed)
		names := map[identity.Address]bool{}
		for i := range p.Accounts {
			names[named(&p.Accounts[i])] = true
		}
		if len(names) < len(p.Accounts) {
			continue // one goes, and another gets its primary: who is meant by it?
		}
		tried++
		for i := range start {
			start[i].Username = "before"
		}
		for i := range p.Accounts {
			if b := p.Accounts[i].Before; b != nil {
				b.Username = "before"
			}
		}
		r := rand.New(rand.NewPCG(seed, 2))
		c := refusing{watched{New(start, 1), t}, map[identity.Address]bool{}}
		for i := range p.Accounts {
			if a := p.Accounts[i].After; a != nil && r.IntN(4) == 0 {
				c.refused[a.Primary] = true
			}
		}
		result, err := apply.Run(context.Background(), p, c, nil)
		if err != nil || result.Applied+len(result.Failures) != len(p.Accounts) {
			t.Fatalf("seed %d: %+v, %v", seed, result, err)
		}
		failed := map[string]bool{}
		for _, f := range result.Failures {
			failed[f.Account] = true
		}
		var want []identity.Account
		for i := range p.Accounts {
			a := &p.Accounts[i]
			then := a.After
			if failed[named(a).String()] {
				then = a.Before
			}
			if then != nil {
				want = append(want, *then)
			}
		}
		slices.SortFunc(want, byAddress)
		got, err := c.Accounts()
		if err != nil || len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: %v\ngot  %v\nwant %v\n%v", seed, result.Failures, got, want, err)
		}
	}
	if tried < 2000 {
		t.Errorf("only %d plans were tried", tried)
	}
}

// named returns the address by which a failure speaks of a change.
func named(c *plan.AccountChange) identity.Address {
	if c.After != nil {
		return c.After.Primary
	}
	return c.Before.Primary
}

// stepping is a console that keeps in mind whose turn it was.
type stepping struct {
	*Console
	turns *[]identity.Address
}

func (c stepping) Release(ctx context.Context, account identity.Address, released []identity.Address) error {
	*c.turns = append(*c.turns, account)
	return c.Console.Release(ctx, account, released)
}

func (c stepping) Put(ctx context.Context, account identity.Address, after *identity.Account) error {
	name := account
	if name.IsZero() {
		name = after.Primary
	}
	*c.turns = append(*c.turns, name)
	return c.Console.Put(ctx, account, after)
}

// TestMovesTogether: between who gives an address up and who gets it, nobody
// else has a turn.
func TestMovesTogether(t *testing.T) {
	account := func(primary int, aliases ...int) *identity.Account {
		a := &identity.Account{Primary: numbered(primary)}
		for _, n := range aliases {
			a.Aliases = append(a.Aliases, numbered(n))
		}
		return a
	}
	p := &plan.Plan{Accounts: []plan.AccountChange{
		{Before: account(100, 10), After: account(100)},              // gives 10 to 900
		{Before: account(200, 20, 21), After: account(200, 30)},      // swaps 20 for 30 with 800, gives 21 to 700
		{Before: account(300), After: account(300, 31)},              // on its own
		{After: account(700, 21)},                                    // new
		{Before: account(800, 30), After: account(800, 20)},          // swaps
		{Before: account(900), After: account(900, 10)},              // gets
		{Before: account(950, 95, 96), After: account(950, 95, 960)}, // on its own
	}}
	var start []identity.Account
	for i := range p.Accounts {
		if b := p.Accounts[i].Before; b != nil {
			start = append(start, *b)
		}
	}
	var turns []identity.Address
	result, err := apply.Run(context.Background(), p, stepping{New(start, len(start)), &turns}, nil)
	if err != nil || len(result.Failures) > 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	var got []string
	for _, a := range turns {
		got = append(got, strings.TrimSuffix(strings.TrimPrefix(a.String(), "a"), "@example.com"))
	}
	const want = "100 900 200 800 200 800 700 300 950"
	if strings.Join(got, " ") != want {
		t.Errorf("turns %s, want %s", strings.Join(got, " "), want)
	}
}

// TestWithheld: a withheld deactivation leaves the account as it stays.
func TestWithheld(t *testing.T) {
	before := identity.Account{Primary: numbered(1), Aliases: []identity.Address{numbered(2), numbered(3)}}
	kept := identity.Account{Primary: numbered(1), Aliases: []identity.Address{numbered(2)}}
	after := identity.Account{Primary: numbered(1), Status: identity.Inactive}
	idle, gone := identity.Account{Primary: numbered(4)}, identity.Account{Primary: numbered(4), Status: identity.Inactive}
	same := idle
	p := &plan.Plan{Accounts: []plan.AccountChange{
		{Before: &before, After: &after, Kept: &kept, Withheld: true},
		{Before: &idle, After: &gone, Kept: &same, Withheld: true},
	}}
	console := New([]identity.Account{before, idle}, 2)
	result, err := apply.Run(context.Background(), p, console, nil)
	if err != nil || result.Withheld != 2 || result.Applied != 1 {
		t.Fatalf("%+v, %v", result, err)
	}
	if got, err := console.Accounts(); err != nil || !reflect.DeepEqual(got, []identity.Account{kept, idle}) {
		t.Errorf("%v, %v", got, err)
	}
	if len(console.touched) != 1 {
		t.Errorf("%d accounts were touched, and one changes", len(console.touched))
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
	if err != nil || result.Applied != 2 || len(result.Failures) != 2 {
		t.Fatalf("%+v, %v", result, err)
	}
	for i, want := range []string{"a3@example.com: a3@example.com is held by a3@example.com", "a9@example.com: the console has no account a9@example.com"} {
		if f := result.Failures[i]; f.Account+": "+f.Error != want {
			t.Errorf("%s: %s, want %s", f.Account, f.Error, want)
		}
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
