package mail

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/servertest"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

var message = run.Message{
	ID: "abc123", Channel: "ops", Filed: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC), Run: 17, Host: "mail1", Configuration: "/etc/rollcall", Console: "gateway",
	Notice: run.Notice{
		Kind: run.NoticeNewRejections, Phase: run.Begins, Since: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC), Title: "2 new rejections, 72 in all",
		Items: []run.NoticeItem{
			{Account: "ann@example.com", Address: "sales@example.com", Reason: "alias_rejected", Rule: "contest", Other: `entry "CN=Bob"`, Text: "the alias is also listed by entry \"CN=Bob\"", Remedy: "leave the alias with one of the entries"},
			{Account: "CN=<b>משה</b>,DC=corp", Address: "moshe@example.com", Reason: "no_valid_primary", Rule: "primary", Text: "none can be its primary", Remedy: "give it one"},
		},
		Count: 72, Command: "rollcall -C /etc/rollcall plan --all",
	},
}

// sending are the settings of a sender.
func sending(s *servertest.SMTP, more map[string]any) settings.Values {
	set := map[string]any{
		"server": s.Address, "from": "Rollcall <rollcall@example.com>", "to": []string{"it@example.com"}, "username": s.User, "password": settings.NewSecret(s.Password), "ca_file": s.CA.File,
	}
	for name, value := range more {
		set[name] = value
	}
	return Kind.Values("ops", "", set)
}

// TestSend sends by each way to log in, and with both ways to TLS.
func TestSend(t *testing.T) {
	t.Parallel()
	starttls := servertest.NewSMTP(t, false)
	for _, auth := range authWords {
		s := open(sending(starttls, map[string]any{"auth": auth}), "1.2.3")
		if out := s.Send(t.Context(), &message); out.Err != nil || len(out.Refused) > 0 || len(out.Delivered) != 1 {
			t.Fatalf("%s: %+v", auth, out)
		}
		s.Close()
	}
	taken := starttls.Taken()
	if len(taken) != len(authWords) {
		t.Fatalf("%d messages", len(taken))
	}
	for i, m := range taken {
		if !m.TLS || !strings.EqualFold(m.Auth, authWords[i]) || m.From != "rollcall@example.com" || len(m.To) != 1 || m.To[0] != "it@example.com" {
			t.Errorf("envelope %+v", m)
		}
		if id := m.Header.Get("Message-Id"); id != taken[0].Header.Get("Message-Id") || !strings.HasPrefix(id, "<abc123.") || !strings.HasSuffix(id, "@example.com>") {
			t.Errorf("the message has the id %s", id)
		}
	}
	m := taken[0]
	for name, want := range map[string]string{
		"Subject": "rollcall gateway: 2 new rejections, 72 in all", "Auto-Submitted": "auto-generated", "Date": "Mon, 30 Nov 2026 08:00:00 +0000", "User-Agent": "rollcall/1.2.3",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, part := range []string{"sales@example.com", "alias_rejected", "contest", "leave the alias with one of the entries", "70 more of 72:", "rollcall -C /etc/rollcall plan --all", "run 17, 2026-11-30 08:00 UTC, on mail1"} {
		for name, text := range map[string]string{"text": m.Text, "HTML": m.HTML} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), part) {
				t.Errorf("the %s lacks %q:\n%s", name, part, text)
			}
		}
	}
	if strings.Contains(m.HTML, "<b>") || !strings.Contains(m.Text, "\u2068CN=<b>משה</b>,DC=corp\u2069") {
		t.Errorf("names are not kept to themselves:\n%s\n%s", m.Text, m.HTML)
	}

	implicit := servertest.NewSMTP(t, true)
	s := open(sending(implicit, nil), "1.2.3").(*sender)
	s.implicit = true // as port 465 is
	if out := s.Send(t.Context(), &message); out.Err != nil || len(implicit.Taken()) != 1 {
		t.Fatalf("implicit TLS: %+v", out)
	}
	s.Close()
}

