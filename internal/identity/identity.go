// Package identity holds the nouns that every other package shares: the mail
// [Address], the [GUID], the distinguished name, the directory [Entry] and the
// console [Account].
//
// A value of these types is canonical from the moment it exists. An Address is
// well-formed and lower case, a GUID is sixteen bytes in the order in which it
// is read aloud, and two of either are equal when Go says so. Text that is not
// yet known to be well-formed stays a plain string until it is parsed, at the
// edge where it entered the program.
//
// The package depends on the standard library's text packages alone: no files,
// no network, no clock.
package identity

import (
	"fmt"
	"slices"
)

// Type says what an account or an entry is for.
type Type uint8

const (
	// User is a single recipient.
	User Type = iota
	// List is a distribution list.
	List
)

// String returns "user" or "list", the spelling of plans and state files.
func (t Type) String() string {
	if t == List {
		return "list"
	}
	return "user"
}

// ParseType reads "user" or "list".
func ParseType(s string) (Type, error) {
	switch s {
	case "user":
		return User, nil
	case "list":
		return List, nil
	}
	return User, fmt.Errorf("type %s is neither \"user\" nor \"list\"", shown(s))
}

// Status says whether an account's addresses receive mail.
type Status uint8

const (
	// Active accounts hold their primary and their aliases.
	Active Status = iota
	// Inactive accounts hold their primary alone, so that nobody else is
	// given it by accident.
	Inactive
)

// String returns "active" or "inactive", the spelling of plans and state files.
func (s Status) String() string {
	if s == Inactive {
		return "inactive"
	}
	return "active"
}

// ParseStatus reads "active" or "inactive".
func ParseStatus(s string) (Status, error) {
	switch s {
	case "active":
		return Active, nil
	case "inactive":
		return Inactive, nil
	}
	return Active, fmt.Errorf("status %s is neither \"active\" nor \"inactive\"", shown(s))
}

// Attribute is a named text value. The names are rollcall's own, such as
// "display_name", not those of a directory schema.
type Attribute struct {
	Name, Value string
}

// DisplayName is the name of the attribute that every scope reads.
const DisplayName = "display_name"

// Lookup returns the value of the named attribute, or "" where there is none.
func Lookup(attrs []Attribute, name string) string {
	for i := range attrs {
		if attrs[i].Name == name {
			return attrs[i].Value
		}
	}
	return ""
}

// Entry is one object that a directory returned for a scope, reduced to what
// the rules of reconciliation read.
type Entry struct {
	// GUID identifies the object within its directory; the zero GUID means
	// that it has none.
	GUID GUID
	// DN is the distinguished name as the server wrote it (RFC 4514).
	DN string
	// Username is the value of the scope's username attribute, or "".
	Username string
	// Primaries are the candidates for the declared primary, trimmed and
	// without prefix, as written: the values that began with "SMTP:", or, if
	// there were none, those of the primary attribute.
	Primaries []string
	// Mail are the values of the primary attribute, trimmed and in the order of
	// the directory, where there are several candidates: the first that is
	// well-formed may say which of them is meant.
	Mail []string
	// Aliases are the other addresses, trimmed and without prefix, as written.
	Aliases []string
	// Attributes are sorted by name; none is empty.
	Attributes []Attribute
	// Scope is the index of the entry's scope, in declared order.
	Scope int32
	// Type is what the scope makes of the object's class.
	Type Type
}

// Equal reports whether two entries are the same in everything.
func (e *Entry) Equal(f *Entry) bool {
	return e.GUID == f.GUID && e.DN == f.DN && e.Username == f.Username && e.Scope == f.Scope && e.Type == f.Type &&
		slices.Equal(e.Primaries, f.Primaries) && slices.Equal(e.Mail, f.Mail) && slices.Equal(e.Aliases, f.Aliases) && slices.Equal(e.Attributes, f.Attributes)
}

// Account is one record of the console.
type Account struct {
	// Primary is the account's primary address.
	Primary Address
	// Aliases are its other addresses in byte order; an inactive account has
	// none.
	Aliases []Address
	// Directory is the label of the owning directory; "" makes the account
	// local.
	Directory string
	// GUID is the owner's GUID in that directory.
	GUID GUID
	// Username and DN are as they were last read.
	Username string
	DN       string
	// Attributes are sorted by name; none is empty.
	Attributes []Attribute
	Type       Type
	Status     Status
}

// Local reports whether no directory owns the account.
func (a *Account) Local() bool { return a.Directory == "" }

// Active reports whether the account receives mail.
func (a *Account) Active() bool { return a.Status == Active }

// Holds reports whether the address is the account's primary or an alias of it.
func (a *Account) Holds(x Address) bool {
	if a.Primary == x {
		return true
	}
	_, alias := slices.BinarySearchFunc(a.Aliases, x, Address.Compare)
	return alias
}

// EachAddress calls f with the account's primary and its aliases, active or
// not; with none for no account.
func (a *Account) EachAddress(f func(Address)) {
	if a == nil {
		return
	}
	f(a.Primary)
	for _, x := range a.Aliases {
		f(x)
	}
}
