package state

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
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

type runHead struct {
	Format  string `json:"format"`
	Version int    `json:"version"`
	run.Head
}

type runIntent struct {
	run.Result
	SerialAfter  int64  `json:"serial_after"`
	LineageAfter string `json:"lineage_after"`
	State        string `json:"state"` // checksum of the new state
	SHA256       string `json:"sha256"`
}

type runOutcome struct {
	Outcome run.Outcome `json:"outcome"`
	Reason  string      `json:"reason"`
	Ended   time.Time   `json:"ended"`
	Seconds float64     `json:"seconds"`
	Settled bool        `json:"settled"`
	SHA256  string      `json:"sha256"`
}

// What the lines after the changes begin with.
var (
	intentPrefix  = []byte(`{"applied":`)
	outcomePrefix = []byte(`{"outcome":`)
)

func appendChange(b []byte, c *identity.Change) []byte {
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
	head    run.Head
	began   time.Time
	first   []byte // the line of the head
	changes int
	err     error // of the first write that failed
}

// Begin begins the record of the next run of the state at path. The number of
// the head is set. The caller holds the lock.
func Begin(path string, head run.Head) (*Recorder, error) {
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
	first, err := identity.MarshalLine(runHead{runFormat, runVersion, head})
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
	line, err := identity.MarshalLine(v)
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
func (r *Recorder) Changes(ctx context.Context, n int, change func(i int) *identity.Change) error {
	r.changes += n
	return identity.WriteItems(recordWriter{r, ctx}, n, func(b []byte, i int) []byte {
		return appendChange(b, change(i))
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

// Intend records how the run will end when the state is replaced by its next
// version. Once it returns without an error, all that was recorded is on disk,
// and the state may be replaced.
func (r *Recorder) Intend(result run.Result, next *State) error {
	if r.changes != r.head.Accounts {
		return recording(fmt.Errorf("%d account changes of %d", r.changes, r.head.Accounts))
	}
	if result.Failures == nil {
		result.Failures = []run.Failure{}
	}
	if err := r.writeSynced(runIntent{result, next.Serial, next.Lineage, next.Sum, hex.EncodeToString(r.sum.Sum(nil))}); err != nil {
		return recording(err)
	}
	return nil
}

// End records the outcome and closes the record. Where the disk is too full for
// that, the changes of a run that has not written the state give way.
func (r *Recorder) End(outcome run.Outcome, reason string, now time.Time) error {
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

func (r *Recorder) end(outcome run.Outcome, reason string, now time.Time) error {
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
