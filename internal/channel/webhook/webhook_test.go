package webhook

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rollcall-cli/rollcall/internal/channel"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

var message = run.Message{
	ID: "abc123", Channel: "chat", Filed: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC), Run: 17, Host: "mail1", Configuration: "/etc/rollcall", Console: "gateway",
	Notice: run.Notice{
		Kind: run.NoticeWithheld, Phase: run.Begins, Since: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC), Title: "a brake withholds losses of 2 accounts",
		Lines: []string{"46 of 321 accounts of corp <would> be deactivated & *more*"},
		Items: []run.NoticeItem{{Account: "ann@example.com", Reason: "withheld", Rule: "limit", Text: "would be deactivated"}, {Account: "bob_x@example.com", Text: "would be ```removed```"}},
		Count: 46, Command: "rollcall -C /etc/rollcall plan --all",
	},
}

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func hook(at string, more map[string]any) channel.Sender {
	set := map[string]any{"url": settings.NewSecret(at)}
	for name, value := range more {
		set[name] = value
	}
	return open(Kind.Values("chat", "", set), "1.2.3")
}

// TestStandard: the library of Standard Webhooks verifies what is sent, and no change of
// it.
func TestStandard(t *testing.T) {
	t.Parallel()
	verifier, err := webhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if err := verifier.Verify(body, r.Header); err != nil {
			t.Errorf("it does not verify: %v", err)
		}
		if verifier.Verify(append(body, ' '), r.Header) == nil {
			t.Error("another body verifies, too")
		}
		if r.Method != http.MethodPost || r.Header.Get("webhook-id") != "msg_abc123" || r.Header.Get("User-Agent") != "rollcall/1.2.3" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v", r.Method, r.Header)
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	s := hook(server.URL+"/in", map[string]any{"secret": settings.NewSecret(secret)})
	if out := s.Send(t.Context(), &message); out.Err != nil || len(out.Refused) > 0 {
		t.Fatalf("%+v", out)
	}
	data, _ := got["data"].(map[string]any)
	if got["type"] != "rollcall.withheld" || got["timestamp"] != "2026-11-30T08:00:00Z" || data["phase"] != "begins" || data["count"] != 46.0 || len(data["items"].([]any)) != 2 {
		t.Errorf("%v", got)
	}
}

// TestChat: what Slack and Teams get has the shape that they take, nothing in it is
// taken for markup, and it is no longer than they show.
func TestChat(t *testing.T) {
	t.Parallel()
	long := message
	long.Items = nil
	for n := range 50 {
		long.Items = append(long.Items, run.NoticeItem{Account: fmt.Sprintf("account%d@example.com", n), Text: strings.Repeat("very <long> ", 60)})
	}
	long.Count = 4711
	for _, m := range []*run.Message{&message, &long} {
		body, err := slackBody(m)
		var text struct{ Text string }
		if err != nil || json.Unmarshal(body, &text) != nil {
			t.Fatal(err)
		}
		if len(text.Text) > slackMost || strings.Contains(text.Text, "<") || strings.Count(text.Text, "```") != 2 || !strings.HasPrefix(text.Text, "*rollcall gateway: a brake withholds losses of 2 accounts*\n") {
			t.Errorf("Slack gets\n%s", text.Text)
		}
		body, err = teamsBody(m)
		var card struct {
			Type        string
			Attachments []struct {
				ContentType string
				Content     struct {
					Type string
					Body []map[string]any
				}
			}
		}
		if err != nil || json.Unmarshal(body, &card) != nil {
			t.Fatal(err)
		}
		if len(body) > teamsMost || card.Type != "message" || len(card.Attachments) != 1 || card.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" || card.Attachments[0].Content.Type != "AdaptiveCard" {
			t.Errorf("Teams gets\n%s", body)
		}
		if m == &message && !strings.Contains(string(body), `\\*more\\*`) {
			t.Errorf("Teams reads markup in\n%s", body)
		}
	}
	body, _ := slackBody(&long)
	if !strings.Contains(string(body), "more of 4,711:") {
		t.Errorf("Slack does not say what is left out:\n%s", body)
	}
	body, _ = teamsBody(&long)
	if !strings.Contains(string(body), "more of 4,711: rollcall") {
		t.Errorf("Teams does not say what is left out:\n%s", body)
	}
}

