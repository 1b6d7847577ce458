package csv

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// people is a scope that reads what the files of these tests have.
func people() directory.Scope {
	return directory.Scope{
		Name: "people", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "uid", GUIDAttribute: "id", Keyspace: "hr",
		Type: directory.Auto, Attributes: []directory.Attribute{{Name: identity.DisplayName, Source: "displayName"}},
		Named: []string{"id"},
	}
}

// write makes a file and returns a directory of it.
func write(t testing.TB, text string, o Options) (*files.Source, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hr.csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if o.Separator == "" {
		o.Separator = ";"
	}
	return New("hr", []string{path}, o), path
}

// read returns the entries of a file in a short form, and the receipt.
func read(t testing.TB, text string, o Options, scope directory.Scope) (entries []string, receipt identity.Receipt, err error) {
	t.Helper()
	source, _ := write(t, text, o)
	collector := directory.NewCollector([]directory.Scope{scope})
	receipt, err = source.Read(t.Context(), []directory.Scope{scope}, collector, nil)
	for _, e := range collector.Entries() {
		line := e.DN + " " + strings.Join(append(slices.Clone(e.Primaries), e.Aliases...), " ")
		if e.Username != "" {
			line += " username " + e.Username
		}
		for _, a := range e.Attributes {
			line += " " + a.Name + " " + a.Value
		}
		entries = append(entries, line)
	}
	return entries, receipt, err
}

// TestFormats: separators and encodings are recognized, and reported.
func TestFormats(t *testing.T) {
	t.Parallel()
	const text = "id,mail,displayName\r\n1,ann@example.com,Ann Müller\r\n"
	wide := func(order binary.ByteOrder, mark bool) string {
		units := utf16.Encode([]rune(text))
		if mark {
			units = append([]uint16{0xfeff}, units...)
		}
		var b bytes.Buffer
		binary.Write(&b, order, units)
		return b.String()
	}
	page := func(m *charmap.Charmap) string {
		encoded, err := m.NewEncoder().String(text)
		if err != nil {
			t.Fatal(err)
		}
		return encoded
	}
	for name, c := range map[string]struct {
		text, encoding, want string
	}{
		"as it is":                   {text, "", "commas, UTF-8"},
		"semicolons":                 {strings.ReplaceAll(text, ",", ";"), "", "semicolons, UTF-8"},
		"tabs":                       {strings.ReplaceAll(text, ",", "\t"), "", "tabs, UTF-8"},
		"bare line feeds":            {strings.ReplaceAll(text, "\r", ""), "", "commas, UTF-8"},
		"a mark":                     {"\ufeff" + text, "", "commas, UTF-8"},
		"a mark, and a code page":    {"\ufeff" + text, "windows-1252", "commas, UTF-8"},
		"an announcement":            {"sep=,\r\n" + text, "", "commas, UTF-8"},
		"another separator":          {"\"sep=|\"\r\n" + strings.ReplaceAll(text, ",", "|"), "", "separator '|', UTF-8"},
		"a type":                     {"#TYPE Selected.User\r\n" + text, "", "commas, UTF-8"},
		"quotes":                     {"\"id\",\"mail\",\"displayName\"\n\"1\",\"ann@example.com\",\"Ann Müller\"\n", "", "commas, UTF-8"},
		"semicolons in quoted names": {"\"id\";mail;displayName;\"a,b,c,d,e\"\n1;ann@example.com;Ann Müller;\n", "", "semicolons, UTF-8"},
		"empty rows":                 {"id,mail,displayName\n\n,,\n1,ann@example.com,Ann Müller\n,,\n", "", "commas, UTF-8"},
		"UTF-16, little end":         {wide(binary.LittleEndian, true), "", "commas, UTF-16LE"},
		"UTF-16, big end":            {wide(binary.BigEndian, true), "", "commas, UTF-16BE"},
		"UTF-16 without a mark":      {wide(binary.LittleEndian, false), "", "commas, UTF-16LE"},
		"big end without a mark":     {wide(binary.BigEndian, false), "", "commas, UTF-16BE"},
		"UTF-16, and a code page":    {wide(binary.LittleEndian, true), "windows-1252", "commas, UTF-16LE"},
		"ANSI":                       {page(charmap.Windows1252), "windows-1252", "commas, windows-1252"},
		"MS-DOS":                     {page(charmap.CodePage850), "ibm850", "commas, ibm850"},
		"Macintosh":                  {page(charmap.Macintosh), "macintosh", "commas, macintosh"},
	} {
		entries, receipt, err := read(t, c.text, Options{Encoding: c.encoding}, people())
		if diff := cmp.Diff([]string{"id=1 ann@example.com display_name Ann Müller"}, entries); err != nil || diff != "" || receipt.Server != "hr.csv ("+c.want+")" || !receipt.Complete || receipt.Scanned != 1 {
			t.Errorf("%s: %v, %+v, %s", name, err, receipt, diff)
		}
	}
}

