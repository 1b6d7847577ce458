package sql

import (
	"context"
	"errors"
	"fmt"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/database"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/trust"
)

// The profiles.
const (
	profilePostfixAdmin = "postfixadmin"
	profileCustom       = "custom"
)

// Kind is the kind "sql".
var Kind = console.Kind{
	Kind: settings.Kind{
		Name: "sql", Help: "A mail server whose accounts are in PostgreSQL or MariaDB: those of PostfixAdmin, or tables of your own.",
		Settings: append([]settings.Setting{
			{Name: "url", Required: true, Secret: true, Check: checkURL, Example: `env("DATABASE_URL")`, Help: "postgres://USER:PASSWORD@HOST/DATABASE or mysql://…"},
			{Name: "profile", Required: true, Words: []string{profilePostfixAdmin, profileCustom}, Example: `"postfixadmin"`, Help: "how the accounts are stored"},
		}, trust.Settings...),
		Blocks: []settings.Block{statementsBlock},
		Check:  check,
		Initial: func(v settings.Values, name, text string) settings.Problem {
			if v.Text("profile") != profilePostfixAdmin {
				return settings.Problem{}
			}
			return checkInitial(name, text)
		},
		Where: func(v settings.Values) []string {
			p, err := parseURL(v.Secret("url").Reveal())
			if err != nil {
				return nil
			}
			return []string{p.String(), v.Text("profile")}
		},
	},
	Open: func(ctx context.Context, o console.Opening) (console.Target, error) {
		c, err := open(ctx, o)
		if err != nil {
			return nil, err
		}
		return c, nil
	},
	Setup:  setup,
	Survey: survey,
}

func checkURL(text string) (p settings.Problem) {
	if _, err := parseURL(text); err != nil {
		return settings.Problem{Summary: "the url cannot be used: " + err.Error(), Hint: `write "postgres://USER:PASSWORD@HOST:PORT/DATABASE" or "mysql://…", best in the environment: env("DATABASE_URL"); special characters in it are written as %40 for @`}
	}
	return p
}

// check looks for what does not go together.
func check(v settings.Values) (problems []settings.Problem) {
	var at *database.Place
	if p, err := parseURL(v.Secret("url").Reveal()); err == nil {
		at = p.Place
	}
	problems = database.Check(v, at)
	statements, has := v.Block("statements")
	switch profile := v.Text("profile"); {
	case profile == profileCustom && !v.Has("statements"):
		problems = append(problems, settings.Problem{Setting: "profile", Summary: `profile "custom" needs a block statements`, Hint: "write statements { read, insert, update, delete }; " + page + " has an example"})
	case profile == profilePostfixAdmin && v.Has("statements"):
		problems = append(problems, settings.Problem{Setting: "statements", Summary: `the block statements belongs to profile "custom"`, Hint: `remove it, or write profile = "custom"`})
	case has && profile == profileCustom:
		_, wrong := parseCustom(statements, dialectOf(v))
		problems = append(problems, wrong...)
	}
	return problems
}

// dialectOf is that of the url; PostgreSQL's where there is none yet.
func dialectOf(v settings.Values) *dialect {
	if p, err := parseURL(v.Secret("url").Reveal()); err == nil {
		return p.d
	}
	return postgres
}

// profileOf makes the profile of a block.
func profileOf(v settings.Values, d *dialect) (profile, error) {
	if v.Text("profile") == profilePostfixAdmin {
		return &postfixAdmin{}, nil
	}
	statements, has := v.Block("statements")
	if !has {
		return nil, errors.New("there is no block statements")
	}
	c, problems := parseCustom(statements, d)
	if len(problems) > 0 {
		return nil, fmt.Errorf("%s", problems[0].Summary)
	}
	return c, nil
}
