package blockfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/parallel"
)

const (
	testFormat  = "test-blocks"
	testVersion = 3
)

type testAbout struct {
	Name string `json:"name"`
}

// row is the text of row i, which is found by it and by its number.
func row(i int) string { return fmt.Sprint("row ", i, ";") }

// written is a file of so many rows.
func written(t testing.TB, rows int) string {
	t.Helper()
	var b bytes.Buffer
	w := NewWriter(&b, Blocks(rows))
	err := parallel.WriteBlocks(w, Blocks(rows), func(b []byte, n int) []byte {
		first, end := Bounds(rows, n)
		return w.Append(b, n, end-first, func(b []byte) []byte {
			for i := first; i < end; i++ {
				b = AppendKey(AppendKey(b, Key([]byte(row(i)))), Key(fmt.Append(nil, i)))
			}
			return b
		}, func(b []byte) []byte {
			for i := first; i < end; i++ {
				b = append(b, row(i)...)
			}
			return b
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.End(testFormat, testVersion, testAbout{"x"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func opened(t testing.TB, path string) (*File, error) {
	t.Helper()
	o, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	var about testAbout
	f, err := Open(o, testFormat, testVersion, &about)
	if err == nil && about.Name != "x" {
		t.Errorf("about %v", about)
	}
	return f, err
}

// read reads all rows.
func read(f *File) (string, error) {
	var mu sync.Mutex
	texts := map[int]string{}
	err := f.Each(func() func(n, first int, texts []byte) error {
		return func(n, first int, b []byte) error {
			mu.Lock()
			defer mu.Unlock()
			texts[first] = string(b)
			return nil
		}
	})
	all := ""
	for _, n := range slices.Sorted(func(yield func(int) bool) {
		for n := range texts {
			if !yield(n) {
				return
			}
		}
	}) {
		all += texts[n]
	}
	return all, err
}

func TestBlocks(t *testing.T) {
	for _, rows := range []int{0, 1, Rows, Rows + 1, 5*Rows - 3} {
		f, err := opened(t, written(t, rows))
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		for i := range rows {
			want += row(i)
		}
		if got, err := read(f); err != nil || got != want || f.Rows() != rows {
			t.Errorf("%d rows: %d, %v", rows, f.Rows(), err)
		}
		for _, i := range []int{0, rows / 2, rows - 1, rows, rows + 9999} {
			for _, key := range []uint32{Key([]byte(row(i))), Key(fmt.Append(nil, i))} {
				found := false
				err := f.Find(map[uint32]struct{}{key: {}}, func(n int) error {
					texts, err := f.Texts(nil, n)
					found = found || bytes.Contains(texts, []byte(row(i)))
					return err
				})
				if err != nil || found != (i >= 0 && i < rows) {
					t.Errorf("row %d of %d: found %t, %v", i, rows, found, err)
				}
			}
		}
	}
}

// TestCopied: a block that is copied into another file is found there.
func TestCopied(t *testing.T) {
	f, err := opened(t, written(t, 2*Rows))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := NewWriter(&b, 1)
	block, err := w.AppendCopy([]byte("-")[:0], 0, f, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(block)
	if err := w.End(testFormat, testVersion, testAbout{"x"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "g")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	g, err := opened(t, path)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = g.Find(map[uint32]struct{}{Key([]byte(row(Rows))): {}, Key([]byte(row(0))): {}}, func(n int) error { found++; return nil })
	if got, errRead := read(g); err != nil || errRead != nil || found != 1 || !bytes.HasPrefix([]byte(got), []byte(row(Rows))) {
		t.Error(found, err, errRead)
	}
}

// TestDamaged: of a file that was changed anywhere, or cut, nothing else is read than was
// written.
func TestDamaged(t *testing.T) {
	path := written(t, 40)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, _ := opened(t, path)
	want, err := read(f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		for _, b := range [][]byte{whole[:i], append(slices.Clone(whole[:i]), append([]byte{whole[i] ^ 1<<(i%8)}, whole[i+1:]...)...)} {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := opened(t, path)
			if err != nil {
				if !errors.Is(err, ErrDamaged) {
					t.Fatalf("octet %d: %v", i, err)
				}
				continue
			}
			if got, err := read(f); err == nil && got != want {
				t.Fatalf("octet %d: it is read otherwise", i)
			}
		}
	}
}

// FuzzOpen: a file of any octets ends in an error, if in nothing else.
func FuzzOpen(f *testing.F) {
	whole, err := os.ReadFile(written(f, 3))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		o, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		var about testAbout
		if x, err := Open(o, testFormat, testVersion, &about); err == nil {
			_, _ = read(x)
			_ = x.Find(map[uint32]struct{}{1: {}}, func(int) error { return nil })
		}
	})
}
