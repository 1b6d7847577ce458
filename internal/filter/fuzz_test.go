package filter

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// FuzzParse checks that the canonical text is read back as itself, that the
// client library sends the same filter for it as for the text it came from,
// that a filter never matches together with its negation, and that one that
// does not match is explained.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"(mail=*)", "mail=*", "(&)", "(|(a=1)(!(b=*x*y)))", "(cn;lang-de>=\\c3\\bc)", "(ou:dn:2.5.13.2:=Sales)", "(:dn:caseExactMatch:=x)",
		"(& (a~=1)\n (b<=2) )", "((cn=a))", "(cn=a**b)", "(objectCategory=person)", "(memberOf=CN=a\\5c,b,DC=c)", "(cn=(a))", "(cn=\\zz)",
		"(uac:1.2.840.113556.1.4.803:=2)", "(cn= a\n)", "(objectClass=top)", "(cn=\uFFFD)",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(text)
		if err != nil {
			_ = err.Error()
			return
		}
		canonical := parsed.String()
		again, err := Parse(canonical)
		if err != nil {
			t.Fatalf("%q: canonical %q: %v", text, canonical, err)
		}
		if again.String() != canonical {
			t.Fatalf("%q: canonical %q becomes %q", text, canonical, again)
		}
		want, err := ldap.CompileFilter(canonical)
		if err != nil {
			t.Fatalf("%q: canonical %q: the client library says %v", text, canonical, err)
		}
		// The client library knows no layout, ":DN" or empty pieces.
		if !strings.ContainsAny(text, spaces) && !strings.Contains(text, "**") && !strings.Contains(strings.ToLower(text), ":dn:") && text != "" && text[0] == '(' {
			got, err := ldap.CompileFilter(text)
			if err == nil && !bytes.Equal(got.Bytes(), want.Bytes()) {
				t.Fatalf("%q: sent as another filter than %q", text, canonical)
			}
			if err != nil && !strings.Contains(text, "\uFFFD") && !strings.Contains(strings.ToLower(text), `\ef\bf\bd`) {
				t.Fatalf("%q: the client library says %v", text, err)
			}
		}
		negated, err := Parse("(!" + canonical + ")")
		if err != nil {
			if strings.Contains(err.Error(), "deeper") {
				return
			}
			t.Fatal(err)
		}
		if parsed.Match(ann) != again.Match(ann) || parsed.Match(ann) && negated.Match(ann) {
			t.Fatalf("%q matches inconsistently", text)
		}
		if why := parsed.Explain(ann, nil); parsed.Unsupported() == "" && parsed.Match(ann) != (len(why) == 0) {
			t.Fatalf("%q matches: %t, but is explained by %+v", text, parsed.Match(ann), why)
		}
	})
}

// FuzzFold checks the fast comparison against the plain one.
func FuzzFold(f *testing.F) {
	f.Add("Ann  Smith", "ann smith", byte(1))
	f.Add("+49 30-1", "+49301", byte(7))
	f.Add("\u00a0K\u212a", "kk", byte(1))
	f.Add("aH\u0331", "a\u1e96", byte(1))
	f.Add("mu\u0308 \ufb01", "m\u00fc FI", byte(1))
	f.Fuzz(func(t *testing.T, text, other string, bits byte) {
		flags := folding(bits & 7)
		if !isText([]byte(text)) || !isText([]byte(other)) {
			return
		}
		a, b := appendFold(nil, []byte(text), flags, trimBoth), appendFold(nil, []byte(other), flags, trimBoth)
		if !foldedEqual([]byte(text), string(a), flags) {
			t.Fatalf("%q is not equal to its folding %q", text, a)
		}
		if foldedEqual([]byte(text), string(b), flags) != bytes.Equal(a, b) {
			t.Fatalf("%q and %q fold to %q and %q", text, other, a, b)
		}
	})
}

// FuzzName checks the fast comparison of names against the general one.
func FuzzName(f *testing.F) {
	f.Add("CN=a,DC=b", "cn=A, dc=b")
	f.Add("CN=a\\, b,DC=c", "CN=a\\2c b,DC=c")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !isText([]byte(a)) || !isText([]byte(b)) {
			return
		}
		compared := func(a, b string) truth {
			if c := onNames(a); c.test != nil {
				return c.test([]byte(b))
			}
			return undefined
		}
		x, y := compared(a, b), compared(b, a)
		if x != y {
			t.Fatalf("%q and %q: %v one way, %v the other", a, b, x, y)
		}
		if dn, err := identity.ParseDN(a); err == nil && !slices.ContainsFunc(dn, hasNoText) && identity.EqualDN(a, b) != (x == yes) {
			t.Fatalf("%q and %q are the same name: %v, compared as %v", a, b, identity.EqualDN(a, b), x)
		}
	})
}
