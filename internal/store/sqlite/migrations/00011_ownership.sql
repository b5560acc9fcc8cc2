-- +goose Up
-- Whose the tasks and contexts are that upstreams made. id is a digest. Times
-- are microseconds since 1970 UTC.
CREATE TABLE owners (
    route     TEXT    NOT NULL,
    kind      INTEGER NOT NULL,
    id        BLOB    NOT NULL,
    principal TEXT    NOT NULL,
    until     INTEGER NOT NULL,
    PRIMARY KEY (route, kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX owners_by_end ON owners (until);

-- +goose Down
DROP TABLE owners;
