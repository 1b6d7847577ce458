package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

func diagnose(t *testing.T, o Options, scopes ...directory.Scope) *doctor.Report {
	t.Helper()
	if scopes == nil {
		scopes = []directory.Scope{staff()}
	}
	r, err := New(o).Diagnose(context.Background(), scopes, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// changing are the parts of a report that differ from run to run.
var changing = regexp.MustCompile(`127\.[0-9.]+:\d+|\d{4}-\d\d-\d\d(T[0-9:]+Z)?`)

// outcome writes a check in a line.
func outcome(c *doctor.Check) string {
	return changing.ReplaceAllString(fmt.Sprintf("%s %s: %s", c.Name, c.Status, c.Finding), "*")
}

func outcomes(r *doctor.Report) []string {
	var list []string
	for _, c := range r.Checks {
		list = append(list, outcome(c))
	}
	return list
}

// expect looks for a check of this outcome, the beginning of its line, and for
// a part of its remedy.
func expect(t *testing.T, r *doctor.Report, line, remedy string) {
	t.Helper()
	name, _, _ := strings.Cut(line, " ")
	for _, c := range r.Checks {
		if c.Name == name && strings.HasPrefix(outcome(c), line) {
			if !strings.Contains(c.Remedy, remedy) || remedy == "" && c.Remedy != "" {
				t.Errorf("%s: the remedy is %q, not %q", line, c.Remedy, remedy)
			}
			return
		}
	}
	t.Errorf("no check\n%s\nbut\n%s", line, strings.Join(outcomes(r), "\n"))
}

// untested expects that everything from a check on was skipped for this reason.
func untested(t *testing.T, r *doctor.Report, from, reason string) {
	t.Helper()
	i := slices.IndexFunc(r.Checks, func(c *doctor.Check) bool { return c.Name == from })
	if i < 0 {
		t.Fatalf("no check %s in\n%s", from, strings.Join(outcomes(r), "\n"))
	}
	for _, c := range r.Checks[i:] {
		if c.Status != doctor.Skipped || changing.ReplaceAllString(c.Finding, "*") != "not tested, because "+reason {
			t.Errorf("got  %s\nwant skipped, because %s", outcome(c), reason)
		}
	}
}

func TestDiagnose(t *testing.T) {
	s := company(t, 12, servertest.StubOptions{})
	s.Put(servertest.NewEntry("CN=Printer,"+staffBase, "objectClass", "user"))
	want := []string{
		"dns ok: the URL has an address, so DNS is not asked",
		"tcp ok: connected to *",
		"tls ok: the certificate for 127.0.0.1 expires on *",
		"signing ok: TLS meets any demand for signing, and channel binding does not concern this kind of login",
		"login ok: logged in as svc@corp.example.com",
		"server ok: this is dc1.corp.example.com, a domain controller of Active Directory",
		"password ok: the server does not limit the password's age, or does not say",
		"clock ok: the clocks differ by * s",
		"global-catalog ok: port * is the domain's own",
		"base ok: DC=corp,DC=example,DC=com is there",
		"right ok: the account may read there",
		"paging ok: paged results are offered, and a search is answered so",
		"ranges ok: long lists of values are given in ranges, and read to the end",
		"changes ok: DirSync is offered",
		"deleted ok: the account sees no deleted object, as is usual: what is deleted during a read is noticed by the next one",
		"read ok: complete: 13 objects of the scopes",
		"entries ok: of 12 entries, 12 with mail, 12 with proxyAddresses, 12 with sAMAccountName, 12 with a GUID",
	}
	r := diagnose(t, optionsOf(s))
	got := outcomes(r)
	for i := range got {
		got[i] = regexp.MustCompile(`(port|by) \d+ (is|s)\b`).ReplaceAllString(got[i], "$1 * $2")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The names come in their documented order.
	at := -1
	for _, c := range r.Checks {
		i := slices.Index(doctor.Names, c.Name)
		if i <= at {
			t.Errorf("%s comes out of order", c.Name)
		}
		at = i
	}
}

// Every sub-code is reported, the account is not tried again, and nothing else is
// tested.
func TestDiagnoseRefusedLogin(t *testing.T) {
	for code, reason := range subCodes {
		refuse := servertest.StubOptions{Bind: func(servertest.Bind) servertest.Result { return servertest.LoginRefused(code) }}
		first, second := servertest.NewStub(t, refuse), servertest.NewStub(t, refuse)
		o := optionsOf(first)
		o.URLs, o.CAFile = []string{first.LDAPS, second.LDAPS}, bundle(t, first.CA, second.CA)
		r := diagnose(t, o)
		if !r.Refused && reason.hint != bindingHint {
			t.Errorf("data %s: not refused", code)
		}
		if reason.hint == bindingHint {
			expect(t, r, "signing failed: "+reason.words, "over ldaps")
		} else {
			expect(t, r, "login failed: "+reason.words, reason.hint)
			untested(t, r, doctor.Server, "login of ldaps://* failed")
		}
		binds := 0
		for _, request := range append(first.Requests(), second.Requests()...) {
			if strings.HasPrefix(request, "bind") {
				binds++
			}
		}
		if binds != 1 {
			t.Errorf("data %s: %d logins", code, binds)
		}
	}
}

func TestDiagnoseLogin(t *testing.T) {
	result := func(r servertest.Result) servertest.StubOptions {
		return servertest.StubOptions{Bind: func(servertest.Bind) servertest.Result { return r }}
	}
	t.Run("signing", func(t *testing.T) {
		s := servertest.NewStub(t, servertest.StubOptions{Bind: func(b servertest.Bind) servertest.Result {
			if b.Encrypted {
				return servertest.Result{}
			}
			return servertest.SigningRequired
		}})
		o := optionsOf(s)
		o.URLs = []string{s.URL}
		r := diagnose(t, o)
		expect(t, r, "tls warning: the connection is not encrypted", "start_tls = true, and drop insecure")
		expect(t, r, "signing failed: the server demands signing or encryption and accepts no password in clear", "ldaps://")
		untested(t, r, doctor.Login, "signing of ldap://* failed")
		o.StartTLS = true
		expect(t, diagnose(t, o), "signing ok: TLS meets any demand for signing", "")
	})
	t.Run("in clear", func(t *testing.T) {
		s := company(t, 1, servertest.StubOptions{})
		o := optionsOf(s)
		o.URLs = []string{s.URL}
		expect(t, diagnose(t, o), "signing warning: the server takes a password over a connection that is not encrypted", "demand signing")
	})
	t.Run("nobody", func(t *testing.T) {
		s := company(t, 1, servertest.StubOptions{})
		o := optionsOf(s)
		o.BindDN = ""
		expect(t, diagnose(t, o), "login warning: nobody is logged in", "set bind_dn")
	})
	t.Run("the next server", func(t *testing.T) {
		busy, well := servertest.NewStub(t, result(servertest.Busy)), company(t, 3, servertest.StubOptions{})
		o := optionsOf(busy)
		o.URLs, o.CAFile = []string{busy.LDAPS, well.LDAPS}, bundle(t, busy.CA, well.CA)
		r := diagnose(t, o)
		expect(t, r, "signing skipped: not known, because the login failed before", "")
		expect(t, r, "login failed: the server is too busy", "try again later")
		expect(t, r, "login ok: logged in as", "")
		if r.Refused {
			t.Error("a busy server has refused nobody")
		}
	})
}

func TestDiagnoseWay(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "ldaps://" + closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	well := company(t, 3, servertest.StubOptions{})

	t.Run("no server", func(t *testing.T) {
		o := optionsOf(well)
		o.URLs = []string{nobody, "ldaps://nowhere.invalid"}
		r := diagnose(t, o)
		expect(t, r, "tcp failed: nothing listens at *", "that the server runs")
		expect(t, r, "dns failed: DNS", "DNS server")
		expect(t, r, "tcp skipped: not tested, because dns of ldaps://nowhere.invalid failed", "")
		untested(t, r, doctor.Signing, "tcp of ldaps://* failed")
	})
	t.Run("one of two", func(t *testing.T) {
		o := optionsOf(well)
		o.URLs = append([]string{nobody}, o.URLs...)
		r := diagnose(t, o)
		expect(t, r, "tcp failed: nothing listens at *", "host and port")
		expect(t, r, "read ok: complete: 3 objects", "")
	})
	t.Run("no TLS", func(t *testing.T) {
		o := optionsOf(well)
		o.URLs = []string{strings.Replace(well.URL, "ldap:", "ldaps:", 1)}
		o.Timeout = 2 * time.Second
		expect(t, diagnose(t, o), "tls failed: ", "389 ")
	})
	t.Run("no ca_file", func(t *testing.T) {
		o := optionsOf(well)
		o.CAFile = "nowhere.pem"
		r := diagnose(t, o)
		expect(t, r, "tls failed: ca_file nowhere.pem: ", "who may read it")
		untested(t, r, doctor.Signing, "tls of ldaps://* failed")
	})
	t.Run("no domain", func(t *testing.T) {
		o := optionsOf(well)
		o.URLs, o.Domain = nil, "corp.invalid"
		r := diagnose(t, o)
		expect(t, r, "dns failed: DNS names no server of corp.invalid", "SRV records")
		untested(t, r, doctor.TCP, "dns of corp.invalid failed")
	})
	t.Run("site", func(t *testing.T) {
		for _, c := range []struct{ named, line, remedy string }{
			{"_ldap._tcp.berlin._sites.dc._msdcs.corp.invalid", "dns ok: DNS names 1 server", ""},
			{"_ldap._tcp.dc._msdcs.corp.invalid", `dns warning: DNS names 1 server, but none of site "berlin": those of the whole domain are used`, "SRV records of _ldap._tcp.berlin._sites"},
		} {
			o := optionsOf(well)
			o.URLs, o.Domain, o.Site = nil, "corp.invalid", "berlin"
			s := New(o)
			s.lookup = func(_ context.Context, name string) ([]*net.SRV, error) {
				if name != c.named {
					return nil, errors.New("no such name")
				}
				return []*net.SRV{{Target: "dc1.corp.invalid.", Port: 389}}, nil
			}
			r, err := s.Diagnose(context.Background(), []directory.Scope{staff()}, time.Now, nil)
			if err != nil {
				t.Fatal(err)
			}
			expect(t, r, c.line, c.remedy)
		}
	})
}

func TestDiagnoseCertificates(t *testing.T) {
	for _, c := range []struct {
		name    string
		leaf    servertest.Leaf
		foreign bool // the authority is not the one of ca_file
		finding string
		remedy  string
	}{
		{"expired", servertest.Leaf{Until: -time.Hour}, false, `failed: the certificate "CN=127.0.0.1" expired on *`, "renew"},
		{"expiring", servertest.Leaf{Until: 10 * 24 * time.Hour}, false, `warning: the certificate "CN=127.0.0.1" expires on *, in 9 days`, "renew it in time"},
		{"not yet valid", servertest.Leaf{From: time.Hour}, false, `failed: the certificate "CN=127.0.0.1" is not valid before *`, "clock"},
		{"another host", servertest.Leaf{Hosts: []string{"other.example", "192.0.2.7"}}, false, "failed: the server's certificate is for other.example, 192.0.2.7, not for 127.0.0.1", "name the server in urls as its certificate does"},
		{"no host", servertest.Leaf{NoHosts: true}, false, `failed: the server's certificate "CN=127.0.0.1" names no host`, "subject alternative name"},
		{"self-signed", servertest.Leaf{SelfSigned: true}, false, `failed: the server's certificate "CN=127.0.0.1" is self-signed`, "ca_file"},
		{"another authority", servertest.Leaf{}, true, `failed: the server's certificate comes from the authority "CN=`, "set ca_file to the certificate of"},
		{"negative serial number", servertest.Leaf{NegativeSerial: true}, false, "failed: the server's certificate has a negative serial number", "smb.conf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := servertest.NewCA(t)
			s := company(t, 1, servertest.StubOptions{CA: ca, Certificate: ca.Issue(t, c.leaf)})
			o := optionsOf(s)
			if c.foreign {
				o.CAFile = servertest.NewCA(t).File
			}
			for _, url := range []string{s.LDAPS, s.URL} {
				o.URLs, o.StartTLS = []string{url}, url == s.URL
				r := diagnose(t, o)
				expect(t, r, "tls "+c.finding, c.remedy)
				if strings.HasPrefix(c.finding, "warning") {
					expect(t, r, "read ok", "")
					continue
				}
				untested(t, r, doctor.Signing, "tls of "+strings.Split(url, ":")[0]+"://* failed")
				tls := r.Checks[2]
				if len(tls.Evidence) == 0 != (c.name == "negative serial number") {
					t.Errorf("evidence %q", tls.Evidence)
				}
			}
		})
	}
	t.Run("intermediate", func(t *testing.T) {
		ca := servertest.NewCA(t)
		between := ca.Intermediate(t)
		s := company(t, 1, servertest.StubOptions{CA: ca, Certificate: between.Issue(t, servertest.Leaf{})})
		expect(t, diagnose(t, optionsOf(s)), "tls failed: the server's certificate comes from the authority", "if that is no root, the server should send it, too")
	})
}

func TestDiagnoseServer(t *testing.T) {
	root := func(pairs ...string) servertest.StubOptions {
		r := map[string][]string{}
		for i := 0; i < len(pairs); i += 2 {
			r[pairs[i]] = strings.Fields(pairs[i+1])
		}
		return servertest.StubOptions{RootDSE: r}
	}
	clock := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("20060102150405.0Z") }
	refuse := func(base string, code int) servertest.StubOptions {
		return servertest.StubOptions{Answer: func(a *servertest.Answer) {
			if strings.HasPrefix(a.Base, base) && a.PageSize == 0 {
				a.Entries, a.Result = nil, servertest.Result{Code: code, Message: "no"}
			}
		}}
	}
	for _, c := range []struct {
		name    string
		stub    servertest.StubOptions
		finding string
		remedy  string
	}{
		{"clock ahead", root("currentTime", clock(10*time.Minute+5*time.Second)), "clock warning: this machine's clock and the server's are 10 minutes apart", "NTP"},
		{"clock behind", root("currentTime", clock(-26*time.Hour-time.Minute)), "clock warning: this machine's clock and the server's are 26 hours apart", "NTP"},
		{"clock near", root("currentTime", clock(-4*time.Minute)), "clock ok: the clocks differ by 24", ""},
		{"no clock", root("currentTime", ""), "clock skipped: not tested, because the server does not say what time it has", ""},
		{"no domain controller", root("supportedCapabilities", "", "vendorName", "389"), "server warning: this is dc1.corp.example.com, 389, and no domain controller", `kind = "ldap"`},
		{"no paging", root("supportedControl", oidDirSync), "paging failed: the server does not offer paged results", "export LDIF"},
		{"silent controls", root("supportedControl", ""), "paging warning: the server does not list its controls", "supportedControl"},
		{"no DirSync", root("supportedControl", oidPaging), "changes ok: neither DirSync nor content synchronization is offered", ""},
		{"syncrepl", root("supportedControl", oidPaging+" "+oidSyncRequest), "changes ok: content synchronization (syncrepl, RFC 4533) is offered", ""},
		{"deleted objects", refuse("CN=Deleted Objects", 32), "deleted ok: the account sees no deleted object", ""},
		{"deleted objects, busy", refuse("CN=Deleted Objects", 51), "deleted failed: the server is too busy", "try again"},
		{"no right", refuse(servertest.Base, 50), "base failed: the account may not read this", "give the account the right"},
		{"ranges", servertest.StubOptions{Answer: func(a *servertest.Answer) {
			for i := range a.Entries {
				a.Entries[i].Attributes = slices.DeleteFunc(a.Entries[i].Attributes, func(x servertest.Attribute) bool { return strings.Contains(x.Name, "range") })
			}
		}}, "ranges warning: the server gives no ranges of values", "kind"},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, diagnose(t, optionsOf(company(t, 2, c.stub))), c.finding, c.remedy)
		})
	}
	t.Run("deleted objects seen", func(t *testing.T) {
		s := company(t, 2, servertest.StubOptions{})
		s.Delete("CN=Person 1," + staffBase)
		expect(t, diagnose(t, optionsOf(s)), "deleted ok: deleted objects can be read", "")
	})
	t.Run("no domain controller", func(t *testing.T) {
		r := diagnose(t, optionsOf(company(t, 2, root("supportedCapabilities", "", "objectClass", "top OpenLDAProotDSE"))))
		expect(t, r, "server warning: this is dc1.corp.example.com, OpenLDAP, and no domain controller", `kind = "ldap"`)
		for _, c := range r.Checks {
			ofDomains := slices.Contains([]string{doctor.Clock, doctor.Catalog, doctor.Ranges, doctor.Deleted}, c.Name)
			if skipped := c.Finding == "not tested, because this is no domain controller"; skipped != ofDomains {
				t.Errorf("%s", outcome(c))
			}
		}
	})
	t.Run("kind", func(t *testing.T) {
		o := optionsOf(company(t, 2, servertest.StubOptions{}))
		o.ActiveDirectory = false
		r := diagnose(t, o)
		expect(t, r, "server warning: this is dc1.corp.example.com, a domain controller of Active Directory, and kind", `kind = "active_directory"`)
		for _, c := range r.Checks {
			if slices.Contains([]string{doctor.Clock, doctor.Catalog, doctor.Ranges, doctor.Deleted}, c.Name) {
				t.Errorf("%s is for domain controllers", c.Name)
			}
		}
	})
}

