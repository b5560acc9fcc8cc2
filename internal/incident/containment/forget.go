package containment

import (
	"context"
	"slices"

	"github.com/portcullis-dev/portcullis"
)

// Forget ends the containments that are about a person, for the caller to
// remove what the store keeps of them. matches tells whom a text names.
func (b *Book) Forget(ctx context.Context, matches func(Subject) bool, by portcullis.Actor) error {
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range slices.Clone(b.active) {
		if !matches(c.Subject) {
			continue
		}
		if _, err := b.end(ctx, c, "release", "the person is erased", by); err != nil {
			return err
		}
	}
	for s := range b.spared {
		if matches(s) {
			delete(b.spared, s)
		}
	}
	return nil
}
