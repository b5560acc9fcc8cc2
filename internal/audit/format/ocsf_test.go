package format_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/format"
)

// required are the attributes that OCSF wants of the classes in use, beside
// those of every event, and where one of several is enough.
var required = map[int64][]string{
	2004: {"finding_info.uid"},
	3001: {"user.uid|user.name"},
	3002: {"user.uid|user.name", "service.name|dst_endpoint"},
	3003: {"user.uid|user.name", "privileges|groups|iam_roles"},
	3004: {"entity.uid|entity.name"},
	4002: {"http_request.uid|http_response.code"},
	6002: {"app.name"},
	6003: {"actor.user.uid|actor.user.name", "api.operation", "src_endpoint.ip|src_endpoint.svc_name"},
}

var always = []string{
	"activity_id", "category_uid", "class_uid", "severity_id", "time", "type_uid", "status_id",
	"metadata.version", "metadata.product.name", "metadata.uid", "metadata.original_time",
}

// variants are all types with everything, with the least, and with text that
// attacks.
func variants() []portcullis.Event {
	var out []portcullis.Event
	for _, t := range append(format.Types(), "NO_SUCH_TYPE") {
		evil := attacked(hostile)
		evil.Type = t
		pending := event(t)
		pending.Outcome, pending.Severity, pending.Resource = portcullis.OutcomePending, portcullis.SeverityCritical, ""
		out = append(out, event(t), bare(t), evil, pending, portcullis.Event{Type: t})
	}
	return out
}

func lookup(v map[string]any, path string) any {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return v[name]
	}
	inner, _ := v[name].(map[string]any)
	return lookup(inner, rest)
}

func TestOCSFHasWhatItsClassWants(t *testing.T) {
	for _, e := range variants() {
		var v map[string]any
		line := encode(t, "ocsf", &e)
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		class := int64(v["class_uid"].(float64))
		m, _ := format.Lookup(e.Type)
		if class != m.Class || v["category_uid"] != float64(class/1000) || v["type_uid"] != float64(class)*100+v["activity_id"].(float64) {
			t.Errorf("%s: numbers do not agree: %s", e.Type, line)
		}
		wanted := required[class]
		if wanted == nil {
			t.Errorf("%s: class %d is not described here", e.Type, class)
		}
		for _, w := range append(slices.Clone(always), wanted...) {
			if w == "metadata.uid" && e.ID == "" {
				continue
			}
			if !slices.ContainsFunc(strings.Split(w, "|"), func(p string) bool { return lookup(v, p) != nil }) {
				t.Errorf("%s: lacks %s: %s", e.Type, w, line)
			}
		}
	}
}

func TestOCSFTellsWhatHappened(t *testing.T) {
	for _, tt := range []struct {
		event portcullis.Event
		want  map[string]any
	}{
		{event("AUTHZ_DENIED"), map[string]any{
			"class_uid": 6003.0, "activity_id": 99.0, "activity_name": "tools/call", "severity_id": 3.0, "status_id": 2.0, "status_detail": "forbidden",
			"time": 1795328119123.0, "metadata.correlation_uid": "019aa9c1-7d5b-7cc3-98c4-dc0c0c073990", "actor.user.uid": "alice",
			"actor.user.credential_uid": "9f8e7d6c", "src_endpoint.ip": "2001:db8::7", "api.operation": "tools/call", "api.service.name": "files",
			"http_request.user_agent": "curl/8.5", "http_response.code": 403.0, "unmapped.details.guard": "scope", "metadata.event_code": "AUTHZ_DENIED",
			"metadata.original_time": "2026-11-22T06:15:19.123Z",
		}},
		{func() portcullis.Event { e := event("CALL_FINISHED"); e.Action = "resources/read"; return e }(), map[string]any{"activity_id": 2.0, "type_uid": 600302.0}},
		{func() portcullis.Event { e := event("SECRET_WRITTEN"); e.Action = "remove"; return e }(), map[string]any{"activity_id": 4.0, "type_uid": 300404.0}},
		{func() portcullis.Event { e := event("CALL_STARTED"); e.Outcome = "pending"; return e }(), map[string]any{"status_id": 99.0, "status": "pending"}},
		{event("SESSION_REVOKED"), map[string]any{"class_uid": 3002.0, "activity_id": 2.0}},
		{event("INCIDENT_CLOSED"), map[string]any{"class_uid": 2004.0, "activity_id": 3.0, "status_id": 4.0, "status": "Resolved"}},
		{event("USER_DISABLED"), map[string]any{"class_uid": 3001.0, "activity_id": 5.0, "user.uid": "write_file", "actor.user.uid": "alice"}},
	} {
		var v map[string]any
		if err := json.Unmarshal([]byte(encode(t, "ocsf", &tt.event)), &v); err != nil {
			t.Fatal(err)
		}
		for path, want := range tt.want {
			if got := lookup(v, path); got != want {
				t.Errorf("%s: %s is %v, want %v", tt.event.Type, path, got, want)
			}
		}
	}
}

