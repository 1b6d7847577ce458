package scim

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/expiry"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

const (
	// soon is how long before the end of a certificate a warning begins.
	soon = 30 * 24 * time.Hour
	// nobody is the id of a user that is not there.
	nobody = "rollcall-nobody"
)

// Check looks at the certificate, at what the service announces, at its schemas and
// filters, and whether the credentials may write. It changes nothing.
func (c *Console) Check(ctx context.Context) ([]console.Finding, error) {
	if _, err := c.known(ctx, time.Time{}); err != nil {
		return nil, c.unread(err)
	}
	var all []console.Finding
	if f, there := c.certificate(time.Now()); there {
		all = append(all, f)
	}
	all = append(all, c.announced(), c.schema())
	filters, err := c.filtering(ctx)
	if err != nil {
		return nil, c.unread(err)
	}
	all = append(all, filters)
	if right, there := c.right(ctx); there {
		all = append(all, right)
	}
	return all, nil
}

// expiries are when the certificate of the service and the token end.
func (c *Console) expiries() (all []identity.Expiry) {
	if state := c.secured.Load(); state != nil && len(state.VerifiedChains) > 0 {
		all = expiry.Certificates(fmt.Sprintf("console %q", c.label), state.VerifiedChains[0])
	}
	return append(all, expiry.Token(fmt.Sprintf("console %q", c.label), c.token.Reveal())...)
}

// certificate says how long that of the service is good for.
func (c *Console) certificate(now time.Time) (f console.Finding, there bool) {
	state := c.secured.Load()
	if state == nil || len(state.VerifiedChains) == 0 {
		return f, false
	}
	first := slices.MinFunc(state.VerifiedChains[0], func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	until := first.NotAfter.UTC().Format(time.DateOnly)
	if first.NotAfter.Sub(now) < soon {
		return console.Finding{Check: "certificate", Status: "warning", Evidence: fmt.Sprintf("the certificate %q expires on %s", first.Subject.String(), until), Remedy: "renew it in time"}, true
	}
	return console.Finding{Check: "certificate", Status: "ok", Evidence: "it expires on " + until}, true
}

// announced says what the service says of itself.
func (c *Console) announced() console.Finding {
	p := &c.provider
	if !p.announced {
		return console.Finding{Check: "service", Status: "warning", Evidence: "it does not announce what it can do (/ServiceProviderConfig is not there): changes are made by PATCH where that is understood, one by one",
			Remedy: "see that url is the base of the service; otherwise there is nothing to do"}
	}
	var can []string
	add := func(does bool, yes, no string) {
		if text := map[bool]string{true: yes, false: no}[does]; text != "" {
			can = append(can, text)
		}
	}
	add(p.Patch.Supported == yes, "it changes users by PATCH", "it changes users by PUT alone")
	add(p.ETag.Supported == yes, "has ETags", "has no ETags")
	add(p.Bulk.Supported == yes, fmt.Sprintf("takes %d operations in bulk", p.Bulk.MaxOperations), "takes nothing in bulk")
	add(p.Filter.MaxResults > 0, fmt.Sprintf("gives up to %d users a page", p.Filter.MaxResults), "")
	return console.Finding{Check: "service", Status: "ok", Evidence: strings.Join(can, ", ")}
}

// schema says which attributes are stored.
func (c *Console) schema() console.Finding {
	var lacks []string
	for _, a := range attributes {
		if !c.facts.Keeps(a.name) && !slices.Contains(c.initial, a.name) && !slices.Contains(c.readOnly, a.name) {
			lacks = append(lacks, a.name)
		}
	}
	f := console.Finding{Check: "schema", Status: "ok"}
	var says []string
	add := func(names []string, why string) {
		if len(names) > 0 {
			says = append(says, why+": "+strings.Join(names, ", "))
		}
	}
	if !c.facts.Keeps(identity.DisplayName) {
		f.Status, f.Remedy = "warning", "let the service store them, if they are wanted there"
		says = append(says, "no display name can be changed in it")
	}
	add(lacks, "kept in the ledger alone, because its users do not have them")
	add(c.readOnly, "kept in the ledger alone, because they are read only in it")
	add(c.initial, "given to users at their creation alone, and changed in the ledger alone, because they are not mutable in it")
	if f.Evidence = strings.Join(says, "; "); len(says) == 0 {
		f.Evidence = "its users have every attribute that can be stored"
	}
	return f
}

// filtering says whether accounts can be looked up.
func (c *Console) filtering(ctx context.Context) (console.Finding, error) {
	f := console.Finding{Check: "filters", Status: "ok"}
	var poor []string
	for _, by := range []string{byEmail, byUserName, byMark} {
		t, err := c.trusted(ctx, by, 1, time.Hour)
		if err != nil {
			return f, err
		}
		switch {
		case !t.exact:
			poor = append(poor, by)
		case !t.folding && by != byMark:
			poor = append(poor, by+" (the case of letters matters there)")
		}
	}
	if f.Evidence = "accounts are looked up by filters"; len(poor) > 0 {
		f.Evidence = "all accounts are read where one is looked up, since filters cannot be relied on: " + strings.Join(poor, ", ")
	}
	return f, nil
}

// right tries to change a user that is not there, which changes nothing.
func (c *Console) right(ctx context.Context) (f console.Finding, there bool) {
	if c.noPatch {
		return f, false
	}
	e := edit{core, "displayName", "rollcall"}
	body := encode(patch([]any{e.operation(tree{})}))
	_, err := c.do(ctx, request{method: http.MethodPatch, path: userPath(nobody), body: body})
	switch status(err) {
	case 404:
		return console.Finding{Check: "right", Status: "ok", Evidence: "the credentials may write, as far as can be seen without a change"}, true
	case 403:
		return console.Finding{Check: "right", Status: "failed", Evidence: "the credentials may not write users", Remedy: asFailure(err).Hint()}, true
	}
	return f, false
}
