package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// sharedOffice is a database in which many states are.
type sharedOffice struct {
	server *servertest.SQL
	url    string
	states atomic.Int64
}

func newSharedOffice(t *testing.T) *sharedOffice {
	t.Helper()
	o := &sharedOffice{server: servertest.NewPostgres(t)}
	name, _ := o.server.Database(t)
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
	url := o.url
	if host != "" {
		url = o.server.Scheme + "://" + servertest.Superuser + ":" + servertest.Password + "@" + host + "/" + filepath.Base(o.url)
	}
	return fmt.Sprintf("state {\n postgres {\n  url = %q\n  name = \"state %d\"\n  lease = \"2s\"\n }\n}\n", url, o.states.Add(1))
}

// move moves the state of premises into a state of its own.
func (o *sharedOffice) move(p *premises) error {
	if err := p.write("state.hcl", o.block("")); err != nil {
		return err
	}
	_, err := p.undisturbed("state", "migrate", "--auto-approve")
	return err
}

// elsewhere makes the premises those of another machine, on which nobody has the lock
// of a process that was killed.
func (p *premises) elsewhere() error {
	for _, name := range []string{"rollcall.state.jsonl", "rollcall.state.history", "rollcall.state.cache"} {
		if err := os.RemoveAll(filepath.Join(p.dir, name)); err != nil {
			return err
		}
	}
	_, err := p.undisturbed("state", "unlock", "--auto-approve")
	return err
}
