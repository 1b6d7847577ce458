package render

import (
	"bufio"
	"cmp"
	"io"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// AccountsDiff writes how accounts changed, as a unified diff of texts that have
// one line for each value of an account. Each hunk is about one account and
// bears its primary. Both lists are in byte order of their primaries; it takes
// time in proportion to their lengths. Equal lists write nothing.
func AccountsDiff(w io.Writer, oldName, newName string, old, new []identity.Account, color bool) error {
	out := bufio.NewWriterSize(w, 64<<10)
	u := unified{out: out, color: color}
	begun := false
	for len(old) > 0 || len(new) > 0 {
		var a, b *identity.Account
		order := len(new) - len(old) // where one list has ended, the other is next
		if len(old) > 0 && len(new) > 0 {
			order = old[0].Primary.Compare(new[0].Primary)
		}
		if order <= 0 {
			a, old = &old[0], old[1:]
		}
		if order >= 0 {
			b, new = &new[0], new[1:]
		}
		if a != nil && b != nil && sameAccount(a, b) {
			n := countValues(a)
			u.oldBefore += n
			u.newBefore += n
			continue
		}
		if !begun {
			u.put(bold, "--- "+oldName+"\n")
			u.put(bold, "+++ "+newName+"\n")
			begun = true
		}
		u.account(a, b)
	}
	return out.Flush()
}

// account writes the hunks of an account that differs; nil is none.
func (u *unified) account(a, b *identity.Account) {
	before, after := values(a), values(b)
	u.old, u.new = nil, nil
	for _, v := range before {
		u.old = append(u.old, v.line)
	}
	for _, v := range after {
		u.new = append(u.new, v.line)
	}
	if u.name = ""; a != nil {
		u.name = a.Primary.String()
	} else {
		u.name = b.Primary.String()
	}
	for _, hunk := range hunks(compareValues(before, after)) {
		u.hunk(hunk)
	}
	u.oldBefore += len(before)
	u.newBefore += len(after)
}

// value is one line of an account. The values of an account are in order of
// kind and name, each of them once.
type value struct {
	kind int
	name string // what tells values of one kind from each other
	line string
}

func values(a *identity.Account) []value {
	if a == nil {
		return nil
	}
	var all []value
	kind := 0
	add := func(label, name, text string) {
		all = append(all, value{kind, name, escape(label, invisible) + ": " + escape(text, invisible) + "\n"})
	}
	single := func(label, text string) {
		if kind++; text != "" {
			add(label, "", text)
		}
	}
	single("primary", a.Primary.String())
	kind++
	for _, alias := range a.Aliases {
		add("alias", alias.String(), alias.String())
	}
	single("type", a.Type.String())
	single("status", a.Status.String())
	single("directory", a.Directory)
	single("guid", a.GUID.String())
	single("username", a.Username)
	single("dn", a.DN)
	kind++
	for _, attr := range a.Attributes {
		add(attr.Name, attr.Name, attr.Value)
	}
	return all
}

// countValues returns len(values(a)).
func countValues(a *identity.Account) int {
	n := 3 + len(a.Aliases) + len(a.Attributes)
	for _, there := range []bool{a.Directory != "", !a.GUID.IsZero(), a.Username != "", a.DN != ""} {
		if there {
			n++
		}
	}
	return n
}

// compareValues finds the difference in one pass, since both lists are in order.
func compareValues(old, new []value) edits {
	var all edits
	for i, j := 0, 0; i < len(old) || j < len(new); {
		order := len(new) - j - (len(old) - i)
		if i < len(old) && j < len(new) {
			order = cmp.Or(cmp.Compare(old[i].kind, new[j].kind), cmp.Compare(old[i].name, new[j].name))
		}
		switch {
		case order < 0:
			all.add(false, 1, 0)
			i++
		case order > 0:
			all.add(false, 0, 1)
			j++
		default:
			if old[i].line == new[j].line {
				all.add(true, 1, 1)
			} else {
				all.add(false, 1, 1)
			}
			i++
			j++
		}
	}
	return all
}

func sameAccount(a, b *identity.Account) bool {
	return a.Primary == b.Primary && a.Type == b.Type && a.Status == b.Status && a.Directory == b.Directory && a.GUID == b.GUID &&
		a.Username == b.Username && a.DN == b.DN && slices.Equal(a.Aliases, b.Aliases) && slices.Equal(a.Attributes, b.Attributes)
}
