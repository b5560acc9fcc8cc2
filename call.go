package portcullis

import (
	"crypto/x509"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"time"
)

// Conn is what is known of a request before anyone is authenticated. Guards
// read it; they write only to Reply. It lives as long as its request and is
// used by one goroutine.
type Conn struct {
	RequestID string         // UUIDv7, sent as X-Request-Id and logged
	Received  time.Time      // arrival, wall and monotonic clock
	Peer      netip.AddrPort // the other end of the TCP connection
	Client    netip.Addr     // the caller as trusted proxies report it, unmapped
	Secure    bool           // arrived over TLS, here or at a trusted proxy
	Route     string         // name of the route
	HTTP      *http.Request  // headers, method and URL as received
	Reply     http.Header    // headers of whatever reply will be sent
	Cert      ClientCert     // certificate the caller presented, if any
	RPC       string         // path of a call over gRPC, whose body is of gRPC still; HTTP is what JSON-RPC would have sent
}

// ClientCert is the certificate that a caller presented, as it came. That the
// caller holds its key is proved, here or at a trusted proxy; who issued it,
// and whether it still counts, is not.
type ClientCert struct {
	Chain   []*x509.Certificate // the caller's own first; empty = none
	Staple  []byte              // OCSP response from the caller's handshake
	Proxied bool                // a trusted proxy presents it for the caller
	Err     error               // why what came cannot be read; Chain is empty then
}

// Direction says which side sent a message.
type Direction uint8

// The two directions. Inspection and review run swapped for ToClient.
const (
	ToServer Direction = iota
	ToClient
)

// Shape is the JSON-RPC form of a message.
type Shape uint8

// The shapes. Stream and Close are HTTP requests without a body: a GET that
// opens a server-to-client stream and a DELETE that ends a session.
const (
	ShapeInvalid Shape = iota
	ShapeRequest
	ShapeNotification
	ShapeResult
	ShapeError
	ShapeStream
	ShapeClose
)

// Message is one protocol message with exactly one reading. Raw is forwarded
// as it arrived, so everything a guard decided on was read from these bytes.
type Message struct {
	Direction Direction
	Shape     Shape
	ID        []byte   // raw JSON of the id; nil for notifications
	Method    string   // "tools/call"; empty for results and errors
	Target    Target   // what the method acts on
	Also      []string // further resources it acts on: those a subscription listens to
	Version   string   // protocol revision in force, "" when not yet known
	Session   string   // session id the upstream knows, "" when there is none
	Params    []byte   // raw JSON of params or result, a slice of Raw; nil if absent
	Arguments []byte   // raw JSON of params.arguments, a slice of Raw; nil if absent
	Raw       []byte   // the whole message
	TaskID    string   // task that a tasks/… request is about, as the upstream knows it once handles are opened
	Suffix    string   // A2A over HTTP+JSON: path and query behind the route's, as they are sent on; else ""
	Request   []byte   // what a result or error answers, as the caller sent it; nil if that is not known
	ErrorCode int      // JSON-RPC error code when Shape is ShapeError
	Notes     []Note   // what inspectors want written in the audit log
}

// Note is what an [Inspector] wants written about a message that it lets pass
// or rewrites. The gateway writes it as an event of the call.
type Note struct {
	Type     EventType
	Severity Severity
	Reason   string
	Details  []slog.Attr // small scalar facts, never content
}

// TargetKind classifies what a message acts on.
type TargetKind uint8

// Target kinds; TargetNone marks protocol methods such as initialize.
const (
	TargetNone TargetKind = iota
	TargetTool
	TargetPrompt
	TargetResource
	TargetSkill
)

var targetNames = [...]string{"", "tool", "prompt", "resource", "skill"}

// String returns the singular name used in audit events: "tool".
func (k TargetKind) String() string {
	if int(k) < len(targetNames) {
		return targetNames[k]
	}
	return "unknown"
}

// Target is the tool, prompt, resource or skill that a message names.
type Target struct {
	Kind TargetKind
	Name string // tool name, prompt name, resource URI or skill id
}

// AnySkill reports whether a message names no skill of its agent, and so may use
// each of them.
func (t Target) AnySkill() bool { return t.Kind == TargetSkill && t.Name == "*" }

// String returns "tool:echo", or "" for the zero Target.
func (t Target) String() string {
	if t.Kind == TargetNone {
		return ""
	}
	return t.Kind.String() + ":" + t.Name
}

// Action is what a principal wants to do: the subject of authorization. What
// is not known when lists are filtered is zero then: a rule that needs it must
// not allow without it.
type Action struct {
	Route     string
	Method    string // JSON-RPC method, or "stream/open", "session/close", "response"
	Target    Target
	Arguments []byte     // raw JSON of the arguments; nil if absent or when a list is filtered
	Client    netip.Addr // the caller's address
	Secure    bool       // arrived over TLS
	Listing   bool       // asked about an entry of a list, not about a call
}

// Call is an admitted call on its way to the upstream.
type Call struct {
	Conn      *Conn
	Principal Principal
	Message   *Message
	Header    []Field // end-to-end headers for the upstream, credentials already gone
	Method    string  // HTTP method; "" = the one that carries a message of its shape
}

// Field is one header field.
type Field struct{ Name, Value string }

// Reply is what an upstream answered. Body is never nil; whoever receives the
// Reply closes it, and closing early cancels the call at the upstream.
type Reply struct {
	Status int
	Header http.Header // end-to-end headers only
	Body   io.ReadCloser
}
