package directory

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Directory is a directory as it is declared: a source of a kind, and what is
// read of it.
type Directory struct {
	Name string
	// SavedAs is what a snapshot calls the file of the scopes, without extension.
	SavedAs string
	Kind    Kind
	// Source is nil in a directory that nobody is going to read.
	Source Source
	// Scopes are those of this directory, in declared order.
	Scopes []Scope
	// Snapshot names the file of a snapshot that the source is, for the receipt of
	// a plan; "" where the source is the directory itself.
	Snapshot string
}

// Diagnoser is a source that can test the way to what it reads.
type Diagnoser interface {
	// Diagnose tests all that a read of the scopes needs, and then reads them. It
	// changes nothing. now returns the time. The error is that of ctx; what else goes
	// wrong is in the report.
	Diagnose(ctx context.Context, scopes []Scope, now func() time.Time, progress func(Progress)) (*doctor.Report, error)
}

// Filed is a source that is files, which nothing may replace while they are read.
type Filed interface {
	// Files returns the paths of the files.
	Files() ([]string, error)
	// Patterns returns what the files are found by: paths, or patterns of
	// [filepath.Match].
	Patterns() []string
}

// Reader is the one loop that reads directories, for every command: one after the
// other, in their order. The first that is not read completely ends it, and
// nothing may be concluded from the others. When the context ends, the error is
// [context.Canceled].
type Reader struct {
	Directories []Directory
	// Progress, unless nil, hears now and then how far the read is.
	Progress func(Progress)
}

// Objects gives the objects of each directory to the sink that begin returns for
// it, and the receipt of the complete read, with the kind of the directory, to
// end.
func (r *Reader) Objects(ctx context.Context, begin func(*Directory) (Sink, error), end func(*Directory, identity.Receipt) error) error {
	for i := range r.Directories {
		d := &r.Directories[i]
		sink, err := begin(d)
		if err != nil {
			return err
		}
		receipt, err := d.Source.Read(ctx, d.Scopes, sink, r.Progress)
		if err != nil {
			return ended(err)
		}
		receipt.Kind = d.Kind.Name
		if err := end(d, receipt); err != nil {
			return err
		}
	}
	return nil
}

// Receipt is the receipt of a read as plans show it: that of a snapshot names it.
func (d *Directory) Receipt(r identity.Receipt) identity.Receipt {
	if d.Snapshot != "" {
		r.Server = ofSnapshot + d.Snapshot
	}
	return r
}

const ofSnapshot = "snapshot "

// OfSnapshot reports whether a receipt, as plans show it, is of a snapshot.
func OfSnapshot(r *identity.Receipt) bool { return strings.HasPrefix(r.Server, ofSnapshot) }

// ended is an error without what was under way when somebody interrupted it.
func ended(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	return err
}

// Entries returns the entries of all directories, and the receipt of each, as it
// stands in a plan.
func (r *Reader) Entries(ctx context.Context) (entries []identity.Entry, receipts []identity.Receipt, err error) {
	var collector *Collector
	err = r.Objects(ctx, func(d *Directory) (Sink, error) {
		collector = NewCollector(d.Scopes)
		return collector, nil
	}, func(d *Directory, receipt identity.Receipt) error {
		receipt = d.Receipt(receipt)
		collector.Tell(&receipt)
		receipts = append(receipts, receipt)
		if its := collector.Entries(); entries == nil {
			entries = its // which may be very many, and are not copied
		} else {
			entries = append(entries, its...)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return entries, receipts, nil
}

// Diagnose tests each directory, also where others cannot be read. The error is
// that of ctx.
func (r *Reader) Diagnose(ctx context.Context, now func() time.Time) (reports []*doctor.Report, err error) {
	for i := range r.Directories {
		d := &r.Directories[i]
		report := &doctor.Report{Name: d.Name}
		if able, ok := d.Source.(Diagnoser); ok {
			report, err = able.Diagnose(ctx, d.Scopes, now, r.Progress)
		} else {
			Examine(ctx, d.Source, d.Name, d.Scopes, report, r.Progress)
			err = ctx.Err()
		}
		if err != nil {
			return nil, ended(err)
		}
		report.Kind = d.Kind.Name
		reports = append(reports, report)
	}
	return reports, nil
}
