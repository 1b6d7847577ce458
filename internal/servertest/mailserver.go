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

// MailServer is Postfix and Dovecot, which read the tables of PostfixAdmin in one
// database, with the queries of its documentation.
type MailServer struct {
	// SMTP and IMAP are 127.0.0.1:PORT.
	SMTP, IMAP string
	// Mail is the folder in which the maildirs of the table "mailbox" are.
	Mail string

	postfix, dovecot *Server
}

// lookups says how a mail server reaches a kind of database: the type of its tables in
// Postfix, its driver in Dovecot, and where a mailbox is.
var lookups = map[string]struct{ name, home string }{
	"postgres": {"pgsql", "'%s/' || maildir"},
	"mysql":    {"mysql", "CONCAT('%s/', maildir)"},
}

// NewMailServer starts both (Debian's dovecot-lmtpd and dovecot-imapd, and of postfix
// and dovecot the packages for the kind of database). It needs root.
func NewMailServer(t T, s *SQL, database string) *MailServer {
	t.Helper()
	kind := lookups[s.Scheme].name
	Need(t, "postfix", "postfix-"+kind)
	dovecot := Need(t, "dovecot", "dovecot-core")
	for file, debian := range map[string]string{
		"/usr/lib/postfix/postfix-" + kind + ".so": "postfix-" + kind, "/usr/lib/dovecot/lmtp": "dovecot-lmtpd", "/usr/lib/dovecot/imap": "dovecot-imapd",
		"/usr/lib/dovecot/modules/auth/libdriver_" + kind + ".so": "dovecot-" + kind,
	} {
		if _, err := os.Stat(file); err != nil {
			unavailable(t, file+" is not there: apt-get install "+debian)
		}
	}
	if os.Getuid() != 0 {
		unavailable(t, "postfix and dovecot need root, since their processes change user")
	}
	dir := folder(t)
	must(t, os.Chmod(dir, 0o755))
	port := func() int { return freePort(t, "127.0.0.1") }
	smtp, imap, lmtp := port(), port(), port()
	m := &MailServer{SMTP: fmt.Sprintf("127.0.0.1:%d", smtp), IMAP: fmt.Sprintf("127.0.0.1:%d", imap), Mail: filepath.Join(dir, "mail")}
	must(t, os.Mkdir(m.Mail, 0o755))
	own(t, m.Mail, "mail")
	m.dovecot = m.newDovecot(t, dovecot, dir, s, database, imap, lmtp)
	m.postfix = m.newPostfix(t, dir, s, database, lmtp)
	return m
}

func (m *MailServer) newDovecot(t T, program, dir string, s *SQL, database string, imap, lmtp int) *Server {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Host)
	must(t, err)
	queries := filepath.Join(dir, "sql.conf")
	write(t, queries, fmt.Sprintf(`driver = %s
connect = host=%s port=%s dbname=%s user=%s password=%s
user_query = SELECT %s AS home, 8 AS uid, 8 AS gid FROM mailbox WHERE username = '%%u' AND active = true
password_query = SELECT username AS user, password FROM mailbox WHERE username = '%%u' AND active = true
`, lookups[s.Scheme].name, host, port, database, Superuser, Password, fmt.Sprintf(lookups[s.Scheme].home, m.Mail)))
	conf := filepath.Join(dir, "dovecot.conf")
	write(t, conf, fmt.Sprintf(`base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/dovecot.log
protocols = lmtp imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
mail_location = maildir:~/Maildir
first_valid_uid = 8
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = %[2]d
  }
}
service imap-login {
  inet_listener imap {
    address = 127.0.0.1
    port = %[3]d
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
passdb {
  driver = sql
  args = %[4]s
}
userdb {
  driver = sql
  args = %[4]s
}
`, dir, lmtp, imap, queries))
	d := &Server{t: t, Log: filepath.Join(dir, "dovecot.out"), answers: []string{m.IMAP, fmt.Sprintf("127.0.0.1:%d", lmtp)}, command: func() *exec.Cmd {
		return exec.Command(program, "-F", "-c", conf)
	}}
	d.Start()
	t.Cleanup(d.Stop) // with its processes
	return d
}

