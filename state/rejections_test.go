package state

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
)

// TestRejections: what is saved is read back, from a file that only its owner can
// read; and none saved is another thing than nothing saved.
func TestRejections(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.state.jsonl")
	if all, err := At(path).Rejections(ctx); all != nil || err != nil {
		t.Fatalf("of no file: %v, %v", all, err)
	}
	for _, want := range []map[string]time.Time{
		{},
		{"b": began, "a": began.AddDate(0, -1, 0), "\u202e\U000e0041\x00\" \ufffd": began},
		{"b": began},
	} {
		if err := At(path).SaveRejections(ctx, want); err != nil {
			t.Fatal(err)
		}
		got, err := At(path).Rejections(ctx)
		if err != nil || got == nil || !maps.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("read %v, %v, want %v", got, err, want)
		}
	}
	info, err := os.Stat(notePath(path, rejections))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != atomicfile.Mode {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if text, _ := os.ReadFile(notePath(path, rejections)); string(text) != `{"key":"b","since":"2026-11-21T08:00:00Z"}`+"\n" {
		t.Errorf("the file has %q", text)
	}
	if runs, err := At(path).Runs(ctx); err != nil || len(runs) != 0 {
		t.Errorf("the file is taken for a run: %v, %v", runs, err)
	}
}

// TestDamagedRejections: of a file with a fault nothing is believed.
func TestDamagedRejections(t *testing.T) {
	const good = `{"key":"b","since":"2026-11-21T08:00:00Z"}` + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"cut short":        {good + `{"key":"c","si`, ":2: the line is cut short"},
		"no rejection":     {good + "hello\n", ":2: no rejection"},
		"another key":      {`{"key":"b","since":"2026-11-21T08:00:00Z","x":1}` + "\n", ":1: no rejection"},
		"twice":            {good + good, ":2: the lines are not in order"},
		"out of order":     {good + strings.Replace(good, `"b"`, `"a"`, 1), ":2: the lines are not in order"},
		"no time":          {strings.Replace(good, "2026", "26", 1), ":1: \"26-11-21T08:00:00Z\" is no time in UTC"},
		"another time":     {strings.Replace(good, "00Z", "00+01:00", 1), "is no time in UTC"},
		"parts of seconds": {strings.Replace(good, "00Z", "00.5Z", 1), "is no time in UTC"},
	} {
		path := filepath.Join(t.TempDir(), "mail.state.jsonl")
		if err := os.Mkdir(At(path).Folders()[0], 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(notePath(path, rejections), []byte(c.text), atomicfile.Mode); err != nil {
			t.Fatal(err)
		}
		all, err := At(path).Rejections(ctx)
		var damage *Error
		if all != nil || !errors.As(err, &damage) || damage.Path != notePath(path, rejections) || damage.Advice == "" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
}

// FuzzRejections: no text makes the reader fall over, and what it takes is
// written again to the same.
func FuzzRejections(f *testing.F) {
	f.Add([]byte(""))
	f.Add([]byte(`{"key":"a","since":"2026-11-21T08:00:00Z"}` + "\n" + `{"key":"b\u202e","since":"0000-01-01T00:00:00Z"}` + "\n"))
	f.Add([]byte(`{"key":"a","since":"2026-11-21T08:00:00Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := readRejections(bytes.NewReader(text))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := writeRejections(&out, all); err != nil {
			t.Fatal(err)
		}
		again, err := readRejections(&out)
		if err != nil || !maps.Equal(all, again) {
			t.Errorf("read %v, written and read again %v, %v", all, again, err)
		}
	})
}
