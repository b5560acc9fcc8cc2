package refusals

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/upstream/dial"
	"github.com/portcullis-dev/portcullis/internal/upstream/direct"
	"github.com/portcullis-dev/portcullis/test/harness"
)

// The published holes of other gateways and SDKs, one test each, named by
// their ids.

// A session that was opened on one route was good for another, with other
// rules, and for whoever knew its id.
func TestGHSA_mvgg_jvj2_4frq(t *testing.T) {
	up := harness.NewUpstream(t, sessions)
	b := &bench{Gateway: harness.Start(t, route(up, "mcp", plenty, "[route.tools]", `deny = ["echo"]`)+route(up, "open", plenty)), up: up}
	other, _ := b.NewKey("tools:*")
	strict, open1 := open(t, b.URL, b.Key), open(t, b.Base+"/open", b.Key)
	seen := len(up.Seen())
	for name, tc := range map[string]struct{ path, key, session string }{
		"strict session on the open route":    {"/open", b.Key, strict},
		"open session on the strict route":    {"/mcp", b.Key, open1},
		"another principal on the same route": {"/open", other, open1},
		"another principal and route":         {"/mcp", other, open1},
		"the upstream's own id":               {"/open", b.Key, "upstream-session-1"},
	} {
		for _, method := range []string{"POST", "GET", "DELETE"} {
			body := []byte(call)
			if method != "POST" {
				body = nil
			}
			r := harness.Do(t, method, b.Base+tc.path, body, "X-API-Key", tc.key, "Mcp-Session-Id", tc.session)
			if r.Status != http.StatusNotFound {
				t.Errorf("%s, %s: %d %s", name, method, r.Status, r.Body)
			}
		}
	}
	if n := len(up.Seen()) - seen; n != 0 {
		t.Errorf("the upstream saw %d of these requests", n)
	}
}

// A page whose name was pointed at 127.0.0.1 could call a local gateway.
// Nothing of this is configured: it is so by default.
func TestCVE_2025_64443_CVE_2026_34742(t *testing.T) {
	b := newBench(t, "", oneRoute)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(b.Base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, headers := range [][]string{
		{"Host", "evil.example"},
		{"Host", "evil.example:" + port},
		{"Host", "127.0.0.1.evil.example:" + port},
		{"Host", "localhost.evil.example:" + port},
		{"Host", "0.0.0.0:" + port},
		{"Host", "evil.example:" + port, "Origin", "http://evil.example:" + port},
		{"Origin", "http://evil.example:" + port},
		{"Origin", "http://localhost.evil.example"},
		{"Origin", "null"},
	} {
		for _, method := range []string{"POST", "GET"} {
			body := []byte(call)
			if method == "GET" {
				body = nil
			}
			r := harness.Do(t, method, b.URL, body, append(headers, "X-API-Key", b.Key)...)
			if r.Status != http.StatusForbidden || r.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %v: %d", method, headers, r.Status)
			}
		}
	}
	admin := harness.Do(t, "GET", b.Admin+"/api/v1/keys", nil, "Host", "evil.example", "X-API-Key", b.Key)
	if admin.Status != http.StatusForbidden {
		t.Errorf("admin listener: %d", admin.Status)
	}
	if n := len(b.up.Seen()); n != 0 {
		t.Errorf("the upstream saw %d requests", n)
	}
	if r := harness.Do(t, "POST", b.URL, []byte(call), "Host", "localhost:"+port, "Origin", "http://localhost:"+port, "X-API-Key", b.Key); r.Status != http.StatusOK {
		t.Errorf("our own page: %d", r.Status)
	}
}

