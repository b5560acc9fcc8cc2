package generate

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/rogpeppe/go-internal/diff"
	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
)

var update = flag.Bool("update", false, "write deploy/, .github/ and the golden files")

const (
	root    = "../../../"
	sha     = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	another = "docker.io/library/golang:1.27@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func render(t rapid.TB, a answers.Answers, kinds ...string) []File {
	t.Helper()
	made, err := Render(a, kinds...)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// TestDeploy: deploy/ and our own workflows are what this package makes of the
// answers that nobody changed.
func TestDeploy(t *testing.T) {
	want := map[string]bool{}
	for _, f := range render(t, answers.New()) {
		file := filepath.Join(root, "deploy", f.Path)
		switch {
		case f.Path == ".gitignore" || f.Path == ".gitlab-ci.yml" || f.Path == ".github/CODEOWNERS" || f.Path == ".github/dependabot.yml": // ours are others; see guide.golden
			continue
		case strings.HasPrefix(f.Path, ".github/"):
			file = filepath.Join(root, f.Path)
		}
		want[filepath.Clean(file)] = true
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, f.Data, f.Mode); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, f.Data) {
			t.Errorf("%s is not what generate makes (%v): go test ./internal/harden/generate -update", file, err)
		}
	}
	err := filepath.WalkDir(filepath.Join(root, "deploy"), func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !want[p] {
			t.Errorf("%s: nothing makes it", p)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestGuide keeps the other profile, and the answers that change most.
func TestGuide(t *testing.T) {
	a := answers.New()
	a.Profile, a.Image.Digest, a.Upstream.URL, a.Kubernetes.UpstreamSelector = answers.Guide, sha, "http://10.1.2.3:4000/a2a", "app=mcp-server"
	a.Upstream.Protocol, a.Upstream.Path, a.Image.Build = "a2a", "/agent", another
	var all bytes.Buffer
	for _, f := range render(t, a) {
		if f.Kind != "monitoring" {
			fmt.Fprintf(&all, "-- %s %o --\n%s", f.Path, f.Mode, f.Data)
		}
	}
	const golden = "testdata/guide.golden"
	if *update {
		if err := os.WriteFile(golden, all.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(golden)
	if err != nil || !bytes.Equal(got, all.Bytes()) {
		t.Errorf("%v\n%s", err, diff.Diff(golden, got, "now", all.Bytes()))
	}
}

// TestSame: equal answers give equal bytes, and a kind by itself what it is in all.
func TestSame(t *testing.T) {
	all := render(t, answers.New())
	for _, k := range Kinds() {
		var want []File
		for _, f := range all {
			if f.Kind == k.Name {
				want = append(want, f)
			}
		}
		if len(want) == 0 || k.Title == "" || len(k.Rows) == 0 {
			t.Errorf("%s: no files, or nothing said of it", k.Name)
		}
		got := render(t, answers.New(), k.Name)
		if !slices.EqualFunc(got, want, func(a, b File) bool { return a.Path == b.Path && bytes.Equal(a.Data, b.Data) }) {
			t.Errorf("%s differs", k.Name)
		}
	}
	if _, err := Render(answers.New(), "kubernets"); err == nil || !strings.Contains(err.Error(), "want one of dockerfile, ") {
		t.Error(err)
	}
	a := answers.New()
	a.Name = "x; rm"
	if _, err := Render(a); err == nil {
		t.Error("took a bad name")
	}
}

// valid draws answers of every form that is taken.
func valid(t *rapid.T) answers.Answers {
	a := answers.New()
	label := rapid.StringMatching(`[0-9]?[g-m]([-a-z0-9]{0,20}[a-z0-9])?`)
	host := rapid.StringMatching(`([a-z0-9][-a-z0-9]{0,10}[a-z0-9]\.){0,3}[g-m]{2,6}`)
	a.Name, a.Domain = rapid.StringMatching(`[g-m]([-a-z0-9]{0,20}[a-z0-9])?`).Draw(t, "name"), host.Draw(t, "domain")
	a.Profile = rapid.SampledFrom([]string{answers.Default, answers.Guide}).Draw(t, "profile")
	a.Email = rapid.StringMatching(`[A-Za-z0-9._+-]{1,10}@[a-z0-9]{1,5}\.[a-z]{2,4}`).Draw(t, "email")
	a.Environment = rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,20}`).Draw(t, "environment")
	a.Rotate = rapid.SampledFrom([]string{"daily", "weekly", "monthly", "quarterly", "never"}).Draw(t, "rotate")
	a.Image.Name = rapid.StringMatching(`[a-z0-9.-]{0,5}[a-z0-9]:[1-9][0-9]{3}/[a-z0-9]{1,6}(-[a-z0-9]{1,3})?`).Filter(func(s string) bool { return s[0] != '.' && s[0] != '-' }).Draw(t, "image")
	a.Image.Tag = rapid.StringMatching(`[A-Za-z0-9_][A-Za-z0-9._-]{0,10}`).Draw(t, "tag")
	a.Image.User = rapid.IntRange(1, 1<<31-2).Draw(t, "user")
	a.Image.Source = rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9-]{0,8}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,8}`).Draw(t, "source")
	if rapid.Bool().Draw(t, "pinned") {
		a.Image.Digest, a.Image.Build = sha, another
	}
	a.Server.Port, a.Server.AdminPort = rapid.IntRange(1024, 30000).Draw(t, "port"), rapid.IntRange(30001, 65535).Draw(t, "admin")
	a.Upstream.URL = rapid.OneOf(rapid.Just("https://[2001:db8::1]/x"), rapid.Just("http://192.0.2.7:81"), rapid.Just("http://127.0.0.1:3000/mcp"), rapid.Map(host, func(h string) string { return "https://" + h + "/mcp" })).Draw(t, "upstream")
	a.Upstream.Protocol = rapid.SampledFrom([]string{"mcp", "a2a"}).Draw(t, "protocol")
	a.Upstream.Path = rapid.StringMatching(`(/[A-Za-z0-9][A-Za-z0-9_-]{0,6}){1,3}`).Draw(t, "path")
	if a.Upstream.Protocol == "mcp" {
		a.Upstream.Tools = rapid.SliceOfN(rapid.StringMatching(`[A-Za-z0-9_][A-Za-z0-9_./-]{0,8}`), 0, 3).Draw(t, "tools")
	}
	a.Logs.Syslog = rapid.SampledFrom([]string{"", "logs.example.com:6514", "[2001:db8::1]:1", "192.0.2.9:65535"}).Draw(t, "syslog")
	a.Alerts.Channel = rapid.SampledFrom([]string{answers.NoAlerts, answers.Slack, answers.PagerDuty}).Draw(t, "alerts")
	a.Contacts.Owners = rapid.SliceOfN(rapid.SampledFrom([]string{"@a", "@a-b/c_d", "x@example.com"}), 0, 2).Draw(t, "owners")
	k := &a.Kubernetes
	k.Namespace, k.IngressNamespace, k.MonitorNamespace = label.Draw(t, "namespace"), label.Draw(t, "ingress"), label.Draw(t, "monitor")
	k.IngressClass, k.Issuer, k.SecretStore = label.Draw(t, "class"), host.Draw(t, "issuer"), label.Draw(t, "store")
	k.StorageClass = rapid.SampledFrom([]string{"", "gp3", "encrypted.ssd"}).Draw(t, "storage")
	k.UpstreamSelector = rapid.SampledFrom([]string{"", "app=true", "a.example/b=1.0", "on=off"}).Draw(t, "selector")
	k.Proxies = rapid.SampledFrom([]string{"10.0.0.0/8", "fd00::/8", "192.0.2.1/32"}).Draw(t, "proxies")
	who := rapid.StringOf(rapid.RuneFrom([]rune("aZ0 <>@\"'$#:&*!%{}|`\n-"))).Filter(func(s string) bool {
		return s != "" && !strings.ContainsAny(s, "|`[]{}\n") && len(s) <= 200
	})
	a.Contacts.OnCall = who.Draw(t, "on call")
	return a
}

// TestAnyAnswers: whatever is taken as an answer gives files that their readers
// read, a configuration that loads, and pods that may do nothing. What looks like
// something else to YAML stays the text that was answered.
func TestAnyAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := valid(t)
		if err := a.Validate(); err != nil && strings.Contains(err.Error(), "YAML takes this") {
			t.Skip(err) // drawn on purpose
		}
		for _, f := range render(t, a) {
			read(t, f, a)
		}
	})
}

