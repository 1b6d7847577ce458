package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory/suite"
	"github.com/rollcall-cli/rollcall/internal/directory/suite/worlds"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// explained is an explanation as data.
type explained struct {
	Answer   string
	Warnings []string
	Outside  []struct {
		DN     string
		Scopes []struct {
			Obstacles []struct{ Code string }
		}
	}
	Addresses []struct {
		Listed []struct {
			DN     string
			Values []struct{ Attribute, Value string }
		}
	}
	Actions []struct{ Kind, PowerShell, LDIF string }
}

// TestExplainLive: what a directory lists and how, what a search finds outside
// of the scopes, and what changes it, is the same of every kind.
func TestExplainLive(t *testing.T) {
	for _, k := range worlds.All {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			ann := &suite.Object{Name: "Ann Smith", Unit: suite.StaffUnit, Username: "ann", Primary: "ann@example.com", Aliases: []string{"desk@example.com"}}
			bob := &suite.Object{Name: "Bob Brown", Unit: suite.StaffUnit, Username: "bob", Primary: "bob@example.com", Aliases: []string{"desk@example.com"}}
			sue := &suite.Object{Name: "Sue Stone", Unit: suite.LeftUnit, Username: "sue", Primary: "sue@example.com"}
			s := worldSite(t, k, k.Begin(t, []string{suite.StaffUnit, suite.LeftUnit}, []*suite.Object{ann, bob, sue}), suite.StaffUnit)

			var desk explained
			s.decode(&desk, "explain", "desk@example.com", "-o", "json")
			if len(desk.Warnings) > 0 || len(desk.Outside) > 0 || len(desk.Addresses) != 1 || len(desk.Addresses[0].Listed) != 2 {
				t.Fatalf("%+v", desk)
			}
			for n, l := range desk.Addresses[0].Listed {
				if len(l.Values) != 1 || !strings.HasSuffix(l.Values[0].Value, "desk@example.com") {
					t.Fatalf("%s lists it as %v", l.DN, l.Values)
				}
				v := l.Values[0]
				if k == &worlds.Exec {
					if len(desk.Actions) > 0 {
						t.Errorf("a connector does not say which commands change its objects: %+v", desk.Actions)
					}
					continue
				}
				if change := "\ndelete: " + v.Attribute + "\n" + v.Attribute + ": " + v.Value + "\n"; len(desk.Actions) != 2 || !strings.Contains(desk.Actions[n].LDIF, change) {
					t.Errorf("%+v: not %s", desk.Actions, change)
				}
			}

			for _, subject := range []string{"sue@example.com", "sue", sue.DN(k.Base)} {
				var x explained
				s.decode(&x, "explain", subject, "-o", "json")
				if len(x.Outside) != 1 || !strings.EqualFold(x.Outside[0].DN, sue.DN(k.Base)) || x.Outside[0].Scopes[0].Obstacles[0].Code != "outside_base" {
					t.Errorf("%s: %+v", subject, x)
				}
			}
		})
	}
}

