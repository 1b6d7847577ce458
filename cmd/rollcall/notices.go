package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/config"
	"github.com/rollcall-cli/rollcall/internal/channel"
	channels "github.com/rollcall-cli/rollcall/internal/channel/all"
	"github.com/rollcall-cli/rollcall/internal/directory"
	"github.com/rollcall-cli/rollcall/internal/expiry"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/notice"
	"github.com/rollcall-cli/rollcall/internal/redact"
	"github.com/rollcall-cli/rollcall/internal/render"
	"github.com/rollcall-cli/rollcall/internal/run"
	"github.com/rollcall-cli/rollcall/plan"
	"github.com/rollcall-cli/rollcall/state"
)

// notices tell people of a run. Nil ones tell nobody.
type notices struct {
	s     *session
	cfg   *config.Config
	box   *run.Outbox
	filed bool         // with the intent of the run
	masks *redact.Mask // once they are needed
}

// tellsOf begins to tell of a run that holds the lock.
func (s *session) tellsOf(cfg *config.Config) *notices {
	box, err := s.store.Outbox(s.ctx)
	var damage *state.Error
	switch {
	case errors.As(err, &damage):
		s.warn("notices of earlier runs may be lost: %v", err)
	case err != nil:
		s.warn("nobody is told of this run: %v", err)
		return nil
	case len(cfg.Notify)+len(box.Messages)+len(box.Conditions) == 0:
		return nil
	}
	return &notices{s: s, cfg: cfg, box: box}
}

// draft files what is sent if the run of a number turns out to have changed something,
// before it does.
func (n *notices) draft(r *record, told *notice.Run) {
	if n == nil {
		return
	}
	n.filed = true
	told.Number = r.recorder.Number()
	n.drafted(told)
}

func (n *notices) drafted(told *notice.Run) {
	d := &run.Draft{Run: told.Number}
	d.Conditions, d.Messages = n.file(told)
	n.box.Draft = d
	n.save()
}

// found files what a run has come to that was killed and of which it is known by now.
func (n *notices) found(u *state.Unsettled, found *apply.Recovered) {
	if n == nil {
		return
	}
	n.drafted(&notice.Run{
		Plan: &plan.Plan{Accounts: u.Changes}, Foremost: notice.Foremost(u.Changes, found.Made), Number: u.Number, Killed: true, Committed: true,
		Result: run.Result{Applied: found.Applied, Failures: found.Failures}, Undecided: spelledAddresses(found.Undecided), Now: n.s.now(), Command: n.command,
	})
}

// settle takes over the draft of a run that has changed something.
func (n *notices) settle() {
	if n == nil || n.box.Draft == nil {
		return
	}
	d := n.box.Draft
	n.box.Conditions, n.box.Messages, n.box.Draft = d.Conditions, append(n.box.Messages, d.Messages...), nil
}

// end files what the run has come to, unless that is done.
func (n *notices) end(r *record, err error) {
	if n == nil {
		return
	}
	switch {
	case n.filed && r.outcome == "":
		n.box = nil // what the run has done, the next one finds out
		return
	case n.filed && r.outcome.Changed():
		n.settle()
	default:
		if told := n.outcome(r, err); told != nil {
			conditions, messages := n.file(told)
			n.box.Conditions, n.box.Messages, n.box.Draft = conditions, append(n.box.Messages, messages...), nil
		}
	}
	named := channel.Forget(n.box, func(m *run.Message) bool {
		return !slices.ContainsFunc(n.cfg.Notify, func(c config.Notify) bool { return c.Label == m.Channel && c.Redact && !m.Redacted })
	})
	if named > 0 {
		n.s.warn("%s dropped, because redact was set since, and they show names", wereNotices(named))
	}
	gone := channel.Forget(n.box, func(m *run.Message) bool {
		return slices.ContainsFunc(n.cfg.Notify, func(c config.Notify) bool { return c.Label == m.Channel })
	})
	if gone > 0 {
		n.s.warn("%s dropped, for notify blocks that are no longer in the configuration", wereNotices(gone))
	}
	var dropped int
	if n.box.Messages, dropped = channel.Trim(n.box.Messages); dropped > 0 {
		n.s.warn("%s dropped, the oldest, because more than %d wait for a notify block", wereNotices(dropped), channel.Kept)
	}
	if !n.save() {
		n.box = nil // or each run would send the same
	}
}

