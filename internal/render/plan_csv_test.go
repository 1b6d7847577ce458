package render

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/spreadsheet"
	"github.com/rollcall-cli/rollcall/plan"
)

func csvOf(t testing.TB, p *plan.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := CSV(&b, p, Dialect{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCSV(t *testing.T) {
	for _, p := range []struct {
		name string
		plan *plan.Plan
	}{{"everything", everything()}, {"nothing", nothing()}, {"part", part(t)}, {"poisoned", poisoned()}, {"standing", standing()}, {"drift", drifting()}, {"drift-poisoned", poisonedDrift()}} {
		t.Run(p.name, func(t *testing.T) {
			got := csvOf(t, p.plan)
			golden(t, p.name+".csv", got)
			rows := parseCSV(t, got)
			if want := 1 + len(p.plan.Changes) + len(p.plan.LeftOut) + len(p.plan.Rejections); len(rows) != want {
				t.Errorf("%d rows, want %d", len(rows), want)
			}
		})
	}
}

// parseCSV reads a table back and checks that each cell is safe.
func parseCSV(t *testing.T, text string) [][]string {
	t.Helper()
	checkDivided(t, text)
	if strings.Contains(text, "\r") {
		t.Error("lines do not end in \\n alone")
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, value := range row {
			checkCell(t, value)
		}
	}
	return rows
}

func checkCell(t *testing.T, value string) {
	t.Helper()
	bare := strings.TrimLeft(value, " \t\r\n\"")
	if r, _ := utf8.DecodeRuneInString(bare); strings.ContainsRune("=+-@＝＋－＠\t\r", r) && r != utf8.RuneError {
		t.Errorf("a spreadsheet would take %q for a formula", value)
	}
	if strings.ContainsFunc(value, identity.Unprintable) || !utf8.ValidString(value) {
		t.Errorf("%q acts on a terminal", value)
	}
}

func TestSafe(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"", ""},
		{"ann@example.com", "ann@example.com"},
		{"CN=Ann,DC=example", "CN=Ann,DC=example"},
		{"=1+1", "'=1+1"},
		{"+1", "'+1"},
		{"-1", "'-1"},
		{"@sum(a1)", "'@sum(a1)"},
		{"  =1", "'  =1"},
		{`"=1"`, `'"=1"`},
		{`'=1`, `''=1`},
		{"\u00a0=1", "'\u00a0=1"},
		{"x;=1+1;y", "x;'=1+1;y"},
		{"x; +1", "x;' +1"},
		{"x,-1", "x,'-1"},
		{"x|@a", "x|'@a"},
		{"CN=x,OU=y;CN=z", "CN=x,OU=y;CN=z"},
		{"a-b;c+d;e@f", "a-b;c+d;e@f"},
		{"\u200b=1", "'\u200b=1"},
		{"\u2060\u00ad +1", "'\u2060\u00ad +1"},
		{"\u3164\ufe0f@a", "'\u3164\ufe0f@a"},
		{"x;\u200b\"=1", "x;'\u200b\"=1"},
		{"﹦1", "'﹦1"},
		{"＝1", "'＝1"},
		{"＋1", "'＋1"},
		{"－1", "'－1"},
		{"＠a", "'＠a"},
		{"\t=1", `\x09=1`},
		{"\r=1", `\x0d=1`},
		{"\ufeff=1", `\ufeff=1`},
		{"a\x1b[2Jb\u202e", `a\x1b[2Jb\u202e`},
		{"Jürgen", "Jürgen"},
		{"a\xffb", `a\xffb`},
		{" ann ", " ann "},
		{"李伟", "李伟"},
	} {
		if got := safe(c.value); got != c.want {
			t.Errorf("safe(%q) = %q, want %q", c.value, got, c.want)
		}
	}
}

// divided returns the cells of a table for a spreadsheet that divides lines at
// one character, and knows quotes only where they begin a cell; and for one that
// knows none.
func divided(text string, at rune) (cells []string) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = at, true, -1
	for {
		row, err := r.Read()
		if err != nil {
			break
		}
		cells = append(cells, row...)
	}
	for line := range strings.Lines(text) {
		cells = append(cells, strings.FieldsFunc(line, func(r rune) bool { return r == at })...)
	}
	return cells
}

// checkDivided checks that no spreadsheet sees a formula in a table, wherever it
// divides the lines.
func checkDivided(t *testing.T, text string) {
	t.Helper()
	for _, at := range []rune{',', ';', '\t', '|'} {
		for _, one := range divided(text, at) {
			bare := strings.TrimLeftFunc(one, func(r rune) bool {
				return unicode.IsSpace(r) || unicode.IsControl(r) || r == '"' ||
					unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me, unicode.Other_Default_Ignorable_Code_Point)
			})
			if r, _ := utf8.DecodeRuneInString(bare); strings.ContainsRune("=+-@＝＋－＠", r) && r != utf8.RuneError {
				t.Errorf("a spreadsheet that divides lines at %q would take %q for a formula, in\n%s", at, one, text)
			}
		}
	}
}

