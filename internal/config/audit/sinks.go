package audit

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/syslog"
	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/config/secrets"
	"github.com/portcullis-dev/portcullis/internal/secrets/source"
)

// Types of sinks.
const (
	Splunk  = "splunk"
	Syslog  = "syslog"
	HTTP    = "http"
	Elastic = "elastic"
	OTLP    = "otlp"
	File    = "file"
	Webhook = "webhook"
)

// Sink is one [[audit.sinks]].
type Sink struct {
	Name     string        `toml:"name" required:"true" example:"\"siem\"" doc:"Name in logs, metrics and commands, and of the place up to which events were sent: small letters, digits, dashes and underscores."`
	Type     string        `toml:"type" required:"true" enum:"splunk|syslog|http|elastic|otlp|file|webhook" example:"\"splunk\"" doc:"Kind of server."`
	URL      string        `toml:"url" example:"\"https://splunk.example.com:8088\"" doc:"For splunk, http, elastic, otlp and webhook: where the server is. http only to this machine or with insecure_plain."`
	Address  string        `toml:"address" example:"\"tls://logs.example.com:6514\"" doc:"For syslog: tls://, tcp:// or udp://, host and port."`
	Path     string        `toml:"path" example:"\"/var/log/portcullis/events.jsonl\"" doc:"For file: the file. Its folder must exist."`
	Format   string        `toml:"format" enum:"auto|plain|json|ocsf|ecs|cef|leef|csv" doc:"Form of an event. auto is ocsf for http, ecs for elastic, plain for syslog, json for the others."`
	Token    string        `toml:"token" secret:"true" example:"\"secret://env/SPLUNK_HEC_TOKEN\"" doc:"Reference to the credential, for servers that want one."`
	Scheme   string        `toml:"scheme" example:"\"Bearer\"" doc:"Word before the token. By default Splunk for splunk, ApiKey for elastic, Bearer for the others; none leaves it out."`
	Header   string        `toml:"header" example:"\"X-API-Key\"" doc:"Header that holds the token, in place of Authorization."`
	Username string        `toml:"username" example:"\"shipper\"" doc:"Makes the token the password of this user (HTTP Basic)."`
	Secret   string        `toml:"secret" secret:"true" example:"\"secret://env/SIEM_WEBHOOK_SECRET\"" doc:"For webhook: reference to the shared secret of the signature, at least 32 characters."`
	Timeout  time.Duration `toml:"timeout" doc:"How long one batch may take, acknowledgement included."`
	Start    string        `toml:"start" enum:"oldest|now" doc:"Where a sink begins that is new: with the oldest event that the journal has, or with the next one."`
	Plain    bool          `toml:"insecure_plain" doc:"Whether events, and the token, may travel in clear text to another machine."`

	Filter SinkFilter    `toml:"filter" doc:"Which events are sent. All conditions must hold; without any, all events are."`
	Batch  SinkBatch     `toml:"batch" doc:"How many events are sent at once. A batch is sent when one bound is reached."`
	TLS    SinkTLS       `toml:"tls" doc:"Whom to trust and who to be."`
	Splunk SplunkOptions `toml:"splunk" doc:"What events are filed under."`
	Syslog SyslogOptions `toml:"syslog" doc:"What messages say of their origin."`
	HTTP   HTTPOptions   `toml:"http" doc:"How batches are written."`
	Index  string        `toml:"index" example:"\"logs-portcullis-default\"" doc:"For elastic: index, alias or data stream. By default logs-portcullis-default."`
	File   FileOptions   `toml:"file" doc:"When the file is renamed."`
}

// SinkFilter is [audit.sinks.filter].
type SinkFilter struct {
	Types       []string `toml:"types" list:"text" example:"[\"AUTH_FAILURE\", \"AUTHZ_DENIED\"]" doc:"Only these."`
	Without     []string `toml:"without" list:"text" example:"[\"CALL_STARTED\"]" doc:"Not these."`
	MinSeverity string   `toml:"min_severity" enum:"INFO|WARN|ERROR|CRITICAL" doc:"Not what is less."`
	Class       string   `toml:"class" enum:"all|security|access" doc:"security is everything but calls and successful authentication, access is those."`
	ExcludeOwn  bool     `toml:"exclude_own" doc:"Leave out events that tell of sinks."`
}

// SinkBatch is [audit.sinks.batch].
type SinkBatch struct {
	Events int64         `toml:"events" doc:"Most events."`
	Bytes  field.Size    `toml:"bytes" doc:"Most bytes, of the encoded events. It bounds the memory of a sink too."`
	Wait   time.Duration `toml:"wait" doc:"Longest time that the first event of a batch waits for others."`
}

