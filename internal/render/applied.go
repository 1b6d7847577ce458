package render

import "strings"

// AppliedLine says what an apply did to the accounts of a console: how many
// changes were applied and, where they were read again, how many of them are as
// asked and how many are not.
func AppliedLine(applied, verified, differ int) string {
	line := "applied " + number(applied)
	if verified+differ > 0 {
		line += ", verified " + number(verified)
	}
	if differ > 0 {
		line += ", " + number(differ) + oneOf(differ, " differs", " differ")
	}
	return line
}

// CanaryLine says that n account changes are made before all others.
func CanaryLine(n int) string {
	return "canary: " + count(n, "account change", "account changes") + " first"
}

// UnknownLine names the accounts of which nobody knows whether they were changed,
// "" for none.
func UnknownLine(accounts []string) string {
	if len(accounts) == 0 {
		return ""
	}
	return "unknown: the console did not answer for " + accountList(accounts) + "; the next run looks " + oneOf(len(accounts), "it", "them") + " up before it changes anything"
}

// UndecidedLine names the accounts of which only a person can say whose they are,
// "" for none.
func UndecidedLine(accounts []string) string {
	if len(accounts) == 0 {
		return ""
	}
	n := len(accounts)
	return "undecided: a run may have created " + accountList(accounts) + " before it was interrupted; " + oneOf(n, "it stays unchanged until you take it", "they stay unchanged until you take them") +
		" with rollcall state rebind, or leave " + oneOf(n, "it", "them") + " local"
}

// mostNames is how many accounts a sentence names.
const mostNames = 3

// accountList counts accounts and names the first of them.
func accountList(accounts []string) string {
	names := make([]string, 0, mostNames)
	for _, name := range accounts[:min(len(accounts), mostNames)] {
		names = append(names, clean(name))
	}
	list := strings.Join(names, ", ")
	if more := len(accounts) - mostNames; more > 0 {
		list += " and " + number(more) + " more"
	}
	return count(len(accounts), "account", "accounts") + " (" + list + ")"
}
