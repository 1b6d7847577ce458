package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Meaning says in plain words what the rule decides.
func (r Rule) Meaning() string {
	return [...]string{
		"which results are one object, and which GUIDs are an object's own",
		"an entry has the account that its GUID owns",
		"a value becomes a claim on an address, if it is in one of the scope's domains",
		"protected addresses stay where they are, and accounts on legal hold as they are",
		"an entry without an account may take over the one whose primary it declares",
		"an entry without an account waits until the directories of its prerequisites list it",
		"the account that has an address, and whose entry lists it, comes first",
		"an entry's primary is the one that it declares, or that it has, or else its first address",
		"a public address only goes with primaries in certain domains",
		"an account that has an address may keep it",
		"of several entries that claim an address, the only one that declares it wins, or none does",
		"where it is unknown who is right, nothing moves",
		"what the console cannot hold stays as it is",
		"what becomes of the account",
		"how many accounts, addresses and primaries may go at once",
	}[r]
}

// outcomes are the sentences of what rules say.
var outcomes = map[Outcome]string{
	SameObject:    "{entry} belongs to {scope}, which is declared first",
	NoAddress:     "{entry} lists no address, so it counts as gone",
	NoGUID:        "{entry} has no GUID, so nothing can be bound to it",
	SharedGUID:    "{entry} shares its GUID with {other}",
	BoundByGUID:   "{entry} has {account}, by its GUID",
	Switched:      "{entry} has {account}, which moves to its directory: no other object has the GUID",
	Declares:      "{entry} declares {address} as its primary{spelled}",
	Candidate:     "{entry} lists {address}, a second candidate for its primary{spelled}",
	Lists:         "{entry} lists {address} as an alias{spelled}",
	Protected:     "{address} is protected by {guard}",
	OnHold:        "{account} is on legal hold {guard}, and does not change",
	Adopted:       "{entry} adopts {account}: it declares its primary",
	Recorded:      "{entry} adopts {account}: the account records its GUID",
	Rebound:       "{entry} takes over {account}: it declares its primary, whose GUID is no longer in the directory, and the scope rebinds",
	NewEntry:      "{entry} has no account yet",
	IsLocal:       "{account} belongs to no directory, and no entry adopts it",
	IsForeign:     "{account} does not change: it belongs to another configuration",
	IsUnread:      "{account} does not change: its directory was not read",
	IsOrphan:      "{account} has no directory entry",
	Incumbent:     "{entry} lists {address}, and its account has it: no other entry gets it",
	TakesDeclared: "the primary of {entry} is {address}, which it declares",
	TakesPresent:  "the primary of {entry} is {address}, which its account has: none that it declares is possible",
	TakesFirst:    "the primary of {entry} is {address}, its first possible address: none that it declares is possible",
	Allowed:       "the public address {address} goes with the primary of {entry}",
	Free:          "{account} gives up {address}",
	Won:           "{entry} gets {address}: it is the only one that declares it as its primary",
	IsStuck:       "{entry} loses its primary {address}, so it and its account do not change",
	IsBarred:      "{entry} and its account do not change: {why}",
	IsFrozen:      "{account} does not change: {why}",
	RejectedWhole: "{entry} gets no address: {why}",
	Rejected:      "{entry} does not get {address}: {why}",
	Unchanged:     "{account} does not change",
	Changed:       "{account} changes",
	Created:       "{account} is new",
	Deactivated:   "{account} becomes inactive",
	Reactivated:   "{account} becomes active again",
	Dropped:       "the record of {account} goes: another account gets its primary",
	IsWithheld:    "a brake withholds what {account} would lose",
}

