package parallel

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"testing"
)

// pickyWriter fails once it has taken so many writes.
type pickyWriter struct {
	bytes.Buffer
	left int
}

var errFull = errors.New("full")

func (w *pickyWriter) Write(b []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, errFull
	}
	return w.Buffer.Write(b)
}

func TestWriteItems(t *testing.T) {
	item := func(b []byte, i int) []byte { return append(strconv.AppendInt(b, int64(i), 10), '\n') }
	for _, n := range []int{0, 1, piece - 1, piece, piece + 1, 50 * piece} {
		var want strings.Builder
		for i := range n {
			want.Write(item(nil, i))
		}
		whole := pickyWriter{left: n + 1}
		if err := WriteItems(&whole, n, item); err != nil || whole.String() != want.String() {
			t.Errorf("%d items: error %v, and the text differs", n, err)
		}
		if n <= piece {
			continue
		}
		cut := pickyWriter{left: 1}
		if err := WriteItems(&cut, n, item); !errors.Is(err, errFull) || !strings.HasPrefix(want.String(), cut.String()) || !strings.HasSuffix(cut.String(), "\n") {
			t.Errorf("%d items to a writer that fails: error %v after %d octets", n, err, cut.Len())
		}
	}
}