// SinkTLS is [audit.sinks.tls].
type SinkTLS struct {
	CA         string `toml:"ca" example:"\"/etc/portcullis/siem-ca.pem\"" doc:"PEM file of the roots to trust instead of the system's."`
	Cert       string `toml:"cert" example:"\"/etc/portcullis/siem.crt\"" doc:"PEM file of the client certificate."`
	Key        string `toml:"key" example:"\"/etc/portcullis/siem.key\"" doc:"PEM file of its key."`
	ServerName string `toml:"server_name" example:"\"siem.internal\"" doc:"Name that the server's certificate must have, if it is not that of the address."`
	Insecure   bool   `toml:"insecure_skip_verify" doc:"Accept any certificate: whoever stands in between reads events and token."`
}

// SplunkOptions is [audit.sinks.splunk].
type SplunkOptions struct {
	Source     string `toml:"source" doc:"Source of the events."`
	SourceType string `toml:"sourcetype" doc:"Source type of the events."`
	Index      string `toml:"index" doc:"Index; empty = that of the token."`
}

// SyslogOptions is [audit.sinks.syslog].
type SyslogOptions struct {
	Facility   string `toml:"facility" doc:"Facility by name: local0 to local7, auth, authpriv, audit, daemon and the others of RFC 5424."`
	AppName    string `toml:"app_name" doc:"APP-NAME of the messages."`
	Hostname   string `toml:"hostname" example:"\"gateway-1\"" doc:"HOSTNAME of the messages; by default the name of this machine."`
	Enterprise int64  `toml:"enterprise" doc:"Private enterprise number in the name of the structured data. The default is the one for documentation (RFC 5612): give your own."`
	KeepOpen   bool   `toml:"keep_open" doc:"Keep one connection for all batches. By default it is ended behind each, because the end of the other side is the only receipt that syslog has."`
}

// HTTPOptions is [audit.sinks.http].
type HTTPOptions struct {
	Body string `toml:"body" enum:"array|lines" doc:"One JSON array, or one object per line (application/x-ndjson)."`
}

// FileOptions is [audit.sinks.file].
type FileOptions struct {
	MaxSize field.Size `toml:"max_size" doc:"The file is renamed to PATH.1 before it grows beyond."`
	Keep    int64      `toml:"keep" doc:"How many renamed files are kept."`
}

const defaultIndex = "logs-portcullis-default"

// DefaultSink returns the defaults of [[audit.sinks]].
func DefaultSink() Sink {
	return Sink{
		Format: "auto", Timeout: sink.DefaultTimeout, Start: "oldest",
		Filter: SinkFilter{MinSeverity: "INFO", Class: "all"},
		Batch:  SinkBatch{Events: sink.DefaultEvents, Bytes: sink.DefaultBytes, Wait: sink.DefaultWait},
		Splunk: SplunkOptions{Source: "mcp-server", SourceType: "security", Index: "security"},
		Syslog: SyslogOptions{Facility: "local0", AppName: "portcullis", Enterprise: 32473},
		HTTP:   HTTPOptions{Body: "array"},
		File:   FileOptions{MaxSize: 100 << 20, Keep: 5},
	}
}

// References lists the secret references of a sink.
func (s Sink) References() []secrets.Reference {
	var out []secrets.Reference
	for _, r := range []secrets.Reference{{Field: "token", Text: s.Token}, {Field: "secret", Text: s.Secret}} {
		if r.Text != "" {
			out = append(out, r)
		}
	}
	return out
}

// Form returns the form of the events.
func (s Sink) Form() string {
	if s.Format != "auto" {
		return s.Format
	}
	switch s.Type {
	case HTTP:
		return "ocsf"
	case Elastic:
		return "ecs"
	case Syslog:
		return "plain"
	}
	return "json"
}

// AuthScheme returns the word before the token.
func (s Sink) AuthScheme() string {
	switch {
	case s.Scheme == "none":
		return ""
	case s.Scheme != "":
		return s.Scheme
	case s.Header != "":
		return ""
	case s.Type == Elastic:
		return "ApiKey"
	}
	return "Bearer"
}

// DocumentIndex returns the index of an elastic sink.
func (s Sink) DocumentIndex() string {
	if s.Index == "" {
		return defaultIndex
	}
	return s.Index
}

// Dial returns the transport and the address of a syslog sink.
func (s Sink) Dial() (transport, address string) {
	transport, address, _ = strings.Cut(s.Address, "://")
	return transport, address
}