// Message says in one sentence what the rule has said.
func (s *Step) Message(n Names) string {
	text, account, scope, why := outcomes[s.Outcome], "", "another scope", ""
	if s.Scope != "" {
		scope = "scope " + quote(s.Scope)
	}
	if s.Account != nil {
		account = n.account(s.Account, s.Owner)
	}
	switch s.Outcome {
	case IsBarred:
		why = s.Rejection.causeMessage(n)
	case IsFrozen:
		why = frozenText(s.Rule, s.Rejection, n)
	case RejectedWhole:
		why = wholeText(s.Reason, s.Other.text(n), s.Guard)
	case Rejected:
		if why = s.Rejection.Message(n); s.Entry.DN == "" || s.Rule == RuleAccount {
			text = s.Reason.String() + " of {address}: {why}"
		}
	}
	return strings.NewReplacer("{entry}", n.entry(s.Entry), "{account}", account, "{address}", n.address(s.Address), "{other}", s.Other.text(n),
		"{scope}", scope, "{guard}", quote(s.Guard), "{spelled}", s.spelled(n), "{why}", why).Replace(text)
}

// spelled says how the directory spells an address, where that is not the address.
func (s *Step) spelled(n Names) string {
	if value := strings.ToLower(s.Value); value == s.Address {
		return ""
	}
	return fmt.Sprintf(": the directory has %s, whose domain is an alias", n.address(s.Value))
}

// frozenText says why an account does not change, by the rule that wants it so.
func frozenText(r Rule, bar *Rejection, n Names) string {
	if bar != nil {
		return bar.causeMessage(n)
	}
	switch r {
	case RuleConsole:
		return "the console cannot hold what its entry wants"
	case RuleGUID:
		return "it is unknown which object its GUID means now"
	case RuleDeclared:
		return "an entry with another GUID declares its primary"
	case RulePrimary:
		return "no address of its entry may be the primary"
	}
	return "another entry claims this account's primary, and the claim could not be granted"
}

// wholeText says why no address of an entry is granted.
func wholeText(r Reason, other, guard string) string {
	switch r {
	case MissingGUID:
		return "it has no GUID of its own"
	case OtherDirectory:
		return "its GUID or primary belongs to " + other
	case GUIDChanged:
		return "it declares the primary of " + other + ", which has another GUID"
	case PrerequisiteMissing:
		return other + " does not list it yet, as prerequisite " + quote(guard) + " requires"
	case LegalHold:
		return "legal hold " + quote(guard) + " keeps its account as it is"
	}
	return "none may be its primary"
}

// Message says in one sentence what somebody changed in the console by hand.
func (d *Drift) Message() string {
	or := func(value string) string {
		if value == "" {
			return "nothing"
		}
		return quote(value)
	}
	has := d.Field + " " + quote(d.Found)
	if d.Found == "" {
		has = "no " + d.Field
	}
	account := "account " + d.Primary.String()
	switch d.Kind {
	case DriftGone:
		return account + " is no longer in the console"
	case DriftForeign:
		return fmt.Sprintf("%s is marked as %s, another configuration (was %s)", account, or(d.Found), or(d.Recorded))
	case DriftOwner:
		return fmt.Sprintf("%s is marked as %s (was %s)", account, or(d.Found), or(d.Recorded))
	case DriftUnrecorded:
		return account + " is in the console, and not in the state"
	}
	return fmt.Sprintf("%s has %s (was %s)", account, has, or(d.Recorded))
}

// Answer says in a sentence or two what the plan does with the subject, and why.
func (x *Explanation) Answer(n Names) string {
	var all []string
	switch {
	case x.Subject.Kind == AddressSubject:
		for k := range x.Addresses {
			all = append(all, x.addressAnswer(&x.Addresses[k], n))
		}
	case len(x.Entries)+len(x.Accounts) == 0:
		all = append(all, x.nobody(n))
	}
	if x.Subject.Kind != AddressSubject {
		for k := range x.Entries {
			all = append(all, x.Entries[k].answer(n))
		}
		for k := range x.Accounts {
			if f := &x.Accounts[k]; f.Standing != Bound {
				all = append(all, upper(n.account(f.subject(), f.Owner))+" "+f.state(n)+".")
			}
		}
	}
	if more := len(all) - mostAnswers; more > 1 {
		all = append(all[:mostAnswers], Thousands(more)+" more entries and accounts are concerned.")
	}
	return strings.Join(append(all, x.gone(n)...), " ")
}

