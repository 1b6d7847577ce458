// Package scim is a console that takes its users by SCIM 2.0 (RFC 7643 and RFC 7644).
// An account is a User resource:
//
//	account        User
//	ref            id
//	rev            meta.version, where the service announces ETags
//	primary        the e-mail that is marked primary, and userName
//	aliases        the other e-mails
//	inactive       active: false, and no e-mail but the primary one
//	mark           externalId, as OWNER:DIRECTORY/GUID/LINEAGE
//	attributes     those of the table [attributes], where the schema has them
//
// A change becomes requests like this:
//
//	creates   POST /Users, or several in one POST /Bulk where that is announced
//	changes   GET /Users/ID, which must be what the plan saw, then PATCH /Users/ID with
//	          one operation for each attribute that changes, or PUT /Users/ID with all
//	          that was read where PATCH is not understood
//	removes   GET /Users/ID, then DELETE /Users/ID
//
// Where ETags are announced, the write carries If-Match with the version that was just
// read. Services may ignore it, so that the read before each write is never left out.
//
// No service makes sure that an e-mail belongs to one account alone. The console does,
// by an [index] of all accounts that it has read, and by looking addresses up before
// they are given. Filters are used for that only after they were tested: some services
// compare letter case, others return everybody for a filter that they do not know.
//
// Requests never follow redirects, so that credentials reach no other host, and what
// is said of them names the host alone.
package scim

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/number"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/plan"
)

// Options say which service it is. One of Token, Basic and OAuth is set.
type Options struct {
	// Label is that of the console's block, Owner the mark's.
	Label, Owner string
	// URL is the base of the service.
	URL   string
	Token settings.Secret
	Basic *Basic
	OAuth *OAuth
	// CAFile, ClientCert and ClientKey are paths of PEM files, or "".
	CAFile, ClientCert, ClientKey string
	// Settles is how long it may take until a change is seen.
	Settles time.Duration
	// Timeout is how long the service may be silent; 0 is a minute.
	Timeout time.Duration
	// Release is the version of rollcall.
	Release string
	// Log and Progress are those of [console.Opening].
	Log, Progress func(string)
}

// Basic is a login by name and password.
type Basic struct {
	Username string
	Password settings.Secret
}

// OAuth is a login by client credentials.
type OAuth struct {
	TokenURL, ClientID string
	ClientSecret       settings.Secret
	Scope              string
}

var (
	_ console.Target   = (*Console)(nil)
	_ console.Checker  = (*Console)(nil)
	_ console.Ledgered = (*Console)(nil)
)

// Console is a service that takes its users by SCIM.
type Console struct {
	*client
	owner         string
	lineage       string // see [Console.mine]; guarded by mu
	log, progress func(string)
	// provider is what the service announces of itself.
	provider provider
	facts    plan.Facts
	// initial are attributes that the service takes at creation alone, readOnly those
	// that it gives itself.
	initial, readOnly []string

	mu      sync.Mutex
	index   *index         // nil before all accounts were read
	ahead   *index         // what was read for the ledger alone
	amended bool           // all accounts are being read
	since   []func(*index) // what became of accounts meanwhile
	filters map[string]trust
	// asked counts the refs and addresses that were asked for since the last change,
	// which was at askedSince.
	asked      int
	askedSince int64
	answered   map[string]apply.Answer // by the keys of steps that were made
	created    map[string]time.Time    // by ref, while they may not be seen yet
	doubts     map[string]time.Time    // see [Console.doubt]
	noPatch    bool                    // PATCH is not understood
	noBulk     bool
	// keepsMarks says that an account was seen to have the mark that it was given.
	keepsMarks bool
}

// New prepares a console; nothing is sent yet.
func New(o Options) (*Console, error) {
	o.Timeout = cmp.Or(o.Timeout, time.Minute)
	cl, err := newClient(&o)
	if err != nil {
		return nil, err
	}
	return &Console{
		client: cl, owner: o.Owner, log: o.Log, progress: o.Progress, filters: map[string]trust{}, answered: map[string]apply.Answer{}, created: map[string]time.Time{}, doubts: map[string]time.Time{},
		facts: plan.Facts{Types: []identity.Type{identity.User}, Marks: true, Ledger: true, Settles: o.Settles},
	}, nil
}

