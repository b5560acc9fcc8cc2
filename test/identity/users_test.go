package identity

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/admin/users"
	"github.com/portcullis-dev/portcullis/test/harness"
)

const (
	goodPassword  = "canary correct horse"
	wrongPassword = "canary-wrong-password"
	nobody        = "canary-typed-into-the-wrong-field"
)

const usersTOML = `
[identity.basic]
lock_first = "1h"
lock_max = "2h"
[[route]]
name = "files"
path = "/mcp"
upstream = "https://files.example.com/mcp"
auth = ["basic", "api_key"]
[[route]]
name = "keys"
path = "/keys"
upstream = "https://files.example.com/mcp"
auth = ["api_key"]
[[route]]
name = "only"
path = "/only"
upstream = "https://files.example.com/mcp"
auth = ["basic"]
`

// people is a gateway whose routes take users.
type people struct {
	*world
	alice users.RevealedUser
}

func newPeople(t *testing.T, text string) *people {
	t.Helper()
	w := &world{iss: newIssuer(t)}
	w.up = harness.NewUpstream(t, func(rw http.ResponseWriter, r *http.Request) {
		harness.Answer(rw, r, `{"content":[{"type":"text","text":"hello"}]}`)
	})
	w.Gateway = harness.Start(t, w.iss.inside(text, w.up.URL+"/mcp"))
	p := &people{world: w}
	p.alice = p.add(t, "alice")
	return p
}

func (p *people) add(t *testing.T, name string) users.RevealedUser {
	t.Helper()
	made, err := users.Create(t.Context(), p.API(), users.AddUser{Name: name, Password: goodPassword, Roles: []string{"viewer"}, Scopes: []string{"tools:echo"}})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func basicAuth(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

func (p *people) login(t *testing.T, body string, headers ...string) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodPost, p.Base+"/auth/login", []byte(body), headers...)
}

func credentials(name, password string) string {
	return fmt.Sprintf(`{"username":%q,"password":%q}`, name, password)
}

// session is the answer to a login.
type session struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	SessionID    string `json:"session_id"`
}

func (p *people) session(t *testing.T, r harness.Response) session {
	t.Helper()
	var s session
	if err := json.Unmarshal([]byte(r.Body), &s); err != nil || r.Status != http.StatusOK {
		t.Fatalf("login: %d %s", r.Status, r.Body)
	}
	if s.TokenType != "Bearer" || s.ExpiresIn <= 0 || s.ExpiresIn > 900 || s.RefreshToken == "" || s.SessionID == "" || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%+v %v", s, r.Header)
	}
	return s
}

func challenges(r harness.Response) string { return strings.Join(r.Header["Www-Authenticate"], " | ") }

const basicChallenge = `Basic realm="portcullis", charset="UTF-8"`

