package guard

import (
	"errors"

	"github.com/portcullis-dev/portcullis/a2astream"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/shape"
)

// checkEvent holds a stream event to the schema of its version, and to the
// version that is spoken.
func checkEvent(version string, data []byte) (path, rule string, ok bool) {
	e, err := a2astream.ParseStreamEvent(data)
	var invalid *a2astream.ValidationError
	switch {
	case errors.As(err, &invalid):
		return invalid.Path, invalid.Rule, false
	case err != nil:
		return "", "unreadable", false
	case e.ID != nil || e.Kind == a2astream.KindError: // both were looked at before
		return "", "an answer where an event belongs", false
	case e.Version != version:
		return "", "an event of another version of the protocol", false
	}
	return "", "", true
}

// results are the shapes of what methods return over JSON-RPC. The others are
// read into types whose members are all checked by who asked.
var results = map[string]shape.Object{
	"SendMessage": shape.V1SendResponse, "GetTask": shape.V1Task, "CancelTask": shape.V1Task, "ListTasks": shape.V1ListTasksResponse,
	"message/send": shape.V03SendResult, "tasks/get": shape.V03Task, "tasks/cancel": shape.V03Task,
}

// checkResult holds a result to the schema of its method.
func checkResult(method string, result []byte) error {
	o, ok := results[method]
	if !ok {
		return nil
	}
	if f := shape.Check(o, result, nil); f != nil {
		return Faultf(ErrReply, "%s", placed(f.Path, f.Rule))
	}
	return nil
}

// placed says a rule with the place where it is broken.
func placed(path, rule string) string {
	if path == "" {
		return rule
	}
	return Words(path) + ": " + rule
}
