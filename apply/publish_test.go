package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// whole are the facts of a console that publishes as a whole, as tables in files are:
// it stores addresses alone, and the key of an account is its primary.
var whole = plan.Facts{Publishes: true, Exclusive: true, Unstable: true, Removes: true, Groups: true, Stores: []string{plan.FieldAliases}, Batch: 3}

// publisher is a console in memory that publishes as a whole.
type publisher struct {
	t         *testing.T
	published map[identity.Address][]identity.Address // the aliases of each primary
	staged    map[identity.Address][]identity.Address
	publishes int
	same      bool // what was staged last is what was published already

	refuses func(*Step) *Error
	fails   func(publish func()) error // publishes or not, and says so or not
	looks   error                      // of Get
	point   func()
}

func (p *publisher) Facts() plan.Facts { return whole }

func (p *publisher) Apply(ctx context.Context, steps []Step, answer func(int, Answer)) error {
	if p.staged == nil {
		p.staged = maps.Clone(p.published)
	}
	p.at()
	for begin := 0; begin < len(steps); {
		end := begin + 1
		for end < len(steps) && steps[end].Group == steps[begin].Group {
			end++
		}
		bad, failed := p.group(ctx, steps[begin:end])
		for i := begin; i < end; i++ {
			switch {
			case failed == nil && steps[i].Removes():
				answer(i, Answer{})
			case failed == nil:
				answer(i, Answer{Ref: steps[i].Outcome().Primary.String()})
			case bad == i-begin:
				answer(i, Answer{Err: failed})
			default:
				answer(i, Answer{Err: &Error{Code: Cancelled}})
			}
		}
		begin = end
	}
	return nil
}

func (p *publisher) at() {
	if p.point != nil {
		p.point()
	}
}

func (p *publisher) group(ctx context.Context, steps []Step) (int, *Error) {
	if ctx.Err() != nil {
		return 0, &Error{Code: Cancelled}
	}
	next := maps.Clone(p.staged)
	for i := range steps {
		s := &steps[i]
		if p.refuses != nil {
			if err := p.refuses(s); err != nil {
				return i, err
			}
		}
		if s.Creates() {
			continue
		}
		held, there := p.staged[s.Live.Primary]
		if !there {
			return i, &Error{Code: Gone}
		}
		if !slices.Equal(held, s.Live.Aliases) || s.Live.Ref != s.Live.Primary.String() {
			return i, &Error{Code: Changed}
		}
		delete(next, s.Live.Primary)
	}
	for i := range steps {
		after := steps[i].Outcome()
		if after == nil {
			continue
		}
		taken := false
		after.EachAddress(func(x identity.Address) { taken = taken || holds(next, x) })
		if taken {
			return i, &Error{Code: Taken}
		}
		next[after.Primary] = after.Aliases
	}
	p.staged = next
	return 0, nil
}

func holds(all map[identity.Address][]identity.Address, x identity.Address) bool {
	for primary, aliases := range all {
		if primary == x || slices.Contains(aliases, x) {
			return true
		}
	}
	return false
}

func (p *publisher) Publish(context.Context) error {
	p.at()
	p.publishes++
	staged := p.staged
	p.staged = nil
	p.same = maps.EqualFunc(staged, p.published, slices.Equal)
	publish := func() {
		if staged != nil {
			p.published = staged
		}
	}
	if p.fails != nil {
		return p.fails(publish)
	}
	publish()
	p.at()
	return nil
}

func (p *publisher) live() (all []identity.Live) {
	for primary, aliases := range p.published {
		all = append(all, identity.Live{Account: identity.Account{Primary: primary, Aliases: aliases}, Ref: primary.String()})
	}
	slices.SortFunc(all, func(a, b identity.Live) int { return a.Primary.Compare(b.Primary) })
	return all
}

func (p *publisher) Get(_ context.Context, refs []string, addresses []identity.Address) (found []identity.Live, err error) {
	for _, l := range p.live() {
		if slices.Contains(refs, l.Ref) || slices.ContainsFunc(addresses, l.Holds) {
			found = append(found, l)
		}
	}
	return found, p.looks
}

