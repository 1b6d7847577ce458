package config

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Text is a file that a configuration consists of or reads.
type Text struct {
	// Name is its path below the configuration's directory, with slashes, or as
	// the configuration has it where that is absolute.
	Name string
	// Content has secrets replaced.
	Content string
	// Sum says whether two files are the same, down to their secrets.
	Sum [sha256.Size]byte
	// Concealed marks a file that may be a secret as a whole. It has no Content.
	Concealed bool
}

// Texts reads the files of the configuration once more, and those that it read
// with the function file, in order of their names. The latter are concealed but
// for lists, which stand as lines(file("...")) wherever they are named. What is
// a secret in the other configuration is one in this.
func (c *Config) Texts(other *Config) ([]Text, error) {
	sources, err := readSources(slices.Concat(c.Files, other.Files))
	if err != nil {
		return nil, err
	}
	secrets := mask(sources)
	named := namedFiles{lists: map[string]string{}, closed: map[string]bool{}}
	var all []Text
	for _, src := range sources[:len(c.Files)] {
		all = append(all, Text{Name: c.below(src.path), Content: src.shown(), Sum: sha256.Sum256(src.text)})
		named.find(src.tokens, secrets, c.Dir)
	}
	for _, path := range c.Used {
		text, err := readBounded(path, maxFile)
		if err != nil {
			return nil, err
		}
		name, list := named.lists[path]
		if !filepath.IsAbs(name) {
			name = c.below(path)
		}
		t := Text{Name: name, Sum: sha256.Sum256(text), Concealed: !list || named.closed[path]}
		if !t.Concealed {
			t.Content = string(text)
		}
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b Text) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// readSources reads files and splits them into tokens.
func readSources(paths []string) (sources []*source, err error) {
	for _, path := range paths {
		text, err := readBounded(path, maxSource)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", path, cause(err))
		}
		sources = append(sources, newSource(path, text))
	}
	return sources, nil
}

func newSource(path string, text []byte) *source {
	tokens, _ := hclsyntax.LexConfig(text, path, hcl.InitialPos)
	return &source{path: path, text: text, tokens: tokens}
}

func (c *Config) below(path string) string {
	if rel, err := filepath.Rel(c.Dir, path); err == nil {
		path = rel
	}
	return filepath.ToSlash(path)
}

// shown is the text of a file with its masks in place.
func (s *source) shown() string {
	var b strings.Builder
	from := 0
	for _, m := range s.masks {
		b.Write(s.text[from:m.start])
		b.WriteString(settings.Concealed)
		from = m.end
	}
	b.Write(s.text[from:])
	return b.String()
}

// namedFiles are the files that calls of the function file name, by path.
type namedFiles struct {
	lists  map[string]string // as lines(file("...")) names them
	closed map[string]bool   // elsewhere, or in the expression of a secret
}

func (n *namedFiles) find(tokens hclsyntax.Tokens, secrets map[string]bool, dir string) {
	secretUntil := 0
	for i := range tokens {
		if name, behind := key(tokens, i); name != "" && (secrets[name] || secretName(name)) {
			secretUntil = max(secretUntil, expressionEnd(tokens, behind+1))
		}
		if !called(tokens, i, "file") {
			continue
		}
		literal, ok := literalArgument(tokens[i+2:])
		switch {
		case !ok:
		case i >= secretUntil && i > 1 && called(tokens, i-2, "lines"):
			n.lists[settings.Resolve(dir, literal)] = literal
		default:
			n.closed[settings.Resolve(dir, literal)] = true
		}
	}
}

// called reports whether token i begins a call of the function.
func called(tokens hclsyntax.Tokens, i int, function string) bool {
	return tokens[i].Type == hclsyntax.TokenIdent && string(tokens[i].Bytes) == function && tokens[i+1].Type == hclsyntax.TokenOParen
}

// literalArgument returns the text in quotes that is the whole of an argument
// list, without its first bracket.
func literalArgument(tokens hclsyntax.Tokens) (string, bool) {
	if len(tokens) < 4 || tokens[0].Type != hclsyntax.TokenOQuote || tokens[1].Type != hclsyntax.TokenQuotedLit ||
		tokens[2].Type != hclsyntax.TokenCQuote || tokens[3].Type != hclsyntax.TokenCParen {
		return "", false
	}
	text := string(tokens[1].Bytes)
	return text, !strings.ContainsAny(text, `\$%`)
}
