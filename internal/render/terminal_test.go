package render

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestTerminal(t *testing.T) {
	for _, c := range []struct {
		name        string
		interactive bool
		width       int
		env         map[string]string
		want        Terminal
	}{
		{"terminal", true, 120, nil, Terminal{true, 120, true}},
		{"terminal of unknown size", true, 0, nil, Terminal{true, 80, true}},
		{"COLUMNS wins", true, 120, map[string]string{"COLUMNS": "90"}, Terminal{true, 90, true}},
		{"COLUMNS makes no sense", true, 120, map[string]string{"COLUMNS": "-3"}, Terminal{true, 120, true}},
		{"pipe", false, 0, nil, Terminal{false, 0, false}},
		{"pipe with COLUMNS", false, 0, map[string]string{"COLUMNS": "100"}, Terminal{false, 100, false}},
		{"NO_COLOR", true, 80, map[string]string{"NO_COLOR": "1"}, Terminal{true, 80, false}},
		{"empty NO_COLOR", true, 80, map[string]string{"NO_COLOR": ""}, Terminal{true, 80, true}},
		{"CI", true, 80, map[string]string{"CI": "true"}, Terminal{true, 80, false}},
		{"dumb", true, 80, map[string]string{"TERM": "dumb"}, Terminal{true, 80, false}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := terminal(c.interactive, c.width, func(name string) string { return c.env[name] }); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTerminalOfFile(t *testing.T) {
	t.Setenv("COLUMNS", "")
	f, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := TerminalOf(f); got != (Terminal{}) {
		t.Errorf("a file is %+v", got)
	}
}

func TestProgress(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	var out strings.Builder
	p := NewProgress(&out, Terminal{true, 40, true}, func() time.Time { return now })
	step := func(after time.Duration, n int, want string) {
		t.Helper()
		now = now.Add(after)
		out.Reset()
		p.Update("reading corp", "entries", n)
		if got := out.String(); got != want {
			t.Errorf("at %d entries: got %q, want %q", n, got, want)
		}
	}
	step(0, 1, "")
	step(900*time.Millisecond, 900, "")
	step(1100*time.Millisecond, 2500, "\r\x1b[Kreading corp: 2,500 entries, 1,250/s")
	step(50*time.Millisecond, 2600, "")
	step(450*time.Millisecond, 1234567, "\r\x1b[Kreading corp: 1,234,567 entries, 493,82")
	out.Reset()
	p.Clear()
	if got := out.String(); got != "\r\x1b[K" {
		t.Errorf("Clear writes %q", got)
	}
	out.Reset()
	p.Clear()
	if got := out.String(); got != "" {
		t.Errorf("a second Clear writes %q", got)
	}
	step(time.Millisecond, 1234568, "\r\x1b[Kreading corp: 1,234,568 entries, 493,62")
}

func TestProgressIsSilent(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	var out strings.Builder
	p := NewProgress(&out, Terminal{Interactive: true, Width: 80}, func() time.Time { now = now.Add(time.Hour); return now })
	p.Update("reading", "entries", 1)
	p.Update("reading", "entries", 2)
	p.Clear()
	if out.Len() > 0 {
		t.Errorf("wrote %q", out.String())
	}
}
