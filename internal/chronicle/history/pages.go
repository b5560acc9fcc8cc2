package history

import (
	"database/sql"
	"fmt"
)

// rawVisit is a visit that names its page by id.
type rawVisit struct {
	page int64
	at   Time
}

// chromium reads urls and visits. A reduced urls table without
// last_visit_time is answered from visits.
func (t *tables) chromium(h *History) error {
	if !t.has("urls", "last_visit_time") && !t.has("visits", "url", "visit_time") {
		return fmt.Errorf("%w: urls has no last_visit_time and there are no visits with url and visit_time", ErrFormat)
	}
	visits, err := t.visits(h, "visits", "url", "visit_time", chromeTime)
	if err != nil {
		return err
	}
	rows, err := t.rows("urls", "last_visit_time", chromeTime)
	if err != nil {
		return err
	}
	t.assemble(h, rows, visits, t.has("urls", "visit_count"))
	return nil
}

// firefox reads moz_places and moz_historyvisits.
func (t *tables) firefox(h *History) error {
	if !t.has("moz_places", "last_visit_date") && !t.has("moz_historyvisits", "place_id", "visit_date") {
		return fmt.Errorf("%w: moz_places has no last_visit_date and there are no moz_historyvisits", ErrFormat)
	}
	visits, err := t.visits(h, "moz_historyvisits", "place_id", "visit_date", firefoxTime)
	if err != nil {
		return err
	}
	rows, err := t.rows("moz_places", "last_visit_date", firefoxTime)
	if err != nil {
		return err
	}
	t.assemble(h, rows, visits, t.has("moz_places", "visit_count"))
	return nil
}

// rows reads a table with id, url, title, visit_count and a last-visit column.
func (t *tables) rows(table, last string, clock func(int64) Time) ([]row, error) {
	query := fmt.Sprintf("SELECT id, %s, %s, %s, %s FROM %s",
		t.column(table, "url", "TEXT", "''"), t.column(table, "title", "TEXT", "''"),
		t.column(table, "visit_count", "INTEGER", "0"), t.column(table, last, "INTEGER", "0"), table)
	if t.has(table, last) {
		query += fmt.Sprintf(" ORDER BY %s DESC", last)
	}
	var out []row
	err := t.each(query+" LIMIT ?", func(rs *sql.Rows) error {
		var r row
		var at int64
		if err := rs.Scan(&r.id, &r.url, &r.title, &r.visits, &at); err != nil {
			return err
		}
		r.last = clock(at)
		out = append(out, r)
		return nil
	}, t.reader.Limits.Pages*2+1) // Firefox mixes in bookmarks, which are dropped later
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", table, err)
	}
	return out, nil
}

// visits reads the newest visits, if the table is there.
func (t *tables) visits(h *History, table, page, at string, clock func(int64) Time) ([]rawVisit, error) {
	if !t.has(table, page, at) {
		return nil, nil
	}
	limit := t.reader.Limits.Visits
	var out []rawVisit
	err := t.each(fmt.Sprintf("SELECT %s, %s FROM %s ORDER BY %s DESC LIMIT ?",
		t.column(table, page, "INTEGER", "0"), t.column(table, at, "INTEGER", "0"), table, at),
		func(rs *sql.Rows) error {
			var id, when int64
			if err := rs.Scan(&id, &when); err != nil {
				return err
			}
			out = append(out, rawVisit{id, clock(when)})
			return nil
		}, limit+1)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", table, err)
	}
	if len(out) > limit {
		out, h.Truncated = out[:limit], true
	}
	return out, nil
}

// safari reads history_items and history_visits; titles belong to visits.
func (t *tables) safari(h *History) error {
	if !t.has("history_visits", "history_item", "visit_time") {
		return fmt.Errorf("%w: history_visits has no history_item and visit_time", ErrFormat)
	}
	titles := map[int64]string{}
	var visits []rawVisit
	err := t.each(fmt.Sprintf("SELECT %s, %s, %s FROM history_visits ORDER BY visit_time DESC LIMIT ?",
		t.column("history_visits", "history_item", "INTEGER", "0"),
		t.column("history_visits", "visit_time", "REAL", "0.0"),
		t.column("history_visits", "title", "TEXT", "''")),
		func(rs *sql.Rows) error {
			var id int64
			var at float64
			var title string
			if err := rs.Scan(&id, &at, &title); err != nil {
				return err
			}
			visits = append(visits, rawVisit{id, safariTime(at)})
			if title != "" && titles[id] == "" {
				titles[id] = title
			}
			return nil
		}, t.reader.Limits.Visits+1)
	if err != nil {
		return fmt.Errorf("reading history_visits: %w", err)
	}
	if len(visits) > t.reader.Limits.Visits {
		visits, h.Truncated = visits[:t.reader.Limits.Visits], true
	}
	// Items have no time of their own: the absent column reads as unknown.
	rows, err := t.rows("history_items", "last_visit_time", chromeTime)
	if err != nil {
		return err
	}
	for i := range rows {
		if rows[i].title == "" {
			rows[i].title = titles[rows[i].id]
		}
	}
	t.assemble(h, rows, visits, t.has("history_items", "visit_count"))
	return nil
}
