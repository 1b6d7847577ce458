package s3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// corrected sends requests with the time that the service has, where the clock of this
// machine is wrong: services refuse what was signed a quarter of an hour ago or later.
// How wrong it is, each answer says, also one that refuses.
type corrected struct {
	next  http.RoundTripper
	login *credentials.Credentials
	wrong atomic.Int64 // nanoseconds by which the clock of this machine is slow
}

// tolerable is how wrong a clock may be without being corrected.
const tolerable = time.Minute

func (c *corrected) RoundTrip(r *http.Request) (*http.Response, error) {
	if wrong := time.Duration(c.wrong.Load()); wrong.Abs() > tolerable {
		login, err := c.login.GetWithContext(nil)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		sign(r, time.Now().Add(wrong), login.AccessKeyID, login.SecretAccessKey)
	}
	answer, err := c.next.RoundTrip(r)
	if err == nil {
		if date, bad := http.ParseTime(answer.Header.Get("Date")); bad == nil {
			c.wrong.Store(int64(time.Until(date)))
		}
	}
	return answer, err
}

const (
	algorithm = "AWS4-HMAC-SHA256"
	stamp     = "20060102T150405Z"
)

// sign signs a request once more that is signed already (Signature Version 4), for
// another time. The names of what is signed stay what they are.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func sign(r *http.Request, at time.Time, key, secret string) {
	signed := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(r.Header.Get("Authorization"), algorithm+" "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		signed[name] = value
	}
	scope := strings.Split(signed["Credential"], "/") // key/day/region/service/aws4_request
	if len(scope) != 5 || scope[0] != key {
		return
	}
	date := at.UTC().Format(stamp)
	r.Header.Set("X-Amz-Date", date)
	scope[1] = date[:8]

	canonical := []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery}
	for name := range strings.SplitSeq(signed["SignedHeaders"], ";") {
		values := slices.Clone(r.Header.Values(name))
		if name == "host" {
			values = []string{r.Host}
			if r.Host == "" {
				values[0] = r.URL.Host
			}
		}
		for i := range values {
			values[i] = strings.Join(strings.Fields(values[i]), " ")
		}
		canonical = append(canonical, name+":"+strings.Join(values, ","))
	}
	canonical = append(canonical, "", signed["SignedHeaders"], r.Header.Get("X-Amz-Content-Sha256"))
	sum := sha256.Sum256([]byte(strings.Join(canonical, "\n")))
	text := strings.Join([]string{algorithm, date, strings.Join(scope[1:], "/"), hex.EncodeToString(sum[:])}, "\n")

	mac := []byte("AWS4" + secret)
	for _, part := range append(scope[1:], text) {
		h := hmac.New(sha256.New, mac)
		h.Write([]byte(part))
		mac = h.Sum(nil)
	}
	r.Header.Set("Authorization", algorithm+" Credential="+strings.Join(scope, "/")+", SignedHeaders="+signed["SignedHeaders"]+", Signature="+hex.EncodeToString(mac))
}
