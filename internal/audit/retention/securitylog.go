package retention

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/portcullis-dev/portcullis/internal/audit/class"
	"github.com/portcullis-dev/portcullis/internal/audit/rotate"
)

// expireSecurityLogs removes rotated files of security.log once the time of
// class security is over for the newest event in them. They are copies of
// events in the journal, so no event tells of it.
func (k *Keeper) expireSecurityLogs(ctx context.Context, p *Policy) error {
	rotated, err := rotate.Files(k.dir)
	if err != nil || len(rotated) == 0 {
		return err
	}
	if _, err := k.holdsInForce(ctx, k.time); err != nil {
		return err
	}
	k.holding.Lock()
	defer k.holding.Unlock()
	holds, err := loadHolds(k.dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range rotated {
		info, err := os.Stat(r.Path)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		newest := r.At
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		isHeld := false
		for i := range holds {
			isHeld = isHeld || holds[i].covers(class.Security, time.Unix(0, 1), newest)
		}
		if isHeld || !k.time.After(newest.Add(p.Security)) {
			continue
		}
		if err := os.Remove(r.Path); err != nil {
			errs = append(errs, fmt.Errorf("removing a rotated security.log: %w", err))
		}
	}
	return errors.Join(errs...)
}
