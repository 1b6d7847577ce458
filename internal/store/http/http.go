// Package http keeps a state behind the protocol of Terraform's http backend
// (https://developer.hashicorp.com/terraform/language/backend/http), as GitLab speaks it:
// one document for everything, which is read with GET, written with POST, and locked with
// requests of their own. See [document].
//
// The document is written as a whole, so that what a run writes down is collected: in
// files beside the copy of the state, where it outlives the process at once, and in the
// document when a version is committed and when the lock is given back. A commit takes the
// record of its run along, with what it intends, by which others find out how it ended.
//
// Nobody else writes while the lock is held. That somebody has broken it, the answer to
// the next write says, or what is read before it.
package http

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/state"
)

// Store is a state in a document on a server.
type Store struct {
	*client
	protocol
	cache   string // the path of the copy of the state
	release string
	warn    func(text string)
	// fresh is for how long what was read is believed to be the newest, and again how
	// soon a lock that somebody has is tried again.
	fresh, again time.Duration

	mu    sync.Mutex
	doc   *document // as it was read last; nil until then
	etag  string
	asked time.Time
	hold  *hold // nil while the lock is not held
}

var _ state.Shared = (*Store)(nil)

func open(o store.Opening) (*Store, error) {
	s := &Store{cache: o.Cache, release: o.Release, warn: o.Warn, fresh: time.Second, again: 500 * time.Millisecond}
	var err error
	if s.protocol, err = protocolOf(o.Settings); err != nil {
		return nil, err
	}
	if s.warn == nil {
		s.warn = func(string) {}
	}
	if s.client, err = newClient(o.Settings, o.Release); err != nil {
		return nil, s.access(err, "correct the block http of the state")
	}
	return s, nil
}

// Close ends the connections.
func (s *Store) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

// Name says where the state is.
func (s *Store) Name(older int) string {
	name := "the state at " + shown(s.state)
	if older > 0 {
		name = "the version before of " + name
	}
	return name
}

// place tells the address from others.
func (s *Store) place() string { return summed([]byte(s.state.String())) }

// Folders returns the folder of what is not on the server yet.
func (s *Store) Folders() []string {
	return []string{strings.TrimSuffix(atomicfile.Resolve(s.cache), ".jsonl") + ".http"}
}

// file returns the path of a file in the folder.
func (s *Store) file(name string) string { return filepath.Join(s.Folders()[0], name) }

