package signing

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// JWKSPath is where the key set is published.
const JWKSPath = "/.well-known/jwks.json"

// jwksSeconds is how long a key set may be cached: well under [Ahead], so that
// a key is known before it signs.
const jwksSeconds = 300

// document is the key set as it is published, and its entity tag.
func document(keys []*key) ([]byte, string, error) {
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.jwk)
	}
	doc, err := json.Marshal(set)
	if err != nil {
		return nil, "", fmt.Errorf("key set: %w", err)
	}
	sum := sha256.Sum256(doc)
	return doc, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, nil
}

// ServeHTTP publishes the key set: public, the same for all, and readable from
// web pages, where clients run too.
func (r *Ring) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h["Access-Control-Allow-Origin"] = []string{"*"}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		h["Allow"] = []string{"GET, HEAD"}
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	s := r.set.Load()
	h["Etag"] = []string{s.tag}
	h["Cache-Control"] = []string{"public, max-age=" + strconv.Itoa(jwksSeconds)}
	if matches(req.Header.Get("If-None-Match"), s.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = []string{"application/jwk-set+json"}
	h["Content-Length"] = []string{strconv.Itoa(len(s.doc))}
	w.WriteHeader(http.StatusOK)
	if req.Method == http.MethodGet {
		_, _ = w.Write(s.doc) // a caller who left reads nothing
	}
}

// matches reports whether an If-None-Match names a tag (RFC 9110 section
// 13.1.2, weak comparison).
func matches(field, tag string) bool {
	for given := range strings.SplitSeq(field, ",") {
		given = strings.TrimSpace(given)
		if given == "*" || strings.TrimPrefix(given, "W/") == tag {
			return true
		}
	}
	return false
}
