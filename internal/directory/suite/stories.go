package suite

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/plan"
)

// Units of the worlds; each part of the suite has its own.
const (
	StaffUnit = "OU=Staff"
	LeftUnit  = "OU=Left"
	salesUnit = "OU=Sales,OU=Staff"
	oddUnit   = "OU=Odd"
	crowdUnit = "OU=Crowd"

	contractUnit = "OU=Contract"
	insideUnit   = "OU=Inside,OU=Contract"
	outsideUnit  = "OU=Outside,OU=Contract"
)

// story follows a site.
type story struct {
	t *testing.T
	Site
}

// becomes plans what happened, expects these rows, applies them, and is settled
// then.
func (s *story) becomes(o Options, story string, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, Rows(s.Plan(o))); diff != "" {
		s.t.Fatalf("%s (-want +got):\n%s", story, diff)
	}
	s.settles(o, story)
}

// settles applies what there is, and sees that a plan after that is empty.
func (s *story) settles(o Options, story string) {
	s.t.Helper()
	after := s.Apply(o)
	if len(after.Changes) > 0 || len(after.Accounts) > 0 {
		s.t.Fatalf("%s: a plan after the apply still has %v", story, Rows(after))
	}
	sum := after.Summary()
	sum.Rejections, sum.Unchanged, sum.Totals = 0, 0, plan.Totals{}
	if sum != (plan.Summary{}) {
		s.t.Fatalf("%s: a plan after the apply counts %+v", story, sum)
	}
}

// Rows writes the rows of a plan in a form that is easy to compare: the domain
// example.com is left out, and a value that is the address.
func Rows(p *plan.Plan) (all []string) {
	for i := range p.Changes {
		r := p.Changes[i].Row()
		line := r.Category.String() + " " + r.Address
		for _, f := range [...]struct{ name, value string }{
			{"original_primary", r.OriginalPrimary}, {"new_primary", r.NewPrimary}, {"original_username", r.OriginalUsername}, {"new_username", r.NewUsername},
			{"original_type", r.OriginalType}, {"new_type", r.NewType}, {"attribute", r.Attribute},
		} {
			if f.value != "" && f.value != r.Address {
				line += " " + f.name + "=" + f.value
			}
		}
		if r.Withheld {
			line += " withheld"
		}
		all = append(all, line)
	}
	for i := range p.Rejections {
		r := &p.Rejections[i]
		all = append(all, fmt.Sprintf("rejected %s %s", r.Reason, r.Address))
	}
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], "@example.com", "")
	}
	return all
}

// document is what a plan says of accounts, and not of how the directory was read.
func document(t *testing.T, p *plan.Plan) []string {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	return strings.Split(text[strings.Index(text, `"summary"`):strings.Index(text, `"id": "sha256`)], "\n")
}

