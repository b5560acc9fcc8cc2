-- +goose Up
-- Keys under which the audit log holds what it says of a person, sealed. To
-- erase the person is to remove the row.
CREATE TABLE subjects (
    subject TEXT    PRIMARY KEY,
    key     BLOB    NOT NULL,
    made_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE subjects;
