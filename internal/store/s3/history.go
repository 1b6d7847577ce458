package s3

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"

	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/state"
)

const (
	records  = "history/"
	notes    = "note/"
	journals = "journal/"
	// partial is the length from which a part is written although nobody has asked for it.
	partial = 4 * store.PartSize
	// Parts that follow each other are fetched together, as many as these at a time and
	// octets at most.
	together = 32
	small    = 8 << 20
)

// History returns the records and the notes.
func (s *Store) History() state.History { return history{s} }

type history struct{ s *Store }

// journal is a record that goes on.
type journal struct {
	folder string // the newest that counts
	parts  []part
}

// part is a part of a record, an object of its own.
type part struct {
	store.Part
	key  string
	size int64
}

func partName(folder string, at, length int64) string {
	return fmt.Sprintf("%s/%020d-%d", folder, at, length)
}

// journals returns the records that go on, by their names. A folder counts from when
// the part is there with which a record begins, which is written last of what is copied
// from another one.
func (s *Store) journals(ctx context.Context, name string) (map[string]*journal, error) {
	found, err := s.list(ctx, journals+name, "")
	if err != nil {
		return nil, err
	}
	all := map[string]*journal{}
	folders := map[string][]part{} // by the name of the record and that of the folder
	for i := range found {
		folder, file := cut(name + found[i].Key)
		at, length, _ := strings.Cut(file, "-")
		var p part
		var bad [2]error
		p.At, bad[0] = strconv.ParseInt(at, 10, 64)
		p.Length, bad[1] = strconv.ParseInt(length, 10, 64)
		if errors.Join(bad[:]...) != nil {
			continue
		}
		p.key, p.size = journals+folder+"/"+file, found[i].Size
		folders[folder] = append(folders[folder], p)
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		record, _ := cut(folder)
		if parts := follow(folders[folder]); parts != nil {
			all[record] = &journal{folder, parts}
		}
	}
	return all, nil
}

// cut cuts a path before its last name.
func cut(path string) (folder, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(0, i)], path[i+1:]
}

// follow returns the parts of a record in their order; nil where there is no beginning.
// A part may have been written once more when it was longer, because the first time was
// not answered. One that is missing is found out by who reads.
func follow(all []part) (parts []part) {
	slices.SortFunc(all, func(a, b part) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(b.Length, a.Length))
	})
	if all[0].At > 0 {
		return nil
	}
	parts = all[:1]
	for _, p := range all[1:] {
		if before := parts[len(parts)-1]; p.Length > 0 && p.At >= before.At+before.Length {
			parts = append(parts, p)
		}
	}
	return parts
}

func (h history) List(ctx context.Context) (all []state.Listed, err error) {
	s := h.s
	var ended, kept []minio.ObjectInfo
	var open map[string]*journal
	var failed [3]error
	var group sync.WaitGroup
	// What is ended is listed after what goes on, so that it is in one of them.
	group.Go(func() {
		if open, failed[0] = s.journals(ctx, ""); failed[0] == nil {
			ended, failed[1] = s.list(ctx, records, "")
		}
	})
	group.Go(func() { kept, failed[2] = s.list(ctx, notes, "") })
	group.Wait()
	if err := errors.Join(failed[:]...); err != nil {
		return nil, err
	}
	for i := range ended {
		all = append(all, state.Listed{Name: ended[i].Key, Tag: tag(ended[i].ETag)})
		delete(open, ended[i].Key)
	}
	for i := range kept {
		all = append(all, state.Listed{Name: kept[i].Key})
	}
	for name := range open {
		all = append(all, state.Listed{Name: name})
	}
	return all, nil
}

// tag is an ETag, of its letters and digits alone.
func tag(etag string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, etag)
}

func (h history) Open(ctx context.Context, name string) (state.Document, error) {
	for _, folder := range []string{records, notes} {
		d, err := h.whole(ctx, folder, name)
		if !errors.Is(err, fs.ErrNotExist) {
			return d, err
		}
	}
	open, err := h.s.journals(ctx, name+"/")
	if err != nil {
		return nil, err
	}
	if j := open[name]; j != nil {
		return h.open(ctx, name, j), nil
	}
	// It may have ended meanwhile.
	d, err := h.whole(ctx, records, name)
	if errors.Is(err, fs.ErrNotExist) {
		err = &fs.PathError{Op: "open", Path: name + " of " + h.s.Name(0), Err: fs.ErrNotExist}
	}
	return d, err
}

