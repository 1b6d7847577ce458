package main

import (
	"path/filepath"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	channels "github.com/rollcall-cli/rollcall/internal/channel/all"
	consoles "github.com/rollcall-cli/rollcall/internal/console/all"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/directory/all"
	"github.com/rollcall-cli/rollcall/internal/directory/ldif"
	"github.com/rollcall-cli/rollcall/internal/render"
	stores "github.com/rollcall-cli/rollcall/internal/store/all"
)

// knownKinds are what the configuration may say of each block that has a kind.
var knownKinds = config.Kinds{Consoles: consoles.Settings(), Directories: all.Settings(), Channels: channels.Settings(), Stores: stores.Settings()}

// reader returns what reads the directories of these labels, or a snapshot of
// them unless that is "".
func (s *session) reader(cfg *config.Config, labels []string, snapshot string, progress *render.Progress) (*directory.Reader, error) {
	r := &directory.Reader{Progress: s.reads(progress)}
	for i := range cfg.Directories {
		if d := &cfg.Directories[i]; slices.Contains(labels, d.Name) {
			opened, err := s.open(cfg, d, snapshot)
			if err != nil {
				return nil, err
			}
			r.Directories = append(r.Directories, opened)
		}
	}
	return r, nil
}

// reads shows how far a read is.
func (s *session) reads(progress *render.Progress) func(directory.Progress) {
	return func(p directory.Progress) {
		from := p.From
		if p.Doing != "" {
			from += " (" + s.said(p.Doing) + ")"
		}
		progress.Update("reading "+p.Directory+" from "+from, "objects", p.Objects)
	}
}

// open returns a directory that can be read, or its snapshot.
func (s *session) open(cfg *config.Config, d *config.Directory, snapshot string) (directory.Directory, error) {
	of := directoryOf(cfg, d)
	err := s.openFrom(&of, cfg, d, snapshot)
	return of, err
}

// openFrom gives a directory its source: what is declared, a copy of it, or a
// snapshot. The files are kept from outputs.
func (s *session) openFrom(of *directory.Directory, cfg *config.Config, d *config.Directory, snapshot string) (err error) {
	switch copied := s.copies[of.SavedAs]; {
	case snapshot != "":
		path := snapshotPath(snapshot, of.SavedAs)
		of.Source, of.Snapshot = ldif.New(d.Name, []string{path}), filepath.Join(filepath.Base(snapshot), filepath.Base(path))
	case copied != nil:
		of.Source = copied
	default:
		of.Source, err = of.Kind.Open(directory.Opening{
			Settings: d.Settings, Domains: ownDomains(&cfg.Rules), Release: release,
			Log: func(line string) { s.note("directory %q: %s", d.Name, s.said(line)) },
		})
		if err != nil {
			return err
		}
	}
	if filed, ok := of.Source.(directory.Filed); ok {
		if paths, err := filed.Files(); err == nil {
			s.inputs = append(s.inputs, paths...)
		}
	}
	return nil
}

// directories returns all directories that are declared, unopened.
func directories(cfg *config.Config) (declared []directory.Directory) {
	for i := range cfg.Directories {
		declared = append(declared, directoryOf(cfg, &cfg.Directories[i]))
	}
	return declared
}

func directoryOf(cfg *config.Config, d *config.Directory) directory.Directory {
	return directory.Directory{Name: d.Name, SavedAs: d.Name, Kind: all.Kind(d.Kind), Scopes: directoryScopes(cfg, d)}
}

// directoryScopes returns the scopes of a directory in declared order.
func directoryScopes(cfg *config.Config, d *config.Directory) []directory.Scope {
	var scopes []directory.Scope
	for i := range cfg.Scopes {
		if c := &cfg.Scopes[i]; c.Directory == d.Name {
			scope := directoryScope(c, int32(i))
			if all.Kind(d.Kind).Keys {
				scope.Keyspace = d.Name
			}
			scopes = append(scopes, scope)
		}
	}
	return scopes
}

func directoryScope(c *config.Scope, index int32) directory.Scope {
	scope := directory.Scope{
		Index: index, Name: c.Name, Base: c.BaseDN, Filter: c.Filter,
		PrimaryAttribute: c.PrimaryAttribute, AliasAttributes: c.AliasAttributes,
		UsernameAttribute: c.UsernameAttribute, GUIDAttribute: c.GUIDAttribute,
		Type: directory.EntryType(c.Type), SkipDisabled: c.Disabled == config.DisabledInactive, Named: c.Named,
	}
	for _, a := range c.Attributes {
		scope.Attributes = append(scope.Attributes, directory.Attribute{Name: a.Name, Source: a.Source})
	}
	return scope
}
