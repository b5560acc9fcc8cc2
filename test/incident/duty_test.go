package incident

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/admin/duties"
	"github.com/portcullis-dev/portcullis/internal/incident/duty"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
	"github.com/portcullis-dev/portcullis/test/harness"
)

const neglected = `
[[incident.duty]]
name = "log-review"
every = "week"
grace = "0s"
[[incident.duty]]
name = "audit"
every = "year"
`

// TestNeglectedDuty: what nobody did for a year shows where it should, once in
// the audit log, and ends with a signature.
func TestNeglectedDuty(t *testing.T) {
	up := harness.NewUpstream(t, nil)
	route := "\n[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = \"" + up.URL + "\"\n"
	g := harness.Start(t, "[incident]\n"+neglected+route)
	ready := func(status int, want string) {
		t.Helper()
		r := harness.Do(t, http.MethodGet, g.Base+"/ready", nil)
		if r.Status != status || string(r.Body) != want {
			t.Errorf("/ready: %d %s, want %d %s", r.Status, r.Body, status, want)
		}
	}
	ready(http.StatusOK, `{"status":"ready"}`)
	g.Stop(10 * time.Second)
	db, err := sqlite.Open(t.Context(), filepath.Join(g.DataDir, "portcullis.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Duties().SaveDuty(t.Context(), duty.Record{Name: "log-review", Since: time.Now().AddDate(-1, 0, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	g.Restart()
	ready(http.StatusOK, `{"status":"ready","overdue":["log-review"]}`)
	if m := g.Metrics(); !strings.Contains(m, `portcullis_duty_overdue{duty="log-review"} 1`) || !strings.Contains(m, `portcullis_duty_overdue{duty="audit"} 0`) || !strings.Contains(m, `portcullis_duty_due_seconds{duty="log-review"} -`) {
		t.Error("the metrics do not tell of it")
	}
	g.Stop(10 * time.Second)
	g.WriteConfig("[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n" + "[incident]\nduties_ready = \"hide\"\n" + neglected + route)
	g.Restart()
	ready(http.StatusOK, `{"status":"ready"}`)
	g.Reconfigure("[incident]\nduties_ready = \"fail\"\n" + neglected + route)
	for deadline := time.Now().Add(10 * time.Second); harness.Do(t, http.MethodGet, g.Base+"/ready", nil).Status == http.StatusOK; {
		if time.Now().After(deadline) {
			t.Fatal("the configuration is not taken")
		}
		<-time.After(10 * time.Millisecond)
	}
	ready(http.StatusServiceUnavailable, `{"status":"unready","failing":["duties"],"overdue":["log-review"]}`)
	var d duties.Duty
	if err := json.Unmarshal([]byte(verb(t, g, 0, "incident", "duty", "sign", "log-review", "--note", "all of the year", "--output", "json")), &d); err != nil || d.State != "ahead" || d.Signed == nil {
		t.Errorf("signed: %+v, %v", d, err)
	}
	ready(http.StatusOK, `{"status":"ready"}`)
	told := map[string]int{}
	for _, e := range g.Events() {
		if e.Resource != "duty:log-review" {
			continue
		}
		told[string(e.Type)]++
		if e.Type == "DUTY_SIGNED" && (e.ID != d.Event || e.Actor["id"] == nil || e.Reason != "all of the year") {
			t.Errorf("the event of the signature is %+v", e)
		}
	}
	if len(told) != 2 || told["DUTY_OVERDUE"] != 1 || told["DUTY_SIGNED"] != 1 {
		t.Errorf("recorded %v, want each once through two restarts", told)
	}
}
