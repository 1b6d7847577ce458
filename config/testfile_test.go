package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/redact"
	"github.com/rollcall-cli/rollcall/plan"
)

const exampleTest = `test "joiners" {
  directories = { corp = "corp.ldif", lab = ["lab/*.ldif", "more.ldif"] }
  accounts    = "accounts.csv"
  env         = { HOST = "dc1.example.com" }
  now         = "2026-06-30"

  expect {
    exact      = true
    add        = 2
    legal_hold = 0
    warnings   = 1

    change "ann@example.com" {
      category = "add"
      username = "ann"
      withheld = false
    }
    rejection "not an address" {
      limit = 64
    }
  }
}
`

func loadTests(t *testing.T, text string) (string, []Test, Diagnostics) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.rollcall-test.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tests, diags := LoadTests(dir)
	return dir, tests, diags
}

func TestLoadTests(t *testing.T) {
	dir, got, diags := loadTests(t, exampleTest)
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	want := []Test{{
		Name: "joiners", File: in("a.rollcall-test.hcl"), Line: 1,
		Env: map[string]string{"HOST": "dc1.example.com"}, Now: time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC),
		Directories: []TestDirectory{{"corp", []string{in("corp.ldif")}}, {"lab", []string{in("lab/*.ldif"), in("more.ldif")}}},
		Accounts:    in("accounts.csv"),
		Expect: Expectation{
			Exact:      true,
			Counts:     []ExpectedCount{{"add", 2, 9}, {"legal_hold", 0, 10}, {"warnings", 1, 11}},
			Changes:    []ExpectedRow{{"ann@example.com", "add", []plan.Field{{Name: "username", Value: "ann"}, {Name: "withheld", Value: "false"}}, 13}},
			Rejections: []ExpectedRow{{"not an address", "", []plan.Field{{Name: "limit", Value: "64"}}, 18}},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestEmptyExpectation: what is written and not known is one problem and no
// empty expectation besides.
func TestEmptyExpectation(t *testing.T) {
	for expect, want := range map[string]string{
		"":              "the expectation is empty",
		"exact = false": "the expectation is empty",
		"ad = 2":        `an expect block has no attribute "ad"`,
		"chang {}":      `an expect block holds no block "chang"`,
	} {
		_, _, diags := loadTests(t, "test \"a\" {\n  directories = { corp = \"a.ldif\" }\n  expect {\n    "+expect+"\n  }\n}\n")
		if len(diags) != 1 || diags[0].Summary != want {
			t.Errorf("%q: %v, want %s", expect, diags.Err(), want)
		}
	}
}

// TestNothingExpected: what would make a test pass whatever the plan is, is
// refused.
func TestNothingExpected(t *testing.T) {
	for _, c := range []struct{ directories, expect, want string }{
		{`{}`, `inactive = 0`, `"directories" is empty: name at least one directory`},
		{`{ corp = [] }`, `inactive = 0`, `the list of files of "corp" is empty`},
		{`{ corp = "a.ldif" }`, `add = null`, `"add" is null`},
		{`{ corp = "a.ldif" }`, `exact = null`, `"exact" is null`},
		{`{ corp = "a.ldif" }`, `change "ann@example.com" { category = null }`, `"category" is null`},
		{`{ corp = "a.ldif" }`, `rejection "ann@example.com" { guard = null }`, `"guard" is null`},
	} {
		_, _, diags := loadTests(t, "test \"a\" {\n  directories = "+c.directories+"\n  expect {\n    "+c.expect+"\n  }\n}\n")
		if len(diags) != 1 || diags[0].Summary != c.want {
			t.Errorf("%s, %s: %v, want %s", c.directories, c.expect, diags.Err(), c.want)
		}
	}
}

// TestLoadFor: a test has an environment of its own, in which every variable is
// set.
func TestLoadFor(t *testing.T) {
	t.Setenv("HOST", "of.the.world.example.com")
	dir := t.TempDir()
	text := `directory "corp" {
  kind          = "ldap"
  urls          = ["ldaps://${env("HOST")}", "ldaps://${env("OTHER")}"]
  bind_dn       = "cn=reader"
  bind_password = env("PASSWORD")
}
domain "example.com" {}
scope "staff" { directory = directory.corp }
`
	if err := os.WriteFile(filepath.Join(dir, "a.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, diags := LoadFor(&Test{Env: map[string]string{"HOST": "dc1.example.com"}}, dir, time.Time{}, testKinds)
	if err := diags.Err(); err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Directories[0].Settings.Texts("urls"), []string{"ldaps://dc1.example.com", "ldaps://test"}; !cmp.Equal(got, want) {
		t.Errorf("urls %q, want %q", got, want)
	}
	if _, diags := Load(dir, time.Time{}, testKinds); !diags.HasErrors() {
		t.Error("outside of tests, variables that are not set are there too")
	}
}

// TestJudge: which plans an expectation takes.
func TestJudge(t *testing.T) {
	ann := &identity.Account{Primary: identity.MustAddress("ann@example.com"), Directory: "corp", Username: "ann", Aliases: []identity.Address{identity.MustAddress("a@example.com")}}
	p := &plan.Plan{Accounts: []plan.AccountChange{{After: ann}}, Rejections: []plan.Rejection{{Reason: plan.UnknownDomain, Address: "ann@example.info", Directory: "corp"}}}
	p.Changes = plan.Rows(p.Accounts)
	row := func(address, kind string, fields ...plan.Field) []ExpectedRow {
		return []ExpectedRow{{Address: address, Kind: kind, Fields: fields, Line: 1}}
	}
	annie, corp := plan.Field{Name: "username", Value: "annie"}, plan.Field{Name: "directory", Value: "corp"}
	for name, c := range map[string]struct {
		Expectation
		mismatches []Mismatch
	}{
		"counts":        {Expectation{Counts: []ExpectedCount{{"add", 2, 1}, {"changes", 2, 2}, {"rejections", 1, 3}, {"unknown_domain", 1, 4}, {"inactive", 0, 5}}}, nil},
		"a wrong count": {Expectation{Counts: []ExpectedCount{{"add", 1, 1}}}, []Mismatch{{1, "add", []string{"1"}, []string{"2"}}}},
		"rows":          {Expectation{Changes: row("Ann@Example.com", "add", corp), Rejections: row("ann@example.info", "")}, nil},
		"a wrong field": {Expectation{Changes: row("ann@example.com", "add", annie)}, []Mismatch{{1, "change of ann@example.com", []string{`add username="annie"`}, []string{`add username="ann"`}}}},
		"a wrong kind":  {Expectation{Rejections: row("ann@example.info", "legal_hold")}, []Mismatch{{1, "rejection of ann@example.info", []string{"legal_hold"}, []string{"unknown_domain"}}}},
		"the same row twice": {Expectation{Changes: append(row("ann@example.com", "add"), row("ann@example.com", "", corp)...)},
			[]Mismatch{{1, "change of ann@example.com", []string{"add"}, []string{"add"}}}},
		"exact": {Expectation{Changes: append(row("ann@example.com", ""), row("a@example.com", "")...), Rejections: row("ann@example.info", ""), Exact: true}, nil},
		"not exact": {Expectation{Changes: row("ann@example.com", ""), Rejections: row("ann@example.info", ""), Exact: true},
			[]Mismatch{{0, "change of a@example.com", nil, []string{`add type="user" directory="corp" new_primary="ann@example.com" username="ann"`}}}},
	} {
		if diff := cmp.Diff(c.mismatches, c.Judge(p, (*redact.Mask)(nil))); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// TestJudgeMasked: with masks, no mismatch has a value, and the same value has
// the same mask on both sides.
func TestJudgeMasked(t *testing.T) {
	ann := &identity.Account{Primary: identity.MustAddress("ann.smith@example.com"), Directory: "corp", Username: "asmith", DN: "CN=Ann Smith,DC=corp"}
	p := &plan.Plan{Accounts: []plan.AccountChange{{After: ann}}}
	p.Changes = plan.Rows(p.Accounts)
	mask := redact.New([]byte("key"), "example.com")
	e := Expectation{
		Changes: []ExpectedRow{{Address: "Ann.Smith@example.com", Fields: []plan.Field{{Name: "dn", Value: ann.DN}, {Name: "username", Value: "annie.smith"}}, Line: 1}},
		Exact:   true,
	}
	primary, dn, was, is := mask.Address("ann.smith@example.com"), mask.DN(ann.DN), mask.Name("annie.smith"), mask.Name("asmith")
	want := []Mismatch{
		{1, "change of " + primary, []string{fmt.Sprintf("dn=%q username=%q", dn, was)}, []string{fmt.Sprintf("add dn=%q username=%q", dn, is)}},
		{0, "change of " + primary, nil, []string{fmt.Sprintf(`add type="user" directory="corp" new_primary=%q username=%q dn=%q`, primary, is, dn)}},
	}
	if diff := cmp.Diff(want, e.Judge(p, mask)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	// Letter case does not count in the mask of an address.
	e = Expectation{Changes: []ExpectedRow{{Address: "ann.smith@example.com", Kind: "add", Fields: []plan.Field{{Name: "new_primary", Value: "Ann.Smith@example.com"}}, Line: 1}}}
	row := fmt.Sprintf("add new_primary=%q", primary)
	want = []Mismatch{{1, "change of " + primary, []string{row}, []string{row + ", which differs only in what is masked"}}}
	if diff := cmp.Diff(want, e.Judge(p, mask)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// FuzzLoadTests: whatever a test file holds, it is either tests or problems, the
// same ones each time, that can be printed.
func FuzzLoadTests(f *testing.F) {
	f.Add([]byte(exampleTest))
	f.Add([]byte(`test "a" { directories = [1, null] expect { exact = "x" change "" {} rejection "a" { reason = [] } } }`))
	f.Add([]byte(`test { env = { a = 1 } } expect {} locals { a = local.a }`))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir, tests, diags := loadTests(t, string(text))
		if tests != nil && diags.HasErrors() {
			t.Fatalf("tests with errors %v", diags.Err())
		}
		var b bytes.Buffer
		if err := diags.Write(&b, false); err != nil {
			t.Fatal(err)
		}
		if i := bytes.IndexFunc(b.Bytes(), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }); i >= 0 {
			t.Fatalf("control character %q printed in %q", b.Bytes()[i], b.String())
		}
		again, more := LoadTests(dir)
		if len(more) != len(diags) || !cmp.Equal(tests, again) {
			t.Fatal("a second run says something else")
		}
		for i := range tests {
			tests[i].Expect.Judge(&plan.Plan{}, (*redact.Mask)(nil))
		}
	})
}
