package render

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

func TestCells(t *testing.T) {
	for text, want := range map[string]int{
		"":                      0,
		"ann":                   3,
		"Jürgen":                6,
		"Ju\u0308rgen":          6,
		"李伟":                    4,
		"ｱﾝ":                    2,
		"Ａ":                     2,
		"한글":                    4,
		"\u1112\u1161\u11ab":    2, // 한 in three parts
		"👩‍🔬":                   2,
		"👨‍👩‍👧‍👦":               2,
		"🇩🇪":                    2,
		"❤️":                    2,
		"👍🏽":                    2,
		"…":                     1,
		"नमस्ते":                4,
		"สวัสดี":                4,
		"مرحبا":                 5,
		"a\u0301\u0302\u0303bc": 3,
	} {
		if got := cells(text); got != want {
			t.Errorf("cells(%q) = %d, want %d", text, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		text  string
		limit int
		want  string
	}{
		{"CN=Ann Smith,OU=Sales,DC=example,DC=com", 39, "CN=Ann Smith,OU=Sales,DC=example,DC=com"},
		{"CN=Ann Smith,OU=Sales,DC=example,DC=com", 24, "CN=Ann Smith,OU=Sa…C=com"},
		{"李伟李伟李伟", 7, "李伟…伟"},
		{"李伟李伟李伟", 6, "李伟…"},
		{"👩‍🔬👩‍🔬👩‍🔬", 5, "👩‍🔬…👩‍🔬"},
		{"abc", 1, "…"},
		{"abc", 0, ""},
	} {
		if got := shorten(c.text, c.limit); got != c.want || cells(got) > c.limit {
			t.Errorf("shorten(%q, %d) = %q, want %q", c.text, c.limit, got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"Ann Smith", "Ann Smith"},
		{`CN=a\2Cb`, `CN=a\2Cb`},
		{"a\x1b[31mb", `a\x1b[31mb`},
		{"a\u202eb", `a\u202eb`},
		{"a\u200bb", `a\u200bb`},
		{"a\u00a0b", `a\u00a0b`},
		{"a\U000e0041b", `a\U000e0041b`},
		{"a\xff\xc0b", `a\xff\xc0b`},
		{"a\u200db", `a\u200db`},
		{"👩‍🔬", "👩‍🔬"},
		{"می\u200cخواهم", "می\u200cخواهم"},
		{"山田\u3000太郎", "山田\u3000太郎"},
		{"\ufffd", "\ufffd"},
		{" a ", `\x20a\x20`},
		{"   ", `\x20\x20\x20`},
	} {
		if got := clean(c.value); got != c.want {
			t.Errorf("clean(%q) = %q, want %q", c.value, got, c.want)
		}
	}
	if long := clean(strings.Repeat("é", 1<<20)); len(long) > longest+8 || !utf8.ValidString(long) {
		t.Errorf("a long value is still %d octets", len(long))
	}
}

func FuzzClean(f *testing.F) {
	f.Add(hostile, 20)
	f.Add(strings.Repeat("👩‍🔬", 2000), 7)
	f.Fuzz(func(t *testing.T, value string, limit int) {
		got := clean(value)
		if strings.ContainsFunc(got, identity.Unprintable) || !utf8.ValidString(got) {
			t.Errorf("clean(%.99q) = %.99q acts on a terminal", value, got)
		}
		if len(got) <= longest && clean(got) != got {
			t.Errorf("clean(%.99q) = %.99q is not clean", value, got)
		}
		limit = min(max(limit, 0), 1000)
		if short := shorten(got, limit); cells(short) > limit || !utf8.ValidString(short) {
			t.Errorf("shorten(%.99q, %d) = %.99q", got, limit, short)
		}
	})
}

func FuzzChanged(f *testing.F) {
	f.Add("Ann Smith", "Ann Jones", 10)
	f.Add("Ivy 👩‍🔬 Chen", "Ivy 👩‍🚀 Chen", 3)
	f.Add("\xff", "\xfe", 30)
	f.Fuzz(func(t *testing.T, old, new string, limit int) {
		if len(old) > 500 || len(new) > 500 {
			return
		}
		var before, after strings.Builder
		old, new = clean(old), clean(new)
		for _, s := range side(diffValues(old, new), -1, red) {
			before.WriteString(s.text)
		}
		for _, s := range side(diffValues(old, new), 1, green) {
			after.WriteString(s.text)
		}
		if before.String() != old || after.String() != new {
			t.Errorf("%q and %q became %q and %q", old, new, before.String(), after.String())
		}
		limit = min(max(limit, 0), 200)
		if c := changed(old, new).fit(limit); c.width > limit {
			t.Errorf("%q -> %q takes %d cells of %d", old, new, c.width, limit)
		}
	})
}
