package rule

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestVerdicts(t *testing.T) {
	found := []Finding{{Message: "x"}}
	for _, c := range []struct {
		found []Finding
		err   error
		want  Verdict
	}{
		{nil, nil, Pass},
		{found, nil, Fail},
		{nil, errors.New("x"), Unknown},
		{found, errors.New("x"), Fail},
		{nil, fmt.Errorf("no TLS here: %w", ErrNotApplicable), Skipped},
	} {
		if got := VerdictOf(c.found, c.err); got != c.want {
			t.Errorf("%v %v: %s, want %s", c.found, c.err, got, c.want)
		}
	}
}

func TestMaskShowsTooLittleToUse(t *testing.T) {
	for secret, want := range map[string]string{
		"":                         "… (0 characters)",
		"hunter2":                  "… (7 characters)",
		"äöüäöüäöüäöüäöüäöü":       "äöüä… (18 characters)",
		"sk-abcdefghijklmnopqrstu": "sk-a… (24 characters)",
	} {
		if got := Mask(secret); got != want {
			t.Errorf("%q: %q, want %q", secret, got, want)
		}
	}
}

func TestSeverityTexts(t *testing.T) {
	for _, s := range Severities() {
		var back Severity
		text, err := s.MarshalText()
		if err != nil || back.UnmarshalText(text) != nil || back != s {
			t.Errorf("%s: back as %s", s, back)
		}
	}
	var s Severity
	if err := s.UnmarshalText([]byte("bad")); err == nil || s.String() != "" {
		t.Errorf("bad: %v, %v", s, err)
	}
}

func TestApply(t *testing.T) {
	got, err := Apply([]byte("hello world"), []Edit{{Start: 6, End: 11, Text: "all"}, {Text: "<"}, {Text: ">"}, {Start: 11, End: 11, Text: "!"}})
	if err != nil || string(got) != "<>hello all!" {
		t.Errorf("%q, %v", got, err)
	}
	for _, wrong := range [][]Edit{
		{{Start: 0, End: 5}, {Start: 4, End: 6}},
		{{Start: 3, End: 2}}, {{Start: 0, End: 12}}, {{Start: -1, End: 0}},
	} {
		if got, err := Apply([]byte("hello world"), wrong); err == nil || !strings.Contains(err.Error(), "overlap") {
			t.Errorf("%v: %q, %v", wrong, got, err)
		}
	}
}
