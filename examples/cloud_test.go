package examples

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// This file is for the connectors of examples/graph and examples/google: a server
// that follows a script, and the protocol rollcall-directory/1 as rollcall speaks it.

// TestConnectorsShareDirectory: what the connectors have in common is one file.
func TestConnectorsShareDirectory(t *testing.T) {
	one, err := os.ReadFile("graph/directory.py")
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile("google/directory.py")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, other) {
		t.Error("graph/directory.py and google/directory.py differ: copy the one to the other")
	}
}

// object is a JSON object.
type object = map[string]any

// fault answers a request in place of the service, or returns false to let it.
type fault func(w http.ResponseWriter, r *http.Request) bool

// status answers with a status, and header fields as "Name: value".
func status(code int, body string, fields ...string) fault {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		for _, field := range fields {
			name, value, _ := strings.Cut(field, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
		return true
	}
}

// answered answers with success.
func answered(body string) fault { return status(http.StatusOK, body) }

// breaks sends a part of an answer and closes the connection.
func breaks(w http.ResponseWriter, _ *http.Request) bool {
	body := `{"value":[{"id":"cut off"}],"users":[]}`
	w.Header().Set("Content-Length", fmt.Sprint(2*len(body)))
	io.WriteString(w, body)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// breaksChunked does so where the length is not announced.
func breaksChunked(w http.ResponseWriter, _ *http.Request) bool {
	io.WriteString(w, `{"value":[`)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

// late answers nothing before the client has gone.
func late(_ http.ResponseWriter, r *http.Request) bool {
	select {
	case <-r.Context().Done():
	case <-time.After(20 * time.Second):
	}
	panic(http.ErrAbortHandler)
}

// drips sends an answer so slowly that it never ends, without a pause that a
// timeout of silence would notice.
func drips(w http.ResponseWriter, r *http.Request) bool {
	for r.Context().Err() == nil {
		io.WriteString(w, " ")
		w.(http.Flusher).Flush()
		time.Sleep(50 * time.Millisecond)
	}
	return true
}

// dripsHeader does so with a field of the header.
func dripsHeader(w http.ResponseWriter, _ *http.Request) bool {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nDrip: ")
	for end := time.Now().Add(20 * time.Second); err == nil && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
		_, err = io.WriteString(conn, "x")
	}
	return true
}

func passes(http.ResponseWriter, *http.Request) bool { return false }

// always repeats a fault more often than anybody asks.
func always(f fault) []fault { return slices.Repeat([]fault{f}, 50) }

// web is a server of HTTPS whose answers are those of a service, but for faults.
type web struct {
	URL string
	// CA is the file of the authority that has certified it.
	CA string

	mu      sync.Mutex
	service http.Handler
	faults  map[string][]fault // by path; the first is the next
	asked   []string           // methods and paths
}

func newWeb(t *testing.T, service http.Handler) *web {
	t.Helper()
	ca := servertest.NewCA(t)
	w := &web{CA: ca.File, service: service, faults: map[string][]fault{}}
	server := httptest.NewUnstartedServer(w)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, servertest.Leaf{}).TLS}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	w.URL = server.URL
	return w
}

func (s *web) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.URL.Path)
	var f fault
	if waiting := s.faults[r.URL.Path]; len(waiting) > 0 {
		f, s.faults[r.URL.Path] = waiting[0], waiting[1:]
	}
	s.mu.Unlock()
	if f == nil || !f(w, r) {
		s.service.ServeHTTP(w, r)
	}
}

// fails lets the next requests of a path have faults, in place of those before.
func (s *web) fails(path string, faults ...fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[path] = faults
}

// heals takes all faults away.
func (s *web) heals() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}

// times returns how often something was asked.
func (s *web) times(asked string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asked {
		if a == asked {
			n++
		}
	}
	return n
}

// reply writes JSON.
func reply(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	w.WriteHeader(code)
	w.Write(text)
}

// interpreter is the program behind python3, which may be a wrapper that takes its time.
var interpreter = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	return strings.TrimSpace(string(out)), err
})

// python returns the command that runs a connector.
func python(t *testing.T) string {
	t.Helper()
	path, err := interpreter()
	if err != nil {
		if os.Getenv("ROLLCALL_SERVERS") == "required" {
			t.Fatal(err)
		}
		t.Skip("there is no python3")
	}
	return path
}

// connector is a process that speaks rollcall-directory/1.
type connector struct {
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	pipe io.Closer // behind out
	log  record
	id   int
	said strings.Builder // every line
}

