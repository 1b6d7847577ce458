// Versitygw is the S3 server of tests: https://github.com/versity/versitygw with its
// store of files and nothing else of it, which is built in half the time. It is a module
// of its own, so that what it needs is not among what rollcall needs.
package main

import (
	"context"
	"flag"
	"log"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	listen := flag.String("listen", "", "HOST:PORT")
	data := flag.String("data", "", "the folder whose folders are buckets")
	users := flag.String("users", "", "the folder of users.json")
	access := flag.String("access", "", "the user who may do anything")
	secret := flag.String("secret", "", "the secret of that")
	cert := flag.String("cert", "", "the certificate of the server; without it there is no TLS")
	key := flag.String("key", "", "its key")
	domain := flag.String("domain", "", "the domain before which names of buckets may stand")
	flag.Parse()
	files, err := posix.New(*data, meta.XattrMeta{}, posix.PosixOpts{})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(embedgw.RunVersityGW(context.Background(), files, &embedgw.Config{
		RootUserAccess: *access, RootUserSecret: *secret, IAMDir: *users, Ports: []string{*listen}, VirtualDomain: *domain,
		CertFile: *cert, KeyFile: *key, MaxConnections: 1000, MaxRequests: 1000, MultipartMaxParts: 1000, KeepAlive: true, Quiet: true,
	}))
}
