package run

import "time"

// Beat is what the runs of a configuration have come to, as monitoring sees it.
type Beat struct {
	// Read is when all directories were last read completely, Applied when a run last
	// did what it may, also where it withheld something or found new rejections; both
	// are zero for never.
	Read    time.Time `json:"read"`
	Applied time.Time `json:"applied"`
	// Started, Ended and Exit, the exit code, are those of the last run.
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Exit    int       `json:"exit"`
	// Figures are those of the last plan.
	Figures Figures `json:"figures"`
}

// Figures are counts of a plan.
type Figures struct {
	// Accounts are the active accounts before it, Entries the entries that were read,
	// both by directory.
	Accounts map[string]int `json:"accounts"`
	Entries  map[string]int `json:"entries"`
	// Rejections has each reason.
	Rejections map[string]int `json:"rejections"`
	// New rejections are those that the run before did not have; Overdue of them
	// belong to entries that have waited too long for another directory.
	New     int `json:"new"`
	Overdue int `json:"overdue"`
	// Withheld accounts are those from which a brake keeps a loss, Drift the
	// differences that were made in the console by hand.
	Withheld int `json:"withheld"`
	Drift    int `json:"drift"`
	// Risk is the level, from 0 for none to 3 for high.
	Risk int `json:"risk"`
}
