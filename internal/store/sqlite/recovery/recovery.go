// Package recovery is the part of the embedded store that keeps what people and
// playbooks do on a bad day and against one: runs of playbooks, rotations of
// everything, duties.
package recovery

import (
	"context"
	"database/sql"
	"time"
)

// DB are the connections of the database.
type DB struct {
	Reader, Writer *sql.DB
	InTx           func(ctx context.Context, fn func(*sql.Tx) error) error // one writing transaction
	Explain        func(error) error                                       // names what is wrong with the file
	Taken          func(error) bool                                        // whether it is a value that must be unique and is not
}

// micros is how a time is kept; 0 is the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
