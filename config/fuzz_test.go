package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// loadAll loads one text as a configuration and holds the outcome to what is
// promised of every outcome.
func loadAll(t *testing.T, text []byte) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{"a.hcl": text, "password.txt": []byte(password), "case.txt": []byte("ann@example.com")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, diags := Load(dir, now, testKinds)
	if (config == nil) != diags.HasErrors() {
		t.Fatalf("config %v with errors %v", config, diags.Err())
	}
	var b bytes.Buffer
	if err := diags.Write(&b, false); err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexFunc(b.Bytes(), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }); i >= 0 {
		t.Fatalf("control character %q printed in %q", b.Bytes()[i], b.String())
	}
	if !bytes.Contains(text, []byte(password)) && bytes.Contains(b.Bytes(), []byte(password)) {
		t.Fatalf("the password was printed: %s", b.String())
	}
	for i := range diags {
		if diags[i].Summary == "" || i > 0 && diags[i-1].File > diags[i].File {
			t.Fatalf("diagnostic %d of %v", i, diags)
		}
		for _, line := range diags[i].snippet {
			if line.from < 0 || line.to > len(line.text) || line.from > line.to {
				t.Fatalf("snippet %+v", line)
			}
		}
	}
	again, more := Load(dir, now, testKinds)
	if len(more) != len(diags) || config != nil && config.Digest() != again.Digest() {
		t.Fatal("a second run says something else")
	}
	if config == nil {
		return
	}
	formatted, diags := Format("a.hcl", text, nil)
	if diags.HasErrors() {
		t.Fatal(diags.Err())
	}
	if err := os.WriteFile(filepath.Join(dir, "a.hcl"), formatted, 0o600); err != nil {
		t.Fatal(err)
	}
	if laidOut, diags := Load(dir, now, testKinds); laidOut == nil || laidOut.Digest() != config.Digest() {
		t.Fatalf("the layout says something else: %v\n%s", diags.Err(), formatted)
	}
}

// TestTruncated loads the example up to each of its bytes.
func TestTruncated(t *testing.T) {
	t.Setenv("ROLLCALL_TEST_PASSWORD", password)
	dir := t.TempDir()
	for name, text := range exampleFiles() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for n := range len(example) {
		if err := os.WriteFile(filepath.Join(dir, "rollcall.hcl"), []byte(example[:n]), 0o600); err != nil {
			t.Fatal(err)
		}
		config, diags := Load(dir, now, testKinds)
		if config != nil && n < strings.Index(example, "domain \"gmail") {
			t.Fatalf("%d bytes are a configuration", n)
		}
		var b bytes.Buffer
		if err := diags.Write(&b, false); err != nil || leaks(b.String()) {
			t.Fatalf("%d bytes: %v\n%s", n, err, b.String())
		}
	}
}

func seeds(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(small))
	f.Add([]byte("# pass: \ufeff\n# { token = [\n# \"x\"], key: <<EOT\n" + small))
	archives, err := filepath.Glob("testdata/diagnostics/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".hcl") {
				f.Add(file.Data)
			}
		}
	}
}

func FuzzLoad(f *testing.F) {
	seeds(f)
	f.Setenv("ROLLCALL_TEST_PASSWORD", password)
	f.Fuzz(loadAll)
}

func FuzzFormat(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		once, diags := Format("a.hcl", text, nil)
		if diags.HasErrors() {
			return
		}
		twice, diags := Format("a.hcl", once, nil)
		if diags.HasErrors() {
			t.Fatalf("the layout does not parse: %v\n%s", diags.Err(), once)
		}
		if !bytes.Equal(once, twice) {
			t.Fatalf("formatted once:\n%q\ntwice:\n%q", once, twice)
		}
	})
}

func TestFormat(t *testing.T) {
	got, diags := Format("a.hcl", []byte("domain   \"example.com\"{\n# kept\naliases=[\"example.net\",\n\"example.org\"]\n  public =  false\n}"), nil)
	want := "domain \"example.com\" {\n  # kept\n  aliases = [\"example.net\",\n  \"example.org\"]\n  public = false\n}\n"
	if diags.HasErrors() || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, diags.Err(), want)
	}
	if got, diags := Format("a.hcl", []byte("domain {"), nil); got != nil || !diags.HasErrors() || diags[0].File != "a.hcl" {
		t.Errorf("got %q, %v", got, diags)
	}
}
