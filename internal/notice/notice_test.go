package notice

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/run"
)

var start = time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)

// told says in a line what was sent, and checks what belongs to each message.
func told(t *testing.T, messages []run.Message) string {
	t.Helper()
	var all []string
	for i := range messages {
		m := &messages[i]
		if len(m.ID) < 20 || m.Filed.IsZero() || m.Since.IsZero() {
			t.Errorf("message %+v", m)
		}
		all = append(all, fmt.Sprint(m.Channel, " ", m.Kind, " ", m.Phase))
	}
	return strings.Join(all, ", ")
}

// TestPhases: a condition is told when it begins, when it changes, after the time of
// repeat, and once when it is over.
func TestPhases(t *testing.T) {
	t.Parallel()
	channels := []Channel{
		{Label: "ops", On: []run.NoticeKind{run.NoticeWithheld, run.NoticeApplied}, Repeat: 24 * time.Hour},
		{Label: "chat", On: []run.NoticeKind{run.NoticeWithheld}},
	}
	withheld := func(sum string) Findings {
		return Findings{All: []Finding{{Notice: run.Notice{Kind: run.NoticeWithheld, Title: sum}, Sum: sum}}, Judged: []Judged{{Kind: run.NoticeWithheld}}}
	}
	nothing := Findings{Judged: []Judged{{Kind: run.NoticeWithheld}}}
	var standing []run.Condition
	for i, step := range []struct {
		after time.Duration
		found Findings
		want  string
	}{
		{0, nothing, ""},
		{time.Hour, withheld("40"), "ops withheld begins, chat withheld begins"},
		{2 * time.Hour, withheld("40"), ""},
		{3 * time.Hour, withheld("41"), "ops withheld changes, chat withheld changes"},
		{26 * time.Hour, withheld("41"), ""},
		{27 * time.Hour, withheld("41"), "ops withheld stands"},
		{28 * time.Hour, withheld("41"), ""},
		{29 * time.Hour, Findings{}, ""}, // of which the run knows nothing
		{52 * time.Hour, Findings{All: []Finding{{Notice: run.Notice{Kind: run.NoticeApplied}, Event: true}}}, "ops applied happened"},
		{53 * time.Hour, nothing, "ops withheld over, chat withheld over"},
		{54 * time.Hour, nothing, ""},
		{55 * time.Hour, withheld("1"), "ops withheld begins, chat withheld begins"},
		{-time.Hour, withheld("1"), ""}, // by a clock that goes wrong
		{24 * time.Hour, withheld("1"), "ops withheld stands"},
	} {
		after, messages := File(standing, channels, &step.found, Origin{Run: i}, Origin{}, start.Add(step.after))
		if got := told(t, messages); got != step.want {
			t.Errorf("step %d, after %v: %q", i, step.after, got)
		}
		for _, m := range messages {
			if m.Phase == run.Over && m.Title != "41" {
				t.Errorf("what is over was %q", m.Title)
			}
		}
		standing = after
	}
	// Whoever is no longer there, or no longer asks, is told nothing more.
	after, messages := File(standing, []Channel{{Label: "ops", On: []run.NoticeKind{run.NoticeApplied}}}, &nothing, Origin{}, Origin{}, start)
	if len(after)+len(messages) > 0 {
		t.Errorf("%v, %v", after, messages)
	}
}

