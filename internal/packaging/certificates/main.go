// Certificates prints the certificate authorities that Mozilla trusts, for the image,
// which has no others. It is a module of its own, so that what it needs is not among
// what rollcall needs.
package main

import (
	"encoding/pem"
	"log"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue // trusted up to a date, which a file cannot say
		}
		if err := pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			log.Fatal(err)
		}
	}
}
