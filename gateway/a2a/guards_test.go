package a2a

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/ownership"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// names resolves as the test says.
func names(addrs ...string) func(context.Context, string) ([]netip.Addr, error) {
	return func(context.Context, string) ([]netip.Addr, error) {
		var out []netip.Addr
		for _, a := range addrs {
			out = append(out, netip.MustParseAddr(a))
		}
		return out, nil
	}
}

func guards(t *testing.T, change func(*config.Route), d Deps) (Guards, func(body string) (*portcullis.Message, error)) {
	t.Helper()
	rc := config.DefaultRoute()
	rc.Name, rc.Path, rc.Protocol = "agent", "/agent", "a2a"
	if change != nil {
		change(&rc)
	}
	g := New(&rc, d, jsonrpc.DefaultLimits(), jsonrpc.DefaultReplyLimits())
	return g, func(body string) (*portcullis.Message, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://gateway/agent", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("A2a-Version", "1.0")
		who := portcullis.Principal{ID: "alice"}
		m, err := g.Decode.Decode(t.Context(), &portcullis.Conn{HTTP: r}, who, []byte(body))
		for _, i := range g.Inspect {
			if err != nil {
				return m, err
			}
			m, err = i.Inspect(t.Context(), who, m)
		}
		return m, err
	}
}

const sending = `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","parts":[%s]}%s}}`

func file(uri string) string { return fmt.Sprintf(sending, fmt.Sprintf(`{"url":%q}`, uri), "") }

func pushing(url string) string {
	return fmt.Sprintf(sending, `{"text":"x"}`, fmt.Sprintf(`,"configuration":{"taskPushNotificationConfig":{"url":%q}}`, url))
}

func TestFileURIs(t *testing.T) {
	public, inside, rebound := names("93.184.216.34"), names("10.0.0.7"), names("93.184.216.34", "127.0.0.1")
	for _, c := range []struct {
		mode, uri string
		resolve   func(context.Context, string) ([]netip.Addr, error)
		want      bool
	}{
		{"public", "https://files.example.com/a", public, true},
		{"public", "https://93.184.216.34/a", inside, true},
		{"public", "https://files.example.com/a", inside, false},
		{"public", "https://files.example.com/a", rebound, false},
		{"public", "https://files.example.com/a", names(), false},
		{"public", "http://files.example.com/a", public, false},
		{"public", "https://localhost/a", public, false},
		{"public", "https://db.internal/a", public, false},
		{"public", "https://router/a", public, false},
		{"public", "https://127.1/a", public, false},
		{"public", "https://2130706433/a", public, false},
		{"public", "https://[::1]/a", public, false},
		{"public", "https://[::ffff:169.254.169.254]/a", public, false},
		{"public", "https://user@files.example.com/a", public, false},
		{"public", "https://files.example.com\u3002evil.example/a", public, false},
		{"public", "https://kept.example/a", inside, true},
		{"hosts", "https://kept.example/a", inside, true},
		{"hosts", "https://below.kept.example/a", inside, true},
		{"hosts", "https://unkept.example/a", public, false},
		{"hosts", "https://files.example.com/a", public, false},
		{"deny", "https://kept.example/a", public, false},
	} {
		_, call := guards(t, func(rc *config.Route) {
			rc.A2A.FileURIs, rc.A2A.FileHosts = c.mode, []string{"kept.example"}
		}, Deps{Resolve: c.resolve})
		if _, err := call(file(c.uri)); (err == nil) != c.want {
			t.Errorf("%s %s: %v", c.mode, c.uri, err)
		} else if err != nil {
			blocked(t, err)
		}
	}
}

func blocked(t *testing.T, err error) {
	t.Helper()
	var e *portcullis.Error
	if !errors.As(err, &e) || e.Kind != portcullis.KindForbidden && e.Kind != portcullis.KindMalformed || e.Event == "" {
		t.Errorf("refused with %#v", err)
	}
}