// life is that of Ann, whom Bob outlasts.
func life(s *story, w World) {
	o := Options{}
	ann := &Object{Name: "Ann Smith", Unit: StaffUnit, Username: "ann", Display: "Ann Smith", Primary: "ann@example.com", Aliases: []string{"a.smith@example.com"}}
	bob := &Object{Name: "Bob Brown", Unit: StaffUnit, Username: "bob", Display: "Bob Brown", Primary: "bob@example.com"}

	w.Create(ann, bob)
	s.becomes(o, "created",
		"add a.smith new_primary=ann",
		"add ann",
		"add bob")

	w.Move(ann, "Ann Jones", StaffUnit)
	s.becomes(o, "renamed",
		"attribute_change ann attribute=dn")

	ann.Display = "Ann Jones"
	w.Change(ann)
	s.becomes(o, "another display name",
		"attribute_change ann attribute=display_name")

	ann.Primary, ann.Aliases = "ann.jones@example.com", []string{"a.smith@example.com", "ann@example.com"}
	w.Change(ann)
	s.becomes(o, "another primary, the old one kept as alias",
		"add ann.jones",
		"primary_change ann.jones original_primary=ann")

	w.Move(ann, "Ann Jones", salesUnit)
	s.becomes(o, "moved within the scope",
		"attribute_change ann.jones attribute=dn")

	ann.Username = "ajones"
	w.Change(ann)
	s.becomes(o, "another username",
		"username_change ann.jones original_username=ann new_username=ajones")

	ann.Aliases, bob.Aliases = []string{"ann@example.com"}, []string{"a.smith@example.com"}
	w.Change(ann)
	w.Change(bob)
	s.becomes(o, "an alias goes to somebody else",
		"alias_switch a.smith original_primary=ann.jones new_primary=bob")

	ann.Disabled = true
	w.Change(ann)
	s.becomes(o, "disabled, which is nothing to a scope that keeps the disabled")

	o = Options{Inactive: true}
	s.becomes(o, "disabled, which is gone to a scope that does not",
		"inactive ann.jones",
		"inactive ann original_primary=ann.jones")

	ann.Disabled = false
	w.Change(ann)
	s.becomes(o, "enabled again",
		"add ann new_primary=ann.jones",
		"reactivation ann.jones")

	w.Move(ann, "Ann Jones", LeftUnit)
	s.becomes(o, "moved out of the scope",
		"inactive ann.jones",
		"inactive ann original_primary=ann.jones")

	w.Move(ann, "Ann Jones", StaffUnit)
	s.becomes(o, "moved back into it",
		"add ann new_primary=ann.jones",
		"reactivation ann.jones",
		"attribute_change ann.jones attribute=dn")

	w.Delete(ann)
	s.becomes(o, "deleted",
		"inactive ann.jones",
		"inactive ann original_primary=ann.jones")

	ann = &Object{Name: "Ann Jones", Unit: StaffUnit, Username: "ajones", Display: "Ann Jones", Primary: "ann.jones@example.com", Aliases: []string{"ann@example.com"}}
	w.Create(ann)
	s.becomes(o, "created again, which is somebody else",
		"rejected guid_changed ann.jones",
		"rejected guid_changed ann")

	o.Rebind = true
	s.becomes(o, "who takes the account over if that is allowed",
		"add ann new_primary=ann.jones",
		"guid_change ann.jones",
		"reactivation ann.jones")

	w.Delete(ann)
	ann = &Object{Name: "Ann Jones", Unit: StaffUnit, Username: "ajones", Display: "Ann Jones", Primary: "ann.jones@example.com", Aliases: []string{"ann@example.com"}}
	w.Create(ann)
	o.Rebind = false
	s.becomes(o, "replaced between two runs, which takes nothing away",
		"rejected guid_changed ann.jones",
		"rejected guid_changed ann")

	o.Rebind = true
	w.Delete(ann)
	group := &Object{Class: List, Name: "Jones Family", Unit: StaffUnit, Username: "jones", Display: "Ann Jones", Primary: "ann.jones@example.com", Aliases: []string{"ann@example.com"}}
	w.Create(group)
	s.becomes(o, "replaced by a group",
		"type_change ann.jones original_type=user new_type=list",
		"username_change ann.jones original_username=ajones new_username=jones",
		"guid_change ann.jones",
		"attribute_change ann.jones attribute=dn")

	group.Primary, group.Aliases = "jones@example.com", []string{"a.smith@example.com"}
	bob.Primary, bob.Aliases = "ann@example.com", []string{"ann.jones@example.com"}
	w.Change(group)
	w.Change(bob)
	s.becomes(o, "everything changes hands",
		"add jones",
		"inactive bob",
		"primary_change ann original_primary=bob",
		"primary_change jones original_primary=ann.jones",
		"alias_switch a.smith original_primary=bob new_primary=jones",
		"alias_to_primary ann original_primary=ann.jones",
		"primary_to_alias ann.jones new_primary=ann")
}

