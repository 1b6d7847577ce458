package heartbeat

import (
	"bytes"
	"context"
	"io/fs"
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

const odd = "/etc/\"roll\\call\"\n"

func sample() *run.Beat {
	at := time.Date(2026, 11, 30, 4, 0, 0, 500e6, time.UTC)
	return &run.Beat{
		Read: at, Started: at, Ended: at.Add(90 * time.Second), Exit: 4,
		Figures: run.Figures{
			Accounts: map[string]int{"corp": 5254, odd: 1}, Entries: map[string]int{"corp": 5300}, Rejections: map[string]int{"alias_rejected": 2, "guid_changed": 0},
			New: 1, Overdue: 3, Withheld: 20, Drift: 5, Risk: 2,
		},
	}
}

// TestText: the parser of Prometheus reads what is written.
func TestText(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if err := Text(&text, odd, sample()); err != nil {
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
		"rollcall_rejections alias_rejected": 2, "rollcall_rejections guid_changed": 0, "rollcall_new_rejections": 1, "rollcall_overdue_rejections": 3,
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

// TestPing: what the service is asked, and that no error has the URL.
func TestPing(t *testing.T) {
	t.Parallel()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String()+" "+r.UserAgent())
		if strings.HasPrefix(r.URL.Path, "/gone") {
			http.Error(w, "no such check", http.StatusNotFound)
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
		{server.URL + "/gone/token", Fail, "the server answered 404 Not Found"},
		{dead.URL + "/token", Success, "connection refused"},
		{"http://[::1/token", Success, "the URL is not well-formed"},
	} {
		err := Ping(context.Background(), c.url, c.signal, "rollcall/test")
		switch {
		case err == nil && c.want == "":
		case err == nil || c.want == "" || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "token"):
			t.Errorf("%s%s: %v, want %q", c.url, c.signal, err, c.want)
		}
	}
	want := []string{"GET /token/start rollcall/test", "GET /token/fail rollcall/test", "GET /token?rid=1 rollcall/test", "GET /gone/token/fail rollcall/test"}
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
	if err := Ping(ctx, server.URL+"/token", Start, "rollcall/test"); err == nil || strings.Contains(err.Error(), "token") {
		t.Error(err)
	}
}
