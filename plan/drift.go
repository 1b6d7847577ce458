package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Drift is a difference between what was applied to a console and what it has
// now: somebody changed it otherwise.
type Drift struct {
	Kind DriftKind
	// Primary is that of the account as the plan names it.
	Primary identity.Address
	// Ref is the console's own key, or "".
	Ref string
	// Field is what differs, such as "aliases" or "display_name"; "" where the
	// kind says it all.
	Field string
	// Recorded and Found are the values of the field, as text: several addresses
	// with ", " between them, and whose an account is as owner:directory/GUID.
	Recorded, Found string
	// Directory is that of the owner in the ledger, or else that of the mark. It is
	// not saved.
	Directory string
}

// Fails reports whether on_drift = "fail" minds the difference in a run that has not
// read some directories: what nobody has recorded it does not, nor what is theirs.
func (d *Drift) Fails(unread []string) bool {
	return d.Kind != DriftUnrecorded && !slices.Contains(unread, d.Directory)
}

func compareDrift(a, b Drift) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Primary.Compare(b.Primary), strings.Compare(a.Field, b.Field), strings.Compare(a.Ref, b.Ref),
		strings.Compare(a.Recorded, b.Recorded), strings.Compare(a.Found, b.Found))
}

// DriftKind says what happened to an account.
type DriftKind uint8

// The kinds of drift, in the order of the plan.
const (
	DriftGone       DriftKind = iota // it is no longer in the console
	DriftForeign                     // another configuration has marked it as its own
	DriftOwner                       // its mark names another object
	DriftChanged                     // a field has another value
	DriftUnrecorded                  // it is there, and the ledger does not know it
	DriftKinds      int       = iota // how many there are
)

var driftNames = [DriftKinds]string{"gone", "foreign", "owner", "changed", "unrecorded"}

// String returns the name by which plans speak of the kind.
func (k DriftKind) String() string { return driftNames[k] }

func parseDriftKind(name string) (DriftKind, error) {
	for k, n := range driftNames {
		if n == name {
			return DriftKind(k), nil
		}
	}
	return 0, fmt.Errorf("no kind of drift %q", name)
}

// ConsoleReceipt is what a console says about the read of it that a plan was made
// on.
type ConsoleReceipt struct {
	// Name is the label of the console's block and Kind its kind; "local" and
	// "local" where there is none.
	Name, Kind string
	// Product and Version are what the console calls itself; "" where it does not.
	Product, Version string
	// Accounts counts all accounts. Owned belong to a directory of this
	// configuration, Foreign to another configuration, Local to nobody.
	Accounts, Owned, Local, Foreign int
	// Seconds is how long the read took.
	Seconds float64
	Facts   Facts
	// Expiries are the ends of what the read rests on, as far as that is known. They are
	// not saved.
	Expiries []identity.Expiry
}

func (r *ConsoleReceipt) appendJSON(b []byte) []byte {
	if r == nil {
		return append(b, "null"...)
	}
	b = appendMember(b, "{", "name", r.Name)
	b = appendMember(b, ", ", "kind", r.Kind)
	b = appendMember(b, ", ", "product", r.Product)
	b = appendMember(b, ", ", "version", r.Version)
	b = fmt.Appendf(b, `, "accounts": %d, "owned": %d, "local": %d, "foreign": %d, "seconds": %.3f, "facts": `, r.Accounts, r.Owned, r.Local, r.Foreign, r.Seconds)
	return append(r.Facts.AppendJSON(b), '}')
}

// consoleDocument is the receipt of a console as it is read.
type consoleDocument struct {
	Name, Kind, Product, Version    string
	Accounts, Owned, Local, Foreign int
	Seconds                         float64
	Facts                           json.RawMessage
}

func (d *consoleDocument) receipt() (*ConsoleReceipt, error) {
	if d == nil {
		return nil, nil
	}
	facts, err := ParseFacts(d.Facts)
	return &ConsoleReceipt{
		Name: d.Name, Kind: d.Kind, Product: d.Product, Version: d.Version,
		Accounts: d.Accounts, Owned: d.Owned, Local: d.Local, Foreign: d.Foreign, Seconds: d.Seconds, Facts: facts,
	}, err
}

func (d *Drift) appendJSON(b []byte) []byte {
	b = appendMember(b, "{", "kind", d.Kind.String())
	b = appendMember(b, ", ", "primary", d.Primary.String())
	b = appendMember(b, ", ", "ref", d.Ref)
	b = appendMember(b, ", ", "field", d.Field)
	b = appendMember(b, ", ", "recorded", d.Recorded)
	return append(appendMember(b, ", ", "found", d.Found), '}')
}

// driftDocument is drift as it is read.
type driftDocument struct{ Kind, Primary, Ref, Field, Recorded, Found string }

func (d *driftDocument) drift() (all Drift, err error) {
	all = Drift{Ref: d.Ref, Field: d.Field, Recorded: d.Recorded, Found: d.Found}
	if all.Kind, err = parseDriftKind(d.Kind); err == nil && d.Primary != "" { // an account of a console may have none
		all.Primary, err = identity.ParseAddress(d.Primary)
	}
	return all, err
}

// Redacted returns the drift with masks.
func (d Drift) Redacted(m Masker) Drift {
	value := m.Name
	switch d.Field {
	case FieldPrimary, FieldAliases:
		value = func(text string) string {
			addresses := strings.Split(text, ", ")
			for n := range addresses {
				addresses[n] = m.Address(addresses[n])
			}
			slices.Sort(addresses)
			return strings.Join(addresses, ", ")
		}
	case FieldType, FieldStatus:
		value = func(text string) string { return text }
	case FieldDN:
		value = m.DN
	case "":
		value = func(text string) string { // whose it is
			whose, guid, _ := cutLast(text, "/")
			if guid != "" {
				guid = "/" + m.GUID(guid)
			}
			return whose + guid
		}
	}
	d.Recorded, d.Found, d.Ref = value(d.Recorded), value(d.Found), m.Name(d.Ref)
	if !d.Primary.IsZero() {
		d.Primary = identity.MustAddress(m.Address(d.Primary.String()))
	}
	return d
}

// cutLast cuts a text at the last of a separator.
func cutLast(text, sep string) (before, after string, found bool) {
	if n := strings.LastIndex(text, sep); n >= 0 {
		return text[:n], text[n+len(sep):], true
	}
	return text, "", false
}

// redactDetail masks what a cause is about: an address, a mark, or a text of the
// console, which may name anybody.
func redactDetail(c Cause, text string, m Masker) string {
	if c == NotUnderstood || c == "" {
		return m.Name(text)
	}
	if _, err := identity.ParseAddress(text); err == nil {
		return m.Address(text)
	}
	return m.Text(text)
}
