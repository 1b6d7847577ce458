package scim

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// readError reads all, which must fail as a read that is not complete, and returns the
// text and the advice.
func readError(t *testing.T, c *Console) string {
	t.Helper()
	n := 0
	_, err := c.Accounts(t.Context(), func(identity.Live) error { n++; return nil })
	var incomplete *console.ReadError
	if !errors.As(err, &incomplete) || incomplete.Advice == "" || n > 0 {
		t.Fatalf("%d accounts and %v", n, err)
	}
	return err.Error()
}

// lists answers lists with what a function makes of startIndex and count.
func lists(make func(from, count int) (total int, users []string)) func(*service, http.ResponseWriter, *http.Request) bool {
	return func(_ *service, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/Users" || r.Method != "GET" {
			return false
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("startIndex"))
		count, _ := strconv.Atoi(r.URL.Query().Get("count"))
		total, users := make(from, count)
		_, _ = fmt.Fprintf(w, `{"totalResults":%d,"Resources":[%s]}`, total, strings.Join(users, ","))
		return true
	}
}

// numbered are users from one number on to before another.
func numbered(from, to int) (all []string) {
	for i := from; i < to; i++ {
		all = append(all, fmt.Sprintf(`{"id":"%d","userName":"n%d@example.com"}`, i, i))
	}
	return all
}

// cut is a part of a list, from a place on that counts from 1.
func cut(all []string, from, count int) []string {
	from = min(max(from-1, 0), len(all))
	return all[from:min(from+count, len(all))]
}

// TestIncompleteReads: what could be a read that is short is none.
func TestIncompleteReads(t *testing.T) {
	t.Parallel()
	var moving atomic.Int32
	for name, c := range map[string]struct {
		list func(from, count int) (int, []string)
		want string
	}{
		"startIndex is passed over":           {func(_, count int) (int, []string) { return 250, cut(numbered(0, 250), 1, count) }, "came twice"},
		"a page is empty":                     {func(from, count int) (int, []string) { return 250, cut(numbered(0, 150), from, count) }, "gave 150"},
		"the total is that of the page":       {func(from, count int) (int, []string) { p := cut(numbered(0, 250), from, count); return len(p), p }, "gives more"},
		"the total is that of the first page": {func(from, count int) (int, []string) { return 100, cut(numbered(0, 250), from, count) }, "gives more"},
		"the total shrinks all the time": {func(from, count int) (int, []string) {
			return 250 - int(moving.Add(1)), cut(numbered(0, 400), from, count)
		}, "and then"},
		"more come than there are": {func(from, _ int) (int, []string) { return 10, cut(numbered(0, 30), from, 30) }, "there are 10, and gave 30"},
		"an id comes twice": {func(from, count int) (int, []string) {
			return 3, cut(append(numbered(0, 2), numbered(0, 1)...), from, count)
		}, "came twice"},
		"a user without an id": {func(from, count int) (int, []string) {
			return 1, cut([]string{`{"userName":"a@example.com"}`}, from, count)
		}, "without an id"},
		"behind the end of all, all begins anew": {func(_, count int) (int, []string) { return 100, cut(numbered(0, 100), 1, count) }, "begins anew"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (&service{on: lists(c.list)}).start(t)
			if text := readError(t, s.console()); !strings.Contains(text, c.want) {
				t.Errorf("%s, want %q", text, c.want)
			}
		})
	}
}

// TestReadsThatAreNoLists: pages of people, answers that break off, and errors that
// come with status 200 are no empty lists.
func TestReadsThatAreNoLists(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"a login page":        {"<html><body>Log in</body></html>", `no JSON of SCIM: "<html>`},
		"nothing":             {"", "no JSON of SCIM: nothing"},
		"no total":            {`{"Resources":[]}`, "without totalResults"},
		"an error in a 200":   {`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"no such tenant"}`, "answered 404 (Not Found): \"no such tenant\""},
		"half a list":         {`{"totalResults":2,"Resources":[{"id":"1"`, "no JSON"},
		"a list of something": {`{"totalResults":1,"Resources":["x"]}`, "without an id"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/Users" {
					_, _ = io.WriteString(w, c.body)
				}
				return r.URL.Path == "/Users"
			}}).start(t)
			if text := readError(t, s.console()); !strings.Contains(text, c.want) {
				t.Errorf("%s, want %q", text, c.want)
			}
		})
	}
}

