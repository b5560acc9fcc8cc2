package card_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
)

// newer is a card of 1.0 with most of what a card can say.
const newer = `{
 "name":"Planner","description":"Plans routes.\nFast.","version":"1.2.0",
 "supportedInterfaces":[
  {"url":"https://agent.example.com/a2a","protocolBinding":"JSONRPC","protocolVersion":"1.0"},
  {"url":"agent.example.com:443","protocolBinding":"GRPC","protocolVersion":"1.0"},
  {"url":"https://agent.example.com/rest","protocolBinding":"HTTP+JSON","protocolVersion":"1.0","tenant":"t1"},
  {"url":"https://agent.example.com/old","protocolBinding":"JSONRPC","protocolVersion":"0.3.0"},
  {"url":"wss://agent.example.com/ws","protocolBinding":"https://example.com/ws/v1","protocolVersion":"1.0"}],
 "provider":{"organization":"Example","url":"https://www.example.org"},
 "iconUrl":"https://agent.example.com/icon.png","documentationUrl":"https://docs.example.org/planner",
 "capabilities":{"streaming":true,"pushNotifications":true,"extendedAgentCard":true,
  "extensions":[{"uri":"https://example.com/ext/v1","description":"x","params":{"limit":1.50,"b":[1e2]}}]},
 "securitySchemes":{
  "google":{"openIdConnectSecurityScheme":{"openIdConnectUrl":"https://accounts.example.com/.well-known/openid-configuration"}},
  "key":{"apiKeySecurityScheme":{"location":"header","name":"X-Key"}},
  "web":{"httpAuthSecurityScheme":{"scheme":"Bearer","bearerFormat":"JWT"}},
  "cert":{"mtlsSecurityScheme":{}},
  "oauth":{"oauth2SecurityScheme":{"oauth2MetadataUrl":"https://as.example.com/.well-known/oauth-authorization-server",
   "flows":{"clientCredentials":{"tokenUrl":"https://as.example.com/token","scopes":{"read":"Read"}}}}}},
 "securityRequirements":[{"schemes":{"google":{"list":["openid"]}}},{"schemes":{"key":{},"cert":{"list":[]}}}],
 "defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain"],
 "skills":[
  {"id":"plan","name":"Plan","description":"Plans.","tags":["maps"],"examples":["from A to B"],"securityRequirements":[{"schemes":{"oauth":{"list":["read"]}}}]},
  {"id":"draw","name":"Draw","description":"Draws.","tags":[],"outputModes":["image/png"]}]
}`

// older is a card of 0.3.
const older = `{
 "name":"Planner","description":"Plans routes.","version":"1.2.0","protocolVersion":"0.3.0",
 "url":"https://agent.example.com/a2a","preferredTransport":"JSONRPC",
 "additionalInterfaces":[{"url":"https://agent.example.com/a2a","transport":"JSONRPC"},{"url":"https://agent.example.com/rest","transport":"HTTP+JSON"}],
 "capabilities":{"streaming":true,"stateTransitionHistory":true},"supportsAuthenticatedExtendedCard":true,
 "securitySchemes":{"key":{"type":"apiKey","in":"header","name":"X-Key"},"web":{"type":"http","scheme":"bearer"},
  "oauth":{"type":"oauth2","flows":{"clientCredentials":{"tokenUrl":"https://as.example.com/token","scopes":{}},"authorizationCode":{"authorizationUrl":"https://as.example.com/a","tokenUrl":"https://as.example.com/token","scopes":{}}}}},
 "security":[{"key":[]},{"oauth":["read"]}],
 "defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain"],
 "skills":[{"id":"plan","name":"Plan","description":"Plans.","tags":["maps"],"security":[{"web":[]}]}]
}`

