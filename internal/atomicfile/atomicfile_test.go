package atomicfile

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// beside returns the names of what is in a folder, sorted.
func beside(t *testing.T, path string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func content(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestWrite: a file is replaced as a whole and is its owner's alone; a write that
// fails leaves the one before, and nothing beside it.
func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, s := range []string{"one", "two"} {
		if err := Write(path, text(s)); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != s {
			t.Errorf("%q, want %q", got, s)
		}
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != Mode {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	full := errors.New("no space left on device")
	err := Write(path, func(w io.Writer) error { return errors.Join(text("half")(w), full) })
	if !errors.Is(err, full) || content(t, path) != "two" || !slices.Equal(beside(t, path), []string{"f"}) {
		t.Errorf("%v leaves %q, %v", err, content(t, path), beside(t, path))
	}
}

// TestReplace: what is asked when the new file is there can keep the old one, as
// it is or as a backup.
func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	d, name, err := Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	keep := func() error { return d.Keep(name, "f.backup") }
	if err := d.Replace(name, text("one"), keep); err != nil || !slices.Equal(beside(t, path), []string{"f"}) {
		t.Fatalf("the first has none before it: %v, %v", beside(t, path), err)
	}
	for _, s := range []string{"two", "three"} {
		was := content(t, path)
		if err := d.Replace(name, text(s), keep); err != nil || content(t, path) != s || content(t, path+".backup") != was {
			t.Fatalf("%v, %q", err, content(t, path+".backup"))
		}
	}
	no := errors.New("no")
	if err := d.Replace(name, text("four"), func() error { return no }); !errors.Is(err, no) || content(t, path) != "three" {
		t.Errorf("%v, %q", err, content(t, path))
	}
	if got := beside(t, path); !slices.Equal(got, []string{"f", "f.backup"}) {
		t.Errorf("left behind: %v", got)
	}
}

// TestRemoveLeftovers: what a killed writer left behind goes, and nothing else.
func TestRemoveLeftovers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	d, name, err := Locate(path)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, left := range []string{temporary(name), temporary(name) + ".backup", ".f.note", "f", temporary("g")} {
		if err := os.WriteFile(d.Path(left), nil, Mode); err != nil {
			t.Fatal(err)
		}
	}
	d.RemoveLeftovers(name, 0)
	if got := beside(t, path); len(got) != 3 || got[0] != ".f.note" || got[2] != "f" {
		t.Errorf("%v are left", got)
	}
}

// TestLink: a link stays a link, and what it points to is replaced, be it there
// already or not.
func TestLink(t *testing.T) {
	dir := t.TempDir()
	path, target := filepath.Join(dir, "link"), filepath.Join(dir, "target")
	if err := os.Symlink("target", path); err != nil {
		t.Skip(err)
	}
	if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Skip("there are no symbolic links here")
	}
	for _, s := range []string{"one", "two"} {
		if err := Write(path, text(s)); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 || content(t, target) != s {
			t.Errorf("%v, %v, %q", info, err, content(t, target))
		}
	}
}

// TestReadWhileReplaced: who opens a file that is being replaced has one of its
// versions whole, whoever they are.
func TestReadWhileReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := Write(path, text("whole")); err != nil {
		t.Fatal(err)
	}
	stop, written := make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		for err == nil {
			select {
			case <-stop:
				written <- nil
				return
			default:
				err = Write(path, text("whole"))
			}
		}
		written <- err
	}()
	for n := range 2000 {
		f, err := Open(path)
		if err != nil {
			t.Errorf("read %d: %v", n, err)
			break
		}
		raw, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(raw) != "whole" {
			t.Errorf("read %d: %q, %v", n, raw, err)
			break
		}
	}
	close(stop)
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// TestWriteLarge: a file that is brought to the disk while it is written has all of it.
func TestWriteLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	text := bytes.Repeat([]byte("0123456789abcdef"), 2*behindBlock/16+5)
	err := Write(path, func(w io.Writer) error {
		for left := text; len(left) > 0; {
			n := min(len(left), 3<<20)
			if _, err := w.Write(left[:n]); err != nil {
				return err
			}
			left = left[n:]
		}
		return nil
	})
	if got, read := os.ReadFile(path); err != nil || read != nil || !bytes.Equal(got, text) {
		t.Errorf("%v, %v, %d octets of %d", err, read, len(got), len(text))
	}
}
