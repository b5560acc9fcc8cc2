package cedar

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
)

func guard(t testing.TB, text string) *Authorizer {
	t.Helper()
	set, err := Load([]File{{"p.cedar", []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return New(set, Options{Clock: func() time.Time { return time.Date(2026, 3, 7, 14, 30, 0, 0, time.UTC) }})
}

// TestRisk: policies see the score of the caller who calls, from where it does.
func TestRisk(t *testing.T) {
	g := guard(t, `permit(principal, action, resource) when { context.risk < 50 };`)
	for score, want := range map[int]bool{0: true, 49: true, 50: false, 100: false} {
		g.Risk = func(principal string, from netip.Addr) int {
			if principal != alice().ID || from != netip.MustParseAddr("10.1.2.3") {
				t.Errorf("asked about %q from %s", principal, from)
			}
			return score
		}
		d, err := g.Authorize(t.Context(), alice(), call("x", ""))
		if err != nil || d.Allowed() != want {
			t.Errorf("risk %d: %+v, %v", score, d, err)
		}
	}
}

func call(name, args string) portcullis.Action {
	a := portcullis.Action{
		Route: "files", Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: name},
		Client: netip.MustParseAddr("10.1.2.3"), Secure: true,
	}
	if args != "" {
		a.Arguments = []byte(args)
	}
	return a
}

func listed(a portcullis.Action) portcullis.Action {
	a.Arguments, a.Listing = nil, true
	return a
}

func alice() portcullis.Principal {
	return portcullis.Principal{ID: "alice", Name: "Root", Method: "oidc", Roles: []string{"editor"}, Scopes: []string{"tools:*"}}
}

func decide(t testing.TB, z *Authorizer, p portcullis.Principal, a portcullis.Action) portcullis.Decision {
	t.Helper()
	d, err := z.Authorize(t.Context(), p, a)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConditions(t *testing.T) {
	key := portcullis.Principal{ID: "alice", Method: "api_key", KeyID: "0123"}
	for _, c := range []struct {
		name, policy string
		who          portcullis.Principal
		act          portcullis.Action
		want         bool
	}{
		{"nothing permits", ``, alice(), call("x", ""), false},
		{"permit all", `permit(principal, action, resource);`, alice(), call("x", ""), true},
		{"nobody", `permit(principal, action, resource);`, portcullis.Principal{}, call("x", ""), false},
		{"forbid wins", `permit(principal, action, resource); forbid(principal, action, resource == Portcullis::Tool::"x");`, alice(), call("x", ""), false},
		{"forbid of another", `permit(principal, action, resource); forbid(principal, action, resource == Portcullis::Tool::"x");`, alice(), call("y", ""), true},
		{"user", `permit(principal == Portcullis::User::"alice", action, resource);`, alice(), call("x", ""), true},
		{"a key is in its user", `permit(principal in Portcullis::User::"alice", action, resource);`, key, call("x", ""), true},
		{"a key is no user", `permit(principal is Portcullis::User, action, resource);`, key, call("x", ""), false},
		{"key", `permit(principal == Portcullis::Key::"0123", action, resource);`, key, call("x", ""), true},
		{"role", `permit(principal in Portcullis::Role::"editor", action, resource);`, alice(), call("x", ""), true},
		{"other role", `permit(principal in Portcullis::Role::"admin", action, resource);`, alice(), call("x", ""), false},
		{"action", `permit(principal, action == Portcullis::Action::"tools/call", resource);`, alice(), call("x", ""), true},
		{"group of actions", `permit(principal, action in Portcullis::Action::"use", resource);`, alice(), call("x", ""), true},
		{"route", `permit(principal, action, resource in Portcullis::Route::"files");`, alice(), call("x", ""), true},
		{"other route", `permit(principal, action, resource in Portcullis::Route::"mail");`, alice(), call("x", ""), false},
		{"address", `permit(principal, action, resource) when { context.ip.isInRange(ip("10.0.0.0/8")) };`, alice(), call("x", ""), true},
		{"other address", `permit(principal, action, resource) when { context.ip.isInRange(ip("192.0.2.0/24")) };`, alice(), call("x", ""), false},
		{"tls", `permit(principal, action, resource) when { context.tls && context.risk < 50 };`, alice(), call("x", ""), true},
		{"hour", `permit(principal, action, resource) when { context.hour >= 8 && context.hour < 18 };`, alice(), call("x", ""), true},
		{"weekend", `permit(principal, action, resource) unless { ["saturday", "sunday"].contains(context.weekday) };`, alice(), call("x", ""), false},
		{"time", `permit(principal, action, resource) when { context.time < datetime("2027-01-01") };`, alice(), call("x", ""), true},
		{"scopes", `permit(principal, action, resource) when { principal.scopes.contains("tools:*") };`, alice(), call("x", ""), true},
		{"method", `permit(principal, action, resource) when { principal.method == "oidc" };`, alice(), call("x", ""), true},
		{"arguments", `permit(principal, action, resource) when { context.arguments.n <= 10 };`, alice(), call("x", `{"n":10}`), true},
		{"arguments, more", `permit(principal, action, resource) when { context.arguments.n <= 10 };`, alice(), call("x", `{"n":1.1e1}`), false},
		{"arguments absent", `permit(principal, action, resource) when { context.arguments.n <= 10 };`, alice(), call("x", ""), false},
		{"a fraction is no whole number", `permit(principal, action, resource); forbid(principal, action, resource) when { context.arguments has n && context.arguments.n > 10 };`, alice(), call("x", `{"n":10.00000001}`), false},
		{"null is there", `permit(principal, action, resource) unless { context.arguments has n };`, alice(), call("x", `{"n":null}`), false},
		{"inside", `permit(principal, action, resource) when { context.arguments.a.b.contains("x") };`, alice(), call("x", `{"a":{"b":["y","\u0078"]}}`), true},
		{"a policy that fails denies", `permit(principal, action, resource); permit(principal, action, resource) when { context.arguments.n };`, alice(), call("x", ""), false},
		{"arguments in two spellings", `permit(principal, action, resource) when { context.arguments has n };`, alice(), call("x", `{"n":1,"\u006e":2}`), false},
		{"too deep", `permit(principal, action, resource) when { context.arguments has n };`, alice(), call("x", `{"n":`+strings.Repeat("[", 40)+strings.Repeat("]", 40)+`}`), false},
		{"no object", `permit(principal, action, resource) unless { context.arguments has n };`, alice(), call("x", `[]`), false},
	} {
		z := guard(t, c.policy)
		d := decide(t, z, c.who, c.act)
		if d.Allowed() != c.want {
			t.Errorf("%s: got %+v", c.name, d)
		}
		if d.Rule == "" {
			t.Errorf("%s: no rule decided", c.name)
		}
		if l := decide(t, z, c.who, listed(c.act)); d.Allowed() && !l.Allowed() {
			t.Errorf("%s: may be called and is not listed: %+v", c.name, l)
		}
	}
}

func TestProtocolMethods(t *testing.T) {
	z := guard(t, `forbid(principal, action in Portcullis::Action::"protocol", resource) when { !context.tls };`)
	init := portcullis.Action{Route: "files", Method: "initialize", Secure: true}
	if d := decide(t, z, alice(), init); !d.Allowed() {
		t.Errorf("initialize needs a permit: %+v", d)
	}
	init.Secure = false
	if d := decide(t, z, alice(), init); d.Allowed() || d.Rule != "p.cedar:1" {
		t.Errorf("a forbid does not hold for initialize: %+v", d)
	}
	if d := decide(t, z, alice(), portcullis.Action{Route: "files", Method: "x/y", Secure: true}); d.Allowed() {
		t.Errorf("an unknown method: %+v", d)
	}
}

func TestResourceSpellings(t *testing.T) {
	z := guard(t, `permit(principal, action, resource); forbid(principal, action, resource) when { resource.name like "file:///secret/*" };`)
	read := func(uri string) portcullis.Action {
		return portcullis.Action{Route: "files", Method: "resources/read", Target: portcullis.Target{Kind: portcullis.TargetResource, Name: uri}}
	}
	for uri, want := range map[string]bool{
		"file:///open/a": true, "file:///secret/a": false, "file:///%73ecret/a": false, "FILE:///secret/a": false, "file:///open/../secret/a": false, "file:///%2573ecret/a": false,
	} {
		if d := decide(t, z, alice(), read(uri)); d.Allowed() != want {
			t.Errorf("%s: %+v", uri, d)
		}
	}
}

func TestListsShowWhatSomeArgumentsAllow(t *testing.T) {
	for _, c := range []struct {
		name, policy string
		want         bool
	}{
		{"permit on arguments", `permit(principal, action, resource) when { context.arguments.n < 3 };`, true},
		{"permit that the rest refuses", `permit(principal, action, resource) when { context.hour < 3 && context.arguments.n < 3 };`, false},
		{"permit of another", `permit(principal, action, resource == Portcullis::Tool::"y") when { context.arguments.n < 3 };`, false},
		{"forbid on arguments", `permit(principal, action, resource); forbid(principal, action, resource) when { context.arguments.n < 3 };`, true},
		{"forbid whatever the arguments", `permit(principal, action, resource); forbid(principal, action, resource) when { context.tls || context.arguments.n < 3 };`, false},
		{"plain forbid", `permit(principal, action, resource) when { context.arguments has n }; forbid(principal, action, resource);`, false},
		{"error where the arguments may not matter", `permit(principal, action, resource); permit(principal, action, resource) when { context.arguments has n && context.arguments.n < 3 };`, true},
		{"error in any case", `permit(principal, action, resource); permit(principal, action, resource) when { principal.roles < 3 };`, false},
	} {
		if d := decide(t, guard(t, c.policy), alice(), listed(call("x", ""))); d.Allowed() != c.want {
			t.Errorf("%s: %+v", c.name, d)
		}
	}
}

func TestLoadSaysWhere(t *testing.T) {
	for want, text := range map[string]string{
		"f.cedar:2: ":                                    "permit(principal, action, resource);\npermit(principal,",
		"f.cedar:1: \"\": unexpected effect":             "allow",
		"f.cedar:1: literal not terminated":              `permit(principal, action, resource) when { "abc };`,
		"f.cedar:1: invalid character":                   "\x00",
		"f.cedar:3: there are no entities of":            "\n\npermit(principal == User::\"a\", action, resource);",
		"f.cedar:1: there are no entities":               "permit(principal is Portcullis::Users, action, resource);",
		`f.cedar:1: context has no attribute "argument"`: `permit(principal, action, resource) when { context.argument.n == 1 };`,
		`f.cedar:1: principal has no attribute "role"`:   `permit(principal, action, resource) when { principal has role };`,
		"f.cedar:1: context has to be asked":             `permit(principal, action, resource) when { context == {} };`,
		"f.cedar:2: brackets are nested":                 "\n" + `permit(principal, action, resource) when { ` + strings.Repeat("(", 200),
		"f.cedar: 262145 bytes":                          strings.Repeat(" ", maxFile+1),
	} {
		_, err := Load([]File{{"ok.cedar", []byte("permit(principal, action, resource);")}, {"f.cedar", []byte(text)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %q", text, err, want)
		}
	}
	if _, err := Load([]File{{"f.cedar", []byte(strings.Repeat("permit(principal, action, resource);\n", maxPolicies+1))}}); err == nil {
		t.Error("too many policies were taken")
	}
	if _, err := Load([]File{{"f.cedar", []byte("// a \" in a comment ((\npermit(principal, action, resource) when { \"((\" == \"\\\"\" };")}}); err != nil {
		t.Error(err)
	}
}

func TestFailuresAreLogged(t *testing.T) {
	set, err := Load([]File{{"f.cedar", []byte("\n@id(\"limit\")\npermit(principal, action, resource) when { context.arguments.n < 3 };")}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	z := New(set, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if d := decide(t, z, alice(), call("x", `{"n":"many"}`)); d.Allowed() || d.Rule != "failed: f.cedar:2 limit" {
		t.Errorf("got %+v", d)
	}
	if !strings.Contains(log.String(), "f.cedar:2 limit") {
		t.Errorf("log: %s", &log)
	}
}

// drawPolicies draws sets of policies; clauses may ask for arguments if asked.
func drawPolicies(t *rapid.T, arguments bool) string {
	clauses := []string{
		`principal in Portcullis::Role::"editor"`, `resource == Portcullis::Tool::"x"`, `resource.name like "x*"`, `context.tls`,
		`context.hour < 12`, `context.ip.isInRange(ip("10.0.0.0/8"))`, `principal.scopes.contains("a")`, `principal.roles < 3`, `principal has key`,
	}
	if arguments {
		clauses = append(clauses, `context.arguments has n`, `context.arguments.n < 3`, `context.arguments has n && context.arguments.n < 3`, `context.arguments == {}`,
			`context.arguments.n == principal.id`, `[1, 2].contains(context.arguments.n)`, `if context.arguments.b then context.tls else principal.roles < 3`)
	}
	var b strings.Builder
	for range rapid.IntRange(0, 4).Draw(t, "policies") {
		fmt.Fprintf(&b, "%s(%s, action%s, resource%s)",
			rapid.SampledFrom([]string{"permit", "forbid"}).Draw(t, "effect"),
			rapid.SampledFrom([]string{"principal", `principal == Portcullis::User::"alice"`, `principal in Portcullis::Role::"viewer"`}).Draw(t, "principal"),
			rapid.SampledFrom([]string{"", ` == Portcullis::Action::"tools/call"`, ` in Portcullis::Action::"use"`}).Draw(t, "action"),
			rapid.SampledFrom([]string{"", ` == Portcullis::Tool::"x"`, ` in Portcullis::Route::"files"`}).Draw(t, "resource"))
		for range rapid.IntRange(0, 2).Draw(t, "clauses") {
			fmt.Fprintf(&b, " %s { (%s) %s (%s) }", rapid.SampledFrom([]string{"when", "unless"}).Draw(t, "kind"),
				rapid.SampledFrom(clauses).Draw(t, "a"), rapid.SampledFrom([]string{"&&", "||"}).Draw(t, "op"), rapid.SampledFrom(clauses).Draw(t, "b"))
		}
		b.WriteString(";\n")
	}
	return b.String()
}

// TestListsEqualCalls: without questions about arguments a tool is listed
// exactly when it may be called; with them, what may be called is listed. A
// forbid more never widens.
func TestListsEqualCalls(t *testing.T) {
	tool := rapid.SampledFrom([]string{"x", "xy", "z"})
	args := rapid.SampledFrom([]string{"", `{}`, `{"n":1}`, `{"n":5}`, `{"n":"alice","b":true}`, `{"b":false}`, `{"n":null}`})
	rapid.Check(t, func(rt *rapid.T) {
		plain, a := drawPolicies(rt, false), call(tool.Draw(rt, "tool"), "")
		z := guard(t, plain)
		if may, shown := decide(t, z, alice(), a), decide(t, z, alice(), listed(a)); may.Allowed() != shown.Allowed() {
			rt.Fatalf("%s\ncall %+v\nlist %+v", plain, may, shown)
		}
		asking := drawPolicies(rt, true)
		z, a = guard(t, asking), call(a.Target.Name, args.Draw(rt, "arguments"))
		may := decide(t, z, alice(), a).Allowed()
		if may && !decide(t, z, alice(), listed(a)).Allowed() {
			rt.Fatalf("%s\nmay be called and is not listed", asking)
		}
		if !may && decide(t, guard(t, asking+strings.ReplaceAll(drawPolicies(rt, true), "permit", "forbid")), alice(), a).Allowed() {
			rt.Fatal("a forbid more widens")
		}
	})
}

// FuzzArguments: nothing that callers send makes the conversion fail other than
// with an error.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,2.5,null,true,"x",{"b":{}}]}`, `{"n":1e308}`, `{"n":-0.00001}`, `[`, `{"a"`, `{"n":1e-400}`, ``} {
		f.Add([]byte(s))
	}
	set, err := Load([]File{{"p", []byte(`permit(principal, action, resource) when { context.arguments.a == 1 };`)}})
	if err != nil {
		f.Fatal(err)
	}
	z := New(set, Options{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if d := decide(t, z, alice(), call("x", string(b))); d.Allowed() && !bytes.Contains(b, []byte("1")) {
			t.Fatalf("%q was allowed", b)
		}
	})
}

// BenchmarkAuthorize decides one call with 20 policies.
func BenchmarkAuthorize(b *testing.B) {
	var plain, asking strings.Builder
	for i := range 20 {
		fmt.Fprintf(&plain, "permit(principal in Portcullis::Role::\"r%d\", action == Portcullis::Action::\"tools/call\", resource) when { resource.name like \"t%d_*\" && context.tls };\n", i, i)
		fmt.Fprintf(&asking, "forbid(principal, action, resource == Portcullis::Tool::\"t%d\") when { context.arguments has n && context.arguments.n > %d };\n", i, i)
	}
	plain.WriteString(`permit(principal in Portcullis::Role::"editor", action, resource);`)
	asking.WriteString(`permit(principal, action, resource);`)
	for name, c := range map[string]struct {
		text string
		act  portcullis.Action
	}{
		"plain":     {plain.String(), call("x", "")},
		"arguments": {asking.String(), call("t3", `{"n":2,"path":"/srv/docs/a.txt","options":{"deep":[1,2,3]}}`)},
		"list":      {asking.String(), listed(call("t3", ""))},
	} {
		z := guard(b, c.text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := decide(b, z, alice(), c.act); !d.Allowed() {
					b.Fatal(d)
				}
			}
		})
	}
}
