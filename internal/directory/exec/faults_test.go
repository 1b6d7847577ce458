package exec

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/directory"
)

const (
	anObject    = `{"id":%d,"dn":"CN=Ann,OU=Staff,O=cloud","attributes":{"mail":["ann@example.com"]}}`
	cleanStream = "Keep the stream clean"
	thePage     = "directory-protocol.md"
)

// faults go wrong while a directory is read.
var faults = []struct {
	name   string
	behave func(*program)
	want   string // behind the name of the directory
	hint   string // a part
}{
	{"dies", on("read", func(k *program, r request) {
		fmt.Fprintln(os.Stderr, "no such tenant")
		os.Exit(3)
	}), `the connector ended (exit status 3) before it answered read; the last on standard error: no such tenant`, "rollcall directory test"},
	{"dies in the middle", on("read", func(k *program, r request) {
		k.object(r.ID, 0)
		os.Exit(0)
	}), `the connector ended (exit status 0) before it answered read`, "its log says why"},
	{"hangs", on("read", func(*program, request) { hang() }), `the connector was silent for 300ms before it answered read`, "raise timeout in the directory block"},
	{"hangs in the middle", on("read", func(k *program, r request) {
		k.object(r.ID, 0)
		hang()
	}), `the connector was silent for 300ms before it answered read`, "progress answers"},
	{"leaves a child", on("read", func(k *program, r request) {
		child()
		os.Exit(3)
	}), `the connector ended (exit status 3) before it answered read`, "its log says why"},
	{"writes too much", on("read", func(k *program, r request) {
		block := strings.Repeat("0123456789abcdef", 4096)
		for range 300 {
			if _, err := k.out.WriteString(block); err != nil {
				break
			}
		}
	}), `the connector wrote more than 16 MiB without a newline: "` + strings.Repeat("0123456789abcdef", 5) + `…"`, cleanStream},
	{"prints", says("read", "Connecting...", `{"id":%d,"objects":0,"complete":true}`),
		`the connector wrote a line that is no message (it is not JSON: invalid character 'C' looking for beginning of value): "Connecting..."`, cleanStream},
	{"prints in the middle", says("read", anObject, "page 2", `{"id":%d,"objects":1,"complete":true}`),
		`the connector wrote a line that is no message (it is not JSON: invalid character 'p' looking for beginning of value): "page 2"`, cleanStream},
	{"writes another charset", says("read", "{\"id\":%d,\"dn\":\"CN=M\xfcller\"}"),
		"the connector wrote a line that is no message (it is not valid UTF-8): \"{\"id\":2,\"dn\":\"CN=M\ufffdller\"}\"", cleanStream},
	{"has no newline", on("read", func(k *program, r request) {
		k.raw(`{"id":2,"objects":0,"complete":true}`)
		os.Exit(0)
	}), `the connector ended its output in the middle of a line: "{"id":2,"objects":0,"complete":true}"`, cleanStream},
	{"answers another id", says("read", `{"id":7,"objects":0,"complete":true}`),
		`the connector answered request 7, and was asked 2: "{"id":7,"objects":0,"complete":true}"`, thePage},
	{"counts too many", says("read", anObject, `{"id":%d,"objects":2,"complete":true}`),
		`the connector says that it sent 2 objects, and sent 1: "{"id":2,"objects":2,"complete":true}"`, thePage},
	{"counts too few", says("read", anObject, `{"id":%d,"objects":0,"complete":true}`),
		`the connector says that it sent 0 objects, and sent 1: "{"id":2,"objects":0,"complete":true}"`, thePage},
	{"is not complete", says("read", `{"id":%d,"objects":0}`),
		`the connector ended its objects without "complete": true: "{"id":2,"objects":0}"`, "could not read all"},
	{"is incomplete", says("read", `{"id":%d,"objects":0,"complete":false}`),
		`the connector ended its objects without "complete": true: "{"id":2,"objects":0,"complete":false}"`, "could not read all"},
	{"sends one twice", says("read", anObject, `{"id":%d,"dn":"cn=ann, ou=staff,o=CLOUD"}`, `{"id":%d,"objects":2,"complete":true}`),
		`the connector sent twice the object with dn "cn=ann, ou=staff,o=CLOUD": "{"id":2,"dn":"cn=ann, ou=staff,o=CLOUD"}"`, "a page of a list"},
	{"has no dn", says("read", `{"id":%d,"attributes":{"mail":["ann@example.com"]}}`),
		`the connector sent an object without a dn: "{"id":2,"attributes":{"mail":["ann@example.com"]}}"`, "make one of its key"},
	{"has an empty dn", says("read", `{"id":%d,"dn":"","attributes":{}}`),
		`the connector sent an object without a dn: "{"id":2,"dn":"","attributes":{}}"`, "make one of its key"},
	{"has no DN", says("read", `{"id":%d,"dn":"ann@example.com"}`),
		`the connector sent an object whose dn "ann@example.com" is no DN (`, "RFC 4514"},
	{"has one value", says("read", `{"id":%d,"dn":"CN=Ann","attributes":{"mail":"ann@example.com"}}`),
		`the connector wrote a line that is no message (attribute "mail" is a string, where a list is expected): "{"id":2,"dn":"CN=Ann","attributes":{"mail":"ann@example.com"}}"`, cleanStream},
	{"has a number", says("read", `{"id":%d,"dn":"CN=Ann","attributes":{"id":[4711]}}`),
		`the connector wrote a line that is no message (a value of attribute "id" is a number, where a string is expected): "{"id":2,"dn":"CN=Ann","attributes":{"id":[4711]}}"`, cleanStream},
	{"has some values", says("read", `{"id":%d,"dn":"CN=Ann","attributes":{"proxyAddresses;range=0-1":["a","b"]}}`),
		`the connector wrote a line that is no message (attribute "proxyAddresses;range=0-1" has a part of its values alone): "`, cleanStream},
	{"answers something else", says("read", `{"id":%d,"findings":[]}`),
		`the connector answered read with a message that does not belong there: "{"id":2,"findings":[]}"`, thePage},
	{"goes on", on("read", func(k *program, r request) {
		k.raw("{\"id\":2,\"objects\":0,\"complete\":true}\n{\"id\":2,\"dn\":\"CN=Ann\"}\n")
	}), `the connector wrote more after the end of its answers: "{"id":2,"dn":"CN=Ann"}\n"`, thePage},
	{"has a last word", on("bye", func(k *program, r request) {
		k.say("bye bye")
		os.Exit(0)
	}), `the connector wrote something that belongs to no request: "bye bye"`, ""},
	{"fails", says("read", `{"id":%d,"error":{"code":"internal","message":"out of luck"}}`), `out of luck`, "its log may say more"},
	{"fails in the middle", says("read", anObject, `{"id":%d,"error":{"code":"temporary","message":"the token has expired"}}`), `the token has expired`, "try again later"},
	{"is throttled", says("read", anObject, `{"id":%d,"error":{"code":"throttled","message":"slow down","retry_after":90}}`), `slow down`, "try again in 1m30s"},
	{"does not know read", says("read", `{"id":%d,"error":{"code":"unsupported","message":"what is read?"}}`), `what is read?`, thePage},
	{"has an unknown code", says("read", `{"id":%d,"error":{"code":"E12"}}`), `E12`, "its log may say more"},
	{"speaks version 2", says("hello", `{"id":%d,"protocol":2}`), `the connector speaks version 2 of the protocol, and rollcall version 1: "{"id":1,"protocol":2}"`, "take a connector that speaks version 1"},
	{"speaks no version", says("hello", `{"id":%d,"name":"x"}`), `the connector answered hello without saying which protocol it speaks: "{"id":1,"name":"x"}"`, "take a connector that speaks version 1"},
	{"states wrong facts", says("hello", `{"id":%d,"protocol":1,"facts":{"find":"yes"}}`),
		`the connector stated facts that are wrong: fact "find" is a string, where true or false is expected: "{"id":1,"protocol":1,"facts":{"find":"yes"}}"`, thePage},
	{"sends objects in hello", says("hello", anObject),
		`the connector answered hello without saying which protocol it speaks: "{"id":1,"dn":"CN=Ann,OU=Staff,O=cloud","attributes":{"mail":["ann@example.com"]}…"`, "take a connector"},
	{"is throttled in hello", says("hello", `{"id":%d,"error":{"code":"throttled","message":"slow down"}}`), `slow down`, "try again later"},
	{"ends at once", func(*program) { os.Exit(1) }, `the connector ended (exit status 1) before it answered hello`, "its log says why"},
}

