package rbac

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/scope"
)

func guide() map[string][]string {
	return map[string][]string{
		"admin": {"read", "write", "delete", "manage"}, "editor": {"read", "write"}, "viewer": {"read"},
		"researcher": {"tools:search", "tools:read_*"},
	}
}

func crud() []Rule {
	return []Rule{
		{Tools: []string{"get_*", "list_*"}, Needs: []string{"read"}},
		{Tools: []string{"create_*"}, Needs: []string{"write"}},
		{Tools: []string{"delete_*"}, Needs: []string{"delete"}},
		{Routes: []string{"other"}, Tools: []string{"*"}, Needs: []string{"manage"}},
		{Resources: []string{"file:///docs/*"}, Needs: []string{"read"}},
		{Resources: []string{"*/secret/*"}, Needs: []string{"manage"}},
		{Methods: []string{"logging/setLevel", "x/*"}, Needs: []string{"manage"}},
		{Methods: []string{"prompts/get"}, Prompts: []string{"*"}, Needs: []string{"read"}},
	}
}

func act(method string, kind portcullis.TargetKind, name string) portcullis.Action {
	return portcullis.Action{Route: "r", Method: method, Target: portcullis.Target{Kind: kind, Name: name}}
}

func call(name string) portcullis.Action { return act("tools/call", portcullis.TargetTool, name) }

func who(scopes, roles []string) portcullis.Principal {
	return portcullis.Principal{ID: "a", Scopes: scopes, Roles: roles}
}

type pair struct {
	rbac   *Guard
	scopes *scope.Authorizer
}

