package config

import (
	"fmt"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/words"
)

// bindPassword is the secret that is misspelt most.
const bindPassword = "bind_password"

// blockType is a kind of block.
type blockType struct {
	name       string
	labelled   bool
	attributes []string
	// secrets are those of the attributes whose values are secrets.
	secrets []string
	// references are those of the attributes that name other blocks.
	references []string
	blocks     []blockType
	example    string // of its header
	// page has all attributes; "" for that of the configuration.
	page string
}

// misspelt is the hint for an attribute that the block does not have.
func (t *blockType) misspelt(name string) string {
	if t.page == testPage && t.labelled && words.Nearest(name, []string{"address"}) != "" {
		return "the label is the address: " + t.example
	}
	if t.page != "" {
		return suggest(name, t.attributes, "%s", t.page)
	}
	return didYouMean(name, t.attributes, "%s")
}

// blockTypes are what a configuration consists of, without what belongs to the
// kinds of directories and consoles.
var blockTypes = []blockType{
	{name: directoryBlock, labelled: true, attributes: []string{"kind"}, example: `directory "corp" {`},
	{name: consoleBlock, labelled: true, attributes: consoleAttributes, example: `console "gateway" {`},
	{name: "domain", labelled: true, attributes: []string{"aliases", "public", "alias_for", "ignore"}, example: `domain "example.com" {`},
	{name: "scope", labelled: true, attributes: []string{
		"directory", "base_dn", "filter", "domains", "primary_attribute", "alias_attributes", "username_attribute", "guid_attribute",
		"type", "disabled", "adopt", "on_guid_change", "attributes", "max_length",
	}, references: []string{directoryBlock}, example: `scope "staff" {`},
	{name: prerequisiteBlock, labelled: true, attributes: []string{"directory", "base_dn", "filter", "attribute", "match", "scopes", "overdue"},
		references: []string{directoryBlock, "scopes"}, example: `prerequisite "in-the-cloud" {`},
	{name: "protected", labelled: true, attributes: []string{"addresses", "reason"}, example: `protected "executives" {`},
	{name: "legal_hold", labelled: true, attributes: []string{"addresses", "reason", "until"}, example: `legal_hold "case-1" {`},
	{name: "limits", attributes: []string{
		"deactivations", "deactivations_percent", "removals", "removals_percent", "primary_changes", "primary_changes_percent",
	}, example: `limits {`},
	{name: "risk", attributes: []string{"medium_percent", "high_percent", "roles"}, example: `risk {`},
	{name: heartbeatBlock, attributes: []string{"ping", "textfile", "stale_after"}, secrets: []string{"ping"}, example: `heartbeat {`},
	{name: notifyBlock, labelled: true, attributes: []string{"on", "repeat", "redact"}, example: `notify "ops" {`},
	{name: stateBlock, attributes: []string{"path", "history_days", "history_runs"}, example: `state {`},
	{name: localsBlock, example: `locals {`},
}

// named returns the name with its article.
func (t blockType) named() string {
	if strings.ContainsRune("aeiou", rune(t.name[0])) {
		return "an " + t.name
	}
	return "a " + t.name
}

const (
	directoryBlock    = "directory"
	scopeBlock        = "scope"
	prerequisiteBlock = "prerequisite"
	consoleBlock      = "console"
	heartbeatBlock    = "heartbeat"
	notifyBlock       = "notify"
	stateBlock        = "state"
	localsBlock       = "locals"
	localRoot         = "local"
)

func blockTypeOf(types []blockType, name string) (blockType, bool) {
	for _, t := range types {
		if t.name == name {
			return t, true
		}
	}
	return blockType{}, false
}

func blockNames(types []blockType) []string {
	var names []string
	for _, t := range types {
		names = append(names, t.name)
	}
	return names
}

// didYouMean is the hint for a misspelt name: the likely one as format writes
// it, or else all there are.
func didYouMean(given string, candidates []string, format string) string {
	return suggest(given, candidates, format, "docs/reference/configuration.md")
}

// suggest is didYouMean with the page that lists them all.
func suggest(given string, candidates []string, format, page string) string {
	if s := words.Nearest(given, candidates); s != "" {
		return fmt.Sprintf("did you mean "+format+"?", s)
	}
	const most = 40
	switch {
	case len(candidates) == 0:
		return "there is none yet; declare it"
	case len(candidates) > most:
		return "check its spelling; " + page + " lists what there is"
	}
	return "expected " + words.Alternatives(candidates, format)
}
