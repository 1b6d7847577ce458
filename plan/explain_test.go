package plan_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

var explainInputs = flag.Int("explain.inputs", 1_000, "how many random inputs TestExplain judges")

// TestExplain explains every address, entry and account of random inputs: what
// is said is what the plan does, no row or rejection of it is missing or made
// up, and the plan is that of Compute.
func TestExplain(t *testing.T) {
	t.Parallel()
	for n := range uint64(*explainInputs) {
		in := generate(*propertySeed+99, n)
		want, err := plan.Compute(in)
		if err != nil {
			continue
		}
		for _, about := range subjects(in, want) {
			x, err := plan.Explain(in, about)
			if err != nil {
				t.Fatalf("input %d: %s: %v", n, about.Text, err)
			}
			if told := explains(in, want, x, about); told != "" {
				t.Fatalf("input %d: %s %s: %s\n%s", n, about.Kind, about.Text, told, spelledOut(x))
			}
		}
	}
}

// subjects are all that an input and its plan name, and what nobody has.
func subjects(in plan.Input, p *plan.Plan) []plan.Subject {
	texts := []string{"nobody@example.com", "nobody@example.net", "nobody@unknown.com", "nobody"}
	for i := range in.Entries {
		e := &in.Entries[i]
		texts = append(texts, e.GUID.String(), e.DN, e.Username)
		texts = append(append(texts, e.Primaries...), e.Aliases...)
	}
	for i := range in.Accounts {
		a := &in.Accounts[i]
		texts = append(texts, a.Primary.String(), a.GUID.String())
		for _, x := range a.Aliases {
			texts = append(texts, x.String())
		}
	}
	for i := range p.Rejections {
		texts = append(texts, p.Rejections[i].Address)
	}
	slices.Sort(texts)
	var all []plan.Subject
	for _, text := range slices.Compact(texts) {
		if s, err := plan.ParseSubject(text); err == nil {
			all = append(all, s)
		}
	}
	return all
}

// explains says what is wrong with an explanation, "" if nothing is.
func explains(in plan.Input, want *plan.Plan, x *plan.Explanation, about plan.Subject) string {
	if !samePlan(want, x.Plan) {
		return "the plan is another one than without explaining"
	}
	p := x.Plan
	addresses := map[string]*plan.AddressFacts{}
	for n := range x.Addresses {
		addresses[x.Addresses[n].Address] = &x.Addresses[n]
	}
	if about.Kind == plan.AddressSubject && x.Subject.Kind == plan.AddressSubject && len(addresses) == 0 {
		return "nothing is said of the address"
	}
	for n := range p.Changes {
		c := &p.Changes[n]
		if addresses[c.Address.String()] != nil && !slices.Contains(x.Changes, c) {
			return fmt.Sprintf("row %s %s is missing", c.Category, c.Address)
		}
	}
	for _, c := range x.Changes {
		if n := slices.IndexFunc(p.Changes, func(d plan.Change) bool { return d == *c }); n < 0 {
			return fmt.Sprintf("row %s %s is made up", c.Category, c.Address)
		}
	}
	for n := range p.Rejections {
		r := &p.Rejections[n]
		if addresses[r.Address] != nil && !slices.Contains(x.Rejections, r) {
			return fmt.Sprintf("rejection %s %s is missing", r.Reason, r.Address)
		}
	}
	refused := map[string]int{}
	for _, r := range x.Rejections {
		refused[r.Address]++
		if n := slices.IndexFunc(p.Rejections, func(q plan.Rejection) bool { return q == *r }); n < 0 {
			return fmt.Sprintf("rejection %s %s is made up", r.Reason, r.Address)
		}
	}
	// Every refusal of the subject's own has its step, and every step its refusal.
	for _, r := range x.Rejections {
		own := slices.ContainsFunc(x.Entries, func(e plan.EntryFacts) bool {
			return e.Ref == plan.EntryRef{Directory: r.Directory, Scope: r.Scope, DN: r.DN, GUID: r.GUID}
		})
		if addresses[r.Address] == nil || !own && x.Subject.Kind != plan.AddressSubject {
			continue
		}
		if !slices.ContainsFunc(x.Steps, func(s plan.Step) bool {
			return s.Outcome == plan.Rejected && s.Reason == r.Reason && s.Address == r.Address && s.Entry.DN == r.DN && s.Other == r.Other && s.Guard == r.Guard
		}) {
			return fmt.Sprintf("no rule has said %s %s of %s because of %v %s", r.Reason, r.Address, r.DN, r.Other, r.Guard)
		}
	}
	for _, s := range x.Steps {
		if s.Message(plan.Names{}) == "" || strings.Contains(s.Message(plan.Names{}), "%!") {
			return fmt.Sprintf("step %s %s has no message", s.Rule, s.Outcome)
		}
		if s.Outcome == plan.Rejected && s.Rejection == nil {
			return fmt.Sprintf("step %s %s %s is of no rejection", s.Rule, s.Reason, s.Address)
		}
	}
	if !slices.IsSortedFunc(x.Steps, func(a, b plan.Step) int { return int(a.Rule) - int(b.Rule) }) {
		return "the steps are not in the order of the rules"
	}
	console, err := applied(in.Accounts, p)
	if err != nil {
		return err.Error()
	}
	for text, f := range addresses {
		if f.Rejected != refused[text] {
			return fmt.Sprintf("%s: %d refusals are counted, %d shown", text, f.Rejected, refused[text])
		}
		if told := judgeFate(in, console, x, f); told != "" {
			return text + ": " + told
		}
	}
	for _, f := range x.Fixes {
		if f.Message(plan.Names{}) == "" || (f.Kind == plan.RemoveValue || f.Kind == plan.OtherValue) && f.Effect(plan.Names{}) == "" {
			return "a fix says nothing"
		}
	}
	if answer := x.Answer(plan.Names{}); answer == "" || strings.Contains(answer, "%!") {
		return "no answer: " + answer
	}
	return ""
}

