package apply

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// model is a console in memory. It holds no address twice, minds whether an
// account is made that is there already, and has what goes wrong with consoles go wrong by chance.
type model struct {
	t        *testing.T
	facts    plan.Facts
	accounts map[string]*identity.Live
	keys     map[string]Answer
	refs     int
	owners   map[string]identity.GUID // whose each account is, by ref
	turns    []string                 // what was done, in order

	refuses func(*Step) *Error // nil for a console that takes everything
	chance  *rand.Rand         // nil for one that never fails
	crash   func()             // may end the run, at any point; nil for never
}

func newModel(t *testing.T, facts plan.Facts) *model {
	return &model{t: t, facts: facts, accounts: map[string]*identity.Live{}, keys: map[string]Answer{}, owners: map[string]identity.GUID{}}
}

func (m *model) Facts() plan.Facts { return m.facts }

func (m *model) holder(x identity.Address) string {
	for ref, l := range m.accounts {
		if l.Holds(x) {
			return ref
		}
	}
	return ""
}

var errLost = errors.New("the connection is gone")

func (m *model) Apply(ctx context.Context, steps []Step, answer func(int, Answer)) error {
	accounts := map[string]bool{}
	for i := range steps {
		if l := steps[i].Live; l != nil {
			if accounts[l.Ref] {
				m.t.Errorf("a request has two changes of %s", l.Ref)
			}
			accounts[l.Ref] = true
		}
	}
	for begin := 0; begin < len(steps); {
		end := begin + 1
		for end < len(steps) && steps[end].Group == steps[begin].Group {
			end++
		}
		m.point()
		if m.chance != nil && m.chance.IntN(12) == 0 {
			return errLost // before it was made
		}
		answers := m.group(ctx, steps[begin:end])
		m.point()
		if m.chance != nil && m.chance.IntN(12) == 0 {
			return errLost // and it was made
		}
		for i, a := range answers {
			answer(begin+i, a)
		}
		begin = end
	}
	return nil
}

func (m *model) point() {
	if m.crash != nil {
		m.crash()
	}
}

// group makes the steps of a group in their order or, with the fact groups, all of
// them or none.
func (m *model) group(ctx context.Context, steps []Step) []Answer {
	answers := make([]Answer, len(steps))
	before := map[string]*identity.Live{}
	for ref, l := range m.accounts {
		before[ref] = l
	}
	if m.facts.Groups {
		for i := range steps {
			if l := steps[i].Live; l != nil && m.accounts[l.Ref] != nil {
				bare := *m.accounts[l.Ref]
				bare.Primary, bare.Aliases = identity.Address{}, nil
				m.accounts[l.Ref] = &bare
			}
		}
	}
	failed := -1
	for i := range steps {
		if ctx.Err() != nil || failed >= 0 {
			answers[i] = Answer{Err: &Error{Code: Cancelled}}
			continue
		}
		if answers[i] = m.step(&steps[i], before); answers[i].Err != nil {
			failed = i
		}
	}
	if m.facts.Groups && (failed >= 0 || ctx.Err() != nil) {
		m.accounts = before
		for i := range answers {
			if i != failed {
				delete(m.keys, steps[i].Key)
				answers[i] = Answer{Err: &Error{Code: Cancelled}}
			}
		}
	}
	return answers
}

func (m *model) step(s *Step, before map[string]*identity.Live) Answer {
	if a, done := m.keys[s.Key]; done {
		return a
	}
	if m.chance != nil {
		switch m.chance.IntN(12) {
		case 0:
			return Answer{Err: &Error{Code: Throttled, RetryAfter: time.Second}}
		case 1:
			return Answer{Err: &Error{Code: Temporary}}
		}
	}
	if m.refuses != nil {
		if err := m.refuses(s); err != nil {
			return Answer{Err: err}
		}
	}
	a := m.change(s, before)
	if a.Err == nil {
		m.keys[s.Key] = a
	}
	return a
}

