// Package subject keeps personal data in the audit log erasable. What an event
// says of a person (id, address, user agent) is sealed under a key of that
// person before it is written. Whoever destroys the key has erased the person
// from every copy of the log, and the log still verifies: its bytes stay as
// they are (requirements S3-38, S3-40; crypto-shredding).
//
// A person is known to the log by a random name that is kept with the key, so
// that events of one person can be found, and counted, without the key that
// opens them. With the key the name goes: whoever comes back under the same id
// gets another, and nothing tells that the two are one (requirement S3-38).
//
// Who has proved who they are gets a key at their first event. What others
// merely claim to be never makes a key, or anyone could make a million: it is
// sealed under the key of the person if there is one, else under one of the
// day, which is destroyed as a whole.
package subject

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portcullis-dev/portcullis"
)

// Sizes in bytes.
const (
	KeySize  = 32
	hashSize = 16
)

// ErrNoKey is a subject that has no key: it never had one, or it is erased.
var ErrNoKey = errors.New("subject has no key")

// Store keeps the keys of subjects, sealed. It is safe for concurrent use.
type Store interface {
	// SubjectKey returns the sealed key that is kept under a name, or ErrNoKey.
	SubjectKey(ctx context.Context, name string) ([]byte, error)
	// FindSubjectKey returns name and sealed key of whom a hash stands for, or
	// ErrNoKey.
	FindSubjectKey(ctx context.Context, hash string) (name string, sealed []byte, err error)
	// AddSubjectKey stores name and key if the hash has none, and returns those
	// that it has then. They are durable when AddSubjectKey returns.
	AddSubjectKey(ctx context.Context, hash, name string, sealed []byte, at time.Time) (string, []byte, error)
	// EraseSubjectKey destroys the key and the name of a hash, so that nothing
	// of them is left in the files of the store. It reports whether there was one.
	EraseSubjectKey(ctx context.Context, hash string) (bool, error)
	// EraseSubjectKeys does the same with all whose name is from or behind it,
	// and before to. It returns how many there were.
	EraseSubjectKeys(ctx context.Context, from, to string) (int64, error)
}

// Wrapper seals keys for the store; place binds them to their row.
type Wrapper interface {
	Seal(plaintext []byte, place ...string) []byte
	Open(sealed []byte, place ...string) ([]byte, error)
}

// Box seals under one key.
type Box interface {
	Seal(dst, plaintext, aad []byte) []byte
	Open(sealed, aad []byte) ([]byte, error)
}

// Options are what a [Book] works with.
type Options struct {
	Store   Store
	Wrapper Wrapper
	NewBox  func(key []byte) (Box, error)
	NewKey  func() []byte
	Index   []byte           // key of the hashes that subjects are known by
	Now     func() time.Time // nil = time.Now
	Max     int              // keys kept in memory; 0 = a default
}

// Book seals and opens events. It is safe for concurrent use.
type Book struct {
	opts    Options
	kept    cache
	buffers sync.Pool // *buffers
	ending  atomic.Pointer[map[string]ending]
	erasing sync.Mutex // guards changes of ending
}

// New returns a book.
func New(o Options) (*Book, error) {
	if len(o.Index) < KeySize {
		return nil, errors.New("subjects: want an index key of 32 bytes")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	b := &Book{opts: o}
	b.kept.init(o.Max)
	b.buffers.New = func() any { return new(buffers) }
	return b, nil
}

// Name returns the name by which the log knows a principal, "" for none: the
// one that is kept with its key. Of whom there is no key it is a keyed hash of
// the id, under which stands what others claimed to be that id.
func (b *Book) Name(principal string) string {
	if principal == "" {
		return ""
	}
	if k, err := b.person(context.Background(), principal, false); err == nil {
		return k.name
	}
	return b.hash(principal)
}

// Has reports whether there is a key of a principal.
func (b *Book) Has(ctx context.Context, principal string) (bool, error) {
	_, _, err := b.opts.Store.FindSubjectKey(ctx, b.hash(principal))
	if errors.Is(err, ErrNoKey) {
		return false, nil
	}
	return err == nil, err
}

// hash is what the store finds a principal by.
func (b *Book) hash(principal string) string {
	mac := hmac.New(sha256.New, b.opts.Index)
	mac.Write([]byte(principal)) //nolint:errcheck // a hash takes all
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:hashSize])
}

