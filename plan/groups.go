package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// GroupKind says in what the changes of a group are equal. Its text is a stable
// code.
type GroupKind string

const (
	// DNComponents: the same components of the DN became the same others.
	DNComponents GroupKind = "dn_component"
	// DomainReplaced: the part before the @ stays, the domain is another.
	DomainReplaced GroupKind = "domain"
	// DomainAdded: accounts get addresses in a domain in which they had none.
	DomainAdded GroupKind = "domain_added"
	// DomainDropped: accounts that stay lose all their addresses in one domain.
	DomainDropped GroupKind = "domain_dropped"
	// DomainReduced: accounts that stay lose addresses in one domain, and keep
	// others in it.
	DomainReduced GroupKind = "domain_reduced"
	// SameValue: what had the same value gets the same other one.
	SameValue GroupKind = "value"
	// ValueAdded and ValueRemoved: an attribute that was empty gets a value, and
	// the reverse.
	ValueAdded   GroupKind = "value_added"
	ValueRemoved GroupKind = "value_removed"
	// SameReason: accounts lose all mail for the same reason.
	SameReason GroupKind = "reason"
	// AccountsRemoved: accounts go, and with them addresses that nobody gets.
	AccountsRemoved GroupKind = "removed"
	// SameCategory: nothing tells such changes apart but the account.
	SameCategory GroupKind = "category"
)

// GroupKey is what the changes of a group have in common.
type GroupKey struct {
	Category Category
	Kind     GroupKind
	// Attribute is that of an attribute_change.
	Attribute string
	// From and To are components of a DN, domains with their @, labels, values, or,
	// in From, a [LossReason]; "" is none, or, of a value that all do not share, any.
	From, To string
	// KeepsOld says that the old primary of a primary_change stays an alias.
	KeepsOld bool
	Withheld bool
}

// Group is a set of equal changes of ten accounts or more.
type Group struct {
	GroupKey
	// Accounts and Rows count what is in it.
	Accounts, Rows int

	shared [2]string // what an attribute was and is, as far as it is the same in all rows
}

// notLookedUp is the reason of those whose objects were not.
const notLookedUp = "not looked up"

// leastGroup is how many accounts make a group.
const leastGroup = 10

// Group returns the index of the row's group in [Plan.Groups], and false for a row
// that stands for itself.
func (c *Change) Group() (int, bool) { return int(c.group) - 1, c.group > 0 }

// Group puts equal changes together, as they are now.
func (p *Plan) Group() {
	var groups []Group
	keys, moves := map[GroupKey]int32{}, dnMoves{}
	var latest [Categories]int32 // of rows that are equal, most follow each other
	for i := range p.Changes {
		c := &p.Changes[i]
		c.group = 0
		key, grouped := c.groupKey(moves)
		if !grouped {
			continue
		}
		if key.Kind == SameReason && (p.Undoes > 0 || p.Recorded) { // the reason is that a run is taken back, or is not known
			key.Kind = SameCategory
		}
		n := latest[key.Category]
		if int(n) >= len(groups) || groups[n].GroupKey != key {
			known := false
			if n, known = keys[key]; !known {
				n = int32(len(groups))
				keys[key] = n
				groups = append(groups, Group{GroupKey: key})
			}
			latest[key.Category] = n
		}
		c.group = n + 1
		groups[n].take(c)
	}
	for n := range groups {
		groups[n].name()
	}
	countAccounts(groups, p.Changes)
	p.Groups = order(groups, p.Changes)
}

// take counts a row.
func (g *Group) take(c *Change) {
	if g.Rows++; g.Kind == ValueAdded || g.Kind == ValueRemoved {
		old, new := c.values()
		if g.Rows == 1 {
			g.shared = [2]string{old, new}
		} else if g.shared != [2]string{old, new} {
			g.shared = [2]string{}
		}
	}
}

// name names the value that all rows of a group get or lose.
func (g *Group) name() {
	if g.Kind == ValueAdded || g.Kind == ValueRemoved {
		g.From, g.To = g.shared[0], g.shared[1]
	}
}

// countAccounts counts the accounts of groups. Of most kinds an account has one row.
func countAccounts(groups []Group, rows []Change) {
	seen := make([]map[*identity.Account]struct{}, len(groups))
	for n := range groups {
		switch g := &groups[n]; {
		case g.Rows < leastGroup:
		case g.Category == Add || g.Category == Inactive:
			seen[n] = make(map[*identity.Account]struct{}, g.Rows)
		default:
			g.Accounts = g.Rows
		}
	}
	for i := range rows {
		if n, in := rows[i].Group(); in && seen[n] != nil {
			account := rows[i].Before
			if account == nil {
				account = rows[i].After
			}
			seen[n][account] = struct{}{}
		}
	}
	for n := range seen {
		if seen[n] != nil {
			groups[n].Accounts = len(seen[n])
		}
	}
}

