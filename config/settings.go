package config

import (
	"math"
	"strings"

	"github.com/rollcall-cli/rollcall/plan"
)

func (d *decoder) readLimits(b *block) {
	limits := plan.Limits{Deactivations: plan.DefaultDeactivations, Percent: plan.DefaultDeactivationsPercent}
	if b != nil {
		limits.Deactivations = b.number("deactivations", 0, math.MaxInt32, limits.Deactivations)
		limits.Percent = b.number("deactivations_percent", 0, 100, limits.Percent)
	}
	d.config.Rules.Limits = limits
}

// defaultState is the state file's path where none is given.
const defaultState = "rollcall.state.jsonl"

func (d *decoder) readState(b *block) {
	d.config.StatePath = resolve(d.config.Dir, defaultState)
	if b == nil || !b.has("path") {
		return
	}
	if it, ok := b.text("path"); ok && b.fullText("path", it) {
		if strings.HasSuffix(it.text, "/") {
			d.errorf(it.rng, "add the name of the file", "%s is a directory; expected the path of a file", it.shown)
		}
		d.config.StatePath = resolve(d.config.Dir, it.text)
	}
}
