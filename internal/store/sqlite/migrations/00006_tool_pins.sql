-- +goose Up
-- What servers showed of their tools. Times are microseconds since 1970 UTC,
-- 0 = not. An empty hash is no version.
CREATE TABLE tool_routes (
    route     TEXT    NOT NULL PRIMARY KEY,
    opened_at INTEGER NOT NULL,
    settled   INTEGER NOT NULL CHECK (settled IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE tool_pins (
    route      TEXT    NOT NULL,
    tool       TEXT    NOT NULL,
    state      INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3),
    approved   BLOB    NOT NULL CHECK (length(approved) IN (0, 32)),
    seen       BLOB    NOT NULL CHECK (length(seen) IN (0, 32)),
    why        TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    decided_by TEXT    NOT NULL,
    note       TEXT    NOT NULL,
    PRIMARY KEY (route, tool)
) STRICT, WITHOUT ROWID;

CREATE TABLE tool_versions (
    route TEXT NOT NULL,
    tool  TEXT NOT NULL,
    hash  BLOB NOT NULL CHECK (length(hash) = 32),
    text  BLOB NOT NULL,
    PRIMARY KEY (route, tool, hash)
) STRICT;

-- +goose Down
DROP TABLE tool_versions;
DROP TABLE tool_pins;
DROP TABLE tool_routes;
