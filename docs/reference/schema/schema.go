// Package schema has the JSON Schemas (2020-12) of the documents that rollcall
// writes. Each stands alone, and takes no key that it does not name.
package schema

import (
	"embed"
	"strings"
)

//go:embed *.schema.json
var files embed.FS

const ending = ".schema.json"

// Names returns the names of the documents, in byte order.
func Names() (names []string) {
	found, err := files.ReadDir(".")
	if err != nil {
		panic(err) // of what is a part of the program
	}
	for _, file := range found {
		names = append(names, strings.TrimSuffix(file.Name(), ending))
	}
	return names
}

// Of returns the schema of a document, which must be one of [Names].
func Of(name string) []byte {
	text, err := files.ReadFile(name + ending)
	if err != nil {
		panic(err)
	}
	return text
}
