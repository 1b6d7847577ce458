package ldif

import (
	"bytes"
	"io"
	"iter"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// object is an object of one attribute, or of none.
type object struct {
	dn, attribute string
	values        [][]byte
}

var _ directory.Object = object{}

func (o object) DN() string { return o.dn }

func (o object) Values(name string) [][]byte {
	if strings.EqualFold(name, o.attribute) {
		return o.values
	}
	return nil
}

func (object) Options(string, int) string { return "" }

func (o object) Attributes() iter.Seq2[string, [][]byte] {
	return func(yield func(string, [][]byte) bool) {
		if o.attribute != "" {
			yield(o.attribute, o.values)
		}
	}
}

func octets(values ...string) (all [][]byte) {
	for _, v := range values {
		all = append(all, []byte(v))
	}
	return all
}

func TestWriter(t *testing.T) {
	for _, c := range []struct {
		story  string
		object object
		want   string
	}{
		{"plain", object{"cn=Ann,dc=x", "mail", octets("ann@x")}, "dn: cn=Ann,dc=x\nmail: ann@x\n\n"},
		{"the values are sorted, the name is as the server writes it", object{"cn=a", "proxyAddresses", octets("smtp:b", "SMTP:c", "smtp:a")},
			"dn: cn=a\nproxyAddresses: SMTP:c\nproxyAddresses: smtp:a\nproxyAddresses: smtp:b\n\n"},
		{"letters beyond ASCII", object{"cn=Jürgen", "sn", octets("Weiß")}, "dn:: Y249SsO8cmdlbg==\nsn:: V2Vpw58=\n\n"},
		{"octets", object{"cn=a", "objectGUID", octets("2\xc3J\x8c_\x97\x17G\xad{\xbaJN\x96\x8f\xff")}, "dn: cn=a\nobjectGUID:: MsNKjF+XF0ete7pKTpaP/w==\n\n"},
		{"line ends, NUL, escape sequences", object{"cn=a", "cn", octets("a\nb", "a\r", "\x00", "\x1b[1m", "\x7f", "a\tb")},
			"dn: cn=a\ncn:: AA==\ncn:: G1sxbQ==\ncn:: YQli\ncn:: YQpi\ncn:: YQ0=\ncn:: fw==\n\n"},
		{"what would be taken for something else", object{"cn=a", "cn", octets(":a", "<a", " a", "a ", "#a", "a:b")}, "dn: cn=a\ncn:: IGE=\ncn: #a\ncn:: OmE=\ncn:: PGE=\ncn:: YSA=\ncn: a:b\n\n"},
		{"options", object{"cn=a", "cn;lang-en", octets("Ann")}, "dn: cn=a\ncn;lang-en: Ann\n\n"},
		{"an empty value", object{"cn=a", "cn", octets("")}, "dn: cn=a\ncn:\n\n"},
		{"the root", object{"", "cn", octets("a")}, "dn:\ncn: a\n\n"},
		{"no attribute", object{"cn=a", "", nil}, "dn: cn=a\n\n"},
		{"a long line is not folded", object{"cn=a", "cn", octets(strings.Repeat("x", 200))}, "dn: cn=a\ncn: " + strings.Repeat("x", 200) + "\n\n"},
	} {
		got, err := new(writer).appendRecord(nil, c.object)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v", c.story, got, err)
		}
	}
	for _, c := range []struct {
		object object
		want   string
	}{
		{object{"cn", "cn", nil}, `"cn" is not a distinguished name`},
		{object{"cn=a", "c n", octets("a")}, `"cn=a": "c n" is not the name of an attribute`},
		{object{"cn=a", "cn;lang en", octets("a")}, `"cn;lang en" is not the name of an attribute`},
		{object{"cn=a", "DN;lang-en", octets("a")}, `"DN;lang-en" is not the name of an attribute`},
		{object{"cn=a", "changeType", octets("add")}, `"changeType" is not the name of an attribute`},
		{object{"cn=a", "DN", octets("cn=b")}, `"DN" is not the name of an attribute`},
		{object{"cn=a", "photo", [][]byte{make([]byte, maxLine)}}, `"cn=a": photo: a value of 16777216 octets is too long`},
	} {
		if _, err := new(writer).appendRecord(nil, c.object); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

// The longest line that is written is read.
func TestLongestLine(t *testing.T) {
	value := bytes.Repeat([]byte("x"), maxLine-len("cn: "))
	text, err := new(writer).appendRecord(nil, object{"cn=a", "cn", [][]byte{value}})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := newReader(bytes.NewReader(text), known, new(compact.Arena), func(*files.Name) bool { return true }).record()
	if err != nil || !bytes.Equal(rec.Values("cn")[0], value) {
		t.Errorf("got %v", err)
	}
}

// FuzzWriter checks that an object is read as it was written, and that what
// cannot be is refused.
func FuzzWriter(f *testing.F) {
	f.Add("cn=Ann,dc=x", "mail", []byte("ann@x"), []byte(""))
	f.Add("cn=Jürgen\\, X,dc=\\00", "objectGUID", []byte("\x00\xff"), []byte(" :<\r\n"))
	f.Add("", "1.2.840-x_y", []byte("# rollcall-scope: 1"), []byte("a "))
	f.Add("cn", "dn", []byte("-"), []byte("x"))
	typ := regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	f.Fuzz(func(t *testing.T, dn, attribute string, v, w []byte) {
		o := object{dn, attribute, [][]byte{v, w}}
		text, err := new(writer).appendRecord(nil, o)
		_, dnErr := identity.ParseDN(dn)
		good := dnErr == nil && (attribute == "" || typ.MatchString(attribute) && !strings.EqualFold(attribute, "dn") && !strings.EqualFold(attribute, "changetype"))
		if good != (err == nil) {
			t.Fatalf("got %v", err)
		}
		if err != nil {
			return
		}
		r := newReader(bytes.NewReader(text), []string{strings.ToLower(attribute)}, new(compact.Arena), func(*files.Name) bool { return true })
		rec, err := r.record()
		if err != nil || rec.DN() != dn {
			t.Fatalf("got %v from %q", err, text)
		}
		if bytes.Compare(v, w) > 0 {
			v, w = w, v
		}
		if got := rec.Values(strings.ToLower(attribute)); attribute != "" && (len(got) != 2 || !bytes.Equal(got[0], v) || !bytes.Equal(got[1], w)) {
			t.Fatalf("got %q from %q", got, text)
		}
		if _, err := r.record(); err != io.EOF {
			t.Fatalf("got %v behind %q", err, text)
		}
	})
}
