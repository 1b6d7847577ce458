// Package webhook sends notices by HTTP: in the form of Standard Webhooks, of Slack's
// incoming webhooks, or of Teams Workflows.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/channel"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind is a URL that takes notices.
var Kind = channel.Kind{
	Kind: settings.Kind{
		Name: "webhook", Help: "a URL that takes notices",
		Settings: []settings.Setting{
			{Name: "url", Required: true, Secret: true, Check: checkURL, Example: `env("HOOK_URL")`},
			{Name: "format", Words: formats, Default: formats[0]},
			{Name: "secret", Secret: true, Check: checkSecret, Example: `env("HOOK_SECRET")`},
			{Name: "ca_file", Type: settings.Path},
		},
		Check: check,
	},
	Open: open,
}

// The formats, the default first.
const (
	standard = "standard"
	slack    = "slack"
	teams    = "teams"
)

var formats = []string{standard, slack, teams}

func checkURL(text string) (p settings.Problem) {
	at, err := url.Parse(text)
	if err != nil || at.Host == "" || at.Scheme != "https" && (at.Scheme != "http" || !channel.Loopback(at.Hostname())) {
		return settings.Problem{Summary: "%s is not a URL that begins with https://", Hint: `write url = env("HOOK_URL"); http:// is for servers on this machine`}
	}
	return p
}

// key returns the octets of a secret of Standard Webhooks: Base64 behind "whsec_".
func key(secret string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
}

func checkSecret(text string) (p settings.Problem) {
	if octets, err := key(text); err != nil || len(octets) == 0 {
		return settings.Problem{Summary: "%s is not a secret of Standard Webhooks", Hint: `it is "whsec_" and Base64, as the receiver shows it`}
	}
	return p
}

func check(v settings.Values) (all []settings.Problem) {
	switch format := v.Text("format"); {
	case format == standard && !v.Has("secret"):
		all = append(all, settings.Problem{Warning: true, Summary: fmt.Sprintf("webhook %q has no secret, so that its receiver cannot know who sends", v.Label()), Hint: `write secret = env("HOOK_SECRET"), or format = "slack" or "teams"`})
	case format != standard && v.Has("secret"):
		all = append(all, settings.Problem{Setting: "secret", Summary: fmt.Sprintf("a webhook of format %q has no secret but its URL", format), Hint: "remove it"})
	}
	return all
}

type sender struct {
	url, format, agent string
	key                []byte
	client             *http.Client
	trust              *tls.Config
	bad                error // of the file of certificates
}

