// Bench measures the program whole, on companies of 100,000 and 1,000,000
// members whose console differs from the directory in one percent: wall time,
// processor time and peak memory of the commands that users wait for. It
// builds the program, writes its data to a temporary directory and prints a
// table for docs/develop/performance.md. It then does so with a live directory, beside
// the server's own client, with a directory behind a connector, beside one in a file,
// and with a console behind a connector, beside accounts that are in the state.
package main

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/corpus"
	"github.com/rollcall-cli/rollcall/state"
)

const staffFilter = "(|(&(objectClass=user)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))(objectClass=group))"

const configuration = `directory "corp" {
  kind = "ldif"
  path = "%s"
}
domain "` + corpus.Domain + `" {}
scope "staff" {
  directory = directory.corp
  base_dn   = "OU=Staff,` + corpus.Base + `"
  filter    = "` + staffFilter + `"
}
limits {
  deactivations   = 1000000
  removals        = 1000000
  primary_changes = 1000000
}
`

func main() {
	sizes := flag.String("n", "100000,1000000", "company sizes, separated by commas")
	runs := flag.Int("runs", 3, "runs of each command; the median is shown")
	read := flag.Bool("read", false, "read the file or the server that the environment names, and nothing else")
	copied := flag.String("copy", "", "copy, hash and sync a file, and nothing else")
	seeded := flag.String("accounts", "", "write the accounts of a company of size -n into a folder, and nothing else")
	connector := flag.String("connector", "", "be the connector of a folder, and nothing else")
	served := flag.String("directory", "", "be the connector of a folder with objects, and nothing else")
	only := flag.String("only", "files,live,directories,consoles", "what to measure")
	flag.Parse()
	var err error
	switch {
	case *connector != "":
		err = connect(*connector)
	case *served != "":
		err = serve(*served)
	case *read:
		err = readOnce()
	case *copied != "":
		err = copyOnce(*copied)
	case *seeded != "":
		var n int
		if n, err = strconv.Atoi(*sizes); err == nil {
			err = seed(*seeded, n)
		}
	default:
		err = run(*sizes, *only, *runs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(sizes, only string, runs int) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "rollcall")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "./cmd/rollcall")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the program: %w", err)
	}
	fmt.Printf("%s %s/%s, %d cores, %s\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	fmt.Printf("%-44s %12s %12s %12s\n", "command", "wall", "processor", "peak memory")
	var companies []int
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		companies = append(companies, n)
	}
	if strings.Contains(only, "files") {
		for _, command := range []string{"validate", "plan"} {
			if err := measure(runs, "quickstart: "+command, program, "-C", filepath.Join("examples", "quickstart"), command); err != nil {
				return err
			}
		}
		for _, n := range companies {
			if err := company(dir, program, n, runs); err != nil {
				return err
			}
		}
	}
	if strings.Contains(only, "live") {
		each := perEntry{}
		for _, n := range companies {
			if err := live(dir, program, n, runs, each); err != nil {
				return err
			}
		}
	}
	if strings.Contains(only, "directories") {
		fmt.Println()
		for _, n := range companies {
			if err := directories(dir, program, n, runs); err != nil {
				return err
			}
		}
	}
	if strings.Contains(only, "consoles") {
		fmt.Println()
		for _, n := range companies {
			if err := consoles(dir, program, n, runs); err != nil {
				return err
			}
		}
	}
	return nil
}

func company(dir, program string, n, runs int) error {
	conf := filepath.Join(dir, strconv.Itoa(n))
	if err := os.Mkdir(conf, 0o700); err != nil {
		return err
	}
	if err := writeLDIF(filepath.Join(conf, "corp.ldif"), n); err != nil {
		return err
	}
	if err := begin(conf, fmt.Sprintf(configuration, "corp.ldif"), state.State{Accounts: corpus.Accounts(n, "corp")}); err != nil {
		return err
	}
	runtime.GC()
	title := fmt.Sprintf("%d entries: ", n)
	if err := measure(runs, title+"plan -o json", program, "-C", conf, "plan", "-o", "json"); err != nil {
		return err
	}
	if err := measure(runs, title+"state list -o json", program, "-C", conf, "state", "list", "-o", "json"); err != nil {
		return err
	}
	if err := measure(1, title+"apply", program, "-C", conf, "apply", "--auto-approve", "-o", "json"); err != nil {
		return err
	}
	if err := measure(runs, title+"plan, nothing to do", program, "-C", conf, "plan", "-o", "json"); err != nil {
		return err
	}
	if err := few(conf, program, title, runs); err != nil {
		return err
	}
	if err := linting(conf, program, title, runs); err != nil {
		return err
	}
	if err := forget(conf); err != nil {
		return err
	}
	if err := measure(1, title+"plan -o json, no state yet", program, "-C", conf, "plan", "-o", "json"); err != nil {
		return err
	}
	return measure(1, title+"apply, no state yet", program, "-C", conf, "apply", "--auto-approve")
}