// judgeFate compares what is said of an address with the console before and
// after, and with the rows.
func judgeFate(in plan.Input, console []identity.Account, x *plan.Explanation, f *plan.AddressFacts) string {
	find := func(accounts []identity.Account) string {
		for _, a := range accounts {
			for _, y := range append([]identity.Address{a.Primary}, a.Aliases...) {
				if y.String() == f.Address {
					return fmt.Sprintf("%s %s %t", a.Primary, a.Status, a.Primary == y)
				}
			}
		}
		return "nobody"
	}
	shown := func(h *plan.Holding) string {
		if h == nil {
			return "nobody"
		}
		return fmt.Sprintf("%s %s %t", h.Account.Primary, h.Account.Status, h.Primary)
	}
	if a, b := find(in.Accounts), shown(f.Before); a != b {
		return fmt.Sprintf("before is %s, shown %s", a, b)
	}
	if a, b := find(console), shown(f.After); a != b {
		return fmt.Sprintf("after is %s, shown %s", a, b)
	}
	categories := map[plan.Category]bool{}
	for _, c := range x.Changes {
		if c.Address.String() == f.Address {
			categories[c.Category] = true
		}
	}
	moves := categories[plan.AliasSwitch] || categories[plan.AliasToPrimary] || categories[plan.PrimaryToAlias] || categories[plan.PrimarySwitch]
	comes := categories[plan.Add] || categories[plan.Reactivation] && !moves
	fate := f.Fate()
	switch {
	case comes != (fate == plan.Comes):
		return fmt.Sprintf("%s, and the rows are %v", fate, categories)
	case moves != (fate == plan.Moves):
		return fmt.Sprintf("%s, and the rows are %v", fate, categories)
	case fate == plan.Goes && !categories[plan.Inactive], fate == plan.Stays && categories[plan.Inactive] && !f.Withheld:
		return fmt.Sprintf("%s, and the rows are %v", fate, categories)
	}
	return ""
}

