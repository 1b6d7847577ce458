package plan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// crowds are inputs in which n entries have a part in one subject.
var crowds = []struct {
	name    string
	subject string
	input   func(n int) plan.Input
}{
	{"one entry", "CN=User 000000,OU=Staff,DC=example,DC=com", func(n int) plan.Input {
		return crowd(2, func(i int, e *identity.Entry, a *identity.Account) {
			for k := range n {
				e.Aliases = append(e.Aliases, fmt.Sprintf("alias%d@example.com", k)) // of both: contested
			}
			if i == 1 {
				a.Primary = identity.MustAddress("local@example.com")
				a.Directory, a.GUID = "", identity.GUID{}
			}
		})
	}},
	{"declared", "all@example.com", func(n int) plan.Input {
		return crowd(n, func(_ int, e *identity.Entry, _ *identity.Account) { e.Primaries = []string{"all@example.com"} })
	}},
	{"newcomers", "all@example.com", func(n int) plan.Input {
		in := crowd(n, func(_ int, e *identity.Entry, _ *identity.Account) { e.Aliases = []string{"all@example.com"} })
		in.Accounts = nil
		return in
	}},
	{"incumbent", "all@example.com", func(n int) plan.Input {
		return crowd(n, func(i int, e *identity.Entry, a *identity.Account) {
			e.Aliases = []string{"all@example.com"}
			if i == n/2 {
				a.Aliases = []identity.Address{identity.MustAddress("all@example.com")}
			}
		})
	}},
	{"two scopes", "all@example.com", func(n int) plan.Input {
		in := crowd(n, func(_ int, e *identity.Entry, _ *identity.Account) { e.Aliases = []string{"all@example.com"} })
		for i := range in.Entries[n/2:] {
			again := in.Entries[i]
			again.Scope = 1
			in.Entries[n/2+i] = again
		}
		in.Accounts = in.Accounts[:n/2]
		return in
	}},
	{"one GUID", "00000000-0000-0000-0000-000000000001", func(n int) plan.Input {
		return crowd(n, func(i int, e *identity.Entry, a *identity.Account) {
			e.GUID, a.GUID = guidNumber(1), guidNumber(1)
			e.Aliases = []string{"all@example.com"}
		})
	}},
	{"one username", "svc", func(n int) plan.Input {
		return crowd(n, func(i int, e *identity.Entry, a *identity.Account) {
			e.Username, a.Username = "svc", "other"
			e.Aliases = []string{fmt.Sprintf("alias%d@unknown.example", i)}
		})
	}},
}

// crowd returns n entries and the accounts that they stand behind, each as edit
// leaves it.
func crowd(n int, edit func(i int, e *identity.Entry, a *identity.Account)) plan.Input {
	in := plan.Input{
		Rules: plan.Rules{
			Directories: []string{"corp"},
			Domains:     []plan.Domain{{Name: "example.com"}},
			Scopes: []plan.Scope{
				{Name: "staff", Directory: "corp", Domains: []string{"example.com"}},
				{Name: "again", Directory: "corp", Domains: []string{"example.com"}},
			},
			Limits: bounded(n, 100),
		},
		Read: []string{"corp"},
		Now:  time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC),
	}
	for i := range n {
		primary := fmt.Sprintf("u%06d@example.com", i)
		e := identity.Entry{GUID: guidNumber(i + 1), DN: fmt.Sprintf("CN=User %06d,OU=Staff,DC=example,DC=com", i), Username: fmt.Sprint("u", i), Primaries: []string{primary}}
		a := identity.Account{Primary: identity.MustAddress(primary), Directory: "corp", GUID: e.GUID, DN: e.DN, Username: e.Username}
		edit(i, &e, &a)
		in.Entries, in.Accounts = append(in.Entries, e), append(in.Accounts, a)
	}
	return in
}

func guidNumber(i int) (g identity.GUID) {
	g, err := identity.ParseGUID(fmt.Sprintf("00000000-0000-0000-0000-%012x", i))
	if err != nil {
		panic(err)
	}
	return g
}

// fastest returns what the cheapest of several runs costs.
func fastest(runs int, f func()) time.Duration {
	best := time.Duration(1<<63 - 1)
	for range runs {
		before := spent()
		f()
		best = min(best, spent()-before)
	}
	return best
}

// TestExplainCrowds: ten times the entries on one subject take about ten times
// as long to explain. A quadratic place would take a hundred times as long.
func TestExplainCrowds(t *testing.T) {
	for _, c := range crowds {
		t.Run(c.name, func(t *testing.T) {
			about, err := plan.ParseSubject(c.subject)
			if err != nil {
				t.Fatal(err)
			}
			explain := func(n int) func() {
				in := c.input(n)
				return func() {
					x, err := plan.Explain(in, about)
					if err != nil || max(len(x.Entries), len(x.Addresses)) < n {
						t.Fatalf("%d entries and %d addresses are explained, want %d (%v)", len(x.Entries), len(x.Addresses), n, err)
					}
					if x.Answer(plan.Names{}) == "" {
						t.Fatal("no answer")
					}
				}
			}
			const most = 40
			var ratio float64
			for range 3 { // others may have the machine for a moment
				few, many := fastest(5, explain(1_000)), fastest(2, explain(10_000))
				if ratio = float64(many) / float64(few); ratio < most {
					return
				}
			}
			t.Errorf("10,000 entries take %.0f times as long as 1,000", ratio)
		})
	}
}

// BenchmarkExplainCrowds measures explanations of what many have a part in.
func BenchmarkExplainCrowds(b *testing.B) {
	for _, c := range crowds {
		for _, n := range []int{1_000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				in := c.input(n)
				about, err := plan.ParseSubject(c.subject)
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					x, err := plan.Explain(in, about)
					if err != nil {
						b.Fatal(err)
					}
					x.Answer(plan.Names{})
				}
			})
		}
	}
}
