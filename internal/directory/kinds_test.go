package directory

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// table returns the rows of the first table below a heading of the page
// docs/reference/entries.md, without its head.
func table(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/reference/entries.md")
	if err != nil {
		t.Fatal(err)
	}
	_, below, found := strings.Cut(string(page), "\n"+heading+"\n")
	if !found {
		t.Fatalf("the page has no heading %q", heading)
	}
	for line := range strings.SplitSeq(below, "\n") {
		if !strings.HasPrefix(line, "|") {
			if len(rows) > 0 {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows[2:]
}

func same(t *testing.T, heading string, want [][]string) [][]string {
	t.Helper()
	rows := table(t, heading)
	if len(rows) == 0 || !slices.EqualFunc(rows, want, slices.Equal) {
		t.Errorf("%s: the page has\n%s\nand the code\n%s", heading, shown(rows), shown(want))
	}
	return rows
}

func shown(rows [][]string) string {
	var b strings.Builder
	for _, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	return b.String()
}

var code = regexp.MustCompile("`([^`]*)`")

// TestDisabledPage: what the page says of each flag is what an entry with it is.
func TestDisabledPage(t *testing.T) {
	var want [][]string
	for _, f := range disabledFlags {
		want = append(want, []string{"`" + f.attribute + "`", f.when(), f.servers})
	}
	s := staff()
	s.SkipDisabled = true
	m := NewMapper(&s)
	for _, row := range same(t, "### Disabled", want) {
		attribute := strings.Trim(row[0], "`")
		var on []string
		off := "active"
		switch values := code.FindAllStringSubmatch(row[1], -1); {
		case strings.HasPrefix(row[1], "has the bit "):
			bit, err := strconv.Atoi(strings.TrimPrefix(row[1], "has the bit "))
			if err != nil {
				t.Fatal(err)
			}
			on, off = []string{strconv.Itoa(bit), strconv.Itoa(512 + bit)}, "512"
		case strings.HasPrefix(row[1], "names "):
			on = []string{strings.ToUpper(values[0][1]) + ",dc=example"}
		default:
			for _, v := range values {
				on = append(on, v[1], strings.ToLower(v[1]))
			}
		}
		for _, value := range append(on, off) {
			o := newObject("mail: a@example.com", attribute+": "+value)
			if _, why := m.Entry(o); (why == Disabled) != (value != off) {
				t.Errorf("%s: %s gives %q", attribute, value, why)
			}
		}
		if !slices.Contains(m.Attributes(), strings.ToLower(attribute)) {
			t.Errorf("%s is not asked for", attribute)
		}
	}
}

// TestRecipientTypesPage: what the page says of each type is what a disabled
// mailbox of it is.
func TestRecipientTypesPage(t *testing.T) {
	var want [][]string
	for _, r := range recipientTypes {
		want = append(want, []string{strconv.FormatInt(1<<r.bit, 10), r.name, r.what()})
	}
	s := staff()
	s.SkipDisabled = true
	for _, row := range same(t, "### Recipient types", want) {
		want := map[string]ObstacleKind{"kept": "", "a system mailbox": System}[row[2]]
		if _, why := NewMapper(&s).Entry(newObject("mail: a@example.com", "userAccountControl: 514", "msExchRecipientTypeDetails: "+row[0])); why != want {
			t.Errorf("%s: %q", row[1], why)
		}
	}
}

// TestSystemNamesPage: names of the shapes on the page are of no entry, and
// longer ones are.
func TestSystemNamesPage(t *testing.T) {
	var want [][]string
	for _, n := range systemNames {
		want = append(want, []string{n.shape(), n.of})
	}
	s := staff()
	count := regexp.MustCompile(`(\d+) hex digits`)
	for _, row := range same(t, "### System mailboxes", want) {
		name := strings.ReplaceAll(row[0], "GUID", "8c4ac332-975f-4717-ad7b-ba4a4e968fff")
		name = count.ReplaceAllStringFunc(name, func(text string) string {
			n, _ := strconv.Atoi(count.FindStringSubmatch(text)[1])
			return strings.Repeat("aF09", n/4)
		})
		name = strings.ReplaceAll(name, "`", "")
		for dn, want := range map[string]ObstacleKind{"CN=" + name + ",DC=example": System, "CN=" + name + "0,DC=example": "", "CN=x" + name + ",DC=example": ""} {
			if _, why := NewMapper(&s).Entry(named{newObject("mail: a@example.com"), dn}); why != want {
				t.Errorf("%s: %q", dn, why)
			}
		}
	}
}

// TestGroupClassesPage: entries of the classes on the page are lists.
func TestGroupClassesPage(t *testing.T) {
	var want [][]string
	for _, c := range groupClasses {
		want = append(want, []string{"`" + c.name + "`", c.servers})
	}
	s := staff()
	for _, row := range same(t, "### Lists", want) {
		class := strings.Trim(row[0], "`")
		for _, spelled := range []string{class, strings.ToUpper(class)} {
			if e, _ := NewMapper(&s).Entry(newObject("mail: a@example.com", "objectClass: top", "objectClass: "+spelled)); e.Type != identity.List {
				t.Errorf("%s: a %s", spelled, e.Type)
			}
		}
	}
	for _, class := range []string{"publicFolder", "organizationalRole", "mailRecipient", "ldapPublicKey", "groupe", strings.Repeat("group", 20)} {
		if e, _ := NewMapper(&s).Entry(newObject("mail: a@example.com", "objectClass: "+class)); e.Type != identity.User {
			t.Errorf("%s: a %s", class, e.Type)
		}
	}
}

// TestTell follows what is no entry through a read, and values that are not
// UTF-8.
func TestTell(t *testing.T) {
	gone := newObject("mail: x@example.com", "isDeleted: TRUE")
	loser := newObject("mail: x@example.com", "nsds5ReplConflict: x")
	system := newObject("mail: x@example.com", "msExchRecipientTypeDetails: 8192")
	broken := newObject("mail: a@example.com", "displayName: M\xfcller", "department: K\xf6ln")
	c := NewCollector([]Scope{staff()})
	for _, o := range []object{gone, loser, loser, system, broken, newObject("displayName: M\xfcller"), newObject("mail: b@example.com"), broken} {
		if err := c.Put(0, o); err != nil {
			t.Fatal(err)
		}
	}
	// A conflict is solved, an entry is deleted, one gets an encoding, one goes.
	for n, o := range map[int]Object{1: newObject("mail: c@example.com"), 6: gone, 7: newObject("mail: a@example.com"), 3: nil} {
		if err := c.Replace(n, 0, o); err != nil {
			t.Fatal(err)
		}
	}
	var r identity.Receipt
	c.Tell(&r)
	if got := fmt.Sprintf("%d %+v", r.Entries, r.PassedOver); got != "3 {Deleted:2 Conflict:1 System:0 Ignored:0}" {
		t.Error(got)
	}
	if want := []string{"2 values of 1 entry are not UTF-8, and \uFFFD stands for what cannot be read: convert the data, or the export, to UTF-8; the first entry is CN=x,DC=example"}; !slices.Equal(r.Notes, want) {
		t.Errorf("%q", r.Notes)
	}
	if err := c.Reset(); err != nil {
		t.Fatal(err)
	}
	r = identity.Receipt{}
	if c.Tell(&r); r.Entries != 0 || r.PassedOver != (identity.PassedOver{}) || r.Notes != nil {
		t.Errorf("after a reset: %+v", r)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		text, kept string
		deleted    bool
	}{
		{"", "", false},
		{";lang-de", ";lang-de", false},
		{";adcsn-5a3b0000000100010000;vucsn-5a3b0000000100010000", "", false},
		{";MDCSN-5a3b0000000100010000;lang-de", ";lang-de", false},
		{";vdcsn-5a3b0000000200010000;deleted", "", true},
		{";adcsn-5a3b0000000300010000;deletedattribute;deleted", "", true},
		{";range=0-1499", "", false},
		{"binary", ";binary", false},
	} {
		if kept, deleted := Options(c.text); kept != c.kept || deleted != c.deleted {
			t.Errorf("%q: got %q, %v", c.text, kept, deleted)
		}
	}
}
