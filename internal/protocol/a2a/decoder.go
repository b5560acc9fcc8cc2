package a2a

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/shape"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Config is what a decoder has to know of its route.
type Config struct {
	Path     string // of the route: JSON-RPC comes there, HTTP+JSON below it
	Versions []string
	Limits   jsonrpc.Limits
	Rules    Rules
}

// Decoder gives a request on an A2A route its one reading: version, binding,
// method, JSON, and every object held to its schema and to the rules of the
// route. It is the decode guard "a2a", immutable and safe for concurrent use.
type Decoder struct{ config Config }

var _ portcullis.Decoder = (*Decoder)(nil)

// NewDecoder returns the decoder of a route. No versions are all.
func NewDecoder(c Config) *Decoder {
	if len(c.Versions) == 0 {
		c.Versions = []string{V1, V03}
	}
	return &Decoder{config: c}
}

// Name returns "a2a".
func (*Decoder) Name() string { return "a2a" }

// reader reads JSON-RPC; package shape sees to the members of params.
var reader = jsonrpc.NewReader(nil)

const slots = jsonrpc.FirstSlot

// Decode implements [portcullis.Decoder]. The message has
//
//   - Method: the canonical name, whatever the version calls it;
//   - Version, and for HTTP+JSON Suffix, which is never empty then;
//   - TaskID: the task that the request is about, for messages the one that
//     they continue; Session: the context; Target: the skill that the metadata
//     of the message or of the request name as skillId;
//   - Params and, of what carries a message, Arguments: the message.
//
// With an error it returns a message that holds what is needed to answer: the
// id, if one could be read, version and Suffix. All texts are checked and none
// of them is in the error, a *portcullis.Error.
func (d *Decoder) Decode(_ context.Context, c *portcullis.Conn, _ portcullis.Principal, body []byte) (*portcullis.Message, error) {
	rest, ok := remainder(c.HTTP.URL.EscapedPath(), d.config.Path)
	if !ok {
		return nil, notFound("path is not below that of the route")
	}
	version, err := VersionOf(c.HTTP)
	if err == nil && !slices.Contains(d.config.Versions, version) {
		err = VersionNotSupported(d.config.Versions...)
	}
	if rest != "" {
		return d.decodeHTTP(c.HTTP, rest, version, err, body)
	}
	if c.HTTP.Method != http.MethodPost {
		return nil, &portcullis.Error{
			Kind: portcullis.KindMethodNotAllowed, Reason: "method_not_allowed", Header: http.Header{"Allow": {"POST"}},
			Detail: "JSON-RPC is posted",
		}
	}
	return d.decodeRPC(version, err, body)
}

// decodeRPC reads a JSON-RPC request. What is wrong with its version is told
// once the id is known.
func (d *Decoder) decodeRPC(version string, wrong error, body []byte) (*portcullis.Message, error) {
	var at [slots]jsonrpc.Value
	read, err := reader.Read(body, d.config.Limits, at[:])
	m := &portcullis.Message{ID: read.ID.Raw(body), Version: version}
	if wrong != nil {
		m.Version = V1 // whoever asked for a version knows the errors of 1.0
	}
	if err != nil {
		return m, err
	}
	if read.Shape != portcullis.ShapeRequest {
		return m, refuse(portcullis.CodeInvalidRequest, "neither notifications nor answers come from callers")
	}
	if wrong != nil {
		return m, wrong
	}
	known, ok := methodsOf(version)[read.Method.Text(body)]
	if !ok {
		return m, unknownMethod(version)
	}
	m.Shape, m.Method, m.Raw, m.Params = read.Shape, known.name, body, read.Params.Raw(body)
	switch read.Params.Kind {
	case jsonrpc.Object:
	case jsonrpc.Absent:
		if known.bare {
			return m, nil
		}
		fallthrough
	default:
		return m, refuse(portcullis.CodeInvalidParams, "params is no object")
	}
	return m, d.read(m, known, form{object: known.params}, "")
}

// decodeHTTP reads an HTTP+JSON request.
func (d *Decoder) decodeHTTP(r *http.Request, rest, version string, wrong error, body []byte) (*portcullis.Message, error) {
	m := &portcullis.Message{Version: version, Suffix: "/"}
	if wrong != nil {
		m.Version = V1
		return m, wrong
	}
	op, ok := d.route(r.Method, rest, version)
	if !ok {
		return m, unknownMethod(version)
	}
	if op.method.name == GetExtendedAgentCard {
		op.verb = "/extendedAgentCard"
		if version == V03 {
			op.verb = "/card"
		}
	}
	if err := op.readQuery(r.URL.RawQuery); err != nil {
		return m, err
	}
	m.Shape, m.Method, m.TaskID, m.Suffix = portcullis.ShapeRequest, op.method.name, op.task, op.suffix()
	m.Session = op.query.Get("contextId")
	if op.tenant != "" && !slices.Contains(d.config.Rules.Tenants, op.tenant) {
		return m, unknownMethod(version)
	}
	if d.config.Rules.UUIDContexts && m.Session != "" && !isUUID(m.Session) {
		return m, invalid(&shape.Failure{Path: "contextId", Rule: ruleUUID})
	}
	if len(body) == 0 {
		if r.Method == http.MethodPost && op.verb == "" {
			return m, refuse(portcullis.CodeInvalidRequest, "no body")
		}
		return m, nil
	}
	if r.Method != http.MethodPost {
		return m, refuse(portcullis.CodeInvalidRequest, "body where none belongs")
	}
	if err := jsonrpc.ReadObject(body, d.config.Limits); err != nil {
		return m, err
	}
	m.Raw, m.Params = body, body
	return m, d.read(m, op.method, bodyOf(op.method, body), op.tenant)
}

