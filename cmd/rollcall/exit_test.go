package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/state"
)

func TestCodeOf(t *testing.T) {
	refused := &directory.RefusedError{Directory: "corp", From: "ldaps://dc1", Err: errors.New("wrong password")}
	for _, c := range []struct {
		err  error
		want exitCode
	}{
		{nil, exitOK},
		{errors.New("anything else"), exitFailed},
		{silent{exitWithheld}, exitWithheld},
		{usageError{errors.New("--what")}, exitUsage},
		{staleError{errors.New("too late")}, exitStale},
		{hinted{&directory.ReadError{Err: errors.New("cut off")}, "look"}, exitUnreachable},
		{&state.LockedError{}, exitLocked},
		{hinted{refused, "look"}, exitRefused},
		{&directory.ReadError{Err: refused}, exitRefused},
		{fmt.Errorf("read: %w", context.Canceled), exitInterrupted},
	} {
		if got := codeOf(c.err); got != c.want {
			t.Errorf("%T: exit %d, want %d", c.err, got, c.want)
		}
	}
}
