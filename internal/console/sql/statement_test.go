package sql

import (
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/settings"
)

// TestStatement: parameters are found where the database would look for them, and
// nowhere else.
func TestStatement(t *testing.T) {
	for _, c := range []struct {
		d    *dialect
		text string
		want string // the statement as the database gets it, or ! and what is wrong
	}{
		{postgres, "UPDATE p SET a = :address, b = :address WHERE a = :was_address;", "UPDATE p SET a = $1, b = $2 WHERE a = $3"},
		{mysql, "UPDATE p SET a = :address, b = :address WHERE a = :was_address;", "UPDATE p SET a = ?, b = ? WHERE a = ?"},
		{postgres, "SELECT ':a', \":b\", x::text, :c::text, y[1:2], 'it''s :d'", "SELECT ':a', \":b\", x::text, $1::text, y[1:2], 'it''s :d'"},
		{postgres, `SELECT 'back\', :a, E'quote\' :b', :c`, `SELECT 'back\', $1, E'quote\' :b', $2`},
		{mysql, `SELECT 'quote\' :a', "double\" :b", :c, ` + "`:d`", `SELECT 'quote\' :a', "double\" :b", ?, ` + "`:d`"},
		{postgres, "SELECT :a -- :b 'c\n, :d /* :e /* :f */ :g */, :h", "SELECT $1 -- :b 'c\n, $2 /* :e /* :f */ :g */, $3"},
		{mysql, "SELECT :a # :b 'c\n, 1--:d /* :e /* :f */, :g -- :h", "SELECT ? # :b 'c\n, 1--? /* :e /* :f */, ? -- :h"},
		{postgres, "SELECT $$:a$$, $tag$ :b $$ $tag$, :c", "SELECT $$:a$$, $tag$ :b $$ $tag$, $1"},
		{postgres, "SELECT x FROM a$b$c WHERE y ? :a", "SELECT x FROM a$b$c WHERE y ? $1"},
		{mysql, "SELECT @x := 1, :größe", "SELECT @x := 1, ?"},
		{postgres, "SELECT 1; SELECT 2", "!more than one statement"},
		{postgres, "SELECT 'open", "!does not end"},
		{postgres, "SELECT /* open /* */", "!does not end"},
		{mysql, "SELECT `open", "!does not end"},
		{postgres, "SELECT $a$ open $b$", "!does not end"},
		{postgres, "SELECT $1", "!by name"},
		{mysql, "SELECT ?", "!by name"},
		{mysql, " ;\n", "!empty"},
	} {
		s, err := parseStatement(c.text, c.d)
		if wrong, fails := strings.CutPrefix(c.want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%s: %v", c.text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got, args := s.bind(c.d, func(name string) any { return name }); got != c.want || len(args) != len(s.names) {
			t.Errorf("%s\nis   %s\nwant %s", c.text, got, c.want)
		}
	}
}

// FuzzStatement: what was read is written again, but for its parameters.
func FuzzStatement(f *testing.F) {
	for _, text := range []string{"UPDATE p SET a = :address WHERE a = :was_address", "SELECT $$:a$$, E'\\'', x::text -- c", "SELECT `a`, \"b\" # c\n, /* d */ :e", "SELECT 'ü:a'"} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, pg bool) {
		d := mysql
		if pg {
			d = postgres
		}
		s, err := parseStatement(text, d)
		if err != nil {
			return
		}
		if len(s.texts) != len(s.names)+1 {
			t.Fatalf("%d texts and %d names", len(s.texts), len(s.names))
		}
		again := s.texts[0]
		for i, name := range s.names {
			if name == "" {
				t.Fatal("a parameter without a name")
			}
			again += ":" + name + s.texts[i+1]
		}
		if !strings.HasPrefix(strings.TrimSpace(text), again) {
			t.Fatalf("%q was read as %q", text, again)
		}
		second, err := parseStatement(again, d)
		if err != nil || len(second.names) != len(s.names) {
			t.Fatalf("%q is read otherwise than %q: %v", again, text, err)
		}
	})
}

