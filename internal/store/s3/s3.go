// Package s3 keeps a state in a bucket of an object store with the interface of Amazon
// S3. Below the prefix of the state are:
//
//	version/0000000008        a version: its text as zstd, what it is as metadata
//	lock/0000000012           what became of the lock: taken, renewed, released, broken
//	history/000017            the record of a run that has ended
//	note/rejections           a note
//	journal/000017/G/AT-LENGTH  a part of the record of a run that goes on
//
// Nothing is relied upon but that an object is made once only where If-None-Match asks
// for that, and that a listing has all that was made before. A service that ignores the
// condition is refused: see [Store.probe]. Versions and the lock are chains, each object
// of which is made with the next number, so that of two writers one finds the number
// taken. The newest is the one with the highest number in a listing; so whoever has made
// one looks whether it is that, because a request that was long on its way could bring
// back a number that was removed.
//
// A request may arrive after the lock of who sent it has gone to somebody else. Who
// takes a lock that was not given back therefore makes a version that has no text, and
// says which version still holds: a fence. The number that the late version wants is
// taken then. Parts of a record are in a folder G of who had the lock when it began to
// write, and readers look at the newest folder alone. Of a part that was written
// somebody is told only once the lock was seen to be held after that, and so whoever gets
// the lock next reads it. What is not kept off is a note that was on its way while the
// lock went to somebody else: it replaces theirs.
package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"

	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/internal/trust"
	"github.com/rollcall-cli/rollcall/state"
)

// Store is a state in a bucket.
type Store struct {
	client    *minio.Core
	transport *http.Transport
	sse       encrypt.ServerSide // how objects are encrypted, or nil
	bucket    string
	prefix    string // ends with a slash, or is empty
	host      string
	length    time.Duration // of a lease
	pause     time.Duration // before a second attempt
	poll      time.Duration // between two looks at a lock that is held

	mu     sync.Mutex
	lock   *lock // while it is held
	probed bool
	seen   map[string]int64 // the highest number of a chain that was listed
}

var _ state.Shared = (*Store)(nil)

const (
	// silence is how long the service may take to answer, and to go on with what it
	// sends and takes.
	silence = 30 * time.Second
	// slowest is how many octets a second a request may take to be sent.
	slowest = 256 << 10
)

// The client makes one attempt, and would pause after that.
func init() { minio.DefaultRetryUnit = 0 }

func open(o store.Opening) (*Store, error) {
	v := o.Settings
	host, secure := endpoint(v)
	s := &Store{bucket: v.Text("bucket"), host: host, length: v.Duration("lease"), pause: 100 * time.Millisecond, poll: 500 * time.Millisecond, seen: map[string]int64{}}
	if prefix := v.Text("prefix"); prefix != "" {
		s.prefix = prefix + "/"
	}
	const advice = "correct the block s3 of the state"
	var err error
	if s.transport, err = minio.DefaultTransport(secure); err != nil {
		return nil, s.access(err, advice)
	}
	s.transport.DialContext = dial
	s.transport.ResponseHeaderTimeout = silence
	if ca := v.Path("ca_file"); ca != "" && secure {
		if s.transport.TLSClientConfig.RootCAs, err = trust.Authority(ca); err != nil {
			return nil, s.access(err, advice)
		}
	}
	switch {
	case v.Has("customer_key"):
		key, err := customerKey(v.Secret("customer_key").Reveal())
		if err == nil {
			s.sse, err = encrypt.NewSSEC(key)
		}
		if err != nil {
			return nil, s.access(errors.New("customer_key is not a key"), advice)
		}
	case v.Text("sse") == "kms":
		if s.sse, err = encrypt.NewSSEKMS(v.Text("kms_key"), nil); err != nil {
			return nil, s.access(err, advice)
		}
	case v.Text("sse") == "s3":
		s.sse = encrypt.NewSSE()
	}
	lookup := minio.BucketLookupAuto
	switch {
	case v.Flag("path_style"):
		lookup = minio.BucketLookupPath
	case v.Has("path_style"):
		lookup = minio.BucketLookupDNS
	}
	login := login(v)
	s.client, err = minio.NewCore(host, &minio.Options{
		Creds: login, Secure: secure, Region: regionOf(v), BucketLookup: lookup, MaxRetries: 1, Transport: &corrected{next: s.transport, login: login},
	})
	if err != nil {
		return nil, s.access(err, advice)
	}
	s.client.SetS3EnableDualstack(false)
	s.client.SetAppInfo("rollcall", o.Release)
	return s, nil
}

