// Package wishbook keeps in the embedded store what persons asked for: their
// erasures while they are under way, and what they wish. It also shows and
// removes the rows of other tables that are about a person.
package wishbook

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	rights "github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/conn"
)

// Sealer seals what the database keeps of persons who are being erased.
type Sealer interface {
	Seal(plaintext []byte, place ...string) []byte
	Open(sealed []byte, place ...string) ([]byte, error)
}

// Privacy keeps erasures and what persons wish. It implements rights.Store.
type Privacy struct {
	db   *sqlite.DB
	seal Sealer
}

var _ rights.Store = (*Privacy)(nil)

// New returns the store of subject rights. Who only asks for rows needs no
// sealer.
func New(db *sqlite.DB, seal Sealer) *Privacy { return &Privacy{db: db, seal: seal} }

const (
	erasureColumns = "id, hash, person, state, steps, asked_by, asked_at, ended_at, receipt"
	erasurePlace   = "privacy/erasures"
	wishPlace      = "privacy/wishes"
)

// SaveErasure implements rights.Store.
func (p *Privacy) SaveErasure(ctx context.Context, r rights.Run) error {
	person := []byte{}
	if r.State != rights.Finished {
		plain, err := json.Marshal(r.Person)
		if err != nil {
			return err
		}
		person = p.seal.Seal(plain, erasurePlace, r.ID)
	}
	steps, err := json.Marshal(r.Steps)
	if err != nil {
		return err
	}
	_, err = p.db.Conn().Writer.ExecContext(ctx, "INSERT INTO erasures ("+erasureColumns+`) VALUES (?,?,?,?,?,?,?,?,?)
		ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, person = excluded.person, state = excluded.state, steps = excluded.steps,
			ended_at = excluded.ended_at, receipt = excluded.receipt`,
		r.ID, r.Hash, person, int64(r.State), string(steps), r.By, conn.Micros(r.At), conn.Micros(r.Ended), r.Receipt)
	if err != nil || r.State != rights.Finished {
		return conn.Explain(err)
	}
	return p.db.ForgetLog(ctx)
}

// Erasure implements rights.Store.
func (p *Privacy) Erasure(ctx context.Context, id string) (rights.Run, error) {
	r, err := p.scan(p.db.Conn().Reader.QueryRowContext(ctx, "SELECT "+erasureColumns+" FROM erasures WHERE id = ?", id).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return r, rights.ErrNotFound
	}
	return r, err
}

// OpenErasures implements rights.Store.
func (p *Privacy) OpenErasures(ctx context.Context) ([]rights.Run, error) {
	return p.list(ctx, "SELECT "+erasureColumns+" FROM erasures WHERE state < ? ORDER BY asked_at, id", int64(rights.Finished))
}

// Erasures implements rights.Store.
func (p *Privacy) Erasures(ctx context.Context, max int) ([]rights.Run, error) {
	return p.list(ctx, "SELECT "+erasureColumns+" FROM erasures ORDER BY asked_at DESC, id DESC LIMIT ?", max)
}

func (p *Privacy) list(ctx context.Context, query string, args ...any) (out []rights.Run, err error) {
	rows, err := p.db.Conn().Reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, conn.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := p.scan(rows.Scan)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, conn.Explain(rows.Err())
}

func (p *Privacy) scan(scan func(...any) error) (r rights.Run, err error) {
	var person []byte
	var steps string
	var state, asked, ended int64
	if err := scan(&r.ID, &r.Hash, &person, &state, &steps, &r.By, &asked, &ended, &r.Receipt); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return r, err
		}
		return r, conn.Explain(err)
	}
	r.State, r.At, r.Ended = rights.State(state), conn.FromMicros(asked), conn.FromMicros(ended) //nolint:gosec // 1 to 4: the table checks it
	if err := json.Unmarshal([]byte(steps), &r.Steps); err != nil {
		return r, fmt.Errorf("erasure %s: %w", r.ID, err)
	}
	if len(person) > 0 {
		plain, err := p.seal.Open(person, erasurePlace, r.ID)
		if err == nil {
			err = json.Unmarshal(plain, &r.Person)
		}
		if err != nil {
			return r, fmt.Errorf("erasure %s: %w", r.ID, err)
		}
	}
	return r, nil
}