// TestCodePages: every code page decodes all letters that it encodes.
func TestCodePages(t *testing.T) {
	t.Parallel()
	for _, p := range codePages {
		var letters strings.Builder
		for c := 0xa0; c <= 0xff; c++ {
			if r := p.charmap.DecodeByte(byte(c)); r != '\ufffd' && r != 0xa0 {
				letters.WriteRune(r)
			}
		}
		encoded, err := p.charmap.NewEncoder().String("id,mail,displayName\n1,a@example.com,x" + letters.String() + "x\n")
		if err != nil {
			t.Fatal(err)
		}
		if entries, _, err := read(t, encoded, Options{Encoding: p.name}, people()); err != nil || len(entries) != 1 || !strings.HasSuffix(entries[0], "x"+letters.String()+"x") {
			t.Errorf("%s: %q, %v", p.name, entries, err)
		}
	}
}

// TestValues: what a cell stands for.
func TestValues(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		o    Options
		want []string
	}{
		"several values":             {"id,mail,proxyAddresses\n1,a@x.example,smtp:b@x.example; smtp:c@x.example;;\n", Options{}, []string{"id=1 a@x.example b@x.example c@x.example"}},
		"in a file of semicolons":    {"id;mail;proxyAddresses\n1;a@x.example;\"b@x.example;c@x.example\"\n", Options{}, []string{"id=1 a@x.example b@x.example c@x.example"}},
		"another separator":          {"id,mail,proxyAddresses\n1,a@x.example,b@x.example | c@x.example\n", Options{Separator: "|"}, []string{"id=1 a@x.example b@x.example c@x.example"}},
		"lines of a cell":            {"id,mail,proxyAddresses\n1,a@x.example,\"b@x.example\nc@x.example\"\n", Options{Separator: "\n"}, []string{"id=1 a@x.example b@x.example c@x.example"}},
		"commas in quotes":           {"id,mail,proxyAddresses\n1,a@x.example,\"b@x.example,c@x.example\"\n", Options{Separator: ","}, []string{"id=1 a@x.example b@x.example c@x.example"}},
		"an escaped separator":       {"id,mail,displayName\n1,a@x.example,a\\;b\n", Options{}, []string{`id=1 a@x.example display_name a\;b`}},
		"an escaped backslash":       {"id,mail,proxyAddresses\n1,,\"b@x.example\\\\;c@x.example\"\n", Options{}, []string{`id=1 b@x.example\\ c@x.example`}},
		"an X.400 address":           {"id,mail,proxyAddresses\n1,,X400:c=US;a= ;p=Corp;s=Ann;;SMTP:a@x.example;x500:/o=Corp;b@x.example;X400:c=US;s=Bob;c@x.example\n", Options{}, []string{"id=1 a@x.example b@x.example c@x.example"}},
		"an X.400 address, the last": {"id,mail,proxyAddresses\n1,,SMTP:a@x.example;X400:c=US;a= ;p=Corp;\n", Options{}, []string{"id=1 a@x.example"}},
		"empty cells":                {"id,mail,displayName,uid\n1,a@x.example,, \n2,,Bob,bob\n", Options{}, []string{"id=1 a@x.example"}},
		"doubled quotes":             {"id,mail,displayName\n1,a@x.example,\"Ann \"\"Annie\"\" Smith, Dr.\"\n", Options{}, []string{`id=1 a@x.example display_name Ann "Annie" Smith, Dr.`}},
		"other names":                {"ID,RFC822Mailbox,Display Name,User-ID\n1,a@x.example,Ann,ann\n", Options{}, []string{"ID=1 a@x.example display_name Ann"}},
		"letter case of an id":       {"id,mail\nabC,a@x.example\nabc,b@x.example\n", Options{}, []string{"id=abC a@x.example", "id=abc b@x.example"}},
		"a name to escape":           {"Name,id,mail\n\"Smith, Ann + <x>; #1=\\\"\"\",1,a@x.example\n# 2,2,b@x.example\n", Options{}, []string{`Name=Smith\, Ann \+ \<x\>\; #1\=\\\" a@x.example`, `Name=\# 2 b@x.example`}},
		"several columns":            {"id,Company_Code,mail\n1,A&B,a@x.example\n1,B,b@x.example\n", Options{ID: []string{"id", "company_code"}}, []string{"id=1,Company-Code=A&B a@x.example", "id=1,Company-Code=B b@x.example"}},
		"a column with a DN":         {"id,DistinguishedName,mail,objectClass\n1,\"CN=Smith\\, Ann,DC=x\",a@x.example,user\n", Options{ID: []string{"distinguishedName"}}, []string{`CN=Smith\, Ann,DC=x a@x.example`}},
		"one column":                 {"mail\na@x.example\n", Options{}, []string{"mail=a@x.example a@x.example"}},
		"no rows":                    {"id,mail\n", Options{}, nil},
	} {
		scope := people()
		if name == "one column" {
			scope.GUIDAttribute, scope.Named = "mail", nil
		}
		entries, _, err := read(t, c.text, c.o, scope)
		if diff := cmp.Diff(c.want, entries); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

// TestAttributeName: headers name attributes that filters and LDIF can name.
func TestAttributeName(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"Email Address [Required]": "EmailAddressRequired", "User principal name": "Userprincipalname", "employee_id": "employee_id", "Kürzel": "Kurzel", "Straße": "Strasse",
		"Prénom": "Prenom", "E-Mail": "E-Mail", "Løn nr.": "Lonnr.", "社員番号": "", "ﬁrst": "first", "": "",
	} {
		if got := AttributeName(header); got != want {
			t.Errorf("%q is %q, want %q", header, got, want)
		}
	}
}

