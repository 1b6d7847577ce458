package main

import "github.com/rollcall-cli/rollcall/docs/reference/schema"

type schemaCommand struct {
	Document choice `arg:"" words:"schemas" help:"plan, state, history, lint or explain."`
}

func (schemaCommand) Help() string {
	return `Prints the JSON Schema (2020-12) of a document: a plan, a line of the state file or the list of accounts, what history -o json writes, the findings of lint, or an explanation. Programs that read these documents can be checked with it.

Examples:
  rollcall schema plan
  rollcall schema plan > plan.schema.json

Exit codes: 0 done; 80 wrong usage.`
}

func (c *schemaCommand) Run(s *session) error {
	_, err := s.stdout.Write(schema.Of(string(c.Document)))
	return err
}
