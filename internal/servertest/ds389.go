package servertest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// DS389 is a 389 Directory Server with the schema that it comes with, and no
// objects but [Base]. It gives entries an entryUUID.
type DS389 struct {
	*Server
	// URL is ldap://localhost:PORT with StartTLS, and LDAPS is
	// ldaps://localhost:PORT.
	URL, LDAPS string
	// CAFile is the certificate of the authority that has certified the
	// server, in PEM.
	CAFile string
	// Admin is the name of who may do anything. The server wants a password
	// that is longer than [Password].
	Admin, AdminPassword string
}

// NewDS389 starts a 389 Directory Server (Debian's 389-ds-base). It needs
// root, five seconds, and a folder in /etc/dirsrv for as long as it runs.
func NewDS389(t T) *DS389 {
	t.Helper()
	program := Need(t, "ns-slapd", "389-ds-base")
	if os.Getuid() != 0 {
		unavailable(t, "389 Directory Server needs root to be set up")
	}
	dir := folder(t)
	plain, tls := freePort(t, "127.0.0.1"), freePort(t, "127.0.0.1")
	instance := fmt.Sprintf("rollcall%d", plain)
	config := "/etc/dirsrv/slapd-" + instance
	x := &DS389{
		URL: fmt.Sprintf("ldap://localhost:%d", plain), LDAPS: fmt.Sprintf("ldaps://localhost:%d", tls),
		CAFile: filepath.Join(config, "ca.crt"), Admin: "cn=Directory Manager", AdminPassword: "secret-secret",
	}
	// Without the folder of pid files the set-up waits for a minute.
	must(t, os.MkdirAll("/run/dirsrv", fs.ModePerm))
	t.Cleanup(func() {
		os.RemoveAll(config)
		os.Remove("/run/dirsrv/slapd-" + instance + ".pid")
	})
	inf := []string{
		"[general]", "full_machine_name = localhost", "strict_host_checking = False", "selinux = False", "systemd = False", "start = False",
		"[slapd]", "instance_name = " + instance, "user = root", "group = root", fmt.Sprintf("port = %d", plain), fmt.Sprintf("secure_port = %d", tls),
		"root_dn = " + x.Admin, "root_password = " + x.AdminPassword, "self_sign_cert = True",
	}
	for _, name := range []string{"db", "backup", "ldif", "lock", "log", "run"} {
		inf = append(inf, name+"_dir = "+filepath.Join(dir, name))
	}
	inf = append(inf, "db_home_dir = "+filepath.Join(dir, "db"), "local_state_dir = "+dir, "ldapi = "+filepath.Join(dir, "ldapi"),
		"[backend-userroot]", "create_suffix_entry = True", "suffix = "+Base)
	write(t, filepath.Join(dir, "ds.inf"), strings.Join(inf, "\n")+"\n")
	must(t, setUp(filepath.Join(dir, "ds.inf")))
	// The set-up has no word for this.
	dse, err := os.ReadFile(filepath.Join(config, "dse.ldif"))
	must(t, err)
	listen := fmt.Sprintf("\nnsslapd-port: %d\n", plain)
	write(t, filepath.Join(config, "dse.ldif"), strings.Replace(string(dse), listen, listen+"nsslapd-listenhost: 127.0.0.1\nnsslapd-securelistenhost: 127.0.0.1\n", 1))
	x.Server = &Server{t: t, Log: filepath.Join(dir, "out"), answers: []string{fmt.Sprintf("127.0.0.1:%d", plain), fmt.Sprintf("127.0.0.1:%d", tls)}, command: func() *exec.Cmd {
		return exec.Command(program, "-D", config, "-i", filepath.Join(dir, "pid"), "-d", "0")
	}}
	x.Start()
	return x
}

// setUp does what dscreate does, which insists on systemd and looks only once a
// second whether the server is up.
func setUp(inf string) error {
	const script = `
import sys
import time
import lib389
from lib389.cli_base import setup_script_logger
from lib389.instance.setup import SetupDs
lib389.DirSrv.with_systemd = lambda self: False
time.sleep = lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.2))
log = setup_script_logger("create", True)
sys.exit(0 if SetupDs(verbose=True, log=log, containerised=False).create_from_inf(sys.argv[1]) else 1)
`
	_, err := run(nil, "/usr/bin/python3", "-c", script, inf)
	return err
}

// Replicate makes the server one that others replicate from. It keeps tombstones
// of what is deleted, then.
func (x *DS389) Replicate(t T) {
	t.Helper()
	replica := ldap.NewAddRequest("cn=replica,cn="+strings.NewReplacer("=", `\3D`, ",", `\2C`).Replace(Base)+",cn=mapping tree,cn=config", nil)
	for name, values := range map[string][]string{
		"objectClass": {"top", "nsDS5Replica"}, "cn": {"replica"}, "nsDS5ReplicaRoot": {Base}, "nsDS5ReplicaType": {"3"}, "nsDS5Flags": {"1"}, "nsDS5ReplicaId": {"1"},
	} {
		replica.Attribute(name, values)
	}
	must(t, x.Connect(t).Add(replica))
}

// Connect returns a connection of the admin, which ends with the test.
func (x *DS389) Connect(t T) *ldap.Conn {
	t.Helper()
	return connect(t, x.URL, nil, x.Admin, x.AdminPassword)
}
