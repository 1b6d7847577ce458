package sql

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

const (
	ours   = "0123456789abcdef0123456789abcdef"
	theirs = "fedcba9876543210fedcba9876543210"
)

// testLedger: a database that has rollcall_owner alone works as before, doctor says what
// is missing, and setup makes just that.
func testLedger(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	setUp(t, postfixadmin(d.url))
	url := d.granted()
	d.do("DROP TABLE rollcall_ledger")
	finding := func(c *Console) console.Finding {
		t.Helper()
		all, err := c.Check(t.Context())
		i := slices.IndexFunc(all, func(f console.Finding) bool { return f.Check == "ledger_table" })
		if err != nil || i < 0 {
			t.Fatalf("%+v, %v", all, err)
		}
		if last := all[len(all)-1]; last.Check == "ledger_table" {
			t.Errorf("nothing is checked after the table: %+v", all)
		}
		return all[i]
	}
	for who, url := range map[string]string{"who may do all": d.url, "who may do what the page says": url} {
		c := opened(t, "hq", postfixadmin(url))
		if console.LedgeredOf(c) != nil {
			t.Errorf("%s: it remembers ledgers", who)
		}
		if f := finding(c); f.Status != "warning" || !strings.Contains(f.Remedy, "rollcall console setup") {
			t.Errorf("%s: %+v", who, f)
		}
	}
	s, err := Kind.Setup(t.Context(), opening("hq", postfixadmin(d.url)))
	if err != nil || !strings.HasPrefix(s.Script, "CREATE TABLE rollcall_ledger (") || strings.Contains(s.Script, ownerTable) {
		t.Fatalf("%q, %v", s.Script, err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := opened(t, "hq", postfixadmin(d.url))
	if f := finding(c); f.Status != "ok" || console.LedgeredOf(c) == nil {
		t.Errorf("%+v", f)
	}
	// The rights of the user went with the table in PostgreSQL.
	for _, grant := range []string{"SELECT", "INSERT, UPDATE, DELETE"} {
		d.do("GRANT " + grant + " ON rollcall_ledger TO limited_" + d.name)
		limited := opened(t, "hq", postfixadmin(url))
		f := finding(limited)
		err := limited.Claim(t.Context(), ours, "")
		mayAll := f.Status == "ok"
		if mayAll != (err == nil) || !mayAll && (!errors.As(err, new(*console.UnclaimedError)) || f.Status != "failed" || !strings.Contains(f.Remedy, rightsPage)) {
			t.Errorf("with %s: %+v, %v", grant, f, err)
		}
		if now, err := limited.Ledger(t.Context()); err != nil || now != ours == mayAll {
			t.Errorf("with %s: %q, %v", grant, now, err)
		}
		limited.Close()
	}
}

// testClaims: of several who claim at one moment one has it, and the others hear who.
func testClaims(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	setUp(t, postfixadmin(d.url))
	for _, was := range []string{"", ours} {
		d.do("DELETE FROM rollcall_ledger")
		if was != "" {
			d.do("INSERT INTO rollcall_ledger (owner, lineage) VALUES ('hq', ?)", was)
		}
		var all sync.WaitGroup
		errs := make([]error, 6)
		lineage := func(i int) string { return strings.Repeat("abcdef"[i:i+1], 32) }
		for i := range errs {
			c := opened(t, "hq", postfixadmin(d.url))
			all.Go(func() {
				defer c.Close()
				errs[i] = c.Claim(t.Context(), lineage(i), was)
			})
		}
		all.Wait()
		now := d.rows("SELECT lineage FROM rollcall_ledger WHERE owner = 'hq'")
		for i, err := range errs {
			claimed := console.AsClaimed(err)
			if made := lineage(i) == now; made != (err == nil) || !made && (claimed == nil || claimed.Lineage != now) {
				t.Errorf("%s in place of %q, and it is %s: %v", lineage(i), was, now, err)
			}
		}
	}
}

// testLostClaim: a connection that is lost at the commit of a claim leaves its outcome
// unknown, and it is looked up.
func testLostClaim(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	setUp(t, postfixadmin(d.url))
	b := newBreaker(t, server.Host)
	c := opened(t, "hq", postfixadmin(strings.Replace(d.url, server.Host, b.host, 1)))
	for _, through := range []bool{false, true} {
		b.mu.Lock()
		b.armed, b.through = true, through
		b.mu.Unlock()
		err := c.Claim(t.Context(), ours, "")
		if (err == nil) != through || err != nil && !errors.As(err, new(*console.ReadError)) {
			t.Errorf("through %t: %v", through, err)
		}
		if now, err := c.Ledger(t.Context()); err != nil || now == ours != through {
			t.Errorf("through %t: %q, %v", through, now, err)
		}
	}
	if err := c.Claim(t.Context(), theirs, ours); err != nil {
		t.Error(err)
	}
}
