package suite

import (
	"bufio"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// wire is a talk with a connector, apart from the host that rollcall has for
// them: what the host would take care of is checked here.
type wire struct {
	r     *run
	p     *Process
	lines chan string // without the newline; closed at the end of output
	cut   bool        // the last line had none; set before lines is closed
	id    int
}

// object is a message.
type object = map[string]any

// dial starts the connector and reads what it says.
func (r *run) dial() *wire {
	p, err := r.Connector.Start()
	if err != nil {
		r.fail("the connector cannot be started: %w", err)
	}
	r.processes = append(r.processes, p)
	w := &wire{r: r, p: p, lines: make(chan string, 1<<16), id: 70}
	go func() {
		defer close(w.lines)
		in := bufio.NewReader(p.Out)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				w.cut = line != ""
				return
			}
			w.lines <- strings.TrimSuffix(line, "\n")
		}
	}()
	return w
}

// greet starts the connector and says hello.
func (r *run) greet() *wire {
	w := r.dial()
	w.last(w.send(w.hello(1)))
	return w
}

func (w *wire) hello(protocol int) object {
	m := object{"type": "hello", "protocols": []int{protocol}, "rollcall": "0.0.0", "domains": []string{w.r.Domain}, "owner": w.r.Owner}
	if len(w.r.Connector.Config) > 0 {
		m["config"] = w.r.Connector.Config
	}
	return m
}

// send writes a request and returns its id.
func (w *wire) send(request object, more ...object) int {
	w.id++
	request["id"] = w.id
	text := ""
	for _, m := range append([]object{request}, more...) {
		line, err := json.Marshal(m)
		if err != nil {
			w.r.fail("a message of the suite: %w", err)
		}
		text += string(line) + "\n"
	}
	// Who has ended reads no more; that there is no answer is reported then.
	_, _ = w.p.In.Write([]byte(text))
	return w.id
}

// answer returns the next answer to a request, and false at the end of output.
func (w *wire) answer(id int) (object, bool) { return w.answerWithin(id, patience) }

func (w *wire) answerWithin(id int, patience time.Duration) (object, bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case line, more := <-w.lines:
		if !more {
			if w.cut {
				w.r.fail("the last line of the connector has no newline")
			}
			return nil, false
		}
		var m object
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			w.r.fail("the connector wrote the line %q, which is no JSON object; what is no message belongs on standard error", line)
		}
		if got, _ := m["id"].(float64); int(got) != id {
			w.r.fail("the answer %s has the id %v; that of the request is %d", line, m["id"], id)
		}
		return m, true
	case <-timer.C:
		w.r.fail("the connector has said nothing for %v", patience)
	case <-w.r.ctx.Done():
		w.r.fail("%w", w.r.ctx.Err())
	}
	return nil, false
}

// all returns the answers to a request up to its last: what is an error, or has
// neither an account, nor a key, nor progress.
func (w *wire) all(id int) (answers []object) {
	for {
		m, more := w.answer(id)
		if !more {
			w.r.fail("the connector ended before it had answered request %d", id)
		}
		answers = append(answers, m)
		_, account := m["account"]
		_, key := m["key"]
		_, progress := m["progress"]
		if !account && !key && !progress {
			return answers
		}
	}
}

func (w *wire) last(id int) object {
	all := w.all(id)
	return all[len(all)-1]
}

// code is that of an error of an answer, or "".
func code(m object) apply.Code {
	e, _ := m["error"].(object)
	c, _ := e["code"].(string)
	return apply.Code(c)
}

// text is an answer for an error.
func text(m object) string {
	b, _ := json.Marshal(m) // it was read from JSON
	return string(b)
}

// creation is the change that makes an account.
func (r *run) creation(a *identity.Account) object {
	after := object{plan.FieldPrimary: a.Primary.String()}
	for name, value := range map[string]any{
		plan.FieldType: a.Type.String(), plan.FieldStatus: a.Status.String(),
		plan.FieldUsername: a.Username, plan.FieldDN: a.DN,
		plan.FieldOwner: object{"by": r.Owner, "directory": a.Directory, "guid": a.GUID.String()},
	} {
		if r.facts.Keeps(name) {
			after[name] = value
		}
	}
	if r.facts.Keeps(plan.FieldAliases) {
		list := []string{}
		for _, x := range a.Aliases {
			list = append(list, x.String())
		}
		after[plan.FieldAliases] = list
	}
	if r.attribute != "" {
		after["attributes"] = object{r.attribute: identity.Lookup(a.Attributes, r.attribute)}
	}
	key := r.key()
	return object{"key": key, "op": "put", "group": r.keys, "after": after}
}

func (r *run) creations(accounts []*identity.Account) object {
	changes := make([]object, len(accounts))
	for i, a := range accounts {
		changes[i] = r.creation(a)
	}
	return object{"type": "apply", "changes": changes}
}

