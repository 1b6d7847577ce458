package render

import "slices"

// column describes one field of the rows of a table.
type column[T any] struct {
	head string
	// least is to how many cells a narrow page may shorten the column; 0 keeps
	// it whole.
	least int
	// address marks a column of addresses, which is shortened only after the
	// columns that merely help have been left out.
	address bool
	// helps marks a column that a narrow page leaves out.
	helps bool
	// wraps marks a column that is never shortened to fit beside the others: on
	// a narrow page, cells that are too long go on a line below. A table has at
	// most one.
	wraps bool
	// joins marks a wrapping column whose cells are not understood without those
	// before them, which go on the line below with them.
	joins bool
	// cell makes the field of a row. With short, addresses in the domain of the
	// row's own leave it out.
	cell func(row T, short bool) cell
}

// table is a list of rows, each behind the same sign. Its first column is the
// subject. Without a sign, rows begin in the first cell of their line.
type table[T any] struct {
	columns []column[T]
	sign    span
	rows    int
	row     func(i int) T
	// stacks has the other cells stand below their subject, with what they are, where
	// they do not fit beside it.
	stacks bool
}

// margin is how far from the edge of the page the rows begin.
func (t *table[T]) margin() int {
	if t.sign.text == "" {
		return 0
	}
	return margin
}

const (
	margin = 2 // sign and space
	gap    = 2 // between columns
	nested = 4 // margin of cells below their subject
	// leastSubject is the narrowest that the subject's column becomes before
	// the other cells go below it.
	leastSubject = 24
	// leastWrapped is the narrowest column for those cells of a wrapping column
	// that fit beside the others.
	leastWrapped = 16
	// fairSubject is the part of a page, in percent, that the subject may take
	// while other columns are short of space; a longer subject stands on a line
	// of its own.
	fairSubject = 40
)

// layout is how wide each column is; 0 leaves it out.
type layout struct {
	widths  []int
	short   bool
	stacked bool
}

// all writes the whole table.
func (t *table[T]) all(p *page) {
	if t.rows == 0 {
		return
	}
	l := t.layout(p.width)
	t.head(p, l)
	for i := range t.rows {
		t.write(p, i, l)
	}
}

// write writes one row.
func (t *table[T]) write(p *page, i int, l layout) {
	row := t.row(i)
	p.put(t.sign.style, t.sign.text)
	p.at(t.margin())
	subject := t.columns[0].cell(row, l.short)
	p.cell(subject)
	if l.stacked {
		t.below(p, row, l)
	} else {
		t.beside(p, row, l, subject.width > l.widths[0])
	}
}

func (t *table[T]) head(p *page, l layout) {
	if l.stacked {
		return
	}
	col := t.margin()
	for i, c := range t.columns {
		if l.widths[i] == 0 {
			continue
		}
		if c.head != "" {
			p.at(col)
			p.put(dim, c.head)
		}
		col += l.widths[i] + gap
	}
	p.end()
}

// beside writes the other cells of a row behind its subject, or, where that is
// too long, at the same columns of the next line.
func (t *table[T]) beside(p *page, row T, l layout, long bool) {
	if n := slices.IndexFunc(t.columns, func(c column[T]) bool { return c.joins }); n > 0 && t.columns[n].cell(row, l.short).width > l.widths[n] {
		p.end()
		for i, c := range t.columns[1:] {
			if f := c.cell(row, l.short); f.width > 0 && (l.widths[i+1] > 0 || c.wraps) {
				p.next(nested, nested, f)
			}
		}
		p.end()
		return
	}
	col := t.margin() + l.widths[0] + gap
	var below cell
	for i, c := range t.columns[1:] {
		w := l.widths[i+1]
		if w == 0 && !c.wraps {
			continue
		}
		f := c.cell(row, l.short)
		switch {
		case f.width == 0:
		case c.wraps && f.width > w:
			below = f
		default:
			if long {
				p.end()
				long = false
			}
			p.at(col)
			p.cell(f.fit(w))
		}
		if w > 0 {
			col += w + gap
		}
	}
	p.end()
	if below.width > 0 {
		label := t.columns[slices.IndexFunc(t.columns, func(c column[T]) bool { return c.wraps })].head + " "
		if len(below.parts) == 1 && nested+len(label)+below.width > p.width {
			p.hanging(nested, nested+len(label), label, dim, below.text)
			return
		}
		p.at(nested)
		p.put(dim, label)
		p.cell(below.fit(max(p.width-p.col, 8)))
		p.end()
	}
}

