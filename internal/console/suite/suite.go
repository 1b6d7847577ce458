// Package suite checks that a console keeps the contract of package console, and
// a connector the protocol rollcall-console/1. Every kind of console runs it in
// its tests, and "rollcall console test" runs it for the author of a connector:
// each result says what is asked and what the console did instead.
//
//	counts, err := suite.Run(ctx, suite.Subject{Open: open, Owner: "hq", Domain: "example.com"}, func(r suite.Result) {
//		if r.Outcome == suite.Failed {
//			t.Errorf("%s: %s\n%s", r.Check, r.Asks, r.Why)
//		}
//	})
//
// The suite works among accounts of its own, whose addresses begin with
// rollcall-test- and a random text, and removes them after each check. Nothing
// else may change the console meanwhile: that what was there before stays as it
// is, is a check, too.
//
// To make accounts of somebody else, it opens the console a second time as
// another owner. To be sure that a change is really made, it reads all accounts
// after it; a console of a hundred thousand accounts is read more than a hundred
// times.
package suite

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// Subject is the console that is checked.
type Subject struct {
	// Open opens the console as a configuration with that owner does. It is
	// called again while what it gave before is still open, and finds what was
	// made through that.
	Open func(ctx context.Context, owner string) (console.Target, error)
	// Owner is that of the configuration; "" where the console needs none.
	Owner string
	// Domain is one that the console manages.
	Domain string
	// Many is how many accounts the check of many makes; 0 is 10,000.
	Many int
	// Connector is the program behind a console that is one; nil elsewhere.
	Connector *Connector
}

// Connector is a program that speaks rollcall-console/1.
type Connector struct {
	// Start starts it. [Command] makes one of a command.
	Start func() (*Process, error)
	// Config is what hello hands over, a JSON value.
	Config json.RawMessage
}

// Outcome is how a check ended.
type Outcome string

// The outcomes of checks.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // it does not apply
)

// Result is what came of one check.
type Result struct {
	// Check is its name.
	Check string
	// Asks is a sentence: what the contract asks.
	Asks    string
	Outcome Outcome
	// Why says what the console did instead, or why the check does not apply;
	// "" for one that has passed.
	Why string
	// Took is how long it took, without cleaning up.
	Took time.Duration
}

// Counts are how many checks ended how.
type Counts struct{ Passed, Failed, Skipped int }

// other is the owner of the accounts of somebody else.
const other = "rollcall-test-other"

// patience is how long a connector may be silent.
const patience = 30 * time.Second

// Run makes all checks and reports each as it ends. An error is a console that
// cannot be opened any more, or the end of ctx; what a console does wrong is a
// result.
func Run(ctx context.Context, s Subject, report func(Result)) (Counts, error) {
	r := &run{ctx: ctx, Subject: s, id: strings.ToLower(rand.Text()[:10])}
	defer r.close()
	if err := r.open(); err != nil {
		return Counts{}, err
	}
	var counts Counts
	for i, c := range checks {
		result := r.perform(c)
		if ctx.Err() != nil {
			r.abandon()
			return counts, ctx.Err()
		}
		err := r.tidy(result.Outcome == Failed)
		counts.add(result.Outcome)
		report(result)
		if err != nil {
			return counts, err
		}
		if i == 0 && !r.unread {
			_ = r.try((*run).settleIn) // what cannot be made is reported by the checks
		}
	}
	return counts, nil
}

func (c *Counts) add(o Outcome) {
	switch o {
	case Passed:
		c.Passed++
	case Failed:
		c.Failed++
	case Skipped:
		c.Skipped++
	}
}

// perform makes one check.
func (r *run) perform(c check) Result {
	result := Result{Check: c.name, Asks: c.asks, Outcome: Passed}
	if result.Why = r.inapplicable(c); result.Why != "" {
		result.Outcome = Skipped
		return result
	}
	start := time.Now()
	err := r.try(c.do)
	result.Took = time.Since(start)
	if err != nil {
		result.Outcome, result.Why = Failed, err.Error()
		if errors.As(err, new(skipped)) {
			result.Outcome = Skipped
		}
	}
	return result
}

// check is one check. Each of needs says why it does not apply, or "".
type check struct {
	name, asks string
	needs      []need
	do         func(r *run)
}

type need func(r *run) string

func (r *run) inapplicable(c check) string {
	if r.unread && c.name != checks[0].name {
		return "the console could not be read"
	}
	for _, n := range c.needs {
		if why := n(r); why != "" {
			return why
		}
	}
	return ""
}

func needs(all ...need) []need { return all }

func marks(r *run) string {
	if !r.facts.Marks {
		return `the console stores no marks (fact owner is "none")`
	}
	return ""
}

// outside is needed for what a console that is in the state has not to do: no
// answer of it can be lost, and what it has is what the directories want.
func outside(r *run) string {
	if r.facts.Embedded {
		return "the accounts are those of the state"
	}
	return ""
}

func renames(r *run) string {
	if r.facts.FixedPrimary {
		return "the primary of an account never changes there (fact rename is false)"
	}
	return ""
}

func aliases(r *run) string {
	if !r.facts.Keeps(plan.FieldAliases) {
		return "the console stores no aliases (fact stores)"
	}
	return ""
}

func twoTypes(r *run) string {
	if n := len(r.facts.Types); n == 1 || !r.facts.Keeps(plan.FieldType) {
		return "the console has accounts of one type (facts types and stores)"
	}
	return ""
}