// mostAnswers is how many entries and accounts an answer speaks of.
const mostAnswers = 5

func (x *Explanation) nobody(n Names) string {
	switch x.Subject.Kind {
	case GUIDSubject:
		return fmt.Sprintf("No entry and no account has the GUID %s.", n.guid(x.Subject.GUID))
	case DNSubject:
		return fmt.Sprintf("No entry and no account has the DN %s.", n.dn(x.Subject.Text))
	}
	return fmt.Sprintf("No entry and no account has the username %s. Display names are not searched.", named(n.Detail, x.Subject.Text))
}

// gone names the accounts that somebody has removed from the console.
func (x *Explanation) gone(n Names) (all []string) {
	for k := range x.Drift {
		if d := &x.Drift[k]; d.Kind == DriftGone && len(all) < mostAnswers {
			all = append(all, "Somebody removed account "+n.address(d.Primary.String())+" from the console by hand.")
		}
	}
	return all
}

// answer says what becomes of an entry.
func (f *EntryFacts) answer(n Names) string {
	text := upper(n.entry(f.Ref))
	switch {
	case f.Empty:
		text += " lists no address, so it counts as gone"
	case f.Merged:
		text += fmt.Sprintf(" in scope %s is the same object again", quote(f.Ref.Scope))
	case f.Whole != noReason:
		text += " gets no address: " + wholeText(f.Whole, f.other.text(n), f.guard)
	case f.Unsupported:
		text += " does not change: the console cannot hold its account as it should be"
	case f.Stuck:
		text += " does not change: it loses its primary " + n.address(f.Primary)
	case f.account == nil:
		text += " gets a new account, " + n.address(f.Primary)
	default:
		text += " has account " + n.address(f.Account) + ", which " + f.account.state(n)
	}
	return text + "."
}

// state says what becomes of an account.
func (f *AccountFacts) state(n Names) string {
	switch {
	case f.Before == nil:
		return "is new"
	case f.After == nil:
		return "goes: another account gets its primary"
	case f.Withheld:
		return "loses nothing yet: a brake withholds it"
	case f.Before != f.After && f.Before.Active() && !f.After.Active():
		return "becomes inactive: " + f.gone()
	case f.Before != f.After && !f.Before.Active() && f.After.Active():
		return "becomes active again"
	case f.Before != f.After && f.Before.Directory != f.After.Directory:
		return "moves to directory " + quote(f.After.Directory)
	case f.Before != f.After:
		return "changes"
	}
	text := "does not change"
	if !f.Before.Active() {
		text = "stays inactive"
	}
	if why := f.still(n); why != "" {
		text += ": " + why
	}
	return text
}

// still says what keeps an account as it is, "" if nothing does.
func (f *AccountFacts) still(n Names) string {
	switch {
	case f.hold != nil:
		text := f.hold.text(n) + " keeps the account as it is"
		if f.Standing == Orphan {
			text += "; " + f.gone()
		}
		return text
	case f.Standing == Foreign:
		return "the account belongs to configuration " + quote(f.Owner)
	case f.Standing == Local:
		return "the account is local, and no directory changes it"
	case f.Standing == Unread:
		return "directory " + quote(f.Before.Directory) + " was not read"
	case f.Frozen:
		return frozenText(f.by, f.bar, n)
	}
	return ""
}

// Vanished reports whether mail is lost because no object of the account was found.
func (f *AccountFacts) Vanished() bool {
	return f.lost == EntryGone && f.Left == "" && f.Before != nil && f.Before.Active() && !(f.After != nil && f.After.Active())
}