// record is a log that is read while it is written.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(b)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// connect starts a connector.
func connect(t *testing.T, script string) *connector {
	t.Helper()
	script, err := filepath.Abs(script)
	if err != nil {
		t.Fatal(err)
	}
	c := &connector{t: t, cmd: exec.Command(python(t), script)}
	c.cmd.Dir = t.TempDir()
	c.cmd.Env = append(os.Environ(), "no_proxy=127.0.0.1", "NO_PROXY=127.0.0.1")
	c.cmd.Stderr = &c.log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out, c.pipe = bufio.NewReaderSize(out, 1<<20), out
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		c.cmd.Wait()
		if t.Failed() {
			t.Logf("its log: %s", c.log.String())
		}
	})
	return c
}

// impatient returns a copy of a connector that gives up after 3 pages without a new
// object, not after 1,000.
func impatient(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	for _, path := range []string{script, filepath.Join(filepath.Dir(script), "directory.py")} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(path) == "directory.py" {
			if !bytes.Contains(text, []byte("\nSTALE = 1000 ")) {
				t.Fatal("the bound is not 1,000 pages")
			}
			text = bytes.Replace(text, []byte("\nSTALE = 1000 "), []byte("\nSTALE = 3 "), 1)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, filepath.Base(script))
}

// pool is a few processes of a connector that the parallel parts of a test share: each
// says hello anew.
type pool chan *connector

func newPool(t *testing.T, script string) pool {
	t.Helper()
	p := make(pool, 3)
	for range cap(p) {
		p <- connect(t, script)
	}
	return p
}

// take lends a connector to a part of a test.
func (p pool) take(t *testing.T) *connector {
	c := <-p
	c.t = t
	c.said.Reset()
	t.Cleanup(func() { p <- c })
	return c
}

// answer is what a connector answers to one request.
type answer struct {
	objects  []found
	progress []string
	last     object
}

// found is an object of a directory.
type found struct {
	DN         string              `json:"dn"`
	Deleted    bool                `json:"deleted"`
	Attributes map[string][]string `json:"attributes"`
}

// send writes a request.
func (c *connector) send(kind string, more object) {
	c.t.Helper()
	c.id++
	request := object{"id": c.id, "type": kind}
	maps.Copy(request, more)
	line, err := json.Marshal(request)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(line, '\n')); err != nil {
		c.t.Fatal(err)
	}
}

// ask sends a request and reads its answer.
func (c *connector) ask(kind string, more object) (a answer) {
	c.t.Helper()
	c.send(kind, more)
	for {
		line, err := c.out.ReadBytes('\n')
		if err != nil {
			c.t.Fatalf("%s: the connector has ended: %v", kind, err)
		}
		c.said.Write(line)
		var message object
		if err := json.Unmarshal(line, &message); err != nil {
			c.t.Fatalf("%s: the line %q is no message: %v", kind, line, err)
		}
		if message["id"] != float64(c.id) {
			c.t.Fatalf("%s: an answer to another request: %s", kind, line)
		}
		switch {
		case message["progress"] != nil:
			a.progress = append(a.progress, message["progress"].(string))
		case message["dn"] != nil:
			var f found
			if err := json.Unmarshal(line, &f); err != nil {
				c.t.Fatal(err)
			}
			a.objects = append(a.objects, f)
		default:
			a.last = message
			return a
		}
	}
}

// hello introduces rollcall, and fails the test if the connector refuses.
func (c *connector) hello(config object) {
	c.t.Helper()
	a := c.ask("hello", greeting(config))
	if a.last["error"] != nil {
		c.t.Fatalf("hello: %v", a.last)
	}
}

func greeting(config object) object {
	return object{"protocols": []int{1}, "rollcall": "0.2.0", "config": config, "directory": "cloud", "domains": []string{"example.com"}}
}

// read reads everything, and fails the test if the read is not complete.
func (c *connector) read() []found {
	c.t.Helper()
	a := c.ask("read", object{"scopes": []object{{"base": "", "filter": "(mail=*)"}}, "attributes": []string{"mail"}})
	if code := a.code(); code != "" {
		c.t.Fatalf("read: %s: %v", code, a.last)
	}
	return a.objects
}

// code returns that of the error; "" for a complete answer.
func (a answer) code() string {
	if e, ok := a.last["error"].(object); ok {
		return e["code"].(string)
	}
	if n, ok := a.last["objects"].(float64); ok && int(n) != len(a.objects) {
		return fmt.Sprintf("%d objects, and %v are announced", len(a.objects), n)
	}
	return ""
}

