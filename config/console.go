package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/settings"
)

// Local is the kind of the console that lives in the state file, and the name of
// the one that is there without a block.
const Local = "local"

// Console is where the accounts live.
type Console struct {
	Name string
	// Kind is [Local] or the name of one of those that [Load] was given.
	Kind string
	// Owner is what accounts are marked with as those of this configuration; ""
	// for [Local].
	Owner string
	// FailOnDrift ends an apply that finds drift, in place of correcting it.
	FailOnDrift bool
	// Concurrency is how many requests there are at a time.
	Concurrency int
	// Rate is the most account changes a second; 0 is no bound.
	Rate float64
	// MaxAttempts is how often a change is tried, the first time included.
	MaxAttempts int
	// Timeout is how long the console may be silent.
	Timeout time.Duration
	// Verify says whether what was changed is read again; nil is where accounts
	// can be looked up.
	Verify *bool
	// Test allows tests that change the console.
	Test bool
	// Initial are attributes that accounts are created with, sorted by name. No
	// scope reads one of them.
	Initial []identity.Attribute
	// Settings are those of the kind.
	Settings settings.Values

	where []string // of the kind
}

// Defaults of a console.
const (
	DefaultConcurrency = 1
	DefaultMaxAttempts = 5
	DefaultTimeout     = 60 * time.Second
)

var consoleAttributes = []string{"kind", "owner", "on_drift", "concurrency", "rate", "max_attempts", "timeout", "verify", "test", "initial"}

func (d *decoder) readConsole(blocks []*block) {
	d.config.Console = newConsole()
	for i, b := range blocks {
		c := newConsole()
		d.console(b, c)
		if i == 0 {
			d.config.Console = c
			continue
		}
		d.errorf(b.header(), "a configuration has one console; remove one of them, or give it a configuration of its own; the first one is at "+place(blocks[0].header()),
			"there is a second console, %q", b.label)
	}
}

func newConsole() *Console {
	return &Console{Name: Local, Kind: Local, Concurrency: DefaultConcurrency, MaxAttempts: DefaultMaxAttempts, Timeout: DefaultTimeout}
}

func (d *decoder) console(b *block, c *Console) {
	c.Name = b.label
	k := b.kind(d.kinds.Consoles, consoleAttributes...)
	if k == nil {
		return
	}
	c.Kind = k.Name
	c.FailOnDrift = b.oneOf("on_drift", "correct", "fail") == "fail"
	c.Concurrency = b.number("concurrency", 1, 64, c.Concurrency)
	c.MaxAttempts = b.number("max_attempts", 1, 100, c.MaxAttempts)
	c.Rate = b.rate("rate")
	if t, ok := b.duration("timeout"); ok {
		c.Timeout = t
	}
	if yes, ok := b.truth("verify"); ok {
		c.Verify = &yes
	}
	c.Test = b.flag("test", false)
	c.Owner = d.owner(b, c.Kind)
	c.Settings, c.where = b.settings(k, d.config.Dir)
	c.Initial = d.initial(b, k, c.Settings)
}

// owner returns what accounts are marked with.
func (d *decoder) owner(b *block, kind string) string {
	if kind == Local {
		if b.has("owner") {
			d.errorf(b.Body.Attributes["owner"].SrcRange, "remove it; nobody else has accounts in the state file", "a console of kind %q has no owner", Local)
		}
		return ""
	}
	if !b.require("owner", `write owner = "hq", or another name for this configuration, by which the console's accounts are distinguished from those of others`) {
		return ""
	}
	it, ok := b.text("owner")
	switch {
	case !ok:
		return ""
	case strings.TrimSpace(it.text) == "":
		d.errorf(it.rng, `name this configuration, as in "hq"; accounts without the name are not its own`, "%q is empty", "owner")
	case strings.TrimSpace(it.text) != it.text, strings.ContainsFunc(it.text, identity.Unprintable), len(it.text) > maxLabel:
		d.errorf(it.rng, "use at most 255 octets without control characters, and without spaces around them", "%s cannot mark an account", it.shown)
	}
	return it.text
}

