package scope

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

func TestValidate(t *testing.T) {
	for _, s := range []string{
		"tools:echo", "tools:*", "tools:github/*", "tools:a.b-c_d/e", "tools:ns:*", "tools:github_*", "tools:a.*", "tools:a-*",
		"resources:*", "resources:file:///srv/docs/*", "resources:https://example.com/a?b=*", "resources:x#*", "resources:x?*",
		"resources:file:///a/b.txt", "prompts:*", "prompts:code/review", "skills:*", "skills:sort", "manage",
		"read", "files.read", "mcp:read", "https://example.com/scope", "urn:x:y",
		"tools:" + strings.Repeat("a", maxScope-6),
	} {
		if err := Validate(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for s, want := range map[string]string{
		"":                               "1 to 512 bytes",
		strings.Repeat("a", maxScope+1):  "1 to 512 bytes",
		"tools:":                         "want a name",
		"tools:git*":                     "separator",
		"tools:*a":                       "only at the end",
		"tools:a*b":                      "only at the end",
		"tools:**":                       "only at the end",
		"tools:a/**":                     "only at the end",
		"tools:a=*":                      "separator",
		"resources:https://example.com*": "separator",
		"tool:echo":                      "want tools:NAME",
		"Tools:echo":                     "want tools:NAME",
		"TOOLS:*":                        "want tools:NAME",
		"resource:x":                     "want resources:NAME",
		"prompt:x":                       "want prompts:NAME",
		"skill:x":                        "want skills:NAME",
		"tools":                          "want tools:NAME",
		"Manage":                         `want "manage"`,
		"*":                              "a wildcard needs",
		"mcp:*":                          "a wildcard needs",
		"manage*":                        "a wildcard needs",
		"tools:a b":                      "not allowed",
		"tools:a,b":                      "not allowed",
		"tools:a\"b":                     "not allowed",
		`tools:a\b`:                      "not allowed",
		"tools:a\x00":                    "not allowed",
		"tools:ä":                        "not allowed",
		" tools:echo":                    "not allowed",
		"tools:echo\n":                   "not allowed",
	} {
		if err := Validate(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", s, err, want)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		granted string // space-separated
		need    string
		want    bool
	}{
		{"tools:echo", "tools:echo", true},
		{"tools:echo", "tools:Echo", false},
		{"tools:echo", "tools:echo2", false},
		{"tools:echo", "prompts:echo", false},
		{"tools:echo2", "tools:echo", false},
		{"tools:*", "tools:echo", true},
		{"tools:*", "tools:", false},
		{"tools:*", "prompts:echo", false},
		{"tools:*", "manage", false},
		{"tools:github/*", "tools:github/list", true},
		{"tools:github/*", "tools:github/a/b", true},
		{"tools:github/*", "tools:github/", false},
		{"tools:github/*", "tools:github", false},
		{"tools:github/*", "tools:gitlab/list", false},
		{"tools:github_*", "tools:github_list", true},
		{"tools:git*", "tools:github", false},
		{"tools:git*", "tools:git*", true},
		{"tools:*list", "tools:mylist", false},
		{"tools:a/*b*", "tools:a/xbx", false},
		{"*", "tools:echo", false},
		{"", "tools:echo", false},
		{"tools:a tools:b", "tools:b", true},
		{"manage", "manage", true},
		{"manage", "tools:echo", false},
		{"mana", "manage", false},
		{"read", "read", true},
		{"read", "", false},
		{"resources:*", "resources:file:///a", true},
		{"resources:file:///srv/*", "resources:file:///srv/a", true},
		{"resources:file:///srv/*", "resources:file:///srv/a/b.txt", true},
		{"resources:file:///srv/*", "resources:file:///srv/a..b", true},
		{"resources:file:///srv/*", "resources:file:///srv/...", true},
		{"resources:file:///srv/*", "resources:file:///srv/../etc/passwd", false},
		{"resources:file:///srv/*", "resources:file:///srv/a/..", false},
		{"resources:file:///srv/*", "resources:file:///srv/./a", false},
		{"resources:file:///srv/*", "resources:file:///srv/%2e%2e/etc", false},
		{"resources:file:///srv/*", "resources:file:///srv/.%2E/etc", false},
		{"resources:file:///srv/*", "resources:file:///srv/%252e%252e/etc", false},
		{"resources:file:///srv/*", "resources:file:///srv/a%2f..%2fetc", false},
		{"resources:file:///srv/*", `resources:file:///srv/..\etc`, false},
		{"resources:file:///srv/*", "resources:file:///srv/..%5cetc", false},
		{"resources:file:///srv/*", "resources:file:///srv/..?x", false},
		{"resources:*", "resources:file:///../etc", false},
		{"resources:file:///srv/../etc", "resources:file:///srv/../etc", true}, // named whole
		{"resources:http://x/?q=*", "resources:http://x/?q=1", true},
	} {
		var granted []string
		if tc.granted != "" {
			granted = strings.Fields(tc.granted)
		}
		if got := Match(granted, tc.need); got != tc.want {
			t.Errorf("Match(%q, %q) = %v", granted, tc.need, got)
		}
	}
	if Match(nil, "tools:x") || Match([]string{""}, "") {
		t.Error("nothing granted matched")
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	granted := []string{"manage", "prompts:*", "resources:file:///srv/docs/*"}
	if n := testing.AllocsPerRun(100, func() {
		if !Match(granted, "resources:file:///srv/docs/%41/b") {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzMatch checks that a valid scope grants exactly its name, or names that
// start with what stands before the star.
func FuzzMatch(f *testing.F) {
	f.Add("tools:github/*", "github/list")
	f.Add("resources:file:///srv/*", "file:///srv/%2e%2e/etc")
	f.Add("tools:*", "%2525252e")
	f.Add("prompts:x", "x%")
	f.Fuzz(func(t *testing.T, scope, name string) {
		valid := Validate(scope) == nil
		for _, k := range kinds {
			if !Match([]string{scope}, k.prefix+name) {
				continue
			}
			pattern, ok := strings.CutPrefix(scope, k.prefix)
			if !ok || name == "" {
				t.Fatalf("%q granted %s%q", scope, k.prefix, name)
			}
			if pattern == name {
				continue
			}
			stem, star := strings.CutSuffix(pattern, "*")
			if !star || !strings.HasPrefix(name, stem) || strings.Contains("/"+name+"/", "/../") {
				t.Fatalf("%q granted %s%q", scope, k.prefix, name)
			}
			if !valid && Validate(scope[:len(k.prefix)]+"x/*") == nil && stem != "" && !separator(stem[len(stem)-1], k.kind) {
				t.Fatalf("wildcard of the invalid scope %q granted %q", scope, name)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	granted := []string{"manage", "prompts:*", "tools:a", "tools:b", "tools:github/*"}
	b.ReportAllocs()
	for b.Loop() {
		if !Match(granted, "tools:github/create_pull_request") {
			b.Fatal("no match")
		}
	}
}

var _ portcullis.Authorizer = (*Authorizer)(nil)