// TestFaults: what cannot be read completely is an error with file and line, and
// says what to do.
func TestFaults(t *testing.T) {
	t.Parallel()
	const head = "id,mail\n1,a@x.example\n"
	for name, c := range map[string]struct {
		text       string
		o          Options
		line       int
		want, hint string
	}{
		"empty":                       {"", Options{}, 1, "the file is empty: there is no header", "export it again"},
		"blank lines alone":           {"\r\n\n", Options{}, 1, "column 1, \"\", makes the DN", "rename it"},
		"a mark alone":                {"\ufeff", Options{}, 1, "the file is empty", "export it again"},
		"an announcement alone":       {"sep=;\n", Options{}, 2, "the file is empty", "export it again"},
		"a cut header":                {"id,ma", Options{}, 1, "ends in the middle of this row", "export it again"},
		"a cut row":                   {head + "2,b@x.exam", Options{}, 3, "ends in the middle of this row", "export it again"},
		"no last line break":          {head + "2,b@x.example", Options{}, 3, "ends in the middle of this row", "add that"},
		"an open quote":               {head + "2,\"b@x.example\n3,c@x.example\n", Options{}, 3, "never closed", "written twice"},
		"an open quote behind lines":  {head + "\"2\n\n\",\"b@x", Options{}, 5, "never closed", "written twice"},
		"an open quote in the header": {"id,\"mail\n1,a@x.example\n", Options{}, 1, "never closed", "written twice"},
		"a bare quote":                {head + "2,b\"@x.example\n", Options{}, 3, "inside a cell that does not begin with one", `""Annie""`},
		"two bare quotes":             {head + "2,Ann \"Annie\" Smith\n", Options{}, 3, "inside a cell that does not begin with one", `""Annie""`},
		"text behind a quote":         {head + "2,\"b\"@x.example\n", Options{}, 3, "behind the closing quote", "written twice"},
		"fewer cells":                 {head + "2\n", Options{}, 3, "the row has 1 cell, and the header 2", "Excel leaves out"},
		"more cells":                  {head + "2,b@x.example,\n", Options{}, 3, "the row has 3 cells, and the header 2", "quote cells"},
		"a NUL octet":                 {head + "2,b\x00@x.example\n", Options{}, 3, "NUL", "CSV UTF-8"},
		"Latin-1":                     {head + "2,m\xfcller@x.example\n", Options{}, 3, "not UTF-8", `encoding = "windows-1252"`},
		"another code page":           {head + "2,\x81@x.example\n", Options{Encoding: "windows-1252"}, 3, "the text is not windows-1252", ""},
		"UTF-8 called a code page":    {head + "2,müller@x.example\n", Options{Encoding: "windows-1252"}, 1, "the whole file is UTF-8, and encoding says windows-1252", "take the attribute encoding out"},
		"half a character of UTF-16":  {"\xff\xfei\x00d\x00\n\x00\x00\xd8\n\x00", Options{}, 1, "there is no column mail", "names the attributes id"},
		"old Mac":                     {"id,mail\r1,a@x.example\r", Options{}, 1, "a carriage return stands alone", "LF or CRLF"},
		"a carriage return in a cell": {head + "2,b\r@x.example\n", Options{}, 3, "a carriage return stands alone", "in quotes"},
		"the same id":                 {head + "2,b@x.example\n1,c@x.example\n", Options{}, 4, `the row in line 2 has the same DN, "id=1"`, "tell all rows apart"},
		"the same DN in capitals":     {"DN,id,mail,objectClass\nCN=a b,1,a@x.example,user\ncn=A  B,2,b@x.example,user\n", Options{}, 3, `the row in line 2 has the same DN, "cn=A  B"`, "tell all rows apart"},
		"the same DN with accents":    {"DN,id,mail,objectClass\nCN=Éa,1,a@x.example,user\nCN=éa,2,b@x.example,user\n", Options{}, 3, `the row in line 2 has the same DN, "CN=éa"`, "tell all rows apart"},
		"two columns of the id":       {"nr,id,nr,mail\n1,2,3,a@x.example\n", Options{}, 1, `columns 1, "nr", and 3, "nr", are both the attribute nr`, "rename"},
		"a second column of the id":   {"nr,id,NR,mail\n1,2,3,a@x.example\n", Options{ID: []string{"id", "nr"}}, 1, `columns 1, "nr", and 3, "NR", are both the attribute NR`, "rename"},
		"several GUIDs":               {"nr,id,mail\n1,2,a@x.example\n3,47;1,b@x.example\n", Options{}, 3, `the cell of "id" has 2 values, and one identifies the object`, `another text than ";"`},
		"two exports":                 {head + "id, mail\n2,b@x.example\n", Options{}, 3, "the row is the header once more", "several in path"},
		"old Mac, in quotes":          {"\"id\",\"mail\"\r\"1\",\"a@x.example\"\r", Options{}, 1, "a carriage return stands alone", "LF or CRLF"},
		"another separator":           {"id|nr|mail\n1|2|a@x.example\n", Options{}, 1, `there is no column id`, `"sep=|"`},
		"no id":                       {head + ",b@x.example\n", Options{}, 3, `the cell of "id" is empty`, "fill it"},
		"no DN":                       {"dn,id,mail,objectClass\nAnn,1,a@x.example,user\n", Options{}, 2, "is not a distinguished name", "RFC 4514"},
		"a name of two":               {"dn,id,mail,objectClass\nCN=Dy+Ey,1,a@x.example,user\n", Options{}, 2, "is not a distinguished name", "RFC 4514"},
		"an id that is not there":     {head, Options{ID: []string{"Personnel number"}}, 1, "there is no column Personnel number", "names the attributes id, mail"},
		"an id without a type":        {"1st,id,mail\n1,1,a@x.example\n", Options{}, 1, `column 1, "1st", makes the DN, and its name does not begin with a letter`, "rename it"},
		"no address":                  {"id,e-mail\n1,a@x.example\n", Options{}, 1, `scope "people": there is no column mail or proxyAddresses`, "names the attributes id, e-mail"},
		"no GUID":                     {"nr,mail\n1,a@x.example\n", Options{}, 1, `scope "people": there is no column id`, "nr, mail"},
		"two of one name":             {"id,mail,MAIL \n1,a@x.example,b@x.example\n", Options{}, 1, `columns 2, "mail", and 3, "MAIL", are both the attribute MAIL`, "rename"},
		"two names of one":            {"id,mail,rfc822Mailbox\n1,a@x.example,b@x.example\n", Options{}, 1, "are both the attribute rfc822Mailbox", "rename"},
		"a part of the values":        {"id,mail,proxyAddresses;range=0-1499\n1,a@x.example,b@x.example\n", Options{}, 1, "a part of the values", "MaxValRange"},
		"two separators":              {"id,mail;uid\n1,a@x.example;a\n", Options{}, 1, "two of comma, semicolon and tab", "sep=;"},
	} {
		_, receipt, err := read(t, c.text, c.o, people())
		failed := (*directory.ReadError)(nil)
		if !errors.As(err, &failed) || failed.Line != c.line || filepath.Base(failed.From) != "hr.csv" || !strings.Contains(err.Error(), c.want) || !strings.Contains(directory.HintOf(err), c.hint) || receipt.Complete {
			t.Errorf("%s: %v (%s)", name, err, directory.HintOf(err))
		}
	}
}

