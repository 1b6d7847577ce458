package sql

import (
	"bufio"
	"fmt"
	"net"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/plan"
)

// mail is Postfix and Dovecot for a test.
type mail struct {
	*testing.T
	*servertest.MailServer
}

// accepts asks Postfix for recipients, and returns its answers to them.
func (m mail) accepts(recipients ...string) string {
	m.Helper()
	c, err := smtp.Dial(m.SMTP)
	if err != nil {
		m.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("somebody@sender.example"); err != nil {
		m.Fatal(err)
	}
	var codes []string
	for _, x := range recipients {
		code := "250"
		if err := c.Rcpt(x); err != nil {
			code = err.Error()[:3]
		}
		codes = append(codes, code)
	}
	return strings.Join(codes, " ")
}

// delivers sends a mail and waits until it is in a maildir.
func (m mail) delivers(to, maildir, subject string) {
	m.Helper()
	text := fmt.Sprintf("From: somebody@sender.example\r\nTo: %s\r\nSubject: %s\r\n\r\nhello\r\n", to, subject)
	if err := smtp.SendMail(m.SMTP, nil, "somebody@sender.example", []string{to}, []byte(text)); err != nil {
		m.Fatalf("%s: %v", to, err)
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(m.Mail, maildir, "Maildir", "*", "*"))
		for _, f := range files {
			if got, err := os.ReadFile(f); err == nil && strings.Contains(string(got), "Subject: "+subject) {
				return
			}
		}
	}
	m.Errorf("a mail to %s is not in %s", to, maildir)
}

// mails logs in to Dovecot and returns how many mails the inbox has; -1 if it lets
// nobody in.
func (m mail) mails(user, password string) int {
	m.Helper()
	c, err := net.Dial("tcp", m.IMAP)
	if err != nil {
		m.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second)) // a socket has deadlines
	lines := bufio.NewScanner(c)
	fmt.Fprintf(c, "a LOGIN \"%s\" \"%s\"\r\nb SELECT INBOX\r\nc LOGOUT\r\n", user, password)
	in, n := false, -1
	for lines.Scan() {
		line := lines.Text()
		in = in || strings.HasPrefix(line, "a OK")
		if in && strings.HasSuffix(line, " EXISTS") {
			fmt.Sscanf(line, "* %d EXISTS", &n)
		}
		if strings.HasPrefix(line, "a NO") || strings.HasPrefix(line, "c ") {
			break
		}
	}
	return n
}

// testMail: what an account becomes is what Postfix and Dovecot do, which read the same
// database.
func testMail(t *testing.T, server *servertest.SQL) {
	d := newDatabase(t, server)
	setUp(t, postfixadmin(d.url))
	desk := newDesk(t, d)
	m := mail{t, servertest.NewMailServer(t, server, d.name)}
	want := func(story, codes string, recipients ...string) {
		t.Helper()
		if got := m.accepts(recipients...); got != codes {
			t.Errorf("%s: Postfix answers %s to %v, want %s", story, got, recipients, codes)
		}
	}
	want("before", "550 550 550", "ann@example.com", "a@example.com", "all@example.com")
	list := account("all@example.com")
	list.Type = identity.List
	desk.make(desk.step(nil, account("ann@example.com", "a@example.com")))
	desk.make(desk.step(nil, account("bob@example.com")))
	desk.make(desk.step(nil, list))
	d.do("UPDATE alias SET goto = 'ann@example.com,bob@example.com' WHERE address = 'all@example.com'")
	want("after", "250 250 250 250 550", "ann@example.com", "a@example.com", "bob@example.com", "all@example.com", "carl@example.com")
	m.delivers("a@example.com", "example.com/ann", "first")
	m.delivers("all@example.com", "example.com/bob", "second")

	// Nobody gets in until somebody sets a password.
	for _, password := range []string{"", "!", unusable, "secret"} {
		if n := m.mails("ann@example.com", password); n >= 0 {
			t.Errorf("the password %q of a new account is right", password)
		}
	}
	d.do("UPDATE mailbox SET password = '{PLAIN}secret'")
	if n := m.mails("ann@example.com", "secret"); n != 2 {
		t.Errorf("ann has %d mails", n)
	}

	// A renamed mailbox has its mail and its password, and the old address is nobody's.
	desk.change("ann@example.com", func(a *identity.Account) { a.Primary = identity.MustAddress("ann.smith@example.com") }, plan.FieldPrimary)
	want("renamed", "550 250 250", "ann@example.com", "a@example.com", "ann.smith@example.com")
	if n := m.mails("ann.smith@example.com", "secret"); n != 2 {
		t.Errorf("ann.smith has %d mails", n)
	}
	m.delivers("a@example.com", "example.com/ann", "third")
	// The list still reaches whom somebody wrote there.
	desk.sees("the list", "ann@example.com,bob@example.com", "SELECT goto FROM alias WHERE address = 'all@example.com'")
	m.delivers("all@example.com", "example.com/bob", "fourth")

	// Who is inactive gets nothing and gets in no more; who comes back has everything.
	desk.change("ann.smith@example.com", func(a *identity.Account) { a.Status, a.Aliases = identity.Inactive, nil }, plan.FieldStatus, plan.FieldAliases)
	desk.change("all@example.com", func(a *identity.Account) { a.Status = identity.Inactive }, plan.FieldStatus)
	want("inactive", "550 550 550", "ann.smith@example.com", "a@example.com", "all@example.com")
	if n := m.mails("ann.smith@example.com", "secret"); n >= 0 {
		t.Error("who is inactive gets in")
	}
	desk.change("ann.smith@example.com", func(a *identity.Account) { a.Status = identity.Active }, plan.FieldStatus)
	desk.change("all@example.com", func(a *identity.Account) { a.Status = identity.Active }, plan.FieldStatus)
	want("reactivated", "250 550 250", "ann.smith@example.com", "a@example.com", "all@example.com")
	if n := m.mails("ann.smith@example.com", "secret"); n != 3 {
		t.Errorf("ann.smith has %d mails", n)
	}
	desk.sees("the list", "ann@example.com,bob@example.com", "SELECT goto FROM alias WHERE address = 'all@example.com'")

	// A list that somebody made for one mailbox goes on to reach it when it is adopted.
	d.do("INSERT INTO alias (address, goto, domain) VALUES ('sales@example.com', 'bob@example.com', 'example.com')")
	want("before it is adopted", "250", "sales@example.com")
	sales, bob := account("sales@example.com"), desk.read("bob@example.com")
	sales.Type = identity.List
	desk.make(desk.step(bob, account("bob@example.com"), plan.FieldAliases), desk.step(nil, sales))
	want("adopted", "250", "sales@example.com")
	m.delivers("sales@example.com", "example.com/bob", "fifth")

	// Whoever gets the name of one who has gone does not get the mail.
	desk.make(desk.step(desk.read("ann.smith@example.com"), nil))
	next := account("ann@example.com")
	next.GUID = identity.GUID{9}
	desk.make(desk.step(nil, next))
	d.do("UPDATE mailbox SET password = '{PLAIN}other' WHERE username = 'ann@example.com'")
	if n := m.mails("ann@example.com", "other"); n != 0 {
		t.Errorf("the next ann has %d mails", n)
	}
}
