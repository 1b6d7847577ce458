package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

var day = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// ctx is where nothing is cancelled.
var ctx = context.Background()

func saved(t testing.TB, path string, n int) *State {
	t.Helper()
	s := &State{Accounts: corpus.Accounts(n, "corp")}
	if err := At(path).Save(ctx, s, "test", day, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSaveAndLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollcall.state.jsonl")
	if s, err := At(path).Load(ctx); err != nil || s.Serial != 0 || s.Lineage != "" {
		t.Fatalf("a state that is not there: %+v, %v", s, err)
	}
	first := saved(t, path, 500)
	got, err := At(path).Load(ctx)
	if err != nil || !reflect.DeepEqual(got, first) {
		t.Fatalf("read back: %v", err)
	}
	if first.Serial != 1 || first.Lineage == "" || !first.Written.Equal(day) {
		t.Errorf("header %+v", first)
	}
	lineage := first.Lineage
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got.Accounts = got.Accounts[:400]
	if err := At(path).Save(ctx, got, "test", day.Add(time.Hour), nil); err != nil {
		t.Fatal(err)
	}
	second, err := At(path).Load(ctx)
	if err != nil || second.Serial != 2 || second.Lineage != lineage || len(second.Accounts) != 400 {
		t.Errorf("second version: %v", err)
	}
	backup, err := os.ReadFile(backupName(path))
	if err != nil || !bytes.Equal(backup, before) {
		t.Errorf("the backup is not the version before: %v", err)
	}
	for _, p := range []string{path, backupName(path), indexName(path)} {
		if info, err := os.Stat(p); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != atomicfile.Mode {
			t.Errorf("%s: mode %v, %v", p, info.Mode(), err)
		}
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 3 { // with the index
		t.Errorf("left beside the state: %v, %v", files, err)
	}
}

// TestDamage: a file that is cut anywhere, or has any octet changed, is
// refused.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := At(path).Save(ctx, saved(t, path, 3), "test", day, nil); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		if _, err := Read(bytes.NewReader(whole[:n])); err == nil {
			t.Errorf("cut to %d of %d octets, the file is read", n, len(whole))
		}
		changed := bytes.Clone(whole)
		changed[n] ^= 1
		if _, err := Read(bytes.NewReader(changed)); err == nil {
			t.Errorf("with octet %d changed, the file is read", n)
		}
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], atomicfile.Mode); err != nil {
		t.Fatal(err)
	}
	_, err = At(path).Load(ctx)
	var damage *Error
	if !errors.As(err, &damage) || damage.Path != path || damage.Line == 0 || !strings.Contains(damage.Hint(), backupName(path)) {
		t.Errorf("error %v", err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first, err := At(path).Lock(ctx, "rollcall apply", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = At(path).Lock(ctx, "rollcall state import", 0)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Holder == nil || locked.Holder.PID != os.Getpid() || locked.Holder.Command != "rollcall apply" {
		t.Fatalf("second lock: %v", err)
	}
	if !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("the message does not name the process: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := At(path).Lock(cancelled, "x", time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled wait: %v", err)
	}
	taken := make(chan error, 1)
	go func() {
		l, err := At(path).Lock(ctx, "rollcall apply", time.Hour)
		if err == nil {
			err = l.Release()
		}
		taken <- err
	}()
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Errorf("the lock was not handed on: %v", err)
	}
}

