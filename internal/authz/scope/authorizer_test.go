package scope

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/portcullis-dev/portcullis"
)

func act(method string, kind portcullis.TargetKind, name string) portcullis.Action {
	return portcullis.Action{Route: "r", Method: method, Target: portcullis.Target{Kind: kind, Name: name}}
}

func now() time.Time { return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC) }

func guard(t testing.TB, c Config) *Authorizer {
	t.Helper()
	a, err := New(c, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAuthorize(t *testing.T) {
	a := guard(t, Config{
		Tools:   map[string][]string{"delete_user": {"users.delete", "manage"}, "admin_*": {"manage"}, "admin_wipe": {"tools:danger"}},
		Methods: map[string][]string{"x/custom": {"custom.use", "read"}},
	})
	const (
		tool   = portcullis.TargetTool
		prompt = portcullis.TargetPrompt
		uri    = portcullis.TargetResource
		skill  = portcullis.TargetSkill
		none   = portcullis.TargetNone
	)
	for _, tc := range []struct {
		scopes string
		action portcullis.Action
		rule   string // of an allowed action; "" = denied
		need   string
	}{
		{"tools:echo", act("tools/call", tool, "echo"), "tools:echo", ""},
		{"tools:*", act("tools/call", tool, "echo"), "tools:*", ""},
		{"tools:echo", act("tools/call", tool, "sum"), "", "tools:sum"},
		{"", act("tools/call", tool, "echo"), "", "tools:echo"},
		{"prompts:*", act("tools/call", tool, "echo"), "", "tools:echo"},
		{"tools:*", act("tools/call", tool, ""), "", ""},
		{"tools:*", act("tools/call", none, ""), "", ""},
		{"tools:* prompts:*", act("tools/call", prompt, "echo"), "", ""},
		{"tools:*", act("tools/call", tool, "no scope can name this"), "tools:*", ""},
		{"", act("tools/call", tool, "no scope can name this"), "", ""},
		{"prompts:p", act("prompts/get", prompt, "p"), "prompts:p", ""},
		{"tools:p", act("prompts/get", prompt, "p"), "", "prompts:p"},
		{"resources:file:///a/*", act("resources/read", uri, "file:///a/b"), "resources:file:///a/*", ""},
		{"resources:file:///a/*", act("resources/read", uri, "file:///a/../b"), "", "resources:file:///a/../b"},
		{"resources:x", act("resources/subscribe", uri, "y"), "", "resources:y"},
		{"resources:x", act("resources/unsubscribe", uri, "x"), "resources:x", ""},
		{"prompts:p", act("completion/complete", prompt, "p"), "prompts:p", ""},
		{"resources:x", act("completion/complete", uri, "x"), "resources:x", ""},
		{"prompts:p", act("completion/complete", prompt, "q"), "", "prompts:q"},
		{"tools:*", act("completion/complete", tool, "q"), "", ""},
		{"tools:* prompts:* resources:* skills:*", act("completion/complete", none, ""), "", ""},
		{"skills:*", act("message/send", skill, "sort"), "skills:*", ""},

		// What a route asks beyond the tool's own scope: all of it.
		{"tools:*", act("tools/call", tool, "delete_user"), "", "manage tools:delete_user users.delete"},
		{"tools:* manage", act("tools/call", tool, "delete_user"), "", "manage tools:delete_user users.delete"},
		{"manage users.delete", act("tools/call", tool, "delete_user"), "", "manage tools:delete_user users.delete"},
		{"tools:* manage users.delete", act("tools/call", tool, "delete_user"), "tools:*", ""},
		{"tools:admin_x", act("tools/call", tool, "admin_x"), "", "manage tools:admin_x"},
		{"tools:admin_wipe manage", act("tools/call", tool, "admin_wipe"), "", "manage tools:admin_wipe tools:danger"},
		{"tools:* manage", act("tools/call", tool, "admin_wipe"), "tools:*", ""},
		{"prompts:*", act("prompts/get", prompt, "delete_user"), "prompts:*", ""},

		// Unknown methods are denied, listed ones need all their scopes.
		{"tools:* manage", act("tools/destroy", tool, "echo"), "", ""},
		{"manage", act("", none, ""), "", ""},
		{"manage", act("TOOLS/CALL", tool, "x"), "", ""},
		{"manage", act("notifications/made_up", none, ""), "", ""},
		{"custom.use", act("x/custom", none, ""), "", "custom.use read"},
		{"custom.use read", act("x/custom", none, ""), "custom.use", ""},
	} {
		p := portcullis.Principal{ID: "alice", Scopes: strings.Fields(tc.scopes)}
		d, err := a.Authorize(t.Context(), p, tc.action)
		if err != nil {
			t.Fatal(err)
		}
		need := strings.Fields(tc.need)
		if d.Allowed() != (tc.rule != "") || (d.Allowed() && d.Rule != tc.rule) || !slices.Equal(d.Need, need) || d.Rule == "" {
			t.Errorf("%q doing %+v: %+v, want rule %q, need %v", tc.scopes, tc.action, d, tc.rule, need)
		}
	}
}

func TestProtocolMethodsNeedAPrincipalOnly(t *testing.T) {
	a := guard(t, Default())
	for _, method := range []string{
		"initialize", "ping", "server/discover", "tools/list", "prompts/list", "resources/list", "resources/templates/list",
		"logging/setLevel", "subscriptions/listen", "notifications/initialized", "notifications/cancelled",
		"notifications/progress", "notifications/roots/list_changed", "tasks/get", "tasks/cancel",
		"stream/open", "session/close", "response",
	} {
		action := act(method, portcullis.TargetNone, "")
		if d, err := a.Authorize(t.Context(), portcullis.Principal{ID: "a"}, action); err != nil || !d.Allowed() {
			t.Errorf("%s: %+v, %v", method, d, err)
		}
		if d, err := a.Authorize(t.Context(), portcullis.Principal{}, action); err != nil || d.Allowed() {
			t.Errorf("%s for nobody: %+v, %v", method, d, err)
		}
	}
}

func TestNobodyAndExpiredAreDenied(t *testing.T) {
	a := guard(t, Default())
	call := act("tools/call", portcullis.TargetTool, "echo")
	for _, tc := range []struct {
		p    portcullis.Principal
		want bool
	}{
		{portcullis.Principal{Scopes: []string{"tools:*"}}, false},
		{portcullis.Principal{ID: "a", Scopes: []string{"tools:*"}, Expires: now()}, false},
		{portcullis.Principal{ID: "a", Scopes: []string{"tools:*"}, Expires: now().Add(-time.Second)}, false},
		{portcullis.Principal{ID: "a", Scopes: []string{"tools:*"}, Expires: now().Add(time.Second)}, true},
	} {
		if d, err := a.Authorize(t.Context(), tc.p, call); err != nil || d.Allowed() != tc.want {
			t.Errorf("%+v: %+v, %v", tc.p, d, err)
		}
		if d, err := a.Authorize(t.Context(), tc.p, act("ping", 0, "")); err != nil || d.Allowed() != tc.want {
			t.Errorf("%+v pinging: %+v, %v", tc.p, d, err)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	for want, c := range map[string]Config{
		`scopes: ""`:                 {Tools: map[string][]string{"": {"manage"}}},
		`scopes: "a*b"`:              {Tools: map[string][]string{"a*b": {"manage"}}},
		`scopes: "**"`:               {Tools: map[string][]string{"**": {"manage"}}},
		`scopes."a": want at least`:  {Tools: map[string][]string{"a": {}}},
		`scopes."a": "tool:x"`:       {Tools: map[string][]string{"a": {"tool:x"}}},
		`no wildcard`:                {Tools: map[string][]string{"a": {"tools:*"}}},
		`methods: ""`:                {Methods: map[string][]string{"": {"manage"}}},
		`methods."m": want at least`: {Methods: map[string][]string{"m": nil}},
		`fixed rules`:                {Methods: map[string][]string{"tools/call": {"read"}}},
		`methods: "ping": the proto`: {Methods: map[string][]string{"ping": {"read"}}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", c, err, want)
		}
		if a, err := New(c, nil); err == nil || a != nil {
			t.Errorf("%+v: New took it", c)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	if a, err := New(Config{Tools: map[string][]string{"*": {"read"}}}, nil); err != nil || a.Name() != "scope" {
		t.Errorf("a rule for every tool: %v", err)
	}
}

func BenchmarkAuthorizeAllow(b *testing.B) {
	benchAuthorize(b, "github/create_issue", true)
}

func BenchmarkAuthorizeDeny(b *testing.B) {
	benchAuthorize(b, "gitlab/create_issue", false)
}

func benchAuthorize(b *testing.B, name string, want bool) {
	a, err := New(Default(), nil)
	if err != nil {
		b.Fatal(err)
	}
	p := portcullis.Principal{ID: "a", Scopes: []string{"prompts:*", "tools:a", "tools:b", "tools:github/*"}, Expires: time.Now().Add(time.Hour)}
	action := act("tools/call", portcullis.TargetTool, name)
	b.ReportAllocs()
	for b.Loop() {
		if d, _ := a.Authorize(b.Context(), p, action); d.Allowed() != want {
			b.Fatal(d)
		}
	}
}