// press is a console that publishes, and what is known of it.
type press struct {
	*publisher
	ledger []identity.Account
	placed map[identity.Address]identity.Placed
	runs   int
	now    time.Time
}

func newPress(t *testing.T, start []identity.Account) *press {
	w := &press{publisher: &publisher{t: t, published: map[identity.Address][]identity.Address{}}, placed: map[identity.Address]identity.Placed{}, now: time.Unix(1_800_000_000, 0)}
	for _, a := range start {
		w.ledger = append(w.ledger, a)
		p := identity.Placed{Applied: w.now}
		if a.Active() {
			p.Ref = a.Primary.String()
			w.published[a.Primary] = a.Aliases
		}
		w.placed[a.Primary] = p
	}
	slices.SortFunc(w.ledger, byPrimary)
	return w
}

func (w *press) job(changes []plan.AccountChange, j *memory) Job {
	w.runs++
	known := map[identity.Address]Known{}
	for _, a := range w.ledger {
		k := Known{Recorded: a.Primary}
		if held, there := w.published[a.Primary]; there {
			k.Live = &identity.Live{Account: identity.Account{Primary: a.Primary, Aliases: held}, Ref: a.Primary.String()}
		}
		known[a.Primary] = k
	}
	job := (&world{model: &model{t: w.t}, now: w.now}).job(changes, NewLedger(w.ledger, w.placed), nil)
	job.Console, job.Journal, job.Run = w, j, fmt.Sprintf("r%d", w.runs)
	job.Known = func(before *identity.Account) Known { return known[before.Primary] }
	return job
}

func (w *press) run(ctx context.Context, changes []plan.AccountChange, options Options) (Result, *memory, error) {
	j := &memory{answers: map[string]Answer{}, saved: func(*Ledger) {}}
	job := w.job(changes, j)
	job.Options = options
	result, err := Run(ctx, job)
	w.ledger, w.placed = job.Ledger.Accounts()
	return result, j, err
}

// equals fails the test if ledger and console are not what is wanted.
func (w *press) equals(seed uint64, want []identity.Account) {
	w.t.Helper()
	want = slices.Clone(want)
	slices.SortFunc(want, byPrimary)
	if got := texts(w.ledger); !slices.Equal(got, texts(want)) {
		w.t.Fatalf("seed %d: the ledger\ngot  %v\nwant %v", seed, got, texts(want))
	}
	var there, live []string
	for _, a := range want {
		if a.Active() {
			there = append(there, fmt.Sprint(a.Primary, a.Aliases))
			if w.placed[a.Primary].Ref != a.Primary.String() {
				w.t.Fatalf("seed %d: the ledger has ref %q for %s", seed, w.placed[a.Primary].Ref, a.Primary)
			}
		}
	}
	for _, l := range w.live() {
		live = append(live, fmt.Sprint(l.Primary, l.Aliases))
	}
	if !slices.Equal(live, there) {
		w.t.Fatalf("seed %d: the console\ngot  %v\nwant %v", seed, live, there)
	}
}

// TestPublished: whatever moves between accounts, a console that publishes as a whole
// and its ledger end as the plan says, be it in one publication or with a canary first.
func TestPublished(t *testing.T) {
	for seed := range times(500) {
		changes, start, want := dealt(seed)
		w := newPress(t, start)
		result, j, err := w.run(context.Background(), changes, Options{Verify: seed%2 == 0, Canary: int(seed % 4)})
		if err != nil || len(result.Failures)+result.Differ+result.Unknown > 0 || result.Applied != len(changes) {
			t.Fatalf("seed %d: %+v, %v", seed, result, err)
		}
		for _, s := range j.sent {
			if _, answered := j.answers[s.Key]; !answered {
				t.Fatalf("seed %d: a step has no answer in the journal: %+v", seed, s)
			}
		}
		if most := min(1+int(seed%4), 2); w.publishes < 1 || w.publishes > most {
			t.Fatalf("seed %d: published %d times", seed, w.publishes)
		}
		w.equals(seed, want)
	}
}

