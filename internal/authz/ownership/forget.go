package ownership

import "context"

// Forget drops what is known of a caller's things from memory, after all of it
// was stored: what the store forgets next is nobody's.
func (l *Ledger) Forget(ctx context.Context, principal string) error {
	if err := l.Flush(ctx); err != nil {
		return err
	}
	l.things.Forget(func(_ Key, t *thing) bool { return t.principal == principal && !t.Unstored() })
	return nil
}
