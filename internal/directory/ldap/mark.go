package ldap

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// mark says where to ask for what changed since a read began. Its text is a JSON
// object, which only the version that wrote it reads.
type mark struct {
	Version int `json:"version"`
	// URL is the server's, and Login who read.
	URL   string `json:"url"`
	Login string `json:"login"`
	// Above are the GUIDs of the bases and of what is above them, by DN; "" where the
	// object is not shown.
	Above map[string]string `json:"above,omitempty"`
	// Containers are the DNs of the objects below which others are, by GUID.
	Containers map[string]string `json:"containers,omitempty"`

	// CSN are the values of contextCSN by naming context.
	CSN state `json:"csn,omitempty"`

	// USN is the highest committed update sequence number of the domain controller Host
	// with the invocation id Invocation.
	USN        int64  `json:"usn,omitempty"`
	Host       string `json:"host,omitempty"`
	Invocation string `json:"invocation,omitempty"`
}

// login says who reads, without what is secret of it.
func (o *Options) login() string {
	if k := o.Kerberos; k != nil {
		return cmp.Or(k.Principal, k.Cache)
	}
	return cmp.Or(o.BindDN, o.ClientCert)
}

const (
	markVersion = 1
	// maxContainers is how many containers are looked up for a mark.
	maxContainers = 10_000
)

// state are the values of contextCSN by naming context, one for each server that
// changes were made on, sorted by the ids of these.
type state map[string][]string

// state asks for contextCSN.
func (c *conn) state(contexts []string) (state, error) {
	s := state{}
	for _, context := range contexts {
		csn, err := c.told(context, "contextCSN")
		if err != nil {
			return nil, err
		}
		for _, v := range csn {
			s[context] = append(s[context], string(v))
		}
		slices.SortFunc(s[context], func(a, b string) int { return cmp.Or(strings.Compare(sidOf(a), sidOf(b)), strings.Compare(a, b)) })
	}
	return s, nil
}

func (s state) equal(t state) bool { return maps.EqualFunc(s, t, slices.Equal[[]string]) }

// has reports whether the state of a naming context has a change.
func (s state) has(context, csn string) bool {
	all := len(s[context]) > 0
	for _, v := range s[context] {
		if sidOf(v) == sidOf(csn) {
			return csn <= v
		}
		all = all && csn <= v
	}
	return all
}

// before reports whether all changes of a state were made before a time, a
// GeneralizedTime in UTC.
func (s state) before(at string) bool {
	const seconds = len("20060102150405")
	if len(at) < seconds || !strings.HasSuffix(at, "Z") {
		return false
	}
	for _, values := range s {
		for _, v := range values {
			if v[:seconds] >= at[:seconds] {
				return false
			}
		}
	}
	return true
}

// since says why a server in the state s is not the one that was in the state
// before, with more changes at most; "" if it is.
func (s state) since(before state) string {
	for context, values := range before {
		now := s[context]
		if !slices.EqualFunc(now, values, func(a, b string) bool { return sidOf(a) == sidOf(b) }) {
			return fmt.Sprintf("the changes of %q come from other servers than before", context)
		}
		for i := range now {
			if now[i] < values[i] {
				return fmt.Sprintf("the server has an older state of %q than before, as after a restore", context)
			}
		}
	}
	if len(s) != len(before) {
		return "the scopes are in other naming contexts than before"
	}
	return ""
}

// identity is the state as [identity.Receipt] has it.
func (s state) identity() string {
	var values []string
	for _, its := range s {
		values = append(values, its...)
	}
	slices.Sort(values)
	return strings.Join(slices.Compact(values), " ")
}

// cookie is the synchronization cookie of OpenLDAP that stands for the state of a
// naming context.
func (s state) cookie(context string) []byte {
	return []byte("rid=000,csn=" + strings.Join(s[context], ";"))
}

func (m *mark) text() string {
	b, err := json.Marshal(m)
	if err != nil {
		return ""
	}
	return string(b)
}

var errMark = errors.New("what was noted of the last complete read cannot be read")

