package examples

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// workspace is an organization of Google Workspace: as much of the Directory API as
// the connector asks for.
type workspace struct {
	*web
	page   int
	scopes []string // that are delegated
	admin  string   // who may read

	mu     sync.Mutex
	users  []object
	groups []object
	gone   []object
	tokens []string
}

const (
	account      = "rollcall@project.iam.gserviceaccount.com"
	admin        = "admin@example.com"
	googleUsers  = "/admin/directory/v1/users"
	googleGroups = "/admin/directory/v1/groups"
	googleLogin  = "/token"
	userScope    = "https://www.googleapis.com/auth/admin.directory.user.readonly"
	groupScope   = "https://www.googleapis.com/auth/admin.directory.group.readonly"
)

// googleKey is that of the service account.
var googleKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	w := &workspace{page: 2, scopes: []string{userScope, groupScope}, admin: admin}
	w.web = newWeb(t, w)
	w.users = []object{
		person("100000000000000000001", admin, nil),
		person("100000000000000000002", "ann@example.com", object{"aliases": []string{"a.smith@example.com"}, "nonEditableAliases": []string{"ann@example.com.test-google-a.com"},
			"orgUnitPath": "/Staff/Sales", "organizations": []object{{"title": "Old"}, {"title": "Head", "department": "Sales", "primary": true}},
			"externalIds":   []object{{"value": "4711", "type": "organization"}, {"value": "x", "type": "login_id"}},
			"emails":        []object{{"address": "ann@example.com", "primary": true}, {"address": "a.smith@example.com"}, {"address": "ann@home.example", "type": "home"}},
			"customSchemas": object{"Employment": object{"badge_no": "7", "roles": []object{{"value": "a"}, {"value": "b"}}}}}),
		person("100000000000000000003", "bob@example.com", object{"suspended": true, "suspensionReason": "ADMIN"}),
		person("100000000000000000004", "carl@example.com", object{"archived": true, "includeInGlobalAddressList": false}),
	}
	w.groups = []object{{"kind": "admin#directory#group", "id": "01abcdef2345678", "email": "sales@example.com", "name": "Sales", "description": "All of sales", "adminCreated": true, "aliases": []string{"vertrieb@example.com"}, "etag": `"1"`}}
	return w
}

func person(id, address string, more object) object {
	local, _, _ := strings.Cut(address, "@")
	o := object{"kind": "admin#directory#user", "id": id, "etag": `"1"`, "primaryEmail": address, "suspended": false, "archived": false, "isMailboxSetup": true, "orgUnitPath": "/",
		"name": object{"givenName": local, "familyName": "Smith", "fullName": local + " Smith"}}
	for name, value := range more {
		o[name] = value
	}
	return o
}

