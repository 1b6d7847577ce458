package main

import (
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/lint"
	"github.com/rollcall-cli/rollcall/internal/render"
)

type lintCommand struct {
	Directory []string `placeholder:"NAME" sep:"none" help:"Read only this directory; repeatable."`
	Snapshot  string   `type:"path" placeholder:"DIR" help:"Read DIR/<directory>.ldif instead of each server."`
	Output    outputs  `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"lint" help:"${formats}"`
	separating
	All      bool           `help:"Show every finding as text."`
	Severity lint.Severity  `default:"info" words:"severities" placeholder:"LEVEL" help:"Leave out findings below this severity: error, warning or info (default info)."`
	FailOn   *lint.Severity `words:"severities" placeholder:"LEVEL" help:"Exit 9 if a finding of this severity or worse is shown: error, warning or info."`
	redacting
}

func (lintCommand) Help() string {
	return `Finds what is wrong in the mail data of the directories, before any plan: addresses that are malformed, that several entries list, that other programs stumble over. Each finding has a stable code and names the entry, the value and what to do; where a repair needs no decision, it is given as PowerShell and as LDIF. Nothing is changed, and the state is not read.

Examples:
  rollcall lint
  rollcall lint --severity error -o text -o csv=lint.csv
  rollcall lint --snapshot monday --fail-on error -o sarif=lint.sarif

Exit codes: 0 done, whatever was found; 1 failed; 9 findings, with --fail-on; 10 a directory could not be read completely; 12 a directory refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *lintCommand) Run(s *session) error {
	cfg, wanted, err := s.chosen(c.Directory)
	if err != nil {
		return err
	}
	report, err := s.lint(cfg, wanted, c.Snapshot, c.Severity)
	if err != nil {
		return advised(err, cfg, reading{Directory: c.Directory, Snapshot: c.Snapshot})
	}
	shown := render.Lint{Version: release, Created: s.now(), Report: report.Redacted(s.mask)}
	if err := lintReport.write(s, c.Output, &shown, render.TextOptions{All: c.All, Advice: render.Advice{Full: s.command("lint", "--all")}}); err != nil {
		return err
	}
	if c.FailOn != nil && slices.ContainsFunc(report.Findings, func(f lint.Finding) bool { return f.Severity() >= *c.FailOn }) {
		return silent{exitFindings}
	}
	return nil
}

// lint reads directories and looks at every object.
func (s *session) lint(cfg *config.Config, wanted []string, snapshot string, least lint.Severity) (*lint.Report, error) {
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	reader, err := s.reader(cfg, wanted, snapshot, progress)
	if err != nil {
		return nil, err
	}
	linter := lint.New(&cfg.Rules, least)
	if err := reader.Objects(s.ctx, func(d *directory.Directory) (directory.Sink, error) {
		linter.Begin(d.Name, d.Kind.Name, d.Scopes)
		return linter, nil
	}, func(_ *directory.Directory, receipt identity.Receipt) error {
		linter.End(receipt)
		return nil
	}); err != nil {
		return nil, err
	}
	progress.Update("comparing", "directories", len(wanted))
	return await(s, func() (*lint.Report, error) { return linter.Report(), nil })
}
