package apply

import (
	"fmt"
	"maps"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Ledger is what a state records of the accounts of a console, and changes while
// a plan is applied. Accounts are named by the primary that they had in it at
// first.
type Ledger struct {
	accounts []identity.Account // in byte order of their primaries
	placed   map[identity.Address]identity.Placed
	changed  []*entry // by index of accounts; nil until one is put or removed
	created  []*entry
	now      map[identity.Address]*entry           // what was put, by primary; nil where the ledger is the console
	known    map[string]bool                       // refs; nil until somebody asks
	moved    map[identity.Address]identity.Address // primaries now, by those at first
}

// entry is an account on its way from one state to the next.
type entry struct {
	account *identity.Account // nil for one that is gone
	placed  identity.Placed
}

// NewLedger makes a ledger of accounts, which must be in byte order of their
// primaries and are not changed, and of what is known of them in the console; nil
// where the ledger is the console.
func NewLedger(accounts []identity.Account, placed map[identity.Address]identity.Placed) *Ledger {
	l := &Ledger{accounts: accounts, placed: placed}
	if placed != nil {
		l.now = map[identity.Address]*entry{}
	}
	return l
}

// change puts an entry in place of the account that had the primary at first.
func (l *Ledger) change(was identity.Address, e *entry) error {
	i, there := slices.BinarySearchFunc(l.accounts, was, func(a identity.Account, x identity.Address) int { return a.Primary.Compare(x) })
	if !there {
		return fmt.Errorf("the ledger has no account %s", was)
	}
	if l.changed == nil {
		l.changed = make([]*entry, len(l.accounts))
	}
	l.changed[i] = e
	return nil
}

// Put records an account, which does not change any more: in place of the one that
// had the primary was at first, or, for the zero address, beside the others.
func (l *Ledger) Put(was identity.Address, account *identity.Account, placed identity.Placed) error {
	e := &entry{account, placed}
	if was.IsZero() {
		l.created = append(l.created, e)
	} else if err := l.change(was, e); err != nil {
		return err
	}
	if l.now != nil {
		l.now[account.Primary] = e
	}
	if l.known != nil && placed.Ref != "" {
		l.known[placed.Ref] = true
	}
	return nil
}

// Remove drops the record of an account.
func (l *Ledger) Remove(was identity.Address) error { return l.change(was, &entry{}) }

// Placed returns what is known of the account that had the primary at first.
func (l *Ledger) Placed(primary identity.Address) identity.Placed { return l.placed[primary] }

// restore takes back what was put for the account that had the primary was at first,
// or that it was removed.
func (l *Ledger) restore(was identity.Address, put *identity.Account) {
	i, there := slices.BinarySearchFunc(l.accounts, was, func(a identity.Account, x identity.Address) int { return a.Primary.Compare(x) })
	if !there || l.changed == nil {
		return
	}
	if put != nil && l.now[put.Primary] == l.changed[i] {
		delete(l.now, put.Primary)
	}
	l.changed[i] = nil
}

// Moved says that the account which had the primary was at first has another one in
// the console. Its record is not touched; but should somebody else get the address, it
// is kept under the one that the account has now.
func (l *Ledger) Moved(was, now identity.Address) {
	if l.moved == nil {
		l.moved = map[identity.Address]identity.Address{}
	}
	l.moved[was] = now
}

// refs returns the refs of all accounts, at first and now.
func (l *Ledger) refs() map[string]bool {
	if l.known == nil {
		l.known = make(map[string]bool, len(l.placed))
		for _, p := range l.placed {
			if p.Ref != "" {
				l.known[p.Ref] = true
			}
		}
		for _, e := range l.now {
			if e.placed.Ref != "" {
				l.known[e.placed.Ref] = true
			}
		}
	}
	return l.known
}

// latest returns what is known of an account that was put, by its primary now.
func (l *Ledger) latest(primary identity.Address) identity.Placed {
	if e := l.now[primary]; e != nil {
		return e.placed
	}
	return identity.Placed{}
}

// found records which account one that was put is, and how it was read back.
func (l *Ledger) found(primary identity.Address, ref string, as *identity.Account) {
	if e := l.now[primary]; e != nil {
		e.placed.Ref, e.placed.Found = ref, as
	}
}

// Accounts returns all accounts as they are now, in byte order of their primaries,
// and what is known of them in the console.
func (l *Ledger) Accounts() ([]identity.Account, map[identity.Address]identity.Placed) {
	var changed []*identity.Account
	placed := maps.Clone(l.placed)
	for i, e := range l.changed {
		if e != nil {
			delete(placed, l.accounts[i].Primary)
		}
	}
	for _, list := range [...][]*entry{l.changed, l.created} {
		for _, e := range list {
			if e == nil || e.account == nil {
				continue
			}
			changed = append(changed, e.account)
			if placed != nil {
				placed[e.account.Primary] = e.placed
			}
		}
	}
	slices.SortFunc(changed, func(a, b *identity.Account) int { return a.Primary.Compare(b.Primary) })
	all := make([]identity.Account, 0, len(l.accounts)+len(changed))
	var replaced []identity.Account
	for i := range l.accounts {
		a := &l.accounts[i]
		if l.changed != nil && l.changed[i] != nil {
			continue
		}
		for len(changed) > 0 && changed[0].Primary.Compare(a.Primary) < 0 {
			all, changed = append(all, *changed[0]), changed[1:]
		}
		if l.placed != nil && len(changed) > 0 && changed[0].Primary == a.Primary {
			replaced = append(replaced, *a)
			continue
		}
		all = append(all, *a)
	}
	for _, a := range changed {
		all = append(all, *a)
	}
	return l.displaced(all, placed, replaced), placed
}

// displaced returns the accounts with those whose primaries the console has let
// others have: they are gone, or have moved, and may so take the place of others
// that have.
func (l *Ledger) displaced(all []identity.Account, placed map[identity.Address]identity.Placed, replaced []identity.Account) []identity.Account {
	for ; len(replaced) > 0; replaced = replaced[1:] {
		a := replaced[0]
		now, moved := l.moved[a.Primary]
		if !moved || l.now[now] != nil {
			continue
		}
		n, taken := slices.BinarySearchFunc(all, now, func(a identity.Account, x identity.Address) int { return a.Primary.Compare(x) })
		if taken {
			replaced = append(replaced, all[n])
			all = slices.Delete(all, n, n+1)
		}
		placed[now] = l.placed[a.Primary]
		a.Primary, a.Aliases = now, slices.DeleteFunc(slices.Clone(a.Aliases), func(x identity.Address) bool { return x == now })
		all = slices.Insert(all, n, a)
	}
	return all
}

// owner is who owns an account.
type owner struct {
	directory string
	guid      identity.GUID
}

func ownerOf(a *identity.Account) owner { return owner{a.Directory, a.GUID} }

// owners returns the primaries of the accounts of the ledger by their owners.
func (l *Ledger) owners() map[owner][]identity.Address {
	all := map[owner][]identity.Address{}
	for i := range l.accounts {
		o := ownerOf(&l.accounts[i])
		all[o] = append(all[o], l.accounts[i].Primary)
	}
	return all
}
