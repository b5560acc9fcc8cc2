// Package audit is the part of the administration API that finds events in the
// audit log.
package audit

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/auditlog"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/audit/index"
)

// Index is what the API needs; *index.Index has it.
type Index interface {
	Search(ctx context.Context, q index.Query) (index.Result, error)
}

// Patience is how long one question may take. What is found by then is the
// answer.
const Patience = 10 * time.Second

const path = "/api/v1/audit/events"

// Page is an answer.
type Page struct {
	Events    []json.RawMessage `json:"events" doc:"As they stand in the audit log, personal data opened; the newest first"`
	Before    uint64            `json:"before,omitempty" doc:"The before of the next page; absent when there is nothing more"`
	Partial   bool              `json:"partial,omitempty" doc:"Time ran out: older events may match, and before goes on with them"`
	Unindexed int               `json:"unindexed" doc:"Events that were read because the index lacks them yet"`
}

type question struct {
	Since     time.Time `query:"since" doc:"Not before"`
	Until     time.Time `query:"until" doc:"Before"`
	Type      []string  `query:"type" maxItems:"100" maxLength:"64" doc:"One of these"`
	Severity  string    `query:"severity" enum:"INFO,WARN,ERROR,CRITICAL" doc:"This or worse"`
	Outcome   []string  `query:"outcome" maxItems:"3" enum:"success,failure,pending" doc:"One of these"`
	Actor     string    `query:"actor" maxLength:"512" doc:"Principal or key id, or the hash of a sealed one"`
	Resource  string    `query:"resource" maxLength:"512" doc:"Such as tool:write_file"`
	Route     string    `query:"route" maxLength:"512"`
	Reason    string    `query:"reason" maxLength:"512"`
	RequestID string    `query:"request_id" maxLength:"512"`
	IP        string    `query:"ip" maxLength:"64" doc:"Client address or network"`
	Text      string    `query:"text" maxLength:"512" doc:"Words that stand in resource, route, action, reason, trace id or details"`
	Before    uint64    `query:"before" doc:"Go on behind a page"`
	Limit     int       `query:"limit" minimum:"1" maximum:"1000" default:"50"`
}

// query turns what was asked into a question to the index.
func (in *question) query() (index.Query, error) {
	q := index.Query{
		Since: in.Since, Until: in.Until, Severity: portcullis.Severity(in.Severity), Actor: in.Actor, Resource: in.Resource, Route: in.Route,
		Reason: in.Reason, RequestID: in.RequestID, Text: in.Text, Before: in.Before, Limit: in.Limit,
	}
	for _, t := range in.Type {
		q.Types = append(q.Types, portcullis.EventType(t))
	}
	for _, o := range in.Outcome {
		q.Outcomes = append(q.Outcomes, portcullis.Outcome(o))
	}
	if in.IP != "" {
		p, err := index.ParseAddress(in.IP)
		if err != nil {
			return q, err
		}
		q.Address = p
	}
	return q, q.Validate()
}

// Group adds the operation to the API.
func Group(x Index) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "search-audit-events", Method: http.MethodGet, Path: path, Summary: "Find events in the audit log"},
			func(ctx context.Context, in *question) (*admin.Body[Page], error) {
				q, err := in.query()
				if err != nil {
					return nil, huma.Error422UnprocessableEntity(err.Error())
				}
				ctx, cancel := context.WithTimeout(ctx, Patience)
				defer cancel()
				r, err := x.Search(ctx, q)
				if err != nil {
					return nil, s.Internal(ctx, err)
				}
				page := Page{Events: make([]json.RawMessage, len(r.Events)), Before: r.More, Partial: r.Partial, Unindexed: r.Unindexed}
				for i := range r.Events {
					page.Events[i] = auditlog.AppendEntry(nil, &r.Events[i].Event)
				}
				return &admin.Body[Page]{Body: page}, nil
			})
	}
}
