package partial

import (
	"io"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/blockfile"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/followed"
)

// Base is an earlier plan of all, and of what it was made. It is kept beside the state.
type Base struct {
	Made followed.Made `json:"made"`
	// Entries is the ID of the file of entries, Serial and Sum are those of the state.
	Entries string `json:"entries"`
	Serial  int64  `json:"serial"`
	Sum     string `json:"sum"`
	// Run is the number of the last run in the history.
	Run int `json:"run"`
	// At is when the plan was made.
	At    time.Time       `json:"at"`
	Tally directory.Tally `json:"tally"`
	// Large says that the plan speaks of too much for a part.
	Large bool `json:"large"`
	Earlier
}

const (
	format  = "rollcall-plan-base"
	version = 1
)

// BaseName returns the name of the file of a base for that of a state.
func BaseName(state string) string { return strings.TrimSuffix(state, ".jsonl") + ".base" }

// Open reads a base.
func Open(path string) (*Base, error) {
	o, err := atomicfile.Open(atomicfile.Resolve(path))
	if err != nil {
		return nil, err
	}
	defer o.Close()
	b := &Base{}
	_, err = blockfile.Open(o, format, version, b)
	return b, err
}

// Save puts a base in the place of what is there.
func (b *Base) Save(path string) error {
	return atomicfile.WriteCopy(path, func(w io.Writer) error { return blockfile.NewWriter(w, 0).End(format, version, b) })
}
