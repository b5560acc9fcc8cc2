package rotation_test

import (
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/rotation"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

func TestNext(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	in := func(d time.Duration) time.Time { return now.Add(d) }
	s := rotation.Schedule{Every: 90 * day, Ahead: 14 * day}
	for name, c := range map[string]struct {
		e     wallet.Entry
		s     rotation.Schedule
		mints bool
		step  rotation.Step
		again time.Time
	}{
		"new":                       {wallet.Entry{Version: 1, Created: now}, s, true, rotation.StepNone, in(90 * day)},
		"a moment before":           {wallet.Entry{Version: 1, Created: now.Add(time.Millisecond - 90*day)}, s, true, rotation.StepNone, in(time.Millisecond)},
		"due":                       {wallet.Entry{Version: 1, Created: now.Add(-90 * day)}, s, true, rotation.StepRotate, time.Time{}},
		"rotated since":             {wallet.Entry{Version: 2, Created: now.Add(-200 * day), Rotated: ago(day)}, s, true, rotation.StepNone, in(89 * day)},
		"due again":                 {wallet.Entry{Version: 2, Created: now.Add(-200 * day), Rotated: ago(90 * day)}, s, true, rotation.StepRotate, time.Time{}},
		"by a person, long before":  {wallet.Entry{Version: 1, Created: now}, s, false, rotation.StepNone, in(76 * day)},
		"by a person, soon":         {wallet.Entry{Version: 1, Created: now.Add(-76 * day)}, s, false, rotation.StepNotice, time.Time{}},
		"by a person, overdue":      {wallet.Entry{Version: 1, Created: now.Add(-300 * day)}, s, false, rotation.StepNotice, time.Time{}},
		"in the overlap":            {wallet.Entry{Version: 2, Rotated: ago(day), Previous: 1, KeptUntil: ago(-time.Hour)}, s, true, rotation.StepNone, in(time.Hour)},
		"after the overlap":         {wallet.Entry{Version: 2, Rotated: ago(day), Previous: 1, KeptUntil: ago(0)}, s, true, rotation.StepPurge, now},
		"due in the overlap":        {wallet.Entry{Version: 2, Rotated: ago(90 * day), Previous: 1, KeptUntil: ago(-day)}, s, true, rotation.StepRotate, in(day)},
		"a value of its own waits":  {wallet.Entry{Version: 1, Created: now, Pending: 2, Automatic: true}, s, true, rotation.StepFinish, time.Time{}},
		"a value of a person waits": {wallet.Entry{Version: 1, Created: now.Add(-300 * day), Pending: 2}, s, true, rotation.StepNone, time.Time{}},
		"never by itself":           {wallet.Entry{Version: 1, Created: now.Add(-300 * day)}, rotation.Schedule{}, true, rotation.StepNone, time.Time{}},
		"and still purged":          {wallet.Entry{Version: 2, Previous: 1, KeptUntil: ago(1)}, rotation.Schedule{}, false, rotation.StepPurge, now},
	} {
		step, again := c.s.Next(c.e, c.mints, now)
		if step != c.step || !again.Equal(c.again) {
			t.Errorf("%s: %q, again at %v, want %q, %v", name, step, again, c.step, c.again)
		}
	}
	if got := s.Due(wallet.Entry{Created: now}); !got.Equal(in(90 * day)) {
		t.Errorf("due %v", got)
	}
	if got := (rotation.Schedule{}).Due(wallet.Entry{Created: now}); !got.IsZero() {
		t.Errorf("due %v", got)
	}
}
