package state

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// The history of a state is a folder beside it, with one file for each run that
// planned to apply something. The file is the run's journal while it goes on,
// and its record afterwards:
//
//	{"format":"rollcall-run",…}   head: who, when, which plan, on which state
//	{"before":…,"after":…,…}      an account change, and so on
//	{"applied":2,…}               intent: how it will end, the checksum of the
//	                              new state, and that of the lines above
//	{"outcome":"applied",…}       outcome, and the checksum of the lines above
//
// The intent is synced before the state is replaced, by a single rename. So a
// run that was killed left either no intent, and has changed nothing, or an
// intent, and whether the state has the checksum that it names tells the rest:
// see [Settle]. A file only grows, and only its unsynced end can be damaged.

const (
	runFormat  = "rollcall-run"
	runVersion = 1
)

// Outcome is how a run ended.
type Outcome string

// The outcomes of runs.
const (
	Applied     Outcome = "applied"     // all changes but those that a limit withheld
	Incomplete  Outcome = "incomplete"  // the same, but some accounts failed
	Withheld    Outcome = "withheld"    // a limit withheld all changes
	Declined    Outcome = "declined"    // asked, the user said no
	Rejected    Outcome = "rejected"    // the plan was refused by a person
	Stale       Outcome = "stale"       // the saved plan did not fit any more
	Expired     Outcome = "expired"     // the saved plan was too old
	Failed      Outcome = "failed"      // ended by an error; nothing was changed
	Interrupted Outcome = "interrupted" // ended before it changed anything
	// Unfinished is a run that goes on, or that was killed and is not settled
	// yet; Damaged a record that cannot be read. Neither is written.
	Unfinished Outcome = "unfinished"
	Damaged    Outcome = "damaged"
)

// Changed reports whether a run of this outcome has written the state.
func (o Outcome) Changed() bool { return o == Applied || o == Incomplete }

// Head is what is known of a run before it ends. Times are in UTC.
type Head struct {
	// Number counts the runs of a history, from 1.
	Number  int       `json:"number"`
	Started time.Time `json:"started"`
	User    string    `json:"user"`
	Host    string    `json:"host"`
	// Automatic tells that nobody sat at a terminal.
	Automatic bool   `json:"automatic"`
	Command   string `json:"command"`
	Tool      string `json:"tool"`
	// Plan is the plan's id and Expires until when it may be applied; ""
	// and nil where the run ended without a plan.
	Plan         string     `json:"plan"`
	Expires      *time.Time `json:"expires"`
	ConfigDigest string     `json:"config_digest"`
	// Scopes are what was read, as far as it decides who is there.
	// They are empty for a run that reads no directory.
	Scopes []Scope `json:"scopes"`
	// Domains are the declared domains, sorted by name; empty as Scopes are.
	Domains []Domain `json:"domains"`
	// Unread are the declared directories that were not read.
	Unread []string `json:"unread"`
	// Undoes is the run that the plan takes back, or 0.
	Undoes int `json:"undoes"`
	// Only and Except are the selectors that the plan was made with.
	Only   []string `json:"only"`
	Except []string `json:"except"`
	// Lineage and Serial are those of the state before the run.
	Lineage string `json:"lineage"`
	Serial  int64  `json:"serial"`
	// Allowed, AllowedRemovals and AllowedPrimaryChanges are how many of each were
	// let pass for this run.
	Allowed               int `json:"allow_deactivations"`
	AllowedRemovals       int `json:"allow_removals"`
	AllowedPrimaryChanges int `json:"allow_primary_changes"`
	// Accounts counts the account changes of the plan.
	Accounts int `json:"accounts"`
	// Summary counts the plan's rows by category, and others by name.
	Summary map[string]int `json:"summary"`
}

// Reads reports whether the run is of a plan of the directories.
func (h *Head) Reads() bool { return len(h.Scopes) > 0 && h.Undoes == 0 }

// Scope is a scope of the configuration of a run.
type Scope struct {
	Name      string `json:"name"`
	Directory string `json:"directory"`
	BaseDN    string `json:"base_dn"`
	Filter    string `json:"filter"`
	Disabled  string `json:"disabled"`
}

// Domain is a declared domain of the configuration of a run.
type Domain struct {
	Name string `json:"name"`
	// Aliases are the domains that are rewritten to it.
	Aliases []string `json:"aliases"`
	// Kind is [OwnDomain], [PublicDomain] or [IgnoredDomain].
	Kind string `json:"kind"`
}

// The kinds of declared domains.
const (
	OwnDomain     = "own"     // its addresses are synchronized
	PublicDomain  = "public"  // its addresses are aliases at most
	IgnoredDomain = "ignored" // its addresses are skipped
)

// Failure is an account that the console refused to change.
type Failure struct {
	Account string `json:"account"`
	Error   string `json:"error"`
}

// Result is what a run did, and is known before it does it: the console of the
// state is changed as a whole.
type Result struct {
	// Applied counts the account changes that were committed, Withheld those
	// that a limit kept back.
	Applied  int       `json:"applied"`
	Withheld int       `json:"withheld"`
	Failures []Failure `json:"failures"`
	// SerialAfter and LineageAfter are those of the state after the run. The
	// lineage is another one than before where the run began a state; it is ""
	// where the record does not say which.
	SerialAfter  int64  `json:"serial_after"`
	LineageAfter string `json:"lineage_after"`
}

