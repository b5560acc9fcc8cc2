package a2aclient

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/a2aproject/a2a-go/v2/a2a"
	sdk "github.com/a2aproject/a2a-go/v2/a2aclient"
	"github.com/a2aproject/a2a-go/v2/a2acompat/a2av0"

	"github.com/portcullis-dev/portcullis/a2aclient/internal/guard"
)

// Client calls one agent. It is safe for concurrent use.
type Client struct {
	card      *Card
	via       Interface
	set       *settings
	log       *log
	sdk       *sdk.Client
	guard     *guard.Guard
	transport *http.Transport
	sessions  *sessions
}

// Connect finds the agent's card, checks it, and returns a client for the best
// interface in it. Nothing but the card is asked for.
func Connect(ctx context.Context, agentURL string, opts Options) (*Client, error) {
	set, err := opts.check()
	if err != nil {
		return nil, err
	}
	l := &log{to: opts.Observer}
	c, err := discover(ctx, agentURL, set, l)
	if err != nil {
		return nil, err
	}
	return open(ctx, c, set, l)
}

// New returns a client for a card that [Discover] returned. It asks nobody.
func New(ctx context.Context, c *Card, opts Options) (*Client, error) {
	set, err := opts.check()
	if err != nil {
		return nil, err
	}
	fresh, err := readCard(c.raw, c.URL, c.at, set) // by these options, which may allow less
	if err != nil {
		return nil, err
	}
	return open(ctx, fresh, set, &log{to: opts.Observer})
}

func open(ctx context.Context, c *Card, set *settings, l *log) (*Client, error) {
	via, ok := c.choose(set.Bindings)
	if !ok {
		return nil, guard.Faultf(ErrCard, "it has no interface of the bindings that may be used")
	}
	issuers, err := guard.NewTransport(set.wire(false))
	if err != nil {
		return nil, err
	}
	b := guard.Binder{Card: c.doc, Credentials: set.Credentials, Allowed: set.allowed, At: c.at, Issuers: issuers}
	bound, err := b.Bind()
	if err != nil {
		return nil, err
	}
	transport, err := guard.NewTransport(set.wire(true))
	if err != nil {
		return nil, err
	}
	out := &Client{
		card: c, via: via, set: set, log: l, transport: transport,
		sessions: newSessions(set.Limits.Sessions, set.Limits.SessionTTL, l),
	}
	lim := set.Limits
	out.guard = &guard.Guard{
		Base: transport, At: via.at, Binding: via.Binding, Version: major(via.Version), Auth: bound.Appliers, UserAgent: set.UserAgent, Watch: l,
		Bounds: guard.Bounds{Body: lim.Body, Event: lim.Event, Events: lim.Events, StreamBytes: lim.StreamBytes, Silence: lim.Silence},
	}
	if out.sdk, err = speak(ctx, via, out.guard); err != nil {
		return nil, err
	}
	l.tell(Notice{Kind: Connected})
	return out, nil
}

// speak makes the SDK's client for one interface.
func speak(ctx context.Context, via Interface, g *guard.Guard) (*sdk.Client, error) {
	h := &http.Client{Transport: g, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	at := &a2a.AgentInterface{
		URL: via.URL, ProtocolBinding: a2a.TransportProtocol(via.Binding), ProtocolVersion: a2a.ProtocolVersion(major(via.Version)), Tenant: via.tenant,
	}
	client, err := sdk.NewFromEndpoints(ctx, []*a2a.AgentInterface{at}, sdk.WithDefaultsDisabled(),
		sdk.WithJSONRPCTransport(h), sdk.WithRESTTransport(h),
		a2av0.WithJSONRPCTransport(a2av0.JSONRPCTransportConfig{Client: h}), a2av0.WithRESTTransport(a2av0.RESTTransportConfig{Client: h}))
	if err != nil {
		return nil, guard.Faultf(ErrCard, "no interface of it can be used")
	}
	return client, nil
}

// Card is the card of the agent.
func (c *Client) Card() *Card { return c.card }

// Via is the interface that is used.
func (c *Client) Via() Interface { return c.via }

// Stats returns counts since the client was made.
func (c *Client) Stats() Stats {
	s := c.log.stats()
	s.Sessions = c.sessions.count()
	return s
}

// Close ends the connections that are idle.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.log.tell(Notice{Kind: Disconnected})
}

