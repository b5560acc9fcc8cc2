package anomaly

import (
	"time"

	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/baseline"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly/report"
)

// View is what is known of a subject.
type View struct {
	Kind    string       `json:"kind"`
	Subject string       `json:"subject"`
	Route   string       `json:"route,omitempty"`
	Since   time.Time    `json:"since" doc:"Hour of its first call"`
	Seen    time.Time    `json:"seen" doc:"Its last call"`
	Warm    bool         `json:"warm" doc:"Whether it is judged by its own past; else by its peers"`
	Hours   int          `json:"hours" doc:"Hours of the week that it is known in"`
	Tools   int          `json:"tools" doc:"About how many tools it used, or callers a tool had"`
	Metrics []MetricView `json:"metrics"`
}

// MetricView is what is usual for one number.
type MetricView struct {
	Metric   string  `json:"metric"`
	Window   string  `json:"window"`
	Unit     string  `json:"unit"`
	Mean     float64 `json:"mean" doc:"What is usual, for the call rate in this hour of the week"`
	SD       float64 `json:"sd" doc:"How far it usually is from that, upwards"`
	Now      float64 `json:"now" doc:"The open window"`
	Z        float64 `json:"z"`
	Baseline string  `json:"baseline" doc:"What the mean comes from; empty while too little is known"`
	Samples  int     `json:"samples"`
}

// Subjects describes the subjects of a name, of all kinds.
func (d *Detector) Subjects(text string) []View {
	out := []View{}
	d.all(func(x *subject) {
		if x.kind != Peers && x.label() == text {
			out = append(out, d.view(x))
		}
	})
	return out
}

func (d *Detector) view(x *subject) View {
	v := View{
		Kind: x.kind.String(), Subject: x.label(), Route: x.route, Since: time.Unix(x.First*3600, 0).UTC(), Seen: time.UnixMilli(x.Seen).UTC(),
		Warm: x.Base[CallRate].Warm(d.cfg.MinSamples) && x.Hour-x.First >= d.warmHours, Tools: x.Tools.Count(),
	}
	if x.season != nil {
		v.Hours = x.season.Known()
	}
	for _, m := range watched[x.kind] {
		v.Metrics = append(v.Metrics, d.metricView(x, m))
	}
	return v
}

func (d *Detector) metricView(x *subject, m Metric) MetricView {
	v := MetricView{Metric: m.String(), Window: "1h", Unit: unit(m), Samples: x.Base[m].Samples()}
	c := &x.Now
	if m.daily() {
		c, v.Window = &x.Today, "24h"
	}
	ref, kind := d.reference(x, m)
	if ref == nil {
		return v
	}
	f, noise, _ := d.measure(m, c)
	d.compare(x, ref, c, &f, noise)
	d.explain(&f, ref)
	if f.kind == "" || kind == baseline.Peers {
		f.kind = kind
	}
	v.Mean, v.SD, v.Now, v.Z = report.Round(f.mean), report.Round(f.sd), report.Round(f.value), report.Round(f.z)
	v.Baseline, v.Samples = string(f.kind), f.samples
	return v
}

func unit(m Metric) string {
	switch m {
	case ErrorRate, DenialRate:
		return "share"
	case Latency:
		return "ms"
	case BytesOut, DayBytes:
		return "bytes"
	case NewTool:
		return "points"
	}
	return "calls"
}

// Warmth counts subjects of a kind, and those that are judged by their own past.
type Warmth struct {
	Kind  string `json:"kind"`
	Known int    `json:"known"`
	Warm  int    `json:"warm"`
}

// Warmth counts the subjects of each kind.
func (d *Detector) Warmth() []Warmth {
	out := make([]Warmth, Peers)
	for k := range Peers {
		out[k].Kind = k.String()
	}
	d.all(func(x *subject) {
		if x.kind == Peers {
			return
		}
		out[x.kind].Known++
		if x.Base[CallRate].Warm(d.cfg.MinSamples) && x.Hour-x.First >= d.warmHours {
			out[x.kind].Warm++
		}
	})
	return out
}

// Open returns the incidents that are open, the latest last.
func (d *Detector) Open() []Anomaly {
	out := make([]Anomaly, len(d.book.list))
	for i, in := range d.book.list {
		out[i] = in.latest
	}
	return out
}
