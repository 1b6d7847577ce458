package plan

import (
	"cmp"
	"maps"
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
	// Reason, Other and Guard say why something is refused, who stands in the
	// way, and by which block; as rejections do.
	Reason Reason
	Other  Party
	Guard  string
	// Owner is the configuration that the account belongs to, if it is another one,
	// and Because says what a console has to do with it.
	Owner, Because string
	// Rejection is the row that tells so; nil for all but Refused.
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

	Refused       Outcome = "refused"        // a value, a claim or a change
	RejectedWhole Outcome = "rejected_whole" // all claims of an entry

	Unchanged   Outcome = "unchanged"
	Changed     Outcome = "changed"
	Created     Outcome = "created"
	Deactivated Outcome = "deactivated"
	Reactivated Outcome = "reactivated"
	Dropped     Outcome = "dropped"
	IsWithheld  Outcome = "withheld"
)

// step is a Step, and what tells who stands in the way once all is decided.
type step struct {
	Step
	claim, entry int32
}

func (x *explainer) say(s Step) { x.steps = append(x.steps, step{s, none, none}) }

// look notes what a rule has changed of what concerns the subject.
func (x *explainer) look(rule Rule) {
	x.widen()
	for _, i := range x.entries {
		if rule >= RuleValue && !x.valued[i] {
			x.valued[i] = true
			x.lookAtValues(i)
		}
	}
	if rule >= RuleGuard {
		x.lookAtGuards()
	}
	for _, i := range x.entries {
		if rule > RuleValue {
			for _, c := range x.claimsOf(i) {
				x.lookAtClaim(rule, i, c)
			}
		}
	}
	for _, i := range x.entries {
		x.lookAtEntry(rule, i)
	}
	for _, a := range x.accounts {
		x.lookAtAccount(rule, a)
	}
	if rule != RuleAccount {
		return
	}
	notes := slices.Clone(x.notes)
	slices.SortFunc(notes, compareRejections)
	for n := range notes {
		if r := &notes[n]; x.concerns(r) {
			x.say(Step{Rule: rule, Outcome: Refused, Entry: r.entry(), Address: r.Address, Reason: r.Reason, Other: r.Other, Guard: r.Guard, Rejection: r})
		}
	}
}