// TestUserRemovedDuringRead: somebody who is removed while users are read moves those
// behind, of whom one falls between two pages, and another who is added hides that from
// all counts. The read begins anew.
func TestUserRemovedDuringRead(t *testing.T) {
	t.Parallel()
	for _, aligned := range []bool{false, true} {
		var pages int
		all := numbered(0, 250)
		s := (&service{on: lists(func(from, count int) (int, []string) {
			if aligned {
				from = (from-1)/count*count + 1
			}
			if pages++; pages == 2 && !aligned || pages == 4 && aligned {
				all = append(all[1:], numbered(900, 901)...)
			}
			return len(all), cut(all, from, count)
		})}).start(t)
		got := accounts(t, s.console())
		refs := map[string]bool{}
		for _, l := range got {
			refs[l.Ref] = true
		}
		if len(got) != 250 || !refs["100"] || !refs["900"] || refs["0"] {
			t.Errorf("aligned %t: %d accounts, with 100: %t, with 900: %t, with 0: %t", aligned, len(got), refs["100"], refs["900"], refs["0"])
		}
	}
}

// TestShortPages: a service that gives fewer users than it was asked for is read to
// its end.
func TestShortPages(t *testing.T) {
	t.Parallel()
	for _, s := range []*service{{most: 1}, {most: 7}, {most: 20}, {most: 7, aligned: true}} {
		if got := accounts(t, s.start(t, people(55)...).console()); len(got) != 55 {
			t.Errorf("pages of %d: %d accounts", s.most, len(got))
		}
	}
}

// TestTotalChangedOnce: somebody was added while users were read; they are read again.
func TestTotalChangedOnce(t *testing.T) {
	t.Parallel()
	pages := 0
	s := (&service{on: lists(func(from, count int) (int, []string) {
		n := 249
		if pages++; pages > 2 {
			n = 250
		}
		return n, cut(numbered(0, n), from, count)
	})}).start(t)
	if got := accounts(t, s.console()); len(got) != 250 {
		t.Errorf("%d accounts", len(got))
	}
}

// TestReadPutOff: a read that the service puts off is made when it says, and one that it
// fails once is made again.
func TestReadPutOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		after  string
		waits  func(time.Duration) bool
	}{
		"seconds":    {429, "7", func(d time.Duration) bool { return d == 7*time.Second }},
		"a date":     {503, time.Now().Add(4 * time.Minute).UTC().Format(http.TimeFormat), func(d time.Duration) bool { return d > time.Minute && d <= 4*time.Minute }},
		"nothing":    {429, "", func(d time.Duration) bool { return d == time.Second }},
		"a failure":  {500, "", func(d time.Duration) bool { return d == time.Second }},
		"a mistake":  {429, "soon", func(d time.Duration) bool { return d == time.Second }},
		"a gateway":  {502, "", func(d time.Duration) bool { return d == time.Second }},
		"in between": {429, "0.5", func(d time.Duration) bool { return d == time.Second/2 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			once := true
			s := (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/Users" || !once {
					return false
				}
				once = false
				w.Header().Set("Retry-After", c.after)
				say(w, c.status, "", "not now")
				return true
			}}).start(t, person("ann"))
			k := s.console()
			var waited []time.Duration
			k.pause = pauses(&waited)
			if got := accounts(t, k); len(got) != 1 || len(waited) != 1 || !c.waits(waited[0]) {
				t.Errorf("%d accounts, waited %v", len(got), waited)
			}
		})
	}
}

