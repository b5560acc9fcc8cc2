package manifest

import (
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis/internal/harden/check/image"
	"github.com/portcullis-dev/portcullis/internal/harden/check/rule"
	"github.com/portcullis-dev/portcullis/internal/harden/check/topic"
	"github.com/portcullis-dev/portcullis/internal/harden/yamltree"
)

func slicesHas(s []string, names ...string) bool {
	return slices.ContainsFunc(s, func(a string) bool { return slices.Contains(names, a) })
}

func unpinned(ref string) bool { return !image.Variable(ref) && !image.Parse(ref).Pinned() }

// telling are the tables of what is told about an agent, not what it works with.
var telling = []string{"observability", "telemetry", "tracing", "metrics", "logging", "monitoring", "alerting", "phoenixarise"}

// plain returns the address in a value if it is in clear text and of another
// machine.
func plain(v value) (string, bool) {
	if v.schema || !v.node.IsText() {
		return "", false
	}
	switch v.name {
	case "$schema", "$id", "$ref", "xmlns", "description", "role", "instructions", "system", "prompt":
		return "", false
	}
	text := strings.TrimSpace(v.node.Value())
	if m := filledIn.FindStringSubmatch(text); m != nil {
		text = m[1]
	}
	u, err := url.Parse(strings.ToLower(text))
	if err != nil {
		// An address with a variable in its host or port cannot be taken apart.
		return text, strings.HasPrefix(strings.ToLower(text), "http://")
	}
	if u.Host == "" || !slices.Contains([]string{"http", "ws", "ftp", "tcp", "redis", "amqp", "mqtt", "ldap"}, u.Scheme) {
		return "", false
	}
	ip := net.ParseIP(u.Hostname())
	if u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
		return "", false
	}
	return u.Scheme + "://" + u.Host, true
}

func wireRules() []rule.Rule[*File] {
	return []rule.Rule[*File]{
		{
			Meta: about{
				id: "plain-http", severity: rule.High, topic: topic.Transport, title: "Servers, tools and endpoints are spoken to over TLS",
				why:    "Whoever is on the way reads what is sent, and changes what the model reads.",
				verify: "An address begins with http:// or ws:// and is not on this machine, or network_access.protocols has http or ws.", fix: "Use https; put a gateway in front of what cannot.",
				guides: list("S0-11", "S0-53", "R3-3"), cwe: list("CWE-319"),
			}.meta(),
			Check: values(func(v value, out *found) {
				if slicesHas(v.above, telling...) {
					return
				}
				if host, ok := plain(v); ok {
					out.add(v.node, "What is said there travels in clear text.", host)
				}
				if (v.name == "protocols" || v.name == "allowedprotocols") && v.node.IsText() && slices.Contains([]string{"http", "ws", "ftp", "telnet"}, strings.ToLower(v.node.Value())) {
					out.add(v.node, "A protocol without encryption is allowed.", v.node.Value())
				}
			}),
		},
		{
			Meta: about{
				id: "telemetry-http", severity: rule.Medium, topic: topic.Transport, title: "Traces, metrics and logs travel over TLS",
				why:    "They name tools, arguments and people, and whoever is on the way reads or changes them.",
				verify: "An address under observability, telemetry or monitoring begins with http:// and is not on this machine.", fix: "Send them over https, or to a collector on the same machine.",
				guides: list("S0-53", "R3-3"), cwe: list("CWE-319"),
			}.meta(),
			Check: values(func(v value, out *found) {
				if host, ok := plain(v); ok && slicesHas(v.above, telling...) {
					out.add(v.node, "What is told about the agent travels in clear text.", host)
				}
			}),
		},
		{
			Meta: about{
				id: "tls-off", severity: rule.High, topic: topic.Transport, title: "Encryption and certificates are not switched off",
				why:    "Anyone on the way is taken for the server.",
				verify: "tls, ssl or verify is false, or insecure is true.", fix: "Take the setting out; trust the authority of the server instead.",
				guides: list("S0-53", "R3-3"), cwe: list("CWE-295", "CWE-319"), mends: true,
			}.meta(),
			Check: sees(tlsOff),
			Mend:  flips(tlsOff),
		},
		{
			Meta: about{
				id: "auth-missing", severity: rule.High, topic: topic.Access, title: "Whatever can be called from elsewhere wants to know by whom",
				why:    "Everyone who reaches the address makes the agent, or its tool, work for them.",
				verify: "An interface with an address has no authentication, or its type is none.", fix: "Declare bearer, oauth2 or mtls, and refuse calls without it.",
				guides: list("S0-9", "R3-3"), cwe: list("CWE-306"),
			}.meta(),
			Check: means(authMissing),
		},
	}
}

