package explain

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/words"
	"github.com/rollcall-cli/rollcall/plan"
)

// Context is what a document says beside the explanation of a plan.
type Context struct {
	Version  string
	Created  time.Time
	Warnings []string
	// Dir is the configuration directory for commands, "" for the working one;
	// Read and Snapshot are the flags of those that read directories.
	Dir, Snapshot string
	Read          []string
	// Directories are those that were searched.
	Directories []Directory
	// History are runs that moved the addresses, the newest first, with masks already.
	History []Past
	// Domains are those that are declared.
	Domains []plan.Domain
	// Mask replaces what identifies people.
	Mask plan.Masker
}

// Directory is a directory of the configuration, and what was found there.
type Directory struct {
	Name string
	// Scopes are those of the directory.
	Scopes []directory.Scope
	Found  directory.Findings
}

// What is looked for by one search at most.
const (
	mostAddresses = 40
	mostEntries   = 40
)

// MostPast is how many addresses are looked for in the history at most.
const MostPast = 40

// Query says what to look for in a directory of a kind: the subject, and its
// addresses, those first that are rejected, in each of the domains that are
// rewritten to theirs; and the entries, those first that are to be changed. notes
// say what there is too much of to look for.
func Query(x *plan.Explanation, rules *plan.Rules, name, kind string) (q directory.Query, notes []string) {
	q = directory.Query{GUID: x.Subject.GUID, Domains: domains(name, rules), Declared: map[string]string{}, Kind: kind}
	for n := range rules.Domains {
		for _, alias := range rules.Domains[n].Aliases {
			q.Declared[alias] = rules.Domains[n].Name
		}
	}
	var all []string
	known := map[string]bool{}
	entry := func(e plan.EntryRef) {
		if e.Directory == name && !known[e.DN] {
			known[e.DN] = true
			all = append(all, e.DN)
		}
	}
	for n := range x.Fixes {
		entry(x.Fixes[n].Listing.Entry)
	}
	for n := range x.Entries {
		entry(x.Entries[n].Ref)
	}
	q.Entries = all[:min(len(all), mostEntries)]
	if n := len(all) - len(q.Entries); n > 0 {
		notes = append(notes, fmt.Sprintf("the values of %d entries are not shown as they are there, for %d are looked up at most", n, mostEntries))
	}
	for n := range x.Accounts {
		if a := &x.Accounts[n]; a.Standing == plan.Orphan && q.GUID.IsZero() && a.Before != nil && a.Before.Directory == name {
			q.GUID = a.Before.GUID // where has its object gone?
		}
	}
	switch x.Subject.Kind {
	case plan.DNSubject:
		q.DN = x.Subject.Text
	case plan.UsernameSubject:
		q.Username = x.Subject.Text
	}
	sought, spellings := slices.Clone(x.Addresses), plan.NewDomains(rules.Domains)
	slices.SortStableFunc(sought, func(a, b plan.AddressFacts) int { return cmp.Compare(min(b.Rejected, 1), min(a.Rejected, 1)) })
	for n := range sought {
		if len(q.Addresses) >= mostAddresses {
			notes = append(notes, fmt.Sprintf("%d of the addresses were not looked for outside of the scopes", len(sought)-n))
			break
		}
		text := sought[n].Address
		if y, err := identity.ParseAddress(text); err == nil {
			for _, spelling := range spellings.Spellings(y) {
				q.Addresses = append(q.Addresses, spelling.String())
			}
		} else {
			q.Addresses = append(q.Addresses, text)
		}
	}
	return q, notes
}

// domains returns for each scope of a directory the domains whose addresses it
// takes, aliases and public ones included.
func domains(name string, rules *plan.Rules) [][]string {
	var all [][]string
	for n := range rules.Scopes {
		s := &rules.Scopes[n]
		if s.Directory != name {
			continue
		}
		taken := []string{}
		for k := range rules.Domains {
			if d := &rules.Domains[k]; d.Public || slices.Contains(s.Domains, d.Name) {
				taken = append(append(taken, d.Name), d.Aliases...)
			}
		}
		all = append(all, taken)
	}
	return all
}

