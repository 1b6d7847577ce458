package main

import (
	"context"
	"fmt"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
)

// departures are a plan, or an explanation of one subject of it.
type departures interface {
	Departed() []plan.Departed
	ExplainDepartures(known map[plan.Departed]plan.LossReason, unasked []plan.Departed)
}

// mostDeparted is how many departed objects of a plan a server is asked for, some
// hundreds in one search. Files are read once for all of them.
const mostDeparted = 10_000

// lookUpDeparted asks the directories what became of the objects behind which
// accounts are left, and has the plan say it. It decides nothing, so that an
// error is a warning.
func (s *session) lookUpDeparted(cfg *config.Config, p departures, snapshot string, progress *render.Progress) (warnings []string, err error) {
	labels, _ := wantedDirectories(cfg, nil)
	reader, err := s.reader(cfg, labels, snapshot, progress)
	if err != nil {
		return nil, err
	}
	return s.lookUpIn(reader.Directories, p, mostDeparted, progress)
}

// lookUpIn asks directories, each server for so many objects at most.
func (s *session) lookUpIn(directories []directory.Directory, p departures, most int, progress *render.Progress) (warnings []string, err error) {
	departed := map[string][]plan.Departed{}
	for _, one := range p.Departed() {
		departed[one.Directory] = append(departed[one.Directory], one)
	}
	known := map[plan.Departed]plan.LossReason{}
	var unasked []plan.Departed
	for _, d := range directories {
		all := departed[d.Name]
		locator, able := d.Source.(directory.Locator)
		if !able {
			unasked = append(unasked, all...)
			continue
		}
		if _, filed := d.Source.(directory.Filed); !filed && len(all) > most {
			warnings = append(warnings, fmt.Sprintf("directory %q: %s objects are no longer read; only the first %s were looked up", d.Name, plan.Thousands(len(all)), plan.Thousands(most)))
			all, unasked = all[:most], append(unasked, all[most:]...)
		}
		var guids []identity.GUID
		for _, one := range all {
			if !one.GUID.IsZero() {
				guids = append(guids, one.GUID)
			}
		}
		if len(guids) == 0 {
			continue
		}
		progress.Update("looking for departed objects in "+d.Name, "objects", len(guids))
		located, err := await(s, func() (map[identity.GUID]directory.Located, error) {
			return locator.Locate(s.ctx, guids, d.Scopes)
		})
		switch {
		case s.ctx.Err() != nil:
			return nil, context.Canceled
		case err != nil:
			warnings = append(warnings, fmt.Sprintf("directory %q: could not look up %s: %s", d.Name, counted(len(guids), "departed object"), s.errorText(err)))
			unasked = append(unasked, all...)
		}
		for g, at := range located {
			known[plan.Departed{Directory: d.Name, GUID: g}] = lossOf(at)
		}
	}
	p.ExplainDepartures(known, unasked)
	return warnings, nil
}

func lossOf(at directory.Located) plan.LossReason {
	switch {
	case at.Deleted:
		return plan.EntryDeleted
	case at.Disabled:
		return plan.EntryDisabled
	case at.WithoutAddress:
		return plan.EntryWithoutAddress
	}
	return plan.EntryMoved
}
