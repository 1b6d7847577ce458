package main

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/rollcall-cli/rollcall/config"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// preview looks at entries while they are read, from when the state is there on, which is
// long before most of them are.
type preview struct{ of atomic.Pointer[plan.Preview] }

// begin begins to look, where the accounts of the state are those of the console.
func (p *preview) begin(cfg *config.Config, accounts []identity.Account) error {
	if !consoles.Kind(cfg.Console.Kind).Embedded || len(accounts) == 0 {
		return nil
	}
	of, err := plan.NewPreview(cfg.Rules, accounts)
	if err == nil {
		p.of.Store(of)
	}
	return err
}

// at looks at an entry, and returns the account that says the very same: most of the memory of
// a plan would be such entries.
func (p *preview) at(e *identity.Entry) (seen int32, same *identity.Account) {
	of := p.of.Load()
	if of == nil {
		return plan.Unseen, nil
	}
	if seen = of.Of(e); seen >= 0 {
		same = of.Same(e, seen)
	}
	return seen, same
}

// end gives an input what was seen of its entries, and looks at the others.
func (p *preview) end(in *plan.Input, seen []int32) {
	of := p.of.Load()
	if of == nil {
		return
	}
	if len(seen) != len(in.Entries)+len(in.Same) {
		seen = make([]int32, len(in.Entries))
		for i := range seen {
			seen[i] = plan.Unseen
		}
	}
	const some = 4096
	var next atomic.Int64
	var lookers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		lookers.Go(func() {
			for {
				first := int(next.Add(some)) - some
				if first >= len(seen) {
					return
				}
				for i := first; i < min(first+some, len(seen)); i++ {
					if seen[i] == plan.Unseen { // which is in Entries
						seen[i] = of.Of(&in.Entries[i])
					}
				}
			}
		})
	}
	lookers.Wait()
	in.Preview, in.Seen = of, seen
}
