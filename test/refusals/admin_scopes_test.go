package refusals

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/test/harness"
)

// operation is one of the admin API.
type operation struct{ method, path string }

// operations are all that the admin API says it has, and what it does not say.
func operations(t *testing.T, g *harness.Gateway) []operation {
	t.Helper()
	r := harness.Do(t, http.MethodGet, g.Admin+"/api/v1/openapi.json", nil, "X-API-Key", g.Key)
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(r.Body), &doc); err != nil || len(doc.Paths) < 40 {
		t.Fatalf("%d with %d paths: %v", r.Status, len(doc.Paths), err)
	}
	out := []operation{{"GET", "/metrics"}, {"GET", "/api/v1/openapi.json"}, {"GET", "/api/v1/openapi.yaml"}, {"GET", "/"}, {"POST", "/metrics"}}
	for path, methods := range doc.Paths {
		for method := range methods {
			out = append(out, operation{strings.ToUpper(method), path})
		}
	}
	return out
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// TestAdminScopes asks for every operation of the admin API with every scope: all
// of it needs manage, and metrics reads the metrics alone, however the path of
// something else ends.
func TestAdminScopes(t *testing.T) {
	up := harness.NewUpstream(t, echo)
	g := harness.Start(t, "trusted_proxies = [\"127.0.0.1\"]\n"+oneRoute(up))
	all := operations(t, g)
	address := 0
	for _, scopes := range [][]string{
		nil, {"tools:*", "prompts:*", "resources:*", "skills:*"}, {"metrics"}, {"tools:manage"}, {"manage:keys"}, {"managed"}, {"MANAGE"}, {"admin"}, {"*"}, {"m*"},
	} {
		key, made := "", true
		if len(scopes) > 0 {
			key, made = tryKey(t, g, scopes)
		}
		if !made {
			continue // such a scope cannot be given at all
		}
		for _, op := range all {
			for _, id := range []string{"x", "x%20%2Fmetrics", "x%2Fmetrics", "%20/metrics"} {
				path := parameter.ReplaceAllString(op.path, id)
				if path == op.path && id != "x" {
					path += "/" + id // behind what has no parameter
				}
				address++
				headers := []string{"X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", address>>16&255, address>>8&255, address&255), "Content-Type", "application/json"}
				want := http.StatusUnauthorized
				if key != "" {
					headers, want = append(headers, "X-API-Key", key), http.StatusForbidden
				}
				if len(scopes) > 0 && scopes[0] == "metrics" && op.method == "GET" && path == "/metrics" {
					want = http.StatusOK
				}
				body := []byte("{}")
				if op.method == http.MethodGet {
					body, headers = nil, append(headers[:2:2], headers[4:]...)
				}
				if r := harness.Do(t, op.method, g.Admin+path, body, headers...); r.Status != want {
					t.Errorf("%s %s with %q: %d, want %d: %.200s", op.method, path, scopes, r.Status, want, r.Body)
				}
			}
		}
	}
	for _, op := range all {
		if op.method != http.MethodGet {
			continue
		}
		address++
		r := harness.Do(t, op.method, g.Admin+parameter.ReplaceAllString(op.path, "x"), nil, "X-API-Key", g.Key, "X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", address>>16&255, address>>8&255, address&255))
		if r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden {
			t.Errorf("%s %s with manage: %d", op.method, op.path, r.Status)
		}
	}
}

// tryKey makes a key, if there can be one with such scopes.
func tryKey(t *testing.T, g *harness.Gateway, scopes []string) (string, bool) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"name": "scoped", "scopes": scopes})
	if err != nil {
		t.Fatal(err)
	}
	r := harness.Do(t, http.MethodPost, g.Admin+"/api/v1/keys", body, "X-API-Key", g.Key, "Content-Type", "application/json", "X-Forwarded-For", "192.0.2.1")
	var made struct{ Key string }
	if err := json.Unmarshal([]byte(r.Body), &made); err != nil {
		t.Fatal(err)
	}
	return made.Key, made.Key != ""
}

