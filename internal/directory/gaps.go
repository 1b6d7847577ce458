package directory

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Reading is what was read of directories, beside the accounts that were there
// before.
type Reading struct {
	// Directories are all that are declared. Their scopes are numbered by their
	// Index, from 0, without a gap.
	Directories []Directory
	// Entries are those of complete reads; objects that are no entries because of
	// their domains are not among them.
	Entries identity.Entries
	// Accounts are what the console has.
	Accounts []identity.Account
	// Canonical returns an address as accounts have it.
	Canonical func(identity.Address) identity.Address
}

// declared is a scope of one of the directories.
type declared struct {
	*Scope
	directory string
}

// Gaps are what the complete read of a directory seems to have left out. A moved
// base or a lost right to read looks the same as everybody's leaving:
//
//	Emptied      a scope has no entry, and had accounts     an error, unless of files
//	Bared        no entry of a scope has a thing any more   an error
//	Unselective  a scope has no entry                       a warning
//	Uncovered    a reference leads out of all scopes        a warning
//
// A file may be a part of what somebody has, written on purpose. What all entries
// have lost at once was taken away, or its name is misspelt, in files too: nobody
// empties them all on purpose.
type Gaps struct {
	directory *Directory
	server    string
	notes     []string

	// Each is reported in a sentence of its own.
	Emptied, Bared, Unselective, Uncovered []string
}

// Gaps compares the read of a directory, by its receipt, with the accounts.
func (r *Reading) Gaps(receipt *identity.Receipt) Gaps {
	scopes := r.scopes()
	g := r.gaps(scopes, receipt)
	found := r.found(scopes)
	g.Emptied, g.Bared = r.emptied(scopes, found, receipt.Name), r.bared(scopes, receipt.Name)
	if len(g.Emptied)+len(g.Bared) == 0 {
		g.Unselective = unselective(scopes, found, receipt.Name)
	}
	return g
}

// gaps are those that show without the entries.
func (r *Reading) gaps(scopes []declared, receipt *identity.Receipt) Gaps {
	at := slices.IndexFunc(r.Directories, func(d Directory) bool { return d.Name == receipt.Name })
	return Gaps{
		directory: &r.Directories[at], server: receipt.Server, notes: receipt.Notes,
		Uncovered: uncovered(scopes, receipt.Name, receipt.References),
	}
}

// scopes returns all scopes by their indexes.
func (r *Reading) scopes() []declared {
	n := 0
	for i := range r.Directories {
		n += len(r.Directories[i].Scopes)
	}
	all := make([]declared, n)
	for i := range r.Directories {
		d := &r.Directories[i]
		for k := range d.Scopes {
			all[d.Scopes[k].Index] = declared{&d.Scopes[k], d.Name}
		}
	}
	return all
}

// Err returns a [ReadError] where so much is missing that the read is taken for
// an incomplete one.
func (g *Gaps) Err() error {
	missing := missingError{hint: "check the names of attributes in the scope and what the account that reads may see (rollcall doctor); if all of it is meant to go, give --allow-empty"}
	failed := g.Bared
	if len(g.Emptied) > 0 && !g.directory.Kind.Files {
		failed = slices.Concat(g.Emptied, g.Bared)
		missing.hint = "check base_dn, filter and what the account that reads may see; if these accounts are meant to go, give --allow-empty"
	}
	if len(failed) == 0 {
		return nil
	}
	missing.error = errors.New(strings.Join(failed, "; "))
	return &ReadError{Directory: g.directory.Name, From: g.server, Err: missing}
}

// missingError says what is missing, and what to do.
type missingError struct {
	error
	hint string
}

// Hint says what to do next.
func (e missingError) Hint() string { return e.hint }

// Warnings says what is missing to somebody who goes on nevertheless, and what
// else there is to be known of the read.
func (g *Gaps) Warnings() (warnings []string) {
	for _, text := range slices.Concat(g.notes, g.Emptied, g.Bared) {
		warnings = append(warnings, fmt.Sprintf("directory %q: %s", g.directory.Name, text))
	}
	warnings = append(warnings, g.Unselective...)
	for _, name := range g.Uncovered {
		warnings = append(warnings, fmt.Sprintf("directory %q: the server refers to %s, which no scope covers: entries there are not read", g.directory.Name, name))
	}
	return warnings
}

