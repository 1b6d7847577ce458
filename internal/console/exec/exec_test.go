package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// many is how many accounts the largest console has.
const many = 100_000

// flooded is what a flood leaves behind, which ends anywhere.
var flooded = regexp.MustCompile(`wrote \d+ lines to standard error; .*$`)

// start prepares a console whose connector is the test program, which behaves as
// the name says.
func start(t testing.TB, behaviour string, o Options) *Console {
	t.Helper()
	o.Label, o.Owner, o.Release = "gateway", "hq", "0.2.0"
	o.Command = []string{os.Args[0], behaving + "=" + behaviour}
	c := New(o)
	t.Cleanup(func() { c.Close() })
	return c
}

// impatient makes the timeout short, once the connector is there.
func impatient(t *testing.T, c *Console, timeout time.Duration) {
	t.Helper()
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.host.Options.Timeout = timeout
}

// creations are steps that create accounts.
func creations(n int) (steps []apply.Step) {
	for i := range n {
		steps = append(steps, apply.Step{Key: fmt.Sprintf("k-%d", i), Group: i, By: "hq",
			After: &identity.Account{Primary: identity.MustAddress(fmt.Sprintf("new%d@example.com", i))}})
	}
	return steps
}

func read(c *Console) (accounts []identity.Live, receipt console.Receipt, err error) {
	receipt, err = c.Accounts(context.Background(), func(a identity.Live) error {
		accounts = append(accounts, a)
		return nil
	})
	return accounts, receipt, err
}

// TestSession: everything that a console is asked, in one process.
func TestSession(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traffic")
	t.Setenv(traffic, path)
	var log, progress []string
	c := start(t, "good", Options{Domains: []string{"example.com"}, Options: connector.Options{
		Config: []byte("{\n \"token\": \"s3cret\"\n}"),
		Log:    func(line string) { log = append(log, line) }, Progress: func(text string) { progress = append(progress, text) },
	}})
	if f := c.Facts(); f.Marks || f.Batch != 0 {
		t.Errorf("facts before it is open: %+v", f)
	}
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f := c.Facts(); !f.Marks || !f.DryRun || f.Batch != 7 {
		t.Errorf("facts %+v", f)
	}
	accounts, receipt, err := read(c)
	if want := (console.Receipt{Product: "acme-gateway", Version: "3.1", Accounts: 2}); err != nil || !reflect.DeepEqual(receipt, want) || len(accounts) != 2 {
		t.Fatalf("%v, %+v, %v", accounts, receipt, err)
	}
	after := accounts[0].Account
	after.Username = "ann"
	steps := append(creations(1),
		apply.Step{Key: "k-1", Live: &accounts[0], After: &after, By: "hq", Fields: []string{"username"}},
		apply.Step{Key: "k-2", Live: &accounts[1]})
	var got []string
	for _, do := range []func(context.Context, []apply.Step, func(int, apply.Answer)) error{c.Try, c.Apply} {
		if err := do(t.Context(), steps, func(i int, a apply.Answer) { got = append(got, fmt.Sprintf("%d %s %s", i, a.Ref, a.Rev)) }); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"0 new-0 1", "1 u-1 2", "2  ", "0 new-0 1", "1 u-1 2", "2  "}; !cmp.Equal(got, want) {
		t.Errorf("answers %q", got)
	}
	found, err := c.Get(t.Context(), []string{"u-1"}, []identity.Address{identity.MustAddress("ann@example.com")})
	if err != nil || len(found) != 1 || found[0].Ref != "u-1" {
		t.Errorf("get: %v, %v", found, err)
	}
	if found, err := c.Get(t.Context(), []string{"u-5"}, nil); err != nil || len(found) != 0 {
		t.Errorf("get of what is not there: %v, %v", found, err)
	}
	findings, err := c.Check(t.Context())
	if err != nil || len(findings) != 1 || findings[0] != (console.Finding{Check: "login", Status: "ok", Evidence: "as hq"}) {
		t.Errorf("check: %v, %v", findings, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	if err := c.Open(t.Context()); err == nil || err.Error() != `console "gateway" is closed` {
		t.Errorf("after the end: %v", err)
	}
	if want := []string{"3 changes"}; !cmp.Equal(log, want) {
		t.Errorf("log %q", log)
	}
	if want := []string{"at it"}; !cmp.Equal(progress, want) {
		t.Errorf("progress %q", progress)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "> ") {
			continue
		}
		var r request
		if err := json.Unmarshal([]byte(line[2:]), &r); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, fmt.Sprintf("%d %s", r.ID, r.Type))
	}
	if want := []string{"1 hello", "2 read", "3 try", "4 apply", "5 get", "6 get", "7 check", "8 bye"}; !cmp.Equal(kinds, want) {
		t.Errorf("requests %q", kinds)
	}
	const hello = `> {"id":1,"type":"hello","protocols":[1],"rollcall":"0.2.0","config":{"token":"s3cret"},"domains":["example.com"],"owner":"hq"}`
	if first, _, _ := strings.Cut(string(text), "\n"); first != hello {
		t.Errorf("hello is %s", first)
	}
	lined.Validate(t, string(text))
}