func (m *model) change(s *Step, before map[string]*identity.Live) Answer {
	var now *identity.Live
	ref := ""
	if s.Live != nil {
		ref = s.Live.Ref
		if now = before[ref]; now == nil {
			return Answer{Err: &Error{Code: Gone, Message: "no account " + ref}}
		}
		if now.Rev != s.Live.Rev {
			return Answer{Err: &Error{Code: Changed, Message: fmt.Sprintf("%s is at %s, not %s", ref, now.Rev, s.Live.Rev)}}
		}
	}
	if s.Removes() {
		delete(m.accounts, ref)
		m.turns = append(m.turns, "remove "+local(now.Primary))
		return Answer{}
	}
	after := identity.Live{Account: *s.After, Mark: mark(s.By, s.After)}
	if now != nil {
		x := task{Sent: Sent{Step: *s}}
		x.Live = now
		after = *left(&x)
	}
	after.Directory, after.GUID = "", identity.GUID{}
	if !m.facts.Marks {
		after.Mark = identity.Mark{}
	}
	var taken Answer
	after.EachAddress(func(x identity.Address) {
		if h := m.holder(x); h != "" && h != ref {
			taken.Err = &Error{Code: Taken, Message: "taken", Address: x.String(), Holder: h}
		}
	})
	if taken.Err != nil {
		return taken
	}
	if ref == "" {
		m.refs++
		ref = fmt.Sprintf("u-%d", m.refs)
		for other := range m.accounts {
			if m.owners[other] == s.After.GUID {
				m.t.Errorf("account %s is created twice", s.After.Primary)
			}
		}
		m.owners[ref] = s.After.GUID
	}
	m.refs++
	after.Ref, after.Rev = ref, fmt.Sprint(m.refs)
	m.accounts[ref] = &after
	m.turns = append(m.turns, "put "+local(after.Primary))
	return Answer{Ref: ref, Rev: after.Rev}
}

func local(x identity.Address) string {
	text := x.String()
	for i := range text {
		if text[i] == '@' {
			return text[:i]
		}
	}
	return text
}

func (m *model) Get(_ context.Context, refs []string, addresses []identity.Address) (all []identity.Live, err error) {
	m.point()
	found := map[string]bool{}
	for _, ref := range refs {
		found[ref] = m.accounts[ref] != nil
	}
	for _, x := range addresses {
		if ref := m.holder(x); ref != "" {
			found[ref] = true
		}
	}
	for ref, there := range found {
		if there {
			all = append(all, *m.accounts[ref])
		}
	}
	return all, nil
}

func (m *model) Publish(context.Context) error { return nil }

func (m *model) live() (all []identity.Live) {
	for _, l := range m.accounts {
		all = append(all, *l)
	}
	slices.SortFunc(all, func(a, b identity.Live) int { return a.Primary.Compare(b.Primary) })
	return all
}

// memory is a journal in memory.
type memory struct {
	sent    []Sent
	answers map[string]Answer
	saved   func(*Ledger)
	crash   func()
}

func (j *memory) point() {
	if j.crash != nil {
		j.crash()
	}
}

func (j *memory) Intend(_ context.Context, steps []Sent) error {
	j.point()
	j.sent = append(j.sent, steps...)
	j.point()
	return nil
}

func (j *memory) Answered(answers []Received) error {
	for _, a := range answers {
		j.point()
		j.answers[a.Key] = a.Answer
	}
	return nil
}

func (j *memory) Save(l *Ledger) error {
	j.saved(l)
	return nil
}

// world is a console, what is known of it, and what is wanted of it.
type world struct {
	*model
	ledger []identity.Account
	placed map[identity.Address]identity.Placed
	runs   int
	now    time.Time
}

func newWorld(t *testing.T, facts plan.Facts, start []identity.Account) *world {
	w := &world{model: newModel(t, facts), placed: map[identity.Address]identity.Placed{}, now: time.Unix(1_800_000_000, 0)}
	for _, a := range start {
		w.refs++
		l := identity.Live{Account: a, Ref: fmt.Sprintf("u-%d", w.refs), Rev: fmt.Sprint(w.refs)}
		l.Directory, l.GUID = "", identity.GUID{}
		if facts.Marks {
			l.Mark = mark("hq", &a)
		}
		w.ledger = append(w.ledger, a)
		if facts.Removes && !a.Active() {
			w.placed[a.Primary] = identity.Placed{Applied: w.now}
			continue
		}
		w.accounts[l.Ref] = &l
		w.owners[l.Ref] = a.GUID
		w.placed[a.Primary] = identity.Placed{Ref: l.Ref, Applied: w.now}
	}
	slices.SortFunc(w.ledger, byPrimary)
	return w
}

func (w *world) job(changes []plan.AccountChange, l *Ledger, j *memory) Job {
	w.runs++
	refs := map[string]*identity.Live{}
	for ref, account := range w.accounts {
		read := *account
		refs[ref] = &read
	}
	return Job{
		Changes: changes, Console: w, Ledger: l, Journal: j, By: "hq", Run: fmt.Sprintf("r%d", w.runs),
		Known: func(before *identity.Account) Known {
			return Known{Live: refs[w.placed[before.Primary].Ref], Recorded: before.Primary}
		},
		Now:    func() time.Time { return w.now },
		Wait:   func(ctx context.Context, d time.Duration) error { w.now = w.now.Add(d); return ctx.Err() },
		Random: func() string { w.refs++; return fmt.Sprintf("x%012d", w.refs) },
	}
}

