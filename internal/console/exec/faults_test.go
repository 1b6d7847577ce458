package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// fault is a connector that does something wrong, and what is said of it.
type fault struct {
	name      string
	connector func(*program)
	want      string // without the name of the console
	hint      string // a part
}

const cleanStream = "Keep the stream clean"

// readFaults go wrong while everything is read.
var readFaults = []fault{
	{"dies", on("read", func(k *program, r request) {
		fmt.Fprintln(os.Stderr, "Traceback:")
		fmt.Fprintln(os.Stderr, "no such host")
		os.Exit(3)
	}), `the connector ended (exit status 3) before it answered read; the last on standard error: Traceback: | no such host`, "its log says why"},
	{"dies in the middle", on("read", func(k *program, r request) {
		k.say(`{"id":%d,"account":%s}`, r.ID, account("u-1", "ann@example.com"))
		os.Exit(0)
	}), `the connector ended (exit status 0) before it answered read`, "its log says why"},
	{"hangs", on("read", func(*program, request) { hang() }),
		`the connector was silent for 300ms before it answered read`, "progress answers"},
	{"floods standard error", on("read", func(*program, request) { flood(os.Stderr, "retrying\n") }),
		`the connector was silent for 300ms before it answered read, but wrote N lines to standard error`, "progress answers"},
	{"floods standard output", on("read", func(*program, request) { flood(os.Stdout, "0123456789abcdef") }),
		`the connector wrote more than 16 MiB without a newline: "` + strings.Repeat("0123456789abcdef", 5) + `…"`, cleanStream},
	{"prints", says("read", "Connecting to \x1b[1mgateway\x1b[0m...", `{"id":%d,"accounts":0,"complete":true}`),
		`the connector wrote a line that is no message (it is not JSON: invalid character 'C' looking for beginning of value): "Connecting to \u001b[1mgateway\u001b[0m..."`, cleanStream},
	{"prints nothing", says("read", "", `{"id":%d,"accounts":0,"complete":true}`),
		`the connector wrote a line that is no message (it is empty): ""`, cleanStream},
	{"answers a list", says("read", `[{"id":%d}]`),
		`the connector wrote a line that is no message (it is a list, where an object is expected): "[{"id":2}]"`, cleanStream},
	{"writes another charset", says("read", "{\"id\":%d,\"progress\":\"M\xfcller\"}"),
		"the connector wrote a line that is no message (it is not valid UTF-8): \"{\"id\":2,\"progress\":\"M\ufffdller\"}\"", cleanStream},
	{"has no newline", on("read", func(k *program, r request) {
		k.raw(`{"id":2,"accounts":0,"complete":true}`)
		os.Exit(0)
	}), `the connector ended its output in the middle of a line: "{"id":2,"accounts":0,"complete":true}"`, cleanStream},
	{"closes standard output", on("read", func(*program, request) {
		os.Stdout.Close()
		hang()
	}), `the connector closed its standard output before it answered read`, "its log says why"},
	{"answers another id", says("read", `{"id":7,"accounts":0,"complete":true}`),
		`the connector answered request 7, and was asked 2: "{"id":7,"accounts":0,"complete":true}"`, "console-protocol.md"},
	{"answers a request that ended", says("read", `{"id":1,"accounts":0,"complete":true}`),
		`the connector wrote an answer to request 1 after that had ended: "{"id":1,"accounts":0,"complete":true}"`, "console-protocol.md"},
	{"counts wrong", says("read", `{"id":%d,"account":{"ref":"u-1"}}`, `{"id":%d,"accounts":2,"complete":true}`),
		`the connector says that it sent 2 accounts, and sent 1: "{"id":2,"accounts":2,"complete":true}"`, "console-protocol.md"},
	{"is not complete", says("read", `{"id":%d,"accounts":0}`),
		`the connector ended its accounts without "complete": true: "{"id":2,"accounts":0}"`, "could not read all"},
	{"sends one twice", says("read", `{"id":%d,"account":{"ref":"u-1"}}`, `{"id":%d,"account":{"ref":"u-1"}}`),
		`the connector sent twice the account with ref "u-1": "{"id":2,"account":{"ref":"u-1"}}"`, "a page of a list"},
	{"has no ref", says("read", `{"id":%d,"account":{"primary":"ann@example.com"}}`),
		`the connector sent account "ann@example.com" without a ref: "{"id":2,"account":{"primary":"ann@example.com"}}"`, `"ref_stable": false`},
	{"answers something else", says("read", `{"id":%d,"done":3}`),
		`the connector answered read with a message that does not belong there: "{"id":2,"done":3}"`, "console-protocol.md"},
	{"goes on", on("read", func(k *program, r request) {
		k.raw("{\"id\":2,\"accounts\":0,\"complete\":true}\n{\"id\":2,\"account\":{\"ref\":\"u-1\"}}\n")
	}), `the connector wrote more after the end of its answers: "{"id":2,"account":{"ref":"u-1"}}` + `\n"`, "console-protocol.md"},
	{"fails", says("read", `{"id":%d,"error":{"code":"temporary","message":"the database is locked"}}`),
		`the database is locked`, "try again later"},
	{"does not know read", says("read", `{"id":%d,"error":{"code":"unsupported","message":"what is read?"}}`),
		`what is read?`, "does not know this request"},
}

