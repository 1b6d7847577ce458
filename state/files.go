package state

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
)

// files keeps a state in files beside each other, which a symbolic link at its
// path leads to:
//
//	NAME.jsonl                  the newest version
//	NAME.jsonl.backup           the version before
//	NAME.jsonl.lock             who holds the lock
//	NAME.index                  the newest version once more, see [indexFoot]
//	NAME.history/000001.jsonl   the record of a run
//	NAME.history/NOTE.jsonl     a note
//
// Nothing of it waits for anybody but the lock, so that nothing else looks at its
// context.
type files struct{ path string }

var (
	_ Backend = files{}
	_ Locker  = files{}
)

// Files returns the files of a state at a path, for a store that is elsewhere and keeps
// there what it cannot send yet.
func Files(path string) (Backend, Locker) { return files{path}, files{path} }

func (f files) Name(older int) string {
	if older == 0 {
		return f.path
	}
	return backupName(atomicfile.Resolve(f.path))
}

// backupName returns the name of the backup for that of a state.
func backupName(state string) string { return state + ".backup" }

// lockName returns the name of the lock file for that of a state.
func lockName(state string) string { return state + ".lock" }

// historyName returns the name of the folder of the history for that of a state.
func historyName(state string) string { return strings.TrimSuffix(state, ".jsonl") + ".history" }

// all returns the files of a state but for its history.
func (f files) all() []string {
	path := atomicfile.Resolve(f.path)
	return []string{path, backupName(path), lockName(path), indexName(path)}
}

// sharing returns the other state that would have its history in the same folder.
func (f files) sharing() string {
	path := atomicfile.Resolve(f.path)
	other, cut := strings.CutSuffix(path, ".jsonl")
	if !cut {
		other = path + ".jsonl"
	}
	its, err := os.Stat(other)
	if err != nil {
		return ""
	}
	if mine, err := os.Stat(path); err == nil && os.SameFile(mine, its) {
		return ""
	}
	file, err := atomicfile.Open(other)
	if err != nil {
		return ""
	}
	defer file.Close()
	if peekHeader(file).Format != format {
		return ""
	}
	return other
}

func (f files) Newest(context.Context) (v Version, err error) {
	file, err := atomicfile.Open(f.path)
	if err != nil {
		return v, err
	}
	defer file.Close()
	h := peekHeader(file)
	_, last, err := lastLines(file)
	return versionOf(h, last), err
}

// versionOf returns the version of a state by its first and its last line, as far as they
// can be read.
func versionOf(h header, last []byte) Version {
	v := Version{Lineage: h.Lineage, Serial: h.Serial}
	var t trailer
	if strict(last, &t) == nil {
		v.Sum = t.SHA256
	}
	return v
}

// Replaceable reports whether a path is that of a state file, or of no regular file.
func Replaceable(path string) bool {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return true
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	return peekHeader(file).Format == format
}

// peekHeader reads the first line of a state; a zero header is none.
func peekHeader(r io.Reader) (h header) {
	in := lineReader{r: bufio.NewReader(r)}
	if line, err := in.next(); err != nil || strict(line, &h) != nil {
		return header{}
	}
	return h
}

func (f files) Open(_ context.Context, older int) (io.ReadCloser, error) {
	return atomicfile.Open(f.Name(older))
}

func (f files) Commit(ctx context.Context, after Version, write func(io.Writer) (Version, error), ready func() error) error {
	d, name, err := atomicfile.Locate(f.path)
	if err != nil {
		return err
	}
	defer d.Close()
	d.RemoveLeftovers(name, 0)
	return d.Replace(name, func(w io.Writer) error {
		_, err := write(w)
		return err
	}, func() error {
		// Though the lock may have been removed.
		newest, err := newest(ctx, f)
		if err == nil && newest.Sum != after.Sum {
			err = ErrOvertaken
		}
		if err == nil {
			err = ready()
		}
		if err != nil {
			return err
		}
		return d.Keep(name, backupName(name))
	})
}

// Forget does nothing: there is no version but the newest two.
func (f files) Forget(context.Context, int64) error { return nil }

func (f files) History() History { return documents{f, historyName} }

// documents are files in a folder beside a state: the history.
type documents struct {
	of   files
	name func(state string) string // of the folder
}

// folder returns the path of the folder.
func (h documents) folder() string { return h.name(atomicfile.Resolve(h.of.path)) }

// named returns the name of the file of a document.
func named(document string) string { return document + ".jsonl" }

// enter returns the folder, which must be there.
func (h documents) enter() (*atomicfile.Folder, error) {
	d, name, err := atomicfile.Locate(h.of.path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return atomicfile.Enter(d.Path(h.name(name)))
}

// begin returns the folder, and makes it if it is not there.
func (h documents) begin() (*atomicfile.Folder, error) {
	d, name, err := atomicfile.Locate(h.of.path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	switch err := d.Mkdir(h.name(name), name); {
	case err == nil:
		d.Sync()
	case !errors.Is(err, fs.ErrExist):
		return nil, err
	}
	return atomicfile.Enter(d.Path(h.name(name)))
}

func (h documents) List(context.Context) (all []Listed, err error) {
	d, err := h.enter()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.List()
	for _, e := range entries {
		if name, ours := strings.CutSuffix(e.Name(), ".jsonl"); ours {
			all = append(all, Listed{Name: name})
		}
	}
	return all, err
}

// document is a file that is read.
type document struct {
	*os.File
	path string
}

func (d document) Name() string { return d.path }

func (h documents) Open(_ context.Context, name string) (Document, error) {
	d, err := h.enter()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	f, err := d.Open(named(name), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	return document{f, filepath.Join(h.folder(), named(name))}, nil
}

// log is a file that is written.
type log struct {
	*os.File
	folder *atomicfile.Folder // to be synced with it the first time; nil afterwards
}

func (l *log) Sync() error {
	err := l.File.Sync()
	if l.folder != nil {
		l.folder.Sync()
		l.folder.Close()
		l.folder = nil
	}
	return err
}

func (l *log) Finish() error { return l.Close() }

func (l *log) Close() error {
	if l.folder != nil {
		l.folder.Close()
	}
	return l.File.Close()
}

func (h documents) Append(_ context.Context, name string, length int64) (Log, error) {
	if length < 0 {
		d, err := h.begin()
		if err != nil {
			return nil, err
		}
		f, err := d.Open(named(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL)
		if err != nil {
			d.Close()
			return nil, err
		}
		d.GiveAway(f, ".")
		return &log{f, d}, nil
	}
	d, err := h.enter()
	if err != nil {
		return nil, err
	}
	f, err := d.Open(named(name), os.O_WRONLY)
	if err != nil {
		d.Close()
		return nil, err
	}
	l := &log{f, d}
	if err = f.Truncate(length); err == nil {
		_, err = f.Seek(length, io.SeekStart)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (h documents) Replace(_ context.Context, name string, write func(io.Writer) error) error {
	d, err := h.begin()
	if err != nil {
		return err
	}
	defer d.Close()
	d.RemoveLeftovers(named(name), 0)
	return atomicfile.Write(d.Path(named(name)), write)
}

func (h documents) Remove(_ context.Context, names ...string) error {
	d, err := h.enter()
	if err != nil {
		return err
	}
	defer d.Close()
	defer d.Sync()
	for _, name := range names {
		if err := d.Remove(named(name)); err != nil {
			return err
		}
	}
	return nil
}