// builder makes a document.
type builder struct {
	x      *plan.Explanation
	c      *Context
	m      plan.Masker
	labels *labels
	names  plan.Names
	d      Document
}

// New makes the document of an explanation.
func New(x *plan.Explanation, c Context) *Document {
	b := &builder{x: x, c: &c, m: c.Mask, d: Document{FormatVersion: "1.0", Version: c.Version, Created: c.Created.UTC().Truncate(time.Second)}}
	b.labels = b.newLabels()
	b.names = plan.Names{DN: b.m.DN, Address: b.m.Address, GUID: b.m.GUID, Detail: b.m.Name, Entry: b.labels.of}
	b.d.Subject = Subject{x.Subject.Kind.String(), b.subject()}
	b.outside()
	b.d.Answer = x.Answer(b.names) + b.suggestion()
	b.addresses()
	b.entries()
	b.accounts()
	b.drift()
	b.history()
	b.changes()
	b.rejections()
	b.steps()
	b.actions()
	b.warnings()
	if n := len(b.d.Outside); n > 0 && !slices.ContainsFunc(x.Entries, func(e plan.EntryFacts) bool { return !e.Merged }) {
		if first := &b.d.Outside[0]; !first.left {
			b.d.Answer += " " + place(first)
		}
		if n > 1 {
			b.d.Answer += fmt.Sprintf(" %d more objects name it.", n-1)
		}
	}
	return &b.d
}

// warnings come last, since what they may speak of has its mask by then: they are of
// servers.
func (b *builder) warnings() {
	b.d.Warnings = []string{}
	for _, text := range b.c.Warnings {
		b.d.Warnings = append(b.d.Warnings, b.m.Text(text))
	}
	for n := range b.c.Directories {
		d := &b.c.Directories[n]
		notes := d.Found.Notes
		if d.Found.Cut {
			notes = append(slices.Clone(notes), "more objects name the subject than the server sends or are shown here")
		}
		for _, note := range notes {
			b.d.Warnings = append(b.d.Warnings, b.m.Text(fmt.Sprintf("directory %q: %s", d.Name, note)))
		}
	}
}

// place says where an object is that the plan does not know, and what is least
// wrong with it.
func place(o *Object) string {
	name, least := Short(o.Name, o.DN), o.Nearest()
	switch {
	case least == nil || len(least.Obstacles) == 0:
		return fmt.Sprintf("%s has it.", name)
	case least.taken:
		return fmt.Sprintf("%s has it in a value that does not count: %s.", name, least.Obstacles[0].Text)
	}
	return fmt.Sprintf("%s has it, and scope %s does not take that object: %s.", name, quoted(least.Scope), least.Obstacles[0].Text)
}

// left says in a clause why no scope takes the object of an account.
func left(o *Object) string {
	name, v := Short(o.Name, o.DN), o.Nearest()
	if v == nil || len(v.Obstacles) == 0 {
		return ""
	}
	scope, first := "scope "+quoted(v.Scope), v.Obstacles[0]
	switch directory.ObstacleKind(first.Code) {
	case directory.Deleted:
		return o.Name + " was deleted"
	case directory.Disabled:
		return fmt.Sprintf("%s is disabled, and %s skips disabled people", name, scope)
	case directory.NoAddress:
		return fmt.Sprintf("%s lists %s", name, first.Text)
	case directory.OutsideBase:
		return fmt.Sprintf("%s is %s of %s", name, first.Text, scope)
	}
	return fmt.Sprintf("%s does not take %s: %s", scope, name, first.Text)
}

