package duty

import (
	"math/rand/v2"
	"testing"
	"time"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestParseEvery(t *testing.T) {
	for _, text := range []string{"day", "week", "2 weeks", "month", "6 months", "quarter", "year", "366 days"} {
		e, err := ParseEvery(text)
		if err != nil || e.String() != text {
			t.Errorf("%q: %v, %v", text, e, err)
		}
	}
	for _, text := range []string{"", "weekly", "1 week", "0 weeks", "weeks", "2 week", "367 days", "-1 days", " week", "week ", "2  weeks", "Week", "999 years"} {
		if e, err := ParseEvery(text); err == nil {
			t.Errorf("%q is taken for %v", text, e)
		}
	}
}

func FuzzParseEvery(f *testing.F) {
	for _, text := range []string{"day", "2 weeks", "1 week", "999 years", "٣ weeks", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseEvery(text)
		if err != nil {
			return
		}
		if e.String() != text {
			t.Errorf("%q is read as %q", text, e)
		}
		if d := e.Shortest(); d <= 0 {
			t.Errorf("%q lasts %s", text, d)
		}
	})
}

func TestPeriods(t *testing.T) {
	for _, c := range []struct{ every, now, begin, after string }{
		{"day", "2026-11-22T23:59:59Z", "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"week", "2026-11-22T23:59:59Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"}, // a Sunday
		{"week", "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z"},
		{"week", "2026-11-23T00:30:00+01:00", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"},
		{"month", "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"},
		{"month", "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"},
		{"quarter", "2026-06-30T00:00:00Z", "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"},
		{"year", "2026-06-30T00:00:00Z", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"},
	} {
		e, err := ParseEvery(c.every)
		if err != nil {
			t.Fatal(err)
		}
		now := at(t, c.now)
		if got := e.Begin(now); !got.Equal(at(t, c.begin)) {
			t.Errorf("%s at %s began %s, want %s", c.every, c.now, got, c.begin)
		}
		if got := e.After(now); !got.Equal(at(t, c.after)) {
			t.Errorf("%s after %s: %s, want %s", c.every, c.now, got, c.after)
		}
	}
}

func someDuty(r *rand.Rand) Duty {
	units := []Unit{Day, Week, Month, Quarter, Year}
	e := Every{N: 1 + r.IntN(5), Unit: units[r.IntN(len(units))]}
	return Duty{Name: "d", Every: e, Grace: time.Duration(r.Int64N(int64(e.Shortest())))}
}

// someTime is often at the edge of a period.
func someTime(r *rand.Rand, e Every) time.Time {
	out := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(int64(8 * 365 * days))))
	if r.IntN(3) == 0 {
		out = e.Begin(out).Add(time.Duration(r.IntN(3)-1) * time.Microsecond)
	}
	return out.Truncate(time.Microsecond)
}

// TestDatesDoNotDrift: whatever the history of signing, dates are beginnings of
// periods of the calendar, the next one behind the last sign-off.
func TestDatesDoNotDrift(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // not a secret
		d := someDuty(r)
		now := someTime(r, d.Every)
		rec := Record{Name: "d", Since: now}
		for range 20 {
			now = now.Add(time.Duration(r.Int64N(int64(3 * d.Every.Shortest())))).Truncate(time.Microsecond)
			before := d.At(rec, now)
			if !d.Every.Begin(before.Due).Equal(before.Due) {
				t.Fatalf("seed %d: %s is due on %s, which begins no period", seed, d.Every, before.Due)
			}
			if !before.Next.After(now) {
				t.Fatalf("seed %d: at %s nothing is said of what comes: %+v", seed, now, before)
			}
			if (before.State == Overdue) != !now.Before(before.Due.Add(d.Grace)) || (before.State == Ahead) != now.Before(before.Due) {
				t.Fatalf("seed %d: at %s: %+v", seed, now, before)
			}
			rec.Signed = now
			after := d.At(rec, now)
			if after.State != Ahead || after.Missed != 0 || !after.Due.Equal(d.Every.After(now)) {
				t.Fatalf("seed %d: signed at %s: %+v", seed, now, after)
			}
			// Signed twice, it does not skip a date.
			rec.Signed = now.Add(time.Microsecond)
			if again := d.At(rec, rec.Signed); again.Due.After(d.Every.After(rec.Signed)) {
				t.Fatalf("seed %d: signed twice it skips to %s", seed, again.Due)
			}
			rec.Signed = now
		}
	}
}

