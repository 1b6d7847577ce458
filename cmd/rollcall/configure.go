package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/render"
)

type validateCommand struct{ redacting }

func (validateCommand) Help() string {
	return `Checks every *.hcl file of the configuration directory, and reports every problem with its file, line and remedy. It reads no directory and no state.

Examples:
  rollcall validate
  rollcall -C /etc/rollcall validate

Exit codes: 0 the configuration is valid, there may be warnings; 1 it is not; 80 wrong usage.`
}

func (validateCommand) Run(s *session) error {
	cfg, diags := config.Load(s.dir, s.now(), knownKinds)
	if err := s.diagnose(diags); err != nil {
		return err
	}
	if diags.HasErrors() {
		s.note("\nthe configuration is not valid: %s, %s", counted(diags.Count(config.Error), "error"), counted(diags.Count(config.Warning), "warning"))
		return silent{exitFailed}
	}
	_, err := fmt.Fprintf(s.stdout, "the configuration is valid: %s, %s, %s, %s\n", countedY(len(cfg.Directories), "director"),
		counted(len(cfg.Scopes), "scope"), counted(len(cfg.Rules.Domains), "domain"), counted(diags.Count(config.Warning), "warning"))
	return err
}

func countedY(n int, what string) string { return oneOrMany(n, what+"y", what+"ies") }

type fmtCommand struct {
	Files []string `arg:"" optional:"" help:"Files to format instead of all *.hcl files of the configuration directory."`
	Check bool     `help:"Change nothing; name the files that differ and exit 1 if there are any."`
	Diff  bool     `help:"Change nothing; show how the files differ."`
	redacting
}

// Validate refuses to mask files: what is laid out is what is written.
func (c *fmtCommand) Validate() error {
	if c.Diff && c.Redact {
		return errors.New("--diff shows what is in the files, and --redact hides it: give one of them")
	}
	return nil
}

func (fmtCommand) Help() string {
	return `Rewrites the configuration files in the canonical layout and names those that it changed. A file with a syntax error is left as it is.

Examples:
  rollcall fmt
  rollcall fmt --check --diff

Exit codes: 0 done; 1 a file cannot be read or parsed, or, with --check, differs; 80 wrong usage.`
}

func (c *fmtCommand) Run(s *session) error {
	files := c.Files
	if len(files) == 0 {
		var err error
		if files, err = config.Files(s.dir); err != nil {
			return err
		}
	}
	failed, differ := false, false
	for _, file := range files {
		name := s.shortName(file)
		old, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		others, err := config.NeighboursOf(file)
		if err != nil {
			return err
		}
		formatted, diags := config.Format(name, old, others)
		if diags.HasErrors() {
			s.diagnose(diags)
			failed = true
			continue
		}
		if string(formatted) == string(old) {
			continue
		}
		differ = true
		switch {
		case c.Diff:
			if c.Check {
				fmt.Fprintln(s.stdout, render.Escape(name))
			}
			if err := render.UnifiedDiff(s.stdout, name, name, config.Conceal(old, others), config.Conceal(formatted, others), s.out.Color); err != nil {
				return err
			}
		case c.Check:
			fmt.Fprintln(s.stdout, render.Escape(name))
		default:
			if err := rewrite(file, formatted); err != nil {
				return fmt.Errorf("write %s: %w", name, err)
			}
			fmt.Fprintln(s.stdout, render.Escape(name))
		}
	}
	if failed || c.Check && differ {
		return silent{exitFailed}
	}
	return nil
}

// rewrite replaces a configuration file and keeps its mode.
func rewrite(file string, content []byte) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(file, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	}); err != nil {
		return err
	}
	return os.Chmod(file, info.Mode().Perm())
}

// shortName names a file the way the user would: below the configuration
// directory as it was given.
func (s *session) shortName(file string) string {
	rel, err := filepath.Rel(s.dir, file)
	if err != nil || strings.HasPrefix(rel, "..") {
		return file
	}
	return rel
}