// lookAtValues notes what the values of an entry have become.
func (x *explainer) lookAtValues(i int32) {
	t := &x.engine.entries[i]
	for _, c := range x.claimsOf(i) {
		address := x.claimText(c)
		if !x.watches(address) {
			continue
		}
		s := Step{Rule: RuleValue, Outcome: Lists, Entry: x.ref(i), Address: address, Value: x.valueOf(i, address)}
		switch {
		case t.declared == x.claims[c].id:
			s.Outcome = Declares
		case x.claims[c].rival:
			s.Outcome = Candidate
		}
		x.say(s)
	}
	var refused []rejectedValue
	n, _ := slices.BinarySearchFunc(x.rejected, i, func(v rejectedValue, i int32) int { return cmp.Compare(v.entry, i) })
	for ; n < len(x.rejected) && x.rejected[n].entry == i; n++ {
		if x.watches(x.rejected[n].text) {
			refused = append(refused, x.rejected[n])
		}
	}
	slices.SortFunc(refused, func(v, w rejectedValue) int {
		return cmp.Or(strings.Compare(v.text, w.text), cmp.Compare(v.reason, w.reason))
	})
	for _, v := range refused {
		x.say(Step{Rule: RuleValue, Outcome: Refused, Entry: x.ref(i), Address: v.text, Value: x.valueOf(i, v.text), Reason: v.reason})
	}
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

// entry names the entry that the row is about.
func (r *Rejection) entry() EntryRef { return EntryRef{r.Directory, r.Scope, r.DN, r.GUID} }

// lookAtGuards notes which of the addresses are protected.
func (x *explainer) lookAtGuards() {
	tell := func(id int32) {
		if b, guarded := x.guards[id]; guarded && !x.guarded[id] && x.watches(x.text(id).String()) {
			x.guarded[id] = true
			x.say(Step{Rule: RuleGuard, Outcome: Protected, Address: x.text(id).String(), Guard: x.in.Rules.Protected[b].Label})
		}
	}
	for _, i := range x.entries {
		for _, c := range x.claimsOf(i) {
			tell(x.claims[c].id)
		}
	}
	for _, a := range x.accounts {
		for id := x.engine.accounts[a].first; id < x.end(a); id++ {
			tell(id)
		}
	}
}

func (x *explainer) lookAtClaim(rule Rule, i, c int32) {
	cl, t := &x.claims[c], &x.engine.entries[i]
	watched := x.watches(x.claimText(c))
	if !watched && c != t.primary {
		return
	}
	say := func(o Outcome) {
		x.steps = append(x.steps, step{Step{Rule: rule, Outcome: o, Entry: x.ref(i), Address: x.claimText(c), Reason: cl.reason}, c, i})
	}
	// What is said of the claims of an entry on hold is told with the account.
	if refused := cl.reason != noReason && x.seenClaims[c] == noReason && t.whole != LegalHold; refused {
		x.seenClaims[c] = cl.reason
		say(Refused)
		return
	}
	if !watched || cl.reason != noReason || t.whole != noReason {
		return
	}
	switch h := x.holder(cl.id); {
	case rule == RuleIncumbent && t.account != none && h == t.account:
		say(Incumbent)
	case rule == RulePublic && cl.public:
		say(Allowed)
	case rule == RuleHolder && h != none && h != t.account:
		say(Free)
	case rule == RuleContest && x.won(c):
		say(Won)
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

// valueOf returns the value of an entry that lists an address: of those that
// declare it, or else of the others, the first in byte order.
func (x *explainer) valueOf(i int32, address string) string {
	if x.values[i] == nil {
		in := &x.in.Entries[i]
		s := &x.engine.scopes[in.Scope]
		first := map[string]string{}
		for _, values := range [...][]string{in.Aliases, in.Primaries} {
			found := map[string]string{}
			for _, value := range values {
				text := x.normalise(s, value).text
				if other, known := found[text]; x.watches(text) && (!known || value < other) {
					found[text] = value
				}
			}
			maps.Copy(first, found)
		}
		x.values[i] = first
	}
	return x.values[i][address]
}

func (x *explainer) lookAtEntry(rule Rule, i int32) {
	t := x.engine.entries[i]
	was := x.seenEntries[i]
	x.seenEntries[i] = t
	say := func(o Outcome) *step {
		x.steps = append(x.steps, step{Step{Rule: rule, Outcome: o, Entry: x.ref(i)}, none, i})
		return &x.steps[len(x.steps)-1]
	}
	in := &x.in.Entries[i]
	is := func(f entryFlag) bool { return t.flags&f != 0 && was.flags&f == 0 }
	if is(dropped) {
		if len(in.Primaries)+len(in.Aliases) == 0 {
			say(NoAddress)
		} else {
			say(SameObject)
		}
	}
	if t.flags&dropped != 0 {
		return
	}
	if is(noOwnGUID) {
		if in.GUID.IsZero() {
			say(NoGUID)
		} else {
			say(SharedGUID).Other = x.entryParty(t.other)
		}
	}
	if t.account != none && was.account == none {
		outcome := BoundByGUID
		switch {
		case rule == RuleDeclared && x.local(t.account):
			outcome = Adopted
		case rule == RuleDeclared:
			outcome = Rebound
		case x.local(t.account):
			outcome = Recorded
		case x.engine.accounts[t.account].dir != x.entryDir(i):
			outcome = Switched
		}
		say(outcome).Account = &x.in.Accounts[t.account]
	}
	if t.primary != none && was.primary == none {
		outcome := TakesFirst
		switch id := x.claims[t.primary].id; {
		case id == t.declared:
			outcome = TakesDeclared
		case t.account != none && id == x.engine.accounts[t.account].first:
			outcome = TakesPresent
		}
		say(outcome).Address = x.claimText(t.primary)
	}
	if t.whole != noReason && was.whole == noReason {
		say(RejectedWhole).Reason = t.whole
	}
	if rule == RuleDeclared && t.account == none && t.whole == noReason {
		say(NewEntry)
	}
	if o := x.obstacleOf(i); is(stuck) && o.cause != "" {
		row := x.entryRow(i, ConsoleUnsupported, "")
		row.Cause, row.Detail, row.Limit, row.Length = o.cause, o.detail, o.limit, o.length
		say(IsBarred).Because = row.causeMessage(Names{})
	} else if is(stuck) {
		s := say(IsStuck)
		s.Address, s.claim, s.Reason = x.claimText(t.primary), t.primary, x.claims[t.primary].reason
	}
}

func (x *explainer) lookAtAccount(rule Rule, a int32) {
	t := x.engine.accounts[a]
	was := x.seenAccounts[a]
	x.seenAccounts[a] = t
	say := func(o Outcome) *Step {
		x.say(Step{Rule: rule, Outcome: o, Account: &x.in.Accounts[a]})
		return &x.steps[len(x.steps)-1].Step
	}
	if rule == RuleDeclared && !x.bound(a) {
		switch {
		case t.is(foreign):
			say(IsForeign)
		case x.local(a):
			say(IsLocal)
		case x.unread(a):
			say(IsUnread)
		default:
			say(IsOrphan)
		}
	}
	if t.hold != none && was.hold == none {
		say(OnHold).Guard = x.in.Rules.Holds[t.hold].Label
	} else if t.is(frozen) && !was.is(frozen) {
		s := say(IsFrozen)
		if t.is(barred) {
			bar := x.in.Merged.Bars[a]
			s.Because = (&Rejection{Cause: bar.Cause, Detail: bar.Detail}).causeMessage(Names{})
		}
	}
}

// ended notes what becomes of the accounts.
func (x *explainer) ended() {
	for n := range x.out.Accounts {
		f := &x.out.Accounts[n]
		account, s := f.Before, Step{Rule: RuleAccount, Outcome: Changed}
		switch {
		case f.Before == nil:
			account, s.Outcome = f.After, Created
		case f.After == nil:
			s.Outcome = Dropped
		case f.Before == f.After:
			s.Outcome = Unchanged
		case f.Before.Active() && !f.After.Active():
			s.Outcome = Deactivated
		case !f.Before.Active() && f.After.Active():
			s.Outcome = Reactivated
		}
		s.Account = account
		x.say(s)
		if f.Withheld {
			x.say(Step{Rule: RuleLimit, Outcome: IsWithheld, Account: account})
		}
	}
}

// finish names who stands in the way, now that all is decided, and puts the
// steps in the order of the rules.
func (x *explainer) finish() {
	x.contests = map[int32]contest{}
	same := x.sameObjects()
	for _, s := range x.steps {
		switch s.Outcome {
		case Refused, IsStuck:
			if s.claim != none {
				s.Other, s.Guard = x.inTheWay(s.claim, x.contests)
			}
			if s.Outcome == Refused {
				s.Rejection = x.row(&s.Step)
			}
		case RejectedWhole:
			x.nameWhole(&s)
		case SameObject:
			if first, found := same[x.object(s.entry)]; found {
				s.Other = x.entryParty(first)
				s.Scope = x.engine.scopes[x.in.Entries[first].Scope].Name
			}
		case Free:
			s.Account = &x.in.Accounts[x.holder(x.claims[s.claim].id)]
		case Won:
			s.Other = x.contender(s.claim, x.contests)
		case Incumbent:
			if len(x.claimsOn(x.claims[s.claim].id)) < 2 {
				continue
			}
			s.Account = &x.in.Accounts[x.engine.entries[s.entry].account]
		}
		s.Owner = x.foreignOwner(s.Account)
		x.out.Steps = append(x.out.Steps, s.Step)
	}
	slices.SortStableFunc(x.out.Steps, func(a, b Step) int { return cmp.Compare(a.Rule, b.Rule) })
}

// row returns the rejection that a step tells of.
func (x *explainer) row(s *Step) *Rejection {
	for _, r := range x.refusals[refusalKey{s.Reason, s.Address, s.Entry, s.Other, s.Guard}] {
		if s.Rejection == nil || *s.Rejection == *r {
			return r
		}
	}
	return nil
}

// nameWhole names who is the reason of a whole rejection.
func (x *explainer) nameWhole(s *step) {
	t := &x.engine.entries[s.entry]
	switch {
	case t.other != none && t.otherIsAcct:
		s.Other = x.accountParty(t.other)
		if h := x.engine.accounts[t.other].hold; t.whole == LegalHold && h != none {
			s.Guard = x.in.Rules.Holds[h].Label
		}
	case t.other != none:
		s.Other = x.entryParty(t.other)
	}
}

// object is what makes two entries one.
type object struct {
	dir  int32
	guid identity.GUID
	dn   string
}

func (x *explainer) object(i int32) object {
	in := &x.in.Entries[i]
	return object{x.entryDir(i), in.GUID, foldDN(in.DN)}
}

// sameObjects returns the entries that the dropped ones of the subject are the
// same objects as.
func (x *explainer) sameObjects() map[object]int32 {
	guids := map[identity.GUID]bool{}
	for _, i := range x.entries {
		if x.engine.entries[i].flags&dropped != 0 {
			guids[x.in.Entries[i].GUID] = true
		}
	}
	if len(guids) == 0 {
		return nil
	}
	first := map[object]int32{}
	for n := range slices.Backward(x.in.Entries) { // the first of several stands
		if guids[x.in.Entries[n].GUID] && x.engine.entries[n].flags&dropped == 0 {
			first[x.object(int32(n))] = int32(n)
		}
	}
	return first
}
