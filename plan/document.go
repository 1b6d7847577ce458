package plan

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/parallel"
)

// FormatVersion is the version of the plan document. Its major number changes
// when a reader of the old one could misunderstand the new. A plan of version
// 1.0, which has no removal rows and knows of deactivations alone that are
// withheld, can be shown, and not be applied.
const (
	FormatVersion = "1.1"
	firstVersion  = "1.0"
)

// utc is the layout of RFC 3339 for a time in UTC.
const utc = "2006-01-02T15:04:05Z"

// field is a key of a change row beside the common ones.
type field struct {
	key   string
	value func(*Row) *string
}

var (
	newPrimary        = field{"new_primary", func(r *Row) *string { return &r.NewPrimary }}
	originalPrimary   = field{"original_primary", func(r *Row) *string { return &r.OriginalPrimary }}
	guid              = field{"guid", func(r *Row) *string { return &r.GUID }}
	originalGUID      = field{"original_guid", func(r *Row) *string { return &r.OriginalGUID }}
	newGUID           = field{"new_guid", func(r *Row) *string { return &r.NewGUID }}
	username          = field{"username", func(r *Row) *string { return &r.Username }}
	originalUsername  = field{"original_username", func(r *Row) *string { return &r.OriginalUsername }}
	newUsername       = field{"new_username", func(r *Row) *string { return &r.NewUsername }}
	dn                = field{"dn", func(r *Row) *string { return &r.DN }}
	originalDirectory = field{"original_directory", func(r *Row) *string { return &r.OriginalDirectory }}
	newDirectory      = field{"new_directory", func(r *Row) *string { return &r.NewDirectory }}
	originalType      = field{"original_type", func(r *Row) *string { return &r.OriginalType }}
	newType           = field{"new_type", func(r *Row) *string { return &r.NewType }}
	reason            = field{"reason", func(r *Row) *string { return &r.Reason }}
	attribute         = field{"attribute", func(r *Row) *string { return &r.Attribute }}
	original          = field{"original", func(r *Row) *string { return &r.Original }}
	newValue          = field{"new", func(r *Row) *string { return &r.New }}
	dnChange          = field{"dn_change", func(r *Row) *string { return &r.DNChange }}
)

// fields are the keys that the rows of each category have beside category,
// address, type, directory, withheld and drift.
var fields = [Categories][]field{
	Add:             {newPrimary, guid, username, dn},
	Inactive:        {originalPrimary, guid, username, dn, reason},
	PrimaryChange:   {originalPrimary, newPrimary},
	DirectorySwitch: {originalDirectory, newDirectory},
	AliasSwitch:     {originalPrimary, newPrimary},
	AliasToPrimary:  {originalPrimary},
	PrimaryToAlias:  {newPrimary},
	PrimarySwitch:   {originalGUID, newGUID},
	TypeChange:      {originalType, newType, reason},
	UsernameChange:  {originalUsername, newUsername},
	Adoption:        {guid, username, dn},
	GUIDChange:      {originalGUID, newGUID},
	Reactivation:    {guid},
	Removal:         {guid, originalDirectory, newPrimary},
	AttributeChange: {attribute, original, newValue, dnChange},
}

