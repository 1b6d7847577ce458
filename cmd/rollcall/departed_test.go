package main

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
)

// departing is a plan of which nothing is known but whose entries are gone, and what
// the look-up says of them.
type departing struct {
	gone    []plan.Departed
	known   map[plan.Departed]plan.LossReason
	unasked []plan.Departed
}

func (d *departing) Departed() []plan.Departed { return d.gone }

func (d *departing) ExplainDepartures(known map[plan.Departed]plan.LossReason, unasked []plan.Departed) {
	d.known, d.unasked = known, unasked
}

// server is a directory in which each object that is looked up was deleted, and filed
// one that is a file.
type server struct {
	directory.Source
	asked []identity.GUID
}

func (s *server) Locate(_ context.Context, guids []identity.GUID, _ []directory.Scope) (map[identity.GUID]directory.Located, error) {
	s.asked = guids
	all := map[identity.GUID]directory.Located{}
	for _, g := range guids {
		all[g] = directory.Located{Deleted: true}
	}
	return all, nil
}

type filed struct {
	server
	directory.Filed
}

// A server is asked for so many departed objects at most, a file for all of them, and
// of the others the plan says that they were not looked up.
func TestDepartedBound(t *testing.T) {
	t.Parallel()
	const most = 3
	gone := func(name string, n int) (all []plan.Departed) {
		for i := range n {
			all = append(all, plan.Departed{Directory: name, GUID: identity.GUID{15: byte(i + 1)}})
		}
		return all
	}
	over, within, file := gone("over", most+2), gone("within", most), gone("file", most+2)
	p := &departing{gone: slices.Concat(over, within, file)}
	servers := []directory.Directory{{Name: "over", Source: &server{}}, {Name: "within", Source: &server{}}, {Name: "file", Source: &filed{}}}
	s := &session{ctx: t.Context()}
	warnings, err := s.lookUpIn(servers, p, most, &render.Progress{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{`directory "over": 5 objects are no longer read; only the first 3 were looked up`}; !slices.Equal(warnings, want) {
		t.Errorf("warnings %q, want %q", warnings, want)
	}
	known := map[plan.Departed]plan.LossReason{}
	for _, d := range slices.Concat(over[:most], within, file) {
		known[d] = plan.EntryDeleted
	}
	if !maps.Equal(p.known, known) {
		t.Errorf("known: %v, want %v", p.known, known)
	}
	if !slices.Equal(p.unasked, over[most:]) {
		t.Errorf("not looked up: %v, want %v", p.unasked, over[most:])
	}
}
