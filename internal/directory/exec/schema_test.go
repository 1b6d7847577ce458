package exec

import (
	"maps"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/connector/protocoltest"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

func newSelection() *files.Selection { return &files.Selection{} }

// lined is the protocol of connectors.
const lined = protocoltest.Protocol("directory-protocol")

// TestDocumentedSession: the session of the page is as its schemas say, and is understood.
func TestDocumentedSession(t *testing.T) {
	lines := lined.Session(t, 12)
	lined.Validate(t, strings.Join(lines, ""))
	var d decoder
	d.holding([]string{"id", "isdeleted", "mail"}, newSelection())
	objects := 0
	for _, line := range lines {
		if line[0] != '<' {
			continue
		}
		l, err := d.line([]byte(strings.TrimSpace(line[2:])))
		if err != nil || l.Object && d.object.odd != nil {
			t.Errorf("%s: %v, %v", line, err, d.object.odd)
		}
		if l.Object {
			objects++
			if _, plain := d.plain([]byte(strings.TrimSpace(line[2:]))); !plain || len(d.object.Values("mail")) != 1 {
				t.Errorf("%s is not read in the short way", line)
			}
		}
		if _, err := parseFacts(l.Facts); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
	if objects != 3 {
		t.Errorf("%d objects", objects)
	}
}

// TestHowto: the connector that the how-to begins with keeps the protocol.
func TestHowto(t *testing.T) {
	python, err := osexec.LookPath("python3")
	if err != nil {
		if os.Getenv("ROLLCALL_SERVERS") == "required" {
			t.Fatal("there is no python3")
		}
		t.Skip("there is no python3")
	}
	page, err := os.ReadFile("../../../docs/howto/connect-a-directory.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, found := strings.Cut(string(page), "```python\n")
	program, _, ended := strings.Cut(program, "```")
	if !found || !ended {
		t.Fatal("the page has no program")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "connector.py"), []byte(strings.ReplaceAll(program, "\n   ", "\n")[len("   "):]), 0o600); err != nil {
		t.Fatal(err)
	}
	scopes := []directory.Scope{{Name: "staff", Base: "ou=staff,o=people", PrimaryAttribute: "mail", GUIDAttribute: "id", Keyspace: "people", Type: directory.Auto}}
	s := New(Options{Options: connector.Options{Label: "people", Command: []string{python, "connector.py"}, Dir: dir, Log: func(line string) { t.Log(line) }}})
	results := 0
	err = s.Test(t.Context(), scopes, func(r directory.TestResult) {
		results++
		if r.Outcome == directory.NotPassed {
			t.Errorf("%+v", r)
		}
	})
	if err != nil || results != len(tests) {
		t.Errorf("%d results, %v", results, err)
	}
}

// TestRefusedBySchemas: a schema that takes everything would show nothing.
func TestRefusedBySchemas(t *testing.T) {
	lined.Refuses(t, []string{
		`> {"id":1}`,
		`> {"id":1,"type":"sing"}`,
		`> {"id":1,"type":"hello"}`,
		`> {"type":"bye"}`,
		`> {"id":1,"type":"read"}`,
		`> {"id":1,"type":"read","scopes":[{"base":"x"}],"attributes":[]}`,
		`> {"id":1,"type":"read","scopes":[{"base":"x","filter":""}],"attributes":[]}`,
		`> {"id":1,"type":"find","guids":[],"attributes":[]}`,
		`> {"id":1,"type":"check","scopes":[]}`,
		`< {"dn":"CN=Ann"}`,
		`< {"id":1,"attributes":{}}`,
		`< {"id":1,"dn":""}`,
		`< {"id":1,"dn":"CN=Ann","attributes":{"mail":"ann@example.com"}}`,
		`< {"id":1,"dn":"CN=Ann","attributes":{"id":[4711]}}`,
		`< {"id":1,"dn":"CN=Ann","attributes":{";lang-de":["a"]}}`,
		`< {"id":1,"dn":"CN=Ann","deleted":"yes"}`,
		`< {"id":1,"objects":"1"}`,
		`< {"id":1,"objects":1,"complete":false}`,
		`< {"id":1,"protocol":2}`,
		`< {"id":1,"protocol":1,"facts":{"find":1}}`,
		`< {"id":1,"error":{"code":"E12","message":"m"}}`,
		`< {"id":1,"error":{"message":"m"}}`,
		`< {"id":1,"findings":[{"check":"c","status":"bad"}]}`,
		`< {"id":1,"hello":true}`,
	})
}

// TestDocumentedNames: the page has every fact and every code, and no other.
func TestDocumentedNames(t *testing.T) {
	defs := lined.Answers(t).(map[string]any)["$defs"].(map[string]any)
	inside := func(def, property string) map[string]any {
		return defs[def].(map[string]any)["properties"].(map[string]any)[property].(map[string]any)
	}
	var codes []string
	for _, code := range inside("error", "code")["enum"].([]any) {
		codes = append(codes, code.(string))
	}
	lined.Documents(t, "Facts", slices.Collect(maps.Keys(inside("hello", "facts")["properties"].(map[string]any))))
	lined.Documents(t, "Errors", codes)
	if f, err := parseFacts([]byte(`{"find":true,"deleted":true,"more":1}`)); err != nil || !f.Find || !f.Deleted {
		t.Errorf("%+v, %v", f, err)
	}
}
