package state

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"maps"
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// The rejections that stand are remembered in the folder of the history, one on
// a line and sorted by key:
//
//	{"key":"\"corp\" \"8c4ac332-…\" …","since":"2026-11-21T08:00:00Z"}
//
// What the keys are made of is the caller's business.

// rejection is a line of the file.
type rejection struct {
	Key   string `json:"key"`
	Since string `json:"since"`
}

// rejections is their name in the history.
const rejections = "rejections"

// Rejections returns the keys of the rejections that stand, and since when, in
// UTC. It is nil where none were ever saved. A file that cannot be read is an
// error, and one that is damaged an [Error].
func (s *Store) Rejections(ctx context.Context) (map[string]time.Time, error) {
	f, err := s.backend.History().Open(ctx, rejections)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all, err := readRejections(f)
	var damage *Error
	if errors.As(err, &damage) {
		damage.Path, damage.Advice = f.Name(), "the next apply writes it anew"
	}
	return all, err
}

// readRejections reads a file whole; an [Error] has no path.
func readRejections(r io.Reader) (map[string]time.Time, error) {
	in := lineReader{r: bufio.NewReader(r), sum: sha256.New()}
	all := map[string]time.Time{}
	for last := ""; ; {
		line, err := in.next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return nil, err
		}
		if err != nil {
			return nil, in.fail("the line is cut short")
		}
		var one rejection
		if err := strict(line, &one); err != nil {
			return nil, in.fail("no rejection: " + err.Error())
		}
		since, err := parseTime(one.Since)
		if err != nil {
			return nil, in.fail(err.Error())
		}
		if one.Key <= last {
			return nil, in.fail("the lines are not in order")
		}
		last = one.Key
		all[one.Key] = since
	}
}

// SaveRejections replaces what Rejections returns. The caller holds the lock.
func (s *Store) SaveRejections(ctx context.Context, all map[string]time.Time) error {
	return s.backend.History().Replace(ctx, rejections, func(w io.Writer) error { return writeRejections(w, all) })
}

func writeRejections(w io.Writer, all map[string]time.Time) error {
	out := bufio.NewWriter(w)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		line, err := identity.MarshalLine(rejection{key, all[key].UTC().Format(utc)})
		if err != nil {
			return err
		}
		out.Write(append(line, '\n'))
	}
	return out.Flush()
}
