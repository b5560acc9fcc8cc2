package nginx

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/check/tree"
)

// File is a configuration of nginx.
type File struct {
	path   string
	root   *directive
	hidden error // what is included, and was not looked at
}

// Find returns the configurations of a tree.
func Find(t *tree.Tree) []string {
	return t.Named(func(f tree.File) bool { return named(t, f) })
}

// named reports whether a file is a configuration.
func named(t *tree.Tree, f tree.File) bool {
	base := strings.ToLower(f.Base())
	if base == "nginx.conf" || strings.HasSuffix(base, ".nginx") || strings.HasSuffix(base, ".nginx.conf") || strings.HasPrefix(base, "nginx.") && f.Ext() == ".conf" {
		return true
	}
	if f.Ext() != ".conf" && !strings.Contains("/"+f.Path, "/sites-") {
		return false
	}
	data, err := t.Read(f.Path)
	return err == nil && strings.Contains(string(data), "server {") && strings.Contains(string(data), "listen ")
}

// Load reads a configuration.
func Load(_ context.Context, t *tree.Tree, name string) (*File, error) {
	data, err := t.Read(name)
	if err != nil {
		return nil, err
	}
	root, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	f := &File{path: name, root: root}
	f.hidden = f.elsewhere(t)
	return f, nil
}

// elsewhere says which files are included and not looked at on their own.
func (f *File) elsewhere(t *tree.Tree) error {
	for _, d := range f.root.all("include") {
		name := d.arg(0)
		if harmless(name) {
			continue
		}
		pattern := path.Join(path.Dir(f.path), strings.TrimPrefix(name, "/etc/nginx/"))
		looked := false
		for _, other := range t.Files() {
			if ok, err := path.Match(pattern, other.Path); err == nil && ok {
				if looked = named(t, other); !looked {
					break
				}
			}
		}
		if !looked {
			return fmt.Errorf("%s:%d: %s is included, and not looked at", f.path, d.line, name)
		}
	}
	return nil
}

// harmless reports whether an included file holds nothing that a rule is about.
func harmless(name string) bool {
	return strings.HasSuffix(name, "mime.types") || strings.HasSuffix(name, "_params") || strings.HasSuffix(name, "/fastcgi.conf") || strings.Contains(name, "modules-enabled/") || strings.Contains(name, "modules/")
}

// Rule is a rule about configurations of nginx.
type Rule = rule.Rule[*File]

// Rules returns all rules about configurations of nginx.
func Rules() []Rule { return slices.Concat(transportRules(), proxyRules(), serverRules()) }

// fault is what is wrong with a directive.
type fault struct {
	at      *directive
	message string
}

var errIncluded = errors.New("another file is included, which may say it")

// of makes a rule. Where lacks is true, it is about what is not said: an
// included file may say it, so that nothing is known.
func of(t topic.Topic, lacks bool, m rule.Meta, check func(*File) []fault) Rule {
	m.Kind = rule.Nginx
	if m.Verify == "" {
		m.Verify = "nginx -T shows the whole configuration."
	}
	return Rule{Meta: t.Of(m), Check: func(_ context.Context, f *File) ([]rule.Finding, error) {
		faults := check(f)
		if lacks && len(faults) > 0 && f.includes() {
			return nil, errIncluded
		}
		var found []rule.Finding
		for _, x := range faults {
			found = append(found, rule.Finding{Message: x.message, File: f.path, Line: x.at.line})
		}
		return found, f.hidden
	}}
}

// includes reports whether files are included that may hold settings.
func (f *File) includes() bool {
	return slices.ContainsFunc(f.root.all("include"), func(d *directive) bool {
		return !harmless(d.arg(0))
	})
}

func (f *File) servers() []*directive {
	var out []*directive
	for _, s := range f.root.all("server") {
		if s.parent.name != "upstream" {
			out = append(out, s)
		}
	}
	return out
}

func (d *directive) tls() bool {
	return slices.ContainsFunc(d.own("listen"), func(l *directive) bool { return slices.Contains(l.args, "ssl") || slices.Contains(l.args, "quic") })
}

// redirects reports whether a server does nothing but send to another address.
func (d *directive) redirects() bool {
	returns := d.own("return")
	return len(returns) > 0 && (strings.HasPrefix(returns[0].arg(0), "3") || returns[0].arg(0) == "444" || strings.HasPrefix(returns[0].arg(0), "4"))
}

