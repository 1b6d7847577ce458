package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Step is something that a rule has said.
type Step struct {
	Rule    Rule
	Outcome Outcome
	// Entry and Account are who it is about, as far as it is; Address which of
	// their addresses.
	Entry   EntryRef
	Account *identity.Account
	Address string
	// Value is the value as it is listed, without prefix.
	Value string
	// Scope took an object before the entry's own did.
	Scope string
	// Reason, Other and Guard say why something is rejected, who stands in the
	// way, and by which block; as rejections do.
	Reason Reason
	Other  Party
	Guard  string
	// Owner is the configuration that the account belongs to, if it is another one.
	Owner string
	// Rejection is the row that says so, of Rejected; or else what a console has to do
	// with it, if anything.
	Rejection *Rejection
}

// Outcome is what a rule says. Its text is a stable code.
type Outcome string

// What rules say, by rule.
const (
	SameObject Outcome = "same_object" // an earlier scope took the object
	NoAddress  Outcome = "no_address"  // the object lists none
	NoGUID     Outcome = "no_guid"
	SharedGUID Outcome = "shared_guid"

	BoundByGUID Outcome = "bound"
	Switched    Outcome = "directory_switch"

	Declares  Outcome = "declares"
	Candidate Outcome = "candidate" // for the declared primary, which is another
	Lists     Outcome = "lists"

	Protected Outcome = "protected"
	OnHold    Outcome = "on_hold"

	Adopted   Outcome = "adopted"
	Recorded  Outcome = "recorded"
	Rebound   Outcome = "guid_change"
	NewEntry  Outcome = "new"
	IsLocal   Outcome = "local"
	IsForeign Outcome = "foreign"
	IsUnread  Outcome = "unread"
	IsOrphan  Outcome = "orphan"
	Incumbent Outcome = "incumbent"

	TakesDeclared Outcome = "declared_primary"
	TakesPresent  Outcome = "present_primary"
	TakesFirst    Outcome = "first_primary"

	Allowed Outcome = "allowed"
	Free    Outcome = "free"
	Won     Outcome = "won"

	IsStuck  Outcome = "stuck"
	IsBarred Outcome = "unsupported" // by the console
	IsFrozen Outcome = "frozen"

	Rejected      Outcome = "refused"        // a value, a claim or a change
	RejectedWhole Outcome = "rejected_whole" // all claims of an entry

	Unchanged   Outcome = "unchanged"
	Changed     Outcome = "changed"
	Created     Outcome = "created"
	Deactivated Outcome = "deactivated"
	Reactivated Outcome = "reactivated"
	Dropped     Outcome = "dropped"
	IsWithheld  Outcome = "withheld"
)

func (x *explainer) say(s Step) {
	s.Owner = x.foreignOwner(s.Account)
	x.out.Steps = append(x.out.Steps, s)
}

// steps spells out what the rules have decided of the entries and accounts, as the
// engine has it in the end.
func (x *explainer) steps() {
	same, contests, guarded := x.takenObjects(), map[int32]contest{}, map[int32]bool{}
	for n, i := range x.entries {
		if x.engine.entries[i].flags&dropped != 0 {
			x.droppedStep(i, same)
			continue
		}
		x.entrySteps(i, &x.out.Entries[n], contests)
		for _, c := range x.claimsOf(i) {
			x.claimSteps(i, c, contests)
			x.guardStep(x.claims[c].id, guarded)
		}
	}
	for _, a := range x.accounts {
		x.accountSteps(a)
		for id := x.engine.accounts[a].first; id < x.end(a); id++ {
			x.guardStep(id, guarded)
		}
	}
	for _, r := range x.out.Rejections {
		x.say(Step{Rule: r.Rule(), Outcome: Rejected, Entry: r.entry(), Address: r.Address, Reason: r.Reason, Other: r.Other, Guard: r.Guard, Rejection: r})
	}
	for n := range x.out.Accounts {
		x.outcomeSteps(&x.out.Accounts[n])
	}
	slices.SortStableFunc(x.out.Steps, func(a, b Step) int { return cmp.Compare(a.Rule, b.Rule) })
}

func (x *explainer) droppedStep(i int32, same map[object]int32) {
	s := Step{Rule: RuleObject, Outcome: NoAddress, Entry: x.ref(i)}
	if x.engine.entries[i].flags&empty == 0 {
		s.Outcome = SameObject
		if first, found := same[x.object(i)]; found {
			s.Other, s.Scope = x.entryParty(first), x.engine.scopes[x.said(first).Scope].Name
		}
	}
	x.say(s)
}

