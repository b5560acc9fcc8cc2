package ossa

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/tool"
	"github.com/portcullis-dev/portcullis/internal/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// report is a result as text.
func report(r *Result) string {
	var b strings.Builder
	b.WriteString(r.Config)
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "\n! %s", w)
	}
	b.WriteString("\n")
	for _, part := range []struct {
		mark  string
		items []Item
	}{{"=", r.Expressed}, {">", r.Stricter}, {"-", r.NotExpressed}} {
		for _, i := range part.items {
			mark := part.mark
			if i.Security {
				mark += "!"
			}
			fmt.Fprintf(&b, "%s %d %s [%s] %s; %s\n", mark, i.Line, i.Path, i.Setting, i.Reason, i.Do)
		}
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.[jy]*")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Generate(data, Options{Name: filepath.Base(file)})
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, filepath.Ext(file)) + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(report(r)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || report(r) != string(want) {
				t.Errorf("%v: is not %s (-update writes it):\n%s", err, golden, report(r))
			}
			checkSound(t, data, r)
		})
	}
}

func parse(t testing.TB, r *Result) *config.Config {
	t.Helper()
	cfg, _, err := config.Parse("generated", []byte(r.Config), func(name string) (string, bool) { return "from-the-environment-" + name, true })
	if err != nil {
		t.Fatalf("%v in\n%s", err, r.Config)
	}
	return cfg
}

// may asks the guard of a route whether it lets a tool be called.
func may(t testing.TB, rt config.Route, name string) bool {
	t.Helper()
	guard, err := tool.New(rt.Lists())
	if err != nil {
		t.Fatal(err)
	}
	d, err := guard.Authorize(context.Background(), portcullis.Principal{ID: "agent", Method: "api_key"}, portcullis.Action{
		Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: name},
	})
	return err == nil && d.Effect == portcullis.Allow
}

// checkSound holds what was made to what is never allowed: tools that the
// manifest does not name, patterns, and commands.
func checkSound(t testing.TB, data []byte, r *Result) {
	t.Helper()
	cfg := parse(t, r)
	if len(cfg.Routes) == 0 || len(cfg.Routes) != len(r.Routes) {
		t.Fatalf("%d routes", len(cfg.Routes))
	}
	for _, rt := range cfg.Routes {
		for _, name := range []string{"a_tool_nobody_named", "*", "", "tools", "delete_everything"} {
			if may(t, rt, name) && !strings.Contains(string(data), name) || name == "" && may(t, rt, name) {
				t.Errorf("route %s allows %q", rt.Name, name)
			}
		}
		for _, name := range rt.Tools.Allow {
			if strings.Contains(name, "*") || !strings.Contains(string(data), name[strings.LastIndexAny(name, ":/")+1:]) {
				t.Errorf("route %s allows %q, which the manifest does not name", rt.Name, name)
			}
		}
		if len(rt.Command) > 0 || len(rt.Env) > 0 {
			t.Errorf("route %s runs %q", rt.Name, rt.Command)
		}
	}
}

// TestSamples makes configuration of other people's manifests. It says how
// many there were, and needs them: PORTCULLIS_SAMPLES.
func TestSamples(t *testing.T) {
	dir := os.Getenv("PORTCULLIS_SAMPLES")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "samples")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no samples in %s: set PORTCULLIS_SAMPLES to their folder", dir)
	}
	files, err := filepath.Glob(filepath.Join(dir, "ossa", "examples", "*"))
	if err != nil || len(files) == 0 {
		t.Skipf("no manifests in %s", filepath.Join(dir, "ossa", "examples"))
	}
	made := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		r, err := Generate(data, Options{Name: name})
		if regexp.MustCompile(`(?m)^apiVersion: ossa/v0\.[45]`).Match(data) != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), name+":") {
				t.Errorf("no line in %v", err)
			}
			continue
		}
		made++
		checkSound(t, data, r)
		if _, err := Generate(data, Options{Name: name, Commands: true, Upstream: "https://mcp.example.com/mcp"}); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d of %d manifests became configuration", made, len(files))
	if made < 10 {
		t.Errorf("only %d", made)
	}
}

