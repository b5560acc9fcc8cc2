package sqlite

import "github.com/portcullis-dev/portcullis/internal/store/sqlite/notices"

// Push returns the store of notifications.
func (db *DB) Push() *notices.Store {
	return &notices.Store{Reader: db.reader, Writer: db.writer, InTx: db.inTx, Explain: explain}
}
