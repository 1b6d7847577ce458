// Package atomicfile replaces files as a whole: a reader, a crash and a full disk
// find the version before or the new one, and never a part of one.
//
// A file is written beside the one that it replaces, synced, and renamed over it.
// Symbolic links are followed: a link stays a link, and what it points to is
// replaced. All of this goes through a [Folder], which root opens with care,
// since somebody less trusted may own it.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Mode is the mode of every file: they hold addresses.
const Mode = 0o600

// Error is a problem with a file, and what to do about it.
type Error struct {
	Path   string
	Line   int // 0 where no line is at fault
	Reason string
	Advice string
}

func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Reason)
	}
	return e.Path + ": " + e.Reason
}

// Hint says what to do next.
func (e *Error) Hint() string { return e.Advice }

// Write writes a file of [Mode] as a whole: until the new one is complete and
// synced, the present one stays.
func Write(path string, write func(io.Writer) error) error {
	d, name, err := Locate(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Replace(name, write, nil)
}

// Replace writes a new file beside the named one, syncs it, calls ready, which may
// be nil, and renames the new file over the old one. Whatever happens on the way,
// a whole file stands there. An error of write or of ready leaves the old one and
// is returned.
func (d *Folder) Replace(name string, write func(io.Writer) error, ready func() error) error {
	return d.replace(name, write, ready, true)
}

// ReplaceCopy is [Folder.Replace] for a copy of what is elsewhere, which is not synced:
// after a crash of the machine it may be damaged.
func (d *Folder) ReplaceCopy(name string, write func(io.Writer) error) error {
	return d.replace(name, write, nil, false)
}

// abandoned is after how long a copy that was begun and is not in its place is removed.
const abandoned = time.Hour

// WriteCopy replaces the file at a path as [Folder.ReplaceCopy] does, and removes what was
// begun there and not ended.
func WriteCopy(path string, write func(io.Writer) error) error {
	d, name, err := Locate(path)
	if err != nil {
		return err
	}
	defer d.Close()
	d.RemoveLeftovers(name, abandoned)
	return d.ReplaceCopy(name, write)
}

// Replaceable returns an error for a file that [Write] could not replace, where a system
// keeps some from that: on Windows one that is read-only, or that others have open for
// longer than a few seconds.
func Replaceable(path string) error {
	d, name, err := Locate(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.replaceable(name)
}

func (d *Folder) replace(name string, write func(io.Writer) error, ready func() error, sync bool) (err error) {
	if err := d.replaceable(name); err != nil {
		return err
	}
	var tmp *os.File
	var tmpName string
	for range 100 {
		tmpName = temporary(name)
		if tmp, err = d.Open(tmpName, os.O_RDWR|os.O_CREATE|os.O_EXCL); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			d.Remove(tmpName)
		}
	}()
	d.GiveAway(tmp, name)
	var w io.Writer = tmp
	if sync {
		w = &behind{file: tmp}
	}
	if err := write(w); err != nil {
		return err
	}
	if sync {
		if err := tmp.Sync(); err != nil {
			return err
		}
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if ready != nil {
		if err := ready(); err != nil {
			return err
		}
	}
	if err := d.Rename(tmpName, name); err != nil {
		return err
	}
	d.Sync()
	return nil
}

// temporary returns a name for a file that is going to replace the named one.
func temporary(name string) string { return fmt.Sprintf(".%s.%d.tmp", name, rand.Uint32()) }

// RemoveLeftovers removes what a writer of a file left behind that was killed, as far
// as it is of an age. The caller makes sure that nobody writes for so long.
func (d *Folder) RemoveLeftovers(base string, age time.Duration) {
	entries, err := d.List()
	if err != nil {
		return
	}
	for _, e := range entries {
		name := e.Name()
		rest, is := strings.CutPrefix(name, "."+base+".")
		number, ending, _ := strings.Cut(rest, ".")
		if is && strings.Trim(number, "0123456789") == "" && (ending == "tmp" || ending == "tmp.backup") {
			if info, err := e.Info(); age == 0 || err == nil && time.Since(info.ModTime()) >= age {
				d.Remove(name)
			}
		}
	}
}

// Keep makes the present file its own backup, through a second name for it, or a
// copy where the file system has no links. Where there is no file, it does
// nothing.
func (d *Folder) Keep(name, backup string) error {
	if _, err := d.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	tmp := temporary(name) + ".backup"
	if d.link(name, tmp) != nil {
		if err := d.copyFile(name, tmp); err != nil {
			d.Remove(tmp)
			return err
		}
	}
	if err := d.restrict(tmp); err != nil {
		d.Remove(tmp)
		return err
	}
	if err := d.Rename(tmp, backup); err != nil {
		d.Remove(tmp)
		return err
	}
	// Renaming one name of a file to another name of the same file does
	// nothing and leaves the first.
	if err := d.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d *Folder) copyFile(from, to string) error {
	in, err := d.Open(from, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := d.Open(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	d.GiveAway(out, from)
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	if err := out.Sync(); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// Resolve follows the symbolic link at a path, if there is one, be it to nothing.
func Resolve(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	if target, err := os.Readlink(path); err == nil {
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		return target
	}
	return path
}