func read(t *rapid.T, f File, a answers.Answers) {
	t.Helper()
	if strings.HasPrefix(f.Path, "helm/templates/") {
		return // read by helm, see test/deploy
	}
	var err error
	switch path.Ext(f.Path) {
	case ".json":
		var v any
		err = json.Unmarshal(f.Data, &v)
	case ".toml":
		var v map[string]any
		if err = toml.Unmarshal(f.Data, &v); err == nil && path.Base(f.Path) == "portcullis.toml" {
			load(t, f.Path, f.Data, a)
		}
	case ".yaml", ".yml":
		for _, doc := range documents(t, f) {
			object(t, f.Path, doc, a)
		}
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", f.Path, err, f.Data)
	}
}

// load reads a configuration and looks whether it says what was answered.
func load(t *rapid.T, name string, text []byte, a answers.Answers) {
	t.Helper()
	env := func(n string) (string, bool) { return "the-token-of-the-test", n == "METRICS_TOKEN" }
	c, _, err := config.Parse(name, text, env)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if c.Server.AllowedHosts[0] != a.Domain || c.Server.Environment != a.Environment || c.Routes[0].Upstream != a.Upstream.URL || c.Routes[0].Path != a.Upstream.Path {
		t.Fatalf("%s: %+v", name, c.Server)
	}
	if len(c.Audit.Sinks) > 0 != (a.Logs.Syslog != "") || len(c.Detect.Alerts.Channels) > 0 != (a.Alerts.Channel != answers.NoAlerts) || !slices.Equal(c.Routes[0].Tools.Allow, a.Upstream.Tools) {
		t.Fatalf("%s: sinks %+v, channels %+v, tools %+v", name, c.Audit.Sinks, c.Detect.Alerts.Channels, c.Routes[0].Tools)
	}
}

