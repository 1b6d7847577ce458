package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Selection says which part of the change set a plan is to hold. The unit is
// the group: account changes between which an address passes, so that it is
// given to one only when another has let go of it, or which carry the same GUID,
// for who has it first decides what becomes of the other. A group is made whole
// or left out whole:
//
//	row      selected by Only   for each kind of selector among them (category,
//	                            scope, address) one of that kind fits it; every
//	                            row, where Only is empty
//	         kept by Except     none of the selectors fits it
//	group    made               Only selects and Except keeps all its rows
//	         left out           otherwise
//
// What fits a row, which is about one account, or about two where an address
// moves:
//
//	category   the row's
//	address    the row's, or one that an account of the row has before or after
//	scope      that of an account's entry. An account without one, which is
//	           mostly a leaver, may have come from any scope of its directory
//	           with a base above its DN: Only needs all of those, Except one
//
// The rows of a plan and the rows that it leaves out together are the rows of
// the plan without a selection. Limits count the deactivations that are left.
type Selection struct {
	Only, Except []Selector
}

func (s *Selection) empty() bool { return len(s.Only)+len(s.Except) == 0 }

// Selector names changes: those of a category, of a scope, or of an address.
type Selector struct {
	scope    string           // its label, for that kind
	address  identity.Address // for that kind
	category Category         // where it is neither
	kind     selectorKind
}

type selectorKind uint8

const (
	byCategory selectorKind = iota
	byScope
	byAddress
	selectorKinds = iota
)

// ParseSelector reads CATEGORY, SCOPE or ADDRESS, each also with its kind before
// it, as in "scope:staff". A text without a kind is an address if it has an @,
// and a category before it is a scope. scopes are the labels there are. The error
// of a word that names nothing is an [UnknownError].
func ParseSelector(text string, scopes []string) (Selector, error) {
	kind, name, named := strings.Cut(text, ":")
	if !named {
		kind, name = "", text
	}
	category := slices.Index(categoryNames[:], name)
	scope := slices.Index(scopes, name)
	switch {
	case kind == "address", !named && strings.Contains(name, "@"):
		address, err := identity.ParseAddress(name)
		return Selector{kind: byAddress, address: address}, err
	case category >= 0 && (!named || kind == "category"):
		return Selector{category: Category(category)}, nil
	case scope >= 0 && (!named || kind == "scope"):
		return Selector{kind: byScope, scope: name}, nil
	case kind == "category", kind == "scope":
		return Selector{}, &UnknownError{kind, name}
	}
	return Selector{}, &UnknownError{"", text}
}

// UnknownError is the error of a selector whose word names nothing there is. Kind
// is "category", "scope", or "" where the selector does not say.
type UnknownError struct{ Kind, Name string }

// Error names the word.
func (e *UnknownError) Error() string {
	if e.Kind == "" {
		return fmt.Sprintf("%q is not a category, a scope or an address", e.Name)
	}
	return fmt.Sprintf("unknown %s %q", e.Kind, e.Name)
}

// String returns the selector as [ParseSelector] reads it.
func (s Selector) String() string {
	switch s.kind {
	case byScope:
		return "scope:" + s.scope
	case byAddress:
		return s.address.String()
	}
	return s.category.String()
}

// LeftOut is a row of the change set that the selection leaves out.
type LeftOut struct {
	change *Change // where row is nil
	row    *Row    // as it was read from a document
	// With names a row of its account, or else of its group, that is not
	// selected; it is zero for a row that is itself not selected.
	With RowName
}

// RowName names a row of the change set; the zero address names none.
type RowName struct {
	Category Category
	Address  identity.Address
}

// Row spells out the row that is left out.
func (l *LeftOut) Row() Row {
	if l.row != nil {
		return *l.row
	}
	return l.change.Row()
}

// Why says in a few words why the row is left out.
func (l *LeftOut) Why() string {
	if l.With.Address.IsZero() {
		return "not selected"
	}
	return "goes with " + l.With.Category.String() + " " + l.With.Address.String()
}

