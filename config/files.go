package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Bounds of what is read, in octets, of how deep brackets may nest, and of the
// operators of one expression between two brackets.
const (
	maxSource    = 4 << 20
	maxFile      = 16 << 20
	maxDepth     = 100
	maxOperators = 1000
)

// source is one HCL file.
type source struct {
	path string // as it is shown
	text []byte
	// masks are the parts that no snippet shows, in order.
	masks  []span
	tokens hclsyntax.Tokens
	body   *hclsyntax.Body
}

// reporter collects diagnostics and knows the sources that they are about.
type reporter struct {
	sources map[string]*source
	// secrets are the names of locals that hold secrets.
	secrets map[string]bool
	// environment is that of a test, or nil.
	environment func(name string) (string, bool)
	diags       Diagnostics
}

func (r *reporter) add(s *source) {
	if r.sources == nil {
		r.sources = map[string]*source{}
	}
	r.sources[s.path] = s
}

func (r *reporter) report(severity Severity, rng hcl.Range, hint, summary string) {
	d := Diagnostic{Severity: severity, Summary: summary, Hint: hint, File: rng.Filename}
	if src := r.sources[rng.Filename]; src != nil && rng.Start.Line > 0 {
		d.Range = Range{locate(src.text, rng.Start.Byte), locate(src.text, max(rng.Start.Byte, rng.End.Byte))}
	}
	r.diags = append(r.diags, d)
}

func (r *reporter) errorf(rng hcl.Range, hint, format string, args ...any) {
	r.report(Error, rng, hint, fmt.Sprintf(format, args...))
}

func (r *reporter) warnf(rng hcl.Range, hint, format string, args ...any) {
	r.report(Warning, rng, hint, fmt.Sprintf(format, args...))
}

// finish returns what was reported, in order, with the source shown.
func (r *reporter) finish() Diagnostics {
	for i := range r.diags {
		d := &r.diags[i]
		if src := r.sources[d.File]; src != nil && d.Range.Start.Line > 0 {
			d.snippet = snippet(src.text, d.Range, src.masks)
		}
	}
	return r.diags.sorted()
}

// whole is the range of a file, or, of "", of everything.
func whole(file string) hcl.Range { return hcl.Range{Filename: file} }

// Files returns the paths of the HCL files of a directory, sorted: those that
// [Load] reads, and tests.
func Files(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read the directory %q: %w", dir, cause(err))
	}
	var files []string
	for _, e := range entries {
		// Names that end in "~", as editors leave them, do not end in ".hcl".
		if name := e.Name(); strings.HasSuffix(name, ".hcl") && !strings.HasPrefix(name, ".") && !e.IsDir() {
			files = append(files, filepath.Join(dir, name))
		}
	}
	return files, nil
}

// IsTest reports whether a file of a configuration directory has tests.
func IsTest(path string) bool { return strings.HasSuffix(path, testSuffix) }

// readDir reads and parses the HCL files of a directory in order of their
// names. It returns nil after an error.
func (r *reporter) readDir(dir string) []*source {
	const where = "name another directory with -C, or let rollcall init write a configuration there"
	files, err := Files(dir)
	if err != nil {
		hint := "check its permissions"
		if errors.Is(err, fs.ErrNotExist) {
			hint = where
		}
		r.errorf(whole(""), hint, "%s", err)
		return nil
	}
	files = slices.DeleteFunc(files, IsTest)
	if len(files) == 0 {
		r.errorf(whole(""), where, "the configuration directory %q has no .hcl file", dir)
		return nil
	}
	var sources []*source
	for _, file := range files {
		if src := r.readSource(file); src != nil {
			sources = append(sources, src)
		}
	}
	return r.parseAll(sources)
}

// parseAll parses the files of a directory. It returns nil after an error.
func (r *reporter) parseAll(sources []*source) []*source {
	r.secrets = mask(sources)
	for _, src := range sources {
		r.parse(src)
	}
	if r.diags.HasErrors() {
		return nil
	}
	return sources
}

func (r *reporter) readSource(path string) *source {
	text, err := readBounded(path, maxSource)
	if err != nil {
		r.errorf(whole(path), "make it a readable text file of at most 4 MiB, or move it out of the configuration directory", "cannot read the file: %s", cause(err))
		return nil
	}
	return r.lexed(&source{path: path, text: text})
}

// lexed adds a source and splits it into tokens. It returns nil for what is no
// text.
func (r *reporter) lexed(src *source) *source {
	r.add(src)
	if !r.checkText(src) {
		return nil
	}
	src.tokens, _ = hclsyntax.LexConfig(src.text, src.path, hcl.InitialPos)
	return src
}

// checkText refuses what is not text in UTF-8.
func (r *reporter) checkText(src *source) bool {
	bad := bytes.IndexByte(src.text, 0)
	for i := 0; i < len(src.text); {
		c, n := utf8.DecodeRune(src.text[i:])
		if c == utf8.RuneError && n == 1 {
			if bad < 0 || i < bad {
				bad = i
			}
			break
		}
		i += n
	}
	if bad < 0 {
		return true
	}
	rng := hcl.Range{Filename: src.path, Start: hcl.Pos{Line: 1, Byte: bad}, End: hcl.Pos{Line: 1, Byte: bad + 1}}
	if bytes.HasPrefix(src.text, []byte("\xff\xfe")) || bytes.HasPrefix(src.text, []byte("\xfe\xff")) || src.text[bad] == 0 {
		rng = whole(src.path)
	}
	r.errorf(rng, "save the file as UTF-8", "the file is not text in UTF-8: octet %02x at offset %d", src.text[bad], bad)
	return false
}

