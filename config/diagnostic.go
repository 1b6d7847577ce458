package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Severity tells an error, which keeps the configuration from being used, from
// a warning.
type Severity uint8

const (
	Error Severity = iota
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Diagnostic is one problem of a configuration, with the source that it is
// about. It is printed by [Diagnostics.Write]; no field holds a secret.
type Diagnostic struct {
	Severity Severity
	// Summary names the object and what is wrong with it.
	Summary string
	// Hint says what to do; "" where the summary does.
	Hint string
	// File is the path of the file, under the directory as it was given to
	// [Load]; "" for a problem of the whole.
	File string
	// Range is what to look at in File; the zero Range means all of it.
	Range Range

	snippet []snippetLine
}

// Range is a part of a file, from Start up to and without End.
type Range struct{ Start, End Position }

// Position is a place in a file.
type Position struct {
	Line   int // from 1
	Column int // in characters, from 1
	Byte   int // from 0
}

// Error returns the place and the summary in one line.
func (d *Diagnostic) Error() string {
	switch {
	case d.File == "":
		return d.Summary
	case d.Range.Start.Line == 0:
		return d.File + ": " + d.Summary
	}
	return fmt.Sprintf("%s:%d:%d: %s", d.File, d.Range.Start.Line, d.Range.Start.Column, d.Summary)
}

// Diagnostics are in order of file and place; those of the whole come first.
type Diagnostics []Diagnostic

// HasErrors reports whether any of them is an error.
func (ds Diagnostics) HasErrors() bool { return ds.Count(Error) > 0 }

// Count returns how many have the severity.
func (ds Diagnostics) Count(s Severity) int {
	n := 0
	for i := range ds {
		if ds[i].Severity == s {
			n++
		}
	}
	return n
}

// Err returns nil if there is no error, or else an error of one line a problem,
// warnings left out. [Diagnostics.Write] reports more.
func (ds Diagnostics) Err() error {
	var errs []error
	for i := range ds {
		if ds[i].Severity == Error {
			errs = append(errs, &ds[i])
		}
	}
	return errors.Join(errs...)
}

// sorted returns the diagnostics in their order, each of them once.
func (ds Diagnostics) sorted() Diagnostics {
	same := func(a, b Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Range.Start.Byte, b.Range.Start.Byte),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Range.End.Byte, b.Range.End.Byte),
			cmp.Compare(a.Summary, b.Summary),
			cmp.Compare(a.Hint, b.Hint),
		)
	}
	slices.SortFunc(ds, same)
	return slices.CompactFunc(ds, func(a, b Diagnostic) bool { return same(a, b) == 0 })
}
