package servertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// PostfixOptions change what a [Postfix] is.
type PostfixOptions struct {
	// Map is the type of its tables, "hash" by default.
	Map string
	// Next is where mail goes, HOST:PORT; without one it waits in the queue.
	Next string
	// Together leaves virtual_alias_maps out.
	Together bool
	// Folder has the tables, with their indexes; by default one that is made has empty ones.
	Folder string
}

// Postfix is a mail gateway for example.com, which takes mail for the keys of two
// tables: relay_recipient_maps and virtual_alias_maps.
type Postfix struct {
	*Server
	// Address is 127.0.0.1:PORT.
	Address string
	// Folder is that of the tables, whose sources are Recipients and Aliases. A process that starts while a table is missing answers 451 until it ends,
	// be it made meanwhile.
	Folder, Recipients, Aliases string
	// Config is the folder of main.cf.
	Config string
}

// NewPostfix starts a gateway (Debian's postfix, postfix-lmdb and postfix-cdb). It needs
// root.
func NewPostfix(t T, o PostfixOptions) *Postfix {
	t.Helper()
	Need(t, "postfix", "postfix")
	Need(t, "postmap", "postfix")
	if os.Getuid() != 0 {
		unavailable(t, "postfix needs root, since its processes change user")
	}
	if o.Map == "" {
		o.Map = "hash"
	}
	for _, kind := range []string{"lmdb", "cdb"} {
		if _, err := os.Stat("/usr/lib/postfix/postfix-" + kind + ".so"); err != nil && o.Map == kind {
			unavailable(t, "there are no tables of type "+kind+": apt-get install postfix-"+kind)
		}
	}
	dir := folder(t)
	p := &Postfix{Folder: filepath.Join(dir, "maps"), Config: filepath.Join(dir, "etc")}
	if o.Folder != "" {
		p.Folder = o.Folder
	}
	p.Recipients, p.Aliases = filepath.Join(p.Folder, "recipients"), filepath.Join(p.Folder, "aliases")
	for _, name := range []string{"etc", "queue", "data", "maps"} {
		must(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	owner, err := user.Lookup("postfix")
	must(t, err)
	uid, _ := strconv.Atoi(owner.Uid)
	must(t, os.Chmod(dir, 0o755), os.Chown(filepath.Join(dir, "data"), uid, -1))
	host, port := "127.0.0.1", strconv.Itoa(freePort(t, "127.0.0.1"))
	p.Address = net.JoinHostPort(host, port)
	write(t, filepath.Join(p.Config, "main.cf"), p.main(dir, o))
	services, err := os.ReadFile("/etc/postfix/master.cf.proto")
	if err != nil {
		services, err = os.ReadFile("/usr/share/postfix/master.cf.dist")
	}
	must(t, err)
	write(t, filepath.Join(p.Config, "master.cf"), p.services(string(services)))
	for _, name := range []string{"dynamicmaps.cf", "postfix-files"} {
		if text, err := os.ReadFile("/etc/postfix/" + name); err == nil {
			write(t, filepath.Join(p.Config, name), string(text))
		}
	}
	if more := "/etc/postfix/dynamicmaps.cf.d"; o.Map == "lmdb" || o.Map == "cdb" {
		must(t, os.CopyFS(filepath.Join(p.Config, "dynamicmaps.cf.d"), os.DirFS(more)))
	}
	for _, name := range []string{"main.cf", "master.cf"} {
		must(t, os.Chmod(filepath.Join(p.Config, name), 0o644)) // for processes that are not root's
	}
	p.queue(t, filepath.Join(dir, "queue"), uid)
	for _, source := range []string{p.Recipients, p.Aliases} {
		if o.Folder != "" {
			break
		}
		write(t, source, "")
		must(t, os.Chmod(source, 0o644))
		if o.Map != "texthash" {
			_, err := run(nil, "postmap", "-c", p.Config, o.Map+":"+source)
			must(t, err)
		}
	}
	p.Server = &Server{t: t, Log: filepath.Join(dir, "log"), answers: []string{p.Address}, command: func() *exec.Cmd {
		return exec.Command("/usr/lib/postfix/sbin/master", "-c", p.Config, "-d")
	}}
	p.Start()
	t.Cleanup(p.Stop) // with all its processes
	return p
}

// queue makes the folders of a queue, as "postfix check" does in some seconds.
func (p *Postfix) queue(t T, dir string, uid int) {
	t.Helper()
	group, err := user.LookupGroup("postdrop")
	must(t, err)
	drop, _ := strconv.Atoi(group.Gid)
	for _, name := range []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace", "maildrop", "public", "pid"} {
		path, mode, gid := filepath.Join(dir, name), os.FileMode(0o700), -1
		switch name {
		case "maildrop":
			mode, gid = 0o730, drop
		case "public":
			mode, gid = 0o710|os.ModeSetgid, drop
		}
		must(t, os.Mkdir(path, 0o700), os.Chown(path, uid, gid), os.Chmod(path, mode))
	}
	must(t, os.Chown(filepath.Join(dir, "pid"), 0, 0), os.Chmod(filepath.Join(dir, "pid"), 0o755))
}

// Postmap is the command that builds tables with its configuration.
func (p *Postfix) Postmap() []string { return []string{"postmap", "-c", p.Config} }

// Reload is the command that has it read its tables again.
func (p *Postfix) Reload() []string { return []string{"postfix", "-c", p.Config, "reload"} }

// Mail returns what it has logged.
func (p *Postfix) Mail() string {
	text, _ := os.ReadFile(filepath.Join(filepath.Dir(p.Config), "maillog"))
	return string(text)
}

func (p *Postfix) main(dir string, o PostfixOptions) string {
	lines := []string{
		"compatibility_level = 3.6", "queue_directory = " + dir + "/queue", "data_directory = " + dir + "/data",
		"command_directory = /usr/sbin", "daemon_directory = /usr/lib/postfix/sbin", "meta_directory = /etc/postfix",
		"mail_owner = postfix", "setgid_group = postdrop", "mail_spool_directory = " + dir + "/queue",
		"maillog_file = " + dir + "/maillog", "maillog_file_prefixes = " + dir,
		"inet_interfaces = 127.0.0.1", "inet_protocols = ipv4", "myhostname = gw.example.com", "mydestination =", "mynetworks = 127.0.0.0/8",
		"alias_maps =", "alias_database =", "local_recipient_maps =", "relay_domains = example.com",
		"relay_recipient_maps = " + o.Map + ":" + p.Recipients,
		"default_transport = error:5.1.2 no way out of the test", "smtpd_recipient_restrictions = permit_mynetworks, reject",
		"smtpd_reject_unlisted_recipient = yes", "smtp_dns_support_level = disabled", "disable_dns_lookups = yes", "biff = no",
		"smtpd_error_sleep_time = 0", "smtpd_soft_error_limit = 10000", "smtpd_hard_error_limit = 10000", "smtpd_client_connection_count_limit = 0",
	}
	if !o.Together {
		lines = append(lines, "virtual_alias_maps = "+o.Map+":"+p.Aliases)
	}
	if o.Next == "" {
		lines = append(lines, "relay_transport = relay", "defer_transports = relay")
	} else {
		host, port, _ := net.SplitHostPort(o.Next)
		lines = append(lines, fmt.Sprintf("relay_transport = relay:[%s]:%s", host, port))
	}
	return strings.Join(lines, "\n") + "\n"
}

// services is a master.cf whose processes are not in a chroot, of which one listens.
func (p *Postfix) services(dist string) string {
	var lines []string
	for line := range strings.Lines(dist) {
		f := strings.Fields(line)
		if strings.HasPrefix(line, "#") || len(f) < 8 || line[0] == ' ' || line[0] == '\t' {
			if !strings.HasPrefix(line, "#") {
				lines = append(lines, strings.TrimRight(line, "\n"))
			}
			continue
		}
		if f[4] = "n"; f[1] == "inet" && f[0] == "smtp" {
			f[0] = p.Address
		}
		lines = append(lines, strings.Join(f, " "))
	}
	return strings.Join(lines, "\n") + "\n"
}
