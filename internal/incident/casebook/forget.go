package casebook

import (
	"context"
	"slices"

	"github.com/portcullis-dev/portcullis"
)

// erased stands for somebody whose data was erased.
const erased = "[erased]"

// Forget closes the incidents that are about a person, and takes the person out
// of the others that are open; for the caller to remove what the store keeps of
// them. matches tells whom a text names.
func (b *Book) Forget(ctx context.Context, matches func(subject string) bool, by portcullis.Actor) error {
	ctx = context.WithoutCancel(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.open {
		if e.Subject != "" && matches(e.Subject) {
			if _, err := b.close(ctx, e.Incident, "the person is erased", by); err != nil {
				return err
			}
			continue
		}
		if !slices.ContainsFunc(e.Subjects, matches) && !matches(e.Owner) {
			continue
		}
		e.Subjects = slices.Clone(e.Subjects)
		for i := range e.Subjects {
			if matches(e.Subjects[i]) {
				e.Subjects[i] = erased
			}
		}
		if matches(e.Owner) {
			e.Owner = erased
		}
		if err := b.save(ctx, e.Incident); err != nil {
			return err
		}
	}
	return nil
}
