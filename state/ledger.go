package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Where the console is another one than the state, the state is a ledger: of an
// account that the console has been given, the line is
//
//	{"account":{…},"ref":"u-17","applied":"2026-11-29T18:00:00Z","found":null}
//
// with the account as it stands alone elsewhere, and as it was read back.

// placedPrefix is what such a line begins with.
var placedPrefix = []byte(`{"account":`)

// placed is the line without the account.
type placed struct {
	Ref     string          `json:"ref"`
	Applied *string         `json:"applied"`
	Found   json.RawMessage `json:"found"`
	// Undecided is left out where it is false.
	Undecided bool `json:"undecided"`
}

func appendPlaced(b []byte, a *identity.Account, p *identity.Placed) []byte {
	b = a.AppendJSON(append(b, placedPrefix...))
	b = identity.AppendJSONString(append(b, `,"ref":`...), p.Ref)
	b = append(b, `,"applied":`...)
	if p.Applied.IsZero() {
		b = append(b, "null"...)
	} else {
		b = append(p.Applied.UTC().AppendFormat(append(b, '"'), utc), '"')
	}
	b = identity.AppendOptional(append(b, `,"found":`...), p.Found)
	if p.Undecided {
		b = append(b, `,"undecided":true`...)
	}
	return append(b, '}')
}

// parseAccount reads the line of an account; placed is nil where it stands alone.
func parseAccount(dec *identity.Decoder, line []byte) (a identity.Account, p *identity.Placed, err error) {
	if !bytes.HasPrefix(line, placedPrefix) {
		a, err = dec.Account(line)
		return a, nil, err
	}
	var whole struct {
		Account json.RawMessage `json:"account"`
		placed
	}
	// A quote inside a text is escaped, so that this is the end of the account.
	if end := bytes.Index(line, []byte(`}},"ref":`)); end >= 0 {
		whole.Account = line[len(placedPrefix) : end+2]
		if p := canonicalPlaced(line[end+2:]); p != nil {
			a, err = dec.Account(whole.Account)
			return a, p, err
		}
		rest := append([]byte("{"), line[end+3:]...)
		err = strict(rest, &whole.placed)
	} else {
		err = strict(line, &whole)
	}
	if err != nil {
		return a, nil, err
	}
	if a, err = dec.Account(whole.Account); err != nil {
		return a, nil, err
	}
	p = &identity.Placed{Ref: whole.Ref, Undecided: whole.Undecided}
	if whole.Applied != nil {
		if p.Applied, err = parseTime(*whole.Applied); err != nil {
			return a, nil, err
		}
	}
	if p.Found, err = dec.OptionalFound(whole.Found); err != nil {
		return a, nil, fmt.Errorf("as it was found: %w", err)
	}
	return a, p, nil
}

// canonicalPlaced reads what follows the account of one that is as it was asked for,
// in the very layout of appendPlaced and without escapes. Anything else is nil and
// left to the general reader.
func canonicalPlaced(b []byte) *identity.Placed {
	text, is := bytes.CutPrefix(b, []byte(`,"ref":"`))
	ref, text, goes := bytes.Cut(text, []byte(`","applied":"`))
	applied, ends := bytes.CutSuffix(text, []byte(`","found":null}`))
	if !is || !goes || !ends || !utf8.Valid(ref) || bytes.ContainsFunc(ref, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		return nil
	}
	at, err := parseTime(string(applied))
	if err != nil {
		return nil
	}
	return &identity.Placed{Ref: string(ref), Applied: at}
}
