package render

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// accountsOf reads accounts as JSON, one a line.
func accountsOf(t testing.TB, lines string) []identity.Account {
	t.Helper()
	var all []identity.Account
	var dec identity.Decoder
	for line := range strings.Lines(lines) {
		a, err := dec.Account([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, a)
	}
	return all
}

const (
	accountsBefore = `{"primary":"ann@example.com","aliases":["a.smith@example.com","ann.s@example.com"],"directory":"corp","guid":"8c4ac332-975f-4717-ad7b-ba4a4e968fff","username":"asmith","attributes":{"department":"IT","display_name":"Ann Smith"}}
{"primary":"bob@example.com"}
{"primary":"cat@example.com","type":"list"}
{"primary":"eve@example.com","username":"eve"}
`
	accountsAfter = `{"primary":"ann@example.com","aliases":["a.jones@example.com","ann.s@example.com"],"directory":"corp","guid":"8c4ac332-975f-4717-ad7b-ba4a4e968fff","username":"asmith","attributes":{"display_name":"Ann\u001b[2J Jones","office":"Berlin"}}
{"primary":"bob@example.com"}
{"primary":"dan@example.com","username":"dan"}
{"primary":"eve@example.com","status":"inactive"}
`
)

func TestAccountsDiff(t *testing.T) {
	old, new := accountsOf(t, accountsBefore), accountsOf(t, accountsAfter)
	want := `--- old
+++ new
@@ -1,10 +1,10 @@ ann@example.com
 primary: ann@example.com
-alias: a.smith@example.com
+alias: a.jones@example.com
 alias: ann.s@example.com
 type: user
 status: active
 directory: corp
 guid: 8c4ac332-975f-4717-ad7b-ba4a4e968fff
 username: asmith
-department: IT
-display_name: Ann Smith
+display_name: Ann\x1b[2J Jones
+office: Berlin
@@ -14,3 +13,0 @@ cat@example.com
-primary: cat@example.com
-type: list
-status: active
@@ -16,0 +14,4 @@ dan@example.com
+primary: dan@example.com
+type: user
+status: active
+username: dan
@@ -17,4 +18,3 @@ eve@example.com
 primary: eve@example.com
 type: user
-status: active
-username: eve
+status: inactive
`
	var b strings.Builder
	if err := AccountsDiff(&b, "old", "new", old, new, false); err != nil || b.String() != want {
		t.Errorf("%v\ngot:\n%s\nwant:\n%s", err, b.String(), want)
	}
	b.Reset()
	if err := AccountsDiff(&b, "old", "new", old, old, false); err != nil || b.Len() > 0 {
		t.Errorf("equal lists: %v\n%s", err, b.String())
	}
	b.Reset()
	if err := AccountsDiff(&b, "old", "new", old[1:2], nil, true); err != nil ||
		b.String() != "\x1b[1m--- old\x1b[0m\n\x1b[1m+++ new\x1b[0m\n\x1b[35m@@ -1,3 +0,0 @@ bob@example.com\x1b[0m\n"+
			"\x1b[31m-primary: bob@example.com\x1b[0m\n\x1b[31m-type: user\x1b[0m\n\x1b[31m-status: active\x1b[0m\n" {
		t.Errorf("with colour: %v\n%q", err, b.String())
	}
}

// TestAccountsDiffPatches: the difference of any two lists, applied as a patch
// to the lines of the one, makes those of the other.
func TestAccountsDiffPatches(t *testing.T) {
	text := func(accounts []identity.Account) string {
		var b strings.Builder
		for i := range accounts {
			all := values(&accounts[i])
			if len(all) != countValues(&accounts[i]) {
				t.Fatalf("%s has %d values, counted %d", accounts[i].Primary, len(all), countValues(&accounts[i]))
			}
			for _, v := range all {
				b.WriteString(v.line)
			}
		}
		return b.String()
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var sides [2][]identity.Account
		for n := range 12 {
			for side := range sides {
				if r.IntN(4) == 0 {
					continue
				}
				var aliases []string
				for i := range 8 {
					if r.IntN(3) == 0 {
						aliases = append(aliases, fmt.Sprintf(`"x%02d.%d@example.com"`, n, i))
					}
				}
				sides[side] = append(sides[side], accountsOf(t, fmt.Sprintf(`{"primary":"p%02d@example.com","aliases":[%s],"username":%q,"attributes":{"a%d":"v","b":"%d"}}`,
					n, strings.Join(aliases, ","), []string{"", "u"}[r.IntN(2)], r.IntN(3), r.IntN(2)))...)
			}
		}
		var b strings.Builder
		if err := AccountsDiff(&b, "old", "new", sides[0], sides[1], false); err != nil {
			t.Fatal(err)
		}
		patched, err := patch(text(sides[0]), b.String())
		if err != nil || patched != text(sides[1]) {
			t.Fatalf("%v\n%s", err, b.String())
		}
	}
}

// TestAccountsDiffLarge: a difference of everything, which a general algorithm
// would need hours for, is found at once.
func TestAccountsDiffLarge(t *testing.T) {
	const n = 50_000
	old := corpus.Accounts(n, "corp")
	slices.SortFunc(old, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	new := slices.Clone(old)
	for i := range new {
		new[i].Username += "x"
	}
	begin := time.Now()
	if err := AccountsDiff(io.Discard, "old", "new", old, new, false); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("%d accounts took %v", n, took)
	}
}

func BenchmarkAccountsDiff(b *testing.B) {
	old := corpus.Accounts(1_000_000, "corp")
	slices.SortFunc(old, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	new := slices.Clone(old)
	for i := range len(new) / 100 {
		new[i*100].Username += "x"
	}
	for b.Loop() {
		if err := AccountsDiff(io.Discard, "old", "new", old, new, false); err != nil {
			b.Fatal(err)
		}
	}
}
