package tomlstrict

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// expand replaces ${NAME} and ${NAME:-fallback} in text; $${ stands for a
// literal ${. The fallback is used when the variable is unset or empty. What
// a variable holds is taken as it is: it is not expanded again. It reports
// whether any variable was named.
func expand(text string, getenv func(string) (string, bool)) (out string, used bool, err error) {
	if !strings.Contains(text, "${") {
		return text, false, nil
	}
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), used, nil
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		inner, rest, closed := strings.Cut(text[i+2:], "}")
		if !closed {
			return "", used, errors.New(`"${" without a closing "}" (write "$${" for the two characters)`)
		}
		value, err := variable(inner, getenv)
		if err != nil {
			return "", used, err
		}
		b.WriteString(value)
		used, text = true, rest
	}
}

func variable(inner string, getenv func(string) (string, bool)) (string, error) {
	name, fallback, hasFallback := strings.Cut(inner, ":-")
	if !isVariableName(name) {
		return "", fmt.Errorf("%q is not the name of an environment variable", name)
	}
	if strings.Contains(fallback, "${") {
		return "", fmt.Errorf("fallback of %q names a variable: nesting is not supported", name)
	}
	value, set := getenv(name)
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case !set:
		return "", fmt.Errorf("environment variable %q is not set", name)
	case !utf8.ValidString(value):
		return "", fmt.Errorf("environment variable %q is not valid UTF-8", name)
	}
	return value, nil
}

func isVariableName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
