package postfix

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/number"
)

// Check looks whether the tables can be built, are what their files say, can be
// written, and are used by Postfix. It changes nothing.
func (c *Console) Check(ctx context.Context) ([]console.Finding, error) {
	s, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	all := []console.Finding{c.builds(ctx)}
	folders := map[string]bool{}
	for _, t := range c.used() {
		if dir := filepath.Dir(c.paths[t]); !folders[dir] {
			folders[dir] = true
			all = append(all, c.writes(dir))
		}
		all = append(all, c.intact(ctx, s, t))
	}
	if c.kind == texthash {
		all = append(all, c.reloads())
	}
	return append(all, c.inUse(ctx)...), nil
}

func found(check, status, evidence, remedy string) console.Finding {
	return console.Finding{Check: check, Status: status, Evidence: evidence, Remedy: remedy}
}

// builds tries postmap in a folder of its own.
func (c *Console) builds(ctx context.Context) console.Finding {
	const check = "postmap"
	if c.ending == "" {
		return found(check, "ok", "tables of type texthash have no index", "")
	}
	dir, err := os.MkdirTemp("", "rollcall-postfix-")
	if err != nil {
		return found(check, "failed", err.Error(), "let rollcall make temporary files")
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "trial")
	err = os.WriteFile(path, []byte("ann@example.com "+present+"\n"), 0o600)
	if err == nil {
		err = c.index(ctx, nil, path)
	}
	if err != nil {
		return found(check, "failed", trimmed(c, err), adviceOf(err))
	}
	return found(check, "ok", fmt.Sprintf("%s builds tables of type %s", c.postmap[0], c.kind), "")
}

// trimmed is an error without the name of the console.
func trimmed(c *Console, err error) string {
	return strings.TrimPrefix(err.Error(), fmt.Sprintf("console %q: ", c.label))
}

func (c *Console) writes(dir string) console.Finding {
	if err := writable(dir); err != nil {
		return found("rights", "warning", fmt.Sprintf("files cannot be made in %s: %v", dir, err), "apply as root, or give the folder to who runs rollcall")
	}
	return found("rights", "ok", "files can be made in "+dir, "")
}

// intact compares a table with its source.
func (c *Console) intact(ctx context.Context, s *snapshot, t int) console.Finding {
	check, f := names[t], s.files[t]
	switch {
	case !f.there:
		return found(check, "warning", f.path+" is not there yet", "the first apply makes it; name it in main.cf then, since Postfix puts all mail off while a table is missing")
	case c.late(t) != "":
		return found(check, "failed", c.late(t), "an apply that changes anything builds it, too")
	case f.edited():
		return found(check, "warning", fmt.Sprintf("%s was changed by hand since rollcall wrote it (serial %d)", f.path, f.header.serial), "plan shows what differs as drift")
	}
	if wrong := c.differs(ctx, f); wrong != "" {
		return found(check, "failed", wrong, fmt.Sprintf("run postmap %s:%s", c.kind, f.path))
	}
	for _, path := range []string{f.path, f.path + c.ending} {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o004 == 0 {
			return found(check, "warning", fmt.Sprintf("%s has mode %04o, so that not everybody may read it", path, info.Mode().Perm()), "chmod 644, unless the owner or the group is the one that Postfix or Exim reads it with")
		}
	}
	serial := int64(0)
	if f.header != nil {
		serial = f.header.serial
	}
	return found(check, "ok", fmt.Sprintf("%s has %s, serial %d", f.path, lines(len(f.rows)), serial), "")
}

// differs asks an index for each key of its source, and says what is wrong.
func (c *Console) differs(ctx context.Context, f *file) string {
	if c.ending == "" || len(f.rows) == 0 {
		return ""
	}
	var keys strings.Builder
	want := make(map[string]bool, len(f.rows))
	for _, r := range f.rows {
		keys.WriteString(r.key + "\n")
		want[r.key+"\t"+r.value] = true
	}
	out, err := c.run(ctx, nil, []byte(keys.String()), append(c.postmap[:len(c.postmap):len(c.postmap)], "-q", "-", c.kind+":"+f.path)...)
	for line := range strings.Lines(out) {
		delete(want, strings.TrimSuffix(line, "\n"))
	}
	if len(want) == 0 {
		return ""
	}
	text := fmt.Sprintf("the index of %s has %s of its %s otherwise or not at all", f.path, number.Thousands(len(want)), lines(len(f.rows)))
	if err != nil && len(want) == len(f.rows) {
		text += ": " + spoken(err, shortened(out)).Error()
	}
	return text
}

func (c *Console) reloads() console.Finding {
	if _, err := exec.LookPath(program(c.reload[0])); err != nil {
		return found("reload", "failed", err.Error(), "correct reload in the console block: Postfix reads tables of type texthash only then")
	}
	return found("reload", "ok", strings.Join(c.reload, " ")+" has Postfix read the tables again", "")
}

// inUse looks for the tables in main.cf.
func (c *Console) inUse(ctx context.Context) (all []console.Finding) {
	for _, t := range c.used() {
		parameter := [tables]string{"relay_recipient_maps", "virtual_alias_maps"}[t]
		said, err := c.parameters(ctx, parameter)
		table := c.kind + ":" + c.paths[t]
		switch {
		case err != nil:
			all = append(all, found("main.cf", "warning", "Postfix does not say what it uses: "+err.Error(), "look whether "+parameter+" has "+table))
		case !slices.ContainsFunc(strings.FieldsFunc(said[0], func(r rune) bool { return strings.ContainsRune(", \t", r) }), func(used string) bool {
			return strings.TrimPrefix(used, "proxy:") == table
		}):
			all = append(all, found("main.cf", "warning", fmt.Sprintf("%s does not have %s", parameter, table), "postconf -e '"+parameter+" = "+table+"' once the table is there, unless the tables are for Exim or another host"))
		default:
			all = append(all, found("main.cf", "ok", parameter+" has "+table, ""))
		}
	}
	return all
}

func lines(n int) string {
	if n == 1 {
		return "1 line"
	}
	return number.Thousands(n) + " lines"
}
