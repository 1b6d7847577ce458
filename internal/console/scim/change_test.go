package scim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// when answers requests with a method, whose path begins with a text, by a function that
// says whether it did.
func when(method, path string, do func(s *service, w http.ResponseWriter, r *http.Request) bool) func(*service, http.ResponseWriter, *http.Request) bool {
	return func(s *service, w http.ResponseWriter, r *http.Request) bool {
		return r.Method == method && strings.HasPrefix(r.URL.Path, path) && do(s, w, r)
	}
}

// nowhere takes what a service answers.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}

// breaks ends the connection.
func breaks() bool { panic(http.ErrAbortHandler) }

// first returns the first account, as it is read.
func first(t *testing.T, c *Console) identity.Live {
	t.Helper()
	return accounts(t, c)[0]
}

// TestPatchForms: a PATCH replaces what is there, adds what is not, and removes what is
// cleared, by paths, in one request.
func TestPatchForms(t *testing.T) {
	t.Parallel()
	s := (&service{}).start(t, person("ann", ours, `"title":"Boss"`, `"displayName":"Ann"`))
	s.schemas = `{"Resources":[{"id":"urn:ietf:params:scim:schemas:core:2.0:User","attributes":[{"name":"displayName"},{"name":"name"},{"name":"title"}]},
		{"id":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","attributes":[{"name":"department"}]}]}`
	c := s.console()
	step := naming(first(t, c), "Ann Smith")
	step.After.Attributes = []identity.Attribute{{Name: "department", Value: "R&D <1>"}, {Name: "display_name", Value: "Ann Smith"}, {Name: "given_name", Value: "Ann"}}
	step.After.Primary = identity.MustAddress("smith@example.com")
	step.After.Aliases = []identity.Address{identity.MustAddress("ann@example.com")}
	step.Fields, step.Clear = []string{"primary", "aliases", "department", "display_name", "given_name", "title"}, []string{"title"}
	expect(t, c, "ok", step)
	const want = `{"Operations":[{"op":"replace","path":"userName","value":"smith@example.com"},` +
		`{"op":"replace","path":"emails","value":[{"primary":true,"type":"work","value":"smith@example.com"},{"type":"work","value":"ann@example.com"}]},` +
		`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"R&D <1>"},` +
		`{"op":"replace","path":"displayName","value":"Ann Smith"},{"op":"add","path":"name.givenName","value":"Ann"},{"op":"remove","path":"title"}],` +
		`"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"]}`
	if got := s.body("PATCH"); got != want {
		t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
	if n := len(s.asked("PATCH")); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestPutKeepsWhatItRead: where PATCH is not there, or is not understood, PUT sends back
// all that was read, with attributes and extensions that nobody here knows.
func TestPutKeepsWhatItRead(t *testing.T) {
	t.Parallel()
	more := []string{ours, `"urn:example:Badge":{"number":12345678901234567890,"x":[1.50,null]}`, `"x509Certificates":[{"value":"TUlJ"}]`, `"phoneNumbers":[{"value":"1","type":"work"}]`}
	for name, on := range map[string]func(*service, http.ResponseWriter, *http.Request) bool{
		"is announced not to be there": nil,
		"is 501":                       when("PATCH", "/", func(_ *service, w http.ResponseWriter, _ *http.Request) bool { say(w, 501, "", ""); return true }),
		"is 405":                       when("PATCH", "/", func(_ *service, w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(405); return true }),
		"has a path that is not known": when("PATCH", "/", func(_ *service, w http.ResponseWriter, _ *http.Request) bool {
			say(w, 400, "invalidPath", "")
			return true
		}),
		"is refused without a reason": when("PATCH", "/", func(_ *service, w http.ResponseWriter, _ *http.Request) bool { say(w, 400, "", ""); return true }),
	} {
		s := (&service{noPatch: on == nil, on: on}).start(t, person("ann", more...))
		c := s.console()
		expect(t, c, "ok", naming(first(t, c), "Ann"))
		want, _ := parse([]byte(person("ann", append(more, `"displayName":"Ann"`, `"id":"u-1"`)...)))
		got, err := parse([]byte(s.body("PUT")))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: sent %s, %v", name, s.body("PUT"), err)
		}
		expect(t, c, "ok", naming(first(t, c), "Ann Smith"))
		if n, again := len(s.asked("PATCH")), name == "has a path that is not known" || name == "is refused without a reason"; n > 1 && !again || on == nil && n > 0 {
			t.Errorf("%s: %d times PATCH", name, n)
		}
	}
}

// TestNothingWritten: what is so already is not written, and an address that stays keeps
// what is said of it.
func TestNothingWritten(t *testing.T) {
	t.Parallel()
	s := (&service{}).start(t, `{"userName":"ann","externalId":"hq:corp/`+guidText+`","displayName":"Ann","emails":[{"value":"Ann@Example.com","type":"home","display":"x","primary":true},{"value":"old@example.com"}]}`)
	c := s.console()
	l := first(t, c)
	expect(t, c, "ok", naming(l, "Ann"))
	if w := append(s.asked("PATCH"), s.asked("PUT")...); len(w) > 0 {
		t.Errorf("written: %q", w)
	}
	expect(t, c, "ok", aliasing(l, "new"))
	if got := s.body("PATCH"); !strings.Contains(got, `"value":[{"display":"x","primary":true,"type":"home","value":"Ann@Example.com"},{"type":"other","value":"new@example.com"}]`) || strings.Contains(got, "userName") {
		t.Errorf("sent %s", got)
	}
}

// TestUserName: a userName that is the primary goes with it; one that is no address
// stays.
func TestUserName(t *testing.T) {
	t.Parallel()
	for was, want := range map[string]string{"ann@example.com": "smith@example.com", "ANN@example.com": "smith@example.com", "ann": "ann", "upn@example.com": "smith@example.com"} {
		s := (&service{}).start(t, `{"userName":"`+was+`",`+ours+`,"emails":[{"value":"ann@example.com","primary":true}]}`)
		c := s.console()
		step := aliasing(first(t, c))
		step.After.Primary, step.Fields = identity.MustAddress("smith@example.com"), []string{plan.FieldPrimary, plan.FieldAliases}
		expect(t, c, "ok", step)
		if u := s.user("u-1"); !strings.Contains(u, `"userName":"`+want+`"`) {
			t.Errorf("%s: %s", was, u)
		}
	}
}

// TestChangedByHand: whether or not If-Match is heeded, nobody's change is overwritten.
func TestChangedByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []*service{{}, {etag: true}, {etag: true, deafMatch: true}} {
		s := c.start(t, person("ann", ours))
		k := s.console()
		l := first(t, k)
		s.mu.Lock()
		s.users[0]["title"] = "Boss" // which is no change of what matters where there is no ETag
		s.users[0]["displayName"] = "by hand"
		s.put(s.users[0])
		s.mu.Unlock()
		expect(t, k, "changed", naming(l, "Ann"))
		expect(t, k, "changed", apply.Step{Key: "r", Live: &l, By: "hq"})
		if n := len(s.asked("PATCH")) + len(s.asked("DELETE")); n > 0 {
			t.Errorf("%d writes", n)
		}
	}
	// Somebody is faster than the write that follows the read.
	s := (&service{etag: true}).start(t, person("ann", ours))
	s.on = when("PATCH", "/", func(s *service, _ http.ResponseWriter, r *http.Request) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.Header.Get("If-Match") != `W/"1"` {
			s.t.Errorf("If-Match %q", r.Header.Get("If-Match"))
		}
		s.put(s.users[0])
		return false
	})
	k := s.console()
	expect(t, k, "changed", naming(first(t, k), "Ann"))
}