func parse(t *testing.T, raw string) *card.Card {
	t.Helper()
	c, err := card.Parse([]byte(raw), card.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParse(t *testing.T) {
	c := parse(t, newer)
	if c.Form != card.V1 || c.Name != "Planner" || len(c.Interfaces) != 5 || c.Interfaces[3].Version != "0.3" || c.Interfaces[2].Tenant != "t1" {
		t.Errorf("%+v", c)
	}
	if !c.Capabilities.Extended || len(c.Schemes) != 5 || c.Schemes["key"].In != "header" || c.Schemes["google"].OpenIDURL == "" || len(c.Requirements) != 2 ||
		c.Requirements[0]["google"][0] != "openid" || c.Schemes["oauth"].Flows[card.ClientCredentials].Scopes["read"] != "Read" {
		t.Errorf("%+v", c)
	}
	if len(c.Skills) != 2 || c.Skills[0].Requirements[0]["oauth"][0] != "read" || string(c.Capabilities.Extensions[0].Params) != `{"b":[100],"limit":1.5}` {
		t.Errorf("%+v", c.Capabilities.Extensions)
	}
	c = parse(t, older)
	if c.Form != card.V03 || len(c.Interfaces) != 2 || c.Interfaces[0].Binding != card.JSONRPC || c.Interfaces[1].Version != "0.3" ||
		!c.Capabilities.Extended || !c.Capabilities.StateHistory || len(c.Schemes["oauth"].Flows) != 2 || len(c.Requirements) != 2 {
		t.Errorf("%+v", c)
	}
}

// TestRefused changes one thing of a good card. The error names place and rule,
// and repeats nothing of what was sent.
func TestRefused(t *testing.T) {
	const secret = "s3cr3t"
	for _, tt := range []struct{ name, base, old, new, want string }{
		{"no object", newer, newer, `[1]`, "no object"},
		{"nothing", newer, newer, ``, "unexpected end"},
		{"trailing bytes", newer, newer, newer + "{}", "bytes after"},
		{"byte order mark", newer, newer, "\ufeff" + newer, "byte order mark"},
		{"twice", newer, `"version":"1.2.0"`, `"version":"1.2.0","version":"` + secret + `"`, "duplicate member name"},
		{"twice inside", newer, `"id":"plan"`, `"id":"plan","id":"x"`, "duplicate member name"},
		{"twice, escaped", newer, `"id":"plan"`, `"id":"plan","\u0069d":"x"`, "duplicate member name"},
		{"other case", newer, `"version":"1.2.0"`, `"version":"1.2.0","Name":"` + secret + `"`, "other spelling of a member"},
		{"other case inside", newer, `"id":"plan"`, `"ID":"plan"`, "skills[0]: other spelling of a member"},
		{"other case of a URL", newer, `"url":"https://agent.example.com/rest"`, `"url":"https://agent.example.com/rest","URL":"https://evil.example"`, "supportedInterfaces[2]: other spelling"},
		{"escaped name", newer, `"description":"Plans."`, `"descriptio\u006e":"Plans."`, "skills[0].description: escaped spelling"},
		{"no name", newer, `"name":"Planner",`, ``, "name: missing"},
		{"empty name", newer, `"name":"Planner"`, `"name":""`, "name: empty"},
		{"control character", newer, `"name":"Planner"`, `"name":"Pl\u001b[2J"`, "name: control character"},
		{"number for text", newer, `"name":"Planner"`, `"name":1`, "name: not a string"},
		{"no interfaces", newer, `"supportedInterfaces":[`, `"x":[`, "supportedInterfaces: missing"},
		{"no skills", newer, `"skills":[`, `"y":[`, "skills: missing"},
		{"no modes", newer, `"defaultInputModes":["text/plain"],`, ``, "defaultInputModes: missing"},
		{"two skills", newer, `"id":"draw"`, `"id":"plan"`, "skills[1].id: there is another skill of this id"},
		{"no binding", newer, `"protocolBinding":"JSONRPC",`, ``, "supportedInterfaces[0].protocolBinding: missing"},
		{"bad version", newer, `"protocolVersion":"1.0"}`, `"protocolVersion":"` + secret + `"}`, "protocolVersion: not a version"},
		{"leading zero", newer, `"protocolVersion":"1.0"}`, `"protocolVersion":"1.00"}`, "protocolVersion: not a version"},
		{"two schemes in one", newer, `"key":{`, `"key":{"mtlsSecurityScheme":{},`, "securitySchemes{1}: more than one scheme"},
		{"two forms of a scheme", newer, `"key":{`, `"key":{"type":"apiKey","in":"query","name":"X-Key",`, "says something else in the form of 0.3"},
		{"no scheme", newer, `"cert":{"mtlsSecurityScheme":{}}`, `"cert":{}`, "securitySchemes{3}: no scheme"},
		{"unknown type", older, `"type":"apiKey"`, `"type":"` + secret + `"`, "unknown type of scheme"},
		{"unknown scheme needed", newer, `{"google":{"list"`, `{"` + secret + `":{"list"`, "names a scheme that is not in securitySchemes"},
		{"unknown scheme of a skill", newer, `{"oauth":{"list"`, `{"nope":{"list"`, "skills.securityRequirements: names a scheme"},
		{"place of a key", newer, `"location":"header"`, `"location":"body"`, "not header, query or cookie"},
		{"no flow", newer, `"flows":{"clientCredentials"`, `"flows":{"other"`, "flows: no flow"},
		{"two requirements", older, `"security":[{"key":[]}`, `"securityRequirements":[{"schemes":{"web":{}}}],"security":[{"key":[]}`, "security: says something else"},
		{"two extended", older, `"streaming":true`, `"extendedAgentCard":false`, "says something else than capabilities"},
		{"no version of 0.3", older, `"protocolVersion":"0.3.0",`, ``, "protocolVersion: missing"},
		{"provider", newer, `"organization":"Example",`, ``, "provider.organization: missing"},
		{"params", newer, `"params":{"limit":1.50`, `"params":{"limit":9007199254740993`, "params: has no canonical form"},
		{"too long", newer, `"name":"Planner"`, `"name":"` + strings.Repeat("a", 513) + `"`, "name: longer than 512 bytes"},
		{"too large", newer, newer, `{"a":"` + strings.Repeat("a", 300<<10) + `"}`, "more than 262144 bytes"},
		{"too deep", newer, `"params":{`, `"params":{"d":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `,`, "nesting too deep"},
		{"too many interfaces", newer, `"supportedInterfaces":[`, `"supportedInterfaces":[` + strings.Repeat(`{"url":"https://a.example/","protocolBinding":"JSONRPC","protocolVersion":"1.0"},`, 40), "more than 32 elements"},
		{"signatures", newer, `"version":"1.2.0"`, `"version":"1.2.0","signatures":[{"protected":"x"}]`, "signatures[0].signature: missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := strings.Replace(tt.base, tt.old, tt.new, 1)
			if raw == tt.base {
				t.Fatal("nothing was changed")
			}
			_, err := card.Parse([]byte(raw), card.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), secret) || len(err.Error()) > 200) {
				t.Errorf("the error repeats the card: %v", err)
			}
		})
	}
}

func TestURLs(t *testing.T) {
	for url, want := range map[string]string{
		"https://agent.example.com/a2a":           "",
		"https://[2001:db8::1]:8443/a2a?x=1":      "",
		"http://127.0.0.1:9000/":                  "",
		"http://localhost:9000":                   "",
		"http://[::1]:9000/":                      "",
		"http://agent.example.com/a2a":            "not over TLS",
		"http://127.0.0.1.evil.example/":          "not over TLS",
		"http://localhost.evil.example/":          "not over TLS",
		"https://user:pw@agent.example.com/":      "holds a name or password",
		"https://agent.example.com@evil.test/":    "holds a name or password",
		"https://agent.example.com\\\\@evil.test": "not a URL",
		"https://agent.example.com/#frag":         "has a fragment",
		"https://agent.example.com/#":             "has a fragment",
		"https:///a2a":                            "has no host",
		"https:agent.example.com":                 "has no host",
		"//agent.example.com/":                    "not of a scheme",
		"/a2a":                                    "has no host",
		"javascript:alert(1)":                     "has no host",
		"file:///etc/passwd":                      "has no host",
		"ftp://agent.example.com/":                "not of a scheme",
		"gopher://agent.example.com/":             "not of a scheme",
		"wss://agent.example.com/":                "not of a scheme",
		"https://agent.example.com:0/":            "has no host",
		"https://agent.example.com:/":             "has no host",
		"https://agent.example.com:99999/":        "has no host",
		"https://аgent.example.com/":              "not a URL", // Cyrillic
		"https://agent example.com/":              "not a URL",
		"https://agent.example.com/\\u0000":       "control character",
		"https://ag%65nt.example.com/":            "not a URL",
		"https://[fe80::1%25eth0]/":               "has no host",
	} {
		raw := strings.Replace(newer, `"https://agent.example.com/a2a"`, `"`+url+`"`, 1)
		_, err := card.Parse([]byte(raw), card.Options{})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), "supportedInterfaces[0].url: "+want)) {
			t.Errorf("%s: got %v, want %q", url, err, want)
		}
	}
	plain := strings.Replace(newer, "https://agent.example.com/a2a", "http://agent.example.com/a2a", 1)
	if _, err := card.Parse([]byte(plain), card.Options{InsecurePlainHTTP: true}); err != nil {
		t.Error(err)
	}
	for _, tt := range [][2]string{
		{`"iconUrl":"https://agent.example.com/icon.png"`, `"iconUrl":"javascript:alert(1)"`},
		{`"url":"https://www.example.org"`, `"url":"data:text/html,x"`},
		{`"tokenUrl":"https://as.example.com/token"`, `"tokenUrl":"http://as.example.com/token"`},
		{`"openIdConnectUrl":"https://`, `"openIdConnectUrl":"http://`},
		{`"agent.example.com:443"`, `"agent.example.com"`},
		{`"agent.example.com:443"`, `"a@agent.example.com:443"`},
	} {
		raw := strings.Replace(newer, tt[0], tt[1], 1)
		if _, err := card.Parse([]byte(raw), card.Options{InsecurePlainHTTP: true}); err == nil || raw == newer {
			t.Errorf("%s was taken", tt[1])
		}
	}
}

// TestWrittenIsRead writes cards in every form and reads them again.
func TestWrittenIsRead(t *testing.T) {
	for name, raw := range map[string]string{"1.0": newer, "0.3": older} {
		c := parse(t, raw)
		for _, form := range []card.Form{card.V1, card.V03, card.Both} {
			for _, style := range []card.Style{{}, {ScopeArrays: true}} {
				out, err := c.Marshal(form, style)
				if name == "0.3" && form == card.V1 {
					if err == nil {
						t.Error("a card without an interface of 1.0 was written as 1.0")
					}
					continue
				}
				if err != nil {
					t.Fatal(name, form, err)
				}
				again := parse(t, string(out))
				if again.Form != form && !(name == "0.3" && form == card.Both && again.Form == card.V03) {
					t.Errorf("%s as %s is %s", name, form, again.Form)
				}
				twice, err := again.Marshal(form, style)
				if err != nil || !bytes.Equal(out, twice) {
					t.Errorf("%s as %s: %v\n%s\n%s", name, form, err, out, twice)
				}
				if len(again.Skills) != len(c.Skills) || len(again.Requirements) != len(c.Requirements) || len(again.Schemes) != len(c.Schemes) {
					t.Errorf("%s as %s lost something: %s", name, form, out)
				}
			}
		}
	}
}

func TestBehind(t *testing.T) {
	c := parse(t, newer)
	face := card.Face{
		URL: "https://gw.example.net/planner", Bindings: []string{card.JSONRPC, card.HTTPJSON}, Versions: []string{"1.0", "0.3"},
		Schemes:      map[string]card.Scheme{"apiKey": {Type: card.APIKey, In: "header", Name: "X-API-Key"}},
		Requirements: []card.Requirement{{"apiKey": nil}}, Streaming: true, Extended: true, Hidden: "10.0.0.7",
		Skill: func(id string) bool { return id != "draw" }, Extension: func(string) bool { return false },
	}
	b, err := c.Behind(face)
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.Marshal(card.Both, card.Style{})
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"agent.example.com", "accounts.example.com", "as.example.com", "GRPC", "wss", "draw", "pushNotifications", "X-Key", "extensions"} {
		if bytes.Contains(out, []byte(gone)) {
			t.Errorf("%s is left: %s", gone, out)
		}
	}
	for _, there := range []string{"docs.example.org", "www.example.org", "X-API-Key", `"tenant":"t1"`, `"extendedAgentCard":true`, `"supportsAuthenticatedExtendedCard":true`} {
		if !bytes.Contains(out, []byte(there)) {
			t.Errorf("%s is missing: %s", there, out)
		}
	}
	if len(c.Skills) != 2 || c.Skills[0].Requirements == nil || c.Interfaces[0].URL != "https://agent.example.com/a2a" {
		t.Error("the card changed")
	}
	face.GRPC = "gw.example.net:443"
	if b, err = c.Behind(face); err != nil {
		t.Fatal(err)
	}
	if out, err = b.Marshal(card.V1, card.Style{}); err != nil || bytes.Count(out, []byte(`"GRPC"`)) != 1 || bytes.Count(out, []byte(`"url":"gw.example.net:443"`)) != 1 || bytes.Contains(out, []byte("agent.example.com")) {
		t.Errorf("%s, %v", out, err)
	}
	face.GRPC, face.Asked, face.Versions = "", true, []string{"1.0"}
	if b, err = c.Behind(face); err != nil {
		t.Fatal(err)
	}
	if out, err = b.Marshal(card.V1, card.Style{}); err != nil || bytes.Contains(out, []byte("GRPC")) || bytes.Contains(out, []byte("agent.example.com")) || !bytes.Contains(out, []byte("JSONRPC")) {
		t.Errorf("%s, %v", out, err)
	}
	face.Bindings = []string{"OTHER"}
	if _, err := c.Behind(face); !errors.Is(err, card.ErrNothingServed) {
		t.Error(err)
	}
}

// TestInspect sees every text, and knows places without naming what the agent
// named.
func TestInspect(t *testing.T) {
	raw := strings.Replace(newer, `"version":"1.2.0"`, `"version":"1.2.0","x-evil":{"deep":["orders"]}`, 1)
	seen := map[string]string{}
	if err := card.Inspect([]byte(raw), func(path, text string) error { seen[text] = path; return nil }); err != nil {
		t.Fatal(err)
	}
	for text, path := range map[string]string{
		"Planner": "name", "Draws.": "skills[1].description", "from A to B": "skills[0].examples[0]", "orders": "{3}{0}[0]", "deep": "{3}{0}",
		"google": "securityRequirements[0].schemes{0}", "X-Key": "securitySchemes{1}.apiKeySecurityScheme.name",
		"limit": "capabilities.extensions[0].params{0}",
	} {
		if seen[text] != path {
			t.Errorf("%s at %q, want %q", text, seen[text], path)
		}
	}
	stop := errors.New("stop")
	if err := card.Inspect([]byte(raw), func(string, string) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestSpecificationExamples reads the examples of the specification, which are
// kept outside of the repository.
func TestSpecificationExamples(t *testing.T) {
	dir := os.Getenv("PORTCULLIS_SAMPLES")
	if dir == "" {
		t.Skip("PORTCULLIS_SAMPLES names no folder")
	}
	read := func(n string) []byte {
		raw, err := os.ReadFile(filepath.Join(dir, "a2a", "spec-example-"+n+".json"))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	c, err := card.Parse(read("10"), card.Options{})
	if err != nil || len(c.Skills) != 2 || len(c.Signatures) != 1 || c.Requirements[0]["google"][0] != "openid" {
		t.Fatal(err)
	}
	for _, n := range []string{"01", "03", "04", "05", "06", "07", "08", "09", "21", "26", "27"} { // parts of cards, and what is none
		if _, err := card.Parse(read(n), card.Options{}); err == nil {
			t.Errorf("example %s was taken for a card", n)
		}
	}
	// The header of the signature in 08 is 09.
	var signature, header, want map[string]any
	if err := json.Unmarshal(read("08"), &signature); err != nil {
		t.Fatal(err)
	}
	protected, _ := signature["protected"].(string)
	text, err := base64.RawURLEncoding.DecodeString(protected)
	if err != nil {
		t.Fatal(err)
	}
	if json.Unmarshal(text, &header) != nil || json.Unmarshal(read("09"), &want) != nil || !maps.Equal(header, want) {
		t.Errorf("header %v, want %v", header, want)
	}
	// Those that are no cards and no signatures are read in the tests of messages.
	files, err := filepath.Glob(filepath.Join(dir, "a2a", "spec-example-*.json"))
	if err != nil || len(files) != 24 {
		t.Errorf("%d examples, of which 24 have a test", len(files))
	}
	// What the specification says the canonical form of its example is.
	forms, err := card.Forms(read("06"))
	if err != nil || string(forms[len(forms)-1]) != string(bytes.TrimSpace(read("07"))) {
		t.Errorf("%s, %v", forms, err)
	}
}
