package directory

import (
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Attributes implements [Object]; the collector does not ask for them.
func (o object) Attributes() iter.Seq2[string, [][]byte] { panic("not asked for") }

// TestCollector follows objects through a read. A letter is an object with an
// address of its own, "-" one without.
func TestCollector(t *testing.T) {
	for _, c := range []struct{ story, calls, want string }{
		{"nothing", "", ""},
		{"objects of two scopes", "put 0 a, put 1 b, put 0 -, put 0 c", "3a 7b 3c"},
		{"a newer version", "put 0 a, put 0 b, replace 0 0 c", "3b 3c"},
		{"a newer version of another scope", "put 0 a, put 0 b, replace 1 1 b", "3a 7b"},
		{"an object that is gone", "put 0 a, put 0 b, put 0 c, replace 1 0 gone", "3a 3c"},
		{"one that lists no address any more", "put 0 a, put 0 b, replace 0 0 -", "3b"},
		{"one that listed none before", "put 0 -, put 0 b, replace 0 1 a", "3b 7a"},
		{"one that listed none, and is gone", "put 0 -, put 0 b, replace 0 0 gone", "3b"},
		{"twice replaced", "put 0 a, replace 0 0 b, replace 0 1 c", "7c"},
		{"gone and back", "put 0 a, replace 0 0 gone, replace 0 1 b", "7b"},
		{"a read that starts over", "put 0 a, put 0 -, replace 0 0 gone, reset, put 1 b, replace 0 0 c, put 0 d", "3c 3d"},
		{"a read that starts over and finds nothing", "put 0 a, reset", ""},
	} {
		scopes := []Scope{staff(), staff()}
		scopes[1].Index = 7
		collector := NewCollector(scopes)
		for call := range strings.SplitSeq(c.calls, ", ") {
			var n, scope int
			var text string
			var err error
			switch {
			case scan(call, "put %d %s", &scope, &text):
				err = collector.Put(scope, listing(text))
			case scan(call, "replace %d %d %s", &n, &scope, &text):
				err = collector.Replace(n, scope, listing(text))
			case call == "reset":
				err = collector.Reset()
			case call != "":
				t.Fatalf("%s: unknown call %q", c.story, call)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, e := range collector.Entries() {
			got = append(got, fmt.Sprintf("%d%s", e.Scope, e.Primaries[0]))
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.story, got, c.want)
		}
	}
}

func scan(text, format string, into ...any) bool {
	n, err := fmt.Sscanf(text, format, into...)
	return err == nil && n == len(into)
}

// listing returns an object that lists text as its address.
func listing(text string) Object {
	switch text {
	case "gone":
		return nil
	case "-":
		return newObject("cn: x")
	}
	return newObject("mail: " + text)
}

// TestCollectorOfTheSame: an entry that says what an account says takes the place of none, and is
// replaced, goes and comes back as any other.
func TestCollectorOfTheSame(t *testing.T) {
	account := func(name string) *identity.Account {
		x, err := identity.ParseAddress(name + "@example.com")
		if err != nil {
			t.Fatal(err)
		}
		return &identity.Account{Primary: x}
	}
	b, c := account("b"), account("c")
	for _, test := range []struct{ story, calls, want, seen string }{
		{"some are the same", "put a, put b, put c, put d", "a@example.com d@example.com b@example.com c@example.com", "[-1 -1 1 2]"},
		{"one that was not becomes the same", "put a, put d, replace 0 b", "d@example.com b@example.com", "[-1 1]"},
		{"one that was the same is not", "put b, put c, replace 0 d", "d@example.com c@example.com", "[-1 2]"},
		{"one goes", "put b, put a, put c, replace 0 gone", "a@example.com c@example.com", "[-1 2]"},
		{"one goes and comes back", "put b, replace 0 gone, replace 0 b", "b@example.com", "[1]"},
		{"a read that starts over", "put b, put a, reset, put c", "c@example.com", "[2]"},
	} {
		collector := NewCollector([]Scope{staff()})
		collector.Show(func(e *identity.Entry) (int32, *identity.Account) {
			switch e.Primaries[0] {
			case b.Primary.String():
				return 1, b
			case c.Primary.String():
				return 2, c
			}
			return -1, nil
		})
		for call := range strings.SplitSeq(test.calls, ", ") {
			var n int
			var text string
			var err error
			switch {
			case scan(call, "put %s", &text):
				err = collector.Put(0, listing(text+"@example.com"))
			case scan(call, "replace %d gone", &n):
				err = collector.Replace(n, 0, nil)
			case scan(call, "replace %d %s", &n, &text):
				err = collector.Replace(n, 0, listing(text+"@example.com"))
			default:
				err = collector.Reset()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var r identity.Receipt
		collector.Tell(&r)
		seen, all := fmt.Sprint(collector.Seen()), collector.All()
		var got []string
		for _, e := range all.All() {
			got = append(got, e.Primaries[0])
		}
		if got := strings.Join(got, " "); got != test.want || seen != test.seen || r.Entries != all.Len() {
			t.Errorf("%s: got %q, %s, %d in the receipt; want %q, %s", test.story, got, seen, r.Entries, test.want, test.seen)
		}
	}
}
