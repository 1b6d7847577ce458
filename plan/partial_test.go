package plan_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory/followed"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/partial"
	"github.com/rollcall-cli/rollcall/plan"
)

// past is a world that changes, and what an earlier plan knows of it.
type past struct {
	*generator
	objects []followed.Object // of the entries
	number  int

	was        plan.Input
	wasObjects []followed.Object
	earlier    partial.Earlier
}

func (p *past) object() followed.Object {
	p.number++
	return followed.Object{Directory: p.number % 2, Key: poolGUID(1000 + p.number/2)}
}

// look makes the earlier plan.
func (p *past) look() bool {
	p.was, p.wasObjects = p.in, slices.Clone(p.objects)
	p.was.Entries, p.was.Accounts = slices.Clone(p.in.Entries), slices.Clone(p.in.Accounts)
	in := p.was
	in.Count = true
	made, err := plan.Compute(in)
	if err != nil {
		return false
	}
	p.earlier = partial.Earlier{Sums: made.Sums}
	for _, i := range made.Spoken.Entries {
		p.earlier.Objects = append(p.earlier.Objects, p.objects[i])
	}
	for _, a := range made.Spoken.Accounts {
		p.earlier.Primaries = append(p.earlier.Primaries, in.Accounts[a].Primary)
	}
	return true
}

// change lets something happen.
func (p *past) change() {
	p.in.Entries, p.in.Accounts = slices.Clone(p.in.Entries), slices.Clone(p.in.Accounts)
	n := len(p.in.Entries)
	scopes, what := p.readScopes(""), p.IntN(10)
	switch {
	case what < 2 && len(scopes) > 0: // somebody comes
		e := identity.Entry{GUID: poolGUID(p.IntN(20)), DN: p.dn(p.IntN(10)), Username: p.username(), Attributes: p.attributes(), Type: p.kind(), Scope: pick(p.generator, scopes)}
		p.more(&e, 0.9)
		p.in.Entries, p.objects = append(p.in.Entries, e), append(slices.Clone(p.objects), p.object())
	case what < 4 && n > 0: // somebody goes
		i := p.IntN(n)
		p.in.Entries, p.objects = slices.Delete(p.in.Entries, i, i+1), slices.Delete(slices.Clone(p.objects), i, i+1)
	case what < 7 && n > 0: // something changes
		e := &p.in.Entries[p.IntN(n)]
		switch p.IntN(7) {
		case 0:
			e.Primaries = nil
			p.more(e, 0.9)
		case 1:
			e.Aliases = nil
			p.more(e, 0.5)
		case 2:
			e.GUID = poolGUID(p.IntN(20))
		case 3:
			e.DN = p.dn(p.IntN(10))
		case 4:
			e.Username, e.Attributes, e.Type = p.username(), p.attributes(), p.kind()
		case 5: // it takes over from another
			o := &p.in.Entries[p.IntN(n)]
			e.Primaries, o.Primaries = o.Primaries, e.Primaries
		case 6:
			e.Scope = pick(p.generator, scopes)
		}
	case what < 9: // what is planned is applied
		p.apply()
	case len(p.in.Accounts) > 0: // somebody edits the state
		i := p.IntN(len(p.in.Accounts))
		if a := &p.in.Accounts[i]; p.chance(0.5) {
			p.in.Accounts = slices.Delete(p.in.Accounts, i, i+1)
		} else {
			a.Directory, a.GUID = "", identity.GUID{}
		}
	}
}

func (p *past) apply() {
	if made, err := plan.Compute(p.in); err == nil {
		if accounts, err := applied(p.in.Accounts, made); err == nil {
			p.in.Accounts = accounts
		}
	}
}

// quieten lets most of what the plan speaks of be as if it had never been.
func (p *past) quieten() {
	in := p.in
	in.Count = true
	made, err := plan.Compute(in)
	if err != nil {
		return
	}
	for _, i := range slices.Backward(made.Spoken.Entries) {
		if p.chance(0.7) {
			p.in.Entries, p.objects = slices.Delete(p.in.Entries, int(i), int(i)+1), slices.Delete(p.objects, int(i), int(i)+1)
		}
	}
}

