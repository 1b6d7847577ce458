package render

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// progressAfter is how long a task lasts before its progress is worth
	// telling, progressEvery how often it is told.
	progressAfter = time.Second
	progressEvery = 100 * time.Millisecond
	eraseLine     = "\r\x1b[K"
)

// Progress keeps one line on a terminal up to date: what is being done, how
// far, and how fast. Nothing appears during the first second, and nothing at
// all where there is no terminal with colour. It may be used by several
// goroutines.
type Progress struct {
	out   io.Writer
	width int // 0 is silent
	now   func() time.Time

	mu    sync.Mutex
	begun time.Time
	drawn time.Time
	shown bool
	tasks map[string]time.Time // when each was first heard of
}

// NewProgress makes a Progress for the stream of which t was told.
func NewProgress(out io.Writer, t Terminal, now func() time.Time) *Progress {
	p := &Progress{out: out, now: now, begun: now(), tasks: map[string]time.Time{}}
	if t.Color {
		p.width = t.Width
	}
	return p
}

// Update tells that a task, such as "reading corp", has got through n units,
// such as "entries".
func (p *Progress) Update(task, unit string, n int) {
	if p.width == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	since, known := p.tasks[task]
	if !known {
		since = now
		p.tasks[task] = now
	}
	if now.Sub(p.begun) < progressAfter || p.shown && now.Sub(p.drawn) < progressEvery {
		return
	}
	line := fmt.Sprintf("%s: %s %s", clean(task), number(n), unit)
	if elapsed := now.Sub(since); elapsed >= progressAfter {
		line += fmt.Sprintf(", %s/s", number(int(float64(n)/elapsed.Seconds())))
	}
	// The last cell stays free: some terminals break the line behind it.
	io.WriteString(p.out, eraseLine+head(line, p.width-1))
	p.drawn, p.shown = now, true
}

// Clear erases the line, at the end or before something else is written to
// the same terminal; a later Update draws it again.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		io.WriteString(p.out, eraseLine)
		p.shown = false
	}
}
