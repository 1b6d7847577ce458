package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish,powershell" help:"bash, zsh, fish or powershell."`
}

func (completionCommand) Help() string {
	return `Prints a script that completes commands and flags in a shell.

Examples:
  rollcall completion bash > /etc/bash_completion.d/rollcall
  rollcall completion powershell >> $PROFILE

Exit codes: 0 done; 80 wrong usage.`
}

func (c *completionCommand) Run(s *session, k *kong.Kong) error {
	places := completions("", k.Model.Node)
	var err error
	switch c.Shell {
	case "bash":
		err = bashCompletion(s.stdout, places)
	case "zsh":
		if _, err = io.WriteString(s.stdout, "autoload -U +X bashcompinit && bashcompinit\n"); err == nil {
			err = bashCompletion(s.stdout, places)
		}
	case "fish":
		err = fishCompletion(s.stdout, places)
	case "powershell":
		err = powershellCompletion(s.stdout, places)
	}
	return err
}

// place is a command, by its words, and what may follow it.
type place struct {
	path  string
	words []string
}

// completions lists each command below node with its commands and flags.
func completions(path string, node *kong.Node) []place {
	p := place{path: path}
	var below []place
	for _, child := range node.Children {
		if child.Type == kong.CommandNode && !child.Hidden {
			p.words = append(p.words, child.Name)
			below = append(below, completions(strings.TrimSpace(path+" "+child.Name), child)...)
		}
	}
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			p.words = append(p.words, "--"+flag.Name)
		}
	}
	for _, arg := range node.Positional {
		if arg.Enum != "" {
			p.words = append(p.words, arg.EnumSlice()...)
		}
	}
	return append([]place{p}, below...)
}

// bashCompletion finds the command that was typed so far and offers its words;
// where none fits, the shell offers files.
func bashCompletion(w io.Writer, places []place) error {
	var known []string
	var cases strings.Builder
	for _, p := range places {
		if p.path != "" {
			known = append(known, "' "+p.path+"'")
		}
		fmt.Fprintf(&cases, "    '%s') words='%s' ;;\n", strings.TrimRight(" "+p.path, " "), strings.Join(p.words, " "))
	}
	_, err := fmt.Fprintf(w, `_rollcall() {
  local word words path=''
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
      %s) path="$path $word" ;;
    esac
  done
  case "$path" in
%s  esac
  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _rollcall rollcall
`, strings.Join(known, "|"), cases.String())
	return err
}

func fishCompletion(w io.Writer, places []place) error {
	var b strings.Builder
	b.WriteString("function __rollcall_at\n  set -l words (string match -v -- '-*' (commandline -opc)[2..-1])\n" +
		"  test \"$words\" = \"$argv\"\nend\n")
	for _, p := range places {
		for _, word := range p.words {
			if flag, ok := strings.CutPrefix(word, "--"); ok {
				fmt.Fprintf(&b, "complete -c rollcall -n '__rollcall_at %s' -l %s\n", p.path, flag)
			} else {
				fmt.Fprintf(&b, "complete -c rollcall -n '__rollcall_at %s' -f -a %s\n", p.path, word)
			}
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
		fmt.Fprintf(&b, "    '%s' = '%s'\n", p.path, strings.Join(p.words, " "))
	}
	b.WriteString(`  }
  $path = ''
  foreach ($element in $commandAst.CommandElements | Select-Object -Skip 1) {
    $next = "$path $element".Trim()
    if ($places.ContainsKey($next)) { $path = $next }
  }
  $places[$path].Split(' ') | Where-Object { $_ -like "$wordToComplete*" } |
    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_) }
}
`)
	_, err := io.WriteString(w, b.String())
	return err
}