// parseMark reads a mark of a domain controller, or of another server.
func parseMark(text string, ad bool) (*mark, error) {
	m := &mark{}
	if err := json.Unmarshal([]byte(text), m); err != nil {
		return nil, errMark
	}
	if m.Version != markVersion || m.URL == "" || (m.USN > 0) != ad || (len(m.CSN) > 0) == ad || ad && (m.Host == "" || m.Invocation == "") {
		return nil, errMark
	}
	for g := range m.Containers {
		if _, err := identity.ParseGUID(g); err != nil {
			return nil, errMark
		}
	}
	for _, values := range m.CSN {
		if len(values) == 0 {
			return nil, errMark
		}
		for _, v := range values {
			if sidOf(v) == "" {
				return nil, errMark
			}
		}
	}
	return m, nil
}

// sidOf returns the id of the server that made a change, of its change sequence
// number, as in 20260101000000.000000Z#000000#000#000000; "" where that is none.
func sidOf(csn string) string {
	const shape = "00000000000000.000000Z#000000#000#000000"
	if len(csn) != len(shape) {
		return ""
	}
	for i := range len(shape) {
		c := csn[i]
		digit := c >= '0' && c <= '9'
		if i > 21 { // hexadecimal
			digit = digit || c >= 'a' && c <= 'f'
		}
		if shape[i] == '0' && !digit || shape[i] != '0' && c != shape[i] {
			return ""
		}
	}
	return csn[30:33]
}

// mark makes the mark of the attempt that has just been made, or says why there
// is none.
func (r *reading) mark(ctx context.Context) (text, why string, err error) {
	ad := r.source.options.ActiveDirectory
	m := &mark{Version: markVersion, URL: r.target.url, Login: r.source.options.login(), Above: map[string]string{}}
	switch {
	case r.unfollowed != "":
		return "", r.unfollowed, nil
	case len(r.byDN) > 0:
		return "", fmt.Sprintf("some objects show no %s, by which they are known", guidName(ad)), nil
	case len(r.twins) > 0:
		return "", fmt.Sprintf("several objects have one %s", guidName(ad)), nil
	case ad:
		why, err = r.markAD(m)
	default:
		why, err = r.markCSN(ctx, m)
	}
	if why != "" || err != nil {
		return "", why, err
	}
	if m.Above, err = r.above(); err != nil {
		return "", "", err
	}
	if !maps.Equal(m.Above, r.aboveBegan) {
		return "", "what is above the objects was renamed or moved while the directory was read", nil
	}
	if why, err = r.markContainers(m); why != "" || err != nil {
		return "", why, err
	}
	return m.text(), "", ctx.Err()
}

// guidName is the attribute by which the server knows an object.
func guidName(ad bool) string {
	if ad {
		return "objectGUID"
	}
	return "entryUUID"
}

func (r *reading) markCSN(ctx context.Context, m *mark) (why string, err error) {
	if !r.conn.root.offers(oidSyncRequest) {
		return "the server offers no content synchronization (RFC 4533)", nil
	}
	for _, context := range r.contexts() {
		if values := r.began.csn[context]; len(values) == 0 || slices.ContainsFunc(values, func(v string) bool { return sidOf(v) == "" }) {
			return "the server shows no contextCSN, from which changes are counted", nil
		}
	}
	m.CSN = r.began.csn
	err = r.tellsDeleted(ctx, m.CSN)
	if not := (*directory.NotFollowedError)(nil); errors.As(err, &not) {
		return not.Why, nil
	}
	if isAnswer(err) {
		return fmt.Sprintf("the server does not say what changed: %v", r.source.cause(ctx, r.conn, err)), nil
	}
	return "", err
}

func (r *reading) markAD(m *mark) (why string, err error) {
	switch {
	case r.target.isCatalog():
		return "the server is a global catalog, which does not say all that changed", nil
	case r.receipt.Identity == "" || r.conn.root.hostName == "":
		return "the server does not show its invocationId or its name (dnsHostName)", nil
	}
	if why, err = r.seesDeleted(); why != "" || err != nil {
		return why, err
	}
	m.USN, m.Host, m.Invocation = r.began.usn, r.conn.root.hostName, r.receipt.Identity
	return "", nil
}

