package incidents

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/index"
	"github.com/portcullis-dev/portcullis/internal/incident/casebook"
	"github.com/portcullis-dev/portcullis/internal/incident/containment"
	"github.com/portcullis-dev/portcullis/internal/incident/report"
)

const (
	before     = 24 * time.Hour // what happened before an incident was noticed counts too
	maxCounted = 50_000         // events that a report counts
	maxCounts  = 20             // lines of one table
	maxListed  = 1000
	patience   = 20 * time.Second
)

// Gather implements casework.Desk: it puts together what is known of an
// incident.
func (p *Part) Gather(ctx context.Context, id string) (report.Data, error) {
	if err := p.Settle(ctx); err != nil {
		return report.Data{}, err
	}
	i, list, err := p.Cases().Find(ctx, id)
	if err != nil {
		return report.Data{}, err
	}
	d := report.Data{Incident: i, Timeline: list, Made: time.Now().UTC(), Version: p.env.Version}
	for _, c := range p.state.Load().contacts {
		d.Contacts = append(d.Contacts, report.Contact{Name: c.name, Role: c.role, Reach: c.reach()})
	}
	held, err := p.env.Response.Held.History(ctx, maxListed)
	if err != nil {
		return d, err
	}
	for _, c := range slices.Backward(held) {
		if c.Incident == i.ID {
			d.Containments = append(d.Containments, c)
		}
	}
	if d.Runs, err = p.runner.Runs(ctx, i.ID, 100); err != nil {
		return d, err
	}
	slices.Reverse(d.Runs)
	d.Affected, err = p.affected(ctx, &i)
	return d, err
}

// affected counts what the audit log has of those whom an incident is about.
func (p *Part) affected(ctx context.Context, i *casebook.Incident) (report.Affected, error) {
	a := report.Affected{From: i.OpenedAt.Add(-before), To: time.Now().UTC()}
	if !i.Open() {
		a.To = i.ClosedAt
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	seen := map[uint64]bool{}
	types, callers, routes, tools := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	for _, text := range i.Subjects {
		q, ok := question(text)
		if !ok {
			continue
		}
		q.Since, q.Until, q.Limit = a.From, a.To.Add(time.Millisecond), 1000
		for len(seen) < maxCounted {
			r, err := p.index.Search(ctx, q)
			if err != nil {
				return a, err
			}
			for n := range r.Events {
				e := &r.Events[n].Event
				if seen[r.Events[n].Seq] {
					continue
				}
				seen[r.Events[n].Seq] = true
				types[string(e.Type)]++
				count(callers, cmp.Or(e.Actor.ID, address(e.Actor.IP)))
				count(routes, e.Route)
				tool, _ := strings.CutPrefix(e.Resource, "tool:")
				if tool != e.Resource {
					count(tools, tool)
				}
				if e.Type == portcullis.EventCallContained {
					a.Refused++
				}
			}
			a.Partial = a.Partial || r.Partial
			if q.Before = r.More; r.More == 0 || r.Partial {
				break
			}
		}
	}
	a.Events = len(seen)
	a.Partial = a.Partial || len(seen) >= maxCounted
	a.Types, a.Callers, a.Routes, a.Tools = top(types), top(callers), top(routes), top(tools)
	return a, nil
}

func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return "ip:" + a.String()
}

// question asks the index for the events of a subject.
func question(text string) (index.Query, bool) {
	s, err := containment.ParseSubject(text)
	if err != nil {
		return index.Query{}, false
	}
	switch s.Kind {
	case containment.KindPrincipal, containment.KindCredential:
		return index.Query{Actor: s.ID}, true
	case containment.KindAddress:
		return index.Query{Address: s.Net}, true
	case containment.KindTool:
		return index.Query{Route: s.Route, Resource: "tool:" + s.ID}, true
	case containment.KindRoute:
		return index.Query{Route: s.Route}, true
	}
	return index.Query{}, false // of an upstream or of everything, all routes tell
}

func count(m map[string]int, name string) {
	if name != "" {
		m[name]++
	}
}

// top lists the most frequent.
func top(m map[string]int) []report.Count {
	out := make([]report.Count, 0, len(m))
	for name, n := range m {
		out = append(out, report.Count{Name: name, N: n})
	}
	slices.SortFunc(out, func(a, b report.Count) int {
		return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Name, b.Name))
	})
	return out[:min(len(out), maxCounts)]
}
