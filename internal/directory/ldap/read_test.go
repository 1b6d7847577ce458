package ldap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/keytab"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

const staffBase = "OU=Staff," + servertest.Base

// optionsOf logs in at stubs, in order.
func optionsOf(stubs ...*servertest.Stub) Options {
	o := Options{Label: "corp", ActiveDirectory: true, BindDN: "svc@corp.example.com", Password: func() string { return "secret" },
		CAFile: stubs[0].CA.File, Timeout: 20 * time.Second, PageSize: 1000}
	for _, s := range stubs {
		o.URLs = append(o.URLs, s.LDAPS)
	}
	return o
}

func staff() directory.Scope {
	return directory.Scope{Name: "staff", Base: servertest.Base, Filter: "(objectClass=user)", PrimaryAttribute: "mail",
		AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "sAMAccountName", Type: directory.Auto}
}

// read returns what a read yields, by primary address.
func read(t *testing.T, o Options, scopes ...directory.Scope) (map[string]identity.Entry, identity.Receipt, error) {
	t.Helper()
	return readFrom(t, New(o), scopes...)
}

func readFrom(t *testing.T, s *Source, scopes ...directory.Scope) (map[string]identity.Entry, identity.Receipt, error) {
	t.Helper()
	if len(scopes) == 0 {
		scopes = []directory.Scope{staff()}
	}
	collector := directory.NewCollector(scopes)
	receipt, err := s.Read(context.Background(), scopes, collector, nil)
	got := map[string]identity.Entry{}
	for _, e := range collector.Entries() {
		if _, twice := got[e.Primaries[0]]; twice {
			t.Errorf("%s came twice", e.Primaries[0])
		}
		got[e.Primaries[0]] = e
	}
	return got, receipt, err
}

// company is a stub with so many persons.
func company(t *testing.T, persons int, o servertest.StubOptions) *servertest.Stub {
	t.Helper()
	s := servertest.NewStub(t, o)
	for n := range persons {
		s.Put(servertest.Person(n))
	}
	return s
}

func TestRead(t *testing.T) {
	s := company(t, 2500, servertest.StubOptions{References: []string{"ldaps://child.corp.example.com/DC=child," + servertest.Base}})
	for _, o := range []Options{
		optionsOf(s),
		func() Options { o := optionsOf(s); o.URLs, o.StartTLS = []string{s.URL}, true; return o }(),
		func() Options { o := optionsOf(s); o.PageSize = 7000; return o }(),
	} {
		got, receipt, err := read(t, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2500 || receipt.Scanned != 2500 || receipt.Pages != 3 || !receipt.Complete || receipt.Server != o.URLs[0] {
			t.Errorf("got %d entries, %+v", len(got), receipt)
		}
		if receipt.USNBefore == 0 || receipt.USNAfter != receipt.USNBefore || receipt.Reread != 0 || len(receipt.Identity) != 36 || receipt.Seconds <= 0 {
			t.Errorf("receipt %+v", receipt)
		}
		if !slices.ContainsFunc(receipt.References, func(u string) bool { return strings.Contains(u, "DC=child") }) {
			t.Errorf("references %q", receipt.References)
		}
		e := got["person7@example.com"]
		if fmt.Sprintf("%s %s %s %s", e.Aliases, e.Username, e.DN, e.Type) != "[p7@example.com] person7 CN=Person 7,"+staffBase+" user" || e.GUID.IsZero() {
			t.Errorf("got %+v", e)
		}
	}
}

// Whatever cuts an answer short fails the read, and nothing is concluded.
func TestIncompleteReads(t *testing.T) {
	second := func(change func(*servertest.Answer)) func(*servertest.Answer) {
		return func(a *servertest.Answer) {
			if a.Page == 2 {
				change(a)
			}
		}
	}
	code := func(n int) func(*servertest.Answer) {
		return second(func(a *servertest.Answer) { a.Result = servertest.Result{Code: n, Message: "stopped"}; a.More = false })
	}
	for _, c := range []struct {
		story  string
		answer func(*servertest.Answer)
		want   string
	}{
		{"time limit", code(3), "page 2"},
		{"size limit", code(4), "page 2"},
		{"admin limit", code(11), "page 2"},
		{"referral", second(func(a *servertest.Answer) {
			a.Result = servertest.Result{Code: 10, Message: "0000202B: RefErr", Referrals: []string{"ldap://other.example/DC=x"}}
		}), "page 2"},
		{"the cookie is not accepted", second(func(a *servertest.Answer) { a.Entries = nil; a.Result = servertest.PageRefused }), "page 2"},
		{"busy", second(func(a *servertest.Answer) { a.Result = servertest.Busy }), "page 2"},
		{"unavailable", code(52), "page 2"},
		{"no paging control", second(func(a *servertest.Answer) { a.NoPaging = true }), "does not say whether more follows"},
		{"no paging control on the last page", func(a *servertest.Answer) { a.NoPaging = a.PageSize > 0 && !a.More }, "does not say whether more follows"},
		{"connection closed", second(func(a *servertest.Answer) { a.Close = true }), "page 2"},
		{"connection closed after some entries", second(func(a *servertest.Answer) { a.Entries = a.Entries[:4]; a.Close = true }), "page 2"},
		{"silence", second(func(a *servertest.Answer) { a.Silent = true }), "no answer within 300ms"},
		{"pages without end", func(a *servertest.Answer) {
			if a.PageSize > 0 {
				a.Entries, a.More = nil, true
			}
		}, "page after page came without a new object"},
	} {
		t.Run(c.story, func(t *testing.T) {
			s := company(t, 30, servertest.StubOptions{PageSize: 10, Answer: c.answer})
			o := optionsOf(s)
			if c.story == "silence" {
				o.Timeout = 300 * time.Millisecond
			}
			_, receipt, err := read(t, o)
			var failed *directory.ReadError
			if !errors.As(err, &failed) || failed.From != s.LDAPS || receipt.Complete || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %+v, %v", receipt, err)
			}
			t.Log(err)
		})
	}
}

