package plan

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Compute makes the plan for an input. An error means that the input is
// impossible: entries of a directory that was not read, or a console that
// holds an address twice.
func Compute(in Input) (*Plan, error) {
	if in.splits() {
		return computeSplit(&in)
	}
	e, err := newEngine(in.whole())
	if err != nil {
		return nil, err
	}
	return e.compute()
}

// phases are what happens before the accounts are made, in this order.
var phases = [...]func(*engine){
	RuleObject:       (*engine).mergeObjects,
	RuleGUID:         (*engine).bindByGUID,
	RuleValue:        (*engine).listClaims,
	RuleGuard:        (*engine).resolveAddresses,
	RuleDeclared:     (*engine).bindByPrimary,
	RulePrerequisite: (*engine).awaitOthers,
	RuleIncumbent:    (*engine).markOwnClaims,
	RulePrimary:      (*engine).choosePrimaries,
	RulePublic:       (*engine).judgePublic,
	RuleHolder:       (*engine).askHolders,
	RuleContest:      (*engine).judgeContests,
	RuleFrozen:       (*engine).settleFrozen,
	RuleConsole:      (*engine).settleConsole,
}

// compute makes the plan.
func (e *engine) compute() (*Plan, error) {
	for _, run := range phases {
		if run(e); e.failed != nil {
			return nil, e.failed
		}
	}
	p := &Plan{}
	changes, unchanged := e.console()
	changed := len(changes)
	p.Unchanged, p.Agreed = unchanged, e.agreed
	p.Accounts, p.LeftOut, p.LeftOutAccounts = e.selected(changes)
	p.Strangers = e.strangers()
	p.Allowances = e.withhold(p.Accounts, e.countsFor)
	p.Changes = Rows(p.Accounts)
	e.explainLosses(p.Changes)
	e.markDrift(p)
	if e.in.Merged != nil {
		p.Drift = e.in.Merged.Drift
	}
	p.Rejections = e.rejections()
	p.Ignored, p.IgnoredObjects = e.ignored, e.ignoredObjects
	slices.SortFunc(e.ambiguous, func(x, y Ambiguity) int {
		return cmp.Or(strings.Compare(x.DN, y.DN), x.Chosen.Compare(y.Chosen), slices.CompareFunc(x.Others, y.Others, identity.Address.Compare))
	})
	p.Ambiguous = e.ambiguous
	p.Active = activeBy(e.in.Accounts, e.boundTo)
	for i := range e.entries {
		p.WithoutAccount += boolInt(e.withoutAccount(int32(i)))
	}
	if e.in.Count {
		p.Sums, p.Spoken = e.sums(p, changed), e.spoken()
	}
	if e.in.Rest != nil {
		p.count(e.in.Rest)
	}
	p.Group()
	p.Assess(e.in.Rules.Risk)
	return p, nil
}

// activeBy counts the active accounts for each directory, as ownerOf says of
// account i; "" counts for none.
func activeBy(accounts []identity.Account, ownerOf func(i int) string) (all []ActiveAccounts) {
	counts, last := map[string]*int{}, ""
	var count *int
	for i := range accounts {
		if !accounts[i].Active() {
			continue
		}
		name := ownerOf(i)
		if name == "" {
			continue
		}
		if name != last { // accounts of one directory stand together, mostly
			if last = name; counts[name] == nil {
				counts[name] = new(int)
			}
			count = counts[name]
		}
		*count++
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, ActiveAccounts{name, *counts[name]})
	}
	return all
}

const none = -1

