package postfix

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// findings are those of a check: CHECK STATUS, and what it has seen.
func findings(t *testing.T, c *Console) map[string]string {
	t.Helper()
	found, err := c.Check(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range found {
		all[f.Check+" "+f.Status] += f.Evidence + "; " + f.Remedy + "\n"
		if f.Status != "ok" && f.Remedy == "" {
			t.Errorf("%+v has no remedy", f)
		}
	}
	return all
}

// TestCheck: doctor hears what is wrong with tables, and nothing where all is right.
func TestCheck(t *testing.T) {
	t.Parallel()
	g := serve(t, "hash", "")
	publish(t, g.open(), step(nil, account("ann", "help")))
	want := []string{"aliases ok", "main.cf ok", "postmap ok", "recipients ok", "rights ok"}
	if got := slices.Sorted(maps.Keys(findings(t, g.open()))); !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	says := func(check, text string) {
		t.Helper()
		o := g.opening("hq")
		o.LockFile = ""
		target, err := Kind.Open(context.Background(), o)
		if err != nil {
			t.Fatal(err)
		}
		if all := findings(t, target.(*Console)); !strings.Contains(all[check], text) {
			t.Errorf("%s does not say %q: %q", check, text, all)
		}
	}
	main := filepath.Join(g.Config, "main.cf")
	put(t, main, strings.Replace(read(t, main), "relay_recipient_maps = hash:", "relay_recipient_maps = texthash:/none,\tproxy:hash:", 1))
	says("main.cf ok", "relay_recipient_maps has hash:"+g.Recipients)
	index := read(t, g.Recipients+".db")
	text := read(t, g.Recipients)
	publish(t, g.open(), step(nil, account("bob")))
	put(t, g.Recipients+".db", index) // as from a backup
	says("recipients failed", "has 1 of its 2 lines otherwise or not at all")
	put(t, g.Recipients+".db", "no index")
	says("recipients failed", "2 of its 2 lines")
	if err := os.Remove(g.Recipients + ".db"); err != nil {
		t.Fatal(err)
	}
	says("recipients failed", "no index")
	publish(t, g.open(), step(account("bob"), nil))
	put(t, g.Recipients, text+"# a comment\n")
	put(t, g.Recipients+".db", read(t, g.Recipients+".db"))
	says("recipients warning", "by hand")
	publish(t, g.open(), step(nil, account("bob")))
	if err := os.Chmod(g.Aliases, 0o600); err != nil {
		t.Fatal(err)
	}
	says("aliases warning", "mode 0600")
	g.set["postmap"] = []string{"postmap-is-not-here"}
	says("postmap failed", "postmap-is-not-here")
	g.set["postmap"], g.set["map"] = g.Postmap(), "btree"
	says("main.cf warning", "does not have btree:"+g.Recipients)
	g.set["map"], g.set["reload"] = texthash, []string{"reload-is-not-here"}
	says("reload failed", "reload-is-not-here")
}

// TestSurvey: Postfix says which tables it prefers and where they may be; where there is
// none, that is said and is no error.
func TestSurvey(t *testing.T) {
	g := serve(t, "hash", "")
	s, err := Kind.Survey(context.Background(), g.opening("hq"), func(string) bool { return false })
	if err != nil || s.Settings["map"] != "hash" || s.Settings["recipients"] != g.Config+"/rollcall/recipients" || s.Settings["aliases"] != g.Config+"/rollcall/aliases" {
		t.Errorf("%+v, %v", s, err)
	}
	if notes := strings.Join(s.Notes, "\n"); !strings.Contains(notes, "hash:"+g.Recipients) || !strings.Contains(notes, "example.com") {
		t.Errorf("%q", s.Notes)
	}
	// "rollcall init" makes the folder of the configuration only then.
	o := g.opening("hq")
	o.Settings = Kind.Values("relay", filepath.Join(g.Folder, "new"), g.set)
	if s, err = Kind.Survey(context.Background(), o, func(string) bool { return false }); err != nil || s.Settings["map"] != "hash" {
		t.Errorf("in a folder that is not there yet: %+v, %v", s, err)
	}
	g.set["postmap"] = []string{"/none/postmap"}
	s, err = Kind.Survey(context.Background(), g.opening("hq"), func(string) bool { return false })
	if err != nil || len(s.Settings) > 0 || len(s.Notes) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestSettings: a block that cannot work is a problem of its setting.
func TestSettings(t *testing.T) {
	for want, set := range map[string]map[string]any{
		"":           {"recipients": "r", "aliases": "a"},
		"aliases":    {"recipients": "r", "aliases": "./r"},
		"recipients": {"recipients": "r.db"},
		"postmap":    {"recipients": "r", "postmap": []string{" "}},
		"reload":     {"recipients": "r", "reload": []string{""}},
	} {
		var got []string
		for _, p := range Kind.Check(Kind.Values("relay", "/x", set)) {
			got = append(got, p.Setting)
			if p.Summary == "" || p.Hint == "" {
				t.Errorf("%+v", p)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v: %q, not %q", set, got, want)
		}
	}
	where := Kind.Where(Kind.Values("relay", "/x", map[string]any{"recipients": "r", "aliases": "/y/a"}))
	if !slices.Equal(where, []string{"/x/r", "/y/a", "lmdb"}) {
		t.Errorf("%q", where)
	}
}

// TestOrder: whatever changes, at each moment of its publication every address that was
// accepted and is to be accepted is accepted, and goes to who had it or to who gets it.
func TestOrder(t *testing.T) {
	unions := 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		deal := func() *contents {
			deck := r.Perm(12)
			c := &contents{accounts: map[identity.Address][]identity.Address{}}
			for len(deck) > 0 && r.IntN(6) > 0 {
				n := min(1+r.IntN(3), len(deck))
				var held []identity.Address
				for _, x := range deck[1:n] {
					held = append(held, address(fmt.Sprint("a", x)))
				}
				slices.SortFunc(held, identity.Address.Compare)
				c.accounts[address(fmt.Sprint("a", deck[0]))] = held
				deck = deck[n:]
			}
			return c
		}
		before, after := deal(), deal()
		c := &Console{owner: "hq", paths: [tables]string{"r", "a"}}
		h := header{owner: "hq", apart: true}
		s := &stage{base: &snapshot{}, next: after}
		was, next := before.rows(true), after.rows(true)
		var now [tables][]row
		var texts [tables][]byte
		var changed [tables]bool
		for table := range now {
			text, err := write("x", h, was[table])
			if err != nil {
				t.Fatal(err)
			}
			if s.base.files[table], err = parse("x", text); err != nil {
				t.Fatal(err)
			}
			now[table] = s.base.files[table].rows
			if texts[table], err = write("x", h, next[table]); err != nil {
				t.Fatal(err)
			}
			changed[table] = string(text) != string(texts[table])
		}
		if !changed[recipients] && !changed[aliases] {
			continue
		}
		// goes is where mail for an address goes; "" for one that is not accepted.
		goes := func(now [tables][]row, x string) string {
			for _, r := range now[aliases] {
				if r.key == x {
					return r.value
				}
			}
			if slices.ContainsFunc(now[recipients], func(r row) bool { return r.key == x }) {
				return x
			}
			return ""
		}
		first := now
		order, err := c.order(s, h, next, texts, changed)
		if err != nil {
			t.Fatal(err)
		}
		if len(order) == 3 {
			unions++
		}
		for i, w := range order {
			f, err := parse("x", w.text)
			if err != nil {
				t.Fatal(err)
			}
			now[w.table] = f.rows
			for n := range 12 {
				x := address(fmt.Sprint("a", n)).String()
				a, b, at := goes(first, x), goes(next, x), goes(now, x)
				stays := a != "" && b != ""
				if stays && at == "" || at != "" && at != a && at != b {
					t.Fatalf("seed %d: after %d of %d, %s goes to %q, and not to %q or %q", seed, i+1, len(order), x, at, a, b)
				}
			}
		}
		for n := range 12 {
			x := address(fmt.Sprint("a", n)).String()
			if goes(now, x) != goes(next, x) {
				t.Fatalf("seed %d: in the end, %s goes to %q", seed, x, goes(now, x))
			}
		}
	}
	if unions < 500 {
		t.Errorf("%d publications had three steps", unions)
	}
}
