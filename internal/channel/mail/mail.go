// Package mail sends notices by SMTP (RFC 5321), with STARTTLS (RFC 3207) or TLS from
// the beginning (RFC 8314), and AUTH PLAIN, LOGIN or XOAUTH2.
package mail

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/rollcall-cli/rollcall/internal/channel"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Kind is mail by way of a server.
var Kind = channel.Kind{
	Kind: settings.Kind{
		Name: "mail", Help: "mail by way of an SMTP server",
		Settings: []settings.Setting{
			{Name: "server", Required: true, Check: checkServer, Example: `"smtp.example.com:587"`, Help: "the mail server and its port"},
			{Name: "from", Required: true, Check: checkAddress, Example: `"rollcall@example.com"`},
			{Name: "to", Type: settings.Texts, Required: true, Check: checkAddress, Example: `["it@example.com"]`},
			{Name: "username"},
			{Name: "password", Secret: true},
			{Name: "auth", Words: authWords, Default: authWords[0]},
			{Name: "ca_file", Type: settings.Path},
			{Name: "insecure", Type: settings.Flag},
		},
		Check: check,
	},
	Open: open,
}

// authWords are how to log in; the first is the default.
var authWords = []string{"plain", "login", "xoauth2"}

var mechanisms = map[string]gomail.SMTPAuthType{"plain": gomail.SMTPAuthPlain, "login": gomail.SMTPAuthLogin, "xoauth2": gomail.SMTPAuthXOAUTH2}

func checkServer(text string) (p settings.Problem) {
	host, port, err := net.SplitHostPort(text)
	if n, bad := strconv.Atoi(port); err != nil || host == "" || bad != nil || n < 1 || n > 65535 {
		return settings.Problem{Summary: "%s is not a host and its port", Hint: `write "smtp.example.com:587", or port 465 for TLS from the beginning`}
	}
	return p
}

func checkAddress(text string) (p settings.Problem) {
	if _, err := netmail.ParseAddress(text); err != nil {
		return settings.Problem{Summary: "%s is not a mail address", Hint: `write "it@example.com" or "IT <it@example.com>"`}
	}
	return p
}

func check(v settings.Values) (all []settings.Problem) {
	if v.Has("username") != v.Has("password") {
		given, missing := "username", "password"
		if v.Has("password") {
			given, missing = missing, given
		}
		all = append(all, settings.Problem{Setting: given, Summary: fmt.Sprintf("mail %q has a %s and no %s", v.Label(), given, missing), Hint: "write both, or neither for a server that asks for no login"})
	}
	if host, _, _ := net.SplitHostPort(v.Text("server")); v.Flag("insecure") && !channel.Loopback(host) {
		all = append(all, settings.Problem{Setting: "insecure", Summary: fmt.Sprintf("mail %q would send without TLS over a network", v.Label()), Hint: "remove insecure; it is for servers on this machine, and ca_file is for certificates of your own"})
	}
	return all
}

// sender sends by one connection, which it opens with the first message.
type sender struct {
	host, from string
	port       int
	to         []string
	user, pass string
	auth       gomail.SMTPAuthType
	ca         string // the path of a file, or ""
	insecure   bool
	implicit   bool // TLS begins with the connection
	agent      string

	client  *gomail.Client
	conn    *smtp.Client
	waiting map[string]error // the recipients who can have nothing now
}

func open(v settings.Values, release string) channel.Sender {
	host, port, _ := net.SplitHostPort(v.Text("server"))
	s := &sender{
		host: host, from: v.Text("from"), to: v.Texts("to"), user: v.Text("username"), pass: v.Secret("password").Reveal(), auth: gomail.SMTPAuthNoAuth,
		ca: v.Path("ca_file"), insecure: v.Flag("insecure"), agent: "rollcall/" + release,
	}
	s.port, _ = strconv.Atoi(port)
	s.implicit = s.port == implicitTLS && !s.insecure
	if s.user != "" {
		s.auth = mechanisms[v.Text("auth")]
		if s.insecure && s.auth != gomail.SMTPAuthXOAUTH2 {
			s.auth += "-NOENC"
		}
	}
	return s
}