// suggestion names the address that was probably meant, where the domain of the
// subject is unknown, and "" otherwise.
func (b *builder) suggestion() string {
	if b.x.Subject.Kind != plan.AddressSubject || len(b.x.Addresses) != 1 {
		return ""
	}
	f := &b.x.Addresses[0]
	if f.Fate() != plan.Nobody || f.Domain.Declared || f.Rejected > 0 || !f.Valid() {
		return ""
	}
	var known []string
	for n := range b.c.Domains {
		if d := &b.c.Domains[n]; !d.Ignore {
			known = append(append(known, d.Name), d.Aliases...)
		}
	}
	near := words.Nearest(f.Domain.Name, known)
	if near == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %s@%s?", strings.TrimSuffix(b.subject(), "@"+f.Domain.Name), near)
}

// history takes over the runs, with what was undone by hand since.
func (b *builder) history() {
	b.d.History = append([]Past{}, b.c.History...)
	for n := range b.d.History {
		p := &b.d.History[n]
		p.Removed = p.After != "" && slices.ContainsFunc(b.x.Addresses, func(f plan.AddressFacts) bool {
			return b.m.Address(f.Address) == p.Address && b.x.RemovedByHand(&f)
		})
	}
}

func (b *builder) subject() string {
	switch s := &b.x.Subject; s.Kind {
	case plan.AddressSubject:
		return b.m.Address(s.Text)
	case plan.GUIDSubject:
		return b.m.GUID(s.Text)
	case plan.DNSubject:
		return b.m.DN(s.Text)
	default:
		return b.m.Name(s.Text)
	}
}

func (b *builder) holding(h *plan.Holding) *Holding {
	if h == nil {
		return nil
	}
	role := "alias"
	if h.Primary {
		role = "primary"
	}
	a := h.Account
	return &Holding{b.m.Address(a.Primary.String()), role, a.Status.String(), a.Type.String(), a.Directory}
}

func (b *builder) addresses() {
	b.d.Addresses = []Address{}
	for n := range b.x.Addresses {
		f := &b.x.Addresses[n]
		a := Address{
			Address: b.m.Address(f.Address), Fate: string(f.Fate()),
			Domain: Domain{f.Domain.Name, f.Domain.Alias, f.Domain.Declared, f.Domain.Public, f.Domain.Ignored, append([]string{}, f.Domain.Scopes...), []string{}},
			Before: b.holding(f.Before), After: b.holding(f.After), Withheld: f.Withheld,
			Guards: []Guard{}, Listed: []Listing{}, Rejections: f.Rejected,
		}
		if !f.Domain.Declared { // masked as the address has it
			masked := b.m.Address(f.Address)
			a.Domain.Name = masked[strings.LastIndexByte(masked, '@')+1:]
		}
		if f.Domain.Public {
			a.Domain.AliasFor = append(a.Domain.AliasFor, f.Domain.AliasFor...)
		}
		for _, g := range f.Guards {
			guard := Guard{Kind: "protected", Label: g.Label, Reason: b.m.Name(g.Reason), Over: g.Over}
			if g.Hold {
				guard.Kind = "legal_hold"
			}
			if !g.Until.IsZero() {
				guard.Until = g.Until.Format(time.DateOnly)
			}
			a.Guards = append(a.Guards, guard)
		}
		for n := range f.Listed {
			l := &f.Listed[n]
			a.Listed = append(a.Listed, Listing{
				Directory: l.Entry.Directory, Scope: l.Entry.Scope, Name: b.name(l.Entry), DN: b.m.DN(l.Entry.DN), GUID: b.m.GUID(l.Entry.GUID.String()),
				Role: l.Role.String(), Value: b.m.Address(l.Value), Values: b.values(b.listed(l)),
			})
		}
		b.d.Addresses = append(b.d.Addresses, a)
	}
}

// listed returns the values of the directory by which an entry lists an address.
func (b *builder) listed(l *plan.Listing) []directory.FoundValue {
	o := b.entry(l.Entry)
	return o.lists(l.Value, l.Role)
}

// values masks values of attributes.
func (b *builder) values(raw []directory.FoundValue) []Value {
	all := []Value{}
	for _, v := range raw {
		all = append(all, Value{v.Attribute, b.value(v.Attribute, v.Value)})
	}
	return all
}

func isGUID(value string) bool {
	_, err := identity.ParseGUID(value)
	return err == nil
}

