package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory/suite"
	"github.com/rollcall-cli/rollcall/internal/directory/suite/worlds"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// serve points a site to a server.
func (s *site) serve(kind, url, ca, name string, more ...string) *site {
	s.directory = serverBlock(kind, url, ca, name) + strings.Join(more, "\n") + "\n"
	return s
}

// serverBlock is what a directory block says of a server, or of several, whose
// URLs are separated by blanks.
func serverBlock(kind, urls, ca, name string) string {
	return fmt.Sprintf("kind = %q\nurls = split(\" \", %q)\nca_file = %q\nbind_dn = %q\nbind_password = file(\"password\")\n", kind, urls, ca, name)
}

// apply applies what a sound server has.
func (s *site) apply() {
	s.t.Helper()
	s.ok("apply", "--auto-approve")
	s.settled("the first apply")
}

// state is the state file, if there is one.
func (s *site) state() string {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "rollcall.state.jsonl"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(data)
}

// fails runs an apply that fails in these words, prints no plan and leaves the
// state as it is.
func (s *site) fails(story string, want exitCode, words string) {
	s.t.Helper()
	before := s.state()
	out, talk, code := s.run(context.Background(), "apply", "--auto-approve")
	if code != want || out != "" || !strings.Contains(talk, words) {
		s.t.Errorf("%s: exit %d, not %d; no %q in\n%s%s", story, code, want, words, out, talk)
	}
	if s.state() != before {
		s.t.Errorf("%s: the state has changed", story)
	}
}

// staffLDIF is so many of servertest's people, in OU=Staff of OpenLDAP. They
// are the same on every server.
func staffLDIF(n int) io.Reader {
	var b strings.Builder
	b.WriteString(worlds.Record(servertest.NewEntry(suite.StaffUnit+","+servertest.Base, "objectClass", "organizationalUnit")))
	for i := range n {
		e := servertest.Person(i)
		e.Set("entryUUID", fmt.Sprintf("00000000-0000-4000-8000-%012d", i))
		b.WriteString(worlds.Record(e))
	}
	return strings.NewReader(b.String())
}

// breakAt is a line to a server. When it has passed on n octets of the
// server's, it calls then before any more.
func breakAt(t *testing.T, url string, n int64, then func()) string {
	t.Helper()
	scheme, address, _ := strings.Cut(url, "://")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", address)
			if err != nil {
				client.Close()
				continue
			}
			go func() {
				io.Copy(server, client)
				server.Close()
			}()
			go func() {
				defer client.Close()
				defer server.Close()
				if _, err := io.CopyN(client, server, n); err == nil {
					then()
					io.Copy(client, server)
				}
			}()
		}
	}()
	return scheme + "://" + l.Addr().String()
}

// TestBrokenLine cuts the line to a server everywhere. Whatever has come by
// then, nobody is taken for gone.
func TestBrokenLine(t *testing.T) {
	t.Parallel()
	const people = 700
	for _, c := range []struct {
		name  string
		begin func(t *testing.T) (kind, url, ca, reader string)
	}{
		{"OpenLDAP", func(t *testing.T) (kind, url, ca, reader string) {
			d := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: staffLDIF(people)})
			return "ldap", d.LDAPS, d.CA.File, d.Reader
		}},
		{"Stub", func(t *testing.T) (kind, url, ca, reader string) {
			d := servertest.NewStub(t, servertest.StubOptions{PageSize: 100})
			for n := range people {
				d.Put(servertest.Person(n))
			}
			return "active_directory", d.LDAPS, d.CA.File, "svc@corp.example.com"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			kind, url, ca, reader := c.begin(t)
			line := servertest.NewProxy(t, url)
			s := newSite(t, servertest.Password, servertest.Base).serve(kind, line.URL, ca, reader, "page_size = 100")
			s.apply()
			before, sent := s.state(), line.Sent()
			s.ok("plan")
			whole := line.Sent() - sent

			// The TLS handshake is within the first 2,000 octets. The last 200
			// come after the last page: contextCSN, and what TLS adds to it.
			const handshake, end, after = 2000, 400, 200
			random := rand.New(rand.NewPCG(1, 2))
			cuts := []int64{0, 1, whole / 2}
			for range cases(4) {
				cuts = append(cuts, random.Int64N(handshake), whole-random.Int64N(end))
			}
			for range cases(10) {
				cuts = append(cuts, random.Int64N(whole))
			}
			for _, how := range []servertest.Cut{servertest.Finished, servertest.Reset} {
				for _, n := range cuts {
					line.Cut(n, how)
					out, talk, code := s.run(context.Background(), "apply", "--auto-approve")
					switch {
					case code == exitUnreachable && out == "" && strings.Contains(talk, `error: directory "corp": `):
					case code == exitOK && n > whole-after && strings.Contains(out, "  700 entries of 700 objects  ") && strings.Contains(out, "Nothing to do"):
					default:
						t.Errorf("cut %d after %d of %d octets: exit %d\n%s%s", how, n, whole, code, out, talk)
					}
				}
			}
			s.directory += "timeout = \"200ms\"\n"
			for _, n := range []int64{0, whole / 2, whole - end} {
				line.Cut(n, servertest.Stalled)
				s.fails(fmt.Sprintf("silent after %d of %d octets", n, whole), exitUnreachable, "answer")
			}
			if s.state() != before {
				t.Error("the state has changed")
			}
			line.Cut(0, servertest.Whole)
			s.settled("the line is mended")
		})
	}
}

