//go:build conformance

package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/check/helm"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
	"github.com/portcullis-dev/portcullis/internal/harden/generate"
	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
)

const (
	digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	kube   = "1.34.1"
)

// tool is a program of .tools/deploy or of npm.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, p := range []string{"../../.tools/deploy/" + name, "../conformance/node_modules/.bin/" + name} {
		if full, err := filepath.Abs(p); err == nil {
			if _, err := os.Stat(full); err == nil {
				return full
			}
		}
	}
	t.Fatalf("%s is not there: scripts/setup-tools fetches it", name)
	return ""
}

func run(t *testing.T, dir, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(program), args, err, out)
	}
	return out
}

// written are the files of the answers in a folder.
func written(t *testing.T, a answers.Answers) string {
	t.Helper()
	made, err := generate.Render(a)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range made {
		file := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func each(t *testing.T, f func(t *testing.T, a answers.Answers, dir string)) {
	t.Helper()
	pinned := answers.New()
	pinned.Image.Digest = digest
	guide, labels := pinned, pinned
	guide.Profile, guide.Upstream.URL = answers.Guide, "http://10.1.2.3:4000/mcp"
	labels.Name, labels.Kubernetes.UpstreamSelector, labels.Kubernetes.StorageClass = "gate", "app=mcp-server", "gp3"
	complete := labels
	complete.Upstream.URL, complete.Upstream.Tools, complete.Alerts.Channel, complete.Logs.Syslog = "https://mcp.internal/mcp", []string{"search", "read_file"}, answers.PagerDuty, "logs.example.com:6514"
	for name, a := range map[string]answers.Answers{"default": pinned, "guide": guide, "labels": labels, "complete": complete} {
		t.Run(name, func(t *testing.T) { f(t, a, written(t, a)) })
	}
}

// TestKubeconform: every manifest, and every manifest of the chart, has the form that
// the API of Kubernetes wants, without a field that it does not know. Kinds of
// operators have no schema here; they are named.
func TestKubeconform(t *testing.T) {
	schemas := schemasOf(t)
	each(t, func(t *testing.T, a answers.Answers, dir string) {
		chart := run(t, dir, tool(t, "helm"), "template", a.Name, "helm", "--namespace", a.Kubernetes.Namespace, "--kube-version", kube)
		if err := os.WriteFile(filepath.Join(dir, "chart.yaml"), chart, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, what := range []string{"kubernetes", "chart.yaml"} {
			out := string(run(t, dir, tool(t, "kubeconform"), "-strict", "-summary", "-ignore-filename-pattern", `\.sh$`, "-kubernetes-version", kube,
				"-schema-location", schemas+"/{{ .ResourceKind }}{{ .KindSuffix }}.json", "-skip", "ExternalSecret,ClusterImagePolicy", what))
			if !regexp.MustCompile(`Valid: (1[3-9]|2\d), Invalid: 0, Errors: 0`).MatchString(out) {
				t.Errorf("%s: %s", what, out)
			}
		}
	})
}

// TestKubeconformRefuses proves that the schemas see a mistake: a field that Pods do
// not have, and a Deployment without a selector (S1-19).
func TestKubeconformRefuses(t *testing.T) {
	schemas := schemasOf(t)
	for _, bad := range []string{
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: a, image: a}]}}}\n",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {container: [], containers: [{name: a}]}\n",
	} {
		file := filepath.Join(t.TempDir(), "bad.yaml")
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tool(t, "kubeconform"), "-strict", "-schema-location", schemas+"/{{ .ResourceKind }}{{ .KindSuffix }}.json", file).CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("is invalid")) {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// TestCheckRendersTheChart: portcullis check judges what the chart makes, although
// it wants a newer Kubernetes than Helm takes for itself, and has nothing against
// it.
func TestCheckRendersTheChart(t *testing.T) {
	t.Setenv("PATH", filepath.Dir(tool(t, "helm"))+string(os.PathListSeparator)+os.Getenv("PATH"))
	each(t, func(t *testing.T, _ answers.Answers, dir string) {
		tr, err := tree.Open(t.Context(), filepath.Join(dir, "helm"))
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		chart, err := helm.Load(t.Context(), tr, "Chart.yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range helm.Rules() {
			found, err := r.Check(t.Context(), chart)
			if v := rule.VerdictOf(found, err); v != rule.Pass && v != rule.Skipped {
				t.Errorf("%s: %s: %+v %v", r.ID, v, found, err)
			}
		}
	})
}

// TestHelm: the chart passes the linter, refuses values that are not of their form,
// and makes what the manifests are.
func TestHelm(t *testing.T) {
	each(t, func(t *testing.T, a answers.Answers, dir string) {
		bin := tool(t, "helm")
		run(t, dir, bin, "lint", "--strict", "--kube-version", kube, "helm")
		for _, bad := range []string{"image.digest=sha256:abc", "server.port=80", "upstream.url=file:///etc", "domain=a b", "nmae=x"} {
			if out, err := exec.Command(bin, "template", a.Name, filepath.Join(dir, "helm"), "--kube-version", kube, "--set", bad).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("values don't meet the specifications")) {
				t.Errorf("%s: %v\n%.300s", bad, err, out)
			}
		}
		made := run(t, dir, bin, "template", a.Name, "helm", "--namespace", a.Kubernetes.Namespace, "--kube-version", kube)
		if want, got := objects(t, dir, "kubernetes"), split(string(made)); !slices.Equal(want, got) {
			for i := range min(len(want), len(got)) {
				if want[i] != got[i] {
					t.Errorf("the manifest:\n%s\nthe chart:\n%s", want[i], got[i])
				}
			}
			t.Errorf("%d manifests, %d of the chart", len(want), len(got))
		}
	})
}