// The next server is read from its first page, and nothing of the one before
// it stays.
func TestNextServer(t *testing.T) {
	broken := company(t, 30, servertest.StubOptions{PageSize: 10, Answer: func(a *servertest.Answer) { a.Close = a.Page == 3 }})
	broken.Put(servertest.NewEntry("CN=Ghost,"+staffBase, "objectClass", "user", "mail", "ghost@example.com"))
	good := company(t, 25, servertest.StubOptions{PageSize: 10, CA: broken.CA})
	o := optionsOf(broken, good)
	o.URLs = append([]string{"ldaps://127.0.0.1:1"}, o.URLs...)
	got, receipt, err := read(t, o)
	if err != nil || len(got) != 25 || receipt.Server != good.LDAPS || receipt.Pages != 3 || len(receipt.Notes) != 2 || !strings.HasPrefix(receipt.Notes[1], broken.LDAPS+" was given up") {
		t.Errorf("got %d entries, %+v, %v", len(got), receipt, err)
	}

	o.URLs = o.URLs[:2]
	_, _, err = read(t, o)
	var failed *directory.ReadError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "no server could be read\n  ldaps://127.0.0.1:1: ") || !strings.Contains(err.Error(), broken.LDAPS) {
		t.Errorf("got %v", err)
	}
}

