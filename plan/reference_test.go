package plan_test

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// The model says the rules of reconciliation over again, as plainly as
// possible and without a look at the engine, so that tests can compare the
// two. It is written to be read beside the rules: one function per section,
// in their order, with loops where the engine has indexes. A comment that
// begins with "Reading:" marks a decision where the rules leave room.

// refChange is a change row spelled out; its Reason is left empty, because the
// wording is the engine's own.
type refChange = plan.Row

// refRejection is a rejection with the subject that it is about: an entry, or
// an account without one.
type refRejection struct {
	Reason    plan.Reason
	Address   string
	GUID      string
	DN        string
	Directory string
	Scope     string
}

// refTrace counts what an input made the model do.
type refTrace struct {
	holderRows [holderRows]int
	fixpoint   int // rounds of rule 6 that changed something
	stuck      int
	orphans    int              // orphans that rule 6 froze
	withheld   [plan.Brakes]int // of directories that are braked by that
	allowed    [plan.Brakes]int // that a flag let through
	recorded   int              // adoptions by a recorded GUID
	doubted    int              // adoptions by primary that a recorded GUID kept
	chosen     int              // candidates that the primary attribute decided
	ignored    int              // ignored addresses
	met        int              // new entries that all prerequisites list
	causes     map[plan.Cause]int
}

// The rows of the table of rule 4, in its order.
const (
	rowHold = iota
	rowProtectedDemoted
	rowProtectedMove
	rowInactiveLocal
	rowInactiveUnread
	rowInactiveFree
	rowLocalPrimary
	rowLocalAlias
	rowUnread
	rowIncumbent
	rowIncumbentElsewhere
	rowFree
	holderRows int = iota
)

type refClaim struct {
	addr   identity.Address
	reason plan.Reason // 0 while the claim stands
}

type refEntry struct {
	*identity.Entry
	scope    *plan.Scope
	dir      string
	claims   []*refClaim // in byte order
	declared identity.Address
	rivals   []identity.Address // candidates that rule 2.2 made aliases
	account  *refAccount
	missing  bool
	whole    plan.Reason // why it is rejected whole, 0 if it is not
	primary  identity.Address
	stuck    bool
	ruled    []refRejection // what rules 2.3 and 2.6 refused
}

type refAccount struct {
	identity.Account
	entry  *refEntry
	held   bool
	frozen bool
	// What a console makes of it: frozen for what it is there, of another
	// configuration, not there, and addresses that it has there beside those that
	// it lists, or had by the ledger.
	barred, foreign, absent bool
	reserved, remembered    []identity.Address
	quiet                   bool              // frozen by rule 2 or 3.1: a hold has no rows
	after                   *identity.Account // as the directories want it
	left                    *identity.Account // as the run leaves it, with what a brake withholds
}

type refModel struct {
	in        plan.Input
	entries   []*refEntry
	accounts  []*refAccount
	created   []*refAccount // accounts of new entries, after alone
	holder    map[identity.Address]*refAccount
	beside    map[identity.Address]*refAccount // who has it without listing it
	shared    map[identity.Address]bool        // several accounts have it
	protected map[identity.Address]bool
	onHold    map[identity.Address]bool
	rejected  []refRejection
	braked    map[string]bool
	trace     refTrace
}

// reference computes what a plan must say and what an apply must leave behind.
func reference(in plan.Input) ([]refChange, []refRejection, []identity.Account) {
	m := newReference(in)
	return m.changes(), m.rejected, m.console()
}

func newReference(in plan.Input) *refModel {
	m := &refModel{in: in}
	m.readConsole()
	m.readEntries()
	m.bindByGUID()
	for _, e := range m.entries {
		m.readClaims(e)
	}
	m.bindByPrimary()
	m.awaitOthers()
	m.hold()
	m.choosePrimaries()
	m.refuseClaims()
	m.contest()
	m.settle()
	m.support()
	m.listClaims()
	m.listHolds()
	m.conclude()
	m.brake()
	return m
}

// Rule 1: words.

func (m *refModel) readConsole() {
	m.holder = map[identity.Address]*refAccount{}
	m.protected = map[identity.Address]bool{}
	m.onHold = map[identity.Address]bool{}
	for _, g := range m.in.Rules.Protected {
		for _, x := range g.Addresses {
			m.protected[x] = true
		}
	}
	for _, g := range m.in.Rules.Holds {
		// The last day of a hold belongs to it.
		if !g.Until.IsZero() && m.in.Now.UTC().Format("2006-01-02") > g.Until.UTC().Format("2006-01-02") {
			continue
		}
		for _, x := range g.Addresses {
			m.onHold[x] = true
		}
	}
	for i, a := range m.in.Accounts {
		acc := &refAccount{Account: a}
		if merged := m.in.Merged; merged != nil {
			bar := merged.Bars[int32(i)]
			acc.barred, acc.foreign, acc.absent = bar.Cause != "", !bar.Foreign.IsZero(), merged.Origins[i].Live < 0
			acc.frozen = acc.barred
			acc.reserved, acc.remembered = merged.Reserved[int32(i)], merged.Remembered[int32(i)]
		}
		for _, x := range held(&a) {
			m.holder[x] = acc
		}
		for _, x := range slices.Concat(held(&a), acc.remembered, acc.reserved) {
			if m.onHold[x] {
				acc.held = true
			}
		}
		m.accounts = append(m.accounts, acc)
	}
	m.beside, m.shared = map[identity.Address]*refAccount{}, map[identity.Address]bool{}
	for _, a := range m.accounts {
		for _, x := range a.reserved {
			if m.has(x) != nil {
				m.shared[x] = true
			} else {
				m.beside[x] = a
			}
		}
	}
	for _, a := range m.accounts {
		for _, x := range a.remembered {
			if guarded := m.onHold[x] || m.protected[x] && a.Active(); guarded && m.has(x) == nil {
				m.beside[x] = a
			}
		}
	}
}

// has is who has an address in the console, listed or not.
func (m *refModel) has(x identity.Address) *refAccount {
	if a := m.holder[x]; a != nil {
		return a
	}
	return m.beside[x]
}

// protectedAliases are those of an active account that it lists, and those that it
// had by the ledger and nobody has now.
func (m *refModel) protectedAliases(a *refAccount) (all []identity.Address) {
	if !a.Active() {
		return nil
	}
	for _, x := range slices.Concat(a.Aliases, a.remembered) {
		if m.protected[x] && m.has(x) == a && x != a.Primary {
			all = append(all, x)
		}
	}
	return all
}

