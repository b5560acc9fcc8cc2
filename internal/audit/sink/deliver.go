package sink

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/deadletter"
)

// deliver returns nil when each item was sent or laid aside, and an error when
// the sink stops. A batch that is refused is sent in halves, down to single
// events.
func (w *worker) deliver(soft, hard context.Context, items []Item) error {
	size, failures := len(items), 0
	for len(items) > 0 {
		if soft.Err() != nil {
			return errStopped
		}
		size = min(max(size, 1), len(items))
		chunk := items[:size]
		left, err := w.attempt(hard, chunk)
		if err == nil {
			items, size, failures = items[size:], size*2, 0
			if len(items) > 0 {
				w.commit(chunk[len(chunk)-1].Next)
			}
			continue
		}
		if len(left) < len(chunk) { // some were taken or laid aside
			items, size, failures = slices.Concat(left, items[size:]), len(left), 0
		}
		fault := faultOf(err)
		if fault.Fault == Refused && len(left) > 1 {
			size = len(left) / 2
			continue
		}
		w.failed(fault)
		failures++
		if !w.pause(soft, rest(w.spec.Pace, fault, failures)) {
			return errStopped
		}
	}
	return nil
}

// attempt sends items. It returns those that are still to be sent, and why;
// with a nil error there are none.
func (w *worker) attempt(hard context.Context, items []Item) (left []Item, err error) {
	sendable := items
	if slices.ContainsFunc(items, func(i Item) bool { return i.unsendable != nil }) {
		if sendable, err = w.layAside(items, unsendable); err != nil || len(sendable) == 0 {
			return sendable, err
		}
	}
	began := time.Now()
	err = w.send(hard, sendable)
	var each *ItemsError
	switch {
	case err == nil:
		w.sent(len(sendable), time.Since(began))
		return nil, nil
	case errors.As(err, &each):
		left, err = w.layAside(sendable, func(i int, _ Item) string { return each.Refused[i] })
		if err != nil {
			return left, err
		}
		if each.Rest != nil {
			return left, each.Rest
		}
		w.sent(len(left), time.Since(began))
		return nil, nil
	case faultOf(err).Fault == Refused && len(sendable) == 1:
		return w.refuse(hard, sendable, err)
	}
	return sendable, err
}

func unsendable(_ int, i Item) string {
	if i.unsendable == nil {
		return ""
	}
	return "encoding: " + i.unsendable.Error()
}

// send is one call of the Sender, in its turn.
func (w *worker) send(hard context.Context, items []Item) (err error) {
	select {
	case <-w.turn:
	case <-hard.Done():
		return hard.Err()
	}
	defer func() { w.turn <- struct{}{} }()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("sending panics: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(hard, w.spec.Timeout)
	defer cancel()
	return w.spec.Sender.Send(ctx, items)
}

// refuse lays aside the one event that a server refuses. After several in a
// row it asks with a plain one whether the server refuses everything: then the
// events are not at fault, and none is laid aside for it.
func (w *worker) refuse(hard context.Context, item []Item, why error) ([]Item, error) {
	if w.refused >= probeAfter {
		probe, err := w.probe()
		if err == nil {
			err = w.send(hard, []Item{probe})
		}
		var each *ItemsError
		if errors.As(err, &each) || err != nil && faultOf(err).Fault == Refused {
			return item, &Error{Fault: Misconfigured, Err: fmt.Errorf("every event is refused, also a plain one: %w", why), Said: faultOf(why).Said}
		}
		if err != nil {
			return item, err
		}
		w.refused = 0
	}
	return w.layAside(item, func(int, Item) string { return Explain(why) })
}

// layAside writes the items for which why has a reason into the dead letter
// file and returns the others. Once that file is full, what is refused is only
// counted: the event stands in the journal, and to wait here would let one who
// can make events that a server refuses hold up all others.
func (w *worker) layAside(items []Item, why func(int, Item) string) ([]Item, error) {
	var left []Item
	n, full := 0, 0
	for i, item := range items {
		text := why(i, item)
		if text == "" {
			left = append(left, item)
			continue
		}
		err := w.dead.Add(deadletter.Letter{Time: time.Now().UTC(), Seq: item.Seq, Reason: impersonal(text, item.Event), Entry: item.Entry})
		switch {
		case errors.Is(err, deadletter.ErrFull):
			full++
		case err != nil:
			w.buried(n, full)
			return append(left, items[i:]...), fmt.Errorf("laying an event aside: %w", err)
		}
		n++
	}
	w.buried(n, full)
	return left, nil
}

// impersonal takes out of a server's words what the event says of a person: the
// audit folder names nobody.
func impersonal(text string, e *portcullis.Event) string {
	for _, s := range []string{e.Actor.ID, e.Actor.UserAgent, e.Actor.IP.String()} {
		if s != "" {
			text = strings.ReplaceAll(text, s, "[personal]")
		}
	}
	return text
}

func (w *worker) sent(n int, took time.Duration) {
	if n == 0 {
		return
	}
	w.refused = 0
	recovered := w.state.sent(n, took)
	if recovered > 0 {
		w.set.tellRecovered(w.spec, recovered)
	}
}

func (w *worker) failed(fault *Error) {
	first, tell := w.state.failed(fault, w.set.opts.TellAfter, w.set.opts.TellEvery)
	if first {
		w.log.Warn("audit events do not reach a sink", "sink", w.spec.Name, "kind", w.spec.Kind, "fault", fault.Fault.String(), "error", fault)
	}
	if tell {
		w.set.tellFailing(w.spec, w.state.view(), fault)
	}
}

func (w *worker) buried(n, full int) {
	if n == 0 {
		return
	}
	w.refused += n
	if since := w.state.buried(n, w.set.opts.TellEvery); since > 0 {
		w.log.Warn("a sink refuses audit events", "sink", w.spec.Name, "events", since, "file_full", full > 0)
		w.set.tellRefused(w.spec, since, full > 0)
	}
}

// missed tells of records that are not in the journal any more.
func (w *worker) missed(n uint64, why error) {
	w.state.missed(n)
	w.log.Error("a sink missed audit records", "sink", w.spec.Name, "records", n, "error", why)
	w.set.tellMissed(w.spec, n)
}

// commit keeps the place up to which all is done. When it cannot be stored,
// events are sent again after a restart, and that is all.
func (w *worker) commit(at journal.Cursor) {
	if at == (journal.Cursor{}) {
		return
	}
	w.state.done(at.Seq)
	if err := w.from.Commit(at); err != nil {
		w.log.Warn("the place of a sink cannot be stored", "sink", w.spec.Name, "error", err)
	}
}

// pause waits, until it is woken, or ctx ends, of which it returns false.
func (w *worker) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w.wake:
	case <-ctx.Done():
		return false
	}
	return true
}

// rest returns how long to wait after the nth failure in a row: doubling, with
// jitter so that many gateways do not come back at once, and never less than
// the server asks for.
func rest(p Pace, fault *Error, n int) time.Duration {
	most := p.Most
	if fault.Fault != Away {
		most = p.Slow
	}
	d := most
	if n < 32 && p.Least<<(n-1) < most {
		d = p.Least << (n - 1)
	}
	d = d/2 + rand.N(d/2+1) //nolint:gosec // jitter is no secret
	return max(d, min(fault.After, longestAsked))
}
