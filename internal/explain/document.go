// Package explain makes a document of an explanation: what package plan says of
// a subject, what a search of the directories found beside it, and what to do,
// as commands that an admin runs.
//
// The document is text throughout, so that renderers only lay it out; its JSON
// form is described in docs/reference/explain.md.
package explain

import (
	"fmt"
	"time"
)

// Document is an explanation.
type Document struct {
	FormatVersion string    `json:"format_version"`
	Version       string    `json:"rollcall_version"`
	Created       time.Time `json:"created"`
	Subject       Subject   `json:"subject"`
	// Answer says in a sentence or two what becomes of the subject, and why.
	Answer    string    `json:"answer"`
	Warnings  []string  `json:"warnings"`
	Addresses []Address `json:"addresses"`
	// History are runs that gave an address to an account or took it away, the newest
	// first.
	History []Past `json:"history"`
	// Disabled are the entries that are disabled and keep their addresses all the same.
	Disabled   []Disabled  `json:"disabled"`
	Outside    []Object    `json:"outside"`
	Entries    []Entry     `json:"entries"`
	Accounts   []Account   `json:"accounts"`
	Drift      []Drift     `json:"drift"`
	Steps      []Step      `json:"steps"`
	Changes    []Row       `json:"changes"`
	Rejections []Rejection `json:"rejections"`
	Actions    []Action    `json:"actions"`
	// MoreActions counts those that are not worked out.
	MoreActions int `json:"more_actions"`
}

// Subject is what is explained.
type Subject struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// Past is what a run did to an address.
type Past struct {
	Address string    `json:"address"`
	Run     int       `json:"run"`
	Started time.Time `json:"started"`
	Command string    `json:"command"`
	// Before and After say what the address was and became, "" for nobody's; Before is
	// [WasInactive] where its account became active by the run.
	Before string `json:"before"`
	After  string `json:"after"`
	// Removed is set if somebody has removed it in the console by hand since.
	Removed bool `json:"removed_by_hand"`
}

// WasInactive is what an address was whose account became active.
const WasInactive = "inactive"

// Message says where the address is or was, and [Past.When].
func (p *Past) Message() string {
	switch {
	case p.After == "":
		return p.Before + " " + p.When()
	case p.Removed, p.Before == WasInactive:
		return p.When()
	}
	return "in this account " + p.When()
}

// When says since when the address is where the run put it, or until when it was where
// it was.
func (p *Past) When() string {
	at := fmt.Sprintf("run %d (%s)", p.Run, p.Started.UTC().Format(time.DateOnly))
	switch {
	case p.After == "":
		return "until " + at
	case p.Removed:
		return "given by " + at + ", removed from the console by hand since"
	case p.Before == "":
		return "since " + at
	case p.Before == WasInactive:
		return "active again since " + at
	}
	return "since " + at + ", before that " + p.Before
}

// Disabled is an entry that is disabled and keeps its addresses.
type Disabled struct {
	Directory string `json:"directory"`
	DN        string `json:"dn"`
	Message   string `json:"message"`
}

// Address says where an address is.
type Address struct {
	Address    string    `json:"address"`
	Fate       string    `json:"fate"`
	Domain     Domain    `json:"domain"`
	Before     *Holding  `json:"before"`
	After      *Holding  `json:"after"`
	Withheld   bool      `json:"withheld"`
	Guards     []Guard   `json:"guards"`
	Listed     []Listing `json:"listed"`
	Rejections int       `json:"rejections"`
}

// Domain is what the configuration says of an address's domain.
type Domain struct {
	Name     string   `json:"name"`
	Alias    string   `json:"alias"`
	Declared bool     `json:"declared"`
	Public   bool     `json:"public"`
	Ignored  bool     `json:"ignored"`
	Scopes   []string `json:"scopes"`
	// AliasFor are the domains of the primaries that a public domain goes with.
	AliasFor []string `json:"alias_for"`
}

// Holding is an account's having an address.
type Holding struct {
	Primary   string `json:"primary"`
	Role      string `json:"role"` // "primary" or "alias"
	Status    string `json:"status"`
	Type      string `json:"type"`
	Directory string `json:"directory"`
}

// Guard is a protected or legal_hold block that lists an address.
type Guard struct {
	Kind   string `json:"kind"`
	Label  string `json:"label"`
	Reason string `json:"reason"`
	Until  string `json:"until"` // a date, or ""
	Over   bool   `json:"over"`
}

// Listing is a value by which an entry lists an address.
type Listing struct {
	Directory string `json:"directory"`
	Scope     string `json:"scope"`
	Name      string `json:"name"` // the display name
	DN        string `json:"dn"`
	GUID      string `json:"guid"`
	// Role is "declared", "candidate" or "alias".
	Role string `json:"role"`
	// Value is without prefix. Values are as the directory has them, where they
	// were looked up.
	Value  string  `json:"value"`
	Values []Value `json:"values"`
}

// Value is a value of an attribute.
type Value struct {
	Attribute string `json:"attribute"`
	Value     string `json:"value"`
}

