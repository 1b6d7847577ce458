package identity

import (
	"encoding/base64"
	"encoding/json"
	"net/mail"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	label := strings.Repeat("a", 63)
	for text, want := range map[string]string{
		"Ann@Example.COM":                        "ann@example.com",
		"o'neil+tag=x@sub.example.com":           "o'neil+tag=x@sub.example.com",
		strings.Repeat("a", 64) + "@example.com": strings.Repeat("a", 64) + "@example.com",
		"a@" + label + ".com":                    "a@" + label + ".com",
		"a@1.2":                                  "a@1.2",
		"a@xn--mnchen-3ya.example":               "a@xn--mnchen-3ya.example",
		"":                                       "",
		"ann":                                    "",
		"ann@@example.com":                       "",
		"ann@b@example.com":                      "",
		"@example.com":                           "",
		"ann@":                                   "",
		".ann@example.com":                       "",
		"ann.@example.com":                       "",
		"an..n@example.com":                      "",
		"an n@example.com":                       "",
		`"ann"@example.com`:                      "",
		"ann@example":                            "",
		"ann@example..com":                       "",
		"ann@.example.com":                       "",
		"ann@example.com.":                       "",
		"ann@-example.com":                       "",
		"ann@example-.com":                       "",
		"ann@exa_mple.com":                       "",
		"änn@example.com":                        "",
		"\u212aen@example.com":                   "", // the Kelvin sign is a k in lower case only
		"ann@münchen.example":                    "",
		strings.Repeat("a", 65) + "@example.com": "",
		"a@" + label + "a.com":                   "",
		"a@" + strings.Repeat("a.", 126) + "com": "",
		"ann@[192.0.2.1]":                        "",
		"ann@example.com\n":                      "",
		"ann\x00@example.com":                    "",
	} {
		a, err := ParseAddress(text)
		if a.String() != want || (err == nil) != (want != "") {
			t.Errorf("ParseAddress(%q) = %q, %v; want %q", text, a, err, want)
		}
	}
}

// The first two vectors are published; all follow from the order of the wire
// octets.
func TestGUIDSpellings(t *testing.T) {
	for text, id := range map[string]string{
		"bcd2e574-8d58-4136-a9df-8a19b145db79": "dOXSvFiNNkGp34oZsUXbeQ==",
		"8c4ac332-975f-4717-ad7b-ba4a4e968fff": "MsNKjF+XF0ete7pKTpaP/w==",
		"6701fa1a-fb0f-45a8-9356-d302b2affbb1": "GvoBZw/7qEWTVtMCsq/7sQ==",
		"7f858372-fe69-4a2b-917f-1e1055720033": "coOFf2n+K0qRfx4QVXIAMw==",
		"00112233-4455-6677-8899-aabbccddeeff": "MyIRAFVEd2aImaq7zN3u/w==",
	} {
		for _, spelling := range []string{
			text, strings.ToUpper(text), "{" + text + "}", strings.ReplaceAll(text, "-", ""), id, " " + text + "\n",
		} {
			g, err := ParseGUID(spelling)
			if err != nil || g.String() != text {
				t.Errorf("ParseGUID(%q) = %v, %v; want %s", spelling, g, err, text)
			}
		}
		wire, _ := base64.StdEncoding.DecodeString(id)
		if g, err := WireGUID(wire); err != nil || g.String() != text {
			t.Errorf("WireGUID(%x) = %v, %v; want %s", wire, g, err, text)
		}
	}
	for _, bad := range []string{"", "x", "8c4ac332-975f-4717-ad7b-ba4a4e968ff", "8c4ac332975f-4717-ad7b-ba4a4e968fff0", "{}",
		"00000000-0000-0000-0000-000000000000", "AAAAAAAAAAAAAAAAAAAAAA==", "8c4ac332-975f-4717-ad7b-ba4a4e968ffg", "MsNKjF+XF0ete7pKTpaP/x=="} {
		if g, err := ParseGUID(bad); err == nil {
			t.Errorf("ParseGUID(%q) = %v; want an error", bad, g)
		}
	}
}

