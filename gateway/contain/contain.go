// Package contain puts the guards that hold callers back where they belong: a
// containment may be decided at the edge (addresses), once the caller is known,
// where rates are (a lower rate), and while a stream runs.
package contain

import (
	"io"
	"sync/atomic"

	"github.com/portcullis-dev/portcullis"
)

// Guards are those of a gateway.
type Guards []portcullis.Container

// Edge returns those that decide on addresses, too.
func (g Guards) Edge() []portcullis.EdgeGuard { return those[portcullis.EdgeGuard](g) }

// Throttles returns those that lower rates.
func (g Guards) Throttles() []portcullis.CallerGuard { return those[portcullis.CallerGuard](g) }

func those[T any](g Guards) (out []T) {
	for _, c := range g {
		if t, ok := c.(T); ok {
			out = append(out, t)
		}
	}
	return out
}

// Login returns the guards of paths where callers log in: who has to log in
// anew must get there.
func (g Guards) Login() Guards {
	return g.instead(func(c portcullis.Container) portcullis.Container {
		if l, ok := c.(interface{ Login() portcullis.Container }); ok {
			return l.Login()
		}
		return c
	})
}

// Admin returns the guards of the admin listener. The socket in the data folder
// has none: whoever can open it is the operator.
func (g Guards) Admin() Guards {
	return g.instead(func(c portcullis.Container) portcullis.Container {
		if a, ok := c.(interface{ Admin() portcullis.Container }); ok {
			return a.Admin()
		}
		return c
	})
}

func (g Guards) instead(other func(portcullis.Container) portcullis.Container) Guards {
	out := make(Guards, len(g))
	for i, c := range g {
		out[i] = other(c)
	}
	return out
}

// Watch is the watch over one stream.
type Watch struct {
	ended atomic.Bool
	stop  []func()
}

// Watch closes body as soon as the caller of a stream is contained, so that a
// stream on which nothing comes ends too.
func (g Guards) Watch(c *portcullis.Conn, who portcullis.Principal, body io.Closer) *Watch {
	w := new(Watch)
	for _, guard := range g {
		if s, ok := guard.(interface {
			Watch(c *portcullis.Conn, who portcullis.Principal, end func()) (stop func())
		}); ok {
			w.stop = append(w.stop, s.Watch(c, who, func() {
				w.ended.Store(true)
				_ = body.Close() // that it ends is all that is wanted
			}))
		}
	}
	return w
}

// With adds what ends the stream too; start may be nil.
func (w *Watch) With(body io.Closer, start func(end func()) (stop func())) {
	if start == nil {
		return
	}
	w.stop = append(w.stop, start(func() {
		w.ended.Store(true)
		_ = body.Close() // that it ends is all that is wanted
	}))
}

// Ended reports whether the watch closed the body.
func (w *Watch) Ended() bool { return w.ended.Load() }

// Stop ends the watch.
func (w *Watch) Stop() {
	for _, stop := range w.stop {
		stop()
	}
}
