package render

import "strings"

// Wrap breaks the lines of a message at blanks, so that none is wider than
// width cells, or the widest that prose takes; 0 breaks none. The first line
// begins behind label cells; those that a break makes begin below the text that
// they go on. Values that are read from right to left keep their order to themselves.
func Wrap(text string, label, width int) string {
	if width <= 0 {
		return text
	}
	limit := min(width, proseWidth)
	var b strings.Builder
	for n, line := range strings.Split(text, "\n") {
		words := strings.TrimLeft(line, " ")
		indent := len(line) - len(words)
		if n == 0 {
			indent = label
		} else {
			b.WriteString("\n" + line[:indent])
		}
		hang := min(indent, max(limit-20, 0))
		col := indent
		values := strings.Split(words, " ")
		isolateWords(values)
		open := false
		for n, word := range values {
			w := cells(word)
			switch {
			case n == 0:
			case col+1+w > limit:
				if open {
					b.WriteString(pdi)
					word = fsi + word
				}
				b.WriteString("\n" + strings.Repeat(" ", hang))
				col = hang
			default:
				b.WriteByte(' ')
				col++
			}
			b.WriteString(word)
			col += w
			open = staysOpen(word, open)
		}
	}
	return b.String()
}
