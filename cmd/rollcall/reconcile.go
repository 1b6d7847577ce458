package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/directory/followed"
	"github.com/rollcall-cli/rollcall/internal/partial"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/words"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// configuration loads the configuration. Its problems are printed; its
// warnings are left for the plan to show.
func (s *session) configuration() (*config.Config, error) {
	cfg, diags := config.Load(s.dir, s.now(), knownKinds)
	if diags.HasErrors() {
		s.diagnose(diags)
		return nil, silent{exitFailed}
	}
	if err := s.reach(cfg); err != nil {
		return nil, err
	}
	if other := s.store.Sharing(); other != "" {
		return nil, hinted{fmt.Errorf("%s and %s are two states, and would share the history in %s: runs of one would be taken for runs of the other", s.store, other, s.store.Folders()[0]),
			"rename one of them, and write its new name as path into the state block of its configuration"}
	}
	s.keep(cfg)
	if err := s.textfile(cfg); err != nil {
		return nil, err
	}
	if s.mask != nil {
		s.keyedAs(cfg)
	}
	return cfg, nil
}

// keep keeps outputs from replacing what rollcall reads and keeps.
func (s *session) keep(cfg *config.Config) {
	own := []string{consoleLock(cfg.StatePath), followed.Name(cfg.StatePath), partial.BaseName(cfg.StatePath)}
	s.inputs = slices.Concat(s.inputs, s.store.Files(), own, cfg.Files, cfg.Used)
	s.kept = s.store.Folders()
}

// reach makes the store of the state that a configuration names. It is not asked yet.
func (s *session) reach(cfg *config.Config) error {
	var err error
	s.store, err = storeOf(cfg, s.warning)
	return err
}

// made is a plan, the state that it was made on, and the rejections that are
// known from earlier runs, by their keys; nil where nothing is known.
type made struct {
	plan  *plan.Plan
	state *recorded
	view  *console.View // of the console
	known map[string]time.Time
	again string // the command that applies the same again, without what lifts brakes
	saved bool   // the plan was saved, and is good for one apply
}

// plan is the whole of rollcall: directories become entries, the state becomes
// accounts, and both become a plan. allowed lifts the brakes, each by so much.
func (s *session) plan(cfg *config.Config, flags reading, allowed [plan.Brakes]int) (*made, error) {
	progress := render.NewProgress(s.stderr, s.err, s.now)
	defer progress.Clear()
	g, err := s.gather(cfg, flags, allowed, true, progress)
	if err != nil {
		return nil, err
	}
	result := g.plan
	if result == nil {
		listed := g.in.Listed()
		progress.Update("planning", "entries", listed.Len())
		if result, err = await(s, func() (*plan.Plan, error) { return plan.Compute(g.in) }); err == nil {
			err = s.settled(g, result)
		}
	}
	progress.Clear()
	if err != nil {
		return nil, err
	}
	unknown, err := s.lookUpDeparted(cfg, result, flags.Snapshot, progress)
	progress.Clear()
	if err != nil {
		return nil, err
	}
	if g.header.Causes = result.Diagnose(g.in.Listed(), g.in.Rules.Scopes); len(g.header.Causes) > 0 {
		g.header.Causes = append(g.header.Causes, s.rescoped(cfg)...)
	}
	g.header.Warnings = append(g.header.Warnings, unknown...)
	if text := result.Ambiguities(); text != "" {
		g.header.Warnings = append(g.header.Warnings, text)
	}
	for i := range g.header.Directories {
		r := &g.header.Directories[i]
		r.PassedOver.Ignored = result.IgnoredObjects[r.Name]
		r.Entries -= r.PassedOver.Ignored
	}
	for _, x := range result.Strangers {
		g.header.Warnings = append(g.header.Warnings, fmt.Sprintf("--only or --except names %s, which no account holds and no entry lists", x))
	}
	result.Header = g.header
	known := s.standing()
	result.MarkNew(known, cfg.Rules.Prerequisites)
	if text := result.Overdue(); text != "" {
		result.Warnings = append(result.Warnings, text)
	}
	result.Assess(cfg.Rules.Risk)
	return &made{plan: result, state: g.state, view: g.view, known: known, again: s.command(append([]string{"apply"}, flags.args()...)...)}, nil
}

// gathered is what a plan is made of.
type gathered struct {
	in     plan.Input
	header plan.Header
	state  *recorded
	view   *console.View
	// plan is the plan, where it was made of a part: in has its entries alone, and view its
	// accounts where they are found by an index.
	plan *plan.Plan
	// planned gets the plan otherwise, and kept tells that what was read is kept for the
	// next.
	planned chan *plan.Plan
	kept    <-chan *begun[bool]
}

