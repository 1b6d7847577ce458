package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/heartbeat"
	"github.com/rollcall-cli/rollcall/internal/identity"
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

// end shows how the run ended, as err says. One that never held the lock has no record.
func (b *beating) end(r *record, err error) {
	h, code := &b.cfg.Heartbeat, codeOf(err)
	last, _ := b.s.lastBeat() // one that is damaged is written anew
	var of *plan.Plan
	if r != nil {
		of = r.plan
	}
	b.update(&last, of, code)
	if r != nil {
		if failed := b.s.store.SaveBeat(context.WithoutCancel(b.s.ctx), last); failed != nil {
			b.s.warn("could not keep what monitoring is shown: %v", failed)
		}
	}
	b.s.metrics(b.cfg, func() error { return heartbeat.WriteFile(h.Textfile, absolute(b.cfg.Dir), &last) })
	if b.first != nil {
		if failed := b.signal(code); failed != nil {
			b.s.warn("could not send a heartbeat to %s: %v", heartbeat.Host(h.Ping), failed)
		}
	}
}

// metrics warns where the file of metrics, if there is to be one, cannot be written.
func (s *session) metrics(cfg *config.Config, write func() error) {
	path := cfg.Heartbeat.Textfile
	if path == "" {
		return
	}
	err := s.textfile(cfg) // by now the files of directories are known
	if err == nil {
		err = write()
	}
	if err != nil {
		hint := cmp.Or(directory.HintOf(err), "name in textfile a file in a folder that is there, and in which whoever runs rollcall may write")
		s.say(levelWarning, fmt.Sprintf("the metrics cannot be written to %s: %v", path, err), hint, 0)
	}
}

// signal pings how the run ended, after the ping of its beginning. One that the run had
// to wait for in vain is enough.
func (b *beating) signal(code exitCode) error {
	waited := len(b.first) == 0
	_, failed := (<-b.first).get()
	if waited && errors.Is(failed, heartbeat.ErrSilent) {
		return failed
	}
	signal := heartbeat.Fail
	if code.done() {
		signal = heartbeat.Success
	}
	return cmp.Or(b.ping(signal), failed)
}

// ping is heard although the run was interrupted.
func (b *beating) ping(signal heartbeat.Signal) error {
	return heartbeat.Ping(context.WithoutCancel(b.s.ctx), b.cfg.Heartbeat.Ping, signal, "rollcall/"+release)
}

// update takes what the run has come to. Figures that its plan does not have are those
// of the one before.
func (b *beating) update(last *run.Beat, p *plan.Plan, code exitCode) {
	last.Started, last.Ended, last.Exit = b.started.UTC(), b.s.now().UTC(), int(code)
	if code.done() {
		last.Applied = last.Ended
	}
	if p == nil || p.Undoes > 0 {
		return
	}
	if len(p.Unread) == 0 && !slices.ContainsFunc(p.Directories, func(r identity.Receipt) bool { return directory.OfSnapshot(&r) }) && p.Created.After(last.Read) {
		last.Read = p.Created
	}
	last.Figures = figuresOf(p, &last.Figures)
}

// figuresOf returns the figures of a plan, and those before of directories that were
// not read.
func figuresOf(p *plan.Plan, before *run.Figures) run.Figures {
	f := before.Of(p.Unread)
	for _, a := range p.Active {
		f.Accounts[a.Directory] = a.Accounts
	}
	for i := range p.Directories {
		r := &p.Directories[i]
		f.Entries[r.Name], f.Rejections[r.Name], f.Overdue[r.Name] = r.Entries, map[string]int{}, 0
		for _, reason := range plan.ReasonNames() {
			f.Rejections[r.Name][reason] = 0
		}
	}
	for i := range p.Rejections {
		r := &p.Rejections[i]
		if f.Rejections[r.Directory] == nil {
			f.Rejections[r.Directory] = map[string]int{}
		}
		f.Rejections[r.Directory][r.Reason.String()]++
		if r.Overdue {
			f.Overdue[r.Directory]++
		}
	}
	maps.Copy(f.Withheld, p.WithheldBy())
	f.New, f.Drift, f.Risk = p.NewRejections(), len(p.Drift), int(p.RiskLevel())
	return f
}

// lastBeat returns what was kept for monitoring. A time that is still to come is
// unknown: the clock was wrong then, or is now.
func (s *session) lastBeat() (run.Beat, error) {
	last, err := s.store.Beat(context.WithoutCancel(s.ctx))
	for _, at := range []*time.Time{&last.Read, &last.Applied} {
		if at.After(s.now()) {
			*at = time.Time{}
		}
	}
	return last, err
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
	last, err := s.lastBeat()
	switch {
	case err != nil:
		return fmt.Sprintf("when all directories were last read completely is unknown: %v", err)
	case last.Read.IsZero() || s.now().Sub(last.Read) <= most:
		return ""
	}
	return fmt.Sprintf("no apply has read all directories completely since %s, %s ago; stale_after is %s: see rollcall history, and what starts the runs",
		stamp(last.Read), s.now().Sub(last.Read).Round(time.Minute), most)
}

// textfile refuses a file of metrics that would replace something else than such: one
// that rollcall reads or keeps, a file of the configuration that is still to come, or
// what is no file.
func (s *session) textfile(cfg *config.Config) error {
	path := cfg.Heartbeat.Textfile
	if path == "" {
		return nil
	}
	refuse := func(format string, args ...any) error {
		return hinted{fmt.Errorf("the textfile %s of the heartbeat "+format, append([]any{path}, args...)...), "name another file in the heartbeat block"}
	}
	target, err := heartbeat.Target(path)
	if err != nil {
		return refuse("cannot be replaced: %w", err)
	}
	switch input := s.input(path); {
	case input != "":
		return refuse("would replace %s, which rollcall reads", input)
	case s.keeps(target) != "":
		return refuse("would be in %s, which rollcall keeps", s.keeps(target))
	case strings.EqualFold(filepath.Ext(target), ".hcl") && sameFile(cfg.Dir, filepath.Dir(target)):
		return refuse("would be read as a part of the configuration")
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
