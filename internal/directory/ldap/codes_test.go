package ldap

import (
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// says expects that a read fails so, and that doctor says it, too, in the check.
func says(t *testing.T, o Options, scope directory.Scope, check, words, hint string) {
	t.Helper()
	_, _, err := read(t, o, scope)
	if err == nil || !strings.Contains(err.Error(), words) || !strings.Contains(directory.HintOf(err), hint) {
		t.Errorf("says %v\nhint: %s", err, directory.HintOf(err))
	}
	r := diagnose(t, o, scope)
	if !slices.ContainsFunc(r.Checks, func(c *doctor.Check) bool {
		return c.Name == check && c.Status == "failed" && strings.Contains(c.Finding, words) && strings.Contains(c.Remedy, hint)
	}) {
		t.Errorf("doctor says\n%s", strings.Join(outcomes(r), "\n"))
	}
}

// OpenLDAP limits pages by account.
func TestPagingLimitsOfSlapd(t *testing.T) {
	for _, c := range []struct{ limits, words, hint string }{
		{"size.pr=100", "the server gives this account no pages of this size (result code 11: ", "lower page_size"},
		{"size.prtotal=disabled", "the server does not let this account read page by page (result code 11: ", `kind = "ldif"`},
	} {
		s := servertest.NewSlapd(t, servertest.SlapdOptions{ReaderLimits: c.limits})
		o := Options{Label: "lab", URLs: []string{s.LDAPS}, CAFile: s.CA.File, BindDN: s.Reader, Password: secret(servertest.Password), Timeout: 20 * time.Second, PageSize: 500}
		scope := directory.Scope{Name: "all", Base: servertest.Base, PrimaryAttribute: "mail", Filter: "(objectClass=*)", Type: directory.Auto}
		says(t, o, scope, "paging", c.words, c.hint)
	}
}

// Each way in which servers refuse a page, or answer without one, has its own
// words.
func TestRefusedPages(t *testing.T) {
	on := func(page int, code int, message string) func(*servertest.Answer) {
		return func(a *servertest.Answer) {
			if ofScope(a) && a.PageSize > 0 && a.Page == page {
				a.Entries, a.More, a.Result = nil, false, servertest.Result{Code: code, Message: message}
			}
		}
	}
	const lost, balancer = "the server lost its place in the paged search (result code ", "if a load balancer spreads the requests over several servers"
	for _, c := range []struct {
		name        string
		answer      func(*servertest.Answer)
		words, hint string
	}{
		{"page size", on(1, 11, "illegal page size"), "the server gives this account no pages of this size (result code 11: illegal page size)", "lower page_size"},
		{"paging forbidden", on(1, 11, "pagedResults not allowed"), "the server does not let this account read page by page", "name the server behind it in urls"},
		{"administrative limit", on(1, 11, ""), "an administrative limit", "index"},
		{"no paging", func(a *servertest.Answer) { a.NoPaging = ofScope(a) }, "it lacks the control for paged results", "export LDIF"},
		{"cookie, 2", on(2, 2, "paged results cookie is invalid"), lost + "2", balancer},
		{"cookie, 53", on(2, 53, "paged results cookie is invalid or old"), lost + "53", balancer},
		{"cookie, 12", on(2, 12, "The paged results cookie is not valid"), lost + "12", balancer},
		{"cookie, 00002040", on(2, 1, "00002040: SvcErr: DSID-03140594, problem 5010 (UNAVAIL_EXTENSION), data 0"), lost + "1", balancer},
		{"cookie, 00000057", on(2, 12, servertest.PageRefused.Message), lost + "12", "run fewer programs"},
		{"protocol error", on(1, 2, "no"), "the server does not understand the request (result code 2: no)", "proxy"},
		{"filter", on(1, 12, "Bad search filter"), "the server cannot evaluate the filter (result code 12: Bad search filter)", "filter of the scope"},
		{"control", on(1, 12, "critical extension is not recognized"), "the server does not know a control that the search needs", "kind = \"ldif\""},
		{"operations error", on(1, 1, "000020D6: SvcErr"), "the server could not do what was asked (result code 1: 000020D6: SvcErr)", "server's log"},
		{"other", on(1, 80, "internal error"), "the server failed for a reason that LDAP has no code for (result code 80: internal error)", "server's log"},
		{"unwilling", on(1, 53, "no"), "the server is not willing to do this (result code 53: no)", "server's log"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := company(t, 30, servertest.StubOptions{PageSize: 10, Answer: c.answer})
			says(t, optionsOf(s), staff(), "paging", c.words, c.hint)
		})
	}
}

