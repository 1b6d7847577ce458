package sql

import (
	"cmp"
	"context"
	dbsql "database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// custom is the profile "custom": statements of the configuration. Columns of read and
// parameters have the same names:
//
//	address          the primary
//	aliases          the other addresses, separated by blanks, commas or semicolons
//	status           active or inactive; as a column, a truth value, too
//	type             user or list; optional
//	display_name     optional, as are other attributes, attribute_NAME
//
// Parameters alone are active (a truth value), local_part, domain, username and dn, and
// in update all that read gives with was_ before it, as the account is.
type custom struct {
	read                   *statement
	insert, update, delete []*statement
	// columns are those of read, in its order; known by facts.
	columns []string
}

// profileError is a database that the statements do not fit.
type profileError struct{ error }

func (c *custom) facts(ctx context.Context, a asker) (plan.Facts, error) {
	if err := c.readColumns(ctx, a); err != nil {
		return plan.Facts{}, err
	}
	if err := c.fits(); err != nil {
		return plan.Facts{}, err
	}
	return plan.Facts{Marks: true, Groups: true, DryRun: true}, a.transactional(ctx, c.written())
}

// readColumns finds out which columns read gives.
func (c *custom) readColumns(ctx context.Context, a asker) error {
	ctx, _, done := a.guard(ctx)
	defer done()
	query, _ := c.read.bind(a.d, nil)
	rows, err := a.conn.QueryContext(ctx, "SELECT * FROM ("+query+"\n) AS r WHERE 1 = 0")
	if err != nil {
		return &statementError{"read", ended(ctx, err)}
	}
	defer rows.Close()
	if c.columns, err = rows.Columns(); err != nil {
		return err
	}
	for i, name := range c.columns {
		c.columns[i] = strings.ToLower(name)
	}
	return rows.Err()
}

// written are the names in the statements that write, tables among them.
func (c *custom) written() []string {
	names := map[string]bool{}
	for _, s := range slices.Concat(c.insert, c.update, c.delete) {
		maps.Copy(names, s.words)
	}
	return slices.Sorted(maps.Keys(names))
}

// fits reports whether the columns of read and the parameters belong together.
func (c *custom) fits() error {
	for _, name := range required {
		if !slices.Contains(c.columns, name) {
			return profileError{fmt.Errorf("the statement read gives no column %q: it gives %s", name, strings.Join(c.columns, ", "))}
		}
	}
	for i, name := range c.columns {
		switch {
		case slices.Contains(c.columns[:i], name):
			return profileError{fmt.Errorf("the statement read gives two columns %q", name)}
		case slices.Contains(required, name), name == columnType, name == identity.DisplayName:
		case strings.HasPrefix(name, attributePrefix) && len(name) > len(attributePrefix):
		default:
			return profileError{fmt.Errorf("the statement read gives an unknown column %q: write attribute_%s, or leave it out", name, name)}
		}
	}
	for name, all := range map[string][]*statement{"insert": c.insert, "update": c.update} {
		used := map[string]bool{}
		for _, s := range all {
			for _, p := range s.names {
				used[p] = true
			}
		}
		if missing := lacking(name, used, c.columns); len(missing) > 0 {
			return profileError{fmt.Errorf("the statement read gives what the statement %s does not write: it lacks %s", name, strings.Join(missing, ", "))}
		}
	}
	return nil
}

// customRows are the rows that read has given.
type customRows struct {
	c    *custom
	rows []customRow
}

type customRow map[string]string // by column

func (s *customRows) keys() (all []string) {
	for _, r := range s.rows {
		all = append(all, r[columnAddress])
	}
	return all
}

func (s *customRows) skipped() string { return "" }

func (s *customRows) accounts(all *owners) []*row {
	list := make([]*row, len(s.rows))
	for i, r := range s.rows {
		list[i] = s.c.account(r, all.of(r[columnAddress]))
	}
	return list
}

// addressesIn parts a text.
func addressesIn(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n", r) })
}

func (c *custom) account(r customRow, o *owner) *row {
	x := &row{key: r[columnAddress], detail: r}
	var err error
	if x.account.Primary, err = identity.ParseAddress(x.key); err != nil {
		x.odd = "its address: " + err.Error()
	}
	for _, text := range addressesIn(r[columnAliases]) {
		address, err := identity.ParseAddress(text)
		if err != nil {
			x.odd = "its alias " + strconv.Quote(text) + ": " + err.Error()
			continue
		}
		x.account.Aliases = append(x.account.Aliases, address)
	}
	slices.SortFunc(x.account.Aliases, identity.Address.Compare)
	x.account.Aliases = slices.Compact(x.account.Aliases)
	switch strings.ToLower(r[columnStatus]) {
	case "active", "true", "t", "1", "yes", "y":
	case "inactive", "false", "f", "0", "no", "n":
		x.account.Status = identity.Inactive
	default:
		x.odd = fmt.Sprintf("its status %q is neither active nor inactive", r[columnStatus])
	}
	if text, given := r[columnType]; given {
		if x.account.Type, err = identity.ParseType(text); err != nil {
			x.odd = "its " + err.Error()
		}
	} else if o != nil {
		x.account.Type = o.typ
	}
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if attribute, is := attributeOf(name); is && r[name] != "" {
			x.account.Attributes = append(x.account.Attributes, identity.Attribute{Name: attribute, Value: r[name]})
		}
	}
	slices.SortFunc(x.account.Attributes, func(a, b identity.Attribute) int { return cmp.Compare(a.Name, b.Name) })
	return x
}

