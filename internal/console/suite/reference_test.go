package suite

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// reference is a console in memory that keeps the contract, but for one fault,
// which is named by a text; "" is none.
type reference struct {
	mu       sync.Mutex
	facts    plan.Facts
	fault    string
	accounts map[string]identity.Live // by ref
	gone     map[identity.Address]bool
	former   map[identity.Address]bool // addresses that were primaries
	ledgers  map[string]string         // lineages, by owner
	made     int                       // counts accounts, changes and openings
}

func newReference(facts plan.Facts, fault string) *reference {
	return &reference{facts: facts, fault: fault, accounts: map[string]identity.Live{}, gone: map[identity.Address]bool{}, former: map[identity.Address]bool{}, ledgers: map[string]string{}}
}

// session is the console as one configuration has it open.
type session struct {
	*reference
	owner string
	keys  map[string]apply.Answer
}

func (c *reference) open(_ context.Context, owner string) (console.Target, error) {
	return c.session(owner), nil
}

func (c *reference) session(owner string) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.made++
	if c.fault == "facts vary" {
		c.facts.Batch = c.made
	}
	return &session{reference: c, owner: owner, keys: map[string]apply.Answer{}}
}

func (s *session) Facts() plan.Facts             { return s.facts }
func (s *session) Publish(context.Context) error { return nil }
func (s *session) Close() error                  { return nil }

// remembered is the owner whose ledger is meant.
func (s *session) remembered() string {
	if s.fault == "one ledger for all" {
		return ""
	}
	return s.owner
}

func (s *session) Ledger(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ledgers[s.remembered()], nil
}

func (s *session) Claim(_ context.Context, lineage, was string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.ledgers[s.remembered()]; s.fault != "any claim taken" {
		if made, err := console.Claimed(now, lineage, was); made || err != nil {
			return err
		}
	}
	if s.fault != "no claim written" {
		s.ledgers[s.remembered()] = lineage
	}
	return nil
}

// seen is an account as a read has it.
func (s *session) seen(l identity.Live) identity.Live {
	l.Aliases, l.Attributes = slices.Clone(l.Aliases), slices.Clone(l.Attributes)
	if !s.facts.Marks {
		l.Mark = identity.Mark{}
	}
	if s.fault == "mark of others hidden" && l.Mark.By != s.owner {
		l.Mark = identity.Mark{}
	}
	return l
}

func (s *session) Accounts(_ context.Context, yield func(identity.Live) error) (console.Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, ref := range slices.Sorted(maps.Keys(s.accounts)) {
		if s.fault == "one page read" && n == 110 {
			break
		}
		n++
		if err := yield(s.seen(s.accounts[ref])); err != nil {
			return console.Receipt{}, err
		}
	}
	if s.fault == "miscounted" {
		n++
	}
	return console.Receipt{Product: "reference", Accounts: n}, nil
}

func (s *session) Get(_ context.Context, refs []string, addresses []identity.Address) ([]identity.Live, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []identity.Live
	for _, ref := range slices.Sorted(maps.Keys(s.accounts)) {
		l := s.accounts[ref]
		holds := func(x identity.Address) bool {
			return s.fault != "get misses aliases" && l.Holds(x) || l.Primary == x
		}
		byRef, byAddress := slices.Contains(refs, ref), slices.ContainsFunc(addresses, holds)
		if byRef || byAddress {
			found = append(found, s.seen(l))
		}
		if s.fault == "get doubles" && byRef && byAddress {
			found = append(found, s.seen(l))
		}
	}
	return found, nil
}

func (s *session) Apply(ctx context.Context, steps []apply.Step, answer func(int, apply.Answer)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	saved := maps.Clone(s.accounts)
	for begin := 0; begin < len(steps); {
		if ctx.Err() != nil {
			if s.fault == "forgets when broken off" {
				s.accounts = saved
			}
			return ctx.Err()
		}
		end := begin + 1
		for end < len(steps) && steps[end].Group == steps[begin].Group {
			end++
		}
		for i, a := range s.group(steps[begin:end], s.accounts, false) {
			if s.fault == "answers twice" {
				answer(begin+i, a)
			}
			answer(begin+i, a)
		}
		begin = end
	}
	return nil
}

