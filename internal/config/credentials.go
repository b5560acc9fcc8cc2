package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/authn/jwt"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// References lists the secret references of a route with the settings they
// stand in, relative to the route.
func (r *Route) References() []secrets.Reference {
	out := prefixed("credential.", r.Credential.References())
	for i := range r.Credentials {
		out = append(out, prefixed(fmt.Sprintf("credentials[%d].", i), r.Credentials[i].References())...)
	}
	for name, text := range r.Env {
		if source.IsRef(text) {
			out = append(out, secrets.Reference{Field: tomlstrict.BarePath("env", name), Text: text})
		}
	}
	return out
}

// Needed is a secret that the configuration needs.
type Needed struct {
	Where string // "route \"files\"", or the section
	secrets.Reference
}

// References lists the secrets that the configuration needs.
func (c *Config) References() []Needed {
	var out []Needed
	add := func(where string, refs []secrets.Reference) {
		for _, r := range refs {
			out = append(out, Needed{where, r})
		}
	}
	for i := range c.Routes {
		add(fmt.Sprintf("route %q", c.Routes[i].Name), c.Routes[i].References())
	}
	for i := range c.Audit.Sinks {
		add(fmt.Sprintf("sink %q", c.Audit.Sinks[i].Name), c.Audit.Sinks[i].References())
	}
	for i := range c.Detect.Alerts.Channels {
		add(fmt.Sprintf("alert channel %q", c.Detect.Alerts.Channels[i].Name), c.Detect.Alerts.Channels[i].References())
	}
	for i := range c.Privacy.Hooks {
		add(fmt.Sprintf("erasure hook %q", c.Privacy.Hooks[i].Name), c.Privacy.Hooks[i].References())
	}
	for i := range c.Incident.Hooks {
		add(fmt.Sprintf("incident hook %q", c.Incident.Hooks[i].Name), c.Incident.Hooks[i].References())
	}
	add("audit.archive.s3", c.Audit.Archive.S3.References())
	add("telemetry", c.Telemetry.References())
	add("secrets.rotation", c.Secrets.Rotation.References())
	return out
}

func prefixed(before string, refs []secrets.Reference) []secrets.Reference {
	for i := range refs {
		refs[i].Field = before + refs[i].Field
	}
	return refs
}

// checkReferences checks references of a section, which were read before,
// against the sources that there are.
func (c *Config) checkReferences(refs []secrets.Reference) error {
	var errs []error
	for _, ref := range refs {
		if _, err := source.Parse(ref.Text); err != nil {
			continue // the section told
		}
		if err := c.Secrets.Check(ref.Text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", ref.Field, err))
		}
	}
	return errors.Join(errs...)
}

// checkCredentials checks what a route says about credentials against the rest
// of the configuration.
func (c *Config) checkCredentials(i int) error {
	r := &c.Routes[i]
	var errs []error
	for _, ref := range r.References() {
		if _, err := source.Parse(ref.Text); err != nil {
			if len(r.Command) > 0 { // the others were told by their own section
				errs = append(errs, fmt.Errorf("%s: %w", ref.Field, err))
			}
			continue
		}
		if err := c.Secrets.Check(ref.Text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", ref.Field, err))
		}
	}
	if len(r.Command) > 0 && (r.Credential.On() || len(r.Credentials) > 0) {
		errs = append(errs, errors.New("credential: has no effect on a command: give it an environment variable, as in env = { TOKEN = \"secret://…\" }"))
	}
	errs = append(errs, c.checkCredential(r, "credential", r.Credential))
	for k := range r.Credentials {
		errs = append(errs, c.checkCredential(r, fmt.Sprintf("credentials[%d]", k), r.Credentials[k].Credential))
	}
	if len(r.Credentials) > 0 && r.OldTransport() {
		errs = append(errs, errors.New("credentials: the older SSE transport serves all tools of a caller by one connection: give route.credential"))
	}
	return errors.Join(errs...)
}

