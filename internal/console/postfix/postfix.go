// Package postfix is the console of a Postfix gateway that takes mail for known
// recipients alone and rewrites their aliases: two lookup tables in text files, from
// which postmap(1) builds an index. Exim reads the same files with lsearch.
//
//	recipients  relay_recipient_maps  PRIMARY OK
//	aliases     virtual_alias_maps    ALIAS PRIMARY
//
// Without a second table, aliases stand among the recipients, as ALIAS PRIMARY. Both
// files are rollcall's own: their first line has the owner, a serial and the SHA-256
// of the rest, and among the recipients the lineage of the state to which the accounts
// belong. An inactive account has no rows, and the ref of an account is its
// primary.
//
// # From a change to the tables
//
// [Console.Apply] makes changes in memory. [Console.Publish] writes the files as a
// whole, in an order in which a server that reads them at any moment takes all
// addresses that were there before and are to stay:
//
//	what changes           is written
//	rows are added         recipients, then aliases
//	rows are taken out     aliases, then recipients
//	both                   recipients with the old and the new, aliases, recipients
//
// Where an address passes from one table to the other, half a second lies between two of
// these: a process of the server that is just starting opens one after the other, and is
// not to know an old one and a new one.
//
// Each is written beside what is there, synced, and indexed. Only when postmap has taken
// all of them without a word is it decided: a file NAME.publishing says what is to be
// renamed, and then that is done. Whoever finds this file goes on with it. So a crash
// leaves the tables as they were, or the next run finishes them, and whoever reads the
// accounts meanwhile finds them as they will be.
//
// [Console.Claim] changes the header of the recipients alone, which Postfix takes for a
// comment: that is one rename, and decides nothing else.
//
// A lock on NAME.lock keeps two writers apart, and readers from what is half done. It
// is inherited by postmap, and not by reload, which may start a server.
package postfix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

var (
	_ console.Target   = (*Console)(nil)
	_ console.Checker  = (*Console)(nil)
	_ console.Ledgered = (*Console)(nil)
)

// texthash is the type of table that has no index: Postfix reads the source when it
// starts.
const texthash = "texthash"

// endings are those of the indexes, by type of table, see DATABASE_README of Postfix.
var endings = map[string]string{"lmdb": ".lmdb", "hash": ".db", "btree": ".db", "cdb": ".cdb", texthash: ""}

// patience is how long to wait for a lock or a program where the block says nothing.
const patience = time.Minute

// Console is a pair of tables, or one.
type Console struct {
	label, owner    string
	paths           [tables]string // of the sources; aliases may have none
	kind, ending    string
	postmap, reload []string
	folder          string // where programs are run
	timeout         time.Duration
	changes         bool // this use may change the tables
	log             func(string)

	base  *snapshot               // as read last, or as published
	stage *stage                  // nil for nothing that waits to be published
	made  map[string]apply.Answer // by key, what was made
	// unwritten is a lineage that was claimed where there is no file of recipients yet.
	unwritten string
	told      map[string]bool // what the log has heard
}

// snapshot is what was read at one time.
type snapshot struct {
	files    [tables]*file
	contents *contents
}

func newConsole(o console.Opening) *Console {
	v := o.Settings
	c := &Console{
		label: o.Label, owner: o.Owner, kind: v.Text("map"), ending: endings[v.Text("map")], postmap: v.Texts("postmap"), reload: v.Texts("reload"), folder: v.Folder(),
		timeout: o.Timeout, changes: o.LockFile != "", log: o.Log, made: map[string]apply.Answer{}, told: map[string]bool{},
	}
	for t, name := range names {
		if c.paths[t] = v.Path(name); c.paths[t] != "" {
			if path, err := filepath.Abs(c.paths[t]); err == nil { // since programs run in the folder
				c.paths[t] = path
			}
		}
	}
	if c.kind == texthash && c.reload == nil {
		c.reload = []string{"postfix", "reload"}
	}
	if c.timeout == 0 {
		c.timeout = patience
	}
	return c
}

// apart reports whether aliases have a table of their own.
func (c *Console) apart() bool { return c.paths[aliases] != "" }

// used are the tables that there are.
func (c *Console) used() []int {
	if c.apart() {
		return []int{recipients, aliases}
	}
	return []int{recipients}
}

