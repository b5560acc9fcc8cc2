-- +goose Up
-- One row per user. name is in the one form in which names are compared; hash
-- is the PHC string of the password. epoch grows when what a user may do, or by
-- what they prove it, changes. Times are microseconds since 1970 UTC.
CREATE TABLE users (
    id         TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name       TEXT    NOT NULL UNIQUE CHECK (length(name) > 0),
    hash       TEXT    NOT NULL CHECK (hash LIKE '$%'),
    roles      TEXT    NOT NULL CHECK (json_valid(roles)),
    scopes     TEXT    NOT NULL CHECK (json_valid(scopes)),
    disabled   INTEGER NOT NULL CHECK (disabled IN (0, 1)),
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    epoch      INTEGER NOT NULL CHECK (epoch >= 1),
    version    INTEGER NOT NULL CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE users;
