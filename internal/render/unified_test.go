package render

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

func unifiedOf(t testing.TB, old, new string, color bool) string {
	t.Helper()
	var b strings.Builder
	if err := UnifiedDiff(&b, "old", "new", old, new, color); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUnifiedDiff(t *testing.T) {
	const ten = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n"
	for _, c := range []struct{ name, old, new, want string }{
		{"equal", ten, ten, ""},
		{"one line", ten, strings.Replace(ten, "5\n", "five\n", 1),
			"@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"},
		{"first and last", ten, "one\n2\n3\n4\n5\n6\n7\n8\n9\nten\n",
			"@@ -1,4 +1,4 @@\n-1\n+one\n 2\n 3\n 4\n@@ -7,4 +7,4 @@\n 7\n 8\n 9\n-10\n+ten\n"},
		{"contexts touch", ten, strings.NewReplacer("2\n", "two\n", "9\n", "nine\n").Replace(ten),
			"@@ -1,10 +1,10 @@\n 1\n-2\n+two\n 3\n 4\n 5\n 6\n 7\n 8\n-9\n+nine\n 10\n"},
		{"from nothing", "", "a\n", "@@ -0,0 +1 @@\n+a\n"},
		{"to nothing", "a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n"},
		{"newline comes", "a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{"newline goes", "a\nb\n", "a\nb", "@@ -1,2 +1,2 @@\n a\n-b\n+b\n\\ No newline at end of file\n"},
		{"no newline stays", "a\nb", "c\nb", "@@ -1,2 +1,2 @@\n-a\n+c\n b\n\\ No newline at end of file\n"},
		{"not UTF-8", "\xff\n", "\xfe\n", "@@ -1 +1 @@\n-\\xff\n+\\xfe\n"},
		{"what acts on a terminal", "a\x1b[2J\n", "a\rb\u202e\n", "@@ -1 +1 @@\n-a\\x1b[2J\n+a\\x0db\\u202e\n"},
		{"what only looks otherwise", "\ta\u00a0\u200db\r\n", "\tb\r\n", "@@ -1 +1 @@\n-\ta\u00a0\u200db\r\n+\tb\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.want
			if want != "" {
				want = "--- old\n+++ new\n" + want
			}
			if got := unifiedOf(t, c.old, c.new, false); got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

func TestUnifiedDiffColor(t *testing.T) {
	got := unifiedOf(t, "a\n\tb\x1b[2J\n", "a\n\tc\r\n", true)
	want := "\x1b[1m--- old\x1b[0m\n\x1b[1m+++ new\x1b[0m\n\x1b[35m@@ -1,2 +1,2 @@\x1b[0m\n a\n" +
		"\x1b[31m-\tb\\x1b[2J\x1b[0m\n\x1b[32m+\tc\\x0d\x1b[0m\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// patch applies a unified diff strictly: each line of context and each line
// that goes must be where the hunk says.
func patch(old, diff string) (string, error) {
	if diff == "" {
		return old, nil
	}
	lines, out := splitLines(old), []string{}
	all := splitLines(diff)[2:]
	at := 0
	for k := 0; k < len(all); {
		var a, b, an, bn = 0, 0, 1, 1
		var left, right string
		if _, err := fmt.Sscanf(all[k], "@@ -%s +%s @@", &left, &right); err != nil {
			return "", fmt.Errorf("%q is no hunk: %w", all[k], err)
		}
		if n, _ := fmt.Sscanf(left, "%d,%d", &a, &an); n == 0 {
			return "", fmt.Errorf("bad extent %q", left)
		}
		if n, _ := fmt.Sscanf(right, "%d,%d", &b, &bn); n == 0 {
			return "", fmt.Errorf("bad extent %q", right)
		}
		if an > 0 {
			a--
		}
		if bn > 0 {
			b--
		}
		if a < at || a > len(lines) {
			return "", fmt.Errorf("hunk begins at %d of %d behind %d", a, len(lines), at)
		}
		out = append(out, lines[at:a]...)
		at = a
		if len(out) != b {
			return "", fmt.Errorf("hunk begins at new line %d, not %d", len(out), b)
		}
		for k++; an > 0 || bn > 0; k++ {
			sign, line := all[k][0], all[k][1:]
			if k+1 < len(all) && all[k+1][0] == '\\' {
				line = strings.TrimSuffix(line, "\n")
			}
			switch sign {
			case '\\':
				continue
			case ' ', '-':
				if lines[at] != line {
					return "", fmt.Errorf("line %d is %q, not %q", at, lines[at], line)
				}
				at++
				an--
			}
			if sign != '-' {
				out = append(out, line)
				bn--
			}
		}
		if k < len(all) && all[k][0] == '\\' {
			k++
		}
	}
	return strings.Join(append(out, lines[at:]...), ""), nil
}

func checkPatch(t *testing.T, old, new string) {
	t.Helper()
	diff := unifiedOf(t, old, new, false)
	if i := strings.IndexFunc(diff, func(r rune) bool { return !strings.ContainsRune("\t\r\n", r) && identity.Unprintable(r) }); i >= 0 {
		t.Fatalf("raw character at octet %d of %q", i, diff)
	}
	got, err := patch(shownLines(old), diff)
	if err != nil || got != shownLines(new) {
		t.Fatalf("old %q, new %q: patched to %q, %v, by\n%s", old, new, got, err, diff)
	}
	if (diff == "") != (old == new) {
		t.Fatalf("old %q, new %q: diff %q", old, new, diff)
	}
}

// shownLines is a text as a diff shows its lines.
func shownLines(text string) string {
	lines := splitLines(text)
	for i, line := range lines {
		body := strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		lines[i] = escape(body, func(r, _ rune) bool { return r != '\t' && identity.Unprintable(r) }) + line[len(body):]
	}
	return strings.Join(lines, "")
}

func FuzzUnifiedDiff(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nc")
	f.Add("", "\n\n")
	f.Add("\xff\n\r\n", "\xfe\n\\\n")
	f.Fuzz(func(t *testing.T, old, new string) { checkPatch(t, old, new) })
}

// mutated returns a text of n lines and another that differs in some.
func mutated(r *rand.Rand, n, kinds, every int) (string, string) {
	var old, new strings.Builder
	line := func() string { return fmt.Sprintf("line %d\n", r.IntN(kinds)) }
	for range n {
		l := line()
		old.WriteString(l)
		switch r.IntN(every) {
		case 0:
		case 1:
			new.WriteString(line())
		case 2:
			new.WriteString(l)
			new.WriteString(line())
		default:
			new.WriteString(l)
		}
	}
	return strings.TrimSuffix(old.String(), strings.Repeat("\n", r.IntN(2))), strings.TrimSuffix(new.String(), strings.Repeat("\n", r.IntN(2)))
}

func TestUnifiedDiffApplies(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		old, new := mutated(r, r.IntN(60), 1+r.IntN(80), 3+r.IntN(30))
		checkPatch(t, old, new)
	}
}

// The system's own patch(1), where there is one, is the reference.
func TestUnifiedDiffWithPatch(t *testing.T) {
	tool := servertest.Need(t, "patch", "patch")
	r := rand.New(rand.NewPCG(3, 4))
	for range 30 {
		old, new := mutated(r, 1+r.IntN(60), 1+r.IntN(40), 3+r.IntN(20))
		diff := unifiedOf(t, old, new, false)
		if diff == "" || new == "" {
			continue
		}
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(tool, "--fuzz=0", "-s", file)
		cmd.Stdin = strings.NewReader(diff)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("patch: %v\n%s\n%s", err, out, diff)
		}
		if got, _ := os.ReadFile(file); string(got) != new {
			t.Fatalf("patch made %q of %q, want %q", got, old, new)
		}
	}
}
