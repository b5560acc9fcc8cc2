package anomaly

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/baseline"
)

// magic begins a state file. Its number changes with the layout: what an older
// version learned is then learned again.
const magic = "portcullis-baselines-1\n"

const (
	countsSize = 6*4 + 8
	recordSize = 4*8 + 2*countsSize + int(metrics)*baseline.BaselineSize + baseline.MomentsSize + 2*8 + 4*8 + 4*2 + 2*4 + 8 + 2*4
	maxName    = 1 << 12
	hasSeason  = 1
)

// errDamaged is for a state file that is not what was written.
var errDamaged = errors.New("the file is damaged")

// savedIncident is an open incident in a state file.
type savedIncident struct {
	Latest  Anomaly
	Metrics uint32
	Last    int64
	Told    int64
	Pending bool
	Members []savedName
}

type savedName struct {
	Kind  Kind
	Route string
	Name  string
}

// Snapshot is all that the detector knows, and how far it came: the number of
// the last record that it saw. Windows of minutes are left out.
func (d *Detector) Snapshot(seq uint64) ([]byte, error) {
	e := encoder{append(make([]byte, 0, 1<<16), magic...)}
	e.u64(seq)
	e.i64(d.now)
	e.i64(d.swept)
	e.i64(d.family.hour)
	for m := range metrics {
		e.f64(d.family.today[m])
		e.f64(d.family.day[m])
		e.f64(d.family.bar[m])
	}
	incidents, err := json.Marshal(d.book.saved())
	if err != nil {
		return nil, fmt.Errorf("writing open incidents: %w", err)
	}
	e.u32(uint32(len(incidents)))
	e.b = append(e.b, incidents...)
	n := 0
	d.all(func(*subject) { n++ })
	e.u32(uint32(n))
	d.all(e.subject)
	sum := sha256.Sum256(e.b)
	return append(e.b, sum[:]...), nil
}

func (b *book) saved() []savedIncident {
	out := make([]savedIncident, 0, len(b.list))
	for _, in := range b.list {
		s := savedIncident{Latest: in.latest, Metrics: in.metrics, Last: in.last, Told: in.told, Pending: in.pending}
		for _, m := range in.members {
			s.Members = append(s.Members, savedName{m.kind, m.route, m.name})
		}
		out = append(out, s)
	}
	return out
}

// Restore returns a detector that knows what was saved, and the number of the
// last record that it had seen. It refuses what it did not write.
func Restore(cfg Config, data []byte) (d *Detector, seq uint64, err error) {
	if !bytes.HasPrefix(data, []byte(magic)) || len(data) < len(magic)+sha256.Size {
		return nil, 0, errDamaged
	}
	body := data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], data[len(body):]) {
		return nil, 0, errDamaged
	}
	return restore(cfg, body[len(magic):])
}

func restore(cfg Config, body []byte) (*Detector, uint64, error) {
	d := New(cfg)
	r := decoder{b: body}
	seq := r.u64()
	d.now, d.swept = r.i64(), r.i64()
	d.family.hour = r.i64()
	for m := range metrics {
		d.family.today[m], d.family.day[m], d.family.bar[m] = r.f64(), r.f64(), r.f64()
	}
	incidents := r.take(int(r.u32()))
	n := int(r.u32())
	if r.err != nil {
		return nil, 0, r.err
	}
	for range n {
		x := r.subject()
		if r.err != nil {
			return nil, 0, r.err
		}
		d.adopt(x)
	}
	if len(r.b) != 0 {
		return nil, 0, errDamaged
	}
	var saved []savedIncident
	if err := json.Unmarshal(incidents, &saved); err != nil {
		return nil, 0, fmt.Errorf("open incidents: %w", err)
	}
	for i := range saved {
		d.reopen(&saved[i])
	}
	return d, seq, nil
}

// adopt takes in a subject that was read.
func (d *Detector) adopt(x *subject) {
	if d.lookup(x.kind, x.route, x.name) != nil {
		return
	}
	switch x.kind {
	case Principal, Key:
		d.drop(d.callers[x.kind].add(callerKey(x), x, callerKey))
	case Tool:
		d.drop(d.tools.add(nameOf(x), x, nameOf))
	case Route:
		d.drop(d.routes.add(routeKey(x), x, routeKey))
	case Peers:
		d.drop(d.peers.add(nameOf(x), x, nameOf))
	case Address:
		a := addrOf(x)
		if !a.IsValid() {
			return
		}
		d.drop(d.addresses.add(a, x, addrOf))
	}
	d.befriend(x)
	if x.Now.Calls > 0 {
		x.active = true
		d.active = append(d.active, x)
	}
}

// lookup returns a subject that is known.
func (d *Detector) lookup(k Kind, route, text string) *subject {
	switch k {
	case Principal, Key:
		return d.callers[k].byKey[name{"", text}]
	case Tool:
		return d.tools.byKey[name{route, text}]
	case Route:
		return d.routes.byKey[name{route, ""}]
	case Peers:
		return d.peers.byKey[name{route, text}]
	case Address:
		return d.addresses.byKey[addrOf(&subject{name: text})]
	}
	return nil
}

func (d *Detector) reopen(s *savedIncident) {
	in := &incident{latest: s.Latest, metrics: s.Metrics, last: s.Last, told: s.Told, pending: s.Pending}
	for _, m := range s.Members[:min(len(s.Members), maxMembers)] {
		if x := d.lookup(m.Kind, m.Route, m.Name); x != nil {
			in.members = append(in.members, x)
			if d.book.of[x] == nil {
				d.book.of[x] = in
			}
		}
	}
	d.book.list = append(d.book.list, in)
}