// TestTry: who cannot try is not asked to, and who cannot check has found nothing.
func TestTry(t *testing.T) {
	c := start(t, "knows little", Options{})
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := c.Try(t.Context(), creations(1), nil)
	if apply.CodeOf(err) != apply.Unsupported {
		t.Errorf("try: %v", err)
	}
	if found, err := c.Check(t.Context()); err != nil || len(found) != 0 {
		t.Errorf("check: %v, %v", found, err)
	}
}

// TestAnswers: what a connector says to single changes.
func TestAnswers(t *testing.T) {
	c := start(t, "says this and that", Options{})
	live := identity.Live{Ref: "u-9"}
	steps := append(creations(4), apply.Step{Key: "k-4", Live: &live, After: &identity.Account{}, Fields: []string{"dn"}})
	got := map[int]apply.Answer{}
	if err := c.Apply(t.Context(), steps, func(i int, a apply.Answer) { got[i] = a }); err != nil {
		t.Fatal(err)
	}
	want := map[int]apply.Answer{
		0: {Err: &apply.Error{Code: apply.Taken, Message: "taken", Address: "x@example.com", Holder: "u-9"}},
		1: {Err: &apply.Error{Code: apply.Throttled, RetryAfter: 1500 * time.Millisecond}},
		2: {Err: &apply.Error{Code: apply.Internal, Message: `red \u001b[31m`}},
		3: {Ref: "u-3", Rev: "7", Found: &identity.Live{Ref: "u-3", Odd: `primary "?": an address has exactly one @`}},
		4: {Ref: "u-9"},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b identity.Address) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestLongRequests: what is too long for one request goes in several, and no group
// is divided.
func TestLongRequests(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traffic")
	t.Setenv(traffic, path)
	c := start(t, "good", Options{})
	steps := creations(8)
	for i := range steps {
		steps[i].Group = i / 2
		steps[i].After.DN = strings.Repeat("x", 3<<20)
	}
	steps[6].After.DN = strings.Repeat("x", 14<<20)
	answered := map[int]string{}
	if err := c.Apply(t.Context(), steps, func(i int, a apply.Answer) { answered[i] = fmt.Sprint(apply.CodeOf(errorOf(a))) }); err != nil {
		t.Fatal(err)
	}
	if want := map[int]string{0: "", 1: "", 2: "", 3: "", 4: "", 5: "", 6: "unsupported", 7: "unsupported"}; !cmp.Equal(answered, want) {
		t.Errorf("%v", answered)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `"type":"apply"`); n != 3 {
		t.Errorf("%d requests", n)
	}
}

// TestEndsBetween: who ends when nothing is asked of it is started again.
func TestEndsBetween(t *testing.T) {
	c := start(t, "ends between", Options{})
	for range connector.Restarts {
		if _, _, err := read(c); err != nil {
			t.Fatal(err)
		}
		for c.host.Processes() > 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// TestCancel: when a run is interrupted, the connector is told to begin no other
// change, and what it says of all of them is heard.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := start(t, "is cancelled", Options{})
	var got []string
	err := c.Apply(ctx, creations(3), func(i int, a apply.Answer) {
		got = append(got, fmt.Sprint(i, " ", apply.CodeOf(errorOf(a))))
		cancel()
	})
	if want := []string{"0 ", "1 ", "2 cancelled"}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	got = nil
	err = c.Apply(ctx, creations(2), func(i int, a apply.Answer) { got = append(got, fmt.Sprint(i, " ", apply.CodeOf(errorOf(a)))) })
	if want := []string{"0 cancelled", "1 cancelled"}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("when it is interrupted already: %q, %v", got, err)
	}
}

func errorOf(a apply.Answer) error {
	if a.Err == nil {
		return nil
	}
	return a.Err
}

// TestInterrupted: who reads when a run is interrupted is ended.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := start(t, "reads for ever", Options{})
	_, err := c.Accounts(ctx, func(identity.Live) error {
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || c.host.Processes() > 0 {
		t.Errorf("%v, %d processes", err, c.host.Processes())
	}
	stop := errors.New("enough")
	if _, err := c.Accounts(t.Context(), func(identity.Live) error { return stop }); err != stop || c.host.Processes() > 0 {
		t.Errorf("ended by its reader: %v, %d processes", err, c.host.Processes())
	}
}

// TestSilence: every message counts as a sign of life, for as long as it comes.
func TestSilence(t *testing.T) {
	c := start(t, "takes its time", Options{})
	impatient(t, c, time.Second)
	if _, _, err := read(c); err != nil {
		t.Error(err)
	}
}

// TestEnd: who does not end is made to, with all that it has started.
func TestEnd(t *testing.T) {
	for _, name := range []string{"ends when asked", "ends at the end of its input", "ends when told", "does not end", "leaves a child behind"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var pids []int
			c := start(t, name, Options{Options: connector.Options{Log: func(line string) {
				var pid int
				fmt.Sscan(line, &pid)
				pids = append(pids, pid)
			}}})
			c.host.Options.Grace = 300 * time.Millisecond
			if _, _, err := read(c); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if len(pids) == 0 {
				t.Error("no process was named")
			}
			for _, pid := range pids {
				if running(pid) {
					t.Errorf("process %d is still there", pid)
				}
			}
		})
	}
}

