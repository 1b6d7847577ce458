package servertest

import (
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
)

// SQL is a database server, a [NewPostgres] or a [NewMariaDB]. It speaks TLS to who
// asks for it, and keeps nothing on disk for sure.
type SQL struct {
	*Server
	// Scheme is that of its URLs, "postgres" or "mysql", Driver its name in
	// database/sql.
	Scheme, Driver string
	// Host is 127.0.0.1:PORT.
	Host string
	// CA has certified the server for 127.0.0.1 and localhost.
	CA *CA

	dir, user string // where its files are, and who runs it
	first     string // a database that is always there
	dsn       func(user, database string) string
}

// Superuser may do anything on an [SQL] server; its password is [Password].
const Superuser = "app"

var databases atomic.Int64

// URL is where a user finds a database.
func (s *SQL) URL(user, password, database string) string {
	return fmt.Sprintf("%s://%s:%s@%s/%s", s.Scheme, user, password, s.Host, database)
}

// Database makes a database that nobody else has, and returns its name and what the
// superuser has open of it, which is closed with the test.
func (s *SQL) Database(t T) (string, *sql.DB) {
	t.Helper()
	name := fmt.Sprintf("test%d", databases.Add(1))
	admin := s.Open(t, Superuser, s.first)
	_, err := admin.Exec("CREATE DATABASE " + name)
	must(t, err, admin.Close())
	return name, s.Open(t, Superuser, name)
}

// Open opens a database as a user whose password is [Password]; it is closed with
// the test.
func (s *SQL) Open(t T, user, database string) *sql.DB {
	t.Helper()
	db, err := sql.Open(s.Driver, s.dsn(user, database))
	must(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

// as is a command as another user of the system, which ends with this process.
// Root may not run these servers.
func as(user, group string, command ...string) *exec.Cmd {
	if os.Getuid() == 0 {
		command = append([]string{"setpriv", "--pdeathsig", "KILL", "--reuid", user, "--regid", group, "--clear-groups", "--"}, command...)
	}
	return exec.Command(command[0], command[1:]...)
}

// own gives a folder, and what is in it, to who may run a server.
func own(t T, dir, user string) {
	t.Helper()
	if os.Getuid() == 0 {
		must(t, exec.Command("chown", "-R", user, dir).Run())
	}
}

// Certify gives the server a certificate of its CA, which it uses when it is started
// the next time.
func (s *SQL) Certify(t T, leaf Leaf) {
	t.Helper()
	c := s.CA.Issue(t, leaf)
	for name, from := range map[string]string{"server.crt": c.CertFile, "server.key": c.KeyFile, "ca.crt": s.CA.File} {
		text, err := os.ReadFile(from)
		must(t, err)
		write(t, filepath.Join(s.dir, name), string(text))
	}
	own(t, s.dir, s.user)
}

// NewPostgres starts a PostgreSQL server (Debian's postgresql). As root it runs as
// postgres.
func NewPostgres(t T) *SQL {
	t.Helper()
	// Debian has the programs of each version in a folder, and not in PATH.
	bin := "/usr/lib/postgresql/"
	if found, _ := filepath.Glob(bin + "*/bin/postgres"); len(found) > 0 {
		bin = strings.TrimSuffix(found[len(found)-1], "postgres")
	}
	program := Need(t, bin+"postgres", "postgresql")
	dir := folder(t)
	port := freePort(t, "127.0.0.1")
	s := &SQL{Scheme: "postgres", Driver: "pgx", dir: dir, user: "postgres", first: "postgres", Host: fmt.Sprintf("127.0.0.1:%d", port)}
	s.dsn = func(user, database string) string { return s.URL(user, Password, database) + "?sslmode=disable" }
	s.CA = NewCA(t)
	s.Certify(t, Leaf{})
	write(t, filepath.Join(dir, "password"), Password)
	own(t, dir, "postgres")
	data := filepath.Join(dir, "data")
	init := as("postgres", "postgres", bin+"initdb", "-D", data, "-U", Superuser, "--pwfile", filepath.Join(dir, "password"), "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	s.Server = &Server{t: t, Log: filepath.Join(dir, "log"), answers: []string{s.Host}, command: func() *exec.Cmd {
		os.Remove(filepath.Join(data, "postmaster.pid")) // of one that was killed
		args := []string{program, "-D", data, "-p", fmt.Sprint(port)}
		for _, setting := range []string{"listen_addresses=127.0.0.1", "unix_socket_directories=" + dir, "fsync=off", "ssl=on", "max_connections=100",
			"ssl_cert_file=" + filepath.Join(dir, "server.crt"), "ssl_key_file=" + filepath.Join(dir, "server.key"), "dynamic_shared_memory_type=mmap"} {
			args = append(args, "-c", setting)
		}
		return as("postgres", "postgres", args...)
	}}
	s.Start()
	return s
}

// Start starts the server again after Stop or Kill, and returns when it answers.
func (s *SQL) Start() {
	s.t.Helper()
	// What a killed server has left behind may take a moment to end.
	var err error
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if err = s.start(); err == nil || time.Now().After(deadline) {
			break
		}
	}
	must(s.t, err)
	db, err := sql.Open(s.Driver, s.dsn(Superuser, s.first))
	must(s.t, err)
	defer db.Close()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if err = db.Ping(); err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s does not answer: %v\n%s", s.Host, err, tail(s.Log))
		}
	}
}

