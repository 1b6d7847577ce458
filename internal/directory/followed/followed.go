// Package followed reads directories of which a complete read is kept, so that the next
// read asks for what has changed since alone.
//
//	            complete read ──────────────┐
//	directory ──┤                           ├──> entries ──> file of entries
//	            what was touched ── file ───┘
//
// What was touched is always asked for since the last complete read, also where the file has
// what had changed since by then. An entry of the file counts unless its object was touched;
// of those that were, what was read of them now counts.
package followed

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Reader reads directories, those that are [directory.Follower] by what has changed where
// that can be.
type Reader struct {
	directory.Reader
	// Path is that of the file of entries.
	Path string
	// Made is of what the entries have to be.
	Made Made
	// All says that the directories are all that are declared.
	All bool
	// Full reads everything completely, and Apart does as if nothing were followed.
	Full, Apart bool
	// Canonical returns an address as accounts have it.
	Canonical func(identity.Address) identity.Address
	// Look, unless nil, is shown each entry of a directory that is read completely.
	Look directory.Look
	Now  func() time.Time
}

// Made is of what entries were made. Those of anything else are read anew.
type Made struct {
	// Release is the version of rollcall, Config the digest of the configuration and
	// Lineage that of the state.
	Release string `json:"release"`
	Config  string `json:"config"`
	Lineage string `json:"lineage"`
}

// differs says what is another than it was, in a clause; "" for nothing.
func (m *Made) differs(now *Made) string {
	switch {
	case m.Release != now.Release:
		return "another version of rollcall made the last complete read"
	case m.Config != now.Config:
		return "the configuration has changed"
	case m.Lineage != now.Lineage && m.Lineage != "": // before the first apply there is none
		return "the state is another one"
	}
	return ""
}

// Reading is what was read.
type Reading struct {
	// Receipts are those of the directories, as they stand in a plan.
	Receipts []identity.Receipt
	reader   *Reader
	parts    []part
	file     *file // nil where nothing is followed
}

// part is what was read of a directory.
type part struct {
	d       *directory.Directory
	follows bool
	read    time.Time // when it was read completely
	receipt identity.Receipt
	// entries and their keys are all, or, where only what has changed was read, those
	// that were touched.
	entries identity.Entries
	keys    []identity.GUID
	remarks []directory.Remark
	seen    []int32
	delta   bool
	touched map[identity.GUID]bool
}

// Shares of the entries that may have changed: beyond, a complete read costs no more.
const (
	mostPercent = 1
	mostAlways  = 100
)

// Read reads the directories. What is not wanted any more has to be closed.
func (r *Reader) Read(ctx context.Context) (*Reading, error) {
	x := &Reading{reader: r}
	var why string
	x.file, why = r.open()
	for i := range r.Directories {
		d := &r.Directories[i]
		p, err := x.one(ctx, d, why)
		if err != nil {
			x.Close()
			return nil, err
		}
		x.parts = append(x.parts, *p)
		x.Receipts = append(x.Receipts, x.receipt(p))
	}
	return x, nil
}

// Close closes the file.
func (x *Reading) Close() {
	if x.file != nil {
		x.file.close()
		x.file = nil
	}
}

// Follows reports whether something is to be followed.
func (r *Reader) Follows() bool { return slices.ContainsFunc(r.Directories, r.follows) }

// open opens the file of entries, or says why it is of no use.
func (r *Reader) open() (*file, string) {
	if !r.Follows() {
		return nil, ""
	}
	if r.Full {
		return nil, "--full was given"
	}
	f, err := openFile(r.Path)
	if err != nil {
		if errors.Is(err, errNone) {
			return nil, "there is no complete read to go on from"
		}
		return nil, "what is kept of the last complete read cannot be read"
	}
	if why := f.about.Made.differs(&r.Made); why != "" {
		f.close()
		return nil, why
	}
	return f, ""
}

func (r *Reader) follows(d directory.Directory) bool {
	f, is := d.Source.(directory.Follower)
	return is && f.FullEvery() > 0 && !r.Apart
}

// one reads a directory.
func (x *Reading) one(ctx context.Context, d *directory.Directory, why string) (*part, error) {
	if !x.reader.follows(*d) {
		return x.whole(ctx, d, "")
	}
	if why == "" {
		p, err := x.changed(ctx, d)
		if err == nil {
			return p, nil
		}
		var not *directory.NotFollowedError
		if !errors.As(err, &not) {
			return nil, err
		}
		why = not.Why
	}
	return x.whole(ctx, d, why)
}

