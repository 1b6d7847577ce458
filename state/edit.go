package state

import (
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Primary returns the account with the given primary, or nil.
func (s *State) Primary(x identity.Address) *identity.Account {
	i, ok := slices.BinarySearchFunc(s.Accounts, x, func(a identity.Account, x identity.Address) int { return a.Primary.Compare(x) })
	if !ok {
		return nil
	}
	return &s.Accounts[i]
}

// Find returns the account that holds an address, as primary or as alias, or
// nil.
func (s *State) Find(x identity.Address) *identity.Account {
	if a := s.Primary(x); a != nil {
		return a
	}
	for i := range s.Accounts {
		if s.Accounts[i].Holds(x) {
			return &s.Accounts[i]
		}
	}
	return nil
}

// Rebind makes the object of a directory that has a GUID the owner of an account,
// local or not.
func (s *State) Rebind(a *identity.Account, directory string, guid identity.GUID) error {
	for i := range s.Accounts {
		if b := &s.Accounts[i]; b != a && b.Directory == directory && b.GUID == guid {
			return fmt.Errorf("GUID %s of directory %q belongs to account %s", guid, directory, b.Primary)
		}
	}
	a.Directory, a.GUID = directory, guid
	return nil
}

// Release makes an account local. One that is local drops the GUID that it records.
func (s *State) Release(a *identity.Account) error {
	if a.Local() && a.GUID.IsZero() {
		return fmt.Errorf("account %s is local already", a.Primary)
	}
	a.Directory, a.GUID = "", identity.GUID{}
	return nil
}

// Forget drops the record of an inactive account.
func (s *State) Forget(a *identity.Account) error {
	if a.Active() {
		return fmt.Errorf("account %s is active: only an inactive record can be forgotten", a.Primary)
	}
	s.drop(a.Primary)
	return nil
}

// Remove drops a local account, active or not.
func (s *State) Remove(a *identity.Account) error {
	if !a.Local() {
		return fmt.Errorf("account %s belongs to directory %q: only a local account can be removed", a.Primary, a.Directory)
	}
	s.drop(a.Primary)
	return nil
}

func (s *State) drop(primary identity.Address) {
	delete(s.Placed, primary)
	s.Accounts = slices.DeleteFunc(s.Accounts, func(a identity.Account) bool { return a.Primary == primary })
}