// TestAgainstTheSchema reads a checkout of the OCSF schema, if OCSF_SCHEMA
// names one, and judges all variants by it: unknown and missing attributes,
// types, enumerations and constraints.
func TestAgainstTheSchema(t *testing.T) {
	root := os.Getenv("OCSF_SCHEMA")
	if root == "" {
		t.Skip("OCSF_SCHEMA names no checkout of ocsf-schema")
	}
	s := readSchema(t, root)
	for _, e := range variants() {
		var v map[string]any
		if err := json.Unmarshal([]byte(encode(t, "ocsf", &e)), &v); err != nil {
			t.Fatal(err)
		}
		for _, fault := range s.event(v) {
			t.Errorf("%s: %s", e.Type, fault)
		}
	}
}

type attribute struct {
	Requirement string
	Type        string
	ObjectType  string `json:"object_type"`
	IsArray     bool   `json:"is_array"`
	Profile     *string
	Enum        map[string]struct{ Caption string }
}

type definition struct {
	Name, Extends, Category string
	UID                     int64
	Attributes              map[string]json.RawMessage
	Constraints             map[string][]string
}

type schema struct {
	root       string
	events     map[string]definition
	objects    map[string]definition
	dictionary map[string]attribute
	categories map[string]struct{ UID int64 }
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func readSchema(t *testing.T, root string) *schema {
	t.Helper()
	s := &schema{root: root, events: map[string]definition{}, objects: map[string]definition{}}
	var dictionary struct{ Attributes map[string]attribute }
	readJSON(t, filepath.Join(root, "dictionary.json"), &dictionary)
	s.dictionary = dictionary.Attributes
	var categories struct {
		Attributes map[string]struct{ UID int64 }
	}
	readJSON(t, filepath.Join(root, "categories.json"), &categories)
	s.categories = categories.Attributes
	for folder, into := range map[string]map[string]definition{"events": s.events, "objects": s.objects} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		deeper, err := filepath.Glob(filepath.Join(root, folder, "*", "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range append(files, deeper...) {
			var d definition
			readJSON(t, file, &d)
			into[d.Name] = d
		}
	}
	return s
}

// attributes are those of a definition, with what it extends and with those of
// the profiles that the event names.
func (s *schema) attributes(d definition, pool map[string]definition, profiles []string) (map[string]attribute, map[string][]string) {
	out, constraints := map[string]attribute{}, map[string][]string{}
	if parent, ok := pool[d.Extends]; ok && d.Extends != d.Name {
		out, constraints = s.attributes(parent, pool, profiles)
	}
	maps.Copy(constraints, d.Constraints)
	for name, raw := range d.Attributes {
		if name == "$include" {
			s.include(raw, profiles, out)
			continue
		}
		add(out, name, raw, profiles)
	}
	for name, a := range out {
		base := s.dictionary[name]
		if a.Type == "" {
			a.Type = base.Type
		}
		a.IsArray = base.IsArray
		if a.ObjectType == "" {
			a.ObjectType = base.ObjectType
		}
		enum := maps.Clone(base.Enum)
		if enum == nil {
			enum = a.Enum
		} else {
			maps.Copy(enum, a.Enum)
		}
		a.Enum = enum
		out[name] = a
	}
	return out, constraints
}

func (s *schema) include(raw json.RawMessage, profiles []string, out map[string]attribute) {
	var files []string
	if json.Unmarshal(raw, &files) != nil {
		files = make([]string, 1)
		_ = json.Unmarshal(raw, &files[0])
	}
	for _, file := range files {
		var d definition
		text, _ := os.ReadFile(filepath.Join(s.root, file))
		if json.Unmarshal(text, &d) != nil || strings.HasPrefix(file, "profiles/") && !slices.Contains(profiles, d.Name) {
			continue
		}
		for name, raw := range d.Attributes {
			add(out, name, raw, profiles)
		}
	}
}

func add(out map[string]attribute, name string, raw json.RawMessage, profiles []string) {
	a := out[name]
	old := maps.Clone(a.Enum)
	_ = json.Unmarshal(raw, &a)
	if a.Profile != nil && !slices.Contains(profiles, *a.Profile) {
		return
	}
	for k, v := range old {
		if _, ok := a.Enum[k]; !ok {
			a.Enum[k] = v
		}
	}
	out[name] = a
}

func (s *schema) event(v map[string]any) []string {
	var profiles []string
	list, _ := lookup(v, "metadata.profiles").([]any)
	for _, p := range list {
		profiles = append(profiles, p.(string))
	}
	class := int64(v["class_uid"].(float64))
	for _, d := range s.events {
		at := d
		for at.Category == "" && at.Extends != "" {
			at = s.events[at.Extends]
		}
		if category, ok := s.categories[at.Category]; ok && d.UID != 0 && category.UID*1000+d.UID == class {
			attributes, constraints := s.attributes(d, s.events, profiles)
			return s.object("", v, attributes, constraints, profiles)
		}
	}
	return []string{fmt.Sprintf("class %d is not there", class)}
}

func (s *schema) object(at string, v map[string]any, attributes map[string]attribute, constraints map[string][]string, profiles []string) []string {
	var faults []string
	for name, a := range attributes {
		if a.Requirement == "required" && v[name] == nil {
			faults = append(faults, at+name+" is required")
		}
	}
	for kind, names := range constraints {
		n := len(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return v[n] == nil }))
		if kind == "at_least_one" && n == 0 || kind == "just_one" && n != 1 {
			faults = append(faults, fmt.Sprintf("%s: %s of %q", at, kind, names))
		}
	}
	for name, x := range v {
		if at == "" && (name == "class_uid" || name == "category_uid") {
			continue // found the definition
		}
		a, ok := attributes[name]
		if !ok {
			faults = append(faults, at+name+" is unknown")
			continue
		}
		list, isList := x.([]any)
		if isList != a.IsArray {
			faults = append(faults, fmt.Sprintf("%s%s: list is %v", at, name, isList))
			continue
		}
		if !isList {
			list = []any{x}
		}
		for _, x := range list {
			faults = append(faults, s.value(at+name, x, a, profiles)...)
		}
	}
	return faults
}