// Close ends the connections.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Name says which state it is, and where.
func (s *Store) Name(older int) string {
	name := fmt.Sprintf("state s3://%s/%s at %s", s.bucket, strings.TrimSuffix(s.prefix, "/"), s.host)
	if older > 0 {
		name = "the version before of " + name
	}
	return name
}

// dial connects to a server that may be silent for a while only.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: silence, KeepAlive: silence}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return lively{c}, nil
}

// lively is a connection that ends when nothing moves on it.
type lively struct{ net.Conn }

func (c lively) Read(b []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Read(b)
}

func (c lively) Write(b []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// try makes attempts at what may be done more than once, while the connection is lost or
// the service is busy. A request may take as long as so many octets need.
func (s *Store) try(ctx context.Context, octets int, f func(ctx context.Context) error) error {
	const attempts = 4
	for n := 1; ; n++ {
		err := once(ctx, octets, f)
		if err == nil || n == attempts || !passing(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(n*n) * s.pause):
		}
	}
}

func once(ctx context.Context, octets int, f func(ctx context.Context) error) error {
	inner, cancel := context.WithTimeout(ctx, silence+time.Duration(octets)*time.Second/slowest)
	defer cancel()
	err := f(inner)
	if err != nil && inner.Err() != nil && ctx.Err() == nil {
		err = errSilent
	}
	return err
}

var (
	errSilent = fmt.Errorf("no answer within %v", silence)
	// errTaken is the error of an object that is there already, and that somebody else
	// has made.
	errTaken = errors.New("the object is there already")
)

// object is what is known of an object.
type object struct {
	size int64
	tag  string // ETag
	meta minio.StringMap
	age  time.Duration // by the clock of the service
}

// The names of metadata, as HTTP writes them.
const (
	metaUpload  = "Upload"  // another one for each object
	metaLineage = "Lineage" // of a version
	metaSerial  = "Serial"
	metaSum     = "Sum"
	metaFence   = "Fence"  // the number of the version that holds, of a fence
	metaLength  = "Length" // of a document, in octets of its text
)

// put writes an object. If it is only to be made, it must not be there: see errTaken.
func (s *Store) put(ctx context.Context, key string, data []byte, meta map[string]string, only bool) error {
	upload := rand.Text()
	options := minio.PutObjectOptions{ServerSideEncryption: s.sse, DisableContentSha256: true, UserMetadata: map[string]string{metaUpload: upload}}
	for name, value := range meta {
		options.UserMetadata[name] = value
	}
	if only {
		options.SetMatchETagExcept("*")
	}
	sum := sha256.Sum256(data)
	attempts := 0
	err := s.try(ctx, len(data), func(ctx context.Context) error {
		attempts++
		_, err := s.client.PutObject(ctx, s.bucket, s.prefix+key, bytes.NewReader(data), int64(len(data)), "", hex.EncodeToString(sum[:]), options)
		return err
	})
	if err == nil || ctx.Err() != nil || !only || !passing(err) && !present(err) {
		return s.failed(err)
	}
	// It may be there by a request whose answer was lost.
	there, asked := s.stat(ctx, key)
	switch {
	case asked == nil && there.meta[metaUpload] == upload:
		return nil
	case present(err) && (asked == nil || attempts == 1):
		return errTaken
	}
	return s.failed(err)
}

