package sql

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/plan"
)

// testReach: who cannot be reached, or does not let in, is reported with what to do next, and
// without a secret.
func testReach(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	const password = "hunter2hunter2"
	missing := filepath.Join(t.TempDir(), "missing.pem")
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away.Close()
	for _, c := range []struct {
		story   string
		set     map[string]any
		refused bool
		advice  string
	}{
		{"a wrong password", postfixadmin(server.URL(servertest.Superuser, password, d.name)), true, "renew the credentials"},
		{"an unknown user", postfixadmin(server.URL("nobody-known", password, d.name)), true, "renew the credentials"},
		{"another database", postfixadmin(server.URL(servertest.Superuser, servertest.Password, "none")), false, "correct the database in url"},
		{"nobody there", postfixadmin(fmt.Sprintf("%s://app:%s@%s/x", server.Scheme, password, away.Addr())), false, "can be reached at " + server.Scheme + "://" + away.Addr().String() + "/x"},
		{"no table of owners", postfixadmin(d.url), false, "run rollcall console setup"},
		{"another authority", with(postfixadmin(d.url), "ca_file", servertest.NewCA(t).File), false, "ca_file"},
		{"no file", with(postfixadmin(d.url), "ca_file", missing), false, "correct the console block"},
	} {
		_, err := open(t.Context(), opening("hq", c.set))
		var refused *console.RefusedError
		var unread *console.ReadError
		switch {
		case c.refused && !errors.As(err, &refused), !c.refused && !errors.As(err, &unread):
			t.Errorf("%s: %v", c.story, err)
			continue
		}
		var hint interface{ Hint() string }
		errors.As(err, &hint)
		if !strings.Contains(hint.Hint(), c.advice) {
			t.Errorf("%s: %v; the hint is %q", c.story, err, hint.Hint())
		}
		if text := fmt.Sprintf("%v %+v %s", err, err, hint.Hint()); strings.Contains(text, password) || strings.Contains(text, "app:") {
			t.Errorf("%s: the error has a secret: %s", c.story, text)
		}
	}
	if server.Scheme == "mysql" {
		setUp(t, postfixadmin(d.url))
		d.do("ALTER TABLE alias ENGINE=MyISAM")
		if _, err := open(t.Context(), opening("hq", postfixadmin(d.url))); err == nil || !strings.Contains(err.(*console.ReadError).Advice, "ENGINE=InnoDB") {
			t.Errorf("a table without transactions: %v", err)
		}
	}
	if server.Scheme == "mysql" {
		d.do("ALTER TABLE alias ENGINE=InnoDB; RENAME TABLE mailbox TO boxes; CREATE VIEW mailbox AS SELECT * FROM boxes")
		if c, err := open(t.Context(), opening("hq", postfixadmin(d.url))); err != nil {
			t.Errorf("a view: %v", err)
		} else {
			c.Close()
		}
		d.do("DROP VIEW mailbox; RENAME TABLE boxes TO mailbox")
	}
	d.do("DELETE FROM domain")
	if _, err := open(t.Context(), opening("hq", postfixadmin(d.url))); err == nil || !strings.Contains(err.(*console.ReadError).Advice, "make the domain") {
		t.Errorf("no domains: %v", err)
	}
	d.do("DROP TABLE alias; DROP TABLE mailbox; DROP TABLE domain")
	if _, err := open(t.Context(), opening("hq", postfixadmin(d.url))); err == nil || !strings.Contains(err.(*console.ReadError).Advice, "PostfixAdmin") {
		t.Errorf("a database of something else: %v", err)
	}
}

func with(set map[string]any, name string, value any) map[string]any {
	set[name] = value
	return set
}

