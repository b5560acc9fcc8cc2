package casebook

import (
	"context"

	"github.com/portcullis-dev/portcullis"
)

// Forget closes the incidents that are about a person, for the caller to remove
// what the store keeps of them. matches tells whom a text names.
func (b *Book) Forget(ctx context.Context, matches func(subject string) bool, by portcullis.Actor) error {
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.open {
		if e.Subject == "" || !matches(e.Subject) {
			continue
		}
		if _, err := b.close(ctx, e.Incident, "the person is erased", by); err != nil {
			return err
		}
	}
	return nil
}
