package csv

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/words"
)

// AttributeName returns the name of the attribute that a column holds, by its
// header: the letters and digits of ASCII in it, hyphens, underscores and dots,
// with accents and everything else left out. "Email Address [Required]" is
// EmailAddressRequired, and "Kürzel" is Kurzel.
func AttributeName(header string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' {
			return r
		}
		return -1
	}, norm.NFKD.String(ligatures.Replace(header)))
}

// ligatures are letters that do not decompose.
var ligatures = strings.NewReplacer("ß", "ss", "ẞ", "SS", "æ", "ae", "Æ", "AE", "œ", "oe", "Œ", "OE", "ø", "o", "Ø", "O", "ł", "l", "Ł", "L", "đ", "d", "Đ", "D", "þ", "th", "Þ", "Th", "ı", "i")

// column is a column of a file.
type column struct {
	header string
	// attribute is its name as written, key that by which objects are asked for it;
	// "" for a column without a name.
	attribute, key string
	// partial is the option of a column that holds a part of the values, or "".
	partial string
}

// isDN reports whether a column holds the DN, as exports of directory servers have
// it.
func (c column) isDN() bool { return c.key == "dn" || c.key == "distinguishedname" }

// columnsOf reads a header.
func columnsOf(cells [][]byte) (columns []column) {
	for _, cell := range cells {
		c := column{header: string(bytes.TrimSpace(cell))}
		name, options, _ := strings.Cut(c.header, ";")
		if !strings.HasPrefix(strings.ToLower(options), "range=") {
			name, options = c.header, ""
		}
		c.attribute, c.partial = AttributeName(name), options
		c.key = identity.AttributeName(c.attribute)
		columns = append(columns, c)
	}
	return columns
}

// separators are those that a file may have.
var separators = []struct {
	octet byte
	name  string
}{{',', "commas"}, {';', "semicolons"}, {'\t', "tabs"}}

// announced returns the separator that a first line "sep=;" names, as spreadsheets
// write it; 0 where it is none.
func announced(row []byte) byte {
	row = bytes.Trim(row, `"`)
	if len(row) == 5 && bytes.EqualFold(row[:4], []byte("sep=")) {
		return row[4]
	}
	return 0
}

// separatorOf returns the separator of a header: the one that stands there most
// often outside of quotes.
func separatorOf(header []byte) (byte, error) {
	var counts [256]int
	quoted := false
	for _, c := range header {
		if c == '"' {
			quoted = !quoted
		} else if !quoted {
			counts[c]++
		}
	}
	most, rival := separators[0], false
	for _, s := range separators[1:] {
		if counts[s.octet] > counts[most.octet] {
			most, rival = s, false
		} else if counts[s.octet] > 0 && counts[s.octet] == counts[most.octet] {
			rival = true
		}
	}
	if rival {
		return 0, files.Advise("the header does not show what separates its columns: two of comma, semicolon and tab stand in it equally often",
			`put the names of columns in quotes, or write a line "sep=;" before the header`)
	}
	return most.octet, nil
}

// layout says what the cells of a row are.
type layout struct {
	columns []column
	// number is, for each column, that of the attribute that is read, or -1.
	number []int
	// id are the columns that make the DN, and types the attribute types in it (RFC
	// 4512 section 1.4); isDN says that the one column holds it.
	id    []int
	types []string
	isDN  bool
	// guid says which attributes identify an object, each by one value.
	guid []bool
}