// TestCheck: what does not go together is reported with the setting and what to do.
func TestCheck(t *testing.T) {
	url := settings.NewSecret("postgres://u:p@localhost/mail")
	statements := func(set map[string]any) settings.Values { return statementsBlock.Values(".", set) }
	good := func() map[string]any {
		return map[string]any{
			"read":   "SELECT email AS address, aliases, active AS status FROM people",
			"insert": []string{"INSERT INTO people VALUES (:address, :aliases, :active)"},
			"update": []string{"UPDATE people SET email = :address, aliases = :aliases, active = :active WHERE email = :was_address"},
			"delete": []string{"DELETE FROM people WHERE email = :address"},
		}
	}
	for _, c := range []struct {
		story string
		set   map[string]any
		want  string
	}{
		{"postfixadmin", map[string]any{"url": url, "profile": "postfixadmin"}, ""},
		{"custom", map[string]any{"url": url, "profile": "custom", "statements": statements(good())}, ""},
		{"no statements", map[string]any{"url": url, "profile": "custom"}, `profile: profile "custom" needs a block statements`},
		{"needless statements", map[string]any{"url": url, "profile": "postfixadmin", "statements": statements(good())}, `statements: the block statements belongs to profile "custom"`},
		{"half a certificate", map[string]any{"url": url, "profile": "postfixadmin", "client_cert": "a.pem"}, ": client_cert and client_key go together"},
		{"TLS in a socket", map[string]any{"url": settings.NewSecret("postgres://u@/m?host=/run"), "profile": "postfixadmin", "ca_file": "a.pem"}, "ca_file: the database is reached by a socket"},
		{"an unknown parameter", map[string]any{"url": url, "profile": "custom", "statements": statements(with(good(), "delete", []string{"DELETE FROM people WHERE email = :adress"}))},
			"statements.delete: the statement delete has a parameter :adress, which is unknown\nstatements.delete: the statement delete lacks the parameter :address"},
		{"was_ in an insert", map[string]any{"url": url, "profile": "custom", "statements": statements(with(good(), "insert", []string{"INSERT INTO people VALUES (:address, :aliases, :status, :was_address)"}))},
			"statements.insert: the statement insert has a parameter :was_address, which update alone has"},
		{"a parameter that is missing", map[string]any{"url": url, "profile": "custom", "statements": statements(with(good(), "update", []string{"UPDATE people SET email = :address"}))},
			"statements.update: the statement update lacks the parameter :was_address, :aliases, :status or :active"},
		{"parameters in several", map[string]any{"url": url, "profile": "custom", "statements": statements(with(good(), "insert", []string{"INSERT INTO people VALUES (:address, :active)", "INSERT INTO aliases VALUES (:aliases)"}))}, ""},
		{"a column that is missing", map[string]any{"url": url, "profile": "custom", "statements": statements(with(good(), "read", "SELECT email AS address, 'aliases' AS status FROM people -- aliases"))},
			`statements.read: the statement read gives no column "aliases"`},
		{"columns that nobody can see", map[string]any{"url": url, "profile": "custom", "statements": statements(with(good(), "read", "SELECT * FROM people"))}, ""},
		{"a parameter of read", map[string]any{"url": url, "profile": "custom", "statements": statements(with(good(), "read", "SELECT address, aliases, status FROM people WHERE domain = :domain"))},
			"statements.read: the statement read has a parameter :domain, and takes none"},
		{"a broken statement", map[string]any{"url": url, "profile": "custom", "statements": statements(with(good(), "insert", []string{"INSERT INTO people VALUES (:address, :aliases, :active)", "SELECT 'x"}))},
			"statements.insert: the statement insert cannot be used: a quote or a comment in it does not end"},
		{"what could not be read", map[string]any{"url": nil, "profile": nil, "statements": statements(map[string]any{"read": nil, "insert": []string{""}})}, ""},
	} {
		var got []string
		for _, p := range Kind.Check(Kind.Values("mail", ".", c.set)) {
			got = append(got, p.Setting+": "+p.Summary)
			if p.Hint == "" {
				t.Errorf("%s: no hint to %s", c.story, p.Summary)
			}
		}
		if text := strings.Join(got, "\n"); text != c.want && (c.want == "" || !strings.HasPrefix(text, c.want) || strings.Count(text, "\n") != strings.Count(c.want, "\n")) {
			t.Errorf("%s: %s\nwant %s", c.story, text, c.want)
		}
	}
	for _, x := range []struct{ profile, name, text, want string }{
		{"postfixadmin", "quota", "1073741824", ""}, {"postfixadmin", "quota", "1 GiB", "no number of octets"}, {"postfixadmin", "quota", "-1", "no number of octets"},
		{"postfixadmin", "password", "hunter2", "has no password"}, {"postfixadmin", "policy", "strict", ""}, {"custom", "quota", "1 GiB", ""},
	} {
		p := Kind.Initial(Kind.Values("mail", ".", map[string]any{"profile": x.profile}), x.name, x.text)
		if (p.Summary == "") != (x.want == "") || !strings.Contains(p.Summary, x.want) || p.Summary != "" && p.Hint == "" || strings.Contains(p.Summary+p.Hint, x.text) {
			t.Errorf("profile %s, initial %s: %+v", x.profile, x.name, p)
		}
	}
	if where := Kind.Where(Kind.Values("mail", ".", map[string]any{"url": settings.NewSecret("postgres://u:hunter2@db.example.com/mail"), "profile": "custom"})); strings.Join(where, " ") != "postgres://db.example.com:5432/mail custom" {
		t.Errorf("it is at %q", where)
	}
	if p := checkURL("mysql://u:hunter2@/"); p.Summary == "" || strings.Contains(p.Summary+p.Hint, "hunter2") {
		t.Errorf("%+v", p)
	}
}