// testTLS: with an authority the server is verified and spoken to in TLS, and doctor
// says when its certificate ends. It restarts the server.
func testTLS(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	setUp(t, postfixadmin(d.url))
	secure := with(postfixadmin(d.url), "ca_file", server.CA.File)
	restart := func(leaf servertest.Leaf) {
		server.Certify(t, leaf)
		server.Kill()
		server.Start()
	}
	restart(servertest.Leaf{Hosts: []string{"db.example.com"}})
	if _, err := open(t.Context(), opening("hq", secure)); err == nil || !strings.Contains(err.(*console.ReadError).Advice, "by a name of the certificate") {
		t.Errorf("a certificate of another name: %v", err)
	}
	for _, c := range []struct {
		left time.Duration
		want string
	}{{5*24*time.Hour - time.Minute, "in 4 days"}, {0, "expires on"}} {
		restart(servertest.Leaf{Until: c.left})
		story, want := fmt.Sprint(c.left), c.want
		c := opened(t, "hq", secure)
		found, err := c.Check(t.Context())
		if err != nil || !strings.Contains(found[0].Evidence, want) {
			t.Errorf("%s: %+v, %v", story, found, err)
		}
		err = c.reading(t.Context(), false, func(a asker) error {
			var cipher string
			query := map[string]string{"postgres": "SELECT cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()", "mysql": "SELECT VARIABLE_VALUE FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'SSL_CIPHER'"}[server.Scheme]
			err := a.each(t.Context(), query, nil, func(scan func(...any) error) error { return scan(&cipher) })
			if cipher == "" {
				t.Errorf("%s: without TLS", story)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// testReadOnly: who may read and not write is reported which right is missing, by doctor and
// by an apply, which changes nothing.
func testReadOnly(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	setUp(t, postfixadmin(d.url))
	desk := newDesk(t, d)
	desk.make(desk.step(nil, account("ann@example.com")))
	reader := "reader_" + d.name
	switch server.Scheme {
	case "postgres":
		d.do(fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO %[1]s", reader, servertest.Password))
	default:
		d.do(fmt.Sprintf("CREATE USER %s IDENTIFIED BY '%s'; GRANT SELECT ON %s.* TO %[1]s", reader, servertest.Password, d.name))
	}
	desk.c.Close()
	desk.c = opened(t, "hq", postfixadmin(server.URL(reader, servertest.Password, d.name)))
	live := desk.read("ann@example.com")
	if live == nil {
		t.Fatal("a reader reads nothing")
	}
	found, err := desk.c.Check(t.Context())
	if failed := slices.ContainsFunc(found, func(f console.Finding) bool {
		return f.Check == "rights" && f.Status == "failed" && strings.Contains(f.Remedy, rightsPage)
	}); err != nil || !failed {
		t.Errorf("%+v, %v", found, err)
	}
	before := d.rows(allMailboxes)
	for story, step := range map[string]apply.Step{"create": desk.step(nil, account("bob@example.com")), "remove": desk.step(live, nil)} {
		if a := desk.apply(step)[0]; a.Err == nil || a.Err.Code != apply.Refused || !strings.Contains(a.Err.Message, rightsPage) {
			t.Errorf("%s: %+v", story, a)
		}
	}
	if now := d.rows(allMailboxes); now != before {
		t.Errorf("the rows are %s", now)
	}
}

// testLock: two runs of one configuration do not change a database together, and two
// configurations do.
func testLock(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	setUp(t, postfixadmin(d.url))
	first := newDesk(t, d)
	first.make(first.step(nil, account("ann@example.com")))
	second := newDesk(t, d)
	second.c.lockWait = 100 * time.Millisecond
	if a := second.apply(second.step(nil, account("bob@example.com")))[0]; a.Err == nil || a.Err.Code != apply.Temporary {
		t.Errorf("a second run: %+v", a)
	}
	second.c.changing = false // as one that only reads
	if len(second.reads()) != 1 {
		t.Error("who only reads waits for the lock")
	}
	o := opening("hq", postfixadmin(d.url))
	o.LockFile = filepath.Join(t.TempDir(), "lock")
	third, err := prepare(o)
	if err != nil {
		t.Fatal(err)
	}
	third.lockWait = 100 * time.Millisecond
	if err := third.begin(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another run of this configuration") {
		t.Errorf("a run that is to change accounts begins: %v", err)
	}
	branch := newDesk(t, d)
	branch.c = opened(t, "branch", postfixadmin(d.url))
	step := branch.step(nil, account("carl@example.com"))
	step.By = "branch"
	branch.make(step)
	first.c.Close()
	second.make(second.step(nil, account("bob@example.com")))
}

// testDeadlock: two that wait for each other are reported so, and one of them tries again.
func testDeadlock(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	setUp(t, postfixadmin(d.url))
	desk := newDesk(t, d)
	desk.make(desk.step(nil, account("ann@example.com")))
	desk.make(desk.step(nil, account("bob@example.com")))
	ann, bob := desk.read("ann@example.com"), desk.read("bob@example.com")
	// A group locks what it reads in its order; somebody else locks the other way.
	tx, err := d.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	// This one holds bob's alias, which the group takes last, and wants ann's owner.
	if _, err := tx.Exec("UPDATE alias SET goto = goto, active = active WHERE address = 'bob@example.com'"); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(d.bound("SELECT address FROM alias WHERE address = ? FOR UPDATE"), "bob@example.com"); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	var answers []apply.Answer
	group.Go(func() {
		answers = desk.apply(desk.step(ann, account("bob@example.com"), plan.FieldPrimary, plan.FieldOwner), desk.step(bob, account("ann@example.com"), plan.FieldPrimary, plan.FieldOwner))
	})
	time.Sleep(300 * time.Millisecond) // until the group waits; one that does not yet cannot fail the test
	_, mine := tx.Exec("UPDATE rollcall_owner SET dn = 'x' WHERE address = 'ann@example.com'")
	if mine == nil {
		mine = tx.Rollback()
		if mine != nil {
			t.Fatal(mine)
		}
	} else {
		tx.Rollback()
		if kind, _ := classify(mine); kind != temporary {
			t.Errorf("the other one has failed with %v", mine)
		}
	}
	group.Wait()
	var codes []apply.Code
	for _, a := range answers {
		if a.Err != nil {
			codes = append(codes, a.Err.Code)
		}
	}
	if len(codes) > 0 && !slices.Equal(codes, []apply.Code{apply.Temporary, apply.Cancelled}) {
		t.Errorf("the answers are %q: %+v", codes, answers)
	}
}

// breaker is a way to a server that breaks at a COMMIT of the client.
type breaker struct {
	host string
	mu   sync.Mutex
	// armed breaks at the next COMMIT, which the server gets if it is through.
	armed, through bool
}

func newBreaker(t *testing.T, to string) *breaker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	b := &breaker{host: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				buffer := make([]byte, 1<<16)
				for {
					n, err := server.Read(buffer)
					if _, failed := client.Write(buffer[:n]); err != nil || failed != nil {
						client.Close()
						server.Close()
						return
					}
				}
			}()
			go func() {
				defer client.Close()
				defer server.Close()
				buffer := make([]byte, 1<<16)
				for {
					n, err := client.Read(buffer)
					b.mu.Lock()
					breaks, through := b.armed && strings.Contains(strings.ReplaceAll(string(buffer[:n]), "COMMITTED", ""), "COMMIT"), b.through
					b.armed = b.armed && !breaks
					b.mu.Unlock()
					if breaks && !through {
						return
					}
					if breaks {
						client.Close() // before the answer can come
					}
					if _, failed := server.Write(buffer[:n]); err != nil || failed != nil {
						return
					}
					if breaks {
						time.Sleep(50 * time.Millisecond) // for the server, to take what it was sent
						return
					}
				}
			}()
		}
	}()
	return b
}

// testLostCommit: a connection that is lost at the commit leaves the outcome unknown, and
// a look at the accounts finds it out.
func testLostCommit(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	setUp(t, postfixadmin(d.url))
	b := newBreaker(t, server.Host)
	desk := newDesk(t, d, func(set map[string]any) {
		for name, value := range postfixadmin(strings.Replace(d.url, server.Host, b.host, 1)) {
			set[name] = value
		}
	})
	for _, through := range []bool{true, false, true} {
		b.mu.Lock()
		b.armed, b.through = true, through
		b.mu.Unlock()
		a := account(fmt.Sprintf("ann%d@example.com", desk.keys), fmt.Sprintf("a%d@example.com", desk.keys))
		err := desk.c.Apply(t.Context(), []apply.Step{desk.step(nil, a)}, func(_ int, a apply.Answer) { t.Errorf("through %t: answered %+v", through, a) })
		if err == nil || errors.As(err, new(apply.Unusable)) || apply.CodeOf(err) != "" {
			t.Fatalf("through %t: %v", through, err)
		}
		got, err := desk.c.Get(t.Context(), nil, []identity.Address{a.Primary})
		if err != nil || (len(got) == 1) != through || through && !slices.Equal(got[0].Aliases, a.Aliases) {
			t.Errorf("through %t: got %+v, %v", through, got, err)
		}
	}
}

// testKilled: when the server goes away in the middle, changes are whole or not there,
// what was answered is there, and the run goes on once it is back. It kills the server.
func testKilled(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	setUp(t, postfixadmin(d.url))
	desk := newDesk(t, d)
	var steps []apply.Step
	for i := range 300 {
		steps = append(steps, desk.step(nil, account(fmt.Sprintf("n%d@example.com", i), fmt.Sprintf("n%d.alias@example.com", i))))
	}
	answered := map[int]bool{}
	err := desk.c.Apply(t.Context(), steps, func(i int, a apply.Answer) {
		if answered[i] = a.Err == nil; i == 20 {
			server.Kill()
		}
	})
	if err == nil {
		t.Error("an apply to a server that is away has no error")
	}
	if _, err := desk.c.Accounts(context.Background(), func(identity.Live) error { return nil }); !errors.As(err, new(*console.ReadError)) {
		t.Errorf("a read of a server that is away: %v", err)
	}
	server.Start()
	lives := map[identity.Address]identity.Live{}
	for _, l := range desk.reads() {
		lives[l.Primary] = l
		if len(l.Aliases) != 1 || l.Mark.IsZero() {
			t.Errorf("made by half: %+v", l)
		}
	}
	var rest []apply.Step
	for i := range steps {
		if _, made := lives[steps[i].After.Primary]; answered[i] && !made {
			t.Errorf("%s was answered and is not there", steps[i].After.Primary)
		} else if !made {
			rest = append(rest, steps[i])
		}
	}
	if err := desk.c.Apply(t.Context(), rest, func(i int, a apply.Answer) {
		if a.Err != nil {
			t.Errorf("%s: %v", rest[i].After.Primary, a.Err)
		}
	}); err != nil || len(desk.reads()) != len(steps) {
		t.Errorf("afterwards: %v, %d accounts", err, len(desk.reads()))
	}
}

// testSilence: a database that says nothing any more ends a read, and a change is not
// made.
func testSilence(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	setUp(t, postfixadmin(d.url))
	proxy := servertest.NewProxy(t, server.Scheme+"://"+server.Host)
	desk := newDesk(t, d, func(set map[string]any) {
		set["url"] = settings.NewSecret(strings.Replace(d.url, server.Scheme+"://"+servertest.Superuser+":"+servertest.Password+"@"+server.Host, strings.Replace(proxy.URL, "://", "://"+servertest.Superuser+":"+servertest.Password+"@", 1), 1))
	})
	desk.make(desk.step(nil, account("ann@example.com")))
	desk.c.timeout, desk.c.lockWait = 100*time.Millisecond, 100*time.Millisecond
	proxy.Cut(0, servertest.Stalled)
	var answered []apply.Answer
	err := desk.c.Apply(t.Context(), []apply.Step{desk.step(nil, account("bob@example.com"))}, func(_ int, a apply.Answer) { answered = append(answered, a) })
	if len(answered) > 0 && (answered[0].Err == nil || answered[0].Err.Code != apply.Temporary) || len(answered) == 0 && err == nil {
		t.Errorf("a change: %+v, %v", answered, err)
	}
	_, err = desk.c.Accounts(t.Context(), func(identity.Live) error { return nil })
	var unread *console.ReadError
	if !errors.As(err, &unread) || !strings.Contains(unread.Advice, "can be reached") {
		t.Errorf("a read: %v", err)
	}
	if got := d.rows("SELECT username FROM mailbox"); got != "ann@example.com" {
		t.Errorf("the mailboxes are %s", got)
	}
}
