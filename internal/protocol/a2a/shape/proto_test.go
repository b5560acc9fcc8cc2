package shape

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/a2aproject/a2a-go/v2/a2a"
	pb "github.com/a2aproject/a2a-go/v2/a2apb/v1"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// What is refused of version 1.0 although a Protocol Buffers parser takes it.
// RuleNull: one of a one-of, for which other parsers take it. RuleText,
// RuleWord, RuleInteger: what such a parser would convert.
var stricter1 = map[string]bool{
	RuleID: true, RuleURI: true, RuleMedia: true, RuleInteger: true, RuleBase64: true, RuleTime: true,
	RuleForbidden: true, RuleNull: true, RuleWord: true, RuleText: true,
}

// unnamedTask is a notification config that names no task where only the object
// could: a2a.proto does not mark the task as REQUIRED, for one object serves
// several requests.
var unnamedTask = &Failure{Path: "taskId", Rule: RuleMissing}

func newMessage(t *testing.T, name string) proto.Message {
	t.Helper()
	for _, m := range []proto.Message{
		&pb.SendMessageRequest{}, &pb.Task{}, &pb.StreamResponse{}, &pb.SendMessageResponse{},
		&pb.TaskPushNotificationConfig{}, &pb.GetTaskRequest{}, &pb.CancelTaskRequest{}, &pb.ListTasksRequest{},
		&pb.ListTasksResponse{}, &pb.GetTaskPushNotificationConfigRequest{},
		&pb.ListTaskPushNotificationConfigsRequest{}, &pb.ListTaskPushNotificationConfigsResponse{},
	} {
		if string(m.ProtoReflect().Descriptor().Name()) == name {
			return m.ProtoReflect().New().Interface()
		}
	}
	t.Fatalf("no message %s", name)
	return nil
}

// complete reports whether everything that a2a.proto marks as REQUIRED is set.
func complete(m protoreflect.Message) bool {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		behaviour, _ := proto.GetExtension(f.Options(), annotations.E_FieldBehavior).([]annotations.FieldBehavior)
		for _, b := range behaviour {
			if b == annotations.FieldBehavior_REQUIRED && !m.Has(f) && m.Descriptor().Name() != "ListTasksResponse" {
				return false
			}
		}
		if f.Message() == nil || f.IsMap() || !m.Has(f) || f.Message().FullName().Parent() != m.Descriptor().FullName().Parent() {
			continue
		}
		if f.IsList() {
			for j := range m.Get(f).List().Len() {
				if !complete(m.Get(f).List().Get(j).Message()) {
					return false
				}
			}
		} else if !complete(m.Get(f).Message()) {
			return false
		}
	}
	if oneofs := m.Descriptor().Oneofs(); oneofs.Len() > 0 && !oneofs.Get(0).IsSynthetic() {
		return m.WhichOneof(oneofs.Get(0)) != nil
	}
	return true
}

// For 1.0, the verdict is that of a Protocol Buffers parser with the messages
// of the official SDK and what a2a.proto marks as REQUIRED.
func TestVersion1IsItsDefinition(t *testing.T) {
	parser := protojson.UnmarshalOptions{DiscardUnknown: true}
	same, strict := 0, 0
	for _, e := range examples1 {
		for _, m := range mutants(t, e) {
			into := newMessage(t, e.schema)
			err := parser.Unmarshal([]byte(m.text), into)
			theirs := err == nil && complete(into.ProtoReflect())
			ours := Check(e.object, []byte(m.text), nil)
			switch {
			case theirs == (ours == nil):
				same++
			case theirs && (stricter1[ours.Rule] || *ours == *unnamedTask):
				strict++
			default:
				t.Errorf("%s: %s: parser: %v (%v), here: %v", e.schema, m.what, theirs, err, ours)
			}
		}
	}
	if same < 1000 || strict == 0 {
		t.Errorf("%d verdicts are the same, %d stricter: too few to tell", same, strict)
	}
	t.Logf("%d verdicts are the same, %d stricter", same, strict)
}

// What is accepted of version 1.0, the official SDK reads.
func TestTheSDKReadsWhatIsAccepted(t *testing.T) {
	accepted := 0
	for _, e := range examples1 {
		for _, m := range mutants(t, e) {
			if Check(e.object, []byte(m.text), nil) != nil {
				continue
			}
			var into any
			switch e.object {
			case V1SendMessage:
				into = new(a2a.SendMessageRequest)
			case V1Task:
				into = new(a2a.Task)
			case V1StreamResponse:
				into = new(a2a.StreamResponse)
			case V1CreatePush:
				into = new(a2a.PushConfig)
			case V1GetTask:
				into = new(a2a.GetTaskRequest)
			case V1ListTasks:
				into = new(a2a.ListTasksRequest)
			default:
				continue
			}
			accepted++
			// "data: null" is a value of the specification and none of the SDK;
			// of base64 the SDK reads one form of the four.
			differs := strings.HasSuffix(m.what, ".data becomes null") || strings.Contains(m.what, ".raw becomes")
			if err := json.Unmarshal([]byte(m.text), into); err != nil && !differs {
				t.Errorf("%s: %s: %v", e.schema, m.what, err)
			}
		}
	}
	if accepted < 500 {
		t.Errorf("%d accepted: too few to tell", accepted)
	}
}
