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
	path = resolved(path)
	dir := filepath.Dir(path)
	if backup {
		removeLeftovers(path)
	}
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	sameOwner(tmp, path)
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
		if err := keepBackup(path, tmp.Name()+".backup"); err != nil {
			return err
		}
	}
	if err := rename(tmp.Name(), path); err != nil {
		return err
	}
	syncDir(dir)
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

// removeLeftovers removes what a writer of path left behind that was killed.
// The caller holds the lock, so that nobody else writes.
func removeLeftovers(path string) {
	dir, base := filepath.Split(path)
	entries, err := os.ReadDir(filepath.Clean(dir + "."))
	if err != nil {
		return
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, "."+base+".") && (strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".tmp.backup")) {
			os.Remove(filepath.Join(dir, name))
		}
	}
}

// keepBackup makes the present file the backup, through a second name for it,
// or a copy where the file system has no links.
func keepBackup(path, tmp string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if os.Link(path, tmp) != nil {
		if err := copyFile(path, tmp); err != nil {
			os.Remove(tmp)
			return err
		}
	}
	if err := os.Chmod(tmp, private); err != nil {
		os.Remove(tmp)
		return err
	}
	if err := rename(tmp, BackupPath(path)); err != nil {
		os.Remove(tmp)
		return err
	}
	// Renaming one name of a file to another name of the same file does
	// nothing and leaves the first.
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, private)
	if err != nil {
		return err
	}
	sameOwner(out, from)
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
