package plan

// groupClaims groups the claims by address.
func (e *engine) groupClaims() {
	ids := len(e.flags)
	e.groups = make([]int32, ids+1)
	for c := range e.claims {
		e.groups[e.claims[c].id+1]++
	}
	for id := range ids {
		e.groups[id+1] += e.groups[id]
	}
	e.byAddress = make([]int32, len(e.claims))
	next := make([]int32, ids)
	copy(next, e.groups)
	for c := range e.claims {
		id := e.claims[c].id
		e.byAddress[next[id]] = int32(c)
		next[id]++
	}
}

// claimsOn returns the claims on an address.
func (e *engine) claimsOn(id int32) []int32 { return e.byAddress[e.groups[id]:e.groups[id+1]] }

// contends reports whether a claim takes part in the contest for its address:
// it stands, or its entry is rejected whole and cannot win.
func (e *engine) contends(c *claim) bool {
	return c.reason == noReason || e.entries[c.entry].whole != noReason
}

// judgeContests decides every address that several entries contend for and no
// incumbent keeps. The only one that declares it wins; else nobody does.
func (e *engine) judgeContests() {
	e.groupClaims()
	for id := range int32(len(e.flags)) {
		group := e.claimsOn(id)
		if len(group) < 2 || e.has(id, ownClaim) {
			continue
		}
		contenders, declarers := 0, 0
		for _, c := range group {
			if cl := &e.claims[c]; e.contends(cl) {
				contenders++
				if e.entries[cl.entry].declared == id {
					declarers++
				}
			}
		}
		if contenders < 2 {
			continue
		}
		for _, c := range group {
			cl := &e.claims[c]
			if cl.reason != noReason {
				continue
			}
			declares := e.entries[cl.entry].declared == id
			switch {
			case !declares:
				cl.reason = AliasRejected
			case declarers > 1:
				cl.reason = PrimaryRejected
			}
		}
	}
}

// settleFrozen lets the losses spread until nothing changes: what loses its
// primary is stuck, what is stuck freezes its account, and a frozen account
// keeps its addresses from everybody else. An account is not deactivated while
// an entry that could not be served asks for its primary. The entry of an account
// that is frozen for what it is in the console is stuck, too.
func (e *engine) settleFrozen() {
	for a := range e.accounts {
		if e.accounts[a].is(frozen) {
			e.queue = append(e.queue, int32(a))
		}
	}
	for n := range e.entries {
		if t := &e.entries[n]; t.whole == noReason && t.primary != none && (e.claims[t.primary].reason != noReason || e.isBarred(t.account)) {
			e.stick(int32(n))
		}
	}
	for a := range e.accounts {
		e.spare(int32(a))
	}
	e.spread()
	e.rejectStuck()
}

// isBarred reports whether an account, if it is one, is frozen for what it is in the
// console.
func (e *engine) isBarred(a int32) bool { return a != none && e.accounts[a].is(barred) }

// seize freezes an account, and has its addresses rejected to others.
func (e *engine) seize(a int32) {
	if a != none && !e.accounts[a].is(frozen) {
		e.accounts[a].flags |= frozen
		e.queue = append(e.queue, a)
	}
}

// spare freezes an orphan whose primary is declared, but no longer claimed by an
// entry that moves.
func (e *engine) spare(a int32) {
	primary := e.accounts[a].first
	if !e.orphan(a) || e.accounts[a].is(frozen) || e.declarers[primary] == 0 {
		return
	}
	for _, c := range e.claimsOn(primary) {
		cl := &e.claims[c]
		if t := &e.entries[cl.entry]; cl.reason == noReason && !t.stuck() {
			return
		}
	}
	e.seize(a)
}

// stick makes an entry stuck.
func (e *engine) stick(i int32) {
	t := &e.entries[i]
	t.flags |= stuck
	e.seize(t.account)
	for c := t.first; c < t.end; c++ {
		id := e.claims[c].id
		if h := e.holder(id); h != none && e.accounts[h].first == id && e.claims[c].reason == noReason {
			e.spare(h)
		}
	}
}

// spread rejects the addresses of the frozen accounts to the entries of others,
// until nothing changes.
func (e *engine) spread() {
	for len(e.queue) > 0 {
		a := e.queue[len(e.queue)-1]
		e.queue = e.queue[:len(e.queue)-1]
		for id := e.accounts[a].first; id < e.end(a); id++ {
			for _, c := range e.claimsOn(id) {
				cl := &e.claims[c]
				t := &e.entries[cl.entry]
				if cl.reason != noReason || t.account == a {
					continue
				}
				cl.reason = e.frozenAnswer(a, cl.entry)
				if t.primary == c && !t.stuck() {
					e.stick(cl.entry)
				}
			}
		}
	}
}

// rejectStuck rejects what still stands of the claims of stuck entries, but for
// what their accounts have.
func (e *engine) rejectStuck() {
	for n := range e.entries {
		t := &e.entries[n]
		if !t.stuck() {
			continue
		}
		for c := t.first; c < t.end; c++ {
			cl := &e.claims[c]
			switch {
			case cl.reason != noReason:
			case e.isBarred(t.account):
				if !e.inPlace(c) || e.has(cl.id, shared) {
					cl.reason = ConsoleUnsupported
				}
			case t.account == none || !e.active(t.account) || !e.lists(t.account, cl.id):
				cl.reason = NoValidPrimary
			}
		}
	}
}

// inPlace reports whether the account of a claim's entry has the address in the
// role that the entry wants.
func (e *engine) inPlace(c int32) bool {
	t := &e.entries[e.claims[c].entry]
	return e.active(t.account) && e.lists(t.account, e.claims[c].id) && (c == t.primary) == (e.claims[c].id == e.accounts[t.account].first)
}

// entryOrOwnerDir returns the directory of an account's entry, or else of its owner.
func (e *engine) entryOrOwnerDir(a int32) int32 {
	if e.bound(a) {
		return e.entryDir(e.accounts[a].entry)
	}
	return e.accounts[a].dir
}

// frozenAnswer is what a frozen account says to the claim of another entry.
func (e *engine) frozenAnswer(a, i int32) Reason {
	switch {
	case e.accounts[a].hold != none:
		return LegalHold
	case e.entryOrOwnerDir(a) != e.entryDir(i):
		return OtherDirectory
	}
	return PreexistingAddress
}

// granted reports whether some entry that moves was given the address.
func (e *engine) granted(id int32) bool {
	for _, c := range e.claimsOn(id) {
		if t := &e.entries[e.claims[c].entry]; e.claims[c].reason == noReason && t.whole == noReason && !t.stuck() {
			return true
		}
	}
	return false
}