// gone says why an account has no directory entry.
func (f *AccountFacts) gone() string {
	if f.Left != "" {
		return f.Left
	}
	switch f.lost {
	case NotLookedUp:
		return "its account has no directory entry"
	case EntryDeleted:
		return "its object was deleted"
	case EntryMoved:
		return "its object is outside the scopes"
	case EntryDisabled:
		return "its object is disabled"
	case EntryWithoutAddress:
		return "its object lists no address"
	case DirectoryUndeclared:
		return "its directory is not declared"
	}
	return "its object is gone"
}

// text names a guard with its reason and its end.
func (g *GuardFacts) text(n Names) string {
	text := "protected " + quote(g.Label)
	if g.Hold {
		text = "legal hold " + quote(g.Label)
	}
	var about []string
	if g.Reason != "" {
		about = append(about, named(n.Detail, g.Reason))
	}
	if !g.Until.IsZero() {
		about = append(about, "until "+g.Until.Format(time.DateOnly))
	}
	if len(about) > 0 {
		text += " (" + strings.Join(about, ", ") + ")"
	}
	return text
}

// Fate is what becomes of an address. Its text is a stable code.
type Fate string

// The fates of an address.
const (
	Nobody      Fate = "nobody"       // has it, before and after
	Dormant     Fate = "dormant"      // an inactive account keeps it
	Stays       Fate = "stays"        // receives mail where it is
	Comes       Fate = "comes"        // starts to receive mail
	Goes        Fate = "goes"         // stops receiving mail
	Moves       Fate = "moves"        // to another account
	ChangesRole Fate = "changes_role" // primary or alias, in its account
)

// Fate returns what becomes of the address.
func (f *AddressFacts) Fate() Fate {
	b, a := f.Before, f.After
	switch {
	case !b.Active() && !a.Active():
		if b == nil && a == nil {
			return Nobody
		}
		return Dormant
	case !b.Active():
		return Comes
	case !a.Active():
		return Goes
	case f.Moved:
		return Moves
	case b.Primary != a.Primary:
		return ChangesRole
	}
	return Stays
}

// who names the entry behind the account that has an address, or else the account.
func (x *Explanation) who(h *Holding, n Names) string {
	f := x.accountOf(h)
	switch {
	case f != nil && f.Standing == Bound:
		return n.entry(f.Entry)
	case n.Entry != nil && h.Owner == "" && h.Account.DN != "" && !slices.ContainsFunc(x.Entries, func(e EntryFacts) bool {
		return e.Ref.DN == h.Account.DN && e.Ref.Directory == h.Account.Directory
	}):
		return n.Entry(h.Account.DN, h.Account.Directory)
	}
	return n.account(h.Account, h.Owner)
}

// role says what an address is to whoever has it.
func (x *Explanation) role(h *Holding, n Names) string {
	if who := x.who(h, n); who == n.account(h.Account, h.Owner) && h.Primary {
		return "the primary of its account"
	}
	if h.Primary {
		return "the primary of " + x.who(h, n)
	}
	return "an alias of " + x.who(h, n)
}

// accountOf returns what is known of the account that has an address, or nil.
func (x *Explanation) accountOf(h *Holding) *AccountFacts {
	if h == nil {
		return nil
	}
	return x.holders[h.Account]
}

