package outline

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/portcullis-dev/portcullis/internal/config/tomlstrict"
)

// Dialect is the JSON Schema version that [View.Schema] writes.
const Dialect = "https://json-schema.org/draft/2020-12/schema"

const (
	durationPattern = `^(0|([0-9]+(\.[0-9]+)?(y|w|d|h|m|s|ms|us|µs|ns))+)$`
	sizePattern     = `^[0-9]+ *([KMG]iB|[kKMG]?B)?$`
	variablePattern = `\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`
)

type object = map[string]any

// Schema returns the JSON Schema of the configuration, with the descriptions
// and defaults of each key. A text that names an environment variable is
// allowed wherever the decoder allows it.
func (v View) Schema(id, title string) ([]byte, error) {
	s := v.tableSchema(reflect.ValueOf(v.Default))
	s["$schema"], s["$id"], s["title"] = Dialect, id, title
	s["$defs"] = object{"variable": object{
		"type": "string", "pattern": variablePattern,
		"description": "Text with ${NAME} or ${NAME:-fallback}: the value of an environment variable.",
	}}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	return append(out, '\n'), nil
}

func (v View) tableSchema(def reflect.Value) object {
	properties, required := object{}, []string{}
	for _, f := range tomlstrict.Fields(def.Type()) {
		properties[f.Name] = v.fieldSchema(def.FieldByIndex(f.Index), f)
		if f.Required {
			required = append(required, f.Name)
		}
	}
	s := object{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func (v View) fieldSchema(def reflect.Value, f tomlstrict.Field) object {
	if def.Kind() == reflect.Pointer {
		def = reflect.New(def.Type().Elem()).Elem()
	}
	s := v.typeSchema(def.Type(), f)
	if tomlstrict.FormOf(def.Type()) == tomlstrict.FormTable {
		s = v.tableSchema(def)
		if f.TextKey != "" {
			s = object{"anyOf": []any{s, object{"type": "string"}}}
		}
	} else if !isEmpty(def) && !f.Secret && !isTable(def.Type()) {
		s["default"] = scalarJSON(v.text(leaf{field: f, value: def}, false))
	}
	if f.Doc != "" {
		s["description"] = f.Doc
	}
	return s
}

func (v View) typeSchema(t reflect.Type, f tomlstrict.Field) object {
	form := tomlstrict.FormOf(t)
	if f.Bytes && form == tomlstrict.FormInteger {
		form = tomlstrict.FormSize
	}
	switch form {
	case tomlstrict.FormTable:
		return v.tableSchema(v.prototype(t))
	case tomlstrict.FormTables:
		return object{"type": "array", "items": v.tableSchema(v.prototype(t.Elem()))}
	case tomlstrict.FormMap:
		return object{"type": "object", "additionalProperties": v.typeSchema(t.Elem(), f)}
	case tomlstrict.FormList:
		list := object{"type": "array", "items": v.typeSchema(t.Elem(), f)}
		if f.TextList {
			return object{"anyOf": []any{list, object{"type": "string"}}}
		}
		return list
	case tomlstrict.FormBool:
		return orVariable(object{"type": "boolean"})
	case tomlstrict.FormInteger:
		return orVariable(object{"type": "integer"})
	case tomlstrict.FormFloat:
		return orVariable(object{"type": "number"})
	case tomlstrict.FormDuration:
		return orVariable(object{"type": "string", "pattern": durationPattern})
	case tomlstrict.FormSize:
		return orVariable(object{"type": "integer", "minimum": 0}, object{"type": "string", "pattern": sizePattern})
	default:
		if len(f.Enum) > 0 {
			return orVariable(object{"enum": f.Enum})
		}
		return object{"type": "string"}
	}
}

func orVariable(schemas ...any) object {
	return object{"anyOf": append(schemas, object{"$ref": "#/$defs/variable"})}
}

// scalarJSON turns the TOML text of a value into what JSON says for it. The
// text is our own, so it always parses.
func scalarJSON(text string) any {
	var holder struct {
		V any `toml:"v"`
	}
	if err := toml.Unmarshal([]byte("v = "+text), &holder); err != nil {
		return text
	}
	return unescape(holder.V)
}

// unescape undoes the escape of ${ that only a file needs.
func unescape(v any) any {
	switch x := v.(type) {
	case string:
		return strings.ReplaceAll(x, "$${", "${")
	case []any:
		for i := range x {
			x[i] = unescape(x[i])
		}
	case map[string]any:
		for k := range x {
			x[k] = unescape(x[k])
		}
	}
	return v
}
