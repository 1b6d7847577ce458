package postfix

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/atomicfile"
)

// Mode is the mode of a table that is new. Postfix reads tables as root and as
// itself; a table that is there keeps its mode and its owner.
const Mode fs.FileMode = 0o644

// record says what was decided: which files take the place of the sources, with their
// indexes, in this order. It stands in NAME.publishing until that is done.
type record struct {
	Writes []replacement `json:"writes"`
	// Sums are the SHA-256 of what each source may be until then.
	Sums [tables][]string `json:"sums"`
	// Pause says that an address passes from one table to the other, so that nobody may
	// read an old one and a new one: a process that is starting opens one after the other.
	Pause bool `json:"pause,omitempty"`
	// Reload says that Postfix is to read its tables again in the end.
	Reload bool `json:"reload,omitempty"`
}

// replacement is a file beside the source of a table.
type replacement struct {
	Table int    `json:"table"`
	File  string `json:"file"`
}

// last returns the file that will be a source in the end; "" for none, and where nothing
// was decided.
func (r *record) last(table int) (name string) {
	if r == nil {
		return ""
	}
	for _, w := range r.Writes {
		if w.Table == table {
			name = w.File
		}
	}
	return name
}

// The endings of the files beside the recipients, and of those that are to take the
// place of a table.
const (
	publishing = ".publishing"
	locking    = ".lock"
	unfinished = ".tmp"
)

// pause is how long a process may take to open both tables. Tests change it.
var pause = time.Second / 2

// cold is how long ago a texthash has to have changed so that Postfix takes it at once.
// It opens a younger one again and again, for it may be half written, and meanwhile
// answers nobody (dict_thash.c of Postfix).
const cold = 5 * time.Second

// Publish writes what was staged, if the tables are still what they were. Where it
// fails before that is decided, nothing has changed. A table that was handed over or
// edited is written also where nothing was staged: the ledger has what it says.
func (c *Console) Publish(ctx context.Context) error {
	s := c.stage
	if s == nil && c.base != nil && slices.ContainsFunc(c.used(), func(t int) bool { return c.base.files[t].touched() }) {
		s = newStage(c.base)
	}
	if s == nil {
		return nil
	}
	c.stage = nil
	err := c.publish(ctx, s)
	if err != nil {
		c.forget(s)
		c.base = nil
	}
	return err
}

func (c *Console) publish(ctx context.Context, s *stage) error {
	next := s.next.rows(c.apart())
	serial := int64(1)
	for _, t := range c.used() {
		if h := s.base.files[t].header; h != nil {
			serial = max(serial, h.serial+1)
		}
	}
	h := header{owner: c.owner, serial: serial, apart: c.apart()}
	heads := [tables]header{recipients: h, aliases: h}
	heads[recipients].ledger = c.ledgerOf(s.base.files[recipients])
	var texts [tables][]byte
	var changed [tables]bool
	for _, t := range c.used() {
		var err error
		if texts[t], err = write(c.paths[t], heads[t], next[t]); err != nil {
			return c.unread(err, adviceOf(err))
		}
		f := s.base.files[t]
		changed[t] = f.header == nil || f.touched() || f.header.apart != h.apart || !bytes.Equal(f.body, texts[t][bytes.IndexByte(texts[t], '\n')+1:])
	}
	if !changed[recipients] && !changed[aliases] {
		return nil
	}
	lock, err := c.lock(ctx, true)
	if err != nil {
		return err
	}
	defer unlock(lock)
	if err := c.finish(ctx); err != nil {
		return err
	}
	now := &snapshot{}
	for _, t := range c.used() {
		if now.files[t], err = c.readFile(t, ""); err != nil {
			return err
		}
	}
	if err := c.unchanged(s.base, now); err != nil {
		return err
	}
	writes, err := c.order(s, heads[recipients], next, texts, changed)
	if err != nil {
		return c.unread(err, adviceOf(err))
	}
	if err := c.decide(ctx, lock, s, next, writes); err != nil {
		return err
	}
	c.base = &snapshot{contents: s.next}
	for _, t := range c.used() {
		f := s.base.files[t]
		if changed[t] {
			if f, err = parse(c.paths[t], texts[t]); err != nil {
				return c.unread(err, adviceOf(err))
			}
		}
		c.base.files[t] = f
	}
	return nil
}

// unchanged is an error if the files are not what was read before.
func (c *Console) unchanged(was, now *snapshot) error {
	for _, t := range c.used() {
		if f := now.files[t]; f.there != was.files[t].there || f.sum != was.files[t].sum {
			return c.unread(&apply.Error{Code: apply.Changed, Message: fmt.Sprintf("%s was changed since it was read; nothing was written", f.path)}, "plan again: what was changed is drift then")
		}
	}
	return nil
}

// text is what a table is to be.
type text struct {
	table int
	text  []byte
}

