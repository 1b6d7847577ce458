package plan_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// BenchmarkCompute measures the engine alone: as many accounts as entries, one
// percent of them different.
func BenchmarkCompute(b *testing.B) { benchmarkCompute(b, corpusInput, plan.Compute) }

// BenchmarkCompared measures it as it works for a console that is the state: entries are
// compared with the accounts, and the rest is decided.
func BenchmarkCompared(b *testing.B) {
	benchmarkCompute(b, corpusInput, func(in plan.Input) (*plan.Plan, error) { return plan.Compute(previewed(b, in)) })
}

// BenchmarkPreviewed measures what of that is left when everything has been compared.
func BenchmarkPreviewed(b *testing.B) {
	benchmarkCompute(b, func(n int) plan.Input { return previewed(b, corpusInput(n)) }, plan.Compute)
}

func previewed(b *testing.B, in plan.Input) plan.Input {
	p, err := plan.NewPreview(in.Rules, in.Accounts)
	if err != nil {
		b.Fatal(err)
	}
	entries, same := in.Entries, []int32{}
	in.Entries, in.Preview = nil, p
	for i := range entries {
		e := &entries[i]
		seen := p.Of(e)
		if seen >= 0 {
			if a := p.Same(e, seen); a != nil {
				in.Same, same = append(in.Same, identity.Same{Account: a, Scope: e.Scope}), append(same, seen)
				continue
			}
		}
		in.Entries, in.Seen = append(in.Entries, *e), append(in.Seen, seen)
	}
	in.Seen = append(in.Seen, same...)
	return in
}

// BenchmarkFirst measures it where there are no accounts yet.
func BenchmarkFirst(b *testing.B) {
	benchmarkCompute(b, func(n int) plan.Input {
		in := corpusInput(n)
		in.Accounts = nil
		return in
	}, plan.Compute)
}

func benchmarkCompute(b *testing.B, input func(n int) plan.Input, compute func(plan.Input) (*plan.Plan, error)) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := input(n)
			b.ReportAllocs()
			for b.Loop() {
				p, err := compute(in)
				if err != nil {
					b.Fatal(err)
				}
				if len(p.Changes) == 0 || len(p.Rejections) > 0 {
					b.Fatalf("%d changes, %d rejections", len(p.Changes), len(p.Rejections))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
		})
	}
}

func corpusInput(n int) plan.Input {
	return plan.Input{
		Rules: plan.Rules{
			Directories: []string{"corp"},
			Domains:     []plan.Domain{{Name: corpus.Domain}},
			Scopes:      []plan.Scope{{Name: "staff", Directory: "corp", Domains: []string{corpus.Domain}, Adopt: true}},
			Limits:      bounded(n, 100),
		},
		Entries:  corpus.Entries(n),
		Accounts: corpus.Accounts(n, "corp"),
		Read:     []string{"corp"},
		Now:      time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC),
	}
}

// BenchmarkMerge measures the merge of a ledger with as many live accounts, which
// are marked and as they were read back.
func BenchmarkMerge(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := plan.Merging{
				Ledger: corpus.Accounts(n, "corp"), Placed: make(map[identity.Address]identity.Placed, n), Live: make([]identity.Live, n),
				Facts: plan.Facts{Marks: true}, By: "hq", Directories: []string{"corp"}, Attributes: []string{identity.DisplayName}, Now: poolNow,
			}
			slices.SortFunc(in.Ledger, func(x, y identity.Account) int { return x.Primary.Compare(y.Primary) })
			for i := range in.Ledger {
				a := in.Ledger[i]
				mark := identity.Mark{By: "hq", Directory: a.Directory, GUID: a.GUID}
				a.Directory, a.GUID = "", identity.GUID{}
				in.Live[(i*7919)%n] = identity.Live{Account: a, Mark: mark, Ref: fmt.Sprint("u-", i)}
				in.Placed[a.Primary] = identity.Placed{Ref: fmt.Sprint("u-", i)}
			}
			b.ReportAllocs()
			for b.Loop() {
				if m := plan.Merge(in); len(m.Accounts) != n || len(m.Drift) > 0 {
					b.Fatalf("%d accounts, %d drift", len(m.Accounts), len(m.Drift))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/account")
		})
	}
}
