package servertest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// SMTP is a mail server that wants TLS and a login, and keeps what it takes. Recipients
// whose local part is "refused", "later", "broken" or "slow" meet with that.
type SMTP struct {
	*Server
	// Address is 127.0.0.1:PORT.
	Address string
	// CA has certified the server.
	CA *CA
	// User and Password may send.
	User, Password string

	folder string
}

//go:embed smtp/server.py
var smtpServer string

// python is the Python of the system, which sees Debian's packages.
const python = "/usr/bin/python3"

// NewSMTP starts a mail server, with TLS from the beginning where that is implicit, and
// else by STARTTLS. It needs Python and aiosmtpd.
func NewSMTP(t T, implicit bool) *SMTP {
	t.Helper()
	if err := exec.Command(python, "-c", "import aiosmtpd").Run(); err != nil {
		unavailable(t, "aiosmtpd is not installed: apt-get install python3-aiosmtpd")
	}
	dir := folder(t)
	program := filepath.Join(dir, "server.py")
	write(t, program, smtpServer)
	s := &SMTP{CA: NewCA(t), User: "bot", Password: "correct horse", folder: filepath.Join(dir, "mail")}
	must(t, os.Mkdir(s.folder, 0o700))
	certificate := s.CA.Issue(t, Leaf{})
	port := freePort(t, "127.0.0.1")
	s.Address = fmt.Sprintf("127.0.0.1:%d", port)
	options, err := json.Marshal(map[string]any{
		"port": port, "folder": s.folder, "cert": certificate.CertFile, "key": certificate.KeyFile, "implicit": implicit, "user": s.User, "password": s.Password,
	})
	must(t, err)
	s.Server = &Server{t: t, Log: filepath.Join(dir, "log"), answers: []string{s.Address}, command: func() *exec.Cmd {
		return exec.Command(python, program, string(options))
	}}
	s.Start()
	return s
}

// Mail is a message that was taken.
type Mail struct {
	// From and To are those of the envelope, Auth is how its sender logged in.
	From string   `json:"from"`
	To   []string `json:"to"`
	TLS  bool     `json:"tls"`
	Auth string   `json:"auth"`
	// Header is that of the message; Text and HTML are its parts.
	Header     netmail.Header `json:"-"`
	Text, HTML string         `json:"-"`
}

// Taken are the messages that were taken, in their order.
func (s *SMTP) Taken() (all []Mail) {
	s.t.Helper()
	names, err := filepath.Glob(filepath.Join(s.folder, "*.json"))
	must(s.t, err)
	slices.Sort(names)
	for _, name := range names {
		text, err := os.ReadFile(name)
		must(s.t, err)
		var m Mail
		must(s.t, json.Unmarshal(text, &m))
		f, err := os.Open(strings.TrimSuffix(name, ".json") + ".eml")
		must(s.t, err)
		must(s.t, m.read(f))
		must(s.t, f.Close())
		all = append(all, m)
	}
	return all
}

func (m *Mail) read(from io.Reader) error {
	message, err := netmail.ReadMessage(from)
	if err != nil {
		return err
	}
	m.Header = message.Header
	_, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	parts := multipart.NewReader(message.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			return err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			m.HTML = strings.ReplaceAll(string(text), "\r\n", "\n")
		} else {
			m.Text = strings.ReplaceAll(string(text), "\r\n", "\n")
		}
	}
}
