-- +goose Up
-- Calls that wait for another person's word. Times are microseconds since 1970
-- UTC, 0 = not.
CREATE TABLE approvals (
    id         TEXT    NOT NULL PRIMARY KEY,
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),
    route      TEXT    NOT NULL,
    principal  TEXT    NOT NULL,
    key_id     TEXT    NOT NULL,
    tool       TEXT    NOT NULL,
    sealed     BLOB    NOT NULL,
    state      INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    use_for    INTEGER NOT NULL,
    decided_by TEXT    NOT NULL,
    decided_at INTEGER NOT NULL,
    reason     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX approvals_by_digest ON approvals (digest, state, expires_at);
CREATE INDEX approvals_by_state ON approvals (state, expires_at, principal);

-- +goose Down
DROP TABLE approvals;