// TestReadPutOffForTooLong: who asks to wait for long, or again and again, is not read.
func TestReadPutOffForTooLong(t *testing.T) {
	t.Parallel()
	for after, requests := range map[string]int{"3600": 1, "1": attempts} {
		s := (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/Users" {
				w.Header().Set("Retry-After", after)
				say(w, 429, "", "slow down")
			}
			return r.URL.Path == "/Users"
		}}).start(t)
		if text := readError(t, s.console()); !strings.Contains(text, `429 (Too Many Requests): "slow down"`) || len(s.asked("GET /Users")) != requests {
			t.Errorf("after %s: %s, %d requests", after, text, len(s.asked("GET /Users")))
		}
	}
}

// TestRefused: credentials that are refused are not tried again, and those that may not
// read are another thing.
func TestRefused(t *testing.T) {
	t.Parallel()
	s := (&service{}).start(t)
	o := s.options()
	o.Token = settings.NewSecret("wrong-token")
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	err = c.open(t.Context())
	if !errors.As(err, new(*console.RefusedError)) || len(s.requests) != 1 || strings.Contains(err.Error(), "wrong-token") {
		t.Errorf("%v after %q", err, s.requests)
	}
	s = (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/Users" {
			say(w, 403, "", "no")
		}
		return r.URL.Path == "/Users"
	}}).start(t)
	if text := readError(t, s.console()); !strings.Contains(text, "403") {
		t.Error(text)
	}
}

// TestRedirects: credentials reach no other host, nor the same one without TLS.
func TestRedirects(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { seen.Add(1) }))
	defer other.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		s := (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, other.URL+"/tenant-s3cret/Users?secret=1", code)
			return true
		}}).start(t)
		c, err := New(s.options())
		if err != nil {
			t.Fatal(err)
		}
		err = c.open(t.Context())
		var incomplete *console.ReadError
		if !errors.As(err, &incomplete) || !strings.Contains(incomplete.Advice, "redirects are not followed") || !strings.Contains(err.Error(), other.URL) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%d: %v", code, err)
		}
	}
	if seen.Load() != 0 {
		t.Errorf("%d requests reached another host", seen.Load())
	}
}

// TestUnreachable: what is said of a service that is not there names it, and no more of
// the URL.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	away := httptest.NewServer(nil)
	away.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = quiet()
	secure.StartTLS()
	defer secure.Close()
	plain := (&service{}).start(t)
	for name, c := range map[string]struct{ url, want string }{
		"nothing listens":       {away.URL, "nothing listens at its port"},
		"an unknown authority":  {secure.URL, "its certificate comes from an authority that is not trusted here"},
		"no TLS":                {strings.Replace(plain.url, "http:", "https:", 1), "no TLS is spoken at this port"},
		"plain text for TLS":    {strings.Replace(secure.URL, "https:", "http:", 1), "answered 400 (Bad Request)"},
		"a name of no address":  {"https://rollcall.invalid", "DNS knows no address of rollcall.invalid"},
		"a path with a secret?": {away.URL + "/tenant-4711", "nothing listens at its port"},
	} {
		o := plain.options()
		o.URL = c.url
		k, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		err = k.open(t.Context())
		var incomplete *console.ReadError
		if !errors.As(err, &incomplete) || incomplete.Advice == "" || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "4711") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSilence: a service that stops in the middle is given up after the time of silence,
// and one that is slow and goes on is not.
func TestSilence(t *testing.T) {
	t.Parallel()
	for _, slow := range []bool{true, false} {
		done := make(chan struct{})
		s := (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/Users" {
				return false
			}
			_, _ = io.WriteString(w, `{"totalResults":0,`)
			for range 5 {
				_ = http.NewResponseController(w).Flush()
				if !slow {
					<-done
				}
				time.Sleep(80 * time.Millisecond)
				_, _ = io.WriteString(w, " ")
			}
			_, _ = io.WriteString(w, `"Resources":[]}`)
			return true
		}}).start(t)
		c := s.console()
		c.timeout = 200 * time.Millisecond
		if slow {
			if got := accounts(t, c); len(got) != 0 {
				t.Errorf("%d accounts", len(got))
			}
		} else if text := readError(t, c); !strings.Contains(text, "was silent for 200ms") {
			t.Error(text)
		}
		close(done)
	}
}