// entrySteps says what became of an entry but for its claims.
func (x *explainer) entrySteps(i int32, f *EntryFacts, contests map[int32]contest) {
	t, in := &x.engine.entries[i], x.said(i)
	s := Step{Entry: x.ref(i)}
	switch {
	case t.flags&noOwnGUID == 0:
	case in.GUID.IsZero():
		x.say(s.of(RuleObject, NoGUID))
	default:
		shared := s.of(RuleObject, SharedGUID)
		shared.Other = x.entryParty(t.other)
		x.say(shared)
	}
	wholeRule := RulePrimary
	switch t.whole {
	case MissingGUID:
		wholeRule = RuleGUID
	case OtherDirectory, GUIDChanged:
		if wholeRule = RuleDeclared; t.otherIsAcct && x.in.Accounts[t.other].GUID == in.GUID {
			wholeRule = RuleGUID
		}
	default:
		if t.whole == PrerequisiteMissing {
			wholeRule = RulePrerequisite
		}
		if t.account == none {
			x.say(s.of(RuleDeclared, NewEntry))
		}
	}
	if t.account != none {
		x.say(x.binding(i, s))
	}
	if t.primary != none {
		takes := s.of(RulePrimary, TakesFirst)
		switch id := x.claims[t.primary].id; {
		case id == t.declared:
			takes.Outcome = TakesDeclared
		case t.account != none && id == x.engine.accounts[t.account].first:
			takes.Outcome = TakesPresent
		}
		takes.Address = x.claimText(t.primary)
		x.say(takes)
	}
	if t.whole != noReason {
		whole := s.of(wholeRule, RejectedWhole)
		whole.Reason, whole.Other, whole.Guard = t.whole, f.other, f.guard
		x.say(whole)
	}
	if !t.stuck() {
		return
	}
	if o := x.obstacleOf(i); o.cause != "" {
		barred := s.of(RuleConsole, IsBarred)
		row := x.entryRow(i, ConsoleUnsupported, "")
		row.Cause, row.Detail, row.Limit, row.Length = o.cause, o.detail, o.limit, o.length
		barred.Rejection = &row
		x.say(barred)
		return
	}
	lost := s.of(RuleFrozen, IsStuck)
	lost.Address, lost.Reason = x.claimText(t.primary), x.claims[t.primary].reason
	lost.Other, lost.Guard = x.inTheWay(t.primary, contests)
	x.say(lost)
}

func (s Step) of(r Rule, o Outcome) Step {
	s.Rule, s.Outcome = r, o
	return s
}

// binding says how an entry came by its account.
func (x *explainer) binding(i int32, s Step) Step {
	in, a := x.said(i), x.engine.entries[i].account
	account := &x.in.Accounts[a]
	switch byGUID := !in.GUID.IsZero() && account.GUID == in.GUID; {
	case byGUID && x.local(a) && len(x.recorded[in.GUID]) == 1 && len(x.entriesOf(i)) == 1: // as of adoptByGUID
		s = s.of(RuleGUID, Recorded)
	case x.local(a):
		s = s.of(RuleDeclared, Adopted)
	case byGUID && x.engine.accounts[a].dir != x.entryDir(i):
		s = s.of(RuleGUID, Switched)
	case byGUID:
		s = s.of(RuleGUID, BoundByGUID)
	default:
		s = s.of(RuleDeclared, Rebound)
	}
	s.Account = account
	return s
}

// claimSteps says what became of a claim that is not rejected.
func (x *explainer) claimSteps(i, c int32, contests map[int32]contest) {
	cl, t := &x.claims[c], &x.engine.entries[i]
	address := x.claimText(c)
	if !x.watches(address) {
		return
	}
	s := Step{Entry: x.ref(i), Address: address}
	lists := s.of(RuleValue, Lists)
	switch {
	case t.declared == cl.id:
		lists.Outcome = Declares
	case cl.rival:
		lists.Outcome = Candidate
	}
	if f := x.facted[address]; f != nil {
		if n, found := x.listedBy(f, s.Entry); found {
			lists.Value = f.Listed[n].Value
		}
	}
	x.say(lists)
	if cl.reason != noReason || t.whole != noReason {
		return
	}
	if cl.public {
		x.say(s.of(RulePublic, Allowed))
	}
	switch h := x.holder(cl.id); {
	case h == none:
	case h != t.account:
		free := s.of(RuleHolder, Free)
		free.Account = &x.in.Accounts[h]
		x.say(free)
	case len(x.claimsOn(cl.id)) > 1:
		own := s.of(RuleIncumbent, Incumbent)
		own.Account = &x.in.Accounts[h]
		x.say(own)
	}
	if x.won(c) {
		won := s.of(RuleContest, Won)
		won.Other = x.contender(c, contests)
		x.say(won)
	}
}

