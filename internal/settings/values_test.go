package settings

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var kind = Kind{
	Name: "service",
	Settings: []Setting{
		{Name: "url"}, {Name: "mode", Default: "full"}, {Name: "token", Secret: true},
		{Name: "command", Type: Texts, Default: []string{"postmap"}}, {Name: "size", Type: Number, Default: 100}, {Name: "tls", Type: Flag, Default: true},
		{Name: "pause", Type: Duration, Default: time.Minute}, {Name: "config", Type: Any}, {Name: "headers", Type: Map}, {Name: "file", Type: Path},
	},
	Blocks: []Block{{Name: "basic", Settings: []Setting{{Name: "username"}, {Name: "password", Secret: true}}}},
}

// TestDefaults: what is not written is the default, or else the zero value; what
// is written in vain is there as well, and is known by that.
func TestDefaults(t *testing.T) {
	v := kind.Values("saas", "conf", map[string]any{"mode": nil})
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"url", v.Text("url"), ""}, {"mode", v.Text("mode"), "full"}, {"token", v.Secret("token").Reveal(), ""}, {"size", v.Number("size"), 100},
		{"tls", v.Flag("tls"), true}, {"pause", v.Duration("pause"), time.Minute}, {"config", v.JSON("config").All.Reveal(), "null"},
		{"config shown", v.JSON("config").Shown, "null"}, {"headers", len(v.Map("headers")), 0}, {"file", v.Path("file"), ""},
		{"has mode", v.Has("mode"), true}, {"has url", v.Has("url"), false}, {"label", v.Label(), "saas"}, {"folder", v.Folder(), "conf"},
	} {
		if c.got != c.want {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
	if got := v.Texts("command"); !slices.Equal(got, []string{"postmap"}) {
		t.Errorf("command is %q", got)
	}
	if _, ok := v.Block("basic"); ok {
		t.Error("there is a block")
	}
}

func TestPath(t *testing.T) {
	absolute, err := filepath.Abs("ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	for written, want := range map[string]string{"tls/ca.pem": filepath.Join("conf", "tls", "ca.pem"), "../ca.pem": "ca.pem", absolute: absolute} {
		v := kind.Values("saas", "conf", map[string]any{"file": written})
		if v.Path("file") != want || v.Written("file") != written {
			t.Errorf("%s is %s, want %s", written, v.Path("file"), want)
		}
	}
}

// TestSecretsDoNotPrint: no way of printing values shows a secret among them.
func TestSecretsDoNotPrint(t *testing.T) {
	const secret = "hunter2"
	v := kind.Values("saas", ".", map[string]any{
		"token": NewSecret(secret), "config": JSON{NewSecret(`{"pin":"` + secret + `"}`), `{"pin":"(secret)"}`},
		"basic": kind.Blocks[0].Values(".", map[string]any{"username": "app", "password": NewSecret(secret)}),
	})
	inner, ok := v.Block("basic")
	if !ok || inner.Secret("password").Reveal() != secret || inner.Text("username") != "app" || v.JSON("config").All.Reveal() != `{"pin":"hunter2"}` {
		t.Fatal("the values are not those that were set")
	}
	encoded, err := json.Marshal([]any{v, v.JSON("config"), inner.Secret("password")})
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{fmt.Sprint(v, inner, &v), fmt.Sprintf("%+v %#v", v, inner), string(encoded)} {
		if strings.Contains(printed, secret) {
			t.Errorf("printed %s", printed)
		}
	}
}

// TestMisuse: an adapter that asks for what its kind does not have finds out in
// its first test.
func TestMisuse(t *testing.T) {
	v := kind.Values("saas", ".", nil)
	for name, ask := range map[string]func(){
		"no setting":      func() { v.Text("uri") },
		"no block":        func() { v.Block("oauth") },
		"another type":    func() { v.Number("url") },
		"a secret":        func() { v.Text("token") },
		"no secret":       func() { v.Secret("url") },
		"a path":          func() { v.Text("file") },
		"a block's":       func() { v.Text("username") },
		"the local one's": func() { Values{}.Text("url") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			ask()
		}()
	}
}

// TestResolvePattern: what stands for other characters in a pattern stands for
// itself in the name of its folder.
func TestResolvePattern(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a[1]")
	if runtime.GOOS == "windows" {
		folder = filepath.Join(t.TempDir(), "a")
	}
	file := filepath.Join(folder, "x.ldif")
	if fits, err := filepath.Match(ResolvePattern(folder, "*.ldif"), file); err != nil || !fits {
		t.Errorf("%s: %v", file, err)
	}
	if got := ResolvePattern(folder, "x.ldif"); got != file {
		t.Errorf("%s, want %s", got, file)
	}
}
