package render

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-cli/rollcall/internal/doctor"
)

// sick is a diagnosis with every outcome, and with values that would like to
// be more than values.
func sick() *Diagnosis {
	corp := &doctor.Report{Name: "corp", Kind: "active_directory", Refused: true}
	dc1, dc2 := "ldaps://dc1.corp.example.com", "ldaps://dc2.corp.example.com"
	dns := corp.Check(doctor.DNS, dc1, func(c *doctor.Check) {
		c.Pass("dc1.corp.example.com is 192.0.2.1, 2001:db8::1", "192.0.2.1", "2001:db8::1")
	})
	tls := corp.Check(doctor.TLS, dc1, func(c *doctor.Check) {
		c.Warn(`the certificate "CN=dc1" expires on 2026-12-01, in 9 days`, "renew it in time",
			`TLS 1.3`, `certificate "CN=dc1" for dc1.corp.example.com, dc1, issued by "CN=Corp CA", valid from 2025-12-01 to 2026-12-01`)
	}, dns)
	corp.Check(doctor.DNS, dc2, func(c *doctor.Check) {
		c.Fail("DNS knows no address of dc2.corp.example.com", "check the spelling, and that this machine asks a DNS server that knows the name")
	})
	login := corp.Check(doctor.Login, dc1, func(c *doctor.Check) {
		c.Fail("the account is locked out (result code 49: 80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data 775, v1db1)",
			"find out what locks the account, unlock it, and only then try again: each attempt may lock it anew")
	}, tls)
	for _, scope := range []string{`scope "staff"`, `scope "guests"`} {
		base := corp.Check(doctor.Base, scope, nil, login)
		corp.Check(doctor.Right, scope, nil, base)
	}
	corp.Check(doctor.Clock, dc1, func(c *doctor.Check) { c.Skip("not tested, because the server does not say what time it has") })
	corp.Check(doctor.Paging, dc1, func(c *doctor.Check) { c.Pass("paged results are offered") })

	lab := &doctor.Report{Name: "lab", Kind: "ldif"}
	lab.Check(doctor.Files, "lab.ldif", func(c *doctor.Check) { c.Pass("the file can be opened", "lab.ldif, 120 octets") })
	lab.Check(doctor.Entries, `scope "<b>|x|"`, func(c *doctor.Check) {
		c.Warn("CN=\x1b[31mred\u202e,DC=*bold*|cell|[link](http://example.com) <script> &amp; `code`", "ask a@example.com\nor nobody")
	})
	gateway := &doctor.Report{Name: "gateway", Kind: "exec"}
	reach := gateway.Check(doctor.Reach, `console "gateway"`, func(c *doctor.Check) { c.Pass("the console answers") })
	gateway.Check(doctor.Finding, "quota", func(c *doctor.Check) {
		c.Warn("97 % of the licence is used", "buy\n|more|")
	}, reach)
	return &Diagnosis{Version: "1.2.3", Created: time.Date(2026, 11, 21, 12, 0, 0, 5, time.FixedZone("", 3600)), Directories: []*doctor.Report{corp, lab}, Console: gateway}
}

func diagnosisText(t *testing.T, opt TextOptions) string {
	t.Helper()
	var b strings.Builder
	if err := DiagnosisText(&b, sick(), opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDiagnosisText(t *testing.T) {
	for _, width := range []int{40, 80, 200, 0} {
		for _, color := range []bool{false, true} {
			name := fmt.Sprintf("doctor-%d", width)
			if color {
				name += "-color"
			}
			t.Run(name, func(t *testing.T) {
				got := diagnosisText(t, TextOptions{Width: width, Color: color})
				checkText(t, got, width, color)
				if width == 80 {
					golden(t, name+".txt", got)
				}
			})
		}
	}
	if plain := escapes.ReplaceAllString(diagnosisText(t, TextOptions{Width: 80, Color: true}), ""); plain != diagnosisText(t, TextOptions{Width: 80}) {
		t.Error("colour changes more than colour")
	}
}

func TestDiagnosisJSON(t *testing.T) {
	var b strings.Builder
	if err := DiagnosisJSON(&b, sick()); err != nil {
		t.Fatal(err)
	}
	golden(t, "doctor.json", b.String())

	b.Reset()
	if err := DiagnosisJSON(&b, &Diagnosis{Directories: []*doctor.Report{{Name: "empty"}}}); err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(b.String()), &document); err != nil {
		t.Fatal(err)
	}
	if text, _, _ := strings.Cut(b.String(), `"console"`); strings.Contains(text, "null") {
		t.Errorf("a list is null:\n%s", b.String())
	}
}

func TestDiagnosisMarkdown(t *testing.T) {
	var b strings.Builder
	if err := DiagnosisMarkdown(&b, sick()); err != nil {
		t.Fatal(err)
	}
	golden(t, "doctor.md", b.String())
	// Each row has five cells whatever stands in them.
	bars := regexp.MustCompile(`(^|[^\\])\|`)
	for line := range strings.Lines(b.String()) {
		if strings.HasPrefix(line, "|") && len(bars.FindAllString(line, -1)) != 6 && !strings.HasPrefix(line, "|---") {
			t.Errorf("a row of another number of cells: %s", line)
		}
	}
}

// Every outcome has a sign of its own.
func TestSigns(t *testing.T) {
	var seen []string
	for _, s := range doctor.Statuses {
		seen = append(seen, signOf(s).text)
	}
	if want := []string{"ok", "warn", "FAIL", "skip"}; !slices.Equal(seen, want) {
		t.Errorf("signs are %q, want %q", seen, want)
	}
}
