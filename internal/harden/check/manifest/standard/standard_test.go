package standard

import (
	"errors"
	"strings"
	"testing"
)

func TestFaults(t *testing.T) {
	good := map[string]any{"apiVersion": "ossa/v0.5", "kind": "Agent", "metadata": map[string]any{"name": "a"}}
	for _, version := range []string{"0.4", "0.4.6", "0.5", "0.5.1"} {
		doc := map[string]any{"apiVersion": "ossa/v" + version, "kind": "Agent", "metadata": map[string]any{"name": "a"}, "spec": map[string]any{"role": "You are a test."}}
		if found, err := Faults(version, doc); err != nil || len(found) > 0 {
			t.Errorf("%s: %v %v", version, found, err)
		}
	}
	for _, c := range []struct {
		change map[string]any
		at     string
		text   string
	}{
		{map[string]any{"kind": "Robot-7"}, "kind", "is none of"},
		{map[string]any{"metadata": map[string]any{"name": "Secret Name"}}, "metadata/name", "does not match"},
		{map[string]any{"metadata": map[string]any{}}, "metadata", "misses name"},
		{map[string]any{"security": map[string]any{"hunter2": true}}, "security", "does not know"},
		{map[string]any{"security": map[string]any{"audit": map[string]any{"retention_days": int64(0)}}}, "security/audit/retention_days", "minimum"},
	} {
		doc := map[string]any{}
		for _, m := range []map[string]any{good, c.change} {
			for k, v := range m {
				doc[k] = v
			}
		}
		found, err := Faults("0.5", doc)
		if err != nil || len(found) == 0 || strings.Join(found[0].At, "/") != c.at || !strings.Contains(found[0].Text, c.text) {
			t.Errorf("%v: %v %v", c.change, found, err)
		}
		for _, f := range found {
			if strings.Contains(f.Text, "Secret Name") || strings.Contains(f.Text, "Robot-7") {
				t.Errorf("tells the value: %s", f.Text)
			}
		}
	}
	for _, version := range []string{"", "0.3", "0.45", "1.0", "0.50"} {
		if _, err := Faults(version, good); !errors.Is(err, ErrNoSchema) {
			t.Errorf("%q: %v", version, err)
		}
	}
}
