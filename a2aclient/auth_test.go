package a2aclient_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/portcullis-dev/portcullis/a2aclient"
)

func answering(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, `{"jsonrpc":"2.0","id":`+idOf(r)+`,"result":`+goodTask+`}`)
}

func with(c ...a2aclient.Credential) a2aclient.Options {
	o := bearer()
	o.Credentials = c
	return o
}

// TestSchemes looks where each credential ends up.
func TestSchemes(t *testing.T) {
	text := a2aclient.Text(secret)
	for name, tt := range map[string]struct {
		schemes, needs string
		give           []a2aclient.Credential
		check          func(*http.Request) string
		want           string
	}{
		"bearer": {`{"t":{"httpAuthSecurityScheme":{"scheme":"bearer"}}}`, `[{"schemes":{"t":[]}}]`, []a2aclient.Credential{a2aclient.Bearer(text)},
			func(r *http.Request) string { return r.Header.Get("Authorization") }, "Bearer " + secret},
		"basic": {`{"t":{"httpAuthSecurityScheme":{"scheme":"Basic"}}}`, `[{"schemes":{"t":[]}}]`, []a2aclient.Credential{a2aclient.Basic("admin", a2aclient.Text("secret"))},
			func(r *http.Request) string { return r.Header.Get("Authorization") }, "Basic YWRtaW46c2VjcmV0"},
		"key in a header": {`{"t":{"apiKeySecurityScheme":{"location":"header","name":"X-Key"}}}`, `[{"schemes":{"t":[]}}]`, []a2aclient.Credential{a2aclient.APIKey(text)},
			func(r *http.Request) string { return r.Header.Get("X-Key") + r.Header.Get("Authorization") }, secret},
		"key in the query": {`{"t":{"apiKeySecurityScheme":{"location":"query","name":"k"}}}`, `[{"schemes":{"t":[]}}]`, []a2aclient.Credential{a2aclient.APIKey(text)},
			func(r *http.Request) string { return r.URL.Query().Get("k") }, secret},
		"key in a cookie": {`{"t":{"apiKeySecurityScheme":{"location":"cookie","name":"k"}}}`, `[{"schemes":{"t":[]}}]`, []a2aclient.Credential{a2aclient.APIKey(text)},
			func(r *http.Request) string { return r.Header.Get("Cookie") }, "k=" + secret},
		"a token for OpenID Connect": {`{"t":{"openIdConnectSecurityScheme":{"openIdConnectUrl":"https://id.example/.well-known/openid-configuration"}}}`, `[{"schemes":{"t":[]}}]`,
			[]a2aclient.Credential{a2aclient.Bearer(text)}, func(r *http.Request) string { return r.Header.Get("Authorization") }, "Bearer " + secret},
		"the second of two": {`{"a":{"apiKeySecurityScheme":{"location":"header","name":"X-Key"}},"t":{"httpAuthSecurityScheme":{"scheme":"Bearer"}}}`,
			`[{"schemes":{"a":[]}},{"schemes":{"t":[]}}]`, []a2aclient.Credential{a2aclient.Bearer(text)},
			func(r *http.Request) string { return r.Header.Get("Authorization") + r.Header.Get("X-Key") }, "Bearer " + secret},
		"both": {`{"a":{"apiKeySecurityScheme":{"location":"header","name":"X-Key"}},"t":{"httpAuthSecurityScheme":{"scheme":"Bearer"}}}`,
			`[{"schemes":{"a":[],"t":[]}}]`, []a2aclient.Credential{a2aclient.Bearer(text), a2aclient.APIKey(a2aclient.Text("k"))},
			func(r *http.Request) string { return r.Header.Get("Authorization") + r.Header.Get("X-Key") }, "Bearer " + secret + "k"},
		"nothing asked": {`{}`, `[]`, []a2aclient.Credential{a2aclient.Bearer(text)},
			func(r *http.Request) string { return r.Header.Get("Authorization") }, "Bearer " + secret},
		"a key whose place we say": {`{}`, `[]`, []a2aclient.Credential{a2aclient.APIKeyIn("header", "X-Mine", text)},
			func(r *http.Request) string { return r.Header.Get("X-Mine") }, secret},
		"nothing": {`{}`, `[]`, nil, func(r *http.Request) string { return r.Header.Get("Authorization") + r.URL.RawQuery }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t, answering)
			h.card = func(url string) string { return cardWith(url+"/a2a", "JSONRPC", tt.schemes, tt.needs) }
			c := connect(t, h.URL, with(tt.give...))
			if _, err := c.Task(t.Context(), "t1"); err != nil {
				t.Fatal(err)
			}
			all := h.requests()
			if got := tt.check(all[0]); len(tt.give) > 0 && got != "" {
				t.Errorf("the card was asked for with %q", got)
			}
			if got := tt.check(all[1]); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := fmt.Sprintf("%v %+v %#v", tt.give, tt.give, tt.give); strings.Contains(got, secret) {
				t.Errorf("printed: %s", got)
			}
		})
	}
}

