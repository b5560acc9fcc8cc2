-- +goose Up
-- Rotation: who asked for the successor, how its secret is fetched (hash is
-- zero until then), and which status the audit log and the owner have heard of.
ALTER TABLE api_keys ADD COLUMN rotated_by  TEXT    NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN claim_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN claimed_at  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_keys ADD COLUMN claim_hash  BLOB    NOT NULL DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000' CHECK (length(claim_hash) = 32);
ALTER TABLE api_keys ADD COLUMN told        INTEGER NOT NULL DEFAULT 1 CHECK (told BETWEEN 0 AND 4);
UPDATE api_keys SET told = status;

-- What owners are still to be told of their keys, one row per target. Times
-- are microseconds since 1970 UTC, 0 = not.
CREATE TABLE key_notices (
    id         TEXT    NOT NULL PRIMARY KEY,
    target     TEXT    NOT NULL,
    body       TEXT    NOT NULL CHECK (json_valid(body)),
    created_at INTEGER NOT NULL,
    next_at    INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    failed_at  INTEGER NOT NULL,
    last_error TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX key_notices_by_turn ON key_notices (failed_at, next_at);

-- +goose Down
DROP TABLE key_notices;
ALTER TABLE api_keys DROP COLUMN told;
ALTER TABLE api_keys DROP COLUMN claim_hash;
ALTER TABLE api_keys DROP COLUMN claimed_at;
ALTER TABLE api_keys DROP COLUMN claim_until;
ALTER TABLE api_keys DROP COLUMN rotated_by;
