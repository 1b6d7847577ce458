package main

import (
	"slices"

	"github.com/alecthomas/kong"

	"github.com/rollcall-cli/rollcall/internal/words"
)

// Groups of commands, as the tag "group" names them.
var groups = []kong.Group{
	{Key: "daily", Title: "Every day:"},
	{Key: "investigate", Title: "Investigate:"},
	{Key: "state", Title: "The state:"},
	{Key: "setup", Title: "Set up:"},
}

// exited is the panic by which kong's help ends the parsing.
type exited struct{ code exitCode }

// newParser returns what parses a command line into cli.
func newParser(s *session, cli *commandLine) *kong.Kong {
	parser, err := kong.New(cli,
		kong.Name("rollcall"),
		kong.Description(description),
		kong.UsageOnError(),
		kong.Writers(s.stdout, s.stderr),
		kong.Exit(func(code int) { panic(exited{exitCode(code)}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: max(min(s.out.Width, 100), 72)}),
		kong.ExplicitGroups(groups),
		kong.Help(helpPrinter),
		kong.PostBuild(describe),
	)
	if err != nil {
		panic(err)
	}
	return parser
}

// helpPrinter shows with a command the flags of the one below it that it stands for.
func helpPrinter(o kong.HelpOptions, ctx *kong.Context) error {
	if node := ctx.Selected(); node != nil && node.DefaultCmd != nil {
		node.Flags = append(slices.Clip(node.Flags), node.DefaultCmd.Flags...)
	}
	return kong.DefaultHelpPrinter(o, ctx)
}

// describe writes the help of flags that follows from the formats of reports.
func describe(k *kong.Kong) error {
	return kong.Visit(k.Model.Node, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			if name := flag.Tag.Get("report"); name != "" {
				flag.Help = "Write as " + words.Alternatives(formatsOf(name), "%s") + "; to standard output without =FILE; repeatable."
			}
			if flag.Name == "help" {
				flag.Help = "Show the help of the command."
			}
		}
		return next(nil)
	})
}

type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The words of a command."`
}

func (helpCommand) Help() string {
	return `Shows the help of a command: what it does, its flags, examples, and its exit codes. Without a command, it lists them all.

Examples:
  rollcall help
  rollcall help plan
  rollcall help state import

Exit codes: 0 done; 80 there is no such command.`
}

func (c *helpCommand) Run(s *session) error {
	if _, err := newParser(s, &commandLine{}).Parse(append(c.Command, "--help")); err != nil {
		return misuse(err)
	}
	return nil
}