// Run is a run as it is recorded.
type Run struct {
	Head
	Outcome Outcome `json:"outcome"`
	// Reason says why a run did not end well, or was rejected.
	Reason string     `json:"reason"`
	Ended  *time.Time `json:"ended"`
	// Seconds is how long the run took.
	Seconds float64 `json:"seconds"`
	// Settled tells that the run was killed and a later one has found out its
	// outcome; Ended is then the time of that, and Seconds is 0.
	Settled bool `json:"settled"`
	Result
}

// Change is one account in the record of a run, before and after; Kept is what
// stays of one whose deactivation is withheld.
type Change struct {
	Before, After, Kept *identity.Account
	Withheld            bool
}

type runHead struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	Head
}

type runIntent struct {
	Result
	State  string `json:"state"` // checksum of the new state
	SHA256 string `json:"sha256"`
}

type runOutcome struct {
	Outcome Outcome   `json:"outcome"`
	Reason  string    `json:"reason"`
	Ended   time.Time `json:"ended"`
	Seconds float64   `json:"seconds"`
	Settled bool      `json:"settled"`
	SHA256  string    `json:"sha256"`
}

// What the lines after the changes begin with.
var (
	intentPrefix  = []byte(`{"applied":`)
	outcomePrefix = []byte(`{"outcome":`)
)

// marshal returns one line of JSON in which no character acts on a terminal.
func marshal(v any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	// What is not ASCII is inside a string.
	var line []byte
	for _, r := range strings.TrimSuffix(text.String(), "\n") {
		switch {
		case !identity.Unprintable(r):
			line = utf8.AppendRune(line, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			line = fmt.Appendf(line, `\u%04x\u%04x`, high, low)
		default:
			line = fmt.Appendf(line, `\u%04x`, r)
		}
	}
	return line, nil
}

// JSON returns the run as one JSON object, in which no list is null.
func (run *Run) JSON() ([]byte, error) {
	whole := *run
	whole.Scopes, whole.Domains, whole.Only, whole.Except = list(run.Scopes), list(run.Domains), list(run.Only), list(run.Except)
	return marshal(&whole)
}

func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func (c *Change) appendJSON(b []byte) []byte {
	b = identity.AppendOptional(append(b, `{"before":`...), c.Before)
	b = identity.AppendOptional(append(b, `,"after":`...), c.After)
	b = identity.AppendOptional(append(b, `,"kept":`...), c.Kept)
	b = append(b, `,"withheld":`...)
	return append(strconv.AppendBool(b, c.Withheld), "}\n"...)
}

// HistoryPath returns the folder of the history of the state at path. Two states
// would share one whose names differ in nothing but ".jsonl": see [Sharing].
func HistoryPath(path string) string {
	return historyName(atomicfile.Resolve(path))
}

// Sharing returns the other state that would have its history in the same folder
// as the state at path; "" if there is none.
func Sharing(path string) string {
	path = atomicfile.Resolve(path)
	other, cut := strings.CutSuffix(path, ".jsonl")
	if !cut {
		other = path + ".jsonl"
	}
	its, err := os.Stat(other)
	if err != nil {
		return ""
	}
	if mine, err := os.Stat(path); err == nil && os.SameFile(mine, its) {
		return ""
	}
	if h, err := headerAt(other); err != nil || h.Format != format {
		return ""
	}
	return other
}

// makeHistory makes the folder of the history if it is not there.
func makeHistory(path string) error {
	d, name, err := atomicfile.Locate(path)
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Mkdir(historyName(name), name)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		d.Sync()
	}
	return err
}

// historyName returns the name of the folder for that of a state.
func historyName(state string) string { return strings.TrimSuffix(state, ".jsonl") + ".history" }

