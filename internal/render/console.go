package render

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// localKind is the kind of the console that is the state file.
const localKind = "local"

// otherConsole is the console of a plan, nil where it is the state file: of that,
// nobody has to be reported that it was read.
func otherConsole(h *plan.Header) *plan.ConsoleReceipt {
	if h.Console == nil || h.Console.Kind == localKind {
		return nil
	}
	return h.Console
}

// kindOf names the kind of a console beside those of directories.
func kindOf(c *plan.ConsoleReceipt) string { return clean(c.Kind) + " console" }

// Product is what a console calls itself, or "".
func Product(c *plan.ConsoleReceipt) string { return strings.Trim(c.Product+" "+c.Version, " ") }

// productOf is that in one text or none.
func productOf(c *plan.ConsoleReceipt) []string {
	if text := Product(c); text != "" {
		return []string{text}
	}
	return nil
}

// shares counts the accounts of a console by whose they are.
func shares(c *plan.ConsoleReceipt) []string {
	return []string{number(c.Owned) + " owned", number(c.Local) + " local", number(c.Foreign) + " foreign"}
}

func heldBy(c *plan.ConsoleReceipt) string {
	return count(c.Accounts, "account", "accounts") + ": " + strings.Join(shares(c), ", ")
}

// consoleFacts says what is known of the read of a console beside the number of
// its accounts.
func consoleFacts(c *plan.ConsoleReceipt) []string {
	return slices.Concat(shares(c), productOf(c), readIn(c))
}

// readIn says how long the read took, in one text or none.
func readIn(c *plan.ConsoleReceipt) []string {
	if c.Seconds <= 0 {
		return nil
	}
	return []string{"read in " + strconv.FormatFloat(c.Seconds, 'f', 1, 64) + " s"}
}

// ConsoleReport is what is known of a console.
type ConsoleReport struct {
	plan.ConsoleReceipt
	// Owner is what the configuration calls itself in the marks of accounts.
	Owner string
}

// ConsoleText writes what a console is, how many accounts it has, and what it can
// do. Only the width and the colour of the options count.
func ConsoleText(w io.Writer, c *ConsoleReport, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	o.consoleTitle(c.Name, slices.Concat([]string{kindOf(&c.ConsoleReceipt)}, productOf(&c.ConsoleReceipt)))
	all := wordsOf(&c.Facts)
	names := 0
	for i := range all {
		names = max(names, len(all[i].name))
	}
	line := func(name, value string) {
		o.prose(margin, fmt.Sprintf("%-*s", names+gap, name), dim, value)
	}
	if c.Owner != "" {
		line("owner", clean(c.Owner))
	}
	line("accounts", heldBy(&c.ConsoleReceipt))
	if c.Seconds > 0 {
		line("read in", strconv.FormatFloat(c.Seconds, 'f', 1, 64)+" s")
	}
	o.end()
	o.line(bold, "Facts")
	for i := range all {
		words := clean(all[i].words)
		if all[i].standard {
			words += " (default)"
		}
		line(all[i].name, words)
	}
	return o.flush()
}

// consoleTitle begins a page about a console.
func (p *page) consoleTitle(name string, about []string) {
	p.put(bold, clean(name))
	for _, text := range about {
		p.next(0, margin, styled(dim, text))
	}
	p.end()
}

// fact is one that a console states of itself.
type fact struct {
	name     string
	words    string
	standard bool // it is what holds without being stated
	value    func(b []byte) []byte
}

