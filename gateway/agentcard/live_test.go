package agentcard_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	sdk "github.com/a2aproject/a2a-go/v2/a2a"
	resolver "github.com/a2aproject/a2a-go/v2/a2aclient/agentcard"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
	"github.com/a2aproject/a2a-go/v2/a2asrv"

	"github.com/portcullis-dev/portcullis/gateway/agentcard"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/config/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
	"github.com/portcullis-dev/portcullis/internal/upstream/direct"
)

// TestOfficialSDK stands between an agent and readers made of the official Go
// SDK, over real connections.
func TestOfficialSDK(t *testing.T) {
	old := sdk.NewAgentInterface("https://agent.internal/a2a", sdk.TransportProtocolJSONRPC)
	old.ProtocolVersion = a2av0.Version
	c := &sdk.AgentCard{
		Name: "SDK agent", Description: "From the SDK", Version: "1.0.0",
		SupportedInterfaces: []*sdk.AgentInterface{sdk.NewAgentInterface("https://agent.internal/a2a", sdk.TransportProtocolJSONRPC), old},
		Capabilities:        sdk.AgentCapabilities{Streaming: true},
		Skills:              []sdk.AgentSkill{{ID: "s", Name: "S", Description: "Does s", Tags: []string{"t"}}},
	}
	for name, h := range map[string]http.Handler{
		"1.0": a2asrv.NewStaticAgentCardHandler(c), "1.0 and 0.3": a2asrv.NewAgentCardHandler(a2av0.NewStaticAgentCardProducer(c)),
	} {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			mux.Handle(agentcard.Path, h)
			up := httptest.NewServer(mux)
			defer up.Close()
			cfg := direct.Default()
			cfg.URL = up.URL + "/a2a"
			client, err := direct.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			f := face()
			o := agentcard.Options{Route: "planner", Upstream: cfg.URL, Transport: client.Transport(), Config: a2a.DefaultCard(), Face: f, Recorder: &journal{}}
			o.Config.ScopeArrays = true // for readers of this version of the SDK
			k, err := agentcard.New(o)
			if err != nil {
				t.Fatal(err)
			}
			front := httptest.NewServer(k)
			defer front.Close()
			got, err := resolver.NewResolver(front.Client()).Resolve(t.Context(), front.URL)
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != c.Name || len(got.SupportedInterfaces) != 2 || got.SupportedInterfaces[0].URL != f.URL || len(got.SecuritySchemes) != 1 || len(got.SecurityRequirements) != 1 || len(got.Skills) != 1 {
				t.Errorf("%+v", got)
			}
			older := &resolver.Resolver{Client: front.Client(), CardParser: a2av0.NewAgentCardParser()}
			for _, opts := range [][]resolver.ResolveOption{
				nil, {resolver.WithPath(agentcard.LegacyPath)}, {resolver.WithRequestHeader("A2A-Version", "0.3")},
			} {
				got, err := older.Resolve(t.Context(), front.URL, opts...)
				if err != nil {
					t.Fatal(err)
				}
				if got.SupportedInterfaces[0].URL != f.URL || len(got.SecurityRequirements) != 1 || got.SecuritySchemes["apiKey"] == nil {
					t.Errorf("%+v", got)
				}
			}
		})
	}
}