// TestKilledServer kills a server in the middle of a read. The next one is
// read from its beginning; without one, nothing is done.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	d := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: staffLDIF(700)})
	s := newSite(t, servertest.Password, servertest.Base).serve("ldap", d.LDAPS, d.CA.File, d.Reader, "page_size = 100")
	s.apply()

	line := breakAt(t, d.LDAPS, 60_000, d.Kill)
	s.serve("ldap", line, d.CA.File, d.Reader, "page_size = 100")
	s.fails("killed", exitUnreachable, "the server closed the connection before its answer was complete")

	d.Start()
	killed := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: staffLDIF(700), CA: d.CA})
	line = breakAt(t, killed.LDAPS, 60_000, killed.Kill)
	s.serve("ldap", line+" "+d.LDAPS, d.CA.File, d.Reader, "page_size = 100")
	p := s.plan("plan")
	if read := p.Directories[0]; read.Entries != 700 || read.Server != d.LDAPS || len(p.Changes) > 0 || len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], line+" was given up") {
		t.Errorf("receipt %+v, changes %v, warnings %q", read, p.Changes, p.Warnings)
	}
}

// TestSizeLimit: a server that gives no more entries than it pleases has not
// told all.
func TestSizeLimit(t *testing.T) {
	t.Parallel()
	d := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: staffLDIF(700), ReaderLimits: "size.soft=500 size.hard=500 size.pr=1000 size.prtotal=600"})
	s := newSite(t, servertest.Password, servertest.Base).serve("ldap", d.LDAPS, d.CA.File, d.Admin)
	s.apply()
	for size, words := range map[string]string{"page_size = 1000": "hint: lower page_size", "page_size = 100": "the server's size limit ended the search"} {
		s.serve("ldap", d.LDAPS, d.CA.File, d.Reader, size)
		s.fails(size, exitUnreachable, words)
	}
}

// TestCertificates: a server that cannot show who it is hears no password.
func TestCertificates(t *testing.T) {
	t.Parallel()
	ca := servertest.NewCA(t)
	for _, c := range []struct {
		name  string
		leaf  servertest.Leaf
		by    *servertest.CA
		words string
	}{
		{"expired", servertest.Leaf{Until: -time.Hour}, ca, `the certificate "CN=127.0.0.1" expired on `},
		{"not yet valid", servertest.Leaf{From: time.Hour}, ca, `the certificate "CN=127.0.0.1" is not valid before `},
		{"self-signed", servertest.Leaf{SelfSigned: true}, ca, `the server's certificate "CN=127.0.0.1" is self-signed and not trusted here`},
		{"wrong host", servertest.Leaf{Hosts: []string{"other.example"}}, ca, "the server's certificate is for other.example, not for 127.0.0.1"},
		{"no host", servertest.Leaf{NoHosts: true}, ca, `names no host (no subject alternative name), so not 127.0.0.1 either`},
		{"unknown authority", servertest.Leaf{}, servertest.NewCA(t), `comes from the authority "CN=Test CA `},
		{"missing intermediate", servertest.Leaf{}, ca.Intermediate(t), `comes from the authority "CN=Test Intermediate CA", which is not trusted here`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			certificate := c.by.Issue(t, c.leaf)
			stub := servertest.NewStub(t, servertest.StubOptions{CA: ca, Certificate: certificate})
			slapd := servertest.NewSlapd(t, servertest.SlapdOptions{CA: ca, Certificate: certificate})
			s := newSite(t, servertest.Password, servertest.Base)
			for _, server := range []struct{ kind, url, more string }{
				{"active_directory", stub.LDAPS, ""},
				{"active_directory", stub.URL, "start_tls = true"},
				{"ldap", slapd.LDAPS, ""},
				{"ldap", slapd.URL, "start_tls = true"},
			} {
				s.serve(server.kind, server.url, ca.File, "cn=reader,"+servertest.Base, server.more).
					fails(server.kind+" "+server.more, exitUnreachable, c.words)
			}
			if asked := stub.Requests(); !slices.Equal(asked, []string{"StartTLS"}) {
				t.Errorf("the server was asked %q", asked)
			}
		})
	}
}

