package a2a

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/shape"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// operation is what method, path and query of an HTTP+JSON request say.
type operation struct {
	method method
	task   string
	config string
	tenant string
	query  url.Values // those of the protocol, the version left out
	prefix string     // "/v1" of version 0.3
	verb   string     // of the path's last segment: "send", "cancel"
}

// reserved reports whether a segment means something in the paths of the
// protocol, and so can neither be a tenant nor an id.
func reserved(segment string) bool {
	switch segment {
	case "tasks", "message:send", "message:stream", "extendedAgentCard", "card", "v1", "pushNotificationConfigs", ".", "..":
		return true
	}
	return strings.HasSuffix(segment, ":cancel") || strings.HasSuffix(segment, ":subscribe")
}

// segments splits a path and decodes what stands between its slashes. A path
// that a server could read in another way has none.
func segments(rest string) []string {
	parts := strings.Split(strings.TrimPrefix(rest, "/"), "/")
	if len(parts) > 6 {
		return nil
	}
	for i, part := range parts {
		text, err := url.PathUnescape(part)
		if err != nil || !shape.ValidID(text) || strings.ContainsAny(text, "/\\%?#") || text == "." || text == ".." {
			return nil
		}
		if strings.Contains(strings.ToLower(part), "%3a") && reserved(text) {
			return nil // a verb that is spelled in a way that only some take for one
		}
		parts[i] = text
	}
	return parts
}

// route finds the operation of a request from the path behind the route's.
func (d *Decoder) route(httpMethod, rest, version string) (operation, bool) {
	var op operation
	parts := segments(rest)
	if len(parts) > 0 && version == V03 && parts[0] == "v1" {
		op.prefix, parts = "/v1", parts[1:]
	}
	if len(parts) > 1 && !reserved(parts[0]) {
		op.tenant, parts = parts[0], parts[1:]
	}
	name, ok := op.name(httpMethod, parts, version)
	if !ok {
		return op, false
	}
	op.method, ok = lookup(version, name)
	return op, ok
}

// name finds the method and takes the ids from the segments of a path.
func (op *operation) name(httpMethod string, parts []string, version string) (string, bool) {
	get, post := httpMethod == http.MethodGet, httpMethod == http.MethodPost
	switch {
	case len(parts) == 1:
		switch {
		case parts[0] == "message:send" && post:
			return SendMessage, true
		case parts[0] == "message:stream" && post:
			return SendStreamingMessage, true
		case parts[0] == "tasks" && get:
			return ListTasks, true
		case get && (parts[0] == "extendedAgentCard" && version == V1 || parts[0] == "card" && version == V03):
			return GetExtendedAgentCard, true
		}
		return "", false
	case len(parts) == 0 || parts[0] != "tasks":
		return "", false
	}
	op.task = parts[1]
	if len(parts) == 2 {
		if task, ok := strings.CutSuffix(op.task, ":cancel"); ok && post {
			op.task, op.verb = task, ":cancel"
			return CancelTask, !reserved(task)
		}
		if task, ok := strings.CutSuffix(op.task, ":subscribe"); ok && (post || get) {
			op.task, op.verb = task, ":subscribe"
			return SubscribeToTask, !reserved(task)
		}
		return GetTask, get && !reserved(op.task)
	}
	if parts[2] != "pushNotificationConfigs" || reserved(op.task) || len(parts) > 4 {
		return "", false
	}
	if len(parts) == 3 {
		if post {
			return CreatePushConfig, true
		}
		return ListPushConfigs, get
	}
	if op.config = parts[3]; reserved(op.config) {
		return "", false
	}
	if httpMethod == http.MethodDelete {
		return DeletePushConfig, true
	}
	return GetPushConfig, get
}

// suffix writes path and query in one way.
func (op *operation) suffix() string {
	var b strings.Builder
	b.WriteString(op.prefix)
	if op.tenant != "" {
		b.WriteString("/" + url.PathEscape(op.tenant))
	}
	switch op.method.name {
	case SendMessage:
		b.WriteString("/message:send")
	case SendStreamingMessage:
		b.WriteString("/message:stream")
	case GetExtendedAgentCard:
		if op.prefix != "" {
			b.WriteString("/card")
		} else {
			b.WriteString(op.verb)
		}
	default:
		b.WriteString("/tasks")
		if op.task != "" {
			b.WriteString("/" + url.PathEscape(op.task) + op.verb)
		}
	}
	switch op.method.name {
	case CreatePushConfig, ListPushConfigs:
		b.WriteString("/pushNotificationConfigs")
	case GetPushConfig, DeletePushConfig:
		b.WriteString("/pushNotificationConfigs/" + url.PathEscape(op.config))
	}
	if len(op.query) > 0 {
		b.WriteString("?" + op.query.Encode())
	}
	return b.String()
}

// parameters are the query parameters that a method has, besides the version.
func parameters(name string) []string {
	switch name {
	case GetTask:
		return []string{"historyLength", "tenant"}
	case ListTasks:
		return []string{"contextId", "status", "pageSize", "pageToken", "historyLength", "statusTimestampAfter", "includeArtifacts", "tenant"}
	case ListPushConfigs:
		return []string{"pageSize", "pageToken", "tenant"}
	case SendMessage, SendStreamingMessage, CreatePushConfig:
		return nil
	}
	return []string{"tenant"}
}

// readQuery holds the query of a request to the parameters of its method: each
// at most once, none that nobody defines, and each of its type.
func (op *operation) readQuery(raw string) error {
	if raw == "" {
		return nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return refuse(portcullis.CodeInvalidParams, "malformed query")
	}
	delete(values, queryVersion) // read before
	allowed := parameters(op.method.name)
	for name, list := range values {
		known := false
		for _, a := range allowed {
			known = known || a == name
		}
		if !known || len(list) != 1 {
			return refuse(portcullis.CodeInvalidParams, "query parameter that the method does not have or has once")
		}
	}
	if op.query = values; len(values) == 0 {
		return nil
	}
	if failure := shape.Check(queryShape(op.method.name), queryJSON(values, op), nil); failure != nil {
		return invalid(failure)
	}
	if tenant := values.Get("tenant"); tenant != "" {
		if op.tenant != "" && op.tenant != tenant {
			return refuse(portcullis.CodeInvalidParams, "two tenants")
		}
		op.tenant = tenant
		delete(values, "tenant")
	}
	return nil
}

func queryShape(name string) shape.Object {
	switch name {
	case ListTasks:
		return shape.V1ListTasks
	case ListPushConfigs:
		return shape.V1ListPush
	case GetTask:
		return shape.V1GetTask
	}
	return shape.V1CancelHTTP
}

// queryJSON writes query parameters as the object that they stand for.
func queryJSON(values url.Values, op *operation) []byte {
	out := []byte{'{'}
	for name, list := range values {
		out = append(jsonrpc.AppendText(out, name), ':')
		_, err := strconv.ParseInt(list[0], 10, 32)
		switch text := list[0]; {
		case err == nil && strings.HasSuffix(name, "Size"), err == nil && name == "historyLength", text == "true", text == "false":
			out = append(append(out, text...), ',')
		default:
			out = append(jsonrpc.AppendText(out, text), ',')
		}
	}
	id := "id"
	if op.method.name == ListPushConfigs {
		id = "taskId"
	}
	if op.task == "" {
		id = "unnamed" // nobody's, and so passed over
	}
	return append(jsonrpc.AppendText(append(jsonrpc.AppendText(out, id), ':'), op.task), '}')
}
