package render

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// big is a plan of a million changes and as many rejections as a tenth of that.
var big = sync.OnceValue(func() *plan.Plan {
	const n = 250_000
	p := &plan.Plan{Header: header(), Accounts: make([]plan.AccountChange, n)}
	for i := range n {
		name := fmt.Sprintf("person.%06d", i)
		before := person(i, name, "Person "+name, "Staff", name+"@example.com", name+".b@example.com")
		after := but(before, func(a *identity.Account) {
			a.Username, a.DN = name+"x", strings.Replace(a.DN, "OU=Staff", "OU=Sales", 1)
			a.Aliases = []identity.Address{mail(name + ".a@example.com")}
		})
		p.Accounts[i] = plan.AccountChange{Before: before, After: after}
	}
	p.Changes = plan.Rows(p.Accounts)
	p.Group()
	for i := range n / 10 {
		p.Rejections = append(p.Rejections, plan.Rejection{
			Reason: plan.UnknownDomain, Address: fmt.Sprintf("person.%06d@example.info", i), Scope: "staff",
			DN: p.Accounts[i].Before.DN, Directory: "corp", Primary: p.Accounts[i].Before.Primary.String(),
		})
	}
	return p
})

func BenchmarkText(b *testing.B) {
	for _, opt := range []TextOptions{{Width: 80}, {Width: 80, All: true}, {Width: 200, All: true, Color: true}} {
		b.Run(fmt.Sprintf("width=%d,all=%v", opt.Width, opt.All), func(b *testing.B) {
			p := big()
			for b.Loop() {
				if err := Text(io.Discard, p, opt); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// counter counts octets.
type counter int

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// The page of 100,000 changes of 25,000 accounts, and its size.
func BenchmarkHTML(b *testing.B) {
	p := crowd(25_000)
	var size counter
	for b.Loop() {
		size = 0
		if err := HTML(&size, p, Advice{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(size), "octets")
}

func BenchmarkCSV(b *testing.B) {
	p := big()
	for b.Loop() {
		if err := CSV(io.Discard, p, Dialect{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnifiedDiff(b *testing.B) {
	var old, new strings.Builder
	for i := range 300_000 {
		fmt.Fprintf(&old, "{\"primary\": \"person.%06d@example.com\"}\n", i)
		if i%50 != 0 {
			fmt.Fprintf(&new, "{\"primary\": \"person.%06d@example.com\"}\n", i)
		}
		if i%70 == 0 {
			fmt.Fprintf(&new, "{\"primary\": \"person.%06d.b@example.com\"}\n", i)
		}
	}
	for b.Loop() {
		if err := UnifiedDiff(io.Discard, "old", "new", old.String(), new.String(), false); err != nil {
			b.Fatal(err)
		}
	}
}
