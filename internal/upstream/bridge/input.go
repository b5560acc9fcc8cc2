package bridge

import (
	"context"
	"crypto/sha256"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis"
)

// Bounds on questions of servers.
const (
	maxParked    = 64 // calls of one server that wait for input
	maxQuestions = 16 // of one call, open at once
)

// parked is a call whose server waits for input while no client waits for the
// call. The client that got the requestState has it.
type parked struct {
	call  *call
	state string
	open  []question // in the hands of the client
	later []question // asked meanwhile
	count int        // questions so far, for their names
	final *message   // the answer, if the server did not wait
	fail  *portcullis.Error
	timer *time.Timer
}

// question is a request of the server for input.
type question struct {
	name   string
	id     []byte // as the server wrote it
	method string
	params []byte
}

// digest identifies what a call asks for: its method and its parameters but
// for those of the round. A retry must have the same.
func digest(m *portcullis.Message) [sha256.Size]byte {
	params, err := edit(m.Params, change{"_meta", nil}, change{"inputResponses", nil}, change{"requestState", nil})
	if err != nil {
		params = m.Params
	}
	value := jsontext.Value(slices.Clone(params))
	if value.Canonicalize() != nil {
		value = params
	}
	return sha256.Sum256(append(append([]byte(m.Method), 0), value...))
}

// mayAsk reports whether results of a method may ask for input.
func mayAsk(method string) bool {
	return method == "tools/call" || method == "prompts/get" || method == "resources/read"
}

// question takes a request of the server. It belongs to the only call that it
// can belong to; when there are several, nobody can know whose user is meant,
// and the server is refused.
func (u *up) question(c *child, m message) {
	ability, known := need(m)
	if !known || u.sh.key.can&ability != ability {
		c.post(rpcError(m.id, portcullis.CodeMethodNotFound, "Method not found", ""))
		return
	}
	list := c.pending(func(cl *call) bool { return mayAsk(cl.method) })
	if len(list) != 1 {
		c.post(rpcError(m.id, portcullis.CodeRefused, "The request belongs to no single call.", "ambiguous_request"))
		return
	}
	cl := list[0]
	q := question{id: m.id, method: m.method, params: m.params}
	cl.mu.Lock()
	if cl.x == nil {
		full := cl.parked == nil || len(cl.parked.later)+len(cl.parked.open) >= maxQuestions
		if !full {
			cl.parked.later = append(cl.parked.later, q)
		}
		cl.mu.Unlock()
		if full {
			c.post(rpcError(m.id, portcullis.CodeRefused, "Too many requests are open.", "too_many_requests"))
		}
		return
	}
	if !u.park(cl, []question{q}) {
		cl.mu.Unlock()
		c.post(rpcError(m.id, portcullis.CodeRefused, "Too many requests are open.", "too_many_requests"))
		return
	}
	x, raw := cl.x, cl.parked.result()
	cl.x = nil
	cl.mu.Unlock()
	x.finish(rpcResult(x.id, raw))
}

// park makes a call wait for questions to be answered; cl.mu is held.
func (u *up) park(cl *call, list []question) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed || len(u.parked) >= maxParked || !u.sh.lease.hold() {
		return false
	}
	p := cl.parked
	if p == nil {
		p = &parked{}
		cl.parked = p
	}
	for i := range list {
		p.count++
		list[i].name = "input-" + strconv.Itoa(p.count)
	}
	p.open, p.state = list, token()
	p.call = cl
	state := p.state
	p.timer = time.AfterFunc(u.sh.b.cfg.InputTimeout, func() { u.lapse(state) })
	u.parked[state] = p
	return true
}

// result is the InputRequiredResult for the open questions.
func (p *parked) result() []byte {
	var asks []change
	for _, q := range p.open {
		ask, _ := edit([]byte("{}"), change{"method", quote(q.method)}, change{"params", q.params}) // of valid parts
		asks = append(asks, change{q.name, ask})
	}
	requests, _ := edit([]byte("{}"), asks...)
	out, _ := edit([]byte("{}"), change{"resultType", quote("input_required")},
		change{"inputRequests", requests}, change{"requestState", quote(p.state)})
	return out
}

// unpark takes a call that waits under a state, which is good once.
func (u *up) unpark(state string) *parked {
	u.mu.Lock()
	p := u.parked[state]
	delete(u.parked, state)
	u.mu.Unlock()
	if p != nil {
		p.timer.Stop()
		u.sh.lease.release()
	}
	return p
}

// lapse gives up on a client that did not come back.
func (u *up) lapse(state string) {
	if p := u.unpark(state); p != nil {
		u.sh.child.cancel(p.call, "no input in time")
	}
}

// resume gives a parked call the client's answers and the request that now
// waits for it.
func (u *up) resume(ctx context.Context, x *exchange, m *portcullis.Message, state string) (*call, error) {
	invalid := errInvalid(portcullis.CodeInvalidParams, "request_state_invalid", "The request state is unknown or was used.")
	p := u.unpark(state)
	if p == nil {
		return nil, invalid
	}
	cl := p.call
	if cl.digest != digest(m) {
		u.sh.child.cancel(cl, "request state used for another call")
		return nil, invalid
	}
	cl.mu.Lock()
	given := p.open
	p.open = nil
	final, fail := p.final, p.fail
	again := final == nil && fail == nil && len(p.later) > 0
	var raw []byte
	if again {
		later := p.later
		p.later = nil
		if again = u.park(cl, later); again {
			raw = p.result()
		}
	}
	if !again {
		cl.x = x
	}
	cl.mu.Unlock()
	if final != nil {
		u.answered(cl, *final)
	} else if fail != nil {
		return nil, fail
	}
	for _, q := range given {
		reply := rpcError(q.id, portcullis.CodeRefused, "The client did not give the input.", "input_refused")
		if value := get(m.Params, "inputResponses", q.name); value != nil {
			reply = rpcResult(q.id, value)
		}
		if final == nil {
			if err := u.sh.child.send(ctx, reply); err != nil {
				u.sh.child.cancel(cl, "client has gone")
				return nil, err
			}
		}
	}
	if raw != nil {
		x.finish(rpcResult(x.id, raw))
	}
	return cl, nil
}

// withdrawn is told that the server no longer wants an answer.
func (u *up) withdrawn(id []byte) {
	same := func(q question) bool { return idKey(q.id) == idKey(id) }
	u.mu.Lock()
	var list []*parked
	for _, p := range u.parked {
		list = append(list, p)
	}
	u.mu.Unlock()
	for _, p := range list {
		p.call.mu.Lock()
		p.open = slices.DeleteFunc(p.open, same)
		p.later = slices.DeleteFunc(p.later, same)
		p.call.mu.Unlock()
	}
}
