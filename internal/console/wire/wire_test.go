package wire

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

var (
	guid, _ = identity.ParseGUID("8c4ac332-975f-4717-ad7b-ba4a4e968fff")
	all     = plan.Facts{Marks: true}
	byText  = cmp.Comparer(func(a, b identity.Address) bool { return a == b })
)

func addresses(texts ...string) (all []identity.Address) {
	for _, text := range texts {
		all = append(all, identity.MustAddress(text))
	}
	return all
}

// ann is an account with every field.
func ann() identity.Live {
	return identity.Live{
		Ref: "u-17", Rev: "9", Mark: identity.Mark{By: "hq", Directory: "corp", GUID: guid},
		Account: identity.Account{
			Primary: identity.MustAddress("ann@example.com"), Aliases: addresses("a@example.com", "b@example.com"),
			Type: identity.List, Status: identity.Inactive, Username: "ann", DN: "CN=Ann,DC=corp",
			Attributes: []identity.Attribute{{Name: "department", Value: "Bücher"}, {Name: "display_name", Value: `Ann "A" Smith`}},
		},
	}
}

// TestAccounts: an account is read in any layout of JSON, and what cannot be
// understood of it is said.
func TestAccounts(t *testing.T) {
	for _, c := range []struct{ story, account, want string }{
		{"all keys", `{"ref":"u","rev":"1","primary":"ann@example.com","aliases":["b@example.com","a@example.com"],"type":"list","status":"inactive","owner":{"by":"hq","directory":"corp","guid":"8c4ac332-975f-4717-ad7b-ba4a4e968fff"},"username":"ann","dn":"cn=ann","attributes":{"x":"1","a":"2"}}`,
			`{"ref":"u","rev":"1","primary":"ann@example.com","aliases":["a@example.com","b@example.com"],"type":"list","status":"inactive","owner":{"by":"hq","directory":"corp","guid":"8c4ac332-975f-4717-ad7b-ba4a4e968fff"},"username":"ann","dn":"cn=ann","attributes":{"a":"2","x":"1"}}`},
		{"only a primary, spaces, another order", ` { "dn" : "" , "primary" : "Ann@Example.com" } `,
			`{"primary":"ann@example.com","aliases":[],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{}}`},
		{"no primary", `{"ref":"u","primary":null}`,
			`{"ref":"u","primary":null,"aliases":[],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{}}`},
		{"null everywhere", `{"ref":null,"rev":null,"primary":"a@b.c","aliases":null,"type":null,"status":null,"owner":null,"username":null,"dn":null,"attributes":null}`,
			`{"primary":"a@b.c","aliases":[],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{}}`},
		{"aliases that fold to one, and to the primary", `{"primary":"a@b.c","aliases":["X@b.c","x@B.c","A@b.c"]}`,
			`{"primary":"a@b.c","aliases":["x@b.c"],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{}}`},
		{"escapes, and attributes without a value", `{"primary":"a\u0040b.c","attributes":{"name":"J\u00fcrgen","none":"","null":null}}`,
			`{"primary":"a@b.c","aliases":[],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{"name":"Jürgen"}}`},
		{"keys that nobody knows", `{"primary":"a@b.c","quota":{"mb":[1,2]},"attributes":{}}`,
			`{"primary":"a@b.c","aliases":[],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{}}`},
		{"a key twice", `{"primary":"a@b.c","primary":"x@b.c"}`,
			`{"primary":"x@b.c","aliases":[],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{}}`},
		{"malformed addresses", `{"ref":"u","primary":"nobody","aliases":["x@b.c","no\u202e@","y@@b.c","a b@b.c","@b.c"]}`,
			`{"ref":"u","primary":null,"aliases":["x@b.c"],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{}}` +
				` odd: primary "nobody": an address has exactly one @; alias "no\u202e@": the part before the @ consists of letters, digits and !#$%&'*+-/=?^_` + "`" + `{|}~ with single dots between them (RFC 5321 dot-string); alias "y@@b.c": an address has exactly one @; and 2 more`},
		{"an unknown type and status", `{"primary":"a@b.c","type":"robot","status":"asleep"}`,
			`{"primary":"a@b.c","aliases":[],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{}}` +
				` odd: type "robot" is neither "user" nor "list"; status "asleep" is neither "active" nor "inactive"`},
		{"values of a wrong kind", `{"ref":7,"primary":"a@b.c","aliases":"x@b.c","attributes":{"room":12}}`,
			`{"primary":"a@b.c","aliases":[],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{}}` +
				` odd: ref is a number, where a string is expected; aliases is a string, where a list is expected; attribute "room" is a number, where a string is expected`},
		{"half an owner", `{"primary":"a@b.c","owner":{"by":"hq","guid":"12"}}`,
			`{"primary":"a@b.c","aliases":[],"type":"user","status":"active","owner":{"by":"hq","directory":"","guid":""},"username":"","dn":"","attributes":{}}` +
				` odd: owner "12": ` + identity.ErrGUID.Error() + `; owner lacks "by", "directory" or "guid"`},
		{"no owner", `{"primary":"a@b.c","owner":{}}`,
			`{"primary":"a@b.c","aliases":[],"type":"user","status":"active","owner":null,"username":"","dn":"","attributes":{}}`},
	} {
		var d Decoder
		l, err := d.Line([]byte(`{"id":2,"account":` + c.account + `}`))
		if err != nil || l.ID != 2 || l.Account == nil {
			t.Errorf("%s: %v", c.story, err)
			continue
		}
		got := string(AppendAccount(nil, l.Account, &all))
		if l.Account.Odd != "" {
			got += " odd: " + l.Account.Odd
		}
		if got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.story, got, c.want)
		}
	}
}

