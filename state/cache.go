package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
)

// cached is a backend that is elsewhere, with a copy of what was read of it in files:
//
//	NAME.jsonl                           a version, which is used if it is the newest
//	NAME.cache/copy.jsonl                which one that is, or the one before was
//	NAME.cache/000001-TAG-LENGTH.jsonl   the record of a run that has ended
//
// What cannot be kept there is read from the store each time, and so is all by which a
// killed run is made out. A file that is no copy is nobody's to replace.
type cached struct {
	Backend
	files   files
	history *cachedHistory
}

// direct returns what a backend is a copy of, or itself.
func direct(b Backend) Backend {
	if c, is := b.(*cached); is {
		return c.Backend
	}
	return b
}

func newCached(of Backend, f files) *cached {
	return &cached{of, f, &cachedHistory{History: of.History(), local: documents{f, cacheName}, copies: map[string]copied{}}}
}

// cacheName returns the name of the folder of cached documents for that of a state.
func cacheName(state string) string { return strings.TrimSuffix(state, ".jsonl") + ".cache" }

func (c *cached) Open(ctx context.Context, older int) (io.ReadCloser, error) {
	if older > 0 {
		return c.Backend.Open(ctx, older)
	}
	newest, err := c.Newest(ctx)
	if err != nil {
		return nil, err
	}
	if kept, err := c.files.Newest(ctx); err == nil && kept == newest {
		if f, err := atomicfile.Open(c.files.path); err == nil {
			return f, nil
		}
	}
	if err := c.replaceable(ctx, newest); err != nil {
		return nil, err
	}
	return c.download(ctx)
}

// copyNote is the name of the document that says which version the copy is, or is about
// to be, and those that it was before; noted is how many.
const (
	copyNote = "copy"
	noted    = 3
)

// replaceable is an error if the file in the place of the copy is none: neither the one
// that was written last nor one of some other versions.
func (c *cached) replaceable(ctx context.Context, others ...Version) error {
	v, err := c.files.Newest(ctx)
	if errors.Is(err, fs.ErrNotExist) || err == nil && (slices.Contains(others, v) || c.copied(ctx, v)) {
		return nil
	}
	if info, err := os.Stat(c.files.path); err == nil && !info.Mode().IsRegular() {
		return nil // what cannot be replaced is not
	}
	what := "it is no state that can be read"
	if v.Serial > 0 {
		what = fmt.Sprintf("it is version %d of a state", v.Serial)
	}
	return &Error{Path: c.files.path, Reason: fmt.Sprintf("%s, and no copy of %s", what, c.Name(0)),
		Advice: "move it away, or write another path into the state block; rollcall state migrate takes a state into an empty store"}
}

// copied reports whether a version, of which not all can be read perhaps, is a copy.
func (c *cached) copied(ctx context.Context, v Version) bool {
	return slices.ContainsFunc(c.noted(ctx), func(was Version) bool {
		return v.Lineage == was.Lineage && v.Serial == was.Serial && (v.Sum == was.Sum || v.Sum == "")
	})
}

// noted returns the versions that were copies, the newest first.
func (c *cached) noted(ctx context.Context) (all []Version) {
	if readNote(ctx, c.history.local, copyNote, &all) != nil {
		return nil
	}
	return all
}

// note writes down which version is the copy from now on.
func (c *cached) note(ctx context.Context, v Version) error {
	all := append([]Version{v}, c.noted(ctx)...)
	return writeNote(ctx, c.history.local, copyNote, all[:min(noted, len(all))])
}

// download reads the newest version into the cache, and opens it there.
func (c *cached) download(ctx context.Context) (io.ReadCloser, error) {
	var failed error // of the store
	err := c.replace(func(w io.Writer) error {
		var r io.ReadCloser
		if r, failed = c.Backend.Open(ctx, 0); failed != nil {
			return failed
		}
		defer r.Close()
		// It may be a newer one by now.
		var edges edges
		if _, err := io.Copy(io.MultiWriter(w, &edges), noting{r, &failed}); err != nil {
			return err
		}
		return c.note(ctx, edges.version())
	})
	switch {
	case errors.Is(failed, io.ErrUnexpectedEOF):
		return nil, &Error{Path: c.Name(0), Reason: "the version in it is cut short", Advice: damagedInStore}
	case failed != nil:
		return nil, failed
	case err != nil:
		return c.Backend.Open(ctx, 0)
	}
	return atomicfile.Open(c.files.path)
}

// edges keeps the first and the last octets of a state that is written.
type edges struct{ first, last []byte }

func (e *edges) Write(text []byte) (int, error) {
	const enough = 4 << 10
	if n := enough - len(e.first); n > 0 {
		e.first = append(e.first, text[:min(n, len(text))]...)
	}
	e.last = append(e.last, text[max(0, len(text)-enough):]...)
	e.last = e.last[max(0, len(e.last)-enough):]
	return len(text), nil
}

// version returns the version of the state, as far as it can be read.
func (e *edges) version() Version {
	_, last, _ := cutLast(bytes.TrimSuffix(e.last, []byte("\n")))
	return versionOf(peekHeader(bytes.NewReader(e.first)), last)
}

// noting keeps the error of a reader.
type noting struct {
	io.Reader
	err *error
}

func (r noting) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if err != nil && err != io.EOF {
		*r.err = err
	}
	return n, err
}