// TestLongAnswer: an answer is not read without a bound.
func TestLongAnswer(t *testing.T) {
	t.Parallel()
	s := (&service{on: func(_ *service, w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/ServiceProviderConfig" {
			return false
		}
		_, err := io.WriteString(w, "[")
		for block := strings.Repeat("1,", 1<<14); err == nil; {
			_, err = io.WriteString(w, block)
		}
		return true
	}}).start(t)
	c, err := New(s.options())
	if err != nil {
		t.Fatal(err)
	}
	c.pause, c.most = noPause, 1<<20
	if err := c.open(t.Context()); err == nil || !strings.Contains(err.Error(), "its answer is longer") {
		t.Error(err)
	}
}

// TestAccounts: what becomes of users as services have them.
func TestAccounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ story, user, want string }{
		{"all of it", person("ann", `"displayName":"Ann"`, ours), "ann@example.com [] active hq:corp"},
		{"letter case is folded", `{"userName":"Ann@Example.com","emails":[{"value":"ANN@example.com","primary":true},{"value":"B@example.com"}]}`, "ann@example.com [b@example.com] active "},
		{"names of attributes, too", `{"USERNAME":"ann@example.com","Active":false}`, "ann@example.com [] inactive "},
		{"booleans as texts", `{"userName":"ann@example.com","active":"False","emails":[{"value":"a@example.com","primary":"True"}]}`, "a@example.com [ann@example.com] inactive "},
		{"active is not there", `{"userName":"ann@example.com"}`, "ann@example.com [] active "},
		{"a userName that is no address", `{"userName":"ann","emails":[{"value":"a@example.com"}]}`, "a@example.com [] active "},
		{"a userName that is another address", `{"userName":"ann@corp.example.com","emails":[{"value":"a@example.com","primary":true}]}`, "a@example.com [ann@corp.example.com] active "},
		{"no address", `{"userName":"admin"}`, " [] active "},
		{"null", `{"userName":"ann@example.com","emails":null,"active":null,"displayName":null,"externalId":null}`, "ann@example.com [] active "},
		{"two that are primary", `{"userName":"x","emails":[{"value":"a@example.com","primary":true},{"value":"b@example.com","primary":true}]}`, "odd: two of its e-mails are marked primary"},
		{"several and none primary", `{"userName":"x","emails":[{"value":"a@example.com"},{"value":"b@example.com"}]}`, "odd: none of its e-mails is marked primary"},
		{"no address in an e-mail", `{"userName":"ann@example.com","emails":[{"value":"ann at example"}]}`, "odd: its e-mail \"ann at example\": an address has exactly one @"},
		{"a number for a name", `{"userName":7}`, "odd: it has a value of a type that it should not have"},
		{"a word for active", `{"userName":"ann@example.com","active":"perhaps"}`, "odd: its active is neither true nor false"},
		{"somebody else's externalId", `{"userName":"ann@example.com","externalId":"00u1x"}`, `ann@example.com [] active "00u1x":`},
		{"another configuration's", `{"userName":"ann@example.com","externalId":"branch:corp/` + guidText + `"}`, "ann@example.com [] active branch:corp"},
	} {
		s := (&service{}).start(t, c.user)
		all := accounts(t, s.console())
		if len(all) != 1 {
			t.Fatalf("%s: %d accounts", c.story, len(all))
		}
		l := all[0]
		mark := ""
		if !l.Mark.IsZero() {
			mark = l.Mark.By + ":" + l.Mark.Directory
		}
		got := fmt.Sprintf("%s %s %s %s", l.Primary, l.Aliases, l.Status, mark)
		if l.Odd != "" {
			got = "odd: " + l.Odd
		}
		if got != c.want || l.Ref != "u-1" {
			t.Errorf("%s: %s, want %s", c.story, got, c.want)
		}
	}
}

