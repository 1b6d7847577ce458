package render

import (
	"strings"

	"github.com/rollcall-cli/rollcall/plan"
)

// cell is one field of a table: a clean text in one style, or several pieces.
type cell struct {
	text  string
	style style
	spans []span
	// parts are those of a text that is more than one value as it came.
	parts []plan.Part
	width int
}

// text is a cell of a value as it came.
func text(value string) cell { return styled(plain, value) }

func styled(s style, value string) cell {
	value = clean(value)
	return cell{text: value, style: s, width: cells(value)}
}

// words is a cell of the program's own words before a value as it came.
func words(own, value string) cell {
	return phrase(plan.Part{Text: own}, plan.Part{Text: value, Value: true})
}

// sentence is a cell of the program's own words.
func sentence(s style, text string) cell {
	c := styled(s, text)
	c.parts = []plan.Part{{Text: c.text}}
	return c
}

// phrase is a cell of the program's own words and values as they came.
func phrase(parts ...plan.Part) (c cell) {
	for _, part := range parts {
		if part.Value {
			part.Text = clean(part.Text)
		} else {
			part.Text = escape(part.Text, invisible)
		}
		c.text += part.Text
		c.parts = append(c.parts, part)
	}
	c.width = cells(c.text)
	return c
}

func spans(parts ...span) cell {
	c := cell{spans: parts}
	for _, s := range parts {
		c.width += cells(s.text)
	}
	return c
}

// plain is the text of a cell as it is without colour.
func (c cell) plain() string {
	if c.spans == nil {
		return c.text
	}
	var b strings.Builder
	for _, s := range c.spans {
		b.WriteString(s.text)
	}
	return b.String()
}

func (p *page) cell(c cell) {
	switch {
	case c.spans != nil:
		for _, s := range c.spans {
			p.put(s.style, s.text)
		}
	case len(c.parts) > 1 && rightToLeft(c.text): // each value keeps its order to itself
		for _, part := range c.parts {
			p.put(c.style, part.Text)
		}
	default:
		p.puts(c.style, c.text, c.width)
	}
}

// shortAddress leaves out the domain of an address that it shares with the
// row's own: ann@.
func shortAddress(address, of string, short bool) string {
	if at := strings.LastIndexByte(address, '@'); short && at > 0 && strings.HasSuffix(of, address[at:]) {
		return address[:at+1]
	}
	return address
}
