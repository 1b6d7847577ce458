package ldif

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-cli/rollcall/internal/directory"
)

func TestDiagnose(t *testing.T) {
	const ann = "dn: cn=Ann,dc=example\nobjectClass: person\nmail: ann@example.com\nentryUUID: 8c4ac332-975f-4717-ad7b-ba4a4e968fff\n\n"
	dir := t.TempDir()
	for name, text := range map[string]string{
		"one.ldif": ann,
		"two.ldif": strings.ReplaceAll(ann, "ann", "bob") + "dn: cn=Printer,dc=example\nobjectClass: device\nmail:\n\n",
		"cut.ldif": ann + "dn: cn=Bob,dc=exam",
		"bad.ldif": ann + "dn: cn=Bob,dc=example\nchangetype: delete\n\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	scope := directory.Scope{Name: "all", Filter: "(objectClass=*)", PrimaryAttribute: "mail", Type: directory.Auto}
	for _, c := range []struct {
		pattern string
		want    []string
	}{
		{"one.ldif", []string{
			"files ok: the file can be opened",
			"read ok: complete: 1 object of the scopes",
			"entries ok: of 1 entry, 1 with mail, 1 with a GUID",
		}},
		{"???.ldif", []string{
			"files ok: all 4 files can be opened",
			"read failed: DIR/bad.ldif:7: a change record, as ldifde and Novell ice write them",
			"entries skipped: not tested, because read of DIR/???.ldif failed",
		}},
		{"[ot][nw][eo].ldif", []string{
			"files ok: all 2 files can be opened",
			"read ok: complete: 3 objects of the scopes",
			"entries ok: of 2 entries, 2 with mail, 2 with a GUID",
		}},
		{"none.ldif", []string{
			"files failed: DIR/none.ldif: " + syscall.ENOENT.Error(),
			"read skipped: not tested, because files of DIR/none.ldif failed",
			"entries skipped: not tested, because files of DIR/none.ldif failed",
		}},
		{"x*.ldif", []string{
			"files failed: DIR/x*.ldif: no file matches the pattern",
			"read skipped: not tested, because files of DIR/x*.ldif failed",
			"entries skipped: not tested, because files of DIR/x*.ldif failed",
		}},
	} {
		t.Run(c.pattern, func(t *testing.T) {
			r, err := New("lab", []string{filepath.Join(dir, c.pattern)}).Diagnose(context.Background(), []directory.Scope{scope}, time.Now, nil)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range r.Checks {
				line := k.Name + " " + string(k.Status) + ": " + strings.ReplaceAll(k.Finding, dir+string(filepath.Separator), "DIR/")
				line, _, _ = strings.Cut(line, ";")
				got = append(got, line)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
