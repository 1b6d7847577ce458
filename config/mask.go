package config

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// mask finds the expressions that spell a secret, in all files together, and
// keeps them out of snippets. It works on tokens, so that it also holds for
// files that do not parse.
//
// A name that looks like one of a secret gets its expression masked, unless
// that only calls functions, env and file by literal names, and mentions
// locals; the locals it mentions are then names of secrets too. Those are
// returned. A URL with a user in it is masked whatever its name. What is
// commented out counts as what is not.
func mask(sources []*source) map[string]bool {
	secrets := map[string]bool{}
	for n := -1; n < len(secrets); {
		n = len(secrets)
		for _, src := range sources {
			src.masks = nil
			maskTokens(src, secrets)
		}
	}
	return secrets
}

// secretName reports whether a name looks like one of a secret, or like a
// misspelling of one.
func secretName(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"pass", "pwd", "secret", "token", "credential"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return name == "ping" || len(name) <= 2*len(bindPassword) && levenshtein.Distance(name, bindPassword, nil) <= 4
}

// shownInNotify are the names in notify blocks that are none of secrets, whatever they
// are written like: who knows the URL of a webhook can send, and it may stand anywhere.
var shownInNotify = []string{"on", "repeat", "redact", "mail", "webhook", "server", "from", "to", "username", "auth", "format", "ca_file", "insecure"}

// maskedAnywhere are the names that are masked in comments, because they may belong to
// a notify block.
var maskedAnywhere = []string{"url", "uri"}

func maskTokens(src *source, secrets map[string]bool) {
	tokens := src.tokens
	notify := 0 // the index of the token that ends the block at hand
	for i := 0; i < len(tokens); i++ {
		if tokens[i].Type == hclsyntax.TokenComment {
			from := i
			for tokens[i+1].Type == hclsyntax.TokenComment {
				i++
			}
			maskComments(src, tokens[from:i+1], secrets)
			continue
		}
		if tokens[i].Type == hclsyntax.TokenOQuote {
			end := templateEnd(tokens, i)
			if whole := (span{tokens[i].Range.Start.Byte, tokens[end-1].Range.End.Byte}); login.Match(src.text[whole.start:whole.end]) {
				src.masks = append(src.masks, whole)
				for _, local := range localsIn(tokens[i:end]) {
					secrets[local] = true
				}
				i = end - 1
				continue
			}
		}
		name, behind := key(tokens, i)
		if name == notifyBlock && i >= notify {
			notify = blockEnd(tokens, behind)
			continue
		}
		if name == "" || !secrets[name] && !secretName(name) && (i >= notify || slices.Contains(shownInNotify, name)) {
			continue
		}
		start := behind
		if t := tokens[start].Type; t == hclsyntax.TokenEqual || t == hclsyntax.TokenColon {
			start++
		}
		end := expressionEnd(tokens, start)
		for _, local := range localsIn(tokens[start:end]) {
			secrets[local] = true
		}
		if start < end && !harmless(tokens[start:end]) {
			src.masks = append(src.masks, span{tokens[start].Range.Start.Byte, tokens[end-1].Range.End.Byte})
		}
		i = max(i, end-1)
	}
	src.masks = merged(src.masks)
}

// login finds the user and the password of a URL.
var login = regexp.MustCompile(`://[^/?#\s]*@`)

// commentedLogin finds the same in what may be prose, and the words around it.
var commentedLogin = regexp.MustCompile(`"[^"\n]*://[^/?#\s"]*@[^"\n]*"?|\S*://[^/?#\s"]*@\S*`)

// templateEnd returns the index of the token behind the text in quotes that
// token i begins.
func templateEnd(tokens hclsyntax.Tokens, i int) int {
	for depth := 0; i < len(tokens); i++ {
		switch tokens[i].Type {
		case hclsyntax.TokenOQuote, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCQuote, hclsyntax.TokenTemplateSeqEnd:
			if depth--; depth == 0 {
				return i + 1
			}
		case hclsyntax.TokenEOF:
			return i
		}
	}
	return i
}

// assignment finds, in what may be prose, a name and where its value begins.
var assignment = regexp.MustCompile(`([\p{L}_][\p{L}\p{M}\p{N}_-]*)"?[ \t]*[=:][ \t]*(\S)`)

// maskComments does the same in comments that follow each other. A value there
// goes on at least to the end of its line.
func maskComments(src *source, comments hclsyntax.Tokens, secrets map[string]bool) {
	first := comments[0].Range.Start.Byte
	text := uncommented(src.text, comments)
	for _, found := range commentedLogin.FindAllIndex(text, -1) {
		src.masks = append(src.masks, span{first + found[0], first + found[1]})
	}
	for at := 0; ; {
		found := assignment.FindSubmatchIndex(text[at:])
		if found == nil {
			return
		}
		name, start := string(text[at+found[2]:at+found[3]]), at+found[4]
		at = start
		if !secrets[name] && !secretName(name) && !slices.Contains(maskedAnywhere, strings.ToLower(name)) {
			continue
		}
		value := commentedValue(text[start:])
		if len(value) == 0 { // but a byte order mark
			continue
		}
		for _, local := range localsIn(value) {
			secrets[local] = true
		}
		at = start + value[len(value)-1].Range.End.Byte
		if !harmless(value) {
			src.masks = append(src.masks, span{first + start, first + at})
		}
	}
}

