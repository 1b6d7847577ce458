package identity

import "time"

// Mark is what an account of a console says of its owner, where the console can
// store it. The zero Mark is none.
type Mark struct {
	// By is the owner that the configuration names in its console block.
	By string
	// Directory and GUID are those of the entry.
	Directory string
	GUID      GUID
}

// IsZero reports whether there is no mark.
func (m Mark) IsZero() bool { return m == Mark{} }

// String returns a mark as people read it, as in hq:corp/8c4a…; "" for none.
func (m Mark) String() string {
	if m.IsZero() {
		return ""
	}
	return m.By + ":" + m.Directory + "/" + m.GUID.String()
}

// Live is an account as a console has it.
type Live struct {
	// Account is what the console says of it. Whose it is stands in Mark, so that
	// its directory and its GUID are empty. A console may have an account without
	// a primary.
	Account
	Mark Mark
	// Ref is the console's own key of the account, Rev any text that changes with
	// it; "" where the console has none.
	Ref, Rev string
	// Odd says what of the account cannot be understood, as a malformed address;
	// "" for nothing. Such an account is left as it is.
	Odd string
}

// Placed is what the ledger knows of an account in a console, beside the account
// as it was asked for.
type Placed struct {
	// Ref is the console's own key; "" for an account that the console does not
	// have, or where it has no keys.
	Ref string
	// Applied is when the account was applied last, as [Moment] has it.
	Applied time.Time
	// Found is the account as it was read back, without an owner; nil if it is as
	// it was asked for, or was not read.
	Found *Account
	// Undecided says that nobody knows whether the console has made the account: a
	// run ended before its answer came, and an account that does not say whose it
	// is holds an address of it.
	Undecided bool
}

// Moment returns a time as records have it: in UTC, to the second, and not before t,
// so that what takes a while from t on is not thought to be over too early.
func Moment(t time.Time) time.Time {
	return t.UTC().Add(time.Second - 1).Truncate(time.Second)
}
