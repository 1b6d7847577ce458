package plan_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestDifferenceProperties: a plan does not differ from itself; base and
// difference make head, and head and the difference turned round make base.
func TestDifferenceProperties(t *testing.T) {
	differences := 0
	for n := range uint64(4000) {
		in := generate(11, n)
		base := computed(t, in)
		if d := plan.Compare(base, computed(t, in)); !d.Empty() {
			t.Fatalf("input %d: a plan differs from itself: %v", n, d)
		}
		head := computed(t, reconfigured(in, rand.New(rand.NewPCG(11, n))))
		forth, back := plan.Compare(base, head), plan.Compare(head, base)
		if !forth.Empty() {
			differences++
		}
		if len(forth.Changes) != len(back.Changes) || len(forth.Rejections) != len(back.Rejections) {
			t.Errorf("input %d: %d and %d there, %d and %d back", n, len(forth.Changes), len(forth.Rejections), len(back.Changes), len(back.Rejections))
		}
		rows := func(p *plan.Plan) (all []plan.Row) {
			for i := range p.Changes {
				all = append(all, p.Changes[i].Row())
			}
			return all
		}
		var goneRows, newRows []plan.Row
		for i, d := range forth.Changes {
			if d.Base != nil {
				goneRows = append(goneRows, d.Base.Row())
			}
			if d.Head != nil {
				newRows = append(newRows, d.Head.Row())
			}
			if fields := plan.ChangeFields(d); (len(fields) > 0) != (d.Effect() == plan.Differs) {
				t.Errorf("input %d: change %d %s in %v", n, i, d.Effect(), fields)
			}
		}
		if got := append(without(rows(base), goneRows, equal), newRows...); !sameRows(got, rows(head)) {
			t.Fatalf("input %d: base and difference make\n%v\nnot\n%v", n, got, rows(head))
		}
		var goneRefusals, newRefusals []plan.Rejection
		for i, d := range forth.Rejections {
			if d.Base != nil {
				goneRefusals = append(goneRefusals, *d.Base)
			}
			if d.Head != nil {
				newRefusals = append(newRefusals, *d.Head)
			}
			if fields := plan.RejectionFields(d); (len(fields) > 0) != (d.Effect() == plan.Differs) {
				t.Errorf("input %d: rejection %d %s in %v", n, i, d.Effect(), fields)
			}
		}
		if got := append(without(base.Rejections, goneRefusals, equal), newRefusals...); !sameRows(got, head.Rejections) {
			t.Fatalf("input %d: base and difference refuse\n%v\nnot\n%v", n, got, head.Rejections)
		}
		for c, tally := range forth.Categories() {
			checkTally(t, plan.Category(c).String(), tally)
		}
		for r, tally := range forth.Reasons() {
			checkTally(t, plan.Reason(r).String(), tally)
		}
	}
	if differences < 1000 {
		t.Errorf("only %d of the inputs differ", differences)
	}
}

