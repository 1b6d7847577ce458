package console

import (
	"context"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// View is what the ledger and the console say together.
type View struct {
	// Merged has the accounts that rules work on.
	*plan.Merged
	// Live are the accounts as the console has them; nil for one that is in the
	// ledger.
	Live    []identity.Live
	Receipt plan.ConsoleReceipt
	// Ledger is the lineage of the state to which the accounts of the owner belong, as
	// [Ledgered] has it; "" for none, and for a console that remembers none.
	Ledger string
}

// Read reads a console completely, which was begun at a time: some read all accounts for
// what was asked before. Progress hears how many accounts were read.
func Read(ctx context.Context, t Target, name, kind string, begun time.Time, now func() time.Time, progress func(accounts int)) ([]identity.Live, plan.ConsoleReceipt, error) {
	var live []identity.Live
	read, err := t.Accounts(ctx, func(l identity.Live) error {
		live = append(compact.Grown(live), l)
		if n := len(live); n%1000 == 0 {
			progress(n)
		}
		return ctx.Err()
	})
	if ctx.Err() != nil {
		return nil, plan.ConsoleReceipt{}, ctx.Err()
	}
	return live, plan.ConsoleReceipt{
		Name: name, Kind: kind, Product: read.Product, Version: read.Version,
		Accounts: len(live), Seconds: max(0, now().Sub(begun).Round(time.Millisecond).Seconds()), Facts: t.Facts(), Expiries: read.Expiries,
	}, err
}

// See merges what a console has with what the ledger knows of it.
func See(live []identity.Live, receipt plan.ConsoleReceipt, in plan.Merging) *View {
	in.Live, in.Facts = live, receipt.Facts
	v := &View{Merged: plan.Merge(in), Live: live, Receipt: receipt}
	v.Receipt.Owned, v.Receipt.Local, v.Receipt.Foreign = v.Owned, v.Local, v.Foreign
	return v
}

// Embedded is the view of a console that is in the ledger.
func Embedded(ledger []identity.Account, name, kind string, facts plan.Facts) *View {
	v := &View{Merged: &plan.Merged{Accounts: ledger}, Receipt: plan.ConsoleReceipt{Name: name, Kind: kind, Accounts: len(ledger), Facts: facts}}
	for i := range ledger {
		if ledger[i].Local() {
			v.Receipt.Local++
		} else {
			v.Receipt.Owned++
		}
	}
	return v
}

// Account returns the account with a primary, or nil.
func (v *View) Account(primary identity.Address) *identity.Account {
	if i, there := v.find(primary); there {
		return &v.Accounts[i]
	}
	return nil
}

func (v *View) find(primary identity.Address) (int, bool) {
	return slices.BinarySearchFunc(v.Accounts, primary, func(a identity.Account, x identity.Address) int { return a.Primary.Compare(x) })
}

// MarkOfOther returns the mark of an account that belongs to another
// configuration; none for another account.
func (v *View) MarkOfOther(primary identity.Address) identity.Mark {
	if i, there := v.find(primary); there {
		return v.Bars[int32(i)].Foreign
	}
	return identity.Mark{}
}

// Barred reports whether account i is left as it is, because of what it is in the
// console.
func (v *View) Barred(i int) bool {
	_, barred := v.Bars[int32(i)]
	return barred
}

// Known returns what console and ledger have of the account before a change. It
// may be called by several goroutines.
func (v *View) Known(before *identity.Account) apply.Known {
	if v.Origins == nil {
		return apply.Known{Live: &identity.Live{Account: *before}, Recorded: before.Primary}
	}
	i, there := v.find(before.Primary)
	if !there {
		return apply.Known{Recorded: v.recordOfGone(before.Primary)}
	}
	k := apply.Known{Recorded: v.Origins[i].Ledger}
	if n := v.Origins[i].Live; n >= 0 {
		k.Live = &v.Live[n]
	}
	return k
}

// recordOfGone returns the primary of the record of an account that the console
// no longer has; zero where there is none.
func (v *View) recordOfGone(primary identity.Address) identity.Address {
	if _, gone := slices.BinarySearchFunc(v.Gone, primary, func(a identity.Account, x identity.Address) int { return a.Primary.Compare(x) }); gone {
		return primary
	}
	return identity.Address{}
}
