package config

import (
	"bytes"
	"path/filepath"

	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Neighbours are the other files of the directory of one, which may show that
// what stands in it is a secret.
type Neighbours []*source

// NeighboursOf reads the configuration files that are in the directory of a
// file.
func NeighboursOf(path string) (Neighbours, error) {
	files, err := Files(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var others []string
	for _, file := range files {
		if filepath.Base(file) != filepath.Base(path) {
			others = append(others, file)
		}
	}
	return readSources(others)
}

// Format returns an HCL file in its canonical layout, with a line break at the
// end. The layout of a formatted file is its own. A file with syntax errors is
// not formatted; its name is for the diagnostics alone.
func Format(name string, src []byte, others Neighbours) ([]byte, Diagnostics) {
	r := &reporter{}
	if s := r.lexed(&source{path: name, text: src}); s != nil {
		mask(append(others, s))
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
func Conceal(src []byte, others Neighbours) string {
	s := newSource("", src)
	mask(append(others, s))
	return s.shown()
}

func layout(src []byte) []byte {
	out := hclwrite.Format(src)
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\n')
	}
	return out
}
