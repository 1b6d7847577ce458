package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Bounds of what is shown of a source.
const (
	maxSnippetLines = 4
	maxSnippetWidth = 100 // columns of a terminal
	tabWidth        = 4
)

// snippetLine is one line of source, secrets masked, of which the octets
// from..to are underlined.
type snippetLine struct {
	number   int
	text     string
	from, to int
}

// span is a part of a source in octets.
type span struct{ start, end int }

// locate returns the position of an octet of src.
func locate(src []byte, at int) Position {
	at = min(max(at, 0), len(src))
	line := bytes.LastIndexByte(src[:at], '\n') + 1
	return Position{
		Line:   bytes.Count(src[:at], []byte("\n")) + 1,
		Column: utf8.RuneCount(src[line:at]) + 1,
		Byte:   at,
	}
}

// snippet cuts the lines of a range out of src. The masks are in order and
// apart from each other.
func snippet(src []byte, r Range, masks []span) []snippetLine {
	var lines []snippetLine
	start := bytes.LastIndexByte(src[:r.Start.Byte], '\n') + 1
	for n := r.Start.Line; n <= r.End.Line && len(lines) < maxSnippetLines; n++ {
		end := len(src)
		if i := bytes.IndexByte(src[start:], '\n'); i >= 0 {
			end = start + i
		}
		next := end + 1
		if end > start && src[end-1] == '\r' {
			end--
		}
		if n > r.Start.Line && r.End.Byte <= start {
			break
		}
		lines = append(lines, maskLine(src, n, span{start, end}, span{r.Start.Byte, r.End.Byte}, masks))
		if start = next; start > len(src) {
			break
		}
	}
	return lines
}

func maskLine(src []byte, number int, line, mark span, masks []span) snippetLine {
	out := snippetLine{number: number}
	var text strings.Builder
	pos := line.start
	keep := func(to int) {
		for _, at := range []struct {
			octet int
			out   *int
		}{{mark.start, &out.from}, {mark.end, &out.to}} {
			if at.octet >= pos && at.octet <= to {
				*at.out = text.Len() + at.octet - pos
			}
		}
		text.Write(src[pos:to])
		pos = to
	}
	for _, m := range masks {
		m.start, m.end = max(m.start, line.start), min(m.end, line.end)
		if m.start >= m.end {
			continue
		}
		keep(m.start)
		if mark.start > m.start && mark.start < m.end {
			out.from = text.Len()
		}
		text.WriteString(settings.Concealed)
		if mark.end > m.start && mark.end < m.end {
			out.to = text.Len()
		}
		pos = m.end
	}
	keep(line.end)
	out.text = text.String()
	if mark.end > line.end {
		out.to = len(out.text)
	}
	if mark.start < line.start {
		out.from = len(out.text) - len(strings.TrimLeft(out.text, " \t"))
	}
	return out
}

// Write prints each diagnostic: what is wrong, where, the source with the range
// underlined, and what to do. With color it uses the escape sequences of ANSI
// terminals. Control characters, of the source too, are shown escaped.
func (ds Diagnostics) Write(w io.Writer, color bool) error {
	p := printer{color: color}
	for i := range ds {
		if i > 0 {
			p.WriteByte('\n')
		}
		p.diagnostic(&ds[i])
	}
	_, err := w.Write(p.Bytes())
	return err
}

// Colours of ANSI terminals.
const (
	red    = "1;31"
	yellow = "1;33"
	blue   = "34"
	bold   = "1"
)

type printer struct {
	bytes.Buffer
	color bool
}

