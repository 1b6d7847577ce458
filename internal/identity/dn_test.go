package identity

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// TestSameName: names that are the same, by RFC 4512 section 2.5 (names of
// types), RFC 4514 and RFC 4518 (text).
func TestSameName(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		// The names of a type.
		{"commonName=Hi,dc=x", "cn=hi,DC=x", true},
		{"2.5.4.3=Hi,0.9.2342.19200300.100.1.25=x", "CN=Hi,DC=x", true},
		{"OID.2.5.4.3=Hi", "CN=Hi", true},
		{"surname=a+userid=b,organizationName=c", "UID=B + SN=A,O=C", true},
		{"2.5.4.99=Hi", "CN=Hi", false},
		{"street=x", "streetAddress=x", false},

		// Composed and decomposed, and characters of compatibility.
		{"OU=M\u00fcnchen,DC=x", "OU=Mu\u0308nchen,DC=x", true},
		{"OU=M\u00dcNCHEN,DC=x", "OU=mu\u0308nchen,DC=x", true},
		{`OU=Mu\cc\88nchen,DC=x`, "OU=München,DC=x", true},
		{"CN=\ufb01n", "CN=FIN", true},
		{"CN=a\u00a0b", "CN=a b", true},
		{"CN=H\u0331", "CN=\u1e96", true},
		{"CN=Muller", "CN=Müller", false},

		// What is not UTF-8 keeps its octets.
		{`CN=M\fcller`, `CN=M\fdller`, false},
		{`CN=M\fcller`, "CN=m\xfcller", true},
		{`CN=M\fcller`, "CN=M\ufffdller", false},
		{`CN=M\fcller`, `CN=M\\fcller`, false},
		{"CN=\u00fc\xff", "CN=\u00dc\xff", true},

		// The hex of a BER value is no text.
		{`CN=\#0402`, `CN=#0402`, false},
		{`CN=#04024869`, `cn=#04024869 `, true},
		{`CN=#0402486A`, `CN=#0402486a`, true},
		{`CN=\ \#04`, `CN=\#04`, true},
		{`CN=a\#b`, "CN=a#b", true},

		{`CN=a\+b,DC=x`, "CN=a+B=b,DC=x", false},
		{`CN=b=c+CN=a\,`, `cn=A\2c+cn=B\3dC`, true},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			if got := EqualDN(pair[0], pair[1]); got != c.want {
				t.Errorf("EqualDN(%q, %q) = %v", pair[0], pair[1], got)
			}
		}
	}
}

// TestAttributeName: each name has one meaning, and all lead to the one that is
// known.
func TestAttributeName(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "SN": "sn", "Surname": "sn", "2.5.4.4": "sn", "oid.2.5.4.4": "sn", "rfc822Mailbox": "mail", "userID": "uid", "gn": "givenname",
		"fax": "facsimiletelephonenumber", "domainComponent": "dc", "proxyAddresses": "proxyaddresses", "1.2.840.113556.1.2.210": "proxyaddresses",
		"streetAddress": "streetaddress", "extensionAttribute1": "extensionattribute1", "2.5.4.4.1": "2.5.4.4.1",
	} {
		if got := AttributeName(text); got != want {
			t.Errorf("AttributeName(%q) = %q, want %q", text, got, want)
		}
	}
	seen := map[string]bool{}
	for _, row := range attributeNames {
		for i, name := range row {
			if seen[name] || name != strings.ToLower(name) {
				t.Errorf("%s is there twice, or not in lower case", name)
			}
			seen[name] = true
			if got := AttributeName(strings.ToUpper(name)); got != row[0] {
				t.Errorf("%s is known as %s, want %s", name, got, row[0])
			}
			if PlainType(strings.ToUpper(name)) && i > 0 {
				t.Errorf("%s is taken for a name by which an attribute is known", name)
			}
		}
	}
	for _, name := range []string{"CN", "ou", "DC", "o", "c", "l", "st", "uid", "mail"} {
		if !PlainType(name) {
			t.Errorf("%s is taken for another name", name)
		}
	}
}

// TestSettled: what is called settled needs no preparation, alone or in lower
// case, and nor does what stands in the normal form and bears no marks.
func TestSettled(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		lower := string(unicode.ToLower(r))
		normal := norm.NFKC.IsNormalString(string(r))
		switch {
		case Settled(r) && !(normal && norm.NFKC.IsNormalString(lower)):
			t.Errorf("%U is not settled", r)
		case normal && !isMark(r) && !norm.NFKC.IsNormalString(lower):
			t.Errorf("%U in lower case is not in the normal form", r)
		}
	}
}

