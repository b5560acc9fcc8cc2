package scope

import (
	"testing"

	"github.com/portcullis-dev/portcullis"
)

func TestAdmin(t *testing.T) {
	for _, tc := range []struct {
		scopes  []string
		action  string
		allowed bool
	}{
		{nil, "GET /api/v1/keys", false},
		{[]string{"tools:*"}, "GET /metrics", false},
		{[]string{Metrics}, "GET /metrics", true},
		{[]string{Metrics}, "GET /api/v1/metrics", false},
		{[]string{Metrics}, "POST /api/v1/keys", false},
		{[]string{Metrics}, "DELETE /api/v1/zkp/users/x /metrics", false}, // a space in a path is none behind the method
		{[]string{Metrics}, "POST /metrics", false},
		{[]string{Manage}, "POST /api/v1/keys", true},
		{[]string{Manage}, "GET /metrics", true},
	} {
		d, err := Admin{}.Authorize(t.Context(), portcullis.Principal{ID: "a", Scopes: tc.scopes}, portcullis.Action{Route: "admin", Method: tc.action})
		if err != nil || d.Allowed() != tc.allowed {
			t.Errorf("%v, %s: %v, %v", tc.scopes, tc.action, d, err)
		}
		if !tc.allowed && (len(d.Need) != 1 || d.Need[0] != Manage) {
			t.Errorf("%v, %s: needs %v", tc.scopes, tc.action, d.Need)
		}
	}
}
