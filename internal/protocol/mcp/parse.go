package mcp

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Keys of _meta that the specification reserves.
const (
	MetaProtocolVersion    = "io.modelcontextprotocol/protocolVersion"
	MetaClientInfo         = "io.modelcontextprotocol/clientInfo"
	MetaClientCapabilities = "io.modelcontextprotocol/clientCapabilities"
	MetaLogLevel           = "io.modelcontextprotocol/logLevel"
	MetaSubscriptionID     = "io.modelcontextprotocol/subscriptionId"
	MetaServerInfo         = "io.modelcontextprotocol/serverInfo"
	MetaRelatedTask        = "io.modelcontextprotocol/related-task"
)

// Bounds on what names something. The specification advises at most 128
// characters for a tool; URIs are bounded like a request line.
const (
	maxName = 256  // bytes of the name of a tool or prompt
	maxTask = 1024 // bytes of the id of a task
	maxURI  = 8192 // bytes of a resource's URI
)

// The slots of the members that Parse looks at. Other members of the protocol
// share slotOther: only their spelling matters.
const (
	slotOther = jsonrpc.FirstSlot + iota
	slotName
	slotURI
	slotArguments
	slotRef
	slotRefType
	slotRefName
	slotRefURI
	slotTaskID
	slotProtocol
	slotNotifications
	slotMeta
	slotMetaVersion
	slotMetaProgress
	slots
)

// Every member that a revision defines for the params of any method.
var reader = jsonrpc.NewReader(jsonrpc.NewMembers(append([]jsonrpc.Member{
	{Name: "name", Slot: slotName},
	{Name: "uri", Slot: slotURI},
	{Name: "arguments", Slot: slotArguments},
	{Name: "taskId", Slot: slotTaskID},
	{Name: "protocolVersion", Slot: slotProtocol},
	{Name: "notifications", Slot: slotNotifications},
	{Name: "ref", Slot: slotRef, Inside: jsonrpc.NewMembers(
		jsonrpc.Member{Name: "type", Slot: slotRefType},
		jsonrpc.Member{Name: "name", Slot: slotRefName},
		jsonrpc.Member{Name: "uri", Slot: slotRefURI},
	)},
	{Name: "_meta", Slot: slotMeta, Inside: jsonrpc.NewMembers(append([]jsonrpc.Member{
		{Name: MetaProtocolVersion, Slot: slotMetaVersion},
		{Name: "progressToken", Slot: slotMetaProgress},
	}, spelled(MetaClientInfo, MetaClientCapabilities, MetaLogLevel, MetaSubscriptionID, MetaServerInfo,
		MetaRelatedTask)...)...)},
}, spelled("argument", "capabilities", "clientInfo", "context", "cursor", "data", "elicitationId",
	"includeContext", "inputResponses", "level", "logger", "maxTokens", "message", "messages", "metadata",
	"mode", "modelPreferences", "progress", "progressToken", "reason", "requestId", "requestState",
	"requestedSchema", "stopSequences", "systemPrompt", "task", "temperature", "toolChoice", "tools",
	"total", "url")...)...))

func spelled(names ...string) []jsonrpc.Member {
	members := make([]jsonrpc.Member, len(names))
	for i, name := range names {
		members[i] = jsonrpc.Member{Name: name, Slot: slotOther}
	}
	return members
}

// Parsed is a message and what else a gateway wants to know of it. Slices are
// slices of the message's bytes; strings are copies.
type Parsed struct {
	portcullis.Message

	// ProgressToken is the raw JSON of params._meta.progressToken, nil if absent.
	ProgressToken []byte
	// MetaVersion is the revision that a modern request names in its _meta.
	MetaVersion string
	// InitVersion is the revision that an initialize request asks for.
	InitVersion string
	// ErrorData is the raw JSON of error.data, nil if absent.
	ErrorData []byte

	known        *method
	mirrored     string // what Mcp-Name mirrors if the method is unknown
	errorText    string
	listenFilter []byte // params.notifications of subscriptions/listen
}

