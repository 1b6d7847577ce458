package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Meaning says in plain words what the rule decides.
func (r Rule) Meaning() string {
	return [...]string{
		"which results are one object, and which GUIDs are an object's own",
		"an entry stands behind the account that its GUID owns",
		"a value becomes a claim on an address, if it is one of the scope's domains",
		"protected addresses stay where they are, and accounts on legal hold as they are",
		"an entry without an account may take over the one whose primary it declares",
		"who has an address and lists it comes first",
		"the primary of an entry is what it declares, has, or else its first address",
		"a public address goes with primaries in certain domains alone",
		"who has an address may keep it",
		"of several entries that claim an address, the only one that declares it wins, or nobody",
		"where nobody can tell who is right, nothing moves",
		"what the console cannot hold stays as it is",
		"what becomes of the account",
		"how many accounts may go out of service at once",
	}[r]
}

func (e EntryRef) text() string {
	return "entry " + quote(e.DN) + " of directory " + quote(e.Directory)
}

// accountText names an account the way sentences do.
func accountText(a *identity.Account, owner string) string {
	return Party{Kind: AccountParty, Name: a.Primary.String(), Directory: a.Directory, Owner: owner}.text(Names{})
}

// Message says in one sentence what the rule has said.
func (s *Step) Message() string {
	entry, other := s.Entry.text(), s.Other.text(Names{})
	account := ""
	if s.Account != nil {
		account = accountText(s.Account, s.Owner)
	}
	switch s.Outcome {
	case SameObject:
		return fmt.Sprintf("%s belongs to scope %s, which is declared first", entry, quote(s.Scope))
	case NoAddress:
		return entry + " lists no address, so it counts as gone"
	case NoGUID:
		return entry + " has no GUID, so nothing can be bound to it"
	case SharedGUID:
		return fmt.Sprintf("%s shares its GUID with %s", entry, other)
	case BoundByGUID:
		return fmt.Sprintf("%s stands behind %s, by its GUID", entry, account)
	case Switched:
		return fmt.Sprintf("%s stands behind %s, which moves to its directory: nobody else has the GUID", entry, account)
	case Declares, Candidate, Lists:
		what := map[Outcome]string{Declares: "declares %s as its primary", Candidate: "lists %s, a second candidate for its primary", Lists: "lists %s as an alias"}[s.Outcome]
		text := entry + " " + fmt.Sprintf(what, s.Address)
		if value := strings.ToLower(s.Value); value != s.Address {
			text += fmt.Sprintf(": it says %s, and that domain is an alias", s.Value)
		}
		return text
	case Protected:
		return fmt.Sprintf("%s is protected by %s", s.Address, quote(s.Guard))
	case OnHold:
		return fmt.Sprintf("%s is on legal hold %s, and stays as it is", account, quote(s.Guard))
	case Adopted:
		return fmt.Sprintf("%s adopts %s: it declares its primary", entry, account)
	case Recorded:
		return fmt.Sprintf("%s adopts %s: the account records its GUID", entry, account)
	case Rebound:
		return fmt.Sprintf("%s takes over %s: it declares its primary, whose GUID the directory has no more, and the scope rebinds", entry, account)
	case NewEntry:
		return entry + " has no account yet"
	case IsLocal:
		return account + " belongs to no directory, and no entry adopts it"
	case IsForeign:
		return account + " stays as it is: it belongs to another configuration"
	case IsUnread:
		return account + " stays as it is: its directory was not read in this run"
	case IsOrphan:
		return "no entry stands behind " + account + " any more"
	case Incumbent:
		return fmt.Sprintf("%s stands behind %s, which has %s, and lists it: nobody else gets it", entry, account, s.Address)
	case TakesDeclared:
		return fmt.Sprintf("the primary of %s is %s, which it declares", entry, s.Address)
	case TakesPresent:
		return fmt.Sprintf("the primary of %s is %s, which is that of its account: what it declares cannot be, or nothing is declared", entry, s.Address)
	case TakesFirst:
		return fmt.Sprintf("the primary of %s is %s, the first of its addresses that can be: what it declares cannot be, or nothing is declared", entry, s.Address)
	case Allowed:
		return fmt.Sprintf("the public address %s goes with the primary of %s", s.Address, entry)
	case Free:
		return fmt.Sprintf("%s lets go of %s", account, s.Address)
	case Won:
		return fmt.Sprintf("%s gets %s: of all that list it, it alone declares it as its primary", entry, s.Address)
	case IsStuck:
		return fmt.Sprintf("%s loses its primary %s, so that it and its account stay as they are", entry, s.Address)
	case IsBarred:
		return fmt.Sprintf("%s and its account stay as they are: %s", entry, s.Because)
	case IsFrozen:
		return account + " stays as it is: " + s.frozen()
	case RejectedWhole:
		return fmt.Sprintf("nothing of %s is granted%s", entry, s.because())
	case Refused:
		return s.refusal(entry)
	case Unchanged:
		return account + " stays as it is"
	case Changed:
		return account + " changes"
	case Created:
		return account + " is new"
	case Deactivated:
		return account + " goes out of service"
	case Reactivated:
		return account + " comes back into service"
	case Dropped:
		return "the record of " + account + " goes: its primary was granted to another account"
	case IsWithheld:
		return "a brake withholds what " + account + " would lose"
	}
	return ""
}

