package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// Units of the worlds; each part of the suite has its own.
const (
	staffUnit = "OU=Staff"
	salesUnit = "OU=Sales,OU=Staff"
	leftUnit  = "OU=Left"
	oddUnit   = "OU=Odd"
	crowdUnit = "OU=Crowd"
)

// TestLive holds every kind of source to the same: what happens to people in a
// directory becomes these changes and no others, and a plan after an apply is
// empty.
func TestLive(t *testing.T) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			people := crowd()
			w := k.begin(t, []string{staffUnit, salesUnit, leftUnit, oddUnit, crowdUnit}, people)
			life(t, k, w)
			if k.exchange {
				oddObjects(t, k, w)
			}
			manyEntries(t, k, w, people)
		})
	}
}

// life is that of Ann, whom Bob outlasts.
func life(t *testing.T, k kind, w world) {
	s := worldSite(t, k, w, staffUnit)
	ann := &object{name: "Ann Smith", ou: staffUnit, username: "ann", display: "Ann Smith", primary: "ann@example.com", aliases: []string{"a.smith@example.com"}}
	bob := &object{name: "Bob Brown", ou: staffUnit, username: "bob", display: "Bob Brown", primary: "bob@example.com"}

	w.create(ann, bob)
	s.becomes("created",
		"add a.smith new_primary=ann",
		"add ann",
		"add bob")

	w.move(ann, "Ann Jones", staffUnit)
	s.becomes("renamed",
		"attribute_change ann attribute=dn")

	ann.display = "Ann Jones"
	w.change(ann)
	s.becomes("another display name",
		"attribute_change ann attribute=display_name")

	ann.primary, ann.aliases = "ann.jones@example.com", []string{"a.smith@example.com", "ann@example.com"}
	w.change(ann)
	s.becomes("another primary, the old one kept as alias",
		"add ann.jones",
		"primary_change ann.jones original_primary=ann")

	w.move(ann, "Ann Jones", salesUnit)
	s.becomes("moved within the scope",
		"attribute_change ann.jones attribute=dn")

	ann.username = "ajones"
	w.change(ann)
	s.becomes("another username",
		"username_change ann.jones original_username=ann new_username=ajones")

	ann.aliases, bob.aliases = []string{"ann@example.com"}, []string{"a.smith@example.com"}
	w.change(ann)
	w.change(bob)
	s.becomes("an alias goes to somebody else",
		"alias_switch a.smith original_primary=ann.jones new_primary=bob")

	ann.disabled = true
	w.change(ann)
	s.becomes("disabled, which is nothing to a scope that keeps the disabled")

	s.scope = `disabled = "inactive"`
	s.becomes("disabled, which is gone to a scope that does not",
		"inactive ann.jones",
		"inactive ann original_primary=ann.jones")

	ann.disabled = false
	w.change(ann)
	s.becomes("enabled again",
		"add ann new_primary=ann.jones",
		"reactivation ann.jones")

	w.move(ann, "Ann Jones", leftUnit)
	s.becomes("moved out of the scope",
		"inactive ann.jones",
		"inactive ann original_primary=ann.jones")

	w.move(ann, "Ann Jones", staffUnit)
	s.becomes("moved back into it",
		"add ann new_primary=ann.jones",
		"reactivation ann.jones",
		"attribute_change ann.jones attribute=dn")

	w.delete(ann)
	s.becomes("deleted",
		"inactive ann.jones",
		"inactive ann original_primary=ann.jones")

	ann = &object{name: "Ann Jones", ou: staffUnit, username: "ajones", display: "Ann Jones", primary: "ann.jones@example.com", aliases: []string{"ann@example.com"}}
	w.create(ann)
	s.becomes("created again, which is somebody else",
		"rejected guid_changed ann.jones",
		"rejected guid_changed ann")

	s.scope += "\n" + `on_guid_change = "rebind"`
	s.becomes("who takes the account over if that is allowed",
		"add ann new_primary=ann.jones",
		"guid_change ann.jones",
		"reactivation ann.jones")

	w.delete(ann)
	ann = &object{name: "Ann Jones", ou: staffUnit, username: "ajones", display: "Ann Jones", primary: "ann.jones@example.com", aliases: []string{"ann@example.com"}}
	w.create(ann)
	s.scope = `disabled = "inactive"`
	s.becomes("replaced between two runs, which takes nothing away",
		"rejected guid_changed ann.jones",
		"rejected guid_changed ann")

	s.scope += "\n" + `on_guid_change = "rebind"`
	w.delete(ann)
	group := &object{class: list, name: "Jones Family", ou: staffUnit, username: "jones", display: "Ann Jones", primary: "ann.jones@example.com", aliases: []string{"ann@example.com"}}
	w.create(group)
	s.becomes("replaced by a group",
		"type_change ann.jones original_type=user new_type=list",
		"username_change ann.jones original_username=ajones new_username=jones",
		"guid_change ann.jones",
		"attribute_change ann.jones attribute=dn")

	group.primary, group.aliases = "jones@example.com", []string{"a.smith@example.com"}
	bob.primary, bob.aliases = "ann@example.com", []string{"ann.jones@example.com"}
	w.change(group)
	w.change(bob)
	s.becomes("everything changes hands",
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
func oddObjects(t *testing.T, k kind, w world) {
	s := worldSite(t, k, w, oddUnit)
	s.scope = `disabled = "inactive"`
	const shared, linked, room, arbitration, remoteShared = 4, 2, 16, 8388608, 34359738368
	at := func(o object) *object {
		local, _, _ := strings.Cut(o.primary, "@")
		o.ou = oddUnit
		if o.name == "" {
			o.name = local
		}
		if o.class != contact && o.class != dynamicList {
			o.username = local
		}
		return &o
	}
	all := []*object{
		at(object{primary: "plain@example.com"}),
		at(object{primary: "hidden@example.com", hidden: true}),
		at(object{primary: "contact@example.com", class: contact}),
		at(object{primary: "group@example.com", class: list}),
		at(object{primary: "security@example.com", class: securityGroup}),
		at(object{primary: "shared@example.com", disabled: true, recipient: shared}),
		at(object{primary: "linked@example.com", disabled: true, recipient: linked}),
		at(object{primary: "room@example.com", disabled: true, recipient: room}),
		at(object{primary: "remote@example.com", disabled: true, recipient: remoteShared}),

		at(object{primary: "disabled@example.com", disabled: true}),
		at(object{primary: "arbitration@example.com", recipient: arbitration}),
		at(object{primary: "system@example.com", name: "SystemMailbox{e0dc1c29-89c3-4034-b678-e6c29d823ed9}"}),
		at(object{primary: "health@example.com", name: "HealthMailbox0659e34c5f3b4d3a8f6b2a1c9d8e7f60"}),
		at(object{primary: "conflict@example.com", name: `plain\0ACNF:9c3ab2a4-3f5f-4ed6-8a0c-8e0a5d6c3c1e`}),
	}
	want := []string{"contact user", "group list", "hidden user", "linked user", "plain user", "remote user", "room user", "security list", "shared user"}
	if k.name != "Samba" { // whose schema has no such class
		all = append(all, at(object{primary: "dynamic@example.com", class: dynamicList}))
		want = append(want, "dynamic list")
		slices.Sort(want)
	}
	w.create(all...)
	s.ok("apply", "--auto-approve")
	s.settled("the first apply")
	var accounts []struct{ Primary, Type string }
	s.decode(&accounts, "state", "list", "-o", "json")
	var got []string
	for _, a := range accounts {
		got = append(got, strings.TrimSuffix(a.Primary, "@example.com")+" "+a.Type)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
}

// crowd is more than a page of people, of whom one has more aliases than a
// domain controller shows at a time.
func crowd() []*object {
	var people []*object
	for n := range 2300 {
		o := &object{name: fmt.Sprintf("Person %d", n), ou: crowdUnit, username: fmt.Sprintf("person%d", n), display: fmt.Sprintf("Person %d", n), primary: fmt.Sprintf("person%d@example.com", n)}
		if n == 1234 {
			for i := range 1600 {
				o.aliases = append(o.aliases, fmt.Sprintf("alias%d@example.com", i))
			}
		}
		people = append(people, o)
	}
	return people
}

// manyEntries are all there, and a snapshot of them is planned as they are.
func manyEntries(t *testing.T, k kind, w world, people []*object) {
	s := worldSite(t, k, w, crowdUnit)
	s.sameFromSnapshot()
	live := s.plan("plan")
	want := 0
	for _, o := range people {
		want += 1 + len(o.aliases)
	}
	read := live.Directories[0]
	if live.Summary["add"] != want || len(live.Rejections) > 0 || !read.Complete || read.Entries != len(people) {
		t.Errorf("%d of %d addresses to add, %d rejected, receipt %+v", live.Summary["add"], want, len(live.Rejections), read)
	}
	if k.paged != (read.Pages >= 3) || k.ranged != (read.Ranged > 0) {
		t.Errorf("%d entries came in %d pages, and %d values in ranges", read.Entries, read.Pages, read.Ranged)
	}
	s.ok("apply", "--auto-approve")
	s.settled("the first apply")
	w.delete(people[1])
	w.create(&object{name: "Joiner", ou: crowdUnit, username: "joiner", display: "Joiner", primary: "joiner@example.com"})
	s.becomes("one of thousands leaves, and somebody joins",
		"add joiner",
		"inactive person1")
}

// TestSnapshotInChain: a snapshot has what a filter found that only the server
// can judge.
func TestSnapshotInChain(t *testing.T) {
	t.Parallel()
	ann := &object{name: "Ann", ou: staffUnit, username: "ann", primary: "ann@example.com"}
	bob := &object{name: "Bob", ou: staffUnit, username: "bob", primary: "bob@example.com"}
	inner := &object{class: list, name: "Inner", ou: staffUnit, username: "inner", primary: "inner@example.com", members: []*object{ann}}
	outer := &object{class: list, name: "Outer", ou: staffUnit, username: "outer", primary: "outer@example.com", members: []*object{inner}}
	w := newSambaWorld(t, []string{staffUnit}, []*object{ann, bob, inner, outer})
	s := worldSite(t, kind{password: servertest.Password}, w, staffUnit)
	s.scope = fmt.Sprintf("filter = %q", "(memberOf:1.2.840.113556.1.4.1941:="+outer.dn()+")")
	s.sameFromSnapshot()
	s.becomes("in a group of a group",
		"add ann",
		"add inner")
}

// site is a configuration directory with one directory, corp, and one scope.
type site struct {
	t         *testing.T
	dir       string
	password  string // in the file of that name
	base      string
	directory string // what the directory block says
	// scope is what the scope says beside base_dn and what its directory
	// demands, which is more.
	scope, more string
}

func newSite(t *testing.T, password, base string) *site {
	s := &site{t: t, dir: t.TempDir(), base: base}
	s.setPassword(password)
	return s
}

// worldSite reads a unit of a world.
func worldSite(t *testing.T, k kind, w world, unit string) *site {
	s := newSite(t, k.password, unit+","+servertest.Base)
	s.directory, s.more = w.blocks()
	return s
}

func (s *site) setPassword(password string) {
	s.t.Helper()
	s.password = password
	s.write("password", password+"\n")
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// run runs a command line on the configuration as it is now, and sees to it
// that the password is shown nowhere and kept nowhere.
func (s *site) run(ctx context.Context, args ...string) (out, talk string, code exitCode) {
	s.t.Helper()
	s.configure()
	out, talk, code = at(ctx, nil, false, append([]string{"-C", s.dir}, args...)...)
	s.discreet(out + talk)
	return out, talk, code
}

func (s *site) configure() {
	s.t.Helper()
	s.write("rollcall.hcl", fmt.Sprintf("directory \"corp\" {\n%s}\ndomain \"example.com\" {}\nscope \"people\" {\ndirectory = directory.corp\nbase_dn = %q\n%s%s\n}\n",
		s.directory, s.base, s.more, s.scope))
}

func (s *site) discreet(said string) {
	s.t.Helper()
	if strings.Contains(said, s.password) {
		s.t.Fatalf("the password is shown:\n%s", said)
	}
	files, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() == "password" || f.IsDir() {
			continue
		}
		if data, err := os.ReadFile(filepath.Join(s.dir, f.Name())); err != nil || bytes.Contains(data, []byte(s.password)) {
			s.t.Fatalf("%s holds the password, or %v", f.Name(), err)
		}
	}
}

// ok runs a command line that succeeds.
func (s *site) ok(args ...string) string {
	s.t.Helper()
	out, talk, code := s.run(context.Background(), args...)
	if code != exitOK {
		s.t.Fatalf("%v: exit %d\n%s%s", args, code, out, talk)
	}
	return out
}

func (s *site) decode(into any, args ...string) {
	s.t.Helper()
	if err := json.Unmarshal([]byte(s.ok(args...)), into); err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
}

// planned is a plan document.
type planned struct {
	Directories []struct {
		Server                 string
		Entries, Pages, Ranged int
		Complete               bool
	}
	Warnings            []string
	Summary             map[string]int
	Changes, Rejections []row
}

func (s *site) plan(args ...string) (p planned) {
	s.t.Helper()
	s.decode(&p, append(args, "-o", "json")...)
	return p
}

// rows writes the rows in a form that is easy to compare: the domain
// example.com is left out, and a value that is the address.
func (p planned) rows() []string {
	var all []string
	for _, r := range p.Changes {
		line := fmt.Sprintf("%v %v", r["category"], r["address"])
		for _, key := range []string{"original_primary", "new_primary", "original_username", "new_username", "original_type", "new_type", "attribute"} {
			if v, ok := r[key]; ok && v != r["address"] {
				line += fmt.Sprintf(" %s=%v", key, v)
			}
		}
		if r["withheld"] == true {
			line += " withheld"
		}
		all = append(all, line)
	}
	for _, r := range p.Rejections {
		all = append(all, fmt.Sprintf("rejected %v %v", r["reason"], r["address"]))
	}
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], "@example.com", "")
	}
	return all
}

