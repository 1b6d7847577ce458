package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/heartbeat"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

// beating shows monitoring how a run begins and ends.
type beating struct {
	s       *session
	cfg     *config.Config
	started time.Time
	first   <-chan *begun[struct{}] // the ping of the beginning; nil for none
}

// beat begins to show a run.
func (s *session) beat(cfg *config.Config) *beating {
	b := &beating{s: s, cfg: cfg, started: s.now()}
	if cfg.Heartbeat.Ping != "" {
		b.first = begin(func() (struct{}, error) { return struct{}{}, b.ping(heartbeat.Start) })
	}
	return b
}

// end shows how the run ended, as err says. The run is nil where another one held the
// lock.
func (b *beating) end(r *record, err error) {
	h, code := &b.cfg.Heartbeat, codeOf(err)
	if r != nil {
		last, _ := b.s.store.Beat(b.s.ctx) // one that is damaged is written anew
		b.update(&last, r.plan, code)
		if failed := b.s.store.SaveBeat(context.WithoutCancel(b.s.ctx), last); failed != nil {
			b.s.warn("could not keep what monitoring is shown: %v", failed)
		}
		if h.Textfile != "" {
			failed := b.s.textfile(b.cfg) // by now the files of directories are known
			if failed == nil {
				failed = heartbeat.WriteFile(h.Textfile, absolute(b.cfg.Dir), &last)
			}
			if failed != nil {
				b.s.warn("could not write the metrics: %v", failed)
			}
		}
	}
	if b.first == nil {
		return
	}
	_, failed := (<-b.first).get()
	signal := heartbeat.Fail
	if code.done() {
		signal = heartbeat.Success
	}
	if failed = errors.Join(failed, b.ping(signal)); failed != nil {
		b.s.warn("could not send a heartbeat to %s: %v", heartbeat.Host(h.Ping), failed)
	}
}

// ping is heard although the run was interrupted.
func (b *beating) ping(signal heartbeat.Signal) error {
	return heartbeat.Ping(context.WithoutCancel(b.s.ctx), b.cfg.Heartbeat.Ping, signal, "rollcall/"+release)
}

// update takes what the run has come to. Without a plan, the figures are those of the
// one before.
func (b *beating) update(last *run.Beat, p *plan.Plan, code exitCode) {
	last.Started, last.Ended, last.Exit = b.started.UTC(), b.s.now().UTC(), int(code)
	if code.done() {
		last.Applied = last.Ended
	}
	if p == nil {
		return
	}
	if len(p.Unread) == 0 && p.Undoes == 0 && p.Created.After(last.Read) {
		last.Read = p.Created
	}
	last.Figures = figuresOf(p)
}

func figuresOf(p *plan.Plan) run.Figures {
	f := run.Figures{Accounts: map[string]int{}, Entries: map[string]int{}, Rejections: map[string]int{}}
	for _, a := range p.Active {
		f.Accounts[a.Directory] = a.Accounts
	}
	for i := range p.Directories {
		f.Entries[p.Directories[i].Name] = p.Directories[i].Entries
	}
	for _, name := range plan.ReasonNames() {
		f.Rejections[name] = 0
	}
	for i := range p.Rejections {
		r := &p.Rejections[i]
		f.Rejections[r.Reason.String()]++
		if r.Overdue {
			f.Overdue++
		}
	}
	f.New, f.Withheld, f.Drift, f.Risk = p.NewRejections(), p.Summary().WithheldAccounts, len(p.Drift), int(p.RiskLevel())
	return f
}

// done reports whether a run did what it may.
func (c exitCode) done() bool { return c == exitOK || c == exitWithheld || c == exitNew }

// overdueRead warns that the last complete read is too old; "" where it is not, or
// where there is none yet.
func (s *session) overdueRead(cfg *config.Config) string {
	most := cfg.Heartbeat.StaleAfter
	if most == 0 {
		return ""
	}
	last, err := s.store.Beat(s.ctx)
	switch {
	case err != nil:
		return fmt.Sprintf("when all directories were last read completely is unknown: %v", err)
	case last.Read.IsZero() || s.now().Sub(last.Read) <= most:
		return ""
	}
	return fmt.Sprintf("no apply has read all directories completely since %s, %s ago; stale_after is %s: see rollcall history, and what starts the runs",
		stamp(last.Read), s.now().Sub(last.Read).Round(time.Minute), most)
}

// textfile refuses a file of metrics that would replace one that rollcall reads.
func (s *session) textfile(cfg *config.Config) error {
	path := cfg.Heartbeat.Textfile
	if path == "" {
		return nil
	}
	if input := s.input(path); input != "" {
		return hinted{fmt.Errorf("the textfile %s of the heartbeat would replace %s, which rollcall reads", path, input), "name another file in the heartbeat block"}
	}
	return nil
}

// absolute is a path that names the same file everywhere on this machine.
func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}
