package state

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-cli/rollcall/internal/blockfile"
	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// varied is a state whose accounts have everything that accounts may have.
func varied(r *rand.Rand, n int) *State {
	s := &State{Accounts: corpus.Accounts(n, "corp"), Placed: map[identity.Address]identity.Placed{}}
	for i := range s.Accounts {
		a := &s.Accounts[i]
		switch r.IntN(6) {
		case 0:
			a.Directory, a.GUID = "", identity.GUID{}
		case 1:
			a.Status, a.Aliases = identity.Inactive, nil
		case 2:
			a.Type, a.Username, a.DN = identity.List, "", ""
		case 3:
			a.Attributes = []identity.Attribute{{Name: "department", Value: "Größe\u202e\n\"\\"}, {Name: fmt.Sprint("x", r.IntN(300)), Value: strings.Repeat("v", 1+r.IntN(300))}}
		}
		if r.IntN(3) > 0 {
			p := identity.Placed{Ref: fmt.Sprint("u-", r.Uint32()), Undecided: r.IntN(9) == 0}
			if r.IntN(4) > 0 {
				p.Applied = day.Add(time.Duration(r.IntN(1e6)) * time.Second)
			}
			if r.IntN(5) == 0 {
				found := *a
				found.Directory, found.GUID, found.Primary = "", identity.GUID{}, identity.Address{}
				p.Found = &found
			}
			s.Placed[a.Primary] = p
		}
	}
	if n == 0 || r.IntN(5) == 0 {
		s.Placed = nil
	}
	return s
}

// compared compares states by what they say.
var compared = cmp.Options{cmpopts.IgnoreUnexported(State{}), cmpopts.EquateComparable(identity.Address{}, identity.GUID{}), cmpopts.EquateEmpty()}

// byIndex reads a state by its index, which has to fit.
func byIndex(t *testing.T, path string) *State {
	t.Helper()
	st := At(path).indexed(ctx, (*index).all)
	if st == nil {
		t.Fatal("there is no index that fits")
	}
	return st
}

// TestIndexed: a state that is read by its index is what is in the file, and so is each part
// of it.
func TestIndexed(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 7))
		path := filepath.Join(t.TempDir(), "s.jsonl")
		s := varied(r, []int{0, 1, 700, blockfile.Rows, blockfile.Rows + 1, 3000}[seed%6])
		if err := At(path).Save(ctx, s, "test", day, nil); err != nil {
			t.Fatal(err)
		}
		want, err := At(path).Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got := byIndex(t, path)
		if diff := cmp.Diff(want, got, compared); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		var addresses []identity.Address
		for i := range want.Accounts {
			want.Accounts[i].EachAddress(func(x identity.Address) { addresses = append(addresses, x) })
		}
		addresses = append(addresses, identity.MustAddress("nobody@example.com"))
		for n := range 10 {
			x, y := addresses[r.IntN(len(addresses))], addresses[r.IntN(len(addresses))]
			part, err := At(path).Holding(ctx, x, y)
			if err != nil {
				t.Fatal(err)
			}
			whole := *want
			whole.Accounts, whole.Placed = nil, map[identity.Address]identity.Placed{}
			for _, a := range want.Accounts {
				if a.Holds(x) || a.Holds(y) {
					whole.Accounts = append(whole.Accounts, a)
					if p, is := want.Placed[a.Primary]; is {
						whole.Placed[a.Primary] = p
					}
				}
			}
			if diff := cmp.Diff(&whole, part, compared); diff != "" {
				t.Fatalf("seed %d, %s and %s: %s", seed, x, y, diff)
			}
			if n > 1 {
				continue
			}
			os.Remove(indexName(path))
			if again, err := At(path).Holding(ctx, x, y); err != nil || cmp.Diff(part, again, compared) != "" {
				t.Fatalf("seed %d, without an index: %v, %s", seed, err, cmp.Diff(part, again, compared))
			}
		}
	}
}

