// Package detection is the part of the administration API that shows what
// detection knows: who is watched, what is usual for them, and what was odd.
package detection

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/detect/anomaly"
)

// Source is what the API needs.
type Source interface {
	Status() Status
	Anomalies(most int) []Anomaly
	Baselines(subject string) []anomaly.View
}

// Status is the state of detection.
type Status struct {
	Enabled   bool             `json:"enabled"`
	Now       *time.Time       `json:"now,omitempty" doc:"Time of the latest event that was judged"`
	Judged    uint64           `json:"judged" doc:"Events since the start"`
	Late      uint64           `json:"late" doc:"Events that came too late to count"`
	Evicted   uint64           `json:"evicted" doc:"Subjects forgotten for want of room"`
	Incidents int              `json:"incidents" doc:"Open ones"`
	Subjects  []anomaly.Warmth `json:"subjects"`
}

// Anomaly is an incident, as it was told last.
type Anomaly struct {
	ID       string    `json:"id"`
	State    string    `json:"state" enum:"opened,updated,closed"`
	Severity string    `json:"severity"`
	Kind     string    `json:"kind" doc:"Of the subject"`
	Subject  string    `json:"subject"`
	Route    string    `json:"route,omitempty"`
	Metric   string    `json:"metric"`
	Pattern  string    `json:"pattern,omitempty"`
	Since    time.Time `json:"since"`
	At       time.Time `json:"at"`
	Value    float64   `json:"value"`
	Mean     float64   `json:"mean"`
	SD       float64   `json:"sd"`
	Z        float64   `json:"z"`
	Least    float64   `json:"threshold" doc:"The score, or of a pattern the number, that it takes"`
	Window   string    `json:"window"`
	Baseline string    `json:"baseline"`
	Samples  int       `json:"samples"`
	Also     []string  `json:"also,omitempty" doc:"Other subjects that are part of it"`
}

// Of is an anomaly as the API shows it.
func Of(a *anomaly.Anomaly) Anomaly {
	return Anomaly{
		ID: a.ID, State: string(a.State), Severity: string(a.Severity), Kind: a.Kind, Subject: a.Subject, Route: a.Route, Metric: a.Metric, Pattern: a.Pattern,
		Since: a.Since, At: a.At, Value: a.Value, Mean: a.Mean, SD: a.SD, Z: a.Z, Least: a.Least, Window: a.Window.String(), Baseline: a.Baseline, Samples: a.Samples, Also: a.Also,
	}
}

const path = "/api/v1/detect"

// Group adds the operations to the API.
func Group(src Source) admin.Group {
	return func(api huma.API, _ *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "detect-status", Method: http.MethodGet, Path: path + "/status", Summary: "Show how many subjects are watched, and how many are known well"},
			func(context.Context, *struct{}) (*admin.Body[Status], error) {
				return &admin.Body[Status]{Body: src.Status()}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "detect-anomalies", Method: http.MethodGet, Path: path + "/anomalies", Summary: "List the incidents since the start, and those still open, latest first"},
			func(_ context.Context, in *struct {
				Limit int `query:"limit" default:"50" minimum:"1" maximum:"200"`
			}) (*admin.Body[[]Anomaly], error) {
				return &admin.Body[[]Anomaly]{Body: src.Anomalies(in.Limit)}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "detect-baselines", Method: http.MethodGet, Path: path + "/baselines", Summary: "Show what is usual for a caller, key, tool, route or address"},
			func(_ context.Context, in *struct {
				Subject string `query:"subject" required:"true" minLength:"1" maxLength:"512"`
			}) (*admin.Body[[]anomaly.View], error) {
				return &admin.Body[[]anomaly.View]{Body: src.Baselines(in.Subject)}, nil
			})
	}
}

// StatusOf asks for the state of detection.
func StatusOf(ctx context.Context, c *admin.Client) (Status, error) {
	return admin.Ask[Status](ctx, c, http.MethodGet, path+"/status", nil)
}

// Anomalies asks for the latest incidents.
func Anomalies(ctx context.Context, c *admin.Client, most int) ([]Anomaly, error) {
	return admin.Ask[[]Anomaly](ctx, c, http.MethodGet, fmt.Sprintf("%s/anomalies?limit=%d", path, most), nil)
}

// Baselines asks what is usual for a subject.
func Baselines(ctx context.Context, c *admin.Client, subject string) ([]anomaly.View, error) {
	return admin.Ask[[]anomaly.View](ctx, c, http.MethodGet, path+"/baselines?subject="+url.QueryEscape(subject), nil)
}