// emptied reports each scope of a directory that found no entry although
// active accounts that came from it are found nowhere, by the GUIDs of all
// entries. Accounts do not record their scope; DN and type show it:
//
//	below the base of a scope with entries
//	of the account's type                     came from that scope
//	else, of scopes without                   from the first of them
//	below no base                             from the first scope, if all are empty
func (r *Reading) emptied(scopes []declared, of []scopeFound, name string) []string {
	type reach struct {
		declared
		scopeFound
		base identity.DN
		lost int
	}
	all := make([]reach, len(scopes))
	for i := range all {
		all[i].declared, all[i].scopeFound = scopes[i], of[i]
		all[i].base, _ = identity.ParseDN(scopes[i].Base) // was checked when it was read
	}
	all = slices.DeleteFunc(all, func(s reach) bool { return s.directory != name })
	empty := func(s reach) bool { return s.entries == 0 }
	full := func(s reach) bool { return s.entries > 0 }
	if !slices.ContainsFunc(all, empty) {
		return nil
	}
	const nowhere = -1
	other := 0
	if slices.ContainsFunc(all, full) {
		other = nowhere
	}
	from := func(a *identity.Account) int {
		dn, err := identity.ParseDN(a.DN)
		if err != nil {
			return other
		}
		above := func(s reach) bool { return dn.Within(s.base) }
		if slices.ContainsFunc(all, func(s reach) bool { return s.types[a.Type] && above(s) }) {
			return nowhere
		}
		if first := slices.IndexFunc(all, func(s reach) bool { return empty(s) && above(s) }); first != nowhere {
			return first
		}
		return other
	}
	lost := map[identity.GUID]int{}
	for i := range r.Accounts {
		if a := &r.Accounts[i]; a.Active() && a.Directory == name {
			if scope := from(a); scope != nowhere {
				lost[a.GUID] = scope
			}
		}
	}
	for i := range r.Entries.Len() {
		delete(lost, r.Entries.GUID(i))
	}
	for _, scope := range lost {
		all[scope].lost++
	}
	var told []string
	for _, s := range all {
		if s.lost > 0 {
			filter := "the default filter"
			if s.Filter != "" {
				filter = "filter " + s.Filter
			}
			told = append(told, fmt.Sprintf("scope %q found no entry with base_dn %q and %s, and had %s",
				s.Name, s.Base, filter, counted(s.lost, "active account", "active accounts")))
		}
	}
	return told
}

// scopeFound are the entries of a scope.
type scopeFound struct {
	entries int
	types   map[identity.Type]bool
}

// found counts the entries of each scope.
func (r *Reading) found(scopes []declared) []scopeFound {
	all := make([]scopeFound, len(scopes))
	for i := range all {
		all[i].types = map[identity.Type]bool{}
	}
	for _, e := range r.Entries.All() {
		s := &all[e.Scope]
		if s.entries++; !s.types[e.Type] {
			s.types[e.Type] = true
		}
	}
	return all
}

// unselective reports the scopes of a directory that select no entry.
func unselective(scopes []declared, of []scopeFound, name string) (warnings []string) {
	for i, s := range scopes {
		if s.directory == name && of[i].entries == 0 {
			warnings = append(warnings, fmt.Sprintf("scope %q selects no entry with an address: check its base_dn and filter, and what the account that reads may see (rollcall doctor)", s.Name))
		}
	}
	return warnings
}

// fewLosers is how many accounts may lose a thing at once without a question.
const fewLosers = 10

// thing is something that entries have and accounts record.
type thing struct {
	what string // none of the entries has it any more, in words
	has  func(*identity.Entry) bool
	// lost reports whether an account has the thing, which its entry has not.
	lost func(*identity.Account, *identity.Entry) bool
}

// listThing is the place of the type list among things.
const listThing = 1

