package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/plan"
)

// testSuffix ends the names of test files.
const testSuffix = ".rollcall-test.hcl"

// Test is a test of a configuration: data, and what the plan on it is to be.
type Test struct {
	Name string
	// File is the path of its file, Line where it begins.
	File string
	Line int
	// Env is what the function env returns while the configuration is loaded.
	Env map[string]string
	// Now is the time of the plan; the zero time for that of the run.
	Now time.Time
	// Directories are those that are read, in order of their names; the others
	// of the configuration are not.
	Directories []TestDirectory
	// Accounts is the path of the file of the accounts, "" for none.
	Accounts string
	// Facts are those of the console; nil for the local one.
	Facts  *plan.Facts
	Expect Expectation
}

// TestDirectory is a directory of a test: LDIF files, or patterns of them.
type TestDirectory struct {
	Name  string
	Paths []string
}

// Expectation is what a plan is to be.
type Expectation struct {
	// Counts are in order of the source.
	Counts              []ExpectedCount
	Changes, Rejections []ExpectedRow
	// Exact refuses every row that is not among Changes and Rejections.
	Exact bool
}

// ExpectedCount is how many there are to be of something: a category, a reason,
// or one of the names in [totals].
type ExpectedCount struct {
	Name string
	N    int
	Line int
}

// ExpectedRow is a change or rejection that a plan is to have.
type ExpectedRow struct {
	Address string
	// Kind is the category or reason, "" for any.
	Kind string
	// Fields are those that count, in order of their names.
	Fields []plan.Field
	Line   int
}

const (
	testBlock   = "test"
	expectBlock = "expect"
)

// totals are what can be counted beside categories and reasons.
var totals = []string{"changes", "rejections", "withheld", "unchanged", "warnings"}

// testPage describes test files.
const testPage = "docs/reference/testing.md"

var testTypes = []blockType{{name: testBlock, labelled: true, attributes: []string{"directories", "accounts", "facts", "env", "now"},
	blocks: []blockType{expectType}, example: `test "joiners" {`, page: testPage}}

var expectType = blockType{name: expectBlock, attributes: slices.Concat([]string{"exact"}, totals, plan.CategoryNames(), plan.ReasonNames()),
	blocks: []blockType{changeType, rejectionType}, example: `expect {`, page: testPage}

var changeType, rejectionType = func() (change, rejection blockType) {
	ofChanges, ofRejections := plan.FieldNames()
	return blockType{name: "change", labelled: true, attributes: append([]string{"category"}, ofChanges...), example: `change "ann@example.com" {`, page: testPage},
		blockType{name: "rejection", labelled: true, attributes: append([]string{"reason"}, ofRejections...), example: `rejection "ann@example.com" {`, page: testPage}
}()

// LoadTests reads the test files of a directory, in order of their names. With
// an error among the diagnostics there are no tests. A directory without a test
// file is an error.
func LoadTests(dir string) ([]Test, Diagnostics) {
	r := &reporter{environment: placeholders(nil)}
	files, err := Files(dir)
	if err != nil {
		r.errorf(whole(""), "name another directory", "%s", err)
		return nil, r.finish()
	}
	files = slices.DeleteFunc(files, func(file string) bool { return !strings.HasSuffix(file, testSuffix) })
	if len(files) == 0 {
		r.errorf(whole(""), "docs/reference/testing.md has an example", "the directory %q has no test file, whose name ends in %s", dir, testSuffix)
		return nil, r.finish()
	}
	var sources []*source
	for _, file := range files {
		if src := r.readSource(file); src != nil {
			sources = append(sources, src)
		}
	}
	return r.tests(dir, r.parseAll(sources))
}

// LoadFor is [Load] for a test: the function env returns what the test says, or
// else "test", whatever the environment has.
func LoadFor(t *Test, dir string, now time.Time, kinds Kinds) (*Config, Diagnostics) {
	r := &reporter{environment: placeholders(t.Env)}
	return r.load(dir, r.readDir(dir), now, kinds)
}

// placeholders is an environment that has every variable.
func placeholders(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if value, ok := env[name]; ok {
			return value, true
		}
		return "test", true
	}
}