func TestBasic(t *testing.T) {
	p := newPeople(t, usersTOML)
	r := p.post(t, "/mcp", echo, "Authorization", basicAuth("alice", goodPassword))
	if r.Status != http.StatusOK || !strings.Contains(r.Body, "hello") {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	p.event(t, r, "AUTH_SUCCESS", p.alice.ID, "basic")
	for _, seen := range p.up.Seen() {
		if seen.Header.Get("Authorization") != "" {
			t.Error("the password travels on")
		}
	}
	if r = p.post(t, "/mcp", strings.Replace(echo, "echo", "delete", 1), "Authorization", basicAuth("alice", goodPassword)); r.Status != http.StatusForbidden {
		t.Errorf("a tool beyond the scopes: %d", r.Status)
	}

	r = p.post(t, "/mcp", echo, "Authorization", basicAuth("alice", wrongPassword))
	if r.Status != http.StatusUnauthorized || !strings.Contains(challenges(r), basicChallenge) || !strings.Contains(r.Body, "Invalid credentials") {
		t.Errorf("%d %q %s", r.Status, challenges(r), r.Body)
	}
	p.event(t, r, "AUTH_FAILURE", p.alice.ID, "basic")
	if e := p.EventsOf(r.Header.Get("X-Request-Id"))[0]; fmt.Sprint(e.Details["attempts"]) != "1" || e.Severity != "WARN" || e.Actor["ip"] != "127.0.0.1" {
		t.Errorf("%+v", e)
	}

	// Whoever comes with nothing, or with another credential that is no good,
	// hears of every way in.
	for _, headers := range [][]string{nil, {"X-API-Key", "mcp_nonsense"}, {"Authorization", "Bearer mcp_nonsense"}, {"Authorization", "Bearer x.y.z"}, {"Authorization", "Basic !"}} {
		r := p.post(t, "/mcp", echo, headers...)
		if c := challenges(r); r.Status != http.StatusUnauthorized || strings.Count(c, "Basic ") != 1 || headers == nil && !strings.Contains(c, `Bearer realm="portcullis"`) {
			t.Errorf("%v: %d %q", headers, r.Status, c)
		}
	}
	// Where users are not taken nothing speaks of them, and their password is worth nothing.
	r = p.post(t, "/keys", echo, "Authorization", basicAuth("alice", goodPassword))
	if r.Status != http.StatusUnauthorized || strings.Contains(challenges(r), "Basic") {
		t.Errorf("%d %q", r.Status, challenges(r))
	}
	if r = p.post(t, "/only", echo, "X-API-Key", p.Key); r.Status != http.StatusUnauthorized {
		t.Errorf("a key on a route for users: %d", r.Status)
	}
	if r = p.post(t, "/only", echo, "Authorization", "Bearer "+basicAuth("alice", goodPassword)[6:]); r.Status != http.StatusUnauthorized || strings.Contains(challenges(r), "charset") != true {
		t.Errorf("a password as bearer token: %d", r.Status)
	}
	if r = p.post(t, "/only", echo, "Authorization", basicAuth("alice", goodPassword), "X-API-Key", p.Key); r.Status != http.StatusUnauthorized {
		t.Errorf("two credentials: %d", r.Status)
	}
	if r := harness.Do(t, http.MethodGet, p.Admin+"/api/v1/status", nil, "Authorization", basicAuth("alice", goodPassword)); r.Status != http.StatusUnauthorized {
		t.Errorf("the admin listener takes users: %d", r.Status)
	}
}

func TestLogin(t *testing.T) {
	p := newPeople(t, usersTOML)
	s := p.session(t, p.login(t, credentials("ALICE", goodPassword)))
	r := p.post(t, "/mcp", echo, "Authorization", "Bearer "+s.AccessToken)
	if r.Status != http.StatusOK {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	p.event(t, r, "AUTH_SUCCESS", p.alice.ID, "basic")
	if r = p.post(t, "/keys", echo, "Authorization", "Bearer "+s.AccessToken); r.Status != http.StatusUnauthorized {
		t.Errorf("a session of a method that the route does not list: %d", r.Status)
	}
	if r = p.post(t, "/mcp", echo, "Authorization", basicAuth(s.AccessToken[:40], "x")); r.Status != http.StatusUnauthorized {
		t.Errorf("a token as name: %d", r.Status)
	}
	// The guide's clients send "email".
	made := p.add(t, "bob@example.com")
	s = p.session(t, p.login(t, fmt.Sprintf(`{"email":"Bob@example.com","password":%q}`, goodPassword)))
	r = p.post(t, "/mcp", echo, "Authorization", "Bearer "+s.AccessToken)
	p.event(t, r, "AUTH_SUCCESS", made.ID, "basic")
}

// TestLoginEnds: what the operator does to a user ends the sessions at once.
func TestLoginEnds(t *testing.T) {
	for name, do := range map[string]func(*people) error{
		"passwd": func(p *people) error {
			_, err := users.SetPassword(t.Context(), p.API(), "alice", users.UserPassword{})
			return err
		},
		"roles": func(p *people) error {
			_, err := users.SetGrants(t.Context(), p.API(), "alice", users.UserGrants{Scopes: &[]string{"tools:other"}})
			return err
		},
		"disable": func(p *people) error {
			_, err := users.SetState(t.Context(), p.API(), "alice", users.UserState{Disabled: true})
			return err
		},
		"remove": func(p *people) error { return users.Remove(t.Context(), p.API(), "alice", "test") },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeople(t, usersTOML)
			s := p.session(t, p.login(t, credentials("alice", goodPassword)))
			for _, auth := range []string{"Bearer " + s.AccessToken, basicAuth("alice", goodPassword)} {
				if r := p.post(t, "/mcp", echo, "Authorization", auth); r.Status != http.StatusOK {
					t.Fatalf("%d %s", r.Status, r.Body)
				}
			}
			if err := do(p); err != nil {
				t.Fatal(err)
			}
			if r := p.post(t, "/mcp", echo, "Authorization", "Bearer "+s.AccessToken); r.Status != http.StatusUnauthorized {
				t.Errorf("the session goes on: %d", r.Status)
			}
			if r := p.post(t, "/mcp", echo, "Authorization", basicAuth("alice", goodPassword)); r.Status == http.StatusOK {
				t.Errorf("what was verified goes on: %d", r.Status)
			}
			r := harness.Do(t, http.MethodPost, p.Base+"/auth/token", []byte("grant_type=refresh_token&refresh_token="+s.RefreshToken), "Content-Type", "application/x-www-form-urlencoded")
			if r.Status == http.StatusOK {
				t.Errorf("the refresh token goes on: %s", r.Body)
			}
		})
	}
}

