package examples

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// graph is a tenant of Microsoft Graph: as much of it as the connector asks for.
type graph struct {
	*web
	secret string
	cert   *x509.Certificate // or nil: it takes the secret
	roles  []string
	page   int // objects of a page
	lie    int // added to the count

	mu       sync.Mutex
	users    []object
	groups   []object
	contacts []object
	gone     map[string][]object // deleted users and groups
	purposes map[string]string   // of mailboxes, by the id of the user
	tokens   []string            // those that are good
	given    int
}

const (
	tenant = "contoso.onmicrosoft.com"
	client = "97e0a5b7-d745-40b6-94fe-5f77d35c6e05"
	secret = `s3cr/t"+~é` // with characters that forms, URLs and JSON write in another way
)

func newGraph(t *testing.T) *graph {
	t.Helper()
	g := &graph{secret: secret, page: 2, gone: map[string][]object{}, purposes: map[string]string{},
		roles: []string{"User.Read.All", "Group.Read.All", "OrgContact.Read.All", "MailboxSettings.Read"}}
	g.web = newWeb(t, g)
	g.users = []object{
		user("11111111-0000-4000-8000-000000000001", "ann@example.com", object{"surname": "Smith", "department": "Sales", "jobTitle": "Head", "onPremisesImmutableId": "1wfM9xV8fUSHbcAbDlqeOA==",
			"onPremisesSamAccountName": "asmith", "onPremisesExtensionAttributes": object{"extensionAttribute1": "hq", "extensionAttribute2": nil}}),
		user("11111111-0000-4000-8000-000000000002", "bob@example.com", nil),
		user("11111111-0000-4000-8000-000000000003", "carl@example.com", object{"onPremisesImmutableId": "carl.by.hand"}),
		user("11111111-0000-4000-8000-000000000004", "office@example.com", object{"accountEnabled": false}),
		user("11111111-0000-4000-8000-000000000005", "guest@elsewhere.example", object{"userType": "Guest", "showInAddressList": false}),
	}
	g.groups = []object{
		group("22222222-0000-4000-8000-000000000001", "sales@example.com", object{"groupTypes": []string{"Unified"}}),
		group("22222222-0000-4000-8000-000000000002", "", object{"securityEnabled": true, "mailEnabled": false}),
	}
	g.contacts = []object{
		{"id": "33333333-0000-4000-8000-000000000001", "displayName": "Dora Diaz", "mail": "dora@partner.example", "proxyAddresses": []string{"SMTP:dora@partner.example"}, "mailNickname": "dora"},
	}
	g.purposes["11111111-0000-4000-8000-000000000004"] = "shared"
	return g
}

func user(id, address string, more object) object {
	local, _, _ := strings.Cut(address, "@")
	o := object{"id": id, "mail": address, "userPrincipalName": address, "mailNickname": local, "displayName": strings.ToUpper(local[:1]) + local[1:],
		"proxyAddresses": []string{"SMTP:" + address}, "accountEnabled": true, "userType": "Member", "@odata.id": "anything"}
	for name, value := range more {
		o[name] = value
	}
	return o
}

func group(id, address string, more object) object {
	o := object{"id": id, "displayName": "A group", "proxyAddresses": []string{}, "mailEnabled": true, "securityEnabled": false, "groupTypes": []string{}}
	if address != "" {
		o["mail"], o["proxyAddresses"] = address, []string{"SMTP:" + address}
	}
	for name, value := range more {
		o[name] = value
	}
	return o
}

// change changes the tenant, or looks into it, between two requests.
func (g *graph) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

