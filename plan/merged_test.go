package plan_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/redact"
	"github.com/rollcall-cli/rollcall/plan"
)

// scene is a world with entries of directory corp: a line of an entry is
//
//	primary [alias,alias] number [username=value]
//
// with a scope that adopts, and guards.
type scene struct {
	world
	entries         string
	protected, hold string
}

func (s *scene) input(t testing.TB) plan.Input {
	t.Helper()
	merged := plan.Merge(s.merging(t))
	in := plan.Input{
		Rules: plan.Rules{
			Directories: []string{"corp", "emea"}, Domains: []plan.Domain{{Name: "example.com"}},
			Scopes: []plan.Scope{{Name: "staff", Directory: "corp", Domains: []string{"example.com"}, Adopt: true}},
			Limits: bounded(100, 100),
		},
		Accounts: merged.Accounts, Merged: merged, Facts: s.facts, Read: []string{"corp"}, Now: poolNow,
		Blocked: map[identity.Address]time.Time{identity.MustAddress("blocked@example.com"): poolNow.Add(time.Minute), identity.MustAddress("free@example.com"): poolNow},
	}
	for _, guard := range []struct {
		to    *[]plan.Guard
		local string
	}{{&in.Rules.Protected, s.protected}, {&in.Rules.Holds, s.hold}} {
		if guard.local != "" {
			*guard.to = []plan.Guard{{Label: "block", Addresses: []identity.Address{identity.MustAddress(guard.local + "@example.com")}}}
		}
	}
	for line := range strings.Lines(s.entries) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		live, _ := parseAccount(t, line)
		e := identity.Entry{GUID: live.Mark.GUID, DN: "cn=" + live.Primary.Local(), Username: live.Username, Type: live.Type, Primaries: []string{live.Primary.String()}}
		for _, x := range live.Aliases {
			e.Aliases = append(e.Aliases, x.String())
		}
		in.Entries = append(in.Entries, e)
	}
	return in
}

// rowsOf says what a plan does and rejects, a line each.
func rowsOf(p *plan.Plan) (all []string) {
	local := func(s string) string { return strings.TrimSuffix(s, "@example.com") }
	for i := range p.Changes {
		row := p.Changes[i].Row()
		s := row.Category.String() + " " + local(row.Address)
		if row.Attribute != "" {
			s += " " + row.Attribute
		}
		if row.Drift {
			s += " drift"
		}
		all = append(all, s)
	}
	for i := range p.Rejections {
		r := &p.Rejections[i]
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Reason, local(r.Address), r.Cause)))
	}
	return all
}