func TestReadImport(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"json lines", "{\"primary\":\"A@x.example\"}\n\n{\"primary\":\"b@x.example\",\"aliases\":[\"c@x.example\"]}\n", "1 a@x.example [] user; 3 b@x.example [c@x.example] user"},
		{"json array", "\n[\n{\"primary\":\"a@x.example\"},\n{\"primary\":\"b@x.example\"}]", "3 a@x.example [] user; 4 b@x.example [] user"},
		{"csv", "primary,aliases,Type,display_name\na@x.example,b@x.example; c@x.example,list,Ann\n", "2 a@x.example [b@x.example c@x.example] list display_name=Ann"},
		{"mailbox export", "\ufeff#TYPE Selected.Mailbox\r\n\"PrimarySmtpAddress\",\"Guid\"\r\n\"a@x.example\",\"7f858372-fe69-4a2b-917f-1e1055720033\"\r\n", "3 a@x.example [] user 7f858372-fe69-4a2b-917f-1e1055720033"},
		{"apostrophes", "primary,username\na@x.example,'=1+1\n", "2 a@x.example [] user @=1+1"},
		{"nothing", "", "f:1: expected JSON lines, or CSV with a header that has a column primary or PrimarySMTPAddress"},
		{"every bad line", "{\"primary\":\"a\"}\n{\"primary\":\"b@x.example\"}\n{\n", "f:1: primary \"a\": an address has exactly one @; f:3: the JSON object is cut short"},
		{"no primary column", "mail,guid\n", "f:1: the header has no column primary, PrimarySMTPAddress or EmailAddresses; if \"mail\" has the primary addresses, name it primary"},
		{"no primary column, and none of mail", "name,guid\n", "f:1: the header has no column primary, PrimarySMTPAddress or EmailAddresses"},
		{"names with spaces", "Primary Smtp Address,Display Name,Cost Center\na@x.example,Ann,7\n", "2 a@x.example [] user cost center=7 display_name=Ann"},
		{"semicolons and a decimal comma", "sep=;\r\nPrimarySmtpAddress;DisplayName\r\na@x.example;\"Smith, Ann\"\r\n", "3 a@x.example [] user display_name=Smith, Ann"},
		{"an announced comma behind a type", "#TYPE x\n\"SEP=,\"\nprimary,username\na@x.example,ann\n", "4 a@x.example [] user @ann"},
		{"tabs", "primary\tusername\na@x.example\tann\n", "2 a@x.example [] user @ann"},
		{"empty rows", "primary,username\n,\n\na@x.example,ann\n , \n,\n", "4 a@x.example [] user @ann"},
		{"a separator at the end", "primary,username,\na@x.example,ann,\n", "2 a@x.example [] user @ann"},
		{"a value without a name", "primary,\na@x.example,ann\n", "f:2: column 2 has a value and no name"},
		{"UTF-16 with a mark", units("\ufeffprimary,display_name\na@x.example,Jürgen\n"), "2 a@x.example [] user display_name=Jürgen"},
		{"UTF-16 without", units("{\"primary\":\"a@x.example\"}\n"), "1 a@x.example [] user"},
		{"UTF-16 of the other order", swapped(units("\ufeffprimary\na@x.example\n")), "2 a@x.example [] user"},
		{"UTF-16 of the other order, without", swapped(units("primary\na@x.example\n")), "2 a@x.example [] user"},
		{"ANSI", "primary,display_name\na@x.example,J\xfcrgen\nb@x.example,Bob\nc@x.example,\xc4da\n", "f:2: not UTF-8; f:4: not UTF-8"},
		{"ANSI in the header", "primary,Stra\xdfe\na@x.example,x\n", "f:1: not UTF-8"},
		{"ANSI in JSON", "{\"primary\":\"a@x.example\",\"username\":\"J\xfcrgen\"}\n", "f:1: not UTF-8"},
		{"all addresses", "PrimarySmtpAddress,EmailAddresses\na@x.example,\"smtp:c@x.example,SMTP:A@x.example,X500:/o=Corp One/cn=a,smtp:c@x.example;b@x.example SIP:a@x.example\"\n", "2 a@x.example [b@x.example c@x.example] user"},
		{"all addresses, and no other column", "Email Addresses\nSMTP:a@x.example smtp:b@x.example\nsmtp:b@x.example\n", "f:3: \"primary\" is missing"},
		{"another primary", "primary,EmailAddresses\na@x.example,SMTP:b@x.example\n", "f:2: the primary is a@x.example, and in EmailAddresses b@x.example"},
		{"two primaries", "EmailAddresses\nSMTP:b@x.example;SMTP:a@x.example\n", "f:2: EmailAddresses has two primaries, b@x.example and a@x.example"},
		{"a type in place of addresses", "primary,EmailAddresses\na@x.example,System.Collections.ArrayList\n",
			"f:2: EmailAddresses has the name of a type, System.Collections.ArrayList, in place of the addresses: export with @{n='EmailAddresses';e={$_.EmailAddresses -join ';'}}"},
		{"aliases as before, and all addresses", "primary,aliases,EmailAddresses\na@x.example,b@x.example,smtp:c@x.example\n", "2 a@x.example [b@x.example c@x.example] user"},
		{"column twice", "primary,PrimarySMTPAddress\n", "f:1: columns 1 and 2 are both \"primary\""},
		{"short line", "primary,type\na@x.example\n", "f:2: 1 field, and the header has 2"},
		{"cut array", "[{\"primary\":\"a@x.example\"}", "f:1: the array is cut short"},
		{"bad quote", "primary\n\"a@x.example\n", "f:2: not CSV: extraneous or missing \" in quoted-field"},
	} {
		all, err := ReadImport("f", strings.NewReader(c.in))
		var got []string
		for _, im := range all {
			a := im.Account
			line := fmt.Sprintf("%d %s %v %s", im.Line, a.Primary, texts(a.Aliases), a.Type)
			if !a.GUID.IsZero() {
				line += " " + a.GUID.String()
			}
			if a.Username != "" {
				line += " @" + a.Username
			}
			for _, attr := range a.Attributes {
				line += " " + attr.Name + "=" + attr.Value
			}
			got = append(got, line)
		}
		if err != nil {
			got = strings.Split(err.Error(), "\n")
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, text, c.want)
		}
	}
}