func documents(t *rapid.T, f File) []map[string]any {
	t.Helper()
	var out []map[string]any
	d := yaml.NewDecoder(bytes.NewReader(f.Data))
	for {
		var doc map[string]any
		err := d.Decode(&doc)
		if err != nil && err.Error() == "EOF" {
			return out
		}
		if err != nil {
			if f.Kind == "falco" { // a list
				return nil
			}
			t.Fatalf("%s: %v\n%s", f.Path, err, f.Data)
		}
		out = append(out, doc)
	}
}

// object checks one document of Kubernetes.
func object(t *rapid.T, name string, doc map[string]any, a answers.Answers) {
	t.Helper()
	at := func(v any, keys ...string) any {
		for _, k := range keys {
			m, ok := v.(map[string]any)
			if !ok {
				return nil
			}
			v = m[k]
		}
		return v
	}
	if !strings.HasPrefix(name, "kubernetes/") {
		return
	}
	if n, ok := at(doc, "metadata", "name").(string); !ok || !strings.HasPrefix(n, a.Name) && n != a.Kubernetes.Namespace && n != "default-deny" {
		t.Fatalf("%s: named %v", name, at(doc, "metadata", "name"))
	}
	var pod any
	switch doc["kind"] {
	case "Deployment":
		pod = at(doc, "spec", "template", "spec")
	case "CronJob":
		pod = at(doc, "spec", "jobTemplate", "spec", "template", "spec")
	case "ConfigMap":
		text, ok := at(doc, "data", "portcullis.toml").(string)
		if !ok {
			t.Fatalf("%s: no configuration", name)
		}
		load(t, name, []byte(text), a)
		return
	default:
		return
	}
	containers, ok := at(pod, "containers").([]any)
	if !ok || len(containers) != 1 || at(pod, "automountServiceAccountToken") != false {
		t.Fatalf("%s: %v", name, pod)
	}
	c := containers[0]
	if at(c, "securityContext", "runAsUser") != a.Settled().Image.User || at(c, "securityContext", "readOnlyRootFilesystem") != true || at(c, "securityContext", "allowPrivilegeEscalation") != false {
		t.Fatalf("%s: %v", name, at(c, "securityContext"))
	}
}