// gather reads the directories, the state and the console. Where parts are enough for a
// plan, it makes that.
func (s *session) gather(cfg *config.Config, flags reading, allowed [plan.Brakes]int, parts bool, progress *render.Progress) (*gathered, error) {
	now := s.now()
	wanted, err := wantedDirectories(cfg, flags.Directory)
	if err != nil {
		return nil, err
	}
	selection, err := selection(&cfg.Rules, flags)
	if err != nil {
		return nil, err
	}

	// The state is read while the directories are.
	if !flags.NewState {
		// What is lost need not wait for the directories.
		if err := s.store.Lost(s.ctx); err != nil {
			return nil, err
		}
	}
	var part *parted
	if parts {
		part = s.parted(cfg, flags)
	}
	var told []string
	var look preview
	load := func() <-chan *begun[*recorded] {
		return begin(func() (st *recorded, err error) {
			if st, told, err = flags.known(s, cfg); err == nil && parts {
				err = look.begin(cfg, st.Accounts) // an explanation shows values as they are spelled
			}
			return st, err
		})
	}
	var loading <-chan *begun[*recorded]
	if part == nil {
		loading = load()
	}
	last := s.store.LastRun(s.ctx)
	in := plan.Input{Rules: cfg.Rules, Selection: selection, Now: now}
	for b, n := range allowed {
		in.Rules.Limits[b].Allowed = n
	}
	p := plan.Header{ToolVersion: release, Created: s.moment(), Warnings: append(s.rewound(), cfg.Warnings()...)}
	if text := s.overdueRead(cfg); text != "" {
		p.Warnings = append(p.Warnings, text)
		if s.quiet {
			s.warn("%s", text)
		}
	}
	p.Only, p.Except = spelled(selection.Only), spelled(selection.Except)
	reader, err := s.reader(cfg, wanted, flags.Snapshot, progress)
	if err != nil {
		return nil, err
	}
	reader.Directories = withoutScopes(cfg, reader.Directories)
	read, err := s.readChanges(cfg, reader, flags, look.at)
	if err != nil {
		return nil, err
	}
	defer read.Close()
	in.Read = s.read(cfg, wanted, &p)
	if part != nil {
		if g, err := s.planPart(cfg, part, read, in, p, flags); g != nil || err != nil {
			return g, err
		}
		loading = load()
	}
	listed, err := read.Entries(s.ctx)
	if err != nil {
		return nil, err
	}
	in.Entries, in.Same = listed.Whole, listed.Same
	p.Directories = read.Receipts
	collect(listed.Len())
	if in.Others, p.Prerequisites, err = s.prerequisites(cfg, flags.Snapshot, progress); err != nil {
		return nil, err
	}
	st, err := (<-loading).get()
	if err != nil {
		return nil, err
	}
	view, err := s.see(cfg, st, flags, progress)
	if err != nil {
		return nil, err
	}
	if err := s.consider(cfg, view, &in, &p); err != nil {
		return nil, err
	}
	look.end(&in, read.Seen())
	if err := unfenced(cfg, &view.Receipt.Facts); err != nil {
		p.Warnings = append(p.Warnings, err.Error()+": nothing can be applied")
	}
	p.Lineage, p.Serial, p.StateSum = st.Lineage, st.Serial, st.Sum
	missing, err := gaps(cfg, p.Directories, &in, flags.AllowEmpty)
	if err != nil {
		return nil, err
	}
	p.Warnings = slices.Concat(p.Warnings, missing, undeclared(cfg, activeOf(st.State)), s.undeclaredSince(cfg, &in), unlisted(p.Prerequisites), told)
	in.Count = parts && len(st.originals)+len(told) == 0 && s.countable(cfg, read, flags)
	g := &gathered{in: in, header: p, state: st, view: view, planned: make(chan *plan.Plan, 1)}
	g.kept = begin(func() (bool, error) { return s.keepRead(cfg, read, g, last) })
	return g, nil
}

// read returns which directories are read, and notes which are not.
func (*session) read(cfg *config.Config, wanted []string, p *plan.Header) (read []string) {
	for i := range cfg.Directories {
		switch name := cfg.Directories[i].Name; {
		case slices.Contains(wanted, name):
			read = append(read, name)
		case !forPrerequisites(cfg, name):
			p.Unread = append(p.Unread, name)
		}
	}
	return read
}

// state loads the state, or begins one anew.
func (r reading) state(s *session) (*state.State, error) {
	if r.NewState {
		return s.store.New(s.ctx)
	}
	return s.store.Recall(s.ctx)
}