// config is that of a connector of the tenant.
func (g *graph) config(more object) object {
	c := object{"tenant": tenant, "client_id": client, "secret": g.secret, "graph_url": g.URL, "login_url": g.URL + "/", "ca_file": g.CA, "shared_mailboxes": true}
	for name, value := range more {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	return c
}

// connected returns a connector that has said hello.
func (g *graph) connected(t *testing.T, more object) *connector {
	t.Helper()
	c := connect(t, "graph/graph.py")
	c.hello(g.config(more))
	return c
}

const login = "/" + tenant + "/oauth2/v2.0/token"

// refuse writes an error of Graph.
func refuse(w http.ResponseWriter, code int, name, message string) {
	reply(w, code, object{"error": object{"code": name, "message": message, "innerError": object{"request-id": "0"}}})
}

func (g *graph) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r.URL.Path == login {
		g.login(w, r)
		return
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !slices.Contains(g.tokens, token) {
		refuse(w, 401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
		return
	}
	if r.URL.Path != "/v1.0/$batch" {
		code, body := g.get(strings.TrimPrefix(r.URL.Path, "/v1.0"), r.URL.Query(), r.Header.Get("ConsistencyLevel") == "eventual")
		reply(w, code, body)
		return
	}
	var batch struct {
		Requests []struct {
			ID, Method, URL string
			Headers         map[string]string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&batch); err != nil || len(batch.Requests) == 0 || len(batch.Requests) > 20 || r.Header.Get("Content-Type") != "application/json" {
		refuse(w, 400, "BadRequest", "the batch is none")
		return
	}
	var responses []object
	for _, part := range batch.Requests {
		at, err := url.Parse(part.URL)
		if err != nil || part.Method != "GET" {
			refuse(w, 400, "BadRequest", part.URL)
			return
		}
		code, body := g.get(at.Path, at.Query(), part.Headers["ConsistencyLevel"] == "eventual")
		response := object{"id": part.ID, "status": code, "body": body}
		if code == 429 {
			response["headers"] = object{"Retry-After": "0"}
		}
		responses = append([]object{response}, responses...) // in another order
	}
	reply(w, 200, object{"responses": responses})
}

func (g *graph) login(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	f := r.PostForm
	says := ""
	switch {
	case f.Get("grant_type") != "client_credentials" || f.Get("scope") != g.URL+"/.default":
		says = "AADSTS70011: the scope is not valid"
	case f.Get("client_id") != client:
		says = "AADSTS700016: Application with identifier '" + f.Get("client_id") + "' was not found"
	case g.cert != nil:
		says = g.assertion(f)
	case f.Get("client_secret") != g.secret:
		says = "AADSTS7000215: Invalid client secret provided: " + f.Get("client_secret") + "\r\nTrace ID: 0"
	}
	if says != "" {
		reply(w, 401, object{"error": "invalid_client", "error_description": says})
		return
	}
	g.given++
	claims, _ := json.Marshal(object{"roles": g.roles, "n": g.given})
	token := "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
	g.tokens = append(g.tokens, token)
	reply(w, 200, object{"token_type": "Bearer", "expires_in": 3599, "access_token": token})
}

// assertion verifies what stands for a secret, and says what is wrong.
func (g *graph) assertion(f url.Values) string {
	if f.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || f.Get("client_secret") != "" {
		return "AADSTS7000216: client_assertion_type is wrong"
	}
	header, claims, err := verified(f.Get("client_assertion"), g.cert.PublicKey.(*rsa.PublicKey))
	print := sha256.Sum256(g.cert.Raw)
	now := float64(time.Now().Unix())
	switch {
	case err != nil:
		return "AADSTS700027: " + err.Error()
	case header["alg"] != "PS256" || header["typ"] != "JWT" || header["x5t#S256"] != base64.RawURLEncoding.EncodeToString(print[:]):
		return fmt.Sprintf("AADSTS700027: the header is %v", header)
	case claims["aud"] != g.URL+login || claims["iss"] != client || claims["sub"] != client || len(fmt.Sprint(claims["jti"])) != 36:
		return fmt.Sprintf("AADSTS50027: the claims are %v", claims)
	case claims["nbf"].(float64) > now || claims["exp"].(float64) < now || claims["exp"].(float64) > now+600:
		return fmt.Sprintf("AADSTS700024: the claims are %v", claims)
	}
	return ""
}

// verified returns header and claims of a JWT whose signature is that of the key.
func verified(token string, key *rsa.PublicKey) (header, claims object, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, fmt.Errorf("%q is no JWT", token)
	}
	var raw [3][]byte
	for i, part := range parts {
		if raw[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return nil, nil, err
		}
	}
	if err := json.Unmarshal(raw[0], &header); err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(raw[1], &claims); err != nil {
		return nil, nil, err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if header["alg"] == "RS256" {
		return header, claims, rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], raw[2])
	}
	return header, claims, rsa.VerifyPSS(key, crypto.SHA256, digest[:], raw[2], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
}

// permitted reports whether the application may read a path.
func (g *graph) permitted(path string) bool {
	for part, role := range map[string]string{"mailboxSettings": "MailboxSettings.Read", "group": "Group.Read.All", "contacts": "OrgContact.Read.All", "user": "User.Read.All"} {
		if strings.Contains(path, part) && !slices.Contains(g.roles, role) && (part != "user" || !strings.Contains(path, "mailboxSettings")) {
			return false
		}
	}
	return true
}

func failed(code int, name, message string) (int, object) {
	return code, object{"error": object{"code": name, "message": message}}
}

func (g *graph) get(path string, q url.Values, eventual bool) (int, object) {
	if !g.permitted(path) {
		return failed(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
	}
	collections := map[string][]object{"/users": g.users, "/groups": g.groups, "/contacts": g.contacts,
		"/directory/deletedItems/microsoft.graph.user": g.gone["users"], "/directory/deletedItems/microsoft.graph.group": g.gone["groups"]}
	if all, ok := collections[path]; ok {
		return g.list(path, all, q, eventual)
	}
	at, id, _ := strings.Cut(path[1:], "/")
	id, setting, _ := strings.Cut(id, "/")
	for _, o := range collections["/"+at] {
		switch {
		case o["id"] != id:
		case setting == "":
			return 200, selected(o, q)
		case setting == "mailboxSettings/userPurpose" && g.purposes[id] == "throttled":
			g.purposes[id] = "room"
			return failed(429, "TooManyRequests", "")
		case setting == "mailboxSettings/userPurpose" && g.purposes[id] != "":
			return 200, object{"@odata.context": "…", "value": g.purposes[id]}
		case setting != "":
			return failed(404, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise.")
		}
	}
	return failed(404, "Request_ResourceNotFound", "Resource '"+id+"' does not exist.")
}

func (g *graph) list(path string, all []object, q url.Values, eventual bool) (int, object) {
	if top, err := strconv.Atoi(q.Get("$top")); q.Has("$top") && (err != nil || top > 999) {
		return failed(400, "Request_BadRequest", "Invalid page size specified")
	}
	if f := q.Get("$filter"); f != "" {
		if !eventual || q.Get("$count") != "true" {
			return failed(400, "Request_UnsupportedQuery", "Try adding $count=true query parameter and ConsistencyLevel:eventual header.")
		}
		var some []object
		for _, o := range all {
			ok, err := matches(o, f)
			if err != nil {
				return failed(400, "Request_UnsupportedQuery", err.Error())
			}
			if ok {
				some = append(some, o)
			}
		}
		all = some
	}
	from, _ := strconv.Atoi(q.Get("$skiptoken"))
	body := object{"@odata.context": g.URL + "/v1.0/$metadata#" + path[strings.LastIndexByte(path, '/')+1:] + "(id,displayName)"}
	if from == 0 && eventual && q.Get("$count") == "true" {
		body["@odata.count"] = len(all) + g.lie
	}
	page := []object{}
	for _, o := range all[from:min(from+g.page, len(all))] {
		page = append(page, selected(o, q))
	}
	body["value"] = page
	if from+g.page < len(all) {
		q.Set("$skiptoken", strconv.Itoa(from+g.page))
		body["@odata.nextLink"] = g.URL + "/v1.0" + path + "?" + q.Encode()
	}
	return 200, body
}

// selected returns the properties that are asked for, and null for those that an
// object has not.
func selected(o object, q url.Values) object {
	some := object{}
	for _, name := range strings.Split(q.Get("$select"), ",") {
		if some[name] = o[name]; strings.HasPrefix(name, "@") || o[name] == "left out" {
			delete(some, name)
		}
	}
	if id, ok := o["@odata.id"]; ok {
		some["@odata.id"] = id
	}
	return some
}

var test = regexp.MustCompile(`^(?:(\w+)/any\(x:x eq '((?:[^']|'')*)'\)|(\w+) eq '((?:[^']|'')*)')$`)

// matches judges a filter of tests with "or" between them.
func matches(o object, filter string) (bool, error) {
	for _, part := range strings.Split(filter, " or ") {
		m := test.FindStringSubmatch(part)
		if m == nil {
			return false, fmt.Errorf("invalid filter clause %q", part)
		}
		if o[m[3]] == strings.ReplaceAll(m[4], "''", "'") && m[3] != "" {
			return true, nil
		}
		if list, ok := o[m[1]].([]string); ok && slices.Contains(list, strings.ReplaceAll(m[2], "''", "'")) {
			return true, nil
		}
	}
	return false, nil
}

const (
	usersPath = "/v1.0/users"
	dnOfAnn   = "CN=11111111-0000-4000-8000-000000000001,OU=users,O=cloud"
)

// TestGraphRead: every kind of object, with the attributes that scopes for Active
// Directory read.
func TestGraphRead(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	c := g.connected(t, nil)
	a := c.ask("read", object{"scopes": []object{{"base": "O=cloud", "filter": "(mail=*)"}}, "attributes": []string{"mail"}})
	if a.code() != "" || len(a.objects) != 8 || a.last["complete"] != true {
		t.Fatalf("%d objects, %s %v", len(a.objects), a.code(), a.last)
	}
	if !slices.Contains(a.progress, "users: page 2, 4 so far") {
		t.Errorf("progress: %q", a.progress)
	}
	ann := one(t, a.objects, "mail", "ann@example.com")
	if ann.DN != dnOfAnn || ann.Deleted {
		t.Errorf("%+v", ann)
	}
	has(t, ann, map[string]string{
		"objectGUID": "f7cc07d7-7c15-447d-876d-c01b0e5a9e38", "cloudGUID": "11111111-0000-4000-8000-000000000001",
		"objectClass": "top person organizationalPerson user", "userAccountControl": "512", "sAMAccountName": "asmith", "sn": "Smith",
		"proxyAddresses": "SMTP:ann@example.com", "userPrincipalName": "ann@example.com", "userType": "Member",
		"extensionAttribute1": "hq", "extensionAttribute2": "", "msExchRecipientTypeDetails": "", "msExchHideFromAddressLists": "", "department": "Sales", "title": "Head", "company": "",
	})
	// What is no GUID in Base64 is no anchor.
	has(t, one(t, a.objects, "mail", "carl@example.com"), map[string]string{"objectGUID": "11111111-0000-4000-8000-000000000003"})
	has(t, one(t, a.objects, "mail", "office@example.com"), map[string]string{"userAccountControl": "514", "msExchRecipientTypeDetails": "4"})
	has(t, one(t, a.objects, "userType", "Guest"), map[string]string{"msExchHideFromAddressLists": "TRUE"})
	has(t, one(t, a.objects, "mail", "sales@example.com"), map[string]string{"objectClass": "top group", "groupType": "8", "groupTypes": "Unified", "objectGUID": "22222222-0000-4000-8000-000000000001", "userAccountControl": ""})
	has(t, one(t, a.objects, "cloudGUID", "22222222-0000-4000-8000-000000000002"), map[string]string{"mail": "", "groupType": "-2147483640", "mailEnabled": "FALSE"})
	has(t, one(t, a.objects, "mail", "dora@partner.example"), map[string]string{"objectClass": "top person organizationalPerson contact", "mailNickname": "dora"})

	// A base below a container spares the others.
	a = c.ask("read", object{"scopes": []object{{"base": "ou=Groups, o=Cloud"}}})
	if a.code() != "" || len(a.objects) != 2 {
		t.Errorf("%+v", a)
	}
	if n := g.times("GET /v1.0/contacts"); n != 1 {
		t.Errorf("contacts were asked for %d times", n)
	}
	if a := c.ask("bye", nil); a.last["error"] != nil {
		t.Errorf("%v", a.last)
	}
	c.ends(5 * time.Second)
	c.silent(secret)
}

// TestGraphLife: somebody comes, gets another address, marries, is disabled, and leaves.
func TestGraphLife(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	c := g.connected(t, nil)
	const eve, guid = "eve@example.com", "11111111-0000-4000-8000-000000000009"
	if len(named(c.read(), "mail", eve)) != 0 {
		t.Fatal("she is there already")
	}
	change := func(f func()) []found {
		g.change(f)
		return c.read()
	}
	her := user(guid, eve, nil)
	has(t, one(t, change(func() { g.users = append(g.users, her) }), "cloudGUID", guid), map[string]string{"mail": eve})
	has(t, one(t, change(func() { her["proxyAddresses"] = []string{"SMTP:" + eve, "smtp:e.gray@example.com"} }), "cloudGUID", guid),
		map[string]string{"proxyAddresses": "SMTP:eve@example.com smtp:e.gray@example.com"})
	has(t, one(t, change(func() {
		her["mail"], her["userPrincipalName"] = "eve.ng@example.com", "eve.ng@example.com"
		her["proxyAddresses"] = []string{"SMTP:eve.ng@example.com", "smtp:" + eve}
	}), "cloudGUID", guid), map[string]string{"mail": "eve.ng@example.com", "objectGUID": guid})
	has(t, one(t, change(func() { her["accountEnabled"] = false }), "cloudGUID", guid), map[string]string{"userAccountControl": "514", "msExchRecipientTypeDetails": ""})

	left := change(func() {
		g.users = slices.DeleteFunc(g.users, func(o object) bool { return o["id"] == guid })
		her["userPrincipalName"] = strings.ReplaceAll(guid, "-", "") + "eve.ng@example.com"
		g.gone["users"] = []object{her}
	})
	if len(named(left, "cloudGUID", guid)) != 0 {
		t.Error("she is still read")
	}
	for name, query := range map[string]object{
		"GUID": {"guids": []string{strings.ToUpper(guid)}}, "address": {"addresses": []string{eve}}, "name": {"usernames": []string{"eve.ng@example.com"}},
		"DN": {"dns": []string{"cn=" + guid + ",ou=users,o=cloud"}},
	} {
		a := c.ask("find", query)
		if a.code() != "" || len(a.objects) != 1 || !a.objects[0].Deleted {
			t.Errorf("by %s: %+v", name, a)
			continue
		}
		has(t, a.objects[0], map[string]string{"userPrincipalName": "eve.ng@example.com", "cloudGUID": guid})
	}
}

func TestGraphFind(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	g.users[1]["proxyAddresses"] = []string{"SMTP:bob@example.com", "smtp:o'neil@example.com"}
	g.users = append(g.users, user("11111111-0000-4000-8000-000000000007", "room1@example.com", object{"accountEnabled": false}))
	g.purposes["11111111-0000-4000-8000-000000000007"] = "throttled"
	g.gone["users"] = []object{{"id": "11111111-0000-4000-8000-000000000008", "userPrincipalName": "11111111000040008000000000000008old@example.com", "mail": "old@example.com"}}
	c := g.connected(t, nil)
	for _, test := range []struct {
		name  string
		query object
		want  string
	}{
		{"the id of Graph", object{"guids": []string{"11111111-0000-4000-8000-000000000001"}}, "ann@example.com"},
		{"the GUID of Active Directory", object{"guids": []string{"{F7CC07D7-7C15-447D-876D-C01B0E5A9E38}"}}, "ann@example.com"},
		{"the same in Base64", object{"guids": []string{"1wfM9xV8fUSHbcAbDlqeOA=="}}, "ann@example.com"},
		{"an address", object{"addresses": []string{"ANN@example.com"}}, "ann@example.com"},
		{"an alias with a quote", object{"addresses": []string{"o'neil@example.com"}}, "bob@example.com"},
		{"a list", object{"addresses": []string{"sales@example.com"}}, "sales@example.com"},
		{"a contact", object{"addresses": []string{"dora@partner.example"}}, "dora@partner.example"},
		{"a name", object{"usernames": []string{"asmith"}}, "ann@example.com"},
		{"a name in the cloud", object{"usernames": []string{"bob@example.com"}}, "bob@example.com"},
		{"a DN", object{"dns": []string{strings.ToLower(dnOfAnn)}}, "ann@example.com"},
		{"several", object{"guids": []string{"11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000001"}, "addresses": []string{"carl@example.com", "nobody@example.com"}}, "ann@example.com carl@example.com sales@example.com"},
		{"a room, at the second try", object{"addresses": []string{"room1@example.com"}}, "room1@example.com"},
		{"nothing", object{"guids": []string{"11111111-0000-4000-8000-00000000ffff", "no GUID"}, "addresses": []string{"nobody@example.com"}, "dns": []string{"CN=Ann,DC=example,DC=com"}}, ""},
		{"somebody deleted, whose addresses are not shown", object{"usernames": []string{"old@example.com"}}, "old@example.com"},
		{"nothing at all", nil, ""},
	} {
		a := c.ask("find", test.query)
		var mails []string
		for _, f := range a.objects {
			mails = append(mails, f.Attributes["mail"]...)
		}
		slices.Sort(mails)
		if got := strings.Join(mails, " "); a.code() != "" || got != test.want {
			t.Errorf("%s: %q, not %q: %s %v", test.name, got, test.want, a.code(), a.last)
		}
		if strings.Contains(test.want, "room") && a.code() == "" {
			has(t, a.objects[0], map[string]string{"msExchRecipientTypeDetails": "16"})
		}
	}
	// Not every 404 says that there is nobody.
	g.fails("/v1.0/$batch", answered(`{"responses":[{"id":"0","status":404,"body":{"error":{"code":"UnknownError"}}}]}`))
	if a := c.ask("find", object{"guids": []string{"11111111-0000-4000-8000-000000000001"}}); a.code() != "temporary" {
		t.Errorf("another 404: %v", a.last)
	}
	// More than one batch, and more than one page of what is found.
	var many []string
	for i := range 45 {
		many = append(many, fmt.Sprintf("11111111-0000-4000-8000-%012d", i))
	}
	g.change(func() {
		for _, o := range g.users {
			o["mailNickname"] = "same"
		}
	})
	if a := c.ask("find", object{"guids": many, "usernames": []string{"same"}}); a.code() != "" || len(a.objects) != 7 {
		t.Errorf("%d objects: %v", len(a.objects), a.last)
	}
}

// TestGraphFaults: what goes wrong for a moment is tried again. What may be a part of
// the truth is never a complete read.
func TestGraphFaults(t *testing.T) {
	t.Parallel()
	elsewhere := newWeb(t, http.NotFoundHandler())
	connectors := newPool(t, "graph/graph.py")
	page := func(more string, users ...object) fault {
		text, _ := json.Marshal(users)
		return answered(`{"value":` + string(text) + more + `}`)
	}
	// part is the answer to a batch of one.
	part := func(status int, body string) []fault {
		return []fault{answered(fmt.Sprintf(`{"responses":[{"id":"0","status":%d,"body":%s}]}`, status, body))}
	}
	plain := func(id string, more object) object {
		o := object{"id": id, "mail": id + "@example.com", "proxyAddresses": []string{}}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	for _, test := range []struct {
		name   string
		path   string
		faults []fault
		config object
		code   string // "" for a complete read
		says   string // in the error, or in the progress
		hides  string
		change func(g *graph)
	}{
		{name: "throttled for seconds", path: usersPath, faults: []fault{status(429, "{}", "Retry-After: 1")}, says: "HTTP 429; the next try is in 1 seconds"},
		{name: "throttled until a date", path: usersPath, faults: []fault{passes, status(429, "", "Retry-After: "+time.Now().UTC().Format(http.TimeFormat))}},
		{name: "throttled for longer than anybody waits", path: usersPath, faults: []fault{passes, status(429, "{}", "Retry-After: 900")}, code: "throttled", says: "HTTP 429"},
		{name: "throttled again and again", path: usersPath, faults: always(status(429, "{}", "Retry-After: 0")), code: "throttled"},
		{name: "unavailable", path: usersPath, faults: []fault{passes, status(503, "<html>", "Retry-After: 0"), status(504, "")}, says: "HTTP 504"},
		{name: "unavailable for long", path: usersPath, faults: always(status(503, "{}")), config: object{"max_wait": 0.3}, code: "temporary", says: "HTTP 503"},
		{name: "breaks off", path: usersPath, faults: []fault{passes, breaks, breaksChunked}, says: "the answer broke off"},
		{name: "breaks off always", path: usersPath, faults: append([]fault{passes}, always(breaks)...), config: object{"max_wait": 0.3}, code: "temporary", says: "broke off"},
		{name: "is late", path: usersPath, faults: []fault{passes, late}, config: object{"timeout": 0.5}, says: "no answer in time"},
		{name: "drips", path: usersPath, faults: append([]fault{passes}, always(drips)...), config: object{"timeout": 0.5, "max_wait": 0.3}, code: "temporary", says: "took longer than 0.5 seconds"},
		{name: "no JSON", path: usersPath, faults: always(answered(`{"value":[`)), config: object{"max_wait": 0.3}, code: "temporary", says: "no JSON"},
		{name: "a list", path: usersPath, faults: always(answered(`[]`)), config: object{"max_wait": 0.3}, code: "temporary"},
		{name: "a token that ends", path: usersPath, faults: []fault{passes, status(401, "{}")}},
		{name: "a token that is never good", path: usersPath, faults: always(status(401, `{"error":{"code":"InvalidAuthenticationToken"}}`)), code: "auth", says: "InvalidAuthenticationToken"},
		{name: "no login", path: login, faults: always(status(400, `{"error":"invalid_request","error_description":"AADSTS90002: Tenant not found.\r\nTrace ID: 1"}`)), code: "auth", says: "AADSTS90002: Tenant not found."},
		{name: "a login that is throttled", path: login, faults: []fault{status(429, "", "Retry-After: 0")}},
		{name: "a login without a token", path: login, faults: always(answered(`{}`)), code: "internal"},
		{name: "no page", path: usersPath, faults: []fault{passes, answered(`{}`)}, code: "internal", says: "a page has no value"},
		{name: "no list", path: usersPath, faults: []fault{answered(`{"value":{}}`)}, code: "internal", says: "a page has no value"},
		{name: "an error for a moment", path: usersPath, faults: []fault{answered(`{"error":null}`)}, says: "HTTP 200 with an error"},
		{name: "an error beside a page", path: usersPath, faults: always(page(`,"error":{"code":"x"}`, plain("a", nil))), config: object{"max_wait": 0.3}, code: "temporary", says: "HTTP 200 with an error"},
		{name: "another success", path: usersPath, faults: always(status(201, `{"value":[]}`)), config: object{"max_wait": 0.3}, code: "temporary", says: "HTTP 201"},
		{name: "accepted", path: "/v1.0/groups", faults: always(status(202, `{"value":[]}`)), config: object{"max_wait": 0.3}, code: "temporary", says: "HTTP 202"},
		{name: "an answer of somebody else", path: "/v1.0/groups", faults: always(status(203, `{"value":[]}`)), config: object{"max_wait": 0.3}, code: "temporary", says: "HTTP 203"},
		{name: "a part", path: "/v1.0/groups", faults: always(status(206, `{"value":[]}`)), config: object{"max_wait": 0.3}, code: "temporary", says: "HTTP 206"},
		{name: "nobody at all", path: usersPath, faults: []fault{answered(`{"value":[]}`)}, code: "refused", says: "a tenant has at least one"},
		{name: "a page of others", path: usersPath, faults: []fault{page(`,"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#groups(id)"`, plain("a", nil))}, code: "internal", says: "one of groups"},
		{name: "a page of any objects", path: usersPath, faults: []fault{page(`,"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#directoryObjects"`, plain("a", nil))}},
		{name: "drips before it begins", path: usersPath, faults: append([]fault{passes}, always(dripsHeader)...), config: object{"timeout": 0.5, "max_wait": 0.3}, code: "temporary", says: "took longer than 0.5 seconds"},
		{name: "throttled for ever", path: usersPath, faults: []fault{status(429, "{}", "Retry-After: "+strings.Repeat("9", 400))}, code: "throttled", says: "HTTP 429"},
		{name: "a token with a newline", path: login, faults: always(answered(`{"access_token":"t0k3n\nrest"}`)), code: "internal", says: "characters that no token has", hides: "t0k3n"},
		{name: "a token with a space", path: login, faults: always(answered(`{"access_token":"t0k3n rest"}`)), code: "internal", says: "characters that no token has", hides: "t0k3n"},
		{name: "a token with a control character", path: login, faults: always(answered(`{"access_token":"t0k3n\u0001"}`)), code: "internal", says: "characters that no token has", hides: "t0k3n"},
		{name: "an address that is none", path: usersPath, faults: []fault{page("", plain("a", object{"proxyAddresses": []any{"SMTP:a@example.com", 7}}))}, code: "internal", says: "proxyAddresses of a is no list of texts"},
		{name: "addresses that are none", path: usersPath, faults: []fault{page("", plain("a", object{"otherMails": "a@example.com"}))}, code: "internal", says: "otherMails of a is no list of texts"},
		{name: "no text", path: usersPath, faults: []fault{page("", plain("a", object{"mail": object{}}))}, code: "internal", says: "mail of a is no text"},
		{name: "a bad request", path: usersPath, faults: []fault{status(400, `{"error":{"code":"Request_BadRequest","message":"no"}}`)}, code: "internal", says: "Request_BadRequest"},
		{name: "a page elsewhere", path: usersPath, faults: []fault{page(`,"@odata.nextLink":"`+elsewhere.URL+`/v1.0/users"`, plain("a", nil))}, code: "refused", says: "elsewhere"},
		{name: "a page beside", path: usersPath, faults: []fault{page(`,"@odata.nextLink":7`, plain("a", nil))}, code: "refused"},
		{name: "a next page without address", path: usersPath, faults: []fault{page(`,"@odata.nextLink":""`, plain("a", nil))}, code: "refused"},
		{name: "a next page that is null", path: usersPath, faults: []fault{page(`,"@odata.nextLink":null`, plain("a", nil))}, code: "refused"},
		{name: "a next page in another spelling", path: usersPath, faults: []fault{page(`,"@odata.nextlink":"x"`, plain("a", nil))}, code: "internal", says: "'@odata.nextlink'"},
		{name: "a next page as OData 4.01 has it", path: usersPath, faults: []fault{page(`,"@nextLink":null`, plain("a", nil))}, code: "internal", says: "'@nextLink'"},
		{name: "a redirect", path: usersPath, faults: []fault{status(302, "", "Location: "+elsewhere.URL+"/v1.0/users")}, code: "internal", says: "HTTP 302"},
		{name: "an object twice", path: usersPath, faults: []fault{page("", plain("a", nil), plain("a", object{"@odata.id": "x"}))}},
		{name: "an object twice and changed", path: usersPath, faults: []fault{page("", plain("a", nil), plain("a", object{"department": "x"}))}, code: "temporary", says: "a changed while"},
		{name: "an object without id", path: usersPath, faults: []fault{page("", plain("", nil))}, code: "internal", says: "no id"},
		{name: "no object", path: usersPath, faults: []fault{answered(`{"value":[7]}`)}, code: "internal"},
		{name: "no addresses shown", path: usersPath, faults: []fault{page("", object{"id": "a", "mail": nil})}, code: "refused", says: "User.Read.All"},
		{name: "counted", path: usersPath, config: object{"count": true}},
		{name: "counted wrongly", path: usersPath, config: object{"count": true}, code: "temporary", says: "Graph counts 6", change: func(g *graph) { g.lie = 1 }},
		{name: "a role that is missing", path: usersPath, code: "refused", says: "grant Group.Read.All", change: func(g *graph) { g.roles = []string{"User.Read.All", "MailboxSettings.Read"} }},
		{name: "the role of mailboxes is missing", path: usersPath, code: "refused", says: "grant MailboxSettings.Read", change: func(g *graph) { g.roles = []string{"User.Read.All"} }},
		{name: "what is not asked for needs no role", path: usersPath, config: object{"groups": false, "contacts": false, "shared_mailboxes": false}, change: func(g *graph) { g.roles = []string{"User.Read.All"} }},
		{name: "a server that nobody knows", path: usersPath, config: object{"ca_file": nil}, code: "refused", says: "config.ca_file"},
		{name: "a batch that lacks a part", path: "/v1.0/$batch", faults: []fault{answered(`{"responses":[]}`)}, code: "internal"},
		{name: "a mailbox in another letter case", path: "/v1.0/$batch", faults: part(200, `{"value":"Shared"}`), code: "temporary", says: "does not say what the mailbox of 11111111-0000-4000-8000-000000000004 is"},
		{name: "a mailbox of the future", path: "/v1.0/$batch", faults: part(200, `{"value":"unknownFutureValue"}`), code: "temporary", says: "does not say"},
		{name: "a mailbox without purpose", path: "/v1.0/$batch", faults: part(200, `{"value":null}`), code: "temporary", says: "does not say"},
		{name: "a mailbox with an object", path: "/v1.0/$batch", faults: part(200, `{"value":{"value":"shared"}}`), code: "temporary", says: "does not say"},
		{name: "a mailbox without answer", path: "/v1.0/$batch", faults: part(200, `null`), code: "temporary"},
		{name: "a mailbox with an error", path: "/v1.0/$batch", faults: part(200, `{"value":"shared","error":null}`), code: "temporary"},
		{name: "a mailbox that is accepted", path: "/v1.0/$batch", faults: part(202, `{"value":"shared"}`), code: "temporary", says: "HTTP 202"},
		{name: "a mailbox that is not found", path: "/v1.0/$batch", faults: part(404, `{"error":{"code":"Request_ResourceNotFound"}}`), code: "temporary", says: "Request_ResourceNotFound"},
		{name: "a mailbox that is not found at all", path: "/v1.0/$batch", faults: part(404, `null`), code: "temporary", says: "HTTP 404"},
		{name: "a mailbox that is another", path: "/v1.0/$batch", faults: part(200, `{"value":"others"}`)},
		{name: "no mailbox", path: "/v1.0/$batch", faults: part(404, `{"error":{"code":"MailboxNotEnabledForRESTAPI"}}`)},
		{name: "a batch that is throttled for ever", path: "/v1.0/$batch", faults: []fault{answered(`{"responses":[{"id":"0","status":429,"headers":{"Retry-After":"` + strings.Repeat("9", 400) + `"}}]}`)}, code: "throttled"},
		{name: "a batch that is throttled", path: "/v1.0/$batch", faults: always(answered(`{"responses":[{"id":"0","status":429,"headers":{"Retry-After":"0"}}]}`)), config: object{"max_wait": 1}, code: "throttled"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			g := newGraph(t)
			if test.change != nil {
				test.change(g)
			}
			g.fails(test.path, test.faults...)
			c := connectors.take(t)
			c.hello(g.config(test.config))
			a := c.ask("read", nil)
			if a.code() != test.code {
				t.Fatalf("%q, not %q: %v", a.code(), test.code, a.last)
			}
			if said := a.message() + strings.Join(a.progress, "\n"); !strings.Contains(said, test.says) {
				t.Errorf("it does not say %q: %s", test.says, said)
			}
			if test.code == "throttled" && a.last["error"].(object)["retry_after"] == nil {
				t.Errorf("no retry_after: %v", a.last)
			}
			var tokens []string
			g.change(func() { tokens = slices.Clone(g.tokens) })
			if test.name == "a token that ends" && len(tokens) != 2 {
				t.Errorf("%d tokens", len(tokens))
			}
			if test.code != "" && a.last["complete"] != nil {
				t.Errorf("a failed read is complete: %v", a.last)
			}
			c.silent(secret)
			for _, token := range tokens {
				c.silent(token)
			}
			if test.hides != "" {
				c.silent(test.hides)
			}
			// A connector that has failed answers the next request.
			if a := c.ask("nonsense", nil); a.code() != "unsupported" {
				t.Errorf("%v", a.last)
			}
		})
	}
	t.Cleanup(func() {
		elsewhere.mu.Lock()
		defer elsewhere.mu.Unlock()
		if len(elsewhere.asked) > 0 {
			t.Errorf("a token went elsewhere: %q", elsewhere.asked)
		}
	})
}

// TestGraphLoop: a nextLink that was followed before.
func TestGraphLoop(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	g.fails(usersPath, always(func(w http.ResponseWriter, r *http.Request) bool {
		reply(w, 200, object{"value": []object{}, "@odata.nextLink": g.URL + usersPath + "?$skiptoken=1"})
		return true
	})...)
	if a := g.connected(t, nil).ask("read", nil); a.code() != "internal" || !strings.Contains(a.message(), "circle") {
		t.Errorf("%v", a.last)
	}
}

// TestGraphStale: pages without a new object, and no end of them.
func TestGraphStale(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	var pages atomic.Int32
	g.fails(usersPath, always(func(w http.ResponseWriter, r *http.Request) bool {
		users, n := []object{}, pages.Add(1)
		if n == 3 {
			users = append(users, object{"id": "a", "mail": nil, "proxyAddresses": []string{}})
		}
		reply(w, 200, object{"value": users, "@odata.nextLink": fmt.Sprintf("%s%s?$skiptoken=%d", g.URL, usersPath, n)})
		return true
	})...)
	c := connect(t, impatient(t, "graph/graph.py"))
	c.hello(g.config(nil))
	if a := c.ask("read", nil); a.code() != "internal" || !strings.Contains(a.message(), "3 pages came without a new object") || pages.Load() != 6 {
		t.Errorf("%d pages: %v", pages.Load(), a.last)
	}
}

// TestGraphSecret: the secret does not leave through an error, though the service
// may send it back.
func TestGraphSecret(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	g.secret = "another"
	c := g.connected(t, object{"secret": secret})
	a := c.ask("read", nil)
	if a.code() != "auth" || !strings.Contains(a.message(), "AADSTS7000215: Invalid client secret provided: ***") {
		t.Errorf("%v", a.last)
	}
	if status, says := c.ask("check", nil).finding("login"); status != "failed" || !strings.Contains(says, "AADSTS7000215") {
		t.Errorf("%s: %s", status, says)
	}
	c.silent(secret)

	// Nor does the beginning of a secret where a long error is cut.
	long := strings.Repeat("x", 295)
	g.fails(login, func(w http.ResponseWriter, _ *http.Request) bool {
		reply(w, 400, object{"error": "invalid_client", "error_description": long + secret})
		return true
	})
	if a := c.ask("read", nil); a.code() != "auth" || !strings.HasSuffix(a.message(), "x***") {
		t.Errorf("%v", a.last)
	}
	g.change(func() { g.secret = secret })
	g.fails(usersPath, func(w http.ResponseWriter, r *http.Request) bool {
		refuse(w, 400, "x", long[5:]+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		return true
	})
	if a := c.ask("read", nil); a.code() != "internal" || !strings.HasSuffix(a.message(), "x***") {
		t.Errorf("%v", a.last)
	}
	c.silent(secret[:5])
	c.silent("e30.")
}

// TestGraphCertificate: a login by certificate, and what is wrong with one.
func TestGraphCertificate(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	ca := servertest.NewCA(t)
	cert := ca.Issue(t, servertest.Leaf{RSA: true, CommonName: "rollcall", Until: 20 * 24 * time.Hour})
	if err := os.Chmod(cert.KeyFile, 0o644); err != nil {
		t.Fatal(err)
	}
	other := ca.Issue(t, servertest.Leaf{RSA: true})
	elliptic := ca.Issue(t, servertest.Leaf{})
	g.cert = parsed(t, cert.CertFile)
	by := func(certificate, key string) object {
		return object{"secret": nil, "certificate": certificate, "key": key}
	}
	c := g.connected(t, by(cert.CertFile, cert.KeyFile))
	if n := len(c.read()); n != 8 {
		t.Errorf("%d objects", n)
	}
	a := c.ask("check", nil)
	if status, says := a.finding("certificate"); status != "warning" || !strings.Contains(says, "in 20 days") {
		t.Errorf("certificate: %s: %s", status, says)
	}
	if status, says := a.finding("key"); status != "warning" || !strings.Contains(says, "chmod 600") {
		t.Errorf("key: %s: %s", status, says)
	}

	// One file with both, and a key as openssl has written it for long.
	key, err := os.ReadFile(cert.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(cert.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(key)
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	old := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private.(*rsa.PrivateKey))})
	write := func(name string, parts ...[]byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, slices.Concat(parts...), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	both := write("both.pem", old, text)
	c = g.connected(t, object{"secret": nil, "certificate": both})
	if n := len(c.read()); n != 8 {
		t.Errorf("%d objects", n)
	}

	c = connect(t, "graph/graph.py")
	for name, test := range map[string]struct {
		config object
		says   string
	}{
		"another key":      {by(cert.CertFile, other.KeyFile), "config.key is not the key of config.certificate"},
		"an elliptic key":  {by(cert.CertFile, elliptic.KeyFile), "RSA"},
		"an encrypted key": {by(cert.CertFile, write("k.pem", []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"))), "encrypted"},
		"no key":           {by(cert.CertFile, cert.CertFile), "no private key"},
		"a cut key":        {by(cert.CertFile, write("k.pem", []byte("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n"))), "no private key"},
		"no certificate":   {by(cert.KeyFile, cert.KeyFile), "no certificate"},
		"no file":          {by("nowhere.pem", cert.KeyFile), "nowhere.pem"},
	} {
		if a := c.ask("hello", greeting(g.config(test.config))); a.code() != "config" || !strings.Contains(a.message(), test.says) {
			t.Errorf("%s: %v", name, a.last)
		}
	}
}

func parsed(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestGraphCheck(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	c := g.connected(t, nil)
	a := c.ask("check", nil)
	for _, check := range []string{"credentials", "login", "permissions", "users", "groups", "contacts", "directory/deletedItems/microsoft.graph.user"} {
		if status, says := a.finding(check); status != "ok" {
			t.Errorf("%s: %s: %s", check, status, says)
		}
	}
	g.change(func() {
		g.roles = []string{"User.ReadWrite.All", "OrgContact.Read.All", "MailboxSettings.Read", "User.Read.All"}
	})
	a = g.connected(t, object{"groups": false}).ask("check", nil)
	if status, says := a.finding("permissions"); status != "warning" || !strings.Contains(says, "User.ReadWrite.All") || strings.Contains(says, "OrgContact") {
		t.Errorf("%s: %s", status, says)
	}
	g.change(func() { g.roles = []string{"User.Read.All"} })
	a = g.connected(t, nil).ask("check", nil)
	if status, says := a.finding("permissions"); status != "failed" || !strings.Contains(says, "not granted: Group.Read.All, OrgContact.Read.All, MailboxSettings.Read") {
		t.Errorf("%s: %s", status, says)
	}
	if status, says := a.finding("groups"); status != "failed" || !strings.Contains(says, "Group.Read.All") {
		t.Errorf("%s: %s", status, says)
	}
}

func TestGraphConfig(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	c := connect(t, "graph/graph.py")
	for name, test := range map[string]struct {
		config object
		says   string
	}{
		"no tenant":      {object{"tenant": nil}, "config.tenant"},
		"a tenant":       {object{"tenant": "a/b"}, "config.tenant"},
		"no credentials": {object{"secret": nil}, "secret, or certificate"},
		"two":            {object{"certificate": "x.pem"}, "secret, or certificate"},
		"a typing error": {object{"group": true}, `'group'`},
		"a wrong type":   {object{"groups": "no"}, "config.groups must be true or false"},
		"a number":       {object{"timeout": 0}, "config.timeout must be a number above zero"},
		"no TLS":         {object{"graph_url": "http://graph.example.com"}, "config.graph_url must be a URL of https"},
		"no authority":   {object{"ca_file": "nowhere.pem"}, "config.ca_file"},
	} {
		if a := c.ask("hello", greeting(g.config(test.config))); a.code() != "config" || !strings.Contains(a.message(), test.says) {
			t.Errorf("%s: %v", name, a.last)
		}
		if a := c.ask("read", nil); a.code() != "config" {
			t.Errorf("%s: a read before hello: %v", name, a.last)
		}
		c.silent(secret)
	}
	if a := c.ask("hello", object{"protocols": []int{2}}); a.code() != "unsupported" {
		t.Errorf("protocol 2: %v", a.last)
	}
}

// TestGraphEnds: TERM, and nobody who reads, end a connector that waits.
func TestGraphEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(c *connector){
		"TERM": func(c *connector) { c.cmd.Process.Signal(syscall.SIGTERM) },
		"nobody reads": func(c *connector) {
			c.in.Close()
			c.pipe.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGraph(t)
			g.fails(usersPath, status(429, "", "Retry-After: 60"))
			c := g.connected(t, nil)
			c.send("read", nil)
			if line, err := c.out.ReadString('\n'); err != nil || !strings.Contains(line, "the next try is in 60 seconds") {
				t.Fatalf("%q, %v", line, err)
			}
			end(c)
			c.ends(15 * time.Second) // progress is written every 10
			if log := c.log.String(); log != "" {
				t.Errorf("its log: %s", log)
			}
		})
	}
}

// TestGraphByHand: requests that came before the end of the input are answered.
func TestGraphByHand(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	g.fails(usersPath, status(429, "", "Retry-After: 1"))
	c := connect(t, "graph/graph.py")
	c.send("hello", greeting(g.config(nil)))
	c.send("read", nil)
	c.in.Close()
	said, err := io.ReadAll(c.out)
	if err != nil || !strings.HasSuffix(string(said), `{"id": 2, "objects": 8, "complete": true}`+"\n") {
		t.Errorf("%s, %v", said, err)
	}
	c.ends(5 * time.Second)
}

// TestGraphMany: a large tenant takes little memory, and little time of the protocol.
func TestGraphMany(t *testing.T) {
	t.Parallel()
	g := newGraph(t)
	g.page = 999
	g.users = nil
	for i := range 4_000 {
		g.users = append(g.users, user(fmt.Sprintf("11111111-0000-4000-8000-%012d", i), fmt.Sprintf("user%d@example.com", i), nil))
	}
	c := g.connected(t, nil)
	if n := len(c.read()); n != 4_000+3 {
		t.Errorf("%d objects", n)
	}
	if kib := peak(c.cmd); kib > 64<<10 {
		t.Errorf("%d KiB", kib)
	}
}

// peak returns the most memory that a running process has had, in KiB; 0 where that
// is not known.
func peak(cmd *exec.Cmd) int {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		return 0
	}
	defer file.Close()
	text, _ := io.ReadAll(file)
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// TestGraph walks through the README of the example: doctor, a plan, an apply, somebody
// leaves. What is no complete read takes nobody's account away.
func TestGraph(t *testing.T) {
	g := newGraph(t)
	t.Setenv("GRAPH_TENANT", tenant)
	t.Setenv("GRAPH_CLIENT_ID", client)
	t.Setenv("GRAPH_SECRET", secret)
	l := newLive(t, "graph", g.web, fmt.Sprintf("graph_url = %q\nlogin_url = %q", g.URL, g.URL))
	l.does(0, "permissions", "doctor")
	l.does(0, "", "directory", "test", "cloud")
	l.does(2, "ann@example.com", "plan", "--detailed-exitcode")
	l.does(0, "", "apply", "--auto-approve")
	const all = "ann@example.com bob@example.com carl@example.com office@example.com sales@example.com"
	if got := l.accounts(); got != all {
		t.Errorf("the accounts are %s", got)
	}
	l.does(0, "", "plan", "--detailed-exitcode")

	// A connector that dies, a page that is cut, and a login that is refused.
	script := filepath.Join(l.dir, "graph.py")
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	dies := strings.Replace(string(text), "            yield new\n", "            yield new\n            import os; self.answers.flush(); os._exit(0)\n", 1)
	for name, wrong := range map[string]struct {
		code  int
		begin func()
	}{
		"dies":    {10, func() { os.WriteFile(script, []byte(dies), 0o600) }},
		"cut":     {10, func() { g.fails(usersPath, append([]fault{passes}, always(breaks)...)...) }},
		"no page": {10, func() { g.fails("/v1.0/groups", answered("{}")) }},
		"refused": {12, func() { g.change(func() { g.secret = "another" }) }},
	} {
		wrong.begin()
		out, code := l.run(l.dir, "apply", "--auto-approve")
		l.out.WriteString(out)
		if code != wrong.code || l.accounts() != all {
			t.Errorf("%s: apply exits %d, and the accounts are %s\n%s", name, code, l.accounts(), out)
		}
		g.change(func() { g.secret = secret })
		g.heals()
		if err := os.WriteFile(script, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	g.change(func() {
		g.gone["users"] = []object{g.users[1]}
		g.users = slices.Delete(g.users, 1, 2)
	})
	l.does(2, "bob@example.com", "plan", "--detailed-exitcode")
	l.does(0, "deleted", "explain", "bob@example.com")
	g.change(func() { g.users[0]["accountEnabled"] = false })
	l.does(0, "", "apply", "--auto-approve")
	if got := l.accounts(); got != "carl@example.com office@example.com sales@example.com" {
		t.Errorf("the accounts are %s", got)
	}
	token := ""
	g.change(func() { token = g.tokens[0] })
	if shown := l.out.String(); strings.Contains(shown, secret) || strings.Contains(shown, token) {
		t.Error("a secret is shown")
	}
}

// TestGraphMove: who was synchronized from Active Directory keeps the account when the
// cloud takes its place.
func TestGraphMove(t *testing.T) {
	g := newGraph(t)
	t.Setenv("GRAPH_TENANT", tenant)
	t.Setenv("GRAPH_CLIENT_ID", client)
	t.Setenv("GRAPH_SECRET", secret)
	l := newLive(t, "graph", g.web, fmt.Sprintf("graph_url = %q\nlogin_url = %q", g.URL, g.URL))
	path := filepath.Join(l.dir, "rollcall.hcl")
	cloud, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(l.dir, "corp.ldif"), "version: 1\n\ndn: CN=Ann Smith,DC=corp,DC=example,DC=com\nobjectClass: user\nobjectGUID:: 1wfM9xV8fUSHbcAbDlqeOA==\nmail: ann@example.com\nproxyAddresses: SMTP:ann@example.com\n")
	write(path, "directory \"corp\" {\n  kind = \"ldif\"\n  path = \"corp.ldif\"\n}\n\ndomain \"example.com\" {\n}\n\nscope \"staff\" {\n  directory = directory.corp\n}\n")
	l.does(0, "", "apply", "--auto-approve")
	write(path, string(cloud))
	out := l.does(0, "", "plan", "-o", "json")
	var plan struct {
		Summary    map[string]int
		Rejections []struct{ Reason, Address string }
	}
	if err := json.Unmarshal([]byte(out), &plan); err != nil {
		t.Fatal(err)
	}
	if s := plan.Summary; s["directory_switch"] != 1 || s["add"] != 4 || s["inactive"] != 0 || s["removal"] != 0 || len(plan.Rejections) != 0 {
		t.Errorf("%v %v", s, plan.Rejections)
	}
}
