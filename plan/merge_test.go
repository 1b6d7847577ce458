package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// world is a ledger and a console in a few words. A line of the ledger is
//
//	primary [alias,alias] directory/number [word=value ...]
//
// and one of the console the same with "-" in place of what is not there, where
// the object is that of the mark, which may begin with another owner:
// "other:corp/1". The words are ref, applied (a duration ago), found (the
// username that was read back), and name, type, status, dn, username, odd and
// undecided.
type world struct {
	ledger, live string
	facts        plan.Facts
}

// marking is a console that stores whose its accounts are.
var marking = plan.Facts{Marks: true}

func parseAccount(t testing.TB, line string) (live identity.Live, placed identity.Placed) {
	t.Helper()
	words := strings.Fields(line)
	live.Attributes = nil
	if words[0] != "-" {
		live.Primary = identity.MustAddress(words[0] + "@example.com")
	}
	placed.Applied = poolNow.Add(-time.Hour)
	for _, word := range words[1:] {
		name, value, named := strings.Cut(word, "=")
		switch {
		case name == "ref":
			live.Ref, placed.Ref = value, value
		case name == "applied":
			d, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			placed.Applied = poolNow.Add(-d)
		case name == "found":
			placed.Found = &identity.Account{Username: value}
		case name == "undecided":
			placed.Undecided = true
		case name == "name":
			live.Attributes = append(live.Attributes, identity.Attribute{Name: identity.DisplayName, Value: value})
		case name == "quota":
			live.Attributes = append(live.Attributes, identity.Attribute{Name: name, Value: value})
		case word == "type=list":
			live.Type = identity.List
		case word == "status=inactive":
			live.Status = identity.Inactive
		case name == "dn":
			live.DN = strings.ReplaceAll(value, ":", "=")
		case name == "username":
			live.Username = value
		case name == "odd":
			live.Odd = value
		case strings.Contains(word, "/"):
			owner := word
			live.Mark.By = "hq"
			if by, rest, other := strings.Cut(word, ":"); other {
				live.Mark.By, owner = by, rest
			}
			directory, number, _ := strings.Cut(owner, "/")
			live.Mark.Directory, live.Mark.GUID = directory, poolGUID(int(number[0]-'0'))
		case !named && word != "-":
			for local := range strings.SplitSeq(word, ",") {
				live.Aliases = append(live.Aliases, identity.MustAddress(local+"@example.com"))
			}
		}
	}
	return live, placed
}

