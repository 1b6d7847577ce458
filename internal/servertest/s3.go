package servertest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
)

// S3 is an object store with the interface of Amazon S3: versitygw with its store of
// files. Its region is us-east-1.
type S3 struct {
	*Server
	// URL is http://127.0.0.1:PORT, or https:// where it speaks TLS. Names of buckets stand
	// in the path, or before [S3Domain].
	URL string
	// CA has certified the server, if it speaks TLS.
	CA *CA
	// Data is the folder whose folders are the buckets.
	Data string
}

const (
	// S3User may do anything on an [S3] server, and S3Limited what the policy of a bucket
	// allows; the secret of both is [Password].
	S3User    = "ROLLCALLROOT"
	S3Limited = "ROLLCALLLIMITED"
	// S3Domain is before what names of buckets may stand in names of hosts.
	S3Domain = "s3.example.com"
)

var buckets atomic.Int64

// NewS3 starts an S3 server, which speaks TLS if it is to be secure. It needs what
// "make prepare" builds.
func NewS3(t T, secure bool) *S3 {
	t.Helper()
	program := tool(t, "versitygw")
	dir := folder(t)
	address := fmt.Sprintf("127.0.0.1:%d", freePort(t, "127.0.0.1"))
	s := &S3{URL: "http://" + address, Data: filepath.Join(dir, "data")}
	args := []string{"-listen", address, "-data", s.Data, "-users", filepath.Join(dir, "users"), "-access", S3User, "-secret", Password, "-domain", S3Domain}
	if secure {
		s.CA, s.URL = NewCA(t), "https://"+address
		// The name of a host with that of a bucket is as good as the address.
		certificate := s.CA.Issue(t, Leaf{Hosts: []string{"127.0.0.1", "localhost", S3Domain, "*." + S3Domain}})
		args = append(args, "-cert", certificate.CertFile, "-key", certificate.KeyFile)
	}
	must(t, os.Mkdir(s.Data, 0o700), os.Mkdir(filepath.Join(dir, "users"), 0o700))
	users, err := json.Marshal(map[string]any{"accessAccounts": map[string]any{
		S3Limited: map[string]any{"access": S3Limited, "secret": Password, "role": "user"},
	}})
	must(t, err)
	write(t, filepath.Join(dir, "users", "users.json"), string(users))
	s.Server = &Server{t: t, Log: filepath.Join(dir, "log"), answers: []string{address}, command: func() *exec.Cmd { return exec.Command(program, args...) }}
	s.Start()
	return s
}

// Bucket makes a bucket that nobody else has, and returns its name.
func (s *S3) Bucket(t T) string {
	t.Helper()
	name := fmt.Sprintf("bucket%d", buckets.Add(1))
	must(t, os.Mkdir(filepath.Join(s.Data, name), 0o700))
	return name
}

// Host is 127.0.0.1:PORT.
func (s *S3) Host() string {
	u, err := url.Parse(s.URL)
	must(s.t, err)
	return u.Host
}

// tool returns the path of a program that "make prepare" builds.
func tool(t T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	must(t, err)
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if path := filepath.Join(dir, ".tools", name); exists(path) {
			return path
		}
	}
	unavailable(t, name+" is not built: make prepare")
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