// writeLDIF writes the export of a company.
func writeLDIF(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := corpus.WriteLDIF(f, n); err != nil {
		return err
	}
	return f.Close()
}

const stateFile = "rollcall.state.jsonl"

// begin writes a configuration and its state.
func begin(folder, configuration string, s state.State) error {
	if err := os.WriteFile(filepath.Join(folder, "rollcall.hcl"), []byte(configuration), 0o600); err != nil {
		return err
	}
	return state.At(filepath.Join(folder, stateFile)).Save(context.Background(), &s, "bench", time.Now(), nil)
}

// forget removes a state and its history.
func forget(folder string) error {
	for _, name := range []string{stateFile, stateFile + ".backup", "rollcall.state.history"} {
		if err := os.RemoveAll(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}

// linting measures lint beside reading the same file.
func linting(conf, program, title string, runs int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return inTurn(runs, "reading", append(os.Environ(), "BENCH_LDIF="+filepath.Join(conf, "corp.ldif")), []rival{
		{title: title + "read", command: []string{self, "-read"}},
		{title: title + "lint -o json", command: []string{program, "-C", conf, "lint", "-o", "json"}},
	})
}

// few measures reading the state, and the apply of a saved plan that changes
// 100 accounts, in turn.
func few(conf, program, title string, runs int) error {
	var reads, applies []sample
	saved := filepath.Join(conf, "plan.json")
	for run := range runs {
		if err := rename(filepath.Join(conf, "corp.ldif"), 100, fmt.Sprintf("Name %d", run)); err != nil {
			return err
		}
		if _, err := once(exec.Command(program, "-C", conf, "plan", "-o", "json="+saved), nil); err != nil {
			return err
		}
		read, err := once(exec.Command(program, "-C", conf, "state", "show", "nobody@"+corpus.Domain), nil)
		if err != nil && !strings.Contains(err.Error(), "exit status 1") {
			return err
		}
		apply, err := once(exec.Command(program, "-C", conf, "apply", saved), nil)
		if err != nil {
			return err
		}
		reads, applies = append(reads, read), append(applies, apply)
	}
	for _, m := range []struct {
		title string
		sample
	}{{"state show", median(reads)}, {"apply of a saved plan, 100 changes", median(applies)}} {
		show(title+m.title, m.sample, "")
	}
	return nil
}

// rename gives the first n people of an LDIF file another name.
func rename(path string, n int, name string) error {
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	in, out := bufio.NewReader(from), bufio.NewWriter(to)
	for ; n > 0; n-- {
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return err
			}
			named := strings.HasPrefix(line, "displayName:")
			if named {
				line = "displayName: " + name + "\n"
			}
			if _, err := out.WriteString(line); err != nil {
				return err
			}
			if named {
				break
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if _, err := io.Copy(to, in); err != nil {
		return err
	}
	if err := to.Close(); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

type sample struct {
	wall, processor time.Duration
	peak            int64 // octets
}

func measure(runs int, title, program string, args ...string) error {
	var samples []sample
	for range runs {
		one, err := once(exec.Command(program, args...), nil)
		if err != nil {
			return fmt.Errorf("%s: %w", title, err)
		}
		samples = append(samples, one)
	}
	show(title, median(samples), "")
	return nil
}

// show prints a line of the table.
func show(title string, s sample, more string) {
	line := fmt.Sprintf("%-44s %12s %12s %8d MiB   %s", title, s.wall.Round(time.Millisecond), s.processor.Round(time.Millisecond), s.peak>>20, more)
	fmt.Println(strings.TrimRight(line, " "))
}

// once runs a command and throws away what it prints.
func once(cmd *exec.Cmd, env []string) (sample, error) {
	cmd.Env, cmd.Stdout = env, io.Discard
	var talk strings.Builder
	cmd.Stderr = &talk
	start := time.Now()
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return sample{}, err
	}
	s := sample{time.Since(start), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peak(cmd.ProcessState)}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, talk.String())
	}
	return s, err
}

func median(samples []sample) sample {
	slices.SortFunc(samples, func(a, b sample) int { return cmp.Compare(a.wall, b.wall) })
	return samples[len(samples)/2]
}
