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
	forget := func(ctx context.Context, texts []string, statements ...string) (done rights.Done, err error) {
		for _, s := range texts {
			n, err := db.Forget(ctx, statements, s)
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
			return forget(ctx, all, "DELETE FROM containments WHERE subject = ?1")
		},
	}, {
		Place: rights.Place{
			Name: "incidents", Title: "Incidents, their timelines, what was run", Where: "portcullis.db: incidents, incident_entries, playbook_runs, rotation_runs",
			Data:   []string{"principal or address", "who did what", "what operators wrote"},
			Source: "the gateway", Purpose: "to follow up what looks like an attack", Retention: "not removed", Erasure: "closed; the person is replaced by " + rights.Erased,
		},
		Collect: rows("SELECT id, subject, rule, summary, score, count, opened_at, seen_at, closed_at FROM incidents WHERE subject = ?1 ORDER BY opened_at"),
		Erase: func(ctx context.Context, who *rights.Person) (rights.Done, error) {
			all := subjects(who)
			if err := p.cases.Forget(ctx, func(s string) bool { return slices.Contains(all, s) }, by); err != nil {
				return rights.Done{}, err
			}
			if err := p.settle(ctx); err != nil { // what the timelines still lack would name the person there
				return rights.Done{}, err
			}
			return forget(ctx, slices.Concat(all, who.Names, who.Addresses, who.Keys), incidentStatements()...)
		},
	}, {
		Place: rights.Place{
			Name: "risk", Title: "Risk of callers", Where: "memory", Data: []string{"principal, address", "what looked odd"},
			Source: "the audit log", Purpose: "to notice attacks", Retention: "one window (detect.risk.window), and never stored", Erasure: "ends by itself within the window",
		},
	}}
}

// shortest is how long a text must be to be replaced inside of others: shorter
// ones are replaced where they stand alone.
const shortest = "4"

// incidentStatements take a text that names a person out of what is kept of
// incidents.
func incidentStatements() []string {
	out := []string{
		"UPDATE incidents SET subject = '" + rights.Erased + "', key = '" + rights.Erased + ":' || id, note = '' WHERE subject = ?1",
		`UPDATE incidents SET subjects = trim(replace(char(10) || subjects || char(10), char(10) || ?1 || char(10), char(10) || '` + rights.Erased + `' || char(10)), char(10))
			WHERE instr(char(10) || subjects || char(10), char(10) || ?1 || char(10)) > 0`,
	}
	for _, c := range [][2]string{{"incidents", "owner"}, {"incident_entries", "actor"}, {"playbook_runs", "started_by"}, {"rotation_runs", "made_by"}} {
		out = append(out, "UPDATE "+c[0]+" SET "+c[1]+" = '"+rights.Erased+"' WHERE "+c[1]+" = ?1")
	}
	for _, c := range [][2]string{
		{"incidents", "note"}, {"incidents", "summary"}, {"incident_entries", "text"}, {"playbook_runs", "steps"}, {"rotation_runs", "reason"},
		{"rotation_items", "name"}, {"rotation_items", "detail"},
	} {
		out = append(out, "UPDATE "+c[0]+" SET "+c[1]+" = replace("+c[1]+", ?1, '"+rights.Erased+"') WHERE "+c[1]+" = ?1 OR length(?1) >= "+shortest+" AND instr("+c[1]+", ?1) > 0")
	}
	return out
}
