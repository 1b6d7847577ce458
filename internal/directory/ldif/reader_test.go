package ldif

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/rollcall-cli/rollcall/internal/compact"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

// known are the attributes that the readers of these tests read.
var known = []string{"cn", "description", "mail", "member", "objectguid", "proxyaddresses"}

// dump reads a stream to its end and writes its records one a line: the name
// and the values, quoted where they are not plain.
func dump(r io.Reader) (string, error) {
	var b strings.Builder
	in := newReader(r, known, new(compact.Arena), func(*files.Name) bool { return true })
	for {
		rec, err := in.record()
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
		fmt.Fprintf(&b, "%q", rec.DN())
		for _, name := range known {
			if values := rec.Values(name); len(values) > 0 {
				fmt.Fprintf(&b, " %s=%q", name, values)
			}
		}
		b.WriteByte('\n')
	}
}

func TestRecords(t *testing.T) {
	for _, c := range []struct{ story, text, want string }{
		{"one record", "dn: cn=a\nmail: a@b\n", `"cn=a" mail=["a@b"]`},
		{"a version", "version: 1\n\ndn: cn=a\nmail: a@b\n", `"cn=a" mail=["a@b"]`},
		{"a version without a blank line", "version: 1\ndn: cn=a\nmail: a@b\n", `"cn=a" mail=["a@b"]`},
		{"nothing but a version", "version: 1\n", ``},
		{"a byte order mark", "\ufeffdn: cn=a\n\n", `"cn=a"`},
		{"CRLF", "dn: cn=a\r\nmail: a@\r\n b\r\n\r\ndn: cn=b\r\nmail: c\r\n", "\"cn=a\" mail=[\"a@b\"]\n\"cn=b\" mail=[\"c\"]"},
		{"several blank lines", "\n\ndn: cn=a\n\n\n\ndn: cn=b\n\n\n", "\"cn=a\"\n\"cn=b\""},
		{"comments, also folded", "# x\n y\ndn: cn=a\n#mail: z\n  folded\nmail: a@b\n# end\n", `"cn=a" mail=["a@b"]`},
		{"folded lines", "dn: cn=\n a,dc\n =b\nma\n il: a\n  \n b\n", `"cn=a,dc=b" mail=["a b"]`},
		{"a fold behind the colon", "dn:\n : Y249YQ==\nmail:\n : YQ==\n", `"cn=a" mail=["a"]`},
		{"a fold in a value passed over", "dn: cn=a\njpegPhoto:: AA\n AA\nmail: a@b\n", `"cn=a" mail=["a@b"]`},
		{"Base64", "dn:: Y249SsO8cmdlbg==\nobjectGUID:: MsNKjF+XF0ete7pKTpaP/w==\ncn:: IGEg\n",
			`"cn=Jürgen" cn=[" a "] objectguid=["2\xc3J\x8c_\x97\x17G\xad{\xbaJN\x96\x8f\xff"]`},
		{"folded Base64", "dn: cn=a\ncn:: SsO8\n cmdl\n bg==\n", `"cn=a" cn=["Jürgen"]`},
		{"UTF-8 without Base64", "dn: cn=Jürgen\ncn: Jürgen\n", `"cn=Jürgen" cn=["Jürgen"]`},
		{"names in any letter case", "DN: cn=a\nMAIL: a@b\nProxyAddresses: SMTP:a@b\n", `"cn=a" mail=["a@b"] proxyaddresses=["SMTP:a@b"]`},
		{"options", "dn: cn=a\ncn;lang-en: Ann\ncn: Anna\nuserCertificate;binary:: AAAA\n", `"cn=a" cn=["Ann" "Anna"]`},
		{"all values in one range", "dn: cn=a\nmember;range=0-*: cn=b\n", `"cn=a" member=["cn=b"]`},
		{"empty values", "dn: cn=a\ncn:\nmail: \ndescription::\n", `"cn=a" cn=[""] description=[""] mail=[""]`},
		{"spaces after the colon, and at the end", "dn:cn=a\ncn:b\nmail:   c \n", `"cn=a" cn=["b"] mail=["c "]`},
		{"colons and signs in a value", "dn: cn=a\ncn: :x\nmail: <y\n", `"cn=a" cn=[":x"] mail=["<y"]`},
		{"the root", "dn:\ncn: x\n", `"" cn=["x"]`},
		{"files put together", "version: 1\n\ndn: cn=a\n\nversion: 1\n\ndn: cn=b\n\n", "\"cn=a\"\n\"cn=b\""},
		{"ldapsearch", "# extended LDIF\n#\n# LDAPv3\n\n# a\ndn: cn=a\n\n# search reference\nref: ldap://x/dc=y??sub\n\n# search result\nsearch: 2\nresult: 0 Success\n\n# numResponses: 2\n# numEntries: 1\n",
			`"cn=a"`},
		{"ldapsearch, appended to other objects", "dn: cn=a\n\n# extended LDIF\n\ndn: cn=b\n\n# numEntries: 1\n\n# extended LDIF\n\n# numResponses: 1\n\n# extended LDIF\n\ndn: cn=c\n\n# numEntries: 1\n", "\"cn=a\"\n\"cn=b\"\n\"cn=c\""},
		{"ldbsearch", "# record 1\ndn: cn=a\n\n# Referral\nref: ldap:///cn=b\n\n# returned 2 records\n# 1 entries\n# 1 referrals\n", `"cn=a"`},
		{"comments that only look so", "# 7 entries\n# numEntries: many\n# numEntries of old: 9\n# returned 7 records\n# by post\n# 8 entries\ndn: cn=a\ncn: a\n", `"cn=a" cn=["a"]`},
		{"a value elsewhere, passed over", "dn: cn=a\njpegPhoto:< file:///tmp/x\nmail: a@b\n", `"cn=a" mail=["a@b"]`},
		{"other names of attributes", "dn: cn=a\nrfc822Mailbox: a@b\n0.9.2342.19200300.100.1.3: c@d\nmail: e@f\ncommonName: A\n", `"cn=a" cn=["A"] mail=["a@b" "c@d" "e@f"]`},
		{"the state of replication", "dn: cn=a\nmail;adcsn-5a3b;vucsn-5a3b: a@b\nmail;vdcsn-5a3b;deleted: c@d\ncn;adcsn-5a3b;deletedattribute;deleted:\n", `"cn=a" mail=["a@b"]`},
		{"a name in quotes", "dn: cn=\"cn=a,dc=b\",dc=c\nmail: a@b\n", `"cn=\"cn=a,dc=b\",dc=c" mail=["a@b"]`},
		{"ldapsearch -LLL", "dn: cn=a\n\n# refldap://x/dc=y??sub\n\n", `"cn=a"`},
		{"ldapsearch with pages", "dn: cn=a\n\nsearch: 2\nresult: 0 Success\ncontrol: 1.2.840.113556.1.4.319 false MAUCAQAEAA==\npagedresults: cookie=AAA=\n\n" +
			"dn: cn=b\n\nsearch: 3\nresult: 0 Success\npagedresults: cookie=\n", "\"cn=a\"\n\"cn=b\""},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.text), iotest.OneByteReader(strings.NewReader(c.text)), iotest.DataErrReader(strings.NewReader(c.text))} {
			got, err := dump(r)
			if err != nil || strings.TrimSuffix(got, "\n") != c.want {
				t.Errorf("%s: got %s, %v", c.story, got, err)
			}
		}
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		story, text string
		line        int
		what        string
	}{
		{"an empty file", "", 1, "the file is empty"},
		{"comments alone", "# nothing\n\n", 2, "the file is empty"},
		{"another version", "version: 2\n", 1, `LDIF version "2"`},
		{"UTF-16", "\xff\xfed\x00n\x00", 1, "the file is UTF-16"},
		{"UTF-16 without a mark", "d\x00n\x00:\x00", 1, "the file is UTF-16"},
		{"UTF-16 of the other order", "\x00d\x00n\x00:", 1, "the file is UTF-16"},
		{"CSV", "DN,objectClass,mail\n\"CN=Ann,DC=x\",user,a@b\n", 1, "this is CSV"},
		{"an extended name", "dn: <GUID=8c4ac332-975f-4717-ad7b-ba4a00000001>;CN=Ann,DC=x\n", 1, "an extended DN"},
		{"no dn", "\nmail: a@b\n", 2, `begins with "dn:", not with "mail:"`},
		{"no colon", "dn: cn=a\nmail a@b\n", 2, "no colon"},
		{"no name", "dn: cn=a\n: x\n", 2, "not the name of an attribute"},
		{"no such name", "dn: cn=a\na b: x\n", 2, `"a b" is not the name of an attribute`},
		{"a tab for a fold", "dn: cn=a\n\tb: c\n", 2, "not the name of an attribute"},
		{"a fold of nothing", "dn: cn=a\n\n b\n", 3, "continues another one"},
		{"a missing blank line", "dn: cn=a\ncn: a\ndn: cn=b\n", 3, "blank line"},
		{"a change record", "dn: cn=a\nchangetype: add\ncn: a\n", 2, "a change record"},
		{"a separator", "dn: cn=a\ncn: a\n-\n", 3, "a change record"},
		{"a value elsewhere", "dn: cn=a\ncn:< file:///etc/passwd\n", 2, "in another file"},
		{"bad Base64", "dn: cn=a\ncn:: a*b=\n", 2, "cn: the value is not complete Base64"},
		{"bad Base64 in a name", "dn:: a*b=\n", 1, "the value is not complete Base64"},
		{"no name", "dn: x\n", 1, `"x" is not a distinguished name`},
		{"no name in Base64", "dn:: AA==\n", 1, "is not a distinguished name"},
		{"a NUL", "dn: cn=a\ncn: a\x00\ncn: b\n", 2, "NUL"},
		{"a NUL in a comment", "# \x00\n", 1, "NUL"},
		{"a part of the values", "dn: cn=a\nproxyAddresses:\nproxyAddresses;range=0-1499: smtp:a@b\n", 3, "proxyAddresses: the export holds a part of the values only (range=0-1499)"},
		{"the last part of the values", "dn: cn=a\nmember;x;Range=1500-*: cn=b\n", 2, "member: the export holds a part"},
		{"a folded line is named by its first", "dn: cn=a\ncn:: a\n b\n c\nmail: x\n", 2, "Base64"},

		{"cut in a value", "dn: cn=a\nmail: a@b", 2, "in the middle of this line"},
		{"cut in a name of an attribute", "dn: cn=a\nmail: a@b\nproxyAddr", 3, "in the middle of this line"},
		{"cut in Base64", "dn: cn=a\ncn:: SsO8\n cmd\n", 2, "Base64"},
		{"cut in Base64, passed over", "dn: cn=a\njpegPhoto:: AAAA\n AAA\n", 2, "Base64"},
		{"cut in a comment", "dn: cn=a\nmail: a@b\n\n# the ne", 4, "in the middle of this line"},
		{"cut in a folded line", "dn: cn=a\ncn: a\n b", 2, "in the middle of this line"},
		{"cut in a dn", "dn: cn=a\ncn: a\n\ndn: cn=b,d\ncn: b\n", 4, "not a distinguished name"},
		{"cut behind a dn", "dn: cn=a\ncn: a\n\ndn: cn=b,dc=c\n", 4, "breaks off"},
		{"a search that failed", "dn: cn=a\n\nsearch: 2\nresult: 4 Size limit exceeded\n", 4, `result "4 Size limit exceeded"`},
		{"a search that never ended", "dn: cn=a\n\nsearch: 2\n", 3, "before the result"},
		{"fewer entries than ldapsearch says", "# extended LDIF\n\ndn: cn=a\n\nsearch: 2\nresult: 0 Success\n\n# numResponses: 3\n# numEntries: 2\n", 9, "the search returned 2 entries, but the file holds 1"},
		{"fewer entries of the second search", "# extended LDIF\n\ndn: cn=a\n\n# numEntries: 1\n# extended LDIF\n\ndn: cn=b\n\n# numEntries: 2\n", 10, "the search returned 2 entries, but the file holds 1"},
		{"fewer entries than ldbsearch says", "# record 1\ndn: cn=a\n\n# returned 3 records\n# 2 entries\n# 1 referrals\n", 5, "the search returned 2 entries, but the file holds 1"},
		{"a reference in damaged Base64", "dn: cn=a\n\nref:: a*b\n", 3, "Base64"},
		{"pages that are missing", "dn: cn=a\n\nsearch: 2\nresult: 0 Success\npagedresults: cookie=AAA=\n", 5, "not the last one"},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.text), iotest.OneByteReader(strings.NewReader(c.text))} {
			_, err := dump(r)
			f := (*files.Fault)(nil)
			if !errors.As(err, &f) {
				t.Errorf("%s: got %v", c.story, err)
			} else if f.Line != c.line || !strings.Contains(f.Err.Error(), c.what) {
				t.Errorf("%s: got %v", c.story, err)
			}
		}
	}
}

