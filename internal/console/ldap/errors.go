package ldap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/directory"
	servers "github.com/rollcall-cli/rollcall/internal/directory/ldap"
)

// failure makes an error of a console of one of a directory.
func (c *Console) failure(err error) error {
	var refused *directory.RefusedError
	var read *directory.ReadError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &refused):
		return &console.RefusedError{Console: c.o.Label, Err: quoting(fmt.Errorf("%s: %w", refused.From, refused.Err))}
	case errors.As(err, &read):
		return &console.ReadError{Console: c.o.Label, Err: quoting(fmt.Errorf("%s: %w", read.From, read.Err)), Advice: advice(err)}
	}
	return &console.ReadError{Console: c.o.Label, Err: quoting(rephrased{err, strings.TrimPrefix(err.Error(), fmt.Sprintf("directory %q: ", c.o.Label))}), Advice: advice(err)}
}

// rephrased is an error in other words.
type rephrased struct {
	error
	words string
}

func (e rephrased) Error() string { return e.words }
func (e rephrased) Unwrap() error { return e.error }

// advice returns what an error says to do next.
func advice(err error) string {
	return strings.ReplaceAll(directory.HintOf(err), "the directory block", "the console block")
}

// quote is an error that repeats what a server said.
type quote struct {
	error
	said string
}

func (e quote) Unwrap() error  { return e.error }
func (e quote) Quoted() string { return e.said }

// quoting marks what of an error a server said.
func quoting(err error) error {
	var e *goldap.Error
	if !errors.As(err, &e) {
		return err
	}
	if said := diagnostic(e); said != "" && strings.Contains(err.Error(), said) {
		return quote{err, said}
	}
	return err
}

// diagnostic returns what a server said to a request, on one line and not too long.
func diagnostic(e *goldap.Error) string {
	const most = 300
	if e.Err == nil || e.ResultCode >= goldap.ErrorNetwork {
		return ""
	}
	said := strings.Join(strings.Fields(strings.ReplaceAll(e.Err.Error(), "\x00", " ")), " ")
	if len(said) > most {
		said = strings.ToValidUTF8(said[:most], "") + "…"
	}
	return said
}

func (c *Console) words(ctx context.Context, s *servers.Session, err error) error {
	return s.Cause(ctx, err)
}

// answers are what result codes of a change mean (RFC 4511 appendix A).
var answers = map[uint16]struct {
	code  apply.Code
	words string
}{
	goldap.LDAPResultAssertionFailed:           {apply.Changed, "somebody else has changed the entry since it was looked at"},
	goldap.LDAPResultNoSuchAttribute:           {apply.Changed, "somebody else has changed the entry since it was looked at"},
	goldap.LDAPResultAttributeOrValueExists:    {apply.Changed, "somebody else has changed the entry since it was looked at"},
	goldap.LDAPResultNoSuchObject:              {apply.Gone, "the entry is no longer there"},
	goldap.LDAPResultBusy:                      {apply.Temporary, "the server is too busy"},
	goldap.LDAPResultUnavailable:               {apply.Temporary, "the server is not available"},
	goldap.LDAPResultTimeLimitExceeded:         {apply.Temporary, "the server's time limit ended the request"},
	goldap.LDAPResultInsufficientAccessRights:  {apply.Refused, "the account of bind_dn may not write this; give it the right to write base_dn and everything below it"},
	goldap.LDAPResultUnwillingToPerform:        {apply.Refused, "the server is not willing to do this: it may be read-only; see its log, and name one in urls that can be written"},
	goldap.LDAPResultReferral:                  {apply.Refused, "the server does not take changes and refers to another; name that in urls"},
	goldap.LDAPResultConstraintViolation:       {apply.Refused, "a rule of the server forbids it"},
	goldap.LDAPResultObjectClassViolation:      {apply.Refused, "the schema does not allow it; see user_classes, list_classes and the names of attributes in the console block"},
	goldap.LDAPResultObjectClassModsProhibited: {apply.Refused, "the server does not let the entry change its classes; let list_classes be those of users and an auxiliary one"},
	goldap.LDAPResultUndefinedAttributeType:    {apply.Refused, "the schema does not have an attribute; see the names of attributes in the console block"},
	goldap.LDAPResultInvalidAttributeSyntax:    {apply.Refused, "the schema does not allow a value"},
	goldap.LDAPResultInappropriateMatching:     {apply.Refused, "values of an attribute cannot be compared, so that none of them can be replaced; map another attribute"},
	goldap.LDAPResultNamingViolation:           {apply.Refused, "the schema does not allow an entry of this class and name here"},
	goldap.LDAPResultNotAllowedOnRDN:           {apply.Refused, "the value is the name of the entry; rename the entry by hand"},
	goldap.LDAPResultNotAllowedOnNonLeaf:       {apply.Refused, "there are entries below this one; move them away by hand"},
	goldap.LDAPResultEntryAlreadyExists:        {apply.Refused, "there is an entry of this name already; rename it by hand"},
	goldap.LDAPResultAffectsMultipleDSAs:       {apply.Refused, "the entry cannot be moved there, which is on another server or in another database; set inactive_dn to a place beside it"},
	goldap.LDAPResultStrongAuthRequired:        {apply.Refused, "the server demands a stronger login to write"},
	goldap.LDAPResultConfidentialityRequired:   {apply.Refused, "the server demands encryption to write; use ldaps:// or start_tls = true"},
}

// refusal is what a server said against a change.
type refusal struct {
	said   *apply.Error
	result uint16 // the code of the server
}

func (r *refusal) Error() string { return r.said.Error() }
func (r *refusal) Unwrap() error { return r.said }

// answered reports whether an error is the refusal with a result code.
func answered(err error, result uint16) bool {
	var r *refusal
	return errors.As(err, &r) && r.result == result
}

// newRefusal makes an answer of what a server said to a change of an entry.
func newRefusal(dn string, err error) error {
	var e *goldap.Error
	if !errors.As(err, &e) {
		return &apply.Error{Code: apply.Internal, Message: fmt.Sprintf("entry %q: %v", dn, err)}
	}
	known, ok := answers[e.ResultCode]
	if !ok {
		known.code, known.words = apply.Refused, "the server refuses: "+strings.ToLower(cmp.Or(goldap.LDAPResultCodeMap[e.ResultCode], "it does not say why"))
	}
	said := ""
	if text := diagnostic(e); text != "" {
		said = ": " + text
	}
	return &refusal{&apply.Error{Code: known.code, Message: fmt.Sprintf("entry %q: %s (result code %d%s)", dn, known.words, e.ResultCode, said)}, e.ResultCode}
}
