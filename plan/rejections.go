package plan

import (
	"cmp"
	"slices"
	"strings"
)

// note keeps a row that was found while the console was made.
func (e *engine) note(r Rejection) { e.notes = append(e.notes, r) }

// rejections lists every rejection: of values, of claims, and those that were
// noted on the way.
func (e *engine) rejections() []Rejection {
	rows := e.notes
	for _, v := range e.rejected {
		rows = append(rows, e.entryRow(v.entry, v.reason, v.text))
	}
	contests := map[int32]contest{}
	for c := range e.claims {
		cl := &e.claims[c]
		// The rows of a held account are noted with it.
		if cl.reason == noReason || e.entries[cl.entry].whole == LegalHold {
			continue
		}
		row := e.entryRow(cl.entry, cl.reason, e.text(cl.id).String())
		row.Other, row.Guard = e.inTheWay(int32(c), contests)
		e.because(&row, cl)
		rows = append(rows, row)
	}
	slices.SortFunc(rows, compareRejections)
	return rows
}

func compareRejections(x, y Rejection) int {
	return cmp.Or(
		cmp.Compare(x.Reason, y.Reason), strings.Compare(x.Address, y.Address), strings.Compare(x.Directory, y.Directory),
		strings.Compare(x.DN, y.DN), x.GUID.Compare(y.GUID), strings.Compare(x.Primary, y.Primary), strings.Compare(x.Scope, y.Scope),
		strings.Compare(x.Attribute, y.Attribute), cmp.Compare(x.Type, y.Type), cmp.Compare(x.Length, y.Length),
		strings.Compare(x.Other.Name, y.Other.Name), strings.Compare(string(x.Cause), string(y.Cause)), strings.Compare(x.Detail, y.Detail))
}

// entryRow is a row about something that entry i lists.
func (e *engine) entryRow(i int32, reason Reason, address string) Rejection {
	t, in := &e.entries[i], e.said(i)
	r := Rejection{
		Reason: reason, Address: address, Type: in.Type, GUID: in.GUID, DN: in.DN,
		Directory: e.dirInfo[e.entryDir(i)].name, Scope: e.scopes[in.Scope].Name,
	}
	r.NoAccount = e.withoutAccount(i)
	switch {
	case reason == MissingGUID:
		r.Attribute = e.scopes[in.Scope].GUIDAttribute
	case reason == PrerequisiteMissing:
		p := &e.in.Rules.Prerequisites[t.other]
		if r.Attribute, r.Match = p.Attribute, p.Match; r.Match == MatchUsername {
			r.Detail = in.Username
		}
	}
	switch {
	case t.primary != none:
		r.Primary = e.text(e.claims[t.primary].id).String()
	case t.declared != none:
		r.Primary = e.text(t.declared).String()
	case t.account != none:
		r.Primary = e.in.Accounts[t.account].Primary.String()
	}
	return r
}

// withoutAccount reports whether entry i lists an address, has no account and
// gets none.
func (e *engine) withoutAccount(i int32) bool {
	t := &e.entries[i]
	return t.flags&(dropped|empty) == 0 && t.account == none && (t.stuck() || t.whole != noReason)
}

// accountRow is a row about an address that account a holds or would get.
func (e *engine) accountRow(a int32, reason Reason, id int32) Rejection {
	t, account := &e.accounts[a], &e.in.Accounts[a]
	r := Rejection{
		Reason: reason, Address: e.text(id).String(), Primary: account.Primary.String(), Type: account.Type,
		GUID: account.GUID, DN: account.DN, Directory: account.Directory,
		Other: e.accountParty(a), Guard: e.guard(a, id),
	}
	if e.bound(a) {
		in := e.said(t.entry)
		r.Type, r.GUID, r.DN = in.Type, in.GUID, in.DN
		r.Scope, r.Directory = e.scopes[in.Scope].Name, e.dirInfo[e.entryDir(t.entry)].name
		r.Other = e.entryParty(t.entry)
	}
	return r
}

// guard returns the label of the block that holds account a, or protects the
// address or, for the primary of an orphan, an alias of it.
func (e *engine) guard(a, id int32) string {
	t := &e.accounts[a]
	if t.hold != none {
		return e.in.Rules.Holds[t.hold].Label
	}
	if b, ok := e.guards[id]; ok {
		return e.in.Rules.Protected[b].Label
	}
	if t.guard != none {
		return e.in.Rules.Protected[t.guard].Label
	}
	return ""
}

func (e *engine) entryParty(i int32) Party {
	return Party{Kind: EntryParty, Name: e.said(i).DN, Directory: e.dirInfo[e.entryDir(i)].name}
}

// wholeParty is who is the reason that an entry is rejected whole, and the label of
// the block that says so.
func (e *engine) wholeParty(i int32) (Party, string) {
	switch t := &e.entries[i]; {
	case t.other == none:
		return Party{}, ""
	case t.whole == PrerequisiteMissing:
		p := &e.in.Rules.Prerequisites[t.other]
		return Party{Kind: DirectoryParty, Name: p.Directory, Directory: p.Directory}, p.Label
	case t.otherIsAcct:
		return e.accountParty(t.other), ""
	default:
		return e.entryParty(t.other), ""
	}
}

