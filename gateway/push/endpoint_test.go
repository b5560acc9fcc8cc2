package push

import (
	"net/http"
	"testing"
)

// TestSecret: one proof, however often it is said; two that differ are none.
func TestSecret(t *testing.T) {
	const long, short = headerToken, headerTokenShort
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{nil, ""},
		{[]string{"Authorization", "Bearer a"}, "a"},
		{[]string{"Authorization", "bearer a"}, "a"},
		{[]string{long, "a"}, "a"},
		{[]string{short, "a"}, "a"},
		{[]string{"Authorization", "Bearer a", long, "a", short, "a"}, "a"},
		{[]string{"Authorization", "Bearer a", long, "b"}, ""},
		{[]string{"Authorization", "Bearer a", "Authorization", "Bearer b"}, ""},
		{[]string{long, "a", long, "b"}, ""},
		{[]string{"Authorization", "Basic a"}, ""},
		{[]string{"Authorization", "Basic a", long, "a"}, ""},
		{[]string{"Authorization", "Bearer "}, ""},
		{[]string{"Authorization", "Bearer"}, ""},
		{[]string{long, ""}, ""},
		{[]string{"X-API-Key", "a"}, ""},
	} {
		h := http.Header{}
		for i := 0; i < len(c.headers); i += 2 {
			h.Add(c.headers[i], c.headers[i+1])
		}
		if got, ok := secret(h); got != c.want || ok != (c.want != "") {
			t.Errorf("%v: %q, %v, want %q", c.headers, got, ok, c.want)
		}
	}
}

func TestTicket(t *testing.T) {
	for path, want := range map[string]string{
		"/a2a/push/abc": "abc", "/a2a/push/": "", "/a2a/push": "", "/a2a/push/abc/def": "", "/a2a/pushabc": "", "/other/abc": "",
	} {
		if got := ticket(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
