package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// cut returns a text as documents have it, in parts of random lengths.
func cut(random *rand.Rand, text []byte) (parts []Part, fetch func(int) ([]byte, error)) {
	var all [][]byte
	for at := 0; at < len(text); {
		n := 1 + random.IntN(min(900, len(text)-at))
		parts, all = append(parts, Part{int64(at), int64(n)}), append(all, Compress(text[at:at+n]))
		at += n
	}
	return parts, func(i int) ([]byte, error) { return Decompress(all[i]) }
}

// TestDocument: a document in parts is read as one in a file.
func TestDocument(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 999, 20_000} {
		text := make([]byte, n)
		for i := range text {
			text[i] = byte('a' + random.IntN(26))
		}
		d := NewDocument("a record", nil, nil)
		if n > 0 {
			parts, fetch := cut(random, text)
			d = NewDocument("a record", parts, fetch)
		}
		if err := iotest.TestReader(d, text); err != nil {
			t.Errorf("%d octets: %v", n, err)
		}
	}
	parts, fetch := cut(random, []byte("some text"))
	parts[len(parts)-1].Length++
	if _, err := io.ReadAll(NewDocument("a record", parts, fetch)); err == nil {
		t.Error("a part that is too short is taken")
	}
	broken := errors.New("broken")
	if _, err := io.ReadAll(NewDocument("a record", []Part{{0, 5}}, func(int) ([]byte, error) { return nil, broken })); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestParts: what is written in parts is read as it was, and no part is longer than
// it may be.
func TestParts(t *testing.T) {
	for _, n := range []int{0, 1, PartSize, 3*PartSize + 17} {
		text := make([]byte, n)
		random := rand.NewChaCha8([32]byte{1})
		_, _ = random.Read(text) // never fails
		var parts [][]byte
		w, err := NewWriter(func(part []byte) error {
			if len(part) == 0 || len(part) > PartSize {
				t.Errorf("a part of %d octets", len(part))
			}
			parts = append(parts, bytes.Clone(part))
			return nil
		})
		if err == nil {
			_, err = w.Write(text)
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		i, closed := 0, false
		r, err := NewReader(func() ([]byte, error) {
			if i == len(parts) {
				return nil, io.EOF
			}
			i++
			return parts[i-1], nil
		}, func() error { closed = true; return nil })
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d octets of %d: %v", len(got), n, err)
		}
		if r.Close(); !closed {
			t.Error("it is not closed")
		}
	}
	full := errors.New("full")
	w, err := NewWriter(func([]byte) error { return full })
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(bytes.Repeat([]byte("text"), 100))
	if err := w.Close(); !errors.Is(err, full) {
		t.Error(err)
	}
}
