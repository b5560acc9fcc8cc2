package a2a

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/portcullis-dev/portcullis/internal/cli/screen"
)

// progress tells a person at a terminal that something goes on. It writes
// nothing where nobody looks.
type progress struct {
	out   io.Writer // nil = nobody looks
	began time.Time

	mu      sync.Mutex
	what    string
	done    chan struct{}
	drawing sync.WaitGroup
}

func (c verbs) progress() *progress {
	p := &progress{began: time.Now()}
	if screen.IsTerminal(c.Err) && !c.JSON() {
		p.out = c.Err
	}
	return p
}

// say names what goes on; the first time, it begins to show it.
func (p *progress) say(what string) {
	if p.out == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.what = what
	if p.done == nil {
		p.done = make(chan struct{})
		p.drawing.Go(func() { p.draw(p.done) })
	}
}

func (p *progress) draw(done <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		p.mu.Lock()
		// A terminal that takes nothing has nobody in front of it.
		_, _ = fmt.Fprintf(p.out, "\r\x1b[K… %s (%s)", p.what, time.Since(p.began).Round(time.Second))
		p.mu.Unlock()
		select {
		case <-done:
			_, _ = fmt.Fprint(p.out, "\r\x1b[K")
			return
		case <-tick.C:
		}
	}
}

// stop takes the line away. It may be called twice.
func (p *progress) stop() {
	p.mu.Lock()
	done := p.done
	p.done, p.out = nil, nil
	p.mu.Unlock()
	if done != nil {
		close(done)
		p.drawing.Wait()
	}
}
