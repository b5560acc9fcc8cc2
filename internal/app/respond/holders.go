package respond

import (
	"context"
	"net/netip"
	"slices"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/app/part"
	"github.com/portcullis-dev/portcullis/internal/detect/risk"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	rights "github.com/portcullis-dev/portcullis/internal/privacy/subject"
	"github.com/portcullis-dev/portcullis/internal/store/sqlite/wishbook"
)

var _ part.Holding = (*Part)(nil)

// subjects are the forms in which containments and incidents name a person.
func subjects(who *rights.Person) []string {
	out := []string{who.ID}
	for _, k := range who.Keys {
		out = append(out, containment.Subject{Kind: containment.KindCredential, ID: k}.String())
	}
	for _, text := range who.Addresses {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			continue
		}
		one := netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		out = append(out, "ip:"+text, containment.Subject{Kind: containment.KindAddress, Net: one}.String(), risk.Of(addr).String(),
			containment.Subject{Kind: containment.KindAddress, Net: risk.Of(addr).Network}.String())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Holders implements part.Holding.
func (p *Part) Holders() []rights.Holder {
	by := portcullis.Actor{ID: "portcullis", Method: "privacy"}
	db := wishbook.New(p.env.DB, nil) // rows only
	rows := func(query string) func(context.Context, *rights.Person) ([]any, error) {
		return func(ctx context.Context, who *rights.Person) (out []any, err error) {
			for _, s := range subjects(who) {
				list, err := db.Rows(ctx, query, s)
				if err != nil {
					return nil, err
				}
				out = append(out, list...)
			}
			return out, nil
		}
	}
	forget := func(ctx context.Context, who *rights.Person, statement string) (done rights.Done, err error) {
		for _, s := range subjects(who) {
			n, err := db.Forget(ctx, []string{statement}, s)
			if done.Count += n; err != nil {
				return done, err
			}
		}
		return done, nil
	}
	return []rights.Holder{{
		Place: rights.Place{
			Name: "containments", Title: "Containments", Where: "portcullis.db: containments", Data: []string{"principal, key or address", "reason"},
			Source: "operators and responses", Purpose: "to hold back who does harm", Retention: "90 days after they end", Erasure: "ended and removed",
		},
		Collect: rows("SELECT id, subject, measure, reason, auto AS automatic, at, until, ended_at FROM containments WHERE subject = ?1 ORDER BY at"),
		Erase: func(ctx context.Context, who *rights.Person) (rights.Done, error) {
			all := subjects(who)
			if err := p.held.Forget(ctx, func(s containment.Subject) bool { return slices.Contains(all, s.String()) }, by); err != nil {
				return rights.Done{}, err
			}
			return forget(ctx, who, "DELETE FROM containments WHERE subject = ?1")
		},
	}, {
		Place: rights.Place{
			Name: "incidents", Title: "Incidents", Where: "portcullis.db: incidents", Data: []string{"principal or address"},
			Source: "the gateway", Purpose: "to follow up what looks like an attack", Retention: "not removed", Erasure: "closed; the subject is replaced by " + rights.Erased,
		},
		Collect: rows("SELECT id, subject, rule, summary, score, count, opened_at, seen_at, closed_at FROM incidents WHERE subject = ?1 ORDER BY opened_at"),
		Erase: func(ctx context.Context, who *rights.Person) (rights.Done, error) {
			all := subjects(who)
			if err := p.cases.Forget(ctx, func(s string) bool { return slices.Contains(all, s) }, by); err != nil {
				return rights.Done{}, err
			}
			return forget(ctx, who, "UPDATE incidents SET subject = '"+rights.Erased+"', key = '"+rights.Erased+":' || id, note = '' WHERE subject = ?1")
		},
	}, {
		Place: rights.Place{
			Name: "risk", Title: "Risk of callers", Where: "memory", Data: []string{"principal, address", "what looked odd"},
			Source: "the audit log", Purpose: "to notice attacks", Retention: "one window (detect.risk.window), and never stored", Erasure: "ends by itself within the window",
		},
	}}
}
