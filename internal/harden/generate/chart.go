package generate

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
)

// The templates of the chart are the manifests: they are written with a mark in
// place of each answer, and then the marks become what Helm puts there. So the two
// cannot come apart.
const (
	markPort, markAdmin, markUser, markTarget = 61001, 61002, 61003, "61004"

	markName   = "zz-name-zz"
	markDomain = "zz-domain-zz.example"
	markHost   = "zz-upstream-zz"
	markLogs   = "zz-logs-zz.example:61005"
)

// upstreamPeer is who the gateway may call in the network policy: an address, pods
// with a label, or pods of the namespace.
const upstreamPeer = `{{- if .Values.upstream.cidr }}
        - ipBlock:
            cidr: {{ .Values.upstream.cidr }}
{{- else if .Values.upstream.podLabels }}
        - podSelector:
            matchLabels: {{- toYaml .Values.upstream.podLabels | nindent 14 }}
{{- else }}
        - podSelector: {}
{{- end }}
`

// marks are the answers of the chart, and what they become.
func marks() (answers.Answers, *strings.Replacer) {
	a := answers.New()
	a.Name, a.Domain, a.Environment, a.Rotate = markName, markDomain, "zz-environment-zz", "zz-rotate-zz"
	a.Image = answers.Image{Name: "zz-image-zz", Tag: "zz", User: markUser, Source: a.Image.Source}
	a.Server = answers.Server{Port: markPort, AdminPort: markAdmin}
	a.Upstream = answers.Upstream{URL: "http://" + markHost + ":" + markTarget + "/mcp", Protocol: "zz-protocol-zz", Path: "/zz-path-zz", Tools: []string{"zz-tool-zz"}}
	a.Logs.Syslog, a.Alerts.Channel = markLogs, answers.Slack
	a.Kubernetes = answers.Kube{
		Namespace: "zz-namespace-zz", StorageClass: "zz-class-zz", Storage: "zz-size-zz", IngressNamespace: "zz-ingress-namespace-zz",
		IngressClass: "nginx", Issuer: "zz-issuer-zz", MonitorNamespace: "zz-monitor-zz", UpstreamSelector: "zz-key=zz-value",
		Proxies: "zz-proxies-zz", SecretStore: "zz-store-zz",
	}
	value := func(name string) string { return "{{ .Values." + name + " }}" }
	return a, strings.NewReplacer(append(choices(),
		"  storageClassName: zz-class-zz\n", "{{- with .Values.storage.class }}\n  storageClassName: {{ . }}\n{{- end }}\n",
		"\n        - podSelector:\n            matchLabels:\n              \"zz-key\": \"zz-value\"\n",
		"\n"+upstreamPeer,
		a.Upstream.URL, value("upstream.url"), markTarget, value("upstream.port"), "/zz-path-zz", value("upstream.path"), "zz-protocol-zz", value("upstream.protocol"),
		`"zz-image-zz:zz"`, `{{ include "gateway.image" . | quote }}`,
		"cpu: 250m", "cpu: "+value("resources.requests.cpu"), "memory: 256Mi", "memory: "+value("resources.requests.memory"),
		"cpu: 500m", "cpu: "+value("resources.limits.cpu"), "memory: 512Mi", "memory: "+value("resources.limits.memory"),
		markName, "{{ .Release.Name }}", markDomain, value("domain"), "zz-environment-zz", value("environment"), "zz-rotate-zz", value("rotate"),
		fmt.Sprint(markUser), value("image.user"), fmt.Sprint(markPort), value("server.port"), fmt.Sprint(markAdmin), value("server.adminPort"),
		"zz-namespace-zz", "{{ .Release.Namespace }}", "zz-size-zz", value("storage.size"), "zz-proxies-zz", value("ingress.proxies"),
		"ingressClassName: nginx", "ingressClassName: "+value("ingress.class"), "zz-issuer-zz", value("ingress.issuer"),
		"zz-ingress-namespace-zz", value("ingress.namespace"), "zz-monitor-zz", value("monitoring.namespace"), "zz-store-zz", value("secretStore"),
	)...)
}

// choices are the pieces that stand in the chart whether they are wanted or not, and
// what asks the values.
func choices() []string {
	const (
		alerting = `{{- if ne .Values.alerts.channel "none" }}`
		end      = "{{- end }}\n"
		entry    = "    - secretKey: alert_key\n      remoteRef:\n        key: " + markName + "/zz-environment-zz\n        property: alert_key\n"
		item     = "              - key: alert_key\n                path: alert_key\n"
		port     = "        - protocol: TCP\n          port: 61005\n"
		channel  = "    type = \"slack\"\n    webhook = "
		file     = `"secret://file/run/secrets/portcullis/alert_key"`
		tools    = "\n    tools = { allow = [\"zz-tool-zz\"] }"
	)
	named := strings.NewReplacer(markName, "{{ .Release.Name }}", "zz-environment-zz", "{{ .Values.environment }}").Replace(entry)
	return []string{
		entry, alerting + "\n" + named + end, item, alerting + "\n" + item + end,
		port, "{{- with .Values.logs.syslog }}\n" + strings.Replace(port, "61005", `{{ splitList ":" . | last }}`, 1) + end,
		"\n\n    # Events and", "\n    {{- with .Values.logs.syslog }}\n\n    # Events and",
		`"syslog+tls://` + markLogs + `"`, `"syslog+tls://{{ . }}"`, `"tls://` + markLogs + `"`, `"tls://{{ . }}"` + "\n    {{- end }}",
		"\n\n    # Try it", "\n    " + alerting + "\n\n    # Try it",
		channel + file, "    type = {{ .Values.alerts.channel | quote }}\n    {{ if eq .Values.alerts.channel \"slack\" }}webhook{{ else }}routing_key{{ end }} = " + file + "\n    {{- end }}",
		tools, "\n    {{- with .Values.upstream.tools }}\n    tools = { allow = {{ toJson . | replace \",\" \", \" }} }\n    {{- end }}",
	}
}

// notInChart are manifests that Helm has other ways for, or that not every cluster takes.
var notInChart = [...]string{"00-namespace.yaml", "optional/"}

// chart returns the templates of the Helm chart.
func chart() ([]File, error) {
	a, become := marks()
	marked := &view{Answers: a, Target: answers.Target{Scheme: "http", Host: markHost, Port: markTarget}}
	made, err := renderFolder("kubernetes", marked)
	if err != nil {
		return nil, err
	}
	var out []File
	for _, f := range made {
		name := strings.TrimPrefix(f.Path, "kubernetes/")
		skip := false
		for _, n := range notInChart {
			skip = skip || strings.HasPrefix(name, n)
		}
		if skip {
			continue
		}
		text := become.Replace(string(f.Data))
		if strings.Contains(text, "zz-") {
			return nil, fmt.Errorf("the chart's %s does not know an answer of the manifest", name)
		}
		out = append(out, File{Kind: "helm", Path: path.Join("helm/templates", name), Mode: fs.FileMode(0o644), Data: []byte(text)})
	}
	return out, nil
}
