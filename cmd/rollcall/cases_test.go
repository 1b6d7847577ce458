package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestCases runs the cases in testdata/cases: data as servers and their tools
// write it. Each folder has a configuration, r.hcl, and data; EXPECT.txt says what
// the situation is and what is right, and want.txt is that as a script, one step a
// line:
//
//	copy FROM TO                          copies a file
//	rollcall ARG...                       runs the program; it must exit with 0,
//	exit CODE                             or with the code on the next line
//	says TEXT, silent TEXT                the last run said so, or did not
//	changes N, rejections N, accounts N   how many the last plan, and now the state, have
//	change CATEGORY ADDRESS KEY=VALUE...  the last plan has this change
//	rejection REASON ADDRESS KEY=VALUE... or this rejection
//	account PRIMARY KEY=VALUE...          the state has this account now
//	receipt KEY VALUE                     the last plan's first directory has this value
//
// What the program says is compared without line breaks and repeated spaces. A KEY
// of something within something has dots, as passed_over.deleted; a list is its
// values, joined by commas.
func TestCases(t *testing.T) {
	folders, err := filepath.Glob("testdata/cases/*/r.hcl")
	if err != nil || len(folders) < 100 {
		t.Fatalf("%d cases, %v", len(folders), err)
	}
	for _, path := range folders {
		folder := filepath.Dir(path)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			t.Parallel()
			if about, err := os.ReadFile(filepath.Join(folder, "EXPECT.txt")); err != nil || len(bytes.TrimSpace(about)) == 0 {
				t.Errorf("the case does not say what is right: %v", err)
			}
			runCase(t, folder)
		})
	}
}

// caseRun is a case that is being run.
type caseRun struct {
	*testing.T
	dir  string
	said string
	code exitCode
	// asked is set once the exit code of the last run was compared.
	asked bool
	plan  struct{ Directories, Changes, Rejections []row }
}

func runCase(t *testing.T, folder string) {
	script, err := os.ReadFile(filepath.Join(folder, "want.txt"))
	if err != nil {
		t.Fatal(err)
	}
	c := &caseRun{T: t, dir: t.TempDir(), asked: true}
	if err := os.CopyFS(c.dir, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	tests := 0
	lines := bufio.NewScanner(bytes.NewReader(script))
	for n := 1; lines.Scan(); n++ {
		verb, rest, _ := strings.Cut(strings.TrimSpace(lines.Text()), " ")
		if verb == "" || strings.HasPrefix(verb, "#") {
			continue
		}
		if verb != "exit" {
			c.exits(exitOK)
		}
		if verb != "copy" && verb != "rollcall" {
			tests++
		}
		if why := c.step(verb, rest); why != "" {
			t.Errorf("want.txt:%d: %s %s: %s\n%s", n, verb, rest, why, c.said)
		}
	}
	c.exits(exitOK)
	if tests == 0 {
		t.Error("want.txt tests nothing")
	}
}

// exits compares the exit code of the last run, once.
func (c *caseRun) exits(want exitCode) {
	if !c.asked && c.code != want {
		c.Errorf("exit code %d, want %d\n%s", c.code, want, c.said)
	}
	c.asked = true
}

// step does one step and returns what is wrong.
func (c *caseRun) step(verb, rest string) string {
	args := strings.Fields(rest)
	switch verb {
	case "copy":
		data, err := os.ReadFile(filepath.Join(c.dir, args[0]))
		if err == nil {
			err = os.WriteFile(filepath.Join(c.dir, args[1]), data, 0o600)
		}
		if err != nil {
			return err.Error()
		}
	case "rollcall":
		c.run(args)
	case "exit":
		code, err := strconv.Atoi(rest)
		if err != nil {
			return err.Error()
		}
		c.exits(exitCode(code))
	case "says", "silent":
		if strings.Contains(strings.Join(strings.Fields(c.said), " "), rest) != (verb == "says") {
			return "not so"
		}
	case "changes":
		return count(rest, c.plan.Changes)
	case "rejections":
		return count(rest, c.plan.Rejections)
	case "accounts":
		return count(rest, c.accounts())
	case "change":
		return has(c.plan.Changes, append([]string{"category=" + args[0], "address=" + args[1]}, args[2:]...))
	case "rejection":
		return has(c.plan.Rejections, append([]string{"reason=" + args[0], "address=" + args[1]}, args[2:]...))
	case "account":
		return has(c.accounts(), append([]string{"primary=" + args[0]}, args[1:]...))
	case "receipt":
		return has(c.plan.Directories[:1], []string{strings.Replace(rest, " ", "=", 1)})
	default:
		return "unknown step"
	}
	return ""
}

// run runs the program. A plan is read from its JSON.
func (c *caseRun) run(args []string) {
	all := append([]string{"-C", c.dir}, args...)
	for i, arg := range all {
		if arg == "import" && i+1 < len(all) {
			all[i+1] = filepath.Join(c.dir, all[i+1])
		}
	}
	saved := filepath.Join(c.dir, "plan.json")
	if args[0] == "plan" {
		all = append(all, "-o", "text", "-o", "json="+saved)
	}
	out, talk, code := at(context.Background(), strings.NewReader(""), false, all...)
	c.said, c.code, c.asked = strings.ReplaceAll(out+talk, c.dir+string(filepath.Separator), ""), code, false
	if args[0] != "plan" {
		return
	}
	c.plan.Directories, c.plan.Changes, c.plan.Rejections = nil, nil, nil
	if data, err := os.ReadFile(saved); err == nil {
		if err := json.Unmarshal(data, &c.plan); err != nil {
			c.Error(err)
		}
		_ = os.Remove(saved)
	}
}

// accounts returns those of the state.
func (c *caseRun) accounts() (all []row) {
	out, talk, code := at(context.Background(), strings.NewReader(""), false, "-C", c.dir, "state", "list", "-o", "json")
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != exitOK {
		c.Errorf("state list: exit code %d, %v, %s", code, err, talk)
	}
	return all
}

func count(want string, rows []row) string {
	if strconv.Itoa(len(rows)) == want {
		return ""
	}
	return fmt.Sprintf("there are %d: %v", len(rows), rows)
}

// has returns "" if one of the rows has all values, else what there is.
func has(rows []row, pairs []string) string {
	if slices.ContainsFunc(rows, func(r row) bool {
		return !slices.ContainsFunc(pairs, func(pair string) bool {
			key, want, _ := strings.Cut(pair, "=")
			return valueOf(r, key) != want
		})
	}) {
		return ""
	}
	return fmt.Sprintf("there are %v", rows)
}

// valueOf returns a value of a row as text.
func valueOf(r row, key string) string {
	var v any = r
	for part := range strings.SplitSeq(key, ".") {
		m, ok := v.(row)
		if !ok {
			return "nothing"
		}
		v = m[part]
	}
	if list, ok := v.([]any); ok {
		texts := make([]string, len(list))
		for i, x := range list {
			texts[i] = fmt.Sprint(x)
		}
		return strings.Join(texts, ",")
	}
	return fmt.Sprint(v)
}