// Parse reads the message that body is. The result keeps slices of body.
//
// The error is a *portcullis.Error. It is that of [jsonrpc.Reader.Read], or
// KindMalformed with code -32600 for a request method without an id and a
// notification with one, or with code -32602 for params that are no object or
// do not name what the method acts on. With an error, the result is nil or
// holds nothing but Direction and, if it could be read, the ID that the answer
// is for. A fault of an upstream (dir ToClient) is reported alike: who answers
// a caller for it decides what the caller is told.
func Parse(body []byte, lim jsonrpc.Limits, dir portcullis.Direction) (*Parsed, error) {
	p := new(Parsed)
	if err := ParseInto(p, body, lim, dir); err != nil {
		if p.ID == nil {
			return nil, err
		}
		return &Parsed{Message: portcullis.Message{Direction: dir, ID: p.ID}}, err
	}
	return p, nil
}

// ParseInto is [Parse] for callers that have a place for the result. After an
// error only p.ID tells anything.
func ParseInto(p *Parsed, body []byte, lim jsonrpc.Limits, dir portcullis.Direction) error {
	var at [slots]jsonrpc.Value
	m, err := reader.Read(body, lim, at[:])
	*p = Parsed{Message: portcullis.Message{Direction: dir, ID: m.ID.Raw(body)}}
	if err != nil {
		return err
	}
	p.Shape, p.Raw, p.ErrorCode = m.Shape, body, m.ErrorCode
	switch m.Shape {
	case portcullis.ShapeResult:
		p.Params = m.Result.Raw(body)
		return nil
	case portcullis.ShapeError:
		p.Params, p.ErrorData, p.errorText = m.Error.Raw(body), m.ErrorData.Raw(body), m.ErrorText.Text(body)
		return nil
	}
	if p.known = lookup(body, m.Method); p.known != nil {
		p.Method = p.known.name
	} else {
		p.Method = m.Method.Text(body)
	}
	if p.known != nil && notification(p.Method) != (m.Shape == portcullis.ShapeNotification) {
		return refuse(portcullis.CodeInvalidRequest, "id does not fit the method")
	}
	p.Params = m.Params.Raw(body)
	return p.readParams(body, m.Params.Kind, &at)
}

// lookup finds a known method without copying its name.
func lookup(body []byte, v jsonrpc.Value) *method {
	if v.Escaped {
		return methods[v.Text(body)]
	}
	return methods[string(body[v.Start+1:v.End-1])]
}

func refuse(code int, detail string) *portcullis.Error {
	return &portcullis.Error{
		Kind:   portcullis.KindMalformed,
		Code:   code,
		Reason: "input_rejected",
		Event:  portcullis.EventInputRejected,
		Detail: detail,
	}
}

// readParams fills in what the members of params say.
func (p *Parsed) readParams(body []byte, kind jsonrpc.Kind, at *[slots]jsonrpc.Value) error {
	if kind == jsonrpc.Array {
		return refuse(portcullis.CodeInvalidParams, "params is no object")
	}
	if k := at[slotMeta].Kind; k != jsonrpc.Absent && k != jsonrpc.Object {
		return refuse(portcullis.CodeInvalidParams, "params._meta is no object")
	}
	p.Arguments = at[slotArguments].Raw(body)
	p.ProgressToken = at[slotMetaProgress].Raw(body)
	var err error
	if v := at[slotMetaVersion]; v.Kind != jsonrpc.Absent {
		if p.MetaVersion, err = versionText(body, v, "params._meta protocolVersion"); err != nil {
			return err
		}
	}
	if p.Direction == portcullis.ToServer && p.MetaVersion != "" && !Known(p.MetaVersion, p.Method) {
		p.known = nil // what the revision took away has no params to check: its caller learns that it is gone
	}
	if p.known == nil {
		if p.mirrored = at[slotName].Text(body); p.mirrored == "" {
			p.mirrored = at[slotURI].Text(body)
		}
		return nil
	}
	switch p.Method {
	case "initialize":
		if p.InitVersion, err = versionText(body, at[slotProtocol], "params.protocolVersion"); err != nil {
			return err
		}
	case "subscriptions/listen":
		p.listenFilter = at[slotNotifications].Raw(body)
	}
	if p.known.target != portcullis.TargetNone && p.Arguments != nil && at[slotArguments].Kind != jsonrpc.Object {
		return refuse(portcullis.CodeInvalidParams, "params.arguments is no object")
	}
	return p.readTarget(body, at)
}