// order returns what is written, one after the other: see the comment of the package. The
// header is that of the recipients.
func (c *Console) order(s *stage, h header, next [tables][]row, texts [tables][]byte, changed [tables]bool) ([]text, error) {
	r, a := text{recipients, texts[recipients]}, text{aliases, texts[aliases]}
	switch {
	case !changed[aliases]:
		return []text{r}, nil
	case !changed[recipients]:
		return []text{a}, nil
	}
	union, added := slices.Clone(next[recipients]), len(next[recipients])
	for _, old := range s.base.files[recipients].rows {
		if _, stays := slices.BinarySearchFunc(next[recipients], old, row.compare); stays {
			added--
		} else {
			union = append(union, old)
		}
	}
	switch {
	case len(union) == len(next[recipients]):
		return []text{r, a}, nil
	case added == 0:
		return []text{a, r}, nil
	}
	slices.SortFunc(union, row.compare)
	both, err := write(c.paths[recipients], h, union)
	return []text{{recipients, both}, a, r}, err
}

// decide writes all files beside those that they are to replace, and then does what
// was decided.
func (c *Console) decide(ctx context.Context, lock *os.File, s *stage, next [tables][]row, texts []text) error {
	r := &record{Reload: len(c.reload) > 0, Pause: len(texts) > 1 && crosses(s, next)}
	for _, t := range c.used() {
		if s.base.files[t].there {
			r.Sums[t] = []string{fmt.Sprintf("%x", s.base.files[t].sum)}
		}
	}
	for _, x := range texts {
		name, err := c.prepare(ctx, lock, x)
		if err != nil {
			c.sweep()
			return err
		}
		r.Writes = append(r.Writes, replacement{x.table, name})
		r.Sums[x.table] = append(r.Sums[x.table], fmt.Sprintf("%x", sha256.Sum256(x.text)))
	}
	if err := c.writeRecord(r); err != nil {
		c.sweep()
		return err
	}
	return c.carryOut(ctx, r)
}

// crosses reports whether a key of one table passes to the other.
func crosses(s *stage, next [tables][]row) bool {
	into := func(t int) bool {
		return slices.ContainsFunc(s.base.files[1-t].rows, func(r row) bool {
			_, found := slices.BinarySearchFunc(next[t], r, row.compare)
			return found
		})
	}
	return s.base.files[aliases] != nil && (into(recipients) || into(aliases))
}

// prepare writes a file beside the source of a table, and its index.
func (c *Console) prepare(ctx context.Context, lock *os.File, x text) (name string, err error) {
	dir, base, err := c.locate(x.table)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	failed := func(err error) error {
		return c.unread(fmt.Errorf("%s cannot be written: %w; nothing was changed", c.paths[x.table], err), "look at the rights and the room in the folder")
	}
	if name, err = draft(dir, base, x.text); err != nil {
		return "", failed(err)
	}
	if c.ending != "" {
		if err := c.index(ctx, lock, dir.Path(name)); err != nil {
			return "", err
		}
		if err := c.finalize(dir, name+c.ending, base+c.ending); err != nil {
			return "", failed(err)
		}
	}
	if err := c.finalize(dir, name, base); err != nil {
		return "", failed(err)
	}
	if c.kind == texthash {
		if err := dir.Date(name, time.Now().Add(-cold)); err != nil {
			return "", failed(err)
		}
	}
	return name, nil
}

// draft writes a file beside a source.
func draft(dir *atomicfile.Folder, base string, text []byte) (name string, err error) {
	var f *os.File
	for range 100 {
		name = temporary(base)
		if f, err = dir.Open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL); !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	if err != nil {
		return "", err
	}
	dir.GiveAway(f, ".") // since postmap makes the index as the owner of the source
	_, err = f.Write(text)
	return name, errors.Join(err, f.Sync(), f.Close())
}

// finalize gives a file that is complete the mode and the owner of the one that it is
// to replace.
func (c *Console) finalize(dir *atomicfile.Folder, name, like string) error {
	mode := Mode
	if info, err := dir.Lstat(like); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := dir.Open(name, os.O_RDWR)
	if err != nil {
		return err
	}
	dir.GiveAway(f, like)
	return errors.Join(f.Chmod(mode), f.Sync(), f.Close())
}

// writeRecord writes what was decided. Once it is there, it will be done.
func (c *Console) writeRecord(r *record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return c.unread(err, "")
	}
	dir, base, err := c.locate(recipients)
	if err != nil {
		return err
	}
	defer dir.Close()
	err = dir.Replace(base+publishing, func(w io.Writer) error { _, err := w.Write(text); return err }, nil)
	if err != nil {
		return c.unread(fmt.Errorf("%s cannot be written: %w; nothing was changed", c.paths[recipients]+publishing, err), "look at the rights and the room in the folder")
	}
	return nil
}

// decided returns what a run has decided and not done yet, or nil.
func (c *Console) decided() (*record, error) {
	dir, base, err := c.locate(recipients)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	path := c.paths[recipients] + publishing
	text, err := readAll(dir, base+publishing)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, c.unread(err, "let rollcall read "+path)
	}
	r := &record{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, c.unread(fmt.Errorf("%s cannot be understood: %w", path, err), "remove it, and plan again: the tables are whole, and what they lack is drift")
	}
	for _, w := range r.Writes {
		if w.Table < 0 || w.Table >= tables || c.paths[w.Table] == "" || !c.ours(w.Table, w.File) {
			return nil, c.unread(fmt.Errorf("%s speaks of a file that is none of this console", path), "put the console block back to the files that were published to; or remove it, and plan again")
		}
	}
	return r, nil
}