// read holds params to the schema and the rules, and takes from them what the
// message is about. A task or tenant that the path names is the same in params.
func (d *Decoder) read(m *portcullis.Message, known method, f form, tenant string) error {
	j := judge{rules: &d.config.Rules}
	if failure := f.check(m.Params, &j); failure != nil {
		return invalid(failure)
	}
	switch {
	case j.tenant == "":
	case tenant != "" && j.tenant != tenant:
		return refuse(portcullis.CodeInvalidParams, "two tenants")
	case !slices.Contains(d.config.Rules.Tenants, j.tenant):
		return invalid(&shape.Failure{Path: "tenant", Rule: shape.RuleForbidden})
	}
	if Sends(known.name) {
		return d.readMessage(m, &j, f.snake)
	}
	if known.name == ListTasks {
		m.Session = member(m.Params, "contextId").Text(m.Params)
		return d.checkContext(m.Session, "contextId")
	}
	if known.task == "" {
		return nil
	}
	task := member(m.Params, known.task).Text(m.Params)
	if m.Suffix != "" && task == "" {
		return nil
	}
	if m.Suffix != "" && task != m.TaskID {
		return refuse(portcullis.CodeInvalidParams, "path and body name different tasks")
	}
	m.TaskID = task
	return nil
}

// readMessage takes from a message what it is about.
func (d *Decoder) readMessage(m *portcullis.Message, j *judge, snake bool) error {
	m.Arguments, m.TaskID, m.Session = j.message, j.task, j.context
	if err := d.checkContext(m.Session, "message.contextId"); err != nil {
		return err
	}
	// "ROLE_USER: The message is from the client to the server."
	if j.role != "ROLE_USER" && j.role != "user" {
		return invalid(&shape.Failure{Path: "message.role", Rule: "not the role of a caller"})
	}
	inner, err := readMetadata(j.metadata, "message.metadata", snake)
	if err != nil {
		return err
	}
	outer, err := readMetadata(j.around, "metadata", snake)
	if err != nil {
		return err
	}
	if inner == "" {
		inner = outer
	}
	if outer != "" && outer != inner {
		return invalid(&shape.Failure{Path: "metadata.skillId", Rule: "not that of the message"})
	}
	if inner != "" {
		m.Target = portcullis.Target{Kind: portcullis.TargetSkill, Name: inner}
	}
	return nil
}

const ruleUUID = "no UUID"

func (d *Decoder) checkContext(id, path string) error {
	if id == "" || !d.config.Rules.UUIDContexts || isUUID(id) {
		return nil
	}
	return invalid(&shape.Failure{Path: path, Rule: ruleUUID})
}

// metadataMembers are what callers say beside the protocol (S0-15). The
// spellings with an underscore are refused, as some servers read them as the
// same; in a message that has such names they are the right ones, and the others
// refused.
var metadataMembers = jsonrpc.NewMembers(
	jsonrpc.Member{Name: "skillId"}, jsonrpc.Member{Name: "sessionId"},
	jsonrpc.Member{Name: "skill_id"}, jsonrpc.Member{Name: "session_id"},
)

// readMetadata returns the skill that metadata name, "" if none.
func readMetadata(raw []byte, path string, snake bool) (skill string, err error) {
	right, wrong := [...]string{"skillId", "sessionId"}, [...]string{"skill_id", "session_id"}
	if snake {
		right, wrong = wrong, right
	}
	it := jsonrpc.Walk(raw)
	for it.Next() {
		name := raw[it.Name.Start+1 : it.Name.End-1]
		if it.Name.Escaped {
			name = []byte(it.Name.Text(raw))
		}
		rule := ""
		switch string(name) {
		case right[0]:
			if skill = it.Value.Text(raw); !shape.ValidID(skill) {
				rule = shape.RuleID
			}
		case right[1]:
			if !isUUID(it.Value.Text(raw)) {
				rule = ruleUUID
			}
		case wrong[0], wrong[1]:
			return "", invalid(&shape.Failure{Path: path, Rule: shape.RuleSpelling})
		default:
			if metadataMembers.Variant(name) {
				return "", invalid(&shape.Failure{Path: path, Rule: shape.RuleSpelling})
			}
			continue
		}
		if it.Name.Escaped {
			return "", invalid(&shape.Failure{Path: path, Rule: shape.RuleSpelling})
		}
		if rule != "" {
			return "", invalid(&shape.Failure{Path: path + "." + string(name), Rule: rule})
		}
	}
	return skill, nil
}

// isUUID reports whether a text has the form of a UUID (RFC 9562).
func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		if dash != (s[i] == '-') || !dash && !strings.ContainsRune("0123456789abcdefABCDEF", rune(s[i])) {
			return false
		}
	}
	return true
}