// implicitTLS is the port on which TLS begins with the connection (RFC 8314 section 3.3).
const implicitTLS = 465

// reply is how long the server may be silent.
const reply = 10 * time.Second

// connect logs in.
func (s *sender) connect(ctx context.Context) error {
	if s.conn != nil {
		return nil
	}
	trust, err := channel.Trust(s.host, s.ca)
	if err != nil {
		return err
	}
	policy := gomail.TLSMandatory
	if s.insecure || s.implicit {
		policy = gomail.NoTLS
	}
	dial := func(dialing context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(dialing, network, address)
		if err != nil {
			return nil, err
		}
		conn = limited(ctx, conn)
		if !s.implicit {
			return conn, nil
		}
		secure := tls.Client(conn, trust)
		if err := secure.HandshakeContext(dialing); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return secure, nil
	}
	client, err := gomail.NewClient(s.host, gomail.WithPort(s.port), gomail.WithTLSPolicy(policy), gomail.WithTLSConfig(trust), gomail.WithTimeout(reply),
		gomail.WithSMTPAuth(s.auth), gomail.WithUsername(s.user), gomail.WithPassword(s.pass),
		gomail.WithDialContextFunc(dial))
	if err != nil {
		return err
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	s.client, s.conn = client, conn
	return nil
}

// limit is a connection that no deadline outlasts, and that reads no more than most.
type limit struct {
	net.Conn
	until time.Time
	read  int
}

// most is how many octets a server may say in one run.
const most = 1 << 20

func (l *limit) Read(p []byte) (int, error) {
	if l.read > most {
		return 0, errors.New("the server says more than a mail server has to say")
	}
	n, err := l.Conn.Read(p)
	l.read += n
	return n, err
}

func limited(ctx context.Context, conn net.Conn) net.Conn {
	until, ok := ctx.Deadline()
	if !ok {
		return conn
	}
	return &limit{Conn: conn, until: until}
}

func (l *limit) SetDeadline(t time.Time) error {
	if t.IsZero() || t.After(l.until) {
		t = l.until
	}
	return l.Conn.SetDeadline(t)
}

// Send sends the message to each recipient that has not got it, each by itself, so that
// one that is refused keeps it from no other.
func (s *sender) Send(ctx context.Context, m *run.Message) (out channel.Outcome) {
	if err := s.connect(ctx); err != nil {
		out.Err = s.said(err)
		return out
	}
	for _, to := range s.to {
		if slices.Contains(m.Delivered, to) {
			continue
		}
		if err := s.waiting[to]; err != nil { // or this one would overtake another
			out.Waits = err
			continue
		}
		msg, err := s.message(m, to)
		if err != nil {
			out.Refused = append(out.Refused, fmt.Errorf("to %s: %w", to, err))
			out.RefusedBy, out.Delivered = append(out.RefusedBy, to), append(out.Delivered, to)
			continue
		}
		err = s.client.SendWithSMTPClient(s.conn, msg)
		var failed *gomail.SendError
		switch {
		case err == nil || msg.IsDelivered():
			out.Delivered = append(out.Delivered, to)
		case errors.As(err, &failed) && permanent(failed):
			out.Refused = append(out.Refused, fmt.Errorf("to %s: the server refused it: %w", to, s.said(err)))
			out.RefusedBy, out.Delivered = append(out.RefusedBy, to), append(out.Delivered, to)
		case ctx.Err() == nil && errors.As(err, &failed) && failed.Reason == gomail.ErrSMTPRcptTo && failed.ErrorCode() != 0 && failed.ErrorCode() != 421:
			out.Waits = s.said(err)
			if s.waiting == nil {
				s.waiting = map[string]error{}
			}
			s.waiting[to] = out.Waits
		default:
			out.Err = s.said(err)
			return out
		}
	}
	return out
}

// permanent reports whether a server has said that this recipient will never have the
// message (RFC 5321 section 4.2.1). What it has against the sender, the login or the
// connection, somebody can mend.
func permanent(err *gomail.SendError) bool {
	switch err.Reason {
	case gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
		code := err.ErrorCode()
		return code/100 == 5 && code != 521 && code != 530 && code != 535 && code != 538
	}
	return false
}

// message is what one recipient gets.
func (s *sender) message(m *run.Message, to string) (*gomail.Msg, error) {
	msg := gomail.NewMsg()
	if err := errors.Join(msg.From(s.from), msg.To(to)); err != nil {
		return nil, err
	}
	page, err := render.NoticeHTML(m)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(to))
	from, _ := netmail.ParseAddress(s.from)
	msg.SetMessageIDWithValue(m.ID + "." + hex.EncodeToString(hash[:4]) + from.Address[strings.LastIndexByte(from.Address, '@'):])
	msg.SetDateWithValue(m.Filed)
	msg.SetUserAgent(s.agent)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834
	msg.SetGenHeader("X-Rollcall-Notice", string(m.Kind)+" "+string(m.Phase))
	msg.Subject(render.NoticeSubject(m))
	msg.SetBodyString(gomail.TypeTextPlain, render.NoticeText(m, len(m.Items), 0))
	msg.AddAlternativeString(gomail.TypeTextHTML, page)
	return msg, nil
}

