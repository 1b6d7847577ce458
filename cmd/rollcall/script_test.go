package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "refresh the golden files and the expectations of scripts")

// programs are those that tests run, by name: this test program is each of them.
var programs = map[string]func(){"rollcall": main}

func TestMain(m *testing.M) { testscript.Main(tidy{m}, programs) }

// TestScripts runs testdata/*.txtar: command lines, what they print and what
// they leave behind. $EXAMPLES is the folder of the examples.
func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata", UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLES", examples)
			env.Setenv("TODAY", time.Now().UTC().Format(time.DateOnly)) // for cmpenv
			env.Setenv("NOFILE", noFile("nowhere"))
			env.Setenv("NOFOLDER", noFile("nowhere/x"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "mode": mode, "conforms": conformsTo, "edit": edit, "lists": listing, "backslashes": backslashes},
	})
}

// exits CODE PROGRAM ARG... runs a program and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var ended *exec.ExitError
		if !errors.As(err, &ended) {
			ts.Fatalf("%v", err)
		}
		code = ended.ExitCode()
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("%v exits %d, not %s", args[1:], code, args[0])
	}
}

// conforms SCHEMA FILE... checks documents against a schema; stdout may be one.
func conformsTo(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: conforms SCHEMA FILE...")
	}
	for _, file := range args[1:] {
		if err := conforms(args[0], []byte(ts.ReadFile(file))); err != nil {
			ts.Fatalf("%s: %v", file, err)
		}
	}
}

// mode 0600 FILE checks the mode of a file, where the system has modes.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode 0600 FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); runtime.GOOS != "windows" && got != args[0] {
		ts.Fatalf("%s has mode %s, not %s", args[1], got, args[0])
	}
}

// edit FILE REGEXP TEXT replaces all that matches, ^ and $ being those of lines.
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE REGEXP TEXT")
	}
	before := ts.ReadFile(args[0])
	after := regexp.MustCompile("(?m)"+args[1]).ReplaceAllString(before, args[2])
	if after == before {
		ts.Fatalf("%s has nothing to replace", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(after), 0o600))
}

// lists FOLDER NAME... checks what is in a folder, in alphabetical order.
func listing(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: lists FOLDER NAME...")
	}
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if !slices.Equal(names, args[1:]) {
		ts.Fatalf("%s has %q", args[0], names)
	}
}

// backslashes FILE makes the paths of a golden file those of Windows, and what it has of
// the system's words, too.
func backslashes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: backslashes FILE")
	}
	text := regexp.MustCompile(`(\w)/(\w)`).ReplaceAllString(ts.ReadFile(args[0]), `$1\$2`)
	text = strings.ReplaceAll(text, "no such file or directory", ts.Getenv("NOFILE"))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// noFile is what the system says of a path that leads nowhere.
func noFile(path string) string {
	_, err := os.Open(path)
	return errors.Unwrap(err).Error()
}
