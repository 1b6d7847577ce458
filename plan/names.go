package plan

import (
	"cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Names are how sentences write what they speak of: in full, which is what the
// zero Names do, short, or masked. Each function takes and returns text; Detail is
// for what a console says.
type Names struct {
	DN, Address, GUID, Detail func(string) string
	// Entry names an entry, in place of its DN and directory. The account of a primary
	// is then named without its directory, too.
	Entry func(dn, directory string) string
}

func (n Names) dn(text string) string      { return named(n.DN, text) }
func (n Names) address(text string) string { return named(n.Address, text) }
func (n Names) guid(g identity.GUID) string {
	return named(n.GUID, g.String())
}

func named(f func(string) string, text string) string {
	if f == nil || text == "" {
		return text
	}
	return f(text)
}

// name names a party by its DN or primary.
func (p Party) name(n Names) string {
	if p.Kind == EntryParty {
		return n.dn(p.Name)
	}
	if p.Kind == DirectoryParty {
		return p.Name
	}
	return n.address(p.Name)
}

// entry names an entry the way sentences do.
func (n Names) entry(e EntryRef) string {
	return Party{Kind: EntryParty, Name: e.DN, Directory: e.Directory}.text(n)
}

// account names an account the way sentences do. Owner is the configuration that it
// belongs to, if it is another one.
func (n Names) account(a *identity.Account, owner string) string {
	return Party{Kind: AccountParty, Name: a.Primary.String(), Directory: a.Directory, Owner: owner}.text(n)
}

// Text names a party the way sentences do; "" for none.
func (p Party) Text() string {
	if p.Kind == NoParty {
		return ""
	}
	return p.text(Names{})
}

// text names a party the way sentences do.
func (p Party) text(n Names) string {
	switch p.Kind {
	case EntryParty:
		if n.Entry != nil {
			return n.Entry(p.Name, p.Directory)
		}
		s := "entry " + quote(p.name(n))
		if p.Directory != "" {
			s += " of directory " + quote(p.Directory)
		}
		return s
	case DirectoryParty:
		return "directory " + quote(p.Name)
	case AccountParty:
		name := cmp.Or(p.name(n), "without a primary")
		if p.Directory == "" && p.Owner == "" {
			return "local account " + name
		}
		s := "account " + name
		if p.Directory != "" && n.Entry == nil {
			s += " of directory " + quote(p.Directory)
		}
		if p.Owner != "" {
			s += " of configuration " + quote(p.Owner)
		}
		return s
	}
	return "nobody"
}

func quote(s string) string { return `"` + s + `"` }
