-- +goose Up
-- When duties were signed off, and what people were told of them. Who signed
-- stands in the audit log only, under the id in event. Times are microseconds
-- since 1970 UTC, 0 = not.
CREATE TABLE duties (
    name      TEXT    NOT NULL PRIMARY KEY,
    since     INTEGER NOT NULL,
    signed_at INTEGER NOT NULL,
    event     TEXT    NOT NULL,
    told_at   INTEGER NOT NULL,
    overdue   INTEGER NOT NULL CHECK (overdue IN (0, 1))
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE duties;
