package sql

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

type mailboxRow struct {
	key, name string
	active    bool
}

type aliasRow struct {
	key, targets string
	active       bool
}

// single returns the only target of an alias, or "".
func (r *aliasRow) single() string {
	t := strings.ToLower(r.targets)
	if strings.ContainsAny(t, ", \t\r\n") || t == strings.ToLower(r.key) {
		return ""
	}
	return t
}

// postfixDetail are the rows of an account; either may be nil.
type postfixDetail struct {
	mailbox *mailboxRow
	own     *aliasRow
	aliases map[identity.Address]*aliasRow // and those that are parked
}

// tables are rows of the two tables.
type tables struct {
	mailboxes map[string]*mailboxRow // by key
	aliases   map[string]*aliasRow   // by key
	boxes     map[string]string      // the keys of mailboxes, by them in lower case
	targets   map[string]*aliasRow   // aliases by their keys in lower case
	catchAlls int
	// folds says that keys do not know capitals: rows of both tables whose keys differ in
	// that alone are of one account, with the key of the mailbox.
	folds bool
}

func newTables(folds bool) *tables {
	return &tables{mailboxes: map[string]*mailboxRow{}, aliases: map[string]*aliasRow{}, boxes: map[string]string{}, targets: map[string]*aliasRow{}, folds: folds}
}

func (t *tables) readMailboxes(ctx context.Context, a asker, where string, args ...any) error {
	return a.each(ctx, "SELECT username, name, active FROM mailbox"+where, args, func(scan func(...any) error) error {
		r := &mailboxRow{}
		err := scan(&r.key, &r.name, &r.active)
		lower := strings.ToLower(r.key)
		t.mailboxes[r.key], t.boxes[lower] = r, r.key
		if own := t.targets[lower]; t.folds && own != nil {
			delete(t.aliases, own.key)
			own.key = r.key
			t.aliases[own.key] = own
		}
		return err
	})
}

func (t *tables) readAliases(ctx context.Context, a asker, where string, args ...any) error {
	return a.each(ctx, "SELECT address, goto, active FROM alias"+where, args, func(scan func(...any) error) error {
		r := &aliasRow{}
		err := scan(&r.key, &r.targets, &r.active)
		if strings.HasPrefix(r.key, "@") {
			t.catchAlls++
			return err
		}
		lower := strings.ToLower(r.key)
		if t.folds {
			r.key = cmp.Or(t.boxes[lower], r.key)
		}
		t.aliases[r.key], t.targets[lower] = r, r
		return err
	})
}

// read reads the rows of keys.
func (t *tables) read(ctx context.Context, a asker, keys []string, lock bool) error {
	return inChunks(keys, func(some []string) error {
		if err := t.readMailboxes(ctx, a, " WHERE username IN ("+marks(len(some))+")"+a.locking(lock), values(some)...); err != nil {
			return err
		}
		return t.readAliases(ctx, a, " WHERE address IN ("+marks(len(some))+")"+a.locking(lock), values(some)...)
	})
}

// unknownTargets are the single targets of aliases among keys that were not read.
func (t *tables) unknownTargets(keys []string) (all []string) {
	for _, key := range keys {
		if r := t.aliases[key]; r != nil && t.mailboxes[key] == nil {
			if to := r.single(); to != "" && t.boxes[to] == "" && t.targets[to] == nil {
				all = append(all, to)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (t *tables) keys() (all []string) {
	for key := range t.mailboxes {
		all = append(all, key)
	}
	for key := range t.aliases {
		if t.mailboxes[key] == nil {
			all = append(all, key)
		}
	}
	slices.Sort(all)
	return all
}

func (t *tables) skipped() string {
	if t.catchAlls == 0 {
		return ""
	}
	return plural(t.catchAlls, "catch-all alias", "catch-all aliases")
}

// carries returns the key of the account whose alias a row is, or "".
func (t *tables) carries(r *aliasRow, all *owners) string {
	if t.mailboxes[r.key] != nil || all.ours(r.key) {
		return ""
	}
	to := r.single()
	holder := t.key(to)
	if holder == "" {
		return ""
	}
	if t.mailboxes[holder] == nil && !all.ours(holder) {
		// A list, unless it is the alias of another account itself.
		if next := t.targets[to].single(); next != "" && (t.boxes[next] != "" || t.targets[next] != nil) {
			return ""
		}
	}
	local, _, _ := strings.Cut(strings.ToLower(r.key), "@")
	if slices.Contains(system, local) {
		if o := all.of(holder); o == nil || !slices.Contains(o.aliases, strings.ToLower(r.key)) {
			return ""
		}
	}
	return holder
}

// key returns the key of who has an address in lower case, or "".
func (t *tables) key(lower string) string {
	switch {
	case lower == "":
		return ""
	case t.mailboxes[lower] != nil || t.aliases[lower] != nil:
		return lower
	case t.targets[lower] != nil:
		return t.targets[lower].key
	}
	return t.boxes[lower]
}

func (t *tables) accounts(all *owners) []*row {
	aliases := map[string][]*aliasRow{} // by the account that has them
	made := map[string]*row{}
	var list []*row
	add := func(key string) *postfixDetail {
		r := made[key]
		if r == nil {
			r = &row{key: key, detail: &postfixDetail{aliases: map[identity.Address]*aliasRow{}}}
			made[key] = r
			list = append(list, r)
		}
		return r.detail.(*postfixDetail)
	}
	for _, key := range t.keys() {
		if m := t.mailboxes[key]; m != nil {
			add(key).mailbox = m
		}
		r := t.aliases[key]
		if r == nil {
			continue
		}
		if holder := t.carries(r, all); holder != "" {
			aliases[holder] = append(aliases[holder], r)
		} else {
			add(key).own = r
		}
	}
	for _, r := range list {
		t.fill(r, aliases[r.key], all.of(r.key))
	}
	return list
}

// fill makes the account of its rows.
func (t *tables) fill(r *row, aliases []*aliasRow, o *owner) {
	d := r.detail.(*postfixDetail)
	var err error
	if r.account.Primary, err = identity.ParseAddress(r.key); err != nil {
		r.odd = "its address: " + err.Error()
	}
	ours := o != nil && !o.mark.IsZero()
	own := d.own != nil && d.own.active
	active := own
	if d.mailbox == nil {
		r.account.Type = identity.List
	} else {
		if ours {
			r.account.Type = o.typ
		}
		if d.mailbox.name != "" {
			r.account.Attributes = []identity.Attribute{{Name: identity.DisplayName, Value: d.mailbox.name}}
		}
		switch {
		case d.mailbox.active == own:
		case ours:
			active = !o.active
		default:
			active = true
		}
	}
	if !active {
		r.account.Status = identity.Inactive
	}
	for _, x := range aliases {
		address, err := identity.ParseAddress(x.key)
		switch {
		case err != nil:
			r.odd = "its alias " + strconv.Quote(x.key) + ": " + err.Error()
			continue
		case d.aliases[address] != nil:
			r.odd = "its alias " + address.String() + " is there twice, in capitals and in small letters"
		case !x.active && ours:
			// Somebody put it out of use: the account no longer has it.
			r.parked = append(r.parked, address)
		default:
			r.account.Aliases = append(r.account.Aliases, address)
		}
		d.aliases[address] = x
	}
	slices.SortFunc(r.account.Aliases, identity.Address.Compare)
}
