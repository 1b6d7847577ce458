package followed

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/blockfile"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/parallel"
)

// The file has a row for each entry of the directories that are followed: the key of its
// object, and the entry. The keys of a row are that, the addresses that it lists as
// accounts have them, and the GUID of the entry, or its DN where it has none.
const (
	format  = "rollcall-entries"
	version = 1
)

// about is what a file says of itself.
type about struct {
	// ID is another for each file.
	ID          string           `json:"id"`
	Made        Made             `json:"made"`
	Directories []aboutDirectory `json:"directories"`
}

// aboutDirectory is a directory of which the file has the entries.
type aboutDirectory struct {
	Name string `json:"name"`
	// Read is when it was read completely, and Mark where to ask for what has changed since.
	Read       time.Time          `json:"read"`
	Mark       string             `json:"mark"`
	Entries    int                `json:"entries"`
	References []string           `json:"references"`
	Remarks    []directory.Remark `json:"remarks"`
}

// file is one that is open.
type file struct {
	*blockfile.File
	about about
	os    *os.File
}

// errNone is the error where there is no file.
var errNone = errors.New("there is none")

// Name returns the name of the file of entries for that of a state.
func Name(state string) string { return strings.TrimSuffix(state, ".jsonl") + ".entries" }

func openFile(path string) (*file, error) {
	o, err := atomicfile.Open(atomicfile.Resolve(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNone
	}
	if err != nil {
		return nil, err
	}
	f := &file{os: o}
	if f.File, err = blockfile.Open(o, format, version, &f.about); err != nil {
		o.Close()
		return nil, err
	}
	n := 0
	for i := range f.about.Directories {
		n += f.about.Directories[i].Entries
	}
	if n != f.Rows() {
		o.Close()
		return nil, blockfile.ErrDamaged
	}
	return f, nil
}

func (f *file) close() { _ = f.os.Close() }

// of returns what the file says of a directory; nothing where it has none of it.
func (f *file) of(name string) aboutDirectory {
	for _, d := range f.about.Directories {
		if d.Name == name {
			return d
		}
	}
	return aboutDirectory{}
}

// rows are entries and the keys of their objects.
type rows struct {
	entries []identity.Entry
	keys    []identity.GUID
}

// of reports whether an entry is of one of some scopes.
func of(scopes []directory.Scope, e *identity.Entry) bool {
	return slices.ContainsFunc(scopes, func(s directory.Scope) bool { return s.Index == e.Scope })
}

// of returns the rows of scopes.
func (r *rows) of(scopes []directory.Scope) (entries []identity.Entry, keys []identity.GUID) {
	for i := range r.entries {
		if of(scopes, &r.entries[i]) {
			entries, keys = append(entries, r.entries[i]), append(keys, r.keys[i])
		}
	}
	return entries, keys
}

// all reads all rows.
func (f *file) all() (*rows, error) {
	n := f.Rows()
	all := &rows{make([]identity.Entry, n), make([]identity.GUID, n)}
	err := f.Each(func() func(n, first int, texts []byte) error {
		var r identity.RowReader
		return func(n, first int, texts []byte) error {
			return f.rowsOf(&r, n, texts, func(i int, key identity.GUID, e identity.Entry) {
				all.keys[first+i], all.entries[first+i] = key, e
			})
		}
	})
	return all, err
}

func (f *file) rowsOf(r *identity.RowReader, n int, texts []byte, row func(i int, key identity.GUID, e identity.Entry)) error {
	r.Reset(string(texts))
	for i := range f.Blocks[n].Rows {
		key := r.GUID()
		e := r.Entry()
		if err := r.Err(); err != nil {
			return err
		}
		row(i, key, e)
	}
	if !r.Done() {
		return blockfile.ErrDamaged
	}
	return nil
}

// ObjectKey is the key of an object in the file.
func ObjectKey(g identity.GUID) uint32 { return blockfile.Key(append([]byte("object "), g[:]...)) }

// has returns those of some keys that are of objects in the file which scopes have.
func (f *file) has(scopes []directory.Scope, keys []identity.GUID) (map[identity.GUID]bool, error) {
	wanted := make(map[uint32]struct{}, len(keys))
	asked := make(map[identity.GUID]bool, len(keys))
	for _, g := range keys {
		wanted[ObjectKey(g)] = struct{}{}
		asked[g] = true
	}
	found := map[identity.GUID]bool{}
	err := f.find(wanted, func(key identity.GUID, e identity.Entry) {
		if asked[key] && of(scopes, &e) {
			found[key] = true
		}
	})
	return found, err
}

// find reads the rows of the blocks that have some keys, others among them.
func (f *file) find(wanted map[uint32]struct{}, row func(key identity.GUID, e identity.Entry)) error {
	var r identity.RowReader
	var buf []byte
	return f.Find(wanted, func(n int) (err error) {
		if buf, err = f.Texts(buf, n); err != nil {
			return err
		}
		return f.rowsOf(&r, n, buf, func(_ int, key identity.GUID, e identity.Entry) { row(key, e) })
	})
}

// Keep puts what was read in the place of the file, if it is of all directories and
// something of it was read completely, or it is to be kept in any case. It returns the ID of
// the new file; "" where there is none.
func (x *Reading) Keep(always bool) (id string, err error) {
	a := about{ID: strings.ToLower(rand.Text()), Made: x.reader.Made}
	kept := func(p *part) bool { return p.follows && p.receipt.Mark != "" }
	news := always
	for i := range x.parts {
		p := &x.parts[i]
		if !kept(p) {
			continue
		}
		news = news || !p.delta
		a.Directories = append(a.Directories, aboutDirectory{Name: p.d.Name, Read: p.read, Mark: p.receipt.Mark, Entries: p.entries.Len(), References: p.receipt.References, Remarks: p.remarks})
	}
	if !news || !x.reader.All || len(a.Directories) == 0 {
		return "", nil
	}
	entries, keys := x.entries(kept), beside(x, kept, func(p *part) []identity.GUID { return p.keys })
	if x.file != nil {
		x.file.close() // not every system replaces a file that is open
	}
	return a.ID, writeFile(x.reader.Path, &a, entries, keys, x.reader.Canonical)
}

func writeFile(path string, a *about, entries identity.Entries, keys []identity.GUID, canonical func(identity.Address) identity.Address) error {
	return atomicfile.WriteCopy(path, func(w io.Writer) error {
		blocks := blockfile.Blocks(entries.Len())
		out := blockfile.NewWriter(w, blocks)
		err := parallel.WriteBlocks(out, blocks, func(b []byte, n int) []byte {
			first, end := blockfile.Bounds(entries.Len(), n)
			var room identity.Entry
			return out.Append(b, n, end-first, func(b []byte) []byte {
				for i := first; i < end; i++ {
					b = blockfile.AppendKey(b, ObjectKey(keys[i]))
					EachKey(entries.At(i, &room), canonical, func(key []byte) { b = blockfile.AppendKey(b, blockfile.Key(key)) })
				}
				return b
			}, func(b []byte) []byte {
				var row identity.RowWriter
				for i := first; i < end; i++ {
					b = row.AppendEntry(append(b, keys[i][:]...), entries.At(i, &room))
				}
				return row.AppendNames(b)
			})
		})
		if err != nil {
			return err
		}
		return out.End(format, version, a)
	})
}

// EachKey calls a function with each key by which an entry is related to others and to
// accounts: the addresses that it lists, as accounts have them, and its GUID, or its DN
// where it has none.
func EachKey(e *identity.Entry, canonical func(identity.Address) identity.Address, key func([]byte)) {
	var text []byte
	for _, list := range [...][]string{e.Primaries, e.Aliases} {
		for _, value := range list {
			if a, err := identity.ParseAddress(value); err == nil {
				text = append(text[:0], canonical(a).String()...)
				key(text)
			}
		}
	}
	if !e.GUID.IsZero() {
		key(e.GUID[:])
	} else {
		key([]byte("dn " + identity.FoldDN(e.DN)))
	}
}
