package risk

import (
	"math"
	"testing"
)

// TestTheGuidesNumbers: the weights and examples of requirement S4-25.
func TestTheGuidesNumbers(t *testing.T) {
	for _, c := range []struct {
		name  string
		facts Facts
		want  int
		fires bool
	}{
		{"nothing", Facts{}, 0, false},
		{"a failed login", Facts{AuthFailure: true, FailedAttempts: 1}, 20, false},
		{"five attempts", Facts{AuthFailure: true, FailedAttempts: 5}, 20, false},
		{"six attempts", Facts{AuthFailure: true, FailedAttempts: 6}, 60, false},
		{"six attempts and rapid requests", Facts{AuthFailure: true, FailedAttempts: 6, Rapid: true}, 85, true},
		{"Tor", Facts{Tor: true}, 30, false},
		{"scanning", Facts{Scanning: true}, 35, false},
		{"a high anomaly", Facts{Anomaly: 0.81}, 50, false},
		{"an anomaly that is not high", Facts{Anomaly: 0.8}, 0, false},
		{"anomaly and Tor", Facts{Anomaly: 1, Tor: true}, 80, false},
		{"anomaly and scanning", Facts{Anomaly: 1, Scanning: true}, 85, true},
		{"Tor, rapid and scanning", Facts{Tor: true, Rapid: true, Scanning: true}, 90, true},
		{"everything", Facts{AuthFailure: true, FailedAttempts: 9, Tor: true, Rapid: true, Scanning: true, Anomaly: 1}, 100, true},
	} {
		if got := Score(c.facts); got != c.want || got > DefaultThreshold != c.fires {
			t.Errorf("%s: %d, fires %t; want %d, %t", c.name, got, got > DefaultThreshold, c.want, c.fires)
		}
	}
}

func TestAnomalyIsHighAboveFive(t *testing.T) {
	for z, high := range map[float64]bool{
		0: false, 3: false, 5: false, math.Nextafter(5, 0): false, 5.000001: true, -6: true, 1e300: true,
		math.Inf(1): true, math.Inf(-1): true, math.NaN(): false,
	} {
		got := Anomaly(z)
		if got < 0 || got > 1 || math.IsNaN(got) || got > HighAnomaly != high {
			t.Errorf("Anomaly(%v) = %v, high is %t, want %t", z, got, got > HighAnomaly, high)
		}
	}
}
