package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// kind is a question to one sort of provider and how its answers are read.
type kind struct {
	name      string
	aliases   []string // other names that entries may have for the provider
	base      string   // "" = it must be given
	method    string
	path      string
	header    string
	prefix    string
	parameter string
	more      map[string]string // other headers
	judge     func(status int, body []byte) Result
}

// known are the providers with a question of their own. Each is documented by
// its provider, reads only, and is not billed.
func known() []kind {
	const bearer = "Bearer "
	return []kind{
		{
			name: "openai", base: "https://api.openai.com", method: http.MethodGet, path: "/v1/models",
			header: "Authorization", prefix: bearer, judge: read(has("data")),
		}, {
			name: "anthropic", base: "https://api.anthropic.com", method: http.MethodGet, path: "/v1/models?limit=1",
			header: "X-Api-Key", more: map[string]string{"Anthropic-Version": "2023-06-01"}, judge: read(has("data")),
		}, {
			name: "google", aliases: []string{"gemini"}, base: "https://generativelanguage.googleapis.com", method: http.MethodGet, path: "/v1beta/models?pageSize=1",
			header: "X-Goog-Api-Key", judge: readGoogle,
		}, {
			name: "azure-openai", aliases: []string{"azure", "azureopenai", "azure_openai"}, method: http.MethodGet, path: "/openai/models?api-version=2024-10-21",
			header: "Api-Key", judge: read(has("data")),
		}, {
			name: "cohere", base: "https://api.cohere.com", method: http.MethodPost, path: "/v1/check-api-key",
			header: "Authorization", prefix: bearer, judge: readCohere,
		}, {
			name: "huggingface", aliases: []string{"hf", "hugging-face"}, base: "https://huggingface.co", method: http.MethodGet, path: "/api/whoami-v2",
			header: "Authorization", prefix: bearer, judge: read(has("name")),
		}, {
			name: "github", base: "https://api.github.com", method: http.MethodGet, path: "/rate_limit",
			header: "Authorization", prefix: bearer, more: map[string]string{"X-Github-Api-Version": "2022-11-28"}, judge: read(has("resources")),
		}, {
			name: "slack", base: "https://slack.com", method: http.MethodPost, path: "/api/auth.test",
			header: "Authorization", prefix: bearer, judge: readSlack,
		},
	}
}