// TestColumns: a column that an export no longer has is an error, and not the loss
// of what everybody had in it, wherever a scope names it or depends on it.
func TestColumns(t *testing.T) {
	t.Parallel()
	const row = "\nCN=Ann,1,a@x.example,b@x.example,ann,Ann,Sales,user,512\n"
	header := []string{"DN", "id", "mail", "proxyAddresses", "uid", "displayName", "Department", "objectClass", "userAccountControl"}
	people := directory.Scope{
		Name: "people", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "uid", GUIDAttribute: "id", Keyspace: "hr", Type: directory.Auto, SkipDisabled: true,
		Attributes: []directory.Attribute{{Name: "department", Source: "department"}}, Named: []string{"mail", "proxyAddresses", "uid", "id", "department"},
	}
	for name, c := range map[string]struct {
		lacks      string
		change     func(*directory.Scope)
		want, hint string
	}{
		"all there":             {"", nil, "", ""},
		"the primary":           {"mail", nil, "there is no column mail", "did you mean mailx? the header names the attributes DN, id, mailx, proxyAddresses"},
		"an alias":              {"proxyAddresses", nil, "there is no column proxyAddresses", "did you mean proxyAddressesx?"},
		"the username":          {"uid", nil, "there is no column uid", "proxyAddresses, uidx"},
		"an attribute":          {"Department", nil, "there is no column department", "did you mean Departmentx?"},
		"a default":             {"displayName", nil, "", ""},
		"of the filter":         {"displayName", func(s *directory.Scope) { s.Filter = "(displayName=*)" }, "there is no column displayname, which the filter tests", "did you mean displayNamex?"},
		"who is disabled":       {"userAccountControl", nil, `there is no column that says who is disabled, such as userAccountControl`, "the header names"},
		"who is disabled, kept": {"userAccountControl", func(s *directory.Scope) { s.SkipDisabled = false }, "", ""},
		"what is a list":        {"objectClass", nil, "there is no column objectClass, which tells lists from users", "the header names"},
		"what is a list, known": {"objectClass", func(s *directory.Scope) { s.Type = directory.Users }, "", ""},
		"a prerequisite": {"uid", func(s *directory.Scope) {
			*s = directory.Scope{Name: "p", PrimaryAttribute: "uid", Listing: true, Named: []string{"uid"}}
		}, `prerequisite "p": there is no column uid`, "uidx"},
		"a prerequisite's class": {"objectClass", func(s *directory.Scope) {
			*s = directory.Scope{Name: "p", PrimaryAttribute: "uid", Listing: true, Named: []string{"uid"}}
		}, "", ""},
	} {
		scope, names := people, slices.Clone(header)
		if c.change != nil {
			c.change(&scope)
		}
		if c.lacks != "" {
			names[slices.Index(names, c.lacks)] += "x"
		}
		_, _, err := read(t, strings.Join(names, ",")+row, Options{ID: []string{"id"}}, scope)
		switch failed := (*directory.ReadError)(nil); {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (!errors.As(err, &failed) || failed.Line != 1 || !strings.Contains(err.Error(), c.want) || !strings.Contains(directory.HintOf(err), c.hint)):
			t.Errorf("%s: %v (%s)", name, err, directory.HintOf(err))
		}
	}
}

