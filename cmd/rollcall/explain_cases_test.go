package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/explain"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestExplainAfterCases: after each of the four cases was applied, the history says of
// every address of every account that was or is there whether it moved, and the first
// address of each category of changes is explained.
func TestExplainAfterCases(t *testing.T) {
	for _, c := range corpus.Cases(300) {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, files := range []corpus.Files{c.Before, c.After} {
				if err := files.Write(dir); err != nil {
					t.Fatal(err)
				}
				if _, talk, code := at(t.Context(), strings.NewReader(""), false, "-C", dir, "apply", "--auto-approve"); code != exitOK && code != exitWithheld {
					t.Fatalf("exit code %d\n%s", code, talk)
				}
			}
			s := &session{ctx: t.Context(), dir: dir, stderr: &bytes.Buffer{}, now: time.Now}
			cfg, err := s.configuration()
			if err != nil {
				t.Fatal(err)
			}
			progress := render.NewProgress(s.stderr, s.err, s.now)
			g, err := s.gather(cfg, reading{AllowEmpty: true}, [plan.Brakes]int{}, false, progress)
			if err != nil {
				t.Fatal(err)
			}
			var subjects []string
			seen := map[plan.Category]bool{}
			facts := map[identity.Address]bool{}
			for _, number := range []int{1, 2} {
				_, p, err := s.pastRun(number)
				if err != nil {
					t.Fatal(err)
				}
				for _, row := range p.Changes {
					if !seen[row.Category] {
						seen[row.Category] = true
						subjects = append(subjects, row.Address.String())
					}
				}
				for i := range p.Accounts {
					for _, a := range []*identity.Account{p.Accounts[i].Before, p.Accounts[i].After} {
						if a != nil {
							a.EachAddress(func(x identity.Address) { facts[x] = true })
						}
					}
				}
			}
			if c.Name == "broken-import" {
				showsWithheld(t, dir, subjects)
			}
			var all []plan.AddressFacts
			for x := range facts {
				all = append(all, plan.AddressFacts{Address: x.String()})
			}
			for some := range slices.Chunk(all, explain.MostPast) {
				past, err := s.whereabouts(cfg, &plan.Explanation{Addresses: some})
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range some { // each was somebody's once
					if !slices.ContainsFunc(past, func(p explain.Past) bool { return p.Address == x.Address }) {
						t.Errorf("the history says nothing of %s", x.Address)
					}
				}
			}
			for _, subject := range subjects {
				about, err := plan.ParseSubject(subject)
				if err != nil {
					t.Fatal(err)
				}
				document, err := (&explainCommand{Subject: subject}).explain(s, cfg, g, about, progress)
				if err != nil {
					t.Fatalf("%s: %v", subject, err)
				}
				if len(document.History) == 0 || document.Answer == "" {
					t.Errorf("%s: answer %q, history %v", subject, document.Answer, document.History)
				}
			}
		})
	}
}

// showsWithheld holds the history to what a brake has withheld, and to no reason that the
// record does not have.
func showsWithheld(t *testing.T, dir string, subjects []string) {
	t.Helper()
	var said string
	for _, subject := range subjects {
		out, _, _ := at(t.Context(), strings.NewReader(""), false, "-C", dir, "history", "--address", subject)
		said += out
	}
	if !strings.Contains(said, "inactive (withheld)") {
		t.Errorf("the history does not say what was withheld:\n%s", said)
	}
	out, _, _ := at(t.Context(), strings.NewReader(""), false, "-C", dir, "history", "show", "2")
	if !strings.Contains(out, "would lose all mail\n") || strings.Contains(out, "looked up") {
		t.Errorf("the record of the run says why mail is lost:\n%s", out)
	}
}

// TestExplainRemoved: an address is explained whose record an edit of the state, or an
// undo, has removed.
func TestExplainRemoved(t *testing.T) {
	t.Parallel()
	dir := quickstart(t)
	run := func(args ...string) string {
		t.Helper()
		out, talk, code := at(context.Background(), strings.NewReader(""), false, append([]string{"-C", dir}, args...)...)
		if code != exitOK {
			t.Fatalf("%v: exit code %d\n%s", args, code, talk)
		}
		return out
	}
	run("state", "remove", "printers@example.com")
	for address, want := range map[string]string{
		"printers@example.com": "the primary of a local user account until run 1",
		"scan@example.com":     "an alias of printers@example.com until run 1",
	} {
		if out := strings.Join(strings.Fields(run("explain", address)), " "); !strings.Contains(out, want) {
			t.Errorf("%s: %s", address, out)
		}
	}
	if out := run("explain", "leo@example.com"); !strings.Contains(out, `- if it is to stay, restore the object in directory "corp", or list the address in another entry`) {
		t.Errorf("leo@: %s", out)
	}
	run("apply", "--auto-approve")
	if out := strings.Join(strings.Fields(run("explain", "sales@example.com")), " "); !strings.Contains(out, "since run 2 (") || !strings.Contains(out, "before that the primary of Sales EMEA (list account of corp)") {
		t.Errorf("sales@: %s", out)
	}
	file := filepath.Join(dir, "corp.ldif")
	ldif, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Replace(ldif, []byte("proxyAddresses: smtp:nora@example.com\n"), nil, 1), 0o600); err != nil {
		t.Fatal(err)
	}
	out := run("explain", "nora@example.com")
	first, second := strings.Index(out, "- if it is to stay, give nora@example.com to Nora Novak in the directory\n      Set-ADObject"), strings.Index(out, "- if the loss is meant")
	if first < 0 || second < first {
		t.Errorf("nora@: %s", out)
	}
	if out := run("history", "--address", "sales@example.com"); !strings.Contains(out, "the primary of Sales EMEA (list account of corp)  the primary of Sales (list account of corp)") {
		t.Error(out)
	}
}

// TestExplainSentences: an answer says what comes back, which address takes the place of
// which, what keeps an address whose object is gone, and proposes a person's own name.
func TestExplainSentences(t *testing.T) {
	t.Parallel()
	dir := quickstart(t)
	file := filepath.Join(dir, "corp.ldif")
	ldif, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var rest [][]byte
	for _, record := range bytes.Split(ldif, []byte("\n\n")) {
		if !bytes.Contains(record, []byte("dn: CN=Mateo Silva,")) {
			rest = append(rest, record)
		}
	}
	if err := os.WriteFile(file, bytes.Join(rest, []byte("\n\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"mateo.silva@example.com": `legal hold "case-2026-017" (Contoso v. Example) keeps the account as it is; its object is gone.`,
		"reports@example.com":     "- give Weekly Reports another address in place of reports@example.com, such as weekly.reports@example.com, which is free",
		"rosa.reyes@example.com":  "rosa.reyes@example.com receives mail again as the primary of Rosa Reyes.",
		"maria.maier@example.com": "maria.maier@example.com becomes an alias of Maria Rossi, whose primary becomes maria.rossi@example.com.",
	} {
		out, talk, code := at(t.Context(), strings.NewReader(""), false, "-C", dir, "explain", address)
		if code != exitOK || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("%s: exit code %d, want %q\n%s%s", address, code, want, out, talk)
		}
	}
}
