package apply

import (
	"context"
	"slices"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// verify reads again what was changed and was not verified yet, and compares it
// with what was asked for. What the console has made of texts is written into the
// ledger.
func (r *runner) verify(ctx context.Context) error {
	all := r.toVerify
	r.toVerify = nil
	most := r.facts.BatchSize()
	for done := 0; done < len(all); done += most {
		if err := cause(ctx); err != nil {
			r.toVerify = all[done:]
			return err
		}
		r.job.Listen(Verifying{Done: done, Total: len(all)})
		if err := r.verifyBatch(ctx, all[done:min(done+most, len(all))]); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) verifyBatch(ctx context.Context, changes []int32) error {
	tasks := make([]*task, len(changes))
	for n, i := range changes {
		// The account is looked for by what it is now.
		t := &task{Sent: Sent{Step: Step{By: r.job.By, After: r.changes[i].Result()}, Change: int(i)}, known: r.knownOf(i)}
		if r.goes(i) {
			t.After, t.Live = nil, t.known.Live
		} else if t.After != nil {
			t.answer.Ref = r.job.Ledger.latest(t.After.Primary).Ref
			if before := r.changes[i].Before; before != nil {
				for _, x := range before.Attributes {
					if identity.Lookup(t.After.Attributes, x.Name) == "" {
						t.Clear = append(t.Clear, x.Name)
					}
				}
			}
		}
		tasks[n] = t
	}
	return r.verifyTasks(ctx, tasks)
}

// verifyTasks reads accounts until they are right, or have had the time to be seen as
// they are.
func (r *runner) verifyTasks(ctx context.Context, tasks []*task) error {
	for {
		live, err := r.get(ctx, tasks)
		if err != nil {
			return err
		}
		seen := indexed(live, r.job.Ledger)
		left := r.settled.Sub(r.job.Now())
		tasks = slices.DeleteFunc(tasks, func(t *task) bool {
			all := r.compare(t, seen)
			if len(all) > 0 && left > 0 {
				return false
			}
			if len(all) == 0 {
				r.result.Verified++
			} else {
				r.result.Differ++
				r.result.Differences = append(r.result.Differences, all...)
				r.doubt(t, all)
			}
			return true
		})
		if len(tasks) == 0 {
			return nil
		}
		if err := r.job.Wait(ctx, left); err != nil {
			return err
		}
	}
}

// doubt leaves the record of an account as it was that is there still, or has not got
// its primary: it was not changed, whatever the console has said.
func (r *runner) doubt(t *task, all []Difference) {
	primary := func(d Difference) bool { return d.Field == plan.FieldPrimary }
	if r.changes[t.Change].Before != nil && (t.After == nil || slices.ContainsFunc(all, primary)) {
		r.job.Ledger.restore(t.known.Recorded, t.After)
	}
}

// compare says what differs of an account.
func (r *runner) compare(t *task, seen *index) (all []Difference) {
	name := r.name(int32(t.Change))
	if t.After == nil {
		// Without keys that stay, another account that has the primary now is not this one.
		if t.Live != nil && seen.of(&r.facts, &t.Step) != nil && !(r.facts.Unstable && r.wanted[t.Live.Primary]) {
			all = append(all, Difference{name, "", "removed", "there"})
		}
		return all
	}
	if r.facts.Removes && !t.After.Active() {
		return nil
	}
	// Where the console says whose an account is, the answer may have confused refs.
	l, wanted := seen.byRef[t.answer.Ref], mark(t.By, t.After)
	if marked := seen.byMark[wanted]; r.facts.Marks && marked != nil && (l == nil || l.Mark != wanted) {
		l = marked
	}
	switch {
	case l != nil && r.facts.Marks && l.Mark == wanted:
	case t.answer.Ref == "":
		l = seen.byAddress[t.After.Primary]
	case t.known.Live == nil:
		if l = seen.created(&r.facts, &t.Sent, t.answer.Ref, r.wanted); l == nil {
			r.job.Ledger.found(t.After.Primary, "", nil) // whose that is, it is not this one's
		}
	}
	if l == nil {
		return append(all, Difference{name, "", "there", "not there"})
	}
	for _, d := range differing(&r.facts, &t.Sent, l) {
		all = append(all, Difference{name, d.field, d.wanted, d.found})
	}
	if len(all) == 0 {
		r.job.Ledger.found(t.After.Primary, l.Ref, foundAs(&r.facts, l, t.After))
	}
	return all
}

// split returns what a canary makes of families, and the rest of them. There is one
// change of each category, if that many may be made, and no group waits for one
// that comes later.
func (r *runner) split(families []family) (first, rest []family) {
	var groups [][]int32
	for _, f := range families {
		groups = append(groups, f...)
	}
	taken := make([]bool, len(groups))
	at := map[int32]int{} // the group of each change
	for n, group := range groups {
		for _, i := range group {
			at[i] = n
		}
	}
	made := 0
	// take takes a group with those that it waits for.
	var take func(n int)
	take = func(n int) {
		if taken[n] {
			return
		}
		taken[n] = true
		made += len(groups[n])
		for _, i := range groups[n] {
			c := &r.changes[i]
			r.others(r.giver, c.Result(), c.Before, func(g int32) { take(at[g]) })
		}
	}
	seen := [plan.Categories]bool{}
	for n, group := range groups {
		if made >= r.job.Canary {
			break
		}
		var changes []plan.AccountChange
		for _, i := range group {
			changes = append(changes, r.changes[i])
		}
		fresh := false
		for _, row := range plan.Rows(changes) {
			fresh = fresh || !seen[row.Category] && !row.Withheld
			seen[row.Category] = true
		}
		if fresh {
			take(n)
		}
	}
	for n := range groups {
		if made >= r.job.Canary {
			break
		}
		take(n)
	}
	n := 0
	for _, f := range families {
		var now, later family
		for _, group := range f {
			if taken[n] {
				now = append(now, group)
			} else {
				later = append(later, group)
			}
			n++
		}
		if len(now) > 0 {
			first = append(first, now)
		}
		if len(later) > 0 {
			rest = append(rest, later)
		}
	}
	return first, rest
}
