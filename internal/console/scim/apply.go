package scim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/console"
	"github.com/rollcall-cli/rollcall/internal/identity"
	"github.com/rollcall-cli/rollcall/plan"
)

// Apply makes changes one by one, or several accounts in one request where the service
// takes them in bulk.
func (c *Console) Apply(ctx context.Context, steps []apply.Step, answer func(i int, a apply.Answer)) error {
	r := &run{Console: c, steps: steps, begun: time.Now(), failed: map[int]bool{}, answer: func(i int, a apply.Answer) {
		if a.Err == nil {
			c.mu.Lock()
			c.answered[steps[i].Key] = a
			c.mu.Unlock()
		}
		answer(i, a)
	}}
	err := r.all(ctx)
	if failed := r.settle(ctx); err == nil {
		err = failed
	}
	return err
}

// run is one request to apply steps.
type run struct {
	*Console
	steps  []apply.Step
	begun  time.Time
	next   int          // all before are answered, or unheard
	failed map[int]bool // groups of which a step has failed
	answer func(i int, a apply.Answer)
	// blind says that nobody can be looked up without a read of all accounts.
	blind bool
	// unheard are creations that are looked for when all others were begun.
	unheard []unheard
}

// unheard is a creation that the service did not confirm, when it was answered.
type unheard struct {
	step int
	failure
	at time.Time
}

// all makes the steps.
func (r *run) all(ctx context.Context) error {
	if err := r.look(ctx); err != nil {
		return r.stop(ctx, 0, err)
	}
	for r.next < len(r.steps) {
		i := r.next
		if err := r.step(ctx); err != nil {
			return r.stop(ctx, i, err)
		}
	}
	return nil
}

// unknownError is a change of which nobody knows whether it was made.
type unknownError struct {
	console string
	failure
}

func (e *unknownError) Error() string {
	return fmt.Sprintf("console %q: it is unknown whether a change was made: %v", e.console, e.failure)
}

func (e *unknownError) Unwrap() error { return e.failure }

// misusedError is a service that cannot be used as the configuration says.
type misusedError struct {
	console string
	err     *apply.Error
	advice  string
}

func (e *misusedError) Error() string { return fmt.Sprintf("console %q: %v", e.console, e.err) }

func (e *misusedError) Unwrap() error { return e.err }

// Hint says what to do next.
func (e *misusedError) Hint() string { return e.advice }

// stop answers the steps from i on after what none of them is begun, and returns the
// error that ends the request, if one does.
//
//	an error of                        the steps are     and the request
//	a change that may be made          not answered      ends with it
//	the context                        cancelled         is over
//	a service that asks to wait        the first throttled,
//	                                   others cancelled  is over
//	the credentials, the way there     cancelled         ends with it
func (r *run) stop(ctx context.Context, i int, err error) error {
	if errors.As(err, new(*unknownError)) {
		return err
	}
	f := asFailure(err)
	switch {
	case errors.As(err, new(*misusedError)):
	case ctx.Err() != nil && f == nil:
		err = nil
	case f != nil && f.code() == apply.Throttled:
		if i = max(i, r.next); i < len(r.steps) {
			r.answer(i, answerOf(f))
			i++
		}
		err = nil
	default:
		err = r.unread(err)
	}
	for i = max(i, r.next); i < len(r.steps); i++ {
		r.answer(i, apply.Answer{Err: &apply.Error{Code: apply.Cancelled, Message: "not started"}})
	}
	return err
}

// look learns who has what the steps give to their accounts.
func (r *run) look(ctx context.Context) error {
	var addresses []identity.Address
	var marks []string
	var newer time.Time
	lineage := r.mine()
	r.mu.Lock()
	for i := range r.steps {
		s := &r.steps[i]
		given(s, func(x identity.Address) { addresses = append(addresses, x) })
		if s.Creates() && !s.After.Local() {
			mark := externalID(s.Outcome().Mark, lineage)
			marks, newer = append(marks, mark), later(newer, r.doubts[mark])
		}
	}
	r.mu.Unlock()
	if len(addresses) == 0 {
		return nil
	}
	return r.seek(ctx, addresses, marks, newer)
}