// TestNoMessage: a line that is no message is told apart.
func TestNoMessage(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"", "it is empty"},
		{"Connecting...", "it is not JSON: invalid character 'C' looking for beginning of value"},
		{`{"id":1`, "it is not JSON: unexpected end of JSON input"},
		{`{"id":1} {"id":2}`, "it is not JSON: invalid character '{' after top-level value"},
		{`["id",1]`, "it is a list, where an object is expected"},
		{`"hello"`, "it is a string, where an object is expected"},
		{`17`, "it is a number, where an object is expected"},
		{`null`, "it is null, where an object is expected"},
		{"\ufeff{\"id\":1}", "it begins with a byte order mark"},
		{"{\"id\":1,\"name\":\"a\x00b\"}", "it has a NUL octet"},
		{"{\"id\":1,\"name\":\"J\xfcrgen\"}", "it is not valid UTF-8"},
		{`{"ok":true}`, `it has no "id"`},
		{`{"id":null,"ok":true}`, `it has no "id"`},
		{`{"id":"1"}`, `"id" is a string, where a whole number is expected`},
		{`{"id":1.5}`, `"id" is 1.5, where a whole number is expected`},
		{`{"id":1,"done":"2"}`, `"done" is a string, where a whole number is expected`},
		{`{"id":1,"ok":1}`, `"ok" is a number, where true or false is expected`},
		{`{"id":1,"key":12,"ok":true}`, `"key" is a number, where a string is expected`},
		{`{"id":1,"error":"no"}`, `"error" is a string, where an object with code and message is expected`},
		{`{"id":1,"account":"u-17"}`, `"account": it is a string, where an object is expected`},
		{`{"id":1,"findings":[3]}`, `"findings" is a list, where a list of objects of strings is expected`},
	} {
		var d Decoder
		if l, err := d.Line([]byte(c.line)); err == nil || err.Error() != c.want {
			t.Errorf("%q: %v, %v, want %s", c.line, l, err, c.want)
		}
	}
}

// TestErrors: a code that is not known is internal, and a time to wait is bounded.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		text string
		want apply.Error
	}{
		{`{"code":"taken","message":"m","address":"x@example.com","holder":"u-9"}`, apply.Error{Code: apply.Taken, Message: "m", Address: "x@example.com", Holder: "u-9"}},
		{`{"code":"throttled","retry_after":1.5}`, apply.Error{Code: apply.Throttled, RetryAfter: 1500 * time.Millisecond}},
		{`{"code":"throttled","retry_after":1e300}`, apply.Error{Code: apply.Throttled, RetryAfter: 24 * time.Hour}},
		{`{"code":"throttled","retry_after":-3}`, apply.Error{Code: apply.Throttled}},
		{`{"code":"E1234"}`, apply.Error{Code: apply.Internal}},
		{`{}`, apply.Error{Code: apply.Internal}},
	} {
		var d Decoder
		l, err := d.Line([]byte(`{"id":3,"key":"k","ok":null,"error":` + c.text + `}`))
		if err != nil || *l.Error != c.want {
			t.Errorf("%s: %+v, %v", c.text, l.Error, err)
		}
	}
}

