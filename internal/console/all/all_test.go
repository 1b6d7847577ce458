package all

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/config"
)

// TestKinds: the configuration takes the kinds of the list and no others, and each
// says what it is for.
func TestKinds(t *testing.T) {
	var names []string
	for i := range Kinds {
		k := &Kinds[i]
		names = append(names, fmt.Sprintf("kind = %q", k.Name))
		if Kind(k.Name) != k || k.Open == nil || k.Help == "" {
			t.Errorf("%s is not what the list has, cannot be opened, or does not say what it is for", k.Name)
		}
	}
	_, diags := config.Check(t.TempDir(), "rollcall.hcl", []byte("console \"c\" {}\n"), time.Now(), config.Kinds{Consoles: Settings()})
	last := len(names) - 1
	want := "expected " + strings.TrimPrefix(strings.Join(names[:last], ", ")+" or "+names[last], " or ")
	for i := range diags {
		if diags[i].Hint == want {
			return
		}
	}
	t.Errorf("the configuration does not say %q: %v", want, diags)
}
