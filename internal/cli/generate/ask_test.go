package generate

import (
	"bytes"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis/internal/harden/generate/answers"
)

func TestQuestions(t *testing.T) {
	var out bytes.Buffer
	a, err := questions(answers.New(), strings.NewReader("gate.example.org\n\nftp://x\nhttp://tools:1234/mcp\n"), &out)
	if err != nil || a.Domain != "gate.example.org" || a.Image != answers.New().Image || a.Upstream.URL != "http://tools:1234/mcp" {
		t.Errorf("%+v, %v", a, err)
	}
	if !strings.Contains(out.String(), `upstream.url: "ftp://x": want a URL`) || strings.Count(out.String(), "URL of the server") != 2 {
		t.Errorf("%s", &out)
	}
	if _, err := questions(answers.New(), strings.NewReader("x.example\n"), &out); err == nil {
		t.Error("an end of the input is no answer")
	}
}
