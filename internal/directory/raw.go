package directory

import "github.com/rollcall-cli/rollcall/internal/filter"

// Absent says why an object that lists an address is no entry of the scope
// nevertheless: Conflict, System or Disabled; "" if it is one.
func (m *Mapper) Absent(o filter.Object) ObstacleKind {
	switch {
	case isConflict(o.DN()):
		return Conflict
	case isSystem(o):
		return System
	case m.disabled && isDisabled(o):
		return Disabled
	}
	return ""
}

// Prefix returns the length of the scheme before the colon of an alias
// attribute's value, 0 where there is none.
func Prefix(value []byte) int { return scheme(value) }

// Least returns the least value of an attribute that is not empty, which is
// the one that counts where an entry has one; nil where there is none.
func Least(o filter.Object, attribute string) []byte { return least(o, attribute) }
