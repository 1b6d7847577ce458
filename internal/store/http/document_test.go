package http

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/state"
)

// sample is a document with versions and documents.
func sample() *document {
	d := &document{Serial: 12, Lineage: "6c69", Versions: []version{
		{"6c69", 7, strings.Repeat("a", 64), store.Compress([]byte("seven"))}, {"6c69", 6, strings.Repeat("b", 64), store.Compress([]byte("six"))},
	}, Documents: []entry{{"outbox", "", store.Compress([]byte("{}\n"))}, {"000001", "abc", store.Compress([]byte("one\n"))}}}
	d.seal()
	return d
}

func TestDocument(t *testing.T) {
	t.Parallel()
	d := sample()
	got, err := parse(d.encode())
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Fatalf("%+v, %v", got, err)
	}
	if !slices.Equal([]string{got.Documents[0].Name, got.Documents[1].Name}, []string{"000001", "outbox"}) || got.find("000001") == nil || got.find("00000") != nil {
		t.Error("the documents are not sorted")
	}
	var head map[string]any
	if err := json.Unmarshal(d.encode(), &head); err != nil || head["serial"] != 12.0 || head["version"] != nil || head["format"] != "rollcall-store" {
		t.Errorf("%v, %v", head, err)
	}
	var file bytes.Buffer
	if err := d.save(&file, `"tag"`, "here"); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"cut off": file.Bytes()[:file.Len()-1], "longer": append(slices.Clone(file.Bytes()), 'x'), "empty": nil, "null": []byte("null\n"), "changed": bytes.Replace(file.Bytes(), []byte("abc"), []byte("abd"), 1)} {
		if got, _ := load(raw, "here"); got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got, _ := load(file.Bytes(), "there"); got != nil {
		t.Error("of another address")
	}
	if got, etag := load(file.Bytes(), "here"); !reflect.DeepEqual(got, d) || etag != `"tag"` {
		t.Errorf("%+v with %s", got, etag)
	}
}

// TestParse: a document that was cut off anywhere, changed anywhere, or that is not one, is
// not taken.
func TestParse(t *testing.T) {
	t.Parallel()
	whole := sample().encode()
	for n := range whole[:len(whole)-2] {
		if d, err := parse(whole[:n]); err == nil {
			t.Fatalf("cut off after %d octets: %+v", n, d)
		}
	}
	for n := range whole {
		changed := slices.Clone(whole)
		changed[n] ^= 1
		if d, err := parse(changed); err == nil && !reflect.DeepEqual(d, sample()) {
			t.Fatalf("changed at %d: %s", n, changed)
		}
	}
	sealed := func(change func(d *document)) string {
		d := sample()
		change(d)
		d.Sum = d.sum()
		return string(d.encode())
	}
	for body, want := range map[string]error{
		"":       errTorn,
		"null":   errForeign,
		"[]":     errForeign,
		"{}":     errForeign,
		"<html>": errTorn,
		`{"version":4,"terraform_version":"1.11.4","serial":3,"lineage":"x","outputs":{},"resources":[]}`: errForeign,
		`{"version":4,"serial":"3"}`: errForeign,
		string(whole) + "{}":         errTorn,
		strings.Replace(string(whole), `"format_version":1`, `"format_version":2`, 1): errNewer,
		strings.Replace(string(whole), `"format_version":1`, `"format_version":0`, 1): errTorn,
		sealed(func(d *document) { d.Serial = 0 }):                                    errTorn,
		sealed(func(d *document) { d.Versions = append(d.Versions, d.Versions[0]) }):  errTorn,
		sealed(func(d *document) { d.Documents[1].Name = d.Documents[0].Name }):       errTorn,
		sealed(func(d *document) { d.Documents[1].Name = "../evil" }):                 errTorn,
		sealed(func(d *document) { slices.Reverse(d.Documents) }):                     errTorn,
	} {
		if _, err := parse([]byte(body)); !errors.Is(err, want) {
			t.Errorf("%v, want %v: %.200s", err, want, body)
		}
	}
}

// FuzzParse: whatever a server sends is taken whole or not at all.
func FuzzParse(f *testing.F) {
	whole := sample().encode()
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(`{"serial":1,"format":"rollcall-store","format_version":1,"versions":null,"documents":[{"name":"x"}]}`))
	f.Add([]byte(`{"version":4,"serial":3}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := parse(body)
		if err != nil {
			if d != nil {
				t.Fatal("an error, and a document")
			}
			return
		}
		again, err := parse(d.encode())
		if err != nil || again.revision() != d.revision() {
			t.Fatalf("%v of what was taken", err)
		}
		for i := range d.Documents {
			_, _ = store.Decompress(d.Documents[i].Text)
		}
	})
}

func FuzzLoad(f *testing.F) {
	var file bytes.Buffer
	if err := sample().save(&file, `"tag"`, "here"); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes())
	f.Add([]byte("{\"lengths\":[-1]}\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if d, _ := load(raw, "here"); d != nil && d.Sum != d.sum() {
			t.Fatal("it was changed")
		}
	})
}

// TestHolder: an ID says who has the lock, however long their names are, and one of
// another program says nothing.
func TestHolder(t *testing.T) {
	t.Parallel()
	me := state.Me("rollcall apply")
	c := newClaim(me, "1.2.3")
	got := holderIn(c.ID)
	want := *me
	want.ID = c.ID
	if got == nil || *got != want || !got.Running() {
		t.Errorf("%+v, want %+v", got, want)
	}
	long := *me
	long.Command, long.User, long.Host = strings.Repeat("ä", 300), strings.Repeat("u", 300), "h"
	id := idOf(&long)
	if got := holderIn(id); len(id) > longestID || got == nil || got.Host != "h" || !strings.HasPrefix(got.Command, "äää") {
		t.Errorf("%d octets: %+v", len(id), got)
	}
	for _, id := range []string{"", "x", "2b6a6738-5dd5-50d6-c0ae-f6352977666b", "x.e30", "x." + base64.RawURLEncoding.EncodeToString([]byte(`["a",0,"b","c",5]`)), "x." + base64.RawURLEncoding.EncodeToString([]byte(`["a",1]`))} {
		if h := holderIn(id); h != nil {
			t.Errorf("%q is %v", id, h)
		}
	}
	for body, want := range map[string]string{
		`{"ID":"1","Operation":"OperationTypeApply","Info":"","Who":"ann@build1","Version":"1.11.4","Created":"2026-11-30T08:00:00.5Z","Path":""}`: `"OperationTypeApply" of ann on build1, since 2026-11-30T08:00:00Z`,
		`{"ID":"1","Operation":"rollcall apply","Info":` + string(quoted(c.Info)) + `,"Who":"bot"}`:                                                `"another program" of bot`,
		`{"ID":"1"}`: `"another program"`,
	} {
		if _, h := holderOf(&answer{body: []byte(body)}, c); h == nil || h.String() != want || h.Running() {
			t.Errorf("%v, want %s", h, want)
		}
	}
	for _, body := range []string{"", "{}", "null", `"x"`, "<html>"} {
		if by, h := holderOf(&answer{body: []byte(body)}, c); by != nil || h != nil {
			t.Errorf("%s: %v", body, h)
		}
	}
}
