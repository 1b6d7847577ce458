package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/redact"
)

// TestMaskedHint: what the header of a file says is masked whole, although one name is a
// part of another or of a mask.
func TestMaskedHint(t *testing.T) {
	t.Parallel()
	m := redact.New([]byte("0123456789abcdef"))
	names := []string{"1", "Ann1Smith", "n", "Smith"}
	err := fmt.Errorf("read: %w", files.AdviseOn("there is no column mail", "did you mean Smith? the header names the attributes "+strings.Join(names, ", ")+", …", names))
	want := "did you mean " + m.Name("Smith") + "? the header names the attributes "
	for i, name := range names {
		if i > 0 {
			want += ", "
		}
		want += m.Name(name)
	}
	if got := maskedHint(m, err); got != want+", …" {
		t.Errorf("%s, not %s", got, want)
	}
	if got := maskedHint(nil, err); !strings.Contains(got, "Ann1Smith") {
		t.Error(got)
	}
}
