package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/redact"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// redacting is the flag of commands whose output others may read. The session
// knows it, and has the masks.
type redacting struct {
	Redact bool `help:"Write masks instead of addresses, names, DNs and GUIDs, for reports that others can read."`
}

const (
	// redactKey names the environment variable that holds the key of the masks.
	redactKey = "ROLLCALL_REDACT_KEY"
	// leastKey is how many octets a key has at least: those of 16 hex digits.
	leastKey = 16
)

// redactsEarly begins to mask if the command line may ask for it, before it is
// parsed, for what is wrong with that is reported too.
func (s *session) redactsEarly(args []string) {
	if slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--redact") }) {
		key := os.Getenv(redactKey)
		if len(key) < leastKey {
			key = rand.Text()
		}
		s.mask = redact.New([]byte(key))
	}
}

// redacts checks the key if the parsed command line asks for masks, and ends the
// masking otherwise.
func (s *session) redacts(parsed *kong.Context) error {
	for _, flag := range parsed.Flags() {
		if flag.Name == "redact" && flag.Target.Bool() {
			if key := os.Getenv(redactKey); key != "" && len(key) < leastKey {
				return hinted{fmt.Errorf("%s has %d characters, and a key of fewer than %d can be guessed", redactKey, len(key), leastKey), "take 32 random ones, such as the output of openssl rand -hex 16"}
			}
			return nil
		}
	}
	s.mask = nil
	return nil
}

// keyed gives the masks their key: the one that the environment has, or else the
// lineage of a state, which no redacted report shows. Addresses in the domains
// of the configuration keep their domain.
func (s *session) keyed(lineage string, domains []plan.Domain) {
	key := os.Getenv(redactKey)
	switch {
	case key != "":
	case lineage != "":
		key = lineage
	default:
		key = rand.Text()
		s.note("the masks of this report are its own, because there is no state; set %s to get the same masks next time", redactKey)
	}
	s.mask = redact.New([]byte(key), domainNames(domains)...)
}

// domainNames returns the names of domains and of their aliases.
func domainNames(domains []plan.Domain) (all []string) {
	for _, d := range domains {
		all = append(append(all, d.Name), d.Aliases...)
	}
	return all
}

// keyedAs gives the masks the key that goes with a configuration. What is wrong
// with the state is reported by who reads it.
func (s *session) keyedAs(cfg *config.Config) {
	s.keyed(s.store.Lineage(s.ctx), cfg.Rules.Domains)
}

// keyedBy gives the masks the key that goes with a saved plan. Its configuration
// is nil where it is not here.
func (s *session) keyedBy(p *plan.Plan, cfg *config.Config) {
	var domains []plan.Domain
	if cfg != nil {
		domains = cfg.Rules.Domains
	}
	if !p.Redacted {
		s.keyed(p.Lineage, domains)
	}
}

// redactedPlan returns a plan as it may be shown.
func (s *session) redactedPlan(p *plan.Plan) *plan.Plan {
	if s.mask == nil {
		return p
	}
	return p.Redact(s.mask)
}

// said returns what a console says as it may be shown: it may be anything.
func (s *session) said(text string) string { return s.mask.Name(text) }

// errorText returns the text of an error as it may be shown, as far as a console has
// said it.
func (s *session) errorText(err error) string { return maskedError(s.mask, err) }

// maskedHint is the hint of an error, in which what a file has said is masked.
func maskedHint(m *redact.Mask, err error) string {
	hint := directory.HintOf(err)
	var naming interface {
		error
		Named() []string
	}
	if m == nil || !errors.As(err, &naming) {
		return hint
	}
	var masks []string
	for _, name := range naming.Named() {
		masks = append(masks, m.Name(name))
		hint = strings.ReplaceAll(hint, "did you mean "+name+"?", "did you mean "+m.Name(name)+"?")
	}
	return strings.ReplaceAll(hint, strings.Join(naming.Named(), ", "), strings.Join(masks, ", "))
}

// maskedError is an error in which what a console has said is masked.
func maskedError(m *redact.Mask, err error) string {
	text := err.Error()
	if m == nil {
		return text
	}
	quoted := ""
	var quoting console.Quoting
	var answer *apply.Error
	switch {
	case errors.As(err, &quoting):
		quoted = quoting.Quoted()
	case errors.As(err, &answer):
		quoted = answer.Error()
	}
	if quoted != "" {
		text = strings.ReplaceAll(text, quoted, m.Name(quoted))
	}
	return text
}

// redactedRun returns a run as it may be shown. The digests of its plan and of
// its configuration are masked too, and it has no lineage, which may be the key of
// the masks.
func (s *session) redactedRun(past *run.Run) *run.Run {
	m := s.mask
	if m == nil {
		return past
	}
	masked := *past
	masked.User, masked.Host, masked.Command, masked.Reason = m.Name(past.User), m.Name(past.Host), m.Text(past.Command), m.Text(past.Reason)
	failure := m.Text
	if past.Console != "" && !past.Settled {
		failure = s.said
		// The reason may be an error of the console, which has its words behind its name.
		if own, words, found := strings.Cut(past.Reason, fmt.Sprintf("console %q: ", past.Console)); found {
			masked.Reason = m.Text(own) + fmt.Sprintf("console %q: ", past.Console) + s.said(words)
		}
	}
	masked.Plan, masked.ConfigDigest = m.Name(past.Plan), m.Name(past.ConfigDigest)
	masked.Lineage, masked.LineageAfter = "", ""
	masked.Scopes = slices.Clone(past.Scopes)
	for i := range masked.Scopes {
		c := &masked.Scopes[i]
		c.BaseDN, c.Filter = m.DN(c.BaseDN), m.Source(c.Filter)
	}
	masked.Failures = slices.Clone(past.Failures)
	for i := range masked.Failures {
		f := &masked.Failures[i]
		f.Account, f.Error = m.Address(f.Account), failure(f.Error)
	}
	return &masked
}

// redactedRecord returns a run and the plan that it had as they may be shown.
func (s *session) redactedRecord(past *run.Record, p *plan.Plan) (*run.Record, *plan.Plan) {
	if s.mask == nil {
		return past, p
	}
	masked, shown := &run.Record{Run: *s.redactedRun(&past.Run)}, s.redactedPlan(p)
	if past.Done != nil {
		// The changes are in another order.
		done := map[identity.Address]bool{}
		for i := range p.Accounts {
			done[identity.MustAddress(s.mask.Address(p.Accounts[i].Name().String()))] = past.Done[i]
		}
		for i := range shown.Accounts {
			masked.Done = append(masked.Done, done[shown.Accounts[i].Name()])
		}
	}
	return masked, shown
}

// redactedHolder returns who holds a lock as it may be shown.
func (s *session) redactedHolder(h *state.Holder) *state.Holder {
	if s.mask == nil || h == nil {
		return h
	}
	masked := *h
	masked.User, masked.Host, masked.Command = s.mask.Name(h.User), s.mask.Name(h.Host), s.mask.Text(h.Command)
	return &masked
}

// redactedAccounts returns accounts as they may be shown, in byte order of their
// primaries.
func (s *session) redactedAccounts(accounts []identity.Account) []identity.Account {
	if s.mask == nil {
		return accounts
	}
	masked := make([]identity.Account, len(accounts))
	for i := range accounts {
		masked[i] = *plan.RedactAccount(&accounts[i], s.mask)
	}
	slices.SortFunc(masked, func(a, b identity.Account) int { return a.Primary.Compare(b.Primary) })
	return masked
}
