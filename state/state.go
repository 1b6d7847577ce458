// Package state keeps rollcall's memory of the console: the state, its lock, the
// history of the runs that have written it, and the import of accounts that exist
// already.
//
// A [Store] is where a state is, made by [At] for files and by [On] for a place that
// several machines use. Below it a [Backend] keeps versions and documents without knowing
// what they say, and a [Locker] keeps all but one from writing. What is elsewhere has a
// copy in files.
//
// The state file is JSON lines. The first is a header, then comes one account a line
// in byte order of the primaries, and the last line has the number of accounts
// and the SHA-256 of all lines before it. A file is never changed in place: a
// new one is written beside it, synced and renamed over it, and the version
// before stays as FILE.backup. So the file is whole at every moment, and one
// that is not was damaged by something else and is refused.
package state

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/blockfile"
	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/parallel"
)

const (
	format  = "rollcall-state"
	version = 1
)

// State is the content of a state file.
type State struct {
	// Lineage identifies the file's history, made once with it; "" for a state
	// that was never written.
	Lineage string
	// Serial counts the versions; 0 for a state that was never written.
	Serial int64
	// Written is when this version was written, in UTC, and Tool the program
	// that did.
	Written time.Time
	Tool    string
	// Sum is the SHA-256 in the last line of the file, in hex; "" for a state that
	// was never written.
	Sum string
	// Accounts are in byte order of their primaries.
	Accounts []identity.Account
	// Placed is what is known of accounts in a console, by their primaries. It is
	// nil where the console is the state itself.
	Placed map[identity.Address]identity.Placed

	rest *rest // accounts that are not among those above
}

type header struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Lineage string    `json:"lineage"`
	Serial  int64     `json:"serial"`
	Written time.Time `json:"written"`
	Tool    string    `json:"tool"`
}

type trailer struct {
	Accounts *int   `json:"accounts"`
	SHA256   string `json:"sha256"`
}

// version returns which version of its kind the state is.
func (s *State) version() Version { return Version{s.Lineage, s.Serial, s.Sum} }

// Error is a problem with a file, and what to do about it.
type Error = atomicfile.Error

// otherVersion is the error of a document that is written in a format version, and not in that
// which is read.
func otherVersion(written, read int) *Error {
	return &Error{Reason: fmt.Sprintf("written in format version %d, and this version of rollcall reads %d", written, read),
		Advice: "run the version of rollcall that has written it, or a later one; after a downgrade, put back the state of before"}
}

// Read reads a state from r and verifies it whole.
func Read(r io.Reader) (*State, error) {
	in := lineReader{r: bufio.NewReaderSize(r, 1<<20), sum: sha256.New()}
	line, err := in.next()
	if err != nil {
		return nil, in.damaged(err, "the header is missing")
	}
	var h header
	if json.Unmarshal(line, &h) != nil || h.Format != format {
		return nil, in.fail("not a rollcall state file: the first line is no header")
	}
	if h.Version != version {
		err := otherVersion(h.Version, version)
		err.Line = in.n
		return nil, err
	}
	if strict(line, &h) != nil {
		return nil, in.fail("the header is damaged")
	}
	if h.Lineage == "" || h.Serial < 1 {
		return nil, in.fail("the header has no lineage or no serial")
	}
	s := &State{Lineage: h.Lineage, Serial: h.Serial, Written: h.Written, Tool: h.Tool}
	var dec identity.Decoder
	for {
		sum := in.sumSoFar()
		line, err := in.next()
		if err != nil {
			return nil, in.damaged(err, "the last line is missing, so the file was cut short")
		}
		if bytes.HasPrefix(line, []byte(`{"accounts":`)) {
			s.Sum, err = in.finish(line, sum, len(s.Accounts))
			return s, err
		}
		a, placed, err := parseAccount(&dec, line)
		if err != nil {
			return nil, in.fail("not an account: " + err.Error())
		}
		if n := len(s.Accounts); n > 0 && s.Accounts[n-1].Primary.Compare(a.Primary) >= 0 {
			return nil, in.fail(fmt.Sprintf("%s does not come after %s", a.Primary, s.Accounts[n-1].Primary))
		}
		s.Accounts = append(compact.Grown(s.Accounts), a)
		if placed != nil {
			if s.Placed == nil {
				s.Placed = map[identity.Address]identity.Placed{}
			}
			s.Placed[a.Primary] = *placed
		}
	}
}

// strict decodes one JSON object and nothing beside it.
func strict(line []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the object")
	}
	return nil
}

// lineReader returns the lines of a state file and sums those it has returned.
type lineReader struct {
	r    *bufio.Reader
	sum  hash.Hash
	last []byte // the line returned last, not yet summed
	long []byte
	n    int
}

