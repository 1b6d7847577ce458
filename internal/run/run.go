// Package run holds the nouns of runs: what the history of a state says of each
// apply, and of each edit of the state.
package run

import (
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Outcome is how a run ended.
type Outcome string

// The outcomes of runs.
const (
	Applied     Outcome = "applied"     // all changes but those that a limit withheld
	Incomplete  Outcome = "incomplete"  // the same, but some accounts failed
	Withheld    Outcome = "withheld"    // a limit withheld all changes
	Declined    Outcome = "declined"    // asked, the user said no
	Rejected    Outcome = "rejected"    // the plan was refused by a person
	Stale       Outcome = "stale"       // the saved plan did not fit any more
	Expired     Outcome = "expired"     // the saved plan was too old
	Failed      Outcome = "failed"      // ended by an error; nothing was changed
	Interrupted Outcome = "interrupted" // ended before it changed anything
	// Unfinished is a run that goes on, or that was killed and is not settled
	// yet; Damaged a record that cannot be read. Neither is written.
	Unfinished Outcome = "unfinished"
	Damaged    Outcome = "damaged"
)

// Changed reports whether a run of this outcome has written the state.
func (o Outcome) Changed() bool { return o == Applied || o == Incomplete }

// Head is what is known of a run before it ends. Times are in UTC.
type Head struct {
	// Number counts the runs of a history, from 1.
	Number  int       `json:"number"`
	Started time.Time `json:"started"`
	User    string    `json:"user"`
	Host    string    `json:"host"`
	// Automatic says that nobody sat at a terminal.
	Automatic bool   `json:"automatic"`
	Command   string `json:"command"`
	Tool      string `json:"tool"`
	// Console is the label of the console's block; "" where the console is the state
	// itself.
	Console string `json:"console,omitempty"`
	// Plan is the plan's id and Expires until when it may be applied; ""
	// and nil where the run ended without a plan.
	Plan         string     `json:"plan"`
	Expires      *time.Time `json:"expires"`
	ConfigDigest string     `json:"config_digest"`
	// Scopes are what was read, as far as it decides who is there.
	// They are empty for a run that reads no directory.
	Scopes []Scope `json:"scopes"`
	// Domains are the declared domains, sorted by name; empty as Scopes are.
	Domains []Domain `json:"domains"`
	// Unread are the declared directories that were not read.
	Unread []string `json:"unread"`
	// Undoes is the run that the plan takes back, or 0.
	Undoes int `json:"undoes"`
	// Only and Except are the selectors that the plan was made with.
	Only   []string `json:"only"`
	Except []string `json:"except"`
	// Lineage and Serial are those of the state before the run.
	Lineage string `json:"lineage"`
	Serial  int64  `json:"serial"`
	// Allowed, AllowedRemovals and AllowedPrimaryChanges are how many of each were
	// let pass for this run.
	Allowed               int `json:"allow_deactivations"`
	AllowedRemovals       int `json:"allow_removals"`
	AllowedPrimaryChanges int `json:"allow_primary_changes"`
	// Accounts counts the account changes of the plan.
	Accounts int `json:"accounts"`
	// Summary counts the plan's rows by category, and others by name.
	Summary map[string]int `json:"summary"`
}

// Reads reports whether the run is of a plan of the directories.
func (h *Head) Reads() bool { return len(h.Scopes) > 0 && h.Undoes == 0 }

// Scope is a scope of the configuration of a run.
type Scope struct {
	Name      string `json:"name"`
	Directory string `json:"directory"`
	BaseDN    string `json:"base_dn"`
	Filter    string `json:"filter"`
	Disabled  string `json:"disabled"`
}

// Domain is a declared domain of the configuration of a run.
type Domain struct {
	Name string `json:"name"`
	// Aliases are the domains that are rewritten to it.
	Aliases []string `json:"aliases"`
	// Kind is [OwnDomain], [PublicDomain] or [IgnoredDomain].
	Kind string `json:"kind"`
}

// The kinds of declared domains.
const (
	OwnDomain     = "own"     // its addresses are synchronized
	PublicDomain  = "public"  // its addresses are aliases at most
	IgnoredDomain = "ignored" // its addresses are skipped
)

// Failure is an account that the console refused to change.
type Failure struct {
	Account string `json:"account"`
	// Code is that of the error of the console, "" where it is not known.
	Code  string `json:"code,omitempty"`
	Error string `json:"error"`
}

// Result is what a run did.
type Result struct {
	// Applied counts the accounts that were changed, Withheld those from which a
	// limit kept back something; some are both.
	Applied  int       `json:"applied"`
	Withheld int       `json:"withheld"`
	Failures []Failure `json:"failures"`
}

// Run is a run as it is recorded.
type Run struct {
	Head
	Outcome Outcome `json:"outcome"`
	// Reason says why a run did not end well, or was rejected.
	Reason string     `json:"reason"`
	Ended  *time.Time `json:"ended"`
	// Seconds is how long the run took.
	Seconds float64 `json:"seconds"`
	// Settled says that the run was killed and a later one has found out its
	// outcome; Ended is then the time of that, and Seconds is 0.
	Settled bool `json:"settled"`
	Result
	// SerialAfter and LineageAfter are those of the state after the run. The
	// lineage is another one than before where the run began a state; it is ""
	// where the record does not say which.
	SerialAfter  int64  `json:"serial_after"`
	LineageAfter string `json:"lineage_after"`
	// StateAfter is the checksum of the state after a run that changed it, else "".
	StateAfter string `json:"-"`
}

// JSON returns the run as one JSON object, in which no list is null.
func (r *Run) JSON() ([]byte, error) {
	whole := *r
	whole.Scopes, whole.Domains, whole.Unread, whole.Only, whole.Except = list(r.Scopes), list(r.Domains), list(r.Unread), list(r.Only), list(r.Except)
	return identity.MarshalLine(&whole)
}

func list[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}
