package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// many is how many objects the largest directory has.
const many = 100_000

var (
	annGUID, _ = identity.ParseGUID(people[0].guid)
	sueGUID, _ = identity.ParseGUID(people[2].guid)
)

// TestSession: everything that a directory is asked, as its schemas have it.
func TestSession(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traffic")
	t.Setenv(traffic, path)
	var progress []string
	s := start(t, "good", connector.Options{Config: []byte("{\n \"token\": \"s3cret\"\n}")})
	collector := directory.NewCollector(staff)
	receipt, err := s.Read(t.Context(), staff, collector, func(p directory.Progress) { progress = append(progress, p.Doing) })
	if err != nil {
		t.Fatal(err)
	}
	if !receipt.Complete || receipt.Server != "cloud 2" || receipt.Scanned != 4 || !slices.Equal(progress, []string{"page 1"}) {
		t.Errorf("receipt %+v, progress %q", receipt, progress)
	}
	collector.Tell(&receipt)
	if receipt.Entries != 2 || receipt.PassedOver.Deleted != 1 {
		t.Errorf("%+v", receipt)
	}
	entries := collector.Entries()
	if e := entries[0]; e.GUID != annGUID || e.Username != "ann" || !slices.Equal(e.Primaries, []string{"ann@example.com"}) {
		t.Errorf("%+v", e)
	}
	if e := entries[1]; !slices.Equal(e.Primaries, []string{"bob@example.com"}) || !slices.Equal(e.Aliases, []string{"robert@example.com"}) {
		t.Errorf("a value in a language: %+v", e)
	}
	located, err := s.Locate(t.Context(), []identity.GUID{sueGUID, {1}}, staff)
	if err != nil || len(located) != 1 || located[sueGUID].DN != people[2].dn {
		t.Errorf("%v, %v", located, err)
	}
	found, err := s.Find(t.Context(), directory.Query{Username: "sue", Entries: []string{people[0].dn}, Kind: Kind.Name}, staff)
	if err != nil || len(found.Objects) != 1 || found.Objects[0].DN != people[2].dn || len(found.Entries) != 1 || found.Entries[0].DN != people[0].dn || !found.Objects[0].Row {
		t.Errorf("%+v, %v", found, err)
	}
	report, err := s.Diagnose(t.Context(), staff, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	var checks []string
	for _, c := range report.Checks {
		checks = append(checks, c.Name+" "+string(c.Status))
	}
	if want := []string{"reach ok", "read ok", "entries warning", "finding ok", "finding warning"}; !slices.Equal(checks, want) {
		t.Errorf("checks %q", checks)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const hello = `> {"id":1,"type":"hello","protocols":[1],"rollcall":"0.2.0","config":{"token":"s3cret"},"directory":"cloud","domains":["example.com"]}`
	if first, _, _ := strings.Cut(string(text), "\n"); first != hello {
		t.Errorf("hello is %s", first)
	}
	lined.Validate(t, string(text))
}

// TestWithoutFind: a connector that cannot look for single objects is read whole, and so is
// one whose objects are known by a text that nobody can find out of a GUID.
func TestWithoutFind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "traffic")
	t.Setenv(traffic, path)
	keyed := slices.Clone(staff)
	keyed[0].Keyspace, keyed[0].GUIDAttribute = "cloud", "sAMAccountName"
	key, err := keyed[0].ParseGUID("sue")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		behaviour string
		scopes    []directory.Scope
		guid      identity.GUID
		requests  int // read
	}{
		{"does not find", staff, sueGUID, 2},
		{"good", staff, sueGUID, 0},
		{"good", keyed, key, 2},
	} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := start(t, c.behaviour, connector.Options{})
		found, err := s.Find(t.Context(), directory.Query{GUID: c.guid}, c.scopes)
		if err != nil || len(found.Objects) != 1 || found.Objects[0].DN != people[2].dn {
			t.Errorf("%s: %+v, %v", c.behaviour, found, err)
		}
		located, err := s.Locate(t.Context(), []identity.GUID{c.guid}, c.scopes)
		if err != nil || located[c.guid].DN != people[2].dn {
			t.Errorf("%s: %+v, %v", c.behaviour, located, err)
		}
		text, _ := os.ReadFile(path)
		if n := strings.Count(string(text), `"type":"read","scopes":[{"base":"","filter":"(objectClass=*)"}]`); n != c.requests {
			t.Errorf("%s: %d reads of everything", c.behaviour, n)
		}
		lined.Validate(t, string(text))
	}
}

// TestUnsupported: a filter that nobody can judge here is refused before anything is
// started.
func TestUnsupported(t *testing.T) {
	scopes := slices.Clone(staff)
	scopes[0].Filter = "(memberOf:1.2.840.113556.1.4.1941:=CN=x)"
	_, err := start(t, "ends at once", connector.Options{}).Read(t.Context(), scopes, directory.NewCollector(scopes), nil)
	if err == nil || !strings.Contains(err.Error(), `scope "staff": filter`) {
		t.Errorf("%v", err)
	}
}