// Object is one of a directory that names the subject and is no entry that the
// plan knows.
type Object struct {
	Directory string    `json:"directory"`
	Name      string    `json:"name"`
	DN        string    `json:"dn"`
	GUID      string    `json:"guid"`
	Values    []Value   `json:"values"`
	Verdicts  []Verdict `json:"scopes"`
	left      bool      // an account without an entry is of it
}

// Nearest returns the verdict of the scope that is nearest to taking the object, nil
// for none.
func (o *Object) Nearest() (least *Verdict) {
	for n := range o.Verdicts {
		if v := &o.Verdicts[n]; least == nil || v.taken && !least.taken || v.taken == least.taken && len(v.Obstacles) < len(least.Obstacles) {
			least = v
		}
	}
	return least
}

// Verdict is why a scope does not make an entry of an object.
type Verdict struct {
	Scope     string     `json:"scope"`
	Obstacles []Obstacle `json:"obstacles"`
	taken     bool       // it makes an entry of it
}

// Obstacle is what is between an object and a scope, and what to do about it.
type Obstacle struct {
	Code   string `json:"code"`
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
}

// Entry is one that concerns the subject.
type Entry struct {
	Directory string `json:"directory"`
	Scope     string `json:"scope"`
	Name      string `json:"name"`
	DN        string `json:"dn"`
	GUID      string `json:"guid"`
	Username  string `json:"username"`
	Type      string `json:"type"`
	// Account is the primary of its account, Primary what
	// it takes for its own.
	Account string `json:"account"`
	Primary string `json:"primary"`
	// Rejected is the reason of an entry none of whose addresses is granted.
	Rejected string `json:"rejected"`
	Stuck    bool   `json:"stuck"`
	Merged   bool   `json:"merged"`
}

// Account is one that concerns the subject.
type Account struct {
	Primary    string   `json:"primary"`
	NewPrimary string   `json:"new_primary"`
	Aliases    []string `json:"aliases"` // before
	Type       string   `json:"type"`
	Status     string   `json:"status"`
	NewStatus  string   `json:"new_status"` // "" for a record that goes
	Directory  string   `json:"directory"`
	// NewDirectory is that after, "" for none.
	NewDirectory string `json:"new_directory"`
	GUID         string `json:"guid"`
	Username     string `json:"username"`
	DN           string `json:"dn"`
	// Standing is whose it is: "bound", "local", "unread", "orphan" or
	// "foreign".
	Standing string `json:"standing"`
	// Owner is the configuration that a foreign one belongs to.
	Owner string `json:"owner"`
	// New is set for one that the console does not have yet.
	New      bool   `json:"new"`
	Frozen   bool   `json:"frozen"`
	Withheld bool   `json:"withheld"`
	Hold     string `json:"hold"`
	// Remedy says what to do in the console so that it is not left as it is.
	Remedy string `json:"remedy"`
}

// Drift is what somebody changed in the console by hand.
type Drift struct {
	Kind     string `json:"kind"`
	Primary  string `json:"primary"`
	Ref      string `json:"ref"`
	Field    string `json:"field"`
	Recorded string `json:"recorded"`
	Found    string `json:"found"`
	Message  string `json:"message"`
}

// Step is what a rule has said.
type Step struct {
	Rule      string `json:"rule"`
	Meaning   string `json:"meaning"`
	Outcome   string `json:"outcome"`
	Message   string `json:"message"`
	Address   string `json:"address"`
	Reason    string `json:"reason"`
	DN        string `json:"dn"`
	Directory string `json:"directory"`
	Account   string `json:"account"`
}

// Row is a row of the change set.
type Row struct {
	Category  string `json:"category"`
	Address   string `json:"address"`
	Type      string `json:"type"`
	Directory string `json:"directory"`
	Attribute string `json:"attribute"`
	From      string `json:"from"`
	To        string `json:"to"`
	Withheld  bool   `json:"withheld"`
}

// Rejection is a rejection of the plan.
type Rejection struct {
	Reason    string `json:"reason"`
	Message   string `json:"message"`
	Remedy    string `json:"remedy"`
	Address   string `json:"address"`
	Primary   string `json:"primary"`
	Name      string `json:"name"`
	DN        string `json:"dn"`
	GUID      string `json:"guid"`
	Directory string `json:"directory"`
	Scope     string `json:"scope"`
	New       bool   `json:"new"`
	Since     string `json:"since"`
}

// Action is one thing to do.
type Action struct {
	Kind    string `json:"kind"`
	Reason  string `json:"reason"` // the rejection that it ends, or ""
	Address string `json:"address"`
	Text    string `json:"text"`
	// Effect says what the plan would be then, and Loses that an address stops
	// receiving mail by it.
	Effect string `json:"effect"`
	Loses  bool   `json:"loses"`
	// What to run: a command of rollcall, or a change of the directory in two
	// spellings. "" for none.
	Command    string `json:"command"`
	PowerShell string `json:"powershell"`
	LDIF       string `json:"ldif"`
}
