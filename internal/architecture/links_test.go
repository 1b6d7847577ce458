package architecture

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	code    = regexp.MustCompile("`[^`\n]+`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)|<(?:img|a)[^>]* (?:src|href)="([^"]+)"`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	mention = regexp.MustCompile(`\bdocs/[a-z0-9/_-]+\.(?:md|json|png)\b`)
)

// TestLinks: each relative link of a Markdown file leads to a file that is there, and
// to a heading that it has; and each page that another file names is there.
func TestLinks(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	texts := make(map[string]string)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "site" || d.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		switch path.Ext(name) {
		case ".md", ".go", ".hcl", ".tmpl", ".py", ".txtar":
		default:
			if name != "Makefile" {
				return nil
			}
		}
		text, err := fs.ReadFile(root, name)
		texts[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	links := 0
	for name, text := range texts {
		for _, page := range mention.FindAllString(text, -1) {
			if _, err := fs.Stat(root, page); err != nil {
				t.Errorf("%s names %s, which is not there", name, page)
			}
		}
		if path.Ext(name) != ".md" || strings.Contains(name, "testdata/") {
			continue
		}
		for _, m := range link.FindAllStringSubmatch(code.ReplaceAllString(fenced.ReplaceAllString(text, ""), "`"), -1) {
			target := m[1] + m[2]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			links++
			file, anchor, _ := strings.Cut(target, "#")
			to := name
			if file != "" {
				to = path.Join(path.Dir(name), file)
			}
			if _, err := fs.Stat(root, to); err != nil {
				t.Errorf("%s links to %s, which is not there", name, target)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(texts[to]), anchor) {
				t.Errorf("%s links to %s, and %s has no such heading", name, target, to)
			}
		}
	}
	if links < 100 {
		t.Errorf("only %d links were found", links)
	}
}

// anchors returns the names that the headings of a page have on GitHub.
func anchors(text string) (names []string) {
	times := make(map[string]int)
	for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1])
		if n := times[name]; n > 0 {
			names = append(names, fmt.Sprintf("%s-%d", name, n))
		} else {
			names = append(names, name)
		}
		times[name]++
	}
	return names
}

// TestReadingOrder: the way into the documentation leads to each of its pages.
func TestReadingOrder(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	index, err := fs.ReadFile(root, "docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := link.FindAllStringSubmatch(string(index), -1)
	err = fs.WalkDir(root, "docs", func(name string, d fs.DirEntry, err error) error {
		page := strings.TrimPrefix(name, "docs/")
		if path.Ext(name) == ".md" && page != "README.md" && !slices.ContainsFunc(listed, func(m []string) bool { return m[1] == page }) {
			t.Errorf("docs/README.md does not lead to %s", page)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
