// Package ldif reads directories from LDIF files (RFC 2849), in the shapes in
// which servers and their tools write them: ldapsearch with or without -LLL,
// slapcat and rollcall's own snapshots.
//
// A file is read as a stream of records, one an object, and only the
// attributes that a scope reads are decoded. Change records, values in other
// files and whatever shows that an export is incomplete end the read: an
// object that is missing in a file must not be taken for one that is gone.
//
// A [Snapshot] is LDIF too. Comments in it say for which scopes it was made and
// which of them took each object, so that a read of the same scopes gives what
// the directory gave, also where only a server can judge a filter:
//
//	# rollcall-scopes: sha256:...      the bases and filters of the scopes
//	# rollcall-attributes: mail ...    what was asked for
//	version: 1
//
//	# rollcall-scope: 1                the first scope took what follows
//	dn: cn=Ann,dc=example
//	mail: ann@example.com
//
//	# rollcall-objects: 1              the last line: how many there are
//
// A read of other scopes takes it for any LDIF file, but not where it lacks an
// attribute that these read. One without its last line is refused.
package ldif

import (
	"fmt"
	"io"

	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

// New returns the directory of this label. The patterns are paths, or globs as
// in [filepath.Match]; no file is touched before they are read.
func New(label string, patterns []string) *files.Source { return files.New(label, patterns, open) }

// LackingError says that a snapshot was made without an attribute that is read.
type LackingError struct{ Attribute string }

func (e *LackingError) Error() string {
	return fmt.Sprintf("the snapshot was made without the attribute %s, which is read now; make it again", e.Attribute)
}

// records are those of a file.
type records struct {
	*reader
	want  *files.Wanted
	about files.About
	begun bool
}

func open(file io.Reader, want *files.Wanted) files.Records {
	r := newReader(file, want.Attributes, &want.Texts, want.Below)
	r.marks.wanted = want.Digest
	return &records{reader: r, want: want}
}

// Next implements [files.Records].
func (r *records) Next() (files.Record, error) {
	rec, err := r.record()
	if err != nil && err != io.EOF {
		return nil, err
	}
	r.about.Recorded, r.about.References = r.marks.recorded, r.references
	if !r.begun {
		r.begun = true
		if lacking := r.begin(); lacking != nil {
			return nil, lacking
		}
	}
	return rec, err
}

// begin judges the marks of a snapshot, which its first object follows.
func (r *records) begin() error {
	if !r.marks.snapshot {
		return nil
	}
	missing := r.marks.missing(r.want.Selection.Attributes)
	note := "the scopes have changed since the snapshot " + r.want.Name + " was made: what none of them selected then is not in it, and counts as not there"
	switch {
	case r.want.Anywhere:
		if note = "the snapshot " + r.want.Name + " holds no object but those that a scope selected when it was made"; missing != "" {
			note += ", and not their attribute " + missing
		}
	case missing != "":
		return &LackingError{missing}
	case r.marks.recorded:
		return nil
	}
	r.about.Notes = append(r.about.Notes, note)
	return nil
}

// About implements [files.Records].
func (r *records) About() *files.About { return &r.about }
