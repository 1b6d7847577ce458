package render

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/unicode/bidi"

	"github.com/rollcall-cli/rollcall/plan"
)

// style is how a piece of text looks where colour is wanted.
type style uint8

const (
	plain style = iota
	bold
	dim
	green
	red
	yellow
	magenta
	removed // inside a value: red and struck out
	added   // inside a value: green
	mark    // stands around these two
)

var sgr = [...]string{
	bold: "1", dim: "2", green: "32", red: "31", yellow: "33", magenta: "35", removed: "9;31", added: "32",
}

// span is a piece of clean text in one style.
type span struct {
	text  string
	style style
}

// page writes styled lines. It never leaves spaces at the end of a line, and
// keeps the first error of its writer for flush.
type page struct {
	out   *bufio.Writer
	color bool
	width int  // cells of a line
	col   int  // cells written to this line
	isCut bool // whether it names the command that shows all
}

// unlimited is the width of a page that nothing has to fit on.
const unlimited = 1000

// proseWidth is the most that lines of prose take, for they are hard to read
// when they are longer.
const proseWidth = 100

func newPage(w io.Writer, width int, color bool) *page {
	if width <= 0 {
		width = unlimited
	}
	return &page{out: bufio.NewWriterSize(w, 64<<10), color: color, width: width}
}

func (p *page) flush() error { return p.out.Flush() }

// at moves to a column; going backwards it begins a new line.
func (p *page) at(col int) {
	if p.col > col {
		p.end()
	}
	for ; p.col < col; p.col++ {
		p.out.WriteByte(' ')
	}
}

func (p *page) put(s style, text string) {
	p.puts(s, text, cells(text))
}

func (p *page) puts(s style, text string, w int) { p.raw(s, isolated(text), w) }

func (p *page) raw(s style, text string, w int) {
	switch {
	case text == "":
		return
	case s == plain || s == mark || !p.color:
		p.out.WriteString(text)
	default:
		p.out.WriteString("\x1b[")
		p.out.WriteString(sgr[s])
		p.out.WriteByte('m')
		p.out.WriteString(text)
		p.out.WriteString("\x1b[0m")
	}
	p.col += w
}

// What begins and ends a part of a text with an order of its own (Unicode annex 9).
const fsi, pdi = "\u2068", "\u2069"

// staysOpen reports whether an order of its own goes on behind a word.
func staysOpen(word string, open bool) bool {
	begin, end := strings.LastIndex(word, fsi), strings.LastIndex(word, pdi)
	return begin > end || open && end < 0
}

// isolated keeps the order of a text that is read from right to left to itself, so that
// what stands before it stays there.
func isolated(text string) string {
	if !rightToLeft(text) {
		return text
	}
	return fsi + text + pdi
}

// isolateWords keeps the order of what is read from right to left in the words of a
// sentence to itself. Words that follow each other are one value, and the punctuation
// around it is the sentence's.
func isolateWords(words []string) {
	for i := 0; i < len(words); i++ {
		if !rightToLeft(words[i]) {
			continue
		}
		first := i
		for i+1 < len(words) && rightToLeft(words[i+1]) && strings.TrimRight(words[i], ".,;:") == words[i] {
			i++
		}
		value := strings.TrimLeft(words[first], `("'`)
		words[first] = strings.TrimSuffix(words[first], value) + fsi + value
		value = strings.TrimRight(words[i], `.,;:!?)"'`)
		words[i] = value + pdi + strings.TrimPrefix(words[i], value)
	}
}

// rightToLeft reports whether a text has letters that are read from right to left.
func rightToLeft(text string) bool {
	if ascii(text) {
		return false
	}
	for _, r := range text {
		if p, _ := bidi.LookupRune(r); p.Class() == bidi.R || p.Class() == bidi.AL {
			return true
		}
	}
	return false
}

// next writes a cell at a column, or behind what the line has where that is
// longer; and where it does not fit there, on a new line at column wrap.
func (p *page) next(col, wrap int, c cell) {
	if p.col > wrap {
		col = max(col, p.col+gap)
	}
	if col+c.width > p.width {
		if p.col > wrap {
			p.end()
		}
		col = wrap
	}
	p.at(col)
	p.cell(c.fit(max(p.width-p.col, 8)))
}

func (p *page) end() {
	p.out.WriteByte('\n')
	p.col = 0
}

// line writes plain text and ends the line.
func (p *page) line(s style, format string, args ...any) {
	p.put(s, fmt.Sprintf(format, args...))
	p.end()
}

// prose writes wrapped text, its first line behind a label, the others below
// the first.
func (p *page) prose(indent int, label string, s style, text string) {
	p.hanging(indent, indent+cells(label), label, s, text)
}

// hanging is prose whose further lines begin at column hang.
func (p *page) hanging(indent, hang int, label string, s style, text string) {
	limit := max(min(p.width, proseWidth), hang+20)
	p.at(indent)
	p.put(s, label)
	words := strings.Fields(text)
	isolateWords(words)
	open := false // an order of its own, which no line break may interrupt
	for n, word := range words {
		w := cells(word)
		switch {
		case n == 0:
		case p.col+1+w > limit:
			if open {
				p.raw(plain, pdi, 0)
				word = fsi + word
			}
			p.end()
			p.at(hang)
		default:
			p.raw(plain, " ", 1)
		}
		p.raw(plain, word, w)
		open = staysOpen(word, open)
	}
	p.end()
}

// phrase writes words and values from a column on, the further lines below the first.
// A value is in one piece, and keeps its order to itself.
func (p *page) phrase(col int, parts []plan.Part) {
	p.at(col)
	room := max(p.width-col, 20)
	blank := false
	write := func(text string) {
		w := cells(text)
		switch {
		case blank && p.col+1+w > col+room, !blank && p.col > col && p.col+w > col+room:
			p.end()
			p.at(col)
		case blank:
			p.puts(plain, " ", 1)
		}
		p.puts(plain, text, w)
		blank = false
	}
	for _, part := range parts {
		if part.Value {
			write(shorten(clean(part.Text), room))
			continue
		}
		for n, word := range strings.Split(part.Text, " ") {
			if blank = blank || n > 0; word != "" {
				write(word)
			}
		}
	}
	p.end()
}

// title begins a section.
func (p *page) title(name, meaning string) {
	p.end()
	p.heading(name, meaning)
}

// heading is a title without the line before it.
func (p *page) heading(name, meaning string) {
	if cells(name)+2+cells(meaning) <= p.width {
		p.prose(0, name+": ", bold, meaning)
		return
	}
	p.line(bold, "%s:", name)
	p.prose(nested, "", plain, meaning)
}

func number(n int) string { return plan.Thousands(n) }

// count is a number with its noun in the singular or plural.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}
