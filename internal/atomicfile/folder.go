package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Folder is where files are. Everybody but root goes there by its
// path, with the rights that the file system gives them. Root may do everything
// everywhere, and a folder of somebody less trusted could lead it astray, also
// by changing while root works there. So root opens the folder once, step by
// step and only through links that [Locate] trusts, does everything relative to
// what it has opened, looks at each file that it opens, and gives away nothing
// but what it has just made.
type Folder struct {
	dir  string   // its path
	root *os.Root // what root has opened; nil for everybody else
}

// Path returns the path of a file of the folder.
func (d *Folder) Path(name string) string { return filepath.Join(d.dir, name) }

// Close gives back what was opened.
func (d *Folder) Close() {
	if d.root != nil {
		d.root.Close()
	}
}

// named gives an error the path of the file that it is of.
func (d *Folder) named(name string, err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return &fs.PathError{Op: of.Op, Path: d.Path(name), Err: of.Err}
	}
	return err
}

// Lstat describes a file of the folder, and follows no link.
func (d *Folder) Lstat(name string) (fs.FileInfo, error) {
	if d.root == nil {
		return os.Lstat(d.Path(name))
	}
	info, err := d.root.Lstat(name)
	return info, d.named(name, err)
}

// Open opens a file with [Mode]. For root it must be new, or a regular file
// that was there before, and to be written to one that has no other name.
func (d *Folder) Open(name string, flag int) (*os.File, error) {
	if d.root == nil {
		return d.open(name, flag)
	}
	if flag&os.O_EXCL != 0 {
		f, err := d.root.OpenFile(name, flag, Mode)
		return f, d.named(name, err)
	}
	// One that is replaced meanwhile, as by [Folder.Replace], is looked at anew.
	for range 100 {
		if f, err := d.openSame(name, flag); !errors.Is(err, errReplaced) {
			return f, err
		}
	}
	return nil, replaced(d.Path(name))
}

var errReplaced = errors.New("replaced")

// openSame opens a file that it has looked at; [errReplaced] if it is another one
// then.
func (d *Folder) openSame(name string, flag int) (*os.File, error) {
	before, err := d.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, &Error{Path: d.Path(name), Reason: "no regular file", Advice: "remove it, if rollcall has not made it"}
	}
	f, err := d.root.OpenFile(name, flag, Mode)
	if err != nil {
		return nil, d.named(name, err)
	}
	after, err := f.Stat()
	switch {
	case err != nil:
	case !os.SameFile(before, after):
		err = errReplaced
	case flag&(os.O_WRONLY|os.O_RDWR) != 0 && names(after) > 1:
		err = &Error{Path: d.Path(name), Reason: "the file has another name, too, where it may be somebody else's",
			Advice: "put a copy in its place, if it is rollcall's"}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// OpenNoLink opens a file as [Folder.Open] does, and no symbolic link for anybody.
func (d *Folder) OpenNoLink(name string, flag int) (*os.File, error) {
	if d.root == nil {
		flag |= NoFollow
	}
	return d.Open(name, flag)
}

// Guarded reports whether root works in the folder.
func (d *Folder) Guarded() bool { return d.root != nil }

// replaced is the error for what another program replaces meanwhile.
func replaced(path string) error {
	return &Error{Path: path, Reason: "it was replaced while it was opened; nothing was changed", Advice: "run the command again; if it says so again, look who replaces it"}
}

// Remove removes a file of the folder.
func (d *Folder) Remove(name string) error {
	if d.root == nil {
		return os.Remove(d.Path(name))
	}
	return d.named(name, d.root.Remove(name))
}

// Rename puts a file of the folder in place of another, or gives it another name.
func (d *Folder) Rename(from, to string) error {
	if d.root == nil {
		return d.rename(from, to)
	}
	return d.root.Rename(from, to)
}

// Date sets when a file was changed last.
func (d *Folder) Date(name string, at time.Time) error {
	if d.root == nil {
		return os.Chtimes(d.Path(name), at, at)
	}
	return d.named(name, d.root.Chtimes(name, at, at))
}

func (d *Folder) link(from, to string) error {
	if d.root == nil {
		return os.Link(d.Path(from), d.Path(to))
	}
	return d.root.Link(from, to)
}

// restrict gives a file its [Mode].
func (d *Folder) restrict(name string) error {
	if d.root == nil {
		return os.Chmod(d.Path(name), Mode)
	}
	f, err := d.Open(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Chmod(Mode)
}

// List returns what is in the folder, in no order.
func (d *Folder) List() ([]fs.DirEntry, error) {
	if d.root == nil {
		return os.ReadDir(d.dir)
	}
	f, err := d.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.ReadDir(-1)
}

// Sync makes a rename in the folder durable where the file system can. Whether
// it does or not, one of two whole versions is there.
func (d *Folder) Sync() {
	if d.root == nil {
		syncDir(d.dir)
	} else if f, err := d.root.Open("."); err == nil {
		_ = f.Sync()
		f.Close()
	}
}

// Open opens a file for reading, as a [Folder] does.
func Open(path string) (*os.File, error) {
	d, name, err := Locate(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Open(name, os.O_RDONLY)
}
