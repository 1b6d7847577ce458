//go:build unix

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console/suite/worlds"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestPostfixAlwaysAnswered: while 200 runs of apply publish the tables of a Postfix, clients
// that ask all the time hear 250 for every address that stays, be it that it passes between
// accounts, becomes a primary of an alias or an alias of a primary: nobody is put off (451),
// and nobody who is there before and after is refused (550).
func TestPostfixAlwaysAnswered(t *testing.T) {
	t.Parallel()
	if os.Getenv("ROLLCALL_ATTACK") == "" {
		t.Skip("make attack runs it")
	}
	for _, kind := range []string{"lmdb", "hash", "cdb", "btree", "texthash"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := servertest.NewPostfix(t, servertest.PostfixOptions{Map: kind})
			k := &kindSite{World: &worlds.World{}, t: t, kind: "postfix", dir: t.TempDir()}
			list := func(words []string) string { return `["` + strings.Join(words, `", "`) + `"]` }
			block := fmt.Sprintf("recipients = %q\naliases = %q\nmap = %q\npostmap = %s\n", p.Recipients, p.Aliases, kind, list(p.Postmap()))
			if kind == "texthash" {
				block += "reload = " + list(p.Reload()) + "\n"
			}
			k.configure(block)
			const runs, people, stays = 200, 10, 20
			r := rand.New(rand.NewPCG(12, 12))
			// A person has two of the addresses that stay, and one that only this run has.
			deal := func(run int) {
				deck := r.Perm(stays)
				all := make([]somebody, people)
				for n := range all {
					all[n] = somebody{n + 1, fmt.Sprintf("stays%d stays%d goes%d-%d", deck[2*n], deck[2*n+1], n, run), ""}
				}
				k.directory(all...)
			}
			apply := func() time.Duration {
				start := time.Now()
				if out, err := exec.Command("rollcall", "-C", k.dir, "apply", "--auto-approve").CombinedOutput(); err != nil {
					t.Fatalf("apply: %v\n%s", err, out)
				}
				return time.Since(start)
			}
			deal(0)
			apply()
			var asked []string
			for n := range stays {
				asked = append(asked, fmt.Sprintf("stays%d@example.com", n))
			}
			for deadline := time.Now().Add(30 * time.Second); ; { // a reload takes a moment
				codes, err := servertest.Recipients(p.Address, asked[0])
				if err == nil && codes[0] == 250 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("it answers %v, %v\n%s", codes, err, p.Mail())
				}
			}

			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var clients sync.WaitGroup
			var mu sync.Mutex
			sessions, answers, wrong := 0, 0, map[string]int{}
			for range 2 {
				clients.Go(func() {
					for ctx.Err() == nil {
						codes, err := servertest.Recipients(p.Address, asked...)
						mu.Lock()
						sessions++
						if err != nil {
							wrong[err.Error()]++
						}
						for i, code := range codes {
							if answers++; code != 250 {
								wrong[fmt.Sprintf("%s: %d", asked[i], code)]++
							}
						}
						mu.Unlock()
					}
				})
			}
			var took time.Duration
			for run := range runs {
				deal(run + 1)
				took += apply()
			}
			cancel()
			clients.Wait()
			t.Logf("%d runs of %v each, %d sessions, %d answers", runs, (took / runs).Round(time.Millisecond), sessions, answers)
			if len(wrong) > 0 || answers < stays*runs {
				t.Errorf("of %d answers these are wrong: %v\n%s", answers, wrong, p.Mail())
			}
			k.quiet()
			for deadline := time.Now().Add(30 * time.Second); ; {
				codes, err := servertest.Recipients(p.Address, fmt.Sprintf("goes0-%d@example.com", runs), fmt.Sprintf("goes0-%d@example.com", runs-1))
				if err == nil && codes[0] == 250 && codes[1] == 550 {
					break
				}
				if kind != "texthash" || time.Now().After(deadline) {
					t.Fatalf("in the end it answers %v, %v\n%s", codes, err, p.Mail())
				}
			}
			for line := range strings.Lines(p.Mail()) {
				if strings.Contains(line, "fatal") || strings.Contains(line, "warning") && strings.Contains(line, p.Folder) {
					t.Error(line)
				}
			}
		})
	}
}
