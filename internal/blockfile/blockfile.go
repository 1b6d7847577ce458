// Package blockfile keeps rows in a file in blocks, so that some are read without the
// others, and several at once. It is for caches: whoever reads one makes it anew where it
// is damaged, or of something else.
//
//	blocks   the keys of some rows, 4 octets each, and the rows as texts
//	foot     JSON: the format, what the file is about, and where the blocks are
//	end      12 octets: where the foot begins, and its checksum
//
// A file may be extended: blocks, a foot and an end come behind those that are there, of which
// the blocks count that the new foot names. Who has the file open reads what it was.
//
// A key is the checksum of what a row is found by: what is among no keys has no row.
// Checksums are CRC-32C, for what is damaged by chance.
package blockfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Rows is how many rows a block has at most.
const Rows = 1024

const (
	endSize = 12
	keySize = 4
)

// ErrDamaged is the error of a file that is none of these, or damaged.
var ErrDamaged = errors.New("the file is damaged, or of another format")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// Key returns the key of what a row is found by.
func Key(of []byte) uint32 { return checksum(of) }

// Block says where a block is, and how long its parts are, in octets.
type Block struct {
	At       int64  `json:"at"`
	Rows     int    `json:"rows"` // how many
	Keys     int    `json:"keys"`
	KeysSum  uint32 `json:"keys_sum"`
	Texts    int    `json:"texts"`
	TextsSum uint32 `json:"texts_sum"`
}

func (b *Block) length() int64 { return int64(b.Keys) + int64(b.Texts) }

type foot struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	About   json.RawMessage `json:"about"`
	Blocks  []Block         `json:"blocks"`
}

// Blocks is how many blocks some rows make.
func Blocks(rows int) int { return (rows + Rows - 1) / Rows }

// Bounds are the first row of block n of some rows, and the one behind its last.
func Bounds(rows, n int) (first, end int) { return n * Rows, min((n+1)*Rows, rows) }

// Writer writes a file. That something cannot be written is an error in the end alone, so
// that a file which is only a cache disturbs nobody.
type Writer struct {
	w      io.Writer
	err    error
	blocks []Block
	kept   []bool // blocks of the file that is extended
	base   int64  // where the first of the others begins
}

// NewWriter returns a writer of so many blocks.
func NewWriter(w io.Writer, blocks int) *Writer {
	return &Writer{w: w, blocks: make([]Block, blocks), kept: make([]bool, blocks)}
}

// Extend returns a writer of what comes behind a file, for [File.Extend].
func Extend(w io.Writer, of *File, blocks int) *Writer {
	x := NewWriter(w, blocks)
	x.base = of.size
	return x
}

// Keep takes block m of the file that is extended as block n.
func (x *Writer) Keep(n int, of *File, m int) { x.blocks[n], x.kept[n] = of.Blocks[m], true }

// Append appends block n, which has so many rows: keys appends their keys, by [AppendKey],
// and texts the rows. The blocks may be appended in any order, several at once. Who does
// writes them in their order.
func (x *Writer) Append(b []byte, n, rows int, keys, texts func(b []byte) []byte) []byte {
	begin := len(b)
	b = keys(b)
	middle := len(b)
	b = texts(b)
	x.blocks[n] = Block{Rows: rows, Keys: middle - begin, KeysSum: checksum(b[begin:middle]), Texts: len(b) - middle, TextsSum: checksum(b[middle:])}
	return b
}

// AppendCopy appends block m of another file as block n.
func (x *Writer) AppendCopy(b []byte, n int, of *File, m int) ([]byte, error) {
	block := of.Blocks[m]
	begin := len(b)
	b = slices.Grow(b, block.Keys+block.Texts)[:begin+block.Keys+block.Texts]
	if _, err := of.file.ReadAt(b[begin:], block.At); err != nil {
		return b, err
	}
	if checksum(b[begin:begin+block.Keys]) != block.KeysSum || checksum(b[begin+block.Keys:]) != block.TextsSum {
		return b, ErrDamaged
	}
	x.blocks[n] = block
	return b, nil
}

// AppendKey appends a key.
func AppendKey(b []byte, key uint32) []byte { return binary.LittleEndian.AppendUint32(b, key) }

// Write writes blocks as [Writer.Append] has appended them. It never fails.
func (x *Writer) Write(b []byte) (int, error) {
	if x.err == nil {
		_, x.err = x.w.Write(b)
	}
	return len(b), nil
}

// End writes the foot, which says what the file is about, as JSON has it.
func (x *Writer) End(format string, version int, about any) error {
	f := foot{Format: format, Version: version, Blocks: x.blocks}
	at := x.base
	for i := range f.Blocks {
		if !x.kept[i] {
			f.Blocks[i].At = at
			at += f.Blocks[i].length()
		}
	}
	var err error
	if f.About, err = json.Marshal(about); err != nil {
		return err
	}
	text, err := json.Marshal(&f)
	if err != nil {
		return err
	}
	end := binary.LittleEndian.AppendUint64(nil, uint64(at))
	end = binary.LittleEndian.AppendUint32(end, checksum(text))
	_, _ = x.Write(append(text, end...))
	return x.err
}