// WriteJSON writes the plan as one JSON document: the saved plan. Its keys and
// rows are in fixed order, none is left out, and lists are never null.
//
// Its last key is the checksum of all that stands before.
func (p *Plan) WriteJSON(w io.Writer) error {
	whole := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, whole), 1<<16)
	b := make([]byte, 0, 4096)
	b = append(b, "{\n"...)
	b = appendMember(b, "  ", "format_version", p.format())
	b = appendMember(b, ",\n  ", "rollcall_version", p.ToolVersion)
	b = appendMember(b, ",\n  ", "created", p.Created.UTC().Format(time.RFC3339))
	b = appendMember(b, ",\n  ", "expires", p.Expires.UTC().Format(time.RFC3339))
	b = appendMember(b, ",\n  ", "config_digest", p.ConfigDigest)
	b = appendMember(b, ",\n  \"state\": {", "lineage", p.Lineage)
	b = fmt.Appendf(b, ", \"serial\": %d", p.Serial)
	b = append(appendMember(b, ", ", "sha256", p.StateSum), '}')
	b = fmt.Appendf(b, ",\n  \"redacted\": %t,\n  \"undoes\": %d", p.Redacted, p.Undoes)
	b = appendList(b, "directories", len(p.Directories), func(b []byte, i int) []byte {
		return appendReceipt(b, &p.Directories[i])
	})
	b = appendList(b, "prerequisites", len(p.Prerequisites), func(b []byte, i int) []byte { return p.Prerequisites[i].appendJSON(b) })
	b = append(b, ",\n  \"console\": "...)
	b = p.Console.appendJSON(b)
	b = appendList(b, "unread", len(p.Unread), func(b []byte, i int) []byte { return identity.AppendJSONString(b, p.Unread[i]) })
	b = appendList(b, "only", len(p.Only), func(b []byte, i int) []byte { return identity.AppendJSONString(b, p.Only[i]) })
	b = appendList(b, "except", len(p.Except), func(b []byte, i int) []byte { return identity.AppendJSONString(b, p.Except[i]) })
	b = appendList(b, "causes", len(p.Causes), func(b []byte, i int) []byte { return identity.AppendJSONString(b, p.Causes[i]) })
	b = appendList(b, "warnings", len(p.Warnings), func(b []byte, i int) []byte { return identity.AppendJSONString(b, p.Warnings[i]) })
	s := p.Summary()
	b = append(b, ",\n  \"summary\": {"...)
	for c := range s.Changes {
		b = fmt.Appendf(b, "%q: %d, ", Category(c).String(), s.Changes[c])
	}
	b = fmt.Appendf(b, `"rejection": %d, "withheld": %d, "withheld_accounts": %d, "left_out": %d, "left_out_accounts": %d, "ignored": %d, "unchanged_accounts": %d}`,
		s.Rejections, s.Withheld, s.WithheldAccounts, s.LeftOut, s.LeftOutAccounts, s.Ignored, s.Unchanged)
	b = s.Totals.appendJSON(append(b, ",\n  \"totals\": "...))
	b = appendMember(b, ",\n  ", "risk_level", p.RiskLevel().String())
	b = appendList(b, "risk", len(p.Risks), func(b []byte, i int) []byte { return p.Risks[i].appendJSON(b) })
	b = appendList(b, "active", len(p.Active), func(b []byte, i int) []byte {
		return fmt.Appendf(appendMember(b, "{", "directory", p.Active[i].Directory), `, "accounts": %d}`, p.Active[i].Accounts)
	})
	b = appendList(b, "groups", len(p.Groups), func(b []byte, i int) []byte { return p.Groups[i].appendJSON(b) })
	b = appendList(b, "limits", len(p.Allowances), func(b []byte, i int) []byte { return p.Allowances[i].appendJSON(b) })
	if _, err := out.Write(b); err != nil {
		return err
	}
	sum := p.boundTo()
	for _, list := range []struct {
		name string
		w    io.Writer
		n    int
		item func([]byte, int) []byte
	}{
		{"drift", out, len(p.Drift), func(b []byte, i int) []byte { return p.Drift[i].appendJSON(b) }},
		{"changes", out, len(p.Changes), func(b []byte, i int) []byte { return p.Changes[i].appendJSON(b) }},
		{"left_out", out, len(p.LeftOut), func(b []byte, i int) []byte { return p.LeftOut[i].appendJSON(b) }},
		{"rejections", out, len(p.Rejections), func(b []byte, i int) []byte { return p.Rejections[i].appendJSON(b) }},
		{"accounts", io.MultiWriter(out, sum), len(p.Accounts), func(b []byte, i int) []byte { return AppendAccountChange(b, &p.Accounts[i]) }},
	} {
		fmt.Fprintf(out, ",\n  %q: [", list.name)
		err := parallel.WriteItems(list.w, list.n, func(b []byte, i int) []byte { return list.item(append(b, separator(i)...), i) })
		if err != nil {
			return err
		}
		if list.n > 0 {
			fmt.Fprint(out, "\n  ")
		}
		fmt.Fprint(out, "]")
	}
	fmt.Fprintf(out, ",\n  \"id\": %q", digest(sum))
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, ending(whole))
	return err
}

