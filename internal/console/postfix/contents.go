package postfix

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// The two tables.
const (
	recipients = iota
	aliases
	tables
)

// present is the value of a primary among the recipients. Postfix does not look at it.
const present = "OK"

// contents are the accounts of both tables.
type contents struct {
	// accounts are the aliases of each primary, in byte order.
	accounts map[identity.Address][]identity.Address
	// odd are rows that are no account. They stay as they are.
	odd [tables][]oddity
}

// oddity is a row that is no account, and why.
type oddity struct {
	row
	ref, why string
	address  identity.Address // the key, if it is one
}

// understand makes accounts of rows. With apart, aliases have a file of their own,
// and whatever is among the recipients is a primary.
//
//	table        row                            is
//	recipients   address, any value             a primary
//	             address, another address       without apart: an alias of that
//	             no address                     odd
//	aliases      address, address of a primary  an alias of that
//	             address, anything else         odd, and holds the address
//	             no address                     odd
//
// Moved are the rows of aliases that stand among the recipients from a time when
// there was no other file. They no longer count, and neither do those of a file that is
// [outdated].
func understand(files *[tables]*file, apart bool) (c *contents, moved int) {
	c = &contents{accounts: make(map[identity.Address][]identity.Address, len(files[recipients].rows))}
	odd := func(table int, r row, x identity.Address, why string) {
		c.odd[table] = append(c.odd[table], oddity{r, fmt.Sprintf("%s of %s", strconv.Quote(r.key), names[table]), fmt.Sprintf("%s:%d: %s", files[table].path, r.line, why), x})
	}
	const noAddress = "the key is no address of an account"
	type alias struct {
		row
		of      identity.Address
		address identity.Address
		table   int
	}
	var all []alias
	was := files[recipients].header
	for _, r := range files[recipients].rows {
		x, err := identity.ParseAddress(r.key)
		if err != nil {
			odd(recipients, r, identity.Address{}, noAddress)
			continue
		}
		of, err := identity.ParseAddress(r.value)
		switch {
		case err != nil, of == x, apart && (was == nil || was.apart || was.sum == ""):
			c.accounts[x] = nil
		case apart:
			moved++
		default:
			all = append(all, alias{r, of, x, recipients})
		}
	}
	if apart && !outdated(files) {
		for _, r := range files[aliases].rows {
			x, err := identity.ParseAddress(r.key)
			if err != nil {
				odd(aliases, r, identity.Address{}, noAddress)
				continue
			}
			of, err := identity.ParseAddress(r.value)
			if err != nil || of == x {
				odd(aliases, r, x, "it goes to "+strconv.Quote(r.value)+", which is not one recipient")
				continue
			}
			all = append(all, alias{r, of, x, aliases})
		}
	}
	for _, a := range all {
		held, there := c.accounts[a.of]
		if !there {
			odd(a.table, a.row, a.address, "it goes to "+a.of.String()+", which is not among the recipients")
			continue
		}
		c.accounts[a.of] = append(held, a.address)
	}
	for _, held := range c.accounts {
		slices.SortFunc(held, identity.Address.Compare)
	}
	return c, moved
}

// outdated reports whether the file of aliases is as rollcall wrote it before aliases came
// among the recipients, which has them all since.
func outdated(files *[tables]*file) bool {
	r, a := files[recipients].header, files[aliases].header
	return r != nil && r.sum != "" && !r.apart && a != nil && a.sum != "" && a.serial < r.serial && !files[aliases].edited()
}

// names are those of the tables.
var names = [tables]string{"recipients", "aliases"}

// live returns the accounts in byte order of their primaries, then what is odd.
func (c *contents) live() []identity.Live {
	all := make([]identity.Live, 0, len(c.accounts)+len(c.odd[recipients])+len(c.odd[aliases]))
	for x, held := range c.accounts {
		all = append(all, c.account(x, held))
	}
	slices.SortFunc(all, func(a, b identity.Live) int { return a.Primary.Compare(b.Primary) })
	for _, table := range c.odd {
		for _, o := range table {
			all = append(all, identity.Live{Account: identity.Account{Primary: o.address}, Ref: o.ref, Odd: o.why})
		}
	}
	return all
}

func (c *contents) account(x identity.Address, held []identity.Address) identity.Live {
	return identity.Live{Account: identity.Account{Primary: x, Aliases: held}, Ref: x.String()}
}

func (c *contents) clone() *contents {
	d := *c
	d.accounts = maps.Clone(c.accounts)
	return &d
}

// rows returns those of both tables, sorted.
func (c *contents) rows(apart bool) (all [tables][]row) {
	of := recipients
	if apart {
		of = aliases
	}
	for x, held := range c.accounts {
		all[recipients] = append(all[recipients], row{key: x.String(), value: present})
		for _, a := range held {
			all[of] = append(all[of], row{key: a.String(), value: x.String()})
		}
	}
	for table := range all {
		for _, o := range c.odd[table] {
			all[table] = append(all[table], o.row)
		}
		slices.SortFunc(all[table], row.compare)
	}
	return all
}

// unwritable says why an address cannot be a key; "" if it can. A source takes
// a line that begins with # for a comment.
func unwritable(x identity.Address) string {
	if strings.HasPrefix(x.String(), "#") {
		return fmt.Sprintf("%s cannot be a key of a Postfix table: a line that begins with # is a comment", x)
	}
	return ""
}