func (e *engine) accountParty(a int32) Party {
	account := &e.in.Accounts[a]
	p := Party{Kind: AccountParty, Name: account.Primary.String(), Directory: account.Directory}
	if e.accounts[a].is(foreign) {
		mark := e.in.Merged.Bars[a].Foreign
		p.Directory, p.Owner = mark.Directory, cmp.Or(mark.By, unnamed)
	}
	return p
}

// unnamed is what the owner of an account is called whose mark does not say it.
const unnamed = "unnamed"

// because says what the console has to do with a rejected claim.
func (e *engine) because(row *Rejection, cl *claim) {
	switch cl.reason {
	case ConsoleUnsupported:
		o := e.obstacleOf(cl.entry)
		row.Cause, row.Detail, row.Limit, row.Length = o.cause, o.detail, o.limit, o.length
	case PreexistingAddress, OtherDirectory, LocalPrimaryNotAdopted:
		if h := e.holder(cl.id); h != none && h != e.entries[cl.entry].account && e.isBarred(h) {
			row.Cause, row.Detail = e.in.Merged.Bars[h].Cause, e.in.Merged.Bars[h].Detail
		}
	}
}

// obstacleOf says what keeps the console from having the account of an entry, the
// zero obstacle where nothing does.
func (e *engine) obstacleOf(i int32) obstacle {
	if a := e.entries[i].account; e.isBarred(a) {
		return obstacle{cause: e.in.Merged.Bars[a].Cause, detail: e.in.Merged.Bars[a].Detail}
	}
	return e.obstacles[i]
}

// contest names the contenders for an address: the first two in order, those
// that declare it before the others, and how many there are.
type contest struct {
	first, second int32
	n             int
}

func (e *engine) contestFor(id int32) contest {
	k := contest{first: none, second: none}
	before := func(i, j int32) bool {
		if j == none {
			return true
		}
		x, y := e.entries[i].declared == id, e.entries[j].declared == id
		if x != y {
			return x
		}
		return e.compareEntries(i, j) < 0
	}
	for _, c := range e.claimsOn(id) {
		cl := &e.claims[c]
		whole := e.entries[cl.entry].whole
		if whole == noReason && (cl.reason == PublicAddress || e.answer(cl.entry, id) != noReason) {
			continue // it was rejected before
		}
		k.n++
		switch i := cl.entry; {
		case before(i, k.first):
			k.first, k.second = i, k.first
		case before(i, k.second):
			k.second = i
		}
	}
	return k
}

// contender names the first other contender for the address of a claim.
func (e *engine) contender(c int32, contests map[int32]contest) Party {
	cl := &e.claims[c]
	k, ok := contests[cl.id]
	if !ok {
		k = e.contestFor(cl.id)
		contests[cl.id] = k
	}
	other := k.first
	if other == cl.entry {
		other = k.second
	}
	if other == none {
		return Party{}
	}
	p := e.entryParty(other)
	p.More = max(k.n-2, 0)
	return p
}

// blockers are the claims of an entry that show why it has no primary: the one
// on the primary that it lost, and the first one that another entry declares.
type blockers struct{ lost, declared int32 }

func (e *engine) blockersOf(i int32) blockers {
	if b, known := e.blockers[i]; known {
		return b
	}
	t, b := &e.entries[i], blockers{none, none}
	for d := t.first; d < t.end; d++ {
		cl := &e.claims[d]
		if b.lost == none && (d == t.primary || cl.id == t.declared) && cl.reason != NoValidPrimary && cl.reason != noReason {
			b.lost = d
		}
		if e.declarers[cl.id] > 0 && cl.id != t.declared &&
			(b.declared == none || e.text(cl.id).Compare(e.text(e.claims[b.declared].id)) < 0) {
			b.declared = d
		}
	}
	e.blockers[i] = b
	return b
}

// inTheWay names who keeps a claim from being granted, and the label of the
// block that does.
func (e *engine) inTheWay(c int32, contests map[int32]contest) (Party, string) {
	cl := &e.claims[c]
	t := &e.entries[cl.entry]
	if t.whole == cl.reason && t.other != none {
		return e.wholeParty(cl.entry)
	}
	switch cl.reason {
	case AliasRejected, PrimaryRejected:
		return e.contender(c, contests), ""
	case ConsoleUnsupported:
		if t.account != none {
			return e.accountParty(t.account), ""
		}
		return Party{}, ""
	case NoValidPrimary:
		// Whoever keeps the primary from the entry stands in the way of all
		// its addresses. Or another entry declares what could have been it.
		b := e.blockersOf(cl.entry)
		switch {
		case b.lost != none:
			return e.inTheWay(b.lost, contests)
		case e.declarers[cl.id] > 0 && cl.id != t.declared:
			return e.contender(c, contests), ""
		case b.declared != none:
			return e.contender(b.declared, contests), ""
		}
		return Party{}, ""
	}
	if h := e.holder(cl.id); h != none && h != t.account {
		switch cl.reason {
		case LegalHold, ProtectedMove, ProtectedPrimaryToAlias:
			return e.accountParty(h), e.guard(h, cl.id)
		case PreexistingAddress, OtherDirectory, LocalPrimaryNotAdopted:
			return e.accountParty(h), ""
		}
	}
	return Party{}, ""
}
