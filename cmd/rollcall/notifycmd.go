package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/channel"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/notice"
	"github.com/rollcall-cli/rollcall/internal/words"
)

type notifyCommand struct {
	Test notifyTestCommand `cmd:"" help:"Send one notice of each kind."`
}

func (notifyCommand) Help() string {
	return `Tests the notify blocks of the configuration, by which people are told what runs of apply did.

Example:
  rollcall notify test

Exit codes: 0 done; 1 failed; 80 wrong usage.`
}

type notifyTestCommand struct {
	Labels []string `arg:"" optional:"" name:"label" help:"Only these notify blocks."`
}

func (notifyTestCommand) Help() string {
	return `Sends one notice of each kind that a notify block is for, marked as a test, by way of each block or of those that are named. Nothing is read and nothing is changed; what waits in the outbox stays there.

Examples:
  rollcall notify test
  rollcall notify test ops

Exit codes: 0 all were sent; 1 one was not sent, or there is no notify block; 80 wrong usage; 130 interrupted.`
}

func (c *notifyTestCommand) Run(s *session) error {
	cfg, err := s.configuration()
	if err != nil {
		return err
	}
	var labels []string
	for i := range cfg.Notify {
		labels = append(labels, cfg.Notify[i].Label)
	}
	if len(labels) == 0 {
		return hinted{fmt.Errorf("the configuration has no notify block"), "docs/reference/configuration.md#notify shows how to write one"}
	}
	for _, wanted := range c.Labels {
		if !slices.Contains(labels, wanted) {
			return words.Unknown("notify block", wanted, labels)
		}
	}
	failed := false
	for i := range cfg.Notify {
		n := &cfg.Notify[i]
		if len(c.Labels) > 0 && !slices.Contains(c.Labels, n.Label) {
			continue
		}
		err := s.sendSamples(cfg, n)
		if s.ctx.Err() != nil {
			return context.Canceled
		}
		if err != nil {
			failed = true
			s.say(levelError, fmt.Sprintf("notify %q: %s", n.Label, s.said(err.Error())), "rollcall doctor tests the connection alone", exitFailed)
			continue
		}
		s.note("notify %q: %s sent", n.Label, counted(len(n.On), "notice"))
	}
	if failed {
		return silent{exitFailed}
	}
	return nil
}

// sendSamples sends one notice of each kind that a channel is for.
func (s *session) sendSamples(cfg *config.Config, n *config.Notify) error {
	ctx, cancel := context.WithTimeout(s.ctx, channel.Timeout)
	defer cancel()
	to := senderOf(n)
	defer to.Close()
	telling := &notices{s: s, cfg: cfg}
	from, redacted := telling.origins(0)
	found := notice.Samples(telling.command)
	_, messages := notice.File(nil, []notice.Channel{channelOf(n)}, &found, from, redacted, s.now())
	for _, m := range messages {
		out := to.Send(ctx, &m)
		if out.Err != nil {
			return out.Err
		}
		if len(out.Refused) > 0 {
			return fmt.Errorf("notice %q: %w", m.Kind, out.Refused[0])
		}
	}
	return nil
}

// examineChannels tests each channel as far as that goes without a notice.
func (s *session) examineChannels(cfg *config.Config) (reports []*doctor.Report) {
	for i := range cfg.Notify {
		n := &cfg.Notify[i]
		r := &doctor.Report{Name: n.Label, Kind: n.Kind}
		r.Check(doctor.Reach, n.Label, func(c *doctor.Check) {
			ctx, cancel := context.WithTimeout(s.ctx, channel.Timeout)
			defer cancel()
			to := senderOf(n)
			defer to.Close()
			to.Examine(ctx, c)
		})
		reports = append(reports, r)
	}
	return reports
}