// TestTakenByHand: an address that somebody gave to another account since all were read
// is not given twice, be it that filters find it or that they cannot.
func TestTakenByHand(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*service{"filters": {}, "letter case": {caseful: true}, "no filters": {noFilters: true}, "everybody": {filterless: true}} {
		s.start(t, person("ann", ours), person("bob"))
		c := s.console()
		l := first(t, c)
		s.mu.Lock()
		s.users[1]["emails"] = []any{map[string]any{"value": "help@example.com"}}
		s.mu.Unlock()
		c.mu.Lock()
		c.index.at = c.index.at.Add(-time.Hour)
		c.mu.Unlock()
		var got *apply.Error
		if err := c.Apply(t.Context(), []apply.Step{aliasing(l, "help")}, func(_ int, a apply.Answer) { got = a.Err }); err != nil {
			t.Fatal(err)
		}
		if got == nil || got.Code != apply.Taken || got.Address != "help@example.com" || got.Holder != "u-2" {
			t.Errorf("%s: %v", name, got)
		}
		// It is given up again.
		s.mu.Lock()
		s.users[1]["emails"] = nil
		s.mu.Unlock()
		step := aliasing(l, "help")
		step.Key = "again"
		expect(t, c, "ok", step)
	}
}

// TestGetWithoutFilters: accounts are found by refs and addresses in whatever case they
// are written, with filters of any kind.
func TestGetWithoutFilters(t *testing.T) {
	t.Parallel()
	users := []string{person("ann", ours), `{"userName":"Bob@Example.com","emails":[{"value":"Bob@Example.com"},{"value":"B.Smith@Example.com"}]}`, person("carl")}
	for name, s := range map[string]*service{"filters": {}, "letter case": {caseful: true}, "no filters": {noFilters: true}, "everybody": {filterless: true}} {
		c := s.start(t, users...).console()
		for _, asked := range []struct {
			refs      []string
			addresses string
			want      string
		}{
			{nil, "b.smith@example.com", "u-2"},
			{nil, "bob@example.com", "u-2"},
			{[]string{"u-1"}, "bob@example.com", "u-1 u-2"},
			{[]string{"u-3", "u-3", "u-9"}, "carl@example.com", "u-3"},
			{[]string{"u-9"}, "nobody@example.com", ""},
		} {
			found, err := c.Get(t.Context(), asked.refs, []identity.Address{identity.MustAddress(asked.addresses)})
			var refs []string
			for _, l := range found {
				refs = append(refs, l.Ref)
			}
			slices.Sort(refs)
			if got := strings.Join(refs, " "); got != asked.want || err != nil {
				t.Errorf("%s: %v: %s (%v)", name, asked, got, err)
			}
		}
	}
}

