package postfix

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rollcall-cli/rollcall/internal/atomicfile"
	"github.com/rollcall-cli/rollcall/internal/console"
)

// Ledger returns the lineage of the state to which the accounts belong. It reads the
// recipients no further than their header.
func (c *Console) Ledger(ctx context.Context) (string, error) {
	lock, err := c.lock(ctx, false)
	if err != nil {
		return "", err
	}
	defer unlock(lock)
	decided, err := c.decided()
	if err != nil {
		return "", err
	}
	f, err := c.source(recipients, decided.last(recipients))
	if err != nil {
		return "", err
	}
	if f == nil {
		return c.unwritten, nil
	}
	defer f.Close()
	h, err := firstHeader(c.paths[recipients], f)
	if err != nil {
		return "", c.unread(err, adviceOf(err))
	}
	if err := c.foreign(c.paths[recipients], h); err != nil || h == nil {
		return "", err
	}
	return h.ledger, nil
}

// firstHeader returns the header of a source, or nil.
func firstHeader(path string, source io.Reader) (*header, error) {
	lines := bufio.NewReader(source)
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, &atomicfile.Error{Path: path, Line: number, Reason: err.Error(), Advice: "let rollcall read it"}
		}
		if h, wrong := headerOf(path, number, line); h != nil || wrong != nil || err != nil {
			return h, wrong
		}
	}
}

// Claim writes the lineage into the header of the recipients, and nothing else: what
// somebody has edited stays edited, and Postfix has nothing to read again.
//
// Where there is no file of recipients, the lineage goes into the one that is published
// next. A file without rows has Postfix refuse mail for good that it puts off while there
// is none.
func (c *Console) Claim(ctx context.Context, lineage, was string) error {
	lock, err := c.lock(ctx, true)
	if err != nil {
		return err
	}
	defer unlock(lock)
	if err := c.finish(ctx); err != nil {
		return err
	}
	s, err := c.sources(nil)
	if err != nil {
		return err
	}
	f := s.files[recipients]
	if made, err := console.Claimed(c.ledgerOf(f), lineage, was); made || err != nil {
		return err
	}
	bases := c.bases()
	for _, base := range bases {
		if err := c.unchanged(base, s); err != nil {
			return err
		}
	}
	if !f.there {
		c.unwritten = lineage
		return nil
	}
	unclaimed := func(err error, advice string) error {
		return &console.UnclaimedError{Console: c.label, Err: err, Advice: advice}
	}
	claimed, ok := f.claim(c.owner, lineage)
	if !ok {
		return unclaimed(fmt.Errorf("%q cannot stand in the header of %s", lineage, f.path), "restore the state, which has this as its lineage, from a backup")
	}
	if err := c.swap(claimed.text); err != nil {
		return unclaimed(err, "look at the rights and the room in the folder of "+f.path)
	}
	for _, base := range bases {
		base.files[recipients] = claimed
	}
	return nil
}

// ledgerOf returns the lineage that a file of recipients has, or is to have once it is
// there.
func (c *Console) ledgerOf(f *file) string {
	switch {
	case !f.there:
		return c.unwritten
	case f.header == nil:
		return ""
	}
	return f.header.ledger
}

// bases are the snapshots on which changes are made.
func (c *Console) bases() (all []*snapshot) {
	if c.base != nil {
		all = append(all, c.base)
	}
	if c.stage != nil {
		all = append(all, c.stage.base)
	}
	return all
}

// claim returns the file with another lineage in its header. One that has none, and so no
// rows, gets the header of a file that was handed over.
func (f *file) claim(owner, lineage string) (claimed *file, ok bool) {
	h := header{owner: owner}
	if f.header != nil {
		h = *f.header
	}
	h.ledger = lineage
	text := append([]byte{}, f.text[:f.begin]...)
	text = append(append(text, h.String()...), f.text[f.end:]...)
	claimed, err := parse(f.path, text)
	return claimed, err == nil && claimed.header != nil && *claimed.header == h
}

// swap replaces the file of recipients. It keeps its date: the rows are those of its
// index.
func (c *Console) swap(text []byte) error {
	dir, base, err := c.locate(recipients)
	if err != nil {
		return err
	}
	defer dir.Close()
	was, err := dir.Lstat(base)
	if err != nil {
		return err
	}
	name, err := draft(dir, base, text)
	if err == nil {
		err = c.finalize(dir, name, base)
	}
	if err == nil {
		err = dir.Date(name, was.ModTime())
	}
	if err == nil {
		err = dir.Rename(name, base)
	}
	if err != nil {
		c.sweep()
		return err
	}
	dir.Sync()
	return nil
}
