package privacy

import (
	"context"
	"slices"

	"github.com/portcullis-dev/portcullis/internal/audit/index"
	"github.com/portcullis-dev/portcullis/internal/authn/apikey"
	"github.com/portcullis-dev/portcullis/internal/authn/basic"
	"github.com/portcullis-dev/portcullis/internal/privacy/subject"
)

// identify says who is meant by the id of a principal or, unless exact, by the
// name of an account. It returns subject.ErrUnknown if nobody is.
func (p *Part) identify(ctx context.Context, text string, exact bool) (subject.Person, error) {
	who := subject.Person{ID: text}
	known, err := p.accounts(ctx, &who, exact)
	if err != nil {
		return who, err
	}
	if err := p.ownKeys(ctx, &who); err != nil {
		return who, err
	}
	known = known || len(who.Keys) > 0
	if err := p.trail(ctx, &who); err != nil {
		return who, err
	}
	rows, err := p.store.Rows(ctx, "SELECT ip FROM sessions WHERE subject = ?1 AND ip <> ''", who.ID)
	if err != nil {
		return who, err
	}
	for _, r := range rows {
		if ip, ok := r.(map[string]any)["ip"].(string); ok && !slices.Contains(who.Addresses, ip) {
			who.Addresses = append(who.Addresses, ip)
		}
	}
	if known = known || len(rows) > 0 || p.env.Services.Subjects == nil; known {
		return who, nil
	}
	has, err := p.env.Services.Subjects.Has(ctx, who.ID)
	if err == nil && !has {
		err = subject.ErrUnknown
	}
	return who, err
}

// accounts looks for accounts of that id, else of that name.
func (p *Part) accounts(ctx context.Context, who *subject.Person, exact bool) (known bool, err error) {
	type account struct{ id, name string }
	var all []account
	users, err := p.env.Services.Users.List(ctx)
	if err != nil {
		return false, err
	}
	for _, u := range users {
		all = append(all, account{u.ID, u.Name})
	}
	if p.env.Services.Proofs != nil {
		enrolled, err := p.env.Services.Proofs.List(ctx)
		if err != nil {
			return false, err
		}
		for _, e := range enrolled {
			all = append(all, account{e.Subject(), e.UserID})
		}
	}
	canonical, err := basic.Canonical(who.ID)
	if err != nil {
		canonical = who.ID
	}
	var named []account
	for _, a := range all {
		if a.id == who.ID {
			who.Names = append(who.Names, a.name)
			return true, nil
		}
		if a.name == who.ID || a.name == canonical {
			named = append(named, a)
		}
	}
	switch {
	case exact || len(named) == 0:
		return false, nil
	case len(named) > 1:
		return false, subject.ErrAmbiguous
	}
	who.ID, who.Names = named[0].id, []string{named[0].name}
	return true, nil
}

// ownKeys finds the API keys that speak for a person.
func (p *Part) ownKeys(ctx context.Context, who *subject.Person) error {
	keys, err := p.env.Services.Keys.List(ctx, apikey.Page{})
	for _, k := range keys {
		if who.Is(k.Owner) {
			who.Keys = append(who.Keys, k.ID)
		}
	}
	return err
}

// Bounds of what is looked at of the audit log, in events.
const (
	maxTrail  = 20_000
	trailPage = 500
)

// trail learns from the audit log from where a person called, and by which
// names it knows them.
func (p *Part) trail(ctx context.Context, who *subject.Person) error {
	if book := p.env.Services.Subjects; book != nil {
		has, err := book.Has(ctx, who.ID)
		if err != nil {
			return err
		}
		if has {
			who.Aliases = append(who.Aliases, book.Name(who.ID))
		}
	}
	return p.eachEvent(ctx, who.ID, func(f index.Found) {
		if ip := f.Event.Actor.IP; ip.IsValid() && !slices.Contains(who.Addresses, ip.String()) {
			who.Addresses = append(who.Addresses, ip.String())
		}
	})
}

// eachEvent gives the newest events of an actor, the newest first.
func (p *Part) eachEvent(ctx context.Context, actor string, use func(index.Found)) error {
	return p.search(ctx, index.Query{Actor: actor, Limit: trailPage}, use)
}

// search gives the newest events that a query is about, the newest first.
func (p *Part) search(ctx context.Context, q index.Query, use func(index.Found)) error {
	for n := 0; n < maxTrail; {
		res, err := p.index.Search(ctx, q)
		if err != nil {
			return err
		}
		for _, f := range res.Events {
			use(f)
		}
		if n += len(res.Events); res.More == 0 {
			return nil
		}
		q.Before = res.More
	}
	return nil
}
