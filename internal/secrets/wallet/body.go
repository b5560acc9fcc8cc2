package wallet

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/portcullis-dev/portcullis/internal/secrets/envelope"
)

// Bounds of an entry and of a wallet.
const (
	MaxName    = 128
	MaxValue   = 64 << 10
	MaxEntries = 100_000
	maxItems   = 64  // permissions, or members of the metadata
	maxItem    = 512 // bytes of one of them
	maxFile    = 256 << 20
)

// contents is what the encrypted part of the file holds.
type contents struct {
	fingerprints []byte // key of fingerprints: it outlives the wallet key
	records      []record
}

// record is an entry with its values, which are encrypted.
type record struct {
	name, provider string
	permissions    []string
	metadata       map[string]string
	expires        int64 // Unix milliseconds, 0 = never
	created        int64
	rotated        int64
	fingerprint    []byte // of the value that was replaced last
	last           uint32 // the highest version ever given
	keptUntil      int64  // when the previous value goes
	current        sealed
	pending        sealed
	previous       sealed
	marks          marks
}

// sealed is an encrypted value. Version 0 is none.
type sealed struct {
	version uint32
	key     []byte // the data key, wrapped by the wallet key
	text    []byte // the value, sealed under the data key
}

func (c *contents) find(name string) (int, bool) {
	return slices.BinarySearchFunc(c.records, name, func(r record, name string) int { return strings.Compare(r.name, name) })
}

// encode writes the contents in their one form.
func (c *contents) encode() []byte {
	size := 64
	for i := range c.records {
		r := &c.records[i]
		size += 256 + len(r.current.text) + len(r.pending.text) + len(r.previous.text)
	}
	b := make([]byte, 0, size)
	b = appendBytes(b, c.fingerprints)
	b = binary.AppendUvarint(b, uint64(len(c.records)))
	for i := range c.records {
		r := &c.records[i]
		b = appendString(appendString(b, r.name), r.provider)
		b = binary.AppendUvarint(b, uint64(len(r.permissions)))
		for _, p := range r.permissions {
			b = appendString(b, p)
		}
		b = binary.AppendUvarint(b, uint64(len(r.metadata)))
		for _, k := range slices.Sorted(maps.Keys(r.metadata)) {
			b = appendString(appendString(b, k), r.metadata[k])
		}
		for _, t := range []int64{r.expires, r.created, r.rotated, r.keptUntil} {
			b = binary.AppendVarint(b, t)
		}
		b = binary.AppendUvarint(appendBytes(b, r.fingerprint), uint64(r.last))
		for _, s := range []*sealed{&r.current, &r.pending, &r.previous} {
			b = binary.AppendUvarint(b, uint64(s.version))
			if s.version != 0 {
				b = appendBytes(appendBytes(b, s.key), s.text)
			}
		}
	}
	return appendMarks(b, c.records)
}

func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

func appendString(b []byte, v string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// decode reads what encode wrote. Values stay slices of b.
func decode(b []byte) (*contents, error) {
	r := &reader{rest: b}
	c := &contents{fingerprints: r.bytes(envelope.KeySize)}
	n := r.count(MaxEntries)
	if len(c.fingerprints) != envelope.KeySize {
		r.fail("no key of fingerprints")
	}
	c.records = make([]record, 0, min(n, len(r.rest)/16)) // an entry has more than 16 bytes
	for range n {
		if r.err != nil {
			break
		}
		rec := r.record()
		if k := len(c.records); k > 0 && c.records[k-1].name >= rec.name {
			r.fail("entries are not in order")
		}
		c.records = append(c.records, rec)
	}
	r.marks(c.records)
	if len(r.rest) > 0 {
		r.fail("bytes after the last entry")
	}
	if r.err != nil {
		return nil, r.err
	}
	return c, nil
}

type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrDamaged, why)
	}
	r.rest = nil
}