// becomes plans what happened, expects these rows, applies them, and is
// settled then.
func (s *site) becomes(story string, want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.plan("plan").rows()); diff != "" {
		s.t.Fatalf("%s (-want +got):\n%s", story, diff)
	}
	s.ok("apply", "--auto-approve")
	s.settled(story)
}

// settled sees that a plan after an apply is empty, and that the state holds
// together.
func (s *site) settled(story string) {
	s.t.Helper()
	p := s.plan("plan", "--detailed-exitcode")
	if len(p.Changes) > 0 {
		s.t.Fatalf("%s: a plan after the apply still has %v", story, p.rows())
	}
	for category, n := range p.Summary {
		if n != 0 && category != "rejection" && category != "unchanged_accounts" {
			s.t.Fatalf("%s: a plan after the apply counts %d of %s", story, n, category)
		}
	}
	s.ok("state", "verify")
}

// sameFromSnapshot sees that the plan of a snapshot is that of the directory,
// but for how that was read.
func (s *site) sameFromSnapshot() {
	s.t.Helper()
	saved := filepath.Join(s.t.TempDir(), "saved")
	s.ok("snapshot", "-o", saved)
	live, again := s.ok("plan", "-o", "json"), s.ok("plan", "--snapshot", saved, "-o", "json")
	// Ahead of the summary stands when and how the directory was read, and the
	// checksum covers the time.
	rows := func(document string) string {
		return document[strings.Index(document, `"summary"`):strings.Index(document, `"id": "sha256`)]
	}
	if diff := cmp.Diff(strings.Split(rows(live), "\n"), strings.Split(rows(again), "\n")); diff != "" {
		s.t.Errorf("(-live +snapshot):\n%s", diff)
	}
}