// won reports whether a claim that stands was contested.
func (x *explainer) won(c int32) bool {
	id := x.claims[c].id
	return !x.has(id, ownClaim) && slices.ContainsFunc(x.claimsOn(id), func(d int32) bool {
		other := &x.claims[d]
		return other.reason == AliasRejected || d != c && x.engine.entries[other.entry].whole != noReason
	})
}

// claimsOf returns the claims of an entry, that on its declared primary first,
// in byte order.
func (x *explainer) claimsOf(i int32) []int32 {
	t := &x.engine.entries[i]
	var all []int32
	for c := t.first; c < t.end; c++ {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b int32) int {
		return cmp.Or(boolInt(x.claims[b].id == t.declared)-boolInt(x.claims[a].id == t.declared), strings.Compare(x.claimText(a), x.claimText(b)))
	})
	return all
}

// guardStep says once that an address is protected.
func (x *explainer) guardStep(id int32, said map[int32]bool) {
	if b, guarded := x.guards[id]; guarded && !said[id] && x.watches(x.text(id).String()) {
		said[id] = true
		x.say(Step{Rule: RuleGuard, Outcome: Protected, Address: x.text(id).String(), Guard: x.in.Rules.Protected[b].Label})
	}
}

// accountSteps says whose an account is, and what keeps it as it is.
func (x *explainer) accountSteps(a int32) {
	t := &x.engine.accounts[a]
	s := Step{Account: &x.in.Accounts[a]}
	switch {
	case x.bound(a):
	case t.is(foreign):
		x.say(s.of(RuleDeclared, IsForeign))
	case x.local(a):
		x.say(s.of(RuleDeclared, IsLocal))
	case x.unread(a):
		x.say(s.of(RuleDeclared, IsUnread))
	default:
		x.say(s.of(RuleDeclared, IsOrphan))
	}
	switch {
	case t.hold != none:
		s.Guard = x.in.Rules.Holds[t.hold].Label
		x.say(s.of(RuleGuard, OnHold))
	case t.is(frozen):
		f := x.out.holders[s.Account]
		s.Rejection = f.bar
		x.say(s.of(f.by, IsFrozen))
	}
}

// frozenBy returns the rule that wants an account to stay as it is.
func (x *explainer) frozenBy(a int32) Rule {
	t := &x.engine.accounts[a]
	switch {
	case t.is(barred):
		return RuleObject
	case t.is(quiet):
		return RuleGUID
	case x.bound(a) && x.engine.entries[t.entry].whole == NoValidPrimary:
		return RulePrimary
	case x.bound(a) && x.obstacleOf(t.entry).cause != "":
		return RuleConsole
	case !x.bound(a) && slices.ContainsFunc(x.claimsOn(t.first), func(c int32) bool {
		e := &x.engine.entries[x.claims[c].entry]
		return e.whole != noReason && e.otherIsAcct && e.other == a
	}):
		return RuleDeclared
	}
	return RuleFrozen
}

// outcomeSteps says what becomes of an account.
func (x *explainer) outcomeSteps(f *AccountFacts) {
	s := Step{Rule: RuleAccount, Outcome: Changed, Account: f.subject()}
	switch {
	case f.Before == nil:
		s.Outcome = Created
	case f.After == nil:
		s.Outcome = Dropped
	case f.Before == f.After:
		s.Outcome = Unchanged
	case f.Before.Active() && !f.After.Active():
		s.Outcome = Deactivated
	case !f.Before.Active() && f.After.Active():
		s.Outcome = Reactivated
	}
	x.say(s)
	if f.Withheld {
		x.say(s.of(RuleLimit, IsWithheld))
	}
}

// entry names the entry that the row is about.
func (r *Rejection) entry() EntryRef { return EntryRef{r.Directory, r.Scope, r.DN, r.GUID} }

// Rule is the rule that gives the reason.
func (r *Rejection) Rule() Rule {
	if r.Wanted != "" {
		return RuleAccount
	}
	return reasons[r.Reason].rule
}

// object is what makes two entries one.
type object struct {
	dir  int32
	guid identity.GUID
	dn   string
}

func (x *explainer) object(i int32) object {
	in := x.said(i)
	return object{x.entryDir(i), in.GUID, identity.FoldDN(in.DN)}
}

// takenObjects returns the entries that count, by object.
func (x *explainer) takenObjects() map[object]int32 {
	first := map[object]int32{}
	for _, i := range slices.Backward(x.entries) { // the first of several stands
		if x.engine.entries[i].flags&dropped == 0 {
			first[x.object(i)] = i
		}
	}
	return first
}