// ours reports whether a name is that of a file which is to replace a source.
func (c *Console) ours(t int, name string) bool {
	middle, is := strings.CutPrefix(name, "."+filepath.Base(c.paths[t])+".")
	number, ends := strings.CutSuffix(middle, unfinished)
	return is && ends && number != "" && strings.Trim(number, "0123456789") == ""
}

// recover finishes what a run has left behind that was ended from outside, and builds
// the index of a source anew that rollcall has written and that lacks it.
func (c *Console) recover(ctx context.Context) error {
	lock, err := c.lock(ctx, true)
	if err != nil {
		return err
	}
	defer unlock(lock)
	if err := c.finish(ctx); err != nil {
		return err
	}
	for _, t := range c.used() {
		if c.late(t) == "" {
			continue
		}
		f, err := c.readFile(t, "")
		if err != nil {
			return err
		}
		if f.header == nil || f.header.owner != c.owner || f.touched() {
			continue // what somebody has edited is a plan's to judge
		}
		if err := c.rebuild(ctx, lock, t); err != nil {
			return err
		}
		c.say("the index of " + f.path + " was not of the file, and was built anew")
	}
	return nil
}

// rebuild builds the index of a source anew.
func (c *Console) rebuild(ctx context.Context, lock *os.File, t int) error {
	dir, base, err := c.locate(t)
	if err != nil {
		return err
	}
	b, err := readAll(dir, base)
	dir.Close()
	if err != nil {
		return c.unread(err, "let rollcall read "+c.paths[t])
	}
	name, err := c.prepare(ctx, lock, text{t, b})
	if err == nil {
		err = c.rename(replacement{t, name})
	}
	if err != nil {
		c.sweep()
	}
	return err
}

// finish does what was decided and not done. The caller holds the lock.
func (c *Console) finish(ctx context.Context) error {
	r, err := c.decided()
	if err != nil {
		return err
	}
	if r == nil {
		c.sweep()
		return nil
	}
	for _, t := range c.used() {
		f, err := c.readFile(t, "")
		if err != nil {
			return err
		}
		if f.there && !slices.Contains(r.Sums[t], fmt.Sprintf("%x", f.sum)) && r.last(t) != "" {
			return c.unread(fmt.Errorf("%s was changed by hand after a run was broken off while it published", f.path),
				fmt.Sprintf("remove %s%s to keep the file as it is, and plan again: what differs is drift then", c.paths[recipients], publishing))
		}
	}
	if err := c.carryOut(ctx, r); err != nil {
		return err
	}
	c.say("what a run had decided that was broken off while it published was done")
	return nil
}

// carryOut does what was decided, or the rest of it.
func (c *Console) carryOut(ctx context.Context, r *record) error {
	for i, w := range r.Writes {
		if i > 0 && r.Pause {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := c.rename(w); err != nil {
			return err
		}
	}
	if r.Reload && len(c.reload) > 0 {
		if err := c.reloaded(ctx); err != nil {
			return err
		}
	}
	dir, base, err := c.locate(recipients)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Remove(base + publishing); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return c.unread(err, "remove the file; what it says is done")
	}
	dir.Sync()
	c.sweep()
	return nil
}

// rename puts a file and its index in place of those of a table. What is not there any
// more is in place already.
func (c *Console) rename(w replacement) error {
	dir, base, err := c.locate(w.Table)
	if err != nil {
		return err
	}
	defer dir.Close()
	endings := []string{""}
	if c.ending != "" {
		endings = []string{c.ending, ""}
	}
	for _, ending := range endings {
		if err := dir.Rename(w.File+ending, base+ending); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return c.unread(fmt.Errorf("%s cannot be replaced: %w", c.paths[w.Table]+ending, err), "look at the rights of the folder; the next apply finishes what was decided")
		}
	}
	dir.Sync()
	return nil
}

// sweep removes what was prepared and not decided.
func (c *Console) sweep() {
	for _, t := range c.used() {
		dir, _, err := c.locate(t)
		if err != nil {
			continue
		}
		entries, _ := dir.List()
		for _, e := range entries {
			if c.left(t, e.Name()) {
				_ = dir.Remove(e.Name()) // else the next run tries
			}
		}
		dir.Close()
	}
}

// left reports whether a name is that of a file which was prepared, of its index, or of
// what postmap writes on its way to that, which Berkeley DB calls __db.NAME.
func (c *Console) left(t int, name string) bool {
	rest, is := strings.CutPrefix(strings.TrimPrefix(name, "__db."), "."+filepath.Base(c.paths[t])+".")
	number, _, ends := strings.Cut(strings.TrimPrefix(rest, publishing[1:]+"."), unfinished)
	return is && ends && number != "" && strings.Trim(number, "0123456789") == ""
}
