-- +goose Up
-- What people do about an incident, its timeline, and runs of playbooks. Times
-- are microseconds since 1970 UTC, 0 = not. subjects are lines.
ALTER TABLE incidents ADD COLUMN severity TEXT NOT NULL DEFAULT 'P2' CHECK (severity IN ('P1', 'P2', 'P3', 'P4'));
ALTER TABLE incidents ADD COLUMN phase TEXT NOT NULL DEFAULT 'detect' CHECK (phase IN ('detect', 'contain', 'preserve', 'eradicate', 'recover', 'review'));
ALTER TABLE incidents ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN subjects TEXT NOT NULL DEFAULT '';
ALTER TABLE incidents ADD COLUMN preserved_at INTEGER NOT NULL DEFAULT 0;
UPDATE incidents SET subjects = subject;

CREATE TABLE incident_entries (
    incident TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    actor    TEXT    NOT NULL,
    kind     TEXT    NOT NULL CHECK (kind IN ('phase', 'note', 'action', 'evidence', 'owner', 'severity', 'closed')),
    text     TEXT    NOT NULL,
    events   TEXT    NOT NULL,
    PRIMARY KEY (incident, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX incident_entries_by_time ON incident_entries (incident, at);

-- steps is JSON.
CREATE TABLE playbook_runs (
    id         TEXT    NOT NULL PRIMARY KEY,
    incident   TEXT    NOT NULL,
    playbook   TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('running', 'done', 'incomplete', 'failed')),
    force      INTEGER NOT NULL CHECK (force IN (0, 1)),
    auto       INTEGER NOT NULL CHECK (auto IN (0, 1)),
    started_by TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL,
    steps      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX playbook_runs_by_incident ON playbook_runs (incident, started_at);
CREATE INDEX playbook_runs_by_time ON playbook_runs (started_at);
CREATE INDEX playbook_runs_running ON playbook_runs (id) WHERE state = 'running';

-- Words that begin a subject and were the beginning of a principal before.
UPDATE containments SET subject = 'principal:' || subject WHERE subject = 'everything' OR subject LIKE 'route:%' OR subject LIKE 'upstream:%';

-- +goose Down
DELETE FROM containments WHERE subject = 'everything' OR subject LIKE 'route:%' OR subject LIKE 'upstream:%';
DROP TABLE playbook_runs;
DROP TABLE incident_entries;
ALTER TABLE incidents DROP COLUMN preserved_at;
ALTER TABLE incidents DROP COLUMN subjects;
ALTER TABLE incidents DROP COLUMN owner;
ALTER TABLE incidents DROP COLUMN phase;
ALTER TABLE incidents DROP COLUMN severity;