// outside lists the objects that no entry of the plan stands for.
func (b *builder) outside() {
	b.d.Outside = []Object{}
	for n := range b.c.Directories {
		d := &b.c.Directories[n]
		for k := range d.Found.Objects {
			o := &d.Found.Objects[k]
			if !b.isOutside(d, o) {
				continue
			}
			object := Object{Directory: d.Name, Name: b.m.Name(identity.LeafValue(o.DN)), DN: b.m.DN(o.DN), GUID: b.m.GUID(o.GUID.String()), Values: b.values(o.Values), Verdicts: []Verdict{}}
			for _, v := range o.Verdicts {
				verdict := Verdict{Scope: v.Scope, Obstacles: []Obstacle{}, taken: v.Taken}
				for _, x := range v.Obstacles {
					for _, held := range o.Held {
						b.value(held.Attribute, held.Value) // the detail may name it
					}
					text, remedy := b.sentence(v.Scope, &x)
					declared := func(f plan.AddressFacts) bool { return f.Domain.Declared && f.Domain.Name == x.Detail }
					if x.Kind == directory.OtherDomain && !slices.ContainsFunc(b.x.Addresses, declared) {
						remedy = fmt.Sprintf("declare domain %s {}, and %s", quoted(x.Detail), remedy)
					}
					verdict.Obstacles = append(verdict.Obstacles, Obstacle{string(x.Kind), text, remedy})
				}
				object.Verdicts = append(object.Verdicts, verdict)
			}
			if account := b.account(d, o); account != nil {
				account.Left, object.left = left(&object), true
			}
			b.d.Outside = append(b.d.Outside, object)
		}
	}
}

// isOutside reports whether an object names the subject, and no entry that
// concerns it is the object.
func (b *builder) isOutside(d *Directory, o *directory.Found) bool {
	known := slices.ContainsFunc(b.x.Entries, func(e plan.EntryFacts) bool {
		return e.Ref.Directory == d.Name && e.Ref.DN == o.DN && !e.Merged
	})
	return !known && len(o.Values) > 0 && !b.taken(o)
}

// taken reports whether a scope makes an entry of the object, and nothing keeps
// the address of an address subject from it.
func (b *builder) taken(o *directory.Found) bool {
	return slices.ContainsFunc(o.Verdicts, func(v directory.Verdict) bool {
		return v.Taken && (len(v.Obstacles) == 0 || b.x.Subject.Kind != plan.AddressSubject)
	})
}

// sentence says what an obstacle is, and what to do about it.
func (b *builder) sentence(scope string, o *directory.Obstacle) (text, remedy string) {
	detail := b.m.Text(o.Detail)
	if o.Clause != nil {
		c := *o.Clause
		c.Text, c.Values = b.m.Text(c.Text), slices.Clone(c.Values)
		for n := range c.Values {
			c.Values[n] = b.m.Name(c.Values[n])
		}
		detail = c.String()
	}
	switch o.Kind {
	case directory.Deleted:
		return "the object was deleted", "restore it, if it is to come back"
	case directory.OutsideBase:
		return "not below the base " + detail, fmt.Sprintf("move the object there, or give scope %q a base_dn above both", scope)
	case directory.FilterFalse:
		return detail, fmt.Sprintf("change the object so that its filter holds, or the filter of scope %q", scope)
	case directory.FilterUnknown:
		return detail, "ask the server: only it can judge this part of the filter"
	case directory.EarlierScope:
		return fmt.Sprintf("scope %q, declared earlier, takes it", detail), ""
	case directory.Disabled:
		return "the object is disabled, and the scope skips such", fmt.Sprintf(`enable it, or set disabled = "keep" in scope %q`, scope)
	case directory.NoAddress:
		attributes := detail
		if last := strings.LastIndex(detail, ", "); last >= 0 {
			attributes = detail[:last] + " or " + detail[last+2:]
		}
		return "no address in " + attributes, fmt.Sprintf("give the object an address in %s, or name its attribute in scope %q", attributes, scope)
	case directory.System:
		return "it is the server's own mailbox or account", ""
	case directory.Conflict:
		return "it lost its name to another object in a replication conflict", "delete or rename it, and keep the one that counts"
	case directory.NoGUID:
		if detail != "" {
			return "it has no GUID in " + detail, fmt.Sprintf("give the object a value in %s, or name another attribute in guid_attribute of scope %q", detail, scope)
		}
		return "it has no GUID in objectGUID or entryUUID", fmt.Sprintf("let the account that reads the directory see these, or name another attribute in guid_attribute of scope %q, such as nsUniqueId of 389 Directory Server", scope)
	case directory.BesideSMTP:
		return detail, "make it an alias with smtp: before it, or correct the value"
	case directory.NotRead:
		return "the scope does not read the address from " + detail, fmt.Sprintf("move the address to an attribute that scope %q reads, or name %s in its alias_attributes", scope, detail)
	case directory.OtherDomain:
		return "the scope does not take addresses of " + detail, fmt.Sprintf("add %q to domains of scope %q", detail, scope)
	}
	return string(o.Kind), ""
}

