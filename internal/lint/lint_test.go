package lint

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/redact"
	"github.com/rollcall-cli/rollcall/plan"
)

// object is an object for tests.
type thing struct {
	dn     string
	values map[string][]string
}

func (o *thing) DN() string { return o.dn }

func (o *thing) Values(name string) (list [][]byte) {
	for _, v := range o.values[name] {
		list = append(list, []byte(v))
	}
	for _, v := range o.values[name+german] {
		list = append(list, []byte(v))
	}
	return list
}

// german are the only options of the tests.
const german = ";lang-de"

func (o *thing) Options(name string, n int) string {
	if n < len(o.values[name]) {
		return ""
	}
	return german
}

func (o *thing) Attributes() iter.Seq2[string, [][]byte] { panic("not asked for") }

// parse makes an object of "attribute=value" parts, separated by "|". Without a
// dn it is CN=Ann.
func parse(text string) *thing {
	o := &thing{"CN=Ann,DC=example", map[string][]string{}}
	for part := range strings.SplitSeq(text, "|") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "dn":
			o.dn = value
		case "p":
			name = "proxyaddresses"
			fallthrough
		default:
			o.values[name] = append(o.values[name], value)
		}
	}
	return o
}

func testRules() *plan.Rules {
	return &plan.Rules{
		Domains: []plan.Domain{{Name: "example.com", Aliases: []string{"example.net"}}, {Name: "example.org"}, {Name: "gmail.com", Public: true, AliasFor: []string{"example.com"}}},
		Scopes: []plan.Scope{
			{Name: "staff", Directory: "corp", Domains: []string{"example.com"}, MaxLength: map[string]int{"display_name": 10}},
			{Name: "guests", Directory: "corp", Domains: []string{"example.com"}},
			{Name: "researchers", Directory: "lab", Domains: []string{"example.com", "example.org"}},
		},
	}
}

var testKinds = map[string]string{"corp": "active_directory", "lab": "ldap"}

