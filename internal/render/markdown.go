package render

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/plan"
)

const (
	// longestReport is how many octets a report has at most, and so characters:
	// GitHub takes comments of 65,536 characters.
	longestReport = 65_000
	// longestCell is how wide a value is at most in terminal cells; the middle
	// of a longer one is left out.
	longestCell = 120
	// longestRemark is how wide a sentence is at most, and mostRemarks how many
	// of a kind there are.
	longestRemark, mostRemarks = 400, 20
	// octetsPerCell is how many octets a value has at most for each cell that it
	// may be wide: marks that take no cell are not without end.
	octetsPerCell = 2
)

// comment is a Markdown page whose tables are cut to the length that it may have.
type comment struct {
	head     strings.Builder
	sections []section
	full     string // the command that shows all
	counted  string // what the lines of tables are; "lines" if empty
}

// section is a table below its title, which is the line that opens and closes
// it; without a title it is always open.
type section struct {
	title string // of own words
	lead  string // stands above the table
	head  string
	rows  []string // as many as could ever be shown
	total int
	// grouped counts what a line of the lead stands for.
	grouped int
}

// ends are what stands around the rows of a section.
func (s *section) ends(shown int) (before, after string) {
	if s.title != "" {
		before, after = "<details><summary>"+s.title+"</summary>\n\n", "</details>\n\n"
	}
	if s.lead != "" {
		before += s.lead + "\n\n"
	}
	more := ""
	if shown < s.total {
		more = "… " + number(s.total-shown) + " more\n\n"
	}
	return before + s.head, "\n" + more + after
}

func (r *comment) put(format string, args ...any) { fmt.Fprintf(&r.head, format, args...) }

// write writes the page, with as many rows of each section as there is room for.
func (r *comment) write(w io.Writer) error {
	const notice = 300 // octets, at most, of what is said about a cut
	room := longestReport - r.head.Len() - notice - len(r.full)
	needs := make([]int, len(r.sections))
	for i := range r.sections {
		before, after := r.sections[i].ends(-1)
		room -= len(before) + len(after)
		for _, row := range r.sections[i].rows {
			needs[i] += len(row)
		}
	}
	var body strings.Builder
	shares := share(room, needs)
	shown, total, grouped := 0, 0, 0
	left := 0 // of the shares of the sections before, too little for a row
	for i := range r.sections {
		s := &r.sections[i]
		left += shares[i]
		n := 0
		for ; n < len(s.rows) && len(s.rows[n]) <= left; n++ {
			left -= len(s.rows[n])
		}
		before, after := s.ends(n)
		body.WriteString(before)
		for _, row := range s.rows[:n] {
			body.WriteString(row)
		}
		body.WriteString(after)
		shown += n
		total += s.total
		grouped += s.grouped
	}
	switch counted := cmp.Or(r.counted, "lines"); {
	case shown < total && grouped == 0:
		r.put("**%s of %s %s are not shown here**: a comment has room for %s characters. All of them: %s\n\n",
			number(total-shown), number(total), counted, number(longestReport), code(r.full))
	case shown < total:
		r.put("**%s of %s %s are not shown here**: equal ones of many accounts are one line, and a comment has room for %s characters. All of them: %s\n\n",
			number(total-shown+grouped), number(total+grouped), counted, number(longestReport), code(r.full))
	case grouped > 0:
		r.put("Equal changes of many accounts are one line; %s shows each.\n\n", code(r.full))
	}
	_, err := io.WriteString(w, r.head.String()+strings.TrimSuffix(body.String(), "\n"))
	return err
}

// share divides room among needs: none gets more than it needs, and those that
// do not get all get the same.
func share(room int, needs []int) []int {
	shares := make([]int, len(needs))
	byNeed := make([]int, len(needs))
	for i := range byNeed {
		byNeed[i] = i
	}
	slices.SortFunc(byNeed, func(a, b int) int { return cmp.Compare(needs[a], needs[b]) })
	for n, i := range byNeed {
		shares[i] = max(min(needs[i], room/(len(needs)-n)), 0)
		room -= shares[i]
	}
	return shares
}

