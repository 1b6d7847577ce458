package files

import (
	"bytes"
	"slices"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

func TestBase(t *testing.T) {
	for _, c := range []struct {
		base, dn string
		want     bool
	}{
		{"dc=corp,dc=example", "cn=a,DC=Corp,DC=Example", true},
		{"dc=corp,dc=example", "dc=corp,dc=example", true},
		{"dc=corp,dc=example", "dc=example", false},
		{"dc=corp,dc=example", "dc=xcorp,dc=example", false},
		{"dc=corp,dc=example", "cn=a,dc=xcorp,dc=example", false},
		{"dc=corp,dc=example", "cn=a,dc=corp,dc=example,dc=org", false},
		{"dc=corp, dc=example", "cn=a,dc=corp,dc=example", true},
		{"dc=corp,dc=example", "cn=a,  dc=corp , dc=example", true},
		{"dc=corp,dc=example", `cn=Smith\, Ann,dc=corp,dc=example`, true},
		{"dc=corp,dc=example", `cn=a\,dc=corp,dc=example`, false},
		{"dc=corp,dc=example", `cn=a\\,dc=corp,dc=example`, true},
		{"dc=corp,dc=example", `cn=a\2cdc=corp,dc=example`, false},
		{"dc=corp,dc=example", "cn=Jürgen,dc=corp,dc=example", true},
		{"ou=Büro,dc=x", "cn=a,OU=BÜRO,DC=x", true},
		{"ou=Büro,dc=x", `cn=a,ou=B\c3\bcro,DC=x`, true},
		{`ou=a\,b,dc=x`, `cn=c,ou=a\2cb,dc=x`, true},
		{"ou=a  b,dc=x", "cn=c,ou=a b,dc=x", true},
		{"ou=a+l=b,dc=x", "cn=c,l=b+ou=a,dc=x", true},
		{"ou=b,dc=x", "cn=c,l=a+ou=b,dc=x", false},
		{"ou=#0401,dc=x", "cn=c,ou=#0401,dc=x", true},
		{"", "cn=a", true},
		{"", "", true},
		{"dc=x", "", false},
	} {
		b, err := NewBase(c.base)
		if err != nil {
			t.Fatal(err)
		}
		var n Name
		if err := n.Set([]byte(c.dn)); err != nil {
			t.Fatal(err)
		}
		if got := b.Contains(&n); got != c.want {
			t.Errorf("%s below %s: got %v", c.dn, c.base, got)
		}
	}
}

// TestKey: equal names have one key, and others have not.
func TestKey(t *testing.T) {
	t.Parallel()
	key := func(text string) string {
		var n Name
		if err := n.Set([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return string(n.AppendKey(nil))
	}
	for _, equal := range [][]string{
		{"CN=a b,DC=x", "cn=A  B,dc=X", "CN = a b , DC=x"}, {"CN=Éa,DC=x", "cn=éa,dc=x", `CN=\c3\89a,DC=x`}, {"CN=abC", "cn=ABc"}, {"CN=a+L=b", "l=B+cn=A"}, {"commonName=a", "cn=a"},
	} {
		for _, text := range equal[1:] {
			if key(text) != key(equal[0]) {
				t.Errorf("%q and %q: %q and %q", equal[0], text, key(equal[0]), key(text))
			}
		}
	}
	for _, other := range []string{"CN=ab,DC=x", "CN=a b,DC=xy", "CN=a b", `CN=a b\,DC\=x`} {
		if key(other) == key("CN=a b,DC=x") {
			t.Errorf("%q has the key of another one", other)
		}
	}
}

// FuzzBase checks the fast comparison of names against the general one.
func FuzzBase(f *testing.F) {
	f.Add("dc=b", "cn=a,dc=b")
	f.Add("ou=x y,dc=b", `cn=a\, c,ou=x  y,dc=B`)
	f.Add("ou=ü+l=k", "cn=\u212a,l=K + OU=Ü")
	f.Fuzz(func(t *testing.T, text, dn string) {
		var n Name
		want, wantErr := identity.ParseDN(dn)
		if err := n.Set([]byte(dn)); (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: got %v, want %v", dn, err, wantErr)
		} else if err != nil {
			return
		}
		b, err := NewBase(text)
		if err != nil {
			return
		}
		if got := b.Contains(&n); got != want.Within(b.dn) {
			t.Fatalf("%q below %q: got %v", dn, text, got)
		}
		var m Name
		if err := m.Set([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := bytes.Equal(n.AppendKey(nil), m.AppendKey(nil)); got != slices.Equal(want, b.dn) {
			t.Fatalf("%q and %q: the keys are equal: %v", dn, text, got)
		}
	})
}