func samePlan(a, b *plan.Plan) bool {
	var x, y bytes.Buffer
	return a.WriteJSON(&x) == nil && b.WriteJSON(&y) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

// spelledOut shows an explanation for a person who mends it.
func spelledOut(x *plan.Explanation) string {
	var b strings.Builder
	fmt.Fprintln(&b, x.Answer(plan.Names{}))
	for _, s := range x.Steps {
		fmt.Fprintf(&b, "  %-10s %-16s %s\n", s.Rule, s.Outcome, s.Message(plan.Names{}))
	}
	for _, c := range x.Changes {
		fmt.Fprintf(&b, "  row %s %s\n", c.Category, c.Address)
	}
	for _, r := range x.Rejections {
		fmt.Fprintf(&b, "  rejection %s %s %s: %s\n", r.Reason, r.Address, r.DN, r.Message(plan.Names{}))
	}
	for _, f := range x.Fixes {
		fmt.Fprintf(&b, "  fix %s: %s\n", f.Message(plan.Names{}), f.Effect(plan.Names{}))
	}
	return b.String()
}

// TestExplainShuffled explains the same whatever the order of the input.
func TestExplainShuffled(t *testing.T) {
	t.Parallel()
	for n := range uint64(300) {
		in := generate(*propertySeed+98, n)
		want, err := plan.Compute(in)
		if err != nil {
			continue
		}
		other := in
		other.Entries, other.Accounts = slices.Clone(in.Entries), slices.Clone(in.Accounts)
		slices.Reverse(other.Entries)
		slices.Reverse(other.Accounts)
		for _, about := range subjects(in, want) {
			x, err := plan.Explain(in, about)
			y, err2 := plan.Explain(other, about)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			if a, b := spelledOut(x), spelledOut(y); a != b {
				t.Fatalf("input %d: %s:\n%s\nand reversed\n%s", n, about.Text, a, b)
			}
		}
	}
}

// TestExplainFixes makes every removal and commit that is proposed for random
// inputs: what is lost and what has another place is reported, and nothing else.
func TestExplainFixes(t *testing.T) {
	t.Parallel()
	removals, others, commits := 0, 0, 0
	for n := range uint64(*explainInputs) {
		in := generate(*propertySeed+97, n)
		now, err := plan.Compute(in)
		if err != nil {
			continue
		}
		for _, about := range subjects(in, now) {
			x, err := plan.Explain(in, about)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range x.Fixes {
				then, told := in, ""
				if f.Vain() {
					continue // unless an attribute that is not read has another address
				}
				switch f.Kind {
				case plan.RemoveValue:
					removals++
					then.Entries = withoutValue(in, &f)
					if told = judgeRemoval(in, then, &f); told == "" {
						told = judgeAdvice(in, now, then, &f)
					}
				case plan.OtherValue:
					others++
					then.Entries = withoutValue(in, &f)
					if told = judgeRemoval(in, then, &f); told == "" {
						told = judgeAdvice(in, now, then, &f)
					}
				case plan.ApplyIt, plan.AllowIt:
					commits++
					told = judgeCommit(in, &f)
				}
				if told != "" {
					t.Fatalf("input %d: %s: %s (%s): %s\n%s", n, about.Text, f.Message(plan.Names{}), f.Effect(plan.Names{}), told, spelledOut(x))
				}
			}
		}
	}
	if removals < *explainInputs/2 || others < *explainInputs/10 || commits < *explainInputs/2 {
		t.Errorf("%d removals, %d other addresses and %d commits of %d inputs", removals, others, commits, *explainInputs)
	}
}

// judgeAdvice says what is wrong with following a proposal: it takes a person's
// only valid address, gives an address that somebody has, or leaves an entry before
// an account of a GUID that is gone.
func judgeAdvice(in plan.Input, now *plan.Plan, then plan.Input, f *plan.Fix) string {
	valid := func(e *identity.Entry, value string) bool {
		y, err := identity.ParseAddress(value)
		if err != nil {
			return false
		}
		for i := range in.Rules.Domains {
			if d := &in.Rules.Domains[i]; d.Name == y.Domain() || slices.Contains(d.Aliases, y.Domain()) {
				return !d.Public && slices.Contains(in.Rules.Scopes[e.Scope].Domains, d.Name)
			}
		}
		return false
	}
	count := func(entries []identity.Entry) (n int) {
		for i := range entries {
			e := &entries[i]
			if at := f.Listing.Entry; in.Rules.Scopes[e.Scope].Directory != at.Directory || e.DN != at.DN || e.GUID != at.GUID {
				continue
			}
			for _, value := range slices.Concat(e.Primaries, e.Aliases) {
				n += map[bool]int{true: 1}[valid(e, value)]
			}
		}
		return n
	}
	if count(in.Entries) > 0 && count(then.Entries) == 0 {
		return "it takes the only valid address"
	}
	p, err := plan.Compute(then)
	if err != nil {
		return err.Error()
	}
	spoilt := func(p *plan.Plan) map[plan.EntryRef]bool {
		all := map[plan.EntryRef]bool{}
		for _, r := range p.Rejections {
			if r.Reason == plan.GUIDChanged {
				all[plan.EntryRef{Directory: r.Directory, Scope: r.Scope, DN: r.DN, GUID: r.GUID}] = true
			}
		}
		return all
	}
	before := spoilt(now)
	for e := range spoilt(p) {
		if !before[e] {
			return e.DN + " is left without an account: guid_changed"
		}
	}
	if f.New == "" {
		return ""
	}
	for _, r := range p.Rejections {
		if r.Address == f.New {
			return f.New + " is rejected: " + r.Message(plan.Names{})
		}
	}
	for i := range in.Accounts {
		if in.Accounts[i].Holds(identity.MustAddress(f.New)) {
			return f.New + " is somebody's"
		}
	}
	return ""
}

// withoutValue returns the entries once an object lists an address no more, but
// the new one of the fix, if it has one.
func withoutValue(in plan.Input, f *plan.Fix) []identity.Entry {
	entries := slices.Clone(in.Entries)
	for n := range entries {
		e := &entries[n]
		s := &in.Rules.Scopes[e.Scope]
		if at := f.Listing.Entry; s.Directory != at.Directory || e.DN != at.DN || e.GUID != at.GUID {
			continue
		}
		gone := func(value string) bool {
			return slices.ContainsFunc(f.Listings, func(l plan.Listing) bool { return l.Value == value })
		}
		for _, values := range [...]*[]string{&e.Primaries, &e.Mail, &e.Aliases} {
			listed := slices.ContainsFunc(*values, gone)
			*values = slices.DeleteFunc(slices.Clone(*values), gone)
			if listed && f.New != "" {
				*values = append(*values, f.New)
			}
		}
	}
	return entries
}

// served returns where every address in service is: the GUID and directory of its
// account, and whether it is the primary; of a local account, its primary.
func served(accounts []identity.Account) map[string]string {
	all := map[string]string{}
	for i := range accounts {
		a := &accounts[i]
		if !a.Active() {
			continue
		}
		who := a.Directory + " " + a.GUID.String()
		if a.Local() {
			who = a.Primary.String()
		}
		all[a.Primary.String()] = who + " primary"
		for _, y := range a.Aliases {
			all[y.String()] = who
		}
	}
	return all
}

// judgeRemoval compares what is said of a removal with the consoles with and
// without it.
func judgeRemoval(in, then plan.Input, f *plan.Fix) string {
	outcome := func(in plan.Input) (map[string]string, map[string]bool, error) {
		p, err := plan.Compute(in)
		if err != nil {
			return nil, nil, err
		}
		console, err := applied(in.Accounts, p)
		withheld := map[string]bool{}
		for n := range p.Accounts {
			if c := &p.Accounts[n]; c.Withheld {
				withheld[c.Kept.Primary.String()] = true
				for _, y := range c.Kept.Aliases {
					withheld[y.String()] = true
				}
			}
		}
		return served(console), withheld, err
	}
	now, withheldNow, err := outcome(in)
	if err != nil {
		return err.Error()
	}
	after, withheld, err := outcome(then)
	if err != nil {
		return err.Error()
	}
	told := map[string]*plan.Moved{}
	for n := range f.After {
		m := &f.After[n]
		told[m.Address] = m
		if at := after[m.Address]; (at != "") != m.After.Active() {
			return fmt.Sprintf("%s is shown as %v, and is at %q", m.Address, m.After, at)
		}
	}
	for y, at := range now {
		lost := after[y] == "" || withheld[y] && !withheldNow[y]
		switch m := told[y]; {
		case lost && (m == nil || !m.Lost):
			return y + " is lost, and that is not shown"
		case !lost && m != nil && m.Lost && after[y] == at:
			return y + " is not lost"
		case at != after[y] && m == nil:
			return fmt.Sprintf("%s goes from %q to %q, and that is not shown", y, at, after[y])
		}
	}
	for y, at := range after {
		if now[y] == "" && told[y] == nil {
			return fmt.Sprintf("%s comes to %q, and that is not shown", y, at)
		}
	}
	own := ""
	for y, at := range after {
		if at == f.Listing.Entry.Directory+" "+f.Listing.Entry.GUID.String()+" primary" {
			own = y
		}
	}
	if f.Primary != "" && own != f.Primary {
		return fmt.Sprintf("the primary is %q then, shown %q", own, f.Primary)
	}
	return ""
}

// judgeCommit compares what is said of a commit with the console after it.
func judgeCommit(in plan.Input, f *plan.Fix) string {
	for _, address := range f.Only {
		s, err := plan.ParseSelector("address:"+address, nil)
		if err != nil {
			return err.Error()
		}
		in.Selection.Only = append(in.Selection.Only, s)
	}
	for b := range f.Lift {
		in.Rules.Limits[b].Allowed = f.Lift[b]
	}
	p, err := plan.Compute(in)
	if err != nil {
		return err.Error()
	}
	if s := p.Summary(); s.WithheldAccounts > 0 || len(p.Accounts) != 1+len(f.With) {
		return fmt.Sprintf("%d accounts change, %d are withheld", len(p.Accounts), s.WithheldAccounts)
	}
	var console []identity.Account
	for i := range in.Accounts {
		if !slices.ContainsFunc(p.Accounts, func(c plan.AccountChange) bool { return c.Before == &in.Accounts[i] }) {
			console = append(console, in.Accounts[i])
		}
	}
	for n := range p.Accounts {
		if after := p.Accounts[n].Result(); after != nil {
			console = append(console, *after)
		}
	}
	now, after := served(in.Accounts), served(console)
	var lost, told []string
	for y := range now {
		if after[y] == "" {
			lost = append(lost, y)
		}
	}
	for _, m := range f.After {
		told = append(told, m.Address)
	}
	slices.Sort(lost)
	if !slices.Equal(lost, told) {
		return fmt.Sprintf("%v are lost, shown %v", lost, told)
	}
	return ""
}

func TestParseSubject(t *testing.T) {
	guid, _ := identity.ParseGUID("8c4ac332-975f-4717-ad7b-ba4a4e968fff")
	for _, c := range []struct {
		text string
		want plan.Subject
	}{
		{"Ann@Example.com", plan.Subject{Kind: plan.AddressSubject, Text: "ann@example.com"}},
		{"SMTP:ann@example.com", plan.Subject{Kind: plan.AddressSubject, Text: "ann@example.com"}},
		{" smtp: ann@example.com ", plan.Subject{Kind: plan.AddressSubject, Text: "ann@example.com"}},
		{"a=b@example.com", plan.Subject{Kind: plan.AddressSubject, Text: "a=b@example.com"}},
		{"Jo..Johnson@example.com", plan.Subject{Kind: plan.AddressSubject, Text: "jo..johnson@example.com"}},
		{"{8C4AC332-975F-4717-AD7B-BA4A4E968FFF}", plan.Subject{Kind: plan.GUIDSubject, Text: guid.String(), GUID: guid}},
		{"MsNKjF+XF0ete7pKTpaP/w==", plan.Subject{Kind: plan.GUIDSubject, Text: guid.String(), GUID: guid}},
		{"CN=Ann, DC=example,DC=com", plan.Subject{Kind: plan.DNSubject, Text: "CN=Ann, DC=example,DC=com"}},
		{"asmith", plan.Subject{Kind: plan.UsernameSubject, Text: "asmith"}},
	} {
		got, err := plan.ParseSubject(c.text)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q is %v, %v", c.text, got, err)
		}
	}
	for _, text := range []string{"", "  ", "smtp:"} {
		if s, err := plan.ParseSubject(text); err == nil {
			t.Errorf("%q is %v", text, s)
		}
	}
}

