package stateless

import (
	"context"
	"crypto/sha256"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/link"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// Bounds on questions of servers.
const (
	maxParked    = 64 // calls of one server that wait for input
	maxQuestions = 16 // of one call, open at once
)

// parked is a call whose server waits for input while no client waits for the
// call. The client that got the requestState has it.
type parked struct {
	call   *link.Call
	digest [sha256.Size]byte
	state  string
	open   []question    // in the hands of the client
	later  []question    // asked meanwhile
	count  int           // questions so far, for their names
	final  *wire.Message // the answer, if the server did not wait
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
	rest, err := wire.Edit(params, wire.Drop("_meta"), wire.Drop("inputResponses"), wire.Drop("requestState"))
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

// question takes a request of the server. It belongs to the only call in
// flight that can have caused it. A call that waits for input already is taken
// to cause another only when no call runs; when several could be meant, nobody
// knows which client to ask, and the server is refused.
func (u *up) question(c *link.Child, m wire.Message) {
	ability, known := link.Need(m)
	if !known || u.sh.key.can&ability != ability {
		c.Post(wire.NewError(m.ID, portcullis.CodeMethodNotFound, "Method not found", ""))
		return
	}
	list := c.Pending(func(cl *link.Call) bool { return mayAsk(cl.Method) && cl.Exchange() != nil })
	if len(list) == 0 {
		list = c.Pending(func(cl *link.Call) bool { return mayAsk(cl.Method) })
	}
	if len(list) != 1 {
		c.Post(wire.NewError(m.ID, portcullis.CodeRefused, "The request belongs to no single call.", "ambiguous_request"))
		return
	}
	u.mu.Lock()
	cl := list[0]
	x := cl.Exchange()
	raw := u.pose(cl, x, question{id: m.ID, method: m.Method, params: m.Params})
	u.mu.Unlock()
	switch {
	case raw == nil:
		c.Post(wire.NewError(m.ID, portcullis.CodeRefused, "Too many requests are open.", "too_many_requests"))
	case x != nil:
		x.Finish(wire.NewResult(x.ID, raw))
	}
}

// pose parks a call with a question and returns the result that carries it. A
// question to a call that is parked already waits for the next round. Nil
// means that there is no room. u.mu is held.
func (u *up) pose(cl *link.Call, x *link.Exchange, q question) []byte {
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
	cl.Hand(nil)
	return p.result()
}

// park makes a call wait for questions to be answered; u.mu is held. It
// returns nil when too many wait.
func (u *up) park(cl *link.Call, list []question) *parked {
	if u.closed || len(u.parked) >= maxParked || !u.sh.lease.Hold() {
		return nil
	}
	p := u.asked[cl]
	if p == nil {
		p = &parked{call: cl, digest: digest(cl.Method, wire.Get(cl.Raw, "params"))}
		u.asked[cl] = p
	}
	for i := range list {
		p.count++
		list[i].name = "input-" + strconv.Itoa(p.count)
	}
	state := link.Token()
	p.open, p.state = list, state
	p.timer = time.AfterFunc(u.sh.p.host.Cfg.InputTimeout, func() { u.lapse(state) })
	u.parked[state] = p
	return p
}

// result is the InputRequiredResult for the open questions.
func (p *parked) result() []byte {
	var asks []wire.Change
	for _, q := range p.open {
		ask, _ := wire.Edit([]byte("{}"), wire.Set("method", wire.Quote(q.method)), wire.Set("params", q.params)) // of valid parts
		asks = append(asks, wire.Set(q.name, ask))
	}
	requests, _ := wire.Edit([]byte("{}"), asks...)
	out, _ := wire.Edit([]byte("{}"), wire.Set("resultType", wire.Quote("input_required")),
		wire.Set("inputRequests", requests), wire.Set("requestState", wire.Quote(p.state)))
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
		u.sh.lease.Release()
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
func (u *up) resume(ctx context.Context, x *link.Exchange, m *portcullis.Message, state string) (*link.Call, error) {
	invalid := link.ErrInvalid(portcullis.CodeInvalidParams, "request_state_invalid", "The request state is unknown or was used.")
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
		reply := wire.NewError(q.id, portcullis.CodeRefused, "The client did not give the input.", "input_refused")
		if value := wire.Get(m.Params, "inputResponses", q.name); value != nil {
			reply = wire.NewResult(q.id, value)
		}
		if final == nil {
			if err := u.sh.child.Send(ctx, reply); err != nil {
				u.withdraw(cl, "client has gone")
				return nil, err
			}
		}
	}
	if raw != nil {
		x.Finish(wire.NewResult(x.ID, raw))
	}
	return cl, nil
}

// rejoin ends the wait of a parked call: the exchange waits for it now, unless
// the server has asked again meanwhile, which the returned result then says.
func (u *up) rejoin(p *parked, x *link.Exchange) (given []question, again []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	given, p.open = p.open, nil
	if later := p.later; p.final == nil && p.fail == nil && len(later) > 0 {
		p.later = nil
		if u.park(p.call, later) != nil {
			return given, p.result()
		}
	}
	p.call.Hand(x)
	return given, nil
}

// withdrawn is told that the server no longer wants an answer.
func (u *up) withdrawn(id []byte) {
	same := func(q question) bool { return wire.IDKey(q.id) == wire.IDKey(id) }
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.parked {
		p.open = slices.DeleteFunc(p.open, same)
		p.later = slices.DeleteFunc(p.later, same)
	}
}
