package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden parts of testdata")

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const password = "correct horse battery staple"

// inDir makes a directory of the files the working directory.
func inDir(t testing.TB, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

// TestDiagnostics loads each archive and compares all that is said about it
// with the archive's last file.
func TestDiagnostics(t *testing.T) {
	archives, err := filepath.Glob("testdata/diagnostics/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	t.Setenv("ROLLCALL_TEST_PASSWORD", password)
	t.Setenv("ROLLCALL_TEST_EMPTY", "")
	for _, path := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			path, err := filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			files, want := map[string]string{}, ""
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
				} else {
					files[f.Name] = string(f.Data)
				}
			}
			inDir(t, files)
			config, diags := Load(".", now, testKinds)
			if (config == nil) != diags.HasErrors() || (diags.Err() == nil) == diags.HasErrors() {
				t.Errorf("config %v with %d errors, Err %v", config, diags.Count(Error), diags.Err())
			}
			var got bytes.Buffer
			if err := diags.Write(&got, false); err != nil {
				t.Fatal(err)
			}
			if *update {
				if len(archive.Files) > 0 && archive.Files[len(archive.Files)-1].Name == "want" {
					archive.Files = archive.Files[:len(archive.Files)-1]
				}
				archive.Files = append(archive.Files, txtar.File{Name: "want", Data: got.Bytes()})
				if err := os.WriteFile(path, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got.String(), "\n")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			checkMessages(t, diags, got.String())
		})
	}
}

// checkMessages holds all messages to the style of the program.
func checkMessages(t *testing.T, diags Diagnostics, printed string) {
	t.Helper()
	for _, d := range diags {
		for _, text := range []string{d.Summary, d.Hint} {
			if strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "...") {
				t.Errorf("%q ends in a full stop", text)
			}
			if len(text) > 1 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z' {
				t.Errorf("%q begins with a capital", text)
			}
		}
		if d.Hint == "" {
			t.Errorf("%q has no hint", d.Summary)
		}
	}
	for _, secret := range []string{password, strings.ToUpper(password), "hunter2", "\x1b", "\a", "\u202e"} {
		if strings.Contains(printed, secret) {
			t.Errorf("%q was printed", secret)
		}
	}
}
