package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/words"
	"github.com/rollcall-cli/rollcall/plan"
)

// separating is the flag of commands that write csv-excel.
type separating struct {
	Separator separator `words:"separators" placeholder:"CHARACTER" default:";" help:"What separates the columns of csv-excel: ';' (default), ',' or tab."`
}

// separator stands between the columns of a table.
type separator rune

// separators are those that Excel knows in some country, by their names.
var separators = []struct {
	name string
	char separator
}{{";", ';'}, {",", ','}, {"tab", '\t'}}

// UnmarshalText reads ";", "," or "tab".
func (c *separator) UnmarshalText(text []byte) error {
	for _, known := range separators {
		if known.name == string(text) {
			*c = known.char
			return nil
		}
	}
	return fmt.Errorf(`unknown separator %q; available: ";", "," and tab`, text)
}

func separatorNames() (names []string) {
	for _, known := range separators {
		names = append(names, known.name)
	}
	return names
}

// separates takes over the separator of the parsed command line, which goes with
// csv-excel alone.
func (s *session) separates(parsed *kong.Context) error {
	given, excel := false, false
	for _, flag := range parsed.Flags() {
		switch value := flag.Target.Interface().(type) {
		case separator:
			s.separator, given = rune(value), slices.ContainsFunc(parsed.Path, func(p *kong.Path) bool { return p.Flag == flag })
		case outputs:
			excel = slices.ContainsFunc(value, func(o output) bool { return o.format == excelFormat })
		}
	}
	if given && !excel {
		return usageError{errors.New("--separator goes with -o " + excelFormat)}
	}
	return nil
}

// output is one -o flag: a format, and the file that it goes to.
type output struct{ format, file string }

// outputs are all -o flags of a command.
type outputs []output

// Decode adds FORMAT or FORMAT=FILE; the formats are those of the report that the
// field's tag names.
func (all *outputs) Decode(ctx *kong.DecodeContext) error {
	var text string
	if err := ctx.Scan.PopValueInto("FORMAT", &text); err != nil {
		return err
	}
	format, file, named := strings.Cut(text, "=")
	if known := formatsOf(ctx.Value.Tag.Get("report")); !slices.Contains(known, format) {
		return words.Unknown("format", format, known)
	}
	if named && file == "" {
		return fmt.Errorf("%s= names no file", format)
	}
	*all = append(*all, output{format, file})
	return nil
}

// Validate refuses two outputs to standard output.
func (all outputs) Validate() error {
	var screen []string
	for _, o := range all {
		if o.file == "" {
			screen = append(screen, o.format)
		}
	}
	if len(screen) > 1 {
		return fmt.Errorf("-o %s and -o %s both go to standard output: give one of them a file, as in -o %s=FILE", screen[0], screen[1], screen[1])
	}
	for i, o := range all {
		for _, p := range all[:i] {
			if o.file != "" && p.file != "" && samePath(o.file, p.file) {
				return fmt.Errorf("-o %s and -o %s both go to %s", p.format, o.format, o.file)
			}
		}
	}
	return nil
}

// keeps returns the folder that rollcall keeps for itself and in which a file would be;
// "" for none.
func (s *session) keeps(file string) string {
	for _, folder := range s.kept {
		if sameFile(folder, filepath.Dir(file)) {
			return folder
		}
	}
	return ""
}

// samePath reports whether two paths name one file, be it there or not.
func samePath(a, b string) bool {
	x, errX := filepath.Abs(a)
	y, errY := filepath.Abs(b)
	return errX == nil && errY == nil && (x == y || runtime.GOOS == "windows" && strings.EqualFold(x, y))
}

// writeOutputs writes each output with write. Files come first, so that what
// stands on the screen was saved; they are replaced whole, with mode 0600.
func (s *session) writeOutputs(all outputs, write func(w io.Writer, format string, t render.Terminal) error) error {
	if len(all) == 0 {
		all = outputs{{format: "text"}}
	}
	for _, o := range all {
		if o.file == "" {
			continue
		}
		if input := s.input(o.file); input != "" {
			return hinted{fmt.Errorf("-o %s=%s would replace %s, which rollcall reads", o.format, o.file, input), "name another file"}
		}
		if kept := s.keeps(o.file); kept != "" {
			return hinted{fmt.Errorf("-o %s=%s would be in %s, which rollcall keeps", o.format, o.file, kept), "name another folder"}
		}
		if err := writeFile(o.file, func(w io.Writer) error {
			return write(interruptibleWriter{s.ctx, w}, o.format, render.Terminal{})
		}); err != nil {
			return fmt.Errorf("write %s: %w", o.file, unnamed(err))
		}
	}
	for _, o := range all {
		if o.file != "" {
			continue
		}
		out := bufio.NewWriterSize(s.stdout, 1<<16)
		if err := write(interruptibleWriter{s.ctx, out}, o.format, s.out); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return fmt.Errorf("write to standard output: %w", err)
		}
	}
	return nil
}

// input returns which of the files that rollcall reads is at path, or "".
func (s *session) input(path string) string {
	for _, input := range s.inputs {
		if sameFile(input, path) {
			return input
		}
	}
	return ""
}

// sameFile reports whether two paths name one file, or lead to one.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return samePath(a, b) || errX == nil && errY == nil && os.SameFile(x, y)
}

// interruptibleWriter is a writer that ends with its context.
type interruptibleWriter struct {
	ctx context.Context
	io.Writer
}

func (w interruptibleWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}

// unnamed is an error of a file without what the system has tried on which path.
func unnamed(err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		return hinted{at.Err, "make the folder, or write to another one"}
	}
	return err
}

// writeFile replaces a file whole; what is no regular file, such as a pipe, is
// written to.
func writeFile(path string, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if err := write(f); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	}
	return atomicfile.Write(path, write)
}

// writePlan writes a plan in every format that was asked for. advice is that of
// the command; what it leaves open is filled in here.
func (s *session) writePlan(p *plan.Plan, show showing, advice render.Advice) error {
	p = s.redactedPlan(p)
	toScreen := len(show.Output) == 0 || slices.Contains(show.Output, output{format: "text"})
	silent := s.quiet && silence(p)
	if s.logJSON || !toScreen && !silent {
		for _, warning := range slices.Concat(p.Causes, p.Warnings) {
			s.warn("%s", warning)
		}
	}
	if advice.Apply == "" {
		if i := slices.IndexFunc(show.Output, func(o output) bool { return o.format == "json" && o.file != "" }); i >= 0 {
			advice.Apply, advice.Full = s.command("apply", show.Output[i].file), s.command("show", show.Output[i].file, "--all")
			if p.Redacted {
				advice.Apply, advice.Next = "", "The saved plan is redacted and cannot be applied."
			}
		} else if len(p.Only)+len(p.Except) > 0 {
			advice.Full = cmp.Or(advice.Full, "the same with --all")
			advice.Next = cmp.Or(advice.Next, "To apply it: rollcall apply with the same --only and --except, or save the plan with -o json=FILE and apply that")
		}
	}
	all := show.Output
	if silent {
		if all = slices.DeleteFunc(slices.Clone(all), func(o output) bool { return o.file == "" }); len(all) == 0 {
			return nil
		}
	}
	return planReport.write(s, all, p, render.TextOptions{All: show.All, Advice: advice})
}

// silence reports whether a plan has nothing to report: no change, not even a
// withheld or a left out one, no drift and no new rejection. What it warns of is no
// news while nothing changes.
func silence(p *plan.Plan) bool {
	return len(p.Accounts) == 0 && len(p.LeftOut) == 0 && len(p.Drift) == 0 && p.NewRejections() == 0
}