// addSection adds a section with the columns that any of its rows fills.
func addSection[T any](r *comment, name, meaning, lead string, columns []column[T], n int, row func(i int) T) {
	s := section{lead: lead, total: n}
	if name != "" {
		s.title = "<b>" + name + "</b>: " + meaning
	}
	var rows [][]string
	used := make([]bool, len(columns))
	for i, size := 0, 0; i < n && size <= longestReport; i++ {
		one := row(i)
		cells := make([]string, len(columns))
		for c := range columns {
			limit := longestCell
			if c == 0 {
				limit = longestSubject
			}
			cells[c] = columns[c].cell(one, false).markdown(limit)
			used[c] = used[c] || cells[c] != ""
			size += len(cells[c]) + 3
		}
		rows = append(rows, cells)
	}
	head, line := "|", "|"
	for c := range columns {
		if used[c] {
			head, line = head+" "+columns[c].head+" |", line+"---|"
		}
	}
	s.head = head + "\n" + line + "\n"
	for _, cells := range rows {
		var shown []string
		for c := range cells {
			if used[c] {
				shown = append(shown, cells[c])
			}
		}
		s.rows = append(s.rows, tableRow(shown...))
	}
	if n == 0 {
		s.head = ""
	}
	if n > 0 || lead != "" {
		r.sections = append(r.sections, s)
	}
}

// markdown is a cell as Markdown, each of its values in one piece and no wider than
// the limit.
func (c cell) markdown(limit int) string {
	if c.spans == nil && c.parts == nil {
		return literal(c.text, limit)
	}
	var b strings.Builder
	for _, part := range c.split(limit) {
		switch {
		case part.Value:
			b.WriteString(literal(part.Text, limit))
		default:
			b.WriteString(inert(atWords(part.Text, longestRemark)))
		}
	}
	return b.String()
}

// split returns the words and values of a cell. Of a change that is marked inside a
// value these are the value before and the one after.
func (c cell) split(limit int) (parts []plan.Part) {
	if c.spans == nil {
		return c.parts
	}
	marked := slices.ContainsFunc(c.spans, func(s span) bool { return s.style == mark })
	if marked {
		old, new := plan.Part{Value: true}, plan.Part{Value: true}
		for _, s := range c.fit(limit).spans {
			switch s.style {
			case removed:
				old.Text += s.text
			case added:
				new.Text += s.text
			case plain:
				old.Text += s.text
				new.Text += s.text
			}
		}
		return []plan.Part{old, {Text: " -> "}, new}
	}
	for _, s := range c.spans {
		is := s.style != dim && s.text != " "
		if last := len(parts) - 1; last >= 0 && parts[last].Value == is {
			parts[last].Text += s.text
			continue
		}
		parts = append(parts, plan.Part{Text: s.text, Value: is})
	}
	return parts
}

// literal is a clean value as Markdown, so wide at most: plain, if it has nothing that
// could mean anything, and else one code span. One that is read from right to left
// keeps its order to itself.
func literal(s string, limit int) string {
	s = bounded(s, limit)
	for i, w := range strings.Split(s, " ") {
		if !harmless(w) || i == 0 && leading.MatchString(w) {
			return isolated(code(s))
		}
	}
	return isolated(strings.ReplaceAll(s, "_", `\_`))
}

// list writes remarks as a list, as many as there may be.
func (r *comment) list(remarks []string) {
	for _, text := range remarks[:min(len(remarks), mostRemarks)] {
		r.put("- %s\n", text)
	}
	if n := len(remarks) - mostRemarks; n > 0 {
		r.put("- … %s more\n", number(n))
	}
	if len(remarks) > 0 {
		r.put("\n")
	}
}

// names is a paragraph of names behind a label, for an item would continue the
// list above it.
func (r *comment) names(label string, all []string) {
	if len(all) > 0 {
		r.put("%s: %s\n\n", label, remark(strings.Join(all, ", ")))
	}
}

