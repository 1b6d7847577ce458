package directory

import (
	"slices"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

func having(values map[string][]string) object {
	o := object{}
	for name, texts := range values {
		for _, text := range texts {
			o[name] = append(o[name], []byte(text))
		}
	}
	return o
}

// TestLister: the values of one attribute, of objects that are there.
func TestLister(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attribute string
		read      Value
		objects   []map[string][]string
		want      []string
	}{
		"addresses": {"proxyAddresses", AddressValue, []map[string][]string{
			{"proxyaddresses": {"SMTP:ann@example.com", " smtp: b@example.com ", "X500:/o=x", "plain@example.com", ""}},
			{"proxyaddresses": {"gone@example.com"}, "isdeleted": {"TRUE"}},
		}, []string{"ann@example.com", "b@example.com", "plain@example.com"}},
		"GUIDs": {"objectGUID", GUIDValue(""), []map[string][]string{
			{"objectguid": {"\x32\xc3\x4a\x8c\x5f\x97\x17\x47\xad\x7b\xba\x4a\x4e\x96\x8f\xff"}},
			{"objectguid": {"{8C4AC332-975F-4717-AD7B-BA4A4E968FFF}", "MsNKjF+XF0ete7pKTpaP/w==", "none"}},
		}, []string{"8c4ac332-975f-4717-ad7b-ba4a4e968fff", "8c4ac332-975f-4717-ad7b-ba4a4e968fff", "8c4ac332-975f-4717-ad7b-ba4a4e968fff"}},
		"numbers of a file": {"employeeNumber", GUIDValue("hr"), []map[string][]string{
			{"employeenumber": {" 4711 "}},
			{"employeenumber": {"{8C4AC332-975F-4717-AD7B-BA4A4E968FFF}", ""}},
		}, []string{identity.NamedGUID("hr:4711").String(), "8c4ac332-975f-4717-ad7b-ba4a4e968fff"}},
		"texts": {"uid", TextValue, []map[string][]string{{"uid": {" ann ", "", "\xff"}}}, []string{"ann", "\uFFFD"}},
	} {
		l := NewLister(&Scope{PrimaryAttribute: c.attribute}, c.read)
		for _, o := range c.objects {
			if err := l.Put(0, having(o)); err != nil {
				t.Fatal(err)
			}
		}
		if got := l.Values(); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestListerReplaces: a newer version of an object counts, and one that went does not.
func TestListerReplaces(t *testing.T) {
	t.Parallel()
	l := NewLister(&Scope{PrimaryAttribute: "mail"}, AddressValue)
	put := func(text string) { _ = l.Put(0, having(map[string][]string{"mail": {text}})) }
	put("lost@example.com")
	_ = l.Reset()
	put("ann@example.com")
	put("bob@example.com")
	_ = l.Replace(0, 0, having(map[string][]string{"mail": {"anna@example.com"}}))
	_ = l.Replace(1, 0, nil)
	if got, want := l.Values(), []string{"anna@example.com"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
