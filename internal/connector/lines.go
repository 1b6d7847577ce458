package connector

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// MaxLine is the most octets that a line has, without its newline.
const MaxLine = 16 << 20

// Errors of [Lines.Next], after which [Lines.Rest] returns what there is of the
// line.
var (
	ErrLong = fmt.Errorf("the line is longer than %d MiB", MaxLine>>20)
	ErrCut  = errors.New("the last line has no newline")
)

// Lines splits a stream into lines, which end with LF.
type Lines struct {
	r io.Reader
	// buf[pos:end] is not consumed yet; up to searched there is no LF in it.
	buf                []byte
	pos, searched, end int
	err                error
}

// NewLines reads lines from r.
func NewLines(r io.Reader) *Lines { return &Lines{r: r, buf: make([]byte, 64<<10)} }

// Ready reports whether Next returns without reading.
func (l *Lines) Ready() bool {
	if i := bytes.IndexByte(l.buf[l.searched:l.end], '\n'); i >= 0 {
		l.searched += i
		return true
	}
	l.searched = l.end
	return l.err != nil || l.end-l.pos > MaxLine
}

// Rest returns what was read and is no line yet.
func (l *Lines) Rest() []byte { return l.buf[l.pos:l.end] }

// Next returns the next line without its newline, and io.EOF behind the last one.
// The line is valid until the next call.
func (l *Lines) Next() ([]byte, error) {
	for !l.Ready() {
		l.fill()
	}
	switch {
	case l.searched < l.end && l.searched-l.pos <= MaxLine:
		line := l.buf[l.pos:l.searched]
		l.searched++
		l.pos = l.searched
		return line, nil
	case l.end-l.pos > MaxLine:
		return nil, ErrLong
	case l.err == io.EOF && l.end > l.pos:
		return nil, ErrCut
	}
	return nil, l.err
}

// fill reads once.
func (l *Lines) fill() {
	if l.pos > 0 {
		copy(l.buf, l.buf[l.pos:l.end])
		l.searched -= l.pos
		l.end -= l.pos
		l.pos = 0
	}
	if l.end == len(l.buf) {
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	n, err := l.r.Read(l.buf[l.end:])
	l.end += n
	l.err = err
}