// guards reports whether a protected address is, or was by the ledger, among the
// aliases of an active account.
func (m *refModel) guardsAlias(a *refAccount) bool {
	return slices.ContainsFunc(a.Aliases, m.isProtected) || len(m.protectedAliases(a)) > 0
}

// held lists what an account holds; an inactive one holds its primary alone.
func held(a *identity.Account) []identity.Address {
	if !a.Active() {
		return []identity.Address{a.Primary}
	}
	return append([]identity.Address{a.Primary}, a.Aliases...)
}

func (m *refModel) declaredDirectory(name string) bool {
	return slices.Contains(m.in.Rules.Directories, name)
}

func (m *refModel) read(name string) bool { return slices.Contains(m.in.Read, name) }

func (m *refModel) unread(a *refAccount) bool { return !a.Local() && m.unreadName(a.Directory) }

func (m *refModel) unreadName(directory string) bool {
	return m.declaredDirectory(directory) && !m.read(directory)
}

func (m *refModel) orphan(a *refAccount) bool {
	return !a.Local() && a.entry == nil && !m.unread(a)
}

// otherDeclares reports whether an entry other than e declares x; one that is
// rejected whole does, too.
func (m *refModel) otherDeclares(e *refEntry, x identity.Address) bool {
	for _, o := range m.entries {
		if o != e && o.declared == x {
			return true
		}
	}
	return false
}

func (e *refEntry) claim(x identity.Address) *refClaim {
	for _, c := range e.claims {
		if c.addr == x {
			return c
		}
	}
	return nil
}

// Rule 2: from values to claims.

// readEntries makes objects of results: the last paragraph of rule 2.
func (m *refModel) readEntries() {
	for i := range m.in.Entries {
		e := &m.in.Entries[i]
		scope := &m.in.Rules.Scopes[e.Scope]
		next := &refEntry{Entry: e, scope: scope, dir: scope.Directory}
		same := slices.IndexFunc(m.entries, func(o *refEntry) bool {
			return o.dir == next.dir && o.GUID == next.GUID && identity.EqualDN(o.DN, next.DN)
		})
		// Reading: two results without a GUID and with equal names are one
		// object, too. Of two different results in one scope either may be
		// taken; the generator makes none.
		switch {
		case same < 0:
			m.entries = append(m.entries, next)
		case e.Scope < m.entries[same].Scope:
			m.entries[same] = next
		}
	}
	// Reading: an object belongs to its first scope even where it lists
	// nothing by that scope's attributes, and is then no entry at all.
	m.entries = slices.DeleteFunc(m.entries, func(e *refEntry) bool {
		listed := slices.DeleteFunc(slices.Concat(e.Primaries, e.Aliases), func(s string) bool { return m.value(e.scope, s).kind == kindIgnored })
		if len(listed) == 0 {
			m.countIgnored(e)
		}
		return len(listed) == 0
	})
	for _, e := range m.entries {
		e.missing = e.GUID.IsZero()
		for _, o := range m.entries {
			if o != e && o.dir == e.dir && o.GUID == e.GUID {
				e.missing = true
			}
		}
		if e.missing {
			e.whole = plan.MissingGUID
		}
	}
	for _, e := range m.entries {
		for _, a := range m.accounts {
			if e.missing && !e.GUID.IsZero() && a.Directory == e.dir && a.GUID == e.GUID {
				a.frozen, a.quiet = true, true
			}
		}
	}
}

type refValue struct {
	norm string
	kind refKind
}

type refKind int

const (
	kindKnown refKind = iota
	kindPublic
	kindUnknown
	kindMalformed
	kindIgnored
)

// value judges one address by rules 2.3, 2.4 and 2.6.
func (m *refModel) value(scope *plan.Scope, s string) refValue {
	norm := strings.ToLower(s)
	if !wellFormed(s) {
		return refValue{norm, kindMalformed}
	}
	local, domain, _ := strings.Cut(norm, "@")
	if m.ignores(domain) {
		return refValue{norm, kindIgnored}
	}
	for _, d := range m.in.Rules.Domains {
		if slices.Contains(d.Aliases, domain) {
			domain = d.Name
			break
		}
	}
	norm = local + "@" + domain
	switch {
	case m.public(domain) != nil:
		return refValue{norm, kindPublic}
	case !slices.Contains(scope.Domains, domain):
		return refValue{norm, kindUnknown}
	}
	return refValue{norm, kindKnown}
}

// ignores: a domain that is declared exactly wins over the "*." of one above.
func (m *refModel) ignores(domain string) bool {
	for _, d := range m.in.Rules.Domains {
		if d.Name == domain || slices.Contains(d.Aliases, domain) {
			return d.Ignore
		}
	}
	for _, d := range m.in.Rules.Domains {
		if rest, wild := strings.CutPrefix(d.Name, "*"); wild && strings.HasSuffix(domain, rest) {
			return d.Ignore
		}
	}
	return false
}

// countIgnored counts the different addresses of an object that are ignored.
func (m *refModel) countIgnored(e *refEntry) {
	var seen []string
	for _, s := range slices.Concat(e.Primaries, e.Aliases) {
		if v := m.value(e.scope, s); v.kind == kindIgnored && !slices.Contains(seen, v.norm) {
			seen = append(seen, v.norm)
			m.trace.ignored++
		}
	}
}

func (m *refModel) public(domain string) *plan.Domain {
	for i := range m.in.Rules.Domains {
		if d := &m.in.Rules.Domains[i]; d.Public && d.Name == domain {
			return d
		}
	}
	return nil
}

func wellFormed(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(s) > 254 || len(local) < 1 || len(local) > 64 {
		return false
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" {
			return false
		}
		for _, c := range []byte(atom) {
			if !alphanumeric(c) && strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) < 0 {
				return false
			}
		}
	}
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if len(label) < 1 || len(label) > 63 || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return false
		}
		for _, c := range []byte(label) {
			if !alphanumeric(c) && c != '-' {
				return false
			}
		}
	}
	return len(labels) >= 2
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// address makes an Address of a normalised one, which may be longer than a
// well-formed one: lengths are judged before rewriting.
func address(norm string) identity.Address {
	local, domain, _ := strings.Cut(norm, "@")
	return identity.MustAddress(local + "@a.example").WithDomain(domain)
}

