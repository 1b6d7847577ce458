package filter

import (
	"slices"
	"strings"
	"testing"
)

// TestExplain: what is said of a filter is the smallest part of it that keeps
// the object out.
func TestExplain(t *testing.T) {
	const inChain = "(memberOf:1.2.840.113556.1.4.1941:=CN=All,DC=x)"
	for _, tt := range []struct {
		filter string
		want   []string
	}{
		{"(mail=*)", nil},
		{"(&)", nil},
		{"(sn=Jones)", []string{`(sn=Jones) is not true: the object's sn is "Smith"`}},
		{"(department=Sales)", []string{"(department=Sales) is not true: the object has no department, or none that may be read"}},
		{"(proxyAddresses=*)", nil},
		{"(proxyAddresses=smtp:x*)", []string{`(proxyAddresses=smtp:x*) is not true: the object's proxyAddresses is "SMTP:ann@example.com", "X500:/o=Corp/cn=ann"`}},
		{"(&(objectClass=user)(sn=Jones)(department=*))", []string{
			`(sn=Jones) is not true: the object's sn is "Smith"`,
			"(department=*) is not true: the object has no department, or none that may be read",
		}},
		{"(&(objectClass=user)(|(sn=Jones)(sn=Brown)))", []string{`(|(sn=Jones)(sn=Brown)) is not true: the object's sn is "Smith"`}},
		{"(|(sn=Jones)(department=Sales))", []string{"(|(sn=Jones)(department=Sales)) is not true"}},
		{"(|(sn=Jones))", []string{`(sn=Jones) is not true: the object's sn is "Smith"`}},
		{"(|)", []string{"(|) is not true"}},
		{"(!(sn=Smith))", []string{`(sn=Smith) is true, and the filter negates it: the object's sn is "Smith"`}},
		{"(!(|(hidden=TRUE)(sn=Jones)(userAccountControl:1.2.840.113556.1.4.803:=2)))", []string{
			`(hidden=TRUE) is true, and the filter negates it: the object's hidden is "TRUE"`,
			`(userAccountControl:1.2.840.113556.1.4.803:=2) is true, and the filter negates it: the object is disabled (userAccountControl is 66050)`,
		}},
		{"(!(&(sn=Smith)(mail=*)))", []string{"(&(sn=Smith)(mail=*)) is true, and the filter negates it"}},
		{"(!(!(sn=Jones)))", []string{`(sn=Jones) is not true: the object's sn is "Smith"`}},
		{"(&(sn=Jones)(|(sn=Jones)))", []string{`(sn=Jones) is not true: the object's sn is "Smith"`}},
		{"(&(sn=Smith)" + inChain + ")", []string{inChain + " follows nested memberships, which only a server can do; name the groups with memberOf=, or read the directory live"}},
		{"(!" + inChain + ")", []string{inChain + " follows nested memberships, which only a server can do; name the groups with memberOf=, or read the directory live"}},
		{"(|(sn=Jones)" + inChain + ")", []string{"(|(sn=Jones)" + inChain + ") cannot be judged: " + inChain + " follows nested memberships, which only a server can do; name the groups with memberOf=, or read the directory live"}},
		{"(|(sn=Smith)" + inChain + ")", nil},
		{"(uSNChanged:integerMatch:=10007)", nil},
		{"(sn;lang-de=Jones)", []string{"(sn;lang-de=Jones) is not true: the object has no sn;lang-de, or none that may be read"}},
		{"(surname=Jones)", []string{`(surname=Jones) is not true: the object's surname is "Smith"`}},
		{"(|(2.5.4.4=Jones)(surname=Brown))", []string{"(|(2.5.4.4=Jones)(surname=Brown)) is not true"}},
		{"(!(userAccountControl=0x2))", []string{`(userAccountControl=0x2) compares a whole number with "0x2"`}},
		{"(sn:integerMatch:=1)", []string{"(sn:integerMatch:=1) compares with a value of another kind"}},
	} {
		f, err := Parse(tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		clauses := f.Explain(ann, nil)
		var got []string
		for i := range clauses {
			got = append(got, clauses[i].String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s\n got %s\nwant %s", tt.filter, strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
		}
		if f.Match(ann) != (len(got) == 0) {
			t.Errorf("%s matches: %t, but its explanation is %q", tt.filter, f.Match(ann), got)
		}
	}
}

// TestExplainAsks: a server is asked for what only it can judge, once for each
// part.
func TestExplainAsks(t *testing.T) {
	f, err := Parse("(&(sn=Smith)(|(anr=ann)(anr=bob))(!(anr=bob)))")
	if err != nil {
		t.Fatal(err)
	}
	for _, holds := range []bool{true, false} {
		var asked []string
		clauses := f.Explain(ann, func(part string) (bool, bool) {
			asked = append(asked, part)
			return holds == (part == "(anr=ann)"), true
		})
		if want := []string{"(anr=ann)", "(anr=bob)"}; !slices.Equal(asked, want) {
			t.Errorf("asked for %q, want %q", asked, want)
		}
		switch {
		case holds && len(clauses) != 0:
			t.Errorf("matched, and yet: %s", &clauses[0])
		case !holds && (len(clauses) != 1 || clauses[0].Text != "(anr=bob)" || !clauses[0].Holds):
			t.Errorf("clauses %+v", clauses)
		}
	}
}

// TestExplainShows: values are cut and are text.
func TestExplainShows(t *testing.T) {
	o := newObject("CN=x", "cn: x")
	o.values["description"] = [][]byte{[]byte(strings.Repeat("ä", 5000)), {0xff, 0}, []byte("3"), []byte("4"), []byte("5"), []byte("6"), []byte("7"), []byte("8")}
	f, _ := Parse("(description=none)")
	clauses := f.Explain(o, nil)
	want := []string{strings.Repeat("ä", 50) + "…", `\ff\00`, "3", "4", "5", "6"}
	if len(clauses) != 1 || !slices.Equal(clauses[0].Values, want) || !strings.HasSuffix(clauses[0].String(), `"5", "6" and 2 more`) {
		t.Errorf("got %+v, want %q", clauses, want)
	}
}
