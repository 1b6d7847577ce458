package render

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/sergi/go-diff/diffmatchpatch"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// context is how many unchanged lines surround each change of a unified diff.
const context = 3

// UnifiedDiff writes how old becomes new, as patch(1) understands it: three
// lines of context, and a remark where the last line has no newline. Equal
// texts write nothing. What would act on a terminal is written as an escape, and
// a line that has it applies to no file; a CR before the newline stays. With
// colour the lines are for reading only, and so is whatever cannot be seen.
func UnifiedDiff(w io.Writer, oldName, newName, old, new string, color bool) error {
	if old == new {
		return nil
	}
	out := bufio.NewWriter(w)
	u := unified{out: out, color: color, old: splitLines(old), new: splitLines(new)}
	u.put(bold, "--- "+clean(oldName)+"\n")
	u.put(bold, "+++ "+clean(newName)+"\n")
	for _, hunk := range hunks(compare(u.old, u.new)) {
		u.hunk(hunk)
	}
	return out.Flush()
}

// edit is a run of lines: the next old and new lines that stay, or that go and
// come.
type edit struct {
	stays          bool
	oldAt, newAt   int // index of the first line
	oldLen, newLen int
}

// edits alternate between staying and changing.
type edits []edit

// add appends the next lines, which stay or change.
func (all *edits) add(stays bool, oldLen, newLen int) {
	if oldLen == 0 && newLen == 0 {
		return
	}
	n := len(*all) - 1
	if n >= 0 && (*all)[n].stays == stays {
		(*all)[n].oldLen += oldLen
		(*all)[n].newLen += newLen
		return
	}
	e := edit{stays: stays, oldLen: oldLen, newLen: newLen}
	if n >= 0 {
		e.oldAt, e.newAt = (*all)[n].oldAt+(*all)[n].oldLen, (*all)[n].newAt+(*all)[n].newLen
	}
	*all = append(*all, e)
}

// compare returns the difference of two texts. Lines that occur once on both sides are matched first,
// so that long sorted files with few changes take time in proportion to their
// length; go-diff compares what lies between.
func compare(old, new []string) edits {
	var all edits
	between := func(old, new []string) {
		if len(old) == 0 || len(new) == 0 {
			all.add(false, len(old), len(new))
			return
		}
		d := diffmatchpatch.New()
		d.DiffTimeout = 0
		x, y, _ := d.DiffLinesToRunes(strings.Join(old, ""), strings.Join(new, ""))
		for _, diff := range d.DiffMainRunes(x, y, false) {
			n := utf8.RuneCountInString(diff.Text)
			switch diff.Type {
			case diffmatchpatch.DiffEqual:
				all.add(true, n, n)
			case diffmatchpatch.DiffDelete:
				all.add(false, n, 0)
			default:
				all.add(false, 0, n)
			}
		}
	}
	i, j := 0, 0
	for _, a := range anchors(old, new) {
		if a.old < i || a.new < j {
			continue // taken already as the neighbour of an anchor before
		}
		x, y := a.old, a.new
		for x > i && y > j && old[x-1] == new[y-1] {
			x--
			y--
		}
		between(old[i:x], new[j:y])
		end := a.old + 1
		for end < len(old) && end-a.old+a.new < len(new) && old[end] == new[end-a.old+a.new] {
			end++
		}
		all.add(true, end-x, end-x)
		i, j = end, end-a.old+a.new
	}
	between(old[i:], new[j:])
	return all
}

// anchor is a line that occurs once in the old and once in the new text.
type anchor struct{ old, new int }