// Message is what an agent is told.
type Message struct {
	Text        string
	Parts       []*a2a.Part // behind the text
	Skill       string      // "" = the agent chooses
	Context     string      // of a conversation that the agent named; "" = a new one
	Task        string      // that waits for this message; "" = none
	Session     string      // a name of the caller's own: the client remembers its context and task
	ID          string      // "" = a new one
	Immediately bool        // answer when the task exists, not when it is done
	OutputModes []string    // media types that are understood; empty = any
}

// MaxText bounds the text of a message, in characters, without white space at
// its ends.
const MaxText = 10_000

const maxParts = 100

// request makes a message of the protocol.
func (c *Client) request(m Message) (*a2a.SendMessageRequest, error) {
	text := strings.TrimSpace(m.Text)
	switch {
	case text == "" && len(m.Parts) == 0:
		return nil, guard.Faultf(ErrMessage, "it is empty")
	case !utf8.ValidString(text):
		return nil, guard.Faultf(ErrMessage, "its text is not UTF-8")
	case utf8.RuneCountInString(text) > MaxText:
		return nil, guard.Faultf(ErrMessage, "its text is longer than %d characters: send it as a file", MaxText)
	case len(m.Parts) > maxParts || slices.Contains(m.Parts, nil):
		return nil, guard.Faultf(ErrMessage, "it has more than %d parts, or one that is none", maxParts)
	case m.Skill != "" && !c.card.hasSkill(m.Skill):
		return nil, guard.Faultf(ErrMessage, "the agent's card lists no such skill")
	}
	if m.Session != "" && m.Context == "" && m.Task == "" {
		m.Context, m.Task = c.sessions.get(m.Session)
	}
	for what, id := range map[string]string{"context": m.Context, "task": m.Task, "message": m.ID} {
		if id != "" {
			if err := guard.CheckID(what, id); err != nil {
				return nil, err
			}
		}
	}
	var parts []*a2a.Part
	if text != "" {
		parts = append(parts, a2a.NewTextPart(text))
	}
	out := a2a.NewMessage(a2a.MessageRoleUser, append(parts, m.Parts...)...)
	out.ContextID, out.TaskID = m.Context, a2a.TaskID(m.Task)
	if m.ID != "" {
		out.ID = m.ID
	}
	if m.Skill != "" {
		out.SetMeta("skillId", m.Skill)
	}
	return &a2a.SendMessageRequest{
		Message: out,
		Config:  &a2a.SendMessageConfig{ReturnImmediately: m.Immediately, AcceptedOutputModes: m.OutputModes},
	}, nil
}

// Reply is an agent's answer to a message: a task or a message.
type Reply struct {
	Task    *a2a.Task
	Message *a2a.Message
}

// Send sends a message. It is never sent twice: what happened to one whose
// answer was lost, the agent's tasks tell.
func (c *Client) Send(ctx context.Context, m Message) (Reply, error) {
	req, err := c.request(m)
	if err != nil {
		return Reply{}, err
	}
	got, err := call(ctx, c, methodSend, func(ctx context.Context) (a2a.SendMessageResult, error) { return c.sdk.SendMessage(ctx, req) })
	if err != nil {
		return Reply{}, err
	}
	var out Reply
	switch r := got.(type) {
	case *a2a.Task:
		out.Task = r
		err = c.sound(r, "")
	case *a2a.Message:
		out.Message = r
	default:
		err = guard.Faultf(ErrReply, "it is neither a task nor a message")
	}
	if err == nil {
		c.remember(m.Session, got)
	}
	return out, err
}