// message returns that of the error.
func (a answer) message() string {
	e, _ := a.last["error"].(object)
	text, _ := e["message"].(string)
	return text
}

// finding returns the status of a check, and what it says.
func (a answer) finding(check string) (status, says string) {
	findings, _ := a.last["findings"].([]any)
	for _, f := range findings {
		if f := f.(object); f["check"] == check {
			return f["status"].(string), f["evidence"].(string) + " " + f["remedy"].(string)
		}
	}
	return "", fmt.Sprint(a.last)
}

// named returns the objects that have a value, in the order of their DNs.
func named(all []found, attribute, value string) (some []found) {
	for _, f := range all {
		if slices.Contains(f.Attributes[attribute], value) {
			some = append(some, f)
		}
	}
	slices.SortFunc(some, func(a, b found) int { return strings.Compare(a.DN, b.DN) })
	return some
}

// one returns the only object that has a value.
func one(t *testing.T, all []found, attribute, value string) found {
	t.Helper()
	some := named(all, attribute, value)
	if len(some) != 1 {
		t.Fatalf("%d objects with %s=%s: %+v", len(some), attribute, value, all)
	}
	return some[0]
}

// has compares values of an object.
func has(t *testing.T, f found, want map[string]string) {
	t.Helper()
	for attribute, values := range want {
		if got := strings.Join(f.Attributes[attribute], " "); got != values {
			t.Errorf("%s: %s is %q, not %q", f.DN, attribute, got, values)
		}
	}
}

// silent fails the test if the connector has shown a text that nobody may see.
func (c *connector) silent(secret string) {
	c.t.Helper()
	if strings.Contains(c.said.String(), secret) || strings.Contains(c.log.String(), secret) {
		c.t.Errorf("the connector shows %q:\n%s\n%s", secret, c.said.String(), c.log.String())
	}
}

// ends waits until the process has ended.
func (c *connector) ends(within time.Duration) {
	c.t.Helper()
	done := make(chan struct{})
	go func() {
		io.Copy(io.Discard, c.out)
		c.cmd.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(within):
		c.t.Errorf("it has not ended within %v", within)
	}
}

// live is an example with a connector whose service is a web.
type live struct {
	t   *testing.T
	dir string
	run func(dir string, args ...string) (string, int)
	out strings.Builder // all that was written
}

// newLive returns a copy of an example whose connector asks the web. more are lines of
// its config.
func newLive(t *testing.T, name string, s *web, more string) *live {
	t.Helper()
	command := python(t)
	t.Setenv("no_proxy", "127.0.0.1")
	l := &live{t: t, dir: copied(t, name), run: program(t)}
	path := filepath.Join(l.dir, "rollcall.hcl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte(`["python3", `), fmt.Appendf(nil, "[%q, ", command), 1)
	at := regexp.MustCompile(`(?m)^  config = \{\n`).FindIndex(text)
	if at == nil {
		t.Fatalf("%s has no config", path)
	}
	more += fmt.Sprintf("\nca_file = %q\nmax_wait = 1\n", s.CA)
	if err := os.WriteFile(path, slices.Concat(text[:at[1]], []byte(more), text[at[1]:]), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, code := l.run(l.dir, "validate"); code != 0 {
		t.Fatalf("validate exits %d: %s", code, out)
	}
	return l
}

// does runs a command, and compares its exit code and what it says.
func (l *live) does(code int, says string, args ...string) string {
	l.t.Helper()
	out, got := l.run(l.dir, args...)
	l.out.WriteString(out)
	if got != code || !strings.Contains(out, says) {
		l.t.Errorf("rollcall %v exits %d, not %d, or does not say %q\n%s", args, got, code, says, out)
	}
	return out
}

// accounts returns the primary addresses of active accounts, in order.
func (l *live) accounts() string {
	l.t.Helper()
	out, code := l.run(l.dir, "state", "list", "-o", "json")
	if code != 0 {
		l.t.Fatalf("state list exits %d: %s", code, out)
	}
	var list []struct{ Primary, Status string }
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		l.t.Fatal(err)
	}
	var addresses []string
	for _, a := range list {
		if a.Status == "active" {
			addresses = append(addresses, a.Primary)
		}
	}
	slices.Sort(addresses)
	return strings.Join(addresses, " ")
}