// begin makes the folder, if it is not there.
func (s *Store) begin() error {
	d, name, err := atomicfile.Locate(s.cache)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Mkdir(filepath.Base(s.Folders()[0]), name); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// longest is how long sending a document may take, with all attempts.
const longest = 3 * time.Minute

// seen is the file of the document that was read last.
const seen = "seen"

// fetch asks for the document. The one that was read before, with its tag, is returned
// again if the server says that it is the same. That of a server which has none is empty.
func (s *Store) fetch(ctx context.Context, known *document, etag string) (*document, string, error) {
	return s.fetchSent(ctx, known, etag, nil, nil)
}

// fetchSent is fetch where the document that was sent may be there, as its body.
func (s *Store) fetchSent(ctx context.Context, known *document, etag string, sent *document, body []byte) (*document, string, error) {
	for attempt := 1; ; attempt++ {
		a, _, err := s.persist(ctx, http.MethodGet, s.state, nil, etag)
		if err != nil {
			return nil, "", s.failed(err)
		}
		switch {
		case a.code == http.StatusNotModified && etag != "":
			return known, etag, nil
		case a.code == http.StatusNotFound && hidden(a.body):
			refused := s.access(errors.New("the server knows no such project, or does not show it to who logs in"), "correct the address, or give who logs in access to the project")
			refused.Refused = true
			return nil, "", refused
		case a.code == http.StatusNotFound, a.code == http.StatusNoContent, a.code == http.StatusOK && len(bytes.TrimSpace(a.body)) == 0:
			return &document{}, "", nil
		case a.code != http.StatusOK:
			return nil, "", s.refused(a)
		case sent != nil && bytes.Equal(a.body, body):
			return sent, a.etag, nil
		}
		sum := sha256.Sum256(a.body)
		if known != nil && known.body == sum {
			return known, a.etag, nil
		}
		doc, err := parse(a.body)
		switch {
		case err == nil:
			doc.body = sum
			return doc, a.etag, nil
		case errors.Is(err, errForeign):
			return nil, "", s.access(err, "write another address, or move away what is there")
		case errors.Is(err, errNewer):
			return nil, "", s.access(err, "use the version of rollcall that the others use")
		case !s.pause(ctx, attempt):
			return nil, "", s.access(err, "put back the version before on the server, if it keeps any; the copies in "+s.Folders()[0]+" and beside it are of this machine")
		}
	}
}

// hidden reports whether GitLab says that there is no project, or none to be seen.
func hidden(body []byte) bool {
	var said struct{ Message string }
	return json.Unmarshal(body, &said) == nil && strings.Contains(said.Message, "Project Not Found")
}

// refresh reads the document again. The caller has mu.
func (s *Store) refresh(ctx context.Context) error {
	if s.doc == nil {
		if f, err := atomicfile.Open(s.file(seen)); err == nil {
			raw, err := io.ReadAll(f)
			f.Close()
			if err == nil {
				s.doc, s.etag = load(raw, s.place())
			}
		}
	}
	doc, etag, err := s.fetch(ctx, s.doc, s.etag)
	if err == nil {
		s.adopt(doc, etag)
	}
	return err
}

// adopt takes what the server has. The caller has mu.
func (s *Store) adopt(doc *document, etag string) {
	if doc != s.doc && etag != "" && s.begin() == nil {
		_ = s.save(doc, etag) // without it, the next command reads all of it again
	}
	s.doc, s.etag, s.asked = doc, etag, time.Now()
}

// save keeps the document that was read last.
func (s *Store) save(doc *document, etag string) error {
	d, err := atomicfile.Enter(s.Folders()[0])
	if err != nil {
		return err
	}
	defer d.Close()
	return d.ReplaceCopy(seen, func(w io.Writer) error { return doc.save(w, etag, s.place()) })
}

// current returns the document as it is now, and the lock if it is held. What was read
// less than a moment ago is believed to be the newest.
func (s *Store) current(ctx context.Context) (*document, *hold, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold == nil && (s.doc == nil || s.asked.IsZero() || time.Since(s.asked) >= s.fresh) {
		if err := s.refresh(ctx); err != nil {
			return nil, nil, err
		}
	}
	return s.doc, s.hold, nil
}

// listed returns a document of the history that is complete, as it was listed last; nil
// if it was not.
func (s *Store) listed(name string) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold != nil || s.doc == nil || s.asked.IsZero() {
		return nil
	}
	if e := s.doc.find(name); e != nil && e.Tag != "" {
		return e
	}
	return nil
}