// addressAnswer says what becomes of an address, and why.
func (x *Explanation) addressAnswer(f *AddressFacts, n Names) string {
	b, a, address := f.Before, f.After, n.address(f.Address)
	last := a // who has it in the end, or else had it, says why
	if last == nil {
		last = b
	}
	why, text := x.why(f, last, n), ""
	switch f.Fate() {
	case Nobody:
		return strings.Join(append([]string{fmt.Sprintf("Nobody receives %s: %s.", address, x.whyNobody(f, n))}, x.nearly(n)...), " ")
	case Dormant:
		text = fmt.Sprintf("Nobody receives %s: its account is inactive", address)
		if !last.Primary {
			text = fmt.Sprintf("Nobody receives %s: account %s is inactive", address, n.address(last.Account.Primary.String()))
		}
		if p := x.accountOf(last); p != nil && p.Standing == Orphan {
			why, text = "", text+", because "+p.gone()
		}
	case Stays:
		text = address + " stays " + x.role(a, n)
	case Comes:
		text = address + " starts to receive mail as " + x.role(a, n)
		if b != nil {
			text = address + " receives mail again as " + x.role(a, n)
		}
	case Goes:
		text = address + " stops receiving mail"
	case Moves:
		text = fmt.Sprintf("%s moves from %s to %s", address, x.who(b, n), x.who(a, n))
	case ChangesRole:
		text = address + " becomes " + x.role(a, n)
		if a.Primary {
			text += ", in place of " + n.address(b.Account.Primary.String())
		} else {
			text += ", whose primary becomes " + n.address(a.Account.Primary.String())
		}
	}
	if why != "" {
		text += ": " + why
	}
	text += "."
	if f.Withheld && !strings.HasPrefix(why, onlyBrake) {
		text += " A brake withholds what its account would lose."
	}
	p := x.accountOf(last)
	for _, r := range x.rejected(f.Address) {
		switch message := r.Message(n); {
		case strings.Contains(why, message), r.Reason == ProtectedDeactivation && strings.HasPrefix(why, "protected "+quote(r.Guard)):
		case r.Reason == LegalHold && p != nil && p.Hold == r.Guard:
			if r.Attribute != "" {
				text += " The directory has another " + r.Attribute + "."
			}
		case r.DN == "" || p != nil && r.entry() == p.Entry:
			text += " Rejected: " + message + "."
		default:
			text += fmt.Sprintf(" %s does not get it: %s.", upper(n.entry(r.entry())), message)
		}
	}
	return text
}

// onlyBrake begins why an address stays that would go.
const onlyBrake = "only a brake keeps it"

// Valid reports whether the address is a mail address.
func (f *AddressFacts) Valid() bool {
	_, err := identity.ParseAddress(f.Address)
	return err == nil
}

// nearly names the values that are nearly an address which nobody has.
func (x *Explanation) nearly(n Names) (all []string) {
	for k := range x.Near {
		l := &x.Near[k]
		all = append(all, fmt.Sprintf("%s lists %s, which is not the same.", upper(n.entry(l.Entry)), quote(n.address(l.Value))))
	}
	return all
}

// rejected returns a rejection of an address for each reason.
func (x *Explanation) rejected(address string) (all []*Rejection) {
	for _, r := range x.rejections[address] {
		if !slices.ContainsFunc(all, func(other *Rejection) bool { return other.Reason == r.Reason }) {
			all = append(all, r)
		}
	}
	return all
}

// whyNobody says why an address belongs to no account.
func (x *Explanation) whyNobody(f *AddressFacts, n Names) string {
	all := x.rejections[f.Address]
	switch {
	case f.Domain.Ignored:
		return "its domain is ignored, so no value of a directory counts"
	case len(all) == 0 && !f.Valid():
		return "it is not a valid mail address"
	case len(all) == 0 && f.Domain.Declared:
		return "no entry lists it"
	case len(all) == 0:
		return domainOf(n.address(f.Address)) + " is no domain of the configuration"
	}
	// A contest is between equals: none of them is the other one.
	if reason := all[0].Reason; len(all) > 1 && (reason == AliasRejected || reason == PrimaryRejected) &&
		!slices.ContainsFunc(all, func(r *Rejection) bool { return r.Reason != reason }) {
		verb := "list it"
		if reason == PrimaryRejected {
			verb = "declare it as their primary"
		}
		names := []string{n.entry(all[0].entry()), n.entry(all[1].entry())}
		if len(all) == 2 {
			return fmt.Sprintf("%s and %s both %s", names[0], names[1], verb)
		}
		return fmt.Sprintf("%s, %s and %s %s", names[0], names[1], several(len(all)-2, "other entry all", "other entries all"), verb)
	}
	reasons := x.rejected(f.Address)
	if len(all) == 1 {
		return reasons[0].Message(n)
	}
	var parts []string
	for _, r := range reasons {
		parts = append(parts, fmt.Sprintf("%s does not get it (%s)", n.entry(r.entry()), r.Message(n)))
	}
	return strings.Join(parts, ", and ")
}

