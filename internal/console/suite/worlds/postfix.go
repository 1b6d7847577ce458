package worlds

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// Postfix is a pair of lookup tables, which postmap indexes. Who edits them before
// there was an apply hands them over to the owner "hq".
var Postfix = &Subject{Name: "Postfix", Kind: "postfix", Serve: func(t *testing.T) func(*testing.T) *World {
	postmap := servertest.Need(t, "postmap", "postfix")
	return func(t *testing.T) *World {
		tables := &tables{t: t, postmap: postmap, folder: t.TempDir()}
		w := &World{
			Block:  fmt.Sprintf("recipients = %q\naliases = %q\nmap = \"hash\"\n", tables.path("recipients"), tables.path("aliases")),
			Client: []string{"cat", tables.path("recipients"), tables.path("aliases")},
			Add: func(primary string, aliases ...string) {
				tables.edit("recipients", "", primary+" OK")
				tables.SetAliases(primary, aliases...)
			},
			SetAliases: tables.SetAliases,
			Remove: func(primary string) {
				tables.SetAliases(primary)
				tables.edit("recipients", " "+primary+" OK")
			},
		}
		if os.Getuid() == 0 { // as Postfix needs to be started
			w.Codes = tables.codes
		}
		return w
	}
}}

// tables are edited with an editor and postmap.
type tables struct {
	t               *testing.T
	postmap, folder string
	server          *servertest.Postfix // nil until it is asked
}

func (e *tables) codes(addresses ...string) []int {
	e.t.Helper()
	if e.server == nil {
		if err := os.Chmod(filepath.Dir(e.folder), 0o755); err != nil { // for its processes
			e.t.Fatal(err)
		}
		e.server = servertest.NewPostfix(e.t, servertest.PostfixOptions{Map: "hash", Folder: e.folder})
	}
	codes, err := servertest.Recipients(e.server.Address, addresses...)
	if err != nil {
		e.t.Fatalf("%v\n%s", err, e.server.Mail())
	}
	return codes
}

func (e *tables) path(name string) string { return filepath.Join(e.folder, name) }

// SetAliases changes those of an account.
func (e *tables) SetAliases(primary string, aliases ...string) {
	rows := make([]string, len(aliases))
	for i, x := range aliases {
		rows[i] = x + " " + primary
	}
	e.edit("aliases", " "+primary, rows...)
}

// edit takes the rows with an ending out of a table, none for "", and adds others.
func (e *tables) edit(table, ending string, rows ...string) {
	e.t.Helper()
	path := e.path(table)
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		e.t.Fatal(err)
	}
	lines := slices.DeleteFunc(strings.Split(strings.TrimRight(string(text), "\n"), "\n"), func(line string) bool {
		return ending != "" && strings.HasSuffix(" "+line, ending)
	})
	if !strings.HasPrefix(string(text), "# rollcall") {
		lines = []string{"# rollcall owner=\"hq\""}
	}
	if err := os.WriteFile(path, []byte(strings.Join(append(lines, rows...), "\n")+"\n"), 0o644); err != nil {
		e.t.Fatal(err)
	}
	if out, err := exec.Command(e.postmap, "hash:"+path).CombinedOutput(); err != nil || len(out) > 0 {
		e.t.Fatalf("postmap: %v\n%s", err, out)
	}
}
