package sql

import (
	"cmp"
	"context"
	"crypto/rand"
	dbsql "database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// ownerTable is the table of owners.
const ownerTable = "rollcall_owner"

// owner is a row of the table of owners: what is known of an account beside what
// the product has.
type owner struct {
	// ref is the key of the account, which never changes and is not used again. That
	// of an account which was adopted is what it had before, see localRef.
	ref string
	// key is the primary as the product has it; "" keeps the ref from being used.
	key  string
	mark identity.Mark
	// typ, active and aliases are as they were asked for.
	typ          identity.Type
	active       bool
	aliases      []string
	username, dn string
	attributes   []identity.Attribute // which the product does not store
	odd          string
}

const ownerColumns = "ref, address, owner, directory, guid, type, status, aliases, username, dn, attributes"

func scanOwner(scan func(...any) error) (*owner, error) {
	var key, by, directory, guid dbsql.NullString
	var typ, status, aliases, attributes string
	o := &owner{}
	if err := scan(&o.ref, &key, &by, &directory, &guid, &typ, &status, &aliases, &o.username, &o.dn, &attributes); err != nil {
		return nil, err
	}
	o.key, o.active, o.aliases = key.String, status != identity.Inactive.String(), strings.Fields(aliases)
	if typ == identity.List.String() {
		o.typ = identity.List
	}
	if by.Valid {
		o.mark = identity.Mark{By: by.String, Directory: directory.String}
		var err error
		if o.mark.GUID, err = identity.ParseGUID(guid.String); err != nil {
			o.odd = "its GUID in " + ownerTable + " is none"
		}
	}
	var err error
	if o.attributes, err = parseAttributes(attributes); err != nil {
		o.odd = "its attributes in " + ownerTable + " are no JSON object of texts"
	}
	return o, nil
}

// values are the columns of the row, in their order.
func (o *owner) values() []any {
	var key, by, directory, guid any
	if o.key != "" {
		key = o.key
	}
	if !o.mark.IsZero() {
		by, directory, guid = o.mark.By, o.mark.Directory, o.mark.GUID.String()
	}
	status := identity.Inactive
	if o.active {
		status = identity.Active
	}
	return []any{o.ref, key, by, directory, guid, o.typ.String(), status.String(), strings.Join(o.aliases, " "), o.username, o.dn, formatAttributes(o.attributes)}
}

// parseAttributes reads a JSON object of texts, sorted by name. Empty texts are left out.
func parseAttributes(text string) (all []identity.Attribute, err error) {
	var m map[string]string
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] != "" {
			all = append(all, identity.Attribute{Name: name, Value: m[name]})
		}
	}
	return all, nil
}

func formatAttributes(all []identity.Attribute) string {
	m := make(map[string]string, len(all))
	for _, x := range all {
		m[x.Name] = x.Value
	}
	b, _ := json.Marshal(m) // of texts, it never fails
	return string(b)
}

// owners are rows of the table of owners.
type owners struct {
	byRef map[string]*owner
	byKey map[string][]*owner
}

func newOwners() *owners { return &owners{map[string]*owner{}, map[string][]*owner{}} }

func (o *owners) add(x *owner) {
	if o.byRef[x.ref] != nil {
		return
	}
	o.byRef[x.ref] = x
	if x.key != "" {
		o.byKey[x.key] = append(o.byKey[x.key], x)
	}
}

// of returns the row of an account, or nil.
func (o *owners) of(key string) *owner {
	if all := o.byKey[key]; len(all) > 0 {
		return all[0]
	}
	return nil
}

// ours reports whether an account is one that rollcall keeps.
func (o *owners) ours(key string) bool {
	x := o.of(key)
	return x != nil && !x.mark.IsZero()
}

// localRef is the ref of an account that is not in the table of owners: its primary as
// the product has it, with a number behind it where that was the ref of another account
// once.
func (o *owners) localRef(key string) string {
	ref := key
	for n := 2; o.byRef[ref] != nil; n++ {
		ref = key + "#" + strconv.Itoa(n)
	}
	return ref
}

// localKey is the primary in a ref of localRef. No domain has a # in it.
func localKey(ref string) string {
	if i := strings.LastIndexByte(ref, '#'); i > strings.LastIndexByte(ref, '@') {
		return ref[:i]
	}
	return ref
}

// newRef is the ref of an account that is created. It has no @, so that it is none of
// localRef.
func newRef() string { return strings.ToLower(rand.Text()) }

