package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/state"
)

// hook takes notices, by the path that they are posted to.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	answer func(path string, n int) int // the status of the n-th post to a path, from 1; nil for 204
	posts  map[string]int
	taken  map[string][]hooked
}

// hooked is a notice that a hook has taken.
type hooked struct {
	id   string
	text string
	run.Notice
	Host, Configuration string
	Run                 int
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{posts: map[string]int{}, taken: map[string][]hooked{}}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil { // whoever sent it was killed
			return
		}
		var got struct{ Data hooked }
		if json.Unmarshal(body, &got) != nil {
			t.Errorf("no notice: %s", body)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.posts[r.URL.Path]++
		code := http.StatusNoContent
		if h.answer != nil {
			code = h.answer(r.URL.Path, h.posts[r.URL.Path])
		}
		if code == http.StatusNoContent {
			got.Data.id, got.Data.text = r.Header.Get("webhook-id"), string(body)
			h.taken[r.URL.Path] = append(h.taken[r.URL.Path], got.Data)
		}
		w.WriteHeader(code)
	}))
	t.Cleanup(h.Close)
	return h
}

// next returns what was taken since the last time.
func (h *hook) next(path string) []hooked {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer delete(h.taken, path)
	return h.taken[path]
}

// block is a notify block for every kind of notice.
func (h *hook) block(label, path string, more ...string) string {
	var kinds []string
	for _, k := range run.NoticeKinds {
		kinds = append(kinds, string(k))
	}
	on, _ := json.Marshal(kinds)
	return fmt.Sprintf("notify %q {\n on = %s\n %s\n webhook {\n url = %q\n }\n}\n", label, on, strings.Join(more, "\n "), h.URL+path)
}

// office is a small company whose runs have a clock of their own.
type office struct {
	t    *testing.T
	dir  string
	now  time.Time
	hook *hook
	talk string // of the last run
}

const officeConfig = `directory "corp" {
  kind = "ldif"
  path = "corp.ldif"
}
directory "cloud" {
  kind = "ldif"
  path = "cloud.ldif"
}
domain "example.com" {}
scope "all" {
  directory = directory.corp
}
prerequisite "first" {
  directory = directory.cloud
  attribute = "mail"
  match     = "primary"
  scopes    = [scope.all]
  overdue   = "48h"
}
`

func newOffice(t *testing.T, people int) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC), hook: newHook(t)}
	o.write("rollcall.hcl", officeConfig)
	o.write("notify.hcl", o.hook.block("ops", "/ops", `repeat = "24h"`))
	o.people(people)
	o.write("cloud.ldif", "dn: cn=x\nobjectGUID: 00000000-1111-4222-8333-000000000009\nmail: x@example.com\n")
	for n := range 60 {
		o.append("cloud.ldif", fmt.Sprintf("\ndn: cn=c%d\nobjectGUID: %08d-1111-4222-8333-000000000009\nmail: p%d@example.com\n", n, n+1, n))
	}
	return o
}

func (o *office) write(name, text string) {
	o.t.Helper()
	if err := os.WriteFile(filepath.Join(o.dir, name), []byte(text), 0o600); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) append(name, text string) {
	o.t.Helper()
	old, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		o.t.Fatal(err)
	}
	o.write(name, string(old)+text)
}

// people writes so many into the directory.
func (o *office) people(n int) {
	o.t.Helper()
	o.write("corp.ldif", "")
	for i := range n {
		o.person(i, fmt.Sprintf("p%d@example.com", i))
	}
}

func (o *office) person(n int, addresses ...string) {
	o.t.Helper()
	text := fmt.Sprintf("dn: cn=p%d,dc=corp\nobjectGUID: %08d-1111-4222-8333-000000000001\nmail: %s\n", n, n+1, addresses[0])
	for _, x := range addresses[1:] {
		text += "proxyAddresses: smtp:" + x + "\n"
	}
	o.append("corp.ldif", text+"\n")
}

// apply runs an apply and returns what the hook took, a line each.
func (o *office) apply(want exitCode, args ...string) string {
	o.t.Helper()
	var out, talk bytes.Buffer
	s := &session{stdin: strings.NewReader(""), stdout: &out, stderr: &talk, now: func() time.Time { return o.now }, host: "mail1", user: "root"}
	code := execute(context.Background(), append([]string{"-C", o.dir, "apply", "--auto-approve"}, args...), s)
	if o.talk = talk.String(); code != want {
		o.t.Fatalf("exit %d, not %d\n%s\n%s", code, want, out.String(), talk.String())
	}
	return lines(o.hook.next("/ops"))
}

