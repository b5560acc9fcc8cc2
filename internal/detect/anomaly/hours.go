package anomaly

import (
	"math"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/baseline"
)

// place works out where in the week an hour is, once for all that ask.
func (d *Detector) place(hour int64) {
	if hour == d.cachedHour {
		return
	}
	t := time.Unix(hour*3600, 0).In(d.cfg.Hours.Zone)
	_, offset := t.Zone()
	d.cachedHour = hour
	d.cachedWeek = (int(t.Weekday())+6)%7*24 + t.Hour()
	d.cachedDay = (hour*3600 + int64(offset)) / 86400
}

func (d *Detector) hourOfWeek(hour int64) int {
	d.place(hour)
	return d.cachedWeek
}

func (d *Detector) day(hour int64) int64 {
	d.place(hour)
	return d.cachedDay
}

// roll makes hour the current window of a subject that has another, or none.
func (d *Detector) roll(s *subject, hour int64) {
	switch {
	case s.First == math.MinInt64:
		s.First, s.Hour, s.Day = hour, hour, d.day(hour)
	case hour > s.Hour:
		if s.active {
			d.close(s)
		}
		d.idle(s, hour)
		if today := d.day(hour); today != s.Day {
			d.closeDay(s)
			s.Day, s.Today = today, counts{}
			s.told &^= dayMask
			if s.season == nil && hour-s.First >= 24 && s.kind != Address { // whoever has an address keeps no hours
				s.season = new(baseline.Season)
			}
		}
		s.Hour = hour
	case s.Hour-hour <= backwards/hourMillis: // late: it counts where we are
	default: // the clock was ahead when this was seen
		s.Hour, s.Day, s.Now, s.Today = hour, d.day(hour), counts{}, counts{}
		s.First = min(s.First, hour)
	}
	if !s.active {
		s.active = true
		s.next, s.nextBig = 4, leastBytes
		d.active = append(d.active, s)
	}
}

// idle takes in the hours without calls.
func (d *Detector) idle(s *subject, hour int64) {
	if hour-s.Hour > absent {
		return
	}
	caller := s.kind == Principal || s.kind == Key
	for h := s.Hour + 1; h < hour; h++ {
		week := d.hourOfWeek(h)
		if s.season != nil {
			s.season.Add(week, 0)
		}
		if caller && d.cfg.Hours.off(week) {
			s.Base[OffHours].Learn(0, 0, 1, d.rules(OffHours, s))
		}
	}
}

func (d *Detector) rules(m Metric, s *subject) baseline.Rules {
	return baseline.Rules{Memory: d.memory(m, s), Odd: d.cfg.ZWarning, Adopt: d.cfg.AdoptAfter}
}

// close judges a whole window for the last time and learns from it.
func (d *Detector) close(s *subject) {
	if s.Now.Calls == 0 {
		return
	}
	d.look(s, &cause{})
	off := d.cfg.Hours.off(d.hourOfWeek(s.Hour))
	for _, m := range watched[s.kind] {
		if !m.daily() && (m != OffHours || off) {
			d.learn(s, m, &s.Now)
		}
	}
	if s.Country[0] != 0 {
		s.Trials++
		if s.peers != nil {
			s.peers.Trials++
		}
	}
	s.Now, s.window = counts{}, nil
	s.told &= dayMask
	s.active = false
}

// learn takes the value of a window into the baselines of a subject and of its
// peers.
func (d *Detector) learn(s *subject, m Metric, c *counts) {
	f, noise, ok := d.measure(m, c)
	if !ok {
		return
	}
	d.family.count(m)
	for _, ref := range [...]*subject{s, s.peers} {
		if ref == nil || ref != s && !ref.needs(m, s) {
			continue
		}
		f.z = 0
		d.compare(s, ref, c, &f, noise)
		if !ref.Base[m].Warm(d.need(m)) {
			f.z = 0
		}
		taken := ref.Base[m].Learn(f.learn(), f.z, f.floor, d.rules(m, ref))
		switch m {
		case CallRate:
			d.season(s, ref, f.expected+taken)
		case ErrorRate, DenialRate:
			n := float64(c.Calls)
			k := baseline.RatioAt(f.expected+taken)*(n+0.75) - 0.375
			ref.Shares[m-ErrorRate].add(min(max(k, 0), float64(c.failures(m))), n)
		}
	}
}

// needs reports whether peers still learn from an hour of one of them: once
// they know enough, every fourth is enough.
func (s *subject) needs(m Metric, one *subject) bool {
	return s.Base[m].N < 1000 || uint64(one.Hour)&3 == hash("", one.name)&3
}

// season learns what the hour usually brings.
func (d *Detector) season(s, ref *subject, y float64) {
	y = max(y, 0)
	ref.Level.Add(y, d.memory(CallRate, ref))
	if ref.season == nil && ref.kind == Peers {
		ref.season = new(baseline.Season)
	}
	if ref.season != nil {
		ref.season.Add(d.hourOfWeek(s.Hour), y)
	}
}

func (d *Detector) need(m Metric) int {
	if m.daily() {
		return daySamples
	}
	return d.cfg.MinSamples
}

// closeDay learns from a day that has ended.
func (d *Detector) closeDay(s *subject) {
	if s.Today.Calls == 0 || s.weekend(d) {
		return
	}
	for _, m := range watched[s.kind] {
		if m.daily() {
			d.learn(s, m, &s.Today)
		}
	}
}

// families hold the number of judgements of each metric, for a bound on what
// chance makes of so many.
type families struct {
	hour  int64 // when the day began
	today [metrics]float64
	day   [metrics]float64 // of the last days
	bar   [metrics]float64
}

func (f *families) count(m Metric) { f.today[m]++ }

// turn works out the least scores that count, hour by hour.
func (f *families) turn(hour int64, c Config) {
	if hour-f.hour >= 24 || hour < f.hour {
		for m := range f.day {
			if f.hour != 0 {
				f.day[m] = max(f.today[m], f.day[m]*0.8)
			}
			f.today[m] = 0
		}
		f.hour = hour
	}
	for m := range f.bar {
		f.bar[m] = c.ZWarning
		if n := max(f.day[m], f.today[m]); c.FalseAlarms > 0 && n > 0 {
			f.bar[m] = max(c.ZWarning, baseline.Quantile(c.FalseAlarms/float64(metrics)/n))
		}
	}
}

// least is the score from which on a value of a metric is told.
func (f *families) least(m Metric, c *Config) float64 {
	return max(f.bar[m], c.ZWarning)
}
