package scim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/plan"
)

// service is a SCIM service in Go, whose faults are said by its fields. Without any, it
// does what RFC 7644 says.
type service struct {
	t   *testing.T
	url string

	// on, unless nil, answers a request in place of the service, or says false. It may
	// call s.serve to have it done first.
	on func(s *service, w http.ResponseWriter, r *http.Request) bool

	etag, bulk, noPatch bool
	most                int  // users of a page; 0 is as many as are asked for
	silentPatch         bool // 204 without a body
	deafMatch           bool // If-Match is passed over
	caseful, filterless bool
	aligned             bool // pages begin at multiples of count alone
	noFilters           bool // 400 to any filter
	schemas             string
	noConfig            bool

	mu       sync.Mutex
	users    []tree
	next     int
	requests []string // method and path, with the query where there is one
	bodies   []string
	headers  []http.Header
}

// start starts a service with some users.
func (s *service) start(t *testing.T, users ...string) *service {
	t.Helper()
	s.t = t
	for _, text := range users {
		u, err := parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s.put(u)
	}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// options are those of a console there.
func (s *service) options() Options {
	return Options{Label: "saas", Owner: "hq", URL: s.url + "/", Token: settings.NewSecret("s3cret-token"), Timeout: 10 * time.Second}
}

// console opens one that does not wait.
func (s *service) console() *Console {
	s.t.Helper()
	c, err := New(s.options())
	if err != nil {
		s.t.Fatal(err)
	}
	c.pause = noPause
	if err := c.open(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// put gives a user an id and a version.
func (s *service) put(u tree) tree {
	s.next++
	if u["id"] == nil {
		u["id"] = fmt.Sprintf("u-%d", s.next)
	}
	u["meta"] = map[string]any{"version": fmt.Sprintf(`W/"%d"`, s.next), "resourceType": "User"}
	for i := range s.users {
		if s.users[i]["id"] == u["id"] {
			s.users[i] = u
			return u
		}
	}
	s.users = append(s.users, u)
	return u
}

// user returns a user as JSON; "" for none.
func (s *service) user(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if u["id"] == id {
			return string(encode(u))
		}
	}
	return ""
}

// asked are the requests that begin with a text.
func (s *service) asked(begin string) (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if strings.HasPrefix(r, begin) {
			all = append(all, r)
		}
	}
	return all
}

// body is that of the last request that begins with a text.
func (s *service) body(begin string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range slices.Backward(s.requests) {
		if strings.HasPrefix(r, begin) {
			return s.bodies[i]
		}
	}
	return ""
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	s.bodies = append(s.bodies, string(body))
	s.headers = append(s.headers, r.Header)
	s.mu.Unlock()
	if s.on != nil && s.on(s, w, r) {
		return
	}
	s.serve(w, r)
}

// say answers with an error.
func say(w http.ResponseWriter, status int, scimType, detail string) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(encode(map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": strconv.Itoa(status), "scimType": scimType, "detail": detail}))
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	_, _ = w.Write(encode(v))
}

// serve does what is asked.
func (s *service) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer s3cret-token" {
		say(w, 401, "", "who are you?")
		return
	}
	switch id, isUser := strings.CutPrefix(r.URL.Path, "/Users/"); {
	case r.URL.Path == "/ServiceProviderConfig" && !s.noConfig:
		send(w, 200, map[string]any{
			"patch": map[string]any{"supported": !s.noPatch}, "etag": map[string]any{"supported": s.etag},
			"bulk": map[string]any{"supported": s.bulk, "maxOperations": 10, "maxPayloadSize": 100_000}, "filter": map[string]any{"supported": true, "maxResults": 100},
		})
	case r.URL.Path == "/Schemas" && s.schemas != "":
		_, _ = io.WriteString(w, s.schemas)
	case r.URL.Path == "/Users" && r.Method == "GET":
		s.list(w, r)
	case r.URL.Path == "/Users" && r.Method == "POST":
		u, err := parse(body)
		if err != nil {
			say(w, 400, "invalidSyntax", "no JSON")
			return
		}
		if status, detail := s.create(u); status != 201 {
			say(w, status, "uniqueness", detail)
			return
		}
		w.Header().Set("Location", "/Users/"+u["id"].(string))
		send(w, 201, u)
	case r.URL.Path == "/Bulk" && s.bulk:
		s.inBulk(w, body)
	case isUser:
		s.one(w, r, id, body)
	default:
		say(w, 404, "", "there is no "+r.URL.Path)
	}
}