func computed(t *testing.T, in plan.Input) *plan.Plan {
	t.Helper()
	p, err := plan.Compute(in)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reconfigured changes the rules of an input and nothing else.
func reconfigured(in plan.Input, random *rand.Rand) plan.Input {
	in.Rules.Scopes = slices.Clone(in.Rules.Scopes)
	for i := range in.Rules.Scopes {
		s := &in.Rules.Scopes[i]
		switch random.IntN(4) {
		case 0:
			s.Domains = []string{"example.org"}
		case 1:
			s.Adopt, s.Rebind = !s.Adopt, !s.Rebind
		case 2:
			s.MaxLength = map[string]int{identity.DisplayName: 2}
		}
	}
	if random.IntN(2) == 0 {
		in.Rules.Protected, in.Rules.Holds = in.Rules.Holds, in.Rules.Protected
	}
	return in
}

func sameRows[T comparable](x, y []T) bool {
	return len(x) == len(y) && len(without(x, y, equal)) == 0
}

func checkTally(t *testing.T, name string, tally plan.Tally) {
	t.Helper()
	if tally.Head-tally.Base != tally.Effects[plan.Appears]-tally.Effects[plan.Vanishes] {
		t.Errorf("%s: the counts %+v do not go together", name, tally)
	}
}

// TestDifference: what makes two rows the same one, and in which fields they
// then differ.
func TestDifference(t *testing.T) {
	ann := &identity.Account{Primary: identity.MustAddress("ann@example.com"), Directory: "corp", Username: "ann", GUID: poolGUID(1)}
	annie := *ann
	annie.Username = "annie"
	rejection := plan.Rejection{Reason: plan.ProtectedMove, Address: "ceo@example.com", Guard: "board", Directory: "corp", GUID: poolGUID(2)}
	renamed, again := rejection, rejection
	renamed.Guard = "executives"
	again.New = true
	base := &plan.Plan{Accounts: []plan.AccountChange{{After: ann}}, Rejections: []plan.Rejection{rejection, rejection}}
	head := &plan.Plan{Accounts: []plan.AccountChange{{After: &annie}}, Rejections: []plan.Rejection{again, renamed}}
	base.Changes, head.Changes = plan.Rows(base.Accounts), plan.Rows(head.Accounts)
	d := plan.Compare(base, head)
	if len(d.Changes) != 1 || len(d.Rejections) != 1 {
		t.Fatalf("%d changes and %d rejections differ", len(d.Changes), len(d.Rejections))
	}
	if got, want := plan.ChangeFields(d.Changes[0]), (plan.FieldDifference{Name: "username", Base: "ann", Head: "annie"}); len(got) != 1 || got[0] != want {
		t.Errorf("the change differs in %v", got)
	}
	if got, want := plan.RejectionFields(d.Rejections[0]), (plan.FieldDifference{Name: "guard", Base: "board", Head: "executives"}); len(got) != 1 || got[0] != want {
		t.Errorf("the rejection differs in %v", got)
	}
	hold := plan.Rejection{Reason: plan.LegalHold, Address: "ann@example.com", Guard: "case", Directory: "corp", GUID: poolGUID(1)}
	keeps := hold
	keeps.Attribute = "department"
	d = plan.Compare(&plan.Plan{Rejections: []plan.Rejection{hold}}, &plan.Plan{Rejections: []plan.Rejection{keeps}})
	if got, want := plan.RejectionFields(d.Rejections[0]), (plan.FieldDifference{Name: "attribute", Head: "department"}); len(got) != 1 || got[0] != want {
		t.Errorf("the hold differs in %v", got)
	}
	if d := plan.Compare(base, &plan.Plan{}); len(d.Changes) != 1 || d.Changes[0].Effect() != plan.Vanishes || len(d.Rejections) != 2 {
		t.Errorf("of an empty plan it differs in %v", d)
	}
}

// TestDifferenceOfRisk: what is said of the risk in one plan and not, or in other
// words, in the other.
func TestDifferenceOfRisk(t *testing.T) {
	leave := func(addresses ...string) *plan.Plan {
		p := &plan.Plan{}
		for _, x := range addresses {
			a := identity.Account{Primary: identity.MustAddress(x), Directory: "corp"}
			b := a
			b.Status = identity.Inactive
			p.Accounts = append(p.Accounts, plan.AccountChange{Before: &a, After: &b})
		}
		p.Changes = plan.Rows(p.Accounts)
		p.Active = []plan.ActiveAccounts{{Directory: "corp", Accounts: 100}}
		p.Allowances = []plan.Allowance{{Directory: "corp", Accounts: 100, Losses: [plan.Brakes]plan.Loss{{Count: len(addresses), Bound: 2}}}}
		p.Assess(plan.DefaultRisk())
		return p
	}
	var got []string
	text := func(r *plan.Risk) string {
		if r == nil {
			return "-"
		}
		return r.Level.String() + " " + r.Text()
	}
	d := plan.Compare(leave("ann@example.com"), leave("ann@example.com", "abuse@example.com"))
	for _, r := range d.Risks {
		got = append(got, text(r.Base)+" => "+text(r.Head))
	}
	want := []string{
		"low 1 address stops receiving mail; 1 account loses all mail => low 2 addresses stop receiving mail; 2 accounts lose all mail",
		"low 1 of 100 active accounts of corp loses all mail (1%) => medium 2 of 100 active accounts of corp lose all mail (2%)",
		"- => high 1 role address stops working: abuse@example.com",
		`- => low 2 of 100 accounts of corp are deactivated (limit 2)`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}
