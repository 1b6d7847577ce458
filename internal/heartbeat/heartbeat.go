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
	"net/http/httptrace"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
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

func total(counts map[string]int) float64 {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return float64(sum)
}

func metrics(b *run.Beat) []metric {
	f := &b.Figures
	reasons := map[string]int{}
	for _, counts := range f.Rejections {
		for reason, n := range counts {
			reasons[reason] += n
		}
	}
	return []metric{
		one("rollcall_last_complete_read_timestamp_seconds", "When all directories were last read completely; 0 for never, or where that is unknown.", seconds(b.Read)),
		one("rollcall_last_apply_timestamp_seconds", "When an apply last ended with exit code 0, 4 or 7; 0 for never, or where that is unknown.", seconds(b.Applied)),
		one("rollcall_last_run_timestamp_seconds", "When the last apply ended.", seconds(b.Ended)),
		one("rollcall_last_run_duration_seconds", "How long the last apply took.", b.Ended.Sub(b.Started).Seconds()),
		one("rollcall_last_run_exit_code", "The exit code of the last apply.", float64(b.Exit)),
		each("rollcall_accounts", "Active accounts before the last plan.", "directory", f.Accounts),
		each("rollcall_entries", "Entries of the last read.", "directory", f.Entries),
		each("rollcall_rejections", "Rejections of the last plan of each directory.", "reason", reasons),
		one("rollcall_new_rejections", "Rejections of the last plan that the plan before did not have.", float64(f.New)),
		one("rollcall_overdue_rejections", "Rejections of entries that have waited too long for another directory.", total(f.Overdue)),
		one("rollcall_withheld_accounts", "Accounts from which a brake withheld a loss.", total(f.Withheld)),
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
			fmt.Fprintf(&text, "%s{config=\"%s\"", m.name, labelled(config))
			if m.label != "" {
				fmt.Fprintf(&text, ",%s=\"%s\"", m.label, labelled(value))
			}
			fmt.Fprintf(&text, "} %s\n", strconv.FormatFloat(m.values[value], 'f', -1, 64))
		}
	}
	_, err := w.Write(text.Bytes())
	return err
}

// labelled writes the value of a label, which has to be UTF-8.
func labelled(value string) string { return labels.Replace(strings.ToValidUTF8(value, "\uFFFD")) }

var labels = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// Target returns the file that is replaced where metrics are written to a path: what a
// symbolic link leads to. What is there and no file, such as a device, is an error.
func Target(path string) (string, error) {
	target := atomicfile.Resolve(path)
	if info, err := os.Lstat(target); err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", target)
	}
	return target, nil
}

// leftover is how old a temporary file is that nobody writes any more.
const leftover = time.Hour

// WriteFile replaces the file of metrics as a whole. Everybody may read it, since a
// collector of another user does, and it names nobody.
func WriteFile(path, config string, b *run.Beat) (err error) {
	target, err := Target(path)
	if err != nil {
		return err
	}
	f, err := create(target)
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
		return reason(err)
	}
	if err := f.Chmod(0o644); err != nil {
		return reason(err)
	}
	if err := f.Close(); err != nil {
		return reason(err)
	}
	removeLeftovers(target, b.Ended)
	return reason(os.Rename(f.Name(), target))
}

// Writable fails where the metrics could not be written to a path.
func Writable(path string) error {
	target, err := Target(path)
	if err != nil {
		return err
	}
	f, err := create(target)
	if err != nil {
		return err
	}
	_ = f.Close()
	return reason(os.Remove(f.Name()))
}

// create makes a temporary file beside a file. The collector reads *.prom alone.
func create(target string) (*os.File, error) {
	folder := filepath.Dir(target)
	f, err := os.CreateTemp(folder, "."+filepath.Base(target)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("the folder %s: %w", folder, reason(err))
	}
	return f, nil
}

// removeLeftovers removes the temporary files of runs that were killed.
func removeLeftovers(target string, now time.Time) {
	folder := filepath.Dir(target)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "."+filepath.Base(target)+".") || !strings.HasSuffix(e.Name(), ".tmp") {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > leftover {
			_ = os.Remove(filepath.Join(folder, e.Name()))
		}
	}
}

// reason is an error without the name of a temporary file.
func reason(err error) error {
	if of := (*os.PathError)(nil); errors.As(err, &of) {
		return of.Err
	}
	if of := (*os.LinkError)(nil); errors.As(err, &of) {
		return of.Err
	}
	return err
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

// ErrSilent is the error of a ping that was not answered in time.
var ErrSilent = fmt.Errorf("no answer within %d seconds", int(Timeout.Seconds()))

// Ping reports a run to a service: GET of the URL, which may have a query, with the
// path of the signal. Whoever knows the URL can send pings, so that no error has it,
// nothing that the server says is in one, and no redirect takes it elsewhere.
func Ping(ctx context.Context, to string, s Signal, agent string) error {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err != nil || request.URL.Host == "" {
		return errors.New("the URL is not well-formed")
	}
	if s != Success {
		if request.URL.Path == "" {
			request.URL.Path = "/"
		}
		request.URL = request.URL.JoinPath(string(s))
	}
	if user := request.URL.User; user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	request.Header.Set("User-Agent", agent)
	answer, err := http.DefaultTransport.RoundTrip(request)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return ErrSilent
	case err != nil && connected.Load():
		return errors.New("the server did not answer as HTTP servers do")
	case err != nil:
		return err
	}
	_ = answer.Body.Close()
	status := strings.TrimSpace(fmt.Sprintf("%d %s", answer.StatusCode, http.StatusText(answer.StatusCode)))
	switch answer.StatusCode / 100 {
	case 2:
		return nil
	case 3:
		return fmt.Errorf("the server redirects (%s), and pings follow no redirect", status)
	}
	return fmt.Errorf("the server answered %s", status)
}
