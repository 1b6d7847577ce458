package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/doctor"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/internal/number"
)

// Examining says which console is examined: its label and its kind, the owner that
// marks the configuration's accounts, and the domains that it declares as its own.
type Examining struct {
	Name, Kind, Owner string
	Domains           []string
}

// Examine opens a console, reads it to the end and lets it look for problems itself,
// and returns what it found. Progress hears how many accounts were read. An error is
// that of ctx.
func Examine(ctx context.Context, e Examining, open func() (Target, error), now func() time.Time, progress func(accounts int)) (*doctor.Report, error) {
	r := &doctor.Report{Name: e.Name, Kind: e.Kind}
	subject := fmt.Sprintf("console %q", e.Name)
	failed := func(k *doctor.Check, err error) {
		r.Refused = r.Refused || errors.As(err, new(*RefusedError)) || apply.CodeOf(err) == apply.Auth
		remedy := ""
		if h := (interface{ Hint() string })(nil); errors.As(err, &h) {
			remedy = h.Hint()
		}
		k.Fail(strings.TrimPrefix(err.Error(), subject+": "), remedy)
	}
	var target Target
	reach := r.Check(doctor.Reach, subject, func(k *doctor.Check) {
		var err error
		if target, err = open(); err != nil {
			failed(k, err)
			return
		}
		k.Pass("the console answers")
	})
	r.Check(doctor.Facts, subject, func(k *doctor.Check) { e.facts(k, target) }, reach)
	r.Check(doctor.Read, subject, func(k *doctor.Check) {
		live, receipt, err := Read(ctx, target, e.Name, e.Kind, now(), now, progress)
		if err != nil {
			failed(k, err)
			return
		}
		var evidence []string
		if product := strings.TrimSpace(receipt.Product + " " + receipt.Version); product != "" {
			evidence = append(evidence, product)
		}
		e.accounts(k, live, receipt.Facts.Marks, append(evidence, "read in "+strconv.FormatFloat(receipt.Seconds, 'f', 1, 64)+" s"))
	}, reach)
	e.findings(ctx, r, target, failed, reach)
	return r, ctx.Err()
}

// facts says whether what a console can do fits the configuration.
func (e *Examining) facts(k *doctor.Check, t Target) {
	facts := t.Facts()
	stated := "states " + string(facts.AppendJSON(nil))
	var outside []string
	for _, name := range e.Domains {
		if len(facts.Domains) > 0 && !slices.ContainsFunc(facts.Domains, func(d string) bool { return strings.EqualFold(d, name) }) {
			outside = append(outside, name)
		}
	}
	switch {
	case len(outside) > 0:
		k.Warn("it does not manage "+strings.Join(outside, ", ")+", whose addresses no account can get there",
			"add the domain to the console, or take it out of the configuration", stated)
	case facts.Unstable && !facts.Marks && !facts.Publishes:
		k.Warn("it neither stores whose an account is nor has keys that stay, so that no account can get another primary",
			"let the console store owners, or give its accounts keys that never change", stated)
	default:
		k.Pass("they fit the configuration", stated)
	}
}

// mostOdd is how many accounts that cannot be understood a check names.
const mostOdd = 5

// accounts says what was read, and whose it is where accounts are marked.
func (e *Examining) accounts(k *doctor.Check, live []identity.Live, marks bool, evidence []string) {
	var marked, others int
	var odd []string
	for i := range live {
		l := &live[i]
		switch {
		case l.Mark.IsZero():
		case l.Mark.By == e.Owner:
			marked++
		default:
			others++
		}
		why := l.Odd
		if why == "" && l.Primary.IsZero() {
			why = "it has no primary"
		}
		if why != "" {
			odd = append(odd, fmt.Sprintf("account %q: %s", l.Ref, why))
		}
	}
	finding := "complete: " + counted(len(live), "account")
	if marks {
		finding += fmt.Sprintf(", %s marked by %q, %s by others, %s without a mark", number.Thousands(marked), e.Owner, number.Thousands(others), number.Thousands(len(live)-marked-others))
	}
	if len(odd) == 0 {
		k.Pass(finding, evidence...)
		return
	}
	finding += fmt.Sprintf("; left as they are, because they cannot be understood: %s", number.Thousands(len(odd)))
	if more := len(odd) - mostOdd; more > 0 {
		odd = append(odd[:mostOdd], "and "+number.Thousands(more)+" more")
	}
	k.Warn(finding, "correct them in the console", append(evidence, odd...)...)
}

// findings adds what a console has found itself.
func (e *Examining) findings(ctx context.Context, r *doctor.Report, t Target, failed func(*doctor.Check, error), reach *doctor.Check) {
	subject := fmt.Sprintf("console %q", e.Name)
	var found []Finding
	r.Check(doctor.Finding, subject, func(k *doctor.Check) {
		checker, able := t.(Checker)
		var err error
		if able {
			found, err = checker.Check(ctx)
		}
		switch {
		case err != nil:
			failed(k, err)
		case len(found) == 0:
			k.Skip("the console has no checks of its own")
		default:
			k.Pass("the console's own check: " + counted(len(found), "finding"))
		}
	}, reach)
	all := make([]doctor.Found, len(found))
	for i, f := range found {
		all[i] = doctor.Found(f)
	}
	r.Findings(all)
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number.Thousands(n) + " " + what + "s"
}