// frozen says why an account stays as it is, by the rule that found it.
func (s *Step) frozen() string {
	if s.Because != "" {
		return s.Because
	}
	switch s.Rule {
	case RuleConsole:
		return "the console cannot hold what its entry wants"
	case RuleGUID:
		return "nobody can tell which object its GUID means now"
	case RuleDeclared:
		return "an entry with another GUID declares its primary"
	case RulePrimary:
		return "no address of its entry may be the primary"
	}
	return "somebody in the directory asks for its primary or takes its entry's, and could not be served"
}

func (s *Step) because() string {
	switch s.Reason {
	case MissingGUID:
		return ": it has no GUID of its own"
	case OtherDirectory:
		return ": its GUID or primary belongs to " + s.Other.text(Names{})
	case GUIDChanged:
		return ": it declares the primary of " + s.Other.text(Names{}) + ", which has another GUID"
	case LegalHold:
		return ": its account is on legal hold " + quote(s.Guard)
	case NoValidPrimary:
		return ": none of its addresses may be its primary"
	}
	return ""
}

func (s *Step) refusal(entry string) string {
	switch {
	case s.Rejection == nil:
		return fmt.Sprintf("%s does not get %s: %s", entry, s.Address, s.Reason)
	case s.Rule == RuleAccount:
		return fmt.Sprintf("%s of %s: %s", s.Reason, s.Address, s.Rejection.Message(Names{}))
	}
	return fmt.Sprintf("%s does not get %s: %s", entry, s.Address, s.Rejection.Message(Names{}))
}

// Message says in one sentence what somebody changed in the console by hand.
func (d *Drift) Message() string {
	account := Party{Kind: AccountParty, Name: d.Primary.String(), Directory: d.Directory}.text(Names{})
	or := func(value string) string {
		if value == "" {
			return "nothing"
		}
		return quote(value)
	}
	switch d.Kind {
	case DriftGone:
		return account + " is in the state, and no more in the console"
	case DriftForeign:
		return fmt.Sprintf("%s was marked as %s, and is marked as %s now, which is another configuration", account, or(d.Recorded), or(d.Found))
	case DriftOwner:
		return fmt.Sprintf("%s was marked as %s, and is marked as %s now", account, or(d.Recorded), or(d.Found))
	case DriftUnrecorded:
		return account + " is in the console, and not in the state"
	}
	has := "has " + d.Field + " " + quote(d.Found)
	if d.Found == "" {
		has = "has no " + d.Field
	}
	return fmt.Sprintf("%s %s, and %s was applied last", account, has, or(d.Recorded))
}

