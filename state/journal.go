package state

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/run"
)

// The record of a run that changes another console than the state has, between its
// account changes and its intent, what it asks of the console and what that says:
//
//	{"step":{"key":…,"change":…,…}}     a step, synced before the console is asked
//	{"answer":{"key":…,…,"error":…}}    an answer, which may come to disk later
//
// So a run that was killed has left every step that the console may have made.
// What of them it has made, the console knows: see [Unsettled].

// What their lines begin with.
var (
	stepPrefix   = []byte(`{"step":`)
	answerPrefix = []byte(`{"answer":`)
)

func appendStep(b []byte, s *run.Step) []byte {
	b = identity.AppendJSONString(append(b, `{"step":{"key":`...), s.Key)
	b = strconv.AppendInt(append(b, `,"change":`...), int64(s.Change), 10)
	b = identity.AppendJSONString(append(b, `,"op":`...), s.Op)
	b = identity.AppendJSONString(append(b, `,"ref":`...), s.Ref)
	if s.Rev != "" {
		b = identity.AppendJSONString(append(b, `,"rev":`...), s.Rev)
	}
	b = strconv.AppendBool(append(b, `,"final":`...), s.Final)
	b = strconv.AppendBool(append(b, `,"back":`...), s.Back)
	b = identity.AppendOptional(append(b, `,"after":`...), s.After)
	for i, name := range s.Clear {
		if i == 0 {
			b = append(b, `,"clear":[`...)
		} else {
			b = append(b, ',')
		}
		b = identity.AppendJSONString(b, name)
	}
	if len(s.Clear) > 0 {
		b = append(b, ']')
	}
	return s.At.UTC().AppendFormat(append(b, `,"at":"`...), utc+"\"}}\n")
}

func appendAnswer(b []byte, a *run.Answer) []byte {
	b = identity.AppendJSONString(append(b, `{"answer":{"key":`...), a.Key)
	b = identity.AppendJSONString(append(b, `,"ref":`...), a.Ref)
	b = identity.AppendJSONString(append(b, `,"rev":`...), a.Rev)
	b = identity.AppendOptional(append(b, `,"found":`...), a.Found)
	b = identity.AppendJSONString(append(b, `,"error":`...), a.Error)
	return append(b, "}}\n"...)
}

func parseStep(dec *identity.Decoder, line []byte) (*run.Step, error) {
	var raw struct {
		Step struct {
			Key    string          `json:"key"`
			Change int             `json:"change"`
			Op     string          `json:"op"`
			Ref    string          `json:"ref"`
			Rev    string          `json:"rev"`
			Clear  []string        `json:"clear"`
			Final  bool            `json:"final"`
			Back   bool            `json:"back"`
			After  json.RawMessage `json:"after"`
			At     string          `json:"at"`
		} `json:"step"`
	}
	if err := strict(line, &raw); err != nil {
		return nil, err
	}
	s := &run.Step{Key: raw.Step.Key, Change: raw.Step.Change, Op: raw.Step.Op, Ref: raw.Step.Ref, Rev: raw.Step.Rev, Clear: raw.Step.Clear, Final: raw.Step.Final, Back: raw.Step.Back}
	var err error
	if s.At, err = parseTime(raw.Step.At); err != nil {
		return nil, err
	}
	// What is taken back may be what a console had.
	s.After, err = dec.OptionalFound(raw.Step.After)
	return s, err
}

func parseAnswer(dec *identity.Decoder, line []byte) (*run.Answer, error) {
	var raw struct {
		Answer struct {
			Key   string          `json:"key"`
			Ref   string          `json:"ref"`
			Rev   string          `json:"rev"`
			Found json.RawMessage `json:"found"`
			Error string          `json:"error"`
		} `json:"answer"`
	}
	if err := strict(line, &raw); err != nil {
		return nil, err
	}
	found, err := dec.OptionalFound(raw.Answer.Found)
	return &run.Answer{Key: raw.Answer.Key, Ref: raw.Answer.Ref, Rev: raw.Answer.Rev, Found: found, Error: raw.Answer.Error}, err
}

