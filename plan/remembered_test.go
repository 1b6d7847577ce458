package plan_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

var rejection = plan.Rejection{
	Reason: plan.LegalHold, Address: "ann@example.com", Primary: "ann@example.com", DN: "cn=ann", Directory: "corp", Scope: "staff",
	Guard: "case", Attribute: "dn", GUID: identity.GUID{1}, Other: plan.Party{Kind: plan.EntryParty, Name: "cn=bob"},
}

// TestKey: what makes a rejection another one, and what does not.
func TestKey(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*plan.Rejection)
		same   bool
	}{
		{"reason", func(r *plan.Rejection) { r.Reason = plan.ProtectedMove; r.Attribute = "" }, true},
		{"address", func(r *plan.Rejection) { r.Address = "bob@example.com" }, false},
		{"directory", func(r *plan.Rejection) { r.Directory = "lab" }, false},
		{"GUID", func(r *plan.Rejection) { r.GUID = identity.GUID{2} }, false},
		{"attribute that a hold keeps", func(r *plan.Rejection) { r.Attribute = "type" }, true},
		{"attribute", func(r *plan.Rejection) { r.Reason, r.Attribute = plan.AttributeTooLong, "type" }, false},
		{"guard", func(r *plan.Rejection) { r.Guard = "other" }, true},
		{"DN beside a GUID", func(r *plan.Rejection) { r.DN = "cn=ann,ou=elsewhere" }, true},
		{"primary", func(r *plan.Rejection) { r.Primary = "bob@example.com" }, true},
		{"scope", func(r *plan.Rejection) { r.Scope = "all" }, true},
		{"other party", func(r *plan.Rejection) { r.Other = plan.Party{} }, true},
		{"length", func(r *plan.Rejection) { r.Limit, r.Length = 1, 2 }, true},
		{"marks", func(r *plan.Rejection) { r.New, r.Since = true, time.Unix(1, 0) }, true},
	} {
		changed := rejection
		c.change(&changed)
		if same := changed.Key() == rejection.Key(); same != c.same {
			t.Errorf("another %s: the same rejection is %t", c.name, same)
		}
	}
	for name, r := range map[string]plan.Rejection{
		"no GUID":       {Reason: plan.UnknownDomain, Address: "a@b.example"},
		"a shared GUID": {Reason: plan.MissingGUID, Address: "a@b.example", GUID: identity.GUID{1}},
	} {
		x, y := r, r
		x.DN, y.DN = "cn=x", "cn=y"
		if x.Key() == y.Key() {
			t.Errorf("%s: two objects have one key", name)
		}
	}
	// Nothing that an address contains looks like the next part of the key.
	x := plan.Rejection{Reason: plan.AliasMalformed, Address: `a" "b`}
	y := plan.Rejection{Reason: plan.AliasMalformed, Address: "a", DN: "b"}
	if x.Key() == y.Key() {
		t.Error("parts of a key run together")
	}
}

// TestKnown: keys of format 1.0, which have reason and guard, are those of the
// same rejections now.
func TestKnown(t *testing.T) {
	since := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	hold, long := rejection, rejection
	long.Reason, long.Attribute, long.Guard = plan.AttributeTooLong, "display_name", ""
	got := plan.Known(map[string]time.Time{
		`"corp" legal_hold "ann@example.com" "01000000-0000-0000-0000-000000000000" "type, dn" "case"`:         since,
		`"corp" attribute_too_long "ann@example.com" "01000000-0000-0000-0000-000000000000" "display_name" ""`: since,
		`"lab" unknown_domain "a \"b@x.example" "cn=ann, bob" "" ""`:                                           since,
		`no key`: since,
	})
	odd := plan.Rejection{Reason: plan.AliasRejected, Directory: "lab", Address: `a "b@x.example`, DN: "cn=ann, bob"}
	want := map[string]time.Time{hold.Key(): since, long.Key(): since, odd.Key(): since}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if again := plan.Known(got); !cmp.Equal(again, got) || plan.Known(nil) != nil {
		t.Errorf("keys of now are read as %v", again)
	}
}

