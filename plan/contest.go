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
// an entry that could not be served asks for its primary.
func (e *engine) settleFrozen() {
	var queue []int32
	freeze := func(a int32) {
		if a != none && !e.accounts[a].is(frozen) {
			e.accounts[a].flags |= frozen
			queue = append(queue, a)
		}
	}
	for a := range e.accounts {
		if e.accounts[a].is(frozen) {
			queue = append(queue, int32(a))
		}
	}
	// spare freezes an orphan whose primary is declared, but no longer
	// claimed by an entry that moves.
	spare := func(a int32) {
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
		freeze(a)
	}
	stick := func(i int32) {
		t := &e.entries[i]
		t.flags |= stuck
		freeze(t.account)
		for c := t.first; c < t.end; c++ {
			id := e.claims[c].id
			if h := e.holder(id); h != none && e.accounts[h].first == id && e.claims[c].reason == noReason {
				spare(h)
			}
		}
	}
	for n := range e.entries {
		if t := &e.entries[n]; t.whole == noReason && t.primary != none && e.claims[t.primary].reason != noReason {
			stick(int32(n))
		}
	}
	for a := range e.accounts {
		spare(int32(a))
	}
	for len(queue) > 0 {
		a := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for id := e.accounts[a].first; id < e.end(a); id++ {
			for _, c := range e.claimsOn(id) {
				cl := &e.claims[c]
				t := &e.entries[cl.entry]
				if cl.reason != noReason || t.account == a {
					continue
				}
				cl.reason = e.frozenAnswer(a, cl.entry)
				if t.primary == c && !t.stuck() {
					stick(cl.entry)
				}
			}
		}
	}
	for n := range e.entries {
		t := &e.entries[n]
		if !t.stuck() {
			continue
		}
		for c := t.first; c < t.end; c++ {
			cl := &e.claims[c]
			if cl.reason == noReason && (t.account == none || !e.active(t.account) || e.holder(cl.id) != t.account) {
				cl.reason = NoValidPrimary
			}
		}
	}
}

// frozenAnswer is what a frozen account says to the claim of another entry.
func (e *engine) frozenAnswer(a, i int32) Reason {
	acct := &e.accounts[a]
	dir := acct.dir
	if e.bound(a) {
		dir = e.entryDir(acct.entry)
	}
	switch {
	case acct.hold != none:
		return LegalHold
	case dir != e.entryDir(i):
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
