package exec_test

import (
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory/suite"
	"github.com/rollcall-cli/rollcall/internal/directory/suite/worlds"
)

func TestSource(t *testing.T) { suite.Run(t, &worlds.Exec) }
