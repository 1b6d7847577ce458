package state

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/blockfile"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// edited is what becomes of some accounts: gone, changed, renamed, and others that come.
func edited(r *rand.Rand, accounts []identity.Account, come int) []identity.Account {
	var all []identity.Account
	for _, a := range accounts {
		switch r.IntN(4) {
		case 0:
			continue
		case 1:
			a.Username += "x"
		case 2:
			a.Primary = identity.MustAddress(fmt.Sprint("r", r.Uint32(), "@example.com"))
		}
		all = append(all, a)
	}
	for range come {
		all = append(all, *person(fmt.Sprint("n", r.Uint32())))
	}
	return all
}

// TestIndexedPart: what is saved of a part is the very state that is saved of all.
func TestIndexedPart(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 5))
		part := filepath.Join(t.TempDir(), "p.jsonl")
		first := varied(r, []int{1, 700, blockfile.Rows, 3000, 5 * blockfile.Rows}[seed%5])
		first.Placed = nil
		if err := At(part).Save(ctx, first, "test", day, nil); err != nil {
			t.Fatal(err)
		}
		st := byIndex(t, part)
		rows, err := At(part).Rows(ctx)
		if err != nil || rows.x == nil {
			t.Fatal(rows, err)
		}
		// Some of the accounts are at hand, found by their addresses and GUIDs.
		wanted := map[uint32]struct{}{}
		var at []identity.Account
		for i := range st.Accounts {
			if a := &st.Accounts[i]; r.IntN(60) == 0 || len(st.Accounts) == 1 {
				var keys []uint32
				EachKey(a, func(key uint32) { keys = append(keys, key) })
				wanted[keys[r.IntN(len(keys))]] = struct{}{}
			}
		}
		if err := rows.Find(wanted, func(a identity.Account) {
			has := false
			EachKey(&a, func(key uint32) { _, is := wanted[key]; has = has || is })
			if has {
				at = append(at, a)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if len(at) < len(wanted) {
			t.Errorf("%d accounts found of %d", len(at), len(wanted))
		}
		some, err := rows.Part(at)
		if err != nil {
			t.Fatal(err)
		}
		come := []int{0, 3, 2 * blockfile.Rows}[seed%3]
		some.Accounts = edited(r, some.Accounts, come)
		all := *st
		all.Accounts = slices.DeleteFunc(slices.Clone(st.Accounts), func(a identity.Account) bool {
			return slices.ContainsFunc(at, func(b identity.Account) bool { return a.Primary == b.Primary })
		})
		all.Accounts = append(all.Accounts, some.Accounts...)
		if err := At(part).Save(ctx, some, "test", day, nil); err != nil {
			t.Fatal(err)
		}
		rows.Close()
		all.Serial, all.Sum = some.Serial, some.Sum
		slices.SortFunc(all.Accounts, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
		var want bytes.Buffer
		if err := all.Write(&want); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(part); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("seed %d: %v, or the file is not the same: %d and %d octets", seed, err, len(got), want.Len())
		}
		if got := byIndex(t, part); cmp.Diff(&all, got, compared) != "" {
			t.Errorf("seed %d: the index has something else:\n%s", seed, cmp.Diff(&all, got, compared))
		}
		if err := At(part).Save(ctx, some, "test", day, nil); err == nil {
			t.Error("a part was written twice")
		}
	}
}

// TestIndexedPartDamaged: lines that are damaged are not written on.
func TestIndexedPartDamaged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "p.jsonl")
	st := varied(rand.New(rand.NewPCG(1, 1)), 3000)
	st.Placed = nil
	if err := At(path).Save(ctx, st, "test", day, nil); err != nil {
		t.Fatal(err)
	}
	rows, err := At(path).Rows(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	part, err := rows.Part(st.Accounts[:1])
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("#"), int64(len(before)*2/3)); err != nil {
		t.Fatal(err)
	}
	f.Close()
	part.Accounts = nil
	if err := At(path).Save(ctx, part, "test", day, nil); err == nil {
		t.Error("it was written")
	}
}

// TestIndexedExtended: an index to which many versions have added is that of the last one; who
// has an earlier one open still reads that; one that is cut or damaged is not believed; and
// what is of no use any more does not add up.
func TestIndexedExtended(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	path := filepath.Join(t.TempDir(), "p.jsonl")
	first := varied(r, 8*blockfile.Rows)
	first.Placed = nil
	if err := At(path).Save(ctx, first, "test", day, nil); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(indexName(path))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	text := func(st *State) string {
		var b bytes.Buffer
		if err := st.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	early, err := At(path).Rows(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	stays := replacesOpen(t)
	if !stays {
		early.Close()
	}
	begun, grown, anew := size(), 0, 0
	for round := range 30 {
		rows, err := At(path).Rows(ctx)
		if err != nil || rows.x == nil {
			t.Fatal(rows, err)
		}
		was := byIndex(t, path)
		some := was.Accounts[r.IntN(len(was.Accounts))]
		part, err := rows.Part([]identity.Account{some})
		if err != nil {
			t.Fatal(err)
		}
		part.Accounts = edited(r, part.Accounts, r.IntN(3))
		before := size()
		if err := At(path).Save(ctx, part, "test", day, nil); err != nil {
			t.Fatal(err)
		}
		rows.Close()
		switch now := size(); {
		case now > before:
			grown++
		default:
			anew++
		}
		if size() > begun*7/4 {
			t.Fatalf("round %d: the index has %d octets, and had %d", round, size(), begun)
		}
		if round%6 > 0 {
			continue
		}
		index := byIndex(t, path)
		whole, err := At(path).Load(ctx)
		if err != nil || text(whole) != text(index) {
			t.Fatalf("round %d: %v, the index has something else", round, err)
		}
	}
	if grown < 20 || anew == 0 {
		t.Errorf("%d times the index was extended, and %d times made anew", grown, anew)
	}
	for n := range first.Accounts {
		if n%997 > 0 || !stays {
			continue
		}
		a, found := &first.Accounts[n], false
		wanted := map[uint32]struct{}{blockfile.Key([]byte(a.Primary.String())): {}}
		if err := early.Find(wanted, func(b identity.Account) { found = found || a.Equal(&b) }); err != nil || !found {
			t.Fatalf("who has the first version open finds %s: %t, %v", a.Primary, found, err)
		}
	}

	whole, err := At(path).Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(indexName(path))
	if err != nil {
		t.Fatal(err)
	}
	for n := range 24 {
		b := bytes.Clone(good)
		if n%2 == 0 {
			b = b[:r.IntN(len(b))]
		} else {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		if err := os.WriteFile(indexName(path), b, 0o600); err != nil {
			t.Fatal(err)
		}
		if st := At(path).indexed(ctx, (*index).all); st != nil && text(whole) != text(st) {
			t.Fatal("a damaged index is read otherwise")
		}
	}
}

// replacesOpen reports whether the system replaces files that are open. Windows does on
// NTFS, and not on every share of a file server.
func replacesOpen(t *testing.T) bool {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	empty := func(io.Writer) error { return nil }
	if err := atomicfile.Write(path, empty); err != nil {
		t.Fatal(err)
	}
	f, err := atomicfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return atomicfile.Write(path, empty) == nil
}