// proxies returns the blocks of a server that pass calls on.
func (d *directive) proxies() []*directive {
	return slices.Concat(d.all("proxy_pass"), d.all("grpc_pass"))
}

func each(f *File, check func(server *directive) string) []fault {
	var out []fault
	for _, s := range f.servers() {
		if message := check(s); message != "" {
			out = append(out, fault{s, message})
		}
	}
	return out
}

func transportRules() []Rule {
	return append(versionRules(), []Rule{
		of(topic.Transport, false, rule.Meta{
			ID: "nginx-plain-http", Severity: rule.High, Title: "Nothing is served without TLS",
			Why:    "Keys and tokens travel in the clear.",
			Guides: []string{"S0-53", "S1-5", "S1-22", "S3-15"}, CWE: []string{"CWE-319"}, Verify: "curl -v http://HOST", Fix: "Let the server on port 80 only redirect: return 308 https://name.example$request_uri;",
		}, func(f *File) []fault {
			return each(f, func(s *directive) string {
				local := len(s.own("listen")) > 0
				for _, l := range s.own("listen") {
					local = local && (strings.HasPrefix(l.arg(0), "127.") || strings.HasPrefix(l.arg(0), "unix:") || strings.HasPrefix(l.arg(0), "[::1]") || strings.HasPrefix(l.arg(0), "localhost"))
				}
				plain := len(s.own("listen")) == 0
				for _, l := range s.own("listen") {
					plain = plain || !slices.Contains(l.args, "ssl") && !slices.Contains(l.args, "quic")
				}
				if plain && !local && !s.redirects() {
					return "serves without TLS"
				}
				return ""
			})
		}),
		of(topic.Transport, true, rule.Meta{
			ID: "nginx-hsts", Severity: rule.Medium, Title: "Browsers are told to come by TLS",
			Why:    "Without Strict-Transport-Security somebody on the way can keep a browser on http.",
			Guides: []string{"S0-55", "S3-28"}, CWE: []string{"CWE-319"}, Verify: "curl -I https://HOST", Fix: "Add add_header Strict-Transport-Security \"max-age=31536000; includeSubDomains\" always;",
		}, func(f *File) []fault {
			return each(f, func(s *directive) string {
				has := func(d *directive) bool { return strings.EqualFold(d.arg(0), "Strict-Transport-Security") }
				if s.tls() && !s.redirects() && !slices.ContainsFunc(append(s.inherited("add_header"), s.all("add_header")...), has) {
					return "sends no Strict-Transport-Security"
				}
				return ""
			})
		}),
	}...)
}

func versionRules() []Rule {
	return []Rule{
		of(topic.Transport, true, rule.Meta{
			ID: "nginx-tls-versions", Severity: rule.High, Title: "TLS 1.2 and 1.3 are named, and no older one",
			Why:    "What is not said depends on the version of nginx and OpenSSL; TLS 1.0 and 1.1 are broken.",
			Guides: []string{"S0-53", "S1-5", "S1-22"}, CWE: []string{"CWE-327"}, Verify: "testssl.sh HOST", Fix: "Add ssl_protocols TLSv1.2 TLSv1.3;",
		}, func(f *File) []fault {
			return each(f, func(s *directive) string {
				if !s.tls() {
					return ""
				}
				found := s.inherited("ssl_protocols")
				if len(found) == 0 {
					return "has no ssl_protocols"
				}
				return ""
			})
		}),
		of(topic.Transport, false, rule.Meta{
			ID: "nginx-tls-old", Severity: rule.High, Title: "No old version of TLS is allowed",
			Why:    "SSL 3, TLS 1.0 and 1.1 let somebody on the way read what is sent.",
			Guides: []string{"S0-53", "S1-5"}, CWE: []string{"CWE-327"}, Verify: "testssl.sh HOST", Fix: "Write ssl_protocols TLSv1.2 TLSv1.3;",
		}, func(f *File) []fault {
			var out []fault
			for _, d := range f.root.all("ssl_protocols") {
				for _, v := range d.args {
					if v != "TLSv1.2" && v != "TLSv1.3" {
						out = append(out, fault{d, "allows " + v})
					}
				}
			}
			return out
		}),
		of(topic.Transport, false, rule.Meta{
			ID: "nginx-weak-ciphers", Severity: rule.High, Title: "No weak cipher is allowed",
			Why:    "Weak ciphers can be broken, some by anybody who records the connection.",
			Guides: []string{"S0-53"}, CWE: []string{"CWE-326"}, Verify: "testssl.sh HOST", Fix: "Write ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;",
		}, func(f *File) []fault {
			var out []fault
			for _, d := range f.root.all("ssl_ciphers") {
				for _, c := range strings.FieldsFunc(d.arg(0), func(r rune) bool { return r == ':' || r == ' ' || r == ',' }) {
					if c[0] == '!' || c[0] == '-' {
						continue
					}
					for _, weak := range [...]string{"RC4", "MD5", "DES", "NULL", "EXP", "ADH", "AECDH", "LOW", "SEED", "IDEA", "ALL", "PSK"} {
						if strings.Contains(c, weak) && !strings.Contains(c, "AES") {
							out = append(out, fault{d, "allows " + c})
							break
						}
					}
				}
			}
			return out
		}),
	}
}