// objects are the manifests that the chart has as well, without comments.
func objects(t *testing.T, dir, sub string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, sub, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(f) != "00-namespace.yaml" {
			out = append(out, split(string(b))...)
		}
	}
	slices.Sort(out)
	return out
}

// comment is a line that YAML does not read; those inside the configuration are read.
var comment = regexp.MustCompile(`(?m)^ *#.*\n`)

func split(text string) []string {
	var out []string
	for doc := range strings.SplitSeq("\n"+text, "\n---") {
		doc = strings.TrimSpace(comment.ReplaceAllString(doc+"\n", ""))
		doc = regexp.MustCompile(`matchLabels:\s+app: "?([a-z-]+)"?`).ReplaceAllString(doc, "matchLabels: app=$1")
		doc = regexp.MustCompile(`matchLabels:\s+"app": "([a-z-]+)"`).ReplaceAllString(doc, "matchLabels: app=$1")
		if doc != "" {
			out = append(out, doc)
		}
	}
	slices.Sort(out)
	return out
}

// TestKubeScore: nothing critical. The guides' user 1001 is below what kube-score wants
// of users; that one is expected there, and nothing else is.
func TestKubeScore(t *testing.T) {
	each(t, func(t *testing.T, a answers.Answers, dir string) {
		files, err := filepath.Glob(filepath.Join(dir, "kubernetes", "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		args := append([]string{"score", "--output-format", "ci", "--kubernetes-version", "v1.34"}, files...)
		if a.Profile == answers.Guide {
			args = append(args, "--ignore-test", "container-security-context-user-group-id")
		}
		out, err := exec.Command(tool(t, "kube-score"), args...).CombinedOutput()
		if err != nil || bytes.Contains(out, []byte("[CRITICAL]")) || !bytes.Contains(out, []byte("[OK]")) {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

func TestActionlint(t *testing.T) {
	each(t, func(t *testing.T, _ answers.Answers, dir string) {
		files, err := filepath.Glob(filepath.Join(dir, ".github", "workflows", "*.yml"))
		if err != nil || len(files) != 2 {
			t.Fatal(files, err)
		}
		run(t, dir, tool(t, "actionlint"), append([]string{"-no-color"}, files...)...)
	})
}

// TestDockerfilelint: one line is complained about, because this linter reads the
// option --start-period as --start; nothing else is.
func TestDockerfilelint(t *testing.T) {
	each(t, func(t *testing.T, _ answers.Answers, dir string) {
		for _, f := range []string{"docker/Dockerfile", "railway/Dockerfile"} {
			out, err := exec.Command(tool(t, "dockerfilelint"), filepath.Join(dir, f)).CombinedOutput()
			if err == nil || !bytes.Contains(out, []byte("Issues: 1\n")) || !regexp.MustCompile(`Line \d+: HEALTHCHECK --interval=`).Match(out) {
				t.Errorf("%s: %v %s", f, err, out)
			}
		}
	})
}
