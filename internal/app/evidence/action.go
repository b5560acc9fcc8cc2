package evidence

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis"
	api "github.com/portcullis-dev/portcullis/internal/admin/evidence"
	"github.com/portcullis-dev/portcullis/internal/incident/playbook"
)

// Arguments of the action.
const (
	ArgHours      = "hours"      // how far back
	ArgRecipients = "recipients" // age recipients, apart by spaces
)

// action lets playbooks preserve evidence. It never opens personal data: a
// person decides that.
type action struct{ p *Part }

var _ playbook.Action = action{}

func (action) Name() string { return "evidence" }

func (action) Destructive() bool { return false }

func (a action) order(args playbook.Args) (order, error) {
	if err := args.Only(ArgHours, ArgRecipients); err != nil { // a slip would leave it unencrypted
		return order{}, fmt.Errorf("%w: %w", api.ErrInvalid, err)
	}
	in := api.Request{Incident: args[playbook.ArgIncident], Recipients: strings.Fields(args[ArgRecipients]), Reason: "playbook"}
	if text := args[ArgHours]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 87600 {
			return order{}, fmt.Errorf("%w: hours: %q: want 1 to 87600", api.ErrInvalid, text)
		}
		in.Hours = n
	}
	return a.p.order(in, portcullis.Actor{ID: args[playbook.ArgBy], Method: "playbook"})
}

func (a action) Plan(_ context.Context, args playbook.Args) (string, error) {
	o, err := a.order(args)
	if err == nil {
		err = a.p.room()
	}
	return fmt.Sprintf("preserve the evidence of the last %d hours in %s", o.Hours, a.p.folder()), err
}

// Do makes one archive, also where an earlier process made one: twice preserved
// is better than none.
func (a action) Do(ctx context.Context, args playbook.Args, note func(string)) error {
	o, err := a.order(args)
	if err != nil {
		return err
	}
	a.p.mu.Lock()
	if err = a.p.room(); err == nil && a.p.busy {
		err = api.ErrBusy
	}
	a.p.busy = a.p.busy || err == nil
	a.p.mu.Unlock()
	if err != nil {
		return err
	}
	defer func() {
		a.p.mu.Lock()
		defer a.p.mu.Unlock()
		a.p.busy = false
	}()
	made, err := a.p.Make(ctx, o, func(int64, int64) {})
	if err == nil {
		note(fmt.Sprintf("preserved %s, %d records, sha256 %s", made.Name, made.Counts.Records, made.SHA256))
	}
	return errors.Join(err, ctx.Err())
}