// Answer says in a few sentences what the plan does with the subject, and why.
func (x *Explanation) Answer() string {
	text := x.answers()
	gone, changed := 0, 0
	for n := range x.Drift {
		switch d := &x.Drift[n]; d.Kind {
		case DriftGone:
			if gone++; gone <= mostGone {
				text += " " + upper(d.Message()) + ": somebody has removed it there."
			}
		case DriftChanged, DriftOwner:
			changed++
		}
	}
	if gone > mostGone {
		text += fmt.Sprintf(" So are %d more.", gone-mostGone)
	}
	if changed > 0 {
		text += " Somebody changed " + several(changed, "field", "fields") + " in the console by hand."
	}
	return text
}

// mostGone is how many accounts that the console has lost an answer names.
const mostGone = 3

func (x *Explanation) answers() string {
	if x.Subject.Kind == AddressSubject && len(x.Addresses) == 1 {
		return x.answer(&x.Addresses[0])
	}
	if x.Subject.Kind == AddressSubject {
		var all []string
		for n := range x.Addresses {
			all = append(all, x.answer(&x.Addresses[n]))
		}
		return strings.Join(all, " ")
	}
	named := map[SubjectKind]string{GUIDSubject: "the GUID ", DNSubject: "the DN ", UsernameSubject: "the username "}[x.Subject.Kind] + x.Subject.Text
	if len(x.Entries)+len(x.Accounts) == 0 {
		text := fmt.Sprintf("Nobody has %s: no entry of a scope, and no account.", named)
		if x.Subject.Kind == UsernameSubject {
			text += " It is taken for a username because it is no address, no GUID and no DN; display names are not looked for."
		}
		return text
	}
	of := x.index()
	var all []string
	for n := range x.Entries {
		switch e := &x.Entries[n]; {
		case !e.Merged:
			all = append(all, x.answerEntry(e, of))
		case len(e.Entry.Primaries)+len(e.Entry.Aliases) == 0:
			all = append(all, upper(e.Ref.text())+" lists no address, so it counts as gone.")
		default:
			all = append(all, fmt.Sprintf("%s in scope %s is the same object again.", upper(e.Ref.text()), quote(e.Ref.Scope)))
		}
	}
	for n := range x.Accounts {
		if f := &x.Accounts[n]; f.Standing != Bound {
			all = append(all, upper(accountText(f.subject(), f.Owner))+" "+f.state(of)+".")
		}
	}
	return strings.Join(all, " ")
}

// index finds what is said of entries and accounts: there may be thousands.
type index struct {
	refusals map[EntryRef]int             // by directory and DN alone
	accounts map[EntryRef][]*AccountFacts // by the entry behind them
	frozen   map[*identity.Account]*Step
}

func (x *Explanation) index() *index {
	of := &index{map[EntryRef]int{}, map[EntryRef][]*AccountFacts{}, map[*identity.Account]*Step{}}
	for _, r := range x.Rejections {
		of.refusals[EntryRef{Directory: r.Directory, DN: r.DN}]++
	}
	for n := range x.Accounts {
		f := &x.Accounts[n]
		of.accounts[f.Entry] = append(of.accounts[f.Entry], f)
	}
	for n := range x.Steps {
		if s := &x.Steps[n]; s.Outcome == IsFrozen && of.frozen[s.Account] == nil {
			of.frozen[s.Account] = s
		}
	}
	return of
}

// answerEntry says what becomes of an entry.
func (x *Explanation) answerEntry(e *EntryFacts, of *index) string {
	text := upper(e.Ref.text())
	switch {
	case e.Whole != noReason:
		text += " is refused as a whole: " + e.Whole.String()
	case e.Unsupported:
		text += " stays as it is, because the console cannot hold its account as it wants it"
	case e.Stuck:
		text += " stays as it is, because it loses its primary " + e.Primary
	case e.Account == "":
		text += " gets a new account, " + e.Primary
	default:
		text += " stands behind account " + e.Account
		for _, f := range of.accounts[e.Ref] {
			text += ", which " + f.state(of)
		}
	}
	return text + told(of.refusals[EntryRef{Directory: e.Ref.Directory, DN: e.Ref.DN}]) + "."
}