// things are those that entries of a scope may have. An alias that is the primary
// now, as in a migration that a brake has stopped halfway, is none that was lost.
func things(s *Scope, canonical func(identity.Address) identity.Address) []thing {
	all := []thing{
		{"an alias (" + strings.Join(s.AliasAttributes, ", ") + ")",
			func(e *identity.Entry) bool { return len(e.Aliases) > 0 || len(e.Primaries) > 1 },
			func(a *identity.Account, e *identity.Entry) bool {
				return slices.ContainsFunc(a.Aliases, func(x identity.Address) bool {
					return !slices.ContainsFunc(e.Primaries, func(text string) bool {
						y, err := identity.ParseAddress(text)
						return err == nil && canonical(y) == x
					})
				})
			}},
		{"the type list (objectClass)",
			func(e *identity.Entry) bool { return e.Type == identity.List },
			func(a *identity.Account, _ *identity.Entry) bool { return a.Type == identity.List }},
	}
	if s.UsernameAttribute != "" {
		all = append(all, thing{"a username (" + s.UsernameAttribute + ")",
			func(e *identity.Entry) bool { return e.Username != "" },
			func(a *identity.Account, _ *identity.Entry) bool { return a.Username != "" }})
	}
	for _, attr := range s.Attributes {
		all = append(all, thing{"the attribute " + attr.Name + " (" + attr.Source + ")",
			func(e *identity.Entry) bool { return identity.Lookup(e.Attributes, attr.Name) != "" },
			func(a *identity.Account, _ *identity.Entry) bool {
				return identity.Lookup(a.Attributes, attr.Name) != ""
			}})
	}
	return all
}

// Tally counts, by the indexes of scopes, what their entries have, for those of a read that
// are not at hand.
type Tally []ScopeTally

// ScopeTally counts the entries of a scope, and, for each thing that they may have, those
// that have it and those whose accounts alone do.
type ScopeTally struct {
	Entries int   `json:"entries"`
	Has     []int `json:"has"`
	Lost    []int `json:"lost"`
}

// Tally counts what was read of the directories. In a scope in which some entry has a thing,
// it is not counted from which it was lost, unless all is wanted.
func (r *Reading) Tally(all bool) Tally {
	scopes := r.scopes()
	t, of := make(Tally, len(scopes)), make([][]thing, len(scopes))
	for i, s := range scopes {
		of[i] = things(s.Scope, r.Canonical)
		t[i].Has, t[i].Lost = make([]int, len(of[i])), make([]int, len(of[i]))
	}
	for _, e := range r.Entries.All() {
		t[e.Scope].Entries++
		for k := range of[e.Scope] {
			if of[e.Scope][k].has(e) {
				t[e.Scope].Has[k]++
			}
		}
	}
	r.losers(scopes, of, t, func(scope, k int) bool { return all || t[scope].Has[k] == 0 })
	return t
}

// losers counts, of the things of scopes that are asked for, the entries whose active
// accounts have them and that have them not.
func (r *Reading) losers(scopes []declared, of [][]thing, t Tally, asked func(scope, k int) bool) {
	losable := map[string][]thing{} // by directory, each once: scopes mostly read the same attributes
	for i, s := range scopes {
		for k, x := range of[i] {
			if asked(i, k) && !slices.ContainsFunc(losable[s.directory], func(y thing) bool { return y.what == x.what }) {
				losable[s.directory] = append(losable[s.directory], x)
			}
		}
	}
	type owner struct {
		directory string
		guid      identity.GUID
	}
	owners := map[owner]*identity.Account{}
	nothing := &identity.Entry{}
	for n := range r.Accounts {
		a := &r.Accounts[n]
		if a.Active() && slices.ContainsFunc(losable[a.Directory], func(x thing) bool { return x.lost(a, nothing) }) {
			owners[owner{a.Directory, a.GUID}] = a
		}
	}
	if len(owners) == 0 {
		return
	}
	for _, e := range r.Entries.All() {
		a := owners[owner{scopes[e.Scope].directory, e.GUID}]
		if a == nil {
			continue
		}
		for k, x := range of[e.Scope] {
			if asked(int(e.Scope), k) && x.lost(a, e) {
				t[e.Scope].Lost[k]++
			}
		}
	}
}