func TestPushTargets(t *testing.T) {
	public, inside := names("93.184.216.34"), names("10.0.0.7")
	for _, c := range []struct {
		url     string
		resolve func(context.Context, string) ([]netip.Addr, error)
		private bool
		want    bool
	}{
		{"https://hooks.example.com/x?y=z", public, false, true},
		{"https://hooks.example.com:443/x", public, false, true},
		{"https://a.below.example/x", public, false, true},
		{"https://other.example:8443/x", public, false, true},
		{"https://hooks.example.com/x", inside, false, false},
		{"https://hooks.example.com/x", names("93.184.216.34", "::1"), false, false},
		{"https://hooks.example.com:22/x", public, false, false},
		{"https://other.example/x", public, false, false},
		{"https://below.example/x", public, false, false},
		{"https://evilbelow.example/x", public, false, false},
		{"http://hooks.example.com/x", public, false, false},
		{"https://hooks.example.com.evil.example/", public, false, false},
		{"https://hooks.example.com@evil.example/", public, false, false},
		{"http://hooks.example.com/x", inside, true, true},
		{"http://evil.example/x", inside, true, false},
	} {
		_, call := guards(t, func(rc *config.Route) {
			rc.A2A.Push.Hosts = []string{"hooks.example.com", "*.below.example", "other.example:8443"}
			rc.A2A.Push.InsecurePrivate = c.private
		}, Deps{Resolve: c.resolve})
		if _, err := call(pushing(c.url)); (err == nil) != c.want {
			t.Errorf("%s: %v", c.url, err)
		} else if err != nil {
			blocked(t, err)
		}
	}
	_, call := guards(t, nil, Deps{Resolve: public})
	if _, err := call(pushing("https://hooks.example.com/x")); err == nil {
		t.Error("a target passed on a route without notifications")
	}
}

func TestBindingsAndSkills(t *testing.T) {
	_, call := guards(t, func(rc *config.Route) { rc.A2A.DefaultSkill = "chat" }, Deps{})
	m, err := call(fmt.Sprintf(sending, `{"text":"x"}`, ""))
	if err != nil || m.Target != (portcullis.Target{Kind: portcullis.TargetSkill, Name: "chat"}) {
		t.Errorf("%v, %v", m.Target, err)
	}
	_, call = guards(t, func(rc *config.Route) { rc.A2A.Bindings = []string{"http+json"} }, Deps{})
	if _, err := call(fmt.Sprintf(sending, `{"text":"x"}`, "")); err == nil {
		t.Error("a binding that is off passed")
	}
}

func TestContextsOfCallers(t *testing.T) {
	in := `{"jsonrpc":"2.0","id":1,"method":"SendMessage","params":{"message":{"messageId":"m","role":"ROLE_USER","contextId":"mine","parts":[{"text":"x"}]}}}`
	_, call := guards(t, nil, Deps{})
	if _, err := call(in); err == nil {
		t.Error("a context that nobody made passed")
	}
	l := ownership.NewLedger(ownership.Forgetful{}, 0, nil)
	_, call = guards(t, func(rc *config.Route) { rc.A2A.CallerContexts = true }, Deps{Owners: l})
	if _, err := call(in); err != nil {
		t.Error(err)
	}
	if ok, err := l.Owns(t.Context(), ownership.KeyOf("agent", ownership.Context, "mine"), "alice"); !ok || err != nil {
		t.Errorf("the context is not its caller's: %v", err)
	}
	if ok, err := l.Claim(t.Context(), ownership.KeyOf("agent", ownership.Context, "mine"), "mallory"); ok || err != nil {
		t.Errorf("the context is another's: %v", err)
	}
}

// masks rewrites every text.
type masks struct{ with string }

func (masks) Name() string { return "masks" }

func (r masks) Inspect(_ context.Context, _ portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	m.Raw, m.Params, m.Arguments = []byte(r.with), nil, nil
	return m, nil
}

func TestWhatIsRewrittenIsHeldToTheSchemas(t *testing.T) {
	_, call := guards(t, nil, Deps{})
	for _, c := range []struct {
		with string
		want bool
	}{
		{fmt.Sprintf(sending, `{"text":"[redacted]"}`, ""), true},
		{fmt.Sprintf(sending, `{"texts":"[redacted]"}`, ""), false},
	} {
		m, err := call(fmt.Sprintf(sending, `{"text":"x"}`, ""))
		if err != nil {
			t.Fatal(err)
		}
		m, err = Checked([]portcullis.Inspector{masks{c.with}})[0].Inspect(t.Context(), portcullis.Principal{}, m)
		if (err == nil) != c.want {
			t.Errorf("%s: %v", c.with, err)
		} else if err == nil && (len(m.Params) == 0 || len(m.Arguments) == 0) {
			t.Errorf("%s: parts of the message are gone", c.with)
		}
	}
}