// uncommented returns the text of comments with blanks for their marks.
func uncommented(text []byte, comments hclsyntax.Tokens) []byte {
	first := comments[0].Range.Start.Byte
	out := slices.Clone(text[first:comments[len(comments)-1].Range.End.Byte])
	for _, c := range comments {
		own := out[c.Range.Start.Byte-first : c.Range.End.Byte-first]
		marks := 2
		if own[0] == '#' {
			marks = 1
		}
		copy(own, "  "[:marks])
		if bytes.HasPrefix(c.Bytes, []byte("/*")) && bytes.HasSuffix(own, []byte("*/")) {
			copy(own[len(own)-2:], "  ")
		}
	}
	return out
}

// commentedValue returns the tokens of the expression that text begins with, and
// of what stands behind it in its line. It looks at more lines only as long as
// the expression is open.
func commentedValue(text []byte) hclsyntax.Tokens {
	for end := 0; ; end *= 2 {
		if i := bytes.IndexByte(text[min(end, len(text)):], '\n'); i >= 0 {
			end += i + 1
		} else {
			end = len(text)
		}
		tokens, _ := hclsyntax.LexConfig(text[:end], "", hcl.InitialPos)
		last := expressionEnd(tokens, 0)
		for last < len(tokens) && tokens[last].Type != hclsyntax.TokenNewline && tokens[last].Type != hclsyntax.TokenEOF {
			last++
		}
		if end == len(text) || last < len(tokens) && tokens[last].Type == hclsyntax.TokenNewline {
			return tokens[:last]
		}
	}
}

// key returns the name that token i begins, of an attribute, of an object's
// element or of a block, and the index of the token behind it; "" for none.
func key(tokens hclsyntax.Tokens, i int) (name string, behind int) {
	switch {
	case tokens[i].Type == hclsyntax.TokenIdent:
		if i > 0 && tokens[i-1].Type == hclsyntax.TokenDot || tokens[i+1].Type == hclsyntax.TokenOParen || tokens[i+1].Type == hclsyntax.TokenDot {
			return "", 0
		}
		return string(tokens[i].Bytes), i + 1
	case tokens[i].Type == hclsyntax.TokenOQuote && i+3 < len(tokens) && tokens[i+2].Type == hclsyntax.TokenCQuote &&
		(tokens[i+3].Type == hclsyntax.TokenEqual || tokens[i+3].Type == hclsyntax.TokenColon):
		return string(tokens[i+1].Bytes), i + 3
	}
	return "", 0
}

// blockEnd returns the index of the token behind the block whose labels begin at start;
// start where no block does.
func blockEnd(tokens hclsyntax.Tokens, start int) int {
	for i := start; i < len(tokens); i++ {
		switch tokens[i].Type {
		case hclsyntax.TokenOBrace:
			return expressionEnd(tokens, i)
		case hclsyntax.TokenNewline, hclsyntax.TokenEqual, hclsyntax.TokenEOF:
			return start
		}
	}
	return start
}

// expressionEnd returns the index of the token that ends the expression which
// begins at start.
func expressionEnd(tokens hclsyntax.Tokens, start int) int {
	depth := 0
	for i := start; i < len(tokens); i++ {
		switch tokens[i].Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			if depth--; depth < 0 {
				return i
			}
		case hclsyntax.TokenNewline, hclsyntax.TokenComment, hclsyntax.TokenComma:
			if depth == 0 {
				return i
			}
		case hclsyntax.TokenEOF:
			return i
		}
	}
	return len(tokens)
}

// harmless reports whether an expression shows no more than calls of functions
// and locals by their names, and the literal names that env and file read.
func harmless(tokens hclsyntax.Tokens) bool {
	at := func(i int) hclsyntax.TokenType {
		if i < 0 || i >= len(tokens) {
			return hclsyntax.TokenNil
		}
		return tokens[i].Type
	}
	for i := 0; i < len(tokens); i++ {
		switch tokens[i].Type {
		case hclsyntax.TokenOParen, hclsyntax.TokenCParen, hclsyntax.TokenComma, hclsyntax.TokenDot, hclsyntax.TokenNewline:
		case hclsyntax.TokenIdent:
			word := string(tokens[i].Bytes)
			_, function := functions[word]
			if at(i-1) != hclsyntax.TokenDot && word != localRoot && word != "null" && (!function || at(i+1) != hclsyntax.TokenOParen) {
				return false
			}
		case hclsyntax.TokenOQuote:
			if at(i-1) != hclsyntax.TokenOParen || at(i-2) != hclsyntax.TokenIdent || !readers[string(tokens[i-2].Bytes)] ||
				at(i+1) != hclsyntax.TokenQuotedLit || at(i+2) != hclsyntax.TokenCQuote {
				return false
			}
			i += 2
		default:
			return false
		}
	}
	return true
}

// localsIn returns the names of the locals that an expression mentions.
func localsIn(tokens hclsyntax.Tokens) []string {
	var names []string
	for i := 0; i+2 < len(tokens); i++ {
		if tokens[i].Type != hclsyntax.TokenIdent || string(tokens[i].Bytes) != localRoot {
			continue
		}
		switch {
		case tokens[i+1].Type == hclsyntax.TokenDot:
			names = append(names, string(tokens[i+2].Bytes))
		case tokens[i+1].Type == hclsyntax.TokenOBrack && i+3 < len(tokens):
			names = append(names, string(tokens[i+3].Bytes))
		}
	}
	return names
}

// merged returns parts of a source in order, each octet in one of them at most.
func merged(masks []span) []span {
	slices.SortFunc(masks, func(a, b span) int { return a.start - b.start })
	var parts []span
	for _, m := range masks {
		if n := len(parts); n > 0 && m.start <= parts[n-1].end {
			parts[n-1].end = max(parts[n-1].end, m.end)
		} else {
			parts = append(parts, m)
		}
	}
	return parts
}
