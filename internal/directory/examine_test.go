package directory

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// scripted is a source that does with a sink what it is reported.
type scripted func(Sink) (identity.Receipt, error)

func (s scripted) Read(_ context.Context, _ []Scope, sink Sink, _ func(Progress)) (identity.Receipt, error) {
	return s(sink)
}

// values is an object with one value of each attribute.
type values map[string]string

func (values) DN() string { return "cn=x" }
func (v values) Values(name string) [][]byte {
	if v[name] == "" {
		return nil
	}
	return [][]byte{[]byte(v[name])}
}
func (values) Options(string, int) string              { return "" }
func (values) Attributes() iter.Seq2[string, [][]byte] { return func(func(string, [][]byte) bool) {} }

// hinting is an error with advice.
type hinting struct{ error }

func (hinting) Hint() string { return "mind the gap" }

func TestExamine(t *testing.T) {
	scopes := []Scope{
		{Name: "a", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, Type: Users},
		{Name: "b", PrimaryAttribute: "mail", Type: Users, UsernameAttribute: "uid", Attributes: []Attribute{{"mail_too", "mail"}, {"title", "title"}}},
	}
	whole := values{"title": "Dr", "mail": "ann@example.com", "proxyaddresses": "smtp:a@example.com", "entryuuid": "8c4ac332-975f-4717-ad7b-ba4a4e968fff"}
	nameless := values{"mail": "bob@example.com"}
	foreign := values{"proxyaddresses": "X500:/o=x", "entryuuid": "8c4ac332-975f-4717-ad7b-ba4a4e968fff"}
	for _, c := range []struct {
		name    string
		read    scripted
		want    []string
		refused bool
	}{
		{"counts", func(s Sink) (identity.Receipt, error) {
			err := errors.Join(s.Put(0, whole), s.Put(0, foreign), s.Put(1, whole), s.Put(1, nameless))
			return identity.Receipt{Server: "dc1", Pages: 2, Ranged: 3, References: []string{"ldap://x"}}, err
		}, []string{
			"read ok: complete: 4 objects of the scopes [from dc1, 2 pages, 3 values came in ranges, refers to ldap://x]",
			"entries ok: of 1 entry, 1 with mail, 1 with proxyAddresses, 1 with a GUID [2 objects, 1 with an address]",
			"entries warning: of 2 entries, 2 with mail, 0 with uid, 1 with title, 1 with a GUID [2 objects, 2 with an address] set guid_attribute",
		}, false},
		{"replaced", func(s Sink) (identity.Receipt, error) {
			return identity.Receipt{}, errors.Join(s.Put(0, whole), s.Put(0, whole), s.Put(0, nameless), s.Replace(0, 1, whole), s.Replace(1, 0, nil), s.Replace(2, 0, whole))
		}, []string{
			"read ok: complete: 2 objects of the scopes []",
			"entries ok: of 1 entry, 1 with mail, 1 with proxyAddresses, 1 with a GUID [1 object, 1 with an address]",
			"entries warning: of 1 entry, 1 with mail, 0 with uid, 1 with title, 1 with a GUID [1 object, 1 with an address] no entry has uid: correct the name",
		}, false},
		{"started over", func(s Sink) (identity.Receipt, error) {
			return identity.Receipt{}, errors.Join(s.Put(0, whole), s.Reset())
		}, []string{
			"read ok: complete: 0 objects of the scopes []",
			"entries warning: no entry with an address was found [0 objects, 0 with an address]",
			"entries warning: no entry with an address was found [0 objects, 0 with an address]",
		}, false},
		{"cut", func(s Sink) (identity.Receipt, error) {
			return identity.Receipt{}, &ReadError{Directory: "corp", From: "here", Err: hinting{errors.New("cut off")}}
		}, []string{
			"read failed: cut off [] mind the gap",
			"entries skipped: not tested, because read of here failed []",
			"entries skipped: not tested, because read of here failed []",
		}, false},
		{"refused", func(s Sink) (identity.Receipt, error) {
			return identity.Receipt{}, &RefusedError{Directory: "corp", From: "dc2", Err: errors.New("wrong password")}
		}, []string{
			`read failed: directory "corp": dc2: wrong password []`,
			"entries skipped: not tested, because read of here failed []",
			"entries skipped: not tested, because read of here failed []",
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &doctor.Report{}
			Examine(context.Background(), c.read, "here", scopes, r, nil)
			var got []string
			for _, k := range r.Checks {
				line := k.Name + " " + string(k.Status) + ": " + k.Finding + " [" + strings.Join(k.Evidence, ", ") + "]"
				if k.Remedy != "" {
					line += " " + k.Remedy
				}
				got = append(got, line)
			}
			if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			if r.Refused != c.refused {
				t.Errorf("refused is %v", r.Refused)
			}
		})
	}
}
