package exec

import (
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/connector/protocoltest"
	"github.com/rollcall-cli/rollcall/internal/console/wire"
	"github.com/rollcall-cli/rollcall/plan"
)

// lined is the protocol of connectors.
const lined = protocoltest.Protocol("console-protocol")

// TestDocumentedSession: the session of the page is as its schemas say, and is
// understood.
func TestDocumentedSession(t *testing.T) {
	lines := lined.Session(t, 20)
	lined.Validate(t, strings.Join(lines, ""))
	var d wire.Decoder
	for _, line := range lines {
		if line[0] != '<' {
			continue
		}
		l, err := d.Line([]byte(line[2:]))
		if err != nil || l.Account != nil && l.Account.Odd != "" {
			t.Errorf("%s: %v", line, err)
		}
		if _, err := plan.ParseFacts(l.Facts); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestCleanStream: with what the page advises, prints reach the log, and messages
// rollcall, whether or not the lock takes file descriptor 3. A command is found
// beside the configuration.
func TestCleanStream(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("its connectors are scripts that name their interpreter, as Unix has them")
	}
	page := lined.Page(t)
	for _, c := range []struct{ language, program, lastOfAdvice, rest string }{
		{"python", "/usr/bin/env python3", "os.dup2(2, 1)", `
import json, sys
print("a print", flush=True)
for line in sys.stdin:
    request = json.loads(line)
    answer = {"id": request["id"]}
    if request["type"] == "hello":
        answer["protocol"] = 1
    answers.write(json.dumps(answer) + "\n"); answers.flush()
`},
		{"sh", "/bin/sh", "exec 4>&1 1>&2", `
echo a print
read -r hello
printf '%s\n' '{"id":1,"protocol":1}' >&4
read -r bye
printf '%s\n' '{"id":2}' >&4
`},
	} {
		for _, lock := range []string{"", "lock"} {
			_, advice, found := strings.Cut(string(page), "```"+c.language+"\n")
			advice, _, _ = strings.Cut(advice, "```")
			i := strings.Index(advice, c.lastOfAdvice)
			if !found || i < 0 {
				t.Fatalf("the page has no advice for %s", c.language)
			}
			dir := t.TempDir()
			script := "#!" + c.program + "\n" + advice[:i+len(c.lastOfAdvice)] + c.rest
			if err := os.WriteFile(filepath.Join(dir, "connector"), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			var log []string
			o := connector.Options{Label: "gateway", Command: []string{"./connector"}, Dir: dir, Log: func(line string) { log = append(log, line) }}
			if lock != "" {
				o.LockFile = filepath.Join(dir, lock)
			}
			console := New(Options{Options: o})
			err := console.Open(t.Context())
			if err == nil {
				err = console.Close()
			}
			if err != nil || len(log) != 1 || log[0] != "a print" {
				t.Errorf("%s: %q, %v", c.language, log, err)
			}
		}
	}
}

// TestSchemasRefuse: a schema that takes everything would show nothing.
func TestRefusedBySchemas(t *testing.T) {
	lined.Refuses(t, []string{
		`> {"id":1}`,
		`> {"id":1,"type":"sing"}`,
		`> {"id":1,"type":"hello"}`,
		`> {"type":"read"}`,
		`> {"id":1,"type":"apply","changes":[]}`,
		`> {"id":1,"type":"apply","changes":[{"key":"k","op":"put","group":1}]}`,
		`> {"id":1,"type":"apply","changes":[{"key":"k","op":"remove","group":1}]}`,
		`> {"id":1,"type":"apply","changes":[{"key":"k","op":"remove","group":1,"ref":"u","before":{"ref":"u"},"after":{}}]}`,
		`> {"id":1,"type":"apply","changes":[{"key":"k","op":"put","group":1,"ref":"u","after":{}}]}`,
		`> {"id":1,"type":"apply","changes":[{"key":"k","op":"put","group":1,"after":{"username":""}}]}`,
		`> {"id":1,"type":"get","refs":[]}`,
		`> {"id":1,"type":"claim","ledger":"0123456789abcdef0123456789abcdef"}`,
		`> {"id":1,"type":"cancel","target":3}`,
		`< {"account":{"ref":"u"}}`,
		`< {"id":1,"account":{"primary":"a@b.c"}}`,
		`< {"id":1,"account":{"ref":"u","type":"robot"}}`,
		`< {"id":1,"account":{"ref":"u","owner":{"by":"hq"}}}`,
		`< {"id":1,"accounts":"1"}`,
		`< {"id":1,"protocol":2}`,
		`< {"id":1,"protocol":1,"facts":{"inactive":"perhaps"}}`,
		`< {"id":1,"key":"k"}`,
		`< {"id":1,"key":"k","ok":false}`,
		`< {"id":1,"key":"k","error":{"code":"E12","message":"m"}}`,
		`< {"id":1,"error":{"message":"m"}}`,
		`< {"id":1,"findings":[{"check":"c","status":"bad"}]}`,
		`< {"id":1,"ledger":7}`,
		`< {"id":1,"hello":true}`,
	})
}

// TestDocumentedNames: the page has every fact and every code, and no other.
func TestDocumentedNames(t *testing.T) {
	defs := lined.Answers(t).(map[string]any)["$defs"].(map[string]any)
	facts := defs["facts"].(map[string]any)["properties"].(map[string]any)
	var codes []string
	for _, code := range defs["error"].(map[string]any)["properties"].(map[string]any)["code"].(map[string]any)["enum"].([]any) {
		codes = append(codes, code.(string))
	}
	lined.Documents(t, "Facts", slices.Collect(maps.Keys(facts)))
	lined.Documents(t, "Errors", codes)
	// What the schema calls a fact is one that is understood.
	all := []byte(`{"types":["user"],"inactive":"removed","rename":false,"owner":"stored","ref_stable":false,"stores":["aliases"],"attributes":{"x":1},` +
		`"max_aliases":1,"domains":["example.com"],"batch":1,"groups":true,"dry_run":true,"ledger":true,"deleted_blocks_for":1,"settles_within":1}`)
	f, err := plan.ParseFacts(all)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.AppendJSON(nil); string(got) != string(all) {
		t.Errorf("facts are\n%s\nand were\n%s", got, all)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(all)))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(value.(map[string]any)); n != len(facts) {
		t.Errorf("the schema has %d facts, and %d are understood", len(facts), n)
	}
}
