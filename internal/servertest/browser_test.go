package servertest

import (
	"bytes"
	"net/url"
	"slices"
	"strings"
	"testing"
)

func TestBrowser(t *testing.T) {
	t.Parallel()
	b := NewBrowser(t)
	page := func(body string) string { return "data:text/html," + url.PathEscape(body) }
	b.Open(page(`<input autofocus><button onclick="document.title = document.querySelector('input').value">go</button><a download="a.txt" href="data:text/plain,saved">save</a>`))
	b.Look(400, 300, true)
	var seen struct {
		Width int
		Dark  bool
	}
	b.Eval(&seen, `return {width: innerWidth, dark: matchMedia("(prefers-color-scheme: dark)").matches}`)
	if seen.Width != 400 || !seen.Dark {
		t.Errorf("the page sees %+v", seen)
	}
	b.Click("input")
	b.Press("ann" + Left + "n" + Tab + Enter)
	b.Until(`document.title === "annn"`)
	b.Click("a")
	if got := string(b.Downloaded("a.txt")); got != "saved" {
		t.Errorf("downloaded %q", got)
	}
	if png := b.Screenshot(); !bytes.HasPrefix(png, []byte("\x89PNG")) {
		t.Errorf("%d octets are no PNG", len(png))
	}
	if pdf := b.Print(); !bytes.HasPrefix(pdf, []byte("%PDF")) {
		t.Errorf("%d octets are no PDF", len(pdf))
	}
	if all := b.Complaints(); len(all) > 0 {
		t.Errorf("complaints: %q", all)
	}
	b.Open(page(`<meta http-equiv="Content-Security-Policy" content="default-src 'none'"><script>document.title = "ran"</script><p>stands</p>`))
	if all := b.Complaints(); !slices.ContainsFunc(all, func(text string) bool { return strings.Contains(text, "Content Security Policy") }) {
		t.Errorf("no complaint about a forbidden script: %q", all)
	}
	b.Scripts(false)
	b.Open(page(`<noscript>without</noscript>`))
	var text string
	if b.Eval(&text, "return document.body.innerText"); text != "without" {
		t.Errorf("without scripts the page says %q", text)
	}
	b.Scripts(true)
}
