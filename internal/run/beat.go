package run

import (
	"maps"
	"time"
)

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

// Figures are counts of plans, by directory: each as the last plan has them that read
// it.
type Figures struct {
	// Accounts are the active accounts before the plan, Entries the entries that were
	// read.
	Accounts map[string]int `json:"accounts"`
	Entries  map[string]int `json:"entries"`
	// Rejections has each reason.
	Rejections map[string]map[string]int `json:"rejections"`
	// Overdue rejections belong to entries that have waited too long for another
	// directory. Withheld accounts are those from which a brake keeps a loss.
	Overdue  map[string]int `json:"overdue"`
	Withheld map[string]int `json:"withheld"`
	// New are the rejections of the last plan that the run before did not have, Drift
	// the differences that were made in the console by hand, and Risk is the level, from
	// 0 for none to 3 for high.
	New   int `json:"new"`
	Drift int `json:"drift"`
	Risk  int `json:"risk"`
}

// Of returns the figures of these directories, with nothing that is not of one.
func (f *Figures) Of(directories []string) Figures {
	kept := Figures{Rejections: map[string]map[string]int{}}
	for _, part := range []struct {
		to   *map[string]int
		from map[string]int
	}{{&kept.Accounts, f.Accounts}, {&kept.Entries, f.Entries}, {&kept.Overdue, f.Overdue}, {&kept.Withheld, f.Withheld}} {
		*part.to = map[string]int{}
		for _, name := range directories {
			if n, known := part.from[name]; known {
				(*part.to)[name] = n
			}
		}
	}
	for _, name := range directories {
		if reasons, known := f.Rejections[name]; known {
			kept.Rejections[name] = maps.Clone(reasons)
		}
	}
	return kept
}