// TestPutOff: who asks to wait is not asked for anything more.
func TestPutOff(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 503} {
		n := 0
		s := (&service{on: when("POST", "/Users", func(_ *service, w http.ResponseWriter, _ *http.Request) bool {
			if n++; n < 3 {
				return false
			}
			w.Header().Set("Retry-After", "17")
			say(w, status, "", "slow down")
			return true
		})}).start(t)
		c := s.console()
		var answers []apply.Answer
		err := c.Apply(t.Context(), creating(account(1, "a"), account(2, "b"), account(3, "c"), account(4, "d"), account(5, "e")), func(_ int, a apply.Answer) { answers = append(answers, a) })
		if err != nil || len(answers) != 5 || answers[1].Err != nil || len(s.asked("POST")) != 3 {
			t.Fatalf("%v, %+v, %q", err, answers, s.asked("POST"))
		}
		if e := answers[2].Err; e == nil || e.Code != apply.Throttled || e.RetryAfter != 17*time.Second {
			t.Errorf("%+v", e)
		}
		for _, a := range answers[3:] {
			if a.Err == nil || a.Err.Code != apply.Cancelled {
				t.Errorf("%+v", a.Err)
			}
		}
	}
}

// TestUnknownOutcomes: what may have been made is looked up by the service's own answer
// where it has one, and is an error of Apply where it has none; Get then finds out.
func TestUnknownOutcomes(t *testing.T) {
	t.Parallel()
	type fault = func(s *service, w http.ResponseWriter, r *http.Request) bool
	serving := func(then fault) fault {
		return func(s *service, w http.ResponseWriter, r *http.Request) bool {
			s.serve(nowhere{}, r)
			return then(s, w, r)
		}
	}
	status := func(n int) fault {
		return func(_ *service, w http.ResponseWriter, _ *http.Request) bool { say(w, n, "", "oh"); return true }
	}
	breaking := func(*service, http.ResponseWriter, *http.Request) bool { return breaks() }
	half := func(_ *service, w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, `{"id":`)
		return true
	}
	for name, c := range map[string]struct {
		fault fault
		said  string // of both steps
		made  bool
		lost  bool // an error of Apply
	}{
		"500, and it was made": {serving(status(500)), "ok ok", true, false},
		"500, and it was not":  {status(500), "temporary ok", false, false},
		"502, and it was made": {serving(status(502)), "none none", true, true},
		"504, and it was not":  {status(504), "none none", false, true},
		"an error in a 200, and was not": {func(_ *service, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(200)
			_, _ = w.Write(errorBody("400", "invalidValue"))
			return true
		}, "refused ok", false, false},
		"a page in a 200, and was not": {func(_ *service, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, "<html>")
			return true
		}, "none none", false, true},
		"a page in a 200, and it was": {serving(func(_ *service, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, "<html>")
			return true
		}), "none none", true, true},
		"524, and it was made":            {serving(status(524)), "none none", true, true},
		"broken off, and it was made":     {serving(breaking), "none none", true, true},
		"broken off, and it was not":      {breaking, "none none", false, true},
		"half an answer, and it was made": {serving(half), "none none", true, true},
		"403":                             {status(403), "refused ok", false, false},
		"404":                             {status(404), "gone ok", false, false},
		"412":                             {status(412), "changed ok", false, false},
		"400":                             {status(400), "refused ok", false, false},
	} {
		for _, method := range []string{"POST", "PATCH", "DELETE"} {
			t.Run(name+" "+method, func(t *testing.T) {
				t.Parallel()
				c := c
				once := true
				s := (&service{on: when(method, "/Users", func(s *service, w http.ResponseWriter, r *http.Request) bool {
					if !once {
						return false
					}
					once = false
					return c.fault(s, w, r)
				})}).start(t, person("ann", ours), person("bob", `"externalId":"hq:corp/01020304-0506-0708-090a-0b0c0d0e0f99"`))
				k := s.console()
				lives := accounts(t, k)
				var steps []apply.Step
				switch method {
				case "POST":
					steps = creating(account(1, "new"), account(2, "newer"))
				case "PATCH":
					steps = []apply.Step{naming(lives[0], "Ann"), naming(lives[1], "Bob")}
				case "DELETE":
					steps = []apply.Step{{Key: "1", Live: &lives[0], By: "hq"}, {Key: "2", Live: &lives[1], By: "hq"}}
				}
				steps[1].Group = 99
				want := c.said
				switch {
				case method == "DELETE" && name == "404":
					want = "ok ok" // it was there a moment ago
				case method == "DELETE" && name == "a page in a 200, and it was":
					want, c.lost = "ok ok", false // it is not there any more
				case method == "POST" && name == "a page in a 200, and it was":
					want, c.lost = "ok ok", false // it was looked for
				case method == "POST" && name == "a page in a 200, and was not":
					want, c.lost = "internal ok", false // as above
				case method == "PATCH" && name == "400":
					want, c.made = "ok ok", true // it does not say why, and is made by PUT
				case method == "POST" && (name == "412" || name == "404"):
					want = "refused ok" // there is nothing yet
				}
				said, err := applied(t, k, steps...)
				if got := strings.Join(said, " "); got != want || (err != nil) != c.lost {
					t.Errorf("answered %s, want %s; %v", got, want, err)
				}
				var unusable apply.Unusable
				if errors.As(err, &unusable) || apply.CodeOf(err) != "" {
					t.Errorf("the run would end: %v", err)
				}
				// Get finds out what is true.
				var found []identity.Live
				if method == "POST" {
					found, err = k.Get(t.Context(), nil, []identity.Address{steps[0].After.Primary})
				} else {
					found, err = k.Get(t.Context(), []string{"u-1"}, nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				made := len(found) == 1
				switch method {
				case "PATCH":
					made = made && identity.Lookup(found[0].Attributes, identity.DisplayName) == "Ann"
				case "DELETE":
					made = !made
				}
				if made != c.made {
					t.Errorf("made: %t (%v)", made, found)
				}
			})
		}
	}
}

func errorBody(status, scimType string) []byte {
	return encode(map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": status, "scimType": scimType})
}

// TestConflicts: a 409 may mean that it was done already, that somebody has the address,
// or that nobody who can be seen has it.
func TestConflicts(t *testing.T) {
	t.Parallel()
	conflict := func(before func(s *service, r *http.Request)) func(*service, http.ResponseWriter, *http.Request) bool {
		return when("POST", "/Users", func(s *service, w http.ResponseWriter, r *http.Request) bool {
			before(s, r)
			say(w, 409, "uniqueness", "userName is in use")
			return true
		})
	}
	for name, c := range map[string]struct {
		before func(s *service, r *http.Request)
		want   string
	}{
		"done already": {func(s *service, r *http.Request) { s.serve(nowhere{}, r) }, "<nil>"},
		"somebody has it by now": {func(s *service, _ *http.Request) {
			u, _ := parse([]byte(person("new")))
			s.put(u)
		}, "taken: new@example.com u-1"},
		"nobody who is seen has it": {func(*service, *http.Request) {}, "taken: new@example.com "},
	} {
		s := (&service{on: conflict(c.before)}).start(t)
		k := s.console()
		_ = accounts(t, k)
		var got string
		if err := k.Apply(t.Context(), creating(account(1, "new")), func(_ int, a apply.Answer) {
			got = "<nil>"
			if a.Err != nil {
				got = fmt.Sprintf("%s: %s %s", a.Err.Code, a.Err.Address, a.Err.Holder)
			} else if a.Ref != "u-1" {
				t.Errorf("ref %q", a.Ref)
			}
		}); err != nil || got != c.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// TestCredentialsEnd: credentials that are refused in the middle end the run, and what
// was not begun is cancelled.
func TestCredentialsEnd(t *testing.T) {
	t.Parallel()
	n := 0
	s := (&service{on: when("POST", "/Users", func(_ *service, w http.ResponseWriter, _ *http.Request) bool {
		if n++; n > 1 {
			say(w, 401, "", "token expired")
		}
		return n > 1
	})}).start(t)
	c := s.console()
	said, err := applied(t, c, creating(account(1, "a"), account(2, "b"), account(3, "c"))...)
	if got := strings.Join(said, " "); got != "ok cancelled cancelled" || !errors.As(err, new(*console.RefusedError)) || n != 2 {
		t.Errorf("%s, %v, %d requests", got, err, n)
	}
}

// TestContextEnds: the change at hand comes to its end, the others are not begun.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	for _, bulk := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		s := (&service{bulk: bulk, on: when("POST", "/", func(_ *service, _ http.ResponseWriter, _ *http.Request) bool {
			cancel()
			time.Sleep(20 * time.Millisecond)
			return false
		})}).start(t)
		c := s.console()
		c.keepsMarks = true
		var steps []apply.Step
		for i := range 25 {
			steps = append(steps, creating(account(byte(i+1), fmt.Sprintf("n%d", i)))...)
			steps[i].Group = i + 1
		}
		var ok, cancelled int
		err := c.Apply(ctx, steps, func(_ int, a apply.Answer) {
			switch {
			case a.Err == nil:
				ok++
			case a.Err.Code == apply.Cancelled:
				cancelled++
			}
		})
		want := map[bool]int{false: 1, true: 10}[bulk]
		if err != nil || ok != want || cancelled != 25-want || len(accounts(t, c)) != want {
			t.Errorf("bulk %t: %v, %d ok, %d cancelled", bulk, err, ok, cancelled)
		}
	}
}