func (r *reader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > limit {
		r.fail("a number out of range")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) count(limit int) int { return int(r.uint(uint64(limit))) } //nolint:gosec // bounded by limit

func (r *reader) time() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail("no time")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) bytes(limit int) []byte {
	n := r.count(limit)
	if n > len(r.rest) {
		r.fail("cut short")
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) record() record {
	rec := record{name: string(r.bytes(MaxName)), provider: string(r.bytes(MaxName))}
	for range r.count(maxItems) {
		rec.permissions = append(rec.permissions, string(r.bytes(maxItem)))
	}
	for range r.count(maxItems) {
		if rec.metadata == nil {
			rec.metadata = map[string]string{}
		}
		k := string(r.bytes(maxItem))
		rec.metadata[k] = string(r.bytes(maxItem))
	}
	rec.expires, rec.created, rec.rotated, rec.keptUntil = r.time(), r.time(), r.time(), r.time()
	rec.fingerprint = r.bytes(fingerprintSize)
	rec.last = uint32(r.uint(1<<32 - 1)) //nolint:gosec // bounded
	for _, s := range []*sealed{&rec.current, &rec.pending, &rec.previous} {
		if s.version = uint32(r.uint(uint64(rec.last))); s.version != 0 { //nolint:gosec // bounded
			s.key, s.text = r.bytes(envelope.KeySize+envelope.Overhead), r.bytes(MaxValue+envelope.Overhead)
		}
	}
	return rec
}

// entry returns what is told of a record.
func (r *record) entry() Entry {
	e := Entry{
		Name: r.name, Provider: r.provider, Permissions: r.permissions, Metadata: r.metadata,
		Expires: at(r.expires), Created: time.UnixMilli(r.created).UTC(), Rotated: at(r.rotated),
		Version: r.current.version, Pending: r.pending.version, Previous: r.previous.version, KeptUntil: at(r.keptUntil),
		Default: r.marks.preferred, PendingSince: at(r.marks.staged), Automatic: r.marks.automatic,
	}
	if len(r.fingerprint) > 0 {
		e.Fingerprint = fmt.Sprintf("%x", r.fingerprint)
	}
	if e.Permissions == nil {
		e.Permissions = []string{}
	}
	if e.Metadata == nil {
		e.Metadata = map[string]string{}
	}
	return e
}

func at(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := time.UnixMilli(ms).UTC()
	return &t
}

func millis(t *time.Time) int64 {
	if t == nil {
		return 0
	}
	return t.UnixMilli()
}

// ValidName reports whether a name can be that of an entry: it stands in
// references, file names of exports and audit events.
func ValidName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("%w: a name has 1 to %d bytes", ErrInvalid, MaxName)
	}
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || !strings.ContainsRune("._-", c)) {
			return fmt.Errorf("%w: a name is of letters, digits, and inside it . _ -", ErrInvalid)
		}
	}
	return nil
}

// validate checks what a caller wants kept.
func (n *New) validate(value []byte) error {
	if err := ValidName(n.Name); err != nil {
		return err
	}
	if n.Provider != "" {
		if err := ValidName(n.Provider); err != nil {
			return fmt.Errorf("provider: %w", err)
		}
	}
	if len(n.Permissions) > maxItems || len(n.Metadata) > maxItems {
		return fmt.Errorf("%w: at most %d permissions and %d members of metadata", ErrInvalid, maxItems, maxItems)
	}
	texts := slices.Concat(n.Permissions, slices.Collect(maps.Keys(n.Metadata)), slices.Collect(maps.Values(n.Metadata)))
	for _, s := range texts {
		if len(s) > maxItem || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			return fmt.Errorf("%w: permissions and metadata are texts of at most %d bytes without control characters", ErrInvalid, maxItem)
		}
	}
	return validValue(value)
}

func validValue(value []byte) error {
	if len(value) == 0 || len(value) > MaxValue {
		return fmt.Errorf("%w: a value has 1 to %d bytes", ErrInvalid, MaxValue)
	}
	return nil
}
