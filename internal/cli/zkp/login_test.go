package zkp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// TestLoginProvesNothingForOthers: a challenge that is none, or was made for
// another user or gateway, is not proved.
func TestLoginProvesNothingForOthers(t *testing.T) {
	nonce := strings.Repeat("ab", 32)
	for name, change := range map[string]func(o *zkp.Offer, base string){
		"as it should be": func(*zkp.Offer, string) {},
		"another audience": func(o *zkp.Offer, _ string) {
			o.Audience = "https://mcp.example.com"
			o.Challenge, _ = zkp.Derive(o.Audience, "alice", nonce)
		},
		"another audience, renamed": func(o *zkp.Offer, _ string) { o.Challenge, _ = zkp.Derive("https://mcp.example.com", "alice", nonce) },
		"another user":              func(o *zkp.Offer, base string) { o.Challenge, _ = zkp.Derive(base, "bob", nonce) },
		"plus the order": func(o *zkp.Offer, _ string) {
			o.Challenge = "21888242871839275222246405745257275088548364400416034343698204186575808495618"
		},
		"no number":    func(o *zkp.Offer, _ string) { o.Challenge = "0x1" },
		"short nonce":  func(o *zkp.Offer, _ string) { o.Nonce = "ab" },
		"no id":        func(o *zkp.Offer, _ string) { o.ChallengeID = "" },
		"chosen":       func(o *zkp.Offer, _ string) { o.Challenge = "1" },
		"empty answer": func(o *zkp.Offer, _ string) { *o = zkp.Offer{} },
	} {
		proved := false
		var base string
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var answer any = zkp.Session{AccessToken: "t"}
			if r.URL.Path == zkp.ChallengePath {
				value, err := zkp.Derive(base, "alice", nonce)
				if err != nil {
					t.Error(err)
				}
				o := zkp.Offer{ChallengeID: strings.Repeat("0", 32), Challenge: value, Nonce: nonce, Audience: base}
				change(&o, base)
				answer = o
			}
			if err := json.NewEncoder(w).Encode(answer); err != nil {
				t.Error(err)
			}
		}))
		base = srv.URL
		g, err := newGate(base+"/mcp", "")
		if err != nil {
			t.Fatal(err)
		}
		s, err := g.login(t.Context(), "alice", func(zkp.Element) ([]byte, error) {
			proved = true
			return []byte("{}"), nil
		})
		if good := name == "as it should be"; proved != good || (err == nil) != good || (s.AccessToken == "t") != good {
			t.Errorf("%s: proved %v, %v", name, proved, err)
		}
		srv.Close()
	}
}

func TestLoginRefusals(t *testing.T) {
	for status, want := range map[int]string{401: "status 401: Invalid proof", 400: "status 400: Invalid proof", 302: "status 302", 200: "reading the answer"} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://elsewhere.example.com/")
			w.WriteHeader(status)
			if status != 302 {
				fmt.Fprint(w, map[bool]string{true: "[", false: `{"detail":"Invalid proof"}`}[status == 200])
			}
		}))
		g, err := newGate(srv.URL, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.login(t.Context(), "alice", nil)
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, frame.ErrNo) != (status == 401) {
			t.Errorf("%d: %v", status, err)
		}
		srv.Close()
	}
	for _, bad := range []string{"", "mcp.example.com", "http://mcp.example.com", "http://10.0.0.1", "http://127.0.0.1.example.com", "ftp://127.0.0.1", "https://u:p@mcp.example.com", "http://localhost.example.com:80"} {
		if _, err := newGate(bad, ""); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, good := range []string{"https://mcp.example.com/mcp", "http://127.0.0.1:8080", "http://localhost:8080/", "http://[::1]:8080"} {
		if _, err := newGate(good, ""); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}
