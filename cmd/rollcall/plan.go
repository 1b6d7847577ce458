package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
)

type planCommand struct {
	reading
	showing
	quieting
	failing
	comparing
	Expires          time.Duration `default:"24h" placeholder:"DURATION" help:"How long the saved plan may be applied (default 24h)."`
	Try              bool          `help:"Ask the console whether it would accept the changes, without making them."`
	DetailedExitcode bool          `help:"Exit 2 if changes are pending, 4 if a brake withholds some."`
}

func (planCommand) Help() string {
	return `Reads every directory, the state and the console, and shows the categorized change set. Nothing is changed. The JSON document is the saved plan that apply takes. A change of a value is shown as old -> new, or, of a long one, as [-old-]{+new+} in what stays.

--only and --except take a category (add, or category:add), a scope (staff, or scope:staff) or an address (ann@example.com, or address:ann@example.com), and what they leave out is listed as left_out. A change needs one of each kind that --only names, and none of --except. An account changes whole or not at all, and so do accounts between which an address moves.

--compare takes the directory of another configuration, such as that of the base branch, and shows what this one does differently: the rows and rejections that appear, vanish or differ, and how the files differ. Both are planned on the same entries and accounts. Its output cannot be applied.

--try sends the changes to a console that can try them without making them, and warns of each that it would not accept.

Examples:
  rollcall plan
  rollcall plan -o text -o json=plan.json
  rollcall plan --directory corp --detailed-exitcode
  rollcall plan --only add,scope:staff -o text -o json=plan.json
  rollcall plan --except inactive --except ceo@example.com
  rollcall plan --quiet --fail-on-new-rejections
  rollcall plan --compare ../base --snapshot monday -o markdown=comment.md

Exit codes: 0 done; 1 failed; 2 changes pending, or the plans compared differ, with --detailed-exitcode; 4 a brake withholds something, with --detailed-exitcode; 7 new rejections, with --fail-on-new-rejections; 10 a directory or the console could not be read completely, or was empty where it had accounts; 12 a directory or the console refused the credentials; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *planCommand) Validate() error {
	if c.Try && (c.Compare != "" || c.Snapshot != "") {
		return errors.New("--try asks the console, so it does not go with --compare or --snapshot")
	}
	return positive("--expires", c.Expires)
}

func (c *planCommand) Run(s *session) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	if c.Compare != "" {
		return c.compare(s, cfg)
	}
	made, err := s.plan(cfg, c.reading, [plan.Brakes]int{})
	if err != nil {
		return advised(err, cfg, c.reading)
	}
	if c.Try {
		if err := s.try(cfg, made); err != nil {
			return err
		}
	}
	p := made.plan
	p.Expires = s.now().UTC().Truncate(time.Second).Add(c.Expires)
	if err := s.writePlan(p, c.showing, c.advice(s, made)); err != nil {
		return err
	}
	return c.ended(s, p)
}

// advice says which command applies the plan, and which lists the accounts that
// no entry matched.
func (c *planCommand) advice(s *session, m *made) render.Advice {
	a := s.unmatched(m)
	a.Again = m.again
	if !c.NewState {
		return a
	}
	args := []string{"apply"}
	for _, o := range c.Output {
		if o.format == "json" && o.file != "" && len(args) == 1 {
			args = append(args, o.file)
		}
	}
	a.Apply = s.command(append(args, "--new-state")...)
	return a
}

// unmatched counts the local accounts that a plan leaves local, for its report.
func (s *session) unmatched(m *made) render.Advice {
	n := m.view.Receipt.Local
	for i := range m.plan.Accounts {
		if c := &m.plan.Accounts[i]; c.Before != nil && c.Before.Local() && c.After != nil && !c.After.Local() {
			n--
		}
	}
	list := []string{"state", "list", "--local"}
	if !m.view.Receipt.Facts.Embedded {
		list = []string{"console", "accounts", "--local"}
	}
	return render.Advice{Local: n, ListLocal: s.command(list...)}
}

// advised adds to the advice of a failed read what else can be done.
func advised(err error, cfg *config.Config, flags reading) error {
	var read *directory.ReadError
	var refused *directory.RefusedError
	failed := ""
	switch {
	case errors.As(err, &refused):
		failed = refused.Directory
	case errors.As(err, &read):
		failed = read.Directory
	default:
		return err
	}
	// A snapshot has what the configuration reads that it was made with.
	if lacking := (*ldif.LackingError)(nil); errors.As(err, &lacking) {
		return hinted{err, fmt.Sprintf("make it with the configuration that reads %s: %s", lacking.Attribute, commandIn(cfg.Dir, "snapshot", "-o", flags.Snapshot))}
	}
	advice := []string{directory.HintOf(err)}
	if flags.Snapshot != "" && errors.Is(err, fs.ErrNotExist) {
		advice = append(advice, commandIn(cfg.Dir, "snapshot", "-o", flags.Snapshot)+" makes one")
	} else if errors.Is(err, fs.ErrNotExist) {
		advice = append(advice, fmt.Sprintf("put the file there, or correct path of directory %q", failed))
	}
	others, _ := wantedDirectories(cfg, flags.Directory)
	others = slices.DeleteFunc(slices.Clone(others), func(name string) bool { return name == failed || forPrerequisites(cfg, name) })
	awaited := slices.ContainsFunc(cfg.Prerequisites, func(p config.Prerequisite) bool { return p.Directory == failed })
	if len(others) > 0 && !awaited {
		advice = append(advice, "or continue without it: --directory "+strings.Join(others, " --directory "))
	}
	advice = slices.DeleteFunc(advice, func(text string) bool { return text == "" })
	return hinted{err, strings.TrimPrefix(strings.Join(advice, "; "), "or ")}
}

// ended ends a plan with the exit code that says what it holds, as far as that
// was asked for.
func (c *planCommand) ended(s *session, p *plan.Plan) error {
	sum := p.Summary()
	if c.DetailedExitcode && sum.Withheld > 0 {
		return silent{exitWithheld}
	}
	if err := c.fails(s, p); err != nil {
		return err
	}
	if c.DetailedExitcode && sum.Pending() > 0 {
		return silent{exitPending}
	}
	return nil
}
