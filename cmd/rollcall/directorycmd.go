package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/words"
)

type directoryCommand struct {
	Test directoryTestCommand `cmd:"" group:"setup" help:"Test whether a connector keeps its protocol."`
}

func (directoryCommand) Help() string {
	return `Tests the connector of a directory of kind exec.

Example:
  rollcall directory test people

Exit codes: 0 every test has passed, or does not apply; 1 failed; 9 a test has failed; 12 the directory refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted.`
}

type directoryTestCommand struct {
	Name   string  `arg:"" help:"The directory, of kind exec."`
	Output outputs `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"directory test" help:"${formats}"`
}

func (directoryTestCommand) Help() string {
	return `Tests whether the connector of a directory keeps the protocol, and says of each test what was found, and of one that fails also what was asked. The connector is started several times, killed once, and everything is read up to six times. Nothing is changed, so that the directory may be a real one.

Examples:
  rollcall directory test people
  rollcall directory test people -o json=report.json

Exit codes: 0 every test has passed, or does not apply; 1 failed; 9 a test has failed; 12 the directory refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *directoryTestCommand) Run(s *session) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	of := declared(cfg, c.Name)
	if of == nil {
		return usageError{words.Undeclared("directory", c.Name, cfg.Rules.Directories)}
	}
	d, err := s.open(cfg, of, "")
	if err != nil {
		return err
	}
	d.Scopes = directoryScopes(cfg, of)
	for i := range cfg.Prerequisites {
		if p := &cfg.Prerequisites[i]; p.Directory == of.Name {
			d.Scopes = append(d.Scopes, prerequisiteScope(p))
		}
	}
	tester, able := d.Source.(directory.Tester)
	switch {
	case !able:
		return hinted{fmt.Errorf("directory %q has no connector that could be tested: it is of kind %s", d.Name, d.Kind.Name), "rollcall doctor --directory " + d.Name + " tests the way to it"}
	case len(d.Scopes) == 0:
		return hinted{fmt.Errorf("neither a scope nor a prerequisite reads directory %q", d.Name), "declare a scope for it: by that is known what to read"}
	}
	report := render.DirectoryTest{Name: d.Name, Kind: d.Kind.Name}
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	task := "testing directory " + d.Name
	progress.Update(task, "tests", 0)
	begun, failed := s.now(), false
	err = tester.Test(s.ctx, d.Scopes, func(r directory.TestResult) {
		failed = failed || r.Outcome == directory.NotPassed
		report.Results = append(report.Results, render.ContractResult{Name: r.Name, Status: render.ContractStatus(r.Outcome), Asks: r.Asks, Did: r.Found})
		progress.Update(task, "tests", len(report.Results))
	})
	progress.Clear()
	switch {
	case s.ctx.Err() != nil:
		return context.Canceled
	case err != nil:
		return err
	}
	report.Seconds = s.now().Sub(begun).Round(time.Millisecond).Seconds()
	if err := directoryTestReport.write(s, c.Output, &report, render.TextOptions{}); err != nil {
		return err
	}
	if failed {
		return silent{exitFindings}
	}
	return nil
}
