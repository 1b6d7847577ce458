package scim

import (
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// index knows who has an address or a mark, as all accounts were read, and as they were
// changed and looked up since.
type index struct {
	at        time.Time       // when the read began
	took      time.Duration   // how long it took
	all       []identity.Live // as they were read
	accounts  map[string]held
	addresses map[identity.Address][]string // refs
	marks     map[identity.Mark][]string
	ledgers   map[ledger]int // how many accounts belong to each
	sample    sample
}

// ledger is what the marks of accounts say of where they belong.
type ledger struct{ owner, lineage string }

// held is what an account has.
type held struct {
	addresses []identity.Address
	mark      identity.Mark
	lineage   string
}

// patience is how old the index may be where nobody can be looked up.
func (x *index) patience() time.Duration { return max(stale, often*x.took) }

// sample is an account on which filters are tested, as it is written in the service.
type sample struct{ ref, email, userName, externalID string }

func newIndex() *index {
	return &index{accounts: map[string]held{}, addresses: map[identity.Address][]string{}, marks: map[identity.Mark][]string{}, ledgers: map[ledger]int{}}
}

// put notes an account as it is now, and the lineage in its mark.
func (x *index) put(l *identity.Live, lineage string) {
	x.drop(l.Ref)
	h := held{mark: l.Mark, lineage: lineage}
	l.EachAddress(func(a identity.Address) {
		if !a.IsZero() {
			h.addresses = append(h.addresses, a)
			x.addresses[a] = append(x.addresses[a], l.Ref)
		}
	})
	if !h.mark.IsZero() {
		x.marks[h.mark] = append(x.marks[h.mark], l.Ref)
		x.ledgers[ledger{h.mark.By, lineage}]++
	}
	x.accounts[l.Ref] = h
}

// drop notes that there is no such account any more.
func (x *index) drop(ref string) {
	h, there := x.accounts[ref]
	if !there {
		return
	}
	for _, a := range h.addresses {
		without(x.addresses, a, ref)
	}
	if !h.mark.IsZero() {
		without(x.marks, h.mark, ref)
		if l := (ledger{h.mark.By, h.lineage}); x.ledgers[l] > 1 {
			x.ledgers[l]--
		} else {
			delete(x.ledgers, l)
		}
	}
	delete(x.accounts, ref)
}

func without[K comparable](m map[K][]string, k K, ref string) {
	if rest := slices.DeleteFunc(m[k], func(r string) bool { return r == ref }); len(rest) > 0 {
		m[k] = rest
	} else {
		delete(m, k)
	}
}

// sampled takes an account for tests of filters, of those that were met so far the one
// that has most.
func (x *index) sampled(r *resource, l *identity.Live) {
	s := sample{ref: r.ID, userName: r.UserName, externalID: r.ExternalID}
	for _, e := range r.Emails {
		if e.Value != "" {
			s.email = e.Value
		}
	}
	if s.fullness() > x.sample.fullness() && l.Odd == "" {
		x.sample = s
	}
}

func (s sample) fullness() (n int) {
	for _, text := range []string{s.email, s.userName, s.externalID} {
		if text != "" {
			n++
		}
	}
	return n
}