// wordsOf puts facts in words, all that a console can state and those of its kind
// that hold.
func wordsOf(f *plan.Facts) []fact {
	var all []fact
	// either is a fact that holds or not; the default is the first value.
	either := func(name string, holds bool, no, yes, noWords, yesWords string) {
		value, words := no, noWords
		if holds {
			value, words = yes, yesWords
		}
		all = append(all, fact{name, words, !holds, func(b []byte) []byte { return append(b, value...) }})
	}
	list := func(name, standard string, values []string) {
		words := strings.Join(values, ", ")
		if len(values) == 0 {
			words = standard
		}
		all = append(all, fact{name, words, values == nil, func(b []byte) []byte { return appendTexts(b, values) }})
	}
	amount := func(name string, n int, standard bool, words string) {
		all = append(all, fact{name, words, standard, func(b []byte) []byte { return strconv.AppendInt(b, int64(n), 10) }})
	}
	wait := func(name string, d time.Duration, none, before string) {
		words := none
		if d > 0 {
			words = before + duration(d)
		}
		all = append(all, fact{name, words, d == 0, func(b []byte) []byte { return strconv.AppendFloat(b, d.Seconds(), 'f', -1, 64) }})
	}

	types, plural := []identity.Type{identity.User, identity.List}, map[identity.Type]string{identity.User: "users", identity.List: "lists"}
	if len(f.Types) > 0 {
		types = f.Types
	}
	var names, nouns []string
	for _, t := range types {
		names, nouns = append(names, t.String()), append(nouns, plural[t])
	}
	all = append(all, fact{"types", strings.Join(nouns, " and "), len(f.Types) == 0, func(b []byte) []byte { return appendTexts(b, names) }})
	either("inactive", f.Removes, `"kept"`, `"removed"`, "an inactive account stays in the console", "an inactive account is removed from the console")
	either("rename", f.FixedPrimary, "true", "false", "an account can get another primary", "an account cannot get another primary")
	either("owner", f.Marks, `"none"`, `"stored"`, "the console does not store whose an account is", "the console stores whose an account is")
	either("ref_stable", f.Unstable, "true", "false", "the key of an account never changes and is never used again", "the key of an account may change or be used again")
	switch {
	case f.Stores == nil:
		list("stores", "every field and attribute", nil)
	default:
		list("stores", "nothing but the primary", f.Stores)
	}
	lengths := slices.Sorted(maps.Keys(f.Lengths))
	var bounds []string
	for _, name := range lengths {
		bounds = append(bounds, name+" "+number(f.Lengths[name]))
	}
	limits := "attributes may have any length"
	if len(bounds) > 0 {
		limits = "at most so many characters: " + strings.Join(bounds, ", ")
	}
	all = append(all, fact{"attributes", limits, len(lengths) == 0, func(b []byte) []byte {
		b = append(b, '{')
		for i, name := range lengths {
			b = identity.AppendJSONString(append(b, strings.Repeat(", ", min(i, 1))...), name)
			b = fmt.Appendf(b, ": %d", f.Lengths[name])
		}
		return append(b, '}')
	}})
	aliases := "an account may have any number of aliases"
	if f.MaxAliases > 0 {
		aliases = "an account has at most " + count(f.MaxAliases, "alias", "aliases")
	}
	amount("max_aliases", f.MaxAliases, f.MaxAliases == 0, aliases)
	list("domains", "addresses in every domain", f.Domains)
	amount("batch", f.BatchSize(), f.Batch == 0, "at most "+count(f.BatchSize(), "change", "changes")+" in a request")
	either("groups", f.Groups, "false", "true", "changes that belong together are made one after the other", "changes that belong together are made all or none")
	either("dry_run", f.DryRun, "false", "true", "changes cannot be tried", "changes can be tried without making them")
	either("ledger", f.Ledger, "false", "true", "the console does not remember to which state accounts belong", "the console remembers to which state the accounts of an owner belong")
	wait("deleted_blocks_for", f.DeletedBlocks, "the addresses of a removed account are free at once", "the addresses of a removed account are taken for another ")
	wait("settles_within", f.Settles, "a change is seen at once", "a change is seen within ")

	// These follow from the kind, and are reported only where they hold.
	for _, k := range []struct {
		name  string
		holds bool
		words string
	}{
		{"publishes", f.Publishes, "all changes take effect together, at the end"},
		{"exclusive", f.Exclusive, "nobody else has accounts there"},
		{"embedded", f.Embedded, "the accounts are those of the state file"},
	} {
		if k.holds {
			all = append(all, fact{k.name, k.words, false, func(b []byte) []byte { return append(b, "true"...) }})
		}
	}
	return all
}

