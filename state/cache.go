package state

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
)

// cached is a backend that is elsewhere, with a copy of what was read of it in files:
//
//	NAME.jsonl                    a version, which is used if it is the newest
//	NAME.cache/000001-TAG.jsonl   the record of a run that has ended
//
// What cannot be kept there is read from the store each time.
type cached struct {
	Backend
	files   files
	history *cachedHistory
}

func newCached(of Backend, f files) *cached {
	return &cached{of, f, &cachedHistory{History: of.History(), local: documents{f, cacheName}}}
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
	return c.download(ctx)
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
		_, err := io.Copy(w, noting{r, &failed})
		return err
	})
	switch {
	case failed != nil:
		return nil, failed
	case err != nil:
		return c.Backend.Open(ctx, 0)
	}
	return atomicfile.Open(c.files.path)
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

// drop forgets the version in the cache, and reports whether there was one.
func (c *cached) drop() bool { return os.Remove(c.files.path) == nil }

func (c *cached) Commit(ctx context.Context, after Version, write func(io.Writer) (Version, error), ready func() error) error {
	committed := false
	var failed error
	commit := func(to io.Writer) error {
		failed = c.Backend.Commit(ctx, after, func(w io.Writer) (Version, error) { return write(io.MultiWriter(w, to)) }, ready)
		committed = true
		return failed
	}
	_ = c.replace(func(w io.Writer) error { // without a copy, what was committed is read again
		copied := &copying{w: w}
		return errors.Join(commit(copied), copied.err)
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
	return d.Replace(name, write, nil)
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

	mu   sync.Mutex
	tags map[string]string // by name, as listed last
}

func (h *cachedHistory) tag(name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tags[name]
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
	h.mu.Lock()
	h.tags = tags
	h.mu.Unlock()
	h.tidy(ctx, tags)
	return all, nil
}

// tidy removes copies of what is no more.
func (h *cachedHistory) tidy(ctx context.Context, tags map[string]string) {
	kept, err := h.local.List(ctx)
	if err != nil {
		return
	}
	var gone []string
	for _, l := range kept {
		if name, tag, _ := strings.Cut(l.Name, "-"); tags[name] != tag {
			gone = append(gone, l.Name)
		}
	}
	if len(gone) > 0 {
		_ = h.local.Remove(ctx, gone...)
	}
}

func (h *cachedHistory) Open(ctx context.Context, name string) (Document, error) {
	tag := h.tag(name)
	if tag == "" {
		return h.History.Open(ctx, name)
	}
	copied := name + "-" + tag
	if d, err := h.local.Open(ctx, copied); err == nil {
		return d, nil
	}
	d, err := h.History.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	var failed error
	err = h.local.Replace(ctx, copied, func(w io.Writer) error {
		_, err := io.Copy(w, noting{d, &failed})
		return err
	})
	if err == nil {
		var local Document
		if local, err = h.local.Open(ctx, copied); err == nil {
			d.Close()
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
	}
}