func (n *notices) save() bool {
	err := n.s.store.SaveOutbox(context.WithoutCancel(n.s.ctx), n.box)
	if err != nil {
		n.s.warn("could not file the notices of this run, and sends none: %v", err)
	}
	return err == nil
}

// send sends what waits, although the run was interrupted.
func (n *notices) send() {
	if n == nil || n.box == nil || len(n.box.Messages) == 0 {
		return
	}
	if n.s.ctx.Err() != nil {
		n.s.note("sending %s; Ctrl-C again ends that, and the next run sends them", counted(len(n.box.Messages), "notice"))
	}
	reports := n.deliver(n.s.senders(n.cfg))
	if lost := n.lost(reports); len(lost) > 0 {
		n.box.Messages = append(n.box.Messages, lost...)
		senders := n.s.senders(n.cfg)
		for i := range reports {
			if reports[i].Left > 0 { // which has had its time
				delete(senders, reports[i].Channel)
			}
		}
		n.deliver(senders)
	}
}

// deliver sends by way of some of the channels.
func (n *notices) deliver(senders map[string]channel.Sender) []channel.Report {
	ctx := context.WithoutCancel(n.s.ctx)
	progress := render.NewProgress(n.s.stderr, n.s.err, n.s.now)
	progress.Update("sending", "notices", len(n.box.Messages))
	reports, err := channel.Deliver(ctx, n.box, senders, n.s.now, func() error { return n.s.store.SaveOutbox(ctx, n.box) })
	progress.Clear()
	for i := range reports {
		n.s.reportDelivery(&reports[i])
	}
	if err != nil {
		n.s.warn("could not record which notices were sent; they may be sent again: %v", err)
	}
	return reports
}

// lost are the messages by which other channels are told of notices that will never
// arrive.
func (n *notices) lost(reports []channel.Report) (all []run.Message) {
	for i := range reports {
		r := &reports[i]
		if len(r.Refused) == 0 {
			continue
		}
		// Of a block with several recipients, those who are left are told, too.
		others := slices.DeleteFunc(n.channels(), func(c notice.Channel) bool {
			return c.Label == r.Channel && len(r.RefusedBy) == len(r.Recipients)
		})
		lost := notice.Finding{Event: true, Notice: run.Notice{
			Kind: run.NoticeFailed, Title: fmt.Sprintf("notify %q lost %s", r.Channel, counted(len(r.Refused), "notice")), Command: n.command("doctor"),
		}}
		for _, err := range r.Refused[:min(len(r.Refused), notice.Most)] {
			lost.Lines = append(lost.Lines, err.Error())
		}
		masked := lost
		masked.Lines = []string{"the output of the run says which, and why"}
		found := notice.Findings{All: []notice.Finding{lost}, Redacted: []notice.Finding{masked}}
		from, redacted := n.origins(0)
		_, messages := notice.File(nil, others, &found, from, redacted, n.s.now())
		for i := range messages {
			if messages[i].Channel == r.Channel {
				messages[i].Delivered = r.RefusedBy // who would refuse this, too
			}
		}
		all = append(all, messages...)
	}
	return all
}

// senders are those of the channels, by their labels.
func (s *session) senders(cfg *config.Config) map[string]channel.Sender {
	all := map[string]channel.Sender{}
	for i := range cfg.Notify {
		all[cfg.Notify[i].Label] = senderOf(&cfg.Notify[i])
	}
	return all
}

func senderOf(n *config.Notify) channel.Sender {
	return channels.Kind(n.Kind).Open(n.Settings, release)
}

