package offline

import (
	"bytes"
	"fmt"
	"log/slog"
	"path"
	"slices"

	"github.com/portcullis-dev/portcullis/auditlog"
)

// segmentRemoved is the type of the event that says that retention removed
// records: first and last are the numbers of a segment's records, class is
// which of them were removed, records how many; before removed_before nothing
// at all is left, which stays known when the earlier events are removed too.
const segmentRemoved = "AUDIT_SEGMENT_REMOVED"

// removal is what one such event says.
type removal struct {
	span    span
	class   string
	records uint64
	before  uint64 // all records in front of it were removed
	signed  bool   // the event is covered by the checkpoint
}

// note looks whether a record says that others were removed.
func (p *part) note(entry []byte, seq uint64, signed bool) {
	head := entry[:min(len(entry), 200)]
	if !bytes.Contains(head, []byte(`"type":"`+segmentRemoved+`"`)) {
		return
	}
	e, err := auditlog.ParseEntry(entry)
	if err != nil || e.Type != segmentRemoved {
		return
	}
	r := removal{signed: signed}
	var first, last uint64
	for _, d := range e.Details {
		switch d.Key {
		case "first":
			first = unsigned(d.Value)
		case "last":
			last = unsigned(d.Value)
		case "class":
			r.class = d.Value.String()
		case "records":
			r.records = unsigned(d.Value)
		case "removed_before":
			r.before = unsigned(d.Value)
		}
	}
	// What a record says of records behind it is no removal.
	if last < first || last >= seq || r.before > seq {
		return
	}
	r.span = span{first, last + 1}
	p.removed = append(p.removed, r)
}

func unsigned(v slog.Value) uint64 {
	switch v.Kind() {
	case slog.KindInt64:
		return uint64(max(0, v.Int64()))
	case slog.KindUint64:
		return v.Uint64()
	}
	return 0
}

// removals says how many records of which classes of which segments were removed.
type removals map[span]map[string]uint64

// collect gathers what the events say, each class of a segment once.
func collect(parts []*part, signed bool) removals {
	all := removals{}
	for _, p := range parts {
		for _, r := range p.removed {
			if !r.signed && signed {
				continue
			}
			if all[r.span] == nil {
				all[r.span] = map[string]uint64{}
			}
			all[r.span][r.class] = r.records
			if before := (span{0, r.before}); r.before > 0 {
				all[before] = map[string]uint64{"": r.before}
			}
		}
	}
	return all
}

// of returns how many records of a segment were removed in classes of which no
// file is among files.
func (r removals) of(s span, files []string) (n uint64) {
	for class, records := range r[s] {
		if !slices.ContainsFunc(files, func(f string) bool { return path.Base(path.Dir(f)) == class }) {
			n += records
		}
	}
	return n
}

// whole returns the spans that were removed with every record, ascending.
func (r removals) whole() []span {
	var out []span
	for s := range r {
		if r.of(s, nil) >= s.to-s.from {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, bySpan)
	return out
}

func bySpan(a, b span) int {
	switch {
	case a.from < b.from:
		return -1
	case a.from > b.from:
		return 1
	}
	return 0
}

// without returns what of s no span of gone covers. gone ascends.
func without(s span, gone []span) (rest []span) {
	for _, g := range gone {
		if s.from >= s.to {
			break
		}
		if g.to <= s.from || g.from >= s.to {
			continue
		}
		if g.from > s.from {
			rest = append(rest, span{s.from, g.from})
		}
		s.from = g.to
	}
	if s.from < s.to {
		rest = append(rest, s)
	}
	return rest
}

// judge decides about what is not there, and sums up. Records before from were
// not read because they are older than what was asked for.
func (v *verifier) judge(parts []*part, from uint64) {
	signed, said := collect(parts, true), collect(parts, false)
	end := uint64(0) // behind the records seen so far
	var l *leaves
	if v.tree != nil {
		l = newLeaves(v.tree)
	}
	for _, p := range parts {
		v.report.Checked += p.checked
		if p.trust {
			v.report.Trusted += p.next - p.first
		}
		have := p.have
		if p.divided() {
			have = span{p.first, p.last + 1}
			v.partly(p, signed, said)
		} else if have.to <= have.from {
			continue // empty, or removed meanwhile
		}
		if have.from > end {
			v.gone(l, span{end, have.from}, from, signed, said)
		}
		v.overlap(p, parts, end)
		end = max(end, have.to)
	}
	if end < v.head.Size {
		v.gone(l, span{end, v.head.Size}, from, signed, said)
	}
	v.report.Uncovered = max(end, v.head.Size) - v.head.Size
}

// overlap tells of a segment that begins before the one in front of it ends.
// The divided form of a segment may stand beside it.
func (v *verifier) overlap(p *part, parts []*part, end uint64) {
	if p.divided() || p.first >= end {
		return
	}
	for _, q := range parts {
		if q != p && !q.divided() && q.first < p.first && q.have.to > p.first {
			first, last := p.first, q.have.to-1
			v.found.add(Problem{Kind: ProblemMoved, File: q.files[0], First: &first, Last: &last,
				Text: "holds more records than there is room for before the next segment"})
		}
	}
}

// partly judges the records of a divided segment that are in none of its files.
func (v *verifier) partly(p *part, signed, said removals) {
	if p.absent == 0 || p.trust {
		return
	}
	s := span{p.first, p.last + 1}
	told := signed.of(s, p.files)
	if p.absent <= told {
		v.report.Removed += p.absent
		return
	}
	text := fmt.Sprintf("%d records of the segment are not there, records of the log say that %d were removed", p.absent, told)
	if p.absent <= said.of(s, p.files) {
		text = fmt.Sprintf("%d records of the segment are not there; that they were removed is said by records that no checkpoint covers yet", p.absent)
	}
	first, last := p.lacking.from, p.lacking.to-1
	v.found.add(Problem{Kind: ProblemMissing, File: p.files[0], First: &first, Last: &last, Text: text})
}

// gone judges records of which no file is there. from is the first record that
// was read.
func (v *verifier) gone(l *leaves, s span, from uint64, signed, said removals) {
	if l != nil {
		l.check(s.from, s.to)
	}
	if old := min(s.to, from); s.from < old {
		v.report.Trusted += old - s.from
		s.from = old
	}
	rest := without(s, signed.whole())
	missing := uint64(0)
	for _, m := range rest {
		text := "are not there, and no record of the log says that they were removed"
		if len(without(m, said.whole())) == 0 {
			text = "are not there; that they were removed is said by records that no checkpoint covers yet"
		}
		missing += m.to - m.from
		first, last := m.from, m.to-1
		v.found.add(Problem{Kind: ProblemMissing, First: &first, Last: &last, Text: text})
	}
	if s.to > s.from {
		v.report.Removed += s.to - s.from - missing
	}
}
