package generate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"

	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
	"github.com/portcullis-dev/portcullis/internal/obs/monitoring"
)

// view is what templates see: the answers, and what follows from them.
type view struct {
	answers.Answers
	Target answers.Target // the upstream in parts
}

func newView(a answers.Answers) (*view, error) {
	t, err := a.Upstream.Target()
	if err != nil {
		return nil, err
	}
	a = a.Settled()
	if a.Kubernetes.SecretStore == "" {
		a.Kubernetes.SecretStore = a.Name
	}
	return &view{Answers: a, Target: t}, nil
}

// Guide reports whether the values of the guides are wanted.
func (v *view) Guide() bool { return v.Profile == answers.Guide }

// Ref is the image as it is run: by digest as soon as there is one.
func (v *view) Ref() string {
	if v.Image.Digest != "" {
		return v.Image.Name + "@" + v.Image.Digest
	}
	return v.Image.Name + ":" + v.Image.Tag
}

// Images of others, by tag for people and by digest for machines.
const (
	buildImage   = "docker.io/library/golang:1.26.8-bookworm@sha256:dc9ad6c05acc7a88e5b71bde60a5fe3bd4b9f0db209011711b464107438a8107"
	frontend     = "docker.io/docker/dockerfile:1.7@sha256:a57df69d0ea827fb7266491f2813635de6f17269be881f696fbfdf2d83dda33e"
	grype        = "docker.io/anchore/grype:v0.120.1@sha256:e4a44ef45d285b829ce6efe2642980329661bd2d18eab5fc539138d4adaebbbe"
	buildkitRoot = "docker.io/moby/buildkit:v0.23.2@sha256:ddd1ca44b21eda906e81ab14a3d467fa6c39cd73b9a39df1196210edcb8db59e"
	buildkit     = "docker.io/moby/buildkit:v0.23.2-rootless@sha256:cab936745de5d673465948f1e93ff4d6e372bbe33f218afd3314eba45a6f85a9"
)

// BuildImage is the image that the program is built in.
func (v *view) BuildImage() string {
	if v.Image.Build != "" {
		return v.Image.Build
	}
	return buildImage
}

// BuildTag is the same without its digest.
func (v *view) BuildTag() string { tag, _, _ := strings.Cut(v.BuildImage(), "@"); return tag }

// Frontend is what reads the Dockerfile.
func (*view) Frontend() string { return frontend }

// Grype is the scanner of images.
func (*view) Grype() string { return grype }

// BuildkitRoot builds images inside of Docker.
func (*view) BuildkitRoot() string { return buildkitRoot }

// Buildkit builds images where there is no Docker.
func (*view) Buildkit() string { return buildkit }

// Local reports whether the upstream is on the gateway's own machine.
func (v *view) Local() bool {
	return v.Target.Host == "localhost" || v.Target.Addr.IsValid() && v.Target.Addr.IsLoopback()
}

// LogPort is the port of the syslog server, 0 if there is none.
func (v *view) LogPort() int { _, port := v.Logs.Parts(); return port }

// Alerting reports whether somebody is told when something is wrong: then there is
// the secret alert_key.
func (v *view) Alerting() bool { return v.Alerts.Channel != answers.NoAlerts }

// Owners are who is asked about changes of workflows and deployment files.
func (v *view) Owners() string {
	if len(v.Contacts.Owners) > 0 {
		return strings.Join(v.Contacts.Owners, " ")
	}
	return v.Email
}

// Outward reports whether the gateway itself calls servers elsewhere by name.
func (v *view) Outward() bool { return v.Alerting() || v.Logs.Syslog != "" }

// Rules are the alert rules for Prometheus.
func (*view) Rules() string { return string(monitoring.Rules()) }

// Dashboard is the dashboard for Grafana.
func (*view) Dashboard() (string, error) {
	b, err := monitoring.Dashboard()
	return string(b), err
}

// site is where a configuration is read.
type site struct {
	*view
	Site string
}

// Secret is the reference of a secret where a configuration is read.
func (s site) Secret(name string) string {
	switch s.Site {
	case "host":
		return "secret://file/run/credentials/" + s.Name + ".service/" + strings.ReplaceAll(name, "_", "-")
	case "kubernetes":
		return "secret://file/run/secrets/portcullis/" + name
	case "container":
		return "secret://file/run/secrets/" + name
	default:
		return "secret://env/" + strings.ToUpper(name)
	}
}

// Config is portcullis.toml for a place: "host", "container", "kubernetes", "fly"
// or "railway".
func (v *view) Config(where string) (string, error) {
	return execute("portcullis.toml", "partials/portcullis.toml.tmpl", site{v, where})
}

// execute fills one template.
func execute(name, file string, data any) (string, error) {
	text, err := files.ReadFile(file)
	if err != nil {
		return "", err
	}
	left, right := "{{", "}}"
	if strings.HasPrefix(file, "files/ci/") || strings.HasPrefix(file, "files/helm/") { // what they write uses braces itself
		left, right = "<%", "%>"
	}
	t, err := template.New(name).Delims(left, right).Funcs(funcs).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return "", fmt.Errorf("template of %s: %w", name, err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return "", fmt.Errorf("writing %s: %w", name, err)
	}
	return strings.TrimSpace(b.String()), nil
}

// funcs are the functions of templates.
var funcs = template.FuncMap{
	// quote writes a text as a string of JSON, which YAML and TOML read as well.
	"quote": func(s string) (string, error) {
		b, err := json.Marshal(s)
		return string(b), err
	},
	// indent puts n spaces in front of every line but the first and empty ones.
	"indent": func(n int, s string) string {
		s = strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n"+strings.Repeat(" ", n))
		return strings.ReplaceAll(s, "\n"+strings.Repeat(" ", n)+"\n", "\n\n")
	},
	// ident makes a name out of one with dashes.
	"ident": func(s string) string { return "f_" + strings.ReplaceAll(s, "-", "_") },
	// regexp writes a text that stands for itself in a regular expression.
	"regexp": func(s string) string { return strings.ReplaceAll(s, ".", `\.`) },
	// label splits key=value.
	"label": func(s string) (map[string]string, error) {
		k, v, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("label %q", s)
		}
		return map[string]string{"Key": k, "Value": v}, nil
	},
}
