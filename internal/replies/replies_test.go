package replies

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/portcullis-dev/portcullis"
)

func kindOf(t *testing.T, err error) (portcullis.Kind, string) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v", err)
	}
	return e.Kind, e.Reason
}

func TestRead(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, 4096} {
		text := strings.Repeat("x", size)
		var l Lease
		got, err := Read(iotest.OneByteReader(strings.NewReader(text)), make([]byte, 0, 512), 4096, NewBudget(0), &l)
		if err != nil || string(got) != text {
			t.Errorf("%d bytes: %d read, %v", size, len(got), err)
		}
	}
	var l Lease
	_, err := Read(strings.NewReader(strings.Repeat("x", 4097)), nil, 4096, nil, &l)
	if kind, reason := kindOf(t, err); kind != portcullis.KindUpstream || reason != "reply_rejected" {
		t.Errorf("over the limit: %v %s", kind, reason)
	}
	_, err = Read(iotest.ErrReader(io.ErrUnexpectedEOF), nil, 4096, nil, &l)
	if kind, reason := kindOf(t, err); kind != portcullis.KindUpstream || reason != "upstream_unavailable" {
		t.Errorf("broken off: %v %s", kind, reason)
	}
	own := &portcullis.Error{Kind: portcullis.KindUpstreamTimeout}
	if _, err = Read(iotest.ErrReader(own), nil, 4096, nil, &l); !errors.Is(err, own) {
		t.Errorf("the upstream's own error became %v", err)
	}
}

// TestBudget fills the budget, is refused, gives back and is served again.
func TestBudget(t *testing.T) {
	big := strings.Repeat("x", 3*Small)
	var first, second, third Lease
	if _, err := Read(strings.NewReader(big), nil, 1<<30, NewBudget(1<<30), &first); err != nil {
		t.Fatal(err)
	}
	one := first.n
	first.Release()
	if one < int64(len(big)) {
		t.Fatalf("%d bytes were counted as %d", len(big), one)
	}
	all := 2*one + one/2
	b := NewBudget(all)
	if _, err := Read(strings.NewReader(big), nil, 1<<30, b, &first); err != nil {
		t.Fatal(err)
	}
	_, err1 := Read(strings.NewReader(big), nil, 1<<30, b, &second)
	_, err2 := Read(strings.NewReader(big), nil, 1<<30, b, &third)
	if err1 != nil && err2 != nil || err1 == nil && err2 == nil {
		t.Fatalf("the budget takes two of three: %v, %v", err1, err2)
	}
	if kind, reason := kindOf(t, errors.Join(err1, err2)); kind != portcullis.KindUnavailable || reason != "overloaded" {
		t.Errorf("refused with %v %s", kind, reason)
	}
	for _, l := range []*Lease{&first, &second, &third, &first} { // twice is once
		l.Release()
	}
	if free := b.free.Load(); free != all {
		t.Errorf("%d free after all was given back, want %d", free, all)
	}
	if _, err := Read(strings.NewReader(big), nil, 1<<30, b, &first); err != nil {
		t.Errorf("refused though there is room: %v", err)
	}
}