// needs says which settings a type must have, may which others it can have.
func needs(kind string) (must, may []string) {
	web := []string{"token", "scheme", "header", "username", "tls", "insecure_plain"}
	switch kind {
	case Splunk:
		return []string{"url", "token"}, []string{"tls", "splunk", "insecure_plain"}
	case Syslog:
		return []string{"address"}, []string{"tls", "syslog", "insecure_plain"}
	case HTTP:
		return []string{"url"}, append(web, "http")
	case Elastic:
		return []string{"url"}, append(web, "index")
	case OTLP:
		return []string{"url"}, web
	case File:
		return []string{"path"}, []string{"file"}
	case Webhook:
		return []string{"url", "secret"}, web
	}
	return nil, nil
}

func (s Sink) given() map[string]bool {
	d := DefaultSink()
	return map[string]bool{
		"url": s.URL != "", "address": s.Address != "", "path": s.Path != "", "token": s.Token != "", "scheme": s.Scheme != "",
		"header": s.Header != "", "username": s.Username != "", "secret": s.Secret != "", "insecure_plain": s.Plain, "tls": s.TLS != d.TLS,
		"splunk": s.Splunk != d.Splunk, "syslog": s.Syslog != d.Syslog, "http": s.HTTP != d.HTTP, "index": s.Index != "", "file": s.File != d.File,
	}
}

// Validate checks one sink.
func (s Sink) Validate() error {
	var errs []error
	if s.Name == "" || len(s.Name) > 64 || strings.Trim(s.Name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		errs = append(errs, fmt.Errorf("name: %q: want up to 64 small letters, digits, dashes and underscores", s.Name))
	}
	must, may := needs(s.Type)
	given := s.given()
	for _, name := range []string{"url", "address", "path", "token", "scheme", "header", "username", "secret", "insecure_plain", "tls", "splunk", "syslog", "http", "index", "file"} {
		switch {
		case slices.Contains(must, name) && !given[name]:
			errs = append(errs, fmt.Errorf("%s: needed for type = %q", name, s.Type))
		case given[name] && !slices.Contains(must, name) && !slices.Contains(may, name):
			errs = append(errs, fmt.Errorf("%s: has no effect with type = %q", name, s.Type))
		}
	}
	errs = append(errs, s.checkForm(), s.checkPlace(), s.checkCredential(),
		field.Between("timeout", s.Timeout, time.Second, 10*time.Minute))
	return errors.Join(errs...)
}

// checkForm refuses forms that a server of the type cannot read.
func (s Sink) checkForm() error {
	allowed := []string{"json", "ocsf", "ecs"}
	switch s.Type {
	case Splunk:
		allowed = append(allowed, "cef", "leef")
	case Syslog:
		allowed = append(allowed, "plain", "cef", "leef")
	case OTLP:
		allowed = append(allowed, "cef", "leef")
	case File:
		allowed = append(allowed, "cef", "leef", "csv")
	}
	if slices.Contains(allowed, s.Form()) {
		return nil
	}
	return fmt.Errorf("format: %q: a sink of type = %q takes %s", s.Format, s.Type, strings.Join(allowed, ", "))
}

func (s Sink) checkPlace() error {
	if s.URL != "" {
		u, err := url.Parse(s.URL)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			return errors.New("url: want a URL such as \"https://siem.example.com\"")
		case u.User != nil || u.Fragment != "":
			return errors.New("url: holds a name, a password or a fragment: give the token as a reference")
		case u.RawQuery != "" && s.Type != HTTP && s.Type != Webhook:
			return errors.New("url: holds a query")
		case u.Scheme == "http" && !s.Plain && !near(u.Hostname()):
			return errors.New("url: events would travel in clear text: want https, or insecure_plain = true")
		}
	}
	if s.Address != "" {
		transport, address := s.Dial()
		host, port, err := net.SplitHostPort(address)
		if !slices.Contains([]string{syslog.TLS, syslog.TCP, syslog.UDP}, transport) || err != nil || host == "" || port == "" {
			return errors.New("address: want tls://, tcp:// or udp://, host and port, as in \"tls://logs.example.com:6514\"")
		}
		if transport != syslog.TLS && !s.Plain && !near(host) {
			return errors.New("address: events would travel in clear text: want tls://, or insecure_plain = true")
		}
		if transport != syslog.TLS && s.TLS != (SinkTLS{}) {
			return fmt.Errorf("tls: has no effect with %s://", transport)
		}
	}
	return nil
}

