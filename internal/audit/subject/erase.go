package subject

import (
	"context"
	"fmt"
	"maps"
	"time"
)

// Ending is how long after an erasure what is still written of the person, such
// as the end of a call that was under way, is sealed under a key that nobody
// keeps. Whoever comes back under the same id later is somebody new.
const Ending = 30 * time.Second

// ending is a person who was erased just now.
type ending struct {
	key   *key
	until time.Time
}

// Erase destroys the key of a principal. Events that were sealed under it can
// never be opened again, in no copy of the log, and nothing leads from the id
// to the name that stands in them. It reports whether there was a key.
func (b *Book) Erase(ctx context.Context, principal string) (bool, error) {
	if principal == "" || principal == Own {
		return false, nil
	}
	if err := b.end(principal); err != nil { // first: nobody makes a new key meanwhile
		return false, err
	}
	hash := b.hash(principal)
	name, _, err := b.opts.Store.FindSubjectKey(ctx, hash)
	if err != nil {
		name = ""
	}
	had, err := b.opts.Store.EraseSubjectKey(ctx, hash)
	b.kept.forget(principal, unnamed+name, unnamed+hash)
	if err != nil {
		return had, fmt.Errorf("erasing a subject: %w", err)
	}
	return had, nil
}

// end begins the time in which a principal is ending.
func (b *Book) end(principal string) error {
	fresh := b.opts.NewKey()
	defer clear(fresh)
	box, err := b.opts.NewBox(fresh)
	if err != nil {
		return fmt.Errorf("erasing a subject: %w", err)
	}
	now := b.opts.Now()
	b.erasing.Lock()
	defer b.erasing.Unlock()
	next := map[string]ending{}
	if have := b.ending.Load(); have != nil {
		maps.Copy(next, *have)
	}
	maps.DeleteFunc(next, func(_ string, e ending) bool { return !now.Before(e.until) })
	next[principal] = ending{&key{box: box, name: randomName(), form: formPerson}, now.Add(Ending)}
	b.ending.Store(&next)
	return nil
}

// ended returns the key under which what is written of a principal is lost, nil
// for all who are not ending.
func (b *Book) ended(principal string) *key {
	all := b.ending.Load()
	if all == nil || len(*all) == 0 {
		return nil
	}
	e, there := (*all)[principal]
	if !there || !b.opts.Now().Before(e.until) {
		return nil
	}
	return e.key
}
