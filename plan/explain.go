package plan

import (
	"errors"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Rule is a rule of reconciliation. Rules speak in their order.
type Rule uint8

// The rules, each with the section of docs/reference/explain.md that bears its name.
const (
	RuleObject       Rule = iota // which results are one object, and whose GUID is its own
	RuleGUID                     // entries and accounts find each other by GUID
	RuleValue                    // values become claims
	RuleGuard                    // protected addresses and legal holds
	RuleDeclared                 // entries find accounts by their declared primary
	RulePrerequisite             // other systems list an entry first
	RuleIncumbent                // an account's own entry comes first
	RulePrimary                  // each entry gets its primary
	RulePublic                   // public addresses go with certain primaries
	RuleHolder                   // who has an address may keep it
	RuleContest                  // several entries claim an address that nobody keeps
	RuleFrozen                   // what cannot be decided stays as it is
	RuleConsole                  // and so does what the console cannot hold
	RuleAccount                  // what becomes of the account
	RuleLimit                    // how many accounts, addresses and primaries may go at once
	RuleKinds        int  = iota // how many there are
)

var ruleNames = [...]string{
	"object", "guid", "value", "guard", "declared", "prerequisite", "incumbent", "primary", "public", "holder", "contest", "frozen", "console", "account", "limit",
}

// String returns the name by which explanations speak of the rule.
func (r Rule) String() string { return ruleNames[r] }

// SubjectKind says what a [Subject] names.
type SubjectKind uint8

const (
	AddressSubject SubjectKind = iota
	GUIDSubject
	DNSubject
	UsernameSubject
)

// String returns "address", "guid", "dn" or "username".
func (k SubjectKind) String() string {
	return [...]string{"address", "guid", "dn", "username"}[k]
}

// Subject is what somebody wants explained.
type Subject struct {
	Kind SubjectKind
	// Text is the subject in its canonical spelling; of an address that is not
	// well-formed, as rejections show it.
	Text string
	// GUID is set for that kind.
	GUID identity.GUID
}

// ParseSubject reads an address, with or without "smtp:" before it, a GUID in
// any spelling, a DN, or a username. A text without any of their marks is a
// username.
func ParseSubject(text string) (Subject, error) {
	text = strings.TrimSpace(text)
	if len(text) >= 5 && strings.EqualFold(text[:5], "smtp:") {
		text = strings.TrimSpace(text[5:])
	}
	if text == "" {
		return Subject{}, errors.New("nothing is named: expected an address, a GUID, a DN or a username")
	}
	if x, err := identity.ParseAddress(text); err == nil {
		return Subject{Kind: AddressSubject, Text: x.String()}, nil
	}
	if g, err := identity.ParseGUID(text); err == nil {
		return Subject{Kind: GUIDSubject, Text: g.String(), GUID: g}, nil
	}
	if _, err := identity.ParseDN(text); err == nil {
		return Subject{Kind: DNSubject, Text: text}, nil
	}
	if strings.Contains(text, "@") {
		return Subject{Kind: AddressSubject, Text: strings.ToLower(text)}, nil
	}
	return Subject{Kind: UsernameSubject, Text: text}, nil
}

// readings are what the subject may name, the likeliest first. A username may
// look like an address, and what is no address may still be listed as one.
func (s Subject) readings() []Subject {
	switch s.Kind {
	case AddressSubject:
		return []Subject{s, {Kind: UsernameSubject, Text: s.Text}}
	case UsernameSubject:
		return []Subject{s, {Kind: AddressSubject, Text: strings.ToLower(s.Text)}}
	}
	return []Subject{s}
}

// Explanation says why a plan does what it does with one subject. Lists are
// ordered as in the plan, or else by directory, DN and address.
type Explanation struct {
	Subject Subject
	// Plan is the whole plan.
	Plan *Plan
	// Addresses are the subject, or else all addresses of it.
	Addresses []AddressFacts
	// Entries are those that list the address, and those of its
	// accounts.
	Entries []EntryFacts
	// Accounts are those that have the address before or after, and those of
	// the entries.
	Accounts []AccountFacts
	// Steps are what the rules have said, in their order.
	Steps []Step
	// Changes and Rejections are the rows of the plan that concern the
	// subject: those of its addresses and of its accounts; of an address, also
	// the rejections that keep an entry that lists it where it is.
	Changes    []*Change
	Rejections []*Rejection
	// Drift is what was changed in the console by hand, of the accounts and of those
	// that the console has lost.
	Drift []Drift
	// Near are values that are no addresses, and nearly the one that nobody has.
	Near []Listing
	// Fixes end rejections or commit changes, one by one. MoreFixes counts those
	// that are not worked out.
	Fixes     []Fix
	MoreFixes int

	holders    map[*identity.Account]*AccountFacts // by the account before, and after
	rejections map[string][]*Rejection             // by address
	protectors map[string]string                   // protected primaries that stay against their entries -> block
	again      func(f *Fix, declared []string) error
}

// AddressFacts say where an address is.
type AddressFacts struct {
	// Address is normalised, or as rejections show it.
	Address string
	Domain  DomainFacts
	Guards  []GuardFacts
	Listed  []Listing
	// Before and After are nil where no account has the address.
	Before, After *Holding
	// Moved is set if they are of two accounts.
	Moved bool
	// Withheld is set if a brake withholds what its account would lose.
	Withheld bool
	// Rejected counts its rejections.
	Rejected int
}

// DomainFacts say what the configuration says of an address's domain.
type DomainFacts struct {
	// Name is the declared domain, or the address's own if none is.
	Name string
	// Alias is the domain that was asked about, if it is rewritten to Name.
	Alias                     string
	Declared, Public, Ignored bool
	// AliasFor are the domains of the primaries that addresses of a public domain
	// may be aliases of.
	AliasFor []string
	// Scopes are those that take addresses of the domain.
	Scopes []string
}

// GuardFacts name a protected or legal_hold block that lists an address.
type GuardFacts struct {
	*Guard
	Hold bool
	// Over is set for a hold that has ended.
	Over bool
}

// Listing is a value of an entry that lists an address.
type Listing struct {
	Entry EntryRef
	// Address is the one that it lists, Value the value without prefix.
	Address, Value string
	Role           Role
}

// Role is what an entry wants an address for.
type Role uint8

const (
	AliasRole     Role = iota
	CandidateRole      // another one is the declared primary
	DeclaredRole
)

// String returns "alias", "candidate" or "declared".
func (r Role) String() string { return [...]string{"alias", "candidate", "declared"}[r] }

// EntryRef names an entry.
type EntryRef struct {
	Directory, Scope, DN string
	GUID                 identity.GUID
}

// Holding is an account's having an address.
type Holding struct {
	Account *identity.Account
	Primary bool
	// Owner is the configuration that the account belongs to, if it is another one.
	Owner string
}

// Active reports whether the address receives mail there.
func (h *Holding) Active() bool { return h != nil && h.Account.Active() }

// EntryFacts say what becomes of an entry.
type EntryFacts struct {
	Ref   EntryRef
	Entry *identity.Entry
	// Account is the primary of its account, "" for none.
	Account string
	// Primary is what it takes as its primary, "" for none.
	Primary string
	// Whole is why nothing of it is granted, Stuck that it lost its primary, or is
	// Unsupported by the console, and Merged that another scope took the object.
	Whole                      Reason
	Stuck, Unsupported, Merged bool
	// Empty is set for an object that lists no address.
	Empty bool

	account *AccountFacts
	other   Party // the reason of Whole
	guard   string
}

// AccountFacts say what becomes of an account.
type AccountFacts struct {
	// Before and After are nil for an account that comes or a record that goes.
	Before, After *identity.Account
	Standing      Standing
	// Entry is the one that it is of; zero for none.
	Entry EntryRef
	// Frozen is set if this run leaves it as it is, Withheld if a limit does.
	Frozen, Withheld bool
	// Hold is the label of the legal hold that it is on.
	Hold string
	// Owner is the configuration that it belongs to, if it is another one.
	Owner string
	// Remedy says what to do in the console so that it is not left as it is; "" where
	// that is not why.
	Remedy string
	// Left says in a clause what became of the object of an orphan, where it was found.
	Left string

	hold *GuardFacts
	by   Rule       // which froze it
	bar  *Rejection // what the console has to do with that
	lost LossReason // of one without an entry
}

// Standing is whose an account is.
type Standing uint8

const (
	Bound   Standing = iota // an entry
	Local                   // nobody: no directory owns it
	Unread                  // its directory was not read in this run
	Orphan                  // of an entry that is gone
	Foreign                 // another configuration
)

// String returns "bound", "local", "unread", "orphan" or "foreign".
func (s Standing) String() string {
	return [...]string{"bound", "local", "unread", "orphan", "foreign"}[s]
}

// Explain makes the plan for an input as [Compute] does, and says how it comes
// about for one subject.
func Explain(in Input, about Subject) (*Explanation, error) {
	e, err := newEngine(in.whole())
	if err != nil {
		return nil, err
	}
	p, err := e.compute()
	if err != nil {
		return nil, err
	}
	x := &explainer{engine: e, out: Explanation{Plan: p}, known: map[int32]bool{}, listed: map[*AddressFacts]map[EntryRef]int{}, proposed: map[fixKey]bool{}}
	x.find(about)
	x.widen()
	x.addresses()
	x.near()
	x.facts()
	x.rows()
	x.drift()
	x.steps()
	if err := x.fix(); err != nil {
		return nil, err
	}
	return &x.out, nil
}

// explainer reads an engine that has made its plan.
type explainer struct {
	*engine
	out     Explanation
	subject Subject

	wanted   map[string]bool // the addresses of an address subject
	entries  []int32         // that concern the subject, in order
	accounts []int32
	known    map[int32]bool // the entries, and, as numbers below none, the accounts

	facted   map[string]*AddressFacts
	without  []identity.Entry // those of the input, for plans without a value
	proposed map[fixKey]bool
	taken    map[string]bool      // addresses that somebody has or lists
	objects  map[EntryRef][]int32 // the entries, by object

	// To be found without a search: thousands may have a part in one subject.
	refs      map[EntryRef][]int32               // the entries
	primaries map[string]int32                   // the accounts, by primary
	own       map[*identity.Account]bool         // the accounts before
	newcomers map[owner]int32                    // the entries that would have a new account
	owned     map[owner]int32                    // the entries, by the owner of their accounts
	owners    map[*identity.Account]string       // of foreign accounts
	listed    map[*AddressFacts]map[EntryRef]int // the first value of each entry
}

// find looks for the entries and accounts that the subject names.
func (x *explainer) find(about Subject) {
	for n, s := range about.readings() {
		if x.subject, x.out.Subject = s, s; s.Kind == AddressSubject {
			x.wanted = map[string]bool{s.Text: true}
			if y, err := identity.ParseAddress(s.Text); err == nil {
				x.wanted[x.domains.Canonical(y).String()] = true
			}
		}
		named := x.names()
		for i := range x.in.Entries {
			if named.entry(int32(i)) {
				x.add(&x.entries, int32(i), int32(i))
			}
		}
		for a := range x.in.Accounts {
			if named.account(&x.in.Accounts[a]) || x.reserves(int32(a)) {
				x.add(&x.accounts, int32(a), looseNumber(int32(a)))
			}
		}
		if len(x.entries)+len(x.accounts) > 0 {
			break
		}
		if n == 1 { // nothing was found in either reading: the first one stands
			x.subject, x.out.Subject = about, about
		}
	}
	if x.subject.Kind != AddressSubject {
		x.wanted = nil
	}
}

// reserves reports whether an account has a wanted address in the console beside
// those that it lists.
func (x *explainer) reserves(a int32) bool {
	return x.in.Merged != nil && slices.ContainsFunc(x.in.Merged.Reserved[a], func(y identity.Address) bool { return x.wanted[y.String()] })
}

// naming says which entries and accounts a subject names.
type naming struct {
	entry   func(int32) bool
	account func(*identity.Account) bool
}

func (x *explainer) names() naming {
	text := x.subject.Text
	switch x.subject.Kind {
	case GUIDSubject:
		return naming{
			func(i int32) bool { return x.said(i).GUID == x.subject.GUID },
			func(a *identity.Account) bool { return a.GUID == x.subject.GUID },
		}
	case DNSubject:
		same := sameDN(text)
		return naming{
			func(i int32) bool { return same(x.said(i).DN) },
			func(a *identity.Account) bool { return same(a.DN) },
		}
	case UsernameSubject:
		return naming{
			func(i int32) bool { return strings.EqualFold(x.said(i).Username, text) },
			func(a *identity.Account) bool { return strings.EqualFold(a.Username, text) },
		}
	}
	var held []identity.Address
	for text := range x.wanted {
		if y, err := identity.ParseAddress(text); err == nil {
			held = append(held, y)
		}
	}
	return naming{
		func(i int32) bool {
			in := x.said(i)
			lists := func(value string) bool { return x.listing(in, value) != "" }
			return slices.ContainsFunc(in.Primaries, lists) || slices.ContainsFunc(in.Aliases, lists)
		},
		func(a *identity.Account) bool { return slices.ContainsFunc(held, a.Holds) },
	}
}

// listing returns the wanted address that a value of an entry lists, or "".
func (x *explainer) listing(in *identity.Entry, value string) string {
	// Letter case and domain alone are rewritten.
	local := x.subject.Text[:max(strings.LastIndexByte(x.subject.Text, '@'), 0)]
	if len(value) < len(local) || value[:len(local)] != local && strings.ToLower(value[:len(local)]) != local {
		if !x.wanted[strings.ToLower(value)] {
			return ""
		}
	}
	if text := x.normalise(&x.scopes[in.Scope], value).text; x.wanted[text] {
		return text
	}
	return ""
}

// sameDN returns a function that compares DNs with one. Folded, it is compared with
// most of them without parsing these.
func sameDN(dn string) func(string) bool {
	if x, err := identity.ParseDN(dn); err == nil {
		if folded := strings.Join(x, ","); identity.PlainDN(folded) {
			dn = folded
		}
	}
	return func(other string) bool { return identity.EqualDN(dn, other) }
}

// add appends an entry or account once.
func (x *explainer) add(list *[]int32, n, key int32) {
	if !x.known[key] {
		x.known[key] = true
		*list = append(*list, n)
	}
}

// widen adds the accounts of the entries, and the entries of the accounts.
func (x *explainer) widen() {
	for _, i := range x.entries {
		if a := x.engine.entries[i].account; a != none {
			x.add(&x.accounts, a, looseNumber(a))
		}
	}
	for _, a := range x.accounts {
		if i := x.engine.accounts[a].entry; i != none {
			x.add(&x.entries, i, i)
		}
	}
	slices.SortFunc(x.entries, x.compareEntries)
	slices.SortFunc(x.accounts, func(a, b int32) int { return x.in.Accounts[a].Primary.Compare(x.in.Accounts[b].Primary) })
}

// claimText returns the address of a claim.
func (x *explainer) claimText(c int32) string { return x.text(x.claims[c].id).String() }

// watches reports whether an address is one of those to be explained.
func (x *explainer) watches(address string) bool { return x.wanted == nil || x.wanted[address] }

func (x *explainer) ref(i int32) EntryRef {
	in := x.said(i)
	return EntryRef{x.dirInfo[x.entryDir(i)].name, x.engine.scopes[in.Scope].Name, in.DN, in.GUID}
}