// A server that ends a connection says why, and that is reported.
func TestNoticeOfDisconnection(t *testing.T) {
	for _, c := range []struct {
		result      servertest.Result
		words, hint string
	}{
		{servertest.Result{Code: 52, Message: "shutting down for backup"}, "the server ended the connection: the server is not available: it is starting, stopping or being maintained (result code 52: shutting down for backup)", "try again later"},
		{servertest.Result{Code: 8, Message: "key exchanged too long ago"}, "the server ended the connection: the server demands signing or encryption", "ldaps://"},
		{servertest.Result{Code: 2, Message: "message too large"}, "the server ended the connection: the server does not understand the request (result code 2: message too large)", "log"},
		{servertest.Result{Code: 11, Message: "idle timeout"}, "(result code 11: idle timeout)", ""},
	} {
		s := company(t, 30, servertest.StubOptions{PageSize: 10, Answer: func(a *servertest.Answer) {
			if ofScope(a) && a.PageSize > 0 {
				a.Notice, a.Result = true, c.result
			}
		}})
		says(t, optionsOf(s), staff(), "paging", c.words, c.hint)
	}
}

// The root entry is read by whoever may, and without it nothing is known.
func TestRootEntry(t *testing.T) {
	answer := func(change func(*servertest.Answer)) servertest.StubOptions {
		return servertest.StubOptions{Answer: func(a *servertest.Answer) {
			if a.Base == "" {
				a.Entries = nil
				change(a)
			}
		}}
	}
	const words, hint = "the server does not show its root entry (rootDSE)", `access to dn.base="" by * read`
	for name, o := range map[string]servertest.StubOptions{
		"none":    answer(func(*servertest.Answer) {}),
		"refused": answer(func(a *servertest.Answer) { a.Result = servertest.Result{Code: 50, Message: "no"} }),
		"hidden":  answer(func(a *servertest.Answer) { a.Result = servertest.Result{Code: 32} }),
	} {
		for _, ad := range []bool{true, false} {
			s := company(t, 3, o)
			options := optionsOf(s)
			options.ActiveDirectory = ad
			t.Run(name, func(t *testing.T) { says(t, options, staff(), "server", words, hint) })
		}
	}
	empty := company(t, 3, answer(func(a *servertest.Answer) { a.Entries = []servertest.Entry{{}} }))
	o := optionsOf(empty)
	o.ActiveDirectory = false
	r := diagnose(t, o)
	expect(t, r, "server warning: the root entry (rootDSE) names neither naming contexts nor controls", "by * read")
	expect(t, r, "read ok", "")
	scope := staff()
	scope.Base = ""
	says(t, o, scope, "base", "the server names no naming context", "set base_dn")

	// slapd hides it by its access rules.
	s := servertest.NewSlapd(t, servertest.SlapdOptions{Access: []string{`to dn.base="" by * none`}})
	lab := Options{Label: "lab", URLs: []string{s.LDAPS}, CAFile: s.CA.File, BindDN: s.Reader, Password: secret(servertest.Password), Timeout: 20 * time.Second, PageSize: 500}
	says(t, lab, directory.Scope{Name: "all", Base: servertest.Base, PrimaryAttribute: "mail", Filter: "(objectClass=*)", Type: directory.Auto}, "server", words, hint)
}