func (b *builder) entries() {
	b.d.Entries, b.d.Disabled = []Entry{}, []Disabled{}
	for n := range b.x.Entries {
		f := &b.x.Entries[n]
		e := Entry{
			Directory: f.Ref.Directory, Scope: f.Ref.Scope, Name: b.name(f.Ref), DN: b.m.DN(f.Ref.DN), GUID: b.m.GUID(f.Ref.GUID.String()),
			Username: b.m.Name(f.Entry.Username), Type: f.Entry.Type.String(), Rejected: f.Whole.String(), Stuck: f.Stuck, Merged: f.Merged,
			Account: b.m.Address(f.Account), Primary: b.m.Address(f.Primary),
		}
		b.d.Entries = append(b.d.Entries, e)
		o := b.entry(f.Ref)
		switch {
		case o.Found == nil || f.Merged:
		case o.Disabled:
			b.d.Disabled = append(b.d.Disabled, Disabled{e.Directory, e.DN, fmt.Sprintf("%s is disabled, and keeps mail because scope %s has disabled = \"keep\"", b.label(f.Ref), quoted(e.Scope))})
		case o.DisabledByDesign != "":
			b.d.Disabled = append(b.d.Disabled, Disabled{e.Directory, e.DN, fmt.Sprintf("%s is disabled, and keeps mail because sign-in is disabled by design for a %s", b.label(f.Ref), o.DisabledByDesign)})
		}
	}
}

func (b *builder) accounts() {
	b.d.Accounts = []Account{}
	for n := range b.x.Accounts {
		f := &b.x.Accounts[n]
		of := f.Before
		if of == nil {
			of = f.After
		}
		a := Account{
			Aliases: []string{}, Type: of.Type.String(), Directory: of.Directory, GUID: b.m.GUID(of.GUID.String()), Username: b.m.Name(of.Username),
			DN: b.m.DN(of.DN), Standing: f.Standing.String(), New: f.Before == nil, Frozen: f.Frozen, Withheld: f.Withheld, Hold: f.Hold,
			Owner: f.Owner, Remedy: f.Remedy,
		}
		if f.Before != nil {
			a.Primary, a.Status = b.m.Address(f.Before.Primary.String()), f.Before.Status.String()
			for _, alias := range f.Before.Aliases {
				a.Aliases = append(a.Aliases, b.m.Address(alias.String()))
			}
		}
		if f.After != nil {
			a.NewDirectory = f.After.Directory
			a.NewPrimary, a.NewStatus = b.m.Address(f.After.Primary.String()), f.After.Status.String()
		}
		slices.Sort(a.Aliases)
		b.d.Accounts = append(b.d.Accounts, a)
	}
}

func (b *builder) drift() {
	b.d.Drift = []Drift{}
	for _, d := range b.x.Drift {
		d = d.Redacted(b.m)
		b.d.Drift = append(b.d.Drift, Drift{d.Kind.String(), d.Primary.String(), d.Ref, d.Field, d.Recorded, d.Found, d.Message()})
	}
}

