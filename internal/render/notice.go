package render

import (
	_ "embed"
	"fmt"
	"html/template"
	"path/filepath"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/run"
)

// NoticeSubject is a notice in one line: where it comes from, and what it says.
func NoticeSubject(m *run.Message) string {
	return "rollcall " + noticeSource(m) + ": " + NoticeTitle(m)
}

// noticeSource is a short name of the configuration.
func noticeSource(m *run.Message) string {
	if m.Console != "" {
		return clean(m.Console)
	}
	return clean(filepath.Base(m.Configuration))
}

// NoticeTitle is what a notice says in a few words.
func NoticeTitle(m *run.Message) string {
	switch title := clean(m.Title); {
	case m.Phase == run.Stands:
		return "still: " + title
	case m.Phase == run.Over && m.Kind == run.NoticeCredentials && title != "":
		which, _, _ := strings.Cut(title, " expire") // when, as it was
		return "over: " + which + " is renewed"
	case m.Phase == run.Over:
		return "over: " + noticeKinds[m.Kind].over
	default:
		return title
	}
}

// NoticeLines are the sentences of a notice.
func NoticeLines(m *run.Message) (lines []string) {
	since := moment(m.Since)
	switch m.Phase {
	case run.Over:
		lines = append(lines, "Since "+since+" it was otherwise.")
		if m.Title != "" {
			lines[0] = "Since " + since + " it was otherwise: " + clean(m.Title) + "."
		}
	case run.Stands:
		lines = append(lines, "This has been so since "+since+".")
	case run.Changes:
		lines = append(lines, "This was reported first at "+since+", and has changed.")
	}
	for _, line := range m.Lines {
		lines = append(lines, clean(line))
	}
	return lines
}

// NoticeEnd are the commands that a notice names, with what each is for: the first shows
// all items where fewer are shown.
func NoticeEnd(m *run.Message, shown int) (lines []NoticeField) {
	if m.Phase == run.Over {
		return nil
	}
	add := func(name, command string) {
		if command != "" {
			lines = append(lines, NoticeField{name, clean(command)})
		}
	}
	if more := m.Count - shown; more > 0 {
		add(fmt.Sprintf("%s more of %s", number(more), number(m.Count)), m.Command)
	} else {
		add("More", m.Command)
	}
	add("If meant", m.Next)
	return lines
}

// NoticeFooter says where the notice comes from.
func NoticeFooter(m *run.Message) string {
	text := "apply"
	if m.Run > 0 {
		text = "run " + number(m.Run)
	}
	text += ", " + moment(m.Filed) + ", on " + clean(m.Host) + ", configuration " + clean(m.Configuration)
	if m.Console != "" {
		text += fmt.Sprintf(", console %q", clean(m.Console))
	}
	return text
}

// NoticeField is a line about an item.
type NoticeField struct{ Name, Value string }

// NoticeItem returns the account of an item, and the lines about it, each in no more
// than so many octets; 0 is no bound.
func NoticeItem(i *run.NoticeItem, most int) (account string, fields []NoticeField) {
	cut := func(value string) string {
		if most > 0 && len(value) > most {
			head, tail := ends(value, most)
			return clean(head) + "…" + clean(tail)
		}
		return clean(value)
	}
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, NoticeField{name, cut(value)})
		}
	}
	if i.Entry != i.Account {
		add("entry", i.Entry)
	}
	if i.Address != i.Account {
		add("address", i.Address)
	}
	add("reason", i.Reason)
	add("rule", i.Rule)
	add("with", i.Other)
	add("what", i.Text)
	add("to do", i.Remedy)
	return cut(i.Account), fields
}

// NoticeText is a notice as plain text, in lines of at most 78 columns where words
// allow that. It has no more than so many items, and of each value no more than most
// octets; 0 is no bound.
func NoticeText(m *run.Message, shown, most int) string {
	const width, indent = 78, 12
	var b strings.Builder
	wrapped := func(text string, by int) { b.WriteString(Wrap(isolated(text), by, width) + "\n") }
	wrapped(NoticeTitle(m), 0)
	for _, line := range NoticeLines(m) {
		b.WriteByte('\n')
		wrapped(line, 0)
	}
	items := m.Items[:min(len(m.Items), shown)]
	for i := range items {
		account, fields := NoticeItem(&items[i], most)
		fmt.Fprintf(&b, "\n%s\n", isolated(account))
		for _, f := range fields {
			fmt.Fprintf(&b, "  %-*s", indent-2, f.Name)
			wrapped(f.Value, indent)
		}
	}
	for i, line := range NoticeEnd(m, len(items)) {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:\n  %s\n", line.Name, line.Value) // in one line, to be copied
	}
	b.WriteString("\n--\n")
	wrapped(NoticeFooter(m), 0)
	return b.String()
}

//go:embed html/notice.tmpl
var noticeFrame string

var noticeTemplate = template.Must(template.New("notice").Parse(noticeFrame))

// NoticeHTML is a notice as an HTML page that needs nothing else.
func NoticeHTML(m *run.Message) (string, error) {
	type item struct {
		Account string
		Fields  []NoticeField
	}
	page := struct {
		Subject, Title string
		Lines          []string
		Items          []item
		End            []NoticeField
		Footer         string
	}{Subject: NoticeSubject(m), Title: NoticeTitle(m), Lines: NoticeLines(m), End: NoticeEnd(m, len(m.Items)), Footer: NoticeFooter(m)}
	for i := range m.Items {
		account, fields := NoticeItem(&m.Items[i], 0)
		page.Items = append(page.Items, item{account, fields})
	}
	var b strings.Builder
	err := noticeTemplate.Execute(&b, &page)
	return b.String(), err
}

// NoticeKind says in words what kind of notice it is.
func NoticeKind(k run.NoticeKind) string { return noticeKinds[k].is }

// noticeKinds say what is the case as long as a condition stands, and when it is over.
var noticeKinds = map[run.NoticeKind]struct{ is, over string }{
	run.NoticePlanReview:    {"a plan is riskier than --max-risk allows, and waits for a review", "no plan waits for a review"},
	run.NoticeApplied:       {is: "a run changed accounts"},
	run.NoticeIncomplete:    {"changes failed, or accounts are not as asked", "all changes are made, and all accounts are as asked"},
	run.NoticeWithheld:      {"a brake withholds losses", "no brake withholds anything"},
	run.NoticeNewRejections: {"addresses are rejected that the last apply did not reject", "no address is rejected"},
	run.NoticeOverdue:       {"entries have waited too long for another directory", "no entry has waited too long"},
	run.NoticeFailed:        {"a run ended with an error", "runs succeed"},
	run.NoticeCredentials:   {"a password, certificate or token is about to expire", "it is renewed"},
	run.NoticeDrift:         {"the console was changed by hand", "the console is as it was applied"},
}