// TestFaults: whatever goes wrong is a read that failed, in its own words.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			o := connector.Options{Grace: 300 * time.Millisecond, Timeout: time.Minute}
			if strings.Contains(f.want, "silent for 300ms") {
				// Hello has no process to start that is as slow.
				o.Timeout = 300 * time.Millisecond
			}
			s := start(t, f.name, o)
			receipt, err := s.Read(t.Context(), staff, directory.NewCollector(staff), nil)
			var read *directory.ReadError
			if !errors.As(err, &read) || receipt.Complete {
				t.Fatalf("%T: %v, %+v", err, err, receipt)
			}
			got, _ := strings.CutPrefix(err.Error(), `directory "cloud": `)
			if partial := strings.HasSuffix(f.want, "(") || strings.HasSuffix(f.want, `: "`); got != f.want && !(partial && strings.HasPrefix(got, f.want)) {
				t.Errorf("reported:\n%s\nwant:\n%s", got, f.want)
			}
			if hint := directory.HintOf(err); !strings.Contains(hint, f.hint) {
				t.Errorf("hint %q, want %q", hint, f.hint)
			}
		})
	}
}

// TestRefusals: credentials that are refused, and a configuration that is not taken, are
// told apart from reads that failed.
func TestRefusals(t *testing.T) {
	for _, code := range []string{"auth", "config"} {
		for _, at := range []string{"hello", "read", "find"} {
			s := start(t, at+" "+code, connector.Options{})
			_, err := s.Read(t.Context(), staff, directory.NewCollector(staff), nil)
			if at == "find" {
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.Find(t.Context(), directory.Query{Addresses: []string{"ann@example.com"}}, staff)
			}
			refused := errors.As(err, new(*directory.RefusedError))
			misused := errors.As(err, new(*misusedError))
			if errors.As(err, new(*directory.ReadError)) || refused != (code == "auth") || misused != (code == "config") || !strings.HasSuffix(err.Error(), ": it says no") || directory.HintOf(err) == "" {
				t.Errorf("%s at %s: %T %v", code, at, err, err)
			}
		}
	}
}

func init() {
	for _, code := range []string{"auth", "config"} {
		for _, at := range []string{"hello", "read", "find"} {
			behaviours[at+" "+code] = says(at, fmt.Sprintf(`{"id":%%d,"error":{"code":%q,"message":"it says no"}}`, code))
		}
	}
}

// TestNotStarted: a program that is not there.
func TestNotStarted(t *testing.T) {
	s := New(Options{Options: connector.Options{Label: "cloud", Command: []string{"./no-such-connector"}, Dir: t.TempDir()}})
	_, err := s.Read(t.Context(), staff, directory.NewCollector(staff), nil)
	if !errors.As(err, new(*directory.ReadError)) || !strings.HasPrefix(err.Error(), `directory "cloud": the connector cannot be started: `) || !strings.Contains(directory.HintOf(err), "correct command in the directory block") {
		t.Errorf("%v", err)
	}
}