func (s *session) Try(_ context.Context, steps []apply.Step, answer func(int, apply.Answer)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	accounts := maps.Clone(s.accounts)
	if s.fault == "try makes" {
		accounts = s.accounts
	}
	for i, a := range s.group(steps, accounts, true) {
		answer(i, a)
	}
	return nil
}

func refusal(code apply.Code, message string) *apply.Error {
	return &apply.Error{Code: code, Message: message}
}

// group makes the changes of one group.
func (s *session) group(steps []apply.Step, accounts map[string]identity.Live, try bool) []apply.Answer {
	answers := make([]apply.Answer, len(steps))
	made := maps.Clone(accounts)
	failed := -1
	for i := range steps {
		step := &steps[i]
		if a, again := s.keys[step.Key]; again && !try && s.fault != "keys forgotten" {
			answers[i] = a
			continue
		}
		if failed >= 0 {
			answers[i].Err = refusal(apply.Cancelled, "another change of the group failed")
			continue
		}
		atOnce := s.facts.Groups && s.fault != "groups one by one"
		if answers[i] = s.step(step, made, atOnce, try); answers[i].Err != nil {
			failed = i
		}
	}
	if failed < 0 && s.facts.Groups {
		for i := range steps {
			if steps[i].Removes() || s.keys[steps[i].Key].Ref != "" {
				continue
			}
			if err := s.free(made, answers[i].Ref, steps[i].After); err != nil {
				answers[i] = apply.Answer{Err: err}
				failed = i
				break
			}
		}
	}
	if failed >= 0 && s.facts.Groups && !(s.fault == "groups by half" && len(steps) > 1) {
		made = accounts
		for i := range answers {
			switch {
			case i == failed:
			case s.fault == "cancelled is internal":
				answers[i] = apply.Answer{Err: refusal(apply.Internal, "rolled back")}
			default:
				answers[i] = apply.Answer{Err: refusal(apply.Cancelled, "another change of the group failed")}
			}
		}
	}
	if made := maps.Clone(made); !try || s.fault == "try makes" {
		clear(accounts)
		maps.Copy(accounts, made)
	}
	for i := range answers {
		if s.fault == "wrong ref answered" && !steps[i].Creates() {
			answers[i].Ref = "r0"
		}
		if answers[i].Err == nil && !try {
			s.keys[steps[i].Key] = answers[i]
		}
	}
	return answers
}

// free reports who has an address or the mark of an account beside it.
func (s *session) free(accounts map[string]identity.Live, ref string, a *identity.Account) *apply.Error {
	for _, other := range slices.Sorted(maps.Keys(accounts)) {
		if other == ref {
			continue
		}
		l := accounts[other]
		var taken *apply.Error
		a.EachAddress(func(x identity.Address) {
			if l.Holds(x) {
				taken = &apply.Error{Code: apply.Taken, Address: x.String(), Holder: other}
			}
			if s.fault == "aliases taken twice" && l.Primary != x {
				taken = nil
			}
			if s.fault == "primaries taken twice" && l.Primary == x {
				taken = nil
			}
		})
		if taken != nil && s.fault == "no holder" {
			taken.Holder = ""
		}
		if taken != nil && s.fault == "no address" {
			taken.Address = ""
		}
		if taken != nil && s.fault == "taken is refused" {
			taken.Code = apply.Refused
		}
		if taken != nil {
			return taken
		}
	}
	return nil
}

