package render

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/spreadsheet"
	"github.com/rollcall-cli/rollcall/plan"
)

var planHeader = []string{
	"category", "address", "type", "primary", "new_primary", "original_primary", "guid", "username", "original_username", "dn",
	"directory", "original_directory", "new_directory", "reason", "detail",
	"attribute", "before", "after", "display_name",
}

// firstAdded is the index of the first of the columns that later versions have
// added at the end of each line.
const firstAdded = 15

// Dialect is how a table of CSV is written: RFC 4180 with lines ending in \n, or, for
// Excel, in \r\n and behind a byte order mark, by which Excel knows UTF-8. A zero
// Separator is a comma.
type Dialect struct {
	Separator rune
	Excel     bool
}

func (d Dialect) writer(w io.Writer) *csv.Writer {
	// A csv.Writer takes over a bufio.Writer, which keeps its first error.
	buffer := bufio.NewWriter(w)
	if d.Excel {
		buffer.WriteString("\ufeff")
	}
	out := csv.NewWriter(buffer)
	out.Comma, out.UseCRLF = cmp.Or(d.Separator, ','), d.Excel
	return out
}

// CSV writes one row per change, left out change and rejection,
// below a line of headings. The primary of a change is that of its account
// afterwards, or, where an address goes out of service, before. The category of
// a rejection is "rejection", its detail the message, what to do, and, where an
// earlier run is known, "new" or since when it stands, as in since=2026-11-03,
// each behind a semicolon. The category
// of a change that is left out is "left_out", its reason the category that it
// would have. The detail of a change is a list of words and of name="value" pairs in the quoting of
// Go, separated by spaces:
//
//	attribute="department" original="Sales" new="Marketing"
//	original_guid="…" new_guid="…"
//	original_type="user" new_type="list"
//	withheld
//	drift
//	with="inactive bob@example.com"
//
// The columns attribute, before and after have what changed in an account: the
// values of an attribute, primaries, usernames, directories, types or GUIDs.
// display_name is that of the account, where it is kept.
//
// The word drift marks what takes back a change that was made in the console by
// hand. The last names the change without which one that is left out cannot be
// made.
//
// A cell in which a spreadsheet would see a formula starts with an apostrophe, and
// so does what stands behind a comma, semicolon, tab or bar in it, for a spreadsheet
// may divide the line there. What would act on a terminal is written as an escape such as \x1b.
func CSV(w io.Writer, p *plan.Plan, d Dialect) error {
	out := d.writer(w)
	// A csv.Writer keeps its first error for Error.
	out.Write(planHeader)
	cells := make([]string, len(planHeader))
	for i := range p.Changes {
		writeSafe(out, changeCells(cells[:0], &p.Changes[i]))
	}
	for i := range p.LeftOut {
		writeSafe(out, leftOutCells(cells[:0], &p.LeftOut[i]))
	}
	for i := range p.Rejections {
		writeSafe(out, rejectionCells(cells[:0], &p.Rejections[i]))
	}
	out.Flush()
	return out.Error()
}

func changeCells(cells []string, c *plan.Change) []string {
	r := c.Row()
	account := c.After
	if account == nil || r.Category == plan.Inactive || r.Category == plan.Removal {
		account = c.Before
	}
	return append(rowCells(cells, r.Category.String(), &r, r.Reason, detail(&r, "", c.Drift)), identity.Lookup(account.Attributes, identity.DisplayName))
}

func leftOutCells(cells []string, l *plan.LeftOut) []string {
	r := l.Row()
	with := ""
	if !l.With.Address.IsZero() {
		with = l.With.Category.String() + " " + l.With.Address.String()
	}
	return append(rowCells(cells, "left_out", &r, r.Category.String(), detail(&r, with, false)), "")
}

func rowCells(cells []string, category string, r *plan.Row, reason, detail string) []string {
	username := r.Username
	if r.Category == plan.UsernameChange {
		username = r.NewUsername
	}
	before, after := beforeAfter(r)
	return append(cells, category, r.Address, r.Type, primaryOf(r), r.NewPrimary, r.OriginalPrimary,
		r.GUID, username, r.OriginalUsername, r.DN, r.Directory, r.OriginalDirectory, r.NewDirectory, reason, detail,
		r.Attribute, before, after)
}

