package subject

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"

	"github.com/portcullis-dev/portcullis"
)

// Gone is what stands for personal data whose key is destroyed.
const Gone = "[erased]"

// sealedDetail begins a detail that is sealed; the name of its key and a colon
// follow, and what is sealed.
const sealedDetail = "sealed:"

// personalDetail reports whether a detail of this name says who somebody is:
// whom an operator added, held back or let go, whose session it is.
func personalDetail(e *portcullis.Event, name string) bool {
	switch name {
	case "subject": // anomalies of persons have them as actor, of tools and routes here
		return e.Type != portcullis.EventAnomalyDetected
	case "principal", "user", "owner", "by", "client", "issued_to", "rotated_by":
		return true
	case "name": // of a user; other things have names, too
		return strings.HasPrefix(e.Resource, "user:")
	}
	return false
}

// isSealed reports whether a detail has what it says of a person sealed.
func isSealed(a slog.Attr) bool {
	return a.Value.Kind() == slog.KindString && strings.HasPrefix(a.Value.String(), sealedDetail)
}

// sealDetails seals the details that say who somebody is, each under the key of
// whom it names.
func (b *Book) sealDetails(ctx context.Context, e *portcullis.Event) error {
	mine := false
	for i := range e.Details {
		d := e.Details[i]
		if !personalDetail(e, d.Key) || d.Value.Kind() != slog.KindString || !namesSomebody(d.Value.String()) {
			continue
		}
		text, err := b.sealDetail(ctx, e, d.Key, d.Value.String())
		if err != nil {
			return err
		}
		if !mine { // the slice is the caller's
			e.Details, mine = slices.Clone(e.Details), true
		}
		e.Details[i] = slog.String(d.Key, text)
	}
	return nil
}

// namesSomebody reports whether a value may be a person.
func namesSomebody(value string) bool {
	return value != "" && value != Own && !strings.HasPrefix(value, sealedDetail) && !strings.HasPrefix(value, "tool:")
}

func (b *Book) sealDetail(ctx context.Context, e *portcullis.Event, name, value string) (string, error) {
	proved := e.Outcome != portcullis.OutcomeFailure && !isAddress(value) // anybody can have a million addresses
	k, err := b.person(ctx, whose(name, value), proved)
	if errors.Is(err, ErrNoKey) {
		k, err = b.named(ctx, day(e.Time), formDay, true)
	}
	if err != nil {
		return "", err
	}
	sealed := k.box.Seal([]byte{k.form}, []byte(value), detailPlace(k, e, name))
	who := k.name
	if k.form == formDay {
		who = ""
	}
	return sealedDetail + who + ":" + base64.RawStdEncoding.EncodeToString(sealed), nil
}

// Account is under what the name of an account is sealed. It is not the id of a
// principal: somebody else may have that.
func Account(name string) string { return "account:" + name }

// whose is the person under whose key a detail is sealed.
func whose(detail, value string) string {
	if detail == "name" || detail == "user" {
		return Account(value)
	}
	return value
}

func isAddress(value string) bool {
	text := strings.TrimPrefix(value, "ip:")
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(text)
	return err == nil
}

// detailPlace binds what is sealed to its event and its name.
func detailPlace(k *key, e *portcullis.Event, name string) []byte {
	return []byte(k.name + e.ID + "\x00" + name)
}

// openDetails puts details back. Those whose key is destroyed read as [Gone].
func (b *Book) openDetails(ctx context.Context, e *portcullis.Event) error {
	mine := false
	for i := range e.Details {
		if !isSealed(e.Details[i]) || !personalDetail(e, e.Details[i].Key) {
			continue
		}
		text, err := b.openDetail(ctx, e, e.Details[i])
		if err != nil {
			return err
		}
		if !mine {
			e.Details, mine = slices.Clone(e.Details), true
		}
		e.Details[i] = slog.String(e.Details[i].Key, text)
	}
	return nil
}

func (b *Book) openDetail(ctx context.Context, e *portcullis.Event, d slog.Attr) (string, error) {
	who, text, _ := strings.Cut(strings.TrimPrefix(d.Value.String(), sealedDetail), ":")
	sealed, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(sealed) == 0 {
		return Gone, nil //nolint:nilerr // it was never sealed, or cut off: nobody can read it
	}
	name, form := who, sealed[0]
	if form == formDay {
		name = day(e.Time)
	}
	k, err := b.named(ctx, name, form, false)
	if errors.Is(err, ErrNoKey) {
		return Gone, nil
	}
	if err != nil {
		return "", err
	}
	plain, err := k.box.Open(sealed[1:], detailPlace(k, e, d.Key))
	if err != nil {
		return Gone, nil //nolint:nilerr // under a key that was destroyed
	}
	return string(plain), nil
}
