package render

import (
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// TestPassedOver: what is no entry is counted by kind, for every reader.
func TestPassedOver(t *testing.T) {
	p := everything()
	p.Directories[0].PassedOver = identity.PassedOver{Deleted: 1234, Conflict: 1, System: 7}
	const want = "1,234 deleted, 1 conflict, 7 system passed over"
	for format, text := range map[string]string{
		"markdown": commentOf(t, p, Advice{}), "html": htmlOf(t, p), "text": textOf(t, p, TextOptions{Width: 200}),
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("%s: not shown", format)
		}
	}
	if got := passedOver(&identity.PassedOver{}); got != "" {
		t.Errorf("nothing: %q", got)
	}
	if got := passedOver(&identity.PassedOver{Ignored: 2}); got != "2 ignored passed over" {
		t.Error(got)
	}
}
