package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/state"
)

// lookUp returns the object of a directory that scopes read a GUID of, or nil if
// there is none. One that was deleted is none.
func (s *session) lookUp(cfg *config.Config, of *config.Directory, guid identity.GUID) (*directory.Found, error) {
	d, err := s.open(cfg, of, "")
	if err != nil {
		return nil, err
	}
	finder, ok := d.Source.(directory.Finder)
	if !ok {
		return nil, fmt.Errorf("directory %q cannot be asked for one object", d.Name)
	}
	found, err := await(s, func() (directory.Findings, error) {
		return finder.Find(s.ctx, directory.Query{GUID: guid, Kind: d.Kind.Name}, d.Scopes)
	})
	if s.ctx.Err() != nil {
		return nil, context.Canceled
	}
	if err != nil {
		return nil, err
	}
	for i := range found.Objects {
		o := &found.Objects[i]
		reads := func(v directory.Verdict) bool { return v.GUID == guid }
		if !o.Deleted && (len(d.Scopes) == 0 || slices.ContainsFunc(o.Verdicts, reads)) {
			return o, nil
		}
	}
	for _, note := range found.Notes { // where it may be nevertheless
		s.note("directory %q: %s", d.Name, note)
	}
	return nil, nil
}

// declared returns a directory of the configuration, or nil.
func declared(cfg *config.Config, name string) *config.Directory {
	for i := range cfg.Directories {
		if cfg.Directories[i].Name == name {
			return &cfg.Directories[i]
		}
	}
	return nil
}

const unchecked = "check the GUID, or give --unchecked if the directory will have it"

// in returns the GUID that was given, as that of an object of a directory.
func (c *stateRebindCommand) in(cfg *config.Config, name string) (identity.GUID, error) {
	if d := declared(cfg, name); d != nil {
		for _, scope := range directoryScopes(cfg, d) {
			if guid, err := scope.ParseGUID(c.GUID); err == nil {
				return guid, nil
			}
		}
	}
	guid, err := identity.ParseGUID(c.GUID)
	if err != nil {
		return guid, usageError{fmt.Errorf("%q: %w", c.GUID, err)}
	}
	return guid, nil
}

// understood fails where what was given is no GUID in any directory.
func (c *stateRebindCommand) understood(cfg *config.Config) (err error) {
	for i := range cfg.Directories {
		if _, err = c.in(cfg, cfg.Directories[i].Name); err == nil {
			return nil
		}
	}
	return err
}

// owner finds out which directory has the GUID that an account is to get:
//
//	--directory  the account      asked
//	given        any              that directory
//	             of a directory   its own
//	             local            all that are declared; one of them must have it
func (c *stateRebindCommand) owner(s *session, cfg *config.Config, a *identity.Account) (owner string, guid identity.GUID, err error) {
	var names []string
	switch {
	case c.Directory != "":
		if _, err := wantedDirectories(cfg, []string{c.Directory}); err != nil {
			return "", guid, err
		}
		names = []string{c.Directory}
	case !a.Local():
		names = []string{a.Directory}
	default:
		names, _ = wantedDirectories(cfg, nil)
	}
	if c.Unchecked {
		if len(names) > 1 {
			return "", guid, usageError{fmt.Errorf("account %s is local; name the directory that has the GUID with --directory; available: %s", a.Primary, strings.Join(names, ", "))}
		}
		guid, err = c.in(cfg, names[0])
		return names[0], guid, err
	}
	var asked, having []string
	for _, name := range names {
		its, failed := c.in(cfg, name)
		if failed != nil {
			err = failed // unless another one knows such texts
			continue
		}
		asked = append(asked, name)
		d := declared(cfg, name)
		if d == nil {
			return "", guid, hinted{fmt.Errorf("directory %q is not declared and cannot be asked for the GUID", name), "give --directory with the one that has it, or --unchecked"}
		}
		found, err := s.lookUp(cfg, d, its)
		if err != nil {
			return "", guid, hinted{fmt.Errorf("ask for the GUID: %w", err), strings.TrimPrefix(directory.HintOf(err)+"; or give --unchecked", "; or ")}
		}
		if found == nil {
			continue
		}
		having, guid = append(having, name), its
		if !slices.ContainsFunc(found.Verdicts, func(v directory.Verdict) bool { return v.Taken }) {
			s.warn("directory %q has this GUID at %s, which no scope reads as an entry: account %s will have no directory entry", name, found.DN, a.Primary)
		}
	}
	shown := s.mask.Name(c.GUID)
	if given, err := identity.ParseGUID(c.GUID); err == nil {
		shown = given.String()
	}
	switch {
	case len(having) == 1:
		return having[0], guid, nil
	case len(having) > 1:
		return "", guid, usageError{fmt.Errorf("several directories have GUID %s; choose one with --directory: %s", shown, strings.Join(having, ", "))}
	case len(asked) == 0:
		return "", guid, err
	case len(asked) == 1:
		return "", guid, hinted{fmt.Errorf("directory %q has no object with GUID %s", asked[0], shown), unchecked}
	}
	return "", guid, hinted{fmt.Errorf("no directory has an object with GUID %s: %s were asked", shown, strings.Join(asked, ", ")), unchecked}
}

// strange warns of a directory that does not know the GUIDs by which it is to own
// accounts, as far as a few of them show: then they are likely others than those
// of its objects. What cannot be asked is reported, and is in nobody's way.
func (s *session) strange(cfg *config.Config, repairs []state.Repair) error {
	const most = 3
	asked := map[string]int{}
	settled := map[string]bool{} // directories that know one, or cannot be asked
	for _, r := range repairs {
		d := declared(cfg, r.Directory)
		if d == nil || asked[r.Directory] == most || settled[r.Directory] {
			continue
		}
		found, err := s.lookUp(cfg, d, r.New)
		switch {
		case errors.Is(err, context.Canceled):
			return err
		case err != nil:
			s.note("could not check the GUIDs: %v", err)
		}
		asked[r.Directory]++
		settled[r.Directory] = err != nil || found != nil
	}
	for i := range cfg.Directories {
		name := cfg.Directories[i].Name
		if n := asked[name]; n > 0 && !settled[name] {
			of := "the GUID that was looked up"
			if n > 1 {
				of = fmt.Sprintf("any of the first %d of these GUIDs", n)
			}
			s.warn("directory %q has no object with %s: they may be those of mailboxes, as ExchangeGuid is, or of Exchange Online; "+
				"accounts with GUIDs that no entry has are treated as leavers", name, of)
		}
	}
	return nil
}
