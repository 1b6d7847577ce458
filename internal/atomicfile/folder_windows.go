package atomicfile

import (
	"io/fs"
	"os"
	"path/filepath"
)

// Locate returns the folder of a file and the file's name there. A link at its
// path is followed.
func Locate(path string) (*Folder, string, error) {
	path = Resolve(path)
	return &Folder{dir: filepath.Dir(path)}, filepath.Base(path), nil
}

// Enter returns the folder at a path.
func Enter(path string) (*Folder, error) { return &Folder{dir: path}, nil }

// Mkdir makes a folder, for its owner alone.
func (d *Folder) Mkdir(name, _ string) error { return os.Mkdir(d.Path(name), 0o700) }

// GiveAway does nothing: access follows from the folder.
func (d *Folder) GiveAway(*os.File, string) {}

// names is not asked here.
func names(fs.FileInfo) uint64 { return 1 }
