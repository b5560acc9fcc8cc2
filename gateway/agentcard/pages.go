package agentcard

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a/card"
	"github.com/portcullis-dev/portcullis/internal/protocol/problem"
)

// page is a card as it is sent. The slices are values of header fields.
type page struct {
	body        []byte
	tag, length []string
}

// pages are the forms of one card; one that the agent does not speak is nil.
type pages struct{ newer, older, both *page }

// write makes the pages of a card.
func (k *Keeper) write(c *card.Card, f card.Face) (*pages, error) {
	c, err := c.Behind(f)
	if err != nil {
		return nil, err
	}
	p := &pages{}
	for _, one := range [...]struct {
		form card.Form
		to   **page
	}{{card.V1, &p.newer}, {card.V03, &p.older}, {card.Both, &p.both}} {
		if one.form != card.Both && !c.Has(one.form) {
			continue
		}
		raw, err := k.document(c, one.form)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(raw)
		*one.to = &page{body: raw, tag: []string{`"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}, length: []string{strconv.Itoa(len(raw))}}
	}
	return p, nil
}

// document writes a card in a form and signs it. What a reader of 1.0 makes of
// the form that is both has a signature of its own.
func (k *Keeper) document(c *card.Card, form card.Form) ([]byte, error) {
	style := card.Style{ScopeArrays: k.o.Config.ScopeArrays}
	raw, err := c.Marshal(form, style)
	if err != nil || k.o.Sign == nil {
		return raw, err
	}
	var others [][]byte
	if form == card.Both && c.Has(card.V1) && c.Has(card.V03) {
		newer, err := c.Marshal(card.V1, style)
		if err != nil {
			return nil, err
		}
		others = append(others, newer)
	}
	return card.Sign(raw, k.o.Sign, others...)
}

func cacheControl(d time.Duration) string {
	return "public, max-age=" + strconv.Itoa(int(d/time.Second))
}

// The header that names the version of the protocol.
const versionHeader = "A2a-Version"

// form says which page a request is for: that of the version it names, else
// that which readers of either version understand; at the path of old, that of
// 0.3 if there is one. A version that there is, but that the agent does not
// speak, gets the card too: to find out which it speaks is what a card is for.
func (p *pages) form(req *http.Request) *page {
	version := req.Header.Get(versionHeader)
	switch {
	case version == "" && strings.HasSuffix(req.URL.Path, LegacyPath) && p.older != nil:
		return p.older
	case version == "":
		return p.both
	case version == "1.0" || strings.HasPrefix(version, "1.0."):
		return cmp.Or(p.newer, p.both)
	case version == "0.3" || strings.HasPrefix(version, "0.3."):
		return cmp.Or(p.older, p.both)
	}
	return nil
}

// ServeHTTP shows the card: public, the same for all, and readable from web
// pages. While there is none, the agent is asked at once, and 502 is the answer
// if that fails.
func (k *Keeper) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h["Access-Control-Allow-Origin"] = []string{"*"}
	if req.Method == http.MethodOptions { // of a web page that wants to name its version
		h["Access-Control-Allow-Methods"], h["Access-Control-Allow-Headers"] = []string{"GET, HEAD"}, []string{"A2A-Version"}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		h["Allow"] = []string{"GET, HEAD, OPTIONS"}
		refuse(w, req, &portcullis.Error{Kind: portcullis.KindMethodNotAllowed, Reason: "method_not_allowed"})
		return
	}
	p := k.pages.Load()
	if p == nil {
		if p = k.first(req.Context()); p == nil {
			refuse(w, req, &portcullis.Error{Kind: portcullis.KindUpstream, Reason: "upstream", Public: "The agent's card is not available"})
			return
		}
	}
	h["Vary"] = []string{"A2A-Version"}
	one := p.form(req)
	if one == nil {
		refuse(w, req, &portcullis.Error{Kind: portcullis.KindMalformed, Reason: "version_not_supported", Public: "The agent does not speak this version of the protocol"})
		return
	}
	h["Etag"] = one.tag
	h["Cache-Control"] = []string{k.maxAge}
	if matches(req.Header.Get("If-None-Match"), one.tag[0]) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = one.length
	w.WriteHeader(http.StatusOK)
	if req.Method == http.MethodGet {
		_, _ = w.Write(one.body) // a caller who left reads nothing
	}
}

// first asks the agent for its first card, one caller at a time, and not more
// often than every second.
func (k *Keeper) first(ctx context.Context) *pages {
	if !k.lock(ctx) {
		return nil
	}
	defer k.unlock()
	if p := k.pages.Load(); p != nil || time.Since(k.tried) < firstGap {
		return p
	}
	k.refresh(context.WithoutCancel(ctx)) // what one caller asked for is for all
	return k.pages.Load()
}

func refuse(w http.ResponseWriter, req *http.Request, e *portcullis.Error) {
	h := w.Header()
	h["Content-Type"] = []string{problem.ContentType}
	h["Cache-Control"] = []string{"no-store"}
	w.WriteHeader(e.Kind.Status())
	if req.Method != http.MethodHead {
		_, _ = w.Write(problem.Append(nil, e, h.Get("X-Request-Id")))
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

// Publish adds the card of a route to the paths that the gateway answers
// itself: below the route, and at the host for the first route that does.
func Publish(fixed map[string]http.Handler, path string, k *Keeper) {
	path = strings.TrimSuffix(path, "/")
	for _, p := range [...]string{Path, LegacyPath} {
		fixed[path+p] = k
		if fixed[p] == nil {
			fixed[p] = k
		}
	}
}
