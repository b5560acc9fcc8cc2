package probe_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis/internal/secrets/probe"
	"github.com/portcullis-dev/portcullis/test/provider"
)

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// TestProviders asks a fake of each provider about keys in all states: only its
// own yes is a yes, and only its own no is a no.
func TestProviders(t *testing.T) {
	t.Parallel()
	fake := provider.New()
	url := serve(t, fake)
	for _, kind := range probe.Kinds() {
		if kind == probe.None || kind == probe.HTTP {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			p, err := probe.New(probe.Config{Kind: kind, URL: url})
			if err != nil {
				t.Fatal(err)
			}
			for state, want := range map[provider.State]probe.Verdict{
				provider.Valid: probe.Accepted, "": probe.Refused, provider.Limited: probe.Unknown, provider.Busy: probe.Unknown,
				provider.Broken: probe.Unknown, provider.Captured: probe.Unknown, provider.Moved: probe.Unknown,
			} {
				key := fmt.Sprintf("key-%s-%s", kind, state)
				fake.Set(key, state)
				if got := p.Ask(t.Context(), []byte(key)); got.Verdict != want {
					t.Errorf("%q: %+v, want %s", state, got, want)
				}
			}
			key := "flap-" + kind
			fake.Set(key, provider.Flapping)
			for i, want := range []probe.Verdict{probe.Unknown, probe.Accepted, probe.Unknown, probe.Accepted} {
				if got := p.Ask(t.Context(), []byte(key)); got.Verdict != want {
					t.Errorf("flapping, question %d: %+v, want %s", i, got, want)
				}
			}
		})
	}
}

// TestGeneric: a question of one's own.
func TestGeneric(t *testing.T) {
	t.Parallel()
	fake := provider.New()
	fake.Set("good", provider.Valid)
	fake.Set("limited", provider.Limited)
	url := serve(t, fake) + "/custom"
	for name, c := range map[string]struct {
		cfg  probe.Config
		key  string
		want probe.Verdict
	}{
		"header":           {probe.Config{Header: "X-Token"}, "good", probe.Accepted},
		"query":            {probe.Config{Parameter: "token"}, "good", probe.Accepted},
		"no":               {probe.Config{Header: "X-Token"}, "bad", probe.Refused},
		"member":           {probe.Config{Header: "X-Token", Member: "active", Equals: "true"}, "good", probe.Accepted},
		"member of text":   {probe.Config{Header: "X-Token", Member: "name", Equals: "x"}, "good", probe.Accepted},
		"another member":   {probe.Config{Header: "X-Token", Member: "other"}, "good", probe.Unknown},
		"another value":    {probe.Config{Header: "X-Token", Member: "active", Equals: "false"}, "good", probe.Unknown},
		"403 says nothing": {probe.Config{Header: "X-Token"}, "limited", probe.Unknown},
		"403 means no":     {probe.Config{Header: "X-Token", Refuse: []int{403}}, "limited", probe.Refused},
		"no key":           {probe.Config{Header: "X-Token"}, "two words", probe.Refused},
		"line break":       {probe.Config{Header: "X-Token"}, "a\r\nX: y", probe.Refused},
	} {
		c.cfg.Kind, c.cfg.URL = probe.HTTP, url
		p, err := probe.New(c.cfg)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := p.Ask(t.Context(), []byte(c.key)); got.Verdict != c.want {
			t.Errorf("%s: %+v, want %s", name, got, c.want)
		}
	}
}

// TestWhatIsNotAsked: questions that would tell a key to others, or whose
// answers could mean anything.
func TestWhatIsNotAsked(t *testing.T) {
	t.Parallel()
	own := func(change func(*probe.Config)) probe.Config {
		c := probe.Config{Kind: probe.HTTP, URL: "https://api.example.com/me", Header: "X-Token"}
		change(&c)
		return c
	}
	for name, c := range map[string]probe.Config{
		"unknown kind":     {Kind: "acme"},
		"none":             {Kind: probe.None},
		"clear text":       {Kind: "openai", URL: "http://api.example.com"},
		"a name in it":     {Kind: "openai", URL: "https://u:p@api.example.com"},
		"azure needs one":  {Kind: "azure-openai"},
		"http needs one":   {Kind: probe.HTTP, Header: "X"},
		"method":           own(func(c *probe.Config) { c.Method = "DELETE" }),
		"no place for it":  own(func(c *probe.Config) { c.Header = "" }),
		"two places":       own(func(c *probe.Config) { c.Parameter = "key" }),
		"header":           own(func(c *probe.Config) { c.Header = "X Token" }),
		"prefix":           own(func(c *probe.Config) { c.Prefix = "a\r\nb: c" }),
		"equals alone":     own(func(c *probe.Config) { c.Equals = "x" }),
		"429 is no yes":    own(func(c *probe.Config) { c.Accept = []int{429} }),
		"503 is no no":     own(func(c *probe.Config) { c.Refuse = []int{503} }),
		"a redirect":       own(func(c *probe.Config) { c.Accept = []int{302} }),
		"both":             own(func(c *probe.Config) { c.Accept = []int{401} }),
		"a CA that is not": {Kind: "openai", CA: "/nowhere"},
	} {
		if _, err := probe.New(c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if k, ok := probe.For("Azure"); !ok || k != "azure-openai" || !probe.NeedsURL(k) || probe.NeedsURL("openai") || !probe.NeedsURL(probe.HTTP) {
		t.Error("the kinds of providers are others")
	}
	if _, ok := probe.For("ollama"); ok {
		t.Error("a question for a provider without keys")
	}
}

// TestNoAnswer: what is not the provider's word says nothing about a key, and a
// redirect is not followed.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	followed := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	for name, h := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, followed, http.StatusTemporaryRedirect)
		},
		"401 of other": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
		"empty 200":    func(http.ResponseWriter, *http.Request) {},
		"large": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"data":%q}`, strings.Repeat("x", probe.MaxReply))
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"data":[]}`)
		},
		"407": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) },
		"404": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"error":"x"}`, http.StatusNotFound) },
	} {
		p, err := probe.New(probe.Config{Kind: "openai", URL: serve(t, h)})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Ask(t.Context(), []byte("key")); got.Verdict != probe.Unknown {
			t.Errorf("%s: %+v", name, got)
		}
	}
	p, err := probe.New(probe.Config{Kind: "openai", URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Ask(t.Context(), []byte("key")); got.Verdict != probe.Unknown || got.Why != "network" {
		t.Errorf("no connection: %+v", got)
	}
	stopped, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if got := p.Ask(stopped, []byte("key")); got.Verdict != probe.Unknown {
		t.Errorf("no time: %+v", got)
	}
}
