package ldap

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console"
)

var _ = time.Now
var _ = fmt.Sprint
var _ = strings.Join

// Check looks for problems.
func (c *Console) Check(ctx context.Context) ([]console.Finding, error) { return nil, nil }