// below writes the other cells of a row on lines of their own.
func (t *table[T]) below(p *page, row T, l layout) {
	p.end()
	for i, c := range t.columns[1:] {
		if l.widths[i+1] == 0 && !c.wraps {
			continue
		}
		f := c.cell(row, true)
		if f.width == 0 {
			continue
		}
		if c.head != "" {
			label := span{c.head + " ", dim}
			if f.spans == nil {
				f.spans = f.pieces()
			}
			f = spans(append([]span{label}, f.spans...)...)
		}
		p.next(nested, nested, f)
	}
	if p.col > 0 {
		p.end()
	}
}

// pieces are the parts of a text as pieces in its style.
func (c cell) pieces() []span {
	if len(c.parts) == 0 {
		return []span{{c.text, c.style}}
	}
	var all []span
	for _, part := range c.parts {
		all = append(all, span{part.Text, c.style})
	}
	return all
}

// layout measures the rows and finds the widths of the columns.
func (t *table[T]) layout(width int) layout {
	full := t.measure(false)
	if t.total(full) <= width {
		return layout{widths: full}
	}
	if t.stacks {
		return layout{widths: full, short: true, stacked: true}
	}
	subject := full[0]
	full[0] = min(subject, max(width*fairSubject/100, leastSubject))
	if w := t.squeeze(full, width, false); t.total(w) <= width {
		return layout{widths: w}
	}
	short := t.measure(true)
	short[0] = full[0]
	w := t.squeeze(short, width, false)
	if t.total(w) <= width {
		return layout{widths: w, short: true}
	}
	wraps := slices.IndexFunc(t.columns, func(c column[T]) bool { return c.wraps })
	if wraps > 0 {
		short[wraps] = 0
		w = t.squeeze(short, width, false)
	}
	for i := len(t.columns) - 1; i > 0 && t.total(w) > width; i-- {
		if t.columns[i].helps && short[i] > 0 {
			short[i] = 0
			w = t.squeeze(short, width, false)
		}
	}
	if t.total(w) > width {
		w = t.squeeze(short, width, true)
	}
	if over := t.total(w) - width; over > 0 {
		w[0] -= over
	} else if wraps > 0 && -over-gap >= leastWrapped {
		w[wraps] = -over - gap
	}
	return layout{widths: w, short: true, stacked: w[0] < min(subject, leastSubject)}
}

// measure returns the widths that the columns would like to have. A column
// that is empty in every row has none.
func (t *table[T]) measure(short bool) []int {
	widths := make([]int, len(t.columns))
	for i := range t.rows {
		row := t.row(i)
		for c := range t.columns {
			widths[c] = max(widths[c], t.columns[c].cell(row, short).width)
		}
	}
	for c, w := range widths {
		if w > 0 {
			widths[c] = max(w, cells(t.columns[c].head))
		}
	}
	return widths
}

// squeeze takes cells from the widest columns that can spare some until the
// table fits, or nothing is left to take.
func (t *table[T]) squeeze(widths []int, width int, addresses bool) []int {
	w := append([]int(nil), widths...)
	for over := t.total(w) - width; over > 0; over-- {
		widest := 0
		for i, c := range t.columns {
			if i > 0 && c.least > 0 && w[i] > max(c.least, len(c.head)) && (addresses || !c.address) && (widest == 0 || w[i] > w[widest]) {
				widest = i
			}
		}
		if widest == 0 {
			break
		}
		w[widest]--
	}
	return w
}

// total is how many cells a line of the table takes.
func (t *table[T]) total(widths []int) int {
	n := t.margin() - gap
	for _, w := range widths {
		if w > 0 {
			n += w + gap
		}
	}
	return n
}
