-- +goose Up
-- What callers have read and how much they used. Times are microseconds since
-- 1970 UTC.
CREATE TABLE taints (
    principal TEXT    NOT NULL,
    label     INTEGER NOT NULL,
    route     TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    PRIMARY KEY (principal, label)
) STRICT, WITHOUT ROWID;

CREATE INDEX taints_by_end ON taints (until);

-- session is a hash, '' for the day of a caller; spent is in millionths.
CREATE TABLE usage (
    principal TEXT    NOT NULL,
    route     TEXT    NOT NULL,
    session   TEXT    NOT NULL,
    calls     INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    spent     INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    PRIMARY KEY (principal, route, session)
) STRICT, WITHOUT ROWID;

CREATE INDEX usage_by_end ON usage (until);

-- +goose Down
DROP TABLE usage;
DROP TABLE taints;
