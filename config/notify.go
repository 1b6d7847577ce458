package config

import (
	"slices"
	"time"

	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/internal/settings"
	"github.com/rollcall-cli/rollcall/internal/words"
)

// Notify is a channel by which people are told of runs.
type Notify struct {
	Label string
	// On are the kinds of notices that go there, in the order of [run.NoticeKinds].
	On []run.NoticeKind
	// Repeat is after what time a condition that still stands is told again, 0 for
	// never.
	Repeat time.Duration
	// Redact masks who is spoken of.
	Redact bool
	// Kind is the name of the block inside that says how to send, and Settings are
	// what it says.
	Kind     string
	Settings settings.Values
}

func (d *decoder) readNotify(blocks []*block) {
	for _, b := range blocks {
		n := Notify{Label: b.label, On: b.noticeKinds(), Redact: b.flag("redact", false)}
		n.Repeat, _ = b.duration("repeat")
		switch len(b.blocks) {
		case 0:
			d.errorf(b.header(), "write "+words.Alternatives(namesOfKinds(d.kinds.Channels), "%s { ... }")+" in it", "%s does not say how to send", b.named())
		case 1:
			inner := b.blocks[0]
			inner.label = b.label
			k := &d.kinds.Channels[slices.IndexFunc(d.kinds.Channels, func(k settings.Kind) bool { return k.Name == inner.Type })]
			n.Kind = k.Name
			n.Settings, _ = inner.settings(k, d.config.Dir)
		default:
			d.errorf(b.blocks[1].TypeRange, "give it a notify block of its own", "%s has a second way to send", b.named())
		}
		d.config.Notify = append(d.config.Notify, n)
	}
}

// noticeKinds returns the kinds of notices that the block wants.
func (b *block) noticeKinds() (on []run.NoticeKind) {
	var known []string
	for _, k := range run.NoticeKinds {
		known = append(known, string(k))
	}
	const example = `write on = ["failed", "withheld", "new_rejections"]`
	if !b.require("on", example) {
		return nil
	}
	items, ok := b.texts("on")
	if ok && len(items) == 0 {
		b.errorf(b.rangeOf("on"), example, "%q is empty", "on")
	}
	wanted := map[string]bool{}
	for _, it := range items {
		if it.shown != "" && b.isWord("on", it, known) {
			wanted[it.text] = true
		}
	}
	for _, k := range run.NoticeKinds {
		if wanted[string(k)] {
			on = append(on, k)
		}
	}
	return on
}

func namesOfKinds(kinds []settings.Kind) (names []string) {
	for _, k := range kinds {
		names = append(names, k.Name)
	}
	return names
}
