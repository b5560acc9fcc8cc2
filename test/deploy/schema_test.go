//go:build conformance

package deploy

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// schemasOf makes a folder of JSON schemas, one for each kind, of the OpenAPI
// document in the sources of Kubernetes. A field that is not in it is a mistake.
func schemasOf(t *testing.T) string {
	t.Helper()
	// Nothing is built of that module: only a file of it is read.
	out, err := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes@v"+kube).Output()
	if err != nil {
		t.Fatalf("the sources of Kubernetes: %v\n%s", err, out)
	}
	var mod struct{ Dir string }
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(mod.Dir, "api", "openapi-spec", "swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	if err := json.Unmarshal(text, &api); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, def := range api.Definitions {
		strict(def)
	}
	write(t, filepath.Join(dir, "definitions.json"), map[string]any{"definitions": api.Definitions})
	n := 0
	for name, def := range api.Definitions {
		kinds, _ := def["x-kubernetes-group-version-kind"].([]any) // most have none
		for _, k := range kinds {
			gvk, ok := k.(map[string]any)
			if !ok {
				t.Fatalf("%s: %v", name, k)
			}
			group, version, kind := member(gvk, "group"), member(gvk, "version"), member(gvk, "kind")
			suffix := "-" + version
			if group != "" {
				suffix = "-" + strings.Split(group, ".")[0] + suffix
			}
			write(t, filepath.Join(dir, strings.ToLower(kind)+suffix+".json"), map[string]any{"$ref": "file://" + dir + "/definitions.json#/definitions/" + name})
			n++
		}
	}
	if n < 100 {
		t.Fatalf("only %d kinds", n)
	}
	return dir
}

func member(m map[string]any, key string) string {
	s, _ := m[key].(string) // the core group is ""
	return s
}

func write(t *testing.T, file string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// strict closes objects to other fields, and takes numbers where Kubernetes does.
func strict(v any) {
	switch v := v.(type) {
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok && strings.HasSuffix(ref, "api.resource.Quantity") {
			delete(v, "$ref")
			v["type"] = []any{"string", "number"}
		}
		if v["format"] == "int-or-string" {
			delete(v, "format")
			v["type"] = []any{"string", "integer"}
		}
		if _, ok := v["properties"].(map[string]any); ok && v["type"] == "object" {
			if _, open := v["additionalProperties"]; !open {
				v["additionalProperties"] = false
			}
		}
		for _, below := range v {
			strict(below)
		}
	case []any:
		for _, below := range v {
			strict(below)
		}
	}
}
