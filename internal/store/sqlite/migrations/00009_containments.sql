-- +goose Up
-- Who is held back, and incidents. Times are microseconds since 1970 UTC, 0 =
-- not. subject is as operators write it.
CREATE TABLE containments (
    id        TEXT    NOT NULL PRIMARY KEY,
    subject   TEXT    NOT NULL,
    measure   TEXT    NOT NULL CHECK (measure IN ('block', 'throttle', 'step_up')),
    per_hour  INTEGER NOT NULL,
    admin     INTEGER NOT NULL CHECK (admin IN (0, 1)),
    auto      INTEGER NOT NULL CHECK (auto IN (0, 1)),
    reason    TEXT    NOT NULL,
    made_by   TEXT    NOT NULL,
    incident  TEXT    NOT NULL,
    held      TEXT    NOT NULL,
    cleared   TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    ended_at  INTEGER NOT NULL,
    ended_by  TEXT    NOT NULL,
    ended_for TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX containments_by_end ON containments (ended_at, until);
CREATE INDEX containments_by_time ON containments (at);

-- One incident is open for a key at a time.
CREATE TABLE incidents (
    id        TEXT    NOT NULL PRIMARY KEY,
    key       TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    rule      TEXT    NOT NULL,
    summary   TEXT    NOT NULL,
    score     INTEGER NOT NULL,
    count     INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    seen_at   INTEGER NOT NULL,
    closed_at INTEGER NOT NULL,
    closed_by TEXT    NOT NULL,
    note      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX incidents_open ON incidents (key) WHERE closed_at = 0;
CREATE INDEX incidents_by_time ON incidents (opened_at);

-- +goose Down
DROP TABLE incidents;
DROP TABLE containments;