// utc is the layout of RFC 3339 for a time in UTC, to the second.
const utc = "2006-01-02T15:04:05Z"

func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(utc, text)
	if err != nil || t.Format(utc) != text {
		return t, fmt.Errorf("%q is no time in UTC", text)
	}
	return t, nil
}

// Step records what the console is about to be asked. Once it returns without an
// error, that is on disk, and the console may be asked. Steps come after all account
// changes. Several may be recorded at a time.
func (r *Recorder) Step(_ context.Context, steps []run.Step) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.complete(); err != nil {
		return recording(err)
	}
	r.stepped = true
	var lines []byte
	for i := range steps {
		if s := &steps[i]; s.Change < 0 || s.Change >= r.changes {
			return recording(fmt.Errorf("step %s is of account change %d of %d", s.Key, s.Change, r.changes))
		}
		lines = appendStep(lines, &steps[i])
	}
	r.write(lines)
	if err := r.sync(); err != nil {
		return recording(err)
	}
	return nil
}

// Answer records what the console has said. That a kill of the process does not
// lose; what a crash of the machine loses of it, the console is asked again.
func (r *Recorder) Answer(_ context.Context, answers []run.Answer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stepped {
		return recording(errors.New("an answer to no step"))
	}
	var lines []byte
	for i := range answers {
		lines = appendAnswer(lines, &answers[i])
	}
	r.write(lines)
	if err := r.flush(); err != nil {
		return recording(err)
	}
	return nil
}

// journal follows the steps of a record and their answers.
type journal struct {
	asked map[string]asked
	ends  []ends // by account change
	steps int32
}

// asked is a step.
type asked struct {
	change, order int32
	final, back   bool
}

// ends are the last steps of an account change that were made: the final one, and
// the one that took it back. They count from 1; 0 is none.
type ends struct{ final, back int32 }

func (j *journal) step(s *run.Step, changes int) {
	if j.asked == nil {
		j.asked, j.ends = map[string]asked{}, make([]ends, changes)
	}
	j.steps++
	j.asked[s.Key] = asked{int32(s.Change), j.steps, s.Final, s.Back}
}

func (j *journal) answer(a *run.Answer) {
	s, known := j.asked[a.Key]
	if !known {
		return
	}
	for _, end := range [...]struct {
		is   bool
		step *int32
	}{{s.final, &j.ends[s.change].final}, {s.back, &j.ends[s.change].back}} {
		switch {
		case end.is && a.Error == "":
			*end.step = max(*end.step, s.order)
		case end.is && *end.step == s.order:
			*end.step = 0
		}
	}
}

// done says of each account change whether it was made; nil without steps.
func (j *journal) done() []bool {
	if j.steps == 0 {
		return nil
	}
	all := make([]bool, len(j.ends))
	for i, end := range j.ends {
		all[i] = end.final > end.back
	}
	return all
}

// Unsettled is a run that was killed after it had written down steps: what it has
// changed, the console knows. Whoever has compared it with that goes on with its
// record by [Store.Resume], answers its steps, saves the ledger, and ends it.
type Unsettled struct {
	run.Run
	Changes []identity.Change
	Steps   []run.Step
	Answers []run.Answer

	length int64 // of the record up to its intent, which did not come true
}

// Resume continues the record of a run that is unsettled. Until it is ended, it
// stays unsettled.
func (s *Store) Resume(ctx context.Context, u *Unsettled) (*Recorder, error) {
	r := &Recorder{history: direct(s.backend).History(), head: u.Head, changes: len(u.Changes), sum: sha256.New(), stepped: true, resumed: true}
	name := recordName(u.Number)
	f, err := r.history.Open(ctx, name)
	if err == nil {
		_, err = io.CopyN(r.sum, f, u.length)
		err = errors.Join(err, f.Close())
	}
	if err == nil {
		r.log, err = r.history.Append(ctx, name, u.length)
	}
	if err != nil {
		return nil, recording(err)
	}
	r.buffer()
	return r, nil
}