// dayPrefix begins the names of the keys of days. No principal's hash has a dot.
const dayPrefix = "day."

// day names the key of a day.
func day(t time.Time) string { return dayPrefix + t.UTC().Format(time.DateOnly) }

// Personal reports whether an actor says anything of a person. The gateway's
// own ids, such as "portcullis", do not.
func personal(a *portcullis.Actor) bool {
	return (a.ID != "" && a.ID != Own) || a.IP.IsValid() || a.UserAgent != ""
}

// Own is the id of the gateway as an actor: it is no person.
const Own = "portcullis"

// Seal replaces the personal data of an event that has an id and a time. An
// event that is sealed, or holds none, stays as it is. An error means that no
// key could be had: the event must not be written.
func (b *Book) Seal(ctx context.Context, e *portcullis.Event) error {
	if err := b.sealDetails(ctx, e); err != nil {
		return fmt.Errorf("sealing the personal data of an audit event: %w", err)
	}
	a := &e.Actor
	if a.Sealed != "" || !personal(a) {
		return nil
	}
	k, err := b.keyFor(ctx, e)
	if err != nil {
		return fmt.Errorf("sealing the personal data of an audit event: %w", err)
	}
	s := b.buffers.Get().(*buffers)
	defer b.buffers.Put(s)
	s.plain = appendPersonal(s.plain[:0], a)
	s.aad = append(append(s.aad[:0], k.name...), e.ID...)
	s.sealed = append(s.sealed[:0], k.form)
	s.sealed = k.box.Seal(s.sealed, s.plain, s.aad)
	s.text = base64.RawStdEncoding.AppendEncode(s.text[:0], s.sealed)
	name := k.name
	if k.form != formPerson {
		name = ""
		if a.ID != "" {
			name = b.hash(a.ID)
		}
	}
	*a = portcullis.Actor{Method: a.Method, KeyID: a.KeyID, Subject: name, Sealed: string(s.text)}
	return nil
}

// Forms of what is sealed: by whose key. It is the first byte.
const (
	formPerson = 1
	formDay    = 2
)

// keyFor returns the key that an event is sealed under.
func (b *Book) keyFor(ctx context.Context, e *portcullis.Event) (*key, error) {
	if e.Actor.ID != "" && e.Actor.ID != Own {
		k, err := b.person(ctx, e.Actor.ID, e.Outcome != portcullis.OutcomeFailure)
		if !errors.Is(err, ErrNoKey) {
			return k, err
		}
	}
	return b.named(ctx, day(e.Time), formDay, true)
}