func attribute(r *run) string {
	if r.attribute == "" {
		return "the console stores no attributes (fact stores)"
	}
	return ""
}

func field(name string) need {
	return func(r *run) string {
		if !r.facts.Keeps(name) {
			return "the console does not store it (fact stores)"
		}
		return ""
	}
}

// reuses is needed where an address is given to a new account after the one that
// had it was removed.
func reuses(r *run) string {
	if r.facts.DeletedBlocks > 0 {
		return "a removed account holds its addresses for a while (fact deleted_blocks_for)"
	}
	return ""
}

func connector(r *run) string {
	if r.Connector == nil {
		return "the console is no connector"
	}
	return ""
}

// run is the suite at work.
type run struct {
	ctx context.Context
	Subject
	id        string // random; in all addresses
	target    console.Target
	others    console.Target // the console as opened by the other owner, or nil
	facts     plan.Facts
	attribute string // the name of one that the console stores, or ""
	unread    bool   // the first read failed

	before     []identity.Live    // what must be the same at the end
	neighbours []identity.Address // the primaries of those that settleIn made
	check      int                // counts them, so that each has addresses of its own
	keys       int
	processes  []*Process
	throttled  []string // what was wrong with answers that asked to wait
	waits      int      // how many did
}

func (r *run) open() error {
	t, err := r.Open(r.ctx, r.Owner)
	if err != nil {
		return err
	}
	r.target, r.facts, r.attribute = t, t.Facts(), ""
	switch {
	case r.facts.Keeps(identity.DisplayName):
		r.attribute = identity.DisplayName
	default:
		for _, name := range r.facts.Stores {
			switch name {
			case "ref", "rev", "primary", plan.FieldAliases, plan.FieldType, plan.FieldStatus, plan.FieldOwner, plan.FieldUsername, plan.FieldDN:
				continue
			}
			r.attribute = name
		}
	}
	return nil
}

func (r *run) close() {
	for _, t := range []console.Target{r.target, r.others} {
		if t != nil {
			_ = t.Close() // it was closed; what came of that is nobody's any more
		}
	}
	r.target, r.others = nil, nil
}

// reopen leaves a console that may be in any state behind.
func (r *run) reopen() error {
	r.close()
	return r.open()
}

// failure ends a check, and skipped one that turns out not to apply.
type (
	failure struct{ error }
	skipped struct{ error }
)

func (f failure) Unwrap() error { return f.error }

// fail ends the check at hand.
func (r *run) fail(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func (r *run) skip(why string) { panic(skipped{errors.New(why)}) }

// try runs a part of a check and returns how it failed.
func (r *run) try(do func(*run)) (err error) {
	defer func() {
		switch f := recover().(type) {
		case nil:
		case failure:
			err = f
		case skipped:
			err = f
		default:
			panic(f)
		}
	}()
	do(r)
	return nil
}

// tidy removes what a check has left.
func (r *run) tidy(failed bool) error {
	r.check++
	r.endAll()
	if failed {
		if err := r.reopen(); err != nil {
			return err
		}
	}
	if r.unread {
		return nil
	}
	// What is left after this is reported by the last check.
	_ = r.try((*run).sweep)
	return nil
}

func (r *run) endAll() {
	for _, p := range r.processes {
		p.end()
	}
	r.processes = nil
}

// abandon cleans up at the end of the context.
func (r *run) abandon() {
	r.endAll()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), patience)
	defer cancel()
	r.ctx = ctx
	r.neighbours = nil
	if r.reopen() == nil {
		_ = r.try((*run).sweep) // the run has failed otherwise
	}
}

// settleIn makes accounts that must be the same at the end of the run: one of
// another owner, one of nobody, and one of ours.
func (r *run) settleIn() {
	defer func() {
		// Whatever was made is no account of a check.
		view := r.read()
		for _, l := range view.ours {
			r.neighbours = append(r.neighbours, l.Primary)
		}
		r.before = append(view.rest, view.ours...)
	}()
	ours, local, theirs := r.account("neighbour", "neighbour.alias"), r.account("local", "local.alias"), r.account("foreign", "foreign.alias")
	r.create(ours)
	if !r.facts.Marks {
		return
	}
	live := r.create(local)[0]
	r.make(r.put(live, changed(local, func(a *identity.Account) { a.Directory, a.GUID = "", identity.GUID{} })))
	step := r.put(nil, theirs)
	step.By = other
	r.apply(r.asOther(), []apply.Step{step})
}

// sweep removes every account of the suite, whoever owns it.
func (r *run) sweep() {
	var ours, theirs []apply.Step
	for _, l := range r.read().ours {
		if l.Mark.By == other {
			theirs = append(theirs, r.remove(&l))
		} else {
			ours = append(ours, r.remove(&l))
		}
	}
	if len(ours) > 0 {
		for i, a := range r.apply(r.target, ours) {
			if a.Err != nil && r.facts.Marks {
				theirs = append(theirs, ours[i]) // it hides its mark
			}
		}
	}
	if len(theirs) > 0 {
		r.apply(r.asOther(), theirs)
	}
}

func (r *run) asOther() console.Target {
	if r.others == nil {
		t, err := r.Open(r.ctx, other)
		if err != nil {
			r.fail("the console cannot be opened as another owner: %w", err)
		}
		r.others = t
	}
	return r.others
}