// selected divides account changes into those that the selection makes, in the
// same order, and those that it leaves out, which it returns as rows and counts.
func (e *engine) selected(changes []AccountChange) (made []AccountChange, left []LeftOut, accounts int) {
	if e.in.Selection.empty() {
		return changes, nil, 0
	}
	s := e.newSelecting(changes)
	rows := Rows(changes)
	e.explainLosses(rows)
	// The first row that is not selected, by change and by group.
	own, rejected := make([]*Change, len(changes)), make([]*Change, len(changes))
	selected := make([]bool, len(rows))
	for n := range rows {
		row := &rows[n]
		if selected[n] = s.selects(row); !selected[n] {
			change := s.changeOf(row)
			group := s.group(change)
			own[change], rejected[group] = cmp.Or(own[change], row), cmp.Or(rejected[group], row)
		}
	}
	for n := range rows {
		row := &rows[n]
		change := s.changeOf(row)
		cause := cmp.Or(own[change], rejected[s.group(change)])
		switch {
		case cause == nil:
		case selected[n]:
			left = append(left, LeftOut{change: row, With: RowName{cause.Category, cause.Address}})
		default:
			left = append(left, LeftOut{change: row})
		}
	}
	for n := range changes {
		if rejected[s.group(int32(n))] != nil {
			accounts++
		} else {
			made = append(made, changes[n])
		}
	}
	return made, left, accounts
}

// selecting is what a selection needs to know of the account changes.
type selecting struct {
	changes      []AccountChange
	of           map[*identity.Account]int32 // accounts before and after -> change
	parent       []int32                     // of a forest: changes of one group have one root
	scopes       [][]int32                   // by change; nil if no selector asks
	only, except matcher
}

func (e *engine) newSelecting(changes []AccountChange) *selecting {
	s := &selecting{
		changes: changes, of: make(map[*identity.Account]int32, 2*len(changes)), parent: make([]int32, len(changes)),
		only: e.newMatcher(e.in.Selection.Only), except: e.newMatcher(e.in.Selection.Except),
	}
	s.only.every = true
	s.only.name(changes)
	s.except.name(changes)
	had := make(map[identity.Address]int32, len(changes))
	carries := make(map[identity.GUID]int32, len(changes))
	for n := range changes {
		c := &changes[n]
		s.parent[n] = int32(n)
		for _, a := range [...]*identity.Account{c.Before, c.After} {
			if a == nil {
				continue
			}
			s.of[a] = int32(n)
			if a == c.After && c.Before != nil && a.GUID == c.Before.GUID {
				continue // it carries it already
			}
			if other, ok := carries[a.GUID]; ok {
				s.join(int32(n), other)
			} else if !a.GUID.IsZero() { // a local account may record one
				carries[a.GUID] = int32(n)
			}
		}
		c.Before.EachAddress(func(x identity.Address) { had[x] = int32(n) })
	}
	for n := range changes {
		changes[n].After.EachAddress(func(x identity.Address) {
			if from, ok := had[x]; ok {
				s.join(int32(n), from)
			}
		})
	}
	if s.only.has[byScope] || s.except.has[byScope] {
		s.scopes = e.scopesOf(changes)
	}
	return s
}

// group returns the root of a change's group.
func (s *selecting) group(n int32) int32 {
	for s.parent[n] != n {
		s.parent[n] = s.parent[s.parent[n]]
		n = s.parent[n]
	}
	return n
}

func (s *selecting) join(a, b int32) { s.parent[s.group(a)] = s.group(b) }

// changeOf returns the change that a row is of, the gaining one of a move.
func (s *selecting) changeOf(row *Change) int32 {
	if row.After != nil {
		return s.of[row.After]
	}
	return s.of[row.Before]
}

func (s *selecting) selects(row *Change) bool {
	for kind := range selectorKind(selectorKinds) {
		if s.only.has[kind] && !s.fits(row, &s.only, kind) || s.except.has[kind] && s.fits(row, &s.except, kind) {
			return false
		}
	}
	return true
}

