package config

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/plan"
)

// Config is a configuration without errors.
type Config struct {
	// Dir is the directory as it was given to [Load]; all paths below begin
	// with it, unless the configuration has an absolute one.
	Dir string
	// Files are the paths of the configuration files, in order; Used are those
	// that the function file has read.
	Files, Used []string
	// Directories are in declared order.
	Directories []Directory
	// Scopes say how to read. Each has its rules at the same index of
	// Rules.Scopes.
	Scopes []Scope
	// Prerequisites say how to read what other systems list. Each has its rule at
	// the same index of Rules.Prerequisites.
	Prerequisites []Prerequisite
	Rules         plan.Rules
	// Console is where the accounts live; it is never nil.
	Console *Console
	// Heartbeat is what monitoring is shown.
	Heartbeat Heartbeat
	// Notify are the channels by which people are told, in declared order.
	Notify []Notify
	// StatePath is where the state file is, or the copy of a state that is elsewhere.
	StatePath string
	// Store is where the state is, if it is elsewhere.
	Store Store
	// HistoryDays and HistoryRuns are how long, and at most how many, records of
	// runs are kept.
	HistoryDays, HistoryRuns int

	warnings []string
}

// Warnings returns the summaries of the warnings that [Load] gave.
func (c *Config) Warnings() []string { return c.warnings }

// Scope says which objects of a directory to read and where in them to look.
// Names of LDAP attributes are as written; letter case does not count.
type Scope struct {
	Name      string
	Directory string
	// BaseDN is a distinguished name of RFC 4514, as written; "" is the root.
	BaseDN string
	// Filter is a search filter of RFC 4515, without the layout in which it was
	// written; "" is every object that lists an address.
	Filter            string
	PrimaryAttribute  string
	AliasAttributes   []string
	UsernameAttribute string
	// GUIDAttribute is "" for objectGUID or else entryUUID, whichever the
	// object has.
	GUIDAttribute string
	// Type is "auto", which makes groups lists and everything else users, or
	// "user" or "list" for every object.
	Type string
	// Disabled is [DisabledKeep] or [DisabledInactive].
	Disabled string
	// Attributes are sorted by name; display_name is always among them.
	Attributes []Attribute
	// Named are the directory's attributes that the block names itself. The others
	// are defaults, which a directory may do without.
	Named []string
}

// What becomes of disabled objects: they are entries as all others, or they are
// treated as gone, unless they are disabled by design.
const (
	DisabledKeep     = "keep"
	DisabledInactive = "inactive"
)

// Attribute is the name of an attribute of accounts, such as "display_name",
// and the LDAP attribute that it is read from.
type Attribute struct {
	Name, Source string
}

// Load reads every *.hcl file of the directory as one configuration, in order
// of their names; those that begin with "." and tests (*.rollcall-test.hcl) are
// passed over. It returns every problem that it finds, in order of file and
// place. With an error among them there is no Config.
//
// Now decides which dates are past.
func Load(dir string, now time.Time, kinds Kinds) (*Config, Diagnostics) {
	r := &reporter{}
	return r.load(dir, r.readDir(dir), now, kinds)
}

// Check is [Load] for a directory that will hold this one file.
func Check(dir, name string, text []byte, now time.Time, kinds Kinds) (*Config, Diagnostics) {
	r := &reporter{}
	var sources []*source
	if src := r.lexed(&source{path: filepath.Join(dir, name), text: text}); src != nil {
		sources = r.parseAll([]*source{src})
	}
	return r.load(dir, sources, now, kinds)
}

func (r *reporter) load(dir string, sources []*source, now time.Time, kinds Kinds) (*Config, Diagnostics) {
	if sources == nil {
		return nil, r.finish()
	}
	if !slices.ContainsFunc(kinds.Consoles, func(k settings.Kind) bool { return k.Name == Local }) {
		kinds.Consoles = slices.Concat([]settings.Kind{{Name: Local}}, kinds.Consoles)
	}
	d := &decoder{
		config: &Config{Dir: dir},
		now:    now,
		kinds:  kinds,
	}
	used := func(path string) { d.config.Used = append(d.config.Used, path) }
	read := &fileLines{}
	d.evaluator = &evaluator{
		reporter: r, functions: functionsIn(dir, used, read, r.environment), read: read,
		labels: map[string][]string{}, types: kinds.blockTypes(),
	}
	for _, src := range sources {
		d.config.Files = append(d.config.Files, src.path)
	}
	d.decode(sources)
	slices.Sort(d.config.Used)
	d.config.Used = slices.Compact(d.config.Used)
	diags := r.finish()
	if diags.HasErrors() {
		return nil, diags
	}
	for i := range diags {
		d.config.warnings = append(d.config.warnings, diags[i].Summary)
	}
	return d.config, diags
}

