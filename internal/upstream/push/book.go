package push

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Errors of a [Store] and of a [Book].
var (
	// ErrUnknown is a registration or delivery that is not there, any more or
	// ever: nobody is told which.
	ErrUnknown = errors.New("no such registration or delivery")
	// ErrFull says that a caller has registered, or a registration queued, as
	// much as may be.
	ErrFull = errors.New("as much as may be is there already")
)

// Bounds.
const (
	MostRegistrations = 1000 // of a caller on a route
	MostQueued        = 1000 // deliveries of a registration
	MostDead          = 10000

	MostWaiting = 100000   // deliveries of all
	MostBytes   = 64 << 20 // of what is queued for a registration

	// Keep is how long a registration is kept after it was last used.
	Keep = 30 * 24 * time.Hour
	// KeepDraft is how long one is kept of which the agent has not been heard.
	KeepDraft = 24 * time.Hour
	// KeepDead is how long a dead letter is kept.
	KeepDead = 7 * 24 * time.Hour
)

const ticketBytes = 32 // 256 bits

// Hash is how a secret is kept and found.
type Hash [sha256.Size]byte

// Registration is what a caller asked for.
type Registration struct {
	ID        string
	Route     string
	Principal string
	KeyID     string // credential with which it was made
	Task      string // "" until the agent has named the task that a message made
	Name      string // id of the config, as caller and agent know it
	Version   string // of the protocol
	Origin    string // scheme, host and port of the target
	Ticket    Hash   // of what stands in the URL that the agent has
	Secret    Hash   // of what the agent proves itself with
	Sealed    []byte // the target
	CreatedAt time.Time
	Until     time.Time
	CheckedAt time.Time // when the target echoed a challenge; zero = never
}

// Target is where a caller wants notifications, and what it wants with them.
type Target struct {
	URL         string   `json:"url"`
	Token       string   `json:"token,omitempty"`
	Schemes     []string `json:"schemes,omitempty"`
	Credentials string   `json:"credentials,omitempty"`
}

// Ticket is what an agent needs to deliver. It is nowhere else.
type Ticket struct {
	Path   string // last part of the URL
	Secret string
}

// Delivery is one notification on its way.
type Delivery struct {
	ID           string // stays the same however often it is sent
	Registration string
	Sealed       []byte // the body
	CreatedAt    time.Time
	NextAt       time.Time
	Attempts     int
	FailedAt     time.Time // when it became a dead letter; zero = it is on its way
	Reason       string    // of the last failure: a word, never what the target said
}

// Letter is a dead letter with what an operator may see of it.
type Letter struct {
	Delivery
	Route, Principal, Task, Origin string
}

// Store keeps registrations and deliveries. What has returned nil is durable.
// Deliveries go with their registration.
type Store interface {
	// AddRegistration adds one; a caller has at most most of them on a route,
	// else [ErrFull]. To make room, the oldest of no task goes first.
	AddRegistration(ctx context.Context, r Registration, most int) error
	// ByTicket returns the registration of a ticket, or [ErrUnknown].
	ByTicket(ctx context.Context, ticket Hash, now time.Time) (Registration, error)
	// ByID returns a registration, or [ErrUnknown].
	ByID(ctx context.Context, id string, now time.Time) (Registration, error)
	// Bind sets the task of a registration that has none, or the same, and
	// keeps it until then. It returns false if it has another or is not there.
	Bind(ctx context.Context, id, task string, until time.Time) (bool, error)
	// Settle names a registration and keeps it until then, and removes those of
	// the same caller, route, task and name before it; what is queued for them is
	// queued for it.
	Settle(ctx context.Context, id, name string, until time.Time) error
	// Checked notes that a target echoed a challenge.
	Checked(ctx context.Context, id string, at time.Time) error
	// Drop removes a registration.
	Drop(ctx context.Context, id string) error
	// Remove removes those of a caller for a task with a name, and returns how
	// many there were.
	Remove(ctx context.Context, route, principal, task, name string) (int, error)

	// Queue adds a delivery, if a registration has not more of them that are not
	// dead, and all registrations together, than may be, else [ErrFull].
	Queue(ctx context.Context, d Delivery, most Most) error
	// Due returns deliveries whose time has come, of each registration only the
	// first that is not dead.
	Due(ctx context.Context, now time.Time, limit int) ([]Delivery, error)
	// Update stores attempts, times and reason of a delivery.
	Update(ctx context.Context, d Delivery) error
	// Done removes a delivery.
	Done(ctx context.Context, id string) error
	// Dead returns dead letters, the newest first.
	Dead(ctx context.Context, limit int) ([]Letter, error)
	// Replay puts dead letters back on their way, all if id is "".
	Replay(ctx context.Context, id string, now time.Time) (int, error)
	// Expire removes registrations that are over, and dead letters from before,
	// the oldest beyond most too.
	Expire(ctx context.Context, now, before time.Time, most int) error
}

// Most is how much may be queued.
type Most struct {
	Deliveries, Bytes int // of a registration
	All               int // deliveries of all
}

// Sealer encrypts what is kept; *envelope.Ring does.
type Sealer interface {
	Seal(plaintext []byte, place ...string) []byte
	Open(sealed []byte, place ...string) ([]byte, error)
}

// Book is what is registered and queued. It is safe for concurrent use.
type Book struct {
	store Store
	seal  Sealer
	now   func() time.Time
	wake  chan struct{}
}

