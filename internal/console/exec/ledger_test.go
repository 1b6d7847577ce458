package exec

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/console"
)

const (
	ours   = "0123456789abcdef0123456789abcdef"
	theirs = "fedcba9876543210fedcba9876543210"
)

// remembering serves ledgers from a file in the folder of ROLLCALL_TEST_COUNT. Before the
// nth claim is made, before is called with n, and after it, after.
func remembering(before, after func(k *program, r request, n int)) func(*program) {
	return func(k *program) {
		k.facts = `{"ledger":true}`
		dir := os.Getenv("ROLLCALL_TEST_COUNT")
		read := func(name string) string {
			text, _ := os.ReadFile(filepath.Join(dir, name))
			return string(text)
		}
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				panic(err)
			}
		}
		k.serve(map[string]func(request){
			"ledger": func(r request) { k.say(`{"id":%d,"ledger":%q}`, r.ID, read("ledger")) },
			"claim": func(r request) {
				write("claims", read("claims")+"x")
				n := len(read("claims"))
				if before != nil {
					before(k, r, n)
				}
				if now := read("ledger"); now != r.Was {
					k.say(`{"id":%d,"error":{"code":"changed","message":"it is %s"}}`, r.ID, now)
					return
				}
				write("ledger", r.Ledger)
				if after != nil {
					after(k, r, n)
				}
				k.say(`{"id":%d}`, r.ID)
			},
		})
	}
}

func dies(atMost int) func(*program, request, int) {
	return func(_ *program, _ request, n int) {
		if n <= atMost {
			os.Exit(7)
		}
	}
}

func init() {
	for name, f := range map[string]func(*program){
		"remembers":            remembering(nil, nil),
		"dies before a claim":  remembering(dies(1), nil),
		"dies after a claim":   remembering(nil, dies(1)),
		"dies at every claim":  remembering(dies(100), nil),
		"refuses claims":       says("claim", `{"id":%d,"error":{"code":"refused","message":"read-only"}}`),
		"puts claims off":      says("claim", `{"id":%d,"error":{"code":"throttled","message":"later","retry_after":1}}`),
		"knows no ledger":      on("bye", func(k *program, r request) { k.answer(r) }),
		"answers with a count": says("ledger", `{"id":%d,"accounts":0}`),
		"always changed": func(k *program) {
			k.serve(map[string]func(request){
				"ledger": func(r request) { k.say(`{"id":%d}`, r.ID) },
				"claim":  func(r request) { k.say(`{"id":%d,"error":{"code":"changed","message":"no"}}`, r.ID) },
			})
		},
	} {
		behaviours[name] = f
	}
}

// TestLedger: what is claimed is there, and a claim in place of something else is refused
// with what is there. The lines are those of the schemas.
func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traffic")
	t.Setenv(traffic, path)
	t.Setenv("ROLLCALL_TEST_COUNT", t.TempDir())
	c := start(t, "remembers", Options{})
	if err := c.Open(t.Context()); err != nil || console.LedgeredOf(c) == nil {
		t.Fatalf("%v, %+v", err, c.Facts())
	}
	has := func(want string) {
		t.Helper()
		if got, err := c.Ledger(t.Context()); got != want || err != nil {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	has("")
	for _, step := range []struct{ lineage, was, refused, is string }{
		{ours, "", "", ours}, {theirs, "", ours, ours}, {ours, "", "", ours}, {theirs, ours, "", theirs}, {ours, ours, "", theirs}, {"", theirs, "", ""},
	} {
		err := c.Claim(t.Context(), step.lineage, step.was)
		if step.lineage == ours && step.was == ours {
			step.refused = theirs
		}
		if claimed := console.AsClaimed(err); (claimed != nil) != (step.refused != "") || claimed != nil && claimed.Lineage != step.refused || claimed == nil && err != nil {
			t.Errorf("%q in place of %q: %v", step.lineage, step.was, err)
		}
		has(step.is)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	lines, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(lines), `"type":"claim","ledger":"`+ours+`","was":""}`) {
		t.Errorf("%v\n%s", err, lines)
	}
	lined.Validate(t, string(lines))
}

// TestClaimLost: whether a connector that was lost has made a claim, the next one knows.
func TestClaimLost(t *testing.T) {
	for _, c := range []struct {
		behaviour string
		claims    int // that are asked for
		fails     string
	}{
		{"dies before a claim", 2, ""}, {"dies after a claim", 1, ""},
		{"dies at every claim", connector.Restarts + 1, `console "gateway": the connector ended (exit status 7) before it answered claim`},
	} {
		dir := t.TempDir()
		t.Setenv("ROLLCALL_TEST_COUNT", dir)
		k := start(t, c.behaviour, Options{})
		err := k.Claim(t.Context(), ours, "")
		if (err != nil) != (c.fails != "") || err != nil && (err.Error() != c.fails || !errors.As(err, new(*console.ReadError))) {
			t.Errorf("%s: %v", c.behaviour, err)
		}
		claims, _ := os.ReadFile(filepath.Join(dir, "claims"))
		if len(claims) != c.claims {
			t.Errorf("%s: %d claims", c.behaviour, len(claims))
		}
		if now, err := k.Ledger(t.Context()); err != nil || (now == ours) != (c.fails == "") {
			t.Errorf("%s: it has %q, %v", c.behaviour, now, err)
		}
	}
}

// TestClaimRefused: what a connector says against a claim is said, and nothing is asked
// twice.
func TestClaimRefused(t *testing.T) {
	for behaviour, want := range map[string]string{
		"refuses claims":  `*console.UnclaimedError console "gateway": it cannot be written to which state the accounts belong: read-only`,
		"puts claims off": `*console.ReadError console "gateway": later`,
		"always changed":  `*console.ReadError console "gateway": no`,
		"knows no ledger": `*console.ReadError console "gateway": no request claim`,
	} {
		err := start(t, behaviour, Options{}).Claim(t.Context(), ours, "")
		if got := fmt.Sprintf("%T %v", err, err); got != want {
			t.Errorf("%s: %s", behaviour, got)
		}
	}
	for behaviour, want := range map[string]string{
		"knows no ledger":      `no request ledger`,
		"answers with a count": `the connector answered ledger with a message that does not belong there`,
	} {
		if _, err := start(t, behaviour, Options{}).Ledger(t.Context()); !errors.As(err, new(*console.ReadError)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", behaviour, err)
		}
	}
}
