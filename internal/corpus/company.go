package corpus

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strings"
)

// company is one that things can happen to. Its people come first in its staff,
// then lists and mailboxes, then whoever joins.
type company struct {
	name, domain string
	size         int // how many people it begins with
	next         int // number of the next person, of all that there are
	staff        []*employee
}

// employee is a person, list or mailbox of a company.
type employee struct {
	person
	company       *company
	number        int // in the staff of its company
	given, family string
	cn, site      string
	local         string // the part of its address before the @
	gone          bool
}

var (
	sites     = strings.Fields("Berlin Hamburg Berlin Paris Zurich Berlin Munich Vienna London Madrid")
	mailboxes = strings.Fields("info careers invoices helpdesk")
)

// newCompany makes up a company of n people, who are number first and following of
// all that there are, so that two companies have nobody in common. For 25 people it
// has a list, and for 100 a room.
func newCompany(name, domain string, n, first int) *company {
	c := &company{name: name, domain: domain, size: n, next: first}
	for range n {
		c.join()
	}
	for i := range max(len(departments), n/25) {
		name := fmt.Sprintf("Project %d", i+1)
		if i < len(departments) {
			name = departments[i]
		}
		c.add(employee{cn: name, site: "Lists", person: person{display: name, list: true}})
	}
	for _, name := range mailboxes {
		name = strings.ToUpper(name[:1]) + name[1:]
		c.add(employee{cn: name, site: "Mailboxes", person: person{display: name, recipient: 4}})
	}
	for i := range n / 100 {
		name := fmt.Sprintf("Room %d", i+1)
		c.add(employee{cn: name, site: "Mailboxes", person: person{display: name, recipient: 16}})
	}
	return c
}

// join adds the next person.
func (c *company) join() *employee {
	k := c.next
	c.next++
	e := employee{given: given[k%len(given)], family: family[k%len(family)], site: sites[k*7/10%len(sites)]}
	if round := k / (len(given) * len(family)); round > 0 {
		e.family += fmt.Sprint(" ", round+1)
	}
	e.department = departments[k/3%len(departments)]
	e.cn = e.given + " " + e.family
	e.display = e.cn
	p := c.add(e)
	if k%2 == 0 {
		first, last, _ := strings.Cut(p.local, ".")
		p.alias("%s.%s@%s", last, first, c.domain)
	}
	return p
}

// add adds somebody, with an address, a username and a GUID.
func (c *company) add(e employee) *employee {
	p := &e
	p.company, p.number = c, len(c.staff)
	p.local = addressOf(p.cn)
	p.username = p.local
	p.primary = p.local + "@" + c.domain
	seed := fnv.New64a()
	seed.Write([]byte(c.name))
	binary.BigEndian.PutUint64(p.guid[:8], (seed.Sum64()+uint64(p.number))*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(p.guid[8:], (seed.Sum64()+uint64(p.number))*0xbf58476d1ce4e5b9)
	c.staff = append(c.staff, p)
	return p
}

// addressOf returns a name as the local part of an address.
func addressOf(name string) string {
	first, rest, _ := strings.Cut(strings.ToLower(ascii.Replace(name)), " ")
	if rest == "" {
		return first
	}
	return first + "." + strings.ReplaceAll(rest, " ", "")
}

// parts returns the people of the beginning in parts of 300.
func (c *company) parts() (parts [][]*employee) {
	for i := range c.size / 300 {
		parts = append(parts, c.staff[300*i:300*(i+1)])
	}
	return parts
}

// alias lists one more address.
func (e *employee) alias(format string, args ...any) {
	e.aliases = append(e.aliases, fmt.Sprintf(format, args...))
}

// moves puts the object into the organizational unit of another site.
func (e *employee) moves(site string) { e.site = site }

// marries gives another family name; the address before becomes an alias.
func (e *employee) marries() {
	e.family = family[(e.number+9)%len(family)] + "-" + e.family
	e.cn = e.given + " " + e.family
	e.display = e.cn
	e.aliases = append(e.aliases, e.primary)
	e.local = addressOf(e.cn)
	e.primary = e.local + "@" + e.company.domain
}

// isNamed gives the name of somebody else, and addresses made of it.
func (e *employee) isNamed(like *employee) {
	e.given, e.family, e.cn, e.display, e.local, e.username = like.given, like.family, like.cn, like.display, like.local, like.username
	e.primary, e.aliases = e.local+"@"+e.company.domain, nil
}

// ldif writes what the directory of the company has, as an export.
func (c *company) ldif() []byte {
	var b bytes.Buffer
	out := bufio.NewWriter(&b)
	fmt.Fprintf(out, "version: 1\n\n")
	for i, p := range c.staff {
		if !p.gone {
			p.dn = fmt.Sprintf("CN=%s,OU=%s,OU=Staff,DC=%s,DC=example", p.cn, p.site, c.name)
			p.write(out, i, p.company.domain)
		}
	}
	out.Flush()
	return b.Bytes()
}
