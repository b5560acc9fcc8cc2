-- +goose Up
-- Marks the file as ours: "PORT" in ASCII.
PRAGMA application_id = 1347375700;

-- One row per API key. Times are microseconds since 1970 UTC, 0 = not.
-- last_used_at is written on its own, so that noting a use can never undo a
-- change of status; status is a rank and only grows.
CREATE TABLE api_keys (
    id            TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    name          TEXT    NOT NULL,
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    scopes        TEXT    NOT NULL CHECK (json_valid(scopes)),
    roles         TEXT    NOT NULL CHECK (json_valid(roles)),
    routes        TEXT    NOT NULL CHECK (json_valid(routes)),
    owner         TEXT    NOT NULL,
    tenant        TEXT    NOT NULL,
    schedule      TEXT    NOT NULL,
    status        INTEGER NOT NULL CHECK (status BETWEEN 1 AND 4),
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    rotated_at    INTEGER NOT NULL,
    deprecate_at  INTEGER NOT NULL,
    revoke_at     INTEGER NOT NULL,
    revoked_at    INTEGER NOT NULL,
    last_used_at  INTEGER NOT NULL DEFAULT 0,
    revoke_reason TEXT    NOT NULL,
    predecessor   TEXT    NOT NULL,
    successor     TEXT    NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_by_age ON api_keys (created_at, id);

-- +goose StatementBegin
CREATE TRIGGER api_keys_status_grows BEFORE UPDATE OF status ON api_keys
WHEN NEW.status < OLD.status
BEGIN
    SELECT RAISE(ABORT, 'status of an api key never moves back');
END;
-- +goose StatementEnd

-- Stored state of the gateway itself, such as the maintenance switch.
CREATE TABLE settings (
    key        TEXT    NOT NULL PRIMARY KEY,
    value      TEXT    NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE settings;
DROP TABLE api_keys;