// TestMarks: nobody else's account is written, whatever form their externalId has, and a
// service that does not keep externalId ends the run.
func TestMarks(t *testing.T) {
	t.Parallel()
	for _, mark := range []string{`"externalId":"00u1abc"`, `"externalId":"branch:corp/` + guidText + `"`} {
		s := (&service{}).start(t, person("ann", mark))
		c := s.console()
		l := first(t, c)
		l2 := l
		l2.Mark = identity.Mark{By: "hq", Directory: "corp", GUID: guid}
		for _, step := range []apply.Step{naming(l, "Ann"), naming(l2, "Bob"), {Key: "1", Live: &l, By: "hq"}} {
			expect(t, c, "refused", step)
		}
		if w := append(s.asked("PATCH"), s.asked("DELETE")...); len(w) > 0 {
			t.Errorf("written: %q", w)
		}
	}
	for _, bulk := range []bool{false, true} {
		s := (&service{bulk: bulk, on: when("POST", "/", func(s *service, w http.ResponseWriter, r *http.Request) bool {
			s.serve(nowhere{}, r)
			s.mu.Lock()
			defer s.mu.Unlock()
			u := s.users[len(s.users)-1]
			delete(u, "externalId")
			send(w, 201, u)
			return true
		})}).start(t)
		said, err := applied(t, s.console(), creating(account(1, "a"), account(2, "b"), account(3, "c"))...)
		if got := strings.Join(said, " "); got != "ok cancelled cancelled" || apply.CodeOf(err) != apply.Misused || !strings.Contains(err.Error(), "did not keep externalId") || len(s.users) != 1 {
			t.Errorf("bulk %t: %s, %v, %d users", bulk, got, err, len(s.users))
		}
	}
}

