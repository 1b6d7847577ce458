package ldap

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

const (
	ours   = "0123456789abcdef0123456789abcdef"
	theirs = "fedcba9876543210fedcba9876543210"
)

func remembers(t *testing.T, c *Console, want string) {
	t.Helper()
	if got, err := c.Ledger(t.Context()); err != nil || got != want {
		t.Errorf("the ledger is %q, %v; want %q", got, err, want)
	}
}

// testLedger: the entry of a ledger is no account, whatever attributes accounts have,
// and whatever the owner is called. What somebody has written there by hand counts.
func testLedger(t *testing.T, m *servertest.MailTree) {
	for owner, attribute := range map[string]string{"hq": "primary_attribute", `Großraum, "West" + #1=a\b`: "owner_attribute"} {
		c, err := open(t, inside(t, m, m.Tree(t), attribute+" = \"description\"\n"), owner)
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, c: c, admin: m.Connect(t)}
		if err := c.Claim(t.Context(), ours, ""); err != nil {
			t.Fatal(err)
		}
		remembers(t, c, ours)
		if all := b.all(); len(all) > 0 {
			t.Errorf("accounts: %+v", all)
		}
		dn := c.tree.ledgerDN(owner)
		modify := func(values ...string) {
			t.Helper()
			r := goldap.NewModifyRequest(dn, nil)
			r.Replace(ledgerValue, values)
			if err := b.admin.Modify(r); err != nil {
				t.Fatal(err)
			}
		}
		modify(theirs)
		if claimed := console.AsClaimed(c.Claim(t.Context(), theirs[1:]+"0", ours)); claimed == nil || claimed.Lineage != theirs {
			t.Errorf("a claim in place of one that is gone: %+v", claimed)
		}
		modify() // it has none any more
		remembers(t, c, "")
		if err := c.Claim(t.Context(), ours, ""); err != nil {
			t.Error(err)
		}
		modify(ours, theirs)
		if _, err := c.Ledger(t.Context()); !errors.As(err, new(*console.ReadError)) || !strings.Contains(err.Error(), "2 values") {
			t.Errorf("two values: %v", err)
		}
		modify("maintained by Bob")
		remembers(t, c, "maintained by Bob")
		if err := b.admin.Del(goldap.NewDelRequest(dn, nil)); err != nil {
			t.Fatal(err)
		}
		remembers(t, c, "")
	}
}

// testClaims: of several who claim at one moment one has it, and the others hear who.
func testClaims(t *testing.T, m *servertest.MailTree) {
	text := inside(t, m, m.Tree(t), "")
	var all sync.WaitGroup
	errs := make([]error, 6)
	lineage := func(i int) string { return strings.Repeat("abcdef"[i:i+1], 32) }
	last := ""
	for range 2 {
		for i := range errs {
			c, err := open(t, text, "hq")
			if err != nil {
				t.Fatal(err)
			}
			was := last
			all.Go(func() { errs[i] = c.Claim(t.Context(), lineage(i), was) })
		}
		all.Wait()
		c, err := open(t, text, "hq")
		if err != nil {
			t.Fatal(err)
		}
		now, err := c.Ledger(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i, err := range errs {
			claimed := console.AsClaimed(err)
			if made := lineage(i) == now; made != (err == nil) || !made && (claimed == nil || claimed.Lineage != now) {
				t.Errorf("%s in place of %q, and it is %q: %v", lineage(i), last, now, err)
			}
		}
		if last = theirs; c.Claim(t.Context(), last, now) != nil {
			t.Fatal("no claim")
		}
	}
}

// testLostClaim: a line that breaks at a claim, before the server has it or after.
func testLostClaim(t *testing.T, m *servertest.MailTree) {
	var broken atomic.Bool
	gate := servertest.NewGate(t, m.URL, func(request int) int {
		if request == servertest.AddRequest && broken.CompareAndSwap(false, true) {
			return servertest.Broken
		}
		return 0
	})
	c, err := open(t, strings.ReplaceAll(inside(t, m, m.Tree(t), "insecure = true"), m.LDAPS, gate), "hq")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Claim(t.Context(), ours, ""); err != nil && !errors.As(err, new(*console.ReadError)) {
		t.Errorf("%v", err)
	}
	if err := c.Claim(t.Context(), ours, ""); err != nil {
		t.Errorf("again: %v", err)
	}
	remembers(t, c, ours)
	if !broken.Load() {
		t.Error("nothing was broken")
	}
}

// TestClaimDenied: where the login may not add the entry, the log hears it and nothing is
// claimed. Where it may not change one that is there, the claim fails.
func TestClaimDenied(t *testing.T) {
	t.Parallel()
	s := servertest.NewSlapd(t, servertest.SlapdOptions{Schemas: []string{"misc"}, LDIF: strings.NewReader(entries(1))})
	var log []string
	values, _ := block(t, fmt.Sprintf("urls = [%q]\nca_file = %q\nbind_dn = %q\nbind_password = %q\nbase_dn = %q\n", s.LDAPS, s.CA.File, s.Reader, servertest.Password, servertest.Base))
	o := opening(values, "hq")
	o.Log = func(line string) { log = append(log, line) }
	target, err := Kind.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	c := target.(*Console)
	if err := c.Claim(t.Context(), ours, ""); err != nil {
		t.Errorf("%v", err)
	}
	remembers(t, c, "")
	if len(log) != 1 || !strings.Contains(log[0], "would not be noticed") || !strings.Contains(log[0], "may not write this") {
		t.Errorf("%q", log)
	}
	admin, err := goldap.DialURL(s.URL)
	if err == nil {
		defer admin.Close()
		err = admin.Bind(s.Admin, servertest.Password)
	}
	if err == nil {
		err = c.tree.claim(admin, "hq", ledgerEntry{}, theirs)
	}
	if err != nil {
		t.Fatal(err)
	}
	remembers(t, c, theirs)
	if err := c.Claim(t.Context(), ours, theirs); !errors.As(err, new(*console.UnclaimedError)) || !strings.Contains(err.Error(), "may not write this") {
		t.Errorf("%v", err)
	}
}
