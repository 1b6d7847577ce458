package config

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format returns an HCL file in its canonical layout, with a line break at the
// end. The layout of a formatted file is its own. A file with syntax errors is
// not formatted; its name is for the diagnostics alone.
func Format(name string, src []byte) ([]byte, Diagnostics) {
	r := &reporter{}
	s := &source{path: name, text: src}
	r.add(s)
	if r.checkText(s) {
		s.tokens, _ = hclsyntax.LexConfig(src, name, hcl.InitialPos)
		mask([]*source{s})
		r.parse(s)
	}
	if diags := r.finish(); diags.HasErrors() {
		return nil, diags
	}
	// What one pass of the library moves, a second may move further.
	out := layout(src)
	for range 8 {
		next := layout(out)
		if bytes.Equal(next, out) {
			break
		}
		out = next
	}
	return out, nil
}

// Conceal returns a configuration file with its secrets replaced, fit to be
// shown.
func Conceal(src []byte) []byte {
	s := &source{text: src}
	s.tokens, _ = hclsyntax.LexConfig(src, "", hcl.InitialPos)
	mask([]*source{s})
	return []byte(s.shown())
}

func layout(src []byte) []byte {
	out := hclwrite.Format(src)
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\n')
	}
	return out
}