// TestNothingDeniedIsAllowed makes manifests and asks, of every tool that one
// names, whether its route lets it pass.
func TestNothingDeniedIsAllowed(t *testing.T) {
	names := []string{"read_file", "readFile", "read", "delete_file", "delete-file", "list", "files:list", "x.y", "${HOME}", "a*", "Write File", "\"q\"\n"}
	patterns := append(slices.Clone(names), "*", "read*", "*_file", "files:*", "del*", "DELETE FILE")
	rapid.Check(t, func(t *rapid.T) {
		pick := func(from []string, label string) []string {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, 5, rapid.ID[string]).Draw(t, label)
		}
		declared, blocked := pick(names, "declared"), pick(patterns, "blocked")
		var allowed []string
		restricts := rapid.Bool().Draw(t, "restricts")
		var b strings.Builder
		b.WriteString("apiVersion: ossa/v0.5\nkind: Agent\nmetadata: {name: agent}\nspec:\n  tools:\n")
		if rapid.Bool().Draw(t, "server") {
			b.WriteString("  - {type: mcp, name: files, url: \"https://files.example.com/mcp\"}\n")
		}
		for _, name := range append(declared, "always") {
			fmt.Fprintf(&b, "  - {type: function, name: %q}\n", name)
		}
		b.WriteString("  autonomy:\n    level: autonomous\n")
		fmt.Fprintf(&b, "    blocked_actions: [%s]\n", flow(blocked))
		if restricts {
			allowed = pick(patterns, "allowed")
			fmt.Fprintf(&b, "    allowed_actions: [%s]\n", flow(allowed))
		}
		r, err := Generate([]byte(b.String()), Options{Name: "m"})
		if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
		cfg, _, err := config.Parse("generated", []byte(r.Config), func(string) (string, bool) { return "expanded", true })
		if err != nil {
			t.Fatal(err)
		}
		guard, err := tool.New(cfg.Routes[0].Lists())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(slices.Clone(patterns), "always", "expanded", "other") {
			d, err := guard.Authorize(context.Background(), portcullis.Principal{ID: "a", Method: "api_key"}, portcullis.Action{
				Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: name},
			})
			if err != nil || d.Effect != portcullis.Allow {
				continue
			}
			of := func(list []string) bool {
				return slices.ContainsFunc(list, func(p string) bool {
					return regexp.MustCompile("^(?s)"+strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".*")+"$").MatchString(name) ||
						cfg.Routes[0].Name == "agent.files" && (strings.TrimPrefix(p, "files:") == name || p == "files:*")
				})
			}
			switch {
			case !slices.Contains(declared, name) && name != "always":
				t.Fatalf("%q is allowed and not declared:\n%s\n%s", name, b.String(), r.Config)
			case of(blocked):
				t.Fatalf("%q is allowed and blocked:\n%s\n%s", name, b.String(), r.Config)
			case restricts && !of(allowed):
				t.Fatalf("%q is allowed, by nothing:\n%s\n%s", name, b.String(), r.Config)
			}
		}
	})
}

func flow(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}

const head = "apiVersion: ossa/v0.5\nkind: Agent\nmetadata: {name: a}\nspec:\n"

func TestRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"kind: Agent", "m:1: apiVersion: is missing: want"},
		{"ossaVersion: '1.0'\n", "m:1: ossaVersion: is a format from before"},
		{"apiVersion: ossa/v0.6\nkind: Agent\nmetadata: {name: a}\nspec: {}", `m:1: apiVersion: "ossa/v0.6" is not known: want "ossa/v0.4"`},
		{"apiVersion: ossa/v0.3.5\nkind: Agent\nmetadata: {name: a}\nspec: {}", "is not known"},
		{"apiVersion: ossa/v0.40\nkind: Agent\nmetadata: {name: a}\nspec: {}", "is not known"},
		{"apiVersion: 0.5\nkind: Agent\nmetadata: {name: a}\nspec: {}", "m:1: apiVersion: is a number: want a text (put it in quotes)"},
		{"apiVersion: ossa/v0.5\nkind: Workflow\nmetadata: {name: a}\nspec: {}", `m:2: kind: "Workflow": only an Agent`},
		{"apiVersion: ossa/v0.5\nmetadata: {name: a}\nspec: {}", "kind: is missing"},
		{"apiVersion: ossa/v0.5\nkind: Agent\nspec: []", "m:3: spec: is a list: want a table"},
		{"apiVersion: ossa/v0.5\nkind: Agent\nmetadata: {}\nspec: {}", "name: is missing"},
		{"apiVersion: ossa/v0.5\nkind: Agent\nmetadata: {name: 'A b'}\nspec: {}", `m:3: metadata.name: "A b": want lower-case`},
		{"apiVersion: ossa/v0.5\nkind: Agent\nmetadata: {name: a, status: revoked}\nspec: {}", "m:3: metadata.status: the agent is revoked: nothing is generated"},
		{"apiVersion: ossa/v0.5\nkind: Agent\nmetadata: {name: a, status: Revoked}\nspec: {}", `metadata.status: "Revoked": want active, deprecated, revoked`},
		{head + "  tools: [1]", "m:5: spec.tools[0]: is a number: want a table"},
		{head + "  autonomy: {level: trusted}", `spec.autonomy.level: "trusted": want supervised`},
		{head + "  autonomy:\n    blocked_actions:", "m:6: spec.autonomy.blocked_actions: is nothing: want a list"},
		{head + "  autonomy:\n    approval_required: yes", "m:6: spec.autonomy.approval_required: is a text: want a list"},
		{head + "  access: {permissions: []}", "spec.access: tier: is missing"},
		{head + "  access: {tier: tier_9}", "want tier_1_read"},
		{head + "  safety: {rate_limiting: {requests_per_minute: 0}}", "want 1 or more"},
		{head + "  safety: {rate_limiting: {requests_per_minute: 1, burst_limit: 101}}", "want at most 100 times"},
		{head + "  safety: {rate_limiting: {requests_per_minute: many}}", "is a text: want a number"},
		{head + "  safety: {pii_detection: {types: [email], action: ignore}}", `"ignore": want warn, block, redact`},
		{head + "  safety: {guardrails: {max_execution_time_seconds: 0}}", "want 0.001 or more"},
		{head + "  {}\nsecurity: {data_classification: secret}", `"secret": want public`},
		{head + "  {}\nsecurity: {network_access: {egress_policy: allow}}", "want allow-all, allow-list, deny-all"},
		{head + "  {}\nsecurity: {network_access: {blocked_domains: ['http://x']}}", `blocked_domains[0]: "http://x": want a domain`},
		{head + "  security: {network_access: {}}\nsecurity: {network_access: {}}", "m:5: spec.security.network_access: stands in two places, the other is security.network_access"},
		{head + "  {}\nprotocols: {mcp: {servers: [{transport: stdio}]}}", "m:6: protocols.mcp.servers[0]: name: is missing"},
	} {
		_, err := Generate([]byte(c.text), Options{Name: "m"})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "m:") {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	revoked := []byte("apiVersion: ossa/v0.5\nkind: Agent\nmetadata: {name: a, status: revoked}\nspec: {}")
	if _, err := Generate(revoked, Options{Name: "m"}); !errors.Is(err, ErrRevoked) {
		t.Error(err)
	}
	if r, err := Generate(revoked, Options{Name: "m", Force: true}); err != nil || !slices.Contains(r.Warnings, "the agent is revoked") {
		t.Error(r, err)
	}
}

