package a2a

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// PushConfig says where the notifications about a task go, whatever version it
// was read from.
type PushConfig struct {
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

// EditPush returns the raw text of a message with each notification config in
// it as edit returns it, and whether there was one. Of a list, those are left
// out for which edit returns false; in other messages that is an error. The
// message is one that [Decoder] or [ReadReply] accepted. A config is written
// anew, with the members that the protocol defines and no others.
func EditPush(m *portcullis.Message, edit func(PushConfig) (PushConfig, bool, error)) (raw []byte, found bool, err error) {
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
			return nil, true, unreadable("a notification config of nobody")
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
	if BindingOf(m) == JSONRPC {
		name := "params"
		if m.Shape == portcullis.ShapeResult {
			name = "result"
		}
		at, kind = at.inside(m.Raw, name)
	}
	old := m.Version == V03
	switch {
	case len(m.Raw) == 0 || m.Shape != portcullis.ShapeRequest && m.Shape != portcullis.ShapeResult:
		return at, 0, false, false
	case m.Shape == portcullis.ShapeRequest && Sends(m.Method):
		return findInMessage(m.Raw, at, kind, old)
	case m.Method == CreatePushConfig, m.Method == GetPushConfig && m.Shape == portcullis.ShapeResult:
		if old {
			form = formWrapped
		}
		return at, form, false, kind == jsonrpc.Object
	case m.Method == ListPushConfigs && m.Shape == portcullis.ShapeResult:
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
		names, form = []string{"pushNotificationConfig", "pushNotification"}, formInner
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

func readPush(raw []byte, form pushForm) (PushConfig, error) {
	var w wrappedPush
	var err error
	if form == formWrapped {
		err = json.Unmarshal(raw, &w)
	} else {
		err = json.Unmarshal(raw, &w.Config)
	}
	if err != nil {
		return PushConfig{}, refuse(portcullis.CodeInvalidParams, "notification config that cannot be read")
	}
	c := PushConfig{ID: w.Config.ID, TaskID: w.Config.TaskID, URL: w.Config.URL, Token: w.Config.Token, tenant: w.Config.Tenant}
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

func (c PushConfig) write(form pushForm) ([]byte, error) {
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

// PushID returns the id of the notification config that a request names, "" if
// it names none.
func PushID(m *portcullis.Message) string {
	if m.Method != GetPushConfig && m.Method != DeletePushConfig {
		return ""
	}
	if BindingOf(m) == HTTPJSON {
		path, _, _ := strings.Cut(m.Suffix, "?")
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	name := "id"
	if m.Version == V03 {
		name = "pushNotificationConfigId"
	}
	return member(m.Params, name).Text(m.Params)
}

// ReadPush reads what an agent sends to a receiver of notifications, and holds
// it to the schema of a version: that in which the receiver was registered, or
// another of versions, because agents that speak several send what they have.
// Anything that two versions would read differently is refused.
//
// The result is like that of [ReadReply] for an event of a stream over
// HTTP+JSON. It is about a task; a message that names none is refused.
func ReadPush(r *Reply, raw []byte, registered string, versions []string, limits jsonrpc.Limits) error {
	if err := jsonrpc.ReadObject(raw, limits); err != nil {
		return unreadable(err.Error())
	}
	kinds := 0
	for it := jsonrpc.Walk(raw); it.Next(); {
		if wrapped(raw, it.Name) != KindNone || it.Name.Is(raw, "kind") {
			kinds++
		}
	}
	if kinds != 1 {
		return unreadable("not one event")
	}
	candidates := []string{registered}
	for _, v := range versions {
		if !slices.Contains(candidates, v) {
			candidates = append(candidates, v)
		}
	}
	var first error
	for _, version := range candidates {
		call := portcullis.Message{Method: SubscribeToTask, Version: version, Suffix: "/"}
		err := ReadReply(r, raw, Answering{Call: &call, Status: 200, Limits: limits})
		switch {
		case err == nil && r.Shape != portcullis.ShapeResult:
			err = unreadable("an error")
		case err == nil && r.TaskID == "":
			err = unreadable("an event of no task")
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	*r = Reply{}
	return first
}
