package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// call is the request every target answers: a tools/call of about 350 bytes.
const call = `{"jsonrpc":"2.0","id":4711,"method":"tools/call","params":{"name":"search_documents","arguments":{"query":"quarterly report on network incidents","limit":20,"filters":{"team":"platform","from":"2026-01-01","to":"2026-06-30"},"fields":["title","author","updated_at","summary"]},"_meta":{"progressToken":"c0ffee-4711","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}}`

const answer = `{"jsonrpc":"2.0","id":4711,"result":{"content":[{"type":"text","text":"Found 3 documents about network incidents in the first half of the year: the March outage of the west region, the May certificate expiry and the June routing leak. Each has a review with owner, timeline and follow-up work."},{"type":"text","text":"1. west region outage\n2. certificate expiry\n3. routing leak"}],"isError":false}}`

// serveRole runs one of the helper servers in a process of its own, so that
// its CPU time can be told from the others'.
func serveRole(role string, args []string) error {
	var h http.Handler
	switch role {
	case "upstream":
		h = http.HandlerFunc(serveUpstream)
	case "yardstick":
		target, err := url.Parse(args[1])
		if err != nil {
			return fmt.Errorf("yardstick target: %w", err)
		}
		h = yardstick(target)
	default:
		return fmt.Errorf("unknown role %q", role)
	}
	l, err := net.Listen("tcp", args[0])
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	return s.Serve(l)
}

func serveUpstream(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		http.Error(w, "body", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := io.WriteString(w, answer); err != nil {
		return // the client left; nobody to tell
	}
}

// yardstick is what a careful Go programmer writes first.
func yardstick(target *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		FlushInterval: -1,
		Transport: &http.Transport{
			MaxIdleConns: 512, MaxIdleConnsPerHost: 512, IdleConnTimeout: time.Minute,
			DisableCompression: true, ResponseHeaderTimeout: 30 * time.Second,
		},
	}
}
