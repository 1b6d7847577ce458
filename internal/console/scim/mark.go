package scim

import (
	"strconv"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
)

// A mark is an externalId of the form OWNER:DIRECTORY/GUID. What parts it is written
// as %3A and %2F within names, and the percent sign as %25.
var (
	escapes   = strings.NewReplacer("%", "%25", ":", "%3A", "/", "%2F")
	unescapes = strings.NewReplacer("%25", "%", "%3A", ":", "%2F", "/")
)

// markText returns a mark as an externalId, "" for none.
func markText(m identity.Mark) string {
	if m.IsZero() {
		return ""
	}
	return escapes.Replace(m.By) + ":" + escapes.Replace(m.Directory) + "/" + m.GUID.String()
}

// markOf reads an externalId. One of another form is that of somebody else who
// provisions the account: its text, in quotes, stands for the owner.
func markOf(externalID string) identity.Mark {
	if externalID == "" {
		return identity.Mark{}
	}
	by, rest, colon := strings.Cut(externalID, ":")
	directory, guid, slash := strings.Cut(rest, "/")
	if colon && slash && by != "" && directory != "" {
		m := identity.Mark{By: unescapes.Replace(by), Directory: unescapes.Replace(directory)}
		if guid != "" {
			m.GUID, _ = identity.ParseGUID(guid) // what is none is found below
		}
		if markText(m) == externalID {
			return m
		}
	}
	return identity.Mark{By: strconv.Quote(externalID)}
}
