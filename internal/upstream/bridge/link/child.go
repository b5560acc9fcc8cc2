package link

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/upstream/bridge/wire"
)

// Lengths of the two ways to a child. A caller waits for room; what the bridge
// itself has to say must fit, for it is said by the goroutine that reads.
const urgentRoom = 64

// Call is a request on its way through a child.
type Call struct {
	ID      int64 // the child knows the request by it
	Method  string
	Raw     []byte                    // as sent, for another round
	Answer  func(*Call, wire.Message) // what to do with the child's reply
	Failed  func(*Call, *portcullis.Error)
	timer   *time.Timer
	Forever bool // no time limit: a subscription
	Level   int  // log messages of this severity and above are wanted; 0 = none
	Rounds  int  // how often it was sent again with the user's input

	mu sync.Mutex
	X  *Exchange // who waits; nil for the bridge's own calls, and when nobody does now
}

// Refuse is the Failed of a call whose exchange never changes.
func Refuse(cl *Call, err *portcullis.Error) { cl.X.Refuse(err) }

// Hand makes another exchange, or none, wait for the call.
func (cl *Call) Hand(x *Exchange) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.X = x
}

// Exchange returns who waits for the call, if anyone.
func (cl *Call) Exchange() *Exchange {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	return cl.X
}

// Child is one running server, the requests it has not answered, and the two
// goroutines that talk with it. Requests get ids of the bridge's own, so no
// client can meet the id of another, or of the bridge.
type Child struct {
	conn    Conn
	log     *slog.Logger
	limit   int
	wait    time.Duration              // longest time for one call
	Heard   func(*Child, wire.Message) // requests and notifications, on the reading goroutine
	crashed func(error)                // called first when the server ends by itself
	Died    func()                     // called once, before the pending calls fail
	gone    func()                     // called once, when nothing of it is left
	left    chan struct{}              // closed after that
	out     chan []byte                // from callers
	urgent  chan []byte                // from the bridge
	Life    context.Context            // ends when the child is of no more use
	quit    context.CancelFunc
	grace   time.Duration // for the server to end by itself
	ready   atomic.Bool   // the handshake is done

	mu    sync.Mutex
	calls map[int64]*Call
	next  int64
	cause error // why life ended; nil if it was asked to
	ended bool
}

func newChild(conn Conn, log *slog.Logger, cfg Config) *Child {
	c := &Child{
		conn: conn, log: log, limit: cfg.MaxPending, wait: cfg.CallTimeout, grace: cfg.Grace,
		out: make(chan []byte), urgent: make(chan []byte, urgentRoom),
		calls: make(map[int64]*Call), left: make(chan struct{}),
	}
	c.Life, c.quit = context.WithCancel(context.Background())
	return c
}

func (c *Child) start() {
	go c.write()
	go c.read()
}

func (c *Child) read() {
	var err error
	for {
		var raw []byte
		if raw, err = c.conn.Receive(); err != nil {
			break
		}
		m, bad := wire.Parse(raw)
		if bad != nil {
			c.log.Warn("message of the upstream is not JSON-RPC", "bytes", len(raw))
			continue
		}
		if m.Reply() {
			c.answered(m)
		} else {
			c.Heard(c, m)
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

func (c *Child) write() {
	for {
		var msg []byte
		select { // what the bridge says goes first: it may be what the child waits for
		case msg = <-c.urgent:
		default:
			select {
			case msg = <-c.urgent:
			case msg = <-c.out:
			case <-c.Life.Done():
				return
			}
		}
		if err := c.conn.Send(c.Life, msg); err != nil {
			c.fail(err)
			c.end()
			return
		}
	}
}

// fail makes the child useless: its calls are answered with an error at once.
func (c *Child) fail(err error) {
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
	c.Died()
	for _, cl := range calls {
		cl.timer.Stop()
		cl.Failed(cl, ErrUnavailable("upstream ended during the call", err))
	}
}

// Left is closed when nothing of the child is left and its place is free.
func (c *Child) Left() <-chan struct{} { return c.left }

// Stop ends a child that is no longer wanted. It does not wait.
func (c *Child) Stop() {
	c.fail(nil)
	c.end()
}

// end has the server shut down, which ends the reading goroutine.
func (c *Child) end() {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.grace)
		defer cancel()
		_ = c.conn.Close(ctx) // reported by the reading goroutine
	}()
}

// Submit gives the call an id and sends it. On an error the call was not sent.
// Build makes the message from the id.
func (c *Child) Submit(ctx context.Context, cl *Call, build func(id []byte) ([]byte, error)) error {
	c.mu.Lock()
	switch {
	case c.ended:
		c.mu.Unlock()
		return ErrUnavailable("upstream has ended", c.cause)
	case len(c.calls) >= c.limit:
		c.mu.Unlock()
		return ErrBusy("too_many_calls", "too many calls in flight to one upstream", time.Second)
	}
	c.next++
	cl.ID = c.next
	raw, err := build(strconv.AppendInt(nil, cl.ID, 10))
	if err != nil {
		c.mu.Unlock()
		return ErrInvalid(portcullis.CodeInvalidRequest, "malformed", "The message cannot be forwarded.")
	}
	cl.Raw = raw
	cl.timer = time.AfterFunc(c.wait, func() { c.expire(cl) })
	if cl.Forever {
		cl.timer.Stop()
	}
	c.calls[cl.ID] = cl
	c.mu.Unlock()
	if err := c.Send(ctx, raw); err != nil {
		if c.Take(cl.ID) == nil {
			return nil // failed by the child's end, and told so
		}
		return err
	}
	return nil
}

// Send waits for room on the way to the child.
func (c *Child) Send(ctx context.Context, msg []byte) error {
	select {
	case c.out <- msg:
		return nil
	case <-c.Life.Done():
		return ErrUnavailable("upstream has ended", c.cause)
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return ErrTimeout("upstream does not read its input")
		}
		return ctx.Err()
	}
}