// stat looks at an object.
func (s *Store) stat(ctx context.Context, key string) (o object, err error) {
	err = s.try(ctx, 0, func(ctx context.Context) error {
		info, err := s.client.StatObject(ctx, s.bucket, s.prefix+key, minio.StatObjectOptions{ServerSideEncryption: s.customer()})
		o = object{size: info.Size, tag: info.ETag, meta: info.UserMetadata}
		return err
	})
	return o, s.failed(err)
}

// customer is the key that the service does not store, with which it has to be asked.
func (s *Store) customer() encrypt.ServerSide {
	if s.sse != nil && s.sse.Type() == encrypt.SSEC {
		return s.sse
	}
	return nil
}

// open begins to read an object from an offset on, the one with the tag if it is not "".
func (s *Store) open(ctx context.Context, key, tag string, offset int64) (body io.ReadCloser, o object, err error) {
	options := minio.GetObjectOptions{ServerSideEncryption: s.customer()}
	if tag != "" {
		if err := options.SetMatchETag(tag); err != nil {
			return nil, o, err
		}
	}
	if offset > 0 {
		if err := options.SetRange(offset, 0); err != nil {
			return nil, o, err
		}
	}
	body, info, header, err := s.client.GetObject(ctx, s.bucket, s.prefix+key, options)
	if err != nil {
		return nil, o, err
	}
	o = object{size: info.Size, tag: info.ETag, meta: info.UserMetadata}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		o.age = max(0, date.Sub(info.LastModified))
	}
	return body, o, nil
}

// get reads a small object.
func (s *Store) get(ctx context.Context, key string) (data []byte, o object, err error) {
	err = s.try(ctx, 0, func(ctx context.Context) error {
		var body io.ReadCloser
		if body, o, err = s.open(ctx, key, "", 0); err != nil {
			return err
		}
		defer body.Close()
		data, err = io.ReadAll(body)
		return err
	})
	return data, o, s.failed(err)
}

// list returns the objects whose names begin so, by what follows in them, in their
// order; none up to one that may be named.
func (s *Store) list(ctx context.Context, folder, after string) (all []minio.ObjectInfo, err error) {
	if after != "" {
		after = s.prefix + folder + after
	}
	whose := false
	err = s.try(ctx, 0, func(ctx context.Context) error {
		all = nil
		for info := range s.client.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + folder, StartAfter: after, Recursive: true, FetchOwner: &whose}) {
			if info.Err != nil {
				return info.Err
			}
			info.Key = strings.TrimPrefix(info.Key, s.prefix+folder)
			all = append(all, info)
		}
		return nil
	})
	return all, s.failed(err)
}

// remove removes objects, which need not be there.
func (s *Store) remove(ctx context.Context, keys ...string) error {
	if len(keys) == 1 {
		return s.failed(s.try(ctx, 0, func(ctx context.Context) error {
			return s.client.RemoveObject(ctx, s.bucket, s.prefix+keys[0], minio.RemoveObjectOptions{})
		}))
	}
	for some := range slices.Chunk(keys, 1000) {
		err := s.try(ctx, 0, func(ctx context.Context) error {
			names := make(chan minio.ObjectInfo, len(some))
			for _, key := range some {
				names <- minio.ObjectInfo{Key: s.prefix + key}
			}
			close(names)
			var failed error
			for result := range s.client.RemoveObjects(ctx, s.bucket, names, minio.RemoveObjectsOptions{}) {
				if !absent(result.Err) {
					failed = result.Err
				}
			}
			return failed
		})
		if err != nil {
			return s.failed(err)
		}
	}
	return nil
}

// access is the error of a store that cannot be used.
func (s *Store) access(err error, advice string) *state.AccessError {
	return &state.AccessError{Store: s.Name(0), Err: err, Advice: advice}
}

// said is what the service has answered.
func said(err error) (answer minio.ErrorResponse, ok bool) {
	ok = errors.As(err, &answer)
	return answer, ok
}