func both(t testing.TB, roles map[string][]string, rules []Rule) pair {
	t.Helper()
	table, err := NewRoles(roles)
	if err != nil {
		t.Fatal(err)
	}
	g, err := New("r", table, rules)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scope.New(scope.Default(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return pair{g, s.With(g)}
}

// may asks both guards, as a route with rules does.
func (p pair) may(t testing.TB, who portcullis.Principal, a portcullis.Action) bool {
	t.Helper()
	d, err := p.rbac.Authorize(t.Context(), who, a)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.scopes.Authorize(t.Context(), who, a)
	if err != nil {
		t.Fatal(err)
	}
	if p.rbac.Empty() {
		return s.Allowed()
	}
	return d.Allowed() && s.Allowed()
}

func TestMatrix(t *testing.T) {
	p := both(t, guide(), crud())
	res := func(uri string) portcullis.Action { return act("resources/read", portcullis.TargetResource, uri) }
	method := func(m string) portcullis.Action { return act(m, portcullis.TargetNone, "") }
	get, create, del := call("get_user"), call("create_user"), call("delete_user")
	for _, c := range []struct {
		name string
		who  portcullis.Principal
		act  portcullis.Action
		want bool
	}{
		{"viewer reads", who(nil, []string{"viewer"}), get, true},
		{"viewer does not write", who(nil, []string{"viewer"}), create, false},
		{"editor writes", who(nil, []string{"editor"}), create, true},
		{"editor does not delete", who(nil, []string{"editor"}), del, false},
		{"admin deletes", who(nil, []string{"admin"}), del, true},
		{"two roles add up", who(nil, []string{"viewer", "admin"}), del, true},
		{"unmapped is denied to admin", who([]string{"tools:*"}, []string{"admin"}), call("reboot"), false},
		{"no role, no scope", who(nil, nil), get, false},
		{"scope of the tool without the permission", who([]string{"tools:*"}, nil), get, false},
		{"permission of the key's own without the scope of the tool", who([]string{"read"}, nil), get, false},
		{"scope and permission of its own", who([]string{"tools:get_*", "read"}, nil), get, true},
		{"scope of its own, permission by role", who([]string{"tools:get_*"}, []string{"viewer"}), get, true},
		{"constructor", who(nil, []string{"constructor"}), get, false},
		{"__proto__", who(nil, []string{"__proto__", "toString"}), get, false},
		{"role in other case", who(nil, []string{"Admin"}), get, false},
		{"empty role", who(nil, []string{""}), get, false},
		{"role name as a scope", who([]string{"admin"}, nil), get, false},
		{"nobody", portcullis.Principal{Roles: []string{"admin"}}, get, false},
		{"role scope that no rule maps", who(nil, []string{"researcher"}), call("search"), false},
		{"rule of another route", who(nil, []string{"viewer"}), call("zzz"), false},
		{"resource", who(nil, []string{"viewer"}), res("file:///docs/a"), true},
		{"resource behind two rules", who(nil, []string{"viewer"}), res("file:///docs/secret/a"), false},
		{"resource behind two rules, both held", who(nil, []string{"admin"}), res("file:///docs/secret/a"), true},
		{"resource spelled so that one rule misses it", who(nil, []string{"viewer"}), res("file:///docs/%73ecret/a"), false},
		{"dot segment", who(nil, []string{"admin"}), res("file:///docs/../x"), false},
		{"resource that only its plain spelling maps", who(nil, []string{"admin"}), res("file:///%64ocs/a"), false},
		{"opening needs nothing", who(nil, nil), method("initialize"), true},
		{"listing needs nothing", who(nil, nil), method("tools/list"), true},
		{"a rule on a protocol method holds", who(nil, []string{"viewer"}), method("logging/setLevel"), false},
		{"and lets pass", who(nil, []string{"admin"}), method("logging/setLevel"), true},
		{"unknown method", who([]string{"tools:*", "manage"}, []string{"admin"}), method("y/z"), false},
		{"unknown method that a rule opens", who(nil, []string{"admin"}), method("x/y"), true},
		{"by the key's own permission", who([]string{"manage"}, nil), method("x/y"), true},
		{"prompt", who(nil, []string{"viewer"}), act("prompts/get", portcullis.TargetPrompt, "p"), true},
		{"prompt by a method that the rule is not about", who(nil, []string{"viewer"}), act("completion/complete", portcullis.TargetPrompt, "p"), false},
		{"unknown kind", who(nil, []string{"admin"}), act("tools/call", 99, "get_user"), false},
	} {
		for range 2 { // the second answer comes from the cache
			if got := p.may(t, c.who, c.act); got != c.want {
				t.Errorf("%s: got %v", c.name, got)
			}
		}
	}
}

func TestRolesWithoutRules(t *testing.T) {
	p := both(t, guide(), nil)
	if !p.may(t, who(nil, []string{"researcher"}), call("read_x")) || p.may(t, who(nil, []string{"researcher"}), call("write_x")) {
		t.Error("scopes of a role do not do what scopes do")
	}
	if p.may(t, who(nil, []string{"admin"}), call("read_x")) {
		t.Error("a permission without a rule opened a tool")
	}
}

func TestDenialNamesWhatWouldHelp(t *testing.T) {
	p := both(t, guide(), crud())
	d, err := p.rbac.Authorize(t.Context(), who(nil, []string{"viewer"}), call("delete_user"))
	if err != nil || d.Allowed() || d.Rule != "access.rules[2]" || !slices.Equal(d.Need, []string{"delete", "tools:delete_user"}) {
		t.Errorf("got %+v, %v", d, err)
	}
	d, err = p.rbac.Authorize(t.Context(), who(nil, []string{"viewer"}), call("reboot"))
	if err != nil || d.Allowed() || d.Rule != "no rule maps this" || d.Need != nil {
		t.Errorf("got %+v, %v", d, err)
	}
}

func TestValidate(t *testing.T) {
	for want, r := range map[string]Rule{
		"tools: a rule needs":       {Needs: []string{"read"}},
		"needs: want 1":             {Tools: []string{"*"}},
		"no wildcard":               {Tools: []string{"*"}, Needs: []string{"tools:*"}},
		`tools[0]: ""`:              {Tools: []string{""}, Needs: []string{"read"}},
		"character ' '":             {Tools: []string{"a"}, Needs: []string{"read write"}},
		`want "manage"`:             {Tools: []string{"a"}, Needs: []string{"Manage"}},
		"resources: 1001 patterns":  {Resources: make([]string, 1001), Needs: []string{"read"}},
		"routes[0]: ":               {Routes: []string{""}, Tools: []string{"a"}, Needs: []string{"read"}},
		"needs[0]: \"tools:git*\":": {Tools: []string{"a"}, Needs: []string{"tools:git*"}},
	} {
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", r, err, want)
		}
		if _, err := New("r", nil, []Rule{r}); err == nil {
			t.Errorf("%+v: New took it", r)
		}
	}
	for _, roles := range []map[string][]string{
		{"": {"read"}}, {"a b": {"read"}}, {"a,b": {"read"}}, {"a": {"tools:git*"}}, {"a": {""}}, {strings.Repeat("x", 101): nil}, {"a": make([]string, 1001)},
	} {
		if _, err := NewRoles(roles); err == nil {
			t.Errorf("%v was taken", roles)
		}
	}
}

// world draws tables of roles, rules, callers and actions from few names, so
// that they meet.
type world struct {
	roles map[string][]string
	rules []Rule
	who   portcullis.Principal
	act   portcullis.Action
}

func draw(t *rapid.T) world {
	names := func(label string, from ...string) []string {
		return rapid.SliceOfN(rapid.SampledFrom(from), 0, 3).Draw(t, label)
	}
	w := world{roles: map[string][]string{}}
	for _, r := range names("roles", "a", "b", "c") {
		w.roles[r] = names("grants", "read", "write", "tools:get_*", "tools:*", "tools:del")
	}
	for range rapid.IntRange(0, 4).Draw(t, "rules") {
		w.rules = append(w.rules, Rule{
			Routes: names("routes", "r", "s", "*"), Methods: names("methods", "tools/call", "ping", "*"),
			Tools: append(names("tools", "get_x", "get_*", "del"), "zz"), Needs: append(names("needs", "write", "tools:del"), "read"),
		})
	}
	w.who = who(names("own", "read", "write", "tools:get_x", "tools:*"), names("has", "a", "b", "c", "d"))
	w.act = rapid.SampledFrom([]portcullis.Action{
		call("get_x"), call("get_y"), call("del"), call("other"), act("ping", portcullis.TargetNone, ""), act("foo", portcullis.TargetNone, ""),
	}).Draw(t, "action")
	return w
}

// TestLessNeverAllowsMore: without a role, a grant or a permission nobody may
// do more; the order of rules and roles means nothing; an unmapped thing is
// denied; a rule that fits one more never opens what another rule held.
func TestLessNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := draw(rt)
		before := both(t, w.roles, w.rules).may(t, w.who, w.act)
		if n := len(w.who.Roles); n > 0 && !before {
			less := w.who
			i := rapid.IntRange(0, n-1).Draw(rt, "without")
			less.Roles = slices.Delete(slices.Clone(w.who.Roles), i, i+1)
			if both(t, w.roles, w.rules).may(t, less, w.act) {
				rt.Fatal("a role less allows more")
			}
		}
		for name := range w.roles {
			fewer := map[string][]string{}
			for n, g := range w.roles {
				if n != name {
					fewer[n] = g
				}
			}
			if !before && both(t, fewer, w.rules).may(t, w.who, w.act) {
				rt.Fatal("a table without a role allows more")
			}
		}
		turned := slices.Clone(w.rules)
		slices.Reverse(turned)
		other := w.who
		other.Roles = slices.Clone(w.who.Roles)
		slices.Reverse(other.Roles)
		if both(t, w.roles, turned).may(t, other, w.act) != before {
			rt.Fatal("the order matters")
		}
		mapped := scope.Open(w.act.Method)
		inUse := false
		for _, r := range w.rules {
			g, err := New("r", nil, []Rule{r})
			if err != nil {
				rt.Fatal(err)
			}
			inUse = inUse || !g.Empty()
			mapped = mapped || !g.Empty() && g.judge(w.act.Method, w.act.Target).mapped
		}
		if before && inUse && !mapped {
			rt.Fatal("an unmapped action is allowed")
		}
		more := append(slices.Clone(w.rules), Rule{Tools: []string{w.act.Target.Name, "x"}, Needs: []string{"tools:never"}})
		if w.act.Target.Kind == portcullis.TargetTool && both(t, w.roles, more).may(t, w.who, w.act) && !slices.Contains(w.who.Scopes, "tools:*") && !grants(w, "tools:*") {
			rt.Fatal("a rule more was not held")
		}
	})
}

