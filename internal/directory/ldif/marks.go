package ldif

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// The comments of a snapshot begin with markPrefix and one of the names.
const (
	markPrefix     = "# rollcall-"
	scopesMark     = "scopes: "
	attributesMark = "attributes: "
	scopeMark      = "scope: "
	objectsMark    = "objects: "
)

// marks is what the comments of a snapshot have said so far. Those of a file
// without the first of them say nothing.
type marks struct {
	// wanted is the digest of the scopes that are read.
	wanted string
	// snapshot is set once the first mark was seen, recorded if it is for the
	// scopes that are read.
	snapshot, recorded bool
	attributes         []string
	// scope took the objects that follow, counted from 1; 0 for none.
	scope int
	// count is how many objects were seen, objects how many there are to be,
	// or -1 before the last mark.
	count, objects int
}

// take reads a mark without its prefix.
func (m *marks) take(text string) (err error) {
	if digest, ok := strings.CutPrefix(text, scopesMark); ok {
		if m.snapshot || m.count > 0 {
			return errors.New("a snapshot begins here, after other objects; keep it in a file of its own")
		}
		m.snapshot, m.recorded, m.objects = true, digest == m.wanted, -1
		return nil
	}
	if !m.snapshot {
		return nil
	}
	if names, ok := strings.CutPrefix(text, attributesMark); ok {
		for _, name := range strings.Fields(names) {
			m.attributes = append(m.attributes, identity.AttributeName(name))
		}
	} else if number, ok := strings.CutPrefix(text, scopeMark); ok {
		m.scope, err = strconv.Atoi(number)
	} else if number, ok := strings.CutPrefix(text, objectsMark); ok {
		m.objects, err = strconv.Atoi(number)
	}
	if err != nil {
		return errors.New("the snapshot is damaged: there is no number in this comment; make it again")
	}
	return nil
}

// missing returns an attribute that the snapshot was made without, or "".
func (m *marks) missing(attributes []string) string {
	if m.snapshot {
		for _, name := range attributes {
			if !slices.Contains(m.attributes, name) {
				return name
			}
		}
	}
	return ""
}

// whole checks at the end of the file that it holds all of the snapshot.
func (m *marks) whole() error {
	switch {
	case !m.snapshot || m.objects == m.count:
		return nil
	case m.objects < 0:
		return errors.New("the snapshot is cut short: its last line, the number of objects, is missing; make it again")
	}
	return fmt.Errorf("the snapshot says that its objects are %d, and in the file are %d; make it again, or, if it was edited, remove its comments %q", m.objects, m.count, markPrefix+"...")
}