// TestConsoleRules: what the engine makes of what a console says.
func TestConsoleRules(t *testing.T) {
	for _, tt := range []struct {
		name string
		scene
		want string
	}{
		{"a foreign account is never adopted", scene{world{"", "ann a other:corp/1 ref=r1", marking}, "ann a corp/1", "", ""}, `
			preexisting_address ann
			local_primary_not_adopted a`},
		{"a local one is", scene{world{"", "ann ref=r1", marking}, "ann corp/1", "", ""}, `
			adoption ann`},
		{"nothing is granted of an address that two accounts have, not even to its own entry", scene{world{"ann x corp/1 ref=r1", "ann x - ref=r1\nbob x - ref=r2", plan.Facts{}}, "ann x corp/1\ncarl x corp/2", "", ""}, `
			add carl
			preexisting_address x shared_address
			console_unsupported x shared_address`},
		{"what a frozen account has in place is not reported, and what it has not is", scene{world{"ann a corp/1 ref=r1", "- a - ref=r1", plan.Facts{}}, "ann a,b corp/1", "", ""}, `
			console_unsupported ann no_primary
			console_unsupported b no_primary`},
		{"what an inactive account still has is nobody else's", scene{world{"ann emea/1 ref=r1 status=inactive", "ann a - ref=r1 status=inactive", plan.Facts{}}, "bob a corp/2", "", ""}, `
			add bob
			other_directory a`},
		{"nobody ends a legal hold by removing the address by hand", scene{world{"ann a corp/1 ref=r1", "ann ref=r1", plan.Facts{}}, "ann a,b corp/1\nbob a corp/2", "", "a"}, `
			add bob
			legal_hold a
			legal_hold a
			legal_hold ann
			legal_hold b`},
		{"an account whose protected address was removed by hand stays, and has it again", scene{world{"ann a corp/1 ref=r1", "ann ref=r1", plan.Facts{}}, "bob a corp/2", "a", ""}, `
			add a drift
			add bob
			protected_deactivation a
			protected_deactivation ann
			protected_move a`},
		{"and without one it leaves", scene{world{"ann a corp/1 ref=r1", "ann ref=r1", plan.Facts{}}, "bob a corp/2", "", ""}, `
			add a
			add bob
			inactive ann`},

		{"drift is taken back, and its rows say so", scene{world{"ann a,b corp/1 ref=r1 username=ann dn=cn:ann", "anna a,c - ref=r1 username=bob dn=cn:ann type=list", plan.Facts{}}, "ann a,b,d corp/1 username=ann", "", ""}, `
			add ann drift
			add b drift
			add d
			inactive anna drift
			inactive c drift
			primary_change ann drift
			type_change ann drift
			username_change ann drift`},
		{"deactivated by hand, it comes back", scene{world{"ann a corp/1 ref=r1 dn=cn:ann", "ann ref=r1 status=inactive dn=cn:ann", plan.Facts{}}, "ann a corp/1", "", ""}, `
			add a drift
			reactivation ann drift`},
		{"a change that the directory wants too is no drift", scene{world{"ann corp/1 ref=r1 username=ann dn=cn:ann", "ann ref=r1 username=bob dn=cn:ann", plan.Facts{}}, "ann corp/1 username=carl", "", ""}, `
			username_change ann`},
		{"an account that is gone comes again for its entry", scene{world{"ann a corp/1 ref=r1", "", plan.Facts{}}, "ann a,b corp/1", "", ""}, `
			add a drift
			add ann drift
			add b`},
		{"without an entry its record goes", scene{world{"ann a corp/1 ref=r1", "bob ref=r2", plan.Facts{}}, "bob corp/2", "", ""}, `
			adoption bob
			removal ann`},
		{"unless its directory was not read", scene{world{"ann a emea/1 ref=r1", "", plan.Facts{}}, "", "", ""}, ``},
		{"or it is on hold", scene{world{"ann a corp/1 ref=r1", "", plan.Facts{}}, "", "", "a"}, ``},

		{"a console without lists has none", scene{world{"", "", plan.Facts{Types: []identity.Type{identity.User}}}, "ann corp/1 type=list\nbob corp/2", "", ""}, `
			add bob
			console_unsupported ann types`},
		{"a primary that never changes", scene{world{"ann a corp/1 ref=r1 dn=cn:bob", "ann a - ref=r1 dn=cn:bob", plan.Facts{FixedPrimary: true}}, "bob a corp/1", "", ""}, `
			console_unsupported a rename
			console_unsupported bob rename`},
		{"or cannot be followed", scene{world{"ann corp/1 ref=r1 dn=cn:bob", "ann ref=r1 dn=cn:bob", plan.Facts{Unstable: true}}, "bob corp/1", "", ""}, `
			console_unsupported bob ref_stable`},
		{"but where all is published as a whole", scene{world{"ann corp/1 ref=r1 dn=cn:bob", "ann ref=r1 dn=cn:bob", plan.Facts{Unstable: true, Publishes: true}}, "bob corp/1", "", ""}, `
			add bob
			inactive ann
			primary_change bob`},
		{"more aliases than it takes", scene{world{"", "", plan.Facts{MaxAliases: 1}}, "ann a,b corp/1\nbob c corp/2", "", ""}, `
			add bob
			add c
			console_unsupported a max_aliases
			console_unsupported ann max_aliases
			console_unsupported b max_aliases`},
		{"what it has already it keeps", scene{world{"ann a,b corp/1 ref=r1 dn=cn:ann", "ann a,b - ref=r1 dn=cn:ann", plan.Facts{MaxAliases: 1}}, "ann a,b corp/1 username=ann", "", ""}, `
			username_change ann`},
		{"a domain that it does not manage", scene{world{"", "", plan.Facts{Domains: []string{"EXAMPLE.org"}}}, "ann corp/1", "", ""}, `
			console_unsupported ann domains`},
		{"an address that a removal has freed, for a while", scene{world{"", "", plan.Facts{}}, "ann blocked corp/1\nbob free corp/2", "", ""}, `
			add bob
			add free
			console_unsupported ann deleted_blocks_for
			console_unsupported blocked deleted_blocks_for`},
		{"or would free", scene{world{"ann a corp/1 ref=r1", "ann a - ref=r1", plan.Facts{Removes: true, DeletedBlocks: time.Hour}}, "bob a corp/2", "", ""}, `
			inactive a
			inactive ann
			console_unsupported a deleted_blocks_for
			console_unsupported bob deleted_blocks_for`},
		{"what loses to an entry that is stuck so is stuck, too", scene{world{"ann corp/1 ref=r1 dn=cn:bob\nbob corp/2 ref=r2 dn=cn:carl", "ann ref=r1 dn=cn:bob\nbob ref=r2 dn=cn:carl", plan.Facts{MaxAliases: 1}}, "bob x,y corp/1\ncarl corp/2\ndora ann corp/3", "", ""}, `
			add carl
			add dora
			inactive bob
			primary_change carl
			preexisting_address ann
			console_unsupported bob max_aliases
			console_unsupported x max_aliases
			console_unsupported y max_aliases`},
		{"the console's limit of a text", scene{world{"ann corp/1 ref=r1 username=ann dn=cn:ann", "ann ref=r1 username=ann dn=cn:ann", plan.Facts{Lengths: map[string]int{plan.Username: 3}}}, "ann corp/1 username=anna", "", ""}, `
			attribute_too_long ann attributes`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.input(t)
			p, err := plan.Compute(in)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(tt.want) {
				if line = strings.TrimSpace(line); line != "" {
					want = append(want, line)
				}
			}
			if d := cmp.Diff(want, rowsOf(p)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			for i := range p.Rejections {
				if r := &p.Rejections[i]; r.Message(plan.Names{}) == "" || r.Remedy(plan.Names{}) == "" {
					t.Errorf("%s says %q and advises %q", r.Reason, r.Message(plan.Names{}), r.Remedy(plan.Names{}))
				}
			}
			out, _, err := engine(in)
			if d := difference("engine", out, "reference", model(in)); err != nil || d != "" {
				t.Error(err, d)
			}
		})
	}
}

