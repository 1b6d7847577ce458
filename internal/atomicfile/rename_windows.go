package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// open opens a file so that others may replace it meanwhile, as on other systems.
func (d *Folder) open(name string, flag int) (*os.File, error) {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = &fs.PathError{Op: "open", Path: d.Path(name), Err: windows.ERROR_PATH_NOT_FOUND}
		}
		return nil, err
	}
	defer root.Close()
	f, err := root.OpenFile(name, flag, Mode)
	return f, d.named(name, err)
}

// patience is for how long others may have a file open that is to be replaced: virus
// scanners, indexers and programs that make backups open files for a moment, in a way that
// keeps others from replacing them.
var patience = 5 * time.Second

// rename replaces a file.
func (d *Folder) rename(from, to string) error {
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return d.patiently(to, func() error { return root.Rename(from, to) })
}

// replaceable is an error for a file that cannot be replaced, also after a while.
func (d *Folder) replaceable(name string) error {
	path, err := windows.UTF16PtrFromString(d.Path(name))
	if err != nil {
		return err
	}
	err = d.patiently(name, func() error {
		h, err := windows.CreateFile(path, windows.DELETE, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE|windows.FILE_SHARE_DELETE, nil,
			windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS, 0)
		if err == nil {
			windows.CloseHandle(h)
		}
		return err
	})
	if errors.As(err, new(*Error)) {
		return err
	}
	return nil // whatever it is, it is said when the file is made
}

// patiently does what needs a file that nobody keeps from being replaced.
func (d *Folder) patiently(name string, do func() error) error {
	for late := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if info, err := os.Lstat(d.Path(name)); err == nil && info.Mode()&0o200 == 0 {
			return &Error{Path: d.Path(name), Reason: "the file is read-only", Advice: "take the attribute away with attrib -r, if the file may be replaced"}
		}
		err := do()
		if !errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			return err
		}
		if time.Now().After(late) {
			return &Error{Path: d.Path(name), Reason: "it cannot be replaced: another program has it open, or there is no permission",
				Advice: "close the program that has the file open, such as an editor, a backup or a virus scanner, and run the command again"}
		}
	}
}

// syncDir does nothing: NTFS journals renames, and directories cannot be
// synced there.
func syncDir(string) {}

// NoFollow is a flag that means nothing here.
const NoFollow = 0
