package chronicle

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	maxBody        = 64 << 10 // bytes of a request
	sessionTimeout = 30 * time.Minute
)

// readOnly answers the routes that other servers change histories by.
const readOnly = "the history belongs to the browser: it is read-only here, use the browser to delete or sync it"

// HTTPHandler serves MCP (Streamable HTTP) at /mcp and the REST API of R1-2 at
// /api. It refuses requests that a web page of another origin sends and hosts
// that are no address of this machine (DNS rebinding); it sets no CORS headers.
// Without Config.Token it authenticates nobody: bind it to loopback, or put the
// gateway in front.
func (s *Server) HTTPHandler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/mcp", mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.mcp },
		&mcp.StreamableHTTPOptions{
			Logger: s.log, SessionTimeout: sessionTimeout, MaxRequestBodyBytes: maxBody, PropagateRequestCancellation: true,
		}))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusOK, map[string]string{"status": "healthy"})
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if len(s.profiles()) == 0 {
			refuse(w, &Error{Status: http.StatusServiceUnavailable, Message: "no browser with a history found on this machine"})
			return
		}
		reply(w, http.StatusOK, map[string]string{"status": "ready"})
	})
	for _, q := range queries() {
		mux.HandleFunc(q.route, s.rest(q))
		method, path, _ := strings.Cut(q.route, " ")
		mux.HandleFunc(path, notAllowed(method, "want "+method))
	}
	for _, path := range []string{"/health", "/ready"} {
		mux.HandleFunc(path, notAllowed(http.MethodGet, "want GET"))
	}
	for _, path := range []string{"/api/delete", "/api/sync"} {
		mux.HandleFunc(path, notAllowed("", readOnly))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, &Error{Status: http.StatusNotFound, Message: "no such route"})
	})
	return s.protect(mux)
}

// protect keeps web pages and strangers out.
func (s *Server) protect(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	want := sha256.Sum256([]byte(s.cfg.Token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		if !s.ourHost(r.Host) {
			refuse(w, &Error{Status: http.StatusForbidden, Message: "host not allowed"})
			return
		}
		if r.Header.Get("Origin") != "" && r.Header.Get("Sec-Fetch-Site") == "cross-site" || origin.Check(r) != nil {
			refuse(w, &Error{Status: http.StatusForbidden, Message: "cross-origin request refused"})
			return
		}
		if s.cfg.Token != "" && r.URL.Path != "/health" && r.URL.Path != "/ready" {
			token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			got := sha256.Sum256([]byte(token))
			if subtle.ConstantTimeCompare(got[:], want[:]) != 1 || !ok {
				h.Set("WWW-Authenticate", `Bearer realm="chronicle"`)
				refuse(w, &Error{Status: http.StatusUnauthorized, Message: "token missing or wrong"})
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// ourHost allows addresses, which cannot be rebound, localhost and configured
// names.
func (s *Server) ourHost(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return true
	}
	return slices.ContainsFunc(s.cfg.AllowedHosts, func(a string) bool { return strings.EqualFold(a, host) })
}

func notAllowed(allow, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", allow)
		refuse(w, &Error{Status: http.StatusMethodNotAllowed, Message: message})
	}
}

// rest answers one route.
func (s *Server) rest(q query) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(w, r)
		var a Args
		if err == nil {
			a, err = decodeREST(body, q.fields)
		}
		var res *Result
		if err == nil {
			res, err = s.run(r.Context(), &q, a)
		}
		if err != nil {
			refuse(w, err)
			return
		}
		if q.tool == "export_history" {
			w.Header().Set("Content-Type", res.MIME+"; charset=utf-8")
			if res.MIME == "text/csv" {
				w.Header().Set("Content-Disposition", `attachment; filename="history.csv"`)
			}
			_, _ = io.WriteString(w, res.Text) // the client is gone
			return
		}
		reply(w, http.StatusOK, restBody(res))
	}
}

// restBody gives a Result the form of the REST API: always structured where the
// route has one form only, else Markdown inside JSON.
func restBody(res *Result) any {
	switch d := res.Data.(type) {
	case TopDomains:
		return struct {
			Browser string   `json:"browser"`
			Domains []Domain `json:"domains"`
		}{d.Browser, d.Domains}
	case TopPages:
		return struct {
			Browser string    `json:"browser"`
			Pages   []TopPage `json:"pages"`
		}{d.Browser, d.Pages}
	case Rows, Bookmarks, Downloads:
		if res.MIME == "text/markdown" {
			return map[string]string{"results": res.Text}
		}
	}
	return res.Data
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil, nil
	}
	if ct := r.Header.Get("Content-Type"); ct != "" {
		if media, _, err := mime.ParseMediaType(ct); err != nil || media != "application/json" {
			return nil, &Error{Status: http.StatusUnsupportedMediaType, Message: "want application/json"}
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &Error{Status: http.StatusRequestEntityTooLarge, Message: "body: larger than 64 KiB", Err: err}
	case err != nil:
		return nil, &Error{Status: http.StatusBadRequest, Message: "body: incomplete", Err: err}
	}
	return body, nil
}

// decodeREST accepts "format" for "format_type", as the REST API spells it.
func decodeREST(body []byte, fields []field) (Args, error) {
	var object map[string]jsontext.Value
	if json.Unmarshal(body, &object) == nil {
		if v, ok := object["format"]; ok && slices.ContainsFunc(fields, func(f field) bool { return f.name == "format_type" }) {
			if _, both := object["format_type"]; both {
				return Args{}, invalid("format, format_type: want one of them")
			}
			delete(object, "format")
			object["format_type"] = v
			body = marshal(object)
		}
	}
	return decodeArgs(body, fields)
}

func refuse(w http.ResponseWriter, err error) {
	status, message := http.StatusInternalServerError, "internal error"
	var e *Error
	if errors.As(err, &e) {
		status, message = e.Status, e.Message
	}
	reply(w, status, map[string]string{"error": message})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(marshal(v), '\n')) // the client is gone
}
