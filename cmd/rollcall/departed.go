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

// mostDeparted is how many departed objects of a plan are looked up.
const mostDeparted = 1000

// lookUpDeparted asks the directories what became of the objects behind which
// accounts are left, and has the plan tell it. It decides nothing, so that an
// error is a warning, and beyond a number nobody is asked.
func (s *session) lookUpDeparted(cfg *config.Config, p *plan.Plan, snapshot string, progress *render.Progress) (warnings []string, err error) {
	departed := p.Departed()
	var unasked []plan.Departed
	if n := len(departed); n > mostDeparted {
		warnings = append(warnings, fmt.Sprintf("%s objects are no longer read; only the first %s were looked up", plan.Thousands(n), plan.Thousands(mostDeparted)))
		departed, unasked = departed[:mostDeparted], departed[mostDeparted:]
	}
	labels, _ := wantedDirectories(cfg, nil)
	reader, err := s.reader(cfg, labels, snapshot, progress)
	if err != nil {
		return nil, err
	}
	known := map[plan.Departed]plan.LossReason{}
	for _, d := range reader.Directories {
		var guids []identity.GUID
		for _, one := range departed {
			if one.Directory == d.Name && !one.GUID.IsZero() {
				guids = append(guids, one.GUID)
			}
		}
		locator, able := d.Source.(directory.Locator)
		if len(guids) == 0 || !able {
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
			warnings = append(warnings, fmt.Sprintf("directory %q: could not look up %s: %v", d.Name, counted(len(guids), "departed object"), err))
		}
		for g, at := range located {
			known[plan.Departed{Directory: d.Name, GUID: g}] = lossOf(at)
		}
	}
	p.TellDepartures(known, unasked)
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
