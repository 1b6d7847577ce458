package servertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
)

// Exim is a mail gateway for example.com, which takes mail for the keys of two files
// that it reads with lsearch, and rewrites those of the second.
type Exim struct {
	*Server
	// Address is 127.0.0.1:PORT, Mainlog the file in which it says what became of mail.
	Address, Mainlog string
}

// NewExim starts a gateway that hands mail on to next, HOST:PORT. Debian's
// exim4-daemon-light cannot be installed beside postfix, so that "make prepare" unpacks
// it into the user's cache folder. It needs root.
func NewExim(t T, recipients, aliases, next string) *Exim {
	t.Helper()
	cache, err := os.UserCacheDir()
	must(t, err)
	program := filepath.Join(cache, "rollcall", "exim4-daemon-light", "usr", "sbin", "exim4")
	if _, err := os.Stat(program); err != nil {
		unavailable(t, "exim4-daemon-light is not unpacked in "+filepath.Join(cache, "rollcall")+": make prepare")
	}
	if os.Getuid() != 0 {
		unavailable(t, "exim needs root, since its processes change user")
	}
	dir := folder(t)
	text, err := os.ReadFile(program)
	must(t, err)
	program = filepath.Join(dir, "exim4") // which it starts again as another user
	must(t, os.Chmod(dir, 0o755), os.WriteFile(program, text, 0o755))
	owner, err := user.Lookup("Debian-exim") // which the program has compiled in
	if err != nil {
		unavailable(t, "exim needs the user Debian-exim: make prepare")
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	for _, name := range []string{"spool", "log"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755), os.Chown(filepath.Join(dir, name), uid, gid))
	}
	port := strconv.Itoa(freePort(t, "127.0.0.1"))
	e := &Exim{Address: net.JoinHostPort("127.0.0.1", port), Mainlog: filepath.Join(dir, "log", "mainlog")}
	host, nextPort, err := net.SplitHostPort(next)
	must(t, err)
	conf := filepath.Join(dir, "exim.conf")
	write(t, conf, fmt.Sprintf(eximConf, program, dir, port, recipients, aliases, host, nextPort))
	must(t, os.Chmod(conf, 0o644))
	e.Server = &Server{t: t, Log: filepath.Join(dir, "output"), answers: []string{e.Address}, command: func() *exec.Cmd {
		return exec.Command(program, "-C", conf, "-bdf")
	}}
	e.Start()
	return e
}

const eximConf = `exim_path = %[1]s
spool_directory = %[2]s/spool
log_file_path = %[2]s/log/%%slog
pid_file_path = %[2]s/pid
primary_hostname = gw.example.com
local_interfaces = 127.0.0.1
daemon_smtp_ports = %[3]s
domainlist relay = example.com
acl_smtp_rcpt = rcpt
tls_advertise_hosts =
host_lookup =
keep_environment =
deliver_drop_privilege
begin acl
rcpt:
  deny !domains = +relay
  accept verify = recipient
begin routers
aliases:
  driver = redirect
  domains = +relay
  data = ${lookup{$local_part@$domain}lsearch{%[5]s}}
known:
  driver = manualroute
  domains = +relay
  condition = ${lookup{$local_part@$domain}lsearch{%[4]s}{yes}{no}}
  transport = out
  route_data = %[6]s::%[7]s
  self = send
begin transports
out:
  driver = smtp
  hosts_override
`
