package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/render"
)

// pages returns every Markdown file of the repository, by its path from there.
func pages(t *testing.T) []string {
	t.Helper()
	var names []string
	err := fs.WalkDir(os.DirFS("../.."), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || d.Name() == "testdata" || d.Name() == "site") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			names = append(names, path)
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	return names
}

// TestDocsOutputs runs the commands that pages show and compares what they print.
// With -update it writes that into the pages.
//
// A fenced block is run if its first line begins with "$ ". Each such line is a
// command, with what it prints below it. Comments, which readers do not see, say the
// rest; each is a line of its own, and those before a block are obeyed in order:
//
//	<!-- docs: world NAME -->      begin in a new directory: empty, a folder of
//	                               examples, which is there by its path, or a case of
//	                               internal/corpus before anything has happened
//	<!-- docs: after -->           now it has happened
//	<!-- docs: at TIME -->         what the clock shows, RFC 3339
//	<!-- docs: run COMMAND -->     run a command, and show nothing of it; $ROOT is the
//	                               repository
//	<!-- docs: file NAME -->       the next block is the content of a file
//	<!-- docs: answer TEXT -->     what is typed when the next command asks; with
//	                               --auto-approve, there is no terminal
//	<!-- docs: exits CODE -->      the next command ends with that code, and not with 0
//	<!-- docs: lines SPEC -->      the next command prints more than the page shows;
//	                               see excerpt
//
// The last three are about commands of rollcall; others, as cp, have to succeed.
func TestDocsOutputs(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("pages are written for a shell")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range pages(t) {
		path := filepath.Join(root, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("<!-- docs: ")) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			g := &guide{t: t, root: root, clock: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
			got := g.page(string(text))
			if got == string(text) {
				return
			}
			if !*update {
				t.Fatalf("%s does not show what the program prints; run the test with -update and read the difference\n%s", name, difference(string(text), got))
			}
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// difference returns the first line in which two texts differ, with what is around it.
func difference(was, is string) string {
	a, b := strings.Split(was, "\n"), strings.Split(is, "\n")
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	part := func(lines []string) string {
		return strings.Join(lines[min(n, len(lines)):min(n+12, len(lines))], "\n")
	}
	return fmt.Sprintf("line %d of the page:\n%s\nthe program:\n%s", n+1, part(a), part(b))
}

// guide runs the commands of a page in a directory, one after another.
type guide struct {
	t     *testing.T
	root  string // of the repository
	dir   string
	about corpus.Case
	clock time.Time

	file   string // the next block is its content
	answer string
	code   int
	lines  string
}

// page runs what a page shows, and returns the page as it should be.
func (g *guide) page(text string) string {
	var out []string
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		out = append(out, line)
		if order, ok := strings.CutPrefix(line, "<!-- docs: "); ok {
			g.obey(strings.TrimSuffix(order, " -->"))
			continue
		}
		fence := strings.TrimLeft(line, " ")
		if !strings.HasPrefix(fence, "```") {
			continue
		}
		indent := line[:len(line)-len(fence)]
		end := slices.Index(lines[i+1:], indent+"```")
		if end < 0 {
			g.t.Fatalf("line %d: the block has no end", i+1)
		}
		block := lines[i+1 : i+1+end]
		switch {
		case g.file != "":
			content := ""
			for _, l := range block {
				content += strings.TrimPrefix(l, indent) + "\n"
			}
			g.write(g.file, content)
			g.file = ""
		case g.dir != "" && end > 0 && strings.HasPrefix(block[0], indent+"$ "):
			block = g.block(block, indent)
		}
		out = append(append(out, block...), indent+"```")
		i += end + 1
	}
	return strings.Join(out, "\n")
}

// obey does what a comment says.
func (g *guide) obey(order string) {
	word, rest, _ := strings.Cut(order, " ")
	var err error
	switch word {
	case "world":
		g.begin(rest)
	case "after":
		err = g.about.After.Write(g.dir)
	case "at":
		g.clock, err = time.Parse(time.RFC3339, rest)
	case "run":
		g.run(rest)
	case "file":
		g.file = rest
	case "answer":
		g.answer = rest
	case "exits":
		g.code, err = strconv.Atoi(rest)
	case "lines":
		g.lines = rest
	default:
		err = fmt.Errorf("there is no such order")
	}
	if err != nil {
		g.t.Fatalf("%s: %v", order, err)
	}
}

func (g *guide) begin(name string) {
	g.dir = g.t.TempDir()
	g.t.Chdir(g.dir)
	var err error
	if cases := corpus.Cases(300); strings.HasPrefix(name, "examples/") {
		err = os.CopyFS(filepath.Join(g.dir, name), os.DirFS(filepath.Join(g.root, name)))
	} else if i := slices.IndexFunc(cases, func(c corpus.Case) bool { return c.Name == name }); i >= 0 {
		g.about = cases[i]
		err = g.about.Before.Write(g.dir)
	} else if name != "empty" {
		err = fmt.Errorf("there is no such world")
	}
	if err != nil {
		g.t.Fatalf("world %s: %v", name, err)
	}
}

func (g *guide) write(name, content string) {
	path := filepath.Join(g.dir, filepath.FromSlash(name))
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(content), 0o644)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

// block runs the commands of a block and returns it with what they print.
func (g *guide) block(block []string, indent string) (out []string) {
	for i := 0; i < len(block); i++ {
		shown, ok := strings.CutPrefix(block[i], indent+"$ ")
		if !ok {
			continue // what is printed now is put in its place
		}
		out = append(out, block[i])
		command := shown
		for strings.HasSuffix(command, "\\") && i+1 < len(block) {
			i++
			out = append(out, block[i])
			command = strings.TrimSuffix(command, "\\") + strings.TrimSpace(block[i])
		}
		for _, line := range g.run(command) {
			out = append(out, strings.TrimRight(indent+line, " "))
		}
	}
	return out
}

// run runs a command and returns what it prints. The clock goes on by a minute.
func (g *guide) run(command string) []string {
	g.t.Helper()
	rollcall, pipe, piped := strings.Cut(command, " | ")
	args, ok := strings.CutPrefix(rollcall, "rollcall ")
	if !ok {
		var out bytes.Buffer
		if code := g.shell(command, nil, &out); code != 0 {
			g.t.Fatalf("%s: exit code %d\n%s", command, code, out.String())
		}
		return g.printed(out.String())
	}
	var out bytes.Buffer
	if code := g.rollcall(shellWords(args), &out, piped); code != g.code {
		g.t.Fatalf("%s: exit code %d, and not %d\n%s", command, code, g.code, out.String())
	}
	if piped {
		in := strings.NewReader(out.String())
		out.Reset()
		if code := g.shell(pipe, in, &out); code != 0 {
			g.t.Fatalf("%s: exit code %d\n%s", command, code, out.String())
		}
	}
	lines := g.printed(out.String())
	if g.lines != "" {
		var err error
		if lines, err = excerpt(lines, g.lines); err != nil {
			g.t.Errorf("%s: %v\n%s", command, err, out.String())
		}
	}
	g.clock = g.clock.Add(time.Minute)
	g.answer, g.code, g.lines = "", 0, ""
	return lines
}

// printed returns the lines of an output, with a name in place of the directory.
func (g *guide) printed(text string) []string {
	if text = strings.TrimSuffix(text, "\n"); text == "" {
		return nil
	}
	return strings.Split(strings.ReplaceAll(text, g.dir, "/srv/rollcall"), "\n")
}

func (g *guide) rollcall(args []string, out io.Writer, piped bool) int {
	const width = 88
	s := &session{
		stdin: strings.NewReader(""), stdout: out, stderr: out, out: render.Terminal{Width: width}, err: render.Terminal{Width: width},
		now: func() time.Time { return g.clock }, user: "ann", host: "admin1",
	}
	if piped {
		s.stderr = io.Discard
	}
	if s.in.Interactive = !slices.Contains(args, "--auto-approve"); g.answer != "" {
		s.stdin = echoing{strings.NewReader(g.answer + "\n"), out}
	}
	return int(execute(context.Background(), args, s))
}

// echoing shows what is typed, as a terminal does.
type echoing struct {
	in  io.Reader
	out io.Writer
}

func (e echoing) Read(p []byte) (int, error) {
	n, err := e.in.Read(p)
	e.out.Write(p[:n])
	return n, err
}

func (g *guide) shell(command string, in io.Reader, out io.Writer) int {
	sh := exec.Command("sh", "-c", command)
	sh.Dir, sh.Stdin, sh.Stdout, sh.Stderr, sh.Env = g.dir, in, out, out, append(os.Environ(), "ROOT="+g.root)
	if err := sh.Run(); sh.ProcessState == nil {
		g.t.Fatal(err)
	}
	return sh.ProcessState.ExitCode()
}

// shellWords divides a command line as a shell does that knows quotes.
func shellWords(line string) (args []string) {
	for _, m := range regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`).FindAllString(line, -1) {
		args = append(args, strings.NewReplacer("'", "", `"`, "").Replace(m))
	}
	return args
}

// excerpt returns the lines of an output that a page shows, with a line "…" where
// some are left out. What nothing matches is left out and an error. A specification is
// made of parts, in their order:
//
//	8            the first eight lines
//	/RE/ 6       six lines from the next one that matches
//	/RE/         up to the next blank line
//	-3           the last three
func excerpt(lines []string, spec string) (out []string, err error) {
	var missing []error
	at := 0
	take := func(from, to int) {
		from, to = max(from, at), min(to, len(lines))
		if from > at {
			if len(out) > 0 && out[len(out)-1] == "" {
				out = out[:len(out)-1]
			}
			out = append(out, "…")
			for from < to && lines[from] == "" {
				from++
			}
		}
		out = append(out, lines[from:max(from, to)]...)
		at = max(at, to)
	}
	parts := regexp.MustCompile(`/[^/]*/|-?\d+`).FindAllString(spec, -1)
	for i := 0; i < len(parts); i++ {
		if n, err := strconv.Atoi(parts[i]); err == nil {
			if n < 0 {
				take(len(lines)+n, len(lines))
			} else {
				take(0, n)
			}
			continue
		}
		re, err := regexp.Compile(strings.Trim(parts[i], "/"))
		if err != nil {
			return nil, err
		}
		count := -1
		if i+1 < len(parts) {
			if n, err := strconv.Atoi(parts[i+1]); err == nil && n > 0 {
				count = n
				i++
			}
		}
		from := slices.IndexFunc(lines[at:], re.MatchString)
		if from < 0 {
			missing = append(missing, fmt.Errorf("no line matches %s", re))
			continue
		}
		from += at
		to := from + count
		if count < 0 {
			to = from + 1
			for to < len(lines) && lines[to] != "" {
				to++
			}
		}
		take(from, to)
	}
	if at < len(lines) {
		out = append(out, "…")
	}
	return out, errors.Join(missing...)
}

// TestExcerpt shows what a specification takes.
func TestExcerpt(t *testing.T) {
	t.Parallel()
	lines := strings.Split("a\nb\n\nc\nd\n\ne\nf", "\n")
	for spec, want := range map[string]string{
		"2":         "a b …",
		"1 /c/ -1":  "a … c d … f",
		"/c/ 1":     "… c …",
		"2 /^d/ -2": "a b … d … e f",
		"8":         "a b  c d  e f",
	} {
		got, err := excerpt(lines, spec)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v", spec, got, err)
		}
	}
	if _, err := excerpt(lines, "/x/"); err == nil {
		t.Error("what is not there is found")
	}
}

