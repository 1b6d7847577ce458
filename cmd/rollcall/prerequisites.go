package main

import (
	"fmt"
	"slices"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/plan"
)

// listed says how what another system lists is read. A GUID is read as each of the
// directories has it whose entries wait.
func listed(cfg *config.Config, rule *plan.Prerequisite) (reads []directory.Value) {
	switch rule.Match {
	case plan.MatchUsername:
		return []directory.Value{directory.TextValue}
	case plan.MatchPrimary, plan.MatchAddress:
		return []directory.Value{directory.AddressValue}
	}
	seen := map[string]bool{}
	for i := range cfg.Directories {
		for _, scope := range directoryScopes(cfg, &cfg.Directories[i]) {
			if scope.GUIDAttribute == "" {
				scope.Keyspace = ""
			}
			if slices.Contains(rule.Scopes, scope.Name) && !seen[scope.Keyspace] {
				seen[scope.Keyspace] = true
				reads = append(reads, directory.GUIDValue(scope.Keyspace))
			}
		}
	}
	return reads
}

// prerequisites returns what other systems list, and the receipts. All of it is read
// in every run.
func (s *session) prerequisites(cfg *config.Config, snapshot string, progress *render.Progress) ([]plan.PrerequisiteValues, []plan.PrerequisiteReceipt, error) {
	reader, err := s.prerequisiteReader(cfg, snapshot, progress)
	if err != nil {
		return nil, nil, err
	}
	return s.listings(cfg, reader)
}

// prerequisiteReader returns what reads the prerequisites, in their order.
func (s *session) prerequisiteReader(cfg *config.Config, snapshot string, progress *render.Progress) (*directory.Reader, error) {
	r := &directory.Reader{Progress: s.reads(progress)}
	for i := range cfg.Prerequisites {
		opened, err := s.openPrerequisite(cfg, &cfg.Prerequisites[i], snapshot)
		if err != nil {
			return nil, err
		}
		r.Directories = append(r.Directories, opened)
	}
	return r, nil
}

// listings reads the directories of the prerequisites, which are in their order.
func (s *session) listings(cfg *config.Config, reader *directory.Reader) (values []plan.PrerequisiteValues, receipts []plan.PrerequisiteReceipt, err error) {
	domains := plan.NewDomains(cfg.Rules.Domains)
	var lister *directory.Lister
	err = reader.Objects(s.ctx, func(d *directory.Directory) (directory.Sink, error) {
		lister = directory.NewLister(&d.Scopes[0], listed(cfg, &cfg.Rules.Prerequisites[len(values)])...)
		return lister, nil
	}, func(d *directory.Directory, read identity.Receipt) error {
		rule := &cfg.Rules.Prerequisites[len(values)]
		its := rule.Match.Values(lister.Values(), domains)
		values = append(values, its)
		receipts = append(receipts, plan.PrerequisiteReceipt{
			Name: rule.Label, Directory: rule.Directory, Attribute: rule.Attribute, Server: d.Receipt(read).Server,
			Scanned: read.Scanned, Listed: its.Len(), Seconds: read.Seconds, Expiries: read.Expiries,
		})
		return nil
	})
	return values, receipts, err
}

// openPrerequisite returns the directory of a prerequisite, with what is read of it
// as its one scope, or the snapshot of that.
func (s *session) openPrerequisite(cfg *config.Config, p *config.Prerequisite, snapshot string) (directory.Directory, error) {
	d := declared(cfg, p.Directory)
	of := directoryOf(cfg, d)
	of.SavedAs, of.Scopes = p.SnapshotName(), []directory.Scope{prerequisiteScope(p)}
	err := s.openFrom(&of, cfg, d, snapshot)
	return of, err
}

func prerequisiteScope(p *config.Prerequisite) directory.Scope {
	return directory.Scope{Name: p.Name, Base: p.BaseDN, Filter: p.Filter, PrimaryAttribute: p.Attribute, Type: directory.Auto, Listing: true, Named: []string{p.Attribute}}
}

// forPrerequisites reports whether a directory is read for prerequisites alone, as it
// is in every run.
func forPrerequisites(cfg *config.Config, name string) bool {
	return slices.ContainsFunc(cfg.Prerequisites, func(p config.Prerequisite) bool { return p.Directory == name }) &&
		!slices.ContainsFunc(cfg.Scopes, func(s config.Scope) bool { return s.Directory == name })
}

// withoutScopes removes the directories that are read for prerequisites alone.
func withoutScopes(cfg *config.Config, all []directory.Directory) []directory.Directory {
	return slices.DeleteFunc(all, func(d directory.Directory) bool { return forPrerequisites(cfg, d.Name) })
}

// diagnosePrerequisites tests what is read for the prerequisites of these
// directories. A login that was refused is not tried again.
func (s *session) diagnosePrerequisites(cfg *config.Config, wanted []string, reports []*doctor.Report, progress *render.Progress) ([]*doctor.Report, error) {
	reader, err := s.prerequisiteReader(cfg, "", progress)
	if err != nil {
		return nil, err
	}
	reader.Directories = slices.DeleteFunc(reader.Directories, func(d directory.Directory) bool {
		return !slices.Contains(wanted, d.Name) ||
			slices.ContainsFunc(reports, func(r *doctor.Report) bool { return r.Name == d.Name && r.Refused })
	})
	return reader.Diagnose(s.ctx, s.now)
}

// unlisted warns of prerequisites that nobody meets.
func unlisted(receipts []plan.PrerequisiteReceipt) (warnings []string) {
	for i := range receipts {
		if r := &receipts[i]; r.Listed == 0 {
			warnings = append(warnings, fmt.Sprintf("prerequisite %q: directory %q lists no %s, so that no new entry gets an account: check base_dn, filter and attribute",
				r.Name, r.Directory, r.Attribute))
		}
	}
	return warnings
}

// prerequisiteOf returns the directory of a test in which a prerequisite finds what
// it needs.
func prerequisiteOf(rule *plan.Prerequisite, given []directory.Directory) (directory.Directory, error) {
	i := slices.IndexFunc(given, func(d directory.Directory) bool { return d.Name == rule.Directory })
	if i < 0 {
		return directory.Directory{}, fmt.Errorf("prerequisite %q is read from directory %q, and the test has no data of it: add it to directories", rule.Label, rule.Directory)
	}
	return given[i], nil
}