// TestSettling: a user that was created and is not there for a while is neither gone nor
// made twice.
func TestSettling(t *testing.T) {
	t.Parallel()
	var seen time.Time
	s := (&service{on: func(s *service, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" {
			seen = time.Now().Add(time.Second / 4)
			return false
		}
		if time.Now().Before(seen) && strings.HasPrefix(r.URL.Path, "/Users/") {
			say(w, 404, "", "not yet")
			return true
		}
		return false
	}}).start(t)
	o := s.options()
	o.Settles = 2 * time.Second
	c := opened(t, o)
	if c.Facts().Settles != o.Settles {
		t.Error("it is no fact")
	}
	var made *identity.Live
	step := creating(account(1, "a"))[0]
	if err := c.Apply(t.Context(), []apply.Step{step}, func(_ int, a apply.Answer) { made = a.Found }); err != nil || made == nil {
		t.Fatal(err)
	}
	expect(t, c, "temporary", naming(*made, "Ann"))
	time.Sleep(time.Second / 3)
	expect(t, c, "ok", naming(*made, "Ann"))
	if n := len(s.asked("POST")); n != 1 {
		t.Errorf("created %d times", n)
	}
}

// TestBulk: each operation has its outcome; what has none is unknown; and no request is
// longer than the service says.
func TestBulk(t *testing.T) {
	t.Parallel()
	s := (&service{bulk: true}).start(t, person("hidden"))
	c := s.console()
	_ = accounts(t, c)
	c.index.drop("u-1") // as if it were nobody who can be seen
	c.filters[byEmail], c.filters[byUserName], c.filters[byMark] = trust{tested: true}, trust{tested: true}, trust{tested: true}
	var steps []apply.Step
	for i := range 24 {
		steps = append(steps, creating(account(byte(i+1), fmt.Sprintf("n%d", i)))...)
		steps[i].Group = i + 1
	}
	steps[3].After.Primary = identity.MustAddress("hidden@example.com")
	steps[15].After.Aliases = []identity.Address{steps[14].After.Primary} // which the service would not mind
	said, err := applied(t, c, steps...)
	want := strings.Fields(strings.Repeat("ok ", 24))
	want[3], want[15] = "taken", "taken"
	if !slices.Equal(said, want) || err != nil {
		t.Errorf("%q, %v", said, err)
	}
	if n := len(s.asked("POST /Bulk")); n < 3 || len(s.asked("GET /Users/")) > 6 {
		t.Errorf("%q", s.requests)
	}
	if got := len(accounts(t, c)); got != 23 {
		t.Errorf("%d accounts", got)
	}
}

// TestBulkThatFails: a bulk request that the service does not take is made one by one,
// and of one that is answered in part the rest is unknown.
func TestBulkThatFails(t *testing.T) {
	t.Parallel()
	steps := func() []apply.Step { return creating(account(1, "a"), account(2, "b"), account(3, "c")) }
	for name, c := range map[string]struct {
		answer func(s *service, w http.ResponseWriter, r *http.Request) bool
		want   string
		lost   bool
	}{
		"501": {func(_ *service, w http.ResponseWriter, _ *http.Request) bool { say(w, 501, "", ""); return true }, "ok ok ok", false},
		"413": {func(_ *service, w http.ResponseWriter, _ *http.Request) bool { say(w, 413, "", ""); return true }, "ok ok ok", false},
		"403": {func(_ *service, w http.ResponseWriter, _ *http.Request) bool { say(w, 403, "", ""); return true }, "refused refused refused", false},
		"429": {func(_ *service, w http.ResponseWriter, _ *http.Request) bool { say(w, 429, "", ""); return true }, "throttled cancelled cancelled", false},
		"500": {func(_ *service, w http.ResponseWriter, _ *http.Request) bool { say(w, 500, "", ""); return true }, "none none none", true},
		"in part": {func(s *service, w http.ResponseWriter, _ *http.Request) bool {
			send(w, 200, map[string]any{"Operations": []any{map[string]any{"bulkId": "1", "status": map[string]any{"code": 201}, "response": map[string]any{"id": "x", "userName": "b@example.com", "externalId": "hq:corp/01020304-0506-0708-090a-0b0c0d0e0f02"}}}})
			return true
		}, "none ok none", true},
		"of no use": {func(s *service, w http.ResponseWriter, _ *http.Request) bool {
			_, _ = io.WriteString(w, `{"Operations":[{"bulkId":"7","status":"201"},{"bulkId":"0","status":"perhaps"}]}`)
			return true
		}, "none none none", true},
	} {
		s := (&service{bulk: true, on: when("POST", "/Bulk", c.answer)}).start(t)
		k := s.console()
		k.keepsMarks = true
		said, err := applied(t, k, steps()...)
		if got := strings.Join(said, " "); got != c.want || (err != nil) != c.lost {
			t.Errorf("%s: answered %s, want %s; %v", name, got, c.want, err)
		}
	}
}

