package listen

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// Unused holds the connections on which no byte of a request has come yet.
// Clients open them in advance and keep them; [http.Server.Shutdown] waits five
// seconds for each, which would make every stop as slow. Safe for concurrent
// use.
type Unused struct {
	conns   sync.Map // net.Conn → struct{}
	closing atomic.Bool
}

// Follow makes a server tell of its connections.
func (u *Unused) Follow(s *http.Server) {
	s.ConnState = u.track
	s.RegisterOnShutdown(u.close)
}

// track is a server's ConnState.
func (u *Unused) track(c net.Conn, s http.ConnState) {
	if s == http.StateNew {
		u.conns.Store(c, struct{}{})
		if u.closing.Load() { // accepted just before the listener closed
			hangUp(c)
		}
		return
	}
	u.conns.LoadAndDelete(c) // takes no lock where c is not there, which is every call but the first
}

// close closes those there are, and those to come.
func (u *Unused) close() {
	u.closing.Store(true)
	u.conns.Range(func(c, _ any) bool {
		hangUp(c.(net.Conn))
		return true
	})
}

func hangUp(c net.Conn) {
	if err := c.Close(); err != nil {
		return // it is closed already
	}
}