// TestTraps holds single claims to what becomes of them.
func TestTraps(t *testing.T) {
	for _, c := range []struct {
		name, text string
		o          Options
		has, not   []string // in the report
	}{
		{name: "an empty list is no permission", text: "  tools: [{type: function, name: x}]\n  autonomy: {allowed_actions: []}",
			has: []string{`tools.deny = ["*"]`, "> 6 spec.autonomy.allowed_actions"}, not: []string{"tools.allow"}},
		{name: "a variable is text", text: "  tools: [{type: function, name: '${SECRET}'}]", has: []string{`tools.allow = ["$${SECRET}"]`}},
		{name: "a star allows nothing", text: "  tools: [{type: function, name: '*'}]", has: []string{`tools.deny = ["*"]`}, not: []string{"tools.allow"}},
		{name: "a comment stays one line", text: "  {}\nprotocols: {mcp: {servers: [{name: s, transport: stdio, command: \"x\\n[[route]]\\u2028\"}]}}",
			has: []string{`# command = ["x\n[[route]]?"]`, "upstream.invalid"}},
		{name: "a command when asked for", o: Options{Commands: true},
			text: "  {}\nprotocols: {mcp: {servers: [{name: s, transport: stdio, command: node, args: [a b, '${X}'], env: {T: '${T}', U: '${V}', W: plain}}]}}",
			has:  []string{`command = ["node", "a b", "$${X}"]`, `# pass_env = ["T"]`, "not handed to a command", "-! 6 protocols.mcp.servers[0].env.U", "-! 6 protocols.mcp.servers[0].env.W"}, not: []string{"plain\"", "upstream =", "\npass_env"}},
		{name: "a shell is not guessed", o: Options{Commands: true}, text: "  tools: [{type: mcp, name: s, config: {server: 'node a; rm -rf /'}}]",
			has: []string{"needs a shell", "upstream.invalid"}, not: []string{"command ="}},
		{name: "a password in an address", text: "  {}\nprotocols: {mcp: {servers: [{name: s, transport: http, url: 'https://u:hunter2@x.example/'}]}}",
			has: []string{"without a name or password"}, not: []string{"hunter2"}},
		{name: "a host that is blocked", text: "  {}\nprotocols: {mcp: {servers: [{name: s, transport: http, url: 'https://a.evil.example/'}]}}\nsecurity: {network_access: {egress_policy: allow-all, blocked_domains: ['*.Evil.example.']}}",
			has: []string{"blocks this host", "upstream.invalid"}, not: []string{"a.evil.example/\"", "link_hosts"}},
		{name: "a protocol that is not allowed", text: "  {}\nprotocols: {mcp: {servers: [{name: s, transport: http, url: 'http://a.example/'}]}}\nsecurity: {network_access: {egress_policy: allow-all, protocols: [https]}}",
			has: []string{"allows no http", "upstream.invalid"}},
		{name: "a permission of the gateway", text: "  access: {tier: tier_1_read, permissions: [manage, delete, 'tools:*', read_code]}",
			has: []string{`"ossa-a" = ["ossa-a", "tier_1_read", "read_code"]`, "is no permission of the format"}},
		{name: "words inside of a name", text: "  tools: [{type: function, name: merge_branch}, {type: function, name: emerge}]\n  separation: {prohibited_actions: [merge]}",
			has: []string{`tools.allow = ["emerge"]`, `tools.deny = ["merge", "merge_branch"]`, "> 6 spec.separation.prohibited_actions[0]"}},
		{name: "a warning does not weaken", text: "  safety: {pii_detection: {types: [api_key, email], action: warn}}",
			has: []string{"[[route.inspect.results]]\ndetect = [\"email\"]", "asks for more"}},
		{name: "a section that is off", text: "  safety: {pii_detection: {enabled: false, types: [email], action: block}, rate_limiting: {enabled: false, requests_per_minute: 1}, human_in_loop: {enabled: false}}",
			not: []string{"[[route.inspect", "rate =", "approval"}},
		{name: "no action refuses", text: "  safety: {pii_detection: {types: [email]}}", has: []string{`action = "block"`, "no action is given"}},
		{name: "approval of a sentence is approval of all", text: "  tools: [{type: function, name: x}]\n  safety: {human_in_loop: {triggers: [sending money]}}", has: []string{`approval.tools = ["*"]`}},
		{name: "critical tools", text: "  tools: [{type: function, name: x}, {type: function, name: y}]\n  governance: {authorization: {tool_permissions: [{tool: x, risk_level: critical}], clearance_level: 3}}",
			has: []string{`approval.tools = ["x"]`, "a number says nothing"}},
		{name: "no tools at all", text: "  tools: [{type: function, name: x}]\nprotocols: {mcp: {capabilities: {tools: false}}}", has: []string{`tools.deny = ["*"]`}, not: []string{"tools.allow"}},
		{name: "words are no credentials", text: "  description: basic capabilities, bearer of news\n  role: token password", not: []string{"-!"}},
		{name: "no calls are no calls", text: "  tools: [{type: function, name: x}]\n  safety: {guardrails: {max_tool_calls: 0}}", has: []string{`tools.deny = ["*"]`}, not: []string{"tools.allow", "calls_per_session"}},
		{name: "the fewer calls", text: "  safety: {guardrails: {max_tool_calls: 9}}\n  constraints: {safety: {maxToolCalls: 10}}", has: []string{"use.calls_per_session = 9 #"}},
		{name: "a field nobody knows", text: "  autonomy: {shadow: true}\nfuture: {allow: all}", has: []string{"-! 5 spec.autonomy.shadow", "-! 6 future"}},
		{name: "a name in two spellings", text: "  tools: [{type: function, name: deleteRepo}, {type: function, name: delete_repo}, {type: function, name: keep}]\n  autonomy: {blocked_actions: ['delete-repo']}",
			has: []string{`tools.allow = ["keep"]`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Name = "m"
			r, err := Generate([]byte(head+c.text+"\n"), c.o)
			if err != nil {
				t.Fatal(err)
			}
			parse(t, r)
			got := report(r)
			for _, want := range c.has {
				if !strings.Contains(got, want) {
					t.Errorf("no %q in\n%s", want, got)
				}
			}
			for _, not := range c.not {
				if strings.Contains(r.Config, not) || strings.Contains(got, not) && strings.HasPrefix(not, "-!") {
					t.Errorf("%q in\n%s", not, got)
				}
			}
		})
	}
}

