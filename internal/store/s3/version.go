package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"github.com/rollcall-cli/rollcall/internal/store"
	"github.com/rollcall-cli/rollcall/state"
)

const (
	versions = "version/"
	// again is how often something is looked up that others remove meanwhile.
	again = 5
)

// numbered is the name of an object of a chain, without its folder.
func numbered(n int64) string { return fmt.Sprintf("%010d", n) }

// chain returns the numbers of the objects of a chain from one on, rising.
func (s *Store) chain(ctx context.Context, folder string, from int64) (all []int64, err error) {
	after := ""
	if from > 1 {
		after = numbered(from - 1)
	}
	found, err := s.list(ctx, folder, after)
	for i := range found {
		if n, bad := strconv.ParseInt(found[i].Key, 10, 64); bad == nil && n > 0 && numbered(n) == found[i].Key {
			all = append(all, n)
		}
	}
	return all, err
}

// last is the last of numbers that rise; 0 for none.
func last(all []int64) int64 {
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1]
}

// resolved looks at an object of the chain of versions: which number has the version
// that holds there, and what it is. Number 0 is that there is none.
func (s *Store) resolved(ctx context.Context, n int64) (int64, state.Version, error) {
	o, err := s.stat(ctx, versions+numbered(n))
	if err != nil {
		return 0, state.Version{}, err
	}
	if fenced, ok := o.meta[metaFence]; ok {
		if n, err = strconv.ParseInt(fenced, 10, 64); err != nil {
			return 0, state.Version{}, s.access(errors.New("a fence names no version"), "look who else writes to the bucket")
		}
		if n == 0 {
			return 0, state.Version{}, nil
		}
		if o, err = s.stat(ctx, versions+numbered(n)); err != nil {
			return 0, state.Version{}, err
		}
	}
	serial, err := strconv.ParseInt(o.meta[metaSerial], 10, 64)
	if err != nil {
		return 0, state.Version{}, s.access(fmt.Errorf("%s%s%s is not a version", s.prefix, versions, numbered(n)), "look who else writes to the bucket")
	}
	return n, state.Version{Lineage: o.meta[metaLineage], Serial: serial, Sum: o.meta[metaSum]}, nil
}

// newest looks up the end of the chain of versions: the highest number, that of the
// version that holds, and what it is. All are zero where there is none.
func (s *Store) newest(ctx context.Context) (highest, holds int64, v state.Version, err error) {
	for range again {
		all, err := s.end(ctx, versions)
		if highest = last(all); highest == 0 || err != nil {
			return 0, 0, v, err
		}
		holds, v, err = s.resolved(ctx, highest)
		if !errors.Is(err, fs.ErrNotExist) {
			return highest, holds, v, err
		}
	}
	return 0, 0, v, s.changing()
}