// TestLoginRefusals: the same answer for whatever is wrong with a login, and
// 429 for who tries too often, existing or not.
func TestLoginRefusals(t *testing.T) {
	p := newPeople(t, usersTOML)
	var first string
	for _, name := range []string{"alice", nobody, "a:b"} {
		for i := range 5 {
			r := p.login(t, credentials(name, fmt.Sprint(wrongPassword, i)))
			text := regexp.MustCompile(`"requestId":"[^"]*"`).ReplaceAllString(r.Body, "")
			if first == "" {
				first = text
			}
			if r.Status != http.StatusUnauthorized || text != first || !strings.Contains(text, `"error":"Invalid credentials"`) || r.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %d %s", name, r.Status, r.Body)
			}
			who := p.alice.ID
			if name != "alice" {
				e := p.EventsOf(r.Header.Get("X-Request-Id"))[0]
				who, _ = e.Actor["id"].(string)
				if !strings.HasPrefix(who, "name:") {
					t.Errorf("%s is told as %q", name, who)
				}
			}
			p.event(t, r, "AUTH_FAILURE", who, "basic")
		}
		r := p.login(t, credentials(name, goodPassword))
		if r.Status != http.StatusTooManyRequests || r.Header.Get("Retry-After") != "3600" || !strings.Contains(r.Body, `"retryAfter":3600`) {
			t.Errorf("%s: %d %v %s", name, r.Status, r.Header, r.Body)
		}
	}
	if r := p.post(t, "/mcp", echo, "Authorization", basicAuth("alice", goodPassword)); r.Status != http.StatusTooManyRequests {
		t.Errorf("the lock holds for logins only: %d", r.Status)
	}
	p.leaksNothing(t)
}

func TestLoginMalformed(t *testing.T) {
	p := newPeople(t, usersTOML)
	ok := credentials("alice", goodPassword)
	for _, tt := range []struct {
		body    string
		headers []string
		status  int
	}{
		{"", nil, 400}, {"{}", nil, 400}, {"[]", nil, 400}, {ok + ok, nil, 400}, {ok + "x", nil, 400}, {"null", nil, 400},
		{`{"username":"alice"}`, nil, 400}, {`{"password":"x"}`, nil, 400}, {`{"username":"alice","password":1}`, nil, 400},
		{`{"username":"alice","email":"alice","password":"x"}`, nil, 400}, {`{"username":"alice","password":"a","password":"` + goodPassword + `"}`, nil, 400},
		{`{"Username":"alice","password":"` + goodPassword + `"}`, nil, 400}, {`{"username":"alice","password":"` + goodPassword + `","admin":true}`, nil, 400},
		{`{"username":"alice","password":"` + goodPassword + `\u0000"}`, nil, 400}, {"{\"username\":\"alice\",\"password\":\"\xff\"}", nil, 400},
		{ok, []string{"Authorization", basicAuth("alice", goodPassword)}, 400}, {ok, []string{"X-API-Key", p.Key}, 400},
		{`{"username":"` + strings.Repeat("a", 9000) + `"}`, nil, 413}, {ok, []string{"Origin", "https://evil.example"}, 403},
	} {
		r := p.login(t, tt.body, tt.headers...)
		if r.Status != tt.status || strings.Contains(r.Body, "access_token") || strings.Contains(r.Body, "canary") {
			t.Errorf("%.60q %v: %d %s", tt.body, tt.headers, r.Status, r.Body)
		}
		if tt.status == 400 {
			if e := p.EventsOf(r.Header.Get("X-Request-Id")); len(e) != 1 || e[0].Type != "INPUT_REJECTED" {
				t.Errorf("%.60q: %+v", tt.body, e)
			}
		}
	}
	if r := harness.Do(t, http.MethodGet, p.Base+"/auth/login", nil); r.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.Status)
	}
	form := []byte("username=alice&password=x")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.Base+"/auth/login", bytes.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a form: %d", resp.StatusCode)
	}
	p.leaksNothing(t)
}

// leaksNothing looks for passwords and for names that nobody has in everything
// the gateway has written.
func (p *people) leaksNothing(t *testing.T) {
	t.Helper()
	secrets := []string{"canary", base64.StdEncoding.EncodeToString([]byte("alice:" + goodPassword))}
	for _, s := range secrets {
		if strings.Contains(p.Log.String(), s) {
			t.Errorf("%q is in the log", s)
		}
		if strings.Contains(p.Metrics(), s) {
			t.Errorf("%q is in the metrics", s)
		}
	}
	err := filepath.WalkDir(p.DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, s := range secrets {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%q is in %s", s, filepath.Base(path))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoLoginWithoutUsers: a route has to want users before anyone can log in.
func TestNoLoginWithoutUsers(t *testing.T) {
	w := newWorld(t)
	if r := harness.Do(t, http.MethodPost, w.Base+"/auth/login", []byte(credentials("alice", goodPassword))); r.Status != http.StatusNotFound {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// TestPasswordsNeedTLS: what comes in clear over a network is refused before
// anyone looks at the password.
func TestPasswordsNeedTLS(t *testing.T) {
	w := &world{iss: newIssuer(t)}
	w.Gateway = harness.Start(t, "https.require = \"always\"\n"+w.iss.inside(usersTOML, "http://127.0.0.1:1/mcp"))
	p := &people{world: w}
	p.add(t, "alice")
	for _, r := range []harness.Response{
		p.post(t, "/mcp", echo, "Authorization", basicAuth("alice", goodPassword)), p.login(t, credentials("alice", goodPassword)),
	} {
		if r.Status != http.StatusForbidden || challenges(r) != "" {
			t.Errorf("%d %q", r.Status, challenges(r))
		}
	}
}