// NewMariaDB starts a MariaDB server (Debian's mariadb-server-core). As root it runs
// as nobody.
func NewMariaDB(t T) *SQL {
	t.Helper()
	program := Need(t, "mariadbd", "mariadb-server-core")
	dir := folder(t)
	port := freePort(t, "127.0.0.1")
	s := &SQL{Scheme: "mysql", Driver: "mysql", dir: dir, user: "nobody", first: "mysql", Host: fmt.Sprintf("127.0.0.1:%d", port)}
	s.dsn = func(user, database string) string {
		return fmt.Sprintf("%s:%s@tcp(%s)/%s?interpolateParams=true&multiStatements=true", user, Password, s.Host, database)
	}
	s.CA = NewCA(t)
	s.Certify(t, Leaf{})
	data := filepath.Join(dir, "data")
	must(t, os.Mkdir(data, fs.ModePerm))
	write(t, filepath.Join(dir, "init.sql"), fmt.Sprintf("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO %[1]s@'%%' WITH GRANT OPTION;\n", Superuser, Password))
	own(t, dir, "nobody")
	options := []string{program, "--no-defaults", "--datadir=" + data, "--tmpdir=" + dir, "--skip-log-bin", "--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync"}
	// What mariadb-install-db does, without the help pages.
	tables := "CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket=NULL;\n"
	for _, name := range []string{"mysql_system_tables", "mysql_performance_tables", "mysql_system_tables_data"} {
		text, err := os.ReadFile("/usr/share/mysql/" + name + ".sql")
		must(t, err)
		tables += string(text)
	}
	init := as("nobody", "nogroup", append(options, "--bootstrap")...)
	init.Stdin = strings.NewReader(tables)
	if out, err := init.CombinedOutput(); err != nil {
		t.Fatalf("mariadbd --bootstrap: %v\n%s", err, out)
	}
	s.Server = &Server{t: t, Log: filepath.Join(dir, "log"), answers: []string{s.Host}, command: func() *exec.Cmd {
		return as("nobody", "nogroup", append(options, "--socket="+filepath.Join(dir, "sock"), "--pid-file="+filepath.Join(dir, "pid"), "--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", port),
			"--innodb-buffer-pool-size=64M", "--skip-name-resolve", "--init-file="+filepath.Join(dir, "init.sql"),
			"--ssl-ca="+filepath.Join(dir, "ca.crt"), "--ssl-cert="+filepath.Join(dir, "server.crt"), "--ssl-key="+filepath.Join(dir, "server.key"))...)
	}}
	s.Start()
	return s
}
