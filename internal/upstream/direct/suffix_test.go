package direct

import (
	"net/http"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

func TestSuffixFollowsTheUpstreamsPath(t *testing.T) {
	for _, c := range []struct{ url, method, suffix, credential, want string }{
		{"http://a.test/agent", "", "", "", "POST /agent HTTP/1.1"},
		{"http://a.test/agent", "GET", "/tasks/1", "", "GET /agent/tasks/1 HTTP/1.1"},
		{"http://a.test/agent/", "DELETE", "/tasks/1", "", "DELETE /agent/tasks/1 HTTP/1.1"},
		{"http://a.test", "POST", "/message:send", "", "POST /message:send HTTP/1.1"},
		{"http://a.test/a?x=1", "GET", "/tasks?pageSize=2", "key=s", "GET /a/tasks?x=1&pageSize=2&key=s HTTP/1.1"},
		{"http://a.test/a", "GET", "?x=1", "key=s", "GET /a?x=1&key=s HTTP/1.1"},
		{"http://a.test/a%20b", "GET", "/t%C3%A9", "", "GET /a%20b/t%C3%A9 HTTP/1.1"},
	} {
		u, err := parseURL(c.url)
		if err != nil {
			t.Fatal(err)
		}
		r, err := newRequest(&portcullis.Call{Method: c.method, Message: &portcullis.Message{Shape: portcullis.ShapeRequest, Raw: []byte("{}"), Suffix: c.suffix}})
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		r.query = c.credential
		tg := newTarget(u)
		head := string(tg.appendHead(nil, &r))
		if line, _, _ := strings.Cut(head, "\r\n"); line != c.want {
			t.Errorf("%+v: %q", c, line)
		}
		if got := r.method + " " + tg.with(&r).RequestURI() + " HTTP/1.1"; got != c.want {
			t.Errorf("%+v: by net/http %q", c, got)
		}
		if sized := strings.Contains(head, "Content-Length"); sized != (r.method == http.MethodPost) {
			t.Errorf("%+v: sized %t", c, sized)
		}
	}
}

func TestSuffixLeadsNowhereElse(t *testing.T) {
	for _, s := range []string{
		"tasks", "//host", "/..", "/a/../b", "/a/./b", "/%2e%2e/b", "/a%2fb", "/a%5cb", `/a\b`, "/a%00", "/a b", "/a\r\nX: y", "/a#b",
		"/a%252e", "/%zz", "/a//b", "/a/", "/a;x=1", "/a?b c", "/a?b#c",
	} {
		_, err := newRequest(&portcullis.Call{Method: "GET", Message: &portcullis.Message{Shape: portcullis.ShapeRequest, Suffix: s}})
		if err == nil {
			t.Errorf("%q: passed", s)
		}
	}
}

func FuzzSuffix(f *testing.F) {
	f.Add("/tasks/1:cancel?x=1")
	f.Add("/%2e%2e/x")
	u, err := parseURL("http://a.test/agent")
	if err != nil {
		f.Fatal(err)
	}
	tg := newTarget(u)
	f.Fuzz(func(t *testing.T, s string) {
		if !follows(s) {
			return
		}
		below := tg.below(s)
		if !strings.HasPrefix(below.Path, "/agent") || strings.Contains(below.Path+"/", "/../") || below.Host != "a.test" || !validTarget(below.RequestURI()) {
			t.Fatalf("%q leads to %s", s, below)
		}
	})
}
