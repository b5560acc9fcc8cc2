// Package part is what a piece of the process with tasks of its own looks like:
// one that follows the journal, or keeps something fresh. Each lives in a
// package beside this one and knows nothing of the others.
package part

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway"
	"github.com/portcullis-dev/portcullis/gateway/privacy"
	"github.com/portcullis-dev/portcullis/gateway/use"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/audit/feed"
	"github.com/portcullis-dev/portcullis/internal/audit/journal"
	"github.com/portcullis-dev/portcullis/internal/audit/subject"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/authn/token"
	"github.com/portcullis-dev/portcullis/internal/authn/token/signing"
	"github.com/portcullis-dev/portcullis/internal/authn/zkp"
	"github.com/portcullis-dev/portcullis/internal/authz/approval"
	"github.com/portcullis-dev/portcullis/internal/authz/ownership"
	"github.com/portcullis-dev/portcullis/internal/config"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
	"github.com/portcullis-dev/portcullis/internal/incident/response"
	"github.com/portcullis-dev/portcullis/internal/inspect/content"
	"github.com/portcullis-dev/portcullis/internal/inspect/toolpin"
	"github.com/portcullis-dev/portcullis/internal/obs"
	"github.com/portcullis-dev/portcullis/internal/obs/trace"
	rights "github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/internal/session"
	"github.com/portcullis-dev/portcullis/internal/store/datadir"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
	"github.com/portcullis-dev/portcullis/internal/upstream/inject"
	"github.com/portcullis-dev/portcullis/internal/upstream/push"
)

// Env is what parts are made of.
type Env struct {
	Version string
	Dir     *datadir.Dir
	DB      *sqlite.DB
	Journal *journal.Journal
	Open    func(*portcullis.Event) // opens sealed personal data of an event, for feeds
	Window  *feed.Window            // what was read of the journal lately, for feeds
	Subject func(string) string     // the name of a principal in sealed events; nil = nothing is sealed
	// EraseDays destroys the keys of the days before t; see package subject.
	EraseDays func(ctx context.Context, t time.Time) error
	Metrics   *obs.Metrics
	Traces    *trace.Switch
	Log       *slog.Logger
	Getenv    func(string) (string, bool)
	Pins      *toolpin.Book
	Known     Knowledge // of callers
	Services  Services
	Process   admin.Process    // answers from the first Next on
	Holders   []rights.Holder  // what parts that were made before hold about persons
	Gateway   *gateway.Gateway // of the public listener; refuses until a table is in force
	Response  *Response
	// Upstream is the server behind a route of the configuration in force, nil if
	// there is none: for what the gateway asks it on its own account.
	Upstream func(route string) portcullis.Upstream
}

// Response is what parts share that answer incidents.
type Response struct {
	Actions playbook.Registry // what steps of playbooks do: parts add theirs in New

	// What follows is there for the parts behind the one that responds.
	Cases   *casebook.Book
	Held    *containment.Book
	Trigger response.Playbooks // set by the part that runs playbooks

	// Settle waits until timelines have what the journal has.
	Settle func(ctx context.Context) error
}

// Services are what the process holds of callers, for parts that look after
// all of it. The parts that serve calls do not need them.
type Services struct {
	Keys      *apikey.Service
	Users     *basic.Service
	Tokens    *token.Service
	Ring      *signing.Ring
	Proofs    *zkp.Registry
	Approvals *approval.Service
	Use       use.Ledgers
	Owners    *ownership.Ledger
	Swaps     *content.Tokens
	Sessions  *session.Sealer // of MCP
	Subjects  *subject.Book   // nil = events are not sealed
}

// Knowledge is what is known of callers beside what events say. It looks into
// memory only.
type Knowledge interface {
	// Enrich adds to an event what is known of its actor.
	Enrich(e *portcullis.Event)
	// Country is the code of the country an address is in, "" if unknown.
	Country(addr netip.Addr) string
	// Risk is the score of a caller now, 0 to 100.
	Risk(principal string, addr netip.Addr) int
}

// Secrets gives the secrets that the configuration names; see
// [config.Config.References].
type Secrets interface {
	// Secret returns the secret of a reference as it is written.
	Secret(reference string) (inject.Secret, error)
}

// Part is one piece.
type Part interface {
	// Next makes ready what a configuration asks for and returns what puts it
	// into force. Nothing has changed before that is called, and it may never be:
	// another part may refuse the configuration. Configurations come one by one;
	// the first comes before Run.
	Next(ctx context.Context, cfg *config.Config, secrets Secrets) (use func(), err error)
	// Run works until ctx ends. The journal is open until all have returned.
	Run(ctx context.Context)
}

// Administered is a part with operations of its own in the admin API.
type Administered interface{ Groups() []admin.Group }

// Holding is a part that holds data about persons: it says what and why, shows
// and erases it.
type Holding interface{ Holders() []rights.Holder }

// Readiness is a part that the gateway needs to be ready.
type Readiness interface {
	// Failing names what is not ready.
	Failing(ctx context.Context) []string
}

// Reminding is a part that knows what people have left undone. It does not keep
// the gateway from being ready, unless the part fails as well.
type Reminding interface {
	// Overdue names what is, for everybody who may ask whether the gateway is ready.
	Overdue() []string
}

// Finishing is a part that has something left to do behind the last record of
// the process.
type Finishing interface {
	// Finish is called once, after Run has returned and before the journal closes.
	Finish(ctx context.Context)
}

// Publishing is a part that answers paths of the public listener.
type Publishing interface {
	// Endpoints are those under a configuration that Next has made ready.
	Endpoints(cfg *config.Config) []gateway.Endpoint
}

// Notifying is a part that keeps what callers registered for notifications.
type Notifying interface{ Notifications() *push.Book }

// Guarding is a part that guards of personal data read.
type Guarding interface {
	// Privacy is what they read.
	Privacy() privacy.Deps
}

// Containing is a part that holds callers back.
type Containing interface {
	// Container is the guard. It reads what the part keeps ready.
	Container() portcullis.Container
}
