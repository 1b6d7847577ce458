package settings

import (
	"fmt"
	"io"
)

// Secret is a text that does not print. Every verb of fmt, JSON and text
// encoding show "(secret)" in its place. The zero Secret holds "".
type Secret struct{ text *string }

// Concealed stands in the place of a secret.
const Concealed = "(secret)"

// NewSecret returns a text as a secret.
func NewSecret(text string) Secret { return Secret{&text} }

// Reveal returns the text, for the one place that hands it to a server.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// String returns "(secret)".
func (s Secret) String() string { return Concealed }

// GoString returns "(secret)".
func (s Secret) GoString() string { return Concealed }

// Format writes "(secret)" whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Concealed) }

// MarshalText returns "(secret)".
func (s Secret) MarshalText() ([]byte, error) { return []byte(Concealed), nil }

// MarshalJSON returns "(secret)" as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Concealed + `"`), nil }
