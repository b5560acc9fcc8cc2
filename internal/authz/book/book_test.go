package book_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authz/book"
)

func TestBoundedAndNeverWhileInUse(t *testing.T) {
	b := book.New[string, int](64, nil) // one a part
	held, err := b.Take("held")
	if err != nil {
		t.Fatal(err)
	}
	held.Value = 7
	for i := range 1000 {
		e, err := b.Take(strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		e.Release()
	}
	if n := b.Len(); n > 128 {
		t.Errorf("%d entries, want at most 128", n)
	}
	held.Release()
	again, err := b.Take("held")
	if err != nil || again != held || again.Value != 7 {
		t.Errorf("the entry in use was dropped: %v", err)
	}
	again.Release()
}

func TestKeepsWhatIsNeeded(t *testing.T) {
	b := book.New[int, bool](64, func(v *bool) bool { return *v })
	full := 0
	for i := range 1000 {
		e, err := b.Take(i)
		switch {
		case err == nil:
			e.Value = true
			e.Release()
		case errors.Is(err, book.ErrFull):
			full++
		default:
			t.Fatal(err)
		}
	}
	if n := b.Len(); full == 0 || n != 1000-full || n > 128 {
		t.Errorf("%d entries, %d refused", n, full)
	}
}

func TestOneEntryOfAKey(t *testing.T) {
	b := book.New[int, int](3200, func(v *int) bool { return *v > 0 })
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 2000 {
				e, err := b.Take(i % 50)
				if err != nil {
					t.Error(err)
					return
				}
				e.Value++
				e.Release()
			}
		})
	}
	all.Wait()
	sum := 0
	for i := range 50 {
		e, err := b.Take(i)
		if err != nil {
			t.Fatal(err)
		}
		sum += e.Value
		e.Release()
	}
	if sum != 8*2000 {
		t.Errorf("counted %d, want %d", sum, 8*2000)
	}
}

func BenchmarkTake(b *testing.B) {
	k := book.New[string, int](0, nil)
	b.ReportAllocs()
	for b.Loop() {
		e, err := k.Take("key:0123456789abcdef")
		if err != nil {
			b.Fatal(err)
		}
		e.Release()
	}
}
