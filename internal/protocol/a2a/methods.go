package a2a

import (
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/shape"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// The versions of the protocol, as A2A-Version names them.
const (
	V1  = "1.0"
	V03 = "0.3"
)

// The methods, as version 1.0 names them in both bindings.
const (
	SendMessage          = "SendMessage"
	SendStreamingMessage = "SendStreamingMessage"
	GetTask              = "GetTask"
	ListTasks            = "ListTasks"
	CancelTask           = "CancelTask"
	SubscribeToTask      = "SubscribeToTask"
	CreatePushConfig     = "CreateTaskPushNotificationConfig"
	GetPushConfig        = "GetTaskPushNotificationConfig"
	ListPushConfigs      = "ListTaskPushNotificationConfigs"
	DeletePushConfig     = "DeleteTaskPushNotificationConfig"
	GetExtendedAgentCard = "GetExtendedAgentCard"
)

// Methods returns all methods, for those who write rules for them.
func Methods() []string {
	return []string{
		SendMessage, SendStreamingMessage, GetTask, ListTasks, CancelTask, SubscribeToTask,
		CreatePushConfig, GetPushConfig, ListPushConfigs, DeletePushConfig, GetExtendedAgentCard,
	}
}

// Streams reports whether the answer to a method is a stream of events.
func Streams(method string) bool {
	return method == SendStreamingMessage || method == SubscribeToTask
}

// Sends reports whether a method carries a message to the agent.
func Sends(method string) bool {
	return method == SendMessage || method == SendStreamingMessage
}

// method is what is known of one method in one version.
type method struct {
	name   string       // canonical
	params shape.Object // of its JSON-RPC request
	body   shape.Object // of its HTTP+JSON request; same as params unless the path says a part of it
	task   string       // the member of params that names the task
	bare   bool         // params may be absent
	result result
}

// result is what a method answers with.
type result uint8

const (
	resultSend result = iota
	resultStream
	resultTask
	resultTasks
	resultPush
	resultPushes
	resultNothing
	resultCard
)

// methods1 are the methods of version 1.0.
var methods1 = map[string]method{
	SendMessage:          {name: SendMessage, params: shape.V1SendMessage, body: shape.V1SendMessage, result: resultSend},
	SendStreamingMessage: {name: SendStreamingMessage, params: shape.V1SendMessage, body: shape.V1SendMessage, result: resultStream},
	GetTask:              {name: GetTask, params: shape.V1GetTask, task: "id", result: resultTask},
	ListTasks:            {name: ListTasks, params: shape.V1ListTasks, bare: true, result: resultTasks},
	CancelTask:           {name: CancelTask, params: shape.V1TaskRequest, body: shape.V1CancelHTTP, task: "id", result: resultTask},
	SubscribeToTask:      {name: SubscribeToTask, params: shape.V1TaskRequest, body: shape.V1CancelHTTP, task: "id", result: resultStream},
	CreatePushConfig:     {name: CreatePushConfig, params: shape.V1CreatePush, body: shape.V1CreatePushHTTP, task: "taskId", result: resultPush},
	GetPushConfig:        {name: GetPushConfig, params: shape.V1PushRequest, task: "taskId", result: resultPush},
	ListPushConfigs:      {name: ListPushConfigs, params: shape.V1ListPush, task: "taskId", result: resultPushes},
	DeletePushConfig:     {name: DeletePushConfig, params: shape.V1PushRequest, task: "taskId", result: resultNothing},
	GetExtendedAgentCard: {name: GetExtendedAgentCard, params: shape.V1Card, bare: true, result: resultCard},
}

// methods03 are the methods of version 0.3, under the names that its JSON-RPC
// has for them. It lists tasks over HTTP only.
var methods03 = map[string]method{
	"message/send":                        {name: SendMessage, params: shape.V03SendMessage, body: shape.V03SendMessage, result: resultSend},
	"message/stream":                      {name: SendStreamingMessage, params: shape.V03SendMessage, body: shape.V03SendMessage, result: resultStream},
	"tasks/get":                           {name: GetTask, params: shape.V03TaskQuery, task: "id", result: resultTask},
	"tasks/cancel":                        {name: CancelTask, params: shape.V03TaskID, body: shape.V1CancelHTTP, task: "id", result: resultTask},
	"tasks/resubscribe":                   {name: SubscribeToTask, params: shape.V03TaskID, body: shape.V1CancelHTTP, task: "id", result: resultStream},
	"tasks/pushNotificationConfig/set":    {name: CreatePushConfig, params: shape.V03PushConfig, body: shape.V03PushConfig, task: "taskId", result: resultPush},
	"tasks/pushNotificationConfig/get":    {name: GetPushConfig, params: shape.V03PushQuery, task: "id", result: resultPush},
	"tasks/pushNotificationConfig/list":   {name: ListPushConfigs, params: shape.V03TaskID, task: "id", result: resultPushes},
	"tasks/pushNotificationConfig/delete": {name: DeletePushConfig, params: shape.V03PushDelete, task: "id", result: resultNothing},
	"agent/getAuthenticatedExtendedCard":  {name: GetExtendedAgentCard, params: shape.V1Card, bare: true, result: resultCard},
}

// names03 finds the entry of methods03 by canonical name.
var names03 = oldNames()

func oldNames() map[string]string {
	names := make(map[string]string, len(methods03))
	for old, m := range methods03 {
		names[m.name] = old
	}
	return names
}

// lookup finds a method by its canonical name.
func lookup(version, canonical string) (method, bool) {
	if version != V03 {
		m, ok := methods1[canonical]
		return m, ok
	}
	if canonical == ListTasks {
		return method{name: ListTasks, params: shape.V1ListTasks, bare: true, result: resultTasks}, true
	}
	m, ok := methods03[names03[canonical]]
	return m, ok
}

// methodsOf returns the methods of a version by the names of its JSON-RPC.
func methodsOf(version string) map[string]method {
	if version == V03 {
		return methods03
	}
	return methods1
}

// form is a schema and how the names of members are spelled.
type form struct {
	object shape.Object
	snake  bool
}

func (f form) check(raw []byte, see shape.Visitor) *shape.Failure {
	if f.snake {
		return shape.CheckSnake(f.object, raw, see)
	}
	return shape.Check(f.object, raw, see)
}

// bodyOf returns the form of the body of an HTTP+JSON request. In version 0.3
// a message has the form of its Protocol Buffers if it has content, which has
// no place in the other form, and that of the JSON Schema if it has parts. If
// its id is called message_id, all its members are spelled like that, as the Go
// SDK does.
func bodyOf(m method, raw []byte) form {
	f := form{object: m.body}
	if m.body != shape.V03SendMessage {
		return f
	}
	if message := member(raw, "message"); message.Kind == jsonrpc.Object {
		inner := message.Raw(raw)
		f.snake = member(inner, "message_id").Kind != jsonrpc.Absent
		if member(inner, "content").Kind != jsonrpc.Absent {
			f.object = shape.P03SendMessage
		}
	}
	return f
}

// underscored reports whether an answer of version 0.3 over HTTP+JSON spells its
// members with underscores. One that spells only some like that is refused.
func underscored(raw []byte) bool {
	for it := jsonrpc.Walk(raw); it.Next(); {
		if list := it.Value.Raw(raw); it.Value.Kind == jsonrpc.Array && it.Name.Is(raw, "tasks") {
			for task := jsonrpc.Walk(list); task.Next(); {
				return task.Value.Kind == jsonrpc.Object && underscored(task.Value.Raw(list))
			}
		}
		for _, name := range [...]string{"message_id", "context_id", "task_id", "next_page_token", "page_size", "total_size"} {
			if it.Name.Is(raw, name) {
				return true
			}
		}
	}
	return false
}

// spelled returns a member of an object that was checked, in the one spelling
// that the object has: the usual one or, in version 0.3, the one in snake.
func spelled(raw []byte, name, snake string) jsonrpc.Value {
	v := member(raw, name)
	if v.Kind == jsonrpc.Absent {
		v = member(raw, snake)
	}
	return v
}