// TestExplainDocs finds every rule in docs/reference/explain.md, in its order.
func TestExplainDocs(t *testing.T) {
	b, err := os.ReadFile("../docs/reference/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for r := range plan.Rule(plan.RuleKinds) {
		_, rest, found := strings.Cut(text, "\n### "+r.String()+"\n")
		if !found {
			t.Fatalf("rule %s has no section, or not in its order", r)
		}
		text = rest
		if r.Meaning() == "" {
			t.Errorf("rule %s means nothing", r)
		}
	}
}

// BenchmarkExplain measures an explanation, to compare with BenchmarkCompute.
func BenchmarkExplain(b *testing.B) {
	in := corpusInput(1_000_000)
	for _, text := range []string{in.Accounts[500_000].Primary.String(), "nobody@example.com", in.Entries[7].DN} {
		about, err := plan.ParseSubject(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(about.Kind.String(), func(b *testing.B) {
			for b.Loop() {
				if _, err := plan.Explain(in, about); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Spelling does not count in a DN.
func TestExplainDN(t *testing.T) {
	in := corpusInput(3)
	in.Entries[1].DN, in.Entries[2].DN = `CN=Smith\, Ann,OU=Staff,DC=example`, "CN=Ünal Öz,OU=Staff,DC=example"
	for text, want := range map[string]int{
		strings.ToUpper(in.Entries[0].DN):                       1,
		strings.ReplaceAll(in.Entries[0].DN, ",", " , "):        1,
		`cn=smith\2c ann,ou=staff,dc=example`:                   1,
		"cn=ünal  öz,ou=staff,dc=example":                       1,
		"CN=SmithAnn,OU=Staff,DC=example":                       0,
		strings.Replace(in.Entries[0].DN, "OU=", "OU=Other", 1): 0,
	} {
		about, err := plan.ParseSubject(text)
		if err != nil {
			t.Fatal(err)
		}
		x, err := plan.Explain(in, about)
		if err != nil || x.Subject.Kind != plan.DNSubject || len(x.Entries) != want {
			t.Errorf("%s names %d entries, want %d (%v)", text, len(x.Entries), want, err)
		}
	}
}
