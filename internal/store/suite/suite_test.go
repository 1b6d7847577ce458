package suite

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-cli/rollcall/state"
)

// TestFiles: the local state is a store as all others.
func TestFiles(t *testing.T) { Run(t, files) }

func TestWriters(t *testing.T) { Writers(t, files) }

var files = Subject{New: func(t *testing.T) Place {
	path := filepath.Join(t.TempDir(), "rollcall.state.jsonl")
	return Place{Open: func(string) *state.Store { return state.At(path) }}
}}
