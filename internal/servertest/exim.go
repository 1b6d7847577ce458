package servertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// Exim is a mail gateway for example.com, which takes mail for the keys of two files
// that it reads with lsearch, and rewrites those of the second.
type Exim struct {
	*Server
	// Address is 127.0.0.1:PORT.
	Address string
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
	must(t, os.Chmod(dir, 0o755))
	for _, name := range []string{"spool", "log"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755), os.Chown(filepath.Join(dir, name), mailUser, mailUser))
	}
	port := strconv.Itoa(freePort(t, "127.0.0.1"))
	e := &Exim{Address: net.JoinHostPort("127.0.0.1", port)}
	host, nextPort, err := net.SplitHostPort(next)
	must(t, err)
	conf := filepath.Join(dir, "exim.conf")
	write(t, conf, fmt.Sprintf(eximConf, program, dir, port, recipients, aliases, host, nextPort))
	e.Server = &Server{t: t, Log: filepath.Join(dir, "output"), answers: []string{e.Address}, command: func() *exec.Cmd {
		return exec.Command(program, "-C", conf, "-bdf")
	}}
	e.Start()
	return e
}

// mailUser is the user and the group "mail" of every Debian.
const mailUser = 8

const eximConf = `exim_user = mail
exim_group = mail
exim_path = %[1]s
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