func open(v settings.Values, release string) channel.Sender {
	s := &sender{url: v.Secret("url").Reveal(), format: v.Text("format"), agent: "rollcall/" + release}
	if v.Has("secret") {
		s.key, _ = key(v.Secret("secret").Reveal())
	}
	at, _ := url.Parse(s.url) // which was checked
	s.trust, s.bad = channel.Trust(at.Hostname(), v.Path("ca_file"))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig, transport.MaxResponseHeaderBytes = s.trust, 1<<16
	s.client = &http.Client{
		Transport: transport,
		Timeout:   channel.Timeout / 2,
		// Another address would get what was not meant for it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

// Send posts the message.
func (s *sender) Send(ctx context.Context, m *run.Message) (out channel.Outcome) {
	if s.bad != nil {
		out.Err = s.said(s.bad)
		return out
	}
	body, err := s.body(m)
	if err != nil {
		out.Refused = append(out.Refused, err)
		return out
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		out.Err = errors.New("the URL is not well-formed")
		return out
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", s.agent)
	if s.format == standard {
		s.sign(request, m.ID, body, time.Now())
	}
	answer, err := s.client.Do(request)
	if err != nil {
		out.Err = s.said(err)
		return out
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16))
	// What the server calls the code may be anything.
	err = s.said(fmt.Errorf("%w %d %s", errStatus, answer.StatusCode, http.StatusText(answer.StatusCode)))
	switch code := answer.StatusCode; {
	case code/100 == 2:
	case code == http.StatusBadRequest, code == http.StatusGone, code == http.StatusRequestEntityTooLarge, code == http.StatusUnprocessableEntity:
		// What it is, it will be the next time.
		out.Refused = append(out.Refused, err)
	default:
		out.Err, out.Until = err, retryAfter(answer.Header.Get("Retry-After"), time.Now())
	}
	return out
}

// sign signs as Standard Webhooks says: HMAC-SHA256 over ID, time and body.
func (s *sender) sign(request *http.Request, id string, body []byte, now time.Time) {
	id = "msg_" + id
	at := strconv.FormatInt(now.Unix(), 10)
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", at)
	if s.key == nil {
		return
	}
	sum := hmac.New(sha256.New, s.key)
	fmt.Fprintf(sum, "%s.%s.%s", id, at, body)
	request.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(sum.Sum(nil)))
}

// retryAfter reads the header (RFC 9110 section 10.2.3): seconds, which some servers give
// in fractions, or a time; zero for neither.
func retryAfter(text string, now time.Time) time.Time {
	if n, err := strconv.ParseFloat(text, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		if !(n > 0) {
			return time.Time{}
		}
		return now.Add(time.Duration(math.Ceil(min(n, channel.Longest.Seconds()))) * time.Second)
	}
	at, _ := http.ParseTime(text)
	return at
}

// said is an error without the URL, whose path is a secret, and which a server may have
// repeated.
func (s *sender) said(err error) error {
	if failed := (*url.Error)(nil); errors.As(err, &failed) {
		err = failed.Err
		if failed.Timeout() {
			err = fmt.Errorf("no answer within %v: %w", s.client.Timeout, context.DeadlineExceeded)
		}
	}
	var network net.Error
	var refused *tls.CertificateVerificationError
	if !errors.As(err, &network) && !errors.As(err, &refused) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, errStatus) && err != s.bad {
		err = errors.New("the server's answer is not well-formed")
	}
	secrets := []string{s.url}
	if at, bad := url.Parse(s.url); bad == nil {
		secrets = append(secrets, at.RequestURI(), at.Path, at.RawQuery)
	}
	return fmt.Errorf("webhook %s: %s", s.host(), channel.Brief(err, secrets...))
}

// errStatus is what an answer says that is no success.
var errStatus = errors.New("the server answered")

func (s *sender) host() string {
	at, err := url.Parse(s.url)
	if err != nil {
		return "?"
	}
	return at.Host
}

// body is the message in the format.
func (s *sender) body(m *run.Message) ([]byte, error) {
	switch s.format {
	case slack:
		return slackBody(m)
	case teams:
		return teamsBody(m)
	}
	return encoded(map[string]any{"type": "rollcall." + string(m.Kind), "timestamp": m.Filed, "data": standardData(m)})
}

