// Package architecture tests which package may import which: the table of
// docs/develop/architecture.md.
package architecture

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/rollcall-cli/rollcall/"

// may lists, for each package, what it may import of ours. A name that ends in
// "/*" stands for the packages of a folder that have no line of their own.
// Packages under cmd may import all.
var may = map[string][]string{
	"internal/identity":           {},
	"internal/compact":            {},
	"internal/parallel":           {},
	"internal/blockfile":          {},
	"internal/spreadsheet":        {},
	"internal/number":             {},
	"internal/atomicfile":         {},
	"internal/words":              {},
	"docs/reference/schema":       {},
	"internal/filter":             {"internal/identity"},
	"internal/run":                {"internal/identity"},
	"plan":                        {"internal/identity"},
	"config":                      {"plan", "internal/identity", "internal/filter", "internal/run", "internal/settings", "internal/words"},
	"apply":                       {"plan", "internal/identity", "internal/run"},
	"state":                       {"internal/identity", "internal/run", "internal/atomicfile", "internal/words"},
	"internal/directory":          {"internal/identity", "internal/filter", "internal/doctor", "internal/settings"},
	"internal/directory/*":        {"internal/expiry", "internal/identity", "internal/filter", "internal/directory", "internal/doctor", "internal/settings"},
	"internal/directory/csv":      {"internal/identity", "internal/directory", "internal/directory/files", "internal/settings", "internal/words"},
	"internal/directory/ldif":     {"internal/identity", "internal/directory", "internal/directory/files", "internal/settings"},
	"internal/directory/exec":     {"internal/connector", "internal/directory", "internal/directory/files", "internal/doctor", "internal/filter", "internal/identity", "internal/settings"},
	"internal/directory/followed": {"internal/atomicfile", "internal/identity", "internal/directory"},
	"internal/partial":            {"internal/atomicfile", "internal/identity", "internal/directory", "internal/directory/followed", "plan", "state"},
	"internal/directory/all":      {"internal/directory", "internal/directory/*", "internal/settings"},
	"internal/doctor":             {},
	"internal/expiry":             {"internal/identity"},
	"internal/heartbeat":          {"internal/atomicfile", "internal/run"},
	"internal/notice":             {"plan", "internal/identity", "internal/run", "internal/render"},
	"internal/channel":            {"internal/run", "internal/doctor", "internal/settings"},
	"internal/channel/*":          {"internal/channel", "internal/run", "internal/doctor", "internal/settings", "internal/render"},
	"internal/channel/all":        {"internal/channel", "internal/channel/*", "internal/settings"},
	"internal/explain":            {"plan", "internal/identity", "internal/directory", "internal/repair", "internal/words"},
	"internal/redact":             {"internal/identity"},
	"internal/repair":             {},
	"internal/lint":               {"internal/identity", "internal/filter", "internal/directory", "internal/redact", "internal/repair", "internal/words", "plan"},
	"internal/console":            {"internal/identity", "internal/settings", "internal/doctor", "plan", "apply"},
	"internal/connector":          {"internal/identity", "internal/settings"},
	"internal/connector/*":        {},
	"internal/console/*":          {"internal/connector", "internal/console", "internal/console/wire", "internal/expiry", "internal/identity", "internal/settings", "plan", "apply"},
	"internal/console/sql":        {"internal/console", "internal/database", "internal/expiry", "internal/identity", "internal/settings", "internal/trust", "plan", "apply"},
	"internal/database":           {"internal/settings", "internal/trust"},
	"internal/trust":              {"internal/settings"},
	"internal/store":              {"internal/settings", "state"},
	"internal/store/*":            {"internal/store", "internal/database", "internal/settings", "internal/trust", "state"},
	"internal/store/http":         {"internal/store", "internal/atomicfile", "internal/settings", "internal/trust", "state"},
	"internal/store/all":          {"internal/store", "internal/store/*", "internal/settings"},
	"internal/store/suite":        {"internal/corpus", "internal/identity", "internal/run", "state"},
	"internal/console/postfix":    {"internal/console", "internal/atomicfile", "internal/identity", "internal/settings", "plan", "apply"},
	"internal/console/ldap":       {"internal/console", "internal/directory", "internal/directory/ldap", "internal/doctor", "internal/identity", "internal/settings", "plan", "apply"},
	"internal/console/wire":       {"internal/connector", "internal/identity", "plan", "apply"},
	"internal/console/all":        {"internal/console", "internal/console/*", "internal/settings"},
	"internal/render":             {"plan", "internal/identity", "internal/run", "internal/doctor", "internal/explain", "internal/lint", "internal/repair"},
	"internal/corpus":             {"internal/identity"},
	"internal/settings":           {},
	"internal/servertest":         {"internal/identity", "internal/filter"},
	"internal/bench":              {"internal/identity", "internal/corpus", "internal/servertest", "internal/directory", "internal/directory/ldap", "internal/directory/ldif", "internal/console/wire", "apply", "plan", "state"},
	"internal/architecture":       {},
	"examples":                    {},
	"examples/console/*":          {},

	"internal/console/suite/worlds":   {"internal/servertest"},
	"internal/directory/suite":        {"internal/directory", "internal/directory/ldif", "internal/doctor", "internal/identity", "plan"},
	"internal/directory/suite/worlds": {"internal/settings", "internal/directory", "internal/directory/csv", "internal/directory/exec", "internal/directory/ldif", "internal/directory/ldap", "internal/directory/suite", "internal/identity", "internal/servertest"},
}