// person returns the key of a principal.
func (b *Book) person(ctx context.Context, id string, proved bool) (*key, error) {
	if k := b.ended(id); k != nil {
		return k, nil
	}
	if k := b.kept.get(id); k != nil && (!k.missing || !proved) {
		if k.missing {
			return nil, ErrNoKey
		}
		return k, nil
	}
	generation := b.kept.generation()
	k, err := b.find(ctx, id, proved)
	if errors.Is(err, ErrNoKey) {
		b.kept.put(id, &key{missing: true}, generation)
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	b.kept.put(id, k, generation)
	b.kept.put(unnamed+k.name, k, generation)
	return k, nil
}

// find returns the stored key of a principal, or makes one.
func (b *Book) find(ctx context.Context, id string, make bool) (*key, error) {
	hash := b.hash(id)
	name, sealed, err := b.opts.Store.FindSubjectKey(ctx, hash)
	if errors.Is(err, ErrNoKey) && make {
		name, sealed, err = b.add(ctx, hash, randomName())
	}
	if err != nil {
		return nil, err
	}
	return b.unwrap(name, sealed, formPerson)
}

// randomName is a name of a person in the log.
func randomName() string {
	var id [hashSize]byte
	rand.Read(id[:]) //nolint:errcheck // it never fails
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// add stores a fresh key.
func (b *Book) add(ctx context.Context, hash, name string) (string, []byte, error) {
	fresh := b.opts.NewKey()
	defer clear(fresh)
	return b.opts.Store.AddSubjectKey(ctx, hash, name, b.opts.Wrapper.Seal(fresh, place, name), b.opts.Now())
}

// named returns a key by the name it is stored under.
func (b *Book) named(ctx context.Context, name string, form byte, make bool) (*key, error) {
	at := unnamed + name
	if k := b.kept.get(at); k != nil {
		return k, nil
	}
	generation := b.kept.generation()
	k, err := b.load(ctx, name, form, make)
	if err != nil {
		return nil, err
	}
	b.kept.put(at, k, generation)
	return k, nil
}

func (b *Book) load(ctx context.Context, name string, form byte, make bool) (*key, error) {
	sealed, err := b.opts.Store.SubjectKey(ctx, name)
	if errors.Is(err, ErrNoKey) && make {
		name, sealed, err = b.add(ctx, name, name)
	}
	if err != nil {
		return nil, err
	}
	return b.unwrap(name, sealed, form)
}

func (b *Book) unwrap(name string, sealed []byte, form byte) (*key, error) {
	plain, err := b.opts.Wrapper.Open(sealed, place, name)
	if err != nil {
		return nil, fmt.Errorf("key of subject %s: %w", name, err)
	}
	defer clear(plain)
	box, err := b.opts.NewBox(plain)
	if err != nil {
		return nil, fmt.Errorf("key of subject %s: %w", name, err)
	}
	return &key{box: box, name: name, form: form}, nil
}

const (
	place   = "audit/subjects"
	unnamed = "\x00" // stands before the names of keys in memory: no principal's id begins so
)

// Open puts the personal data back into a sealed event, if its key is still
// there. Else the event stays as it is: [Erased] tells.
func (b *Book) Open(ctx context.Context, e *portcullis.Event) error {
	if err := b.openDetails(ctx, e); err != nil {
		return err
	}
	a := &e.Actor
	if a.Sealed == "" {
		return nil
	}
	sealed, err := base64.RawStdEncoding.DecodeString(a.Sealed)
	if err != nil || len(sealed) == 0 {
		return errors.New("what is sealed in an audit event has not its form")
	}
	var k *key
	switch sealed[0] {
	case formPerson:
		k, err = b.named(ctx, a.Subject, formPerson, false)
	case formDay:
		k, err = b.named(ctx, day(e.Time), formDay, false)
	default:
		return errors.New("what is sealed in an audit event has not its form")
	}
	if errors.Is(err, ErrNoKey) {
		return nil
	}
	if err != nil {
		return err
	}
	plain, err := k.box.Open(sealed[1:], append([]byte(k.name), e.ID...))
	if err != nil {
		return nil // under a key that was destroyed; the subject came back since
	}
	var got portcullis.Actor
	if err := parsePersonal(plain, &got); err != nil {
		return err
	}
	a.ID, a.IP, a.UserAgent = got.ID, got.IP, got.UserAgent
	a.Subject, a.Sealed = "", ""
	return nil
}

// Erased is what stands for the id of an actor whose data cannot be opened.
func Erased(a *portcullis.Actor) string {
	if a.Sealed == "" {
		return a.ID
	}
	return "sealed:" + a.Subject
}

// EraseDays destroys the keys of the days before that of t: what was claimed
// then, and by whom no one proved, cannot be opened any more. It returns how
// many there were.
func (b *Book) EraseDays(ctx context.Context, t time.Time) (int64, error) {
	n, err := b.opts.Store.EraseSubjectKeys(ctx, dayPrefix, day(t))
	b.kept.forgetBetween(unnamed+dayPrefix, unnamed+day(t))
	if err != nil {
		return n, fmt.Errorf("erasing days: %w", err)
	}
	return n, nil
}
