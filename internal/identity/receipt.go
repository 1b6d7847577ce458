package identity

import "time"

// Receipt is what a directory says about one read of it: where the entries
// came from and that none is missing. It stands in every plan.
type Receipt struct {
	// Name is the directory's label, Kind its kind in the configuration.
	Name, Kind string
	// Server names what answered: a URL, the files that were read, or what a connector
	// calls itself.
	Server string
	// Scanned counts the objects that were looked at, Entries those that a
	// scope took and that list a mail address.
	Scanned, Entries int
	// Identity says which copy of the data the server holds: the invocation
	// id of a domain controller (MS-ADTS section 3.1.1.1.9), or the contextCSN
	// of OpenLDAP, one value for each writer, separated by blanks; "" for none.
	Identity string
	// USNBefore and USNAfter are the highest committed update sequence numbers
	// of a domain controller when the read began and ended; Reread counts the
	// objects that changed between and were read again. 0 elsewhere.
	USNBefore int64 `json:"usn_before"`
	USNAfter  int64 `json:"usn_after"`
	Reread    int
	// Pages counts the pages of search results, Ranged the values that came in
	// ranges of an attribute.
	Pages, Ranged int
	// References are the continuation references, which are not followed:
	// LDAP URLs, sorted, each once.
	References []string
	// Notes are what a reader of the plan should know of the read; the plan has
	// them among its warnings.
	Notes []string `json:"-"`
	// Expiries are the ends of what the read rests on, as far as that is known. They are
	// not saved.
	Expiries []Expiry `json:"-"`
	// Delta says that what changed since a complete read was read alone; Since is when
	// that read was, in UTC.
	Delta bool
	Since time.Time `json:"since,omitzero"`
	// Full is the reason for which a read was complete that could have been a delta: a
	// clause.
	Full string
	// Mark says where to ask for what changes from now on; "" for none, where Full has
	// the reason if that was wanted. It is not saved.
	Mark string `json:"-"`
	// PassedOver counts the objects that a scope selects and that are no entries.
	PassedOver PassedOver `json:"passed_over"`
	// Seconds is how long the read took.
	Seconds float64
	// Complete is true when every search ended with result code 0 on its last
	// page, or every file was read to its end.
	Complete bool
}

// PassedOver counts objects that are no entries, by what they are.
type PassedOver struct {
	// Deleted objects are kept by a server for a while after their deletion.
	Deleted int
	// Conflict counts the losers of replication conflicts.
	Conflict int
	// System counts the mailboxes and accounts of servers and tools.
	System int
	// Ignored counts objects all of whose addresses are in ignored domains.
	Ignored int
}

// Expiry is a credential and when it ends.
type Expiry struct {
	// What and Name say which, in this order, and then In: the password of, a user, and
	// in which directory. Person says that the name is one.
	What, Name, In string
	Person         bool
	At             time.Time
	// Remedy says what to do.
	Remedy string
}

// Text says which credential it is.
func (e *Expiry) Text() string { return e.What + " " + e.Name + e.In }
