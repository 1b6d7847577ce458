package sql

import (
	"context"
	"fmt"

	"github.com/rollcall-cli/rollcall/internal/console"
)

// survey looks what a database has, for a block that is begun.
func survey(ctx context.Context, o console.Opening, given func(setting string) bool) (console.Survey, error) {
	found := console.Survey{Settings: map[string]string{}}
	if !given("url") {
		return found, nil
	}
	c, err := prepare(o)
	if err != nil {
		return found, err
	}
	defer c.Close()
	err = c.reading(ctx, false, func(a asker) error {
		return a.each(ctx, a.d.version, nil, func(scan func(...any) error) error { return scan(&c.version) })
	})
	if err != nil {
		return found, c.unread(err)
	}
	found.Notes = append(found.Notes, fmt.Sprintf("The database is of %s %s.", c.place.d.name, c.version))
	switch domains, err := c.domains(ctx); {
	case err != nil:
		kind, _ := classify(err)
		if kind != noTable && kind != denied {
			return found, c.unread(err)
		}
		found.Notes = append(found.Notes, `It shows no tables of PostfixAdmin: write profile = "custom" and a block statements, of which `+page+" has an example.")
	default:
		found.Settings["profile"] = profilePostfixAdmin
		found.Notes = append(found.Notes, "It has the tables of PostfixAdmin, with the domains "+firstOf(domains)+".")
	}
	there, err := c.hasOwners(ctx)
	if err != nil {
		return found, c.unread(err)
	}
	if !there {
		found.Notes = append(found.Notes, "It needs the table "+ownerTable+": rollcall console setup.")
	}
	return found, nil
}

// domains are those of PostfixAdmin.
func (c *Console) domains(ctx context.Context) (all []string, err error) {
	err = c.reading(ctx, false, func(a asker) error {
		f, err := new(postfixAdmin).facts(ctx, a)
		all = f.Domains
		if err == errNoDomains {
			all, err = []string{"(none yet)"}, nil
		}
		return err
	})
	return all, err
}