// open returns the document of a record that goes on.
func (h history) open(ctx context.Context, name string, j *journal) state.Document {
	var parts []store.Part
	for _, p := range j.parts {
		parts = append(parts, p.Part)
	}
	read := map[int][]byte{}
	return store.NewDocument(name+" of "+h.s.Name(0), parts, func(i int) ([]byte, error) {
		if read[i] == nil {
			var err error
			if read, err = h.fetch(ctx, j.parts, i); err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					return h.ended(ctx, name, parts[i])
				}
				return nil, err
			}
		}
		return store.Decompress(read[i])
	})
}

// fetch reads parts from one on, some beside each other.
func (h history) fetch(ctx context.Context, parts []part, from int) (map[int][]byte, error) {
	to, size := from+1, parts[from].size
	for to < len(parts) && to < from+together && size+parts[to].size <= small {
		size += parts[to].size
		to++
	}
	read := make([][]byte, to-from)
	failed := make([]error, to-from)
	var group sync.WaitGroup
	for i := range read {
		group.Go(func() { read[i], _, failed[i] = h.s.get(ctx, parts[from+i].key) })
	}
	group.Wait()
	if failed[0] != nil {
		return nil, failed[0]
	}
	all := map[int][]byte{}
	for i := range read {
		if failed[i] == nil {
			all[from+i] = read[i]
		}
	}
	return all, nil
}

// ended returns what a part said of a record that has ended while it was read.
func (h history) ended(ctx context.Context, name string, p store.Part) ([]byte, error) {
	d, err := h.whole(ctx, records, name)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	text := make([]byte, p.Length)
	if _, err = d.Seek(p.At, io.SeekStart); err == nil {
		_, err = io.ReadFull(d, text)
	}
	return text, err
}

// whole opens a document that is one object.
func (h history) whole(ctx context.Context, folder, name string) (state.Document, error) {
	d := &document{name: name + " of " + h.s.Name(0), body: &body{s: h.s, ctx: ctx, key: folder + name}}
	if err := d.body.begin(); err != nil {
		return nil, err
	}
	var err error
	if d.length, err = strconv.ParseInt(d.body.meta[metaLength], 10, 64); err != nil {
		d.Close()
		return nil, h.s.access(fmt.Errorf("%s%s%s is not a document", h.s.prefix, folder, name), "look who else writes to the bucket")
	}
	return d, nil
}

// document is one object that is read as it comes. Who goes back in it begins anew.
type document struct {
	name   string
	body   *body
	length int64
	at     int64

	text io.ReadCloser // of body
	read int64         // of text
}

func (d *document) Name() string { return d.name }

func (d *document) Close() error {
	if d.text != nil {
		d.text.Close()
	}
	return d.body.close()
}

func (d *document) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += d.at
	case io.SeekEnd:
		offset += d.length
	}
	if offset < 0 {
		return d.at, errors.New("an offset before the beginning")
	}
	d.at = offset
	return offset, nil
}

func (d *document) Read(b []byte) (int, error) {
	if d.at >= d.length {
		return 0, io.EOF
	}
	if d.text != nil && d.at < d.read {
		d.text.Close()
		d.text, d.read = nil, 0
		d.body.close()
		d.body.at, d.body.r = 0, nil
	}
	if d.text == nil {
		text, err := store.NewReader(d.body.next, nil)
		if err != nil {
			return 0, err
		}
		d.text = text
	}
	if d.at > d.read {
		n, err := io.CopyN(io.Discard, d.text, d.at-d.read)
		d.read += n
		if err != nil {
			return 0, short(err)
		}
	}
	n, err := d.text.Read(b[:min(int64(len(b)), d.length-d.at)])
	d.at += int64(n)
	d.read += int64(n)
	if n > 0 {
		err = nil
	}
	return n, short(err)
}

