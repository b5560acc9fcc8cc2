package monitoring

import (
	"fmt"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/obs"
)

const referenceIntro = `# Metrics

<!-- Made from the sources by "go test ./internal/obs/monitoring -update". -->

What ` + "`GET /metrics`" + ` of the admin listener shows. [Observability](observability.md) says how to read it. ` + "`portcullis metrics list`" + ` prints this list, ` + "`portcullis metrics dashboard`" + ` and ` + "`portcullis metrics rules`" + ` print what stands in [deploy/grafana](../deploy/grafana/portcullis.json) and [deploy/prometheus](../deploy/prometheus/rules.yml).

Labels come from the configuration and from closed sets: nothing a caller sends makes a new series. Beside these there are the metrics of the Go runtime (` + "`go_…`" + `) and of the process (` + "`process_…`" + `).
`

// Reference returns docs/metrics.md.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceIntro)
	area := ""
	for _, m := range metrics {
		if m.Area != area {
			area = m.Area
			fmt.Fprintf(&b, "\n## %s\n\n| metric | type | what it says | labels |\n|---|---|---|---|\n", area)
		}
		kind := string(m.Type)
		if m.Unit != "" {
			kind += ", " + m.Unit
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, kind, m.Help, labels(m.Labels))
	}
	b.WriteString("\n## Other names\n\nWith `telemetry.aliases` metrics are shown a second time, for dashboards that know the names of others. It is off by default: each name doubles its series.\n\n| family | name | is |\n|---|---|---|\n")
	for _, a := range obs.Aliases() {
		of := a.Of
		if a.Only != "" {
			of += `{outcome="` + a.Only + `"}`
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | `%s` |\n", a.Family, a.Name, of)
	}
	b.WriteString("\n## Alerts\n\n| alert | severity | holds for | what it means |\n|---|---|---|---|\n")
	for _, a := range alerts {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", a.Name, a.Severity, a.For, a.Meaning)
	}
	return b.String()
}

func labels(all []Label) string {
	if len(all) == 0 {
		return "–"
	}
	var out []string
	for _, l := range all {
		out = append(out, "`"+l.Name+"`: "+l.Values)
	}
	return strings.Join(out, "<br>")
}
