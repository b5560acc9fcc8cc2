package privacy

import (
	"context"
	"errors"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

// self is the actor of what an erasure does.
func self() portcullis.Actor { return portcullis.Actor{ID: "portcullis", Method: "privacy"} }

// reason is why an erasure ends what it ends.
const reason = "erasure"

// allHolders are all places, in the order in which they are erased: first what
// lets a person in, so that nothing new comes; then the log, so that nobody who
// follows it learns anew; then what was learnt; last the files themselves.
func (p *Part) allHolders() []subject.Holder {
	all := []subject.Holder{
		p.keys(), p.account(), p.enrolment(), p.sessions(), p.notices(), p.approvals(), p.owners(), p.taints(), p.usage(), p.wishes(), p.decisions(), p.words(),
		p.auditLog(), nowhere("tokens", "Values that rules tokenized", "nowhere: the token itself holds the value, encrypted, and is where it was sent",
			"what callers and servers sent", "to keep values from servers", "not kept", "nothing is there to remove"),
		p.sinks(),
		nowhere("evidence", "Evidence and backups", "evidence/, and where operators put them: archives of the audit log as sealed as there, and encrypted copies of the data folder",
			"the data folder", "to prove what happened, and to come back after a loss", "until an operator removes them",
			"evidence: with the key of the audit log; a backup of before holds the key, until it is removed"),
	}
	all = append(all, p.env.Holders...)
	return append(all, p.files())
}

// nowhere is a place of which there is nothing of its own to show or erase.
func nowhere(name, title, where, source, purpose, retention, erasure string) subject.Holder {
	return subject.Holder{Place: subject.Place{
		Name: name, Title: title, Where: where, Data: []string{"none in clear"}, Source: source, Purpose: purpose, Retention: retention, Erasure: erasure,
	}}
}

// sinks is what was sent elsewhere: nobody here can take it back, so it is named.
func (p *Part) sinks() subject.Holder {
	h := nowhere("sinks", "Events on their way to sinks", "audit/journal and audit/deadletter: records of the audit log, as sealed as there",
		"the audit log", "to bring the log to a SIEM", "until sent, at most as long as the log", "with the key of the audit log; what was sent is named in the receipt")
	h.Erase = func(context.Context, *subject.Person) (done subject.Done, _ error) {
		cfg := p.cfg.Load()
		for i := range cfg.Audit.Sinks {
			done.Kept = append(done.Kept, "events that sink "+cfg.Audit.Sinks[i].Name+" took before: they are under its own retention")
		}
		for _, c := range cfg.Detect.Alerts.Channels {
			if c.Personal {
				done.Kept = append(done.Kept, "messages that channel "+c.Name+" took before: they are under its own retention")
			}
		}
		return done, nil
	}
	return h
}

// each runs statements for each of some texts.
func (p *Part) each(ctx context.Context, texts []string, statements ...string) (subject.Done, error) {
	var done subject.Done
	for _, text := range texts {
		n, err := p.store.Forget(ctx, statements, text)
		if done.Count += n; err != nil {
			return done, err
		}
	}
	return done, nil
}

// rows collects rows for each of some texts.
func (p *Part) rows(ctx context.Context, texts []string, query string) (out []any, err error) {
	for _, text := range texts {
		list, err := p.store.Rows(ctx, query, text)
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	return out, nil
}

func (p *Part) keys() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: "keys", Title: "API keys", Where: "portcullis.db: api_keys", Data: []string{"owner", "name of the key", "when it was used last"},
			Source: "operators", Purpose: "to know callers (contract)", Retention: "until erased; a key that ended stays listed", Erasure: "revoked, then removed",
		},
		Collect: func(ctx context.Context, who *subject.Person) (out []any, err error) {
			list, err := p.env.Services.Keys.List(ctx, apikey.Page{})
			for _, k := range list {
				if slices.Contains(who.Keys, k.ID) {
					out = append(out, k)
				}
			}
			return out, err
		},
		Erase: func(ctx context.Context, who *subject.Person) (subject.Done, error) {
			for _, id := range who.Keys {
				if _, err := p.env.Services.Keys.Revoke(ctx, id, reason, self()); err != nil && !errors.Is(err, apikey.ErrNotFound) {
					return subject.Done{}, err
				}
			}
			if err := p.env.Services.Keys.Flush(ctx); err != nil {
				return subject.Done{}, err
			}
			done, err := p.each(ctx, who.Keys, "DELETE FROM api_keys WHERE id = ?1")
			for _, id := range who.Keys {
				p.env.Services.Keys.Invalidate(id)
			}
			return done, err
		},
	}
}

