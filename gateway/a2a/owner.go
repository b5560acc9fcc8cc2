package a2a

import (
	"context"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authz/ownership"
	"github.com/portcullis-dev/portcullis/internal/protocol/a2a"
	"github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"
)

// Owner is the guard "ownership": tasks and contexts are those of the principal
// for whom the agent made them. What another made, and what nobody is known to
// have made, is not found. It stands in both directions: what an agent makes
// is noted before its id is told.
type Owner struct {
	Route  string
	Ledger *ownership.Ledger
	Limits jsonrpc.Limits // of replies
	Claims bool           // callers may name a context that nobody owns
}

var _ portcullis.Inspector = (*Owner)(nil)

// Name returns "ownership".
func (*Owner) Name() string { return "ownership" }

// Inspect implements [portcullis.Inspector].
func (o *Owner) Inspect(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Direction == portcullis.ToServer {
		return m, o.call(ctx, who, m)
	}
	if m.Shape != portcullis.ShapeResult {
		return m, nil
	}
	return o.reply(ctx, who, m)
}

func (o *Owner) key(k ownership.Kind, id string) ownership.Key {
	return ownership.KeyOf(o.Route, k, id)
}

// call refuses what names a thing that is not the caller's.
func (o *Owner) call(ctx context.Context, who portcullis.Principal, m *portcullis.Message) error {
	if m.TaskID != "" {
		if err := o.mine(ctx, who, ownership.Task, m.TaskID); err != nil {
			return err
		}
	}
	if a2a.Sends(m.Method) && a2a.MayHoldReferences(m) {
		facts, err := a2a.Look(m)
		if err != nil {
			return err
		}
		for _, id := range facts.References {
			if err := o.mine(ctx, who, ownership.Task, id); err != nil {
				return err
			}
		}
	}
	if m.Session == "" {
		return nil
	}
	if o.Claims && a2a.Sends(m.Method) && m.TaskID == "" {
		ok, err := o.Ledger.Claim(ctx, o.key(ownership.Context, m.Session), who.ID)
		return verdict(ownerOf(ok), err, "context")
	}
	return o.mine(ctx, who, ownership.Context, m.Session)
}

// mine refuses what the caller does not own.
func (o *Owner) mine(ctx context.Context, who portcullis.Principal, k ownership.Kind, id string) error {
	whose, err := o.Ledger.Whose(ctx, o.key(k, id), who.ID)
	return verdict(whose, err, "task or context")
}

// ownerOf says whose a thing is that was, or was not, claimed.
func ownerOf(claimed bool) ownership.Whose {
	if claimed {
		return ownership.Own
	}
	return ownership.Anothers
}

// verdict tells the caller the same whether a thing is another's or nobody's.
// The log knows better: only to ask for what another has is an attempt. Ids
// that lead nowhere are forgotten tasks more often than guesses.
func verdict(whose ownership.Whose, err error, thing string) error {
	switch {
	case err != nil:
		return &portcullis.Error{Kind: portcullis.KindUnavailable, Reason: "unavailable", Detail: "asking whose a task is", Err: err}
	case whose == ownership.Own:
		return nil
	case whose == ownership.Anothers:
		e := a2a.TaskNotFound(thing + " of another")
		e.Event = portcullis.EventUnauthorizedAccess
		return e
	}
	return a2a.TaskNotFound(thing + " that nobody is known to own")
}

// reply notes what the agent made for the caller, and takes from a list what is
// not the caller's. An agent that names what is another's is not passed on.
func (o *Owner) reply(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	if m.Method == a2a.ListTasks {
		return o.list(ctx, who, m)
	}
	ask := o.Ledger.Owns
	if a2a.Sends(m.Method) { // only an answer to a message can bring something new
		ask = o.Ledger.Claim
	}
	for k, id := range map[ownership.Kind]string{ownership.Task: m.TaskID, ownership.Context: m.Session} {
		if id == "" {
			continue
		}
		ok, err := ask(ctx, o.key(k, id), who.ID)
		if err != nil {
			return nil, verdict(ownership.Nobodys, err, "")
		}
		if !ok {
			return nil, &portcullis.Error{
				Kind: portcullis.KindUpstream, Reason: "reply_rejected", Public: "The agent sent an invalid reply", Code: a2a.CodeInvalidAgentResponse,
				Detail: "the agent names a task or context that is not the caller's",
			}
		}
	}
	return m, nil
}

// list leaves what the caller owns.
func (o *Owner) list(ctx context.Context, who portcullis.Principal, m *portcullis.Message) (*portcullis.Message, error) {
	var r a2a.Reply
	if err := a2a.ReadReply(&r, m.Raw, a2a.Answering{Call: m, Status: 200, Limits: o.Limits}); err != nil {
		return nil, err
	}
	var failed error
	raw, changed := a2a.FilterTasks(&r, func(task, _ string) bool {
		ok, err := o.Ledger.Owns(ctx, o.key(ownership.Task, task), who.ID)
		if err != nil {
			failed = err
		}
		return ok
	})
	if failed != nil {
		return nil, verdict(ownership.Nobodys, failed, "")
	}
	if changed {
		m.Raw = raw
		restore(m)
	}
	return m, nil
}