// readClaims is rules 2.2 to 2.6. It needs the accounts bound by GUID.
func (m *refModel) readClaims(e *refEntry) {
	// 2.2: with several candidates the preferred ones are looked at first.
	// Reading: where none is preferred, the same choice is made among all.
	var candidates, preferred []refValue
	m.countIgnored(e)
	for _, s := range e.Primaries {
		v := m.value(e.scope, s)
		if v.kind == kindIgnored {
			continue
		}
		candidates = append(candidates, v)
		if v.kind == kindKnown {
			preferred = append(preferred, v)
		}
	}
	if len(preferred) == 0 {
		preferred = candidates
	}
	var chosen *refValue
	for i := range preferred {
		v := &preferred[i]
		if chosen == nil || v.norm < chosen.norm {
			chosen = v
		}
	}
	// The smallest in byte order is the last resort. What comes before is looked
	// at from the last to the first, so that the first has the last word.
	prefer := func(is func(norm string) bool) bool {
		better := slices.DeleteFunc(slices.Clone(preferred), func(v refValue) bool { return v.kind == kindMalformed || !is(v.norm) })
		if len(better) == 0 {
			return false
		}
		least := slices.MinFunc(better, func(a, b refValue) int { return strings.Compare(a.norm, b.norm) })
		chosen = &least
		return true
	}
	// Reading: a local account that its recorded GUID binds is local no more.
	prefer(func(norm string) bool {
		return slices.ContainsFunc(m.accounts, func(a *refAccount) bool { return a.Local() && a.entry == nil && a.Primary.String() == norm })
	})
	for _, s := range e.Mail {
		if v := m.value(e.scope, s); v.kind != kindMalformed {
			if prefer(func(norm string) bool { return norm == v.norm }) {
				m.trace.chosen++
			}
			break
		}
	}
	if e.account != nil {
		prefer(func(norm string) bool { return norm == e.account.Primary.String() })
	}
	// 2.5: the primary role is read first, so that it wins.
	var seen []refValue
	list := func(v refValue, primary bool) {
		if slices.Contains(seen, v) {
			return
		}
		seen = append(seen, v)
		switch {
		case v.kind == kindMalformed && primary:
			m.ruleOut(e, plan.PrimaryMalformed, v.norm)
		case v.kind == kindMalformed:
			m.ruleOut(e, plan.AliasMalformed, v.norm)
		case v.kind == kindIgnored:
		case v.kind == kindUnknown:
			m.ruleOut(e, plan.UnknownDomain, v.norm)
		default:
			e.claims = append(e.claims, &refClaim{addr: address(v.norm)})
		}
	}
	if chosen != nil {
		list(*chosen, true)
		// Reading: only a claim declares. What is malformed or in an unknown
		// domain declares nothing, as a public address does by 2.7.
		if chosen.kind == kindKnown {
			e.declared = address(chosen.norm)
		}
	}
	for _, v := range candidates {
		list(v, false)
		if v.kind == kindKnown && v != *chosen {
			e.rivals = append(e.rivals, address(v.norm))
		}
	}
	for _, s := range e.Aliases {
		list(m.value(e.scope, s), false)
	}
	slices.SortFunc(e.claims, func(a, b *refClaim) int { return a.addr.Compare(b.addr) })
}

func (m *refModel) ruleOut(e *refEntry, reason plan.Reason, norm string) {
	e.ruled = append(e.ruled, e.rejection(reason, norm))
}

func (e *refEntry) rejection(reason plan.Reason, address string) refRejection {
	return refRejection{Reason: reason, Address: address, GUID: e.GUID.String(), DN: e.DN, Directory: e.dir, Scope: e.scope.Name}
}

func (a *refAccount) rejection(reason plan.Reason, x identity.Address) refRejection {
	if a.entry != nil {
		return a.entry.rejection(reason, x.String())
	}
	return refRejection{Reason: reason, Address: x.String(), GUID: a.GUID.String(), DN: a.DN, Directory: a.Directory}
}

// Rule 2.7: a public address is valid for some primaries only.
func (m *refModel) validPublic(e *refEntry, x identity.Address) bool {
	d := m.public(x.Domain())
	return d == nil || !e.primary.IsZero() && slices.Contains(d.AliasFor, e.primary.Domain())
}

// Rule 3.1.
func (m *refModel) bindByGUID() {
	for _, e := range m.entries {
		for _, a := range m.accounts {
			if !e.missing && !a.Local() && a.Directory == e.dir && a.GUID == e.GUID {
				e.account, a.entry = a, e
			}
		}
	}
	for _, e := range m.entries {
		if e.account != nil || e.GUID.IsZero() {
			continue
		}
		var carriers []*refAccount
		for _, a := range m.accounts {
			if !a.Local() && a.GUID == e.GUID {
				carriers = append(carriers, a)
			}
		}
		// Nobody owns the GUID, and one local account records it.
		if len(carriers) == 0 && !e.missing {
			var locals []*refAccount
			for _, a := range m.accounts {
				if a.GUID == e.GUID {
					locals = append(locals, a)
				}
			}
			carried := 0
			for _, o := range m.entries {
				if o.GUID == e.GUID {
					carried++
				}
			}
			if len(locals) == 1 && carried == 1 && !locals[0].held && !locals[0].foreign && !locals[0].barred && e.scope.Adopt {
				e.account, locals[0].entry = locals[0], e
				m.trace.recorded++
			}
		}
		if slices.ContainsFunc(carriers, func(a *refAccount) bool { return a.Directory == e.dir }) {
			continue // an entry without a GUID of its own: rule 2 froze the account
		}
		for _, a := range carriers {
			others := 0
			ownerHasIt := false
			for _, o := range m.entries {
				if o != e && o.GUID == e.GUID {
					others++
					ownerHasIt = ownerHasIt || o.dir == a.Directory
				}
			}
			if !m.unread(a) && !ownerHasIt && others == 0 && len(carriers) == 1 {
				e.account, a.entry = a, e
				continue
			}
			// Reading: an entry that shares its GUID with another of its
			// directory keeps the reason of rule 2 and freezes the account of
			// the other directory by this one.
			if !e.missing {
				e.whole = plan.OtherDirectory
			}
			if !m.unread(a) && !ownerHasIt {
				a.frozen, a.quiet = true, true
			}
		}
	}
}

