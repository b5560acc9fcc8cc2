package protobuf

import (
	"strings"

	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
)

// Service is the service of a2a.proto, as paths of requests name it.
const Service = "lf.a2a.v1.A2AService"

// method is one method of the service.
type method struct {
	request, reply func() proto.Message
}

// methods are those of the service, which has the names of version 1.0.
func methods(name string) (method, bool) {
	task := func() proto.Message { return new(pb.Task) }
	event := func() proto.Message { return new(pb.StreamResponse) }
	config := func() proto.Message { return new(pb.TaskPushNotificationConfig) }
	send := func() proto.Message { return new(pb.SendMessageRequest) }
	switch name {
	case a2a.SendMessage:
		return method{send, func() proto.Message { return new(pb.SendMessageResponse) }}, true
	case a2a.SendStreamingMessage:
		return method{send, event}, true
	case a2a.GetTask:
		return method{func() proto.Message { return new(pb.GetTaskRequest) }, task}, true
	case a2a.ListTasks:
		return method{func() proto.Message { return new(pb.ListTasksRequest) }, func() proto.Message { return new(pb.ListTasksResponse) }}, true
	case a2a.CancelTask:
		return method{func() proto.Message { return new(pb.CancelTaskRequest) }, task}, true
	case a2a.SubscribeToTask:
		return method{func() proto.Message { return new(pb.SubscribeToTaskRequest) }, event}, true
	case a2a.CreatePushConfig:
		return method{config, config}, true
	case a2a.GetPushConfig:
		return method{func() proto.Message { return new(pb.GetTaskPushNotificationConfigRequest) }, config}, true
	case a2a.ListPushConfigs:
		return method{func() proto.Message { return new(pb.ListTaskPushNotificationConfigsRequest) }, func() proto.Message { return new(pb.ListTaskPushNotificationConfigsResponse) }}, true
	case a2a.DeletePushConfig:
		return method{func() proto.Message { return new(pb.DeleteTaskPushNotificationConfigRequest) }, func() proto.Message { return new(emptypb.Empty) }}, true
	case a2a.GetExtendedAgentCard:
		return method{func() proto.Message { return new(pb.GetExtendedAgentCardRequest) }, func() proto.Message { return new(pb.AgentCard) }}, true
	}
	return method{}, false
}

// MethodOf returns the method that the path of a request names, "" if it is
// none of the service.
func MethodOf(path string) string {
	name, ok := strings.CutPrefix(path, "/"+Service+"/")
	if _, known := methods(name); !ok || !known {
		return ""
	}
	return name
}

func descriptor(m proto.Message) protoreflect.MessageDescriptor { return m.ProtoReflect().Descriptor() }