// units returns a text as UTF-16, the low octet first.
func units(text string) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		b.WriteByte(byte(unit))
		b.WriteByte(byte(unit >> 8))
	}
	return b.String()
}

func swapped(units string) string {
	b := []byte(units)
	for i := 0; i+1 < len(b); i += 2 {
		b[i], b[i+1] = b[i+1], b[i]
	}
	return string(b)
}

// TestEncodingHint: a file in another encoding comes with what to do.
func TestEncodingHint(t *testing.T) {
	_, err := new(State).Import("f", strings.NewReader("primary,display_name\na@x.example,J\xfcrgen\n"))
	var failed *ImportError
	if !errors.As(err, &failed) || !strings.Contains(failed.Hint(), "-Encoding utf8") {
		t.Errorf("%v", err)
	}
}

func texts(all []identity.Address) []string {
	out := []string{}
	for _, x := range all {
		out = append(out, x.String())
	}
	return out
}

func TestMerge(t *testing.T) {
	read := func(in string) []Imported {
		all, err := ReadImport("f", strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	g := "8c4ac332-975f-4717-ad7b-ba4a4e968fff"
	s := &State{}
	if m, err := s.Merge("f", read(`{"primary":"a@x.example","aliases":["b@x.example"],"directory":"corp","guid":"`+g+`"}`)); err != nil || len(m.Added) != 1 {
		t.Fatal(err)
	}
	before := len(s.Accounts)
	_, err := s.Merge("f", read(`{"primary":"new@x.example"}
{"primary":"b@x.example"}
{"primary":"c@x.example","directory":"corp","guid":"`+g+`"}
{"primary":"d@x.example","aliases":["new@x.example"]}
{"primary":"a@x.example"}
{"primary":"e@x.example","directory":"lab","guid":"`+g+`"}
`))
	want := `f:2: b@x.example is held by account a@x.example of the state already
f:3: GUID 8c4ac332-975f-4717-ad7b-ba4a4e968fff of directory "corp" is held by account a@x.example of the state already
f:4: new@x.example is held by line 1 (new@x.example) already
f:5: a@x.example is held by account a@x.example of the state already`
	if err == nil || err.Error() != want || len(s.Accounts) != before {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// TestMailboxExport: a file of primaries and GUIDs alone repairs GUIDs, gives
// the rest of an account away to nobody, and is taken whole or not at all.
func TestMailboxExport(t *testing.T) {
	const accounts = `primary,aliases,directory,guid,username,status
ann@x.example,a@x.example,corp,00000001-1111-4222-8333-000000000001,ann,active
bob@x.example,,corp,00000002-1111-4222-8333-000000000002,bob,active
cat@x.example,,lab,00000003-1111-4222-8333-000000000003,cat,active
dan@x.example,,,,dan,active
eve@x.example,,corp,00000005-1111-4222-8333-000000000005,eve,inactive
`
	const g = "-1111-4222-8333-000000000009"
	for _, c := range []struct{ name, in, want string }{
		{"new GUIDs", "PrimarySMTPAddress,GUID\nANN@x.example,{00000011" + g + "}\ncat@x.example,00000033" + g + "\nbob@x.example,00000002-1111-4222-8333-000000000002\n",
			"ann@x.example 00000001-1111-4222-8333-000000000001 -> 00000011" + g + " (corp); cat@x.example 00000003-1111-4222-8333-000000000003 -> 00000033" + g + " (lab); 0 added, 1 same"},
		{"two that swap", "GUID,PrimarySMTPAddress\n00000002-1111-4222-8333-000000000002,ann@x.example\n00000001-1111-4222-8333-000000000001,bob@x.example\n",
			"ann@x.example 00000001-1111-4222-8333-000000000001 -> 00000002-1111-4222-8333-000000000002 (corp); bob@x.example 00000002-1111-4222-8333-000000000002 -> 00000001-1111-4222-8333-000000000001 (corp); 0 added, 0 same"},
		{"local, inactive and new", "primary,guid\ndan@x.example,00000044" + g + "\neve@x.example,00000055" + g + "\nnew@x.example,00000066" + g + "\n",
			"dan@x.example  -> 00000044" + g + " (); eve@x.example 00000005-1111-4222-8333-000000000005 -> 00000055" + g + " (corp); 1 added, 0 same"},
		{"JSON lines", `{"guid":"00000011` + g + `","primary":"ann@x.example"}`,
			"ann@x.example 00000001-1111-4222-8333-000000000001 -> 00000011" + g + " (corp); 0 added, 0 same"},
		{"the GUID of another", "primary,guid\nann@x.example,00000002-1111-4222-8333-000000000002\n",
			`f:2: GUID 00000002-1111-4222-8333-000000000002 of directory "corp" is held by account bob@x.example of the state already`},
		{"one GUID for two", "primary,guid\nann@x.example,00000011" + g + "\nbob@x.example,00000011" + g + "\n",
			`f:3: GUID 00000011` + g + ` of directory "corp" is held by line 2 (ann@x.example) already`},
		{"two GUIDs for one", "primary,guid\nann@x.example,00000011" + g + "\nann@x.example,00000012" + g + "\n",
			"f:3: ann@x.example is held by line 2 (ann@x.example) already"},
		{"an alias", "primary,guid\na@x.example,00000011" + g + "\n",
			"f:2: a@x.example is held by account ann@x.example of the state already"},
		{"no GUID", "primary,guid\nann@x.example,\n",
			"f:2: the line has no GUID for ann@x.example"},
		{"more than a GUID", "primary,guid,username\nann@x.example,00000011" + g + ",\n",
			"f:2: ann@x.example is held by account ann@x.example of the state already\n" + (&ImportError{Rebound: true}).Hint()},
		{"a listed account", `{"primary":"ann@x.example","aliases":[],"type":"user","status":"active","directory":"","guid":"00000011` + g + `","username":"","dn":"","attributes":{}}`,
			"f:1: ann@x.example is held by account ann@x.example of the state already\n" + (&ImportError{Rebound: true}).Hint()},
		{"one bad line", "primary,guid\nann@x.example,00000011" + g + "\nbob@x.example,7\na@x.example,00000012" + g + "\n",
			"f:3: guid \"7\": " + identity.ErrGUID.Error() + "\nf:4: a@x.example is held by account ann@x.example of the state already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &State{}
			if _, err := s.Import("f", strings.NewReader(accounts)); err != nil {
				t.Fatal(err)
			}
			before := slices.Clone(s.Accounts)
			m, err := s.Import("f", strings.NewReader(c.in))
			if err != nil {
				got := err.Error()
				if failed := new(*ImportError); errors.As(err, failed) && (*failed).Rebound {
					got += "\n" + (*failed).Hint()
				}
				if got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				if !reflect.DeepEqual(before, s.Accounts) {
					t.Error("and yet the state has changed")
				}
				return
			}
			var got []string
			for _, r := range m.Repaired {
				got = append(got, fmt.Sprintf("%s %s -> %s (%s)", r.Primary, r.Old, r.New, r.Directory))
				for i := range before {
					if before[i].Primary == r.Primary {
						before[i].GUID = r.New
					}
				}
			}
			got = append(got, fmt.Sprintf("%d added, %d same", len(m.Added), m.Same))
			if text := strings.Join(got, "; "); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
			if !reflect.DeepEqual(append(before, m.Added...), s.Accounts) {
				t.Errorf("more than GUIDs has changed: %+v", s.Accounts)
			}
			if err := s.Verify("f"); err != nil {
				t.Error(err)
			}
		})
	}
}

// FuzzRead: no input panics, and what is read is written as the same bytes but
// for the header's spelling.
func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	s := &State{Lineage: "l", Serial: 3, Written: day, Tool: "t", Accounts: corpus.Accounts(3, "corp")}
	if err := s.Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("{}\n"))
	b.Reset()
	if err := ledger(s).Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := s.Write(&out); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&out)
		if err != nil || !reflect.DeepEqual(again.Accounts, s.Accounts) || !reflect.DeepEqual(again.Placed, s.Placed) {
			t.Errorf("written and read again: %v", err)
		}
	})
}

