package postfix

import (
	"context"
	"os"
	"os/exec"
)

// lock does nothing: Postfix does not run there.
func (c *Console) lock(context.Context, bool) (*os.File, error) { return nil, nil }

func unlock(*os.File) {}

func separate(*exec.Cmd, *os.File) {}

func writable(string) error { return nil }