// why says why an address is where it is; "" where its entry lists it, which is
// all there is to say.
func (x *Explanation) why(f *AddressFacts, h *Holding, n Names) string {
	p := x.accountOf(h)
	if p == nil {
		return ""
	}
	listed := slices.IndexFunc(f.Listed, func(l Listing) bool { return l.Entry == p.Entry })
	guard := slices.IndexFunc(f.Guards, func(g GuardFacts) bool { return !g.Hold })
	switch {
	case p.still(n) != "":
		return p.still(n)
	case f.Withheld && f.Fate() == Stays && listed < 0 && p.Standing == Orphan:
		return onlyBrake + "; " + p.gone()
	case f.Withheld && f.Fate() == Stays && listed < 0:
		return onlyBrake + "; " + n.entry(p.Entry) + " no longer lists it"
	case p.Standing == Orphan && f.After.Active():
		if guard >= 0 {
			return f.Guards[guard].text(n) + " keeps it; " + p.gone()
		}
		return "its account stays active; " + p.gone()
	case p.Standing == Orphan:
		return p.gone()
	case x.byHand(f) != "":
		return x.byHand(f)
	case p.Before != nil && p.Before.Local() && p.After != nil && !p.After.Local():
		if p.Before.GUID == p.After.GUID {
			return "it adopts the local account, which records its GUID"
		}
		return "it adopts the local account, whose primary it declares"
	case listed >= 0 && f.Listed[listed].Role == DeclaredRole && f.After != nil && !f.After.Primary && x.protectors[f.After.Account.Primary.String()] != "":
		primary := f.After.Account.Primary.String()
		return fmt.Sprintf("it declares this as its primary, but protected %s keeps %s as the primary", quote(x.protectors[primary]), n.address(primary))
	case listed >= 0:
		return ""
	case f.After.Active() && guard >= 0:
		return fmt.Sprintf("%s keeps it, though %s does not list it", f.Guards[guard].text(n), n.entry(p.Entry))
	case f.After.Active():
		return "it stays though " + n.entry(p.Entry) + " does not list it"
	}
	return n.entry(p.Entry) + " no longer lists it"
}

// byHand says that somebody took the address from its account in the console, or gave
// it to it, "" if nobody did.
func (x *Explanation) byHand(f *AddressFacts) string {
	removed, added := x.changedByHand(f)
	switch {
	case removed:
		return "somebody removed it in the console by hand"
	case added:
		return "somebody added it in the console by hand"
	}
	return ""
}

// changedByHand reports whether somebody took the address from its account in the
// console, or gave it to it.
func (x *Explanation) changedByHand(f *AddressFacts) (removed, added bool) {
	for k := range x.Drift {
		d := &x.Drift[k]
		if d.Field != FieldPrimary && d.Field != FieldAliases {
			continue
		}
		recorded, found := slices.Contains(strings.Split(d.Recorded, ", "), f.Address), slices.Contains(strings.Split(d.Found, ", "), f.Address)
		removed = removed || recorded && !found && d.Primary.String() != f.Address
		added = added || found && !recorded
	}
	return removed, added
}

// RemovedByHand reports whether somebody removed the address, or the account that had
// it, in the console.
func (x *Explanation) RemovedByHand(f *AddressFacts) bool {
	removed, _ := x.changedByHand(f)
	return removed || f.Before == nil && slices.ContainsFunc(x.Drift, func(d Drift) bool { return d.Kind == DriftGone && d.Primary.String() == f.Address })
}

// upper begins a sentence, unless that begins with a name.
func upper(s string) string {
	for _, word := range [...]string{"entry ", "account ", "local account "} {
		if strings.HasPrefix(s, word) {
			return strings.ToUpper(s[:1]) + s[1:]
		}
	}
	return s
}

