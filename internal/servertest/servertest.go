// Package servertest runs directory servers for tests: OpenLDAP ([NewSlapd]),
// a Samba Active Directory domain controller ([NewSamba]), 389 Directory
// Server ([NewDS389]), and, for what only Windows does, a scripted one in Go
// ([NewStub]). [NewCA] makes the certificates, and [NewProxy] a line that
// breaks. [NewMailTree] and [NewMailTree389] are trees that gateways query, [NewPostfix]
// is a gateway, and [NewSink] takes its mail. [NewBrowser] shows pages in a Chromium.
//
// Every directory server holds [Base]. A server listens on the loopback interface
// alone, keeps its files in a folder of its own and ends with the test, or with the
// test process. Tests may run in parallel.
//
// A test is skipped where the program of its server is missing, and fails
// instead with ROLLCALL_SERVERS=required in the environment.
package servertest

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// T is what a server needs of a *testing.T, and what a program without one can
// stand in for.
type T interface {
	Helper()
	TempDir() string
	Cleanup(func())
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Base is the naming context of every server, and the one of internal/corpus.
const Base = "DC=corp,DC=example,DC=com"

// Need returns the path of a program. Where it is missing, the test is skipped
// with the Debian package that holds it, or fails if servers are required.
func Need(t T, program, debian string) string {
	t.Helper()
	for _, name := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	unavailable(t, program+" is not installed: apt-get install "+debian)
	return ""
}

func unavailable(t T, why string) {
	t.Helper()
	if os.Getenv("ROLLCALL_SERVERS") == "required" {
		t.Fatalf("%s", why)
	}
	t.Skipf("%s", why)
}

// patience is how long a server may take to come up or to end.
const patience = 30 * time.Second

// Server is a program that runs for a test.
type Server struct {
	// Log is the file with what the program printed.
	Log string

	t       T
	command func() *exec.Cmd
	answers []string // host:port, which all accept connections when it is up

	mu      sync.Mutex
	running *exec.Cmd
	ended   chan struct{}
}

// Start runs the program again after Stop or Kill, on the same ports and with
// the same data, and returns when it accepts connections.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatalf("%v", err)
	}
}

func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := s.command()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = endWithUs()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	s.running, s.ended = cmd, ended
	s.t.Cleanup(s.Kill) // its files go, too

	deadline := time.Now().Add(patience)
	for _, address := range s.answers {
		for {
			c, err := net.DialTimeout("tcp", address, time.Second)
			if err == nil {
				c.Close()
				break
			}
			select {
			case <-ended:
				return fmt.Errorf("%s ended at once: %w\n%s", cmd.Path, err, tail(s.Log))
			case <-time.After(10 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%s does not listen on %s: %w\n%s", cmd.Path, address, err, tail(s.Log))
			}
		}
	}
	return nil
}

// Pid returns the process id of the running program.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running.Process.Pid
}

// Stop ends the program in good order and returns when it is gone.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends the program as a power failure does: connections break, and
// nothing is written any more.
func (s *Server) Kill() { s.end(os.Kill) }

func (s *Server) end(how os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return
	}
	s.running.Process.Signal(how)
	select {
	case <-s.ended:
	case <-time.After(patience):
		s.running.Process.Kill()
		<-s.ended
	}
	s.running = nil
}

// tail returns the end of a file, for messages.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// run runs a program to its end and returns what it printed.
func run(stdin io.Reader, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.SysProcAttr = stdin, endWithUs()
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return string(out), err
}

// freePort returns a port that nobody listens on, outside the range from which
// systems choose the ports of outgoing connections. It is ours until this process
// ends, also while no server runs there.
func freePort(t T, host string) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		if reserve(t, port) && free(host, port) {
			return port
		}
	}
	t.Fatalf("no free port on %s", host)
	return 0
}

func free(host string, port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// folder makes a folder with a short path, because the path of a Unix socket
// in it may have 107 bytes, and removes it after the test.
func folder(t T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rc")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// write writes a file of a server's configuration.
func write(t T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("%v", err)
	}
}

// must ends the test at the first error.
func must(t T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatalf("%v", err)
	}
}