func near(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (s Sink) checkCredential() error {
	var errs []error
	for _, r := range s.References() {
		if _, err := source.Parse(r.Text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.Field, err))
		}
	}
	for _, f := range [...][2]string{{"scheme", s.Scheme}, {"header", s.Header}} {
		if f[1] != "" && !field.IsToken(f[1]) {
			errs = append(errs, fmt.Errorf("%s: %q: want one word", f[0], f[1]))
		}
		if f[1] != "" && s.Username != "" {
			errs = append(errs, fmt.Errorf("%s: has no effect with a username", f[0]))
		}
		if f[1] != "" && s.Token == "" {
			errs = append(errs, fmt.Errorf("%s: has no effect without a token", f[0]))
		}
	}
	if strings.Contains(s.Username, ":") {
		errs = append(errs, errors.New("username: want a name without a colon"))
	}
	if s.Username != "" && s.Token == "" {
		errs = append(errs, errors.New("username: has no effect without a token"))
	}
	return errors.Join(errs...)
}

// Validate checks [audit.sinks.filter].
func (f SinkFilter) Validate() error {
	var errs []error
	for name, list := range map[string][]string{"types": f.Types, "without": f.Without} {
		for i, t := range list {
			if t == "" || strings.Trim(t, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
				errs = append(errs, fmt.Errorf("%s[%d]: %q: want the name of an event, such as AUTHZ_DENIED", name, i, t))
			}
		}
	}
	return errors.Join(errs...)
}

// Validate checks [audit.sinks.batch].
func (b SinkBatch) Validate() error {
	var errs []error
	if b.Events < 1 || b.Events > 100_000 {
		errs = append(errs, fmt.Errorf("events: %d: want 1 to 100000", b.Events))
	}
	if b.Bytes < 4<<10 || b.Bytes > 16<<20 {
		errs = append(errs, errors.New("bytes: want 4KiB to 16MiB"))
	}
	return errors.Join(append(errs, field.Between("wait", b.Wait, 10*time.Millisecond, time.Minute))...)
}

// Validate checks [audit.sinks.tls].
func (t SinkTLS) Validate() error {
	if (t.Cert == "") != (t.Key == "") {
		return errors.New("cert: the certificate and its key go together")
	}
	return nil
}

// Validate checks [audit.sinks.splunk].
func (s SplunkOptions) Validate() error {
	for _, f := range [...][2]string{{"source", s.Source}, {"sourcetype", s.SourceType}, {"index", s.Index}} {
		if strings.ContainsFunc(f[1], func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("%s: %q: holds a control character", f[0], f[1])
		}
	}
	return nil
}

// Validate checks [audit.sinks.syslog].
func (s SyslogOptions) Validate() error {
	var errs []error
	if _, ok := syslog.Facility(s.Facility); !ok {
		errs = append(errs, fmt.Errorf("facility: %q: want local0 to local7, auth, authpriv, audit, daemon or another of RFC 5424", s.Facility))
	}
	if !visible(s.AppName) || len(s.AppName) > 48 || s.AppName == "" {
		errs = append(errs, fmt.Errorf("app_name: %q: want up to 48 visible ASCII characters", s.AppName))
	}
	if !visible(s.Hostname) || len(s.Hostname) > 255 {
		errs = append(errs, fmt.Errorf("hostname: %q: want up to 255 visible ASCII characters", s.Hostname))
	}
	if s.Enterprise < 1 || s.Enterprise > 1<<32-1 {
		errs = append(errs, fmt.Errorf("enterprise: %d: want a private enterprise number", s.Enterprise))
	}
	return errors.Join(errs...)
}

func visible(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}

// Validate checks [audit.sinks.file].
func (f FileOptions) Validate() error {
	var errs []error
	if f.MaxSize < 1<<20 || f.MaxSize > 1<<40 {
		errs = append(errs, errors.New("max_size: want 1MiB to 1TiB"))
	}
	if f.Keep < 1 || f.Keep > 1000 {
		errs = append(errs, fmt.Errorf("keep: %d: want 1 to 1000", f.Keep))
	}
	return errors.Join(errs...)
}

// checkSinks checks sinks against one another.
func checkSinks(sinks []Sink) error {
	var errs []error
	names, paths := map[string]int{}, map[string]int{}
	for i, s := range sinks {
		if first, ok := names[s.Name]; ok {
			errs = append(errs, fmt.Errorf("sinks[%d].name: %q: sinks[%d] has it too", i, s.Name, first))
		}
		names[s.Name] = i
		if first, ok := paths[s.Path]; ok && s.Path != "" {
			errs = append(errs, fmt.Errorf("sinks[%d].path: %q: sinks[%d] writes it too", i, s.Path, first))
		}
		paths[s.Path] = i
	}
	return errors.Join(errs...)
}