func grants(w world, scope string) bool {
	for _, r := range w.who.Roles {
		if slices.Contains(w.roles[r], scope) {
			return true
		}
	}
	return false
}

// BenchmarkAuthorize decides one call with 100 roles and 1000 rules.
func BenchmarkAuthorize(b *testing.B) {
	roles := map[string][]string{}
	for i := range 100 {
		roles[fmt.Sprintf("role%d", i)] = []string{"read", fmt.Sprintf("p%d", i), fmt.Sprintf("tools:t%d/*", i)}
	}
	rules := make([]Rule, 1000)
	for i := range rules {
		rules[i] = Rule{Tools: []string{fmt.Sprintf("t%d/*", i/10)}, Needs: []string{fmt.Sprintf("p%d", i/10)}}
	}
	p := both(b, roles, rules)
	w := who([]string{"prompts:*"}, []string{"role1", "role50", "role99"})
	for name, a := range map[string]portcullis.Action{"cached": call("t50/x"), "denied": call("t51/x")} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.rbac.Authorize(b.Context(), w, a); err != nil {
					b.Fatal(err)
				}
				if _, err := p.scopes.Authorize(b.Context(), w, a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			p.rbac.judge("tools/call", portcullis.Target{Kind: portcullis.TargetTool, Name: "t50/x"})
		}
	})
}
