package postfix

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
)

const (
	ours   = "0123456789abcdef0123456789abcdef"
	theirs = "fedcba9876543210fedcba9876543210"
)

// remembers fails the test unless a console that is opened anew has the lineage.
func (g *gateway) remembers(want string) {
	g.t.Helper()
	if got, err := g.open().Ledger(context.Background()); err != nil || got != want {
		g.t.Errorf("the ledger is %q, not %q, %v", got, want, err)
	}
}

func claim(t *testing.T, c *Console, lineage, was string) {
	t.Helper()
	if err := c.Claim(context.Background(), lineage, was); err != nil {
		t.Fatal(err)
	}
}

// refused fails the test unless a claim is, since now is there.
func refused(t *testing.T, c *Console, lineage, was, now string) {
	t.Helper()
	err := c.Claim(context.Background(), lineage, was)
	if claimed := console.AsClaimed(err); claimed == nil || claimed.Lineage != now {
		t.Errorf("the claim ends with %v", err)
	}
}

// TestHeaders: what is read of a header is written as the same line, but for what a line
// by hand leaves out.
func TestHeaders(t *testing.T) {
	for line, want := range map[string]string{
		`# rollcall owner="hq" serial=1 aliases=apart sha256=00`:                 "",
		`# rollcall owner="hq" serial=1 aliases=here sha256=00 ledger=` + ours:   "",
		`# rollcall owner="h q\"" serial=1 aliases=here sha256=00 ledger=mine"ü`: "",
		`# rollcall owner="hq"`:                                 "",
		`# rollcall owner="hq" ledger=x`:                        "",
		`# rollcall owner="hq" serial=7 aliases=apart ledger=x`: "",
		`# rollcall owner="hq" ledger=`:                         `# rollcall owner="hq"`,
		"# rollcall owner=\"hq\"  ledger=a=b\taliases=here ":    `# rollcall owner="hq" ledger=a=b`,
	} {
		h, ok := parseHeader(strings.TrimRight(line, blanks))
		if want == "" {
			want = line
		}
		if !ok || h.String() != want+"\n" {
			t.Errorf("%s is read as %v, %t", line, h, ok)
		}
	}
	if h, ok := parseHeader(`# rollcall owner="hq" lineage=x`); ok {
		t.Errorf("it is read as %v", h)
	}
}

