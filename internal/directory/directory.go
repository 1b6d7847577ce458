// Package directory says what a source of entries offers, and makes entries of
// what it holds.
//
// A [Source] is one directory: an LDAP server, or files of one. It holds
// objects, each a name and raw attribute values. A [Scope] selects objects by
// base DN and filter, and an object belongs to the first scope that selects
// it. The scope's [Mapper] then reads the object's values into an
// [identity.Entry]: which address it declares as primary, which others it
// lists, its GUID, its type.
//
//	source ── objects ──> first scope that selects it ── mapper ──> entries
//
// An object that lists no mail address is no entry, whoever selects it.
//
// A read is complete or it has failed: a source that cannot show that nothing
// is missing returns a [ReadError] in place of a receipt.
package directory

import (
	"context"
	"fmt"

	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Source is a directory that can be read.
type Source interface {
	// Read calls emit for every entry of the scopes, which are those of this
	// directory in declared order. The entry is only valid during the call;
	// its texts and slices stay valid. Calls do not overlap; their order means
	// nothing. An error of emit ends the read and is returned as it is.
	//
	// progress, unless nil, hears how far the read is, at most once in ten
	// thousand objects.
	//
	// Scopes that cannot be read are refused before anything is read. When ctx
	// ends, so does the read, with the context's error.
	Read(ctx context.Context, scopes []Scope, emit func(*identity.Entry) error, progress func(Progress)) (identity.Receipt, error)
}

// ProgressEvery is the number of objects between two calls of progress.
const ProgressEvery = 10_000

// Progress tells how far a read is.
type Progress struct {
	// Directory is the directory's label, From the server or file being read.
	Directory, From string
	// Objects counts those looked at so far.
	Objects int
}

// ReadError says that a directory was not, or not completely, read. Nothing
// may be concluded from what was read of it.
type ReadError struct {
	// Directory is the directory's label, From the server or file.
	Directory, From string
	// Line is the line of the file, counted from 1, or 0.
	Line int
	Err  error
}

func (e *ReadError) Error() string {
	at := ""
	if e.Line > 0 {
		at = fmt.Sprintf(":%d", e.Line)
	}
	return fmt.Sprintf("directory %q: %s%s: %v", e.Directory, e.From, at, e.Err)
}

func (e *ReadError) Unwrap() error { return e.Err }

// Scope selects entries of a directory and says how they are read.
type Scope struct {
	// Index is the scope's place in declared order, among the scopes of all
	// directories. Entries carry it.
	Index int32
	Name  string
	// Base is the DN at or below which the objects are; "" is the root.
	Base string
	// Filter is a search filter of RFC 4515; "" selects every object that has
	// the primary attribute or an alias attribute.
	Filter string
	// PrimaryAttribute holds the declared primary address, without prefix.
	PrimaryAttribute string
	// AliasAttributes hold addresses that may bear a prefix such as "smtp:".
	AliasAttributes []string
	// UsernameAttribute may be "".
	UsernameAttribute string
	// GUIDAttribute is "" for objectGUID, or else entryUUID, whichever the
	// object has.
	GUIDAttribute string
	// Type is what the entries are.
	Type EntryType
	// SkipDisabled treats disabled objects as if they were not there.
	SkipDisabled bool
	// Attributes are read beside the above, sorted by Name.
	Attributes []Attribute
}

// Attribute is an attribute of entries, read from one of objects.
type Attribute struct {
	// Name is the entry's, such as "display_name"; Source the directory's,
	// such as "displayName".
	Name, Source string
}

// EntryType is the value of a scope's type argument.
type EntryType string

const (
	// Auto makes lists of groups and users of everything else.
	Auto EntryType = "auto"
	// Users and Lists make every entry of the scope one.
	Users EntryType = "user"
	Lists EntryType = "list"
)

// ParseFilter returns the scope's filter, or the one that stands for none.
func (s *Scope) ParseFilter() (*filter.Filter, error) {
	text := s.Filter
	if text == "" {
		for _, name := range append([]string{s.PrimaryAttribute}, s.AliasAttributes...) {
			if name != "" {
				text += "(" + name + "=*)"
			}
		}
		text = "(|" + text + ")"
	}
	f, err := filter.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("scope %q: filter: %w", s.Name, err)
	}
	return f, nil
}
