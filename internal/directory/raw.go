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

// ByObjectGUID reports whether GUID returns the objectGUID of an object, by which
// commands of Active Directory find it. The value of another attribute may be the
// objectGUID of another object.
func (m *Mapper) ByObjectGUID(o filter.Object) bool {
	return (m.guid == "" || m.guid == objectGUID) && least(o, objectGUID) != nil
}

// InActiveDirectory reports whether an object of a directory of the given kind is
// one of Active Directory. A file may be an export of any, which the object tells.
func InActiveDirectory(kind string, o filter.Object) bool {
	return kind == "active_directory" || kind == "ldif" && (least(o, objectGUID) != nil || least(o, "samaccountname") != nil)
}

// Prefix returns the length of the scheme before the colon of an alias
// attribute's value, 0 where there is none.
func Prefix(value []byte) int { return scheme(value) }

// Least returns the least value of an attribute that is not empty, which is
// the one that counts where an entry has one; nil where there is none.
func Least(o filter.Object, attribute string) []byte { return least(o, attribute) }
