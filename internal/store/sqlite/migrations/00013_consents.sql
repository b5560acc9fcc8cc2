-- +goose Up
-- What people agreed to: a row for each time, none of which is changed but for
-- its end. withdrawn_at is 0 while the consent is in force; replaced says that
-- a newer one ended it. Times are microseconds since 1970 UTC.
CREATE TABLE consents (
    id             TEXT    PRIMARY KEY,
    principal      TEXT    NOT NULL,
    purpose        TEXT    NOT NULL,
    policy_version TEXT    NOT NULL,
    granted_at     INTEGER NOT NULL,
    granted_by     TEXT    NOT NULL,
    evidence       TEXT    NOT NULL,
    withdrawn_at   INTEGER NOT NULL,
    withdrawn_by   TEXT    NOT NULL,
    replaced       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX consents_by_principal ON consents (principal, granted_at);
CREATE UNIQUE INDEX consents_in_force ON consents (principal, purpose) WHERE withdrawn_at = 0;

-- Who may read protected health information in an emergency.
CREATE TABLE break_glass (
    id         TEXT    PRIMARY KEY,
    principal  TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    granted_by TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    ended_by   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX break_glass_by_time ON break_glass (at);

-- +goose Down
DROP TABLE break_glass;
DROP TABLE consents;
