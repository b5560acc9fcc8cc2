package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// GetSetting returns a stored value and whether there is one.
func (db *DB) GetSetting(ctx context.Context, key string) (value string, ok bool, err error) {
	err = db.reader.QueryRowContext(ctx, "SELECT value FROM settings WHERE key = ?", key).Scan(&value)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", false, nil
	case err != nil:
		return "", false, fmt.Errorf("reading setting %q: %w", key, explain(err))
	}
	return value, true, nil
}

// SetSetting stores a value. It is durable when SetSetting returns.
func (db *DB) SetSetting(ctx context.Context, key, value string) error {
	if key == "" {
		return errors.New("storing setting: no key")
	}
	_, err := db.writer.ExecContext(ctx, `INSERT INTO settings (key, value, updated_at) VALUES (?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at`,
		key, value, time.Now().UnixMicro())
	if err != nil {
		return fmt.Errorf("storing setting %q: %w", key, explain(err))
	}
	return nil
}

// DeleteSetting removes a value. Removing what is not there does nothing.
func (db *DB) DeleteSetting(ctx context.Context, key string) error {
	if _, err := db.writer.ExecContext(ctx, "DELETE FROM settings WHERE key = ?", key); err != nil {
		return fmt.Errorf("removing setting %q: %w", key, explain(err))
	}
	return nil
}