func TestDiagnoseScopes(t *testing.T) {
	s := company(t, 4, servertest.StubOptions{})
	at := func(base, filter string) directory.Scope {
		scope := staff()
		scope.Base, scope.Filter = base, filter
		return scope
	}
	for _, c := range []struct {
		name  string
		scope directory.Scope
		line  string
		hint  string
	}{
		{"nearest above", at("OU=Nowhere,OU=Staf,"+servertest.Base, ""), "base failed: OU=Nowhere,OU=Staf,DC=corp,DC=example,DC=com is not there, or the account may not see it; the nearest entry above it is DC=corp,DC=example,DC=com", "correct base_dn; in a DN"},
		{"another domain", at("DC=other,DC=example", ""), "base failed: the server does not hold this part of the directory", "correct base_dn"},
		{"not escaped", at(`CN=Doe, Jane,`+servertest.Base, ""), `base failed: base_dn "CN=Doe, Jane,DC=corp,DC=example,DC=com" is no distinguished name`, `escaped by \`},
		{"no base", at("", ""), "base ok: no base_dn: the scope reads DC=corp,DC=example,DC=com", ""},
		{"nothing there", at(staffBase, "(mail=nobody@example.com)"), "right warning: the server finds nothing there that the account may see", "filter"},
		{"no entry", at(staffBase, "(objectClass=organizationalUnit)"), "entries warning: no entry with an address was found", "base_dn and filter"},
		{"no GUID", func() directory.Scope { x := at(staffBase, ""); x.GUIDAttribute = "employeeID"; return x }(), "entries warning: of 4 entries, 4 with mail, 4 with proxyAddresses, 4 with sAMAccountName, 0 with a GUID", "guid_attribute"},
		{"other attributes", func() directory.Scope {
			x := at(staffBase, "(objectClass=user)")
			x.AliasAttributes = []string{"otherMailbox", "info"}
			return x
		}(), "entries warning: of 4 entries, 4 with mail, 0 with otherMailbox, 0 with info, 4 with sAMAccountName, 4 with a GUID", "no entry has otherMailbox, or info: correct the name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := diagnose(t, optionsOf(s), c.scope)
			expect(t, r, c.line, c.hint)
			if strings.HasPrefix(c.line, "base failed") {
				expect(t, r, `right skipped: not tested, because base of scope "staff" failed`, "")
				expect(t, r, `read skipped: not tested, because base of scope "staff" failed`, "")
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		expect(t, diagnose(t, optionsOf(s), []directory.Scope{}...), "read warning: no scope reads this directory", "declare a scope")
	})
}

// Servers that do not say where the name ends to be one are asked step by step.
func TestDiagnoseBaseWalksUp(t *testing.T) {
	s := company(t, 1, servertest.StubOptions{Answer: func(a *servertest.Answer) { a.Matched = "" }})
	scope := staff()
	scope.Base = `CN=Nobody\, at all,OU=Nowhere, ` + staffBase
	expect(t, diagnose(t, optionsOf(s), scope), "base failed: "+scope.Base+" is not there, or the account may not see it; the nearest entry above it is "+staffBase, "escaped")
}

func TestDiagnoseInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := company(t, 1, servertest.StubOptions{Answer: func(a *servertest.Answer) {
		if a.Base == "" {
			cancel()
		}
	}})
	if _, err := New(optionsOf(s)).Diagnose(ctx, []directory.Scope{staff()}, time.Now, nil); err != context.Canceled {
		t.Errorf("got %v", err)
	}
}