func lines(taken []hooked) string {
	var all []string
	for _, n := range taken {
		all = append(all, string(n.Kind)+" "+string(n.Phase)+": "+n.Title)
	}
	return strings.Join(all, "\n")
}

// TestNotices: what people are told of a week of runs.
func TestNotices(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 20)
	said := func(got string, want ...string) {
		t.Helper()
		if got != strings.Join(want, "\n") {
			t.Errorf("told\n%s\nand not\n%s", got, strings.Join(want, "\n"))
		}
	}
	hour := func(n int) { o.now = o.now.Add(time.Duration(n) * time.Hour) }

	said(o.apply(exitOK), "applied happened: 20 accounts changed")
	said(o.apply(exitOK))

	hour(1)
	o.person(20, "p20@example.com", "sales@example.com")
	o.person(21, "p21@example.com", "sales@example.com")
	said(o.apply(exitOK), "applied happened: 2 accounts changed", "new_rejections begins: 2 new rejections")
	said(o.apply(exitOK))
	hour(1)
	o.person(22, "p22@example.com", "bad address")
	said(o.apply(exitOK), "applied happened: 1 account changed", "new_rejections changes: 1 new rejection, 3 in all")
	said(o.apply(exitOK))
	hour(24)
	said(o.apply(exitOK), "new_rejections stands: still: 3 rejections stand")

	// Somebody waits for another directory, and is overdue in the end.
	o.person(70, "p70@example.com")
	said(o.apply(exitOK), "new_rejections changes: 1 new rejection, 4 in all")
	hour(49)
	said(o.apply(exitOK), "new_rejections stands: still: 4 rejections stand", "overdue begins: 1 address waits too long for another directory")
	o.append("cloud.ldif", "\ndn: cn=c70\nobjectGUID: 00000071-1111-4222-8333-000000000009\nmail: p70@example.com\n")
	said(o.apply(exitOK), "applied happened: 1 account changed", "overdue over: over: no entry has waited too long")

	// The directory is gone, differently, and comes back.
	hour(1)
	corp, err := os.ReadFile(filepath.Join(o.dir, "corp.ldif"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(o.dir, "corp.ldif")); err != nil {
		t.Fatal(err)
	}
	if got := o.apply(exitUnreachable); !strings.HasPrefix(got, `failed begins: apply failed: directory "corp":`) || strings.Contains(got, "\n") {
		t.Errorf("told %s", got)
	}
	said(o.apply(exitUnreachable))
	o.write("corp.ldif", "dn: cn=broken\nmail")
	if got := o.apply(exitUnreachable); !strings.HasPrefix(got, `failed changes: apply failed: directory "corp":`) {
		t.Errorf("told %s", got)
	}
	o.write("corp.ldif", string(corp))
	said(o.apply(exitOK, "--only", "add")) // of which nobody knows whether all is well
	said(o.apply(exitOK), "failed over: over: runs succeed")

	// A plan may not be as risky, and waits for a person.
	hour(1)
	o.people(15)
	const review = "a plan of high risk waits for a review; nothing was changed"
	said(o.apply(exitRisky, "--max-risk", "low"), "plan_review begins: "+review, "new_rejections over: over: no address is rejected")
	said(o.apply(exitRisky, "--max-risk", "low"))
	said(o.apply(exitOK), "plan_review over: over: no plan waits for a review", "applied happened: 9 accounts changed")

	// Most leave, and a brake withholds it.
	o.people(3)
	said(o.apply(exitWithheld), "withheld begins: a brake withholds losses of 12 accounts")
	said(o.apply(exitWithheld))
	said(o.apply(exitOK, "--allow-deactivations", "12"), "applied happened: 12 accounts changed", "withheld over: over: no brake withholds anything")
	said(o.apply(exitOK))
	if box := outboxOf(t, o.dir); len(box.Messages)+len(box.Conditions) > 0 || box.Draft != nil {
		t.Errorf("left: %+v", box)
	}
}

