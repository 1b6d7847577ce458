package servertest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// PostfixAdmin makes the tables of PostfixAdmin in a database, which has none, by its
// own upgrade.php. Debian's postfixadmin needs a web server, so that "make prepare"
// unpacks it into the user's cache folder; php-cli runs it.
func (s *SQL) PostfixAdmin(t T, database string) {
	t.Helper()
	php := Need(t, "php", "php-cli")
	cache, err := os.UserCacheDir()
	must(t, err)
	unpacked := filepath.Join(cache, "rollcall", "postfixadmin")
	if _, err := os.Stat(unpacked); err != nil {
		unavailable(t, "postfixadmin is not unpacked in "+filepath.Join(cache, "rollcall")+": make prepare")
	}
	dir := filepath.Join(folder(t), "postfixadmin")
	// Some of its links lead to where the package would have been installed.
	_, err = run(nil, "cp", "-r", filepath.Join(unpacked, "usr", "share", "postfixadmin"), dir)
	must(t, err)
	for _, name := range []string{"config.inc.php", "config.local.php", "templates_c"} {
		must(t, os.Remove(filepath.Join(dir, name)))
	}
	must(t, os.Mkdir(filepath.Join(dir, "templates_c"), 0o700))
	text, err := os.ReadFile(filepath.Join(unpacked, "etc", "postfixadmin", "config.inc.php"))
	must(t, err)
	write(t, filepath.Join(dir, "config.inc.php"), string(text))
	kind := map[string]string{"postgres": "pgsql", "mysql": "mysqli"}[s.Scheme]
	host, port, err := net.SplitHostPort(s.Host)
	must(t, err)
	// The first of these is what Debian's tools would have filled in.
	write(t, filepath.Join(dir, "dbconfig.inc.php"), fmt.Sprintf("<?php\n$dbtype = '%s';\n$dbserver = '%s';\n$dbport = '%s';\n$dbuser = '%s';\n$dbpass = '%s';\n$dbname = '%s';\n", kind, host, port, Superuser, Password, database))
	write(t, filepath.Join(dir, "config.local.php"), fmt.Sprintf("<?php\n$CONF['configured'] = true;\n$CONF['database_port'] = '%s';\n", port))
	out, err := run(nil, php, "-d", "include_path="+dir, "-d", "display_errors=stderr", filepath.Join(dir, "public", "upgrade.php"))
	must(t, err)
	write(t, filepath.Join(dir, "said"), out)
}