// A form or script of another site called a tool without a preflight.
func TestCVE_2026_33252(t *testing.T) {
	up := harness.NewUpstream(t, echo)
	b := &bench{Gateway: harness.Start(t, route(up, "mcp", plenty, `auth = ["none"]`, "insecure_no_auth = true")), up: up}
	for name, headers := range map[string][]string{
		"form":                      {"Content-Type", "text/plain"},
		"form of another site":      {"Content-Type", "text/plain", "Origin", "https://evil.example"},
		"script of another site":    {"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
		"browser without origin":    {"Sec-Fetch-Site", "cross-site"},
		"sibling domain":            {"Sec-Fetch-Site", "same-site"},
		"sandboxed frame":           {"Origin", "null", "Sec-Fetch-Site", "cross-site"},
		"multipart":                 {"Content-Type", "multipart/form-data; boundary=x"},
		"two content types":         {"Content-Type", "text/plain", "Content-Type", "application/json"},
		"no content type":           {"Content-Type", ""},
		"another site, same-origin": {"Origin", "https://evil.example", "Sec-Fetch-Site", "same-origin"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", b.URL, strings.NewReader(call))
		if err != nil {
			t.Fatal(err)
		}
		if name != "form" && name != "form of another site" && name != "multipart" && name != "two content types" {
			req.Header.Set("Content-Type", "application/json")
		}
		for i := 0; i < len(headers); i += 2 {
			if headers[i+1] == "" {
				req.Header.Del(headers[i])
			} else {
				req.Header.Add(headers[i], headers[i+1])
			}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden && resp.StatusCode != http.StatusUnsupportedMediaType {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
	}
	if n := len(up.Seen()); n != 0 {
		t.Errorf("the upstream saw %d requests", n)
	}
	if r := harness.Do(t, "POST", b.URL, []byte(call)); r.Status != http.StatusOK {
		t.Errorf("a program's call: %d", r.Status)
	}
}

// Names in other case or with folding letters were read as the protocol's own
// by one parser and passed over by the next.
func TestCVE_2026_27896(t *testing.T) {
	up := harness.NewUpstream(t, echo)
	b := &bench{Gateway: harness.Start(t, route(up, "mcp", plenty, "[route.tools]", `deny = ["delete_all"]`)), up: up}
	for _, body := range []string{
		request(`{"Name":"delete_all"}`),
		request(`{"name":"echo","NAME":"delete_all"}`),
		request(`{"name":"echo","nAmE":"delete_all"}`),
		`{"jsonrpc":"2.0","id":7,"METHOD":"tools/call","params":{"name":"delete_all"}}`,
		`{"jsonrpc":"2.0","id":7,"method":"ping","Method":"tools/call","params":{"name":"delete_all"}}`,
		`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo"},"PARAMS":{"name":"delete_all"}}`,
		`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo"},"param\u017f":{"name":"delete_all"}}`,
		`{"jsonrpc":"2.0","id":7,"ID":8,"method":"ping"}`,
		`{"JSONRPC":"2.0","id":7,"method":"ping"}`,
	} {
		if r := harness.Do(t, "POST", b.URL, []byte(body), "X-API-Key", b.Key); r.Status != http.StatusBadRequest {
			t.Errorf("%s: %d", body, r.Status)
		}
	}
	if n := len(up.Seen()); n != 0 {
		t.Errorf("the upstream saw %d requests", n)
	}
}

// A NUL behind a name ended it for one parser and not for the next.
func TestGHSA_q382_vc8q_7jhj(t *testing.T) {
	up := harness.NewUpstream(t, echo)
	b := &bench{Gateway: harness.Start(t, route(up, "mcp", plenty, "[route.tools]", `deny = ["delete_all"]`)), up: up}
	for _, body := range []string{
		request(`{"name\u0000":"delete_all"}`),
		request(`{"name":"echo","name\u0000x":"delete_all"}`),
		request("{\"name\":\"echo\",\"name\x00\":\"delete_all\"}"),
		request(`{"name":"delete_all\u0000"}`),
		request(`{"name":"echo","arguments":{"a\u0000":1}}`),
		`{"jsonrpc":"2.0","id":7,"method\u0000":"tools/call","method":"ping"}`,
		`{"jsonrpc":"2.0","id":7,"method":"tools/call\u0000","params":{"name":"delete_all"}}`,
	} {
		if r := harness.Do(t, "POST", b.URL, []byte(body), "X-API-Key", b.Key); r.Status != http.StatusBadRequest && r.Status != http.StatusNotFound {
			t.Errorf("%s: %d", body, r.Status)
		}
	}
	if n := len(up.Seen()); n != 0 {
		t.Errorf("the upstream saw %d requests", n)
	}
}

// An IPv6 address that carries a link-local IPv4 one reached the metadata
// service, and so did a server that named another as its endpoint.
func TestCVE_2026_58196_CVE_2026_54450(t *testing.T) {
	for _, host := range []string{
		"169.254.169.254", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::a9fe:a9fe]", "[::ffff:169.254.169.254]", "[2002:a9fe:a9fe::1]",
		"[fe80::1]", "[fd00:ec2::254]", "0.0.0.0",
	} {
		t.Run(host, func(t *testing.T) {
			addr := netip.MustParseAddr(strings.Trim(host, "[]"))
			var refused *dial.AddressError
			if err := (dial.Policy{}).Check(addr); !errors.As(err, &refused) {
				t.Errorf("may be dialed: %v", err)
			}
			cfg := direct.Default()
			cfg.URL = "http://" + host + "/mcp"
			client, err := direct.New(cfg)
			if !errors.As(err, &refused) {
				t.Errorf("may be an upstream: %v", err)
			}
			if err == nil {
				client.Close()
			}
		})
	}
	t.Run("endpoint elsewhere", endpointElsewhere)
}

func endpointElsewhere(t *testing.T) {
	inner := harness.NewUpstream(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	for name, endpoint := range map[string]string{
		"another origin":  inner.URL + "/latest/meta-data",
		"network path":    "//" + strings.TrimPrefix(inner.URL, "http://") + "/x",
		"metadata":        "http://169.254.169.254/latest/meta-data",
		"metadata, NAT64": "http://[64:ff9b::a9fe:a9fe]/latest/meta-data",
		"a file":          "file:///etc/passwd",
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				fmt.Fprintf(w, "event: endpoint\ndata: %s\n\n", endpoint)
				if http.NewResponseController(w).Flush() == nil {
					<-r.Context().Done()
				}
			}))
			t.Cleanup(server.Close)
			g := harness.Start(t, fmt.Sprintf("[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = \"%s/sse\"\n%s\n", server.URL, plenty))
			r := harness.Do(t, "POST", g.URL, []byte(initialize), "X-API-Key", g.Key)
			if r.Status != http.StatusBadGateway && r.Status != http.StatusServiceUnavailable || strings.Contains(r.Body, "169.254") || strings.Contains(r.Body, inner.URL) {
				t.Errorf("%d %s", r.Status, r.Body)
			}
		})
	}
	if seen := inner.Seen(); len(seen) != 0 {
		t.Errorf("the other server saw %v", seen)
	}
}

