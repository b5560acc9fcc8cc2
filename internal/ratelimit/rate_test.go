package ratelimit

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]Rate{
		"100/1m":             {100, 100, time.Minute},
		"10/minute":          {10, 10, time.Minute},
		"100/15m":            {100, 100, 15 * time.Minute},
		"5/second":           {5, 5, time.Second},
		"1000/h":             {1000, 1000, time.Hour},
		"1000/1d":            {1000, 1000, 24 * time.Hour},
		"7/90d":              {7, 7, 90 * 24 * time.Hour},
		"5/Second;burst=20":  {5, 20, time.Second},
		" 5 / 1s ; burst=1 ": {5, 1, time.Second},
		"1/1m30s":            {1, 1, 90 * time.Second},
	} {
		got, err := Parse(in)
		if err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", in, got, err, want)
		}
		again, err := Parse(got.String())
		if err != nil || again != got {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", got.String(), again, err, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for in, want := range map[string]string{
		"":                           `"": want "100/1m"`,
		"abc":                        `"abc": want "100/1m"`,
		"100":                        `want "100/1m"`,
		"x/1m":                       `limit: "x" is not a whole number`,
		"-1/1m":                      `limit: "-1" is not a whole number`,
		"+1/1m":                      `"+1" is not a whole number`,
		"/1m":                        `limit: "" is not a whole number`,
		"0/1m":                       "limit 0: want 1 to 1000000",
		"1000001/1m":                 "limit 1000001: want 1 to",
		"99999999999999999999999/1m": "above",
		"1/":                         `window: "" is not a duration`,
		"1/fortnight":                `window: "fortnight" is not a duration`,
		"1/0s":                       "window 0s: want whole seconds",
		"1/-1s":                      "window -1s: want whole seconds",
		"1/1500ms":                   "window 1.5s: want whole seconds",
		"1/367d":                     "at most 366d",
		"1/9999999d":                 "at most 366d",
		"1/-1d":                      "at most 366d",
		"1/1m;burst=0":               "burst 0: want 1 to 100 times",
		"1/1m;burst=101":             "burst 101: want 1 to 100 times",
		"1/1m;burst":                 `unknown option "burst"`,
		"1/1m;size=3":                `unknown option "size=3"`,
		"1/1m;burst=3;burst=4":       "is not a whole number",
	} {
		_, err := Parse(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) error = %v; want %q", in, err, want)
		}
	}
	if err := (Rate{}).Validate(); err == nil {
		t.Error("the zero Rate is valid")
	}
}

func TestParseRule(t *testing.T) {
	minute := Rate{10, 10, time.Minute}
	for in, want := range map[string]Rule{
		"10/1m":                      {Rate: minute, Scope: ScopeKey},
		"10/1m per key":              {Rate: minute, Scope: ScopeKey},
		"10/minute per address":      {Rate: minute, Scope: ScopeAddress},
		"10/1m per route":            {Rate: minute, Scope: ScopeRoute},
		"10/1m per tool":             {Rate: minute, Scope: ScopeTool},
		"10/1m per tool:search":      {Rate: minute, Scope: ScopeTool, Tool: "search"},
		"10/1m per  tool:a:b per c ": {Rate: minute, Scope: ScopeTool, Tool: "a:b per c"},
	} {
		var got Rule
		if err := got.UnmarshalText([]byte(in)); err != nil || got != want {
			t.Errorf("ParseRule(%q) = %+v, %v; want %+v", in, got, err, want)
		}
		text, err := got.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseRule(string(text)); err != nil || again != got {
			t.Errorf("ParseRule(%q) = %+v, %v; want %+v", text, again, err, got)
		}
	}
	for _, in := range []string{
		"", "10/1m per", "10/1m per ", "10/1m per user", "10/1m per tool:", "10/1m per key:a",
		"abc per key", "10/1m per " + "tool:" + strings.Repeat("x", maxToolName+1), "10/1m per Key",
	} {
		if r, err := ParseRule(in); err == nil {
			t.Errorf("ParseRule(%q) = %+v, want an error", in, r)
		}
	}
}

func TestConfigValidate(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	rule := func(s string) Rule {
		r, err := ParseRule(s)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for want, c := range map[string]Config{
		"rate_max_keys: -1: want 0 to":                       {MaxKeys: -1},
		"rate[0]: empty rate":                                {Rules: []Rule{{}}},
		"rate[0]: no scope":                                  {Rules: []Rule{{Rate: rule("1/1s").Rate}}},
		"rate: 33 rules: want at most 32":                    {Rules: make([]Rule, 33)},
		`rate[1]: "2/1s per key": another rule has the same`: {Rules: []Rule{rule("1/1s"), rule("2/1s")}},
		`rate[0]: tool "x": only a rule per tool`:            {Rules: []Rule{{Rate: rule("1/1s").Rate, Scope: ScopeKey, Tool: "x"}}},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v; want %q", err, want)
		}
		if _, err := NewSet(c, nil); err == nil {
			t.Errorf("NewSet accepts what Validate refuses: %s", want)
		}
	}
	if _, err := New(Rate{}, 0, nil); err == nil {
		t.Error("New accepts the zero Rate")
	}
	if _, err := New(rule("1/1s").Rate, -1, nil); err == nil {
		t.Error("New accepts negative maxKeys")
	}
}

// FuzzParse checks that what Parse accepts it writes back and reads again as
// the same value, and that the value is within bounds.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"100/1m", "5/second;burst=20", "1/366d", "1000000/1s", "1/1h2m3s", "/", ";", "1/1m;burst=", "10/1m per tool:a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := Parse(s); err == nil {
			if err := r.Validate(); err != nil {
				t.Fatalf("Parse(%q) = %+v, which is not valid: %v", s, r, err)
			}
			if again, err := Parse(r.String()); err != nil || again != r {
				t.Fatalf("%q → %q → %+v, %v", s, r.String(), again, err)
			}
		}
		if r, err := ParseRule(s); err == nil {
			if again, err := ParseRule(r.String()); err != nil || again != r {
				t.Fatalf("%q → %q → %+v, %v", s, r.String(), again, err)
			}
		}
	})
}
