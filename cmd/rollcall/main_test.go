package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// at runs a command line in a session whose terminals are as given.
func at(ctx context.Context, stdin io.Reader, terminal bool, args ...string) (out, talk string, code exitCode) {
	var stdout, stderr bytes.Buffer
	s := &session{stdin: stdin, stdout: &stdout, stderr: &stderr, in: render.Terminal{Interactive: terminal}, now: time.Now}
	code = execute(ctx, args, s)
	return stdout.String(), stderr.String(), code
}

// cases returns how many cases to try: for make attack twenty times as many.
func cases(n int) int {
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		return 20 * n
	}
	return n
}

func quickstart(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "quickstart")
	if err := os.CopyFS(dir, os.DirFS("../../examples/quickstart")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAsking: on a terminal apply asks; only yes is yes, and until then
// nothing is changed.
func TestAsking(t *testing.T) {
	dir := quickstart(t)
	path := filepath.Join(dir, "rollcall.state.jsonl")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []string{"no\n", "", "y\n", "YES\n"} {
		out, talk, code := at(context.Background(), strings.NewReader(answer), true, "-C", dir, "apply")
		if code != exitDeclined || !strings.Contains(talk, "warning: high risk: 1 of 42 active accounts of corp loses all mail, 1 is removed, and 2 get another primary (9.5%)") || !strings.Contains(talk, "Change 21 accounts? Type yes to apply:") || !strings.Contains(talk, "declined: nothing was changed") || !strings.Contains(out, "Summary") {
			t.Errorf("%q: exit %d, %s", answer, code, talk)
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("declined, and the state has changed")
	}
	if known, err := state.At(path).Rejections(t.Context()); known != nil || err != nil {
		t.Errorf("declined, and rejections are remembered: %v, %v", known, err)
	}
	if _, talk, code := at(context.Background(), strings.NewReader("yes\n"), true, "-C", dir, "apply"); code != exitOK || !strings.Contains(talk, "applied: ") {
		t.Errorf("yes: exit %d, %s", code, talk)
	}
	if out, _, code := at(context.Background(), strings.NewReader(""), true, "-C", dir, "apply"); code != exitOK || !strings.Contains(out, "Nothing to do") {
		t.Errorf("with nothing to do, it asks: exit %d", code)
	}
}

// TestReasonsChange: what is rejected for another reason once the accounts are
// there was rejected before.
func TestReasonsChange(t *testing.T) {
	dir := quickstart(t)
	for _, args := range [][]string{{"apply", "--auto-approve"}, {"apply", "--auto-approve", "--fail-on-new-rejections"}} {
		if _, talk, code := at(context.Background(), nil, false, append([]string{"-C", dir}, args...)...); code != exitOK {
			t.Errorf("%v: exit %d, %s", args, code, talk)
		}
	}
}

// TestInterrupted: an interrupt changes nothing, be it while apply reads or
// while it asks.
func TestInterrupted(t *testing.T) {
	dir := quickstart(t)
	path := filepath.Join(dir, "rollcall.state.jsonl")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, code := at(cancelled, strings.NewReader(""), false, "-C", dir, "apply", "--auto-approve"); code != exitInterrupted {
		t.Errorf("exit %d", code)
	}
	waiting, cancel := context.WithCancel(context.Background())
	silence, hold := io.Pipe()
	defer hold.Close()
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, _, code := at(waiting, silence, true, "-C", dir, "apply"); code != exitInterrupted {
		t.Errorf("asked and interrupted: exit %d", code)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Error("interrupted, and the state has changed")
	}
}

// TestLocked: who writes keeps others from writing, and nobody from reading.
func TestLocked(t *testing.T) {
	dir := quickstart(t)
	lock, err := state.At(filepath.Join(dir, "rollcall.state.jsonl")).Lock(context.Background(), "somebody's apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"apply", "--auto-approve"}, {"state", "release", "anna.adler@example.com"}, {"apply", "--auto-approve", "--lock-timeout", "50ms"}} {
		_, talk, code := at(context.Background(), nil, false, append([]string{"-C", dir}, args...)...)
		if code != exitLocked || !strings.Contains(talk, fmt.Sprintf("process %d", os.Getpid())) || !strings.Contains(talk, "hint: ") {
			t.Errorf("%v: exit %d, %s", args, code, talk)
		}
	}
	if _, _, code := at(context.Background(), nil, false, "-C", dir, "plan"); code != exitOK {
		t.Errorf("plan: exit %d", code)
	}
	time.AfterFunc(100*time.Millisecond, func() { lock.Release() })
	if _, talk, code := at(context.Background(), nil, false, "-C", dir, "apply", "--auto-approve", "--lock-timeout", "1m"); code != exitOK {
		t.Errorf("waiting for the lock: exit %d, %s", code, talk)
	}
}

// TestJoined: many --only and --except are one of each.
func TestJoined(t *testing.T) {
	args, want := []string{"plan", "--only=add", "-o", "json"}, "plan -o json --only=add"
	for range 60 {
		args = append(args, "--only", "u@x.example")
		want += ",u@x.example"
	}
	if got := strings.Join(joined(append(args, "--except", "a,b", "--except=c")), " "); got != want+" --except=a,b,c" {
		t.Errorf("got %s", got)
	}
	for _, same := range [][]string{{"plan", "--only", "add", "--only", "b"}, append(args, "--", "x")} {
		if got := joined(same); !slices.Equal(got, same) {
			t.Errorf("got %q", got)
		}
	}
	// What lacks its value is left to the parser.
	if got := joined(append(args, "--only")); got[len(got)-2] != "--only" {
		t.Errorf("got %q", got)
	}
}

// TestWrapped: errors and hints are wrapped where a person reads them on a
// terminal, and nowhere else.
func TestWrapped(t *testing.T) {
	for _, interactive := range []bool{true, false} {
		var talk bytes.Buffer
		s := &session{stderr: &talk, stdout: io.Discard, now: time.Now, err: render.Terminal{Interactive: interactive, Width: 50}}
		code := s.fail(hinted{fmt.Errorf("directory %q: %s", "corp", "the name or the password is wrong (result code 49)"), "check both"})
		want := "error: directory \"corp\": the name or the password is wrong (result code 49)\nhint: check both\n"
		if interactive {
			want = "error: directory \"corp\": the name or the password\n       is wrong (result code 49)\nhint: check both\n"
		}
		if code != exitFailed || talk.String() != want {
			t.Errorf("exit %d, %s", code, talk.String())
		}
	}
}

// TestPanic: a panic is reported, and has its exit code.
func TestPanic(t *testing.T) {
	var talk bytes.Buffer
	s := &session{stderr: &talk, stdout: panicking{}, now: time.Now}
	if code := execute(context.Background(), []string{"version"}, s); code != exitInternal || !strings.Contains(talk.String(), "error: internal error: out of ink") {
		t.Errorf("exit %d, %s", code, talk.String())
	}
}

type panicking struct{}

func (panicking) Write([]byte) (int, error) { panic("out of ink") }

// TestHelp: each command shows an example and its exit codes, and stands in a group.
func TestHelp(t *testing.T) {
	var cli commandLine
	for _, leaf := range everyCommand(newParser(&session{}, &cli).Model.Node) {
		name := strings.Fields(commandName(leaf))[1:]
		out, _, code := at(context.Background(), nil, false, append(name, "--help")...)
		if code != exitOK || !regexp.MustCompile(`Examples?:\s+(rollcall|echo|man) `).MatchString(out) || !strings.Contains(out, "Exit codes: 0 ") {
			t.Errorf("%v: exit %d\n%s", name, code, out)
		}
		if same, _, code := at(context.Background(), nil, false, append([]string{"help"}, name...)...); code != exitOK || same != out {
			t.Errorf("help %v: exit %d\n%s", name, code, same)
		}
		if leaf.Help == "" || leaf.ClosestGroup() == nil {
			t.Errorf("%v has no help, or is in no group", name)
		}
	}
}

// TestExamples: each example of the help is a command line that can be parsed.
func TestExamples(t *testing.T) {
	var cli commandLine
	for _, leaf := range everyCommand(newParser(&session{}, &cli).Model.Node) {
		_, examples, codes := helpParts(leaf.Detail)
		if len(examples) == 0 || len(codes) == 0 {
			t.Errorf("%s has %d examples and %d exit codes", commandName(leaf), len(examples), len(codes))
		}
		for _, example := range examples {
			line, _, _ := strings.Cut(example, " | ")
			line, _, _ = strings.Cut(line, " >")
			args := shellWords(line)
			if args[0] != "rollcall" {
				continue // what a shell or man does
			}
			if err := parses(args[1:]); err != nil {
				t.Errorf("%s: %v", example, err)
			}
		}
		for _, code := range codes {
			if !slices.ContainsFunc(exitCodes, func(known exitCode) bool { return strconv.Itoa(int(known)) == code[0] }) {
				t.Errorf("%s: exit code %s is not one of those documented", commandName(leaf), code[0])
			}
		}
	}
}

// everyCommand returns all commands below one.
func everyCommand(node *kong.Node) (all []*kong.Node) {
	for _, child := range node.Children {
		all = append(append(all, child), everyCommand(child)...)
	}
	return all
}

// exitCodes are all there are.
var exitCodes = []exitCode{exitOK, exitFailed, exitPending, exitIncomplete, exitWithheld, exitStale, exitDeclined, exitNew, exitRisky,
	exitFindings, exitUnreachable, exitLocked, exitRefused, exitDrift, exitInternal, exitUsage, exitInterrupted}

// TestDocs: the pages under docs say what the code does.
func TestDocs(t *testing.T) {
	page := func(name string) string {
		text, err := os.ReadFile(filepath.Join("../../docs/reference", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var codes []string
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllStringSubmatch(page("exit-codes.md"), -1) {
		codes = append(codes, m[1])
	}
	var want []string
	for _, code := range exitCodes {
		want = append(want, fmt.Sprint(int(code)))
	}
	if !slices.Equal(codes, want) {
		t.Errorf("exit-codes.md has %v, the code %v", codes, want)
	}
	var reasons []string
	for _, m := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatch(page("rejections.md"), -1) {
		reasons = append(reasons, m[1])
	}
	want = nil
	for n := 1; n < plan.Reasons; n++ {
		want = append(want, plan.Reason(n).String())
	}
	if !slices.Equal(reasons, want) {
		t.Errorf("rejections.md has %v, the code %v", reasons, want)
	}
	format := page("plan-format.md")
	for n := range plan.Categories {
		if !strings.Contains(format, "| `"+plan.Category(n).String()+"` |") {
			t.Errorf("plan-format.md has no row for %s", plan.Category(n))
		}
	}
}

// TestQuietThoughWarned: a warning that stands is no news to a run from cron.
func TestQuietThoughWarned(t *testing.T) {
	t.Parallel()
	dir := quickstart(t)
	out, _, _ := at(t.Context(), strings.NewReader(""), false, "-C", dir, "apply", "--auto-approve", "--quiet")
	if !strings.Contains(out, "warning: ") {
		t.Errorf("nothing warns:\n%s", out)
	}
	for _, command := range []string{"plan --quiet", "apply --auto-approve --quiet"} {
		args := append([]string{"-C", dir}, strings.Fields(command)...)
		if out, talk, code := at(t.Context(), strings.NewReader(""), false, args...); out+talk != "" || code != exitOK {
			t.Errorf("%s: exit code %d, says\n%s%s", command, code, out, talk)
		}
	}
}
