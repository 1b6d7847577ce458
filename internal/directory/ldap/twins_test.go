package ldap

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

const twinUUID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

// namesakes are the DNs of the entries with the GUID of the twins, sorted.
func namesakes(t *testing.T, o Options, scopes ...directory.Scope) (dns []string, scanned int) {
	t.Helper()
	got, receipt, err := read(t, o, scopes...)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range got {
		if e.GUID.String() == twinUUID {
			dns = append(dns, e.DN)
		}
	}
	slices.Sort(dns)
	return dns, receipt.Scanned
}

// A database that was restored or cloned may hold two live entries with one
// entryUUID, which OpenLDAP does not mind. Neither is taken for the other.
func TestTwinsOfSlapd(t *testing.T) {
	var b strings.Builder
	unit := func(name string) {
		fmt.Fprintf(&b, "dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %[1]s\n\n", name, servertest.Base)
	}
	person := func(name, unit, uuid string) {
		fmt.Fprintf(&b, "dn: cn=%[1]s,ou=%[2]s,%[3]s\nobjectClass: user\ncn: %[1]s\nmail: %[1]s@example.com\nentryUUID: %[4]s\n\n", name, unit, servertest.Base, uuid)
	}
	unit("a")
	unit("b")
	person("ann", "a", twinUUID)
	person("bob", "a", "6ba7b810-9dad-11d1-80b4-00c04fd430c9")
	person("restored", "a", twinUUID)
	person("cloned", "b", twinUUID)
	s := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: strings.NewReader(b.String())})
	o := Options{Label: "lab", URLs: []string{s.LDAPS}, CAFile: s.CA.File, BindDN: s.Reader, Password: secret(servertest.Password), Timeout: 20 * time.Second, PageSize: 2}
	scope := func(unit string) directory.Scope {
		return directory.Scope{Name: "s", Base: unit + servertest.Base, Filter: "(objectClass=user)", PrimaryAttribute: "mail", GUIDAttribute: "entryUUID", Type: directory.Users}
	}
	base := strings.ToLower(servertest.Base)
	want := []string{"cn=ann,ou=a," + base, "cn=cloned,ou=b," + base, "cn=restored,ou=a," + base}
	for _, scopes := range [][]directory.Scope{
		{scope("")},
		{scope("ou=a,"), scope("ou=b,")},
		{scope("ou=b,"), scope("")}, // what the first has comes again
	} {
		if got, scanned := namesakes(t, o, scopes...); !slices.Equal(got, want) || scanned != 4 {
			t.Errorf("%d scopes: got %q of %d objects", len(scopes), got, scanned)
		}
	}
}

// Twins stay two when one of them is read again because it changed, and when a
// third appears meanwhile; one that is moved stays one.
func TestTwinsDuringChanges(t *testing.T) {
	const before, after = "20260101000000.000000Z#000000#000#000000", "20260102000000.000000Z#000000#000#000000"
	at := func(n int, unit, csn string) servertest.Entry {
		e := person(n, unit)
		e.Set("entryUUID", twinUUID)
		e.Set("entryCSN", csn)
		return e
	}
	moved := func(e servertest.Entry) servertest.Entry {
		e.DN = strings.Replace(e.DN, "OU=A", "OU=B", 1)
		return e
	}
	for _, c := range []struct {
		story  string
		change servertest.Entry
		want   []string
	}{
		{"one changes", at(1, "A", after), []string{"1,OU=A", "2,OU=A"}},
		{"the other changes", at(2, "A", after), []string{"1,OU=A", "2,OU=A"}},
		{"a third appears", at(3, "A", after), []string{"1,OU=A", "2,OU=A", "3,OU=A"}},
		{"one is moved", moved(at(1, "A", after)), []string{"1,OU=B", "2,OU=A"}},
		{"the other is moved", moved(at(2, "A", after)), []string{"1,OU=A", "2,OU=B"}},
	} {
		csn := before
		var s *servertest.Stub
		change := once(func(a *servertest.Answer) bool { return ofScope(a) && a.Page == 2 }, func() { s.Put(c.change); csn = after })
		s = servertest.NewStub(t, servertest.StubOptions{PageSize: 2, Answer: func(a *servertest.Answer) {
			if slices.Contains(a.Attributes, "contextCSN") {
				a.Entries[0].Set("contextCSN", csn)
			}
			change(a)
		}})
		s.Put(at(1, "A", before), at(2, "A", before), person(8, "A"), person(9, "A"))
		o := optionsOf(s)
		o.ActiveDirectory = false
		scope := staff()
		scope.GUIDAttribute = "entryUUID"
		got, _ := namesakes(t, o, scope)
		for i := range got {
			got[i] = strings.TrimSuffix(strings.TrimPrefix(got[i], "CN=Person "), ","+servertest.Base)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q", c.story, got)
		}
	}
}

