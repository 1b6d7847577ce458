package postfix

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// temporary returns a name for a file that is to replace the named one.
func temporary(base string) string {
	return "." + base + "." + strconv.FormatUint(uint64(rand.Uint32()), 10) + unfinished
}

// said is an error with what a program has said.
type said struct{ text, quoted string }

func (s *said) Error() string { return s.text + s.quoted }

// Quoted is what the program has said.
func (s *said) Quoted() string { return s.quoted }

// mostSaid is how much of what a program says is shown, in octets.
const mostSaid = 500

// index builds the index of a file beside it. Postmap only warns of what it passes
// over and ends with 0, so that any word of it is an error.
func (c *Console) index(ctx context.Context, lock *os.File, path string) error {
	out, err := c.run(ctx, lock, nil, append(c.postmap[:len(c.postmap):len(c.postmap)], c.kind+":"+path)...)
	out = strings.ReplaceAll(out, path, filepath.Base(path))
	switch {
	case err != nil:
		return c.unread(fmt.Errorf("%s has failed, and nothing was changed: %w", c.postmap[0], spoken(err, out)), adviceFor(out))
	case out != "":
		return c.unread(&said{c.postmap[0] + " has warned, and nothing was changed: ", out}, adviceFor(out))
	}
	return nil
}

// adviceFor says what helps against what postmap has said.
func adviceFor(out string) string {
	if strings.Contains(out, "unsupported dictionary type") {
		return "install the package of the table type, such as postfix-lmdb, or set map to one that postconf -m lists"
	}
	return "run postmap on the file by hand, and see rollcall doctor"
}

// reloaded has Postfix read its tables again. What the program says does not count,
// since postfix reload always says something. It inherits no lock, and may keep what it
// says open: it may start a server.
func (c *Console) reloaded(ctx context.Context) error {
	out, err := c.run(ctx, nil, nil, c.reload...)
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return c.unread(fmt.Errorf("the tables are written, and Postfix does not know of it: %s has failed: %w", c.reload[0], spoken(err, out)), "start Postfix, or correct reload in the console block; the next apply tries it again")
	}
	return nil
}

func spoken(err error, out string) error {
	if out == "" {
		return err
	}
	return &said{err.Error() + ": ", out}
}

// run runs a program to its end and returns what it has said. One that writes to the
// tables inherits the lock, so that nobody publishes while it goes on, should rollcall be
// killed.
func (c *Console) run(ctx context.Context, lock *os.File, stdin []byte, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(command[0]), command[1:]...)
	cmd.Dir, cmd.WaitDelay = c.folder, time.Second
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	separate(cmd, lock)
	err := cmd.Run()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("it has not ended in %v", c.timeout)
	}
	text := strings.Trim(out.String(), " \t\r\n")
	if stdin == nil {
		text = shortened(text)
	}
	return text, err
}

// shortened is what a program has said, as it is shown.
func shortened(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) > mostSaid {
		text = strings.ToValidUTF8(text[:mostSaid], "") + "…"
	}
	return text
}

// program finds those of Postfix also where only root looks for programs.
func program(name string) string {
	if !strings.ContainsRune(name, filepath.Separator) {
		if _, err := exec.LookPath(name); err != nil {
			if path, err := exec.LookPath(filepath.Join("/usr/sbin", name)); err == nil {
				return path
			}
		}
	}
	return name
}