// TestKeySaved: a rejection has the same key when it was saved with its plan,
// whatever its address consists of.
func TestKeySaved(t *testing.T) {
	p := &plan.Plan{Rejections: []plan.Rejection{rejection, {Reason: plan.AliasMalformed, Address: "\xff\xfe\x00\u202e\U000e0041\"\\", Directory: "\xf0\x9f", DN: "\ufffd"}}}
	read, err := plan.ReadJSON(bytes.NewReader(written(t, p)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Rejections {
		if want, got := p.Rejections[i].Key(), read.Rejections[i].Key(); got != want {
			t.Errorf("read from a plan, the key is %s, want %s", got, want)
		}
	}
}

// TestStanding: what a run leaves behind shows the next which rejections are
// new.
func TestStanding(t *testing.T) {
	first := time.Date(2026, 11, 3, 8, 0, 0, 0, time.UTC)
	later := first.AddDate(0, 0, 18)
	at := func(created time.Time, read, unread string, addresses ...string) *plan.Plan {
		p := &plan.Plan{Header: plan.Header{Created: created}}
		for _, name := range read {
			p.Directories = append(p.Directories, identity.Receipt{Name: string(name)})
		}
		for _, name := range unread {
			p.Unread = append(p.Unread, string(name))
		}
		for _, address := range addresses {
			p.Rejections = append(p.Rejections, plan.Rejection{Reason: plan.UnknownDomain, Address: address[2:], Directory: address[:1]})
		}
		return p
	}
	type mark struct {
		Address string
		New     bool
		Since   time.Time
	}
	marks := func(p *plan.Plan) (all []mark) {
		for _, r := range p.Rejections {
			all = append(all, mark{r.Address, r.New, r.Since})
		}
		return all
	}
	check := func(what string, p *plan.Plan, want ...mark) {
		t.Helper()
		if diff := cmp.Diff(want, marks(p)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	one := at(first, "cl", "", "c:a@x", "l:b@x")
	one.MarkNew(nil, nil)
	check("the first run", one, mark{"a@x", true, time.Time{}}, mark{"b@x", true, time.Time{}})
	known := one.Remembered(nil)

	two := at(later, "cl", "", "c:a@x", "c:n@x")
	two.MarkNew(known, nil)
	check("the next", two, mark{"a@x", false, first}, mark{"n@x", true, later})
	if n := two.NewRejections(); n != 1 {
		t.Errorf("%d are new", n)
	}

	back := at(later.AddDate(0, 0, 1), "cl", "", "l:b@x")
	back.MarkNew(two.Remembered(known), nil)
	check("one that had gone", back, mark{"b@x", true, back.Created})

	// A directory that is not read keeps its rejections.
	part := at(later, "l", "c")
	kept := part.Remembered(known)
	after := at(later, "cl", "", "c:a@x", "l:b@x")
	after.MarkNew(kept, nil)
	check("after a run that did not read c", after, mark{"a@x", false, first}, mark{"b@x", true, later})

	// One that is no longer declared does not, and a plan of no directories
	// leaves everything.
	if n := len(at(later, "l", "").Remembered(known)); n != 0 {
		t.Errorf("%d rejections stand of a directory that is not declared", n)
	}
	if diff := cmp.Diff(known, (&plan.Plan{}).Remembered(known)); diff != "" {
		t.Errorf("an undo changes what is known (-want +got):\n%s", diff)
	}
	if (&plan.Plan{}).Remembered(nil) != nil {
		t.Error("an undo knows what nobody knows")
	}
	clean := at(first, "c", "").Remembered(nil)
	next := at(later, "c", "", "c:a@x")
	next.MarkNew(clean, nil)
	check("after a run without any", next, mark{"a@x", true, later})
}