// order drops groups that are too small, and sorts the others.
func order(groups []Group, rows []Change) []Group {
	sorted := make([]int32, 0, len(groups))
	for n := range groups {
		if groups[n].Accounts >= leastGroup {
			sorted = append(sorted, int32(n))
		}
	}
	slices.SortFunc(sorted, func(i, j int32) int { return compareGroups(&groups[i], &groups[j]) })
	place := make([]int32, len(groups)) // as rows have it
	ordered := make([]Group, len(sorted))
	for n, old := range sorted {
		place[old], ordered[n] = int32(n+1), groups[old]
	}
	for i := range rows {
		if n, in := rows[i].Group(); in {
			rows[i].group = place[n]
		}
	}
	return ordered
}

func compareGroups(x, y *Group) int {
	return cmp.Or(cmp.Compare(x.Category, y.Category), cmp.Compare(y.Accounts, x.Accounts), strings.Compare(string(x.Kind), string(y.Kind)),
		strings.Compare(x.Attribute, y.Attribute), strings.Compare(x.From, y.From), strings.Compare(x.To, y.To),
		cmp.Compare(boolInt(x.KeepsOld), boolInt(y.KeepsOld)), cmp.Compare(boolInt(x.Withheld), boolInt(y.Withheld)))
}

// groupKey returns what the change has in common with others that are equal, and
// false for one that stands for itself.
func (c *Change) groupKey(moves dnMoves) (GroupKey, bool) {
	key := GroupKey{Category: c.Category, Withheld: c.Withheld}
	if c.Drift {
		return key, false
	}
	switch c.Category {
	case Add:
		switch {
		case c.Before == nil:
			return key, false
		case !c.Before.Active():
			key.Kind = SameCategory
		default:
			key.Kind, key.To = DomainAdded, at(c.Address)
			if hasDomain(c.Before, c.Address.Domain()) {
				return key, false
			}
		}
	case Inactive:
		switch {
		case c.After == nil:
			key.Kind = AccountsRemoved
		case !c.After.Active():
			key.Kind, key.From = SameReason, string(c.Reason)
		case hasDomain(c.After, c.Address.Domain()):
			key.Kind, key.From = DomainReduced, at(c.Address)
		default:
			key.Kind, key.From = DomainDropped, at(c.Address)
		}
	case PrimaryChange:
		old, new := c.Before.Primary, c.After.Primary
		if old.Local() != new.Local() {
			return key, false
		}
		key.Kind, key.From, key.To, key.KeepsOld = DomainReplaced, at(old), at(new), c.After.Holds(old)
	case UsernameChange:
		return key, key.replaced(c.Before.Username, c.After.Username)
	case DirectorySwitch:
		key.Kind, key.From, key.To = SameValue, c.Before.Directory, c.After.Directory
	case TypeChange:
		key.Kind, key.From, key.To = SameValue, c.Before.Type.String(), c.After.Type.String()
	case Adoption:
		key.Kind, key.To = SameCategory, c.After.Directory
	case GUIDChange, Reactivation:
		key.Kind = SameCategory
	case AttributeChange:
		key.Attribute = c.Attribute
		if c.Attribute == AttributeDN {
			key.Kind = DNComponents
			moved := false
			key.From, key.To, moved = moves.of(c.Before.DN, c.After.DN)
			return key, moved
		}
		old, new := c.values()
		switch {
		case old == "":
			key.Kind = ValueAdded
		case new == "":
			key.Kind = ValueRemoved
		case key.replaced(old, new): // an attribute that holds an address
		default:
			key.Kind, key.From, key.To = SameValue, old, new
		}
	default: // what moves to another account is a decision of its own
		return key, false
	}
	return key, true
}

// values are what the attribute of an attribute_change was and is.
func (c *Change) values() (old, new string) {
	return identity.Lookup(c.Before.Attributes, c.Attribute), identity.Lookup(c.After.Attributes, c.Attribute)
}

// dnMoves are what moved entries have in common, by the containers that they were
// in and are in.
type dnMoves map[[2]string][2]string