// Rule 3.2. No account comes twice: nobody else declares its primary.
func (m *refModel) bindByPrimary() {
	for _, e := range m.entries {
		// Reading: an entry without a GUID of its own takes nothing over and
		// does not come here.
		if e.whole != 0 || e.account != nil || e.declared.IsZero() || m.otherDeclares(e, e.declared) {
			continue
		}
		a := m.holder[e.declared]
		if a == nil || a.Primary != e.declared || a.entry != nil || m.unread(a) || a.held {
			continue
		}
		switch {
		case a.Local() && (a.foreign || a.barred):
		case a.Local() && e.scope.Adopt && m.recordsAnother(a, e):
			m.trace.doubted++
		case a.Local() && e.scope.Adopt:
			e.account, a.entry = a, e
		case a.Local():
		case e.scope.Rebind && !m.protected[e.declared] && !a.frozen:
			e.account, a.entry = a, e
		default:
			e.whole = plan.GUIDChanged
			if a.Active() && a.Directory != e.dir {
				e.whole = plan.OtherDirectory
			}
			a.frozen = true
		}
	}
}

// Rule 3.3.
func (m *refModel) awaitOthers() {
	for _, e := range m.entries {
		if e.account != nil || e.whole != 0 {
			continue
		}
		for n, p := range m.in.Rules.Prerequisites {
			if slices.Contains(p.Scopes, e.scope.Name) && !slices.ContainsFunc(m.matching(e, p.Match), m.in.Others[n].Has) {
				e.whole = plan.PrerequisiteMissing
			}
		}
		if e.whole == 0 && slices.ContainsFunc(m.in.Rules.Prerequisites, func(p plan.Prerequisite) bool { return slices.Contains(p.Scopes, e.scope.Name) }) {
			m.trace.met++
		}
	}
}

// matching are what another system may list of an entry. Reading: an address in an
// ignored domain counts, since two systems may have nothing else in common.
func (m *refModel) matching(e *refEntry, match plan.Match) (all []string) {
	switch match {
	case plan.MatchPrimary:
		if !e.declared.IsZero() {
			all = []string{e.declared.String()}
		}
	case plan.MatchAddress:
		for _, s := range slices.Concat(e.Primaries, e.Aliases) {
			if v := m.value(e.scope, s); v.kind != kindMalformed {
				all = append(all, v.norm)
			}
		}
	case plan.MatchGUID:
		all = []string{e.GUID.String()}
	case plan.MatchUsername:
		all = []string{strings.ToLower(e.Username)}
	}
	return all
}

// recordsAnother: the account records another GUID than the entry's, one that
// some entry carries, and another account too.
func (m *refModel) recordsAnother(a *refAccount, e *refEntry) bool {
	return !a.GUID.IsZero() && a.GUID != e.GUID &&
		slices.ContainsFunc(m.entries, func(o *refEntry) bool { return o.GUID == a.GUID }) &&
		slices.ContainsFunc(m.accounts, func(b *refAccount) bool { return b != a && b.GUID == a.GUID })
}

// Rule 8, first half: what is on hold is frozen and its entry rejected whole.
func (m *refModel) hold() {
	for _, a := range m.accounts {
		if !a.held {
			continue
		}
		a.frozen = true
		if a.entry != nil {
			a.entry.whole = plan.LegalHold
		}
	}
}

// Rule 4. The answer is 0 where nothing keeps the address from the entry.
func (m *refModel) keptFrom(e *refEntry, x identity.Address) plan.Reason {
	a := m.has(x)
	if a == nil || a == e.account {
		return 0
	}
	// Rule 5, at its end: who declares the primary of a local account that
	// another entry declares, too, meets it in rule 6.
	// Reading: this is about that address alone, not about others of the same
	// or of another local account.
	localRows := !(e.declared == x && a.Primary == x && a.Local() && m.otherDeclares(e, x))
	row, reason := rowFree, plan.Reason(0)
	switch {
	case a.held:
		row, reason = rowHold, plan.LegalHold
	case a.Active() && (m.protected[x] || a.Primary == x && m.orphan(a) && m.guardsAlias(a)):
		if a.Primary == x && e.declared != x {
			row, reason = rowProtectedDemoted, plan.ProtectedPrimaryToAlias
		} else {
			row, reason = rowProtectedMove, plan.ProtectedMove
		}
	case m.holder[x] == nil && (a.Local() || m.directoryOf(a) == e.dir): // it is reserved
		return plan.PreexistingAddress
	case m.holder[x] == nil:
		return plan.OtherDirectory
	case !a.Active() && a.entry == nil && a.Local() && localRows:
		row, reason = rowInactiveLocal, plan.PreexistingAddress
	case !a.Active() && a.entry == nil && m.unread(a):
		row, reason = rowInactiveUnread, plan.OtherDirectory
	case !a.Active() && a.entry == nil:
		row = rowInactiveFree
	case a.Local() && a.entry == nil && localRows:
		if a.Primary == x {
			row, reason = rowLocalPrimary, plan.PreexistingAddress
		} else {
			row, reason = rowLocalAlias, plan.LocalPrimaryNotAdopted
		}
	case m.unread(a) && a.entry == nil:
		row, reason = rowUnread, plan.OtherDirectory
	case m.incumbent(a.entry, x):
		if a.entry.dir == e.dir {
			row, reason = rowIncumbent, plan.PreexistingAddress
		} else {
			row, reason = rowIncumbentElsewhere, plan.OtherDirectory
		}
	}
	m.trace.holderRows[row]++
	return reason
}

// directoryOf is that of an account's entry, or else of its owner.
func (m *refModel) directoryOf(a *refAccount) string {
	if a.entry != nil {
		return a.entry.dir
	}
	return a.Directory
}

func (m *refModel) isProtected(x identity.Address) bool { return m.protected[x] }

// incumbent reports whether e is bound to the holder of x and claims it, by
// rule 2.7 too. Reading: an entry without a primary claims no public address
// validly.
func (m *refModel) incumbent(e *refEntry, x identity.Address) bool {
	return e != nil && e.account != nil && m.has(x) == e.account && e.claim(x) != nil && m.validPublic(e, x)
}