func (w *world) merging(t testing.TB) plan.Merging {
	t.Helper()
	in := plan.Merging{
		Placed: map[identity.Address]identity.Placed{}, Facts: w.facts, By: "hq", Directories: []string{"corp", "emea"},
		Attributes: []string{identity.DisplayName}, Now: poolNow,
	}
	for line := range strings.Lines(w.ledger) {
		if line = strings.TrimSpace(line); line != "" {
			live, placed := parseAccount(t, line)
			a := live.Account
			a.Directory, a.GUID = live.Mark.Directory, live.Mark.GUID
			if placed.Found != nil {
				username := placed.Found.Username
				found := live.Account
				found.Username = username
				placed.Found = &found
			}
			in.Ledger = append(in.Ledger, a)
			in.Placed[a.Primary] = placed
		}
	}
	slices.SortFunc(in.Ledger, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	for line := range strings.Lines(w.live) {
		if line = strings.TrimSpace(line); line != "" {
			live, _ := parseAccount(t, line)
			in.Live = append(in.Live, live)
		}
	}
	return in
}

// words says what a merge made, a line each, as the tests want it.
func words(in plan.Merging, m *plan.Merged) (all []string) {
	local := func(x identity.Address) string {
		if x.IsZero() {
			return "-"
		}
		return x.Local()
	}
	list := func(addresses []identity.Address) string {
		var names []string
		for _, x := range addresses {
			names = append(names, local(x))
		}
		return strings.Join(names, ",")
	}
	for i, a := range m.Accounts {
		s := local(a.Primary)
		if len(a.Aliases) > 0 {
			s += " " + list(a.Aliases)
		}
		if a.Local() {
			s += " local"
		} else {
			s += fmt.Sprintf(" %s/%d", a.Directory, a.GUID[3]-1)
		}
		if !a.Active() {
			s += " inactive"
		}
		if a.Type == identity.List {
			s += " list"
		}
		if a.Username != "" {
			s += " username=" + a.Username
		}
		if a.DN != "" {
			s += " dn=" + a.DN
		}
		for _, attr := range a.Attributes {
			s += " " + attr.Name + "=" + attr.Value
		}
		if bar := m.Bars[int32(i)]; bar.Cause != "" {
			s += " " + string(bar.Cause)
		}
		if bar := m.Bars[int32(i)]; !bar.Foreign.IsZero() {
			s += " foreign:" + bar.Foreign.By
		}
		if x := m.Reserved[int32(i)]; x != nil {
			s += " reserved=" + list(x)
		}
		if x := m.Remembered[int32(i)]; x != nil {
			s += " remembered=" + list(x)
		}
		if m.Origins[i].Live < 0 {
			s += " absent"
		}
		all = append(all, s)
	}
	for _, d := range m.Drift {
		s := "drift " + d.Kind.String() + " " + local(d.Primary)
		if d.Field != "" {
			s += fmt.Sprintf(" %s %q %q", d.Field, strings.ReplaceAll(d.Recorded, "@example.com", ""), strings.ReplaceAll(d.Found, "@example.com", ""))
		}
		all = append(all, s)
	}
	for _, a := range m.Gone {
		all = append(all, "gone "+local(a.Primary))
	}
	for _, l := range m.Learn {
		s := "learn " + local(l.Account.Primary)
		if !l.Was.IsZero() && l.Was != l.Account.Primary {
			s += " was " + local(l.Was)
		}
		all = append(all, s+fmt.Sprintf(" %s/%d ref=%s", l.Account.Directory, l.Account.GUID[3]-1, l.Placed.Ref))
	}
	for _, l := range m.Late {
		all = append(all, fmt.Sprintf("late %s %s/%d ref=%s", local(l.Account.Primary), l.Account.Directory, l.Account.GUID[3]-1, l.Placed.Ref))
	}
	for _, x := range m.Forget {
		all = append(all, "forget "+local(x))
	}
	return all
}

// TestMerge: each row of the table of Merge, and each sentence below it.
func TestMerge(t *testing.T) {
	unstable, removing, settling := plan.Facts{Unstable: true}, plan.Facts{Removes: true}, plan.Facts{Settles: time.Minute}
	exclusive := plan.Facts{Unstable: true, Publishes: true, Exclusive: true}
	narrow := plan.Facts{Stores: []string{plan.FieldAliases}}
	for _, tt := range []struct {
		name string
		world
		want string
	}{
		{"as it was asked for, nothing is reported", world{"ann a corp/1 ref=r1 username=ann name=Ann", "ann a - ref=r1 username=ann name=Ann", plan.Facts{}}, `
			ann a corp/1 username=ann display_name=Ann`},
		{"as it was read back, it is what was asked for", world{"ann corp/1 ref=r1 username=Ann found=ann", "ann ref=r1 username=ann", plan.Facts{}}, `
			ann corp/1 username=Ann`},
		{"a DN in another spelling is no drift", world{"ann corp/1 ref=r1 dn=CN:Ann,DC:x", "ann ref=r1 dn=cn:ann,dc:X", plan.Facts{}}, `
			ann corp/1 dn=CN=Ann,DC=x`},
		{"another value is drift, field by field", world{"ann a,b corp/1 ref=r1 username=ann name=Ann dn=CN:Ann", "ann a,c - ref=r1 username=bob name=Bob dn=CN:Bob type=list", plan.Facts{}}, `
			ann a,c corp/1 list username=bob dn=CN=Bob display_name=Bob remembered=b
			drift changed ann aliases "a, b" "a, c"
			drift changed ann display_name "Ann" "Bob"
			drift changed ann dn "CN=Ann" "CN=Bob"
			drift changed ann type "user" "list"
			drift changed ann username "ann" "bob"`},
		{"what the console does not store is the ledger's and never drifts", world{"ann a corp/1 ref=r1 username=ann name=Ann type=list", "ann a - ref=r1", narrow}, `
			ann a corp/1 list username=ann display_name=Ann`},
		{"an attribute that no scope reads is nobody's business", world{"ann corp/1 ref=r1", "ann ref=r1 quota=5", plan.Facts{}}, `
			ann corp/1`},
		{"and stays until the entry clears it, if it was ours", world{"ann corp/1 ref=r1 quota=5", "ann ref=r1 quota=7", plan.Facts{}}, `
			ann corp/1 quota=5`},
		{"renamed by hand, a ref finds it", world{"ann corp/1 ref=r1", "anna ref=r1", plan.Facts{}}, `
			anna corp/1 remembered=ann
			drift changed anna primary "ann" "anna"`},
		{"deactivated by hand, its aliases are reserved", world{"ann a corp/1 ref=r1", "ann a - ref=r1 status=inactive", plan.Facts{}}, `
			ann corp/1 inactive reserved=a
			drift changed ann status "active" "inactive"`},

		{"a mark that names another object of ours wins", world{"ann corp/1 ref=r1", "ann corp/2 ref=r1", marking}, `
			ann corp/2
			drift owner ann
			learn ann corp/2 ref=r1`},
		{"a mark of another configuration makes it foreign", world{"ann corp/1 ref=r1", "ann other:corp/1 ref=r1", marking}, `
			ann local foreign:other
			drift foreign ann
			forget ann`},
		{"by mark comes before by ref", world{"ann corp/1 ref=r1\nbob corp/2 ref=r2", "ann corp/2 ref=r1\nbob corp/1 ref=r2", marking}, `
			ann corp/2 remembered=bob
			bob corp/1 remembered=ann
			drift changed ann primary "bob" "ann"
			drift changed bob primary "ann" "bob"
			learn ann corp/1 ref=r2
			learn bob corp/2 ref=r1`},
		{"a lost mark is no drift where a ref finds it", world{"ann corp/1 ref=r1", "ann ref=r1", marking}, `
			ann corp/1`},

		{"active and lacking: gone", world{"ann corp/1 ref=r1", "", plan.Facts{}}, `
			drift gone ann
			gone ann`},
		{"active and lacking a moment after it was applied: the ledger's", world{"ann corp/1 ref=r1 applied=59s", "", settling}, `
			ann corp/1 not_settled absent`},
		{"active and lacking once it has settled: gone", world{"ann corp/1 ref=r1 applied=60s", "", settling}, `
			drift gone ann
			gone ann`},
		{"inactive and lacking: reserved", world{"ann corp/1 status=inactive", "", removing}, `
			ann corp/1 inactive absent`},
		{"inactive and lacking, and a live account has its address", world{"ann corp/1 status=inactive", "bob ann - ref=r2", removing}, `
			bob ann local
			gone ann`},

		{"our mark that the ledger lacks, of a declared directory", world{"", "ann a corp/1 ref=r1", marking}, `
			ann a corp/1
			drift unrecorded ann
			learn ann corp/1 ref=r1`},
		{"and late, while the record of one that has moved has its primary", world{"ann corp/1 ref=r1", "bob corp/1 ref=r1\nann corp/2 ref=r2", marking}, `
			ann corp/2
			bob corp/1 remembered=ann
			drift changed bob primary "ann" "bob"
			drift unrecorded ann
			late ann corp/2 ref=r2`},
		{"our mark that the ledger lacks, of no declared directory", world{"", "ann lab/1 ref=r1", marking}, `
			ann local foreign:hq
			drift unrecorded ann`},
		{"our mark of no declared directory that the ledger has", world{"ann lab/1 ref=r1", "ann lab/1 ref=r1", marking}, `
			ann lab/1`},
		{"another's mark that the ledger lacks", world{"", "ann other:corp/1 ref=r1", marking}, `
			ann local foreign:other`},
		{"an empty owner owns nothing", world{"", "ann :corp/1 ref=r1", marking}, `
			ann local foreign:`},
		{"no mark: local", world{"", "ann ref=r1", marking}, `
			ann local`},
		{"no mark in a console that is all ours", world{"", "ann ref=ann", exclusive}, `
			ann local
			drift unrecorded ann`},

		{"by primary, if the ledger has no ref and it is active there", world{"ann corp/1", "ann ref=r1", plan.Facts{}}, `
			ann corp/1
			learn ann corp/1 ref=r1`},
		{"not by primary, if the ledger has a ref", world{"ann corp/1 ref=r0", "ann ref=r1", plan.Facts{}}, `
			ann local
			drift gone ann
			gone ann`},
		{"not by primary, if it is inactive in the ledger", world{"ann corp/1 status=inactive", "ann ref=r1", plan.Facts{}}, `
			ann local
			gone ann`},
		{"not by primary without a mark, where marks are stored", world{"ann corp/1", "ann ref=r1", marking}, `
			ann local
			drift gone ann
			gone ann`},
		{"by primary, where refs are not stable", world{"ann corp/1 ref=r0", "ann ref=r1\nbob ref=r0", unstable}, `
			ann corp/1
			bob local
			learn ann corp/1 ref=r1`},

		{"of several with one mark, the one with the ledger's ref is ours", world{"bob corp/1 ref=r2", "ann corp/1 ref=r1\nbob corp/1 ref=r2", marking}, `
			ann local several_marks
			bob corp/1
			drift unrecorded ann`},
		{"without a ledger, all of them are frozen, and one stands for the object", world{"", "bob corp/1 ref=r2\nann corp/1 ref=r1", marking}, `
			ann corp/1 several_marks
			bob local several_marks
			drift unrecorded ann
			drift unrecorded bob`},
		{"and so are they without the ledger's ref", world{"bob corp/1 ref=r0", "bob corp/1 ref=r2\nann corp/1 ref=r1", marking}, `
			ann corp/1 several_marks remembered=bob
			bob local several_marks
			drift changed ann primary "bob" "ann"
			drift unrecorded bob`},

		{"an address that two accounts have freezes both", world{"ann x corp/1 ref=r1", "ann x - ref=r1\nbob x - ref=r2", plan.Facts{}}, `
			ann x corp/1 shared_address
			bob local shared_address reserved=x`},
		{"also a primary, which the other one then lacks", world{"ann corp/1 ref=r1", "ann - ref=r1\nann - ref=r2", plan.Facts{}}, `
			- local shared_address reserved=ann
			ann corp/1 shared_address`},
		{"and an alias of an inactive account", world{"ann corp/1 ref=r1 status=inactive", "ann x - ref=r1 status=inactive\nbob x - ref=r2", plan.Facts{}}, `
			ann corp/1 inactive shared_address reserved=x
			bob x local shared_address`},
		{"an account without a primary is frozen", world{"ann a corp/1 ref=r1", "- a - ref=r1", plan.Facts{}}, `
			- a corp/1 no_primary remembered=ann
			drift changed - primary "ann" ""`},
		{"and so is what cannot be understood", world{"ann a corp/1 ref=r1", "ann ref=r1 odd=nonsense", plan.Facts{}}, `
			ann corp/1 not_understood remembered=a`},
		{"and what an interrupted run may have created", world{"ann a corp/1 undecided", "bob a - ref=r1", plan.Facts{}}, `
			bob a corp/1 undecided remembered=ann`},
		{"which is ours, if it says so", world{"ann a corp/1 undecided", "ann a corp/1 ref=r1", marking}, `
			ann a corp/1
			learn ann corp/1 ref=r1`},
		{"and was not made, if nobody has its addresses", world{"ann a corp/1 undecided", "", plan.Facts{}}, `
			forget ann`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.merging(t)
			var want []string
			for line := range strings.Lines(tt.want) {
				if line = strings.TrimSpace(line); line != "" {
					want = append(want, line)
				}
			}
			m := plan.Merge(in)
			if d := cmp.Diff(want, words(in, m)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			if m.Owned+m.Local+m.Foreign != len(in.Live) {
				t.Errorf("%d owned, %d local and %d foreign of %d", m.Owned, m.Local, m.Foreign, len(in.Live))
			}
			slices.Reverse(in.Live)
			if d := cmp.Diff(want, words(in, plan.Merge(in))); d != "" {
				t.Errorf("in another order (-want +got)\n%s", d)
			}
		})
	}
}
