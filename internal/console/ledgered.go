package console

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Ledgered is a console that can remember, for each owner, to which ledger the accounts
// with its marks belong, so that two ledgers with one owner find each other out. Whether
// it does so, the fact [plan.Facts.Ledger] says.
type Ledgered interface {
	// Ledger returns the lineage of the state to which the accounts of the owner
	// belong, 32 hexadecimal digits in small letters; "" for none yet. Where each
	// account says it, there may be several, with blanks between. What somebody has
	// written there by hand may be any text.
	Ledger(ctx context.Context) (lineage string, err error)
	// Claim writes that they belong to the state of a lineage, if it is was that is
	// there still, or the lineage already. A lineage of "" takes out what is there. A console
	// without any account may write it with the first one.
	// If another one is there, the error is a [*ClaimedError]; if the console does not let
	// the login write it, a [*UnclaimedError]. After any other error it may be written or
	// not, and whoever asks finds out.
	Claim(ctx context.Context, lineage, was string) error
}

// ClaimedError is a claim of accounts that belong to another ledger than was said.
type ClaimedError struct {
	Lineage string // of the state to which they belong; "" for none any more
}

func (e *ClaimedError) Error() string {
	if e.Lineage == "" {
		return "the accounts no longer belong to the state that was seen"
	}
	return "the accounts belong to another state by now"
}

// UnclaimedError is a claim that the console refuses.
type UnclaimedError struct {
	Console string // the label of its block
	Err     error
	Advice  string
}

func (e *UnclaimedError) Error() string {
	return fmt.Sprintf("console %q: it cannot be written to which state the accounts belong: %v", e.Console, e.Err)
}

func (e *UnclaimedError) Unwrap() error { return e.Err }

// Hint says what to do next.
func (e *UnclaimedError) Hint() string { return e.Advice }

// IsLineage reports whether a text is the lineage of a state: 32 hexadecimal digits in
// small letters.
func IsLineage(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}

// LedgeredOf returns a console as one that remembers ledgers; nil if it does not.
func LedgeredOf(t Target) Ledgered {
	if l, can := t.(Ledgered); can && t.Facts().Ledger {
		return l
	}
	return nil
}

// Claimed decides about a claim by what is there: it is made already, it may be written,
// or it is refused.
func Claimed(now, lineage, was string) (made bool, err error) {
	switch now {
	case lineage:
		return true, nil
	case was:
		return false, nil
	}
	return false, &ClaimedError{now}
}

// AsClaimed returns the [*ClaimedError] of an error, or nil.
func AsClaimed(err error) *ClaimedError {
	var e *ClaimedError
	if errors.As(err, &e) {
		return e
	}
	return nil
}
