package ldap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

// Survey is what a server was found to hold.
type Survey struct {
	// ActiveDirectory is true for a domain controller.
	ActiveDirectory bool
	// Base is the naming context that was read, "" for all; Contexts are those
	// that may hold entries too, sorted.
	Base     string
	Contexts []string
	// Entries counts those that list an address.
	Entries int
	// Having counts the entries that have an attribute, by its name as it was
	// asked for.
	Having map[string]int
	// Domains are those of the addresses.
	Domains map[string]DomainCount
}

// DomainCount counts addresses in a mail domain, an address once for each
// entry.
type DomainCount struct{ Addresses, Contacts int }

// SurveyOptions say what a survey asks for.
type SurveyOptions struct {
	// FindKind is set where the server is to tell whether it is a domain
	// controller; else that is as in [Options].
	FindKind bool
	// Aliases are the attributes of addresses beside mail; Attributes are to be
	// counted.
	Aliases, Attributes []string
}

// Survey asks the first server what it is, and reads all that lists an address.
// Its errors are those of Read.
func (s *Source) Survey(ctx context.Context, o SurveyOptions, progress func(directory.Progress)) (*Survey, error) {
	targets, err := s.targets(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.open(ctx, targets[0])
	if err != nil {
		return nil, s.failure(ctx, targets[0], err)
	}
	root := c.root
	c.close()
	as := *s
	if o.FindKind {
		as.options.ActiveDirectory = slices.Contains(root.capabilities, oidActiveDirectory)
	}
	found := &Survey{ActiveDirectory: as.options.ActiveDirectory}
	found.contexts(&root)
	scope := directory.Scope{Name: "survey", Base: found.Base, PrimaryAttribute: "mail", AliasAttributes: o.Aliases, Type: directory.Auto}
	for _, name := range o.Attributes {
		scope.Attributes = append(scope.Attributes, directory.Attribute{Name: name, Source: name})
	}
	sink := &surveySink{survey: found, mapper: directory.NewMapper(&scope), attributes: o.Attributes}
	_ = sink.Reset()
	if _, err := as.Read(ctx, []directory.Scope{scope}, sink, progress); err != nil {
		return nil, err
	}
	return found, nil
}

// failure is the error of a connection that did not come about.
func (s *Source) failure(ctx context.Context, t target, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if login, ok := errors.AsType[*loginError](err); ok {
		return &directory.RefusedError{Directory: s.options.Label, From: t.url, Err: login.err}
	}
	if errors.As(err, new(*fileError)) {
		return fmt.Errorf("directory %q: %w", s.options.Label, err)
	}
	return &directory.ReadError{Directory: s.options.Label, From: t.url, Err: err}
}

// contexts finds what to read. A domain controller holds its domain, and what
// else it holds are no users; another server that names no default holds
// whatever it names.
func (s *Survey) contexts(root *rootDSE) {
	s.Base = root.defaultContext
	if s.ActiveDirectory {
		return
	}
	for _, context := range root.namingContexts {
		if context != "" && !identity.EqualDN(context, s.Base) {
			s.Contexts = append(s.Contexts, context)
		}
	}
	slices.Sort(s.Contexts)
	if s.Base == "" && len(s.Contexts) == 1 {
		s.Base, s.Contexts = s.Contexts[0], nil
	}
}

// surveySink counts.
type surveySink struct {
	survey     *Survey
	mapper     *directory.Mapper
	attributes []string
	addresses  []string
}

// Put implements [directory.Sink].
func (k *surveySink) Put(_ int, o directory.Object) error {
	e, why := k.mapper.Entry(o)
	if why != "" {
		return nil
	}
	k.survey.Entries++
	for _, name := range k.attributes {
		if len(o.Values(strings.ToLower(name))) > 0 {
			k.survey.Having[name]++
		}
	}
	contact := slices.ContainsFunc(o.Values("objectclass"), func(class []byte) bool { return bytes.EqualFold(class, []byte("contact")) })
	k.addresses = k.addresses[:0]
	for _, text := range slices.Concat(e.Primaries, e.Aliases) {
		if a, err := identity.ParseAddress(text); err == nil {
			k.addresses = append(k.addresses, a.String())
		}
	}
	slices.Sort(k.addresses)
	for _, address := range slices.Compact(k.addresses) {
		_, domain, _ := strings.Cut(address, "@")
		n := k.survey.Domains[domain]
		n.Addresses++
		if contact {
			n.Contacts++
		}
		k.survey.Domains[domain] = n
	}
	return nil
}

// Replace implements [directory.Sink]. What changes while it is counted makes
// no difference worth the memory.
func (k *surveySink) Replace(int, int, directory.Object) error { return nil }

// Reset implements [directory.Sink].
func (k *surveySink) Reset() error {
	k.survey.Entries, k.survey.Having, k.survey.Domains = 0, map[string]int{}, map[string]DomainCount{}
	return nil
}
