package detect

import (
	"errors"
	"fmt"
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/pattern"
)

// Anomaly is [detect.anomaly].
type Anomaly struct {
	Enabled     bool          `toml:"enabled" doc:"Whether the audit journal is watched for what is unlike before."`
	WarmUp      time.Duration `toml:"warm_up" doc:"How long a caller, key, tool, route or address is known before it is compared with its own past. Until then it is compared with the others of its kind on the route."`
	MinSamples  int           `toml:"min_samples" doc:"How many hours with calls a baseline needs."`
	ZWarning    float64       `toml:"z_warning" doc:"From how many standard deviations above the mean on there is a warning. With many callers it takes more, see false_alarms_per_day."`
	ZCritical   float64       `toml:"z_critical" doc:"From how many on it is critical."`
	FalseAlarms float64       `toml:"false_alarms_per_day" doc:"How many alarms a day chance alone may make: the more there is to compare, the higher a score must be. 0 leaves it at z_warning."`
	Quiet       time.Duration `toml:"quiet" doc:"An incident has ended when nothing odd came for so long."`
	AdoptAfter  int           `toml:"adopt_after" doc:"So many odd hours in a row are no longer odd: they are how it is now."`
	MaxSubjects int           `toml:"max_subjects" doc:"How many callers, keys, tools, routes and addresses are remembered, of each. Each takes up to 2 KiB of memory; the least recently seen are forgotten first."`
	Exclude     []string      `toml:"exclude" list:"text" example:"[\"key:3f9a1c5e7b2d4806a1c3e5f7092b4d6e\"]" doc:"Callers that are not watched, such as load tests."`
	SigmaFloors SigmaFloors   `toml:"sigma_floors" doc:"The least standard deviation that is believed, so that what never changed may change a little."`
	Patterns    Patterns      `toml:"patterns" doc:"What is too much, whatever was usual."`
	OffHours    OffHours      `toml:"off_hours" doc:"When nobody works."`
}

// SigmaFloors is [detect.anomaly.sigma_floors].
type SigmaFloors struct {
	Rate    float64 `toml:"rate" doc:"Of numbers of calls, as a share of them."`
	Ratio   float64 `toml:"ratio" doc:"Of error and denial rates, on a scale on which 0.1 is from 0 to 0.25 %, or from 10 to 13 %."`
	Latency float64 `toml:"latency" doc:"Of times, as a share."`
	Bytes   float64 `toml:"bytes" doc:"Of bytes sent to callers, as a share."`
}

// Patterns is [detect.anomaly.patterns].
type Patterns struct {
	Rapid    Rapid    `toml:"rapid" doc:"RAPID_REQUESTS."`
	Scanning Scanning `toml:"scanning" doc:"SCANNING."`
}

// Rapid is [detect.anomaly.patterns.rapid].
type Rapid struct {
	Requests int           `toml:"requests" doc:"Calls of one caller, or refused calls from one address. 0 is off."`
	Window   time.Duration `toml:"window" doc:"Within this time."`
}

// Scanning is [detect.anomaly.patterns.scanning].
type Scanning struct {
	Tools    int           `toml:"tools" doc:"Different tools of one caller. 0 is off."`
	Refusals int           `toml:"refusals" doc:"Refused calls, and calls of what does not exist, of one caller or address. 0 is off."`
	Window   time.Duration `toml:"window" doc:"Within this time."`
}

// OffHours is [detect.anomaly.off_hours].
type OffHours struct {
	Timezone string `toml:"timezone" example:"\"Europe/Berlin\"" doc:"Where people work: a name of the time zone database."`
	Working  string `toml:"working_hours" doc:"When they do, from Monday to Friday, in full hours. All else is off hours."`
}

// DefaultAnomaly returns the defaults of [detect.anomaly].
func DefaultAnomaly() Anomaly {
	d := anomaly.Default()
	return Anomaly{
		Enabled: true, WarmUp: d.WarmUp, MinSamples: d.MinSamples, ZWarning: d.ZWarning, ZCritical: d.ZCritical, FalseAlarms: d.FalseAlarms,
		Quiet: d.Quiet, AdoptAfter: d.AdoptAfter, MaxSubjects: d.MaxSubjects,
		SigmaFloors: SigmaFloors(d.Floors),
		Patterns: Patterns{
			Rapid:    Rapid{d.Patterns.RapidCount, d.Patterns.RapidWindow},
			Scanning: Scanning{d.Patterns.ScanTools, d.Patterns.ScanMisses, d.Patterns.ScanWindow},
		},
		OffHours: OffHours{Timezone: "UTC", Working: fmt.Sprintf("%02d:00-%02d:00", d.Hours.From, d.Hours.To)},
	}
}

// Detector returns the settings as the detector takes them.
func (a Anomaly) Detector() (anomaly.Config, error) {
	c := anomaly.Config{
		WarmUp: a.WarmUp, MinSamples: a.MinSamples, ZWarning: a.ZWarning, ZCritical: a.ZCritical, FalseAlarms: a.FalseAlarms,
		Floors: anomaly.Floors(a.SigmaFloors), Quiet: a.Quiet, AdoptAfter: a.AdoptAfter, Exclude: a.Exclude, MaxSubjects: a.MaxSubjects,
		Patterns: pattern.Config{
			RapidCount: a.Patterns.Rapid.Requests, RapidWindow: a.Patterns.Rapid.Window,
			ScanTools: a.Patterns.Scanning.Tools, ScanMisses: a.Patterns.Scanning.Refusals, ScanWindow: a.Patterns.Scanning.Window,
		},
	}
	zone, zoneErr := time.LoadLocation(a.OffHours.Timezone)
	if zoneErr != nil {
		zoneErr = fmt.Errorf("off_hours.timezone: %q: want a name such as \"Europe/Berlin\"", a.OffHours.Timezone)
		zone = time.UTC
	}
	hours, hoursErr := workingHours(a.OffHours.Working)
	if hoursErr != nil {
		hours = anomaly.Default().Hours
	}
	hours.Zone = zone
	c.Hours = hours
	return c, errors.Join(zoneErr, hoursErr, c.Validate())
}

func workingHours(text string) (h anomaly.Hours, err error) {
	var rest string
	n, err := fmt.Sscanf(text+" .", "%02d:00-%02d:00 %s", &h.From, &h.To, &rest)
	if err != nil || n != 3 || rest != "." || h.From < 0 || h.To > 24 || h.From >= h.To {
		return h, fmt.Errorf("off_hours.working_hours: %q: want full hours such as \"07:00-19:00\"", text)
	}
	return h, nil
}

// Validate checks [detect.anomaly].
func (a Anomaly) Validate() error {
	_, err := a.Detector()
	return err
}