// TestLongName: a name of many parts is read in a time that grows with its
// length.
func TestLongName(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the clock of Windows is too coarse")
	}
	took := func(parts int) (least time.Duration) {
		name := strings.Repeat(`OU=a\+b,`, parts-1) + "DC=x"
		several := "CN=a" + strings.Repeat("+OU=b", parts-2) + ",DC=x"
		for i := range 5 {
			start := time.Now()
			for _, text := range []string{name, several} {
				if dn, err := ParseDN(text); err != nil || len(dn) != parts && len(dn) != 2 || !EqualDN(text, text+" ") || !dn.Within(dn[1:]) {
					t.Fatal(len(dn), err)
				}
			}
			if d := time.Since(start); i == 0 || d < least {
				least = d
			}
		}
		return least
	}
	// Quadratic would be 256 times as long.
	if short, long := took(2_000), took(32_000); long > 100*short {
		t.Errorf("2,000 parts take %v, 32,000 take %v", short, long)
	}
}

// FuzzDN checks that a folded name folds to itself where it is still written as a
// name, that it lies within itself, and the fast comparison of two names against
// the general one.
func TestLeafValue(t *testing.T) {
	for dn, want := range map[string]string{
		"CN=Ann Smith,OU=Staff": "Ann Smith", "cn = Ann , ou=x": "Ann", `CN=Smith\, Ann,OU=x`: "Smith, Ann", `CN=\C3\9Cnal,OU=x`: "\u00dcnal", `CN="A, B",OU=x`: "A, B",
		"uid=ann+sn=Smith,dc=x": "ann", "": "", "no name": "no name", "CN=,DC=x": "CN=,DC=x", `CN=a\`: `CN=a\`,
	} {
		if got := LeafValue(dn); got != want {
			t.Errorf("%q has %q, want %q", dn, got, want)
		}
	}
}

// FuzzLeafValue escapes a value and finds it again.
func FuzzLeafValue(f *testing.F) {
	f.Add("Smith, Ann", "DC=x")
	f.Add(`a\b"c#=`, ",,+")
	f.Fuzz(func(t *testing.T, value, rest string) {
		LeafValue(value)
		if value = strings.Trim(value, " "); value == "" {
			return
		}
		var b strings.Builder
		for i := range len(value) {
			if strings.IndexByte(`,+"\<>;=#`, value[i]) >= 0 {
				b.WriteByte('\\')
			}
			b.WriteByte(value[i])
		}
		if got := LeafValue("CN=" + b.String() + "," + rest); got != value {
			t.Errorf("%q became %q", value, got)
		}
	})
}

func FuzzDN(f *testing.F) {
	f.Add("CN=a,DC=b", "cn=A, dc=b")
	f.Add(`CN=a\, b,DC=c`, `commonName=a\2c b,2.5.4.3=c`)
	f.Add(`CN=\#04\ff`, "CN=#0402+UID=\u0130H\u0331")
	f.Add(`CN=x\0ADEL:1,DC=corp`, "a=\\ b\\ ,c=d")
	f.Add("=,", `a="b"`)
	f.Add("CN=\u1fbc\u0345\u03a3\u2122", "CN=\u212a\u0390")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, err := ParseDN(a)
		if err != nil {
			if PlainDN(a) {
				t.Fatalf("%q is plain, and no name: %v", a, err)
			}
			return
		}
		if again, err := ParseDN(strings.Join(x, ",")); err == nil && !slices.Equal(again, x) {
			t.Fatalf("%q folds to %q, and that to %q", a, x, again)
		}
		if !x.Within(x) || !x.Within(DN{}) || !EqualDN(a, a) {
			t.Fatalf("%q is not within itself", a)
		}
		y, err := ParseDN(b)
		if err != nil {
			return
		}
		if equal := slices.Equal(x, y); equal != EqualDN(a, b) || equal != EqualDN(b, a) ||
			PlainDN(a) && PlainDN(b) && equal != strings.EqualFold(a, b) {
			t.Fatalf("%q and %q fold to %q and %q, and are equal: %v, %v", a, b, x, y, EqualDN(a, b), EqualDN(b, a))
		}
	})
}

func BenchmarkParseDN(b *testing.B) {
	for name, text := range map[string]string{
		"ascii":  "CN=Ann Smith,OU=Sales,OU=Staff,DC=corp,DC=example,DC=com",
		"umlaut": "CN=Jürgen Müller,OU=Büro,OU=Staff,DC=corp,DC=example,DC=com",
		"comma":  `CN=Smith\, Ann,OU=Sales,OU=Staff,DC=corp,DC=example,DC=com`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseDN(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEqualDN(b *testing.B) {
	const x = "CN=Ann Smith,OU=Sales,OU=Staff,DC=corp,DC=example,DC=com"
	for name, y := range map[string]string{"same": x, "case": strings.ToUpper(x), "other": "CN=Bob Smith,OU=Sales,OU=Staff,DC=corp,DC=example,DC=com"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				EqualDN(x, y)
			}
		})
	}
}
