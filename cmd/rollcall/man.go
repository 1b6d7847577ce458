package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
)

type manCommand struct {
	Folder string `arg:"" name:"dir" help:"The folder of the pages; it is created if it is missing."`
}

func (manCommand) Help() string {
	return `Writes a man page for each command into a folder: rollcall.1, rollcall-plan.1, rollcall-state-import.1 and so on. They say what the help of the commands says.

Examples:
  rollcall man /usr/local/share/man/man1
  man -l man1/rollcall-plan.1

Exit codes: 0 done; 1 a page cannot be written; 80 wrong usage.`
}

func (c *manCommand) Run(s *session, k *kong.Kong) error {
	if err := os.MkdirAll(c.Folder, 0o755); err != nil {
		return err
	}
	return manPages(k.Model.Node, func(name string, page []byte) error {
		path := filepath.Join(c.Folder, name)
		if err := atomicfile.Write(path, func(w io.Writer) error {
			_, err := w.Write(page)
			return err
		}); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
		return os.Chmod(path, 0o644) // everybody may read a manual
	})
}

// manPages makes the page of a command and those of all below it.
func manPages(node *kong.Node, page func(name string, text []byte) error) error {
	if err := page(pageName(node)+".1", manPage(node)); err != nil {
		return err
	}
	for _, child := range node.Children {
		if err := manPages(child, page); err != nil {
			return err
		}
	}
	return nil
}

// pageName is that of the page of a command, without its section.
func pageName(node *kong.Node) string { return strings.ReplaceAll(commandName(node), " ", "-") }

// manPage writes a page in the macros of man(7).
func manPage(node *kong.Node) []byte {
	var b bytes.Buffer
	name := pageName(node)
	fmt.Fprintf(&b, ".TH %s 1 %s \"rollcall %s\" \"Rollcall Manual\"\n", strings.ToUpper(name), released, release)
	summary := node.Help
	if node.Parent == nil {
		summary, _, _ = strings.Cut(strings.TrimPrefix(node.Help, "Rollcall "), "\n")
	}
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(strings.TrimSuffix(summary, ".")))
	b.WriteString(".SH SYNOPSIS\n")
	fmt.Fprintf(&b, ".B %s\n", roff(commandName(node)))
	if len(node.Children) > 0 {
		b.WriteString(".I command\n")
	}
	for _, arg := range node.Positional {
		fmt.Fprintf(&b, "%s\n", roff(arg.Summary()))
	}
	b.WriteString("[\\fIflags\\fR]\n")

	text, examples, codes := helpParts(node.Detail)
	if node.Parent == nil {
		_, text, _ = strings.Cut(node.Help, "\n")
	}
	if text != "" {
		b.WriteString(".SH DESCRIPTION\n")
		writeProse(&b, text)
	}
	if len(node.Children) > 0 {
		b.WriteString(".SH COMMANDS\n")
		writeCommands(&b, node)
	}
	if len(node.Positional) > 0 {
		b.WriteString(".SH ARGUMENTS\n")
		for _, arg := range node.Positional {
			fmt.Fprintf(&b, ".TP\n%s\n%s\n", roff(arg.Summary()), roff(arg.Help))
		}
	}
	if flags := flagsOf(node); len(flags) > 0 {
		b.WriteString(".SH OPTIONS\n")
		for _, flag := range flags {
			b.WriteString(".TP\n")
			if flag.Short != 0 {
				fmt.Fprintf(&b, "\\fB\\-%c\\fR, ", flag.Short)
			}
			fmt.Fprintf(&b, "\\fB%s\\fR", roff("--"+flag.Name))
			if !flag.IsBool() {
				fmt.Fprintf(&b, "=\\fI%s\\fR", roff(flag.FormatPlaceHolder()))
			}
			fmt.Fprintf(&b, "\n%s\n", roff(flag.Help))
		}
	}
	if len(examples) > 0 {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n")
		for _, example := range examples {
			fmt.Fprintf(&b, "%s\n", roff(example))
		}
		b.WriteString(".fi\n")
	}
	if len(codes) > 0 {
		b.WriteString(".SH EXIT STATUS\n")
		for _, code := range codes {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", code[0], roff(code[1]))
		}
	}
	writeSeeAlso(&b, node)
	return b.Bytes()
}

// writeCommands lists the commands below one, by group, each with those below it.
func writeCommands(b *bytes.Buffer, node *kong.Node) {
	list := func(command *kong.Node, name string) {
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(name), roff(command.Help))
	}
	for _, group := range append([]kong.Group{{}}, groups...) {
		title := group.Title
		for _, child := range node.Children {
			if (child.Group == nil) != (group.Key == "") || child.Group != nil && child.Group.Key != group.Key {
				continue
			}
			if title != "" {
				fmt.Fprintf(b, ".SS %s\n", roff(strings.TrimSuffix(title, ":")))
				title = ""
			}
			list(child, child.Name)
			for _, below := range child.Children {
				list(below, child.Name+" "+below.Name)
			}
		}
	}
}

// writeSeeAlso names the page above and those beside or below a command.
func writeSeeAlso(b *bytes.Buffer, node *kong.Node) {
	var names []string
	if node.Parent != nil {
		names = append(names, pageName(node.Parent))
	}
	for _, child := range node.Children {
		names = append(names, pageName(child))
	}
	b.WriteString(".SH SEE ALSO\n")
	for i, name := range names {
		comma := ","
		if i == len(names)-1 {
			comma = ""
		}
		fmt.Fprintf(b, ".BR %s (1)%s\n", roff(name), comma)
	}
}

func writeProse(b *bytes.Buffer, text string) {
	for i, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		fmt.Fprintf(b, "%s\n", roff(strings.TrimSpace(paragraph)))
	}
}

var (
	examplesHead = regexp.MustCompile(`(?m)^Examples?:\n`)
	codesHead    = regexp.MustCompile(`(?m)^Exit codes: `)
	codeHead     = regexp.MustCompile(`(?:^|; )(\d+) `)
)

// helpParts divides the help of a command into prose, example lines and exit codes
// with their meanings.
func helpParts(help string) (text string, examples []string, codes [][2]string) {
	if at := codesHead.FindStringIndex(help); at != nil {
		list, rest, _ := strings.Cut(help[at[1]:], ". ")
		list = strings.TrimSuffix(list, ".")
		heads := codeHead.FindAllStringSubmatchIndex(list, -1)
		for i, head := range heads {
			end := len(list)
			if i+1 < len(heads) {
				end = heads[i+1][0]
			}
			codes = append(codes, [2]string{list[head[2]:head[3]], list[head[1]:end]})
		}
		help = around(help[:at[0]], rest)
	}
	if at := examplesHead.FindStringIndex(help); at != nil {
		rest := help[at[1]:]
		for line := range strings.Lines(rest) {
			if !strings.HasPrefix(line, "  ") {
				break
			}
			examples = append(examples, strings.TrimSpace(line))
			rest = strings.TrimPrefix(rest, line)
		}
		help = around(help[:at[0]], rest)
	}
	return strings.TrimSpace(help), examples, codes
}

// around joins what stands before and behind a part that was taken out.
func around(before, behind string) string {
	return strings.TrimSpace(strings.TrimSpace(before) + "\n\n" + strings.TrimSpace(behind))
}

// roff writes text so that a formatter of man pages shows it as it is.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "\n", " ").Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