// TestExplainActions has servers make the changes that explain proposes: of an
// address behind spaces, of one that is listed twice but for letter case, of mail
// beside SMTP:, of a protected primary, and of somebody who was moved away.
func TestExplainActions(t *testing.T) {
	t.Parallel()
	program := servertest.Need(t, "ldapmodify", "ldap-utils")
	const former = "OU=Former," + servertest.Base
	const staff = "OU=Staff," + servertest.Base
	people := []servertest.Entry{servertest.NewEntry(staff, "objectClass", "organizationalUnit"), servertest.NewEntry(former, "objectClass", "organizationalUnit")}
	for _, e := range [][]string{
		{"CN=Space Man," + staff, "mail", "space@example.com", "proxyAddresses", "SMTP:space@example.com", "proxyAddresses", "smtp:  two@other.example"},
		{"CN=Ann," + staff, "mail", "ann@example.com", "proxyAddresses", "SMTP:ann@example.com", "proxyAddresses", "smtp:desk@example.com", "proxyAddresses", "smtp:desk2@example.com"},
		{"CN=Bob," + staff, "mail", "bob@example.com", "proxyAddresses", "SMTP:bob@example.com", "proxyAddresses", "smtp:desk@example.com", "proxyAddresses", "sip:desk@example.com"},
		{"CN=Tanja," + staff, "mail", "t.ueda@example.com", "proxyAddresses", "SMTP:tanja@example.com"},
		{"CN=Board," + staff, "mail", "office@example.com", "proxyAddresses", "SMTP:office@example.com", "proxyAddresses", "smtp:board@example.com"},
		{"CN=Fred," + former, "mail", "fred@example.com"},
	} {
		people = append(people, servertest.NewEntry(e[0], append([]string{"objectClass", "user", "sn", "X"}, e[1:]...)...))
	}
	for name, start := range map[string]func(t *testing.T) (s *site, conn *goldap.Conn, login []string){
		"Samba": func(t *testing.T) (*site, *goldap.Conn, []string) {
			var b strings.Builder
			for _, e := range people {
				b.WriteString(worlds.Record(e))
			}
			d := servertest.NewSamba(t, servertest.SambaOptions{LDIF: b.String()})
			s := newSite(t, servertest.Password, staff).serve("active_directory", d.LDAPS, d.CA.File, d.Reader)
			return s, d.Connect(t), []string{d.LDAPS, d.Admin, d.CA.File}
		},
		"OpenLDAP": func(t *testing.T) (*site, *goldap.Conn, []string) {
			d := servertest.NewSlapd(t, servertest.SlapdOptions{})
			conn := d.Connect(t)
			for _, e := range people {
				add := goldap.NewAddRequest(e.DN, nil)
				for _, a := range e.Attributes {
					add.Attribute(a.Name, a.Values)
				}
				if err := conn.Add(add); err != nil {
					t.Fatal(err)
				}
			}
			s := newSite(t, servertest.Password, staff).serve("ldap", d.LDAPS, d.CA.File, d.Reader)
			return s, conn, []string{d.LDAPS, d.Admin, d.CA.File}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, conn, login := start(t)
			s.scope = "}\nprotected \"board\" {\naddresses = [\"board@example.com\"]\n"
			s.write("accounts.jsonl", `{"primary": "board@example.com", "directory": "corp", "guid": "`+guidOf(t, conn, "Board")+`"}`+"\n")
			if _, talk, code := s.run(t.Context(), "state", "import", s.dir+"/accounts.jsonl"); code != exitOK {
				t.Fatal(talk)
			}
			for _, c := range []struct {
				subject, kind, listed string
				object                string
				has                   []string // mail and proxyAddresses then
			}{
				{"two@other.example", "remove_value", "smtp:  two@other.example", "Space Man", []string{"SMTP:space@example.com", "space@example.com"}},
				{"desk@example.com", "remove_value", "smtp:desk@example.com", "Ann", []string{"SMTP:ann@example.com", "ann@example.com", "smtp:desk2@example.com"}},
				{"t.ueda@example.com", "add_value", "", "Tanja", []string{"SMTP:tanja@example.com", "smtp:t.ueda@example.com", "t.ueda@example.com"}},
				{"board@example.com", "make_primary", "smtp:board@example.com", "Board", []string{"SMTP:board@example.com", "board@example.com", "smtp:office@example.com"}},
				{"fred@example.com", "move", "", "Fred,OU=Staff", []string{"fred@example.com"}},
			} {
				var x explained
				s.decode(&x, "explain", c.subject, "-o", "json")
				if listed := x.Addresses[0].Listed; c.listed != "" && (len(listed) == 0 || len(listed[0].Values) != 1 || listed[0].Values[0].Value != c.listed) {
					t.Errorf("%s is listed as %+v", c.subject, listed)
				}
				n := slices.IndexFunc(x.Actions, func(a struct{ Kind, PowerShell, LDIF string }) bool { return a.Kind == c.kind })
				if n < 0 {
					t.Errorf("%s: no action %s: %+v", c.subject, c.kind, x)
					continue
				}
				if action := x.Actions[n]; (action.PowerShell != "") != (name == "Samba") {
					t.Errorf("%s: %+v", c.subject, action)
				}
				cmd := exec.Command(program, "-x", "-H", login[0], "-D", login[1], "-w", servertest.Password)
				cmd.Env = append(cmd.Environ(), "LDAPTLS_CACERT="+login[2])
				cmd.Stdin = strings.NewReader(x.Actions[n].LDIF)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s\n%s", c.subject, err, out, x.Actions[n].LDIF)
					continue
				}
				var has []string
				o := objectAt(t, conn, c.object)
				for _, attribute := range []string{"mail", "proxyAddresses"} {
					has = append(has, o.GetAttributeValues(attribute)...)
				}
				if slices.Sort(has); !slices.Equal(has, c.has) {
					t.Errorf("%s: %s has %q, not %q", c.subject, c.object, has, c.has)
				}
				s.decode(&x, "explain", c.subject, "-o", "json")
				if n := slices.IndexFunc(x.Actions, func(a struct{ Kind, PowerShell, LDIF string }) bool { return a.Kind == c.kind }); n >= 0 {
					t.Errorf("%s: still %+v", c.subject, x.Actions[n])
				}
			}
		})
	}
}

// objectAt returns the object CN=name, with the unit if there is one in the name.
func objectAt(t *testing.T, conn *goldap.Conn, name string) *goldap.Entry {
	t.Helper()
	cn, unit, placed := strings.Cut(name, ",")
	base := servertest.Base
	if placed {
		base = unit + "," + base
	}
	found, err := conn.Search(goldap.NewSearchRequest(base, goldap.ScopeWholeSubtree, 0, 0, 0, false, "(cn="+cn+")", []string{"mail", "proxyAddresses", "objectGUID", "entryUUID"}, nil))
	if err != nil || len(found.Entries) != 1 {
		t.Fatalf("%s: %v, %v", name, found, err)
	}
	return found.Entries[0]
}

// guidOf returns the GUID of the object CN=name as text.
func guidOf(t *testing.T, conn *goldap.Conn, name string) string {
	t.Helper()
	o := objectAt(t, conn, name)
	if raw := o.GetRawAttributeValue("objectGUID"); len(raw) == 16 {
		g, _ := identity.WireGUID(raw)
		return g.String()
	}
	return o.GetAttributeValue("entryUUID")
}
