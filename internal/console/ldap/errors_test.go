package ldap

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestAnswers: what result codes mean for a change.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for result, want := range map[uint16]struct {
		code  apply.Code
		words string
	}{
		goldap.LDAPResultAssertionFailed:          {apply.Changed, "somebody else"},
		goldap.LDAPResultNoSuchObject:             {apply.Gone, "no longer there"},
		goldap.LDAPResultInsufficientAccessRights: {apply.Refused, "give it the right"},
		goldap.LDAPResultBusy:                     {apply.Temporary, "too busy"},
		goldap.LDAPResultUnavailable:              {apply.Temporary, "not available"},
		goldap.LDAPResultUnwillingToPerform:       {apply.Refused, "read-only"},
		goldap.LDAPResultReferral:                 {apply.Refused, "refers to another"},
		goldap.LDAPResultConstraintViolation:      {apply.Refused, "a rule of the server"},
		goldap.LDAPResultOther:                    {apply.Refused, "the server refuses: other"},
		199:                                       {apply.Refused, "the server refuses: it does not say why"},
	} {
		err := newRefusal("cn=a,dc=b", goldap.NewError(result, errors.New("no\x00\n  "+strings.Repeat("x", 400))))
		text := err.Error()
		if apply.CodeOf(err) != want.code || !strings.Contains(text, want.words) || !strings.Contains(text, `entry "cn=a,dc=b": `) || !strings.Contains(text, fmt.Sprintf("(result code %d: no xxx", result)) || len(text) > 600 || !answered(err, result) {
			t.Errorf("%d: %s: %s", result, apply.CodeOf(err), text)
		}
	}
	if err := newRefusal("cn=a", errors.New("strange")); apply.CodeOf(err) != apply.Internal || answered(err, 0) {
		t.Errorf("%v", err)
	}
}

// TestQuoted: what a server said is marked as its words, and advice is about the console.
func TestQuoted(t *testing.T) {
	t.Parallel()
	said := goldap.NewError(goldap.LDAPResultOther, errors.New("a  stranger's\ntext"))
	err := quoting(fmt.Errorf("server: the answer (result code 80: %s): %w", diagnostic(said.(*goldap.Error)), said))
	var q console.Quoting
	if !errors.As(err, &q) || q.Quoted() != "a stranger's text" || !errors.Is(err, said) {
		t.Errorf("%v", err)
	}
	if err := quoting(errors.New("none")); errors.As(err, &q) {
		t.Errorf("%v has a quote", err)
	}
}

