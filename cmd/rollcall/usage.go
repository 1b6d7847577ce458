package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/rollcall-cli/rollcall/internal/words"
)

// What kong says of a command line that it does not take.
var (
	unknownFlag   = regexp.MustCompile(`(?s)^unknown flag (.*?)(?:, did you mean .*)?$`)
	unknownWord   = regexp.MustCompile(`(?s)^unexpected argument (.*?)(?:, did you mean .*)?$`)
	missingWords  = regexp.MustCompile(`(?s)^expected (?:one of )?(".*)$`)
	missingFlags  = regexp.MustCompile(`(?s)^missing flags: (.*)$`)
	noDuration    = regexp.MustCompile(`(?s)^(--[\w-]+): expected duration but got (".*?")(?:: .*)?$`)
	noNumber      = regexp.MustCompile(`(?s)^(\S+): expected an? .*?int but got (".*?")(?: \(.*\))?$`)
	negative      = regexp.MustCompile(`(?s)^(--[\w-]+): expected int value but got "(-\d+)"`)
	noValue       = regexp.MustCompile(`(?s)^--([\w-]+): (?:expected \S+ value but got .*|missing value, expecting .*)$`)
	ofDefault     = regexp.MustCompile(`^flag (--[\w-]+) applies to the default command "(\S+)", not "(\S+)"$`)
	longForOutput = regexp.MustCompile(`^--output: `)
	argument      = regexp.MustCompile(`^[[<][\w-]+[]>]+: `)
)

// misuse returns the error of a command line that cannot be parsed: what is wrong in
// one sentence, with the word that was probably meant, and where to read on.
func misuse(err error) error {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		return usageError{err}
	}
	node := parse.Context.Selected()
	switch {
	case node == nil:
		node = parse.Context.Model.Node
	case node.Parent.DefaultCmd == node && len(node.Positional) == 0 && unknownWord.MatchString(err.Error()):
		node = node.Parent // the default stands for a command that is not there
	}
	return hinted{usageError{errors.New(inOurWords(parse, node))}, helpHint(node)}
}

// helpHint says where the help of a command is.
func helpHint(node *kong.Node) string {
	switch {
	case node.Parent == nil:
		return "rollcall --help lists the commands"
	case node.DefaultCmd != nil:
		return commandName(node) + " --help lists its commands and flags"
	case len(node.Children) > 0:
		return commandName(node) + " --help lists its commands"
	}
	return commandName(node) + " --help shows its flags, with examples"
}

func inOurWords(parse *kong.ParseError, node *kong.Node) string {
	text := strings.TrimPrefix(parse.Error(), node.Path()+": ")
	usage := func() string {
		return "usage: rollcall " + strings.ReplaceAll(node.Summary(), " ("+strings.Join(node.Aliases, ",")+")", "")
	}
	if m := unknownFlag.FindStringSubmatch(text); m != nil {
		return noFlag(parse.Context, node, m[1])
	}
	if m := unknownWord.FindStringSubmatch(text); m != nil {
		if len(node.Children) > 0 {
			return noCommand(parse.Context.Model.Node, node, m[1])
		}
		return fmt.Sprintf("unexpected argument %q; %s", m[1], usage())
	}
	if m := missingWords.FindStringSubmatch(text); m != nil {
		if len(node.Children) > 0 {
			return fmt.Sprintf("%s needs a command: %s", commandName(node), strings.Join(childNames(node), ", "))
		}
		return fmt.Sprintf("missing %s; %s", strings.NewReplacer(`"`, "", ",", "").Replace(m[1]), usage())
	}
	if m := missingFlags.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("missing %s; %s", m[1], usage())
	}
	if m := noDuration.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s: %s is not a duration such as 30s, 5m or 24h", m[1], m[2])
	}
	if m := negative.FindStringSubmatch(text); m != nil {
		return m[1] + " must not be negative"
	}
	if m := noValue.FindStringSubmatch(text); m != nil {
		for _, flag := range flagsOf(node) {
			if flag.Name == m[1] {
				return fmt.Sprintf("--%s needs a value, as in %s", m[1], flag.Summary())
			}
		}
	}
	if m := noNumber.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s: %s is not a whole number", m[1], m[2])
	}
	if m := ofDefault.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s goes with %s %s, not with %[2]s %[4]s", m[1], commandName(node), m[2], m[3])
	}
	text = argument.ReplaceAllString(longForOutput.ReplaceAllString(text, "-o: "), "")
	return strings.Replace(text, "-o: -o ", "-o ", 1)
}

// noFlag says that a command has no such flag, and which was meant, or which commands
// have it.
func noFlag(ctx *kong.Context, node *kong.Node, given string) string {
	var names []string
	for _, flag := range flagsOf(node) {
		names = append(names, "--"+flag.Name)
	}
	meant := given
	if !strings.HasPrefix(given, "--") {
		// A long flag behind one dash begins with a letter that is no flag.
		if i := slices.IndexFunc(ctx.Args, func(arg string) bool { return len(arg) > 3 && strings.HasPrefix(arg, given) }); i >= 0 {
			given, _, _ = strings.Cut(ctx.Args[i], "=")
			meant = "-" + given
		} else {
			return fmt.Sprintf("unknown flag %q", given)
		}
	}
	if near := words.Nearest(meant, names); near != "" {
		return fmt.Sprintf("unknown flag %q; did you mean %q?", given, near)
	}
	var others []string
	for _, leaf := range ctx.Model.Leaves(true) {
		if slices.ContainsFunc(leaf.Flags, func(f *kong.Flag) bool { return "--"+f.Name == meant }) {
			others = append(others, strings.TrimPrefix(commandName(leaf), "rollcall "))
		}
	}
	if len(others) > 0 {
		return fmt.Sprintf("unknown flag %q of %s; it goes with %s", given, commandName(node), strings.Join(others, ", "))
	}
	return fmt.Sprintf("unknown flag %q", given)
}

// noCommand says that there is no such command, and which was meant: one of those
// that may stand here, or one that is a word of another command.
func noCommand(root, node *kong.Node, given string) string {
	names := childNames(node)
	if words.Nearest(given, names) == "" {
		for _, leaf := range root.Leaves(true) {
			if leaf.Name == given {
				return fmt.Sprintf("unknown command %q; did you mean %q?", given, strings.TrimPrefix(commandName(leaf), "rollcall "))
			}
		}
	}
	if node == root && words.Nearest(given, names) == "" {
		return fmt.Sprintf("unknown command %q", given) // whose help lists them
	}
	return words.Unknown("command", given, names).Error()
}

// commandName is what is typed for a command.
func commandName(node *kong.Node) string {
	if node.Parent == nil {
		return "rollcall"
	}
	return commandName(node.Parent) + " " + node.Name
}

func childNames(node *kong.Node) (names []string) {
	for _, child := range node.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	return names
}

// flagsOf returns the flags that a command takes, those of its parents first.
func flagsOf(node *kong.Node) (flags []*kong.Flag) {
	for _, group := range node.AllFlags(true) {
		flags = append(flags, group...)
	}
	if node.DefaultCmd != nil {
		flags = append(flags, node.DefaultCmd.Flags...)
	}
	return flags
}
