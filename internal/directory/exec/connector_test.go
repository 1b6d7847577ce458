package exec

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	osexec "os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/directory"
)

const (
	// behaving is the variable that makes the test program a connector that behaves as
	// the one of that name.
	behaving = "ROLLCALL_TEST_CONNECTOR"
	// traffic is the variable with the file to which such a connector writes the lines of
	// both directions.
	traffic = "ROLLCALL_TEST_TRAFFIC"
)

func TestMain(m *testing.M) {
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
	facts  string // default {"find":true,"deleted":true}
	reads  int
}

// request is what it is asked.
type request struct {
	ID                               int
	Type                             string
	Config                           json.RawMessage
	GUIDs, Addresses, DNs, Usernames []string
	Attributes                       []string
	Scopes                           []struct{ Base, Filter string }
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

func (k *program) say(format string, args ...any) { k.raw(fmt.Sprintf(format, args...) + "\n") }

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

// The objects of a connector that behaves: Ann and Bob are people, Old was deleted.
var people = []struct{ dn, guid, username, address, more string }{
	{"CN=Ann Smith,OU=Staff,O=cloud", "8c4ac332-975f-4717-ad7b-ba4a4e968fff", "ann", "ann@example.com", ""},
	{"CN=Bob,OU=Staff,O=cloud", "7cf72e7f-b5fe-4e92-b7e3-6d5a7b63fb07", "bob", "bob@example.com", `"mail;lang-de":["robert@example.com"],`},
	{"CN=Sue,OU=Left,O=cloud", "215a9fe5-6f11-4ea0-b738-62c03e64c5e8", "sue", "sue@example.com", ""},
}

func (k *program) object(id, i int) {
	p := people[i]
	k.say(`{"id":%d,"dn":%q,"attributes":{%s"objectGUID":[%q],"mail":[%q],"sAMAccountName":[%q]}}`, id, p.dn, p.more, p.guid, p.address, p.username)
}

// answer answers a request as it should.
func (k *program) answer(r request) {
	switch r.Type {
	case "hello":
		facts := k.facts
		if facts == "" {
			facts = `{"find":true,"deleted":true}`
		}
		k.say(`{"id":%d,"protocol":1,"name":"cloud","version":"2","facts":%s}`, r.ID, facts)
	case "read":
		k.say(`{"id":%d,"progress":"page 1"}`, r.ID)
		for i := range people {
			k.object(r.ID, i)
		}
		k.say(`{"id":%d,"dn":"CN=Old,OU=Staff,O=cloud","deleted":true,"attributes":{"mail":["old@example.com"],"objectGUID":["0e9f3a52-6d0a-4a43-8c8e-3d1f0b6a7c21"]}}`, r.ID)
		k.say(`{"id":%d,"objects":%d,"complete":true}`, r.ID, len(people)+1)
	case "find":
		n := 0
		for i, p := range people {
			wanted := strings.Join(append(append(append(r.GUIDs, r.Addresses...), r.DNs...), r.Usernames...), "|") + "|"
			if strings.Contains(wanted, p.guid+"|") || strings.Contains(wanted, p.address+"|") || strings.Contains(wanted, p.dn+"|") || strings.Contains("|"+wanted, "|"+p.username+"|") {
				k.object(r.ID, i)
				n++
			}
		}
		k.say(`{"id":%d,"objects":%d}`, r.ID, n)
	case "check":
		k.say(`{"id":%d,"findings":[{"check":"permissions","status":"warning","evidence":"may read groups in part","remedy":"grant Group.Read.All"}]}`, r.ID)
	case "bye":
		k.say(`{"id":%d}`, r.ID)
		os.Exit(0)
	default:
		k.say(`{"id":%d,"error":{"code":"unsupported","message":"no request %s"}}`, r.ID, r.Type)
	}
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
	return func(k *program) { k.serve(map[string]func(request){kind: func(r request) { f(k, r) }}) }
}

// says answers a request with lines that are its only answer; %d is its id.
func says(kind string, lines ...string) func(*program) {
	return on(kind, func(k *program, r request) {
		for _, line := range lines {
			k.raw(strings.ReplaceAll(line, "%d", fmt.Sprint(r.ID)) + "\n")
		}
	})
}

// stating serves with other facts.
func stating(facts string) func(*program) {
	return func(k *program) {
		k.facts = facts
		k.serve(nil)
	}
}

// child starts a process that does not end by itself, in the group of the connector.
func child() *osexec.Cmd {
	cmd := osexec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), behaving+"=is deaf")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Start()
	return cmd
}

// behaviours are the connectors of all tests, by name.
var behaviours = func() map[string]func(*program) {
	all := map[string]func(*program){
		"good":          func(k *program) { k.serve(nil) },
		"does not find": stating(`{}`),
		"is deaf":       func(*program) { hang() },
		"many": on("read", func(k *program, r request) {
			for i := range many {
				fmt.Fprintf(k.out, `{"id":%d,"dn":"CN=First Last %06d,OU=Staff,O=cloud","attributes":{"displayName":["First Last %06d"],"mail":["first.last%06d@example.com"],"objectGUID":["8c4ac332-975f-4717-ad7b-%012x"],"proxyAddresses":["SMTP:first.last%06d@example.com","smtp:alias%06d@example.com"],"sAMAccountName":["user%06d"]}}`+"\n",
					r.ID, i, i, i, i+1, i, i, i)
			}
			k.say(`{"id":%d,"objects":%d,"complete":true}`, r.ID, many)
		}),
	}
	for _, f := range faults {
		if f.behave != nil {
			all[f.name] = f.behave
		}
	}
	for _, f := range failing {
		all[f.name] = f.behave
	}
	return all
}()

// start prepares a directory whose connector is the test program, which behaves as the
// name says.
func start(t testing.TB, behaviour string, o connector.Options) *Source {
	t.Helper()
	o.Label, o.Release = "cloud", "0.2.0"
	o.Command = []string{os.Args[0], behaving + "=" + behaviour}
	return New(Options{Options: o, Domains: []string{"example.com"}})
}

// staff is the scope of the tests.
var staff = []directory.Scope{{Name: "staff", Base: "OU=Staff,O=cloud", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "sAMAccountName", Type: directory.Auto}}
