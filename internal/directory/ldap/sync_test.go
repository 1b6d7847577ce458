package ldap

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// shared is a value that a test and a server in its process use.
type shared[T any] struct {
	mu    sync.Mutex
	value T
}

func (s *shared[T]) get() T {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.value
}

func (s *shared[T]) set(value T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = value
}

// octetString, truth and members encode what RFC 4533 section 2 has in its values.
func octetString(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func truth(b bool) *ber.Packet {
	return ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, b, "")
}

func members(class ber.Class, tag ber.Tag, list ...*ber.Packet) string {
	p := ber.Encode(class, ber.TypeConstructed, tag, nil, "")
	for _, m := range list {
		p.AppendChild(m)
	}
	return string(p.Bytes())
}

func stateOf(state int, g identity.GUID) map[string]string {
	return map[string]string{goldap.ControlTypeSyncState: members(ber.ClassUniversal, ber.TagSequence,
		ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, state, ""), octetString(string(g[:])))}
}

func doneWith(deletes bool) map[string]string {
	return map[string]string{goldap.ControlTypeSyncDone: members(ber.ClassUniversal, ber.TagSequence, octetString("rid=000,csn=x"), truth(deletes))}
}

func idSet(deletes bool, guids ...identity.GUID) [2]string {
	set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
	for _, g := range guids {
		set.AppendChild(octetString(string(g[:])))
	}
	return [2]string{goldap.ControlTypeSyncInfo, members(ber.ClassContext, 3, truth(deletes), set)}
}

// inSync makes a stub answer as OpenLDAP: synchronize answers a request for what
// changed, and csn is the contextCSN.
func inSync(t *testing.T, csn *shared[string], synchronize func(*servertest.Answer)) *servertest.Stub {
	s := servertest.NewStub(t, servertest.StubOptions{
		RootDSE: map[string][]string{"supportedControl": {oidPaging, oidSyncRequest}, "namingContexts": {servertest.Base}},
		Answer: func(a *servertest.Answer) {
			for i := range a.Entries {
				if e := &a.Entries[i]; a.Base != "" {
					for _, name := range a.Attributes {
						switch strings.ToLower(name) {
						case "contextcsn":
							e.Set("contextCSN", strings.Fields(csn.get())...)
						case "entrycsn":
							e.Set("entryCSN", "20200101000000.000000Z#000000#000#000000")
						}
					}
				}
			}
			for _, control := range a.Controls {
				switch {
				case control != oidSyncRequest:
				case a.Scope == "base":
					a.Entries, a.DoneControls = nil, doneWith(false)
				default:
					a.Entries, a.References, a.DoneControls = nil, nil, doneWith(true)
				}
				if control == oidSyncRequest {
					synchronize(a)
				}
			}
		}})
	uuid := func(e servertest.Entry) servertest.Entry {
		g := guidOf(e.DN)
		e.Set("entryUUID", g.String())
		return e
	}
	for _, below := range []string{"", "OU=A,", "OU=B,"} {
		if below != "" {
			s.Put(uuid(servertest.NewEntry(below+servertest.Base, "objectClass", "organizationalUnit")))
		}
	}
	for n := range 6 {
		s.Put(uuid(byNumber(n, []string{"OU=A,", "OU=B,"}[n%2])))
	}
	return s
}

// guidOf makes up an entryUUID for a name.
func guidOf(dn string) identity.GUID { return identity.NamedGUID(dn) }