// TestSchemas: what the schemas do not have is not stored.
func TestAnnouncedSchemas(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ schemas, with, without string }{
		{"", "display_name title given_name", "department employee_number"},
		{`{"totalResults":2,"Resources":[{"id":"urn:ietf:params:scim:schemas:core:2.0:User","attributes":[{"name":"userName"},{"name":"displayname"}]},
		  {"id":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","attributes":[{"name":"department"}]}]}`, "display_name department", "title given_name employee_number"},
		{readOnlySchemas, "family_name", "display_name title given_name department"},
	} {
		s := (&service{schemas: c.schemas}).start(t)
		f := s.console().Facts()
		for _, name := range strings.Fields(c.with) {
			if !f.Keeps(name) {
				t.Errorf("%s is not stored", name)
			}
		}
		for _, name := range append(strings.Fields(c.without), "username", "dn", "phone") {
			if f.Keeps(name) {
				t.Errorf("%s is stored", name)
			}
		}
	}
}

// TestAddedDuringRead: users who are added while all are read hinder nobody, and are
// read where they come in time.
func TestAddedDuringRead(t *testing.T) {
	t.Parallel()
	for _, often := range []int{1, 2, 3} { // one with so many pages
		pages := 0
		s := (&service{on: lists(func(from, count int) (int, []string) {
			pages++
			n := 250 + min(pages/often, 7)
			return n, cut(numbered(0, n), from, count)
		})}).start(t)
		if got := accounts(t, s.console()); len(got) < 250 || pages > 20 {
			t.Errorf("one in %d pages: %d accounts, %d pages", often, len(got), pages)
		}
	}
}

// TestRemovedBetweenPagesOfOne: as [TestUserRemovedDuringRead], where a page has one
// user.
func TestRemovedBetweenPagesOfOne(t *testing.T) {
	t.Parallel()
	for moment := 3; moment < 9; moment++ {
		var pages int
		all := numbered(0, 5)
		s := (&service{on: lists(func(from, _ int) (int, []string) {
			if pages++; pages == moment {
				all = append(all[1:], numbered(900, 901)...)
			}
			return len(all), cut(all, from, 1)
		})}).start(t)
		var refs []string
		for _, l := range accounts(t, s.console()) {
			refs = append(refs, l.Ref)
		}
		for _, ref := range []string{"1", "2", "3", "4"} {
			if !slices.Contains(refs, ref) {
				t.Errorf("before page %d: %q lack %s", moment, refs, ref)
			}
		}
	}
}

// readOnlySchemas have attributes that can be given at creation alone, or not at all.
const readOnlySchemas = `{"Resources":[{"id":"urn:ietf:params:scim:schemas:core:2.0:User","attributes":[{"name":"displayName","mutability":"readOnly"},{"name":"title","mutability":"immutable"},
	{"name":"name","mutability":"readWrite","subAttributes":[{"name":"familyName","mutability":"readWrite"},{"name":"givenName","mutability":"ReadOnly"}]}]},
	{"id":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","attributes":[{"name":"department","mutability":"writeOnly"}]}]}`

// TestMutability: what is read only is never sent, and what is not mutable at creation
// alone; both are reported.
func TestMutability(t *testing.T) {
	t.Parallel()
	s := (&service{schemas: readOnlySchemas}).start(t, person("ann", ours, `"title":"Boss"`))
	c := s.console()
	l := first(t, c)
	a := account(1, "new")
	a.Attributes = []identity.Attribute{{Name: "department", Value: "R"}, {Name: "display_name", Value: "Ann"}, {Name: "family_name", Value: "Smith"}, {Name: "given_name", Value: "Ann"}, {Name: "title", Value: "Boss"}}
	expect(t, c, "ok", creating(a)...)
	if got := s.body("POST"); strings.Contains(got, "displayName") || strings.Contains(got, "givenName") || !strings.Contains(got, `"title":"Boss"`) || !strings.Contains(got, `"department":"R"`) || !strings.Contains(got, "Smith") {
		t.Error(got)
	}
	if len(l.Attributes) > 0 {
		t.Errorf("%+v", l)
	}
	if f := c.schema(); !strings.Contains(f.Evidence, "read only in it: display_name, given_name") || !strings.Contains(f.Evidence, "not mutable in it: department, title") {
		t.Error(f.Evidence)
	}
}