// attributeOf returns the attribute that a column or a parameter is of.
func attributeOf(name string) (string, bool) {
	if name == identity.DisplayName {
		return name, true
	}
	return strings.CutPrefix(name, attributePrefix)
}

func (c *custom) all(ctx context.Context, a asker) (snapshot, error) { return c.query(ctx, a, "", nil) }

func (c *custom) query(ctx context.Context, a asker, where string, args []any) (*customRows, error) {
	s := &customRows{c: c}
	text, _ := c.read.bind(a.d, nil)
	if where != "" {
		text = "SELECT * FROM (" + text + "\n) AS r WHERE " + a.d.bind(where) // it may end in a comment
	}
	ctx, heard, done := a.guard(ctx)
	defer done()
	rows, err := a.conn.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, &statementError{"read", ended(ctx, err)}
	}
	defer rows.Close()
	values := make([]dbsql.NullString, len(c.columns))
	into := make([]any, len(values))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		heard()
		if err := rows.Scan(into...); err != nil {
			return nil, ended(ctx, err)
		}
		r := customRow{}
		for i, name := range c.columns {
			r[name] = values[i].String
		}
		s.rows = append(s.rows, r)
	}
	if err := ended(ctx, rows.Err()); err != nil {
		return nil, &statementError{"read", err}
	}
	return s, nil
}

func (c *custom) some(ctx context.Context, a asker, keys []string, addresses []identity.Address, _ bool) (snapshot, error) {
	all := slices.Clone(keys)
	held := map[string]bool{}
	for _, x := range addresses {
		all = append(all, x.String())
		held[x.String()] = true
	}
	slices.Sort(all)
	all = slices.Compact(all)
	s := &customRows{c: c}
	seen := map[string]bool{}
	err := inChunks(all, func(some []string) error {
		where, args := "r.address IN ("+marks(len(some))+")", values(some)
		for _, x := range some {
			if held[x] {
				where += " OR " + fmt.Sprintf(a.d.within, "lower(CAST(r.aliases AS "+a.d.text+"))")
				args = append(args, x)
			}
		}
		part, err := c.query(ctx, a, where, args)
		if err != nil {
			return err
		}
		for _, r := range part.rows {
			if !seen[r[columnAddress]] {
				seen[r[columnAddress]] = true
				s.rows = append(s.rows, r)
			}
		}
		return nil
	})
	return s, err
}

func (*custom) forget() {}

func (c *custom) keeps(_ *change, name string) bool {
	return slices.ContainsFunc(c.columns, func(column string) bool {
		attribute, is := attributeOf(column)
		return is && attribute == name
	})
}

// run runs statements, of which the first has to hit one row. What the account was is
// given as the row says it that was read, and what it is to be in one form.
func (c *custom) run(ctx context.Context, a asker, name string, all []*statement, read customRow, was, is *identity.Account) error {
	for i, s := range all {
		text, args := s.bind(a.d, func(parameter string) any {
			plain, old := strings.CutPrefix(parameter, wasPrefix)
			if !old && name != "delete" {
				return argument(parameter, is)
			}
			if text, has := read[plain]; has {
				return text
			}
			return argument(plain, was)
		})
		n, err := a.raw(ctx, text, args...)
		if err != nil {
			return &statementError{name, err}
		}
		switch {
		case i > 0 || n == 1:
		case n == 0 && name != "insert":
			return errMoved
		default:
			return &apply.Error{Code: apply.Refused, Message: fmt.Sprintf("the statement %s hits %d rows, not one", name, n)}
		}
	}
	return nil
}

