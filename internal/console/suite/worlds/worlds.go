// Package worlds are consoles of the kinds that rollcall knows, on real servers,
// which tests change as an admin of the product does. Where a server's program is
// missing, the test is skipped, as package servertest says.
package worlds

import "testing"

// Subject is a product that tests run on.
type Subject struct {
	// Name is that of the product, Kind the name of the kind that reaches it.
	Name, Kind string
	// Serve starts the product, and returns what makes a console of its own there,
	// with no accounts, as often as a test asks. Both end with their tests.
	Serve func(t *testing.T) func(t *testing.T) *World
}

// World is a console. Its domain is example.com.
type World struct {
	// Block is the inside of a console block, in HCL, beside kind and owner.
	Block string
	// Refused is a block with credentials that the product refuses, Untrusted one
	// that does not trust its certificate, Misnamed one that reaches it by a name
	// which the certificate lacks, ReadOnly one with credentials that may read and not
	// write; "" where the product has no such thing.
	Refused, Untrusted, Misnamed, ReadOnly string
	// Setup says that "rollcall console setup" has to run first.
	Setup bool

	// Add makes an account by hand, without a mark, which has a primary and aliases.
	Add func(primary string, aliases ...string)
	// SetAliases changes the aliases of an account by hand.
	SetAliases func(primary string, aliases ...string)
	// Remove takes an account out by hand, with its addresses.
	Remove func(primary string)
	// Codes asks a mail server that reads the product, in one session, whether it takes mail
	// for addresses, and returns the codes of its answers; nil where none reads it. It
	// starts with the first question, for which there have to be accounts.
	Codes func(addresses ...string) []int
	// Client is a command of the plainest client that reads all that rollcall reads.
	Client []string
	// Stop makes the product unreachable at once, as a power failure does, Start
	// brings it back with all that it had; nil for files.
	Stop, Start func()
}

// All are the products.
var All = []*Subject{Connector, OpenLDAP, DS389, Postfix, Scimmy, PostfixAdminPostgres, PostfixAdminMariaDB}