// NewBook returns the book of a store. clock may be nil for time.Now.
func NewBook(store Store, seal Sealer, clock func() time.Time) *Book {
	if clock == nil {
		clock = time.Now
	}
	return &Book{store: store, seal: seal, now: clock, wake: make(chan struct{}, 1)}
}

// random returns an unguessable text.
func random() string {
	b := make([]byte, ticketBytes)
	rand.Read(b) //nolint:errcheck // it never fails: crypto/rand ends the process instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// hash is how a random text is kept. It has 256 bits: nothing slower is needed.
func hash(purpose, text string) Hash {
	return sha256.Sum256([]byte("portcullis/push/" + purpose + "\x00" + text))
}

// Register keeps a target and returns the ticket for the agent.
func (b *Book) Register(ctx context.Context, r Registration, t Target) (Registration, Ticket, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return r, Ticket{}, errors.New("registering a target: no URL")
	}
	text, err := json.Marshal(t)
	if err != nil {
		return r, Ticket{}, fmt.Errorf("registering a target: %w", err)
	}
	ticket := Ticket{Path: random(), Secret: random()}
	r.ID, r.Ticket, r.Secret = random(), hash("ticket", ticket.Path), hash("secret", ticket.Secret)
	r.Origin = u.Scheme + "://" + u.Host
	r.CreatedAt = b.now()
	r.Until = r.CreatedAt.Add(KeepDraft)
	r.Sealed = b.seal.Seal(text, "push", "target", r.ID, r.Principal)
	if err := b.store.AddRegistration(ctx, r, MostRegistrations); err != nil {
		return r, Ticket{}, fmt.Errorf("registering a target: %w", err)
	}
	return r, ticket, nil
}

// Find returns the registration of a ticket, or [ErrUnknown]. It is found by a
// hash of what was presented: no comparison tells how much of a guess is right.
func (b *Book) Find(ctx context.Context, path string) (Registration, error) {
	h := hash("ticket", path)
	r, err := b.store.ByTicket(ctx, h, b.now())
	if err == nil && subtle.ConstantTimeCompare(r.Ticket[:], h[:]) != 1 {
		return Registration{}, ErrUnknown
	}
	return r, err
}

// Proves reports whether a text is the secret of a registration.
func (r *Registration) Proves(secret string) bool {
	h := hash("secret", secret)
	return subtle.ConstantTimeCompare(r.Secret[:], h[:]) == 1
}

// Target opens the target of a registration.
func (b *Book) Target(r *Registration) (Target, error) {
	text, err := b.seal.Open(r.Sealed, "push", "target", r.ID, r.Principal)
	if err != nil {
		return Target{}, fmt.Errorf("opening a target: %w", err)
	}
	var t Target
	if err := json.Unmarshal(text, &t); err != nil {
		return Target{}, fmt.Errorf("opening a target: %w", err)
	}
	return t, nil
}

// Settled reports whether the agent has shown that it has the ticket.
func (r *Registration) Settled() bool { return r.Until.Sub(r.CreatedAt) > KeepDraft }

// Bind says which task a registration is about. It returns false if it is
// about another.
func (b *Book) Bind(ctx context.Context, r *Registration, task string) (bool, error) {
	until := r.Until
	if r.Settled() {
		until = b.now().Add(Keep)
	}
	ok, err := b.store.Bind(ctx, r.ID, task, until)
	if ok {
		r.Task = task
	}
	return ok, err
}

// Settle says that the agent has taken a config, under this name.
func (b *Book) Settle(ctx context.Context, r *Registration, name string) error {
	r.Name, r.Until = name, b.now().Add(Keep)
	return b.store.Settle(ctx, r.ID, r.Name, r.Until)
}

// Drop removes a registration and what is queued for it.
func (b *Book) Drop(ctx context.Context, id string) error { return b.store.Drop(ctx, id) }

// Remove removes what a caller registered for a task under a name.
func (b *Book) Remove(ctx context.Context, route, principal, task, name string) (int, error) {
	return b.store.Remove(ctx, route, principal, task, name)
}

// Queue takes a notification for delivery. When it has returned nil, the
// notification survives a crash.
func (b *Book) Queue(ctx context.Context, r *Registration, body []byte) (string, error) {
	d := Delivery{ID: random(), Registration: r.ID, CreatedAt: b.now()}
	d.NextAt, d.Sealed = d.CreatedAt, b.seal.Seal(body, "push", "body", d.ID)
	if err := b.store.Queue(ctx, d, Most{MostQueued, MostBytes, MostWaiting}); err != nil {
		return "", fmt.Errorf("queueing a notification: %w", err)
	}
	b.Wake()
	return d.ID, nil
}

// body opens what is to be delivered.
func (b *Book) body(d *Delivery) ([]byte, error) {
	text, err := b.seal.Open(d.Sealed, "push", "body", d.ID)
	if err != nil {
		return nil, fmt.Errorf("opening a notification: %w", err)
	}
	return text, nil
}

// Wake makes the courier look at the queue.
func (b *Book) Wake() {
	select {
	case b.wake <- struct{}{}:
	default: // it will look
	}
}

// Dead returns dead letters, the newest first.
func (b *Book) Dead(ctx context.Context, limit int) ([]Letter, error) {
	return b.store.Dead(ctx, limit)
}

// Replay sends a dead letter again, or all if id is "". It returns how many.
func (b *Book) Replay(ctx context.Context, id string) (int, error) {
	n, err := b.store.Replay(ctx, id, b.now())
	b.Wake()
	return n, err
}