// checkSink checks the references of a sink against the rest of the
// configuration.
func (c *Config) checkSink(i int) error {
	var errs []error
	for _, ref := range c.Audit.Sinks[i].References() {
		if _, err := source.Parse(ref.Text); err != nil {
			continue // told by its own section
		}
		if err := c.Secrets.Check(ref.Text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", ref.Field, err))
		}
	}
	return errors.Join(errs...)
}

func (c *Config) checkCredential(r *Route, at string, cred secrets.Credential) error {
	u, err := url.Parse(r.Upstream)
	if err != nil || !cred.On() || r.Upstream == "" {
		return nil
	}
	switch {
	case cred.Cert != "" && u.Scheme != "https":
		return fmt.Errorf("%s.cert: needs an https upstream", at)
	case r.OldTransport() && (cred.Type == secrets.Exchange || cred.Type == secrets.SigV4):
		return fmt.Errorf("%s.type: %q: the older SSE transport serves many calls by one connection", at, cred.Type)
	case cred.Type == secrets.Exchange && slices.Contains(r.Auth, jwt.MethodJWT) == slices.Contains(r.Auth, jwt.MethodOIDC):
		// With both, tokens of one issuer would be told to the other.
		return fmt.Errorf(`%s.type: "exchange": needs callers with access tokens of one issuer: either "oidc" or "jwt" in auth`, at)
	}
	return nil
}

// warnings lists what is allowed and still not good about credentials.
func (c *Config) warnings(name string, origin *tomlstrict.Origin) []string {
	var out []string
	warn := func(path, text string) {
		out = append(out, fmt.Sprintf("%s:%d: %s: %s", name, origin.Line(path), path, text))
	}
	for i := range c.Routes {
		r := &c.Routes[i]
		at := fmt.Sprintf("route[%d]", i)
		used := r.Credential.On()
		if r.Credential.Type == secrets.Query && used {
			warn(at+".credential", "a secret in the URL ends up in the logs of the upstream and of proxies before it: use a header if it takes one")
		}
		for k := range r.Credentials {
			used = used || r.Credentials[k].On()
			if r.Credentials[k].Type == secrets.Query {
				warn(fmt.Sprintf("%s.credentials[%d]", at, k), "a secret in the URL ends up in the logs of the upstream and of proxies before it: use a header if it takes one")
			}
		}
		if u, err := url.Parse(r.Upstream); used && err == nil && u.Scheme == "http" && !near(u.Hostname()) {
			warn(at+".upstream", "its credential travels in clear text: use https")
		}
	}
	for i, e := range c.Secrets.Rotation.Entries {
		if e.NoVerify {
			warn(fmt.Sprintf("secrets.rotation.entry[%d].insecure_no_verify", i), "new values are used without asking the provider whether they are good")
		}
		if e.Probe.Parameter != "" {
			warn(fmt.Sprintf("secrets.rotation.entry[%d].probe.parameter", i), "a secret in the URL ends up in the logs of the provider: use a header if it takes one")
		}
	}
	for i := range c.Audit.Sinks {
		if s := &c.Audit.Sinks[i]; s.TLS.Insecure {
			warn(fmt.Sprintf("audit.sinks[%d].tls.insecure_skip_verify", i), "the certificate of the server is not looked at: whoever stands in between reads events and token")
		}
		if c.Audit.Sinks[i].Plain {
			warn(fmt.Sprintf("audit.sinks[%d].insecure_plain", i), "events travel in clear text")
		}
	}
	for i := range c.Detect.Alerts.Channels {
		if c.Detect.Alerts.Channels[i].Personal {
			warn(fmt.Sprintf("detect.alerts.channel[%d].personal", i), "messages name callers: an erasure does not reach what was sent")
		}
	}
	if c.Secrets.File.InsecureWorldReadable {
		warn("secrets.file.insecure_world_readable", "secrets in files that every user of the machine can read are accepted")
	}
	return out
}

func near(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