func (s *service) create(u tree) (status int, detail string) {
	name, _ := u["userName"].(string)
	for _, other := range s.users {
		if strings.EqualFold(name, other["userName"].(string)) {
			return 409, "userName is in use"
		}
	}
	s.put(u)
	return 201, ""
}

func (s *service) inBulk(w http.ResponseWriter, body []byte) {
	var asked struct {
		Operations []struct {
			Method, Path, BulkID string
			Data                 tree
		}
	}
	if err := json.Unmarshal(body, &asked); err != nil || len(asked.Operations) > 10 {
		say(w, 413, "", "too many")
		return
	}
	var all []any
	for _, op := range asked.Operations {
		answer := map[string]any{"method": op.Method, "bulkId": op.BulkID, "status": "201"}
		if status, detail := s.create(op.Data); status != 201 {
			answer["status"] = strconv.Itoa(status)
			answer["response"] = map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": "409", "scimType": "uniqueness", "detail": detail}
		} else {
			answer["location"] = s.url + "/Users/" + op.Data["id"].(string)
		}
		all = append(all, answer)
	}
	send(w, 200, map[string]any{"Operations": all})
}

var term = regexp.MustCompile(`^(userName|emails\.value|externalId) eq "([^"]*)"$`)

// selected reports whether a filter selects a user, and whether it is one.
func (s *service) selected(u tree, filter string) (selected, known bool) {
	for part := range strings.SplitSeq(filter, " or ") {
		m := term.FindStringSubmatch(part)
		if m == nil {
			return false, false
		}
		equal := func(v any) bool {
			text, _ := v.(string)
			return text == m[2] || !s.caseful && m[1] != "externalId" && strings.EqualFold(text, m[2])
		}
		if m[1] == "emails.value" {
			list, _ := u["emails"].([]any)
			selected = selected || slices.ContainsFunc(list, func(e any) bool { return equal(e.(map[string]any)["value"]) })
		} else {
			selected = selected || equal(u[m[1]])
		}
	}
	return selected, true
}

func (s *service) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	all := s.users
	if f := q.Get("filter"); f != "" && !s.filterless {
		all = nil
		for _, u := range s.users {
			selected, known := s.selected(u, f)
			if !known || s.noFilters {
				say(w, 400, "invalidFilter", "what is that?")
				return
			}
			if selected {
				all = append(all, u)
			}
		}
	}
	from, count := 1, 20
	if n, err := strconv.Atoi(q.Get("startIndex")); err == nil {
		from = max(n, 1)
	}
	if n, err := strconv.Atoi(q.Get("count")); err == nil {
		count = n
	}
	if s.most > 0 {
		count = min(count, s.most)
	}
	if s.aligned {
		from = (from-1)/count*count + 1
	}
	page := []tree{}
	if from <= len(all) {
		page = all[from-1 : min(from-1+count, len(all))]
	}
	send(w, 200, map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}, "totalResults": len(all), "startIndex": from, "itemsPerPage": len(page), "Resources": page})
}

func (s *service) one(w http.ResponseWriter, r *http.Request, id string, body []byte) {
	i := slices.IndexFunc(s.users, func(u tree) bool { return u["id"] == id })
	if i < 0 {
		say(w, 404, "", "there is no user "+id)
		return
	}
	u := s.users[i]
	version := u["meta"].(map[string]any)["version"].(string)
	if match := r.Header.Get("If-Match"); match != "" && match != version && s.etag && !s.deafMatch {
		say(w, 412, "", "it was changed")
		return
	}
	switch r.Method {
	case "GET":
		send(w, 200, u)
	case "DELETE":
		s.users = slices.Delete(s.users, i, i+1)
		w.WriteHeader(204)
	case "PUT":
		after, err := parse(body)
		if err != nil {
			say(w, 400, "invalidSyntax", "no JSON")
			return
		}
		after["id"] = id
		send(w, 200, s.put(after))
	case "PATCH":
		if s.noPatch {
			say(w, 501, "", "PATCH is not there")
			return
		}
		after, _ := parse(encode(u))
		var p struct {
			Operations []struct {
				Op, Path string
				Value    any
			}
		}
		if err := json.Unmarshal(body, &p); err != nil {
			say(w, 400, "invalidSyntax", "no JSON")
			return
		}
		for _, op := range p.Operations {
			e := edit{core, op.Path, op.Value}
			if path, extension := strings.CutPrefix(op.Path, enterprise+":"); extension {
				e.schema, e.path = enterprise, path
			}
			if op.Op == "remove" {
				e.value = nil
			}
			e.to(after)
		}
		s.put(after)
		if s.silentPatch {
			w.WriteHeader(204)
			return
		}
		send(w, 200, after)
	}
}

