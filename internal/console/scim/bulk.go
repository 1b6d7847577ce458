package scim

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/rollcall-cli/rollcall/apply"
	"github.com/rollcall-cli/rollcall/internal/identity"
)

const bulkSchema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

// together returns how many of the next steps one bulk request makes (RFC 7644 section
// 3.7): accounts that are created, none of which depends on another. A change needs a
// read of its own before it, so that a bulk would save it little. The first account of
// all is created alone, which shows whether the service keeps marks.
func (r *run) together() int {
	r.mu.Lock()
	no := r.noBulk || !r.keepsMarks
	r.mu.Unlock()
	if no {
		return 1
	}
	most := r.provider.Bulk.MaxOperations
	given := map[identity.Address]bool{}
	n := 0
	for n < len(r.steps)-r.next && (n < most || most <= 0) {
		s := &r.steps[r.next+n]
		again := false
		if s.Creates() {
			s.After.EachAddress(func(x identity.Address) { again = again || given[x]; given[x] = true })
		}
		r.mu.Lock()
		_, made := r.answered[s.Key]
		r.mu.Unlock()
		if !s.Creates() || r.members(s.Group) > 1 || again || made {
			break
		}
		n++
	}
	return max(n, 1)
}

// bulkAnswer is that of a bulk response.
type bulkAnswer struct {
	Operations []struct {
		BulkID, Location string
		Status           json.RawMessage // a text, a number, or an object with a code
		Response         json.RawMessage
	}
}

// bulk creates the accounts of up to n steps in one request. Each operation has an
// outcome of its own; of one without, nobody knows whether it was made.
func (r *run) bulk(ctx context.Context, n int) error {
	first := r.next
	wants := make([]*identity.Live, n)
	no := make([]*apply.Answer, n) // to what is not sent
	var operations []any
	const around = 200 // octets of a request without operations
	size := around
	for i := range n {
		want := r.steps[first+i].Outcome()
		a, there, err := r.prior(ctx, want)
		if err != nil {
			if len(operations) == 0 && i == 0 {
				return err
			}
			n = i
			break
		}
		if there {
			no[i] = &a
			continue
		}
		op := map[string]any{"method": http.MethodPost, "path": "/Users", "bulkId": strconv.Itoa(i), "data": r.created(&r.steps[first+i])}
		octets := len(encode(op)) + 1
		if most := r.provider.Bulk.MaxPayloadSize; most > 0 && size+octets > most {
			if len(operations) == 0 && i == 0 {
				return r.alone(ctx)
			}
			n = i
			break
		}
		size += octets
		wants[i], operations = want, append(operations, op)
	}
	// What was begun comes to its end.
	whole := context.WithoutCancel(ctx)
	answers := make([]*apply.Answer, n)
	var unknown, stop error
	if len(operations) > 0 {
		reply, err := r.do(whole, request{method: http.MethodPost, path: "/Bulk", body: encode(map[string]any{"schemas": []string{bulkSchema}, "Operations": operations})})
		switch s := status(err); {
		case err == nil:
			unknown, stop = r.outcomes(whole, wants[:n], reply.body, answers)
		case s == 400 || s == 404 || s == 405 || s == 413 || s == 501:
			r.mu.Lock()
			r.noBulk = true
			r.mu.Unlock()
			return r.alone(ctx)
		default:
			f := asFailure(err)
			if f == nil || f.code() == apply.Auth || unsent(err) {
				return err
			}
			if f.code() == "" || s == 500 || s == 503 && r.facts.Settles > 0 {
				return &unknownError{r.label, f}
			}
			if f.code() == apply.Throttled {
				for _, want := range wants[:n] {
					if want != nil {
						r.doubt(r.markText(want))
					}
				}
				return err
			}
			a := answerOf(f)
			for i := range answers {
				answers[i] = &a
			}
		}
	}
	for i := range n {
		switch {
		case no[i] != nil:
			r.done(first+i, *no[i])
		case answers[i] != nil:
			r.done(first+i, *answers[i])
		}
	}
	r.next = first + n
	if unknown != nil {
		return unknown
	}
	return stop
}

// alone makes the next step by itself.
func (r *run) alone(ctx context.Context) error {
	i := r.next
	a, err := r.create(context.WithoutCancel(ctx), &r.steps[i])
	return r.ended(i, a, err)
}

// outcomes reads the answer to a bulk request. An unknown error says that some have
// no outcome; another one ends the run.
func (r *run) outcomes(ctx context.Context, wants []*identity.Live, body []byte, answers []*apply.Answer) (unknown, stop error) {
	var said bulkAnswer
	if err := json.Unmarshal(body, &said); err != nil && !mistyped(err) {
		return &unknownError{r.label, asFailure(r.notJSON(body))}, nil
	}
	at := time.Now()
	for _, op := range said.Operations {
		i, err := strconv.Atoi(op.BulkID)
		if err != nil || i < 0 || i >= len(wants) || wants[i] == nil || answers[i] != nil {
			continue
		}
		a, err := r.outcome(ctx, wants[i], at, bulkStatus(op.Status), op.Location, op.Response)
		switch {
		case errors.As(err, new(*unknownError)):
			continue
		case errors.As(err, new(*misusedError)):
			stop = err
		case err != nil:
			a = answerOf(asFailure(err))
		}
		answers[i] = &a
	}
	for i := range wants {
		if wants[i] != nil && answers[i] == nil {
			return &unknownError{r.label, &contentError{text: "it answered a bulk request without saying what became of each operation", advice: "this is a fault of the service"}}, stop
		}
	}
	return nil, stop
}

// outcome is that of one operation, and when it was answered.
func (r *run) outcome(ctx context.Context, want *identity.Live, at time.Time, status int, location string, response []byte) (apply.Answer, error) {
	if status == 0 {
		return apply.Answer{}, &unknownError{r.label, &contentError{text: "an operation has no status"}}
	}
	e := &statusError{host: r.host, status: status}
	if s := saidError(response); s != nil {
		e.scimType, e.quoted = s.ScimType, r.quote(s.ScimType+" "+s.Detail)
	}
	if status >= 300 {
		a, err := r.uncreated(ctx, want, e, at)
		if f := asFailure(err); err != nil && f != nil && f.code() == apply.Throttled {
			return answerOf(f), nil
		}
		return a, err
	}
	return r.made(ctx, want, response, location)
}

// bulkStatus reads a status: "201", 201, or {"code": "201"} as in drafts of SCIM.
func bulkStatus(text json.RawMessage) int {
	var w word
	var object struct{ Code word }
	if json.Unmarshal(text, &object) == nil && object.Code != "" {
		w = object.Code
	} else if json.Unmarshal(text, &w) != nil {
		return 0
	}
	n, err := strconv.Atoi(string(w))
	if err != nil || n < 100 || n > 599 {
		return 0
	}
	return n
}
