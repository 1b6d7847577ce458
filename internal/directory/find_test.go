package directory

import (
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/filter"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// TestFindFilter: the filter of a query names every attribute that may hold it,
// those of the scopes among them, and is a filter whatever the subject is.
func TestFindFilter(t *testing.T) {
	s := staff()
	s.PrimaryAttribute, s.AliasAttributes, s.UsernameAttribute, s.GUIDAttribute = "extensionAttribute1", []string{"otherMailbox"}, "employeeID", "mS-DS-ConsistencyGuid"
	g, err := identity.ParseGUID("8c4ac332-975f-4717-ad7b-ba4a4e968fff")
	if err != nil {
		t.Fatal(err)
	}
	const wire = `\32\c3\4a\8c\5f\97\17\47\ad\7b\ba\4a\4e\96\8f\ff`
	for _, tt := range []struct {
		query Query
		want  []string
	}{
		{Query{}, nil},
		{Query{DN: "CN=x"}, nil},
		{Query{Addresses: []string{"a@x.example"}}, []string{
			"extensionattribute1=a@x.example", "extensionattribute1=smtp:a@x.example", "extensionattribute1=SMTP:a@x.example", "mail=a@x.example",
			"mailalternateaddress=a@x.example", "mailalternateaddress=smtp:a@x.example", "mailalternateaddress=SMTP:a@x.example",
			"maillocaladdress=a@x.example", "maillocaladdress=smtp:a@x.example", "maillocaladdress=SMTP:a@x.example",
			"othermailbox=a@x.example", "othermailbox=smtp:a@x.example", "othermailbox=SMTP:a@x.example",
			"proxyaddresses=a@x.example", "proxyaddresses=smtp:a@x.example", "proxyaddresses=SMTP:a@x.example", "userprincipalname=a@x.example",
		}},
		{Query{Username: "*)(uid=*"}, []string{
			`employeeid=\2a\29\28uid=\2a`, `samaccountname=\2a\29\28uid=\2a`, `uid=\2a\29\28uid=\2a`, `userprincipalname=\2a\29\28uid=\2a`,
		}},
		{Query{GUID: g}, []string{
			"entryuuid=8c4ac332-975f-4717-ad7b-ba4a4e968fff",
			"ms-ds-consistencyguid=8c4ac332-975f-4717-ad7b-ba4a4e968fff", "ms-ds-consistencyguid=8c4ac332-975f4717-ad7bba4a-4e968fff", "ms-ds-consistencyguid=" + wire,
			"nsuniqueid=8c4ac332-975f-4717-ad7b-ba4a4e968fff", "nsuniqueid=8c4ac332-975f4717-ad7bba4a-4e968fff",
			"objectguid=" + wire,
		}},
	} {
		j, err := NewJudge(tt.query, []Scope{s})
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		if len(tt.want) > 0 {
			want = "(|(" + strings.Join(tt.want, ")(") + "))"
		}
		if got := j.Filter(); got != want {
			t.Errorf("%+v\n got %s\nwant %s", tt.query, got, want)
		}
	}
}

// FuzzFindFilter: no subject is more than a value in the filter.
func FuzzFindFilter(f *testing.F) {
	f.Add("ann@example.com")
	f.Add("*)(mail=*")
	f.Add("\x00\xff\\ \u202e")
	f.Fuzz(func(t *testing.T, subject string) {
		j, err := NewJudge(Query{Addresses: []string{subject}, Username: subject}, nil)
		if err != nil {
			t.Fatal(err)
		}
		text := j.Filter()
		if subject == "" && text == "" {
			return
		}
		parsed, err := filter.Parse(text)
		if err != nil || !strings.HasPrefix(text, "(|(") {
			t.Fatalf("%q: %s: %v", subject, text, err)
		}
		if names := []string{"mail", "mailalternateaddress", "maillocaladdress", "proxyaddresses", "samaccountname", "uid", "userprincipalname"}; !slices.Equal(parsed.Attributes(), names) {
			t.Errorf("%q: %s reads %q", subject, text, parsed.Attributes())
		}
		if stranger := newObject("mail: somebody@example.com", "uid: somebody"); parsed.Match(stranger) && !strings.EqualFold(strings.TrimSpace(subject), "somebody@example.com") && !strings.EqualFold(strings.TrimSpace(subject), "somebody") {
			t.Errorf("%q: %s finds somebody", subject, text)
		}
	})
}