// adopted reports whether a ref is one that an account had before it was ours.
func adopted(ref string) bool { return strings.Contains(ref, "@") }

// ownersOf reads the rows with one of the refs, or of accounts with one of the keys,
// and locks them.
func (a asker) ownersOf(ctx context.Context, refs, keys []string, lock bool, into *owners) error {
	for _, by := range []struct {
		column string
		all    []string
	}{{"ref", refs}, {"address", keys}} {
		err := inChunks(by.all, func(some []string) error {
			return a.each(ctx, "SELECT "+ownerColumns+" FROM "+ownerTable+" WHERE "+by.column+" IN ("+marks(len(some))+")"+a.locking(lock), values(some), into.scan)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (o *owners) scan(scan func(...any) error) error {
	x, err := scanOwner(scan)
	if err == nil {
		o.add(x)
	}
	return err
}

func (a asker) locking(lock bool) string {
	if lock {
		return " FOR UPDATE"
	}
	return ""
}

// allOwners reads the whole table.
func (a asker) allOwners(ctx context.Context) (*owners, error) {
	all := newOwners()
	return all, a.each(ctx, "SELECT "+ownerColumns+" FROM "+ownerTable+" ORDER BY ref", nil, all.scan)
}

// putOwner writes a row, which is there or not.
func (a asker) putOwner(ctx context.Context, was, is *owner) error {
	if was == nil {
		return a.one(ctx, "INSERT INTO "+ownerTable+" ("+ownerColumns+") VALUES ("+marks(11)+")", is.values()...)
	}
	now := is.values()
	if slices.Equal(was.values(), now) {
		return nil
	}
	return a.one(ctx, "UPDATE "+ownerTable+" SET address = ?, owner = ?, directory = ?, guid = ?, type = ?, status = ?, aliases = ?, username = ?, dn = ?, attributes = ? WHERE ref = ?",
		append(now[1:], is.ref)...)
}

// dropOwner takes a row out. It is kept, without its account, where something of it must
// not come again: the ref that it had before it was ours, and what the product left.
func (a asker) dropOwner(ctx context.Context, o *owner, left ...identity.Attribute) error {
	if !adopted(o.ref) && len(left) == 0 {
		return a.one(ctx, "DELETE FROM "+ownerTable+" WHERE ref = ?", o.ref)
	}
	return a.putOwner(ctx, o, &owner{ref: o.ref, attributes: left})
}

// left returns what was kept by dropOwner.
func (a asker) left(ctx context.Context) (all [][]identity.Attribute, err error) {
	err = a.each(ctx, "SELECT attributes FROM "+ownerTable+" WHERE address IS NULL", nil, func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		attributes, err := parseAttributes(text)
		if err != nil {
			return fmt.Errorf("the attributes of a row of %s without an address are no JSON object of texts: %q", ownerTable, text)
		}
		all = append(all, attributes)
		return nil
	})
	return all, err
}

// row is an account as the product has it.
type row struct {
	// key is the primary as it is stored, whatever its case.
	key     string
	account identity.Account // without what the product does not store
	odd     string
	// parked are addresses that somebody put out of service by hand: the account no longer has
	// them, and who gets one is given its row.
	parked []identity.Address
	// detail is the profile's.
	detail any
}

// found is an account with its row in the table of owners, which may be nil.
type found struct {
	*row
	owner *owner
	live  identity.Live
}

// merge makes an account of its rows.
func merge(r *row, all *owners) *found {
	f := &found{row: r, owner: all.of(r.key)}
	f.live = identity.Live{Account: r.account, Odd: r.odd}
	if f.owner == nil {
		f.live.Ref = all.localRef(r.key)
		return f
	}
	f.live.Ref, f.live.Mark, f.live.Username, f.live.DN = f.owner.ref, f.owner.mark, f.owner.username, f.owner.dn
	if n := len(all.byKey[r.key]); n > 1 {
		f.live.Odd = fmt.Sprintf("it has %d rows in %s", n, ownerTable)
	}
	f.live.Odd = cmp.Or(f.live.Odd, f.owner.odd)
	for _, x := range f.owner.attributes {
		if identity.Lookup(r.account.Attributes, x.Name) == "" {
			f.live.Attributes = append(f.live.Attributes[:len(f.live.Attributes):len(f.live.Attributes)], x)
		}
	}
	slices.SortFunc(f.live.Attributes, func(a, b identity.Attribute) int { return cmp.Compare(a.Name, b.Name) })
	return f
}