// duration is a time in the largest unit of which it is a whole number.
func duration(d time.Duration) string {
	switch {
	case d%time.Hour == 0:
		return count(int(d/time.Hour), "hour", "hours")
	case d%time.Minute == 0:
		return count(int(d/time.Minute), "minute", "minutes")
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}

// appendTexts appends texts as a JSON array, null for a nil list.
func appendTexts(b []byte, texts []string) []byte {
	if texts == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, text := range texts {
		b = identity.AppendJSONString(append(b, strings.Repeat(", ", min(i, 1))...), text)
	}
	return append(b, ']')
}

// ConsoleJSON writes the same as one JSON document. Facts have the keys of the
// protocol rollcall-console/1, and those that are not stated their defaults; null
// stands for all. "publishes", "exclusive" and "embedded" are there where they
// hold.
func ConsoleJSON(w io.Writer, c *ConsoleReport) error {
	b := []byte("{\n  \"format_version\": \"1.0\"")
	b = appendConsole(b, &c.ConsoleReceipt)
	b = identity.AppendJSONString(append(b, ",\n  \"owner\": "...), c.Owner)
	b = fmt.Appendf(b, ",\n  \"accounts\": %d,\n  \"owned\": %d,\n  \"local\": %d,\n  \"foreign\": %d,\n  \"seconds\": %s,\n  \"facts\": {",
		c.Accounts, c.Owned, c.Local, c.Foreign, strconv.FormatFloat(c.Seconds, 'f', 3, 64))
	for i, f := range wordsOf(&c.Facts) {
		b = fmt.Appendf(b, "%s\n    %q: ", strings.Repeat(",", min(i, 1)), f.name)
		b = f.value(b)
	}
	_, err := w.Write(append(b, "\n  }\n}\n"...))
	return err
}

// appendConsole appends what a console is called as members of a document.
func appendConsole(b []byte, c *plan.ConsoleReceipt) []byte {
	for _, m := range []struct{ key, value string }{{"console", c.Name}, {"kind", c.Kind}, {"product", c.Product}, {"version", c.Version}} {
		b = identity.AppendJSONString(fmt.Appendf(b, ",\n  %q: ", m.key), m.value)
	}
	return b
}

// ConsoleAccount is an account as a console has it, and whose it is.
type ConsoleAccount struct {
	// Live has as its mark whose the account is, as the console says or, where
	// that stores no marks, the state.
	identity.Live
	// Foreign marks an account of another configuration.
	Foreign bool
}

// whose is "owned", "local" or "foreign".
func (a *ConsoleAccount) whose() string {
	switch {
	case a.Foreign:
		return "foreign"
	case a.Mark.IsZero():
		return "local"
	}
	return "owned"
}

var liveColumns = []column[*ConsoleAccount]{
	{head: "primary", cell: func(a *ConsoleAccount, _ bool) cell { return accountOf(a.Primary.String()) }},
	{head: "aliases", least: leastAddress, address: true, cell: func(a *ConsoleAccount, short bool) cell { return someAliases(&a.Account, short) }},
	{head: "type", cell: func(a *ConsoleAccount, _ bool) cell { return text(a.Type.String()) }},
	{head: "status", cell: func(a *ConsoleAccount, _ bool) cell { return statusOf(&a.Account) }},
	{head: "owner", least: len("(foreign)"), cell: func(a *ConsoleAccount, short bool) cell {
		switch a.whose() {
		case "local":
			return styled(dim, "(local)")
		case "foreign":
			if short || a.Mark.By == "" {
				return styled(dim, "(foreign)")
			}
			return styled(dim, "(foreign) "+a.Mark.By)
		}
		return text(a.Mark.Directory)
	}},
	{head: "ref", least: 8, helps: true, cell: func(a *ConsoleAccount, _ bool) cell { return styled(dim, a.Ref) }},
	{head: "left alone, because", wraps: true, cell: func(a *ConsoleAccount, _ bool) cell { return sentence(yellow, a.Odd) }},
}

// ConsoleAccounts writes a table of the accounts of a console, all of them. Only
// the width and the colour of the options count.
func ConsoleAccounts(w io.Writer, accounts []ConsoleAccount, opt TextOptions) error {
	o := newPage(w, opt.Width, opt.Color)
	t := table[*ConsoleAccount]{columns: liveColumns, rows: len(accounts), row: func(i int) *ConsoleAccount { return &accounts[i] }}
	t.all(o)
	return o.flush()
}

var liveHeader = []string{"primary", "aliases", "type", "status", "owner", "mark", "directory", "guid", "ref", "rev", "username", "dn", "odd"}

// ConsoleAccountsCSV writes one row per account, below a line of headings:
// primary, aliases (separated by ";"), type, status, owner ("owned", "local" or
// "foreign"), the mark with directory and guid, ref, rev, username, dn, odd (what
// of it cannot be understood), and a column for each attribute that any of them
// has, sorted by name. Cells are as safe as those of [CSV].
func ConsoleAccountsCSV(w io.Writer, accounts []ConsoleAccount, d Dialect) error {
	names := map[string]bool{}
	for i := range accounts {
		for _, attr := range accounts[i].Attributes {
			names[attr.Name] = true
		}
	}
	attributes := slices.Sorted(maps.Keys(names))
	out := d.writer(w)
	writeSafe(out, slices.Concat(liveHeader, attributes))
	var cells []string
	for i := range accounts {
		a := &accounts[i]
		cells = append(cells[:0], a.Primary.String(), joinAliases(&a.Account), a.Type.String(), a.Status.String(), a.whose(), a.Mark.By, a.Mark.Directory,
			a.Mark.GUID.String(), a.Ref, a.Rev, a.Username, a.DN, a.Odd)
		for _, name := range attributes {
			cells = append(cells, identity.Lookup(a.Attributes, name))
		}
		writeSafe(out, cells)
	}
	out.Flush()
	return out.Error()
}

// ConsoleAccountsJSON writes an object a line for each account, with the keys that
// accounts have in the protocol rollcall-console/1, and "whose" ("owned", "local"
// or "foreign") and "odd". None is left out.
func ConsoleAccountsJSON(w io.Writer, accounts []ConsoleAccount) error {
	out := bufio.NewWriter(w)
	var b []byte
	for i := range accounts {
		a := &accounts[i]
		text := func(key, value string) { b = identity.AppendJSONString(fmt.Appendf(b, ",%q:", key), value) }
		b = identity.AppendJSONString(append(b[:0], `{"primary":`...), a.Primary.String())
		b = append(b, `,"aliases":[`...)
		for n, alias := range a.Aliases {
			b = identity.AppendJSONString(append(b, strings.Repeat(",", min(n, 1))...), alias.String())
		}
		b = append(b, ']')
		text("type", a.Type.String())
		text("status", a.Status.String())
		text("whose", a.whose())
		if a.Mark.IsZero() {
			b = append(b, `,"owner":null`...)
		} else {
			b = identity.AppendJSONString(append(b, `,"owner":{"by":`...), a.Mark.By)
			text("directory", a.Mark.Directory)
			text("guid", a.Mark.GUID.String())
			b = append(b, '}')
		}
		text("ref", a.Ref)
		text("rev", a.Rev)
		text("username", a.Username)
		text("dn", a.DN)
		text("odd", a.Odd)
		b = append(b, `,"attributes":{`...)
		for n, attr := range a.Attributes {
			b = identity.AppendJSONString(append(b, strings.Repeat(",", min(n, 1))...), attr.Name)
			b = identity.AppendJSONString(append(b, ':'), attr.Value)
		}
		out.Write(append(b, "}}\n"...))
	}
	return out.Flush()
}
