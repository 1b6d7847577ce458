package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/docs/reference/schema"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/lint"
	"github.com/rollcall-cli/rollcall/internal/words"
	"github.com/rollcall-cli/rollcall/plan"
)

// choice is a flag or an argument that is one of a few words: those of its tag
// "words", which has them, or the name of a list. A shell completes them.
type choice string

// lists are those words that the program has elsewhere.
var lists = map[string]func() []string{
	"consoles": func() (names []string) {
		for _, kind := range consoles.Settings() {
			names = append(names, kind.Name)
		}
		return names
	},
	"risks":       plan.RiskLevels,
	"schemas":     schema.Names,
	"separators":  separatorNames,
	"directories": func() []string { return []string{config.ActiveDirectory, config.LDAP} },
	"categories":  plan.CategoryNames,
	"severities": func() (names []string) {
		for _, s := range lint.Severities {
			names = append(names, s.String())
		}
		return names
	},
}

// wordsFor returns the words that a flag or an argument may be; nil where it may be
// anything.
func wordsFor(tag *kong.Tag) []string {
	if report := tag.Get("report"); report != "" {
		return formatsOf(report)
	}
	name := tag.Get("words")
	if list, ok := lists[name]; ok {
		return list()
	}
	if name == "" {
		return nil
	}
	return strings.Split(name, ",")
}

// Decode takes a word that may stand here.
func (c *choice) Decode(ctx *kong.DecodeContext) error {
	var given string
	if err := ctx.Scan.PopValueInto(ctx.Value.Name, &given); err != nil {
		return err
	}
	if known := wordsFor(ctx.Value.Tag); !slices.Contains(known, given) {
		what := ctx.Value.Name
		if ctx.Value.Flag != nil {
			what = strings.ToLower(ctx.Value.Flag.PlaceHolder)
		}
		return words.Unknown(what, given, known)
	}
	*c = choice(given)
	return nil
}
