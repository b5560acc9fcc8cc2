package notify

import (
	"context"
	"time"
)

// Message is one notice on its way to one target.
type Message struct {
	ID        string    `json:"id"`     // of the notice and the target
	Target    string    `json:"target"` // webhook, slack or command
	Body      string    `json:"body"`   // the notice as JSON
	CreatedAt time.Time `json:"created_at"`
	NextAt    time.Time `json:"next_at"` // not before
	Attempts  int       `json:"attempts"`
	FailedAt  time.Time `json:"failed_at,omitzero"` // when it was given up; zero = still tried
	LastError string    `json:"last_error,omitempty"`
}

// Store keeps messages. All methods are safe for concurrent use, and a method
// that has returned nil has made its change durable. Times have microsecond
// precision.
type Store interface {
	// AddNotices stores messages that are not there yet; the others stay as
	// they are. Beyond limit messages in all, it gives up the oldest failed
	// ones, then the oldest.
	AddNotices(ctx context.Context, limit int, messages ...Message) error

	// DueNotices returns up to limit messages whose NextAt has come and that
	// have not failed, those that wait longest first.
	DueNotices(ctx context.Context, now time.Time, limit int) ([]Message, error)

	// UpdateNotice stores NextAt, Attempts, FailedAt and LastError. A message
	// that is gone stays gone.
	UpdateNotice(ctx context.Context, m Message) error

	// DeleteNotice removes a message that has arrived.
	DeleteNotice(ctx context.Context, id string) error

	// Notices returns the messages that wait or, with failed, those that were
	// given up, oldest first.
	Notices(ctx context.Context, failed bool) ([]Message, error)
}
