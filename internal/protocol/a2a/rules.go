package a2a

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/shape"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Rules bound what a message to an agent may hold, beyond its schema.
type Rules struct {
	// MaxText is how many characters the text parts of a message may hold
	// together. A character is a Unicode code point; white space around the
	// text of a part does not count (S0-15).
	MaxText int `doc:"characters of all text parts of a message together, white space around each not counted" toml:"max_text"`
	// MaxParts is how many parts a message may have.
	MaxParts int `doc:"parts of a message" toml:"max_parts"`
	// MaxData is how many bytes the files in a message, decoded, and its
	// structured data, as written, may hold together.
	MaxData int `doc:"bytes of files and structured data in a message together" toml:"max_data"`
	// MediaTypes are the types that parts may name: "image/png", "image/*".
	// None allows all. A part that names no type is allowed.
	MediaTypes []string `doc:"media types that parts of a message may have; empty = any" toml:"media_types"`
	// Tenants are the tenants that a request may name. None means that no
	// request may name one.
	Tenants []string `doc:"tenants that a request may name; empty = none" toml:"tenants"`
	// UUIDContexts holds context ids to the form of a UUID.
	UUIDContexts bool `doc:"context ids must be UUIDs" toml:"uuid_contexts"`
}

// DefaultRules are those of S0-15, and bounds that ordinary messages keep.
func DefaultRules() Rules {
	return Rules{MaxText: 10_000, MaxParts: 50, MaxData: 1 << 20}
}

// Validate reports the first rule that cannot be kept.
func (r Rules) Validate() error {
	for _, f := range [...]struct {
		name string
		got  int
	}{{"max_text", r.MaxText}, {"max_parts", r.MaxParts}, {"max_data", r.MaxData}} {
		if f.got < 1 {
			return fmt.Errorf("%s: %d: want at least 1", f.name, f.got)
		}
	}
	for _, t := range r.MediaTypes {
		group, ok := strings.CutSuffix(t, "/*")
		if t != strings.ToLower(t) || strings.Contains(group, "*") || ok && shape.MediaType(group+"/x") == "" || !ok && shape.MediaType(t) != t {
			return fmt.Errorf("media_types: %q is neither a media type nor a group such as image/*", t)
		}
	}
	for _, t := range r.Tenants {
		if !shape.ValidID(t) || reserved(t) || strings.ContainsAny(t, "/%:") {
			return fmt.Errorf("tenants: %q cannot name a tenant", t)
		}
	}
	return nil
}

// Facts are what guards decide on.
type Facts struct {
	PushURLs    []string // where notifications are to be sent
	FileURIs    []string // where files are to be fetched
	MediaTypes  []string // of parts, in lower case, without parameters
	OutputModes []string // media types that the caller accepts, as written
	References  []string // tasks that a message refers to besides its own
	Texts       int      // characters of text, white space around each part not counted
	Parts       int
	Data        int // bytes of files, decoded, and of structured data
}

// Look returns what a message holds that [Decoder] or [ReadReply] accepted, or
// that an inspector rewrote since; it is read from m.Raw. The error is a
// *portcullis.Error that says what is wrong with a rewritten message.
func Look(m *portcullis.Message) (Facts, error) {
	var v facts
	known, ok := lookup(m.Version, m.Method)
	if !ok || len(m.Raw) == 0 {
		return v.Facts, nil
	}
	binding, raw := BindingOf(m), m.Raw
	f := form{object: known.params}
	if binding == HTTPJSON {
		f = bodyOf(known, raw)
	} else if raw = envelope(raw, m.Shape); raw == nil {
		return v.Facts, nil
	}
	switch m.Shape {
	case portcullis.ShapeRequest:
		if failure := f.check(raw, &v); failure != nil {
			return Facts{}, invalid(failure)
		}
	case portcullis.ShapeResult:
		if failure := checkResult(known.result, m.Version, binding, raw, &v); failure != nil {
			return Facts{}, unreadable(failure.Error())
		}
	default:
	}
	return v.Facts, nil
}

// The beginnings of members that lead to what [Look] finds, by what they hold.
const (
	aboutFiles      = `"url" "uri" "fileWithUri" "file_with_uri"`
	aboutPush       = `"url"`
	aboutReferences = `"referenceTaskIds" "reference_task_ids"`
)

// MayHoldFiles, MayHoldPush and MayHoldReferences report whether a message that
// was accepted can have file URIs, push targets or references to tasks. That
// spares most messages another reading: members have one spelling each, so one
// that the text does not show is not there.
func MayHoldFiles(m *portcullis.Message) bool { return shows(m.Raw, aboutFiles) }