// step makes one change.
func (s *session) step(step *apply.Step, accounts map[string]identity.Live, atOnce, try bool) apply.Answer {
	fail := func(code apply.Code, message string) apply.Answer { return apply.Answer{Err: refusal(code, message)} }
	s.made++
	if s.fault == "throttles in silence" && s.made%50 == 0 {
		return fail(apply.Throttled, "too many requests")
	}
	if s.fault == "throttles" && s.made%50 == 0 {
		return apply.Answer{Err: &apply.Error{Code: apply.Throttled, RetryAfter: time.Millisecond}}
	}
	var l identity.Live
	if !step.Creates() {
		was, there := accounts[step.Live.Ref]
		switch {
		case !there && s.fault == "gone made anew" && !step.Removes():
			was = *step.Live
		case !there && s.fault == "gone is changed":
			return fail(apply.Changed, "no such account")
		case !there:
			return fail(apply.Gone, "no such account")
		}
		if why := s.refuses(step, &was); why != nil {
			return apply.Answer{Err: why}
		}
		l = s.seen(was)
	}
	if step.Removes() {
		if s.fault == "removed is inactive" && len(l.Aliases) > 0 {
			l.Status, l.Aliases = identity.Inactive, nil
			accounts[l.Ref] = l
			return apply.Answer{}
		}
		if !try {
			l.EachAddress(func(x identity.Address) { s.gone[x] = true })
		}
		delete(accounts, step.Live.Ref)
		return apply.Answer{}
	}
	if step.Creates() {
		l = identity.Live{Ref: fmt.Sprintf("r%07d", s.made)}
		if s.fault == "removed is reserved" && s.gone[step.After.Primary] {
			return fail(apply.Refused, "the address is reserved")
		}
		if s.facts.Marks && s.fault != "marks twice" {
			for _, other := range accounts {
				if !step.After.Local() && other.Mark == markOf(step.After, step.By) {
					return fail(apply.Taken, "an account has the mark")
				}
			}
		}
	}
	s.write(step, &l)
	if !atOnce {
		if err := s.free(accounts, l.Ref, &l.Account); err != nil {
			return apply.Answer{Err: err}
		}
	}
	rev := l.Rev
	l.Rev = fmt.Sprint(s.made)
	if s.fault == "no revs" {
		l.Rev = ""
	}
	accounts[l.Ref] = l
	if s.fault == "others written" {
		for ref, other := range accounts {
			if other.Mark.By != "" && other.Mark.By != s.owner {
				other.Rev = l.Rev
				accounts[ref] = other
			}
		}
	}
	answer := apply.Answer{Ref: l.Ref, Rev: l.Rev}
	switch {
	case s.fault == "old rev answered" && !step.Creates():
		answer.Rev = rev
	case s.fault == "wrong account answered":
		answer.Found = &identity.Live{Account: identity.Account{Primary: identity.MustAddress("else@example.com")}}
	}
	return answer
}

// refuses says why an account that is there is not changed.
func (s *session) refuses(step *apply.Step, was *identity.Live) *apply.Error {
	if by := was.Mark.By; s.facts.Marks && by != "" && by != s.owner && s.fault != "others changed" {
		return refusal(apply.Refused, "the account is "+by+"'s")
	}
	if rev := step.Live.Rev; rev != "" {
		if rev != was.Rev && s.fault != "stale rev taken" {
			return refusal(apply.Changed, "rev")
		}
		return nil
	}
	before, now := s.seen(*step.Live), s.seen(*was)
	before.Rev, now.Rev = "", ""
	if s.fault == "username not compared" {
		before.Username = now.Username
	}
	if !reflect.DeepEqual(before, now) && s.fault != "stale before taken" {
		return refusal(apply.Changed, "before")
	}
	return nil
}