// decoder fills a Config, block by block.
type decoder struct {
	similar map[string]string // suggestions by undeclared domain

	*evaluator
	config *Config
	now    time.Time
	kinds  Kinds
	domains
}

func (d *decoder) decode(sources []*source) {
	for _, src := range sources {
		for _, a := range inOrder(src.body.Attributes) {
			d.errorf(a.NameRange, "move it into a block, or into locals { }", "the attribute %q is outside any block", a.Name)
		}
	}
	raw := blocks(sources)
	for _, b := range raw {
		if len(b.Labels) > 0 {
			d.labels[b.Type] = append(d.labels[b.Type], b.Labels[0])
		}
	}
	d.readLocals(raw)
	byType := map[string][]*block{}
	for _, b := range raw {
		if opened := d.open(b); opened != nil {
			byType[b.Type] = append(byType[b.Type], opened)
		}
	}
	d.readDirectories(d.unique(byType["directory"]))
	d.readDomains(byType["domain"])
	d.readScopes(d.unique(byType[scopeBlock]))
	d.readPrerequisites(d.unique(byType[prerequisiteBlock]))
	d.config.Rules.Protected = d.readGuards(d.unique(byType["protected"]))
	d.config.Rules.Holds = d.readGuards(d.unique(byType["legal_hold"]))
	d.readLimits(d.single(byType["limits"]))
	d.readRisk(d.single(byType["risk"]))
	d.readHeartbeat(d.single(byType[heartbeatBlock]))
	d.readNotify(d.unique(byType[notifyBlock]))
	d.readState(d.single(byType[stateBlock]))
	d.readConsole(byType[consoleBlock])
	d.unused(byType["directory"], slices.Concat(byType[scopeBlock], byType[prerequisiteBlock]))
}

// unique reports labels that occur twice, and returns all blocks.
func (d *decoder) unique(blocks []*block) []*block {
	first := map[string]*block{}
	for _, b := range blocks {
		if f := first[b.label]; f != nil {
			d.twice(b, f)
		} else {
			first[b.label] = b
		}
	}
	return blocks
}

func (d *decoder) twice(b, first *block) {
	d.errorf(b.labelRange(), "rename or remove one of them; the first one is at "+place(first.labelRange()), "%s %q is declared twice", b.Type, b.label)
}

// single reports a second block of a type that stands once, and returns the
// first, or nil.
func (e *evaluator) single(blocks []*block) *block {
	for i, b := range blocks {
		if i > 0 {
			e.errorf(b.TypeRange, "put everything into the first one, at "+place(blocks[0].TypeRange), "there are two %s blocks", b.Type)
		}
	}
	if len(blocks) == 0 {
		return nil
	}
	return blocks[0]
}

// unused warns of directories that are read for nothing.
func (d *decoder) unused(directories, readers []*block) {
	used := map[string]bool{}
	for _, b := range readers {
		if a := b.Body.Attributes["directory"]; a != nil {
			for _, t := range a.Expr.Variables() {
				if len(t) > 1 {
					name, _ := step(t[1])
					used[name] = true
				}
			}
		}
	}
	for _, b := range directories {
		if !used[b.label] {
			d.warnf(b.header(), "add a scope with directory = "+referenceTo(directoryBlock, b.label)+", or remove the directory", "no scope reads the directory %q", b.label)
		}
	}
}

// referenceTo spells a reference to a block.
func referenceTo(blockName, label string) string {
	if hclsyntax.ValidIdentifier(label) {
		return blockName + "." + label
	}
	return blockName + `["` + label + `"]`
}