// TestLongRows: a row is as long as it may be, and no longer; what is read before
// an error is not kept.
func TestLongRows(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("\"\"\r\n", 1<<20)
	entries, _, err := read(t, "id,mail,displayName\n1,a@x.example,\""+name+"\"\n2,b@x.example,b\n", Options{}, people())
	if err != nil || len(entries) != 2 || !strings.HasSuffix(entries[0], strings.Repeat("\"\r\n", 1<<20-1)+"\"") {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	_, _, err = read(t, "id,mail\n1,\"a@x.example\n"+strings.Repeat("2,b@x.example\n", 1300<<10), Options{}, people())
	if failed := (*directory.ReadError)(nil); !errors.As(err, &failed) || failed.Line != 2 || !strings.Contains(err.Error(), "longer than 16 MiB") {
		t.Errorf("a quote that is never closed: %v", err)
	}
}

// TestListing: a prerequisite needs the column of its attribute, and no GUID.
func TestListing(t *testing.T) {
	t.Parallel()
	source, _ := write(t, "objectId,mail\n1,a@x.example\n2,\n", Options{})
	for attribute, want := range map[string]string{"mail": "", "proxyAddresses": `prerequisite "cloud": there is no column proxyAddresses`} {
		scopes := []directory.Scope{{Name: "cloud", PrimaryAttribute: attribute, Listing: true}}
		receipt, err := source.Read(t.Context(), scopes, onPut(func() {}), nil)
		if got := fmt.Sprint(err); want == "" && (err != nil || receipt.Scanned != 2) || !strings.Contains(got, want) {
			t.Errorf("%s: %v, %+v", attribute, err, receipt)
		}
	}
}

// TestUnread: what no scope reads cannot fail a file.
func TestUnread(t *testing.T) {
	t.Parallel()
	const text = "id,mail,phone,phone,member;range=0-1499,\n1,a@x.example,1,2,CN=x,y\n"
	if entries, _, err := read(t, text, Options{}, people()); err != nil || !slices.Equal(entries, []string{"id=1 a@x.example"}) {
		t.Errorf("%q, %v", entries, err)
	}
}

// TestFilters: filters test columns, of which none may be missing.
func TestFilters(t *testing.T) {
	t.Parallel()
	const text = "id,mail,Status,Entry Date,Cost Center\n1,a@x.example,Active,20260101000000Z,100\n2,b@x.example,Left,20250101000000Z,200\n3,c@x.example,,20240101000000Z,\n"
	for filter, want := range map[string]string{
		"":                                  "id=1 id=2 id=3",
		"(status=active)":                   "id=1",
		"(!(status=left))":                  "id=1 id=3",
		"(|(!(status=*))(costcenter>=150))": "id=2 id=3",
		"(EntryDate<=20250601000000Z)":      "id=2 id=3",
		"(objectClass=person)":              `scope "people": there is no column objectclass, which the filter tests`,
		"(|(mail=a*)(!(department=IT)))":    `scope "people": there is no column department, which the filter tests`,
	} {
		scope := people()
		scope.Filter = filter
		entries, _, err := read(t, text, Options{}, scope)
		var got []string
		for _, e := range entries {
			got = append(got, strings.Fields(e)[0])
		}
		if err != nil {
			got = []string{err.(*directory.ReadError).Err.Error()}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %q, want %s", filter, got, want)
		}
	}
}

// TestBases: a scope has the objects below its base, among the DNs that are made.
func TestBases(t *testing.T) {
	t.Parallel()
	const text = "id,Company,mail\n1,A & Co.,a@x.example\n2,\"B, C\",b@x.example\n"
	for base, want := range map[string]string{"": "1 2", "Company=a & co.": "1", `company=B\, C`: "2", "Company=C": "", "id=1,Company=A & Co.": "1"} {
		scope := people()
		scope.Base = base
		entries, _, err := read(t, text, Options{ID: []string{"id", "Company"}}, scope)
		var got []string
		for _, e := range entries {
			got = append(got, e[3:4])
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %q, %v", base, got, err)
		}
	}
}

// TestGUIDs: an object is recognized by a GUID in any of its forms, or by any other
// text.
func TestGUIDs(t *testing.T) {
	t.Parallel()
	const guid = "8c4ac332-975f-4717-ad7b-ba4a4e968fff"
	guids := func(column, attribute string, cells ...string) (got []string) {
		text := "nr,mail," + column + "\n"
		for i, cell := range cells {
			text += fmt.Sprintf("n%d,p%d@x.example,%s\n", i, i, cell)
		}
		scope := people()
		scope.GUIDAttribute, scope.Named = attribute, nil
		source, _ := write(t, text, Options{})
		collector := directory.NewCollector([]directory.Scope{scope})
		if _, err := source.Read(t.Context(), []directory.Scope{scope}, collector, nil); err != nil {
			t.Fatal(err)
		}
		for _, e := range collector.Entries() {
			got = append(got, e.GUID.String())
		}
		return got
	}
	for _, c := range []struct {
		column, attribute string
		cells, want       []string
	}{
		{"objectGUID", "", []string{"X'32c34a8c5f971747ad7bba4a4e968fff'", guid, "MsNKjF+XF0ete7pKTpaP/w==", "4711"}, []string{guid, guid, guid, ""}},
		{"entryUUID", "", []string{guid}, []string{guid}},
		{"Object Id", "ObjectId", []string{guid, strings.ToUpper(guid), "{" + guid + "}"}, []string{guid, guid, guid}},
		{"mS-DS-ConsistencyGuid", "mS-DS-ConsistencyGuid", []string{"X'32c34a8c5f971747ad7bba4a4e968fff'"}, []string{guid}},
		{"Employee ID", "EmployeeID", []string{"4711", " 4711 ", "04711", "1234567890123456", ""}, []string{
			identity.NamedGUID("hr:4711").String(), identity.NamedGUID("hr:4711").String(), identity.NamedGUID("hr:04711").String(), identity.NamedGUID("hr:1234567890123456").String(), "",
		}},
	} {
		if diff := cmp.Diff(c.want, guids(c.column, c.attribute, c.cells...)); diff != "" {
			t.Errorf("%s: %s", c.column, diff)
		}
	}
	// The same number of two directories is not the same person.
	mine, theirs := people(), people()
	theirs.Keyspace = "branch"
	source, _ := write(t, "id,mail\n1,a@x.example\n", Options{})
	var read []identity.Entry
	for _, scope := range []directory.Scope{mine, theirs} {
		collector := directory.NewCollector([]directory.Scope{scope})
		if _, err := source.Read(t.Context(), []directory.Scope{scope}, collector, nil); err != nil {
			t.Fatal(err)
		}
		read = append(read, collector.Entries()...)
	}
	if read[0].GUID == read[1].GUID {
		t.Errorf("both are %s", read[0].GUID)
	}
	lacking := people()
	lacking.GUIDAttribute, lacking.Named = "", nil
	if _, err := source.Read(t.Context(), []directory.Scope{lacking}, directory.NewCollector([]directory.Scope{lacking}), nil); err == nil || !strings.Contains(err.Error(), "name in guid_attribute the column") {
		t.Errorf("without a GUID: %v", err)
	}
}

// TestChangedMeanwhile: a file that is written while it is read is not taken.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	source, path := write(t, "id,mail\n1,a@x.example\n2,b@x.example\n", Options{})
	_, err := source.Read(t.Context(), []directory.Scope{people()}, onPut(func() {
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour)); err != nil {
			t.Error(err)
		}
	}), nil)
	if failed := (*directory.ReadError)(nil); !errors.As(err, &failed) || !strings.Contains(err.Error(), "was written while it was read") || !strings.Contains(directory.HintOf(err), "rename") {
		t.Errorf("ended with %v", err)
	}
}

