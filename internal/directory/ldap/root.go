package ldap

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// rootDSE is what a server says of itself (RFC 4512 section 5.1, MS-ADTS
// section 3.1.1.3.2).
type rootDSE struct {
	namingContexts []string
	// defaultContext is a domain controller's own domain.
	defaultContext string
	vendor         string
	controls       []string
	capabilities   []string
	// serviceName is the DN of a domain controller's NTDS settings.
	serviceName string
	hostName    string
	// time is the server's clock as a domain controller writes it, a
	// GeneralizedTime.
	time string
	// synchronized is FALSE on a domain controller that has yet to get all data
	// from another.
	synchronized string
	// usn is the highest committed update sequence number, 0 for none.
	usn int64
}

// Controls and capabilities, by object identifier.
const (
	oidPaging          = "1.2.840.113556.1.4.319"   // RFC 2696
	oidShowDeleted     = "1.2.840.113556.1.4.417"   // MS-ADTS section 3.1.1.3.4.1.14
	oidDirSync         = "1.2.840.113556.1.4.841"   // MS-ADTS section 3.1.1.3.4.1.3
	oidSyncRequest     = "1.3.6.1.4.1.4203.1.9.1.1" // RFC 4533
	oidReadOnly        = "1.2.840.113556.1.4.1920"  // MS-ADTS section 3.1.1.3.4.3.6
	oidActiveDirectory = "1.2.840.113556.1.4.800"   // MS-ADTS section 3.1.1.3.4.3.1
)

var pagedResults = []byte(oidPaging)

var errNoRoot = errors.New("the server does not show its root entry (rootDSE), in which it says what it holds and can do")

const rootHint = `let everybody read the root entry: in OpenLDAP access to dn.base="" by * read, in 389 Directory Server an ACI of the entry ""; if a proxy hides it, name the server itself in urls`

func (c *conn) readRoot() error {
	result, err := c.search("", goldap.ScopeBaseObject, "(objectClass=*)", []string{
		"namingContexts", "defaultNamingContext", "vendorName", "supportedControl", "supportedCapabilities",
		"dsServiceName", "dnsHostName", "currentTime", "highestCommittedUSN", "isSynchronized",
	})
	switch {
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultNoSuchObject, goldap.LDAPResultInsufficientAccessRights):
		return hinted{fmt.Errorf("%w (%w)", errNoRoot, explain(err, false)), rootHint}
	case err != nil:
		return err
	case len(result.Entries) != 1:
		return hinted{errNoRoot, rootHint}
	}
	e := result.Entries[0]
	c.root = rootDSE{
		namingContexts: e.GetEqualFoldAttributeValues("namingContexts"),
		defaultContext: e.GetEqualFoldAttributeValue("defaultNamingContext"),
		vendor:         e.GetEqualFoldAttributeValue("vendorName"),
		controls:       e.GetEqualFoldAttributeValues("supportedControl"),
		capabilities:   e.GetEqualFoldAttributeValues("supportedCapabilities"),
		serviceName:    e.GetEqualFoldAttributeValue("dsServiceName"),
		hostName:       e.GetEqualFoldAttributeValue("dnsHostName"),
		time:           e.GetEqualFoldAttributeValue("currentTime"),
		synchronized:   e.GetEqualFoldAttributeValue("isSynchronized"),
	}
	c.root.usn, _ = strconv.ParseInt(e.GetEqualFoldAttributeValue("highestCommittedUSN"), 10, 64)
	return nil
}

// offers reports whether the server says that it knows a control.
func (r *rootDSE) offers(oid string) bool { return slices.Contains(r.controls, oid) }

// showDeleted returns what a search asks with for deleted objects, too; nothing
// where that is not offered.
func (r *rootDSE) showDeleted() []goldap.Control {
	if !r.offers(oidShowDeleted) {
		return nil
	}
	return []goldap.Control{goldap.NewControlString(oidShowDeleted, true, "")}
}

// contexts returns the naming contexts that a base of "" stands for: the
// domain of a domain controller, all of another server.
func (r *rootDSE) contexts() []string {
	if r.defaultContext != "" {
		return []string{r.defaultContext}
	}
	return r.namingContexts
}

// contextOf returns the naming context that holds a DN: the longest whose DN
// ends it. It is the DN itself where the server names none.
func (r *rootDSE) contextOf(text string) string {
	dn, err := identity.ParseDN(text)
	if err != nil {
		return text
	}
	best, depth := text, -1
	for _, context := range r.namingContexts {
		if nc, err := identity.ParseDN(context); err == nil && dn.Within(nc) && len(nc) > depth {
			best, depth = context, len(nc)
		}
	}
	return best
}

// identity says which copy of the data the server holds; see
// [identity.Receipt]. What the server does not say is "".
func (c *conn) identity(contexts []string) (string, error) {
	var values []string
	for _, context := range contexts {
		csn, err := c.told(context, "contextCSN")
		if err != nil {
			return "", err
		}
		for _, v := range csn {
			values = append(values, string(v))
		}
	}
	if len(values) == 0 && c.root.serviceName != "" {
		id, err := c.told(c.root.serviceName, "invocationId")
		if err != nil || len(id) != 1 {
			return "", err
		}
		g, _ := identity.WireGUID(id[0])
		return g.String(), nil
	}
	slices.Sort(values)
	return strings.Join(slices.Compact(values), " "), nil
}

// told returns an attribute of an object, or nothing where the server does not
// show it.
func (c *conn) told(dn, attribute string) ([][]byte, error) {
	result, err := c.search(dn, goldap.ScopeBaseObject, "(objectClass=*)", []string{attribute})
	if isAnswer(err) {
		return nil, nil
	}
	if err != nil || len(result.Entries) != 1 {
		return nil, err
	}
	return result.Entries[0].GetEqualFoldRawAttributeValues(attribute), nil
}

// isCatalog reports whether the target is the global catalog, by its port.
func (t *target) isCatalog() bool { return t.port == "3268" || t.port == "3269" }

const catalogHint = "leave out the port, or use 636 for ldaps:// and 389 for ldap://: 3268 and 3269 are the global catalog, which holds a part of each entry"

// notInCatalog returns those of the attributes that the schema does not have in
// the global catalog.
func (c *conn) notInCatalog(names []string) ([]string, error) {
	const partial = "isMemberOfPartialAttributeSet"
	root, err := c.search("", goldap.ScopeBaseObject, "(objectClass=*)", []string{"schemaNamingContext"})
	if err != nil || len(root.Entries) != 1 {
		return nil, cmp.Or(err, errors.New("no schema"))
	}
	schema := root.Entries[0].GetEqualFoldAttributeValue("schemaNamingContext")
	var missing []string
	for _, name := range names {
		if slices.Contains(missing, name) {
			continue
		}
		result, err := c.search(schema, goldap.ScopeSingleLevel, "(lDAPDisplayName="+goldap.EscapeFilter(name)+")", []string{partial})
		if err != nil {
			return nil, err
		}
		if len(result.Entries) != 1 || result.Entries[0].GetEqualFoldAttributeValue(partial) != "TRUE" {
			missing = append(missing, name)
		}
	}
	return missing, nil
}