// seesDeleted says why deletions are not seen, "" if they are. Whoever may read the
// container of deleted objects, and not list it, is shown none (MS-ADTS section
// 3.1.1.5.5), so that the proof is an object there.
func (r *reading) seesDeleted() (why string, err error) {
	controls := r.conn.root.showDeleted()
	if controls == nil {
		return "the server does not offer to show deleted objects", nil
	}
	for _, context := range r.contexts() {
		head, err := r.conn.told(context, "objectGUID")
		if err != nil {
			return "", err
		}
		if len(head) == 0 {
			return fmt.Sprintf("%q, the head of the scopes, cannot be read", context), nil
		}
		seen, err := r.conn.some("CN=Deleted Objects,"+context, "(&(isDeleted=TRUE)(uSNChanged>=1))", controls)
		if err != nil {
			return "", err
		}
		if !seen {
			return fmt.Sprintf("no deleted object can be seen: the account needs the right to list and read %q, and something must have been deleted", "CN=Deleted Objects,"+context), nil
		}
	}
	return "", nil
}

// some reports whether an object directly below another is shown.
func (c *conn) some(dn, filter string, controls []goldap.Control) (bool, error) {
	c.wire.await()
	defer c.wire.done()
	result, err := c.Search(goldap.NewSearchRequest(dn, goldap.ScopeSingleLevel, goldap.NeverDerefAliases, 1, 0, false, filter, []string{"objectGUID"}, controls))
	if err != nil && !isAnswer(err) {
		return false, err
	}
	return slices.ContainsFunc(result.Entries, func(e *goldap.Entry) bool { return len(e.GetEqualFoldRawAttributeValues("objectGUID")) > 0 }), nil
}

// above returns the GUIDs of the bases and of all that is above them in their
// naming contexts, by DN. What is renamed there leaves no trace below.
func (r *reading) above() (map[string]string, error) {
	ids := guidAttributes(r.source.options.ActiveDirectory)
	m := map[string]string{}
	for i := range r.scopes {
		for _, base := range r.bases(&r.scopes[i]) {
			context := r.conn.root.contextOf(base)
			for dn := base; dn != ""; dn = identity.ParentDN(dn) {
				if _, known := m[dn]; known {
					break
				}
				result, err := r.conn.search(dn, goldap.ScopeBaseObject, "(objectClass=*)", ids)
				if err != nil && !isAnswer(err) {
					return nil, err
				}
				m[dn] = ""
				if err == nil && len(result.Entries) == 1 {
					if g := idOf(ids, result.Entries[0].GetEqualFoldRawAttributeValues); !g.IsZero() {
						m[dn] = g.String()
					}
				}
				if sameName(dn, context) {
					break
				}
			}
		}
	}
	return m, nil
}

// markContainers notes the names of what objects of the scopes are below, for whose
// change these have no trace. Each has to be seen when it changes.
func (r *reading) markContainers(m *mark) (why string, err error) {
	above := map[string]bool{}
	for dn := range m.Above {
		above[dnKey(dn)] = true
	}
	contexts := r.contexts()
	parents := map[string]bool{}
	for _, n := range r.byGUID {
		for parent := identity.ParentDN(r.places[n].dn); parent != "" && !parents[parent]; parent = identity.ParentDN(parent) {
			if !slices.Contains(contexts, r.conn.root.contextOf(parent)) {
				break
			}
			parents[parent] = true
			if above[dnKey(parent)] {
				break
			}
		}
	}
	m.Containers = make(map[string]string, len(r.containers)+len(parents))
	for g, dn := range r.containers {
		m.Containers[g.String()] = dn
	}
	ad := r.source.options.ActiveDirectory
	if ad {
		known := make(map[string]bool, len(r.containers))
		for _, dn := range r.containers {
			known[dnKey(dn)] = true
		}
		maps.DeleteFunc(parents, func(dn string, _ bool) bool { key := dnKey(dn); return known[key] || above[key] })
	}
	if len(parents) > maxContainers {
		return fmt.Sprintf("the objects are below more than %d others", maxContainers), nil
	}
	ids := guidAttributes(ad)
	for dn := range parents {
		result, err := r.conn.search(dn, goldap.ScopeBaseObject, "(objectClass=*)", append([]string{"entryCSN", "uSNChanged"}, ids...))
		if err != nil && !isAnswer(err) {
			return "", err
		}
		if err != nil || len(result.Entries) != 1 {
			return fmt.Sprintf("%q cannot be read, and so not when it is renamed", dn), nil
		}
		e := result.Entries[0]
		g := idOf(ids, e.GetEqualFoldRawAttributeValues)
		if g.IsZero() {
			return fmt.Sprintf("%q shows no %s, by which it is known", dn, guidName(ad)), nil
		}
		csn := e.GetEqualFoldAttributeValue("entryCSN")
		usn, err := strconv.ParseInt(e.GetEqualFoldAttributeValue("uSNChanged"), 10, 64)
		if ad && (err != nil || usn > m.USN) || !ad && (csn == "" || !m.CSN.has(r.conn.root.contextOf(dn), csn)) {
			return fmt.Sprintf("%q was changed while the directory was read", dn), nil
		}
		m.Containers[g.String()] = dn
	}
	return "", nil
}

