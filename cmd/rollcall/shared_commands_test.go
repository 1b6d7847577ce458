//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// desk is a machine with the configuration of the quickstart.
type desk struct {
	t   *testing.T
	dir string
}

func newDesk(t *testing.T, block string) *desk {
	t.Helper()
	d := &desk{t, quickstart(t)}
	d.write("state.hcl", block)
	return d
}

func (d *desk) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// does runs a command, which has to end with a code and to say some things.
func (d *desk) does(code exitCode, args []string, says ...string) string {
	d.t.Helper()
	return d.answers("", code, args, says...)
}

// answers does the same at a terminal where somebody answers; "" is no terminal.
func (d *desk) answers(answer string, code exitCode, args []string, says ...string) string {
	d.t.Helper()
	out, talk, got := at(d.t.Context(), strings.NewReader(answer), answer != "", append([]string{"-C", d.dir}, args...)...)
	for _, text := range says {
		if !strings.Contains(out+talk, text) {
			d.t.Errorf("rollcall %v does not say %q:\n%s%s", args, text, out, talk)
		}
	}
	if got != code {
		d.t.Errorf("rollcall %v: exit %d, want %d\n%s%s", args, got, code, out, talk)
	}
	if strings.Contains(out+talk, servertest.Password) {
		d.t.Errorf("rollcall %v shows the password:\n%s%s", args, out, talk)
	}
	return out
}

func (d *desk) file(name string) string { return filepath.Join(d.dir, name) }

// remove removes what the machine keeps of the state.
func (d *desk) remove() {
	for _, name := range []string{"rollcall.state.jsonl", "rollcall.state.history", "rollcall.state.cache"} {
		if err := os.RemoveAll(d.file(name)); err != nil {
			d.t.Fatal(err)
		}
	}
}

func line(text string) []string { return strings.Fields(text) }