// helloFaults go wrong before anything is read.
var helloFaults = []fault{
	{"speaks version 2", says("hello", `{"id":%d,"protocol":2}`),
		`the connector speaks version 2 of the protocol, and rollcall version 1: "{"id":1,"protocol":2}"`, "take a connector that speaks version 1"},
	{"speaks no version", says("hello", `{"id":%d,"name":"x"}`),
		`the connector answered hello without saying which protocol it speaks: "{"id":1,"name":"x"}"`, "take a connector that speaks version 1"},
	{"states wrong facts", says("hello", `{"id":%d,"protocol":1,"facts":{"inactive":"perhaps"}}`),
		`the connector stated facts that are wrong: facts: inactive "perhaps" is neither "kept" nor "removed": "{"id":1,"protocol":1,"facts":{"inactive":"perhaps"}}"`, "console-protocol.md"},
	{"ends at once", func(*program) { os.Exit(1) },
		`the connector ended (exit status 1) before it answered hello`, "its log says why"},
	{"does not listen", func(k *program) {
		os.Stdin.Close()
		fmt.Fprintln(os.Stderr, "no licence")
		os.Exit(4)
	}, `the connector ended (exit status 4) before it answered hello; the last on standard error: no licence`, "its log says why"},
}

// TestReadFaults: whatever goes wrong before anything was applied is a read that
// failed, in its own words, and leaves no process behind.
func TestReadFaults(t *testing.T) {
	for _, f := range append(readFaults, helloFaults...) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c := start(t, f.name, Options{})
			c.host.Options.Grace = time.Second
			if strings.Contains(f.want, "silent for 300ms") {
				impatient(t, c, 300*time.Millisecond)
			}
			_, err := c.Accounts(t.Context(), func(identity.Live) error { return nil })
			checkFault(t, f, err)
			if err := c.Close(); err != nil || c.host.Processes() > 0 {
				t.Errorf("%d processes are left, %v", c.host.Processes(), err)
			}
		})
	}
}

func checkFault(t *testing.T, f fault, err error) {
	t.Helper()
	var read *console.ReadError
	if !errors.As(err, &read) {
		t.Fatalf("%T: %v", err, err)
	}
	text := flooded.ReplaceAllString(err.Error(), "wrote N lines to standard error")
	if want := `console "gateway": ` + f.want; text != want {
		t.Errorf("reported:\n%s\nwant:\n%s", text, want)
	}
	if !strings.Contains(read.Hint(), f.hint) {
		t.Errorf("hint %q, want %q", read.Hint(), f.hint)
	}
}

