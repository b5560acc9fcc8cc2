package settings

import (
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*File]{Kind: rule.Config, Rules: Rules(), Load: Load(nil), Find: Find})
}

func open(t *testing.T, contents map[string]string) *tree.Tree {
	t.Helper()
	base, err := tree.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = base.Close() })
	files := map[string][]byte{}
	for name, text := range contents {
		files[name] = []byte(text)
	}
	return base.With(files)
}

func TestFind(t *testing.T) {
	got := Find(open(t, map[string]string{
		"portcullis.toml": "", "deploy/portcullis.production.toml": "", "staging.portcullis.toml": "", "x/portcullis-eu.toml": "",
		"other.toml": "[server]\n", "portcullis.yaml": "", ".portcullis-check.toml": "",
	}))
	if s := strings.Join(got, " "); s != "deploy/portcullis.production.toml portcullis.toml staging.portcullis.toml x/portcullis-eu.toml" {
		t.Errorf("%s", s)
	}
}

const route = "[[route]]\nname = \"files\"\npath = \"/mcp\"\nupstream = \"https://mcp.example.com/mcp\"\n"

// A file that the gateway would not start with gives no verdict at all.
func TestAFileThatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"[server\n":                                            "would not start",
		"[server]\nlisten = \"nowhere\"\n":                     "would not start",
		"[server]\nunknown = 1\n":                              "would not start",
		"[server]\nlisten = \"${WHERE}\"\n":                    "cannot be read without WHERE",
		"[server.limits]\nmax_connections = \"${HOW_MANY}\"\n": "cannot be read without HOW_MANY",
	} {
		f, err := Load(nil)(t.Context(), open(t, map[string]string{"portcullis.toml": text}), "portcullis.toml")
		if err == nil || f != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestVariables(t *testing.T) {
	tr := open(t, map[string]string{"portcullis.toml": "[server]\nlisten = \"${LISTEN:-127.0.0.1:8080}\"\n" + route + "\n[telemetry]\nmetrics_token = \"${METRICS_TOKEN}\"\n"})
	f, err := Load(nil)(t.Context(), tr, "portcullis.toml")
	if err != nil || f.Config.Server.Listen != "127.0.0.1:8080" {
		t.Fatalf("without variables: %v", err)
	}
	f, err = Load(func(name string) (string, bool) { return "0.0.0.0:80", name == "LISTEN" })(t.Context(), tr, "portcullis.toml")
	if err != nil || f.Config.Server.Listen != "0.0.0.0:80" {
		t.Fatalf("with one: %v", err)
	}
}

// The defaults, and one route, break no rule that matters.
func TestDefaultsAreFine(t *testing.T) {
	f, err := Load(nil)(t.Context(), open(t, map[string]string{"portcullis.toml": route}), "portcullis.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Rules() {
		if found, err := r.Check(t.Context(), f); r.Severity >= rule.Medium && rule.VerdictOf(found, err) == rule.Fail {
			t.Errorf("%s: %+v", r.ID, found)
		}
	}
}

// What cannot be changed on its line is left to a person.
func TestMendLeavesAlone(t *testing.T) {
	f, err := Load(nil)(t.Context(), open(t, map[string]string{"portcullis.toml": route + "schema = {\n  arguments = \"off\" }\n"}), "portcullis.toml")
	if err != nil {
		t.Skip("inline tables over lines are refused: ", err)
	}
	for _, r := range Rules() {
		if r.ID == "config-schema-off" {
			if edits, err := r.Mend(f); err != nil || len(edits) != 1 {
				t.Errorf("%v, %v", edits, err)
			}
		}
	}
}

func TestUnpinned(t *testing.T) {
	for command, want := range map[string]string{
		"npx -y @modelcontextprotocol/server-filesystem /srv":           "@modelcontextprotocol/server-filesystem",
		"npx -y @modelcontextprotocol/server-filesystem@2026.1.14 /srv": "",
		"npx -y server@latest":                      "server@latest",
		"npx -y server@^1.2":                        "server@^1.2",
		"npx --package=server@1.0.0 run-server":     "",
		"npx -p server run-server":                  "server",
		"npx.cmd -y server":                         "server",
		"/usr/bin/npx server":                       "server",
		"uvx mcp-server-git":                        "mcp-server-git",
		"uvx mcp-server-git==2026.1.14":             "",
		"uvx --from git+https://github.com/a/b mcp": "git+https://github.com/a/b",
		"uvx --from git+https://github.com/a/b@0123456789abcdef0123456789abcdef01234567 mcp": "",
		"uv run server.py":                       "",
		"uv tool run mcp-server-git":             "mcp-server-git",
		"pipx run server==1.0.0":                 "",
		"bun x server":                           "server",
		"pnpm dlx server@1.2.3":                  "",
		"npm start":                              "",
		"deno run server.ts":                     "",
		"deno run npm:server":                    "npm:server",
		"go run ./cmd/server":                    "",
		"go run example.com/server@v1.2.3":       "",
		"go run example.com/server@latest":       "example.com/server@latest",
		"docker run -i --rm -e TOKEN mcp/github": "mcp/github",
		"docker run -i mcp/github:1.0":           "mcp/github:1.0",
		"docker run -i mcp/github@sha256:0123":   "",
		"docker ps":                              "",
		"/usr/local/bin/server":                  "",
		"node server.js":                         "",
		"npx":                                    "",
		"":                                       "",
	} {
		if got := Unpinned(strings.Fields(command)); got != want {
			t.Errorf("%q: %q, want %q", command, got, want)
		}
	}
}
