package anomaly

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/codec"
)

func saved(t testing.TB, d *Detector) []byte {
	t.Helper()
	b, err := d.Snapshot(42)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRestoredDetectorJudgesTheSame(t *testing.T) {
	w := newWorld(t, Default())
	w.habit(14, "ann", "bob")
	for i := range 90 {
		w.play(call("ann", at(14, 10).Add(time.Duration(i)*10*time.Second)))
	}
	raw := saved(t, w.d)
	back, seq, err := Restore(Default(), raw)
	if err != nil || seq != 42 {
		t.Fatalf("%d, %v", seq, err)
	}
	if again := saved(t, back); !bytes.Equal(raw, again) {
		t.Errorf("saved again it is %d bytes that differ from %d", len(again), len(raw))
	}
	tail := func(d *Detector) (out []Anomaly) {
		for i := range 200 {
			s := call("ann", at(14, 10).Add(time.Duration(900+i*10)*time.Second))
			out = append(out, d.Observe(&s)...)
		}
		s := call("bob", at(14, 16))
		return append(out, d.Observe(&s)...)
	}
	if a, b := tail(w.d), tail(back); !reflect.DeepEqual(a, b) || len(a) == 0 {
		t.Errorf("after a restart:\n%+v\nwithout:\n%+v", b, a)
	}
}

func TestDamageIsFound(t *testing.T) {
	w := newWorld(t, Default())
	w.habit(3, "ann")
	raw := saved(t, w.d)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		bad := bytes.Clone(raw)
		switch rng.IntN(3) {
		case 0:
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
		case 1:
			bad = bad[:rng.IntN(len(bad))]
		default:
			bad = append(bad, byte(rng.Uint32()))
		}
		if _, _, err := Restore(Default(), bad); !errors.Is(err, codec.ErrDamaged) {
			t.Fatalf("damage was taken: %v", err)
		}
	}
}

// FuzzRestore leaves the checksum out: whatever gets past it must not panic,
// and nothing that was read may make a score that is not a number.
func FuzzRestore(f *testing.F) {
	w := newWorld(f, Default())
	w.habit(2, "ann")
	raw := saved(f, w.d)
	f.Add(raw[len(magic) : len(raw)-32])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, _, err := Restore(Default(), body); err == nil {
			t.Fatal("taken without a checksum")
		}
		d, _, err := restore(Default(), body)
		if err != nil {
			return
		}
		for i := range 30 {
			s := call("ann", at(5, 9).Add(time.Duration(i)*time.Minute))
			for _, a := range d.Observe(&s) {
				for _, v := range []float64{a.Value, a.Mean, a.SD, a.Z} {
					if v != v {
						t.Fatalf("%+v", a)
					}
				}
			}
		}
		if _, err := d.Snapshot(0); err != nil {
			t.Fatal(err)
		}
	})
}

// million makes a detector with n principals, each with an hour behind it.
func million(n int) *Detector {
	cfg := Default()
	cfg.MaxSubjects = n
	d := New(cfg)
	for i := range n {
		s := crowdCall(i, at(0, 9))
		d.Observe(&s)
	}
	return d
}

func crowdCall(i int, when time.Time) Sample {
	return Sample{
		At: when.UnixMilli(), Principal: fmt.Sprintf("user:%08d", i), Route: "r", Tool: "echo", Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}),
		Proven: true, Served: true, Micros: 50_000, Bytes: 2_000,
	}
}

func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("fills memory")
	}
	const n = 50_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	d := million(n)
	for i := range n { // the second day makes seasons
		s := crowdCall(i, at(1, 10))
		d.Observe(&s)
	}
	s := crowdCall(0, at(1, 12))
	d.Observe(&s)
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.0f bytes for each of %d principals", each, n)
	if each > 1800 {
		t.Errorf("%.0f bytes for each principal", each)
	}
	for i := range n { // others come: the first ones go
		s := crowdCall(n+i, at(1, 13))
		d.Observe(&s)
	}
	if got := d.Stats().Subjects[Principal]; got != n {
		t.Errorf("%d principals are remembered, at most %d", got, n)
	}
	runtime.KeepAlive(d)
}

// BenchmarkObserve is the cost of a call, with all that hours and days bring
// now and then: each principal calls about twelve times an hour.
func BenchmarkObserve(b *testing.B) {
	for _, n := range []int{200, 20_000, 200_000} {
		b.Run(fmt.Sprintf("principals=%d", n), func(b *testing.B) {
			d := million(n)
			samples := make([]Sample, 1<<18)
			rng := rand.New(rand.NewPCG(1, 1))
			for i := range samples {
				samples[i] = crowdCall(rng.IntN(n), at(0, 10))
				samples[i].Key = samples[i].Principal
			}
			step := time.Hour.Seconds() * 1000 / float64(12*n)
			clock := at(0, 10)
			play := func(i int) {
				s := &samples[i%len(samples)]
				s.At = clock.UnixMilli() + int64(float64(i)*step)
				d.Observe(s)
			}
			for i := range len(samples) {
				play(i)
			}
			b.ReportAllocs()
			i := len(samples)
			for b.Loop() {
				play(i)
				i++
			}
		})
	}
}

// TestForgottenIsNowhere: behind Forget no name of the caller is in what is
// saved, an open incident included, and the detector goes on.
func TestForgottenIsNowhere(t *testing.T) {
	w := newWorld(t, Default())
	w.habit(14, "ann-of-the-office", "bob")
	for i := range 200 {
		w.play(call("ann-of-the-office", at(14, 10).Add(time.Duration(i)*15*time.Second)))
	}
	if len(w.d.Open()) == 0 || !bytes.Contains(saved(t, w.d), []byte("ann-of-the-office")) {
		t.Fatal("there is nothing to forget")
	}
	for _, who := range []string{"ann-of-the-office", "k-ann-of-the-office", "192.0.2.7"} {
		if !w.d.Forget(who) || w.d.Forget(who) {
			t.Errorf("forgetting %s", who)
		}
	}
	if raw := saved(t, w.d); bytes.Contains(raw, []byte("ann-of")) || bytes.Contains(raw, []byte("192.0.2.7")) || !bytes.Contains(raw, []byte("bob")) {
		t.Errorf("the file holds a name that was forgotten, or not the others: %d bytes", len(raw))
	}
	if w.d.Forget("") || w.d.Forget("nobody") {
		t.Error("nobody was there")
	}
	w.habit(18, "ann-of-the-office", "bob")
	w.play(call("bob", at(20, 10)))
	if len(w.d.Open()) != 0 {
		t.Errorf("an incident of who was forgotten does not end: %+v", w.d.Open())
	}
}
