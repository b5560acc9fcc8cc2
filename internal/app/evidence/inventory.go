package evidence

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"github.com/portcullis-dev/portcullis/auditlog/bundle"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
)

// maxIncidents is how many incidents and containments are preserved, the newest.
const maxIncidents = 10_000

// inventory writes what the gateway is and holds: its configuration, keys,
// sessions, tools, incidents, metrics, and what it is built of. No secret is
// among it.
func (p *Part) inventory(ctx context.Context, out *bundle.Writer, open bool) error {
	who := p.sealed
	if open || p.env.Subject == nil {
		who = func(id string) string { return id }
	}
	for _, f := range []struct {
		name string
		make func(context.Context, func(string) string) (any, error)
	}{
		{"config.json", func(context.Context, func(string) string) (any, error) { return p.env.Process.Config() }},
		{"pipeline.json", func(context.Context, func(string) string) (any, error) { return p.env.Process.Pipeline(), nil }},
		{"status.json", func(ctx context.Context, _ func(string) string) (any, error) { return p.env.Process.Status(ctx), nil }},
		{"keys.json", p.keys}, {"sessions.json", p.sessions},
		{"tools.json", func(context.Context, func(string) string) (any, error) { return p.env.Pins.List(toolpin.Filter{}), nil }},
		{"incidents.json", p.incidents}, {"containments.json", p.containments}, {"timeline.json", p.timeline},
		{"versions.json", func(context.Context, func(string) string) (any, error) { return versions(p.env.Version), nil }},
		{"sbom.cdx.json", func(context.Context, func(string) string) (any, error) { return sbom(p.env.Version), nil }},
	} {
		v, err := f.make(ctx, who)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		data, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err := out.AddBytes(f.name, append(data, '\n')); err != nil {
			return err
		}
	}
	return out.AddBytes("metrics.txt", p.metrics(ctx))
}

// sealed names a principal as sealed events do.
func (p *Part) sealed(id string) string {
	if id == "" {
		return ""
	}
	return "subject:" + p.env.Subject(id)
}

func (p *Part) keys(ctx context.Context, who func(string) string) (any, error) {
	list, err := p.env.Services.Keys.List(ctx, apikey.Page{})
	for i := range list {
		list[i].Owner = who(list[i].Owner)
	}
	return list, err
}

func (p *Part) sessions(ctx context.Context, who func(string) string) (any, error) {
	list, err := p.env.Services.Tokens.List(ctx, "")
	for i := range list {
		s := &list[i]
		sealed := who(s.Subject)
		if sealed != s.Subject {
			s.Name, s.IP = "", ""
		}
		s.Subject = sealed
	}
	return list, err
}

func (p *Part) incidents(ctx context.Context, who func(string) string) (any, error) {
	list, err := p.env.DB.Incidents().Incidents(ctx, maxIncidents)
	out := make([]noticed, len(list))
	for i := range list {
		c := &list[i]
		out[i] = noticed{c.ID, who(c.Subject), c.Rule, c.Summary, c.Score, c.Count, c.OpenedAt, c.SeenAt, c.ClosedAt, who(c.ClosedBy), c.Note}
	}
	return out, err
}

// noticed is an incident in the archive.
type noticed struct {
	ID       string    `json:"id"`
	Subject  string    `json:"subject,omitempty"`
	Rule     string    `json:"rule"`
	Summary  string    `json:"summary"`
	Score    int       `json:"score"`
	Count    int       `json:"count"`
	Opened   time.Time `json:"opened_at"`
	Seen     time.Time `json:"seen_at"`
	Closed   time.Time `json:"closed_at,omitzero"`
	ClosedBy string    `json:"closed_by,omitempty"`
	Note     string    `json:"note,omitempty"`
}

// maxTimelines is of how many incidents the timeline is preserved, the newest.
const maxTimelines = 200

// happened is an entry of a timeline in the archive.
type happened struct {
	Incident string    `json:"incident"`
	At       time.Time `json:"at"`
	Actor    string    `json:"actor,omitempty"`
	Kind     string    `json:"kind"`
	Text     string    `json:"text"`
	Events   []string  `json:"events,omitempty"`
}

func (p *Part) timeline(ctx context.Context, who func(string) string) (any, error) {
	list, err := p.env.DB.Incidents().Incidents(ctx, maxTimelines)
	out := []happened{}
	for i := range list {
		_, entries, err := p.env.Response.Cases.Find(ctx, list[i].ID)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			out = append(out, happened{e.Incident, e.At, who(e.Actor), string(e.Kind), e.Text, e.Events})
		}
	}
	return out, err
}

func (p *Part) containments(ctx context.Context, who func(string) string) (any, error) {
	list, err := p.env.DB.Containments().Containments(ctx, maxIncidents)
	out := make([]held, len(list))
	for i := range list {
		c := &list[i]
		out[i] = held{c.ID, who(c.Subject.String()), string(c.Measure), c.Reason, who(c.By), c.Incident, c.Auto, c.At, c.Until, c.EndedAt, who(c.EndedBy), c.EndedFor}
	}
	return out, err
}

// held is a containment in the archive.
type held struct {
	ID       string    `json:"id"`
	Subject  string    `json:"subject"`
	Measure  string    `json:"measure"`
	Reason   string    `json:"reason"`
	By       string    `json:"by"`
	Incident string    `json:"incident,omitempty"`
	Auto     bool      `json:"automatic"`
	At       time.Time `json:"at"`
	Until    time.Time `json:"until"`
	Ended    time.Time `json:"ended_at,omitzero"`
	EndedBy  string    `json:"ended_by,omitempty"`
	EndedFor string    `json:"ended_for,omitempty"`
}

// page takes an answer of a handler.
type page struct {
	header http.Header
	bytes.Buffer
}

func (p *page) Header() http.Header { return p.header }
func (*page) WriteHeader(int)       {}

// metrics is the page that Prometheus reads.
func (p *Part) metrics(ctx context.Context) []byte {
	out := &page{header: http.Header{}}
	r := (&http.Request{Method: http.MethodGet, Header: http.Header{}}).WithContext(ctx)
	p.env.Metrics.Handler().ServeHTTP(out, r)
	return out.Bytes()
}

// build says what runs.
type build struct {
	Portcullis string            `json:"portcullis"`
	Go         string            `json:"go"`
	Platform   string            `json:"platform"`
	Settings   map[string]string `json:"settings,omitempty"` // vcs.revision and others
	At         time.Time         `json:"at"`
}

func versions(version string) build {
	b := build{Portcullis: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Settings: map[string]string{}, At: time.Now().UTC()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			b.Settings[s.Key] = s.Value
		}
	}
	return b
}

// sbom lists the modules that the binary is built of, as CycloneDX.
func sbom(version string) *cdx.BOM {
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{BOMRef: "portcullis", Type: cdx.ComponentTypeApplication, Name: "portcullis", Version: version}}
	components := []cdx.Component{{BOMRef: "std", Type: cdx.ComponentTypeLibrary, Name: "std", Version: strings.TrimPrefix(runtime.Version(), "go"), PackageURL: "pkg:golang/std@" + strings.TrimPrefix(runtime.Version(), "go")}}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Replace != nil {
				m = m.Replace
			}
			purl := "pkg:golang/" + m.Path + "@" + m.Version
			components = append(components, cdx.Component{BOMRef: purl, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: purl})
		}
	}
	bom.Components = &components
	return bom
}
