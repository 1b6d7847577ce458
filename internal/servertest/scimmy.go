package servertest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Scimmy is a SCIM 2.0 server (npm: scimmy and scimmy-routers) that speaks HTTPS. It
// has users with the enterprise extension, no accounts at first, and announces
// PATCH, bulk and filters, and no ETag.
type Scimmy struct {
	*Server
	// URL is https://127.0.0.1:PORT/scim/v2.
	URL string
	// CA has certified the server.
	CA *CA
	// Token may do anything, Reader may read.
	Token, Reader string
}

//go:embed scimmy/server.mjs
var scimmyServer string

// NewScimmy starts a SCIM server. It needs node, and the modules that "make prepare"
// installs. What it has answered outlasts [Server.Kill].
func NewScimmy(t T) *Scimmy {
	t.Helper()
	node, modules := Need(t, "node", "nodejs"), nodeModules(t, "scimmy", "scimmy")
	dir := folder(t)
	must(t, os.Symlink(modules, filepath.Join(dir, "node_modules")))
	program := filepath.Join(dir, "server.mjs")
	write(t, program, scimmyServer)
	s := &Scimmy{CA: NewCA(t), Token: "scimmy-token", Reader: "scimmy-reader"}
	certificate := s.CA.Issue(t, Leaf{})
	port := freePort(t, "127.0.0.1")
	options, err := json.Marshal(map[string]any{
		"port": port, "cert": certificate.CertFile, "key": certificate.KeyFile, "state": filepath.Join(dir, "rows"), "token": s.Token, "reader": s.Reader,
	})
	must(t, err)
	s.URL = fmt.Sprintf("https://127.0.0.1:%d/scim/v2", port)
	s.Server = &Server{t: t, Log: filepath.Join(dir, "log"), answers: []string{fmt.Sprintf("127.0.0.1:%d", port)}, command: func() *exec.Cmd {
		return exec.Command(node, program, string(options))
	}}
	s.Start()
	return s
}