// FuzzImport: no input panics, and what one import took, another state takes.
func FuzzImport(f *testing.F) {
	f.Add([]byte("primary,aliases\na@x.example,b@x.example\n"))
	f.Add([]byte("[{\"primary\":\"a@x.example\"}]"))
	f.Add([]byte("{\"primary\":\"a@x.example\"}\n{\"primary\":\"b@x.example\"}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := ReadImport("f", bytes.NewReader(data))
		if err != nil {
			return
		}
		s := &State{}
		if _, err := s.Merge("f", all); err != nil {
			return
		}
		if err := s.Verify("f"); err != nil {
			t.Errorf("imported, and then: %v", err)
		}
		if m, err := s.Merge("f", all); err != nil || len(m.Added)+len(m.Repaired) > 0 || m.Same != len(all) {
			t.Errorf("imported again: %+v, %v", m, err)
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	path := filepath.Join(b.TempDir(), "s")
	saved(b, path, 100_000)
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(info.Size())
	for b.Loop() {
		if _, err := At(path).Load(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRecall reads a state of a million accounts by its index, and one of them.
func BenchmarkRecall(b *testing.B) {
	path := filepath.Join(b.TempDir(), "s")
	x := saved(b, path, 1_000_000).Accounts[123_456].Primary
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			if st := At(path).indexed(ctx, (*index).all); st == nil {
				b.Fatal("there is no index")
			}
		}
	})
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			if st := At(path).indexed(ctx, func(i *index) (*State, error) { return i.holding([]identity.Address{x}) }); st == nil || len(st.Accounts) != 1 {
				b.Fatal("it was not found")
			}
		}
	})
}

func BenchmarkSave(b *testing.B) {
	path := filepath.Join(b.TempDir(), "s")
	s := saved(b, path, 100_000)
	for b.Loop() {
		if err := At(path).Save(ctx, s, "bench", day, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLaterFormat: a state of a later release is no damaged one.
func TestLaterFormat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rollcall.state.jsonl")
	saved(t, path, 2)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(`"version":1`), []byte(`"version":9,"owner":"hq"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	var later *Error
	if _, err := At(path).Load(ctx); !errors.As(err, &later) || !strings.Contains(later.Reason, "format version 9") || !strings.Contains(later.Advice, "or a later one") || later.Path != path || later.Line != 1 {
		t.Errorf("%+v", err)
	}
}