func testScopes(directoryName string) []directory.Scope {
	display := []directory.Attribute{{Name: "display_name", Source: "displayName"}}
	if directoryName == "lab" {
		return []directory.Scope{{Index: 2, Name: "researchers", PrimaryAttribute: "mail", AliasAttributes: []string{"mailAlternateAddress"}, UsernameAttribute: "uid", Type: directory.Auto, Attributes: display}}
	}
	scope := directory.Scope{Name: "staff", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"}, UsernameAttribute: "sAMAccountName", Type: directory.Auto, SkipDisabled: true, Attributes: display}
	guests := scope
	guests.Index, guests.Name, guests.SkipDisabled = 1, "guests", false
	return []directory.Scope{scope, guests}
}

// lint looks at objects, each after the name of its directory, as in
// "corp: mail=ann@example.com".
func lint(t *testing.T, objects ...string) *Report {
	t.Helper()
	l := New(testRules(), Info)
	for _, name := range []string{"corp", "lab"} {
		l.Begin(name, testKinds[name], testScopes(name))
		for _, text := range objects {
			if rest, found := strings.CutPrefix(text, name+": "); found {
				if err := l.Put(0, parse(rest)); err != nil {
					t.Fatal(err)
				}
			}
		}
		l.End(identity.Receipt{Name: name, Complete: true})
	}
	return l.Report()
}

// brief writes a finding as "code value", behind which stands, in parentheses,
// what its repair does.
func brief(f *Finding) string {
	text := f.Code.String()
	if f.Value != "" {
		text += " " + f.Value
	}
	c := f.Change()
	for _, v := range c.Remove {
		text += " (-" + strings.Join(v.Values, ",") + ")"
	}
	for _, v := range c.Add {
		text += " (+" + strings.Join(v.Values, ",") + ")"
	}
	for _, v := range c.Replace {
		text += " (=" + strings.Join(v.Values, ",") + ")"
	}
	return text
}

func briefs(r *Report) []string {
	list := []string{}
	for i := range r.Findings {
		list = append(list, brief(&r.Findings[i]))
	}
	return list
}

// TestEntries are findings of single entries.
func TestEntries(t *testing.T) {
	long := strings.Repeat("x", 65) + "@example.com"
	for _, c := range []struct {
		story, object string
		want          []string
	}{
		{"all is well", "mail=ann@example.com|p=SMTP:ann@example.com|p=smtp:a@example.net|p=X500:/o=Corp/cn=(a)|p=SIP:ann@example.com|p=smtp:ann@gmail.com", nil},
		{"mail alone", "mail=ann@example.com", nil},
		{"no address is no entry", "p=X500:/o=Corp|displayname=01234567890", nil},

		{"malformed", "mail=ann@example.com|p=smtp:a@b@example.com|p=smtp:müller@example.com|p=smtp:ann", []string{"malformed smtp:a@b@example.com", "malformed smtp:ann", "malformed smtp:müller@example.com"}},
		{"mail beside SMTP: is not read", "mail=nobody|p=SMTP:ann@example.com", []string{"mail_not_primary nobody (=ann@example.com)"}},
		{"too long before the @", "mail=" + long, []string{"address_too_long " + long}},
		{"too long a label", "mail=a@" + long[:64] + ".com", []string{"address_too_long a@" + long[:64] + ".com"}},
		{"a dot at the end", "mail=ann@example.com|p=smtp:a@example.com.", []string{"trailing_dot smtp:a@example.com. (-smtp:a@example.com.) (+smtp:a@example.com)"}},
		{"a dot at the end of mail", "mail=ann@example.com.", []string{"trailing_dot ann@example.com. (=ann@example.com)"}},
		{"a dot before the @", "mail=ann.@example.com", []string{"malformed ann.@example.com"}},
		{"a prefix in mail", "mail=SMTP:ann@example.com", []string{"prefix_in_mail SMTP:ann@example.com (=ann@example.com)"}},

		{"two primaries, and mail names one", "mail=ann@example.com|p=SMTP:ann@example.com|p=SMTP:a@example.com", []string{"several_primaries SMTP:a@example.com", "several_primaries SMTP:ann@example.com"}},
		{"two primaries, and mail names the one of a wrong domain", "mail=ann@corp.local|p=SMTP:ann@corp.local|p=SMTP:ann@example.com", []string{
			"several_primaries SMTP:ann@corp.local", "several_primaries SMTP:ann@example.com", "unknown_domain SMTP:ann@corp.local"}},
		{"no primary, and an alias that does not count", "p=smtp:b@example.com|p=smtp:a@example.com.", []string{"trailing_dot smtp:a@example.com.", "no_primary"}},
		{"two primaries, and one does not count", "p=SMTP:ann@example.com|p=SMTP:a@example.com.", []string{"trailing_dot SMTP:a@example.com.", "several_primaries SMTP:a@example.com.", "several_primaries SMTP:ann@example.com"}},
		{"two primaries, and mail names neither", "mail=b@example.com|p=SMTP:ann@example.com|p=SMTP:a@example.com", []string{"several_primaries SMTP:a@example.com", "several_primaries SMTP:ann@example.com"}},
		{"two primaries, and no mail", "p=SMTP:ann@example.com|p=SMTP:a@example.com", []string{"several_primaries SMTP:a@example.com", "several_primaries SMTP:ann@example.com"}},
		{"several values of mail", "mail=b@example.com|mail=a@example.com", []string{"several_primaries a@example.com", "several_primaries b@example.com"}},
		{"several values of mail beside SMTP:", "mail=b@example.com|mail=a@example.com|p=SMTP:a@example.com", nil},
		{"no primary", "p=smtp:a@example.com", []string{"no_primary"}},

		{"unknown domain", "mail=ann@example.com|p=smtp:a@example.org|p=smtp:ann@corp.local", []string{"unknown_domain smtp:a@example.org", "unknown_domain smtp:ann@corp.local"}},
		{"a public primary", "mail=ann@gmail.com", []string{"public_address ann@gmail.com"}},
		{"a public alias of an alias domain's primary", "mail=ann@example.net|p=smtp:ann@gmail.com", nil},
		{"a public alias of another primary", "mail=ann@example.org|p=smtp:ann@gmail.com", []string{"unknown_domain ann@example.org", "public_address smtp:ann@gmail.com"}},

		{"mail is an alias", "mail=a@example.com|p=SMTP:ann@example.com|p=smtp:a@example.com", []string{"mail_not_primary a@example.com (=ann@example.com)"}},
		{"mail in other letter case", "mail=Ann@example.com|p=SMTP:ann@example.com", []string{"case_variant Ann@example.com (=ann@example.com)"}},
		{"mail in other letter case, with a space", "mail= Ann@example.com|p=SMTP:ann@example.com", []string{"surrounding_space  Ann@example.com (=ann@example.com)", "case_variant  Ann@example.com (=ann@example.com)"}},
		{"mail is another, with a space", "mail=a@example.com |p=SMTP:ann@example.com", []string{"mail_not_primary a@example.com  (=ann@example.com)", "surrounding_space a@example.com  (=ann@example.com)"}},
		{"mail is right, and the primary in a wrong domain", "mail=ann@example.com |p=SMTP:ann@corp.local", []string{"unknown_domain SMTP:ann@corp.local", "mail_not_primary ann@example.com "}},
		{"mail with a space", "mail=ann@example.com |p=SMTP:ann@example.com", []string{"surrounding_space ann@example.com  (=ann@example.com)"}},
		{"mail with a dot", "mail=ann@example.com.|p=SMTP:ann@example.com", []string{"trailing_dot ann@example.com. (=ann@example.com)"}},

		{"listed twice", "mail=ann@example.com|p=smtp:a@example.com|p= smtp:a@example.com", []string{"repeated_address  smtp:a@example.com (=smtp:a@example.com)"}},
		{"primary and alias", "p=smtp:ann@example.com|p=SMTP:ann@example.com", []string{"repeated_address smtp:ann@example.com (=SMTP:ann@example.com)"}},
		{"twice, but for letter case", "p=SMTP:ann@example.com|p=smtp:A@Example.com|p=smtp:a@example.com", []string{"case_variant smtp:a@example.com (=SMTP:ann@example.com,smtp:A@Example.com)"}},
		{"values that stay", "p=smtp:ann@example.com|p=X500:/o=Corp|p=SMTP:ann@example.com|p=smtp:b@example.com.", []string{
			"trailing_dot smtp:b@example.com. (=X500:/o=Corp,SMTP:ann@example.com,smtp:b@example.com)", "repeated_address smtp:ann@example.com (=X500:/o=Corp,SMTP:ann@example.com,smtp:b@example.com)"}},
		{"a repair that would meet another value", "p=smtp:ann@example.com|p=SMTP:ann@example.com.", []string{
			"trailing_dot SMTP:ann@example.com. (=SMTP:ann@example.com)", "repeated_address smtp:ann@example.com (=SMTP:ann@example.com)"}},
		{"mail twice, and wrong", "mail=a@example.com|mail=A@example.com|p=SMTP:ann@example.com", []string{"mail_not_primary A@example.com (=ann@example.com)", "case_variant a@example.com (=ann@example.com)"}},
		{"several values of mail, one in other letter case", "mail=Ann@example.com|mail=a@example.com|p=SMTP:ann@example.com", []string{"case_variant Ann@example.com (-Ann@example.com) (+ann@example.com)"}},
		{"twice, once with a dot", "p=SMTP:ann@example.com|p=smtp:a@example.com.|p=smtp:a@example.com", []string{"repeated_address smtp:a@example.com. (-smtp:a@example.com.)"}},
		{"in two domains that are one", "mail=ann@example.com|p=smtp:ann@example.net", nil},

		{"white space", "mail=ann@example.com|p=smtp:a@example.com |p=smtp: b@example.com|p=\u00a0smtp:c@example.com", []string{
			"surrounding_space smtp: b@example.com (-smtp: b@example.com) (+smtp:b@example.com)", "surrounding_space smtp:a@example.com  (-smtp:a@example.com ) (+smtp:a@example.com)",
			"surrounding_space \u00a0smtp:c@example.com (-\u00a0smtp:c@example.com) (+smtp:c@example.com)"}},
		{"no prefix", "mail=ann@example.com|p=a@example.com", []string{"missing_prefix a@example.com (-a@example.com) (+smtp:a@example.com)"}},
		{"no prefix, and no primary", "p=a@example.com", []string{"no_primary", "missing_prefix a@example.com"}},
		{"a mixed prefix", "mail=ann@example.com|p=Smtp:a@example.com", []string{"mixed_case_prefix Smtp:a@example.com (-Smtp:a@example.com) (+smtp:a@example.com)"}},
		{"several faults, one repair", "mail=ann@example.com|p= Smtp: a@example.com. ", []string{
			"trailing_dot  Smtp: a@example.com.  (- Smtp: a@example.com. ) (+smtp:a@example.com)", "surrounding_space  Smtp: a@example.com.  (- Smtp: a@example.com. ) (+smtp:a@example.com)",
			"mixed_case_prefix  Smtp: a@example.com.  (- Smtp: a@example.com. ) (+smtp:a@example.com)"}},

		{"long attributes", "mail=ann@example.com|displayname=äöüäöüäöüäö|samaccountname=" + strings.Repeat("u", 257), []string{"attribute_too_long äöüäöüäöüäö", "attribute_too_long " + strings.Repeat("u", 257)}},
		{"texts in another encoding", "mail=ann@example.com|displayname=J\xfcrgen", []string{"wrong_encoding J\xfcrgen"}},
		{"octets do not count", "mail=ann@example.com|displayname=äöüäöüäöüä", nil},
		{"a conflict object is nothing else", `dn=CN=Ann\0ACNF:8c4ac332-975f-4717-ad7b-ba4a4e968fff,DC=example|mail=nobody|p=a@b`, []string{"conflict_object"}},
		{"a name with a comma", `dn=CN=Smith\, Ann,DC=example|mail=ann@example.com`, []string{"dn_escaping"}},
		{"a parent with a comma", `dn=CN=Ann,OU=Sales\, Paris,DC=example|mail=ann@example.com`, nil},
		{"a system mailbox", "dn=CN=SystemMailbox{1f05a927-89c0-4725-adca-4527114196a1},CN=Users|mail=nobody", nil},
		{"a list with the beginning of a system mailbox's name", "dn=CN=Migration.Team,CN=Users|mail=nobody", []string{"malformed nobody"}},
		{"a deleted object", "mail=nobody|isdeleted=TRUE", nil},
		{"a value in a language", "mail=ann@example.com|mail;lang-de=anne@example.com ", []string{"surrounding_space anne@example.com  (-anne@example.com ) (+anne@example.com)"}},
		{"the same in both", "mail=ann@example.com|mail;lang-de=ann@example.com", []string{"repeated_address ann@example.com (-ann@example.com)"}},
		{"a disabled entry that the scope skips", "mail=nobody|useraccountcontrol=514", nil},
	} {
		got := briefs(lint(t, "corp: "+c.object))
		if !slices.Equal(got, append([]string{}, c.want...)) {
			t.Errorf("%s:\n got %q\nwant %q", c.story, got, c.want)
		}
	}
	// Alias attributes elsewhere bear no prefix.
	for object, want := range map[string][]string{
		"mailalternateaddress=a@example.org":                         {},
		"mailalternateaddress=smtp:a@example.org":                    {},
		"mailalternateaddress= a@example.org":                        {"surrounding_space  a@example.org (- a@example.org) (+a@example.org)"},
		"mailalternateaddress=Smtp:a@example.org":                    {"mixed_case_prefix Smtp:a@example.org (-Smtp:a@example.org) (+a@example.org)"},
		"mailalternateaddress=Smtp:a@example.org|mail=b@example.org": {"several_primaries ann@example.org", "several_primaries b@example.org", "mixed_case_prefix Smtp:a@example.org"},
	} {
		if got := briefs(lint(t, "lab: mail=ann@example.org|"+object)); !slices.Equal(got, want) {
			t.Errorf("without prefixes, %s: got %q, want %q", object, got, want)
		}
	}
}

// TestAdvice is in the words of the entry's attributes: where there are no
// prefixes, none is to be written.
func TestAdvice(t *testing.T) {
	for object, want := range map[string]string{
		"corp: p=SMTP:ann@example.com|p=SMTP:a@example.com":                 "leave SMTP: on one value and write smtp: before the others",
		"corp: mail=ann@example.com|mail=a@example.com":                     "keep one value, and move the others to proxyAddresses",
		"lab: mail=ann@example.com|mail=a@example.com":                      "keep one value, and move the others to mailAlternateAddress",
		"corp: p=smtp:ann@example.com":                                      "write SMTP: before the primary, and put it into mail",
		"lab: mailalternateaddress=ann@example.com":                         "put the primary into mail",
		"lab: mail=ann@example.com|mailalternateaddress=Smtp:a@example.com": "take the prefix away, or write SMTP: before the primary",
	} {
		r := lint(t, object)
		for i := range r.Findings {
			if got := r.Findings[i].Advice(); got != want {
				t.Errorf("%s: %s: %s", object, r.Findings[i].Code, got)
			}
		}
		if len(r.Findings) == 0 {
			t.Errorf("%s: nothing found", object)
		}
	}
}

// TestDuplicates: an address is compared with those of all entries.
func TestDuplicates(t *testing.T) {
	r := lint(t,
		"corp: dn=CN=A|mail=ann@example.com|p=SMTP:ann@example.com|p=smtp:team@example.com",
		"corp: dn=CN=B|mail=b@example.com|p=smtp:Team@Example.NET|p=smtp:x@corp.local",
		"corp: dn=CN=C|mail=ann@example.com|p=SMTP:c@example.com",
		"lab: dn=uid=d|mail=team@example.com|mailalternateaddress=x@corp.local",
		"lab: dn=uid=e|mail=e@example.org|mailalternateaddress=team@example.com",
		"lab: dn=uid=f|mail=f@example.org|mailalternateaddress=team@example.com",
		`corp: dn=CN=A\0ACNF:1|mail=ann@example.com`,
	)
	var got []string
	for _, f := range r.Of(DuplicateAddress) {
		line := f.Directory + " " + f.DN + " " + f.Value + " <"
		for _, o := range f.Others {
			line += " " + o.DN
		}
		got = append(got, fmt.Sprintf("%s +%d", line, f.More))
	}
	want := []string{
		"corp CN=A smtp:team@example.com < CN=B uid=d uid=e +1",
		"corp CN=B smtp:Team@Example.NET < CN=A uid=d uid=e +1",
		"lab uid=d team@example.com < CN=A CN=B uid=e +1",
		"lab uid=e team@example.com < CN=A CN=B uid=d +1",
		"lab uid=f team@example.com < CN=A CN=B uid=d +1",
		"corp CN=B smtp:x@corp.local < uid=d +0",
		"lab uid=d x@corp.local < CN=B +0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	const message = `proxyAddresses "smtp:x@corp.local" is listed by several entries: "uid=d" in directory "lab" has mailAlternateAddress "x@corp.local"`
	if f := r.Of(DuplicateAddress)[5]; f.Message() != message || !f.Change().Empty() {
		t.Errorf("got %s, %v", f.Message(), f.Change())
	}
}

// TestSink follows objects through a read: what counts is what is there in the
// end.
func TestSink(t *testing.T) {
	for _, c := range []struct {
		story, calls string
		want         []string
	}{
		{"a newer version", "put nobody, put a@example.com, replace 0 b@example.com", nil},
		{"a version that is worse", "put b@example.com, put a@example.com, replace 0 nobody", []string{"malformed nobody"}},
		{"an object that is gone", "put nobody, put a@example.com, replace 0 gone", nil},
		{"a duplicate that is gone", "put a@example.com, put a@example.com, replace 0 gone", nil},
		{"a duplicate that comes", "put a@example.com, put b@example.com, replace 0 b@example.com", []string{"duplicate_address b@example.com", "duplicate_address b@example.com"}},
		{"gone and back", "put nobody, replace 0 gone, replace 0 nobody", []string{"malformed nobody"}},
		{"one without an address", "put -, put nobody, replace 0 gone, replace 1 -", nil},
		{"a read that starts over", "put nobody, put a@example.com, reset, put a@example.com", nil},
	} {
		l := New(testRules(), Info)
		l.Begin("lab", "ldap", testScopes("lab"))
		if err := l.Put(0, parse("dn=uid=other|mail=nobody@")); err != nil {
			t.Fatal(err)
		}
		l.Begin("corp", "active_directory", testScopes("corp"))
		n := 0
		object := func(text string) directory.Object {
			n++
			switch text {
			case "gone":
				return nil
			case "-":
				return parse("displayname=x")
			}
			return parse(fmt.Sprintf("dn=CN=%d|mail=%s", n, text))
		}
		for call := range strings.SplitSeq(c.calls, ", ") {
			var at int
			var text string
			var err error
			if _, e := fmt.Sscanf(call, "put %s", &text); e == nil {
				err = l.Put(0, object(text))
			} else if _, e := fmt.Sscanf(call, "replace %d %s", &at, &text); e == nil {
				err = l.Replace(at, 1, object(text))
			} else {
				err = l.Reset()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		// The directory that was read before stays.
		want := append([]string{"malformed nobody@"}, c.want...)
		got := briefs(l.Report())
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", c.story, got, want)
		}
	}
}

// TestTwice: what a server gave twice, as an object that moved while it was
// read, is one.
func TestTwice(t *testing.T) {
	const twice = "corp: dn=CN=A|mail=nobody|p=smtp:a@example.com|objectguid=8c4ac332-975f-4717-ad7b-ba4a4e968fff"
	if got, want := briefs(lint(t, twice, twice)), []string{"malformed nobody"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMany: of too many findings the first are kept in whatever order they come,
// the others are counted, and those of an object that went meanwhile are not.
func TestMany(t *testing.T) {
	const n = 2*mostFindings + 10
	read := func(order func(i int) int, gone ...int) *Report {
		l := New(testRules(), Info)
		l.Begin("lab", "ldap", testScopes("lab"))
		for i := range n {
			if err := l.Put(0, parse(fmt.Sprintf("dn=uid=%06d|mail=nobody", order(i)))); err != nil {
				t.Fatal(err)
			}
		}
		for _, i := range gone {
			if err := l.Replace(i, 0, nil); err != nil {
				t.Fatal(err)
			}
		}
		return l.Report()
	}
	shuffled := rand.New(rand.NewPCG(1, 2)).Perm(n)
	for name, order := range map[string]func(i int) int{
		"forwards": func(i int) int { return i }, "backwards": func(i int) int { return n - 1 - i }, "shuffled": func(i int) int { return shuffled[i] },
	} {
		r := read(order)
		if len(r.Findings) != mostFindings || r.Counts[Malformed] != n || r.LeftOut() != mostFindings+10 || r.Count(Error) != n {
			t.Errorf("%s: %d findings, %d counted, %d left out", name, len(r.Findings), r.Counts[Malformed], r.LeftOut())
		}
		for i := range r.Findings {
			if want := fmt.Sprintf("uid=%06d", i); r.Findings[i].DN != want {
				t.Fatalf("%s: finding %d is of %s", name, i, r.Findings[i].DN)
			}
		}
	}
	if r := read(func(i int) int { return i }, 5, n-1); len(r.Findings) != mostFindings-1 || r.Counts[Malformed] != n-2 {
		t.Errorf("%d findings, %d counted", len(r.Findings), r.Counts[Malformed])
	}
	// What was replaced takes no room.
	l := New(testRules(), Info)
	l.Begin("lab", "ldap", testScopes("lab"))
	for i := range mostFindings {
		if err := l.Put(0, parse(fmt.Sprintf("dn=uid=%06d|mail=nobody", i))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range mostFindings {
		if err := l.Replace(i, 0, parse(fmt.Sprintf("dn=uid=%06d|mail=nobody", i))); err != nil {
			t.Fatal(err)
		}
	}
	if r := l.Report(); r.LeftOut() != 0 || len(r.Findings) != mostFindings {
		t.Errorf("replaced: %d findings, %d left out", len(r.Findings), r.LeftOut())
	}
}

// TestIdentity: a command names an entry by the GUID by which Active Directory
// finds it, and else by its DN; there is none for other directories.
func TestIdentity(t *testing.T) {
	const guid = "8c4ac332-975f-4717-ad7b-ba4a4e968fff"
	const byGUID, byDN = "Set-ADObject -Identity '" + guid + "' ", "Set-ADObject -Identity 'CN=Ann,DC=example' "
	for _, c := range []struct{ kind, attribute, object, want string }{
		{"active_directory", "", "objectguid=" + guid, byGUID},
		{"active_directory", "objectGUID", "objectguid=" + guid, byGUID},
		{"active_directory", "mS-DS-ConsistencyGuid", "ms-ds-consistencyguid=" + guid, byDN},
		{"active_directory", "mS-DS-ConsistencyGuid", "ms-ds-consistencyguid=" + guid + "|objectguid=11111111-975f-4717-ad7b-ba4a4e968fff", byDN},
		{"active_directory", "", "entryuuid=" + guid, byDN},
		{"ldif", "", "objectguid=" + guid, byGUID},
		{"ldif", "mS-DS-ConsistencyGuid", "ms-ds-consistencyguid=" + guid + "|samaccountname=ann", byDN},
		{"ldif", "", "samaccountname=ann", byDN},
		{"ldif", "", "entryuuid=" + guid, ""},
		{"ldif", "nsUniqueId", "nsuniqueid=" + guid, ""},
		{"ldap", "", "entryuuid=" + guid, ""},
		{"ldap", "", "objectguid=" + guid, ""},
	} {
		scopes := testScopes("corp")
		for i := range scopes {
			scopes[i].GUIDAttribute = c.attribute
		}
		l := New(testRules(), Info)
		l.Begin("corp", c.kind, scopes)
		if err := l.Put(0, parse("mail=ann@example.com |"+c.object)); err != nil {
			t.Fatal(err)
		}
		r := l.Report()
		if len(r.Findings) != 1 {
			t.Fatalf("found %q", briefs(r))
		}
		f := &r.Findings[0]
		if got := f.Change().PowerShell(); !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s, %q, %s: %s", c.kind, c.attribute, c.object, got)
		}
		if got := f.Change().LDIF(); !strings.HasPrefix(got, "dn: CN=Ann,DC=example\n") || f.GUID != guid && strings.Contains(c.object, guid) {
			t.Errorf("%s, %q, %s: GUID %q, %s", c.kind, c.attribute, c.object, f.GUID, got)
		}
	}
}

// TestRepairs: entries at random, of which every repair is made, have no
// finding with a repair any more. What could not be judged before may be in a
// wrong domain. The directory compares values without letter case, as Active
// Directory does, and no address is lost. A plan reads the same entry, unless a
// value counts that did not.
func TestRepairs(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	for range 5_000 {
		o := &thing{"CN=Ann", map[string][]string{}}
		for range random.IntN(6) {
			v := pick("", "", " ") + pick("SMTP:", "smtp:", "smtp:", "Smtp:", "", "X500:") + pick("", "", " ") + pick("ann", "Ann", "b", "c d") + "@" + pick("example.com", "Example.com", "gmail.com", "corp.local") + pick("", "", ".", " ", ". ")
			if !slices.Contains(o.values["proxyaddresses"], v) {
				o.values["proxyaddresses"] = append(o.values["proxyaddresses"], v)
			}
		}
		if random.IntN(4) > 0 {
			o.values["mail"] = []string{pick("", "", "smtp:", " ") + pick("ann", "Ann", "b") + "@example.com" + pick("", "", ".", " ")}
		}
		before := fmt.Sprint(o.values)
		primaries, addresses := held(o)
		entry := planned(o)
		look := func() *Report {
			l := New(testRules(), Info)
			l.Begin("corp", "active_directory", testScopes("corp"))
			if err := l.Put(1, o); err != nil {
				t.Fatal(err)
			}
			return l.Report()
		}
		first := look()
		had := map[Code]bool{}
		done := map[string]bool{}
		for i := range first.Findings {
			f := &first.Findings[i]
			had[f.Code] = true
			c := f.Change()
			if c.Empty() || done[c.LDIF()] {
				continue
			}
			done[c.LDIF()] = true
			name := strings.ToLower(f.Attribute)
			at := func(value string) int {
				return slices.IndexFunc(o.values[name], func(v string) bool { return strings.EqualFold(v, value) })
			}
			for _, v := range c.Remove {
				at := at(v.Values[0])
				if at < 0 || o.values[name][at] != v.Values[0] {
					t.Fatalf("%s: %s is not what would be removed of %q", before, v.Values[0], o.values[name])
				}
				o.values[name] = slices.Delete(o.values[name], at, at+1)
			}
			for _, v := range c.Add {
				if at(v.Values[0]) >= 0 {
					t.Fatalf("%s: %s is there before it is added to %q", before, v.Values[0], o.values[name])
				}
				o.values[name] = append(o.values[name], v.Values...)
			}
			for _, v := range c.Replace {
				o.values[name] = slices.Clone(v.Values)
			}
		}
		if p, a := held(o); !slices.Equal(a, addresses) || !slices.Equal(p, primaries) {
			t.Fatalf("%s: the repairs lose an address or the primary: %q", before, o.values["proxyaddresses"])
		}
		if after := planned(o); after != entry && !had[TrailingDot] && !had[PrefixInMail] {
			t.Fatalf("%s: a plan reads %s, and after the repairs %s", before, entry, after)
		}
		second := look()
		for i := range second.Findings {
			f := &second.Findings[i]
			if !f.Change().Empty() || !had[f.Code] && f.Code != UnknownDomain && f.Code != PublicAddress {
				t.Fatalf("%s: after the repairs, %v: %s", before, o.values, brief(f))
			}
		}
	}
}

// planned returns the addresses of an object as a plan reads them.
func planned(o *thing) string {
	e, _ := directory.NewMapper(&testScopes("corp")[1]).Entry(o)
	seen := map[string]bool{}
	addresses := func(list []string) (all []string) {
		for _, text := range list {
			if a, err := identity.ParseAddress(text); err == nil && !seen[a.String()] {
				seen[a.String()] = true
				all = append(all, a.String())
			}
		}
		slices.Sort(all)
		return all
	}
	return fmt.Sprint(addresses(e.Primaries), addresses(e.Aliases))
}

// held returns the addresses with SMTP:, and all, that an object lists.
func held(o *thing) (primaries, all []string) {
	for _, v := range o.values["proxyaddresses"] {
		address := strings.ToLower(strings.Trim(v, ". "))
		if _, rest, found := strings.Cut(address, ":"); found {
			address = strings.TrimSpace(rest)
		}
		if all = append(all, address); strings.HasPrefix(strings.TrimSpace(v), "SMTP:") {
			primaries = append(primaries, address)
		}
	}
	slices.Sort(primaries)
	slices.Sort(all)
	return slices.Compact(primaries), slices.Compact(all)
}

// TestHuge: many values of one entry cost no more than many entries.
func TestHuge(t *testing.T) {
	o := &thing{"CN=Ann", map[string][]string{"mail": {"ann@example.com"}}}
	for i := range 50_000 {
		o.values["proxyaddresses"] = append(o.values["proxyaddresses"], fmt.Sprintf("smtp:a%d@example.com", i), fmt.Sprintf("a%d@example.com", i))
	}
	l := New(testRules(), Info)
	l.Begin("corp", "active_directory", testScopes("corp"))
	if err := l.Put(0, o); err != nil {
		t.Fatal(err)
	}
	if r := l.Report(); r.Counts[RepeatedAddress] != 50_000 {
		t.Errorf("found %v", r.Counts)
	}
}

// TestSeverity: what is below the least severity is not found.
func TestSeverity(t *testing.T) {
	for _, s := range Severities {
		l := New(testRules(), s)
		l.Begin("corp", "active_directory", testScopes("corp"))
		if err := l.Put(0, parse("mail=Ann@example.com|p=SMTP:ann@example.com|p=a@example.com|p=smtp:nobody")); err != nil {
			t.Fatal(err)
		}
		want := map[Severity]int{Error: 1, Warning: 2, Info: 3}[s]
		if r := l.Report(); len(r.Findings) != want || r.Findings[want-1].Severity() != s {
			t.Errorf("%s: got %q", s, briefs(r))
		}
	}
	var s Severity
	if err := s.UnmarshalText([]byte("fatal")); err == nil {
		t.Error("there is a severity fatal")
	}
}

func TestFingerprint(t *testing.T) {
	f := Finding{Code: Malformed, Entry: Entry{Directory: "corp", DN: "CN=Ann", GUID: "8c4ac332-975f-4717-ad7b-ba4a4e968fff"}, Attribute: "mail", Value: "nobody"}
	renamed, other, unknown := f, f, f
	renamed.DN = "CN=Ann Smith"
	other.Value = "somebody"
	unknown.GUID = ""
	if f.Fingerprint() != renamed.Fingerprint() || f.Fingerprint() == other.Fingerprint() || f.Fingerprint() == unknown.Fingerprint() || len(f.Fingerprint()) != 64 {
		t.Error("a fingerprint follows the GUID, and tells values apart")
	}
}

// TestRedacted: no value of the directory is left, and prefixes and white space
// are.
func TestRedacted(t *testing.T) {
	r := lint(t, "corp: dn=CN=Secretname|mail=secret1@example.com|p= Smtp:secret2@example.com|displayname=secret 34567890",
		"lab: dn=uid=secretuid|mail=secret2@example.com|objectguid=8c4ac332-975f-4717-ad7b-ba4a4e968fff",
		"corp: dn=CN=Secret3|p=SMTP:secret3@example.com|p=X500:/o=Secret|p=smtp:Secret3@example.com")
	if r.Redacted(nil) != r {
		t.Error("no mask, another report")
	}
	masked := r.Redacted(redact.New([]byte("key"), "example.com"))
	secret := regexp.MustCompile(`(?i)secret|8c4ac332`)
	for i := range masked.Findings {
		f := &masked.Findings[i]
		if text := fmt.Sprintf("%+v %s %s %s", f.Entry, f.Message(), f.Change().PowerShell(), f.Change().LDIF()); secret.MatchString(text) {
			t.Errorf("%s shows a secret: %s", f.Code, text)
		}
		if f.Code == SurroundingSpace && !strings.HasPrefix(f.Value, " Smtp:") {
			t.Errorf("got %q", f.Value)
		}
	}
	if last := masked.Of(CaseVariant); len(last) != 1 || len(last[0].Change().Replace[0].Values) != 2 {
		t.Errorf("got %v", last)
	}
	if len(masked.Findings) != 6 || !secret.MatchString(r.Findings[0].Message()) {
		t.Errorf("got %d findings, and changed the report: %q", len(masked.Findings), briefs(masked))
	}
}

// TestDocs: docs/reference/lint.md has every code with its severity, in order.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/lint.md")
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (error|warning|info) \\|").FindAllStringSubmatch(string(text), -1) {
		got = append(got, m[1]+" "+m[2])
	}
	for _, c := range Codes() {
		want = append(want, c.String()+" "+c.Severity().String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page has\n%v, the code\n%v", got, want)
	}
}

// TestAliasAdvice: no entry of another server than Active Directory is told to
// use proxyAddresses, unless it does.
func TestAliasAdvice(t *testing.T) {
	for _, c := range []struct{ kind, object, want string }{
		{"active_directory", "mail=a@example.com|mail=b@example.com", "keep one value, and move the others to proxyAddresses"},
		{"ldap", "mail=a@example.com|mail=b@example.com", "keep one value, and move the others to an attribute for aliases, such as mailLocalAddress or mailAlternateAddress, and name it in alias_attributes"},
		{"ldap", "mail=a@example.com|mail=b@example.com|p=smtp:c@example.com", "keep one value, and move the others to proxyAddresses"},
		{"active_directory", "p=smtp:a@example.com", "write SMTP: before the primary, and put it into mail"},
		{"ldap", "p=smtp:a@example.com", "write SMTP: before the primary, and put it into mail"},
		{"ldap", "mail;lang-de=a@example.com", "put the primary into mail"},
	} {
		l := New(testRules(), Error)
		l.Begin("corp", c.kind, testScopes("corp"))
		if err := l.Put(0, parse(c.object)); err != nil {
			t.Fatal(err)
		}
		l.End(identity.Receipt{Name: "corp", Complete: true})
		found := l.Report().Findings
		if len(found) == 0 || found[0].Advice() != c.want {
			t.Errorf("%s, %s: %v", c.kind, c.object, found)
		}
	}
}
