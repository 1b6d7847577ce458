package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/rollcall-cli/rollcall/internal/directory/suite/worlds"
	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestRepairsOnSamba makes all repairs of lint on a domain controller, which
// compares values without letter case and removes the first that is equal.
// Whatever the order of the values, the primary stays.
func TestRepairsOnSamba(t *testing.T) {
	t.Parallel()
	program := servertest.Need(t, "ldapmodify", "ldap-utils")
	entries := []struct {
		name string
		has  []string
		want []string
	}{
		{"rep1", []string{"SMTP:rep1@example.com", "smtp:rep1@example.com"}, []string{"SMTP:rep1@example.com"}},
		{"rep2", []string{"smtp:rep2@example.com", "SMTP:rep2@example.com"}, []string{"SMTP:rep2@example.com"}},
		{"dupin", []string{"SMTP:dupin@example.com", "smtp:DupIn@example.com"}, []string{"SMTP:dupin@example.com"}},
		{"dupout", []string{"smtp:DupOut@example.com", "SMTP:dupout@example.com"}, []string{"SMTP:dupout@example.com"}},
		{"both", []string{"smtp:a@example.com", "SMTP:both@example.com", "x500:/o=Corp", "smtp:A@example.com", "smtp: b@example.com", "smtp:both@example.com"},
			[]string{"SMTP:both@example.com", "smtp:A@example.com", "smtp:b@example.com", "x500:/o=Corp"}},
		{"two", []string{"smtp:two2@example.com", "SMTP:two@example.com", "Smtp:c@example.com"}, []string{"SMTP:two@example.com", "smtp:c@example.com", "smtp:two2@example.com"}},
	}
	var ldif strings.Builder
	for _, e := range entries {
		pairs := []string{"objectClass", "user", "cn", e.name, "mail", e.name + "@example.com"}
		for _, v := range e.has {
			pairs = append(pairs, "proxyAddresses", v)
		}
		ldif.WriteString(worlds.Record(servertest.NewEntry("CN="+e.name+",CN=Users,"+servertest.Base, pairs...)))
	}
	d := servertest.NewSamba(t, servertest.SambaOptions{LDIF: ldif.String()})
	s := newSite(t, servertest.Password, "CN=Users,"+servertest.Base).serve("active_directory", d.LDAPS, d.CA.File, d.Reader)
	var report struct{ Findings []struct{ Code, LDIF string } }
	s.decode(&report, "lint", "-o", "json")
	var records []string
	for _, f := range report.Findings {
		if f.LDIF != "" && !slices.Contains(records, f.LDIF) {
			records = append(records, f.LDIF)
		}
	}
	cmd := exec.Command(program, "-x", "-H", d.LDAPS, "-D", d.Admin, "-w", servertest.Password)
	cmd.Env = append(cmd.Environ(), "LDAPTLS_CACERT="+d.CA.File)
	cmd.Stdin = strings.NewReader(strings.Join(records, ""))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, records)
	}
	found, err := d.Connect(t).Search(goldap.NewSearchRequest("CN=Users,"+servertest.Base, goldap.ScopeSingleLevel, 0, 0, 0, false, "(proxyAddresses=*)", []string{"cn", "proxyAddresses"}, nil))
	if err != nil || len(found.Entries) != len(entries) {
		t.Fatalf("found %v (%v)", found, err)
	}
	for _, e := range entries {
		for _, o := range found.Entries {
			if got := slices.Sorted(slices.Values(o.GetAttributeValues("proxyAddresses"))); o.GetAttributeValue("cn") == e.name && !slices.Equal(got, e.want) {
				t.Errorf("%s: %q became %q, not %q", e.name, e.has, got, e.want)
			}
		}
	}
	if s.decode(&report, "lint", "-o", "json"); len(report.Findings) > 0 {
		t.Errorf("still found: %v", report.Findings)
	}
}
