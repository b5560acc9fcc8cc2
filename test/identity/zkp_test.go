package identity

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	adminzkp "github.com/portcullis-dev/portcullis/internal/admin/zkp"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/circuit"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/groth16"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/proving"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/setup"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// provers are a gateway whose route takes logins by proof, and two users with
// their private keys.
type provers struct {
	*harness.Gateway
	up      *harness.Upstream
	proving *proving.Key
	private map[string]*circuit.PrivateKey
	public  map[string]string
	config  string
}

func newProvers(t *testing.T) *provers {
	t.Helper()
	system, err := circuit.Load()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "zkp")
	if _, err := setup.Develop(dir, system); err != nil {
		t.Fatal(err)
	}
	p := &provers{private: map[string]*circuit.PrivateKey{}, public: map[string]string{}}
	if p.proving, _, err = setup.LoadProvingKey(filepath.Join(dir, setup.ProvingKey), system); err != nil {
		t.Fatal(err)
	}
	p.up = harness.NewUpstream(t, func(rw http.ResponseWriter, r *http.Request) {
		harness.Answer(rw, r, `{"content":[{"type":"text","text":"hello"}]}`)
	})
	p.config = fmt.Sprintf(`
[identity.zkp]
verification_key = %q
insecure_allow_development_key = true
[[route]]
name = "files"
path = "/mcp"
upstream = %q
auth = ["zkp"]
[[route]]
name = "keys"
path = "/keys"
upstream = %q
auth = ["api_key"]
`, filepath.Join(dir, setup.VerificationKey), p.up.URL+"/mcp", p.up.URL+"/mcp")
	p.Gateway = harness.Start(t, p.config)
	for _, user := range []string{"alice", "bob"} {
		private, err := circuit.NewPrivateKey()
		if err != nil {
			t.Fatal(err)
		}
		public, err := system.PublicKey(private)
		if err != nil {
			t.Fatal(err)
		}
		p.private[user], p.public[user] = private, groth16.FormatScalar(public)
		if _, err := adminzkp.Enroll(t.Context(), p.API(), adminzkp.Enrol{UserID: user, PublicKey: p.public[user], Scopes: []string{"tools:echo"}}); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *provers) post(t *testing.T, path, body string, headers ...string) harness.Response {
	t.Helper()
	return harness.Do(t, http.MethodPost, p.Base+path, []byte(body), headers...)
}

