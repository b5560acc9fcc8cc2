// Package backup copies a data folder while a gateway runs on it, proves that
// the copy is whole, and makes a data folder of it again.
//
// A backup is a signed archive (package auditlog/bundle) inside an encrypted
// file (age). It holds what cannot be made again: the root key, the database,
// the wallet, and the audit log with its tree. It does not hold what can
// (index, security.log, spools, lists of addresses, what detection learned), nor
// archives of evidence.
//
// The order of reading makes the copy consistent:
//
//	checkpoint, and the hashes it needs that will be replaced
//	database, as it is at one moment
//	places of consumers
//	journal, up to a record behind all of the above
//
// So whatever the database holds the journal tells of, no consumer is ahead of
// the journal, and the checkpoint covers no record that is not there.
package backup

import "errors"

// Kind is the kind of bundles that backups are.
const Kind = "backup"

// Errors of this package.
var (
	// ErrWrong says that a backup is damaged, was changed, or does not hold what
	// it must.
	ErrWrong = errors.New("not a whole backup")
	// ErrLocked says that a backup cannot be opened with what was given.
	ErrLocked = errors.New("the backup does not open with this identity or passphrase")
	// ErrOccupied says that there is something where a backup is to be restored.
	ErrOccupied = errors.New("the data folder is not empty")
	// ErrBusy says that another backup copies the database right now.
	ErrBusy = errors.New("another backup is being made")
)

// Names in an archive.
const (
	aboutName  = "about.json"
	stageName  = ".backup" // beside the database, while it is copied
	rootName   = "root.key"
	dbName     = "portcullis.db"
	walletName = "wallet"
	auditName  = "audit"
)
