package detect

import (
	"reflect"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
)

func TestDefaultIsThatOfTheDetector(t *testing.T) {
	got, err := DefaultAnomaly().Detector()
	if err != nil || !reflect.DeepEqual(got, anomaly.Default()) {
		t.Errorf("%+v, %v\nwant %+v", got, err, anomaly.Default())
	}
}

func TestValidateSaysWhatToMend(t *testing.T) {
	for want, change := range map[string]func(*Anomaly){
		"off_hours.timezone":       func(a *Anomaly) { a.OffHours.Timezone = "Mars/Olympus" },
		"off_hours.working_hours":  func(a *Anomaly) { a.OffHours.Working = "9 to 5" },
		"want full hours":          func(a *Anomaly) { a.OffHours.Working = "19:00-07:00" },
		"z_critical":               func(a *Anomaly) { a.ZCritical = 1 },
		"patterns.rapid.window":    func(a *Anomaly) { a.Patterns.Rapid.Window = 0 },
		"patterns.scanning.tools":  func(a *Anomaly) { a.Patterns.Scanning.Tools = 1000 },
		"sigma_floors.latency":     func(a *Anomaly) { a.SigmaFloors.Latency = 0 },
		"patterns.scanning.window": func(a *Anomaly) { a.Patterns.Scanning.Window = -1 },
	} {
		a := DefaultAnomaly()
		change(&a)
		if err := a.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