// short makes an error of an end that comes too early.
func short(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (h history) Append(ctx context.Context, name string, length int64) (state.Log, error) {
	s := h.s
	l, err := s.held(ctx)
	if err != nil {
		return nil, err
	}
	d, err := h.Open(ctx, name)
	switch {
	case err == nil && length < 0:
		d.Close()
		return nil, &fs.PathError{Op: "create", Path: name + " of " + s.Name(0), Err: fs.ErrExist}
	case length < 0 && errors.Is(err, fs.ErrNotExist):
		return &log{s: s, lock: l, ctx: ctx, name: name, folder: l.folder(name)}, nil
	case err != nil:
		return nil, err
	}
	defer d.Close()
	w := &log{s: s, lock: l, ctx: ctx, name: name, folder: l.folder(name)}
	if err := w.copy(d, length); err != nil {
		return nil, err
	}
	// From now on this folder is what counts.
	if err := l.confirm(ctx); err != nil {
		return nil, err
	}
	if _, one := d.(*document); one {
		if err := s.remove(ctx, records+name); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// folder returns a new folder for parts of a record.
func (l *lock) folder(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.folders++
	return fmt.Sprintf("%s%s/%s-%04d", journals, name, numbered(l.taken), l.folders)
}

// log is a record that is written: what was written is a part from when it is synced, or
// long.
type log struct {
	s      *Store
	lock   *lock
	ctx    context.Context
	name   string
	folder string
	at     int64 // where the next part begins
	buf    bytes.Buffer
	frames bytes.Buffer // all parts, as they are stored
}

// copy writes the beginning of a document, the first part of it last.
func (l *log) copy(d io.Reader, length int64) error {
	var parts [][]byte
	text := make([]byte, min(partial, length))
	for at := int64(0); at < length || at == 0; at += partial {
		text = text[:min(partial, length-at)]
		if _, err := io.ReadFull(d, text); err != nil {
			return short(err)
		}
		parts = append(parts, store.Compress(text))
		l.frames.Write(parts[len(parts)-1])
	}
	for i, part := range slices.Backward(parts) {
		at := int64(i) * partial
		if err := l.s.put(l.ctx, partName(l.folder, at, min(partial, length-at)), part, nil, true); err != nil {
			return err
		}
	}
	l.at = length
	return nil
}

func (l *log) Write(text []byte) (int, error) {
	l.buf.Write(text)
	if l.buf.Len() >= partial {
		return len(text), l.Sync()
	}
	return len(text), nil
}

// Sync writes a part, and is an error unless the lock is held after that: nobody who
// gets the lock later overlooks it.
func (l *log) Sync() error {
	if l.buf.Len() == 0 {
		return nil
	}
	ctx := context.WithoutCancel(l.ctx)
	if lock, err := l.s.leased(ctx); err != nil || lock != l.lock {
		return errors.Join(err, l.lock.lose())
	}
	data := store.Compress(l.buf.Bytes())
	if err := l.s.put(ctx, partName(l.folder, l.at, int64(l.buf.Len())), data, nil, true); err != nil {
		return err
	}
	if err := l.lock.confirm(ctx); err != nil {
		return err
	}
	l.at += int64(l.buf.Len())
	l.frames.Write(data)
	l.buf.Reset()
	return nil
}

// Finish makes one object of the parts.
func (l *log) Finish() error {
	if err := l.Sync(); err != nil {
		return err
	}
	ctx := context.WithoutCancel(l.ctx)
	if _, err := l.s.held(ctx); err != nil {
		return err
	}
	meta := map[string]string{metaLength: strconv.FormatInt(l.at, 10)}
	err := l.s.put(ctx, records+l.name, l.frames.Bytes(), meta, true)
	if errors.Is(err, errTaken) {
		// Who had the lock before has ended the record, too late.
		err = l.s.put(ctx, records+l.name, l.frames.Bytes(), meta, false)
	}
	if err != nil {
		return err
	}
	_ = history{l.s}.tidy(ctx, l.name) // nobody reads the parts any more
	return nil
}

// tidy removes the parts of records.
func (h history) tidy(ctx context.Context, names ...string) error {
	folder := ""
	if len(names) == 1 {
		folder = names[0] + "/"
	}
	found, err := h.s.list(ctx, journals+folder, "")
	var gone []string
	for i := range found {
		key := folder + found[i].Key
		if name, _, _ := strings.Cut(key, "/"); slices.Contains(names, name) {
			gone = append(gone, journals+key)
		}
	}
	if err == nil {
		err = h.s.remove(ctx, gone...)
	}
	return err
}

func (l *log) Close() error { return nil }

func (h history) Replace(ctx context.Context, name string, write func(io.Writer) error) error {
	var text bytes.Buffer
	if err := write(&text); err != nil {
		return err
	}
	if _, err := h.s.held(ctx); err != nil {
		return err
	}
	return h.s.put(ctx, notes+name, store.Compress(text.Bytes()), map[string]string{metaLength: strconv.Itoa(text.Len())}, false)
}

func (h history) Remove(ctx context.Context, names ...string) error {
	if _, err := h.s.held(ctx); err != nil {
		return err
	}
	if err := h.tidy(ctx, names...); err != nil {
		return err
	}
	var gone []string
	for _, name := range names {
		gone = append(gone, records+name, notes+name)
	}
	return h.s.remove(ctx, gone...)
}