// running reports whether a process runs; one that has ended and that nobody has
// waited for does not.
func running(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// TestStray: what is written when nothing is asked is reported in the end.
func TestStray(t *testing.T) {
	c := start(t, "has a last word", Options{})
	if err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err == nil || err.Error() != `console "gateway": the connector wrote something that belongs to no request: "bye bye"` {
		t.Errorf("%v", err)
	}
}

// TestConcurrency: as many requests at a time as there may be processes, and no
// more processes than are needed.
func TestConcurrency(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traffic")
	t.Setenv(traffic, path)
	c := start(t, "good", Options{Options: connector.Options{Concurrency: 3}})
	for range 3 {
		if _, _, err := read(c); err != nil {
			t.Fatal(err)
		}
	}
	if c.host.Processes() != 1 {
		t.Errorf("%d processes for one request at a time", c.host.Processes())
	}
	gate := make(chan struct{})
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			steps := creations(1)
			steps[0].Key = fmt.Sprint("p-", i)
			if err := c.Apply(t.Context(), steps, func(int, apply.Answer) {
				if i < 3 {
					gate <- struct{}{}
				}
			}); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 {
		<-gate
	}
	all.Wait()
	if n := c.host.Processes(); n < 1 || n > 3 {
		t.Errorf("%d processes", n)
	}
}

// TestOtherFacts: each process states the same facts.
func TestOtherFacts(t *testing.T) {
	c := start(t, "other facts", Options{Options: connector.Options{Concurrency: 2}})
	_, err := c.Accounts(t.Context(), func(identity.Live) error {
		_, _, err := read(c)
		return err
	})
	if err == nil || err.Error() != `console "gateway": the connector states other facts than when it was started first` {
		t.Errorf("%v", err)
	}
}

// TestSecrets: nothing of the configuration reaches an error, a log, an argument
// or the environment of the connector.
func TestSecrets(t *testing.T) {
	const token, pin, key, quoted = "tok-5f3c9a", "4711", "-----BEGIN KEY-----\nabcdefgh\nijklmnop\n-----END KEY-----", `pa"ss\wörd`
	config, err := json.Marshal(map[string]any{"token": token, "deep": []any{map[string]string{"pin": pin, "key": key, "quoted": quoted}}, "n": 12345, "short": "abc"})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GATEWAY_TOKEN", token)
	t.Setenv("GATEWAY_REGION", "north")
	var heard, told []string
	hear := func(text string) { heard = append(heard, text) }
	c := start(t, "tells secrets", Options{Options: connector.Options{Config: config, Log: hear, Progress: hear, Mask: func(text string) string { return strings.ReplaceAll(text, "north", "(region)") }}})
	_, receipt, err := read(c)
	told = append(told, fmt.Sprint(receipt), err.Error())
	steps := creations(1)
	if err := c.Apply(t.Context(), steps, func(_ int, a apply.Answer) { told = append(told, a.Err.Error()) }); err != nil {
		told = append(told, err.Error())
	}
	findings, err := c.Check(t.Context())
	told = append(told, fmt.Sprint(findings, err), fmt.Sprint(c.host.Greeting()))
	if err := c.Close(); err != nil {
		told = append(told, err.Error())
	}
	all := strings.Join(append(heard, told...), "\n")
	for _, secret := range []string{token, pin, "abcdefgh", "ijklmnop", "BEGIN", `pa"ss`, `pa\"ss`, "w%C3%B6rd", "north"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is shown:\n%s", secret, all)
		}
	}
	for _, want := range []string{"abc", "GATEWAY_TOKEN is not there", "GATEWAY_REGION=(region)", "token (secret)", "PATH is there"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not shown:\n%s", want, all)
		}
	}
}

