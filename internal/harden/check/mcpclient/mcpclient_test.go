package mcpclient

import (
	"bytes"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/ruletest"
)

func TestRules(t *testing.T) {
	ruletest.Run(t, ruletest.Family[*File]{Kind: rule.MCPClient, Rules: Rules(), Load: Load, Find: Find})
}

func TestCommentsAndCommas(t *testing.T) {
	f, err := parse("mcp.json", []byte("{\n\t// a comment\n\t\"servers\": {\n\t\t\"a\": {\"command\": \"x\", \"args\": [\"http://x//y\", /* no */ \"b\",],},\n\t},\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.servers) != 1 || len(f.servers[0].args) != 2 || f.servers[0].args[0].text != "http://x//y" || f.servers[0].at.line != 4 {
		t.Errorf("%+v", f.servers)
	}
}

// What cannot be read has not passed.
func TestUnreadable(t *testing.T) {
	for _, wrong := range []string{"", "{", "[]", "{}", `{"mcpServers":[]}`, `{"mcpServers":{"a":1}}`, `{"mcpServers":{"a":{"command":7}}}`, `{"mcpServers":{"a":{"args":"x"}}}`} {
		if f, err := parse("mcp.json", []byte(wrong)); err == nil {
			t.Errorf("%s: %+v", wrong, f)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"mcpServers":{"a":{"command":"docker","args":["run","-v","/:/x","img"],"env":{"A_TOKEN":"x"},"url":"http://u:p@x/?key=1"}}}`))
	f.Add([]byte("{\"a\": /* // \" ,]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out := strict(data)
		if len(out) != len(data) || bytes.Count(out, []byte("\n")) != bytes.Count(data, []byte("\n")) {
			t.Fatal("lines moved")
		}
		file, err := parse("x", data)
		if err != nil {
			return
		}
		for _, r := range Rules() {
			if _, err := r.Check(t.Context(), file); err != nil {
				t.Fatal(err)
			}
		}
	})
}
