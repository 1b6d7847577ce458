// Package heartbeat shows monitoring that runs happen and how they end: as metrics
// for the textfile collector of Prometheus' node_exporter, and as pings of a service
// that raises an alarm when they stop.
package heartbeat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/run"
)

// metric is one of those that are written, by the value of a label.
type metric struct {
	name, help string
	label      string // "" for a single value
	values     map[string]float64
}

func one(name, help string, value float64) metric {
	return metric{name, help, "", map[string]float64{"": value}}
}

func each(name, help, label string, counts map[string]int) metric {
	m := metric{name, help, label, map[string]float64{}}
	for value, n := range counts {
		m.values[value] = float64(n)
	}
	return m
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func metrics(b *run.Beat) []metric {
	f := &b.Figures
	return []metric{
		one("rollcall_last_complete_read_timestamp_seconds", "When all directories were last read completely; 0 for never.", seconds(b.Read)),
		one("rollcall_last_apply_timestamp_seconds", "When an apply last ended with exit code 0, 4 or 7; 0 for never.", seconds(b.Applied)),
		one("rollcall_last_run_timestamp_seconds", "When the last apply ended.", seconds(b.Ended)),
		one("rollcall_last_run_duration_seconds", "How long the last apply took.", b.Ended.Sub(b.Started).Seconds()),
		one("rollcall_last_run_exit_code", "The exit code of the last apply.", float64(b.Exit)),
		each("rollcall_accounts", "Active accounts before the last plan.", "directory", f.Accounts),
		each("rollcall_entries", "Entries that the last plan was made of.", "directory", f.Entries),
		each("rollcall_rejections", "Rejections of the last plan.", "reason", f.Rejections),
		one("rollcall_new_rejections", "Rejections of the last plan that the plan before did not have.", float64(f.New)),
		one("rollcall_overdue_rejections", "Rejections of entries that have waited too long for another directory.", float64(f.Overdue)),
		one("rollcall_withheld_accounts", "Accounts from which a brake withheld a loss.", float64(f.Withheld)),
		one("rollcall_drift", "Differences that were made in the console by hand.", float64(f.Drift)),
		one("rollcall_risk_level", "The risk of the last plan: 0 none, 1 low, 2 medium, 3 high.", float64(f.Risk)),
	}
}

// Text writes the metrics in the text format of Prometheus (version 0.0.4). Each has
// a label config, so that files of several configurations go side by side.
func Text(w io.Writer, config string, b *run.Beat) error {
	var text bytes.Buffer
	for _, m := range metrics(b) {
		fmt.Fprintf(&text, "# HELP %s %s\n# TYPE %s gauge\n", m.name, m.help, m.name)
		for _, value := range slices.Sorted(maps.Keys(m.values)) {
			fmt.Fprintf(&text, "%s{config=\"%s\"", m.name, labels.Replace(config))
			if m.label != "" {
				fmt.Fprintf(&text, ",%s=\"%s\"", m.label, labels.Replace(value))
			}
			fmt.Fprintf(&text, "} %s\n", strconv.FormatFloat(m.values[value], 'f', -1, 64))
		}
	}
	_, err := w.Write(text.Bytes())
	return err
}

var labels = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// WriteFile replaces the file of metrics as a whole. Everybody may read it, since a
// collector of another user does, and it names nobody.
func WriteFile(path, config string, b *run.Beat) (err error) {
	// The collector reads *.prom alone.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := Text(f, config, b); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Signal is what a ping says.
type Signal string

// A run began, ended well, or failed. The paths are those of healthchecks.io and of
// services that are compatible with it.
const (
	Start   Signal = "/start"
	Success Signal = ""
	Fail    Signal = "/fail"
)

// Host is the part of a URL that errors may show, "" of what is no URL.
func Host(of string) string {
	if at, err := url.Parse(of); err == nil {
		return at.Host
	}
	return ""
}

// Timeout is how long a ping may take.
const Timeout = 10 * time.Second

// Ping reports a run to a service: GET of the URL, which may have a query, with the
// path of the signal. Whoever knows the URL can send pings, so that no error has it.
func Ping(ctx context.Context, to string, s Signal, agent string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil {
		return errors.New("the URL is not well-formed")
	}
	if s != Success {
		request.URL = request.URL.JoinPath(string(s))
	}
	request.Header.Set("User-Agent", agent)
	answer, err := http.DefaultClient.Do(request)
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16))
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the server answered %s", answer.Status)
	}
	return nil
}
