package sqlite

import "github.com/portcullis-dev/portcullis/internal/store/sqlite/recovery"

func (db *DB) recovery() recovery.DB {
	return recovery.DB{Reader: db.reader, Writer: db.writer, InTx: db.inTx, Explain: explain, Taken: taken}
}

// Runs returns the store of runs of playbooks. None is ever removed.
func (db *DB) Runs() *recovery.Runs { return &recovery.Runs{DB: db.recovery()} }

// Rotations returns the store of rotations of everything.
func (db *DB) Rotations() *recovery.Rotations { return &recovery.Rotations{DB: db.recovery()} }

// Duties returns the store of duties.
func (db *DB) Duties() *recovery.Duties { return &recovery.Duties{DB: db.recovery()} }
