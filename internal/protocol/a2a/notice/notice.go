// Package notice reads and rewrites the notification configs in messages of
// A2A: where callers want to be told of their tasks, in all the forms that the
// versions and bindings of the protocol have for it. It is pure.
package notice

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Config says where the notifications about a task go, whatever version it
// was read from.
type Config struct {
	ID          string
	TaskID      string // "" in a message: the task that it makes or continues
	URL         string
	Token       string   // of the receiver, which it gets back with each notification
	Schemes     []string // of authentication; version 1.0 has one
	Credentials string

	tenant string
}

// pushForm is how a version writes a config.
type pushForm uint8

const (
	formFlat    pushForm = iota // 1.0: task and config are one object
	formWrapped                 // 0.3: the config is a member of an object that names the task
	formInner                   // 0.3: the config in a message
)

// Edit returns the raw text of a message with each notification config in
// it as edit returns it, and whether there was one. Of a list, those are left
// out for which edit returns false; in other messages that is an error. The
// message is one that [a2a.Decoder] or [a2a.ReadReply] accepted. A config is written
// anew, with the members that the protocol defines and no others.
func Edit(m *portcullis.Message, edit func(Config) (Config, bool, error)) (raw []byte, found bool, err error) {
	at, form, list, ok := findPush(m)
	if !ok {
		return m.Raw, false, nil
	}
	one := func(raw []byte) ([]byte, bool, error) {
		c, err := readPush(raw, form)
		if err != nil {
			return nil, false, err
		}
		c, keep, err := edit(c)
		if err != nil || !keep {
			return nil, false, err
		}
		text, err := c.write(form)
		return text, true, err
	}
	var text []byte
	switch object := m.Raw[at.start:at.end]; {
	case list:
		text = []byte{'['}
		for it := jsonrpc.Walk(object); it.Next(); {
			element, keep, err := one(it.Value.Raw(object))
			if err != nil {
				return nil, true, err
			}
			if !keep {
				continue
			}
			if len(text) > 1 {
				text = append(text, ',')
			}
			text = append(text, element...)
		}
		text = append(text, ']')
	default:
		var keep bool
		if text, keep, err = one(object); err != nil {
			return nil, true, err
		}
		if !keep {
			return nil, true, &portcullis.Error{
				Kind: portcullis.KindUpstream, Code: a2a.CodeInvalidAgentResponse, Reason: "upstream_invalid", Detail: "a notification config of nobody",
			}
		}
	}
	return jsonrpc.Splice(m.Raw, []jsonrpc.Edit{{Start: at.start, End: at.end, Text: text}}), true, nil
}

// span is where a value stands in the raw text of a message.
type span struct{ start, end int32 }

// inside returns where a member of the object at a span stands.
func (s span) inside(raw []byte, name string) (span, jsonrpc.Kind) {
	v := member(raw[s.start:s.end], name)
	return span{s.start + v.Start, s.start + v.End}, v.Kind
}

// findPush returns where the config of a message stands, or the list of them.
func findPush(m *portcullis.Message) (at span, form pushForm, list, ok bool) {
	at = span{0, int32(len(m.Raw))} //nolint:gosec // a message is far below 2 GiB
	kind := jsonrpc.Object
	if a2a.BindingOf(m) == a2a.JSONRPC {
		name := "params"
		if m.Shape == portcullis.ShapeResult {
			name = "result"
		}
		at, kind = at.inside(m.Raw, name)
	}
	old := m.Version == a2a.V03
	switch {
	case len(m.Raw) == 0 || m.Shape != portcullis.ShapeRequest && m.Shape != portcullis.ShapeResult:
		return at, 0, false, false
	case m.Shape == portcullis.ShapeRequest && a2a.Sends(m.Method):
		return findInMessage(m.Raw, at, kind, old)
	case m.Method == a2a.CreatePushConfig, m.Method == a2a.GetPushConfig && m.Shape == portcullis.ShapeResult:
		if old {
			form = formWrapped
		}
		return at, form, false, kind == jsonrpc.Object
	case m.Method == a2a.ListPushConfigs && m.Shape == portcullis.ShapeResult:
		if old {
			return at, formWrapped, true, kind == jsonrpc.Array || bytes.HasPrefix(bytes.TrimSpace(m.Raw), []byte("["))
		}
		at, kind = at.inside(m.Raw, "configs")
		return at, formFlat, true, kind == jsonrpc.Array
	}
	return at, 0, false, false
}