// moment returns when a plan is made, to the second. In a second in which a plan
// was rejected it is the next one, so that nobody takes the new plan for that.
func (s *session) moment() time.Time {
	now := s.now().UTC().Truncate(time.Second)
	if s.store.RejectedSince(s.ctx, now) {
		now = now.Add(time.Second)
	}
	return now
}

// standing returns the rejections that earlier runs have left standing. Where
// they cannot be read, it says so, and nothing is known.
func (s *session) standing() map[string]time.Time {
	known, err := s.store.Rejections(s.ctx)
	if err != nil {
		s.warn("%v: every rejection counts as new", err)
	}
	return plan.Known(known)
}

// activeOf counts the active accounts of each directory.
func activeOf(st *state.State) map[string]int {
	active := map[string]int{}
	for i := range st.Accounts {
		if a := &st.Accounts[i]; a.Active() && !a.Local() {
			active[a.Directory]++
		}
	}
	return active
}

// undeclared warns of active accounts, which are counted by their directories, whose
// directory the configuration does not declare: no entry can stand behind them any more.
func undeclared(cfg *config.Config, counts map[string]int) []string {
	active := maps.Clone(counts)
	maps.DeleteFunc(active, func(_ string, n int) bool { return n == 0 })
	for i := range cfg.Directories {
		delete(active, cfg.Directories[i].Name)
	}
	var warnings []string
	for _, name := range slices.Sorted(maps.Keys(active)) {
		warnings = append(warnings, fmt.Sprintf("directory %q is not declared: there is no entry for its %s",
			name, counted(active[name], "active account")))
	}
	return warnings
}

// chosen loads the configuration for a command that makes no plan, prints its
// warnings, and returns the labels of the directories to read.
func (s *session) chosen(directories []string) (*config.Config, []string, error) {
	cfg, err := s.configuration()
	if err != nil {
		return nil, nil, err
	}
	wanted, err := wantedDirectories(cfg, directories)
	if err != nil {
		return nil, nil, err
	}
	for _, warning := range cfg.Warnings() {
		s.warn("%s", warning)
	}
	return cfg, wanted, nil
}

// wantedDirectories returns the labels of the directories to read.
func wantedDirectories(cfg *config.Config, flags []string) ([]string, error) {
	var all []string
	for i := range cfg.Directories {
		all = append(all, cfg.Directories[i].Name)
	}
	if len(flags) == 0 {
		return all, nil
	}
	for _, name := range flags {
		if !slices.Contains(all, name) {
			return nil, usageError{words.Undeclared("directory", name, all)}
		}
	}
	return flags, nil
}

// selection reads --only and --except. One that is given empty, as by a variable
// that is not set, is an error; it does not stand for everything.
func selection(rules *plan.Rules, flags reading) (s plan.Selection, err error) {
	var scopes []string
	for i := range rules.Scopes {
		scopes = append(scopes, rules.Scopes[i].Name)
	}
	for _, flag := range []struct {
		name  string
		texts []string
		to    *[]plan.Selector
	}{{"--only", flags.Only, &s.Only}, {"--except", flags.Except, &s.Except}} {
		for _, list := range flag.texts {
			for text := range strings.SplitSeq(list, ",") {
				selector, err := plan.ParseSelector(strings.TrimSpace(text), scopes)
				if err != nil {
					return s, usageError{fmt.Errorf("%s: %w", flag.name, unknownSelector(err, scopes))}
				}
				*flag.to = append(*flag.to, selector)
			}
		}
	}
	return s, nil
}

// unknownSelector says of a word that selects nothing what was probably meant.
func unknownSelector(err error, scopes []string) error {
	var unknown *plan.UnknownError
	if !errors.As(err, &unknown) {
		return err
	}
	name, categories := unknown.Name, plan.CategoryNames()
	kind, _, named := strings.Cut(name, ":")
	switch {
	case named && unknown.Kind == "":
		return words.Unknown("kind of selector", kind, []string{"category", "scope", "address"})
	case name == "":
		return errors.New("name a category, a scope or an address; what was given is empty")
	case unknown.Kind == "category", unknown.Kind == "" && words.Nearest(name, categories) != "":
		return words.Unknown("category", name, categories)
	case unknown.Kind == "scope", words.Nearest(name, scopes) != "":
		return words.Undeclared("scope", name, scopes)
	}
	return fmt.Errorf("%w; categories: %s; scopes: %s", err, strings.Join(categories, ", "), strings.Join(scopes, ", "))
}

// spelled returns selectors as text.
func spelled(selectors []plan.Selector) (texts []string) {
	for _, s := range selectors {
		texts = append(texts, s.String())
	}
	return texts
}

// positive checks a duration flag.
func positive(flag string, d time.Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s must be positive", flag)
	}
	return nil
}