func (w *world) newLedger() *Ledger { return NewLedger(w.ledger, w.placed) }

func (w *world) save(l *Ledger) { w.ledger, w.placed = l.Accounts() }

// run applies changes.
func (w *world) run(ctx context.Context, changes []plan.AccountChange, options Options) (Result, error) {
	l := w.newLedger()
	j := &memory{answers: map[string]Answer{}, saved: func(*Ledger) {}}
	job := w.job(changes, l, j)
	job.Options = options
	result, err := Run(ctx, job)
	w.save(l)
	return result, err
}

// equals fails the test if ledger and console are not what is wanted, of accounts
// by their primaries.
func (w *world) equals(t *testing.T, seed uint64, want []identity.Account) {
	t.Helper()
	want = slices.Clone(want)
	slices.SortFunc(want, byPrimary)
	if got := texts(w.ledger); !slices.Equal(got, texts(want)) {
		t.Fatalf("seed %d: the ledger\ngot  %v\nwant %v", seed, got, texts(want))
	}
	var there []identity.Account
	for _, a := range want {
		if !w.facts.Removes || a.Active() {
			a.Directory, a.GUID = "", identity.GUID{}
			there = append(there, a)
		}
	}
	var live []identity.Account
	for _, l := range w.live() {
		live = append(live, l.Account)
		p := w.placed[l.Primary]
		if p.Ref != l.Ref {
			t.Fatalf("seed %d: the ledger has ref %q for %s, and the console %q", seed, p.Ref, l.Primary, l.Ref)
		}
	}
	if !slices.Equal(texts(live), texts(there)) {
		t.Fatalf("seed %d: the console\ngot  %v\nwant %v", seed, texts(live), texts(there))
	}
}

func texts(all []identity.Account) []string {
	var texts []string
	for i := range all {
		texts = append(texts, string(all[i].AppendJSON(nil)))
	}
	return texts
}

// deal deals addresses out to accounts.
func deal(r *rand.Rand, accounts int) []identity.Account {
	deck := r.Perm(3 * accounts)
	var all []identity.Account
	for i := range accounts {
		hand := deck[3*i : 3*i+1+r.IntN(3)]
		a := identity.Account{Primary: numbered(hand[0]), Username: fmt.Sprint(i), Directory: "corp", GUID: identity.GUID{15: byte(i + 1)}}
		for _, n := range hand[1:] {
			a.Aliases = append(a.Aliases, numbered(n))
		}
		slices.SortFunc(a.Aliases, identity.Address.Compare)
		if r.IntN(5) == 0 {
			a.Status, a.Aliases = identity.Inactive, nil
		}
		all = append(all, a)
	}
	return all
}

func numbered(n int) identity.Address { return identity.MustAddress(fmt.Sprintf("a%d@example.com", n)) }

// dealt is a plan that moves addresses at random, in swaps, chains and rings,
// and through accounts that come and go, with what is before and after.
func dealt(seed uint64) (changes []plan.AccountChange, start, want []identity.Account) {
	r := rand.New(rand.NewPCG(seed, 1))
	n := 1 + r.IntN(8)
	before, after := deal(r, n), deal(r, n)
	for i := range n {
		change := plan.AccountChange{Before: &before[i], After: &after[i]}
		switch r.IntN(6) {
		case 0:
			change.Before = nil
		case 1:
			change.After = nil
		}
		if change.Before != nil {
			start = append(start, before[i])
		}
		if change.After != nil {
			want = append(want, after[i])
		}
		if change.Before != nil || change.After != nil {
			changes = append(changes, change)
		}
	}
	slices.SortFunc(changes, func(a, b plan.AccountChange) int { return subject(&a).Primary.Compare(subject(&b).Primary) })
	return changes, start, want
}

// kinds are consoles that differ in what they can do.
var kinds = map[string]plan.Facts{
	"marks":           {Marks: true, Batch: 3},
	"plain":           {Batch: 3},
	"groups":          {Groups: true, Marks: true, Batch: 2},
	"removes":         {Removes: true, Marks: true, Batch: 5},
	"removes, plain":  {Removes: true, Batch: 1},
	"groups, removes": {Removes: true, Groups: true, Batch: 4},
}

func eachKind(t *testing.T, f func(*testing.T, plan.Facts)) {
	for name, facts := range kinds {
		t.Run(name, func(t *testing.T) { f(t, facts) })
	}
}

// times is how many worlds a test tries: more when they are attacked.
func times(n uint64) uint64 {
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		return 20 * n
	}
	return n
}

func byPrimary(a, b identity.Account) int { return a.Primary.Compare(b.Primary) }
