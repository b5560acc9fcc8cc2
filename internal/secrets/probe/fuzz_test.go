package probe

import (
	"encoding/json"
	"net/http"
	"testing"
)

// FuzzJudge reads answers as bytes from anywhere: without the provider's own
// form they are neither yes nor no.
func FuzzJudge(f *testing.F) {
	kinds := known()
	own, err := Config{Kind: HTTP, Header: "X", Member: "ok", Equals: "1"}.kind()
	if err != nil {
		f.Fatal(err)
	}
	kinds = append(kinds, own)
	for i := range kinds {
		for _, body := range []string{`{"data":[]}`, `{"models":[]}`, `{"valid":false}`, `{"ok":false,"error":"invalid_auth"}`, `{"ok":1}`, `{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}`, `null`, `[]`, ``} {
			f.Add(i, 200, []byte(body))
			f.Add(i, 401, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, i, status int, body []byte) {
		if i < 0 || i >= len(kinds) || status < 100 || status > 999 {
			return
		}
		got := kinds[i].judge(status, body)
		var object map[string]json.RawMessage
		isObject := json.Unmarshal(body, &object) == nil && object != nil
		switch got.Verdict {
		case Accepted:
			if status != http.StatusOK || !isObject {
				t.Fatalf("%s: yes by %d %q", kinds[i].name, status, body)
			}
		case Refused:
			if status == http.StatusTooManyRequests || status >= 500 || kinds[i].name != HTTP && !isObject {
				t.Fatalf("%s: no by %d %q", kinds[i].name, status, body)
			}
		case Unknown:
		default:
			t.Fatalf("%q", got.Verdict)
		}
	})
}
