// Package duties holds the contract of stores of duties.
package duties

import (
	"reflect"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/incident/duty"
)

// Test checks a driver against the contract of duty.Store.
func Test(t *testing.T, open func(t *testing.T) duty.Store) {
	t.Helper()
	s, ctx := open(t), t.Context()
	if list, err := s.Duties(ctx); err != nil || len(list) != 0 {
		t.Errorf("Duties of none: %v, %v", list, err)
	}
	base := time.Date(2026, 11, 22, 10, 0, 0, 123_000, time.UTC)
	fresh := duty.Record{Name: "fresh", Since: base}
	told := duty.Record{Name: "told", Since: base, Signed: base.Add(time.Hour), Event: "e1", Told: base.Add(2 * time.Hour), Overdue: true}
	for _, r := range []duty.Record{told, fresh} {
		if err := s.SaveDuty(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := s.Duties(ctx); err != nil || !reflect.DeepEqual(list, []duty.Record{fresh, told}) {
		t.Errorf("Duties = %+v, %v", list, err)
	}
	told.Signed, told.Event, told.Overdue = base.Add(3*time.Hour), "e2", false
	if err := s.SaveDuty(ctx, told); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Duties(ctx); err != nil || !reflect.DeepEqual(list, []duty.Record{fresh, told}) {
		t.Errorf("a changed one: %+v, %v", list, err)
	}
}
