package state

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLineage: the lineage is known without reading the accounts; what is no state
// has none.
func TestLineage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.jsonl")
	if lineage := At(path).Lineage(ctx); lineage != "" {
		t.Errorf("of no state: %q", lineage)
	}
	s := saved(t, path, 3)
	if lineage := At(path).Lineage(ctx); lineage != s.Lineage || lineage == "" {
		t.Errorf("%q, want %q", lineage, s.Lineage)
	}
	for _, text := range []string{"", "no header\n", "{}"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if lineage := At(path).Lineage(ctx); lineage != "" {
			t.Errorf("of %q: %q", text, lineage)
		}
	}
}
