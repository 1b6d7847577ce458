//go:build unix

package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/state"
)

// sharedOffice is a database in which many states are.
type sharedOffice struct {
	server *servertest.SQL
	db     *sql.DB
	url    string
	states atomic.Int64
}

func newSharedOffice(t *testing.T) *sharedOffice {
	t.Helper()
	o := &sharedOffice{server: servertest.NewPostgres(t)}
	var name string
	name, o.db = o.server.Database(t)
	o.url = o.server.URL(servertest.Superuser, servertest.Password, name)
	dir := t.TempDir()
	p := &premises{dir: dir}
	config := "directory \"corp\" {\n kind = \"ldif\"\n path = \"corp.ldif\"\n}\ndomain \"example.com\" {}\nscope \"all\" {\n directory = directory.corp\n}\n"
	if err := errors.Join(p.write("rollcall.hcl", config), p.write("corp.ldif", ""), p.write("state.hcl", o.block(""))); err != nil {
		t.Fatal(err)
	}
	if out, talk, code := at(t.Context(), nil, false, "-C", dir, "state", "setup", "--auto-approve"); code != exitOK {
		t.Fatalf("exit %d\n%s%s", code, out, talk)
	}
	return o
}

// block is the configuration of another state of the office; host is where the database
// is reached, "" for directly.
func (o *sharedOffice) block(host string) string {
	o.states.Add(1)
	return o.again(host)
}

// again is the configuration of the state that was begun last.
func (o *sharedOffice) again(host string) string {
	url := o.url
	if host != "" {
		url = o.server.Scheme + "://" + servertest.Superuser + ":" + servertest.Password + "@" + host + "/" + filepath.Base(o.url)
	}
	return fmt.Sprintf("state {\n postgres {\n  url = %q\n  name = \"state %d\"\n  lease = \"2s\"\n }\n}\n", url, o.states.Load())
}

// begin begins another state of the office, with what an accident begins with and
// without a history.
func (o *sharedOffice) begin(t *testing.T, a *accident) {
	t.Helper()
	if a.shared != nil {
		a.shared.Close()
		a.shared = nil
	}
	p := &premises{dir: a.dir, log: &strings.Builder{}}
	if err := p.write("state.hcl", o.block("")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.undisturbed("state", "import", filepath.Join(a.dir, "accounts.jsonl")); err != nil {
		t.Fatalf("%v\n%s", err, p.log)
	}
	if _, err := o.db.Exec("DELETE FROM rollcall.document WHERE state = $1", o.name()); err != nil {
		t.Fatal(err)
	}
	if a.hook != nil {
		a.hook.next("/ops")
	}
}

// name is that of the state that was begun last.
func (o *sharedOffice) name() string { return fmt.Sprint("state ", o.states.Load()) }

// open opens the store of the configuration in a folder, as another machine.
func (o *sharedOffice) open(t *testing.T, dir string) *state.Store {
	t.Helper()
	cfg, diags := config.Load(dir, time.Now(), knownKinds)
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	cfg.StatePath = filepath.Join(t.TempDir(), "s.jsonl")
	s, err := storeOf(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// move moves the state of premises into a state of its own, with the database at host.
func (o *sharedOffice) move(p *premises, host string) error {
	if err := p.write("state.hcl", o.block(host)); err != nil {
		return err
	}
	_, err := p.undisturbed("state", "migrate", "--auto-approve")
	return err
}

func (o *sharedOffice) leaves(dir string, log *strings.Builder) error {
	return (&premises{dir: dir, log: log}).elsewhere()
}

// elsewhere makes the premises those of another machine, on which nobody has the lock
// of a process that was killed.
func (p *premises) elsewhere() error {
	for _, name := range []string{"rollcall.state.jsonl", "rollcall.state.history", "rollcall.state.cache"} {
		if err := os.RemoveAll(filepath.Join(p.dir, name)); err != nil {
			return err
		}
	}
	_, err := p.undisturbed("state", "unlock", "--auto-approve", "--lock-timeout", "0s")
	return err
}
