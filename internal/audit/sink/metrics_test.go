package sink_test

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/portcullis-dev/portcullis/internal/audit/sink"
)

// TestMetrics: every metric is there for every sink, and on the page.
func TestMetrics(t *testing.T) {
	page, err := os.ReadFile("../../../docs/siem.md")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.addNumbered(0, 7)
		set, _ := run(t, m, sink.Spec{Name: "a", Kind: "test", Sender: &server{}}, sink.Spec{Name: "b", Kind: "test", Sender: &server{}})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		r := prometheus.NewPedanticRegistry()
		if err := r.Register(set.Collector()); err != nil {
			t.Fatal(err)
		}
		families, err := r.Gather()
		if err != nil || len(families) != 8 {
			t.Fatalf("%d metrics, %v", len(families), err)
		}
		for _, f := range families {
			if !strings.Contains(string(page), "`"+f.GetName()+"`") || len(f.Metric) != 2 {
				t.Errorf("%s: %d series, or not on the page", f.GetName(), len(f.Metric))
			}
			if f.GetName() == "portcullis_sink_sent_total" && f.Metric[0].Counter.GetValue() != 7 {
				t.Errorf("%v", f)
			}
		}
	})
}