func proxyRules() []Rule {
	const guide = "S1-5"
	return append(upstreamRules(), []Rule{
		of(topic.Resources, true, rule.Meta{
			ID: "nginx-body-limit", Severity: rule.Medium, Title: "The size of bodies is limited",
			Why:    "Bodies are written to disk before they are passed on.",
			Guides: []string{guide, "S0-54"}, CWE: []string{"CWE-770"}, Verify: "head -c 20M /dev/zero | curl --data-binary @- https://HOST: 413",
			Fix: "Add client_max_body_size 1m;",
		}, func(f *File) []fault {
			return each(f, func(s *directive) string {
				if len(s.proxies()) > 0 && len(s.inherited("client_max_body_size")) == 0 && len(s.all("client_max_body_size")) == 0 {
					return "has no client_max_body_size"
				}
				return ""
			})
		}),
		of(topic.Resources, false, rule.Meta{
			ID: "nginx-body-unlimited", Severity: rule.Medium, Title: "The limit of bodies is one",
			Why:    "0 switches the limit off: one call fills the disk.",
			Guides: []string{"S0-54"}, CWE: []string{"CWE-770"}, Verify: "nginx -T shows the value.", Fix: "Write client_max_body_size 1m;",
		}, func(f *File) []fault {
			var out []fault
			for _, d := range f.root.all("client_max_body_size") {
				if strings.Trim(d.arg(0), "0kmgKMG") == "" {
					out = append(out, fault{d, "client_max_body_size is 0: without a limit"})
				}
			}
			return out
		}),
		of(topic.Resources, true, rule.Meta{
			ID: "nginx-rate-limit", Severity: rule.Low, Title: "How often one may call is limited",
			Why:    "The first limit should stand where connections arrive: it is cheapest there.",
			Guides: []string{"S0-55", "S1-22", "S3-26", "S3-50"}, CWE: []string{"CWE-770"}, Verify: "Call faster than the limit: 429.",
			Fix: "Add limit_req_zone $binary_remote_addr zone=calls:10m rate=10r/s; and limit_req zone=calls burst=20 nodelay;",
		}, func(f *File) []fault {
			return each(f, func(s *directive) string {
				if len(s.proxies()) > 0 && len(s.inherited("limit_req")) == 0 && len(s.all("limit_req")) == 0 {
					return "has no limit_req"
				}
				return ""
			})
		}),
	}...)
}

