package suite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/state"
)

// Benchmark measures a state of a million accounts in a store beside one in a file: a
// version written, one that is there already read from its copy, and one that is not.
func Benchmark(b *testing.B, open func(cache string) *state.Store) {
	const accounts = 1_000_000
	cache := filepath.Join(b.TempDir(), "s.jsonl")
	for _, s := range []struct {
		name  string
		store *state.Store
	}{{"file", state.At(filepath.Join(b.TempDir(), "s.jsonl"))}, {"store", open(cache)}} {
		st := &state.State{Accounts: corpus.Accounts(accounts, "corp")}
		lock, err := s.store.Lock(b.Context(), "benchmark", 0)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("write/"+s.name, func(b *testing.B) {
			for b.Loop() {
				if err := s.store.Save(b.Context(), st, "benchmark", time.Now(), nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		st = nil
		b.Run("read/"+s.name, func(b *testing.B) { load(b, func() *state.Store { return s.store }) })
		if err := lock.Release(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("download", func(b *testing.B) {
		load(b, func() *state.Store { return open(filepath.Join(b.TempDir(), "s.jsonl")) })
	})
}

func load(b *testing.B, store func() *state.Store) {
	for b.Loop() {
		if _, err := store().Load(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
