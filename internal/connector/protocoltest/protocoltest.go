// Package protocoltest holds the lines between rollcall and connectors to the schemas of their
// protocol, for tests. A line to the connector begins with "> ", one from it with "< ".
package protocoltest

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Protocol is one whose page, and whose folder of schemas beside it, have a name.
type Protocol string

// Page returns the page of the protocol. The test runs in a folder three below the top.
func (p Protocol) Page(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docs, string(p)+".md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const docs = "../../../docs/reference"

// Session returns the lines of the page's session, which are at least so many.
func (p Protocol) Session(t testing.TB, least int) []string {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^[<>] \{.*\n`).FindAllString(p.Page(t), -1)
	if len(lines) < least {
		t.Fatalf("the page has %d lines of a session", len(lines))
	}
	return lines
}

// Schemas returns those of the lines to the connector and from it, by their beginnings.
func (p Protocol) Schemas(t testing.TB) map[string]*jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	all := map[string]*jsonschema.Schema{}
	for direction, name := range map[string]string{"> ": "request", "< ": "answer"} {
		schema, err := c.Compile(filepath.Join(docs, string(p), name+".schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		all[direction] = schema
	}
	return all
}

// Validate checks lines of both directions against their schemas.
func (p Protocol) Validate(t testing.TB, lines string) {
	t.Helper()
	by := p.Schemas(t)
	for line := range strings.Lines(lines) {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line[2:]))
		if err == nil {
			err = by[line[:2]].Validate(value)
		}
		if err != nil {
			t.Errorf("%s%v", line, err)
		}
	}
}

// Refuses checks that lines are not as the schemas say: one that takes everything would show
// nothing.
func (p Protocol) Refuses(t testing.TB, lines []string) {
	t.Helper()
	by := p.Schemas(t)
	for _, line := range lines {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line[2:]))
		if err != nil {
			t.Fatal(err)
		}
		if by[line[:2]].Validate(value) == nil {
			t.Errorf("%s is taken", line)
		}
	}
}

// Answers returns the schema of the lines from a connector, as JSON.
func (p Protocol) Answers(t testing.TB) any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(docs, string(p), "answer.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// Documents checks that the table of a section of the page names all of some, and no other.
func (p Protocol) Documents(t testing.TB, section string, names []string) {
	t.Helper()
	_, text, _ := strings.Cut(p.Page(t), "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var rows []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)`").FindAllStringSubmatch(text, -1) {
		rows = append(rows, row[1])
	}
	slices.Sort(rows)
	names = slices.Sorted(slices.Values(names))
	if !slices.Equal(rows, names) {
		t.Errorf("%s: the page has %q, and the schema %q", section, rows, names)
	}
}