func (p *Part) account() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: "account", Title: "User with a password", Where: "portcullis.db: users", Data: []string{"name", "hash of the password", "roles and scopes"},
			Source: "operators", Purpose: "to know callers (contract)", Retention: "until removed", Erasure: "removed",
		},
		Collect: func(ctx context.Context, who *subject.Person) (out []any, err error) {
			list, err := p.env.Services.Users.List(ctx)
			for _, u := range list {
				if u.ID == who.ID {
					out = append(out, u)
				}
			}
			return out, err
		},
		Erase: func(ctx context.Context, who *subject.Person) (done subject.Done, err error) {
			list, err := p.env.Services.Users.List(ctx)
			for _, u := range list {
				if u.ID != who.ID {
					continue
				}
				if err := p.env.Services.Users.Remove(ctx, u.Name, reason, self()); err != nil && !errors.Is(err, basic.ErrNotFound) {
					return done, err
				}
				done.Count++
			}
			return done, err
		},
	}
}

func (p *Part) enrolment() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: "enrolment", Title: "Zero-knowledge login", Where: "portcullis.db: zkp_enrolments", Data: []string{"user id", "public key", "roles and scopes"},
			Source: "operators and the person", Purpose: "to know callers without a password", Retention: "until removed", Erasure: "removed",
		},
		Collect: func(ctx context.Context, who *subject.Person) ([]any, error) {
			return p.enrolled(ctx, who)
		},
		Erase: func(ctx context.Context, who *subject.Person) (done subject.Done, err error) {
			list, err := p.enrolled(ctx, who)
			for _, e := range list {
				if _, err := p.env.Services.Proofs.Remove(ctx, e.(zkp.Enrolment).UserID, self()); err != nil && !errors.Is(err, zkp.ErrNotEnrolled) {
					return done, err
				}
				done.Count++
			}
			return done, err
		},
	}
}

func (p *Part) enrolled(ctx context.Context, who *subject.Person) (out []any, err error) {
	if p.env.Services.Proofs == nil {
		return nil, nil
	}
	list, err := p.env.Services.Proofs.List(ctx)
	for _, e := range list {
		if e.Subject() == who.ID {
			out = append(out, e)
		}
	}
	return out, err
}

func (p *Part) sessions() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: "sessions", Title: "Sessions and tokens", Where: "portcullis.db: sessions", Data: []string{"address", "name", "when it was used"},
			Source: "the person, by logging in", Purpose: "to keep callers logged in, and to end that", Retention: "until they expire, and a day", Erasure: "ended, then removed",
		},
		Collect: func(ctx context.Context, who *subject.Person) ([]any, error) {
			return p.rows(ctx, []string{who.ID}, "SELECT id, name, method, roles, scopes, ip, created_at, used_at, expires_at, ended_at, end_reason FROM sessions WHERE subject = ?1 ORDER BY created_at, id")
		},
		Erase: func(ctx context.Context, who *subject.Person) (subject.Done, error) {
			if _, err := p.env.Services.Tokens.RevokeSubject(ctx, who.ID, reason, self()); err != nil {
				return subject.Done{}, err
			}
			return p.each(ctx, []string{who.ID}, "DELETE FROM sessions WHERE subject = ?1")
		},
	}
}

func (p *Part) notices() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: "notices", Title: "Notices to owners of keys", Where: "portcullis.db: key_notices", Data: []string{"owner", "name of the key"},
			Source: "the gateway", Purpose: "to tell owners that a key ends", Retention: "until delivered; what failed is bounded", Erasure: "removed",
		},
		Collect: func(ctx context.Context, who *subject.Person) ([]any, error) {
			return p.rows(ctx, who.Keys, "SELECT id, body, created_at, failed_at FROM key_notices WHERE instr(body, ?1) > 0")
		},
		Erase: func(ctx context.Context, who *subject.Person) (subject.Done, error) {
			return p.each(ctx, who.Keys, "DELETE FROM key_notices WHERE instr(body, ?1) > 0")
		},
	}
}

func (p *Part) approvals() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: "approvals", Title: "Calls that waited for another person", Where: "portcullis.db: approvals", Data: []string{"principal", "parameters of the call, encrypted"},
			Source: "the person, by calling", Purpose: "to have calls approved", Retention: "7 days after they are over", Erasure: "removed",
		},
		Collect: func(ctx context.Context, who *subject.Person) (out []any, err error) {
			list, err := p.env.Services.Approvals.List(ctx, true)
			for _, v := range list {
				if v.Principal != who.ID {
					continue
				}
				if whole, err := p.env.Services.Approvals.Show(ctx, v.ID); err == nil {
					v = whole
				}
				out = append(out, v)
			}
			return out, err
		},
		Erase: func(ctx context.Context, who *subject.Person) (subject.Done, error) {
			return p.each(ctx, []string{who.ID}, "DELETE FROM approvals WHERE principal = ?1")
		},
	}
}

func (p *Part) owners() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: "tasks", Title: "Tasks and contexts of agents", Where: "portcullis.db: owners", Data: []string{"principal"},
			Source: "the person, by calling agents", Purpose: "to keep others from them", Retention: "30 days after the last use", Erasure: "removed: the things are nobody's then",
		},
		Collect: func(ctx context.Context, who *subject.Person) ([]any, error) {
			if err := p.env.Services.Owners.Flush(ctx); err != nil {
				return nil, err
			}
			return p.rows(ctx, []string{who.ID}, "SELECT route, CASE kind WHEN 1 THEN 'task' ELSE 'context' END AS kind, lower(hex(id)) AS digest, until FROM owners WHERE principal = ?1")
		},
		Erase: func(ctx context.Context, who *subject.Person) (subject.Done, error) {
			if err := p.env.Services.Owners.Forget(ctx, who.ID); err != nil {
				return subject.Done{}, err
			}
			return p.each(ctx, []string{who.ID}, "DELETE FROM owners WHERE principal = ?1")
		},
	}
}

