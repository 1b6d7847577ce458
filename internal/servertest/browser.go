package servertest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Browser is a Chromium without a window, steered through chromedriver by the
// W3C WebDriver protocol.
type Browser struct {
	*Server
	// Downloads is the folder for what pages save.
	Downloads string

	t       T
	session string // the URL of the session
}

// NewBrowser starts a Chromium (Debian's chromium and chromium-driver) with a
// profile of its own, which asks the network for nothing by itself.
func NewBrowser(t T) *Browser {
	t.Helper()
	driver := Need(t, "chromedriver", "chromium-driver")
	chromium := Need(t, "chromium", "chromium")
	dir := folder(t)
	port := freePort(t, "127.0.0.1")
	b := &Browser{t: t, Downloads: filepath.Join(dir, "downloads")}
	must(t, os.Mkdir(b.Downloads, 0o700))
	b.Server = &Server{t: t, Log: filepath.Join(dir, "out"), answers: []string{fmt.Sprintf("127.0.0.1:%d", port)}, command: func() *exec.Cmd {
		cmd := exec.Command(driver, fmt.Sprintf("--port=%d", port))
		cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir)
		return cmd
	}}
	b.Start()
	// Through a pipe the browser notices when the driver is gone, and ends.
	args := []string{
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--remote-debugging-pipe", "--user-data-dir=" + filepath.Join(dir, "profile"),
	}
	// A driver that accepts connections may not answer yet.
	b.session = fmt.Sprintf("http://127.0.0.1:%d", port)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := b.call(http.MethodGet, "/status", nil, nil)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			must(t, err)
		}
	}
	var made struct{ SessionID string }
	b.session += "/session"
	must(t, b.call(http.MethodPost, "", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"browserName":        "chrome",
		"goog:loggingPrefs":  map[string]string{"browser": "ALL"},
		"goog:chromeOptions": map[string]any{"binary": chromium, "args": args, "prefs": map[string]any{"download.default_directory": b.Downloads}},
	}}}, &made))
	b.session += "/" + made.SessionID
	t.Cleanup(func() { b.call(http.MethodDelete, "", nil, nil) })
	return b
}

// With returns the same browser for another test, which ends where it fails.
func (b *Browser) With(t T) *Browser {
	other := *b
	other.t = t
	return &other
}

// call sends a command of the protocol and reads its value.
func (b *Browser) call(method, command string, in, out any) error {
	var body io.Reader
	if method == http.MethodPost {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, b.session+command, body)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: 2 * patience}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var reply struct{ Value json.RawMessage }
	if err := json.NewDecoder(response.Body).Decode(&reply); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		var refused struct{ Error, Message string }
		json.Unmarshal(reply.Value, &refused)
		return fmt.Errorf("%s %s: %s: %s", method, command, refused.Error, refused.Message)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(reply.Value, out)
}

func (b *Browser) post(command string, in, out any) {
	b.t.Helper()
	must(b.t, b.call(http.MethodPost, command, in, out))
}

// Open loads a page and returns when it is complete.
func (b *Browser) Open(url string) {
	b.t.Helper()
	b.post("/url", map[string]string{"url": url}, nil)
}

// Eval runs the body of a function in the page and stores what it returns, as
// JSON, in out, which may be nil. It waits for a promise.
func (b *Browser) Eval(out any, body string, args ...any) {
	b.t.Helper()
	if args == nil {
		args = []any{}
	}
	b.post("/execute/sync", map[string]any{"script": body, "args": args}, out)
}

// Until waits until an expression is true in the page.
func (b *Browser) Until(expression string) {
	b.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		var is bool
		b.Eval(&is, "return Boolean("+expression+")")
		if is {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("the page does not come to %s", expression)
		}
	}
}

// The keys that have no character (WebDriver, section 17.4.2).
const (
	Tab    = "\ue004"
	Enter  = "\ue007"
	Escape = "\ue00c"
	End    = "\ue010"
	Home   = "\ue011"
	Left   = "\ue012"
	Up     = "\ue013"
	Right  = "\ue014"
	Down   = "\ue015"
)

