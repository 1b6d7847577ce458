package words

import (
	"slices"
	"testing"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"add", "alias_switch", "corp", "csv", "json", "plan", "primary_change", "primary_switch", "text", "--detailed-exitcode"}
	for given, want := range map[string]string{
		"adds": "add", "ADD": "add", "plna": "plan", "crop": "corp", "jsn": "json", "jso": "json", "alias": "alias_switch", "alias_": "alias_switch",
		"primary": "", "--detail": "--detailed-exitcode", "--": "", "primary_swich": "primary_switch", "--detailed": "--detailed-exitcode", "": "", "x": "", "yaml": "", "nothing": "",
	} {
		if got := Nearest(given, known); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		`unknown category "adds"; did you mean "add"?`:                    Unknown("category", "adds", []string{"add", "inactive"}),
		`unknown format "yaml"; available: text, json`:                    Unknown("format", "yaml", []string{"text", "json"}),
		`no directory "crop"; available: corp, lab; did you mean "corp"?`: Undeclared("directory", "crop", []string{"corp", "lab"}),
		`no directory "x\"y"; available: corp, lab`:                       Undeclared("directory", `x"y`, []string{"corp", "lab"}),
	} {
		if err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}

// FuzzNearest: what comes back is one of the known words, and a known word is
// nearest to itself.
func FuzzNearest(f *testing.F) {
	f.Add("adds", "add", "inactive")
	f.Add("Ä\xff", "", "json")
	f.Fuzz(func(t *testing.T, given, one, two string) {
		known := []string{one, two}
		if got := Nearest(given, known); got != "" && !slices.Contains(known, got) {
			t.Errorf("%q is none of %q", got, known)
		}
	})
}