// absent reports whether an object is not there.
func absent(err error) bool {
	answer, _ := said(err)
	return answer.Code == "NoSuchKey" || answer.StatusCode == http.StatusNotFound && answer.Code != "NoSuchBucket"
}

// present reports whether an object is there that must not be.
func present(err error) bool {
	answer, _ := said(err)
	return answer.StatusCode == http.StatusPreconditionFailed
}

// passing reports whether what has failed may work if it is asked for again.
func passing(err error) bool {
	answer, ok := said(err)
	switch {
	case !ok:
		return !untrusted(err) && !errors.Is(err, errNoLogin) && !errors.Is(err, context.Canceled)
	case answer.Code == "ConditionalRequestConflict", answer.Code == "OperationAborted", answer.Code == "RequestTimeout", answer.Code == "RequestTimeTooSkewed":
		return true
	}
	switch answer.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// untrusted reports whether the certificate of the server is not believed.
func untrusted(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError)) || errors.As(err, new(x509.HostnameError))
}

// failed makes an error of the store of one of the client.
func (s *Store) failed(err error) error {
	answer, answered := said(err)
	switch {
	case err == nil:
		return nil
	case absent(err):
		return &fs.PathError{Op: "open", Path: s.Name(0), Err: fs.ErrNotExist}
	case errors.Is(err, context.Canceled), errors.Is(err, fs.ErrNotExist), errors.Is(err, errTaken), errors.As(err, new(*state.LostError)), errors.As(err, new(*state.AccessError)), errors.As(err, new(*state.LockedError)):
		return err
	case errors.Is(err, errNoLogin):
		failure := s.access(errNoLogin, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or access_key and secret_key in the block s3; a role of the machine is used as well")
		failure.Refused = true
		return failure
	case untrusted(err):
		return s.access(bare(err), "name the authority of the server's certificate with ca_file, and the server by a name of the certificate in endpoint")
	case !answered:
		return s.access(bare(err), "look whether the service can be reached at "+s.host+" from here")
	}
	failure := s.access(explained(answer), "look into the log of the service, or ask who runs it")
	switch answer.Code {
	case "NoSuchBucket":
		failure.Err, failure.Advice = fmt.Errorf("there is no bucket %s", s.bucket), "make the bucket, or correct bucket, endpoint or region in the block s3"
	case "RequestTimeTooSkewed":
		failure.Advice = "set the clock of this machine"
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "InvalidRegion", "TemporaryRedirect":
		failure.Advice = "write the region of the bucket as region into the block s3"
		if answer.Region != "" {
			failure.Advice = fmt.Sprintf("write region = %q into the block s3", answer.Region)
		}
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired":
		failure.Refused, failure.Advice = true, "correct access_key, secret_key and session_token, or log in again where they come from"
	case "NotImplemented":
		failure.Advice = "remove sse, kms_key and customer_key if the service does not know them; if it does not know If-None-Match, use one that does"
	default:
		if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
			failure.Refused, failure.Advice = true, fmt.Sprintf("grant s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on %s/%s*, as in docs/howto/shared-state.md", s.bucket, s.prefix)
		}
	}
	return failure
}

// explained is an answer without what identifies who asked.
func explained(answer minio.ErrorResponse) error {
	if answer.Message == "" || strings.Contains(answer.Message, "\n") {
		return fmt.Errorf("the service says: %s (status %d)", answer.Code, answer.StatusCode)
	}
	return fmt.Errorf("the service says: %s (%s, status %d)", strings.TrimSuffix(answer.Message, "."), answer.Code, answer.StatusCode)
}

// bare is an error without the URL.
func bare(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	var late net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded) && !errors.As(err, new(*net.OpError)):
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	case errors.As(err, &late) && late.Timeout():
		return errSilent
	case strings.HasPrefix(err.Error(), "Connection closed by foreign host"):
		return errors.New("the server has closed the connection")
	}
	return err
}