// volatile are attributes whose values change without a trace on the object: back
// links and references to others, which servers keep up to date (MS-ADTS section
// 3.1.1.1.6, slapo-memberof(5), slapo-refint(5)), what is computed (section
// 3.1.1.4.5), and what each server counts for itself.
var volatile = map[string]bool{
	"memberof": true, "ismemberof": true, "nsrole": true, "directreports": true, "managedobjects": true,
	"tokengroups": true, "tokengroupsglobalanduniversal": true, "tokengroupsnogcacceptable": true, "primarygrouptoken": true, "canonicalname": true,
	"parentguid": true, "subschemasubentry": true, "hassubordinates": true, "numsubordinates": true, "entrydn": true,
	"allowedattributeseffective": true, "allowedchildclasseseffective": true, "sdrightseffective": true,
	"msds-approx-immed-subordinates": true, "msds-parentdistname": true, "msds-resultantpso": true, "msds-userpasswordexpired": true,
	"member": true, "uniquemember": true, "roleoccupant": true, "owner": true, "manager": true, "managedby": true, "secretary": true, "seealso": true,
	"altrecipient": true, "authorig": true, "unauthorig": true, "dlmemsubmitperms": true, "dlmemrejectperms": true, "homemdb": true, "homemta": true,
	"publicdelegates": true, "msexchcomanagedbylink": true, "msexchdelegatelistlink": true, "msexchmoderatedbylink": true, "msexchbypassmoderationlink": true,
	"lastlogon": true, "lastlogoff": true, "logoncount": true, "badpwdcount": true, "badpasswordtime": true,
	"authtimestamp": true, "pwdfailuretime": true, "pwdgraceusetime": true, "pwdlastsuccess": true,
}

func isVolatile(name string) bool {
	return volatile[name] || strings.HasSuffix(name, "bl") || strings.HasPrefix(name, "msds-") &&
		(strings.Contains(name, "computed") || strings.Contains(name, "memberof") || strings.Contains(name, "tokengroup"))
}

// inChain is LDAP_MATCHING_RULE_IN_CHAIN (MS-ADTS section 3.1.1.3.4.4.3).
const inChain = ":1.2.840.113556.1.4.1941:="

// unfollowed says why objects may come into scopes, leave them or have other values
// without being touched; "" if they may not.
func unfollowed(scopes []directory.Scope) (string, error) {
	for i := range scopes {
		s := &scopes[i]
		f, err := s.ParseFilter()
		if err != nil {
			return "", err
		}
		if strings.Contains(f.String(), inChain) {
			return fmt.Sprintf("the filter of scope %q follows nested memberships, which change without a trace on the object", s.Name), nil
		}
		for _, name := range f.Attributes() {
			if isVolatile(name) {
				return fmt.Sprintf("the filter of scope %q tests %s, which changes without a trace on the object", s.Name, name), nil
			}
		}
		m := *s
		m.SkipDisabled = false // the attributes that say so are set on the object
		for _, name := range directory.NewMapper(&m).Attributes() {
			if isVolatile(name) {
				return fmt.Sprintf("scope %q reads %s, which changes without a trace on the object", s.Name, name), nil
			}
		}
	}
	return "", nil
}
