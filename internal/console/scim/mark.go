package scim

import (
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// A mark is an externalId of the form OWNER:DIRECTORY/GUID, or OWNER:DIRECTORY/GUID/LINEAGE
// with the lineage of the state to which the account belongs. What parts it is written as
// %3A and %2F within names, and the percent sign as %25.
var (
	escapes   = strings.NewReplacer("%", "%25", ":", "%3A", "/", "%2F")
	unescapes = strings.NewReplacer("%25", "%", "%3A", ":", "%2F", "/")
)

// externalID returns a mark as an externalId, "" for none. A lineage of "" is none.
func externalID(m identity.Mark, lineage string) string {
	if m.IsZero() {
		return ""
	}
	text := escapes.Replace(m.By) + ":" + escapes.Replace(m.Directory) + "/" + m.GUID.String()
	if lineage != "" {
		text += "/" + lineage
	}
	return text
}

// markOf reads an externalId. One of another form is that of somebody else who
// provisions the account: its text, in quotes, stands for the owner.
func markOf(text string) (m identity.Mark, lineage string) {
	if text == "" {
		return identity.Mark{}, ""
	}
	by, rest, colon := strings.Cut(text, ":")
	directory, rest, slash := strings.Cut(rest, "/")
	guid, lineage, more := strings.Cut(rest, "/")
	if colon && slash && by != "" && directory != "" && more == console.IsLineage(lineage) {
		m := identity.Mark{By: unescapes.Replace(by), Directory: unescapes.Replace(directory)}
		if guid != "" {
			m.GUID, _ = identity.ParseGUID(guid) // what is none is found below
		}
		if externalID(m, lineage) == text {
			return m, lineage
		}
	}
	return identity.Mark{By: strconv.Quote(text)}, ""
}