func (r *run) hello() {
	w := r.dial()
	m := w.last(w.send(w.hello(1)))
	if m["protocol"] != float64(1) {
		r.fail("hello was answered %s; the answer has \"protocol\": 1", text(m))
	}
	if name, _ := m["name"].(string); name == "" {
		r.fail("hello was answered %s; the answer has a name", text(m))
	}
	if _, facts := m["facts"].(object); m["facts"] != nil && !facts {
		r.fail("hello was answered with facts that are no object: %s", text(m))
	}
	w = r.dial()
	if m := w.last(w.send(w.hello(999))); code(m) == "" {
		r.fail("hello for protocol 999 alone was answered %s; the answer is an error", text(m))
	}
}

func (r *run) unknownType() {
	w := r.greet()
	if m := w.last(w.send(object{"type": "rollcall-test"})); code(m) != apply.Unsupported {
		r.fail("a request of type rollcall-test was answered %s; the answer is the error unsupported", text(m))
	}
	if m := w.last(w.send(object{"type": "read"})); m["complete"] != true {
		r.fail("a read after a request of an unknown type was answered %s", text(m))
	}
}

func (r *run) unknownFields() {
	w := r.dial()
	hello := w.hello(1)
	hello["rollcall-test"] = object{"deep": []int{1}}
	if m := w.last(w.send(hello)); code(m) != "" {
		r.fail("hello with an unknown key was answered %s", text(m))
	}
	a := r.account("ann", "ann.alias")
	change := r.creation(a)
	change["rollcall-test"] = true
	change["after"].(object)["rollcall-test"] = "shoe size 44"
	for attempt := 1; ; attempt++ {
		m := w.all(w.send(object{"type": "apply", "changes": []object{change}, "rollcall-test": nil}))[0]
		if c := code(m); (c == apply.Throttled || c == apply.Temporary) && attempt < maxAttempts {
			r.wait(time.Second)
			continue
		}
		if code(m) != "" {
			r.fail("a change with unknown keys was answered %s", text(m))
		}
		break
	}
	r.expect(a)
}

func (r *run) absentAndNull() {
	w := r.greet()
	a := r.account("ann", "ann.alias")
	creation := r.creation(a)
	before := creation["after"].(object)
	m := w.all(w.send(object{"type": "apply", "changes": []object{creation}}))[0]
	put := func(after object, want *identity.Account) {
		if code(m) != "" {
			r.fail("a change was answered %s", text(m))
		}
		key := r.key()
		change := object{"key": key, "op": "put", "group": r.keys, "ref": m["ref"], "before": before, "after": after}
		if m["rev"] != nil {
			change["rev"] = m["rev"]
		}
		asked, _ := json.Marshal(after) // texts and lists
		m = w.all(w.send(object{"type": "apply", "changes": []object{change}}))[0]
		if code(m) != "" {
			r.fail("a change with \"after\": %s was answered %s", asked, text(m))
		}
		if err := r.try(func(r *run) { r.expect(want) }); err != nil {
			r.fail("after a change with \"after\": %s, %w", asked, err)
		}
	}
	put(object{}, a)
	put(object{"attributes": object{}}, a)
	nothing := object{plan.FieldAliases: nil, plan.FieldUsername: nil, plan.FieldDN: nil}
	for name := range nothing {
		if !r.facts.Keeps(name) {
			delete(nothing, name)
		}
	}
	if r.attribute != "" {
		nothing["attributes"] = object{r.attribute: nil}
	}
	put(nothing, changed(a, func(a *identity.Account) { a.Aliases, a.Username, a.DN, a.Attributes = nil, "", "", nil }))
}

func (r *run) lines() {
	w := r.greet()
	a, b := r.account("ann"), r.account("bob")
	request := r.creations([]*identity.Account{a, b, with(r.account("new"), a.Primary)})
	keys := map[any]int{}
	for _, c := range request["changes"].([]object) {
		keys[c["key"]] = 0
	}
	all := w.all(w.send(request))
	for _, m := range all[:len(all)-1] {
		key, answer := m["key"]
		if !answer {
			continue
		}
		if n, asked := keys[key]; !asked || n > 0 {
			r.fail("an apply of 3 changes has the answer %s; each key is answered once", text(m))
		}
		keys[key]++
		if m["ok"] != true && code(m) == "" {
			r.fail("a change was answered %s; the answer has \"ok\": true or an error with a code", text(m))
		}
	}
	if m := all[len(all)-1]; m["done"] != float64(3) {
		r.fail("an apply of 3 changes ends with %s; it ends with \"done\": 3", text(m))
	}
	id := w.send(object{"type": "read"})
	all = w.all(id)
	accounts := 0
	for _, m := range all {
		if account, is := m["account"].(object); is {
			accounts++
			if p, _ := account[plan.FieldPrimary].(string); p == a.Primary.String() && r.facts.Keeps(plan.FieldAliases) {
				if _, list := account["aliases"].([]any); account["aliases"] != nil && !list {
					r.fail("a read has the account %s; aliases is a list", text(account))
				}
			}
		}
	}
	if m := all[len(all)-1]; m["accounts"] != float64(accounts) || m["complete"] != true {
		r.fail("a read of %d accounts ends with %s; it ends with their count and \"complete\": true", accounts, text(m))
	}
}

