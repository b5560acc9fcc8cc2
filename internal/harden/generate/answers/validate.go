package answers

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// The forms of answers. Nothing that any of the written formats gives a meaning
// gets through: no quote, no space, no line break.
var (
	name     = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)                                           // RFC 1035, with room for what is put behind it
	label    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)                                        // RFC 1123
	domain   = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`) // RFC 1123
	mailbox  = regexp.MustCompile(`^[A-Za-z0-9._+-]{1,64}@([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`)  // a plain one of RFC 5321
	word     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)                                           //
	image    = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9]+((\.|_{1,2}|-+)[a-z0-9]+)*)+$`)  // OCI distribution: with a registry
	built    = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9._-]+)+:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}@sha256:[0-9a-f]{64}$`)
	source   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$`)  // owner and name on GitHub
	tag      = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)                                // OCI distribution
	digest   = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)                                              // OCI image
	quantity = regexp.MustCompile(`^[1-9][0-9]{0,5}(Mi|Gi|Ti)$`)                                        // Kubernetes, whole binary units
	selector = regexp.MustCompile(`^[a-z0-9A-Z./_-]{1,128}=[a-z0-9A-Z._-]{1,63}$`)                      // one label
	tool     = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./-]{0,127}$`)                               // MCP 2025-11-25, names of tools
	owner    = regexp.MustCompile(`^@[A-Za-z0-9][A-Za-z0-9-]{0,38}(/[A-Za-z0-9][A-Za-z0-9_-]{0,99})?$`) // a person or a team on GitHub
	path     = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)                                             // of a route
)

// Validate checks the form of every answer. Each mistake names its key.
func (a Answers) Validate() error {
	var errs []error
	form := func(key, value string, re *regexp.Regexp, want string) {
		switch {
		case !re.MatchString(value) || len(value) > 253:
			errs = append(errs, fmt.Errorf("%s: %q: want %s", key, value, want))
		case key != "image.tag" && key != "environment" && notText(value): // those two stand in quotes everywhere
			errs = append(errs, fmt.Errorf("%s: %q: YAML takes this for something other than a text: want another", key, value))
		}
	}
	optional := func(key, value string, re *regexp.Regexp, want string) {
		if value != "" {
			form(key, value, re, want)
		}
	}
	number := func(key string, n, low, high int) {
		if n < low || n > high {
			errs = append(errs, fmt.Errorf("%s: %d: want %d to %d", key, n, low, high))
		}
	}
	const aLabel = "small letters, digits and dashes, at most 63"
	form("name", a.Name, name, "a small letter first, then letters, digits and dashes, at most 40")
	form("domain", a.Domain, domain, `a host name such as "mcp.example.com"`)
	form("email", a.Email, mailbox, `an address such as "ops@example.com"`)
	form("environment", a.Environment, word, "letters, digits, dots, dashes or underscores, at most 64")
	form("image.name", a.Image.Name, image, `a repository with its registry and without a tag, such as "ghcr.io/you/portcullis"`)
	form("image.tag", a.Image.Tag, tag, `a tag such as "1.2.3"`)
	optional("image.digest", a.Image.Digest, digest, `a digest: "sha256:" and 64 hexadecimal digits`)
	number("image.user", a.Image.User, 1, 1<<31-2)
	number("server.port", a.Server.Port, 1024, 65535)
	number("server.admin_port", a.Server.AdminPort, 1024, 65535)
	if a.Server.Port == a.Server.AdminPort {
		errs = append(errs, fmt.Errorf("server.admin_port: %d: want another port than server.port", a.Server.Port))
	}
	errs = append(errs, a.Upstream.validate(), a.Logs.validate())
	switch a.Alerts.Channel {
	case NoAlerts, Slack, PagerDuty:
	default:
		errs = append(errs, fmt.Errorf("alerts.channel: %q: want none, slack or pagerduty", a.Alerts.Channel))
	}
	for i, o := range a.Contacts.Owners {
		if !owner.MatchString(o) && !mailbox.MatchString(o) {
			errs = append(errs, fmt.Errorf(`contacts.owners[%d]: %q: want a team such as "@example/security", a name with @, or an address`, i, o))
		}
	}
	k := a.Kubernetes
	form("kubernetes.namespace", k.Namespace, label, aLabel)
	optional("image.build", a.Image.Build, built, `an image by tag and digest, such as "docker.io/library/golang:1.26-bookworm@sha256:…"`)
	form("image.source", a.Image.Source, source, `owner and name of a repository, such as "you/portcullis"`)
	optional("kubernetes.storage_class", k.StorageClass, domain, "the name of a storage class")
	form("kubernetes.storage", k.Storage, quantity, `a size such as "10Gi"`)
	form("kubernetes.ingress_namespace", k.IngressNamespace, label, aLabel)
	form("kubernetes.ingress_class", k.IngressClass, domain, "the name of an ingress class")
	form("kubernetes.issuer", k.Issuer, domain, "the name of a ClusterIssuer")
	form("kubernetes.monitor_namespace", k.MonitorNamespace, label, aLabel)
	optional("kubernetes.upstream_selector", k.UpstreamSelector, selector, `one label such as "app=mcp-server"`)
	optional("kubernetes.secret_store", k.SecretStore, domain, "the name of a ClusterSecretStore")
	if p, err := netip.ParsePrefix(k.Proxies); err != nil || p != p.Masked() || p.Bits() == 0 {
		errs = append(errs, fmt.Errorf(`kubernetes.proxies: %q: want a range of addresses such as "10.0.0.0/8"`, k.Proxies))
	}
	for key, value := range map[string]string{
		"contacts.security_lead": a.Contacts.SecurityLead, "contacts.on_call": a.Contacts.OnCall, "contacts.incident_commander": a.Contacts.IncidentCommander,
	} {
		if value == "" || len(value) > 200 || strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) || strings.ContainsRune("|`[]{}", r) }) {
			errs = append(errs, fmt.Errorf("%s: want a name and how to reach them, on one line and without |, `, brackets or braces", key))
		}
	}
	return errors.Join(errs...)
}

