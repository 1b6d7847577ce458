package servertest

import (
	"fmt"
	"os/exec"
	"path/filepath"
)

// NewPgBouncer starts a PgBouncer (Debian's pgbouncer) before a PostgreSQL server, which
// hands out connections by the transaction, and returns its 127.0.0.1:PORT. As root it
// runs as postgres.
func NewPgBouncer(t T, s *SQL) (host string) {
	t.Helper()
	program := Need(t, "/usr/sbin/pgbouncer", "pgbouncer")
	dir := folder(t)
	port := freePort(t, "127.0.0.1")
	host = fmt.Sprintf("127.0.0.1:%d", port)
	write(t, filepath.Join(dir, "users"), fmt.Sprintf("%q %q\n", Superuser, Password))
	write(t, filepath.Join(dir, "pgbouncer.ini"), fmt.Sprintf(`[databases]
* = host=127.0.0.1 port=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = transaction
default_pool_size = 4
max_client_conn = 500
server_login_retry = 0.2
`, s.Host[len("127.0.0.1:"):], port, filepath.Join(dir, "users")))
	own(t, dir, "postgres")
	server := &Server{t: t, Log: filepath.Join(dir, "log"), answers: []string{host}, command: func() *exec.Cmd {
		return as("postgres", "postgres", program, filepath.Join(dir, "pgbouncer.ini"))
	}}
	server.Start()
	return host
}