// drop forgets the copy, and reports whether there was one.
func (c *cached) drop(ctx context.Context) bool {
	v, err := c.files.Newest(ctx)
	return err == nil && c.copied(ctx, v) && os.Remove(c.files.path) == nil
}

func (c *cached) Commit(ctx context.Context, after Version, write func(io.Writer) (Version, error), ready func() error) error {
	committed := false
	var next Version
	var failed error
	commit := func(to io.Writer) error {
		failed = c.Backend.Commit(ctx, after, func(w io.Writer) (_ Version, err error) {
			next, err = write(io.MultiWriter(w, to))
			return next, err
		}, ready)
		committed = true
		return failed
	}
	_ = c.replace(func(w io.Writer) error { // without a copy, what was committed is read again
		copied := &copying{w: w}
		if err := errors.Join(commit(copied), copied.err, c.replaceable(ctx, after, next)); err != nil {
			return err
		}
		return c.note(ctx, next)
	})
	if !committed {
		_ = commit(io.Discard) // which is in failed
	}
	return failed
}

// abandoned is how old a file is that nobody writes any more.
const abandoned = 24 * time.Hour

// replace writes another version into the cache.
func (c *cached) replace(write func(io.Writer) error) error {
	d, name, err := atomicfile.Locate(c.files.path)
	if err != nil {
		return err
	}
	defer d.Close()
	d.RemoveLeftovers(name, abandoned)
	return d.ReplaceCopy(name, write)
}

// copying is a copy that may fail without what it is a copy of.
type copying struct {
	w   io.Writer
	err error
}

func (c *copying) Write(b []byte) (int, error) {
	if c.err == nil {
		_, c.err = c.w.Write(b)
	}
	return len(b), nil
}

func (c *cached) History() History { return c.history }

// cachedHistory is a history that is elsewhere, with copies of documents.
type cachedHistory struct {
	History
	local documents

	mu     sync.Mutex
	tags   map[string]string // by name, as listed last
	copies map[string]copied // by name, of those that have their tags
}

// copied is the copy of a document.
type copied struct {
	file   string
	length int64
}

// kept returns the tag of a document and its copy; "" for none.
func (h *cachedHistory) kept(name string) (tag string, c copied) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tags[name], h.copies[name]
}

func (h *cachedHistory) List(ctx context.Context) ([]Listed, error) {
	all, err := h.History.List(ctx)
	if err != nil {
		return nil, err
	}
	tags := map[string]string{}
	for _, l := range all {
		if l.Tag != "" {
			tags[l.Name] = l.Tag
		}
	}
	copies := h.tidy(ctx, tags)
	h.mu.Lock()
	h.tags, h.copies = tags, copies
	h.mu.Unlock()
	return all, nil
}

// tidy removes copies of what is no more, and returns the others.
func (h *cachedHistory) tidy(ctx context.Context, tags map[string]string) map[string]copied {
	copies := map[string]copied{}
	kept, _ := h.local.List(ctx) // there may be none
	var gone []string
	for _, l := range kept {
		name, rest, _ := strings.Cut(l.Name, "-")
		tag, length, _ := strings.Cut(rest, "-")
		n, err := strconv.ParseInt(length, 10, 64)
		switch {
		case l.Name == copyNote:
		case err != nil || tags[name] != tag:
			gone = append(gone, l.Name)
		default:
			copies[name] = copied{l.Name, n}
		}
	}
	if len(gone) > 0 {
		_ = h.local.Remove(ctx, gone...)
	}
	return copies
}

// largest is the length of the longest document of which a copy is kept, in octets: of a
// longer one, mostly the ends are read.
const largest = 4 << 20

func (h *cachedHistory) Open(ctx context.Context, name string) (Document, error) {
	tag, c := h.kept(name)
	if tag == "" {
		return h.History.Open(ctx, name)
	}
	if c.file != "" {
		if d, err := h.local.Open(ctx, c.file); err == nil {
			if n, err := d.Seek(0, io.SeekEnd); err == nil && n == c.length {
				_, err = d.Seek(0, io.SeekStart)
				return d, err
			}
			d.Close() // it was damaged
		}
	}
	d, err := h.History.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	length, failed := d.Seek(0, io.SeekEnd)
	if failed == nil {
		_, failed = d.Seek(0, io.SeekStart)
	}
	if failed != nil || length > largest {
		return d, failed
	}
	file := fmt.Sprintf("%s-%s-%d", name, tag, length)
	err = h.local.Replace(ctx, file, func(w io.Writer) error {
		_, err := io.Copy(w, noting{d, &failed})
		return err
	})
	if err == nil {
		var local Document
		if local, err = h.local.Open(ctx, file); err == nil {
			d.Close()
			h.mu.Lock()
			h.copies[name] = copied{file, length}
			h.mu.Unlock()
			return local, nil
		}
	}
	if failed == nil {
		_, failed = d.Seek(0, io.SeekStart)
	}
	if failed != nil {
		d.Close()
		return nil, failed
	}
	return d, nil
}

// What is removed or begun anew has no copy any more.
func (h *cachedHistory) Remove(ctx context.Context, names ...string) error {
	h.forget(names...)
	return h.History.Remove(ctx, names...)
}

func (h *cachedHistory) Append(ctx context.Context, name string, length int64) (Log, error) {
	h.forget(name)
	return h.History.Append(ctx, name, length)
}

func (h *cachedHistory) forget(names ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range names {
		delete(h.tags, name)
		delete(h.copies, name)
	}
}