func FuzzSafe(f *testing.F) {
	f.Add(hostile)
	f.Add("'\"=1")
	f.Add("x;=1+1;y")
	f.Add("x\"\"\",\u200b=1")
	f.Fuzz(func(t *testing.T, value string) {
		got := safe(value)
		checkCell(t, got)
		if escaped := escape(value, func(r, _ rune) bool { return identity.Unprintable(r) }); spreadsheet.Original(got) != escaped {
			t.Errorf("%q becomes %q, and that %q", escaped, got, spreadsheet.Original(got))
		}
		var b strings.Builder
		out := csv.NewWriter(&b)
		writeSafe(out, []string{"x", value, value, "y"})
		out.Flush()
		checkDivided(t, b.String())
		if safe(got) != got && !strings.Contains(got, "'") {
			t.Errorf("safe(%q) = %q is not safe yet", value, got)
		}
	})
}

func someAccounts() []identity.Account {
	list := *person(1, "all", "All Hands", "Groups", "all@example.com")
	list.Type = identity.List
	many := *person(2, "asmith", "Ann Smith", "Sales", "ann@example.com", "a.smith@example.com", "ann.smith@example.com", "ann@example.org")
	many.Attributes = append([]identity.Attribute{{Name: "department", Value: "Sales"}}, many.Attributes...)
	bob := *person(3, "bob", "Bob", "Sales", "+bob@example.com", "=b@example.com")
	gone := *inactive(person(4, "gone", "Gone", "Sales", "gone@example.com"))
	local := identity.Account{Primary: mail("local@example.com"), Aliases: []identity.Address{mail("here@example.com")}}
	evil := identity.Account{Primary: mail("x@example.com"), Directory: hostile, GUID: guidOf(5), Username: hostile, DN: hostile, Attributes: []identity.Attribute{{Name: hostile, Value: hostile}}}
	return []identity.Account{bob, list, many, gone, local, evil}
}

func TestAccountsCSV(t *testing.T) {
	var b strings.Builder
	if err := AccountsCSV(&b, someAccounts(), Dialect{}); err != nil {
		t.Fatal(err)
	}
	golden(t, "accounts.csv", b.String())
	parseCSV(t, b.String())
}

func TestAccounts(t *testing.T) {
	accounts := someAccounts()
	for _, width := range []int{80, 200} {
		for _, color := range []bool{false, true} {
			var b strings.Builder
			opt := TextOptions{Width: width, Color: color}
			if err := Accounts(&b, accounts, opt); err != nil {
				t.Fatal(err)
			}
			for i := range accounts {
				b.WriteByte('\n')
				if err := Account(&b, &accounts[i], opt); err != nil {
					t.Fatal(err)
				}
			}
			name := fmt.Sprintf("accounts-%d", width)
			if color {
				name += "-color"
			}
			checkText(t, b.String(), 0, color)
			golden(t, name+".txt", b.String())
		}
	}
}

// failing is a writer whose disk is full.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriterErrors(t *testing.T) {
	p, accounts := everything(), someAccounts()
	for name, err := range map[string]error{
		"Text":        Text(failing{}, p, TextOptions{}),
		"CSV":         CSV(failing{}, p, Dialect{}),
		"Accounts":    Accounts(failing{}, accounts, TextOptions{}),
		"Account":     Account(failing{}, &accounts[0], TextOptions{}),
		"AccountsCSV": AccountsCSV(failing{}, accounts, Dialect{}),
		"UnifiedDiff": UnifiedDiff(failing{}, "a", "b", "1\n", "2\n", false),
	} {
		if err == nil {
			t.Errorf("%s does not report that writing failed", name)
		}
	}
}

// TestSafeEverywhere puts random values of what matters into tables.
func TestSafeEverywhere(t *testing.T) {
	alphabet := []string{"=", "+", "-", "@", "＝", ";", ",", "\t", "|", "\"", "'", " ", "\r", "\n", "\u200b", "\u00ad", "\u2060", "\u3164", "\ufeff", "\ufe0f", "\u0301", "x", "1", "É"}
	random := rand.New(rand.NewPCG(20261129, 3))
	tries := 3_000
	if os.Getenv("ROLLCALL_ATTACK") != "" {
		tries *= 20
	}
	for range tries {
		value := ""
		for range random.IntN(8) {
			value += alphabet[random.IntN(len(alphabet))]
		}
		var b strings.Builder
		if err := AccountsCSV(&b, []identity.Account{{Primary: mail("a@example.com"), Username: value, Directory: value, DN: value}}, Dialect{}); err != nil {
			t.Fatal(err)
		}
		if parseCSV(t, b.String()); t.Failed() {
			t.Fatalf("value %q", value)
		}
	}
}

// TestExcel: what Excel opens has the same cells behind a byte order mark, and lines
// that end in CR LF.
func TestExcel(t *testing.T) {
	t.Parallel()
	rows := func(d Dialect) ([][]string, string) {
		var b bytes.Buffer
		if err := CSV(&b, everything(), d); err != nil {
			t.Fatal(err)
		}
		r := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.String(), "\ufeff")))
		r.Comma = cmp.Or(d.Separator, ',')
		all, err := r.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return all, b.String()
	}
	want, plain := rows(Dialect{})
	if strings.ContainsAny(plain, "\r\ufeff") {
		t.Error("plain CSV has a byte order mark or a carriage return")
	}
	for _, separator := range []rune{0, ',', ';', '\t'} {
		got, text := rows(Dialect{Separator: separator, Excel: true})
		if !reflect.DeepEqual(got, want) || !strings.HasPrefix(text, "\ufeffcategory") || strings.Count(text, "\n") != strings.Count(text, "\r\n") {
			t.Errorf("separated by %q:\n%s", separator, text)
		}
	}
}