// TestRedirectOverTheWire: nothing is asked of another server.
func TestRedirectOverTheWire(t *testing.T) {
	asked := false
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer evil.Close()
	up := httptest.NewServer(http.RedirectHandler(evil.URL+agentcard.Path, http.StatusFound))
	defer up.Close()
	cfg := direct.Default()
	cfg.URL = up.URL
	client, err := direct.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	k, err := agentcard.New(agentcard.Options{Upstream: up.URL, Transport: client.Transport(), Config: a2a.DefaultCard(), Face: face(), Recorder: &journal{}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	k.ServeHTTP(w, httptest.NewRequest(http.MethodGet, agentcard.Path, nil))
	if w.Code != http.StatusBadGateway || asked || strings.Contains(w.Body.String(), "127.0.0.1") {
		t.Error(w.Code, asked, w.Body)
	}
}

func TestFaceOf(t *testing.T) {
	cfg := config.Default()
	cfg.Server.PublicURL = "https://gw.example.net"
	cfg.Identity.OIDC.Issuer = "https://login.example.com/"
	for auth, want := range map[string]string{
		"api_key":                     "apiKey",
		"api_key jwt oidc basic mtls": "apiKey basic bearer mutualTLS openId",
		"zkp jwt":                     "bearer",
		"none":                        "",
	} {
		rc := config.DefaultRoute()
		rc.Path, rc.Auth = "/planner", strings.Fields(auth)
		f := agentcard.FaceOf(cfg, &rc, "", []string{card.JSONRPC}, []string{"1.0"})
		if got := strings.Join(slices.Sorted(maps.Keys(f.Schemes)), " "); got != want || f.URL != "https://gw.example.net/planner" || len(f.Requirements) != len(f.Schemes) || f.Extended != (want != "") {
			t.Errorf("%s: %+v", auth, f)
		}
		if s := f.Schemes["bearer"]; s.Type != "" && !strings.HasSuffix(s.Description, "https://gw.example.net/.well-known/oauth-protected-resource/planner") {
			t.Error(s.Description)
		}
		if s := f.Schemes["openId"]; s.Type != "" && s.OpenIDURL != "https://login.example.com/.well-known/openid-configuration" {
			t.Error(s.OpenIDURL)
		}
		s := newStand(t, agentCard, func(o *agentcard.Options) { o.Face = f })
		if c := s.card(); len(c.Schemes) != len(f.Schemes) || len(c.Requirements) != len(f.Requirements) || c.Capabilities.Extended != f.Extended {
			t.Errorf("%s: %+v", auth, c)
		}
	}
}

// TestSignedByTheRing verifies a card with the published key set, as any
// client would.
func TestSignedByTheRing(t *testing.T) {
	db, err := sqlite.Open(t.Context(), t.TempDir()+"/p.db")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	ring, err := signing.New(t.Context(), db.Sessions(), make([]byte, signing.SealKeySize), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Maintain(context.WithoutCancel(t.Context()), 30*24*3600e9, 25*3600e9); err != nil {
		t.Fatal(err)
	}
	s := newStand(t, agentCard, func(o *agentcard.Options) { o.Sign = agentcard.Signer(ring, o.Face.URL, "/planner") })
	w := httptest.NewRecorder()
	ring.ServeHTTP(w, httptest.NewRequest(http.MethodGet, signing.JWKSPath, nil))
	published, err := card.ParseKeys(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	body := s.get(agentcard.Path).Body.Bytes()
	if _, err := published.Verify(body); err != nil {
		t.Error(err)
	}
	c, err := card.Parse(body, card.Options{})
	if err != nil || len(c.Signatures) != 2 {
		t.Fatal(err)
	}
	head := decode(t, c.Signatures[0].Protected)
	for _, want := range []string{`"alg":"EdDSA"`, `"typ":"JOSE"`, `"jku":"https://gw.example.net/.well-known/jwks.json"`, `"kid":"`} {
		if !strings.Contains(head, want) {
			t.Errorf("%s lacks %s", head, want)
		}
	}
}

// discard is a ResponseWriter that keeps its header.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)               {}

func BenchmarkServe(b *testing.B) {
	k, err := agentcard.New(agentcard.Options{Upstream: "https://agent.internal/", Transport: newAgent(agentCard), Config: a2a.DefaultCard(), Face: face(), Recorder: &journal{}})
	if err != nil {
		b.Fatal(err)
	}
	for name, field := range map[string]string{"card": "", "not modified": "*"} {
		b.Run(name, func(b *testing.B) {
			req, w := httptest.NewRequest(http.MethodGet, agentcard.Path, nil), discard{http.Header{}}
			if field != "" {
				req.Header.Set("If-None-Match", field)
			}
			k.ServeHTTP(w, req)
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				k.ServeHTTP(w, req)
			}
		})
	}
}
