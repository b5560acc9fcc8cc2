package index

import (
	"context"
	"database/sql"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/journal"
)

const (
	// maxTerms is how many values one filter looks up. A network with more
	// addresses than that in the log is compared with the records themselves.
	maxTerms = 256
	// firstBatch is how many blocks are looked at first, and mostBatch how many
	// at once later.
	firstBatch, mostBatch = 4, 64
	// chunk is how many records are read at once where the index cannot say
	// which of them match.
	chunk = 1024
)

// stored is what is known of a block without reading it.
type stored struct {
	id           int64
	n            int
	first, last  uint64
	since, until int64
}

// filter is one field of the question: records that have one of the terms.
type filter []int64

// blocks asks the index, the newest blocks first.
func (s *search) blocks(ctx context.Context, tx *sql.Tx) error {
	if s.missing() <= 0 {
		return nil
	}
	filters, possible, err := s.filters(ctx, tx)
	if err != nil || !possible {
		return err
	}
	all, err := s.candidates(ctx, tx)
	if err != nil {
		return err
	}
	if s.columns, err = tx.PrepareContext(ctx, askColumn); err != nil {
		return explain(err)
	}
	defer s.columns.Close() //nolint:errcheck // it ends with the transaction
	for size := firstBatch; len(all) > 0; size = min(2*size, mostBatch) {
		batch := all[:min(size, len(all))]
		all = all[len(batch):]
		sets, err := intersect(ctx, tx, filters, batch)
		if err != nil {
			return s.late(ctx, err, batch[0])
		}
		for i := range batch {
			if sets[i].empty() {
				continue
			}
			if err := s.block(ctx, batch[i], &sets[i]); err != nil {
				return s.late(ctx, err, batch[i])
			}
			if s.missing() <= 0 {
				return nil
			}
		}
	}
	return nil
}

// late turns the end of the time into an answer that goes on at a block.
func (s *search) late(ctx context.Context, err error, at stored) error {
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	s.stopped = at.last + 1
	if n := len(s.found); n > 0 && s.found[n-1].Seq < s.stopped {
		s.stopped = s.found[n-1].Seq
	}
	return nil
}

// candidates returns the blocks that the times and numbers of the question
// leave, newest first.
func (s *search) candidates(ctx context.Context, tx *sql.Tx) ([]stored, error) {
	since, until, before := int64(-1<<63), int64(1<<63-1), int64(1<<63-1)
	if !s.q.Since.IsZero() {
		since = s.q.Since.UnixMilli()
	}
	if !s.q.Until.IsZero() {
		until = s.q.Until.UnixMilli()
	}
	if s.q.Before > 0 && s.q.Before < 1<<63 {
		before = int64(s.q.Before)
	}
	rows, err := tx.QueryContext(ctx, "SELECT id, n, first, last, since, until FROM blocks WHERE until >= ? AND since <= ? AND first < ? ORDER BY id DESC", since, until, before)
	if err != nil {
		return nil, explain(err)
	}
	defer rows.Close()
	var out []stored
	for rows.Next() {
		var b stored
		if err := rows.Scan(&b.id, &b.n, &b.first, &b.last, &b.since, &b.until); err != nil {
			return nil, explain(err)
		}
		if b.n < 0 || b.n > BlockSize {
			return nil, errDamaged
		}
		out = append(out, b)
	}
	return out, explain(rows.Err())
}

// filters looks up the values that the question names. If one field has a
// value that is nowhere in the index, nothing in it can match.
func (s *search) filters(ctx context.Context, tx *sql.Tx) (out []filter, possible bool, err error) {
	q := &s.q
	wanted := []struct {
		dim    dimension
		values []string
	}{
		{dimActor, s.match.actors},
		{dimResource, one(q.Resource)}, {dimReason, one(q.Reason)}, {dimRoute, one(q.Route)},
		{dimType, texting(q.Types)}, {dimOutcome, texting(q.Outcomes)},
	}
	if q.Severity != "" {
		wanted = append(wanted, struct {
			dim    dimension
			values []string
		}{dimSeverity, texting(severities[severityRank(q.Severity):])})
	}
	for _, w := range wanted {
		if w.values == nil {
			continue
		}
		var f filter
		for _, v := range w.values {
			var id int64
			err := tx.QueryRowContext(ctx, "SELECT id FROM terms WHERE dim = ? AND text = ?", w.dim, v).Scan(&id)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return nil, false, explain(err)
			}
			f = append(f, id)
		}
		if len(f) == 0 {
			return nil, false, nil
		}
		out = append(out, f)
	}
	if q.Address.IsValid() {
		f, few, err := network(ctx, tx, q.Address)
		if err != nil || few && len(f) == 0 {
			return nil, false, err
		}
		if few {
			out = append(out, f)
		}
	}
	return out, true, nil
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func texting[T ~string](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, string(v))
	}
	return out
}