// world is where a part looks things up.
func (p *past) world() *partial.World {
	w := &partial.World{Canonical: plan.NewDomains(p.in.Rules.Domains).Canonical, Touched: map[followed.Object]bool{}}
	w.Kept = func(_ map[uint32]struct{}, each func(followed.Object, identity.Entry)) error {
		for i := range p.was.Entries {
			each(p.wasObjects[i], p.was.Entries[i])
		}
		return nil
	}
	w.Held = func(_ map[uint32]struct{}, each func(identity.Account)) error {
		for _, a := range p.in.Accounts {
			each(a)
		}
		return nil
	}
	for i, g := range p.objects {
		was := slices.Index(p.wasObjects, g)
		if was >= 0 && p.was.Entries[was].Equal(&p.in.Entries[i]) && !p.chance(0.1) {
			continue
		}
		w.Touched[g] = true
		w.Fresh, w.Objects = append(w.Fresh, p.in.Entries[i]), append(w.Objects, g)
	}
	for _, g := range p.wasObjects {
		if !slices.Contains(p.objects, g) {
			w.Touched[g] = true
		}
	}
	w.Gone = without(p.was.Accounts, p.in.Accounts, sameAccount)
	w.Come = without(p.in.Accounts, p.was.Accounts, sameAccount)
	return w
}

// whole is all that a plan says.
func whole(t *testing.T, p *plan.Plan) string {
	var b strings.Builder
	if err := p.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&b, p.Active, p.Ignored, p.IgnoredObjects, p.Ambiguities(), p.WithoutAccount, p.Unchanged)
	return b.String()
}

// several is a world of several that have nothing to do with each other.
func several(seed, n uint64) plan.Input {
	in := generate(seed, n)
	in.Rules.Prerequisites, in.Others, in.Facts = nil, nil, plan.Facts{}
	for k := range 1 + n%6 {
		g := &generator{Rand: rand.New(rand.NewPCG(seed^k<<20, n)), used: map[identity.Address]bool{}}
		g.in.Rules, g.in.Read, g.odd = in.Rules, in.Read, g.chance(0.1)
		g.console()
		g.entries()
		own := func(text string) string {
			if strings.Count(text, "@") != 1 || len(text) > 60 {
				return text
			}
			return fmt.Sprint("w", k, text)
		}
		guid := func(x *identity.GUID) {
			if !x.IsZero() {
				x[15] = byte(k) + 1
			}
		}
		for _, a := range g.in.Accounts {
			guid(&a.GUID)
			a.Primary, a.Aliases = identity.MustAddress(own(a.Primary.String())), slices.Clone(a.Aliases)
			for i, x := range a.Aliases {
				a.Aliases[i] = identity.MustAddress(own(x.String()))
			}
			in.Accounts = append(in.Accounts, a)
		}
		for _, e := range g.in.Entries {
			guid(&e.GUID)
			e.DN += fmt.Sprint(",ou=", k)
			for _, list := range [...]*[]string{&e.Primaries, &e.Mail, &e.Aliases} {
				*list = slices.Clone(*list)
				for i, text := range *list {
					(*list)[i] = own(text)
				}
			}
			in.Entries = append(in.Entries, e)
		}
	}
	return in
}

// TestPartial: the plan that is made of a part is that of all, after each of the things that
// happen to random worlds.
func TestPartial(t *testing.T) {
	t.Parallel()
	worlds, steps := 700, 8
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		worlds = 15_000
	}
	seed := uint64(1)
	planned, left, all := 0, 0, 0
	for n := range worlds {
		in := several(seed, uint64(n)+1<<40)
		p := &past{generator: &generator{Rand: rand.New(rand.NewPCG(seed, uint64(n))), used: map[identity.Address]bool{}, in: in}}
		for range in.Entries {
			p.objects = append(p.objects, p.object())
		}
		for range 3 {
			p.quieten()
			p.apply()
		}
		if !p.look() {
			continue
		}
		for step := range steps {
			p.change()
			want, err := plan.Compute(p.in)
			if err != nil {
				break
			}
			part, err := p.world().Find(&p.earlier, 1000)
			if err != nil {
				t.Fatalf("world %d, step %d: %v", n, step, err)
			}
			rest := p.in
			rest.Entries, rest.Accounts = nil, nil
			got, err := part.Compute(rest, &p.earlier, p.was.Now)
			if errors.Is(err, partial.ErrDamaged) || err != nil {
				t.Fatalf("world %d, step %d: %v\n%s", n, step, err, report(p.in))
			}
			planned++
			all += len(p.in.Entries)
			left += len(p.in.Entries) - len(part.Is.Entries)
			if x, y := whole(t, want), whole(t, got); x != y {
				t.Fatalf("world %d, step %d: the plan of all is\n%s\nand that of a part\n%s\nof %s", n, step, x, y, report(p.in))
			}
			if p.chance(0.2) && !p.look() {
				break
			}
		}
	}
	if planned < worlds*steps/2 || left < all/3 {
		t.Errorf("%d plans, of which the part was without %d of %d entries", planned, left, all)
	}
}
