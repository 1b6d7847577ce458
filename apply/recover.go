package apply

import (
	"cmp"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
)

// Interrupted is a run that ended before it knew what became of all that it had
// sent.
type Interrupted struct {
	Changes []plan.AccountChange
	// Sent are the steps in the order in which they were sent. A step that was tried
	// again may be there again, and counts as it was sent last.
	Sent []Sent
	// Answers are those that came, by key.
	Answers map[string]Answer
}

// Recovered is what was found out of an interrupted run.
type Recovered struct {
	// Answers are those of the steps that had none.
	Answers []Received
	// Applied counts the changes that the run has made, which Made are the indexes of.
	// Failures are those that it began and has not made.
	Applied  int
	Made     []int32
	Failures []run.Failure
	// Undecided are the accounts that were to be created, and of which nobody can
	// tell whether they were.
	Undecided []identity.Address
	// Wait is how long it takes until the console shows all that was done; then
	// everything is to be read and compared again. The rest is of no use before.
	Wait time.Duration
}

// Recover compares what an interrupted run intended with what a console has, and
// writes into the ledger what the run has made. It may be done again, also with a
// ledger that was saved in between.
//
//	a step without answer   and now                                  then
//	creates                 see [index.judge]
//	changes                 the account is what was wanted           it was made
//	                        else                                     it was not; what else
//	                                                                 happened is drift
//	removes                 the account is not there                 it was made
//	keeps                                                            it was made
//
// Those of a console that publishes as a whole are judged together, see
// [index.published].
func Recover(of Interrupted, l *Ledger, live []identity.Live, facts plan.Facts, now time.Time) (Recovered, error) {
	seen := indexed(live, l)
	owned := l.owners()
	if len(of.Sent) > 0 {
		seen.movedIn(l, &facts, of.Sent[0].By)
	}
	answers, wanted := map[string]Answer{}, wanted(of.Changes)
	for key, a := range of.Answers {
		answers[key] = a
	}
	var out Recovered
	sent, unsure := once(of.Sent), map[int]bool{}
	published, open := otherwise, []*Sent(nil)
	if facts.Publishes {
		for i := range sent {
			if _, answered := answers[sent[i].Key]; !answered && !sent[i].Keep {
				open = append(open, &sent[i])
			}
		}
		published = seen.published(&facts, open)
	}
	for i := range sent {
		s := &sent[i]
		if _, answered := answers[s.Key]; answered {
			continue
		}
		if s.Keep && (len(open) == 0 || published == wasMade) {
			answers[s.Key] = Answer{}
			out.Answers = append(out.Answers, Received{Key: s.Key})
			continue
		}
		var verdict verdict
		var found *identity.Live
		switch {
		case s.Keep: // with what was not published
		case published == otherwise:
			verdict, found = seen.judge(&facts, s)
		default:
			verdict = published
			if s.After != nil && published == wasMade {
				found = seen.byAddress[s.After.Primary]
			}
		}
		if left := s.At.Add(facts.Settles).Sub(now); verdict != wasMade && facts.Settles > 0 && left > 0 {
			out.Wait = max(out.Wait, left)
		}
		var a Answer
		switch verdict {
		case wasMade:
			if found != nil {
				a = Answer{Ref: found.Ref, Rev: found.Rev, Found: found}
			}
		case undecidable:
			unsure[s.Change] = true
			a.Err = &Error{Code: undecidedCode, Message: "it is unknown whether it was made"}
		default:
			a.Err = &Error{Code: Cancelled, Message: "it was not made before the run ended"}
		}
		answers[s.Key] = a
		out.Answers = append(out.Answers, Received{s.Key, a})
	}
	made := map[int][]*Sent{} // the steps of each change that were made and not taken back
	again := map[int]*Sent{}  // those by which accounts were created again
	said := map[int]*Error{}  // what the console has said against a change
	begun := map[int]bool{}
	for i := range sent {
		s := &sent[i]
		done := made[s.Change]
		begun[s.Change] = true
		switch {
		case of.Answers[s.Key].Err != nil:
			said[s.Change] = of.Answers[s.Key].Err
		case answers[s.Key].Err != nil:
		case !s.Back:
			made[s.Change] = append(done, s)
		default:
			made[s.Change] = done[:max(len(done)-1, 0)]
			if s.Creates() {
				again[s.Change] = s
			}
		}
	}
	for i := range of.Changes {
		if !begun[i] {
			continue
		}
		c := &of.Changes[i]
		var s *Sent
		if done := made[i]; len(done) > 0 {
			s = done[len(done)-1]
		}
		final := s != nil && s.Final
		if final {
			out.Applied++
			out.Made = append(out.Made, int32(i))
		} else {
			why := said[i]
			if why == nil {
				why = &Error{Code: Cancelled, Message: "the run was ended before it was made"}
			}
			if unsure[i] {
				why = &Error{Code: undecidedCode, Message: "it is unknown whether it was made: an account without an owner mark holds one of its addresses"}
				out.Undecided = append(out.Undecided, subject(c).Primary)
			}
			out.Failures = append(out.Failures, run.Failure{Account: subject(c).Primary.String(), Error: why.Error()})
		}
		var after *identity.Account
		var placed identity.Placed
		switch {
		case final:
			if a := answers[s.Key]; s.Creates() && a.Ref != "" {
				if l := seen.created(&facts, s, a.Ref, wanted); l == nil {
					answers[s.Key] = Answer{}
				} else if l.Ref != a.Ref {
					answers[s.Key] = Answer{Ref: l.Ref, Rev: l.Rev, Found: l}
				}
			}
			if s.Live != nil && !facts.Publishes && (facts.Settles == 0 || !s.At.Add(facts.Settles).After(now)) {
				if l := seen.of(&facts, &s.Step); l != nil && (s.Removes() || l.Primary != s.After.Primary) {
					continue // it is as it was, whatever the console has said
				}
			}
			after, placed = c.Result(), placedBy(s, answers[s.Key], &facts, c.Result())
		case s != nil && s.After != nil:
			after, placed = s.After, placedBy(s, answers[s.Key], &facts, s.After)
			if by := again[i]; by != nil {
				placed.Ref = answers[by.Key].Ref
			}
		case again[i] != nil:
			s = again[i]
			after, placed = s.After, placedBy(s, answers[s.Key], &facts, s.After)
		case unsure[i]:
			after, placed = c.Result(), identity.Placed{Undecided: true, Applied: identity.Moment(now)}
		default:
			continue
		}
		var err error
		switch recorded := l.recordOf(owned, c, after); {
		case after != nil && !after.Local():
			err = l.Put(recorded, after, placed)
		case !recorded.IsZero():
			err = l.Remove(recorded)
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// once returns each step once, as it was sent last.
func once(all []Sent) (sent []Sent) {
	at := map[string]int{}
	for _, s := range all {
		if i, again := at[s.Key]; again {
			sent[i] = s
			continue
		}
		at[s.Key] = len(sent)
		sent = append(sent, s)
	}
	return sent
}

// movedIn lets the ledger know which of its accounts have another primary now.
func (x *index) movedIn(l *Ledger, f *plan.Facts, by string) {
	for i := range l.accounts {
		a := &l.accounts[i]
		live := x.byMark[mark(by, a)]
		if ref := l.placed[a.Primary].Ref; live == nil && ref != "" && !f.Unstable {
			live = x.byRef[ref]
		}
		if live != nil && live.Primary != a.Primary && !live.Primary.IsZero() {
			l.Moved(a.Primary, live.Primary)
		}
	}
}

// placedBy is what the ledger knows of an account that a step has left as after.
func placedBy(s *Sent, a Answer, f *plan.Facts, after *identity.Account) identity.Placed {
	p := identity.Placed{Ref: a.Ref, Applied: s.At}
	switch {
	case s.Removes():
		p.Ref = ""
	case p.Ref == "" && s.Live != nil:
		p.Ref = s.Live.Ref
	}
	if a.Found != nil && after != nil {
		p.Found = foundAs(f, a.Found, after)
	}
	return p
}

// subject is the account after a change, or before it where nothing is left.
func subject(c *plan.AccountChange) *identity.Account {
	return cmp.Or(c.Result(), c.Before)
}

// recordOf returns the primary of the record that a change is of: of its account
// before or, where the ledger was saved in between, after; zero for none.
func (l *Ledger) recordOf(owned map[owner][]identity.Address, c *plan.AccountChange, after *identity.Account) identity.Address {
	for _, a := range []*identity.Account{after, c.Before} {
		if a == nil || a.Local() {
			continue
		}
		records := owned[ownerOf(a)]
		if len(records) == 1 {
			return records[0]
		}
		if slices.Contains(records, a.Primary) {
			return a.Primary
		}
	}
	return identity.Address{}
}
