package screen

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
)

// broken takes nothing.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("pipe is closed") }

func TestTableTakesOutWhatSteersATerminal(t *testing.T) {
	var out bytes.Buffer
	s := Screen{Out: &out, Env: func(string) (string, bool) { return "", false }}
	if err := s.Table([]string{"A", "B"}, [][]string{{"x\x1b[31m\n", "y\u202e"}}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); strings.ContainsAny(text, "\x1b\u202e") || strings.Count(text, "\n") != 2 {
		t.Errorf("%q", text)
	}
	if got := s.Paint(portcullis.SeverityError, "line"); got != "line" {
		t.Errorf("colours without a terminal: %q", got)
	}
}

func TestWritingThatFails(t *testing.T) {
	s := Screen{Out: broken{}}
	for name, err := range map[string]error{
		"JSON": s.JSON(1), "Printf": s.Printf("x"), "Table": s.Table([]string{"A"}, nil),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "writing the output: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.JSON(func() {}); err == nil {
		t.Error("a function as JSON")
	}
}
