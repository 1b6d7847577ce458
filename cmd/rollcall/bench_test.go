package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// BenchmarkEngine measures the engine on what a plan of it has really read: a company of
// which one percent differ, compared with its accounts while it was read. Memory is as a run
// of the program leaves it, so that each plan is of what has been read for it alone.
func BenchmarkEngine(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			f, err := os.Create(filepath.Join(dir, "corp.ldif"))
			if err != nil {
				b.Fatal(err)
			}
			if err := corpus.WriteLDIF(f, n); err != nil {
				b.Fatal(err)
			}
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "rollcall.hcl"), fmt.Appendf(nil, engineConfiguration, corpus.Domain, corpus.Base, n, n, n), 0o600); err != nil {
				b.Fatal(err)
			}
			st := state.State{Accounts: corpus.Accounts(n, "corp")}
			if err := state.At(filepath.Join(dir, "rollcall.state.jsonl")).Save(b.Context(), &st, "bench", time.Now(), nil); err != nil {
				b.Fatal(err)
			}
			st = state.State{}
			s := &session{ctx: b.Context(), dir: dir, stderr: io.Discard, now: time.Now}
			cfg, err := s.configuration()
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				g, err := s.gather(cfg, reading{}, [plan.Brakes]int{}, true, render.NewProgress(s.stderr, s.err, s.now))
				if err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				p, err := plan.Compute(g.in)
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

const engineConfiguration = `directory "corp" {
  kind = "ldif"
  path = "corp.ldif"
}
domain "%s" {}
scope "staff" {
  directory = directory.corp
  base_dn   = "OU=Staff,%s"
  filter    = "(|(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))(objectClass=group))"
}
limits {
  deactivations   = %d
  removals        = %d
  primary_changes = %d
}
`
