package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Brake is a kind of loss that limits bound, counted for each directory over the
// accounts that were active before.
type Brake uint8

const (
	// Deactivations are accounts that go out of service.
	Deactivations Brake = iota
	// Removals are addresses that are active nowhere any more, of accounts that
	// stay active.
	Removals
	// PrimaryChanges are accounts that stay active and get another primary, the
	// one before going to nobody else.
	PrimaryChanges
	Brakes int = iota // how many there are
)

var brakeNames = [Brakes]string{"deactivations", "removals", "primary_changes"}

// String returns the name by which the limits block and plans speak of it.
func (b Brake) String() string { return brakeNames[b] }

// Flag is the option of apply that lifts the brake.
func (b Brake) Flag() string {
	return [Brakes]string{"--allow-deactivations", "--allow-removals", "--allow-primary-changes"}[b]
}

// Text says how much a directory loses of how much, in half a sentence; to is
// "would be" for what is withheld, or "are".
func (b Brake) Text(n, of int, directory, to string) string {
	if n == 1 && to == "are" {
		to = "is"
	}
	what := fmt.Sprintf("%s of %s", Thousands(n), Thousands(of))
	switch b {
	case Removals:
		return fmt.Sprintf("%s addresses of %s %s removed", what, directory, to)
	case PrimaryChanges:
		if to != "would be" {
			return fmt.Sprintf("%s accounts of %s get another primary", what, directory)
		}
		return fmt.Sprintf("%s accounts of %s would get another primary", what, directory)
	}
	return fmt.Sprintf("%s accounts of %s %s deactivated", what, directory, to)
}

// Limits bound what each directory may lose in one run, by brake.
type Limits [Brakes]Limit

// Limit is the most that one directory may lose.
type Limit struct {
	// Most is the number of accounts, or of addresses for Removals.
	Most int
	// Percent is that of what would be active if all losses were withheld. It
	// counts once more than percentFloor are lost.
	Percent int
	// Allowed lifts the bound in all directories that are over it, if they lose
	// no more than this together.
	Allowed int
}

// bound returns the most of so many that may be lost in one run.
func (l *Limit) bound(of int) int { return min(l.Most, max(percentFloor, l.Percent*of/100)) }

// Defaults of each bound, and the number up to which its percentage does not
// count.
const (
	DefaultMost    = 500
	DefaultPercent = 10
	percentFloor   = 10
)

// DefaultLimits are those where the configuration says nothing.
func DefaultLimits() (l Limits) {
	for b := range l {
		l[b] = Limit{Most: DefaultMost, Percent: DefaultPercent}
	}
	return l
}

// Allowance is what a directory that loses anything loses and may lose in one
// run.
type Allowance struct {
	Directory string
	// Accounts and Addresses are those that would be active if all losses were
	// withheld.
	Accounts, Addresses int
	Losses              [Brakes]Loss
}

// Loss is what a directory loses of one kind, and the most that it may lose.
type Loss struct {
	Count, Bound int
	// Lifted says that more may be lost in this run.
	Lifted bool
}

// Over reports whether more is lost than the bound, lifted or not.
func (l Loss) Over() bool { return l.Count > l.Bound }

// Braked reports whether the directory loses nothing in this run.
func (a *Allowance) Braked() bool {
	return slices.ContainsFunc(a.Losses[:], func(l Loss) bool { return l.Over() && !l.Lifted })
}

// Of is what the percentage of a brake is calculated from.
func (a *Allowance) Of(b Brake) int {
	if b == Removals {
		return a.Addresses
	}
	return a.Accounts
}

// Tripped returns what must be allowed of each kind for no brake to withhold
// anything, that which is allowed already included; nothing where none withholds.
func Tripped(all []Allowance) (lift [Brakes]int) {
	if !slices.ContainsFunc(all, func(a Allowance) bool { return a.Braked() }) {
		return lift
	}
	for b := range lift {
		for i := range all {
			if loss := all[i].Losses[b]; loss.Over() {
				lift[b] += loss.Count
			}
		}
	}
	return lift
}

// Options returns the options of apply that allow so much of each kind, such as
// "--allow-removals", "30".
func Options(lift [Brakes]int) []string {
	var options []string
	for b, n := range lift {
		if n > 0 {
			options = append(options, Brake(b).Flag(), strconv.Itoa(n))
		}
	}
	return options
}

// losses are the account changes by which directories lose something, and what
// each loses.
type losses struct {
	changes []AccountChange
	// given are the addresses that accounts of changes give up and others get.
	given map[identity.Address]bool
	dirs  map[string]*Allowance
}