// beforeAfter is what a row says that an account had before and has after.
func beforeAfter(r *plan.Row) (before, after string) {
	switch r.Category {
	case plan.AttributeChange:
		return r.Original, r.New
	case plan.PrimaryChange:
		return r.OriginalPrimary, r.NewPrimary
	case plan.UsernameChange:
		return r.OriginalUsername, r.NewUsername
	case plan.DirectorySwitch:
		return r.OriginalDirectory, r.NewDirectory
	case plan.TypeChange:
		return r.OriginalType, r.NewType
	case plan.PrimarySwitch, plan.GUIDChange:
		return r.OriginalGUID, r.NewGUID
	}
	return "", ""
}

// detail holds what has no column of its own.
func detail(r *plan.Row, with string, drift bool) string {
	var b []byte
	word := func(word string) {
		if len(b) > 0 {
			b = append(b, ' ')
		}
		b = append(b, word...)
	}
	pair := func(name, value string) {
		word(name)
		b = strconv.AppendQuote(append(b, '='), value)
	}
	switch r.Category {
	case plan.AttributeChange:
		pair("attribute", r.Attribute)
		pair("original", r.Original)
		pair("new", r.New)
	case plan.PrimarySwitch, plan.GUIDChange:
		pair("original_guid", r.OriginalGUID)
		pair("new_guid", r.NewGUID)
	case plan.TypeChange:
		pair("original_type", r.OriginalType)
		pair("new_type", r.NewType)
	}
	if with != "" {
		pair("with", with)
	}
	if r.Withheld {
		word("withheld")
	}
	if drift {
		word("drift")
	}
	return string(b)
}

// standingOf is how the detail of a rejection ends that was compared with those
// of an earlier run.
func standingOf(r *plan.Rejection) string {
	switch {
	case !marked(r):
		return ""
	case r.New:
		return "; new"
	}
	return "; since=" + r.Since.UTC().Format(day)
}

func rejectionCells(cells []string, r *plan.Rejection) []string {
	return append(cells, "rejection", r.Address, r.Type.String(), r.Primary, "", "",
		r.GUID.String(), "", "", r.DN, r.Directory, "", "", r.Reason.String(), r.Message(plan.Names{})+"; "+r.Remedy(plan.Names{})+standingOf(r),
		r.Attribute, "", "", "")
}

var accountHeader = []string{"primary", "aliases", "type", "status", "directory", "guid", "username", "dn"}

// AccountsCSV writes one row per account, below a line of headings: primary,
// aliases (separated by ";"), type, status, directory, guid, username, dn, and
// a column for each attribute that any of them has, sorted by name. Cells are
// as safe as those of [CSV].
func AccountsCSV(w io.Writer, accounts []identity.Account, d Dialect) error {
	names := map[string]bool{}
	for i := range accounts {
		for _, attr := range accounts[i].Attributes {
			names[attr.Name] = true
		}
	}
	attributes := slices.Sorted(maps.Keys(names))
	out := d.writer(w)
	writeSafe(out, slices.Concat(accountHeader, attributes))
	var cells []string
	for i := range accounts {
		a := &accounts[i]
		cells = append(cells[:0], a.Primary.String(), joinAliases(a), a.Type.String(), a.Status.String(), a.Directory, a.GUID.String(), a.Username, a.DN)
		for _, name := range attributes {
			cells = append(cells, identity.Lookup(a.Attributes, name))
		}
		writeSafe(out, cells)
	}
	out.Flush()
	return out.Error()
}

func joinAliases(a *identity.Account) string {
	texts := make([]string, len(a.Aliases))
	for i, alias := range a.Aliases {
		texts[i] = alias.String()
	}
	return strings.Join(texts, ";")
}

// writeSafe writes a row after making its cells safe.
func writeSafe(out *csv.Writer, row []string) {
	for i, value := range row {
		row[i] = safe(value)
	}
	out.Write(row)
}

// safe makes a value fit for a CSV cell, wherever a spreadsheet divides the line.
func safe(value string) string {
	if common(value) {
		return value
	}
	return spreadsheet.Inert(escape(value, func(r, _ rune) bool { return identity.Unprintable(r) }))
}

// common reports whether a value has nothing but letters, digits and the marks
// of addresses and DNs in ASCII, and no formula: most have.
func common(value string) bool {
	start := true
	for i := range len(value) {
		switch c := value[i]; {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
			start = false
		case c == ',' || c == ';':
			start = true
		case start, c < ' ', c >= 0x7f, c == '|':
			return false
		}
	}
	return true
}
