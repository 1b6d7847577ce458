package suite

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// label is that of the directory, people that of the scope.
const (
	label  = "corp"
	people = "people"
)

// scope reads a unit as the subject says.
func (s *Subject) scope(unit string, o Options) directory.Scope {
	scope := s.Scope
	scope.Name, scope.Base, scope.Type, scope.SkipDisabled = people, unit+","+s.Base, directory.Auto, o.Inactive
	scope.Attributes = []directory.Attribute{{Name: identity.DisplayName, Source: "displayName"}}
	return scope
}

// open returns the directory of a world.
func (s *Subject) open(t *testing.T, w World, scopes ...directory.Scope) directory.Directory {
	t.Helper()
	source, err := s.Kind.Open(directory.Opening{Settings: s.Kind.Values(label, ".", w.Settings()), Log: func(line string) { t.Log(line) }})
	if err != nil {
		t.Fatal(err)
	}
	return directory.Directory{Name: label, Kind: s.Kind, Source: source, Scopes: scopes}
}

// memory is a site whose accounts are a list.
type memory struct {
	t        *testing.T
	subject  *Subject
	world    World
	unit     string
	accounts []identity.Account
}

func inMemory(t *testing.T, s *Subject, w World, unit string) Site {
	return &memory{t: t, subject: s, world: w, unit: unit}
}

func (m *memory) Plan(o Options) *plan.Plan {
	m.t.Helper()
	return m.plan(m.subject.open(m.t, m.world, m.subject.scope(m.unit, o)), o)
}

// plan plans what a directory has.
func (m *memory) plan(d directory.Directory, o Options) *plan.Plan {
	m.t.Helper()
	reader := directory.Reader{Directories: []directory.Directory{d}}
	entries, receipts, err := reader.Entries(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	const domain = "example.com"
	p, err := plan.Compute(plan.Input{
		Rules: plan.Rules{
			Directories: []string{label}, Domains: []plan.Domain{{Name: domain}}, Limits: plan.DefaultLimits(),
			Scopes: []plan.Scope{{Name: people, Directory: label, Domains: []string{domain}, Rebind: o.Rebind}},
		},
		Entries: entries, Accounts: m.accounts, Read: []string{label}, Now: time.Now(),
	})
	if err != nil {
		m.t.Fatal(err)
	}
	p.Directories = receipts
	return p
}

func (m *memory) PlanSnapshot(o Options) *plan.Plan {
	m.t.Helper()
	d := m.subject.open(m.t, m.world, m.subject.scope(m.unit, o))
	d.Scopes[0].Whole = true
	snapshot, err := ldif.NewSnapshot(m.t.TempDir(), d.Scopes)
	if err != nil {
		m.t.Fatal(err)
	}
	defer snapshot.Close()
	if _, err := d.Source.Read(m.t.Context(), d.Scopes, snapshot, nil); err != nil {
		m.t.Fatal(err)
	}
	path := filepath.Join(m.t.TempDir(), label+".ldif")
	f, err := os.Create(path)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := cmp.Or(snapshot.Write(f), f.Close()); err != nil {
		m.t.Fatal(err)
	}
	d.Source, d.Scopes = ldif.New(label, []string{path}), []directory.Scope{m.subject.scope(m.unit, o)}
	return m.plan(d, o)
}

func (m *memory) Apply(o Options) *plan.Plan {
	m.t.Helper()
	p := m.Plan(o)
	changed := map[identity.Address]bool{}
	for i := range p.Accounts {
		if before := p.Accounts[i].Before; before != nil {
			changed[before.Primary] = true
		}
	}
	m.accounts = slices.DeleteFunc(m.accounts, func(a identity.Account) bool { return changed[a.Primary] })
	for i := range p.Accounts {
		if after := p.Accounts[i].Result(); after != nil {
			m.accounts = append(m.accounts, *after)
		}
	}
	slices.SortFunc(m.accounts, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	return m.Plan(o)
}

func (m *memory) Accounts() []identity.Account { return m.accounts }