// whole reads a directory completely, why it is followed and is not now.
func (x *Reading) whole(ctx context.Context, d *directory.Directory, why string) (*part, error) {
	p := &part{d: d, follows: x.reader.follows(*d), read: x.reader.Now().UTC()}
	one := directory.Reader{Directories: []directory.Directory{*d}, Progress: x.reader.Progress}
	var c *directory.Collector
	err := one.Objects(ctx, func(d *directory.Directory) (directory.Sink, error) {
		if c = directory.NewCollector(d.Scopes); p.follows {
			c = directory.NewKeyedCollector(d.Scopes)
		}
		c.Show(x.reader.Look)
		return c, nil
	}, func(_ *directory.Directory, receipt identity.Receipt) error {
		p.receipt, p.remarks = receipt, c.Remarks()
		if p.receipt.Full == "" {
			p.receipt.Full = why
		}
		if p.follows {
			p.keys = c.Keys()
		}
		p.seen = c.Seen()
		p.entries = c.All()
		p.sortSame()
		return nil
	})
	return p, err
}

// sortSame puts those that say what accounts say in the order of these, so that the two lie
// in memory as they are looked at.
func (p *part) sortSame() {
	first := len(p.entries.Whole)
	if len(p.entries.Same) == 0 {
		return
	}
	accounts := p.seen[first:]
	next := make([]int32, slices.Max(accounts)+2) // of each account, where its entries go
	for _, a := range accounts {
		next[a+1]++
	}
	for a := range len(next) - 1 {
		next[a+1] += next[a]
	}
	same, seen, keys := make([]identity.Same, len(accounts)), make([]int32, len(accounts)), []identity.GUID(nil)
	if p.keys != nil {
		keys = make([]identity.GUID, len(accounts))
	}
	for i, a := range accounts {
		to := next[a]
		next[a]++
		if same[to], seen[to] = p.entries.Same[i], a; keys != nil {
			keys[to] = p.keys[first+i]
		}
	}
	p.entries.Same = same
	copy(accounts, seen)
	copy(p.keys[min(first, len(p.keys)):], keys)
}

// changed reads what has changed of a directory.
func (x *Reading) changed(ctx context.Context, d *directory.Directory) (*part, error) {
	at := x.file.of(d.Name)
	follower := d.Source.(directory.Follower)
	switch since := x.reader.Now().Sub(at.Read); {
	case at.Mark == "":
		return nil, &directory.NotFollowedError{Why: "there is no complete read to go on from"}
	case since < 0 || since >= follower.FullEvery():
		return nil, &directory.NotFollowedError{Why: "the last complete read is of " + at.Read.UTC().Format("2006-01-02 15:04") + " UTC"}
	}
	c := directory.NewKeyedCollector(d.Scopes)
	receipt, touched, err := follower.Follow(ctx, d.Scopes, directory.Since{
		Mark: at.Mark, Has: func(keys []identity.GUID) (map[identity.GUID]bool, error) { return x.file.has(d.Scopes, keys) }, Most: max(mostAlways, at.Entries*mostPercent/100),
	}, c, x.reader.Progress)
	if errors.Is(err, context.Canceled) {
		return nil, context.Canceled
	}
	if err != nil {
		return nil, err
	}
	p := &part{d: d, follows: true, read: at.Read, receipt: receipt, delta: true, touched: make(map[identity.GUID]bool, len(touched))}
	for _, g := range touched {
		p.touched[g] = true
	}
	for _, m := range at.Remarks {
		if !p.touched[m.Key] {
			p.remarks = append(p.remarks, m)
		}
	}
	p.remarks = append(p.remarks, c.Remarks()...)
	p.keys = c.Keys()
	p.entries = c.All()
	had, err := x.file.has(d.Scopes, touched)
	if err != nil {
		return nil, &directory.NotFollowedError{Why: damaged}
	}
	p.receipt.Kind, p.receipt.Delta, p.receipt.Since = d.Kind.Name, true, at.Read
	p.receipt.References, p.receipt.Mark = at.References, at.Mark
	p.receipt.Entries = at.Entries - len(had) + p.entries.Len()
	return p, nil
}

const damaged = "what is kept of the last complete read is damaged"

// receipt returns the receipt of a part as it stands in a plan.
func (x *Reading) receipt(p *part) identity.Receipt {
	r := p.d.Receipt(p.receipt)
	n := p.entries.Len()
	if p.delta {
		n = p.receipt.Entries
	}
	directory.Tell(&r, n, p.remarks)
	return r
}

// Entries returns the entries of all directories. A file that turns out to be damaged is
// not believed: what is followed by it is read completely then.
func (x *Reading) Entries(ctx context.Context) (identity.Entries, error) {
	if err := x.complete(ctx); err != nil {
		return identity.Entries{}, err
	}
	return x.entries(func(*part) bool { return true }), nil
}

// entries returns the entries of some of the parts.
func (x *Reading) entries(of func(*part) bool) identity.Entries {
	if len(x.parts) == 1 && of(&x.parts[0]) { // which may be very many, and are not copied
		return x.parts[0].entries
	}
	var all identity.Entries
	for i := range x.parts {
		if p := &x.parts[i]; of(p) {
			all.Whole, all.Same = append(all.Whole, p.entries.Whole...), append(all.Same, p.entries.Same...)
		}
	}
	return all
}

