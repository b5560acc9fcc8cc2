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
	call   *call
	digest [sha256.Size]byte
	state  string
	open   []question // in the hands of the client
	later  []question // asked meanwhile
	count  int        // questions so far, for their names
	final  *message   // the answer, if the server did not wait
	fail   *portcullis.Error
	timer  *time.Timer
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
func digest(method string, params []byte) [sha256.Size]byte {
	rest, err := edit(params, drop("_meta"), drop("inputResponses"), drop("requestState"))
	if err != nil {
		rest = params
	}
	value := jsontext.Value(slices.Clone(rest))
	if value.Canonicalize() != nil {
		value = rest
	}
	return sha256.Sum256(append(append([]byte(method), 0), value...))
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
	u.mu.Lock()
	cl := list[0]
	x := cl.exchange()
	raw := u.pose(cl, x, question{id: m.id, method: m.method, params: m.params})
	u.mu.Unlock()
	switch {
	case raw == nil:
		c.post(rpcError(m.id, portcullis.CodeRefused, "Too many requests are open.", "too_many_requests"))
	case x != nil:
		x.finish(rpcResult(x.id, raw))
	}
}

// pose parks a call with a question and returns the result that carries it. A
// question to a call that is parked already waits for the next round. Nil
// means that there is no room. u.mu is held.
func (u *up) pose(cl *call, x *exchange, q question) []byte {
	if x == nil {
		p := u.asked[cl]
		if p == nil || len(p.later)+len(p.open) >= maxQuestions {
			return nil
		}
		p.later = append(p.later, q)
		return []byte{}
	}
	p := u.park(cl, []question{q})
	if p == nil {
		return nil
	}
	cl.hand(nil)
	return p.result()
}

// park makes a call wait for questions to be answered; u.mu is held. It
// returns nil when too many wait.
func (u *up) park(cl *call, list []question) *parked {
	if u.closed || len(u.parked) >= maxParked || !u.sh.lease.hold() {
		return nil
	}
	p := u.asked[cl]
	if p == nil {
		p = &parked{call: cl, digest: digest(cl.method, get(cl.raw, "params"))}
		u.asked[cl] = p
	}
	for i := range list {
		p.count++
		list[i].name = "input-" + strconv.Itoa(p.count)
	}
	state := token()
	p.open, p.state = list, state
	p.timer = time.AfterFunc(u.sh.p.host.cfg.InputTimeout, func() { u.lapse(state) })
	u.parked[state] = p
	return p
}

// result is the InputRequiredResult for the open questions.
func (p *parked) result() []byte {
	var asks []change
	for _, q := range p.open {
		ask, _ := edit([]byte("{}"), set("method", quote(q.method)), set("params", q.params)) // of valid parts
		asks = append(asks, set(q.name, ask))
	}
	requests, _ := edit([]byte("{}"), asks...)
	out, _ := edit([]byte("{}"), set("resultType", quote("input_required")),
		set("inputRequests", requests), set("requestState", quote(p.state)))
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
		u.withdraw(p.call, "no input in time")
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
	if p.digest != digest(m.Method, m.Params) {
		u.withdraw(cl, "request state used for another call")
		return nil, invalid
	}
	given, raw := u.rejoin(p, x)
	final, fail := p.final, p.fail
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
				u.withdraw(cl, "client has gone")
				return nil, err
			}
		}
	}
	if raw != nil {
		x.finish(rpcResult(x.id, raw))
	}
	return cl, nil
}

// rejoin ends the wait of a parked call: the exchange waits for it now, unless
// the server has asked again meanwhile, which the returned result then says.
func (u *up) rejoin(p *parked, x *exchange) (given []question, again []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	given, p.open = p.open, nil
	if later := p.later; p.final == nil && p.fail == nil && len(later) > 0 {
		p.later = nil
		if u.park(p.call, later) != nil {
			return given, p.result()
		}
	}
	p.call.hand(x)
	return given, nil
}

// withdrawn is told that the server no longer wants an answer.
func (u *up) withdrawn(id []byte) {
	same := func(q question) bool { return idKey(q.id) == idKey(id) }
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.parked {
		p.open = slices.DeleteFunc(p.open, same)
		p.later = slices.DeleteFunc(p.later, same)
	}
}
