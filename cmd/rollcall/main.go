// Rollcall plans and applies what a company's directories change in the
// accounts of its mail filter, archive or gateway.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"os/user"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/redact"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/state"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	// A second interrupt ends the program at once. A terminal that closes says so
	// more than once.
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt, syscall.SIGTERM) })
	os.Exit(int(execute(ctx, os.Args[1:], system())))
}

// session is what a command has of the world.
type session struct {
	ctx    context.Context
	args   []string // the command line
	dir    string   // the configuration directory
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	in     render.Terminal
	out    render.Terminal
	err    render.Terminal
	now    func() time.Time
	user   string // who runs it, and where; "" where that is unknown
	host   string

	usage       string // where the help of the command is
	separator   rune   // of the columns of csv-excel
	logJSON     bool   // standard error is JSON lines
	quiet       bool   // a plan with nothing to report is not shown
	lockTimeout time.Duration
	warned      bool                        // of a state that the history has not left
	store       *state.Store                // of the state, once a configuration says where it is
	locked      *state.Lock                 // of the state, once it is taken
	notices     *notices                    // of an apply that holds the lock
	mask        *redact.Mask                // of --redact; nil without
	inputs      []string                    // files that no output may replace
	kept        []string                    // the folders of the history, which no output may be in
	copies      map[string]directory.Source // of directories that two configurations read
	unsettled   *state.Unsettled            // a run that was ended from outside, until the console is read
	looked      time.Time                   // when that was done first
	console     console.Target              // of the configuration, once it is opened
	rows        []*state.Rows               // that are open
	seen        *console.View               // of the console that two configurations share
}

func system() *session {
	s := &session{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		in: render.TerminalOf(os.Stdin), out: render.TerminalOf(os.Stdout), err: render.TerminalOf(os.Stderr),
		now: time.Now,
	}
	if u, err := user.Current(); err == nil {
		s.user = u.Username
	}
	s.host, _ = os.Hostname()
	return s
}

// execute parses the command line, runs the command and returns the exit code. A
// panic is reported and becomes an exit code too.
func execute(ctx context.Context, args []string, s *session) (code exitCode) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case exited:
			code = r.code
			if len(args) == 0 {
				code = exitUsage
			}
		case crash:
			code = s.crashed(r)
		default:
			code = s.crashed(crash{r, debug.Stack()})
		}
	}()
	defer s.hangUp()
	defer func() {
		if s.store != nil {
			_ = s.store.Close()
		}
	}()
	s.stderr = &lockedWriter{w: s.stderr}
	tuneMemory()
	s.redactsEarly(args)
	if s.logJSON = logsJSON(args); s.logJSON {
		s.err = render.Terminal{}
	}
	var cli commandLine
	parser := newParser(s, &cli)
	words := args
	if len(words) == 0 {
		words = []string{"--help"}
	}
	parsed, err := parser.Parse(joined(words))
	if err != nil {
		return s.fail(misuse(err))
	}
	s.usage = helpHint(parsed.Selected())
	s.ctx, s.args, s.dir = ctx, args, cli.Dir
	s.quiet = cli.Plan.Quiet || cli.Apply.Quiet
	s.lockTimeout = max(cli.Apply.LockTimeout, cli.Decline.LockTimeout, cli.State.LockTimeout)
	if err := errors.Join(s.redacts(parsed), s.separates(parsed)); err != nil {
		return s.fail(err)
	}
	return s.fail(parsed.Run(s, parser))
}

// joined returns arguments with one --only and one --except in place of very many,
// whose values are lists: the parser takes a time that grows with the square of
// its flags.
func joined(args []string) []string {
	const many = 100
	if len(args) < many {
		return args
	}
	var rest []string
	lists := map[string][]string{"--only": nil, "--except": nil}
	for i := 0; i < len(args); i++ {
		name, value, given := strings.Cut(args[i], "=")
		list, is := lists[name]
		switch {
		case args[i] == "--":
			return args
		case is && !given && i+1 < len(args):
			i++
			value = args[i]
		case !is || !given:
			rest = append(rest, args[i])
			continue
		}
		lists[name] = append(list, value)
	}
	for _, name := range [...]string{"--only", "--except"} {
		if list := lists[name]; len(list) > 0 {
			rest = append(rest, name+"="+strings.Join(list, ","))
		}
	}
	return rest
}

// crash is a panic of another goroutine, with its stack.
type crash struct {
	value any
	stack []byte
}

func (s *session) crashed(c crash) exitCode {
	s.say(levelError, fmt.Sprintf("internal error: %v\n\n%s", c.value, strings.ReplaceAll(string(c.stack), "\t", "    ")),
		"nothing was changed after this point; please report it with the lines above and the version, "+version(), exitInternal)
	return exitInternal
}

// await runs f and returns what it returns, or ends early with the session. A
// panic of f goes on in the caller.
func await[T any](s *session, f func() (T, error)) (T, error) {
	select {
	case <-s.ctx.Done():
		var none T
		return none, s.ctx.Err()
	case r := <-begin(f):
		return r.get()
	}
}

// begun is the outcome of a function that ran aside.
type begun[T any] struct {
	value T
	err   error
	panic *crash
}

func (b *begun[T]) get() (T, error) {
	if b.panic != nil {
		panic(*b.panic)
	}
	return b.value, b.err
}

// begin runs f aside.
func begin[T any](f func() (T, error)) <-chan *begun[T] {
	done := make(chan *begun[T], 1)
	go func() {
		b := &begun[T]{}
		defer func() {
			if r := recover(); r != nil {
				b.panic = &crash{r, debug.Stack()}
			}
			done <- b
		}()
		b.value, b.err = f()
	}()
	return done
}

// fail reports an error, with its hint, and returns its exit code.
func (s *session) fail(err error) exitCode {
	code := codeOf(err)
	var said silent
	if err == nil || errors.As(err, &said) {
		return code
	}
	if code == exitInterrupted {
		err = errors.New("interrupted: nothing was changed")
	}
	hint := maskedHint(s.mask, err)
	if code == exitUsage {
		hint = cmp.Or(hint, s.usage)
	}
	if path := (*fs.PathError)(nil); hint == "" && errors.As(err, &path) {
		hint = "check the path " + path.Path + "; " + s.usage
	}
	s.say(levelError, s.errorText(err), hint, code)
	return code
}
