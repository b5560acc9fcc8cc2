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

// send is the same said to an agent: a SendMessage of A2A 1.0 of about 350 bytes.
const send = `{"jsonrpc":"2.0","id":4711,"method":"SendMessage","params":{"message":{"messageId":"0af76519-16cd-43dd-8448-eb211c80319c","role":"ROLE_USER","parts":[{"text":"Search the documents for the quarterly report on network incidents of the team platform, from 2026-01-01 to 2026-06-30, and give me the title, author, date and summary of the first twenty."}]},"configuration":{"acceptedOutputModes":["text/plain"]}}}`

const sent = `{"jsonrpc":"2.0","id":4711,"result":{"message":{"messageId":"b7ad6b71-6920-4333-9be1-c0ffee004711","role":"ROLE_AGENT","parts":[{"text":"Found 3 documents about network incidents in the first half of the year: the March outage of the west region, the May certificate expiry and the June routing leak. Each has a review with owner, timeline and follow-up work."},{"text":"1. west region outage\n2. certificate expiry\n3. routing leak"}]}}}`

// card is what the agent says of itself.
const card = `{"name":"Librarian","description":"Finds documents.","version":"1.0.0","supportedInterfaces":[{"url":"http://%s/a2a","protocolBinding":"JSONRPC","protocolVersion":"1.0"}],"capabilities":{"streaming":false},"defaultInputModes":["text/plain"],"defaultOutputModes":["text/plain"],"skills":[{"id":"search","name":"Search","description":"Finds documents.","tags":["search"]}]}`

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
	text := answer
	switch r.URL.Path {
	case "/a2a":
		text = sent
	case "/.well-known/agent-card.json":
		text = fmt.Sprintf(card, r.Host)
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := io.WriteString(w, text); err != nil {
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