// history returns the folder of the history, which must be there.
func history(path string) (*atomicfile.Folder, error) {
	d, name, err := atomicfile.Locate(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return atomicfile.Enter(d.Path(historyName(name)))
}

// openHistory opens a file of the history.
func openHistory(path, name string, flag int) (*os.File, error) {
	h, err := history(path)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	return h.Open(name, flag)
}

// runName returns the name of the record of a run in the history.
func runName(number int) string { return fmt.Sprintf("%06d.jsonl", number) }

func runPath(path string, number int) string {
	return filepath.Join(HistoryPath(path), runName(number))
}

// runNumbers returns the numbers of the runs that are recorded, rising.
func runNumbers(path string) ([]int, error) {
	var entries []fs.DirEntry
	h, err := history(path)
	if err == nil {
		defer h.Close()
		entries, err = h.List()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	var all []int
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".jsonl")
		if n, err := strconv.Atoi(name); ok && err == nil && n > 0 && runName(n) == e.Name() {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// Recorder writes the record of a run.
type Recorder struct {
	folder  *atomicfile.Folder // of the history
	file    *os.File
	out     *bufio.Writer
	sum     hash.Hash // of the lines until now
	head    Head
	began   time.Time
	first   []byte // the line of the head
	changes int
	err     error // of the first write that failed
}

// Begin begins the record of the next run of the state at path. The number of
// the head is set. The caller holds the lock.
func Begin(path string, head Head) (*Recorder, error) {
	numbers, err := runNumbers(path)
	if err != nil {
		return nil, err
	}
	head.Number = 1
	if n := len(numbers); n > 0 {
		head.Number = numbers[n-1] + 1
	}
	began := head.Started
	head.Started = began.UTC().Truncate(time.Second)
	if head.Summary == nil {
		head.Summary = map[string]int{}
	}
	first, err := marshal(runHead{runFormat, runVersion, head})
	if err != nil {
		return nil, recording(err)
	}
	if err := makeHistory(path); err != nil {
		return nil, recording(err)
	}
	r := &Recorder{head: head, began: began, first: append(first, '\n')}
	if r.folder, err = history(path); err != nil {
		return nil, recording(err)
	}
	if r.file, err = r.folder.Open(runName(head.Number), os.O_WRONLY|os.O_CREATE|os.O_EXCL); err != nil {
		r.folder.Close()
		return nil, recording(err)
	}
	r.folder.GiveAway(r.file, ".")
	r.out = bufio.NewWriterSize(r.file, 1<<18)
	if err := r.restart(); err != nil {
		r.Drop()
		return nil, recording(err)
	}
	return r, nil
}

func recording(err error) error { return fmt.Errorf("record the run: %w", err) }

// Number returns the run's number.
func (r *Recorder) Number() int { return r.head.Number }

// restart writes the head into an empty file.
func (r *Recorder) restart() error {
	r.err = nil
	r.out.Reset(r.file)
	r.sum = sha256.New()
	r.write(r.first)
	if r.err == nil {
		r.err = r.out.Flush()
	}
	return r.err
}

// write writes whole lines and sums them.
func (r *Recorder) write(lines []byte) {
	if r.err == nil {
		r.sum.Write(lines)
		_, r.err = r.out.Write(lines)
	}
}

// writeSynced writes a line, and makes it and those before it durable.
func (r *Recorder) writeSynced(v any) error {
	line, err := marshal(v)
	if err != nil {
		return err
	}
	r.write(append(line, '\n'))
	if r.err == nil {
		r.err = r.out.Flush()
	}
	if r.err == nil {
		r.err = r.file.Sync()
	}
	r.folder.Sync()
	return r.err
}

// Changes records n account changes, the ith of which change returns. It ends
// with ctx, and with its error.
func (r *Recorder) Changes(ctx context.Context, n int, change func(i int) Change) error {
	r.changes += n
	return identity.WriteItems(recordWriter{r, ctx}, n, func(b []byte, i int) []byte {
		c := change(i)
		return c.appendJSON(b)
	})
}

// recordWriter writes lines of a record until its context ends.
type recordWriter struct {
	r   *Recorder
	ctx context.Context
}

func (w recordWriter) Write(lines []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if w.r.write(lines); w.r.err != nil {
		return 0, recording(w.r.err)
	}
	return len(lines), nil
}

// Intend records how the run will end when the state has the checksum sum. Once
// it returns without an error, all that was recorded is on disk, and the state
// may be replaced.
func (r *Recorder) Intend(result Result, sum string) error {
	if r.changes != r.head.Accounts {
		return recording(fmt.Errorf("%d account changes of %d", r.changes, r.head.Accounts))
	}
	if result.Failures == nil {
		result.Failures = []Failure{}
	}
	if err := r.writeSynced(runIntent{result, sum, hex.EncodeToString(r.sum.Sum(nil))}); err != nil {
		return recording(err)
	}
	return nil
}

// End records the outcome and closes the record. Where the disk is too full for
// that, the changes of a run that has not written the state give way.
func (r *Recorder) End(outcome Outcome, reason string, now time.Time) error {
	err := r.end(outcome, reason, now)
	if err != nil && !outcome.Changed() {
		if err = r.file.Truncate(0); err == nil {
			_, err = r.file.Seek(0, io.SeekStart)
		}
		if err == nil {
			err = r.restart()
		}
		if err == nil {
			err = r.end(outcome, reason, now)
		}
		if err != nil {
			r.Drop()
			return recording(err)
		}
	}
	if closeErr := r.file.Close(); err == nil {
		err = closeErr
	}
	r.folder.Close()
	if err != nil {
		return recording(err)
	}
	return nil
}

func (r *Recorder) end(outcome Outcome, reason string, now time.Time) error {
	return r.writeSynced(runOutcome{
		Outcome: outcome, Reason: reason, Ended: now.UTC().Truncate(time.Second), Seconds: max(0, now.Sub(r.began).Round(time.Millisecond).Seconds()),
		SHA256: hex.EncodeToString(r.sum.Sum(nil)),
	})
}

// Drop removes the record.
func (r *Recorder) Drop() {
	r.file.Close()
	r.folder.Remove(runName(r.head.Number))
	r.folder.Close()
}