// Rule 5. Public addresses are passed over, so that no choice depends on
// another one.
func (m *refModel) choosePrimaries() {
	for _, e := range m.entries {
		if e.whole != 0 && e.whole != plan.LegalHold {
			continue
		}
		var order []identity.Address
		order = append(order, e.declared)
		if e.account != nil {
			order = append(order, e.account.Primary)
		}
		for _, c := range e.claims {
			order = append(order, c.addr)
		}
		for _, x := range order {
			if x.IsZero() || e.claim(x) == nil || m.public(x.Domain()) != nil || m.keptFrom(e, x) != 0 {
				continue
			}
			if m.undecided(e) && slices.Contains(e.rivals, x) {
				continue
			}
			own := e.account != nil && m.has(x) == e.account
			if x != e.declared && m.otherDeclares(e, x) && !own {
				continue
			}
			e.primary = x
			break
		}
	}
}

// undecided reports whether the entry's other candidates (rule 2.2) are passed
// over by rule 5, too. Reading: they are if the declared primary is a protected
// one of an account that nobody is bound to, and another entry declares it as
// well or the account is an orphan with an alias to lose. Given another
// candidate, the entry would declare that one in the next plan. The protected
// one would then be declared by the other entry alone or by nobody, and a plan
// after an apply would change its account.
func (m *refModel) undecided(e *refEntry) bool {
	a := m.holder[e.declared]
	if a == nil || a.entry != nil || a.Primary != e.declared || m.keptFrom(e, e.declared) != plan.ProtectedMove {
		return false
	}
	return m.otherDeclares(e, e.declared) || m.orphan(a) && !m.allProtected(a.Aliases)
}

func (m *refModel) allProtected(list []identity.Address) bool {
	return !slices.ContainsFunc(list, func(x identity.Address) bool { return !m.protected[x] })
}

// refuseClaims gives each claim the first reason of rule 2.7, rule 4 or its
// entry's, and ends rule 5.
func (m *refModel) refuseClaims() {
	for _, e := range m.entries {
		for _, c := range e.claims {
			switch {
			case e.whole != 0:
				c.reason = e.whole
			case e.primary.IsZero():
				if c.reason = m.keptFrom(e, c.addr); c.reason == 0 {
					c.reason = plan.NoValidPrimary
				}
			case !m.validPublic(e, c.addr):
				c.reason = plan.PublicAddress
			default:
				c.reason = m.keptFrom(e, c.addr)
			}
		}
	}
	for _, e := range m.entries {
		if e.whole == 0 && e.primary.IsZero() {
			e.whole = plan.NoValidPrimary
			if e.account != nil {
				e.account.frozen = true
			}
		}
	}
}

// Rule 6, first half: all contests are judged at once.
func (m *refModel) contest() {
	type party struct {
		e *refEntry
		c *refClaim
	}
	parties := map[identity.Address][]party{}
	for _, e := range m.entries {
		for _, c := range e.claims {
			if e.whole != 0 || c.reason == 0 {
				parties[c.addr] = append(parties[c.addr], party{e, c})
			}
		}
	}
	for x, ps := range parties {
		incumbent := false
		var declaring []party
		for _, p := range ps {
			incumbent = incumbent || m.incumbent(p.e, x)
			if p.e.declared == x {
				declaring = append(declaring, p)
			}
		}
		if len(ps) < 2 || incumbent {
			continue
		}
		for _, p := range ps {
			if p.e.whole != 0 {
				continue
			}
			switch {
			case p.e.declared != x:
				p.c.reason = plan.AliasRejected
			case len(declaring) > 1:
				p.c.reason = plan.PrimaryRejected
			}
		}
	}
}

// Rule 6, second half: until nothing changes.
func (m *refModel) settle() {
	m.spread()
	m.rejectStuck()
}

func (m *refModel) spread() {
	for changed := true; changed; {
		changed = false
		for _, e := range m.entries {
			if e.whole != 0 {
				continue
			}
			if !e.stuck && (e.claim(e.primary).reason != 0 || e.account != nil && e.account.barred) {
				e.stuck = true
				changed = true
				m.trace.stuck++
				if e.account != nil {
					e.account.frozen = true
				}
			}
			for _, c := range e.claims {
				a := m.holder[c.addr]
				if c.reason != 0 || a == nil || !a.frozen || a == e.account {
					continue
				}
				changed = true
				owner := a.Directory
				if a.entry != nil {
					owner = a.entry.dir
				}
				switch {
				case a.held:
					c.reason = plan.LegalHold
				case owner != e.dir:
					c.reason = plan.OtherDirectory
				default:
					c.reason = plan.PreexistingAddress
				}
			}
		}
		for _, a := range m.accounts {
			if !m.orphan(a) || a.frozen {
				continue
			}
			declared, taken := false, false
			for _, e := range m.entries {
				declared = declared || e.declared == a.Primary
				c := e.claim(a.Primary)
				if c != nil && c.reason == 0 && !e.stuck && (e.account == nil || !e.account.frozen) {
					taken = true
				}
			}
			if declared && !taken {
				a.frozen = true
				changed = true
				m.trace.orphans++
			}
		}
		if changed {
			m.trace.fixpoint++
		}
	}
}

func (m *refModel) rejectStuck() {
	for _, e := range m.entries {
		for _, c := range e.claims {
			if e.whole == 0 && e.account != nil && e.account.barred {
				if c.reason == 0 && (!e.inPlace(c.addr) || m.shared[c.addr]) {
					c.reason = plan.ConsoleUnsupported
				}
				continue
			}
			kept := e.account != nil && e.account.Active() && m.holder[c.addr] == e.account
			if e.stuck && c.reason == 0 && !kept {
				c.reason = plan.NoValidPrimary
			}
		}
	}
}

// support makes stuck what the console cannot hold, and lets that spread.
func (m *refModel) support() {
	for {
		var found []*refEntry
		for _, e := range m.entries {
			if e.whole == 0 && !e.stuck {
				if cause := m.unsupported(e); cause != "" {
					found = append(found, e)
					if m.trace.causes == nil {
						m.trace.causes = map[plan.Cause]int{}
					}
					m.trace.causes[cause]++
				}
			}
		}
		if len(found) == 0 {
			break
		}
		for _, e := range found {
			e.stuck = true
			if e.account != nil {
				e.account.frozen = true
			}
			for _, c := range e.claims {
				if c.reason == 0 {
					c.reason = plan.ConsoleUnsupported
				}
			}
		}
		m.spread()
	}
	m.rejectStuck()
}

