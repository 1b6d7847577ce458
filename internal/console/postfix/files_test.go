package postfix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// header returns the first line of a file of owner hq at a serial.
func headed(owner string, serial int, where, body string) string {
	return fmt.Sprintf("# rollcall owner=%q serial=%d aliases=%s sha256=%s\n%s", owner, serial, where, digest([]byte(body)), body)
}

// unreadable fails the test unless accounts cannot be read, with an error that has all
// of the texts.
func (g *gateway) unreadable(texts ...string) {
	g.t.Helper()
	_, err := g.open().Accounts(context.Background(), func(identity.Live) error { return nil })
	var unread *console.ReadError
	if !errors.As(err, &unread) || unread.Advice == "" {
		g.t.Errorf("the error is %v, and no ReadError with advice", err)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error()+" "+unread.Advice, text) {
			g.t.Errorf("%q is not in: %v (%s)", text, err, unread.Advice)
		}
	}
}

// TestWritten: what is in the files, to the letter.
func TestWritten(t *testing.T) {
	g := files(t, texthash)
	publish(t, g.open(), step(nil, account("bob")), step(nil, account("ann", "help", "a.smith")))
	want := headed("hq", 1, "apart", note+"ann@example.com OK\nbob@example.com OK\n")
	if got := read(t, g.Recipients); got != want {
		t.Errorf("recipients:\n%s\nwant:\n%s", got, want)
	}
	want = headed("hq", 1, "apart", note+"a.smith@example.com ann@example.com\nhelp@example.com ann@example.com\n")
	if got := read(t, g.Aliases); got != want {
		t.Errorf("aliases:\n%s\nwant:\n%s", got, want)
	}
	if left := namesIn(t, g.Folder); !slices.Equal(left, []string{"aliases", "recipients", "recipients.lock"}) {
		t.Errorf("left in the folder: %q", left)
	}

	delete(g.set, "aliases")
	g.Recipients = filepath.Join(g.Folder, "together")
	g.set["recipients"] = g.Recipients
	publish(t, g.open(), step(nil, account("bob")), step(nil, account("ann", "help", "a.smith")))
	want = headed("hq", 1, "here", note+"a.smith@example.com ann@example.com\nann@example.com OK\nbob@example.com OK\nhelp@example.com ann@example.com\n")
	if got := read(t, g.Recipients); got != want {
		t.Errorf("together:\n%s\nwant:\n%s", got, want)
	}
}

