package anomaly

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/baseline"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/codec"
)

// magic begins a state file. Its number changes with the layout: what an older
// version learned is then learned again.
const magic = "portcullis-baselines-1\n"

const (
	countsSize = 6*4 + 8
	recordSize = 4*8 + 2*countsSize + int(metrics)*baseline.BaselineSize + baseline.MomentsSize + 2*8 + 4*8 + 4*2 + 2*4 + 8 + 2*4
	hasSeason  = 1
)

// savedIncident is an open incident in a state file.
type savedIncident struct {
	Latest  Anomaly
	Metrics uint32
	Last    int64
	Told    int64
	Pending bool
	Signs   [signs]int64
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
	e := encoder{codec.Encoder{B: append(make([]byte, 0, 1<<16), magic...)}}
	e.U64(seq)
	e.I64(d.now)
	e.I64(d.swept)
	e.I64(d.family.hour)
	for m := range metrics {
		e.F64(d.family.today[m])
		e.F64(d.family.day[m])
		e.F64(d.family.bar[m])
	}
	incidents, err := json.Marshal(d.book.saved())
	if err != nil {
		return nil, fmt.Errorf("writing open incidents: %w", err)
	}
	e.U32(uint32(len(incidents)))
	e.B = append(e.B, incidents...)
	n := 0
	d.all(func(*subject) { n++ })
	e.U32(uint32(n))
	d.all(e.subject)
	sum := sha256.Sum256(e.B)
	return append(e.B, sum[:]...), nil
}

func (b *book) saved() []savedIncident {
	out := make([]savedIncident, 0, len(b.list))
	for _, in := range b.list {
		s := savedIncident{Latest: in.latest, Metrics: in.metrics, Last: in.last, Told: in.told, Pending: in.pending, Signs: in.signs}
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
		return nil, 0, codec.ErrDamaged
	}
	body := data[:len(data)-sha256.Size]
	if sum := sha256.Sum256(body); !bytes.Equal(sum[:], data[len(body):]) {
		return nil, 0, codec.ErrDamaged
	}
	return restore(cfg, body[len(magic):])
}

func restore(cfg Config, body []byte) (*Detector, uint64, error) {
	d := New(cfg)
	r := decoder{codec.Decoder{B: body}}
	seq := r.U64()
	d.now, d.swept = r.I64(), r.I64()
	d.family.hour = r.I64()
	for m := range metrics {
		d.family.today[m], d.family.day[m], d.family.bar[m] = r.F64(), r.F64(), r.F64()
	}
	incidents := r.Take(int(r.U32()))
	n := int(r.U32())
	if r.Err != nil {
		return nil, 0, r.Err
	}
	for range n {
		x := r.subject()
		if r.Err != nil {
			return nil, 0, r.Err
		}
		d.adopt(x)
	}
	if len(r.B) != 0 {
		return nil, 0, codec.ErrDamaged
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
		d.drop(d.callers[x.kind].Add(x.name, x))
	case Tool:
		d.drop(d.tools.Add(nameOf(x), x))
	case Route:
		d.drop(d.routes.Add(x.route, x))
	case Peers:
		d.drop(d.peers.Add(nameOf(x), x))
	case Address:
		a := addrOf(x)
		if !a.IsValid() {
			return
		}
		d.drop(d.addresses.Add(a, x))
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
		return d.callers[k].Peek(text)
	case Tool:
		return d.tools.Peek(name{route, text})
	case Route:
		return d.routes.Peek(route)
	case Peers:
		return d.peers.Peek(name{route, text})
	case Address:
		return d.addresses.Peek(addrOf(&subject{name: text}))
	}
	return nil
}

func (d *Detector) reopen(s *savedIncident) {
	in := &incident{latest: s.Latest, metrics: s.Metrics, last: s.Last, told: s.Told, pending: s.Pending, signs: s.Signs}
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

// encoder appends what is remembered.
type encoder struct{ codec.Encoder }

func (e *encoder) counts(c *counts) {
	e.U32(c.Calls)
	e.U32(c.Errors)
	e.U32(c.Denials)
	e.U32(c.Served)
	e.F32(c.Root)
	e.F32(c.Novelty)
	e.U64(c.Bytes)
}

func (e *encoder) subject(s *subject) {
	flags := byte(0)
	if s.season != nil {
		flags = hasSeason
	}
	e.B = append(e.B, byte(s.kind), flags)
	e.Text(s.route)
	e.Text(s.name)
	for _, v := range [...]int64{s.First, s.Hour, s.Day, s.Seen} {
		e.I64(v)
	}
	e.counts(&s.Now)
	e.counts(&s.Today)
	for i := range s.Base {
		e.B = s.Base[i].Append(e.B)
	}
	e.B = s.Level.Append(e.B)
	for _, v := range s.Shares {
		e.F32(v.K)
		e.F32(v.N)
	}
	for _, v := range s.Tools {
		e.U64(v)
	}
	for _, v := range s.Country {
		e.U16(v)
	}
	e.U32(s.told)
	e.U32(s.next)
	e.U64(s.nextBig)
	e.F32(s.Trials)
	e.F32(s.News)
	if s.season != nil {
		e.B = s.season.Append(e.B)
	}
}

// decoder reads what encoder wrote.
type decoder struct{ codec.Decoder }

func (r *decoder) counts(c *counts) {
	*c = counts{Calls: r.U32(), Errors: r.U32(), Denials: r.U32(), Served: r.U32(), Root: r.F32(), Novelty: r.F32(), Bytes: r.U64()}
}

func (r *decoder) subject() *subject {
	head := r.Take(2)
	if head == nil || Kind(head[0]) >= kinds || head[1]&^hasSeason != 0 {
		r.Err = codec.ErrDamaged
		return nil
	}
	route := r.Text()
	x := newSubject(Kind(head[0]), route, r.Text())
	x.First, x.Hour, x.Day, x.Seen = r.I64(), r.I64(), r.I64(), r.I64()
	r.counts(&x.Now)
	r.counts(&x.Today)
	for i := range x.Base {
		if b := r.Take(baseline.BaselineSize); b != nil {
			r.Fail(x.Base[i].Decode(b))
		}
	}
	if b := r.Take(baseline.MomentsSize); b != nil {
		r.Fail(x.Level.Decode(b))
	}
	for i := range x.Shares {
		x.Shares[i] = share{r.F32(), r.F32()}
	}
	for i := range x.Tools {
		x.Tools[i] = r.U64()
	}
	for i := range x.Country {
		x.Country[i] = r.U16()
	}
	x.told, x.next, x.nextBig = r.U32(), r.U32(), r.U64()
	x.Trials, x.News = r.F32(), r.F32()
	if head[1]&hasSeason != 0 {
		x.season = new(baseline.Season)
		if b := r.Take(baseline.SeasonSize); b != nil {
			r.Fail(x.season.Decode(b))
		}
	}
	if year := int64(10_000 * 366 * 24); r.Err == nil && (x.Hour > year || x.Hour < -year || x.First > x.Hour && x.kind != Peers) {
		r.Err = codec.ErrDamaged
	}
	return x
}
