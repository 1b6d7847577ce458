package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
)

// comparing is the flag of plan that compares two configurations.
type comparing struct {
	Compare string `placeholder:"DIR" help:"Show instead what differs from the plan with the configuration in DIR."`
}

// compare shows what this configuration does otherwise than the one to compare
// with: both are planned on the same entries and accounts. The console is this one's,
// and is read once; each configuration sees its own directories in it.
func (c *planCommand) compare(s *session, cfg *config.Config) error {
	if err := comparisonReport.takes(c.Output); err != nil {
		return err
	}
	base, err := s.baseConfiguration(c.Compare)
	if err != nil {
		return err
	}
	base.Console = cfg.Console
	if s.mask != nil {
		s.mask.Keep(domainNames(base.Rules.Domains)...)
	}
	temporary, err := os.MkdirTemp("", "rollcall-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temporary)
	if s.copies, err = s.copySources(cfg, base, c.reading, temporary); err != nil {
		return advised(err, cfg, c.reading)
	}
	head, err := s.plan(cfg, c.reading, [plan.Brakes]int{})
	if err != nil {
		return advised(err, cfg, c.reading)
	}
	flags, err := c.baseReading(base)
	if err != nil {
		return err
	}
	s.seen = head.view
	before, err := s.plan(base, flags, [plan.Brakes]int{})
	if err != nil {
		return fmt.Errorf("with the configuration in %s: %w", c.Compare, advised(err, base, flags))
	}
	if before.plan.Lineage != head.plan.Lineage || before.plan.Serial != head.plan.Serial {
		return hinted{errors.New("the state was changed while the plans were made"), "try again"}
	}
	for _, warning := range before.plan.Warnings {
		if !slices.Contains(head.plan.Warnings, warning) {
			// Not in which folder, which may be another one in each run.
			head.plan.Warnings = append(head.plan.Warnings, "with the other configuration: "+warning)
		}
	}
	files, err := fileDifferences(base, cfg)
	if err != nil {
		return err
	}
	// The plans first: by then, each value that the name of a file has is known.
	difference := plan.Compare(s.redactedPlan(before.plan), s.redactedPlan(head.plan))
	result := &render.Comparison{
		Version: release, Created: head.plan.Created, With: filepath.ToSlash(c.Compare), Files: s.redactedFiles(files), Difference: difference,
	}
	if err := s.writeComparison(result, c.showing); err != nil {
		return err
	}
	appears := func(d plan.Differing[plan.Rejection]) bool { return d.Effect() == plan.Appears }
	switch {
	case c.FailOnNewRejections && slices.ContainsFunc(result.Rejections, appears):
		return silent{exitNew}
	case c.DetailedExitcode && !result.Empty():
		return silent{exitPending}
	}
	return nil
}

// baseConfiguration loads the configuration to compare with, for the accounts
// of this one.
func (s *session) baseConfiguration(dir string) (*config.Config, error) {
	if _, err := config.Files(dir); err != nil {
		return nil, hinted{fmt.Errorf("--compare %s: %w", dir, err), "check out the other branch into a folder of its own: git worktree add"}
	}
	base, diags := config.Load(dir, s.now(), knownKinds)
	if diags.HasErrors() {
		s.diagnose(diags)
		return nil, hinted{fmt.Errorf("the configuration to compare with, in %s, is not valid", dir), "check out the other branch with every file that it reads"}
	}
	s.inputs = slices.Concat(s.inputs, base.Files, base.Used)
	return base, nil
}

// baseReading returns the flags without the directories that the configuration
// to compare with does not declare.
func (c *planCommand) baseReading(base *config.Config) (reading, error) {
	flags := c.reading
	flags.Directory = slices.DeleteFunc(slices.Clone(flags.Directory), func(name string) bool {
		return !slices.ContainsFunc(base.Directories, func(d config.Directory) bool { return d.Name == name })
	})
	if len(c.Directory) > 0 && len(flags.Directory) == 0 {
		return flags, usageError{fmt.Errorf("no directory %q in the configuration of --compare %s", c.Directory[0], c.Compare)}
	}
	return flags, nil
}

// copied is a server that was read once, for the scopes of two configurations.
type copied struct {
	*files.Source
	receipt identity.Receipt
}

// Read reads the copy, and returns the receipt of the server.
func (c copied) Read(ctx context.Context, scopes []directory.Scope, sink directory.Sink, progress func(directory.Progress)) (identity.Receipt, error) {
	_, err := c.Source.Read(ctx, scopes, sink, progress)
	return c.receipt, err
}

// copySources returns, by their labels, the directories that both
// configurations read from the same place: files as they are, and servers as
// copies in a folder, so that both read the same entries.
func (s *session) copySources(cfg, base *config.Config, flags reading, folder string) (map[string]directory.Source, error) {
	copies := map[string]directory.Source{}
	if flags.Snapshot != "" {
		return copies, nil
	}
	wanted, err := wantedDirectories(cfg, flags.Directory)
	if err != nil {
		return nil, err
	}
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	reader, err := s.reader(cfg, wanted, "", progress)
	if err != nil {
		return nil, err
	}
	var once []directory.Directory // to be copied
	for _, d := range reader.Directories {
		mine, other := declared(cfg, d.Name), declared(base, d.Name)
		switch {
		case other == nil:
		case !mine.SameSource(other):
			s.warn("directory %q is read from another place with the configuration to compare with", d.Name)
		case d.Kind.Files:
			copies[d.Name] = d.Source
		default:
			scopes, ok := bothScopes(d.Scopes, directoryScopes(base, mine))
			if !ok {
				s.warn("directory %q is read twice, because only the server can judge a filter: what changes meanwhile looks like a difference", d.Name)
				continue
			}
			d.Scopes = scopes
			once = append(once, d)
		}
	}
	for i := range cfg.Prerequisites {
		p := &cfg.Prerequisites[i]
		mine, other := declared(cfg, p.Directory), declared(base, p.Directory)
		if !slices.Contains(base.Prerequisites, *p) || other == nil || !mine.SameSource(other) {
			continue
		}
		d, err := s.openPrerequisite(cfg, p, "")
		if err != nil {
			return nil, err
		}
		if !d.Kind.Files {
			once = append(once, d)
		}
	}
	reader.Directories = once
	all, err := s.save(reader, folder)
	defer closeAll(all)
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		if err := writeFile(f.path, func(w io.Writer) error { return f.Write(interruptibleWriter{s.ctx, w}) }); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.path, err)
		}
		copies[f.name] = copied{ldif.New(f.receipt.Name, []string{f.path}), f.receipt}
	}
	return copies, nil
}