// said is an error without the password, which a server may have repeated.
func (s *sender) said(err error) error {
	encoded := base64.StdEncoding.EncodeToString
	secrets := []string{s.pass}
	if s.pass != "" {
		secrets = append(secrets, encoded([]byte(s.pass)), encoded([]byte("\x00"+s.user+"\x00"+s.pass)), encoded([]byte("user="+s.user+"\x01auth=Bearer "+s.pass+"\x01\x01")))
	}
	text, _, _ := strings.Cut(channel.Brief(err, secrets...), ", affected recipient(s):")
	return fmt.Errorf("mail server %s: %s", net.JoinHostPort(s.host, strconv.Itoa(s.port)), text)
}

// Recipients are those of the block.
func (s *sender) Recipients() []string { return s.to }

// Examine logs in and asks for each recipient, and sends nothing.
func (s *sender) Examine(ctx context.Context, c *doctor.Check) {
	if err := s.connect(ctx); err != nil {
		c.Fail(s.said(err).Error(), "correct server, username and password in the mail block; a server with a certificate of your own needs ca_file")
		return
	}
	defer s.Close()
	var evidence []string
	if state, err := s.conn.GetTLSConnectionState(); err == nil && len(state.PeerCertificates) > 0 {
		evidence = append(evidence, "the certificate is valid until "+state.PeerCertificates[0].NotAfter.UTC().Format(time.DateOnly))
	}
	from, _ := netmail.ParseAddress(s.from)
	if err := s.conn.Mail(from.Address); err != nil {
		c.Fail(fmt.Sprintf("the server does not take mail from %s: %v", from.Address, s.said(err)), "let the server take mail from this address, or set from", evidence...)
		return
	}
	var refused []string
	for _, to := range s.to {
		at, _ := netmail.ParseAddress(to)
		if err := s.conn.Rcpt(at.Address); err != nil {
			refused = append(refused, fmt.Sprintf("%s: %v", at.Address, s.said(err)))
		}
	}
	_ = s.conn.Reset()
	if len(refused) > 0 {
		c.Fail("the server refuses a recipient: "+strings.Join(refused, "; "), "correct to in the mail block", evidence...)
		return
	}
	c.Pass("the server takes mail for "+strings.Join(s.to, ", "), evidence...)
}

// Close ends the connection.
func (s *sender) Close() {
	if s.conn != nil {
		_ = s.client.CloseWithSMTPClient(s.conn)
		s.client, s.conn = nil, nil
	}
}