// unsupported says which fact keeps the console from having the account of an entry
// as rule 7 wants it, "" for none.
func (m *refModel) unsupported(e *refEntry) plan.Cause {
	f := &m.in.Facts
	told := len(m.rejected)
	a := e.account
	if a == nil {
		a = &refAccount{}
	}
	after := m.take(e, a)
	m.rejected = m.rejected[:told]
	before := &identity.Account{Status: identity.Inactive}
	there := e.account != nil && !e.account.absent
	if there {
		before = &e.account.Account
	}
	if len(f.Types) > 0 && !slices.Contains(f.Types, after.Type) && !(there && before.Type == after.Type) {
		return plan.FactTypes
	}
	if there && before.Primary != after.Primary {
		if f.FixedPrimary {
			return plan.FactRename
		}
		if f.Unstable && !f.Marks && !f.Publishes {
			return plan.FactRefStable
		}
	}
	if f.MaxAliases > 0 && len(after.Aliases) > f.MaxAliases && !(before.Active() && slices.Equal(before.Aliases, after.Aliases)) {
		return plan.FactMaxAliases
	}
	for _, x := range held(after) {
		if len(f.Domains) > 0 && !slices.Contains(f.Domains, x.Domain()) && !(there && slices.Contains(held(before), x)) {
			return plan.FactDomains
		}
	}
	for _, c := range e.claims {
		if c.reason != 0 || there && slices.Contains(held(before), c.addr) {
			continue
		}
		if m.in.Now.Before(m.in.Blocked[c.addr]) {
			return plan.FactDeletedBlocks
		}
		if h := m.has(c.addr); f.DeletedBlocks > 0 && h != nil && h != e.account && m.freed(c.addr, h) {
			return plan.FactDeletedBlocks
		}
	}
	return ""
}

// freed reports whether an address of another account is free only once that is
// taken out of the console.
func (m *refModel) freed(x identity.Address, a *refAccount) bool {
	if a.absent || !m.orphan(a) || a.frozen {
		return false
	}
	return x == a.Primary || m.in.Facts.Removes && m.in.Facts.Keeps(plan.FieldAliases) && a.Active() && !m.protected[a.Primary] && !m.guardsAlias(a)
}

// listClaims lists every claim that has a reason, and what rule 2 refused. A
// held account's entry is silent about what is in place (rule 8).
func (m *refModel) listClaims() {
	for _, e := range m.entries {
		m.rejected = append(m.rejected, e.ruled...)
		for _, c := range e.claims {
			if c.reason == 0 || e.whole == plan.LegalHold && e.inPlace(c.addr) {
				continue
			}
			m.rejected = append(m.rejected, e.rejection(c.reason, c.addr.String()))
		}
	}
}

// inPlace reports whether the entry's account has x in the role of rule 5.
// Reading: on an inactive account nothing is in place, because the entry asks
// for an active one.
func (e *refEntry) inPlace(x identity.Address) bool {
	if !e.account.Active() {
		return false
	}
	if x == e.primary {
		return e.account.Primary == x
	}
	return slices.Contains(e.account.Aliases, x)
}

// Rule 8, second half: the rows of an account on hold beside its entry's
// claims.
func (m *refModel) listHolds() {
	for _, a := range m.accounts {
		switch {
		case !a.held || a.Local() || m.unread(a) && a.entry == nil || a.quiet:
			continue
		case a.entry == nil && !a.Active():
			continue
		}
		// Reading: a hold speaks once of an address. A change of the account
		// has no row of its own where its primary has one already.
		tell := func(x identity.Address) {
			if r := a.rejection(plan.LegalHold, x); !slices.Contains(m.rejected, r) {
				m.rejected = append(m.rejected, r)
			}
		}
		for _, x := range held(&a.Account) {
			if !x.IsZero() && (a.entry == nil || a.entry.claim(x) == nil) {
				tell(x)
			}
		}
		e := a.entry
		if e != nil && (e.Type != a.Type || e.Username != a.Username || !identity.EqualDN(e.DN, a.DN) ||
			!slices.Equal(e.Attributes, a.Attributes) || e.dir != a.Directory) && !a.Primary.IsZero() {
			tell(a.Primary)
		}
	}
}

// Rule 7: the console afterwards.
func (m *refModel) conclude() {
	granted := map[identity.Address]bool{}
	for _, e := range m.entries {
		for _, c := range e.claims {
			if e.whole == 0 && !e.stuck && c.reason == 0 {
				granted[c.addr] = true
			}
		}
	}
	for _, a := range m.accounts {
		switch {
		case a.frozen || m.unread(a) && a.entry == nil || a.Local() && a.entry == nil:
			same := a.Account
			a.after = &same
		case a.entry != nil:
			a.after = m.take(a.entry, a)
		case !a.Active():
			if !granted[a.Primary] {
				same := a.Account
				a.after = &same
			}
		case m.protected[a.Primary] || m.guardsAlias(a):
			after := a.Account
			after.Aliases = nil
			m.rejected = append(m.rejected, a.rejection(plan.ProtectedDeactivation, a.Primary))
			for _, x := range m.protectedAliases(a) {
				after.Aliases = append(after.Aliases, x)
				m.rejected = append(m.rejected, a.rejection(plan.ProtectedDeactivation, x))
			}
			slices.SortFunc(after.Aliases, identity.Address.Compare)
			a.after = &after
		case !granted[a.Primary]:
			after := a.Account
			after.Status, after.Aliases = identity.Inactive, nil
			a.after = &after
		}
	}
	for _, e := range m.entries {
		if e.whole == 0 && !e.stuck && e.account == nil {
			created := &refAccount{entry: e}
			created.after = m.take(e, created)
			m.created = append(m.created, created)
		}
	}
}

