package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/config"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/notice"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/words"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// record is what a run leaves in the history.
type record struct {
	s        *session
	cfg      *config.Config
	head     run.Head
	plan     *plan.Plan           // once it is made or read
	accounts []plan.AccountChange // of the plan
	recorder *state.Recorder      // nil until something is written
	outcome  run.Outcome          // "" until it is known
	reason   string               // of an outcome that is known
	fresh    bool                 // the run has made the plan itself
	options  []string             // of the command line, that change what is applied
	rejected *made                // whose rejections the next run is to know
	unknown  bool                 // nobody knows whether the state was written
	left     *apply.Result        // of a run that the next one finds out about
	leftBy   error                // what ended that
}

// record begins a run that holds the lock.
func (s *session) record(cfg *config.Config) *record {
	r := &record{s: s, cfg: cfg, head: run.Head{
		Started: s.now(), User: cmp.Or(s.user, "unknown user"), Host: cmp.Or(s.host, "unknown host"), Automatic: !s.in.Interactive, Command: commandOf(s.args),
		Tool: release, ConfigDigest: cfg.Digest(), Summary: counts(&plan.Summary{}, 0),
		Scopes: scopesOf(cfg), Domains: domainsOf(cfg),
	}}
	if !consoles.Kind(cfg.Console.Kind).Embedded {
		r.head.Console = cfg.Console.Name
	}
	return r
}

// commandOf is a command line as one text; arguments with spaces and the like
// are quoted.
func commandOf(args []string) string {
	var text strings.Builder
	text.WriteString("rollcall")
	for _, arg := range args {
		text.WriteString(" " + quotedWord(arg, runtime.GOOS == "windows"))
	}
	return text.String()
}

// quotedWord is an argument of a command line.
func quotedWord(arg string, windows bool) string {
	special := func(r rune) bool { return r <= ' ' || r == '"' || r == '\'' || r == '\\' || r >= 0x7f }
	switch {
	case windows:
		return words.ForWindows(arg)
	case arg != "" && !strings.ContainsFunc(arg, special):
		return arg
	}
	return strconv.Quote(arg)
}

// command returns a command line of rollcall on this configuration.
func (s *session) command(args ...string) string { return commandIn(s.dir, args...) }

// commandIn returns a command line of rollcall on the configuration in a folder.
func commandIn(dir string, args ...string) string {
	if dir != "." {
		args = append([]string{"-C", dir}, args...)
	}
	return commandOf(args)
}

// settle finds out how a run ended that was killed, and whether the state is the
// one that the history has left, and says so.
func (s *session) settle() error {
	past, open, err := s.store.Settle(s.ctx, s.now())
	switch {
	case err != nil:
		return err
	case open != nil:
		s.unsettled = open // until the console is read
	case past == nil:
	case past.Started.IsZero():
		s.note("a previous run was killed before it changed anything; its unfinished record was removed")
	default:
		what := "before it changed anything"
		if past.Outcome.Changed() {
			what = fmt.Sprintf("after it had written version %d of the state", past.SerialAfter)
		}
		s.note("run %d, of %s at %s, was killed %s; the history has it as %s", past.Number, by(s.mask.Name(past.User), s.mask.Name(past.Host)), stamp(past.Started), what, past.Outcome)
	}
	for _, warning := range s.rewound() {
		s.warn("%s", warning)
	}
	return nil
}

// rewound warns, once in a session, of a state that is not the one that the
// history has left.
func (s *session) rewound() []string {
	run, serial := s.store.Rewound(s.ctx)
	if run == nil || s.warned {
		return nil
	}
	s.warned = true
	what := fmt.Sprintf("the state is not the one that run %d, of %s, left: another one was put in its place", run.Number, stamp(run.Started))
	if serial > 0 {
		what = fmt.Sprintf("the state is at version %d, and run %d, of %s, left it at version %d: an older copy was put back, or the disk lost what was written",
			serial, run.Number, stamp(run.Started), run.SerialAfter)
	}
	return []string{what + "; changes made in between are missing from the state, and the next plan makes those again that the directories want"}
}