// parse reports syntax errors, and leaves what it understood in src.body.
func (r *reporter) parse(src *source) {
	if at, what := tooDeep(src.tokens); what != "" {
		r.errorf(at, "split it with locals", "the expression %s", what)
		return
	}
	file, diags := hclsyntax.ParseConfig(src.text, src.path, hcl.InitialPos)
	for _, d := range diags {
		r.hcl(d, false)
	}
	if file != nil {
		src.body, _ = file.Body.(*hclsyntax.Body)
	}
}

// tooDeep looks for nesting, of brackets or of operators on operators, that
// would cost a recursive parser its stack, and says what there is too much of.
func tooDeep(tokens hclsyntax.Tokens) (hcl.Range, string) {
	type level struct {
		open      hclsyntax.TokenType
		operators int
	}
	levels := []level{{}}
	for _, t := range tokens {
		top := &levels[len(levels)-1]
		switch t.Type {
		case hclsyntax.TokenTemplateControl, hclsyntax.TokenOBrack:
			top.operators++
			levels = append(levels, level{open: t.Type})
		case hclsyntax.TokenOBrace, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp:
			levels = append(levels, level{open: t.Type})
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			levels = levels[:max(1, len(levels)-1)]
		case hclsyntax.TokenComma:
			top.operators = 0
		case hclsyntax.TokenNewline, hclsyntax.TokenComment:
			if top.open == 0 || top.open == hclsyntax.TokenOBrace {
				top.operators = 0
			}
		case hclsyntax.TokenIdent, hclsyntax.TokenNumberLit, hclsyntax.TokenQuotedLit, hclsyntax.TokenStringLit:
		default:
			top.operators++
		}
		switch {
		case len(levels) > maxDepth:
			return t.Range, fmt.Sprintf("nests deeper than %d levels", maxDepth)
		case top.operators > maxOperators:
			return t.Range, fmt.Sprintf("has more than %d operators", maxOperators)
		}
	}
	return hcl.Range{}, ""
}

// hcl takes over a diagnostic of the HCL library in the words of this program.
// Of a sealed one only its kind is reported, for its text may hold a secret.
func (r *reporter) hcl(d *hcl.Diagnostic, sealed bool) {
	rng := whole("")
	if d.Subject != nil {
		rng = *d.Subject
	}
	extra, call := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](d)
	if call {
		if own, ok := errors.AsType[*callError](extra.FunctionCallError()); ok {
			if d.Context != nil {
				rng = *d.Context
			}
			r.errorf(rng, own.hint, "%s", own.summary)
			return
		}
		sealed = sealed && !strings.HasSuffix(d.Summary, "function arguments") // those count, and name no value
	}
	if sealed {
		r.errorf(rng, "look at the underlined part; what exactly is wrong is not shown, because a secret may be part of it", "%s", sentence(d.Summary))
		return
	}
	detail := strings.ReplaceAll(d.Detail, "\n\n", " ")
	first, rest := detail, ""
	if i := strings.Index(detail, ". "); i >= 0 {
		first, rest = detail[:i], detail[i+2:]
	}
	summary := sentence(first)
	if kind := sentence(d.Summary); summary == "" {
		summary = kind
	} else if !call && !strings.Contains(summary, kind) {
		summary = kind + ": " + summary
	}
	hint := sentence(rest)
	if strings.Contains(summary, "escape sequence") {
		hint = `in quotes a backslash is written twice, and a path may use slashes, as in "C:/data/corp.ldif"`
	}
	if hint == "" {
		hint = "correct the underlined part; docs/reference/configuration.md has examples"
	}
	r.errorf(rng, hint, "%s", summary)
}

// sentence makes a library's sentence one of ours: no capital, no full stop.
func sentence(s string) string {
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	if s == "" {
		return s
	}
	first, n := utf8.DecodeRuneInString(s)
	if next, _ := utf8.DecodeRuneInString(s[n:]); next >= 'A' && next <= 'Z' {
		return s // an abbreviation
	}
	return strings.ToLower(string(first)) + s[n:]
}

// Errors of readBounded.
var (
	errTooLarge   = errors.New("it is larger than is read")
	errNotRegular = errors.New("it is not a regular file")
)

// readBounded returns the content of a file of at most limit octets.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = errTooLarge
	}
	return text, err
}

// cause strips the operation and the path from an error of the file system, and
// says the usual ones in the same words on every system.
func cause(err error) error {
	for _, known := range []error{fs.ErrNotExist, fs.ErrPermission} {
		if errors.Is(err, known) {
			return known
		}
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// blocks returns the top-level blocks of all files in order.
func blocks(sources []*source) []*hclsyntax.Block {
	var all []*hclsyntax.Block
	for _, src := range sources {
		all = append(all, src.body.Blocks...)
	}
	return all
}

// inOrder returns the attributes of a body in order of the source.
func inOrder(attrs hclsyntax.Attributes) []*hclsyntax.Attribute {
	list := make([]*hclsyntax.Attribute, 0, len(attrs))
	for _, a := range attrs {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	return list
}