// encoded is JSON in which nothing is escaped for HTML.
func encoded(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// standardData is what receivers read that are programs.
func standardData(m *run.Message) any {
	items, lines := append([]run.NoticeItem{}, m.Items...), append([]string{}, render.NoticeLines(m)...)
	return struct {
		Kind          run.NoticeKind   `json:"kind"`
		Phase         run.Phase        `json:"phase"`
		Since         time.Time        `json:"since"`
		Title         string           `json:"title"`
		Lines         []string         `json:"lines"`
		Items         []run.NoticeItem `json:"items"`
		Count         int              `json:"count"`
		Command       string           `json:"command"`
		Next          string           `json:"next"`
		Run           int              `json:"run"`
		Host          string           `json:"host"`
		Configuration string           `json:"configuration"`
		Console       string           `json:"console"`
	}{m.Kind, m.Phase, m.Since, render.NoticeTitle(m), lines, items, m.Count, m.Command, m.Next, m.Run, m.Host, m.Configuration, m.Console}
}

// slackMost is how long a text may be that Slack shows whole.
const slackMost = 3500

// slackBody is a text that Slack marks up; what stands in it for &, < and > is escaped.
func slackBody(m *run.Message) ([]byte, error) {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
	title := "*" + escape(render.NoticeSubject(m)) + "*\n```\n"
	text := ""
	for shown := len(m.Items); ; shown /= 2 {
		if text = title + escape(strings.ReplaceAll(render.NoticeText(m, shown, short), "```", "'''")) + "```"; len(text) <= slackMost || shown == 0 {
			return encoded(map[string]string{"text": text})
		}
	}
}

// short is how many octets of a value a chat shows.
const short = 200

// teamsMost is how many octets a message to Teams may have: 28 KB, less what Teams adds.
const teamsMost = 24 << 10

// teamsBody is a message with an adaptive card.
func teamsBody(m *run.Message) ([]byte, error) {
	type object = map[string]any
	block := func(text string, more object) object {
		o := object{"type": "TextBlock", "text": plainCard(text), "wrap": true}
		for name, value := range more {
			o[name] = value
		}
		return o
	}
	for shown := len(m.Items); ; shown /= 2 {
		card := []object{block(render.NoticeSubject(m), object{"weight": "Bolder", "size": "Medium"})}
		for _, line := range render.NoticeLines(m) {
			card = append(card, block(line, nil))
		}
		for i := range m.Items[:shown] {
			account, fields := render.NoticeItem(&m.Items[i], short)
			facts := []object{}
			for _, f := range fields {
				facts = append(facts, object{"title": f.Name, "value": plainCard(f.Value)})
			}
			card = append(card, block(account, object{"weight": "Bolder", "separator": true}), object{"type": "FactSet", "facts": facts})
		}
		for _, line := range render.NoticeEnd(m, shown) {
			card = append(card, block(line.Name+": "+line.Value, nil))
		}
		card = append(card, block(render.NoticeFooter(m), object{"isSubtle": true, "size": "Small"}))
		body, err := encoded(object{"type": "message", "attachments": []object{{
			"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": nil,
			"content": object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": card},
		}}})
		if err != nil || len(body) <= teamsMost || shown == 0 {
			return body, err
		}
	}
}

// plainCard keeps the Markdown of cards from reading a text.
func plainCard(text string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "`", "\\`", "#", `\#`).Replace(text)
}

// Recipients are none but the URL.
func (s *sender) Recipients() []string { return nil }

// Examine looks whether the server is there and proves who it is. Whether it takes
// notices, only a notice shows.
func (s *sender) Examine(ctx context.Context, c *doctor.Check) {
	at, err := url.Parse(s.url)
	if err != nil {
		c.Fail("the URL is not well-formed", "correct url in the webhook block")
		return
	}
	port := at.Port()
	if port == "" {
		port = at.Scheme // which the dialer knows
	}
	address := net.JoinHostPort(at.Hostname(), port)
	const next = "rollcall notify test sends one of each kind"
	if at.Scheme == "http" {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			c.Fail(s.said(err).Error(), "correct url in the webhook block, or start the server")
			return
		}
		_ = conn.Close()
		c.Pass(s.host()+" answers", next)
		return
	}
	if s.bad != nil {
		c.Fail(s.said(s.bad).Error(), "correct ca_file in the webhook block")
		return
	}
	conn, err := (&tls.Dialer{Config: s.trust}).DialContext(ctx, "tcp", address)
	if err != nil {
		c.Fail(s.said(err).Error(), "correct url in the webhook block, or let this machine reach the server")
		return
	}
	defer conn.Close()
	until := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].NotAfter
	c.Pass(s.host()+" answers over TLS", "the certificate is valid until "+until.UTC().Format(time.DateOnly), next)
}

// Close gives idle connections back.
func (s *sender) Close() { s.client.CloseIdleConnections() }
