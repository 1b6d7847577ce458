package plan

import "slices"

// markOwnClaims notes which held addresses are claimed by the entry of their
// own holder, the incumbent.
func (e *engine) markOwnClaims() {
	for c := range e.claims {
		if a := e.entries[e.claims[c].entry].account; a != none && e.holder(e.claims[c].id) == a {
			e.flags[e.claims[c].id] |= ownClaim
		}
	}
}

// answer is what the holder of an address says to the claim of entry i: the
// first line of the package's second table that fits.
func (e *engine) answer(i, id int32) Reason {
	h := e.holder(id)
	t := &e.entries[i]
	if h == none || h == t.account {
		return noReason
	}
	a := &e.accounts[h]
	primary := id == a.first
	if a.hold != none {
		return LegalHold
	}
	if e.active(h) && (e.has(id, protected) || primary && a.is(protectedAlias) && e.orphan(h)) {
		if primary && t.declared != id {
			return ProtectedPrimaryToAlias
		}
		return ProtectedMove
	}
	if id >= e.held { // an inactive account has it nevertheless
		if !e.local(h) && e.entryOrOwnerDir(h) != e.entryDir(i) {
			return OtherDirectory
		}
		return PreexistingAddress
	}
	// The primary of a local account that two entries declare is for their
	// contest to judge.
	contested := primary && t.declared == id && e.declarers[id] > 1
	switch {
	case e.bound(h):
		if !e.has(id, ownClaim) {
			return noReason
		}
		if e.entryDir(a.entry) != e.entryDir(i) {
			return OtherDirectory
		}
		return PreexistingAddress
	case e.local(h):
		if contested {
			return noReason
		}
		if primary {
			return PreexistingAddress
		}
		return LocalPrimaryNotAdopted
	case e.unread(h):
		return OtherDirectory
	}
	return noReason
}

// choosePrimaries gives each entry the first of its declared primary, its
// account's present primary and its other claims in byte order that nothing
// speaks against. An entry for which none is left is rejected whole.
func (e *engine) choosePrimaries() {
	for n := range e.entries {
		i, t := int32(n), &e.entries[n]
		if t.flags&dropped != 0 || t.whole != noReason {
			continue
		}
		t.primary = e.choosePrimary(i)
		if t.account != none && e.accounts[t.account].hold != none {
			e.rejectWhole(i, LegalHold, t.account, true)
		} else if t.primary == none {
			e.rejectWhole(i, NoValidPrimary, none, false)
			e.freeze(t.account)
		}
	}
}

func (e *engine) choosePrimary(i int32) int32 {
	t := &e.entries[i]
	present := int32(none)
	if t.account != none {
		present = e.accounts[t.account].first
	}
	undecided := e.undecided(i)
	best, bestRank := int32(none), 0
	for c := t.first; c < t.end; c++ {
		id := e.claims[c].id
		rank := 1
		switch {
		case e.claims[c].public, undecided && e.claims[c].rival:
			continue
		case id == t.declared:
			rank = 3
		case id == present:
			rank = 2
		case e.declarers[id] > 0 && (t.account == none || e.holder(id) != t.account):
			continue
		}
		if rank < bestRank || e.answer(i, id) != noReason {
			continue
		}
		if rank > bestRank || e.text(id).Compare(e.text(e.claims[best].id)) < 0 {
			best, bestRank = c, rank
		}
	}
	return best
}

// undecided reports whether an entry that lists several candidates for its
// primary must wait for the declared one. Given another candidate as its
// primary, it would declare that one in the next plan. If the declared one is
// the protected primary of an account that nobody is bound to, the account
// would then be declared by the other entry alone, and taken over, or by
// nobody, and lose its aliases: the second plan would undo what the first kept.
func (e *engine) undecided(i int32) bool {
	t := &e.entries[i]
	if t.declared == none {
		return false
	}
	h := e.holder(t.declared)
	if h == none || e.bound(h) || e.accounts[h].first != t.declared || e.answer(i, t.declared) != ProtectedMove {
		return false
	}
	return e.declarers[t.declared] > 1 || e.orphan(h) && !e.aliasesProtected(h)
}

// aliasesProtected reports whether every alias of account a is protected.
func (e *engine) aliasesProtected(a int32) bool {
	for id := e.accounts[a].first + 1; id < e.end(a); id++ {
		if !e.has(id, protected) {
			return false
		}
	}
	return true
}

func (e *engine) freeze(a int32) {
	if a != none {
		e.accounts[a].flags |= frozen
	}
}

// judgePublic rejects the public addresses that may not be aliases of their
// entry's primary. An entry without a primary has no valid claim on any.
func (e *engine) judgePublic() {
	for c := range e.claims {
		cl := &e.claims[c]
		if !cl.public {
			continue
		}
		t := &e.entries[cl.entry]
		if t.primary != none {
			primary := e.text(e.claims[t.primary].id)
			if slices.Contains(e.domains.Of(e.text(cl.id).Domain()).AliasFor, primary.Domain()) {
				continue
			}
		}
		if t.account != none && e.holder(cl.id) == t.account {
			e.flags[cl.id] &^= ownClaim
		}
		if t.whole == noReason {
			cl.reason = PublicAddress
		}
	}
}

// askHolders puts every other claim to the holder of its address. An entry
// that is rejected whole has one reason for all of them, but for the answers
// of holders where it merely has no primary.
func (e *engine) askHolders() {
	for c := range e.claims {
		cl := &e.claims[c]
		switch whole := e.entries[cl.entry].whole; whole {
		case noReason:
			if cl.reason == noReason {
				cl.reason = e.answer(cl.entry, cl.id)
			}
		case NoValidPrimary:
			cl.reason = e.answer(cl.entry, cl.id)
			if cl.reason == noReason {
				cl.reason = NoValidPrimary
			}
		default:
			cl.reason = whole
		}
	}
}