// Press types on the keyboard, into whatever has the focus.
func (b *Browser) Press(keys string) {
	b.t.Helper()
	actions := []map[string]string{}
	for _, key := range keys {
		for _, kind := range []string{"keyDown", "keyUp"} {
			actions = append(actions, map[string]string{"type": kind, "value": string(key)})
		}
	}
	b.post("/actions", map[string]any{"actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": actions}}}, nil)
}

// Click clicks on the first element that a CSS selector finds.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	var element map[string]string
	b.post("/element", map[string]string{"using": "css selector", "value": selector}, &element)
	for _, id := range element {
		b.post("/element/"+id+"/click", map[string]string{}, nil)
	}
}

// Look sets the size of the page in CSS pixels, and whether its reader prefers
// dark colours.
func (b *Browser) Look(width, height int, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	b.devtools("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.devtools("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// devtools runs a command of the Chrome DevTools Protocol.
func (b *Browser) devtools(command string, params, out any) {
	b.t.Helper()
	b.post("/goog/cdp/execute", map[string]any{"cmd": command, "params": params}, out)
}

// Scripts turns the scripts of the pages that are opened next on or off; Eval
// works all the same.
func (b *Browser) Scripts(on bool) {
	b.t.Helper()
	b.devtools("Emulation.setScriptExecutionDisabled", map[string]any{"value": !on}, nil)
}

// Screenshot returns what can be seen, as PNG.
func (b *Browser) Screenshot() []byte {
	b.t.Helper()
	var text string
	must(b.t, b.call(http.MethodGet, "/screenshot", nil, &text))
	return b.decoded(text)
}

// Barriers returns what axe-core (npm), which "make prepare" installs, finds in the page
// that keeps people with disabilities from using it: the rules that the page breaks, of
// WCAG 2.2, levels A and AA, and of best practice, each with the elements.
func (b *Browser) Barriers() []string {
	b.t.Helper()
	const run = `return axe.run(document, { resultTypes: ["violations"], selectors: false, iframes: false, rules: { "target-size": { enabled: true } } }).then((result) =>
  result.violations.map((rule) => rule.id + ": " + rule.help + ": " + rule.nodes.map((node) => node.html + " (" + node.failureSummary + ")").join(" | ")));`
	rules := ""
	var loaded bool
	if b.Eval(&loaded, `return "axe" in window`); !loaded {
		text, err := os.ReadFile(filepath.Join(nodeModules(b.t, "axe", "axe-core"), "axe-core", "axe.min.js"))
		must(b.t, err)
		rules = string(text) + ";\n"
	}
	var broken []string
	b.Eval(&broken, rules+run)
	return broken
}

// Print returns the page on paper, as PDF.
func (b *Browser) Print() []byte {
	b.t.Helper()
	var text string
	b.post("/print", map[string]any{"background": true}, &text)
	return b.decoded(text)
}

func (b *Browser) decoded(text string) []byte {
	b.t.Helper()
	octets, err := base64.StdEncoding.DecodeString(text)
	must(b.t, err)
	return octets
}

// Complaints returns what the console has logged since the last call: errors of
// scripts, and what the policy of a page forbade.
func (b *Browser) Complaints() []string {
	b.t.Helper()
	var entries []struct{ Level, Message string }
	b.post("/se/log", map[string]string{"type": "browser"}, &entries)
	var all []string
	for _, e := range entries {
		all = append(all, e.Level+": "+e.Message)
	}
	return all
}

// Downloaded returns a file that a page has saved, once it is whole. It is not
// empty.
func (b *Browser) Downloaded(name string) []byte {
	b.t.Helper()
	path := filepath.Join(b.Downloads, name)
	for range 1000 {
		// Chromium takes the name with an empty file, which the whole one
		// replaces.
		text, err := os.ReadFile(path)
		if len(text) > 0 {
			must(b.t, errors.Join(err, os.Remove(path)))
			return text
		}
		if !errors.Is(err, os.ErrNotExist) {
			must(b.t, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.t.Fatalf("the page saves no %s", name)
	return nil
}
