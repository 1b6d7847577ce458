// Package suite holds every kind of source to the same. An adapter's test makes a
// [World], a directory of its kind that can be changed, and runs:
//
//	func TestSource(t *testing.T) { suite.Run(t, &suite.Subject{Kind: Kind, Begin: begin, ...}) }
//
// The suite lets people come, change and go in that world, reads it after each
// step, plans what was read and sees that these rows come of it and no others,
// and that a plan after an apply is empty. A plan is made on accounts in memory,
// or, with [Through], by whatever a [Site] is, such as the whole program.
package suite

import (
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// Subject is a kind of source that is held to the suite.
type Subject struct {
	// Name is that of the test.
	Name string
	Kind directory.Kind
	// Begin makes a world that ends with the test. It has units, each a name as in
	// OU=Sales,OU=Staff below Base whose parents come before it, and objects.
	Begin func(t *testing.T, units []string, objects []*Object) World
	// Base is the DN below which the units are.
	Base string
	// Scope says which attributes of an object are read: those of its primary
	// address, its aliases, its username and its GUID.
	Scope directory.Scope
	// Exchange says that the world holds what Exchange writes, but for objects of
	// the classes that it Lacks.
	Exchange bool
	Lacks    []Class
	// Paged says that many objects come in pages, and Ranged that many values come
	// in ranges.
	Paged, Ranged bool
}

// World is a directory that a test changes. What cannot be done ends the test.
type World interface {
	// Settings are what a block says of it, as Values of its kind take them.
	Settings() map[string]any
	Create(objects ...*Object)
	// Change makes an object what it says now, in its place.
	Change(o *Object)
	// Move gives an object another name or unit.
	Move(o *Object, name, unit string)
	Delete(o *Object)
}

// Object is what directories of every kind hold.
type Object struct {
	Class Class
	// Its DN is CN=Name,Unit below the base.
	Name, Unit                 string
	Username, Display, Primary string
	Aliases                    []string
	// Disabled is who cannot log in.
	Disabled bool

	// What Active Directory and Exchange alone know. Recipient is a value of
	// msExchRecipientTypeDetails, or 0.
	Hidden    bool
	Recipient int
	Members   []*Object
}

// DN returns the name of the object below a base.
func (o *Object) DN(base string) string { return "CN=" + o.Name + "," + o.Unit + "," + base }

// Class is what an object is.
type Class int

// The classes of objects. Outside of Exchange there are persons and lists.
const (
	Person Class = iota
	List
	SecurityGroup
	Contact
	DynamicList
)

// Site is where one unit of a world is planned and applied, with a scope whose
// base is that unit, for the mail domain example.com. It begins without accounts.
type Site interface {
	// Plan plans what the world has now.
	Plan(o Options) *plan.Plan
	// PlanSnapshot plans what a snapshot has that it makes of it.
	PlanSnapshot(o Options) *plan.Plan
	// Apply plans once more, applies that, and returns the plan that is made then.
	Apply(o Options) *plan.Plan
	// Accounts returns all accounts, in order of their primaries. Their primary and
	// type count.
	Accounts() []identity.Account
}

// Options are what a scope says beside what it reads.
type Options struct {
	// Inactive takes the disabled for gone; Rebind lets an object take over the
	// account of one that has vanished.
	Inactive, Rebind bool
}

// Run holds a source to the contract of [directory.Source] and of what else it
// offers, and then to the life of a directory.
func Run(t *testing.T, s *Subject) {
	w, people := s.begin(t)
	t.Run("contract", func(t *testing.T) { contract(t, s, w) })
	s.live(t, w, people, inMemory)
}

// Through holds a source to the life of a directory, as a site sees it.
func Through(t *testing.T, s *Subject, site func(t *testing.T, s *Subject, w World, unit string) Site) {
	w, people := s.begin(t)
	s.live(t, w, people, site)
}

func (s *Subject) begin(t *testing.T) (World, []*Object) {
	people := crowd()
	return s.Begin(t, []string{StaffUnit, salesUnit, LeftUnit, oddUnit, crowdUnit, contractUnit, insideUnit, outsideUnit}, people), people
}

func (s *Subject) live(t *testing.T, w World, people []*Object, site func(t *testing.T, s *Subject, w World, unit string) Site) {
	life(&story{t, site(t, s, w, StaffUnit)}, w)
	if s.Exchange {
		oddObjects(&story{t, site(t, s, w, oddUnit)}, s, w)
	}
	manyEntries(&story{t, site(t, s, w, crowdUnit)}, s, w, people)
}
