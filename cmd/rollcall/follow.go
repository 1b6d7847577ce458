package main

import (
	"context"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/followed"
	"github.com/rollcall-cli/rollcall/plan"
)

// readChanges reads directories, those that are followed by what has changed since a complete
// read where that can be.
func (s *session) readChanges(cfg *config.Config, reader *directory.Reader, flags reading, look directory.Look) (*followed.Reading, error) {
	r := followed.Reader{
		Reader: *reader, Path: followed.Name(cfg.StatePath), Full: flags.Full, Now: s.now, Look: look,
		All: len(flags.Directory) == 0, Apart: s.copies != nil,
		Canonical: plan.NewDomains(cfg.Rules.Domains).Canonical,
		Made:      followed.Made{Release: release, Config: cfg.Digest()},
	}
	if !flags.NewState && r.Follows() {
		r.Made.Lineage = s.store.Lineage(s.ctx)
	}
	return r.Read(s.ctx)
}

// settled waits until what was read is kept, and what is planned of it: nil where nothing is.
// That it cannot be is no error: the next plan reads everything.
func (s *session) settled(g *gathered, planned *plan.Plan) error {
	if g.kept == nil { // it was waited for already
		return nil
	}
	g.planned <- planned
	defer func() { g.kept = nil }()
	select {
	case <-s.ctx.Done():
		return context.Canceled
	case kept := <-g.kept:
		if _, err := kept.get(); err != nil {
			s.warn("what was read could not be kept for the next plan, which reads everything: %v", err)
		}
	}
	return nil
}