// applyFaults go wrong after the first of three changes was answered.
var applyFaults = []fault{
	{"apply: dies", on("apply", func(k *program, r request) {
		k.made(r, 0)
		os.Exit(9)
	}), `the connector ended (exit status 9) before it answered apply`, "its log says why"},
	{"apply: hangs", on("apply", func(k *program, r request) {
		k.made(r, 0)
		hang()
	}), `the connector was silent for 300ms before it answered apply`, "progress answers"},
	{"apply: prints", on("apply", func(k *program, r request) {
		k.made(r, 0)
		k.say("1 of 3 done")
	}), `the connector wrote a line that is no message (it is not JSON: invalid character 'o' after top-level value): "1 of 3 done"`, cleanStream},
	{"apply: has no newline", on("apply", func(k *program, r request) {
		k.made(r, 0)
		k.raw(`{"id":3,"key":"k-1","ok":true,"ref":"u-2"}`)
		os.Exit(0)
	}), `the connector ended its output in the middle of a line: "{"id":3,"key":"k-1","ok":true,"ref":"u-2"}"`, cleanStream},
	{"apply: answers another id", on("apply", func(k *program, r request) {
		k.made(r, 0)
		k.say(`{"id":9,"key":"k-1","ok":true}`)
	}), `the connector answered request 9, and was asked 2: "{"id":9,"key":"k-1","ok":true}"`, ""},
	{"apply: answers twice", on("apply", func(k *program, r request) {
		k.made(r, 0)
		k.made(r, 0)
	}), `the connector answered change "k-0" twice: "{"id":2,"key":"k-0","ok":true,"ref":"new-0","rev":"1"}"`, ""},
	{"apply: answers an unknown key", on("apply", func(k *program, r request) {
		k.made(r, 0)
		k.say(`{"id":2,"key":"k-9","ok":true}`)
	}), `the connector answered change "k-9", for which it was not asked: "{"id":2,"key":"k-9","ok":true}"`, ""},
	{"apply: says neither", on("apply", func(k *program, r request) {
		k.made(r, 0)
		k.say(`{"id":2,"key":"k-1","ok":false}`)
	}), `the connector answered change "k-1" with neither "ok": true nor an error: "{"id":2,"key":"k-1","ok":false}"`, ""},
	{"apply: gives no ref", on("apply", func(k *program, r request) {
		k.made(r, 0)
		k.say(`{"id":2,"key":"k-1","ok":true}`)
	}), `the connector created the account of change "k-1" and gave it no ref: "{"id":2,"key":"k-1","ok":true}"`, ""},
	{"apply: counts wrong", on("apply", func(k *program, r request) {
		k.made(r, 0)
		k.say(`{"id":2,"done":3}`)
	}), `the connector says that it answered 3 changes, and answered 1: "{"id":2,"done":3}"`, ""},
	{"apply: leaves one out", on("apply", func(k *program, r request) {
		k.made(r, 0)
		k.say(`{"id":2,"done":1}`)
	}), `the connector was done without an answer to change "k-1": "{"id":2,"done":1}"`, ""},
	{"apply: answers something else", on("apply", func(k *program, r request) {
		k.made(r, 0)
		k.say(`{"id":2,"accounts":1}`)
	}), `the connector answered apply with a message that does not belong there: "{"id":2,"accounts":1}"`, ""},
}

// TestApplyFaults: answers that came count, the others are unknown, and the next
// request is made of another process.
func TestApplyFaults(t *testing.T) {
	for _, f := range applyFaults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			c := start(t, f.name, Options{})
			c.host.Options.Grace = time.Second
			if strings.Contains(f.want, "silent for 300ms") {
				impatient(t, c, 300*time.Millisecond)
			}
			var got []string
			err := c.Apply(t.Context(), creations(3), func(i int, a apply.Answer) { got = append(got, fmt.Sprint(i, a.Ref, a.Err)) })
			if len(got) != 1 || got[0] != "0new-0<nil>" {
				t.Errorf("answers %v", got)
			}
			if errors.As(err, new(*console.ReadError)) || apply.CodeOf(err) != "" {
				t.Errorf("reported as a failed read or as an error of the console: %v", err)
			}
			checkFault(t, f, c.unread(err))
			c.host.Options.Timeout = time.Minute
			found, err := c.Get(t.Context(), []string{"u-1"}, nil)
			if err != nil || len(found) != 1 {
				t.Errorf("the next process: %v, %v", found, err)
			}
		})
	}
}