// TestDocsHelp: the page of commands is the help of each.
func TestDocsHelp(t *testing.T) {
	t.Parallel()
	help := func(command string) string {
		var out bytes.Buffer
		s := &session{stdin: strings.NewReader(""), stdout: &out, stderr: io.Discard, out: render.Terminal{Width: 88}, now: time.Now}
		if code := execute(context.Background(), append(strings.Fields(command), "--help"), s); code != exitOK {
			t.Errorf("%s --help: exit code %d", command, code)
		}
		return "```\n" + strings.TrimRight(regexp.MustCompile(`(?m) +$`).ReplaceAllString(out.String(), ""), "\n") + "\n```\n"
	}
	page := "# Commands\n\nThe help of each command, as `rollcall COMMAND --help` prints it.\n\n" + help("")
	for _, leaf := range newParser(&session{}, &commandLine{}).Model.Leaves(true) {
		_, command, _ := strings.Cut(commandName(leaf), " ")
		page += "\n## " + command + "\n\n" + help(command)
	}
	const path = "../../docs/reference/commands.md"
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if was, err := os.ReadFile(path); err != nil || string(was) != page {
		t.Errorf("%s is not what the commands print; run the test with -update: %v\n%s", path, err, difference(string(was), page))
	}
}

var placeholder = regexp.MustCompile(`^[A-Z][A-Z_]*$|\.\.\.|…`)

// TestDocsCommands: every command line in a block of a page is one that the program
// takes, with its flags.
func TestDocsCommands(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, name := range pages(t) {
		text, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?ms)^ *```[a-z]*\n(.*?)^ *```").FindAllStringSubmatch(string(text), -1) {
			joined := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(block[1], "")
			for _, line := range strings.Split(joined, "\n") {
				command, ok := strings.CutPrefix(strings.TrimPrefix(strings.TrimSpace(line), "$ "), "rollcall ")
				if !ok {
					continue
				}
				command = regexp.MustCompile(`\s[|#>&].*|\s2>.*`).ReplaceAllString(command, "")
				args := shellWords(command)
				if slices.ContainsFunc(args, placeholder.MatchString) {
					continue
				}
				seen++
				if err := parses(args); err != nil {
					t.Errorf("%s: rollcall %s: %v", name, command, err)
				}
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d command lines were found", seen)
	}
}

// parses reports whether a command line is one that the program takes.
func parses(args []string) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil, exited: // of help
		default:
			panic(r)
		}
	}()
	_, err = newParser(&session{stdout: io.Discard, stderr: io.Discard}, &commandLine{}).Parse(args)
	return err
}