// argument is the value of a parameter.
func argument(name string, a *identity.Account) any {
	switch name {
	case columnAddress:
		return a.Primary.String()
	case columnAliases:
		texts := make([]string, len(a.Aliases))
		for i, x := range a.Aliases {
			texts[i] = x.String()
		}
		return strings.Join(texts, " ")
	case columnStatus:
		return a.Status.String()
	case paramActive:
		return a.Active()
	case columnType:
		return a.Type.String()
	case "local_part":
		return a.Primary.Local()
	case "domain":
		return a.Primary.Domain()
	case "username":
		return a.Username
	case "dn":
		return a.DN
	}
	attribute, _ := attributeOf(name)
	return identity.Lookup(a.Attributes, attribute)
}

func (*custom) take(*change, *found, identity.Address) {}

func (c *custom) release(ctx context.Context, a asker, ch *change) error {
	switch {
	case ch.was == nil:
		return nil
	case ch.is == nil:
		return c.run(ctx, a, "delete", c.delete, ch.was.detail.(customRow), &ch.was.live.Account, nil)
	case ch.temporary.IsZero():
		return nil
	}
	between := ch.was.live.Account
	between.Aliases = slices.DeleteFunc(slices.Clone(between.Aliases), func(x identity.Address) bool {
		return !ch.is.Holds(x) || ch.is.Primary == x
	})
	if ch.renames() {
		between.Primary = ch.temporary
	}
	if err := c.move(ctx, a, ch, &between); err != nil || ch.between == nil {
		return err
	}
	// The next statement has to know what the row says now.
	s, err := c.query(ctx, a, "r.address = ?", []any{ch.key})
	if err != nil {
		return err
	}
	if len(s.rows) != 1 {
		return &apply.Error{Code: apply.Refused, Message: fmt.Sprintf("the statement read gives %d rows with the address that the statement update has written", len(s.rows))}
	}
	ch.was.detail = s.rows[0]
	return nil
}

func (c *custom) put(ctx context.Context, a asker, ch *change) error {
	switch {
	case ch.is == nil:
		return nil
	case ch.was == nil:
		return c.run(ctx, a, "insert", c.insert, nil, nil, &ch.is.Account)
	}
	return c.move(ctx, a, ch, &ch.is.Account)
}

// move updates the account, unless it is what it is to be in all that read gives.
func (c *custom) move(ctx context.Context, a asker, ch *change, to *identity.Account) error {
	from := &ch.was.live.Account
	if ch.between != nil {
		from = ch.between
	}
	same := !slices.ContainsFunc(c.columns, func(name string) bool { return argument(name, from) != argument(name, to) })
	if same {
		return nil
	}
	if err := c.run(ctx, a, "update", c.update, ch.was.detail.(customRow), from, to); err != nil {
		return err
	}
	ch.between, ch.key = to, to.Primary.String()
	return nil
}

func (c *custom) check(ctx context.Context, a asker) ([]console.Finding, error) {
	if _, err := c.facts(ctx, a); err != nil {
		if errors.As(err, new(profileError)) {
			return []console.Finding{{Check: "statements", Status: "failed", Evidence: err.Error(), Remedy: "correct the block statements"}}, nil
		}
		return nil, err
	}
	var found []console.Finding
	for _, s := range []struct {
		name string
		all  []*statement
	}{{"insert", c.insert}, {"update", c.update}, {"delete", c.delete}} {
		f := console.Finding{Check: "statement", Status: "ok", Evidence: "the database takes the statement " + s.name}
		for _, one := range s.all {
			// A failed statement ends a transaction of PostgreSQL.
			if _, err := a.run(ctx, "SAVEPOINT checked"); err != nil {
				return nil, err
			}
			if err := a.examine(ctx, one); err != nil {
				f.Status, f.Evidence, f.Remedy = "failed", explained(&statementError{s.name, err}).Error(), "correct statements."+s.name
				if kind, _ := classify(err); kind == denied {
					f.Remedy = "grant what is missing; " + page + " lists the rights"
				}
			}
			if _, err := a.run(ctx, "ROLLBACK TO SAVEPOINT checked"); err != nil {
				return nil, err
			}
		}
		found = append(found, f)
	}
	return found, nil
}

// examine lets the database look at a statement without running it, and whether it may
// be run: MariaDB looks when it is prepared, PostgreSQL when it is explained.
func (a asker) examine(ctx context.Context, s *statement) error {
	text, nothing := s.bind(a.d, func(string) any { return nil })
	if a.d.postgres && explainable[strings.ToLower(text[:nameLength(text)])] {
		_, err := a.raw(ctx, "EXPLAIN "+text, nothing...)
		return err
	}
	ctx, _, done := a.guard(ctx)
	defer done()
	prepared, err := a.conn.PrepareContext(ctx, text)
	if err != nil {
		return ended(ctx, err)
	}
	return prepared.Close()
}

// explainable are the first words of statements that EXPLAIN takes.
var explainable = map[string]bool{"insert": true, "update": true, "delete": true, "merge": true, "select": true, "with": true}