// ending is how a document ends whose text until there has the given checksum.
func ending(whole hash.Hash) string { return fmt.Sprintf(",\n  \"checksum\": %q\n}\n", digest(whole)) }

// sealed takes a document and sums up all but its ending.
type sealed struct {
	whole hash.Hash
	end   []byte
}

func (s *sealed) Write(text []byte) (int, error) {
	s.end = append(s.end, text...)
	if n := len(s.end) - len(ending(sha256.New())); n > 0 {
		s.whole.Write(s.end[:n])
		s.end = append(s.end[:0], s.end[n:]...)
	}
	return len(text), nil
}

// fits reports whether the document is as it was written.
func (s *sealed) fits() bool { return string(s.end) == ending(s.whole) }

// ID returns the digest by which the plan is known: of what an apply commits,
// which is the list of accounts as it is written, and of what binds the plan to
// its state and configuration.
func (p *Plan) ID() string {
	if p.id != "" {
		return p.id
	}
	sum := p.boundTo()
	// A hash takes whatever is written.
	parallel.WriteItems(sum, len(p.Accounts), func(b []byte, i int) []byte { return AppendAccountChange(append(b, separator(i)...), &p.Accounts[i]) })
	return digest(sum)
}

// format returns the version of the document that the plan is written to.
func (p *Plan) format() string {
	if p.FirstFormat {
		return firstVersion
	}
	return FormatVersion
}

// boundTo returns a digest of all but the accounts.
func (p *Plan) boundTo() hash.Hash {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %d %d %s %s %d %s\n", p.format(), p.Created.Unix(), p.Expires.Unix(), p.ConfigDigest, p.Lineage, p.Serial, p.StateSum)
	return sum
}

func digest(sum hash.Hash) string { return "sha256:" + hex.EncodeToString(sum.Sum(nil)) }

func separator(i int) string {
	if i == 0 {
		return "\n    "
	}
	return ",\n    "
}

func appendList(b []byte, name string, n int, item func([]byte, int) []byte) []byte {
	b = fmt.Appendf(b, ",\n  %q: [", name)
	for i := range n {
		b = append(b, separator(i)...)
		b = item(b, i)
	}
	if n > 0 {
		b = append(b, "\n  "...)
	}
	return append(b, ']')
}

func appendMember(b []byte, before, key, value string) []byte {
	b = append(b, before...)
	b = append(b, '"')
	b = append(b, key...)
	b = append(b, `": `...)
	return identity.AppendJSONString(b, value)
}

func appendReceipt(b []byte, r *identity.Receipt) []byte {
	b = appendMember(b, "{", "name", r.Name)
	b = appendMember(b, ", ", "kind", r.Kind)
	b = appendMember(b, ", ", "server", r.Server)
	b = appendMember(b, ", ", "identity", r.Identity)
	b = fmt.Appendf(b, `, "usn_before": %d, "usn_after": %d, "reread": %d, "pages": %d, "ranged": %d, "references": [`,
		r.USNBefore, r.USNAfter, r.Reread, r.Pages, r.Ranged)
	for i, url := range r.References {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = identity.AppendJSONString(b, url)
	}
	b = fmt.Appendf(b, `], "scanned": %d, "entries": %d, "passed_over": {"deleted": %d, "conflict": %d, "system": %d, "ignored": %d}`,
		r.Scanned, r.Entries, r.PassedOver.Deleted, r.PassedOver.Conflict, r.PassedOver.System, r.PassedOver.Ignored)
	b = fmt.Appendf(b, `, "seconds": %.3f, "complete": %t, "delta": %t, "since": `, r.Seconds, r.Complete, r.Delta)
	if r.Since.IsZero() {
		b = append(b, "null"...)
	} else {
		b = identity.AppendJSONString(b, r.Since.UTC().Format(time.RFC3339))
	}
	return append(appendMember(b, ", ", "full", r.Full), '}')
}