// TestAgreed: what somebody has changed in the console to what the directory wants
// is reported once: the plan names the account for the ledger.
func TestAgreed(t *testing.T) {
	s := scene{world: world{"ann corp/1 ref=r1 username=ann dn=cn:ann\nbob corp/2 ref=r2 dn=cn:bob", "ann ref=r1 username=carl dn=cn:ann\nbob ref=r2 dn=cn:bob", plan.Facts{}}, entries: "ann corp/1 username=carl\nbob corp/2"}
	p := compute(s.input(t))
	if len(p.Accounts) > 0 || !slices.Equal(p.Agreed, []int32{0}) {
		t.Errorf("%d changes, agreed %v", len(p.Accounts), p.Agreed)
	}
}

// TestGoneBeyond: more accounts that are gone than may be deactivated at once are
// an incomplete read of the console.
func TestGoneBeyond(t *testing.T) {
	in := plan.Merging{Placed: map[identity.Address]identity.Placed{}, By: "hq", Now: poolNow}
	for n := range 200 {
		a := identity.Account{Primary: identity.MustAddress(fmt.Sprintf("a%03d@example.com", n)), Directory: "corp", GUID: poolGUID(n)}
		if n >= 190 {
			a.Status = identity.Inactive
		}
		in.Ledger = append(in.Ledger, a)
		in.Placed[a.Primary] = identity.Placed{Ref: a.Primary.String()}
		if n >= 19 {
			in.Live = append(in.Live, identity.Live{Account: a, Ref: a.Primary.String()})
		}
	}
	if gone := plan.Merge(in).GoneBeyond(plan.DefaultLimits()); gone != nil {
		t.Errorf("19 of 190: %v", gone)
	}
	in.Live = in.Live[1:]
	want := []plan.Gone{{Directory: "corp", Count: 20, Of: 190, Bound: 19}}
	if d := cmp.Diff(want, plan.Merge(in).GoneBeyond(plan.DefaultLimits())); d != "" {
		t.Errorf("20 of 190 (-want +got)\n%s", d)
	}
}

// consolePlan is a plan with everything that a console brings.
func consolePlan(t testing.TB) (plan.Input, *plan.Plan) {
	s := scene{
		world: world{
			"ann a,b corp/1 ref=r1 username=smith\nbob corp/2 ref=secretref\ncarl corp/4 ref=r4 dn=cn:carl",
			"ann a,oldalias - ref=r1 username=jones\ndora other:emea/3 ref=r3\neve odd=zaphod ref=r5\ncarl x - ref=r4 dn=cn:carl\neve x - ref=r6",
			plan.Facts{MaxAliases: 2, Unstable: false},
		},
		entries: "ann a,b corp/1 username=smith\ndora corp/5\ncarl y corp/4\nfay f,g,h corp/6\neve corp/7",
	}
	in := s.input(t)
	p := compute(in)
	p.Console = &plan.ConsoleReceipt{
		Name: "gateway", Kind: "exec", Product: "acme", Version: "3.1", Accounts: 5, Owned: 2, Local: 2, Foreign: 1, Seconds: 0.5, Facts: in.Facts,
	}
	p.Warnings = in.Merged.Notes
	return in, p
}

