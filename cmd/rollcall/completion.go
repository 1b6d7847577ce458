package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell choice `arg:"" words:"bash,zsh,fish,powershell" help:"bash, zsh, fish or powershell."`
}

func (completionCommand) Help() string {
	return `Prints a script that completes commands, flags, and values from a fixed list, such as formats, in a shell. Files are completed by the shell itself.

Examples:
  rollcall completion bash > /etc/bash_completion.d/rollcall
  echo 'source <(rollcall completion zsh)' >> ~/.zshrc
  rollcall completion fish > ~/.config/fish/completions/rollcall.fish
  rollcall completion powershell >> $PROFILE

Exit codes: 0 done; 80 wrong usage.`
}

func (c *completionCommand) Run(s *session, k *kong.Kong) error {
	places := completions("", k.Model.Node)
	switch c.Shell {
	case "bash":
		return bashCompletion(s.stdout, places)
	case "zsh":
		return zshCompletion(s.stdout, places)
	case "fish":
		return fishCompletion(s.stdout, places)
	}
	return powershellCompletion(s.stdout, places)
}

// place is a command, by its words, and what may follow it.
type place struct {
	path  string
	words []word // commands, and arguments from a list
	flags []completedFlag
	files bool // an argument may be a file
}

// word is what can be typed, and its help.
type word struct{ text, help string }

// completedFlag is a flag. Its values are nil where any can be typed.
type completedFlag struct {
	word
	short  string // "" for none
	valued bool   // a value follows
	values []string
}

// completions lists each command below node with what may follow it.
func completions(path string, node *kong.Node) []place {
	p := place{path: path}
	var below []place
	for _, child := range node.Children {
		if child.Type == kong.CommandNode && !child.Hidden {
			p.words = append(p.words, word{child.Name, child.Help})
			below = append(below, completions(strings.TrimSpace(path+" "+child.Name), child)...)
		}
	}
	for _, flag := range flagsOf(node) {
		f := completedFlag{word: word{"--" + flag.Name, flag.Help}, valued: !flag.IsBool(), values: wordsFor(flag.Tag)}
		if flag.Short != 0 {
			f.short = "-" + string(flag.Short)
		}
		p.flags = append(p.flags, f)
	}
	for _, arg := range node.Positional {
		known := wordsFor(arg.Tag)
		if path == "help" {
			known = childNames(node.Parent)
		}
		for _, name := range known {
			p.words = append(p.words, word{name, ""})
		}
		p.files = p.files || known == nil
	}
	return append([]place{p}, below...)
}

// typed are all words that a place completes.
func (p *place) typed() (all []string) {
	for _, w := range p.words {
		all = append(all, w.text)
	}
	for _, f := range p.flags {
		all = append(all, f.text)
	}
	return all
}

// names are those of a flag, long and short.
func (f *completedFlag) names() []string {
	return slices.DeleteFunc([]string{f.text, f.short}, func(name string) bool { return name == "" })
}

// bashCompletion finds the command that was typed so far and offers its words, or,
// behind a flag that takes a value, those that it may be; where none fits, the shell
// offers files. Bash parts words at "=".
func bashCompletion(w io.Writer, places []place) error {
	var known []string
	var cases, values strings.Builder
	for _, p := range places {
		at := strings.TrimRight(" "+p.path, " ")
		if p.path != "" {
			known = append(known, "' "+p.path+"'")
		}
		fmt.Fprintf(&cases, "    '%s') words='%s' ;;\n", at, strings.Join(p.typed(), " "))
		for _, f := range p.flags {
			for _, name := range f.names() {
				if f.valued {
					fmt.Fprintf(&values, "    '%s %s') words='%s' ;;\n", at, name, strings.Join(f.values, " "))
				}
			}
		}
	}
	_, err := fmt.Fprintf(w, `_rollcall() {
  local word words='' path='' cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
  for word in "${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do
    case "$path $word" in
      %s) path="$path $word" ;;
    esac
  done
  if [[ $cur == = ]]; then
    cur=''
  elif [[ $prev == = ]]; then
    prev="${COMP_WORDS[COMP_CWORD-2]}"
    [[ $prev == -* ]] || prev=-
  fi
  case "$path" in
%s  esac
  case "$path $prev" in
%s    *' -') words='' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _rollcall rollcall
`, strings.Join(known, "|"), cases.String(), values.String())
	return err
}

// zshCompletion can be sourced, or lie as _rollcall in a folder of fpath: then zsh runs
// it when rollcall is completed for the first time, and expects that it does so.
func zshCompletion(w io.Writer, places []place) error {
	if _, err := io.WriteString(w, "#compdef rollcall\nautoload -U +X bashcompinit && bashcompinit\n"); err != nil {
		return err
	}
	if err := bashCompletion(w, places); err != nil {
		return err
	}
	_, err := io.WriteString(w, "[[ ${funcstack[1]} != _rollcall ]] || _bash_complete -o default -F _rollcall\n")
	return err
}

func fishCompletion(w io.Writer, places []place) error {
	var b, known strings.Builder
	quoted := func(text string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'" }
	for _, p := range places[1:] {
		fmt.Fprintf(&known, " '%s'", p.path)
	}
	fmt.Fprintf(&b, `function __rollcall_at
  set -l path
  for word in (commandline -opc)[2..-1]
    contains -- "$path$word"%s; and set path "$path$word "
  end
  test (string trim -- "$path ") = "$argv"
end
complete -c rollcall -f
`, known.String())
	for _, p := range places {
		at := "complete -c rollcall -n '__rollcall_at " + p.path + "'"
		for _, word := range p.words {
			fmt.Fprintf(&b, "%s -a %s -d %s\n", at, word.text, quoted(word.help))
		}
		if p.files {
			b.WriteString(at + " -F\n")
		}
		for _, f := range p.flags {
			fmt.Fprintf(&b, "%s -l %s", at, f.text[2:])
			if f.short != "" {
				fmt.Fprintf(&b, " -s %s", f.short[1:])
			}
			switch {
			case f.values != nil:
				fmt.Fprintf(&b, " -x -a '%s'", strings.Join(f.values, " "))
			case f.valued:
				b.WriteString(" -r -F")
			}
			fmt.Fprintf(&b, " -d %s\n", quoted(f.help))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func powershellCompletion(w io.Writer, places []place) error {
	var b strings.Builder
	b.WriteString("Register-ArgumentCompleter -Native -CommandName rollcall -ScriptBlock {\n" +
		"  param($wordToComplete, $commandAst, $cursorPosition)\n  $places = @{\n")
	for _, p := range places {
		fmt.Fprintf(&b, "    '%s' = '%s'\n", p.path, strings.Join(p.typed(), " "))
	}
	b.WriteString("  }\n  $values = @{\n")
	for _, p := range places {
		for _, f := range p.flags {
			for _, name := range f.names() {
				if f.values != nil {
					fmt.Fprintf(&b, "    '%s %s' = '%s'\n", p.path, name, strings.Join(f.values, " "))
				}
			}
		}
	}
	b.WriteString(`  }
  $path = ''
  $last = ''
  foreach ($element in $commandAst.CommandElements | Select-Object -Skip 1) {
    if ($element.Extent.EndOffset -ge $cursorPosition) { break }
    $last = "$element"
    $next = "$path $element".Trim()
    if ($places.ContainsKey($next)) { $path = $next }
  }
  $words = $places[$path]
  if ($values.ContainsKey("$path $last")) { $words = $values["$path $last"] }
  $words.Split(' ') | Where-Object { $_ -like "$wordToComplete*" } |
    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`)
	_, err := io.WriteString(w, b.String())
	return err
}
