package state

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
)

// Runs returns the runs in the history, oldest first. Of each record it reads the
// two ends. A record that cannot be read is a run with
// the outcome [Damaged].
func (s *Store) Runs(ctx context.Context) ([]run.Run, error) { return s.RunsAfter(ctx, 0) }

// LastRun returns the number of the last run in the history; 0 where there is none, or that
// is unknown.
func (s *Store) LastRun(ctx context.Context) int {
	numbers, err := s.numbers(ctx)
	if err != nil || len(numbers) == 0 {
		return 0
	}
	return numbers[len(numbers)-1]
}

// RunsAfter is Runs without those up to a number.
func (s *Store) RunsAfter(ctx context.Context, number int) ([]run.Run, error) {
	numbers, err := s.numbers(ctx)
	if err != nil {
		return nil, err
	}
	numbers = slices.DeleteFunc(numbers, func(n int) bool { return n <= number })
	runs := make([]run.Run, 0, len(numbers))
	for _, n := range numbers {
		past, err := peekRun(ctx, s.backend.History(), n)
		if errors.Is(err, fs.ErrNotExist) { // pruned meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the history: %w", err)
		}
		runs = append(runs, past)
	}
	return runs, nil
}

// RejectedSince reports whether a plan was rejected at a time or later. What
// cannot be read is none.
func (s *Store) RejectedSince(ctx context.Context, at time.Time) bool {
	numbers, err := s.numbers(ctx)
	if err != nil {
		return false
	}
	for _, n := range slices.Backward(numbers) {
		past, err := peekRun(ctx, s.backend.History(), n)
		if err != nil || past.Started.Before(at) {
			break
		}
		if past.Outcome == run.Rejected {
			return true
		}
	}
	return false
}

// peekRun reads the head of a record and how it ends. One that lost its head to
// a crash is a run of which only the number is known, and that it is unfinished.
func peekRun(ctx context.Context, h History, number int) (run.Run, error) {
	f, err := h.Open(ctx, recordName(number))
	if err != nil {
		return run.Run{}, err
	}
	defer f.Close()
	in := lineReader{r: bufio.NewReader(f), sum: sha256.New()}
	line, cut := in.next()
	if cut != nil && !errors.Is(cut, io.EOF) && !errors.Is(cut, io.ErrUnexpectedEOF) {
		return run.Run{}, cut
	}
	before, last, err := lastLines(f)
	if err != nil {
		return run.Run{}, err
	}
	var intent *runIntent
	end := parseLine[runOutcome](outcomePrefix, last)
	if end != nil {
		intent = parseLine[runIntent](intentPrefix, before)
	}
	var past run.Run
	var bad *Error
	if past.Head, bad = parseRunHead(line, cut); bad == nil && past.Number != number {
		bad = &Error{Reason: fmt.Sprintf("the head is that of run %d", past.Number)}
	}
	if bad == nil {
		finish(&past, intent, end)
		return past, nil
	}
	past = run.Run{Head: run.Head{Number: number, Summary: map[string]int{}}, Outcome: run.Damaged, Reason: bad.Reason, Result: run.Result{Failures: []run.Failure{}}}
	if beheaded(line, cut) && (end == nil || !end.Outcome.Changed()) {
		past.Outcome, past.Reason = run.Unfinished, ""
	}
	return past, nil
}

// beheaded reports whether a crash took the first line of a record, as far as
// that line tells: no newline ends it, or parts of it never reached the disk and
// are read as zeros.
func beheaded(line []byte, cut error) bool { return cut != nil || bytes.IndexByte(line, 0) >= 0 }

// finish fills in how a run ended; end is nil for one that has not, intent for
// one that did not come so far.
func finish(past *run.Run, intent *runIntent, end *runOutcome) {
	past.Outcome = run.Unfinished
	past.Result, past.SerialAfter, past.LineageAfter = run.Result{Failures: []run.Failure{}}, past.Serial, past.Lineage
	if end == nil {
		return
	}
	past.Outcome, past.Reason, past.Ended, past.Seconds, past.Settled = end.Outcome, end.Reason, &end.Ended, end.Seconds, end.Settled
	if intent != nil && end.Outcome.Changed() {
		past.Result, past.SerialAfter, past.StateAfter = intent.Result, intent.SerialAfter, intent.State
		past.LineageAfter = cmp.Or(intent.LineageAfter, past.Lineage) // which the first records did not say
	}
}