// next returns the next line without its newline. The line is valid until the
// next call.
func (in *lineReader) next() ([]byte, error) {
	in.n++
	line, err := in.r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		in.long = append(in.long[:0], line...)
		for err == bufio.ErrBufferFull {
			line, err = in.r.ReadSlice('\n')
			in.long = append(in.long, line...)
		}
		line = in.long
	}
	if err == io.EOF && len(line) > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	in.last = line
	return line[:len(line)-1], nil
}

// sumSoFar sums the line returned last and returns the hash, whose value is
// that of all lines returned until now.
func (in *lineReader) sumSoFar() hash.Hash {
	in.sum.Write(in.last)
	in.last = nil
	return in.sum
}

// finish checks the last line of a state and returns the checksum in it.
func (in *lineReader) finish(line []byte, sum hash.Hash, accounts int) (string, error) {
	var t trailer
	if strict(line, &t) != nil || t.Accounts == nil {
		return "", in.fail("the last line is damaged")
	}
	if *t.Accounts != accounts {
		return "", in.fail(fmt.Sprintf("the file has %d accounts, and its last line says %d", accounts, *t.Accounts))
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != t.SHA256 {
		return "", in.fail("the checksum in the last line does not fit the lines before it")
	}
	if _, err := in.r.ReadByte(); err != io.EOF {
		in.n++
		return "", in.fail("something follows the last line")
	}
	return t.SHA256, nil
}

func (in *lineReader) fail(reason string) error { return &Error{Line: in.n, Reason: reason} }

func (in *lineReader) damaged(err error, reason string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return in.fail(reason)
	}
	return fmt.Errorf("read the state: %w", err)
}

// Write writes a state to w. The accounts must be in byte order of their
// primaries.
func (s *State) Write(w io.Writer) error {
	_, err := s.write(w, nil)
	return err
}

// appendAccount appends the line of an account.
func (s *State) appendAccount(b []byte, i int) []byte {
	a := &s.Accounts[i]
	if len(s.Placed) > 0 {
		if placed, ok := s.Placed[a.Primary]; ok {
			return append(appendPlaced(b, a, &placed), '\n')
		}
	}
	return append(a.AppendJSON(b), '\n')
}

// write writes a state and returns the checksum of its last line. An index that is not nil
// gets its blocks meanwhile: the texts of an account are at hand then.
func (s *State) write(w io.Writer, x *indexWriter) (checksum string, err error) {
	sum := sha256.New()
	out := bufio.NewWriterSize(&aside{w, sum}, 1<<16) // much at a time goes past it
	head, err := json.Marshal(header{format, version, s.Lineage, s.Serial, s.Written.UTC().Truncate(time.Second), s.Tool})
	if err != nil {
		return "", err
	}
	if _, err := out.Write(append(head, '\n')); err != nil {
		return "", err
	}
	if err := s.writeAccounts(out, x); err != nil {
		return "", err
	}
	if err := out.Flush(); err != nil {
		return "", err
	}
	checksum = hex.EncodeToString(sum.Sum(nil))
	_, err = fmt.Fprintf(w, "{\"accounts\":%d,\"sha256\":%q}\n", s.count(), checksum)
	return checksum, err
}

// writeAccounts writes the lines of accounts, and their blocks into an index.
func (s *State) writeAccounts(out io.Writer, x *indexWriter) error {
	if s.rest != nil {
		return s.rest.write(out, x, s)
	}
	if x == nil {
		return parallel.WriteItems(out, len(s.Accounts), s.appendAccount)
	}
	blocks := blockfile.Blocks(len(s.Accounts))
	x.begin(s, blocks)
	both := &both{lines: out, blocks: x, lengths: make([]int, blocks)}
	return parallel.WriteBlocks(both, blocks, func(b []byte, n int) []byte {
		for i := range piece(s, n) {
			b = s.appendAccount(b, n*blockfile.Rows+i)
		}
		both.lengths[n] = len(b)
		x.line(n, piece(s, n), b)
		return x.append(b, n, piece(s, n))
	})
}

// both gets lines and the block of an index that has the same accounts, one after the
// other.
type both struct {
	lines, blocks io.Writer
	lengths       []int // of lines
	n             int
}

func (b *both) Write(text []byte) (int, error) {
	lines, block := text[:b.lengths[b.n]], text[b.lengths[b.n]:]
	b.n++
	_, err := (&aside{b.lines, b.blocks}).pair(lines, block)
	return len(text), err
}

// aside writes what one writer gets to another, too, beside each other.
type aside struct{ w, other io.Writer }

func (a *aside) Write(b []byte) (int, error) { return a.pair(b, b) }

// pair writes something to each of the two. The error is that of the first, or else of the
// other.
func (a *aside) pair(b, other []byte) (int, error) {
	done := make(chan error, 1)
	go func() {
		_, err := a.other.Write(other)
		done <- err
	}()
	n, err := a.w.Write(b)
	if failed := <-done; err == nil {
		err = failed
	}
	return n, err
}