func (p *Part) taints() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: "taints", Title: "Marks for what was read", Where: "portcullis.db: taints", Data: []string{"principal"},
			Source: "the person, by reading", Purpose: "to keep confidential data in", Retention: "the window of the mark", Erasure: "lifted and removed",
		},
		Collect: func(ctx context.Context, who *subject.Person) ([]any, error) {
			return p.rows(ctx, []string{who.ID}, "SELECT route, CASE label WHEN 1 THEN 'confidential' ELSE 'untrusted' END AS label, at, until FROM taints WHERE principal = ?1")
		},
		Erase: func(ctx context.Context, who *subject.Person) (subject.Done, error) {
			lifted, err := p.env.Services.Use.Taints.Lift(ctx, who.ID, reason, self())
			if err != nil {
				return subject.Done{}, err
			}
			done, err := p.each(ctx, []string{who.ID}, "DELETE FROM taints WHERE principal = ?1")
			done.Count += len(lifted)
			return done, err
		},
	}
}

func (p *Part) usage() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: "usage", Title: "What was used of quotas", Where: "portcullis.db: usage", Data: []string{"principal", "calls, bytes, budget"},
			Source: "the person, by calling", Purpose: "to keep limits", Retention: "a day", Erasure: "removed",
		},
		Collect: func(ctx context.Context, who *subject.Person) ([]any, error) {
			if err := p.env.Services.Use.Usage.Flush(ctx); err != nil {
				return nil, err
			}
			return p.rows(ctx, []string{who.ID}, "SELECT route, calls, bytes, spent AS spent_millionths, until FROM usage WHERE principal = ?1")
		},
		Erase: func(ctx context.Context, who *subject.Person) (subject.Done, error) {
			if err := p.env.Services.Use.Usage.Forget(ctx, who.ID); err != nil {
				return subject.Done{}, err
			}
			return p.each(ctx, []string{who.ID}, "DELETE FROM usage WHERE principal = ?1")
		},
	}
}

func (p *Part) wishes() subject.Holder {
	return subject.Holder{
		Place: subject.Place{
			Name: "wishes", Title: "Restriction and rectification", Where: "portcullis.db: privacy_wishes, encrypted", Data: []string{"principal", "what the person wishes"},
			Source: "the person, through an operator", Purpose: "to respect it (legal obligation)", Retention: "until changed or erased", Erasure: "removed",
		},
		Collect: func(ctx context.Context, who *subject.Person) (out []any, err error) {
			list, err := p.store.Wishes(ctx, p.hash(who.ID))
			for _, w := range list {
				out = append(out, w)
			}
			return out, err
		},
		Erase: func(ctx context.Context, who *subject.Person) (subject.Done, error) {
			n, err := p.store.EraseWish(ctx, p.hash(who.ID))
			if err == nil {
				p.guard.set(who.ID, false)
			}
			return subject.Done{Count: n}, err
		},
	}
}

// decisions is what a person did as an operator. Things stay, the name goes.
func (p *Part) decisions() subject.Holder {
	var selects string
	columns := [][3]string{
		{"approvals", "decided_by", "id"}, {"tool_pins", "decided_by", "tool"}, {"zkp_enrolments", "enrolled_by", "enrolled_at"},
		{"api_keys", "rotated_by", "id"}, {"containments", "made_by", "id"}, {"containments", "ended_by", "id"}, {"incidents", "closed_by", "id"},
	}
	var updates []string
	for i, c := range columns {
		if i > 0 {
			selects += " UNION ALL "
		}
		selects += "SELECT '" + c[0] + "." + c[1] + "' AS what, CAST(" + c[2] + " AS TEXT) AS which FROM " + c[0] + " WHERE " + c[1] + " = ?1"
		updates = append(updates, "UPDATE "+c[0]+" SET "+c[1]+" = '"+subject.Erased+"' WHERE "+c[1]+" = ?1")
	}
	return subject.Holder{
		Place: subject.Place{
			Name: "decisions", Title: "What was decided as an operator", Where: "portcullis.db: approvals, tool_pins, zkp_enrolments, api_keys, containments, incidents",
			Data: []string{"principal of who decided"}, Source: "the person, by deciding", Purpose: "to know who decided", Retention: "as long as the thing",
			Erasure: "the name is replaced by " + subject.Erased,
		},
		Collect: func(ctx context.Context, who *subject.Person) ([]any, error) {
			return p.rows(ctx, []string{who.ID}, selects)
		},
		Erase: func(ctx context.Context, who *subject.Person) (subject.Done, error) {
			return p.each(ctx, []string{who.ID}, updates...)
		},
	}
}