// TestMovedBetweenFiles: somebody who moves from one file of a directory to another
// while they are read is not taken for a leaver.
func TestMovedBetweenFiles(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows replaces no file while it is read")
	}
	t.Parallel()
	const head = "id,mail\n"
	for name, c := range map[string]struct {
		before, after map[string]string
		want          string
	}{
		"both replaced": {
			map[string]string{"hr-a.csv": head + "1,a@x.example\n", "hr-b.csv": head + "2,b@x.example\n"},
			map[string]string{"hr-a.csv": head + "1,a@x.example\n2,b@x.example\n", "hr-b.csv": head},
			"hr-a.csv: the file was replaced while the other files of the directory were read",
		},
		"a file more": {
			map[string]string{"hr-a.csv": head + "1,a@x.example\n"},
			map[string]string{"hr-b.csv": head + "2,b@x.example\n"},
			"hr-b.csv: the file appeared while the other files of the directory were read",
		},
		"one file replaced": {
			map[string]string{"hr-a.csv": head + "1,a@x.example\n"},
			map[string]string{"hr-a.csv": head + "2,b@x.example\n"},
			"",
		},
	} {
		dir := t.TempDir()
		replace := func(files map[string]string) {
			for name, text := range files {
				err := os.WriteFile(filepath.Join(dir, "new"), []byte(text), 0o600)
				if err == nil {
					err = os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, name))
				}
				if err != nil {
					t.Error(err)
				}
			}
		}
		replace(c.before)
		once := false
		_, err := New("hr", []string{filepath.Join(dir, "hr-*.csv")}, Options{Separator: ";"}).Read(t.Context(), []directory.Scope{people()}, onPut(func() {
			if !once {
				once = true
				replace(c.after)
			}
		}), nil)
		if (err != nil) != (c.want != "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(directory.HintOf(err), "run again")) {
			t.Errorf("%s: ended with %v", name, err)
		}
	}
}

