-- +goose Up
-- The name of a person in the log is not made of the id any more: hash finds
-- the row, and goes with it.
ALTER TABLE subjects ADD COLUMN hash TEXT NOT NULL DEFAULT '';
UPDATE subjects SET hash = subject;
CREATE UNIQUE INDEX subjects_by_hash ON subjects (hash);

-- Erasures of persons, under way and done. person is sealed, and emptied at the
-- end. Times are microseconds since 1970 UTC, 0 = not.
CREATE TABLE erasures (
    id       TEXT    NOT NULL PRIMARY KEY,
    hash     TEXT    NOT NULL,
    person   BLOB    NOT NULL,
    state    INTEGER NOT NULL CHECK (state BETWEEN 1 AND 4),
    steps    TEXT    NOT NULL CHECK (json_valid(steps)),
    asked_by TEXT    NOT NULL,
    asked_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    receipt  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX erasures_open ON erasures (hash) WHERE state < 4;
CREATE INDEX erasures_by_time ON erasures (asked_at);

-- What a person asked to have restricted or put right, sealed.
CREATE TABLE privacy_wishes (
    hash       TEXT    NOT NULL PRIMARY KEY,
    sealed     BLOB    NOT NULL,
    restricted INTEGER NOT NULL CHECK (restricted IN (0, 1)),
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE privacy_wishes;
DROP TABLE erasures;
DROP INDEX subjects_by_hash;
ALTER TABLE subjects DROP COLUMN hash;
