package wire

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/connector"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// Saved describes a console whose accounts are in a file.
type Saved struct {
	// Name is the label of the console's block and Kind its kind, Product and
	// Version what it calls itself.
	Name, Kind, Product, Version string
	Facts                        plan.Facts
}

const (
	savedFormat  = "rollcall-console-accounts"
	savedVersion = 1
)

type savedHeader struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	Console string          `json:"console"`
	Kind    string          `json:"kind"`
	Product string          `json:"product"`
	Release string          `json:"product_version"`
	Facts   json.RawMessage `json:"facts"`
	// The facts of a kind, which the protocol does not have.
	Publishes bool `json:"publishes,omitempty"`
	Exclusive bool `json:"exclusive,omitempty"`
	Embedded  bool `json:"embedded,omitempty"`
}

// WriteAccounts writes the accounts of a console in the order of their primaries
// and refs: a header, a line {"account":{…}} for each, and a last line with their
// count. What is odd about an account stands beside it as "odd".
func WriteAccounts(w io.Writer, from *Saved, accounts []identity.Live) error {
	f := &from.Facts
	header, err := json.Marshal(savedHeader{
		Format: savedFormat, Version: savedVersion, Console: from.Name, Kind: from.Kind, Product: from.Product, Release: from.Version,
		Facts: f.AppendJSON(nil), Publishes: f.Publishes, Exclusive: f.Exclusive, Embedded: f.Embedded,
	})
	if err != nil {
		return err
	}
	order := make([]*identity.Live, len(accounts))
	for i := range accounts {
		order[i] = &accounts[i]
	}
	slices.SortStableFunc(order, func(a, b *identity.Live) int {
		if c := a.Primary.Compare(b.Primary); c != 0 {
			return c
		}
		return strings.Compare(a.Ref, b.Ref)
	})
	out := bufio.NewWriterSize(w, 64<<10)
	out.Write(append(header, '\n'))
	var b []byte
	for _, a := range order {
		b = AppendAccount(append(b[:0], `{"account":`...), a, f)
		b = appendText(b, "odd", a.Odd)
		out.Write(append(b, '}', '\n'))
	}
	fmt.Fprintf(out, `{"accounts":%d,"complete":true}`+"\n", len(accounts))
	return out.Flush()
}

// ReadAccounts reads what [WriteAccounts] wrote and gives yield each account,
// whose error ends it. A file that is not whole is an error, after the accounts
// that it has were given.
func ReadAccounts(r io.Reader, yield func(identity.Live) error) (*Saved, error) {
	lines := connector.NewLines(r)
	first, err := lines.Next()
	if err == io.EOF {
		return nil, errors.New("the file is empty")
	}
	var h savedHeader
	if err != nil || json.Unmarshal(first, &h) != nil || h.Format != savedFormat {
		return nil, errors.New("the first line is no header of saved accounts")
	}
	if h.Version != savedVersion {
		return nil, fmt.Errorf("the file has version %d, and this program reads version %d", h.Version, savedVersion)
	}
	from := &Saved{Name: h.Console, Kind: h.Kind, Product: h.Product, Version: h.Release}
	if from.Facts, err = plan.ParseFacts(h.Facts); err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	from.Facts.Publishes, from.Facts.Exclusive, from.Facts.Embedded = h.Publishes, h.Exclusive, h.Embedded
	var d Decoder
	for n := 0; ; n++ {
		at := func(err error) error { return fmt.Errorf("line %d: %w", n+2, err) }
		text, err := lines.Next()
		if err == io.EOF {
			return nil, errors.New("the last line is missing: the file was cut short")
		}
		if err != nil {
			return nil, at(err)
		}
		a, end, err := d.saved(text)
		switch {
		case err != nil:
			return nil, at(err)
		case a != nil:
			if err := yield(*a); err != nil {
				return nil, err
			}
			continue
		case end != n:
			return nil, fmt.Errorf("the last line counts %d accounts, and the file has %d", end, n)
		}
		if _, err := lines.Next(); err != io.EOF {
			return nil, errors.New("something follows the last line")
		}
		return from, nil
	}
}

// saved reads a line of a file: an account, or the count of them.
func (d *Decoder) saved(text []byte) (*identity.Live, int, error) {
	if err := connector.CheckUTF8(text); err != nil {
		return nil, 0, err
	}
	s := connector.Scanner{Rest: text}
	if s.Is('{') && s.Key("account") && d.plain(&s, &d.live) && s.Is('}') && len(s.Rest) == 0 {
		return &d.live, 0, nil
	}
	l, _, err := d.object(text)
	switch {
	case err != nil:
		return nil, 0, err
	case l.Account != nil:
		var beside struct{ Odd string }
		if json.Unmarshal(text, &beside) == nil && beside.Odd != "" {
			l.Account.Odd = beside.Odd
		}
		return l.Account, 0, nil
	case l.Accounts != nil && l.Complete:
		return nil, int(*l.Accounts), nil
	}
	return nil, 0, errors.New("it is neither an account nor the count of them: " + strconv.Quote(string(text[:min(len(text), 80)])))
}
