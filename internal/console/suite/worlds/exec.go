package worlds

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// Connector is the connector of examples/console, whose accounts are rows of a file.
var Connector = &Subject{Name: "connector", Kind: "exec", Serve: func(t *testing.T) func(t *testing.T) *World {
	python := servertest.Need(t, "python3", "python3")
	_, here, _, _ := runtime.Caller(0)
	program := filepath.Join(filepath.Dir(here), "..", "..", "..", "..", "examples", "console", "connector.py")
	return func(t *testing.T) *World {
		f := &table{t, filepath.Join(t.TempDir(), "accounts.csv")}
		f.write([][]string{{"ref", "primary", "aliases", "type", "status", "by", "directory", "guid", "username", "dn", "display_name"}})
		return &World{
			Block:  fmt.Sprintf("  command = [%q, %q]\n  config  = { file = %q }\n", python, program, f.path),
			Client: []string{"cat", f.path},
			Add:    f.add, SetAliases: f.setAliases, Remove: f.remove,
		}
	}
}}

// table is the file, edited by hand.
type table struct {
	t    *testing.T
	path string
}

func (f *table) rows() [][]string {
	f.t.Helper()
	file, err := os.Open(f.path)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		f.t.Fatal(err)
	}
	return rows
}

func (f *table) write(rows [][]string) {
	f.t.Helper()
	var b strings.Builder
	if err := csv.NewWriter(&b).WriteAll(rows); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.path, []byte(b.String()), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *table) add(primary string, aliases ...string) {
	f.t.Helper()
	f.write(append(f.rows(), []string{"by hand " + primary, primary, strings.Join(aliases, " "), "user", "active", "", "", "", "", "", ""}))
}

// row returns the rows, and which of them has a primary.
func (f *table) row(primary string) ([][]string, int) {
	f.t.Helper()
	rows := f.rows()
	for i, row := range rows {
		if row[1] == primary {
			return rows, i
		}
	}
	f.t.Fatalf("there is no account %s", primary)
	return nil, 0
}

func (f *table) setAliases(primary string, aliases ...string) {
	f.t.Helper()
	rows, i := f.row(primary)
	rows[i][2] = strings.Join(aliases, " ")
	f.write(rows)
}

func (f *table) remove(primary string) {
	f.t.Helper()
	rows, i := f.row(primary)
	f.write(append(rows[:i], rows[i+1:]...))
}