// TestChanges: what a connector is asked to do.
func TestChanges(t *testing.T) {
	live, after := ann(), ann().Account
	after.Directory, after.GUID = "corp", guid
	after.Aliases, after.Type, after.Status, after.Username = nil, identity.User, identity.Active, ""
	after.Attributes = after.Attributes[:1]
	const before = `{"ref":"u-17","rev":"9","primary":"ann@example.com","aliases":["a@example.com","b@example.com"],"type":"list","status":"inactive",` +
		`"owner":{"by":"hq","directory":"corp","guid":"8c4ac332-975f-4717-ad7b-ba4a4e968fff"},"username":"ann","dn":"CN=Ann,DC=corp","attributes":{"department":"Bücher","display_name":"Ann \"A\" Smith"}}`
	local := after
	local.Directory = ""
	for _, c := range []struct {
		story string
		step  apply.Step
		facts plan.Facts
		want  string
	}{
		{"a creation has all, with what is given at first alone",
			apply.Step{Key: "k-1", Group: 4, After: &after, By: "hq", Initial: []identity.Attribute{{Name: "department", Value: "none"}, {Name: "policy", Value: "ungrouped"}}}, all,
			`{"key":"k-1","op":"put","group":4,"after":{"primary":"ann@example.com","aliases":[],"type":"user","status":"active","owner":{"by":"hq","directory":"corp","guid":"8c4ac332-975f-4717-ad7b-ba4a4e968fff"},` +
				`"username":null,"dn":"CN=Ann,DC=corp","attributes":{"department":"Bücher","policy":"ungrouped"}}}`},
		{"a change has what changes, and null for what is cleared",
			apply.Step{Key: "k-2", Live: &live, After: &after, By: "hq", Fields: []string{"aliases", "username", "department", "display_name"}, Clear: []string{"display_name"},
				Moves: []apply.Move{{Address: identity.MustAddress("x@example.com"), From: "u-9"}}}, all,
			`{"key":"k-2","op":"put","group":0,"ref":"u-17","rev":"9","before":` + before + `,"after":{"aliases":[],"username":null,"attributes":{"department":"Bücher","display_name":null}},"moves":[{"address":"x@example.com","from":"u-9"}]}`},
		{"a removal", apply.Step{Key: "k-3", Live: &live}, all,
			`{"key":"k-3","op":"remove","group":0,"ref":"u-17","rev":"9","before":` + before + `}`},
		{"a release takes the mark away", apply.Step{Key: "k-4", Live: &live, After: &local, By: "hq", Fields: []string{"owner"}}, all,
			`{"key":"k-4","op":"put","group":0,"ref":"u-17","rev":"9","before":` + before + `,"after":{"owner":null}}`},
		{"what the console does not store is left out",
			apply.Step{Key: "k-5", Live: &live, After: &after, By: "hq", Fields: []string{"primary", "status", "username", "department", "display_name"}, Clear: []string{"display_name"}},
			plan.Facts{Stores: []string{"aliases", "status", "display_name"}},
			`{"key":"k-5","op":"put","group":0,"ref":"u-17","rev":"9","before":{"ref":"u-17","rev":"9","primary":"ann@example.com","aliases":["a@example.com","b@example.com"],"status":"inactive","attributes":{"display_name":"Ann \"A\" Smith"}},` +
				`"after":{"primary":"ann@example.com","status":"active","attributes":{"display_name":null}}}`},
		{"nothing but the primary", apply.Step{Key: "k-6", After: &after, By: "hq"}, plan.Facts{Stores: []string{}},
			`{"key":"k-6","op":"put","group":0,"after":{"primary":"ann@example.com"}}`},
	} {
		if got := string(AppendChange(nil, &c.step, &c.facts)); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.story, got, c.want)
		}
	}
}