func upstreamRules() []Rule {
	const guide = "S1-5"
	return []Rule{
		of(topic.Hygiene, true, rule.Meta{
			ID: "nginx-proxy-headers", Severity: rule.Medium, Title: "The server behind learns who calls and how",
			Why:    "Without Host, X-Forwarded-For and X-Forwarded-Proto all callers share one address: limits hit everybody and logs name nobody.",
			Guides: []string{guide, "S0-55", "S3-15"}, CWE: []string{"CWE-778"}, Verify: "Look at the access record of the server behind.",
			Fix: "Add proxy_set_header Host $host, X-Forwarded-For $remote_addr and X-Forwarded-Proto $scheme.",
		}, func(f *File) []fault {
			var out []fault
			for _, p := range f.root.all("proxy_pass") {
				have := map[string]bool{}
				for _, h := range p.parent.inherited("proxy_set_header") {
					have[strings.ToLower(h.arg(0))] = true
				}
				for _, want := range [...]string{"Host", "X-Forwarded-For", "X-Forwarded-Proto"} {
					if !have[strings.ToLower(want)] {
						out = append(out, fault{p, "does not set " + want})
						break
					}
				}
			}
			return out
		}),
		of(topic.Access, false, rule.Meta{
			ID: "nginx-forged-address", Severity: rule.High, Title: "Callers cannot say who they are",
			Why:    "X-Forwarded-For as the caller sent it lets everybody pass as 127.0.0.1, past address lists and limits.",
			Guides: []string{guide, "S3-15"}, CWE: []string{"CWE-348"}, Verify: "curl -H 'X-Forwarded-For: 127.0.0.1' https://HOST",
			Fix: "Write proxy_set_header X-Forwarded-For $remote_addr at the outermost proxy.",
		}, func(f *File) []fault {
			var out []fault
			for _, h := range f.root.all("proxy_set_header") {
				if v := h.arg(1); v == "$http_x_forwarded_for" || v == "$http_x_real_ip" || v == "$http_x_forwarded_proto" {
					out = append(out, fault{h, h.arg(0) + " is what the caller sent"})
				}
			}
			for _, d := range f.root.all("set_real_ip_from") {
				if d.arg(0) == "0.0.0.0/0" || d.arg(0) == "::/0" {
					out = append(out, fault{d, "everybody is trusted to name the caller"})
				}
			}
			return out
		}),
		of(topic.Transport, false, rule.Meta{
			ID: "nginx-upstream-unverified", Severity: rule.High, Title: "The server behind is checked",
			Why:    "nginx does not check certificates of upstreams unless told to: anybody on the way can be the server.",
			Guides: []string{"S0-53", "S3-33"}, CWE: []string{"CWE-295"}, Verify: "Point the upstream at a server with another certificate.",
			Fix: "Add proxy_ssl_verify on; and proxy_ssl_trusted_certificate.",
		}, func(f *File) []fault {
			var out []fault
			for _, p := range f.root.all("proxy_pass") {
				if v := p.parent.inherited("proxy_ssl_verify"); strings.HasPrefix(strings.ToLower(p.arg(0)), "https://") && (len(v) == 0 || v[0].arg(0) != "on") {
					out = append(out, fault{p, "does not check the certificate of " + p.arg(0)})
				}
			}
			return out
		}),
	}
}

func serverRules() []Rule {
	return append(nameRules(), []Rule{
		of(topic.Exposure, false, rule.Meta{
			ID: "nginx-alias-traversal", Severity: rule.High, Title: "Aliases end where their location does",
			Why:    "location /files with alias /data/ serves /files../secrets from above the folder.",
			Guides: []string{"S0-54"}, CWE: []string{"CWE-22"}, Verify: "curl --path-as-is https://HOST/files../", Fix: "End the location with a slash, as the alias does.",
		}, func(f *File) []fault {
			var out []fault
			for _, d := range f.root.all("alias") {
				l := d.parent
				if path := l.arg(len(l.args) - 1); l.name == "location" && !strings.HasPrefix(l.arg(0), "~") && l.arg(0) != "=" && strings.HasSuffix(d.arg(0), "/") && !strings.HasSuffix(path, "/") {
					out = append(out, fault{l, "location " + path + " does not end with a slash, and its alias does"})
				}
			}
			return out
		}),
		of(topic.Exposure, false, rule.Meta{
			ID: "nginx-status-open", Severity: rule.Medium, Title: "The status page is for this host",
			Why:    "It tells everybody how busy the server is, and when an attack works.",
			Guides: []string{"S3-17"}, CWE: []string{"CWE-200"}, Verify: "curl https://HOST/status", Fix: "Add allow 127.0.0.1; deny all;",
		}, func(f *File) []fault {
			var out []fault
			for _, d := range f.root.all("stub_status") {
				if !slices.ContainsFunc(d.parent.inherited("deny"), func(x *directive) bool { return x.arg(0) == "all" }) {
					out = append(out, fault{d, "everybody may see the status page"})
				}
			}
			return out
		}),
		of(topic.Hygiene, false, rule.Meta{
			ID: "nginx-headers-lost", Severity: rule.Medium, Title: "Headers of security reach every location",
			Why:    "A location with an add_header of its own drops all those of the server around it.",
			Guides: []string{"S0-55", "S3-28"}, CWE: []string{"CWE-693"}, Verify: "curl -I on a path of the location.", Fix: "Repeat the headers in the location, or set them all in one place.",
		}, func(f *File) []fault {
			var out []fault
			for _, s := range f.servers() {
				outer := s.inherited("add_header")
				for _, l := range s.all("location") {
					if own := l.own("add_header"); len(own) > 0 && len(outer) > 0 && !repeats(own, outer) {
						out = append(out, fault{own[0], "the headers of the server are dropped here"})
					}
				}
			}
			return out
		}),
	}...)
}