func TestEqualDN(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"CN=Ann,DC=corp", "cn=ann, dc=CORP", true},
		{"CN=Ann  Smith,DC=corp", "CN=Ann Smith ,DC=corp", true},
		{`CN=Smith\, Ann,DC=corp`, `cn=smith\2c ann,dc=corp`, true},
		{`CN=a+UID=b,DC=corp`, `uid=B + cn=A,DC=corp`, true},
		{`CN=a\,OU=b,DC=corp`, `CN=a,OU=b,DC=corp`, false},
		{`CN=a\+uid\=b,DC=corp`, `CN=a+UID=b,DC=corp`, false},
		{`CN=J\c3\bcrgen,DC=corp`, `CN=Jürgen,DC=corp`, true},
		{`CN="Smith, Ann",DC=corp`, `CN=Smith\, Ann,DC=corp`, true},
		{`CN = "a\"b\2cc;<>=#+" + UID="x",DC="corp"`, `UID=x+CN=a\"b\,c\;\<\>\=\#\+,DC=corp`, true},
		{`CN="Ann",DC=corp`, `CN="Bob",DC=corp`, false},
		{`CN="",DC=corp`, `CN=,DC=corp`, true},
		{"CN=Ann,DC=corp", "CN=Ann,DC=corp,DC=com", false},
		{"CN=Ann,DC=corp", "OU=Ann,DC=corp", false},
		{"no name", "no name", true},
		{"no name", "NO NAME", false},
		{"", "", true},
	} {
		if got := EqualDN(c.a, c.b); got != c.want {
			t.Errorf("EqualDN(%q, %q) = %v", c.a, c.b, got)
		}
		if got := EqualDN(c.b, c.a); got != c.want {
			t.Errorf("EqualDN(%q, %q) = %v", c.b, c.a, got)
		}
	}
}

func TestDNAdvice(t *testing.T) {
	for text, want := range map[string]string{
		"OU=Staff, Berlin,DC=corp": `"OU=Staff, Berlin,DC=corp" is not a distinguished name: expected an attribute type and "=" after the comma (a comma inside a value is written "\,") at character 9`,
		"Staff":                    `"Staff" is not a distinguished name: expected an attribute type and "=", as in "OU=Staff" at character 1`,
		`OU=a"b,DC=corp`:           `"OU=a\"b,DC=corp" is not a distinguished name: "\"" must be escaped in a value; write "\"" at character 5`,
		`OU="a,DC=corp`:            `"OU=\"a,DC=corp" is not a distinguished name: the quote that begins here has no end at character 4`,
		`OU="a"b,DC=corp`:          `"OU=\"a\"b,DC=corp" is not a distinguished name: expected "," or "+" after a value in quotes at character 7`,
		`OU="a\z",DC=corp`:         `"OU=\"a\\z\",DC=corp" is not a distinguished name: a backslash in quotes escapes one of , + " \ < > ; = # space, or is followed by two hex digits at character 6`,
		"OU=Staff;DC=corp":         `"OU=Staff;DC=corp" is not a distinguished name: ";" separates nothing in a name of RFC 4514; write "," between parts, or "\;" inside a value at character 9`,
		"OU=#x,DC=corp":            `"OU=#x,DC=corp" is not a distinguished name: "#" begins a hexadecimal value; write "\#" for a value that begins with it at character 4`,
		`OU=a\,`:                   "",
		`OU=a\z,DC=corp`:           `"OU=a\\z,DC=corp" is not a distinguished name: a backslash escapes one of , + " \ < > ; = # space, or is followed by two hex digits; a backslash itself is written "\\" at character 5`,
	} {
		got := ""
		if _, err := ParseDN(text); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("ParseDN(%q): %s\nwant %s", text, got, want)
		}
	}
}

func TestWithin(t *testing.T) {
	base, err := ParseDN("OU=Staff,DC=corp")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"CN=Ann,OU=Staff,DC=corp":     true,
		"ou=staff,dc=corp":            true,
		"CN=Ann,OU=Old Staff,DC=corp": false,
		`CN=Ann\,OU=Staff,DC=corp`:    false,
		"DC=corp":                     false,
	} {
		dn, err := ParseDN(text)
		if err != nil || dn.Within(base) != want {
			t.Errorf("%s within %s: %v, %v", text, base, !want, err)
		}
	}
}

