package quota

import "context"

// Forget drops what is counted for a caller from memory, after all that is
// counted was stored: what the store forgets next is not written there again.
func (l *Ledger) Forget(ctx context.Context, principal string) error {
	if err := l.Flush(ctx); err != nil {
		return err
	}
	l.counters.Forget(func(k Key, c *counter) bool { return k.Principal == principal && !c.Unstored() })
	return nil
}