// TestSharedSetup: what a store lacks is made once, after it was shown and somebody said
// yes, and whoever cannot reach it learns why.
func TestSharedSetup(t *testing.T) {
	t.Parallel()
	server := servertest.NewPostgres(t)
	name, _ := server.Database(t)
	block := func(url string) string {
		return fmt.Sprintf("state {\n postgres {\n  url = %q\n  name = \"corp\"\n }\n}\n", url)
	}
	url := server.URL(servertest.Superuser, servertest.Password, name)
	d := newDesk(t, block(url))
	d.does(exitUnreachable, line("plan"), "has no tables of rollcall in schema rollcall", "hint: rollcall state setup")
	d.does(exitUnreachable, line("apply --auto-approve"), "has no tables")
	d.does(exitUnreachable, line("doctor"), "has no tables")
	d.does(exitFailed, line("state setup"), "CREATE TABLE", "standard input is not a terminal")
	d.answers("no\n", exitDeclined, line("state setup"), "CREATE TABLE", "nothing was changed")
	d.does(exitUnreachable, line("plan"), "has no tables")
	d.answers("yes\n", exitOK, line("state setup"), "has what it needs now")
	if out := d.does(exitOK, line("state setup"), "nothing to do"); out != "" {
		t.Errorf("it shows %s", out)
	}
	before, err := os.ReadFile(d.file("rollcall.state.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"plan", "state list", "state verify", "state show ann@example.com", "state diff", "explain ann@example.com", "state list"} {
		d.does(exitFailed, line(command), "there is no state in it, and version 1 of one in", "rollcall state migrate")
	}
	if after, err := os.ReadFile(d.file("rollcall.state.jsonl")); err != nil || !bytes.Equal(before, after) {
		t.Fatalf("the state that was not moved yet: %v", err)
	}
	d.does(exitFailed, line("apply --auto-approve"), "rollcall state migrate")
	d.does(exitOK, line("doctor"), "it answers, and has no state yet")

	for _, c := range []struct {
		url  string
		code exitCode
		says string
	}{
		{server.URL(servertest.Superuser, "wrong", name), exitRefused, "authentication failed"},
		{server.URL(servertest.Superuser, servertest.Password, "elsewhere"), exitUnreachable, "does not exist"},
		{"postgres://app:" + servertest.Password + "@127.0.0.1:1/" + name, exitUnreachable, "connection refused"},
		{"postgres://app:" + servertest.Password + "@nowhere.invalid/" + name, exitUnreachable, "nowhere.invalid"},
	} {
		d.write("state.hcl", block(c.url))
		commands := []string{"plan", "apply --auto-approve"}
		if c.code == exitRefused { // which is not tried again
			commands = append(commands, "history", "state list", "state setup", "state unlock", "state pull")
		}
		for _, command := range commands {
			d.does(c.code, line(command), c.says, "hint: ")
		}
	}
	d.write("state.hcl", "state {\n}\n")
	d.does(exitOK, line("state setup"), "the state is in a file", "nothing to do")
}

// TestSharedMigrate: a state goes into a store with its history, and back, whole or not
// at all, and where it was ended it goes on.
func TestSharedMigrate(t *testing.T) {
	t.Parallel()
	office := newSharedOffice(t)
	d := newDesk(t, "state {\n}\n")
	d.does(exitFailed, line("state migrate"), "is at ", "already")
	d.does(exitOK, line("apply --auto-approve"), "version 2")
	history := d.does(exitOK, line("history"))
	file, err := os.ReadFile(d.file("rollcall.state.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	d.write("state.hcl", office.block(""))
	d.does(exitFailed, line("state migrate"), "standard input is not a terminal", "--auto-approve")
	d.answers("no\n", exitDeclined, line("state migrate"))
	d.does(exitFailed, line("apply --auto-approve"), "rollcall state migrate") // which leaves a record in the store

	// As if it was ended before the state was there, and in the middle of a record.
	d.does(exitOK, line("state migrate --auto-approve"), "has version 2 with 56 accounts, and 1 run")
	name := office.name()
	for _, statement := range []string{"DELETE FROM rollcall.version WHERE state = $1", "DELETE FROM rollcall.part WHERE state = $1 AND at > 0", "UPDATE rollcall.document SET tag = NULL WHERE state = $1"} {
		if _, err := office.db.Exec(statement, name); err != nil {
			t.Fatal(err)
		}
	}
	d.does(exitOK, line("state migrate --auto-approve"), "has version 2 with 56 accounts, and 1 run")
	d.does(exitOK, line("state migrate --auto-approve"), "has version 2")
	d.remove()
	if now := d.does(exitOK, line("history")); now != history {
		t.Errorf("the history was\n%s\nand is\n%s", history, now)
	}
	if out := d.does(exitOK, line("state pull")); out != string(file) {
		t.Error("the state is another one")
	}
	d.does(exitOK, line("plan"), "no changes", "22 rejected")
	d.does(exitOK, line("undo 1"), "leo@example.com")

	// Another configuration takes it from there, into a database and back into a file.
	other := newDesk(t, office.block(""))
	other.remove()
	other.does(exitFailed, append(line("state migrate --auto-approve --from"), other.dir), "has the same state")
	other.does(exitOK, append(line("state migrate --auto-approve --from"), d.dir), "has version 2 with 56 accounts, and 1 run", "must not be used any more")
	other.does(exitOK, line("plan"), "no changes")
	home := newDesk(t, "state {\n}\n")
	home.does(exitFailed, append(line("state migrate --auto-approve --from"), other.dir), "there is a state in it already, version 1")
	home.remove()
	home.does(exitOK, append(line("state migrate --auto-approve --from"), other.dir), "has version 2 with 56 accounts, and 1 run")
	if now, err := os.ReadFile(home.file("rollcall.state.jsonl")); err != nil || !bytes.Equal(now, file) {
		t.Errorf("%v, the state is another one", err)
	}
	home.does(exitOK, line("plan"), "no changes", "22 rejected")
	home.does(exitFailed, append(line("state migrate --auto-approve --from"), t.TempDir()))
}

// TestSharedPush: a copy of the state is taken and brought back.
func TestSharedPush(t *testing.T) {
	t.Parallel()
	office := newSharedOffice(t)
	d := newDesk(t, office.block(""))
	d.does(exitOK, line("state migrate --auto-approve"))
	first, second := d.file("first.jsonl"), d.file("second.jsonl")
	d.does(exitOK, []string{"state", "pull", first}, "wrote version 1, 52 accounts")
	if info, err := os.Stat(first); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	d.does(exitOK, line("apply --auto-approve"))
	d.does(exitOK, []string{"state", "pull", second}, "wrote version 2, 56 accounts")
	d.does(exitOK, []string{"state", "pull", "--older", "1", d.file("again.jsonl")}, "wrote version 1, 52 accounts")
	d.does(exitFailed, line("state pull --older 2"), "is not there")
	d.does(exitUsage, line("state pull --older -1"))
	d.does(exitFailed, []string{"state", "pull", d.file("rollcall.state.jsonl")}, "keeps or reads")
	d.does(exitFailed, []string{"state", "pull", filepath.Join(d.dir, "missing", "x")})

	d.does(exitOK, []string{"state", "push", second}, "nothing to do")
	d.does(exitFailed, []string{"state", "push", first}, "is version 1, and", "is at version 2", "--force")
	d.does(exitFailed, []string{"state", "push", "--force", first}, "not a terminal")
	d.answers("no\n", exitDeclined, []string{"state", "push", "--force", first}, "Replace version 2, with 56 accounts")
	d.does(exitOK, []string{"state", "push", "--force", "--auto-approve", first}, "pushed 52 accounts, as run 3")
	d.does(exitOK, line("history show 3"), "state push --force")
	d.does(exitOK, line("apply --auto-approve"), "version 4")
	d.does(exitOK, []string{"undo", "3", "-o", "json=" + d.file("undo.json")})

	foreign := newDesk(t, "state {\n}\n")
	foreign.remove()
	foreign.does(exitOK, line("apply --auto-approve"))
	d.does(exitFailed, []string{"state", "push", "--auto-approve", foreign.file("rollcall.state.jsonl")}, "is of another history than")
	damaged, err := os.ReadFile(second)
	if err != nil {
		t.Fatal(err)
	}
	d.write("damaged.jsonl", strings.Replace(string(damaged), "agents@example.com", "agentx@example.com", 1))
	d.does(exitFailed, []string{"state", "push", "--auto-approve", "--force", d.file("damaged.jsonl")}, "damaged.jsonl")
	d.does(exitOK, line("state verify"), "version 4")

	// The database has lost the state, and somebody has a copy.
	if _, err := office.db.Exec("DELETE FROM rollcall.version WHERE state = $1", office.name()); err != nil {
		t.Fatal(err)
	}
	d.does(exitFailed, line("apply --auto-approve"), "the state is missing (run 4", "rollcall state push", "rollcall.state.jsonl is one of version 4")
	d.remove()
	d.does(exitFailed, line("apply --auto-approve"), "the state is missing", "rollcall state push")
	d.answers("yes\n", exitOK, []string{"state", "push", second}, "Make version 2 of", "pushed 56 accounts")
	d.does(exitOK, line("state verify"), "version 2, 56 accounts")
	d.does(exitOK, line("apply --auto-approve"))
}

// TestSharedLost: who has lost the lock before anything was changed changes nothing, and
// who finds it taken says by whom.
func TestSharedLost(t *testing.T) {
	t.Parallel()
	office := newSharedOffice(t)
	block := office.block("")
	d, other := newDesk(t, block), newDesk(t, block)
	d.does(exitOK, line("state migrate --auto-approve"))
	other.remove()
	s := office.open(t, other.dir)
	defer s.Close()
	lock, err := s.Lock(t.Context(), "rollcall apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	d.does(exitLocked, line("apply --auto-approve"), `locked by "rollcall apply"`, "the lock ends in")
	d.does(exitLocked, line("state unlock --auto-approve"), "locked by") // its process runs
	d.does(exitOK, line("plan"), "Plan: ")
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}

	// Somebody else takes the lock while an apply asks.
	asked := &prompted{t: t, ask: func() {
		for range 100 {
			if _, err := office.db.Exec("UPDATE rollcall.lock SET expires = clock_timestamp() WHERE state = $1", office.name()); err != nil {
				t.Error(err)
			}
			if lock, err = s.Lock(t.Context(), "rollcall apply", 0); err == nil {
				return
			}
			// Whoever has it may have renewed it in between.
		}
		t.Error(err)
	}}
	out, talk, code := at(t.Context(), asked, true, "-C", d.dir, "apply")
	if code != exitLocked || !strings.Contains(talk, "the lock was taken away while the command ran") || strings.Contains(talk, "applied:") {
		t.Errorf("exit %d\n%s%s", code, out, talk)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	d.does(exitOK, line("state verify"), "version 1")
	d.does(exitOK, line("apply --auto-approve"), "version 2")
}

// prompted answers yes once something else was done.
type prompted struct {
	t   *testing.T
	ask func()
	all *strings.Reader
}

func (p *prompted) Read(b []byte) (int, error) {
	if p.all == nil {
		p.ask()
		p.all = strings.NewReader("yes\n")
	}
	return p.all.Read(b)
}

// TestSharedCache: the copy holds addresses, and is as secret as a state; a folder where
// nothing can be kept is no reason to stop.
func TestSharedCache(t *testing.T) {
	t.Parallel()
	office := newSharedOffice(t)
	d := newDesk(t, office.block(""))
	d.does(exitOK, line("state migrate --auto-approve"))
	d.does(exitOK, line("apply --auto-approve"))
	d.remove()
	d.does(exitOK, line("history show 1"))
	d.does(exitOK, line("plan"), "no changes")
	for name, mode := range map[string]os.FileMode{"rollcall.state.jsonl": 0o600, "rollcall.state.cache": 0o700} {
		if info, err := os.Stat(d.file(name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	kept, err := filepath.Glob(d.file("rollcall.state.cache/000001-*.jsonl"))
	if err != nil || len(kept) != 1 {
		t.Errorf("%v, %v", kept, err)
	}
	d.does(exitFailed, []string{"plan", "-o", "json=" + d.file("rollcall.state.cache/plan.json")}, "which rollcall keeps")
	d.remove()
	if err := os.Mkdir(d.file("rollcall.state.jsonl"), 0o700); err != nil {
		t.Fatal(err)
	}
	d.write("rollcall.state.cache", "no folder")
	d.does(exitOK, line("history show 1"))
	d.does(exitOK, line("plan"), "no changes")
	d.does(exitOK, line("state verify"), "version 2")
}