func parseRunHead(line []byte, err error) (run.Head, *Error) {
	var h runHead
	if err != nil {
		return h.Head, &Error{Reason: "the head is cut short"}
	}
	if json.Unmarshal(line, &h) != nil || h.Format != runFormat {
		return h.Head, &Error{Reason: "not the record of a run: the first line is no head"}
	}
	if h.Version != runVersion {
		return h.Head, otherVersion(h.Version, runVersion)
	}
	if h.Number < 1 || h.Summary == nil || strict(line, &h) != nil {
		return h.Head, &Error{Reason: "the head is damaged"}
	}
	return h.Head, nil
}

// parseLine returns what a line says that begins with prefix, or nil.
func parseLine[T any](prefix, line []byte) *T {
	v := new(T)
	if !bytes.HasPrefix(line, prefix) || strict(line, v) != nil {
		return nil
	}
	return v
}

// lastLines returns the last line of a file, if a newline ends it, and the one
// before.
func lastLines(f io.ReadSeeker) (before, last []byte, err error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, nil, err
	}
	for n := int64(1 << 13); ; n *= 4 {
		n = min(n, size)
		if _, err := f.Seek(size-n, io.SeekStart); err != nil {
			return nil, nil, err
		}
		end := make([]byte, n)
		if _, err := io.ReadFull(f, end); err != nil {
			return nil, nil, err
		}
		end, whole := bytes.CutSuffix(end, []byte("\n"))
		if !whole {
			return nil, nil, nil
		}
		rest, last, two := cutLast(end)
		_, before, three := cutLast(rest)
		switch {
		case two && three, n == size && two:
			return before, last, nil
		case n == size:
			return nil, end, nil
		}
	}
}

// cutLast cuts a text around its last newline.
func cutLast(text []byte) (before, after []byte, found bool) {
	i := bytes.LastIndexByte(text, '\n')
	if i < 0 {
		return nil, text, false
	}
	return text[:i], text[i+1:], true
}

// Run reads the record of a run and calls each, which may be nil, with every
// account change, which stays valid afterwards. A record that does not fit its checksums is an
// [Error]; one that is cut short is that of an unfinished run.
func (s *Store) Run(ctx context.Context, number int, each func(*identity.Change)) (*run.Record, error) {
	h := s.backend.History()
	if c, elsewhere := s.backend.(*cached); elsewhere {
		// The copy may be damaged.
		if _, err := readRun(ctx, h, number, nil); errors.As(err, new(*Error)) {
			h = c.Backend.History()
		}
	}
	return readRun(ctx, h, number, each)
}

