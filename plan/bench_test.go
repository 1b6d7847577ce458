package plan_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/plan"
)

// BenchmarkCompute measures the engine alone: as many accounts as entries, one
// percent of them different.
func BenchmarkCompute(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := corpusInput(n)
			b.ReportAllocs()
			for b.Loop() {
				p, err := plan.Compute(in)
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