// Authentication that is silently off: by a default, an empty variable, an
// empty list, a container without configuration.
func TestGHSA_qg2g_g9w3_m5h8_and_authentication_silently_off(t *testing.T) {
	env := func(name string) (string, bool) {
		switch name {
		case "EMPTY":
			return "", true
		case "NONE":
			return "none", true
		}
		return "", false
	}
	base := "[[route]]\nname = \"mcp\"\npath = \"/mcp\"\nupstream = \"http://127.0.0.1:1/mcp\"\n"
	for name, tc := range map[string]struct{ text, want string }{
		"empty list":                  {base + "auth = []\n", "auth"},
		"none alone":                  {base + "auth = [\"none\"]\n", "insecure_no_auth"},
		"none beside a method":        {base + "auth = [\"api_key\", \"none\"]\ninsecure_no_auth = true\n", "auth"},
		"the loud word alone":         {base + "insecure_no_auth = true\n", "insecure_no_auth"},
		"empty method":                {base + "auth = [\"\"]\n", "auth"},
		"empty variable":              {base + "auth = [\"${EMPTY}\"]\n", "auth"},
		"variable that says none":     {base + "auth = [\"${NONE}\"]\n", "insecure_no_auth"},
		"unset variable":              {base + "auth = [\"${UNSET}\"]\n", "UNSET"},
		"misspelled":                  {base + "atuh = [\"api_key\"]\n", "atuh"},
		"method of a later version":   {base + "auth = [\"jwt\"]\n", "jwt"},
		"unset variable of a command": {"[[route]]\nname = \"m\"\npath = \"/m\"\ncommand = [\"x\"]\nenv = { T = \"${UNSET}\" }\n", "UNSET"},
	} {
		if _, _, err := config.Parse("a.toml", []byte(tc.text), env); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if auth := config.DefaultRoute().Auth; len(auth) != 1 || auth[0] != "api_key" {
		t.Errorf("default %v", auth)
	}
	b := newBench(t, "", func(up *harness.Upstream) string {
		return base[:strings.Index(base, "upstream")] + fmt.Sprintf("upstream = %q\n", up.URL+"/mcp")
	})
	for name, headers := range map[string][]string{
		"no key": nil, "empty key": {"X-API-Key", ""}, "empty bearer": {"Authorization", "Bearer "}, "bearer": {"Authorization", "Bearer"},
		"forwarded user": {"X-Forwarded-User", "admin"}, "the word null": {"X-API-Key", "null"}, "undefined": {"Authorization", "Bearer undefined"},
	} {
		for _, url := range []string{b.URL, b.Admin + "/api/v1/keys"} {
			if r := harness.Do(t, "POST", url, []byte(call), headers...); r.Status != http.StatusUnauthorized {
				t.Errorf("%s at %s: %d", name, url, r.Status)
			}
		}
	}
	if n := len(b.up.Seen()); n != 0 {
		t.Errorf("the upstream saw %d requests", n)
	}
}

// serverVariable makes this test binary a server that speaks over its standard
// input and output and tells its arguments.
const serverVariable = "PORTCULLIS_TEST_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		tellArguments(os.Stdin, os.Stdout)
		return
	}
	os.Exit(m.Run())
}