// often is how often the suite looks for what depends on who is faster.
const often = 3

func (r *run) cancel() {
	if r.facts.BatchSize() == 1 {
		r.skip("a request has one change (fact batch is 1)")
	}
	for round := range often {
		w := r.greet()
		accounts := r.several(200, fmt.Sprintf("round%d-", round))
		// The cancel is there before the first change can be made.
		id := w.send(r.creations(accounts), object{"type": "cancel", "target": w.id + 1})
		ok, cancelled := r.outcomes(w.all(id), accounts)
		if m := w.last(w.send(object{"type": "read"})); m["complete"] != true {
			r.fail("a read after a request that was cancelled was answered %s", text(m))
		}
		r.whole(accounts, ok)
		r.sweep()
		if cancelled > 0 {
			return
		}
	}
	r.fail("each of %d requests was made to its end, though its cancel came with it", often)
}

// outcomes reads the answers to creations: which are made, and how many not.
func (r *run) outcomes(answers []object, accounts []*identity.Account) (ok []bool, cancelled int) {
	n := 0
	ok = make([]bool, len(accounts))
	for _, m := range answers[:len(answers)-1] {
		if _, is := m["key"]; !is {
			continue
		}
		switch {
		case m["ok"] == true:
			ok[n] = true
		case code(m) == apply.Cancelled:
			cancelled++
		case code(m) != apply.Throttled && code(m) != apply.Temporary:
			r.fail("asked to create an account, the connector answered %s; the answer is ok, or cancelled for a request that was cancelled", text(m))
		}
		n++
	}
	if m := answers[len(answers)-1]; m["done"] != float64(len(accounts)) || n != len(accounts) {
		r.fail("a request of %d changes has %d answers and ends with %s", len(accounts), n, text(m))
	}
	return ok, cancelled
}

// grace is how long a connector has to end.
const grace = 5 * time.Second

// ends waits for the end of a connector.
func (w *wire) ends(after string) {
	done := make(chan struct{})
	go func() {
		_ = w.p.Wait() // how it ends is not asked
		close(done)
	}()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		w.r.fail("%v after %s, the connector has not ended", grace, after)
	}
}

func (r *run) bye() {
	w := r.greet()
	if m := w.last(w.send(object{"type": "bye"})); code(m) != "" {
		r.fail("bye was answered %s", text(m))
	}
	w.ends("bye")
}

func (r *run) endOfInput() {
	for round := range often {
		w := r.greet()
		accounts := r.several(200, fmt.Sprintf("round%d-", round))
		id := w.send(r.creations(accounts))
		if err := w.p.In.Close(); err != nil {
			r.fail("closing the input of the connector: %w", err)
		}
		ok := make([]bool, len(accounts))
		n := 0
		for {
			m, more := w.answerWithin(id, grace)
			if !more {
				break
			}
			if _, is := m["key"]; is && n < len(ok) {
				ok[n] = m["ok"] == true
				n++
			}
		}
		w.ends("the end of its input")
		view := r.read()
		made := 0
		for _, a := range accounts {
			if view.byPrimary(a.Primary) != nil {
				made++
			}
		}
		r.whole(accounts, ok)
		r.sweep()
		if made < len(accounts) || len(accounts) == 1 {
			return
		}
	}
	r.fail("each of %d requests was made to its end, though the input ended with it", often)
}

// killed kills the connector at moments of a request: before it, within, after.
func (r *run) killed() {
	const moments = 6
	var whole time.Duration // how long a request takes
	for moment := range moments {
		w := r.greet()
		accounts := r.several(50, fmt.Sprintf("moment%d-", moment))
		start := time.Now()
		id := w.send(r.creations(accounts))
		ok := make([]bool, len(accounts))
		n := 0
		if moment == 0 {
			ok, _ = r.outcomes(w.all(id), accounts)
			whole = time.Since(start)
		} else {
			r.wait(whole * time.Duration(moment) / moments)
		}
		_ = w.p.Kill() // it may have ended
		_ = w.p.Wait()
		for moment > 0 {
			m, more := w.heard(id)
			if !more {
				break
			}
			if _, is := m["key"]; is && n < len(ok) {
				ok[n] = m["ok"] == true
				n++
			}
		}
		r.whole(accounts, ok)
		r.sweep()
	}
}

// heard returns the next answer of a connector that was killed, whose last line
// may be cut.
func (w *wire) heard(id int) (object, bool) {
	line, more := <-w.lines
	var m object
	if !more || json.Unmarshal([]byte(line), &m) != nil {
		return nil, false
	}
	return m, m["id"] == float64(id)
}
