package render

import (
	"unicode/utf8"

	"github.com/sergi/go-diff/diffmatchpatch"
)

// Inside one line, a change reads best as "old -> new" when both are short or
// have little in common, else as one text with marks in it.
const (
	inlineFrom   = 72  // cells of both values together
	inlineCommon = 0.5 // part of the longer value that stays
	keepAround   = 6   // cells of what stays, beside each change, when the rest is left out
)

// diffValues returns what changed inside a value. Time plays no part in it, so
// that equal values always look the same.
func diffValues(before, after string) []diffmatchpatch.Diff {
	d := diffmatchpatch.New()
	d.DiffTimeout = 0
	t := clusterRunes{}
	x, y := t.encode(before), t.encode(after)
	return t.decode(d.DiffCleanupSemantic(d.DiffMainRunes(x, y, false)))
}

// clusterRunes stands for each grapheme cluster of several characters by one
// private character, so that a difference never splits one.
type clusterRunes struct {
	runes map[string]rune
	texts map[rune]string
}

func (t *clusterRunes) encode(s string) []rune {
	if ascii(s) {
		return []rune(s)
	}
	var out []rune
	eachCluster(s, func(cluster string, _ int) bool {
		r, n := utf8.DecodeRuneInString(cluster)
		if n < len(cluster) || r >= firstPrivate {
			r = t.stand(cluster)
		}
		out = append(out, r)
		return true
	})
	return out
}

const firstPrivate = 0xf0000 // supplementary private use area A

func (t *clusterRunes) stand(cluster string) rune {
	if t.runes == nil {
		t.runes, t.texts = map[string]rune{}, map[rune]string{}
	}
	r, ok := t.runes[cluster]
	if !ok {
		r = firstPrivate + rune(len(t.runes))
		t.runes[cluster], t.texts[r] = r, cluster
	}
	return r
}

func (t *clusterRunes) decode(diffs []diffmatchpatch.Diff) []diffmatchpatch.Diff {
	if t.runes == nil {
		return diffs
	}
	for i := range diffs {
		var out []byte
		for _, r := range diffs[i].Text {
			if text, ok := t.texts[r]; ok {
				out = append(out, text...)
			} else {
				out = utf8.AppendRune(out, r)
			}
		}
		diffs[i].Text = string(out)
	}
	return diffs
}

// changed is a cell that says how one value became another.
func changed(before, after string) cell {
	before, after = clean(before), clean(after)
	switch {
	case before == "":
		return spans(span{"(none)", dim}, span{" -> ", dim}, span{after, green})
	case after == "":
		return spans(span{before, red}, span{" -> ", dim}, span{"(none)", dim})
	}
	if rightToLeft(before) || rightToLeft(after) { // their letters are not in the order of their cells
		return spans(span{before, red}, span{" -> ", dim}, span{after, green})
	}
	diffs := diffValues(before, after)
	same := 0
	for _, d := range diffs {
		if d.Type == diffmatchpatch.DiffEqual {
			same += cells(d.Text)
		}
	}
	old, new := cells(before), cells(after)
	if old+new >= inlineFrom && float64(same) >= inlineCommon*float64(max(old, new)) {
		return inline(diffs)
	}
	c := side(diffs, diffmatchpatch.DiffDelete, red)
	c = append(c, span{" -> ", dim})
	return spans(append(c, side(diffs, diffmatchpatch.DiffInsert, green)...)...)
}

// was and becomes are the two sides of a change in cells of their own.
func was(before, after string) cell {
	before, after = clean(before), clean(after)
	return spans(side(diffValues(before, after), diffmatchpatch.DiffDelete, red)...)
}

func becomes(before, after string) cell {
	before, after = clean(before), clean(after)
	return spans(side(diffValues(before, after), diffmatchpatch.DiffInsert, green)...)
}

// side returns one of the two values, with what the other does not have in the
// given style.
func side(diffs []diffmatchpatch.Diff, own diffmatchpatch.Operation, s style) []span {
	var out []span
	for _, d := range diffs {
		switch d.Type {
		case own:
			out = append(out, span{d.Text, s})
		case diffmatchpatch.DiffEqual:
			out = append(out, span{d.Text, plain})
		}
	}
	return out
}

// inline returns both values in one: [-old-]{+new+} between what stays.
func inline(diffs []diffmatchpatch.Diff) cell {
	var out []span
	for _, d := range diffs {
		switch d.Type {
		case diffmatchpatch.DiffDelete:
			out = append(out, span{"[-", mark}, span{d.Text, removed}, span{"-]", mark})
		case diffmatchpatch.DiffInsert:
			out = append(out, span{"{+", mark}, span{d.Text, added}, span{"+}", mark})
		default:
			out = append(out, span{d.Text, plain})
		}
	}
	return spans(out...)
}

// fit shortens a cell to at most limit cells: what stays first, around the
// changes, then the changes themselves.
func (c cell) fit(limit int) cell {
	if c.width <= limit {
		return c
	}
	if c.spans == nil {
		c.text, c.parts = shorten(c.text, limit), nil
		c.width = cells(c.text)
		return c
	}
	parts := append([]span(nil), c.spans...)
	over := c.width - limit
	for _, least := range []int{keepAround, 3, 1} {
		for _, stays := range []bool{true, false} {
			for over > 0 {
				longest, w := -1, least
				for i, s := range parts {
					if n := cells(s.text); s.style != mark && (s.style == plain || s.style == dim) == stays && s.text != " -> " && n > w {
						longest, w = i, n
					}
				}
				if longest < 0 {
					break
				}
				keep := max(w-over, least, w/2)
				parts[longest].text = shorten(parts[longest].text, keep)
				over -= w - cells(parts[longest].text)
			}
		}
	}
	c = spans(parts...)
	for c.width > limit && len(c.spans) > 0 {
		c = spans(c.spans[:len(c.spans)-1]...)
	}
	return c
}
