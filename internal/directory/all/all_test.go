package all

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/config"
)

// TestKinds: the configuration takes the kinds of the list and no other, and each
// opens without touching anything.
func TestKinds(t *testing.T) {
	var names []string
	for _, k := range Kinds {
		names = append(names, fmt.Sprintf("kind = %q", k.Name))
		if source, err := Kind(k.Name).Open(k.Values("corp", ".", nil)); err != nil || source == nil {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
	_, diags := config.Check(t.TempDir(), "rollcall.hcl", []byte("directory \"corp\" {}\n"), time.Now(), config.Kinds{Directories: Settings()})
	last := len(names) - 1
	want := "expected " + strings.Join(names[:last], ", ") + " or " + names[last]
	for i := range diags {
		if diags[i].Hint == want {
			return
		}
	}
	t.Errorf("the configuration does not say %q: %v", want, diags)
}