// TestCreated: what a creation sends, and services that say no more than where it is.
func TestCreated(t *testing.T) {
	t.Parallel()
	s := (&service{on: when("POST", "/Users", func(s *service, w http.ResponseWriter, r *http.Request) bool {
		s.serve(nowhere{}, r)
		w.Header().Set("Location", s.url+"/Users/u-1")
		w.WriteHeader(201)
		return true
	})}).start(t)
	c := s.console()
	a := account(1, "ann", "a")
	a.Attributes = []identity.Attribute{{Name: identity.DisplayName, Value: "Ann"}, {Name: "phone", Value: "1"}}
	step := creating(a)[0]
	step.Initial = []identity.Attribute{{Name: "user_type", Value: "Employee"}}
	expect(t, c, "ok", step)
	const want = `{"active":true,"displayName":"Ann","emails":[{"primary":true,"type":"work","value":"ann@example.com"},{"type":"other","value":"a@example.com"}],` +
		`"externalId":"hq:corp/01020304-0506-0708-090a-0b0c0d0e0f01","schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann@example.com","userType":"Employee"}`
	if got := s.body("POST"); got != want {
		t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
	if h := s.headers[len(s.headers)-2]; h.Get("Content-Type") != mediaType {
		t.Errorf("%v", h)
	}
}

// TestMediaType: a service that does not know the media type of SCIM is sent JSON.
func TestMediaType(t *testing.T) {
	t.Parallel()
	s := (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" && r.Header.Get("Content-Type") != "application/json" {
			say(w, 415, "", "")
			return true
		}
		return false
	}}).start(t)
	c := s.console()
	expect(t, c, "ok ok", creating(account(1, "a"), account(2, "b"))...)
	if n := len(s.asked("POST")); n != 3 {
		t.Errorf("%d requests", n)
	}
}

// TestSecretsInErrors: no error shows the token, or the URL beyond its host, whatever a
// service answers and however the way there breaks.
func TestSecretsInErrors(t *testing.T) {
	t.Parallel()
	for _, on := range []func(*service, http.ResponseWriter, *http.Request) bool{
		func(*service, http.ResponseWriter, *http.Request) bool { return breaks() },
		func(_ *service, w http.ResponseWriter, _ *http.Request) bool {
			say(w, 409, "", "you sent Bearer s3cret-token")
			return true
		},
		func(_ *service, w http.ResponseWriter, r *http.Request) bool {
			_, _ = io.WriteString(w, "you sent "+r.Header.Get("Authorization"))
			return true
		},
		func(_ *service, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Location", ":// %")
			w.WriteHeader(302)
			return true
		},
	} {
		s := (&service{on: on}).start(t)
		o := s.options()
		o.URL = s.url + "/tenants/4711"
		c, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		c.pause = noPause
		err = c.open(t.Context())
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), "4711") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v", err)
		}
	}
}

// TestDoctor: what is found of a service, without a change.
func TestDoctor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service *service
		want    string
	}{
		{&service{etag: true, bulk: true}, "ok ok ok ok"},
		{&service{noConfig: true, caseful: true}, "warning ok ok ok"},
		{&service{noPatch: true}, "ok ok ok"},
		{&service{on: when("PATCH", "/", func(_ *service, w http.ResponseWriter, _ *http.Request) bool { say(w, 403, "", ""); return true })}, "ok ok ok failed"},
	} {
		s := c.service.start(t, person("ann", ours))
		before := s.user("u-1")
		found, err := s.console().Check(t.Context())
		var all []string
		for _, f := range found {
			all = append(all, f.Status)
			if f.Evidence == "" || f.Status != "ok" && f.Remedy == "" {
				t.Errorf("%+v", f)
			}
		}
		if got := strings.Join(all, " "); got != c.want || err != nil || s.user("u-1") != before {
			t.Errorf("%s, want %s: %+v %v", got, c.want, found, err)
		}
	}
}

