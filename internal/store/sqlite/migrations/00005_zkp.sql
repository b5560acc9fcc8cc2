-- +goose Up
-- Users who log in by a zero-knowledge proof. public_key is a decimal number,
-- in its one written form; roles and scopes are JSON arrays of texts.
CREATE TABLE zkp_enrolments (
    user_id     TEXT    NOT NULL PRIMARY KEY,
    public_key  TEXT    NOT NULL CHECK (length(public_key) BETWEEN 1 AND 77),
    roles       TEXT    NOT NULL CHECK (json_valid(roles)),
    scopes      TEXT    NOT NULL CHECK (json_valid(scopes)),
    enrolled_at INTEGER NOT NULL,
    enrolled_by TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX zkp_enrolments_by_key ON zkp_enrolments (public_key);

-- +goose Down
DROP TABLE zkp_enrolments;