func by(user, host string) string { return user + " on " + host }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// counts are the numbers of a summary by their names in the plan document, and of
// the differences that are drift.
func counts(sum *plan.Summary, drift int) map[string]int {
	all := map[string]int{"rejection": sum.Rejections, "withheld": sum.Withheld, "left_out": sum.LeftOut, "drift": drift}
	for c, n := range sum.Changes {
		all[plan.Category(c).String()] = n
		if plan.Category(c).Loses() {
			all["withheld_"+plan.Category(c).String()] = sum.WithheldChanges[c]
		}
	}
	return all
}

// identify binds the record to a plan.
func (r *record) identify(p *plan.Plan) {
	r.plan = p
	expires := p.Expires.UTC()
	r.head.Plan, r.head.Expires = p.ID(), &expires
	r.head.Lineage, r.head.Serial = p.Lineage, p.Serial
	r.head.Undoes, r.head.Only, r.head.Except, r.head.Unread = p.Undoes, p.Only, p.Except, p.Unread
	if p.Undoes > 0 {
		r.head.Scopes, r.head.Domains = nil, nil // nothing was read
	}
	r.plans(p)
}

// plans takes over what the plan would change.
func (r *record) plans(p *plan.Plan) {
	sum := p.Summary()
	r.head.Summary, r.head.Accounts, r.accounts = counts(&sum, len(p.Drift)), len(p.Accounts), p.Accounts
}

// barred refuses the plan of the run if the history has it as applied or
// rejected.
func (r *record) barred() error { return r.s.barred(r.head.Plan) }

// barred is an error that says who has applied or rejected a plan, if anybody
// has.
func (s *session) barred(id string) error {
	runs, err := s.store.Runs(s.ctx)
	if err != nil {
		return err
	}
	for _, past := range slices.Backward(runs) {
		if past.Plan != id || !past.Outcome.Changed() && past.Outcome != run.Rejected {
			continue
		}
		how := "applied"
		if past.Outcome == run.Rejected {
			how = "declined"
		}
		why := ""
		if past.Reason != "" {
			why = ": " + past.Reason
		}
		return staleError{fmt.Errorf("the plan was already %s, at %s by %s, as run %d%s", how, stamp(past.Started), by(s.mask.Name(past.User), s.mask.Name(past.Host)), past.Number, why)}
	}
	return nil
}

// begin writes all that is known before the outcome. It can be interrupted until
// the outcome is known.
func (r *record) begin() (err error) {
	ctx := r.s.ctx
	if r.outcome != "" {
		ctx = context.WithoutCancel(ctx)
	}
	if r.recorder, err = r.s.store.Begin(ctx, r.head); err != nil {
		return err
	}
	return r.recorder.Changes(ctx, len(r.accounts), func(i int) *identity.Change { return &r.accounts[i] })
}

// save writes the state once it is recorded what that will have changed, and filed who
// is told of it.
func (r *record) save(st *state.State, result run.Result, told *notice.Run) error {
	ctx := r.s.ctx
	if r.recorder == nil {
		if err := r.begin(); err != nil {
			return err
		}
	} else {
		ctx = context.WithoutCancel(ctx) // something is made already
	}
	err := r.s.store.Save(ctx, st, release, r.s.now(), func(next *state.State) error {
		if err := r.s.locked.Held(ctx); err != nil {
			return err
		}
		r.s.notices.draft(r, told)
		return r.recorder.Intend(result, next)
	})
	if r.unknown = errors.As(err, new(*state.UnclearError)); r.unknown {
		_ = r.recorder.Leave() // the intent is there
	}
	if err != nil {
		return err
	}
	if r.outcome = run.Applied; len(result.Failures) > 0 {
		r.outcome = run.Incomplete
	}
	return nil
}

