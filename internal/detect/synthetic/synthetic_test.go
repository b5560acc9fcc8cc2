package synthetic_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
	"github.com/portcullis-dev/portcullis/internal/detect/synthetic"
)

func TestTune(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		began := time.Now()
		r := synthetic.Measure(synthetic.New(synthetic.Default(seed)), anomaly.New(anomaly.Default()))
		fmt.Printf("seed %d: samples %d recall %.2f false/day %.2f alarms %d (%v)\n", seed, r.Samples, r.Recall(), r.FalsePerDay(), r.Alarms, time.Since(began))
		for _, a := range r.Missed {
			fmt.Printf("   missed %s %s %v\n", a.Kind, a.From.Format("Mon 02 15h"), a.Principals[:min(len(a.Principals), 2)])
		}
		by := map[string]int{}
		for _, f := range r.False {
			by[f.Kind+" "+f.Metric+" "+f.Baseline]++
			if os.Getenv("V") != "" {
				fmt.Printf("   false %s %s %s %s v=%.2f mean=%.2f sd=%.2f z=%.2f least %.2f %s n=%d\n", f.At.Format("Mon 02 15:04"), f.Kind, f.Subject, f.Metric, f.Value, f.Mean, f.SD, f.Z, f.Least, f.Baseline, f.Samples)
			}
		}
		fmt.Println("   ", by)
	}
}
