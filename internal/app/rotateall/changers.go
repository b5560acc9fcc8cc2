package rotateall

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/keyrotation"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/incident/rotateall"
	"github.com/portcullis-dev/portcullis/internal/secrets/wallet"
)

// Kinds of items.
const (
	KindKey     = "key"
	KindSigning = "signing"
	KindWallet  = "wallet"
)

// actor is who rotates, in the journal: the run names who asked for it.
func actor(r *rotateall.Run) portcullis.Actor {
	return portcullis.Actor{ID: r.By, Method: "rotate-all"}
}

// reason names the run, so that all its events are found together.
func reason(r *rotateall.Run) string { return "rotation " + r.ID }

// keys are the API keys in use. Their successors are made without a secret:
// whoever fetches it makes it, so none is stored or lost when the process dies.
type keys struct{ env part.Env }

func (keys) Kind() string { return KindKey }

func (k keys) Items(ctx context.Context) (out []rotateall.Item, err error) {
	list, err := k.env.Services.Keys.List(ctx, apikey.Page{})
	for i := range list {
		if v := &list[i]; v.Status == apikey.StatusActive && v.Successor == "" && v.ClaimUntil == nil {
			out = append(out, rotateall.Item{Kind: KindKey, Name: v.ID, Detail: v.Name})
		}
	}
	return out, err
}

func (k keys) Change(ctx context.Context, r *rotateall.Run, i rotateall.Item) (rotateall.Item, error) {
	made, err := k.env.Services.Keys.Rotate(ctx, i.Name, apikey.RotateOptions{
		Emergency: r.Overlap == 0, Overlap: r.Overlap, Delivery: apikey.ByToken, Reason: reason(r), By: actor(r),
	})
	var before *apikey.RotatedError
	switch {
	case errors.As(err, &before): // and fetched by its holder
		i.Result = before.Successor
	case errors.Is(err, apikey.ErrInvalid):
		v, serr := k.env.Services.Keys.Show(ctx, i.Name)
		if serr != nil || v.Status != apikey.StatusRevoked {
			return i, errors.Join(err, serr)
		}
		i.Detail = "was revoked meanwhile"
	case err != nil:
		return i, err
	default:
		i.Result = made.View.ID
	}
	i.State = rotateall.Done
	return i, nil
}

// deliver gives the claim token of a successor that nobody has fetched. The one
// that was given before is void. ok is false if there is nothing to fetch.
func (k keys) deliver(ctx context.Context, r *rotateall.Run, i rotateall.Item) (out apikey.Rotation, ok bool, err error) {
	made, err := k.env.Services.Keys.Rotate(ctx, i.Name, apikey.RotateOptions{
		Emergency: r.Overlap == 0, Overlap: r.Overlap, Delivery: apikey.ByToken, Reason: reason(r), By: actor(r),
	})
	var before *apikey.RotatedError
	if errors.As(err, &before) {
		return out, false, nil
	}
	return made.Reveal(), err == nil && made.Token.ID() != "", err
}

// signing are the keys that sign tokens and cards of agents.
type signing struct{ env part.Env }

func (signing) Kind() string { return KindSigning }

func (s signing) Items(context.Context) ([]rotateall.Item, error) {
	ids := s.env.Services.Ring.IDs()
	if len(ids) == 0 {
		return nil, nil
	}
	return []rotateall.Item{{Kind: KindSigning, Name: "tokens", Base: strings.Join(ids, " "), Detail: fmt.Sprintf("%d keys", len(ids))}}, nil
}

func (s signing) Change(ctx context.Context, r *rotateall.Run, i rotateall.Item) (rotateall.Item, error) {
	i.State = rotateall.Done
	had := strings.Fields(i.Base)
	left, fresh := 0, ""
	for _, id := range s.env.Services.Ring.IDs() {
		if slices.Contains(had, id) {
			left++
		} else {
			fresh = id
		}
	}
	if fresh != "" && (left == 0 || r.Overlap > 0) { // done before the process died
		i.Result = fresh
		return i, nil
	}
	made, err := s.env.Services.Tokens.ReplaceKeys(ctx, r.Overlap > 0, reason(r), actor(r))
	i.Result = made
	return i, err
}

// entries are those of the wallet.
type entries struct{ rotator *keyrotation.Part }

func (entries) Kind() string { return KindWallet }

func (e entries) Items(ctx context.Context) (out []rotateall.Item, err error) {
	list, err := e.rotator.Entries(ctx)
	if errors.Is(err, wallet.ErrLocked) { // people must see that it is left out
		return []rotateall.Item{{Kind: KindWallet, Name: "all", Detail: "the wallet opens with a person only: portcullis wallet rotate"}}, nil
	}
	for _, x := range list {
		i := rotateall.Item{Kind: KindWallet, Name: x.Name, Base: strconv.FormatUint(uint64(x.Version), 10)}
		if !x.ByItself {
			i.Detail = "a person must give the new value"
		}
		out = append(out, i)
	}
	return out, err
}

func (e entries) Change(ctx context.Context, r *rotateall.Run, i rotateall.Item) (rotateall.Item, error) {
	from, err := strconv.ParseUint(i.Base, 10, 32)
	if i.Base == "" {
		i.State = rotateall.Manual
		return i, nil
	}
	if err != nil {
		return i, fmt.Errorf("version %q: %w", i.Base, err)
	}
	version, err := e.rotator.Now(ctx, i.Name, uint32(from), r.Overlap)
	if errors.Is(err, keyrotation.ErrManual) {
		i.State, i.Detail = rotateall.Manual, err.Error()
		return i, nil
	}
	i.State, i.Detail, i.Result = rotateall.Done, "", strconv.FormatUint(uint64(version), 10)
	return i, err
}
