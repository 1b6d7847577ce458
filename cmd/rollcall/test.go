package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/csv"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/words"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

type testCommand struct {
	Tests   string  `arg:"" optional:"" name:"dir" help:"The folder of the tests; the configuration directory if it is not given."`
	Output  outputs `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"tests" help:"${formats}"`
	Pattern string  `name:"run" placeholder:"PATTERN" help:"Run only tests whose names match this regular expression."`
	redacting
}

func (testCommand) Help() string {
	return `Runs the tests of the configuration: the *.rollcall-test.hcl files of a folder. Each test has directory data as LDIF, or as CSV for a directory of kind csv, accounts, and the plan to expect. Neither a server nor the state is looked at, and env() returns what the test says.

Examples:
  rollcall test
  rollcall test tests --run joiner
  rollcall -C mail test -o text -o junit=report.xml
  rollcall test --redact

Exit codes: 0 all tests passed; 1 a test file is not valid, or no test matches; 9 a test failed; 70 internal error; 80 wrong usage; 130 interrupted.`
}

// Validate refuses a pattern that is none.
func (c *testCommand) Validate() error {
	_, err := regexp.Compile(c.Pattern)
	return err
}

func (c *testCommand) Run(s *session) error {
	dir := c.Tests
	if dir == "" {
		dir = s.dir
	}
	tests, diags := config.LoadTests(dir)
	if diags.HasErrors() {
		s.diagnose(diags)
		return silent{exitFailed}
	}
	pattern := regexp.MustCompile(c.Pattern) // was checked
	tests = slices.DeleteFunc(tests, func(t config.Test) bool { return !pattern.MatchString(t.Name) })
	if len(tests) == 0 {
		return hinted{fmt.Errorf("no test matches %q", c.Pattern), s.command("test") + ", without --run, runs them all"}
	}
	if s.mask != nil {
		s.keyedForTests(&tests[0])
	}
	var results []render.TestResult
	code := exitOK
	for i := range tests {
		t := &tests[i]
		result := render.TestResult{Name: s.mask.Text(t.Name), File: s.mask.Text(filepath.ToSlash(s.shortName(t.File))), Line: t.Line}
		p, err := s.planOf(t)
		switch {
		case s.ctx.Err() != nil:
			return s.ctx.Err()
		case err != nil:
			result.Error = s.mask.Text(err.Error())
		default:
			p.Warnings = s.redactedPlan(p).Warnings
			for _, m := range t.Expect.Judge(p, s.mask) {
				result.Mismatches = append(result.Mismatches, render.TestMismatch(m))
			}
		}
		if !result.Passed() {
			code = exitFindings
		}
		results = append(results, result)
	}
	if err := testsReport.write(s, c.Output, results, render.TextOptions{}); err != nil {
		return err
	}
	if code != exitOK {
		return silent{code}
	}
	return nil
}

// keyedForTests gives the masks the key that goes with the configuration, as a
// test loads it.
func (s *session) keyedForTests(t *config.Test) {
	if cfg, diags := config.LoadFor(t, s.dir, s.now(), knownKinds); !diags.HasErrors() {
		if s.reach(cfg) == nil {
			s.keyedAs(cfg)
		}
	}
}

// planOf makes the plan of a test: on its data, with this configuration.
func (s *session) planOf(t *config.Test) (*plan.Plan, error) {
	now := t.Now
	if now.IsZero() {
		now = s.now()
	}
	cfg, diags := config.LoadFor(t, s.dir, now, knownKinds)
	if diags.HasErrors() {
		var b strings.Builder
		// A strings.Builder takes whatever is written.
		diags.Write(&b, false)
		return nil, fmt.Errorf("the configuration is not valid\n%s", b.String())
	}
	s.inputs = slices.Concat(s.inputs, cfg.Files, cfg.Used, []string{t.File, t.Accounts})
	in := plan.Input{Rules: cfg.Rules, Now: now}
	header := plan.Header{Created: now.UTC().Truncate(time.Second), Warnings: cfg.Warnings()}
	reader := directory.Reader{}
	for _, fixture := range t.Directories {
		at := slices.IndexFunc(cfg.Directories, func(d config.Directory) bool { return d.Name == fixture.Name })
		if at < 0 {
			return nil, words.Undeclared("directory", fixture.Name, cfg.Rules.Directories)
		}
		declared := &cfg.Directories[at]
		kind, files := ldif.Kind, ldif.New(fixture.Name, fixture.Paths)
		if declared.Kind == csv.Kind.Name && !slices.ContainsFunc(fixture.Paths, func(path string) bool { return strings.HasSuffix(path, ".ldif") }) {
			kind, files = csv.Kind, csv.New(fixture.Name, fixture.Paths, csv.OptionsOf(declared.Settings))
		}
		if paths, err := files.Files(); err == nil {
			s.inputs = append(s.inputs, paths...)
		}
		in.Read = append(in.Read, fixture.Name)
		reader.Directories = append(reader.Directories, directory.Directory{
			Name: fixture.Name, Kind: kind, Source: files, Scopes: directoryScopes(cfg, declared),
		})
	}
	prerequisites := directory.Reader{}
	for i := range cfg.Prerequisites {
		d, err := prerequisiteOf(&cfg.Rules.Prerequisites[i], reader.Directories)
		if err != nil {
			return nil, err
		}
		d.Scopes = []directory.Scope{prerequisiteScope(&cfg.Prerequisites[i])}
		prerequisites.Directories = append(prerequisites.Directories, d)
	}
	var err error
	if in.Others, header.Prerequisites, err = s.listings(cfg, &prerequisites); err != nil {
		return nil, err
	}
	if in.Entries, header.Directories, err = reader.Entries(s.ctx); err != nil {
		return nil, err
	}
	st := &state.State{}
	if t.Accounts != "" {
		if st, err = fixtureAccounts(t.Accounts); err != nil {
			return nil, err
		}
	}
	in.Accounts = st.Accounts
	if t.Facts != nil {
		v := rehearsed(cfg, st.Accounts, t.Facts, now)
		in.Accounts, in.Merged, in.Facts, header.Console = v.Accounts, v.Merged, *t.Facts, &v.Receipt
	}
	missing, err := gaps(cfg, header.Directories, &in, true)
	if err != nil {
		return nil, err
	}
	header.Warnings = slices.Concat(header.Warnings, missing, undeclared(cfg, activeOf(st)), unlisted(header.Prerequisites))
	p, err := await(s, func() (*plan.Plan, error) { return plan.Compute(in) })
	if err != nil {
		return nil, err
	}
	header.Causes = p.Diagnose(in.Listed(), in.Rules.Scopes)
	p.Header = header
	return p, nil
}

// fixtureAccounts reads accounts as a state file, or as what state import takes.
func fixtureAccounts(path string) (*state.State, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, notState := state.Read(f)
	if notState == nil {
		return st, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	st = &state.State{}
	if _, err := st.Import(path, f); err != nil {
		return nil, err
	}
	slices.SortFunc(st.Accounts, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	return st, nil
}
