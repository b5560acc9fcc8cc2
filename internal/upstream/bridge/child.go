package bridge

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Lengths of the two ways to a child. A caller waits for room; what the bridge
// itself has to say must fit, for it is said by the goroutine that reads.
const urgentRoom = 64

// call is a request on its way through a child.
type call struct {
	id      int64 // the child knows the request by it
	method  string
	raw     []byte               // as sent, for another round
	answer  func(*call, message) // what to do with the child's reply
	failed  func(*call, *portcullis.Error)
	timer   *time.Timer
	forever bool // no time limit: a subscription
	level   int  // log messages of this severity and above are wanted; 0 = none
	rounds  int  // how often it was sent again with the user's input

	mu sync.Mutex
	x  *exchange // who waits; nil for the bridge's own calls, and when nobody does now
}

// hand makes another exchange, or none, wait for the call.
func (cl *call) hand(x *exchange) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.x = x
}

// exchange returns who waits for the call, if anyone.
func (cl *call) exchange() *exchange {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.x
}

// child is one running server, the requests it has not answered, and the two
// goroutines that talk with it. Requests get ids of the bridge's own, so no
// client can meet the id of another, or of the bridge.
type child struct {
	conn    Conn
	log     *slog.Logger
	limit   int
	wait    time.Duration         // longest time for one call
	heard   func(*child, message) // requests and notifications, on the reading goroutine
	crashed func(error)           // called first when the server ends by itself
	died    func()                // called once, before the pending calls fail
	gone    func()                // called once, when nothing of it is left
	out     chan []byte           // from callers
	urgent  chan []byte           // from the bridge
	life    context.Context       // ends when the child is of no more use
	quit    context.CancelFunc
	grace   time.Duration // for the server to end by itself
	ready   atomic.Bool   // the handshake is done

	mu    sync.Mutex
	calls map[int64]*call
	next  int64
	cause error // why life ended; nil if it was asked to
	ended bool
}

func newChild(conn Conn, log *slog.Logger, cfg Config) *child {
	c := &child{
		conn: conn, log: log, limit: cfg.MaxPending, wait: cfg.CallTimeout, grace: cfg.Grace,
		out: make(chan []byte), urgent: make(chan []byte, urgentRoom),
		calls: make(map[int64]*call),
	}
	c.life, c.quit = context.WithCancel(context.Background())
	return c
}

func (c *child) start() {
	go c.write()
	go c.read()
}

func (c *child) read() {
	var err error
	for {
		var raw []byte
		if raw, err = c.conn.Receive(); err != nil {
			break
		}
		m, bad := parse(raw)
		if bad != nil {
			c.log.Warn("message of the upstream is not JSON-RPC", "bytes", len(raw))
			continue
		}
		if m.reply() {
			c.answered(m)
		} else {
			c.heard(c, m)
		}
	}
	c.fail(err)
	ctx, cancel := context.WithTimeout(context.Background(), c.grace)
	defer cancel()
	if err := c.conn.Close(ctx); err != nil {
		c.log.Warn("ending the upstream", "error", err)
	}
	c.gone()
}

func (c *child) write() {
	for {
		var msg []byte
		select { // what the bridge says goes first: it may be what the child waits for
		case msg = <-c.urgent:
		default:
			select {
			case msg = <-c.urgent:
			case msg = <-c.out:
			case <-c.life.Done():
				return
			}
		}
		if err := c.conn.Send(c.life, msg); err != nil {
			c.fail(err)
			c.end()
			return
		}
	}
}

// fail makes the child useless: its calls are answered with an error at once.
func (c *child) fail(err error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended, c.cause = true, err
	calls := c.calls
	c.calls = nil
	c.quit()
	c.mu.Unlock()
	if err != nil {
		c.crashed(err)
	}
	c.died()
	for _, cl := range calls {
		cl.timer.Stop()
		cl.failed(cl, errUnavailable("upstream ended during the call", err))
	}
}

// stop ends a child that is no longer wanted. It does not wait.
func (c *child) stop() {
	c.fail(nil)
	c.end()
}

// end has the server shut down, which ends the reading goroutine.
func (c *child) end() {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.grace)
		defer cancel()
		_ = c.conn.Close(ctx) // reported by the reading goroutine
	}()
}