// beside returns what some of the parts have for each of their entries, in the order of
// those.
func beside[T any](x *Reading, of func(*part) bool, list func(*part) []T) []T {
	var all, same []T
	for i := range x.parts {
		if p := &x.parts[i]; of(p) {
			n := len(p.entries.Whole)
			all, same = append(all, list(p)[:n]...), append(same, list(p)[n:]...)
		}
	}
	return append(all, same...)
}

// Object is one of a directory: two may read the same server.
type Object struct {
	Directory int           `json:"directory"` // its place among those that are read
	Key       identity.GUID `json:"key"`
}

// Delta is what has changed since the entries of a file.
type Delta struct {
	// ID is that of the file.
	ID string
	// Touched are the objects whose entries in the file count no more; Fresh are the
	// entries that they have now, and Objects whose they are.
	Touched map[Object]bool
	Fresh   []identity.Entry
	Objects []Object
	reading *Reading
}

// ID is that of the file from which all that was read goes on; "" where something was read
// completely.
func (x *Reading) ID() string {
	if x.file == nil || len(x.file.about.Directories) != len(x.parts) || slices.ContainsFunc(x.parts, func(p part) bool { return !p.delta }) {
		return ""
	}
	return x.file.about.ID
}

// Delta returns what has changed; nil where something was read completely.
func (x *Reading) Delta() *Delta {
	d := &Delta{Touched: map[Object]bool{}, reading: x}
	for i := range x.parts {
		p := &x.parts[i]
		if !p.delta || p.touched == nil {
			return nil
		}
		for g := range p.touched {
			d.Touched[Object{i, g}] = true
		}
		d.Fresh = append(d.Fresh, p.entries.Whole...)
		for _, g := range p.keys {
			d.Objects = append(d.Objects, Object{i, g})
		}
	}
	if d.ID = x.ID(); d.ID == "" {
		return nil
	}
	return d
}

// Find calls a function with the entries of the file that have one of some keys, which
// are those of [EachKey] and [ObjectKey], with others, too, and whose they are.
func (d *Delta) Find(wanted map[uint32]struct{}, each func(object Object, e identity.Entry)) error {
	return d.reading.file.find(wanted, func(key identity.GUID, e identity.Entry) {
		i := slices.IndexFunc(d.reading.parts, func(p part) bool { return of(p.d.Scopes, &e) })
		each(Object{i, key}, e)
	})
}

// Seen returns what was said of each of the entries of all directories, as Entries has them;
// nil where something was not read completely, or nobody looked.
func (x *Reading) Seen() []int32 {
	if slices.ContainsFunc(x.parts, func(p part) bool { return len(p.seen) != p.entries.Len() }) {
		return nil
	}
	return beside(x, func(*part) bool { return true }, func(p *part) []int32 { return p.seen })
}

// Objects returns whose each of the entries of all directories is, as Entries has them; nil
// where not all are [Reading.Followed].
func (x *Reading) Objects() []Object {
	if !x.Followed() {
		return nil
	}
	n := -1
	return beside(x, func(*part) bool { n++; return true }, func(p *part) (objects []Object) {
		for _, g := range p.keys {
			objects = append(objects, Object{n, g})
		}
		return objects
	})
}

// Followed reports whether all directories are followed, and can be.
func (x *Reading) Followed() bool {
	return !slices.ContainsFunc(x.parts, func(p part) bool { return !p.follows || p.receipt.Mark == "" || len(p.keys) != p.entries.Len() })
}

// complete gives each part all of its entries.
func (x *Reading) complete(ctx context.Context) error {
	if !slices.ContainsFunc(x.parts, func(p part) bool { return p.delta && p.touched != nil }) {
		return nil
	}
	rows, err := x.file.all()
	for i := range x.parts {
		p := &x.parts[i]
		if !p.delta || p.touched == nil {
			continue
		}
		if err == nil {
			entries, keys := rows.entries, rows.keys
			if len(x.file.about.Directories) > 1 {
				entries, keys = rows.of(p.d.Scopes)
			}
			p.entries.Whole, p.keys = merged(entries, keys, p)
			p.touched = nil
		}
		if err != nil || p.entries.Len() != p.receipt.Entries {
			again, err := x.whole(ctx, p.d, damaged)
			if err != nil {
				return err
			}
			*p = *again
			x.Receipts[i] = x.receipt(p)
		}
	}
	return nil
}

// merged puts what was touched in the place of what was kept of it.
func merged(entries []identity.Entry, keys []identity.GUID, p *part) ([]identity.Entry, []identity.GUID) {
	n := 0
	for i := range entries {
		if !p.touched[keys[i]] {
			if n != i {
				entries[n], keys[n] = entries[i], keys[i]
			}
			n++
		}
	}
	entries, keys = entries[:n], keys[:n]
	for i := range p.entries.Whole {
		entries, keys = append(compact.Grown(entries), p.entries.Whole[i]), append(compact.Grown(keys), p.keys[i])
	}
	return entries, keys
}