// network returns the terms of the addresses in a network, and the one of
// addresses that are sealed, unless they are many.
func network(ctx context.Context, tx *sql.Tx, p netip.Prefix) (f filter, few bool, err error) {
	statement, values := "SELECT id, text FROM terms WHERE dim = ?", []any{dimAddress}
	if p.IsSingleIP() {
		statement, values = statement+" AND text IN (?, ?)", append(values, canonical(p.Addr()), sealed)
	}
	rows, err := tx.QueryContext(ctx, statement, values...)
	if err != nil {
		return nil, false, explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var text string
		if err := rows.Scan(&id, &text); err != nil {
			return nil, false, explain(err)
		}
		if a, err := netip.ParseAddr(text); text != sealed && (err != nil || !p.Contains(a)) {
			continue
		}
		if len(f) == maxTerms {
			return nil, false, nil
		}
		f = append(f, id)
	}
	return f, true, explain(rows.Err())
}

// intersect returns for each block of a batch which records all filters leave.
func intersect(ctx context.Context, tx *sql.Tx, filters []filter, batch []stored) ([]set, error) {
	sets := make([]set, len(batch))
	for i := range batch {
		sets[i].fill(batch[i].n)
	}
	from, to := batch[len(batch)-1].id, batch[0].id
	for _, f := range filters {
		union := make([]set, len(batch))
		for _, id := range f {
			if err := unite(ctx, tx, id, from, to, batch, union); err != nil {
				return nil, err
			}
		}
		for i := range sets {
			sets[i].and(&union[i])
		}
	}
	return sets, nil
}

// unite adds the lists of one term to the sets of the blocks.
func unite(ctx context.Context, tx *sql.Tx, id, from, to int64, batch []stored, union []set) error {
	rows, err := tx.QueryContext(ctx, "SELECT block, list FROM lists WHERE term = ? AND block BETWEEN ? AND ?", id, from, to)
	if err != nil {
		return explain(err)
	}
	defer rows.Close()
	for rows.Next() {
		var block int64
		var list sql.RawBytes
		if err := rows.Scan(&block, &list); err != nil {
			return explain(err)
		}
		i, ok := slices.BinarySearchFunc(batch, block, func(b stored, id int64) int { return int(id - b.id) })
		if !ok {
			continue
		}
		if err := decodeList(&union[i], list); err != nil {
			return explain(err)
		}
	}
	return explain(rows.Err())
}

// block reads the records of one block that may match.
func (s *search) block(ctx context.Context, b stored, may *set) error {
	exact := true
	if hashes := s.match.hashes; len(hashes) > 0 || len(s.match.words) > 0 {
		exact = false
		bloom, err := s.column(ctx, b.id, columnBloom)
		if err != nil {
			return err
		}
		for _, h := range hashes {
			if !mayHave(bloom, h) {
				return nil
			}
		}
	}
	if err := s.within(ctx, b, may); err != nil || may.empty() {
		return err
	}
	data, err := s.column(ctx, b.id, columnRefs)
	if err != nil {
		return err
	}
	refs, err := decodeRefs(data, b.n)
	if err != nil {
		return explain(err)
	}
	for end := b.n; s.missing() > 0; {
		size := chunk
		if exact {
			size = s.missing()
		}
		var picked []journal.Cursor // newest first
		for len(picked) < size {
			if end = may.last(end); end < 0 {
				break
			}
			if s.q.Before == 0 || refs[end].Seq < s.q.Before {
				picked = append(picked, refs[end])
			}
		}
		if len(picked) == 0 {
			return nil
		}
		slices.Reverse(picked) // a file is read forwards
		if err := s.pick(ctx, picked); err != nil {
			return err
		}
	}
	return nil
}

// pick reads records, oldest first, and takes those that match, newest first.
func (s *search) pick(ctx context.Context, picked []journal.Cursor) error {
	var found []Found
	for i, at := range picked {
		if i%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, ok, err := s.read(at)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if f, ok := s.judge(line); ok {
			found = append(found, f)
		}
	}
	slices.Reverse(found)
	s.found = append(s.found, found[:min(len(found), s.missing())]...)
	return nil
}

// within takes the records out of may whose time is not asked for.
func (s *search) within(ctx context.Context, b stored, may *set) error {
	since, until := s.q.Since, s.q.Until
	if (since.IsZero() || !time.UnixMilli(b.since).Before(since)) && (until.IsZero() || time.UnixMilli(b.until).Before(until)) {
		return nil
	}
	data, err := s.column(ctx, b.id, columnTimes)
	if err != nil {
		return err
	}
	times, err := decodeTimes(data, b.n)
	if err != nil {
		return explain(err)
	}
	var in set
	for i, ms := range times {
		t := time.UnixMilli(ms)
		if (since.IsZero() || !t.Before(since)) && (until.IsZero() || t.Before(until)) {
			in.add(i)
		}
	}
	may.and(&in)
	return nil
}

// asker is a file or a transaction.
type asker interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const askColumn = "SELECT data FROM columns WHERE id = ?"

// column returns one column of a block.
func (s *search) column(ctx context.Context, block, which int64) ([]byte, error) {
	return columnOf(s.columns.QueryRowContext(ctx, block*columnsPerBlock+which))
}

func columnOf(row *sql.Row) ([]byte, error) {
	var data []byte
	err := row.Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errDamaged
	}
	return data, explain(err)
}
