// Package corpus makes up a company of any size for benchmarks and tests:
// people with a mail address, two aliases, a name and a GUID, and a list for
// every hundred of them. It is the same company each time.
package corpus

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

var (
	given = strings.Fields("Anna Ben Clara David Elena Felix Greta Hugo Ines Jonas Karin Lukas Maria Nils Olga Paul Rosa " +
		"Stefan Tanja Udo Vera Werner Yusuf Ahmed Chen Fatima Giulia Hiroshi Ivana Jorge Kwame Leila Mateo Noor Priya José Zoë Jürgen Łukasz")
	family = strings.Fields("Adler Bauer Cohen Diaz Ebert Fischer Garcia Huber Ito Jansen Keller Lopez Maier Novak Okafor Petrov " +
		"Quinn Rossi Schmidt Tanaka Vogel Wagner Xu Yilmaz Zimmermann Andersson Brown Clark Dubois Evans Müller O'Neil")
	departments = strings.Fields("Sales Finance IT Legal HR Marketing Production Logistics Research Support")
	ascii       = strings.NewReplacer("é", "e", "ë", "e", "ü", "ue", "Ł", "l", "ł", "l", "'", "")
)

// Base is the naming context, Domain the mail domain of the company.
const (
	Base   = "DC=corp,DC=example,DC=com"
	Domain = "example.com"
)

// Units is how many organizational units the people are in: OU=Unit00 and
// following, below OU=Staff of the naming context.
const Units = 20

// person is member number i of the company.
type person struct {
	dn, username, display, department string
	primary                           string
	aliases                           []string
	guid                              identity.GUID
	list                              bool
	recipient                         int // msExchRecipientTypeDetails, 0 without
}

// differs is how many members there are for each one whose entry and account
// differ.
const differs = 100

// member makes up member i. With changed, one in a hundred is as the directory
// has it now, and otherwise as the console still does.
func member(i int, changed bool) (p person, there bool) {
	g, f := given[i%len(given)], family[i/7%len(family)]
	local := strings.ToLower(ascii.Replace(g)+"."+ascii.Replace(f)) + fmt.Sprint(i)
	p = person{
		username: fmt.Sprintf("u%07d", i), display: f + ", " + g, department: departments[i%len(departments)],
		primary: local + "@" + Domain,
		aliases: []string{local + ".a0@" + Domain, local + ".a1@" + Domain},
		list:    i%100 == 99,
	}
	name := fmt.Sprintf("%s %s %d", g, f, i)
	if p.list {
		name = fmt.Sprintf("Team %d", i)
	}
	p.dn = fmt.Sprintf("CN=%s,OU=Unit%02d,OU=Staff,%s", name, i%Units, Base)
	// A multiplier without common factor spreads the numbers over 128 bits
	// without a collision.
	binary.BigEndian.PutUint64(p.guid[:8], uint64(i+1)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(p.guid[8:], uint64(i+1)*0xbf58476d1ce4e5b9)
	if i%differs != 0 {
		return p, true
	}
	switch i / differs % 5 {
	case 0: // somebody who joined
		return p, changed
	case 1: // somebody who left
		return p, !changed
	case 2: // another primary
		if changed {
			p.aliases = append(p.aliases, p.primary)
			p.primary = local + ".new@" + Domain
		}
	case 3: // another name
		if changed {
			p.display = "Married, " + g
		}
	case 4: // one alias more
		if changed {
			p.aliases = append(p.aliases, local+".a2@"+Domain)
		}
	}
	return p, true
}

// WriteLDIF writes what the directory has for a company of n members, as a
// domain controller's export looks like.
func WriteLDIF(w io.Writer, n int) error {
	out := bufio.NewWriterSize(w, 1<<20)
	fmt.Fprintf(out, "version: 1\n\n")
	for i := range n {
		p, there := member(i, true)
		if !there {
			continue
		}
		p.write(out, i, Domain)
	}
	return out.Flush()
}

// write writes a person as object number i of an export, whose principal names
// end in domain.
func (p *person) write(out *bufio.Writer, i int, domain string) {
	attr(out, "dn", p.dn)
	if p.list {
		fmt.Fprintf(out, "objectClass: top\nobjectClass: group\ngroupType: -2147483640\n")
	} else {
		control := 512
		if p.recipient != 0 {
			control |= 2 // nobody signs in with it
		}
		fmt.Fprintf(out, "objectClass: top\nobjectClass: person\nobjectClass: organizationalPerson\nobjectClass: user\nuserAccountControl: %d\n", control)
		attr(out, "userPrincipalName", p.username+"@"+domain)
		if p.department != "" {
			attr(out, "department", p.department)
		}
	}
	if p.recipient != 0 {
		fmt.Fprintf(out, "msExchRecipientTypeDetails: %d\n", p.recipient)
	}
	attr(out, "cn", strings.TrimPrefix(strings.SplitN(p.dn, ",", 2)[0], "CN="))
	attr(out, "sAMAccountName", p.username)
	attr(out, "displayName", p.display)
	if p.primary != "" {
		attr(out, "mail", p.primary)
		attr(out, "proxyAddresses", "SMTP:"+p.primary)
		for _, alias := range p.aliases {
			attr(out, "proxyAddresses", "smtp:"+alias)
		}
	}
	attr(out, "proxyAddresses", "X500:/o=Example/ou=First Administrative Group/cn=Recipients/cn="+p.username)
	g := p.guid
	wire := []byte{g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6]}
	fmt.Fprintf(out, "objectGUID:: %s\n", base64.StdEncoding.EncodeToString(append(wire, g[8:]...)))
	fmt.Fprintf(out, "uSNChanged: %d\nwhenChanged: 20260101%02d%02d%02d.0Z\n\n", 10000+i, i%24, i%60, i%60)
}

func attr(w *bufio.Writer, name, value string) {
	for i := range len(value) {
		if value[i] >= 0x80 {
			fmt.Fprintf(w, "%s:: %s\n", name, base64.StdEncoding.EncodeToString([]byte(value)))
			return
		}
	}
	fmt.Fprintf(w, "%s: %s\n", name, value)
}

// Entries returns what the directory has for a company of n members.
func Entries(n int) []identity.Entry {
	entries := make([]identity.Entry, 0, n)
	for i := range n {
		p, there := member(i, true)
		if !there {
			continue
		}
		entries = append(entries, identity.Entry{
			GUID: p.guid, DN: p.dn, Username: p.username, Type: p.kind(),
			Primaries: []string{p.primary}, Aliases: p.aliases,
			Attributes: []identity.Attribute{{Name: identity.DisplayName, Value: p.display}},
		})
	}
	return entries
}

// Accounts returns what the console has for a company of n members, owned by
// the named directory.
func Accounts(n int, directory string) []identity.Account {
	accounts := make([]identity.Account, 0, n)
	for i := range n {
		p, there := member(i, false)
		if !there {
			continue
		}
		a := identity.Account{
			Primary: identity.MustAddress(p.primary), Directory: directory, GUID: p.guid, Username: p.username, DN: p.dn, Type: p.kind(),
			Attributes: []identity.Attribute{{Name: identity.DisplayName, Value: p.display}},
		}
		for _, alias := range p.aliases {
			a.Aliases = append(a.Aliases, identity.MustAddress(alias))
		}
		accounts = append(accounts, a)
	}
	return accounts
}

func (p *person) kind() identity.Type {
	if p.list {
		return identity.List
	}
	return identity.User
}
