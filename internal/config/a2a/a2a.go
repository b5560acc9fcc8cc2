// Package a2a holds the section of a route that only routes to A2A agents
// have.
package a2a

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/config/field"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
)

// A2A is [route.a2a].
type A2A struct {
	Versions       []string      `toml:"versions" list:"text" doc:"Versions of the protocol that callers may speak. The agent is spoken to in the version of the caller."`
	Bindings       []string      `toml:"bindings" list:"text" doc:"Bindings that callers may use: jsonrpc, http+json, grpc. The agent is spoken to in the same, at upstream and below; for callers of gRPC in JSON-RPC."`
	DefaultSkill   string        `toml:"default_skill" doc:"Skill that a message is for which names none. Whoever may use all skills (skills:*) may use *."`
	Message        Message       `toml:"message" doc:"What a message may hold, beyond its schema."`
	FileURIs       string        `toml:"file_uris" enum:"deny|public|hosts" doc:"File parts that are a URI: none, https URIs of public hosts, or those of file_hosts only."`
	FileHosts      []string      `toml:"file_hosts" list:"text" example:"[\"files.example.com\"]" doc:"Hosts that file URIs may name, with those below them, in private networks too."`
	CallerContexts bool          `toml:"caller_contexts" doc:"Whether callers may name a context that nobody owns yet, which is theirs from then on. Else contexts come from the agent."`
	StreamEvents   int           `toml:"stream_events" doc:"Events of one stream."`
	StreamTime     time.Duration `toml:"stream_time" doc:"How long one stream may run. A caller can subscribe again."`
	Card           Card          `toml:"card" doc:"The card of the agent, and what callers see of it."`
	Push           Push          `toml:"push" doc:"Notifications that the agent pushes to callers."`
	GRPC           GRPC          `toml:"grpc" doc:"Calls over gRPC, whose paths name no route."`
}

// Message is [route.a2a.message].
type Message struct {
	MaxText      int      `toml:"max_text" doc:"Characters of all text parts of a message together; white space around each does not count."`
	MaxParts     int      `toml:"max_parts" doc:"Parts of a message."`
	MaxData      int      `toml:"max_data" doc:"Bytes of the files (decoded) and structured data in a message together."`
	MediaTypes   []string `toml:"media_types" list:"text" example:"[\"text/*\", \"application/json\", \"image/png\"]" doc:"Media types that parts of a message may have. Empty allows all."`
	Tenants      []string `toml:"tenants" list:"text" example:"[\"acme\"]" doc:"Tenants that a request may name. Empty allows none."`
	UUIDContexts bool     `toml:"uuid_contexts" doc:"Whether ids of contexts have to be UUIDs."`
}

func defaultMessage() Message {
	d := a2a.DefaultRules()
	return Message{MaxText: d.MaxText, MaxParts: d.MaxParts, MaxData: d.MaxData}
}

// Rules returns the settings as the decoder takes them.
func (m Message) Rules() a2a.Rules { return a2a.Rules(m) }

// Validate checks the section by the rules of the decoder.
func (m Message) Validate() error { return m.Rules().Validate() }

// Push is [route.a2a.push].
type Push struct {
	Hosts           []string      `toml:"hosts" list:"text" example:"[\"hooks.example.com\"]" doc:"Hosts that callers may have notified, exactly, with the port if it is not 443; *.example.com stands for those below. Empty: no push notifications."`
	Delivery        string        `toml:"delivery" enum:"gateway|direct|off" doc:"Who delivers: the gateway, which the agent gives them to, the agent itself (it learns the target and its credentials, and connects to it unguarded), or nobody."`
	Base            string        `toml:"base" example:"\"https://gateway.internal.example\"" doc:"Address of the gateway at which the agent gives notifications to it. By default server.public_url."`
	Challenge       bool          `toml:"challenge" doc:"Whether a target has to echo a challenge before anything is delivered to it: to answer a GET with the text of the query parameter validationToken."`
	Attempts        int           `toml:"attempts" doc:"How often a delivery is tried before it is a dead letter."`
	MaxAge          time.Duration `toml:"max_age" doc:"How long a delivery is tried before it is a dead letter."`
	InsecurePrivate bool          `toml:"insecure_private" doc:"INSECURE: lets notifications go to loopback and private addresses, to any port, and over http."`
}

