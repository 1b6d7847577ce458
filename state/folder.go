package state

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// folder is where files of a state are. Everybody but root goes there by its
// path, with the rights that the file system gives them. Root may do everything
// everywhere, and a folder of somebody less trusted could lead it astray, also
// by changing while root works there. So root opens the folder once, step by
// step and only through links that [locate] trusts, does everything relative to
// what it has opened, looks at each file that it opens, and gives away nothing
// but what it has just made.
type folder struct {
	dir  string   // its path
	root *os.Root // what root has opened; nil for everybody else
}

// path returns the path of a file of the folder.
func (d *folder) path(name string) string { return filepath.Join(d.dir, name) }

func (d *folder) close() {
	if d.root != nil {
		d.root.Close()
	}
}

// named gives an error the path of the file that it is of.
func (d *folder) named(name string, err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return &fs.PathError{Op: of.Op, Path: d.path(name), Err: of.Err}
	}
	return err
}

func (d *folder) lstat(name string) (fs.FileInfo, error) {
	if d.root == nil {
		return os.Lstat(d.path(name))
	}
	info, err := d.root.Lstat(name)
	return info, d.named(name, err)
}

// open opens a file with mode 0600. For root it must be new, or a regular file
// that was there before, and to be written to one that has no other name.
func (d *folder) open(name string, flag int) (*os.File, error) {
	if d.root == nil {
		return os.OpenFile(d.path(name), flag, private)
	}
	if flag&os.O_EXCL != 0 {
		f, err := d.root.OpenFile(name, flag, private)
		return f, d.named(name, err)
	}
	before, err := d.lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, &Error{Path: d.path(name), Reason: "no regular file", Advice: "remove it, if rollcall has not made it"}
	}
	f, err := d.root.OpenFile(name, flag, private)
	if err != nil {
		return nil, d.named(name, err)
	}
	after, err := f.Stat()
	switch {
	case err != nil:
	case !os.SameFile(before, after):
		err = replaced(d.path(name))
	case flag&(os.O_WRONLY|os.O_RDWR) != 0 && names(after) > 1:
		err = &Error{Path: d.path(name), Reason: "the file has another name, too, where it may be somebody else's",
			Advice: "put a copy in its place, if it is rollcall's"}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// replaced is the error for what another program replaces meanwhile.
func replaced(path string) error {
	return &Error{Path: path, Reason: "it was replaced while it was opened; nothing was changed", Advice: "run the command again; if it says so again, look who replaces it"}
}

// create makes a new file with a name that no other has.
func (d *folder) create(prefix, suffix string) (f *os.File, name string, err error) {
	for range 100 {
		name = fmt.Sprintf("%s%d%s", prefix, rand.Uint32(), suffix)
		if f, err = d.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return f, name, err
}

func (d *folder) remove(name string) error {
	if d.root == nil {
		return os.Remove(d.path(name))
	}
	return d.named(name, d.root.Remove(name))
}

func (d *folder) rename(from, to string) error {
	if d.root == nil {
		return rename(d.path(from), d.path(to))
	}
	return d.root.Rename(from, to)
}

func (d *folder) link(from, to string) error {
	if d.root == nil {
		return os.Link(d.path(from), d.path(to))
	}
	return d.root.Link(from, to)
}

// restrict gives a file the mode of all that hold addresses.
func (d *folder) restrict(name string) error {
	if d.root == nil {
		return os.Chmod(d.path(name), private)
	}
	f, err := d.open(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Chmod(private)
}

func (d *folder) list() ([]fs.DirEntry, error) {
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

// sync makes a rename in the folder durable where the file system can. Whether
// it does or not, one of two whole versions is there.
func (d *folder) sync() {
	if d.root == nil {
		syncDir(d.dir)
	} else if f, err := d.root.Open("."); err == nil {
		_ = f.Sync()
		f.Close()
	}
}

// open opens a file of a state for reading.
func open(path string) (*os.File, error) {
	d, name, err := locate(path)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if d.root == nil {
		return os.Open(path)
	}
	return d.open(name, os.O_RDONLY)
}
