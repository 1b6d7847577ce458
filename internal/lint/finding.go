package lint

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/redact"
	"github.com/rollcall-cli/rollcall/internal/repair"
)

// Report is what is wrong in the directories that were read.
type Report struct {
	Directories []identity.Receipt
	// Findings are ordered by code, then by directory, DN and value; those of
	// DuplicateAddress by the address first.
	Findings []Finding
	// Counts holds how many findings there are of each code, with those of which
	// there were too many to keep.
	Counts [codes]int
}

// Count returns how many findings of a severity there are.
func (r *Report) Count(s Severity) int {
	n := 0
	for c, found := range r.Counts {
		if Code(c).Severity() == s {
			n += found
		}
	}
	return n
}

// LeftOut returns how many findings are counted and not kept.
func (r *Report) LeftOut() int {
	n := -len(r.Findings)
	for _, found := range r.Counts {
		n += found
	}
	return n
}

// Of returns the findings of a code.
func (r *Report) Of(c Code) []Finding {
	at := func(c Code) int {
		i, _ := slices.BinarySearchFunc(r.Findings, c, func(f Finding, c Code) int { return cmp.Compare(f.Code, c) })
		return i
	}
	return r.Findings[at(c):at(c+1)]
}

// Finding is one thing that is wrong with one entry.
type Finding struct {
	Code
	// Directory, Scope, DN and GUID name the entry.
	Entry
	// Attribute and Value are where it is wrong, as the directory has it; Value
	// is "" where it is about the whole entry.
	Attribute, Value string
	// Other is another value of the entry that it is compared with, or "".
	Other string
	// Reason is what more there is to say of the value, or "".
	Reason string
	// Others are the other entries that list the address, at most maxOthers, and
	// More is how many more there are.
	Others []Other
	More   int

	fix    fix
	to     []string // the values to put there
	named  bool     // GUID is the objectGUID
	ldap   bool     // the entry is none of Active Directory
	advice string   // "" for that of the code
	key    string   // orders the findings of a code
	number int32    // of the directory
	object int32
}

// Entry names an object.
type Entry struct{ Directory, Scope, DN, GUID string }

// Other is another entry that lists the address, and the value.
type Other struct {
	Entry
	Attribute, Value string
}

// fix is what a repair does with the value.
type fix uint8

const (
	undecided fix = iota // there is none: somebody must decide, or no command can
	drop                 // remove it
	swap                 // put another in its place
	set                  // put others in place of all values of the attribute
)

// Message is what was found, in a sentence.
func (f *Finding) Message() string {
	var b strings.Builder
	if f.whole() {
		b.WriteString("the entry ")
	} else {
		fmt.Fprintf(&b, "%s %q ", f.Attribute, f.Value)
	}
	b.WriteString(rules[f.Code].meaning)
	sep := ": "
	add := func(format string, args ...any) {
		fmt.Fprintf(&b, sep+format, args...)
		sep = "; "
	}
	if f.Other != "" {
		add("%q", f.Other)
	}
	if f.Reason != "" {
		add("%s", f.Reason)
	}
	for _, o := range f.Others {
		add("%q in directory %q has %s %q", o.DN, o.Directory, o.Attribute, o.Value)
	}
	if f.More > 0 {
		add("and %d more", f.More)
	}
	return b.String()
}

// Advice says what to do about this one, in the words of its attributes.
func (f *Finding) Advice() string { return cmp.Or(f.advice, f.Code.Advice()) }

// Change returns the repair; an empty one where somebody must decide first.
func (f *Finding) Change() *repair.Change {
	c := &repair.Change{DN: f.DN, LDAP: f.ldap}
	if f.named {
		c.GUID = f.GUID
	}
	switch f.fix {
	case swap:
		c.Add = repair.Of(f.Attribute, f.to...)
		fallthrough
	case drop:
		c.Remove = repair.Of(f.Attribute, f.Value)
	case set:
		c.Replace = repair.Of(f.Attribute, f.to...)
	}
	return c
}

// Fingerprint returns 64 hex digits that are the same in each run that has the
// finding, also after the entry was renamed.
func (f *Finding) Fingerprint() string {
	entry := f.GUID
	if entry == "" {
		entry = strings.ToLower(f.DN)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q", f.Code, f.Directory, entry, strings.ToLower(f.Attribute), f.Value))
	return hex.EncodeToString(sum[:])
}

func (f *Finding) compare(g *Finding) int {
	return cmp.Or(cmp.Compare(f.Code, g.Code), strings.Compare(f.key, g.key), cmp.Compare(f.number, g.number), strings.Compare(f.DN, g.DN),
		strings.Compare(f.GUID, g.GUID), strings.Compare(f.Attribute, g.Attribute), strings.Compare(f.Value, g.Value), strings.Compare(f.Other, g.Other))
}

// Redacted returns the report with masks in place of what identifies people, in
// the order of these. A nil mask gives the report itself.
func (r *Report) Redacted(m *redact.Mask) *Report {
	if m == nil {
		return r
	}
	masked := *r
	masked.Findings = slices.Clone(r.Findings)
	for i := range masked.Findings {
		f := &masked.Findings[i]
		f.Entry = f.masked(m)
		mask := func(v string) string { return maskValue(m, v) }
		if f.Code == AttributeTooLong || f.Code == WrongEncoding {
			mask = m.Name
		}
		f.Value, f.Other, f.key = mask(f.Value), mask(f.Other), m.Address(f.key)
		f.to = slices.Clone(f.to)
		for j := range f.to {
			f.to[j] = mask(f.to[j])
		}
		f.Others = slices.Clone(f.Others)
		for j := range f.Others {
			o := &f.Others[j]
			o.Entry, o.Value = o.masked(m), mask(o.Value)
		}
	}
	masked.sort()
	return &masked
}

func (r *Report) sort() {
	slices.SortFunc(r.Findings, func(a, b Finding) int { return a.compare(&b) })
}

func (e Entry) masked(m *redact.Mask) Entry {
	return Entry{e.Directory, e.Scope, m.DN(e.DN), m.GUID(e.GUID)}
}

// maskValue masks the address of a value and leaves its prefix and the white
// space around it.
func maskValue(m *redact.Mask, v string) string {
	address := strings.TrimSpace(v)
	if n := directory.Prefix([]byte(address)); n > 0 {
		address = strings.TrimSpace(address[n+1:])
	}
	if address == "" {
		return v
	}
	at := strings.LastIndex(v, address)
	return v[:at] + m.Address(address) + v[at+len(address):]
}
