package render

import "strings"

// cell is one field of a table: a clean text in one style, or several pieces.
type cell struct {
	text  string
	style style
	spans []span
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
	value = own + clean(value)
	return cell{text: value, width: cells(value)}
}

func spans(parts ...span) cell {
	c := cell{spans: parts}
	for _, s := range parts {
		c.width += cells(s.text)
	}
	return c
}

func (p *page) cell(c cell) {
	if c.spans == nil {
		p.puts(c.style, c.text, c.width)
		return
	}
	for _, s := range c.spans {
		p.put(s.style, s.text)
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
