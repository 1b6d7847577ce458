package scim

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/number"
)

// survey says who reads a block that was begun what the service says of itself, who
// is there, and which attributes it stores.
func survey(ctx context.Context, o console.Opening, _ func(string) bool) (found console.Survey, err error) {
	c, err := New(options(o))
	if err != nil {
		return found, err
	}
	defer func() { _ = c.Close() }() // it only lets go of connections
	if err := c.open(ctx); err != nil {
		return found, err
	}
	x, err := c.known(ctx, time.Now())
	if err != nil {
		return found, c.unread(err)
	}
	all := x.all
	marked, others := 0, 0
	for i := range all {
		switch m := all[i].Mark; {
		case m.IsZero():
		case m.Directory == "":
			others++
		default:
			marked++
		}
	}
	var names []string
	for _, a := range attributes {
		if c.facts.Keeps(a.name) {
			names = append(names, a.name)
		}
	}
	found.Notes = []string{
		c.host + ": " + c.announced().Evidence + ".",
		fmt.Sprintf("It has %s: %s marked by rollcall, %s with an externalId of somebody else, which are left alone, and %s with none.",
			counted(len(all), "user"), number.Thousands(marked), number.Thousands(others), number.Thousands(len(all)-marked-others)),
		"Scopes may read these attributes for it: " + strings.Join(names, ", ") + ".",
	}
	return found, nil
}