func (s *schema) value(at string, x any, a attribute, profiles []string) []string {
	switch x := x.(type) {
	case map[string]any:
		if a.Type == "object_t" && a.ObjectType != "object" || s.objects[a.Type].Name != "" && a.Type != "object" {
			kind := a.ObjectType
			if kind == "" {
				kind = a.Type
			}
			attributes, constraints := s.attributes(s.objects[kind], s.objects, profiles)
			return s.object(at+".", x, attributes, constraints, profiles)
		}
		if a.Type != "object_t" && a.Type != "object" && a.Type != "json_t" {
			return []string{at + " is an object, want " + a.Type}
		}
	case float64:
		if a.Type != "integer_t" && a.Type != "long_t" && a.Type != "timestamp_t" && a.Type != "port_t" && a.Type != "float_t" {
			return []string{at + " is a number, want " + a.Type}
		}
		if _, ok := a.Enum[fmt.Sprint(int64(x))]; len(a.Enum) > 0 && !ok {
			return []string{fmt.Sprintf("%s: %v is none of the enumeration", at, x)}
		}
	case bool:
		if a.Type != "boolean_t" {
			return []string{at + " is a boolean, want " + a.Type}
		}
	case string:
		if a.Type == "integer_t" || a.Type == "long_t" || a.Type == "timestamp_t" || a.Type == "boolean_t" || s.objects[a.Type].Name != "" {
			return []string{at + " is a string, want " + a.Type}
		}
	}
	return nil
}
