package terminal_test

import (
	"testing"

	"github.com/portcullis-dev/portcullis/internal/inspect/terminal"
)

func TestFind(t *testing.T) {
	for text, want := range map[string]string{
		"a\x1b]8;;http://x\x1b\\b": "\x1b]8;;http://x\x1b\\", "\x1b]52;c;QQ==\ax": "\x1b]52;c;QQ==\a", "\x1b[2Jx": "\x1b[2J", "\u009b2Jx": "\u009b2J", "a\bb": "\b",
		"\x1b": "\x1b", "\x1b]": "\x1b]", "a\r\nb": "", "tab\tx\n": "", "Größe £": "",
	} {
		got := ""
		for _, f := range (terminal.Detector{}).Find(nil, []byte(text)) {
			got += text[f.Start:f.End]
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if f := (terminal.Detector{}).Find(nil, []byte("\x1b[31mred\x1b[0m")); len(f) != 2 || f[0].Kind != terminal.KindStyle || f[0].Score >= 60 {
		t.Errorf("colours: %v", f)
	}
}
