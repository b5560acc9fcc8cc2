package synthetic_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/sample"
	"github.com/portcullis-dev/portcullis/internal/detect/synthetic"
)

var update = flag.Bool("update", false, "measure all months and write the tables of docs/detection.md")

const (
	page       = "../../../docs/detection.md"
	leastFound = 0.9
	mostFalse  = 2.0
)

// month is one that detection is measured on.
type month struct {
	seed       uint64
	principals int
	held       bool // made after all settings were fixed, and looked at only as a result
}

func months() []month {
	var out []month
	for s := range uint64(5) {
		out = append(out, month{s + 1, 200, false})
	}
	for s := range uint64(10) {
		out = append(out, month{s + 101, 200, true})
	}
	for s := range uint64(3) {
		out = append(out, month{s + 201, 60, true})
	}
	return out
}

func (m month) measure() synthetic.Result {
	cfg := synthetic.Default(m.seed)
	cfg.Principals = m.principals
	return synthetic.Measure(synthetic.New(cfg), anomaly.New(anomaly.Default()))
}

func (m month) row(r synthetic.Result) string {
	held := "tuning"
	if m.held {
		held = "held out"
	}
	median := time.Duration(0)
	if n := len(r.Delay); n > 0 {
		median = r.Delay[n/2].Round(time.Minute)
	}
	return fmt.Sprintf("| %d | %s | %d | %d | %.2f | %.2f | %d | %s |", m.seed, held, m.principals, r.Samples, r.Recall(), r.FalsePerDay(), r.Alarms, strings.TrimSuffix(median.String(), "0s"))
}

// TestDetectionQuality measures recall and false alarms on months of the
// generator, some of which had no part in choosing any setting.
func TestDetectionQuality(t *testing.T) {
	list := months()
	switch {
	case *update:
	case testing.Short():
		list = list[5:6]
	default:
		list = []month{list[0], list[5], list[6], list[15]}
	}
	results := make([]synthetic.Result, len(list))
	var work sync.WaitGroup
	turn := make(chan struct{}, 2)
	for i, m := range list {
		work.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			results[i] = m.measure()
		})
	}
	work.Wait()
	doc, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	planted, found := 0, 0
	for i, r := range results {
		row := list[i].row(r)
		t.Log(row)
		for k, n := range r.Planted {
			planted, found = planted+n, found+r.Found[k]
		}
		if r.FalsePerDay() > mostFalse {
			t.Errorf("seed %d: %.2f false alarms a day", list[i].seed, r.FalsePerDay())
		}
		if r.Recall() < 0.8 {
			t.Errorf("seed %d: %.2f of the attacks were found", list[i].seed, r.Recall())
		}
		// Arithmetic differs in the last bit between processors.
		if !*update && runtime.GOARCH == "amd64" && !strings.Contains(string(doc), row) {
			t.Errorf("docs/detection.md does not say\n%s\nrun this test with -update", row)
		}
	}
	if recall := float64(found) / float64(planted); recall < leastFound {
		t.Errorf("%.3f of the attacks were found", recall)
	}
	if *update {
		write(t, string(doc), list, results)
	}
}

func write(t *testing.T, doc string, list []month, results []synthetic.Result) {
	var b strings.Builder
	b.WriteString("| seed | used for | callers | calls | recall | false alarms a day | incidents | median delay |\n|---|---|---|---|---|---|---|---|\n")
	planted, found, wrong := map[string]int{}, map[string]int{}, map[string]int{}
	held := map[bool][4]float64{}
	for i, r := range results {
		b.WriteString(list[i].row(r) + "\n")
		sum := held[list[i].held]
		for k, n := range r.Planted {
			sum[0] += float64(n)
			sum[1] += float64(r.Found[k])
			if list[i].held {
				planted[k] += n
				found[k] += r.Found[k]
			}
		}
		sum[2] += float64(len(r.False))
		sum[3] += float64(r.Days)
		held[list[i].held] = sum
		if list[i].held {
			for _, f := range r.False {
				wrong[f.Kind+" "+f.Metric]++
			}
		}
	}
	tuned, unseen := held[false], held[true]
	fmt.Fprintf(&b, "\nTogether: %.3f of the attacks and %.2f false alarms a day on the months that settings were tuned on, %.3f and %.2f on those held out.\n",
		tuned[1]/tuned[0], tuned[2]/tuned[3], unseen[1]/unseen[0], unseen[2]/unseen[3])
	b.WriteString("\nBy kind of attack, on the months held out:\n\n| attack | planted | found |\n|---|---|---|\n")
	var kinds []string
	for k := range planted {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	for _, k := range kinds {
		fmt.Fprintf(&b, "| %s | %d | %d |\n", strings.ReplaceAll(k, "_", " "), planted[k], found[k])
	}
	b.WriteString("\nWhat the false alarms were about, on the same months:\n\n| subject and metric | false alarms |\n|---|---|\n")
	kinds = kinds[:0]
	for k := range wrong {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, func(a, b string) int { return wrong[b]*1000 - wrong[a]*1000 + strings.Compare(a, b) })
	for _, k := range kinds {
		fmt.Fprintf(&b, "| %s | %d |\n", strings.ReplaceAll(k, "_", " "), wrong[k])
	}
	const from, to = "<!-- measured: made by go test ./internal/detect/synthetic -run TestDetectionQuality -update -->\n\n", "\n<!-- end -->"
	start, end := strings.Index(doc, from), strings.Index(doc, to)
	if start < 0 || end < start {
		t.Fatal("docs/detection.md has no place for the tables")
	}
	doc = doc[:start+len(from)] + b.String() + doc[end:]
	if err := os.WriteFile(page, []byte(doc), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSameSeedSameMonth(t *testing.T) {
	cfg := synthetic.Default(9)
	cfg.Principals, cfg.Days = 20, 10
	play := func() (out []anomaly.Sample, attacks []synthetic.Attack) {
		m := synthetic.New(cfg)
		m.Run(func(s *anomaly.Sample) { out = append(out, *s) })
		return out, m.Attacks
	}
	a, aAttacks := play()
	b, bAttacks := play()
	if len(a) < 1000 || !reflect.DeepEqual(a, b) || !reflect.DeepEqual(aAttacks, bAttacks) || len(aAttacks) != cfg.Attacks {
		t.Errorf("%d and %d calls, %d attacks", len(a), len(b), len(aAttacks))
	}
	for i := 1; i < len(a); i++ {
		if a[i].At < a[i-1].At {
			t.Fatalf("call %d comes before the one before it", i)
		}
	}
}

// TestEventsSayTheSame pins that what the journal holds of a call is enough.
func TestEventsSayTheSame(t *testing.T) {
	cfg := synthetic.Default(3)
	cfg.Principals, cfg.Days = 20, 10
	n := 0
	synthetic.New(cfg).Run(func(s *anomaly.Sample) {
		e := synthetic.Event(s)
		got, ok := sample.FromEvent(e)
		got.Country = s.Country
		if !ok || !reflect.DeepEqual(got, *s) {
			t.Fatalf("call %+v\ncame back as %+v", *s, got)
		}
		n++
	})
	if n == 0 {
		t.Error("no calls")
	}
}
