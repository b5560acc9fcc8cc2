package monitoring

import (
	"encoding/json"
	"fmt"
)

// What follows is the part of Grafana's dashboard model that is used.
type (
	dashboard struct {
		Annotations   annotations `json:"annotations"`
		Description   string      `json:"description"`
		Editable      bool        `json:"editable"`
		GraphTooltip  int         `json:"graphTooltip"` // 1: one crosshair in all panels
		Links         []struct{}  `json:"links"`
		Panels        []picture   `json:"panels"`
		Refresh       string      `json:"refresh"`
		SchemaVersion int         `json:"schemaVersion"`
		Tags          []string    `json:"tags"`
		Templating    templating  `json:"templating"`
		Time          span        `json:"time"`
		Timezone      string      `json:"timezone"`
		Title         string      `json:"title"`
		UID           string      `json:"uid"`
		Version       int         `json:"version"`
	}
	annotations struct {
		List []struct{} `json:"list"`
	}
	templating struct {
		List []variable `json:"list"`
	}
	span struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	datasource struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
	}
	variable struct {
		Name       string      `json:"name"`
		Label      string      `json:"label"`
		Type       string      `json:"type"`
		Query      string      `json:"query"`
		Datasource *datasource `json:"datasource,omitempty"`
		IncludeAll bool        `json:"includeAll,omitempty"`
		Multi      bool        `json:"multi,omitempty"`
		AllValue   string      `json:"allValue,omitempty"`
		Refresh    int         `json:"refresh,omitempty"` // 2: when the time range changes
	}
	picture struct {
		ID          int          `json:"id"`
		Type        string       `json:"type"`
		Title       string       `json:"title"`
		Description string       `json:"description,omitempty"`
		GridPos     grid         `json:"gridPos"`
		Datasource  *datasource  `json:"datasource,omitempty"`
		FieldConfig *fieldConfig `json:"fieldConfig,omitempty"`
		Targets     []target     `json:"targets,omitempty"`
		Collapsed   *bool        `json:"collapsed,omitempty"` // rows only
		Panels      *[]struct{}  `json:"panels,omitempty"`    // rows only
	}
	grid struct {
		H int `json:"h"`
		W int `json:"w"`
		X int `json:"x"`
		Y int `json:"y"`
	}
	fieldConfig struct {
		Defaults  defaults   `json:"defaults"`
		Overrides []struct{} `json:"overrides"`
	}
	defaults struct {
		Unit string `json:"unit"`
		Min  int    `json:"min"`
	}
	target struct {
		RefID        string     `json:"refId"`
		Expr         string     `json:"expr"`
		LegendFormat string     `json:"legendFormat"`
		Exemplar     bool       `json:"exemplar"`
		Datasource   datasource `json:"datasource"`
	}
)

// Heights in units of Grafana's grid, which is 24 wide.
const (
	gridWidth  = 24
	rowHeight  = 1
	boxHeight  = 8
	schemaV    = 39 // of Grafana 11; later ones migrate by themselves
	sourceType = "prometheus"
)

// Dashboard returns the dashboard as JSON that Grafana imports.
func Dashboard() ([]byte, error) {
	source := datasource{sourceType, "${datasource}"}
	d := dashboard{
		Annotations: annotations{[]struct{}{}}, Description: `Made by "portcullis metrics dashboard".`, Editable: true, GraphTooltip: 1,
		Links: []struct{}{}, Refresh: "30s", SchemaVersion: schemaV, Tags: []string{"portcullis"}, Time: span{"now-1h", "now"},
		Timezone: "browser", Title: "Portcullis", UID: "portcullis", Version: 1,
		Templating: templating{[]variable{
			{Name: "datasource", Label: "Data source", Type: "datasource", Query: sourceType},
			choice(source, "job", "Job", `label_values(portcullis_build_info, job)`),
			choice(source, "instance", "Gateway", `label_values(portcullis_build_info{job=~"$job"}, instance)`),
			choice(source, "route", "Route", `label_values(portcullis_requests_total{job=~"$job", instance=~"$instance"}, route)`),
		}},
	}
	id, y := 0, 0
	next := func() int { id++; return id }
	for _, r := range rows {
		open := false
		d.Panels = append(d.Panels, picture{ID: next(), Type: "row", Title: r.title, GridPos: grid{rowHeight, gridWidth, 0, y}, Collapsed: &open, Panels: &[]struct{}{}})
		y += rowHeight
		x := 0
		for _, p := range r.panels {
			if x+p.width > gridWidth {
				x, y = 0, y+boxHeight
			}
			d.Panels = append(d.Panels, p.picture(next(), grid{boxHeight, p.width, x, y}, source))
			x += p.width
		}
		y += boxHeight
	}
	out, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the dashboard: %w", err)
	}
	return append(out, '\n'), nil
}

func choice(source datasource, name, label, query string) variable {
	return variable{Name: name, Label: label, Type: "query", Query: query, Datasource: &source, IncludeAll: true, Multi: true, AllValue: ".*", Refresh: 2}
}

func (p panel) picture(id int, at grid, source datasource) picture {
	out := picture{
		ID: id, Type: p.kind, Title: p.title, Description: p.about, GridPos: at, Datasource: &source,
		FieldConfig: &fieldConfig{Defaults: defaults{Unit: p.unit}, Overrides: []struct{}{}},
	}
	for i, q := range p.queries {
		out.Targets = append(out.Targets, target{
			RefID: string(rune('A' + i)), Expr: q.expr, LegendFormat: q.legend, Exemplar: p.kind == "timeseries" && p.unit == "s", Datasource: source,
		})
	}
	return out
}