// MayHoldPush is like [MayHoldFiles].
func MayHoldPush(m *portcullis.Message) bool { return shows(m.Raw, aboutPush) }

// MayHoldReferences is like [MayHoldFiles].
func MayHoldReferences(m *portcullis.Message) bool { return shows(m.Raw, aboutReferences) }

// shows reports whether a text holds one of the words of a list.
func shows(raw []byte, list string) bool {
	for word := range strings.SplitSeq(list, " ") {
		if bytes.Contains(raw, []byte(word)) {
			return true
		}
	}
	return false
}

// envelope returns params or result of a JSON-RPC message.
func envelope(raw []byte, s portcullis.Shape) []byte {
	name := "params"
	if s == portcullis.ShapeResult {
		name = "result"
	}
	return member(raw, name).Raw(raw)
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

// facts collects what it is shown.
type facts struct{ Facts }

// Visit implements [shape.Visitor].
func (f *facts) Visit(tag shape.Tag, raw []byte, v jsonrpc.Value) string {
	switch tag {
	case shape.TagText:
		f.Texts += characters(raw, v)
	case shape.TagRaw:
		f.Data += shape.DecodedLen(raw, v)
	case shape.TagData:
		f.Data += int(v.End - v.Start)
	case shape.TagFile:
		f.FileURIs = append(f.FileURIs, v.Text(raw))
	case shape.TagPush:
		f.PushURLs = append(f.PushURLs, v.Text(raw))
	case shape.TagMedia:
		if t := shape.MediaType(v.Text(raw)); t != "" {
			f.MediaTypes = append(f.MediaTypes, t)
		}
	case shape.TagMode:
		f.OutputModes = append(f.OutputModes, v.Text(raw))
	case shape.TagReference:
		f.References = append(f.References, v.Text(raw))
	case shape.TagPart:
		f.Parts++
	default:
	}
	return ""
}

// characters counts the code points of a text without the white space around
// it.
func characters(raw []byte, v jsonrpc.Value) int {
	if v.Escaped {
		return utf8.RuneCountInString(strings.TrimSpace(v.Text(raw)))
	}
	return utf8.RuneCount(bytes.TrimSpace(raw[v.Start+1 : v.End-1]))
}

// The rules that a failure can name, besides those of package shape.
const (
	ruleText  = "more text than the route takes"
	ruleParts = "more parts than the route takes"
	ruleData  = "more files or data than the route takes"
	ruleMedia = "media type that the route does not take"
)

// judge holds what it is shown of a request to rules, and keeps what the
// request says of itself.
type judge struct {
	rules              *Rules
	texts, parts, data int

	message, metadata, around   []byte
	task, context, tenant, role string
}

// Visit implements [shape.Visitor].
func (j *judge) Visit(tag shape.Tag, raw []byte, v jsonrpc.Value) string {
	switch tag {
	case shape.TagText:
		if j.texts += characters(raw, v); j.texts > j.rules.MaxText {
			return ruleText
		}
	case shape.TagRaw, shape.TagData:
		n := int(v.End - v.Start)
		if tag == shape.TagRaw {
			n = shape.DecodedLen(raw, v)
		}
		if j.data += n; j.data > j.rules.MaxData {
			return ruleData
		}
	case shape.TagPart:
		if j.parts++; j.parts > j.rules.MaxParts {
			return ruleParts
		}
	case shape.TagMedia:
		if !j.rules.takes(shape.MediaType(v.Text(raw))) {
			return ruleMedia
		}
	default:
		j.keep(tag, raw, v)
	}
	return ""
}

// keep notes what a request says of itself.
func (j *judge) keep(tag shape.Tag, raw []byte, v jsonrpc.Value) {
	switch tag {
	case shape.TagMessage:
		j.message = v.Raw(raw)
	case shape.TagMetadata:
		j.metadata = v.Raw(raw)
	case shape.TagAround:
		j.around = v.Raw(raw)
	case shape.TagTask:
		j.task = v.Text(raw)
	case shape.TagContext:
		j.context = v.Text(raw)
	case shape.TagTenant:
		j.tenant = v.Text(raw)
	case shape.TagRole:
		j.role = v.Text(raw)
	default:
	}
}

// takes reports whether parts may have a media type.
func (r *Rules) takes(t string) bool {
	if len(r.MediaTypes) == 0 || t == "" {
		return true
	}
	group, _, _ := strings.Cut(t, "/")
	return slices.Contains(r.MediaTypes, t) || slices.Contains(r.MediaTypes, group+"/*")
}
