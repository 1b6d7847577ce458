// Package state keeps rollcall's memory of the console in one file: the state
// file, its lock, and the import of accounts that exist already.
//
// The file is JSON lines. The first is a header, then comes one account a line
// in byte order of the primaries, and the last line has the number of accounts
// and the SHA-256 of all lines before it. A file is never changed in place: a
// new one is written beside it, synced and renamed over it, and the version
// before stays as FILE.backup. So the file is whole at every moment, and one
// that is not was damaged by something else and is refused.
package state

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/identity"
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

// Error is a problem with a file, and what to do about it.
type Error = atomicfile.Error

// BackupPath returns where the version before is kept.
func BackupPath(path string) string { return path + ".backup" }

// Load reads a state file and verifies it whole. A file that does not exist is
// an empty state with serial 0, unless it was lost: there is a backup of it, or
// the history has a run that wrote it. Then it is an [Error].
func Load(path string) (*State, error) {
	f, err := atomicfile.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		lost := Lost(path)
		// The first versions may have been written in between.
		if f, err = atomicfile.Open(path); errors.Is(err, fs.ErrNotExist) {
			return &State{}, lost
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, &Error{Path: path, Reason: "no permission to read the state",
			Advice: "run rollcall as the user who owns it, or give it to yours with chown"}
	}
	if err != nil {
		return nil, fmt.Errorf("open the state: %w", err)
	}
	s, err := readFile(f, path)
	var damage *Error
	if errors.As(err, &damage) {
		damage.Advice = "the file was changed by something other than rollcall; put back a good copy of it"
		if backup := BackupPath(atomicfile.Resolve(path)); exists(backup) {
			damage.Advice = fmt.Sprintf("the file was changed by something other than rollcall; the version before is %s: "+
				"compare the two, then put back the good one with cp", backup)
		}
	}
	return s, err
}

// Lost is an error if there is no state at path and something shows that there
// was one, and says what to do.
func Lost(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	backup := BackupPath(atomicfile.Resolve(path))
	kept := exists(backup)
	past, err := newestChange(path)
	switch {
	case err != nil:
		return err
	case past == nil && !kept:
		return nil
	}
	e := &Error{Path: path, Reason: "the state is missing"}
	advice := "put back a copy of it"
	if kept {
		e.Reason += ", and its backup is there"
		advice = fmt.Sprintf("put back the version before with cp %s %s", backup, path)
	}
	if past != nil {
		e.Reason += fmt.Sprintf(", and run %d, of %s, left it at version %d", past.Number, past.Started.UTC().Format(time.RFC3339), past.SerialAfter)
	}
	e.Advice = advice + "; or begin anew with --new-state, as if no account had ever been there"
	return e
}

// New returns an empty state to begin anew with, although there may have been
// one. It is an error if there is one now.
func New(path string) (*State, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &State{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for the state: %w", err)
	}
	return nil, &Error{Path: path, Reason: "a new state was asked for, and there is one already",
		Advice: "leave out --new-state, which is for a state that was lost; to begin anew all the same, move this file away first"}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Files returns the files that belong to the state at path: itself, its backup
// and its lock.
func Files(path string) []string {
	path = atomicfile.Resolve(path)
	return []string{path, BackupPath(path), path + ".lock"}
}

// LoadOther reads a state file that is not the one in use, such as a backup. It
// must be there.
func LoadOther(path string) (*State, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the state: %w", err)
	}
	return readFile(f, path)
}

// readFile reads a state from a file, which it closes, and names it in errors.
func readFile(f *os.File, path string) (*State, error) {
	defer f.Close()
	s, err := Read(f)
	var damage *Error
	if errors.As(err, &damage) {
		damage.Path = path
	}
	return s, err
}

// Read reads a state from r and verifies it whole.
func Read(r io.Reader) (*State, error) {
	in := lineReader{r: bufio.NewReaderSize(r, 1<<20), sum: sha256.New()}
	line, err := in.next()
	if err != nil {
		return nil, in.damaged(err, "the header is missing")
	}
	var h header
	if strict(line, &h) != nil || h.Format != format {
		return nil, in.fail("not a rollcall state file: the first line is no header")
	}
	if h.Version != version {
		return nil, in.fail(fmt.Sprintf("written in format version %d, and this version of rollcall reads %d", h.Version, version))
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
		a, err := dec.Account(line)
		if err != nil {
			return nil, in.fail("not an account: " + err.Error())
		}
		if n := len(s.Accounts); n > 0 && s.Accounts[n-1].Primary.Compare(a.Primary) >= 0 {
			return nil, in.fail(fmt.Sprintf("%s does not come after %s", a.Primary, s.Accounts[n-1].Primary))
		}
		s.Accounts = append(identity.Grown(s.Accounts), a)
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
	_, err := s.write(w)
	return err
}

// write writes a state and returns the checksum of its last line.
func (s *State) write(w io.Writer) (checksum string, err error) {
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<20)
	head, err := json.Marshal(header{format, version, s.Lineage, s.Serial, s.Written.UTC().Truncate(time.Second), s.Tool})
	if err != nil {
		return "", err
	}
	if _, err := out.Write(append(head, '\n')); err != nil {
		return "", err
	}
	if err := identity.WriteItems(out, len(s.Accounts), func(b []byte, i int) []byte { return append(s.Accounts[i].AppendJSON(b), '\n') }); err != nil {
		return "", err
	}
	if err := out.Flush(); err != nil {
		return "", err
	}
	checksum = hex.EncodeToString(sum.Sum(nil))
	_, err = fmt.Fprintf(w, "{\"accounts\":%d,\"sha256\":%q}\n", len(s.Accounts), checksum)
	return checksum, err
}

// Save writes the next version of the state to path: the serial grows by one,
// a lineage is made where there is none, and the version before is kept as the
// backup. On an error the file is as it was.
func (s *State) Save(path, tool string, now time.Time) error {
	return s.SaveAfter(path, tool, now, func(*State) error { return nil })
}

// SaveAfter saves the state as [State.Save] does. When the new version is
// written and synced, and before it takes the place of the old one, it calls
// intend with the new version, whose lineage, serial and checksum are set; an
// error of that leaves the file as it was and is returned. So is the file left if it is not the version any more
// that this state is.
func (s *State) SaveAfter(path, tool string, now time.Time, intend func(next *State) error) error {
	slices.SortFunc(s.Accounts, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	d, name, err := atomicfile.Locate(path)
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	defer d.Close()
	next := *s
	if next.Lineage == "" {
		id := make([]byte, 16)
		if _, err := rand.Read(id); err != nil {
			return err
		}
		next.Lineage = hex.EncodeToString(id)
	}
	next.Serial++
	next.Written, next.Tool = now.UTC(), tool
	write := func(w io.Writer) (err error) {
		next.Sum, err = next.write(w)
		return err
	}
	ready := func() error {
		if err := s.unchanged(path); err != nil {
			return err
		}
		if err := intend(&next); err != nil {
			return err
		}
		return d.Keep(name, BackupPath(name))
	}
	d.RemoveLeftovers(name)
	if err := d.Replace(name, write, ready); err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	*s = next
	return nil
}

// unchanged checks that the file at path is still what the state was read from,
// though its lock may have been removed.
func (s *State) unchanged(path string) error {
	sum, err := checksumAt(path)
	if err == nil && sum != s.Sum {
		err = &Error{Path: path, Reason: "somebody else has written the state since it was read; nothing was changed",
			Advice: "run the command again; if it says so again, look who removes the lock of the state"}
	}
	return err
}
