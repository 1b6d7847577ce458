package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

type historyCommand struct {
	List historyListCommand `cmd:"" default:"withargs" help:"List past runs, the newest last."`
	Show historyShowCommand `cmd:"" help:"Show a run with each change and what became of it."`
}

func (historyCommand) Help() string { return historyListCommand{}.Help() }

type historyListCommand struct {
	Address string  `placeholder:"X" help:"Show what happened to this address, run by run."`
	Output  outputs `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"runs" help:"${formats}"`
	separating
	redacting
}

func (historyListCommand) Help() string {
	return `Lists the runs that planned to apply something or edited the state, the newest last: when, who, outcome, and the changes of the plan by category. "rollcall history" alone does the same. With --address, it lists the runs that changed or would have changed who has an address, or the account that has it, with who had it before and after.

Examples:
  rollcall history
  rollcall history --address ann@example.com
  rollcall history -o html=history.html
  rollcall history -o json | jq '.[] | select(.outcome == "failed") | .reason'

Exit codes: 0 done; 1 the history cannot be read; 80 wrong usage; 130 interrupted.`
}

func (c *historyListCommand) Run(s *session) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	runs, err := s.store.Runs(s.ctx)
	if err != nil {
		return err
	}
	if c.Address != "" {
		return c.past(s, cfg, runs)
	}
	for i := range runs {
		runs[i] = *s.redactedRun(&runs[i])
	}
	return runsReport.write(s, c.Output, runs, render.TextOptions{})
}

// writeRuns writes runs as a JSON array, one a line.
func writeRuns(w io.Writer, runs []run.Run) error {
	text := []byte("[")
	for i := range runs {
		if i > 0 {
			text = append(text, ',')
		}
		line, err := runs[i].JSON()
		if err != nil {
			return err
		}
		text = append(append(text, "\n  "...), line...)
	}
	if len(runs) > 0 {
		text = append(text, '\n')
	}
	_, err := w.Write(append(text, "]\n"...))
	return err
}

type historyShowCommand struct {
	Number int     `arg:"" name:"n" help:"The number of the run."`
	Output outputs `short:"o" placeholder:"FORMAT[=FILE]" sep:"none" report:"run" help:"${formats}"`
	separating
	All bool `help:"Show every row of long categories as text."`
	redacting
}

func (historyShowCommand) Help() string {
	return `Shows a run with each change of its plan and what became of it.

Examples:
  rollcall history show 7
  rollcall history show 7 -o csv=run-7.csv

Exit codes: 0 done; 1 there is no such run, or its record is damaged; 80 wrong usage; 130 interrupted.`
}

func (c *historyShowCommand) Run(s *session) error {
	if _, err := s.configuration(); err != nil {
		return err
	}
	past, p, err := s.pastRun(c.Number)
	if err != nil {
		return err
	}
	past, p = s.redactedRecord(past, p)
	return runReport.write(s, c.Output, shownRun{past, p}, render.TextOptions{All: c.All, Advice: render.Advice{Full: s.command("history", "show", strconv.Itoa(c.Number), "--all")}})
}

// shownRun is a run and the plan that it had.
type shownRun struct {
	*run.Record
	plan *plan.Plan
}

// pastRun reads a run and the plan that it had, as far as it is recorded.
func (s *session) pastRun(number int) (*run.Record, *plan.Plan, error) {
	p := &plan.Plan{Recorded: true}
	past, err := s.store.Run(s.ctx, number, func(c *identity.Change) {
		p.Accounts = append(compact.Grown(p.Accounts), *c)
	})
	var damage *state.Error
	if err != nil && !errors.As(err, &damage) {
		err = hinted{err, s.command("history") + " lists the runs"}
	}
	if err != nil {
		return nil, nil, err
	}
	p.Changes = plan.Rows(p.Accounts)
	p.Group()
	return past, p, nil
}

// writeRun writes a run as one JSON object: the run as the list has it, the
// rows of its plan with their outcomes, and the accounts before and after.
func writeRun(w io.Writer, past *run.Record, p *plan.Plan) error {
	out := bufio.NewWriterSize(w, 1<<16)
	head, err := past.JSON()
	if err != nil {
		return err
	}
	list := func(name string, n int, item func(b []byte, i int) []byte) {
		fmt.Fprintf(out, ",\n  %q: [", name)
		var b []byte
		for i := range n {
			b = append(b[:0], ",\n    "...)
			if i == 0 {
				b = b[1:]
			}
			out.Write(item(b, i))
		}
		if n > 0 {
			out.WriteString("\n  ")
		}
		out.WriteByte(']')
	}
	fmt.Fprintf(out, "{\n  \"run\": %s", head)
	became := render.RowOutcomes(past, p.Accounts)
	list("changes", len(p.Changes), func(b []byte, i int) []byte {
		outcome, failure := became(&p.Changes[i])
		b = bytes.TrimSuffix(p.Changes[i].AppendJSON(b), []byte("}"))
		b = fmt.Appendf(b, `, "outcome": %q, "error": `, outcome)
		return append(identity.AppendJSONString(b, failure), '}')
	})
	list("accounts", len(p.Accounts), func(b []byte, i int) []byte { return plan.AppendAccountChange(b, &p.Accounts[i]) })
	out.WriteString("\n}\n")
	return out.Flush()
}
