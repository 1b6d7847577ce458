// Package directory says what a source of entries offers, and makes entries of
// what it holds.
//
// A [Source] is one directory: an LDAP server, or files of one. It holds
// objects, each a name and raw attribute values. A [Scope] selects objects by
// base DN and filter, and an object belongs to the first scope that selects
// it. A [Sink] takes the objects: the [Collector] reads their values into
// [identity.Entry] values by the scope's [Mapper], and a snapshot writes them
// to a file.
//
//	source ── objects, each of the first scope that selects it ──> sink
//	                            collector: mapper ──> entries
//	                            snapshot:         ──> LDIF
//
// An object that lists no mail address is no entry, whoever selects it.
//
// A read is complete or it has failed: a source that cannot show that nothing
// is missing returns a [ReadError] in place of a receipt.
package directory

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Source is a directory that can be read.
type Source interface {
	// Read gives the sink every object of the scopes, which are those of this
	// directory in declared order. An error of the sink ends the read and is
	// returned as it is.
	//
	// progress, unless nil, hears now and then how far the read is.
	//
	// Scopes that cannot be read are refused before anything is read. When ctx
	// ends, so does the read, with the context's error. The receipt leaves Kind and
	// what of the objects are entries to who reads.
	Read(ctx context.Context, scopes []Scope, sink Sink, progress func(Progress)) (identity.Receipt, error)
}

// Locator is a source that can say what became of objects which a read did not
// give. An answer decides nothing: it is shown to whoever reads the plan.
type Locator interface {
	// Locate looks the GUIDs up in all of the directory, among its deleted objects
	// too where those may be read. scopes are those that Read is given, whose GUID
	// attributes it goes by. What is not in the answer was not found.
	Locate(ctx context.Context, guids []identity.GUID, scopes []Scope) (map[identity.GUID]Located, error)
}

// Located is an object that a [Locator] found. The first of the flags that is
// set says why it is no entry; without one, it is outside every scope.
type Located struct {
	DN string
	// Deleted marks an object that is kept for a while after its deletion,
	// Disabled one in a scope that skips disabled objects, and WithoutAddress one
	// in a scope that lists no mail address by the attributes of that.
	Deleted, Disabled, WithoutAddress bool
}

// Object is what a directory holds under one name. It is only valid during
// the call that it is given to.
type Object interface {
	filter.Object
	// Attributes yields the attributes that were read, by name as the source
	// writes it, in the order of the source. Values with options come under a name
	// with these, as in "mail;lang-de".
	Attributes() iter.Seq2[string, [][]byte]
	// Options returns the options of value n of an attribute, which is named as
	// for Values; "" for a value without. They are what [Options] keeps.
	Options(attribute string, n int) string
}

// Sink takes what a source reads. Its calls do not overlap, and the order of
// the objects means nothing.
type Sink interface {
	// Put takes an object of the scope, which is an index into the scopes that
	// are read. Objects are numbered from 0 in the order in which they are put.
	Put(scope int, o Object) error
	// Replace takes a newer version of object n, or, where o is nil, takes
	// object n for one that is not there any more.
	Replace(n, scope int, o Object) error
	// Reset forgets all objects: the read starts over, and the next object is
	// number 0.
	Reset() error
}

// Progress says how far a read is.
type Progress struct {
	// Directory is the directory's label, From the server or file being read.
	Directory, From string
	// Objects counts those looked at so far.
	Objects int
	// Doing is what the source says that it does; "" for nothing.
	Doing string
}

// ReadError says that a directory was not, or not completely, read. Nothing
// may be concluded from what was read of it.
type ReadError struct {
	// Directory is the directory's label, From the server or file; "" where there is one
	// place alone, which Err names.
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
	return fmt.Sprintf("directory %q: %s%v", e.Directory, behind(e.From+at), e.Err)
}

// behind is where an error is from, as it stands before what it is.
func behind(from string) string {
	if from == "" {
		return ""
	}
	return from + ": "
}

func (e *ReadError) Unwrap() error { return e.Err }

// HintOf returns what an error, or one that it wraps, says to do next in its
// method Hint; "" for none.
func HintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// RefusedError says that a server refused the login. It must not be tried
// again: a few more refusals lock the account.
type RefusedError struct {
	// Directory is the directory's label, From the server.
	Directory, From string
	Err             error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("directory %q: %s%v", e.Directory, behind(e.From), e.Err)
}

func (e *RefusedError) Unwrap() error { return e.Err }

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
	// Keyspace, unless "", lets the GUID attribute hold any text by which an object
	// is known. One that is no GUID stands for the name-based UUID (RFC 9562 section
	// 5.5) of KEYSPACE:TEXT; the space is the label of the directory, so that the
	// same number of two directories is not the same object.
	Keyspace string
	// Type is what the entries are.
	Type EntryType
	// SkipDisabled treats disabled objects as if they were not there.
	SkipDisabled bool
	// Attributes are read beside the above, sorted by Name.
	Attributes []Attribute
	// Named are those of the attributes above that somebody named. A file that says
	// which attributes it has must have them.
	Named []string
	// Listing marks the read of a prerequisite, which takes the values of
	// PrimaryAttribute and makes no entries.
	Listing bool
	// Whole asks for all that any such scope reads, and what their filters test,
	// so that other filters can be judged, and other scopes read, without the
	// server.
	Whole bool
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

// ParseGUID reads the GUID of an object of the scope as somebody writes it: in a
// [Scope.Keyspace], the text by which the object is known.
func (s *Scope) ParseGUID(text string) (identity.GUID, error) {
	if s.Keyspace != "" && s.GUIDAttribute != "" {
		if g := keyed(s.Keyspace, text); !g.IsZero() {
			return g, nil
		}
	}
	return identity.ParseGUID(text)
}