// TestNotPublished: until something is published, nothing is made: not for the ledger,
// not in the journal, not in the result, be it that publishing fails, or that the user
// ends the run before.
func TestNotPublished(t *testing.T) {
	no := errors.New("postmap has warned")
	for seed := range times(200) {
		changes, start, _ := dealt(seed)
		for how, fails := range map[string]error{"fails": no, "fails for good": unreachable{no}, "Ctrl-C": nil} {
			w := newPress(t, start)
			ctx, cancel := context.WithCancel(context.Background())
			if fails == nil {
				w.point = cancel
			}
			w.fails = func(func()) error { return fails }
			result, j, err := w.run(ctx, changes, Options{Verify: true, Canary: int(seed % 3)})
			cancel()
			if w.same || fails == nil && !slices.ContainsFunc(j.sent, func(s Sent) bool { return !s.Keep }) {
				continue // it makes no difference there, or it was never asked and ended nothing
			}
			for _, s := range j.sent {
				if a, answered := j.answers[s.Key]; answered && a.Err == nil {
					t.Fatalf("seed %d, %s: the journal has %+v as made", seed, how, s)
				}
			}
			if err == nil || fails == nil && !errors.Is(err, context.Canceled) || result.Applied+result.Unknown+len(result.Failures) > 0 {
				t.Fatalf("seed %d, %s: %+v, %v", seed, how, result, err)
			}
			w.equals(seed, start)
		}
	}
}

// TestPublishedSilently: where publishing ends with an error, it is looked up what has
// become of it. What has taken effect is in the ledger, and where nobody can look, the
// run is left open for the next one.
func TestPublishedSilently(t *testing.T) {
	lost := errors.New("the reload has failed")
	for seed := range times(200) {
		changes, start, want := dealt(seed)
		w := newPress(t, start)
		w.fails = func(publish func()) error { publish(); return lost }
		result, j, err := w.run(context.Background(), changes, Options{Verify: true})
		asked := 0
		for _, s := range j.sent {
			if !s.Keep {
				asked++
			}
		}
		switch {
		case !errors.Is(err, lost), len(result.Failures)+result.Unknown > 0, asked > 0 && result.Applied != len(changes):
			t.Fatalf("seed %d: %+v, %v", seed, result, err)
		case asked > 0:
			w.equals(seed, want)
		}

		w = newPress(t, start)
		w.fails, w.looks = func(publish func()) error { publish(); return unreachable{lost} }, unreachable{lost}
		result, _, err = w.run(context.Background(), changes, Options{})
		if !errors.As(err, &unreachable{}) || result.Applied > 0 || result.Unknown != asked {
			t.Fatalf("seed %d: %+v, %v", seed, result, err)
		}
	}
}

// TestPublishedRefused: what a console refuses fails its group and those that wait for
// it; the rest is published.
func TestPublishedRefused(t *testing.T) {
	refusals := 0
	for seed := range times(300) {
		changes, start, _ := dealt(seed)
		w := newPress(t, start)
		r := rand.New(rand.NewPCG(seed, 3))
		refused := map[identity.Address]bool{}
		for i := range changes {
			if a := changes[i].After; a != nil && r.IntN(4) == 0 {
				refused[a.Primary] = true
			}
		}
		w.refuses = func(s *Step) *Error {
			if s.After != nil && refused[s.After.Primary] {
				return &Error{Code: Refused, Message: "no"}
			}
			return nil
		}
		result, _, err := w.run(context.Background(), changes, Options{})
		if err != nil || result.Applied+len(result.Failures) != len(changes) {
			t.Fatalf("seed %d: %+v, %v", seed, result, err)
		}
		refusals += len(result.Failures)
		// Ledger and console say the same.
		w.equals(seed, w.ledger)
	}
	if refusals < 100 {
		t.Errorf("%d changes were refused", refusals)
	}
}