// TestRecipients: one that is refused keeps the message from no other, one that is
// asked to wait is tried again, and who has the message does not get it again.
func TestRecipients(t *testing.T) {
	t.Parallel()
	server := servertest.NewSMTP(t, false)
	s := open(sending(server, map[string]any{"to": []string{"refused@example.com", "later@example.com", "it@example.com"}}), "1")
	m := message
	out := s.Send(t.Context(), &m)
	if len(out.Refused) != 1 || !strings.Contains(out.Refused[0].Error(), "550") || out.Err != nil || out.Waits == nil || !strings.Contains(out.Waits.Error(), "451") ||
		strings.Join(out.Delivered, " ") != "refused@example.com it@example.com" {
		t.Fatalf("%+v", out)
	}
	m.Delivered = out.Delivered
	if out = s.Send(t.Context(), &m); len(out.Refused)+len(out.Delivered) != 0 || out.Waits == nil {
		t.Errorf("again: %+v", out)
	}
	next := message
	if out = s.Send(t.Context(), &next); len(out.Refused) != 1 || len(out.Delivered) != 2 || out.Waits == nil {
		t.Errorf("the next one: %+v", out)
	}
	s.Close()
	if taken := server.Taken(); len(taken) != 2 || taken[0].To[0] != "it@example.com" || taken[1].To[0] != "it@example.com" {
		t.Errorf("taken: %+v", taken)
	}
	// A line that breaks is no refusal.
	s = open(sending(server, map[string]any{"to": []string{"broken@example.com", "it@example.com"}}), "1")
	if out = s.Send(t.Context(), &message); len(out.Refused)+len(out.Delivered) != 0 || out.Err == nil {
		t.Errorf("a broken line: %+v", out)
	}
	s.Close()
}

// TestRefusals: what cannot be sent now stays, and no error has the password.
func TestRefusals(t *testing.T) {
	t.Parallel()
	server := servertest.NewSMTP(t, false)
	other := servertest.NewCA(t)
	for _, auth := range authWords {
		s := open(sending(server, map[string]any{"auth": auth, "password": settings.NewSecret("wrong horse")}), "1")
		out := s.Send(t.Context(), &message)
		if out.Err == nil || len(out.Refused)+len(out.Delivered) != 0 || strings.Contains(out.Err.Error(), "wrong horse") || !strings.Contains(out.Err.Error(), server.Address) {
			t.Errorf("%s with a wrong password: %+v", auth, out)
		}
		s.Close()
	}
	for name, set := range map[string]map[string]any{
		"an authority that nobody knows": {"ca_file": other.File},
		"no file of certificates":        {"ca_file": t.TempDir() + "/none.pem"},
		"nobody there":                   {"server": "127.0.0.1:1"},
	} {
		s := open(sending(server, set), "1")
		if out := s.Send(t.Context(), &message); out.Err == nil || len(out.Refused)+len(out.Delivered) != 0 {
			t.Errorf("%s: %+v", name, out)
		}
		s.Close()
	}
	if n := len(server.Taken()); n > 0 {
		t.Errorf("%d messages were taken", n)
	}
}

// TestSilence: a server that says nothing costs no more time than there is.
func TestSilence(t *testing.T) {
	t.Parallel()
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	server := servertest.NewSMTP(t, false)
	for name, set := range map[string]map[string]any{
		"no greeting": {"server": mute.Addr().String()},
		"no answer":   {"to": []string{"slow@example.com", "it@example.com"}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		s := open(sending(server, set), "1")
		if out := s.Send(ctx, &message); out.Err == nil || len(out.Delivered) != 0 {
			t.Errorf("%s: %+v", name, out)
		}
		if until, _ := ctx.Deadline(); time.Since(until) > reply/2 {
			t.Errorf("%s: it went on for %v", name, time.Since(until))
		}
		s.Close()
		cancel()
	}
}

// TestEndless: a server that does not end its answers ends the run of nobody.
func TestEndless(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				line := []byte("220-" + strings.Repeat("x", 60) + "\r\n")
				for {
					if _, err := c.Write(line); err != nil {
						return
					}
				}
			}()
		}
	}()
	s := open(Kind.Values("ops", "", map[string]any{"server": l.Addr().String(), "from": "a@example.com", "to": []string{"b@example.com"}, "insecure": true}), "1")
	ctx, cancel := context.WithTimeout(t.Context(), reply)
	defer cancel()
	if out := s.Send(ctx, &message); out.Err == nil || ctx.Err() != nil || len(out.Err.Error()) > 700 {
		t.Errorf("%+v", out)
	}
}

// TestExamine: what is wrong is found without a message.
func TestExamine(t *testing.T) {
	t.Parallel()
	server := servertest.NewSMTP(t, false)
	for name, x := range map[string]struct {
		set  map[string]any
		want doctor.Status
		says string
	}{
		"all is well":      {nil, doctor.OK, "takes mail for it@example.com"},
		"a bad recipient":  {map[string]any{"to": []string{"it@example.com", "refused@example.com"}}, doctor.Failed, "refuses a recipient: refused@example.com"},
		"a wrong password": {map[string]any{"password": settings.NewSecret("wrong")}, doctor.Failed, "535"},
	} {
		s := open(sending(server, x.set), "1")
		c := &doctor.Check{}
		s.Examine(t.Context(), c)
		s.Close()
		if c.Status != x.want || !strings.Contains(c.Finding, x.says) {
			t.Errorf("%s: %s: %s", name, c.Status, c.Finding)
		}
	}
	if n := len(server.Taken()); n > 0 {
		t.Errorf("%d messages were taken", n)
	}
}