// notText reports whether a reader of YAML, old or new, takes a bare word for a
// number, a date, a truth value or nothing.
func notText(s string) bool {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off":
		return true
	}
	var v any
	if err := yaml.Unmarshal([]byte(s), &v); err != nil {
		return true
	}
	text, ok := v.(string)
	return !ok || text != s || strings.Trim(s, "0123456789_.-+:eExXoO") == ""
}

func (u Upstream) validate() error {
	var errs []error
	if !path.MatchString(u.Path) || len(u.Path) > 200 {
		errs = append(errs, fmt.Errorf(`upstream.path: %q: want a path such as "/mcp"`, u.Path))
	}
	if _, err := u.Target(); err != nil {
		errs = append(errs, fmt.Errorf("upstream.url: %w", err))
	}
	for i, name := range u.Tools {
		if !tool.MatchString(name) {
			errs = append(errs, fmt.Errorf("upstream.tools[%d]: %q: want the name of a tool", i, name))
		}
	}
	if len(u.Tools) > 0 && u.Protocol != "mcp" {
		errs = append(errs, fmt.Errorf("upstream.tools: an upstream that speaks %s has none: want an empty list", u.Protocol))
	}
	return errors.Join(errs...)
}

func (l Logs) validate() error {
	if l.Syslog == "" {
		return nil
	}
	if host, port := l.Parts(); port == 0 || !domain.MatchString(host) && !isAddr(host) {
		return fmt.Errorf(`logs.syslog: %q: want a host and a port, such as "logs.example.com:6514"`, l.Syslog)
	}
	return nil
}

// Parts returns the host and the port of the syslog server. A port of 0 says that
// there is none.
func (l Logs) Parts() (host string, port int) {
	host, text, err := net.SplitHostPort(l.Syslog)
	if err != nil {
		return "", 0
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || strconv.FormatUint(n, 10) != text {
		return "", 0
	}
	return host, int(n)
}

// Target is the upstream in parts.
type Target struct {
	Scheme, Host string
	Port         string
	Addr         netip.Addr // valid if Host is an address
}

// Target returns the upstream in parts.
func (u Upstream) Target() (Target, error) {
	p, err := url.Parse(u.URL)
	if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.User != nil || p.RawQuery != "" || p.Fragment != "" ||
		!domain.MatchString(strings.ToLower(p.Hostname())) && !isAddr(p.Hostname()) || p.Path != "" && p.Path != "/" && !path.MatchString(p.Path) {
		return Target{}, fmt.Errorf(`%q: want a URL such as "http://mcp-server:3000/mcp", without a name, a password or a query`, u.URL)
	}
	t := Target{Scheme: p.Scheme, Host: p.Hostname(), Port: p.Port()}
	if t.Port == "" {
		t.Port = map[string]string{"http": "80", "https": "443"}[p.Scheme]
	}
	t.Addr, _ = netip.ParseAddr(t.Host) // the zero address says that it is a name
	return t, nil
}

func isAddr(s string) bool { _, err := netip.ParseAddr(s); return err == nil }
