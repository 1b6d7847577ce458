package main

import (
	"context"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/explain"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
)

type explainCommand struct {
	Subject   string   `arg:"" help:"An address, a GUID in any spelling, a DN or a username."`
	Directory []string `placeholder:"NAME" sep:"none" help:"Read only this directory; repeatable."`
	Snapshot  string   `type:"path" placeholder:"DIR" help:"Read DIR/<directory>.ldif in place of each server, and DIR/console.accounts.jsonl in place of the console."`
	Output    outputs  `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"explanation" help:"${formats}"`
	Verbose   bool     `short:"v" help:"Add what each rule says, accounts, rows of the plan, full DNs and GUIDs, and LDIF beside PowerShell."`
	redacting
}

func (explainCommand) Help() string {
	return `Explains who has an address, or why nobody has it: the answer first, then the entries that list it, what somebody changed in the console by hand, and what to do. Each change comes with its effect, worked out by planning once more, and with the command: of rollcall, in PowerShell, or as LDIF. The history says since when an account has the address, and who had it before.

Of an address that nobody has, it shows what keeps the objects out that the directory has. Of a GUID, a DN or a username, it explains all addresses of that entry or account. --verbose adds what each rule says.

Nothing is changed. The plan is that of rollcall plan; a server that is empty where it had accounts is a warning here.

Examples:
  rollcall explain ann@example.com
  rollcall explain ann@example.com --verbose
  rollcall explain 8c4ac332-975f-4717-ad7b-ba4a4e968fff
  rollcall explain "CN=Ann Smith,OU=Staff,DC=corp,DC=example,DC=com"
  rollcall explain asmith --snapshot monday -o markdown=asmith.md

Exit codes: 0 done, also if nobody has the address; 1 failed; 10 a directory or the console could not be read completely; 12 a directory or the console refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *explainCommand) Run(s *session) error {
	about, err := plan.ParseSubject(c.Subject)
	if err != nil {
		return usageError{err}
	}
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	flags := reading{Directory: c.Directory, Snapshot: c.Snapshot, AllowEmpty: true}
	g, err := s.gather(cfg, flags, [plan.Brakes]int{}, false, progress)
	if err != nil {
		return advised(err, cfg, flags)
	}
	document, err := c.explain(s, cfg, g, about, progress)
	progress.Clear()
	if err != nil {
		return err
	}
	return explanationReport.write(s, c.Output, document, render.TextOptions{All: c.Verbose})
}

// explain makes the explanation of a subject from what was read.
func (c *explainCommand) explain(s *session, cfg *config.Config, g *gathered, about plan.Subject, progress *render.Progress) (*explain.Document, error) {
	listed := g.in.Listed()
	progress.Update("explaining", "entries", listed.Len())
	x, err := await(s, func() (*plan.Explanation, error) { return plan.Explain(g.in, about) })
	if err == nil {
		err = s.settled(g, nil)
	}
	if err != nil {
		return nil, err
	}
	x.Plan.Header = g.header
	x.Plan.MarkNew(s.standing(), cfg.Rules.Prerequisites)
	unknown, err := s.lookUpDeparted(cfg, x, c.Snapshot, progress)
	if err != nil {
		return nil, err
	}
	found, err := s.search(cfg, x, c.Snapshot, g.in.Read, progress)
	if err != nil {
		return nil, err
	}
	progress.Update("reading the history", "runs", 0)
	past, err := s.whereabouts(cfg, x)
	if err != nil {
		return nil, err
	}
	said := explain.Context{
		Version: release, Created: s.now(), Warnings: append(g.header.Warnings, unknown...), Directories: found, History: past, Domains: cfg.Rules.Domains, Mask: s.mask, Read: c.Directory, Snapshot: c.Snapshot,
	}
	if s.dir != "." {
		said.Dir = s.dir
	}
	return explain.New(x, said), nil
}

// search looks in the directories that were read for what concerns the subject,
// in and outside of scopes. One that cannot be searched is a warning.
func (s *session) search(cfg *config.Config, x *plan.Explanation, snapshot string, read []string, progress *render.Progress) ([]explain.Directory, error) {
	var all []explain.Directory
	reader, err := s.reader(cfg, read, snapshot, progress)
	if err != nil {
		return nil, err
	}
	for _, d := range reader.Directories {
		if len(d.Scopes) == 0 { // it only says who is there, for a prerequisite
			continue
		}
		searched := explain.Directory{Name: d.Name, Scopes: d.Scopes}
		finder, ok := d.Source.(directory.Finder)
		if ok {
			progress.Update("searching "+d.Name, "objects", 0)
			query, notes := explain.Query(x, &cfg.Rules, d.Name, d.Kind.Name)
			found, err := await(s, func() (directory.Findings, error) { return finder.Find(s.ctx, query, d.Scopes) })
			found.Notes = append(found.Notes, notes...)
			switch {
			case s.ctx.Err() != nil:
				return nil, context.Canceled
			case err != nil:
				found.Notes = append(found.Notes, "not searched beside the scopes: "+s.errorText(err))
			}
			searched.Found = found
		}
		all = append(all, searched)
	}
	return all, nil
}
