package formula_test

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/formula"
)

func TestClean(t *testing.T) {
	d := formula.Detector{}
	for text, want := range map[string]string{
		"=cmd|' /C calc'!A0": "'=cmd|' /C calc'!A0", "=1+1": "'=1+1", "a,=HYPERLINK(\"x\")\n": "a,'=HYPERLINK(\"x\")\n", "-5": "-5", "+49 151 1": "+49 151 1",
		"- item (x)": "- item (x)", "@bob (hi)": "@bob (hi)", "=": "=", "": "", "== x": "== x",
	} {
		out, last := "", 0
		for _, f := range d.Find(nil, []byte(text)) {
			out += text[last:f.Start] + string(d.Clean(nil, f.Kind, []byte(text[f.Start:f.End])))
			last = f.End
		}
		if out += text[last:]; out != want {
			t.Errorf("%q: %q, want %q", text, out, want)
		}
		if again := d.Find(nil, []byte(out)); len(again) > 0 {
			t.Errorf("%q: found again: %v", out, again)
		}
	}
}
