package state

import (
	"io/fs"
	"os"
	"path/filepath"
)

// locate returns the folder of a file and the file's name there. A link at its
// path is followed.
func locate(path string) (*folder, string, error) {
	path = resolved(path)
	return &folder{dir: filepath.Dir(path)}, filepath.Base(path), nil
}

// enter returns the folder at a path.
func enter(path string) (*folder, error) { return &folder{dir: path}, nil }

// makeFolder makes a folder, for its owner alone.
func (d *folder) makeFolder(name, _ string) error { return os.Mkdir(d.path(name), 0o700) }

// giveAway does nothing: access follows from the folder.
func (d *folder) giveAway(*os.File, string) {}

// names is not asked here.
func names(fs.FileInfo) uint64 { return 1 }
