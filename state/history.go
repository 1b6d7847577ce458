package state

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/parallel"
	"github.com/rollcall-cli/rollcall/internal/run"
)

// The history of a state is a folder beside it, with one file for each run that
// planned to apply something. The file is the run's journal while it goes on,
// and its record afterwards:
//
//	{"format":"rollcall-run",…}   head: who, when, which plan, on which state
//	{"before":…,"after":…,…}      an account change, and so on
//	{"step":…}, {"answer":…}      what a console was asked, where it is not the state
//	{"applied":2,…}               intent: how it will end, the checksum of the
//	                              new state, and that of the lines above
//	{"outcome":"applied",…}       outcome, and the checksum of the lines above
//
// The intent is synced before the state is replaced, by a single rename. So a
// run that was killed left either no intent, and has changed nothing, or an
// intent, and whether the state has the checksum that it names says the rest:
// see [Store.Settle]. A file only grows, but for an intent that did not come true,
// and only its unsynced end can be damaged.

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
	b = strconv.AppendBool(b, c.Withheld)
	if c.Gone {
		b = append(b, `,"gone":true`...)
	}
	return append(b, "}\n"...)
}

// recordName returns the name of the record of a run in the history.
func recordName(number int) string { return fmt.Sprintf("%06d", number) }

// numbers returns the numbers of the runs that are recorded, rising.
func (s *Store) numbers(ctx context.Context) (all []int, err error) {
	list, err := s.backend.History().List(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	for _, listed := range list {
		if n, err := strconv.Atoi(listed.Name); err == nil && n > 0 && recordName(n) == listed.Name {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all, nil
}

// Recorder writes the record of a run. Steps and answers may come from several
// goroutines.
type Recorder struct {
	history History
	head    run.Head
	began   time.Time
	first   []byte // the line of the head
	resumed bool   // the run was killed, and this is a later one

	mu      sync.Mutex
	log     Log
	out     *bufio.Writer
	sum     hash.Hash // of the lines until now
	changes int
	stepped bool  // a console may have been asked
	err     error // of the first write that failed
}

// Begin begins the record of the next run. The number of the head is set. The
// caller holds the lock.
func (s *Store) Begin(ctx context.Context, head run.Head) (*Recorder, error) {
	numbers, err := s.numbers(ctx)
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
	r := &Recorder{history: s.backend.History(), head: head, began: began, first: append(first, '\n')}
	if r.log, err = r.history.Append(ctx, recordName(head.Number), -1); err != nil {
		return nil, recording(err)
	}
	if err := r.restart(); err != nil {
		r.Drop(ctx)
		return nil, recording(err)
	}
	return r, nil
}

func recording(err error) error { return fmt.Errorf("record the run: %w", err) }

// Number returns the run's number.
func (r *Recorder) Number() int { return r.head.Number }

// buffer makes the buffer of the log.
func (r *Recorder) buffer() { r.out = bufio.NewWriterSize(r.log, 1<<18) }

// restart writes the head into an empty log.
func (r *Recorder) restart() error {
	r.err = nil
	r.buffer()
	r.sum = sha256.New()
	r.write(r.first)
	return r.flush()
}

// write writes whole lines and sums them.
func (r *Recorder) write(lines []byte) {
	if r.err == nil {
		r.sum.Write(lines)
		_, r.err = r.out.Write(lines)
	}
}

// flush hands what was written to the system.
func (r *Recorder) flush() error {
	if r.err == nil {
		r.err = r.out.Flush()
	}
	return r.err
}

// sync makes durable what was written.
func (r *Recorder) sync() error {
	if r.flush() == nil {
		r.err = r.log.Sync()
	}
	return r.err
}

// writeSynced writes a line, and makes it and those before it durable.
func (r *Recorder) writeSynced(v any) error {
	line, err := identity.MarshalLine(v)
	if err != nil {
		return err
	}
	r.write(append(line, '\n'))
	return r.sync()
}

// Changes records n account changes, the ith of which change returns. It ends
// with ctx, and with its error.
func (r *Recorder) Changes(ctx context.Context, n int, change func(i int) *identity.Change) error {
	r.changes += n
	return parallel.WriteItems(recordWriter{r, ctx}, n, func(b []byte, i int) []byte {
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

// complete is an error if account changes are missing.
func (r *Recorder) complete() error {
	if r.changes != r.head.Accounts {
		return fmt.Errorf("%d account changes of %d", r.changes, r.head.Accounts)
	}
	return nil
}

// Intend records how the run will end when the state is replaced by its next
// version, which is the last of the run. Once it returns without an error, all that
// was recorded is on disk, and the state may be replaced.
func (r *Recorder) Intend(result run.Result, next *State) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.complete(); err != nil {
		return recording(err)
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
// that, the changes of a run give way that has changed nothing and asked nobody.
func (r *Recorder) End(ctx context.Context, outcome run.Outcome, reason string, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.end(outcome, reason, now)
	if err != nil && !outcome.Changed() && !r.stepped {
		r.log.Close()
		var again Log
		if again, err = r.history.Append(ctx, recordName(r.head.Number), 0); err == nil {
			r.log = again
			err = r.restart()
		}
		if err == nil {
			err = r.end(outcome, reason, now)
		}
		if err != nil {
			r.Drop(ctx)
			return recording(err)
		}
	}
	if err == nil {
		err = r.log.Finish()
	} else {
		r.log.Close()
	}
	if err != nil {
		return recording(err)
	}
	return nil
}

func (r *Recorder) end(outcome run.Outcome, reason string, now time.Time) error {
	o := runOutcome{Outcome: outcome, Reason: reason, Ended: now.UTC().Truncate(time.Second), Settled: r.resumed, SHA256: hex.EncodeToString(r.sum.Sum(nil))}
	if !r.resumed {
		o.Seconds = max(0, now.Sub(r.began).Round(time.Millisecond).Seconds())
	}
	return r.writeSynced(o)
}

// Leave makes durable what was recorded, and closes the record of a run whose outcome
// is unknown.
func (r *Recorder) Leave() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.sync()
	if closeErr := r.log.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return recording(err)
	}
	return nil
}

// Drop removes the record.
func (r *Recorder) Drop(ctx context.Context) {
	r.log.Close()
	r.history.Remove(ctx, recordName(r.head.Number))
}
