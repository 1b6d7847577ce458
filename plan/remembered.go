package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Key identifies the rejection among those of other runs: by directory, object,
// address and attribute. The object is known by its GUID, or by its DN where it
// has none of its own. Why it is rejected, everybody else who has a part in it,
// and all that a rename changes may be another in the next run.
func (r *Rejection) Key() string {
	return key(r.Directory, r.object(), r.Address, r.keyAttribute())
}

// object is the GUID of the object, or its DN where it has none of its own.
func (r *Rejection) object() string {
	if r.GUID.IsZero() || r.Reason == MissingGUID {
		return r.DN
	}
	return r.GUID.String()
}

func key(directory, object, address, attribute string) string {
	return fmt.Sprintf("%s %s %s %s", keyPart(directory), keyPart(object), keyPart(address), keyPart(attribute))
}

// waits stands in the keys of waits, between the directory and the prerequisite.
const waits = "waits"

// waitKey identifies the wait of an entry for a prerequisite, whatever its addresses
// are meanwhile.
func (r *Rejection) waitKey() string {
	return fmt.Sprintf("%s %s %s %s", keyPart(r.Directory), waits, keyPart(r.Guard), keyPart(r.object()))
}

// isWait reports whether a key is one of waits.
func isWait(key string) bool {
	quoted, _ := strconv.QuotedPrefix(key)
	return strings.HasPrefix(key[len(quoted):], " "+waits+" ")
}

// Known returns keys that were saved as [Plan.Remembered] makes them. In a history
// of format 1.0 they have the reason behind the directory, the address before the
// object, and the label of a guard at the end. What is no key is left out.
func Known(saved map[string]time.Time) map[string]time.Time {
	if saved == nil {
		return nil
	}
	all := make(map[string]time.Time, len(saved))
	for text, since := range saved {
		var parts []string
		reason := ""
		for rest := text; rest != ""; rest = strings.TrimPrefix(rest, " ") {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				reason, rest, _ = strings.Cut(rest, " ")
				continue
			}
			part, _ := strconv.Unquote(quoted)
			parts = append(parts, part)
			rest = rest[len(quoted):]
		}
		switch {
		case reason == "" && len(parts) == 4, reason == waits && len(parts) == 3:
			all[text] = since
		case reason != "" && len(parts) == 5:
			if reason == LegalHold.String() {
				parts[3] = ""
			}
			all[key(parts[0], parts[2], parts[1], parts[3])] = since
		}
	}
	return all
}

// keyPart quotes a text as it is read back from a saved plan, which has no
// invalid UTF-8.
func keyPart(text string) string { return strconv.Quote(string([]rune(text))) }

// directoryOf returns the directory of a key.
func directoryOf(key string) string {
	quoted, _ := strconv.QuotedPrefix(key)
	name, _ := strconv.Unquote(quoted)
	return name
}

// MarkNew marks the rejections of the plan by those that are known, which are
// the keys of earlier ones and since when they stand. What is not among them is
// new and stands since the plan was made. Where nothing is known, as nil says,
// all are new, and since when they stand is not. One that waits for another system
// stands since the wait began, and is overdue where that is longer ago, at the time of
// the plan, than its prerequisite says.
func (p *Plan) MarkNew(known map[string]time.Time, prerequisites []Prerequisite) {
	patience := map[string]time.Duration{}
	for i := range prerequisites {
		patience[prerequisites[i].Label] = prerequisites[i].Overdue
	}
	for i := range p.Rejections {
		r := &p.Rejections[i]
		since, found := known[r.Key()]
		r.New = !found
		if r.Reason == PrerequisiteMissing {
			since, found = known[r.waitKey()]
		}
		if !found && known != nil {
			since = p.Created
		}
		r.Since = since
		limit := patience[r.Guard]
		r.Overdue = r.Reason == PrerequisiteMissing && limit > 0 && !since.IsZero() && p.Created.Sub(since) > limit
	}
}

// Remembered returns what is known once the plan is applied: its own rejections,
// and those known before of directories that were not read. A plan that was made
// of no directories, such as one that takes back a run, leaves what is known as
// it is.
func (p *Plan) Remembered(known map[string]time.Time) map[string]time.Time {
	if p.undirected() {
		return known
	}
	all := p.waiting(known)
	for key, since := range known {
		if !isWait(key) && slices.Contains(p.Unread, directoryOf(key)) {
			all[key] = since
		}
	}
	for i := range p.Rejections {
		r := &p.Rejections[i]
		all[r.Key()] = p.since(r)
	}
	return all
}

// Awaited returns what is known once the plan is made, whatever becomes of it: the
// rejections known before, and who waits for another system by now.
func (p *Plan) Awaited(known map[string]time.Time) map[string]time.Time {
	if p.undirected() {
		return known
	}
	all := p.waiting(known)
	if known == nil && len(all) == 0 {
		return nil
	}
	for key, since := range known {
		if !isWait(key) {
			all[key] = since
		}
	}
	return all
}

// undirected reports whether the plan was made of no directories.
func (p *Plan) undirected() bool { return len(p.Directories)+len(p.Unread) == 0 }

// waiting returns the waits of the plan, and those known before of directories that
// were not read.
func (p *Plan) waiting(known map[string]time.Time) map[string]time.Time {
	all := make(map[string]time.Time, len(p.Rejections))
	for key, since := range known {
		if isWait(key) && slices.Contains(p.Unread, directoryOf(key)) {
			all[key] = since
		}
	}
	for i := range p.Rejections {
		if r := &p.Rejections[i]; r.Reason == PrerequisiteMissing {
			all[r.waitKey()] = p.since(r)
		}
	}
	return all
}

// since is when a rejection of the plan began to stand.
func (p *Plan) since(r *Rejection) time.Time {
	if r.Since.IsZero() {
		return p.Created
	}
	return r.Since
}

// NewRejections counts the rejections that are not known from an earlier run.
func (p *Plan) NewRejections() int {
	n := 0
	for i := range p.Rejections {
		n += boolInt(p.Rejections[i].New)
	}
	return n
}
