package scim

import (
	"context"

	"github.com/rollcall-cli/rollcall/internal/console"
)

// Check looks for problems.
func (c *Console) Check(ctx context.Context) ([]console.Finding, error) { return nil, nil }