// remark is a sentence of a bearable length.
func remark(s string) string { return inert(atWords(clean(s), longestRemark)) }

// atWords is a sentence that is so wide at most. Of a longer one the middle is left
// out, between two words.
func atWords(s string, limit int) string {
	short := bounded(s, limit)
	if short == s {
		return s
	}
	head, tail, _ := strings.Cut(short, ellipsis)
	if n := strings.LastIndexByte(head, ' '); n > 0 {
		head = head[:n+1]
	}
	if n := strings.IndexByte(tail, ' '); n >= 0 {
		tail = tail[n:]
	}
	return head + ellipsis + tail
}

// bounded is a clean text that is so wide at most. Of one that has too many octets
// for that, the middle is left out, too.
func bounded(s string, limit int) string {
	s = shorten(s, limit)
	if len(s) <= limit*octetsPerCell {
		return s
	}
	head, tail := ends(s, limit*octetsPerCell)
	return head + ellipsis + tail
}

// tableRow is a row of a table. Bars, which are in code spans alone, are escaped
// in its cells, where a backslash before them would undo that.
func tableRow(cells ...string) string {
	row := "|"
	for _, c := range cells {
		row += " " + strings.NewReplacer(`\|`, `\x7c`, "|", `\|`).Replace(c) + " |"
	}
	return row + "\n"
}

// markdown makes a value or a sentence fit for a line of Markdown or for
// [tableRow]: it is shown as it is, and is no markup, link, reference or
// mention. Words that could be any of these become code, the only place where
// GitHub and GitLab look for none.
func markdown(s string) string { return inert(clean(s)) }

// inert is markdown for a text that is clean.
func inert(s string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		switch {
		case w == "->":
			words[i] = "→"
		case percentage.MatchString(w):
		case harmless(w) && (i > 0 || !leading.MatchString(w)):
			words[i] = strings.ReplaceAll(w, "_", `\_`)
		default:
			value, sign := punctuated(w, i == len(words)-1)
			words[i] = code(value) + sign
		}
	}
	isolateWords(words)
	return strings.Join(words, " ")
}

// punctuated parts a word from the sign behind it, which belongs to the sentence. At the
// end of a text, a comma is the word's own.
func punctuated(w string, last bool) (value, sign string) {
	n := len(w) - 1
	if n < 1 || !word(w[0]) && w[n] != ',' || leading.MatchString(w) || strings.IndexByte(",;:.", w[n]) < 0 || w[n-1] == '\\' || w[n] == ',' && last {
		return w, ""
	}
	return w[:n], w[n:]
}

// lively finds what becomes a link, an emoji or a reference without any markup:
// addresses of the web, :smile:, GH-1, GL-1 and the names of commits.
var lively = regexp.MustCompile(`(?i)://|www\.|:[a-z0-9_+-]*[a-z+-][a-z0-9_+-]*:|:[0-9]{3,}:|\bg[hl]-[0-9]|[0-9a-f]{7}`)

// percentage finds a part in percent, which means nothing to GitLab, where %1 is a milestone.
var percentage = regexp.MustCompile(`^\(?[0-9][0-9.,]*%[.,;:)]*$`)

// leading finds what begins a list, a heading, a rule or a command at the head of a line.
var leading = regexp.MustCompile(`^(/.*|[-+=_]+|[0-9]+[.)])$`)

// harmless reports whether a word has nothing but letters, digits and signs
// that mean nothing within a line.
func harmless(w string) bool {
	for i := 0; i < len(w); i++ {
		if c := w[i]; c < utf8.RuneSelf && !word(c) && strings.IndexByte(`.,;:'"()-_=/+?`, c) < 0 {
			return false
		}
	}
	return !lively.MatchString(w)
}

func word(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' }

// code is a clean text as a code span, in a fence that is longer than any in the
// text.
func code(s string) string {
	run, longest := 0, 0
	for i := 0; i < len(s); i++ {
		if s[i] != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}
