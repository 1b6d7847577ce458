package state

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLineage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.jsonl")
	if lineage, err := Lineage(path); lineage != "" || err != nil {
		t.Errorf("of no state: %q, %v", lineage, err)
	}
	s := saved(t, path, 3)
	if lineage, err := Lineage(path); lineage != s.Lineage || lineage == "" || err != nil {
		t.Errorf("%q, want %q, %v", lineage, s.Lineage, err)
	}
	for _, text := range []string{"", "no header\n", "{}"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if lineage, err := Lineage(path); err == nil {
			t.Errorf("of %q: %q", text, lineage)
		}
	}
}
