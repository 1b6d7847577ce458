package suite

import (
	"fmt"
	"io"
	"os/exec"
	"sync"
)

// Process is a connector that runs, and to which nothing was said yet.
type Process struct {
	In  io.WriteCloser
	Out io.Reader
	// Kill ends it at once.
	Kill func() error
	// Wait returns once it has ended.
	Wait func() error
}

// end ends a process that a check has left.
func (p *Process) end() {
	_ = p.Kill() // it may have ended
	_ = p.In.Close()
	_ = p.Wait()
}

// Command returns what starts a command in a folder, with its log to a writer.
func Command(folder string, log io.Writer, command ...string) func() (*Process, error) {
	return func() (*Process, error) {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir, cmd.Stderr = folder, log
		// Its output may be held open by a process that outlives it.
		cmd.WaitDelay = grace
		grouped(cmd)
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, answers := io.Pipe()
		cmd.Stdout = answers
		if err := cmd.Start(); err != nil {
			return nil, fmt.Errorf("starting %q: %w", command[0], err)
		}
		wait := sync.OnceValue(func() error {
			err := cmd.Wait()
			answers.Close()
			return err
		})
		go func() { _ = wait() }() // who asks for it is told
		return &Process{In: in, Out: out, Kill: func() error { return kill(cmd.Process) }, Wait: wait}, nil
	}
}