// TestIndexedOfAnother: an index is used for the file alone that it was made of, and made
// anew when it is not.
func TestIndexedOfAnother(t *testing.T) {
	t.Parallel()
	text := func(t *testing.T, path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	write := func(t *testing.T, path string, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, change := range map[string]func(t *testing.T, path string) (damaged bool){
		"a later version beside the index of the one before": func(t *testing.T, path string) bool {
			old := text(t, indexName(path))
			st, err := At(path).Load(ctx)
			if err != nil {
				t.Fatal(err)
			}
			st.Accounts = st.Accounts[1:]
			if err := At(path).Save(ctx, st, "test", day, nil); err != nil {
				t.Fatal(err)
			}
			write(t, indexName(path), old)
			return false
		},
		"the backup put back": func(t *testing.T, path string) bool {
			write(t, path, text(t, path+".backup"))
			return false
		},
		"written by hand, with the time and the length of before": func(t *testing.T, path string) bool {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			b := text(t, path)
			b[len(b)/2] ^= 1
			write(t, path, b)
			if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
				t.Fatal(err)
			}
			return true
		},
		"cut short": func(t *testing.T, path string) bool {
			write(t, path, text(t, path)[:1000])
			return true
		},
		"a copy in its place": func(t *testing.T, path string) bool {
			b := text(t, path)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			write(t, path, b)
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "s.jsonl")
			s := saved(t, path, 100)
			s.Accounts = append(s.Accounts, *person("zoe"))
			if err := At(path).Save(ctx, s, "test", day, nil); err != nil {
				t.Fatal(err)
			}
			byIndex(t, path)
			time.Sleep(20 * time.Millisecond) // a step of the clock
			damaged := change(t, path)
			if At(path).indexed(ctx, (*index).all) != nil {
				t.Error("the index is used")
			}
			want, failed := At(path).Load(ctx)
			got, err := At(path).Recall(ctx)
			if (err != nil) != damaged || (failed != nil) != damaged || !damaged && cmp.Diff(want, got, compared) != "" {
				t.Errorf("%v, %v, %s", failed, err, cmp.Diff(want, got, compared))
			}
			if !damaged {
				if diff := cmp.Diff(want, byIndex(t, path), compared); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestIndexedDamaged: of an index that was changed anywhere, or cut, nothing is believed.
func TestIndexedDamaged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.jsonl")
	want := varied(rand.New(rand.NewPCG(3, 3)), 12)
	if err := At(path).Save(ctx, want, "test", day, nil); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(indexName(path))
	if err != nil {
		t.Fatal(err)
	}
	try := func(what string, b []byte) {
		if err := os.WriteFile(indexName(path), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if st := At(path).indexed(ctx, (*index).all); st != nil && cmp.Diff(want, st, compared) != "" {
			t.Errorf("%s: it is read otherwise", what)
		}
		x := want.Accounts[5].Primary
		if st, err := At(path).Holding(ctx, x); err != nil || len(st.Accounts) != 1 || st.Accounts[0].Primary != x {
			t.Errorf("%s: %v, %v", what, st, err)
		}
	}
	step := 31
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		step = 1
	}
	for i := 0; i < len(whole); i += step {
		b := bytes.Clone(whole)
		b[i] ^= 1 << (i % 8)
		try(fmt.Sprintf("octet %d", i), b)
		try(fmt.Sprintf("cut at %d", i), whole[:i])
	}
	try("longer", append(bytes.Clone(whole), 0))
	if info, err := os.Stat(indexName(path)); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestIndexedUnwritable: where no index can be written, the state is read all the same.
func TestIndexedUnwritable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.jsonl")
	if err := os.Mkdir(indexName(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(indexName(path), "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := saved(t, path, 10)
	if st, err := At(path).Recall(ctx); err != nil || cmp.Diff(s, st, compared) != "" {
		t.Errorf("%v, %s", err, cmp.Diff(s, st, compared))
	}
}

// FuzzRows: rows of any octets end in an error, if in nothing else.
func FuzzRows(f *testing.F) {
	var w identity.RowWriter
	rows := w.Append(nil, person("ann", "a"))
	rows = appendRowPlaced(rows, &identity.Placed{Ref: "u", Applied: day, Found: person("ann")}, true)
	f.Add(w.AppendNames(rows), 1)
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		var r rowReader
		read := 0
		n = min(max(n, 0), blockfile.Rows)
		if err := r.each(n, text, func(int, identity.Account, *identity.Placed) { read++ }); err == nil && read != n {
			t.Errorf("%d accounts of %d", read, n)
		}
	})
}