func tlsOff(f *File, out *found) {
	for _, v := range f.values {
		if v.schema {
			continue
		}
		n := v.node
		wrong := false
		switch v.name {
		case "tls", "ssl", "https", "intransit", "tlsenabled", "sslenabled", "tlsrequired", "encryptintransit", "encryptioninflight":
			wrong = off(n)
		case "verify", "tlsverify", "sslverify", "verifyssl", "verifytls", "rejectunauthorized", "checkcertificate", "verifycertificate", "verifycertificates", "verifypeer":
			wrong = no(n)
		case "insecure", "insecureskipverify", "skipverify", "skiptlsverify", "skipsslverify", "tlsskipverify", "insecureskiptlsverify", "allowinsecure", "allowhttp":
			wrong = yes(n)
		case "sslmode", "tlsmode":
			wrong = slices.Contains([]string{"disable", "disabled", "allow", "prefer", "none", "off"}, strings.ToLower(n.Value())) || n.False()
		}
		if !wrong {
			continue
		}
		if n.IsTable() {
			for _, name := range []string{"enabled", "required", "active"} {
				if no(n.Get(name)) {
					n = n.Get(name)
				}
			}
		}
		out.add(n, "Encryption, or the check of certificates, is switched off.", v.raw+": "+n.Value())
	}
}

// open reports whether what is said about authentication is that there is none.
func open(n *yamltree.Node) bool {
	switch {
	case n.Empty(), off(n):
		return true
	case n.IsText():
		return slices.Contains([]string{"none", "anonymous", "public", "noauth"}, fold(n.Value()))
	case n.IsList():
		return slices.ContainsFunc(n.List(), open)
	case n.IsTable():
		for _, name := range []string{"type", "scheme", "method", "schemes", "methods", "mode"} {
			if v := n.Get(name); v != nil && open(v) {
				return true
			}
		}
	}
	return false
}

// authentication returns what a table says about it.
func authentication(n *yamltree.Node) (*yamltree.Node, bool) {
	for _, name := range n.Names() {
		switch fold(name) {
		case "auth", "authentication", "security", "securityschemes", "credentials", "authorization":
			return n.Get(name), true
		}
	}
	return nil, false
}

func authMissing(f *File, out *found) {
	for _, v := range f.values {
		if !v.node.IsTable() || v.schema {
			continue
		}
		said, ok := authentication(v.node)
		if !ok && slices.Contains([]string{"endpoints", "transport", "config", "server", "listen"}, v.name) {
			said, ok = authentication(v.parent()) // it stands beside them
		}
		address := ""
		for _, name := range []string{"endpoint", "url", "base_url", "baseUrl", "server_url", "serverUrl", "listen", "host", "webhook", "endpoints", "port"} {
			if n := v.node.Get(name); address == "" && !n.Empty() {
				address = n.Value()
				if n.IsTable() {
					address = n.Get("base_url").Value()
				}
			}
		}
		exposed := address != "" && (slicesHas(append(slices.Clone(v.above), v.name), "a2a", "supported", "integration", "api", "rest", "http", "websocket", "grpc", "webhook", "webhooks", "server", "interfaces") ||
			slices.Contains([]string{"http", "api", "grpc", "a2a", "webhook", "rest", "openapi", "graphql", "sse", "streamable-http", "websocket"}, strings.ToLower(v.node.Get("type").Value())))
		if v.name == "healthcheck" || v.name == "runtime" || slicesHas(append(slices.Clone(v.above), v.name), telling...) {
			exposed = false
		}
		switch {
		case ok && open(said) && (address != "" || exposed):
			out.add(said, "Whoever calls is not asked who they are.", said.Get("type").Value())
		case !ok && exposed && !carries(v.node):
			out.add(v.node, "Whoever calls is not asked who they are.", host(address))
		}
	}
	for _, n := range slices.Concat(f.sections("security", "authentication"), f.sections("authentication"), f.sections("auth")) {
		if open(n) {
			out.add(n, "Authentication is switched off.", "")
		}
	}
}

// carries reports whether a table sends a credential in its headers.
func carries(n *yamltree.Node) bool {
	for _, name := range n.Get("headers").Names() {
		switch fold(name) {
		case "authorization", "xapikey", "apikey", "xauthtoken":
			return true
		}
	}
	return false
}

// host is what may be told of an address.
func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
