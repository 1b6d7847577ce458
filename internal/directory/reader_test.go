package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// listed is a source that gives objects, and then fails if it has an error.
type listed struct {
	objects []values
	err     error
	reads   int
}

func (l *listed) Read(_ context.Context, _ []Scope, sink Sink, progress func(Progress)) (identity.Receipt, error) {
	l.reads++
	for i := range l.objects {
		if err := sink.Put(0, l.objects[i]); err != nil {
			return identity.Receipt{}, err
		}
	}
	if progress != nil {
		progress(Progress{Objects: len(l.objects)})
	}
	return identity.Receipt{Name: "its own", Kind: "its own", Server: "server", Complete: true}, l.err
}

func person(name string) values { return values{"mail": name + "@example.com"} }

func declaredAs(name string, source Source) Directory {
	return Directory{Name: name, Kind: Kind{Kind: settings.Kind{Name: "kind of " + name}}, Source: source, Scopes: []Scope{staff()}}
}

// TestEntries: the entries of all directories come with a receipt each, that says
// what kind they are of and which snapshot stands in for them.
func TestEntries(t *testing.T) {
	var heard []int
	saved := declaredAs("lab", &listed{objects: []values{person("bob"), {"cn": "nobody"}}})
	saved.Snapshot = "monday/lab.ldif"
	r := Reader{
		Directories: []Directory{declaredAs("corp", &listed{objects: []values{person("ann")}}), saved},
		Progress:    func(p Progress) { heard = append(heard, p.Objects) },
	}
	entries, receipts, err := r.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Primaries...)
	}
	for _, r := range receipts {
		got = append(got, fmt.Sprintf("%s, %s, %d", r.Kind, r.Server, r.Entries))
	}
	want := []string{"ann@example.com", "bob@example.com", "kind of corp, server, 1", "kind of lab, snapshot monday/lab.ldif, 1"}
	if !slices.Equal(got, want) || !slices.Equal(heard, []int{1, 2}) {
		t.Errorf("%q after %v\nwant %q", got, heard, want)
	}
}

// TestIncomplete: of directories of which one is not read completely there is
// nothing, and those behind it are not read. An interrupt is nothing but that.
func TestIncomplete(t *testing.T) {
	down := &ReadError{Directory: "corp", From: "server", Err: errors.New("down")}
	for _, c := range []struct{ fault, want error }{
		{down, down},
		{context.Canceled, context.Canceled},
		{&ReadError{Directory: "corp", From: "server", Err: context.Canceled}, context.Canceled},
	} {
		last := &listed{}
		r := Reader{Directories: []Directory{
			declaredAs("first", &listed{objects: []values{person("ann")}}), declaredAs("corp", &listed{objects: []values{person("bob")}, err: c.fault}), declaredAs("last", last),
		}}
		if entries, receipts, err := r.Entries(t.Context()); entries != nil || receipts != nil || err != c.want || last.reads > 0 {
			t.Errorf("%v: %d entries, %d receipts, %v, and %d more reads", c.fault, len(entries), len(receipts), err, last.reads)
		}
	}
}

// TestDiagnoseAny: a source that cannot test its way is read, and that of which
// nothing can be read does not hide the others.
func TestDiagnoseAny(t *testing.T) {
	r := Reader{Directories: []Directory{declaredAs("corp", &listed{err: errors.New("down")}), declaredAs("lab", &listed{objects: []values{person("ann")}})}}
	reports, err := r.Diagnose(t.Context(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, report := range reports {
		for _, check := range report.Checks {
			got = append(got, fmt.Sprintf("%s %s: %s %s", report.Kind, report.Name, check.Name, check.Status))
		}
	}
	want := []string{
		"kind of corp corp: read " + string(doctor.Failed), "kind of corp corp: entries " + string(doctor.Skipped),
		"kind of lab lab: read " + string(doctor.OK), "kind of lab lab: entries " + string(doctor.Warning), // it has no GUID
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