// Message says what to do.
func (f *Fix) Message(n Names) string {
	address, entry := n.address(f.Address), n.entry(f.Listing.Entry)
	switch f.Kind {
	case RemoveValue:
		text := fmt.Sprintf("take %s from %s", address, entry)
		if f.Listing.Role == DeclaredRole && f.Primary == "" {
			text += ", which declares it: give it another primary first"
		}
		return text
	case OtherValue:
		return fmt.Sprintf("give %s another address in place of %s, such as %s, which is free", entry, address, n.address(f.New))
	case RestoreIt:
		if f.Reason == noReason {
			return fmt.Sprintf("if it is to stay, give %s to %s in the directory", address, entry)
		}
		return fmt.Sprintf("give %s back to %s", address, entry)
	case MakePrimary:
		return fmt.Sprintf("make %s the primary of %s again, and %s an alias", address, entry, n.address(f.Wanted))
	case Rebind:
		return fmt.Sprintf("if it is the same person, give account %s the new GUID", n.address(f.Account))
	case ReadIt:
		return fmt.Sprintf("explain it with directory %s, which was not read: an account of it is in the way", quote(f.Directory))
	case AllowIt:
		return "if this is meant, apply it past the brake: " + address + f.with(n)
	}
	if f.Loses() {
		return "if the loss is meant, apply the change of " + address + f.with(n)
	}
	return "apply the change of " + address + f.with(n)
}

// mostNamed is how many accounts and addresses a sentence names of those that
// need not be named, each.
const mostNamed = 5

// with names what is committed together.
func (f *Fix) with(n Names) string {
	var all []string
	for _, primary := range f.With[:min(len(f.With), mostNamed)] {
		if primary == f.Address {
			all = append(all, "the account that has it now")
		} else {
			all = append(all, "account "+n.address(primary))
		}
	}
	if more := len(f.With) - mostNamed; more > 0 {
		all = append(all, Thousands(more)+" more")
	}
	if len(all) == 0 {
		return ""
	}
	return ", with " + joined(all)
}

// joined lists names in a sentence.
func joined(all []string) string {
	if last := len(all) - 1; last > 0 {
		return strings.Join(all[:last], ", ") + " and " + all[last]
	}
	return strings.Join(all, "")
}

// Effect says what the plan would be once the values of an entry are others, and
// which addresses stop receiving mail by a commit.
func (f *Fix) Effect(n Names) string {
	if len(f.After) == 0 {
		if f.Kind == RemoveValue || f.Kind == OtherValue {
			return "then nothing else changes"
		}
		return ""
	}
	var lost, kept, parts []string
	others := 0
	for _, m := range f.After {
		address := n.address(m.Address)
		switch {
		case m.Lost && m.After.Active():
			kept = append(kept, address)
		case m.Lost:
			lost = append(lost, address)
		default:
			if others++; m.Address == f.Address || others <= mostNamed {
				parts = append(parts, address+" becomes "+m.place(n))
			}
		}
	}
	if len(lost) > 0 {
		parts = append([]string{joined(lost) + map[bool]string{true: " stops", false: " stop"}[len(lost) == 1] + " receiving mail"}, parts...)
	}
	if len(kept) > 0 {
		parts = append(parts, "only a limit keeps "+joined(kept)+" from stopping")
	}
	if more := others - mostNamed; more > 0 {
		parts = append(parts, fmt.Sprintf("%s more move", Thousands(more)))
	}
	return "then " + strings.Join(parts, "; ")
}

// place says what an address is afterwards.
func (m *Moved) place(n Names) string {
	switch {
	case m.After == nil:
		return "free"
	case m.After.Primary && m.entry.DN != "":
		return "the primary of " + n.entry(m.entry)
	case m.After.Primary:
		return "a primary"
	}
	return "an alias of " + n.address(m.After.Account.Primary.String())
}

// Loses reports whether an address stops receiving mail by the fix.
func (f *Fix) Loses() bool {
	return slices.ContainsFunc(f.After, func(m Moved) bool { return m.Lost })
}
