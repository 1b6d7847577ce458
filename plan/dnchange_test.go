package plan_test

import (
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

func TestDNChange(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{"CN=Ann,OU=Berlin,DC=x", "CN=Ann,OU=Zurich,DC=x", "OU=Berlin -> OU=Zurich"},
		{"CN=Ann,OU=Berlin,DC=x", "CN=Ann,ou=zurich,dc=X", "OU=Berlin -> ou=zurich"},
		{"CN=Ann,DC=x", "CN=Ann,OU=Staff,DC=x", "(none) -> OU=Staff"},
		{"CN=Ann,OU=Staff,DC=x", "CN=Ann,DC=x", "OU=Staff -> (none)"},
		{"CN=Ann,OU=A,OU=B,DC=x", "CN=Ann,OU=C,DC=x", "OU=A,OU=B -> OU=C"},
		{"CN=Ann Maier,OU=A,DC=x", "CN=Ann Rossi,OU=A,DC=x", "CN=Ann Maier -> CN=Ann Rossi"},
		{"CN=Ann,OU=A,DC=x", "CN=Eve,OU=B,DC=x", "CN=Ann,OU=A -> CN=Eve,OU=B"},
		{"CN=Ann,OU=A,DC=x,DC=y", "CN=Ann,OU=A,DC=z", "DC=x,DC=y -> DC=z"},
		{`CN=Maier\, Ann,OU=München,DC=x`, `CN=Maier\, Ann,OU=Köln,DC=x`, "OU=München -> OU=Köln"},
		{`CN=Ann , OU=A ,DC=x`, `CN=Ann,OU=B, DC=x`, "OU=A -> OU=B"},
		{"CN=Ann,DC=x", "cn=ann,dc=x", "CN=Ann,DC=x -> cn=ann,dc=x"},
		{"CN=Ann,DC=x", "cn = ann,dc=x", "CN=Ann,DC=x -> cn = ann,dc=x"},
		{"no name", "CN=Ann,DC=x", "no name -> CN=Ann,DC=x"},
		{"", "CN=Ann,DC=x", "(none) -> CN=Ann,DC=x"},
		{"OU=A,OU=A,DC=x", "OU=A,DC=x", "OU=A -> (none)"},
	} {
		if got := plan.DNChangeText(c.before, c.after); got != c.want {
			t.Errorf("%s to %s: got %s, want %s", c.before, c.after, got, c.want)
		}
	}
}

// FuzzDNChange: what is left out of both names is the same in both.
func FuzzDNChange(f *testing.F) {
	f.Add("CN=Ann,OU=Berlin,DC=x", "CN=Ann,OU=Zurich,DC=x")
	f.Add(`CN=M\, A,OU=ä,DC=x`, `CN="M, A",OU=b,DC=x`)
	f.Fuzz(func(t *testing.T, before, after string) {
		from, to := plan.DNChange(before, after)
		x, errX := identity.ParseDN(before)
		y, errY := identity.ParseDN(after)
		if errX != nil || errY != nil {
			return
		}
		u, errU := identity.ParseDN(from)
		v, errV := identity.ParseDN(to)
		if errU != nil || errV != nil {
			t.Fatalf("%q to %q: %q or %q is no name", before, after, from, to)
		}
		if len(x)-len(u) != len(y)-len(v) {
			t.Errorf("%q to %q: %q and %q leave out different parts", before, after, from, to)
		}
	})
}