func (s *Store) absent(name string) error {
	return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Newest says which version the document has.
func (s *Store) Newest(ctx context.Context) (state.Version, error) {
	doc, _, err := s.current(ctx)
	if err != nil {
		return state.Version{}, err
	}
	if len(doc.Versions) == 0 {
		return state.Version{}, s.absent(s.Name(0))
	}
	return doc.newest(), nil
}

// Open reads a version out of the document.
func (s *Store) Open(ctx context.Context, older int) (io.ReadCloser, error) {
	doc, _, err := s.current(ctx)
	if err != nil {
		return nil, err
	}
	if older >= len(doc.Versions) {
		return nil, s.absent(s.Name(older))
	}
	text := doc.Versions[older].Text
	return store.NewReader(func() ([]byte, error) {
		part := text
		if text = nil; len(part) == 0 {
			return nil, io.EOF
		}
		return part, nil
	}, nil)
}

// Forget does nothing: the document has the newest two versions.
func (s *Store) Forget(context.Context, int64) error { return nil }

// packed returns what write writes as frames of zstd.
func packed(write func(io.Writer) error) ([]byte, error) {
	var text bytes.Buffer
	w, err := store.NewWriter(func(part []byte) error {
		text.Write(part)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := write(w); err != nil {
		w.Abort()
		return nil, err
	}
	err = w.Close()
	return text.Bytes(), err
}

// Commit writes the document with a version more, and what was collected beside it.
func (s *Store) Commit(ctx context.Context, after state.Version, write func(io.Writer) (state.Version, error), ready func() error) error {
	h, err := s.held()
	if err != nil {
		return err
	}
	var next version
	next.Text, err = packed(func(w io.Writer) error {
		v, err := write(w)
		next.Lineage, next.Serial, next.Sum = v.Lineage, v.Serial, v.Sum
		return err
	})
	if err != nil {
		return err
	}
	if err := s.unchanged(ctx, h, after); err != nil {
		return err
	}
	if err := ready(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.push(ctx, h, &next)
}

// unchanged is an error if the server has another version than after, or anything else
// than what was read when the lock was taken, or written since.
func (s *Store) unchanged(ctx context.Context, h *hold, after state.Version) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	doc, err := s.compare(ctx, h)
	if err == nil && doc.newest() != after {
		return state.ErrOvertaken
	}
	return err
}

// compare reads the document, which is another one than the present one if somebody has
// broken the lock: then it returns a [*state.LostError], too. Not every server sees to it
// that only who has the lock writes. The caller has mu.
func (s *Store) compare(ctx context.Context, h *hold) (*document, error) {
	doc, etag, err := s.fetch(ctx, s.doc, s.etag)
	if err != nil {
		return nil, err
	}
	if late := h.work.late(); late.Serial > 0 && doc.revision() == late {
		s.adopt(doc, etag)
	}
	if doc.revision() != s.doc.revision() {
		return doc, h.lose()
	}
	s.etag = etag
	return doc, nil
}

// compose returns the document that comes after the present one. The caller has mu.
func (s *Store) compose(ctx context.Context, h *hold, add *version) (*document, error) {
	next := &document{Serial: s.doc.Serial + 1, Lineage: s.doc.Lineage, Versions: s.doc.Versions}
	if add != nil {
		next.Versions = append([]version{*add}, s.doc.Versions[:min(kept-1, len(s.doc.Versions))]...)
	}
	if next.Lineage == "" && add != nil {
		next.Lineage = add.Lineage
	}
	if next.Lineage == "" {
		id := make([]byte, 16)
		if _, err := rand.Read(id); err != nil {
			return nil, err
		}
		next.Lineage = hex.EncodeToString(id)
	}
	mine, err := h.work.entries(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range s.doc.Documents {
		if !h.work.replaces(e.Name) && !slices.ContainsFunc(mine, func(m entry) bool { return m.Name == e.Name }) {
			next.Documents = append(next.Documents, e)
		}
	}
	next.Documents = append(next.Documents, mine...)
	next.seal()
	return next, nil
}

// push writes the document, with a version more if there is one. Where no clear answer
// comes, it looks what the server has. The caller has mu.
func (s *Store) push(ctx context.Context, h *hold, add *version) (failed error) {
	if lost := h.lost.Load(); lost != nil {
		return lost
	}
	dirty := h.work.begin()
	done := false
	defer func() {
		if !done && dirty {
			h.work.touch()
		}
	}()
	late := h.work.late()
	next, err := s.compose(ctx, h, add)
	if err != nil {
		return err
	}
	if err := h.work.sending(s.doc.revision(), next.revision()); err != nil {
		return err
	}
	at := *s.state
	query := at.Query()
	query.Set("ID", h.claim.ID)
	at.RawQuery = query.Encode()
	body := next.encode()
	next.body = sha256.Sum256(body)
	unclear := false // an earlier attempt was not answered, and may be carried out still
	defer func() {
		if access := (*state.AccessError)(nil); unclear && errors.As(failed, &access) {
			access.Unclear = true
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for attempt := 1; ; attempt++ {
		a, err := s.ask(ctx, s.updateMethod, &at, body, "")
		switch {
		case err == nil && a.taken():
			return h.lose()
		case err == nil && !a.ok() && !a.passing() && a.code != http.StatusUnprocessableEntity:
			return s.refused(a)
		case err != nil || a.passing():
			unclear = true
		}
		said := s.failed(err)
		if err == nil {
			said = s.refused(a)
		}
		// Another document than this one may be there, whatever the answer was.
		doc, etag, looked := s.fetchSent(ctx, s.doc, s.etag, next, body)
		switch {
		case looked == nil && doc.revision() == next.revision():
			done = true
			s.adopt(next, etag)
			h.work.sent(next)
			return nil
		case looked == nil && late.Serial > 0 && doc.revision() == late:
			s.adopt(doc, etag)
			err := s.push(ctx, h, add)
			done = err == nil
			return err
		case looked == nil && doc.revision() != s.doc.revision():
			_ = h.lose()
			return state.ErrOvertaken
		case err == nil && a.ok() && looked != nil:
			// It has said that it is there.
			done = true
			s.adopt(next, "")
			h.work.sent(next)
			return nil
		case err == nil && a.ok():
			return s.access(errors.New("the server said that it has written the state, and has what was there before"), "look whether something keeps copies of its answers on the way, and into its log")
		case err == nil && !a.passing(), err != nil && final(err), !s.pause(ctx, attempt):
			// Some servers have no better answer for a lock that somebody else has.
			if s.robbed(ctx, h) {
				return h.lose()
			}
			return said
		}
	}
}