// bothScopes returns the scopes of a read that serves two lists of them. Where
// both select the same objects it is one of them, with the attributes of the
// other: the copy then says which scope took an object, and no filter is judged
// again. Otherwise it is not ok if only a server can judge one of the filters.
func bothScopes(scopes, others []directory.Scope) (both []directory.Scope, ok bool) {
	same, judged := len(scopes) == len(others), true
	for i, s := range slices.Concat(scopes, others) {
		f, err := s.ParseFilter()
		if err != nil {
			return nil, false // and reported where it is read
		}
		judged = judged && f.Unsupported() == ""
		if same && i < len(others) {
			g, err := others[i].ParseFilter()
			same = err == nil && s.Base == others[i].Base && f.String() == g.String()
		}
	}
	if !same && !judged {
		return nil, false
	}
	if !same {
		scopes = append(scopes, others...)
	}
	if same {
		for i := range scopes {
			for _, name := range directory.NewMapper(&others[i]).Attributes() {
				scopes[i].Attributes = append(scopes[i].Attributes, directory.Attribute{Name: name, Source: name})
			}
		}
	}
	return scopes, true
}

// fileDifferences returns the files that differ in two configurations.
func fileDifferences(base, head *config.Config) ([]render.FileDifference, error) {
	before, err := base.Texts(head)
	if err != nil {
		return nil, err
	}
	after, err := head.Texts(base)
	if err != nil {
		return nil, err
	}
	var all []render.FileDifference
	byName := func(x, y *config.Text) int { return strings.Compare(x.Name, y.Name) }
	for _, d := range plan.Differences(before, after, byName, func(x, y *config.Text) bool { return x.Sum == y.Sum }) {
		f := render.FileDifference{Name: d.Row().Name}
		if d.Base != nil {
			f.Base, f.Concealed = &d.Base.Content, d.Base.Concealed
		}
		if d.Head != nil {
			f.Head, f.Concealed = &d.Head.Content, f.Concealed || d.Head.Concealed
		}
		all = append(all, f)
	}
	return all, nil
}

// redactedFiles returns files as they may be shown: not what is in them, for
// beside the configuration, which others may have, masks would tell whose they
// are.
func (s *session) redactedFiles(files []render.FileDifference) []render.FileDifference {
	if s.mask == nil {
		return files
	}
	masked := slices.Clone(files)
	for i := range masked {
		f := &masked[i]
		f.Name, f.Concealed = s.mask.Text(f.Name), true
	}
	return masked
}

// writeComparison writes a comparison in every format that was asked for. Its
// warnings are talk where no text shows them.
func (s *session) writeComparison(c *render.Comparison, show showing) error {
	if len(show.Output) > 0 && !slices.Contains(show.Output, output{format: "text"}) {
		for _, warning := range c.Head.Warnings {
			s.warn("%s", warning)
		}
	}
	all := show.Output
	if s.quiet && c.Empty() {
		if all = slices.DeleteFunc(slices.Clone(all), func(o output) bool { return o.file == "" }); len(all) == 0 {
			return nil
		}
	}
	return comparisonReport.write(s, all, c, render.TextOptions{All: show.All})
}