// readTarget finds what the method acts on.
func (p *Parsed) readTarget(body []byte, at *[slots]jsonrpc.Value) error {
	var err error
	p.Target.Kind = p.known.target
	switch p.known.source {
	case fromName:
		p.Target.Name, err = nameText(body, at[slotName], "params.name", maxName)
	case fromURI:
		p.Target.Name, err = nameText(body, at[slotURI], "params.uri", maxURI)
	case fromTask:
		p.TaskID, err = nameText(body, at[slotTaskID], "params.taskId", maxTask)
	case fromRef:
		name, uri := at[slotRefName], at[slotRefURI]
		switch {
		case at[slotRefType].Is(body, "ref/prompt") && uri.Kind == jsonrpc.Absent:
			p.Target.Kind = portcullis.TargetPrompt
			p.Target.Name, err = nameText(body, name, "params.ref.name", maxName)
		case at[slotRefType].Is(body, "ref/resource") && name.Kind == jsonrpc.Absent:
			p.Target.Kind = portcullis.TargetResource
			p.Target.Name, err = nameText(body, uri, "params.ref.uri", maxURI)
		default:
			err = refuse(portcullis.CodeInvalidParams, "params.ref is neither of prompt and resource")
		}
	case fromNothing:
	}
	return err
}

// nameText returns what a name says. A name is what rules are written for, so
// it holds nothing that a reader of the rule or the log would not see.
func nameText(body []byte, v jsonrpc.Value, member string, longest int) (string, error) {
	if v.Kind != jsonrpc.String {
		return "", refuse(portcullis.CodeInvalidParams, member+" is missing or no string")
	}
	name := v.Text(body)
	if name == "" || len(name) > longest {
		return "", refuse(portcullis.CodeInvalidParams, fmt.Sprintf("%s is empty or longer than %d bytes", member, longest))
	}
	for i := 0; i < len(name); i++ {
		if c := name[i]; c < ' ' || c >= 0x7f {
			if invisible(name[i:]) {
				return "", refuse(portcullis.CodeInvalidParams, member+" holds an invisible character")
			}
			break
		}
	}
	return name, nil
}

func invisible(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
			unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) {
			return true
		}
	}
	return false
}

// versionText returns the revision that a member names, known or not.
func versionText(body []byte, v jsonrpc.Value, member string) (string, error) {
	if v.Kind == jsonrpc.String && !v.Escaped {
		if _, name := revision(string(body[v.Start+1 : v.End-1])); name != "" {
			return name, nil
		}
	}
	return nameText(body, v, member, 64)
}

// ResourceSubscriptions returns the resources that a subscriptions/listen
// request wants to hear of: each needs the permission to read it. The error
// is a *portcullis.Error with code -32602.
func (p *Parsed) ResourceSubscriptions() ([]string, error) {
	var uris []string
	filter := jsonrpc.Walk(p.listenFilter)
	for filter.Next() {
		if !filter.Name.Is(p.listenFilter, "resourceSubscriptions") {
			if listenMembers.Variant([]byte(filter.Name.Text(p.listenFilter))) {
				return nil, refuse(portcullis.CodeInvalidParams, "other spelling of resourceSubscriptions")
			}
			continue
		}
		list := filter.Value.Raw(p.listenFilter)
		if filter.Value.Kind != jsonrpc.Array {
			return nil, refuse(portcullis.CodeInvalidParams, "resourceSubscriptions is no array")
		}
		for it := jsonrpc.Walk(list); it.Next(); {
			uri, err := nameText(list, it.Value, "resourceSubscriptions", maxURI)
			if err != nil {
				return nil, err
			}
			uris = append(uris, uri)
		}
	}
	return uris, nil
}

var listenMembers = jsonrpc.NewMembers(jsonrpc.Member{Name: "resourceSubscriptions"})