// fits reports whether one of m's selectors of a kind fits the row.
func (s *selecting) fits(row *Change, m *matcher, kind selectorKind) bool {
	own := s.changeOf(row)
	about := func(fits func(n int32) bool) bool {
		return fits(own) || row.Before != nil && fits(s.of[row.Before])
	}
	switch kind {
	case byScope:
		named := func(scope int32) bool { return m.scopes[scope] }
		other := func(scope int32) bool { return !m.scopes[scope] }
		return about(func(n int32) bool {
			return slices.ContainsFunc(s.scopes[n], named) && !(m.every && slices.ContainsFunc(s.scopes[n], other))
		})
	case byAddress:
		return m.addresses[row.Address] || about(func(n int32) bool { return m.named[n] })
	}
	return m.categories[row.Category]
}

// matcher is a list of selectors by kind.
type matcher struct {
	has        [selectorKinds]bool
	categories [Categories]bool
	scopes     map[int32]bool
	addresses  map[identity.Address]bool
	named      []bool // by change: an address of its account is one of addresses
	every      bool   // an account of several scopes needs all of them
}

func (e *engine) newMatcher(list []Selector) matcher {
	m := matcher{scopes: map[int32]bool{}, addresses: make(map[identity.Address]bool, len(list))}
	for _, s := range list {
		m.has[s.kind] = true
		switch s.kind {
		case byCategory:
			m.categories[s.category] = true
		case byAddress:
			m.addresses[s.address] = true
			m.addresses[e.domains.Canonical(s.address)] = true
		case byScope:
			m.scopes[int32(slices.IndexFunc(e.scopes, func(x scope) bool { return x.Name == s.scope }))] = true
		}
	}
	return m
}

// name notes which changes are of accounts that have one of the addresses, before
// or after.
func (m *matcher) name(changes []AccountChange) {
	if !m.has[byAddress] {
		return
	}
	m.named = make([]bool, len(changes))
	for n := range changes {
		note := func(x identity.Address) { m.named[n] = m.named[n] || m.addresses[x] }
		changes[n].Before.EachAddress(note)
		changes[n].After.EachAddress(note)
	}
}

// scopesOf returns the scopes that each change may belong to: that of its
// account's entry, or else those of its directory with a base above its DN.
func (e *engine) scopesOf(changes []AccountChange) [][]int32 {
	entries := make(map[owner]int32, len(changes))
	for n := range e.entries {
		if i := int32(n); e.entries[n].flags&(dropped|noOwnGUID) == 0 {
			entries[owner{e.scopeOf(i).Directory, e.guid(i)}] = e.in.Entries[n].Scope
		}
	}
	all := make([][]int32, len(changes))
	for n := range changes {
		a := subject(&changes[n])
		if scope, found := entries[owner{a.Directory, a.GUID}]; found {
			all[n] = []int32{scope}
			continue
		}
		dn, err := identity.ParseDN(a.DN)
		for i := range e.scopes {
			if s := &e.scopes[i]; s.Directory == a.Directory && (err != nil || dn.Within(s.Base)) {
				all[n] = append(all[n], int32(i))
			}
		}
	}
	return all
}

// strangers returns the addresses of selectors that no account holds and no
// entry lists, as a mistyped one.
func (e *engine) strangers() (all []identity.Address) {
	named := slices.Concat(e.in.Selection.Only, e.in.Selection.Except)
	const met, told = 1, 2
	known := make(map[identity.Address]uint8, 2*len(named))
	for _, s := range named {
		if s.kind == byAddress {
			known[s.address], known[e.domains.Canonical(s.address)] = 0, 0
		}
	}
	if len(known) == 0 {
		return nil
	}
	meet := func(x identity.Address) {
		if _, asked := known[x]; asked {
			known[x] = met
		}
	}
	for i := range e.in.Accounts {
		e.in.Accounts[i].EachAddress(meet)
	}
	for c := range e.claims {
		if id := e.claims[c].id; id >= e.held { // the others are an account's
			meet(e.text(id))
		}
	}
	for n := range e.rejected {
		if x, err := identity.ParseAddress(e.rejected[n].text); err == nil {
			meet(x)
		}
	}
	for _, s := range named {
		if s.kind == byAddress && known[s.address] == 0 && known[e.domains.Canonical(s.address)] != met {
			known[s.address] = told
			all = append(all, s.address)
		}
	}
	return all
}
