//go:build !windows

package postfix

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"
)

// ownerOf returns the user and the group that a file has: UID GID.
func ownerOf(info fs.FileInfo) string {
	of := info.Sys().(*syscall.Stat_t)
	return fmt.Sprint(of.Uid, of.Gid)
}

// TestOwnersOfFiles: whoever the tables and their folder belong to, what root publishes
// has the owner that it had. A lock is for those who may write in the folder, and for the
// group that it has.
func TestOwnersOfFiles(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, which writes the files of others")
	}
	const somebody, another = 65534, 65533
	for name, c := range map[string]struct{ folder, table int }{
		"root's folder": {0, somebody}, "their folder": {somebody, somebody}, "root's table": {somebody, 0}, "all another's": {somebody, another},
	} {
		t.Run(name, func(t *testing.T) {
			g := files(t, "hash")
			if err := os.Chown(g.Folder, c.folder, c.folder); err != nil {
				t.Fatal(err)
			}
			publish(t, g.open(), step(nil, account("ann")))
			if info, err := os.Stat(g.Recipients + locking); err != nil || info.Mode() != 0o640 || ownerOf(info) != fmt.Sprint(c.folder, c.folder) {
				t.Errorf("the lock: %v, owner %s, %v", info.Mode(), ownerOf(info), err)
			}
			tables := []string{g.Recipients, g.Recipients + ".db"}
			for _, path := range tables {
				if err := os.Chown(path, c.table, c.table); err != nil {
					t.Fatal(err)
				}
			}
			publish(t, g.open(), step(nil, account("bob")))
			for _, path := range tables {
				if info, err := os.Stat(path); err != nil || ownerOf(info) != fmt.Sprint(c.table, c.table) {
					t.Errorf("%s: owner %s, not %d, %v", path, ownerOf(info), c.table, err)
				}
			}
			g.inStep()
		})
	}
}