// tools are packages that know nothing of ours, and that all may import.
var tools = []string{"internal/compact", "internal/parallel", "internal/spreadsheet", "internal/number", "internal/blockfile"}

// never lists what a package must not see of the world.
var never = map[string][]string{
	"internal/identity": {"os", "net", "net/...", "log", "log/..."},
	"plan":              {"os", "os/...", "net", "net/...", "log", "log/...", "context"},
	"config":            {"net", "net/..."},
	"state":             {"net", "net/..."},
	"internal/render":   {"net", "net/..."},
}

// only lists the packages that may see a third party's.
var only = map[string][]string{
	"github.com/hashicorp/hcl/v2":     {"config"},
	"github.com/zclconf/go-cty":       {"config"},
	"github.com/alecthomas/kong":      {"cmd/rollcall"},
	"github.com/go-ldap/ldap/v3":      {"internal/directory/ldap", "internal/directory/suite/worlds", "internal/console/ldap", "internal/console/suite/worlds", "internal/servertest", "internal/bench"},
	"golang.org/x/oauth2":             {"internal/console/scim"},
	"github.com/wneessen/go-mail":     {"internal/channel/mail"},
	"github.com/jackc/pgx/v5":         {"internal/console/sql", "internal/database", "internal/store/postgres", "internal/servertest"},
	"github.com/klauspost/compress":   {"internal/store"},
	"github.com/minio/minio-go/v7":    {"internal/store/s3"},
	"github.com/go-sql-driver/mysql":  {"internal/console/sql", "internal/servertest"},
	"github.com/go-asn1-ber/asn1-ber": {"internal/directory/ldap", "internal/servertest"},
	"github.com/sergi/go-diff":        {"internal/render"},
	"github.com/gofrs/flock":          {"state"},
	"golang.org/x/term":               {"internal/render", "cmd/rollcall"},
	"github.com/rogpeppe/go-internal": {},
}

