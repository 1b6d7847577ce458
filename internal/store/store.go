// Package store keeps a state where several machines find it. A place to keep it is a
// [Kind], in a folder of its own, which has what [state.Shared] wants:
//
//	cmd ──> state.Store ──> cache ──> state.Shared ──> PostgreSQL, S3, HTTP
//
// Each keeps versions of the state, of which a new one comes after the newest or not
// at all, the history, and a lock. What more than one of them needs is here: the
// [Lease] of a lock, and how texts are cut into parts and compressed.
package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/state"
)

// Kind is a kind of place, and what is configured of it.
type Kind struct {
	settings.Kind
	// Fenced says that a store of the kind takes a step of a run only from who has
	// the lock, and while that lasts long enough, and looks at all of it and writes in
	// one go. What such a run asks a console for that stores no marks, cannot meet what
	// another run asks.
	Fenced bool
	// Open returns a store, which is not asked yet.
	Open func(o Opening) (state.Shared, error)
	// Setup says what the store needs before it can be used, and makes it.
	Setup func(ctx context.Context, o Opening) (Setup, error)
}

// Opening says how to open a store.
type Opening struct {
	Settings settings.Values
	// Cache is the path of the state file that may be a copy of the state.
	Cache string
	// Release is the version of the program.
	Release string
	// Warn says what somebody should look at; nil says it to nobody.
	Warn func(text string)
}

// Setup is what a store needs once.
type Setup struct {
	// Script is what is run, for people to read; "" for nothing to do.
	Script string
	Run    func(ctx context.Context) error
}

// PartSize is about how large parts are, in octets.
const PartSize = 1 << 20

var (
	compressor   = sync.OnceValue(func() *zstd.Encoder { return must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))) })
	decompressor = sync.OnceValue(func() *zstd.Decoder { return must(zstd.NewReader(nil, zstd.WithDecoderMaxMemory(1<<30))) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options are wrong
	}
	return v
}

// Compress returns a text as a frame of zstd (RFC 8878).
func Compress(text []byte) []byte { return compressor().EncodeAll(text, nil) }

// Decompress returns the text of frames of zstd.
func Decompress(frames []byte) ([]byte, error) { return decompressor().DecodeAll(frames, nil) }

// Writer compresses a text and cuts what comes of it into parts, which are put away beside.
type Writer struct {
	buf    bytes.Buffer
	enc    *zstd.Encoder
	parts  chan []byte
	failed chan struct{} // closed with the first error
	done   chan struct{} // closed once all is put away
	err    error         // of put; to be read once failed or done is closed
}

// ahead is how many parts wait to be put away.
const ahead = 4

// NewWriter returns a writer that calls put with each part, one after the other. Its Close
// ends the text, and its Abort drops it; one of them has to be called.
func NewWriter(put func(part []byte) error) (*Writer, error) {
	w := &Writer{parts: make(chan []byte, ahead), failed: make(chan struct{}), done: make(chan struct{})}
	enc, err := zstd.NewWriter(cutting{w}, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	w.enc = enc
	go func() {
		defer close(w.done)
		for part := range w.parts {
			if w.err == nil {
				if w.err = put(part); w.err != nil {
					close(w.failed)
				}
			}
		}
	}()
	return w, nil
}

func (w *Writer) Write(text []byte) (int, error) { return w.enc.Write(text) }

// Close ends the text.
func (w *Writer) Close() error {
	err := w.enc.Close()
	if err == nil {
		err = w.cut(0)
	}
	close(w.parts)
	<-w.done
	if w.err != nil {
		return w.err
	}
	return err
}

// Abort drops what was not put away yet.
func (w *Writer) Abort() {
	w.enc.Reset(nil)
	_ = w.enc.Close() // of nothing
	close(w.parts)
	<-w.done
}

func (w *Writer) cut(least int) error {
	for w.buf.Len() > least {
		select {
		case w.parts <- bytes.Clone(w.buf.Next(PartSize)):
		case <-w.failed:
			return w.err
		}
	}
	return nil
}

type cutting struct{ w *Writer }

func (c cutting) Write(b []byte) (int, error) {
	c.w.buf.Write(b)
	return len(b), c.w.cut(PartSize - 1)
}

// NewReader returns the text whose parts next returns, until io.EOF. Close calls done,
// which may be nil.
func NewReader(next func() ([]byte, error), done func() error) (io.ReadCloser, error) {
	dec, err := zstd.NewReader(&joining{next: next})
	if err != nil {
		return nil, err
	}
	return &reader{dec, done}, nil
}

type reader struct {
	*zstd.Decoder
	done func() error
}

func (r *reader) Close() error {
	r.Decoder.Close()
	if r.done == nil {
		return nil
	}
	return r.done()
}

// joining reads parts one after the other.
type joining struct {
	next func() ([]byte, error)
	part []byte
}

func (j *joining) Read(b []byte) (int, error) {
	for len(j.part) == 0 {
		var err error
		if j.part, err = j.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, j.part)
	j.part = j.part[n:]
	return n, nil
}

// Part is a part of a document that is compressed on its own.
type Part struct {
	// At is where it begins in the document, and Length how long it is, in octets of
	// what it says.
	At, Length int64
}

// NewDocument returns a document whose parts follow each other from its beginning;
// fetch returns what one says.
func NewDocument(name string, parts []Part, fetch func(i int) ([]byte, error)) state.Document {
	return &document{name: name, parts: parts, fetch: fetch, is: -1}
}

type document struct {
	name  string
	parts []Part
	fetch func(i int) ([]byte, error)
	at    int64
	is    int // the part that is in text, or -1
	text  []byte
}

func (d *document) Name() string { return d.name }

func (d *document) Close() error { return nil }

func (d *document) length() int64 {
	if len(d.parts) == 0 {
		return 0
	}
	last := d.parts[len(d.parts)-1]
	return last.At + last.Length
}

func (d *document) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += d.at
	case io.SeekEnd:
		offset += d.length()
	}
	if offset < 0 {
		return d.at, errors.New("an offset before the beginning")
	}
	d.at = offset
	return offset, nil
}

func (d *document) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if d.at >= d.length() {
		return 0, io.EOF
	}
	i, found := slices.BinarySearchFunc(d.parts, d.at, func(p Part, at int64) int {
		switch {
		case p.At+p.Length <= at:
			return -1
		case p.At > at:
			return 1
		}
		return 0
	})
	if !found {
		return 0, errors.New("the document lacks a part")
	}
	if d.is != i {
		text, err := d.fetch(i)
		if err == nil && int64(len(text)) != d.parts[i].Length {
			err = errors.New("a part of the document is damaged")
		}
		if err != nil {
			return 0, err
		}
		d.is, d.text = i, text
	}
	n := copy(b, d.text[d.at-d.parts[i].At:])
	d.at += int64(n)
	return n, nil
}