func (p *printer) paint(color, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

func (p *printer) diagnostic(d *Diagnostic) {
	color := red
	if d.Severity == Warning {
		color = yellow
	}
	fmt.Fprintf(p, "%s %s\n", p.paint(color, d.Severity.String()+":"), p.paint(bold, escape(d.Summary)))
	if d.File != "" {
		place := escape(d.File)
		if at := d.Range.Start; at.Line > 0 {
			place += fmt.Sprintf(":%d:%d", at.Line, at.Column)
		}
		fmt.Fprintf(p, "  %s %s\n", p.paint(blue, "-->"), place)
	}
	if n := len(d.snippet); n > 0 {
		digits := len(fmt.Sprint(d.snippet[n-1].number))
		for _, line := range d.snippet {
			text, before, under := line.layout()
			gutter := func(number string) string { return p.paint(blue, fmt.Sprintf("%*s |", digits+1, number)) }
			fmt.Fprintln(p, strings.TrimRight(gutter(fmt.Sprint(line.number))+" "+text, " "))
			if under > 0 {
				fmt.Fprintln(p, gutter("")+" "+strings.Repeat(" ", before)+p.paint(color, strings.Repeat("^", under)))
			}
		}
		if last := d.snippet[n-1].number; last < d.Range.End.Line && n == maxSnippetLines {
			fmt.Fprintln(p, p.paint(blue, strings.Repeat(" ", digits+1)+" | ..."))
		}
	}
	if d.Hint != "" {
		fmt.Fprintf(p, "%s %s\n", p.paint(blue, "hint:"), escape(d.Hint))
	}
}

// layout returns the line as it is shown, and how many columns stand before the
// underlined part and under it. A long line is cut around that part.
func (l *snippetLine) layout() (text string, before, under int) {
	type cell struct {
		text    string
		columns int
	}
	var cells []cell
	first, last := -1, -1 // the cells that are underlined
	column := 0
	for i := 0; i < len(l.text); {
		r, n := utf8.DecodeRuneInString(l.text[i:])
		c := cell{text: l.text[i : i+n], columns: columns(r)}
		switch {
		case r == '\t':
			c.columns = tabWidth - column%tabWidth
			c.text = strings.Repeat(" ", c.columns)
		case r == utf8.RuneError && n == 1, identity.Unprintable(r):
			c.text = escape(c.text)
			c.columns = len(c.text)
		}
		if i >= l.from && i < l.to {
			if first < 0 {
				first = len(cells)
			}
			last = len(cells)
		}
		cells = append(cells, c)
		column += c.columns
		i += n
	}
	if first < 0 {
		// An empty range stands before the cell at from, or behind the last.
		first = utf8.RuneCountInString(l.text[:min(l.from, len(l.text))])
		last = first
		if first == len(cells) {
			if len(cells) > 0 && l.from < l.to {
				return l.text, 0, 0
			}
			cells = append(cells, cell{" ", 1})
		}
	}

	// The window grows from the underlined part to both sides.
	const ellipsis = "..."
	from, to, room := first, first, maxSnippetWidth
	for to <= last && cells[to].columns <= room {
		room -= cells[to].columns
		to++
	}
	for grown := true; grown; {
		grown = false
		if from > 0 && cells[from-1].columns <= room {
			from--
			room -= cells[from].columns
			grown = true
		}
		if to < len(cells) && cells[to].columns <= room {
			room -= cells[to].columns
			to++
			grown = true
		}
	}
	var b strings.Builder
	if from > 0 {
		b.WriteString(ellipsis)
		before = len(ellipsis)
	}
	for i := from; i < to; i++ {
		b.WriteString(cells[i].text)
		if i < first {
			before += cells[i].columns
		} else if i <= last {
			under += cells[i].columns
		}
	}
	if to < len(cells) {
		b.WriteString(ellipsis)
	}
	return b.String(), before, max(under, 1)
}

// columns returns how wide a terminal shows a character.
func columns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// escape replaces what would act on a terminal, and what is not UTF-8, by
// escapes as Go and HCL spell them.
func escape(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, identity.Unprintable) < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < 0x80 && identity.Unprintable(r):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case identity.Unprintable(r) && r > 0xffff:
			fmt.Fprintf(&b, `\U%08x`, r)
		case identity.Unprintable(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}
