package tool

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

var _ portcullis.Authorizer = (*Authorizer)(nil)

func decide(t testing.TB, c Config, kind portcullis.TargetKind, name string) portcullis.Decision {
	t.Helper()
	a, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	d, err := a.Authorize(t.Context(), portcullis.Principal{ID: "a"},
		portcullis.Action{Method: "m", Target: portcullis.Target{Kind: kind, Name: name}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestLists(t *testing.T) {
	for _, tc := range []struct {
		allow, deny string // space-separated
		name        string
		want        bool
		rule        string
	}{
		{"", "", "echo", true, "no allow list"},
		{"", "", "", false, "no name"},
		{"echo", "", "echo", true, "echo"},
		{"echo", "", "Echo", false, "not in the allow list"},
		{"echo", "", "echo ", false, "not in the allow list"},
		{"echo", "", "echo\x00", false, "not in the allow list"},
		{"echo", "", "sum", false, "not in the allow list"},
		{"", "echo", "echo", false, "echo"},
		{"", "echo", "sum", true, "no allow list"},
		{"*", "delete_*", "delete_user", false, "delete_*"},
		{"delete_user", "delete_*", "delete_user", false, "delete_*"},
		{"delete_*", "delete_user", "delete_file", true, "delete_*"},
		{"read_*", "", "read_file", true, "read_*"},
		{"read_*", "", "read_", true, "read_*"},
		{"read_*", "", "bread_file", false, "not in the allow list"},
		{"*_file", "", "read_file", true, "*_file"},
		{"a*b*c", "", "axxbyyc", true, "a*b*c"},
		{"a*b*c", "", "abc", true, "a*b*c"},
		{"a*b*c", "", "acb", false, "not in the allow list"},
		{"a*a", "", "a", false, "not in the allow list"},
		{"ab*ba", "", "aba", false, "not in the allow list"},
		{"github/*", "", "github/a/b", true, "github/*"},
		{"a.b", "", "axb", false, "not in the allow list"},
		{"[ab]", "", "a", false, "not in the allow list"},
		{"?", "", "a", false, "not in the allow list"},
		{"", "*", "echo", false, "*"},
	} {
		c := Config{Allow: strings.Fields(tc.allow), Deny: strings.Fields(tc.deny)}
		if d := decide(t, c, portcullis.TargetTool, tc.name); d.Allowed() != tc.want || d.Rule != tc.rule {
			t.Errorf("%+v on %q: %+v, want %v by %q", c, tc.name, d, tc.want, tc.rule)
		}
	}
}

func TestEachKindHasItsOwnLists(t *testing.T) {
	c := Config{
		Allow: []string{"t"}, Prompts: List{Allow: []string{"p"}},
		Resources: List{Allow: []string{"r"}}, Skills: List{Allow: []string{"s"}},
	}
	for kind, own := range map[portcullis.TargetKind]string{
		portcullis.TargetTool: "t", portcullis.TargetPrompt: "p", portcullis.TargetResource: "r", portcullis.TargetSkill: "s",
	} {
		for _, name := range []string{"t", "p", "r", "s"} {
			if got := decide(t, c, kind, name).Allowed(); got != (name == own) {
				t.Errorf("%v %q: %v", kind, name, got)
			}
		}
	}
	if decide(t, c, portcullis.TargetKind(99), "t").Allowed() {
		t.Error("an unknown kind of target was allowed")
	}
	if !decide(t, c, portcullis.TargetNone, "").Allowed() {
		t.Error("an action without a target was denied")
	}
}

func TestNobodyIsDenied(t *testing.T) {
	a, err := New(Default())
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []portcullis.TargetKind{portcullis.TargetNone, portcullis.TargetTool} {
		d, err := a.Authorize(t.Context(), portcullis.Principal{}, portcullis.Action{Target: portcullis.Target{Kind: kind, Name: "x"}})
		if err != nil || d.Allowed() {
			t.Errorf("%v: %+v, %v", kind, d, err)
		}
	}
}

func TestResourceSpellings(t *testing.T) {
	allow := Config{Resources: List{Allow: []string{"file:///srv/*"}}}
	deny := Config{Resources: List{Deny: []string{"file:///srv/secret/*", "https://internal.example/*"}}}
	for _, tc := range []struct {
		c    Config
		uri  string
		want bool
	}{
		{allow, "file:///srv/a", true},
		{allow, "file:///srv/a%20b", true},
		{allow, "file:///srv/100%", true},
		{allow, "file:///srv/..a/b", true},
		{allow, "file:///srv/../etc/passwd", false},
		{allow, "file:///srv/%2e%2e/etc/passwd", false},
		{allow, "file:///srv/%252e%252e/etc", false},
		{allow, "file:///srv/%2525252525252e./etc", false},
		{allow, `file:///srv/..\etc`, false},
		{allow, "file:///srv/x%2f..%2f..%2fetc", false},
		{allow, "FILE:///srv/a", false},
		{deny, "file:///srv/a", true},
		{deny, "file:///srv/secret/a", false},
		{deny, "FILE:///srv/secret/a", false},
		{deny, "file:///srv/%73ecret/a", false},
		{deny, "file:///srv/%2573ecret/a", false},
		{deny, "file:///srv/x/../secret/a", false},
		{deny, "file:///srv/./secret/a", false},
		{deny, "file:///srv%2fsecret/a", false},
		{deny, `file:///srv\secret\a`, false},
		{deny, "https://INTERNAL.example/x", false},
		{deny, "https://public.example/x", true},
		{deny, "opaque", true},
		{deny, "", false},
		{Default(), "file:///srv/../x", true}, // no list, nothing to get around
	} {
		if d := decide(t, tc.c, portcullis.TargetResource, tc.uri); d.Allowed() != tc.want {
			t.Errorf("%+v on %q: %+v", tc.c.Resources, tc.uri, d)
		}
	}
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]Config{
		`allow[1]: ""`:               {Allow: []string{"a", ""}},
		`deny[0]: ""`:                {Deny: []string{""}},
		`prompts.allow[0]`:           {Prompts: List{Allow: []string{strings.Repeat("x", 513)}}},
		`prompts.deny[0]`:            {Prompts: List{Deny: []string{""}}},
		`resources.allow[0]`:         {Resources: List{Allow: []string{""}}},
		`resources.deny[0]`:          {Resources: List{Deny: []string{""}}},
		`skills.allow[0]`:            {Skills: List{Allow: []string{""}}},
		`skills.deny[0]`:             {Skills: List{Deny: []string{""}}},
		`allow: 1001 patterns: want`: {Allow: make([]string, 1001)},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if c.Empty() {
			t.Errorf("%q: not empty", want)
		}
		if _, err := New(c); err == nil {
			t.Errorf("%q: New took it", want)
		}
	}
	if !Default().Empty() || Default().Validate() != nil {
		t.Error("the default is not empty and valid")
	}
}

func FuzzResource(f *testing.F) {
	f.Add("file:///srv/../x")
	f.Add("%252e%252e")
	a, err := New(Config{Resources: List{Allow: []string{"file:///srv/*"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		d, _ := a.Authorize(t.Context(), portcullis.Principal{ID: "a"},
			portcullis.Action{Target: portcullis.Target{Kind: portcullis.TargetResource, Name: uri}})
		if d.Allowed() && (!strings.HasPrefix(uri, "file:///srv/") || strings.Contains(uri+"/", "/../")) {
			t.Fatalf("%q was allowed", uri)
		}
	})
}

func BenchmarkAuthorize(b *testing.B) {
	a, err := New(Config{Allow: []string{"echo", "sum", "github/*", "fs_*_read", "list_*"}, Deny: []string{"delete_*", "drop"}})
	if err != nil {
		b.Fatal(err)
	}
	p := portcullis.Principal{ID: "a"}
	action := portcullis.Action{Method: "tools/call", Target: portcullis.Target{Kind: portcullis.TargetTool, Name: "list_directory"}}
	b.ReportAllocs()
	for b.Loop() {
		if d, _ := a.Authorize(b.Context(), p, action); !d.Allowed() {
			b.Fatal(d)
		}
	}
}