func TestImports(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != root || d.Name() == "testdata" || file == filepath.Join(root, "site")) {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(file, "go.mod")); d.IsDir() && err == nil && file != root {
			return filepath.SkipDir // another module
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		pkg := filepath.ToSlash(rel)
		seen[pkg] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			check(t, pkg, filepath.Base(file), imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range seen {
		if _, ok := row(pkg); !ok && !strings.HasPrefix(pkg, "cmd/") {
			t.Errorf("package %s is not in the import table: add it here and in docs/develop/architecture.md", pkg)
		}
	}
}

// row returns the line of a package.
func row(pkg string) (imports []string, ok bool) {
	if imports, ok = may[pkg]; !ok {
		imports, ok = may[path.Dir(pkg)+"/*"]
	}
	return imports, ok
}

func check(t *testing.T, pkg, file, imported string) {
	t.Helper()
	if ours, ok := strings.CutPrefix(imported, module); ok {
		allowed, _ := row(pkg)
		if !strings.HasPrefix(pkg, "cmd/") && !slices.Contains(tools, ours) && !slices.Contains(allowed, ours) && !slices.Contains(allowed, path.Dir(ours)+"/*") {
			t.Errorf("%s/%s imports %s", pkg, file, ours)
		}
		return
	}
	// Equal names are equal in a normal form of Unicode, whose tables are not in
	// the standard library.
	const normalForms = "golang.org/x/text/unicode/norm"
	first, _, _ := strings.Cut(imported, "/")
	if strings.Contains(first, ".") && (pkg == "internal/identity" && imported != normalForms || pkg == "plan") {
		t.Errorf("%s/%s imports %s, and may import the standard library alone", pkg, file, imported)
	}
	for _, banned := range never[pkg] {
		if covers(banned, imported) {
			t.Errorf("%s/%s imports %s, which it must never see", pkg, file, imported)
		}
	}
	for lib, users := range only {
		if covers(lib+"/...", imported) && !slices.Contains(users, pkg) {
			t.Errorf("%s/%s imports %s, which only %v may", pkg, file, imported, users)
		}
	}
}

func covers(pattern, imported string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return imported == base || strings.HasPrefix(imported, base+"/")
	}
	return imported == pattern
}

// TestTopLevel holds the top level to its names.
func TestTopLevel(t *testing.T) {
	want := []string{"apply", "cmd", "config", "docs", "examples", "internal", "plan", "state", "dist", "site"} // the last two are what make packages and make site write
	found, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		if d.IsDir() && !strings.HasPrefix(d.Name(), ".") && !slices.Contains(want, d.Name()) {
			t.Errorf("folder %s stands at the top level, where only %s do", d.Name(), path.Join(want...))
		}
	}
}

// variable is what the Makefile sets a variable to.
func variable(t *testing.T, name string) string {
	t.Helper()
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + name + ` *= (.*)$`).FindStringSubmatch(strings.ReplaceAll(string(makefile), "\\\n", " "))
	if found == nil {
		t.Fatalf("the Makefile has no variable %s", name)
	}
	return found[1]
}

// named reports whether a package is among those that patterns of go name.
func named(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return covers(strings.TrimPrefix(pattern, "./"), pkg) })
}

// TestSkippedOnce: what the raced run skips by name, the run without the race detector
// has: it is a test of one of the packages that this names.
func TestSkippedOnce(t *testing.T) {
	skipped := regexp.MustCompile(variable(t, "PROCESSES"))
	raced, again := strings.Fields(variable(t, "RACED")), strings.Fields(variable(t, "UNRACED"))
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		pkg := path.Dir(file)
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, ".") || named(again, pkg) || !named(raced, pkg) {
			return err
		}
		text, err := fs.ReadFile(root, file)
		for _, test := range regexp.MustCompile(`(?m)^func (Test\w+)`).FindAllSubmatch(text, -1) {
			if skipped.Match(test[1]) {
				t.Errorf("%s: %s is skipped by PROCESSES in the Makefile, and runs nowhere else: give it another name", file, test[1])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRaced: the race detector is run on every package of which several goroutines
// run the code.
func TestRaced(t *testing.T) {
	raced := strings.Fields(variable(t, "RACED"))
	if len(raced) == 0 {
		t.Fatal("the Makefile has no list RACED")
	}
	byName := []string{"plan", "internal/render"} // whose tests RACED_TESTS names
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(file, ".") {
			return err
		}
		pkg := path.Dir(file)
		if slices.Contains(byName, pkg) || slices.ContainsFunc(raced, func(pattern string) bool { return covers(strings.TrimPrefix(pattern, "./"), pkg) }) {
			return nil
		}
		text, err := fs.ReadFile(root, file)
		if err != nil {
			return err
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if _, begins := n.(*ast.GoStmt); begins {
				t.Errorf("%s begins a goroutine, and %s is not among RACED in the Makefile", file, pkg)
			}
			return true
		})
		for _, spec := range parsed.Imports {
			if name, _ := strconv.Unquote(spec.Path.Value); name == "sync" || name == "golang.org/x/sync/errgroup" {
				t.Errorf("%s imports %s, and %s is not among RACED in the Makefile", file, name, pkg)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
