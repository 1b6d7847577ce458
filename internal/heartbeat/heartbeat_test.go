package heartbeat

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/rollcall-cli/rollcall/internal/run"
)

const odd = "/etc/\"roll\\call\"\n\uFFFD"

func sample() *run.Beat {
	at := time.Date(2026, 11, 30, 4, 0, 0, 500e6, time.UTC)
	return &run.Beat{
		Read: at, Started: at, Ended: at.Add(90 * time.Second), Exit: 4,
		Figures: run.Figures{
			Accounts: map[string]int{"corp": 5254, odd: 1}, Entries: map[string]int{"corp": 5300}, Rejections: map[string]map[string]int{"corp": {"alias_rejected": 2, "guid_changed": 0}, odd: {"alias_rejected": 1}},
			Overdue: map[string]int{"corp": 3}, Withheld: map[string]int{"corp": 15, "lab": 5}, New: 1, Drift: 5, Risk: 2,
		},
	}
}

// TestText: the parser of Prometheus reads what is written.
func TestText(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	// A folder may have any name; a label is UTF-8.
	if err := Text(&text, strings.TrimSuffix(odd, "\uFFFD")+"\xff", sample()); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&text)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for name, family := range families {
		if family.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
		for _, m := range family.GetMetric() {
			key, config := name, ""
			for _, l := range m.GetLabel() {
				if l.GetName() == "config" {
					config = l.GetValue()
				} else {
					key += " " + l.GetValue()
				}
			}
			if config != odd {
				t.Errorf("%s: config %q", name, config)
			}
			got[key] = m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"rollcall_last_complete_read_timestamp_seconds": 1796011200.5, "rollcall_last_apply_timestamp_seconds": 0, "rollcall_last_run_timestamp_seconds": 1796011290.5,
		"rollcall_last_run_duration_seconds": 90, "rollcall_last_run_exit_code": 4, "rollcall_accounts corp": 5254, "rollcall_accounts " + odd: 1, "rollcall_entries corp": 5300,
		"rollcall_rejections alias_rejected": 3, "rollcall_rejections guid_changed": 0, "rollcall_new_rejections": 1, "rollcall_overdue_rejections": 3,
		"rollcall_withheld_accounts": 20, "rollcall_drift": 5, "rollcall_risk_level": 2,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestWriteFile: the file is replaced as a whole, anybody may read it, and what is
// left of a write that failed is no file of metrics.
func TestWriteFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rollcall.prom")
	for range 2 {
		if err := WriteFile(path, "/etc", sample()); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != fs.FileMode(0o644) {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.Mkdir(path+".d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path+".d", "/etc", sample()); err == nil {
		t.Error("a folder was replaced")
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestTarget: a link stays one, and what is no file is not replaced.
func TestTarget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.Symlink("x.prom", in("link")); err != nil {
		t.Skip(err)
	}
	if info, err := os.Lstat(in("link")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Skip("there are no symbolic links here")
	}
	if err := WriteFile(in("link"), "/etc", sample()); err != nil {
		t.Fatal(err)
	}
	for name, link := range map[string]bool{"link": true, "x.prom": false} {
		if info, err := os.Lstat(in(name)); err != nil || (info.Mode()&fs.ModeSymlink != 0) != link {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if err := os.Symlink(dir, in("folder")); err != nil {
		t.Fatal(err)
	}
	paths := []string{dir, in("folder")}
	if listener, err := net.Listen("unix", in("socket")); err == nil { // which not every system has
		defer listener.Close()
		paths = append(paths, in("socket"))
	}
	for _, path := range paths {
		before, _ := os.Stat(path)
		err := WriteFile(path, "/etc", sample())
		after, _ := os.Stat(path)
		if err == nil || !strings.Contains(err.Error(), "is no regular file") || !os.SameFile(before, after) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestFolder: an error names the folder and no temporary file, and what a killed run
// left is removed once nobody writes it any more.
func TestFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "gone", "x.prom")
	for _, err := range []error{WriteFile(path, "/etc", sample()), Writable(path)} {
		if err == nil || !strings.HasPrefix(err.Error(), "the folder "+filepath.Dir(path)+": ") || strings.Contains(err.Error(), "tmp:") || strings.Contains(err.Error(), "x.prom") {
			t.Error(err)
		}
	}
	path = filepath.Join(dir, "x.prom")
	for name, age := range map[string]time.Duration{".x.prom.1.tmp": 2 * time.Hour, ".x.prom.2.tmp": time.Minute, ".y.prom.3.tmp": 2 * time.Hour} {
		at := sample().Ended.Add(-age)
		if err := errors.Join(os.WriteFile(filepath.Join(dir, name), nil, 0o600), os.Chtimes(filepath.Join(dir, name), at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(Writable(path), WriteFile(path, "/etc", sample())); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if d := cmp.Diff([]string{".x.prom.2.tmp", ".y.prom.3.tmp", "x.prom"}, names); err != nil || d != "" {
		t.Errorf("%v\n%s", err, d)
	}
}

// TestPing: what the service is asked, and that no error has the URL.
func TestPing(t *testing.T) {
	t.Parallel()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		asked = append(asked, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+r.UserAgent()+" "+user+password))
		switch {
		case strings.HasPrefix(r.URL.Path, "/gone"):
			http.Error(w, "no such check", http.StatusNotFound)
		case strings.HasPrefix(r.URL.Path, "/away"):
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/odd"):
			w.Header().Set("Location", "http://[token")
			w.WriteHeader(http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/broken"):
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.Write([]byte("token\r\n\r\n"))
			_ = conn.Close()
		}
	}))
	defer server.Close()
	dead := httptest.NewServer(nil)
	dead.Close()
	for _, c := range []struct {
		url    string
		signal Signal
		want   string // of the error
	}{
		{server.URL + "/token", Start, ""},
		{server.URL + "/token/", Fail, ""},
		{server.URL + "/token?rid=1", Success, ""},
		{server.URL + "?t=token", Start, ""},
		{strings.Replace(server.URL, "//", "//user:token@", 1), Fail, ""},
		{server.URL + "/gone/token", Fail, "the server answered 404 Not Found"},
		{server.URL + "/away/token", Success, "the server redirects (302 Found), and pings follow no redirect"},
		{server.URL + "/odd/token", Success, "the server redirects (302 Found)"},
		{server.URL + "/broken/token", Success, "the server did not answer as HTTP servers do"},
		{dead.URL + "/token", Success, "refused"},
		{"http://[::1/token", Success, "the URL is not well-formed"},
	} {
		err := Ping(context.Background(), c.url, c.signal, "rollcall/test")
		switch {
		case err == nil && c.want == "":
		case err == nil || c.want == "" || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "token"):
			t.Errorf("%s%s: %v, want %q", c.url, c.signal, err, c.want)
		}
	}
	want := []string{"GET /token/start rollcall/test", "GET /token/fail rollcall/test", "GET /token?rid=1 rollcall/test", "GET /start?t=token rollcall/test",
		"GET /fail rollcall/test usertoken", "GET /gone/token/fail rollcall/test", "GET /away/token rollcall/test", "GET /odd/token rollcall/test", "GET /broken/token rollcall/test"}
	if d := cmp.Diff(want, asked); d != "" {
		t.Error(d)
	}
}

// TestPingTakesNoLonger: a server that is silent costs one timeout.
func TestPingTakesNoLonger(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(done)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := Ping(ctx, server.URL+"/token", Start, "rollcall/test"); err != ErrSilent {
		t.Error(err)
	}
}