// initial reads the attributes of new accounts.
func (d *decoder) initial(b *block, k *settings.Kind, set settings.Values) []identity.Attribute {
	entries, _ := b.table("initial", `policy = "ungrouped"`)
	var list []identity.Attribute
	for _, e := range entries {
		text, ok := b.texted(e, "initial")
		if !d.attributeName(e) || !ok {
			continue
		}
		for i := range d.config.Scopes {
			s := &d.config.Scopes[i]
			if slices.ContainsFunc(s.Attributes, func(a Attribute) bool { return a.Name == e.name }) {
				d.errorf(e.nameRng, "remove it here or in the scope; what a directory says is compared in each run", "%s is read by scope %q, and cannot be initial", e.shown, s.Name)
				break
			}
		}
		if k.Initial != nil {
			if p := k.Initial(set, e.name, text); p.Summary != "" {
				d.errorf(e.nameRng, p.Hint, "%s", p.Summary)
			}
		}
		list = append(list, identity.Attribute{Name: e.name, Value: text})
	}
	return list
}

// rate returns an attribute that is a number above zero, or 0.
func (b *block) rate(name string) float64 {
	v, ok := b.value(name)
	if !ok {
		return 0
	}
	plain, _ := v.Unmark()
	number, err := convert.Convert(plain, cty.Number)
	if err != nil || number.IsNull() {
		b.wrongType(name, v, "a number", "20")
		return 0
	}
	rate, _ := number.AsBigFloat().Float64()
	if rate <= 0 {
		b.errorf(b.rangeOf(name), "write how many changes there may be in a second, as 20 or 0.5, or remove it for no bound", "%q is not above zero", name)
	}
	return rate
}

// ConsoleStarter returns a block to begin with for a kind of console: what is
// required or usual, and, commented out, what else the kind takes. Given are values of
// settings, by name or "block.setting": texts, or expressions such as env("NAME"),
// which hold for all else. Notes are comments above the block.
func ConsoleStarter(k settings.Kind, given map[string]string, notes []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", k.Help)
	for _, note := range notes {
		fmt.Fprintf(&b, "# %s\n", strings.Map(func(r rune) rune {
			if identity.Unprintable(r) {
				return ' '
			}
			return r
		}, note))
	}
	fmt.Fprintf(&b, "console %q {\n  kind = %q\n", k.Name, k.Name)
	if k.Name != Local {
		b.WriteString("  owner = \"hq\" # the name of this configuration, with which accounts are marked as its own\n")
	}
	// A block inside may say what is usual otherwise.
	inner := false
	for name := range given {
		inner = inner || strings.Contains(name, ".")
	}
	write := func(indent, prefix string, all []settings.Setting) {
		for i := range all {
			s := &all[i]
			value, known := given[prefix+s.Name]
			if known {
				value = expression(s, value)
			} else {
				value = exampleOf(s)
			}
			line := s.Name + " = " + value
			if s.Help != "" {
				line += " # " + s.Help
			}
			if !known && !s.Required && !(s.Usual && !inner) && !strings.Contains(indent, "#") {
				line = "# " + line
			}
			fmt.Fprintf(&b, "%s%s\n", indent, line)
		}
	}
	write("  ", "", k.Settings)
	for _, inner := range k.Blocks {
		indent := "  "
		named := func(s settings.Setting) bool { _, known := given[inner.Name+"."+s.Name]; return known }
		if !inner.Required && !slices.ContainsFunc(inner.Settings, named) {
			indent = "  # "
		}
		fmt.Fprintf(&b, "\n%s%s {\n", indent, inner.Name)
		write(indent+"  ", inner.Name+".", inner.Settings)
		fmt.Fprintf(&b, "%s}\n", indent)
	}
	b.WriteString("}\n")
	return string(layout([]byte(b.String())))
}

// expression returns a value of a setting as a file has it.
func expression(s *settings.Setting, value string) string {
	switch {
	case IsExpression(value), s.Type == settings.Number, s.Type == settings.Flag:
		return value
	case s.Type == settings.Texts:
		return "[" + quote(value) + "]"
	}
	return quote(value)
}

// IsExpression reports whether a value is a call, a list or an object, and so no text.
func IsExpression(value string) bool {
	return strings.HasPrefix(value, "env(") || strings.HasPrefix(value, "file(") || strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{")
}