func readRun(ctx context.Context, h History, number int, each func(*identity.Change)) (*run.Record, error) {
	f, err := h.Open(ctx, recordName(number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the history has no run %d", number)
	}
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	defer f.Close()
	r, err := scanRun(f, reader{change: each})
	var damage *Error
	if errors.As(err, &damage) {
		if damage.Path = f.Name(); damage.Advice == "" {
			damage.Advice = "the record was changed by something other than rollcall"
		}
	}
	return &run.Record{Run: r.past, Done: r.journal.done()}, err
}

// scan is what the good lines of a record say.
type scan struct {
	past   run.Run
	head   bool
	intent *runIntent
	end    *runOutcome
	length int64  // of the good lines, in octets
	sum    string // their checksum

	journal journal
	changes int   // how many there are
	pending int   // those of them that are not withheld altogether
	body    int64 // the length up to the intent
}

// reader has functions that are called with what a record has; nil for what is
// not wanted.
type reader struct {
	change func(*identity.Change)
	step   func(*run.Step)
	answer func(*run.Answer)
}

// scanRun reads a record from its beginning. On an [Error], which has no path,
// the lines before it are good.
func scanRun(r io.Reader, to reader) (s scan, err error) {
	in := lineReader{r: bufio.NewReaderSize(r, 1<<20), sum: sha256.New()}
	var dec identity.Decoder
	defer func() {
		finish(&s.past, s.intent, s.end)
	}()
	for {
		// The line before was good.
		s.sum = hex.EncodeToString(in.sumSoFar().Sum(nil))
		line, err := in.next()
		cut := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		switch {
		case err != nil && !cut:
			return s, fmt.Errorf("read the history: %w", err)
		case !s.head:
			var bad *Error
			if s.past.Head, bad = parseRunHead(line, err); bad != nil {
				bad.Line = in.n
				return s, bad
			}
			s.head = true
		case s.end != nil && err == io.EOF:
			return s, nil
		case s.end != nil:
			return s, in.fail("something follows the outcome")
		case cut:
			return s, nil
		case bytes.HasPrefix(line, outcomePrefix):
			end := parseLine[runOutcome](outcomePrefix, line)
			if end == nil || end.SHA256 != s.sum || end.Outcome.Changed() && s.intent == nil {
				return s, in.fail("the outcome does not fit the lines before it")
			}
			s.end = end
		case s.intent != nil:
			return s, in.fail("something other than the outcome follows the intent")
		case bytes.HasPrefix(line, intentPrefix):
			intent := parseLine[runIntent](intentPrefix, line)
			if intent == nil || intent.Failures == nil || intent.SHA256 != s.sum || s.changes != s.past.Accounts {
				return s, in.fail("the intent does not fit the lines before it")
			}
			s.intent = intent
		case bytes.HasPrefix(line, stepPrefix):
			step, err := parseStep(&dec, line)
			if err == nil && (s.changes != s.past.Accounts || step.Change < 0 || step.Change >= s.changes) {
				err = errors.New("it is of no account change")
			}
			if err != nil {
				return s, in.fail("not a step: " + err.Error())
			}
			s.journal.step(step, s.changes)
			if to.step != nil {
				to.step(step)
			}
		case bytes.HasPrefix(line, answerPrefix):
			answer, err := parseAnswer(&dec, line)
			if err == nil && s.journal.steps == 0 {
				err = errors.New("it is to no step")
			}
			if err != nil {
				return s, in.fail("not an answer: " + err.Error())
			}
			s.journal.answer(answer)
			if to.answer != nil {
				to.answer(answer)
			}
		case s.journal.steps > 0:
			return s, in.fail("something other than a step, an answer or the intent follows a step")
		default:
			c, err := parseChange(&dec, line)
			if err != nil {
				return s, in.fail("not an account change: " + err.Error())
			}
			s.changes++
			if !c.Idle() {
				s.pending++
			}
			if to.change != nil {
				to.change(c)
			}
		}
		s.length += int64(len(line)) + 1
		if s.intent == nil {
			s.body = s.length
		}
	}
}

func parseChange(dec *identity.Decoder, line []byte) (*identity.Change, error) {
	var raw struct {
		Before   json.RawMessage `json:"before"`
		After    json.RawMessage `json:"after"`
		Kept     json.RawMessage `json:"kept"`
		Withheld bool            `json:"withheld"`
		Gone     bool            `json:"gone"`
	}
	if err := strict(line, &raw); err != nil {
		return nil, err
	}
	c := &identity.Change{Withheld: raw.Withheld, Gone: raw.Gone}
	var err error
	// It may be what a console had.
	if c.Before, err = dec.OptionalFound(raw.Before); err != nil {
		return nil, err
	}
	if c.After, err = dec.Optional(raw.After); err != nil {
		return nil, err
	}
	if c.Kept, err = dec.Optional(raw.Kept); err != nil {
		return nil, err
	}
	if c.Before == nil && c.After == nil || c.Withheld != (c.Kept != nil) || c.Gone && c.After != nil {
		return nil, errors.New("it changes nothing that it could")
	}
	return c, nil
}

// Settle finds out how a run ended that was killed before it recorded that, records
// it, and returns the run. Of one that has written down steps, and whose state was
// not replaced by what it intended, the state cannot tell: it is returned as
// unsettled, and stays so. Both are nil if there is nothing to settle. A record that
// lost its head is removed: it was not synced yet, so that nothing was changed, and
// the run that is returned has no time. The caller holds the lock.
func (s *Store) Settle(ctx context.Context, now time.Time) (*run.Run, *Unsettled, error) {
	numbers, err := s.numbers(ctx)
	if err != nil {
		return nil, nil, err
	}
	// It is the newest, or there came some that changed nothing, as they may without
	// the console.
	for _, n := range slices.Backward(numbers) {
		past, err := peekRun(ctx, direct(s.backend).History(), n)
		if err == nil && past.Outcome == run.Unfinished {
			ended, open, err := s.settle(ctx, past, now)
			if err == nil {
				return ended, open, nil
			}
			return nil, nil, settling(n, err)
		}
		if err != nil {
			return nil, nil, settling(n, err)
		}
		if past.Outcome.Changed() {
			break
		}
	}
	return nil, nil, nil
}

func settling(number int, err error) error {
	return fmt.Errorf("settle run %d of the history: %w", number, err)
}

// Unsettled returns the newest run that has written down steps, has no outcome, and
// has not changed the state as it meant to at its end; nil if there is none. It may
// be one that goes on. Nothing is written, and no lock is needed.
func (s *Store) Unsettled(ctx context.Context) (*Unsettled, error) {
	numbers, err := s.numbers(ctx)
	if err != nil {
		return nil, err
	}
	for _, n := range slices.Backward(numbers) {
		past, err := peekRun(ctx, direct(s.backend).History(), n)
		if errors.Is(err, fs.ErrNotExist) { // pruned meanwhile
			continue
		}
		if err != nil || past.Outcome.Changed() {
			return nil, err
		}
		if past.Outcome != run.Unfinished {
			continue
		}
		read, err := s.scan(ctx, recordName(n), reader{})
		if err != nil || !read.head || read.journal.steps == 0 {
			return nil, err
		}
		if read.intent != nil {
			newest, err := newest(ctx, s.backend)
			if err != nil || newest.Sum == read.intent.State {
				return nil, err
			}
		}
		return s.unsettled(ctx, recordName(n), &read)
	}
	return nil, nil
}

// unsettled reads what a run has written down.
func (s *Store) unsettled(ctx context.Context, name string, read *scan) (*Unsettled, error) {
	u := &Unsettled{Run: read.past, length: read.body}
	_, err := s.scan(ctx, name, reader{
		change: func(c *identity.Change) { u.Changes = append(compact.Grown(u.Changes), *c) },
		step:   func(s *run.Step) { u.Steps = append(compact.Grown(u.Steps), *s) },
		answer: func(a *run.Answer) { u.Answers = append(compact.Grown(u.Answers), *a) },
	})
	return u, err
}

// settle ends the record of an unfinished run, or finds it unsettled.
func (s *Store) settle(ctx context.Context, past run.Run, now time.Time) (*run.Run, *Unsettled, error) {
	history, name := direct(s.backend).History(), recordName(past.Number)
	read, err := s.scan(ctx, name, reader{})
	if err != nil {
		return nil, nil, err
	}
	if !read.head {
		past.Outcome = run.Interrupted
		return &past, nil, history.Remove(ctx, name)
	}
	end := runOutcome{Outcome: run.Interrupted, Reason: "the run was killed before it changed anything", Ended: now.UTC().Truncate(time.Second), Settled: true, SHA256: read.sum}
	if read.intent != nil {
		newest, err := newest(ctx, s.backend)
		if err != nil {
			return nil, nil, err
		}
		if newest.Sum == read.intent.State {
			end.Outcome, end.Reason = read.written(), "the run was killed after it had written the state"
		}
	}
	if !end.Outcome.Changed() && read.journal.steps > 0 {
		u, err := s.unsettled(ctx, name, &read)
		return nil, u, err
	}
	line, err := identity.MarshalLine(&end)
	if err != nil {
		return nil, nil, err
	}
	log, err := history.Append(ctx, name, read.length)
	if err != nil {
		return nil, nil, err
	}
	_, err = log.Write(append(line, '\n'))
	if err == nil {
		err = log.Sync()
	}
	if err == nil {
		err = log.Finish()
	} else {
		log.Close()
	}
	finish(&read.past, read.intent, &end)
	return &read.past, nil, err
}

// scan reads the record of a killed run, up to what the kill has damaged.
func (s *Store) scan(ctx context.Context, name string, to reader) (scan, error) {
	f, err := direct(s.backend).History().Open(ctx, name)
	if err != nil {
		return scan{}, err
	}
	defer f.Close() // or some systems would not remove it
	read, err := scanRun(f, to)
	var damage *Error
	if errors.As(err, &damage) {
		err = nil
	}
	return read, err
}

// written is the outcome of a run that has written the state as it intended.
func (s *scan) written() run.Outcome {
	made := 0
	for _, done := range s.journal.done() {
		if done {
			made++
		}
	}
	if len(s.intent.Failures) > 0 || s.journal.steps > 0 && made < s.pending {
		return run.Incomplete
	}
	return run.Applied
}

// Rewound returns the newest run that changed the state, and the state's
// serial now, if the run left a higher one to the same lineage, or another
// lineage, in which case the serial is 0; nil if not, or if that is unknown.
func (s *Store) Rewound(ctx context.Context) (past *run.Run, serial int64) {
	past, open, err := s.newestChange(ctx)
	if err != nil || past == nil || open {
		return nil, 0
	}
	now, err := newest(ctx, s.backend)
	switch {
	case err != nil || now.Lineage == "" || past.LineageAfter == "":
	case now.Lineage != past.LineageAfter:
		return past, 0
	case now.Serial < past.SerialAfter:
		return past, now.Serial
	}
	return nil, 0
}

// newestChange returns the newest run that changed the state, or nil, and whether
// a newer one is unfinished, which may have written a ledger already.
func (s *Store) newestChange(ctx context.Context) (past *run.Run, open bool, err error) {
	numbers, err := s.numbers(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, n := range slices.Backward(numbers) {
		// One that cannot be read says nothing.
		past, err := peekRun(ctx, s.backend.History(), n)
		if err == nil && past.Outcome.Changed() {
			return &past, open, nil
		}
		open = open || err == nil && past.Outcome == run.Unfinished && past.Console != ""
	}
	return nil, open, nil
}

// Begun returns the run that began a state of a lineage, or nil if none of these
// did.
func Begun(runs []run.Run, lineage string) *run.Run {
	for i := range runs {
		if past := &runs[i]; past.Outcome.Changed() && past.Lineage != lineage && past.LineageAfter == lineage {
			return past
		}
	}
	return nil
}

// LineageLeft returns the lineage that a run left, which is one of runs, oldest
// first. Where its record does not say, that on which the next one was made does;
// "" if nothing does.
func LineageLeft(runs []run.Run, number int) string {
	for i := range runs {
		past := &runs[i]
		switch {
		case !past.Outcome.Changed() || past.Number < number:
		case past.Number == number && past.LineageAfter != "":
			return past.LineageAfter
		case past.Number > number:
			return past.Lineage
		}
	}
	return ""
}

// Prune removes records of runs that began more than days ago, and then as many
// as there are more than most: first the oldest of runs that changed nothing, so
// that failures on a schedule push no change out of the history. What stays in
// any case: the newest run; the newest that changed the state, which can be
// undone; the newest of these that read directories, with which the configuration
// is compared; one that is unsettled; and rejections of plans that have not expired.
// The caller holds the lock.
func (s *Store) Prune(ctx context.Context, days, most int, now time.Time) error {
	runs, err := s.Runs(ctx)
	if err != nil || len(runs) == 0 {
		return err
	}
	all := slices.Clone(runs)
	over := len(runs) - most
	newest := runs[len(runs)-1].Number
	// Where every account failed, nothing is there to be undone.
	useful := func(past *run.Run) bool { return past.Outcome.Changed() && past.Applied+past.Withheld > 0 }
	changed, read := 0, 0
	for i := range runs {
		if past := &runs[i]; useful(past) {
			changed = past.Number
			if past.Reads() {
				read = past.Number
			}
		}
	}
	runs = slices.DeleteFunc(runs, func(past run.Run) bool {
		return past.Number == newest || past.Outcome == run.Unfinished || past.Number == changed || past.Number == read || past.Outcome == run.Rejected && past.Expires != nil && past.Expires.After(now)
	})
	const old, idle, last = 0, 1, 2 // in the order in which they go
	rank := func(past *run.Run) int {
		switch {
		// Nobody knows how old a damaged record is.
		case past.Outcome != run.Damaged && past.Started.AddDate(0, 0, days).Before(now):
			return old
		case !useful(past):
			return idle
		}
		return last
	}
	slices.SortStableFunc(runs, func(a, b run.Run) int { return cmp.Compare(rank(&a), rank(&b)) })
	var gone []string
	pruned := map[int]bool{}
	for i := range runs {
		if i >= over && rank(&runs[i]) != old {
			break
		}
		gone = append(gone, recordName(runs[i].Number))
		pruned[runs[i].Number] = true
	}
	if len(gone) > 0 {
		if err := s.backend.History().Remove(ctx, gone...); err != nil {
			return fmt.Errorf("prune the history: %w", err)
		}
	}
	if below := oldest(all, pruned); below > 0 {
		if err := s.backend.Forget(ctx, below); err != nil {
			return fmt.Errorf("prune the versions of the state: %w", err)
		}
	}
	return nil
}

// oldest returns the lowest serial of a state on which a run was made that has
// changed it and was not pruned; 0 for none.
func oldest(runs []run.Run, pruned map[int]bool) (serial int64) {
	for i := range runs {
		if past := &runs[i]; past.Outcome.Changed() && !pruned[past.Number] && (serial == 0 || past.Serial < serial) {
			serial = past.Serial
		}
	}
	return serial
}
