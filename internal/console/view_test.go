package console

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// reader is a console that has these accounts, and may end early.
type reader struct {
	Target
	live []identity.Live
	err  error
}

func (r reader) Facts() plan.Facts { return plan.Facts{Marks: true} }

func (r reader) Accounts(_ context.Context, yield func(identity.Live) error) (Receipt, error) {
	for _, l := range r.live {
		if err := yield(l); err != nil {
			return Receipt{}, err
		}
	}
	return Receipt{Product: "p", Version: "1", Accounts: len(r.live)}, r.err
}

func account(primary string) identity.Account {
	return identity.Account{Primary: identity.MustAddress(primary + "@example.com")}
}

// TestView: a console is read completely or not at all, and what is read is known
// by the primaries that the plan has.
func TestView(t *testing.T) {
	ann := account("ann")
	ann.Directory, ann.GUID = "corp", identity.GUID{1}
	gone := account("gone")
	gone.Directory, gone.GUID = "corp", identity.GUID{2}
	marked := identity.Live{Account: account("ann"), Ref: "u-1", Mark: identity.Mark{By: "hq", Directory: "corp", GUID: identity.GUID{1}}}
	theirs := identity.Live{Account: account("bob"), Ref: "u-2", Mark: identity.Mark{By: "branch", Directory: "madrid", GUID: identity.GUID{3}}}
	r := reader{live: []identity.Live{theirs, marked}}
	live, receipt, err := Read(context.Background(), r, "gateway", "exec", time.Now(), time.Now, func(int) {})
	if err != nil || len(live) != 2 || receipt.Product != "p" || receipt.Accounts != 2 || !receipt.Facts.Marks {
		t.Fatalf("%+v, %+v, %v", live, receipt, err)
	}
	v := See(live, receipt, plan.Merging{
		Ledger: []identity.Account{ann, gone}, Placed: map[identity.Address]identity.Placed{ann.Primary: {Ref: "u-1"}, gone.Primary: {Ref: "u-9"}},
		By: "hq", Directories: []string{"corp"}, Now: time.Now(),
	})
	if v.Receipt.Owned != 1 || v.Receipt.Foreign != 1 || v.Receipt.Local != 0 {
		t.Errorf("%+v", v.Receipt)
	}
	if k := v.Known(&ann); k.Live == nil || k.Live.Ref != "u-1" || k.Recorded != ann.Primary {
		t.Errorf("%+v", k)
	}
	if k := v.Known(&gone); k.Live != nil || k.Recorded != gone.Primary {
		t.Errorf("of an account that is gone: %+v", k)
	}
	if m := v.MarkOfOther(theirs.Primary); m.By != "branch" {
		t.Errorf("%+v", m)
	}
	if m := v.MarkOfOther(ann.Primary); !m.IsZero() || v.Account(ann.Primary) == nil || v.Account(gone.Primary) != nil {
		t.Errorf("%+v", m)
	}
	r.err = &ReadError{Console: "gateway", Err: errors.New("cut short")}
	if _, _, err := Read(context.Background(), r, "gateway", "exec", time.Now(), time.Now, func(int) {}); !errors.As(err, new(*ReadError)) {
		t.Error(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Read(ended, r, "gateway", "exec", time.Now(), time.Now, func(int) {}); err != context.Canceled {
		t.Error(err)
	}
}

// TestEmbedded: the accounts of a console that is in the ledger are the ledger's.
func TestEmbedded(t *testing.T) {
	ann, local := account("ann"), account("local")
	ann.Directory, ann.GUID = "corp", identity.GUID{1}
	v := Embedded([]identity.Account{ann, local}, "local", "local", plan.Facts{Embedded: true})
	if v.Receipt.Owned != 1 || v.Receipt.Local != 1 || v.Receipt.Accounts != 2 {
		t.Errorf("%+v", v.Receipt)
	}
	if k := v.Known(&ann); k.Live == nil || k.Live.Primary != ann.Primary || k.Recorded != ann.Primary {
		t.Errorf("%+v", k)
	}
	var unusable apply.Unusable
	if !errors.As(error(&ReadError{}), &unusable) || !errors.As(error(&RefusedError{}), &unusable) {
		t.Error("a console that cannot be reached, or refuses, ends no run")
	}
}