// engine holds the working state of one Compute. Addresses are numbered: those
// that accounts hold come first, account by account, the primary before the
// aliases; those that are only claimed follow.
type engine struct {
	in      Input
	united  map[int32]*identity.Entry // entries that are not as they are listed
	dirs    map[string]int32          // label -> index of dirInfo
	dirInfo []dirInfo
	domains *Domains
	scopes  []scope

	guids          *guidTable // of entries
	sharedEntries  map[identity.GUID][]int32
	sharedAccounts map[identity.GUID][]int32
	recorded       map[identity.GUID][]int32 // local accounts that record the GUID of an entry

	accounts []account
	entries  []entry
	claims   []claim
	rejected []rejectedValue

	held      int32              // how many address numbers accounts hold
	holderOf  []int32            // held address -> account
	loose     *looseTable        // claims not on their own account's addresses, and guarded addresses
	looseID   []int32            // their numbers, once resolved
	newText   []identity.Address // texts of the numbers from held on
	flags     []idFlag           // by address number
	declarers []uint8            // entries that declare it, up to 2
	guards    map[int32]int32    // protected address number -> index of the protected block
	beside    map[int32]int32    // number of an address that an account has beside those that it lists -> account

	byAddress []int32 // claims, grouped by address number
	groups    []int32 // address number -> start in byAddress; one more at the end

	blockers map[int32]blockers // by entry

	queue     []int32            // frozen accounts whose addresses were not rejected yet
	obstacles map[int32]obstacle // entries that the console keeps from being served
	agreed    []int32            // accounts that have drifted to what their entries want

	failed error // what makes the input impossible

	ignored        int            // addresses that entries list in ignored domains
	ignoredObjects map[string]int // objects that list no others, by directory
	ambiguous      []Ambiguity
	localPrimaries map[identity.Address]bool // nil until somebody asks
	emptied        map[Departed]bool         // owners whose objects list no address; nil until somebody asks

	notes    []Rejection // rows found while the console was made
	speaking []int32     // accounts that change, or of which there is such a row, where that is asked for
	served   []int32     // entries that get a new account
	slab     compact.Slab[identity.Address]
}

type dirInfo struct {
	name           string
	declared, read bool
}

// unread reports whether accounts of the directory are left alone.
func (d *dirInfo) unread() bool { return d.declared && !d.read }

type scope struct {
	*Scope
	dir     int32
	domains []bool // by index of the domain
}

type idFlag uint8

const (
	ownClaim  idFlag = 1 << iota // the entry of the holder claims it, validly
	protected                    // a protected block lists it
	shared                       // several accounts of the console have it
)

type entryFlag uint8

const (
	dropped   entryFlag = 1 << iota // the same object again, or no entry
	noOwnGUID                       // no GUID, or one that another entry carries
	stuck                           // lost its primary
	empty                           // lists no address that counts
)

type entry struct {
	owned       int32 // account that its GUID owns, the first of several
	account     int32 // bound account
	declared    int32 // number of the declared primary
	primary     int32 // claim that is the primary by rule 5
	first, end  int32 // its claims
	other       int32 // account, entry or prerequisite that is the reason of a whole rejection
	whole       Reason
	flags       entryFlag
	otherIsAcct bool
}

func (t *entry) stuck() bool { return t.flags&stuck != 0 }

type accountFlag uint8

const (
	frozen         accountFlag = 1 << iota
	quiet                      // frozen before its legal hold could speak
	protectedAlias             // has an alias that a protected block lists
	barred                     // frozen for what it is in the console
	foreign                    // belongs to another configuration
)

type account struct {
	dir   int32 // owner's directory
	entry int32 // bound entry
	first int32 // number of its primary; its aliases follow
	hold  int32 // legal_hold block
	guard int32 // protected block of an alias
	flags accountFlag
}

func (a *account) is(f accountFlag) bool { return a.flags&f != 0 }

type claim struct {
	id     int32
	entry  int32
	reason Reason
	public bool
	rival  bool // another candidate for the declared primary
}

// rejectedValue is a listed value that rule 2 keeps from being a claim.
type rejectedValue struct {
	text   string
	entry  int32
	reason Reason
}