// TestLoginsOfSamba sees every refusal of a login that a domain controller of
// Samba can produce, but for an expired password, for which that must be a day
// old. Each has its own words and is tried once.
func TestLoginsOfSamba(t *testing.T) {
	t.Parallel()
	d := servertest.NewSamba(t, servertest.SambaOptions{})
	line := servertest.NewProxy(t, d.LDAPS+":636")
	s := newSite(t, servertest.Password, "CN=Users,"+servertest.Base).serve("active_directory", d.LDAPS, d.CA.File, d.Reader)
	well := d.User(t, "well", "mail", "well@example.com")
	s.apply()
	lockout := goldap.NewModifyRequest(servertest.Base, nil)
	lockout.Replace("lockoutThreshold", []string{"2"})
	if err := d.Connect(t).Modify(lockout); err != nil {
		t.Fatal(err)
	}
	try := func(story, name, password, words string) {
		t.Helper()
		tried := line.Connections()
		s.setPassword(password)
		s.serve("active_directory", line.URL, d.CA.File, name)
		s.fails(story, exitRefused, words)
		if n := line.Connections() - tried; n != 1 {
			t.Errorf("%s: tried %d times", story, n)
		}
	}
	const right, wrong = servertest.Password, "a-wrong-one"
	try("wrong password", well, wrong, "the name or the password is wrong (result code 49")
	try("unknown", "nobody@corp.example.com", right, "the name or the password is wrong (result code 49")
	try("disabled", d.User(t, "off", "userAccountControl", "514"), right, "the account is disabled (result code 49")
	try("account expired", d.User(t, "old", "accountExpires", "133000000000000000"), right, "the account has expired (result code 49")
	try("must change", d.User(t, "fresh", "pwdLastSet", "0"), right, "the account's password must be changed before it can be used (result code 49")
	try("hours", d.User(t, "night", "logonHours", strings.Repeat("\x00", 21)), right, "the account may not log in at this hour (result code 49")
	locked := d.User(t, "locked")
	try("first wrong one", locked, wrong, "the name or the password is wrong (result code 49")
	try("second wrong one", locked, wrong, "the name or the password is wrong (result code 49")
	try("locked out", locked, right, "the account is locked out (result code 49")

	s.setPassword(right)
	s.serve("active_directory", d.URL, d.CA.File, well, "insecure = true").
		fails("in clear", exitUnreachable, "the server demands signing or encryption and accepts no password in clear (result code 8")
	s.serve("active_directory", d.URL, d.CA.File, well, "start_tls = true").settled("with StartTLS")
	s.serve("active_directory", d.LDAPS, d.CA.File, `CORP\well`).settled("by the old name")
}

// TestLoginsByKerberos logs in by a ticket, from a keytab and from a credential
// cache.
func TestLoginsByKerberos(t *testing.T) {
	t.Parallel()
	d := servertest.NewSamba(t, servertest.SambaOptions{Kerberos: true})
	kinit := servertest.Need(t, "kinit", "krb5-user")
	d.User(t, "well", "mail", "well@example.com")
	keytab, cache := d.Keytab(t, "reader"), filepath.Join(t.TempDir(), "cache")
	cmd := exec.Command(kinit, "-k", "-t", keytab, "reader@"+d.Realm)
	cmd.Env = append(os.Environ(), "KRB5_CONFIG="+d.Krb5Conf, "KRB5CCNAME=FILE:"+cache)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	s := newSite(t, servertest.Password, "CN=Users,"+servertest.Base)
	kerberos := func(url, more, credentials string) *site {
		s.directory = fmt.Sprintf("kind = \"active_directory\"\nurls = [%q]\nca_file = %q\n%s\nkerberos {\n%s\nconfig = %q\nservice = %q\n}\n",
			url, d.CA.File, more, credentials, d.Krb5Conf, "ldap/"+d.Host)
		return s
	}
	withKeytab := func(principal string) string { return fmt.Sprintf("principal = %q\nkeytab = %q", principal, keytab) }
	kerberos(d.LDAPS, "", withKeytab("reader@"+d.Realm)).becomes("from a keytab", "add well")
	kerberos(d.LDAPS, "", fmt.Sprintf("cache = %q", cache)).settled("from a cache")
	kerberos(d.URL, "start_tls = true", withKeytab("reader@"+d.Realm)).settled("with StartTLS")
	kerberos(d.LDAPS, "", withKeytab("nobody@"+d.Realm)).fails("nobody", exitRefused, "the Kerberos realm has no such principal")
	kerberos(d.LDAPS, "", withKeytab("well@"+d.Realm)).fails("keys of somebody else", exitRefused, "the keytab holds no key of the principal")
	kerberos(d.LDAPS, "", `cache = "nowhere"`).fails("no cache", exitFailed, "nowhere: no such file")
}