// onPut is called for each object.
type onPut func()

func (f onPut) Put(int, directory.Object) error { f(); return nil }

func (f onPut) Replace(int, int, directory.Object) error { return nil }

func (f onPut) Reset() error { return nil }

// TestSeveralFiles: all files of a directory are read, each with its own format.
func TestSeveralFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"a.csv": "id,mail\n1,a@x.example\n", "b.csv": "mail;uid;id\nb@x.example;b;2\n", "c.txt": "no CSV"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scopes := []directory.Scope{people()}
	source := New("hr", []string{filepath.Join(dir, "*.csv")}, Options{ID: []string{"id"}, Separator: ";"})
	collector := directory.NewCollector(scopes)
	receipt, err := source.Read(context.Background(), scopes, collector, nil)
	if entries := collector.Entries(); err != nil || len(entries) != 2 || entries[1].Username != "b" || receipt.Server != "a.csv (commas, UTF-8), b.csv (semicolons, UTF-8)" {
		t.Errorf("%+v, %+v, %v", entries, receipt, err)
	}
}

// TestSharedIDs: an ID that two files give to different people is an error that names
// both rows.
func TestSharedIDs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"de.csv": "id,mail\n1,ann@x.example\n", "fr.csv": "id,mail\n2,bob@x.example\n1,zoe@x.example\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scopes := []directory.Scope{people()}
	_, err := New("hr", []string{filepath.Join(dir, "*.csv")}, Options{}).Read(t.Context(), scopes, directory.NewCollector(scopes), nil)
	if err == nil || !strings.Contains(err.Error(), `fr.csv:3: the row in line 2 of de.csv has the same DN, "id=1"`) {
		t.Errorf("%v", err)
	}
}

