package ldap

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// An attribute has several names (RFC 4519, RFC 4524), of which a server answers
// by its first, whichever it was asked by. doctor counts who has it.
func TestNamesOfAttributes(t *testing.T) {
	s := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: strings.NewReader("dn: uid=ann," + servertest.Base +
		"\nobjectClass: inetOrgPerson\ncn: Ann\nsn: Smith\nuid: ann\nmail: ann@example.com\n\n")})
	o := Options{Label: "lab", URLs: []string{s.LDAPS}, CAFile: s.CA.File, BindDN: s.Reader, Password: secret(servertest.Password), Timeout: 20 * time.Second, PageSize: 500}
	scope := directory.Scope{Name: "all", Base: servertest.Base, Filter: "(objectClass=inetOrgPerson)", Type: directory.Users,
		PrimaryAttribute: "rfc822Mailbox", UsernameAttribute: "userid", Attributes: []directory.Attribute{{Name: "display_name", Source: "commonName"}, {Name: "surname", Source: "surname"}}}
	got, _, err := read(t, o, scope)
	if e := got["ann@example.com"]; err != nil || fmt.Sprint(e.Username, e.Attributes) != "ann[{display_name Ann} {surname Smith}]" {
		t.Errorf("got %+v, %v", got, err)
	}
	expect(t, diagnose(t, o, scope), "entries ok: of 1 entry, 1 with rfc822Mailbox, 1 with userid, 1 with commonName, 1 with surname, 1 with a GUID", "")
	scope.UsernameAttribute = "usreid"
	expect(t, diagnose(t, o, scope), "entries warning: of 1 entry, 1 with rfc822Mailbox, 0 with usreid, ", "no entry has usreid: correct the name in the scope")
	survey, err := New(o).Survey(t.Context(), SurveyOptions{Attributes: []string{"surname", "userid"}}, nil)
	if err != nil || survey.Having["surname"] != 1 || survey.Having["userid"] != 1 {
		t.Errorf("survey %+v, %v", survey, err)
	}
}

// A server may answer by another name than it was asked by, too.
func TestOtherNamesInAnswers(t *testing.T) {
	s := company(t, 2, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		for i := range a.Entries {
			for j, attribute := range a.Entries[i].Attributes {
				if attribute.Name == "mail" {
					a.Entries[i].Attributes[j].Name = "rfc822Mailbox"
				}
			}
		}
	}})
	if got, _, err := read(t, optionsOf(s)); err != nil || len(got) != 2 {
		t.Errorf("got %d entries, %v", len(got), err)
	}
	found, err := New(optionsOf(s)).Find(t.Context(), directory.Query{Addresses: []string{"person1@example.com"}}, []directory.Scope{staff()})
	if err != nil || len(found.Objects) != 1 || len(found.Objects[0].Values) == 0 || found.Objects[0].Values[0].Attribute != "mail" {
		t.Errorf("found %+v, %v", found, err)
	}
}
