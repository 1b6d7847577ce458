package render

import (
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	// progressAfter is how long a task lasts before its progress is worth
	// telling, progressEvery how often it is reported.
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
	// waiting is a line that came too early, and is drawn if nothing follows.
	waiting string
	timer   *time.Timer
	tasks   map[string]time.Time // when each was first heard of
}

// NewProgress makes a Progress for the stream of which t was reported.
func NewProgress(out io.Writer, t Terminal, now func() time.Time) *Progress {
	p := &Progress{out: out, now: now, begun: now(), tasks: map[string]time.Time{}}
	if t.Color {
		p.width = t.Width
	}
	return p
}

// Update says that a task, such as "reading corp", has got through n units,
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
	line := fmt.Sprintf("%s: %s %s", clean(task), number(n), unit)
	if elapsed := now.Sub(since); elapsed >= progressAfter {
		line += fmt.Sprintf(", %s/s", number(int(float64(n)/elapsed.Seconds())))
	}
	if early := progressAfter - now.Sub(p.begun); early > 0 {
		p.waiting = line
		if p.timer == nil {
			p.timer = time.AfterFunc(early, p.overdue)
		}
		return
	}
	if !p.shown || now.Sub(p.drawn) >= progressEvery {
		p.draw(line)
	}
}

// overdue draws the line that waits, when something takes so long that no
// other has come.
func (p *Progress) overdue() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting != "" {
		p.draw(p.waiting)
	}
}

func (p *Progress) draw(line string) {
	// The last cell stays free: some terminals break the line behind it.
	io.WriteString(p.out, eraseLine+head(line, p.width-1))
	p.drawn, p.shown, p.waiting = p.now(), true, ""
}

// Clear erases the line, at the end or before something else is written to
// the same terminal; a later Update draws it again.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = ""
	if p.shown {
		io.WriteString(p.out, eraseLine)
		p.shown = false
	}
}