// Wish is what a person asked to have restricted or put right.
type Wish struct {
	Hash       string            `json:"-"`
	ID         string            `json:"id"`
	Restricted bool              `json:"restricted"`
	Reason     string            `json:"reason,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Changed    time.Time         `json:"changed_at"`
}

// SaveWish stores a wish in place of the one of the same person.
func (p *Privacy) SaveWish(ctx context.Context, w Wish) error {
	plain, err := json.Marshal(w)
	if err != nil {
		return err
	}
	_, err = p.db.Conn().Writer.ExecContext(ctx, "INSERT OR REPLACE INTO privacy_wishes (hash, sealed, restricted, changed_at) VALUES (?,?,?,?)",
		w.Hash, p.seal.Seal(plain, wishPlace, w.Hash), w.Restricted, conn.Micros(w.Changed))
	return conn.Explain(err)
}

// Wishes returns those of one person, or all if the hash is empty.
func (p *Privacy) Wishes(ctx context.Context, hash string) (out []Wish, err error) {
	rows, err := p.db.Conn().Reader.QueryContext(ctx, "SELECT hash, sealed FROM privacy_wishes WHERE ? = '' OR hash = ?", hash, hash)
	if err != nil {
		return nil, conn.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var w Wish
		var sealed []byte
		var h string
		if err := rows.Scan(&h, &sealed); err != nil {
			return nil, conn.Explain(err)
		}
		plain, err := p.seal.Open(sealed, wishPlace, h)
		if err == nil {
			err = json.Unmarshal(plain, &w)
		}
		if err != nil {
			return nil, fmt.Errorf("what a person wishes: %w", err)
		}
		w.Hash = h
		out = append(out, w)
	}
	return out, conn.Explain(rows.Err())
}

// EraseWish forgets what a person wishes.
func (p *Privacy) EraseWish(ctx context.Context, hash string) (int, error) {
	return p.Forget(ctx, []string{"DELETE FROM privacy_wishes WHERE hash = ?1"}, hash)
}

// Rows returns rows as objects, by the names of columns. Columns that end in
// _at or until are times. It is for what a person is shown of themselves.
func (p *Privacy) Rows(ctx context.Context, query string, args ...string) (out []any, err error) {
	rows, err := p.db.Conn().Reader.QueryContext(ctx, query, values(args)...)
	if err != nil {
		return nil, conn.Explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		cells := make([]any, len(names))
		for i := range cells {
			cells[i] = new(any)
		}
		if err := rows.Scan(cells...); err != nil {
			return nil, conn.Explain(err)
		}
		row := make(map[string]any, len(names))
		for i, name := range names {
			if v := shown(name, *cells[i].(*any)); v != nil {
				row[name] = v
			}
		}
		out = append(out, row)
	}
	return out, conn.Explain(rows.Err())
}

// shown is a cell as people read it; nil is left out.
func shown(name string, v any) any {
	n, isNumber := v.(int64)
	switch {
	case isNumber && (strings.HasSuffix(name, "_at") || name == "until" || name == "at"):
		if n == 0 {
			return nil
		}
		return conn.FromMicros(n)
	case v == "" || v == nil:
		return nil
	}
	if text, ok := v.(string); ok && strings.HasPrefix(text, "[") && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return v
}

// Forget runs statements in one transaction and empties the write-ahead log, so
// that what they removed is in no file. It returns how many rows they changed.
func (p *Privacy) Forget(ctx context.Context, statements []string, args ...string) (n int, err error) {
	err = p.db.Conn().InTx(ctx, func(tx *sql.Tx) error {
		for _, s := range statements {
			res, err := tx.ExecContext(ctx, s, values(args)...)
			if err != nil {
				return conn.Explain(err)
			}
			changed, err := res.RowsAffected()
			if err != nil {
				return conn.Explain(err)
			}
			n += int(changed)
		}
		return nil
	})
	if err != nil || n == 0 {
		return n, err
	}
	return n, p.db.ForgetLog(ctx)
}

// Compact writes the database anew, so that no page of the file holds anything
// of a row that is gone.
func (p *Privacy) Compact(ctx context.Context) error {
	if _, err := p.db.Conn().Writer.ExecContext(ctx, "VACUUM"); err != nil {
		return fmt.Errorf("writing the database anew: %w", conn.Explain(err))
	}
	return p.db.ForgetLog(ctx)
}

func values(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}