// anchors returns the longest run of such lines that are in the same order on
// both sides.
func anchors(old, new []string) []anchor {
	const repeated = -1
	where := make(map[string]int, len(new))
	for j, line := range new {
		if _, ok := where[line]; ok {
			j = repeated
		}
		where[line] = j
	}
	seen := make(map[string]int, len(old))
	for _, line := range old {
		seen[line]++
	}
	var once []anchor
	for i, line := range old {
		if j, ok := where[line]; ok && j != repeated && seen[line] == 1 {
			once = append(once, anchor{i, j})
		}
	}
	// The longest increasing subsequence: ends[n] is the anchor with the
	// smallest new line that ends a run of n+1.
	var ends []int
	before := make([]int, len(once))
	for k, a := range once {
		n, _ := slices.BinarySearchFunc(ends, a.new, func(end, line int) int { return once[end].new - line })
		before[k] = -1
		if n > 0 {
			before[k] = ends[n-1]
		}
		if n == len(ends) {
			ends = append(ends, k)
		} else {
			ends[n] = k
		}
	}
	if len(ends) == 0 {
		return nil
	}
	run := make([]anchor, len(ends))
	for k, n := ends[len(ends)-1], len(ends)-1; n >= 0; n-- {
		run[n] = once[k]
		k = before[k]
	}
	return run
}

// hunks groups changes with the lines around them. Changes share a hunk when
// their contexts touch.
func hunks(all edits) []edits {
	var out []edits
	var current edits
	for k, e := range all {
		if !e.stays {
			current = append(current, e)
			continue
		}
		first, last := k == 0, k == len(all)-1
		if !first && !last && e.oldLen <= 2*context {
			current = append(current, e)
			continue
		}
		if !first {
			out = append(out, append(current, e.part(0, min(context, e.oldLen))))
			current = nil
		}
		if !last {
			from := max(e.oldLen-context, 0)
			current = append(current, e.part(from, e.oldLen-from))
		}
	}
	if current != nil {
		out = append(out, current)
	}
	return out
}

// part returns n lines of a run that stays.
func (e edit) part(from, n int) edit {
	return edit{true, e.oldAt + from, e.newAt + from, n, n}
}

type unified struct {
	out      *bufio.Writer
	color    bool
	old, new []string

	// Where old and new are parts of longer texts: the lines before them, and
	// what to call the part.
	oldBefore, newBefore int
	name                 string
}

func (u *unified) hunk(edits edits) {
	first := edits[0]
	oldLen, newLen := 0, 0
	for _, e := range edits {
		oldLen += e.oldLen
		newLen += e.newLen
	}
	name := u.name
	if name != "" {
		name = " " + name
	}
	u.put(magenta, fmt.Sprintf("@@ -%s +%s @@%s\n", extent(u.oldBefore+first.oldAt, oldLen), extent(u.newBefore+first.newAt, newLen), name))
	for _, e := range edits {
		if e.stays {
			u.lines(plain, " ", u.old[e.oldAt:e.oldAt+e.oldLen])
			continue
		}
		u.lines(red, "-", u.old[e.oldAt:e.oldAt+e.oldLen])
		u.lines(green, "+", u.new[e.newAt:e.newAt+e.newLen])
	}
}

// extent is the place of a hunk on one side. An empty one is named by the line
// before it, and a length of one is left out.
func extent(at, n int) string {
	switch n {
	case 0:
		return fmt.Sprintf("%d,0", at)
	case 1:
		return fmt.Sprint(at + 1)
	}
	return fmt.Sprintf("%d,%d", at+1, n)
}

func (u *unified) lines(s style, sign string, lines []string) {
	for _, line := range lines {
		if whole := strings.HasSuffix(line, "\n"); whole {
			u.put(s, sign+line)
		} else {
			u.put(s, sign+line+"\n")
			u.put(plain, "\\ No newline at end of file\n")
		}
	}
}

// put writes a line, which ends in a newline.
func (u *unified) put(s style, line string) {
	line = line[:len(line)-1]
	if !u.color {
		text := strings.TrimSuffix(line, "\r")
		u.out.WriteString(escape(text, func(r, _ rune) bool { return r != '\t' && identity.Unprintable(r) }))
		u.out.WriteString(line[len(text):] + "\n")
		return
	}
	line = escape(line, func(r, _ rune) bool { return r != '\t' && invisible(r, utf8.RuneError) })
	if s == plain {
		u.out.WriteString(line)
	} else {
		u.out.WriteString("\x1b[" + sgr[s] + "m" + line + "\x1b[0m")
	}
	u.out.WriteByte('\n')
}

// splitLines cuts a text behind its newlines.
func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
