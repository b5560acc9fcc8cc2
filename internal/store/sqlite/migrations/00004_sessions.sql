-- +goose Up
-- One row per session of a login, or per token that an operator issued (whose
-- refresh is zero). Times are microseconds since 1970 UTC, 0 = not.
CREATE TABLE sessions (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    subject    TEXT    NOT NULL CHECK (subject <> ''),
    name       TEXT    NOT NULL,
    method     TEXT    NOT NULL CHECK (method <> ''),
    roles      TEXT    NOT NULL CHECK (json_valid(roles)),
    scopes     TEXT    NOT NULL CHECK (json_valid(scopes)),
    ip         TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL,
    refresh    BLOB    NOT NULL CHECK (length(refresh) = 32),
    ended_at   INTEGER NOT NULL DEFAULT 0,
    end_reason TEXT    NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_subject ON sessions (subject, used_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- +goose StatementBegin
CREATE TRIGGER sessions_stay_ended BEFORE UPDATE ON sessions
WHEN OLD.ended_at <> 0
BEGIN
    SELECT RAISE(ABORT, 'a session that ended does not change');
END;
-- +goose StatementEnd

-- Keys that sign access tokens. sealed is encrypted under the root key.
CREATE TABLE signing_keys (
    kid        TEXT    NOT NULL PRIMARY KEY CHECK (kid <> ''),
    sealed     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    active_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Revoked access tokens of other issuers: hash of the jti, or of the token.
CREATE TABLE revoked_tokens (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (id <> ''),
    revoked_at INTEGER NOT NULL,
    reason     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE revoked_tokens;
DROP TABLE signing_keys;
DROP TABLE sessions;
