package connector

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// concealed stands in place of a secret.
const concealed = "(secret)"

// Secrets are the texts of a configuration, which nobody may read.
type Secrets struct {
	texts    map[string]bool
	replacer *strings.Replacer
	longest  int // in octets, as they may be spelt
	more     func(string) string
}

// NewSecrets takes every string of a JSON value that is longer than three
// characters for a secret, and so each line of one with several. more, unless nil, masks
// others.
func NewSecrets(config json.RawMessage, more func(string) string) *Secrets {
	s := &Secrets{texts: map[string]bool{}, more: more}
	var value any
	if json.Unmarshal(config, &value) == nil {
		s.collect(value)
	}
	var spelt []string
	for text := range s.texts {
		escaped, _ := json.Marshal(text)
		spelt = append(spelt, text, strings.Trim(string(escaped), `"`), url.QueryEscape(text), url.PathEscape(text))
		own := identity.AppendJSONString(nil, text)
		spelt = append(spelt, string(own[1:len(own)-1]))
	}
	// The replacer takes the first that fits, which has to be the longest.
	slices.SortFunc(spelt, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	spelt = slices.Compact(spelt)
	pairs := make([]string, 0, 2*len(spelt))
	for _, text := range spelt {
		s.longest = max(s.longest, len(text))
		pairs = append(pairs, text, concealed)
	}
	s.replacer = strings.NewReplacer(pairs...)
	return s
}

func (s *Secrets) collect(value any) {
	switch v := value.(type) {
	case string:
		for _, text := range append(strings.Split(v, "\n"), v) {
			if text = strings.TrimSpace(text); utf8.RuneCountInString(text) > 3 {
				s.texts[text] = true
			}
		}
	case []any:
		for _, e := range v {
			s.collect(e)
		}
	case map[string]any:
		for _, e := range v {
			s.collect(e)
		}
	}
}

// hideCut masks the beginnings of secrets at which a text was cut, as [Quote] does.
func (s *Secrets) hideCut(text string) string {
	const cut, least = "…", 4
	parts := strings.Split(text, cut)
	for i := range parts[:len(parts)-1] {
		hidden := 0
		for secret := range s.texts {
			for n := min(len(secret), len(parts[i])); n >= max(least, hidden+1); n-- {
				if strings.HasSuffix(parts[i], secret[:n]) {
					hidden = n
					break
				}
			}
		}
		if hidden > 0 {
			parts[i] = parts[i][:len(parts[i])-hidden] + concealed
		}
	}
	return strings.Join(parts, cut)
}

// Clean masks the secrets of a text, and escapes what a terminal would act upon.
func (s *Secrets) Clean(text string) string {
	text = s.hideCut(s.replacer.Replace(strings.ToValidUTF8(text, "\ufffd")))
	if s.more != nil {
		text = s.more(text)
	}
	if strings.IndexFunc(text, identity.Unprintable) < 0 {
		return text
	}
	var b []byte
	for _, r := range text {
		if r == '\t' {
			r = ' '
		}
		if !identity.Unprintable(r) {
			b = utf8.AppendRune(b, r)
			continue
		}
		escaped := identity.AppendJSONString(nil, string(r))
		b = append(b, escaped[1:len(escaped)-1]...)
	}
	return string(b)
}

// Excerpt is the beginning of what a connector wrote, as messages quote it.
func (s *Secrets) Excerpt(raw []byte) string {
	const most, enough = 80, 64 << 10
	if len(raw) > enough {
		// A secret that the end cuts would not be found.
		raw = raw[:max(enough-s.longest, 0)]
	}
	text := s.Clean(string(raw))
	n := 0
	for i := range text {
		if n++; n > most {
			text = text[:i] + "…"
			break
		}
	}
	return `"` + text + `"`
}

// environ is the environment of rollcall, without the variables from which the
// configuration has a value: secrets travel in "hello" alone.
func (s *Secrets) environ() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case "HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TMPDIR", "TZ", "USER":
			return false // of every process
		}
		return s.texts[value]
	})
}