// TestInterrupted: who reads when a run is interrupted is ended at once.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := start(t, "hangs in the middle", connector.Options{Grace: 100 * time.Millisecond})
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := s.Read(ctx, staff, directory.NewCollector(staff), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestSecrets: nothing of the configuration reaches an error, a log, a receipt or a
// finding.
func TestSecrets(t *testing.T) {
	const token = "tok-5f3c9a"
	config, err := json.Marshal(map[string]string{"token": token})
	if err != nil {
		t.Fatal(err)
	}
	var heard, told []string // the first by those who read standard error
	s := start(t, "tells secrets", connector.Options{Config: config, Log: func(line string) { heard = append(heard, line) }})
	receipt, err := s.Read(t.Context(), staff, directory.NewCollector(staff), func(p directory.Progress) { told = append(told, fmt.Sprint(p)) })
	told = append(told, fmt.Sprint(receipt), err.Error(), directory.HintOf(err))
	report, err := s.Diagnose(t.Context(), staff, time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range report.Checks {
		told = append(told, fmt.Sprint(*c))
	}
	err = s.Test(t.Context(), staff, func(r directory.TestResult) { told = append(told, fmt.Sprint(r)) })
	all := strings.Join(append(append(heard, told...), fmt.Sprint(err)), "\n")
	if strings.Contains(all, token) || strings.Count(all, "(secret)") < 6 {
		t.Errorf("told:\n%s", all)
	}
	_, err = start(t, "tells a part of a secret", connector.Options{Config: config}).Read(t.Context(), staff, directory.NewCollector(staff), nil)
	if err == nil || strings.Contains(err.Error(), token[:4]) || !strings.Contains(err.Error(), "(secret)") {
		t.Errorf("told: %v", err)
	}
	_, err = start(t, "has a secret code", connector.Options{Config: config}).Read(t.Context(), staff, directory.NewCollector(staff), nil)
	if err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("told: %v", err)
	}
	var quoting interface{ Quoted() string }
	if _, err := start(t, "fails", connector.Options{}).Read(t.Context(), staff, directory.NewCollector(staff), nil); !errors.As(err, &quoting) || quoting.Quoted() != "out of luck" {
		t.Errorf("what the connector says is not known for it: %v", err)
	}
}

// TestReadAndFindDisagree: somebody whom a read did not give and who is in a scope all the same
// is not said to be gone.
func TestReadAndFindDisagree(t *testing.T) {
	ann, err := identity.ParseGUID(people[0].guid)
	if err != nil {
		t.Fatal(err)
	}
	for _, behaviour := range []string{"good", "does not find"} {
		if located, err := start(t, behaviour, connector.Options{}).Locate(t.Context(), []identity.GUID{ann}, staff); err == nil || !strings.Contains(err.Error(), people[0].dn+` is in scope "staff", and was not in what was read`) {
			t.Errorf("%s: %v, %v", behaviour, located, err)
		}
	}
}

// TestNoConfig: a connector without a configuration is given an object all the same.
func TestNoConfig(t *testing.T) {
	s := start(t, "wants an object", connector.Options{Config: json.RawMessage("null")})
	if _, err := s.Read(t.Context(), staff, directory.NewCollector(staff), nil); err != nil {
		t.Error(err)
	}
}

func init() {
	behaviours["wants an object"] = on("hello", func(k *program, r request) {
		if string(r.Config) != "{}" {
			os.Exit(1)
		}
		k.answer(r)
	})
	const token = "tok-5f3c9a"
	behaviours["tells a part of a secret"] = says("read", `{"id":%d,"dn":"`+strings.Repeat("x", 74)+token+`"}`)
	behaviours["has a secret code"] = says("read", `{"id":%d,"error":{"code":"`+token+`"}}`)
	behaviours["tells secrets"] = func(k *program) {
		var token string
		k.serve(map[string]func(request){
			"hello": func(r request) {
				var config struct{ Token string }
				json.Unmarshal(r.Config, &config)
				token = config.Token
				fmt.Fprintln(os.Stderr, "token", token)
				k.say(`{"id":%d,"protocol":1,"name":"of %s","version":%q,"facts":{"find":true}}`, r.ID, token, token)
			},
			"read": func(r request) {
				k.say(`{"id":%d,"progress":"with %s"}`, r.ID, token)
				k.say(`{"id":%d,"dn":"not %s"}`, r.ID, token)
			},
			"check": func(r request) {
				k.say(`{"id":%d,"findings":[{"check":%[2]q,"status":"failed","evidence":%[2]q,"remedy":%[2]q}]}`, r.ID, token)
			},
		})
	}
}

// failing are connectors that fail one test, and what is said then.
var failing = []struct {
	name   string
	behave func(*program)
	test   string
	found  string // a part
}{
	{"test: says no name", says("hello", `{"id":%d,"protocol":1}`), "hello", "it does not say its name"},
	{"test: reads otherwise", func(k *program) {
		k.serve(map[string]func(request){"read": func(r request) {
			k.reads++
			k.say(`{"id":%d,"dn":"CN=%d,OU=Staff,O=cloud","attributes":{"mail":["ann@example.com"],"objectGUID":["8c4ac332-975f-4717-ad7b-ba4a4e968fff"]}}`, r.ID, k.reads)
			k.say(`{"id":%d,"objects":1,"complete":true}`, r.ID)
		}})
	}, "read again", "CN=2,OU=Staff,O=cloud did not come again; CN=3,OU=Staff,O=cloud came anew"},
	{"test: counts wrong", says("read", `{"id":%d,"objects":1,"complete":true}`), "read", "says that it sent 1 objects, and sent 0"},
	{"test: gives others", says("read", `{"id":%d,"objects":0,"complete":true}`), "scopes", "takes none"},
	{"test: gives no GUID", says("read", anObject, `{"id":%d,"objects":1,"complete":true}`), "attributes", "CN=Ann,OU=Staff,O=cloud has no GUID"},
	{"test: finds nobody", says("find", `{"id":%d,"objects":0}`), "find", "did not find CN=Ann Smith,OU=Staff,O=cloud by dn"},
	{"test: finds less", says("find", `{"id":%d,"dn":"CN=Ann Smith,OU=Staff,O=cloud"}`, `{"id":%d,"objects":1}`), "find", "other values than read gave"},
	{"test: finds somebody", on("find", func(k *program, r request) {
		k.object(r.ID, 0)
		k.object(r.ID, 1)
		k.say(`{"id":%d,"objects":2}`, r.ID)
	}), "find nobody", "which nobody asked for"},
	{"test: reads by scopes alone", on("read", func(k *program, r request) {
		if r.Scopes[0].Base == "" {
			k.say(`{"id":%d,"objects":0,"complete":true}`, r.ID)
			return
		}
		k.answer(r)
	}), "read everything", "CN="},
	{"test: finds the first alone", on("find", func(k *program, r request) {
		for _, list := range []*[]string{&r.GUIDs, &r.Addresses, &r.DNs, &r.Usernames} {
			*list = (*list)[:min(len(*list), 1)]
		}
		k.answer(r)
	}), "find", "found 0 of 2 that were asked for at once, by dns"},
	{"test: finds by one list", on("find", func(k *program, r request) {
		left := []*[]string{&r.GUIDs, &r.Addresses, &r.DNs, &r.Usernames}
		for i, list := range left {
			if len(*list) > 0 {
				for _, other := range left[i+1:] {
					*other = nil
				}
			}
		}
		k.answer(r)
	}), "find", "by dns, beside guids, addresses and usernames that nothing has"},
	{"test: says more after bye", on("bye", func(k *program, r request) {
		k.object(r.ID, 0)
		k.answer(r)
	}), "bye", "wrote something that belongs to no request"},
	{"test: finds wrong", says("check", `{"id":%d,"findings":[{"check":"x","status":"bad"}]}`), "check", `whose status "bad"`},
	{"test: answers all", on("rollcall-test", func(k *program, r request) { k.say(`{"id":%d}`, r.ID) }), "unknown request", "answered a type that it cannot know"},
	{"test: calls it internal", on("rollcall-test", func(k *program, r request) { k.say(`{"id":%d,"error":{"code":"internal"}}`, r.ID) }), "unknown request", `the error "internal"`},
	{"test: stays", on("bye", func(k *program, r request) {
		k.say(`{"id":%d}`, r.ID)
		hang()
	}), "bye", "had not ended 200ms after bye"},
	{"test: does not hear", func(k *program) {
		k.serve(map[string]func(request){"check": func(r request) {
			k.answer(r)
		}, "hello": func(r request) {
			k.answer(r)
			if r := k.hearOrHang(); r.Type != "" {
				k.answer(r)
			}
		}})
	}, "end of input", "had not ended 200ms after the end of its input"},
}

// hearOrHang returns the next request, and does not end without one.
func (k *program) hearOrHang() request {
	if _, err := k.in.Peek(1); err != nil {
		hang()
	}
	return k.hear()
}

// TestContract: a connector that behaves passes every test, and one that does not fails
// the one that is for that.
func TestContract(t *testing.T) {
	results := func(t *testing.T, behaviour string) map[string]directory.TestResult {
		all := map[string]directory.TestResult{}
		if err := start(t, behaviour, connector.Options{Grace: 200 * time.Millisecond}).Test(t.Context(), staff, func(r directory.TestResult) { all[r.Name] = r }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	good := results(t, "good")
	for _, r := range good {
		if r.Outcome != directory.Passed || r.Found == "" || r.Asks == "" {
			t.Errorf("%+v", r)
		}
	}
	if len(good) != len(tests) {
		t.Errorf("%d tests", len(good))
	}
	if r := results(t, "does not find"); r["find"].Outcome != directory.Skipped || r["find nobody"].Outcome != directory.Skipped {
		t.Errorf("%+v", r)
	}
	for _, f := range failing {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if r := results(t, f.name)[f.test]; r.Outcome != directory.NotPassed || !strings.Contains(r.Found, f.found) {
				t.Errorf("%+v, want %s", r, f.found)
			}
		})
	}
	err := start(t, "read auth", connector.Options{}).Test(t.Context(), staff, func(directory.TestResult) {})
	if !errors.As(err, new(*directory.RefusedError)) {
		t.Errorf("%v", err)
	}
}

// TestDiagnoseFails: what fails is a failed check, and refused credentials are known.
func TestDiagnoseFails(t *testing.T) {
	for behaviour, refused := range map[string]bool{"ends at once": false, "hello auth": true, "dies": false} {
		report, err := start(t, behaviour, connector.Options{}).Diagnose(t.Context(), staff, time.Now, nil)
		if err != nil || report.Refused != refused || report.Count(doctor.Failed) == 0 {
			t.Errorf("%s: %+v, %v", behaviour, report, err)
		}
	}
}

// FuzzObject: the short way and the long way through an object agree.
func FuzzObject(f *testing.F) {
	f.Add([]byte(`"dn":"CN=Ann","attributes":{"mail":["ann@example.com"],"MAIL;lang-de":["a"],"x":null,"y":[]}`))
	f.Add([]byte(`"dn" : "CN=Ann, O=x" , "deleted" : true , "attributes" : { "proxyAddresses" : [ "SMTP:a\u0040b.c" , "\ud800" ] }`))
	f.Add([]byte(`"dn":"CN=Ann","attributes":{"mail":["a"],"mail":["b"],"id":[{"a":1}]},"deleted":false`))
	f.Add([]byte(`"dn":"CN=Ann","attributes":{"mail;range=0-1":["a"],"mail;deleted":["b"]}`))
	f.Add([]byte(`"x":{"a":[1,"}"]},"attributes":{"mail":["a"]},"deleted":false,"dn":"CN=Ann"`))
	f.Add([]byte(`"dn":"x","attributes":{"mail":["\x00"]}`))
	f.Fuzz(func(t *testing.T, object []byte) {
		text := append(append([]byte(`{"id":2,`), object...), '}')
		if connector.CheckUTF8(text) != nil {
			return
		}
		attributes := []string{"id", "isdeleted", "mail", "proxyaddresses"}
		var short, long decoder
		short.holding(attributes, newSelection())
		long.holding(attributes, newSelection())
		s, ok := short.plain(text)
		l, err := long.any(text)
		if !ok {
			return
		}
		if err != nil || !l.Object || l.ID != s.ID {
			t.Fatalf("%q is read in the short way, and in the long one: %+v, %v", text, l, err)
		}
		a, b := &short.object, &long.object
		if (a.odd == nil) != (b.odd == nil) || a.odd == nil && a.DN() != b.DN() || hashOf(a, attributes) != hashOf(b, attributes) {
			t.Fatalf("%q: %s %q, and %s %q", text, a.DN(), a.Values("mail"), b.DN(), b.Values("mail"))
		}
	})
}

// BenchmarkRead measures a read of 100,000 objects: the connector's own time is in it.
func BenchmarkRead(b *testing.B) {
	s := start(b, "many", connector.Options{})
	for b.Loop() {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		collector := directory.NewCollector(staff)
		if _, err := s.Read(b.Context(), staff, collector, nil); err != nil {
			b.Fatal(err)
		}
		entries := collector.Entries()
		if len(entries) != many {
			b.Fatal(len(entries))
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		runtime.KeepAlive(entries)
	}
}

func BenchmarkLine(b *testing.B) {
	text := []byte(`{"id":2,"dn":"CN=First Last 1,OU=Staff,O=cloud","attributes":{"displayName":["First Last"],"mail":["first.last1@example.com"],"objectGUID":["8c4ac332-975f-4717-ad7b-000000000001"],"proxyAddresses":["SMTP:first.last1@example.com","smtp:alias1@example.com"],"sAMAccountName":["user1"]}}`)
	var d decoder
	d.holding([]string{"displayname", "isdeleted", "mail", "objectguid", "proxyaddresses", "samaccountname"}, newSelection())
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.line(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("any", func(b *testing.B) {
		for b.Loop() {
			if _, err := d.any(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