// end returns the numbers at the end of a chain, rising, at least the highest; none if
// the chain has none.
func (s *Store) end(ctx context.Context, folder string) ([]int64, error) {
	s.mu.Lock()
	seen := s.seen[folder]
	s.mu.Unlock()
	all, err := s.chain(ctx, folder, seen)
	if err == nil && len(all) == 0 && seen > 0 {
		all, err = s.chain(ctx, folder, 0)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen[folder] = max(s.seen[folder], last(all))
	return all, err
}

// changing is the error of a chain that never stays as it is while it is read.
func (s *Store) changing() error {
	return s.access(errors.New("what was listed is not there any more, again and again"), "look who else writes to the bucket, and whether a rule of it removes objects")
}

// Newest asks which version is the newest.
func (s *Store) Newest(ctx context.Context) (state.Version, error) {
	_, holds, v, err := s.newest(ctx)
	if err == nil && holds == 0 {
		err = s.nothing()
	}
	return v, err
}

func (s *Store) nothing() error {
	return &fs.PathError{Op: "open", Path: s.Name(0), Err: fs.ErrNotExist}
}

// newer returns the numbers of the newest versions, without fences, falling.
func (s *Store) newer(ctx context.Context, many int) (all, real []int64, err error) {
	for range again {
		if all, err = s.chain(ctx, versions, 0); err != nil {
			return nil, nil, err
		}
		real = nil
		for i := len(all) - 1; i >= 0 && len(real) < many; i-- {
			if n := len(real); n > 0 && all[i] >= real[n-1] {
				continue // a fence has led below it
			}
			var holds int64
			if holds, _, err = s.resolved(ctx, all[i]); err != nil || holds == 0 {
				break
			}
			if n := len(real); n == 0 || holds < real[n-1] {
				real = append(real, holds)
			}
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return all, real, err
		}
	}
	return nil, nil, s.changing()
}

// real returns the number of a version, older as for Open; of the newest that of the fence
// behind it, if there is one.
func (s *Store) real(ctx context.Context, older int) (number int64, err error) {
	if older == 0 {
		var all []int64
		all, err = s.end(ctx, versions)
		number = last(all)
	} else {
		var real []int64
		if _, real, err = s.newer(ctx, older+1); len(real) > older {
			number = real[older]
		}
	}
	if err == nil && number == 0 {
		err = s.nothing()
	}
	return number, err
}

// Open reads a version.
func (s *Store) Open(ctx context.Context, older int) (io.ReadCloser, error) {
	for range again {
		number, err := s.real(ctx, older)
		if err != nil {
			return nil, err
		}
		b := &body{s: s, ctx: ctx, key: versions + numbered(number)}
		if err = b.begin(); err == nil && b.meta[metaFence] != "" {
			b.close()
			if number, err = strconv.ParseInt(b.meta[metaFence], 10, 64); err == nil && number == 0 {
				return nil, s.nothing()
			}
			b = &body{s: s, ctx: ctx, key: versions + numbered(number)}
			err = b.begin()
		}
		if err == nil {
			return store.NewReader(b.next, b.close)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return nil, s.changing()
}

// body is the content of an object, part by part. Where the connection breaks it goes on
// with another one.
type body struct {
	s   *Store
	ctx context.Context
	key string

	object
	at   int64
	r    io.ReadCloser
	part []byte
}

// begin opens the object where it has been read to.
func (b *body) begin() error {
	err := b.s.try(b.ctx, 0, func(context.Context) error {
		// What is read lasts longer than the attempt.
		r, o, err := b.s.open(b.ctx, b.key, b.tag, b.at)
		if err == nil && b.r == nil && b.part == nil {
			b.object = o
		}
		b.r = r
		return err
	})
	if b.part == nil {
		b.part = make([]byte, store.PartSize)
	}
	return b.s.failed(err)
}

func (b *body) next() ([]byte, error) {
	if b.at == b.size {
		return nil, io.EOF
	}
	var err error
	for range again {
		if b.r == nil {
			if err := b.begin(); err != nil {
				return nil, err
			}
		}
		var got int
		got, err = io.ReadFull(b.r, b.part[:min(int64(len(b.part)), b.size-b.at)])
		b.at += int64(got)
		if err != nil {
			b.r.Close()
			b.r = nil
		}
		if got > 0 {
			return b.part[:got], nil
		}
		if b.ctx.Err() != nil {
			break
		}
	}
	return nil, b.s.failed(err)
}

func (b *body) close() error {
	if b.r == nil {
		return nil
	}
	return b.r.Close()
}

// Commit uploads a version with the number that comes next. That is found out before the
// lock is seen to be held. So whoever gets the lock after that either finds the version,
// or makes a fence of this number first.
func (s *Store) Commit(ctx context.Context, after state.Version, write func(io.Writer) (state.Version, error), ready func() error) error {
	if _, err := s.leased(ctx); err != nil {
		return err
	}
	var text bytes.Buffer
	w, err := store.NewWriter(func(part []byte) error {
		_, err := text.Write(part)
		return err
	})
	if err != nil {
		return err
	}
	next, err := write(w)
	if err != nil {
		w.Abort()
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	highest, _, now, err := s.newest(ctx)
	if err != nil {
		return err
	}
	if now != after {
		return state.ErrOvertaken
	}
	if err := ready(); err != nil {
		return err
	}
	l, err := s.held(ctx)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	number := highest + 1
	err = s.put(ctx, versions+numbered(number), text.Bytes(), map[string]string{
		metaLineage: next.Lineage, metaSerial: strconv.FormatInt(next.Serial, 10), metaSum: next.Sum,
	}, true)
	if errors.Is(err, errTaken) {
		if err := l.confirm(ctx); err != nil {
			return err
		}
		return state.ErrOvertaken
	}
	if err != nil {
		l.unclear.Store(true)
		if access := (*state.AccessError)(nil); errors.As(err, &access) {
			access.Unclear = true
		}
		return err
	}
	all, err := s.end(ctx, versions)
	if err != nil || last(all) == number {
		return err
	}
	// It may be behind a fence.
	_, holds, _, err := s.newest(ctx)
	if err == nil && holds != number {
		err = l.lose() // to somebody who has written since
	}
	return err
}

// fence keeps off what the holder of the lock before may have sent to make another
// version the newest.
func (s *Store) fence(ctx context.Context) error {
	for range again {
		highest, holds, _, err := s.newest(ctx)
		if err != nil {
			return err
		}
		err = s.put(ctx, versions+numbered(highest+1), []byte("a fence\n"), map[string]string{metaFence: strconv.FormatInt(holds, 10)}, true)
		if err != nil && !errors.Is(err, errTaken) {
			return err
		}
		if err != nil {
			continue
		}
		if all, err := s.end(ctx, versions); err != nil || last(all) == highest+1 {
			return err
		}
	}
	return s.changing()
}

// Forget removes old versions, and the fences among them.
func (s *Store) Forget(ctx context.Context, below int64) error {
	if _, err := s.held(ctx); err != nil {
		return err
	}
	all, real, err := s.newer(ctx, 2)
	if err != nil || len(real) < 2 {
		return err
	}
	var gone []string
	for _, n := range all {
		if n >= real[1] {
			break
		}
		_, v, err := s.resolved(ctx, n)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // a fence whose version is gone
		}
		if err != nil {
			return err
		}
		if v.Serial >= below {
			break
		}
		gone = append(gone, versions+numbered(n))
	}
	return s.remove(ctx, gone...)
}
