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
	title := clean(m.Title)
	switch m.Phase {
	case run.Stands:
		return "still: " + title
	case run.Over:
		return "over: " + title
	}
	return title
}

// NoticeLines are the sentences of a notice.
func NoticeLines(m *run.Message) (lines []string) {
	since := moment(m.Since)
	switch m.Phase {
	case run.Over:
		lines = append(lines, "This was reported first at "+since+", and is no longer so.")
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

// NoticeRest says how many items a notice does not show, and which command shows
// them; "" where it shows all.
func NoticeRest(m *run.Message, shown int) string {
	if more := m.Count - shown; more > 0 {
		return fmt.Sprintf("and %s more of %s: %s", number(more), number(m.Count), clean(m.Command))
	}
	return ""
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

// NoticeItem returns the account of an item, and the lines about it.
func NoticeItem(i *run.NoticeItem) (account string, fields []NoticeField) {
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, NoticeField{name, clean(value)})
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
	return clean(i.Account), fields
}

// NoticeText is a notice as plain text, in lines of at most 78 columns where words
// allow that. With shown, it has no more than so many items.
func NoticeText(m *run.Message, shown int) string {
	const width, indent = 78, 12
	var b strings.Builder
	wrapped := func(text string, by int) { b.WriteString(Wrap(text, by, width) + "\n") }
	wrapped(isolated(NoticeTitle(m)), 0)
	for _, line := range NoticeLines(m) {
		b.WriteByte('\n')
		wrapped(isolated(line), 0)
	}
	items := m.Items[:min(len(m.Items), shown)]
	for i := range items {
		account, fields := NoticeItem(&items[i])
		fmt.Fprintf(&b, "\n%s\n", isolated(account))
		for _, f := range fields {
			fmt.Fprintf(&b, "  %-*s", indent-2, f.Name)
			wrapped(isolated(f.Value), indent)
		}
	}
	if rest := NoticeRest(m, len(items)); len(items) > 0 && rest != "" {
		b.WriteString("\n... " + rest + "\n")
	}
	if m.Phase != run.Over && m.Command != "" {
		b.WriteString("\nMore:       " + clean(m.Command) + "\n")
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
		Rest, Command  string
		Footer         string
	}{Subject: NoticeSubject(m), Title: NoticeTitle(m), Lines: NoticeLines(m), Footer: NoticeFooter(m)}
	for i := range m.Items {
		account, fields := NoticeItem(&m.Items[i])
		page.Items = append(page.Items, item{account, fields})
	}
	if len(page.Items) > 0 {
		page.Rest = NoticeRest(m, len(page.Items))
	}
	if m.Phase != run.Over {
		page.Command = clean(m.Command)
	}
	var b strings.Builder
	err := noticeTemplate.Execute(&b, &page)
	return b.String(), err
}

// NoticeKind says in words what kind of notice it is.
func NoticeKind(k run.NoticeKind) string { return noticeKinds[k] }

var noticeKinds = map[run.NoticeKind]string{
	run.NoticePlanReview:    "a plan is riskier than --max-risk allows, and waits for a review",
	run.NoticeApplied:       "a run changed accounts",
	run.NoticeIncomplete:    "changes failed, or accounts are not as asked",
	run.NoticeWithheld:      "a brake withholds losses",
	run.NoticeNewRejections: "addresses are rejected that the last apply did not reject",
	run.NoticeOverdue:       "entries have waited too long for another directory",
	run.NoticeFailed:        "a run ended with an error",
	run.NoticeCredentials:   "a password, certificate or token is about to expire",
	run.NoticeDrift:         "the console was changed by hand",
}