func (c *Change) appendJSON(b []byte) []byte {
	row := spareRows.Get().(*Row) // a plan has millions, and each would be garbage
	*row = c.Row()
	b = strconv.AppendBool(append(row.appendJSON(b), `, "withheld": `...), row.Withheld)
	b = append(strconv.AppendBool(append(b, `, "drift": `...), row.Drift), '}')
	spareRows.Put(row)
	return b
}

var spareRows = sync.Pool{New: func() any { return new(Row) }}

// appendJSON writes the keys of a row up to what marks it.
func (row *Row) appendJSON(b []byte) []byte {
	b = appendMember(b, "{", "category", row.Category.String())
	b = appendMember(b, ", ", "address", row.Address)
	b = appendMember(b, ", ", "type", row.Type)
	b = appendMember(b, ", ", "directory", row.Directory)
	for _, f := range fields[row.Category] {
		b = appendMember(b, ", ", f.key, *f.value(row))
	}
	return b
}

func (l *LeftOut) appendJSON(b []byte) []byte {
	row := l.Row()
	category := ""
	if !l.With.Address.IsZero() {
		category = l.With.Category.String()
	}
	b = appendMember(row.appendJSON(b), `, "with": {`, "category", category)
	b = appendMember(b, ", ", "address", l.With.Address.String())
	return append(b, "}}"...)
}

func (r *Rejection) appendJSON(b []byte) []byte {
	b = appendMember(b, "{", "reason", r.Reason.String())
	b = appendMember(b, ", ", "message", r.Message(Names{}))
	b = appendMember(b, ", ", "remedy", r.Remedy(Names{}))
	b = appendMember(b, ", ", "address", r.Address)
	b = appendMember(b, ", ", "type", r.Type.String())
	b = appendMember(b, ", ", "primary", r.Primary)
	b = appendMember(b, ", ", "guid", r.GUID.String())
	b = appendMember(b, ", ", "dn", r.DN)
	b = appendMember(b, ", ", "directory", r.Directory)
	b = appendMember(b, ", ", "scope", r.Scope)
	b = appendMember(b, `, "other": {`, "kind", r.Other.Kind.String())
	b = appendMember(b, ", ", "name", r.Other.Name)
	b = appendMember(b, ", ", "directory", r.Other.Directory)
	b = appendMember(b, ", ", "owner", r.Other.Owner)
	b = fmt.Appendf(b, `, "more": %d}`, r.Other.More)
	b = appendMember(b, ", ", "guard", r.Guard)
	b = appendMember(b, ", ", "attribute", r.Attribute)
	b = fmt.Appendf(b, `, "limit": %d, "length": %d`, r.Limit, r.Length)
	b = appendMember(b, ", ", "wanted", r.Wanted)
	b = appendMember(b, ", ", "cause", string(r.Cause))
	b = appendMember(b, ", ", "detail", r.Detail)
	match := ""
	if r.Reason == PrerequisiteMissing {
		match = r.Match.String()
	}
	b = appendMember(b, ", ", "match", match)
	since := ""
	if !r.Since.IsZero() {
		since = r.Since.UTC().Format(utc)
	}
	b = appendMember(b, ", ", "since", since)
	return fmt.Appendf(b, `, "new": %t, "overdue": %t, "no_account": %t}`, r.New, r.Overdue, r.NoAccount)
}

