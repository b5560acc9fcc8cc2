package zkp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	adminzkp "github.com/portcullis-dev/portcullis/internal/admin/zkp"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp/setup"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// A proof that snarkjs makes for a challenge of the gateway, as a browser does,
// logs in; sent again it does not.
func TestSnarkjsLogsIn(t *testing.T) {
	s, dir := find(t), t.TempDir()
	s.compile(t, dir)
	keys := filepath.Join(dir, "zkp")
	if _, err := setup.Develop(keys, system(t)); err != nil {
		t.Fatal(err)
	}
	up := harness.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) { harness.Answer(w, r, `{"content":[]}`) })
	g := harness.Start(t, fmt.Sprintf(`
[identity.zkp]
verification_key = %q
insecure_allow_development_key = true
[[route]]
name = "files"
path = "/mcp"
upstream = %q
auth = ["zkp"]
`, filepath.Join(keys, setup.VerificationKey), up.URL+"/mcp"))
	if _, err := adminzkp.Enroll(t.Context(), g.API(), adminzkp.Enrol{UserID: "alice", PublicKey: publicKey(t, holderKey), Scopes: []string{"tools:*"}}); err != nil {
		t.Fatal(err)
	}
	asked := harness.Do(t, http.MethodPost, g.Base+zkp.ChallengePath, []byte(`{"userId":"alice"}`))
	var offer zkp.Offer
	if err := json.Unmarshal([]byte(asked.Body), &offer); err != nil || asked.Status != http.StatusOK {
		t.Fatalf("%d %s", asked.Status, asked.Body)
	}
	write(t, filepath.Join(dir, "in.json"), fmt.Appendf(nil, `{"privateKey":%q,"publicKey":%q,"challenge":%q}`, holderKey, publicKey(t, holderKey), offer.Challenge))
	s.run(t, dir, s.snarkjs, "groth16", "fullprove", "in.json", "login_js/login.wasm", filepath.Join(keys, setup.ProvingKey), "proof.json", "public.json")
	body := fmt.Appendf(nil, `{"userId":"alice","challengeId":%q,"proof":%s,"publicSignals":%s,"publicKey":%q}`,
		offer.ChallengeID, read(t, filepath.Join(dir, "proof.json")), read(t, filepath.Join(dir, "public.json")), publicKey(t, holderKey))
	r := harness.Do(t, http.MethodPost, g.Base+zkp.VerifyPath, body)
	var session zkp.Session
	if err := json.Unmarshal([]byte(r.Body), &session); err != nil || r.Status != http.StatusOK {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	call := harness.Do(t, http.MethodPost, g.URL, []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}`),
		"Authorization", "Bearer "+session.Token, "MCP-Protocol-Version", "2025-06-18")
	if call.Status != http.StatusOK {
		t.Errorf("with the session: %d %s", call.Status, call.Body)
	}
	if r := harness.Do(t, http.MethodPost, g.Base+zkp.VerifyPath, body); r.Status != http.StatusBadRequest {
		t.Errorf("again: %d %s", r.Status, r.Body)
	}
}
