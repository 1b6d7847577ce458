// Package expiry finds out when certificates and tokens end.
package expiry

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Certificates is when the first certificate of a chain ends, which belongs to whom
// "of" says; none for an empty chain.
func Certificates(of string, chain []*x509.Certificate) []identity.Expiry {
	if len(chain) == 0 {
		return nil
	}
	first := slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	e := identity.Expiry{What: "the certificate of", Name: of, At: first.NotAfter, Remedy: "renew it in time"}
	if first != chain[0] {
		e.What, e.In = fmt.Sprintf("the certificate %q, which certifies", first.Subject.String()), ","
	}
	return []identity.Expiry{e}
}

// Token is when a bearer token ends that is a JSON Web Token (RFC 7519 section 4.1.4);
// none where it does not say.
func Token(of, token string) []identity.Expiry {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Ends float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(text, &claims) != nil || claims.Ends <= 0 || claims.Ends > 1e11 {
		return nil
	}
	return []identity.Expiry{{What: "the token of", Name: of, At: time.Unix(int64(claims.Ends), 0), Remedy: "get a new one in time"}}
}