func TestLongLines(t *testing.T) {
	long := strings.Repeat("x", maxLine-100)
	if got, err := dump(strings.NewReader("dn: cn=a\njpegPhoto: " + long + "\ncn: b\n")); err != nil || got != "\"cn=a\" cn=[\"b\"]\n" {
		t.Errorf("got %.100s, %v", got, err)
	}
	for _, text := range []string{
		"dn: cn=a\ncn: " + long + long + long,
		"dn: cn=a\ncn: " + long + "\n " + long + "\n " + long + "\n",
	} {
		f := (*files.Fault)(nil)
		if _, err := dump(strings.NewReader(text)); !errors.As(err, &f) || !errors.Is(err, errLong) || f.Line != 2 {
			t.Errorf("got %v", err)
		}
	}
}

// canonical writes records as plain LDIF, every value in Base64.
func canonical(text string) (string, error) {
	var b strings.Builder
	b.WriteString("version: 1\n\n")
	in := newReader(strings.NewReader(text), known, new(compact.Arena), func(*files.Name) bool { return true })
	write := func(name string, value []byte) {
		fmt.Fprintf(&b, "%s:: %s\n", name, base64.StdEncoding.EncodeToString(value))
	}
	for {
		rec, err := in.record()
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		write("dn", []byte(rec.DN()))
		for _, name := range known {
			for _, v := range rec.Values(name) {
				write(name, v)
			}
		}
		b.WriteByte('\n')
	}
}

