// Package provider is a fake of the providers whose keys Portcullis rotates:
// their questions about a key, with the statuses and bodies of the real ones as
// they document them. It is a fake and recorded as such: nothing here was
// answered by a provider.
package provider

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// State is what a provider makes of a key.
type State string

// States. A key that is in none of them is unknown.
const (
	Valid    State = "valid"
	Limited  State = "limited"  // known, and may not ask
	Busy     State = "busy"     // the rate limit is used up
	Broken   State = "broken"   // the provider answers 503
	Flapping State = "flapping" // every other answer is 503, the first one too
	Captured State = "captured" // a proxy answers 200 with a page of its own
	Moved    State = "moved"    // a redirect to another place
)

// Fake answers as all providers, told apart by their paths. It is an
// [http.Handler] and safe for concurrent use.
type Fake struct {
	Minted string // first part of the keys that OpenAI's administration API makes

	mu     sync.Mutex
	keys   map[string]State
	asked  []string // path and key, in order
	minted int
}

// New returns a fake that knows no key.
func New() *Fake { return &Fake{Minted: "sk-svcacct-", keys: map[string]State{}} }

// Set says what becomes of a key; "" forgets it.
func (f *Fake) Set(key string, s State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s == "" {
		delete(f.keys, key)
		return
	}
	f.keys[key] = s
}

// Asked returns what was asked: method, path and key of each question.
func (f *Fake) Asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.asked...)
}

// answers are what one provider says.
type answers struct {
	yes, no, limited, busy, broken string
	noStatus                       int
}

// find returns the provider that a question is for, and the key in it.
func find(r *http.Request) (string, string) {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch r.Method + " " + r.URL.Path {
	case "GET /v1/models":
		if key := r.Header.Get("X-Api-Key"); key != "" && r.Header.Get("Anthropic-Version") != "" {
			return "anthropic", key
		}
		return "openai", bearer
	case "GET /v1beta/models":
		return "google", r.Header.Get("X-Goog-Api-Key")
	case "GET /openai/models":
		if r.URL.Query().Get("api-version") == "" {
			return "", ""
		}
		return "azure-openai", r.Header.Get("Api-Key")
	case "POST /v1/check-api-key":
		return "cohere", bearer
	case "GET /api/whoami-v2":
		return "huggingface", bearer
	case "GET /rate_limit":
		return "github", bearer
	case "POST /api/auth.test":
		return "slack", bearer
	case "GET /custom":
		return "custom", r.Header.Get("X-Token") + r.URL.Query().Get("token")
	}
	return "", ""
}