// write gives an account the fields of a step.
func (s *session) write(step *apply.Step, l *identity.Live) {
	after := step.After
	wants := func(name string) bool {
		return (name == plan.FieldPrimary || s.facts.Keeps(name)) && (step.Creates() || slices.Contains(step.Fields, name) || s.fault == "all fields written")
	}
	if wants(plan.FieldPrimary) {
		if s.fault == "renamed anew" && slices.Equal(step.Fields, []string{plan.FieldPrimary}) && l.Username == "ann" {
			l.Ref += "x"
		}
		s.former[l.Primary] = true
		l.Primary = after.Primary
	}
	if wants(plan.FieldAliases) && !(s.fault == "inactive keeps aliases" && after.Status == identity.Inactive) &&
		!(s.fault == "empty list ignored" && len(after.Aliases) == 0) {
		l.Aliases = slices.Clone(after.Aliases)
		if s.fault == "one alias created" && step.Creates() && len(l.Aliases) > 1 {
			l.Aliases = l.Aliases[:1]
		}
		if s.fault == "old primaries dropped" {
			l.Aliases = slices.DeleteFunc(l.Aliases, func(x identity.Address) bool { return s.former[x] })
		}
	}
	if wants(plan.FieldType) && (step.Creates() || s.fault != "type fixed") {
		l.Type = after.Type
	}
	if wants(plan.FieldStatus) && !(s.fault == "never active again" && l.Status == identity.Inactive) {
		l.Status = after.Status
	}
	if wants(plan.FieldOwner) {
		mark := markOf(after, step.By)
		switch {
		case step.Creates():
		case s.fault == "directory fixed" && l.Mark.GUID == mark.GUID:
			mark.Directory = l.Mark.Directory
		case s.fault == "guid fixed" && !mark.IsZero() && !l.Mark.IsZero():
			mark.GUID = l.Mark.GUID
		case s.fault == "never adopted" && l.Mark.IsZero():
			mark = l.Mark
		}
		l.Mark = mark
	}
	if wants(plan.FieldUsername) && (step.Creates() || s.fault != "username fixed") {
		l.Username = after.Username
	}
	if wants(plan.FieldDN) && (step.Creates() || s.fault != "dn fixed") {
		l.DN = after.DN
	}
	attributes := map[string]string{}
	for _, a := range l.Attributes {
		attributes[a.Name] = a.Value
	}
	if s.fault == "all fields written" {
		clear(attributes)
	}
	if step.Creates() && s.fault != "initial ignored" {
		for _, a := range step.Initial {
			attributes[a.Name] = a.Value
		}
	}
	for _, a := range after.Attributes {
		if wants(a.Name) && (step.Creates() || s.fault != "attribute fixed") {
			attributes[a.Name] = s.text(a.Value)
		}
	}
	for _, name := range step.Clear {
		if s.fault != "null ignored" {
			delete(attributes, name)
		}
	}
	l.Attributes = nil
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		l.Attributes = append(l.Attributes, identity.Attribute{Name: name, Value: attributes[name]})
	}
	for i := range l.Attributes {
		if !s.facts.Keeps(l.Attributes[i].Name) {
			l.Attributes = slices.Delete(l.Attributes, i, i+1)
			break
		}
	}
}

