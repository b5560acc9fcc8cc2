package history

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"strings"
)

// openTables lists the tables and columns that are really there. Versions say
// nothing reliable: exports and forks have reduced tables.
func openTables(ctx context.Context, db *sql.DB) (*tables, error) {
	t := &tables{ctx: ctx, db: db, columns: map[string]map[string]bool{}}
	err := t.each(`SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' LIMIT 20000`, func(rows *sql.Rows) error {
		var table, column string
		if err := rows.Scan(&table, &column); err != nil {
			return err
		}
		table = strings.ToLower(table)
		if t.columns[table] == nil {
			t.columns[table] = map[string]bool{}
		}
		t.columns[table][strings.ToLower(column)] = true
		return nil
	})
	if err != nil {
		return nil, classify(fmt.Errorf("reading the schema: %w", err))
	}
	return t, nil
}

// has reports whether a table has all columns.
func (t *tables) has(table string, columns ...string) bool {
	cols, ok := t.columns[table]
	for _, c := range columns {
		ok = ok && cols[c]
	}
	return ok
}

// column returns an expression for a column, or its stand-in when the table
// lacks it. Names are constants of this package.
func (t *tables) column(table, column, cast, fallback string) string {
	if !t.has(table, column) {
		return fallback
	}
	return fmt.Sprintf("COALESCE(CAST(%s.%s AS %s), %s)", table, column, cast, fallback)
}

func (t *tables) each(query string, scan func(*sql.Rows) error, args ...any) (err error) {
	rows, err := t.db.QueryContext(t.ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Epochs of the browsers in microseconds before 1970 (or after it).
const (
	chromeEpoch = -11_644_473_600_000_000 // 1601-01-01
	safariEpoch = 978_307_200_000_000     // 2001-01-01
	maxTime     = 253_402_300_799_000_000 // 9999-12-31
	secondsTop  = 100_000_000_000         // larger numbers are microseconds
)

// chromeTime reads microseconds since 1601.
func chromeTime(v int64) Time {
	if v <= 0 || v > maxTime-chromeEpoch {
		return 0
	}
	return plausible(v + chromeEpoch)
}

// downloadTime reads the start of a download: microseconds since 1601, or in
// old versions seconds since 1970.
func downloadTime(v int64) Time {
	if v > 0 && v < secondsTop {
		return plausible(v * 1e6)
	}
	return chromeTime(v)
}

// firefoxTime reads microseconds since 1970 (PRTime).
func firefoxTime(v int64) Time { return plausible(v) }

// safariTime reads seconds since 2001, with fractions.
func safariTime(v float64) Time {
	if math.IsNaN(v) || math.Abs(v) > 1e12 {
		return 0
	}
	return plausible(int64(math.Round(v*1e6)) + safariEpoch)
}

func plausible(us int64) Time {
	if us <= 0 || us > maxTime {
		return 0
	}
	return Time(us)
}
