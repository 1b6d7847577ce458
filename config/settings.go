package config

import (
	"math"
	"slices"
	"strings"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/plan"
)

func (d *decoder) readLimits(b *block) {
	limits := plan.DefaultLimits()
	for n := range limits {
		if name := plan.Brake(n).String(); b != nil {
			limits[n].Most = b.number(name, 0, math.MaxInt32, limits[n].Most)
			limits[n].Percent = b.number(name+"_percent", 0, 100, limits[n].Percent)
		}
	}
	d.config.Rules.Limits = limits
}

func (d *decoder) readRisk(b *block) {
	risk := plan.DefaultRisk()
	d.config.Rules.Risk = risk
	if b == nil {
		return
	}
	risk.MediumPercent = b.number("medium_percent", 0, 100, risk.MediumPercent)
	risk.HighPercent = b.number("high_percent", 0, 100, risk.HighPercent)
	if risk.HighPercent < risk.MediumPercent {
		at := "high_percent"
		if !b.has(at) {
			at = "medium_percent"
		}
		d.errorf(b.rangeOf(at), "high_percent must not be below medium_percent", "medium_percent is %d, and high_percent is %d", risk.MediumPercent, risk.HighPercent)
	}
	if items, ok := b.texts("roles"); ok {
		risk.Roles = nil
		for _, it := range items {
			name := strings.ToLower(it.text)
			if _, err := identity.ParseAddress(name + "@example.com"); err != nil {
				d.errorf(it.rng, `write what stands before the @, such as "postmaster"`, "%s is not a role: %v", it.shown, err)
				continue
			}
			risk.Roles = append(risk.Roles, name)
		}
	}
	d.config.Rules.Risk = risk
}

// defaultState is the state file's path where none is given.
const defaultState = "rollcall.state.jsonl"

// Defaults of how long records of runs are kept.
const (
	DefaultHistoryDays = 90
	DefaultHistoryRuns = 1000
)

// Store is a store of the state that is elsewhere than in files.
type Store struct {
	// Kind is the name of the block inside that of the state, "" for files, and Settings
	// are what it says.
	Kind     string
	Settings settings.Values
}

func (d *decoder) readState(b *block) {
	d.config.StatePath = settings.Resolve(d.config.Dir, defaultState)
	d.config.HistoryDays, d.config.HistoryRuns = DefaultHistoryDays, DefaultHistoryRuns
	if b == nil {
		return
	}
	d.config.HistoryDays = b.number("history_days", 1, 36_500, DefaultHistoryDays)
	d.config.HistoryRuns = b.number("history_runs", 1, 100_000, DefaultHistoryRuns)
	switch len(b.blocks) {
	case 0:
	case 1:
		inner := b.blocks[0]
		k := &d.kinds.Stores[slices.IndexFunc(d.kinds.Stores, func(k settings.Kind) bool { return k.Name == inner.Type })]
		d.config.Store.Kind = k.Name
		d.config.Store.Settings, _ = inner.settings(k, d.config.Dir)
	default:
		d.errorf(b.blocks[1].TypeRange, "remove one of them", "the state block names a second store")
	}
	if !b.has("path") {
		return
	}
	if it, ok := b.text("path"); ok && b.fullText("path", it) {
		if strings.HasSuffix(it.text, "/") {
			d.errorf(it.rng, "add the name of the file", "%s is a directory; expected the path of a file", it.shown)
		}
		d.config.StatePath = settings.Resolve(d.config.Dir, it.text)
	}
}