// A control that a server does not offer is not sent; and what cannot be read in
// the answer to a login says nothing of the login.
func TestOptionalControls(t *testing.T) {
	const oid = goldap.ControlTypeBeheraPasswordPolicy
	login := "bind svc@corp.example.com"
	for _, c := range []struct {
		name     string
		offered  []string
		hidden   bool // the root entry, from who has not logged in
		sent     bool
		value    string // of the control in the answer
		refuse   bool
		password string
		words    string
	}{
		{"not offered", []string{oidPaging}, false, false, "", false, "password ok", ""},
		{"not reported", nil, false, false, "", false, "password ok", ""},
		{"root entry hidden", []string{oidPaging, oid}, true, false, "", false, "password ok", ""},
		{"offered", []string{oidPaging, oid}, false, true, "\x30\x05\xa0\x03\x80\x01\x3c", false, "password warning: the password expires in 1 minute", ""},
		{"garbage", []string{oidPaging, oid}, false, true, "\x01\x02garbage", false, "password ok", ""},
		{"empty", []string{oidPaging, oid}, false, true, "", false, "password ok", ""},
		{"unasked garbage", []string{oidPaging}, false, false, "\xff\xff\xff", false, "password ok", ""},
		{"garbage of a refusal", []string{oidPaging, oid}, false, true, "garbage", true, "", "the name or the password is wrong, or the account is locked"},
		{"a refusal", []string{oidPaging, oid}, false, true, "\x30\x03\x81\x01\x01", true, "", "the account is locked (result code 49"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bound := false
			s := company(t, 3, servertest.StubOptions{
				RootDSE: map[string][]string{"supportedControl": c.offered}, BindControls: map[string]string{oid: c.value},
				Bind: func(servertest.Bind) servertest.Result {
					bound = true
					if c.refuse {
						return servertest.Result{Code: 49}
					}
					return servertest.Result{}
				},
				Answer: func(a *servertest.Answer) {
					if a.Base == "" && c.hidden && !bound {
						a.Entries, a.Result = nil, servertest.Result{Code: 53, Message: "authentication required"}
					}
				},
			})
			o := optionsOf(s)
			o.ActiveDirectory = false
			got, _, err := read(t, o)
			if c.refuse {
				if err == nil || !strings.Contains(err.Error(), c.words) {
					t.Errorf("got %v", err)
				}
			} else if err != nil || len(got) != 3 {
				t.Errorf("got %d entries, %v", len(got), err)
			}
			want := login
			if c.sent {
				want += " " + oid
			}
			if !slices.Contains(s.Requests(), want) {
				t.Errorf("requests %q", s.Requests())
			}
			bound = false
			if c.password != "" {
				if r := diagnose(t, o); !slices.ContainsFunc(outcomes(r), func(line string) bool { return strings.HasPrefix(line, c.password) }) {
					t.Errorf("doctor says\n%s", strings.Join(outcomes(r), "\n"))
				}
			}
		})
	}
	// What comes before the login leaves it its own time.
	release := make(chan struct{})
	defer close(release)
	slow := company(t, 3, servertest.StubOptions{Bind: func(servertest.Bind) servertest.Result { <-release; return servertest.Result{} }})
	patient := optionsOf(slow)
	patient.ActiveDirectory, patient.Timeout = false, 300*time.Millisecond
	if _, _, err := read(t, patient); err == nil || !strings.Contains(err.Error(), "no answer within 300ms") {
		t.Errorf("got %v", err)
	}
	// The control for deleted objects is not sent either.
	var s *servertest.Stub
	change := once(ofScope, func() { s.Put(servertest.Person(1)) })
	s = company(t, 3, servertest.StubOptions{RootDSE: map[string][]string{"supportedControl": {oidPaging}}, Answer: func(a *servertest.Answer) {
		change(a)
		if slices.Contains(a.Controls, oidShowDeleted) {
			t.Error("asked for deleted objects")
		}
	}})
	if _, receipt, err := read(t, optionsOf(s)); err != nil || receipt.Reread != 1 {
		t.Errorf("got %+v, %v", receipt, err)
	}
	if _, err := New(optionsOf(s)).Find(t.Context(), directory.Query{Addresses: []string{"person1@example.com"}}, []directory.Scope{staff()}); err != nil {
		t.Error(err)
	}
	expect(t, diagnose(t, optionsOf(s)), "deleted ok: the server does not offer to show deleted objects", "")
}
