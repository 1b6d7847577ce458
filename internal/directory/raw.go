package directory

import "github.com/rollcall-cli/rollcall/internal/filter"

// Absent says why an object that lists an address is no entry of the scope
// nevertheless: Deleted, Conflict, System or Disabled; "" if it is one.
func (m *Mapper) Absent(o filter.Object) ObstacleKind {
	switch {
	case isDeleted(o):
		return Deleted
	case isConflict(o):
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
func (m *Mapper) ByObjectGUID(o Object) bool {
	return (m.guid == "" || m.guid == objectGUID) && plainest(o, objectGUID) != nil
}

// InActiveDirectory reports whether an object of a directory of the given kind is
// one of Active Directory. A file may be an export of any, which the object shows.
func InActiveDirectory(kind string, o Object) bool {
	return kind == "active_directory" || (kind == "ldif" || kind == "csv") && (plainest(o, objectGUID) != nil || plainest(o, "samaccountname") != nil)
}

// IsRow reports whether an object of a directory of the given kind is a row of
// something other than a directory server, such as a system for human resources, or
// comes from a connector, so that no command of such servers changes it.
func IsRow(kind string, o Object) bool {
	return kind == "exec" || kind == "csv" && !InActiveDirectory(kind, o)
}

// Prefix returns the length of the scheme before the colon of an alias
// attribute's value, 0 where there is none.
func Prefix(value []byte) int { return scheme(value) }

// Plainest returns the value of an attribute that counts where an entry has one:
// the least that is not empty, of those in no language if there are any; nil
// where there is none.
func Plainest(o Object, attribute string) []byte { return plainest(o, attribute) }
