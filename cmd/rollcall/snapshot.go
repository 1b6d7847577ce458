package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/console/wire"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
)

type snapshotCommand struct {
	Output    string   `short:"o" required:"" placeholder:"DIR" help:"The folder of the files; it is created if it is missing."`
	Directory []string `placeholder:"NAME" sep:"none" help:"Save only this directory, and the console; repeatable."`
}

func (snapshotCommand) Help() string {
	return `Saves what each directory returns as DIR/<directory>.ldif, and the accounts of the console as DIR/` + savedConsole + `, which plan --snapshot DIR makes the same plan from. The local console, which is the state, is not saved. The files are replaced once everything was read completely; otherwise the old files are kept.

Examples:
  rollcall snapshot -o monday
  rollcall plan --snapshot monday

Exit codes: 0 done; 1 failed; 10 a directory or the console could not be read completely; 12 credentials were refused; 70 internal error; 80 wrong usage; 130 interrupted.`
}

func (c *snapshotCommand) Run(s *session) (err error) {
	cfg, wanted, err := s.chosen(c.Directory)
	if err != nil {
		return err
	}
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	labels, _ := wantedDirectories(cfg, nil)
	reader, err := s.reader(cfg, labels, "", progress) // all, so that none is replaced
	if err != nil {
		return err
	}
	others, err := s.prerequisiteReader(cfg, "", progress)
	if err != nil {
		return err
	}
	reader.Directories = withoutScopes(cfg, reader.Directories)
	chosen := slices.DeleteFunc(slices.Clone(reader.Directories), func(d directory.Directory) bool { return !slices.Contains(wanted, d.Name) })
	// Every plan needs the prerequisites, whatever directories it reads.
	chosen = append(chosen, others.Directories...)
	reader.Directories = append(reader.Directories, others.Directories...)
	var paths []string
	for i := range chosen {
		paths = append(paths, snapshotPath(c.Output, chosen[i].SavedAs))
	}
	elsewhere := !consoles.Kind(cfg.Console.Kind).Embedded
	if elsewhere {
		paths = append(paths, filepath.Join(c.Output, savedConsole))
	}
	for _, path := range paths {
		if err := s.guard(reader.Directories, path); err != nil {
			return err
		}
	}
	reader.Directories = chosen
	made := missingDirs(c.Output)
	defer func() {
		if err != nil {
			for _, dir := range made {
				_ = os.Remove(dir) // unless something is in it
			}
		}
	}()
	if err := os.MkdirAll(c.Output, 0o700); err != nil {
		return err
	}
	removeLeftovers(c.Output)
	all, err := s.save(reader, c.Output)
	defer closeAll(all)
	if err != nil {
		return err
	}
	var files []snapshotFile
	for _, f := range all {
		files = append(files, snapshotFile{f.path, f.Write, fmt.Sprintf("%s: %s from %s", f.name, counted(f.Objects(), "object"), f.receipt.Server)})
	}
	if elsewhere {
		f, err := s.saveConsole(cfg, c.Output, progress)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	progress.Update("writing", "files", len(files))
	if err := s.replaceAll(files); err != nil {
		return err
	}
	progress.Clear()
	for _, f := range files {
		if _, err := fmt.Fprintln(s.stdout, render.Escape(f.receipt+" written to "+f.path)); err != nil {
			return fmt.Errorf("write to standard output: %w", err)
		}
	}
	return nil
}

// snapshotFile is one of a snapshot, which is to be put at path, with what is said
// of it.
type snapshotFile struct {
	path    string
	write   func(io.Writer) error
	receipt string
}

// saveConsole reads the console for a file in a folder.
func (s *session) saveConsole(cfg *config.Config, folder string, progress *render.Progress) (snapshotFile, error) {
	live, r, err := s.live(cfg, "", s.now(), progress)
	if err != nil {
		return snapshotFile{}, err
	}
	from := wire.Saved{Name: r.Name, Kind: r.Kind, Product: r.Product, Version: r.Version, Facts: r.Facts}
	receipt := r.Name + ": " + counted(r.Accounts, "account")
	if product := render.Product(&r); product != "" {
		receipt += " from " + product
	}
	return snapshotFile{filepath.Join(folder, savedConsole), func(w io.Writer) error { return wire.WriteAccounts(w, &from, live) }, receipt}, nil
}

// saved is the snapshot of a directory, which is to be put at path.
type saved struct {
	*ldif.Snapshot
	name, path string
	receipt    identity.Receipt
}

// save reads directories into snapshots in a folder, each with all that other
// scopes would read too. They are to be closed, also where there is an error.
func (s *session) save(reader *directory.Reader, folder string) (all []saved, err error) {
	err = reader.Objects(s.ctx, func(d *directory.Directory) (directory.Sink, error) {
		for i := range d.Scopes {
			d.Scopes[i].Whole = true
		}
		snapshot, err := ldif.NewSnapshot(folder, d.Scopes)
		if err == nil {
			all = append(all, saved{Snapshot: snapshot, name: d.SavedAs, path: snapshotPath(folder, d.SavedAs)})
		}
		return snapshot, err
	}, func(_ *directory.Directory, receipt identity.Receipt) error {
		all[len(all)-1].receipt = receipt
		return nil
	})
	return all, err
}

// closeAll removes the temporary files of snapshots.
func closeAll(all []saved) {
	for _, f := range all {
		f.Close()
	}
}

// snapshotPath is where the snapshot of a directory is in a folder.
func snapshotPath(dir, name string) string { return filepath.Join(dir, name+".ldif") }

// missingDirs returns which of a directory and those above it are not there,
// the innermost first.
func missingDirs(dir string) []string {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
		return nil
	}
	return append([]string{dir}, missingDirs(filepath.Dir(dir))...)
}

// removeLeftovers removes the temporary files of snapshots that were killed. One
// that is under way loses nothing: while a file is open it needs no name, or,
// on Windows, cannot be removed.
func removeLeftovers(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if fits, _ := filepath.Match(".rollcall-snapshot.*.tmp", e.Name()); fits {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// guard refuses to write a file that rollcall reads, or would read next time
// because it fits the pattern of a directory of files.
func (s *session) guard(directories []directory.Directory, path string) error {
	const hint = "name another folder"
	if input := s.input(path); input != "" {
		return hinted{fmt.Errorf("the snapshot %s would replace %s, which rollcall reads", path, input), hint}
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	for _, d := range directories {
		filed, ok := d.Source.(directory.Filed)
		if !ok {
			continue
		}
		for _, pattern := range filed.Patterns() {
			whole, err := filepath.Abs(pattern)
			if err != nil {
				return err
			}
			if fits, _ := filepath.Match(whole, absolute); fits {
				return hinted{fmt.Errorf("the snapshot %s would be read as a part of directory %q, which reads %s", path, d.Name, pattern), hint}
			}
		}
	}
	return nil
}

// replaceAll puts files in place. The first one is replaced once all are written.
func (s *session) replaceAll(files []snapshotFile) error {
	if len(files) == 0 {
		return nil
	}
	f := &files[0]
	return atomicfile.Write(f.path, func(w io.Writer) error {
		if err := f.write(interruptibleWriter{s.ctx, w}); err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
		return s.replaceAll(files[1:])
	})
}
