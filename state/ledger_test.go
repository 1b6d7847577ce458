package state

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// ledger makes a ledger of a state: of three accounts one after the other, one is
// as it was asked for, one was found to be otherwise, and one is in no console.
func ledger(s *State) *State {
	s.Placed = map[identity.Address]identity.Placed{}
	for i := range s.Accounts {
		a := s.Accounts[i]
		switch i % 3 {
		case 0:
			s.Placed[a.Primary] = identity.Placed{Ref: "u-\u202e" + a.GUID.String(), Applied: day}
		case 1:
			a.Directory, a.GUID, a.Username = "", identity.GUID{}, `}},"ref":"x`
			s.Placed[a.Primary] = identity.Placed{Applied: day.Add(time.Hour), Found: &a}
		}
	}
	return s
}

// TestLedger: what a ledger knows of its console is read as it was written, and
// goes with its account. Without it, the accounts are the same octets.
func TestLedger(t *testing.T) {
	path := t.TempDir() + "/s"
	s := ledger(&State{Accounts: corpus.Accounts(300, "corp")})
	if err := At(path).Save(ctx, s, "test", day, nil); err != nil {
		t.Fatal(err)
	}
	got, err := At(path).Load(ctx)
	if err != nil || !reflect.DeepEqual(got, s) {
		t.Fatalf("%v: read otherwise than written", err)
	}
	var with, without bytes.Buffer
	if err := s.Write(&with); err != nil {
		t.Fatal(err)
	}
	plain := *s
	plain.Placed = nil
	if err := plain.Write(&without); err != nil {
		t.Fatal(err)
	}
	known := map[identity.Address]bool{}
	for primary := range s.Placed {
		known[primary] = true
	}
	lines := strings.Split(with.String(), "\n")
	for i, line := range strings.Split(without.String(), "\n")[1 : 1+len(s.Accounts)] {
		if !strings.Contains(lines[i+1], line) || (lines[i+1] == line) == known[s.Accounts[i].Primary] {
			t.Fatalf("account %d is %s, and in the ledger %s", i, line, lines[i+1])
		}
	}
	placed := slices.IndexFunc(got.Accounts, func(a identity.Account) bool { return known[a.Primary] })
	a := &got.Accounts[placed]
	a.Directory, a.GUID = "", identity.GUID{}
	if err := got.Remove(a); err != nil {
		t.Fatal(err)
	}
	if len(got.Placed) != 199 {
		t.Error("an account is removed, and its place is not")
	}
}

// TestLedgerLine: one line, as the page shows it.
func TestLedgerLine(t *testing.T) {
	a := person("ann")
	const account = `{"primary":"ann@example.com","aliases":[],"type":"user","status":"active","directory":"corp","guid":"01000000-0000-0000-0000-000000000000","username":"","dn":"","attributes":{}}`
	found := *a
	found.Directory, found.GUID, found.Status, found.Aliases = "", identity.GUID{}, identity.Inactive, []identity.Address{identity.MustAddress("a@example.com")}
	for _, c := range []struct {
		placed identity.Placed
		want   string
	}{
		{identity.Placed{Ref: "u-17", Applied: time.Date(2026, 11, 29, 18, 0, 0, 0, time.UTC)}, `"ref":"u-17","applied":"2026-11-29T18:00:00Z","found":null}`},
		{identity.Placed{}, `"ref":"","applied":null,"found":null}`},
		{identity.Placed{Undecided: true}, `"ref":"","applied":null,"found":null,"undecided":true}`},
		{identity.Placed{Found: &found}, `"ref":"","applied":null,"found":{"primary":"ann@example.com","aliases":["a@example.com"],"type":"user","status":"inactive","directory":"","guid":"","username":"","dn":"","attributes":{}}}`},
	} {
		want := `{"account":` + account + "," + c.want
		if got := string(appendPlaced(nil, a, &c.placed)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		var dec identity.Decoder
		if p := canonicalPlaced([]byte("," + c.want)); p != nil && !reflect.DeepEqual(*p, c.placed) || (p == nil) != (c.placed.Applied.IsZero() || c.placed.Found != nil) {
			t.Errorf("%s reads %+v at once", c.want, p)
		}
		if read, p, err := parseAccount(&dec, []byte(want)); err != nil || !read.Equal(a) || !reflect.DeepEqual(*p, c.placed) {
			t.Errorf("%s reads %+v, %+v, %v", want, read, p, err)
		}
	}
	for _, bad := range []string{
		`{"account":` + account + `}}`, `{"account":null,"ref":"","applied":null,"found":null}`,
		`{"account":` + account + `,"ref":"","applied":"2026","found":null}`, `{"account":` + account + `,"ref":"","applied":null,"found":null,"more":1}`,
		`{"account":` + account + `,"ref":"","applied":null,"found":{}`,
		`{"account":` + account + `,"ref":"\q","applied":"2026-11-29T18:00:00Z","found":null}`, `{"account":` + account + `,"ref":"a"b","applied":"2026-11-29T18:00:00Z","found":null}`,
		`{"account":` + account + `,"ref":"","applied":"2026-02-31T18:00:00Z","found":null}`, `{"account":` + account + `,"ref":1,"applied":"2026-11-29T18:00:00Z","found":null}`,
	} {
		var dec identity.Decoder
		if _, p, err := parseAccount(&dec, []byte(bad)); err == nil {
			t.Errorf("%s reads %+v", bad, p)
		}
	}
}

// FuzzLedger: no line makes the reader fall over, what it takes is written again to
// the same, and what is read at once is what encoding/json reads.
func FuzzLedger(f *testing.F) {
	f.Add(string(appendPlaced(nil, person("ann", "a"), &identity.Placed{Ref: "u-17", Applied: day, Found: person("ann")})))
	f.Add(string(appendPlaced(nil, person("ann"), &identity.Placed{Undecided: true})))
	f.Add(`,"ref":"u-17","applied":"2026-11-29T18:00:00Z","found":null}`)
	f.Fuzz(func(t *testing.T, line string) {
		if p := canonicalPlaced([]byte(line)); p != nil {
			var slow placed
			if err := strict([]byte("{"+line[1:]), &slow); err != nil || slow.Ref != p.Ref || *slow.Applied != p.Applied.Format(utc) || string(slow.Found) != "null" {
				t.Errorf("%s reads %+v at once, and then %+v, %v", line, p, slow, err)
			}
		}
		var dec identity.Decoder
		a, p, err := parseAccount(&dec, []byte(line))
		if err != nil || p == nil {
			return
		}
		again, q, err := parseAccount(&dec, appendPlaced(nil, &a, p))
		if err != nil || !again.Equal(&a) || !reflect.DeepEqual(p, q) {
			t.Errorf("%s reads %+v, %+v and then %+v, %+v, %v", line, a, p, again, q, err)
		}
	})
}
