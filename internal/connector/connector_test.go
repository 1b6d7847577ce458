package connector

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// TestLines: lines come whole, whatever the pieces in which they arrive.
func TestLines(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	for _, c := range []struct {
		text string
		want []string
		err  error
	}{
		{"", nil, io.EOF},
		{"a\n\nb\r\n", []string{"a", "", "b\r"}, io.EOF},
		{"a\nb", []string{"a"}, ErrCut},
		{long + "\na\n", []string{long, "a"}, io.EOF},
		{"a\n" + long + "x\n", []string{"a"}, ErrLong},
		{long + long, nil, ErrLong},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.text), iotest.HalfReader(strings.NewReader(c.text)), iotest.DataErrReader(strings.NewReader(c.text))} {
			lines := NewLines(r)
			var got []string
			line, err := lines.Next()
			for ; err == nil; line, err = lines.Next() {
				got = append(got, string(line))
			}
			if err != c.err || !cmp.Equal(got, c.want) {
				t.Errorf("%d octets: %d lines, %v", len(c.text), len(got), err)
			}
		}
	}
	lines := NewLines(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("ab\n"))))
	if _, err := lines.Next(); err != iotest.ErrTimeout || string(lines.Rest()) != "a" {
		t.Errorf("%v with %q", err, lines.Rest())
	}
}

// TestExcerpt: a secret is masked where a long line is cut, too.
func TestExcerpt(t *testing.T) {
	s := NewSecrets([]byte(`{"a":"0123456789"}`), nil)
	for shift := range 12 {
		line := strings.Repeat("0123456789", 6552) + strings.Repeat("x", shift) + strings.Repeat("0123456789", 3)
		if got := s.Excerpt([]byte(line)); strings.ContainsAny(got, "0123456789") || len(got) > 100 {
			t.Errorf("%d: %s", shift, got)
		}
	}
}