func newEngine(in Input) (*engine, error) {
	if len(in.Entries) > math.MaxInt32 || len(in.Accounts) > math.MaxInt32 {
		return nil, fmt.Errorf("more than %d entries or accounts", math.MaxInt32)
	}
	if len(in.Others) != len(in.Rules.Prerequisites) {
		return nil, errors.New("what other systems list is not that of the prerequisites")
	}
	e := &engine{in: in, dirs: map[string]int32{}, domains: NewDomains(in.Rules.Domains), blockers: map[int32]blockers{}}
	for _, name := range in.Rules.Directories {
		e.dirInfo[e.dir(name)].declared = true
	}
	for _, name := range in.Read {
		e.dirInfo[e.dir(name)].read = true
	}
	for i := range in.Rules.Scopes {
		s := &in.Rules.Scopes[i]
		taken := make([]bool, len(in.Rules.Domains))
		for _, name := range s.Domains {
			if n := e.domains.index(name); n != none {
				taken[n] = true
			}
		}
		e.scopes = append(e.scopes, scope{s, e.dir(s.Directory), taken})
	}

	e.accounts = make([]account, len(in.Accounts))
	for i := range in.Accounts {
		a := &in.Accounts[i]
		e.accounts[i] = account{dir: none, entry: none, hold: none, guard: none, first: e.held}
		if !a.Local() {
			e.accounts[i].dir = e.dir(a.Directory)
		}
		e.held += int32(1 + len(a.Aliases))
	}
	if m := in.Merged; m != nil {
		if len(m.Origins) != len(in.Accounts) {
			return nil, errors.New("the accounts are not those of the merge")
		}
		for a, bar := range m.Bars {
			if bar.Cause != "" {
				e.accounts[a].flags |= frozen | barred
			}
			if !bar.Foreign.IsZero() {
				e.accounts[a].flags |= foreign
			}
		}
	}
	e.holderOf = make([]int32, e.held)
	for i := range e.accounts {
		for id := e.accounts[i].first; id < e.end(int32(i)); id++ {
			e.holderOf[id] = int32(i)
		}
	}

	e.entries = make([]entry, len(in.Entries))
	for i := range e.entries {
		e.entries[i] = entry{owned: none, account: none, declared: none, primary: none, other: none}
		s := in.Entries[i].Scope
		if s < 0 || int(s) >= len(e.scopes) {
			return nil, fmt.Errorf("entry %q is of no declared scope", in.Entries[i].DN)
		}
		if d := &e.dirInfo[e.scopes[s].dir]; !d.read {
			return nil, fmt.Errorf("entry %q is of directory %q, which was not read completely", in.Entries[i].DN, d.name)
		}
	}
	return e, nil
}

// dir returns the index of a directory's label.
func (e *engine) dir(name string) int32 {
	if i, ok := e.dirs[name]; ok {
		return i
	}
	i := int32(len(e.dirInfo))
	e.dirs[name] = i
	e.dirInfo = append(e.dirInfo, dirInfo{name: name})
	return i
}

// end returns the number behind the last address of account a.
func (e *engine) end(a int32) int32 {
	return e.accounts[a].first + 1 + int32(len(e.in.Accounts[a].Aliases))
}

// holder returns the account that holds an address, or none.
func (e *engine) holder(id int32) int32 {
	if id < e.held {
		return e.holderOf[id]
	}
	if a, found := e.beside[id]; found {
		return a
	}
	return none
}

// lists reports whether an address is one of those that account a lists.
func (e *engine) lists(a, id int32) bool { return id < e.held && e.holderOf[id] == a }

// text returns the address with the given number.
func (e *engine) text(id int32) identity.Address {
	if id >= e.held {
		return e.newText[id-e.held]
	}
	h := e.holderOf[id]
	if i := id - e.accounts[h].first; i > 0 {
		return e.in.Accounts[h].Aliases[i-1]
	}
	return e.in.Accounts[h].Primary
}

func (e *engine) has(id int32, f idFlag) bool { return e.flags[id]&f != 0 }

// entryDir returns the directory of an entry.
func (e *engine) entryDir(i int32) int32 { return e.scopeOf(i).dir }

// scopeOf returns the scope of an entry.
func (e *engine) scopeOf(i int32) *scope { return &e.scopes[e.in.Entries[i].Scope] }

// guid returns the GUID of an entry.
func (e *engine) guid(i int32) identity.GUID { return e.in.Entries[i].GUID }

// said returns what entry i says.
func (e *engine) said(i int32) *identity.Entry {
	if len(e.united) > 0 {
		if u, is := e.united[i]; is {
			return u
		}
	}
	return &e.in.Entries[i]
}

func (e *engine) active(a int32) bool { return e.in.Accounts[a].Active() }
func (e *engine) local(a int32) bool  { return e.accounts[a].dir == none }
func (e *engine) bound(a int32) bool  { return e.accounts[a].entry != none }

// unread reports whether account a is owned by a directory that is declared
// and was not read in this run.
func (e *engine) unread(a int32) bool {
	return !e.local(a) && !e.bound(a) && e.dirInfo[e.accounts[a].dir].unread()
}

// orphan reports whether account a is owned, not bound, and its directory was
// read or is no longer declared.
func (e *engine) orphan(a int32) bool {
	return !e.local(a) && !e.bound(a) && !e.dirInfo[e.accounts[a].dir].unread()
}

// rejectWhole rejects every claim of entry i, naming what stands in the way: an
// account, or an entry or, for PrerequisiteMissing, a prerequisite.
func (e *engine) rejectWhole(i int32, r Reason, other int32, isAccount bool) {
	t := &e.entries[i]
	t.whole, t.other, t.otherIsAcct = r, other, isAccount
}
