package render

import (
	"cmp"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// change is a row of a category's table.
type change struct {
	*plan.Change
	plan.Row
}

type changeColumn = column[*change]

// category is how the changes of one kind are shown.
type category struct {
	sign      span
	one, many string // what the rows say, after their number
	columns   []changeColumn
}

var (
	comes    = span{"+", green}
	goes     = span{"-", red}
	alters   = span{"~", yellow}
	rejected = span{"!", magenta}
	skipped  = span{".", dim}
)

// Columns that several categories have.
var (
	addressColumn = changeColumn{head: "address", cell: func(r *change, _ bool) cell { return subject(r.Row.Address) }}
	username      = changeColumn{head: "username", least: 12, cell: func(r *change, _ bool) cell { return text(r.Row.Username) }}
	entryDN       = changeColumn{head: "entry", least: 30, helps: true, cell: func(r *change, _ bool) cell { return styled(dim, r.DN) }}
	guid          = changeColumn{head: "guid", least: leastGUID, helps: true, cell: func(r *change, _ bool) cell { return styled(dim, r.GUID) }}
	originalGUID  = changeColumn{head: "guid before", least: leastGUID, cell: func(r *change, _ bool) cell { return spans(owned(r.OriginalGUID)) }}
	newGUID       = changeColumn{head: "guid after", least: leastGUID, cell: func(r *change, _ bool) cell { return spans(span{"-> ", dim}, owned(r.NewGUID)) }}
	fromAccount   = changeColumn{head: "from account", least: leastAddress, address: true, cell: func(r *change, short bool) cell {
		return text(shortAddress(r.OriginalPrimary, r.Row.Address, short))
	}}
	toAccount = changeColumn{head: "to account", least: leastAddress + 3, address: true, cell: func(r *change, short bool) cell {
		return arrow(shortAddress(r.NewPrimary, r.Row.Address, short))
	}}
	nameAfter      = changeColumn{head: "name", least: 12, helps: true, cell: func(r *change, _ bool) cell { return displayName(r.After) }}
	nameBefore     = changeColumn{head: "name", least: 12, helps: true, cell: func(r *change, _ bool) cell { return displayName(r.Before) }}
	usernameBefore = changeColumn{head: "username", least: 12, helps: true, cell: func(r *change, _ bool) cell { return styled(dim, r.Before.Username) }}
	usernameAfter  = changeColumn{head: "username", least: 12, helps: true, cell: func(r *change, _ bool) cell { return styled(dim, r.After.Username) }}
	entryBefore    = changeColumn{head: "entry", least: 30, helps: true, cell: func(r *change, _ bool) cell { return styled(dim, r.Before.DN) }}
	entryAfter     = changeColumn{head: "entry", least: 30, helps: true, cell: func(r *change, _ bool) cell { return styled(dim, r.After.DN) }}

	// marks says that a brake withholds a change, and that it takes drift back.
	marks = changeColumn{cell: markOf}

	// directory is shown only in plans of several directories.
	directory = changeColumn{head: "directory", least: 8, helps: true, cell: func(r *change, _ bool) cell { return styled(dim, r.Row.Directory) }}
)

const (
	leastAddress = 20
	leastGUID    = 13
	// longestSubject is that of a whole address; only malformed ones are longer.
	longestSubject = 254
)

func subject(address string) cell { return text(address).fit(longestSubject) }

// displayName is that of an account, where it has one that is kept.
func displayName(a *identity.Account) cell {
	if a == nil {
		return cell{}
	}
	return styled(dim, identity.Lookup(a.Attributes, identity.DisplayName))
}

// arrow is the cell of a value that follows upon that of the column before.
func arrow(value string) cell { return spans(span{"-> ", dim}, span{clean(value), plain}) }

var categories = [plan.Categories]category{
	plan.Add: {comes, "address starts receiving mail", "addresses start receiving mail", []changeColumn{
		addressColumn, marks,
		{head: "as", least: leastAddress, address: true, cell: addedAs},
		nameAfter, username, entryDN, guid,
	}},
	plan.Inactive: {goes, "address stops receiving mail", "addresses stop receiving mail", []changeColumn{
		addressColumn, marks,
		{head: "was", least: leastAddress, address: true, cell: wasRole},
		{head: "because", least: 19, cell: func(r *change, _ bool) cell { return text(r.Change.Reason.Text()) }},
		nameBefore, usernameBefore, entryBefore,
	}},
	plan.PrimaryChange: {alters, "account gets another primary address", "accounts get another primary address", []changeColumn{
		{head: "new primary", cell: func(r *change, _ bool) cell { return becomes(r.OriginalPrimary, r.NewPrimary) }},
		marks,
		{head: "was", least: leastAddress, address: true, cell: func(r *change, _ bool) cell { return was(r.OriginalPrimary, r.NewPrimary) }},
		nameAfter, usernameAfter, entryAfter,
	}},
	plan.DirectorySwitch: {alters, "account changes its directory", "accounts change their directory", []changeColumn{
		addressColumn, marks,
		{head: "directory", least: 30, cell: func(r *change, _ bool) cell {
			return spans(directoryOf(r.OriginalDirectory), span{" -> ", dim}, directoryOf(r.NewDirectory))
		}},
		usernameAfter, entryAfter,
	}},
	plan.AliasSwitch: {alters, "alias moves to another account", "aliases move to another account", []changeColumn{
		addressColumn, marks, fromAccount, toAccount,
	}},
	plan.AliasToPrimary: {alters, "alias becomes the primary of another account", "aliases become primaries of other accounts", []changeColumn{
		addressColumn, marks,
		{head: "was alias of", least: leastAddress, address: true, cell: func(r *change, short bool) cell {
			return text(shortAddress(r.OriginalPrimary, r.Row.Address, short))
		}},
		renamed("goes to", usernameAfter), entryAfter,
	}},
	plan.PrimaryToAlias: {alters, "primary becomes an alias of another account", "primaries become aliases of other accounts", []changeColumn{
		addressColumn, marks,
		{head: "now alias of", least: leastAddress, address: true, cell: func(r *change, short bool) cell {
			return text(shortAddress(r.NewPrimary, r.Row.Address, short))
		}},
		renamed("was primary of", usernameBefore), entryBefore,
	}},
	plan.PrimarySwitch: {alters, "primary passes to another account", "primaries pass to other accounts", []changeColumn{
		addressColumn, marks,
		{head: "from", least: 12, cell: func(r *change, _ bool) cell { return text(r.Before.Username) }},
		{head: "to", least: 15, cell: func(r *change, _ bool) cell { return arrow(r.After.Username) }},
		originalGUID, newGUID,
	}},
	plan.TypeChange: {alters, "account changes its type", "accounts change their type", []changeColumn{
		addressColumn, marks,
		{head: "type", cell: func(r *change, _ bool) cell { return changed(r.OriginalType, r.NewType) }},
		{head: "because", cell: func(r *change, _ bool) cell { return sentence(dim, r.Row.Reason) }},
	}},
	plan.UsernameChange: {alters, "account gets another username", "accounts get another username", []changeColumn{
		addressColumn, marks,
		{head: "username", least: 24, cell: func(r *change, _ bool) cell { return changed(r.OriginalUsername, r.NewUsername) }},
	}},
	plan.Adoption: {comes, "local account gets an owner", "local accounts get an owner", []changeColumn{
		addressColumn, marks, username, renamed("owner", entryDN), guid,
	}},
	plan.GUIDChange: {alters, "account changes its GUID", "accounts change their GUID", []changeColumn{
		addressColumn, marks, originalGUID, newGUID, usernameAfter,
	}},
	plan.Reactivation: {comes, "inactive account comes back", "inactive accounts come back", []changeColumn{
		addressColumn, marks, usernameAfter, entryAfter, guid,
	}},
	plan.Removal: {goes, "record of an account goes", "records of accounts go", []changeColumn{
		addressColumn, marks,
		{head: "address now of", least: leastAddress, address: true, cell: func(r *change, short bool) cell {
			return text(shortAddress(r.NewPrimary, r.Row.Address, short))
		}},
		usernameBefore, entryBefore, guid,
	}},
	plan.AttributeChange: {alters, "attribute changes", "attributes change", []changeColumn{
		addressColumn, marks,
		{head: "attribute", least: 12, cell: func(r *change, _ bool) cell { return text(r.Row.Attribute) }},
		{head: "change", wraps: true, joins: true, cell: changeOf},
	}},
}

// withheldOne and withheldMany say what would become of what a brake withholds.
var (
	withheldOne = map[plan.Category]string{
		plan.Inactive: "address would stop receiving mail", plan.PrimaryChange: "account would get another primary address", plan.Removal: "record of an account would go",
	}
	withheldMany = map[plan.Category]string{
		plan.Inactive: "addresses would stop receiving mail", plan.PrimaryChange: "accounts would get another primary address", plan.Removal: "records of accounts would go",
	}
)

// changeOf says how a value became another, of a DN the components that are
// others.
func changeOf(r *change, _ bool) cell {
	if r.Row.Attribute != plan.AttributeDN {
		return changed(r.Original, r.New)
	}
	from, to := plan.DNChange(r.Original, r.New)
	return spans(span{cmp.Or(clean(from), "(none)"), red}, span{" -> ", dim}, span{cmp.Or(clean(to), "(none)"), green})
}

// directoryOf is the directory of an account.
func directoryOf(directory string) span {
	if directory == "" {
		return span{"local", dim}
	}
	return span{clean(directory), plain}
}

// owned is what an account has of its owner, which a local one has not.
func owned(by string) span {
	if by == "" {
		return span{"none", dim}
	}
	return span{clean(by), plain}
}

// order is that of the tables: what takes something away comes last.
var order = func() (o []plan.Category) {
	for c := range plan.Category(plan.Categories) {
		if c != plan.Inactive && c != plan.Removal {
			o = append(o, c)
		}
	}
	return append(o, plan.Removal, plan.Inactive)
}()

func renamed(head string, c changeColumn) changeColumn {
	c.head = head
	return c
}

func addedAs(r *change, short bool) cell {
	switch {
	case r.NewPrimary != r.Row.Address:
		return words("alias of ", shortAddress(r.NewPrimary, r.Row.Address, short))
	case r.Before == nil:
		return words("new ", r.Row.Type)
	}
	return words("new primary", "")
}

func wasRole(r *change, short bool) cell {
	switch {
	case r.OriginalPrimary != r.Row.Address:
		return words("alias of ", shortAddress(r.OriginalPrimary, r.Row.Address, short))
	case r.After != nil && r.After.Active():
		return words("primary, now ", shortAddress(r.After.Primary.String(), r.Row.Address, short))
	}
	return words(r.Row.Type+" account", "")
}

func markOf(r *change, _ bool) cell {
	switch {
	case r.Row.Withheld && r.Change.Drift:
		return styled(yellow, "withheld, drift")
	case r.Row.Withheld:
		return styled(yellow, "withheld")
	case r.Change.Drift:
		return styled(yellow, "drift")
	}
	return cell{}
}

// columnsOf returns the columns of a category in a plan of one or several
// directories.
func columnsOf(c plan.Category, several bool) []changeColumn {
	columns := categories[c].columns
	if !several || c == plan.DirectorySwitch {
		return columns
	}
	return append(columns[:len(columns):len(columns)], directory)
}
