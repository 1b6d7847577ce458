package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// contract is what [directory.Source] and the interfaces of more ability promise.
// It leaves its units empty.
func contract(t *testing.T, s *Subject, w World) {
	ann := &Object{Name: "Ann Smith", Unit: insideUnit, Username: "ann", Display: "Ann Smith", Primary: "ann@example.com", Aliases: []string{"a.smith@example.com"}}
	bob := &Object{Name: "Bob Brown", Unit: insideUnit, Username: "bob", Display: "Bob Brown", Primary: "bob@example.com"}
	sue := &Object{Name: "Sue Stone", Unit: outsideUnit, Username: "sue", Display: "Sue Stone", Primary: "sue@example.com"}
	w.Create(ann, bob, sue)
	d := s.open(t, w, s.scope(insideUnit, Options{}))

	guids := map[string]identity.GUID{} // by primary address
	reader := directory.Reader{Directories: []directory.Directory{d}}
	entries, receipts, err := reader.Entries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		guids[e.Primaries[0]] = e.GUID
		if e.GUID.IsZero() {
			t.Errorf("%s has no GUID", e.DN)
		}
	}
	if r := receipts[0]; len(entries) != 2 || !r.Complete || r.Name != label || r.Server == "" || r.Scanned < 2 {
		t.Errorf("%d entries in the staff, receipt %+v", len(entries), r)
	}

	t.Run("a read that is interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := d.Source.Read(ctx, d.Scopes, directory.NewCollector(d.Scopes), nil); !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("a sink that fails", func(t *testing.T) {
		full := &failing{err: errors.New("no room")}
		if _, err := d.Source.Read(t.Context(), d.Scopes, full, nil); err != full.err || full.puts != 1 {
			t.Errorf("ended with %v after %d objects", err, full.puts)
		}
	})
	t.Run("a scope that cannot be read", func(t *testing.T) {
		scopes := []directory.Scope{d.Scopes[0], d.Scopes[0]}
		scopes[1].Filter = "(mail="
		none := &failing{}
		if _, err := d.Source.Read(t.Context(), scopes, none, nil); err == nil || none.puts > 0 {
			t.Errorf("ended with %v after %d objects", err, none.puts)
		}
	})
	t.Run("an object of two scopes", func(t *testing.T) {
		second := d.Scopes[0]
		second.Index, second.Base = 1, contractUnit+","+s.Base
		d := d
		d.Scopes = []directory.Scope{d.Scopes[0], second}
		reader := directory.Reader{Directories: []directory.Directory{d}}
		entries, _, err := reader.Entries(t.Context())
		var got []string
		for _, e := range entries {
			got = append(got, fmt.Sprintf("%s %d", e.Primaries[0], e.Scope))
		}
		slices.Sort(got)
		if want := []string{"ann@example.com 0", "bob@example.com 0", "sue@example.com 1"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("a diagnosis", func(t *testing.T) {
		reports, err := reader.Diagnose(t.Context(), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if r := reports[0]; r.Name != label || r.Kind != s.Kind.Name || r.Refused || r.Count(doctor.Failed) > 0 {
			t.Errorf("%+v", r)
			for _, c := range r.Checks {
				t.Logf("%+v", c)
			}
		}
	})
	if finder, able := d.Source.(directory.Finder); able {
		t.Run("a search", func(t *testing.T) {
			search(t, s.Kind.Name, d, finder, guids["ann@example.com"], ann.DN(s.Base), sue.DN(s.Base))
		})
	}
	w.Move(bob, bob.Name, outsideUnit)
	w.Delete(ann)
	if locator, able := d.Source.(directory.Locator); able {
		t.Run("what became of leavers", func(t *testing.T) {
			located, err := locator.Locate(t.Context(), []identity.GUID{guids["ann@example.com"], guids["bob@example.com"]}, d.Scopes)
			if err != nil {
				t.Fatal(err)
			}
			if at, found := located[guids["ann@example.com"]]; found && !at.Deleted {
				t.Errorf("who was deleted is at %+v", at)
			}
			if at := located[guids["bob@example.com"]]; !identity.EqualDN(at.DN, bob.DN(s.Base)) || at.Deleted || at.Disabled || at.WithoutAddress {
				t.Errorf("who was moved is at %+v", at)
			}
		})
	}
	w.Delete(bob)
	w.Delete(sue)
}

// search looks for ann, who has the GUID and is in the scope, and for sue, who is
// not, by all that names them.
func search(t *testing.T, kind string, d directory.Directory, finder directory.Finder, guid identity.GUID, ann, sue string) {
	for _, c := range []struct {
		story string
		query directory.Query
		want  string
		taken bool
	}{
		{"an address", directory.Query{Addresses: []string{"ann@example.com"}}, ann, true},
		{"an alias", directory.Query{Addresses: []string{"a.smith@example.com"}}, ann, true},
		{"a GUID", directory.Query{GUID: guid}, ann, true},
		{"a DN", directory.Query{DN: ann}, ann, true},
		{"a username outside of the scopes", directory.Query{Username: "sue"}, sue, false},
		{"nobody", directory.Query{Addresses: []string{"nobody@example.com"}}, "", false},
	} {
		c.query.Kind = kind
		found, err := finder.Find(t.Context(), c.query, d.Scopes)
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.story, err)
		case c.want == "" && len(found.Objects) == 0:
		case len(found.Objects) != 1 || !identity.EqualDN(found.Objects[0].DN, c.want) || found.Objects[0].Verdicts[0].Taken != c.taken:
			t.Errorf("%s: %+v", c.story, found.Objects)
		}
	}
}

// failing is a sink that counts objects, and takes none if it has an error.
type failing struct {
	err  error
	puts int
}

func (f *failing) Put(int, directory.Object) error {
	f.puts++
	return f.err
}

func (f *failing) Replace(int, int, directory.Object) error { return f.err }

func (f *failing) Reset() error { return nil }
