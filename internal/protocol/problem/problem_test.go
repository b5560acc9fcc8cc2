package problem_test

import (
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/problem"
)

func TestAppend(t *testing.T) {
	for name, tc := range map[string]struct {
		e    portcullis.Error
		want string
	}{
		"zero": {portcullis.Error{}, `>{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"Internal Server Error","reason":"","requestId":"id"}`},
		"full": {
			portcullis.Error{Kind: portcullis.KindRateLimited, Reason: "rate_limited", Public: `Too "many"`, RetryAfter: 1001 * time.Millisecond, Detail: "inside"},
			`>{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"Too \"many\"","reason":"rate_limited","requestId":"id","retryAfter":2}`,
		},
		"other convention": {
			portcullis.Error{Kind: portcullis.KindUnauthenticated, Public: "Invalid credentials", Data: map[string]any{"error": "Invalid credentials", "x": 1}},
			`>{"type":"about:blank","title":"Unauthorized","status":401,"detail":"Invalid credentials","reason":"","requestId":"id","error":"Invalid credentials"}`,
		},
		"no text": {
			portcullis.Error{Kind: portcullis.KindForbidden, Data: map[string]any{"error": 7}},
			`>{"type":"about:blank","title":"Forbidden","status":403,"detail":"Forbidden","reason":"","requestId":"id"}`,
		},
	} {
		if got := string(problem.Append([]byte(">"), &tc.e, "id")); got != tc.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