// TestNoticesOfSavedPlans: a saved plan knows nothing of what stands now.
func TestNoticesOfSavedPlans(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 40)
	o.apply(exitOK)
	saved := filepath.Join(o.dir, "plan.json")
	o.people(41)
	if _, talk, code := at(t.Context(), strings.NewReader(""), false, "-C", o.dir, "plan", "-o", "json="+saved); code != exitOK {
		t.Fatal(talk)
	}
	o.people(10)
	o.person(50, "p0@example.com")
	if got := o.apply(exitWithheld); got != "withheld begins: a brake withholds losses of 30 accounts\nnew_rejections begins: 1 new rejection" {
		t.Errorf("told\n%s", got)
	}
	o.now = time.Now() // before the plan expires
	if got := o.apply(exitOK, saved); got != "applied happened: 1 account changed" {
		t.Errorf("told of a saved plan\n%s", got)
	}
	if _, talk, code := at(t.Context(), strings.NewReader(""), false, "-C", o.dir, "plan", "-o", "json="+saved, "--only", "add"); code != exitOK {
		t.Fatal(talk)
	}
	if err := os.WriteFile(filepath.Join(o.dir, "rollcall.state.jsonl"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := o.apply(exitFailed, saved); !strings.HasPrefix(got, "failed begins: apply failed: ") || strings.Contains(got, "\n") {
		t.Errorf("told of one that cannot be applied\n%s", got)
	}
}

// TestNoticesWithoutDisk: what cannot be filed is not sent, or each run would send it.
func TestNoticesWithoutDisk(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 5)
	o.apply(exitOK)
	outbox := filepath.Join(state.At(filepath.Join(o.dir, "rollcall.state.jsonl")).Folders()[0], "outbox.jsonl")
	if err := errors.Join(os.Remove(outbox), os.Mkdir(outbox, 0o700), os.WriteFile(filepath.Join(outbox, "x"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	o.people(6)
	if got := o.apply(exitOK); got != "" || !strings.Contains(o.talk, "could not file the notices of this run, and sends none") {
		t.Errorf("told %s\n%s", got, o.talk)
	}
}

// TestRedactedLater: what waits unmasked for a channel that redacts by now is dropped, and
// so is the title of what is over.
func TestRedactedLater(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 5)
	o.person(20, "p0@example.com")
	o.hook.answer = func(_ string, n int) int {
		if n == 1 {
			return http.StatusServiceUnavailable
		}
		return http.StatusNoContent
	}
	o.apply(exitOK)
	o.write("notify.hcl", o.hook.block("ops", "/ops", "redact = true"))
	o.people(6)
	o.apply(exitOK)
	for _, n := range o.hook.next("/ops") {
		if regexp.MustCompile(`p\d@|cn=p|mail1`).MatchString(n.text) {
			t.Errorf("shown: %s", n.text)
		}
	}
	if !strings.Contains(o.talk, "2 notices were dropped, because redact was set since") {
		t.Error(o.talk)
	}
}

// TestRedactedAtFirst: without a state the masks are other ones in each run, and what
// stands is told once.
func TestRedactedAtFirst(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 5)
	o.write("notify.hcl", o.hook.block("ops", "/ops", "redact = true"))
	if err := os.Remove(filepath.Join(o.dir, "corp.ldif")); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"failed begins", "", ""} {
		if got := o.apply(exitUnreachable); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("run %d is told as %s", i+1, got)
		}
	}
}

// TestWeakKey: masks that can be guessed are not used.
func TestWeakKey(t *testing.T) {
	o := newOffice(t, 5)
	t.Setenv(redactKey, "x")
	o.write("notify.hcl", o.hook.block("ops", "/ops", "redact = true"))
	o.apply(exitOK)
	if !strings.Contains(o.talk, "can be guessed") {
		t.Error(o.talk)
	}
}

// outboxOf is the outbox of the configuration in a folder.
func outboxOf(t *testing.T, dir string) *run.Outbox {
	t.Helper()
	path := filepath.Join(dir, "rollcall.state.jsonl")
	box, err := state.At(path).Outbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(state.At(path).Folders()[0], "outbox.jsonl")); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the outbox: %v, %v", info, err)
	}
	return box
}

