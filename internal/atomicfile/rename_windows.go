package atomicfile

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// rename replaces a file. Virus scanners and indexers open new files for a
// moment, so a sharing violation is tried again for up to a second.
func rename(from, to string) error {
	var err error
	for range 20 {
		if err = os.Rename(from, to); !errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// syncDir does nothing: NTFS journals renames, and directories cannot be
// synced there.
func syncDir(string) {}

// NoFollow is a flag that means nothing here.
const NoFollow = 0