// provider is the part of a service provider configuration (RFC 7643 section 5) that
// matters here.
type provider struct {
	Patch struct{ Supported truth }
	ETag  struct{ Supported truth }
	Bulk  struct {
		Supported                     truth
		MaxOperations, MaxPayloadSize int
	}
	Filter struct {
		Supported  truth
		MaxResults int
	}
	announced bool
}

// unannounced are the answers of a service that says nothing of itself.
var unannounced = []int{403, 404, 405, 501}

// open asks the service what it can do.
func (c *Console) open(ctx context.Context) error {
	body, err := c.reading(ctx, "/ServiceProviderConfig", nil)
	switch {
	case slices.Contains(unannounced, status(err)):
	case err != nil:
		return c.unread(err)
	default:
		if err := json.Unmarshal(body, &c.provider); err != nil && !mistyped(err) {
			return c.unread(c.notJSON(body))
		}
		c.provider.announced = true
	}
	c.noPatch = c.provider.announced && c.provider.Patch.Supported != yes
	c.noBulk = c.provider.Bulk.Supported != yes
	schemas, err := c.schemas(ctx)
	if err != nil {
		return c.unread(err)
	}
	var names []string
	names, c.initial, c.readOnly = stored(schemas)
	c.facts.Stores = append([]string{plan.FieldAliases, plan.FieldStatus, plan.FieldType}, names...)
	return nil
}

// schemas returns the attributes of each schema, by its URI in lower case: their
// mutability (RFC 7643 section 2.2) by their names in lower case, as "name.familyname".
// It is nil where the service does not say.
func (c *Console) schemas(ctx context.Context) (map[string]map[string]string, error) {
	body, err := c.reading(ctx, "/Schemas", nil)
	if slices.Contains(unannounced, status(err)) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var list struct {
		Resources []struct {
			ID         string
			Attributes []struct {
				Name, Mutability string
				SubAttributes    []struct{ Name, Mutability string }
			}
		}
	}
	if err := json.Unmarshal(body, &list); err != nil && !mistyped(err) {
		return nil, c.notJSON(body)
	}
	all := map[string]map[string]string{}
	for _, s := range list.Resources {
		names := map[string]string{}
		for _, a := range s.Attributes {
			names[strings.ToLower(a.Name)] = a.Mutability
			for _, sub := range a.SubAttributes {
				names[strings.ToLower(a.Name+"."+sub.Name)] = sub.Mutability
			}
		}
		all[strings.ToLower(s.ID)] = names
	}
	return all, nil
}

// Facts are what the service can do.
func (c *Console) Facts() plan.Facts { return c.facts }

// Accounts reads every user.
func (c *Console) Accounts(ctx context.Context, yield func(identity.Live) error) (console.Receipt, error) {
	c.mu.Lock()
	x := c.ahead
	c.ahead = nil
	c.mu.Unlock()
	if x == nil || c.wrote.Load() > x.at.UnixNano() {
		var err error
		if x, err = c.known(ctx, time.Now()); err != nil {
			return console.Receipt{}, c.unread(err)
		}
	}
	for i := range x.all {
		if err := yield(x.all[i]); err != nil {
			return console.Receipt{}, err
		}
	}
	return console.Receipt{Product: "SCIM", Version: "2.0", Accounts: len(x.all), Expiries: c.expiries()}, nil
}

// Publish does nothing: each change has taken effect when it is answered.
func (c *Console) Publish(context.Context) error { return nil }

// Close lets go of the connections.
func (c *Console) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// unread makes an error of a read of one of a request.
func (c *Console) unread(err error) error {
	switch f := asFailure(err); {
	case f == nil:
		return err // that of a context, or one that says all itself
	case f.code() == apply.Auth:
		return &console.RefusedError{Console: c.label, Err: f}
	default:
		return &console.ReadError{Console: c.label, Err: f, Advice: f.Hint()}
	}
}

// counted says how many things there are.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number.Thousands(n) + " " + what + "s"
}
