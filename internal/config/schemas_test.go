package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/config"
)

// TestSchemaFiles: a schema that cannot be used is a mistake of the
// configuration, with its line.
func TestSchemaFiles(t *testing.T) {
	dir := t.TempDir()
	file, schema := filepath.Join(dir, "portcullis.toml"), filepath.Join(dir, "s.json")
	text := "[[route]]\nname = \"a\"\npath = \"/a\"\nupstream = \"http://127.0.0.1:1/\"\n[[route.schemas]]\nfile = \"" + schema + "\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{
		`{"type":"object"}`:      "",
		`{"type":"objekt"}`:      "the schema is not a JSON Schema",
		`{"$ref":"#"}`:           "the schema refers to itself without an end",
		`{"$ref":"other.json"}`:  "the schema refers to something outside itself",
		`{"pattern":"(?!a)"}`:    "the schema holds a pattern that cannot be used",
		`{"type":"object"`:       "the schema is not one JSON value",
		strings.Repeat(" ", 1e6): "the schema is too large",
	} {
		if err := os.WriteFile(schema, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, err := config.Load(file, env())
		var errs config.Errors
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", content, err)
		case want != "" && (!errors.As(err, &errs) || !strings.Contains(err.Error(), ":6: route[0].schemas[0].file: ") || !strings.Contains(err.Error(), want)):
			t.Errorf("%.40s: %v, want %q", content, err, want)
		}
	}
	if err := os.Remove(schema); err != nil {
		t.Fatal(err)
	}
	if _, _, err := config.Load(file, env()); err == nil || !strings.Contains(err.Error(), "reading the schema") {
		t.Errorf("a file that is not there: %v", err)
	}
}
