package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
)

// logging is the global flag of how standard error is written.
type logging struct {
	LogFormat choice `words:"text,json" default:"text" placeholder:"FORMAT" help:"Write standard error as text or as JSON lines."`
}

// logsJSON reports whether a command line asks for JSON lines. It is reported
// before the command line is parsed, for what is wrong with that is reported too.
func logsJSON(args []string) bool {
	for i, arg := range args {
		switch {
		case arg == "--":
			return false
		case arg == "--log-format=json", arg == "--log-format" && slices.Contains(args[i+1:min(i+2, len(args))], "json"):
			return true
		}
	}
	return false
}

// level says how much a line of talk matters.
type level string

const (
	levelInfo    level = "info"
	levelWarning level = "warning"
	levelError   level = "error"
)

// say writes a line of talk to standard error, and a hint where there is one.
// The code, 0 but for the error that ends the program, is reported in JSON alone.
func (s *session) say(l level, message, hint string, code exitCode) {
	message, hint = s.mask.Text(message), s.mask.Text(hint)
	if s.logJSON {
		line := append([]byte(`{"time":"`), s.now().UTC().Format(time.RFC3339)...)
		line = append(append(line, `","level":"`...), l...)
		line = identity.AppendJSONString(append(line, `","message":`...), strings.TrimSpace(message))
		line = identity.AppendJSONString(append(line, `,"hint":`...), hint)
		line = strconv.AppendInt(append(line, `,"code":`...), int64(code), 10)
		s.stderr.Write(append(line, "}\n"...))
		return
	}
	width := 0
	if s.err.Interactive {
		width = s.err.Width
	}
	write := func(sgr, label, text string) {
		text = render.Escape(text)
		if label != "" {
			text = s.paint(sgr, label) + " " + render.Wrap(text, len(label)+1, width)
		}
		fmt.Fprintln(s.stderr, text)
	}
	switch l {
	case levelError:
		write("1;31", "error:", message)
	case levelWarning:
		write("33", "warning:", message)
	default:
		write("", "", message)
	}
	if hint != "" {
		write("1", "hint:", hint)
	}
}

// note says what was done.
func (s *session) note(format string, args ...any) {
	s.say(levelInfo, fmt.Sprintf(format, args...), "", 0)
}

// warn says what somebody should look at.
func (s *session) warn(format string, args ...any) {
	s.say(levelWarning, fmt.Sprintf(format, args...), "", 0)
}

// prompt writes a question, behind which the answer is typed.
func (s *session) prompt(question string) {
	if s.logJSON {
		s.note("%s", question)
		return
	}
	fmt.Fprintf(s.stderr, "\n%s ", s.paint("1", render.Escape(question)))
}

// unanswered ends the line of a question to which nothing was typed.
func (s *session) unanswered() {
	if !s.logJSON {
		fmt.Fprintln(s.stderr)
	}
}

// diagnose reports the problems of a configuration.
func (s *session) diagnose(diags config.Diagnostics) error {
	if !s.logJSON {
		if s.mask == nil {
			return diags.Write(s.stderr, s.err.Color)
		}
		var text strings.Builder
		diags.Write(&text, false)
		_, err := io.WriteString(s.stderr, s.mask.Source(text.String()))
		return err
	}
	for i := range diags {
		if d := &diags[i]; d.Severity == config.Error {
			s.say(levelError, d.Error(), d.Hint, exitFailed)
		} else {
			s.say(levelWarning, d.Error(), d.Hint, 0)
		}
	}
	return nil
}

// paint colours a word on standard error.
func (s *session) paint(sgr, text string) string {
	if !s.err.Color {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}