// Changed is a tally after a part of what it counts has changed: what the part was, and what
// it is, all counted. It is not known where a thing is lost that was there.
func (t Tally) Changed(was, is Tally) (now Tally, known bool) {
	now = make(Tally, len(t))
	for i := range t {
		now[i].Entries = t[i].Entries - was[i].Entries + is[i].Entries
		known := true
		for k := range t[i].Has {
			has, lost := t[i].Has[k]-was[i].Has[k]+is[i].Has[k], 0
			if has == 0 {
				lost = t[i].Lost[k] - was[i].Lost[k] + is[i].Lost[k]
				known = known && t[i].Has[k] == 0
			}
			now[i].Has, now[i].Lost = append(now[i].Has, has), append(now[i].Lost, lost)
		}
		if !known {
			return nil, false
		}
	}
	return now, true
}

// GapsOf is Gaps where there is a tally of all that was read: the entries and accounts are a
// part that has all active accounts without an entry.
func (r *Reading) GapsOf(t Tally, receipt *identity.Receipt) Gaps {
	scopes := r.scopes()
	g := r.gaps(scopes, receipt)
	found := make([]scopeFound, len(scopes))
	for i, s := range scopes {
		lists := t[i].Has[listThing]
		found[i].entries, found[i].types = t[i].Entries, map[identity.Type]bool{identity.List: lists > 0, identity.User: t[i].Entries > lists}
		if s.directory == receipt.Name {
			g.Bared = append(g.Bared, bared(s, things(s.Scope, r.Canonical), &t[i])...)
		}
	}
	g.Emptied = r.emptied(scopes, found, receipt.Name)
	if len(g.Emptied)+len(g.Bared) == 0 {
		g.Unselective = unselective(scopes, found, receipt.Name)
	}
	return g
}

// bared says what no entry of a scope has any more that many active accounts have which its
// entries own by GUID.
func bared(s declared, of []thing, t *ScopeTally) (told []string) {
	for k, x := range of {
		if t.Has[k] == 0 && t.Lost[k] > fewLosers {
			told = append(told, fmt.Sprintf("scope %q: no entry has %s, and %s had", s.Name, x.what, counted(t.Lost[k], "active account", "active accounts")))
		}
	}
	return told
}

// bared says what no entry of the scopes of a directory has any more.
func (r *Reading) bared(scopes []declared, name string) (told []string) {
	missing := make([][]thing, len(scopes)) // of each scope, what no entry was seen to have yet
	for i, s := range scopes {
		if s.directory == name {
			missing[i] = things(s.Scope, r.Canonical)
		}
	}
	for _, e := range r.Entries.All() {
		if all := missing[e.Scope]; len(all) > 0 {
			missing[e.Scope] = slices.DeleteFunc(all, func(t thing) bool { return t.has(e) })
		}
	}
	t := make(Tally, len(scopes))
	for i := range t {
		t[i].Has, t[i].Lost = make([]int, len(missing[i])), make([]int, len(missing[i]))
	}
	r.losers(scopes, missing, t, func(scope, _ int) bool { return scopes[scope].directory == name })
	for i, s := range scopes {
		told = append(told, bared(s, missing[i], &t[i])...)
	}
	return told
}

// ownPartitions begin the naming contexts that Active Directory keeps for
// itself. It refers to them from the head of each domain.
var ownPartitions = []string{"cn=configuration", "cn=schema", "dc=domaindnszones", "dc=forestdnszones"}

// uncovered returns the names, sorted, that continuation references of a
// directory lead to and that have no scope at or below them. A scope of another
// directory without a base may be anywhere, and covers all. A reference is an
// LDAP URL (RFC 4516); one without a name stands for itself.
func uncovered(scopes []declared, directory string, references []string) []string {
	var names []string
	for _, reference := range references {
		name := ""
		if u, err := url.Parse(reference); err == nil {
			name = strings.TrimPrefix(u.Path, "/")
		}
		dn, err := identity.ParseDN(name)
		covered := func(s declared) bool {
			base, _ := identity.ParseDN(s.Base)
			return base.Within(dn) || s.Base == "" && s.directory != directory
		}
		switch {
		case err != nil || len(dn) == 0:
			names = append(names, reference)
		case !slices.Contains(ownPartitions, dn[0]) && !slices.ContainsFunc(scopes, covered):
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
