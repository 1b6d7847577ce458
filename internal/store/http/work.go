package http

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/state"
)

// What is not on the server yet is in a folder beside the copy of the state:
//
//	NAME.http/seen                 the document that was read last, if it has a tag
//	NAME.http/work.history/…       what a run has written down since it has the lock
//	NAME.http/work.json            what of the server it came after: see [origin]
//	NAME.http/work.jsonl.lock      who writes there
//	NAME.http/left-20261130T080000 what was there when others had written since
//
// A process that is killed leaves work.history behind. Who takes the lock next on this
// machine goes on with it, if the server has what it came after, or what was being sent.
const (
	workState  = "work.jsonl"
	workFolder = "work.history"
	workOrigin = "work.json"
)

// origin is what the documents came after that are kept until they are sent.
type origin struct {
	Address string   `json:"address"` // its checksum
	Base    revision `json:"base"`    // what the server had
	Sending revision `json:"sending"` // what it may have, if an answer was lost
	// Sent are the checksums of documents that are on the server as they are here, or
	// were once.
	Sent map[string]string `json:"sent"`
	// Finished are those to which nothing is added any more.
	Finished map[string]bool `json:"finished"`
	// Clean says that there is nothing that the server did not have.
	Clean bool `json:"clean"`
}

// work is what was written since the lock was taken, and before, where somebody was cut
// off.
type work struct {
	history state.History // in files
	path    string        // of the origin

	mu      sync.Mutex
	origin  origin
	kept    bool // the origin is in its file
	touched bool
	removed map[string]bool
}

func (s *Store) files() (state.Backend, state.Locker) { return state.Files(s.file(workState)) }

// resume returns what a process has left behind that was cut off, if nobody has written
// since. Otherwise that is set aside. The caller has mu.
func (s *Store) resume(ctx context.Context) (*work, error) {
	files, _ := s.files()
	w := &work{history: files.History(), path: s.file(workOrigin), removed: map[string]bool{}}
	now := s.doc.revision()
	fresh := origin{Address: s.place(), Base: now, Sent: map[string]string{}, Finished: map[string]bool{}}
	names, err := w.names(ctx)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		w.origin = fresh
		return w, nil
	}
	before := w.read()
	switch {
	case before.Clean:
	case before.Address == fresh.Address && (before.Base == now || before.Sending == now && now.Serial > 0):
		before.Base, before.Sending = now, revision{}
		w.origin, w.touched = before, true
		return w, w.keep()
	default:
		missing, err := s.missing(ctx, w, names, before.Sent)
		if err != nil {
			return nil, err
		}
		if missing {
			return w, s.setAside(w, fresh)
		}
	}
	w.origin = fresh
	return w, w.history.Remove(ctx, names...)
}

// missing reports whether one of the documents was never on the server as it is here. A
// record that others have written on has what it begins with.
func (s *Store) missing(ctx context.Context, w *work, names []string, sent map[string]string) (bool, error) {
	for _, name := range names {
		text, err := w.packed(ctx, name)
		if err != nil {
			return false, err
		}
		if sent[name] == summed(text) {
			continue
		}
		e := s.doc.find(name)
		if e == nil {
			return true, nil
		}
		mine, err := store.Decompress(text)
		if err != nil {
			return false, err
		}
		theirs, err := store.Decompress(e.Text)
		if err != nil || !bytes.HasPrefix(theirs, mine) {
			return true, err
		}
	}
	return false, nil
}

// setAside gives the folder of the documents another name, and warns.
func (s *Store) setAside(w *work, fresh origin) error {
	d, err := atomicfile.Enter(s.Folders()[0])
	if err != nil {
		return err
	}
	defer d.Close()
	first := "left-" + time.Now().UTC().Format("20060102T150405")
	name := first
	for n := 2; ; n++ {
		if _, err := d.Lstat(name); absent(err) {
			break
		}
		name = fmt.Sprintf("%s-%d", first, n)
	}
	if err := d.Rename(workFolder, name); err != nil {
		return err
	}
	d.Sync()
	w.origin = fresh
	s.warn(fmt.Sprintf("%s: a run on this machine was cut off before it could send all that it had written down, and others have written since; what they do not know is in %s, "+
		"which nobody reads but you", s.Name(0), filepath.Join(s.Folders()[0], name)))
	return nil
}

