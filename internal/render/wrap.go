package render

import "strings"

// Wrap breaks the lines of a message at blanks, so that none is wider than
// width cells, or the widest that prose takes; 0 breaks none. The first line
// begins behind label cells; those that a break makes begin below the text that
// they go on.
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
		for n, word := range strings.Split(words, " ") {
			w := cells(word)
			switch {
			case n == 0:
			case col+1+w > limit:
				b.WriteString("\n" + strings.Repeat(" ", hang))
				col = hang
			default:
				b.WriteByte(' ')
				col++
			}
			b.WriteString(word)
			col += w
		}
	}
	return b.String()
}