func (s *session) text(value string) string {
	switch s.fault {
	case "line feeds lost":
		return strings.ReplaceAll(value, "\n", " ")
	case "latin alone":
		return strings.Map(func(c rune) rune {
			if c > 0xff {
				return '?'
			}
			return c
		}, value)
	case "unquoted":
		return strings.ReplaceAll(value, `\`, "")
	}
	return value
}

// connector is the console as a program that speaks the protocol.
func (c *reference) connector() *Connector {
	return &Connector{Start: func() (*Process, error) {
		requests, in := io.Pipe()
		out, answers := io.Pipe()
		p := &program{reference: c, out: bufio.NewWriter(answers), requests: make(chan object, 16), stopped: map[any]bool{}, dead: make(chan struct{})}
		ended := make(chan struct{})
		kill := sync.OnceFunc(func() { close(p.dead); answers.Close(); requests.Close() })
		go p.listen(requests)
		go func() {
			defer close(ended)
			defer kill()
			p.run()
		}()
		return &Process{In: in, Out: out, Kill: func() error { kill(); return nil }, Wait: func() error { <-ended; return nil }}, nil
	}}
}

type program struct {
	*reference
	session  *session
	out      *bufio.Writer
	requests chan object
	dead     chan struct{}

	mu      sync.Mutex
	stopped map[any]bool
	ended   bool
}

func (p *program) listen(in io.Reader) {
	defer close(p.requests)
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var m object
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			return
		}
		if m["type"] != "cancel" {
			p.requests <- m
		} else if p.fault != "cancel ignored" {
			p.mu.Lock()
			p.stopped[m["target"]] = true
			p.mu.Unlock()
		}
	}
	p.mu.Lock()
	p.ended = p.fault != "end ignored"
	p.mu.Unlock()
}

func (p *program) say(request, m object) {
	if p.fault != "no ids" {
		m["id"] = request["id"]
	}
	line, _ := json.Marshal(m)
	_, _ = p.out.Write(append(line, '\n'))
	_ = p.out.Flush()
}

func (p *program) run() {
	for m := range p.requests {
		p.answer(m)
		if m["type"] == "bye" && p.fault != "never ends" {
			return
		}
	}
	if p.fault == "never ends" {
		<-p.dead
	}
}

func (p *program) answer(m object) {
	switch m["type"] {
	case "hello":
		if p.fault != "any protocol" && m["protocols"].([]any)[0] != 1.0 {
			p.say(m, object{"error": object{"code": "unsupported"}})
			return
		}
		p.session = p.reference.session(m["owner"].(string))
		name := "reference"
		if p.fault == "no name" {
			name = ""
		}
		p.say(m, object{"protocol": 1, "name": name, "facts": json.RawMessage(p.facts.AppendJSON(nil))})
		if p.fault == "stray line" {
			_, _ = p.out.WriteString("connected\n")
		}
	case "read":
		n := 0
		receipt, _ := p.session.Accounts(context.Background(), func(l identity.Live) error {
			n++
			p.say(m, object{"account": object{"ref": l.Ref, "primary": l.Primary.String()}})
			return nil
		})
		if p.fault == "read not complete" {
			p.say(m, object{"accounts": receipt.Accounts})
			return
		}
		p.say(m, object{"accounts": receipt.Accounts, "complete": true})
	case "apply":
		p.apply(m)
	case "bye":
		p.say(m, object{})
	default:
		if p.fault == "anything goes" {
			p.say(m, object{"ok": true})
			return
		}
		p.say(m, object{"error": object{"code": "unsupported"}})
	}
}

// apply makes changes, each of which takes its time.
func (p *program) apply(m object) {
	changes := m["changes"].([]any)
	if p.fault == "answers early" {
		for _, c := range changes {
			p.say(m, object{"key": c.(object)["key"], "ok": true})
		}
	}
	done := len(changes)
	for _, c := range changes {
		c := c.(object)
		time.Sleep(100 * time.Microsecond)
		select {
		case <-p.dead:
			return
		default:
		}
		p.mu.Lock()
		stop := p.ended || p.stopped[m["id"]]
		p.mu.Unlock()
		a := apply.Answer{Err: refusal(apply.Cancelled, "")}
		if !stop || p.fault == "answers early" {
			a = p.make(c)
		}
		switch {
		case p.fault == "answers early":
		case a.Err != nil:
			p.say(m, object{"key": c["key"], "error": object{"code": a.Err.Code}})
		default:
			p.say(m, object{"key": c["key"], "ok": true, "ref": a.Ref, "rev": a.Rev})
		}
	}
	if p.fault == "done miscounted" {
		done--
	}
	p.say(m, object{"done": done})
}

// make makes a change that creates an account or gives it other fields.
func (p *program) make(c object) (answer apply.Answer) {
	after := c["after"].(object)
	if _, unknown := after["rollcall-test"]; unknown && p.fault == "strict" {
		return apply.Answer{Err: refusal(apply.Refused, "unknown key")}
	}
	step := apply.Step{Key: c["key"].(string), After: &identity.Account{}, By: p.session.owner}
	if _, changes := c["before"]; changes {
		ref, _ := c["ref"].(string)
		p.reference.mu.Lock()
		live := p.accounts[ref]
		p.reference.mu.Unlock()
		if live.Ref == "" {
			return apply.Answer{Err: refusal(apply.Gone, "no such account")}
		}
		step.Live = &live
		*step.After = live.Account
	}
	for name, value := range after {
		step.Fields = append(step.Fields, name)
		text, _ := value.(string)
		switch name {
		case plan.FieldPrimary:
			step.After.Primary = identity.MustAddress(text)
		case plan.FieldUsername:
			step.After.Username = text
		case plan.FieldDN:
			step.After.DN = text
		case plan.FieldAliases:
			list, _ := value.([]any)
			step.After.Aliases = nil
			for _, x := range list {
				step.After.Aliases = append(step.After.Aliases, identity.MustAddress(x.(string)))
			}
			if p.fault == "null aliases ignored" && value == nil {
				step.After.Aliases = step.Live.Aliases
			}
		case plan.FieldOwner:
			owner := value.(object)
			step.After.Directory = owner["directory"].(string)
			step.After.GUID, _ = identity.ParseGUID(owner["guid"].(string))
		case "attributes":
			step.After.Attributes = nil
			for name, value := range value.(object) {
				step.Fields = append(step.Fields, name)
				if value == nil {
					step.Clear = append(step.Clear, name)
				} else {
					step.After.Attributes = []identity.Attribute{{Name: name, Value: value.(string)}}
				}
			}
			if len(value.(object)) == 0 && p.fault == "no attributes clear all" {
				step.Clear = []string{identity.DisplayName}
			}
		}
	}
	_ = p.session.Apply(context.Background(), []apply.Step{step}, func(_ int, got apply.Answer) { answer = got })
	return answer
}