func (b *builder) changes() {
	b.d.Changes = []Row{}
	for _, c := range b.x.Changes {
		b.d.Changes = append(b.d.Changes, b.row(c.Row()))
	}
}

// row says from what to what a row changes.
func (b *builder) row(r plan.Row) Row {
	address := b.m.Address
	row := Row{Category: r.Category.String(), Address: address(r.Address), Type: r.Type, Directory: r.Directory, Attribute: r.Attribute, Withheld: r.Withheld}
	switch r.Category {
	case plan.DirectorySwitch:
		row.From, row.To = r.OriginalDirectory, r.NewDirectory
	case plan.TypeChange:
		row.From, row.To = r.OriginalType, r.NewType
	case plan.UsernameChange:
		row.From, row.To = b.m.Name(r.OriginalUsername), b.m.Name(r.NewUsername)
	case plan.PrimarySwitch, plan.GUIDChange:
		row.From, row.To = b.m.GUID(r.OriginalGUID), b.m.GUID(r.NewGUID)
	case plan.Adoption, plan.Reactivation:
		row.To = b.m.GUID(r.GUID)
	case plan.AttributeChange:
		mask := b.m.Name
		if r.Attribute == plan.AttributeDN {
			mask = b.m.DN
		}
		row.From, row.To = mask(r.Original), mask(r.New)
	default:
		row.From, row.To = address(r.OriginalPrimary), address(r.NewPrimary)
	}
	return row
}

func (b *builder) rejections() {
	b.d.Rejections = []Rejection{}
	for _, r := range b.x.Rejections {
		d := Rejection{
			Reason: r.Reason.String(), Message: r.Message(b.names), Remedy: b.remedy(r), Address: b.m.Address(r.Address), Primary: b.m.Address(r.Primary),
			DN: b.m.DN(r.DN), GUID: b.m.GUID(r.GUID.String()), Directory: r.Directory, Scope: r.Scope, New: r.New,
		}
		if r.DN != "" {
			d.Name = b.name(plan.EntryRef{Directory: r.Directory, DN: r.DN})
		}
		if !r.Since.IsZero() {
			d.Since = r.Since.UTC().Format(time.RFC3339)
		}
		b.d.Rejections = append(b.d.Rejections, d)
	}
}

// remedy says what to do about a rejection, where it can, in the words of the
// configuration and of the directory.
func (b *builder) remedy(r *plan.Rejection) string {
	domain := func(address string) string {
		address = b.m.Address(address)
		return address[strings.LastIndexByte(address, '@')+1:]
	}
	if r.Cause != "" || r.Other.Owner != "" { // the console says why
		return r.Remedy(b.names)
	}
	switch r.Reason {
	case plan.PublicAddress:
		return fmt.Sprintf("add %s to alias_for of domain %s, or remove the address from the directory", quoted(domain(r.Primary)), quoted(domain(r.Address)))
	case plan.AttributeTooLong:
		name, value := b.attribute(r)
		if name == "" {
			break
		}
		return fmt.Sprintf("shorten %s in the directory, which is %s, or set max_length = { %s = %d } in scope %s if the console allows it",
			name, quoted(cut(b.m.Name(value))), r.Attribute, r.Length, quoted(r.Scope))
	}
	return r.Remedy(b.names)
}

// attribute returns the name in the directory of an attribute that is too long,
// and its value.
func (b *builder) attribute(r *plan.Rejection) (name, value string) {
	e := slices.IndexFunc(b.x.Entries, func(e plan.EntryFacts) bool {
		return e.Ref == plan.EntryRef{Directory: r.Directory, Scope: r.Scope, DN: r.DN, GUID: r.GUID}
	})
	for n := range b.c.Directories {
		for _, s := range b.c.Directories[n].Scopes {
			if e < 0 || s.Name != r.Scope {
				continue
			}
			if r.Attribute == plan.Username {
				return s.UsernameAttribute, b.x.Entries[e].Entry.Username
			}
			for _, a := range s.Attributes {
				if a.Name == r.Attribute {
					return a.Source, identity.Lookup(b.x.Entries[e].Entry.Attributes, r.Attribute)
				}
			}
		}
	}
	return "", ""
}