func TestSynchronize(t *testing.T) {
	const before, after = "20260101000000.000000Z#000000#000#000000", "20260102000000.000000Z#000000#000#000000"
	var csn shared[string]
	csn.set(before)
	var answer shared[func(*servertest.Answer)]
	s := inSync(t, &csn, func(a *servertest.Answer) {
		if answer := answer.get(); answer != nil {
			answer(a)
		}
	})
	o := optionsOf(s)
	o.ActiveDirectory = false
	a, b := twoScopes()
	f := follow(t, o, a, b)
	one := guidOf("CN=Person 0,OU=A," + servertest.Base)
	f.same("nothing changed")
	csn.set(after)

	tree := func(change func(*servertest.Answer)) func(*servertest.Answer) {
		return func(a *servertest.Answer) {
			if a.Scope != "base" {
				change(a)
			}
		}
	}
	entry := func(state int, g identity.GUID) func(*servertest.Answer) {
		return tree(func(a *servertest.Answer) {
			a.Entries, a.EntryControls = []servertest.Entry{{DN: "CN=x," + a.Base}}, []map[string]string{stateOf(state, g)}
		})
	}
	refreshPresent := [2]string{goldap.ControlTypeSyncInfo, members(ber.ClassContext, 2, truth(true))}
	refreshDelete := [2]string{goldap.ControlTypeSyncInfo, members(ber.ClassContext, 1, truth(true))}
	const lost, gone = "the server no longer knows what was deleted", "is not to be found, and the server does not say that it was deleted"
	for _, c := range []struct {
		story  string
		answer func(*servertest.Answer)
		want   string // "" if it is followed
	}{
		{"an entry", entry(1, one), ""},
		{"the end of the deletions", tree(func(a *servertest.Answer) { a.Intermediate = [][2]string{refreshDelete} }), ""},
		{"what is there was deleted", tree(func(a *servertest.Answer) { a.Intermediate = [][2]string{idSet(true, one)} }), ""},
		{"deleted, whom nobody knows", tree(func(a *servertest.Answer) { a.Intermediate = [][2]string{idSet(true, guidOf("x"))} }), ""},
		{"an entry that is present", entry(0, one), lost},
		{"who is present", tree(func(a *servertest.Answer) { a.Intermediate = [][2]string{idSet(false, one)} }), lost},
		{"nobody is present", tree(func(a *servertest.Answer) { a.Intermediate = [][2]string{idSet(false)} }), lost},
		{"the end of the present", tree(func(a *servertest.Answer) { a.Intermediate = [][2]string{refreshPresent} }), lost},
		{"no deletions", tree(func(a *servertest.Answer) { a.DoneControls = doneWith(false) }), lost},
		{"no control", tree(func(a *servertest.Answer) { a.DoneControls = nil }), "does not say whether it is complete"},
		{"a control that cannot be read", tree(func(a *servertest.Answer) {
			a.DoneControls = map[string]string{goldap.ControlTypeSyncDone: "\x30\x05\x01"}
		}), "asking for what changed"},
		{"an identifier that is none", tree(func(a *servertest.Answer) {
			a.Intermediate = [][2]string{{goldap.ControlTypeSyncInfo, "\xa3\x05\x31\x03\x04\x01x"}}
		}), "decode"},
		{"an entry without state", tree(func(a *servertest.Answer) { a.Entries = []servertest.Entry{{DN: "CN=x"}} }), "without its state"},
		{"refresh required", tree(func(a *servertest.Answer) { a.Result = servertest.Result{Code: 4096} }), "e-syncRefreshRequired"},
		{"a size limit", tree(func(a *servertest.Answer) { a.Result = servertest.Result{Code: 4} }), "asking for what changed"},
		{"newer than the server", tree(func(a *servertest.Answer) {
			a.Result = servertest.Result{Code: 53, Message: "consumer state is newer than provider!"}
		}), "newer than provider"},
		{"no such base", tree(func(a *servertest.Answer) { a.Result = servertest.Result{Code: 32} }), "asking for what changed"},
		{"the end of the connection", tree(func(a *servertest.Answer) { a.Close = true }), "closed the connection"},
		{"who says nothing of deletions", func(a *servertest.Answer) { a.DoneControls = doneWith(true) }, "does not tell what was deleted"},
		{"who does not synchronize", func(a *servertest.Answer) { a.DoneControls = nil }, "does not say whether it is complete"},
	} {
		if answer.set(c.answer); c.want != "" {
			f.refuses(c.story, c.want)
		} else {
			f.same(c.story)
		}
	}

	// Of an object that is not there it has to be said that it was deleted.
	s.Delete("CN=Person 0,OU=A," + servertest.Base)
	answer.set(entry(1, one))
	f.refuses("an entry that is not there", gone)
	answer.set(tree(func(a *servertest.Answer) { a.Intermediate = [][2]string{idSet(true, one)} }))
	f.same("deleted")
	two := byNumber(7, "OU=A,")
	two.Set("entryUUID", guidOf("CN=Person 2,OU=A,"+servertest.Base).String())
	s.Put(two)
	answer.set(entry(1, guidOf("CN=Person 2,OU=A,"+servertest.Base)))
	f.refuses("two with one entryUUID", "have one entryUUID")
	if _, receipt := f.read(); receipt.Mark != "" || receipt.Full != "several objects have one entryUUID" {
		t.Errorf("receipt %+v", receipt)
	}
	s.Delete(two.DN)

	answer.set(nil)
	csn.set(after + " 20260102000000.000000Z#000000#001#000000")
	f.refuses("another writer", "come from other servers than before")
	csn.set("20250101000000.000000Z#000000#000#000000")
	f.refuses("a restored server", "an older state")
	csn.set("")
	f.refuses("no contextCSN", "come from other servers than before")
	if _, receipt := f.read(); receipt.Mark != "" || !strings.Contains(receipt.Full, "shows no contextCSN") {
		t.Errorf("receipt %+v", receipt)
	}
}

