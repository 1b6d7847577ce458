package scim

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// TestMarkText: marks are what they were, whatever their names have in them, and no text
// of another form is taken for one.
func TestMarkText(t *testing.T) {
	for _, lineage := range []string{"", lineageA} {
		for _, m := range []identity.Mark{
			{By: "hq", Directory: "corp", GUID: guid}, {By: "hq:a", Directory: "b/c", GUID: guid}, {By: "hq", Directory: "a:b/c%3A", GUID: guid}, {By: "%", Directory: "%2F"},
		} {
			text := externalID(m, lineage)
			if got, of := markOf(text); got != m || of != lineage {
				t.Errorf("%q is %+v of %q", text, got, of)
			}
		}
	}
	for _, text := range []string{"hq", "hq:corp", "hq:corp/x", ":corp/" + guidText, "hq:/" + guidText, "hq:corp/" + guidText + " ", "hq:corp/{" + guidText + "}", "a:b:c/" + guidText, "hq%:corp/" + guidText, "hq:corp/00000000-0000-0000-0000-000000000000",
		"hq:corp/" + guidText + "/", "hq:corp/" + guidText + "/1", "hq:corp/" + guidText + "/" + lineageA + "/", "hq:corp/" + guidText + "/" + strings.ToUpper(lineageA)} {
		if m, lineage := markOf(text); m.Directory != "" || m.By == "hq" || m.IsZero() || lineage != "" {
			t.Errorf("%q is %+v of %q", text, m, lineage)
		}
	}
}

func FuzzMark(f *testing.F) {
	f.Add("hq:corp/"+guidText, "hq", "corp")
	f.Add("hq:corp/"+guidText+"/"+lineageA, "hq", "corp")
	f.Add("00u1", "a:b", "c/d%3A")
	f.Add("%:%/", "%25", "%")
	f.Fuzz(func(t *testing.T, text, by, directory string) {
		if m, lineage := markOf(text); m.Directory != "" && externalID(m, lineage) != text {
			t.Errorf("%q is %+v of %q, which is written %q", text, m, lineage, externalID(m, lineage))
		}
		if by == "" || directory == "" {
			return
		}
		m := identity.Mark{By: by, Directory: directory, GUID: guid}
		for _, lineage := range []string{"", lineageA} {
			if got, of := markOf(externalID(m, lineage)); got != m || of != lineage {
				t.Errorf("%+v is %+v of %q", m, got, of)
			}
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	for _, text := range []string{"7", "1e300", "-1", "NaN", "Sun, 29 Nov 2026 00:01:00 GMT", "soon", "0x7fp1", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d := retryAfter(text, now); d < 0 || d > 24*time.Hour {
			t.Errorf("%q is %v", text, d)
		}
	})
}

// FuzzUser: whatever a service sends becomes an account that can be written back, and
// what is written is read as it was meant.
func FuzzUser(f *testing.F) {
	f.Add([]byte(person("ann", ours, `"id":"u-1"`, `"displayName":"Ann"`)))
	f.Add([]byte(`{"id":"1","USERNAME":"Ann","emails":[{"Value":"A@example.com"},{"value":"b@example.com","primary":"True"},null,7],"active":"False","name":7}`))
	f.Add([]byte(`{"id":"1","userName":"ann@example.com","emails":{},"urn:ietf:params:scim:schemas:extension:enterprise:2.0:user":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := &Console{client: &client{login: &constant{}}}
		_, l, err := c.decode(body)
		if err != nil || l.Odd != "" {
			return
		}
		tr, err := parse(body)
		if err != nil {
			return // values of equal names, of which the last is none
		}
		want := *l
		want.Account.Primary = identity.MustAddress("new@example.com")
		want.Aliases = []identity.Address{identity.MustAddress("alias@example.com")}
		want.Status = identity.Inactive
		want.Mark = identity.Mark{By: "hq", Directory: "corp", GUID: guid}
		want.Attributes = []identity.Attribute{{Name: "department", Value: "Sales"}, {Name: identity.DisplayName, Value: "Ann"}, {Name: "given_name", Value: "A"}}
		fields := []string{plan.FieldPrimary, plan.FieldAliases, plan.FieldStatus, plan.FieldOwner}
		for _, a := range attributes {
			fields = append(fields, a.name)
		}
		all := edits(tr, l, &want, fields, "")
		for i := range all {
			if !json.Valid(encode(all[i].operation(tr))) {
				t.Error("an operation is no JSON")
			}
		}
		for i := range all {
			all[i].to(tr)
		}
		if hasTwins(body) {
			return // nobody knows which of two equal names counts
		}
		_, got, err := c.decode(encode(tr))
		if err != nil {
			t.Fatal(err)
		}
		if got.Odd == "" && (got.Primary != want.Primary || !reflect.DeepEqual(got.Aliases, want.Aliases) || got.Status != want.Status || got.Mark != want.Mark || !reflect.DeepEqual(got.Attributes, want.Attributes)) {
			t.Errorf("%s\nbecame %s\nwhich is %+v", body, encode(tr), got)
		}
	})
}

// hasTwins reports whether a name of the object stands there in two letter cases, or
// twice.
func hasTwins(body []byte) bool {
	var m map[string]json.RawMessage
	if json.Unmarshal(body, &m) != nil {
		return true
	}
	seen := map[string]bool{}
	for k := range m {
		k := string(bytes.ToLower([]byte(k)))
		if seen[k] {
			return true
		}
		seen[k] = true
	}
	d := json.NewDecoder(bytes.NewReader(body))
	names, depth := map[string]bool{}, 0
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else {
				depth--
			}
		case string:
			if k := string(bytes.ToLower([]byte(v))); depth >= 1 {
				if names[k] {
					return true // or a value that is a name, too
				}
				names[k] = true
			}
		}
	}
}

func FuzzBulkStatus(f *testing.F) {
	for _, text := range []string{`"201"`, `201`, `{"code":"409"}`, `{"code":404}`, `[]`, `"x"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if n := bulkStatus(text); n != 0 && (n < 100 || n > 599) {
			t.Errorf("%s is %d", text, n)
		}
	})
}

func FuzzRefOf(f *testing.F) {
	for _, text := range []string{"/scim/v2/Users/u-1", "https://idp.example.com/Users/a%2Fb?x", "Users/", "/Users/..", ":"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if ref := refOf(text); ref == "." || ref == ".." || ref == "/" || ref == "Users" {
			t.Errorf("%q is %q", text, ref)
		}
	})
}