// TestGetAfterWrite: what was written is looked up in the service, also where that is a
// read of all accounts, and what was not is not read again and again.
func TestGetAfterWrite(t *testing.T) {
	t.Parallel()
	s := (&service{noFilters: true, on: when("POST", "/Users", func(s *service, w http.ResponseWriter, r *http.Request) bool {
		s.serve(nowhere{}, r)
		say(w, 502, "", "")
		return true
	})}).start(t, person("ann"))
	c := s.console()
	_ = accounts(t, c)
	reads := func() int { return len(s.asked("GET /Users?count=100&startIndex=1")) }
	before := reads()
	for range 5 {
		if found, err := c.Get(t.Context(), nil, []identity.Address{identity.MustAddress("new@example.com")}); err != nil || len(found) > 0 {
			t.Fatalf("%v, %v", found, err)
		}
	}
	if n := reads() - before; n > 0 {
		t.Errorf("read again %d times", n)
	}
	if _, err := applied(t, c, creating(account(1, "new"))...); err == nil {
		t.Fatal("a 502 is no error")
	}
	if found, err := c.Get(t.Context(), nil, []identity.Address{identity.MustAddress("new@example.com")}); err != nil || len(found) != 1 {
		t.Errorf("%v, %v", found, err)
	}
}

// TestGetMany: many accounts that are asked for in parts are not read one by one.
func TestGetMany(t *testing.T) {
	t.Parallel()
	s := (&service{}).start(t, people(200)...)
	c := s.console()
	all := accounts(t, c)
	for begin := 0; begin < 200; begin += 5 {
		var refs []string
		for _, l := range all[begin : begin+5] {
			refs = append(refs, l.Ref)
		}
		if found, err := c.Get(t.Context(), refs, nil); err != nil || len(found) != 5 {
			t.Fatalf("%d, %v", len(found), err)
		}
	}
	if one, pages := len(s.asked("GET /Users/")), len(s.asked("GET /Users?count=100&startIndex=1")); one != 20 || pages > 4 {
		t.Errorf("%d accounts and %d pages", one, pages)
	}
}

// TestSlowFilters: where a service takes longer for a few values than for all users, it
// is not asked for more, and one that never answers a filter is no failure.
func TestSlowFilters(t *testing.T) {
	t.Parallel()
	for _, silent := range []bool{false, true} {
		s := (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
			if !r.URL.Query().Has("filter") {
				return false
			}
			time.Sleep(100 * time.Millisecond)
			if silent {
				return breaks()
			}
			return false
		}}).start(t, person("ann", ours))
		c := s.console()
		l := first(t, c)
		expect(t, c, "ok", aliasing(l, "a", "b", "c", "d", "e", "f"))
		if n := len(s.asked("GET /Users?count=100&filter=")); n > 2 || n > 1 && !silent { // net/http asks once more where a connection broke
			t.Errorf("silent %t: %d filters", silent, n)
		}
	}
}

// TestChangedDuringRead: what is changed while all accounts are read, by another request
// of the same run, is not forgotten.
func TestChangedDuringRead(t *testing.T) {
	t.Parallel()
	var c *Console
	s := (&service{}).start(t, people(150)...)
	s.on = func(s *service, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("startIndex") == "100" {
			c.noteAs(&identity.Live{Ref: "u-1", Account: identity.Account{Primary: identity.MustAddress("new@example.com")}}, "")
			c.forget("u-150")
		}
		return false
	}
	c = s.console()
	_ = accounts(t, c)
	if refs := c.index.addresses[identity.MustAddress("new@example.com")]; len(refs) != 1 || len(c.index.addresses[identity.MustAddress("n149@example.com")]) != 0 || c.since != nil {
		t.Errorf("%v", refs)
	}
}

// TestReadsBesideWrites: what one request creates does not disturb the read of all
// accounts that another makes.
func TestReadsBesideWrites(t *testing.T) {
	t.Parallel()
	s := (&service{noFilters: true}).start(t, people(400)...)
	s.on = func(s *service, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "GET" {
			time.Sleep(5 * time.Millisecond)
			return false
		}
		body, _ := io.ReadAll(r.Body) // its own: others come meanwhile
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, []byte("conflict")) {
			say(w, 409, "uniqueness", "userName is in use")
			return true
		}
		return false
	}
	c := s.console()
	_ = accounts(t, c)
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			for i := range 50 {
				name, want := fmt.Sprintf("w%dx%d", worker, i), "ok"
				if worker == 0 {
					name, want = "conflict"+name, "taken"
				}
				if worker > 0 || i < 5 {
					expect(t, c, want, creating(account(byte(50*worker+i+20), name))...)
				}
			}
		})
	}
	workers.Wait()
}