// open finds the folders, and finishes what a run has left behind if this one may.
func (c *Console) open(ctx context.Context) error {
	for _, t := range c.used() {
		if info, err := os.Stat(filepath.Dir(c.paths[t])); err != nil {
			return c.unread(err, "make the folder, and let rollcall write there: mkdir "+filepath.Dir(c.paths[t]))
		} else if !info.IsDir() {
			return c.unread(fmt.Errorf("%s is no folder", filepath.Dir(c.paths[t])), "name files of a folder in the console block")
		}
	}
	if c.changes {
		return c.recover(ctx)
	}
	return nil
}

// Facts are those of the kind.
func (c *Console) Facts() plan.Facts { return facts }

// Close does nothing: nothing is kept open.
func (c *Console) Close() error { return nil }

// Accounts yields all accounts as they were published last.
func (c *Console) Accounts(ctx context.Context, yield func(identity.Live) error) (console.Receipt, error) {
	s, err := c.read(ctx)
	if err != nil {
		return console.Receipt{}, err
	}
	c.base = s
	n := 0
	for _, l := range s.contents.live() {
		if err := yield(l); err != nil {
			return console.Receipt{}, err
		}
		n++
	}
	return console.Receipt{Product: "Postfix tables", Version: c.kind, Accounts: n}, ctx.Err()
}

// Get reads the tables anew and returns the accounts that have one of the refs or
// hold one of the addresses.
func (c *Console) Get(ctx context.Context, refs []string, addresses []identity.Address) (found []identity.Live, err error) {
	s, err := c.read(ctx)
	if err != nil {
		return nil, err
	}
	byRef, byAddress := map[string]bool{}, map[identity.Address]bool{}
	for _, ref := range refs {
		byRef[ref] = true
	}
	for _, x := range addresses {
		byAddress[x] = true
	}
	for _, l := range s.contents.live() {
		wanted := byRef[l.Ref]
		l.EachAddress(func(x identity.Address) { wanted = wanted || byAddress[x] })
		if wanted {
			found = append(found, l)
		}
	}
	return found, nil
}

// read reads the tables while nobody publishes, as they will be once what was decided
// is done.
func (c *Console) read(ctx context.Context) (*snapshot, error) {
	lock, err := c.lock(ctx, false)
	if err != nil {
		return nil, err
	}
	defer unlock(lock)
	decided, err := c.decided()
	if err != nil {
		return nil, err
	}
	if decided != nil {
		c.say("a run was broken off while it published; the next apply finishes that, and what it has decided is shown")
	}
	return c.readAs(decided)
}

// readAs reads the tables as they will be once a record is done; nil for none.
func (c *Console) readAs(decided *record) (*snapshot, error) {
	s, err := c.sources(decided)
	if err != nil {
		return nil, err
	}
	var moved int
	s.contents, moved = understand(&s.files, c.apart())
	if moved > 0 {
		c.say(fmt.Sprintf("%s: %d aliases stand among the recipients from when they had no file of their own; they no longer count, and go with the next change", c.paths[recipients], moved))
	}
	if c.apart() && outdated(&s.files) {
		c.say(fmt.Sprintf("%s: %d rows are from before serial %d, with which aliases came among the recipients; they no longer count, and go with the next change", c.paths[aliases], len(s.files[aliases].rows), s.files[recipients].header.serial))
	}
	for _, t := range c.used() {
		f := s.files[t]
		if f.edited() {
			c.say(fmt.Sprintf("%s was changed by hand since rollcall wrote it (serial %d): what differs is drift", f.path, f.header.serial))
		}
		if late := c.late(t); late != "" && decided == nil {
			c.say(late)
		}
	}
	return s, nil
}

// sources reads the files alone, which have to be ours.
func (c *Console) sources(decided *record) (*snapshot, error) {
	s := &snapshot{}
	for _, t := range c.used() {
		f, err := c.readFile(t, decided.last(t))
		if err != nil {
			return nil, err
		}
		s.files[t] = f
	}
	return s, c.belong(s)
}

// readFile reads the source of a table or, if that is there, the file name beside it.
func (c *Console) readFile(t int, name string) (*file, error) {
	source, err := c.source(t, name)
	if err != nil {
		return nil, err
	}
	if source == nil {
		return &file{path: c.paths[t]}, nil
	}
	defer source.Close()
	b, err := io.ReadAll(source)
	if err != nil {
		return nil, c.unread(err, "let rollcall read "+c.paths[t])
	}
	f, err := parse(c.paths[t], b)
	if err != nil {
		return nil, c.unread(err, adviceOf(err))
	}
	return f, nil
}

