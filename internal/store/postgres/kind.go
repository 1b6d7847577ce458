package postgres

import (
	"fmt"
	"time"

	"github.com/rollcall-cli/rollcall/internal/database"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/internal/trust"
	"github.com/rollcall-cli/rollcall/state"
)

// shortest is the shortest lease: three renewals have to fit into it.
const shortest = 2 * time.Second

// Kind is the store "postgres".
var Kind = store.Kind{
	Kind: settings.Kind{
		Name: "postgres", Help: "A PostgreSQL database, from version 11 on, also behind PgBouncer.",
		Settings: append([]settings.Setting{
			{Name: "url", Required: true, Secret: true, Check: checkURL, Example: `env("DATABASE_URL")`, Help: "postgres://USER:PASSWORD@HOST/DATABASE"},
			{Name: "name", Required: true, Example: `"corp"`, Help: "which state of the database it is"},
			{Name: "schema", Default: "rollcall", Help: "where the tables are"},
			{Name: "lease", Type: settings.Duration, Default: time.Minute, Help: "after what time the lock of a machine ends that is gone"},
		}, trust.Settings...),
		Check: func(v settings.Values) []settings.Problem {
			p, _ := database.Parse(v.Secret("url").Reveal(), database.Postgres)
			problems := database.Check(v, p)
			if d := v.Duration("lease"); d < shortest {
				problems = append(problems, settings.Problem{Setting: "lease", Part: settings.Value, Summary: fmt.Sprintf("a lease is at least %v", shortest), Hint: `write lease = "60s"`})
			}
			return problems
		},
		Where: func(v settings.Values) []string {
			p, err := database.Parse(v.Secret("url").Reveal(), database.Postgres)
			if err != nil {
				return nil
			}
			return []string{p.String(), v.Text("schema"), v.Text("name")}
		},
	},
	Fenced: true,
	Open: func(o store.Opening) (state.Shared, error) {
		s, err := open(o)
		if err != nil {
			return nil, err
		}
		return s, nil
	},
	Setup: setup,
}

func checkURL(text string) (p settings.Problem) {
	if _, err := database.Parse(text, database.Postgres); err != nil {
		return settings.Problem{Summary: "the url cannot be used: " + err.Error(), Hint: `write "postgres://USER:PASSWORD@HOST:PORT/DATABASE", best in the environment: env("DATABASE_URL"); special characters in it are written as %40 for @`}
	}
	return p
}