// TestLedger: a claim changes the header of the recipients and nothing else, so that
// Postfix has nothing to read again, and every change keeps it.
func TestLedger(t *testing.T) {
	g := files(t, "hash")
	publish(t, g.open(), step(nil, account("ann", "help")))
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"recipients", "recipients.db"} {
		if err := os.Chtimes(filepath.Join(g.Folder, name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	g.set["postmap"], g.set["reload"] = []string{"false"}, []string{"false"}
	before := contentsOf(t, g.Folder)
	g.remembers("")
	c := g.open()
	refused(t, c, ours, theirs, "")
	claim(t, c, ours, "")
	claim(t, c, ours, "")
	g.remembers(ours)
	refused(t, g.open(), theirs, "", ours)
	after := contentsOf(t, g.Folder)
	for name, was := range before {
		if name == "recipients" {
			was = headed("hq", 1, "apart", note+"ann@example.com OK\n")
			was = strings.Replace(was, "\n", " ledger="+ours+"\n", 1)
		}
		if after[name] != was {
			t.Errorf("%s:\n%s\nwant:\n%s", name, after[name], was)
		}
	}
	if len(after) != len(before) {
		t.Errorf("left: %q", namesIn(t, g.Folder))
	}
	g.logs = nil
	g.open()
	if len(g.logs) > 0 {
		t.Errorf("the log has %q", g.logs)
	}
	delete(g.set, "postmap")
	delete(g.set, "reload")
	publish(t, g.open(), step(nil, account("bob")))
	g.remembers(ours)
	publish(t, g.open(), step(account("ann", "help"), account("help", "ann")), step(account("bob"), nil))
	g.remembers(ours)
	if text := read(t, g.Aliases); strings.Contains(text, "ledger") {
		t.Errorf("the aliases have one:\n%s", text)
	}
	path := g.set["aliases"]
	delete(g.set, "aliases")
	publish(t, g.open(), step(account("help"), account("help", "sales")))
	g.remembers(ours)
	g.set["aliases"] = path
	claim(t, g.open(), theirs, ours)
	if text := read(t, g.Recipients); !strings.Contains(text, "\nsales@example.com help@example.com\n") {
		t.Errorf("what is to go with the next change is gone:\n%s", text)
	}
	publish(t, g.open(), step(account("help"), account("help", "sales")))
	claim(t, g.open(), "", theirs)
	g.remembers("")
	if want := headed("hq", 5, "apart", note+"help@example.com OK\n"); read(t, g.Recipients) != want {
		t.Errorf("recipients:\n%s\nwant:\n%s", read(t, g.Recipients), want)
	}
	g.inStep()
}

// TestLedgerByHand: a file that was edited or handed over is that after a claim, too,
// wherever its header is, and has what was written there by hand.
func TestLedgerByHand(t *testing.T) {
	const rows = "bob@example.com  x\nann@example.com OK\n"
	sealed := strings.TrimSuffix(strings.SplitAfter(headed("hq", 3, "here", note), "\n")[0], "\n")
	for name, c := range map[string]struct{ text, was, want string }{
		"edited":        {sealed + "\n" + note + rows, "", sealed + " ledger=" + ours + "\n" + note + rows},
		"handed over":   {"# rollcall owner=\"hq\"\r\n" + rows, "", "# rollcall owner=\"hq\" ledger=" + ours + "\n" + rows},
		"by hand":       {"# rollcall owner=\"hq\" ledger=mine\n" + rows, "mine", "# rollcall owner=\"hq\" ledger=" + ours + "\n" + rows},
		"further below": {"# kept by hand\n" + sealed + " ledger=mine\n" + rows, "mine", "# kept by hand\n" + sealed + " ledger=" + ours + "\n" + rows},
		"at its end":    {rows + "# rollcall owner=\"hq\"", "", rows + "# rollcall owner=\"hq\" ledger=" + ours + "\n"},
		"no rows":       {"# to be filled\n", "", "# rollcall owner=\"hq\" ledger=" + ours + "\n# to be filled\n"},
		"empty":         {"", "", "# rollcall owner=\"hq\" ledger=" + ours + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			g := files(t, texthash)
			delete(g.set, "aliases")
			put(t, g.Recipients, c.text)
			g.remembers(c.was)
			reader, claiming := g.open(), g.open()
			before := shown(t, claiming)
			claim(t, claiming, ours, c.was)
			if got := read(t, g.Recipients); got != c.want {
				t.Errorf("recipients:\n%s\nwant:\n%s", got, c.want)
			}
			g.remembers(ours)
			again := g.open()
			if after := shown(t, again); !slices.Equal(before, after) {
				t.Errorf("the accounts were %q, and are %q", before, after)
			}
			if !again.base.files[recipients].touched() {
				t.Error("it looks as rollcall has written it")
			}
			_ = shown(t, reader)
			for _, c := range []*Console{claiming, reader} { // the second one finds it written
				if err := c.Publish(context.Background()); err != nil && apply.CodeOf(err) != apply.Changed {
					t.Error(err)
				}
			}
			g.remembers(ours)
			expect(t, g.open(), before...)
			if f := again.base.files[recipients]; f.header.serial >= g.reads().header.serial {
				t.Error("it was not published")
			}
		})
	}
}

// reads returns the file of recipients.
func (g *gateway) reads() *file {
	g.t.Helper()
	f, err := g.open().readFile(recipients, "")
	if err != nil {
		g.t.Fatal(err)
	}
	return f
}

// TestLedgerUnreadable: the header is held to what it is when accounts are read.
func TestLedgerUnreadable(t *testing.T) {
	for text, says := range map[string]string{
		headed("branch", 7, "here", "ann@example.com OK\n"):    `belongs to the configuration with owner "branch"`,
		"# rollcall owner=\"hq\" serial=x\nann@example.com OK": "recipients:1: the header cannot be understood",
		"#\n# rollcall owner=\"hq\" other=x\n":                 "recipients:2: the header cannot be understood",
	} {
		g := files(t, texthash)
		delete(g.set, "aliases")
		put(t, g.Recipients, text)
		_, err := g.open().Ledger(context.Background())
		claimed := g.open().Claim(context.Background(), ours, "")
		var unread *console.ReadError
		for _, err := range []error{err, claimed} {
			if !errors.As(err, &unread) || !strings.Contains(err.Error(), says) || unread.Advice == "" {
				t.Errorf("%q: %v", text, err)
			}
		}
		if read(t, g.Recipients) != text {
			t.Errorf("%q was changed", text)
		}
	}
	g := files(t, texthash)
	put(t, g.Recipients, "ann@example.com OK\n")
	g.remembers("")
	if err := g.open().Claim(context.Background(), ours, ""); err == nil || !strings.Contains(err.Error(), "no header of rollcall") {
		t.Error(err)
	}
	put(t, g.Recipients, "# rollcall owner=\"hq\"\n")
	var unclaimed *console.UnclaimedError
	for _, lineage := range []string{"a b", "a\nb@example.com OK", "a serial=9"} {
		if err := g.open().Claim(context.Background(), lineage, ""); !errors.As(err, &unclaimed) {
			t.Errorf("%q: %v", lineage, err)
		}
	}
	g.remembers("")
}

// TestLedgerOfNoFile: where there are no tables, a claim makes none, which Postfix would
// take for tables without anybody; the first that is published has it.
func TestLedgerOfNoFile(t *testing.T) {
	g := files(t, "hash")
	c, other := g.open(), g.open()
	expect(t, c)
	expect(t, other)
	claim(t, c, ours, "")
	refused(t, c, theirs, "", ours)
	claim(t, other, theirs, "")
	if got, err := c.Ledger(context.Background()); got != ours || err != nil {
		t.Errorf("the ledger is %q, %v", got, err)
	}
	if err := c.Publish(context.Background()); err != nil {
		t.Fatal(err)
	}
	if left := namesIn(t, g.Folder); !slices.Equal(left, []string{"recipients.lock"}) {
		t.Errorf("left: %q", left)
	}
	publish(t, c, step(nil, account("ann", "help")))
	g.remembers(ours)
	stageAll(t, other, step(nil, account("bob")))
	if err := other.Publish(context.Background()); apply.CodeOf(err) != apply.Changed {
		t.Errorf("the other has published: %v", err)
	}
	refused(t, other, theirs, "", ours)
	expect(t, g.open(), "ann help")
}

// TestLedgerStaged: what is staged before a claim or after it is published, but not where
// the tables were changed since they were read; the claim is not made then, either.
func TestLedgerStaged(t *testing.T) {
	g := files(t, texthash)
	publish(t, g.open(), step(nil, account("ann")))
	c, unread := g.open(), g.open()
	expect(t, c, "ann")
	stageAll(t, c, step(nil, account("bob")))
	claim(t, c, ours, "")
	publish(t, c, step(nil, account("carl")))
	stageAll(t, unread, step(nil, account("dora")))
	claim(t, unread, theirs, ours)
	if err := unread.Publish(context.Background()); err != nil {
		t.Fatal(err)
	}
	expect(t, g.open(), "ann", "bob", "carl", "dora")
	g.remembers(theirs)

	for _, staged := range []bool{false, true} {
		c := g.open()
		if staged {
			stageAll(t, c, step(nil, account("gone")))
		} else {
			_ = shown(t, c)
		}
		byHand := read(t, g.Recipients) + fmt.Sprintf("edited%t@example.com OK\n", staged)
		put(t, g.Recipients, byHand)
		err := c.Claim(context.Background(), ours, theirs)
		var unread *console.ReadError
		if apply.CodeOf(err) != apply.Changed || !errors.As(err, &unread) || read(t, g.Recipients) != byHand {
			t.Errorf("staged %t: the claim ends with %v", staged, err)
		}
	}
	g.remembers(theirs)
}

// TestLedgerClaimers: of several that claim at a time, one does, and the others hear who.
func TestLedgerClaimers(t *testing.T) {
	g := files(t, texthash)
	publish(t, g.open(), step(nil, account("ann")))
	const claimers = 8
	var all sync.WaitGroup
	errs := make([]error, claimers)
	lineage := func(n int) string { return fmt.Sprintf("%032x", n) }
	for n := range claimers {
		c := g.open()
		expect(t, c, "ann")
		all.Go(func() { errs[n] = c.Claim(context.Background(), lineage(n), "") })
	}
	all.Wait()
	won := slices.Index(errs, nil)
	if won < 0 {
		t.Fatal(errs)
	}
	g.remembers(lineage(won))
	for n, err := range errs {
		if claimed := console.AsClaimed(err); n != won && (claimed == nil || claimed.Lineage != lineage(won)) {
			t.Errorf("claimer %d, not %d: %v", n, won, err)
		}
	}
}

// TestLedgerBrokenOff: a run that is broken off while it claims leaves a file beside the
// recipients, or has claimed; who publishes and is broken off keeps the ledger.
func TestLedgerBrokenOff(t *testing.T) {
	g := files(t, "hash")
	publish(t, g.open(), step(nil, account("ann", "help")), step(nil, account("bob")))
	claim(t, g.open(), ours, "")
	whole := read(t, g.Recipients)
	for _, text := range []string{"", whole[:10], strings.Replace(whole, ours, theirs, 1)} {
		put(t, filepath.Join(g.Folder, ".recipients.5.tmp"), text)
		g.remembers(ours)
		if left := namesIn(t, g.Folder); len(left) != 5 || read(t, g.Recipients) != whole {
			t.Errorf("left: %q", left)
		}
	}
	for renamed := range 7 {
		g := files(t, "hash")
		publish(t, g.open(), step(nil, account("ann", "help")), step(nil, account("bob")))
		claim(t, g.open(), ours, "")
		c := g.open()
		brokenOff(t, g, renamed)
		if got, err := c.Ledger(context.Background()); err != nil || got != ours {
			t.Errorf("after %d files, the ledger is %q, %v", renamed, got, err)
		}
		claim(t, c, theirs, ours)
		g.remembers(theirs)
		expect(t, c, "bobby ann", "help old")
	}
}