// take makes the account that an entry asks for of the one before, which is
// empty for a new one.
func (m *refModel) take(e *refEntry, a *refAccount) *identity.Account {
	after := identity.Account{
		Primary: e.primary, Directory: e.dir, GUID: e.GUID, Username: e.Username, DN: e.DN, Type: e.Type, Status: identity.Active,
	}
	for _, c := range e.claims {
		if c.reason == 0 && c.addr != e.primary {
			after.Aliases = append(after.Aliases, c.addr)
		}
	}
	if before := &a.Account; !before.Primary.IsZero() {
		if identity.EqualDN(before.DN, e.DN) {
			after.DN = before.DN
		}
		if old := before.Primary; before.Active() && m.protected[old] && old != e.primary {
			reason := plan.ProtectedDeactivation
			if e.claim(old) != nil {
				reason = plan.ProtectedPrimaryToAlias
			}
			m.rejected = append(m.rejected, a.rejection(reason, old))
			after.Aliases = slices.DeleteFunc(after.Aliases, func(x identity.Address) bool { return x == old })
			after.Aliases = append(after.Aliases, e.primary)
			after.Primary = old
		}
		if before.Active() {
			for _, x := range m.protectedAliases(a) {
				c := e.claim(x)
				// Reading: a protected alias claimed against rule 2.7 has two
				// rows, this one and the claim's.
				if c == nil || c.reason == plan.PublicAddress {
					m.rejected = append(m.rejected, a.rejection(plan.ProtectedDeactivation, x))
					after.Aliases = append(after.Aliases, x)
				}
			}
		}
	}
	slices.SortFunc(after.Aliases, identity.Address.Compare)

	tooLong := func(name, value string, limit int) bool {
		if n, ok := e.scope.MaxLength[name]; ok {
			limit = n
		}
		if n, ok := m.in.Facts.Lengths[name]; ok {
			limit = min(limit, n)
		}
		if utf8.RuneCountInString(value) <= limit {
			return false
		}
		// Reading: reported for a new account, too, and also where the recorded
		// value is the same.
		m.rejected = append(m.rejected, e.rejection(plan.AttributeTooLong, after.Primary.String()))
		return true
	}
	if tooLong(plan.Username, e.Username, 256) {
		after.Username = a.Username
	}
	for _, attr := range e.Attributes {
		limit := 255
		if attr.Name == identity.DisplayName {
			limit = 256
		}
		if tooLong(attr.Name, attr.Value, limit) {
			attr.Value = identity.Lookup(a.Attributes, attr.Name)
		}
		if attr.Value != "" {
			after.Attributes = append(after.Attributes, attr)
		}
	}
	return &after
}

// lossOf says why an address is lost, as far as the entries show it.
func (m *refModel) lossOf(a *refAccount, x identity.Address) string {
	if a.entry == nil {
		if !m.declaredDirectory(a.Directory) {
			return "directory_undeclared"
		}
		for i := range m.in.Entries {
			e := &m.in.Entries[i]
			if m.in.Rules.Scopes[e.Scope].Directory == a.Directory && e.GUID == a.GUID {
				// It lists nothing that counts: else it would be bound.
				return "entry_without_address"
			}
		}
		return "entry_gone"
	}
	x = address(m.value(a.entry.scope, x.String()).norm) // as the entry's are written
	refused := slices.ContainsFunc(a.entry.ruled, func(r refRejection) bool { return r.Address == x.String() })
	if c := a.entry.claim(x); refused || c != nil && c.reason != 0 {
		return "refused"
	}
	return "value_gone"
}

// countsFor is the directory that an account counts for, "" for none.
func (m *refModel) countsFor(a *refAccount) string {
	switch {
	case a.after != nil && a.Local() && a.after.Local():
		return "" // Reading: also if an entry is bound to it that cannot move
	case a.entry != nil:
		return a.entry.dir
	case a.Local() || m.unread(a):
		return ""
	}
	return a.Directory
}

// brake: each directory loses what the bounds allow of each kind, or nothing.
func (m *refModel) brake() {
	all := slices.Concat(m.accounts, m.created)
	wanted := map[identity.Address]*refAccount{} // who has it afterwards, if nothing is withheld
	for _, a := range all {
		if a.after != nil && a.after.Active() {
			for _, x := range held(a.after) {
				wanted[x] = a
			}
		}
	}
	granted := func(a *refAccount, x identity.Address) bool { return wanted[x] != nil && wanted[x] != a }
	wasActive := func(a *refAccount) bool { return !a.Primary.IsZero() && a.Active() }
	keep := func(a *refAccount) *identity.Account {
		if !wasActive(a) {
			return a.after
		}
		var left []identity.Address
		for _, x := range held(&a.Account) {
			if !granted(a, x) {
				left = append(left, x)
			}
		}
		slices.SortFunc(left, identity.Address.Compare)
		kept := a.Account
		if a.after != nil && a.after.Active() {
			kept = *a.after
		}
		switch {
		case !granted(a, a.Primary):
			kept.Primary = a.Primary
		case a.after != nil && a.after.Active():
		case len(left) == 0:
			return nil
		default:
			kept.Primary = left[0]
		}
		var aliases []identity.Address
		if a.after != nil && a.after.Active() {
			left = append(left, held(a.after)...)
		}
		for _, x := range left {
			if x != kept.Primary && !slices.Contains(aliases, x) {
				aliases = append(aliases, x)
			}
		}
		slices.SortFunc(aliases, identity.Address.Compare)
		kept.Aliases = aliases
		return &kept
	}

	counts, accounts, addresses := map[string]*[plan.Brakes]int{}, map[string]int{}, map[string]int{}
	for _, a := range all {
		dir := m.countsFor(a)
		if dir == "" {
			continue
		}
		if counts[dir] == nil {
			counts[dir] = &[plan.Brakes]int{}
		}
		if kept := keep(a); kept != nil && kept.Active() {
			accounts[dir]++
			addresses[dir] += len(held(kept))
		}
		switch {
		case !wasActive(a) || a.after == nil:
		case !a.after.Active():
			counts[dir][plan.Deactivations]++
		default:
			for _, x := range held(&a.Account) {
				if wanted[x] == nil {
					counts[dir][plan.Removals]++
				}
			}
			if a.after.Primary != a.Primary && !granted(a, a.Primary) {
				counts[dir][plan.PrimaryChanges]++
			}
		}
	}
	m.braked = map[string]bool{}
	for b := range plan.Brake(plan.Brakes) {
		limit := m.in.Rules.Limits[b]
		base := accounts
		if b == plan.Removals {
			base = addresses
		}
		over, total := []string{}, 0
		for dir, n := range counts {
			if n[b] > limit.Most || n[b] > 10 && n[b]*100 > limit.Percent*base[dir] {
				over = append(over, dir)
				total += n[b]
			}
		}
		switch {
		case total == 0:
		case total <= limit.Allowed:
			m.trace.allowed[b] += total
		default:
			m.trace.withheld[b] += total
			for _, dir := range over {
				m.braked[dir] = true
			}
		}
	}
	for _, a := range all {
		a.left = a.after
		if m.braked[m.countsFor(a)] {
			a.left = keep(a)
		}
	}
}

// console is every account after an apply.
func (m *refModel) console() []identity.Account {
	var all []identity.Account
	for _, a := range slices.Concat(m.accounts, m.created) {
		if a.left != nil {
			all = append(all, *a.left)
		}
	}
	return all
}