// host is a rollcall that reads through a connector until it is killed.
func host(lock string) {
	os.Unsetenv(hosting)
	c := New(Options{Options: connector.Options{Label: "gateway", Command: []string{os.Args[0]}, LockFile: lock, Log: func(line string) { fmt.Println(line) }}})
	_, err := c.Accounts(context.Background(), func(identity.Live) error { return nil })
	fmt.Println(err)
	os.Exit(1)
}

// TestHostKilled: the connector of a rollcall that was killed is waited for, and
// named if it does not end. When it has ended, the next one is started.
func TestHostKilled(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no lock")
	}
	lock := filepath.Join(t.TempDir(), "console.lock")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), hosting+"="+lock, behaving+"=outlives")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 8)
	if n, err := out.Read(line); err != nil || string(line[:n]) != "reading\n" {
		t.Fatalf("%q, %v", line[:n], err)
	}
	cmd.Process.Kill()
	cmd.Wait()

	text, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(string(text))
	c := start(t, "good", Options{Options: connector.Options{LockFile: lock, Timeout: 200 * time.Millisecond}})
	err = c.Open(t.Context())
	var late *console.ReadError
	if want := `console "gateway": the connector of an earlier run is still at work (process ` + pid + `) after 200ms`; !errors.As(err, &late) || err.Error() != want {
		t.Fatalf("%v, want %s", err, want)
	}
	if !strings.Contains(late.Hint(), "kill -TERM -"+pid) {
		t.Errorf("hint %q", late.Hint())
	}
	if mode, err := os.Stat(lock); err != nil || mode.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", mode.Mode(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c = start(t, "good", Options{Options: connector.Options{LockFile: lock}})
	time.AfterFunc(20*time.Millisecond, cancel)
	if err := c.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted while it waits: %v", err)
	}

	opened := make(chan error)
	go func() { opened <- c.Open(t.Context()) }()
	var number int
	fmt.Sscan(pid, &number)
	if p, err := os.FindProcess(number); err == nil {
		p.Kill()
	}
	if err := <-opened; err != nil {
		t.Errorf("when it has ended: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(lock); err != nil || len(text) > 0 {
		t.Errorf("in the end the lock file has %q, %v", text, err)
	}
}

