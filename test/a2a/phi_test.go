package a2a

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// TestPHIOfAgents: what a skill that is marked makes keeps its mark, however the
// caller comes by it: as the answer, in a stream, as a task, in a list of tasks,
// from a message for another skill that goes on with the task, or notified.
func TestPHIOfAgents(t *testing.T) { bothWays(t, testPHIOfAgents) }

func testPHIOfAgents(t *testing.T, send sender) {
	const canary = "078-05-1120"
	task := `{"id":"t-1","contextId":"c-1","status":{"state":"TASK_STATE_WORKING"},"artifacts":[{"artifactId":"a","parts":[{"text":"ssn ` + canary + `"},{"data":{"\u0073SN":"` + canary + `","kept":1}},{"raw":"MDc4LTA1LTExMjA="}]}]}`
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			ID     json.RawMessage
			Method string
		}
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		reply := func(result string) string {
			return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":%s}`, call.ID, result)
		}
		result := `{"task":` + task + `}`
		switch call.Method {
		case "GetTask":
			result = task
		case "ListTasks":
			result = `{"tasks":[` + task + `],"nextPageToken":"","pageSize":1,"totalSize":1}`
		case "SendStreamingMessage", "SubscribeToTask":
			w.Header().Set("Content-Type", "text/event-stream")
			for _, event := range []string{
				result, `{"artifactUpdate":{"taskId":"t-1","contextId":"c-1","artifact":{"artifactId":"b","parts":[{"data":{"deep":[{"ssn":"` + canary + `"}]}}]}}}`,
				`{"statusUpdate":{"taskId":"t-1","contextId":"c-1","status":{"state":"TASK_STATE_COMPLETED"}}}`,
			} {
				fmt.Fprintf(w, "data: %s\n\n", reply(event))
			}
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, reply(result))
	})
	g := harness.Start(t, route(up.Server.URL+"/agent", withGRPC)+"[[route.phi]]\ntools = [\"records\"]\nfields = [\"ssn\"]\n")
	goesOn := strings.Replace(saying("go on", "weather"), `"role"`, `"taskId":"t-1","contextId":"c-1","role"`, 1)
	context := strings.Replace(saying("go on", "weather"), `"role"`, `"contextId":"c-1","role"`, 1)
	for _, c := range []struct{ method, params string }{
		{"SendMessage", saying("who", "records")},
		{"SendMessage", context},
		{"SendStreamingMessage", context},
		{"SendMessage", saying("who", "")},
		{"SendMessage", goesOn},
		{"SendStreamingMessage", saying("who", "records")},
		{"SendStreamingMessage", goesOn},
		{"SubscribeToTask", `{"id":"t-1"}`},
		{"GetTask", `{"id":"t-1"}`},
		{"ListTasks", `{}`},
	} {
		r := send(t, g, g.Key, c.method, c.params)
		if r.Status != http.StatusOK || !strings.Contains(r.Body, `"kept":1`) {
			t.Errorf("%s %s: %d %s", c.method, c.params, r.Status, r.Body)
		}
		if strings.Contains(r.Body, canary) || strings.Contains(r.Body, "MDc4") {
			t.Errorf("%s %s: tells %s", c.method, c.params, r.Body)
		}
	}
	if r := send(t, g, g.Key, "SendMessage", strings.Replace(saying("who", "records"), `"note"`, `"\u017fSN":"`+canary+`","note"`, 1)); r.Status != http.StatusForbidden {
		t.Errorf("a field in the arguments: %d %s", r.Status, r.Body)
	}
}