// told counts refusals behind a sentence.
func told(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "; 1 refusal"
	}
	return fmt.Sprintf("; %d refusals", n)
}

// state says what becomes of an account.
func (f *AccountFacts) state(of *index) string {
	switch {
	case f.Hold != "":
		return "stays as it is, on legal hold " + quote(f.Hold)
	case f.Before == nil:
		return "is new"
	case f.After == nil:
		return "goes: its primary was granted to another account"
	case f.Withheld:
		return "would lose addresses, its primary or all mail, but a brake withholds that"
	case f.Before != f.After && f.Before.Active() && !f.After.Active():
		return "goes out of service"
	case f.Before != f.After && !f.Before.Active() && f.After.Active():
		return "comes back into service"
	case f.Before != f.After && f.Before.Directory != f.After.Directory:
		return "passes to directory " + quote(f.After.Directory)
	case f.Before != f.After:
		return "changes"
	case f.Standing == Foreign:
		return "stays as it is: it belongs to another configuration"
	case f.Standing == Local:
		return "stays as it is: it belongs to no directory"
	case f.Standing == Unread:
		return "stays as it is: its directory was not read in this run"
	case f.Frozen:
		return "stays as it is: " + of.whyFrozen(f.Before)
	case !f.Before.Active():
		return "stays out of service"
	}
	return "stays as it is"
}

// whyFrozen says why an account stays as it is, by the rule that wants it so.
func (of *index) whyFrozen(a *identity.Account) string {
	if s := of.frozen[a]; s != nil {
		return s.frozen()
	}
	return "somebody asks for its addresses, and is refused"
}

// Fate is what becomes of an address. Its text is a stable code.
type Fate string

