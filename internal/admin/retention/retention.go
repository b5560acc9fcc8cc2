// Package retention is the part of the administration API that shows how long
// the audit log is kept, and holds records beyond their time.
package retention

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/retention"
)

// Keeper is what the API needs; *retention.Keeper has it.
type Keeper interface {
	Status() (*retention.Status, error)
	Holds() ([]retention.Hold, error)
	Hold(ctx context.Context, h retention.Hold, by portcullis.Actor) (retention.Hold, error)
	Lift(ctx context.Context, id, reason string, by portcullis.Actor) (retention.Hold, error)
}

// State is what is kept of the audit log, as of the last pass.
type State struct {
	At             time.Time `json:"at,omitzero" doc:"When the pass ended"`
	Time           time.Time `json:"time,omitzero" doc:"The clock by which records are removed; it lags after a jump of the machine's clock"`
	Behind         bool      `json:"clock_behind" doc:"The machine's clock went backwards: nothing is removed"`
	Classes        []Class   `json:"classes"`
	Files          []File    `json:"files"`
	Undivided      int       `json:"undivided_segments" doc:"Segments that are not divided by class yet, the one in use among them"`
	UndividedBytes int64     `json:"undivided_bytes"`
	Damaged        []string  `json:"damaged_segments" doc:"Segments that are kept as they are because of damage"`
	Waiting        string    `json:"waiting_for,omitempty" doc:"A consumer that has not read what is to be divided or removed"`
	Holds          int       `json:"holds"`
	DiskFree       uint64    `json:"disk_free_bytes,omitempty"`
	DiskSize       uint64    `json:"disk_bytes,omitempty"`
	DiskLow        bool      `json:"disk_low"`
	Failed         bool      `json:"failed" doc:"The last pass met an error; the log says which"`
}

// Class is what is kept of one class.
type Class struct {
	Class   string    `json:"class" enum:"access,security,audit"`
	Keep    float64   `json:"keep_seconds"`
	Files   int       `json:"files"`
	Records uint64    `json:"records"`
	Bytes   int64     `json:"bytes"`
	Oldest  time.Time `json:"oldest,omitzero" doc:"Time of the oldest event"`
	Next    time.Time `json:"next_removal,omitzero" doc:"When the time of the next file is over"`
	Held    int       `json:"held_files" doc:"Files whose time is over, but for a hold"`
}

// File is one class file.
type File struct {
	Class      string    `json:"class" enum:"access,security,audit"`
	First      uint64    `json:"first" doc:"Number of the first record of its segment"`
	Last       uint64    `json:"last"`
	Records    uint64    `json:"records"`
	Bytes      int64     `json:"bytes"`
	Oldest     time.Time `json:"oldest"`
	Newest     time.Time `json:"newest"`
	Due        time.Time `json:"due" doc:"When its time is over"`
	Held       bool      `json:"held"`
	ArchivedTo string    `json:"archived_to,omitempty"`
}

// Hold is a hold.
type Hold struct {
	ID     string    `json:"id"`
	Reason string    `json:"reason"`
	Class  string    `json:"class,omitempty"`
	From   time.Time `json:"from,omitzero"`
	To     time.Time `json:"to,omitzero"`
	Until  time.Time `json:"until,omitzero"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

// NewHold says what to hold.
type NewHold struct {
	Reason string    `json:"reason" minLength:"1" maxLength:"500"`
	Class  string    `json:"class,omitempty" enum:"access,security,audit" doc:"Only this class"`
	From   time.Time `json:"from,omitzero" doc:"Only events at or after"`
	To     time.Time `json:"to,omitzero" doc:"Only events before"`
	Until  time.Time `json:"until,omitzero" doc:"When the hold ends by itself"`
}

// LiftHold says which hold ends, and why.
type LiftHold struct {
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"For the audit log"`
}

const path = "/api/v1/audit"