// countedFor returns the label of the directory that the account counts for: that
// of its entry, or else of its owner; "" for a local account.
func countedFor(c *AccountChange) string {
	if c.After != nil && !c.After.Local() {
		return c.After.Directory
	}
	if c.Before != nil {
		return c.Before.Directory
	}
	return ""
}

// WithheldBy counts the accounts from which a brake withholds a loss, by the directory
// for which they count.
func (p *Plan) WithheldBy() map[string]int {
	counts := map[string]int{}
	for i := range p.Accounts {
		if c := &p.Accounts[i]; c.Withheld {
			counts[countedFor(c)]++
		}
	}
	return counts
}

// countLosses counts what changes take away from accounts that are active.
//
//	account afterwards    its addresses that      counts
//	                      are active nowhere
//	inactive              all                     one deactivation
//	active                each                    one removal
//	active, with another primary,                 one primary change
//	whose old one goes to nobody else
//	no more, because somebody else got            nothing
//	its primary, or it is no longer in the console
func countLosses(changes []AccountChange) *losses {
	l := &losses{changes: changes, given: map[identity.Address]bool{}, dirs: map[string]*Allowance{}}
	from := map[identity.Address]int{}
	for n := range changes {
		c := &changes[n]
		if c.Gone {
			continue
		}
		eachInService(c.Before, func(x identity.Address) {
			if c.After == nil || !c.After.Active() || !c.After.Holds(x) {
				from[x] = n
			}
		})
	}
	if len(from) > 0 {
		for n := range changes {
			eachInService(changes[n].After, func(x identity.Address) {
				if loser, lost := from[x]; lost && loser != n {
					l.given[x] = true
				}
			})
		}
	}
	for n := range changes {
		c := &changes[n]
		name := countedFor(c)
		if name == "" || c.Before == nil || !c.Before.Active() || c.After == nil {
			continue
		}
		count := func(b Brake) {
			if l.dirs[name] == nil {
				l.dirs[name] = &Allowance{Directory: name}
			}
			l.dirs[name].Losses[b].Count++
		}
		if !c.After.Active() {
			count(Deactivations)
			continue
		}
		eachInService(c.Before, func(x identity.Address) {
			if !c.After.Holds(x) && !l.given[x] {
				count(Removals)
			}
		})
		if c.After.Primary != c.Before.Primary && !l.given[c.Before.Primary] {
			count(PrimaryChanges)
		}
	}
	return l
}

// keep returns the account of a change that takes away nothing but what others
// were granted: each other address stays with the account, as do its status and
// its primary. Where nothing is left to keep, the change is made as it is.
func (l *losses) keep(c *AccountChange) *identity.Account {
	if c.Before == nil || !c.Before.Active() || c.Gone {
		return c.After
	}
	if c.After != nil && c.After.Active() && c.After.Primary == c.Before.Primary && !slices.ContainsFunc(c.Before.Aliases, func(x identity.Address) bool { return !c.After.Holds(x) }) {
		return c.After // it takes away nothing
	}
	kept := *c.Before
	if c.After != nil && c.After.Active() {
		kept = *c.After
	}
	var all []identity.Address
	eachInService(c.Before, func(x identity.Address) {
		if !l.given[x] {
			all = append(all, x)
		}
	})
	switch {
	case !l.given[c.Before.Primary]:
		kept.Primary = c.Before.Primary
	case c.After != nil && c.After.Active():
	case len(all) == 0:
		return c.After
	default:
		kept.Primary = all[0] // the least: those that are left are aliases
	}
	eachInService(c.After, func(x identity.Address) { all = append(all, x) })
	slices.SortFunc(all, identity.Address.Compare)
	all = slices.DeleteFunc(slices.Compact(all), func(x identity.Address) bool { return x == kept.Primary })
	kept.Aliases = slices.Clip(all)
	if len(all) == 0 {
		kept.Aliases = nil
	}
	kept.Status = identity.Active
	return &kept
}