// TestLoginsOfOpenLDAP: a login by certificate, by StartTLS, and, for who
// insists, in clear.
func TestLoginsOfOpenLDAP(t *testing.T) {
	t.Parallel()
	d := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: staffLDIF(3), ClientCertificates: "try"})
	mine, theirs := d.CA.Issue(t, servertest.Leaf{CommonName: "reader"}), servertest.NewCA(t).Issue(t, servertest.Leaf{CommonName: "reader"})
	s := newSite(t, servertest.Password, servertest.Base).serve("ldap", d.LDAPS, d.CA.File, d.Reader)
	s.apply()
	external := func(url string, c *servertest.Certificate, more string) *site {
		s.directory = fmt.Sprintf("kind = \"ldap\"\nurls = [%q]\nca_file = %q\nclient_cert = %q\nclient_key = %q\n%s\n", url, d.CA.File, c.CertFile, c.KeyFile, more)
		return s
	}
	external(d.LDAPS, mine, "").settled("by certificate")
	external(d.URL, mine, "start_tls = true").settled("by certificate, with StartTLS")
	external(d.LDAPS, theirs, "").fails("a certificate of somebody else", exitUnreachable, "client certificate")

	s.serve("ldap", d.URL, d.CA.File, d.Reader, "start_tls = true").settled("with StartTLS")
	s.serve("ldap", d.URL, d.CA.File, d.Reader)
	if out, talk, code := s.run(context.Background(), "plan"); code != exitFailed || out != "" || !strings.Contains(talk, "error: the password would pass over ") {
		t.Errorf("in clear: exit %d\n%s%s", code, out, talk)
	}
	s.serve("ldap", d.URL, d.CA.File, d.Reader, "insecure = true").settled("in clear, as was asked for")
	for range 2 {
		out := strings.Join(strings.Fields(s.ok("plan")), " ") // which breaks lines
		p := s.plan("plan")
		if len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "without encryption") || !strings.Contains(out, p.Warnings[0]) {
			t.Errorf("in clear: warnings %q in\n%s", p.Warnings, out)
		}
	}
	s.setPassword("a-wrong-one")
	s.fails("wrong password", exitRefused, "the name or the password is wrong, or the account is locked")
}

// TestInterruptedRead: Ctrl-C ends a read at once, whatever the server is
// doing.
func TestInterruptedRead(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows sends no interrupts to single programs")
	}
	rollcall := program(t)
	d := servertest.NewSlapd(t, servertest.SlapdOptions{LDIF: staffLDIF(700)})
	s := newSite(t, servertest.Password, servertest.Base).serve("ldap", d.LDAPS, d.CA.File, d.Reader)
	s.apply()
	before := s.state()
	for _, after := range []int64{0, 1, 3000, 60_000} { // before, in and after the TLS handshake
		reached, release := make(chan struct{}), make(chan struct{})
		line := breakAt(t, d.LDAPS, after, sync.OnceFunc(func() {
			close(reached)
			<-release
		}))
		s.serve("ldap", line, d.CA.File, d.Reader, "page_size = 100").configure()
		cmd := exec.Command(rollcall, "-C", s.dir, "apply", "--auto-approve")
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-reached
		cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		if !late.Stop() || cmd.ProcessState.ExitCode() != int(exitInterrupted) || said.String() != "error: interrupted: nothing was changed\n" {
			t.Errorf("silent after %d octets: %s\n%s", after, cmd.ProcessState, said.String())
		}
		close(release)
	}
	if s.state() != before {
		t.Error("the state has changed")
	}
}
