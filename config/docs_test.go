package config

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	channels "github.com/rollcall-cli/rollcall/internal/channel/all"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/directory/all"
	stores "github.com/rollcall-cli/rollcall/internal/store/all"
)

// TestPage loads the examples of the page as one configuration, and looks there
// for everything that the language has.
func TestPage(t *testing.T) {
	raw, err := os.ReadFile("../docs/reference/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(raw), "\r\n", "\n")
	files := map[string]string{"people.password": password, "case-2026-017.txt": "ann@example.com\n"}
	example := regexp.MustCompile("(?s)```hcl\n(.*?)```")
	for i, match := range example.FindAllStringSubmatch(page, -1) {
		name := string(rune('a'+i)) + ".hcl"
		files[name] = match[1]
		if laidOut, diags := Format(name, []byte(match[1]), nil); diags.HasErrors() || string(laidOut) != match[1] {
			t.Errorf("example %d is not in canonical layout: %v\n%s", i+1, diags.Err(), laidOut)
		}
	}
	t.Setenv("ROLLCALL_CORP_PASSWORD", password)
	t.Setenv("ROLLCALL_BRANCH_PASSWORD", password)
	t.Setenv("ROLLCALL_GATEWAY_TOKEN", password)
	t.Setenv("CLOUD_TOKEN", password)
	t.Setenv("PING_URL", "https://example.com/check")
	t.Setenv("SMTP_PASSWORD", password)
	t.Setenv("HOOK_URL", "https://example.com/hook")
	t.Setenv("HOOK_SECRET", "whsec_c2VjcmV0")
	t.Setenv("DATABASE_URL", "postgres://rollcall:"+url.QueryEscape(password)+"@db.example.com/mail")
	if c := load(t, files); len(c.Warnings()) > 0 {
		t.Errorf("warnings %q", c.Warnings())
	}

	examples := strings.Join(example.FindAllString(page, -1), "\n")
	text := example.ReplaceAllString(page, "")
	kinds := Kinds{Directories: all.Settings(), Consoles: consoles.Settings(), Channels: channels.Settings(), Stores: stores.Settings()}
	for _, k := range kinds.Consoles {
		if own, err := os.ReadFile("../docs/reference/" + k.Name + ".md"); err == nil {
			text += string(own)
		}
	}
	for _, b := range kinds.blockTypes() {
		if !strings.Contains(text, "(#"+b.name) && !strings.Contains(text, "-"+b.name+")") {
			t.Errorf("the page has no chapter on %q", b.name)
		}
		if !regexp.MustCompile(`(?m)^` + b.name + ` `).MatchString(examples) {
			t.Errorf("the page has no example of %q", b.name)
		}
		attributes := b.attributes
		for _, inner := range b.blocks {
			if !strings.Contains(text, "`"+inner.name+"`") {
				t.Errorf("the page does not explain %s in %s", inner.name, b.name)
			}
			attributes = slices.Concat(attributes, inner.attributes)
		}
		for _, a := range attributes {
			if !strings.Contains(text, "`"+a+"`") {
				t.Errorf("the page does not explain %s.%s", b.name, a)
			}
		}
	}
	for _, name := range functionNames() {
		if !strings.Contains(text, "`"+name+"(") {
			t.Errorf("the page does not explain %s()", name)
		}
	}
	for _, name := range reserved {
		if !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the page does not name %q as reserved", name)
		}
	}
}

// TestPages: what other pages show of the language is laid out as fmt does it, but for
// parts of a block, which are indented.
func TestPages(t *testing.T) {
	t.Parallel()
	seen := 0
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".md") || strings.Contains(path, "testdata") {
			return err
		}
		text, err := os.ReadFile(filepath.Join("..", path))
		for _, m := range regexp.MustCompile("(?ms)^( *)```hcl\n(.*?)^ *```").FindAllStringSubmatch(string(text), -1) {
			seen++
			block := regexp.MustCompile("(?m)^"+m[1]).ReplaceAllString(m[2], "")
			got, diags := Format(path, []byte(block), nil)
			if diags.HasErrors() || string(got) != block && !strings.HasPrefix(block, " ") {
				t.Errorf("%s: %v\n%s", path, diags.Err(), got)
			}
		}
		return err
	})
	if err != nil || seen < 20 {
		t.Errorf("%d blocks, %v", seen, err)
	}
}