// What comes in ranges comes whole of twins, too.
func TestTwinsInRanges(t *testing.T) {
	s := servertest.NewStub(t, servertest.StubOptions{ValRange: 2})
	for n := range 4 {
		e := person(n, "A")
		e.Set("entryUUID", twinUUID)
		e.Set("proxyAddresses", fmt.Sprintf("SMTP:person%d@example.com", n), "smtp:a@example.com", "smtp:b@example.com", "smtp:c@example.com", "smtp:d@example.com")
		s.Put(e)
	}
	o := optionsOf(s)
	o.ActiveDirectory = false
	got, receipt, err := read(t, o)
	if err != nil || len(got) != 4 || receipt.Ranged != 4*(5+4) { // addresses and classes
		t.Errorf("got %d entries, %+v, %v", len(got), receipt, err)
	}
	for _, e := range got {
		if len(e.Aliases) != 4 {
			t.Errorf("%s has %q", e.DN, e.Aliases)
		}
	}
}

// An object of Active Directory that is moved while another takes its name is one.
func TestMovedAndReplaced(t *testing.T) {
	var s *servertest.Stub
	s = company(t, 30, servertest.StubOptions{PageSize: 10, Answer: once(func(a *servertest.Answer) bool { return ofScope(a) && a.Page == 2 }, func() {
		e := servertest.Person(0)
		e.Set("objectGUID", "0123456789abcdef")
		e.DN = "CN=Moved," + staffBase
		s.Put(e)
		other := servertest.Person(99)
		other.DN = "CN=Person 0," + staffBase
		other.Set("objectGUID", "fedcba9876543210")
		s.Put(other)
	})})
	first := servertest.Person(0)
	first.Set("objectGUID", "0123456789abcdef")
	s.Delete("CN=Person 0," + staffBase)
	s.Put(first)
	got, receipt, err := read(t, optionsOf(s))
	if err != nil || len(got) != 31 || got["person0@example.com"].DN != "CN=Moved,"+staffBase || got["person99@example.com"].DN != "CN=Person 0,"+staffBase {
		t.Errorf("got %d entries, %+v, %v", len(got), receipt, err)
	}
}

// A server whose cookies go round in a circle is left, wherever that begins.
func TestPagesInACircle(t *testing.T) {
	for _, from := range []int{1, 3} {
		var first []servertest.Entry
		s := company(t, 30, servertest.StubOptions{PageSize: 5, Answer: func(a *servertest.Answer) {
			if !ofScope(a) || a.PageSize == 0 {
				return
			}
			if a.Page == from {
				first = a.Entries
			}
			if a.Page > 6 {
				a.Entries = first
			}
			a.More, a.Result = true, servertest.Result{}
		}})
		_, _, err := read(t, optionsOf(s))
		if err == nil || !strings.Contains(err.Error(), "page after page came without a new object") || !strings.Contains(directory.HintOf(err), "page_size") {
			t.Errorf("got %v", err)
		}
	}
	// Pages of what an earlier scope has are no circle.
	s := company(t, 2*maxStalePages, servertest.StubOptions{PageSize: 1})
	if got, _, err := read(t, optionsOf(s), staff(), staff()); err != nil || len(got) != 2*maxStalePages {
		t.Errorf("got %d entries, %v", len(got), err)
	}
}