// TestNothingIsLeftOut: a credential that fits nothing, or one that is missing,
// is an error before any call.
func TestNothingIsLeftOut(t *testing.T) {
	text := a2aclient.Text(secret)
	broken := func(give ...a2aclient.Credential) []a2aclient.Credential { return give }
	header := func(name string) string {
		return `{"t":{"apiKeySecurityScheme":{"location":"header","name":"` + name + `"}}}`
	}
	one := `[{"schemes":{"t":[]}}]`
	for name, tt := range map[string]struct {
		schemes, needs string
		give           []a2aclient.Credential
	}{
		"none given":              {header("X-Key"), one, nil},
		"one too many":            {header("X-Key"), one, broken(a2aclient.APIKey(text), a2aclient.Bearer(text))},
		"two of one form":         {header("X-Key"), one, broken(a2aclient.APIKey(text), a2aclient.APIKey(text))},
		"an empty one":            {header("X-Key"), one, broken(a2aclient.Credential{})},
		"a key without a place":   {`{}`, `[]`, broken(a2aclient.APIKey(text))},
		"a key in another place":  {header("X-Key"), one, broken(a2aclient.APIKeyIn("query", "k", text))},
		"a key as the host":       {header("Host"), one, broken(a2aclient.APIKey(text))},
		"a key as the version":    {header("A2A-Version"), one, broken(a2aclient.APIKey(text))},
		"OAuth without an issuer": {`{}`, `[]`, broken(a2aclient.ClientCredentials(a2aclient.OAuth{ClientID: "me", Secret: text}))},
		"an issuer elsewhere": {`{"t":{"oauth2SecurityScheme":{"flows":{"clientCredentials":{"tokenUrl":"https://evil.example/token","scopes":{}}}}}}`, one,
			broken(a2aclient.ClientCredentials(a2aclient.OAuth{ClientID: "me", Secret: text}))},
		"a flow for people": {`{"t":{"oauth2SecurityScheme":{"flows":{"authorizationCode":{"authorizationUrl":"https://id.example/a","tokenUrl":"https://id.example/t","scopes":{}}}}}}`, one,
			broken(a2aclient.ClientCredentials(a2aclient.OAuth{ClientID: "me", Secret: text}))},
		"a certificate over plain HTTP": {`{"t":{"mtlsSecurityScheme":{}}}`, one, broken(a2aclient.Certificate(nil))},
		"a name with a colon":           {`{}`, `[]`, broken(a2aclient.Basic("a:b", text))},
		"one for an open agent":         {header("X-Key"), `[{"schemes":{}}]`, broken(a2aclient.Bearer(text))},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHostile(t, func(http.ResponseWriter, *http.Request) { t.Error("was called") })
			h.card = func(url string) string { return cardWith(url+"/a2a", "JSONRPC", tt.schemes, tt.needs) }
			_, err := a2aclient.Connect(t.Context(), h.URL, with(tt.give...))
			if !errors.Is(err, a2aclient.ErrAuth) && !errors.Is(err, a2aclient.ErrCard) || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, bad := range map[string]string{"empty": "", "a line break": "x\r\nX-Evil: 1", "NUL": "x\x00"} {
		h := newHostile(t, func(http.ResponseWriter, *http.Request) { t.Error("was called") })
		c := connect(t, h.URL, with(a2aclient.Bearer(a2aclient.Text(bad))))
		if _, err := c.Task(t.Context(), "t1"); !errors.Is(err, a2aclient.ErrAuth) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestClientCredentials gets a token once, uses it, and gets another when it is
// refused.
func TestClientCredentials(t *testing.T) {
	var tokens, refuse atomic.Int32
	h := newHostile(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			user, pw, _ := r.BasicAuth()
			body, _ := io.ReadAll(r.Body)
			if user != "me" || pw != secret || !strings.Contains(string(body), "scope=read") {
				t.Errorf("%q %q %s", user, pw, body)
			}
			writeJSON(w, fmt.Sprintf(`{"access_token":"token-%d","token_type":"Bearer","expires_in":3600}`, tokens.Add(1)))
			return
		}
		if got, want := r.Header.Get("Authorization"), fmt.Sprintf("Bearer token-%d", tokens.Load()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if refuse.CompareAndSwap(1, 0) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answering(w, r)
	})
	h.card = func(url string) string {
		return cardWith(url+"/a2a", "JSONRPC", `{"t":{"oauth2SecurityScheme":{"flows":{"clientCredentials":{"tokenUrl":"`+url+`/token","scopes":{"read":"r"}}}}}}`, `[{"schemes":{"t":["read"]}}]`)
	}
	c := connect(t, h.URL, with(a2aclient.ClientCredentials(a2aclient.OAuth{ClientID: "me", Secret: a2aclient.Text(secret)})))
	for range 3 {
		if _, err := c.Task(t.Context(), "t1"); err != nil {
			t.Fatal(err)
		}
	}
	if n := tokens.Load(); n != 1 {
		t.Errorf("%d tokens for three calls", n)
	}
	refuse.Store(1)
	if _, err := c.Task(t.Context(), "t1"); err != nil || tokens.Load() != 2 {
		t.Errorf("%v, %d tokens", err, tokens.Load())
	}
	refuse.Store(1)
	var agent *a2aclient.AgentError
	if _, err := c.Cancel(t.Context(), "t1"); !errors.As(err, &agent) || agent.Status != http.StatusUnauthorized {
		t.Errorf("a call that is not repeated: %v", err)
	}
}

func TestCertificate(t *testing.T) {
	var asked atomic.Int32
	h := &hostile{card: cardOf}
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 1 {
			asked.Add(1)
		}
		if r.Method == http.MethodGet {
			writeJSON(w, cardWith(h.URL+"/a2a", "JSONRPC", `{"t":{"mtlsSecurityScheme":{}}}`, `[{"schemes":{"t":[]}}]`))
			return
		}
		answering(w, r)
	}))
	h.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	h.StartTLS()
	defer h.Close()
	roots := x509.NewCertPool()
	roots.AddCert(h.Certificate())
	pair := h.TLS.Certificates[0]
	o := with(a2aclient.Certificate(func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }))
	if _, err := a2aclient.Connect(t.Context(), h.URL, o); err == nil {
		t.Error("an unknown root was trusted")
	}
	o.Roots = roots
	c := connect(t, h.URL, o)
	if _, err := c.Task(t.Context(), "t1"); err != nil || asked.Load() < 2 {
		t.Errorf("%v, %d requests with a certificate", err, asked.Load())
	}
}
