package ldif

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// TestLocate: what became of objects is reported of those outside of the scopes, too.
func TestLocate(t *testing.T) {
	number := func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }
	var guids []identity.GUID
	for n := range 12 {
		g, err := identity.ParseGUID(number(n))
		if err != nil {
			t.Fatal(err)
		}
		guids = append(guids, g)
	}
	object := func(n int, dn string, lines ...string) string {
		return "dn: " + dn + "\nentryUUID: " + number(n) + "\n" + strings.Join(append(lines, "", ""), "\n")
	}
	const mail = "mail: x@example.com"
	text := "version: 1\n\n" +
		object(0, "cn=there,ou=staff,dc=x", "objectClass: user", mail) +
		object(1, "cn=moved,ou=left,dc=x", "objectClass: user", mail) +
		object(2, "cn=off,ou=staff,dc=x", "objectClass: user", mail, "userAccountControl: 514") +
		object(3, "cn=blank,ou=staff,dc=x", "objectClass: user") +
		object(4, `cn=gone\0ADEL:x,cn=Deleted Objects,dc=x`, "objectClass: user", "isDeleted: TRUE") +
		object(5, "nsuniqueid=1,uid=gone,ou=staff,dc=x", "objectClass: nsTombstone", mail) +
		object(6, "cn=list,ou=staff,dc=x", "objectClass: group", mail) +
		// One that was deleted and is there, whichever comes first, and one that was
		// deleted twice.
		object(7, `cn=restored\0ADEL:x,cn=Deleted Objects,dc=x`, "isDeleted: TRUE") + object(7, "cn=restored,ou=left,dc=x", mail) +
		object(8, "cn=copied,ou=left,dc=x", mail) + object(8, `cn=copied\0ADEL:x,cn=Deleted Objects,dc=x`, "isDeleted: TRUE") +
		object(9, "cn=twin,ou=left,dc=x", "objectClass: user", mail) + object(9, "cn=twin,ou=staff,dc=x", "objectClass: user", mail) +
		object(10, "cn=SystemMailbox{1f05a927-1111-2222-3333-444455556666},ou=staff,dc=x", "objectClass: user", mail)
	path := filepath.Join(write(t, map[string]string{"corp.ldif": text}), "corp.ldif")
	source := New("corp", []string{path})
	scope := func(filter string, skip bool) directory.Scope {
		return directory.Scope{Name: "staff", Base: "ou=staff,dc=x", Filter: filter, PrimaryAttribute: "mail", SkipDisabled: skip, Type: directory.Auto}
	}
	all := []string{"1 cn=moved,ou=left", "2 cn=off,ou=staff disabled", "3 cn=blank,ou=staff without address", `4 cn=gone\0ADEL:x,cn=Deleted Objects deleted`,
		"5 nsuniqueid=1,uid=gone,ou=staff deleted", "7 cn=restored,ou=left", "8 cn=copied,ou=left"}
	for _, c := range []struct {
		name  string
		scope directory.Scope
		want  []string
	}{
		{"no filter", scope("", true), all},
		{"a filter", scope("(&(|(objectClass=user)(objectClass=group))(mail=*)(!(userAccountControl=514)))", false), all},
		{"a filter that keeps some out", scope("(objectClass=user)", true), slices.Insert(slices.Clone(all), 5, "6 cn=list,ou=staff")},
	} {
		t.Run(c.name, func(t *testing.T) {
			located, err := source.Locate(context.Background(), append(guids, identity.GUID{}), []directory.Scope{c.scope})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for g, at := range located {
				line := fmt.Sprintf("%d %s", slices.Index(guids, g), strings.TrimSuffix(at.DN, ",dc=x"))
				switch {
				case at.Deleted:
					line += " deleted"
				case at.Disabled:
					line += " disabled"
				case at.WithoutAddress:
					line += " without address"
				}
				got = append(got, line)
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q", got)
			}
		})
	}

	missing := New("corp", []string{path, filepath.Join(filepath.Dir(path), "none.ldif")})
	if located, err := missing.Locate(context.Background(), guids, []directory.Scope{scope("", true)}); !errors.As(err, new(*directory.ReadError)) || located != nil {
		t.Errorf("got %v, %v", located, err)
	}
	many := strings.Repeat("dn: cn=x\nmail: x@example.com\n\n", 20_000)
	source = New("corp", []string{filepath.Join(write(t, map[string]string{"many.ldif": many}), "many.ldif")})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if located, err := source.Locate(ctx, guids, []directory.Scope{scope("", true)}); !errors.Is(err, context.Canceled) || located != nil {
		t.Errorf("got %v, %v", located, err)
	}
}