// raw sends a request line as it is and returns the status.
func raw(t *testing.T, base, target string, headers ...string) int {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // it was read
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", target, u.Host)
	for i := 0; i < len(headers); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", headers[i], headers[i+1])
	}
	if _, err := c.Write([]byte(b.String() + "\r\n")); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 12)
	n, err := c.Read(line)
	if err != nil || n < 12 {
		t.Fatalf("%s: %q, %v", target, line[:n], err)
	}
	var status int
	if _, err := fmt.Sscanf(string(line), "HTTP/1.1 %d", &status); err != nil {
		t.Fatal(err)
	}
	return status
}

// spellings are other ways to write a path below /api that a careless reader
// takes for it.
func spellings(path string) []string {
	dir, last := path[:strings.LastIndex(path, "/")], path[strings.LastIndex(path, "/")+1:]
	return []string{
		"/" + path, path + "/", path + "//", path + "/.", path + "/..", path + ".", path + "%2e", path + ";", path + ";a=b", path + "%3b", path + "%00", path + "%00.json", path + "%20", path + "%09", path + "%0a",
		path + "/%2e%2e/" + last, dir + "/./" + last, dir + "/%2e/" + last, dir + "//" + last, dir + "/x/../" + last, dir + "/x/%2e%2e/" + last, dir + "/x/%2E%2E%2F" + last, dir + "%2f" + last, dir + "%5c" + last, dir + `\` + last,
		strings.ToUpper(path), dir + "/" + strings.ToUpper(last), dir + "/" + strings.ToUpper(last[:1]) + last[1:],
		dir + "/%c0%ae%c0%ae/" + last, dir + "/%e0%80%ae/" + last, dir + "/" + fmt.Sprintf("%%%02x", last[0]) + last[1:] + "/", dir + "/%25" + fmt.Sprintf("%02x", last[0]) + last[1:], "/x/.." + path, "/%2e%2e" + path, "/." + path, "http://evil.example" + path + "/", path + "%ef%bc%8f", strings.Replace(path, "api", "%ef%bd%81pi", 1), path + "?/../", "*",
	}
}

// TestOtherSpellings: no other way to write a path below /api leads anywhere
// without a credential, and none of another path leads to it with one.
func TestOtherSpellings(t *testing.T) {
	up := harness.NewUpstream(t, echo)
	g := harness.Start(t, oneRoute(up)+"[[privacy.purpose]]\nname = \"marketing\"\npolicy_version = \"1\"\n")
	for _, base := range []string{g.Base, g.Admin} {
		for _, path := range []string{"/api/v1/keys", "/api/v1/user/data", "/api/v1/user/consents", "/api/v1/config", "/metrics"} {
			for _, target := range append(spellings(path), path) {
				if status := raw(t, base, target); status < 400 {
					t.Errorf("%s%s without a credential: %d", base, target, status)
				}
			}
		}
	}
	for _, path := range []string{"/api/v1/user/data", "/api/v1/user/export"} { // they are these paths and no others
		if status := raw(t, g.Base, path, "X-API-Key", g.Key); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
		for _, target := range spellings(path) {
			if target == path+"?/../" { // a query is none of a path
				continue
			}
			if status := raw(t, g.Base, target, "X-API-Key", g.Key); status < 400 {
				t.Errorf("%s with a key: %d", target, status)
			}
		}
	}
	for _, target := range []string{"/api/v1/user/consents/../data", "/api/v1/user/consents/%2e%2e/data", "/api/v1/user/consents/..%2fdata", "/api/v1/user/consents/%2e%2e%2f%2e%2e%2fkeys", "/mcp/../api/v1/user/data"} {
		if status := raw(t, g.Base, target, "X-API-Key", g.Key); status < 400 {
			t.Errorf("%s with a key: %d", target, status)
		}
	}
	if n := len(up.Seen()); n != 0 {
		t.Errorf("%d requests reached the upstream", n)
	}
}