// findInMessage returns where the config of a request that carries a message
// stands.
func findInMessage(raw []byte, at span, kind jsonrpc.Kind, old bool) (span, pushForm, bool, bool) {
	if kind != jsonrpc.Object {
		return at, 0, false, false
	}
	if at, kind = at.inside(raw, "configuration"); kind != jsonrpc.Object {
		return at, 0, false, false
	}
	names, form := []string{"taskPushNotificationConfig"}, formFlat
	if old {
		names, form = []string{"pushNotificationConfig", "pushNotification", "push_notification_config", "push_notification"}, formInner // the members of a config have one spelling
	}
	for _, name := range names {
		if inner, kind := at.inside(raw, name); kind == jsonrpc.Object {
			return inner, form, false, true
		}
	}
	return at, 0, false, false
}

// wirePush is a config with the members of both versions.
type wirePush struct {
	Tenant string    `json:"tenant,omitempty"`
	ID     string    `json:"id,omitempty"`
	TaskID string    `json:"taskId,omitempty"`
	URL    string    `json:"url"`
	Token  string    `json:"token,omitempty"`
	Auth   *wireAuth `json:"authentication,omitempty"`
}

type wireAuth struct {
	Scheme      string   `json:"scheme,omitempty"`
	Schemes     []string `json:"schemes,omitempty"`
	Credentials string   `json:"credentials,omitempty"`
}

// wrappedPush is a config of version 0.3 with its task.
type wrappedPush struct {
	TaskID string   `json:"taskId"`
	Config wirePush `json:"pushNotificationConfig"`
}

func readPush(raw []byte, form pushForm) (Config, error) {
	var w wrappedPush
	var err error
	if form == formWrapped {
		err = json.Unmarshal(raw, &w)
	} else {
		err = json.Unmarshal(raw, &w.Config)
	}
	if err != nil {
		return Config{}, &portcullis.Error{
			Kind: portcullis.KindMalformed, Code: portcullis.CodeInvalidParams, Reason: "input_rejected", Event: portcullis.EventInputRejected,
			Detail: "notification config that cannot be read",
		}
	}
	c := Config{ID: w.Config.ID, TaskID: w.Config.TaskID, URL: w.Config.URL, Token: w.Config.Token, tenant: w.Config.Tenant}
	if form == formWrapped {
		c.TaskID = w.TaskID
	}
	if a := w.Config.Auth; a != nil {
		c.Schemes, c.Credentials = a.Schemes, a.Credentials
		if form == formFlat {
			c.Schemes = []string{a.Scheme}
		}
	}
	return c, nil
}

func (c Config) write(form pushForm) ([]byte, error) {
	w := wirePush{Tenant: c.tenant, ID: c.ID, URL: c.URL, Token: c.Token}
	if len(c.Schemes) > 0 {
		w.Auth = &wireAuth{Schemes: c.Schemes, Credentials: c.Credentials}
		if form == formFlat {
			w.Auth.Scheme, w.Auth.Schemes = c.Schemes[0], nil
		}
	}
	if form == formWrapped {
		return json.Marshal(wrappedPush{TaskID: c.TaskID, Config: w})
	}
	if form == formFlat {
		w.TaskID = c.TaskID
	}
	return json.Marshal(w)
}

// ID returns the id of the notification config that a request names, "" if
// it names none.
func ID(m *portcullis.Message) string {
	if m.Method != a2a.GetPushConfig && m.Method != a2a.DeletePushConfig {
		return ""
	}
	if a2a.BindingOf(m) == a2a.HTTPJSON {
		path, _, _ := strings.Cut(m.Suffix, "?")
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	name := "id"
	if m.Version == a2a.V03 {
		name = "pushNotificationConfigId"
	}
	return member(m.Params, name).Text(m.Params)
}

// member returns a member of an object, absent if it has none of the name.
func member(raw []byte, name string) jsonrpc.Value {
	it := jsonrpc.Walk(raw)
	for it.Next() {
		if it.Name.Is(raw, name) {
			return it.Value
		}
	}
	return jsonrpc.Value{}
}