// Rule 9: the change set to the console that will be, and, marked, what a brake
// withholds of the one that the directories want.
func (m *refModel) changes() []refChange {
	rows := m.rows(func(a *refAccount) *identity.Account { return a.left })
	for _, r := range m.rows(func(a *refAccount) *identity.Account { return a.after }) {
		loss := r.Category == plan.Inactive || r.Category == plan.PrimaryChange || r.Category == plan.Removal
		if loss && !slices.ContainsFunc(rows, func(o refChange) bool {
			return o.Category == r.Category && o.Address == r.Address && o.OriginalPrimary == r.OriginalPrimary
		}) {
			r.Withheld = true
			rows = append(rows, r)
		}
	}
	return rows
}

func (m *refModel) rows(end func(*refAccount) *identity.Account) []refChange {
	type place struct {
		a       *refAccount
		account *identity.Account
		primary bool
	}
	accounts := slices.Concat(m.accounts, m.created)
	before, after := map[identity.Address]place{}, map[identity.Address]place{}
	fill := func(to map[identity.Address]place, a *refAccount, account *identity.Account) {
		if account == nil || account.Primary.IsZero() || !account.Active() {
			return
		}
		for _, x := range held(account) {
			to[x] = place{a, account, x == account.Primary}
		}
	}
	for _, a := range accounts {
		fill(before, a, &a.Account)
		fill(after, a, end(a))
	}

	var rows []refChange
	// Reading: type and directory are those after the change; an address that
	// is given up has those of the account that had it.
	row := func(category plan.Category, x identity.Address, of *identity.Account) *refChange {
		rows = append(rows, refChange{Category: category, Address: x.String(), Type: of.Type.String(), Directory: of.Directory})
		return &rows[len(rows)-1]
	}
	for x, now := range after {
		was, ok := before[x]
		switch {
		case !ok && now.primary && !now.a.Primary.IsZero() && now.a.Primary == x:
			// A reactivated account's own primary: shown as reactivation.
		case !ok:
			r := row(plan.Add, x, now.account)
			r.NewPrimary, r.GUID, r.Username, r.DN = now.account.Primary.String(), now.account.GUID.String(), now.account.Username, now.account.DN
		case was.a == now.a:
		case was.primary && now.primary:
			r := row(plan.PrimarySwitch, x, now.account)
			r.OriginalGUID, r.NewGUID = was.account.GUID.String(), now.account.GUID.String()
		case was.primary:
			row(plan.PrimaryToAlias, x, now.account).NewPrimary = now.account.Primary.String()
		case now.primary:
			row(plan.AliasToPrimary, x, now.account).OriginalPrimary = was.account.Primary.String()
		default:
			r := row(plan.AliasSwitch, x, now.account)
			r.OriginalPrimary, r.NewPrimary = was.account.Primary.String(), now.account.Primary.String()
		}
	}
	for x, was := range before {
		if _, ok := after[x]; !ok {
			r := row(plan.Inactive, x, was.account)
			r.OriginalPrimary, r.GUID, r.Username, r.DN = was.account.Primary.String(), was.account.GUID.String(), was.account.Username, was.account.DN
			r.Reason = m.lossOf(was.a, x)
		}
	}

	if m.in.Merged != nil {
		for _, a := range m.in.Merged.Gone {
			if m.unreadName(a.Directory) || slices.ContainsFunc(held(&a), func(x identity.Address) bool { return m.onHold[x] }) ||
				slices.ContainsFunc(m.entries, func(e *refEntry) bool { return e.dir == a.Directory && e.GUID == a.GUID }) {
				continue
			}
			r := row(plan.Removal, a.Primary, &a)
			r.GUID, r.OriginalDirectory = a.GUID.String(), a.Directory
			// Who has the address now is reported if its account is among the changes.
			for _, b := range accounts {
				if now := end(b); now != nil && slices.Contains(held(now), a.Primary) && (b.after == nil || !sameAccount(*b.after, b.Account)) {
					r.NewPrimary = now.Primary.String()
				}
			}
		}
	}
	for _, a := range m.accounts {
		was, now := &a.Account, end(a)
		if now == nil {
			r := row(plan.Removal, was.Primary, was)
			r.GUID, r.OriginalDirectory = was.GUID.String(), was.Directory
			if has, ok := after[was.Primary]; ok {
				r.NewPrimary = has.account.Primary.String()
			}
		}
		if now == nil || !now.Active() {
			continue
		}
		adopted := was.Local() && !now.Local()
		if was.Primary != now.Primary {
			r := row(plan.PrimaryChange, now.Primary, now)
			r.NewPrimary, r.OriginalPrimary = now.Primary.String(), was.Primary.String()
		}
		if !adopted && was.Directory != now.Directory {
			r := row(plan.DirectorySwitch, now.Primary, now)
			r.OriginalDirectory, r.NewDirectory = was.Directory, now.Directory
		}
		if was.Type != now.Type {
			r := row(plan.TypeChange, now.Primary, now)
			r.OriginalType, r.NewType = was.Type.String(), now.Type.String()
		}
		if !adopted && was.Username != now.Username {
			r := row(plan.UsernameChange, now.Primary, now)
			r.OriginalUsername, r.NewUsername = was.Username, now.Username
		}
		if adopted {
			r := row(plan.Adoption, now.Primary, now)
			r.GUID, r.Username, r.DN = now.GUID.String(), now.Username, now.DN
		}
		if !adopted && was.GUID != now.GUID {
			r := row(plan.GUIDChange, now.Primary, now)
			r.OriginalGUID, r.NewGUID = was.GUID.String(), now.GUID.String()
		}
		if !was.Active() {
			row(plan.Reactivation, now.Primary, now).GUID = now.GUID.String()
		}
		if adopted {
			continue
		}
		attribute := func(name, old, value string) {
			if old != value {
				r := row(plan.AttributeChange, now.Primary, now)
				r.Attribute, r.Original, r.New = name, old, value
			}
		}
		if was.Directory == now.Directory {
			attribute("dn", was.DN, now.DN)
		}
		var names []string
		for _, attr := range slices.Concat(was.Attributes, now.Attributes) {
			if !slices.Contains(names, attr.Name) {
				names = append(names, attr.Name)
				attribute(attr.Name, identity.Lookup(was.Attributes, attr.Name), identity.Lookup(now.Attributes, attr.Name))
			}
		}
	}
	return rows
}