// Who delivers notifications.
const (
	PushGateway = "gateway"
	PushDirect  = "direct"
	PushOff     = "off"
)

// Off reports whether there are no notifications.
func (p Push) Off() bool { return p.Delivery == PushOff || len(p.Hosts) == 0 }

// ThroughGateway reports whether notifications go through the gateway.
func (p Push) ThroughGateway() bool { return !p.Off() && p.Delivery != PushDirect }

// Default returns the defaults of [route.a2a].
func Default() A2A {
	return A2A{
		Versions: []string{"1.0", "0.3"}, Bindings: []string{"jsonrpc", "http+json"}, DefaultSkill: "*",
		Message: defaultMessage(), FileURIs: "public", StreamEvents: 10000, StreamTime: time.Hour,
		Card: DefaultCard(), Push: Push{Delivery: PushGateway, Challenge: true, Attempts: 20, MaxAge: 24 * time.Hour},
	}
}

// IsDefault reports whether nothing was set.
func (a A2A) IsDefault() bool { return reflect.DeepEqual(a, Default()) }

// Validate checks the section without its tables.
func (a A2A) Validate() error {
	var errs []error
	errs = append(errs, words("versions", a.Versions, "1.0", "0.3"), words("bindings", a.Bindings, "jsonrpc", "http+json", bindingGRPC), a.checkGRPC())
	if a.DefaultSkill == "" || len(a.DefaultSkill) > 512 {
		errs = append(errs, errors.New(`default_skill: want the id of a skill, or "*"`))
	}
	errs = append(errs,
		field.AtLeast("stream_events", int64(a.StreamEvents), 1), field.Between("stream_time", a.StreamTime, time.Second, 24*time.Hour))
	errs = append(errs, hosts("file_hosts", a.FileHosts))
	if a.FileURIs == "hosts" && len(a.FileHosts) == 0 {
		errs = append(errs, errors.New(`file_uris: "hosts" allows none without file_hosts`))
	}
	return errors.Join(errs...)
}

// Validate checks the section.
func (p Push) Validate() error {
	plain := make([]string, len(p.Hosts))
	for i, h := range p.Hosts {
		plain[i] = strings.TrimPrefix(h, "*.")
	}
	errs := []error{hosts("hosts", plain), field.Between("max_age", p.MaxAge, time.Minute, 7*24*time.Hour)}
	if p.Attempts < 1 || p.Attempts > mostAttempts {
		errs = append(errs, fmt.Errorf("attempts: %d: want 1 to %d", p.Attempts, mostAttempts))
	}
	if u, err := url.Parse(p.Base); p.Base != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || strings.ContainsAny(p.Base, "?#")) {
		errs = append(errs, fmt.Errorf(`base: %q: want a URL without a path, such as "https://gateway.internal.example"`, p.Base))
	}
	return errors.Join(errs...)
}

const mostAttempts = 1000

// words checks a list of known words, each there once, not none.
func words(name string, list []string, known ...string) error {
	if len(list) == 0 {
		return fmt.Errorf(`%s: empty: want at least one of "%s"`, name, strings.Join(known, `", "`))
	}
	for i, w := range list {
		if !slices.Contains(known, w) || slices.Contains(list[:i], w) {
			return fmt.Errorf(`%s[%d]: %q: want each of "%s" at most once`, name, i, w, strings.Join(known, `", "`))
		}
	}
	return nil
}

func hosts(name string, list []string) error {
	for i, h := range list {
		if h == "" || strings.ToLower(h) != h || strings.HasSuffix(h, ".") || strings.Trim(h, "abcdefghijklmnopqrstuvwxyz0123456789-._:[]") != "" {
			return fmt.Errorf(`%s[%d]: %q: want a host in lower case, such as "files.example.com"`, name, i, h)
		}
	}
	return nil
}

// Below reports whether a path lies below that of an agent's route, where all
// paths are the agent's own.
func Below(agent, path string) bool {
	return path != agent && strings.HasPrefix(path, strings.TrimSuffix(agent, "/")+"/")
}