// testTogether: several requests at a time, as concurrency allows.
func testTogether(t *testing.T, m *servertest.MailTree) {
	b := begin(t, m, "")
	var all sync.WaitGroup
	answers := make([]apply.Answer, 20)
	for i := range 4 {
		var steps []apply.Step
		for n := i; n < len(answers); n += 4 {
			a := account(fmt.Sprintf("n%d@example.com", n))
			a.GUID[0] = byte(n + 1)
			steps = append(steps, *b.step(nil, a))
		}
		all.Go(func() {
			if err := b.c.Apply(t.Context(), steps, func(k int, a apply.Answer) { answers[i+4*k] = a }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if read := b.all(); len(read) != len(answers) {
		t.Errorf("%d accounts were made", len(read))
	}
	for i, a := range answers {
		if a.Err != nil || a.Ref == "" {
			t.Errorf("%d: %+v", i, a)
		}
	}
}

// testWays: what reaches a tree another way finds the same.
func testWays(t *testing.T, m *servertest.MailTree) {
	b := begin(t, m, "")
	live := b.made(b.step(nil, account("ann@example.com", "a@example.com")))
	secure, err := open(t, strings.ReplaceAll(inside(t, m, b.c.tree.base, "start_tls = true"), m.LDAPS, m.URL), "hq")
	b.must(err)
	if found, err := secure.Get(t.Context(), []string{live.Ref}, nil); err != nil || len(found) != 1 || found[0].Rev != live.Rev {
		t.Errorf("by StartTLS: %v, %v", found, err)
	}
	beside, err := open(t, strings.Replace(inside(t, m, b.c.tree.base, ""), `urls = [`, `urls = ["ldaps://127.0.0.1:1", `, 1), "hq")
	b.must(err)
	if found, err := beside.Get(t.Context(), nil, []identity.Address{live.Primary}); err != nil || len(found) != 1 {
		t.Errorf("by the second server: %v, %v", found, err)
	}
	said := ""
	beside.o.Log = func(text string) { said += text }
	if _, err := beside.Accounts(t.Context(), func(identity.Live) error { return nil }); err != nil || !strings.Contains(said, "ldaps://127.0.0.1:1 was given up, and "+m.LDAPS+" read in its place") {
		t.Errorf("the log has %q (%v)", said, err)
	}
	if m.Alias == "mailLocalAddress" {
		bound, err := open(t, inside(t, m, b.c.tree.base, `attributes = { room = "roomNumber", name = "displayName" }`), "hq")
		b.must(err)
		if f := bound.Facts(); len(f.Lengths) != 1 || f.Lengths["room"] != 256 || !f.Keeps("name") || f.Keeps(plan.FieldDN) || f.Keeps(identity.DisplayName) {
			t.Errorf("the facts are %s", f.AppendJSON(nil))
		}
		return
	}
	c, err := open(t, inside(t, m, m.Tree(t), `ref_attribute = "nsUniqueId"`), "hq")
	b.must(err)
	byUniqueID := &bench{t: t, c: c, admin: b.admin}
	a := account("uma@example.com")
	live = byUniqueID.made(byUniqueID.step(nil, a))
	idle := with(a, func(a *identity.Account) { a.Status = identity.Inactive })
	now := byUniqueID.made(byUniqueID.step(live, idle, plan.FieldStatus))
	if now.Ref != live.Ref || now.Status != identity.Inactive || len(byUniqueID.all()) != 1 {
		t.Errorf("by nsUniqueId: %+v", now)
	}
}

// testSurvey: what a server says for a block that somebody begins to write.
func testSurvey(t *testing.T, m *servertest.MailTree) {
	base := m.Tree(t)
	ask := func(base string, given ...string) console.Survey {
		t.Helper()
		text := fmt.Sprintf("urls = [%q]\nca_file = %q\nbind_dn = %q\nbind_password = %q\nbase_dn = %q\n", m.LDAPS, m.CAFile, m.Writer, m.WriterPassword, base)
		values, _ := block(t, text)
		found, err := Kind.Survey(t.Context(), opening(values, "hq"), func(name string) bool { return slices.Contains(given, name) })
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	found := ask("ou=recipients,dc=example,dc=com")
	if got := found.Settings["base_dn"]; !identity.EqualDN(got, "ou=recipients,"+servertest.Base) || !strings.Contains(strings.Join(found.Notes, " "), "There is no entry "+got) {
		t.Errorf("%+v", found)
	}
	found = ask(base, "base_dn")
	_, named := found.Settings["base_dn"]
	if notes := strings.Join(found.Notes, " "); named || strings.Contains(notes, "no entry") || strings.Contains(notes, "schema") || !strings.Contains(notes, "The server is ") {
		t.Errorf("%+v", found)
	}
	if got, want := found.Settings["user_classes"], map[string]string{"mailAlternateAddress": `["inetOrgPerson", "mailRecipient"]`}[m.Alias]; got != want {
		t.Errorf("%+v", found)
	}
}

// testLookFailed: what a server answers to a look.
func testLookFailed(t *testing.T, m *servertest.MailTree) {
	b := begin(t, m, "")
	s, _, err := b.c.session(t.Context())
	b.must(err)
	defer b.c.release(s, nil)
	var read *console.ReadError
	err = b.c.lookFailed(t.Context(), s, goldap.NewError(goldap.LDAPResultAdminLimitExceeded, errors.New("")))
	if !errors.As(err, &read) || !strings.Contains(read.Advice, "index mail, "+m.Alias+", employeeNumber and entryUUID for equality") {
		t.Errorf("%v", err)
	}
	if err := b.c.lookFailed(t.Context(), s, goldap.NewError(goldap.LDAPResultBusy, errors.New("later"))); apply.CodeOf(err) != apply.Temporary || errors.As(err, new(apply.Unusable)) {
		t.Errorf("%v", err)
	}
	if err := b.c.lookFailed(t.Context(), s, nil); err != nil {
		t.Error(err)
	}
}
