package corpus

import (
	"os"
	"path/filepath"
)

// Files are the files of a configuration directory, by name: rollcall.hcl and
// the LDIF files that it reads.
type Files map[string][]byte

// Write writes the files into a directory that exists.
func (f Files) Write(dir string) error {
	for name, content := range f {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Case is a company before and after something happened to it. To see what
// rollcall says of it, write Before and apply it, then write After over it and
// plan. The same size gives the same files each time.
type Case struct {
	Name          string
	Before, After Files
}

// Cases returns each case with n people, 300 at least.
func Cases(n int) []Case {
	return []Case{Week(n), Migration(n), BrokenImport(n), Merger(n)}
}

// The mail domains of the cases.
const (
	corpDomain     = "corp.example"
	newDomain      = "newco.example"
	acquiredDomain = "acquired.example"
)

const corpConfig = `directory "corp" {
  kind = "ldif"
  path = "corp.ldif"
}

domain "corp.example" {
}

scope "staff" {
  directory  = directory.corp
  base_dn    = "OU=Staff,DC=corp,DC=example"
  filter     = "(|(objectClass=user)(objectClass=group))"
  attributes = { department = "department", recipient_type = "msExchRecipientTypeDetails" }
}
`

const newDomainConfig = `
domain "newco.example" {
}
`

const acquiredConfig = `
directory "acquired" {
  kind = "ldif"
  path = "acquired.ldif"
}

domain "acquired.example" {
}

scope "acquired" {
  directory  = directory.acquired
  base_dn    = "OU=Staff,DC=acquired,DC=example"
  filter     = "(|(objectClass=user)(objectClass=group))"
  attributes = { department = "department", recipient_type = "msExchRecipientTypeDetails" }
}
`

func corpFiles(c *company, config string) Files {
	return Files{"rollcall.hcl": []byte(config), "corp.ldif": c.ldif()}
}

// Week is an ordinary one. Of every 300 people two leave, four join, one takes
// another name, seven move, and somebody gets the mail of a leaver. A newcomer wants
// the address of a namesake, two people one alias, and one value is malformed; a
// value in a domain that is not declared was there before.
func Week(n int) Case {
	c := newCompany("corp", corpDomain, n, 0)
	c.staff[7].alias("%s@old-corp.example", c.staff[7].local)
	before := corpFiles(c, corpConfig)
	for i, p := range c.parts() {
		p[20].marries()
		for j := range 5 {
			p[40+j].department = departments[(i+j+3)%len(departments)]
		}
		p[60].moves("Vienna")
		p[61].moves("Zurich")
		for _, leaver := range p[80:82] {
			leaver.gone = true
		}
		p[90].alias("%s", p[80].primary)
		for range 3 {
			c.join()
		}
		c.join().alias("%s", p[100].primary)
		p[110].alias("%s.@%s", p[110].local, c.domain)
		p[120].alias("fair-%d@%s", 2027+i, c.domain)
		p[121].alias("fair-%d@%s", 2027+i, c.domain)
	}
	return Case{"week", before, corpFiles(c, corpConfig)}
}

// Migration is a mass change that is meant: the company gets another name and mail
// domain, and what was the primary of everybody becomes an alias. At the same time
// an organizational unit is renamed. Of every 300 people two are forgotten, two are
// given one address, one joins and one leaves.
func Migration(n int) Case {
	c := newCompany("corp", corpDomain, n, 0)
	before := corpFiles(c, corpConfig)
	forgotten := make(map[*employee]bool)
	for _, p := range c.parts() {
		p[30].gone = true
		forgotten[p[40]], forgotten[p[41]] = true, true
	}
	for _, p := range c.staff {
		if p.site == "Berlin" {
			p.moves("Germany-North")
		}
		if !forgotten[p] {
			p.aliases = append(p.aliases, p.primary)
			p.primary = p.local + "@" + newDomain
		}
	}
	c.domain = newDomain
	for _, p := range c.parts() {
		p[51].primary = p[50].primary
		c.join()
	}
	return Case{"migration", before, corpFiles(c, corpConfig+newDomainConfig)}
}

// BrokenImport is an accident: an import from personnel records empties the mail
// attributes of the last 15 % of the people, whose objects stay. Of every 300 two
// join, one leaves and one moves.
func BrokenImport(n int) Case {
	c := newCompany("corp", corpDomain, n, 0)
	before := corpFiles(c, corpConfig)
	for _, p := range c.staff[n-n*15/100 : n] {
		p.primary, p.aliases = "", nil
	}
	for _, p := range c.parts() {
		p[30].gone = true
		p[60].moves("Vienna")
		c.join()
		c.join()
	}
	return Case{"broken-import", before, corpFiles(c, corpConfig)}
}

// Merger is one with conflicts: a company of a quarter of the size comes with a
// directory of its own, and its people get an alias in the domain of the first. One
// in five has an account there already, so that both directories declare its primary;
// some have a namesake there, and some an address in a domain that nobody declared.
// Both companies have sales@ and info@.
func Merger(n int) Case {
	c := newCompany("corp", corpDomain, n, 0)
	before := corpFiles(c, corpConfig)
	acquired := newCompany("acquired", acquiredDomain, n/4, n)
	for i, p := range acquired.staff[:n/4] {
		switch {
		case i%5 == 2:
			p.isNamed(c.staff[3*i])
			p.aliases = append(p.aliases, p.primary)
			p.primary = c.staff[3*i].primary
		case i%25 == 4:
			p.isNamed(c.staff[3*i])
			p.alias("%s", c.staff[3*i].primary)
		case i%20 == 6:
			p.alias("%s@acquired-labs.example", p.local)
		default:
			p.alias("%s@%s", p.local, corpDomain)
		}
	}
	for _, p := range acquired.staff[n/4:] {
		if p.local == "sales" || p.local == "info" {
			p.alias("%s@%s", p.local, corpDomain)
		}
	}
	after := corpFiles(c, corpConfig+acquiredConfig)
	after["acquired.ldif"] = acquired.ldif()
	return Case{"merger", before, after}
}