// layoutOf reads a header for what is wanted. id are the columns that a directory
// block names.
func layoutOf(columns []column, id []string, want *files.Wanted) (*layout, error) {
	l := &layout{columns: columns}
	for i, c := range columns {
		n := slices.Index(want.Attributes, c.key)
		if n >= 0 && c.partial != "" {
			return nil, files.Advise(fmt.Sprintf("the column %q holds a part of the values only", c.header), "export them all; on the server, MaxValRange limits them")
		}
		if other := slices.Index(l.number, n); n >= 0 && other >= 0 {
			return nil, twice(columns, other, i)
		}
		l.number = append(l.number, n)
	}
	if len(id) == 0 {
		l.id = []int{0}
	}
	for _, name := range id {
		i := l.find(name)
		if i < 0 {
			return nil, l.lacking("there is no column "+name, name)
		}
		l.id = append(l.id, i)
	}
	for _, i := range l.id {
		c := columns[i]
		if c.attribute == "" || c.attribute[0]|0x20 < 'a' || c.attribute[0] == '_' {
			return nil, files.Advise(fmt.Sprintf("column %d, %q, makes the DN, and its name does not begin with a letter", i+1, c.header), `rename it, or name others, as in id = ["EmployeeID"]`)
		}
		if n := slices.IndexFunc(columns[i+1:], func(other column) bool { return other.key == c.key }); n >= 0 {
			return nil, twice(columns, i, i+1+n)
		}
		l.types = append(l.types, strings.NewReplacer("_", "-", ".", "-").Replace(c.attribute))
	}
	for _, name := range want.Attributes {
		l.guid = append(l.guid, slices.ContainsFunc(want.Scopes, func(s directory.Scope) bool {
			return !s.Listing && s.GUIDAttribute != "" && name == identity.AttributeName(s.GUIDAttribute)
		}))
	}
	l.isDN = len(l.id) == 1 && columns[l.id[0]].isDN()
	return l, l.complete(want.Scopes)
}

// twice is the error of two columns that are one attribute.
func twice(columns []column, i, k int) error {
	return files.Advise(fmt.Sprintf("columns %d, %q, and %d, %q, are both the attribute %s", i+1, columns[i].header, k+1, columns[k].header, columns[k].attribute), "rename one of them, or take it out")
}

// isHeader reports whether a row is the header.
func (l *layout) isHeader(cells [][]byte) bool {
	for i, cell := range cells {
		if string(bytes.TrimSpace(cell)) != l.columns[i].header {
			return false
		}
	}
	return true
}

// find returns the column of an attribute, or -1.
func (l *layout) find(attribute string) int {
	key := identity.AttributeName(AttributeName(attribute))
	return slices.IndexFunc(l.columns, func(c column) bool { return c.key == key && key != "" })
}

// lacking is an error that names the columns that there are.
func (l *layout) lacking(fault string, names ...string) error {
	var there []string
	for _, c := range l.columns {
		if c.attribute != "" {
			there = append(there, c.attribute)
		}
	}
	hint := ""
	for _, name := range names {
		if near := words.Nearest(AttributeName(name), there); near != "" {
			hint = fmt.Sprintf("did you mean %s? ", near)
			break
		}
	}
	more := ""
	if most := 30; len(there) > most {
		there, more = there[:most], ", …"
	}
	if len(l.columns) == 1 {
		more += `; columns are separated by commas, semicolons or tabs, or by what a line before the header says, as in "sep=|"`
	}
	return files.AdviseOn(fault, hint+"the header names the attributes "+strings.Join(there, ", ")+more, there)
}

// complete reports which columns scopes lack. One that is gone would look like
// everybody's having lost what it held.
func (l *layout) complete(scopes []directory.Scope) error {
	for i := range scopes {
		s := &scopes[i]
		has := func(name string) bool { return l.find(name) >= 0 }
		lacks := func(what string, names ...string) error {
			return l.lacking(s.Subject()+": there is no column "+what, names...)
		}
		for _, name := range s.Named {
			if !has(name) {
				return lacks(name, name)
			}
		}
		if s.Filter != "" {
			f, err := s.ParseFilter()
			if err != nil {
				return err
			}
			for _, name := range f.Attributes() {
				if !has(name) {
					return lacks(name+", which the filter tests", name)
				}
			}
		}
		addresses := slices.DeleteFunc(append([]string{s.PrimaryAttribute}, s.AliasAttributes...), func(name string) bool { return name == "" })
		switch {
		case !slices.ContainsFunc(addresses, has):
			return lacks(strings.Join(addresses, " or "), addresses...)
		case s.Listing:
		case s.GUIDAttribute == "" && !has("objectGUID") && !has("entryUUID"):
			return lacks("objectGUID or entryUUID: name in guid_attribute the column by which a row is recognized, such as that of a number that never changes")
		case s.SkipDisabled && !slices.ContainsFunc(directory.DisabledAttributes(), has):
			return lacks(`that says who is disabled, such as userAccountControl, and disabled is "inactive": export it, or let the filter test another`)
		case s.Type == directory.Auto && !has("objectClass") && slices.ContainsFunc(l.columns, column.isDN):
			return lacks(`objectClass, which tells lists from users: export it, or set type to "user" or "list"`)
		}
	}
	return nil
}