// encoder appends values to b.
type encoder struct{ b []byte }

func (e *encoder) u16(v uint16)  { e.b = binary.LittleEndian.AppendUint16(e.b, v) }
func (e *encoder) u32(v uint32)  { e.b = binary.LittleEndian.AppendUint32(e.b, v) }
func (e *encoder) u64(v uint64)  { e.b = binary.LittleEndian.AppendUint64(e.b, v) }
func (e *encoder) i64(v int64)   { e.u64(uint64(v)) }
func (e *encoder) f64(v float64) { e.u64(math.Float64bits(v)) }
func (e *encoder) f32(v float32) { e.u32(math.Float32bits(v)) }

func (e *encoder) text(s string) {
	s = s[:min(len(s), maxName)]
	e.u16(uint16(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) counts(c *counts) {
	e.u32(c.Calls)
	e.u32(c.Errors)
	e.u32(c.Denials)
	e.u32(c.Served)
	e.f32(c.Root)
	e.f32(c.Novelty)
	e.u64(c.Bytes)
}

func (e *encoder) subject(s *subject) {
	flags := byte(0)
	if s.season != nil {
		flags = hasSeason
	}
	e.b = append(e.b, byte(s.kind), flags)
	e.text(s.route)
	e.text(s.name)
	for _, v := range [...]int64{s.First, s.Hour, s.Day, s.Seen} {
		e.i64(v)
	}
	e.counts(&s.Now)
	e.counts(&s.Today)
	for i := range s.Base {
		e.b = s.Base[i].Append(e.b)
	}
	e.b = s.Level.Append(e.b)
	for _, v := range s.Shares {
		e.f32(v.K)
		e.f32(v.N)
	}
	for _, v := range s.Tools {
		e.u64(v)
	}
	for _, v := range s.Country {
		e.u16(v)
	}
	e.u32(s.told)
	e.u32(s.next)
	e.u64(s.nextBig)
	e.f32(s.Trials)
	e.f32(s.News)
	if s.season != nil {
		e.b = s.season.Append(e.b)
	}
}

// decoder reads values from b until something is wrong.
type decoder struct {
	b   []byte
	err error
}

func (r *decoder) take(n int) []byte {
	if r.err != nil || n < 0 || n > len(r.b) {
		r.err = errDamaged
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *decoder) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

func (r *decoder) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

func (r *decoder) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *decoder) i64() int64 { return int64(r.u64()) }

// f64 reads a number that can have been counted.
func (r *decoder) f64() float64 {
	v := math.Float64frombits(r.u64())
	if !(v >= 0 && v <= 1e18) {
		r.err = errDamaged
		return 0
	}
	return v
}

func (r *decoder) f32() float32 {
	v := math.Float32frombits(r.u32())
	if !(v >= 0 && v <= 1e18) {
		r.err = errDamaged
		return 0
	}
	return v
}

func (r *decoder) text() string {
	n := int(r.u16())
	if n > maxName {
		r.err = errDamaged
		return ""
	}
	return string(r.take(n))
}

func (r *decoder) counts(c *counts) {
	*c = counts{Calls: r.u32(), Errors: r.u32(), Denials: r.u32(), Served: r.u32(), Root: r.f32(), Novelty: r.f32(), Bytes: r.u64()}
}

func (r *decoder) fail(err error) {
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%w: %w", errDamaged, err)
	}
}

func (r *decoder) subject() *subject {
	head := r.take(2)
	if head == nil || Kind(head[0]) >= kinds || head[1]&^hasSeason != 0 {
		r.err = errDamaged
		return nil
	}
	x := &subject{kind: Kind(head[0])}
	x.route, x.name = r.text(), r.text()
	x.First, x.Hour, x.Day, x.Seen = r.i64(), r.i64(), r.i64(), r.i64()
	r.counts(&x.Now)
	r.counts(&x.Today)
	for i := range x.Base {
		if b := r.take(baseline.BaselineSize); b != nil {
			r.fail(x.Base[i].Decode(b))
		}
	}
	if b := r.take(baseline.MomentsSize); b != nil {
		r.fail(x.Level.Decode(b))
	}
	for i := range x.Shares {
		x.Shares[i] = share{r.f32(), r.f32()}
	}
	for i := range x.Tools {
		x.Tools[i] = r.u64()
	}
	for i := range x.Country {
		x.Country[i] = r.u16()
	}
	x.told, x.next, x.nextBig = r.u32(), r.u32(), r.u64()
	x.Trials, x.News = r.f32(), r.f32()
	if head[1]&hasSeason != 0 {
		x.season = new(baseline.Season)
		if b := r.take(baseline.SeasonSize); b != nil {
			r.fail(x.season.Decode(b))
		}
	}
	if year := int64(10_000 * 366 * 24); r.err == nil && (x.Hour > year || x.Hour < -year || x.First > x.Hour && x.kind != Peers) {
		r.err = errDamaged
	}
	return x
}

// age is since when a subject is known.
func (s *subject) age(now int64) time.Duration {
	if s.First == math.MinInt64 {
		return 0
	}
	return time.Duration(max(now/hourMillis-s.First, 0)) * time.Hour
}