// of returns what of the containers of an entry became what; false where its own
// relative name is another, in which nobody is equal.
func (m dnMoves) of(before, after string) (from, to string, moved bool) {
	parents := [2]string{identity.ParentDN(before), identity.ParentDN(after)}
	if before[:len(before)-len(parents[0])] != after[:len(after)-len(parents[1])] {
		return "", "", false
	}
	move, known := m[parents]
	if !known {
		move[0], move[1] = DNChange(parents[0], parents[1])
		m[parents] = move
	}
	return move[0], move[1], true
}

// replaced makes the key that of a text user@domain in which the domain alone
// became another, and reports whether it is.
func (k *GroupKey) replaced(old, new string) bool {
	user, from, ok := strings.Cut(old, "@")
	again, to, also := strings.Cut(new, "@")
	if !ok || !also || user != again {
		return false
	}
	k.Kind, k.From, k.To = DomainReplaced, old[len(old)-len(from)-1:], new[len(new)-len(to)-1:]
	return true
}

// at returns the domain of an address with its @.
func at(x identity.Address) string { return x.String()[len(x.Local()):] }

func hasDomain(a *identity.Account, domain string) bool {
	found := false
	a.EachAddress(func(x identity.Address) { found = found || x.Domain() == domain })
	return found
}

// Counted is how many accounts are in the group, and addresses where these are
// not the same.
func (g *Group) Counted() string {
	text := several(g.Accounts, "account", "accounts")
	if g.Rows != g.Accounts {
		text += " (" + several(g.Rows, "address", "addresses") + ")"
	}
	return text
}

// Part is a part of a sentence: words of this program, or a value as it came.
type Part struct {
	Text  string
	Value bool
}

// Text says what the changes of the group have in common.
func (g *Group) Text() string {
	var text strings.Builder
	for _, part := range g.Parts() {
		text.WriteString(part.Text)
	}
	return text.String()
}

// Parts says what the changes of the group have in common.
func (g *Group) Parts() []Part {
	var parts []Part
	say := func(text string) { parts = append(parts, Part{Text: text}) }
	value := func(text, without string) {
		if text == "" {
			say(without)
			return
		}
		parts = append(parts, Part{text, true})
	}
	switch {
	case g.Kind == DNComponents:
		say("dn: ")
	case g.Attribute != "":
		value(g.Attribute, "")
		say(": ")
	}
	becomes := func(before, after string) {
		value(g.From, before)
		say(" -> ")
		value(g.To, after)
	}
	would := oneOf(g.Withheld, "would ", "")
	switch g.Kind {
	case DNComponents:
		becomes("(none)", "(none)")
	case SameValue:
		becomes("local", "local") // of the directory of an account
	case ValueAdded:
		becomes("(none)", "a value")
	case ValueRemoved:
		becomes("a value", "(none)")
	case DomainReplaced:
		if becomes("", ""); g.Category == PrimaryChange {
			say(oneOf(g.KeepsOld, ", the old one stays as an alias", ", the old one is lost"))
		}
	case DomainAdded:
		say(oneOf(g.Rows == g.Accounts, "get an address in ", "get addresses in "))
		value(g.To, "")
	case DomainDropped:
		say(would + "lose all their addresses in ")
		value(g.From, "")
	case DomainReduced:
		say(would + oneOf(g.Rows == g.Accounts, "lose an address in ", "lose addresses in "))
		value(g.From, "")
		say(" and keep others in it")
	case SameReason:
		say(would + "lose all mail: " + cmp.Or(LossReason(g.From).Text(), notLookedUp))
	case AccountsRemoved:
		say(oneOf(g.Withheld, "would be removed", "are removed"))
	case SameCategory:
		switch g.Category {
		case Add:
			say(oneOf(g.Rows == g.Accounts, "come back with one more address", "come back with more addresses"))
		case Reactivation:
			say("come back")
		case Inactive:
			say(would + "lose all mail")
		case GUIDChange:
			say("change their GUID")
		case Adoption:
			say("get an owner in ")
			value(g.To, "")
		}
	}
	if g.Withheld {
		say(", withheld")
	}
	return parts
}

func oneOf(first bool, one, other string) string {
	if first {
		return one
	}
	return other
}

func (g *Group) appendJSON(b []byte) []byte {
	b = appendMember(b, "{", "category", g.Category.String())
	b = appendMember(b, ", ", "kind", string(g.Kind))
	b = appendMember(b, ", ", "attribute", g.Attribute)
	b = appendMember(b, ", ", "from", g.From)
	b = appendMember(b, ", ", "to", g.To)
	return fmt.Appendf(b, `, "count": %d, "rows": %d, "keeps_old": %t, "withheld": %t}`, g.Accounts, g.Rows, g.KeepsOld, g.Withheld)
}
