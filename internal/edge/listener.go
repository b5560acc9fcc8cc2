package edge

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// LimitListener bounds the connections that are open at a time, in all and by
// address. One too many is reset at once, so that it holds neither a goroutine
// nor a place in the kernel's queue. It is safe for concurrent use.
type LimitListener struct {
	net.Listener
	maxTotal   int
	maxAddress int
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
			return &limitConn{Conn: c, release: l.release, key: key}, nil
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
