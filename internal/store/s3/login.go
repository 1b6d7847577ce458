package s3

import (
	"errors"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/rollcall-cli/rollcall/internal/settings"
)

// errNoLogin is the error where nothing says who logs in.
var errNoLogin = errors.New("nothing says who logs in: there is no access_key, no AWS_ACCESS_KEY_ID in the environment, no profile with keys in the files of AWS, and no role of this machine")

// login returns who logs in: who is configured, or else whom programs of AWS take.
func login(v settings.Values) *credentials.Credentials {
	if v.Has("access_key") {
		return credentials.NewStaticV4(v.Secret("access_key").Reveal(), v.Secret("secret_key").Reveal(), v.Secret("session_token").Reveal())
	}
	// A machine without a role has nobody at the address that is asked for one.
	client := &http.Client{Timeout: 5 * time.Second}
	return credentials.New(&found{credentials.Chain{Providers: []credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{Client: client, Region: v.Text("region")},
	}}})
}

// found is the first of several that is there. Of none nobody would log in, which
// services answer by an error about rights.
type found struct{ credentials.Chain }

func (f *found) Retrieve() (credentials.Value, error) { return f.RetrieveWithCredContext(nil) }

func (f *found) RetrieveWithCredContext(c *credentials.CredContext) (credentials.Value, error) {
	v, err := f.Chain.RetrieveWithCredContext(c)
	if err == nil && v.SignerType.IsAnonymous() {
		err = errNoLogin
	}
	return v, err
}
