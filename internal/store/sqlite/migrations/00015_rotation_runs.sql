-- +goose Up
-- Rotations of everything that may be stolen, and what becomes of each thing.
-- No secret is here. Times are microseconds since 1970 UTC, 0 = not.
CREATE TABLE rotation_runs (
    id         TEXT    NOT NULL PRIMARY KEY,
    plan       TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('running', 'done')),
    overlap    INTEGER NOT NULL,
    made_by    TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    incident   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX rotation_runs_running ON rotation_runs (state) WHERE state = 'running';

CREATE TABLE rotation_items (
    run    TEXT    NOT NULL REFERENCES rotation_runs (id) ON DELETE CASCADE,
    n      INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    base   TEXT    NOT NULL,
    state  TEXT    NOT NULL CHECK (state IN ('planned', 'running', 'done', 'failed', 'manual')),
    result TEXT    NOT NULL,
    detail TEXT    NOT NULL,
    PRIMARY KEY (run, n)
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE rotation_items;
DROP TABLE rotation_runs;