// TestConsoleDocument: a plan of a console is read back to the same bytes, and a
// redacted one names nobody.
func TestConsoleDocument(t *testing.T) {
	_, p := consolePlan(t)
	text := written(t, p)
	again, err := plan.ReadJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(text), string(written(t, again))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	for _, want := range []string{
		`"console": {"name": "gateway", "kind": "exec", "product": "acme", "version": "3.1", "accounts": 5, "owned": 2, "local": 2, "foreign": 1, "seconds": 0.500, "facts": {"max_aliases":2}}`,
		`{"kind": "gone", "primary": "bob@example.com", "ref": "secretref", "field": "", "recorded": "", "found": ""}`,
		`{"kind": "changed", "primary": "ann@example.com", "ref": "r1", "field": "aliases", "recorded": "a@example.com, b@example.com", "found": "a@example.com, oldalias@example.com"}`,
		`"withheld": false, "drift": true}`, `"gone": true}`, `"owner": "other"`, `"cause": "shared_address", "detail": "x@example.com"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the document has no %s\n%s", want, text)
		}
	}
	masked := written(t, p.Redact(redact.New([]byte("a key of a test!"), "example.com")))
	if _, err := plan.ReadJSON(bytes.NewReader(masked)); err != nil {
		t.Error(err)
	}
	for _, secret := range []string{"secretref", "oldalias", "smith", "jones", "zaphod", "ann@", "dora@", "00000003-0000-4200", "eve@"} {
		if strings.Contains(string(masked), secret) {
			t.Errorf("the redacted document has %q\n%s", secret, masked)
		}
	}
}

// TestUndoOfConsole: an undo gives back what a run has changed, as far as the
// console can have it, and leaves alone what it must not touch.
func TestUndoOfConsole(t *testing.T) {
	account := func(line string) *identity.Account {
		live, _ := parseAccount(t, line)
		a := live.Account
		a.Directory, a.GUID = live.Mark.Directory, live.Mark.GUID
		return &a
	}
	s := scene{world: world{
		"ann corp/1 ref=r1\nbob corp/2 ref=r2\ncarl corp/3 ref=r3", "ann ref=r1\nbob x - ref=r2\ndora x - ref=r9\ncarl ref=r3", plan.Facts{MaxAliases: 1},
	}}
	p, kept := plan.Undo([]plan.AccountChange{
		{Before: account("ann a corp/1"), After: account("ann corp/1")},
		{Before: account("carl c,d corp/3"), After: account("carl corp/3")},
		{Before: account("eve corp/5"), Gone: true},
	}, s.input(t))
	if len(p.Accounts) != 1 || !p.Accounts[0].After.Holds(identity.MustAddress("a@example.com")) {
		t.Errorf("%d changes", len(p.Accounts))
	}
	want := []plan.Kept{{Account: identity.MustAddress("carl@example.com"), Why: "the account would have 2 aliases, and the console allows 1 (fact max_aliases)"}}
	if d := cmp.Diff(want, kept, cmp.Comparer(func(x, y identity.Address) bool { return x == y })); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestExplainConsole: an explanation says whose a foreign account is, and what the
// console cannot hold.
func TestExplainConsole(t *testing.T) {
	in, _ := consolePlan(t)
	for _, tt := range []struct{ subject, want string }{
		{"dora@example.com", `the account belongs to configuration "other"`},
		{"dora@example.com", `account dora@example.com of directory "emea" of configuration "other"`},
		{"fay@example.com", "the account would have 3 aliases, and the console allows 2 (fact max_aliases)"},
		{"carl@example.com", "several accounts of the console have x@example.com, and stay unchanged"},
	} {
		subject, err := plan.ParseSubject(tt.subject)
		if err != nil {
			t.Fatal(err)
		}
		x, err := plan.Explain(in, subject)
		if err != nil {
			t.Fatal(err)
		}
		text := x.Answer(plan.Names{})
		for i := range x.Steps {
			text += "\n" + x.Steps[i].Message(plan.Names{})
		}
		if !strings.Contains(text, tt.want) {
			t.Errorf("%s: want %q in\n%s", tt.subject, tt.want, text)
		}
	}
}