// TestNothingChangesBetween: a standing holds until the time it names.
func TestNothingChangesBetween(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // not a secret
		d := someDuty(r)
		rec := Record{Name: "d", Since: someTime(r, d.Every)}
		now := rec.Since.Add(time.Duration(r.Int64N(int64(4 * d.Every.Shortest()))))
		s := d.At(rec, now)
		told, _ := d.Remind(rec, now)
		last := s.Next.Add(-time.Nanosecond)
		if got := d.At(rec, last); got != s {
			t.Fatalf("seed %d: %+v becomes %+v before %s", seed, s, got, s.Next)
		}
		if _, state := d.Remind(told, last); state != Ahead {
			t.Fatalf("seed %d: told again before %s", seed, s.Next)
		}
	}
}

// TestAClockThatIsSetBack makes nothing due again that was signed off, and
// nothing told twice.
func TestAClockThatIsSetBack(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // not a secret
		d := someDuty(r)
		now := someTime(r, d.Every)
		rec := Record{Name: "d", Since: now.Add(-2 * d.Every.Shortest()), Signed: now}
		back := now.Add(-time.Duration(r.Int64N(int64(d.Every.Shortest()))))
		mended := d.Mend(rec, back)
		if mended != rec {
			t.Fatalf("seed %d: %+v becomes %+v by %s", seed, rec, mended, now.Sub(back))
		}
		if s := d.At(mended, back); s.State != Ahead {
			t.Fatalf("seed %d: due again: %+v", seed, s)
		}
		open := Record{Name: "d", Since: rec.Since}
		told, _ := d.Remind(open, now)
		if _, state := d.Remind(d.Mend(told, back), back); state != Ahead {
			t.Fatalf("seed %d: told again", seed)
		}
	}
}

// TestAClockThatRanAhead silences a duty for two periods at most.
func TestAClockThatRanAhead(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 4)) //nolint:gosec // not a secret
		d := someDuty(r)
		now := someTime(r, d.Every)
		wrong := now.AddDate(1+r.IntN(50), 0, 0)
		rec := d.Mend(Record{Name: "d", Since: now, Signed: wrong, Told: d.Every.Begin(wrong), Overdue: true}, now)
		soon := d.Every.After(d.Every.After(now))
		if s := d.At(rec, soon); s.State == Ahead {
			t.Fatalf("seed %d: %s: not due at %s: %+v", seed, d.Every, soon, s)
		}
		if _, state := d.Remind(rec, soon); state == Ahead {
			t.Fatalf("seed %d: nobody is told at %s", seed, soon)
		}
	}
}

// TestAChangedPeriod: only the last sign-off and the period in force count, so
// going there and back changes nothing.
func TestAChangedPeriod(t *testing.T) {
	week, month := Duty{Name: "d", Every: Every{1, Week}, Grace: days}, Duty{Name: "d", Every: Every{1, Month}, Grace: days}
	rec := Record{Name: "d", Since: at(t, "2026-01-01T00:00:00Z"), Signed: at(t, "2026-11-04T10:00:00Z")}
	now := at(t, "2026-11-22T10:00:00Z")
	if s := month.At(rec, now); s.State != Ahead || !s.Due.Equal(at(t, "2026-12-01T00:00:00Z")) {
		t.Errorf("by the month: %+v", s)
	}
	s := week.At(rec, now)
	if s.State != Overdue || s.Missed != 1 || !s.Due.Equal(at(t, "2026-11-09T00:00:00Z")) {
		t.Errorf("by the week: %+v", s)
	}
	told, _ := month.Remind(rec, now)
	if told, state := week.Remind(told, now); state != Overdue || !told.Told.Equal(at(t, "2026-11-16T00:00:00Z")) {
		t.Errorf("told %+v, %s", told, state)
	}
}
