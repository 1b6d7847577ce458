package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/run"
)

type declineCommand struct {
	Plan   string `arg:"" help:"A saved plan, made by plan -o json=PLAN."`
	Reason string `required:"" placeholder:"TEXT" help:"Why, for whoever reads the history."`
	locking
}

func (declineCommand) Help() string {
	return `Records in the history that a person said no to a saved plan. It can no longer be applied then, and apply says who declined it and why. The outcome in the history is "rejected"; rollcall reject is the same command.

Example:
  rollcall decline plan.json --reason "the whole sales team would go"

Exit codes: 0 done; 1 the plan cannot be read, or the history not written; 5 the plan was applied or declined already; 11 the state is locked; 80 wrong usage; 130 interrupted.`
}

func (c *declineCommand) Run(s *session) error {
	if strings.TrimSpace(c.Reason) == "" {
		return usageError{errors.New("--reason must not be empty")}
	}
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	p, err := s.readPlan(c.Plan)
	if err != nil {
		return err
	}
	if p.Redacted {
		return fmt.Errorf("%s: %w", c.Plan, s.unfit(apply.ErrRedacted))
	}
	lock, err := s.lock("rollcall decline")
	if err != nil {
		return err
	}
	defer s.release(lock)
	declined := s.record(cfg)
	defer declined.prune()
	declined.identify(p)
	if err := declined.barred(); err != nil {
		return fmt.Errorf("%s: %w", c.Plan, err)
	}
	if err := declined.begin(); err != nil {
		if declined.recorder != nil {
			declined.recorder.Drop(context.WithoutCancel(s.ctx))
		}
		return err
	}
	if err := declined.recorder.End(context.WithoutCancel(s.ctx), run.Rejected, strings.TrimSpace(c.Reason), s.now()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "declined %s: it can no longer be applied; run %d of the history has it as rejected\n", c.Plan, declined.recorder.Number())
	return err
}