// File is a file that can be read.
type File struct {
	file   *os.File
	size   int64
	Blocks []Block
}

// Open reads the foot of a file of a format into about. What is wrong with it is
// [ErrDamaged]. The file stays the caller's.
func Open(file *os.File, format string, version int, about any) (*File, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < endSize {
		return nil, ErrDamaged
	}
	end := make([]byte, endSize)
	if _, err := file.ReadAt(end, info.Size()-endSize); err != nil {
		return nil, err
	}
	at := int64(binary.LittleEndian.Uint64(end))
	if at < 0 || at > info.Size()-endSize {
		return nil, ErrDamaged
	}
	text := make([]byte, info.Size()-endSize-at)
	if _, err := file.ReadAt(text, at); err != nil {
		return nil, err
	}
	var f foot
	if checksum(text) != binary.LittleEndian.Uint32(end[8:]) || strict(text, &f) != nil || f.Format != format || f.Version != version {
		return nil, ErrDamaged
	}
	for _, b := range f.Blocks {
		if b.At < 0 || b.At > at || b.Rows < 1 || b.Rows > Rows || b.Keys < 0 || b.Keys%keySize != 0 || b.Texts < b.Rows || b.length() > at-b.At {
			return nil, ErrDamaged
		}
	}
	if strict(f.About, about) != nil {
		return nil, ErrDamaged
	}
	return &File{file, info.Size(), f.Blocks}, nil
}

// Extensible reports whether less than half as much of the file is of no use any more as is
// in use.
func (f *File) Extensible() bool {
	used := int64(0)
	for i := range f.Blocks {
		used += f.Blocks[i].length()
	}
	return f.size < used*3/2
}

// Extend writes what a writer of [Extend] has written behind the file, to is the same file
// as it was opened, for writing. Where it cannot be written, the file is what it was.
func (f *File) Extend(to *os.File, text []byte) error {
	one, err := f.file.Stat()
	if err != nil {
		return err
	}
	other, err := to.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(one, other) || other.Size() != f.size {
		return ErrDamaged
	}
	if _, err = to.WriteAt(text, f.size); err != nil {
		_ = to.Truncate(f.size)
	}
	return err
}

// strict reads JSON that has no other keys.
func strict(text []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// Rows is how many rows the file has.
func (f *File) Rows() (n int) {
	for i := range f.Blocks {
		n += f.Blocks[i].Rows
	}
	return n
}

// Texts reads the rows of block n, into a buffer where that is long enough.
func (f *File) Texts(buf []byte, n int) ([]byte, error) {
	b := &f.Blocks[n]
	return f.part(buf, b.At+int64(b.Keys), b.Texts, b.TextsSum)
}

func (f *File) keys(buf []byte, n int) ([]byte, error) {
	b := &f.Blocks[n]
	return f.part(buf, b.At, b.Keys, b.KeysSum)
}

func (f *File) part(buf []byte, at int64, length int, sum uint32) ([]byte, error) {
	if cap(buf) < length {
		buf = make([]byte, length)
	}
	buf = buf[:length]
	if _, err := f.file.ReadAt(buf, at); err != nil {
		return buf, err
	}
	if checksum(buf) != sum {
		return buf, ErrDamaged
	}
	return buf, nil
}

// Each calls a function with the rows of each block, for several blocks at once. first is
// the number of the first row. Each worker gets a function of its own from begin.
func (f *File) Each(begin func() func(n, first int, texts []byte) error) error {
	starts := make([]int, len(f.Blocks)+1)
	for i := range f.Blocks {
		starts[i+1] = starts[i] + f.Blocks[i].Rows
	}
	var mu sync.Mutex
	var failed error
	var next atomic.Int64
	var broken atomic.Bool
	var readers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(f.Blocks)) {
		readers.Go(func() {
			read := begin()
			var buf []byte
			for !broken.Load() {
				n := int(next.Add(1)) - 1
				if n >= len(f.Blocks) {
					return
				}
				var err error
				if buf, err = f.Texts(buf, n); err == nil {
					err = read(n, starts[n], buf)
				}
				if err != nil {
					broken.Store(true)
					mu.Lock()
					failed = errors.Join(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	readers.Wait()
	return failed
}

// Find calls a function with each block among whose keys some of those wanted are, until
// it returns an error.
func (f *File) Find(wanted map[uint32]struct{}, found func(block int) error) error {
	if len(wanted) == 0 {
		return nil
	}
	const bits = 16
	var low [1 << bits / 64]uint64 // of the low bits, for most keys are not wanted
	for key := range wanted {
		low[key&(1<<bits-1)/64] |= 1 << (key % 64)
	}
	var buf []byte
	for n := range f.Blocks {
		var err error
		if buf, err = f.keys(buf, n); err != nil {
			return err
		}
		for at := 0; at < len(buf); at += keySize {
			key := binary.LittleEndian.Uint32(buf[at:])
			if low[key&(1<<bits-1)/64]&(1<<(key%64)) == 0 {
				continue
			}
			if _, is := wanted[key]; is {
				if err := found(n); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}
