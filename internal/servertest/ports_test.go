//go:build linux

package servertest

import (
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// TestPortsAreReserved: a port is given once, by all processes together, although no
// server runs there.
func TestPortsAreReserved(t *testing.T) {
	t.Parallel()
	if text := os.Getenv("ROLLCALL_TEST_PORT"); text != "" {
		port, err := strconv.Atoi(text)
		if err != nil || reserve(t, port) {
			t.Fatalf("port %q was given twice, %v", text, err)
		}
		return
	}
	port := freePort(t, "127.0.0.1")
	if reserve(t, port) {
		t.Error("one process got a port twice")
	}
	other := exec.Command(os.Args[0], "-test.run=^TestPortsAreReserved$")
	other.Env = append(os.Environ(), "ROLLCALL_TEST_PORT="+strconv.Itoa(port))
	if out, err := other.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
