package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// Digest returns "sha256:" and the hash of everything that decides a plan: what
// is read from where, and the rules. Credentials, how a connection is secured,
// reasons, and the state block do not count, nor do the layout of files
// and the order of blocks other than scopes. Of a console count its kind, its
// owner, and where its kind says that it is; what the console says of itself, as
// its facts, is added by the caller.
func (c *Config) Digest(more ...string) string {
	type directory struct {
		Name, Kind string
		Where      []string
	}
	type scope struct {
		Name, Directory, Filter string
		Base                    identity.DN
		Primary, Username, GUID string
		Aliases                 []string
		Type, Disabled          string
		Attributes              []Attribute
		Domains                 []string
		Adopt, Rebind           bool
		MaxLength               map[string]int // written in order of its keys
	}
	type prerequisite struct {
		Name, Directory, Filter, Attribute, Match string
		Base                                      identity.DN
		Scopes                                    []string
	}
	type guard struct {
		Label, Until string
		Addresses    []string
	}
	type console struct {
		Kind, Owner string
		Where       []string
	}
	guards := func(all []plan.Guard) []guard {
		var list []guard
		for _, g := range all {
			item := guard{Label: g.Label}
			if !g.Until.IsZero() {
				item.Until = g.Until.Format(time.DateOnly)
			}
			for _, a := range g.Addresses {
				item.Addresses = append(item.Addresses, a.String())
			}
			list = append(list, item)
		}
		return list
	}
	var all struct {
		Version       int // of this serialization
		Directories   []directory
		Domains       []plan.Domain
		Scopes        []scope
		Prerequisites []prerequisite `json:",omitempty"`
		Protected     []guard
		Holds         []guard
		Limits        plan.Limits
		Console       *console `json:",omitempty"` // nil for the local one
		More          []string `json:",omitempty"`
	}
	all.Version = 3
	for _, d := range c.Directories {
		all.Directories = append(all.Directories, directory{d.Name, d.Kind, d.where})
	}
	slices.SortFunc(all.Directories, func(a, b directory) int { return strings.Compare(a.Name, b.Name) })
	all.Domains = c.Rules.Domains
	for i, s := range c.Scopes {
		rule := &c.Rules.Scopes[i]
		item := scope{
			Name: s.Name, Directory: s.Directory, Filter: s.Filter,
			Primary: strings.ToLower(s.PrimaryAttribute), Username: strings.ToLower(s.UsernameAttribute), GUID: strings.ToLower(s.GUIDAttribute),
			Type: s.Type, Disabled: s.Disabled,
			Domains: rule.Domains, Adopt: rule.Adopt, Rebind: rule.Rebind, MaxLength: rule.MaxLength,
		}
		item.Base, _ = identity.ParseDN(s.BaseDN) // was checked when it was read
		for _, a := range s.AliasAttributes {
			item.Aliases = append(item.Aliases, strings.ToLower(a))
		}
		slices.Sort(item.Aliases)
		item.Aliases = slices.Compact(item.Aliases)
		for _, a := range s.Attributes {
			item.Attributes = append(item.Attributes, Attribute{a.Name, strings.ToLower(a.Source)})
		}
		all.Scopes = append(all.Scopes, item)
	}
	for i, p := range c.Prerequisites {
		rule := &c.Rules.Prerequisites[i]
		item := prerequisite{Name: p.Name, Directory: p.Directory, Filter: p.Filter, Attribute: strings.ToLower(p.Attribute), Match: rule.Match.String()}
		item.Base, _ = identity.ParseDN(p.BaseDN) // was checked when it was read
		item.Scopes = slices.Sorted(slices.Values(rule.Scopes))
		all.Prerequisites = append(all.Prerequisites, item)
	}
	slices.SortFunc(all.Prerequisites, func(a, b prerequisite) int { return strings.Compare(a.Name, b.Name) })
	all.Protected, all.Holds = guards(c.Rules.Protected), guards(c.Rules.Holds)
	all.Limits = c.Rules.Limits
	if c.Console.Kind != Local {
		all.Console = &console{c.Console.Kind, c.Console.Owner, c.Console.where}
	}
	all.More = more

	text, err := json.Marshal(&all)
	if err != nil {
		panic(err) // no type above can fail
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
