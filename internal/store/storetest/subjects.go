package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/subject"
)

// Subjects tests a subject.Store. fresh returns an empty one.
func Subjects(t *testing.T, fresh func(t *testing.T) subject.Store) {
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	t.Run("the first key stays", func(t *testing.T) {
		s, ctx := fresh(t), t.Context()
		if _, err := s.SubjectKey(ctx, "a"); !errors.Is(err, subject.ErrNoKey) {
			t.Fatalf("before: %v", err)
		}
		for _, key := range []string{"first", "second"} {
			name, got, err := s.AddSubjectKey(ctx, "hash of a", "a", []byte(key), at)
			if err != nil || string(got) != "first" || name != "a" {
				t.Fatalf("adding %s: %s, %q, %v", key, name, got, err)
			}
			if name, got, err = s.AddSubjectKey(ctx, "hash of a", "another", []byte(key), at); err != nil || string(got) != "first" || name != "a" {
				t.Fatalf("adding %s by another name: %s, %q, %v", key, name, got, err)
			}
		}
		if name, got, err := s.FindSubjectKey(ctx, "hash of a"); err != nil || string(got) != "first" || name != "a" {
			t.Errorf("found %s, %q, %v", name, got, err)
		}
		if _, _, err := s.FindSubjectKey(ctx, "a"); !errors.Is(err, subject.ErrNoKey) {
			t.Errorf("found by its name: %v", err)
		}
		if got, err := s.SubjectKey(ctx, "a"); err != nil || string(got) != "first" {
			t.Errorf("read %q, %v", got, err)
		}
		if _, err := s.SubjectKey(ctx, "A"); !errors.Is(err, subject.ErrNoKey) {
			t.Errorf("another name: %v", err)
		}
	})
	t.Run("erased is gone, and may come again", func(t *testing.T) {
		s, ctx := fresh(t), t.Context()
		if had, err := s.EraseSubjectKey(ctx, "a"); had || err != nil {
			t.Errorf("none: %t, %v", had, err)
		}
		for _, name := range []string{"a", "b"} {
			if _, _, err := s.AddSubjectKey(ctx, name, name, []byte("key of "+name), at); err != nil {
				t.Fatal(err)
			}
		}
		if had, err := s.EraseSubjectKey(ctx, "a"); !had || err != nil {
			t.Errorf("erasing: %t, %v", had, err)
		}
		if _, err := s.SubjectKey(ctx, "a"); !errors.Is(err, subject.ErrNoKey) {
			t.Errorf("after: %v", err)
		}
		if got, err := s.SubjectKey(ctx, "b"); err != nil || string(got) != "key of b" {
			t.Errorf("another: %q, %v", got, err)
		}
		if name, got, err := s.AddSubjectKey(ctx, "a", "a2", []byte("new"), at); err != nil || string(got) != "new" || name != "a2" {
			t.Errorf("again: %s, %q, %v", name, got, err)
		}
	})
	subjectRange(t, fresh)
	t.Run("of many at once one wins for all", func(t *testing.T) {
		s := fresh(t)
		var all sync.WaitGroup
		got := make([][]byte, 8)
		for i := range got {
			all.Go(func() {
				var err error
				if _, got[i], err = s.AddSubjectKey(t.Context(), "a", fmt.Sprint(i), fmt.Append(nil, "key ", i), at); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i := range got {
			if !bytes.Equal(got[i], got[0]) {
				t.Errorf("%q and %q", got[i], got[0])
			}
		}
	})
}

func subjectRange(t *testing.T, fresh func(t *testing.T) subject.Store) {
	t.Helper()
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	t.Run("a range is erased, from and not to", func(t *testing.T) {
		s, ctx := fresh(t), t.Context()
		for _, name := range []string{"day.1", "day.2", "day.3", "da", "e"} {
			if _, _, err := s.AddSubjectKey(ctx, name, name, []byte("key"), at); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []int64{2, 0} {
			if n, err := s.EraseSubjectKeys(ctx, "day.", "day.3"); n != want || err != nil {
				t.Errorf("erased %d, %v; want %d", n, err, want)
			}
		}
		for _, name := range []string{"day.3", "da", "e"} {
			if _, err := s.SubjectKey(ctx, name); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := s.SubjectKey(ctx, "day.2"); !errors.Is(err, subject.ErrNoKey) {
			t.Errorf("after: %v", err)
		}
	})
}