func nameRules() []Rule {
	return []Rule{
		of(topic.Exposure, true, rule.Meta{
			ID: "nginx-server-tokens", Severity: rule.Low, Title: "The version is not told",
			Why:    "It saves an attacker the search for holes that fit.",
			Guides: []string{"S0-55"}, CWE: []string{"CWE-200"}, Verify: "curl -I https://HOST", Fix: "Add server_tokens off;",
		}, func(f *File) []fault {
			return each(f, func(s *directive) string {
				if v := s.inherited("server_tokens"); len(v) == 0 || v[0].arg(0) != "off" {
					return "tells its version"
				}
				return ""
			})
		}),
		of(topic.Access, false, rule.Meta{
			ID: "nginx-redirect-host", Severity: rule.Medium, Title: "Redirects go to a name of one's own",
			Why:    "$host is what the caller says: a forged Host header turns the redirect into a link to anywhere, and caches keep it.",
			Guides: []string{"S3-15"}, CWE: []string{"CWE-601"}, Verify: "curl -I -H 'Host: evil.example' http://HOST",
			Fix: "Write the name: return 308 https://mcp.example.com$request_uri;",
		}, func(f *File) []fault {
			var out []fault
			for _, d := range slices.Concat(f.root.all("return"), f.root.all("rewrite")) {
				for _, a := range d.args {
					if !strings.Contains(a, "://$host") && !strings.Contains(a, "://$http_host") {
						continue
					}
					if names := d.parent.inherited("server_name"); strings.Contains(a, "$http_host") || len(names) == 0 || slices.ContainsFunc(names[0].args, anyName) {
						out = append(out, fault{d, "sends to the host that the caller named"})
					}
				}
			}
			return out
		}),
		of(topic.Exposure, false, rule.Meta{
			ID: "nginx-any-host", Severity: rule.Medium, Title: "Servers answer to their own name",
			Why:    "A server for any name answers forged Host headers, and with them DNS rebinding from a browser.",
			Guides: []string{"S1-5", "S3-15"}, CWE: []string{"CWE-350"}, Verify: "curl -k -H 'Host: other.example' https://HOST",
			Fix: "Set server_name, and add a default_server that returns 444.",
		}, func(f *File) []fault {
			return each(f, func(s *directive) string {
				names := s.own("server_name")
				if !s.redirects() && (len(names) == 0 || slices.ContainsFunc(names[0].args, anyName)) {
					return "answers to any name"
				}
				return ""
			})
		}),
		of(topic.Exposure, false, rule.Meta{
			ID: "nginx-autoindex", Severity: rule.Medium, Title: "Folders are not listed",
			Why:    "A list shows backups and files that nobody meant to publish.",
			Guides: []string{"S0-55"}, CWE: []string{"CWE-548"}, Verify: "Open a folder in a browser.", Fix: "Take out autoindex on;",
		}, func(f *File) []fault {
			var out []fault
			for _, d := range f.root.all("autoindex") {
				if d.arg(0) == "on" {
					out = append(out, fault{d, "lists folders"})
				}
			}
			return out
		}),
	}
}

// repeats reports whether all headers of outer are set again.
func repeats(own, outer []*directive) bool {
	for _, o := range outer {
		if !slices.ContainsFunc(own, func(d *directive) bool { return strings.EqualFold(d.arg(0), o.arg(0)) }) {
			return false
		}
	}
	return true
}

// anyName reports whether a server name stands for many.
func anyName(name string) bool {
	return name == "_" || name == "" || strings.HasPrefix(name, "~.*") || name == "*"
}