func namesIn(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestOwners: files of another configuration, and rows without a header, are never
// written; a header of ours hands rows over.
func TestOwners(t *testing.T) {
	g := files(t, texthash)
	theirs := headed("branch", 7, "apart", "ann@example.com OK\n")
	put(t, g.Recipients, theirs)
	put(t, g.Aliases, headed("branch", 7, "apart", ""))
	g.unreadable("recipients", `"branch"`, `"hq"`)

	ours := "ann@example.com OK\nBob@Example.com\tx\n"
	put(t, g.Recipients, ours)
	put(t, g.Aliases, "")
	g.unreadable("recipients", "2 rows", "no header", `# rollcall owner="hq"`)
	if read(t, g.Recipients) != ours {
		t.Error("the file was changed")
	}

	put(t, g.Recipients, "# rollcall owner=\"hq\"\n"+ours)
	c := g.open()
	expect(t, c, "ann", "bob")
	publish(t, c, step(nil, account("carl", "bobby")))
	expect(t, g.open(), "ann", "bob", "carl bobby")
}

// TestByHand: what somebody has changed is there as it is, and is reported.
func TestByHand(t *testing.T) {
	g := files(t, texthash)
	publish(t, g.open(), step(nil, account("ann", "help")), step(nil, account("bob")))
	text := read(t, g.Recipients)
	put(t, g.Recipients, strings.Replace(text, "bob@example.com OK\n", "# bob has left\n  \ncarl@example.com   \n\tOK\r\n", 1))
	g.logs = nil
	expect(t, g.open(), "ann help", "carl")
	if len(g.logs) != 1 || !strings.Contains(g.logs[0], "recipients was changed by hand since rollcall wrote it (serial 1)") {
		t.Errorf("the log has %q", g.logs)
	}
	publish(t, g.open(), step(account("carl"), nil))
	g.logs = nil
	expect(t, g.open(), "ann help")
	if len(g.logs) > 0 {
		t.Errorf("the log has %q", g.logs)
	}
}

// TestRelative: relative paths begin at the folder of the configuration, also for the
// programs, which run there.
func TestRelative(t *testing.T) {
	c := newConsole(console.Opening{Settings: Kind.Values("relay", "conf", map[string]any{"recipients": "tables/recipients"})})
	wd, err := os.Getwd()
	if want := filepath.Join(wd, "conf", "tables", "recipients"); err != nil || c.paths[recipients] != want || c.apart() {
		t.Errorf("%q, not %q, %v", c.paths, want, err)
	}
}

// TestOdd: rows that are no accounts are read as such, hold their addresses, and stay as
// they are.
func TestOdd(t *testing.T) {
	g := files(t, texthash)
	publish(t, g.open(), step(nil, account("ann", "help")))
	put(t, g.Recipients, read(t, g.Recipients)+"@other.example OK\n")
	put(t, g.Aliases, read(t, g.Aliases)+"team@example.com ann@example.com, bob@example.com\npress@example.com agency@agency.example\nann.old@example.com nobody@example.com\n@old.example ann@example.com\n")
	c := g.open()
	want := []string{"ann help", `odd "@other.example" of recipients`, `odd "@old.example" of aliases`, `odd "team@example.com" of aliases`,
		`odd "press@example.com" of aliases`, `odd "ann.old@example.com" of aliases`}
	got := shown(t, c)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the accounts are\n%q, not\n%q", got, want)
	}
	_, err := c.Accounts(context.Background(), func(l identity.Live) error {
		if l.Odd != "" && !strings.Contains(l.Odd, g.Folder) {
			t.Errorf("%s does not say where it is", l.Odd)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	taken := c.answers(t, step(nil, account("team")))[0]
	if taken.Err == nil || taken.Err.Code != apply.Taken || taken.Err.Holder != `"team@example.com" of aliases` {
		t.Errorf("team: %+v", taken.Err)
	}
	publish(t, c, step(account("ann", "help"), account("anna", "help")))
	for path, rows := range map[string][]string{
		g.Recipients: {"@other.example OK", "anna@example.com OK"},
		g.Aliases:    {"team@example.com ann@example.com, bob@example.com", "press@example.com agency@agency.example", "ann.old@example.com nobody@example.com", "@old.example ann@example.com"},
	} {
		for _, row := range rows {
			if !strings.Contains(read(t, path), "\n"+row+"\n") {
				t.Errorf("%s does not have %q:\n%s", path, row, read(t, path))
			}
		}
	}
}

// TestKeysOfOthers: rows that are no accounts stay to the byte, whatever postmap takes as
// a key.
func TestKeysOfOthers(t *testing.T) {
	g := files(t, "hash")
	config := t.TempDir()
	put(t, filepath.Join(config, "main.cf"), "compatibility_level = 3.6\nsmtputf8_enable = no\n") // else postmap takes no Latin-1
	g.set["postmap"] = []string{"postmap", "-c", config}
	publish(t, g.open(), step(nil, account("ann", "help")))
	rows := []string{
		`"john  smith"@example.com ann@example.com`, `"john doe"@example.com ann@example.com`, `"john \" doe"@example.com ann@example.com`, `jo\ e@example.com ann@example.com`,
		"m\xfcller@example.com x@y.example", "m\xfdller@example.com x@y.example", "\u212a@example.com x@y.example",
	}
	put(t, g.Aliases, read(t, g.Aliases)+strings.Join(rows, "\n")+"\n")
	c := g.open()
	if got := shown(t, c); len(got) != 1+len(rows) {
		t.Errorf("the accounts are %q", got)
	}
	publish(t, c, step(account("ann", "help"), account("ann", "help", "sales")))
	for _, row := range rows {
		if text := read(t, g.Aliases); !strings.Contains(text, "\n"+row+"\n") {
			t.Errorf("%q is not there any more:\n%q", row, text)
		}
	}
	g.inStep()
}

// answers are those to steps, of which none is published.
func (c *Console) answers(t *testing.T, steps ...apply.Step) []apply.Answer {
	t.Helper()
	all := make([]apply.Answer, len(steps))
	if err := c.Apply(context.Background(), steps, func(i int, a apply.Answer) { all[i] = a }); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestUnreadable: what Postfix would pass over, or what was lost, is an error that names
// the file and the line.
func TestUnreadable(t *testing.T) {
	for name, c := range map[string]struct {
		recipients, aliases string
		says                []string
	}{
		"duplicate":            {headed("hq", 1, "apart", "ann@example.com OK\nbob@example.com OK\nAnn@example.com x\n"), headed("hq", 1, "apart", ""), []string{"recipients:4:", `"ann@example.com"`, "line 2"}},
		"no value":             {headed("hq", 1, "apart", "ann@example.com\n"), headed("hq", 1, "apart", ""), []string{"recipients:2:", "no value"}},
		"open quotes":          {headed("hq", 1, "apart", "\"ann smith@example.com OK\n"), headed("hq", 1, "apart", ""), []string{"recipients:2:", "quote"}},
		"continues nothing":    {"  ann@example.com OK\n", "", []string{"recipients:1:", "continues none"}},
		"two headers":          {headed("hq", 1, "apart", headed("hq", 2, "apart", "")), headed("hq", 1, "apart", ""), []string{"recipients:2:", "second header"}},
		"header in pieces":     {"# rollcall owner=\"hq\" serial=x\n", "", []string{"recipients:1:", "header"}},
		"recipients were lost": {"", headed("hq", 5, "apart", "help@example.com ann@example.com\n"), []string{"recipients is empty", "serial 5"}},
		"aliases were lost":    {headed("hq", 5, "apart", "ann@example.com OK\n"), "", []string{"aliases is empty", "serial 5"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := files(t, texthash)
			put(t, g.Recipients, c.recipients)
			put(t, g.Aliases, c.aliases)
			g.unreadable(c.says...)
		})
	}
	t.Run("link", func(t *testing.T) {
		g := files(t, texthash)
		if err := os.Symlink("/dev/null", g.Recipients); err != nil {
			t.Fatal(err)
		}
		if _, err := Kind.Open(context.Background(), g.opening("hq")); err == nil || !strings.Contains(err.Error(), "no regular file") {
			t.Error(err)
		}
	})
	t.Run("folder", func(t *testing.T) {
		g := files(t, texthash)
		g.set["recipients"] = filepath.Join(g.Folder, "none", "recipients")
		_, err := Kind.Open(context.Background(), g.opening("hq"))
		var unread *console.ReadError
		if !errors.As(err, &unread) || !strings.Contains(unread.Advice, "mkdir") {
			t.Error(err)
		}
	})
}

// TestFileOfItsOwn: when aliases get a file of their own, they count as gone until they
// are written there; when they lose it, they come back among the recipients.
func TestFileOfItsOwn(t *testing.T) {
	g := files(t, texthash)
	path := g.set["aliases"]
	delete(g.set, "aliases")
	publish(t, g.open(), step(nil, account("ann", "help")))
	expect(t, g.open(), "ann help")
	g.set["aliases"], g.logs = path, nil
	c := g.open()
	expect(t, c, "ann")
	if len(g.logs) != 1 || !strings.Contains(g.logs[0], "1 aliases") {
		t.Errorf("the log has %q", g.logs)
	}
	publish(t, c, step(account("ann"), account("ann", "help")))
	if strings.Contains(read(t, g.Recipients), "help") || !strings.Contains(read(t, g.Aliases), "help@example.com ann@example.com\n") {
		t.Errorf("%s\n%s", read(t, g.Recipients), read(t, g.Aliases))
	}
	delete(g.set, "aliases")
	expect(t, g.open(), "ann")
	publish(t, g.open(), step(account("ann"), account("ann", "help")))
	expect(t, g.open(), "ann help")
}

// TestFileOfBefore: a file of aliases that was left when they came among the recipients
// counts no more once the block names it again, but for what somebody has edited since.
func TestFileOfBefore(t *testing.T) {
	g := files(t, texthash)
	path := g.set["aliases"]
	publish(t, g.open(), step(nil, account("ann", "help", "sales")), step(nil, account("bob", "b")))
	delete(g.set, "aliases")
	publish(t, g.open(), step(account("ann"), account("help")), step(account("bob"), account("bob", "sales")))
	expect(t, g.open(), "bob sales", "help")
	g.set["aliases"], g.logs = path, nil
	before := read(t, g.Aliases)
	c := g.open()
	expect(t, c, "bob", "help")
	if len(g.logs) != 2 || !strings.Contains(strings.Join(g.logs, "\n"), g.Aliases+": 3 rows are from before serial 2") {
		t.Errorf("the log has %q", g.logs)
	}
	publish(t, c, step(account("bob"), account("bob", "sales")))
	expect(t, g.open(), "bob sales", "help")
	if want := headed("hq", 3, "apart", note+"sales@example.com bob@example.com\n"); read(t, g.Aliases) != want {
		t.Errorf("aliases:\n%s\nwant:\n%s", read(t, g.Aliases), want)
	}

	delete(g.set, "aliases")
	publish(t, g.open(), step(account("help"), account("help", "sales")))
	put(t, g.Aliases, before+"press@example.com agency@agency.example\n")
	g.set["aliases"] = path
	expect(t, g.open(), "bob b", "help", `odd "help@example.com" of aliases`, `odd "sales@example.com" of aliases`, `odd "press@example.com" of aliases`)
	put(t, g.Aliases, "# rollcall owner=\"hq\"\nsales@example.com bob@example.com\n") // handed over
	expect(t, g.open(), "bob sales", "help")
}

// TestUnwritable: an address that a table cannot have is refused, and an account that
// holds one with it; the rest goes on.
func TestUnwritable(t *testing.T) {
	c := files(t, texthash).open()
	sharp := account("ann", "a")
	sharp.Aliases = []identity.Address{identity.MustAddress("#1@example.com")}
	fine := step(nil, account("bob"))
	fine.Group = 2
	answers := c.answers(t, step(nil, sharp), fine)
	if answers[0].Err == nil || answers[0].Err.Code != apply.Unsupported || !strings.Contains(answers[0].Err.Message, "#1@example.com") || answers[1].Err != nil {
		t.Errorf("%+v", answers)
	}
	for _, rows := range [][]row{
		{{key: "a@example.com", value: "OK"}, {key: "a@example.com", value: "OK"}},
		{{key: "b@example.com", value: "OK"}, {key: "a@example.com", value: "OK"}},
		{{key: "A@example.com", value: "OK"}},
		{{key: "#a@example.com", value: "OK"}},
		{{key: "a b@example.com", value: "OK"}},
		{{key: "a@example.com", value: ""}},
		{{key: "", value: "OK"}},
		{{key: "a@example.com", value: "b@example.com\nc@example.com d@example.com"}},
	} {
		if text, err := write("x", header{owner: "hq"}, rows); err == nil {
			t.Errorf("%+v was written: %s", rows, text)
		}
	}
}

// TestChangedMeanwhile: where a file is not what was read any more, nothing is written.
func TestChangedMeanwhile(t *testing.T) {
	g := files(t, "hash")
	publish(t, g.open(), step(nil, account("ann", "help")))
	c := g.open()
	expect(t, c, "ann help")
	stageAll(t, c, step(nil, account("bob")))
	byHand := read(t, g.Aliases) + "sales@example.com ann@example.com\n"
	put(t, g.Aliases, byHand)
	before := read(t, g.Recipients)
	err := c.Publish(context.Background())
	if apply.CodeOf(err) != apply.Changed || !strings.Contains(err.Error(), g.Aliases) {
		t.Fatalf("publishing ends with %v", err)
	}
	if read(t, g.Recipients) != before || read(t, g.Aliases) != byHand {
		t.Error("something was written")
	}
	// Its steps were never made, and may be asked for again.
	expect(t, c, "ann help sales")
	publish(t, c, step(nil, account("bob")))
	expect(t, c, "ann help sales", "bob")
}

// TestTwoRuns: of two that change the tables at a time, one publishes after the other,
// and what both have read before is published once.
func TestTwoRuns(t *testing.T) {
	g := files(t, texthash)
	publish(t, g.open(), step(nil, account("ann")))
	const runs = 8
	var all sync.WaitGroup
	errs := make([]error, runs)
	var consoles []*Console
	for range runs {
		c := g.open()
		expect(t, c, "ann")
		consoles = append(consoles, c)
	}
	for n, c := range consoles {
		s := step(nil, account(fmt.Sprintf("n%d", n)))
		all.Go(func() {
			_ = c.Apply(context.Background(), []apply.Step{s}, func(int, apply.Answer) {})
			errs[n] = c.Publish(context.Background())
		})
	}
	all.Wait()
	published := 0
	for _, err := range errs {
		if err == nil {
			published++
		} else if apply.CodeOf(err) != apply.Changed {
			t.Error(err)
		}
	}
	if got := shown(t, g.open()); published != 1 || len(got) != 2 {
		t.Errorf("%d have published: %q", published, got)
	}
}

// TestLocked: a run waits for another that publishes, no longer than it may, and so do
// those who read.
func TestLocked(t *testing.T) {
	g := files(t, texthash)
	c := g.open()
	lock, err := c.lock(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	other := g.opening("hq")
	other.Timeout = 50 * time.Millisecond
	_, err = Kind.Open(context.Background(), other)
	if err == nil || !strings.Contains(err.Error(), "recipients.lock") {
		t.Errorf("a second run: %v", err)
	}
	other.LockFile = ""
	reader, err := Kind.Open(context.Background(), other)
	if err == nil {
		_, err = reader.Accounts(context.Background(), func(identity.Live) error { return nil })
	}
	if err == nil || !strings.Contains(err.Error(), "recipients.lock") {
		t.Errorf("a reader: %v", err)
	}
	unlock(lock)
	if _, err = reader.Accounts(context.Background(), func(identity.Live) error { return nil }); err != nil {
		t.Error(err)
	}
}

// TestModes: a new table may be read by everybody, one that is there keeps its mode and
// its owner, and so does its index.
func TestModes(t *testing.T) {
	g := files(t, "hash")
	publish(t, g.open(), step(nil, account("ann")))
	is := func(want fs.FileMode) {
		t.Helper()
		for _, path := range []string{g.Recipients, g.Recipients + ".db"} {
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s has mode %v, not %v (%v)", path, info.Mode(), want, err)
			}
		}
	}
	is(0o644)
	for _, path := range []string{g.Recipients, g.Recipients + ".db"} {
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, g.open(), step(nil, account("bob")))
	is(0o640)
}

// TestCold: a texthash is old enough to be taken at once.
func TestCold(t *testing.T) {
	g := files(t, texthash)
	publish(t, g.open(), step(nil, account("ann")))
	info, err := os.Stat(g.Recipients)
	if err != nil || time.Since(info.ModTime()) < 2*time.Second {
		t.Errorf("it was changed at %v, %v", info.ModTime(), err)
	}
}

// TestNothingToWrite: what is so already is not written, and Postfix not reloaded.
func TestNothingToWrite(t *testing.T) {
	g := files(t, texthash)
	publish(t, g.open(), step(nil, account("ann")), step(nil, account("bob")))
	before, err := os.Stat(g.Recipients)
	if err != nil {
		t.Fatal(err)
	}
	g.set["reload"] = []string{"false"}
	c := g.open()
	publish(t, c, step(account("ann"), account("bob")), step(account("bob"), account("ann")))
	after, err := os.Stat(g.Recipients)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the file was written again, %v", err)
	}
}

// TestSealed: a row that somebody has made where rollcall would have made it is rollcall's
// with the next run that publishes, be it that the run has nothing else to write, and so
// is a file that was handed over.
func TestSealed(t *testing.T) {
	for name, steps := range map[string][]apply.Step{
		"another table": {step(account("ann"), account("ann", "help"))},
		"nothing":       nil,
	} {
		t.Run(name, func(t *testing.T) {
			g := files(t, "hash")
			publish(t, g.open(), step(nil, account("ann")))
			put(t, g.Recipients, read(t, g.Recipients)+"bob@example.com OK\n")
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(g.Recipients+".db", old, old); err != nil {
				t.Fatal(err)
			}
			c := g.open()
			expect(t, c, "ann", "bob")
			if steps != nil { // the engine does not ask for what the ledger alone learns
				stageAll(t, c, steps...)
			}
			if err := c.Publish(context.Background()); err != nil {
				t.Fatal(err)
			}
			g.logs = nil
			g.inStep()
			if len(g.logs) > 0 {
				t.Errorf("the log has %q", g.logs)
			}
		})
	}
	t.Run("handed over", func(t *testing.T) {
		g := files(t, texthash)
		put(t, g.Recipients, "# rollcall owner=\"hq\"\nann@example.com OK\n")
		c := g.open()
		expect(t, c, "ann")
		if err := c.Publish(context.Background()); err != nil {
			t.Fatal(err)
		}
		if want := headed("hq", 1, "apart", note+"ann@example.com OK\n"); read(t, g.Recipients) != want {
			t.Errorf("recipients:\n%s\nwant:\n%s", read(t, g.Recipients), want)
		}
	})
	t.Run("not there", func(t *testing.T) {
		g := files(t, texthash)
		c := g.open()
		expect(t, c)
		if err := c.Publish(context.Background()); err != nil {
			t.Fatal(err)
		}
		if left := namesIn(t, g.Folder); slices.Contains(left, "recipients") {
			t.Errorf("left: %q", left)
		}
	})
}

// FuzzParse: whatever a file has, it is read as accounts or is an error with its line;
// what is written of it is read as the same, and a claim changes neither rows nor what
// was edited.
func FuzzParse(f *testing.F) {
	f.Add("# rollcall owner=\"hq\" serial=1 aliases=apart sha256=00\nann@example.com OK\n", "help@example.com ann@example.com\n")
	f.Add("a@example.com\n b@example.com\n", "#\n\x00 x\n")
	f.Add("a@example.com a@example.com\nb@example.com a@example.com\n@example.com OK", "A@example.com b@example.com,c@example.com\r\n")
	f.Add("\"ann  smith\"@example.com OK\n\"ann\tb\\\"\"@example.com OK\na\\ b OK\n", "m\xfc@example.com x\nM\u00dc@example.com x\n")
	f.Add("#\n# rollcall owner=\"hq\" ledger=x\r\na@example.com OK", "# rollcall owner=\"hq\" ledger=\xff\n")
	f.Fuzz(func(t *testing.T, r, a string) {
		for _, apart := range []bool{false, true} {
			var all [tables]*file
			for table, text := range []string{r, a} {
				parsed, err := parse("x", []byte(text))
				if err != nil {
					if adviceOf(err) == "" {
						t.Errorf("%v has no advice", err)
					}
					return
				}
				all[table] = parsed
				if parsed.header == nil && len(parsed.rows) > 0 {
					continue // whose file it is, nobody knows
				}
				claimed, ok := parsed.claim("hq", ours)
				if !ok || claimed.header.ledger != ours || !claimed.touched() && (parsed.header == nil || parsed.touched()) || claimed.edited() != parsed.edited() || !slices.EqualFunc(claimed.rows, parsed.rows, row.same) {
					t.Errorf("a claim makes %q of %q, %t", claimed.text, text, ok)
				}
			}
			c, moved := understand(&all, apart)
			seen := map[string]bool{}
			for _, l := range c.live() {
				if seen[l.Ref] {
					t.Errorf("two accounts have the ref %q", l.Ref)
				}
				seen[l.Ref] = true
			}
			rows := c.rows(apart)
			n := len(rows[recipients]) + moved
			if n != len(all[recipients].rows) {
				t.Fatalf("%d rows have become %d", len(all[recipients].rows), n)
			}
			for table := range rows {
				text, err := write("x", header{owner: "hq", apart: apart}, rows[table])
				if err != nil {
					return // as a row with a NUL
				}
				again, err := parse("x", text)
				if err != nil {
					t.Fatalf("what was written cannot be read: %v\n%s", err, text)
				}
				if again.edited() {
					t.Fatalf("what was written looks edited: %s", text)
				}
				all[table] = again
			}
			once, _ := understand(&all, apart)
			if got, want := fmt.Sprint(refs(once)), fmt.Sprint(refs(c)); got != want {
				t.Errorf("%s has become %s", want, got)
			}
		}
	})
}

// same is whether rows are but for their lines.
func (r row) same(s row) bool { return r.key == s.key && r.value == s.value }

// refs tells accounts without the lines that they are in.
func refs(c *contents) (all []string) {
	for _, l := range c.live() {
		all = append(all, fmt.Sprint(l.Ref, l.Primary, l.Aliases))
	}
	slices.Sort(all)
	return all
}