// kind returns the question that a configuration asks for.
func (c Config) kind() (kind, error) {
	if c.Kind == HTTP {
		return c.generic()
	}
	for _, k := range known() {
		if k.name == c.Kind {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("kind: %q: want one of %s", c.Kind, strings.Join(Kinds(), ", "))
}

// reply is what the providers agree upon: an object.
type reply map[string]json.RawMessage

func object(body []byte) (reply, bool) {
	var r reply
	return r, json.Unmarshal(body, &r) == nil && r != nil
}

func (r reply) text(name string) string {
	var s string
	if json.Unmarshal(r[name], &s) != nil {
		return ""
	}
	return s
}

// has is the mark of a good answer: a proxy that answers 200 with a page of its
// own has not got it.
func has(member string) func(reply) bool {
	return func(r reply) bool {
		v, ok := r[member]
		return ok && string(v) != "null"
	}
}

// read reads answers of providers that keep to HTTP: 200 is yes, and 401 with
// an error in JSON is no.
func read(good func(reply) bool) func(int, []byte) Result {
	return func(status int, body []byte) Result {
		r, ok := object(body)
		if out, done := general(status); done {
			return out
		}
		switch {
		case status == http.StatusOK && ok && good(r):
			return Result{Accepted, "reply", status}
		case status == http.StatusUnauthorized && ok && (r["error"] != nil || r["message"] != nil || r["detail"] != nil):
			return Result{Refused, "refused", status}
		}
		return Result{Unknown, "reply", status}
	}
}

// general reads the statuses that say nothing about the key.
func general(status int) (Result, bool) {
	switch {
	case status == http.StatusTooManyRequests || status >= 500:
		return Result{Unknown, "overloaded", status}, true
	case status == http.StatusForbidden:
		return Result{Unknown, "limited", status}, true
	case status >= 300 && status < 400:
		return Result{Unknown, "redirect", status}, true
	}
	return Result{}, false
}

// readGoogle reads answers of Google's interfaces, which refuse a key with 400
// and a reason.
func readGoogle(status int, body []byte) Result {
	if out, done := general(status); done {
		return out
	}
	r, ok := object(body)
	if status == http.StatusOK && ok && has("models")(r) {
		return Result{Accepted, "reply", status}
	}
	var told struct {
		Details []struct {
			Reason string `json:"reason"`
		} `json:"details"`
	}
	if ok && json.Unmarshal(r["error"], &told) == nil {
		for _, d := range told.Details {
			if d.Reason == "API_KEY_INVALID" {
				return Result{Refused, "refused", status}
			}
		}
	}
	return Result{Unknown, "reply", status}
}

// readCohere reads the answer to check-api-key, which may say no with 200.
func readCohere(status int, body []byte) Result {
	r, ok := object(body)
	if status == http.StatusOK && ok {
		switch string(r["valid"]) {
		case "true":
			return Result{Accepted, "reply", status}
		case "false":
			return Result{Refused, "refused", status}
		}
		return Result{Unknown, "reply", status}
	}
	return read(func(reply) bool { return false })(status, body)
}

// readSlack reads an answer of Slack, which is 200 whatever it says.
func readSlack(status int, body []byte) Result {
	if out, done := general(status); done {
		return out
	}
	r, ok := object(body)
	if status != http.StatusOK || !ok {
		return Result{Unknown, "reply", status}
	}
	switch string(r["ok"]) {
	case "true":
		return Result{Accepted, "reply", status}
	case "false":
		switch r.text("error") {
		case "invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_authed":
			return Result{Refused, "refused", status}
		case "ratelimited":
			return Result{Unknown, "overloaded", status}
		}
	}
	return Result{Unknown, "reply", status}
}

// generic returns the question of kind http.
func (c Config) generic() (kind, error) {
	k := kind{name: HTTP, method: c.Method, header: c.Header, prefix: c.Prefix, parameter: c.Parameter}
	if k.method == "" {
		k.method = http.MethodGet
	}
	accept, refuse := c.Accept, c.Refuse
	if len(accept) == 0 {
		accept = []int{http.StatusOK}
	}
	if len(refuse) == 0 {
		refuse = []int{http.StatusUnauthorized}
	}
	switch {
	case !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodPost}, k.method):
		return k, errors.New("method: want GET, HEAD or POST")
	case (k.header == "") == (k.parameter == ""):
		return k, errors.New("header: want either a header or a parameter that carries the key")
	case !field(k.header) || !field(k.parameter) || strings.ContainsAny(k.prefix, "\r\n\x00"):
		return k, errors.New("header: want a name of letters, digits, - and _")
	case c.Equals != "" && c.Member == "":
		return k, errors.New("equals: needs member")
	}
	for _, s := range slices.Concat(accept, refuse) {
		if _, says := general(s); s < 200 || s > 599 || says && s != http.StatusForbidden {
			return k, fmt.Errorf("accept, refuse: %d says nothing about a key", s)
		}
	}
	for _, s := range accept {
		if slices.Contains(refuse, s) {
			return k, fmt.Errorf("accept, refuse: %d cannot mean both", s)
		}
	}
	k.judge = func(status int, body []byte) Result {
		switch {
		case slices.Contains(accept, status) && c.wanted(body):
			return Result{Accepted, "reply", status}
		case slices.Contains(refuse, status):
			return Result{Refused, "refused", status}
		}
		if out, done := general(status); done {
			return out
		}
		return Result{Unknown, "reply", status}
	}
	return k, nil
}

// wanted reports whether an answer has the member that was asked for.
func (c Config) wanted(body []byte) bool {
	if c.Member == "" {
		return true
	}
	r, ok := object(body)
	if !ok || !has(c.Member)(r) {
		return false
	}
	got := strings.TrimSpace(string(r[c.Member]))
	return c.Equals == "" || r.text(c.Member) == c.Equals || got == c.Equals
}

func field(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
