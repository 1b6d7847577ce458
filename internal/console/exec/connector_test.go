package exec

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// behaving is the variable that makes the test program a connector that
	// behaves as the one of that name.
	behaving = "ROLLCALL_TEST_CONNECTOR"
	// traffic is the variable with the file to which such a connector writes the
	// lines of both directions.
	traffic = "ROLLCALL_TEST_TRAFFIC"
	// hosting is the variable that makes the test program a rollcall that holds
	// the lock file of that name and reads, until it is killed.
	hosting = "ROLLCALL_TEST_HOST"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(hosting); name != "" {
		host(name)
	}
	name := os.Getenv(behaving)
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], behaving+"=") {
		name = strings.TrimPrefix(os.Args[1], behaving+"=")
	}
	if name != "" {
		behave, ok := behaviours[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no behaviour", name)
			os.Exit(99)
		}
		k := &program{in: bufio.NewReader(os.Stdin), out: bufio.NewWriter(os.Stdout)}
		if path := os.Getenv(traffic); path != "" {
			k.record, _ = os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
		}
		behave(k)
		k.out.Flush()
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0") // of connectors
	os.Exit(m.Run())
}

// program is a connector of a test at work.
type program struct {
	in     *bufio.Reader
	out    *bufio.Writer
	record *os.File
	facts  string // default {}
}

// request is what it is asked.
type request struct {
	ID        int
	Type      string
	Protocols []int
	Config    json.RawMessage
	Changes   []change
	Refs      []string
	Addresses []string
	Target    int
	Ledger    string
	Was       string
}

type change struct {
	Key, Op, Ref string
	After        map[string]any
}

// hear returns the next request; without one, the connector ends.
func (k *program) hear() request {
	line, err := k.in.ReadBytes('\n')
	if err != nil {
		k.out.Flush()
		os.Exit(0)
	}
	k.note("> ", line)
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		panic(err)
	}
	return r
}

// say writes a line.
func (k *program) say(format string, args ...any) {
	k.raw(fmt.Sprintf(format, args...) + "\n")
}

// raw writes what may be no line.
func (k *program) raw(text string) {
	k.note("< ", []byte(text))
	k.out.WriteString(text)
	k.out.Flush()
}

func (k *program) note(direction string, line []byte) {
	if k.record != nil {
		k.record.Write(append([]byte(direction), line...))
	}
}

// serve answers as it should, but for the requests that on has.
func (k *program) serve(on map[string]func(r request)) {
	for {
		r := k.hear()
		if f := on[r.Type]; f != nil {
			f(r)
			continue
		}
		k.answer(r)
	}
}

// answer answers a request as it should.
func (k *program) answer(r request) {
	switch r.Type {
	case "hello":
		facts := k.facts
		if facts == "" {
			facts = "{}"
		}
		k.say(`{"id":%d,"protocol":1,"name":"acme-gateway","version":"3.1","facts":%s}`, r.ID, facts)
	case "read":
		k.say(`{"id":%d,"account":%s}`, r.ID, account("u-1", "ann@example.com"))
		k.say(`{"id":%d,"account":%s}`, r.ID, account("u-2", "bob@example.com"))
		k.say(`{"id":%d,"accounts":2,"complete":true}`, r.ID)
	case "get":
		k.say(`{"id":%d,"account":%s}`, r.ID, account("u-1", "ann@example.com"))
		k.say(`{"id":%d,"accounts":1}`, r.ID)
	case "apply", "try":
		for i := range r.Changes {
			k.made(r, i)
		}
		k.say(`{"id":%d,"done":%d}`, r.ID, len(r.Changes))
	case "check":
		k.say(`{"id":%d,"findings":[{"check":"login","status":"ok","evidence":"as hq","remedy":""}]}`, r.ID)
	case "cancel":
	case "bye":
		k.say(`{"id":%d}`, r.ID)
		os.Exit(0)
	default:
		k.say(`{"id":%d,"error":{"code":"unsupported","message":"no request %s"}}`, r.ID, r.Type)
	}
}

// made answers one change.
func (k *program) made(r request, i int) {
	c := r.Changes[i]
	switch {
	case c.Op == "remove":
		k.say(`{"id":%d,"key":%q,"ok":true}`, r.ID, c.Key)
	case c.Ref == "":
		k.say(`{"id":%d,"key":%q,"ok":true,"ref":"new-%d","rev":"1"}`, r.ID, c.Key, i)
	default:
		k.say(`{"id":%d,"key":%q,"ok":true,"ref":%q,"rev":"2"}`, r.ID, c.Key, c.Ref)
	}
}

func account(ref, primary string) string {
	return fmt.Sprintf(`{"ref":%q,"rev":"1","primary":%q,"aliases":[],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{}}`, ref, primary)
}

// hang waits for ever, whatever happens.
func hang() {
	signal.Ignore(syscall.SIGTERM)
	for {
		time.Sleep(time.Hour)
	}
}

// on serves with one request answered otherwise.
func on(kind string, f func(k *program, r request)) func(*program) {
	return func(k *program) {
		k.serve(map[string]func(request){kind: func(r request) { f(k, r) }})
	}
}

// says answers a request with lines that are its only answer; %d is its id.
func says(kind string, lines ...string) func(*program) {
	return on(kind, func(k *program, r request) {
		for _, line := range lines {
			k.raw(strings.ReplaceAll(line, "%d", fmt.Sprint(r.ID)) + "\n")
		}
	})
}

// behaviours are the connectors of all tests, by name.
var behaviours = func() map[string]func(*program) {
	all := map[string]func(*program){
		"good": func(k *program) {
			k.facts = `{"owner":"stored","dry_run":true,"batch":7}`
			k.serve(map[string]func(request){"apply": func(r request) {
				fmt.Fprintf(os.Stderr, "%d changes\r\n", len(r.Changes))
				k.say(`{"id":%d,"progress":"at it"}`, r.ID)
				k.answer(r)
			}})
		},
		"outlives": on("read", func(k *program, r request) {
			fmt.Fprintln(os.Stderr, "reading")
			signal.Ignore(syscall.SIGTERM, syscall.SIGPIPE)
			hang()
		}),
		"other facts": func(k *program) {
			k.facts = fmt.Sprintf(`{"batch":%d}`, os.Getpid())
			k.serve(nil)
		},
		"many": func(k *program) {
			k.serve(map[string]func(request){"read": func(r request) {
				for i := range many {
					fmt.Fprintf(k.out, `{"id":%d,"account":{"ref":"u-%d","rev":"%d","primary":"first.last%06d@example.com","aliases":["alias%06d@example.com","b%06d@example.com"],"type":"user","status":"active",`+
						`"owner":{"by":"hq","directory":"corp","guid":"8c4ac332-975f-4717-ad7b-%012x"},"username":"user%06d","dn":"CN=First Last %06d,OU=Staff,DC=corp,DC=example,DC=com","attributes":{"department":"Research","display_name":"First Last %06d"}}}`+"\n",
						r.ID, i, i, i, i, i, i+1, i, i, i)
				}
				k.say(`{"id":%d,"accounts":%d,"complete":true}`, r.ID, many)
			}})
		},
	}
	for _, faults := range [][]fault{readFaults, applyFaults, helloFaults} {
		for _, f := range faults {
			if f.connector != nil {
				all[f.name] = f.connector
			}
		}
	}
	for name, f := range more {
		all[name] = f
	}
	return all
}()

// flood writes until nobody reads any more.
func flood(w io.Writer, text string) {
	block := []byte(strings.Repeat(text, 64<<10/len(text)))
	for {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}
