package ldif

import (
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"path/filepath"
	"slices"
	"testing"
)

// TestKind: paths begin at the folder of the configuration, whose own name is no
// pattern.
func TestKind(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "conf")
	absolute := filepath.Join(t.TempDir(), "all.ldif")
	v := Kind.Values("corp", folder, map[string]any{"path": []string{"b.ldif", "./more/*.ldif", absolute, "b.ldif"}})
	source, err := Kind.Open(directory.Opening{Settings: v})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(folder, "b.ldif"), filepath.Join(folder, "more", "*.ldif"), absolute, filepath.Join(folder, "b.ldif")}
	if got := source.(*files.Source).Patterns(); !slices.Equal(got, want) {
		t.Errorf("patterns %q, want %q", got, want)
	}
	where := []string{filepath.ToSlash(absolute), "b.ldif", "more/*.ldif"}
	if got := Kind.Where(v); !slices.Equal(got, where) {
		t.Errorf("where %q, want %q", got, where)
	}
}