// A read whose objects may change unnoticed has no mark.
func TestNoMark(t *testing.T) {
	var csn shared[string]
	csn.set("20260101000000.000000Z#000000#000#000000")
	s := inSync(t, &csn, func(*servertest.Answer) {})
	for _, c := range []struct{ filter, alias, want string }{
		{"(memberOf=CN=x)", "", "tests memberof"},
		{"(!(MEMBEROF=*))", "", "tests memberof"},
		{"(|(mail=*)(memberOf:1.2.840.113556.1.4.1941:=CN=x))", "", "follows nested memberships"},
		{"(msDS-User-Account-Control-Computed:1.2.840.113556.1.4.803:=16)", "", "tests msds-user-account-control-computed"},
		{"(hasSubordinates=FALSE)", "", "tests hassubordinates"},
		{"(mail=*)", "manager", "reads manager"},
		{"(mail=*)", "proxyAddresses", ""},
		{"(ou:dn:=A)", "", ""},
	} {
		scope := staff()
		scope.Base, scope.Filter = "OU=A,"+servertest.Base, c.filter
		if c.alias != "" {
			scope.AliasAttributes = []string{c.alias}
		}
		if got, err := unfollowed([]directory.Scope{staff(), scope}); err != nil || (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, %v", c.filter, got, err)
		}
		if strings.Contains(c.filter, ":=") { // which the stub does not know
			continue
		}
		o := optionsOf(s)
		o.ActiveDirectory = false
		f := follow(t, o, scope)
		if (f.receipt.Mark == "") != (c.want != "") || !strings.Contains(f.receipt.Full, c.want) {
			t.Errorf("%s: mark %q, full %q", c.filter, f.receipt.Mark, f.receipt.Full)
		}
		f.options.FullEvery = 0
		if _, receipt := f.read(); receipt.Mark != "" || receipt.Full != "" {
			t.Errorf("%s, not to be followed: %+v", c.filter, receipt)
		}
	}
	none := company(t, 3, servertest.StubOptions{})
	o := optionsOf(none)
	o.ActiveDirectory = false
	if f := follow(t, o, staff()); f.receipt.Mark != "" || f.receipt.Full == "" {
		t.Errorf("receipt %+v", f.receipt)
	}
}

func TestState(t *testing.T) {
	at := func(day int, sid string) string {
		return fmt.Sprintf("202601%02d000000.000000Z#000000#%s#000000", day, sid)
	}
	for csn, want := range map[string]string{at(1, "000"): "000", at(1, "0ab"): "0ab", at(1, "0AB"): "", at(1, "00"): "", "": "", at(1, "000") + "0": "", at(1, "00;"): ""} {
		if got := sidOf(csn); got != want {
			t.Errorf("%s: got %q", csn, got)
		}
	}
	s := state{"dc=x": {at(5, "001"), at(9, "002")}}
	for csn, want := range map[string]bool{at(5, "001"): true, at(6, "001"): false, at(9, "002"): true, at(10, "002"): false, at(4, "003"): true, at(6, "003"): false} {
		if got := s.has("dc=x", csn); got != want {
			t.Errorf("%s: got %t", csn, got)
		}
	}
	if s.has("dc=y", at(1, "001")) || s.before("20260109000000Z") || !s.before("20260109000001Z") || s.before("20270101000000+0100") || s.before("") {
		t.Error("got another answer")
	}
	for _, c := range []struct {
		now  state
		want string
	}{
		{s, ""},
		{state{"dc=x": {at(6, "001"), at(9, "002")}}, ""},
		{state{"dc=x": {at(9, "001"), at(8, "002")}}, "an older state"},
		{state{"dc=x": {at(9, "002")}}, "from other servers"},
		{state{"dc=x": {at(5, "001"), at(9, "003")}}, "from other servers"},
		{state{"dc=x": {at(5, "001"), at(9, "002"), at(9, "003")}}, "from other servers"},
		{state{"dc=x": {at(5, "001"), at(9, "002")}, "dc=y": {at(9, "003")}}, "other naming contexts"},
		{nil, "from other servers"},
	} {
		if got := c.now.since(s); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%v: got %q", c.now, got)
		}
	}
}

func FuzzMark(f *testing.F) {
	const csn = "20260101000000.000000Z#000000#00a#000000"
	for _, m := range []mark{
		{Version: markVersion, URL: "ldaps://x", CSN: state{"dc=x": {csn}}, Above: map[string]string{"dc=x": ""}},
		{Version: markVersion, URL: "ldaps://x", USN: 1, Host: "x", Invocation: "x", Containers: map[string]string{"6ba7b810-9dad-11d1-80b4-00c04fd430c8": "ou=x"}},
	} {
		f.Add(m.text(), true)
		f.Add(m.text(), false)
	}
	for _, text := range []string{"", "{}", "null", "[]", `{"version":1,"url":"x","csn":{"":[]}}`, `{"version":1,"url":"x","csn":{"":["x;csn"]}}`} {
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, ad bool) {
		m, err := parseMark(text, ad)
		if err != nil {
			return
		}
		for context, values := range m.CSN {
			cookie := string(m.CSN.cookie(context))
			if strings.Count(cookie, "csn=") != 1 || strings.Count(cookie, ";") != len(values)-1 || strings.Count(cookie, ",") != 1 {
				t.Errorf("cookie %q", cookie)
			}
			m.CSN.has(context, csn)
		}
		if m.CSN.since(m.CSN) != "" || !m.CSN.equal(m.CSN) {
			t.Errorf("%v is not itself", m.CSN)
		}
		m.CSN.before("20260101000000Z")
		again, err := parseMark(m.text(), ad)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(m) {
			t.Errorf("%v became %v, %v", m, again, err)
		}
	})
}