func known(provider string) (answers, bool) {
	a, ok := map[string]answers{
		"openai": {
			yes:     `{"object":"list","data":[{"id":"gpt-4o","object":"model","created":1715367049,"owned_by":"system"}]}`,
			no:      `{"error":{"message":"Incorrect API key provided: sk-****. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`,
			limited: `{"error":{"message":"You have insufficient permissions for this operation. Missing scopes: api.model.read.","type":"invalid_request_error","param":null,"code":null}}`,
			busy:    `{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}`,
			broken:  `{"error":{"message":"The server is currently overloaded with other requests.","type":"server_error","param":null,"code":null}}`,
		},
		"anthropic": {
			yes:     `{"data":[{"type":"model","id":"claude-sonnet-4-20250514","display_name":"Claude Sonnet 4","created_at":"2025-05-14T00:00:00Z"}],"has_more":true,"first_id":"a","last_id":"a"}`,
			no:      `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`,
			limited: `{"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission to use the specified resource."}}`,
			busy:    `{"type":"error","error":{"type":"rate_limit_error","message":"Number of requests has exceeded your rate limit"}}`,
			broken:  `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`,
		},
		"google": {
			yes:      `{"models":[{"name":"models/gemini-2.5-flash","version":"001"}],"nextPageToken":"x"}`,
			no:       `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com","metadata":{"service":"generativelanguage.googleapis.com"}},{"@type":"type.googleapis.com/google.rpc.LocalizedMessage","locale":"en-US","message":"API key not valid. Please pass a valid API key."}]}}`,
			limited:  `{"error":{"code":403,"message":"Requests to this API are blocked.","status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_SERVICE_BLOCKED"}]}}`,
			busy:     `{"error":{"code":429,"message":"Resource has been exhausted","status":"RESOURCE_EXHAUSTED"}}`,
			broken:   `{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`,
			noStatus: http.StatusBadRequest,
		},
		"azure-openai": {
			yes:     `{"data":[{"id":"gpt-4o","object":"model"}],"object":"list"}`,
			no:      `{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."}}`,
			limited: `{"error":{"code":"403","message":"Access denied due to Virtual Network/Firewall rules."}}`,
			busy:    `{"error":{"code":"429","message":"Requests have exceeded call rate limit."}}`,
			broken:  `{"error":{"code":"503","message":"Service unavailable"}}`,
		},
		"cohere": {
			yes: `{"valid":true,"organization_id":"o","owner_id":"u"}`, no: `{"id":"i","message":"invalid api token"}`,
			limited: `{"message":"forbidden"}`, busy: `{"message":"trial token rate limit exceeded"}`, broken: `{"message":"service unavailable"}`,
		},
		"huggingface": {
			yes: `{"type":"user","id":"i","name":"someone","auth":{"type":"access_token"}}`, no: `{"error":"Invalid credentials in Authorization header"}`,
			limited: `{"error":"Forbidden"}`, busy: `{"error":"We had to rate limit you"}`, broken: `{"error":"Internal Error"}`,
		},
		"github": {
			yes: `{"resources":{"core":{"limit":5000,"used":1,"remaining":4999,"reset":1372700873}},"rate":{"limit":5000}}`, no: `{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest","status":"401"}`,
			limited: `{"message":"Resource protected by organization SAML enforcement.","status":"403"}`, busy: `{"message":"API rate limit exceeded"}`, broken: `{"message":"Unicorn"}`,
		},
		"slack": {
			yes: `{"ok":true,"url":"https://team.slack.com/","team":"T","user":"bot","team_id":"T1","user_id":"U1"}`, no: `{"ok":false,"error":"invalid_auth"}`,
			limited: `{"ok":false,"error":"no_permission"}`, busy: `{"ok":false,"error":"ratelimited"}`, broken: `{"ok":false,"error":"internal_error"}`,
			noStatus: http.StatusOK,
		},
		"custom": {yes: `{"active":true,"name":"x"}`, no: `{}`, limited: `{}`, busy: `{}`, broken: `{}`},
	}[provider]
	return a, ok
}

// ServeHTTP answers a question about a key, or makes one.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/v1/organization/") {
		f.mint(w, r)
		return
	}
	name, key := find(r)
	a, ok := known(name)
	f.mu.Lock()
	state := f.keys[key]
	f.asked = append(f.asked, r.Method+" "+r.URL.RequestURI()+" "+key)
	if state == Flapping {
		f.keys[key] = "steady"
		state = Broken
	} else if state == "steady" {
		f.keys[key] = Flapping
		state = Valid
	}
	f.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	status, body := a.noStatus, a.no
	if status == 0 {
		status = http.StatusUnauthorized
	}
	switch state {
	case Valid:
		status, body = http.StatusOK, a.yes
	case Limited:
		body = a.limited
		if status = http.StatusForbidden; name == "slack" {
			status = http.StatusOK
		}
	case Busy:
		status, body = http.StatusTooManyRequests, a.busy
	case Broken:
		if status, body = http.StatusServiceUnavailable, a.broken; name == "anthropic" {
			status = 529
		}
	case Captured:
		status, body = http.StatusOK, "<html>Log in to the network</html>"
	case Moved:
		w.Header().Set("Location", "/elsewhere")
		status, body = http.StatusFound, ""
	}
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// mint is OpenAI's way to make another key of a service account.
func (f *Fake) mint(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, r.Method+" "+r.URL.Path)
	w.Header().Set("Content-Type", "application/json")
	admin, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if f.keys[admin] != Valid || r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/api_keys") {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}`)
		return
	}
	f.minted++
	key := fmt.Sprintf("%s%d", f.Minted, f.minted)
	f.keys[key] = Valid
	fmt.Fprintf(w, `{"object":"organization.project.service_account.api_key","value":%q,"name":"portcullis","created_at":1711471533,"id":"key_%d"}`, key, f.minted)
}