// FuzzRecords checks that what is accepted reads the same after it was written
// in plain form, in whatever portions it arrives, and that faults have a line.
func FuzzRecords(f *testing.F) {
	for _, seed := range []string{
		"version: 1\n\ndn: cn=a,dc=b\ncn: a\nmail: a@b\n\ndn:: Y249YQ==\ncn;lang-en:: YQ==\n",
		"\ufeffdn: cn=a\r\ncn: a\r\n  b\r\n\r\n# c\r\n d\r\n",
		"dn: cn=a\nproxyAddresses;range=0-1: x\n", "dn: cn=a\nchangetype: add\n", "dn: cn=a\ncn:< file:///x\n",
		"dn: cn=a\n\nsearch: 2\nresult: 0 Success\npagedresults: cookie=\n", "ref: ldap://x\n", "dn:\n : Y249YQ==\ncn:\n", "dn: cn=a\ncn: \x00", "-\n",
		"# rollcall-scopes: x\n# rollcall-attributes: cn\nversion: 1\n\n# rollcall-scope: 1\ndn: cn=a\ncn: a\n\n# rollcall-obj\n ects: 1\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, err := dump(strings.NewReader(text))
		slow, slowErr := dump(iotest.OneByteReader(strings.NewReader(text)))
		if want != slow || fmt.Sprint(err) != fmt.Sprint(slowErr) {
			t.Fatalf("octet by octet: got %s, %v, want %s, %v", slow, slowErr, want, err)
		}
		if err != nil {
			f := (*files.Fault)(nil)
			if !errors.As(err, &f) || f.Line < 1 || f.Line > strings.Count(text, "\n")+1 {
				t.Fatalf("got %v", err)
			}
			return
		}
		plain, err := canonical(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := dump(strings.NewReader(plain)); err != nil || got != want {
			t.Fatalf("plain form: got %s, %v, want %s", got, err, want)
		}
		if again, err := canonical(plain); err != nil || again != plain {
			t.Fatalf("plain form is not stable: %v", err)
		}
	})
}

func TestAttributes(t *testing.T) {
	held := files.NewHeld([]string{"cn", "mail", "mobi", "ms-ds-consistencyguid"}, nil, "dn", "changetype")
	for _, c := range []struct {
		name string
		want int
	}{
		{"cn", 0}, {"CN", 0}, {"Mail", 1}, {"mobi", 2}, {"mS-DS-ConsistencyGuid", 3}, {"sn", files.Unread}, {"maim", files.Unread}, {"m", files.Unread},
		{"dn", dnLine}, {"changeType", changeLine}, {strings.Repeat("x", 100), files.Unread},
	} {
		if got := held.Find([]byte(c.name)); got != c.want {
			t.Errorf("%s: got %d", c.name, got)
		}
	}
}
