package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// pagesOf returns the man pages by their names.
func pagesOf(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	err := manPages(newParser(&session{}, &commandLine{}).Model.Node, func(name string, text []byte) error {
		pages[name] = string(text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// TestManPages: each page has the sections of a manual in their order, nothing in it
// begins a request by accident, and it names no page that is not there.
func TestManPages(t *testing.T) {
	t.Parallel()
	pages := pagesOf(t)
	sections := []string{"NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "ARGUMENTS", "OPTIONS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"}
	requests := regexp.MustCompile(`^\.(TH|SH|SS|B|I|BR|TP|PP|nf|fi)( |$)`)
	also := regexp.MustCompile(`(?m)^\.BR (\S+) \(1\)`)
	for name, page := range pages {
		last := -1
		for line := range strings.Lines(page) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !requests.MatchString(line) {
				t.Errorf("%s: %s", name, line)
			}
			if head, is := strings.CutPrefix(line, ".SH "); is {
				at := slices.Index(sections, head)
				if at <= last {
					t.Errorf("%s: section %s is unknown, or out of order", name, head)
				}
				last = at
			}
		}
		if last != len(sections)-1 || strings.Count(page, ".SH ") < 4 {
			t.Errorf("%s lacks sections:\n%s", name, page)
		}
		for _, m := range also.FindAllStringSubmatch(page, -1) {
			if pages[strings.ReplaceAll(m[1], `\-`, "-")+".1"] == "" {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
	}
	for _, want := range []string{".SS Every day\n", "\n.B state import\n", "\n.B history show\n"} {
		if !strings.Contains(pages["rollcall.1"], want) {
			t.Errorf("rollcall.1 lacks %q", want)
		}
	}
	if len(pages) < 30 || pages["rollcall-state-import.1"] == "" {
		t.Errorf("there are %d pages", len(pages))
	}
}

// TestManRenders: formatters render the pages without a warning, where there are any.
func TestManRenders(t *testing.T) {
	t.Parallel()
	pages, folder := pagesOf(t), t.TempDir()
	var files []string
	for name, page := range pages {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(page), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	slices.Sort(files)
	tried := 0
	for _, formatter := range [][]string{{"groff", "-man", "-ww", "-Tutf8", "-z"}, {"mandoc", "-Tlint", "-Wwarning"}} {
		program, err := exec.LookPath(formatter[0])
		if err != nil {
			t.Logf("%s is not here", formatter[0])
			continue
		}
		tried++
		out, err := exec.Command(program, append(formatter[1:], files...)...).CombinedOutput()
		if err != nil || len(bytes.TrimSpace(out)) > 0 {
			t.Errorf("%v: %v\n%s", formatter, err, out)
		}
	}
	if tried == 0 {
		t.Skip("no formatter of man pages is here")
	}
}

// TestHelpParts: prose, examples and codes come apart, whatever stands in them.
func TestHelpParts(t *testing.T) {
	t.Parallel()
	text, examples, codes := helpParts("Does it.\n\nTwice; 2 times.\n\nExamples:\n  rollcall a\n  rollcall b; c\n\nExit codes: 0 done; 1 failed, or; so; 11 locked. See there.")
	if text != "Does it.\n\nTwice; 2 times.\n\nSee there." || !slices.Equal(examples, []string{"rollcall a", "rollcall b; c"}) ||
		!slices.Equal(codes, [][2]string{{"0", "done"}, {"1", "failed, or; so"}, {"11", "locked"}}) {
		t.Errorf("%q, %q, %q", text, examples, codes)
	}
}

// FuzzRoff: no text begins a request or an escape of roff.
func FuzzRoff(f *testing.F) {
	for _, text := range []string{".TH", "'br", `a\fBb`, "-x\n.sp", "\n'x"} {
		f.Add(text)
	}
	escape := regexp.MustCompile(`\\(e|-|&|\((aq|ga|ha|ti))`)
	f.Fuzz(func(t *testing.T, text string) {
		got := roff(text)
		if strings.HasPrefix(got, ".") || strings.ContainsAny(got, "\n'") || strings.Contains(escape.ReplaceAllString(got, ""), `\`) {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}