// The fates of an address.
const (
	Nobody      Fate = "nobody"       // has it, before and after
	Dormant     Fate = "dormant"      // an inactive account keeps it
	Stays       Fate = "stays"        // in service where it is
	Comes       Fate = "comes"        // into service
	Goes        Fate = "goes"         // out of service
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

// place says where an address is.
func (h *Holding) place() string {
	if h.Primary {
		return "the primary of " + accountKind(h.Account, h.Owner)
	}
	return "an alias of " + h.Account.Primary.String()
}

func accountKind(a *identity.Account, owner string) string {
	text := a.Type.String() + " account"
	if !a.Active() {
		text = "inactive " + text
	} else {
		text = "active " + text
	}
	switch text[0] {
	case 'a', 'i':
		text = "an " + text
	}
	switch {
	case owner != "":
		return text + " that belongs to configuration " + quote(owner)
	case a.Local():
		return text + " that belongs to no directory"
	}
	return text + " of directory " + quote(a.Directory)
}

// answer says what becomes of an address, and why.
func (x *Explanation) answer(f *AddressFacts) string {
	b, a := f.Before, f.After
	text := f.Address
	switch f.Fate() {
	case Nobody:
		text += " belongs to nobody"
	case Dormant:
		h := a
		if h == nil {
			h = b
		}
		text += " is " + h.place() + ", so nobody receives mail there"
	case Stays:
		text += " is " + b.place()
		switch {
		case b.Account.Directory != a.Account.Directory:
			text += ", and passes with the account to directory " + quote(a.Account.Directory)
		case b.Primary:
			text += " and stays so"
		default:
			text += " and stays there"
		}
	case Comes:
		text += " comes into service as " + a.place()
	case Goes:
		text += " is " + b.place() + " and goes out of service"
	case Moves:
		text += " is " + b.place() + " and moves to another account"
		if !a.Primary {
			text += ", as " + a.place()
		} else {
			text += ", as its primary"
		}
	case ChangesRole:
		text += " is " + b.place() + " and becomes " + a.place()
	}
	text += x.why(f) + "."
	if f.Withheld {
		text += " A brake withholds what its account would lose."
	}
	if n := f.Refused; n > 0 && f.Fate() != Nobody {
		text += fmt.Sprintf(" %s: %s.", upper(strings.TrimPrefix(told(n), "; ")), strings.Join(x.reasons(f.Address), ", "))
	}
	for n := range x.Near {
		l := &x.Near[n]
		text += fmt.Sprintf(" %s lists %s, which is not the same.", upper(l.Entry.text()), quote(l.Value))
	}
	return text
}

// reasons names why an address is refused, each reason once.
func (x *Explanation) reasons(address string) (names []string) {
	for _, r := range x.Rejections {
		if name := r.Reason.String(); r.Address == address && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// why gives the reason of an answer, from the colon on.
func (x *Explanation) why(f *AddressFacts) string {
	if f.Fate() == Nobody {
		if f.Domain.Ignored {
			return ": its domain is ignored, so that it is skipped as if nobody listed it"
		}
		if f.Refused == 0 {
			return ": no entry of a scope lists it, and no account has it"
		}
		for _, r := range x.Rejections {
			if r.Address == f.Address {
				text := ": " + r.Message(Names{})
				if f.Refused > 1 {
					text = fmt.Sprintf(", and %d claims on it are refused%s", f.Refused, text)
				}
				return text
			}
		}
	}
	// Who has it in the end, or else had it, says why.
	h := f.After
	if h == nil {
		h = f.Before
	}
	for n := range x.Accounts {
		p := &x.Accounts[n]
		if p.Before != h.Account && p.After != h.Account {
			continue
		}
		return x.whyAt(f, p)
	}
	return ""
}

func (x *Explanation) whyAt(f *AddressFacts, p *AccountFacts) string {
	listed := slices.IndexFunc(f.Listed, func(l Listing) bool { return l.Entry == p.Entry })
	switch {
	case p.Hold != "":
		return ": legal hold " + quote(p.Hold) + " keeps the account as it is"
	case p.Standing == Foreign:
		return ": it belongs to another configuration"
	case p.Standing == Local:
		return ": no directory changes the account"
	case p.Standing == Unread:
		return fmt.Sprintf(": directory %s was not read in this run", quote(p.Before.Directory))
	case p.Frozen:
		return ": " + x.index().whyFrozen(p.Before)
	case p.Standing == Orphan && f.After.Active():
		if n := slices.IndexFunc(f.Guards, func(g GuardFacts) bool { return !g.Hold }); n >= 0 {
			return ": protected " + quote(f.Guards[n].Label) + " keeps it, though no entry stands behind the account any more"
		}
		return ": it stays in service with the account, behind which no entry stands any more"
	case p.Standing == Orphan:
		return ": no entry stands behind the account any more"
	case p.Before != nil && p.Before.Local() && p.After != nil && !p.After.Local():
		if p.Before.GUID == p.After.GUID {
			return ": " + p.Entry.text() + " adopts its account, which records its GUID"
		}
		return ": " + p.Entry.text() + " adopts it by declaring its primary"
	case listed >= 0 && f.Listed[listed].Role == DeclaredRole && f.After != nil && !f.After.Primary && x.protects(f.After.Account.Primary) != "":
		return fmt.Sprintf(": %s declares it as its primary, but protected %s keeps %s in that place", p.Entry.text(), quote(x.protects(f.After.Account.Primary)), f.After.Account.Primary)
	case listed >= 0 && f.Listed[listed].Role == DeclaredRole:
		return ": " + p.Entry.text() + " declares it as its primary"
	case listed >= 0:
		return ": " + p.Entry.text() + " lists it"
	case f.After.Active():
		if n := slices.IndexFunc(f.Guards, func(g GuardFacts) bool { return !g.Hold }); n >= 0 {
			return ": protected " + quote(f.Guards[n].Label) + " keeps it, though " + p.Entry.text() + " does not list it"
		}
		return ": it stays though " + p.Entry.text() + " does not list it"
	}
	return ": " + p.Entry.text() + " does not list it any more"
}

// protects returns the label of the protected block for which a primary stays in
// its place though its entry would have another, "" for none.
func (x *Explanation) protects(primary identity.Address) string {
	for n := range x.Plan.Rejections {
		if r := &x.Plan.Rejections[n]; r.Wanted != "" && r.Address == primary.String() {
			return r.Guard
		}
	}
	return ""
}

// upper begins a sentence.
func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// Message says what to do.
func (f *Fix) Message() string {
	switch f.Kind {
	case RemoveValue:
		text := fmt.Sprintf("take %s from %s", f.Address, f.Listing.Entry.text())
		if f.Listing.Role == DeclaredRole && f.Primary == "" {
			text += ", which declares it: give it another primary first"
		}
		return text
	case OtherValue:
		return fmt.Sprintf("give %s another address in place of %s, such as %s, which nobody has", f.Listing.Entry.text(), f.Address, f.New)
	case RestoreIt:
		return fmt.Sprintf("give %s back to %s", f.Address, f.Listing.Entry.text())
	case MakePrimary:
		return fmt.Sprintf("make %s the primary of %s again, and %s an alias", f.Address, f.Listing.Entry.text(), f.Wanted)
	case Rebind:
		return fmt.Sprintf("if it is the same person, give account %s the new GUID", f.Account)
	case ReadIt:
		return fmt.Sprintf("explain it with directory %s, too, which was not read: an account of it is in the way, and nobody can tell what becomes of that", quote(f.Directory))
	case AllowIt:
		return fmt.Sprintf("if that is meant, commit what the plan does with %s, and lift the brake with %s", f.Address+f.with(), strings.Join(Options(f.Lift), " "))
	}
	return "commit what the plan does with " + f.Address + f.with()
}

// mostNamed is how many accounts and addresses a sentence names of those that
// need not be told, each.
const mostNamed = 5

// with names what is committed together.
func (f *Fix) with() string {
	switch n := len(f.With); {
	case n == 0:
		return ", alone"
	case n == 1:
		return ", and with account " + f.With[0] + ", which goes with it"
	case n > mostNamed:
		return fmt.Sprintf(", and with %d other accounts, which go with it, such as %s", n, strings.Join(f.With[:mostNamed], ", "))
	}
	return ", and with accounts " + strings.Join(f.With, ", ") + ", which go with it"
}

// Effect says what the plan would be once the values of an entry are others, and
// which addresses a commit takes out of service.
func (f *Fix) Effect() string {
	switch {
	case len(f.After) > 0:
	case f.Kind == RemoveValue, f.Kind == OtherValue:
		return "every other address stays where it is"
	default:
		return ""
	}
	var parts []string
	others := 0
	for _, m := range f.After {
		switch {
		case m.Lost && m.After.Active():
			parts = append(parts, m.Address+" is lost: only a limit keeps it in service")
		case m.Lost:
			parts = append(parts, m.Address+" is lost: it goes out of service")
		case m.Address == f.Address:
			parts = append(parts, m.place())
		default:
			if others++; others <= mostNamed {
				parts = append(parts, m.place())
			}
		}
	}
	text := "then " + strings.Join(parts, "; ")
	if n := others - mostNamed; n > 0 {
		text += fmt.Sprintf("; and %d more have another place", n)
	}
	return text
}

func (m *Moved) place() string {
	if m.After == nil {
		return m.Address + " belongs to nobody"
	}
	return m.Address + " becomes " + m.After.place()
}

// Loses reports whether an address goes out of service by the fix.
func (f *Fix) Loses() bool {
	return slices.ContainsFunc(f.After, func(m Moved) bool { return m.Lost })
}