// A refused login is not tried again, there or at another server.
func TestRefusedLogin(t *testing.T) {
	bad := servertest.NewStub(t, servertest.StubOptions{Bind: func(servertest.Bind) servertest.Result { return servertest.LoginRefused("775") }})
	other := company(t, 1, servertest.StubOptions{CA: bad.CA})
	_, _, err := read(t, optionsOf(bad, other))
	var refused *directory.RefusedError
	if !errors.As(err, &refused) || refused.From != bad.LDAPS || !strings.Contains(err.Error(), "locked out") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	if len(other.Requests()) != 0 || len(bad.Requests()) != 1 {
		t.Errorf("asked %q, %q", bad.Requests(), other.Requests())
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := company(t, 30, servertest.StubOptions{PageSize: 10, Answer: func(a *servertest.Answer) {
		if a.Page == 2 {
			a.Silent = true
			cancel()
		}
	}})
	scopes := []directory.Scope{staff()}
	if _, err := New(optionsOf(s)).Read(ctx, scopes, directory.NewCollector(scopes), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// mute is a listener that takes connections and says nothing.
func mute(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	return l.Addr().String()
}

// Whatever is waited for, the user need not wait.
func TestCancelAnywhere(t *testing.T) {
	address := mute(t)
	keys := filepath.Join(t.TempDir(), "keytab")
	table := keytab.New()
	if err := table.AddEntry("svc", "CORP.EXAMPLE.COM", "secret", time.Now(), 1, 18); err != nil {
		t.Fatal(err)
	}
	raw, err := table.Marshal()
	if err == nil {
		err = os.WriteFile(keys, raw, 0o600)
	}
	conf := filepath.Join(t.TempDir(), "krb5.conf")
	if err == nil {
		err = os.WriteFile(conf, []byte("[libdefaults]\n default_realm = CORP.EXAMPLE.COM\n udp_preference_limit = 1\n[realms]\n CORP.EXAMPLE.COM = {\n  kdc = "+address+"\n }\n"), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	plain := Options{Label: "corp", Timeout: time.Minute, PageSize: 10}
	handshake, startTLS, silent, kerberos := plain, plain, plain, optionsOf(company(t, 1, servertest.StubOptions{}))
	handshake.URLs = []string{"ldaps://" + address}
	startTLS.URLs, startTLS.StartTLS = []string{"ldap://" + address}, true
	silent.URLs = []string{"ldap://" + address}
	kerberos.BindDN, kerberos.Kerberos = "", &Kerberos{Principal: "svc@CORP.EXAMPLE.COM", Keytab: keys, Config: conf}
	for story, o := range map[string]Options{"TLS": handshake, "StartTLS": startTLS, "the first answer": silent, "Kerberos": kerberos} {
		scopes := []directory.Scope{staff()}
		for i := range 20 {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(time.Duration(i)*time.Millisecond, cancel)
			began := time.Now()
			_, err := New(o).Read(ctx, scopes, directory.NewCollector(scopes), nil)
			if !errors.Is(err, context.Canceled) || time.Since(began) > 2*time.Second {
				t.Fatalf("waiting for %s: after %s: %v", story, time.Since(began), err)
			}
		}
		o.Timeout = 100 * time.Millisecond
		began := time.Now()
		_, err := New(o).Read(context.Background(), scopes, directory.NewCollector(scopes), nil)
		if !errors.As(err, new(*directory.ReadError)) || time.Since(began) > 3*time.Second {
			t.Errorf("waiting for %s: after %s: %v", story, time.Since(began), err)
		}
		t.Log(err)
	}
}

// Values that come in ranges are asked for to the last one.
func TestRanges(t *testing.T) {
	const values = 4321
	s := company(t, 25, servertest.StubOptions{PageSize: 10, ValRange: 1000})
	for _, n := range []int{3, 14, 24} {
		p := servertest.Person(n)
		addresses := []string{"SMTP:person" + strconv.Itoa(n) + "@example.com"}
		for i := range values {
			addresses = append(addresses, fmt.Sprintf("smtp:p%d.%d@example.com", n, i))
		}
		p.Set("proxyAddresses", addresses...)
		s.Put(p)
	}
	got, receipt, err := read(t, optionsOf(s))
	if err != nil || len(got) != 25 || receipt.Ranged != 3*(values+1) {
		t.Fatalf("got %d entries, %+v, %v", len(got), receipt, err)
	}
	for _, n := range []int{3, 14, 24} {
		e := got[fmt.Sprintf("person%d@example.com", n)]
		slices.Sort(e.Aliases)
		if len(slices.Compact(e.Aliases)) != values {
			t.Errorf("person %d has %d aliases", n, len(e.Aliases))
		}
	}

	for _, c := range []struct {
		story  string
		change func(*servertest.Answer)
	}{
		{"an error", func(a *servertest.Answer) { a.Entries, a.Result = nil, servertest.Busy }},
		{"no object", func(a *servertest.Answer) { a.Entries = nil }},
		{"no values", func(a *servertest.Answer) { a.Entries[0].Attributes = nil }},
		{"the values before once more", func(a *servertest.Answer) {
			a.Entries[0].Attributes = []servertest.Attribute{{Name: "proxyAddresses;range=0-999", Values: []string{"smtp:x@example.com"}}}
		}},
		{"a gap", func(a *servertest.Answer) { a.Entries[0].Attributes[0].Name = "proxyAddresses;range=30-39" }},
		{"an unreadable range", func(a *servertest.Answer) { a.Entries[0].Attributes[0].Name = "proxyAddresses;range=x" }},
	} {
		s := company(t, 1, servertest.StubOptions{ValRange: 10, Answer: func(a *servertest.Answer) {
			if len(a.Attributes) == 1 && strings.Contains(a.Attributes[0], "range=20") {
				c.change(a)
			}
		}})
		p := servertest.Person(0)
		for i := range 50 {
			p.Set("proxyAddresses", append(p.Get("proxyAddresses"), fmt.Sprintf("smtp:p.%d@example.com", i))...)
		}
		s.Put(p)
		if _, _, err := read(t, optionsOf(s)); !errors.As(err, new(*directory.ReadError)) {
			t.Errorf("%s: got %v", c.story, err)
		} else {
			t.Log(err)
		}
	}
}

// What changes while it is read is read again: the entries are those of the
// end of the read.
func TestChangesDuringRead(t *testing.T) {
	var s *servertest.Stub
	changes := func() {
		renamed := servertest.Person(3)
		renamed.Set("mail", "new@example.com")
		renamed.Set("proxyAddresses", "SMTP:new@example.com")
		s.Put(renamed)
		s.Delete("CN=Person 4," + staffBase)
		gone := servertest.Person(5) // leaves the filter
		gone.Set("objectClass", "top", "contact")
		s.Put(gone)
		bare := servertest.Person(6) // loses its addresses
		bare.Set("mail")
		bare.Set("proxyAddresses")
		s.Put(bare)
		s.Put(servertest.Person(1000)) // is created
	}
	page := func(n int, do func()) func(*servertest.Answer) {
		done := false
		return func(a *servertest.Answer) {
			if a.Page == n && a.PageSize > 0 && !done {
				done = true
				do()
			}
		}
	}
	s = company(t, 30, servertest.StubOptions{PageSize: 10, Answer: page(3, changes)})
	got, receipt, err := read(t, optionsOf(s))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"new@example.com": true, "person1000@example.com": true}
	for n := range 30 {
		if n < 3 || n > 6 {
			want[fmt.Sprintf("person%d@example.com", n)] = true
		}
	}
	for address := range got {
		if !want[address] {
			t.Errorf("%s is there", address)
		}
		delete(want, address)
	}
	for address := range want {
		t.Errorf("%s is missing", address)
	}
	if receipt.USNAfter <= receipt.USNBefore || receipt.Reread < 4 {
		t.Errorf("receipt %+v", receipt)
	}

}

// An object that comes twice, because it was moved while it was read, counts
// once, as it came last.
func TestTwice(t *testing.T) {
	var s *servertest.Stub
	s = company(t, 30, servertest.StubOptions{PageSize: 10, Answer: func(a *servertest.Answer) {
		if a.Page == 3 {
			again := a.Entries[0]
			again.DN = "CN=Elsewhere," + servertest.Base
			a.Entries = append(a.Entries, again)
			s.Put(again)
		}
	}})
	got, receipt, err := read(t, optionsOf(s))
	if err != nil || len(got) != 30 || receipt.Scanned != 30 {
		t.Errorf("got %d entries, %+v, %v", len(got), receipt, err)
	}
	moved := 0
	for _, e := range got {
		if e.DN == "CN=Elsewhere,"+servertest.Base {
			moved++
		}
	}
	if moved != 1 {
		t.Errorf("%d entries are elsewhere", moved)
	}
}

// An object belongs to the first scope that selects it, even if it lists no
// address there.
func TestScopes(t *testing.T) {
	s := company(t, 25, servertest.StubOptions{PageSize: 10})
	first, second := staff(), staff()
	first.Name, first.Filter, first.PrimaryAttribute, first.AliasAttributes = "first", "(sAMAccountName=person1*)", "otherMailbox", nil
	second.Index = 1
	got, receipt, err := read(t, optionsOf(s), first, second)
	if err != nil || len(got) != 25-11 || receipt.Scanned != 25 || got["person2@example.com"].Scope != 1 {
		t.Errorf("got %d entries, %+v, %v", len(got), receipt, err)
	}

	root := staff()
	root.Base = ""
	if got, _, err := read(t, optionsOf(s), root); err != nil || len(got) != 25 {
		t.Errorf("below the root: got %d entries, %v", len(got), err)
	}
	missing := staff()
	missing.Base = "OU=None," + servertest.Base
	if _, _, err := read(t, optionsOf(s), missing); !errors.As(err, new(*directory.ReadError)) {
		t.Errorf("got %v", err)
	}
	for _, c := range []struct{ base, filter string }{{"dc=x", "(mail="}, {"dc", "(mail=*)"}} {
		wrong := staff()
		wrong.Base, wrong.Filter = c.base, c.filter
		if _, _, err := read(t, optionsOf(s), wrong); err == nil || errors.As(err, new(*directory.ReadError)) || !strings.Contains(err.Error(), `scope "staff"`) {
			t.Errorf("got %v", err)
		}
	}
}

// failing is a sink that takes no more than so many objects.
type failing struct {
	directory.Collector
	left int
	err  error
}

func (f *failing) Put(int, directory.Object) error {
	if f.left--; f.left < 0 {
		return f.err
	}
	return nil
}

func TestSinkError(t *testing.T) {
	full := errors.New("no space left")
	s := company(t, 3000, servertest.StubOptions{PageSize: 10})
	for _, left := range []int{0, 1500} {
		_, err := New(optionsOf(s, s)).Read(context.Background(), []directory.Scope{staff()}, &failing{left: left, err: full}, nil)
		if err != full {
			t.Errorf("got %v", err)
		}
	}
}

func TestProgress(t *testing.T) {
	s := company(t, 3500, servertest.StubOptions{})
	var heard []int
	scopes := []directory.Scope{staff()}
	_, err := New(optionsOf(s)).Read(context.Background(), scopes, directory.NewCollector(scopes), func(p directory.Progress) {
		if p.Directory != "corp" || p.From != s.LDAPS {
			t.Errorf("heard %+v", p)
		}
		heard = append(heard, p.Objects)
	})
	if err != nil || len(heard) < 5 || heard[0] != 0 || !slices.IsSorted(heard) || heard[len(heard)-1] != 3500 {
		t.Errorf("heard %v, %v", heard, err)
	}
}

// The servers of a domain are those that DNS names, the site's first.
func TestDomain(t *testing.T) {
	ours, far := company(t, 5, servertest.StubOptions{}), company(t, 6, servertest.StubOptions{})
	port := func(s *servertest.Stub) uint16 {
		_, p, _ := net.SplitHostPort(strings.TrimPrefix(s.LDAPS, "ldaps://"))
		n, _ := strconv.Atoi(p)
		return uint16(n)
	}
	o := optionsOf(ours)
	o.URLs, o.Domain, o.Site = nil, "localhost", "berlin"
	o.CAFile = ours.CA.File
	source := New(o)
	var asked []string
	records := map[string][]*net.SRV{
		"_ldap._tcp.berlin._sites.dc._msdcs.localhost": {{Target: "localhost.", Port: port(ours)}},
		"_ldap._tcp.dc._msdcs.localhost": {{Target: "localhost.", Port: port(ours)}, {Target: "LOCALHOST.", Port: port(far)}, {Target: "dc9.localhost.", Port: 389},
			{Target: "evil.example.", Port: 389}, {Target: "."}},
		"_ldap._tcp.dc._msdcs.forged.example": {{Target: "notforged.example.", Port: 389}},
	}
	source.lookup = func(_ context.Context, name string) ([]*net.SRV, error) {
		asked = append(asked, name)
		if r, ok := records[name]; ok {
			return r, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	targets, err := source.targets(context.Background())
	var urls []string
	for _, t := range targets {
		urls = append(urls, t.url)
	}
	want := fmt.Sprintf("ldaps://localhost:%d ldaps://LOCALHOST:%d ldaps://dc9.localhost:636", port(ours), port(far))
	if err != nil || strings.Join(urls, " ") != want || len(asked) != 2 {
		t.Errorf("got %q, %v, asked %q", urls, err, asked)
	}
	if got, _, err := readFrom(t, source); err != nil || len(got) != 5 {
		t.Errorf("got %d entries, %v", len(got), err)
	}

	source.options.Domain, source.options.Site = "forged.example", ""
	if _, _, err := readFrom(t, source); !errors.As(err, new(*directory.ReadError)) || !strings.Contains(err.Error(), "notforged.example, which is not in that domain") {
		t.Errorf("got %v", err)
	}
	source.options.Domain, source.options.Site = "none.example", ""
	_, _, err = readFrom(t, source)
	var hint interface{ Hint() string }
	if !errors.As(err, new(*directory.ReadError)) || !strings.Contains(err.Error(), "DNS names no server of none.example") || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "_ldap._tcp.dc._msdcs.none.example") {
		t.Errorf("got %v", err)
	}
}