func (r *reporter) tests(dir string, sources []*source) ([]Test, Diagnostics) {
	if sources == nil {
		return nil, r.finish()
	}
	read := &fileLines{}
	d := &testDecoder{
		evaluator: &evaluator{reporter: r, functions: functionsIn(dir, func(string) {}, read, r.environment), read: read},
		dir:       dir, first: map[string]hcl.Range{},
	}
	var all []Test
	for _, src := range sources {
		for _, a := range inOrder(src.body.Attributes) {
			d.errorf(a.NameRange, "move it into a test block", "the attribute %q is outside any block", a.Name)
		}
		for _, raw := range src.body.Blocks {
			if t, ok := blockTypeOf(testTypes, raw.Type); !ok {
				d.errorf(raw.TypeRange, `a test file consists of blocks such as test "joiners" { ... }`, "there is no block %q in a test file", raw.Type)
			} else if b := d.openAs(t, raw); b != nil {
				all = append(all, d.test(b))
			}
		}
	}
	if len(all) == 0 && !r.diags.HasErrors() {
		r.errorf(whole(""), `write test "joiners" { ... }`, "the test files of the directory %q hold no test", dir)
	}
	diags := r.finish()
	if diags.HasErrors() {
		return nil, diags
	}
	return all, diags
}

// testDecoder makes tests of blocks.
type testDecoder struct {
	*evaluator
	dir   string
	first map[string]hcl.Range // of the names of tests
}

func (d *testDecoder) test(b *block) Test {
	t := Test{Name: b.label, File: b.TypeRange.Filename, Line: b.TypeRange.Start.Line, Env: map[string]string{}}
	if first, twice := d.first[b.label]; twice {
		d.errorf(b.labelRange(), "give it a name of its own; the first one is at "+place(first), "test %q is declared twice", b.label)
	}
	d.first[b.label] = b.labelRange()
	if now, ok := b.text("now"); ok {
		at, err := time.Parse(time.DateOnly, now.text)
		if err != nil {
			d.errorf(now.rng, `write year, month and day: "2027-06-30"`, "%s is not a date", now.shown)
		}
		t.Now = at
	}
	t.Accounts = b.path("accounts", d.dir)
	t.Facts = d.facts(b)
	env, _ := b.table("env", `ROLLCALL_HOST = "dc1.example.com"`)
	for _, e := range env {
		if text, ok := d.texted(e, "env"); ok {
			t.Env[e.name] = text
		}
	}
	if b.require("directories", `write directories = { corp = "corp.ldif" }`) {
		all, ok := b.table("directories", `corp = "corp.ldif"`)
		if ok && len(all) == 0 {
			d.errorf(b.rangeOf("directories"), `write directories = { corp = "corp.ldif" }`, "%q is empty: name at least one directory", "directories")
		}
		for _, e := range all {
			t.Directories = append(t.Directories, TestDirectory{e.name, d.paths(e)})
		}
	}
	expect := d.single(b.blocks)
	if expect == nil {
		d.errorf(b.header(), "write expect { add = 1 }, or what else the plan is to be", "test %q expects nothing", b.label)
		return t
	}
	t.Expect = d.expectation(expect)
	return t
}

// factNames are the keys that plan.ParseFacts knows.
var factNames = []string{
	"types", "inactive", "rename", "owner", "ref_stable", "stores", "attributes", "max_aliases", "domains", "batch", "groups", "dry_run", "ledger",
	"deleted_blocks_for", "settles_within",
}

// facts returns those of the console, or nil.
func (d *testDecoder) facts(b *block) *plan.Facts {
	entries, ok := b.table("facts", `inactive = "removed"`)
	if !ok {
		return nil
	}
	for _, e := range entries {
		if !slices.Contains(factNames, e.name) {
			d.errorf(e.nameRng, didYouMean(e.name, factNames, "%s"), "there is no fact %s", e.shown)
		}
	}
	v, _ := b.value("facts")
	facts, err := plan.ParseFacts([]byte(jsonText(v)))
	if err == nil {
		return &facts
	}
	summary, at := err.Error(), b.rangeOf("facts")
	if v.ContainsMarked() {
		summary = "the facts cannot be read"
	} else if of, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		summary = fmt.Sprintf("the fact %q is of the wrong type", of.Field)
	}
	d.errorf(at, "docs/reference/console-protocol.md says what each fact is", "%s", summary)
	return nil
}

