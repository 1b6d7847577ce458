package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rollcall-cli/rollcall/docs/reference/schema"
	"github.com/rollcall-cli/rollcall/internal/lint"
	"github.com/rollcall-cli/rollcall/plan"
)

// compiled are the schemas by their names.
var compiled = sync.OnceValue(func() map[string]*jsonschema.Schema {
	all := map[string]*jsonschema.Schema{}
	for _, name := range schema.Names() {
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema.Of(name)))
		if err == nil {
			err = c.AddResource(name, document)
		}
		if err == nil {
			all[name], err = c.Compile(name)
		}
		if err != nil {
			panic(err)
		}
	}
	return all
})

// conforms is an error if a document is not as its schema says, or, of a state file,
// one of its lines.
func conforms(name string, document []byte) error {
	documents := [][]byte{document}
	if bytes.HasPrefix(document, []byte(`{"format":"rollcall-state"`)) {
		documents = slices.Collect(bytes.Lines(document))
	}
	for _, text := range documents {
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err == nil {
			err = compiled()[name].Validate(value)
		}
		if err != nil {
			return fmt.Errorf("%w\n%.2000s", err, text)
		}
	}
	return nil
}

// TestSchemas holds what the program writes of its examples against the schemas.
func TestSchemas(t *testing.T) {
	t.Parallel()
	dir := quickstart(t)
	run := func(args ...string) []byte {
		t.Helper()
		out, talk, code := at(context.Background(), nil, false, append([]string{"-C", dir}, args...)...)
		if code != exitOK {
			t.Fatalf("%v: exit %d, %s", args, code, talk)
		}
		return []byte(out)
	}
	check := func(name string, args ...string) {
		t.Helper()
		if err := conforms(name, run(args...)); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	check("history", "history", "-o", "json")
	check("plan", "plan", "-o", "json")
	check("plan", "plan", "-o", "json", "--redact")
	check("plan", "plan", "-o", "json", "--only", "add", "--directory", "corp")
	check("plan", "show", "../../cmd/rollcall/testdata/releases/0.1.0/saved/plan.json", "-o", "json")
	check("lint", "lint", "-o", "json")
	check("lint", "lint", "-o", "json", "--redact")
	for _, subject := range []string{
		"helpdesk@example.com", "leo.larsen@example.com", "ir@example.com", "hiroshi.nguyen@example.com", "nobody@example.com", "press@example.com",
		"someone@gmail.com", "CN=Visitor,OU=Berlin,OU=Staff,DC=corp,DC=example,DC=com", "mmaier", "f5c4922a-3da6-5b01-96cb-7d2e1017b9df",
	} {
		check("explain", "explain", subject, "-o", "json")
	}
	run("apply", "--auto-approve")
	check("plan", "undo", "1", "-o", "json")
	run("state", "release", "anna.adler@example.com")
	check("history", "history", "-o", "json")
	check("history", "history", "show", "1", "-o", "json")
	check("history", "history", "show", "2", "-o", "json")
	check("history", "history", "--address", "press@example.com", "-o", "json")
	check("state", "state", "list", "-o", "json")
	text, err := os.ReadFile(filepath.Join(dir, "rollcall.state.jsonl"))
	if err == nil {
		err = conforms("state", text)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestSchemasName: the lists of words in the schemas are those of the program.
func TestSchemasName(t *testing.T) {
	t.Parallel()
	var severities, codes []string
	for _, s := range lint.Severities {
		severities = append(severities, s.String())
	}
	for _, c := range lint.Codes() {
		codes = append(codes, c.String())
	}
	for _, c := range []struct {
		document string
		path     []string
		want     []string
	}{
		{"plan", []string{"$defs", "row", "properties", "category", "enum"}, plan.CategoryNames()},
		{"history", []string{"$defs", "row", "properties", "category", "enum"}, plan.CategoryNames()},
		{"plan", []string{"$defs", "rejection", "properties", "reason", "enum"}, plan.ReasonNames()},
		{"lint", []string{"$defs", "code", "enum"}, codes},
		{"lint", []string{"$defs", "severity", "enum"}, severities},
	} {
		node, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema.Of(c.document)))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range c.path {
			node = node.(map[string]any)[key]
		}
		var got []string
		for _, word := range node.([]any) {
			got = append(got, word.(string))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s %v: got %q, want %q", c.document, c.path, got, c.want)
		}
	}
}

// TestSchemasReject: a schema that takes everything would show nothing.
func TestSchemasReject(t *testing.T) {
	t.Parallel()
	dir := quickstart(t)
	out := func(args ...string) string {
		text, talk, code := at(context.Background(), nil, false, append([]string{"-C", dir}, args...)...)
		if code != exitOK {
			t.Fatalf("%v: exit %d, %s", args, code, talk)
		}
		return text
	}
	documents := map[string]string{
		"plan": out("plan", "-o", "json"), "lint": out("lint", "-o", "json"), "explain": out("explain", "helpdesk@example.com", "-o", "json"),
		"state": out("state", "list", "-o", "json"),
	}
	out("apply", "--auto-approve")
	documents["history"] = out("history", "show", "1", "-o", "json")
	for name, spoils := range map[string][][2]string{
		"plan": {
			{`"undoes"`, `"undone"`}, {`"format_version": "1.1"`, `"format_version": "2.0"`}, {`"category": "add"`, `"category": "adds"`},
			{`"withheld": false, "drift": false}`, `"withheld": false, "drift": false, "more": 1}`}, {`"attribute": "dn", `, ``},
			{`"kept": null`, `"kept": {}`}, {`"reason": "guid_changed"`, `"reason": "guid"`}, {`"created": "20`, `"created": "x20`},
		},
		"lint":    {{`"severity": "error"`, `"severity": "fatal"`}, {`"ldif":`, `"LDIF":`}, {`"malformed": 2`, `"malformd": 2`}},
		"explain": {{`"fate"`, `"fates"`}, {`"steps"`, `"step"`}, {`"kind": "address"`, `"kind": "adress"`}},
		"state":   {{`"status":"active"`, `"status":"there"`}, {`"dn"`, `"DN"`}},
		"history": {{`"outcome":"applied"`, `"outcome":"done"`}, {`"run":`, `"runs":`}, {`"error": ""`, `"errors": ""`}},
	} {
		for _, spoil := range spoils {
			spoilt := strings.Replace(documents[name], spoil[0], spoil[1], 1)
			if spoilt == documents[name] {
				t.Errorf("%s has no %s", name, spoil[0])
				continue
			}
			if conforms(name, []byte(spoilt)) == nil {
				t.Errorf("%s: %s in place of %s is taken", name, spoil[1], spoil[0])
			}
		}
	}
}