func TestAccountJSON(t *testing.T) {
	guid, err := ParseGUID("8c4ac332-975f-4717-ad7b-ba4a4e968fff")
	if err != nil {
		t.Fatal(err)
	}
	want := Account{
		Primary: MustAddress("ann@example.com"), Aliases: []Address{MustAddress("a.smith@example.com")}, Type: List,
		Directory: "corp", GUID: guid, Username: "a\"s\\\n", DN: "CN=Ann\x1b[31m\u202e,DC=corp",
		Attributes: []Attribute{{"department", "IT"}, {DisplayName, "Ann \U000e0041 Ünïcode"}},
	}
	line := want.AppendJSON(nil)
	if !json.Valid(line) || strings.ContainsAny(string(line), "\x1b\u202e\U000e0041\n") {
		t.Errorf("%s is not fit for a line of a terminal", line)
	}
	var dec Decoder
	got, err := dec.Account(line)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s reads as %+v, %v", line, got, err)
	}
	for _, c := range []struct{ line, want string }{
		{`{"primary":"ANN@example.com"}`, ""},
		{`{"primary":"ann@example.com","guid":"MsNKjF+XF0ete7pKTpaP/w=="}`, ""},
		{`{}`, `"primary" is missing`},
		{`null`, "expected a JSON object"},
		{`{"primary":"ann@example.com"`, "the JSON object is cut short"},
		{`{"primary":"ann@example.com"} x`, "something follows the JSON object"},
		{`{"primary":"ann@example.com","alias":[]}`, `unknown field "alias"`},
		{`{"primary":"ann"}`, `primary "ann": an address has exactly one @`},
		{`{"primary":"ann@example.com","aliases":["Ann@example.com"]}`, "ann@example.com is the primary and an alias of the same account"},
		{`{"primary":"ann@example.com","aliases":["a@example.com","A@example.com"]}`, "alias a@example.com is listed twice"},
		{`{"primary":"ann@example.com","aliases":["a@example.com"],"status":"inactive"}`, "an inactive account has no aliases"},
		{`{"primary":"ann@example.com","directory":"corp"}`, `directory "corp" without a guid: an owned account needs both, a local account has no directory`},
		{`{"primary":"ann@example.com","type":"robot"}`, `type "robot" is neither "user" nor "list"`},
		{"{\"primary\":\"\xff@example.com\"}", "not valid UTF-8"},
	} {
		_, err := dec.Account([]byte(c.line))
		if got := errorText(err); got != c.want {
			t.Errorf("%s: %q, want %q", c.line, got, c.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// FuzzAddress: what is accepted, net/mail accepts too, and it is canonical.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"ann@example.com", "A.b+c@x-y.example", "a..b@c", "a@b@c.d", "\"q\"@x.y", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		if again, err := ParseAddress(a.String()); err != nil || again != a || a.Local()+"@"+a.Domain() != a.String() {
			t.Errorf("%q is not canonical as %q", s, a)
		}
		if m, err := mail.ParseAddress(a.String()); err != nil || m.Address != a.String() {
			t.Errorf("net/mail takes %q for %v, %v", a, m, err)
		}
	})
}

// FuzzGUID: every accepted spelling is the same GUID as its text.
func FuzzGUID(f *testing.F) {
	for _, s := range []string{"8c4ac332-975f-4717-ad7b-ba4a4e968fff", "MsNKjF+XF0ete7pKTpaP/w==", "{00112233445566778899aabbccddeeff}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		g, err := ParseGUID(s)
		if err != nil {
			return
		}
		if again, err := ParseGUID(g.String()); err != nil || again != g || g.IsZero() {
			t.Errorf("%q is %v, which reads as %v, %v", s, g, again, err)
		}
	})
}