// origins say where the notices of a run come from, 0 for none, in full and as channels
// that redact show it.
func (n *notices) origins(number int) (from, redacted notice.Origin) {
	from = notice.Origin{Run: number, Host: cmp.Or(n.s.host, "unknown host"), Configuration: absolute(n.cfg.Dir)}
	if n.cfg.Console.Kind != config.Local {
		from.Console = n.cfg.Console.Name
	}
	if redacted = from; n.redacts() {
		redacted.Host = n.mask().Name(from.Host)
	}
	return from, redacted
}

// redacts reports whether any channel does.
func (n *notices) redacts() bool {
	return slices.ContainsFunc(n.cfg.Notify, func(c config.Notify) bool { return c.Redact })
}

func (s *session) reportDelivery(r *channel.Report) {
	name := fmt.Sprintf("notify %q", r.Channel)
	for _, err := range r.Refused {
		s.warn("%s: a notice is lost: %s", name, s.said(err.Error()))
	}
	switch {
	case r.Err != nil && !r.Held.IsZero():
		s.warn("%s: %s; the server asks to wait until %s: %s for a later run", name, s.said(r.Err.Error()), stamp(r.Held), waits(r.Left))
	case r.Err != nil:
		s.warn("%s: %s; %s for the next run", name, s.said(r.Err.Error()), waits(r.Left))
	case r.Left > 0:
		s.note("%s: its server asked to wait until %s; %s", name, stamp(r.Held), waits(r.Left))
	}
	if r.Sent > 0 {
		s.note("%s: %s sent", name, counted(r.Sent, "notice"))
	}
}

func wereNotices(n int) string { return oneOrMany(n, "notice was", "notices were") }

func waits(n int) string { return oneOrMany(n, "notice waits", "notices wait") }

// command spells a command line that works in any folder.
func (n *notices) command(args ...string) string { return commandIn(absolute(n.cfg.Dir), args...) }

// file returns what becomes of the conditions, and what is to be sent.
func (n *notices) file(r *notice.Run) ([]run.Condition, []run.Message) {
	var found notice.Findings
	found.All, found.Judged = notice.Find(r)
	if n.redacts() {
		masked, _ := notice.Find(redactedOutcome(r, n.mask()))
		found.Redact(masked)
	}
	from, redacted := n.origins(r.Number)
	return notice.File(n.box.Conditions, n.channels(), &found, from, redacted, n.s.now())
}

func (n *notices) channels() []notice.Channel {
	all := make([]notice.Channel, len(n.cfg.Notify))
	for i := range n.cfg.Notify {
		all[i] = channelOf(&n.cfg.Notify[i])
	}
	return all
}

func channelOf(c *config.Notify) notice.Channel {
	return notice.Channel{Label: c.Label, On: c.On, Repeat: c.Repeat, Redacted: c.Redact}
}

// mask is that of channels that redact.
func (n *notices) mask() *redact.Mask {
	if n.masks == nil {
		if n.masks = n.s.mask; n.masks == nil {
			n.masks = n.newMask()
		}
	}
	return n.masks
}

func (n *notices) newMask() *redact.Mask {
	key := os.Getenv(redactKey)
	if key != "" && len(key) < leastKey {
		n.s.warn("%s is too short to mask notices, which have other masks: a key of fewer than %d characters can be guessed", redactKey, leastKey)
		key = ""
	}
	key = cmp.Or(key, n.s.store.Lineage(n.s.ctx), rand.Text())
	return redact.New([]byte(key), domainNames(n.cfg.Rules.Domains)...)
}

