//go:build !windows

package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// mostLinks is how many links a path may lead through, as in Linux.
const mostLinks = 40

// Locate returns the folder of a file and the file's name there. A link at its
// path is followed. For root, a symbolic link on the way is an [Error] unless
//
//	root owns it             whoever could make it could do everything
//	its folder's owner does  and it leads into a folder that is theirs, too: so
//	                         root does for them what they could do themselves
func Locate(path string) (*Folder, string, error) {
	if os.Geteuid() != 0 {
		path = Resolve(path)
		return &Folder{dir: filepath.Dir(path)}, filepath.Base(path), nil
	}
	return walk(path, false)
}

// Enter returns the folder at a path, by the rule of [Locate].
func Enter(path string) (*Folder, error) {
	if os.Geteuid() != 0 {
		return &Folder{dir: path}, nil
	}
	d, _, err := walk(path, true)
	return d, err
}

// walk opens one folder after the other. What it has opened is what it has
// looked at, or it fails.
func walk(path string, whole bool) (d *Folder, name string, err error) {
	if !filepath.IsAbs(path) {
		wd, err := os.Getwd()
		if err != nil {
			return nil, "", err
		}
		if wd, err = filepath.EvalSymlinks(wd); err != nil {
			return nil, "", err
		}
		path = wd + "/" + path
	}
	top, err := os.OpenRoot("/")
	if err != nil {
		return nil, "", err
	}
	way := []*Folder{{"/", top}} // from the top, for ".."
	defer func() {
		for _, passed := range way {
			if passed != d {
				passed.Close()
			}
		}
	}()
	type lead struct {
		path  string
		owner *syscall.Stat_t
	}
	var led []lead // by links that are not root's
	arrive := func(at *Folder) error {
		info, err := at.root.Stat(".")
		if err != nil {
			return err
		}
		for _, l := range slices.Backward(led) {
			if owner(info).Uid != l.owner.Uid {
				return distrusted(l.path, l.owner, "and it leads into a folder of somebody else, "+at.dir)
			}
		}
		return nil
	}
	rest := strings.Split(path, "/")
	for links := 0; len(rest) > 0; {
		at := way[len(way)-1]
		name, rest = rest[0], rest[1:]
		last := len(strings.Join(rest, "")) == 0 && !whole
		switch name {
		case "", ".":
			continue
		case "..":
			if len(way) > 1 {
				at.Close()
				way = way[:len(way)-1]
			}
			continue
		}
		info, err := at.Lstat(name)
		if last && (errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0) {
			if err := arrive(at); err != nil {
				return nil, "", err
			}
			return at, name, nil
		}
		if err != nil {
			return nil, "", err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			if links++; links > mostLinks {
				return nil, "", &fs.PathError{Op: "open", Path: at.Path(name), Err: syscall.ELOOP}
			}
			of, err := at.root.Stat(".")
			if err != nil {
				return nil, "", err
			}
			switch by := owner(info); by.Uid {
			case 0:
			case owner(of).Uid:
				led = append(led, lead{at.Path(name), by})
			default:
				return nil, "", distrusted(at.Path(name), by, "and its folder belongs to somebody else")
			}
			target, err := at.root.Readlink(name)
			if err != nil {
				return nil, "", at.named(name, err)
			}
			if filepath.IsAbs(target) {
				for _, passed := range way[1:] {
					passed.Close()
				}
				way = way[:1]
			}
			rest = append(strings.Split(target, "/"), rest...)
			continue
		}
		if !info.IsDir() {
			return nil, "", &fs.PathError{Op: "open", Path: at.Path(name), Err: syscall.ENOTDIR}
		}
		root, err := at.root.OpenRoot(name)
		if err != nil {
			return nil, "", at.named(name, err)
		}
		next := &Folder{at.Path(name), root}
		way = append(way, next)
		if opened, err := root.Stat("."); err != nil || !os.SameFile(info, opened) {
			return nil, "", replaced(next.dir)
		}
	}
	if !whole {
		return nil, "", &fs.PathError{Op: "open", Path: path, Err: syscall.EISDIR}
	}
	at := way[len(way)-1]
	if err := arrive(at); err != nil {
		return nil, "", err
	}
	return at, "", nil
}

// distrusted is the error for a link that root does not follow.
func distrusted(path string, by *syscall.Stat_t, why string) error {
	name := strconv.Itoa(int(by.Uid))
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	return &Error{Path: path, Reason: fmt.Sprintf("root does not follow this symbolic link: it belongs to %s, %s", name, why),
		Advice: fmt.Sprintf("remove the link, or run rollcall as %s; if it is meant, give it to root with chown -h root %s", name, path)}
}

func owner(info fs.FileInfo) *syscall.Stat_t { return info.Sys().(*syscall.Stat_t) }

// names returns how many names a file has.
func names(info fs.FileInfo) uint64 { return uint64(owner(info).Nlink) }

// GiveAway gives a file that root has just made to the owner of another one of
// the folder, or of the folder where that is not there, so that a command of root
// leaves files to who works with them.
func (d *Folder) GiveAway(f *os.File, like string) {
	if d.root == nil {
		return
	}
	info, err := d.root.Lstat(like)
	if err != nil {
		info, err = d.root.Stat(".")
	}
	if err == nil {
		_ = f.Chown(int(owner(info).Uid), int(owner(info).Gid)) // else it stays root's
	}
}

// Mkdir makes a folder for its owner alone, who is that of a file beside it.
// What root gives away is a folder of its own that is empty, even if somebody has
// put another one in its place.
func (d *Folder) Mkdir(name, like string) error {
	if d.root == nil {
		return os.Mkdir(d.Path(name), 0o700)
	}
	if err := d.root.Mkdir(name, 0o700); err != nil {
		return d.named(name, err)
	}
	made, err := d.root.Lstat(name)
	if err != nil || !made.IsDir() {
		return replaced(d.Path(name))
	}
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return d.named(name, err)
	}
	defer root.Close()
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	opened, err := f.Stat()
	within, listErr := f.ReadDir(1)
	if err != nil || !os.SameFile(made, opened) || owner(opened).Uid != 0 || len(within) > 0 || listErr == nil {
		return replaced(d.Path(name))
	}
	d.GiveAway(f, like)
	return nil
}
