package csv

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/files"
)

// many returns as many people as the benchmark of LDIF reads, with the same
// attributes.
func many(n int) string {
	var b strings.Builder
	b.WriteString("DN,objectClass,cn,sn,givenName,sAMAccountName,userPrincipalName,displayName,department,mail,proxyAddresses,objectGUID,userAccountControl\n")
	for i := range n {
		fmt.Fprintf(&b, "\"CN=User %d,OU=Dept%d,OU=Staff,DC=corp,DC=example\",top;person;organizationalPerson;user,User %[1]d,Last%[1]d,First,user%[1]d,user%[1]d@corp.example,\"Last%[1]d, First\",Department %[2]d,user%[1]d@example.com,SMTP:user%[1]d@example.com;smtp:u%[1]d@example.com;smtp:first.last%[1]d@example.com,X'%032[1]x',512\n", i, i%50)
	}
	return b.String()
}

func BenchmarkRead(b *testing.B) {
	text := many(20_000)
	s := directory.Scope{
		Name: "all", Base: "dc=corp,dc=example", Filter: "(|(objectClass=user)(objectClass=group))", PrimaryAttribute: "mail", AliasAttributes: []string{"proxyAddresses"},
		UsernameAttribute: "sAMAccountName", SkipDisabled: true, Attributes: []directory.Attribute{{Name: "display_name", Source: "displayName"}},
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		sel, err := files.NewSelection([]directory.Scope{s})
		if err != nil {
			b.Fatal(err)
		}
		mapper := directory.NewMapper(&s)
		r := open(&Options{Separator: ";"})(strings.NewReader(text), &files.Wanted{Selection: sel, Attributes: sel.Attributes})
		for {
			rec, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			if sel.Scope(rec) != 0 {
				b.Fatal("no object of the scope")
			}
			if _, why := mapper.Entry(rec); why != "" {
				b.Fatal("no entry")
			}
		}
	}
}