func tellArguments(in io.Reader, out io.Writer) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var m struct {
			ID     json.RawMessage
			Method string
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil || m.ID == nil {
			continue
		}
		result := any(map[string]any{"content": []any{map[string]any{"type": "text", "text": strings.Join(os.Args[1:], "\n")}}})
		if m.Method == "initialize" {
			result = map[string]any{"protocolVersion": "2025-11-25", "capabilities": map[string]any{"tools": map[string]any{}}, "serverInfo": map[string]any{"name": "s", "version": "1"}}
		}
		b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": result})
		if err != nil {
			return
		}
		fmt.Fprintf(out, "%s\n", b)
	}
}

// What was written into a command's arguments ran in a shell. Here there is no
// shell: neither the configuration's words nor the caller's are read by one.
func TestCVE_2026_55887(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	trap := filepath.Join(t.TempDir(), "trap")
	args := []string{"$(touch " + trap + ")", "`touch " + trap + "`", "; touch " + trap, "&& touch " + trap, "| tee " + trap, "> " + trap, "*", "$HOME", "~"}
	quoted, err := json.Marshal(append([]string{exe}, args...))
	if err != nil {
		t.Fatal(err)
	}
	g := harness.Start(t, fmt.Sprintf("[[route]]\nname = \"mcp\"\npath = \"/mcp\"\ncommand = %s\nenv = { %s = \"1\" }\n%s\n", quoted, serverVariable, plenty))
	session := open(t, g.URL, g.Key)
	tool := request(`{"name":"$(touch ` + trap + `)","arguments":{"a":"; touch ` + trap + `"}}`)
	r := harness.Do(t, "POST", g.URL, []byte(tool), "X-API-Key", g.Key, "Mcp-Session-Id", session, "Mcp-Protocol-Version", "2025-11-25")
	if r.Status != http.StatusOK {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	text, err := json.Marshal(strings.Join(args, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.Body, string(text)) {
		t.Errorf("the arguments came as %s", r.Body)
	}
	if _, err := os.Stat(trap); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a shell has run: %v", err)
	}
	if _, _, err := config.Parse("a.toml", []byte("[[route]]\nname = \"m\"\npath = \"/m\"\ncommand = \"sh -c true\"\n"), os.LookupEnv); err == nil {
		t.Error("a command line of one text is accepted")
	}
}
