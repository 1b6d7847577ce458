package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/rollcall-cli/rollcall/internal/store"
)

// setup makes nothing: the bucket is there, or somebody makes it who may. It looks
// whether everything can be done that runs do.
func setup(ctx context.Context, o store.Opening) (store.Setup, error) {
	s, err := open(o)
	if err != nil {
		return store.Setup{}, err
	}
	defer s.Close()
	if _, err := s.list(ctx, versions, ""); err != nil {
		return store.Setup{}, err
	}
	return store.Setup{}, s.probe(ctx)
}

// probe is an error if the service makes an object although it is there already and the
// condition forbids it: then nothing here would hold.
func (s *Store) probe(ctx context.Context) error {
	s.mu.Lock()
	done := s.probed
	s.mu.Unlock()
	if done {
		return nil
	}
	key := "probe/" + rand.Text()
	err := s.put(ctx, key, []byte("a probe\n"), nil, true)
	if err == nil {
		err = s.put(ctx, key, []byte("a second one, which must not be\n"), nil, true)
		if err == nil {
			err = s.unfit("has written an object for the second time")
		}
		if gone := s.remove(context.WithoutCancel(ctx), key); gone != nil && errors.Is(err, errTaken) {
			err = gone
		}
	}
	if !errors.Is(err, errTaken) {
		return err
	}
	s.mu.Lock()
	s.probed = true
	s.mu.Unlock()
	return nil
}

// unfit is the error of a service that does not keep conditions.
func (s *Store) unfit(what string) error {
	return s.access(fmt.Errorf("the service at %s %s, although If-None-Match forbids it: two runs could write the state at the same time", s.host, what),
		"use a service that keeps conditional writes, as Amazon S3 and MinIO do, or the store postgres")
}
