package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/servertest"
)

// TestPicture: docs/plan.png shows what the page of the example says now. The picture
// has the text of the page in it; with -update, a browser takes it again where that has
// changed.
func TestPicture(t *testing.T) {
	t.Chdir("../..")
	const path = "docs/plan.png"
	page := filepath.Join(t.TempDir(), "plan.html")
	if _, talk, code := at(t.Context(), strings.NewReader(""), false, "-C", "examples/quickstart", "plan", "-o", "html="+page); code != exitOK {
		t.Fatalf("exit code %d\n%s", code, talk)
	}
	text, _, found := strings.Cut(varying.ReplaceAllString(textOf(read(t, page)), "*"), "\nChanges\n")
	if !found {
		t.Fatalf("the page has no changes:\n%s", text)
	}
	picture, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	shown := textIn(picture)
	if shown == text {
		return
	}
	if !*update {
		t.Fatalf("%s shows another page: run the test with -update and look at it\n%s", path, difference(shown, text))
	}
	b := servertest.NewBrowser(t)
	b.Look(1180, 700, false)
	b.Open("file://" + page)
	if err := os.WriteFile(path, withText(b.Screenshot(), text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What a picture in PNG begins with, its first chunk included, and how its chunk of
// international text does (sections 5 and 11.3.3.4 of the specification).
const (
	pngHead = 8 + 4 + 4 + 13 + 4
	pngText = "iTXtDescription\x00\x00\x00\x00\x00"
)

// withText returns a picture with a text in it.
func withText(picture []byte, text string) []byte {
	chunk := []byte(pngText + text)
	length := binary.BigEndian.AppendUint32(nil, uint32(len(chunk)-4))
	sum := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(chunk))
	return bytes.Join([][]byte{picture[:pngHead], length, chunk, sum, picture[pngHead:]}, nil)
}

// textIn returns the text that withText has put into a picture, "" if it has none.
func textIn(picture []byte) string {
	if len(picture) < pngHead+4 {
		return ""
	}
	length := int(binary.BigEndian.Uint32(picture[pngHead:]))
	chunk, ok := bytes.CutPrefix(picture[pngHead+4:], []byte(pngText))
	if length -= len(pngText) - 4; !ok || length > len(chunk) {
		return ""
	}
	return string(chunk[:length])
}
