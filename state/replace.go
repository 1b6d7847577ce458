package state

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// private is the mode of every file that holds addresses.
const private = 0o600

// ReplaceFile writes a file of mode 0600 as a whole: until the new one is
// complete and synced, the present one stays.
func ReplaceFile(path string, write func(io.Writer) error) error {
	return replace(path, false, write, func() error { return nil })
}

// replace writes a new file beside path, syncs it, calls ready, keeps the
// present file as the backup if asked to, and renames the new one over it.
// Whatever happens on the way, a whole file stands at path.
func replace(path string, backup bool, write func(io.Writer) error, ready func() error) (err error) {
	d, name, err := locate(path)
	if err != nil {
		return err
	}
	defer d.close()
	if backup {
		d.removeLeftovers(name)
	}
	tmp, tmpName, err := d.create("."+name+".", ".tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			d.remove(tmpName)
		}
	}()
	d.giveAway(tmp, name)
	if err := write(tmp); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	if backup {
		if err := d.keepBackup(name, tmpName+".backup"); err != nil {
			return err
		}
	}
	if err := d.rename(tmpName, name); err != nil {
		return err
	}
	d.sync()
	return nil
}

// resolved follows symbolic links: a link stays a link, and what it points to
// is locked and replaced.
func resolved(path string) string {
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

// Files returns the files that belong to the state at path: itself, its backup
// and its lock.
func Files(path string) []string {
	path = resolved(path)
	return []string{path, BackupPath(path), path + ".lock"}
}

// removeLeftovers removes what a writer of a file left behind that was killed.
// The caller holds the lock, so that nobody else writes.
func (d *folder) removeLeftovers(base string) {
	entries, err := d.list()
	if err != nil {
		return
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, "."+base+".") && (strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".tmp.backup")) {
			d.remove(name)
		}
	}
}

// keepBackup makes the present file the backup, through a second name for it,
// or a copy where the file system has no links.
func (d *folder) keepBackup(name, tmp string) error {
	if _, err := d.lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if d.link(name, tmp) != nil {
		if err := d.copyFile(name, tmp); err != nil {
			d.remove(tmp)
			return err
		}
	}
	if err := d.restrict(tmp); err != nil {
		d.remove(tmp)
		return err
	}
	if err := d.rename(tmp, BackupPath(name)); err != nil {
		d.remove(tmp)
		return err
	}
	// Renaming one name of a file to another name of the same file does
	// nothing and leaves the first.
	if err := d.remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d *folder) copyFile(from, to string) error {
	in, err := d.open(from, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := d.open(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	d.giveAway(out, from)
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