// oddObjects are those of a domain with Exchange: whatever receives mail is an
// account, disabled or hidden as it may be, and what the servers keep for
// themselves is none.
func oddObjects(s *story, subject *Subject, w World) {
	const shared, linked, room, arbitration, remoteShared = 4, 2, 16, 8388608, 34359738368
	at := func(o Object) *Object {
		local, _, _ := strings.Cut(o.Primary, "@")
		o.Unit = oddUnit
		if o.Name == "" {
			o.Name = local
		}
		if o.Class != Contact && o.Class != DynamicList {
			o.Username = local
		}
		return &o
	}
	all := []*Object{
		at(Object{Primary: "plain@example.com"}),
		at(Object{Primary: "hidden@example.com", Hidden: true}),
		at(Object{Primary: "contact@example.com", Class: Contact}),
		at(Object{Primary: "group@example.com", Class: List}),
		at(Object{Primary: "security@example.com", Class: SecurityGroup}),
		at(Object{Primary: "shared@example.com", Disabled: true, Recipient: shared}),
		at(Object{Primary: "linked@example.com", Disabled: true, Recipient: linked}),
		at(Object{Primary: "room@example.com", Disabled: true, Recipient: room}),
		at(Object{Primary: "remote@example.com", Disabled: true, Recipient: remoteShared}),

		at(Object{Primary: "disabled@example.com", Disabled: true}),
		at(Object{Primary: "arbitration@example.com", Recipient: arbitration}),
		at(Object{Primary: "system@example.com", Name: "SystemMailbox{e0dc1c29-89c3-4034-b678-e6c29d823ed9}"}),
		at(Object{Primary: "health@example.com", Name: "HealthMailbox0659e34c5f3b4d3a8f6b2a1c9d8e7f60"}),
		at(Object{Primary: "conflict@example.com", Name: `plain\0ACNF:9c3ab2a4-3f5f-4ed6-8a0c-8e0a5d6c3c1e`}),
	}
	want := []string{"contact user", "group list", "hidden user", "linked user", "plain user", "remote user", "room user", "security list", "shared user"}
	if !slices.Contains(subject.Lacks, DynamicList) {
		all = append(all, at(Object{Primary: "dynamic@example.com", Class: DynamicList}))
		want = append(want, "dynamic list")
		slices.Sort(want)
	}
	w.Create(all...)
	s.settles(Options{Inactive: true}, "the first apply")
	var got []string
	for _, a := range s.Accounts() {
		got = append(got, strings.TrimSuffix(a.Primary.String(), "@example.com")+" "+a.Type.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("accounts (-want +got):\n%s", diff)
	}
}

// crowd is more than a page of people, of whom one has more aliases than a
// domain controller shows at a time.
func crowd() []*Object {
	var people []*Object
	for n := range 2300 {
		o := &Object{Name: fmt.Sprintf("Person %d", n), Unit: crowdUnit, Username: fmt.Sprintf("person%d", n), Display: fmt.Sprintf("Person %d", n), Primary: fmt.Sprintf("person%d@example.com", n)}
		if n == 1234 {
			for i := range 1600 {
				o.Aliases = append(o.Aliases, fmt.Sprintf("alias%d@example.com", i))
			}
		}
		people = append(people, o)
	}
	return people
}

// manyEntries are all there, and a snapshot of them is planned as they are.
func manyEntries(s *story, subject *Subject, w World, people []*Object) {
	o := Options{}
	live := s.Plan(o)
	if diff := cmp.Diff(document(s.t, live), document(s.t, s.PlanSnapshot(o))); diff != "" {
		s.t.Errorf("(-live +snapshot):\n%s", diff)
	}
	want := 0
	for _, o := range people {
		want += 1 + len(o.Aliases)
	}
	read := live.Directories[0]
	if sum := live.Summary(); sum.Changes[plan.Add] != want || sum.Rejections > 0 || !read.Complete || read.Entries != len(people) {
		s.t.Errorf("%d of %d addresses to add, %d rejected, receipt %+v", sum.Changes[plan.Add], want, sum.Rejections, read)
	}
	if subject.Paged != (read.Pages >= 3) || subject.Ranged != (read.Ranged > 0) {
		s.t.Errorf("%d entries came in %d pages, and %d values in ranges", read.Entries, read.Pages, read.Ranged)
	}
	s.settles(o, "the first apply")
	w.Delete(people[1])
	w.Create(&Object{Name: "Joiner", Unit: crowdUnit, Username: "joiner", Display: "Joiner", Primary: "joiner@example.com"})
	s.becomes(o, "one of thousands leaves, and somebody joins",
		"add joiner",
		"inactive person1")
}