// seek learns who has addresses and marks: from the index, and from the service, since
// somebody may have changed it. Where filters cannot be relied on, or take longer than a
// read of all accounts, the index must not be old instead, nor of before newer.
func (r *run) seek(ctx context.Context, addresses []identity.Address, marks []string, newer time.Time) error {
	x, err := r.known(ctx, time.Time{})
	if err != nil {
		return err
	}
	values := map[string][]string{byEmail: texts(addresses), byUserName: texts(addresses), byMark: marks}
	r.blind = false
	for _, by := range []string{byEmail, byUserName, byMark} {
		_, ok, err := r.lookUp(ctx, by, values[by], x.took)
		if err != nil {
			return err
		}
		if !ok {
			r.blind = true
			_, err = r.known(ctx, later(newer, time.Now().Add(-x.patience())))
			return err
		}
	}
	return nil
}

// given calls f with the addresses that a step gives to its account.
func given(s *apply.Step, f func(identity.Address)) {
	if s.Removes() {
		return
	}
	s.Outcome().EachAddress(func(x identity.Address) {
		if s.Creates() || !s.Live.Holds(x) {
			f(x)
		}
	})
}

// step makes the next change, or several. An error is one of which the change at hand
// was not begun, or an [unknownError].
func (r *run) step(ctx context.Context) error {
	i := r.next
	s := &r.steps[i]
	r.mu.Lock()
	was, again := r.answered[s.Key]
	r.mu.Unlock()
	switch {
	case again:
		r.done(i, was)
		return nil
	case r.failed[s.Group]:
		r.done(i, apply.Answer{Err: &apply.Error{Code: apply.Cancelled, Message: "another change of its group failed"}})
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if err := r.admitted(ctx); err != nil {
		return err
	}
	if n := r.together(); n > 1 {
		return r.bulk(ctx, n)
	}
	// What was begun comes to its end.
	whole := context.WithoutCancel(ctx)
	var a apply.Answer
	var err error
	switch {
	case s.Creates():
		a, err = r.create(whole, s)
	case s.Removes():
		a, err = r.remove(whole, s)
	default:
		a, err = r.change(whole, s)
	}
	return r.ended(i, a, err)
}

// ended answers a step that has come to its end, unless that is done later.
func (r *run) ended(i int, a apply.Answer, err error) error {
	if i == r.next && (err == nil || errors.As(err, new(*misusedError)) && a.Err == nil && a.Ref != "") {
		r.done(i, a)
	}
	return err
}

func (r *run) done(i int, a apply.Answer) {
	if a.Err != nil {
		r.failed[r.steps[i].Group] = true
	}
	r.next = i + 1
	r.answer(i, a)
}

// refusal is an answer that says no.
func refusal(code apply.Code, format string, args ...any) apply.Answer {
	return apply.Answer{Err: &apply.Error{Code: code, Message: fmt.Sprintf(format, args...)}}
}

// create makes an account.
func (r *run) create(ctx context.Context, s *apply.Step) (apply.Answer, error) {
	want := s.Outcome()
	if a, there, err := r.prior(ctx, want); err != nil || there {
		return a, err
	}
	reply, err := r.do(ctx, request{method: http.MethodPost, path: "/Users", body: encode(r.created(s))})
	at := time.Now()
	if f := asFailure(err); r.blind && r.members(s.Group) == 1 && (status(f) == 409 || status(f) == 500) {
		r.unheard = append(r.unheard, unheard{r.next, f, at})
		r.next++
		return apply.Answer{}, nil
	}
	if err != nil {
		return r.uncreated(ctx, want, err, at)
	}
	return r.made(ctx, want, reply.body, reply.location)
}

// settle looks for the creations that wait for that: one read of all accounts, which is
// begun after the last of them, says it of each.
func (r *run) settle(ctx context.Context) error {
	whole := context.WithoutCancel(ctx)
	for _, u := range slices.Backward(r.unheard) {
		a, err := r.found(whole, r.steps[u.step].Outcome(), u.failure, u.at)
		if err != nil {
			return err
		}
		r.answer(u.step, a)
	}
	return nil
}

// members counts the steps of a group.
func (r *run) members(group int) (n int) {
	for i := range r.steps {
		if r.steps[i].Group == group {
			n++
		}
	}
	return n
}

// created is the User that the account of a step becomes.
func (r *run) created(s *apply.Step) tree {
	want := s.Outcome()
	t := tree{"schemas": []any{core}}
	fields := []string{plan.FieldPrimary, plan.FieldAliases, plan.FieldStatus, plan.FieldOwner}
	for _, a := range attributes {
		if !slices.Contains(r.readOnly, a.name) {
			fields = append(fields, a.name)
		}
	}
	all := edits(t, &identity.Live{}, want, fields, r.mine())
	for i := range all {
		all[i].to(t)
	}
	return t
}

// prior looks for what keeps an account from being created: one that has its mark, or
// one of its addresses. An account that is what was wanted was created already.
func (r *run) prior(ctx context.Context, want *identity.Live) (a apply.Answer, there bool, err error) {
	if !want.Mark.IsZero() {
		l, err := r.marked(ctx, want.Mark)
		switch {
		case err != nil:
			return a, false, err
		case l != nil && r.equal(want, l):
			return answer(l), true, nil
		case l != nil:
			return refusal(apply.Refused, "account %s has its mark already", l.Ref), true, nil
		}
	}
	return r.taken(ctx, "", want)
}

// answer is that of a change that was made, by the account as it is.
func answer(l *identity.Live) apply.Answer { return apply.Answer{Ref: l.Ref, Rev: l.Rev, Found: l} }

// marked returns the account that has a mark, or nil.
func (r *run) marked(ctx context.Context, m identity.Mark) (*identity.Live, error) {
	r.mu.Lock()
	refs := slices.Clone(r.index.marks[m])
	r.mu.Unlock()
	for _, ref := range refs {
		l, err := r.account(ctx, ref)
		if err != nil {
			return nil, err
		}
		if l != nil && l.Mark == m {
			return l, nil
		}
	}
	return nil, nil
}

// taken looks for another account that has an address of one.
func (r *run) taken(ctx context.Context, self string, want *identity.Live) (a apply.Answer, is bool, err error) {
	want.EachAddress(func(x identity.Address) {
		if is || err != nil || x.IsZero() {
			return
		}
		var holder string
		if holder, err = r.holder(ctx, self, x); holder != "" {
			is, a = true, apply.Answer{Err: &apply.Error{Code: apply.Taken, Message: "the address is taken", Address: x.String(), Holder: holder}}
		}
	})
	return a, is, err
}

// holder returns the ref of an account beside one's own that has an address, or "".
func (r *run) holder(ctx context.Context, self string, x identity.Address) (string, error) {
	r.mu.Lock()
	refs := slices.Clone(r.index.addresses[x])
	r.mu.Unlock()
	for _, ref := range refs {
		if ref == self {
			continue
		}
		l, err := r.account(ctx, ref)
		if err != nil {
			return "", err
		}
		if l != nil && l.Holds(x) {
			return ref, nil
		}
	}
	return "", nil
}

// made is the answer to a creation: what the service has made of it.
func (r *run) made(ctx context.Context, want *identity.Live, body []byte, location string) (apply.Answer, error) {
	var l *identity.Live
	lineage := r.mine()
	if len(body) > 0 {
		var user *resource
		if user, l, _ = r.decode(body); l != nil { // what is no user is looked for
			lineage = user.lineage()
		}
	}
	if l == nil {
		ref := refOf(location)
		r.mu.Lock()
		keeps := r.keepsMarks
		r.mu.Unlock()
		if ref != "" && keeps {
			now := *want
			now.Ref = ref
			r.noteCreated(&now, lineage)
			return apply.Answer{Ref: ref}, nil
		}
		if ref == "" {
			return r.found(ctx, want, &contentError{text: "it created a user and did not say which", advice: "this is a fault of the service"}, time.Now())
		}
		var err error
		if l, err = r.account(ctx, ref); err != nil || l == nil {
			return r.found(ctx, want, &contentError{text: "it created a user that is not there", advice: "if it is there a while later, set settles_within in the console block"}, time.Now())
		}
	}
	r.noteCreated(l, lineage)
	if l.Mark.IsZero() && !want.Mark.IsZero() {
		// Some do not send it back, and have it.
		if again, err := r.account(ctx, l.Ref); err == nil && again != nil {
			l = again
		}
	}
	if l.Mark.IsZero() && !want.Mark.IsZero() && r.facts.Settles == 0 {
		return answer(l), &misusedError{r.label, &apply.Error{Code: apply.Misused, Message: fmt.Sprintf("the service did not keep externalId of user %s, which says whose an account is", l.Ref)},
			"let the service store externalId for these credentials: without it, it is unknown which accounts are rollcall's"}
	}
	if l.Mark == want.Mark {
		r.mu.Lock()
		r.keepsMarks = true
		r.mu.Unlock()
	}
	return answer(l), nil
}

func (c *Console) noteCreated(l *identity.Live, lineage string) {
	c.noteAs(l, lineage)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.facts.Settles > 0 {
		c.created[l.Ref] = time.Now()
	}
}

// refOf returns the id of a User by its location.
func refOf(location string) string {
	u, err := url.Parse(location)
	if err != nil || !strings.Contains(u.Path, "/Users/") {
		return ""
	}
	ref, err := url.PathUnescape(path.Base(u.EscapedPath()))
	if err != nil || ref == "." || ref == ".." || strings.HasSuffix(u.Path, "/Users/") {
		return ""
	}
	return ref
}

// uncreated says what became of a creation that came to nothing, and when that was
// answered. What the service refuses because something is in use may have been made
// already: some proxies send requests twice.
func (r *run) uncreated(ctx context.Context, want *identity.Live, err error, at time.Time) (apply.Answer, error) {
	f := asFailure(err)
	switch s := status(err); {
	case f == nil:
		return apply.Answer{}, err
	case s == 409 || s == 500:
		return r.found(ctx, want, f, at)
	case f.code() == "", s == 503 && r.facts.Settles > 0:
		return apply.Answer{}, &unknownError{r.label, f}
	case f.code() == apply.Throttled:
		r.doubt(r.markText(want))
		return apply.Answer{}, err
	case f.code() == apply.Auth, unsent(err):
		return apply.Answer{}, err
	case f.code() == apply.Gone, f.code() == apply.Changed: // of what is not there yet
		return refusal(apply.Refused, "%v", f), nil
	}
	return answerOf(f), nil
}

// doubt notes that an account, by its mark, may be created although the service, or a
// proxy before it, asked to do that later, or that one, by its ref, may be removed.
func (c *Console) doubt(account string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.doubts[account] = time.Now()
}

// found looks for an account whose creation the service did not confirm, when that was
// answered.
func (r *run) found(ctx context.Context, want *identity.Live, f failure, at time.Time) (apply.Answer, error) {
	if r.facts.Settles > 0 && status(f) != 409 {
		return apply.Answer{}, &unknownError{r.label, f} // it may be seen later
	}
	var addresses []identity.Address
	want.EachAddress(func(x identity.Address) { addresses = append(addresses, x) })
	var a apply.Answer
	there := false
	err := r.seek(ctx, addresses, []string{r.markText(want)}, at)
	if err == nil {
		a, there, err = r.prior(ctx, want)
	}
	switch {
	case err != nil:
		return apply.Answer{}, &unknownError{r.label, f}
	case there:
		return a, nil
	case status(f) == 409:
		return takenUnseen(f, want.Primary), nil
	case status(f) == 0:
		return refusal(apply.Internal, "%v", f), nil
	}
	return answerOf(f), nil
}

// takenUnseen is the answer to a change that the service refused because of an address
// that nobody has who can be seen.
func takenUnseen(f failure, x identity.Address) apply.Answer {
	return apply.Answer{Err: &apply.Error{Code: apply.Taken, Address: x.String(), Message: f.Error() + "; no account that can be read has it: one that was deleted may still do"}}
}

// fresh reads the account of a step, which has to be what the plan saw. Without an
// answer that says no, t is the User with everything in it.
func (r *run) fresh(ctx context.Context, s *apply.Step) (t tree, l *identity.Live, etag string, no *apply.Answer, err error) {
	say := func(code apply.Code, format string, args ...any) (tree, *identity.Live, string, *apply.Answer, error) {
		a := refusal(code, format, args...)
		return nil, l, "", &a, nil
	}
	reply, err := r.one(ctx, s.Live.Ref)
	if err != nil {
		f := asFailure(err)
		switch {
		case f == nil, f.code() == apply.Auth, f.code() == apply.Throttled, unsent(err), errors.As(err, new(*lostError)):
			return nil, nil, "", nil, err
		case f.code() == apply.Gone && r.unseen(s.Live.Ref):
			return say(apply.Temporary, "the account was created a moment ago, and is not seen yet")
		case f.code() == apply.Gone:
			r.forget(s.Live.Ref)
			return say(apply.Gone, "there is no account %s", s.Live.Ref)
		}
		a := answerOf(f)
		return nil, nil, "", &a, nil
	}
	user, l, err := r.decodeOf(s.Live.Ref, reply.body)
	if err != nil {
		return nil, nil, "", nil, err
	}
	if t, err = parse(reply.body); err != nil {
		return nil, nil, "", nil, r.notJSON(reply.body)
	}
	lineage, mine := user.lineage(), r.mine()
	switch {
	case !l.Mark.IsZero() && l.Mark.By != r.owner:
		return say(apply.Refused, "the account is marked by another, %s", l.Mark.By)
	case lineage != "" && mine != "" && lineage != mine:
		return say(apply.Refused, "the account belongs to another state, %s", lineage)
	case l.Odd != "":
		return say(apply.Changed, "the account can no longer be understood: %s", l.Odd)
	}
	return t, l, r.etag(reply, l), nil, nil
}

// etag is the version of an account as it was just read, "" where none is announced.
func (c *Console) etag(read *reply, l *identity.Live) string {
	if c.provider.ETag.Supported != yes {
		return ""
	}
	return cmp.Or(read.etag, l.Rev)
}

// unseen reports whether an account was created so recently that it need not be seen.
func (c *Console) unseen(ref string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, created := c.created[ref]
	return created && time.Since(at) < c.facts.Settles
}

// same reports whether an account is the one that was read, by its rev and by what the
// service stores of it: some have the same version for ever.
func (c *Console) same(was, now *identity.Live) bool {
	return (was.Rev == "" || now.Rev == "" || was.Rev == now.Rev) && c.equal(was, now)
}

// equal compares what the service stores of accounts. The case of letters and the
// number of blanks of texts do not count, since services normalise them.
func (c *Console) equal(x, y *identity.Live) bool {
	if x.Primary != y.Primary || !slices.Equal(x.Aliases, y.Aliases) || x.Status != y.Status || x.Mark != y.Mark {
		return false
	}
	for _, a := range attributes {
		if !c.facts.Keeps(a.name) {
			continue
		}
		v, w := identity.Lookup(x.Attributes, a.name), identity.Lookup(y.Attributes, a.name)
		if v != w && !strings.EqualFold(strings.Join(strings.Fields(v), " "), strings.Join(strings.Fields(w), " ")) {
			return false
		}
	}
	return true
}

// exact reports whether all fields of a step are what they are to become.
func exact(s *apply.Step, want, l *identity.Live) bool {
	for _, name := range s.Fields {
		if identity.Lookup(want.Attributes, name) != identity.Lookup(l.Attributes, name) {
			return false
		}
	}
	return true
}

const changed = "the account is not what it was"

// change makes what a step says of an account that is there.
func (r *run) change(ctx context.Context, s *apply.Step) (apply.Answer, error) {
	t, l, etag, no, err := r.fresh(ctx, s)
	if err != nil || no != nil {
		return orNone(no), err
	}
	want := s.Outcome()
	if r.equal(want, l) && exact(s, want, l) {
		return answer(l), nil
	}
	if !r.same(s.Live, l) {
		return refusal(apply.Changed, changed), nil
	}
	if a, is, err := r.taken(ctx, l.Ref, gaining(s)); err != nil || is {
		return a, err
	}
	all := edits(t, l, want, s.Fields, r.mine())
	if len(all) == 0 {
		return answer(l), nil
	}
	reply, err := r.write(ctx, l.Ref, etag, t, all)
	if err != nil {
		return r.unwritten(ctx, s, l, want, err)
	}
	if len(reply.body) == 0 {
		now := *want
		now.Ref, now.Rev = l.Ref, ""
		r.noteAs(&now, r.mine())
		return apply.Answer{Ref: l.Ref}, nil
	}
	user, said, err := r.decode(reply.body)
	if err != nil || said.Ref != l.Ref {
		// As a page for people, which comes with status 200, too.
		return r.unwritten(ctx, s, l, want, r.notJSON(reply.body))
	}
	r.note(said, user)
	return answer(said), nil
}

// orNone returns an answer, or the empty one.
func orNone(a *apply.Answer) apply.Answer {
	if a == nil {
		return apply.Answer{}
	}
	return *a
}

// gaining is an account of the addresses that a step gives.
func gaining(s *apply.Step) *identity.Live {
	var l identity.Live
	given(s, func(x identity.Address) { l.Aliases = append(l.Aliases, x) })
	if len(l.Aliases) > 0 {
		l.Primary, l.Aliases = l.Aliases[0], l.Aliases[1:]
	}
	return &l
}

// write sends edits of a User: by PATCH, or all of it by PUT where that is not
// understood, of which nothing was made then.
func (r *run) write(ctx context.Context, ref, etag string, t tree, all []edit) (*reply, error) {
	r.mu.Lock()
	noPatch := r.noPatch
	r.mu.Unlock()
	var refused error
	if !noPatch {
		operations := make([]any, len(all))
		for i := range all {
			operations[i] = all[i].operation(t)
		}
		body := encode(patch(operations))
		reply, err := r.do(ctx, request{method: http.MethodPatch, path: userPath(ref), body: body, match: etag})
		if !misunderstood(err) {
			return reply, err
		}
		if s := status(err); s == 405 || s == 501 {
			r.mu.Lock()
			r.noPatch = true
			r.mu.Unlock()
		}
		refused = err
	}
	for i := range all {
		all[i].to(t)
	}
	delete(t, t.key("meta")) // which is the service's own (RFC 7643 section 3.1)
	reply, err := r.do(ctx, request{method: http.MethodPut, path: userPath(ref), body: encode(t), match: etag})
	if s := status(err); refused != nil && (s == 405 || s == 501) {
		err = refused // it has more to say
	}
	return reply, err
}

// patch is the body of a PATCH.
func patch(operations []any) map[string]any {
	return map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": operations}
}

// misunderstood reports whether a PATCH was refused for its form, or without a reason.
func misunderstood(err error) bool {
	var s *statusError
	if !errors.As(err, &s) {
		return false
	}
	switch s.status {
	case 405, 501:
		return true
	case 400:
		return slices.Contains([]string{"", "invalidsyntax", "invalidpath", "invalidfilter", "notarget"}, strings.ToLower(s.scimType))
	}
	return false
}

// unwritten says what became of a change that came to nothing.
func (r *run) unwritten(ctx context.Context, s *apply.Step, was, want *identity.Live, err error) (apply.Answer, error) {
	f := asFailure(err)
	switch status := status(err); {
	case f == nil:
		return apply.Answer{}, err
	case status == 409 || status == 500:
	case f.code() == "":
		return apply.Answer{}, &unknownError{r.label, f}
	case f.code() == apply.Auth, f.code() == apply.Throttled, unsent(err):
		return apply.Answer{}, err
	case f.code() == apply.Changed:
		return refusal(apply.Changed, changed), nil
	default:
		return answerOf(f), nil
	}
	// It may have been made all the same.
	if r.facts.Settles > 0 {
		return apply.Answer{}, &unknownError{r.label, f}
	}
	now, failed := r.account(ctx, was.Ref)
	switch {
	case failed != nil:
		return apply.Answer{}, &unknownError{r.label, f}
	case now == nil:
		return refusal(apply.Gone, "there is no account %s", was.Ref), nil
	case r.equal(want, now) && exact(s, want, now):
		return answer(now), nil
	case !r.same(was, now):
		return refusal(apply.Changed, changed), nil
	case status(f) == 500:
		return answerOf(f), nil
	}
	var addresses []identity.Address
	given(s, func(x identity.Address) { addresses = append(addresses, x) })
	if len(addresses) == 0 {
		return answerOf(f), nil
	}
	if err := r.seek(ctx, addresses, nil, r.begun); err != nil {
		return apply.Answer{}, err // it was not made
	}
	if a, is, err := r.taken(ctx, was.Ref, gaining(s)); err != nil || is {
		return a, err
	}
	return takenUnseen(f, addresses[0]), nil
}

// remove removes an account.
func (r *run) remove(ctx context.Context, s *apply.Step) (apply.Answer, error) {
	_, l, etag, no, err := r.fresh(ctx, s)
	if no != nil && no.Err.Code == apply.Gone {
		r.mu.Lock()
		_, asked := r.doubts[s.Live.Ref]
		r.mu.Unlock()
		if asked {
			return apply.Answer{}, nil
		}
	}
	if err != nil || no != nil {
		return orNone(no), err
	}
	if !r.same(s.Live, l) {
		return refusal(apply.Changed, changed), nil
	}
	reply, err := r.do(ctx, request{method: http.MethodDelete, path: userPath(l.Ref), match: etag})
	if err == nil && len(reply.body) > 0 {
		// It should have none: it may be a page for people.
		if now, failed := r.account(ctx, l.Ref); failed != nil || now != nil {
			err = r.notJSON(reply.body)
		}
	}
	f := asFailure(err)
	switch {
	case err == nil, f != nil && f.code() == apply.Gone:
		r.forget(l.Ref)
		return apply.Answer{}, nil
	case f == nil:
		return apply.Answer{}, err
	case status(err) == 500:
		now, failed := r.account(ctx, l.Ref)
		switch {
		case failed != nil || r.facts.Settles > 0:
			return apply.Answer{}, &unknownError{r.label, f}
		case now == nil:
			return apply.Answer{}, nil
		}
	case f.code() == "":
		return apply.Answer{}, &unknownError{r.label, f}
	case f.code() == apply.Throttled:
		r.doubt(l.Ref)
		return apply.Answer{}, err
	case f.code() == apply.Auth, unsent(err):
		return apply.Answer{}, err
	case f.code() == apply.Changed:
		return refusal(apply.Changed, changed), nil
	}
	return answerOf(f), nil
}

var _ console.Quoting = (*statusError)(nil)
