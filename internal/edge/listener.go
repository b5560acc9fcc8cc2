package edge

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// LimitListener bounds the connections that are open at a time, in all and by
// address. One too many is reset at once, so that it holds neither a goroutine
// nor a place in the kernel's queue. A client that reads nothing of what is
// written to it is cut off: without that, who sends requests and never reads
// keeps a connection for good. It is safe for concurrent use.
type LimitListener struct {
	net.Listener
	maxTotal   int
	maxAddress int
	patience   time.Duration // with a client that does not read; 0 = endless
	exempt     func(netip.Addr) bool

	mu        sync.Mutex
	total     int
	byAddress map[netip.Addr]int
	rejected  atomic.Uint64
}

// NewLimitListener wraps inner. Addresses for which exempt returns true, the
// trusted proxies, count in the total only; exempt may be nil.
func NewLimitListener(inner net.Listener, l Limits, exempt func(netip.Addr) bool) (*LimitListener, error) {
	if l.MaxConns < 1 || l.MaxConnsPerAddress < 1 {
		return nil, fmt.Errorf("max_connections: %d and %d: want at least 1", l.MaxConns, l.MaxConnsPerAddress)
	}
	return &LimitListener{
		Listener:   inner,
		maxTotal:   l.MaxConns,
		maxAddress: l.MaxConnsPerAddress,
		patience:   l.WriteTimeout,
		exempt:     exempt,
		byAddress:  make(map[netip.Addr]int),
	}, nil
}

// Accept returns the next connection within the limits.
func (l *LimitListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		key := l.key(c.RemoteAddr())
		if l.acquire(key) {
			return &limitConn{Conn: c, release: l.release, key: key, patience: l.patience}, nil
		}
		l.rejected.Add(1)
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // reset: no TIME_WAIT for what was never served
		}
		_ = c.Close()
	}
}

// Open returns how many connections are open.
func (l *LimitListener) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

// Rejected returns how many connections were one too many.
func (l *LimitListener) Rejected() uint64 { return l.rejected.Load() }

// key is the address that is counted: IPv4 whole, IPv6 by /64, the zero Addr
// for those that are exempt or have none, such as Unix sockets.
func (l *LimitListener) key(remote net.Addr) netip.Addr {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	a := tcp.AddrPort().Addr().Unmap().WithZone("")
	if l.exempt != nil && l.exempt(a) {
		return netip.Addr{}
	}
	if a.Is6() {
		b := a.As16()
		clear(b[8:])
		return netip.AddrFrom16(b)
	}
	return a
}

func (l *LimitListener) acquire(key netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.maxTotal {
		return false
	}
	if key.IsValid() {
		if l.byAddress[key] >= l.maxAddress {
			return false
		}
		l.byAddress[key]++
	}
	l.total++
	return true
}

func (l *LimitListener) release(key netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if !key.IsValid() {
		return
	}
	if l.byAddress[key]--; l.byAddress[key] <= 0 {
		delete(l.byAddress, key) // the map holds open connections only
	}
}

// limitConn gives its place back when it is closed, however often that is.
type limitConn struct {
	net.Conn
	key     netip.Addr
	release func(netip.Addr)
	closed  atomic.Bool

	patience time.Duration
	mu       sync.Mutex // guards what follows, and the order of write deadlines
	owned    bool       // a deadline was set from above: that one counts
	until    time.Time  // the own deadline
}

// Write writes b. Where no write deadline was set it sets one: at least the
// patience and at most twice as long, so that most writes need not move it.
func (c *limitConn) Write(b []byte) (int, error) {
	if c.patience > 0 {
		if err := c.extend(time.Now()); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

func (c *limitConn) extend(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owned || c.until.Sub(now) >= c.patience {
		return nil
	}
	c.until = now.Add(2 * c.patience)
	return c.Conn.SetWriteDeadline(c.until)
}

// SetWriteDeadline sets the deadline of writes; with the zero time the
// connection sets its own again.
func (c *limitConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owned, c.until = !t.IsZero(), time.Time{}
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets the deadline of reads and writes.
func (c *limitConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owned, c.until = !t.IsZero(), time.Time{}
	return c.Conn.SetDeadline(t)
}

// Close closes the connection.
func (c *limitConn) Close() error {
	err := c.Conn.Close()
	if c.closed.CompareAndSwap(false, true) {
		c.release(c.key)
	}
	return err
}

// CloseWrite half-closes the connection, which net/http does before it gives
// up on a client that is still sending.
func (c *limitConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
