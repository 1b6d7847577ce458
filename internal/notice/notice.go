// Package notice decides what people are told of a run, whom, and when: a condition
// when it begins, when it changes, after a while if it still stands, and once when it is
// over; an event once. It reads no clock and sends nothing.
//
//	plan, result, error ──> Find ──> findings ──> File ──> messages and conditions of the outbox
package notice

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/run"
)

// Most is how many items a notice has at most.
const Most = 50

// Channel is who is told of what.
type Channel struct {
	Label string
	On    []run.NoticeKind
	// Repeat is after what time a condition that still stands is told again, 0 for never.
	Repeat time.Duration
	// Redacted says that names are masked.
	Redacted bool
}

// Origin is where notices come from.
type Origin struct {
	// Run is the number in the history, 0 for none. Configuration is a folder, and
	// Console the label of a block.
	Run                          int
	Host, Configuration, Console string
}

// Finding is what a run has come to in one respect.
type Finding struct {
	run.Notice
	// Key tells findings of one kind apart.
	Key string
	// Sum is equal as long as the condition is the same. Where there are Members, only a
	// new one is a change. Event marks what is over as soon as it is said.
	Sum     string
	Members []string
	Event   bool
}

// Findings are those of one run, in full and as channels that redact see them.
type Findings struct {
	All, Redacted []Finding
	// Judged are those of which the run has found all there is: a condition that it has
	// judged and not found is over.
	Judged []Judged
}

// Judged are the conditions of a kind, or only those with some keys.
type Judged struct {
	Kind run.NoticeKind
	Keys []string // nil for all
}

// judged reports whether a condition is among those that the run knows all about.
func (f *Findings) judged(c *run.Condition) bool {
	return slices.ContainsFunc(f.Judged, func(j Judged) bool {
		return j.Kind == c.Kind && (j.Keys == nil || slices.Contains(j.Keys, c.Key))
	})
}

// Redact takes the findings as channels that redact see them. What tells conditions apart
// stays as it is in full, so that it does not depend on the key of the masks.
func (f *Findings) Redact(redacted []Finding) {
	f.Redacted = redacted
	for i := range redacted {
		r, full := &redacted[i], &f.All[i]
		r.Key, r.Sum, r.Members = full.Key, full.Sum, full.Members
	}
}

// File returns what channels are to be sent, and the conditions afterwards. Those of
// channels that are no longer there are dropped.
func File(before []run.Condition, channels []Channel, found *Findings, from, redacted Origin, now time.Time) (after []run.Condition, messages []run.Message) {
	now = now.UTC().Truncate(time.Second)
	for i := range channels {
		c := &channels[i]
		first := len(messages)
		findings, origin := found.All, from
		if c.Redacted {
			findings, origin = found.Redacted, redacted
		}
		send := func(n run.Notice) {
			messages = append(messages, run.Message{
				ID: strings.ToLower(rand.Text()), Channel: c.Label, Filed: now,
				Run: origin.Run, Host: origin.Host, Configuration: origin.Configuration, Console: origin.Console, Notice: n, Redacted: c.Redacted,
			})
		}
		seen := map[conditionKey]bool{}
		for _, f := range findings {
			if !slices.Contains(c.On, f.Kind) {
				continue
			}
			if f.Event {
				f.Phase, f.Since = run.Happened, now
				send(f.Notice)
				continue
			}
			key := conditionKey{c.Label, f.Kind, f.Key}
			seen[key] = true
			told, phase := c.judge(find(before, key), &f, now)
			if phase != "" {
				f.Phase, f.Since = phase, told.Since
				send(f.Notice)
			}
			after = append(after, told)
		}
		for _, told := range before {
			switch {
			case told.Channel != c.Label || seen[keyOf(&told)]:
			case !slices.Contains(c.On, told.Kind): // which is no longer of interest
			case found.judged(&told):
				n := run.Notice{Kind: told.Kind, Phase: run.Over, Since: told.Since, Title: told.Title}
				if c.Redacted && !told.Redacted {
					n.Title = ""
				}
				send(n)
			default:
				after = append(after, told)
			}
		}
		slices.SortStableFunc(messages[first:], func(a, b run.Message) int {
			return slices.Index(run.NoticeKinds, a.Kind) - slices.Index(run.NoticeKinds, b.Kind)
		})
	}
	return after, messages
}

// conditionKey tells conditions apart.
type conditionKey struct {
	channel string
	kind    run.NoticeKind
	key     string
}

func keyOf(c *run.Condition) conditionKey { return conditionKey{c.Channel, c.Kind, c.Key} }

func find(all []run.Condition, key conditionKey) *run.Condition {
	for i := range all {
		if keyOf(&all[i]) == key {
			return &all[i]
		}
	}
	return nil
}

// judge returns what the channel then knows of a condition, and which phase it is told,
// "" for none.
func (c *Channel) judge(before *run.Condition, f *Finding, now time.Time) (run.Condition, run.Phase) {
	told := run.Condition{Channel: c.Label, Kind: f.Kind, Key: f.Key, Since: now, Told: now, Sum: f.Sum, Members: f.Members, Title: f.Title, Redacted: c.Redacted}
	if before == nil {
		return told, run.Begins
	}
	told.Since = before.Since
	switch {
	case f.changes(before):
		return told, run.Changes
	case c.Repeat > 0 && now.Sub(before.Told) >= c.Repeat:
		return told, run.Stands
	case before.Told.Before(now): // or else the clock was wrong
		told.Told = before.Told
	}
	return told, ""
}

// changes reports whether a condition is another one than before.
func (f *Finding) changes(before *run.Condition) bool {
	if f.Members == nil {
		return f.Sum != before.Sum
	}
	return slices.ContainsFunc(f.Members, func(m string) bool { return !slices.Contains(before.Members, m) })
}

// sum identifies a set of texts.
func sum(texts []string) string {
	hash := sha256.New()
	for _, text := range slices.Compact(slices.Sorted(slices.Values(texts))) {
		hash.Write([]byte(text))
		hash.Write([]byte{0})
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}