// longest is how many characters of a value a sentence quotes.
const longest = 200

func cut(s string) string {
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return s
}

func (b *builder) steps() {
	b.d.Steps = []Step{}
	for n := range b.x.Steps {
		s := &b.x.Steps[n]
		d := Step{
			Rule: s.Rule.String(), Meaning: s.Rule.Meaning(), Outcome: string(s.Outcome), Message: s.Message(b.names), Reason: s.Reason.String(),
			Directory: s.Entry.Directory, DN: b.m.DN(s.Entry.DN), Address: b.m.Address(s.Address),
		}
		if s.Account != nil {
			d.Account = b.m.Address(s.Account.Primary.String())
		}
		b.d.Steps = append(b.d.Steps, d)
	}
}

func (b *builder) actions() {
	b.d.Actions, b.d.MoreActions = []Action{}, b.x.MoreFixes
	b.outsideActions()
	for n := range b.x.Accounts {
		if f := &b.x.Accounts[n]; f.Vanished() {
			b.d.Actions = append(b.d.Actions, Action{
				Kind: "restore", Address: b.only(), Text: fmt.Sprintf("if it is to stay, restore the object in directory %s, or list the address in another entry", quoted(f.Before.Directory)),
			})
		}
	}
	for n := range b.x.Fixes {
		f := &b.x.Fixes[n]
		var o object
		var gone edits
		more := ""
		if f.Kind == plan.RemoveValue {
			if o, gone, more = b.removal(f); f.Vain() {
				continue
			}
		}
		a := Action{
			Kind: string(f.Kind), Reason: f.Reason.String(), Address: b.m.Address(f.Address), Text: f.Message(b.names), Effect: f.Effect(b.names) + more, Loses: f.Loses(),
		}
		switch f.Kind {
		case plan.OtherValue:
			b.replacement(&a, f)
		case plan.RemoveValue:
			if len(gone) > 0 {
				b.scripts(&a, &o, gone)
			}
		case plan.RestoreIt:
			b.restoration(&a, f)
		case plan.MakePrimary:
			b.promotion(&a, f)
		case plan.Rebind:
			a.Command = b.command("state", "rebind", b.m.Address(f.Account), b.m.GUID(f.GUID))
		case plan.ReadIt:
			a.Command = b.command(b.reading(nil, "explain", b.subject())...)
		case plan.ApplyIt, plan.AllowIt:
			words := []string{"apply"}
			for _, address := range f.Only {
				words = append(words, "--only", "address:"+b.m.Address(address))
			}
			a.Command = b.command(b.reading(b.c.Read, append(words, plan.Options(f.Lift)...)...)...)
		}
		if a.Command == "" && a.LDIF == "" {
			b.d.MoreActions++ // nobody knows the values
			continue
		}
		b.d.Actions = append(b.d.Actions, a)
	}
}

// reading has a command read what was read for the explanation: these directories,
// or all.
func (b *builder) reading(directories []string, words ...string) []string {
	for _, name := range directories {
		words = append(words, "--directory", name)
	}
	if b.c.Snapshot != "" {
		words = append(words, "--snapshot", b.c.Snapshot)
	}
	return words
}

// command spells a command line for a shell.
func (b *builder) command(words ...string) string {
	line := "rollcall"
	if b.c.Dir != "" {
		words = append([]string{"-C", b.c.Dir}, words...)
	}
	for _, word := range words {
		line += " " + shellWord(word, runtime.GOOS == "windows")
	}
	return line
}

// shellWord quotes a word where a shell would take it apart.
func shellWord(word string, windows bool) string {
	if windows {
		return words.ForWindows(word)
	}
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%_+=:,./-", r)
	}
	if word != "" && strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
