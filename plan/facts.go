package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Facts are what a console can do and what it keeps. The zero Facts are those of
// a console that says nothing of itself.
type Facts struct {
	// Types are those of accounts that it has; none means all.
	Types []identity.Type
	// Removes says that an inactive account is one that is not there any more.
	Removes bool
	// FixedPrimary says that the primary of an account never changes.
	FixedPrimary bool
	// Marks says that it stores whose an account is.
	Marks bool
	// Unstable says that the key of an account may change or be used again.
	Unstable bool
	// Stores are the names of fields and attributes that it keeps; nil means all.
	Stores []string
	// Lengths are the most characters of attributes, by name.
	Lengths map[string]int
	// MaxAliases is the most aliases of an account; 0 is no bound.
	MaxAliases int
	// Domains are those that it manages; none means all.
	Domains []string
	// Batch is the most changes of one request; 0 is [DefaultBatch].
	Batch int
	// Groups says that changes of one group are made all or none.
	Groups bool
	// DryRun says that it can try changes without making them.
	DryRun bool
	// Ledger says that it can remember, for each owner, to which ledger its accounts
	// belong.
	Ledger bool
	// DeletedBlocks is how long a removed account holds its addresses.
	DeletedBlocks time.Duration
	// Settles is how long a change may take until it is seen.
	Settles time.Duration

	// Publishes says that all changes are made at once, in the end. It is a fact
	// of a kind, which no console says of itself, as are the next two.
	Publishes bool
	// Exclusive says that nobody else has accounts there.
	Exclusive bool
	// Embedded says that the ledger is the console: there is nothing else to read.
	Embedded bool
}

// DefaultBatch is how many changes a request has at most where a console does not
// say.
const DefaultBatch = 100

// The fields of accounts. Every console stores the primary, and may store the
// others. Attributes go by their own names.
const (
	FieldPrimary  = "primary"
	FieldAliases  = "aliases"
	FieldType     = "type"
	FieldStatus   = "status"
	FieldOwner    = "owner"
	FieldUsername = "username"
	FieldDN       = "dn"
)

// Keeps reports whether the console stores a field or an attribute.
func (f *Facts) Keeps(name string) bool {
	if name == FieldOwner {
		return f.Marks
	}
	return f.Stores == nil || slices.Contains(f.Stores, name)
}

// BatchSize is how many changes a request has at most.
func (f *Facts) BatchSize() int {
	if f.Batch > 0 {
		return f.Batch
	}
	return DefaultBatch
}

// factsDocument are facts as documents have them. What is left out is the default.
type factsDocument struct {
	Types         []string       `json:"types,omitempty"`
	Inactive      string         `json:"inactive,omitempty"`
	Rename        *bool          `json:"rename,omitempty"`
	Owner         string         `json:"owner,omitempty"`
	RefStable     *bool          `json:"ref_stable,omitempty"`
	Stores        []string       `json:"stores,omitempty"`
	Attributes    map[string]int `json:"attributes,omitempty"`
	MaxAliases    int            `json:"max_aliases,omitempty"`
	Domains       []string       `json:"domains,omitempty"`
	Batch         int            `json:"batch,omitempty"`
	Groups        bool           `json:"groups,omitempty"`
	DryRun        bool           `json:"dry_run,omitempty"`
	Ledger        bool           `json:"ledger,omitempty"`
	DeletedBlocks float64        `json:"deleted_blocks_for,omitempty"`
	Settles       float64        `json:"settles_within,omitempty"`
}

// ParseFacts reads facts from a JSON object with the keys of the protocol
// rollcall-console/1, of which all may be absent and others are passed over.
func ParseFacts(text []byte) (Facts, error) {
	var d factsDocument
	if len(text) == 0 {
		return Facts{}, nil
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return Facts{}, fmt.Errorf("facts: %w", err)
	}
	f := Facts{
		Stores: d.Stores, Lengths: d.Attributes, MaxAliases: d.MaxAliases, Domains: d.Domains, Batch: d.Batch, Groups: d.Groups, DryRun: d.DryRun, Ledger: d.Ledger,
		DeletedBlocks: time.Duration(d.DeletedBlocks * float64(time.Second)), Settles: time.Duration(d.Settles * float64(time.Second)),
		FixedPrimary: d.Rename != nil && !*d.Rename, Unstable: d.RefStable != nil && !*d.RefStable,
	}
	for _, name := range d.Types {
		t, err := identity.ParseType(name)
		if err != nil {
			return Facts{}, fmt.Errorf("facts: %w", err)
		}
		f.Types = append(f.Types, t)
	}
	switch d.Inactive {
	case "", "kept":
	case "removed":
		f.Removes = true
	default:
		return Facts{}, fmt.Errorf(`facts: inactive %q is neither "kept" nor "removed"`, d.Inactive)
	}
	switch d.Owner {
	case "", "none":
	case "stored":
		f.Marks = true
	default:
		return Facts{}, fmt.Errorf(`facts: owner %q is neither "none" nor "stored"`, d.Owner)
	}
	if f.MaxAliases < 0 || f.Batch < 0 || f.DeletedBlocks < 0 || f.Settles < 0 {
		return Facts{}, errors.New("facts: a number is negative")
	}
	return f, nil
}

// AppendJSON appends the facts as [ParseFacts] reads them, without those that are
// the default.
func (f *Facts) AppendJSON(b []byte) []byte {
	no := false
	d := factsDocument{
		Stores: f.Stores, Attributes: f.Lengths, MaxAliases: f.MaxAliases, Domains: f.Domains, Batch: f.Batch, Groups: f.Groups, DryRun: f.DryRun, Ledger: f.Ledger,
		DeletedBlocks: f.DeletedBlocks.Seconds(), Settles: f.Settles.Seconds(),
	}
	for _, t := range f.Types {
		d.Types = append(d.Types, t.String())
	}
	if f.Removes {
		d.Inactive = "removed"
	}
	if f.Marks {
		d.Owner = "stored"
	}
	if f.FixedPrimary {
		d.Rename = &no
	}
	if f.Unstable {
		d.RefStable = &no
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(&d); err != nil {
		panic(err) // a struct of texts and numbers
	}
	return append(b, bytes.TrimSpace(text.Bytes())...)
}