// withhold brakes the directories that lose more than the limits allow: what
// their accounts lose stays with them, and what they get is added. ownerOf says
// for which directory account i of the console counts that no change is of, "" for none. It
// returns what each directory that loses anything loses and may lose.
func (e *engine) withhold(changes []AccountChange, ownerOf func(i int) string) []Allowance {
	l := countLosses(changes)
	if len(l.dirs) == 0 {
		return nil
	}
	changed := make(map[*identity.Account]bool, len(changes))
	add := func(name string, a *identity.Account) {
		if d := l.dirs[name]; d != nil && a != nil && a.Active() {
			d.Accounts++
			d.Addresses += 1 + len(a.Aliases)
		}
	}
	for n := range changes {
		c := &changes[n]
		changed[c.Before] = true
		if l.dirs[countedFor(c)] != nil {
			add(countedFor(c), l.keep(c))
		}
	}
	for i := range e.in.Accounts {
		if a := &e.in.Accounts[i]; a.Active() && !changed[a] {
			add(ownerOf(i), a)
		}
	}
	allowances := make([]Allowance, 0, len(l.dirs))
	for _, d := range l.dirs {
		if e.in.Rest != nil {
			rest := e.in.Rest.InService[d.Directory]
			d.Accounts, d.Addresses = d.Accounts+rest.Accounts, d.Addresses+rest.Addresses
		}
		for b := range Brake(Brakes) {
			d.Losses[b].Bound = e.in.Rules.Limits[b].bound(d.Of(b))
		}
		allowances = append(allowances, *d)
	}
	slices.SortFunc(allowances, func(a, b Allowance) int { return cmp.Compare(a.Directory, b.Directory) })
	var allowed [Brakes]int
	for b := range allowed {
		allowed[b] = e.in.Rules.Limits[b].Allowed
	}
	lift(allowances, allowed)
	l.brake(allowances)
	return allowances
}

// lift lifts each bound that all directories together lose no more over than is
// allowed.
func lift(allowances []Allowance, allowed [Brakes]int) {
	for b := range allowed {
		total := 0
		for i := range allowances {
			if loss := allowances[i].Losses[b]; loss.Over() {
				total += loss.Count
			}
		}
		for i := range allowances {
			if loss := &allowances[i].Losses[b]; loss.Over() && total <= allowed[b] {
				loss.Lifted = true
			}
		}
	}
}

// brake withholds what the accounts of braked directories lose.
func (l *losses) brake(allowances []Allowance) {
	braked := map[string]bool{}
	for i := range allowances {
		braked[allowances[i].Directory] = allowances[i].Braked()
	}
	for n := range l.changes {
		c := &l.changes[n]
		c.Withheld, c.Kept = false, nil
		if !braked[countedFor(c)] || c.Before == nil || !c.Before.Active() {
			continue
		}
		if kept := l.keep(c); !kept.Equal(c.After) {
			c.Withheld, c.Kept = true, kept
		}
	}
}

// Allow lifts the brakes for this plan, each by the number that is allowed. Its
// risk is to be assessed anew then.
func (p *Plan) Allow(allowed [Brakes]int) {
	if allowed == [Brakes]int{} {
		return
	}
	lift(p.Allowances, allowed)
	countLosses(p.Accounts).brake(p.Allowances)
	p.derive(func(x identity.Address) identity.Address { return x })
}

func (a *Allowance) appendJSON(b []byte) []byte {
	b = appendMember(b, "{", "directory", a.Directory)
	b = fmt.Appendf(b, `, "active": %d, "addresses": %d`, a.Accounts, a.Addresses)
	for n, loss := range a.Losses {
		b = fmt.Appendf(b, `, "%s": %d, "%s_counted": %d, "%s_lifted": %t`, Brake(n), loss.Bound, Brake(n), loss.Count, Brake(n), loss.Lifted)
	}
	return fmt.Appendf(b, `, "braked": %t}`, a.Braked())
}

// allowanceDocument is an allowance as it is read. Version 1.0 has "active" and
// the bound of deactivations alone.
type allowanceDocument struct {
	Directory         string
	Active, Addresses int

	Deactivations         int
	DeactivationsCounted  int  `json:"deactivations_counted"`
	DeactivationsLifted   bool `json:"deactivations_lifted"`
	Removals              int
	RemovalsCounted       int  `json:"removals_counted"`
	RemovalsLifted        bool `json:"removals_lifted"`
	PrimaryChanges        int  `json:"primary_changes"`
	PrimaryChangesCounted int  `json:"primary_changes_counted"`
	PrimaryChangesLifted  bool `json:"primary_changes_lifted"`
	Braked                bool // follows from the rest
}

func (d *allowanceDocument) allowance() Allowance {
	return Allowance{Directory: d.Directory, Accounts: d.Active, Addresses: d.Addresses, Losses: [Brakes]Loss{
		{d.DeactivationsCounted, d.Deactivations, d.DeactivationsLifted},
		{d.RemovalsCounted, d.Removals, d.RemovalsLifted},
		{d.PrimaryChangesCounted, d.PrimaryChanges, d.PrimaryChangesLifted},
	}}
}