// TestAnswers: what becomes of a message by the answer of the server, in which no error
// has the path of the URL.
func TestAnswers(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if v := q.Get("retry"); v != "" {
			w.Header().Set("Retry-After", v)
		}
		if q.Get("echo") != "" {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(c, strings.ReplaceAll(q.Get("echo"), "URL", r.URL.RequestURI())+"\r\n\r\n")
			_ = c.Close()
			return
		}
		if v := q.Get("location"); v != "" {
			w.Header().Set("Location", v)
		}
		if q.Get("abort") != "" {
			panic(http.ErrAbortHandler)
		}
		code := http.StatusOK
		fmt.Sscan(q.Get("code"), &code)
		w.WriteHeader(code)
	}))
	defer server.Close()
	later := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for query, want := range map[string]string{
		"code=200": "sent", "code=202": "sent", "code=400": "refused", "code=410": "refused", "code=413": "refused", "code=422": "refused",
		"code=401": "left", "code=403": "left", "code=404": "left", "code=408": "left", "code=429": "left", "code=500": "left", "code=503": "left",
		"code=429&retry=120": "held", "code=503&retry=" + url.QueryEscape(later): "held", "code=503&retry=soon": "left", "code=429&retry=1.5": "held", "code=429&retry=99999999999999999999999": "held", "code=429&retry=1e999": "held", "code=429&retry=NaN": "left", "code=429&retry=0": "left", "code=429&retry=-5": "left", "code=429&retry=99999999999": "held",
		"code=302&location=" + url.QueryEscape(other.URL): "left", "code=301&location=%25zz": "left", "abort=1": "left",
		"echo=" + url.QueryEscape("HTTP/1.1 410 Gone URL"): "refused", "echo=" + url.QueryEscape("HTTP/1.1 404 URL"): "left", "echo=" + url.QueryEscape("HTTP/1.1 302 Found\r\nLocation: http://[URL"): "left",
		"echo=" + url.QueryEscape("HTTP/1.1 200 OK\r\nURL"): "left", "echo=" + url.QueryEscape("URL"): "left", "echo=" + url.QueryEscape("HTTP/1.1 200 OK\r\nContent-Length: URL"): "left",
	} {
		s := hook(server.URL+"/SECRET?"+query, nil)
		out := s.Send(t.Context(), &message)
		got := "sent"
		switch {
		case len(out.Refused) == 1 && out.Err == nil:
			got = "refused"
		case out.Err != nil && out.Until.After(time.Now()):
			got = "held"
		case out.Err != nil:
			got = "left"
		}
		if got != want || out.Until.After(time.Now().Add(channel.Longest)) {
			t.Errorf("%s: %s, %+v", query, got, out)
		}
		for _, err := range append(out.Refused, out.Err) {
			if err != nil && strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s: the error shows the URL: %v", query, err)
			}
		}
		s.Close()
	}
	if n := elsewhere.Load(); n > 0 {
		t.Errorf("%d notices went to another server", n)
	}
}

// TestExamine looks at a server by HTTPS, and sends nothing.
func TestExamine(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	ca := servertest.NewCA(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, servertest.Leaf{}).TLS}}
	server.StartTLS()
	defer server.Close()
	for name, x := range map[string]struct {
		at   string
		ca   string
		want doctor.Status
	}{
		"a server":                   {server.URL + "/SECRET", ca.File, doctor.OK},
		"an authority nobody trusts": {server.URL + "/SECRET", "", doctor.Failed},
		"nobody there":               {"https://127.0.0.1:1/SECRET", ca.File, doctor.Failed},
		"no file":                    {server.URL + "/SECRET", t.TempDir() + "/none", doctor.Failed},
	} {
		more := map[string]any{}
		if x.ca != "" {
			more["ca_file"] = x.ca
		}
		c := &doctor.Check{}
		s := hook(x.at, more)
		s.Examine(t.Context(), c)
		if c.Status != x.want || strings.Contains(c.Finding, "SECRET") {
			t.Errorf("%s: %s: %s", name, c.Status, c.Finding)
		}
		if out := s.Send(t.Context(), &message); (out.Err == nil) != (x.want == doctor.OK) {
			t.Errorf("%s: %+v", name, out)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestSettings: what a URL and a secret must be.
func TestSettings(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"https://example.com/x": true, "http://127.0.0.1:80/x": true, "http://localhost/x": true, "http://[::1]/x": true,
		"http://example.com/x": false, "https://": false, "ftp://example.com": false, "": false, "https://[::1/x": false, "https://example.com/%zz": false,
	} {
		if got := checkURL(text).Summary == ""; got != good {
			t.Errorf("%q is a URL: %t", text, got)
		}
	}
	for text, good := range map[string]bool{
		secret: true, strings.TrimPrefix(secret, "whsec_"): true, "": false, "whsec_": false, "whsec_!": false, base64.StdEncoding.EncodeToString([]byte("x")): true,
	} {
		if got := checkSecret(text).Summary == ""; got != good {
			t.Errorf("%q is a secret: %t", text, got)
		}
	}
}