// paths returns the LDIF files of a directory.
func (d *testDecoder) paths(e entry) []string {
	plain, _ := e.value.Unmark()
	values := []cty.Value{plain}
	if t := plain.Type(); !plain.IsNull() && (t.IsTupleType() || t.IsListType() || t.IsSetType()) {
		values = plain.AsValueSlice()
	}
	if len(values) == 0 {
		d.errorf(e.rng, `write corp = "corp.ldif"`, "the list of files of %s is empty", e.shown)
	}
	var paths []string
	for _, v := range values {
		v, _ = v.Unmark()
		if v.IsNull() || v.Type() != cty.String || strings.TrimSpace(v.AsString()) == "" {
			d.errorf(e.rng, `write corp = "corp.ldif"`, "%s is %s; expected the path of an LDIF file", e.shown, typeName(v))
			return nil
		}
		paths = append(paths, settings.ResolvePattern(d.dir, v.AsString()))
	}
	return paths
}

// nulls reports what is set to null: of what is expected, that is no expectation.
func (d *testDecoder) nulls(b *block, t blockType) (any bool) {
	for _, a := range inOrder(b.Body.Attributes) {
		if !b.has(a.Name) && slices.Contains(t.attributes, a.Name) {
			d.errorf(a.Expr.Range(), "give it a value, or remove it", "%q is null", a.Name)
			any = true
		}
	}
	return any
}

func (d *testDecoder) expectation(b *block) Expectation {
	null := d.nulls(b, expectType)
	e := Expectation{Exact: b.flag("exact", false)}
	for _, a := range inOrder(b.Body.Attributes) {
		if a.Name != "exact" && b.has(a.Name) {
			e.Counts = append(e.Counts, ExpectedCount{a.Name, b.number(a.Name, 0, math.MaxInt32, 0), a.NameRange.Start.Line})
		}
	}
	for _, inner := range b.blocks {
		if inner.Type == "change" {
			d.nulls(inner, changeType)
			e.Changes = append(e.Changes, d.row(inner, "category", plan.CategoryNames()))
		} else {
			d.nulls(inner, rejectionType)
			e.Rejections = append(e.Rejections, d.row(inner, "reason", plan.ReasonNames()))
		}
	}
	// What is written and not known was reported already.
	written := len(b.Body.Attributes) + len(b.Body.Blocks)
	if _, set := b.Body.Attributes["exact"]; set {
		written--
	}
	if written == 0 && !e.Exact && !null {
		d.errorf(b.header(), "write add = 1, or what else the plan is to be", "the expectation is empty")
	}
	return e
}

func (d *testDecoder) row(b *block, kind string, kinds []string) ExpectedRow {
	row := ExpectedRow{Address: b.label, Line: b.TypeRange.Start.Line}
	for _, a := range inOrder(b.Body.Attributes) {
		v, ok := b.value(a.Name)
		if !ok {
			continue
		}
		plain, _ := v.Unmark()
		var text string
		switch plain.Type() {
		case cty.String:
			text = plain.AsString()
		case cty.Number:
			text = plain.AsBigFloat().Text('f', -1)
		case cty.Bool:
			text = fmt.Sprint(plain.True())
		default:
			b.wrongType(a.Name, v, "a string", `"..."`)
			continue
		}
		if a.Name != kind {
			row.Fields = append(row.Fields, plan.Field{Name: a.Name, Value: text})
			continue
		}
		if row.Kind = text; !slices.Contains(kinds, text) {
			d.errorf(a.Expr.Range(), didYouMean(text, kinds, "%q"), "%q is not a %s", text, kind)
		}
	}
	slices.SortFunc(row.Fields, func(x, y plan.Field) int { return strings.Compare(x.Name, y.Name) })
	return row
}