// redactedOutcome is what a run has come to as it may be shown.
func redactedOutcome(r *notice.Run, m *redact.Mask) *notice.Run {
	masked := *r
	if r.Plan != nil {
		masked.Plan = r.Plan.Redact(m)
	}
	masked.Result.Failures, masked.Foremost = nil, make([]plan.AccountChange, len(r.Foremost))
	for i := range r.Foremost {
		masked.Foremost[i] = plan.RedactChange(&r.Foremost[i], m)
	}
	for _, f := range r.Result.Failures {
		said := m.Text
		if f.Code != "" || r.Killed {
			said = m.Name // a console may say anything
		}
		f.Account, f.Error = m.Address(f.Account), said(f.Error)
		masked.Result.Failures = append(masked.Result.Failures, f)
	}
	masked.Differences = nil
	for _, d := range r.Differences {
		d.Account, d.Text = m.Address(d.Account), m.Name(d.Text)
		masked.Differences = append(masked.Differences, d)
	}
	masked.Undecided = nil
	for _, x := range r.Undecided {
		masked.Undecided = append(masked.Undecided, m.Address(x))
	}
	if r.Ended != nil {
		masked.Ended = errors.New(m.Text(maskedError(m, r.Ended)))
	}
	if r.Error != nil {
		masked.Error = errors.New(m.Text(maskedError(m, r.Error)))
		masked.Hint = m.Text(maskedHint(m, r.Error))
	}
	return &masked
}

// outcome is what a run has come to that has filed nothing before its end; nil where a
// person has decided, who knows.
func (n *notices) outcome(r *record, err error) *notice.Run {
	code := codeOf(err)
	out := n.about(r)
	attended := !r.head.Automatic
	switch code {
	case exitOK, exitWithheld, exitNew:
		out.Committed, out.Done = true, true
	case exitIncomplete: // of which the next run finds out
		if r.left != nil {
			out.Committed, out.Open, out.Ended, out.Result = true, true, r.leftBy, r.left.Result
		}
	case exitRisky:
		out.Risky = true
	case exitDrift:
		out.Refused = true
	case exitDeclined, exitUsage:
		return nil
	case exitStale, exitInterrupted:
		if attended {
			return nil
		}
		out.Failed = true
	default:
		out.Failed = true
	}
	if out.Failed {
		if out.Error, out.Hint = err, directory.HintOf(err); err.Error() == "" {
			out.Error = fmt.Errorf("exit code %d; the output of the run says why", code)
		}
		if code == exitInterrupted {
			out.Error = errors.New("interrupted before it changed anything")
		}
	}
	return out
}

// about is what is known of any run.
func (n *notices) about(r *record) *notice.Run {
	out := &notice.Run{Plan: r.plan, Made: r.fresh, Options: r.options, Expiries: tokens(n.cfg), Now: n.s.now(), Command: n.command}
	if r.recorder != nil {
		out.Number = r.recorder.Number()
	}
	return out
}

// tokens are those by which mail is sent and that say when they end.
func tokens(cfg *config.Config) (all []identity.Expiry) {
	for i := range cfg.Notify {
		if v := cfg.Notify[i].Settings; v.Has("auth") && v.Text("auth") == "xoauth2" {
			all = append(all, expiry.Token(fmt.Sprintf("notify %q", cfg.Notify[i].Label), v.Secret("password").Reveal())...)
		}
	}
	return all
}

// committing is what a run will have come to once its state is saved.
func (n *notices) committing(r *record, result *apply.Result, ended error) *notice.Run {
	if n == nil {
		return nil
	}
	out := n.about(r)
	out.Committed, out.Done, out.Ended, out.Result = true, ended == nil, ended, result.Result
	out.Foremost = notice.Foremost(r.accounts, result.Made)
	if result.Canary {
		out.Ended = errors.New("the canary failed, and the other changes were not made")
	}
	for _, d := range result.Differences {
		what := cmp.Or(d.Field, "account")
		out.Differences = append(out.Differences, run.NoticeItem{
			Account: d.Account.String(), Reason: "differs", Rule: "console", Text: fmt.Sprintf("%s is %q, not %q", what, d.Found, d.Wanted),
			Remedy: "the next run reads the account again and corrects it",
		})
	}
	out.Undecided = spelledAddresses(result.Undecided)
	return out
}