func (m *MailServer) newPostfix(t T, dir string, s *SQL, database string, lmtp int) *Server {
	t.Helper()
	config, queue := filepath.Join(dir, "etc"), filepath.Join(dir, "queue")
	for _, name := range []string{config, queue, filepath.Join(dir, "data")} {
		must(t, os.Mkdir(name, 0o755))
	}
	own(t, filepath.Join(dir, "data"), "postfix")
	group, err := user.LookupGroup("postdrop")
	must(t, err)
	owner, err := user.Lookup("postfix")
	must(t, err)
	uid, err := strconv.Atoi(owner.Uid)
	must(t, err)
	drop, err := strconv.Atoi(group.Gid)
	must(t, err)
	// As "postfix check" does in some seconds.
	for _, name := range []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace", "maildrop", "public", "pid"} {
		path, mode, gid := filepath.Join(queue, name), os.FileMode(0o700), -1
		switch name {
		case "maildrop":
			mode, gid = 0o730, drop
		case "public":
			mode, gid = 0o710|os.ModeSetgid, drop
		case "pid":
			mode = 0o755
		}
		must(t, os.Mkdir(path, 0o700), os.Chown(path, uid, gid), os.Chmod(path, mode))
	}
	must(t, os.Chown(filepath.Join(queue, "pid"), 0, 0))
	readable := func(name, text string) {
		path := filepath.Join(config, name)
		write(t, path, text)
		must(t, os.Chmod(path, 0o644)) // for processes that are not root's
	}
	kind := lookups[s.Scheme].name
	maps := map[string]string{
		"domains":   "SELECT domain FROM domain WHERE domain = '%s' AND active = true",
		"mailboxes": "SELECT maildir FROM mailbox WHERE username = '%s' AND active = true",
		"aliases":   "SELECT goto FROM alias WHERE address = '%s' AND active = true",
	}
	for name, query := range maps {
		readable(name+".cf", fmt.Sprintf("hosts = inet:%s\nuser = %s\npassword = %s\ndbname = %s\nquery = %s\n", s.Host, Superuser, Password, database, query))
	}
	readable("main.cf", strings.Join([]string{
		"compatibility_level = 3.6", "queue_directory = " + queue, "data_directory = " + dir + "/data", "command_directory = /usr/sbin", "daemon_directory = /usr/lib/postfix/sbin", "meta_directory = /etc/postfix",
		"mail_owner = postfix", "setgid_group = postdrop", "maillog_file = " + dir + "/maillog", "maillog_file_prefixes = " + dir,
		"inet_interfaces = 127.0.0.1", "inet_protocols = ipv4", "myhostname = mx.example.com", "mydestination =", "mynetworks = 127.0.0.0/8", "alias_maps =", "alias_database =", "local_recipient_maps =",
		"virtual_mailbox_domains = " + kind + ":" + config + "/domains.cf", "virtual_mailbox_maps = " + kind + ":" + config + "/mailboxes.cf", "virtual_alias_maps = " + kind + ":" + config + "/aliases.cf",
		fmt.Sprintf("virtual_transport = lmtp:inet:127.0.0.1:%d", lmtp), "default_transport = error:5.1.2 no way out of the test",
		"smtpd_recipient_restrictions = permit_mynetworks, reject", "smtpd_reject_unlisted_recipient = yes", "smtp_dns_support_level = disabled", "biff = no",
		"smtpd_error_sleep_time = 0", "smtpd_hard_error_limit = 10000",
	}, "\n")+"\n")
	dist, err := os.ReadFile("/usr/share/postfix/master.cf.dist")
	must(t, err)
	var services []string
	for line := range strings.Lines(string(dist)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if f := strings.Fields(line); len(f) >= 8 && line[0] != ' ' {
			if f[4] = "n"; f[1] == "inet" {
				f[0] = m.SMTP
			}
			line = strings.Join(f, " ") + "\n"
		}
		services = append(services, line)
	}
	readable("master.cf", strings.Join(services, ""))
	must(t, os.CopyFS(filepath.Join(config, "dynamicmaps.cf.d"), os.DirFS("/etc/postfix/dynamicmaps.cf.d")))
	readable("dynamicmaps.cf", "")
	p := &Server{t: t, Log: filepath.Join(dir, "postfix.out"), answers: []string{m.SMTP}, command: func() *exec.Cmd {
		return exec.Command("/usr/lib/postfix/sbin/master", "-c", config, "-d")
	}}
	p.Start()
	t.Cleanup(p.Stop)
	return p
}