// Post sends a message of the bridge's own without waiting. A child that has
// not read the last of them is taken for stuck.
func (c *Child) Post(msg []byte) {
	select {
	case c.urgent <- msg:
	case <-c.Life.Done():
	default:
		c.fail(errors.New("upstream does not read its input"))
		c.end()
	}
}

// Take removes a call from the pending ones.
func (c *Child) Take(id int64) *Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.calls[id]
	if cl != nil {
		delete(c.calls, id)
		cl.timer.Stop()
	}
	return cl
}

// Find returns the pending call with a raw id, or nil.
func (c *Child) Find(raw []byte) *Call {
	id, ok := wire.Number(raw)
	if !ok {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[id]
}

// Drop removes a call, whatever its id has become by now.
func (c *Child) Drop(cl *Call) (int64, bool) {
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

func (c *Child) answered(m wire.Message) {
	id, ok := wire.Number(m.ID)
	cl := (*Call)(nil)
	if ok {
		cl = c.Take(id)
	}
	if cl == nil {
		c.log.Debug("reply of the upstream to no pending call")
		return
	}
	cl.Answer(cl, m)
}

// Cancel withdraws a call: the child is told, and its reply will be ignored.
// It reports false if the call was not in flight.
func (c *Child) Cancel(cl *Call, reason string) bool {
	id, ok := c.Drop(cl)
	if !ok {
		return false
	}
	params := append([]byte(`{"requestId":`), strconv.AppendInt(nil, id, 10)...)
	params = append(append(params, `,"reason":`...), wire.Quote(reason)...)
	c.Post(wire.NewRequest(nil, "notifications/cancelled", append(params, '}')))
	return true
}

func (c *Child) expire(cl *Call) {
	if c.Cancel(cl, "time limit") {
		cl.Failed(cl, ErrTimeout("upstream did not answer a call in time"))
	}
}

// Pending returns the calls that fit, newest first.
func (c *Child) Pending(fit func(*Call) bool) []*Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []*Call
	for _, cl := range c.calls {
		if fit(cl) {
			list = append(list, cl)
		}
	}
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && list[j].ID > list[j-1].ID; j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
	return list
}

func (c *Child) inFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

// Ask sends a request of the bridge's own and waits for the reply.
func (c *Child) Ask(ctx context.Context, build func(id []byte) ([]byte, error)) (wire.Message, error) {
	p, err := c.Asking(ctx, build)
	if err != nil {
		return wire.Message{}, err
	}
	return p.wait(ctx)
}

// peek is wait that leaves the promise open when ctx ends.
func (p *promise) peek(ctx context.Context) (wire.Message, error) {
	select {
	case m := <-p.reply:
		return m, nil
	case err := <-p.fail:
		return wire.Message{}, err
	case <-ctx.Done():
		return wire.Message{}, ctx.Err()
	}
}

// promise is a reply that will come.
type promise struct {
	c     *Child
	cl    *Call
	reply chan wire.Message
	fail  chan error
}

// Asking is [Child.Ask] without the wait.
func (c *Child) Asking(ctx context.Context, build func(id []byte) ([]byte, error)) (*promise, error) {
	p := &promise{c: c, reply: make(chan wire.Message, 1), fail: make(chan error, 1)}
	p.cl = &Call{
		Forever: true, // whoever waits has a time limit
		Answer:  func(_ *Call, m wire.Message) { p.reply <- m },
		Failed:  func(_ *Call, err *portcullis.Error) { p.fail <- err },
	}
	if err := c.Submit(ctx, p.cl, build); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *promise) wait(ctx context.Context) (wire.Message, error) {
	m, err := p.peek(ctx)
	if ctx.Err() != nil {
		p.c.Take(p.cl.ID)
	}
	return m, err
}
