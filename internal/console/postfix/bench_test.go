package postfix

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// BenchmarkAccounts reads 20,000 accounts with two aliases each, beside the files alone.
// BenchmarkPublish changes one in a hundred of them.
func BenchmarkAccounts(b *testing.B) {
	c, _ := crowd(b)
	b.Run("files", func(b *testing.B) {
		for b.Loop() {
			for _, path := range c.paths {
				if _, err := os.ReadFile(path); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("accounts", func(b *testing.B) {
		for b.Loop() {
			receipt, err := c.Accounts(context.Background(), func(identity.Live) error { return nil })
			if err != nil || receipt.Accounts != 20_000 {
				b.Fatal(receipt, err)
			}
		}
	})
}

func BenchmarkPublish(b *testing.B) {
	c, all := crowd(b)
	next := make([]*identity.Account, len(all))
	for b.Loop() {
		if _, err := c.Accounts(context.Background(), func(identity.Live) error { return nil }); err != nil {
			b.Fatal(err)
		}
		var steps []apply.Step
		for i := 0; i < len(all); i += 100 {
			next[i] = account(all[i].Primary.Local()+"x", "a"+fmt.Sprint(i), "b"+fmt.Sprint(i))
			if len(all[i].Primary.Local()) > 20 {
				next[i] = account(fmt.Sprint("somebody", i), "a"+fmt.Sprint(i), "b"+fmt.Sprint(i))
			}
			s := step(all[i], next[i])
			s.Key = fmt.Sprint(b.N, next[i].Primary, len(c.made))
			steps = append(steps, s)
			all[i] = next[i]
		}
		if err := c.Apply(context.Background(), steps, func(_ int, a apply.Answer) {
			if a.Err != nil {
				b.Fatal(a.Err)
			}
		}); err != nil {
			b.Fatal(err)
		}
		if err := c.Publish(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// crowd is a console of 20,000 accounts.
func crowd(b *testing.B) (*Console, []*identity.Account) {
	b.Helper()
	g := files(b, "lmdb")
	c := g.open()
	var all []*identity.Account
	var steps []apply.Step
	for i := range 20_000 {
		a := account(fmt.Sprint("somebody", i), "a"+fmt.Sprint(i), "b"+fmt.Sprint(i))
		s := step(nil, a)
		s.Key, s.Group = fmt.Sprint("crowd", i), i
		all, steps = append(all, a), append(steps, s)
	}
	if err := c.Apply(context.Background(), steps, func(int, apply.Answer) {}); err != nil {
		b.Fatal(err)
	}
	if err := c.Publish(context.Background()); err != nil {
		b.Fatal(err)
	}
	return c, all
}