// person is a user as a service has it.
func person(name string, more ...string) string {
	return fmt.Sprintf(`{"schemas":["%s"],"userName":"%s@example.com","active":true,"emails":[{"value":"%[2]s@example.com","type":"work","primary":true}]%s}`,
		core, name, strings.Join(append([]string{""}, more...), ","))
}

// people are n users.
func people(n int) (all []string) {
	for i := range n {
		all = append(all, person(fmt.Sprintf("n%d", i)))
	}
	return all
}

var guid = identity.GUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

const guidText = "01020304-0506-0708-090a-0b0c0d0e0f10"

// ours is externalId for our mark.
const ours = `"externalId":"hq:corp/` + guidText + `"`

// accounts reads all.
func accounts(t *testing.T, c *Console) []identity.Live {
	t.Helper()
	var all []identity.Live
	if _, err := c.Accounts(t.Context(), func(l identity.Live) error { all = append(all, l); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// account is one of corp's with a GUID of its own by its number.
func account(n byte, primary string, aliases ...string) *identity.Account {
	a := &identity.Account{Primary: identity.MustAddress(primary + "@example.com"), Directory: "corp", GUID: guid}
	a.GUID[15] = n
	for _, x := range aliases {
		a.Aliases = append(a.Aliases, identity.MustAddress(x+"@example.com"))
	}
	return a
}

// creating are steps that create accounts, each a group of its own.
func creating(all ...*identity.Account) (steps []apply.Step) {
	for i, a := range all {
		steps = append(steps, apply.Step{Key: "c-" + a.Primary.String(), Group: i + 1, After: a, By: "hq"})
	}
	return steps
}

// naming is a step that gives an account a display name.
func naming(l identity.Live, name string) apply.Step {
	after := l.Account
	after.Directory, after.GUID = l.Mark.Directory, l.Mark.GUID
	after.Attributes = []identity.Attribute{{Name: identity.DisplayName, Value: name}}
	return apply.Step{Key: "n-" + l.Ref + name, Group: 1, Live: &l, After: &after, By: "hq", Fields: []string{identity.DisplayName}}
}

// aliasing is a step that gives an account aliases.
func aliasing(l identity.Live, aliases ...string) apply.Step {
	after := l.Account
	after.Directory, after.GUID, after.Aliases = l.Mark.Directory, l.Mark.GUID, nil
	for _, x := range aliases {
		after.Aliases = append(after.Aliases, identity.MustAddress(x+"@example.com"))
	}
	return apply.Step{Key: "a-" + l.Ref + strings.Join(aliases, ","), Group: 1, Live: &l, After: &after, By: "hq", Fields: []string{plan.FieldAliases}}
}

// applied makes steps, and says what each was answered: "ok", a code, or "none".
func applied(t *testing.T, c *Console, steps ...apply.Step) ([]string, error) {
	t.Helper()
	said := make([]string, len(steps))
	for i := range said {
		said[i] = "none"
	}
	err := c.Apply(t.Context(), steps, func(i int, a apply.Answer) {
		switch {
		case said[i] != "none":
			t.Errorf("step %d was answered twice", i)
		case a.Err != nil:
			said[i] = string(a.Err.Code)
		default:
			said[i] = "ok"
		}
	})
	return said, err
}

// expect makes steps, whose answers are as they are given, without an error.
func expect(t *testing.T, c *Console, want string, steps ...apply.Step) {
	t.Helper()
	said, err := applied(t, c, steps...)
	if got := strings.Join(said, " "); got != want || err != nil {
		t.Errorf("answered %s, want %s (%v)", got, want, err)
	}
}