// FuzzAccount: the direct reader and the general one agree, and what they read
// is written and read again as the same account.
func FuzzAccount(f *testing.F) {
	f.Add([]byte(`{"primary":"ann@example.com","aliases":["a@example.com"],"type":"user","status":"active","directory":"corp","guid":"8c4ac332-975f-4717-ad7b-ba4a4e968fff","username":"ann","dn":"CN=Ann","attributes":{"department":"IT"}}`))
	f.Add([]byte(`{"primary":"ann@example.com","aliases":[],"type":"list","status":"inactive","directory":"","guid":"","username":"","dn":"","attributes":{}}`))
	f.Add([]byte(`{"attributes":{"a":"\u001b"},"primary":"A@b.example"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		var dec Decoder
		direct, ok := dec.canonical(line)
		var general Account
		raw, err := parseRaw(line)
		if err == nil {
			general, err = dec.fields(raw)
		}
		if ok && (err != nil || !reflect.DeepEqual(direct, general)) {
			t.Errorf("%s: directly %+v, generally %+v, %v", line, direct, general, err)
		}
		if err != nil {
			return
		}
		written := general.AppendJSON(nil)
		if again, err := dec.Found(written); err != nil || !reflect.DeepEqual(again, general) {
			t.Errorf("%+v is written %s and reads %+v, %v", general, written, again, err)
		}
		whole := !general.Primary.IsZero() && general.Check() == nil
		if again, err := dec.Account(written); (err == nil) != whole || whole && !reflect.DeepEqual(again, general) {
			t.Errorf("%+v is written %s and reads %+v, %v", general, written, again, err)
		}
	})
}

func TestParentDN(t *testing.T) {
	for text, want := range map[string]string{
		"CN=a,OU=b,DC=c": "OU=b,DC=c", `CN=Smith\, Ann, OU=b`: "OU=b", "DC=c": "", "": "", `CN=a\`: "", `CN="Smith, Ann",OU=b`: "OU=b", `CN="a\"b, c", OU=b`: "OU=b",
	} {
		if got := ParentDN(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestFound: what a console may have, and no state, is read where it was found.
func TestFound(t *testing.T) {
	var dec Decoder
	for _, text := range []string{
		`{"primary":"","aliases":["a@example.com"],"type":"user","status":"active","directory":"","guid":"","username":"","dn":"","attributes":{}}`,
		`{"primary":"ann@example.com","aliases":["a@example.com"],"type":"user","status":"inactive","directory":"","guid":"","username":"","dn":"","attributes":{}}`,
	} {
		a, err := dec.OptionalFound([]byte(text))
		if err != nil || string(AppendOptional(nil, a)) != text {
			t.Errorf("%s: got %+v, %v", text, a, err)
		}
		if _, err := dec.Account([]byte(text)); err == nil {
			t.Errorf("%s: taken for an account of a state", text)
		}
	}
}

func TestOptionalAccount(t *testing.T) {
	var dec Decoder
	for _, want := range []*Account{nil, {Primary: MustAddress("ann@example.com")}} {
		text := AppendOptional(nil, want)
		got, err := dec.Optional(text)
		if err != nil || (got == nil) != (want == nil) || string(AppendOptional(nil, got)) != string(text) {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	if got, err := dec.Optional(nil); got != nil || err != nil {
		t.Errorf("nothing: got %v, %v", got, err)
	}
	if _, err := dec.Optional([]byte(`{"primary":""}`)); err == nil {
		t.Error("no account is one")
	}
}

// TestPlain: the octets that JSON shows as they are end where the first other one is.
func TestPlain(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			for behind := range 12 {
				text := strings.Repeat("~", at) + string([]byte{byte(c)}) + strings.Repeat(" ", behind)
				want := at
				if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
					want = len(text)
				}
				if got := plain(text); got != want {
					t.Fatalf("%q: %d, and not %d", text, got, want)
				}
			}
		}
	}
}

// TestSaysTheSame: an entry that says what an account says may have other letter cases and
// another order, and nothing else.
func TestSaysTheSame(t *testing.T) {
	a := Account{Primary: MustAddress("ann@example.com"), Aliases: []Address{MustAddress("a@example.com"), MustAddress("b@example.com")}, DN: "CN=Ann"}
	e := func(dn, primary string, aliases ...string) *Entry {
		return &Entry{DN: dn, Primaries: []string{primary}, Aliases: aliases}
	}
	two, mail := e("CN=Ann", "ann@example.com", "a@example.com", "b@example.com"), e("CN=Ann", "ann@example.com", "a@example.com", "b@example.com")
	two.Primaries, mail.Mail = append(two.Primaries, "b@example.com"), []string{"ann@example.com"}
	for name, test := range map[string]struct {
		e                *Entry
		spelled, exactly bool
	}{
		"the same":             {e("CN=Ann", "ann@example.com", "a@example.com", "b@example.com"), true, true},
		"another order":        {e("CN=Ann", "ann@example.com", "b@example.com", "a@example.com"), true, true},
		"other letters":        {e("CN=Ann", "Ann@Example.com", "a@example.com", "B@EXAMPLE.COM"), true, false},
		"another DN":           {e("cn=Ann", "ann@example.com", "a@example.com", "b@example.com"), false, false},
		"another primary":      {e("CN=Ann", "a@example.com", "ann@example.com", "b@example.com"), false, false},
		"fewer aliases":        {e("CN=Ann", "ann@example.com", "a@example.com"), false, false},
		"more aliases":         {e("CN=Ann", "ann@example.com", "a@example.com", "b@example.com", "c@example.com"), false, false},
		"another alias":        {e("CN=Ann", "ann@example.com", "a@example.com", "c@example.com"), false, false},
		"another octet":        {e("CN=Ann", "ann@example.com", "a@example.com", "b\x00example.com"), false, false},
		"several primaries":    {two, false, false},
		"a primary that names": {mail, false, false},
	} {
		if SaysTheSame(test.e, &a, Address.Spells) != test.spelled || SaysTheSame(test.e, &a, Address.Is) != test.exactly {
			t.Errorf("%s: not %t and %t", name, test.spelled, test.exactly)
		}
	}
	var put Entry
	Same{&a, 3}.Put(&put)
	if want := e("CN=Ann", "ann@example.com", "a@example.com", "b@example.com"); want.Scope != 0 || put.Scope != 3 || !slices.Equal(put.Aliases, want.Aliases) || !slices.Equal(put.Primaries, want.Primaries) {
		t.Errorf("%+v", put)
	}
}
