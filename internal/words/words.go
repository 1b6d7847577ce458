// Package words answers those who wrote a word that is not one of those that may
// stand in its place: a category, a format, a flag, the label of a directory. It also
// spells words of commands that are suggested.
package words

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Nearest returns the known word that a misspelt one was probably meant to be,
// or "" where none is near. Letter case counts for nothing. A third of the letters
// may differ, and three at most; two letters in each other's place are one mistake.
// Where none is near so, it is the only word that begins as the given one.
func Nearest(given string, known []string) string {
	const longest = 64
	if given == "" || len(given) > longest {
		return ""
	}
	given = strings.ToLower(given)
	best, distance := "", min(3, max(1, len(given)/3))+1
	for _, word := range slices.Sorted(slices.Values(known)) {
		if len(word) > longest {
			continue
		}
		lower := strings.ToLower(word)
		d := levenshtein.Distance(given, lower, nil)
		if d == 2 && letters(given) == letters(lower) {
			d = 1
		}
		if d < distance {
			best, distance = word, d
		}
	}
	if best == "" {
		return begun(given, known)
	}
	return best
}

// begun returns the only word that begins with three letters or more, or "".
func begun(given string, known []string) (only string) {
	if len(strings.TrimLeft(given, "-")) < 3 {
		return ""
	}
	for _, word := range known {
		if strings.HasPrefix(strings.ToLower(word), given) {
			if only != "" {
				return ""
			}
			only = word
		}
	}
	return only
}

func letters(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(b)
}

// Unknown is the error of a word that is none of those that the program knows:
//
//	unknown category "adds"; did you mean "add"?
//	unknown format "yaml"; available: text, json
func Unknown(what, given string, known []string) error {
	if near := Nearest(given, known); near != "" {
		return fmt.Errorf("unknown %s %q; did you mean %q?", what, given, near)
	}
	return fmt.Errorf("unknown %s %q; available: %s", what, given, strings.Join(known, ", "))
}

// Undeclared is the error of a label that the configuration does not declare:
//
//	no directory "crop"; available: corp, lab; did you mean "corp"?
func Undeclared(what, given string, declared []string) error {
	text := fmt.Sprintf("no %s %q; available: %s", what, given, strings.Join(declared, ", "))
	if near := Nearest(given, declared); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return fmt.Errorf("%s", text)
}

// Alternatives lists names, each as format writes it: "a", "a or b", "a, b or c".
func Alternatives(names []string, format string) string {
	var b strings.Builder
	for i, name := range names {
		switch {
		case i > 0 && i == len(names)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, format, name)
	}
	return b.String()
}

// ForWindows returns a word as cmd.exe, PowerShell and the programs of Windows take it: in
// quotes where it is not plain. A quote in it, and each backslash before a quote, have a
// backslash before them (CommandLineToArgvW). What the shells replace in quotes, too, no
// spelling keeps from both: $ and backticks in PowerShell, % in cmd.exe.
func ForWindows(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(`@_+=:,./-\`, r)
	}
	if word != "" && word[0] != '@' && !strings.ContainsFunc(word, func(r rune) bool { return !plain(r) }) {
		return word
	}
	var b strings.Builder
	b.WriteByte('"')
	backslashes := 0
	for _, r := range word {
		switch r {
		case '\\':
			backslashes++
		case '"':
			b.WriteString(strings.Repeat(`\`, backslashes+1))
			backslashes = 0
		default:
			backslashes = 0
		}
		b.WriteRune(r)
	}
	b.WriteString(strings.Repeat(`\`, backslashes) + `"`)
	return b.String()
}
