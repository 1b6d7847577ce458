package main

import (
	"github.com/rollcall-cli/rollcall/internal/console"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/heartbeat"
	"github.com/rollcall-cli/rollcall/internal/render"
)

type doctorCommand struct {
	Directory []string `placeholder:"NAME" sep:"none" help:"Test only this directory, and neither the console nor a notify block; repeatable."`
	Output    outputs  `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"diagnosis" help:"${formats}"`
}

func (doctorCommand) Help() string {
	return `Tests every directory from DNS to the last entry, the console from its first answer to the last account, whether the store of a shared state answers, and whether each notify block can reach its server, as a list of named checks, each with its finding and what to do. A check that needs one that failed is skipped and says so. Nothing is changed, and a login that was refused is not tried again on that directory's other servers.

Examples:
  rollcall doctor
  rollcall doctor --directory corp -o text -o markdown=corp.md

Exit codes: 0 no check failed, though some may warn; 1 failed; 10 a check failed; 12 one failed because credentials were refused; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *doctorCommand) Run(s *session) error {
	cfg, wanted, err := s.chosen(c.Directory)
	if err != nil {
		return err
	}
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	reader, err := s.reader(cfg, wanted, "", progress)
	if err != nil {
		return err
	}
	found := render.Diagnosis{Version: release, Created: s.now()}
	reader.Directories = withoutScopes(cfg, reader.Directories)
	if found.Directories, err = reader.Diagnose(s.ctx, s.now); err != nil {
		return err
	}
	others, err := s.diagnosePrerequisites(cfg, wanted, found.Directories, progress)
	if err != nil {
		return err
	}
	found.Directories = append(found.Directories, others...)
	if k := cfg.Console; len(c.Directory) == 0 && !consoles.Kind(k.Kind).Embedded {
		task := "reading console " + k.Name
		progress.Update(task, "accounts", 0)
		e := console.Examining{Name: k.Name, Kind: k.Kind, Owner: k.Owner}
		for _, d := range cfg.Rules.Domains {
			if !d.Public && !d.Ignore { // what is rewritten to it need not be there
				e.Domains = append(e.Domains, d.Name)
			}
		}
		open := func() (console.Target, error) { return s.connect(cfg, nil) }
		if found.Console, err = console.Examine(s.ctx, e, open, s.now, func(n int) { progress.Update(task, "accounts", n) }); err != nil {
			return err
		}
	}
	if len(c.Directory) == 0 {
		progress.Clear()
		found.State = s.examineStore(cfg)
		found.Channels = s.examineChannels(cfg)
	}
	code := exitOK
	for _, report := range found.Reports() {
		switch {
		case report.Refused:
			code = exitRefused
		case report.Count(doctor.Failed) > 0 && code == exitOK:
			code = exitUnreachable
		}
	}
	progress.Clear()
	s.metrics(cfg, func() error { return heartbeat.Writable(cfg.Heartbeat.Textfile) })
	if err := diagnosisReport.write(s, c.Output, &found, render.TextOptions{}); err != nil {
		return err
	}
	if code != exitOK {
		return silent{code}
	}
	return nil
}