// submit gives the call an id and sends it. On an error the call was not sent.
// Build makes the message from the id.
func (c *child) submit(ctx context.Context, cl *call, build func(id []byte) ([]byte, error)) error {
	c.mu.Lock()
	switch {
	case c.ended:
		c.mu.Unlock()
		return errUnavailable("upstream has ended", c.cause)
	case len(c.calls) >= c.limit:
		c.mu.Unlock()
		return errBusy("too_many_calls", "too many calls in flight to one upstream", time.Second)
	}
	c.next++
	cl.id = c.next
	raw, err := build(strconv.AppendInt(nil, cl.id, 10))
	if err != nil {
		c.mu.Unlock()
		return errInvalid(portcullis.CodeInvalidRequest, "malformed", "The message cannot be forwarded.")
	}
	cl.raw = raw
	cl.timer = time.AfterFunc(c.wait, func() { c.expire(cl) })
	if cl.forever {
		cl.timer.Stop()
	}
	c.calls[cl.id] = cl
	c.mu.Unlock()
	if err := c.send(ctx, raw); err != nil {
		if c.take(cl.id) == nil {
			return nil // failed by the child's end, and told so
		}
		return err
	}
	return nil
}

// send waits for room on the way to the child.
func (c *child) send(ctx context.Context, msg []byte) error {
	select {
	case c.out <- msg:
		return nil
	case <-c.life.Done():
		return errUnavailable("upstream has ended", c.cause)
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return errTimeout("upstream does not read its input")
		}
		return ctx.Err()
	}
}

// post sends a message of the bridge's own without waiting. A child that has
// not read the last of them is taken for stuck.
func (c *child) post(msg []byte) {
	select {
	case c.urgent <- msg:
	case <-c.life.Done():
	default:
		c.fail(errors.New("upstream does not read its input"))
		c.end()
	}
}

// take removes a call from the pending ones.
func (c *child) take(id int64) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.calls[id]
	if cl != nil {
		delete(c.calls, id)
		cl.timer.Stop()
	}
	return cl
}

// find returns the pending call with a raw id, or nil.
func (c *child) find(raw []byte) *call {
	id, ok := number(raw)
	if !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[id]
}

// drop removes a call, whatever its id has become by now.
func (c *child) drop(cl *call) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, pending := range c.calls {
		if pending == cl {
			delete(c.calls, id)
			cl.timer.Stop()
			return id, true
		}
	}
	return 0, false
}

func (c *child) answered(m message) {
	id, ok := number(m.id)
	cl := (*call)(nil)
	if ok {
		cl = c.take(id)
	}
	if cl == nil {
		c.log.Debug("reply of the upstream to no pending call")
		return
	}
	cl.answer(cl, m)
}

// cancel withdraws a call: the child is told, and its reply will be ignored.
// It reports false if the call was not in flight.
func (c *child) cancel(cl *call, reason string) bool {
	id, ok := c.drop(cl)
	if !ok {
		return false
	}
	params := append([]byte(`{"requestId":`), strconv.AppendInt(nil, id, 10)...)
	params = append(append(params, `,"reason":`...), quote(reason)...)
	c.post(rpc(nil, "notifications/cancelled", append(params, '}')))
	return true
}

func (c *child) expire(cl *call) {
	if c.cancel(cl, "time limit") {
		cl.failed(cl, errTimeout("upstream did not answer a call in time"))
	}
}

// pending returns the calls that fit, newest first.
func (c *child) pending(fit func(*call) bool) []*call {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []*call
	for _, cl := range c.calls {
		if fit(cl) {
			list = append(list, cl)
		}
	}
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && list[j].id > list[j-1].id; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}

func (c *child) inFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

// ask sends a request of the bridge's own and waits for the reply.
func (c *child) ask(ctx context.Context, build func(id []byte) ([]byte, error)) (message, error) {
	p, err := c.asking(ctx, build)
	if err != nil {
		return message{}, err
	}
	return p.wait(ctx)
}

// peek is wait that leaves the promise open when ctx ends.
func (p *promise) peek(ctx context.Context) (message, error) {
	select {
	case m := <-p.reply:
		return m, nil
	case err := <-p.fail:
		return message{}, err
	case <-ctx.Done():
		return message{}, ctx.Err()
	}
}

// promise is a reply that will come.
type promise struct {
	c     *child
	cl    *call
	reply chan message
	fail  chan error
}

func (c *child) asking(ctx context.Context, build func(id []byte) ([]byte, error)) (*promise, error) {
	p := &promise{c: c, reply: make(chan message, 1), fail: make(chan error, 1)}
	p.cl = &call{
		answer: func(_ *call, m message) { p.reply <- m },
		failed: func(_ *call, err *portcullis.Error) { p.fail <- err },
	}
	if err := c.submit(ctx, p.cl, build); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *promise) wait(ctx context.Context) (message, error) {
	m, err := p.peek(ctx)
	if ctx.Err() != nil {
		p.c.take(p.cl.id)
	}
	return m, err
}