// partyNames are those of [PartyKind].
var partyNames = []string{"", "entry", "account", "directory"}

// String returns "entry", "account", "directory" or "".
func (k PartyKind) String() string { return partyNames[k] }

// AppendAccountChange appends an account change as the plan document has it.
func AppendAccountChange(b []byte, c *AccountChange) []byte {
	b = identity.AppendOptional(append(b, `{"before": `...), c.Before)
	b = identity.AppendOptional(append(b, `, "after": `...), c.After)
	b = identity.AppendOptional(append(b, `, "kept": `...), c.Kept)
	b = fmt.Appendf(b, `, "withheld": %t`, c.Withheld)
	if c.Gone { // a document of a version before has no such key
		b = append(b, `, "gone": true`...)
	}
	return append(b, '}')
}

// document is the saved plan as it is read.
type document struct {
	FormatVersion   string `json:"format_version"`
	RollcallVersion string `json:"rollcall_version"`
	Created         time.Time
	Expires         time.Time
	ConfigDigest    string `json:"config_digest"`
	State           struct {
		Lineage string
		Serial  int64
		SHA256  string
	}
	Redacted      bool
	Undoes        int
	Directories   []identity.Receipt
	Prerequisites []PrerequisiteReceipt
	Console       *consoleDocument
	Unread        []string
	Only          []string
	Except        []string
	Causes        []string
	Warnings      []string
	Summary       map[string]int
	Totals        map[string]int // all but one follow from the accounts
	RiskLevel     string         `json:"risk_level"` // follows from the risks
	Risk          []struct {
		Code  RiskCode
		Level string
		Count int
		Text  string
	}
	Active     []ActiveAccounts
	Groups     json.RawMessage // follow from the changes
	Limits     []allowanceDocument
	Drift      []driftDocument
	Changes    []json.RawMessage
	LeftOut    []json.RawMessage `json:"left_out"`
	Rejections []rejectionDocument
	Accounts   []struct {
		Before, After, Kept json.RawMessage
		Withheld, Gone      bool
	}
	ID, Checksum string

	// ComparisonVersion stands in the document of a comparison, which is no plan.
	ComparisonVersion string `json:"comparison_version"`
}

type rejectionDocument struct {
	Reason, Message, Remedy, Address, Type, Primary, GUID, DN, Directory, Scope string

	Other struct {
		Kind, Name, Directory, Owner string
		More                         int
	}
	Guard, Attribute, Wanted, Match, Since string
	Cause                                  Cause
	Detail                                 string
	Limit, Length                          int
	New, Overdue                           bool
	NoAccount                              bool `json:"no_account"`
}

// ReadJSON reads a saved plan, which must be, to the octet, as it was written.
func ReadJSON(r io.Reader) (*Plan, error) {
	seal := &sealed{whole: sha256.New()}
	p, id, err := parse(io.TeeReader(r, seal))
	if err != nil {
		return nil, err
	}
	if !seal.fits() || id != p.ID() {
		return nil, errors.New("the plan was changed after it was made: its checksum does not fit")
	}
	p.id = id
	return p, nil
}