// names returns the names of the documents.
func (w *work) names(ctx context.Context) (all []string, err error) {
	list, err := w.history.List(ctx)
	if absent(err) {
		return nil, nil
	}
	for _, l := range list {
		all = append(all, l.Name)
	}
	return all, err
}

// read reads the origin; the zero one where there is none.
func (w *work) read() (o origin) {
	f, err := atomicfile.Open(w.path)
	if err != nil {
		return o
	}
	defer f.Close()
	if json.NewDecoder(f).Decode(&o) != nil {
		return origin{}
	}
	if o.Sent == nil {
		o.Sent = map[string]string{}
	}
	if o.Finished == nil {
		o.Finished = map[string]bool{}
	}
	return o
}

// keep writes the origin. The caller has mu, or is alone.
func (w *work) keep() error {
	w.kept = true
	return atomicfile.Write(w.path, func(to io.Writer) error { return json.NewEncoder(to).Encode(w.origin) })
}

// writing is called before the first document is written, and each time.
func (w *work) writing(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.touched = true
	if w.kept && !w.origin.Finished[name] {
		return nil
	}
	delete(w.origin.Finished, name)
	return w.keep()
}

func (w *work) finish(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.touched, w.origin.Finished[name] = true, true
	return w.keep()
}

func (w *work) remove(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.touched, w.removed[name] = true, true
}

// replaces reports whether a document of the server does not count any more.
func (w *work) replaces(name string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.removed[name]
}

func (w *work) touch() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.touched = true
}

// dirty reports whether something was written that is not on the server.
func (w *work) dirty() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.touched
}

// begin is dirty, and takes what is written from now on for new.
func (w *work) begin() (dirty bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	dirty, w.touched = w.touched, false
	return dirty
}

// packed returns a document as it is sent.
func (w *work) packed(ctx context.Context, name string) ([]byte, error) {
	d, err := w.history.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return packed(func(to io.Writer) error {
		_, err := io.Copy(to, d)
		return err
	})
}

// entries returns the documents as they are sent.
func (w *work) entries(ctx context.Context) (all []entry, err error) {
	names, err := w.names(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		e := entry{Name: name}
		if e.Text, err = w.packed(ctx, name); err != nil {
			return nil, err
		}
		w.mu.Lock()
		if w.origin.Finished[name] {
			e.Tag = summed(e.Text)
		}
		w.mu.Unlock()
		all = append(all, e)
	}
	return all, nil
}

// late is what was sent, and was not there when the server was asked; the zero revision
// for nothing. It may have come since.
func (w *work) late() revision {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.origin.Sending
}

// sending notes what the server may have from now on.
func (w *work) sending(base, next revision) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.origin.Base, w.origin.Sending = base, next
	return w.keepFor(w.names(context.Background()))
}

// keepFor writes the origin, if there are documents. Otherwise the first of them does.
func (w *work) keepFor(names []string, err error) error {
	if w.kept = false; err != nil || len(names) == 0 {
		return err
	}
	return w.keep()
}

// sent notes what the server has. Without the note, it is known by what was being sent.
func (w *work) sent(d *document) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.origin.Base, w.origin.Sending = d.revision(), revision{}
	maps.DeleteFunc(w.removed, func(name string, _ bool) bool { return d.find(name) == nil })
	names, err := w.names(context.Background())
	for _, name := range names {
		if e := d.find(name); e != nil {
			w.origin.Sent[name] = summed(e.Text)
		}
	}
	_ = w.keepFor(names, err)
}

// clear removes what is on the server. What remains, for it cannot be removed, is known
// to be there.
func (w *work) clear(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	names, err := w.names(ctx)
	if err != nil || len(names) == 0 {
		return
	}
	w.origin.Clean = true
	if w.keep() == nil {
		_ = w.history.Remove(ctx, names...)
	}
}
