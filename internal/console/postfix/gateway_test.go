package postfix

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// codes asks the gateway for addresses.
func (g *gateway) codes(names ...string) (codes []int) {
	g.t.Helper()
	var all []string
	for _, name := range names {
		all = append(all, name+"@example.com")
	}
	codes, err := servertest.Recipients(g.Address, all...)
	if err != nil {
		g.t.Fatal(err)
	}
	return codes
}

// await asks until the answers are those, which a reload takes a moment for.
func (g *gateway) await(want []int, names ...string) {
	g.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := g.codes(names...)
		if slices.Equal(got, want) {
			return
		}
		if g.kind != texthash || time.Now().After(deadline) {
			g.t.Fatalf("%q are answered %v, not %v\n%s", names, got, want, g.Mail())
		}
	}
}

// TestGateway: with each type of table, who is in the tables is accepted, rewritten and
// delivered, and who is not or not any more is refused.
func TestGateway(t *testing.T) {
	for _, kind := range allMaps {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			sink := servertest.NewSink(t)
			g := serve(t, kind, sink.Address)
			c := g.open()
			ann, bob := account("ann", "a.smith", "help"), account("bob")
			publish(t, c, step(nil, ann), step(nil, bob))
			g.await([]int{250, 250, 250, 250, 550}, "ann", "a.smith", "help", "bob", "nobody")
			for _, name := range []string{"help", "bob"} {
				if err := servertest.Deliver(g.Address, name+"@example.com"); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			if !sink.Await("ann@example.com") || !sink.Await("bob@example.com") || sink.Taken("help@example.com") > 0 {
				t.Fatalf("help was not rewritten, or bob not delivered\n%s", g.Mail())
			}
			// The alias goes to bob, ann gets another primary, and the old one is nobody's.
			anna, bobby := account("anna"), account("bob", "help")
			publish(t, c, step(ann, anna), step(bob, bobby))
			g.await([]int{250, 550, 550, 250, 250}, "anna", "ann", "a.smith", "bob", "help")
			publish(t, c, step(bobby, nil))
			g.await([]int{550, 550, 250}, "bob", "help", "anna")
		})
	}
	t.Run("together", func(t *testing.T) {
		t.Parallel()
		p := servertest.NewPostfix(t, servertest.PostfixOptions{Map: "hash", Together: true})
		g := &gateway{Postfix: p, t: t, kind: "hash", set: map[string]any{"recipients": p.Recipients, "map": "hash", "postmap": p.Postmap()}}
		publish(t, g.open(), step(nil, account("ann", "help")))
		g.await([]int{250, 250, 550}, "ann", "help", "nobody")
	})
}

// TestAlwaysAnswered: while tables are published again and again, addresses that stay
// are accepted at every moment, be it that they pass between accounts and become
// primaries of aliases and aliases of primaries: nobody is put off (451), and nobody who
// is there before and after is refused (550).
func TestAlwaysAnswered(t *testing.T) {
	times := 4
	kinds := cases([]string{"lmdb"}, "hash", "cdb", "btree", texthash)
	if len(kinds) > 1 {
		times = 200
	}
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := serve(t, kind, "")
			c := g.open()
			r := rand.New(rand.NewPCG(1, 1))
			const accounts, stays = 10, 20
			// An account has one of the addresses that stay, or two, and one of its own that
			// changes all the time.
			deal := func(round int) (all []*identity.Account) {
				deck := r.Perm(stays)
				for n := range accounts {
					names := []string{fmt.Sprintf("stays%d", deck[2*n]), fmt.Sprintf("stays%d", deck[2*n+1])}
					a := account(names[0], names[1], fmt.Sprintf("goes%d-%d", n, round))
					if round%3 == 0 {
						a = account(names[0], names[1])
					}
					all = append(all, a)
				}
				return all
			}
			now := deal(0)
			change := func(before, after []*identity.Account) {
				var steps []apply.Step
				for i := range after {
					if before == nil {
						steps = append(steps, step(nil, after[i]))
					} else {
						steps = append(steps, step(before[i], after[i]))
					}
				}
				publish(t, c, steps...)
			}
			change(nil, now)
			g.await([]int{250, 550}, "stays0", "goes0-0")

			ctx, cancel := context.WithCancel(context.Background())
			var clients sync.WaitGroup
			var mu sync.Mutex
			asked, wrong := 0, map[string]int{}
			for range 2 {
				clients.Go(func() {
					for ctx.Err() == nil {
						var names []string
						for n := range stays {
							names = append(names, fmt.Sprintf("stays%d@example.com", n))
						}
						codes, err := servertest.Recipients(g.Address, names...)
						mu.Lock()
						if err != nil {
							wrong[err.Error()]++
						}
						for i, code := range codes {
							if asked++; code != 250 {
								wrong[fmt.Sprintf("%s: %d", names[i], code)]++
							}
						}
						mu.Unlock()
					}
				})
			}
			for round := 1; round <= times; round++ {
				next := deal(round)
				change(now, next)
				now = next
				if kind == texthash { // which takes a reload
					if round%3 == 0 {
						g.await([]int{550}, fmt.Sprintf("goes0-%d", round-1))
					} else {
						g.await([]int{250}, fmt.Sprintf("goes0-%d", round))
					}
				}
			}
			cancel()
			clients.Wait()
			if len(wrong) > 0 || asked < 20*times {
				t.Errorf("of %d answers these are wrong: %v\n%s", asked, wrong, g.Mail())
			}
			t.Logf("%d publications, %d answers", times, asked)
			// What it has logged beside connections and refusals.
			for line := range strings.Lines(g.Mail()) {
				if strings.Contains(line, "fatal") || strings.Contains(line, "warning") && strings.Contains(line, g.Folder) {
					t.Error(line)
				}
			}
		})
	}
}

// TestExim: Exim reads the same files by lsearch, at every change.
func TestExim(t *testing.T) {
	t.Parallel()
	sink := servertest.NewSink(t)
	g := files(t, "hash")
	e := servertest.NewExim(t, g.Recipients, g.Aliases, sink.Address)
	g.Address = e.Address
	c := g.open()
	ann := account("ann", "help", "o'neil&co")
	publish(t, c, step(nil, ann))
	g.await([]int{250, 250, 250, 550}, "ann", "help", "o'neil&co", "nobody")
	if err := servertest.Deliver(e.Address, "help@example.com"); err != nil {
		t.Fatal(err)
	}
	if !sink.Await("ann@example.com") {
		t.Errorf("help was not rewritten\n%s", read(t, e.Mainlog))
	}
	publish(t, c, step(ann, account("anna", "help")))
	g.await([]int{550, 250, 250}, "ann", "anna", "help")
}

// TestInStep: the index that Postfix reads has the rows of the file and no others,
// whatever its type.
func TestInStep(t *testing.T) {
	for _, kind := range []string{"lmdb", "hash", "cdb", "btree"} {
		g := files(t, kind)
		c := g.open()
		ann := account("ann", "help")
		publish(t, c, step(nil, ann))
		publish(t, c, step(ann, account("anna", "help")))
		for key, want := range map[string]string{"recipients anna": "OK", "recipients ann": "", "aliases help": "anna@example.com"} {
			table, name, _ := strings.Cut(key, " ")
			out, _ := exec.Command("postmap", "-q", name+"@example.com", kind+":"+g.Folder+"/"+table).Output() // 1 for what is not there
			if got := strings.TrimSpace(string(out)); got != want {
				t.Errorf("%s: %s is %q, not %q", kind, key, got, want)
			}
		}
	}
}
