-- +goose Up
-- Notifications of agents: who asked for them, and those on their way. Targets
-- and bodies are sealed; of tickets and secrets there are digests. Times are
-- microseconds since 1970 UTC, 0 = never.
CREATE TABLE push_registrations (
    id         TEXT    NOT NULL PRIMARY KEY,
    route      TEXT    NOT NULL,
    principal  TEXT    NOT NULL,
    key_id     TEXT    NOT NULL,
    task       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    version    TEXT    NOT NULL,
    origin     TEXT    NOT NULL,
    ticket     BLOB    NOT NULL UNIQUE,
    secret     BLOB    NOT NULL,
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    checked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX push_registrations_by_owner ON push_registrations (route, principal, task, name);
CREATE INDEX push_registrations_by_end ON push_registrations (until);

CREATE TABLE push_deliveries (
    id           TEXT    NOT NULL PRIMARY KEY,
    registration TEXT    NOT NULL REFERENCES push_registrations (id) ON DELETE CASCADE,
    sealed       BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    next_at      INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    failed_at    INTEGER NOT NULL,
    reason       TEXT    NOT NULL
) STRICT;

CREATE INDEX push_deliveries_by_order ON push_deliveries (registration, failed_at, seq);
CREATE INDEX push_deliveries_by_failure ON push_deliveries (failed_at);

-- +goose Down
DROP TABLE push_deliveries;
DROP TABLE push_registrations;
