// Package sampleagent is an agent made with the official SDK, for tests: it
// speaks A2A 1.0 and 0.3, over JSON-RPC and HTTP+JSON.
//
// What it does, the message says: "say TEXT" is answered with a message,
// "count" with a task that makes an artifact in three pieces, "ask" with one
// that waits for an answer, "wait" with one that goes on until it is cancelled
// or [Agent.Release] is called.
package sampleagent

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"
	"github.com/a2aproject/a2a-go/v2/a2asrv"
	"github.com/a2aproject/a2a-go/v2/a2asrv/push"
	"github.com/a2aproject/a2a-go/v2/a2asrv/taskstore"
)

// Bindings and versions.
const (
	JSONRPC  = "JSONRPC"
	HTTPJSON = "HTTP+JSON"
	V1       = "1.0"
	V03      = "0.3"
)

// Options say what the agent is like.
type Options struct {
	Version  string // "" = 1.0
	Binding  string // "" = JSON-RPC
	NoStream bool   // that the card does not offer streaming
	Token    string // a bearer token that callers need; "" = anybody may call
	// Card changes the card before it is served.
	Card func(*a2a.AgentCard)
}

// Agent is a running agent.
type Agent struct {
	URL    string
	Server *httptest.Server

	free chan struct{}
	once sync.Once
	mu   sync.Mutex
	seen []*http.Request
}

// Start runs an agent until Close.
func Start(o Options) *Agent {
	if o.Version == "" {
		o.Version = V1
	}
	if o.Binding == "" {
		o.Binding = JSONRPC
	}
	a := &Agent{free: make(chan struct{})}
	mux := http.NewServeMux()
	a.Server = httptest.NewUnstartedServer(a.note(mux))
	a.Server.Start()
	a.URL = a.Server.URL
	card := a.card(o)
	handler := a2asrv.NewHandler(a, a2asrv.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))),
		a2asrv.WithTaskStore(taskstore.NewInMemory(&taskstore.InMemoryStoreConfig{Authenticator: anybody})),
		a2asrv.WithPushNotifications(push.NewInMemoryStore(), nothing{}))
	var methods http.Handler
	switch {
	case o.Version == V1 && o.Binding == JSONRPC:
		methods = a2asrv.NewJSONRPCHandler(handler)
	case o.Version == V1:
		methods = a2asrv.NewRESTHandler(handler)
	case o.Binding == JSONRPC:
		methods = a2av0.NewJSONRPCHandler(handler)
	default:
		methods = a2av0.NewRESTHandler(handler)
	}
	methods = guarded(o.Token, methods)
	mux.Handle("/a2a/", http.StripPrefix("/a2a", methods))
	if o.Version == V1 {
		mux.Handle("/.well-known/agent-card.json", a2asrv.NewStaticAgentCardHandler(card))
	} else {
		mux.Handle("/.well-known/agent.json", a2asrv.NewAgentCardHandler(a2av0.NewStaticAgentCardProducer(card)))
	}
	return a
}

func (a *Agent) card(o Options) *a2a.AgentCard {
	path := "/a2a"
	if o.Binding == JSONRPC {
		path += "/"
	}
	card := &a2a.AgentCard{
		Name: "Sample", Description: "Counts and repeats.", Version: "1.2.3",
		SupportedInterfaces: []*a2a.AgentInterface{{
			URL: a.URL + path, ProtocolBinding: a2a.TransportProtocol(o.Binding), ProtocolVersion: a2a.ProtocolVersion(o.Version),
		}},
		Capabilities:      a2a.AgentCapabilities{Streaming: !o.NoStream, PushNotifications: true},
		DefaultInputModes: []string{"text/plain"}, DefaultOutputModes: []string{"text/plain"},
		Skills: []a2a.AgentSkill{{ID: "count", Name: "Count", Description: "Counts to three.", Tags: []string{"numbers"}}},
	}
	if o.Token != "" {
		card.SecuritySchemes = a2a.NamedSecuritySchemes{"token": a2a.HTTPAuthSecurityScheme{Scheme: "Bearer"}}
		card.SecurityRequirements = a2a.SecurityRequirementsOptions{{"token": {}}}
	}
	if o.Card != nil {
		o.Card(card)
	}
	return card
}

// guarded lets those in who have the token.
func guarded(token string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token != "" && r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// anybody is whoever calls: without a name the SDK lists no tasks.
func anybody(context.Context) (string, error) { return "anybody", nil }

// nothing sends no push notification.
type nothing struct{}

func (nothing) SendPush(context.Context, *a2a.PushConfig, a2a.Event) error { return nil }

// note keeps the requests.
func (a *Agent) note(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.seen = append(a.seen, r.Clone(context.Background()))
		a.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// Seen returns the requests so far, without their bodies.
func (a *Agent) Seen() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*http.Request(nil), a.seen...)
}

// Release lets the tasks that wait go on.
func (a *Agent) Release() { a.once.Do(func() { close(a.free) }) }

// Close ends the agent.
func (a *Agent) Close() {
	a.Release()
	a.Server.CloseClientConnections()
	a.Server.Close()
}

// Execute implements [a2asrv.AgentExecutor].
func (a *Agent) Execute(ctx context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		var text strings.Builder
		for _, p := range ec.Message.Parts {
			text.WriteString(p.Text())
		}
		word, rest, _ := strings.Cut(text.String(), " ")
		if word == "say" {
			yield(a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart(rest)), nil)
			return
		}
		if ec.StoredTask == nil && !yield(a2a.NewSubmittedTask(ec, ec.Message), nil) {
			return
		}
		if !yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateWorking, nil), nil) {
			return
		}
		end := a2a.TaskStateCompleted
		switch {
		case word == "wait":
			select {
			case <-a.free:
			case <-ctx.Done():
				return
			}
		case word == "fail":
			end = a2a.TaskStateFailed
		case word == "ask" && ec.StoredTask == nil:
			yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateInputRequired, a2a.NewMessage(a2a.MessageRoleAgent, a2a.NewTextPart("Which one?"))), nil)
			return
		default:
			if !count(ec, yield) {
				return
			}
		}
		yield(a2a.NewStatusUpdateEvent(ec, end, nil), nil)
	}
}

// count makes an artifact in three pieces.
func count(ec *a2asrv.ExecutorContext, yield func(a2a.Event, error) bool) bool {
	first := a2a.NewArtifactEvent(ec, a2a.NewTextPart("one"))
	if !yield(first, nil) {
		return false
	}
	for i, t := range []string{" two", " three"} {
		e := a2a.NewArtifactUpdateEvent(ec, first.Artifact.ID, a2a.NewTextPart(t))
		e.Append, e.LastChunk = true, i == 1
		if !yield(e, nil) {
			return false
		}
	}
	return true
}

// Cancel implements [a2asrv.AgentExecutor].
func (a *Agent) Cancel(_ context.Context, ec *a2asrv.ExecutorContext) iter.Seq2[a2a.Event, error] {
	return func(yield func(a2a.Event, error) bool) {
		if ec.StoredTask == nil {
			yield(nil, fmt.Errorf("no such task: %w", a2a.ErrTaskNotFound))
			return
		}
		yield(a2a.NewStatusUpdateEvent(ec, a2a.TaskStateCanceled, nil), nil)
	}
}