// TestMembers: where there are members, only a new one is a change.
func TestMembers(t *testing.T) {
	t.Parallel()
	channels := []Channel{{Label: "ops", On: []run.NoticeKind{run.NoticeNewRejections}}}
	all := []Judged{{Kind: run.NoticeNewRejections}}
	found := func(members ...string) *Findings {
		return &Findings{All: []Finding{{Notice: run.Notice{Kind: run.NoticeNewRejections}, Sum: sum(members), Members: append([]string{}, members...)}}, Judged: all}
	}
	many := &Findings{All: []Finding{{Notice: run.Notice{Kind: run.NoticeNewRejections}, Sum: "many"}}, Judged: all}
	var standing []run.Condition
	var got []string
	for _, f := range []*Findings{found(), found("c"), found("c"), found("c", "d"), found("c"), found(), found("c"), many, many, found("e"), {Judged: all}} {
		after, messages := File(standing, channels, f, Origin{}, Origin{}, start)
		got = append(got, strings.TrimPrefix(told(t, messages), "ops new_rejections "))
		text, err := json.Marshal(after) // as it is kept
		if standing = nil; err != nil || json.Unmarshal(text, &standing) != nil {
			t.Fatal(err)
		}
	}
	want := []string{"begins", "changes", "", "changes", "", "", "changes", "changes", "", "changes", "over"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestJudgedKeys: a condition is over only if its key was judged, and its title is not
// shown to whom it would show names.
func TestJudgedKeys(t *testing.T) {
	t.Parallel()
	channels := []Channel{{Label: "ops", On: []run.NoticeKind{run.NoticeCredentials}}}
	standing := []run.Condition{
		{Channel: "ops", Kind: run.NoticeCredentials, Key: "dc1", Since: start, Title: "dc1"}, {Channel: "ops", Kind: run.NoticeCredentials, Key: "dc2", Since: start, Title: "dc2"},
	}
	found := &Findings{Judged: []Judged{{run.NoticeCredentials, []string{"dc2"}}}}
	after, messages := File(standing, channels, found, Origin{}, Origin{}, start)
	if len(after) != 1 || after[0].Key != "dc1" || len(messages) != 1 || messages[0].Phase != run.Over || messages[0].Title != "dc2" {
		t.Errorf("%+v, %+v", after, messages)
	}
	channels[0].Redacted = true
	if _, messages = File(standing, channels, found, Origin{}, Origin{}, start); len(messages) != 1 || messages[0].Title != "" || !messages[0].Redacted {
		t.Errorf("%+v", messages)
	}
	none := &Findings{Judged: []Judged{{run.NoticeCredentials, []string{}}}}
	if after, messages = File(standing, channels, none, Origin{}, Origin{}, start); len(after) != 2 || len(messages) > 0 {
		t.Errorf("%+v, %+v", after, messages)
	}
}

// TestRedacted: a channel that redacts gets what is redacted, and no other.
func TestRedacted(t *testing.T) {
	t.Parallel()
	all := run.NoticeKinds
	found := &Findings{
		All:      []Finding{{Notice: run.Notice{Kind: run.NoticeFailed, Title: "ann@example.com"}, Event: true}},
		Redacted: []Finding{{Notice: run.Notice{Kind: run.NoticeFailed, Title: "u-1"}, Event: true}},
	}
	_, messages := File(nil, []Channel{{Label: "ops", On: all}, {Label: "chat", On: all, Redacted: true}}, found, Origin{Host: "mail1"}, Origin{Host: "n-2"}, start)
	if len(messages) != 2 || messages[0].Title != "ann@example.com" || messages[0].Host != "mail1" || messages[1].Title != "u-1" || messages[1].Host != "n-2" {
		t.Errorf("%+v", messages)
	}
}

// TestStory holds, over random runs, that what a channel is told is a story: each
// condition begins, then changes or stands, and is over once; and that it is told
// nothing of a run in which nothing is new and repeat is not due.
func TestStory(t *testing.T) {
	t.Parallel()
	kinds := []run.NoticeKind{run.NoticeWithheld, run.NoticeFailed, run.NoticeCredentials}
	for seed := range uint64(500) {
		random := rand.New(rand.NewPCG(seed, 1))
		channels := []Channel{{Label: "a", On: kinds, Repeat: time.Duration(random.IntN(3)) * time.Hour}, {Label: "b", On: kinds[:2]}}
		type line struct {
			told time.Time
			sum  string
		}
		stories := map[conditionKey]*line{}
		var standing []run.Condition
		now := start
		for range 30 {
			now = now.Add(time.Duration(random.IntN(90)) * time.Minute)
			var found Findings
			there := map[conditionKey]string{}
			for _, kind := range kinds {
				judged := random.IntN(4) > 0
				if judged {
					found.Judged = append(found.Judged, Judged{Kind: kind})
				}
				for key := range random.IntN(3) {
					f := Finding{Notice: run.Notice{Kind: kind, Title: fmt.Sprint(key)}, Key: fmt.Sprint(key), Sum: fmt.Sprint(random.IntN(2))}
					found.All = append(found.All, f)
					for _, c := range channels {
						if slices.Contains(c.On, kind) {
							there[conditionKey{c.Label, kind, f.Key}] = f.Sum
						}
					}
				}
			}
			after, messages := File(standing, channels, &found, Origin{}, Origin{}, now)
			sent := map[conditionKey]run.Phase{}
			for i := range messages {
				m := &messages[i]
				key := conditionKey{m.Channel, m.Kind, m.Title}
				if sent[key] != "" {
					t.Fatalf("seed %d: %v is told twice", seed, key)
				}
				sent[key] = m.Phase
			}
			for key, sum := range there {
				story, repeat := stories[key], channels[0].Repeat
				if key.channel == "b" {
					repeat = 0
				}
				want := run.Phase("")
				switch {
				case story == nil:
					want, stories[key] = run.Begins, &line{now, sum}
				case story.sum != sum:
					want, story.told, story.sum = run.Changes, now, sum
				case repeat > 0 && now.Sub(story.told) >= repeat:
					want, story.told = run.Stands, now
				}
				if sent[key] != want {
					t.Fatalf("seed %d: %v is told %q, not %q", seed, key, sent[key], want)
				}
			}
			for key := range stories {
				if _, still := there[key]; still {
					continue
				}
				want := run.Phase("")
				if slices.ContainsFunc(found.Judged, func(j Judged) bool { return j.Kind == key.kind }) {
					delete(stories, key)
					want = run.Over
				}
				if sent[key] != want {
					t.Fatalf("seed %d: %v is told %q, not %q", seed, key, sent[key], want)
				}
			}
			if len(after) != len(stories) {
				t.Fatalf("seed %d: %d conditions stand, and %d are known", seed, len(stories), len(after))
			}
			standing = after
		}
	}
}
