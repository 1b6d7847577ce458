package s3

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/state"
)

// shortest is the shortest lease: three renewals have to fit into it.
const shortest = 5 * time.Second

// Kind is the store "s3".
var Kind = store.Kind{
	Kind: settings.Kind{
		Name: "s3", Help: "A bucket of Amazon S3, or of another service that keeps its conditions.",
		Settings: []settings.Setting{
			{Name: "bucket", Required: true, Check: checkBucket, Example: `"example-rollcall"`, Help: "the bucket, which is there"},
			{Name: "prefix", Usual: true, Check: checkPrefix, Example: `"corp"`, Help: "what the names of the objects begin with: which state of the bucket it is"},
			{Name: "endpoint", Check: checkEndpoint, Example: `"https://s3.example.com"`, Help: "where the service is, if it is not that of Amazon"},
			{Name: "region", Usual: true, Example: `"eu-central-1"`, Help: "the region of the bucket; without it AWS_REGION of the environment, or us-east-1"},
			{Name: "path_style", Type: settings.Flag, Help: "whether the bucket stands in the path of URLs, and not before the name of the host"},
			{Name: "lease", Type: settings.Duration, Default: time.Minute, Help: "after what time the lock of a machine ends that is gone"},
			{Name: "access_key", Secret: true, Check: filled("access_key"), Example: `env("ROLLCALL_S3_KEY")`, Help: "who logs in; without it, whom programs of AWS log in as"},
			{Name: "secret_key", Secret: true, Check: filled("secret_key"), Example: `env("ROLLCALL_S3_SECRET")`, Help: "the secret of access_key"},
			{Name: "session_token", Secret: true, Check: filled("session_token"), Example: `env("ROLLCALL_S3_TOKEN")`, Help: "of an access_key that is for some hours only"},
			{Name: "sse", Words: []string{"s3", "kms"}, Help: "how the service encrypts what it stores, if not as the bucket says: with its own keys, or one of its key service"},
			{Name: "kms_key", Help: "the key of the key service; without it its default"},
			{Name: "customer_key", Secret: true, Check: checkKey, Example: `env("ROLLCALL_S3_CUSTOMER_KEY")`, Help: "a key of ours with which the service encrypts and that it does not store (SSE-C), in Base64"},
			{Name: "ca_file", Type: settings.Path, Help: "the authority of the server's certificate, in PEM; without it those of the system"},
		},
		Check: check,
		Where: func(v settings.Values) []string {
			host, _ := endpoint(v)
			return []string{host, v.Text("bucket"), v.Text("prefix")}
		},
	},
	Open: func(o store.Opening) (state.Shared, error) {
		s, err := open(o)
		if err != nil {
			return nil, err
		}
		return s, nil
	},
	Setup: setup,
}

func check(v settings.Values) (problems []settings.Problem) {
	problem := func(setting string, part settings.Part, summary, hint string) {
		problems = append(problems, settings.Problem{Setting: setting, Part: part, Summary: summary, Hint: hint})
	}
	if v.Duration("lease") < shortest {
		problem("lease", settings.Value, fmt.Sprintf("a lease is at least %v", shortest), `write lease = "60s"`)
	}
	if v.Has("access_key") != v.Has("secret_key") {
		there, missing := "access_key", "secret_key"
		if v.Has(missing) {
			there, missing = missing, there
		}
		problem(there, settings.Name, there+" needs "+missing, "set both, or neither")
	}
	if v.Has("session_token") && !v.Has("access_key") {
		problem("session_token", settings.Name, "session_token needs access_key", "set access_key and secret_key, or remove session_token")
	}
	if v.Has("kms_key") && v.Text("sse") != "kms" {
		problem("kms_key", settings.Name, "kms_key is for a key of the key service", `write sse = "kms", or remove kms_key`)
	}
	if v.Has("customer_key") && v.Has("sse") {
		problem("customer_key", settings.Name, "what is encrypted with customer_key is not encrypted with another key", "remove customer_key or sse")
	}
	if _, secure := endpoint(v); v.Has("customer_key") && !secure {
		problem("customer_key", settings.Name, "customer_key would go over the network for anybody to read", "write an endpoint that begins with https://")
	}
	return problems
}

// bucketName is what names of buckets are like, which may stand in names of hosts.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func checkBucket(text string) (p settings.Problem) {
	if !bucketName.MatchString(text) {
		return settings.Problem{Summary: "%s is not the name of a bucket", Hint: "write its name alone, which is of 3 to 63 small letters, digits, hyphens and dots"}
	}
	return p
}

// objectName is what the parts of a prefix are like, so that no service and no shell
// reads them in a way of its own.
var objectName = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*$`)

func checkPrefix(text string) (p settings.Problem) {
	if !objectName.MatchString(text) || strings.Contains("/"+text+"/", "/./") || strings.Contains("/"+text+"/", "/../") {
		return settings.Problem{Summary: "%s is not a prefix", Hint: `write names of letters, digits, ".", "_" and "-" with a slash between them, as "rollcall/corp"`}
	}
	return p
}

func checkEndpoint(text string) (p settings.Problem) {
	problem := func(summary, hint string) settings.Problem { return settings.Problem{Summary: summary, Hint: hint} }
	u, err := parseEndpoint(text)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http":
		return problem("%s is neither a host nor a URL", `write it as in "https://s3.example.com"`)
	case u.User != nil:
		return problem("the endpoint has a user in it", "write who logs in as access_key and secret_key")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return problem("%s has more than a host", "end it before the path; the bucket is named by bucket")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return problem("%s is not encrypted, and would show the state to the network", "write https://")
	}
	return p
}

// loopback reports whether a host is this machine by its name alone.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func parseEndpoint(text string) (*url.URL, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	return url.Parse(text)
}

// endpoint returns the host of the service, with a port if it is not the usual one, and
// whether TLS is spoken to it.
func endpoint(v settings.Values) (host string, secure bool) {
	if text := v.Text("endpoint"); text != "" {
		if u, err := parseEndpoint(text); err == nil {
			return u.Host, u.Scheme == "https"
		}
	}
	if region := regionOf(v); strings.HasPrefix(region, "cn-") {
		return "s3." + region + ".amazonaws.com.cn", true
	} else {
		return "s3." + region + ".amazonaws.com", true
	}
}

// regionOf returns the region of the bucket.
func regionOf(v settings.Values) string {
	for _, region := range []string{v.Text("region"), os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION")} {
		if region != "" {
			return region
		}
	}
	return "us-east-1"
}

// filled looks at a secret, of which nothing is shown.
func filled(name string) func(string) settings.Problem {
	return func(text string) (p settings.Problem) {
		if text == "" {
			return settings.Problem{Summary: name + " is empty", Hint: "look at what it is taken from, or remove it"}
		}
		return p
	}
}

func checkKey(text string) (p settings.Problem) {
	if _, err := customerKey(text); err != nil {
		return settings.Problem{Summary: "customer_key is not a key", Hint: "a key is 32 random octets in Base64; openssl rand -base64 32 makes one"}
	}
	return p
}

func customerKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err == nil && len(key) != 32 {
		err = fmt.Errorf("%d octets", len(key))
	}
	return key, err
}