// TestNoticeOfRejections: it names each account with reason, rule, other party and
// remedy, 50 at most, and says how many there are and what shows them.
func TestNoticeOfRejections(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 60)
	for n := range 60 {
		o.person(100+n, fmt.Sprintf("p%d@example.com", n))
	}
	o.write("chat.hcl", o.hook.block("chat", "/chat", "redact = true"))
	o.apply(exitOK)
	o.hook.next("/chat")
	for n := range 2 {
		o.person(200+n, "new@example.com")
	}
	o.apply(exitOK)
	secret := o.hook.next("/chat")
	if len(secret) != 1 || secret[0].Kind != run.NoticeNewRejections {
		t.Fatalf("redacted: %+v", secret)
	}
	if text := secret[0].text; regexp.MustCompile(`new@|p\d+@|cn=p|mail1`).MatchString(text) || len(secret[0].Items) != 50 {
		t.Errorf("redacted: %s", text)
	}
}

// TestRejectionItems looks at one notice closely.
func TestRejectionItems(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 2)
	o.person(20, "p0@example.com")
	var out, talk bytes.Buffer
	s := &session{stdin: strings.NewReader(""), stdout: &out, stderr: &talk, now: func() time.Time { return o.now }, host: "mail1"}
	if code := execute(t.Context(), []string{"-C", o.dir, "apply", "--auto-approve"}, s); code != exitOK {
		t.Fatal(talk.String())
	}
	var got *hooked
	for _, n := range o.hook.next("/ops") {
		if n.Kind == run.NoticeNewRejections {
			got = &n
		}
	}
	if got == nil || got.Count != len(got.Items) || got.Count != 2 || got.Run != 1 || got.Host != "mail1" || got.Configuration != o.dir || got.Command != commandIn(o.dir, "plan", "--all") {
		t.Fatalf("%+v", got)
	}
	want := run.NoticeItem{
		Account: "p0@example.com", Entry: "cn=p20,dc=corp", Address: "p0@example.com", Reason: "primary_rejected", Rule: "contest", Other: `entry "cn=p0,dc=corp" of directory "corp"`,
		Text: `the primary is also claimed by entry "cn=p0,dc=corp" of directory "corp", so it is unclear whose it is`, Remedy: "leave the primary with one entry and give the others their own",
	}
	if !slices.Contains(got.Items, want) {
		t.Errorf("%+v", got.Items)
	}
}