// TestSaved: accounts that were written are read as they were, odd ones too, in
// the order of their primaries.
func TestSaved(t *testing.T) {
	from := &Saved{Name: "gateway", Kind: "exec", Product: "acme", Version: "3", Facts: plan.Facts{Marks: true, Batch: 5, Publishes: true, Exclusive: true}}
	second := identity.Live{Ref: "u-2", Odd: `primary "nobody": an address has exactly one @`}
	accounts := []identity.Live{ann(), {Ref: "u-3"}, second}
	var file bytes.Buffer
	if err := WriteAccounts(&file, from, accounts); err != nil {
		t.Fatal(err)
	}
	var read []identity.Live
	got, err := ReadAccounts(bytes.NewReader(file.Bytes()), func(a identity.Live) error { read = append(read, a); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(from, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]identity.Live{second, {Ref: "u-3"}, ann()}, read, byText); diff != "" {
		t.Error(diff)
	}

	whole := file.String()
	lines := strings.SplitAfter(whole, "\n")
	for _, c := range []struct{ story, text, want string }{
		{"nothing", "", "the file is empty"},
		{"another file", "{}\n", "the first line is no header of saved accounts"},
		{"a later version", strings.Replace(whole, `"version":1`, `"version":2`, 1), "the file has version 2, and this program reads version 1"},
		{"no last line", strings.Join(lines[:4], ""), "the last line is missing: the file was cut short"},
		{"half a line", whole[:len(whole)-40], "line 4: the last line has no newline"},
		{"an account less", lines[0] + lines[1] + lines[4], "the last line counts 3 accounts, and the file has 1"},
		{"more behind it", whole + "{}\n", "something follows the last line"},
		{"another line", lines[0] + `{"a":1}` + "\n", `line 2: it is neither an account nor the count of them: "{\"a\":1}"`},
		{"not UTF-8", lines[0] + "{\"account\":{\"ref\":\"\xff\"}}\n", "line 2: it is not valid UTF-8"},
		{"wrong facts", strings.Replace(whole, `"stored"`, `"maybe"`, 1), `line 1: facts: owner "maybe" is neither "none" nor "stored"`},
	} {
		if _, err := ReadAccounts(strings.NewReader(c.text), func(identity.Live) error { return nil }); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.story, err, c.want)
		}
	}
	stop := errors.New("stop")
	if _, err := ReadAccounts(strings.NewReader(whole), func(identity.Live) error { return stop }); err != stop {
		t.Errorf("yield's error: %v", err)
	}
}

// FuzzLine: the short way and the long way through a line agree, and an account
// that is understood is the same when it is written and read again.
func FuzzLine(f *testing.F) {
	a := ann()
	f.Add(AppendAccount(nil, &a, &all))
	f.Add([]byte(`{ "ref" : "u", "primary": "A@b.c", "aliases": [ "x@b.c", "X@b.c" ], "owner": null, "attributes": {"a": "", "b": "1"} }`))
	f.Add([]byte(`{"primary":"a\u0040b.c","attributes":{"a":"1","a":"2"}}`))
	f.Add([]byte(`{"primary":"nobody","type":"robot","owner":{"by":"hq"}}`))
	f.Add([]byte(`{"quota":{"a":["\"",{}]},"ref":null,"attributes":{"a":null,"b":"\ud83d\u0000\/"}}`))
	f.Add([]byte("{\"ref\":\"\x00\xff\"}"))
	f.Fuzz(func(t *testing.T, account []byte) {
		text := append(append([]byte(`{"id":2,"account":`), account...), '}')
		var short, long Decoder
		s, ok := short.accountLine(text)
		l, err := long.Line(text)
		general, generalErr := new(Decoder).anyLine(text)
		if valid := err == nil || err != connector.ErrUTF8; ok && valid && (generalErr != nil || general.Account == nil) {
			t.Fatalf("%q is read in the short way, and in the long one: %v", text, generalErr)
		}
		if ok && err == nil {
			if diff := cmp.Diff(s.Account, general.Account, byText); diff != "" || s.ID != general.ID {
				t.Fatalf("%q: %s", text, diff)
			}
		}
		if err != nil || l.Account == nil || l.Account.Odd != "" {
			return
		}
		again, err := new(Decoder).Line(append(AppendAccount([]byte(`{"id":2,"account":`), l.Account, &all), '}'))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(l.Account, again.Account, byText); diff != "" {
			t.Fatalf("%q: %s", text, diff)
		}
	})
}

func BenchmarkLine(b *testing.B) {
	a := ann()
	a.Attributes[1].Value = "Ann Smith"
	plain := append(AppendAccount([]byte(`{"id":2,"account":`), &a, &all), '}')
	for _, c := range []struct {
		name string
		line []byte
	}{
		{"plain", plain},
		{"escaped", bytes.Replace(plain, []byte("ü"), []byte(`\u00fc`), 1)},
		{"odd", bytes.Replace(plain, []byte("list"), []byte("robot"), 1)},
	} {
		b.Run(c.name, func(b *testing.B) {
			var d Decoder
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Line(c.line); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
