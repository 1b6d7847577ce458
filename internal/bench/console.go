package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/rollcall-cli/rollcall/internal/console/wire"
	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

const consoleBlock = `console "gateway" {
  kind    = "exec"
  owner   = "hq"
  command = [%q, "-connector", %q]
}
`

// renamed is how many people get another name for the apply over a connector.
const renamed = 10_000

// consoles measures a plan of a company whose accounts are in the state beside the
// plan of the same company whose accounts are behind a connector. What the second
// takes more is the share of the protocol: reading and decoding lines, and merging
// them with the ledger. Then it measures an apply over the connector.
func consoles(dir, program string, n, runs int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	base := filepath.Join(dir, fmt.Sprintf("console-%d", n))
	local, behind := filepath.Join(base, "local"), filepath.Join(base, "exec")
	for _, folder := range []string{base, local, behind} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			return err
		}
	}
	ldif := filepath.Join(base, "corp.ldif")
	if err := writeLDIF(ldif, n); err != nil {
		return err
	}
	recorded := state.State{Accounts: corpus.Accounts(n, "corp")}
	configuration := fmt.Sprintf(configuration, "../corp.ldif")
	if err := begin(local, configuration, recorded); err != nil {
		return err
	}
	if err := occupy(behind, &recorded); err != nil {
		return err
	}
	if err := begin(behind, configuration+fmt.Sprintf(consoleBlock, self, behind), recorded); err != nil {
		return err
	}
	recorded = state.State{}
	runtime.GC()
	title := fmt.Sprintf("%d accounts: ", n)
	if err := protocolShare(program, local, behind, title, runs); err != nil {
		return err
	}
	if err := rename(ldif, renamed, "Another Name"); err != nil {
		return err
	}
	for _, batch := range []int{100, 1000} {
		if err := overConnector(program, behind, title, batch); err != nil {
			return err
		}
	}
	return nil
}

// occupy gives the accounts of a state to a connector, and the state what a ledger
// knows of them.
func occupy(folder string, s *state.State) error {
	if err := os.WriteFile(filepath.Join(folder, batchFile), []byte("100"), 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(folder, accountsFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriterSize(f, 1<<20)
	s.Placed = make(map[identity.Address]identity.Placed, len(s.Accounts))
	facts := plan.Facts{Marks: true}
	now := time.Now().UTC().Truncate(time.Second)
	var line []byte
	for i := range s.Accounts {
		a := s.Accounts[i]
		l := identity.Live{Account: a, Mark: identity.Mark{By: "hq", Directory: a.Directory, GUID: a.GUID}, Ref: fmt.Sprintf("u-%d", i), Rev: "1"}
		line = append(wire.AppendAccount(line[:0], &l, &facts), '\n')
		if _, err := out.Write(line); err != nil {
			return err
		}
		s.Placed[a.Primary] = identity.Placed{Ref: l.Ref, Applied: now}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// done returns what the connector of a folder did last, and forgets it.
func done(folder string) (w work, err error) {
	path := filepath.Join(folder, workFile)
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &w)
	}
	if err == nil {
		err = os.Remove(path)
	}
	return w, err
}

// behindConnector is one run whose console is behind a connector. The processor time
// of the connector is in w alone.
func behindConnector(program, folder string, args ...string) (s sample, w work, err error) {
	if s, err = once(exec.Command(program, append([]string{"-C", folder}, args...)...), nil); err != nil {
		return s, w, err
	}
	if w, err = done(folder); err == nil {
		s.processor -= time.Duration(w.Processor * float64(time.Second))
	}
	return s, w, err
}

// protocolShare measures plans of both kinds, in turn.
func protocolShare(program, local, behind, title string, runs int) error {
	var own, over []sample
	var w work
	for range runs {
		one, err := once(exec.Command(program, "-C", local, "plan", "-o", "json"), nil)
		if err != nil {
			return err
		}
		other, did, err := behindConnector(program, behind, "plan", "-o", "json")
		if err != nil {
			return err
		}
		own, over, w = append(own, one), append(over, other), did
	}
	one, other := median(own), median(over)
	show(title+"plan, in the state", one, "")
	show(title+"plan, behind a connector", other, fmt.Sprintf("and %.2f s of the connector", w.Processor))
	show(title+"share of the protocol", sample{other.wall - one.wall, other.processor - one.processor, other.peak - one.peak}, "")
	return nil
}

// overConnector measures an apply of many changes, with so many in a request, of
// which each waits until the journal is on disk. The state and the connector are as
// before afterwards.
func overConnector(program, folder, title string, batch int) error {
	if err := os.WriteFile(filepath.Join(folder, batchFile), []byte(strconv.Itoa(batch)), 0o600); err != nil {
		return err
	}
	path := filepath.Join(folder, stateFile)
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	s, w, err := behindConnector(program, folder, "apply", "--auto-approve")
	if err != nil {
		return err
	}
	show(title+fmt.Sprintf("apply, %d in a request", batch), s,
		fmt.Sprintf("%d changes in %d requests and %.2f s: %.0f a second; %.2f s of the connector", w.Changes, w.Requests, w.Seconds, float64(w.Changes)/w.Seconds, w.Processor))
	if err := forget(folder); err != nil {
		return err
	}
	return os.WriteFile(path, before, 0o600)
}
