package session

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func data(t *testing.T, c *cursor) string {
	t.Helper()
	event, err := c.Take()
	if err != nil {
		return err.Error()
	}
	return strings.ReplaceAll(strings.TrimSpace(string(event)), "\n", " ")
}

func TestOutbox(t *testing.T) {
	var lost []string
	o := newOutbox(10, func(id []byte) { lost = append(lost, string(id)) })
	o.put([]byte("aaaa"), []byte("7"))
	o.put([]byte("bbbb"), nil)
	c := o.open("")
	if got := data(t, c); got != "event: message id: 1 data: aaaa" {
		t.Errorf("got %q", got)
	}
	o.put([]byte("cccc"), []byte("8")) // the first goes; it was read
	if len(lost) != 0 {
		t.Errorf("lost %v", lost)
	}
	c = o.open("") // begins with what nobody has read
	if got := data(t, c); got != "event: message id: 2 data: bbbb" {
		t.Errorf("got %q", got)
	}
	c = o.open("1")
	if got := data(t, c); got != "event: message id: 2 data: bbbb" {
		t.Errorf("got %q", got)
	}
	c = o.open("2")
	if got := data(t, c); got != "event: message id: 3 data: cccc" {
		t.Errorf("got %q", got)
	}
	if got := data(t, c); got != "" {
		t.Errorf("got %q", got)
	}
	for _, wrong := range []string{"99", "x", "-1"} { // of another time: from what is unread
		if got := data(t, o.open(wrong)); got != "" {
			t.Errorf("%q: got %q", wrong, got)
		}
	}
}

// TestOutboxSlow: a reader that falls behind what is kept is cut, and a
// request it has not read is given up.
func TestOutboxSlow(t *testing.T) {
	var lost []string
	o := newOutbox(10, func(id []byte) { lost = append(lost, string(id)) })
	c := o.open("")
	o.put([]byte("aaaa"), []byte("7"))
	o.put([]byte("bbbbbbbb"), nil)
	if len(lost) != 1 || lost[0] != "7" {
		t.Errorf("lost %v", lost)
	}
	if _, err := c.Take(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("taking: %v", err)
	}
	if o.live() {
		t.Error("a cut reader is taken for alive")
	}
	c = o.open("")
	o.end()
	o.put([]byte("late"), nil)
	if got := data(t, c); got != "event: message id: 2 data: bbbbbbbb" {
		t.Errorf("got %q", got)
	}
	if got := data(t, c); got != io.EOF.Error() {
		t.Errorf("got %q", got)
	}
	o = newOutbox(1<<20, nil)
	for range 2 * maxKept {
		o.put([]byte("{}"), nil)
	}
	if len(o.kept) != maxKept {
		t.Errorf("%d kept", len(o.kept))
	}
}
