package render

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

func csvOf(t testing.TB, p *plan.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := CSV(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCSV(t *testing.T) {
	for _, p := range []struct {
		name string
		plan *plan.Plan
	}{{"everything", everything()}, {"nothing", nothing()}, {"part", part(t)}, {"poisoned", poisoned()}, {"standing", standing()}} {
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

func FuzzSafe(f *testing.F) {
	f.Add(hostile)
	f.Add("'\"=1")
	f.Fuzz(func(t *testing.T, value string) {
		got := safe(value)
		checkCell(t, got)
		if safe(got) != got && !strings.HasPrefix(got, "'") {
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
	if err := AccountsCSV(&b, someAccounts()); err != nil {
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
		"CSV":         CSV(failing{}, p),
		"Accounts":    Accounts(failing{}, accounts, TextOptions{}),
		"Account":     Account(failing{}, &accounts[0], TextOptions{}),
		"AccountsCSV": AccountsCSV(failing{}, accounts),
		"UnifiedDiff": UnifiedDiff(failing{}, "a", "b", "1\n", "2\n", false),
	} {
		if err == nil {
			t.Errorf("%s does not tell that writing failed", name)
		}
	}
}