// TestConflictsReadOnce: however many creations of a request are refused, all accounts
// are read once at most, and not at all where one can be looked up.
func TestConflictsReadOnce(t *testing.T) {
	t.Parallel()
	for _, status := range []int{409, 500} {
		for _, noFilters := range []bool{false, true} {
			s := (&service{noFilters: noFilters}).start(t, append(people(300), person("ann", ours))...)
			s.on = func(s *service, w http.ResponseWriter, r *http.Request) bool {
				switch {
				case r.Method == "POST":
					if strings.Contains(s.body("POST"), "made") {
						s.serve(nowhere{}, r)
					}
					say(w, status, "", "no")
					return true
				case r.URL.Query().Has("startIndex"):
					time.Sleep(20 * time.Millisecond) // so that a filter takes less than all pages
				}
				return false
			}
			c := s.console()
			_ = accounts(t, c)
			before := len(s.asked("GET /Users?count"))
			var steps []*identity.Account
			for i := range 20 {
				steps = append(steps, account(byte(i+100), fmt.Sprintf("new%d", i)))
			}
			steps[7].Primary = identity.MustAddress("made@example.com")
			want := slices.Repeat([]string{map[int]string{409: "taken", 500: "temporary"}[status]}, 20)
			want[7] = "ok"
			expect(t, c, strings.Join(want, " "), creating(steps...)...)
			pages := 0
			for _, r := range s.asked("GET /Users?count")[before:] {
				if !strings.Contains(r, "filter=") {
					pages++
				}
			}
			if want := map[bool]int{false: 0, true: 5}[noFilters]; pages > want {
				t.Errorf("%d, without filters %t: %d pages", status, noFilters, pages)
			}
		}
	}
}

// TestPutOffAndMade: what a service, or a proxy before it, puts off may have been made;
// it is looked for before it is tried again.
func TestPutOffAndMade(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 503} {
		for _, noFilters := range []bool{false, true} {
			for _, bulk := range []bool{false, true} {
				for _, method := range []string{"POST", "DELETE"} {
					s := (&service{noFilters: noFilters, bulk: bulk}).start(t, person("ann", ours))
					once := true
					s.on = when(method, "/", func(s *service, w http.ResponseWriter, r *http.Request) bool {
						if once {
							once = false
							s.serve(nowhere{}, r)
							say(w, status, "", "later")
							return true
						}
						return false
					})
					c := s.console()
					c.keepsMarks = true
					l := first(t, c)
					steps := creating(account(1, "a"), account(2, "b"))
					if method == "DELETE" {
						steps = []apply.Step{{Key: "r", Live: &l, By: "hq"}}
					}
					said, err := applied(t, c, steps...)
					if err != nil || said[0] != "throttled" {
						t.Fatalf("%q, %v", said, err)
					}
					expect(t, c, strings.TrimSpace(strings.Repeat("ok ", len(steps))), steps...)
					want := map[string]int{"POST": 3, "DELETE": 0}[method]
					if got := len(accounts(t, c)); got != want {
						t.Errorf("%d, without filters %t, bulk %t, %s: %d accounts", status, noFilters, bulk, method, got)
					}
					if n := len(s.asked("POST /Users")); method == "POST" && n != map[bool]int{true: 0, false: 2}[bulk] {
						t.Errorf("%d times POST", n)
					}
				}
			}
		}
	}
	// It may be seen later.
	s := (&service{on: when("POST", "/Users", func(_ *service, w http.ResponseWriter, _ *http.Request) bool { say(w, 503, "", ""); return true })}).start(t)
	o := s.options()
	o.Settles = time.Second
	if said, err := applied(t, opened(t, o), creating(account(1, "a"))...); err == nil || said[0] != "none" {
		t.Errorf("%q, %v", said, err)
	}
}

// TestPutOffTogether: once the service has asked to wait, no worker begins a change
// before that is over.
func TestPutOffTogether(t *testing.T) {
	t.Parallel()
	var until atomic.Int64
	s := (&service{on: when("POST", "/Users", func(s *service, w http.ResponseWriter, _ *http.Request) bool {
		switch at := until.Load(); {
		case at == 0:
			until.Store(time.Now().Add(300 * time.Millisecond).UnixNano())
			w.Header().Set("Retry-After", "0.3")
			say(w, 429, "", "slow down")
			return true
		case time.Now().UnixNano() < at:
			s.t.Error("a change came too early")
		}
		return false
	})}).start(t)
	c := s.console()
	c.pause = wait
	expect(t, c, "throttled", creating(account(1, "a"))...)
	var workers sync.WaitGroup
	for i := range 3 {
		workers.Go(func() { expect(t, c, "ok", creating(account(byte(i+2), fmt.Sprint("b", i)))...) })
	}
	workers.Wait()
}

// TestVersions: If-Match has the ETag of the answer, of whatever form meta.version is,
// and a version that never changes hides no change.
func TestVersions(t *testing.T) {
	t.Parallel()
	s := (&service{etag: true}).start(t, person("ann", ours))
	s.on = func(s *service, w http.ResponseWriter, r *http.Request) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.users[0]["meta"] = map[string]any{"version": "1"}
		w.Header().Set("ETag", `W/"1"`)
		if match := r.Header.Get("If-Match"); match == `W/"1"` {
			r.Header.Del("If-Match")
		} else if match != "" {
			say(w, 412, "", "it was changed")
			return true
		}
		return false
	}
	c := s.console()
	l := first(t, c)
	expect(t, c, "ok", naming(l, "Ann"))
	l = first(t, c)
	s.mu.Lock()
	s.users[0]["emails"] = []any{map[string]any{"value": "ann@example.com", "primary": true}, map[string]any{"value": "by-hand@example.com"}}
	s.mu.Unlock()
	step := aliasing(l, "a")
	step.Fields = []string{plan.FieldAliases}
	expect(t, c, "changed", step)
}