// keyFile writes that of the service account.
func (s *workspace) keyFile(t *testing.T, more object) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(googleKey())
	if err != nil {
		t.Fatal(err)
	}
	key := object{"type": "service_account", "client_email": account, "client_id": "117", "private_key_id": "k1", "token_uri": s.URL + googleLogin,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
	for name, value := range more {
		key[name] = value
	}
	text, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// change changes the organization, or looks into it, between two requests.
func (s *workspace) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *workspace) config(t *testing.T, more object) object {
	t.Helper()
	c := object{"key_file": s.keyFile(t, nil), "subject": admin, "api_url": s.URL, "ca_file": s.CA}
	for name, value := range more {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

func (s *workspace) connected(t *testing.T, more object) *connector {
	t.Helper()
	c := connect(t, "google/google.py")
	c.hello(s.config(t, more))
	return c
}

// refused is an error as the Directory API writes it.
func refused(code int, reason, message string) (int, object) {
	return code, object{"error": object{"code": code, "message": message, "errors": []object{{"domain": "global", "reason": reason, "message": message}}}}
}

func limited(code int, reason string) fault {
	code, body := refused(code, reason, "Quota exceeded")
	text, _ := json.Marshal(body)
	return status(code, string(text))
}

func (s *workspace) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == googleLogin {
		s.login(w, r)
		return
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !slices.Contains(s.tokens, token) {
		code, body := refused(401, "authError", "Invalid Credentials")
		reply(w, code, body)
		return
	}
	code, body := s.get(strings.TrimPrefix(r.URL.Path, "/admin/directory/v1/"), r.URL.Query())
	reply(w, code, body)
}

func (s *workspace) login(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	header, claims, err := verified(r.PostForm.Get("assertion"), &googleKey().PublicKey)
	now := float64(time.Now().Unix())
	switch {
	case r.PostForm.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
		reply(w, 400, object{"error": "unsupported_grant_type"})
	case err != nil || header["alg"] != "RS256" || header["kid"] != "k1":
		reply(w, 400, object{"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
	case claims["iss"] != account || claims["aud"] != s.URL+googleLogin || claims["iat"].(float64) > now+5 || claims["exp"].(float64) > now+3605:
		reply(w, 400, object{"error": "invalid_grant", "error_description": fmt.Sprintf("Invalid JWT: %v", claims)})
	case claims["sub"] != s.admin && claims["sub"] != nil:
		reply(w, 400, object{"error": "invalid_grant", "error_description": "Invalid email or User ID"})
	case slices.ContainsFunc(strings.Fields(claims["scope"].(string)), func(scope string) bool { return !slices.Contains(s.scopes, scope) }):
		reply(w, 401, object{"error": "unauthorized_client", "error_description": "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."})
	default:
		s.tokens = append(s.tokens, fmt.Sprintf("ya29.token-%d", len(s.tokens)))
		reply(w, 200, object{"access_token": s.tokens[len(s.tokens)-1], "expires_in": 3599, "token_type": "Bearer"})
	}
}

func (s *workspace) get(path string, q url.Values) (int, object) {
	collection, key, single := strings.Cut(path, "/")
	all, primary, most := s.users, "primaryEmail", 500
	if collection == "groups" {
		all, primary, most = s.groups, "email", 200
	}
	is := func(o object, key string) bool {
		aliases, _ := o["aliases"].([]string)
		return o["id"] == key || o[primary] == key || slices.Contains(aliases, key)
	}
	if single {
		for _, o := range all {
			if is(o, key) {
				return 200, o
			}
		}
		if _, domain, ok := strings.Cut(key, "@"); ok && domain != "example.com" {
			return refused(403, "forbidden", "Not Authorized to access this resource/api")
		}
		return refused(404, "notFound", "Resource Not Found: userKey")
	}
	if n, err := strconv.Atoi(q.Get("maxResults")); q.Get("customer") != "my_customer" || err != nil || n < 1 || n > most {
		return refused(400, "badRequest", "Bad Request")
	}
	if q.Get("showDeleted") == "true" {
		all = s.gone
	}
	if query := q.Get("query"); query != "" {
		value, ok := strings.CutPrefix(query, "email='")
		if !ok {
			return refused(400, "invalid", "Invalid Input: query")
		}
		value = strings.ReplaceAll(strings.TrimSuffix(value, "'"), `\'`, "'")
		var some []object
		for _, o := range all {
			if is(o, value) {
				some = append(some, o)
			}
		}
		all = some
	}
	from, _ := strconv.Atoi(q.Get("pageToken"))
	body := object{"kind": "admin#directory#" + collection, "etag": `"x"`}
	if page := all[from:min(from+s.page, len(all))]; len(page) > 0 {
		body[collection] = page
	}
	if from+s.page < len(all) {
		body["nextPageToken"] = strconv.Itoa(from + s.page)
	}
	return 200, body
}

func TestGoogleRead(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	c := s.connected(t, nil)
	a := c.ask("read", object{"scopes": []object{{"base": "", "filter": "(mail=*)"}}, "attributes": []string{"mail", "id"}})
	if a.code() != "" || len(a.objects) != 5 || a.last["complete"] != true {
		t.Fatalf("%d objects, %v", len(a.objects), a.last)
	}
	if !slices.Contains(a.progress, "users: page 2, 4 so far") {
		t.Errorf("progress: %q", a.progress)
	}
	ann := one(t, a.objects, "mail", "ann@example.com")
	if ann.DN != "CN=100000000000000000002,OU=users,O=cloud" {
		t.Error(ann.DN)
	}
	has(t, ann, map[string]string{
		"id": "100000000000000000002", "objectClass": "top person organizationalPerson user", "userAccountControl": "512", "userPrincipalName": "ann@example.com",
		"proxyAddresses": "SMTP:ann@example.com smtp:a.smith@example.com smtp:ann@example.com.test-google-a.com", "displayName": "ann Smith", "sn": "Smith",
		"title": "Head", "department": "Sales", "employeeID": "4711", "otherMails": "ann@home.example", "orgUnitPath": "/Staff/Sales", "isMailboxSetup": "TRUE",
		"Employment-badge-no": "7", "Employment-roles": "a b", "suspended": "FALSE",
	})
	has(t, one(t, a.objects, "mail", "bob@example.com"), map[string]string{"userAccountControl": "514", "suspended": "TRUE"})
	has(t, one(t, a.objects, "mail", "carl@example.com"), map[string]string{"userAccountControl": "514", "archived": "TRUE", "msExchHideFromAddressLists": "TRUE"})
	has(t, one(t, a.objects, "mail", "sales@example.com"), map[string]string{"objectClass": "top group", "id": "01abcdef2345678", "displayName": "Sales",
		"proxyAddresses": "SMTP:sales@example.com smtp:vertrieb@example.com", "userAccountControl": ""})

	// Without groups, neither their scope nor their collection is asked for.
	s.change(func() { s.scopes = []string{userScope} })
	if n := len(s.connected(t, object{"groups": false}).read()); n != 4 {
		t.Errorf("%d objects", n)
	}
	// A service account with a role of its own reads in its own name.
	if n := len(s.connected(t, object{"groups": false, "subject": nil}).read()); n != 4 {
		t.Errorf("%d objects", n)
	}
	c.silent("PRIVATE KEY")
	c.ask("bye", nil)
	c.ends(5 * time.Second)
}

// named UUIDs are those by which rollcall knows an object whose key is no GUID.
func nameBased(text string) string {
	space, _ := hex.DecodeString("5c1d0f8e3b574a5e9a2e6f0c94d371b6")
	d := sha1.Sum(append(space, text...))
	d[6], d[8] = d[6]&0x0f|0x50, d[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", d[:4], d[4:6], d[6:8], d[8:10], d[10:16])
}

// TestGoogleLife: somebody comes, gets another address, marries, is suspended, and leaves.
func TestGoogleLife(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	c := s.connected(t, nil)
	const id, eve = "100000000000000000009", "eve@example.com"
	change := func(f func()) []found {
		s.change(f)
		return c.read()
	}
	her := person(id, eve, nil)
	has(t, one(t, change(func() { s.users = append(s.users, her) }), "id", id), map[string]string{"mail": eve, "proxyAddresses": "SMTP:" + eve})
	has(t, one(t, change(func() { her["aliases"] = []string{"e.gray@example.com"} }), "id", id), map[string]string{"proxyAddresses": "SMTP:eve@example.com smtp:e.gray@example.com"})
	has(t, one(t, change(func() { her["primaryEmail"], her["aliases"] = "eve.ng@example.com", []string{eve} }), "id", id),
		map[string]string{"mail": "eve.ng@example.com", "proxyAddresses": "SMTP:eve.ng@example.com smtp:" + eve})
	has(t, one(t, change(func() { her["suspended"] = true }), "id", id), map[string]string{"userAccountControl": "514"})
	left := change(func() {
		s.users = slices.DeleteFunc(s.users, func(o object) bool { return o["id"] == id })
		s.gone = []object{person("100000000000000000008", "x@example.com", nil), her}
		her["deletionTime"] = "2026-01-01T00:00:00.000Z"
	})
	if len(named(left, "id", id)) != 0 {
		t.Error("she is still read")
	}
	for name, query := range map[string]object{
		"GUID": {"guids": []string{nameBased("cloud:" + id)}}, "id": {"guids": []string{id}}, "address": {"addresses": []string{eve}},
		"name": {"usernames": []string{"eve.ng@example.com"}}, "DN": {"dns": []string{"CN=" + id + ",OU=users,O=cloud"}},
	} {
		if a := c.ask("find", query); a.code() != "" || len(a.objects) != 1 || !a.objects[0].Deleted || a.objects[0].Attributes["id"][0] != id {
			t.Errorf("by %s: %+v", name, a)
		}
	}
}

func TestGoogleFind(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	s.users[2]["aliases"] = []string{"o'neil@other.example"} // of a domain that users.get does not know
	c := s.connected(t, nil)
	for _, test := range []struct {
		name  string
		query object
		want  string
	}{
		{"a GUID", object{"guids": []string{strings.ToUpper(nameBased("cloud:100000000000000000002"))}}, "ann@example.com"},
		{"that of a list", object{"guids": []string{nameBased("cloud:01abcdef2345678")}}, "sales@example.com"},
		{"that of another directory", object{"guids": []string{nameBased("other:100000000000000000002")}}, ""},
		{"an id", object{"guids": []string{"100000000000000000002"}}, "ann@example.com"},
		{"an alias", object{"addresses": []string{"A.Smith@example.com"}}, "ann@example.com"},
		{"a list", object{"addresses": []string{"vertrieb@example.com"}}, "sales@example.com"},
		{"an alias elsewhere", object{"addresses": []string{"o'neil@other.example"}}, "bob@example.com"},
		{"nobody elsewhere", object{"addresses": []string{"nobody@other.example"}}, ""},
		{"a name", object{"usernames": []string{"bob@example.com"}}, "bob@example.com"},
		{"a number", object{"usernames": []string{"4711"}}, "ann@example.com"},
		{"a DN", object{"dns": []string{"cn=01abcdef2345678,ou=groups,o=cloud"}}, "sales@example.com"},
		{"several", object{"guids": []string{nameBased("cloud:100000000000000000002")}, "addresses": []string{"carl@example.com", "sales@example.com", "nobody@example.com"}}, "ann@example.com carl@example.com sales@example.com"},
		{"nothing", object{"addresses": []string{"nobody@example.com"}, "dns": []string{"CN=Ann,DC=example"}, "guids": []string{"-"}}, ""},
	} {
		a := c.ask("find", test.query)
		var mails []string
		for _, f := range a.objects {
			mails = append(mails, f.Attributes["mail"]...)
		}
		slices.Sort(mails)
		if got := strings.Join(mails, " "); a.code() != "" || got != test.want {
			t.Errorf("%s: %q, not %q: %v", test.name, got, test.want, a.last)
		}
	}
}

func TestGoogleFaults(t *testing.T) {
	t.Parallel()
	page := func(more string, users ...object) fault {
		text, _ := json.Marshal(users)
		return answered(`{"kind":"admin#directory#users","users":` + string(text) + more + `}`)
	}
	reader := person("1", admin, nil)
	with := func(more object) fault { return page("", person("1", admin, more)) }
	connectors := newPool(t, "google/google.py")
	for _, test := range []struct {
		name   string
		path   string
		faults []fault
		config object
		code   string
		says   string
		hides  string
		change func(s *workspace)
	}{
		{name: "too many requests", faults: []fault{passes, limited(403, "userRateLimitExceeded"), limited(403, "quotaExceeded")}, says: "HTTP 403; the next try"},
		{name: "too many requests, as other APIs say it", faults: []fault{status(429, `{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}`, "Retry-After: 0")}},
		{name: "too many requests for long", faults: always(limited(403, "rateLimitExceeded")), config: object{"max_wait": 0.3}, code: "throttled", says: "HTTP 403"},
		{name: "too many requests for a day", faults: []fault{limited(403, "dailyLimitExceeded")}, code: "throttled", says: "Quota exceeded"},
		{name: "unavailable", faults: []fault{passes, status(503, "backend error", "Retry-After: 0"), status(500, "", "Retry-After: 0")}},
		{name: "unavailable for long", faults: always(status(503, "")), config: object{"max_wait": 0.3}, code: "temporary", says: "HTTP 503"},
		{name: "breaks off", faults: []fault{passes, breaks}, says: "the answer broke off"},
		{name: "is late", faults: []fault{passes, late}, config: object{"timeout": 0.5}, says: "no answer in time"},
		{name: "a token that ends", faults: []fault{passes, status(401, "{}")}},
		{name: "a token that is never good", faults: always(status(401, "{}")), code: "auth"},
		{name: "no delegation", path: googleLogin, code: "auth", says: "domain-wide delegation must have 117 with the scopes " + userScope + ", " + groupScope, change: func(s *workspace) { s.scopes = nil }},
		{name: "nobody", path: googleLogin, code: "auth", says: "Invalid email or User ID", change: func(s *workspace) { s.admin = "other@example.com" }},
		{name: "no right", faults: []fault{limited(403, "forbidden")}, code: "refused", says: "let the administrator of config.subject"},
		{name: "no API", faults: []fault{limited(403, "accessNotConfigured")}, code: "refused", says: "enable the Admin SDK API"},
		{name: "no page", faults: []fault{passes, answered(`{}`)}, code: "internal", says: "a page is none of users"},
		{name: "another page", faults: []fault{answered(`{"kind":"admin#directory#groups","users":[]}`)}, code: "internal"},
		{name: "a circle", faults: always(page(`,"nextPageToken":"x"`, reader)), code: "internal", says: "circle"},
		{name: "somebody twice", faults: []fault{page("", reader, person("1", admin, object{"etag": `"2"`}))}},
		{name: "somebody twice and changed", faults: []fault{page("", reader, person("1", "x@example.com", nil))}, code: "temporary", says: "1 changed while"},
		{name: "an error beside a page", faults: always(page(`,"error":{"code":500}`, reader)), config: object{"max_wait": 0.3}, code: "temporary", says: "HTTP 200 with an error"},
		{name: "a part", path: googleGroups, faults: always(status(206, `{"kind":"admin#directory#groups"}`)), config: object{"max_wait": 0.3}, code: "temporary", says: "HTTP 206"},
		{name: "drips before it begins", faults: append([]fault{passes}, always(dripsHeader)...), config: object{"timeout": 0.5, "max_wait": 0.3}, code: "temporary", says: "took longer than 0.5 seconds"},
		{name: "too many requests for ever", faults: []fault{status(429, "{}", "Retry-After: "+strings.Repeat("9", 400))}, code: "throttled", says: "HTTP 429"},
		{name: "a token with a newline", path: googleLogin, faults: always(answered(`{"access_token":"t0k3n\nrest"}`)), code: "internal", says: "characters that no token has", hides: "t0k3n"},
		{name: "a token of 0", faults: []fault{page(`,"nextPageToken":0`, reader)}, code: "internal", says: "nextPageToken"},
		{name: "a token of false", faults: []fault{page(`,"nextPageToken":false`, reader)}, code: "internal", says: "nextPageToken"},
		{name: "a token of null", faults: []fault{page(`,"nextPageToken":null`, reader)}, code: "internal", says: "nextPageToken"},
		{name: "a token that is an object", faults: []fault{page(`,"nextPageToken":{}`, reader)}, code: "internal", says: "nextPageToken"},
		{name: "a token that is a list", faults: []fault{page(`,"nextPageToken":[]`, reader)}, code: "internal", says: "nextPageToken"},
		{name: "no primary address", faults: []fault{page("", reader, person("2", "", nil))}, code: "internal", says: "2 has no primaryEmail"},
		{name: "a group without address", path: googleGroups, faults: []fault{answered(`{"kind":"admin#directory#groups","groups":[{"id":"g"}]}`)}, code: "internal", says: "g has no email"},
		{name: "an alias that is none", faults: []fault{with(object{"aliases": []any{"a@example.com", 7}})}, code: "internal", says: "aliases of 1 is no list of texts"},
		{name: "aliases that are none", faults: []fault{with(object{"nonEditableAliases": object{}})}, code: "internal", says: "nonEditableAliases of 1 is no list of texts"},
		{name: "an alias of a group that is none", path: googleGroups, faults: []fault{answered(`{"kind":"admin#directory#groups","groups":[{"id":"g","email":"g@example.com","aliases":[null]}]}`)}, code: "internal", says: "aliases of g"},
		{name: "an address that is none", faults: []fault{with(object{"emails": []object{{"address": 7}}})}, code: "internal", says: "emails of 1"},
		{name: "a number that is none", faults: []fault{with(object{"externalIds": []any{7}})}, code: "internal", says: "externalIds of 1"},
		{name: "no id", faults: []fault{page("", object{"primaryEmail": "x@example.com"})}, code: "internal", says: "no id"},
		{name: "the public view", faults: []fault{page("", object{"id": "1", "primaryEmail": admin})}, code: "refused", says: "who is suspended"},
		{name: "nobody at all", faults: []fault{answered(`{"kind":"admin#directory#users"}`)}, code: "temporary", says: "admin@example.com is not among them"},
		{name: "without whoever reads", faults: []fault{page("", person("2", "ann@example.com", nil))}, code: "temporary", says: "they are not all"},
		{name: "a redirect", faults: []fault{status(302, "", "Location: https://127.0.0.1:9/")}, code: "internal", says: "HTTP 302"},
		{name: "a server that nobody knows", config: object{"ca_file": nil}, code: "refused", says: "config.ca_file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newWorkspace(t)
			if test.change != nil {
				test.change(s)
			}
			if test.path == "" {
				test.path = googleUsers
			}
			s.fails(test.path, test.faults...)
			c := connectors.take(t)
			c.hello(s.config(t, test.config))
			a := c.ask("read", nil)
			if a.code() != test.code {
				t.Fatalf("%q, not %q: %v", a.code(), test.code, a.last)
			}
			if said := a.message() + strings.Join(a.progress, "\n"); !strings.Contains(said, test.says) {
				t.Errorf("it does not say %q: %s", test.says, said)
			}
			var tokens []string
			s.change(func() { tokens = slices.Clone(s.tokens) })
			if test.name == "a token that ends" && len(tokens) != 2 {
				t.Errorf("%d tokens", len(tokens))
			}
			for _, token := range tokens {
				c.silent(token)
			}
			if test.hides != "" {
				c.silent(test.hides)
			}
		})
	}
}

// TestGoogleStale: pages without a new object, and no end of them.
func TestGoogleStale(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	var pages atomic.Int32
	s.fails(googleUsers, always(func(w http.ResponseWriter, r *http.Request) bool {
		reply(w, 200, object{"kind": "admin#directory#users", "users": []object{person("1", admin, nil)}, "nextPageToken": fmt.Sprint(pages.Add(1))})
		return true
	})...)
	c := connect(t, impatient(t, "google/google.py"))
	c.hello(s.config(t, nil))
	if a := c.ask("read", nil); a.code() != "internal" || !strings.Contains(a.message(), "3 pages came without a new object") || pages.Load() != 4 {
		t.Errorf("%d pages: %v", pages.Load(), a.last)
	}
}

// TestGoogleSecret: where a long error is cut, no beginning of a secret is left.
func TestGoogleSecret(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	path := s.keyFile(t, nil)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var key object
	if err := json.Unmarshal(text, &key); err != nil {
		t.Fatal(err)
	}
	c := s.connected(t, object{"key_file": path})
	long := strings.Repeat("x", 290)
	s.fails(googleLogin, func(w http.ResponseWriter, _ *http.Request) bool {
		reply(w, 400, object{"error": "x", "error_description": long + key["private_key"].(string)})
		return true
	})
	if a := c.ask("read", nil); a.code() != "auth" || !strings.HasSuffix(a.message(), "x***") {
		t.Errorf("%v", a.last)
	}
	s.fails(googleUsers, func(w http.ResponseWriter, r *http.Request) bool {
		code, body := refused(400, "x", long+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		reply(w, code, body)
		return true
	})
	if a := c.ask("read", nil); a.code() != "internal" || !strings.HasSuffix(a.message(), "x***") {
		t.Errorf("%v", a.last)
	}
	// In an object, it is written in another way.
	s.change(func() { s.tokens = nil })
	s.fails(googleUsers)
	s.fails(googleLogin, func(w http.ResponseWriter, _ *http.Request) bool {
		reply(w, 400, object{"error": object{"key": key["private_key"]}})
		return true
	})
	if a := c.ask("read", nil); a.code() != "auth" || !strings.Contains(a.message(), "***") {
		t.Errorf("%v", a.last)
	}
	c.silent("-----BEGIN")
	c.silent("ya29.")
}

func TestGoogleCheck(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	a := s.connected(t, nil).ask("check", nil)
	for _, check := range []string{"login", "users", "groups", "deleted users"} {
		if status, says := a.finding(check); status != "ok" {
			t.Errorf("%s: %s: %s", check, status, says)
		}
	}
	s.change(func() { s.scopes = []string{userScope} })
	path := s.keyFile(t, nil)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	a = s.connected(t, object{"key_file": path}).ask("check", nil)
	if status, says := a.finding("login"); status != "failed" || !strings.Contains(says, "unauthorized_client") {
		t.Errorf("%s: %s", status, says)
	}
	if status, says := a.finding("key"); status != "warning" || !strings.Contains(says, "chmod 600") {
		t.Errorf("%s: %s", status, says)
	}
}

func TestGoogleConfig(t *testing.T) {
	t.Parallel()
	s := newWorkspace(t)
	c := connect(t, "google/google.py")
	for name, test := range map[string]struct {
		config object
		says   string
	}{
		"no key":          {object{"key_file": nil}, "config.key_file is missing"},
		"no file":         {object{"key_file": "nowhere.json"}, "nowhere.json"},
		"another file":    {object{"key_file": s.CA}, "no key of a service account"},
		"no private key":  {object{"key_file": s.keyFile(t, object{"private_key": "x"})}, "no private key"},
		"a key elsewhere": {object{"key_file": s.keyFile(t, object{"token_uri": "http://example.com/token"})}, "URL of https"},
		"a typing error":  {object{"user": "x"}, "'user'"},
	} {
		if a := c.ask("hello", greeting(s.config(t, test.config))); a.code() != "config" || !strings.Contains(a.message(), test.says) {
			t.Errorf("%s: %v", name, a.last)
		}
		c.silent("PRIVATE")
	}
}

// TestGoogle walks through the README of the example.
func TestGoogle(t *testing.T) {
	s := newWorkspace(t)
	s.users = append(s.users, person("100000000000000000005", "dora@example.com", nil), person("100000000000000000006", "eric@example.com", nil))
	t.Setenv("GOOGLE_KEY_FILE", s.keyFile(t, nil))
	t.Setenv("GOOGLE_SUBJECT", admin)
	l := newLive(t, "google", s.web, fmt.Sprintf("api_url = %q", s.URL))
	l.does(0, "deleted users", "doctor")
	l.does(0, "", "directory", "test", "workspace")
	l.does(2, "ann@example.com", "plan", "--detailed-exitcode")
	l.does(0, "", "apply", "--auto-approve")
	const all = "admin@example.com ann@example.com dora@example.com eric@example.com sales@example.com"
	if got := l.accounts(); got != all {
		t.Errorf("the accounts are %s", got)
	}
	l.does(0, "", "plan", "--detailed-exitcode")
	s.fails(googleUsers, append([]fault{passes}, always(breaks)...)...)
	l.does(10, "", "apply", "--auto-approve")
	s.heals()
	s.change(func() { s.scopes = nil })
	l.does(12, "", "apply", "--auto-approve")
	s.change(func() { s.scopes = []string{userScope, groupScope} })
	if got := l.accounts(); got != all {
		t.Errorf("the accounts are %s", got)
	}
	s.change(func() {
		s.gone = []object{s.users[4]}
		s.users = slices.Delete(s.users, 4, 5)
	})
	l.does(2, "dora@example.com", "plan", "--detailed-exitcode")
	l.does(0, `"reason": "entry_deleted"`, "plan", "-o", "json")
	l.does(0, "deleted", "explain", "dora@example.com")
	l.does(0, "", "apply", "--auto-approve")
	if got := l.accounts(); got != strings.Replace(all, "dora@example.com ", "", 1) {
		t.Errorf("the accounts are %s", got)
	}
}
