package tomltext

import (
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// FuzzWriter: whatever a stranger wrote, the text holds the keys that we set.
func FuzzWriter(f *testing.F) {
	f.Add("plain", "a.b")
	f.Add("x\"\ny = \"1", "path\n[evil]\u2028")
	f.Add("${HOME} $${A} \x00\x7f\\", "'''")
	f.Fuzz(func(t *testing.T, value, from string) {
		value = strings.ToValidUTF8(value, "?")
		var w Writer
		w.Comment("made of %s", from)
		w.Table("[t]")
		w.Set("one", Text(value), from)
		w.Set("list", List([]string{value, "b"}), from)
		var got struct {
			T struct {
				One  string
				List []string
			}
		}
		d := toml.NewDecoder(strings.NewReader(w.String())).DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			t.Fatalf("%v in\n%s", err, w.String())
		}
		want := strings.ReplaceAll(value, "${", "$${")
		if got.T.One != want || len(got.T.List) != 2 || got.T.List[0] != want {
			t.Fatalf("%+v, want %q", got, want)
		}
	})
}