// keep saves the state after a run that may have ended before its end, and says of
// the outcome what is known. Of a run that has sent what nobody knows the outcome
// of, the record stays open, and the next run finds out.
func (r *record) keep(st *state.State, result *apply.Result, ended error) error {
	if result.Unknown > 0 {
		r.leave(result, ended)
		return r.s.store.Save(context.WithoutCancel(r.s.ctx), st, release, r.s.now(), func(*state.State) error { return r.s.locked.Held(r.s.ctx) })
	}
	if ended != nil && result.Applied == 0 {
		return nil // which is recorded as what it is
	}
	if err := r.save(st, result.Result, r.s.notices.committing(r, result, ended)); err != nil {
		return err
	}
	if ended != nil || result.Differ > 0 {
		r.outcome = run.Incomplete
	}
	if ended != nil {
		r.reason = strings.ReplaceAll(ended.Error(), "\n", "; ")
	}
	return nil
}

// leave leaves the record open, so that the next run finds out what this one has done.
func (r *record) leave(result *apply.Result, why error) {
	if r.left != nil {
		return
	}
	r.left, r.leftBy = result, why
	r.s.locked.Linger()
	if err := r.recorder.Leave(); err != nil {
		r.s.warn("could not record all answers of the console; the next run looks up what it has done: %v", err)
	}
}

// remember keeps the rejections that stand after the run, for the next to say
// which are new, once people are sure to hear of them.
func (r *record) remember(m *made) { r.rejected = m }

func (r *record) memorize() {
	if m := r.rejected; m != nil {
		r.remembers(m, m.plan.Remembered(m.known))
	}
}

// await keeps who waits for another system, whatever becomes of the plan.
func (r *record) await(m *made) { r.remembers(m, m.plan.Awaited(m.known)) }

func (r *record) remembers(m *made, standing map[string]time.Time) {
	if standing == nil || m.known != nil && maps.EqualFunc(standing, m.known, time.Time.Equal) {
		return
	}
	m.known = standing
	if err := r.s.store.SaveRejections(context.WithoutCancel(r.s.ctx), standing); err != nil {
		r.s.warn("could not save the rejection list; the next run may report old ones as new: %v", err)
	}
}

// end records how the run ended, as err says, and returns err. A run that found
// nothing to do leaves no record.
func (r *record) end(err error) error {
	if r.unknown {
		return err
	}
	defer r.prune()
	if r.left != nil {
		return err
	}
	reason := r.reason
	if r.outcome == "" {
		if r.outcome, reason = r.outcomeOf(err); r.outcome == "" {
			return err
		}
	}
	var failed error
	if r.recorder == nil {
		if r.outcome != run.Declined {
			// Nobody has decided about these changes, and a run may end so every
			// few minutes.
			r.accounts = nil
		}
		failed = r.begin()
	}
	if r.recorder != nil {
		failed = r.recorder.End(context.WithoutCancel(r.s.ctx), r.outcome, reason, r.s.now())
	}
	switch {
	case failed == nil:
	case r.outcome.Changed():
		r.s.warn("could not record the outcome of run %d, which the next run will: %v", r.recorder.Number(), failed)
	default:
		r.s.warn("could not record this run in the history: %v", failed)
	}
	return err
}

// prune removes the records that are too old or too many.
func (r *record) prune() {
	if err := r.s.store.Prune(context.WithoutCancel(r.s.ctx), r.cfg.HistoryDays, r.cfg.HistoryRuns, r.s.now()); err != nil {
		r.s.warn("%v", err)
	}
}

// outcomeOf reports an outcome, and why, by the error that a run ended with that
// has not written the state; "" if it is not to be recorded.
func (r *record) outcomeOf(err error) (outcome run.Outcome, reason string) {
	if err != nil {
		reason = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	var halted stopped
	if errors.As(err, &halted) {
		reason = halted.reason
	}
	var expired expiredError
	var missing missingPlan
	switch code := codeOf(err); {
	case errors.As(err, &missing):
		return "", "" // of which there is nothing to record
	case errors.Is(err, context.Canceled):
		return run.Interrupted, "interrupted by its user"
	case errors.As(err, &expired):
		return run.Expired, reason
	case code == exitStale:
		return run.Stale, reason
	case code == exitDeclined:
		return run.Declined, ""
	case code == exitWithheld:
		return run.Withheld, ""
	case code == exitOK, code == exitUsage:
		return "", ""
	}
	return run.Failed, reason
}