// TestRefusals: an error of a whole request says by its type what ends the run.
func TestRefusals(t *testing.T) {
	for _, code := range []apply.Code{apply.Auth, apply.Misused, apply.Throttled, apply.Internal} {
		for _, at := range []string{"hello", "read", "apply"} {
			t.Run(fmt.Sprintf("%s %s", at, code), func(t *testing.T) {
				t.Parallel()
				c := start(t, fmt.Sprintf("%s %s", at, code), Options{})
				_, err := c.Accounts(t.Context(), func(identity.Live) error { return nil })
				if at == "apply" {
					if err != nil {
						t.Fatal(err)
					}
					err = c.Apply(t.Context(), creations(2), func(int, apply.Answer) {})
				}
				var said *apply.Error
				if !errors.As(err, &said) || said.Code != code || said.Message != "it says no" {
					t.Fatalf("%T: %v", err, err)
				}
				if code == apply.Throttled && said.RetryAfter != 2*time.Second {
					t.Errorf("wait %v", said.RetryAfter)
				}
				if refused := errors.As(err, new(*console.RefusedError)); refused != (code == apply.Auth) {
					t.Errorf("refused credentials: %T %v", err, err)
				}
				if read := errors.As(err, new(*console.ReadError)); read != (at != "apply" && code != apply.Auth && code != apply.Misused) {
					t.Errorf("a failed read: %T %v", err, err)
				}
				if want := `console "gateway": it says no`; err.Error() != want {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// more are the behaviours of other tests.
var more = func() map[string]func(*program) {
	all := map[string]func(*program){}
	for _, code := range []apply.Code{apply.Auth, apply.Misused, apply.Throttled, apply.Internal} {
		for _, at := range []string{"hello", "read", "apply"} {
			all[fmt.Sprintf("%s %s", at, code)] = says(at, fmt.Sprintf(`{"id":%%d,"error":{"code":%q,"message":"it says no","retry_after":2}}`, code))
		}
	}
	return all
}()

// TestUnreachable: a console is given up after three restarts without a good
// answer between them.
func TestUnreachable(t *testing.T) {
	c := start(t, "ends at work", Options{})
	for n := range connector.Restarts + 2 {
		err := c.Apply(t.Context(), creations(1), func(int, apply.Answer) { t.Error("an answer") })
		var read *console.ReadError
		if got := errors.As(err, &read); got != (n >= connector.Restarts) {
			t.Errorf("after %d restarts: %v", n, err)
		}
		if read != nil && read.Error() != `console "gateway": not reachable: started again 3 times, the connector ended (exit status 5) before it answered apply` {
			t.Errorf("%v", read)
		}
	}
	c = start(t, "ends at work", Options{})
	for range 2 * connector.Restarts {
		if err := c.Apply(t.Context(), creations(1), nil); err == nil || errors.As(err, new(*console.ReadError)) {
			t.Errorf("with good answers between: %v", err)
		}
		if found, err := c.Get(t.Context(), []string{"u-1"}, nil); err != nil || len(found) != 1 {
			t.Errorf("get: %v, %v", found, err)
		}
	}
}

// TestGetAgain: who is lost while it is asked for accounts is started again and
// asked again, three times.
func TestGetAgain(t *testing.T) {
	t.Setenv("ROLLCALL_TEST_COUNT", t.TempDir())
	c := start(t, "third time lucky", Options{})
	if found, err := c.Get(t.Context(), []string{"u-1"}, nil); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
	c = start(t, "never lucky", Options{})
	_, err := c.Get(t.Context(), []string{"u-1"}, nil)
	if want := `console "gateway": not reachable: started again 3 times, the connector ended (exit status 6) before it answered get`; !errors.As(err, new(*console.ReadError)) || err.Error() != want {
		t.Errorf("%v", err)
	}
}

// TestNotStarted: a program that is not there.
func TestNotStarted(t *testing.T) {
	c := New(Options{Options: connector.Options{Label: "gateway", Command: []string{"./no-such-connector"}, Dir: t.TempDir()}})
	err := c.Open(context.Background())
	var read *console.ReadError
	if !errors.As(err, &read) || !strings.HasPrefix(err.Error(), `console "gateway": the connector cannot be started: `) || !strings.Contains(read.Hint(), "correct command") {
		t.Errorf("%v", err)
	}
}