// remember notes the conversation that an event belongs to.
func (c *Client) remember(session string, e a2a.Event) {
	if session == "" {
		return
	}
	info := e.TaskInfo()
	task := ""
	if s, ok := stateOf(e); ok && waiting(s) {
		task = string(info.TaskID)
	}
	if info.ContextID != "" && guard.CheckID("context", info.ContextID) == nil && (task == "" || guard.CheckID("task", task) == nil) {
		c.sessions.put(session, info.ContextID, task)
	}
}

// sound checks a task that the agent returned; id is the one that was asked
// for, "" = any.
func (c *Client) sound(t *a2a.Task, id string) error {
	switch {
	case t == nil || t.ID == "":
		return guard.Faultf(ErrReply, "its task has no id")
	case id != "" && string(t.ID) != id:
		return guard.Faultf(ErrReply, "it is about another task")
	case t.Status.State == a2a.TaskStateUnspecified:
		return guard.Faultf(ErrReply, "its task has no state")
	}
	c.log.tell(Notice{Kind: TaskUpdated, TaskID: guard.Words(string(t.ID)), State: guard.Words(string(t.Status.State))})
	return nil
}

// call makes one call of the protocol.
func call[T any](ctx context.Context, c *Client, m method, f func(context.Context) (T, error)) (T, error) {
	return attempt(ctx, c.set, c.log, m, c.guard.Refused, f)
}

// Task returns a task.
func (c *Client) Task(ctx context.Context, id string) (*a2a.Task, error) {
	if err := c.checkTask(id); err != nil {
		return nil, err
	}
	t, err := call(ctx, c, methodGet, func(ctx context.Context) (*a2a.Task, error) {
		return c.sdk.GetTask(ctx, &a2a.GetTaskRequest{ID: a2a.TaskID(id)})
	})
	if err != nil {
		return nil, err
	}
	return t, c.sound(t, id)
}

// checkTask checks an id before it becomes part of a path.
func (c *Client) checkTask(id string) error {
	if err := guard.CheckID("task", id); err != nil {
		return err
	}
	if c.via.Binding == HTTPJSON && strings.Contains(id, ":") {
		return guard.Faultf(ErrID, "task: a colon means an action in the HTTP+JSON binding")
	}
	return nil
}

// Cancel asks the agent to end a task and returns it.
func (c *Client) Cancel(ctx context.Context, id string) (*a2a.Task, error) {
	if err := c.checkTask(id); err != nil {
		return nil, err
	}
	t, err := call(ctx, c, methodCancel, func(ctx context.Context) (*a2a.Task, error) {
		return c.sdk.CancelTask(ctx, &a2a.CancelTaskRequest{ID: a2a.TaskID(id)})
	})
	if err != nil {
		return nil, err
	}
	return t, c.sound(t, id)
}

// Query says which tasks are listed.
type Query struct {
	Context string // "" = of all
	State   a2a.TaskState
	Size    int    // of a page; 0 = the agent's
	Page    string // the token of the page before; "" = the first
}

// Tasks lists tasks, a page at a time; next is the token of the page behind it.
// Agents of version 0.3 over JSON-RPC cannot.
func (c *Client) Tasks(ctx context.Context, q Query) (tasks []*a2a.Task, next string, err error) {
	if q.Context != "" {
		if err := guard.CheckID("context", q.Context); err != nil {
			return nil, "", err
		}
	}
	got, err := call(ctx, c, methodList, func(ctx context.Context) (*a2a.ListTasksResponse, error) {
		return c.sdk.ListTasks(ctx, &a2a.ListTasksRequest{ContextID: q.Context, Status: q.State, PageSize: q.Size, PageToken: q.Page})
	})
	if err != nil {
		return nil, "", err
	}
	if slices.Contains(got.Tasks, nil) {
		return nil, "", guard.Faultf(ErrReply, "a task in the list is none")
	}
	return got.Tasks, got.NextPageToken, nil
}