// parse reads the document of a plan, and its id, and does not look at the
// checksum. The rows of the change set are derived again from the accounts and
// compared with those that were saved, so that a plan whose parts contradict
// each other is refused. Only why an address is lost and what takes drift back is
// taken as it stands. The
// rows of version 1.0 are derived as those of this one.
func parse(r io.Reader) (*Plan, string, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var doc document
	if err := dec.Decode(&doc); err != nil {
		if doc.ComparisonVersion != "" {
			return nil, "", errors.New("it is a comparison of two configurations and no plan: make one without --compare")
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, "", errors.New("the plan is cut short")
		}
		return nil, "", fmt.Errorf("not a plan: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, "", errors.New("not a plan: something follows the document")
	}
	if doc.FormatVersion == "" {
		return nil, "", errors.New("not a plan: it has no format_version")
	}
	if major, _, _ := strings.Cut(doc.FormatVersion, "."); major != "1" {
		return nil, "", fmt.Errorf("the plan has format version %q, and this version of rollcall reads 1.x", doc.FormatVersion)
	}
	p := &Plan{Header: Header{
		ToolVersion: doc.RollcallVersion, Created: doc.Created.UTC(), Expires: doc.Expires.UTC(), ConfigDigest: doc.ConfigDigest,
		Lineage: doc.State.Lineage, Serial: doc.State.Serial, StateSum: doc.State.SHA256, Redacted: doc.Redacted,
		Undoes: doc.Undoes, Directories: doc.Directories, Prerequisites: doc.Prerequisites, Unread: doc.Unread, Only: doc.Only, Except: doc.Except, Causes: doc.Causes, Warnings: doc.Warnings,
		FirstFormat: doc.FormatVersion == firstVersion,
	}, Unchanged: doc.Summary["unchanged_accounts"], LeftOutAccounts: doc.Summary["left_out_accounts"], Ignored: doc.Summary["ignored"],
		Active: doc.Active, WithoutAccount: doc.Totals["entries_without_account"]}
	for i := range doc.Limits {
		p.Allowances = append(p.Allowances, doc.Limits[i].allowance())
	}
	var err error
	if p.Console, err = doc.Console.receipt(); err != nil {
		return nil, "", fmt.Errorf("not a plan: console: %w", err)
	}
	for n := range doc.Drift {
		d, err := doc.Drift[n].drift()
		if err != nil {
			return nil, "", fmt.Errorf("not a plan: drift %d: %w", n+1, err)
		}
		p.Drift = append(p.Drift, d)
	}
	var accounts identity.Decoder
	for n, c := range doc.Accounts {
		change := AccountChange{Withheld: c.Withheld, Gone: c.Gone}
		for _, one := range [...]struct {
			raw json.RawMessage
			to  **identity.Account
		}{{c.Before, &change.Before}, {c.After, &change.After}, {c.Kept, &change.Kept}} {
			var err error
			if *one.to, err = accounts.Optional(one.raw); err != nil {
				return nil, "", fmt.Errorf("not a plan: account change %d: %w", n+1, err)
			}
		}
		if change.Before == nil && change.After == nil || change.Withheld != (change.Kept != nil) || change.Gone && (change.After != nil || change.Withheld) ||
			change.Withheld && (change.Before == nil || !change.Before.Active() || !change.Kept.Active()) {
			return nil, "", fmt.Errorf("the plan contradicts itself: account change %d changes nothing that it could", n+1)
		}
		p.Accounts = append(p.Accounts, change)
	}
	p.Changes = Rows(p.Accounts)
	if !p.FirstFormat {
		if err := p.checkRows(doc.Changes); err != nil {
			return nil, "", err
		}
	}
	p.Group()
	for n, r := range doc.Risk {
		level, err := ParseRiskLevel(r.Level)
		if err != nil {
			return nil, "", fmt.Errorf("not a plan: risk %d: %w", n+1, err)
		}
		p.Risks = append(p.Risks, Risk{Code: r.Code, Level: level, Count: r.Count, Words: r.Text})
	}
	for n, raw := range doc.LeftOut {
		l, err := readLeftOut(raw, p.FirstFormat)
		if err != nil {
			return nil, "", fmt.Errorf("not a plan: row %d that is left out: %w", n+1, err)
		}
		p.LeftOut = append(p.LeftOut, l)
	}
	for n := range doc.Rejections {
		r, err := doc.Rejections[n].rejection()
		if err != nil {
			return nil, "", fmt.Errorf("not a plan: rejection %d: %w", n+1, err)
		}
		p.Rejections = append(p.Rejections, r)
	}
	return p, doc.ID, nil
}

// checkRows compares the rows with those of a document, and takes over why
// addresses are lost, and which rows take drift back.
func (p *Plan) checkRows(rows []json.RawMessage) error {
	if len(p.Changes) != len(rows) {
		return fmt.Errorf("the plan contradicts itself: it lists %d changes, and its accounts make %d", len(rows), len(p.Changes))
	}
	var want, got bytes.Buffer
	for i := range p.Changes {
		c := &p.Changes[i]
		var row struct {
			Reason string
			Drift  bool
		}
		err := json.Unmarshal(rows[i], &row)
		if err == nil && c.Category == Inactive {
			c.Reason, err = parseLossReason(row.Reason)
		}
		if err != nil {
			return fmt.Errorf("not a plan: change %d: %w", i+1, err)
		}
		c.Drift = row.Drift
		want.Reset()
		got.Reset()
		if json.Compact(&want, c.appendJSON(nil)) != nil || json.Compact(&got, rows[i]) != nil || !bytes.Equal(want.Bytes(), got.Bytes()) {
			return fmt.Errorf("the plan contradicts itself: change %d does not follow from its accounts", i+1)
		}
	}
	return nil
}

// readLeftOut reads a row that is left out: all keys of its category, in their
// order, and no other. In version 1.0 some rows have fewer.
func readLeftOut(raw json.RawMessage, first bool) (l LeftOut, err error) {
	// Keys of other types than text are missed in the comparison below.
	var keys map[string]any
	if err := json.Unmarshal(raw, &keys); err != nil {
		return l, err
	}
	text := func(key string) string {
		value, _ := keys[key].(string)
		return value
	}
	row := Row{Address: text("address"), Type: text("type"), Directory: text("directory")}
	if row.Category, err = parseCategory(text("category")); err != nil {
		return l, err
	}
	for _, f := range fields[row.Category] {
		*f.value(&row) = text(f.key)
	}
	l.row = &row
	keys, _ = keys["with"].(map[string]any)
	if text("address") != "" {
		if l.With.Address, err = identity.ParseAddress(text("address")); err != nil {
			return l, err
		}
		if l.With.Category, err = parseCategory(text("category")); err != nil {
			return l, err
		}
	}
	var compact, again bytes.Buffer
	if !first && (json.Compact(&compact, raw) != nil || json.Compact(&again, l.appendJSON(nil)) != nil || !bytes.Equal(compact.Bytes(), again.Bytes())) {
		return l, errors.New("its keys are not those of its category")
	}
	return l, nil
}

func (d *rejectionDocument) rejection() (Rejection, error) {
	r := Rejection{
		Address: d.Address, Primary: d.Primary, DN: d.DN, Directory: d.Directory, Scope: d.Scope, Guard: d.Guard,
		Attribute: d.Attribute, Limit: d.Limit, Length: d.Length, Wanted: d.Wanted, New: d.New, Overdue: d.Overdue, NoAccount: d.NoAccount,
		Other: Party{Name: d.Other.Name, Directory: d.Other.Directory, Owner: d.Other.Owner, More: d.Other.More},
		Cause: d.Cause, Detail: d.Detail,
	}
	var err error
	if r.Reason, err = parseReason(d.Reason); err != nil {
		return r, err
	}
	kind := slices.Index(partyNames, d.Other.Kind)
	if kind < 0 {
		return r, fmt.Errorf("unknown kind of party %q", d.Other.Kind)
	}
	r.Other.Kind = PartyKind(kind)
	if d.Match != "" {
		if r.Match, err = ParseMatch(d.Match); err != nil {
			return r, err
		}
	}
	if r.Type, err = identity.ParseType(d.Type); err != nil {
		return r, err
	}
	if d.GUID != "" {
		if r.GUID, err = identity.ParseGUID(d.GUID); err != nil {
			return r, err
		}
	}
	if d.Since != "" {
		r.Since, err = time.Parse(utc, d.Since)
	}
	return r, err
}