func (p *provers) challenge(t *testing.T, user string) zkp.Offer {
	t.Helper()
	r := p.post(t, zkp.ChallengePath, fmt.Sprintf(`{"userId":%q}`, user))
	var o zkp.Offer
	if err := json.Unmarshal([]byte(r.Body), &o); err != nil || r.Status != http.StatusOK {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	return o
}

// proof proves a challenge with the private key of holder, for user.
func (p *provers) proof(t *testing.T, holder, user string, o zkp.Offer) string {
	t.Helper()
	number, err := groth16.ParseScalar(string(o.Challenge))
	if err != nil {
		t.Fatal(err)
	}
	proof, _, err := p.proving.Prove(p.private[holder], number)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(proof)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"userId":%q,"challengeId":%q,"proof":%s}`, user, o.ChallengeID, b)
}

func (p *provers) login(t *testing.T, user string) zkp.Session {
	t.Helper()
	r := p.post(t, zkp.VerifyPath, p.proof(t, user, user, p.challenge(t, user)))
	var s zkp.Session
	if err := json.Unmarshal([]byte(r.Body), &s); err != nil || r.Status != http.StatusOK || s.Token == "" {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	p.has(t, r, "ZKP_AUTH_SUCCESS", "zkp:"+user, "")
	return s
}

// has checks that the call of a reply left one event of a type.
func (p *provers) has(t *testing.T, r harness.Response, kind, actor, reason string) {
	t.Helper()
	n := 0
	for _, e := range p.EventsOf(r.Header.Get("X-Request-Id")) {
		if e.Type == kind && e.Actor["id"] == actor && e.Reason == reason {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d events %s of %s (%s): %+v", n, kind, actor, reason, p.EventsOf(r.Header.Get("X-Request-Id")))
	}
}

func (p *provers) call(t *testing.T, path, tool, token string) harness.Response {
	t.Helper()
	return p.post(t, path, strings.Replace(echo, "echo", tool, 1), "Authorization", "Bearer "+token, "MCP-Protocol-Version", "2025-06-18")
}

// TestLoginByProof logs in over real sockets with real proofs, uses the session
// and loses it with the enrolment.
func TestLoginByProof(t *testing.T) {
	p := newProvers(t)
	s := p.login(t, "alice")
	if r := p.call(t, "/mcp", "echo", s.Token); r.Status != http.StatusOK || !strings.Contains(r.Body, "hello") {
		t.Fatalf("with the session: %d %s", r.Status, r.Body)
	}
	if r := p.call(t, "/mcp", "delete", s.Token); r.Status != http.StatusForbidden {
		t.Errorf("without the scope: %d %s", r.Status, r.Body)
	}
	if r := p.call(t, "/keys", "echo", s.Token); r.Status != http.StatusUnauthorized {
		t.Errorf("on a route that takes no proofs: %d %s", r.Status, r.Body)
	}
	if _, err := adminzkp.Remove(t.Context(), p.API(), "alice"); err != nil {
		t.Fatal(err)
	}
	if r := p.call(t, "/mcp", "echo", s.Token); r.Status != http.StatusUnauthorized {
		t.Errorf("after the removal: %d %s", r.Status, r.Body)
	}
	r := p.post(t, "/auth/token", "grant_type=refresh_token&refresh_token="+s.RefreshToken, "Content-Type", "application/x-www-form-urlencoded")
	if r.Status != http.StatusBadRequest {
		t.Errorf("refresh after the removal: %d %s", r.Status, r.Body)
	}
	r = p.post(t, zkp.VerifyPath, p.proof(t, "alice", "alice", p.challenge(t, "alice")))
	if r.Status != http.StatusUnauthorized || !strings.Contains(r.Body, `"detail":"Invalid proof"`) {
		t.Errorf("login after the removal: %d %s", r.Status, r.Body)
	}
	p.has(t, r, "ZKP_AUTH_FAILURE", "zkp:alice", "not_enrolled")

	// Enrolled anew with another key, the sessions on the one before end.
	bob := p.login(t, "bob")
	if _, err := adminzkp.Enroll(t.Context(), p.API(), adminzkp.Enrol{UserID: "bob", PublicKey: p.public["alice"], Scopes: []string{"tools:echo"}, Replace: true}); err != nil {
		t.Fatal(err)
	}
	if r := p.call(t, "/mcp", "echo", bob.Token); r.Status != http.StatusUnauthorized {
		t.Errorf("after the replacement: %d %s", r.Status, r.Body)
	}
	r = p.post(t, zkp.VerifyPath, p.proof(t, "bob", "bob", p.challenge(t, "bob")))
	p.has(t, r, "ZKP_AUTH_FAILURE", "zkp:bob", "invalid_proof")
}

// TestProofIsForOneUse: a challenge opens once, for its user, in this process.
func TestProofIsForOneUse(t *testing.T) {
	p := newProvers(t)
	o := p.challenge(t, "alice")
	body := p.proof(t, "alice", "alice", o)
	var won, expired atomic.Int64
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			switch r := p.post(t, zkp.VerifyPath, body); {
			case r.Status == http.StatusOK:
				won.Add(1)
			case r.Status == http.StatusBadRequest && strings.Contains(r.Body, `"detail":"Challenge expired"`):
				expired.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || expired.Load() != 11 {
		t.Errorf("%d won, %d expired", won.Load(), expired.Load())
	}
	for name, tt := range map[string]struct {
		body   string
		status int
		reason string
		actor  string
	}{
		"another's challenge":    {p.proof(t, "bob", "bob", p.challenge(t, "alice")), 400, "challenge_expired", "zkp:bob"},
		"another's key":          {p.proof(t, "bob", "alice", p.challenge(t, "alice")), 401, "invalid_proof", "zkp:alice"},
		"another's key, claimed": {strings.Replace(p.proof(t, "bob", "alice", p.challenge(t, "alice")), `{"userId"`, `{"publicKey":"`+p.public["bob"]+`","userId"`, 1), 401, "public_inputs_differ", "zkp:alice"},
		"nobody":                 {p.proof(t, "bob", "nobody", p.challenge(t, "nobody")), 401, "not_enrolled", "zkp:nobody"},
		"twice":                  {strings.Replace(p.proof(t, "bob", "bob", p.challenge(t, "bob")), `{"userId"`, `{"userId":"alice","userId"`, 1), 400, "malformed_request", ""},
	} {
		r := p.post(t, zkp.VerifyPath, tt.body)
		if r.Status != tt.status {
			t.Errorf("%s: %d %s", name, r.Status, r.Body)
		}
		n := 0
		for _, e := range p.EventsOf(r.Header.Get("X-Request-Id")) {
			if id, _ := e.Actor["id"].(string); e.Type == "ZKP_AUTH_FAILURE" && e.Reason == tt.reason && id == tt.actor {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s: %+v", name, p.EventsOf(r.Header.Get("X-Request-Id")))
		}
	}
	long := `{"userId":"` + strings.Repeat("x", zkp.MaxBody) + `"}`
	if r := p.post(t, zkp.VerifyPath, long); r.Status != http.StatusRequestEntityTooLarge {
		t.Errorf("long: %d", r.Status)
	}
	if r := p.post(t, zkp.VerifyPath, body, "Content-Type", "text/plain"); r.Status != http.StatusUnsupportedMediaType {
		t.Errorf("text: %d", r.Status)
	}
	if r := harness.Do(t, http.MethodGet, p.Base+zkp.ChallengePath, nil); r.Status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", r.Status)
	}
	p.tellsNothing(t, body)
}

// tellsNothing looks for the numbers of a proof in logs and events.
func (p *provers) tellsNothing(t *testing.T, body string) {
	t.Helper()
	var sent struct {
		Proof struct {
			A []string `json:"pi_a"`
		}
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil {
		t.Fatal(err)
	}
	events, err := json.Marshal(p.Events())
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range sent.Proof.A[:2] {
		if strings.Contains(p.Log.String(), number) || strings.Contains(string(events), number) {
			t.Error("a number of a proof is in the log or the journal")
		}
	}
}

// TestAskingIsBounded: one address gets so many challenges and no more.
func TestAskingIsBounded(t *testing.T) {
	p := newProvers(t)
	for n := 0; ; n++ {
		r := p.post(t, zkp.ChallengePath, `{"userId":"alice"}`)
		if r.Status == http.StatusTooManyRequests && r.Header.Get("Retry-After") != "" {
			return
		}
		if r.Status != http.StatusOK || n > 60 {
			t.Fatalf("%d: %d %s", n, r.Status, r.Body)
		}
	}
}

// TestReloadKeepsLogin: a verification key that is none changes nothing, and one
// that is for another audience ends the challenges that wait.
func TestReloadKeepsLogin(t *testing.T) {
	p := newProvers(t)
	o := p.challenge(t, "alice")
	p.Reconfigure(strings.Replace(p.config, "verification_key = \"", "verification_key = \"/none", 1))
	p.waitLog(t, "configuration not taken")
	if r := p.post(t, zkp.VerifyPath, p.proof(t, "alice", "alice", o)); r.Status != http.StatusOK {
		t.Errorf("after a bad reload: %d %s", r.Status, r.Body)
	}
	p.Reconfigure(strings.Replace(p.config, "insecure_allow_development_key = true", "", 1))
	p.waitLog(t, "insecure_allow_development_key = true")
	o = p.challenge(t, "alice")
	p.Reconfigure(strings.Replace(p.config, "[identity.zkp]\n", "[identity.zkp]\naudience = \"https://elsewhere.example.com\"\n", 1))
	p.waitLog(t, "configuration reloaded")
	r := p.post(t, zkp.VerifyPath, p.proof(t, "alice", "alice", o))
	if r.Status != http.StatusBadRequest || !strings.Contains(r.Body, "Challenge expired") {
		t.Errorf("a challenge of another audience: %d %s", r.Status, r.Body)
	}
	if o = p.challenge(t, "alice"); o.Audience != "https://elsewhere.example.com" {
		t.Errorf("%+v", o)
	}
}

func (p *provers) waitLog(t *testing.T, text string) {
	t.Helper()
	tick, end := time.NewTicker(20*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for !strings.Contains(p.Log.String(), text) {
		select {
		case <-end:
			t.Fatalf("the log never said %q", text)
		case <-tick.C:
		}
	}
}
