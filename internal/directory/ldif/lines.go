package ldif

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	blockSize = 1 << 20
	maxLine   = 16 << 20 // octets of one line, folded parts included
)

// lines splits a stream into lines, which end with LF or CRLF. It holds no
// more than the longest line and one block.
type lines struct {
	r io.Reader
	// buf[pos:end] is not consumed yet; up to searched there is no LF in it.
	buf                []byte
	pos, searched, end int
	eof                bool
	// number is that of the line last returned, counted from 1.
	number int
	// nul is the place of the first NUL in buf[pos:end], or -1.
	nul int
	// long collects a line of several parts.
	long []byte
}

func newLines(r io.Reader) *lines {
	return &lines{r: r, buf: make([]byte, blockSize), nul: -1}
}

var (
	errLong = fmt.Errorf("the line is longer than %d MiB; this is no LDIF file that a directory server wrote", maxLine>>20)
	errCut  = errors.New("the file ends in the middle of this line, so the export was cut short (a complete last line ends with a newline)")
	errNUL  = errors.New("a NUL octet; this is no LDIF file, or not one of text in UTF-8")
)

// next returns the next physical line without its end, and io.EOF behind the
// last one. The line is valid until the next call.
func (l *lines) next() ([]byte, error) {
	for {
		if i := bytes.IndexByte(l.buf[l.searched:l.end], '\n'); i >= 0 {
			// The octet behind the line says whether the line goes on.
			if nl := l.searched + i; nl+1 < l.end || l.eof {
				return l.take(nl, nl+1)
			}
		} else if l.searched = l.end; l.eof {
			if l.pos == l.end {
				return nil, io.EOF
			}
			// White space holds nothing to lose; behind a comment that is cut there
			// may have been anything.
			if rest := bytes.TrimSpace(l.buf[l.pos:l.end]); len(rest) > 0 {
				l.number++
				return nil, errCut
			}
			return l.take(l.end, l.end)
		}
		if err := l.fill(); err != nil {
			return nil, err
		}
	}
}

func (l *lines) take(end, next int) ([]byte, error) {
	line := l.buf[l.pos:end]
	l.pos, l.searched = next, next
	l.number++
	if l.nul >= 0 && l.nul < next {
		return nil, errNUL
	}
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

// continues reports whether the line last returned is folded: the next
// physical line is a part of it.
func (l *lines) continues() bool { return l.pos < l.end && l.buf[l.pos] == ' ' }

// unfold returns the whole line of which first is the first part.
func (l *lines) unfold(first []byte) ([]byte, error) {
	l.long = append(l.long[:0], first...)
	for l.continues() {
		part, err := l.next()
		if err != nil {
			return nil, err
		}
		if len(l.long)+len(part) > maxLine {
			return nil, errLong
		}
		l.long = append(l.long, part[1:]...)
	}
	return l.long, nil
}

// skipFold passes over the other parts of a line and returns their length.
func (l *lines) skipFold() (n int, err error) {
	for l.continues() {
		part, err := l.next()
		if err != nil {
			return n, err
		}
		n += len(part) - 1
	}
	return n, nil
}

func (l *lines) fill() error {
	if l.pos > 0 {
		copy(l.buf, l.buf[l.pos:l.end])
		l.searched -= l.pos
		l.end -= l.pos
		l.nul = max(l.nul-l.pos, -1)
		l.pos = 0
	}
	if l.end == len(l.buf) {
		if l.end > maxLine {
			l.number++
			return errLong
		}
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	for range 100 {
		n, err := l.r.Read(l.buf[l.end:])
		if l.nul < 0 {
			if i := bytes.IndexByte(l.buf[l.end:l.end+n], 0); i >= 0 {
				l.nul = l.end + i
			}
		}
		l.end += n
		switch {
		case err == io.EOF:
			l.eof = true
			return nil
		case err != nil:
			return err
		case n > 0:
			return nil
		}
	}
	return io.ErrNoProgress
}
