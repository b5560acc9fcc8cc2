package endpoint

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/handshake"
	"github.com/portcullis-dev/portcullis/internal/harden/check/endpoint/reading"
	"github.com/portcullis-dev/portcullis/internal/harden/check/wording"
)

// Seen is what an address answered.
type Seen struct {
	URL     *url.URL
	MCP     bool   // speaks MCP
	A2A     bool   // has an agent card
	Modern  bool   // of MCP: answers server/discover, has no sessions
	Version string // of MCP: the revision that it chose

	Now      time.Time
	TLS      *handshake.TLS // nil over plain HTTP
	Active   bool
	Behind   bool // a credential was sent and taken: what stands behind authentication was seen
	Withheld string

	Answers  map[string]Answer
	Sessions []string
	Tools    []reading.Tool
	Texts    []reading.Text // what a model would read, beside tools
	Card     []byte         // an agent's card, nil without
	Burst    []int          // status codes

	judge *wording.Judge
}

// Answer is what came back for one request.
type Answer struct {
	Asked   string // "POST /mcp tools/list"
	Status  int    // 0 where none came
	Header  http.Header
	Body    []byte // bounded
	Message []byte // the JSON-RPC message in Body, nil without
	Failed  string // why no answer came
	Late    bool   // nobody waited longer
}

// Names of answers. Those that begin with "anonymous" were asked without a
// credential.
const (
	anonymousFirst     = "anonymous/handshake"
	anonymousPing      = "anonymous/ping"
	anonymousTools     = "anonymous/tools/list"
	anonymousPrompts   = "anonymous/prompts/list"
	anonymousResources = "anonymous/resources/list"
	anonymousStream    = "anonymous/stream"
	anonymousTask      = "anonymous/task"
	ownTask            = "task"
	limited            = "limited"
	anonymousExtended  = "anonymous/extended"
	ownFirst           = "handshake"
	plainGet           = "get"
	notThere           = "not-there"
	preflight          = "preflight"
	nullOrigin         = "null-origin"
	trace              = "trace"
	overHTTP           = "over-http"
	badToken           = "bad-token"
	queryToken         = "query-token"
	foreignOrigin      = "origin"
	foreignHost        = "host"
	doubledName        = "doubled-name"
	batch              = "batch"
	trailing           = "trailing"
	deep               = "deep"
	broken             = "broken"
	brokenCall         = "broken-call"
	oversize           = "oversize"
	wrongType          = "content-type"
	wrongVersion       = "version"
	mismatch           = "mismatch"
	unknownMethod      = "unknown-method"
	sessionAlone       = "session-alone"
	resourceMetadata   = "resource-metadata"
	cardPlain          = "card"
	cardVersion        = "card-version"
	webhook            = "webhook"
	pathMetrics        = "/metrics"
	pathPprof          = "/debug/pprof/"
	pathEnv            = "/.env"
	pathGit            = "/.git/HEAD"
	pathActuator       = "/actuator/env"
	pathAdmin          = "/admin"
)

// got returns an answer that came.
func (s *Seen) got(name string) (Answer, bool) {
	a, ok := s.Answers[name]
	return a, ok && a.Status != 0
}

// ok reports whether the request was done: a JSON-RPC result, or a success that
// is no JSON-RPC at all.
func (a Answer) ok() bool {
	if a.Status < 200 || a.Status > 299 {
		return false
	}
	return len(a.Message) == 0 || !reading.HasMember(a.Message, "error")
}

// locked reports whether somebody who calls was turned away.
func (a Answer) locked() bool {
	return a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden
}

// served reports whether the request reached what answers calls: it was done, or
// refused for something other than who is calling.
func (a Answer) served() bool {
	if a.locked() {
		return false
	}
	switch reading.Code(a.Message) {
	case -32601, -32602, -32603, -32001: // method, parameters, inside, task
		return a.Status < 500
	}
	return a.Status >= 200 && a.Status < 300
}

// locks reports whether callers are told apart at all: whether an anonymous
// handshake or list was refused.
func (s *Seen) locks() bool {
	for _, name := range []string{anonymousTools, anonymousFirst, anonymousTask} {
		if a, ok := s.got(name); ok && a.Status == http.StatusUnauthorized {
			return true
		}
	}
	return false
}

func (s *Seen) loopback() bool { return reading.Loopback(s.URL.Hostname()) }

func (a Answer) text() string { return strings.ToValidUTF8(string(a.Body), "�") }