// TestOutbox: what a server does not take now waits in its order; what it refuses for
// good is lost, and others are told; and no message or file has the URL.
func TestOutbox(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 5)
	o.write("secret.hcl", o.hook.block("chat", "/SECRET"))
	o.hook.answer = func(path string, n int) int {
		switch {
		case path != "/SECRET":
			return http.StatusNoContent
		case n <= 2:
			return http.StatusServiceUnavailable
		case n == 4:
			return http.StatusGone
		}
		return http.StatusNoContent
	}
	if got := o.apply(exitOK); got != "applied happened: 5 accounts changed" || !strings.Contains(o.talk, `warning: notify "chat": webhook 127.0.0.1`) || !strings.Contains(o.talk, "1 notice waits for the next run") {
		t.Errorf("%s\n%s", got, o.talk)
	}
	o.people(6)
	o.apply(exitOK)
	if box := outboxOf(t, o.dir); len(box.Messages) != 2 {
		t.Errorf("%d messages wait", len(box.Messages))
	}
	first := outboxOf(t, o.dir).Messages[0].ID
	o.people(7)
	got := o.apply(exitOK)
	if got != "applied happened: 1 account changed\nfailed happened: notify \"chat\" lost 1 notice" || !strings.Contains(o.talk, "a notice is lost") {
		t.Errorf("%s\n%s", got, o.talk)
	}
	taken := o.hook.next("/SECRET")
	if lines(taken) != "applied happened: 5 accounts changed\napplied happened: 1 account changed" || taken[0].id != "msg_"+first {
		t.Errorf("told\n%s", lines(taken))
	}
	if box := outboxOf(t, o.dir); len(box.Messages) > 0 {
		t.Errorf("%d messages wait", len(box.Messages))
	}
	// What waits for a block that is removed is dropped.
	o.hook.answer = func(string, int) int { return http.StatusInternalServerError }
	o.people(8)
	o.apply(exitOK)
	if err := os.Remove(filepath.Join(o.dir, "secret.hcl")); err != nil {
		t.Fatal(err)
	}
	o.hook.answer = nil
	if got := o.apply(exitOK); got != "applied happened: 1 account changed" || !strings.Contains(o.talk, "1 notice was dropped, for notify blocks that are no longer in the configuration") {
		t.Errorf("%s\n%s", got, o.talk)
	}
	// A damaged outbox stops nobody.
	path := filepath.Join(state.At(filepath.Join(o.dir, "rollcall.state.jsonl")).Folders()[0], "outbox.jsonl")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.people(9)
	if got := o.apply(exitOK); got != "applied happened: 1 account changed" || !strings.Contains(o.talk, "notices of earlier runs may be lost") {
		t.Errorf("%s\n%s", got, o.talk)
	}
	if strings.Contains(o.talk, "SECRET") {
		t.Errorf("the URL is shown:\n%s", o.talk)
	}
	err := filepath.WalkDir(filepath.Dir(path), func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if bytes.Contains(text, []byte("SECRET")) {
			t.Errorf("%s has the URL", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMailedNotices: mail by a real server, of which one recipient is refused, and the
// other hears of that.
func TestMailedNotices(t *testing.T) {
	t.Parallel()
	server := servertest.NewSMTP(t, false)
	o := newOffice(t, 3)
	o.write("notify.hcl", fmt.Sprintf("notify \"ops\" {\n on = [\"applied\", \"failed\"]\n mail {\n server = %q\n from = \"rollcall@example.com\"\n to = [\"refused@example.com\", \"it@example.com\"]\n"+
		" username = %q\n password = %q\n ca_file = %q\n }\n}\n", server.Address, server.User, server.Password, server.CA.File))
	o.apply(exitOK)
	taken := server.Taken()
	if len(taken) != 2 {
		t.Fatalf("%d mails\n%s", len(taken), o.talk)
	}
	applied, lost := taken[0], taken[1]
	if applied.To[0] != "it@example.com" || !strings.HasPrefix(applied.Text, "3 accounts changed\n") || !strings.Contains(applied.Text, "\np0@example.com\n  what      is added\n") ||
		!strings.Contains(applied.Text, "\nMore:\n  rollcall -C "+o.dir+" history show 1 --all\n") || !strings.Contains(applied.HTML, "p0@example.com") {
		t.Errorf("%s\n%s", applied.Text, applied.HTML)
	}
	if lost.To[0] != "it@example.com" || !strings.HasPrefix(lost.Text, "notify \"ops\" lost 1 notice\n") || !strings.Contains(strings.Join(strings.Fields(lost.Text), " "), "to refused@example.com: the server refused it") || !strings.Contains(lost.Text, "550") {
		t.Error(lost.Text)
	}
	if strings.Contains(o.talk, server.Password) || !strings.Contains(o.talk, "a notice is lost: notice \"applied\": to refused@example.com") {
		t.Error(o.talk)
	}
	// A server that is down costs no notice.
	server.Kill()
	o.people(4)
	o.apply(exitOK)
	if !strings.Contains(o.talk, "1 notice waits for the next run") {
		t.Error(o.talk)
	}
	server.Start()
	o.apply(exitOK)
	if taken = server.Taken(); len(taken) != 4 || !strings.HasPrefix(taken[2].Text, "1 account changed\n") {
		t.Errorf("%d mails\n%s", len(taken), o.talk)
	}
}

// TestUntold: what a person decides or the command line is wrong about is no notice, and
// a run that fails in front of a terminal is one.
func TestUntold(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 5)
	o.person(20, "p0@example.com")
	var out, talk bytes.Buffer
	s := &session{stdin: strings.NewReader("no\n"), stdout: &out, stderr: &talk, now: func() time.Time { return o.now }}
	s.in.Interactive = true
	if code := execute(t.Context(), []string{"-C", o.dir, "apply"}, s); code != exitDeclined {
		t.Fatalf("exit %d\n%s", code, talk.String())
	}
	o.apply(exitUsage, "--except", "colour:red")
	if got := lines(o.hook.next("/ops")); got != "" {
		t.Errorf("told %s", got)
	}
}

// TestExpiries: what is about to end is reported 30 days, 7 days and a day before, when
// it has ended, and once it is renewed.
func TestExpiries(t *testing.T) {
	t.Parallel()
	ca := servertest.NewCA(t)
	certificate := ca.Issue(t, servertest.Leaf{})
	leaf, err := x509.ParseCertificate(certificate.TLS.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	end := leaf.NotAfter // of the certificate; that of the password is five days later
	server := servertest.NewStub(t, servertest.StubOptions{CA: ca, Certificate: certificate})
	reader := servertest.Person(1)
	reader.Set("userPrincipalName", "svc@corp.example.com")
	password := func(at time.Time) {
		reader.Set("msDS-UserPasswordExpiryTimeComputed", fmt.Sprint((at.Unix()+11_644_473_600)*10_000_000))
		server.Put(reader)
	}
	password(end.AddDate(0, 0, 5))
	o := newOffice(t, 0)
	o.write("rollcall.hcl", fmt.Sprintf("directory \"corp\" {\n kind = \"active_directory\"\n urls = [%q]\n ca_file = %q\n bind_dn = \"svc@corp.example.com\"\n bind_password = \"secret\"\n}\n"+
		"domain \"example.com\" {}\nscope \"all\" {\n directory = directory.corp\n base_dn = %q\n}\n", server.LDAPS, ca.File, servertest.Base))
	o.write("notify.hcl", strings.Replace(o.hook.block("ops", "/ops"), `"applied",`, "", 1))
	days := func(n int) { o.now = end.Add(-time.Duration(n)*24*time.Hour + time.Minute) }
	said := func(want string) {
		t.Helper()
		if got := strings.ReplaceAll(o.apply(exitOK), "the certificate of "+server.LDAPS, "CERT"); got != want {
			t.Errorf("told\n%s\nand not\n%s", got, want)
		}
	}
	day := func(at time.Time) string { return at.UTC().Format(time.DateOnly) }
	cert := func(left string) string { return "CERT expires on " + day(end) + ", in " + left }
	const login = `the password of svc@corp.example.com in directory "corp" expires on `
	days(32)
	said("")
	days(30)
	said("credentials_expire begins: " + cert("29 days"))
	days(29)
	said("")
	days(25)
	said("credentials_expire begins: " + login + day(end.AddDate(0, 0, 5)) + ", in 29 days")
	days(7)
	said("credentials_expire changes: " + cert("6 days"))
	days(2)
	said("credentials_expire changes: " + login + day(end.AddDate(0, 0, 5)) + ", in 6 days")
	password(end.AddDate(1, 0, 0))
	days(1)
	said("credentials_expire changes: " + cert("23 hours") + "\ncredentials_expire over: over: the password of svc@corp.example.com in directory \"corp\" is renewed")
	days(0)
	said("credentials_expire changes: CERT expired on " + day(end))
	said("")
}

// TestNotifyTest sends one notice of each kind, and says what was not sent.
func TestNotifyTest(t *testing.T) {
	t.Parallel()
	o := newOffice(t, 1)
	notify := func(want exitCode, args ...string) string {
		t.Helper()
		out, talk, code := at(t.Context(), strings.NewReader(""), false, append([]string{"-C", o.dir, "notify", "test"}, args...)...)
		if code != want || out != "" {
			t.Errorf("exit %d\n%s%s", code, out, talk)
		}
		return talk
	}
	if talk := notify(exitOK); !strings.Contains(talk, fmt.Sprintf(`notify "ops": %d notices sent`, len(run.NoticeKinds))) {
		t.Error(talk)
	}
	taken := o.hook.next("/ops")
	if len(taken) != len(run.NoticeKinds) {
		t.Fatalf("%d notices", len(taken))
	}
	for i, n := range taken {
		if n.Kind != run.NoticeKinds[i] || !strings.HasPrefix(n.Title, "test of "+string(n.Kind)+": ") {
			t.Errorf("%+v", n)
		}
	}
	if talk := notify(exitFailed, "opps"); !strings.Contains(talk, "ops") {
		t.Error(talk)
	}
	o.hook.answer = func(string, int) int { return http.StatusForbidden }
	if talk := notify(exitFailed, "ops"); !strings.Contains(talk, "403") {
		t.Error(talk)
	}
	o.write("notify.hcl", "")
	if talk := notify(exitFailed); !strings.Contains(talk, "no notify block") {
		t.Error(talk)
	}
	if _, err := os.Stat(state.At(filepath.Join(o.dir, "rollcall.state.jsonl")).Folders()[0]); err == nil {
		t.Error("a test leaves something in the history")
	}
}