// TestPublishingKilled: a run that is killed at any point has published everything or
// nothing; the next run finds out which, and goes on from there.
func TestPublishingKilled(t *testing.T) {
	before, after := 0, 0
	for seed := range times(600) {
		changes, start, want := dealt(seed)
		w := newPress(t, start)
		r := rand.New(rand.NewPCG(seed, 5))
		left := 1 + r.IntN(6)
		die := func() {
			if left--; left == 0 {
				panic(killed{})
			}
		}
		j := &memory{answers: map[string]Answer{}, saved: func(*Ledger) {}, crash: die}
		job := w.job(changes, j)
		job.Verify, job.Canary = seed%2 == 0, int(seed%4)
		w.point = die
		died := func() (died bool) {
			defer func() {
				if p := recover(); p != nil {
					if _, died = p.(killed); !died {
						panic(p)
					}
				}
			}()
			result, err := Run(context.Background(), job)
			if err != nil || result.Applied != len(changes) {
				t.Fatalf("seed %d: %+v, %v", seed, result, err)
			}
			return false
		}()
		w.point, w.staged = nil, nil // its process is gone
		if !died {
			continue
		}
		if w.publishes == 0 {
			before++
		} else {
			after++
		}
		for i := range j.sent {
			j.sent[i].Fields = nil // which a record does not have
		}
		ledger := NewLedger(w.ledger, w.placed)
		out, err := Recover(Interrupted{Changes: changes, Sent: j.sent, Answers: j.answers}, ledger, w.live(), whole, w.now)
		if err != nil || len(out.Undecided) > 0 {
			t.Fatalf("seed %d: %+v, %v", seed, out, err)
		}
		w.ledger, w.placed = ledger.Accounts()
		again := w.replan(seed, want)
		if result, err := Run(context.Background(), again); err != nil || len(result.Failures) > 0 || result.Applied != len(again.Changes) {
			t.Fatalf("seed %d: %+v, %v", seed, result, err)
		}
		w.ledger, w.placed = again.Ledger.Accounts()
		w.equals(seed, want)
		if left := w.replan(seed, want).Changes; len(left) > 0 {
			t.Fatalf("seed %d: the next plan has %+v", seed, left)
		}
	}
	if before < 50 || after < 50 {
		t.Errorf("%d runs were killed before they published, %d after", before, after)
	}
}

// replan is what leads from what ledger and console have to what is wanted, as the
// next run plans it.
func (w *press) replan(seed uint64, want []identity.Account) Job {
	w.t.Helper()
	live := w.live()
	m := plan.Merge(plan.Merging{Ledger: w.ledger, Placed: w.placed, Live: live, Facts: whole, By: "hq", Directories: []string{"corp"}, Now: w.now})
	if len(m.Bars) > 0 {
		w.t.Fatalf("seed %d: accounts are left as they are: %v", seed, m.Notes)
	}
	ledger := NewLedger(w.ledger, w.placed)
	for _, x := range m.Forget {
		_ = ledger.Remove(x)
	}
	for i := range m.Learn {
		_ = ledger.Put(m.Learn[i].Was, &m.Learn[i].Account, m.Learn[i].Placed)
	}
	w.ledger, w.placed = ledger.Accounts()
	now, known := map[identity.GUID]*identity.Account{}, map[identity.Address]Known{}
	for i := range m.Accounts {
		a, o := &m.Accounts[i], m.Origins[i]
		if a.Local() {
			w.t.Fatalf("seed %d: %s belongs to nobody any more", seed, a.Primary)
		}
		now[a.GUID] = a
		k := Known{Recorded: o.Ledger}
		if o.Live >= 0 {
			k.Live = &live[o.Live]
		}
		known[a.Primary] = k
	}
	var changes []plan.AccountChange
	for i := range want {
		before := now[want[i].GUID]
		delete(now, want[i].GUID)
		if before == nil || !before.Equal(&want[i]) {
			changes = append(changes, plan.AccountChange{Before: before, After: &want[i]})
		}
	}
	for _, before := range now {
		changes = append(changes, plan.AccountChange{Before: before})
	}
	for i := range m.Gone {
		if gone := &m.Gone[i]; !slices.ContainsFunc(want, func(a identity.Account) bool { return a.GUID == gone.GUID }) {
			changes = append(changes, plan.AccountChange{Before: gone, Gone: true})
		}
	}
	slices.SortFunc(changes, func(a, b plan.AccountChange) int { return subject(&a).Primary.Compare(subject(&b).Primary) })
	job := w.job(changes, &memory{answers: map[string]Answer{}})
	job.Known = func(before *identity.Account) Known { return known[before.Primary] }
	return job
}