// Group adds the operations to the API.
func Group(k Keeper) admin.Group {
	return func(api huma.API, s *admin.Server) {
		huma.Register(api, huma.Operation{OperationID: "get-audit-retention", Method: http.MethodGet, Path: path + "/retention", Summary: "Show what is kept of the audit log, and for how long"},
			func(ctx context.Context, _ *struct{}) (*admin.Body[State], error) {
				now, err := k.Status()
				if err != nil {
					return nil, s.Internal(ctx, err)
				}
				return &admin.Body[State]{Body: state(now)}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "list-audit-holds", Method: http.MethodGet, Path: path + "/holds", Summary: "List what keeps records of the audit log beyond their time"},
			func(ctx context.Context, _ *struct{}) (*admin.Body[[]Hold], error) {
				list, err := k.Holds()
				if err != nil {
					return nil, s.Internal(ctx, err)
				}
				out := make([]Hold, len(list))
				for i, h := range list {
					out[i] = view(h)
				}
				return &admin.Body[[]Hold]{Body: out}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "add-audit-hold", Method: http.MethodPost, Path: path + "/holds", Summary: "Keep records of the audit log beyond their time", DefaultStatus: http.StatusCreated},
			func(ctx context.Context, in *struct{ Body NewHold }) (*admin.Body[Hold], error) {
				b := in.Body
				h, err := k.Hold(ctx, retention.Hold{Reason: b.Reason, Class: class.Class(b.Class), From: b.From, To: b.To, Until: b.Until}, admin.Actor(ctx))
				var invalid *retention.InvalidError
				switch {
				case errors.As(err, &invalid):
					return nil, huma.Error422UnprocessableEntity(invalid.Error())
				case err != nil:
					return nil, s.Internal(ctx, err)
				}
				return &admin.Body[Hold]{Body: view(h)}, nil
			})
		huma.Register(api, huma.Operation{OperationID: "lift-audit-hold", Method: http.MethodPost, Path: path + "/holds/{id}/lift", Summary: "End a hold"},
			func(ctx context.Context, in *struct {
				ID   string `path:"id" maxLength:"100"`
				Body LiftHold
			}) (*admin.Body[Hold], error) {
				h, err := k.Lift(ctx, in.ID, in.Body.Reason, admin.Actor(ctx))
				switch {
				case errors.Is(err, retention.ErrNoHold):
					return nil, huma.Error404NotFound("there is no such hold: 'portcullis audit hold list' shows those that are")
				case err != nil:
					return nil, s.Internal(ctx, err)
				}
				return &admin.Body[Hold]{Body: view(h)}, nil
			})
	}
}

func view(h retention.Hold) Hold {
	return Hold{ID: h.ID, Reason: h.Reason, Class: string(h.Class), From: h.From, To: h.To, Until: h.Until, By: h.By, At: h.At}
}

func state(s *retention.Status) State {
	out := State{
		At: s.At, Time: s.Time, Behind: s.Behind, Classes: []Class{}, Files: []File{},
		Undivided: s.Undivided, UndividedBytes: s.UndividedBytes, Damaged: append([]string{}, s.Damaged...), Waiting: s.Waiting,
		Holds: s.Holds, DiskFree: s.DiskFree, DiskSize: s.DiskSize, DiskLow: s.DiskLow, Failed: s.Err != nil,
	}
	for _, c := range s.Classes {
		out.Classes = append(out.Classes, Class{string(c.Class), c.Keep.Seconds(), c.Files, c.Records, c.Bytes, c.Oldest, c.Next, c.Held})
	}
	for _, f := range s.Files {
		out.Files = append(out.Files, File{string(f.Class), f.First, f.Last, f.Records, f.Bytes, f.Oldest, f.Newest, f.Due, f.Held, f.ArchivedTo})
	}
	return out
}

// Get asks for the state.
func Get(ctx context.Context, c *admin.Client) (State, error) {
	return admin.Ask[State](ctx, c, http.MethodGet, path+"/retention", nil)
}

// Holds asks for the holds.
func Holds(ctx context.Context, c *admin.Client) ([]Hold, error) {
	return admin.Ask[[]Hold](ctx, c, http.MethodGet, path+"/holds", nil)
}

// AddHold adds a hold.
func AddHold(ctx context.Context, c *admin.Client, h NewHold) (Hold, error) {
	return admin.Ask[Hold](ctx, c, http.MethodPost, path+"/holds", h)
}

// Lift ends a hold.
func Lift(ctx context.Context, c *admin.Client, id, reason string) (Hold, error) {
	return admin.Ask[Hold](ctx, c, http.MethodPost, path+"/holds/"+url.PathEscape(id)+"/lift", LiftHold{reason})
}