// TestRolesAreApart: the role of one agent opens nothing of another's.
func TestRolesAreApart(t *testing.T) {
	var made []*config.Config
	for _, name := range []string{"one", "two"} {
		r, err := Generate([]byte("apiVersion: ossa/v0.5\nkind: Agent\nmetadata: {name: "+name+"}\nspec: {access: {tier: tier_1_read}}"), Options{Name: "m"})
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, parse(t, r))
	}
	for _, need := range made[1].Access.Rules[0].Needs {
		if !slices.Contains(made[0].Access.Roles["ossa-one"], need) {
			return
		}
	}
	t.Errorf("%v meets %v", made[0].Access.Roles, made[1].Access.Rules)
}

var located = regexp.MustCompile(`^m:[1-9][0-9]*: `)

func FuzzGenerate(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.[jy]*")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, true)
	}
	f.Add([]byte(head+"  tools: [{type: function, name: \"\\0\\x7f\\u2028${A}\"}]\n"), false)
	f.Fuzz(func(t *testing.T, data []byte, commands bool) {
		r, err := Generate(data, Options{Name: "m", Commands: commands, Upstream: "https://mcp.example.com/mcp"})
		if err != nil {
			if !located.MatchString(err.Error()) || strings.Contains(err.Error(), "cannot become") {
				t.Fatal(err)
			}
			return
		}
		cfg := parse(t, r)
		for _, rt := range cfg.Routes {
			if len(rt.Tools.Allow) == 0 && !slices.Contains(rt.Tools.Deny, "*") || slices.ContainsFunc(rt.Tools.Allow, func(s string) bool { return strings.Contains(s, "*") }) {
				t.Fatalf("%s allows what nobody named:\n%s", rt.Name, r.Config)
			}
			if len(rt.Command) > 0 && !commands || rt.InsecureNoAuth {
				t.Fatal(r.Config)
			}
		}
		if strings.Contains(r.Config, "from-the-environment") {
			t.Fatal("a variable was read")
		}
	})
}