// TestEndOfInput: the connector of a rollcall that was killed sees the end of its
// input.
func TestEndOfInput(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "console.lock")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), hosting+"="+lock, behaving+"=waits for its input")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 8)
	if n, err := out.Read(line); err != nil || string(line[:n]) != "reading\n" {
		t.Fatalf("%q, %v", line[:n], err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	c := start(t, "good", Options{Options: connector.Options{LockFile: lock}})
	if err := c.Open(t.Context()); err != nil {
		t.Error(err)
	}
}

func init() {
	for name, f := range map[string]func(*program){
		"knows little": says("check", `{"id":%d,"error":{"code":"unsupported","message":"check"}}`),
		"says this and that": says("apply",
			`{"id":%d,"key":"k-2","error":{"code":"broken","message":"red \u001b[31m"}}`,
			`{"id":%d,"key":"k-0","error":{"code":"taken","message":"taken","address":"x@example.com","holder":"u-9"}}`,
			`{"id":%d,"key":"k-1","ok":null,"error":{"code":"throttled","retry_after":1.5}}`,
			`{"id":%d,"key":"k-3","ok":true,"ref":"u-3","rev":"7","account":{"ref":"u-3","primary":"?"},"took":0.3}`,
			`{"id":%d,"key":"k-4","ok":true}`,
			`{"id":%d,"done":5.0}`),
		"is cancelled": on("apply", func(k *program, r request) {
			k.made(r, 0)
			if told := k.hear(); told.Type != "cancel" || told.Target != r.ID || told.ID != 0 {
				os.Exit(1)
			}
			k.made(r, 1) // was at hand
			k.say(`{"id":%d,"key":"k-2","error":{"code":"cancelled","message":"interrupted"}}`, r.ID)
			k.say(`{"id":%d,"done":3}`, r.ID)
		}),
		"reads for ever": on("read", func(k *program, r request) {
			k.say(`{"id":%d,"account":%s}`, r.ID, account("u-1", "ann@example.com"))
			time.Sleep(time.Hour)
		}),
		"takes its time": on("read", func(k *program, r request) {
			for range 3 {
				time.Sleep(400 * time.Millisecond)
				k.say(`{"id":%d,"progress":"a page"}`, r.ID)
			}
			k.answer(r)
		}),
		"ends between": on("read", func(k *program, r request) {
			k.answer(r)
			os.Exit(0)
		}),
		"ends at work": on("apply", func(*program, request) { os.Exit(5) }),
		"never lucky":  on("get", func(*program, request) { os.Exit(6) }),
		"third time lucky": on("get", func(k *program, r request) {
			dir := os.Getenv("ROLLCALL_TEST_COUNT")
			os.WriteFile(filepath.Join(dir, fmt.Sprint(os.Getpid())), nil, 0o600)
			if before, _ := os.ReadDir(dir); len(before) < 3 {
				os.Exit(6)
			}
			k.answer(r)
		}),
		"ends when asked": on("read", func(k *program, r request) {
			fmt.Fprintln(os.Stderr, os.Getpid())
			k.answer(r)
		}),
		"ends at the end of its input": func(k *program) {
			fmt.Fprintln(os.Stderr, os.Getpid())
			k.serve(map[string]func(request){"bye": func(request) {}})
		},
		"ends when told": func(k *program) {
			fmt.Fprintln(os.Stderr, os.Getpid())
			k.serve(map[string]func(request){"bye": func(request) { time.Sleep(time.Hour) }})
		},
		"does not end": func(k *program) {
			fmt.Fprintln(os.Stderr, os.Getpid())
			k.serve(map[string]func(request){"bye": func(request) { hang() }})
		},
		"leaves a child behind": func(k *program) {
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), behaving+"=is deaf")
			child.Stdout, child.Stderr = os.Stdout, os.Stderr
			child.Start()
			fmt.Fprintln(os.Stderr, child.Process.Pid)
			k.serve(nil)
		},
		"is deaf": func(*program) {
			signal.Ignore(syscall.SIGTERM)
			hang()
		},
		"has a last word": on("bye", func(k *program, r request) {
			k.say("bye bye")
			os.Exit(0)
		}),
		"waits for its input": on("read", func(k *program, r request) {
			fmt.Fprintln(os.Stderr, "reading")
			k.hear()
		}),
		"tells secrets": func(k *program) {
			var config struct {
				Token, Short string
				Deep         []struct{ Pin, Key, Quoted string }
			}
			var all bytes.Buffer
			tell := func(format string, args ...any) string {
				text, _ := json.Marshal(fmt.Sprintf(format, args...))
				return string(text)
			}
			k.serve(map[string]func(request){
				"hello": func(r request) {
					json.Unmarshal(r.Config, &config)
					d := config.Deep[0]
					fmt.Fprintf(&all, "token %s, pin %s, short %s, quoted %s, key %s", config.Token, d.Pin, config.Short, d.Quoted, d.Key)
					fmt.Fprintf(os.Stderr, "%s\nargs %s\n%s\n", all.String(), os.Args, strings.Repeat("x", 64<<10-4)+config.Token)
					for _, name := range []string{"GATEWAY_TOKEN", "PATH"} {
						is := "is not there"
						if _, ok := os.LookupEnv(name); ok {
							is = "is there"
						}
						fmt.Fprintln(os.Stderr, name, is)
					}
					fmt.Fprintln(os.Stderr, "GATEWAY_REGION="+os.Getenv("GATEWAY_REGION"))
					k.say(`{"id":%d,"protocol":1,"name":%s,"version":%s}`, r.ID, tell("%s", config.Token), tell("%s", d.Pin))
				},
				"read": func(r request) {
					k.say(`{"id":%d,"progress":%s}`, r.ID, tell("%s", &all))
					k.raw(string(r.Config) + tell("%s", &all) + "\n")
				},
				"apply": func(r request) {
					k.say(`{"id":%d,"key":"k-0","error":{"message":%s,"holder":%s,"address":%s}}`, r.ID, tell("%s", &all), tell("%s", config.Token), tell("%s", config.Deep[0].Pin))
					k.say(`{"id":%d,"done":1}`, r.ID)
				},
				"check": func(r request) {
					k.say(`{"id":%d,"findings":[{"check":%[2]s,"status":"failed","evidence":%[2]s,"remedy":%[2]s}]}`, r.ID, tell("%s", &all))
				},
			})
		},
	} {
		more[name] = f
		behaviours[name] = f
	}
}

// BenchmarkRead measures what the protocol takes of a read of 100,000 accounts:
// the connector's own time is in it.
func BenchmarkRead(b *testing.B) {
	c := start(b, "many", Options{})
	for b.Loop() {
		before := memory()
		accounts, _, err := read(c)
		if err != nil || len(accounts) != many {
			b.Fatalf("%d accounts, %v", len(accounts), err)
		}
		b.ReportMetric(float64(memory()-before)/(1<<20), "MiB")
		runtime.KeepAlive(accounts)
	}
}

// memory is what is taken from the operating system's point of view, after what
// nobody needs is thrown away.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
