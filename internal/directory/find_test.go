package directory

import (
	"fmt"
	"iter"
	"maps"
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
	// The GUID of eDirectory is in the order of its text.
	s.GUIDAttribute = "GUID"
	j, err := NewJudge(Query{GUID: g}, []Scope{s})
	if err != nil {
		t.Fatal(err)
	}
	if want := `(guid=\8c\4a\c3\32\97\5f\47\17\ad\7b\ba\4a\4e\96\8f\ff)`; !strings.Contains(j.Filter(), want) {
		t.Errorf("%s has no %s", j.Filter(), want)
	}
	o := found{newObject("mail: a@example.com", "GUID: \x8c\x4a\xc3\x32\x97\x5f\x47\x17\xad\x7b\xba\x4a\x4e\x96\x8f\xff")}
	if got := j.Values(o); fmt.Sprint(got) != "[{GUID 8c4ac332-975f-4717-ad7b-ba4a4e968fff}]" {
		t.Errorf("%v", got)
	}
}

// found is an object whose attributes are reported.
type found struct{ object }

func (f found) Attributes() iter.Seq2[string, [][]byte] { return maps.All(f.object) }

// TestFindKinds: what is no entry says why, and a value in a language is reported
// with its language.
func TestFindKinds(t *testing.T) {
	s := staff()
	j, err := NewJudge(Query{Addresses: []string{"a@example.com"}}, []Scope{s})
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[ObstacleKind]found{
		Deleted:  {newObject("mail: a@example.com", "objectClass: nsTombstone")},
		Conflict: {newObject("mail: a@example.com", "ds-sync-conflict: x")},
		System:   {newObject("mail: a@example.com", "msExchRecipientTypeDetails: 549755813888")},
	} {
		f := j.Found(o, j.Values(o), -1, nil)
		if v := f.Verdicts[0]; v.Taken || len(v.Obstacles) == 0 || v.Obstacles[0].Kind != want || f.Deleted != (want == Deleted) {
			t.Errorf("%s: %+v", want, v)
		}
	}
	o := found{newObject("mail: b@example.com", "mail;lang-de: a@example.com")}
	if got := fmt.Sprint(j.Values(o)); got != "[{mail;lang-de a@example.com}]" {
		t.Error(got)
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
