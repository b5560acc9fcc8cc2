package direct

import (
	"context"
	"io"
	"net"
	"net/url"
	"testing"
	"testing/synctest"
	"time"
)

// pipeConn returns a connection that owns a slot of p, and the peer's end.
func pipeConn(p *pool) (*conn, net.Conn) {
	near, far := net.Pipe()
	p.count(func(s *Stats) { s.Open++ })
	return newConn(near), far
}

// testPool returns a pool whose idle connections are all fit.
func testPool(maxConns int) *pool {
	cfg := Default()
	cfg.MaxConns, cfg.MaxIdle = maxConns, maxConns
	p := newPool(cfg)
	p.fit = func(*conn) bool { return true }
	return p
}

func mustTake(t *testing.T, p *pool) *conn {
	t.Helper()
	now := time.Now()
	c, err := p.take(t.Context(), now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// closedNow reports whether the other end of a pipe was closed.
func closedNow(far net.Conn) bool {
	_ = far.SetReadDeadline(time.Unix(1, 0))
	_, err := far.Read(make([]byte, 1))
	return err == io.EOF
}

func TestPoolTakesTheLatestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testPool(9)
		a, _ := pipeConn(p)
		b, _ := pipeConn(p)
		p.put(a, 0)
		p.put(b, 0)
		if first, second, third := mustTake(t, p), mustTake(t, p), mustTake(t, p); first != b || second != a || third != nil {
			t.Errorf("took %p %p %p of %p %p", first, second, third, a, b)
		}
		p.close()
	})
}

// TestPoolAges follows connections whose peers keep them for different times.
func TestPoolAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testPool(9)
		long, longFar := pipeConn(p)
		second, secondFar := pipeConn(p)
		half, halfFar := pipeConn(p)
		p.put(long, time.Minute)     // the configured 4 s are less
		p.put(second, 3*time.Second) // one second early: 2 s
		p.put(half, time.Second)     // 500 ms
		time.Sleep(time.Second)
		if c := mustTake(t, p); c != second || !closedNow(halfFar) {
			t.Error("a connection was used, or kept, beyond the time its peer announced")
		}
		p.put(second, 3*time.Second)
		time.Sleep(3*time.Second - time.Millisecond)
		if closedNow(longFar) {
			t.Error("closed early")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if s := p.snapshot(); s.Idle != 0 || s.Open != 0 || s.Expired != 3 || !closedNow(longFar) || !closedNow(secondFar) {
			t.Errorf("stats %+v", s)
		}
		again, againFar := pipeConn(p) // the timer runs again for the next
		p.put(again, 0)
		other, _ := pipeConn(p)
		time.Sleep(time.Second)
		p.put(other, 0)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if s := p.snapshot(); s.Idle != 1 || !closedNow(againFar) {
			t.Errorf("stats %+v", s)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s := p.snapshot(); s.Idle != 0 || s.Open != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

// TestPoolHandOver cancels a waiting call in the moment a slot is handed to it.
func TestPoolHandOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for i := range 200 {
			p := testPool(1)
			held, _ := pipeConn(p)
			ctx, cancel := context.WithCancel(t.Context())
			type result struct {
				c   *conn
				err error
			}
			got := make(chan result, 1)
			go func() {
				now := time.Now()
				c, err := p.take(ctx, now, now.Add(time.Minute))
				got <- result{c, err}
			}()
			synctest.Wait()
			switch i % 3 { // the waiter is ready with both, and chooses at random
			case 0:
				p.put(held, 0)
			case 1:
				p.discard(held)
			case 2:
				p.close()
			}
			cancel()
			switch r := <-got; {
			case r.err != nil:
			case r.c != nil:
				p.put(r.c, 0)
			default:
				p.free()
			}
			if i%3 == 2 {
				p.discard(held)
			}
			if s := p.snapshot(); s.Open != s.Idle || s.Waiting != 0 || s.Reuses > 1 {
				t.Fatalf("round %d: %+v", i, s)
			}
			p.close()
			if s := p.snapshot(); s.Open != 0 {
				t.Fatalf("round %d, closed: %+v", i, s)
			}
		}
	})
}

// TestPoolWaitEnds gives up at the deadline.
func TestPoolWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := testPool(1)
		held, _ := pipeConn(p)
		start := time.Now()
		if _, err := p.take(t.Context(), start, start.Add(time.Second)); !isTimeout(err) || time.Since(start) != time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		p.discard(held)
		if s := p.snapshot(); s.Open != 0 || s.Waiting != 0 {
			t.Errorf("stats %+v", s)
		}
		p.close()
	})
}

// TestConnWithoutSocket is never reused: nothing can look into it.
func TestConnWithoutSocket(t *testing.T) {
	near, far := net.Pipe()
	defer func() { _ = far.Close() }()
	c := newConn(near)
	if c.reusable() {
		t.Error("a connection nobody can look into was called good")
	}
	c.close()
}

func TestTarget(t *testing.T) {
	for raw, want := range map[string][2]string{
		"http://h":             {"h:80", " / HTTP/1.1\r\nHost: h\r\nAccept-Encoding: identity\r\n"},
		"https://h:444/a%20b?": {"h:444", " /a%20b? HTTP/1.1\r\nHost: h:444\r\nAccept-Encoding: identity\r\n"},
		"https://[::1]/x?y=z":  {"[::1]:443", " /x?y=z HTTP/1.1\r\nHost: [::1]\r\nAccept-Encoding: identity\r\n"},
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got := newTarget(u); got.addr != want[0] || got.path+got.after != want[1] {
			t.Errorf("%s: got %q %q", raw, got.addr, got.after)
		}
	}
}