// source opens the source of a table or, if that is there, the file name beside it; nil
// for none.
func (c *Console) source(t int, name string) (f *os.File, err error) {
	dir, base, err := c.locate(t)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	if name != "" {
		f, err = dir.Open(name, os.O_RDONLY)
	}
	if name == "" || errors.Is(err, fs.ErrNotExist) {
		f, err = dir.Open(base, os.O_RDONLY)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, c.unread(err, "let rollcall read "+c.paths[t])
	}
	return f, nil
}

// belong sees to it that the files are ours, and that none of them was lost.
func (c *Console) belong(s *snapshot) error {
	for _, t := range c.used() {
		f := s.files[t]
		if err := c.foreign(f.path, f.header); err != nil {
			return err
		}
		if f.header == nil && len(f.rows) > 0 {
			return c.unread(fmt.Errorf("%s has %d rows and no header of rollcall, so that they are somebody else's", f.path, len(f.rows)),
				fmt.Sprintf("name a file of its own in the console block, and list both in main.cf, as in relay_recipient_maps = %[1]s:%[2]s, %[1]s:OTHER; or hand these rows over, with this as the first line of the file: %[3]s%[4]q", c.kind, f.path, begins, c.owner))
		}
	}
	if !c.apart() {
		return nil
	}
	r, a := s.files[recipients], s.files[aliases]
	if r.header == nil && a.header != nil {
		return c.lost(r, a)
	}
	if r.header != nil && r.header.apart && a.header == nil {
		return c.lost(a, r)
	}
	return nil
}

// foreign is an error if a header is that of another configuration.
func (c *Console) foreign(path string, h *header) error {
	if h == nil || h.owner == c.owner {
		return nil
	}
	return c.unread(fmt.Errorf("%s belongs to the configuration with owner %q, and this is %q; nothing is written there", path, h.owner, c.owner),
		"name other files in the console block, and list both in main.cf; or, if the other configuration is given up, put this owner into the first line of the file")
}

func (c *Console) lost(f, other *file) error {
	how := "is not there"
	if f.there {
		how = "is empty"
	}
	return c.unread(fmt.Errorf("%s %s, and %s is at serial %d: the file was lost", f.path, how, other.path, other.header.serial),
		"restore it from a backup; to begin anew, remove both files, and expect every account as gone")
}

// locate opens the folder of a source, which is no link: Postfix would look for its
// index where the link is.
func (c *Console) locate(t int) (*atomicfile.Folder, string, error) {
	path := c.paths[t]
	dir, err := atomicfile.Enter(filepath.Dir(path))
	if err != nil {
		return nil, "", c.unread(err, adviceOf(err))
	}
	base := filepath.Base(path)
	if info, err := dir.Lstat(base); err == nil && !info.Mode().IsRegular() {
		dir.Close()
		return nil, "", c.unread(fmt.Errorf("%s is no regular file", path), "name the file itself in the console block, and in main.cf, where a link leads to it")
	}
	return dir, base, nil
}

func readAll(dir *atomicfile.Folder, name string) ([]byte, error) {
	f, err := dir.Open(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// late says how an index is not of its source; "" where it is, or where there is
// neither.
func (c *Console) late(t int) string {
	if c.ending == "" {
		return ""
	}
	source, err := os.Stat(c.paths[t])
	if err != nil {
		return ""
	}
	index, err := os.Stat(c.paths[t] + c.ending)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s has no index, so that Postfix puts all mail off: run postmap %s:%s", c.paths[t], c.kind, c.paths[t])
	case err == nil && index.ModTime().Before(source.ModTime()):
		return fmt.Sprintf("the index of %s is older than the file, and Postfix does not know what was changed: run postmap %s:%s", c.paths[t], c.kind, c.paths[t])
	}
	return ""
}

// say writes to the log, each text once.
func (c *Console) say(text string) {
	if c.log != nil && !c.told[text] {
		c.told[text] = true
		c.log(text)
	}
}

// unread is an error of the tables.
func (c *Console) unread(err error, advice string) error {
	if err == nil {
		return nil
	}
	return &console.ReadError{Console: c.label, Err: err, Advice: advice}
}

func adviceOf(err error) string {
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		return hinted.Hint()
	}
	return ""
}