// TestKind: what decides how files are read belongs to the place that they are.
func TestKind(t *testing.T) {
	t.Parallel()
	values := func(more map[string]any) settings.Values {
		set := map[string]any{"path": []string{"./hr.csv"}}
		for name, value := range more {
			set[name] = value
		}
		return Kind.Values("hr", "conf", set)
	}
	plain := Kind.Where(values(nil))
	if want := []string{"hr.csv", `id=[] separator=";" encoding=""`}; !slices.Equal(plain, want) {
		t.Errorf("where %q, want %q", plain, want)
	}
	for _, more := range []map[string]any{{"id": []string{"DN"}}, {"separator": "|"}, {"encoding": "windows-1252"}} {
		if slices.Equal(Kind.Where(values(more)), plain) {
			t.Errorf("%v makes no difference", more)
		}
	}
	for name, wrong := range map[string]string{"UTF-8": "remove the attribute: UTF-8 and UTF-16 are recognized", "windows-1252": ""} {
		if p := checkEncoding(name); p.Hint != wrong {
			t.Errorf("encoding %s: %+v", name, p)
		}
	}
	for name, wrong := range map[string]bool{"社員": true, "Employee ID": false} {
		if p := checkColumn(name); (p.Summary != "") != wrong {
			t.Errorf("id %s: %+v", name, p)
		}
	}
	source, err := Kind.Open(directory.Opening{Settings: values(nil)})
	if err != nil || !slices.Equal(source.(*files.Source).Patterns(), []string{filepath.Join("conf", "hr.csv")}) {
		t.Errorf("%v, %v", source, err)
	}
}
